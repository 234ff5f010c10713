"""The outcome of a turn or an exercise: lines of text in a terminal, a small box with a colored edge in a notebook.

What a learner may want to see but need not read is folded: a case with its numbers, the course's version, each hint.
"""

import html
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

COLORS = {"not written yet": "#2e86c9", "not right yet": "#d9822b", "right": "#2e9e5b"}  # on light and dark ground
BOX = "border-left:4px solid {color};background:{color}1f;padding:6px 12px;margin:4px 0;max-width:52em"
FOLD = '<details{open} style="margin:4px 0"><summary style="cursor:pointer">{title}</summary>{inside}</details>'
PRE = '<pre style="margin:4px 0;background:none;white-space:pre-wrap">{text}</pre>'
AGAIN = "For a hint, run the cell again as it is."
NO_MORE = "That was the last hint. The solution is folded away below this cell."


@dataclass(frozen=True)
class Code:
    """Lines of Python."""

    text: str

    def lines(self) -> list[str]:
        """The lines in a terminal."""
        return [f"    {line}".rstrip() for line in self.text.rstrip().splitlines()]

    def html(self) -> str:
        """The same for a notebook."""
        return PRE.format(text=html.escape(self.text.rstrip()))


@dataclass(frozen=True)
class Fold:
    """Parts below a title that a click opens; in a terminal they stand below it."""

    title: str
    parts: tuple["Part", ...]
    is_open: bool = False

    def lines(self) -> list[str]:
        """The lines in a terminal."""
        return [f"{self.title}:", *(line for part in self.parts for line in _lines(part))]

    def html(self) -> str:
        """The same for a notebook."""
        inside = "".join(map(_html, self.parts))
        return FOLD.format(open=" open" if self.is_open else "", title=html.escape(self.title), inside=inside)


@dataclass(frozen=True)
class Hints:
    """The hints of a turn: a notebook has each folded inside the one before it, a terminal tells the last one given."""

    hints: Sequence[str]
    given: int = 0  # how many were asked for by running the cell again

    def lines(self) -> list[str]:
        """The lines in a terminal."""
        if self.given > len(self.hints):
            return [NO_MORE]
        return [f"{self._title(self.given)}: {self.hints[self.given - 1]}"] if self.given else [AGAIN]

    def html(self) -> str:
        """The same for a notebook."""
        inside = _paragraph(NO_MORE)
        for number, hint in reversed([*enumerate(self.hints, start=1)]):
            fold = {"open": " open" if number <= self.given else "", "title": self._title(number)}
            inside = FOLD.format(**fold, inside=_paragraph(hint) + inside)
        return inside

    def _title(self, number: int) -> str:
        return f"Hint {number} of {len(self.hints)}"


Part = Union[str, dict[str, str], Code, Fold, Hints]  # noqa: UP007 - `Fold` is not defined yet where it names this


@dataclass(frozen=True)
class Box:
    """A title, and below it paragraphs (text), tables (dictionaries), code, and what is folded."""

    title: str
    state: str
    body: tuple[Part, ...]
    text: str = ""  # for a terminal, in place of the lines that the body gives

    def __repr__(self) -> str:
        return self.text or "\n".join([self.title, *(line for part in self.body for line in _lines(part))])

    def _repr_html_(self) -> str:
        color = COLORS[self.state]
        title = f'<b style="color:{color}">{html.escape(self.title)}</b>'
        return f'<div style="{BOX.format(color=color)}">{title}{"".join(map(_html, self.body))}</div>'

    @property
    def words(self) -> int:
        """How many words stand there before anything is opened."""
        return sum(len(part.split()) for part in self.body if isinstance(part, str))


def _lines(part: Part) -> list[str]:
    if isinstance(part, str):
        return [part]
    return [f"    {row}" for row in _rows(part)] if isinstance(part, dict) else part.lines()


def _html(part: Part) -> str:
    if isinstance(part, str):
        return _paragraph(part)
    return PRE.format(text=html.escape("\n".join(_rows(part)))) if isinstance(part, dict) else part.html()


def _paragraph(text: str) -> str:
    words = html.escape(text).split("`")  # every second piece is code
    text = "".join(f"<code>{word}</code>" if index % 2 else word for index, word in enumerate(words))
    return f'<p style="margin:4px 0">{text}</p>'


def _rows(table: dict[str, str]) -> list[str]:
    """A line for each name, and more where a value has several."""
    width = max(map(len, table), default=0)
    rows = []
    for name, value in table.items():
        first, *others = value.split("\n")
        rows += [f"{name:{width}}  {first}".rstrip(), *(f"{'':{width}}  {line}" for line in others)]
    return rows


def show(box: Box) -> None:
    """Display a box in a notebook or IPython; print it elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(box)
        return
    from IPython.display import display  # a notebook's own library

    display(box)
