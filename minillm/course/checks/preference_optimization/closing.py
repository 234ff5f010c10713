"""11.3, a bug-hunt: the token that closes an answer is also the padding, and is masked with it.

It happens wherever a tokenizer has no padding of its own and is given its end token for it. Pull request 6357 of trl
mends it in two trainers: the closing token was never learned, and prompts lost those that stand between their turns.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question


def answer_log_probs(
    logits: Float[Tensor, "B T V"], ids: Int[Tensor, "B T"], prompt_lengths: Int[Tensor, "B"], end: int
) -> Float[Tensor, "B"]:
    """The right answer, token by token.

    >>> even = torch.zeros(2, 4, 5)
    >>> answer_log_probs(even, torch.tensor([[1, 2, 0, 0], [1, 0, 2, 3]]), torch.tensor([1, 2]), end=0)  # 2 log 0.2
    tensor([-3.2189, -3.2189])
    """
    found = torch.zeros(len(ids))
    for row, length in enumerate(prompt_lengths.tolist()):
        for t in range(length, ids.shape[1]):
            found[row] += logits[row, t - 1].log_softmax(-1)[ids[row, t]]
            if ids[row, t] == end:
                break
    return found


Which = Callable[[Tensor, Tensor, int], Tensor]  # of ids, prompt lengths and end: True where a token counts, (B, T)


def _after(ids: Tensor, prompt_lengths: Tensor, more: int = 0) -> Tensor:
    return torch.arange(ids.shape[1]) >= prompt_lengths[:, None] + more


def _answer_mask(ids: Tensor, prompt_lengths: Tensor, end: int) -> Tensor:
    answer = _after(ids, prompt_lengths)
    ends = (ids == end) & answer
    return answer & (ends.cumsum(1) - ends.long() == 0)


def _answer_log_probs(
    logits, ids, prompt_lengths, end, *, which=_answer_mask, shift=1, mean=False, raw=False, axis=-1
) -> Tensor:
    """The sum with other tokens in it, or of other numbers."""
    table = logits if raw else (logits if axis == -1 else logits[:, :-1]).log_softmax(axis)
    log_probs = torch.zeros(ids.shape)
    log_probs[:, 1:] = table[:, 1 - shift : ids.shape[1] - shift].gather(-1, ids[:, 1:, None]).squeeze(-1)
    mask = which(ids, prompt_lengths, end)
    mask[:, 0] = False  # nothing stands in front of the first token
    found = (log_probs * mask).sum(1)
    return found / mask.sum(1).clamp_min(1) if mean else found


def _with_which(which: Callable[..., Any]) -> Callable[..., Any]:
    return partial(_answer_log_probs, which=which)


def _rows(rng: random.Random, T: int, V: int, rows: list[tuple[int, int, bool]], turns: bool) -> Call:
    """Prompts and answers of these lengths; a closed answer ends with `end`, and so do a prompt's earlier turns."""
    end = rng.randrange(V)
    words = [id for id in range(V) if id != end]
    ids = torch.full((len(rows), T), end)
    for row, (prompt, answer, closed) in enumerate(rows):
        ids[row, :prompt] = torch.tensor(rng.choices(words, k=prompt))
        if turns:
            ids[row, rng.randrange(prompt - 1)] = end
            ids[row, prompt - 1] = end if row else ids[row, prompt - 1]  # a turn may end just before the answer
        ids[row, prompt : prompt + answer] = torch.tensor(rng.choices(words, k=answer))
        if closed:
            ids[row, prompt + answer :] = end
    return numbers(rng, len(rows), T, V), ids, torch.tensor([prompt for prompt, _, _ in rows]), end


CLOSED = (
    "one answer",
    "prompts of unequal length",
    "three answers",
    "an answer that is its end alone",
    "rows of two tokens",
)
CUT_OFF = (
    "an answer that was cut off",
    "prompts of several turns",
    "prompts that end with an end token",
    "logits hundreds apart",
)


def _closed(rng: random.Random) -> list[Call]:
    return [
        _rows(rng, 4, 2, [(1, 1, True)], turns=False),
        _rows(rng, 7, 4, [(2, 3, True), (1, 2, True)], turns=False),
        _rows(rng, 8, 6, [(3, 4, True), (1, 1, True), (2, 4, True)], turns=False),
        _rows(rng, 5, 4, [(2, 0, True)], turns=False),
        _rows(rng, 2, 3, [(1, 0, True)] * 2, turns=False),
    ]


def _cut_off(rng: random.Random) -> list[Call]:
    """Some answers fill their row without an end, and prompts hold the ends of earlier turns."""
    far = _rows(rng, 7, 4, [(2, 3, True), (1, 5, True)], turns=False)
    return [
        _rows(rng, 4, 2, [(2, 2, False)], turns=False),
        _rows(rng, 7, 4, [(3, 4, False), (3, 2, True)], turns=True),
        _rows(rng, 8, 6, [(4, 2, True), (2, 6, False), (3, 0, True)], turns=True),
        (far[0] * 200, *far[1:]),
    ]


def _shape(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """One number for the whole batch, or one for every token."""
    if any(type(answer) in (float, int) or (type(answer) is torch.Tensor and answer.dim() != 1) for answer in got):
        return (
            "The result is not one number for each answer.",
            "Sum over the tokens of a row, `.sum(1)`, and over nothing else.",
        )
    tensors = [as_tensor(answer) for answer in got]
    if any(found is not None and not found.isfinite().all() for found in tensors):
        hint = "Never take the logarithm of a softmax: `log_softmax(-1)` does both in one step."
        return "A chance is rounded to 0, and its logarithm is minus infinity.", hint
    return None


def _which_tokens(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The tokens whose sum the first wrong answer has, if they stand side by side."""
    if all(_stops_together(call, found) for call, found in zip(calls, got, strict=True)):
        return "The sum stops for all answers where the first of them ends.", (
            "Each row has an end of its own: go on with the other rows."
        )
    for (logits, ids, lengths, end), due, answer in zip(calls, right, got, strict=True):
        found = as_tensor(answer)
        if found is None or found.shape != due.shape:
            return None
        for row in (found - due).abs().gt(1e-3).nonzero().flatten().tolist():
            table = logits[row, :-1].log_softmax(-1).gather(-1, ids[row, 1:, None]).flatten().double()
            first = int(lengths[row])
            ends = (ids[row, first:] == end).nonzero().flatten().tolist()
            last = first + ends[0] if ends else len(ids[row]) - 1
            runs = [
                (a, b)
                for a in range(1, len(ids[row]))
                for b in range(a, len(ids[row]))
                if abs(table[a - 1 : b].sum().item() - found[row].item()) < 1e-3
            ]
            if len(runs) == 1 and runs[0] != (first, last):
                (a, b), wanted = runs[0], f"{first} to {last}"
                sentence = f"The sum of row {row} is that of the tokens at {a} to {b}; its answer stands at {wanted}."
                return sentence, "An answer is what comes after the prompt, up to its first end token, with that token."
    return None


def _stops_together(call: Call, answer: Any) -> bool:
    """Whether all rows are summed up to the first end of an answer in any of them."""
    logits, ids, lengths, end = call
    mask = _after(ids, lengths)
    ends = ((ids == end) & mask).any(0).nonzero().flatten().tolist()
    last = ends[0] if ends else ids.shape[1] - 1
    table = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    sums = (table * (mask & (torch.arange(ids.shape[1]) <= last))[:, 1:]).sum(1)
    return difference(sums, answer) is None


question = Question("11.3", "All answers together: 231 %", answer_log_probs, forbidden=("minillm", "trl"))

closed = question.probe("answers that are closed", _closed, _shape, kinds=CLOSED, at_last=_which_tokens)
closed.mistake(
    "The token that closes the answer does not count.",
    "To stop is a choice like any other, and has its chance. Only what stands behind it is padding.",
    partial(_answer_log_probs, which=lambda ids, prompt_lengths, end: _after(ids, prompt_lengths) & (ids != end)),
)
closed.mistake(
    "The padding counts: every end token behind the first one.",
    "An answer is over with its first end token. How many are there in front of this place?",
    partial(_answer_log_probs, which=lambda ids, prompt_lengths, end: _after(ids, prompt_lengths)),
)


closed.mistake(
    "The prompt counts.",
    "The tokens of the answer begin at place `prompt_lengths`.",
    partial(
        _answer_log_probs,
        which=lambda ids, prompt_lengths, end: _answer_mask(ids, prompt_lengths, end) | ~_after(ids, prompt_lengths),
    ),
)


closed.mistake(
    "The first token of the answer does not count.",
    "It stands at place `prompt_lengths`, and is predicted by the logits at the place before.",
    partial(
        _answer_log_probs,
        which=lambda ids, prompt_lengths, end: _answer_mask(ids, prompt_lengths, end) & _after(ids, prompt_lengths, 1),
    ),
)
closed.mistake(
    "The logits are not shifted: each is asked for the token that it has already read.",
    "The logits at place t predict the token at t + 1.",
    partial(_answer_log_probs, shift=0),
)
closed.mistake(
    "It is the mean over the tokens, not the sum.",
    "The logarithm of a product is a sum. (A mean is another method's choice: SimPO.)",
    partial(_answer_log_probs, mean=True),
)
closed.mistake(
    "Logits are added up, not log-probabilities.", "`log_softmax(-1)` first.", partial(_answer_log_probs, raw=True)
)

closed.mistake(
    "The softmax is taken over the places, not over the vocabulary.",
    "The chances of all V tokens at one place add up to 1: `log_softmax(-1)`.",
    partial(_answer_log_probs, axis=1),
)
closed.mistake(
    "The length of the first prompt is used for all rows.",
    "`prompt_lengths` has a number for each row: compare places with `prompt_lengths[:, None]`.",
    lambda logits, ids, prompt_lengths, end: answer_log_probs(
        logits, ids, prompt_lengths[:1].expand_as(prompt_lengths), end
    ),
)
closed.mistake(
    "The last token of the prompt counts, too.",
    "The answer begins at place `prompt_lengths`, and is predicted by the logits at the place before.",
    partial(
        _answer_log_probs,
        which=lambda ids, prompt_lengths, end: (
            _answer_mask(ids, prompt_lengths, end) | (torch.arange(ids.shape[1]) == prompt_lengths[:, None] - 1)
        ),
    ),
)
closed.mistake(
    "The first token of padding counts, too.",
    "The sum ends with the first end token.",
    partial(
        _answer_log_probs,
        which=lambda ids, prompt_lengths, end: (
            _after(ids, prompt_lengths)
            & (((ids == end) & _after(ids, prompt_lengths)).cumsum(1) - (ids == end).long() <= 1)
        ),
    ),
)
closed.mistake(
    "Probabilities are multiplied, and the logarithm is missing.",
    "log p is asked for: the sum of the logarithms.",
    lambda *call: answer_log_probs(*call).exp(),
)

cut_off = question.probe(
    "answers that were cut off, and prompts of several turns", _cut_off, _shape, kinds=CUT_OFF, at_last=_which_tokens
)


@cut_off.mistake(
    "An end token in the prompt is taken for the end of the answer.",
    "A prompt of several turns holds their ends. Look from `prompt_lengths` on only.",
)
@_with_which
def _first_end_of_the_row(ids: Tensor, prompt_lengths: Tensor, end: int) -> Tensor:
    return _after(ids, prompt_lengths) & _answer_mask(ids, torch.zeros_like(prompt_lengths), end)


cut_off.mistake(
    "The first token of an answer does not count where the prompt ends with an end token.",
    "Only an end token of the answer closes it. Look from `prompt_lengths` on only.",
    partial(
        _answer_log_probs,
        which=lambda ids, prompt_lengths, end: _answer_mask(ids, prompt_lengths, end) & (ids.roll(1, 1) != end),
    ),
)


@cut_off.mistake(
    "An answer without an end token counts as nothing.",
    "It was cut off at the end of the row. All of its tokens count.",
)
@_with_which
def _nothing_without_end(ids: Tensor, prompt_lengths: Tensor, end: int) -> Tensor:
    closed = ((ids == end) & _after(ids, prompt_lengths)).any(1, keepdim=True)
    return _answer_mask(ids, prompt_lengths, end) & closed
