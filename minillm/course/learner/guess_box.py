"""The widgets of predictions: a question with buttons or a number box, and an answer that waits for the guess."""

import html
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from minillm.course.learner.saved import workbook
from minillm.course.workbook import MANIFEST

WAITING = "Guess first, then the answer appears here."
NO_NUMBER = "Type a number, for example 12 or 0.5."

# by question, what gives the answer that waits for a guess; by question, so that the question's cell may be run again
_waiting: dict[str, Callable[[Any], None]] = {}


def person_at_workbook() -> bool:
    """Whether a person can click, in a page of a workbook that was laid out.

    Builders and testers of notebooks run cells without a person: they allow no input, and their pages are the course's.
    """
    shell = _shell()
    if shell is None:
        return False
    content = shell.get_parent().get("content", {})
    folder = workbook().resolve()
    return bool(content.get("allow_stdin")) and (folder / MANIFEST).is_file() and Path.cwd().is_relative_to(folder)


def ask(guess: Any) -> None:
    """Display a question with what answers it; print it outside a notebook."""
    if _shell() is None:
        print(guess)
    else:
        from IPython.display import display  # a notebook's own library

        display(buttons(guess))


def buttons(guess: Any) -> Any:
    """The widget of a question: the choices or a number box, with what was guessed before, and a status line."""
    import ipywidgets as widgets

    status = widgets.HTML()

    def refresh() -> None:
        if guess.guess is not None:
            status.value = html.escape(f"Your prediction: {guess.text(guess.guess)}.")
        elif guess.skipped:
            status.value = "You looked at the answer without a guess."

    refresh()
    title = widgets.HTML(f"<b>Predict:</b> {marked(guess.question)}")
    box = _box([title, _control(guess, status), status], repr(guess))  # the text is the same whatever was chosen
    guess.on_change.append(refresh)
    return box


def wait(guess: Any, tell: Callable[[Any], str], show: Callable[[], Any] | None) -> None:
    """Display the question in place of its answer; the first guess puts `tell(guess)` there, and `show` below it."""
    import ipywidgets as widgets
    from IPython.display import display

    status = widgets.HTML()
    layout = {"width": "auto", "align_self": "flex-start"}
    skip = widgets.Button(description="Show me", tooltip="See the answer without a guess", layout=layout)
    skip.on_click(lambda _: guess.skip())
    title = widgets.HTML(f"<b>{WAITING}</b> {marked(guess.question)}")
    box = _box([title, _control(guess, status), status, skip], WAITING)
    cell = _shell().get_parent()
    handle: Any = display(box, display_id=True)

    def give_answer(chosen: Any) -> None:
        with _outputs_below(cell):
            handle.update({"text/plain": tell(chosen)}, raw=True)
            box.close()
            try:
                if show is not None:
                    show()
            except Exception as error:  # it is the callback of a click, where nobody would see it
                print(f"{type(error).__name__}: {error}")

    _waiting[guess.question] = give_answer


def give(question: str, guess: Any) -> None:
    """Give the answer that waits for a guess of this question, if there is one."""
    give_answer = _waiting.pop(question, None)
    if give_answer is not None:
        give_answer(guess)


def marked(text: str) -> str:
    """A text as HTML, with its *emphasis* and its `code`.

    >>> marked("Is *bank* < `3 * x * y`?")
    'Is <i>bank</i> &lt; <code>3 * x * y</code>?'
    """
    pieces = html.escape(text).split("`")  # every second piece is code
    plain = [re.sub(r"\*(\S(?:[^*]*\S)?)\*", r"<i>\1</i>", piece) for piece in pieces[::2]]
    code = [f"<code>{piece}</code>" for piece in pieces[1::2]]
    return "".join(part for pair in zip_longest(plain, code, fillvalue="") for part in pair)


def read_number(text: str) -> float | None:
    """The number that somebody typed, or None.

    >>> [read_number(text) for text in ("41", "1,000 heads", "0.5", "12 %", "many", "nan")]
    [41, None, 0.5, 12, None, None]
    """
    try:
        number = float(text.strip().removesuffix("%").replace(",", ""))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _control(guess: Any, status: Any) -> Any:
    """What a guess is made with; it shows every change of the guess, wherever it is made."""
    return _number_box(guess, status) if not hasattr(guess, "choices") else _choices(guess, status)


def _choices(guess: Any, status: Any) -> Any:
    import ipywidgets as widgets

    choice = widgets.ToggleButtons(options=guess.choices, value=guess.guess, style={"button_width": "auto"})

    def chosen(change: dict[str, Any]) -> None:
        if change["new"] is not None and change["new"] != guess.guess:
            status.value = html.escape(guess.choose(change["new"]))
        choice.value = guess.guess  # the old one, if it is too late

    choice.observe(chosen, "value")
    guess.on_change.append(lambda: setattr(choice, "value", guess.guess))
    return choice


def _number_box(guess: Any, status: Any) -> Any:
    """An empty line and a button: a number that stands there already would be half an answer."""
    import ipywidgets as widgets

    line = widgets.Text(placeholder="a number", layout={"width": "8em"})
    okay = widgets.Button(description="OK", layout={"width": "auto"})

    def refresh() -> None:
        line.value = "" if guess.guess is None else str(guess.guess)

    def entered(*_event: Any) -> None:
        number = read_number(line.value)
        if number is None:
            status.value = NO_NUMBER
            return
        sentence = guess.choose(number)
        refresh()
        status.value = html.escape(sentence)

    def heard(_line: Any, content: dict[str, Any], _buffers: Any) -> None:
        if content.get("event") == "submit":  # Enter
            entered()

    refresh()
    okay.on_click(entered)
    line.on_msg(heard)
    guess.on_change.append(refresh)
    return widgets.HBox([line, widgets.Label(guess.unit), okay])


def _box(parts: list[Any], text: str) -> Any:
    """Widgets below each other, with a text for where there are none."""
    import ipywidgets as widgets

    class Box(widgets.VBox):
        def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            bundle: Any = super()._repr_mimebundle_(**options)
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            return {**data, "text/plain": text}, metadata

    return Box(parts)


@contextmanager
def _outputs_below(cell: dict[str, Any]) -> Iterator[None]:
    """Put what is printed and displayed below the cell that this message has run; a click is a message of its own."""
    shell = _shell()
    if hasattr(shell, "set_thread_parent"):  # ipykernel 7, where a click may have its own thread
        tokens = shell.set_thread_parent(cell)
        try:
            yield
        finally:
            sys.stdout.flush()
            shell.reset_thread_parent(tokens)
    else:
        before = shell.get_parent()
        shell.set_parent(cell)
        try:
            yield
        finally:
            sys.stdout.flush()
            shell.set_parent(before)


def _shell() -> Any:
    """The IPython shell of a notebook, or None in a script or a terminal."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if getattr(shell, "kernel", None) is not None else None
