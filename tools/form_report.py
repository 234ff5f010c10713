"""Print the honest minutes and the longest passive stretch of each page with turns, and of each lab.

python tools/form_report.py         all of them
python tools/form_report.py 04 11a  these
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that this file runs as a script

from tools.build_notebooks import chosen, manuscripts, read_manuscript
from tools.lesson_form import has_turns, report


def main(names: list[str]) -> int:
    known = manuscripts()
    for path in chosen(names, known) or known.values():
        cells = read_manuscript(path).cells
        if names or has_turns(cells) or path.stem.endswith("_lab"):
            print(report(path.stem, cells))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
