"""The code of a learner's notebook, and what a grader should look at in it.

Metadata are not trusted and not needed: an answer is whatever has the question's name in the end.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from minillm.course.checks import CHECK_CELL
from minillm.errors import UserError

MOST_CELLS = 1000
MOST_CODE = 1_000_000  # characters
MAGIC, MOST_MAGICS = re.compile(r"(?m)^[ \t]*[%!?]|\?$"), 100  # lines of a cell that IPython alone can read
# Magics whose cell is Python that runs in the notebook's own names; other cells with a magic are another language.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "memit"}
# Ways around the watch on what is called, and into the process that asks: no answer needs them.
ODD = {"setprofile", "settrace", "ctypes", "_getframe", "gc", "inspect", "subprocess", "socket", "__subclasses__"}
ODD |= {"__globals__", "__main__", "fork", "_exit", "__eq__", "ops", "_C", "exec", "eval", "getattr", "tb_frame"}
ODD |= {"f_back", "execve", "__import__", "importlib", "__traceback__", "__builtins__", "jit"}


def read_code(data: bytes) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """The code cells of a notebook but its checks, and how many of them stand above each question's last check.

    A cell is a name for people and its source: ("code cell 3", "x = 1"). Raises `UserError` with what is wrong with the
    file, as the end of a sentence.
    """
    cells: list[tuple[str, str]] = []
    checks: dict[str, int] = {}
    for place, source in enumerate(_sources(data), 1):
        if check := CHECK_CELL.match(source.strip()):
            checks[check[1]] = len(cells)
        else:
            cells.append((f"code cell {place}", source))
    return cells, checks


def _sources(data: bytes) -> list[str]:
    """The source of each code cell, of any format of notebooks that there has been since 2013."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        raise UserError("is not a notebook: its JSON is broken") from None
    notebook = notebook if isinstance(notebook, dict) else {}
    sheets = notebook.get("worksheets")  # in format 3 they hold the cells
    cells = notebook.get("cells")
    if isinstance(sheets, list) and all(isinstance(sheet, dict) for sheet in sheets):
        cells = [cell for sheet in sheets if isinstance(sheet.get("cells"), list) for cell in sheet["cells"]]
    if not isinstance(cells, list):
        raise UserError("is not a notebook: it has no cells (a notebook of format 3 or later is needed)")
    codes = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    sources = [_text(cell.get("source", cell.get("input"))) for cell in codes]
    if len(sources) > MOST_CELLS:
        raise UserError(f"has more than {MOST_CELLS:,} cells of code")
    if sum(map(len, sources)) > MOST_CODE:
        raise UserError(f"has more than {MOST_CODE:,} characters of code")
    return sources


def _text(source: Any) -> str:
    """A cell's source: a text, or a list of its lines, whose ends may be those of any system."""
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise UserError("is not a notebook: the text of a cell is not text")
    return re.sub("\r+\n?", "\n", "".join(lines))


@lru_cache(maxsize=2000)
def python_of(source: str) -> str:
    r"""A cell in Python: as it stands if it is that, else with IPython's `%`, `!` and `?` lines as calls.

    >>> python_of("x = 1")
    'x = 1'
    >>> python_of("%%time\nx = 1"), python_of("%%html\n<b>bold</b>")
    ('\nx = 1', '')
    >>> python_of("%time x = 1\nlen?")
    "x = 1\nget_ipython().run_line_magic('pinfo', 'len')\n"
    """
    while magic := re.match(r"\s*+%%(\w+)([^\n]*)\n?", source):
        if magic[1] == "writefile" and (path := magic[2].split()):  # what it writes may be imported
            return f"open({path[-1]!r}, 'w').write({source[magic.end() :]!r})"
        if magic[1] not in PYTHON_MAGICS:
            return ""
        source = "\n" * magic[0].count("\n") + source[magic.end() :]  # lines keep their numbers
    if _is_python(source) or len(MAGIC.findall(source)) > MOST_MAGICS:
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    source = re.sub(r"(?m)^([ \t]*)%time(?:it)?[ \t]+(?!-)", r"\1", source)  # what it times is the notebook's own line
    try:
        with warnings.catch_warnings(action="ignore"):
            return TransformerManager().transform_cell(source)
    except Exception:  # a cell may be anything; what is not Python is told when it is needed
        return source


def _is_python(source: str) -> bool:
    try:
        compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@lru_cache(maxsize=2000)
def parsed(source: str) -> ast.Module:
    """A cell as a tree; an empty one if it is not Python."""
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        with warnings.catch_warnings(action="ignore"):
            return compile(python_of(source), "cell", "exec", flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def definition(source: str, name: str) -> ast.stmt | None:
    """The statement of a cell that gives a value to this name, not within a function; the last, if there are several.

    >>> [definition(source, "f") is None for source in ("if x:\\n    def f(): pass", "g, f = 1, 2", "f()")]
    [False, False, True]
    """
    found = None
    for statement in parsed(source).body:
        for node in own_nodes(statement):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found = node if node.name == name else found
            elif isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                found = statement
    return found


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and all in it that runs with it: not the bodies of the functions that it defines."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from own_nodes(child)


def begun(cells: Sequence[tuple[str, str]], function: str) -> bool:
    """Whether an answer is more than the line that it came with.

    >>> begun([("cell 1", "def f(): raise NotImplementedError()")], "f"), begun([("cell 1", "def f(): return 1")], "f")
    (False, True)
    """
    found = [node for _, source in cells if (node := definition(source, function))]
    return bool(found) and not (isinstance(found[-1], ast.FunctionDef) and _is_stub(found[-1].body))


def _is_stub(body: list[ast.stmt]) -> bool:
    """Whether nothing but a docstring stands before the line that a sheet comes with."""
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return len(body) == 1 and isinstance(body[0], ast.Raise) and "NotImplementedError" in ast.dump(body[0])


def worth_a_look(cells: Sequence[tuple[str, str]], forbidden: Sequence[str]) -> list[str]:
    """Where code mentions what an answer does not need, a sentence each: for a person to judge, not for points.

    `forbidden` are names to import by. Own definitions of such a name do not count.

    >>> worth_a_look([("cell 2", "import ctypes"), ("cell 3", "x = 1")], [])
    ['cell 2 mentions ctypes']
    """
    last = {name.rsplit(".", 1)[-1] for name in forbidden} - {"minillm"}
    own = {node.name for _, source in cells for node in ast.walk(parsed(source)) if isinstance(node, ast.FunctionDef)}
    found = []
    for place, source in cells:
        names = set(re.findall(r"\w+", " ".join(_mentioned(source))))
        found += [f"{place} mentions {name}" for name in sorted(names & (ODD | (last - own)))]
    return found


def _mentioned(source: str) -> list[str]:
    """All names, attributes, imports and texts of a cell."""
    found = []
    for node in ast.walk(parsed(source)):
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
