"""The map at the top and at the end of a lesson: the whole model, what is yours of it, and where you are."""

from minillm.course.learner.loading import load
from minillm.course.screen import in_notebook
from minillm.course.turns import TOPICS, turns
from minillm.errors import UserError
from minillm.viz.diagrams import Diagram, Station, model_map

LAYERS = 30  # of SmolLM2, the model of the lessons
TRAINING, LATER = "training sets the weights", "then it is fast, larger, and yours"
STATIONS = (
    Station("tokenizer", "01"),
    Station("embedding", "02"),
    Station("positions", "03"),
    Station("attention", "04"),
    Station("feed-forward", "05"),
    Station("transformer", "06"),
    Station("sampling", "07"),
    Station("tensors", "00a", group="first of all"),
    Station("pretraining", "08", group=TRAINING),
    Station("SFT", "09", group=TRAINING),
    Station("RLHF", "10", group=TRAINING),
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
    Diagram: You are here: attention (lesson 04). Of 16 stations, these are yours: ...
    """
    diagram = drawn(lesson)
    if in_notebook():
        diagram.show()  # its text is the same whatever is in a workbook, so stored outputs can be compared
    else:
        print(diagram.alt)


def drawn(lesson: str = "00", theme: str = "light") -> Diagram:
    """The map as a diagram."""
    lessons = ["00", *sorted(station.lesson for station in STATIONS)]
    if lesson not in lessons:
        raise UserError(f"the map has no lesson {lesson!r}; give one of {', '.join(lessons)}")
    here = [station.name for station in STATIONS if station.lesson == lesson]
    return model_map(map(_counted, STATIONS), here, LAYERS, theme=theme)


def _counted(station: Station) -> Station:
    """A station with the turns of its lesson, and how many of them are yours."""
    if station.lesson not in TOPICS:
        return station
    yours = load(TOPICS[station.lesson]).yours
    return station._replace(yours=len(yours), of=len(turns(station.lesson)))
