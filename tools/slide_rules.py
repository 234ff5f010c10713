"""The slides of a lesson with turns; `python tools/deck.py 04` makes a deck of them.

A manuscript says nothing about slides. The builder gives each cell the metadata of its kind: a cell is a screen of its
own, and a heading begins a new column of screens. So a heading must begin its cell, and a cell must fit on a screen.
"""

import re
from collections.abc import Iterator, Sequence

import nbformat

from minillm.course.pages import YOUR_TURN, is_test

HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PREDICTS = re.compile(r"= predict(?:_number)?\(")
FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
LONGEST_SCREEN = 170  # words of text


def slide_type(cell: nbformat.NotebookNode) -> str:
    """The screen that a cell is on.

    >>> slide_type(nbformat.v4.new_markdown_cell("## Why attention?")), slide_type(nbformat.v4.new_code_cell("1 + 1"))
    ('slide', 'subslide')
    """
    source = cell.source
    if cell.cell_type == "markdown":
        if source.startswith("<details><summary>Solution"):
            return "skip"
        return "slide" if source.startswith(("# ", "## ")) else "subslide"
    if is_test(cell) or source.startswith(("import ", "from ")):
        return "skip"
    asks = YOUR_TURN.search(source) or PREDICTS.search(source)
    return "fragment" if asks else "subslide"  # a fragment appears below the text that leads to it


def complaints(cells: Sequence[nbformat.NotebookNode]) -> Iterator[str]:
    """Yield one sentence for each cell that would make a bad slide."""
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type != "markdown":
            continue
        text = FENCE.sub("", cell.source)
        if found := [match for match in HEADING.finditer(text) if match.start() > 0]:
            heading = text[found[0].start() :].partition("\n")[0]
            yield f"cell {number} has the heading {heading!r} inside; begin a cell with it, so that it begins a slide"
        if "</details>" in text and not text.startswith(("<details>", "## ")):
            yield f"cell {number} folds something below other text; give it a cell of its own, which slides leave out"
        if text.startswith("<details><summary>Solution") and not text.rstrip().endswith("</details>"):
            yield f"cell {number} has text below a solution; give it a cell of its own: slides skip solutions"
        if (words := len(FOLDED.sub("", text).split())) > LONGEST_SCREEN:
            yield f"cell {number} has {words} words; a slide holds {LONGEST_SCREEN}, so split it"
