"""The plumbing of lesson 10: ranked pairs, padded rows, agreement with its error, and the booth's three weights."""

import math
from statistics import fmean

import pytest
import torch

from minillm.course import clicking, ranking
from minillm.course.turns.reward_models import preference_loss, reward_at_end
from minillm.losses import bradley_terry_loss
from minillm.posttraining.reward import pair_margins
from minillm.posttraining.reward_model import RewardModel
from minillm.world.raters import Rater, bayes_ceiling, utility


@pytest.fixture(scope="module")
def pairs():
    return ranking.ranked(77, 8, 4, longest=ranking.SHORT)


def fit(x, prior=2.0):
    """As on the page."""
    w = torch.zeros(3, requires_grad=True)
    for _ in range(400):
        loss = preference_loss(x @ w, torch.zeros(len(x))) + (w / prior).square().sum() / (2 * len(x))
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - 2 * gradient).detach().requires_grad_()
    return w.detach()


def test_a_pair_knows_its_probability(pairs):
    for pair in pairs:
        points = [utility(pair.question, text) for text in (pair.chosen, pair.rejected)]
        assert pair.p == pytest.approx(Rater().probability_of_preferring(*points))
        right = [pair.question.check(text) for text in (pair.chosen, pair.rejected)]
        assert pair.one_is_right == (sum(right) == 1)


def test_the_own_reward_model_reads_as_the_packages(pairs):
    """Oracle: the package's reward model with the same trunk and head, on pairs of ids."""
    trunk, w = ranking.start()
    assert not w.any()
    w = torch.randn(len(w))
    theirs = RewardModel.from_language_model(ranking.models()[0])
    theirs.head.weight.data[0] = w

    def reward(ids, mask):
        return reward_at_end(trunk.hidden(ids, segments=mask.long()), mask, w)

    mine = ranking.margins_of(reward, pairs[:6], at_once=4)
    expected = pair_margins(theirs, [pair.ids for pair in pairs[:6]])
    torch.testing.assert_close(torch.tensor(mine), expected, rtol=1e-3, atol=1e-3)
    loss = preference_loss(torch.tensor(mine), torch.zeros(6))
    torch.testing.assert_close(loss, bradley_terry_loss(expected), rtol=1e-3, atol=1e-3)


def test_every_pair_is_read_once_before_the_first_comes_again(pairs):
    few = pairs[:6]
    batches = ranking.batches(few, updates=3, seed=1, size=4)
    assert [len(ids) for ids, _ in batches] == [8, 8, 8]
    chosen = [tuple(ids[row][mask[row]].tolist()) for ids, mask in batches for row in range(0, 8, 2)]
    assert len({*chosen[:6]}) == 6
    assert chosen[:6] == chosen[6:]


def test_agreement_is_highest_for_one_who_knows_and_never_passes_the_ceiling(pairs):
    ceiling = bayes_ceiling([pair.preference for pair in pairs])
    assert ranking.agreement(ranking.knowing(pairs), pairs).mean == pytest.approx(ceiling.accuracy)
    assert ranking.agreement([0.0] * len(pairs), pairs).mean == 0.5
    kinds = ranking.by_kind(ranking.manners(pairs), pairs)
    best = ranking.by_kind(ranking.knowing(pairs), pairs)
    assert kinds["both or none"].mean == pytest.approx(best["both or none"].mean)  # manners are all that is left
    assert kinds["one is right"].mean < best["one is right"].mean


def test_the_error_of_an_agreement_counts_questions(pairs):
    """By hand: the mean of each question is one number, since all have four pairs."""
    found = ranking.agreement(ranking.knowing(pairs), pairs)
    means = [fmean(max(pair.p, 1 - pair.p) for pair in pairs[at : at + 4]) for at in range(0, 32, 4)]
    expected = torch.tensor(means, dtype=torch.float64).std().item() / math.sqrt(8)
    assert found.stderr == pytest.approx(expected)


def test_padding_may_stand_in_front():
    mask, pieces = ranking.padded(["Yes.", "Yes, yes, yes."], in_front=True)
    assert mask[:, -1].all()
    assert not mask[:, 0].any()
    assert "".join(pieces[0]) == "Yes."


def test_a_rater_of_three_numbers_gets_weights_of_the_same_signs():
    w = fit(clicking.differences(clicking.clicked(lambda right, polite, words: 4 * right - 4 * polite)))
    assert w[0] > 0.5
    assert w[1] < -0.5
    assert clicking.differences([]).shape == (0, 3)


def test_the_weights_choose_the_answer_with_the_highest_reward(monkeypatch):
    question, *_ = clicking.clickable()[0]
    said = ["No.", "Certainly. " + question.reply, question.reply]
    monkeypatch.setattr(clicking.ranking, "sampled", lambda asked, count, seed: [said])
    monkeypatch.setattr(clicking.ranking, "questions", lambda *_, **__: (question,))
    sixteen = clicking.Sixteen(questions=1, count=3)
    assert sixteen.numbers(torch.tensor([1.0, 1.0, 0.0])) == [1]
    assert sixteen.numbers(torch.tensor([1.0, -1.0, 0.0])) == [2]
    assert sixteen.numbers(torch.zeros(3)) == [0]  # the first of equals
    assert sixteen.said(torch.tensor([1.0, 1.0, 0.0])).startswith("1 of 1 right, 1 polite, ")


def test_a_click_moves_the_weights_and_is_told(tmp_path):
    class Chosen:
        def chosen(self, w):
            return ["long" if w[2] > 0 else "short"] * 20

    booth = clicking.Booth(fit, Chosen(), tmp_path / "clicks.jsonl")
    assert booth.sentence == "No click yet: all three weights are 0."
    booth.choose("A")
    assert booth.sentence.startswith("right ")
    assert "of 20 chosen answers." in booth.sentence
    assert len((tmp_path / "clicks.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_stored_bands_are_those_of_the_benchmark():
    gold, rude = clicking.bands("gold"), clicking.bands("rude")
    assert gold["positive"]["right"] == 1
    assert rude["positive"]["polite"] == 0
    for name, (low, high) in gold["range"].items():
        assert low < gold["mean"][name] < high
    assert clicking.deep("gold") < 10 < clicking.deep("gold", "sixty updates")
