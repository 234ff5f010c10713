"""Ablation against models whose sub-layers have zero weights, and against the definition of a mean."""

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st

from minillm.analysis.ablation import (
    Replacement,
    ablate,
    find_strength,
    match_damage,
    mean_outputs,
    random_directions,
)
from minillm.analysis.tracing import sublayers, trace
from minillm.errors import UserError
from minillm.inference.generate import generate
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.training.pretraining import mean_loss

C = small_config().d_model


@pytest.fixture
def batches():
    """Two batches of different size; the last targets are padding."""
    batches = []
    for B, T in ((3, 8), (2, 5)):
        ids = torch.randint(0, 50, (B, T + 1))
        targets = ids[:, 1:].clone()
        targets[0, -2:] = IGNORE
        batches.append((ids[:, :-1], targets))
    return batches


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize(("kind", "writes"), [("attention", "output"), ("feedforward", "down")])
def test_zero_ablation_equals_zero_output_weights(small_model, layer, kind, writes):
    ids = torch.randint(0, 50, (2, 7))
    before = small_model(ids)
    silent = Transformer(small_config())
    silent.load_state_dict(small_model.state_dict())
    with torch.no_grad():
        getattr(sublayers(silent)[layer, kind], writes).weight.zero_()
    with ablate(small_model, {(layer, kind): Replacement(torch.zeros(C))}) as ablated:
        torch.testing.assert_close(ablated(ids), silent(ids))
        assert not torch.allclose(ablated(ids), before, atol=1e-3)
    assert torch.equal(small_model(ids), before)


def test_the_mean_ignores_padding(small_model, batches):
    means = mean_outputs(small_model, batches)
    for site in sublayers(small_model):
        layer, kind = site
        rows = []
        for inputs, targets in batches:
            seen = trace(small_model, inputs)
            outputs = getattr(seen, kind)[layer]
            rows += [outputs[b, t] for b, t in (targets != IGNORE).nonzero().tolist()]
        torch.testing.assert_close(means[site], torch.stack(rows).mean(0))


def test_the_trace_shows_the_replacement_and_later_layers_change(small_model):
    ids, target = torch.randint(0, 50, (2, 7)), torch.randn(C)
    before = trace(small_model, ids)
    with ablate(small_model, {(0, "feedforward"): Replacement(target)}):
        seen = trace(small_model, ids)
    torch.testing.assert_close(seen.feedforward[0], target.expand(2, 7, C))
    torch.testing.assert_close(seen.attention[0], before.attention[0])
    assert not torch.allclose(seen.attention[1], before.attention[1], atol=1e-3)


@given(st.floats(0, 1), st.integers(1, C), st.integers(0, 1000))
def test_a_replacement_changes_only_the_span_of_its_directions(strength, n, seed):
    torch.manual_seed(seed)
    output, target, directions = torch.randn(3, C), torch.randn(C), random_directions(C, n, seed)
    replaced = Replacement(target, strength, directions)(output)
    inside = (output + strength * (target - output)) @ directions.mT
    torch.testing.assert_close(replaced @ directions.mT, inside, atol=1e-4, rtol=1e-4)
    outside = torch.eye(C) - directions.mT @ directions
    torch.testing.assert_close(replaced @ outside, output @ outside, atol=1e-4, rtol=1e-4)


def test_a_full_basis_equals_no_directions():
    output, target = torch.randn(3, C), torch.randn(C)
    everywhere = Replacement(target, 0.7, random_directions(C, C, seed=0))
    torch.testing.assert_close(everywhere(output), Replacement(target, 0.7)(output), atol=1e-5, rtol=1e-4)


def test_random_directions_depend_only_on_the_seed():
    assert torch.equal(random_directions(C, 3, seed=5), random_directions(C, 3, seed=5))
    assert not torch.allclose(random_directions(C, 3, seed=5), random_directions(C, 3, seed=6), atol=0.1)


def test_the_model_is_restored_after_an_error(small_model):
    ids = torch.randint(0, 50, (1, 5))
    before = small_model(ids)
    with pytest.raises(UserError), ablate(small_model, {(1, "attention"): Replacement(torch.zeros(C))}):
        small_model(torch.tensor([[50]]))
    zero = Replacement(torch.zeros(C))
    with pytest.raises(ValueError, match="no sub-layer"):
        ablate(small_model, {(0, "attention"): zero, (7, "attention"): zero}).__enter__()
    assert torch.equal(small_model(ids), before)


def test_generation_with_a_cache_is_ablated_too(small_model):
    replacements = {site: Replacement(torch.randn(C), strength=0.3) for site in sublayers(small_model)}
    with ablate(small_model, replacements):
        cached = generate(small_model, [3, 4, 5], 10, temperature=0)
        assert cached == generate(small_model, [3, 4, 5], 10, temperature=0, use_cache=False)
    assert cached != generate(small_model, [3, 4, 5], 10, temperature=0)


@pytest.mark.parametrize("kinds", [("attention",), ("feedforward",), ("attention", "feedforward")])
@pytest.mark.parametrize("n_directions", [None, 16])
def test_matched_ablations_do_the_requested_damage(batches, kinds, n_directions):
    model = lively(Transformer(small_config()))
    means = mean_outputs(model, batches)
    # A random model predicts nothing, so use its own most probable tokens as targets.
    batches = [(inputs, model(inputs).argmax(-1).where(targets != IGNORE, IGNORE)) for inputs, targets in batches]
    before = mean_loss(model, batches)
    sites = [(layer, kind) for layer, kind in sublayers(model) if kind in kinds]
    directions = n_directions and random_directions(C, n_directions, seed=0)
    match = match_damage(model, batches, means, sites, 0.2, directions, tolerance=0.01)
    with ablate(model, match.replacements):
        after = mean_loss(model, batches)
    assert after - before == pytest.approx(0.2, rel=0.011)
    assert match.increase == pytest.approx(after - before)
    assert mean_loss(model, batches) == pytest.approx(before)
    assert set(match.replacements) == set(sites)


@given(st.floats(0.01, 2.9), st.floats(0.3, 4))
def test_the_strength_is_found_on_a_known_curve(increase, power):
    strength, found = find_strength(lambda s: 1 + 3 * s**power, increase, tolerance=0.001)
    assert found == pytest.approx(increase, rel=0.001)
    assert strength == pytest.approx((found / 3) ** (1 / power), rel=1e-6)


@pytest.mark.parametrize(
    ("loss_at", "increase", "sentence"),
    [
        (lambda s: s, 0.0, "increase is 0.0; use a positive number of nats per token"),
        (lambda s: s, 2.0, "even at full strength the loss rises by 1, not by 2; ablate more sites"),
        (lambda s: float(s > 0.3), 0.5, "no strength raises the loss by 0.5; near 0.3 it jumps past that"),
    ],
)
def test_a_strength_that_does_not_exist(loss_at, increase, sentence):
    with pytest.raises(ValueError, match=sentence):
        find_strength(loss_at, increase)


def test_full_strength_can_be_the_answer():
    assert find_strength(lambda s: 2 * s, 2.0) == (1.0, 2.0)


@pytest.mark.usefixtures("as_users_call_it")
def test_invalid_input_is_rejected(small_model, batches):
    zeros, means = torch.zeros(C), mean_outputs(small_model, batches)
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"strength is {strength}; use a number from 0"):
            Replacement(zeros, strength)
    with pytest.raises(ValueError, match=r"not orthonormal \(off by 3\)"):
        Replacement(zeros, directions=2 * random_directions(C, 3, seed=0))
    with pytest.raises(ValueError, match=f"the directions have 5 coordinates, but the target has {C}"):
        Replacement(zeros, directions=random_directions(5, 3, seed=0))
    with pytest.raises(ValueError, match=r"there is no sub-layer \(2, 'attention'\).*from 0 to 1"):
        ablate(small_model, {(2, "attention"): Replacement(zeros)}).__enter__()
    with pytest.raises(ValueError, match=r"there is no sub-layer \(0, 'ffn'\).*'attention' or 'feedforward'"):
        match_damage(small_model, batches, means, [(0, "ffn")], 0.1)
    with pytest.raises(ValueError, match=rf"at \(0, 'attention'\) has 5 coordinates, but this model has d_model {C}"):
        ablate(small_model, {(0, "attention"): Replacement(torch.zeros(5))}).__enter__()
    with pytest.raises(ValueError, match="there is no position to average over"):
        mean_outputs(small_model, [])
    with pytest.raises(ValueError, match="n is 33; use from 1 to 32 directions"):
        random_directions(C, 33, seed=0)
