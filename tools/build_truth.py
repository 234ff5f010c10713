"""Write minillm/course/truth.json, the exact next words that `minillm publish --compare` shows.

python tools/build_truth.py            writes it, from the world
python tools/build_truth.py --check    writes nothing; exit status 1 and one sentence if it is stale
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the lines below also work when this file is run as a script

from minillm.course.truth import FILE, made  # noqa: E402


def contents() -> str:
    """The text of the file, with a line for each beginning and question."""
    lists = [f'"{name}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for name, rows in made().items()]
    return "{\n" + ",\n".join(lists) + "\n}\n"


def main(arguments: list[str] | None = None, file: Path = FILE) -> int:
    parser = argparse.ArgumentParser(description="Write the true next words.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is stale")
    options = parser.parse_args(arguments)
    fresh = contents()
    stale = not file.is_file() or file.read_text(encoding="utf-8") != fresh
    if options.check:
        print(f"{file.name} is stale; run python tools/build_truth.py" if stale else "up to date")
        return int(stale)
    if stale:
        file.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
