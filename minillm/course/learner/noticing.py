"""Notice a cell that defines what a turn asks for without `@your_turn`, so that nothing has tried it."""

import ast
import sys
from typing import Any

from minillm.course.turns import turns

_watched: list[str] = []  # the lesson whose cells are watched


def notice_undecorated(lesson: str) -> None:
    """From now on, print a sentence below each cell of this notebook that defines a turn of the lesson undecorated."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    if _look not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _look)
    _watched[:] = [lesson]


def _look(result: Any) -> None:
    shell = sys.modules["IPython"].get_ipython()
    for sentence in undecorated(shell.transform_cell(result.info.raw_cell), _watched[0]):
        print(sentence)


def undecorated(source: str, lesson: str) -> list[str]:
    """A sentence for each turn of a lesson that a cell defines without its decorator.

    >>> undecorated("def causal_mask(T):\\n    return 1", "04")
    ['`causal_mask` was not tried, and runs below as it is: `@your_turn("04.causal_mask")` is missing above it.']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    plain = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not any("your_turn" in ast.unparse(decorator) for decorator in node.decorator_list)
    }
    return [
        f'`{turn.name}` was not tried, and runs below as it is: `@your_turn("{turn.id}")` is missing above it.'
        for turn in turns(lesson)
        if turn.name in plain
    ]
