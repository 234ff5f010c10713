"""Type the beginning of a text, see what may come next, and add one token at a time."""

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.explorer import Explorer
from minillm.viz.figures import probability_bars, visible

SHOWN = 10  # bars
LONGEST = 300  # characters of a text
TEMPERATURES = (0.1, 3.0, 0.1)

Likeliest = Callable[..., tuple[Sequence[str], Sequence[float]]]


class NextTokenExplorer(Explorer):
    """A text to begin, the ten tokens that may come next, and a button that adds the first of them.

    `likeliest(text)` returns the likeliest tokens and their probabilities, the first one first. With a `temperature`,
    there is a dial for it, and `likeliest(text, temperature)` is asked. The text is read when Enter is pressed. Raises
    `UserError` where `likeliest` returns nothing; later errors are shown, and the last picture stays.

    >>> explorer = NextTokenExplorer(lambda text: ([" Paris", " a"], [0.75, 0.25]), "The capital of France is")
    >>> explorer
    NextTokenExplorer(beginning='The capital of France is'): The likeliest next token is " Paris", with 0.750.
    >>> explorer.one_more()
    >>> explorer.controls["beginning"].value
    'The capital of France is Paris'
    """

    def __init__(self, likeliest: Likeliest, beginning: str = "", temperature: float | None = None) -> None:
        self.likeliest, self.token = likeliest, ""
        controls: dict[str, Any] = {
            "beginning": widgets.Text(beginning, continuous_update=False, layout=widgets.Layout(width="44em"))
        }
        if temperature is not None:
            low, high, step = TEMPERATURES
            controls["temperature"] = widgets.FloatSlider(temperature, min=low, max=high, step=step)
        super().__init__(self._look, **controls)
        self.button = widgets.Button(description="one more token", tooltip="Add the likeliest token to the text")
        self.button.on_click(lambda _: self.one_more())
        first, *rest = list(self.children)
        self.children = (first, self.button, *rest)

    def one_more(self) -> None:
        """Add the likeliest token to the text, and look again."""
        field = self.controls["beginning"]
        if len(field.value) + len(self.token) > LONGEST:
            self._say(f"The text has {len(field.value)} characters, which is enough; begin another one.")
            return
        field.value += self.token  # which draws the next picture

    def _look(self, beginning: str, **more: Any) -> tuple[Figure, str]:
        tokens, probabilities = self.likeliest(beginning, *more.values())
        if not len(tokens):
            raise UserError("`likeliest` returned an empty list; it must return at least one token")
        self.token = tokens[0]
        at = "".join(f"At temperature {value:.1f}, the" for value in more.values()) or "The"
        sentence = f'{at} likeliest next token is "{visible_line(tokens[0])}", with {float(probabilities[0]):.3f}.'
        return probability_bars(list(tokens)[:SHOWN], list(map(float, probabilities))[:SHOWN]), sentence

    def close(self) -> None:
        """Remove the explorer and its button from the page; closing twice is safe."""
        if self.comm is not None:
            self.button.close()
        super().close()


def visible_line(token: str) -> str:
    """A token on one line, with its spaces as they are.

    >>> visible_line(" a\\n")
    ' a↵'
    """
    return html.unescape(visible(token).replace("␣", " "))
