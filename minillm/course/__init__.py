"""What the lessons share beyond the package: trained models, loss bands, the runs of a sweep, the claims they test.

And what learners write: turns (`your_turn`, `mine`), guesses (`predict`, `predict_number`), exercises with their
checks and grading, and `swap_in`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minillm.course.learner.decorator import your_turn
    from minillm.course.learner.guess import predict, predict_number
    from minillm.course.swapping import swap_in

__all__ = ["predict", "predict_number", "swap_in", "your_turn"]

MODULES = {
    "predict": "learner.guess",
    "predict_number": "learner.guess",
    "swap_in": "swapping",
    "your_turn": "learner.decorator",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `minillm progress` starts without torch."""
    if name in MODULES:
        return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
