"""Verifiable rewards: a program decides whether an answer is right, so no reward model has to be trained or trusted.

Reinforcement learning from verifiable rewards (RLVR; Lambert et al. 2024, "Tülu 3"; DeepSeek-AI 2025, "DeepSeek-R1")
gives an answer 1 if its final result is right and 0 otherwise. Nobody says how to get there, so a model may find out by
itself that it pays to write down the steps first. `pass_at_k` and `majority_vote` measure what sampling more answers
brings.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.data.chat import encode_chat
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer
from minillm.world.answers import FINAL, final_answer
from minillm.world.instructions import Instruction


class Verifier:
    """A `Reward` that checks answers to known instructions exactly: 1.0 if right, 0.0 if wrong or cut off.

    Raises `UserError` for no instructions; a call, for a prompt that is none of theirs and for unequal lengths.

    >>> from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
    >>> from minillm.world.instructions import Instructions
    >>> tokenizer = chat_tokenizer(Tokenizer.train(["a"], 258, SPECIAL_TOKENS))
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> verifier = Verifier(tokenizer, [task])
    >>> answers = [task.reply, task.worked, task.mistakes[0]]
    >>> verifier(verifier.prompts * 3, [[*tokenizer.encode(text), tokenizer.end_id] for text in answers])
    tensor([1., 1., 0.])
    """

    def __init__(self, tokenizer: Tokenizer, instructions: Iterable[Instruction]):
        self._tokenizer = tokenizer
        self._asked = {tuple(encode_chat(tokenizer, task.messages[:-1])): task for task in instructions}
        if not self._asked:
            raise UserError("there are no instructions, so there is nothing to verify; give at least one")

    @property
    def prompts(self) -> list[list[int]]:
        """The encoded prompts of the instructions, each once."""
        return [list(prompt) for prompt in self._asked]

    def __call__(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """The reward of each answer."""
        if len(prompts) != len(answers):
            raise UserError(f"{len(prompts)} prompts and {len(answers)} answers; give one answer to each prompt")
        right = [
            answer[-1:] == [self._tokenizer.end_id] and self.instruction(prompt).check(self.text(answer))
            for prompt, answer in zip(prompts, map(list, answers), strict=True)
        ]
        return torch.tensor(right, dtype=torch.float32)

    def instruction(self, prompt: Sequence[int]) -> Instruction:
        """The instruction that a prompt asks; raises `UserError` for one that was not given."""
        if tuple(prompt) not in self._asked:
            text = self._tokenizer.decode(prompt)
            raise UserError(f"no instruction has the prompt {text!r}; give all that are asked to the Verifier")
        return self._asked[tuple(prompt)]

    def text(self, answer: Sequence[int]) -> str:
        """An answer as text, without the token that ends it."""
        return decode_answer(self._tokenizer, answer)


def decode_answer(tokenizer: Tokenizer, answer: Sequence[int]) -> str:
    """Decode an answer without its end token.

    >>> tokenizer = Tokenizer.train(["a"], 257, ("<|end|>",))
    >>> tokenizer.eos_token = "<|end|>"
    >>> decode_answer(tokenizer, [*tokenizer.encode("12."), tokenizer.end_id]), decode_answer(tokenizer, [])
    ('12.', '')
    """
    return tokenizer.decode(answer[:-1] if answer and answer[-1] == tokenizer.end_id else answer)


def shows_steps(text: str) -> bool:
    """Whether an answer writes down steps before its result.

    >>> shows_steps("4 + 7 = 11, 1 + 1 + 1 = 3. Answer: 31."), shows_steps("It is 31.")
    (True, False)
    """
    return FINAL in text


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


def conclusion(instruction: Instruction, text: str) -> tuple[str, ...]:
    """What an answer says in the end, whatever its wording, without a look at the right answer.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> conclusion(task, task.reply) == conclusion(task, task.worked), conclusion(task, "Gladly.")
    (True, ())
    """
    named = instruction.key.vocabulary.read(final_answer(text))
    return tuple(named if instruction.key.ordered else sorted(set(named)))


def self_consistency(instruction: Instruction, texts: Sequence[str], k: int) -> float:
    """The share of votes among k answers that end right: of the first k, the next k, and so on.

    Raises `UserError` for k below 1 and for fewer than k answers.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> right, wrong = task.reply, task.mistakes[0]
    >>> texts = [right, task.worked, wrong, wrong, right, wrong]
    >>> self_consistency(task, texts, 3), self_consistency(task, texts, 1)
    (0.5, 0.5)
    """
    if not 1 <= k <= len(texts):
        raise UserError(f"k is {k} for {len(texts)} answers; it must lie between 1 and {len(texts)}")
    groups = [texts[start : start + k] for start in range(0, len(texts) - k + 1, k)]
    chosen = [group[majority_vote([conclusion(instruction, text) for text in group])] for group in groups]
    return sum(map(instruction.check, chosen)) / len(groups)
