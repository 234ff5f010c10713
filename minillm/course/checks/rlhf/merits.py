"""10.4: merits from a list of who beat whom, however unevenly they met: Bradley and Terry (1952) as a league table."""

import math
import random
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question

NEWTON_STEPS = 25


def merits(wins: Float[Tensor, "K K"], pull: float) -> Float[Tensor, "K"]:
    """The right answer, by Newton's method: the merits with the least loss, which add up to 0.

    >>> merits(torch.tensor([[0.0, 3.0], [1.0, 0.0]]), pull=0.0)                          # log 3 apart
    tensor([ 0.5493, -0.5493], dtype=torch.float64)
    """
    return _fitted(wins.double(), pull)


def _fitted(wins: Tensor, pull: float) -> Tensor:
    """The least of sum wins[a, b] log(1 + e^(m_b - m_a)) + pull / 2 sum m^2."""
    found, K = torch.zeros(len(wins)).double(), len(wins)
    met = wins + wins.T
    for _ in range(NEWTON_STEPS):
        expected = torch.sigmoid(found[:, None] - found)
        slope = (wins - met * expected).sum(1) - pull * found
        bends = met * expected * (1 - expected)
        curvature = bends.sum(1).diag() - bends + pull * torch.eye(K).double()
        step = torch.linalg.pinv(curvature) @ slope  # with no pull, a move of all together bends nothing
        found = found + step / max(1.0, step.abs().max().item())
    return found


def _everybody(rng: random.Random) -> list[Call]:
    """Everybody has met everybody equally often, and each has beaten each."""
    calls = []
    for K in (2, 3, 5):
        games = rng.randint(4, 9)
        wins = torch.zeros(K, K).double()
        for a in range(K):
            for b in range(a):
                wins[a, b] = rng.randint(1, games - 1)
                wins[b, a] = games - wins[a, b]
        calls.append((wins, 0.0))
    return calls


def _some(rng: random.Random) -> list[Call]:
    """A chain, in which each has met the next, and some meetings more; each has beaten each that it met.

    In the last but one, a long chain and nothing else, it takes many small steps from one end to the other. In the last
    one a popular player has met all others hundreds of times.
    """
    calls = []
    for K in (3, 4, 6, 10):
        wins = torch.zeros(K, K).double()
        pairs = [(a, a + 1) for a in range(K - 1)] + [
            (a, a + 2) for a in range(1, K - 2) if K < 10 and rng.random() < 0.5
        ]
        for a, b in pairs:
            wins[a, b], wins[b, a] = rng.randint(2, 6), rng.randint(2, 6)
        calls.append((wins, 0.0))
    wins = calls[1][0].clone()
    wins[0, 1:] = torch.tensor([rng.randint(100, 500) for _ in range(3)])
    wins[1:, 0] = torch.tensor([rng.randint(100, 500) for _ in range(3)])
    return [*calls, (wins, 0.0)]


HUNDREDS = "hundreds of games"
SOME = ("three players", "four players", "six players", "a long chain", HUNDREDS)


def _unbeaten(rng: random.Random) -> list[Call]:
    """As before, but one has won or lost each time, and one has never met anybody; and nobody has played at all."""
    calls = []
    for number, (wins, _) in enumerate(_some(rng)[:3]):
        wins = torch.nn.functional.pad(wins, (0, 1, 0, 1))
        best = rng.randrange(len(wins) - 1)
        wins[:, best] = 0
        calls.append((wins.T.contiguous() if number == 1 else wins, rng.choice([0.5, 1.5, 3.0])))
    return [*calls, (torch.zeros(3, 3).double(), 1.0)]


UNBEATEN = ("one that never lost", "one that never won", "one that never lost", "nobody that has played")


def _on_the_way(wins: Tensor, pull: float, found: Tensor, right: Tensor) -> bool:
    """Whether merits are where small steps up the slope come by, before they come to rest.

    The steps have one rate for all, or a rate for each player.
    """
    met = wins + wins.T
    near = min(0.02 * right.abs().max().item(), 0.2 * (found - right).abs().max().item())
    for games in (met.sum(1).max().expand(len(wins)), met.sum(1)):
        here = torch.zeros(len(wins)).double()
        for _ in range(1500):
            slope = (wins - met * torch.sigmoid(here[:, None] - here)).sum(1) - pull * here
            step = slope / (games + pull).clamp_min(1e-9) / 4
            step = step - step.mean()  # with a rate for each player the zero moves
            share = ((found - here) @ step / (step @ step).clamp_min(1e-30)).clamp(0, 1)
            if (found - here - share * step).abs().max() < near:
                return True
            here = here + step
    return False


def _nearly(tables: Tensor, found: Tensor) -> tuple[str, str] | None:
    """Whether all tables together are right but for one factor (points of Elo), or but for a little."""
    factor = (found @ tables / (tables @ tables)).item()
    if abs(factor - 1) > 0.05 and (found - factor * tables).abs().max() < 1e-3 * abs(factor) * tables.abs().max():
        hint = "The sigmoid has base e and no unit: 1 / (1 + e^-d), where d is the difference of two merits."
        elo = " Are these Elo points, 400 for a factor of ten?" if abs(factor - 400 / math.log(10)) < 1 else ""
        return f"All merits are {factor:.4g} times as large as they should be.{elo}", hint
    return None


def _off(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    answers: list[Any] = [as_tensor(answer) for answer in got]
    if any(found is None or found.shape != table.shape for found, table in zip(answers, right, strict=True)):
        return None
    answers = [found.double() for found in answers]
    cases = [
        (call, table, found)
        for call, table, found in zip(calls, right, answers, strict=True)
        if not (found - table).abs().max() <= 1e-4 * max(1e-3, table.abs().max().item())
    ]
    if any(found.isnan().any() for _, _, found in cases):
        return "A merit is not a number.", "0 / 0? Who never met adds nothing to the slope: wins are 0 both ways."
    if cases and all(wins.max() > 99 for (wins, _), _, _ in cases) and len(cases) < len(calls):
        hint = "One rate is too large where many games were played. Divide each slope by `met.sum(1) / 2 + pull`."
        return "The merits are wrong where hundreds of games were played. Are the steps too long there?", hint
    for (_, pull), table, found in cases:
        if (found - found.mean() - table).abs().max() < 1e-4 * table.abs().max():
            zero = found.abs().min() < 1e-6
            which = f" Player {int(found.abs().argmin())} has the merit 0." if zero else ""
            sentence = f"The merits add up to {found.sum().item():.4g}, but their differences are right.{which}"
            return sentence, "Take their mean off: choices know no zero."
        if pull and found.abs().max() > 1.2 * table.abs().max():
            hint = "The pull takes pull · m off each slope. Without it who never lost wants an endless merit."
            return "The merits run away, or are on their way: the pull is too weak, or is not there.", hint
    nearly = _nearly(torch.cat(right), torch.cat(answers))
    if nearly is None and cases and all(_on_the_way(call[0], call[1], found, table) for call, table, found in cases):
        hint = "Go on until no merit moves by more than a millionth, or take larger steps."
        return "The merits are on their way to the right ones, but have not come to rest.", hint
    off = max(((found - table).abs().max() / table.abs().max()).item() for _, table, found in cases)
    if nearly is None and off < 0.02:
        hint = "Go on until no merit moves by more than a millionth, or take larger steps."
        return f"No merit is off by more than {off:.2%} of the largest. Have they come to rest?", hint
    if nearly is None and abs(cases[0][2].sum().item()) > 1e-3:
        return f"The merits add up to {cases[0][2].sum().item():.4g}.", "Take their mean off: choices know no zero."
    return nearly


def _uphill(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The slope of the loss at the merits of the first wrong answer: at the lowest point it is 0."""
    for (wins, pull), table, answer in zip(calls, right, got, strict=True):
        found = as_tensor(answer)
        if found is None or found.shape != table.shape or not found.isfinite().all():
            return None
        found = found.double()
        if (found - table).abs().max() > 1e-4 * max(1e-3, table.abs().max().item()):
            slope = pull * found - (wins - (wins + wins.T) * torch.sigmoid(found[:, None] - found)).sum(1)
            player = int(slope.abs().argmax())
            sentence = (
                f"These merits are not the lowest point of the loss: its slope for player {player} is "
                f"{slope[player].item():.3g} there, and should be 0."
            )
            return sentence, (
                "Is this the slope that your answer computes there? If yours is 0, your loss is another one. If not, "
                "go on until all slopes are 0; one game after the other at a fixed rate (Elo) comes to rest elsewhere."
            )
    return None


question = Question("10.4", "A league in which not all have met", merits, forbidden=("minillm", "sklearn"))

all_met = question.probe("all have met equally often", _everybody, _off, at_last=_uphill)
all_met.mistake(
    "Who loses gets the points.",
    "`wins[a, b]` is how often a beat b: it pushes a up and b down.",
    lambda wins, pull: -merits(wins, pull),
)
all_met.mistake(
    "It is the share of games that were won, not a merit.",
    "Merits are those numbers whose differences, through the sigmoid, predict the wins.",
    lambda wins, pull: (wins.sum(1) / (wins.sum(1) + wins.sum(0))).double(),
)


@all_met.mistake(
    "It is the log-odds of all games together, which knows nothing of the opponents' merits.",
    "Against strong ones one wins less often. Compare wins with games times probability, pair by pair.",
)
def _odds(wins, pull):
    found = (wins.sum(1) / wins.sum(0)).double().log()
    return found - found.mean()


all_met.mistake(
    "The last one has the merit 0.",
    "The zero is free, and here it is the mean: take that off.",
    lambda wins, pull: merits(wins, pull) - merits(wins, pull)[-1],
)


@all_met.mistake(
    "These are e to the merits, less their mean.",
    "A merit is what goes into the sigmoid. Take the logarithm before you take the mean off.",
)
def _odds_of_merits(wins, pull):
    found = merits(wins, pull).exp()
    return found - found.mean()


for games, name in ((0.5, "Half a game is"), (1.0, "A game is")):
    all_met.mistake(
        f"{name} added to each side of every pair, and draws all merits together.",
        "Count only the games that were played. The pull is there for one who never lost.",
        lambda wins, pull, games=games: _fitted(wins.double() + (1 - torch.eye(len(wins)).double()) * games, pull),
    )
all_met.mistake(
    "It is the share of games that were won, less the mean, not a merit.",
    "Merits are those numbers whose differences, through the sigmoid, predict the wins.",
    lambda wins, pull: (wins.sum(1) / (wins.sum(1) + wins.sum(0))).double() - 0.5,
)
all_met.mistake(
    "It is how many games were won, less those that were lost.",
    "Merits are those numbers whose differences, through the sigmoid, predict the wins.",
    lambda wins, pull: (wins.sum(1) - wins.sum(0)).double(),
)
all_met.mistake(
    "These are e to the merits, scaled to sum to 1.",
    "A merit is what goes into the sigmoid. Take the logarithm, then the mean off.",
    lambda wins, pull: merits(wins, pull).softmax(0),
)
some_met = question.probe("some more often, some never", _some, _off, kinds=SOME, at_last=_uphill)


@some_met.mistake(
    "Each pair counts the same, however often it met.",
    "Nine games tell more than one. Sum over games, not over pairs: met · probability is what was expected.",
)
def _each_pair_alike(wins, pull):
    met = (wins + wins.T).double()
    return _fitted((wins / met).where(met > 0, 0.0), pull)


@some_met.mistake(
    "Two who never met count as a draw.", "No game is no knowledge, and not a draw: it adds nothing to the slope."
)
def _unmet_is_a_draw(wins, pull):
    met = (wins + wins.T).double()
    strangers = (met == 0) & ~torch.eye(len(wins)).bool()
    return _fitted(wins.double() + strangers / 2, pull)


unbeaten = question.probe(
    "one that never lost, and one that never played", _unbeaten, _off, kinds=UNBEATEN, at_last=_uphill
)
unbeaten.mistake(
    "The losses are averaged, so that the pull weighs as much as all games.",
    "Sum over the games; the pull stands beside that sum.",
    lambda wins, pull: merits(wins, pull * wins.sum().item()),
)
unbeaten.mistake(
    "The pull is twice as strong: the slope of pull / 2 · m² is pull · m.",
    "Is a factor of 2 left from the square?",
    lambda wins, pull: merits(wins, 2 * pull),
)
unbeaten.mistake(
    "The pull is half as strong: the slope of pull / 2 · m² is pull · m.",
    "The square brings a factor of 2.",
    lambda wins, pull: merits(wins, pull / 2),
)
for games, words in ((1.0, "`pull` games"), (0.5, "Half of `pull` games")):
    unbeaten.mistake(
        f"{words} are added to the wins on each side of every pair; nothing pulls at the merits.",
        "The pull takes pull · m off each slope; `wins` stays as it was played.",
        lambda wins, pull, games=games: _fitted(
            wins.double() + (1 - torch.eye(len(wins)).double()) * games * pull, 0.0
        ),
    )
