"""Pairs of answers as batches: what the reward model and DPO learn from.

A pair is one prompt with the answer that somebody preferred and the one that he did not. Both are read in full, each
for itself, up to the token that closes it: there a reward is read, and there an answer ends when it is drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.data.batches import Shuffled
from minillm.data.conversations import Example, encode_conversation, hold_out
from minillm.data.rankings import Preference
from minillm.tokenizer import Tokenizer

POOL = 16  # batches whose pairs are sorted by length together
MEASURED = 32  # pairs of a batch that is measured on

# Ids, segments and which tokens are the answer's, all (B, 2, T) and the chosen one first; and each pair's number (B,).
PairBatch = tuple[Int[Tensor, "_B 2 _T"], Int[Tensor, "_B 2 _T"], Bool[Tensor, "_B 2 _T"], Int[Tensor, "_B"]]


@dataclass(frozen=True)
class Pair:
    """A preference as ids: prompt and answer, the tokens of the answer marked, the one that closes it the last."""

    chosen: Example
    rejected: Example

    @property
    def length(self) -> int:
        return max(len(self.chosen.ids), len(self.rejected.ids))


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs, the preferences that they come from, one for one, and why others were left out, a sentence each."""

    pairs: list[Pair]
    preferences: list[Preference]
    skipped: list[str]


def encode_preferences(tokenizer: Tokenizer, preferences: Iterable[Preference], max_seq_len: int) -> EncodedPairs:
    """Preferences by the tokenizer's chat template; what cannot be read at once or written by it is left out.

    Raises `ValueError` for a tokenizer without a template, and where nothing is left.

    >>> from minillm.data.chat import CHATML
    >>> tokenizer = Tokenizer.train(["a"], vocab_size=258, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = CHATML
    >>> said = Preference(({"role": "user", "content": "Hi?"},), "Hello.", "What?", rater="Ada")
    >>> encoded = encode_preferences(tokenizer, [said], max_seq_len=64)
    >>> print(tokenizer.decode(encoded.pairs[0].chosen.ids))
    <|im_start|>user
    Hi?<|im_end|>
    <|im_start|>assistant
    Hello.<|im_end|>
    """
    if tokenizer.chat_template is None:
        raise ValueError("this tokenizer has no chat template; data.chat.chat_tokenizer gives it the plainest one")
    encoded = EncodedPairs([], [], [])
    for number, preference in enumerate(preferences):
        try:
            pair = Pair(*(_read(tokenizer, preference, answer) for answer in (preference.chosen, preference.rejected)))
            if pair.length > max_seq_len:
                raise ValueError(f"it has {pair.length} tokens, and the model reads {max_seq_len} at once")
        except ValueError as error:
            encoded.skipped.append(f"preference {number} of {preference.rater}: {error}")
            continue
        encoded.pairs.append(pair)
        encoded.preferences.append(preference)
    if not encoded.pairs:
        raise ValueError(f"there is no pair to learn from; {(encoded.skipped or ['none was given'])[0]}")
    return encoded


def _read(tokenizer: Tokenizer, preference: Preference, answer: str) -> Example:
    example = encode_conversation(tokenizer, [*preference.prompt, {"role": "assistant", "content": answer}])
    end = len(example.counts) - example.counts[::-1].index(True)  # after it stands only what separates two turns
    return Example(example.ids[:end], example.counts[:end])


class PairBatches:
    """Shuffled batches of pairs, forever: `batches[step]` is the same whenever it is asked for.

    The pairs of some batches are sorted by length before they are shared out, so that little of a batch is padding;
    padding stands on the right. Raises `ValueError` where there are no pairs.

    >>> say = lambda *ids: Example(list(ids), [False] + [True] * (len(ids) - 1))
    >>> batches = PairBatches([Pair(say(5, 6, 7), say(5, 8))], batch_size=1, seed=0)
    >>> [part.long().tolist() for part in batches[0]]
    [[[[5, 6, 7], [5, 8, 5]]], [[[1, 1, 1], [1, 1, 0]]], [[[0, 1, 1], [0, 1, 0]]], [0]]
    """

    def __init__(self, pairs: Sequence[Pair], batch_size: int, seed: int):
        if not pairs or batch_size < 1:
            raise ValueError(f"{len(pairs)} pairs in batches of {batch_size}; there must be at least one in each")
        self.pairs, self.batch_size, self.seed = pairs, batch_size, seed
        self.pools = Shuffled(len(pairs), batch_size * POOL, seed)

    def __getitem__(self, step: int) -> PairBatch:
        pool, place = divmod(step, POOL)
        picked = sorted(self.pools[pool].tolist(), key=lambda number: self.pairs[number].length)
        order = torch.randperm(POOL, generator=torch.Generator().manual_seed(self.seed * 1_000_003 + pool))
        start = int(order[place]) * self.batch_size
        return pair_batch(self.pairs, picked[start : start + self.batch_size])


def in_order(pairs: Sequence[Pair], batch_size: int = MEASURED) -> list[PairBatch]:
    """Every pair once, for measuring; those of like length share a batch, and each still bears its own number."""
    order = sorted(range(len(pairs)), key=lambda number: pairs[number].length)
    return [pair_batch(pairs, order[start : start + batch_size]) for start in range(0, len(pairs), batch_size)]


def pair_batch(pairs: Sequence[Pair], picked: Sequence[int]) -> PairBatch:
    """The picked pairs in one rectangle; segments are 1, and 0 at padding."""
    texts = [text for number in picked for text in (pairs[number].chosen, pairs[number].rejected)]
    width = max(len(text.ids) for text in texts)
    ids = [text.ids + text.ids[:1] * (width - len(text.ids)) for text in texts]
    segments = [[1] * len(text.ids) + [0] * (width - len(text.ids)) for text in texts]
    is_answer = [text.counts + [False] * (width - len(text.ids)) for text in texts]
    rectangles = (torch.tensor(part).unflatten(0, (-1, 2)) for part in (ids, segments, is_answer))
    return *rectangles, torch.tensor(picked)


@dataclass(frozen=True)
class PairData:
    """What the reward model and DPO need: shuffled batches of pairs to learn from, and others to be measured on."""

    train: PairBatches
    validation: list[Pair]


def hold_out_preferences(preferences: Sequence[Preference]) -> tuple[list[Preference], list[Preference]]:
    """Those to learn from, and those about one prompt in ten (one at least) to be measured on.

    No prompt is in both. Raises `ValueError` for fewer than two different prompts.
    """
    _, measured = hold_out([preference.prompt for preference in preferences])
    return (
        [preference for preference in preferences if preference.prompt not in measured],
        [preference for preference in preferences if preference.prompt in measured],
    )
