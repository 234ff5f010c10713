"""Many machines on paper: write a schedule per machine, and see its time, its peak memory, or what is wrong with it."""

from minillm.course.machines.cluster import Box, Change, Cluster, Result, ScheduleError
from minillm.course.machines.drawing import timeline
from minillm.course.machines.instructions import (
    Instruction,
    all_gather,
    all_reduce,
    backward,
    forward,
    free,
    load,
    read,
    reduce_scatter,
    send_activation,
    send_gradient,
    step,
)
from minillm.course.machines.references import KNOWN, share, stage
from minillm.course.machines.scoring import Score, attempt, board, known
from minillm.course.machines.simulating import run

__all__ = [
    "KNOWN",
    "Box",
    "Change",
    "Cluster",
    "Instruction",
    "Result",
    "ScheduleError",
    "Score",
    "all_gather",
    "all_reduce",
    "attempt",
    "backward",
    "board",
    "forward",
    "free",
    "known",
    "load",
    "read",
    "reduce_scatter",
    "run",
    "send_activation",
    "send_gradient",
    "share",
    "stage",
    "step",
    "timeline",
]
