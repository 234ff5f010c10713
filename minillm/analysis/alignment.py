"""How well a model answers, held against what is known of every instruction: its checker and its gold utility.

A reward model only guesses what an answer is worth. Here it is known, so what training for a reward has bought, and
what it has cost, can be read off: right answers, utility, nats away from the reference, length, variety.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean, stdev

import torch

from minillm.data.chat import encode_chat
from minillm.data.preferences import length, utility
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel
from minillm.posttraining.rollout import roll_out, score_answers
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction

ROWS = 64  # answers at once; prompts of like length share a batch
LONGEST = 64  # tokens of an answer: more than any that the world's raters compare


@dataclass(frozen=True)
class Answer:
    """What a model said, whether it closed the answer itself, and log p - log p_ref of it where there is a reference.

    The mean of these differences over sampled answers is the KL from the reference, in nats an answer.
    """

    text: str
    ids: tuple[int, ...]
    ended: bool
    log_ratio: float | None = None


def askable(
    model: Transformer, tokenizer: Tokenizer, instructions: Iterable[Instruction], count: int
) -> list[Instruction]:
    """The first `count` of a stream of instructions that the model can read with room for an answer.

    One in some thousands is too long for the course's models. Looks at twice as many as are wanted, and raises
    `ValueError` where none of them fits, or the tokenizer has no chat template.

    >>> from minillm import ModelConfig
    >>> from minillm.data.chat import chat_tokenizer
    >>> from minillm.world.instructions import Instructions
    >>> tokenizer = chat_tokenizer(Tokenizer.train(["a"], 258, ("<|im_start|>", "<|im_end|>")))
    >>> model = Transformer(ModelConfig(vocab_size=258, d_model=8, n_layers=1, n_heads=2, max_seq_len=200))
    >>> asked = askable(model, tokenizer, Instructions(0).stream(), 10)
    >>> len(asked), max(len(encode_chat(tokenizer, one.messages[:-1])) for one in asked) < 200
    (10, True)
    """
    room = model.config.max_seq_len
    fitting = (one for one in islice(instructions, 2 * count) if len(encode_chat(tokenizer, one.messages[:-1])) < room)
    found = list(islice(fitting, count))
    if count and not found:
        raise UserError(f"none of {2 * count} instructions fits into a context of {room} (max_seq_len) with an answer")
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
    """One answer to each instruction, in their order; at temperature 0 the likeliest token each time.

    Raises `ValueError` for a tokenizer without a chat template or end token, and for a prompt that leaves no room.
    """
    end = tokenizer.end_id
    model.eval()
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in instructions]
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    answers: dict[int, Answer] = {}
    for start in range(0, len(order), ROWS):
        picked = order[start : start + ROWS]
        asked = [prompts[number] for number in picked]
        drawn = roll_out(model, asked, max_new_tokens, [end], seed + start, temperature)
        ratios: list[float | None] = [None] * len(picked)
        if reference is not None:
            ratios = (score_answers(model, drawn)[0] - score_answers(reference, drawn)[0]).sum(1).tolist()
        for number, ids, ratio in zip(picked, drawn.answers, ratios, strict=True):
            ended = ids[-1] == end
            answers[number] = Answer(tokenizer.decode(ids[:-1] if ended else ids), tuple(ids), ended, ratio)
    return [answers[number] for number in range(len(prompts))]


@dataclass(frozen=True)
class Estimate:
    """A mean, and how far luck moves it: the standard error."""

    mean: float
    stderr: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """
        >>> Estimate.of([1.0, 3.0])
        Estimate(mean=2.0, stderr=1.0)
        """
        return cls(fmean(values), stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf)


@dataclass(frozen=True)
class Report:
    """A chat model on some instructions. All but the accuracies is of sampled answers, one to each instruction."""

    n: int
    accuracy: Estimate  # the share of greedy answers that the checkers accept
    families: dict[str, float]  # the same for each family of instructions
    utility: Estimate  # gold points
    length: float  # mean, in words
    ended: float  # the share of answers that the model closed itself
    distinct: tuple[float, float]  # of single words and of pairs of words, the share that no answer has said before
    kl: Estimate | None  # nats an answer, from the reference
    reward: Estimate | None  # what a reward model thinks of them
    utilities: tuple[float, ...]  # of each answer
    texts: tuple[str, ...]


def assess(
    model: Transformer,
    tokenizer: Tokenizer,
    instructions: Sequence[Instruction],
    reference: Transformer | None = None,
    reward_model: RewardModel | None = None,
    seed: int = 0,
) -> Report:
    """Ask a chat model every instruction twice, greedily and at temperature 1, and judge what it says.

    Raises what `answer` raises, and `ValueError` where there is no instruction.
    """
    if not instructions:
        raise UserError("there are no instructions to ask; give at least one")
    right = defaultdict(list)
    for instruction, said in zip(instructions, answer(model, tokenizer, instructions, 0.0), strict=True):
        right[instruction.family].append(float(instruction.check(said.text)))
    sampled = answer(model, tokenizer, instructions, reference=reference, seed=seed)
    texts = tuple(said.text for said in sampled)
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in instructions]
    rewards = None if reward_model is None else reward_model.score(prompts, [said.ids for said in sampled]).tolist()
    points = tuple(utility(instruction, text) for instruction, text in zip(instructions, texts, strict=True))
    return Report(
        n=len(instructions),
        accuracy=Estimate.of([one for family in right.values() for one in family]),
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
    """Different runs of `n` words in all texts together, as a share of all runs (Li et al. 2016, "distinct-n").

    >>> distinct(["the cat sat", "the cat ran"], 2)                      # the cat, cat sat, cat ran; of four
    0.75
    """
    runs = [tuple(words[start : start + n]) for words in map(str.split, texts) for start in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


@dataclass(frozen=True)
class WinRate:
    """How often one model's answer is better than another's, a tie being half a win, and its 95 % interval."""

    rate: float
    low: float
    high: float


def win_rate(ours: Sequence[float], theirs: Sequence[float]) -> WinRate:
    """Utility against utility of two models' answers to the same instructions; the interval is Wilson's (1927, eq. 4).

    Unlike the mean plus and minus two standard errors, that one has a width even where everything was won. Ties only
    make the truth more certain than it says. Raises `ValueError` for lists that are empty or of unequal length.

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
