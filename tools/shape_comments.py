"""Parse the shape comments of a lesson, such as `(B, T, C)`, and check them against the tensors during a build.

The supported forms:

    scores = query @ key.mT  # (T, S)                  the shape of the line's result; after a -> if there is one
    query, key = project(x)  # (H, T, D), (K, S, D)    one for each name, or one for all
    a = torch.tensor([[1.0, 2.0]])  # (B, C) = (1, 2)
    \"""All queries: (T, D), (S, D) -> (T, D).\"""       in a docstring: the parameters in order, and the result
    \"""x: (T, C); gate and up: (F, C).\"""             or by name
    \"""One number for each token: (T,).\"""            a single shape is that of the result

While a lesson is built, `watch` makes its kernel check each comment after the line has run: the number of axes, sizes
that are numbers, and that each letter has one size within a cell or a function call. Uses only the standard library,
because it runs inside the kernels, before the lesson's imports.
"""

import ast
import builtins
import copy
import io
import re
import tokenize
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

BRACKET = re.compile(r"(?<![\w\])])\(([^()]*,[^()]*)\)")  # not the arguments of a call
NUMBERS = re.compile(r"\s*=\s*(\([\d_, ]+\))")
NAMED = re.compile(r"(?:^|[;\n])\s*((?:\w+(?:, | and ))*\w+): (?=(\([^()]*,[^()]*\)))")
SIZES, RESULT, CHECK, BIND = (
    "__sizes__",
    "__result__",
    "__check_shape__",
    "__bind_size__",
)  # what stands in the watched code

Shape = tuple[str, ...]  # one shape in one or two notations: ("(B, C)",) or ("(B, C)", "(2, 3)")


class ShapeError(AssertionError):
    """A tensor does not have the shape in the lesson's comment."""


def axes_of(shape: str) -> list[ast.expr]:
    """Parse the axes in parentheses: letters, words, numbers, or sums and products of these; [] for other text."""
    try:
        node = ast.parse(shape.replace("·", "*").replace("\n", " "), mode="eval").body
    except SyntaxError:
        return []
    axes = node.elts if isinstance(node, ast.Tuple) else []
    parts = [part for axis in axes for part in ast.walk(axis)]
    allowed = ast.Name | ast.Constant | ast.BinOp | ast.operator | ast.Load
    whole = all(not isinstance(part, ast.Constant) or isinstance(part.value, int) for part in parts)
    return axes if whole and all(isinstance(part, allowed) for part in parts) else []


def letters_of(shape: str) -> list[str]:
    """Return the single capital letters of a shape, in order."""
    names = [part.id for axis in axes_of(shape) for part in ast.walk(axis) if isinstance(part, ast.Name)]
    return [name for name in names if len(name) == 1 and name.isupper()]


def shapes_in(text: str) -> list[Shape]:
    """Find the shapes in a text: parentheses with a comma and at least one single capital letter.

    >>> shapes_in("ids (B, T) -> (B, T, C) = (2, 3, 4), see f(x, T) and (Fig. 1, left)")
    [('(B, T)',), ('(B, T, C)', '(2, 3, 4)')]
    """
    found = []
    for bracket in BRACKET.finditer(text.replace("**", "")):
        if letters_of(bracket.group()):
            numbers = NUMBERS.match(bracket.string, bracket.end())
            found.append((bracket.group(), numbers.group(1)) if numbers else (bracket.group(),))
    return found


def comments_of(source: str) -> dict[int, str]:
    """Return the comments of a source by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def result_shapes(text: str) -> list[Shape]:
    """Find the shapes of a result: those after the last arrow, or all."""
    return shapes_in(text.rpartition("->")[2]) or shapes_in(text)


def function_shapes(function: ast.FunctionDef) -> tuple[dict[str, Shape], list[Shape]]:
    """Parse the shapes of parameters and result from a function's docstring."""
    text = ast.get_docstring(function) or ""
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    named = {name: (shape,) for group, shape in NAMED.findall(text) for name in re.split(", | and ", group)}
    named = {name: shape for name, shape in named.items() if name in names}
    given, arrow, result = text.rpartition("->")
    if arrow:
        return named or dict(zip(names, shapes_in(given), strict=False)), shapes_in(result)
    return named, [] if named or len(shapes_in(text)) != 1 else shapes_in(text)


def check(values: Iterable[Any], said: list[tuple[str, Shape]], line: int, sizes: dict[str, tuple[int, int]]) -> None:
    """Compare each value with the shape in its line's comment; raises `ShapeError` if they differ.

    `sizes` maps each letter to its size so far and the line that defined it; a line that runs again starts over.
    """
    for letter in [letter for letter, (_, where) in sizes.items() if where == line]:
        del sizes[letter]
    for value, (name, shape) in zip(values, said, strict=True):
        tensors = value if isinstance(value, tuple | list) else [value]
        for actual in [tuple(tensor.shape) for tensor in tensors if hasattr(tensor, "shape")]:
            for written in shape:
                if problem := _disagreement(actual, axes_of(written), line, sizes):
                    raise ShapeError(f"line {line} says that {name} is {written}, but it is {actual}: {problem}")


def _disagreement(actual: tuple[int, ...], axes: list[ast.expr], line: int, sizes: dict[str, tuple[int, int]]) -> str:
    if len(actual) != len(axes):
        return f"{len(actual)} axes, not {len(axes)}"
    for size, axis in zip(actual, axes, strict=True):
        if isinstance(axis, ast.Name):
            known, said = sizes.setdefault(axis.id, (size, line))
            if known != size:
                return f"{axis.id} is {known} by line {said}, not {size}"
        elif all(part.id in sizes for part in ast.walk(axis) if isinstance(part, ast.Name)):
            code = compile(ast.Expression(axis), "<shape>", "eval")
            wanted = eval(code, {"__builtins__": {}}, {name: known for name, (known, _) in sizes.items()})
            if wanted != size:
                return f"axis {ast.unparse(axis)} must be {wanted}, not {size}"
    return ""


def bind(letter: str, value: Any, line: int, sizes: dict[str, tuple[int, int]]) -> None:
    """Record a size that the lesson assigns to a letter, as in `T, D = 5, 8`."""
    sizes.pop(letter, None)
    if isinstance(value, int):
        sizes[letter] = (value, line)


class _Watched(ast.NodeTransformer):
    """Inserts a check after every line with a shape comment."""

    def __init__(self, source: str):
        self.lines, self.comments = source.splitlines(), comments_of(source)
        self.results: list[list[Shape]] = [[]]  # of the functions around the line

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        node.body[:0] = _statements(f"{SIZES} = {{}}", 1)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if not shapes_in("\n".join(self.lines[node.lineno - 1 : node.end_lineno])):
            return node  # nothing to check: what is timed or compiled stays as it is
        given, result = function_shapes(node)
        self.results.append(result)
        self.generic_visit(node)
        self.results.pop()
        names = [ast.Name(argument.arg, ast.Load()) for argument in (*node.args.args, *node.args.kwonlyargs)]
        told = [name for name in names if name.id in given]
        start = _statements(f"{SIZES} = {{}}", node.lineno) + _bindings(names, node.lineno)
        behind = 1 if ast.get_docstring(node) else 0
        node.body[behind:behind] = start + _checks(told, [given[name.id] for name in told], node.lineno)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        node.body[:0] = _bindings(_names(node.target), node.lineno)
        return node

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        names = [name for target in node.targets for name in _names(target)]
        return [node, *_bindings(names, node.lineno), *_checks(names, self._said(node), node.lineno)]

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        return [node, *_checks(_names(node.target), self._said(node), node.lineno)]

    def visit_Return(self, node: ast.Return) -> ast.stmt | list[ast.stmt]:
        said, promised = self._said(node), self.results[-1]
        if node.value is None or not said + promised:
            return node
        keep, leave = _statements("result = 0\nreturn result".replace("result", RESULT), node.lineno)
        keep.value, whole = node.value, ast.Name(RESULT, ast.Load())
        checks = []
        for shapes in (said, promised):
            several = isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(shapes)
            parts = [ast.Subscript(whole, ast.Constant(i), ast.Load()) for i in range(len(shapes))]
            checks += _checks(parts if several else [whole], shapes, node.lineno)
        return [keep, *checks, leave]

    def _said(self, node: ast.stmt) -> list[Shape]:
        return result_shapes(self.comments.get(node.end_lineno or 0) or self.comments.get(node.lineno, ""))


def _names(target: ast.expr) -> list[ast.expr]:
    """The targets of an assignment, as expressions that read them."""
    targets = target.elts if isinstance(target, ast.Tuple) else [target]
    names = [copy.deepcopy(element) for element in targets if not isinstance(element, ast.Starred)]
    for name in names:
        name.ctx = ast.Load()
    return names


def _checks(parts: list[ast.expr], shapes: list[Shape], line: int) -> list[ast.stmt]:
    """One call of `check`, with one shape for each part, or all shapes for every part."""
    each = len(parts) == len(shapes)
    pairs = list(zip(parts, shapes, strict=True)) if each else [(part, shape) for part in parts for shape in shapes]
    if not pairs:
        return []
    said = [(ast.unparse(part).replace(RESULT, "the result"), shape) for part, shape in pairs]
    (statement,) = _statements(f"{CHECK}([], {said!r}, {line}, {SIZES})", line)
    statement.value.args[0] = ast.List([part for part, _ in pairs], ast.Load())
    return [statement]


def _bindings(names: list[ast.expr], line: int) -> list[ast.stmt]:
    letters = [name.id for name in names if isinstance(name, ast.Name) and len(name.id) == 1 and name.id.isupper()]
    calls = (f"{BIND}({letter!r}, {letter}, {line}, {SIZES})" for letter in letters)
    return [statement for call in calls for statement in _statements(call, line)]


def _statements(code: str, line: int) -> list[ast.stmt]:
    body = ast.parse(code).body
    for part in (part for statement in body for part in ast.walk(statement)):
        part.lineno = part.end_lineno = line
        part.col_offset = part.end_col_offset = 0
    return body


def watched(source: str, tree: ast.Module | None = None) -> ast.Module:
    """Compile a cell to a syntax tree that checks the shapes in its comments and docstrings as it runs."""
    tree = tree or ast.parse(source)
    if not shapes_in(source):
        return tree
    builtins.__dict__.update({CHECK: check, BIND: bind})
    return ast.fix_missing_locations(_Watched(source).visit(tree))


def watch(shell: Any) -> None:
    """Make an IPython shell check the shape comments of every cell from now on."""
    cell = {"source": ""}
    shell.events.register("pre_run_cell", lambda info: cell.update(source=info.raw_cell))
    shell.ast_transformers.append(SimpleNamespace(visit=lambda tree: watched(cell["source"], tree)))
