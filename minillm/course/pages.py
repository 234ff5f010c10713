"""Notebooks as files: read and write one, tell its cells from its outputs, and move its links to another folder."""

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from minillm.course.grading.notebook import parsed
from minillm.errors import UserError
from minillm.files import read_json, write_text

Page = dict[str, Any]  # a notebook of format 4
LINK = re.compile(r"""(\]\(|\b(?:href|src)=["'])([^\s)"'#]+)""")
TEST = "test"  # tag of a cell
PREDICT = ("predict", "predict_number")
YOUR_TURN = re.compile(r"""^@your_turn\(\s*["']([^"']+)["'][^)\n]*\)""", re.MULTILINE)


def read_page(path: Path) -> Page:
    """Read a notebook. Raises `OSError`, and `UserError` with the reason for a file that is not one."""
    try:
        page = read_json(path)
    except ValueError as error:
        raise UserError(str(error).partition(";")[0]) from None  # what follows is advice about fetched files
    cells = page.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and _has_text(cell) for cell in cells):
        raise UserError("it has no cells")
    return page


def _has_text(cell: dict[str, Any]) -> bool:
    lines = cell.get("source")
    return isinstance(lines, str) or (isinstance(lines, list) and all(isinstance(line, str) for line in lines))


def write_page(path: Path, page: Page) -> None:
    """Write a notebook, whole or not at all."""
    write_text(path, json.dumps(page, indent=1) + "\n")  # ASCII: half a surrogate pair cannot be UTF-8


def source_of(cell: Mapping[str, Any]) -> str:
    """The text of a cell, from a string or a list of lines."""
    return "".join(cell["source"]).replace("\r\n", "\n")


def digest(page: Page) -> str:
    """A hash of what stands in the cells; running or saving a notebook leaves it the same.

    Empty cells do not count: JupyterLab adds one when the last cell is run.

    >>> ran = {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"output_type": "stream"}], "execution_count": 3}
    >>> digest({"cells": [ran, {"cell_type": "code", "source": ""}]}) == digest({"cells": [{**ran, "outputs": []}]})
    True
    """
    texts = [(cell.get("cell_type"), source_of(cell).strip()) for cell in page["cells"]]
    return hashlib.sha256(json.dumps([text for text in texts if text[1]]).encode()).hexdigest()


def without_outputs(page: Page) -> Page:
    """A copy of a notebook as if nobody had run it."""
    cells = [dict(cell) for cell in page["cells"]]
    for cell in cells:
        if cell.get("cell_type") == "code":
            cell.update(outputs=[], execution_count=None)
    return {**page, "cells": cells}


def is_test(cell: Mapping[str, Any]) -> bool:
    """Whether a cell only tests the lesson (tag `test`); the learner's copy lacks it."""
    return TEST in cell.get("metadata", {}).get("tags", [])


def without_tests(page: Page) -> Page:
    """A copy of a notebook without the cells that only test it.

    >>> test = {"cell_type": "code", "source": "assert True", "metadata": {"tags": ["test"]}}
    >>> without_tests({"cells": [test, {"cell_type": "markdown", "source": "# Title"}]})["cells"]
    [{'cell_type': 'markdown', 'source': '# Title'}]
    """
    return {**page, "cells": [cell for cell in page["cells"] if not is_test(cell)]}


def move_links(page: Page, source: Path, target: Path, moved: Mapping[Path, Path]) -> Page:
    """A copy of a notebook at `source` whose relative links work from `target`.

    A link to a file in `moved` leads to that file's new place; a link to nothing that is there is left as it is.
    """

    def move(match: re.Match[str]) -> str:
        aim = Path(os.path.normpath(source.parent / unquote(match[2])))
        if not os.path.exists(aim) or aim.drive != target.drive:  # or an address on the web, or on another drive
            return match[0]
        return match[1] + quote(Path(os.path.relpath(moved.get(aim, aim), target.parent)).as_posix())

    def text(cell: dict[str, Any]) -> dict[str, Any]:
        return {**cell, "source": LINK.sub(move, source_of(cell))} if cell.get("cell_type") == "markdown" else cell

    return {**page, "cells": [text(cell) for cell in page["cells"]]}


def turns_in(page: Page) -> list[str]:
    """The ids of the turns that a notebook asks for, in their order."""
    return [id for source in _code(page) for id in YOUR_TURN.findall(source)]


def questions_in(page: Page) -> list[str]:
    """The questions that a notebook asks with `predict` or `predict_number`, in their order.

    >>> questions_in({"cells": [{"cell_type": "code", "source": 'guess = predict("Which?", ["a", "b"])'}]})
    ['Which?']
    """
    nodes = (node for source in _code(page) if "predict" in source for node in ast.walk(parsed(source)))
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
    asked = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id in PREDICT]
    return [text.value for text in asked if isinstance(text, ast.Constant) and isinstance(text.value, str)]


def _code(page: Page) -> Iterator[str]:
    return (source_of(cell) for cell in page["cells"] if cell.get("cell_type") == "code")


def fill_turns(page: Page, solutions: Mapping[str, str]) -> Page:
    """A copy of a notebook with these sources, by the id of the turn, below its `@your_turn`.

    >>> cell = {"cell_type": "code", "source": '@your_turn("04.heads")\\ndef f(x):\\n    ...\\nf(1)'}
    >>> fill_turns({"cells": [cell]}, {"04.heads": "def f(x):\\n    return x\\n"})["cells"][0]["source"]
    '@your_turn("04.heads")\\ndef f(x):\\n    return x\\nf(1)'
    """

    def fill(cell: dict[str, Any]) -> dict[str, Any]:
        source = source_of(cell)
        for id in YOUR_TURN.findall(source) if cell.get("cell_type") == "code" else ():
            if id in solutions:
                source = _with_definition(source, id, solutions[id])
        return cell if source == source_of(cell) else {**cell, "source": source}

    return {**page, "cells": [fill(cell) for cell in page["cells"]]}


def _with_definition(source: str, id: str, text: str) -> str:
    """A cell with another definition below a decorator; where it is not Python, all of the rest is replaced."""
    match = next(match for match in YOUR_TURN.finditer(source) if match[1] == id)
    line = source.count("\n", 0, match.start()) + 1
    lines = source.split("\n")
    ends = [
        node.end_lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and any(decorator.lineno == line for decorator in node.decorator_list)
    ]
    after = lines[ends[0] :] if ends and ends[0] else []
    return "\n".join([*lines[: line - 1], match[0], *text.rstrip("\n").split("\n"), *after])
