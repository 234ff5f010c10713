"""What the lab's kernels must compute, and what is said of wrong ones: questions, answered by a process in C."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question

Arguments = list[dict[str, Any]]  # as `child` takes them


@dataclass(frozen=True)
class Asked:
    """A kernel that the page asks for: its question, what it returns, its solution in C, and hints."""

    question: Question
    form: str  # of the matrix that it multiplies, in `packing.FORMATS`
    result: str  # float or int
    arguments: Callable[..., Arguments]
    solution: str
    hints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.question.function

    @property
    def stub(self) -> str:
        """The solution's first line, with `...` for the rest."""
        return f"{self.solution.splitlines()[0]}\n    ...\n}}"


def _array(values: Tensor, kind: str) -> dict[str, Any]:
    return {"array": values.flatten().tolist(), "kind": kind}


# ---- dot: float32 -----------------------------------------------------------------------------


def dot(w, x):
    """The dot product of two rows of float32, summed in float64."""
    return (w.double() @ x.double()).item()


def _floats(rng: random.Random) -> list[Call]:
    return [(numbers(rng, n), numbers(rng, n)) for n in (2, 1, 5, 32, 37)]


_dot = Question("12_lab.dot", "A row times a vector", dot)
_probe = _dot.probe("rows of any length", _floats)
_probe.mistake(
    "Only the last product is there.", "Add: `sum += ...`, not `sum = ...`.", lambda w, x: float(w[-1] * x[-1])
)
_probe.mistake("Only the first product is there.", "Is `return` inside the loop?", lambda w, x: float(w[0] * x[0]))
_probe.mistake("The last number is left out.", "`i < n`.", lambda w, x: dot(w[:-1], x[:-1]))
_probe.mistake("The first number is left out.", "Begin with `i = 0`.", lambda w, x: dot(w[1:], x[1:]))
_probe.mistake("The weights are added up, without x.", "`w[i] * x[i]`.", lambda w, x: float(w.sum()))
_probe.mistake("The weights are squared.", "`w[i] * x[i]`.", lambda w, x: dot(w, w))
_probe.mistake("x is squared.", "`w[i] * x[i]`.", lambda w, x: dot(x, x))
_probe.mistake("w and x are added, not multiplied.", "`w[i] * x[i]`.", lambda w, x: float((w + x).sum()))
_probe.mistake(
    "The sum is cut to whole numbers after each step.",
    "`float sum`, not `int sum`.",
    lambda w, x: _whole([float(a * b) for a, b in zip(w, x, strict=True)]),
)
_probe.mistake("It reads past the end of the arrays.", "The last index is n - 1: `i < n`.", lambda w, x: float("nan"))


def _whole(products: list[float]) -> float:
    total = 0
    for product in products:
        total = int(total + product)
    return float(total)


DOT = Asked(
    _dot,
    "float32",
    "float",
    lambda w, x: [_array(w, "float32"), _array(x, "float32"), {"number": len(w)}],
    """float dot(const float *w, const float *x, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i] * x[i];
    return sum;
}""",
    (
        "How would you write it in Python, with a loop over `range(n)`?",
        "`for (int i = 0; i < n; i++)` counts from 0 to n - 1. Each statement ends with a semicolon.",
        "A `float sum` that begins at 0 and grows by one product per round; `return` it after the loop.",
    ),
)

# ---- dot4: blocks of 32 weights in 4 bits -----------------------------------------------------


def dot4(scale, low, codes, x):
    """The dot product of a row in blocks of 4 bits and a row of float32, summed in float64."""
    return ((low[:, None] + scale[:, None] * codes).double().flatten() @ x.double()).item()


def _blocks(rng: random.Random) -> list[Call]:
    calls: list[Call] = []
    for n in (1, 1, 2, 3):
        codes = torch.tensor([[float(rng.randrange(16)) for _ in range(32)] for _ in range(n)])
        scale, low = (numbers(rng, n).abs() + 0.1 for _ in range(2))
        calls.append((scale, -low, codes, numbers(rng, 32 * n)))
    return calls


def _pairs(codes: Tensor) -> Tensor:
    """Codes in the order of their bytes: lower and upper half of byte 0, of byte 1, and so on."""
    return torch.stack([codes[:, :16], codes[:, 16:]], 2).flatten(1)


_dot4 = Question("12_lab.dot4", "Unpack 4 bits on the way", dot4)
_probe = _dot4.probe("one or several blocks", _blocks)
_probe.mistake(
    "Each byte's two codes are taken for neighbors.",
    "The lower half of byte i is code i, the upper half is code i + 16.",
    lambda scale, low, codes, x: dot4(scale, low, _pairs(codes), x),
)
_probe.mistake(
    "The upper and the lower half have changed places.",
    "`& 15` is the lower half, code i; `>> 4` the upper, code i + 16.",
    lambda scale, low, codes, x: dot4(scale, low, codes.roll(16, 1), x),
)
_probe.mistake(
    "`low` is left out.",
    "Weight i is low + scale * code i, so low times the sum of x is missing.",
    lambda scale, low, codes, x: dot4(scale, 0 * low, codes, x),
)
_probe.mistake(
    "`low` is added once per block, not times the sum of x.",
    "Each of the 32 weights holds low: low * (x[0] + ... + x[31]).",
    lambda scale, low, codes, x: dot4(scale, 0 * low, codes, x) + low.sum().item(),
)
_probe.mistake(
    "`scale` multiplies `low`, too.",
    "scale * (codes times x) + low * (sum of x).",
    lambda scale, low, codes, x: dot4(scale, scale * low, codes, x),
)
_probe.mistake(
    "`scale` is left out.",
    "Multiply the codes' sum by the block's scale.",
    lambda scale, low, codes, x: dot4(scale * 0 + 1, low, codes, x),
)
_probe.mistake(
    "Only the lower halves are read.",
    "A byte holds two codes: `>> 4` is the other.",
    lambda scale, low, codes, x: dot4(scale, low, codes * (torch.arange(32) < 16), x),
)
_probe.mistake(
    "Only the upper halves are read.",
    "A byte holds two codes: `& 15` is the other.",
    lambda scale, low, codes, x: dot4(scale, low, codes * (torch.arange(32) > 15), x),
)
_probe.mistake(
    "`low` is subtracted.",
    "Add it: weight i is low + scale * code i.",
    lambda scale, low, codes, x: dot4(scale, -low, codes, x),
)
_probe.mistake(
    "The byte isn't cut: its lower code comes with the upper one on top.",
    "`& 15` keeps the lower four bits.",
    lambda scale, low, codes, x: dot4(scale, low, torch.cat([codes[:, :16] + 16 * codes[:, 16:], codes[:, 16:]], 1), x),
)
_probe.mistake(
    "x starts again in each block.",
    "Block b meets x[32 * b] to x[32 * b + 31].",
    lambda scale, low, codes, x: dot4(scale, low, codes, x[:32].repeat(len(codes))),
)
_probe.mistake(
    "Only the first block counts.",
    "Go through all blocks. Is `return` inside the loop?",
    lambda scale, low, codes, x: dot4(scale[:1], low[:1], codes[:1], x[:32]),
)
_probe.mistake(
    "Only the last block counts.",
    "Is the sum set to 0 inside the loop?",
    lambda scale, low, codes, x: dot4(scale[-1:], low[-1:], codes[-1:], x[-32:]),
)
_probe.mistake(
    "All blocks have the scale and low of the first.",
    "`w[b].scale` and `w[b].low`.",
    lambda scale, low, codes, x: dot4(scale[:1].expand_as(scale), low[:1].expand_as(low), codes, x),
)
_probe.mistake("It reads past the end.", "The last block is `blocks - 1`.", lambda *_: float("nan"))


def _block_arguments(scale: Tensor, low: Tensor, codes: Tensor, x: Tensor) -> Arguments:
    codes = codes.to(torch.uint8)
    floats = torch.stack([scale, low], 1).contiguous().view(torch.uint8).view(len(scale), 8)
    packed = torch.cat([floats, codes[:, :16] | codes[:, 16:] << 4], 1)
    return [_array(packed, "uint8"), _array(x, "float32"), {"number": len(scale)}]


DOT4 = Asked(
    _dot4,
    "blocks",
    "float",
    _block_arguments,
    """float dot4(const Block *w, const float *x, int blocks) {
    float sum = 0;
    for (int b = 0; b < blocks; b++, x += 32) {
        float codes = 0, all = 0;
        for (int i = 0; i < 16; i++) {
            codes += (w[b].codes[i] & 15) * x[i] + (w[b].codes[i] >> 4) * x[i + 16];
            all += x[i] + x[i + 16];
        }
        sum += w[b].scale * codes + w[b].low * all;
    }
    return sum;
}""",
    (
        "Weight i is low + scale * code i. What is the sum of (low + scale * code i) * x[i] over a block?",
        "It's scale * (sum of code i * x[i]) + low * (sum of x[i]). So keep two sums per block.",
        "`byte & 15` are its lower four bits, code i; `byte >> 4` the upper ones, code i + 16. Block b meets x from "
        "32 * b on.",
    ),
)

# ---- dot8: whole numbers ----------------------------------------------------------------------


def dot8(w, x):
    """The dot product of two rows of int8, exact."""
    return int(w.long() @ x.long())


def _bytes(rng: random.Random) -> list[Call]:
    calls: list[Call] = [
        (torch.tensor([3, -2]), torch.tensor([10, 20])),
        *(tuple(torch.tensor([rng.randrange(-127, 128) for _ in range(n)]) for _ in range(2)) for n in (1, 5, 32, 576)),
    ]
    return [*calls, (torch.full((600,), 127), torch.full((600,), 126))]


def _wrapped(value: int, bits: int) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


_dot8 = Question("12_lab.dot8", "Whole numbers only", dot8)
_probe = _dot8.probe("rows of any length", _bytes)
_probe.mistake(
    "The sum overflows 16 bits.",
    "127 * 127 times 576 is 9 million: `int sum` has room for that, `int16_t` and `short` end at 32,767.",
    lambda w, x: _wrapped(dot8(w, x), 16),
)
_probe.mistake(
    "The sum overflows 8 bits.",
    "An `int8_t` ends at 127: make the sum an `int`.",
    lambda w, x: _wrapped(dot8(w, x), 8),
)
_probe.mistake(
    "Negative codes are read as large positive ones.",
    "They're `int8_t`, which has a sign; `uint8_t` and, on some computers, `char` have none.",
    lambda w, x: dot8(w % 256, x % 256),
)
_probe.mistake("Only the last product is there.", "Add: `sum += ...`.", lambda w, x: int(w[-1] * x[-1]))
_probe.mistake("Only the first product is there.", "Is `return` inside the loop?", lambda w, x: int(w[0] * x[0]))
_probe.mistake("The last number is left out.", "`i < n`.", lambda w, x: dot8(w[:-1], x[:-1]))
_probe.mistake("The first number is left out.", "Begin with `i = 0`.", lambda w, x: dot8(w[1:], x[1:]))
_probe.mistake("The weights are squared.", "`w[i] * x[i]`.", lambda w, x: dot8(w, w))
_probe.mistake(
    "It reads past the end of the arrays.",
    "The last index is n - 1: `i < n`.",
    lambda w, x: dot8(w, x) + 113 * 113,
)

DOT8 = Asked(
    _dot8,
    "int8",
    "int",
    lambda w, x: [_array(w, "int8"), _array(x, "int8"), {"number": len(w)}],
    """int dot8(const int8_t *w, const int8_t *x, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i] * x[i];
    return sum;
}""",
    (
        "How large can 576 products of two numbers up to 127 become? Which type has room for that?",
        "It's `dot` again, with another type for the sum.",
        "`int sum`: C multiplies two `int8_t` as `int`, so only the sum's own type matters.",
    ),
)

ASKED = {each.name: each for each in (DOT, DOT4, DOT8)}
