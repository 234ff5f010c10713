"""Read the code of a student's notebook.

Metadata is ignored, since it cannot be trusted: an answer is the last value bound to the question's function name.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from minillm.course.contents import CHECK_CELL
from minillm.errors import UserError

MAX_CELLS = 1000
MAX_CODE = 1_000_000  # characters
MAX_SHOWN, MAX_LINES = 20_000, 400  # characters and lines of a cell that are shown to people
MAX_OTHER = 50_000  # characters that are shown of all cells without an answer
MAGIC, MAX_MAGICS = re.compile(r"(?m)^[ \t]*[%!?]|\?$"), 100  # lines of a cell that only IPython can read
# Cell magics whose cell is Python in the notebook's own namespace; cells with other magics are in another language.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "memit"}
WRITE = re.compile(r"\s*%%writefile[ \t]+(?P<append>-a[ \t]+)?(?P<path>\S+)[^\n]*\n?")  # a cell that is a file
RUN = re.compile(r"(?m)^[ \t]*%run[ \t]+(?:-\w+[ \t]+)*(?P<path>\S+)")


def read_code(data: bytes) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Read the code cells of a notebook, without its check cells.

    A cell is a title and its source: ("code cell 3", "x = 1"). Also returns, by question id, the number of these cells
    above the last check. Raises `UserError`, whose message is the end of a sentence about the file.
    """
    cells: list[tuple[str, str]] = []
    checks: dict[str, int] = {}
    for number, source in enumerate(_sources(data), 1):
        if check := CHECK_CELL.match(source.strip()):
            checks[check[1]] = len(cells)
        else:
            cells.append((f"code cell {number}", source))
    return cells, checks


def _sources(data: bytes) -> list[str]:
    """The source of each code cell, in any notebook format since 2013 (3 and 4)."""
    try:
        notebook = _from_json(data)
    except (ValueError, RecursionError):
        raise UserError("is not a notebook: its JSON is broken") from None
    notebook = notebook if isinstance(notebook, dict) else {}
    sheets = notebook.get("worksheets")  # hold the cells in format 3
    cells = notebook.get("cells")
    if isinstance(sheets, list) and all(isinstance(sheet, dict) for sheet in sheets):
        cells = [cell for sheet in sheets if isinstance(sheet.get("cells"), list) for cell in sheet["cells"]]
    if not isinstance(cells, list):
        raise UserError("is not a notebook: it has no cells (a notebook of format 3 or later is needed)")
    codes = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    sources = [_text(cell.get("source", cell.get("input"))) for cell in codes]
    if len(sources) > MAX_CELLS:
        raise UserError(f"has more than {MAX_CELLS:,} cells of code")
    if sum(map(len, sources)) > MAX_CODE:
        raise UserError(f"has more than {MAX_CODE:,} characters of code")
    return sources


def _from_json(data: bytes) -> Any:
    """Parse UTF-8, 16 or 32, or else what an editor on Windows may have made of it."""
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        return json.loads(data.decode("cp1252", "replace"))


def _text(source: Any) -> str:
    """The source of a cell, from a string, a list of lines or nothing, with "\n" line ends."""
    lines = source if isinstance(source, list) else [source or ""]
    if not all(isinstance(line, str) for line in lines):
        raise UserError("is not a notebook: the text of a cell is not text")
    return re.sub("\r+\n?", "\n", "".join(lines))


@lru_cache(maxsize=2000)
def python_of(source: str) -> str:
    r"""Translate a cell to Python: IPython's `%`, `!` and `?` lines become calls.

    A cell that is Python already is returned unchanged.

    >>> python_of("x = 1")
    'x = 1'
    >>> python_of("%%time\nx = 1"), python_of("%%html\n<b>bold</b>")
    ('\nx = 1', '')
    >>> python_of("%time x = 1\nlen?")
    "x = 1\nget_ipython().run_line_magic('pinfo', 'len')\n"
    """
    if write := WRITE.match(source):  # the notebook may import that file
        mode = "a" if write["append"] else "w"
        text = source[write.end() :].removesuffix("\n") + "\n"
        return f"open({write['path']!r}, {mode!r}).write({text!r})"
    while magic := re.match(r"\s*+%%(\w+)([^\n]*)\n?", source):
        if magic[1] not in PYTHON_MAGICS:
            return ""
        source = "\n" * magic[0].count("\n") + source[magic.end() :]  # keep the line numbers
    if _is_python(source) or len(MAGIC.findall(source)) > MAX_MAGICS:
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    source = re.sub(
        r"(?m)^([ \t]*)%time(?:it)?[ \t]+(?!-)", r"\1", source
    )  # the timed code runs in the notebook's namespace
    try:
        with warnings.catch_warnings(action="ignore"):
            return TransformerManager().transform_cell(source)
    except Exception:  # a cell may hold anything; a syntax error is reported if an answer needs the cell
        return source


def flat(cells: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The cells, with the code of the modules that they write in place of a string.

    >>> flat([("cell 1", "%%writefile own.py\\ndef f(): ..."), ("cell 2", "x = 1")])
    [('cell 1', 'def f(): ...'), ('cell 2', 'x = 1')]
    """
    return [(title, source[write.end() :] if (write := WRITE.match(source)) else source) for title, source in cells]


def _is_python(source: str) -> bool:
    try:
        compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@lru_cache(maxsize=2000)
def parsed(source: str) -> ast.Module:
    """The syntax tree of a cell; an empty one if it is not Python."""
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        with warnings.catch_warnings(action="ignore"):
            return compile(python_of(source), "cell", "exec", flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def definition(source: str, name: str) -> ast.stmt | None:
    """The last top-level statement of a cell that binds this name, or None.

    >>> [definition(source, "f") is None for source in ("if x:\\n    def f(): pass", "g, f = 1, 2", "f()")]
    [False, False, True]
    """
    last = None
    for statement in parsed(source).body:
        for node in own_nodes(statement):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                last = node if node.name == name else last
            elif isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                last = statement
    return last


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a statement, without the bodies of functions and classes in it."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from own_nodes(child)


def begun(cells: Sequence[tuple[str, str]], function: str) -> bool:
    """Whether an answer is more than the stub of the exercise.

    >>> begun([("cell 1", "def f(): ...")], "f"), begun([("cell 1", "def f(): return 1")], "f")
    (False, True)
    """
    definitions = [node for _, source in cells if (node := definition(source, function))]
    return bool(definitions) and not (isinstance(definitions[-1], ast.FunctionDef) and _is_stub(definitions[-1].body))


def _is_stub(body: list[ast.stmt]) -> bool:
    """Whether a function body is only `...` after a docstring, or `raise NotImplementedError()`, the older stub."""
    rest = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    dots = any(isinstance(node, ast.Expr) and ast.unparse(node) == "..." for node in body)
    raises = len(rest) == 1 and isinstance(rest[0], ast.Raise) and "NotImplementedError" in ast.dump(rest[0])
    return raises or (dots and not rest)


def cut(source: str) -> str:
    """Shorten a very long cell, to show it."""
    lines = source[:MAX_SHOWN].split("\n")
    if len(source) <= MAX_SHOWN and len(lines) <= MAX_LINES:
        return source
    return "\n".join(lines[:MAX_LINES]) + f"\n# ... cut here; the cell has {len(source):,} characters"
