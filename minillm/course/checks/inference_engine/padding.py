"""12.2, a bug-hunt: texts of unequal length in one rectangle, whose padding moves the words and swallows some.

Both mistakes happen. GPT-2 in `transformers` counted padding as positions (its issue 3021, mended in pull request
7552). And where the token that pads also stands in the texts, whoever looks for it to find the padding hides a part of
them (issue 1080 of Qwen). In Ottermere it stands at the beginning of each.
"""

import random
from functools import partial

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.inference_engine.rectangle import explain
from minillm.course.checks.question import Question

Batch = tuple[Tensor, Tensor, Tensor]


def left_padded(
    texts: list[list[int]], pad: int
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"], Bool[Tensor, "B T T"]]:
    """The right answer, row by row.

    >>> ids, positions, visible = left_padded([[7, 8], [0]], pad=0)
    >>> ids.tolist(), positions.tolist()
    ([[7, 8], [0, 0]], [[0, 1], [0, 0]])
    >>> visible[1].int().tolist()
    [[1, 0], [0, 1]]
    """
    width = max(map(len, texts))
    ids = torch.full((len(texts), width), pad)
    positions = torch.zeros(len(texts), width, dtype=torch.long)
    visible = torch.eye(width, dtype=torch.bool).repeat(len(texts), 1, 1)
    for row, text in enumerate(texts):
        start = width - len(text)
        ids[row, start:] = torch.tensor(text)
        positions[row, start:] = torch.arange(len(text))
        visible[row, start:, start:] = torch.ones(len(text), len(text)).tril() > 0
    return ids, positions, visible


def _positions(texts: list[list[int]], pad: int, *, count) -> Batch:
    """Other positions; `count(places, starts)` says which, from (T,) and (B, 1)."""
    ids, _, visible = left_padded(texts, pad)
    starts = torch.tensor([[ids.shape[1] - len(text)] for text in texts])
    return ids, count(torch.arange(ids.shape[1]), starts).expand_as(ids).contiguous(), visible


def _found(texts: list[list[int]], pad: int, *, leading: bool, in_positions: bool) -> Batch:
    """Padding found by its id: everywhere, or up to the first other token."""
    ids, positions, visible = left_padded(texts, pad)
    real = ids != pad
    if leading:
        real = real.cumsum(1) > 0
    seen = torch.ones_like(visible).tril() & real[:, None, :]
    if in_positions:
        positions = (real.cumsum(1) - 1).clamp(min=0)
    return ids, positions, seen | torch.eye(ids.shape[1], dtype=torch.bool)


PLAIN = ("two texts", "three texts", "a text of one token", "one text", "texts of one length")
HOLDING = ("the pad at the beginning", "the pad inside", "the pad inside", "the pad at the end", "nothing but the pad")


def _texts(rng: random.Random, holds_pad: bool) -> list[Call]:
    """Batches of unequal texts, without the id that pads or with it, at the beginning, inside and at the end."""
    calls = []
    for lengths in (
        (2, 3),
        (4, 2, 5),
        (3, 6, 1, 4),
        (3,) if not holds_pad else (2, 4),
        (2, 2) if not holds_pad else (1, 3),
    ):
        pad = rng.randint(0, 9)
        words = [id for id in range(10) if id != pad]
        texts = [rng.choices(words, k=length) for length in lengths]
        if holds_pad:
            texts = [[pad, *text] for text in texts]
            longest = max(texts, key=len)
            longest[rng.randrange(1, len(longest) - 1)] = pad
        calls.append((texts, pad))
    if holds_pad:
        (at_end, pad), (bare, only) = calls[3:]
        at_end[0][-1] = pad
        bare[0] = [only] * len(bare[0])
    return calls


question = Question(
    "12.2",
    "Who sits beside you must not matter",
    left_padded,
    forbidden=("minillm", "torch.nn.utils.rnn.pad_sequence"),
    parts=("ids", "positions", "visible"),
)

distinct_pad = question.probe(
    "padding that no text holds", lambda rng: _texts(rng, holds_pad=False), explain, kinds=PLAIN
)
distinct_pad.mistake(
    "The positions count the padding.",
    "The first token of a text stands at position 0, in whichever column that is.",
    partial(_positions, count=lambda places, starts: places),
)
distinct_pad.mistake(
    "A text's positions are the numbers of its columns: they begin at the padding, and only padding itself has 0.",
    "The first token of a text stands at position 0, in whichever column that is: subtract the column it begins at.",
    partial(_positions, count=lambda places, starts: torch.where(places < starts, 0, places)),
)
distinct_pad.mistake(
    "The positions of the padding are negative, and a table of positions has no such row.",
    "Where there is no text yet the position is 0: cut off below.",
    partial(_positions, count=lambda places, starts: places - starts),
)


@distinct_pad.mistake(
    "The padding stands behind the texts.", "All texts must end in the last column, where their next token is read off."
)
def _right_padded(texts, pad):
    ids, _, visible = left_padded([text[::-1] for text in texts], pad)
    lengths = torch.tensor([[len(text)] for text in texts])
    places = torch.arange(ids.shape[1]).expand(len(texts), -1)
    return ids.flip(1), torch.where(places < lengths, places, 0), visible.flip(1, 2).mT


@distinct_pad.mistake(
    "All rows of the ids are one and the same list, so each holds what was written last.",
    "`[row] * B` repeats one list. Make a new row for each text.",
)
def _one_row(texts, pad):
    ids, positions, visible = left_padded(texts, pad)
    row = ids[0].clone()
    for text in texts:
        row[len(row) - len(text) :] = torch.tensor(text)
    return row.expand_as(ids).contiguous(), positions, visible


@distinct_pad.mistake("The padding can be seen.", "Hide its columns from every query but itself.")
def _seen_padding(texts, pad):
    ids, positions, visible = left_padded(texts, pad)
    return ids, positions, torch.ones_like(visible).tril()


@distinct_pad.mistake(
    "A column of padding sees nothing at all, and softmax divides 0 by 0 there.",
    "Let it see itself: nobody listens to it, and NaN would spread.",
)
def _blind_padding(texts, pad):
    ids, positions, visible = left_padded(texts, pad)
    starts = torch.tensor([ids.shape[1] - len(text) for text in texts])
    return ids, positions, visible & (torch.arange(ids.shape[1]) >= starts[:, None])[:, :, None]


distinct_pad.mistake(
    "The positions count from 1.",
    "The first token of a text stands at position 0: the running sum of real tokens, less 1.",
    partial(_positions, count=lambda places, starts: (places - starts + 1).clamp(min=0)),
)
distinct_pad.mistake(
    "Padding stands at position 1, not at 0.",
    "A text's first token stands at 0, and so does padding.",
    partial(_positions, count=lambda places, starts: torch.where(places < starts, 1, places - starts)),
)


@distinct_pad.mistake("A token sees what comes later in its text.", "Causal: itself and what came before.")
def _whole_text(texts, pad):
    ids, positions, visible = left_padded(texts, pad)
    return ids, positions, visible | visible.mT


@distinct_pad.mistake(
    "A column of padding also sees the padding in front of it.", "It sees itself alone, as the text says."
)
def _padding_among_itself(texts, pad):
    ids, positions, visible = left_padded(texts, pad)
    real = torch.arange(ids.shape[1]) >= torch.tensor([[ids.shape[1] - len(text)] for text in texts])
    return ids, positions, torch.ones_like(visible).tril() & (real[:, :, None] == real[:, None, :])


@distinct_pad.mistake(
    "The mask is transposed: a token sees what comes later, and not what came before.",
    "The first of two columns looks at the second: rows are who looks.",
)
def _transposed_mask(texts, pad):
    ids, positions, visible = left_padded(texts, pad)
    return ids, positions, visible.mT.contiguous()


pad_in_text = question.probe(
    "texts that hold the padding's token themselves",
    lambda rng: _texts(rng, holds_pad=True),
    explain,
    kinds=HOLDING,
)
pad_in_text.mistake(
    "Tokens of a text are hidden because they have the padding's id.",
    "The lengths of the texts say what is padding, not the ids.",
    partial(_found, leading=False, in_positions=False),
)
pad_in_text.mistake(
    "Tokens of a text are hidden, and not counted, because they have the padding's id.",
    "The lengths of the texts say what is padding, not the ids.",
    partial(_found, leading=False, in_positions=True),
)
pad_in_text.mistake(
    "The token at the beginning of a text is taken for padding.",
    "In the ids both look alike. `T - len(text)` says where a text begins.",
    partial(_found, leading=True, in_positions=True),
)
