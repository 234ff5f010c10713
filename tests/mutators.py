"""The operators that make mutants of a solution: those of cosmic-ray, and a few for tensors that it lacks.

An operator has cosmic-ray's interface: it yields a position for each way to change a node of the syntax tree (parso),
and changes it in place. Needs `pip install cosmic-ray`.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from minillm.errors import UserError

try:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names
except ImportError as error:
    raise UserError("the mutants are made by cosmic-ray, which is not installed; pip install cosmic-ray") from error
from parso.python.tree import Keyword

LIBRARIES = ("torch", "math", "F", "np")
# cosmic-ray has 132 pairs of arithmetic operators; any input tells most of them apart
ARITHMETIC = (
    "Add_Sub Add_Mul Sub_Add Sub_Mul Mul_Div Mul_Add Div_Mul Div_FloorDiv FloorDiv_Div FloorDiv_Mul Mod_FloorDiv"
)
PAIRS = {*ARITHMETIC.split(), "Pow_Mul", "BitOr_BitAnd", "BitOr_BitXor", "BitAnd_BitOr", "BitXor_BitOr"}
USELESS = re.compile(r"_Is|UAdd|Invert_|USub_|Variable|Decorator")  # they only raise errors; and +x is x
SWAPS = [
    ("min", "max"),
    ("amin", "amax"),
    ("argmin", "argmax"),
    ("minimum", "maximum"),
    ("floor", "ceil"),
    ("round", "floor"),
    ("tril", "triu"),
    ("any", "all"),
    ("sum", "mean"),
    ("log", "exp"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("softmax", "log_softmax"),
    ("logsumexp", "sum"),
    ("cumsum", "cumprod"),
    ("repeat", "repeat_interleave"),
    ("extend", "append"),
    ("startswith", "endswith"),
    ("floor", "round"),
    ("sorted", "list"),
    ("reversed", "list"),
]
IN_PLACE = {"+=": ("-=", "="), "-=": ("+=", "="), "*=": ("/=", "="), "/=": ("*=", "=")}

Positions = Iterator[tuple[tuple[int, int], tuple[int, int]]]


class ByChoices:
    """An operator that can change a node in several ways, each a function that does it."""

    def choices(self, node: Any) -> list[Any]:
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Positions:
        for _ in self.choices(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        self.choices(node)[index]()
        return node


class DropStatement(ByChoices):
    """`pass` in place of a line."""

    def choices(self, node: Any) -> list[Any]:
        if node.type != "simple_stmt" or node.children[0].type == "string":
            return []
        return [lambda: _put(node, 0, Keyword("pass", node.start_pos))]


class DecideCondition(ByChoices):
    """True or False in place of what an `if` asks."""

    def choices(self, node: Any) -> list[Any]:
        at = {"if_stmt": 1, "ternary": 2, "comp_if": 1}.get(node.type)
        if at is None:
            return []
        return [lambda word=word: _put(node, at, Keyword(word, node.start_pos)) for word in ("True", "False")]


class DropArgument(ByChoices):
    """An argument that has a name left out, or a number that is the only argument: the axis, in most cases."""

    def choices(self, node: Any) -> list[Any]:
        if node.type not in ("arglist", "trailer"):
            return []
        named = [child for child in node.children if child.type == "argument" and child.children[1] == "="]
        is_call = node.type == "trailer" and node.children[0].value == "("
        sole = [child for child in node.children if is_call and child.type in ("number", "factor")]
        return [lambda child=child: self._drop(node, child) for child in named + sole]

    def _drop(self, node: Any, child: Any) -> None:
        at = node.children.index(child)
        around = [i for i in (at - 1, at + 1) if i < len(node.children) and node.children[i].get_code().strip() == ","]
        for index in sorted([at, *around[:1]], reverse=True):
            del node.children[index]


class DropCall(ByChoices):
    """`x` in place of `x.exp()`, `(x)` in place of `torch.exp(x)`."""

    def choices(self, node: Any) -> list[Any]:
        if node.type not in ("atom_expr", "power"):
            return []
        parts, found = node.children, []
        for at in range(1, len(parts) - 1):
            name, call = parts[at], parts[at + 1]
            if name.type == call.type == "trailer" and (name.children[0].value, call.children[0].value) == (".", "("):
                start = 0 if at == 1 and getattr(parts[0], "value", None) in LIBRARIES else at
                found.append(lambda start=start, at=at: self._drop(parts, start, at))
        return found

    def _drop(self, parts: list[Any], start: int, at: int) -> None:
        prefix = parts[0].get_first_leaf().prefix
        del parts[start : at + (1 if start == 0 else 2)]
        parts[0].get_first_leaf().prefix = prefix


class SwapName(ByChoices):
    """`max` in place of `min`, and other pairs."""

    def choices(self, node: Any) -> list[Any]:
        if node.type != "name":
            return []
        others = [pair[1 - pair.index(node.value)] for pair in SWAPS if node.value in pair]
        return [lambda other=other: setattr(node, "value", other) for other in others if other != "sorted"]


class SwapInPlace(ByChoices):
    """`-=` and `=` in place of `+=`."""

    def choices(self, node: Any) -> list[Any]:
        others = IN_PLACE.get(getattr(node, "value", ""), ())
        return [lambda other=other: setattr(node, "value", other) for other in others]


def _put(node: Any, at: int, leaf: Any) -> None:
    """Replace a child by a leaf, which takes over what stands in front of it."""
    leaf.prefix = node.children[at].get_first_leaf().prefix
    node.children[at] = leaf


OWN = (DropStatement, DecideCondition, DropArgument, DropCall, SwapName, SwapInPlace)


def operators() -> dict[str, Any]:
    """Every operator by its name."""
    names = [name for name in operator_names() if not USELESS.search(name)]
    names = [name for name in names if "Binary" not in name or name.partition("_")[2] in PAIRS]
    made = {name.removeprefix("core/"): get_operator(name)() for name in names}
    return made | {operator.__name__: operator() for operator in OWN}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Every mutant of a source that is another program, once: the operator's name and the new source."""
    seen = {ast.dump(ast.parse(source))}
    for name, operator in operators().items():
        occurrence = 0
        while (mutant := mutate_code(source, operator, occurrence)) is not None:
            occurrence += 1
            try:
                tree = ast.dump(ast.parse(mutant))
            except SyntaxError:
                continue
            if tree not in seen:
                seen.add(tree)
                yield name, mutant
