"""09.4: several conversations packed into one row: inputs, targets, positions and the attention mask."""

import random
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.question import Question
from minillm.course.checks.sft.places import which
from minillm.losses import IGNORE
from minillm.model.segments import segment_mask, segment_positions

Conversation = tuple[list[int], list[bool]]
Row = tuple[Int[Tensor, "T"], Int[Tensor, "T"], Int[Tensor, "T"], Bool[Tensor, "T T"]]


def pack_row(conversations: list[Conversation], length: int) -> Row:
    """The right answer, with the package's segments.

    >>> inputs, targets, positions, visible = pack_row([([5, 6, 7], [False, True, True]), ([8], [True])], length=5)
    >>> inputs.tolist(), targets.tolist(), positions.tolist()
    ([5, 6, 7, 8, 0], [6, 7, -100, -100, -100], [0, 1, 2, 0, 0])
    >>> visible.int().tolist()
    [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    """
    ids, mask, segments = _laid_out(conversations, length)
    learned = mask[1:] & (segments[1:] == segments[:-1])
    positions, visible = segment_positions(segments[None])[0], segment_mask(segments[None], length)[0, 0]
    return ids, _targets(ids[1:], learned), positions, visible


def _laid_out(conversations: list[Conversation], length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, marks and segments of the row, 0 where nothing stands."""
    ids, mask, segments = (torch.zeros(length, dtype=torch.long) for _ in range(3))
    at = 0
    for number, (own, marks) in enumerate(conversations, start=1):
        place = slice(at, at := at + len(own))
        ids[place], mask[place], segments[place] = torch.tensor(own), torch.tensor(marks), number
    return ids, mask == 1, segments


def _targets(next_ids: Tensor, learned: Tensor) -> Tensor:
    return torch.cat([next_ids.where(learned, IGNORE), torch.tensor([IGNORE])])


def _with_targets(
    conversations: list[Conversation], length: int, *, make: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Row:
    """The row with other targets, from ids, marks and segments."""
    inputs, _, positions, visible = pack_row(conversations, length)
    return inputs, make(*_laid_out(conversations, length)), positions, visible


def _with_positions(conversations: list[Conversation], length: int, *, make: Callable[[Tensor, Tensor], Tensor]) -> Row:
    """The row with other positions, from the right ones and the segments."""
    inputs, targets, positions, visible = pack_row(conversations, length)
    return inputs, targets, make(positions, _laid_out(conversations, length)[2]), visible


def _with_mask(
    conversations: list[Conversation], length: int, *, make: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Row:
    """The row with another mask, from the right one, the segments of queries (T, 1) and of keys."""
    inputs, targets, positions, visible = pack_row(conversations, length)
    segments = _laid_out(conversations, length)[2]
    return inputs, targets, positions, make(visible, segments[:, None], segments)


def _conversation(rng: random.Random, size: int, document: bool = False) -> Conversation:
    """A prompt and an answer that counts, or a document, of which all tokens count."""
    prompt = 0 if document else rng.randint(1, size - 2)
    ids = [rng.randint(3, 99) for _ in range(size)]
    ids[rng.randrange(size)] = 0  # a token's id like any other
    return ids, [place >= prompt for place in range(size)]


def _one(rng: random.Random) -> list[Call]:
    calls = [([([5, 6, 7, 8], [False, False, True, True])], 4)]
    calls += [([_conversation(rng, size, size == 6)], size) for size in (5, 6, 8)]
    calls.append(([(_conversation(rng, 6)[0], [False] * 6)], 6))
    return [*calls, ([([50_256, 0, 128_255, 0], [True, False, True, True])], 4), ([([9], [True])], 1)]


ONE = *["questions and answers"] * 4, "no token that counts", "a mask in any order, and large ids", "a single token"


def _several(rng: random.Random) -> list[Call]:
    calls = []
    for sizes in ((3, 2), (4, 3, 5), (3, 6, 4, 3)):
        row = [_conversation(rng, size, number == 1) for number, size in enumerate(sizes)]
        calls.append((row, sum(sizes)))
    return [*calls, ([([7], [True]), ([8, 0], [True, True]), ([5], [False])], 4)]


SEVERAL = *["several conversations"] * 3, "conversations of one token"
ROOM = *["several conversations"] * 3, "conversations of one token", "one conversation"


def _with_room(rng: random.Random) -> list[Call]:
    calls = [(row, length + empty) for (row, length), empty in zip(_several(rng), (2, 3, 4, 1), strict=True)]
    return [*calls, ([([5, 0, 6], [False, True, True])], 5)]


question = Question("09.4", "Pack conversations into a row", pack_row)

one_conversation = question.probe("one conversation", _one, which, demand=same_kind, kinds=ONE)
one_conversation.mistake(
    "The targets aren't shifted: each position has its own token as target.",
    "The target at index t is the token at t + 1.",
    partial(_with_targets, make=lambda ids, mask, segments: ids.where(mask, IGNORE)),
)
one_conversation.mistake(
    "The mask isn't shifted with the tokens: `counts[t]` decides about the target at index t.",
    "Index t has the token at t + 1 as target if *that* one counts: shift ids and mask together.",
    partial(_with_targets, make=lambda ids, mask, segments: _targets(ids[1:], mask[:-1])),
)
one_conversation.mistake(
    "Tokens that don't count are targets, too.",
    "A token that doesn't count is replaced by -100.",
    partial(_with_targets, make=lambda ids, mask, segments: _targets(ids[1:], segments[1:] > 0)),
)
one_conversation.mistake(
    "The last position has the first token as target: the row was rolled around.",
    "Nothing follows the last position. Its target is -100.",
    partial(_with_targets, make=lambda ids, mask, segments: ids.roll(-1).where(mask.roll(-1), IGNORE)),
)
one_conversation.mistake(
    "A position sees what comes after it.",
    "Within a conversation, the mask is causal.",
    partial(_with_mask, make=lambda visible, queries, keys: queries == keys),
)


@one_conversation.mistake(
    "A token with the id 0 is taken for an unused position.",
    "The ids don't say which positions are unused. Count: all positions after the last conversation are.",
)
def _zero_is_empty(conversations, length):
    inputs, targets, positions, visible = pack_row(conversations, length)
    empty = inputs == 0
    alone = visible & ~empty & ~empty[:, None] | torch.eye(length, dtype=torch.bool)
    return inputs, targets, positions.where(~empty, 0), alone


one_conversation.mistake(
    "`visible` is transposed: a position sees what comes after it.",
    "Row t says what index t sees: itself and what comes before it, `tril`.",
    partial(_with_mask, make=lambda visible, queries, keys: visible.T),
)
one_conversation.mistake(
    "`visible` is inverted: True where attention is not allowed.",
    "True means that t may attend to s.",
    partial(_with_mask, make=lambda visible, queries, keys: ~visible),
)
one_conversation.mistake(
    "A token with the id 0 is never a target.",
    "0 is a token like any other. Only `counts` decides.",
    partial(
        _with_targets,
        make=lambda ids, mask, segments: _targets(ids[1:], mask[1:] & (segments[1:] == segments[:-1]) & (ids[1:] != 0)),
    ),
)
one_conversation.mistake(
    "Positions start at 1.",
    "The first token of a conversation has position 0.",
    partial(_with_positions, make=lambda positions, segments: positions + (segments > 0)),
)
one_conversation.mistake(
    "0 stands for no target, but 0 is a token.",
    "Use -100 where there's no target.",
    lambda conversations, length: _zero_for_none(conversations, length),
)


def _zero_for_none(conversations: list[Conversation], length: int) -> Row:
    inputs, targets, positions, visible = pack_row(conversations, length)
    return inputs, targets.clamp(min=0), positions, visible


several = question.probe("several conversations", _several, which, demand=same_kind, kinds=SEVERAL)
several.mistake(
    "The last token of a conversation has the first token of the next one as target.",
    "A conversation's first token is never a target.",
    partial(_with_targets, make=lambda ids, mask, segments: _targets(ids[1:], mask[1:])),
)
several.mistake(
    "Positions continue from one conversation to the next.",
    "Each must be computed as if it were alone: its first token has position 0.",
    partial(_with_positions, make=lambda positions, segments: torch.arange(len(segments))),
)
several.mistake(
    "A conversation sees those before it.",
    "Besides the future, mask all other conversations.",
    partial(_with_mask, make=lambda visible, queries, keys: torch.ones_like(visible).tril()),
)

padding = question.probe("unused positions", _with_room, which, demand=same_kind, kinds=ROOM)
padding.mistake(
    "An unused position sees nothing, and a softmax over nothing is NaN.",
    "Let it see itself: the whole diagonal of the mask is True.",
    partial(_with_mask, make=lambda visible, queries, keys: visible & (queries != 0)),
)
padding.mistake(
    "Unused positions see each other, as if they were one more conversation.",
    "An unused position sees itself and nothing else.",
    partial(_with_mask, make=lambda visible, queries, keys: (queries == keys).tril()),
)
padding.mistake(
    "`positions` counts the unused positions.",
    "It should be 0 there.",
    partial(
        _with_positions, make=lambda positions, segments: positions.where(segments > 0, (segments == 0).cumsum(0) - 1)
    ),
)
padding.mistake(
    "Unused positions are targets.",
    "Nothing is learned from padding: -100.",
    partial(
        _with_targets,
        make=lambda ids, mask, segments: _targets(
            ids[1:], (mask[1:] & (segments[1:] == segments[:-1])) | (segments[1:] == 0)
        ),
    ),
)
