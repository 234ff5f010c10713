"""Write the claims table into README.md, with the numbers that the built lessons hold.

    python tools/build_claims.py            writes it, between its two marks
    python tools/build_claims.py --check    writes nothing; exit status 1 and a sentence if the table is stale

The table is `minillm/course/claims.toml`. Run this after a lesson has been built: its new numbers are read out of it,
and a number that it no longer prints is named, with its claim and the pattern that looked for it.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the line below also works when this file is run as a script

from minillm.course.claims import load_claims, load_lessons, table  # noqa: E402

README = ROOT / "README.md"
BEGIN = "<!-- claims: written by tools/build_claims.py -->"
END = "<!-- claims: end -->"


def with_table(page: str, claims: str) -> str:
    """The page with what stands between the two marks replaced; raises `ValueError` where they are not."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"README.md needs the line {BEGIN} once, and the line {END} once behind it")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{claims}\n\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the claims table into README.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the table is stale")
    options = parser.parse_args(arguments)
    page = README.read_text(encoding="utf-8")
    try:
        fresh = with_table(page, table(load_claims(), load_lessons(ROOT / "notebooks")))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check:
        print("the claims table is " + ("up to date" if fresh == page else "stale; run python tools/build_claims.py"))
        return int(fresh != page)
    README.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
