"""06.3: a copy of a block whose writes are zero changes no logit, so a trained model can grow (Wu et al. 2024)."""

import random
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.question import Question

Weights = dict[str, Tensor]
WRITES = ("attention.output", "feedforward.down")
NORMS = ("attention_norm.weight", "feedforward_norm.weight")
READS = ("attention.value", "feedforward.up")
PLAIN = (*NORMS, *(f"{part}.weight" for part in (*READS, *WRITES)))
BIASED = ("attention.value.bias", *(f"{part}.{kind}" for part in WRITES for kind in ("weight", "bias")))


def deepen(weights: Weights, after: list[int]) -> Weights:
    """The right answer: the blocks in their new order, then numbered.

    >>> grown = deepen({"blocks.0.feedforward.down.weight": torch.ones(1, 1)}, after=[0])
    >>> grown["blocks.0.feedforward.down.weight"], grown["blocks.1.feedforward.down.weight"]
    (tensor([[1.]]), tensor([[0.]]))
    """
    return _deepen(weights, after)


def _blocks(weights: Weights) -> list[Weights]:
    """The tensors of each block by the rest of their names, in the blocks' order."""
    blocks: dict[int, Weights] = {}
    for name, weight in weights.items():
        if name.startswith("blocks."):
            number, rest = name.removeprefix("blocks.").split(".", 1)
            blocks.setdefault(int(number), {})[rest] = weight
    return [blocks[number] for number in sorted(blocks)]


def _deepen(
    weights: Weights, after: list[int], *, silent=WRITES, kinds=("weight", "bias"), order=lambda old, new: [old, new]
) -> Weights:
    """Growth with one thing done differently; `order` places a block and its copy."""
    blocks, stack = _blocks(weights), []
    for number, old in enumerate(blocks):
        names = [f"{part}.{kind}" for part in silent for kind in kinds]
        new = {rest: torch.zeros_like(w) if rest in names else w for rest, w in old.items()}
        stack += order(old, new) if number in after else [old]
    return _numbered(weights, stack)


def _numbered(weights: Weights, stack: list[Weights]) -> Weights:
    """A model of these blocks, in this order."""
    return _placed(weights, dict(enumerate(stack)))


def _placed(weights: Weights, blocks: dict[int, Weights]) -> Weights:
    """A model of these blocks, by their numbers."""
    others = {name: weight for name, weight in weights.items() if not name.startswith("blocks.")}
    return others | {f"blocks.{at}.{rest}": w for at, block in blocks.items() for rest, w in block.items()}


def _model(rng: random.Random, n_blocks: int, names: tuple[str, ...] = PLAIN) -> Weights:
    """Tensors by the package's names; a few of those that a block has are enough."""
    every = ["embedding.weight", *(f"blocks.{n}.{name}" for n in range(n_blocks) for name in names)]
    vectors = ("norm.weight", ".bias")
    return {
        name: 1 + numbers(rng, *([2] if name.endswith(vectors) else [2, 2])).abs()
        for name in [*every, "final_norm.weight", "head.weight"]
    }


def _in_the_middle(rng: random.Random) -> list[Call]:
    return [
        (_model(rng, 2), [0]),
        (_model(rng, 2), []),
        *((_model(rng, n), sorted(rng.sample(range(n - 1), 2))) for n in (4, 5, 6)),
        (_model(rng, 3), [0, 1, 2]),
    ]


MIDDLE = "one copy", "no copy", *["two copies"] * 3, "a copy of every block"
MANY = "11 blocks", "12 blocks and bfloat16", "13 blocks, `after` in any order", "3 blocks", "2 blocks and float16"


def _many(rng: random.Random) -> list[Call]:
    half = {name: weight.bfloat16() for name, weight in _model(rng, 12, BIASED).items()}
    few = (_model(rng, 3, BIASED), [1, 0]), ({name: w.half() for name, w in _model(rng, 2, BIASED).items()}, [0])
    return [(_model(rng, 11, BIASED), [0]), (half, [1]), (_model(rng, 13, BIASED), [10, rng.randrange(3, 10), 2]), *few]


def _first_wrong_name(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A name that is missing, or one too many, or a tensor that is not what it should be."""
    for (weights, _), wanted, grown in zip(calls, right, got, strict=True):
        if type(grown) is not dict:
            return None
        hint = "List the old block numbers in their new order, with the copies, and count from 0."
        if missing := [name for name in wanted if name not in grown]:
            return f"There is no {missing[0]!r} in the deeper model (missing names: {len(missing)}).", hint
        if extra := [name for name in grown if name not in wanted]:
            return f"The result has {extra[0]!r}, which no model of this depth has.", hint
        if wrong := [name for name in wanted if difference(wanted[name], grown[name])]:
            hint = "In a copy, are exactly the writing tensors 0? In an old block, is it the right block's tensor?"
            name = wrong[0]
            due, held = (_origin(weights, name, tensor) for tensor in (wanted[name], grown[name]))
            return f"{name!r} holds {held}; right is {due} (wrong tensors: {len(wrong)}).", hint
    return None


def _origin(weights: Weights, name: str, tensor: Any) -> str:
    """Which tensor that came in this one is, in words."""
    if type(tensor) is torch.Tensor and not tensor.any():
        return "zeros"
    rest = name.split(".", 2)[-1]
    names = [other for other in weights if other.endswith(rest) and difference(weights[other], tensor) is None]
    return f"what came in as {names[0]!r}" if names else "something else"


question = Question(
    "06.3", "Add blocks without changing a logit", deepen, forbidden=("minillm", "torch.nn"), fresh=True
)

last_block = question.probe(
    "a copy of the last block",
    lambda rng: [(_model(rng, n), [n - 1]) for n in (1, 2, 4)],
    _first_wrong_name,
    kinds=("one block", "two blocks", "four blocks"),
)
last_block.mistake(
    "The copy writes what the block has written a second time.",
    "It must add nothing at first. Two matrices write to the stream; set them to 0 in the copy.",
    partial(_deepen, silent=()),
)
last_block.mistake(
    "Both parts of the copy are 0 as a whole, the matrices that read as well.",
    "It is silent, but where both factors are 0, neither gets a gradient. Set only what writes to 0.",
    partial(_deepen, silent=(*READS, *WRITES)),
)
last_block.mistake(
    "Only the copy's attention is silent; its feed-forward layer still writes.",
    "A block writes twice: `attention.output` and `feedforward.down`.",
    partial(_deepen, silent=WRITES[:1]),
)
last_block.mistake(
    "Only the copy's feed-forward layer is silent; its attention still writes.",
    "A block writes twice: `attention.output` and `feedforward.down`.",
    partial(_deepen, silent=WRITES[1:]),
)


@last_block.mistake(
    "Everything in the copy is 0: it is silent, and it can never learn.",
    "Where both factors are 0, neither gets a gradient. Set only what writes to 0.",
)
def _all_zero(weights, after):
    return _deepen(weights, after, order=lambda old, new: [old, {rest: torch.zeros_like(w) for rest, w in old.items()}])


last_block.mistake(
    "The copy's norms are 0, not the matrices that write.",
    "That is silent, too, but it is not a copy, and a bias still writes. Set what writes to 0.",
    lambda weights, after: _deepen(weights, after, silent=("attention_norm", "feedforward_norm")),
)
last_block.mistake(
    "The block itself is silent, and its copy after it writes.",
    "The logits are the same, but a block keeps its weights. The silent copy comes after it.",
    partial(_deepen, order=lambda old, new: [new, old]),
)

in_the_middle = question.probe("copies in the middle", _in_the_middle, _first_wrong_name, kinds=MIDDLE)


@in_the_middle.mistake("A copy overwrites the block after it.", "Every later block moves up by one first.")
def _overwritten(weights, after):
    blocks, grown = _blocks(weights), _blocks(deepen(weights, after))
    placed = dict(enumerate(blocks))
    for number in after:
        placed[number + 1] = grown[number + 1 + sum(earlier < number for earlier in after)]
    return _numbered(weights, [placed[number] for number in sorted(placed)])


@in_the_middle.mistake("The copies come after the last block.", "Each belongs directly after the block that it copies.")
def _at_the_end(weights, after):
    grown = _blocks(deepen(weights, after))
    copies = [grown[number + 1 + before] for before, number in enumerate(sorted(after))]
    return _numbered(weights, _blocks(weights) + copies)


@in_the_middle.mistake(
    "After the first copy is inserted, the numbers in `after` no longer mean the same blocks.",
    "They are the numbers in the old model. Go from the last to the first, or count how many are smaller.",
)
def _moving_target(weights, after):
    for number in sorted(after):
        weights = deepen(weights, [number])
    return weights


many_blocks = question.probe(
    "more than ten blocks, and biases", _many, _first_wrong_name, demand=same_dtype, kinds=MANY
)
many_blocks.mistake(
    "The biases of the copy still write.",
    "A bias is added to the stream for any input. Set those of the two writing matrices to 0, too.",
    partial(_deepen, kinds=("weight",)),
)


@many_blocks.mistake(
    "The blocks are sorted as text, where 10 comes before 2.",
    "Turn the number in the name into an `int` before you compare.",
)
def _sorted_as_text(weights, after):
    blocks = _blocks(weights)
    order = sorted(range(len(blocks)), key=str)
    shuffled = _numbered(weights, [blocks[number] for number in order])
    return deepen(shuffled, [order.index(number) for number in after])


@many_blocks.mistake(
    "The numbers in `after` are treated as sorted.",
    "They may be in any order: count all that are smaller, or sort them first.",
)
def _as_if_sorted(weights, after):
    blocks, grown = _blocks(weights), _blocks(deepen(weights, after))
    placed = {}
    for number, block in enumerate(blocks):
        place = number + len(list(takewhile(number.__gt__, after)))
        placed[place] = block
        if number in after:
            placed[place + 1] = grown[number + 1 + sum(earlier < number for earlier in after)]
    return _placed(weights, placed)


@many_blocks.mistake(
    "The numbers of blocks are compared as text, where '10' comes before '2'.",
    "Turn the number in the name into an `int` before you compare.",
)
def _compared_as_text(weights, after):
    blocks, placed = _blocks(weights), {}
    silent = _blocks(deepen(weights, list(range(len(blocks)))))[1::2]
    for number, block in enumerate(blocks):
        place = number + sum(str(other) < str(number) for other in after)
        placed |= {place: block, place + 1: silent[number]} if number in after else {place: block}
    return _placed(weights, placed)


@many_blocks.mistake(
    "Only one digit of a block's number is read: block 10 is treated as block 1.",
    "Split the name at its dots, `name.split('.', 2)`: the number may have two digits.",
)
def _one_digit(weights, after):
    grown = {name: weight for name, weight in weights.items() if not name.startswith("blocks.")}
    for name, weight in weights.items():
        if name.startswith("blocks."):
            number, rest = int(name[7]), name[9:]
            place = number + sum(other < number for other in after)
            grown[f"blocks.{place}.{rest}"] = weight
            if number in after:
                grown[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if rest.startswith(WRITES) else weight
    return grown


@many_blocks.mistake(
    "A block's tensors are found by how their names begin, and `blocks.1` begins `blocks.10`, too.",
    "Compare the whole number, or include the dot after it in what you search for: `blocks.1.`.",
)
def _found_by_beginning(weights, after):
    blocks = _blocks(weights)
    found = [
        blocks[max(other for other in range(len(blocks)) if str(other).startswith(str(number)))]
        for number in range(len(blocks))
    ]
    return deepen(_numbered(weights, found), after)


@many_blocks.mistake(
    "Blocks are silent whose number only begins like that of a copy: `blocks.1` begins `blocks.10`.",
    "Compare the whole number, or include the dot after it in what you search for.",
)
def _same_beginning(weights, after):
    grown = deepen(weights, after)
    for number in after:
        copy = f"blocks.{number + 1 + sum(earlier < number for earlier in after)}"
        silent = [name for name in grown if name.startswith(copy) and any(part in name for part in WRITES)]
        grown |= {name: torch.zeros_like(grown[name]) for name in silent}
    return grown
