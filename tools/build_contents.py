"""Write minillm/course/contents.json, the list of questions and turns that `minillm progress` reads without torch.

python tools/build_contents.py            writes it, from the checks and turns
python tools/build_contents.py --check    writes nothing; exit status 1 and one sentence if it is stale
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the line below also works when this file is run as a script

from minillm.course.checks import questions  # noqa: E402
from minillm.course.contents import ASSIGNMENTS, FILE  # noqa: E402
from minillm.course.turns import all_turns  # noqa: E402


def contents() -> str:
    """The text of the file, with a line for each question and turn."""
    rows = {
        "questions": [
            {"id": each.id, "title": each.title, "function": each.function, "points": len(each.probes)}
            for number in ASSIGNMENTS
            for each in questions(number)
        ],
        "turns": [{"id": each.id, "title": each.title, "name": each.name, "topic": each.topic} for each in all_turns()],
    }
    lists = []
    for name, listed in rows.items():
        lines = ",\n".join(map(json.dumps, listed))
        lists.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(lists) + "\n}\n"


def main(arguments: list[str] | None = None, file: Path = FILE) -> int:
    parser = argparse.ArgumentParser(description="Write the list of questions and turns.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is stale")
    options = parser.parse_args(arguments)
    fresh = contents()
    stale = not file.is_file() or file.read_text(encoding="utf-8") != fresh
    if options.check:
        print(f"{file.name} is stale; run python tools/build_contents.py" if stale else "up to date")
        return int(stale)
    if stale:
        file.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
