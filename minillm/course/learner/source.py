"""The source of what a learner wrote, and everything that it needs to run in a file of its own."""

import ast
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
LIBRARIES = ("math", "torch", "torch.nn.functional", "numpy")  # asked first: some functions name a private home


class CannotSave(Exception):
    """What somebody wrote cannot stand in a file of its own; the message says why, as a sentence."""


@dataclass
class Needs:
    """What must stand above a definition: imports by the name that they define, and definitions and constants."""

    imports: dict[str, str] = field(default_factory=dict)
    above: dict[str, str] = field(default_factory=dict)


def source_of(thing: Any) -> str | None:
    """The source of a function or class, without its `@your_turn` line; None where it cannot be found.

    Cells of a notebook are found through the `linecache`. A class that has no method yet is found while its definition
    is being executed.

    >>> print(source_of(source_of).splitlines()[0])
    def source_of(thing: Any) -> str | None:
    """
    code, name = _code_of(thing), getattr(thing, "__name__", None)
    if code is not None:
        file, line = code.co_filename, code.co_firstlineno
    else:
        frame = sys._getframe()
        while frame is not None and frame.f_globals.get("__name__") != getattr(thing, "__module__", None):
            frame = frame.f_back
        if frame is None:
            return None
        file, line = frame.f_code.co_filename, frame.f_lineno
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:  # a cell with lines that only IPython can read is stored as Python; this is a damaged file
        return None
    found = [node for node in ast.walk(tree) if isinstance(node, Definition) and node.name == name]
    for node in found:
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if first <= line <= (node.end_lineno or first):
            kept = [d for d in node.decorator_list if "your_turn" not in ast.unparse(d)]
            ranges = [*((d.lineno, d.end_lineno or d.lineno) for d in kept), (node.lineno, node.end_lineno or line)]
            text = "".join("".join(lines[start - 1 : end]) for start, end in ranges)
            return textwrap.dedent(text).rstrip() + "\n"
    return None


def lines_below(thing: Any) -> bool:
    """Whether the cell or file goes on, at its top level, below a function that is left unwritten."""
    code = _code_of(thing)
    if code is None:
        return False
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return False
    last = tree.body[-1] if tree.body else None
    return isinstance(last, ast.stmt) and not isinstance(last, Definition) and last.lineno > code.co_firstlineno


def _code_of(thing: Any) -> CodeType | None:
    """The code of a function, or of the first method that a class defines itself."""
    function = _function_of(thing)
    return None if function is None else function.__code__


def _function_of(thing: Any) -> FunctionType | None:
    """A function, or the first method that a class defines itself."""
    for value in vars(thing).values() if isinstance(thing, type) else [inspect.unwrap(thing)]:
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if isinstance(function, FunctionType) and function.__module__ == thing.__module__:
            return function
    return None


def globals_of(thing: Any) -> dict[str, Any]:
    """The namespace that a function or class was defined in."""
    function = _function_of(thing)
    return vars(sys.modules[thing.__module__]) if function is None else function.__globals__


def is_unwritten(source: str) -> bool:
    """Whether the body of a function, or of a method of a class, is only `...`, `pass` or NotImplementedError.

    >>> is_unwritten("def double(number):\\n    'Twice as much.'\\n    ..."), is_unwritten("def one(): return 1")
    (True, False)
    """
    (node,) = ast.parse(source).body
    if isinstance(node, ast.ClassDef):
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        return not methods.keys() - {"__init__"} or any(_is_stub(method) for method in methods.values())
    return _is_stub(node)


def _is_stub(function: Any) -> bool:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    for statement in body:
        raised = ast.unparse(statement.exc) if isinstance(statement, ast.Raise) and statement.exc else ""
        dots = isinstance(statement, ast.Expr) and ast.unparse(statement) == "..."
        if not (dots or isinstance(statement, ast.Pass) or raised.startswith("NotImplementedError")):
            return False
    return True


def needs(source: str, names: dict[str, Any], known: Container[str]) -> Needs:
    """What a definition needs of the namespace `names`; the names in `known` are left to the caller.

    Raises `CannotSave` for a value that cannot be written down.

    >>> import math
    >>> width = 3
    >>> needs("def area(r): return math.pi * r**2 * width", globals() | {"math": math, "width": 3}, ())
    Needs(imports={'math': 'import math'}, above={'width': 'width = 3\\n'})
    """
    found = Needs()
    _collect(source, names, known, found)
    return found


def _collect(source: str, names: dict[str, Any], known: Container[str], found: Needs) -> None:
    """Add what a definition needs, and what that needs."""
    (node,) = ast.parse(source).body
    own = getattr(node, "name", None)
    for name in sorted(global_names(source)):
        if name == own or name in known or name in found.imports or name in found.above or name not in names:
            continue  # a name that is not there is a builtin, or stands in a line that no check reaches
        value = names[name]
        if statement := import_of(name, value, names):
            found.imports[name] = statement
        elif isinstance(value, type | FunctionType):
            text = source_of(value)
            if text is None:
                raise CannotSave(f"it calls `{name}`, whose source cannot be found")
            found.above[name] = ""  # it may call itself
            _collect(text, globals_of(value), known, found)
            del found.above[name]
            found.above[name] = text  # below what it needs
        elif _is_constant(value):
            found.above[name] = f"{name} = {value!r}\n"
        else:
            kind = type(value).__name__
            raise CannotSave(f"it uses `{name}`, a {kind} from another cell; make it inside, or pass it as an argument")


def global_names(source: str) -> set[str]:
    """The names that a definition takes from around it.

    >>> sorted(global_names("def f(x):\\n    y = x + z\\n    return math.sqrt(y)"))
    ['math', 'z']
    """

    def inside(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            outermost = table.get_type() == "module" and not symbol.is_assigned()
            if symbol.is_referenced() and (outermost or symbol.is_global()) and symbol.get_name() not in defined:
                yield symbol.get_name()
        for child in table.get_children():
            yield from inside(child)

    top = symtable.symtable(source, "source", "exec")
    defined = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned()}
    return set(inside(top))


def import_of(name: str, value: Any, names: dict[str, Any]) -> str | None:
    """The import statement that gives a name its value; None for what was defined in the same place.

    >>> import torch.nn.functional as F
    >>> import_of("F", F, {}), import_of("softmax", F.softmax, {}), import_of("e", 2.5, {})
    ('import torch.nn.functional as F', 'from torch.nn.functional import softmax', None)
    """
    if isinstance(value, ModuleType):
        package, _, last = value.__name__.rpartition(".")
        if value.__name__ == name or (name == value.__name__.partition(".")[0] and not package):
            return f"import {name}"
        return f"from {package} import {name}" if package and last == name else f"import {value.__name__} as {name}"
    here = names.get("__name__")
    original = getattr(value, "__name__", name)
    homes = [home for home in (*LIBRARIES, getattr(value, "__module__", None)) if isinstance(home, str)]
    for home in homes:
        module = sys.modules.get(home)
        if home not in (here, "__main__", "builtins") and module is not None:
            for there in (original, name):
                if (
                    isinstance(there, str)
                    and vars(module).get(there, inspect) is value
                    and not _is_constant_like(value)
                ):
                    return f"from {home} import {there}" + (f" as {name}" if there != name else "")
    return None


def _is_constant_like(value: Any) -> bool:
    """Small numbers are the same object wherever they come from; only those of the libraries have a home."""
    return type(value) in (bool, int, str, type(None))


def _is_constant(value: Any) -> bool:
    try:
        return ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
