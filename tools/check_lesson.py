"""Run everything that holds a lesson, and print what was held.

    python3 start.py test 04            the page, its tests, its generated files, its deck and its links
    python3 start.py test 04 11a --all  two lessons, with their labs and the slow tests; other arguments go to pytest
    python3 start.py test 04 --quick    without running the page

All parts are run, even after one has failed, two at a time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the lines below also work when this file is run as a script

from minillm.course.contents import ASSIGNMENTS, TOPICS  # noqa: E402
from minillm.course.workbook import short_name  # noqa: E402

# Where tests belong to a lesson: by their folder or by their parameter (--lesson, see conftest.py). Elsewhere are none,
# and to collect everything takes half a minute.
FOLDERS = ["tests/lessons", "tests/exercises", "tests/notebooks", "tests/course"]
LINKS = "tests/test_repo.py"  # links that lead somewhere, figures in other pages that are the lesson's


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="start.py test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lessons", nargs="+", metavar="NN", help="number of a lesson, such as 04")
    parser.add_argument("--all", action="store_true", help="also the labs and the slow tests")
    parser.add_argument("--quick", action="store_true", help="without running the page")
    options, rest = parser.parse_known_args(arguments)
    for number in options.lessons:
        if number not in TOPICS:
            print(f"start.py: there is no lesson {number}; there are {', '.join(TOPICS)}", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory() as decks:
        parts = commands(options.lessons, decks, rest, labs=options.all, slow=options.all)
        if options.quick:
            del parts["page"]
        return run(parts)


def commands(
    numbers: list[str], decks: str, rest: list[str], *, labs: bool = False, slow: bool = False
) -> dict[str, list[list[str]]]:
    """The commands of each part, in order; `rest` goes to the pytest of the lesson's tests."""
    built = [path for number in numbers for path in sorted((ROOT / "notebooks").glob(f"{number}_*.ipynb"))]
    pages = [f"notebooks/{path.name}" for path in built if labs or not path.stem.endswith("_lab")]
    assigned = [number for number in numbers if number in ASSIGNMENTS]
    checks = [["tools/build_notebooks.py", "--check", *(short_name(path.name) for path in built)]]
    if assigned:
        checks.append(["tools/build_exercises.py", "--check", *assigned])
    belongs = [f"--lesson={number}" for number in numbers]
    marked = ["-m", "not browser" if slow else "not browser and not slow"]
    parts = {
        "page": [["-m", "pytest", "-q", "--nbval", *pages]],
        "tests": [["-m", "pytest", "-q", *marked, *belongs, *FOLDERS, *rest]],
        "generated files": checks,
        "deck": [["tools/deck.py", *numbers, "--out", decks]],
        "links": [["-m", "pytest", "-q", *belongs, LINKS]],
    }
    return {part: [[sys.executable, *command] for command in several] for part, several in parts.items()}


def run(parts: dict[str, list[list[str]]]) -> int:
    """Run all parts, print what each said, and then a table; returns 1 if one failed."""
    print(f"Running, two at a time: {', '.join(parts)} ...", flush=True)
    rows, status = [f"{'part':17}{'result':8}{'seconds':>7}"], 0
    with ThreadPoolExecutor(2) as pool:
        for part, (failed, seconds, said) in zip(parts, pool.map(run_part, parts.values()), strict=True):
            print(f"\n== {part}: {'; '.join(' '.join(command[1:]) for command in parts[part])}\n{said}", flush=True)
            rows.append(f"{part:17}{'failed' if failed else 'passed':8}{seconds:7.0f}")
            status |= failed
    print("\n".join(rows))
    return status


def run_part(several: list[list[str]]) -> tuple[bool, float, str]:
    """Run the commands of a part; returns whether one failed, the seconds and what they said."""
    start, failed, said = time.monotonic(), False, ""
    # two parts at a time, so one thread for each
    environment = {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **os.environ}
    for command in several:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        failed |= done.returncode != 0
        said += done.stdout.decode(errors="replace")
    return failed, time.monotonic() - start, said


if __name__ == "__main__":
    raise SystemExit(main())
