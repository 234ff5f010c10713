"""A widget for collecting preferences: two answers side by side, and you choose the better one.

Each choice is appended to a file before the next pair is shown (`data/rankings.py`). No choice is lost if the kernel
dies, and a reopened widget continues where you stopped. After each choice `draw` is called for a new figure.
"""

import html
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets
from matplotlib.figure import Figure

from minillm.data.preferences import Preference, append_preferences, load_preferences
from minillm.errors import UserError
from minillm.viz.explorer import Pictured
from minillm.viz.figures import INK, PAPER
from minillm.viz.figures.style import QUIET

Draw = Callable[[list[Preference]], tuple[Figure, str]]

LOOK = f"background: {PAPER}; color: {INK}; padding: 8px 12px; line-height: 1.4; white-space: pre-wrap"
WIDTH = 720  # pixels, the width of the figures


class RankingBooth(Pictured):
    """Buttons under two answers; `draw(rankings)` returns a figure and a sentence for the choices so far.

    Only the two answers of each of the `pairs` are used, not an earlier choice between them; which one is shown as A is
    random but reproducible. `rater` is stored in every line of the file. Existing lines of `path` are read first:
    rankings of these pairs by this rater are loaded, other lines are kept, and invalid lines are kept and reported. If
    the file cannot be written, the widget says so and writes the choices with the next one. If `draw` raises, its
    message replaces the sentence; if it raises for the first figure, so does the widget.

    Raises `UserError` for no pairs, and `OSError` for a file that exists and cannot be read.

    >>> import tempfile
    >>> from minillm.viz.figures import bars
    >>> pair = Preference(({"role": "user", "content": "Hello"},), "Good morning.", "What?", rater="nobody")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw = lambda rankings: (bars(["ranked"], [len(rankings)], unit=""), f"{len(rankings)} learned from.")
    ...     booth = RankingBooth([pair], Path(folder) / "mine.jsonl", "Ada", draw)
    ...     booth.choose("B")
    ...     print(Path(folder, "mine.jsonl").read_text(encoding="utf-8").strip()[-63:])
    "chosen": "Good morning.", "rejected": "What?", "rater": "Ada"}
    >>> booth
    RankingBooth(1 of 1 ranked): 1 learned from.
    """

    def __init__(self, pairs: Sequence[Preference], path: str | Path, rater: str, draw: Draw) -> None:
        if not pairs:
            raise UserError("there are no pairs to rank; give at least one")
        self.path, self.rater, self.draw = Path(path), rater, draw
        self.count = len(pairs)
        self.rankings: list[Preference] = []  # this rater's, of these pairs
        self.unsaved: list[Preference] = []
        skipped = self._read(pairs)
        ranked = {_key(ranking) for ranking in self.rankings}
        self.waiting = [pair for pair in pairs if _key(pair) not in ranked]
        self.heading, self.asked, *self.answers = (widgets.HTML() for _ in range(4))
        words = {"A": "A is better", "B": "B is better", "neither": "I cannot say"}
        self.buttons = {side: widgets.Button(description=text) for side, text in words.items()}
        for side, button in self.buttons.items():
            button.on_click(lambda _, side=side: self.choose(side))
        rows = [widgets.HBox(row) for row in (self.answers, list(self.buttons.values()))]
        super().__init__([self.heading, self.asked, *rows])
        self._show(*draw(self.rankings))
        self._ask(" ".join(f"Left out: {line}." for line in skipped))

    def choose(self, side: str) -> None:
        """Record a choice: "A", "B", or "neither", which postpones the pair until the widget is reopened.

        After the last pair it does nothing. Raises `UserError` for any other side.
        """
        if side not in self.buttons:
            raise UserError(f"side is {side!r}; it must be one of {', '.join(self.buttons)}")
        if not self.waiting:
            return
        pair = self.waiting.pop(0)
        if side != "neither":
            chosen, rejected = shown_order(pair) if side == "A" else shown_order(pair)[::-1]
            self.rankings.append(Preference(pair.prompt, chosen, rejected, self.rater))
            self.unsaved.append(self.rankings[-1])
        self._ask(self._save())
        if side != "neither":
            self._redraw()

    def _save(self) -> str:
        """Write unsaved choices to the file; returns an error message or ""."""
        try:
            if self.unsaved:
                append_preferences(self.path, self.unsaved)
                self.unsaved.clear()
        except OSError as error:
            return f"Not in the file yet ({error}): {len(self.unsaved)} rankings, tried again with the next choice."
        return ""

    def _redraw(self) -> None:
        try:
            self._show(*self.draw(self.rankings))
        except Exception as error:  # display whatever a learner's draw raises, so that the widget stays usable
            self._say(f"No picture for this ranking: {error} ({type(error).__name__}). The last one stays.")

    def _read(self, pairs: Sequence[Preference]) -> tuple[str, ...]:
        """Load this rater's earlier rankings of these pairs; returns the invalid lines of the file."""
        if not self.path.exists():
            return ()
        loaded, asked = load_preferences(self.path, skip_broken=True), {_key(pair) for pair in pairs}
        self.rankings = [
            ranking for ranking in loaded.preferences if ranking.rater == self.rater and _key(ranking) in asked
        ]
        return loaded.skipped

    def _ask(self, trouble: str = "") -> None:
        """Show the next pair; the buttons are reused, so the keyboard focus stays."""
        done = f"{self.count - len(self.waiting)} of {self.count} seen, {len(self.rankings)} ranked."
        self.heading.value = f"<p role='status' style='color: {QUIET}'>{done} {html.escape(trouble)}</p>"
        cards = {"All seen": "Run the cells below again: they use what you said."}
        if self.waiting:
            a, b = shown_order(self.waiting[0])
            cards = {"The question": self.waiting[0].prompt[-1]["content"], "Answer A": a, "Answer B": b}
        empty = [("", "")] * 3
        for box, (name, text) in zip((self.asked, *self.answers), [*cards.items(), *empty], strict=False):
            width = WIDTH if box is self.asked else WIDTH // 2 - 2
            box.value = text and card(name, text, width)
        for button in self.buttons.values():
            button.disabled = not self.waiting

    def __repr__(self) -> str:
        return f"RankingBooth({len(self.rankings)} of {self.count} ranked): {self.sentence}"


def shown_order(pair: Preference) -> tuple[str, str]:
    """Return the two answers as A and B, in a random but reproducible order that hides which was chosen.

    >>> hello = ({"role": "user", "content": "Hello"},)
    >>> shown_order(Preference(hello, "Good morning.", "What?", "Ada"))
    ('What?', 'Good morning.')
    >>> shown_order(Preference(hello, "What?", "Good morning.", "Bea"))
    ('What?', 'Good morning.')
    """
    answers = sorted((pair.chosen, pair.rejected))
    random.Random("\n".join(answers)).shuffle(answers)
    return answers[0], answers[1]


def _key(pair: Preference) -> tuple[str, str, str]:
    """A key that is equal for two comparisons of the same answers to the same prompt."""
    first, second = sorted((pair.chosen, pair.rejected))
    return "\n".join(message["content"] for message in pair.prompt), first, second


def card(name: str, text: str, width: int) -> str:
    """Render a name and a text as an HTML card; the text is escaped.

    >>> "<b>" in card("You", "<b>", 100)
    False
    """
    look = f"{LOOK}; box-sizing: border-box; width: {width}px"
    return f"<div role='group' aria-label='{name}' style='{look}'><strong>{name}</strong>\n{html.escape(text)}</div>"
