"""Which statements of a notebook its answers need: a slow or failing cell beside them costs nothing.

An answer needs the statements that bind its name, those that bind the names which these use, and so on. What may change
such a name without binding it (`cache.clear()`, `torch.manual_seed(0)`) is run too, but neither waited for nor missed.
What this overlooks is made good by a second attempt: see `ask_notebook`.
"""

import ast
import symtable
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from minillm.course.checks.asking import Reply
from minillm.course.checks.outside import Limits, Statement, collect
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import Command
from minillm.course.grading.notebook import begun, own_nodes, parsed, python_of

ALL = Limits()
HOPELESS = (
    "is not written yet",
    "took longer",
    "ended the process",
    "wrote something of its own",
    "returned more than",
)
DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
EVERYTHING = "*"  # what an import of all names binds
PRELOAD = {"matplotlib": "matplotlib.pyplot"}  # what has to start a thread or to read many files, and cannot later


@dataclass
class Piece:
    """One statement of a cell (or several on a line), with the names of the notebook that it has to do with."""

    name: str
    source: str
    nodes: list[ast.stmt]
    binds: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)  # what its functions declare `global` and bind when they are called
    changes: set[str] = field(default_factory=set)  # whose items or attributes it assigns
    calls: set[str] = field(default_factory=set)  # which functions it calls for nothing but their effect
    touches: set[str] = field(default_factory=set)  # what such a call is about, and may change


Judge: TypeAlias = Callable[[Question, int, Sequence[Sequence[Reply]]], Result]


def ask_notebook(
    cells: Sequence[tuple[str, str]],
    checks: Mapping[str, int],
    asked: Sequence[tuple[Question, int]],
    command: Command,
    limits: Limits = ALL,
    confined: bool = True,
    judge: Judge = Question.judge,
) -> tuple[dict[str, Result], dict[str, str]]:
    """Ask a notebook's answers, and run only what they need; returns results by question, and `collect`'s troubles.

    An answer that falls short is asked once more as the notebook was when its check cell ran: with every statement
    above that cell, since one may have been needed in a way that names do not tell, and with none below it, since one
    may have bound a name anew. The better result counts. `checks` says how many cells stand above each check.
    """
    statements = needed_statements(cells, [question.function for question, _ in asked])
    found = collect(statements, asked, command, limits, confined, _preload(statements))
    results = {question.id: judge(question, seed, found.replies[question.id]) for question, seed in asked}
    for question, seed in asked:
        if results[question.id].passed or not _may_do_better(found.replies[question.id]):
            continue
        above = cells[: checks.get(question.id, len(cells))]
        above = above if begun(above, question.function) else cells
        every = all_statements(above, needed_statements(above, [question.function]))
        if [one.source for one in every] != [one.source for one in statements]:
            again = collect(every, [(question, seed)], command, limits, confined, _preload(every))
            result = judge(question, seed, again.replies[question.id])
            if result.points > results[question.id].points:
                results[question.id] = result
    return results, found.troubles


def _may_do_better(replies: Sequence[Sequence[Reply]]) -> bool:
    """Whether an answer that falls short has been written, and comes to an end."""
    troubles = [reply.trouble for probe in replies for reply in probe if reply.trouble]
    return not any(trouble.startswith(HOPELESS) for trouble in troubles)


def needed_statements(cells: Sequence[tuple[str, str]], functions: Sequence[str]) -> list[Statement]:
    """The statements of all cells that these functions need, in their order.

    >>> cells = [("cell 1", "import math\\nx = slow()"), ("cell 2", "def root(x):\\n    return math.sqrt(x)\\nroot(4)")]
    >>> [(statement.name, statement.source) for statement in needed_statements(cells, ["root"])]
    [('cell 1, line 1', 'import math'), ('cell 2, line 1', 'def root(x):\\n    return math.sqrt(x)')]
    """
    by_cell = [list(_pieces(name, source)) for name, source in cells]
    pieces = [piece for own in by_cell for piece in own]
    needed = _closure(pieces, functions)
    wanted = set(functions).union(*(piece.uses for piece in needed))
    data = {name for piece in pieces for name in piece.binds if not _defines(piece)}
    modules = {name for piece in pieces for name in piece.binds if _imports(piece)}
    effects = [piece for piece in pieces if piece.touches & wanted & (data | modules)]
    unknown = set(functions) - {name for piece in pieces for name in piece.binds}
    chosen = {id(piece): False for piece in effects + _closure(pieces, {use for one in effects for use in one.uses})}
    chosen |= {id(piece): True for piece in needed}
    statements = []
    for (name, source), own in zip(cells, by_cell, strict=True):
        if not own and any(function in source for function in unknown):  # perhaps not Python: then that is told
            statements.append(Statement(name, python_of(source)))
        statements += [Statement(one.name, one.source, chosen[id(one)]) for one in own if id(one) in chosen]
    return all_statements(cells, statements) if unknown else statements


def all_statements(cells: Sequence[tuple[str, str]], needed: Sequence[Statement]) -> list[Statement]:
    """Every statement of the cells; those that are not among the needed ones as not needed."""
    known = {statement.name: statement for statement in needed}
    found = []
    for name, source in cells:
        found += [known[name]] if name in known else []
        for piece in _pieces(name, source):
            found.append(known.get(piece.name) or Statement(piece.name, piece.source, needed=False))
    return found


def _preload(statements: Iterable[Statement]) -> list[str]:
    """The modules to import before limits hold, of those that the statements import."""
    source = "\n".join(statement.source for statement in statements)
    return [module for name, module in PRELOAD.items() if name in source]


def _closure(pieces: Sequence[Piece], names: Iterable[str]) -> list[Piece]:
    """The pieces that bind or change these names, and all names that those use."""
    wanted, found = {*names, EVERYTHING}, {}
    setters = {name: piece.sets for piece in pieces for name in piece.binds if piece.sets}
    grown = True
    while grown:
        grown = False
        for piece in pieces:
            sets = set().union(*(setters.get(name, set()) for name in piece.calls))
            if id(piece) not in found and wanted & (piece.binds | piece.changes | sets):
                found[id(piece)] = piece
                wanted |= piece.uses
                grown = True
    return list(found.values())


def _pieces(name: str, source: str) -> Iterator[Piece]:
    """The statements of a cell, those that share a line together."""
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
            for alias in nodes[0].names:  # one that is not installed must not take the others along
                yield _named(Piece(f"{name}, line {first}, {alias.name}", ast.unparse(ast.Import([alias])), nodes))
        else:
            yield _named(Piece(f"{name}, line {first}", text, nodes))


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _named(piece: Piece) -> Piece:
    """The piece with its names filled in. `symtable` knows which names of a function are the notebook's."""
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
    """Note what a node changes without binding it."""
    if isinstance(node, ast.ImportFrom) and (
        node.module == "__future__" or any(alias.name == EVERYTHING for alias in node.names)
    ):
        piece.binds.add(EVERYTHING)  # which concerns every statement after it
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        piece.changes.add(_root(node))
    if isinstance(node, ast.Expr):
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            piece.calls.add(_root(call.func))
            parts = [call.func, *call.args, *(keyword.value for keyword in call.keywords)]
            piece.touches.update(map(_root, parts))


def _root(node: ast.AST) -> str:
    """The name that an expression such as `name.attribute[0]` begins with; an empty text if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _defines(piece: Piece) -> bool:
    return all(isinstance(node, DEFINES) for node in piece.nodes)


def _imports(piece: Piece) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in piece.nodes)
