"""Evaluate a chat model's answers with the exact checker and the gold utility of each instruction.

A reward model only estimates how good an answer is. For instructions of the synthetic world the true utility is known,
so the effects of training for a reward can be measured: accuracy, utility, KL from the reference, length and diversity.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean, stdev

import torch

from minillm.data.chat import encode_chat
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel
from minillm.posttraining.rollout import roll_out, score_answers
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction
from minillm.world.raters import length, utility

ROWS = 64  # answers per batch; prompts are sorted by length first
LONGEST = 64  # tokens per answer, more than in any answer of the preference data


@dataclass(frozen=True)
class Answer:
    """A model's answer to one instruction.

    The mean of `log_ratio` over sampled answers estimates the KL from the reference, in nats per answer.
    """

    text: str
    ids: tuple[int, ...]
    ended: bool  # whether the model produced the end token
    log_ratio: float | None = None  # log p - log p_ref of the whole answer, if there is a reference


def askable(
    model: Transformer, tokenizer: Tokenizer, instructions: Iterable[Instruction], count: int
) -> list[Instruction]:
    """Select the first `count` instructions whose prompt leaves space for an answer in the model's context.

    Only one in some thousands is too long for the course's models. Looks at up to `2 * count` instructions. Raises
    `UserError` if none of them fits, or if the tokenizer has no chat template.

    >>> from minillm import ModelConfig
    >>> from minillm.data.chat import chat_tokenizer
    >>> from minillm.world.instructions import Instructions
    >>> tokenizer = chat_tokenizer(Tokenizer.train(["a"], 258, ("<|im_start|>", "<|im_end|>")))
    >>> model = Transformer(ModelConfig(vocab_size=258, d_model=8, n_layers=1, n_heads=2, max_seq_len=400))
    >>> asked = askable(model, tokenizer, Instructions(0).stream(), 10)
    >>> len(asked), max(len(encode_chat(tokenizer, instruction.messages[:-1])) for instruction in asked) < 400
    (10, True)
    """
    limit = model.config.max_seq_len
    fitting = (
        instruction
        for instruction in islice(instructions, 2 * count)
        if len(encode_chat(tokenizer, instruction.messages[:-1])) < limit
    )
    found = list(islice(fitting, count))
    if count and not found:
        raise UserError(f"none of {2 * count} instructions fits into a context of {limit} (max_seq_len) with an answer")
    return found


@torch.no_grad()
def answer(
    model: Transformer,
    tokenizer: Tokenizer,
    instructions: Sequence[Instruction],
    temperature: float = 1.0,
    reference: Transformer | None = None,
    seed: int = 0,
    max_new_tokens: int = LONGEST,
) -> list[Answer]:
    """Generate one answer to each instruction, in order; temperature 0 is greedy decoding.

    Raises `UserError` for a tokenizer without a chat template or end token, and for a prompt that fills the context.
    """
    end = tokenizer.end_id
    model.eval()
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in instructions]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: dict[int, Answer] = {}
    for start in range(0, len(order), ROWS):
        indices = order[start : start + ROWS]
        batch = [prompts[index] for index in indices]
        rollout = roll_out(model, batch, max_new_tokens, [end], seed + start, temperature)
        ratios: list[float | None] = [None] * len(indices)
        if reference is not None:
            ratios = (score_answers(model, rollout)[0] - score_answers(reference, rollout)[0]).sum(1).tolist()
        for index, ids, ratio in zip(indices, rollout.answers, ratios, strict=True):
            ended = ids[-1] == end
            answers[index] = Answer(tokenizer.decode(ids[:-1] if ended else ids), tuple(ids), ended, ratio)
    return [answers[index] for index in range(len(prompts))]


@dataclass(frozen=True)
class Estimate:
    """A mean and its standard error."""

    mean: float
    stderr: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """Compute the mean of values and its standard error (infinite for a single value).

        >>> Estimate.of([1.0, 3.0])
        Estimate(mean=2.0, stderr=1.0)
        """
        return cls(fmean(values), stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf)


@dataclass(frozen=True)
class Report:
    """The evaluation of a chat model: accuracies from greedy answers, everything else from sampled ones."""

    n: int  # instructions
    accuracy: Estimate  # fraction of greedy answers that the checkers accept
    families: dict[str, float]  # the same for each family of instructions
    utility: Estimate  # gold points per answer
    length: float  # mean, in words
    ended: float  # fraction of answers in which the model produced the end token
    distinct: tuple[float, float]  # distinct-1 and distinct-2, see `distinct`
    kl: Estimate | None  # nats per answer, from the reference
    reward: Estimate | None  # of the reward model
    utilities: tuple[float, ...]  # one per answer
    texts: tuple[str, ...]  # one per answer


def assess(
    model: Transformer,
    tokenizer: Tokenizer,
    instructions: Sequence[Instruction],
    reference: Transformer | None = None,
    reward_model: RewardModel | None = None,
    seed: int = 0,
) -> Report:
    """Evaluate a chat model on instructions, with one greedy and one sampled answer to each.

    Raises `UserError` for an empty list, and whatever `answer` raises.
    """
    if not instructions:
        raise UserError("there are no instructions to ask; give at least one")

    # accuracy per family, with greedy decoding
    right = defaultdict(list)
    for instruction, said in zip(instructions, answer(model, tokenizer, instructions, 0.0), strict=True):
        right[instruction.family].append(float(instruction.check(said.text)))

    # reward and utility of sampled answers
    sampled = answer(model, tokenizer, instructions, reference=reference, seed=seed)
    texts = tuple(said.text for said in sampled)
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in instructions]
    rewards = None if reward_model is None else reward_model.score(prompts, [said.ids for said in sampled]).tolist()
    points = tuple(utility(instruction, text) for instruction, text in zip(instructions, texts, strict=True))
    return Report(
        n=len(instructions),
        accuracy=Estimate.of([hit for hits in right.values() for hit in hits]),
        families={family: fmean(right[family]) for family in sorted(right)},
        utility=Estimate.of(points),
        length=fmean(map(length, texts)),
        ended=fmean(said.ended for said in sampled),
        distinct=(distinct(texts, 1), distinct(texts, 2)),
        kl=None
        if reference is None
        else Estimate.of([said.log_ratio for said in sampled if said.log_ratio is not None]),
        reward=None if rewards is None else Estimate.of(rewards),
        utilities=points,
        texts=texts,
    )


def distinct(texts: Sequence[str], n: int) -> float:
    """Compute distinct-n: the number of different word n-grams divided by all n-grams (Li et al. 2016).

    >>> distinct(["the cat sat", "the cat ran"], 2)                      # the cat, cat sat, cat ran; of four
    0.75
    """
    ngrams = [tuple(words[start : start + n]) for words in map(str.split, texts) for start in range(len(words) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


@dataclass(frozen=True)
class WinRate:
    """A win rate (a tie is half a win) with its 95 % confidence interval."""

    rate: float
    low: float
    high: float


def win_rate(ours: Sequence[float], theirs: Sequence[float]) -> WinRate:
    """Compare the utilities of two models' answers to the same instructions.

    The interval is Wilson's (1927, eq. 4). Unlike the mean plus or minus two standard errors, it has a positive width
    even at a win rate of 1. With ties it is conservative. Raises `UserError` for empty lists or unequal lengths.

    >>> wins = win_rate([5.0, 4.0, 1.0, 0.0], [4.0, 4.0, 0.0, 1.0])
    >>> wins.rate, round(wins.low, 2), round(wins.high, 2)
    (0.625, 0.22, 0.91)
    """
    if not ours or len(ours) != len(theirs):
        raise UserError(
            f"{len(ours)} answers against {len(theirs)}; give both models the same instructions, one at least"
        )
    n, z = len(ours), 1.96
    rate = fmean((a > b) + (a == b) / 2 for a, b in zip(ours, theirs, strict=True))
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return WinRate(rate, middle - half, middle + half)
