"""Find the statements of a notebook that its answers need.

An answer needs the statements that bind its name, those that bind the names used there, and so on. Other slow or
failing cells then cost no points. Statements that may change a needed name without binding it (`cache.clear()`,
`torch.manual_seed(0)`) are optional: they run too, but with a short time limit and without an error message. A second
attempt covers what this analysis misses: see `attempts`.
"""

import ast
import symtable
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from minillm.course.checks.asking import script_of
from minillm.course.checks.outside import Statement
from minillm.course.grading.notebook import own_nodes, parsed, python_of

DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
EVERYTHING = "*"  # the name that `import *` and `%run` bind; "a.py" is the name that a cell binds that writes it


@dataclass
class Piece:
    """One statement of a cell, or several on one line, and the global names in it."""

    name: str
    source: str
    nodes: list[ast.stmt]
    binds: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)  # names that its functions declare `global` and bind when called
    changes: set[str] = field(default_factory=set)  # names whose items or attributes it assigns
    calls: set[str] = field(default_factory=set)  # functions that it calls only for their side effects
    touches: set[str] = field(default_factory=set)  # names in such a call, which may change them


def needed_statements(cells: Sequence[tuple[str, str]], functions: Sequence[str]) -> list[Statement]:
    """The statements that these functions need, in the order of the notebook.

    >>> cells = [("cell 1", "import math\\nx = slow()"), ("cell 2", "def root(x):\\n    return math.sqrt(x)\\nroot(4)")]
    >>> [(statement.name, statement.source) for statement in needed_statements(cells, ["root"])]
    [('cell 1, line 1', 'import math'), ('cell 2, line 1', 'def root(x):\\n    return math.sqrt(x)')]
    """
    by_cell = [_pieces(name, source) for name, source in cells]
    pieces = [piece for cell_pieces in by_cell for piece in cell_pieces]
    needed = _closure(pieces, functions)
    wanted = set(functions).union(*(piece.uses for piece in needed))
    data = {name for piece in pieces for name in piece.binds if not _defines(piece)}
    modules = {name for piece in pieces for name in piece.binds if _imports(piece)}
    effects = [piece for piece in pieces if piece.touches & wanted & (data | modules)]
    unknown = set(functions) - {name for piece in pieces for name in piece.binds}
    used_by_effects = {name for piece in effects for name in piece.uses}
    is_needed = {id(piece): False for piece in effects + _closure(pieces, used_by_effects)}
    is_needed |= {id(piece): True for piece in needed}
    statements = []
    for (name, source), cell_pieces in zip(cells, by_cell, strict=True):
        if not cell_pieces and any(function in source for function in unknown):  # a syntax error must be reported
            statements.append(Statement(name, python_of(source)))
        chosen = [piece for piece in cell_pieces if id(piece) in is_needed]
        statements += [Statement(piece.name, piece.source, is_needed[id(piece)]) for piece in chosen]
    return all_statements(cells, statements) if unknown else statements


def all_statements(cells: Sequence[tuple[str, str]], needed: Sequence[Statement]) -> list[Statement]:
    """Every statement of the cells; those that are not in `needed` are optional."""
    known = {statement.name: statement for statement in needed}
    statements = []
    for name, source in cells:
        statements += [known[name]] if name in known else []
        for piece in _pieces(name, source):
            statements.append(known.get(piece.name) or Statement(piece.name, piece.source, needed=False))
    return statements


def _closure(pieces: Sequence[Piece], names: Iterable[str]) -> list[Piece]:
    """The pieces that bind or change these names, and all names that they use.

    Each name and each piece is looked at once, so the time grows with the code and not with its square.
    """
    sets: dict[str, set[str]] = {}  # by function: the global names that it binds
    for piece in pieces:
        for name in piece.binds if piece.sets else ():
            sets.setdefault(name, set()).update(piece.sets)
    by_name: dict[str, list[Piece]] = {}
    for piece in pieces:
        for name in piece.binds.union(piece.changes, *(sets.get(called, ()) for called in piece.calls)):
            by_name.setdefault(name, []).append(piece)
    waiting, wanted, closure = [*names, EVERYTHING], {*names, EVERYTHING}, {}
    while waiting:
        for piece in by_name.get(waiting.pop(), ()):
            if id(piece) not in closure:
                closure[id(piece)] = piece
                waiting += piece.uses - wanted
                wanted |= piece.uses
    return list(closure.values())


@lru_cache(maxsize=2000)
def _pieces(name: str, source: str) -> tuple[Piece, ...]:
    """Split a cell into statements; statements that share a line stay together."""
    return tuple(_split(name, source))


def _split(name: str, source: str) -> Iterator[Piece]:
    """Split a cell into statements; statements that share a line stay together."""
    lines = python_of(source).split("\n")
    groups: list[list[ast.stmt]] = []
    for node in parsed(source).body:
        if groups and _first_line(node) <= (groups[-1][-1].end_lineno or 0):
            groups[-1].append(node)
        else:
            groups.append([node])
    for nodes in groups:
        first = _first_line(nodes[0])
        text = "\n".join(lines[first - 1 : nodes[-1].end_lineno])
        if len(nodes) == 1 and isinstance(nodes[0], ast.Import) and len(nodes[0].names) > 1:
            for alias in nodes[0].names:  # one missing module must not affect the others
                yield _with_names(Piece(f"{name}, line {first}, {alias.name}", ast.unparse(ast.Import([alias])), nodes))
        else:
            yield _with_names(Piece(f"{name}, line {first}", text, nodes))


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _with_names(piece: Piece) -> Piece:
    """Fill in the names of a piece; `symtable` tells global names from local ones."""
    try:
        table = symtable.symtable(piece.source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        piece.uses.update(node.id for part in piece.nodes for node in ast.walk(part) if isinstance(node, ast.Name))
        return piece
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            piece.binds.add(symbol.get_name())
        if symbol.is_referenced():
            piece.uses.add(symbol.get_name())
    for inner in _inner_tables(table):
        for symbol in inner.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                piece.uses.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                piece.sets.add(symbol.get_name())
    for part in piece.nodes:
        for node in own_nodes(part):
            _note(piece, node)
    return piece


def _inner_tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for inner in table.get_children():
        yield inner
        yield from _inner_tables(inner)


def _note(piece: Piece, node: ast.AST) -> None:
    """Record what a node changes without binding it."""
    if isinstance(node, ast.ImportFrom) and (
        node.module == "__future__" or any(alias.name == EVERYTHING for alias in node.names)
    ):
        piece.binds.add(EVERYTHING)  # affects every later statement
    if isinstance(node, ast.Import | ast.ImportFrom):  # perhaps of a module that another cell writes
        modules = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        piece.uses.update(f"{module.split('.')[0]}.py" for module in modules)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".py"):
        piece.binds.add(node.value.rsplit("/", 1)[-1])  # perhaps it writes that module
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "run_line_magic":
        magic, line, *_ = [*(str(getattr(word, "value", "")) for word in node.args), "", ""]
        if magic == "run" and (script := script_of(line)):
            piece.binds.add(EVERYTHING)
            piece.uses.add(script.rsplit("/", 1)[-1])
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        piece.changes.add(_root(node))
    if isinstance(node, ast.Expr):
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            piece.calls.add(_root(call.func))
            parts = [call.func, *call.args, *(keyword.value for keyword in call.keywords)]
            piece.touches.update(map(_root, parts))


def _root(node: ast.AST) -> str:
    """The first name of an expression such as `name.attribute[0]`; "" without one."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _defines(piece: Piece) -> bool:
    return all(isinstance(node, DEFINES) for node in piece.nodes)


def _imports(piece: Piece) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in piece.nodes)
