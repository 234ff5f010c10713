"""00a.2: texts of different lengths in one batch, padded left or right, with the mask that attention will need.

The mask must come from the lengths. Many models use their end-of-text token for padding, SmolLM2-Instruct among them,
and `ids != pad` then masks real tokens: pull request 6357 of huggingface/trl, 1694 of microsoft/onnxruntime-genai.
"""

import random
from functools import partial

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.question import Question

Batch = tuple[Tensor, Tensor]  # (B, T) ids and (B, T) mask
Texts = list[list[int]]


def pad_batch(texts: Texts, pad: int, side: str, max_length: int) -> Batch:
    """The right answer, row by row.

    >>> pad_batch([[5, 6, 7], [8]], pad=0, side="left", max_length=10)
    (tensor([[5, 6, 7],
            [0, 0, 8]]), tensor([[ True,  True,  True],
            [False, False,  True]]))
    """
    return _pad_batch(texts, pad, side, max_length)


def _pad_batch(texts, pad, side, max_length, *, keep="last", width=None, reverse=False, mask_by_id=False) -> Batch:
    """The batch, with one thing done differently."""
    cut = [text[-max_length:] if keep == "last" else text[:max_length] for text in texts]
    T = max(map(len, cut)) if width is None else width(texts, max_length)
    ids, mask = [], []
    for text in cut:
        text = text[:T]
        empty = T - len(text)
        real = [True] * len(text)
        row = text[::-1] if reverse else text
        ids.append([pad] * empty + row if side == "left" else row + [pad] * empty)
        mask.append([False] * empty + real if side == "left" else real + [False] * empty)
    table = torch.tensor(ids)
    return table, (table != pad if mask_by_id else torch.tensor(mask))


def _texts(rng: random.Random, lengths: tuple[int, ...], pad: int, repeats: int = 0) -> Texts:
    """Texts of these lengths; `pad` occurs in them only as often as `repeats` says, once in each of so many texts."""
    others = [id for id in range(1, 30) if id != pad]
    texts = [rng.choices(others, k=n) for n in lengths]
    for text in [text for text in texts if text][:repeats]:
        text[rng.randrange(len(text))] = pad
    return texts


def _draw(rng: random.Random, *cases: tuple[tuple[int, ...], int, str, int, int]) -> list[Call]:
    return [(_texts(rng, lengths, pad, repeats), pad, side, most) for lengths, pad, side, most, repeats in cases]


def _lengths(rng: random.Random, B: int, longest: int) -> tuple[int, ...]:
    lengths = [longest, *(rng.randint(1, longest) for _ in range(B - 1))]
    rng.shuffle(lengths)
    return tuple(lengths)


def _right(rng: random.Random) -> list[Call]:
    several = [(_lengths(rng, 4, n), pad, "right", 99, 0) for n, pad in ((4, 0), (6, 7), (5, 50_256))]
    return _draw(rng, ((1, 2), 0, "right", 10, 0), ((3, 3), 0, "right", 10, 0), ((4,), 0, "right", 10, 0), *several)


def _left(rng: random.Random) -> list[Call]:
    several = [(_lengths(rng, 4, n), pad, "left", 99, 0) for n, pad in ((4, 0), (6, 7), (5, 50_256))]
    both = (_lengths(rng, 4, 5), 0, "right", 99, 0)
    return _draw(rng, ((1, 2), 0, "left", 10, 0), ((3, 3), 0, "left", 10, 0), *several, both)


def _long(rng: random.Random) -> list[Call]:
    cases = [((4, 1), 0, side, 3, 0) for side in ("right", "left")]
    cases += [(_lengths(rng, 4, 9), 7, side, 5, 0) for side in ("right", "left")]
    return _draw(rng, *cases, ((5, 2, 3), 0, "left", 5, 0), ((6, 7), 0, "right", 4, 0), ((3, 2), 0, "left", 1, 0))


def _same_id(rng: random.Random) -> list[Call]:
    cases = [((2, 3), 0, side, 9, 1) for side in ("right", "left")]
    cases += [((0, 2, 3), 4, side, 9, 0) for side in ("right", "left")]
    cases += [(_lengths(rng, 4, 6), 11, side, most, 4) for side in ("right", "left") for most in (4, 9)]
    return _draw(rng, *cases)


RIGHT = "two texts", "texts of one length", "a single text", *["several texts"] * 3
LEFT = "two texts", "texts of one length", *["several texts"] * 3, "padding on the right"
LONG = (
    "right padding, one text too long",
    "left padding, one text too long",
    "right padding, several texts too long",
    "left padding, several texts too long",
    "a text of exactly max_length",
    "all texts too long",
    "max_length 1",
)
SAME_ID = (
    "the padding id in a text (right padding)",
    "the padding id in a text (left padding)",
    "an empty text (right padding)",
    "an empty text (left padding)",
    *["all of these together"] * 4,
)


question = Question(
    "00a.2",
    "Pad a batch and build its mask",
    pad_batch,
    forbidden=("minillm", "torch.nn.utils.rnn"),
    parts=("ids", "mask"),
)

on_the_right = question.probe("padding on the right", _right, demand=same_kind, kinds=RIGHT)
on_the_right.mistake(
    "The padding is always on the left.",
    'With `side="right"` the ids come first, and the padding after them.',
    lambda texts, pad, side, most: _pad_batch(texts, pad, "left", most),
)
on_the_right.mistake(
    "The mask is True for the padding and False for tokens.",
    "True marks a real token. Invert it with `~`.",
    lambda texts, pad, side, most: (pad_batch(texts, pad, side, most)[0], ~pad_batch(texts, pad, side, most)[1]),
)
on_the_right.mistake(
    "The padding is always id 0.",
    "Fill the batch with `pad`: `torch.full((B, T), pad)`.",
    lambda texts, pad, side, most: pad_batch(texts, 0, side, most),
)
on_the_right.mistake(
    "The batch is max_length wide, though all texts are shorter.",
    "T is the length of the longest text, and max_length only limits it. Padding costs time in every layer.",
    partial(_pad_batch, width=lambda texts, most: most),
)
on_the_right.mistake(
    "All texts are cut to the length of the shortest.",
    "No token may get lost here: T is the length of the longest text.",
    partial(_pad_batch, keep="first", width=lambda texts, most: min(map(len, texts))),
)
on_the_right.mistake(
    "The batch is one column too wide.",
    "T is the length of the longest text, so one row has no padding at all.",
    partial(_pad_batch, width=lambda texts, most: max(map(len, texts)) + 1),
)

on_the_right.mistake(
    "The texts are sorted by length.",
    "Row b of the batch is text b, so that answers find their texts again. Don't sort.",
    lambda texts, pad, side, most: pad_batch(sorted(texts, key=len, reverse=True), pad, side, most),
)

on_the_left = question.probe("padding on the left", _left, demand=same_kind, kinds=LEFT)
on_the_left.mistake(
    "The padding is always on the right.",
    'With `side="left"` a text ends in the last column: `ids[row, T - len(text):]`.',
    lambda texts, pad, side, most: _pad_batch(texts, pad, "right", most),
)
on_the_left.mistake(
    "The mask is that of right padding, whatever `side` says.",
    "Set the mask where you write the ids, with the same slice.",
    lambda texts, pad, side, most: (pad_batch(texts, pad, side, most)[0], _pad_batch(texts, pad, "right", most)[1]),
)


@on_the_left.mistake(
    "The texts are reversed with left padding.",
    "Padding is put before the text, and the text stays in its order. Don't flip the rows.",
)
def _flipped(texts, pad, side, max_length):
    return _pad_batch(texts, pad, side, max_length, reverse=side == "left")


too_long = question.probe("texts longer than max_length", _long, demand=same_kind, kinds=LONG)
too_long.mistake(
    "Of a long text the first ids are kept.",
    "The next token depends most on the latest ones. Keep the end: `text[-max_length:]`.",
    partial(_pad_batch, keep="first"),
)
too_long.mistake(
    "With right padding the first ids of a long text are kept.",
    "The cut doesn't depend on `side`: keep the last max_length ids.",
    lambda texts, pad, side, most: _pad_batch(texts, pad, side, most, keep="first" if side == "right" else "last"),
)
too_long.mistake(
    "With left padding the first ids of a long text are kept.",
    "The cut doesn't depend on `side`: keep the last max_length ids.",
    lambda texts, pad, side, most: _pad_batch(texts, pad, side, most, keep="first" if side == "left" else "last"),
)
too_long.mistake(
    "Long texts are not cut.",
    "Cut each text first: `text[-max_length:]`. Then find the longest.",
    lambda texts, pad, side, most: pad_batch(texts, pad, side, 99),
)


@too_long.mistake(
    "Long texts are left out of the batch.", "Every text keeps its row. Cut it to its last max_length ids."
)
def _left_out(texts, pad, side, max_length):
    fitting = [text for text in texts if len(text) <= max_length] or [[pad]]
    return pad_batch(fitting, pad, side, max_length)


too_long.mistake(
    "T is the length of the longest text before the cut.",
    "Cut all texts first, and then find the longest.",
    lambda texts, pad, side, most: _pad_batch(texts, pad, side, most, width=lambda texts, most: max(map(len, texts))),
)
too_long.mistake(
    "A text that is too short to be cut loses ids: `len(text) - max_length` is negative, and counts from the end.",
    "`text[-max_length:]` is the whole text if it is shorter. Or start at `max(len(text) - max_length, 0)`.",
    lambda texts, pad, side, most: pad_batch([text[len(text) - most :] for text in texts], pad, side, most),
)


@too_long.mistake("It is one id too short: max_length - 1 are kept.", "`text[-max_length:]` has max_length ids.")
def _one_too_short(texts, pad, side, max_length):
    return pad_batch(
        [text[-max_length + 1 :] if len(text) > max_length > 1 else text for text in texts], pad, side, max_length
    )


same_id = question.probe("the padding id in a text", _same_id, demand=same_kind, kinds=SAME_ID)
same_id.mistake(
    "A token that equals `pad` is masked out.",
    "`ids != pad` can't tell a token from padding. The lengths can: set the mask where you write the text.",
    partial(_pad_batch, mask_by_id=True),
)


@same_id.mistake(
    "With left padding an empty text is treated wrongly: `[-0:]` is the whole row.",
    "`row[T - len(text):]` is empty for an empty text, and `row[-len(text):]` is the whole row.",
)
def _minus_zero(texts, pad, side, max_length):
    ids, mask = pad_batch(texts, pad, side, max_length)
    for row, text in enumerate(texts):
        mask[row] |= not text and side == "left"
    return ids, mask


@same_id.mistake("Empty texts have no row.", "A text without ids is a row of padding, with a mask of False.")
def _without_empty(texts, pad, side, max_length):
    return pad_batch([text for text in texts if text], pad, side, max_length)
