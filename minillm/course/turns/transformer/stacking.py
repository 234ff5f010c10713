"""06.transformer: the whole model as a function of token ids and weights (Radford et al. 2019; Touvron et al. 2023)."""

import random
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.transformer.adding import block
from minillm.course.turns.transformer.normalizing import rms_norm
from minillm.course.turns.transformer.tiny import tiny


def transformer(ids, weights, settings):
    """The logits after each token: (T,) -> (T, V)."""
    x = weights["embedding.weight"][ids]
    for layer in range(settings["layers"]):
        x = block(x, weights, layer, settings)
    return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


turn = Turn(
    "06.transformer",
    "The whole model",
    transformer,
    minutes=7,
    difficulty=2,
    constants=("ids", "settings"),
    hints=(
        "What is the stream before the first block, if token 5 has its vector in row 5 of the table?",
        "Each block takes the stream and returns the next one. How many there are stands in `settings`.",
        "Look up the rows; let every block make the new x; then the last norm, and the dot product of each token with "
        "every row of `head.weight`.",
    ),
    errors={
        r"KeyError: 'blocks\.\d": 'Blocks are numbered from 0 to `settings["layers"] - 1`, and how many there are '
        "differs from case to case.",
        r"KeyError: '(embedding|head|final_norm|norm|lm_head|embed|wte|ln_f|tok_emb|model)": "The names are "
        "`embedding.weight`, `final_norm.weight` and `head.weight`.",
        r"KeyError: '(pos|wpe)": "There's no table of positions: the heads of each block rotate.",
        r"KeyError: '(n_layers|n_layer|num_layers|L|n)'": '`settings["layers"]` says how many blocks there are.',
        r"mat1 and mat2 shapes|size mismatch": "`head.weight` is (V, C), a row per token: multiply by its transpose, "
        "`.T`.",
        r"block\(\) (missing|takes|got)": "`block(x, weights, layer, settings)` finds its weights by the number of its "
        "layer.",
        r"rms_norm\(\) (missing|takes|got)": "`rms_norm(x, weight)` wants the vectors and `final_norm.weight`.",
        r"'int' object is not subscriptable": "`block(x, weights, layer, settings)`, in this order.",
        r"but got: long": "`one_hot` makes whole numbers: `.float()` first, or look the rows up with `[ids]`.",
        r"size of tensor a": "`final_norm.weight` has C numbers: it fits the stream, (T, C), not the logits, (T, V).",
        r"'int' object is not iterable": "`range(...)` counts them.",
        r"name '(self|L|n_layers|model|T|blocks|wte|w|embedding|head|layers)' is not defined": "Everything is in the "
        "three arguments, and `block` and `rms_norm` are there already.",
        r"first two dimensions|not enough values|too many values|too many indices|Dimension out of": "`ids` is (T,): "
        "one text, without a batch.",
        r"'dict' object|'Tensor' object (is not callable|has no attribute)": "`weights` is a dictionary of tensors: "
        '`weights["head.weight"]` is one of them.',
    },
    debrief=Debrief(
        "That's nanoGPT's and Llama's forward pass, too. While it writes, production code computes the head for the "
        "last token only: it is the largest product of all.",
        "Which of these lines would have to change for a model with 300 blocks?",
    ),
)


def _run(
    ids: Tensor,
    weights: dict[str, Tensor],
    settings: Any,
    *,
    order: Any = lambda layers: range(layers),
    first: Any = lambda x: x,
    last: Any = None,
    head: str = "head.weight",
) -> Tensor:
    """The model with one thing done differently: the stream before and after its blocks, and their order."""
    x = first(weights["embedding.weight"][ids])
    for layer in order(settings["layers"]):
        x = block(x, weights, layer, settings)
    normed = rms_norm(x, weights["final_norm.weight"]) if last is None else last(x, weights["final_norm.weight"])
    return normed @ weights[head].T


def _calls(rng: random.Random) -> list[Call]:
    calls: list[Call] = []
    for T, (layers, H, K, D, F, V) in ((2, (2, 1, 1, 2, 3, 3)), (3, (1, 2, 1, 2, 4, 7)), (4, (4, 3, 3, 2, 5, 9))):
        weights, settings = tiny(rng, layers, H, K, D, F, V)
        calls.append((torch.tensor([rng.randrange(1, V) for _ in range(T)]), weights, settings))
    weights, settings = tiny(rng, 3, 2, 1, 2, 6, 5)
    calls += [(torch.tensor([4]), weights, settings), (torch.tensor([4, 1, 1, 0, 3, 2]), weights, settings)]
    return calls


def _result(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What of the right result is returned: the last row, the likeliest tokens, the stream."""
    if all(type(result) is tuple for result in got):
        return "Several things are returned.", "Return the logits alone: (T, V)."
    if any(type(result) is not Tensor for result in got):
        return None
    triples = list(zip(calls, right, got, strict=True))
    if all(
        result.shape == (len(ids), weights["embedding.weight"].shape[1]) for (ids, weights, _), _, result in triples
    ):
        return "The stream is returned, without the head.", "The logits are its product with `head.weight`: (T, V)."
    if all(difference(wanted[:, ids], result) is None for (ids, _, _), wanted, result in triples):
        return "The head has only the rows of `ids`.", "Every token may come next: take all rows of `head.weight`."
    if all(result.shape in ((wanted.shape[1],), (1, wanted.shape[1])) for _, wanted, result in triples):
        return "Only one row is returned.", "Return the logits after every token: (T, V)."
    if all(result.shape == (len(wanted),) for _, wanted, result in triples):
        return "One number per token is returned.", "Return all logits: (T, V)."
    if all(result.shape == (1, *wanted.shape) for _, wanted, result in triples):
        return "The result has a batch axis in front.", "There's no batch here: return (T, V)."
    if all(result.shape == wanted.T.shape for _, wanted, result in triples):
        return "The table is transposed.", "A row per token, a column per candidate: (T, V)."
    return None


probe = turn.probe("whole models", _calls, _result)
probe.mistake(
    "The last norm is missing.",
    "The head reads the stream through a norm, too: `final_norm.weight`.",
    partial(_run, last=lambda x, weight: x),
)
probe.mistake(
    "The last norm is used without its weights.",
    "`rms_norm` takes them as its second argument: `final_norm.weight`.",
    partial(_run, last=lambda x, weight: rms_norm(x, torch.ones_like(weight))),
)
probe.mistake(
    "The last norm is applied twice.",
    "Once, after the last block.",
    partial(_run, last=lambda x, weight: rms_norm(rms_norm(x, weight), weight)),
)
probe.mistake(
    "Probabilities are returned.",
    "Return the logits themselves. The softmax comes when a token is chosen.",
    lambda ids, weights, settings: _run(ids, weights, settings).softmax(-1),
)
probe.mistake(
    "Log-probabilities are returned.",
    "Return the logits themselves.",
    lambda ids, weights, settings: _run(ids, weights, settings).log_softmax(-1),
)
probe.mistake(
    "The embedding is multiplied by √C.",
    "Gemma and the transformer of 2017 do that. Here the rows go in as they are.",
    partial(_run, first=lambda x: x * x.shape[1] ** 0.5),
)
probe.mistake(
    "The embedding is normalized before the first block.",
    "Each block has its own norms. The rows go in as they are.",
    lambda ids, weights, settings: _run(
        ids, weights, settings, first=lambda x: rms_norm(x, weights["final_norm.weight"])
    ),
)
probe.mistake(
    "The last norm comes before the first block.",
    "It comes after the last one: the head reads through it.",
    lambda ids, weights, settings: _run(
        ids,
        weights,
        settings,
        first=lambda x: rms_norm(x, weights["final_norm.weight"]),
        last=lambda x, weight: x,
    ),
)
probe.mistake(
    "The embedding table is used as the head.",
    "In SmolLM2 they are the same matrix, but not in every model: `head.weight`.",
    partial(_run, head="embedding.weight"),
)
probe.mistake(
    "The head's rows are looked up for the embedding.",
    "The ids' rows are in `embedding.weight`.",
    lambda ids, weights, settings: _run(ids, weights | {"embedding.weight": weights["head.weight"]}, settings),
)
probe.mistake(
    "Block 0 runs in every round.",
    "Give `block` the number of the round, not 0.",
    partial(_run, order=lambda layers: [0] * layers),
)
probe.mistake(
    "The last block runs in every round.",
    "Give `block` the number of the round.",
    partial(_run, order=lambda layers: [layers - 1] * layers),
)
probe.mistake(
    "The blocks run in reverse order.", "Block 0 is first.", partial(_run, order=lambda layers: reversed(range(layers)))
)
probe.mistake(
    "Block 0 is left out.",
    "`range(layers)` counts 0, 1, 2, ...",
    partial(_run, order=lambda layers: range(1, layers)),
)
probe.mistake(
    "The last block is left out.",
    "`range(layers)` stops before `layers`, and that's right: the last block has the number layers - 1.",
    partial(_run, order=lambda layers: range(layers - 1)),
)
probe.mistake(
    "Only block 0 runs.",
    'There are `settings["layers"]` blocks. Is something inside the loop that belongs after it?',
    partial(_run, order=lambda layers: range(1)),
)
probe.mistake(
    "There are always two blocks.",
    'How many there are differs from case to case: `settings["layers"]`.',
    partial(_run, order=lambda layers: range(min(2, layers))),
)
probe.mistake(
    "No block runs.", "Let each block make the new x: `x = block(...)`.", partial(_run, order=lambda layers: ())
)


@probe.mistake("Each block reads the embedding.", "It reads what the one before it returned: `x = block(x, ...)`.")
def _not_chained(ids, weights, settings):
    return _run(ids, weights, settings, order=lambda layers: [layers - 1])


@probe.mistake(
    "What each block returns is added to x. It is the whole stream already, x included.", "`x = block(x, ...)`."
)
def _added_again(ids, weights, settings):
    x = weights["embedding.weight"][ids]
    for layer in range(settings["layers"]):
        x = x + block(x, weights, layer, settings)
    return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@probe.mistake("The last norm is applied after every block.", "Once, after the last one: is it inside the loop?")
def _norm_inside(ids, weights, settings):
    x = weights["embedding.weight"][ids]
    for layer in range(settings["layers"]):
        x = rms_norm(block(x, weights, layer, settings), weights["final_norm.weight"])
    return x @ weights["head.weight"].T


@probe.mistake(
    "The last norm is applied after every block, and once more.", "Once, after the last one: is it inside the loop?"
)
def _norm_inside_and_outside(ids, weights, settings):
    x = weights["embedding.weight"][ids]
    for layer in range(settings["layers"]):
        x = rms_norm(block(x, weights, layer, settings), weights["final_norm.weight"])
    return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@probe.mistake("The logits are divided by √C.", "Only the scores of attention are divided. Return the logits.")
def _divided(ids, weights, settings):
    return _run(ids, weights, settings) / weights["embedding.weight"].shape[1] ** 0.5


@probe.mistake(
    "Each token is read by itself, at position 0.",
    "Give all rows to `block` at once: attention needs the earlier ones.",
)
def _one_by_one(ids, weights, settings):
    return torch.cat([_run(id[None], weights, settings) for id in ids])


def _double(rng: random.Random) -> list[Call]:
    weights, settings = tiny(rng, 1, 1, 1, 2, 3, 3)
    return [(torch.tensor([1, 2]), {name: tensor.double() for name, tensor in weights.items()}, settings)]


turn.probe("double precision", _double, demand=same_dtype)
