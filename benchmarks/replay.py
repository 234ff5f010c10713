"""Replay the archive of answers: how many are rejected, how they are told, and what has changed since it was written.

    python benchmarks/replay.py                   # every answer, some twelve minutes on two cores
    python benchmarks/replay.py 04 11a            # those to two lessons
    python benchmarks/replay.py --write           # also stores in the archive what is true now
    python benchmarks/replay.py --json

A row is a lesson's turns and questions together, and beside each figure in brackets is the stored one where it differs.
*Named* is a known mistake's own sentence, *in part* one that holds for some of the inputs, *misled* a reply that a
reader has found to be false of the answer.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import archive  # noqa: E402
from archive import Kept  # noqa: E402
from tqdm import tqdm  # noqa: E402

KINDS = ("named", "in part", "explained", "error", "place")
COLUMNS = ("wrong", "rejected", *KINDS, "misled", "right", "accepted")

Pair = tuple[Kept, Kept]  # what is stored of an answer, and what is true now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", help="numbers of lessons; none: all")
    parser.add_argument("--write", action="store_true", help="store in the archive what is true now")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    known = sorted({row.lesson for path in archive.programs() for row in archive.kept(path)})
    if unknown := [lesson for lesson in arguments.lessons if lesson not in known]:
        parser.error(f"no answers to {', '.join(unknown)}; there are those to {', '.join(known)}")

    found = judge_all(arguments.lessons or known)
    pairs = [pair for path in sorted(found) for pair in found[path].values()]
    for line in changes(pairs):
        print(line)
    stored, now = (by_lesson(pair[side] for pair in pairs) for side in (0, 1))
    print(as_text(now, stored))
    if arguments.write:
        rows = {path: list(archive.kept(path)) for path in archive.programs()}
        for path, there in found.items():
            for index, (_, new) in there.items():
                rows[path][index] = new
        archive.store(archive.programs(), rows)
    if arguments.json:
        print(json.dumps({"stored": stored, "now": now}))


def judge_all(lessons: Iterable[str]) -> dict[str, dict[int, Pair]]:
    """Judge the answers to these lessons, by program and place in it, in as many processes as there are cores."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    wanted = {path: archive.about(path, lessons) for path in archive.programs()}
    with ProcessPoolExecutor() as pool, tqdm(total=sum(map(len, wanted.values())), unit="answer") as progress:
        running = {pool.submit(archive.replay, path, indices): path for path, indices in wanted.items() if indices}
        found = {}
        for done in as_completed(running):
            found[running[done]] = done.result()
            progress.update(len(done.result()))
    return found


def figures(rows: Iterable[Kept]) -> dict[str, int]:
    """The columns of the table.

    >>> wrong = Kept("a", "f", "04.1", False, ("The mask is transposed.",), ("named",), "misled")
    >>> figures([wrong, Kept("a", "g", "04.1", True, (), ("right",))])["misled"]
    1
    """
    count: Counter[str] = Counter(dict.fromkeys(COLUMNS, 0))
    for row in rows:
        count["right" if row.is_right else "wrong"] += 1
        if row.is_right:
            count["accepted"] += not row.rejected
        elif row.rejected:
            count.update(("rejected", row.kinds[0]))
            count["misled"] += row.judged == "misled"
    return dict(count)


def by_lesson(rows: Iterable[Kept]) -> dict[str, dict[str, int]]:
    """The figures of each lesson, and of all."""
    lessons: dict[str, list[Kept]] = {}
    for row in rows:
        lessons.setdefault(row.lesson, []).append(row)
    table = {lesson: figures(lessons[lesson]) for lesson in sorted(lessons)}
    return table | {"all": {column: sum(row[column] for row in table.values()) for column in COLUMNS}}


def changes(pairs: Iterable[Pair]) -> list[str]:
    """The answers that are told something else than what is stored, with both replies."""
    return [
        f"{now.set} {now.id} {now.name}:\n  - {' | '.join(then.told)}\n  + {' | '.join(now.told)}"
        for then, now in pairs
        if then.says != now.says
    ]


def as_text(now: dict[str, dict[str, int]], stored: dict[str, dict[str, int]]) -> str:
    """The table, with stored figures in brackets where they differ."""
    lines = ["lesson".ljust(8) + "".join(column.rjust(13) for column in COLUMNS)]
    for lesson, row in now.items():
        cells = [(row[column], stored[lesson][column]) for column in COLUMNS]
        texts = [f"{new}" if new == old else f"{new} ({old})" for new, old in cells]
        lines.append(lesson.ljust(8) + "".join(text.rjust(13) for text in texts))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
