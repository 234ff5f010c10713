"""Predictions: a guess before the cell that answers it, remembered in the workbook.

In the workbook the answer waits for the guess, which stops nothing: its cell ends at once, and the answer takes the
place of the question at the first click. Everywhere else, as where a page is built or tested, it is printed at once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from minillm.course.learner import guess_box
from minillm.course.learner.by_data import lead
from minillm.course.learner.guess_file import guesses, keep, outcomes, surprises
from minillm.errors import UserError

__all__ = ["Guess", "NumberGuess", "outcomes", "predict", "predict_number", "surprises"]

CLOSE, SURPRISE = 1.1, 2.0  # factors between a guessed number and the answer
Show = Callable[[], Any]  # draws or prints what belongs to an answer


class Prediction:
    """A question and what was guessed, if anything."""

    def __init__(self, question: str):
        self.question = question
        entry = guesses().get(question, {})
        self.guess: Any = entry.get("guess") if self.allows(entry.get("guess")) else None
        self.skipped = "answer" in entry and entry["guess"] is None  # the answer was asked for without a guess
        self.on_change: list[Callable[[], None]] = []  # of the boxes that show the guess

    def allows(self, guess: Any) -> bool:
        """Whether this can be guessed."""
        raise NotImplementedError

    def text(self, guess: Any) -> str:
        """A guess or an answer as it is printed."""
        raise NotImplementedError

    def verdict(self, right: Any, error: float) -> tuple[str, bool]:
        """The sentence that compares the answer with the guess that was made, and whether it is a surprise.

        `error` is the answer's standard error, 0 if it has none.
        """
        raise NotImplementedError

    def choose(self, guess: Any) -> str:
        """Remember a guess, unless the answer is out; returns a sentence about it, and gives an answer that waits."""
        entry = guesses().get(self.question, {})
        if "answer" in entry and (self.guess is not None or entry["guess"] is None):
            stays = "" if self.guess is None else f" Your prediction stays {self.text(self.guess)}."
            return f"The answer is out.{stays}"
        self.guess = guess
        sentence = f"Your prediction: {self.text(guess)}."
        try:
            keep(self.question, {"guess": guess})
        except OSError as error:
            sentence += f" It is not saved ({error.strerror or error})."
        self._changed()
        return sentence

    def skip(self) -> None:
        """Give an answer that waits without a guess, and remember that there was none."""
        self.skipped = True
        self._changed()

    def _changed(self) -> None:
        for refresh in self.on_change:
            refresh()
        guess_box.give(self.question, self)

    def _give(self, right: Any, reason: str, show: Show | None, error: float = 0.0) -> None:
        """Print the answer and draw what belongs to it, now or once there is a guess."""
        if self.guess is None and not self.skipped and guess_box.person_at_workbook():
            guess_box.wait(self, lambda chosen: chosen.told(right, reason, error), show)
            return
        print(self.told(right, reason, error))
        if show is not None:
            show()

    def told(self, right: Any, reason: str, error: float = 0.0) -> str:
        """Keep the answer beside the guess; returns the sentence."""
        if self.guess is not None:
            sentence, surprise = self.verdict(right, error)
        else:
            sentence, surprise = f"Answer: {self.text(right)}.", False
        if self.guess is not None or self.skipped:
            with suppress(OSError):  # `choose` has told it
                keep(self.question, {"guess": self.guess, "answer": right, "surprise": surprise})
        return " ".join(filter(None, [sentence, reason]))


class Guess(Prediction):
    """A question with several choices; made by `predict`."""

    def __init__(self, question: str, choices: Sequence[str]):
        if len(set(choices)) < 2 or not all(isinstance(choice, str) for choice in choices):
            raise UserError(f"predict needs at least two different texts to choose from; got {list(choices)}")
        self.choices = tuple(choices)
        super().__init__(question)

    def allows(self, guess: Any) -> bool:
        """Whether this is one of the choices."""
        return guess in self.choices

    def text(self, guess: Any) -> str:
        """The choice itself."""
        return guess

    def verdict(self, right: Any, error: float) -> tuple[str, bool]:
        """Every other choice is a surprise."""
        if self.guess == right:
            return f"Answer: {right}, as you predicted.", False
        return f"Answer: {right}. You predicted: {self.guess}.", True

    def answer(self, right: str, show: Show | None = None) -> None:
        """Print the answer beside the guess, keep it, and call `show`; in the workbook all of it waits for the guess.

        Raises `UserError` for an answer that nobody could choose.
        """
        if right not in self.choices:
            raise UserError(f"the answer {right!r} is none of the choices: {', '.join(self.choices)}")
        self._give(right, "", show)

    def answer_by(
        self, values: Mapping[str, Any], smallest: bool = False, paired: bool = True, show: Show | None = None
    ) -> None:
        """Answer with the choice whose values have the largest (or smallest) mean, and say the difference.

        `values` has numbers per choice, one per item or seed, or anything with `mean` and `stderr`. Lists of one length
        are paired item by item. If the lead is within two standard errors, the answer is the one choice without values.
        Raises `UserError` for a choice that there is not, and for a lead that is too close where no choice says so.

        >>> guess = Guess("Which is larger?", ["left", "right", "too close to call"])
        >>> guess.answer_by({"left": [1.0, 2.0, 1.0, 2.0], "right": [2.0, 1.0, 2.0, 1.5]})
        Answer: too close to call. "right" and "left" differ by 0.12 ± 0.52 (one standard error).
        """
        if unknown := [name for name in values if name not in self.choices]:
            raise UserError(f"answer_by has values for {', '.join(map(repr, unknown))}, which is none of the choices")
        found = lead(values, smallest, paired)
        without = [choice for choice in self.choices if choice not in values]
        if found.too_close and len(without) != 1:
            raise UserError(
                f"the data are too close to call: {found.sentence} Give predict one choice without values, such as "
                '"too close to call"'
            )
        self._give(without[0] if found.too_close else found.best, found.sentence, show)

    def __repr__(self) -> str:
        return "\n".join([f"Predict: {self.question}", *(f"  - {choice}" for choice in self.choices)])


class NumberGuess(Prediction):
    """A question for a number; made by `predict_number`."""

    def __init__(self, question: str, unit: str = ""):
        self.unit = unit
        super().__init__(question)

    def allows(self, guess: Any) -> bool:
        """Whether this is a finite number."""
        return isinstance(guess, int | float) and not isinstance(guess, bool) and math.isfinite(guess)

    def text(self, guess: Any) -> str:
        """The number with its unit."""
        return f"{_number(guess)}{'' if self.unit in ('', '%') else ' '}{self.unit}"

    def verdict(self, right: Any, error: float) -> tuple[str, bool]:
        """By what factor the guess is off; a difference where a factor has no meaning."""
        answer, said = f"Answer: {self.text(right)}", f"You said {_number(self.guess)}"
        if self.guess == right:
            return f"{answer}, exactly as you said.", False
        if abs(self.guess - right) <= 2 * error:
            return f"{answer}. {said}: close, within two standard errors.", False
        side = "too low" if self.guess < right else "too high"
        if min(self.guess, right) <= 0:
            off = abs(right - self.guess)
            return (
                f"{answer}. {said}: {side} by {_number(off) if self.unit.startswith('of ') else self.text(off)}.",
                True,
            )
        factor = max(right / self.guess, self.guess / right)
        if factor <= CLOSE:
            return f"{answer}. {said}: close, within 10%.", False
        off = f"{factor:.1f}" if factor < 100 else f"{factor:,.0f}"
        return f"{answer}. {said}: {side} by a factor of {off}.", factor >= SURPRISE

    def answer(self, right: Any, show: Show | None = None) -> None:
        """Print the answer, and by what factor the guess was off; in the workbook it waits for the guess.

        Raises `UserError` for an answer that is not a finite number.
        """
        right = right.item() if hasattr(right, "item") else right  # of torch or numpy
        if not self.allows(right):
            raise UserError(f"the answer {right!r} is not a finite number")
        self._give(right, "", show)

    def answer_count(self, hits: Sequence[Any], show: Show | None = None) -> None:
        """Answer with how many of some items are true; a guess within two standard errors of this count is close.

        >>> heads = predict_number("How many of 8 tosses are heads?", unit="of 8")
        Predict: How many of 8 tosses are heads? (a number, of 8)
        >>> heads.answer_count([True, False, False, True, True, False, True, False])
        Answer: 4 of 8.
        """
        count = sum(map(bool, hits))
        self._give(count, "", show, math.sqrt(count * (1 - count / max(len(hits), 1))))

    def __repr__(self) -> str:
        return f"Predict: {self.question}" + (f" (a number, {self.unit})" if self.unit else " (a number)")


def predict(question: str, choices: Sequence[str]) -> Guess:
    """Ask for a guess before the cells that answer it; `answer` and `answer_by` compare.

    In a notebook each choice is a button. Elsewhere the question is only printed.

    >>> guess = predict("Which word does *bank* read most from?", ["the", "river"])
    Predict: Which word does *bank* read most from?
      - the
      - river
    >>> guess.answer("river")
    Answer: river.
    """
    guess = Guess(question, choices)
    guess_box.ask(guess)
    return guess


def predict_number(question: str, unit: str = "") -> NumberGuess:
    """Ask for a number before the cells that answer it; the answer says by what factor the guess was off.

    >>> heads = predict_number("How many of 60 heads look back?", unit="heads")
    Predict: How many of 60 heads look back? (a number, heads)
    >>> heads.answer(41)
    Answer: 41 heads.
    """
    guess = NumberGuess(question, unit)
    guess_box.ask(guess)
    return guess


def _number(value: float) -> str:
    """A number as it is printed: whole ones in full, others with three digits.

    >>> [_number(value) for value in (41, 12.0, 1234.5, 0.12345, -3)]
    ['41', '12', '1,234', '0.123', '-3']
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"
