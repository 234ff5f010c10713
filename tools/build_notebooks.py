"""Turn the manuscripts in notebooks/src into executed notebooks with stored outputs.

    python tools/build_notebooks.py            builds the stale lessons; if only prose changed, nothing is executed
    python tools/build_notebooks.py 00 04_lab  builds lesson 00 and the lab of lesson 04, stale or not
    python tools/build_notebooks.py --check    builds nothing; exit status 1 and one sentence for each stale lesson

A manuscript is a jupytext percent script, which diffs and merges well. The notebook is what learners read, with its
outputs, and is never edited by hand. Building runs every cell in a fresh kernel and checks the shapes in its comments
against the tensors (tools/shape_comments.py); if a cell fails, the old notebook is kept. The notebook is independent of
the machine: no paths, times, versions or widget state, and cell ids that depend only on the cells' text.
"""

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the line below also works when this file is run as a script

from minillm.course.pages import is_test  # noqa: E402
from minillm.course.workbook import short_name  # noqa: E402
from minillm.errors import UserError  # noqa: E402
from minillm.inference.native import compile_native  # noqa: E402
from tools import lesson_form  # noqa: E402
from tools.exercise_cells import mark_for_nbgrader  # noqa: E402
from tools.lesson_environment import lesson_environment  # noqa: E402
from tools.slide_rules import slide_type  # noqa: E402

NOTEBOOKS = ROOT / "notebooks"
CELL_TIMEOUT = 1200  # seconds
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WATCH = "from tools.shape_comments import watch; watch(get_ipython()); del watch"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class BuildError(RuntimeError):
    """A lesson that could not be built; the message names the lesson and the cell."""


def manuscripts(folder: Path = NOTEBOOKS) -> dict[str, Path]:
    """Find all manuscripts by number: {"04": .../src/04_attention.py, "04_lab": .../src/04_attention_lab.py, ...}."""
    return {short_name(f"{path.stem}.ipynb"): path for path in sorted((folder / "src").glob("*.py"))}


def notebook_path(manuscript: Path) -> Path:
    """Return a manuscript's notebook path: notebooks/NN_topic.ipynb, or solutions/NN_topic/NN_topic.ipynb."""
    folder = manuscript.parent.parent
    if folder.name == "solutions":  # nbgrader needs a folder for each assignment
        folder = folder / manuscript.stem
    return folder / f"{manuscript.stem}.ipynb"


def read_manuscript(path: Path) -> nbformat.NotebookNode:
    """Read a manuscript as a notebook without outputs, with our metadata and stable cell ids.

    Raises `BuildError` for text on the line that starts a cell: it would become the cell's title, which is not shown.
    """
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        # The id depends on the text, not on the position, so that a new cell does not change the other ids.
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        if title := cell.metadata.get("title"):
            raise BuildError(f"{path.stem}: a cell starts with '%% {title}'; put its text on the lines below")
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if is_test(cell):  # JupyterLab shows a bar in its place, which opens by a click
            cell.metadata.jupyter = nbformat.from_dict({"source_hidden": True})
    if lesson_form.has_turns(notebook.cells):
        for cell in notebook.cells:
            cell.metadata.slideshow = nbformat.from_dict({"slide_type": slide_type(cell)})
    if path.parent.parent.name == "solutions":
        mark_for_nbgrader(notebook)
    return notebook


def what_is_stale(manuscript: Path) -> str | None:
    """Return why a manuscript's notebook must be built again, or None if it is up to date."""
    path = notebook_path(manuscript)
    if not path.exists():
        return f"{manuscript.stem}: the notebook has not been built yet"
    built = nbformat.read(path, as_version=4)
    try:
        wanted = read_manuscript(manuscript)
    except BuildError as error:
        return str(error)
    if len(built.cells) != len(wanted.cells):
        return f"{manuscript.stem}: {len(wanted.cells)} cells in the manuscript, {len(built.cells)} in the notebook"
    for number, (new, old) in enumerate(zip(wanted.cells, built.cells, strict=True), start=1):
        if (new.cell_type, new.source, new.metadata, new.id) != (old.cell_type, old.source, old.metadata, old.id):
            return f"{manuscript.stem}: cell {number} differs between the manuscript and the notebook"
    executed = [cell for cell in built.cells if cell.cell_type == "code" and not is_skipped(cell)]
    if [cell.execution_count for cell in executed] != list(range(1, len(executed) + 1)):
        return f"{manuscript.stem}: the notebook's cells are not numbered 1 to {len(executed)}; its outputs are missing"
    if executed and not any(cell.outputs for cell in executed):
        return f"{manuscript.stem}: the notebook has no outputs"
    return None


def is_skipped(cell: nbformat.NotebookNode) -> bool:
    """Whether the builder skips this cell (tag `skip-execution`)."""
    return "skip-execution" in cell.metadata.get("tags", [])


def build(manuscript: Path, keep: bool = False) -> float:
    """Execute a manuscript in a fresh kernel and write the notebook; returns the seconds it took.

    With `keep`, a notebook with unchanged code keeps its outputs and nothing is executed. Raises `BuildError` if a cell
    fails, takes too long or kills its kernel, or if an output contains a path of this machine; the old notebook is then
    unchanged.
    """
    notebook = read_manuscript(manuscript)
    start = time.perf_counter()
    if not (keep and keep_outputs(notebook, notebook_path(manuscript))):
        execute(notebook, manuscript)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            clean_outputs(cell)
            refuse_machine_traces(cell, f"{manuscript.stem}, cell {number}")
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel wrote its Python's version here
    nbformat.validate(notebook)
    write(notebook, notebook_path(manuscript))
    return time.perf_counter() - start


def keep_outputs(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Copy the outputs of the notebook in `path` if its code is the same; returns whether it is."""
    if not path.exists():
        return False
    stored = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [(cell.source, _run_tags(cell)) for cell in cells] != [(cell.source, _run_tags(cell)) for cell in stored]:
        return False
    if not all(cell.execution_count or is_skipped(cell) for cell in stored):
        return False
    for cell, old in zip(cells, stored, strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    return True


def _run_tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags on which the outputs depend; other metadata may change without a run."""
    return {"skip-execution", "raises-exception"} & set(cell.metadata.get("tags", []))


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook atomically, with the same bytes on every system."""
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        nbformat.write(notebook, file)
    os.replace(unfinished, path)


def execute(notebook: nbformat.NotebookNode, manuscript: Path) -> None:
    """Run all cells in place; raises `BuildError` with the failing cell."""
    where = {"cell": "before the first cell"}

    def note_cell(cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "code":
            where["cell"] = f"cell {cell_index + 1} of {len(notebook.cells)}:\n{indented(cell.source)}"
        if sys.stderr.isatty():
            print(f"\r{manuscript.stem}  {cell_index + 1}/{len(notebook.cells)} ", end="", file=sys.stderr, flush=True)

    async def watch_shapes(notebook: nbformat.NotebookNode) -> None:
        reply = await client.kc.execute(WATCH, silent=True, store_history=False, reply=True, timeout=CELL_TIMEOUT)
        if reply["content"]["status"] != "ok":
            raise BuildError(f"{manuscript.stem}: the shape comments cannot be watched: {reply['content']}")

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_notebook_start=watch_shapes,
        on_cell_start=note_cell,
        resources={"metadata": {"path": str(manuscript.parent.parent)}},
    )
    with contextlib.suppress(UserError):  # there is no C compiler
        compile_native()  # or the first cell that needs it says so on stderr
    try:
        # The kernel's log warns about unencrypted TCP at every start; cell outputs do not go there.
        client.execute(env=lesson_environment(), stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        raise BuildError(f"{manuscript.stem}, {where['cell']}\n{error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise BuildError(f"{manuscript.stem}, {where['cell']}\ntook longer than {CELL_TIMEOUT} s") from None
    except DeadKernelError:
        raise BuildError(f"{manuscript.stem}, {where['cell']}\nkilled its kernel (out of memory?)") from None
    finally:
        if sys.stderr.isatty():
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr)


def clean_outputs(cell: nbformat.NotebookNode) -> None:
    """Remove widget views, which refer to the kernel by random ids; their pictures and texts are kept."""
    for output in cell.outputs:
        if WIDGET_VIEW in output.get("data", {}):
            del output.data[WIDGET_VIEW]


def refuse_machine_traces(cell: nbformat.NotebookNode, where: str) -> None:
    """Raise `BuildError` for output on stderr, or for an output that contains a folder of this machine."""
    for output in cell.outputs:
        if output.get("name") == "stderr":
            raise BuildError(f"{where} wrote to stderr, which looks like an error; fix the cause:\n{output.text}")
    stored = str(list(cell.outputs))
    for folder in (ROOT, Path.home(), Path(sys.prefix)):
        if len(folder.parts) > 1 and f"{folder}{os.sep}" in stored:
            raise BuildError(f"{where} prints the folder {folder}; a stored output must not contain local paths")


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def chosen(names: Iterable[str], lessons: dict[str, Path]) -> list[Path]:
    """Find the manuscripts named on the command line, by number or file name; `SystemExit` for an unknown one."""
    paths = []
    for name in names:
        number = short_name(f"{Path(name).stem}.ipynb")
        if number not in lessons:
            raise SystemExit(f"no manuscript for lesson {name!r}; there are {', '.join(lessons) or 'none yet'}")
        paths.append(lessons[number])
    return paths


def check(lessons: Iterable[Path], folder: Path = NOTEBOOKS) -> list[str]:
    """Return one sentence for each stale lesson and for each notebook without a manuscript."""
    lessons = list(lessons)
    stale = [reason for path in lessons if (reason := what_is_stale(path))]
    known = {notebook_path(path) for path in lessons}
    orphans = [path.stem for path in sorted(folder.glob("*.ipynb")) if path not in known]
    return stale + [f"{name}: a notebook without a manuscript in notebooks/src" for name in orphans]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the lessons' notebooks from their manuscripts.")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="lessons to build (default: the stale ones)")
    parser.add_argument("--check", action="store_true", help="build nothing; fail if a notebook is stale")
    options = parser.parse_args(arguments)
    lessons = manuscripts()
    if options.check:
        complaints = check(lessons.values())
        print("\n".join(complaints) or f"{len(lessons)} lessons are up to date")
        return 1 if complaints else 0
    named = chosen(options.lessons, lessons)
    failed = False
    for path in named or [path for path in lessons.values() if what_is_stale(path)]:
        try:
            print(f"{path.stem}: built in {build(path, keep=not named):.0f} s", flush=True)
        except BuildError as error:
            failed = True
            print(f"NOT BUILT: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
