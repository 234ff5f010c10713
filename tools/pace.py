"""What a page asks its reader to do: the longest stretch without anything, and predictions that the data answer."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import nbformat

from minillm.course.pages import PREDICT, YOUR_TURN, is_test

WORDS, CODE_CELLS = 400, 6  # the most without anything to type, click or decide
# Widgets, puzzles, and what a comment asks to change; a quiz question is one to decide.
ACTIVE = re.compile(
    r"\b(?:predict|predict_number|\w*Explorer|ChatBox|RankingBooth|interact|puzzles\.solve|\w*Slider)\("
    r"|# *change (?:this|me)|^@tiles\.asked\b|\byour_kernel\(",
    re.IGNORECASE | re.MULTILINE,
)
QUESTION = re.compile(r"<details>\s*<summary>Open.*?</details>", re.DOTALL)
UNREAD = re.compile(r"```.*?```|<[^>]+>|\]\([^)]*\)", re.DOTALL)  # code, markup and addresses

Cells = Sequence[nbformat.NotebookNode]


@dataclass(frozen=True)
class Stretch:
    """Cells in which the reader only reads and runs; they are counted from 1, without those that test the lesson."""

    first: int
    last: int
    words: int
    code_cells: int

    @property
    def too_long(self) -> bool:
        """Whether it holds more than a reader should have to sit through."""
        return self.words > WORDS or self.code_cells > CODE_CELLS

    def __str__(self) -> str:
        return f"cells {self.first} to {self.last}: {self.words} words, {self.code_cells} code cells"


def words_in(text: str) -> int:
    """Count the words of Markdown, without code.

    >>> words_in("Read [this page](it.md) of *x W_Q*, don't skip.")
    8
    """
    return len(re.findall(r"\w[\w'/.-]*", UNREAD.sub(" ", text)))


def stretches(cells: Cells) -> list[Stretch]:
    """The passive stretches of a page in their order; each ends at something to type, click or decide."""
    found, first, words, code = [], 1, 0, 0

    def end(number: int) -> None:
        nonlocal first, words, code
        if words or code:
            found.append(Stretch(first, number, words, code))
        first, words, code = number, 0, 0

    read = [cell for cell in cells if not is_test(cell)]
    for number, cell in enumerate(read, start=1):
        if not (words or code):
            first = number
        if cell.cell_type == "markdown":
            before, *after = QUESTION.split(cell.source)
            words += words_in(before)
            for piece in after:
                end(number)
                words += words_in(piece)
        elif YOUR_TURN.search(cell.source) or ACTIVE.search(cell.source):
            end(number)
        else:
            code += 1
    end(len(read))
    return found


def longest(cells: Cells) -> Stretch:
    """The longest passive stretch, measured by the limits."""
    return max(
        stretches(cells), key=lambda s: max(s.words / WORDS, s.code_cells / CODE_CELLS), default=Stretch(1, 1, 0, 0)
    )


def complaints(cells: Cells) -> Iterator[str]:
    """Yield one sentence for each stretch of a page that is too long."""
    for stretch in stretches(cells):
        if stretch.too_long:
            yield (
                f"nothing to type, click or decide in {stretch}; the most is {WORDS} words or {CODE_CELLS} code cells"
            )


def typed_answers(cells: Cells) -> Iterator[str]:
    """Yield one sentence for each prediction whose answer is typed into the page, and does not come from its data."""
    trees = [(number, ast.parse(cell.source)) for number, cell in enumerate(cells, 1) if cell.cell_type == "code"]
    guesses = {name for _, tree in trees for name in _guesses(tree)}
    for number, tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="answer"), args=[given, *_]):
                    if name in guesses and _is_literal(given):
                        yield (
                            f"cell {number} answers `{name}` by {ast.unparse(given)}; compute the answer from the data "
                            "(answer_by, or a number)"
                        )


def _guesses(tree: ast.Module) -> Iterator[str]:
    """The names that predictions are assigned to."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=function))):
                if function in PREDICT:
                    yield name


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
