"""The code of a learner's notebook, and what a grader should look at in it.

Metadata are not trusted and not needed: cells run in their order, and an answer is whatever has the question's name.
"""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from minillm.course.checks import CHECK_CELL
from minillm.course.checks.inside import python_of

MOST_CELLS = 500
MOST_CODE = 1_000_000  # characters
# Ways around the watch on what is called, and into the process that asks: no answer needs them.
ODD = {"setprofile", "settrace", "ctypes", "_getframe", "gc", "inspect", "subprocess", "socket", "__subclasses__"}
ODD |= {"__globals__", "__main__", "fork", "_exit", "__eq__", "ops", "_C"}


def read_code(data: bytes) -> list[tuple[str, str]]:
    """The code cells of a notebook but its checks, each with a name for people: ("code cell 3", source).

    Raises `ValueError` with what is wrong with the file, as the end of a sentence.
    """
    return [
        (f"code cell {place}", source)
        for place, source in enumerate(_sources(data, "code"), 1)
        if not CHECK_CELL.match(source.strip())
    ]


def _sources(data: bytes, kind: str) -> list[str]:
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("is no notebook: its JSON is broken") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("is no notebook: it has no cells (a notebook of format 4 or later is needed)")
    if len(cells) > MOST_CELLS:
        raise ValueError(f"has more than {MOST_CELLS} cells")
    sources = [_text(cell.get("source")) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == kind]
    if sum(map(len, sources)) > MOST_CODE:
        raise ValueError(f"has more than {MOST_CODE:,} characters of code")
    return sources


def _text(source: Any) -> str:
    """A cell's source: a text, or a list of its lines."""
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise ValueError("is no notebook: the text of a cell is no text")
    return "".join(lines)


def definition(source: str, name: str) -> ast.stmt | None:
    """The statement of a cell that gives a value to this name at its outermost level; the last, if there are several.

    >>> [definition(source, "f") is None for source in ("def f(): pass", "g = f = 1", "f()")]
    [False, False, True]
    """
    found = None
    for node in _parsed(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
        if named or any(isinstance(target, ast.Name) and target.id == name for target in targets):
            found = node
    return found


def worth_a_look(cells: Sequence[tuple[str, str]], forbidden: Sequence[str]) -> list[str]:
    """Where code mentions what an answer does not need, a sentence each: for a person to judge, not for points.

    `forbidden` are names to import by. Own definitions of such a name do not count.

    >>> worth_a_look([("cell 2", "import ctypes"), ("cell 3", "x = 1")], [])
    ['cell 2 mentions ctypes']
    """
    last = {name.rsplit(".", 1)[-1] for name in forbidden} - {"minillm"}
    own = {node.name for _, source in cells for node in ast.walk(_parsed(source)) if isinstance(node, ast.FunctionDef)}
    found = []
    for place, source in cells:
        names = set(re.findall(r"\w+", " ".join(_mentioned(source))))
        found += [f"{place} mentions {name}" for name in sorted(names & (ODD | (last - own)))]
    return found


def _mentioned(source: str) -> list[str]:
    """All names, attributes, imports and texts of a cell."""
    found = []
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Name):
            found.append(node.id)
        elif isinstance(node, ast.Attribute):
            found.append(node.attr)
        elif isinstance(node, ast.FunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            found.append(node.value)
    return found


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(python_of(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])
