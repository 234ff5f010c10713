"""Numerical parity with `transformers` for each model family: a table of what the tests assert.

    python benchmarks/parity.py                     # needs the test extra

`transformers` saves a small random model of each family and we load it; then we save it and `transformers` loads it.
The cases and the comparison are those of `tests/pretrained/parity.py`. Nothing is timed.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from common import write_result

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from pretrained.parity import FAMILIES, parity

HEADER = """| family | largest difference of a logit: read | written | 64 greedy tokens equal: read | written |
| --- | --- | --- | --- | --- |"""


def measure() -> list[dict[str, object]]:
    """Measure two rows per family, with a tied and an untied head."""
    rows = []
    for family in FAMILIES:
        for tied in (False, True):
            torch.manual_seed(0)
            with tempfile.TemporaryDirectory() as folder:
                found = parity(family, Path(folder), tie_word_embeddings=tied)
            rows.append({"family": family, "tied": tied, **asdict(found)})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Format the rows as Markdown, with the worse of tied and untied for each family."""
    lines = [HEADER]
    for family in FAMILIES:
        both = [row for row in rows if row["family"] == family]
        read, written = (max(row[key] for row in both) for key in ("read", "written"))
        equal = ["yes" if all(row[key] for row in both) else "NO" for key in ("greedy_read", "greedy_written")]
        lines.append(f"| {family} | {read:.0e} | {written:.0e} | {equal[0]} | {equal[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()
    rows = measure()
    print(table(rows))
    write_result("parity", {"rows": rows})
    if arguments.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
