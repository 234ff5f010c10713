"""Predictions: a guess before the cell that answers it, by one click, remembered in the workbook."""

import html
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from minillm.course.learner.saved import workbook
from minillm.errors import UserError
from minillm.files import locked, read_json, write_json

MAX_BYTES = 1_000_000  # of the file with all guesses


class Guess:
    """A question and what was guessed, if anything; made by `predict`."""

    def __init__(self, question: str, choices: Sequence[str]):
        if len(set(choices)) < 2 or not all(isinstance(choice, str) for choice in choices):
            raise UserError(f"predict needs at least two different texts to choose from; got {list(choices)}")
        self.question, self.choices = question, tuple(choices)
        earlier = _guesses().get(question, {}).get("guess")
        self.guess = earlier if earlier in self.choices else None

    def choose(self, choice: str) -> str:
        """Remember a guess, unless an earlier one has been answered; returns a sentence about it."""
        if self.guess is not None and "answer" in _guesses().get(self.question, {}):
            return f"The answer is out. Your prediction stays {self.guess}."
        self.guess = choice
        try:
            _keep(self.question, {"guess": choice})
        except OSError as error:
            return f"Your prediction: {choice}. It is not saved ({error.strerror or error})."
        return f"Your prediction: {choice}."

    def answer(self, right: str) -> None:
        """Print the answer beside the guess, and keep it. Raises `UserError` for an answer that nobody could choose."""
        if right not in self.choices:
            raise UserError(f"the answer {right!r} is none of the choices: {', '.join(self.choices)}")
        if self.guess is not None:
            with suppress(OSError):  # `choose` has told it
                _keep(self.question, {"guess": self.guess, "answer": right})
        if self.guess is None:
            print(f"Answer: {right}.")
        elif self.guess == right:
            print(f"Answer: {right}, as you predicted.")
        else:
            print(f"Answer: {right}. You predicted: {self.guess}.")

    def __repr__(self) -> str:
        return "\n".join([f"Predict: {self.question}", *(f"  - {choice}" for choice in self.choices)])


def predict(question: str, choices: Sequence[str]) -> Guess:
    """Ask for a guess before the cells that answer it; nothing waits for the click, and `answer` compares.

    In a notebook each choice is a button. Elsewhere the question is only printed.

    >>> guess = predict("Which word does *bank* read most from?", ["the", "river"])
    Predict: Which word does *bank* read most from?
      - the
      - river
    >>> guess.answer("river")
    Answer: river.
    """
    guess = Guess(question, choices)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if getattr(shell, "kernel", None) is None:
        print(guess)
    else:
        from IPython.display import display  # a notebook's own library

        display(buttons(guess))
    return guess


def buttons(guess: Guess) -> Any:
    """The widget of a guess: one button for each choice, pressed if it was chosen before."""
    import ipywidgets as widgets

    class Buttons(widgets.VBox):
        def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            bundle: Any = super()._repr_mimebundle_(**options)
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            return {**data, "text/plain": repr(guess)}, metadata  # the same whatever was chosen

    choice = widgets.ToggleButtons(options=guess.choices, value=guess.guess, style={"button_width": "auto"})
    status = widgets.HTML(f"Your prediction: {html.escape(guess.guess)}." if guess.guess else "")

    def chosen(change: dict[str, Any]) -> None:
        if change["new"] != guess.guess:
            status.value = html.escape(guess.choose(change["new"]))
            choice.value = guess.guess  # the old one, if it is too late

    choice.observe(chosen, "value")
    return Buttons([widgets.HTML(f"<b>Predict:</b> {html.escape(guess.question)}"), choice, status])


def outcomes() -> dict[str, bool]:
    """Whether the guess was right, for each question that was guessed and then answered."""
    return {question: kept["guess"] == kept["answer"] for question, kept in _guesses().items() if "answer" in kept}


def _file() -> Path:
    return workbook() / "guesses.json"


def _guesses() -> dict[str, dict[str, Any]]:
    """By question the guess, and the answer once there was one; nothing if the file is missing or damaged."""
    try:
        kept = read_json(_file(), MAX_BYTES)
    except (OSError, ValueError):
        return {}
    return {question: entry for question, entry in kept.items() if isinstance(entry, dict) and "guess" in entry}


def _keep(question: str, entry: dict[str, str]) -> None:
    """Write down what is known of one question. Raises `OSError`."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        guesses = _guesses()
        if guesses.get(question) != entry:
            write_json(path, guesses | {question: entry})
