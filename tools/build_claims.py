"""Write the claims into teaching/claims.md, with the numbers of the built lessons.

    python tools/build_claims.py            writes them between the two markers of each page
    python tools/build_claims.py --check    writes nothing; exit status 1 and one sentence for each stale page

The table is `minillm/course/claims.toml`; the table of lessons in notebooks/README.md comes from `measured.toml`. Run
this after building a lesson. Its new numbers are extracted, and a number that it no longer prints is reported with its
claim and pattern.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the line below also works when this file is run as a script

from minillm.course.claims import lesson_table, load_claims, load_lessons, table  # noqa: E402

# Each page and the function that writes its text.
PAGES = {
    "teaching/claims.md": lambda lessons: table(load_claims(), lessons, "../notebooks"),
    "notebooks/README.md": lesson_table,
}
BEGIN = "<!-- claims: written by tools/build_claims.py -->"
END = "<!-- claims: end -->"


def with_claims(page: str, claims: str, name: str) -> str:
    """Replace the text between the two markers of a page; raises `ValueError` if they are missing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"{name} needs the line {BEGIN} once, and the line {END} once after it")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{claims}\n\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        description="Write the lessons' numbers into teaching/claims.md and notebooks/README.md."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    options = parser.parse_args(arguments)
    lessons = load_lessons(ROOT / "notebooks")
    pages = {name: (root / name).read_text(encoding="utf-8") for name in PAGES}
    try:
        fresh = {name: with_claims(pages[name], claims(lessons), name) for name, claims in PAGES.items()}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    stale = [name for name in PAGES if fresh[name] != pages[name]]
    if options.check:
        print("\n".join(f"{name} is stale; run python tools/build_claims.py" for name in stale) or "up to date")
        return int(bool(stale))
    for name in stale:
        (root / name).write_text(fresh[name], encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
