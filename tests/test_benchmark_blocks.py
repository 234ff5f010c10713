"""Blocks dropped, repeated, reordered and replaced: against the model run in that order as a whole."""

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.analysis.surgery import prompt_ids, replaced, without
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

TEXT = "The old goose lost her umbrella"


@pytest.fixture(scope="module")
def blocks():
    with benchmark_script("blocks") as module:
        yield module


@pytest.fixture(scope="module")
def measures():
    with benchmark_script("measures") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([TEXT * 3], vocab_size=280, special_tokens=["<|endoftext|>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=280, max_seq_len=64, n_layers=30))).requires_grad_(False)


def test_costs_are_those_of_the_whole_model_in_that_order(blocks, measures, tokenizer, model):
    ids, every = prompt_ids(tokenizer, TEXT), list(range(30))
    found, intact = blocks.measured(model, tokenizer, TEXT), measures.text_loss(model, ids)
    assert found["loss"] == pytest.approx(intact, abs=1e-4)
    wanted = {
        ("dropped", 7): [*every[:7], *every[8:]],
        ("repeated", 29): [*every, 29],
        ("swapped", 0): [1, 0, *every[2:]],
        ("swapped", 28): [*every[:28], 29, 28],
    }
    for (name, layer), order in wanted.items():
        with replaced(model, order=order):
            assert found["single"][name][layer] + intact == pytest.approx(measures.text_loss(model, ids), abs=1e-3)
    assert [len(found["single"][name]) for name in blocks.SINGLE] == [30, 30, 29, 30]
    with replaced(model, order=blocks.orders()["four left out"]):
        assert found["many"]["four left out"] + intact == pytest.approx(measures.text_loss(model, ids), abs=1e-3)


def test_orders_hold_the_blocks_that_their_names_say(blocks):
    orders = blocks.orders()
    assert sorted(orders["middle shuffled, seed 1"]) == sorted(orders["middle reversed"]) == list(range(30))
    assert set(range(30)) - set(orders["four left out"]) == {16, 17, 18, 19}
    assert set(range(30)) - set(orders["eight left out"]) == set(range(13, 21))
    assert orders["one block ten times"].count(17) == 10
    assert orders["middle: one block in place of all"][12:23] == [15] * 11
    assert all(len(orders[f"four of the middle left out, seed {seed}"]) == 26 for seed in blocks.SEEDS)
    assert len({tuple(orders[f"all shuffled, seed {seed}"]) for seed in blocks.SEEDS}) == 3


def test_noise_has_the_norm_of_what_it_replaces_and_another_direction(blocks):
    written = torch.randn(1, 5, 64) * 7
    noise = blocks.noise_like(written, seed=1)
    torch.testing.assert_close(noise.norm(dim=-1), written.norm(dim=-1))
    assert (torch.cosine_similarity(noise, written, dim=-1).abs() < 0.6).all()
    assert torch.equal(noise, blocks.noise_like(written, seed=1))


def test_the_share_of_neurons_and_heads_that_is_dropped(blocks, model):
    ids, seen = torch.tensor([[1, 2, 3]]), {}
    intact = model(ids)
    with blocks.partly(model, 0.25, seed=0, heads=True):
        for name, module in model.named_modules():
            if name.endswith(("feedforward.down", "attention.output")):
                module.register_forward_hook(lambda m, inputs, o, name=name: seen.update({name: inputs[0] == 0}))
        model(ids)
    for module in model.modules():
        module._forward_hooks.clear()
    d_ff = model.config.d_ff
    assert all(zeros[0, 0].sum() == round(0.25 * d_ff) for name, zeros in seen.items() if "down" in name)
    heads = sum(int(zeros[0, 0].view(4, 8).all(-1).sum()) for name, zeros in seen.items() if "output" in name)
    assert heads == 30 * 4 / 4
    assert torch.equal(model(ids), intact)
    with blocks.partly(model, 1.0, seed=0, heads=False), without(model, "attention"):
        torch.testing.assert_close(model(ids), model.head(model.final_norm(model.embedding(ids))))


def test_blocks_are_counted_and_told_as_by_hand(blocks):
    rows = [
        {"single": {"dropped": [0.1, 2.0]}, "many": {"shuffled": 1.0}},
        {"single": {"dropped": [0.7, 3.0]}, "many": {"shuffled": 3.0}},
    ]
    found = blocks.summary(rows, {"attention": [[0.1, 0.1], [0.9, 0.2]]})
    assert found["cheap"]["dropped"]["text by text"] == [1, 0]
    assert found["cheap"]["attention dropped"]["text by text"] == [1, 2]
    assert found["single"]["dropped"][1]["mean"] == found["single"]["dropped"][1]["costs"][0] + 0.5 == 2.5
    assert found["many"]["shuffled"] == {"mean": 2.0, "low": 1.0, "high": 3.0, "costs": [1.0, 3.0]}
