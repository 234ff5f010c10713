"""The map at the top and at the end of a lesson: the whole model, what is yours of it, and where you are."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from minillm.course.contents import TOPICS, listed_turns
from minillm.course.learner.passed import passed
from minillm.course.screen import in_notebook
from minillm.errors import UserError

if TYPE_CHECKING:
    from minillm.viz.diagrams import Diagram  # which imports matplotlib and torch

LAYERS = 30  # of SmolLM2, the model of the lessons
TRAINING, LATER = "training sets the weights", "then it is fast, larger, and yours"


class Station(NamedTuple):
    """A place on the map, with the lesson about it; stations of a `group` share a caption."""

    name: str
    lesson: str
    group: str = ""


STATIONS = (
    Station("tokenizer", "01"),
    Station("embedding", "02"),
    Station("positions", "03"),
    Station("attention", "04"),
    Station("feed-forward", "05"),
    Station("transformer", "06"),
    Station("sampling", "07"),
    Station("tensors", "00a", group="first of all"),
    Station("learning", "00b", group="first of all"),
    Station("pretraining", "08", group=TRAINING),
    Station("SFT", "09", group=TRAINING),
    Station("rewards", "10", group=TRAINING),
    Station("PPO", "10b", group=TRAINING),
    Station("DPO, GRPO", "11", group=TRAINING),
    Station("reasoning", "11a", group=TRAINING),
    Station("inference", "12", group=LATER),
    Station("scaling", "13", group=LATER),
    Station("assistant", "14", group=LATER),
)


def show_map(lesson: str = "00") -> None:
    """Show the map of the model with the station of this lesson outlined and yours in green; outside a notebook, print.

    The map is drawn from what the workbook keeps at this moment. Raises `UserError` for a lesson that there is not.

    >>> show_map(lesson="04")
    Diagram: You are here: attention (lesson 04). Of 18 stations, these are yours: ...
    """
    diagram = drawn(lesson)
    if in_notebook():
        diagram.show()  # its text is the same whatever is in a workbook, so stored outputs can be compared
    else:
        print(diagram.alt)


def drawn(lesson: str = "00", theme: str = "light") -> "Diagram":
    """The map as a diagram."""
    from minillm.viz import diagrams

    lessons = ["00", *sorted(station.lesson for station in STATIONS)]
    if lesson not in lessons:
        raise UserError(f"the map has no lesson {lesson!r}; give one of {', '.join(lessons)}")
    here = [station.name for station in STATIONS if station.lesson == lesson]
    counted = [diagrams.Station(each.name, each.lesson, *_counts(each), each.group) for each in STATIONS]
    return diagrams.model_map(counted, here, LAYERS, theme=theme)


def _counts(station: Station) -> tuple[int, int]:
    """How many of the turns of a station's lesson are yours, and how many there are."""
    if station.lesson not in TOPICS:
        return 0, 0
    return len(passed(TOPICS[station.lesson])), len(listed_turns(station.lesson))


def state(lesson: str) -> str:
    """A hash of all that `drawn` draws: what is yours, the stations, and the code that draws them."""
    package = Path(__file__).resolve().parents[1]
    paths = [Path(__file__), *sorted(package.glob("viz/diagrams/*.py")), *sorted(package.glob("viz/figures/*.py"))]
    shown = json.dumps([lesson, LAYERS, STATIONS, list(map(_counts, STATIONS)), version("matplotlib")])
    return hashlib.sha256(shown.encode() + b"".join(path.read_bytes() for path in paths)).hexdigest()
