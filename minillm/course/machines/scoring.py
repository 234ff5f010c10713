"""Scores of schedules, side by side, and what a learner is told of a schedule of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from minillm.course.machines.cluster import DEFAULT, Cluster, Result, ScheduleError
from minillm.course.machines.instructions import Instruction
from minillm.course.machines.references import KNOWN
from minillm.course.machines.simulating import run

Schedule = Callable[[int], Sequence[Instruction]]


@dataclass(frozen=True)
class Score:
    """What became of a schedule: its result, or what is wrong with it."""

    result: Result | None
    error: str = ""

    def __str__(self) -> str:
        return str(self.result) if self.result else self.error


def attempt(schedule: Schedule, job: Cluster = DEFAULT) -> Score:
    """Run a learner's schedule; what is wrong with it is told, not raised.

    >>> print(attempt(lambda rank: []))
    never updated: layer 0 is loaded nowhere
    """
    try:
        return Score(run(schedule, job))
    except ScheduleError as error:
        return Score(None, str(error))


def known(job: Cluster = DEFAULT) -> dict[str, Result]:
    """The results of the known schedules for a job, by name.

    >>> known()["GPipe"].memory
    28.0
    """
    return {name: run([make(rank, job) for rank in range(job.machines)], job) for name, make in KNOWN.items()}


def board(mine: Mapping[str, Schedule] | None = None, job: Cluster = DEFAULT, memory: float | None = None) -> str:
    """A table of the known schedules and yours, the fastest first.

    A star marks what nothing in the table beats in both time and memory. With `memory`, only what fits is shown.

    >>> print(board(memory=22).splitlines()[0])
                                  time   memory   sent   computing
    """
    rows = {name: result for name, result in known(job).items()}
    lines, errors = ["                              time   memory   sent   computing"], []
    for name, schedule in (mine or {}).items():
        score = attempt(schedule, job)
        if score.result:
            rows[f"> {name}"] = score.result
        else:
            errors.append(f"> {name}: {score.error}")
    for name, result in sorted(rows.items(), key=lambda row: row[1].time):
        if memory is None or result.memory <= memory + 1e-9:
            best = "  " if any(_beats(other, result) for other in rows.values()) else "* "
            numbers = f"{result.time:8.1f}{result.memory:9.1f}{result.traffic:7.0f}{result.busy:12.0%}"
            lines.append(f"{best}{name:26}{numbers}")
    return "\n".join(lines + errors)


def _beats(one: Result, other: Result) -> bool:
    """Whether a result is as good in both, and better in one of them."""
    first, second = (round(one.time, 6), round(one.memory, 6)), (round(other.time, 6), round(other.memory, 6))
    return first != second and first[0] <= second[0] and first[1] <= second[1]
