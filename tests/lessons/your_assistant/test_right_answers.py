"""The right answers of exercise 14, against the lesson's test, all signs, autograd, and other prompts."""

import itertools
import random
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minillm.course.checks import find
from minillm.course.checks.your_assistant import shop
from minillm.course.checks.your_assistant.replay import (
    AGREES,
    FORGETS,
    FORGIVEN,
    LIMITS,
    MOST,
    SOME,
    STEP,
    USUAL,
    fault,
    least,
    shares,
)
from minillm.course.checks.your_assistant.signs import cluster_test, differences, sign_test
from minillm.course.turns.your_assistant.testing import paired_test


def some_answers(seed, n, n_texts):
    rng = random.Random(seed)
    texts = [rng.randrange(n_texts) for _ in range(n)]
    return [rng.random() < 0.7 for _ in texts], [rng.random() < 0.5 for _ in texts], texts


@pytest.mark.parametrize("seed", range(5))
def test_with_a_text_per_question_it_is_the_test_of_the_lesson(seed):
    a, b, _ = some_answers(seed, 40, 1)
    assert cluster_test(a, b, range(40)) == pytest.approx(paired_test(a, b), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_p_is_the_share_of_all_signs(seed):
    call = some_answers(seed, 30, 8)
    values = differences(*call)
    signs = np.array([*itertools.product([1, -1], repeat=len(values))])
    assert cluster_test(*call) == (abs(signs @ values) >= abs(sum(values))).mean()


def test_equal_models_are_called_different_as_rarely_as_the_level_says():
    rng, found = random.Random(0), []
    texts = [text for text in range(12) for _ in range(5)]
    for _ in range(400):
        ahead = [rng.random() < 0.5 for _ in range(12)]
        a = [rng.random() < (0.9 if ahead[text] else 0.5) for text in texts]
        b = [rng.random() < (0.5 if ahead[text] else 0.9) for text in texts]
        found.append((cluster_test(a, b, texts) < 0.05, paired_test(a, b) < 0.05))
    ours, lesson = np.mean(found, 0)
    assert ours < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
    assert lesson > 2 * 0.05


@cache
def tasks(n_old):
    """What a learner is given in the tasks of a draw with so many everyday prompts."""
    return next(calls for probe in find("14.2").probes if len((calls := probe.draw(random.Random(5)))[0][1]) == n_old)


def test_the_training_ends_where_the_gradient_is_zero(monkeypatch):
    weights, old, new, labels, _ = tasks(100)[0]  # drawn with as many updates as ever
    monkeypatch.setattr(shop, "UPDATES", 20_000)
    tuned = torch.from_numpy(shop.trained(*(each.numpy() for each in (weights, old, new, labels)), share=0.9))
    tuned.requires_grad_()
    loss = F.cross_entropy(new @ tuned, labels) / 10 + F.cross_entropy(old @ tuned, (old @ weights).softmax(1)) * 0.9
    (gradient,) = torch.autograd.grad(loss, tuned)
    assert gradient.abs().max() < 1e-3


@pytest.mark.parametrize("n_old", [400, 100])
def test_what_is_kept_and_learned_holds_on_other_prompts_too(n_old):
    for call in tasks(n_old):
        here, weights = shop.task(call[0]), shop.learn_and_keep(*call).numpy()
        kept, right = here.measured(weights)
        old, (new, labels) = here.everyday("still others", 4000), here.orders("other orders", 4000)
        assert abs(((old @ weights).argmax(1) == (old @ here.old_weights).argmax(1)).mean() - kept) < 0.06
        assert abs(((new @ weights).argmax(1) == labels).mean() - right) < 0.06
        assert fault(call, shop.learn_and_keep(*call), MOST) is None
        assert kept >= call[4]


@pytest.mark.parametrize("n_old", [400, 100])
def test_training_on_orders_alone_forgets_and_no_training_learns_nothing(n_old):
    for call in tasks(n_old):
        weights, *prompts = (each.numpy() for each in call[:4])
        kept, learned = shares(call, shop.trained(weights, *prompts, share=0.0))
        assert kept < least(call)
        assert learned > MOST
        kept, learned = shares(call, weights)
        assert kept == 1.0
        assert learned < SOME


def test_a_larger_share_keeps_more_and_learns_less():
    weights, *prompts = (each.numpy() for each in tasks(400)[0][:4])
    here = shop.task(torch.from_numpy(weights.copy()))
    measured = [here.measured(shop.trained(weights, *prompts, share)) for share in (0.1, 0.5, 0.95)]
    kept, right = zip(*measured, strict=True)
    assert list(kept) == sorted(kept)
    assert list(right) == sorted(right, reverse=True)


def test_what_is_wrong_with_new_weights_is_told():
    call = tasks(100)[1]
    assert fault(call, call[0].T, SOME) == "isn't a table of 22 x 6 finite numbers"
    assert fault(call, torch.full((22, 6), torch.nan), SOME) == "isn't a table of 22 x 6 finite numbers"
    assert fault(call, call[0], SOME).startswith("keeps 100% of the old answers, but gets ")
    assert fault(call, -call[0], SOME).endswith("of the old answers on fresh prompts, and 85% are asked for")


@pytest.mark.parametrize(("number", "seed"), [(0, 0), (1, 0), (1, 5), (2, 0)])
def test_draws_have_a_low_and_a_high_limit_and_can_be_measured_without_fresh_prompts(number, seed):
    probe = find("14.2").probes[number]
    calls = probe.draw(random.Random(seed))
    assert [call[4] for call in calls] == list(LIMITS)
    careless, careful = [], []
    for (weights, old, *_, keep), usual in zip(calls, USUAL, strict=True):
        here, n_old = shop.task(weights), len(old)
        share, best = here.best(n_old, keep)
        right = here.measured(best)[1]
        assert here.alone[0] <= FORGETS
        assert here.gap(n_old, usual) <= AGREES
        assert abs(here.left_out(n_old, share) - keep) < AGREES
        assert here.after(n_old, share + STEP)[1] > (MOST + AGREES) * right
        assert here.after(n_old, share - shop.HIGHEST / 2**shop.HALVINGS)[0] < keep <= here.after(n_old, share)[0]
        careless.append(here.after(n_old, usual)[0] < keep - FORGIVEN[n_old])
        careful.append(here.after(n_old, keep)[1] < MOST * right)
    if "90%" in probe.name:  # where no mixture may be known beforehand
        assert (careless[0] and careful[1]) or (careless[1] and careful[0])


def test_what_is_measured_alone_and_on_prompts_left_out_by_hand():
    weights, old, new, labels, _ = (each.numpy() if torch.is_tensor(each) else each for each in tasks(400)[0])
    here, share = shop.task(torch.from_numpy(weights.copy())), 0.3
    assert here.alone == here.after(400, 0.0)
    same = 0
    for left in range(shop.FOLDS):
        out = np.arange(len(old)) % shop.FOLDS == left
        tuned = shop.trained(weights, old[~out], new, labels, share)
        same += ((old[out] @ tuned).argmax(1) == (old[out] @ weights).argmax(1)).sum()
    assert here.left_out(len(old), share) == same / len(old)


def test_a_coin_as_often_ahead_as_behind_has_p_1():
    assert sign_test([1, -1]) == 1.0
