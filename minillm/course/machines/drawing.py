"""The diagram of a schedule's run."""

from minillm.course.machines.cluster import Result
from minillm.viz.diagrams import Diagram
from minillm.viz.diagrams.lanes import Lane, lanes


def timeline(result: Result, title: str = "", theme: str = "light") -> Diagram:
    """Draw what each machine computed, sent and kept; boxes of layers that follow each other at once are joined.

    The number in a box is the micro-batch.

    >>> from minillm.course.machines import KNOWN, run
    >>> timeline(run(KNOWN["GPipe"])).alt[:57]
    'Diagram: Time 69.4, peak memory 28.0: machines compute 70'
    """
    rows = {f"machine {rank}": _lane(result, rank) for rank in range(len(result.computing))}
    said = f"Time {result.time:.1f}, peak memory {result.memory:.1f}: machines compute {result.busy:.0%} of the time"
    return lanes(rows, title or said, theme)


def _lane(result: Result, rank: int) -> Lane:
    work: list[tuple[float, float, str, str]] = []
    for start, end, kind, _, batch in result.computing[rank]:
        text = "" if batch is None or batch < 0 else str(batch)
        if work and work[-1][2:] == (kind, text) and abs(work[-1][1] - start) < 1e-9:
            work[-1] = (work[-1][0], end, kind, text)
        else:
            work.append((start, end, kind, text))
    return Lane(work, [(box.start, box.end) for box in result.network[rank]], *result.curve(rank))
