"""When a text reads like English, and what a model without a mask may see: against small cases by hand."""

import math

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.analysis.surgery import prompt_ids
from minillm.course.bug_zoo import ZOO
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

TEXT = "The old goose lost her umbrella, and the old umbrella was glad of it"


@pytest.fixture(scope="module")
def bug_zoo():
    with benchmark_script("bug_zoo") as module:
        yield module


@pytest.fixture(scope="module")
def no_mask():
    with benchmark_script("no_mask") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([TEXT * 3], vocab_size=300, special_tokens=["<|endoftext|>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=300, max_seq_len=64))).requires_grad_(False)


def test_the_rule_comes_from_the_intact_models_own_texts(bug_zoo):
    sampled = [{"ids": [1, 2], "loss": float(loss)} for loss in range(20)]
    own = {"T = 1.0": sampled, "greedy": [{"ids": [1, 1, 1, 2]}, {"ids": [1, 2, 3, 4]}]}
    judgement = bug_zoo.judgement_of(own)
    assert judgement == (18.0, 0.5)
    assert sum(bug_zoo.reads(judgement, row) for row in sampled) == 19
    assert not bug_zoo.reads(judgement, {"ids": [5, 5, 5, 5], "loss": 0.1})
    assert not bug_zoo.reads(judgement, {"ids": [], "loss": 0.1})


def test_the_loss_of_a_continuation_leaves_out_its_prompt(bug_zoo, tokenizer, model):
    before, new = prompt_ids(tokenizer, "The old"), tokenizer.encode(" goose lost")
    logits = model(torch.tensor([before + new]))[0].log_softmax(-1)
    by_hand = [-logits[len(before) - 1 + index, token].item() for index, token in enumerate(new)]
    assert bug_zoo.loss_of(model, tokenizer, "The old", new) == pytest.approx(sum(by_hand) / len(new), abs=1e-5)


def test_a_sampler_draws_the_same_tokens_for_a_seed(bug_zoo):
    logits = torch.zeros(100)
    first, again, other = (bug_zoo.sampler_at(1.0, seed) for seed in (0, 0, 1))
    drawn = [[sampler(logits) for _ in range(8)] for sampler in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_row_says_what_is_lower_and_what_is_the_same(bug_zoo):
    def found(losses, ids):
        rows = [{"prompt": str(i), "ids": each, "text": "", "loss": 1.0} for i, each in enumerate(ids)]
        return {"losses": losses, "capitals": 3, "continuations": rows}

    intact = found([2.0, 3.0], [[1, 2], [3, 4], [5, 6]])
    row = bug_zoo.told(found([1.5, 3.5], [[1, 2], [3, 3], [5, 7]]), intact, bug_zoo.Judgement(2.0, 0.9))
    assert (row["cost"], row["lower on"], row["as the intact one"], row["english"]) == (0.0, 1, 1, 2)
    assert row["reads like English"]


def test_the_table_lists_bugs_of_the_zoo(bug_zoo):
    assert set(bug_zoo.TABLE) <= set(ZOO)
    assert len(bug_zoo.TABLE) == 15


def test_only_what_a_place_may_see_changes_its_loss(no_mask, tokenizer, model):
    others = "It was glad of the goose, and her umbrella lost the old old old goose"
    found = no_mask.by_future(model, tokenizer, TEXT, others)
    ids = prompt_ids(tokenizer, TEXT)
    at = no_mask.places(len(ids))
    assert all(len(values) == no_mask.PLACES == len(at) for values in found.values())
    assert 0 < min(at) < max(at) < len(ids) - 1
    masked = model(torch.tensor([ids]))[0].log_softmax(-1)
    by_hand = [-masked[t, ids[t + 1]].item() for t in at]
    assert found["with the mask"] == pytest.approx(by_hand, abs=1e-4)
    assert len({tuple(values) for values in found.values()}) == 6


def test_futures(no_mask):
    ids, other = [1, 2, 3, 4, 5], [9, 9, 9, 9, 9, 9]
    assert no_mask.with_future(ids, other, 1, "right") == ids
    assert no_mask.with_future(ids, other, 1, "none") == [1, 2]
    assert no_mask.with_future(ids, other, 1, "another text's") == [1, 2, 9, 9, 9]
    assert no_mask.with_future(ids, other, 1, "right next token only") == [1, 2, 3, 9, 9]
    assert no_mask.with_future(ids, other, 1, "right but for the next token") == [1, 2, 9, 4, 5]


def test_losses_of_rows_of_other_lengths(no_mask, model):
    losses = no_mask.losses_at(model, [[1, 2, 3], [4, 5]], at=[1, 0], targets=[7, 8])
    for found, row, t, target in zip(losses, ([1, 2, 3], [4, 5]), (1, 0), (7, 8), strict=True):
        logits = model(torch.tensor([row]))[0, t]
        assert found.item() == pytest.approx(-logits[target].item() + math.log(logits.exp().sum()), abs=1e-4)
