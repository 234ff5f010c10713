"""Shannon's game: guess the next token of a text, beside a model (Shannon 1951, "Prediction and entropy of printed
English")."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets as widgets
from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.explorer import Pictured
from minillm.viz.figures import bars


@dataclass(frozen=True)
class Question:
    """A token to guess: what the model would have said, and where the right one stands in its list."""

    token: str
    best: str
    rank: int  # 1: the model's first choice


class GuessingGame(Pictured):
    """A text field for the next word: what you typed, what the model would have said, and what came.

    `start` is the text before the first question. A guess counts if the token begins with it, or it with the token,
    whatever the case. Raises `UserError` without a question.

    >>> game = GuessingGame("The cat sat on", [Question(" the", " the", 1), Question(" roof", " floor", 7)])
    >>> game.guess("the")
    >>> game.guess("mat")
    >>> game
    GuessingGame: you 1 of 2, the model 1 of 2. It was " roof"; you said "mat", the model said " floor" (the right \
one is number 7 in its list). That was all.
    """

    def __init__(self, start: str, questions: Sequence[Question]):
        if not questions:
            raise UserError("there is nothing to guess; give at least one question")
        self.text, self.questions = start, list(questions)
        self.yours, self.models, self.asked = 0, 0, 0
        self.shown = widgets.HTML()
        self.field = widgets.Text(placeholder="the next word or mark", description="next:")
        self.button = widgets.Button(description="That's it")
        self.button.on_click(lambda _: self._typed())
        super().__init__([self.shown, widgets.HBox([self.field, self.button])])
        self._show(self._figure(), "Type what comes next, then press the button.")
        self._renew()

    def _typed(self) -> None:
        guess, self.field.value = self.field.value, ""
        self.guess(guess)

    def guess(self, word: str) -> None:
        """Answer the question that is open; after the last one, nothing happens."""
        if self.asked == len(self.questions):
            return
        question = self.questions[self.asked]
        self.asked += 1
        said, token = word.strip().lower(), question.token.strip().lower()
        hit = bool(said) and (token.startswith(said) or said.startswith(token)) if token else not said
        self.yours += hit
        self.models += question.rank == 1
        self.text += question.token
        rank = "" if question.rank == 1 else f" (the right one is number {question.rank:,} in its list)"
        end = " That was all." if self.asked == len(self.questions) else ""
        score = f"you {self.yours} of {self.asked}, the model {self.models} of {self.asked}."
        what = f'It was "{question.token}"; you said "{word}", the model said "{question.best}"{rank}.{end}'
        self._show(self._figure(), f"{score} {what}")
        self._renew()

    def _figure(self) -> Figure:
        figure = bars(["you", "the model"], [self.yours, self.models], unit="right", digits=0)
        figure.axes[0].set_xlim(0, len(self.questions) * 1.1)
        return figure

    def _renew(self) -> None:
        tail = self.text[-400:]
        self.shown.value = f'<p style="max-width:46em">{html.escape(tail)} <b>___</b></p>'

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.sentence}"
