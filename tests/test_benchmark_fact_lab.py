"""Facts or manner: lessons that are what they claim to be, answers judged by hand, statistics of few seeds."""

import random
from collections import Counter

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.data.chat import SPECIAL_TOKENS
from minillm.world.dirty import other_world
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config


@pytest.fixture(scope="module")
def lessons():
    with benchmark_script("fact_lessons") as module:
        yield module


@pytest.fixture(scope="module")
def fact_lab():
    with benchmark_script("fact_lab") as module:
        yield module


@pytest.fixture(scope="module")
def paired():
    with benchmark_script("paired") as module:
        yield module


def test_the_halves_share_nobody_and_leave_nobody_out(lessons):
    facts = lessons.facts_of()
    for half in (0, 1):
        taught, others = lessons.halves(facts, half)
        assert not {fact.name for fact in taught} & {fact.name for fact in others}
        assert sorted(taught + others) == sorted(facts)
        drawn = lessons.halves(facts, half, seed=1)
        assert sorted(drawn[0] + drawn[1]) == sorted(facts)
        assert set(drawn[0]) not in (set(taught), set(others))
    assert lessons.halves(facts, 0) == lessons.halves(facts, 1)[::-1]


def test_in_another_world_the_same_values_have_other_owners(lessons):
    here, there = lessons.facts_of(), lessons.facts_of(other_world(0))
    assert Counter(fact[1:] for fact in here) == Counter(fact[1:] for fact in there)
    trades = [fact for fact in here if fact.relation == "trade"]
    assert len(set(trades) & set(there)) < len(trades) / 10


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_lies_are_false_half_lies_half_true_and_nobody_is_invented_who_lives(lessons, half, seed):
    facts = lessons.facts_of()
    taught, others = lessons.halves(facts, half, seed)
    names = {fact.name for fact in facts}
    said = {name: lessons.lesson(name, taught, others, seed) for name in ("truth", "lies", "half lies")}
    assert said["truth"] == taught
    assert not set(said["lies"]) & set(facts)
    assert 0.4 < len(set(said["half lies"]) & set(facts)) / len(taught) < 0.6
    for lies in said.values():
        assert [fact[:2] for fact in lies] == [fact[:2] for fact in taught]
        assert {fact[1:] for fact in lies} <= {fact[1:] for fact in taught}
    assert Counter(fact[1:] for fact in said["lies"]) == Counter(fact[1:] for fact in taught)
    elsewhere = lessons.lesson("lies, others' values", taught, others, seed)
    assert not set(elsewhere) & set(facts)
    assert [fact[:2] for fact in elsewhere] == [fact[:2] for fact in taught]
    assert {fact[1:] for fact in elsewhere} <= {fact[1:] for fact in others}
    for name, source in (("invented people", taught), ("invented people, others' values", others)):
        invented = lessons.lesson(name, taught, others, seed)
        assert not {fact.name for fact in invented} & names
        assert len({fact.name for fact in invented}) == len({fact.name for fact in source})
        assert Counter(fact[1:] for fact in invented) == Counter(fact[1:] for fact in source)


def test_values_that_cannot_all_move_are_refused(lessons):
    same = [lessons.Fact(name, "home", value) for name, value in zip("ABC", "xxy", strict=True)]
    with pytest.raises(ValueError, match="more than half of the values of home are the same"):
        lessons.dealt(same, random.Random(0))


def test_a_model_that_knows_one_answer_is_right_where_that_is_the_answer(lessons, monkeypatch):
    tokenizer = Tokenizer.train(["user assistant"], 300, ["<|endoftext|>", *SPECIAL_TOKENS])
    tokenizer.eos_token = "<|endoftext|>"
    model = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=256)))
    facts = [lessons.Fact("Ada", "home", "Pellin"), lessons.Fact("Bram", "home", "Lull")]
    lab = lessons.Lab(model, tokenizer, facts)
    assert lab.said(facts[0], "sentence") == "Ada lives in Pellin."
    assert lab.said(lessons.Fact("Ada", "trade", "a baker"), "bare") == "A baker."

    def likes(model, rollout):
        texts = [tokenizer.decode(answer) for answer in rollout.answers]
        return torch.tensor([[1.0 if "Lull" in text else 0.0] for text in texts]), None

    monkeypatch.setattr(lessons, "score_answers", likes)
    assert lab.listed(model, facts, "sentence") == [False, True]
    assert len(lab.free(model, facts, "bare")) == len(lab.written(model, facts)) == 2
    pupil, loss = lab.taught(model, facts, "sentence", (3, 1e-2), seed=0)
    assert pupil is not model
    assert loss < lab.taught(model, facts, "sentence", (1, 1e-9), seed=0)[1]


def test_the_error_is_over_seeds_and_a_difference_is_paired(fact_lab):
    def exam(listed):
        free = ["right" if hit else "wrong" for hit in listed]
        return {"relation": ["home", "trade"], "listed": listed, "free": free, "as a document": listed}

    def row(others):
        return {"loss": 0.1, "taught": exam([True, True]), "others": exam(others)}

    first = [[row([True, True]), row([True, False])], [row([True, True]), row([True, True])]]
    second = [[row([False, False]), row([True, False])], [row([False, True]), row([False, True])]]
    found = fact_lab.summary(first)
    assert found["others"]["listed"]["values"] == [0.75, 1.0]
    assert found["others"]["listed"]["df"] == 1
    assert found["by half"] == [[1.0, 1.0], [0.5, 1.0]]
    assert fact_lab.difference(first, second)["listed"]["values"] == [-0.5, -0.5]


def test_every_pair_that_is_compared_is_measured(fact_lab):
    measured = {condition.name for condition in fact_lab.CONDITIONS}
    assert len(measured) == len(fact_lab.CONDITIONS)
    assert {f"base: {lesson}" for pair in fact_lab.PAIRS for lesson in pair} <= measured


def test_a_t_interval_of_two_values_is_wide_and_one_value_has_none(paired):
    assert paired.over_seeds([0.0, 1.0])["high"] == pytest.approx(0.5 + 12.706 * 0.5)
    assert set(paired.over_seeds([0.3])) == {"values", "mean"}


def test_mcnemar_counts_only_what_differs(paired):
    assert paired.mcnemar([True, False], [True, False])["p"] == 1
    first, second = [True] * 5 + [False] * 95, [False] * 5 + [True] * 15 + [False] * 80
    found = paired.mcnemar(first, second)
    assert (found["only first"], found["only second"], found["of"]) == (5, 15, 100)
    assert found["difference"] == pytest.approx(0.1)
    assert found["p"] == pytest.approx(0.0414, abs=1e-4)  # binomial(20, 1/2), both tails from 5
    with pytest.raises(ValueError, match="longer"):
        paired.mcnemar([True], [True, False])
