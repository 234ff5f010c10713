"""Find asserts on measured time in a lesson; times differ by machine, so no lesson may depend on them.

A value is timed if it is computed from a clock, from one of the package's measurements (`MEASURED`), or from a timed
value. Cells are analyzed in order. The elements of a tuple, and of a call that returns one, are analyzed separately. A
timed argument makes the result of a call timed, because the analysis does not look into the package.
"""

import ast
from collections.abc import Iterator
from typing import TypeAlias

CLOCKS = {"perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time", "thread_time", "time_ns"}
MEASURED = {"matmul_peak", "bf16_speedup", "packed_speedup", "tokens_per_second", "flop_utilization"}

Timed: TypeAlias = "bool | tuple[Timed, ...]"
Names: TypeAlias = dict[str, Timed]


def asserts_on_time(cells: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the cell number and the source of each assert on a timed value; `cells` are (number, code) pairs."""
    names: Names = {}
    for number, source in cells:
        for asserted in _run(ast.parse(source).body, names):
            yield number, ast.unparse(asserted)


def _run(body: list[ast.stmt], names: Names) -> Iterator[ast.AST]:
    """Record in `names` which names each statement makes timed, and yield the asserts on timed values."""
    for statement in body:
        match statement:
            case ast.FunctionDef():
                names[f"{statement.name}()"] = _returned(statement, names)  # the call, not the name, may be timed
            case ast.Assign():
                for target in statement.targets:
                    _assign(target, _timed(statement.value, names), names)
            case ast.AugAssign() if _any(_timed(statement.value, names)):
                _assign(statement.target, True, names)
            case ast.For():
                _assign(statement.target, _any(_timed(statement.iter, names)), names)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name() as holder, attr="append")) as call):
                names[holder.id] = _any(names.get(holder.id, False)) or any(_any(_timed(a, names)) for a in call.args)
        if isinstance(statement, ast.Assert) or (isinstance(statement, ast.Expr) and _is_assert(statement.value)):
            looked_at = statement.test if isinstance(statement, ast.Assert) else statement.value
            if _any(_timed(looked_at, names)):
                yield statement
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for field in ("body", "orelse", "finalbody"):
                yield from _run(getattr(statement, field, []), names)


def _returned(function: ast.FunctionDef, names: Names) -> Timed:
    """Whether the result of a call is timed, for arguments that are not."""
    arguments = function.args
    inner = {**names, **{a.arg: False for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}}
    list(_run(function.body, inner))
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return | ast.Yield) and node.value]
    parts = [_timed(value, inner) for value in returns]
    return parts[0] if len(parts) == 1 else any(map(_any, parts))


def _timed(value: ast.AST, names: Names) -> Timed:
    match value:
        case ast.Tuple():
            return tuple(_timed(part, names) for part in value.elts)
        case ast.Name():
            return names.get(value.id, False)
        case ast.Call(func=ast.Name() as function) if not any(_any(_timed(arg, names)) for arg in _inputs(value)):
            return function.id in CLOCKS | MEASURED or names.get(f"{function.id}()", False)
        case ast.Subscript(slice=ast.Constant(value=int() as index)):
            whole = _timed(value.value, names)
            return whole[index] if isinstance(whole, tuple) and -len(whole) <= index < len(whole) else _any(whole)
        case ast.Subscript(slice=ast.Constant(value=str() as key)) if key in MEASURED:
            return True
        case ast.Attribute() if value.attr in CLOCKS | MEASURED:
            return True
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            names = dict(names)  # its loop variables are local
            for loop in value.generators:
                _assign(loop.target, _any(_timed(loop.iter, names)), names)
            results = [value.key, value.value] if isinstance(value, ast.DictComp) else [value.elt]
            return any(_any(_timed(part, names)) for part in results)
        case ast.Lambda():
            return False
    return any(_any(_timed(part, names)) for part in ast.iter_child_nodes(value))


def _inputs(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _any(timed: Timed) -> bool:
    return any(map(_any, timed)) if isinstance(timed, tuple) else timed


def _assign(target: ast.expr, timed: Timed, names: Names) -> None:
    match target:
        case ast.Name():
            names[target.id] = timed
        case ast.Tuple() if isinstance(timed, tuple) and len(timed) == len(target.elts):
            for part, part_timed in zip(target.elts, timed, strict=True):
                _assign(part, part_timed, names)
        case ast.Tuple():
            for part in target.elts:
                _assign(part, _any(timed), names)
        case ast.Subscript(value=ast.Name() as holder) if _any(timed):  # one timed entry makes the whole timed
            names[holder.id] = True


def _is_assert(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and getattr(value.func, "attr", "").startswith("assert_")
