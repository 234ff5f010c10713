"""Undo what changes the look of code and not its work, so that a copy looks like a copy.

Annotations, docstrings, statements that are never reached and names that nobody reads are left out, and functions of
torch become methods: `torch.sum(x, 1)` and `x.sum(1)` are the same.
"""

import ast
from collections.abc import Sequence

import torch

ROUNDS = 5  # of leaving out names that nobody reads, since each may be the last to read another
MODULES = {"torch", "F", "functional", "np", "numpy", "math"}
OPERATORS = {
    "add": ast.Add, "sub": ast.Sub, "subtract": ast.Sub, "mul": ast.Mult, "multiply": ast.Mult, "div": ast.Div,
    "divide": ast.Div, "matmul": ast.MatMult, "mm": ast.MatMult, "bmm": ast.MatMult, "pow": ast.Pow,
}  # fmt: skip


def tidy(code: str) -> str:
    """The code, tidied; as it is if it can't be read.

    >>> print(tidy("def f(x: list) -> float:\\n    '''Twice.'''\\n    y = 3\\n    return torch.mul(x, 2)\\n    x = 1"))
    def f(x):
        return x * 2
    """
    try:
        tree = ast.parse(code)
        for _ in range(ROUNDS):
            read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
            tree = _Tidier(read).visit(tree)
        return ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code


class _Tidier(ast.NodeTransformer):
    """One round; `read` holds the names that are read somewhere."""

    def __init__(self, read: set[str]) -> None:
        self.read = read

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(node, field, None), list):
                is_module = isinstance(node, ast.Module)  # whose names may be what is asked for
                left = _reached([each for each in block if is_module or not self._is_idle(each)])
                setattr(node, field, left or ([ast.Pass()] if field == "body" and block else []))
        return node

    def _is_idle(self, statement: ast.stmt) -> bool:
        """Whether a statement does nothing: a constant, `pass`, a branch never taken, a name that nobody reads."""
        if isinstance(statement, ast.Assign):
            return all(isinstance(each, ast.Name) and each.id not in self.read for each in statement.targets)
        if isinstance(statement, ast.If | ast.While):
            return isinstance(statement.test, ast.Constant) and not statement.test.value and not statement.orelse
        is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        return is_constant or isinstance(statement, ast.Pass)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute):
            return node
        name, owner, arguments = node.func.attr, node.func.value, list(node.args)
        if _last_name(owner) in MODULES:
            if not arguments or isinstance(arguments[0], ast.Starred) or not hasattr(torch.Tensor, name):
                return node
            owner = arguments.pop(0)
        if name in OPERATORS and len(arguments) == 1 and not node.keywords:
            return ast.BinOp(owner, OPERATORS[name](), arguments[0])
        return ast.Call(ast.Attribute(owner, name, ast.Load()), arguments, node.keywords)


def _reached(block: Sequence[ast.stmt]) -> list[ast.stmt]:
    """A block up to its first jump."""
    for number, statement in enumerate(block, 1):
        if isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
            return list(block[:number])
    return list(block)


def _last_name(node: ast.AST) -> str:
    """`functional` of `torch.nn.functional`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
