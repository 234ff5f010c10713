"""06.2, a bug-hunt: fold norm weights into the matrices that read them (QuaRot, Ashkboos et al. 2024, section 3).

With tied weights the head is the embedding, and a fold into it changes what the first block reads. It happened in
GPTQModel (pull request 1550 unties the head first) and in AngelSlim (pull request 319).
"""

from functools import partial
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.plain import difference
from minillm.course.checks.question import Question
from minillm.course.checks.transformer.folding import (
    ATTENTION,
    EMBEDDING,
    FEEDFORWARD,
    FINAL,
    HEAD,
    KINDS,
    READERS,
    Weights,
    as_well,
    both_beginnings,
    fold,
    fold_with,
    models,
    one_digit,
    relation,
    same_beginning,
    scale_columns,
    scale_rows,
    swapped,
    without,
)


def _first_wrong_name(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A name that is missing, or one too many, or what became of the first tensor that is not right."""
    for (weights,), wanted, folded in zip(calls, right, got, strict=True):
        if type(folded) is not dict:
            return None
        hint = "The result has all names of `weights`, and `head.weight`."
        if missing := [name for name in wanted if name not in folded]:
            return f"There is no {missing[0]!r} in the result (missing names: {len(missing)}).", hint
        if extra := [name for name in folded if name not in wanted]:
            return f"The result has {extra[0]!r}, which the model doesn't have.", hint
        if wrong := [name for name in wanted if difference(wanted[name], folded[name])]:
            name = wrong[0]
            source = name if name in weights else EMBEDDING
            due = relation(weights, source, wanted[name]) or "a matrix times a norm"
            is_ = relation(weights, source, folded[name]) or "something else"
            hint = "Which norm's output does this tensor multiply? If none, it stays as it is."
            return f"{name!r} is {is_}; right is {due} (wrong tensors: {len(wrong)}).", hint
    return None


question = Question("06.2", "Fold the norm weights", fold, forbidden=("minillm", "torch.nn"), fresh=True)

own_head = question.probe(
    "a head of its own", lambda rng: models(rng, tied=False), _first_wrong_name, demand=same_dtype, kinds=KINDS
)
own_head.mistake(
    "`feedforward.up` is not folded.",
    "Gate and up both multiply the output of `feedforward_norm`.",
    partial(fold_with, readers=READERS | {"feedforward_norm": FEEDFORWARD[:1]}),
)
own_head.mistake(
    "`feedforward.gate` is not folded.",
    "Gate and up both multiply the output of `feedforward_norm`.",
    partial(fold_with, readers=READERS | {"feedforward_norm": FEEDFORWARD[1:]}),
)
own_head.mistake(
    "The attention matrices are not folded, and the weights of their norm are lost.",
    "Query, key and value multiply the output of `attention_norm`.",
    partial(fold_with, readers={"feedforward_norm": FEEDFORWARD}),
)
own_head.mistake(
    "The feed-forward matrices are not folded, and the weights of their norm are lost.",
    "Gate and up multiply the output of `feedforward_norm`.",
    partial(fold_with, readers={"attention_norm": ATTENTION}),
)
own_head.mistake(
    "The attention matrices and their norm are as they came in.",
    "Query, key and value multiply the output of `attention_norm`.",
    partial(without, part="attention"),
)
own_head.mistake(
    "The feed-forward matrices and their norm are as they came in.",
    "Gate and up multiply the output of `feedforward_norm`.",
    partial(without, part="feedforward"),
)
own_head.mistake(
    "The matrices are folded, but the norms keep their weights: these now count twice.",
    "Replace each norm's weights by ones of the same shape.",
    partial(fold_with, left=lambda norm: norm),
)
own_head.mistake(
    "The norms' weights are 0, so nothing passes through them.",
    "A norm that has been folded has weights of 1.",
    partial(fold_with, left=torch.zeros_like),
)
own_head.mistake(
    "The norms are gone from the state dictionary.",
    "The model still has its norms: their weights are 1.",
    lambda weights: {name: weight for name, weight in fold(weights).items() if "norm" not in name},
)
own_head.mistake(
    "The two norms of a block are swapped.",
    "Attention reads `attention_norm`, and the feed-forward layer `feedforward_norm`.",
    partial(fold_with, of=swapped),
)
own_head.mistake(
    "The matrices are divided by the norm weights.",
    "The norm multiplies by its weights, so the matrix must do it now.",
    partial(fold_with, times=lambda matrix, norm: (matrix / norm).to(matrix.dtype)),
)
own_head.mistake(
    "The final norm is not folded.",
    "The head multiplies its output. Fold it into the head, and set it to 1.",
    partial(fold_with, head=False),
)
own_head.mistake(
    "The weights of the final norm are lost: it is 1, and the head is as before.",
    "The head multiplies the output of the final norm: its column c times weight c.",
    lambda weights: fold(weights) | {HEAD: weights.get(HEAD, weights[EMBEDDING])},
)
own_head.mistake(
    "Only block 0 is folded.",
    "Go through the norms of all blocks.",
    partial(fold_with, blocks=lambda block: block == "blocks.0"),
)
own_head.mistake(
    "Where the shapes allow it, rows are multiplied instead of columns.",
    "In `nn.Linear` the inputs are the columns: `matrix * norm`, without a new axis.",
    partial(fold_with, times=scale_rows),
)
own_head.mistake(
    "The biases are multiplied, too.",
    "A bias is added after the product, so the norm never reaches it.",
    lambda weights: as_well(weights, *(f"{part}.bias" for part in (*ATTENTION, *FEEDFORWARD))),
)
own_head.mistake(
    "`attention.output` is multiplied, too.",
    "It reads the heads and not the norm. What writes to the stream stays as it is.",
    lambda weights: as_well(weights, "attention.output.weight"),
)
own_head.mistake(
    "The rows of `feedforward.down` are multiplied, too.",
    "It reads the neurons and not the norm. What writes to the stream stays as it is.",
    lambda weights: as_well(weights, "feedforward.down.weight", rows=True),
)
own_head.mistake(
    "Every matrix with C columns is multiplied, those that write to the stream as well.",
    "`attention.output` reads the heads and `feedforward.down` the neurons, not the norm: they stay as they are.",
    lambda weights: as_well(weights, "attention.output.weight", "feedforward.down.weight"),
)
own_head.mistake(
    "The norm weights are multiplied in twice.",
    "Once is enough: a column times its weight.",
    partial(fold_with, times=lambda matrix, norm: scale_columns(scale_columns(matrix, norm), norm)),
)
own_head.mistake(
    "Each matrix is multiplied by a single number, the mean of the norm's weights.",
    "Each coordinate has its own weight: column c times weight c.",
    partial(fold_with, times=lambda matrix, norm: scale_columns(matrix, norm.mean())),
)
own_head.mistake(
    "1 is added to the norm weights, as in Gemma.",
    "This model's norm multiplies by the weight itself, as `rms_norm` above does.",
    partial(fold_with, times=lambda matrix, norm: scale_columns(matrix, 1 + norm)),
)
own_head.mistake(
    "A block's norm is found by how its name begins, and `blocks.1` also begins `blocks.10`.",
    "Compare the whole number, or include the dot after it in what you search for: `blocks.1.`.",
    same_beginning,
)
own_head.mistake(
    "A block's norm is found by how its name begins, and `blocks.1` also begins `blocks.10`.",
    "Compare the whole number, or include the dot after it in what you search for: `blocks.1.`.",
    both_beginnings,
)
for norms_too in (True, False):
    own_head.mistake(
        "Blocks whose number has two digits are not folded.",
        "Read the whole number of a block, `\\d+` in a pattern, or split the name at its dots.",
        partial(one_digit, norms_too=norms_too),
    )
own_head.mistake(
    "Only the tensors that change are in the result.",
    "Return the whole state dictionary: begin with a copy, `dict(weights)`.",
    lambda weights: {
        name: weight
        for name, weight in fold(weights).items()
        if name not in weights or difference(weights[name], weight)
    },
)
own_head.mistake(
    "The embedding is multiplied, too.",
    "The embedding is what the first block reads. Only the head reads the final norm.",
    lambda weights: fold(weights) | {EMBEDDING: scale_columns(weights[EMBEDDING], weights[FINAL])},
)
own_head.mistake(
    "The new head is made of the embedding, even where the model has a head of its own.",
    "Take `head.weight` if there is one, and the embedding only if there is none.",
    lambda weights: fold(weights) | {HEAD: scale_columns(weights[EMBEDDING], weights[FINAL])},
)


def _into_the_table(weights: Weights, **changes: Any) -> Weights:
    folded = fold_with(weights, **changes)
    folded[EMBEDDING] = folded.pop(HEAD)
    return folded


BY_HEAD = ("The new head is made", "Only the tensors", "The norms are gone")
tied_head = question.probe(
    "a tied head",
    lambda rng: models(rng, tied=True),
    _first_wrong_name,
    [mistake for mistake in own_head.mistakes if not mistake.sentence.startswith(BY_HEAD)],
    demand=same_dtype,
    kinds=KINDS,
)
tied_head.mistake(
    "The final norm is folded into the embedding, which is looked up at the start as well.",
    "The embedding stays. Add a `head.weight`: the embedding times the final norm.",
    _into_the_table,
)
tied_head.mistake(
    "The weights of the final norm are lost: it is 1, and there is no `head.weight`.",
    "Add a `head.weight`: the embedding times the final norm.",
    lambda weights: {name: weight for name, weight in fold(weights).items() if name != HEAD},
)
