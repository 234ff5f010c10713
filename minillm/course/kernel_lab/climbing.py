"""The ladder: how long all matrix products of a token take by each kernel, beside what the memory alone would need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from minillm.course.choices import RESULTS
from minillm.course.kernel_lab import running
from minillm.course.kernel_lab.asking import Kernel, ready
from minillm.files import read_json

LAYERS = 30  # of SmolLM2-135M
NAME = "kernel"  # of the stored ladder
Row = dict[str, Any]


@dataclass(frozen=True)
class Rung:
    """A kernel with the flags that it is compiled with, which come after the usual ones."""

    name: str
    kernel: Kernel
    flags: tuple[str, ...] = ()


def climb(rungs: Sequence[Rung], rounds: int = 3, steps: int = 5, layers: int = LAYERS) -> list[Row]:
    """Time rungs in turns, on one thread, in one child process; nothing where no C is compiled.

    A row holds the bytes that are read, the error (next to the same rounded weights in float64, in standard deviations
    of the result), and milliseconds: of the best tenth of steps with each layer's weights in memory of their own
    (`own`), of the same with one layer read again and again (`same`), and of a plain sum over the same bytes (`bound`).
    `medians` are those of each round. Raises `NativeError` or `running.Crashed`.
    """
    if running.unavailable():
        return []
    job = {
        "rungs": [
            {
                "name": rung.name,
                "form": rung.kernel.form,
                "path": str(running.compiled(rung.kernel.name, rung.kernel.source, rung.flags)),
            }
            for rung in rungs
        ],
        "adder": str(running.compiled("dot", ready("dot").source)),  # with the usual flags, whatever the rungs have
        "layers": layers,
        "rounds": rounds,
        "steps": steps,
    }
    seconds = 60 + 2.0 * rounds * steps * len(rungs)
    found = running.in_child(job, seconds=seconds)
    return [_row(row, max(found["bytes per second of a sum"])) for row in found["rows"]]


def _row(found: Row, bandwidth: float) -> Row:
    own, same = (sorted(step for steps in found[kind] for step in steps) for kind in ("own", "same"))
    tenth = len(own) // 10
    return {
        "name": found["name"],
        "bytes": found["bytes"],
        "error": found["error"],
        "own": 1000 * own[tenth],
        "same": 1000 * same[tenth],
        "bound": 1000 * found["bytes"] / bandwidth,
        "medians": [1000 * median(steps) for steps in found["own"]],
        "medians of one layer": [1000 * median(steps) for steps in found["same"]],
    }


def ladder(rungs: Sequence[Rung], rounds: int = 2, steps: int = 3, control: bool = True) -> dict[str, Row]:
    """Time rungs, print the table, and return its rows by name; where no C is compiled, the stored ones of the names.

    None are returned where there is nothing stored, either. Without the `control`, the table doesn't tell how long one
    layer again and again takes.
    """
    rows = climb(rungs, rounds=rounds, steps=steps)
    if not rows and (found := stored()):
        names = {rung.name for rung in rungs}
        rows = [_as_climbed(row) for row in found["rows"] if row["name"] in names]
        print(f"No C is compiled here: {running.unavailable()} These rows are stored. They were measured on")
        print(f"{found['machine']['processor']}, one thread, by {found['compiler']}.")
    print(ladder_text(rows, control))
    return {row["name"]: row for row in rows}


def _as_climbed(row: Row) -> Row:
    """A stored row with the figures of a live one."""
    own = row["milliseconds"]["mean"]
    return row | {"own": own, "same": own * (1 - row["waited"]["mean"])}


def compared(rows: Mapping[str, Row], first: str, second: str) -> str | None:
    """Whether the first rung is faster than the second: by more than a fifth, or not; None if one wasn't timed.

    >>> compared({"a": {"own": 10.0}, "b": {"own": 4.0}}, "a", "b")
    'slower'
    """
    if first not in rows or second not in rows:
        return None
    ratio = rows[first]["own"] / rows[second]["own"]
    return "faster" if ratio < 0.8 else "slower" if ratio > 1.25 else "about as fast"


def share_waited(row: Row) -> float:
    """The share of a step's time that goes away if one layer stays in the cache: what the memory cost.

    >>> share_waited({"own": 10.0, "same": 6.0})
    0.4
    """
    return max(0.0, 1 - row["same"] / row["own"])


def ladder_text(rows: Sequence[Row], control: bool = True) -> str:
    """A table of rungs: megabytes, milliseconds, the bound, gigabytes per second, and with the `control`, one layer.

    >>> row = {"name": "1", "bytes": 2e8, "own": 20.0, "same": 10.0, "bound": 8.0, "error": 1e-6}
    >>> print(ladder_text([row]).splitlines()[1])
    1                               200 MB     20.0 ms    bound   8.0     10.0 GB/s   one layer  10.0
    """
    if not rows:
        return "Nothing was timed: no C is compiled here, and no ladder is stored."
    title = "rung                           reads       takes"
    lines = [f"{title}                            one layer again and again" if control else title]
    for row in rows:
        speed = row["bytes"] / row["own"] / 1e6
        alone = f"   one layer {row['same']:5.1f}" if control else ""
        lines.append(
            f"{row['name']:29} {row['bytes'] / 1e6:5.0f} MB  {row['own']:7.1f} ms    bound {row['bound']:5.1f}  "
            f"{speed:7.1f} GB/s{alone}"
        )
    return "\n".join(lines)


def stored() -> Row | None:
    """The ladder that `benchmarks/kernel.py` measured, with its machine; None where nobody has measured it yet.

    >>> stored() is None or "rows" in stored()
    True
    """
    path = Path(RESULTS) / f"{NAME}.json"
    return read_json(path) if path.is_file() else None
