"""10.reward_at_end: the reward of each text in a padded batch, read at its last real token (Ouyang et al. 2022)."""

import random
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.reward_models.reading_mistakes import BEHIND, IN_FRONT, last_of


def reward_at_end(hidden, mask, w):
    """hidden (B, T, C), mask (B, T), w (C,) -> (B,): the reward of each row, at its last token."""
    B, T = mask.shape
    positions = torch.arange(T) * mask  # 0 at padding
    last = positions.argmax(dim=1)  # (B,)
    return hidden[torch.arange(B), last] @ w


turn = Turn(
    "10.reward_at_end",
    "The reward, read at the end",
    reward_at_end,
    minutes=7,
    difficulty=3,
    hints=(
        "A row's mask is True, True, False. At which position do you read? And if it's False, True, True?",
        "Find one position per row, a tensor (B,), and index with two tensors: row numbers and positions.",
        "Multiply the mask by the position numbers 0, 1, 2, ...: where is the largest one, in each row?",
    ),
    errors={
        "out of bounds|out of range": "A row of n tokens ends at position n - 1, counted from its first one.",
        r"not implemented for 'Bool'|with a bool tensor|support bool": "The mask is True and False: "
        "`mask.int()` has 1 and 0.",
        "size of tensor|must match|shape mismatch|inconsistent|cannot be multiplied|Expected size|dot :": "`hidden` "
        "is (B, T, C), `mask` is (B, T), `w` is (C,), and there is one position per row, (B,).",
        r"name '(\w*ids|\w*pad\w*|PAD|B|T|C|\w*lengths?|head|last|ends?|seq_len|attention_mask)' is not defined": ""
        "There are `hidden`, `mask` and `w`, and what you make of them: `B, T, C = hidden.shape`.",
        "equal size|invalid for input of size": "Rows have different numbers of tokens, so they don't fit into one "
        "table. Find one position per row.",
        "1D tensors expected": "`dot` takes two vectors, and here are B of them: `vectors @ w`.",
        "same number of dimensions|Index tensor|expected dtype int64|Expected index|must be long, (int|byte)": "An "
        "index holds whole numbers. `gather` wants (B, 1, C); `hidden[rows, positions]` is easier.",
        "converted to (a )?Scalar|only one element|only integer tensors|an index": "There is one position per row: "
        "index with a tensor of them, or loop over the rows.",
        "not callable": "`w` is a plain tensor (C,): `vectors @ w`.",
        "Boolean value of Tensor|ambiguous": "An `if` asks about one number: `mask[b, t]`.",
        "has no attribute|unexpected keyword": "All three are plain tensors.",
        "changed the input": "Leave `hidden` as it is: pick from it.",
    },
    debrief=Debrief(
        "transformers' ...ForSequenceClassification looks for the last token that isn't `pad_token_id`. Without one in "
        "its configuration, it reads the last column, or refuses batches.",
        "Why at the last token, and not at the first one?",
    ),
)


def _batch(rng: random.Random, lengths: list[int], T: int, C: int, front: bool) -> Call:
    """Rows of these lengths, padded to T in front or behind."""
    rows = [[False] * (T - n) + [True] * n if front else [True] * n + [False] * (T - n) for n in lengths]
    return numbers(rng, len(lengths), T, C), torch.tensor(rows), numbers(rng, C)


def _lengths(rng: random.Random, B: int, T: int) -> list[int]:
    """At least two different ones, none of them 1, and one row that is full."""
    while True:
        found = [rng.randint(2, T - 1) for _ in range(B - 1)]
        if B < 3 or len(set(found)) > 1:
            found.insert(rng.randrange(1, B) if B > 1 else 0, T)
            return found


def _behind(rng: random.Random) -> list[Call]:
    first: Call = (
        torch.tensor([[[1.0, 0.0], [2.0, 0.5], [7.0, 1.0]], [[4.0, 1.0], [0.0, 3.0], [5.0, 0.5]]]),
        torch.tensor([[True, True, False], [True, True, True]]),
        torch.tensor([1.0, 10.0]),
    )
    sizes = ((3, 4, 2), (4, 5, 4), (3, 6, 3), (5, 5, 5))
    return [first, *(_batch(rng, _lengths(rng, B, T), T, C, front=False) for B, T, C in sizes)]


def _in_front(rng: random.Random) -> list[Call]:
    return [_batch(rng, [2], 3, 2, True), *(_batch(rng, _lengths(rng, B, 5), 5, 3, True) for B in (3, 4))]


def _edges(rng: random.Random) -> list[Call]:
    """One token, no padding, and rows padded on different sides."""
    one, full = _batch(rng, [1, 4], 4, 3, False), _batch(rng, [3, 3], 3, 2, False)
    hidden, mask, w = _batch(rng, [2, 3, 4], 4, 3, False)
    mask[1] = mask[1].flip(0)
    return [one, full, (hidden, mask, w)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, ((hidden, mask, w), answer) in enumerate(zip(calls, got, strict=True)):
        B, T, C = hidden.shape
        if type(answer) is tuple:
            return "Several things are returned.", "Return one tensor, (B,).", index
        tensor = as_tensor(answer)
        if tensor is None or tensor.shape == (B,):
            continue
        shape = tuple(tensor.shape)
        if len({B, T, C}) < 3 and index < 2:  # another call tells which of them it is
            continue
        if shape == (B, T):
            return "Every token has a reward here.", "Keep the one at the end of each row.", index
        if shape == (B, C):
            return "There are C numbers per row.", "Multiply with `@ w`, or sum over C: one number per row.", index
        if shape == (B, 1):
            return "The rewards stand in a column, (B, 1).", "`w` is (C,): `vectors @ w` is (B,).", index
        if shape in ((B, B), (B, B, C)):
            hint = "`hidden[:, last]` takes all positions from each row. `hidden[torch.arange(B), last]` takes one."
            return "Each row is read at the ends of all rows.", hint, index
        if shape == (int(mask.sum()),):
            return "The tokens of all rows are in one line here.", "Keep the one at the end of each row.", index
        if shape == () and B > 1:
            ends = hidden[torch.arange(B), last_of(mask)] @ w
            if difference(ends[0], tensor) is None:
                return "Only the first row's reward is returned.", "Is there a `return` inside a loop?", index
            if difference(ends[-1], tensor) is None:
                hint = "`hidden[mask]` puts the tokens of all rows in one line. Does a loop keep the last row only?"
                return "Only the last row's reward is returned.", hint, index
            return "That's one number for all rows.", "One reward per row is asked for: (B,).", index
        return f"The shape is {shape}, and (B,) is asked for.", "One number per row.", index
    return None


def _where(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """At which token a wrong row was read, if each was read at exactly one."""
    found: list[tuple[int, int, int, int]] = []
    for index, ((hidden, mask, w), due, gave) in enumerate(zip(calls, right, got, strict=True)):
        rewards = hidden @ w  # (B, T)
        for row, value in enumerate(torch.as_tensor(as_tensor(gave)).tolist()):
            places = [t for t in range(hidden.shape[1]) if difference(float(rewards[row, t]), value) is None]
            last = int((torch.arange(hidden.shape[1]) * mask[row]).argmax())
            if difference(float(due[row]), value) is not None:
                if len(places) != 1:
                    return None
                found.append((index, row, places[0], last))
    index, row, place, last = found[0]
    what = "" if calls[index][1][row, place] else ", which is padding"
    sentence = f"Row {row} is read at position {place}{what}; its last token is at {last}."
    return sentence, "Print your positions beside the mask.", index


behind = turn.probe("padding behind", _behind, _form)
in_front = turn.probe("padding in front", _in_front, _form)
edges = turn.probe("one token, no padding, both sides", _edges, _form)
for probe, mistakes in ((behind, BEHIND), (in_front, IN_FRONT)):
    probe.at_last = _where
    for sentence, hint, answer in mistakes:
        probe.mistake(sentence, hint, answer)
edges.at_last = _where
