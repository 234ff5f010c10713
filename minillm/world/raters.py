"""Simulated preferences: which of two answers a rater prefers, when the true quality of both is known.

The world's instructions have exact checkers, so the quality of an answer is a number, its gold utility. Each
instruction gives candidate answers from excellent to useless, and simulated raters compare them with a known
probability of preferring either. So a reward model can be compared with the best possible accuracy, which is unknown
for people's own rankings.

A person's rankings are lines of the same form; see `rankings` for the file.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from minillm.config import check_types
from minillm.data.preferences import Preference
from minillm.errors import UserError
from minillm.world.answers import FINAL
from minillm.world.choice import Sampler
from minillm.world.instructions import Instruction
from minillm.world.phrasebook import load_phrasebook

RIGHT = 4.0  # points for an answer that the instruction's checker accepts
CIVIL = 1.0  # points for a courtesy; the same is taken off for rudeness
WORDINESS = 0.1  # points taken off for each word beyond the length of the instruction's own answer


def utility(instruction: Instruction, answer: str) -> float:
    """The gold utility of an answer, in points: 4 if right, 1 if civil, -1 if rude, -0.1 for each word too many.

    The best there is: 5 points, right and civil and no longer than the instruction's own answer; where there is
    something to work out, the steps may be shown at no cost. Words are counted between white space; one courtesy is as
    good as two. An answer both civil and rude is rude.

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
    enough = length(instruction.answer)
    if FINAL in answer:
        enough = max(enough, length(instruction.worked) + 2)  # two words of courtesy before the steps
    return points - WORDINESS * max(0, length(answer) - enough)


def length(answer: str) -> int:
    """How long an answer is, in words between white space.

    >>> length("Certainly. It is 12.")
    4
    """
    return len(answer.split())


def candidates(instruction: Instruction) -> list[str]:
    """Answers of every quality: each right or wrong reply, civil, plain or rude, brief or padded.

    The first is the instruction's own answer. No two are alike, and the same instruction always gives the same ones.
    """
    book = load_phrasebook()
    rng = random.Random(f"candidates for {instruction.prompt}")
    answers = [instruction.answer]
    replies = (instruction.reply, instruction.worked, *instruction.mistakes)
    for reply in filter(None, replies):
        civil = f"{Sampler(rng).choose('courtesy', book.courtesies)} {reply}"
        apology = book.sounds("apology", reply)
        manners = (civil, reply, f"{reply} {_choose(book.manners['rudeness'], rng)}")
        for answer in manners[1:] if apology else manners:
            answers += [answer, f"{_choose(book.manners['padding'], rng)} {answer}"]
    return list(dict.fromkeys(answers))


def _choose(phrases: Sequence[str], rng: random.Random) -> str:
    return phrases[int(rng.random() * len(phrases))]


@dataclass(frozen=True)
class Rater:
    """A simulated person who prefers the better answer, more reliably the greater the difference.

    P(a over b) = 1 / (1 + exp(-(u_a - u_b) / temperature)): Bradley and Terry (1952), with merit exp(u / temperature).
    `temperature` is in points of utility; the higher, the more often the worse answer wins. `length_bias` is in points
    per word: a rater with a bias perceives u + length_bias * words as the utility, and so mistakes length for quality.

    Raises `UserError` for a temperature that is not positive and finite, and for a bias that is not finite.

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
    among: int | None = None,
) -> list[Preference]:
    """Let a rater compare pairs of answers, `pairs` per instruction, none twice; each has its probability.

    The pairs are drawn from all candidates, so easy and hard ones are mixed; or from other `answers`, such as a model's
    own. With `among`, from that many answers, drawn first: eight have 28 pairs, and to a model that reads them together
    all of these cost no more than four pairs of different ones (Ouyang et al. 2022, section 3.5). Where all answers are
    the same there is nothing to compare. Deterministic for a seed.

    >>> from minillm.world.instructions import Instructions
    >>> [preference] = simulate(Instructions(seed=0).instructions(1), Rater(), seed=0)
    >>> preference.rater, 0 < preference.probability < 1
    ('simulated', True)
    """
    preferences = []
    for number, instruction in enumerate(instructions):
        rng = random.Random(f"preferences, seed {seed}, instruction {number}")
        pool = list(dict.fromkeys(text for text in answers(instruction) if text.strip()))
        pool = _shuffled(pool, rng)[:among]
        merit = {answer: rater.perceived(instruction, answer) for answer in pool}
        prompt = tuple(instruction.messages[:-1])
        for pair in _shuffled(list(itertools.combinations(pool, 2)), rng)[:pairs]:
            p = rater.probability_of_preferring(merit[pair[0]], merit[pair[1]])
            if rng.random() >= p:
                pair, p = pair[::-1], 1 - p
            preferences.append(Preference(prompt, *pair, rater=rater.name, probability=p))
    return preferences


def _shuffled(items: list, rng: random.Random) -> list:
    """The items in random order; sorting by random keys gives the same order in every version of Python."""
    return sorted(items, key=lambda item: rng.random())


@dataclass(frozen=True)
class Ceiling:
    """The best expected accuracy on a set of pairs, and the standard error of the accuracy counted on it."""

    accuracy: float
    stderr: float


def probabilities(preferences: Sequence[Preference]) -> list[float]:
    """The probability of each preference, by its rater; raises `UserError` for a pair of unknown probability."""
    known = [preference.probability for preference in preferences if preference.probability is not None]
    if len(known) < len(preferences):
        number = next(n for n, preference in enumerate(preferences) if preference.probability is None)
        raise UserError(f"pair {number} has no probability; only for simulated raters is the best accuracy known")
    return known


def bayes_ceiling(preferences: Sequence[Preference]) -> Ceiling:
    """The accuracy of a model that knows the raters' probabilities: the mean of max(p, 1 - p).

    No model can expect more on these pairs, because of the noise in the labels. The accuracy counted on the set is a
    mean of Bernoulli variables; its standard error around the ceiling is sqrt(sum of p (1 - p)) / n.

    Raises `UserError` for an empty set, and for pairs without a probability, such as people's own.

    >>> pair = Preference(({"role": "user", "content": "Hello"},), "Good morning.", "What?", "simulated", 0.8)
    >>> ceiling = bayes_ceiling([pair] * 100)
    >>> round(ceiling.accuracy, 3), round(ceiling.stderr, 3)
    (0.8, 0.04)
    """
    if not preferences:
        raise UserError("there are no pairs, so there is no best accuracy; give at least one")
    known = probabilities(preferences)
    count = len(known)
    return Ceiling(
        accuracy=math.fsum(max(p, 1 - p) for p in known) / count,
        stderr=math.sqrt(math.fsum(p * (1 - p) for p in known)) / count,
    )
