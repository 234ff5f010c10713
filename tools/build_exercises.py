"""Turn the manuscripts in solutions/src into solved notebooks (solutions/) and unsolved ones (exercises/).

    python tools/build_exercises.py            builds the stale assignments
    python tools/build_exercises.py 01         builds this one, stale or not
    python tools/build_exercises.py --check    builds nothing; exit status 1 and one sentence for each stale assignment

The solved notebook is built and executed like a lesson (tools/build_notebooks.py). nbgrader's preprocessors make the
unsolved one from it: `pip install -e '.[grading]'`. Each unsolved notebook stores hashes of its own content and of the
solved notebook. Therefore --check works without nbgrader, and a file that a learner has edited is never overwritten.
"""

import argparse
import copy
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the lines below also work when this file is run as a script

from tools.build_notebooks import (  # noqa: E402
    BuildError,
    build,
    chosen,
    manuscripts,
    notebook_path,
    read_manuscript,
    what_is_stale,
    write,
)
from tools.exercise_cells import fingerprint  # noqa: E402

SOLUTIONS = ROOT / "solutions"
STUB = {"python": "..."}


def exercise_path(manuscript: Path) -> Path:
    """Return the path of the unsolved notebook: exercises/NN_topic/NN_topic.ipynb."""
    return manuscript.parents[2] / "exercises" / manuscript.stem / f"{manuscript.stem}.ipynb"


def unsolved(solved: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove solutions and outputs from a notebook, as `nbgrader generate_assignment` does, and add the hashes.

    Raises `BuildError` if nbgrader is not installed.
    """
    try:
        from nbgrader import preprocessors as steps
    except ImportError:
        raise BuildError("nbgrader makes the exercises, and it is not installed: pip install -e '.[grading]'") from None
    notebook = copy.deepcopy(solved)
    for step in (
        steps.LockCells(),
        steps.ClearSolutions(code_stub=STUB),
        steps.ClearOutput(),
        steps.CheckCellMetadata(),
        steps.ComputeChecksums(),
    ):
        notebook, _ = step.preprocess(notebook, {})
    notebook.metadata.minillm = {"solved": fingerprint(solved), "unsolved": fingerprint(notebook)}
    nbformat.validate(notebook)
    return notebook


def release(manuscript: Path) -> None:
    """Write the unsolved notebook of an assignment; raises `BuildError` if the existing one was edited."""
    path = exercise_path(manuscript)
    if path.exists() and is_edited(path):
        raise BuildError(f"{shown(path)} has been edited, so it is kept. To get the new one, rename it first")
    path.parent.parent.mkdir(exist_ok=True)
    write(unsolved(nbformat.read(notebook_path(manuscript), as_version=4)), path)


def is_edited(path: Path) -> bool:
    """Whether an exercise was edited since it was built; running its cells does not count."""
    notebook = nbformat.read(path, as_version=4)
    return notebook.metadata.get("minillm", {}).get("unsolved") != fingerprint(notebook)


def why_stale(manuscript: Path) -> str | None:
    """Return why an assignment must be built again, or None; a file that a learner edited is not stale."""
    if reason := what_is_stale(manuscript):
        return reason
    path = exercise_path(manuscript)
    if not path.exists():
        return f"{manuscript.stem}: the exercise has not been built yet"
    if is_edited(path):
        return f"{shown(path)} is generated, but was committed with manual edits" if is_committed(path) else None
    notebook = nbformat.read(path, as_version=4)
    if notebook.metadata.minillm.solved != fingerprint(read_manuscript(manuscript)):
        return f"{manuscript.stem}: the exercise was made from another solution"
    return None


def is_committed(path: Path) -> bool:
    """Whether the file equals the committed version, so that an author and not a learner has edited it."""
    command = ["git", "diff", "--quiet", "HEAD", "--", str(path)]
    try:
        return subprocess.run(command, cwd=path.parent, capture_output=True).returncode == 0
    except OSError:  # no git here
        return False


def shown(path: Path) -> str:
    return path.relative_to(path.parents[2]).as_posix()


def main(arguments: list[str] | None = None, folder: Path = SOLUTIONS) -> int:
    parser = argparse.ArgumentParser(description="Build the solutions and the exercises from their manuscripts.")
    parser.add_argument("assignments", nargs="*", metavar="NN", help="assignments to build (default: the stale ones)")
    parser.add_argument("--check", action="store_true", help="build nothing; fail if an assignment is stale")
    options = parser.parse_args(arguments)
    known = manuscripts(folder)
    stale = {path: reason for path in known.values() if (reason := why_stale(path))}
    if options.check:
        print("\n".join(stale.values()) or f"{len(known)} assignments are up to date")
        return 1 if stale else 0
    failed = False
    for path in chosen(options.assignments, known) or stale:
        try:
            if options.assignments or what_is_stale(path):
                build(path, keep=not options.assignments)
            release(path)
            print(f"{path.stem}: solution and exercise are built", flush=True)
        except BuildError as error:
            failed = True
            print(f"NOT BUILT: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
