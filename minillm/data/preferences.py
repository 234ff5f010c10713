"""Preferences: which of two answers somebody likes better, when we know how good the answers really are.

The world's instructions have exact checkers, so the quality of an answer is a number, its gold utility. Out of
an instruction come candidate answers from excellent to useless, and simulated raters compare them with a known
probability of preferring either. So a reward model can be held against the best accuracy that anybody could
reach, which on people's own rankings nobody knows.

A person's rankings are lines of the same form; see `rankings` for the file.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from minillm.config import check_types
from minillm.data.rankings import Preference
from minillm.errors import UserError
from minillm.world.choice import Sampler
from minillm.world.instructions import Instruction
from minillm.world.phrasebook import load_phrasebook

RIGHT = 4.0  # points for an answer that the instruction's checker accepts
CIVIL = 1.0  # points for a courtesy; the same is taken off for rudeness
WORDINESS = 0.1  # points taken off for each word beyond the length of the instruction's own answer


def utility(instruction: Instruction, answer: str) -> float:
    """The gold utility of an answer, in points: 4 if right, 1 if civil, -1 if rude, -0.1 for each word too many.

    The best there is: 5 points, right and civil and no longer than the instruction's own answer. Words are counted
    between white space; one courtesy is as good as two. An answer both civil and rude is rude.

    >>> from minillm.world.instructions import Instructions
    >>> task = next(i for i in Instructions(seed=0).stream() if i.family == "sum")
    >>> right, wrong = task.reply, task.mistakes[0]
    >>> [utility(task, said) for said in (f"Certainly. {right}", right, f"Certainly. {wrong}", wrong)]
    [5.0, 4.0, 1.0, 0.0]
    >>> round(utility(task, f"{task.answer} And that is all."), 1)
    4.6
    """
    book = load_phrasebook()
    points = RIGHT if instruction.check(answer) else 0.0
    if book.sounds("rudeness", answer):
        points -= CIVIL
    elif book.sounds("courtesy", answer) or book.sounds("apology", answer):
        points += CIVIL
    return points - WORDINESS * max(0, length(answer) - length(instruction.answer))


def length(answer: str) -> int:
    """How long an answer is, in words between white space."""
    return len(answer.split())


def candidates(instruction: Instruction) -> list[str]:
    """Answers of all grades: each right or wrong reply said civilly, plainly or rudely, briefly or at length.

    The first is the instruction's own answer. No two are alike, and the same instruction always gives the same ones.
    """
    book = load_phrasebook()
    draw = random.Random(f"candidates for {instruction.prompt}")
    answers = [instruction.answer]
    for reply in (instruction.reply, *instruction.mistakes):
        civil = f"{Sampler(draw).choose('courtesy', book.courtesies)} {reply}"
        apology = book.sounds("apology", reply)
        manners = (civil, reply, f"{reply} {_one_of(book.manners['rudeness'], draw)}")
        for answer in manners[1:] if apology else manners:
            answers += [answer, f"{_one_of(book.manners['padding'], draw)} {answer}"]
    return list(dict.fromkeys(answers))


def _one_of(phrases: Sequence[str], draw: random.Random) -> str:
    return phrases[int(draw.random() * len(phrases))]


@dataclass(frozen=True)
class Rater:
    """A simulated person who prefers the better answer, more reliably the greater the difference.

    P(a over b) = 1 / (1 + exp(-(u_a - u_b) / temperature)): Bradley and Terry (1952), with merit exp(u / temperature).
    `temperature` is in points of utility; the higher, the more often the worse answer wins. `length_bias` is in points
    per word: a rater with a bias takes u + length_bias * words for the utility, and so mistakes length for quality.

    Raises ValueError for a temperature that is not positive and finite, and for a bias that is not finite.

    >>> round(Rater(temperature=1.0).probability_of_preferring(5.0, 4.0), 3)
    0.731
    """

    temperature: float = 1.0
    length_bias: float = 0.0
    name: str = "simulated"

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.temperature < math.inf:
            raise UserError(f"the temperature of a rater is {self.temperature}; it must be positive and finite")
        if not math.isfinite(self.length_bias):
            raise UserError(f"the length bias is {self.length_bias}; give a finite number of points per word")

    def perceived(self, instruction: Instruction, answer: str) -> float:
        """The utility that this rater sees in an answer, in points."""
        return utility(instruction, answer) + self.length_bias * length(answer)

    def probability_of_preferring(self, a: float, b: float) -> float:
        """P(a over b) for two answers of these perceived utilities."""
        # The same as the formula above, and safe where its exponential overflows.
        return 0.5 * (1.0 + math.tanh((a - b) / (2.0 * self.temperature)))


def simulate(
    instructions: Iterable[Instruction],
    rater: Rater,
    seed: int,
    pairs: int = 1,
    answers: Callable[[Instruction], Sequence[str]] = candidates,
) -> list[Preference]:
    """Let a rater compare random pairs of answers, `pairs` for each instruction; each carries its probability.

    The pairs are drawn among all candidates alike, so easy and hard ones are mixed; or among other `answers`, such as a
    model's own. Where these are all the same there is nothing to compare. Deterministic for a seed.

    >>> from minillm.world.instructions import Instructions
    >>> [preference] = simulate(Instructions(seed=0).instructions(1), Rater(), seed=0)
    >>> preference.rater, 0 < preference.probability < 1
    ('simulated', True)
    """
    preferences = []
    for number, instruction in enumerate(instructions):
        draw = random.Random(f"preferences, seed {seed}, instruction {number}")
        pool = list(dict.fromkeys(text for text in answers(instruction) if text.strip()))
        for _ in range(pairs if len(pool) > 1 else 0):
            first = int(draw.random() * len(pool))
            second = int(draw.random() * (len(pool) - 1))
            pair = pool[first], pool[second + (second >= first)]
            merits = [rater.perceived(instruction, answer) for answer in pair]
            p = rater.probability_of_preferring(*merits)
            if draw.random() >= p:
                pair, p = pair[::-1], rater.probability_of_preferring(*merits[::-1])
            prompt = tuple(instruction.messages[:-1])
            preferences.append(Preference(prompt, *pair, rater=rater.name, probability=p))
    return preferences


@dataclass(frozen=True)
class Ceiling:
    """The best expected accuracy on a set of pairs, and how far luck moves the accuracy that is counted on it."""

    accuracy: float
    stderr: float


def probabilities(preferences: Sequence[Preference]) -> list[float]:
    """How likely the raters were to prefer what they did; raises `ValueError` for a pair of which that is not known."""
    known = [preference.probability for preference in preferences if preference.probability is not None]
    if len(known) < len(preferences):
        number = next(n for n, preference in enumerate(preferences) if preference.probability is None)
        raise UserError(f"pair {number} has no probability; only for simulated raters is the best accuracy known")
    return known


def bayes_ceiling(preferences: Sequence[Preference]) -> Ceiling:
    """The accuracy of a reader who knows the raters' probabilities: the mean of max(p, 1 - p).

    Nobody can expect more on these pairs, since the raters themselves are not sure. The accuracy counted on the set is
    a sum of coin tosses; its standard error around the ceiling is sqrt(sum of p (1 - p)) / n.

    Raises ValueError for an empty set, and for pairs without a probability, such as people's own.

    >>> pair = Preference(({"role": "user", "content": "Hello"},), "Good morning.", "What?", "simulated", 0.8)
    >>> ceiling = bayes_ceiling([pair] * 100)
    >>> round(ceiling.accuracy, 3), round(ceiling.stderr, 3)
    (0.8, 0.04)
    """
    if not preferences:
        raise UserError("there are no pairs, so there is no best accuracy; give at least one")
    chances = probabilities(preferences)
    count = len(chances)
    return Ceiling(
        accuracy=math.fsum(max(p, 1 - p) for p in chances) / count,
        stderr=math.sqrt(math.fsum(p * (1 - p) for p in chances)) / count,
    )
