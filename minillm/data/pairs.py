"""Pairs of answers as batches: what the reward model and DPO learn from.

A pair is one prompt with the answer that a rater preferred and the one that they rejected. Both are read up to the
token that closes them: the reward is read there, and a sampled answer ends there.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from minillm.data.batches import Shuffled
from minillm.data.chat import Message, chat_tokenizer
from minillm.data.conversations import encode_conversation, hold_out
from minillm.data.preferences import Preference, load_preferences, preference_of
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer

Pairs = str | Path | Sequence[Preference | Mapping[str, Any]]


@dataclass(frozen=True)
class Pair:
    """A preference as ids: a prompt, and two answers to it, each with the token that closes it."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens of the longer text."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs, the preference that each comes from, and one message for each preference that was left out."""

    pairs: list[Pair]
    preferences: list[Preference]
    skipped: list[str]


def encode_preferences(tokenizer: Tokenizer, preferences: Iterable[Preference], max_seq_len: int) -> EncodedPairs:
    """Encode preferences by the tokenizer's chat template; those that are too long or that it refuses are left out.

    Raises `UserError` for a tokenizer without a template, and where no pair is left.

    >>> from minillm.data.chat import CHATML
    >>> tokenizer = Tokenizer.train(["a"], vocab_size=258, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = CHATML
    >>> said = Preference(({"role": "user", "content": "Hi?"},), "Hello.", "What?", rater="Ada")
    >>> encoded = encode_preferences(tokenizer, [said], max_seq_len=64)
    >>> print(tokenizer.decode(encoded.pairs[0].prompt + encoded.pairs[0].chosen))
    <|im_start|>user
    Hi?<|im_end|>
    <|im_start|>assistant
    Hello.<|im_end|>
    """
    if tokenizer.chat_template is None:
        raise UserError("this tokenizer has no chat template; data.chat.chat_tokenizer gives it the plainest one")
    encoded = EncodedPairs([], [], [])
    read = functools.cache(lambda prompt, answer: _read(tokenizer, [dict(turn) for turn in prompt], answer))
    for number, preference in enumerate(preferences):
        turns = tuple(tuple(message.items()) for message in preference.prompt)
        try:
            (prompt, chosen), (_, rejected) = (
                read(turns, answer) for answer in (preference.chosen, preference.rejected)
            )
            pair = Pair(prompt, chosen, rejected)
            if pair.length > max_seq_len:
                raise UserError(f"it has {pair.length} tokens, and the model reads {max_seq_len} at once")
        except UserError as error:
            encoded.skipped.append(f"preference {number} of {preference.rater}: {error}")
            continue
        encoded.pairs.append(pair)
        encoded.preferences.append(preference)
    if not encoded.pairs:
        raise UserError(f"there is no pair to learn from; {(encoded.skipped or ['none was given'])[0]}")
    return encoded


def _read(tokenizer: Tokenizer, prompt: Sequence[Message], answer: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Prompt and answer as ids."""
    example = encode_conversation(tokenizer, [*prompt, {"role": "assistant", "content": answer}])
    end = len(example.mask) - example.mask[::-1].index(True)  # after it comes only what separates two turns
    start = end - example.mask[end - 1 :: -1].index(False)  # an earlier answer belongs to the prompt
    return tuple(example.ids[:start]), tuple(example.ids[start:end])


class PairBatches:
    """Endless shuffled batches of pairs: `batches[step]` is the same at every call.

    A batch is the indices of its pairs: `batch_size` prompts with all the pairs of each. The pairs of a prompt can
    reuse its computation, and they are correlated (Ouyang et al. 2022, section 3.5). Raises `UserError` where there
    are no pairs.

    >>> pairs = [Pair((1,), (5,), (6,)), Pair((2,), (5,), (6,)), Pair((1,), (7,), (5,))]
    >>> [batch.tolist() for batch in PairBatches(pairs, batch_size=2, seed=0)[0]]
    [[0, 2, 1]]
    """

    def __init__(self, pairs: Sequence[Pair], batch_size: int, seed: int):
        if not pairs or batch_size < 1:
            raise UserError(f"{len(pairs)} pairs in batches of {batch_size}; there must be at least one in each")
        of_prompt: dict[tuple[int, ...], list[int]] = {}
        for number, pair in enumerate(pairs):
            of_prompt.setdefault(pair.prompt, []).append(number)
        self.pairs, self.batch_size = pairs, batch_size
        self.groups = list(of_prompt.values())
        self.order = Shuffled(len(self.groups), batch_size, seed)

    def __getitem__(self, step: int) -> tuple[Int[Tensor, "_B"]]:
        picked = [number for group in self.order[step].tolist() for number in self.groups[group]]
        return (torch.tensor(picked),)


@dataclass(frozen=True)
class PairData:
    """What the reward model and DPO need: shuffled batches of training pairs, and validation pairs.

    Raises `UserError` where there are no validation pairs.

    >>> from minillm.data.chat import SPECIAL_TOKENS
    >>> tokenizer = Tokenizer.train(["a"], vocab_size=270, special_tokens=SPECIAL_TOKENS)
    >>> pairs = [{"prompt": f"{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(10)]
    >>> len(PairData.from_pairs(pairs, tokenizer, max_seq_len=64).validation)
    1
    """

    train: PairBatches
    validation: list[Pair]

    @classmethod
    def from_pairs(
        cls, pairs: Pairs, tokenizer: Tokenizer | None, max_seq_len: int, batch_size: int = 8, seed: int = 0
    ) -> "PairData":
        """From {"prompt": ..., "chosen": ..., "rejected": ...}, preferences, or the path of a JSONL file of either.

        A prompt is a text, which becomes a user's message, or a list of messages. One prompt in ten is held out. Raises
        `UserError` without a tokenizer, for anything else, and for pairs of fewer than two prompts.
        """
        if tokenizer is None:
            raise UserError("learning from pairs of answers needs a tokenizer; give it by name: tokenizer=...")
        tokenizer = chat_tokenizer(tokenizer)
        if isinstance(pairs, (str, Path)):
            found = list(load_preferences(pairs).preferences)
        else:
            found = [preference_of(pair) for pair in pairs]
        train, held_out = (
            encode_preferences(tokenizer, part, max_seq_len).pairs for part in hold_out_preferences(found)
        )
        return cls(PairBatches(train, batch_size, seed), held_out)

    def __post_init__(self) -> None:
        if not self.validation:
            raise UserError("there are no validation pairs; hold some out (hold_out_preferences)")


def hold_out_preferences(preferences: Sequence[Preference]) -> tuple[list[Preference], list[Preference]]:
    """Split preferences into training ones and held-out ones, which are about one prompt in ten (at least one).

    No prompt is in both. Raises `UserError` for fewer than two distinct prompts.

    >>> asked = [({"role": "user", "content": str(n)},) for n in range(10)]
    >>> train, held_out = hold_out_preferences([Preference(prompt, "Yes.", "No.", "Ada") for prompt in asked])
    >>> len(train), len(held_out)
    (9, 1)
    """
    _, held_out = hold_out([preference.prompt for preference in preferences])
    return (
        [preference for preference in preferences if preference.prompt not in held_out],
        [preference for preference in preferences if preference.prompt in held_out],
    )
