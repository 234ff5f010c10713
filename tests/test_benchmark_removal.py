"""What a part is worth, and the statistics that several benchmarks share: against values worked out by hand."""

import math

import pytest

from minillm import Tokenizer, Transformer
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def measures():
    with benchmark_script("measures") as module:
        yield module


@pytest.fixture(scope="module")
def removal():
    with benchmark_script("removal") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>", "<empty_output>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says(measures):
    low, high = measures.bootstrap_interval([0.0, 1.0] * 50, lambda items: sum(items) / len(items))
    assert low == pytest.approx(0.5 - 1.645 * 0.05, abs=0.01)
    assert high == pytest.approx(0.5 + 1.645 * 0.05, abs=0.01)


def test_a_model_that_knows_nothing_loses_the_logarithm_of_its_vocabulary(measures, tokenizer):
    blank = Transformer(small_config(vocab_size=310)).requires_grad_(False)
    for weight in blank.parameters():
        weight.zero_()
    assert measures.text_losses(blank, tokenizer, ["The goose", "lost"]) == pytest.approx([math.log(310)] * 2)


def test_what_is_kept_is_not_made_again(measures, tmp_path):
    assert measures.stored(tmp_path / "a" / "b.json", lambda: [1, 2]) == [1, 2]
    assert measures.stored(tmp_path / "a" / "b.json", lambda: 1 / 0) == [1, 2]


def test_the_texts_are_those_that_the_page_describes(measures):
    kinds = measures.texts(field="kind")
    assert len(kinds) == len(set(measures.texts())) == 50
    assert set(kinds[:20]) == set(kinds) == {"written", "world", "docstring"}


def test_what_is_measured_on_each_text_is_put_in_order_by_part(removal, model, tokenizer):
    rows = [removal.measured(model, tokenizer, text) for text in ("The old goose lost", "her umbrella was glad of it")]
    parts = removal.by_part(rows)
    assert [part["part"] for part in parts] == [f"{kind} {layer}" for kind in removal.KINDS for layer in range(2)]
    for part, found in zip(parts, [(0, 0), (1, 0), (0, 1), (1, 1)], strict=True):
        for key in ("norms", "relative", "costs"):
            assert part[key] == [row[key][found[0]][found[1]] for row in rows]


def test_removals_are_counted_as_by_hand(removal):
    costs = {"attention": ([0.0, 0.05], [2.0, 0.5]), "feed_forward": ([1.5, 1.2], [-0.1, 0.2])}
    parts = [
        {
            "part": f"{kind} {layer}",
            "kind": kind,
            "layer": layer,
            "costs": cost,
            "norms": [1.0 + layer] * 2,
            "relative": [2.0 - layer] * 2,
        }
        for kind, of in costs.items()
        for layer, cost in enumerate(of)
    ]
    found = removal.summary(parts)
    assert (found["cheap on all texts"], found["cheap on average"]) == (1, 2)
    assert (found["expensive on all texts"], found["expensive on average"]) == (1, 2)
    assert found["better without on a text"] == 1
    assert found["most expensive"][0] == "feed_forward 0"
    by_norm, by_relative = (found["rank correlation"][size] for size in ("norms", "relative"))
    assert by_norm["attention"]["by text"] == [pytest.approx(1), pytest.approx(1)]
    assert by_norm["feed_forward"]["of means"] == by_relative["attention"]["of means"] == pytest.approx(-1)
    early = found["rank correlation"]["early"]
    assert (early["attention"]["of means"], early["feed_forward"]["of means"]) == (pytest.approx(-1), pytest.approx(1))
