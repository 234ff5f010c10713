"""What lesson 10 uses of the package: ranked pairs, padded rows, and the reward model.

models        the chat model, the finished reward model, and their tokenizer
draws         several answers of the chat model to one question, with their gold utility
held_out      400 pairs of answers to 100 questions that no model has learned from, each with its probability
Ranked        such a pair; `rows` puts the answers of several into one padded batch
batches       the rows of each update; `padded` does the same with any texts, for a picture
start         a reward model before any training: the chat model's layers, and a row of zeros
agreement     how often raters agree with margins, with its standard error; `by_kind` also where one answer is right
gap           how much more often they agree with some margins than with others
drawn         such agreements as bars
made_by       whose functions ran
manners       the margins of a rule that counts courtesies and words
features      what a person can read off an answer: right, polite, and words
stored        a file of benchmarks/results; `clicking` has the booth
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from matplotlib.figure import Figure
from torch import Tensor

from minillm.course import models as course_models
from minillm.course.assembly import by_owner
from minillm.course.choices import stored as stored
from minillm.course.versions import origin
from minillm.data.chat import encode_chat
from minillm.data.pairs import Pair, encode_preferences
from minillm.data.preferences import Preference
from minillm.model.transformer import Transformer, Trunk
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.reward import pair_margins
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.viz.figures import grouped_bars
from minillm.world.instructions import Instruction, Instructions
from minillm.world.phrasebook import load_phrasebook
from minillm.world.raters import RIGHT, Rater, length, simulate, utility

HELD_OUT, ASKED, EACH = 1_000_000, 100, 4  # the stream of questions, their number, and pairs per question
TRAINING = 7_000_000  # a stream that nothing was trained on, in the training split
LONGEST, SHORT = 40, 150  # tokens of a drawn answer; characters of a question that is read often
Reward = Callable[[Tensor, Tensor], Tensor]  # of (B, T) ids and their mask


def models() -> tuple[Transformer, RewardModel, Tokenizer]:
    """The chat model, the finished reward model, and their tokenizer.

    >>> models()[1].likelihood is not None
    True
    """
    chat, tokenizer = course_models.sft()
    return chat, course_models.reward()[0].eval(), tokenizer


@functools.cache
def questions(stream: int, count: int, held_out: bool = True, longest: int = 10_000) -> tuple[Instruction, ...]:
    """Questions of a stream, those that aren't longer than `longest` characters."""
    found: list[Instruction] = []
    for each in Instructions(stream, "held-out" if held_out else "training").stream():
        if len(each.prompt) <= longest:
            found.append(each)
        if len(found) == count:
            break
    return tuple(found)


def draws(question: Instruction, count: int = 4, seed: int = 3) -> list[tuple[float, str]]:
    """Several answers of the chat model to one question, each with its gold utility in front."""
    texts = sampled([question], count, seed)[0]
    return [(utility(question, text), text) for text in texts]


def sampled(asked: Sequence[Instruction], count: int, seed: int) -> list[list[str]]:
    """So many answers of the chat model to each question, at temperature 1."""
    chat, _, tokenizer = models()
    prompts = [encode_chat(tokenizer, each.messages[:-1]) for each in asked]
    said = draw(chat, prompts, count, LONGEST, [tokenizer.end_id], seed=seed)
    texts = [tokenizer.decode([id for id in ids if id != tokenizer.end_id]) for ids in said]
    return [texts[start : start + count] for start in range(0, len(texts), count)]


@dataclass(frozen=True)
class Ranked:
    """Two answers to a question, one of which a rater preferred; `p` is how probable this choice was."""

    question: Instruction
    preference: Preference
    ids: Pair

    @property
    def p(self) -> float:
        """The probability of the choice that was made."""
        return float(self.preference.probability or 0.0)

    @property
    def chosen(self) -> str:
        """The preferred answer."""
        return self.preference.chosen

    @property
    def rejected(self) -> str:
        """The other answer."""
        return self.preference.rejected

    @property
    def one_is_right(self) -> bool:
        """Whether exactly one of the two is right."""
        return self.question.check(self.chosen) != self.question.check(self.rejected)


@functools.cache
def ranked(stream: int, count: int, each: int, held_out: bool = True, longest: int = 10_000) -> tuple[Ranked, ...]:
    """Pairs of the world's answers to questions of a stream, with a simulated rater's choices.

    >>> pair = ranked(5, 1, 1)[0]
    >>> 0 < pair.p < 1, pair.chosen != pair.rejected
    (True, True)
    """
    asked = questions(stream, count, held_out, longest)
    by_prompt = {question.prompt: question for question in asked}
    encoded = encode_preferences(models()[2], simulate(asked, Rater(), stream, each), 256)
    return tuple(
        Ranked(by_prompt[preference.prompt[-1]["content"]], preference, ids)
        for preference, ids in zip(encoded.preferences, encoded.pairs, strict=True)
    )


def held_out(short: bool = False) -> tuple[Ranked, ...]:
    """400 pairs of answers to 100 questions that no model has learned from; or 200 pairs, to 50 short questions."""
    return ranked(HELD_OUT, ASKED // 2, EACH, longest=SHORT) if short else ranked(HELD_OUT, ASKED, EACH)


def to_learn(count: int = 120) -> tuple[Ranked, ...]:
    """Pairs of answers to short questions, eight per question, to train on."""
    return ranked(TRAINING, count, 8, held_out=False, longest=SHORT)


def rows(pairs: Sequence[Ranked]) -> tuple[Tensor, Tensor]:
    """Prompt and answer of each answer as a padded row: ids and mask, (2 N, T) each; preferred ones are rows 0, 2, ...

    >>> ids, mask = rows(to_learn(1)[:2])
    >>> ids.shape == mask.shape, len(ids), bool(mask[:, 0].all())
    (True, 4, True)
    """
    texts = [[*pair.ids.prompt, *answer] for pair in pairs for answer in (pair.ids.chosen, pair.ids.rejected)]
    T = max(map(len, texts))
    ids = torch.tensor([text + [0] * (T - len(text)) for text in texts])
    return ids, torch.tensor([[t < len(text) for t in range(T)] for text in texts])


def batches(pairs: Sequence[Ranked], updates: int, seed: int = 0, size: int = 8) -> list[tuple[Tensor, Tensor]]:
    """The rows of each update: pairs in random order, and again from the first when all were read."""
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    numbers = [order[at % len(order)] for at in range(updates * size)]
    return [rows([pairs[n] for n in numbers[at : at + size]]) for at in range(0, len(numbers), size)]


def padded(texts: Sequence[str], in_front: bool = False) -> tuple[Tensor, list[list[str]]]:
    """The mask (B, T) of some texts as one batch, and their tokens with "" at padding.

    >>> mask, pieces = padded(["Yes.", "Yes, yes."], in_front=True)
    >>> mask[0].tolist()[-1], pieces[0][0], len(pieces[0]) == len(pieces[1])
    (True, '', True)
    """
    tokenizer = models()[2]
    rows = [[tokenizer.decode([id]) for id in tokenizer.encode(text)] for text in texts]
    T = 1 + max(map(len, rows))
    empty = [[""] * (T - len(row)) for row in rows]
    pieces = [fill + row if in_front else row + fill for fill, row in zip(empty, rows, strict=True)]
    return torch.tensor([[piece != "" for piece in row] for row in pieces]), pieces


def start() -> tuple[Trunk, Tensor]:
    """A reward model before any training: a copy of the chat model without its head, and w (C,), all zeros."""
    model = models()[0]
    trunk = RewardModel.from_language_model(model).transformer
    return trunk, torch.zeros(model.config.d_model, requires_grad=True)


@torch.no_grad()
def margins_of(reward: Reward, pairs: Sequence[Ranked], at_once: int = 20) -> list[float]:
    """The reward of the preferred answer less that of the other, pair by pair."""
    found: list[float] = []
    for begin in range(0, len(pairs), at_once):
        rewards = reward(*rows(pairs[begin : begin + at_once]))
        found += (rewards[::2] - rewards[1::2]).tolist()
    return found


def made_by(*functions: Callable) -> str:
    """Whose these functions are: the learner's or the course's."""
    return by_owner({each.__name__: origin(each) for each in functions})


def finished(pairs: Sequence[Ranked]) -> list[float]:
    """The margins of the finished reward model."""
    return pair_margins(models()[1], [pair.ids for pair in pairs]).tolist()


@dataclass(frozen=True)
class Share:
    """A mean over pairs and its standard error; pairs of one question count as one draw."""

    mean: float
    stderr: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.stderr:.3f}"


def agreement(margins: Sequence[float], pairs: Sequence[Ranked]) -> Share:
    """The mean probability that a rater prefers the answer with the higher reward; a tie counts as a coin.

    Choices are noisy, so their probabilities are counted, not the choices.

    >>> print(agreement([0.0] * 8, ranked(5, 2, 4)))
    0.500 ± 0.000
    """
    return _share(_agrees(margins, pairs), pairs)


def gap(margins: Sequence[float], others: Sequence[float], pairs: Sequence[Ranked]) -> Share:
    """By how much raters agree more with the first margins than with the others, pair by pair.

    >>> print(gap([1.0] * 8, [1.0] * 8, ranked(5, 2, 4)))
    0.000 ± 0.000
    """
    both = zip(_agrees(margins, pairs), _agrees(others, pairs), strict=True)
    return _share([one - other for one, other in both], pairs)


def _agrees(margins: Sequence[float], pairs: Sequence[Ranked]) -> list[float]:
    return [pair.p if m > 0 else 1 - pair.p if m < 0 else 0.5 for m, pair in zip(margins, pairs, strict=True)]


def _share(values: Sequence[float], pairs: Sequence[Ranked]) -> Share:
    by_question: dict[str, list[float]] = {}
    for value, pair in zip(values, pairs, strict=True):
        by_question.setdefault(pair.question.prompt, []).append(value)
    mean = fmean(values)
    off = [sum(value - mean for value in group) for group in by_question.values()]
    count = len(off)
    return Share(mean, math.sqrt(count / max(count - 1, 1) * sum(x * x for x in off)) / len(values))


def by_kind(margins: Sequence[float], pairs: Sequence[Ranked]) -> dict[str, Share]:
    """The agreement on all pairs, where exactly one answer is right, and where both or none are."""
    both = list(zip(margins, pairs, strict=True))
    kinds = {
        "all pairs": both,
        "one is right": [row for row in both if row[1].one_is_right],
        "both or none": [row for row in both if not row[1].one_is_right],
    }
    return {name: agreement(*zip(*chosen, strict=True)) for name, chosen in kinds.items()}


def drawn(table: Mapping[str, Mapping[str, Share]]) -> Figure:
    """Agreements by kind of pair as bars with their standard errors, one color per predictor."""
    kinds = [*next(iter(table.values()))]
    return grouped_bars(
        {who: [row[kind].mean for kind in kinds] for who, row in table.items()},
        kinds,
        "raters agree",
        errors={who: [row[kind].stderr for kind in kinds] for who, row in table.items()},
        references={"a coin": 0.5},
    )


def manners(pairs: Sequence[Ranked]) -> list[float]:
    """The margins of a rule: gold utility without its points for being right, so courtesies and words alone."""

    def points(question: Instruction, text: str) -> float:
        return utility(question, text) - RIGHT * question.check(text)

    return [points(pair.question, pair.chosen) - points(pair.question, pair.rejected) for pair in pairs]


def knowing(pairs: Sequence[Ranked]) -> list[float]:
    """The margins of a predictor that knows each probability."""
    return [pair.p - 0.5 for pair in pairs]


def features(question: Instruction, answer: str) -> list[float]:
    """What a person can read off an answer: right (1 or 0), polite (1, or -1 if rude), and tens of words.

    >>> question = questions(5, 1)[0]
    >>> features(question, "Certainly. " + question.reply)[:2]
    [1.0, 1.0]
    """
    book = load_phrasebook()
    polite = book.sounds("courtesy", answer) or book.sounds("apology", answer)
    rude = book.sounds("rudeness", answer)
    return [float(question.check(answer)), -1.0 if rude else float(polite), length(answer) / 10]
