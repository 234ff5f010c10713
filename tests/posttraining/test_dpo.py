"""DPO: its loss and gradient worked by hand, its optimum known by hand, and a run that goes on after a cut."""

import copy
import math

import numpy as np
import pytest
import torch
from bandits import bandit, probability
from helpers import lively, small_config
from pretrained.gguf_files import small_tokenizer

from minillm.data.pairs import Pair, PairBatches, PairData
from minillm.errors import UserError
from minillm.losses import bradley_terry_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import (
    DPOConfig,
    dpo,
    dpo_loss,
    dpo_loss_of_pairs,
    implicit_margins,
    log_probs,
    pair_log_probs,
    sampled_kl,
)
from minillm.posttraining.lora import add_lora
from minillm.pretrained import load

PAIRS = [Pair((1, 7 + n // 2), (10 + n, 5, 2), (10 + n, 2)) for n in range(20)]  # two to every prompt


def log_prob(model: Transformer, prompt: tuple[int, ...], answer: tuple[int, ...]) -> float:
    log_probs = model(torch.tensor([prompt + answer]))[0].log_softmax(-1)
    return sum(log_probs[len(prompt) - 1 + t, token].item() for t, token in enumerate(answer))


def test_the_log_probs_of_a_pair_are_those_of_both_answers_alone(small_model):
    found = pair_log_probs(small_model, PAIRS)
    expected = [
        [log_prob(small_model, pair.prompt, answer) for answer in (pair.chosen, pair.rejected)] for pair in PAIRS
    ]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-3)
    alone = torch.stack(log_probs(small_model, PAIRS[3:8]), 1)
    torch.testing.assert_close(alone, found[3:8], rtol=1e-4, atol=1e-4)


def test_loss_and_gradient_are_those_worked_by_hand():
    """beta 0.5; the policy prefers the chosen answer by 3 nats, the reference by 1: a margin of 0.5 (3 - 1) = 1."""
    policy = torch.tensor([3.0], requires_grad=True)
    loss = bradley_terry_loss(implicit_margins(policy, torch.tensor([1.0]), beta=0.5))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))  # 0.3133
    loss.backward()
    assert policy.grad.item() == pytest.approx(-0.5 / (1 + math.e))  # -beta sigmoid(-margin), -0.1345


@pytest.mark.parametrize(
    "options",
    [{}, {"label_smoothing": 0.2}, {"imitation": 0.7}, {"loss_type": "ipo"}, {"loss_type": "ipo", "lengths": False}],
)
def test_the_variants_of_dpo_by_the_formulas_of_trl(options):
    """TRL 1.x, DPOTrainer._compute_loss, in float64; its "sft" term is the mean over tokens, as `imitation` is."""
    columns = [-10 * torch.rand(6) for _ in range(4)]
    lengths = [torch.randint(1, 9, (6,)) for _ in range(2)]
    given = lengths if options.pop("lengths", True) else [None, None]
    found = dpo_loss(*columns, 0.3, **options, chosen_lengths=given[0], rejected_lengths=given[1]).item()
    chosen, rejected, ref_chosen, ref_rejected = (column.double().numpy() for column in columns)
    of_chosen, of_rejected = (length.numpy() for length in lengths)
    margin = 0.3 * ((chosen - ref_chosen) - (rejected - ref_rejected))
    p, s = 1 / (1 + np.exp(-margin)), options.get("label_smoothing", 0.0)
    expected = (-(1 - s) * np.log(p) - s * np.log(1 - p)).mean()
    if options.get("loss_type") == "ipo":
        per = (of_chosen, of_rejected) if given[0] is not None else (1, 1)
        expected = (((chosen - ref_chosen) / per[0] - (rejected - ref_rejected) / per[1] - 1 / 0.6) ** 2).mean()
    expected += options.get("imitation", 0.0) * -chosen.sum() / of_chosen.sum()
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_pairs_is_that_of_their_log_probs(small_model):
    reference = lively(Transformer(small_model.config))
    config = DPOConfig(steps=1, beta=0.2, loss_type="ipo", imitation=0.5)
    loss, margins = dpo_loss_of_pairs(small_model, PAIRS[:8], pair_log_probs(reference, PAIRS[:8]), config)
    tables = [
        torch.tensor([log_prob(model, pair.prompt, answer(pair)) for pair in PAIRS[:8]])
        for model in (small_model, reference)
        for answer in (lambda pair: pair.chosen, lambda pair: pair.rejected)
    ]
    lengths = torch.full((8,), 3), torch.full((8,), 2)
    expected = dpo_loss(*tables, 0.2, loss_type="ipo", imitation=0.5, chosen_lengths=lengths[0],
                        rejected_lengths=lengths[1])  # fmt: skip
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(margins, 0.2 * ((tables[0] - tables[2]) - (tables[1] - tables[3])), rtol=1e-3, atol=1e-3)


def test_ipo_ends_at_its_margin(small_model):
    """Both log ratios are per token; their difference has its target, 1 / (2 beta), where the loss is 0."""
    config = DPOConfig(
        steps=60, learning_rate=3e-3, warmup_steps=0, log_every=1, eval_every=60, beta=0.5, loss_type="ipo", bf16=False
    )
    _, history = dpo(small_model, PairData(PairBatches(PAIRS[:16], 8, 0), PAIRS[16:]), config)
    assert history[0]["loss"] == pytest.approx(1.0, abs=1e-4)  # (0 - 1)^2
    assert history[-1]["loss"] < 0.1


@pytest.mark.usefixtures("as_users_call_it")
def test_what_a_loss_needs_is_asked_for():
    column = torch.zeros(2)
    with pytest.raises(ValueError, match="imitation is 1.0 and needs chosen_lengths"):
        dpo_loss(column, column, column, column, 0.1, imitation=1.0)
    with pytest.raises(ValueError, match="loss_type is 'hinge'; choose one of sigmoid, ipo"):
        dpo_loss(column, column, column, column, 0.1, loss_type="hinge")


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 1.5},
        {"label_smoothing": -0.1},
        {"label_smoothing": 1.5, "loss_type": "ipo"},
        {"label_smoothing": 0.3, "loss_type": "ipo"},
        {"beta": 0},
        {"beta": 0, "loss_type": "ipo"},
    ],
)
def test_the_loss_refuses_what_its_configuration_refuses(options):
    column = torch.zeros(2)
    with pytest.raises(UserError) as of_config:
        DPOConfig(steps=1, **options)
    with pytest.raises(UserError) as of_loss:
        dpo_loss(column, column, column, column, **({"beta": 0.1} | options))
    assert str(of_loss.value) == str(of_config.value)


@pytest.mark.parametrize("name", ["chosen_lengths", "rejected_lengths"])
def test_ipo_needs_both_lengths_or_neither(name):
    column, lengths = torch.zeros(2), torch.tensor([3, 4])
    with pytest.raises(UserError, match="give both lengths or neither"):
        dpo_loss(column, column, column, column, 0.1, loss_type="ipo", **{name: lengths})


@pytest.mark.parametrize("bf16", [False, True])
def test_the_first_loss_is_that_of_a_coin_and_later_ones_are_below(small_model, bf16):
    reference = copy.deepcopy(small_model)
    config = DPOConfig(steps=30, learning_rate=3e-3, warmup_steps=0, log_every=1, eval_every=30, bf16=bf16)
    model, history = dpo(small_model, PairData(PairBatches(PAIRS[:16], 8, 0), PAIRS[16:]), config)
    assert history[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert history[0]["margin"] == pytest.approx(0.0, abs=1e-4)
    last = history[-1]
    assert last["val_loss"] < 0.5
    assert last["val_accuracy"] == last["accuracy"] == 1.0
    assert last["margin"] > 1
    assert last["kl"] > 0.1
    assert model is small_model
    ratios = (pair_log_probs(policy, PAIRS[16:]) @ torch.tensor([1.0, -1.0]) for policy in (model, reference))
    margins = implicit_margins(*ratios, config.beta)
    assert bradley_terry_loss(margins).item() == pytest.approx(last["val_loss"], abs=1e-4)


def test_what_was_chosen_may_be_imitated_as_well(small_model):
    """The first loss is that of a coin and the mean -log p of a chosen token; later the chosen answers are likelier."""
    nats = -sum(log_prob(small_model, one.prompt, one.chosen) for one in PAIRS[:16]) / (16 * 3)
    found = {}
    for imitation in (0.0, 2.0):
        model, config = copy.deepcopy(small_model), DPOConfig(
            steps=20, learning_rate=3e-3, warmup_steps=0, eval_every=20, log_every=1, bf16=False, imitation=imitation
        )  # fmt: skip
        _, history = dpo(model, PairData(PairBatches(PAIRS[:16], 8, 0), PAIRS[16:]), config)
        assert history[0]["loss"] == pytest.approx(math.log(2) + imitation * nats, abs=1e-3)
        found[imitation] = sum(log_prob(model, one.prompt, one.chosen) for one in PAIRS[:16])
    assert found[2.0] > found[0.0]


@pytest.mark.parametrize("beta", [0.5, pytest.param(1.0, marks=pytest.mark.slow)])
def test_two_answers_end_where_the_formula_says(beta):
    """Three of four raters prefer 1 to 0, so r_1 - r_0 = ln 3, and p* is p_ref exp(r / beta), made to sum to 1."""
    model = bandit(seed=1)
    before = probability(model)
    better, worse = (1,), (0,)
    pairs = [Pair((0,), better, worse)] * 3 + [Pair((0,), worse, better)]
    config = DPOConfig(
        steps=400, learning_rate=1e-2, beta=beta, warmup_steps=0, final_fraction=0.0, eval_every=400, log_every=400
    )
    dpo(model, PairData(PairBatches(pairs, 4, 0), pairs), config)
    after = probability(model)
    moved = math.log(after / (1 - after)) - math.log(before / (1 - before))
    assert moved == pytest.approx(math.log(3) / beta, abs=0.02)


def test_with_another_reference_the_optimum_is_relative_to_that_one():
    """The model starts at one distribution; p* is that of the other times exp(r / beta)."""
    model, reference = bandit(seed=1), bandit(seed=2)
    first, probabilities = probability(model), [parameter.clone() for parameter in reference.parameters()]
    pairs = [Pair((0,), (1,), (0,))] * 3 + [Pair((0,), (0,), (1,))]
    config = DPOConfig(
        steps=400, learning_rate=1e-2, beta=1.0, warmup_steps=0, final_fraction=0.0, eval_every=400, log_every=400
    )
    dpo(model, PairData(PairBatches(pairs, 4, 0), pairs), config, reference=reference)
    before, after = probability(reference), probability(model)
    moved = math.log(after / (1 - after)) - math.log(before / (1 - before))
    assert abs(math.log(before / (1 - before)) - math.log(first / (1 - first))) > 0.1
    assert moved == pytest.approx(math.log(3), abs=0.02)
    assert all(map(torch.equal, reference.parameters(), probabilities))


def test_the_sampled_kl_is_the_exact_one_up_to_luck():
    """Both tokens close an answer, so an answer is one draw."""
    model, reference = bandit(seed=1), bandit(seed=2)
    p, q = probability(model), probability(reference)
    exact = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert exact > 0.02
    pairs = [Pair((0,), (1,), (1,)), Pair((0,), (0,), (1,))] * 4000
    assert sampled_kl(model, reference, pairs) == pytest.approx(exact, abs=0.02)
    assert sampled_kl(model, model, pairs[:10]) == pytest.approx(0.0, abs=1e-6)


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path):
    tokenizer = small_tokenizer()
    data = PairData(PairBatches(PAIRS[:16], 4, 0), PAIRS[16:])
    config = DPOConfig(steps=20, learning_rate=1e-3, warmup_steps=0, log_every=1, save_every=5)

    def start():
        torch.manual_seed(0)
        return lively(Transformer(small_config(vocab_size=tokenizer.vocab_size)))

    whole, history = dpo(start(), data, config)

    class Cut(Exception):
        pass

    def cut(line):
        if line["step"] == 12:
            raise Cut

    with pytest.raises(Cut):
        dpo(start(), data, config, tmp_path, tokenizer, cut)
    resumed, again = dpo(start(), data, config, tmp_path, tokenizer)
    assert [line["loss"] for line in again] == [line["loss"] for line in history]
    for one in (resumed, load(tmp_path)[0]):
        assert torch.equal(pair_log_probs(one, PAIRS), pair_log_probs(whole, PAIRS))
    with pytest.raises(ValueError, match="with beta = 0.1, and now it is 0.2"):
        dpo(start(), data, DPOConfig(steps=20, learning_rate=1e-3, warmup_steps=0, log_every=1, save_every=5, beta=0.2),
            tmp_path, tokenizer)  # fmt: skip


def test_a_model_with_corrections_is_kept_with_them_merged(tmp_path):
    tokenizer = small_tokenizer()
    data = PairData(PairBatches(PAIRS[:16], 4, 0), PAIRS[16:])
    model = add_lora(lively(Transformer(small_config(vocab_size=tokenizer.vocab_size))), rank=2)
    trained, _ = dpo(model, data, DPOConfig(steps=3, learning_rate=1e-2, warmup_steps=0), tmp_path, tokenizer)
    torch.testing.assert_close(pair_log_probs(load(tmp_path)[0], PAIRS), pair_log_probs(trained, PAIRS))
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()


def test_settings_that_mean_nothing_are_refused(small_model, tmp_path):
    with pytest.raises(ValueError, match="imitation is -1.0; it cannot be negative"):
        DPOConfig(steps=1, imitation=-1.0)
    with pytest.raises(ValueError, match="label_smoothing is 0.5; it must be at least 0 and below 0.5"):
        DPOConfig(steps=1, label_smoothing=0.5)
    with pytest.raises(ValueError, match='label_smoothing is for loss_type "sigmoid"'):
        DPOConfig(steps=1, label_smoothing=0.1, loss_type="ipo")
    with pytest.raises(ValueError, match="beta is 0"):
        DPOConfig(steps=1, beta=0)
    with pytest.raises(ValueError, match="neither steps nor minutes"):
        DPOConfig()
    with pytest.raises(ValueError, match="run_dir needs a tokenizer"):
        dpo(small_model, PairData(PairBatches(PAIRS, 4, 0), PAIRS), DPOConfig(steps=1), tmp_path)
