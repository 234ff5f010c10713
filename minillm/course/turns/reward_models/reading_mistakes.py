"""What is often done instead in 10.reward_at_end: a sentence, a hint, and the answer."""

from collections.abc import Callable

import torch
from torch import Tensor

Read = Callable[[Tensor, Tensor, Tensor], Tensor]
Mistakes = tuple[tuple[str, str, Read], ...]


def last_of(mask: Tensor) -> Tensor:
    """The position of the last True in each row (B,)."""
    return (torch.arange(mask.shape[1]) * mask).argmax(1)


def at(position: Callable[[Tensor], Tensor]) -> Read:
    """Read at these positions (B,), which the mask decides; one beyond an end is the last one."""

    def read(hidden: Tensor, mask: Tensor, w: Tensor) -> Tensor:
        chosen = position(mask) % mask.shape[1]
        return hidden[torch.arange(len(mask)), chosen] @ w

    return read


def of_all(combine: Callable[[Tensor, Tensor], Tensor]) -> Read:
    """Combine all tokens' rewards (B, T) with the mask."""
    return lambda hidden, mask, w: combine(hidden @ w, mask)


def of_end(change: Callable[[Tensor, Tensor], Tensor]) -> Read:
    """Make something else of the vectors (B, C) at the ends, and w."""
    return lambda hidden, mask, w: change(hidden[torch.arange(len(mask)), last_of(mask)], w)


COLUMN = "In a padded batch, the last column of a short row is padding. Find where the mask is True for the last time."
LAST = "The last token is the only one that has seen the whole answer: read there."
BEHIND: Mistakes = (
    ("The last column is read, padding or not.", COLUMN, at(lambda mask: torch.full((len(mask),), -1))),
    ("The first token is read.", LAST, at(lambda mask: mask.int().argmax(1))),
    (
        "The token before the last one is read.",
        "Counting from 0, a row of n tokens ends at n - 1. Has 1 been subtracted twice?",
        at(lambda mask: last_of(mask) - 1),
    ),
    (
        "The first padding is read, and in a row without padding the first token.",
        "The last token is one before the first padding, which is what `argmin` finds.",
        at(lambda mask: mask.int().argmin(1)),
    ),
    (
        "The first padding is read, and in a row without padding the last token.",
        "The last token is one before the padding: subtract 1 from the number of tokens.",
        at(lambda mask: (last_of(mask) + 1).clamp(max=mask.shape[1] - 1)),
    ),
    (
        "All rows are read at the end of the first row.",
        "Each row has an end of its own.",
        at(lambda mask: last_of(mask)[:1].expand(len(mask))),
    ),
    (
        "All rows are read at the end of the shortest row.",
        "Each row has an end of its own.",
        at(lambda mask: last_of(mask).min().expand(len(mask))),
    ),
    (
        "All rows are read at position 1.",
        "Is the mask itself used as positions? Then True reads position 1. Find the last True.",
        at(lambda mask: torch.ones(len(mask), dtype=torch.long)),
    ),
    (
        "The row is turned round to find its end, and the position isn't turned back.",
        "Position k from the end is position T - 1 - k.",
        at(lambda mask: mask.flip(1).int().argmax(1)),
    ),
    (
        "The mean over all tokens is taken, padding included.",
        LAST,
        of_all(lambda rewards, mask: rewards.mean(1)),
    ),
    (
        "The mean over the tokens is taken.",
        LAST,
        of_all(lambda rewards, mask: (rewards * mask).sum(1) / mask.sum(1)),
    ),
    ("The mean is taken over T, with zeros at padding.", LAST, of_all(lambda rewards, mask: (rewards * mask).mean(1))),
    ("The rewards of all tokens are added up.", LAST, of_all(lambda rewards, mask: (rewards * mask).sum(1))),
    ("All columns are added up, padding included.", LAST, of_all(lambda rewards, mask: rewards.sum(1))),
    (
        "The largest reward of any token is taken.",
        LAST,
        of_all(lambda rewards, mask: rewards.masked_fill(~mask, -torch.inf).amax(1)),
    ),
    (
        "The largest number of a row is taken, padding included.",
        LAST,
        of_all(lambda rewards, mask: rewards.amax(1)),
    ),
    (
        "Padding is set to 0, and then the last column is read: a short row has the reward 0.",
        COLUMN,
        of_all(lambda rewards, mask: (rewards * mask)[:, -1]),
    ),
    (
        "The differences between rows only are kept: the batch's mean is subtracted.",
        "An answer's reward mustn't depend on the others in its batch.",
        of_end(lambda vectors, w: vectors @ w - (vectors @ w).mean()),
    ),
    (
        "A sigmoid is taken of the reward.",
        "The reward is any number: `@ w` is all.",
        of_end(lambda v, w: (v @ w).sigmoid()),
    ),
    ("A tanh is taken of the reward.", "The reward is any number: `@ w` is all.", of_end(lambda v, w: (v @ w).tanh())),
    (
        "The product is averaged over C, not added up.",
        "A dot product is a sum: `vectors @ w`.",
        of_end(lambda vectors, w: (vectors * w).mean(1)),
    ),
    (
        "The dot product is divided by sqrt(C), as in attention.",
        "The reward is `vectors @ w`.",
        of_end(lambda vectors, w: vectors @ w / len(w) ** 0.5),
    ),
    ("w isn't used: the vector's numbers are added up.", "The reward is `vectors @ w`.", of_end(lambda v, w: v.sum(1))),
    ("w isn't used: the vector's mean is taken.", "The reward is `vectors @ w`.", of_end(lambda v, w: v.mean(1))),
    (
        "This is a cosine.",
        "The reward is the dot product alone.",
        of_end(lambda v, w: torch.cosine_similarity(v, w[None])),
    ),
    ("The sign is wrong.", "The reward is `vectors @ w`.", of_end(lambda v, w: -(v @ w))),
    (
        "The position of the last token is returned, not the reward there.",
        "Read `hidden` at that position, then take the dot product with w.",
        lambda hidden, mask, w: last_of(mask).float(),
    ),
    ("w is added, not multiplied.", "The reward is `vectors @ w`.", of_end(lambda v, w: (v + w).sum(1))),
    (
        "Padding counts as real, and tokens as padding: the mask is used the wrong way round.",
        "True stands at tokens.",
        at(lambda mask: last_of(~mask)),
    ),
)
COUNTED = "That's its end only if the row begins at column 0: find the last True, wherever it is."
IN_FRONT: Mistakes = (
    (
        "This reads column n - 1 of a row of n tokens, but the padding is in front.",
        COUNTED,
        at(lambda mask: mask.sum(1) - 1),
    ),
    (
        "This reads column n of a row of n tokens, but the padding is in front.",
        COUNTED,
        at(lambda mask: mask.sum(1)),
    ),
    (
        "The first column is read, and the padding is in front.",
        "Find the last True, wherever the row begins.",
        of_all(lambda rewards, mask: rewards[:, 0] + 0),
    ),
    (
        "A row with padding in front is read at the first column, which is padding.",
        "Find the last True, wherever the row begins.",
        at(lambda mask: torch.where(mask.all(1), mask.shape[1] - 1, 0)),
    ),
)
