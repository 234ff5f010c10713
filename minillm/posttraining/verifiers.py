"""Verifiable rewards: a program decides whether an answer is right, so no reward model has to be trained or trusted.

Reinforcement learning from verifiable rewards (RLVR; Lambert et al. 2024, "Tülu 3"; DeepSeek-AI 2025, "DeepSeek-R1")
gives an answer 1 if its final result is right and 0 otherwise. Nobody says how to get there, so a model may find out by
itself that it pays to write down the steps first. `pass_at_k` and `majority_vote` measure what sampling more answers
brings.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.data.chat import Prompt, encode_prompt
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer

TextReward = Callable[[Prompt, str], float]  # a prompt as it was given and an answer as text -> its reward
Check = Callable[[str], bool | float]  # an answer as text -> its reward: right or wrong, or a number


class Verifier:
    """A `Reward` that checks answers to known prompts by any function: its result if the answer ended, 0.0 if cut off.

    `checks` holds pairs of a prompt (a text, or the messages of a conversation) and the function that checks answers to
    it. With `must_end=False` an answer that was cut off is checked, too. Raises `UserError` for no prompts; a call, for
    a prompt that is none of theirs and for unequal lengths.

    >>> from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
    >>> tokenizer = chat_tokenizer(Tokenizer.train(["a"], 258, SPECIAL_TOKENS))
    >>> verifier = Verifier(tokenizer, [("7 + 5 = ", lambda answer: "12" in answer)])
    >>> verifier(verifier.prompts * 2, [[*tokenizer.encode(text), tokenizer.end_id] for text in ("12.", "13.")])
    tensor([1., 0.])
    """

    def __init__(self, tokenizer: Tokenizer, checks: Iterable[tuple[Prompt, Check]], must_end: bool = True):
        self._tokenizer, self._must_end = tokenizer, must_end
        self._asked = {tuple(encode_prompt(tokenizer, prompt)): (prompt, check) for prompt, check in checks}
        if not self._asked:
            raise UserError("there are no prompts, so there is nothing to verify; give at least one")

    @property
    def prompts(self) -> list[list[int]]:
        """The encoded prompts, each once."""
        return [list(prompt) for prompt in self._asked]

    def __call__(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """The reward of each answer."""
        if len(prompts) != len(answers):
            raise UserError(f"{len(prompts)} prompts and {len(answers)} answers; give one answer to each prompt")
        rewards = []
        for prompt, answer in zip(prompts, map(list, answers), strict=True):
            _, check = self._look_up(prompt)
            ended = not self._must_end or answer[-1:] == [self._tokenizer.end_id]
            rewards.append(float(check(self.text(answer))) if ended else 0.0)
        return torch.tensor(rewards, dtype=torch.float32)

    def prompt(self, ids: Sequence[int]) -> Prompt:
        """A prompt as it was given; raises `UserError` for one that was not."""
        return self._look_up(ids)[0]

    def text(self, answer: Sequence[int]) -> str:
        """An answer as text, without the token that ends it."""
        return decode_answer(self._tokenizer, answer)

    def _look_up(self, prompt: Sequence[int]) -> tuple[Prompt, Check]:
        if tuple(prompt) not in self._asked:
            text = self._tokenizer.decode(prompt)
            raise UserError(f"the prompt {text!r} is unknown; give all that are asked to the Verifier")
        return self._asked[tuple(prompt)]


def decode_answer(tokenizer: Tokenizer, answer: Sequence[int]) -> str:
    """Decode an answer without its end token.

    >>> tokenizer = Tokenizer.train(["a"], 257, ("<|end|>",))
    >>> tokenizer.eos_token = "<|end|>"
    >>> decode_answer(tokenizer, [*tokenizer.encode("12."), tokenizer.end_id]), decode_answer(tokenizer, [])
    ('12.', '')
    """
    return tokenizer.decode(answer[:-1] if answer and answer[-1] == tokenizer.end_id else answer)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate the probability that at least one of k answers is right, from n answers of which c are right.

    The share of the subsets of k answers that hold a right one, 1 - C(n - c, k) / C(n, k), as a product that does not
    overflow (Chen et al. 2021, eq. 1). It has no bias, unlike 1 - (1 - c / n)^k. Raises `UserError` unless
    0 <= c <= n and 1 <= k <= n.

    >>> round(pass_at_k(n=4, c=1, k=1), 4), round(pass_at_k(n=4, c=1, k=2), 4)       # 3 of the 6 pairs hold it
    (0.25, 0.5)
    """
    if not 0 <= c <= n:
        raise UserError(f"{c} of {n} answers are right; that must lie between 0 and {n}")
    if not 1 <= k <= n:
        raise UserError(f"k is {k} for {n} answers; it must lie between 1 and {n}: sample more answers, or lower k")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def majority_vote(conclusions: Sequence[Hashable]) -> int:
    """Find the first answer with the most frequent conclusion; empty ones abstain, and of equals the first wins.

    Wang et al. 2022, "Self-consistency improves chain of thought reasoning". Raises `UserError` for no answers.

    >>> majority_vote([("12",), ("13",), ("13",), (), (), ()])
    1
    """
    if not conclusions:
        raise UserError("there are no answers to vote on; give at least one")
    votes = Counter(conclusion for conclusion in conclusions if conclusion)
    return conclusions.index(max(votes, key=votes.__getitem__)) if votes else 0
