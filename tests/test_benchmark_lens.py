"""Patching, flips, attribution and removals at single tokens: against the model run as a whole and cases by hand."""

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.analysis.surgery import prompt_ids, without
from minillm.losses import next_token_loss
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "goose dog cat hen"
TEXT = "The old goose lost her umbrella, and the old umbrella was glad of it"


@pytest.fixture(scope="module")
def lens():
    with benchmark_script("lens") as module:
        yield module


@pytest.fixture(scope="module")
def first_token():
    with benchmark_script("first_token") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = [f"The {word} likes the {word}. {TEXT}" for word in WORDS.split()] * 20
    return Tokenizer.train(texts, vocab_size=340, special_tokens=["<|endoftext|>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=340, max_seq_len=64))).requires_grad_(False)


def test_a_patch_of_all_depths_of_the_last_token(lens, model):
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 5, 4], [1, 7, 3, 4]])
    stream, own = lens.streams(model, ids), model(ids)[:, -1].argmax(-1)
    donors = torch.tensor([1, 2, 0])
    found = lens.patched(model, ids, stream, stream[:, donors, -1], at=3)
    assert torch.equal(found[0], own)  # the last token is the same in all
    assert torch.equal(found[-1], own[donors])
    swapped = ids.clone()
    swapped[:, 2] = ids[donors, 2]
    found = lens.patched(model, ids, stream, stream[:, donors, 2], at=2)
    assert torch.equal(found[0], model(swapped)[:, -1].argmax(-1))  # another token from the start
    assert torch.equal(found[-1], own)  # nothing reads it any more


def test_flips_are_counted_and_dated(lens):
    found = torch.tensor([[1, 1, 9], [2, 1, 9], [2, 2, 9], [2, 1, 9]])  # depth, pair
    flips = lens.flips(found, donors=torch.tensor([2, 2, 9]), receivers=torch.tensor([1, 1, 1]))
    assert flips["donor"] == [1, 2, 3, 2]
    assert flips["receiver"] == [2, 1, 0, 1]
    assert flips["switches"] == [1, None, 0]


def test_known_items_are_those_that_the_model_names_first(lens, tokenizer, model):
    prompt, words = "The{} likes the", WORDS.split()
    items = []
    for word in words[:3]:
        ids = torch.tensor([prompt_ids(tokenizer, f"The {word} likes the")])
        likeliest = int(model(ids)[0, -1].argmax())
        token = tokenizer.decode([likeliest])
        items.append((word, token[1:] if token.startswith(" ") else "xyz"))
    known = lens.Known(model, tokenizer, prompt.replace("{}", " {}"), [*items, ("a b c", "it")])
    right = [item for item in items if item[1] != "xyz"]
    assert known.asked == 3
    assert set(known.items) <= set(right)
    assert len(known.answers) == len(known.items)


def test_pairs_have_different_answers(lens):
    known = lens.Known.__new__(lens.Known)
    known.items, known.answers = [("a", "x"), ("b", "x"), ("c", "y")], torch.tensor([1, 1, 2])
    donors, receivers = known.pairs()
    assert sorted(zip(donors.tolist(), receivers.tolist(), strict=True)) == [(0, 2), (1, 2), (2, 0), (2, 1)]


def test_words_are_paired_and_the_capitals_are_listed_once(lens):
    for prompt, items in lens.RELATIONS.values():
        assert prompt.count("{}") == 1
        assert len({word for word, _ in items}) == len(items)
    assert ("India", "New Delhi") in lens.RELATIONS["capitals"][1]


def test_the_cost_of_silent_networks(first_token, tokenizer, model):
    ids = prompt_ids(tokenizer, TEXT)
    reader, row = first_token.Reader(model, ids), torch.tensor([ids])
    everywhere = reader.cost(1, range(len(ids) - 1))
    with without(model, "feed_forward", 1):
        loss = next_token_loss(model(row[:, :-1]), row[:, 1:]).item()
    assert reader.intact + everywhere == pytest.approx(loss, abs=1e-4)
    assert reader.cost(1, []) == pytest.approx(0, abs=1e-5)
    assert reader.cost(1, [0]) != pytest.approx(everywhere, abs=1e-3)


def test_norms_by_depth(first_token, model):
    first, others = first_token.norms_by_depth(model, [3, 1, 4])
    table = model.embedding.weight
    assert first[0] == pytest.approx(table[3].norm().item(), abs=1e-5)
    assert others[0] == pytest.approx(min(table[1].norm().item(), table[4].norm().item()), abs=1e-5)
    assert len(first) == len(others) == 3
