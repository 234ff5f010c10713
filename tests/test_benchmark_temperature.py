"""Temperatures against the world: a model that knows the truth is best at T = 1, and the judge knows its documents."""

import math

import pytest
import torch

from minillm import Tokenizer
from minillm.world import World
from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def temperature():
    with benchmark_script("temperature") as module:
        yield module


@pytest.fixture(scope="module")
def parts(temperature):
    with benchmark_script("by_temperature") as module:
        yield module


@pytest.fixture(scope="module")
def judge(temperature):
    return temperature.Judge()


def test_the_best_temperature_of_known_probabilities_is_one(parts):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 6, generator=generator, dtype=torch.double) * 2
    targets = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert parts.lowest(parts.on_grid(logits, targets)) == pytest.approx(1, abs=0.05)
    assert parts.lowest(parts.on_grid(logits / 0.8, targets)) == pytest.approx(1.25, abs=0.06)
    curve = parts.on_grid(logits, targets)
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum").item()
    assert curve[parts.GRID.index(1.0)] == pytest.approx(expected)


def test_the_loss_splits_into_whether_it_is_the_likeliest_and_which_other(parts):
    logits = torch.tensor([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]], dtype=torch.double).log()
    one = parts.GRID.index(1.0)
    assert parts.whether_likeliest(logits[:1], torch.tensor([0]))[one] == pytest.approx(-math.log(0.6))
    assert parts.whether_likeliest(logits[1:], torch.tensor([2]))[one] == pytest.approx(-math.log(0.4))
    targets = torch.tensor([0, 2])
    whether, every = parts.whether_likeliest(logits, targets), parts.on_grid(logits, targets)
    assert every[one] - whether[one] == pytest.approx(-math.log(0.25))


def test_distances_by_hand(parts):
    p, q = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[0.25, 0.25, 0.5]])
    found = parts.distances(p, q)
    assert found["KL"].item() == pytest.approx(math.log(2))
    assert found["total variation"].item() == found["impossible"].item() == 0.5
    assert parts.distances(p, torch.tensor([[1.0, 0.0, 0.0]]))["cut"].item() == 0.5
    assert parts.distances(p, p)["KL"].item() == 0


def test_calibration_error_by_hand_and_of_chance(parts):
    confidence = torch.tensor([0.95, 0.95, 0.55, 0.55])
    right = torch.tensor([1.0, 1.0, 0.0, 0.0])
    found = parts.calibrated([(confidence[:2], right[:2]), (confidence[2:], right[2:])])
    assert found["error"] == pytest.approx((2 * 0.05 + 2 * 0.55) / 4)
    assert (found["positions"], found["right"]) == (4, 0.5)
    assert [row["count"] for row in found["bins"]] == [2, 2]
    certain = parts.calibrated([(torch.ones(5), torch.ones(5))])
    assert certain["error"] == certain["chance"] == 0


def test_the_true_next_token_is_that_of_the_world(parts):
    documents = [document.text for document in World(7).documents(3)]
    tokenizer = Tokenizer.train(documents, vocab_size=300, special_tokens=["<|endoftext|>"])
    rows = parts.truths(tokenizer, 7, 3)
    assert len(rows) == 3 * parts.POSITIONS
    for row in rows:
        assert sum(p for _, p in row["p"]) == pytest.approx(1)
        text = tokenizer.decode(row["ids"][1:])
        (document,) = [each for each in documents if each.startswith(text)][:1]
        following = tokenizer.encode(document)[len(row["ids"]) - 1 :]
        assert (following[0] if following else 0) in [token for token, _ in row["p"]]


def test_the_judge_knows_possible_documents_their_kind_and_where_others_fail(judge):
    for document in World(11).documents(20):
        found = judge.of(document.text)
        assert found["possible"]
        assert found["agrees"] == 1
        assert found["kind"] == document.kind
        assert found["log_prob"] == pytest.approx(document.log_prob)
    broken = judge.of(document.text + " So it goes.")
    assert not broken["possible"]
    assert broken["log_prob"] is None
    assert 0.5 < broken["agrees"] <= 1
    assert broken["kind"] == document.kind


def test_the_summary_counts_by_hand(temperature):
    def row(text: str, log_prob: float | None, kind: str) -> dict:
        possible = log_prob is not None
        agrees = 1.0 if possible else 0.5
        its = {"possible": possible, "held out": False, "agrees": agrees}
        return {"text": text, "log_prob": log_prob, "kind": kind} | its

    runs = [[row("a b c d e", -3.0, "story"), row("a b c d f", None, "story")], [row("x", -5.0, "letter")] * 2]
    found = temperature.summary(runs, frozenset(["x"]))
    assert (found["possible"]["hits"], found["possible"]["of"]) == (3, 4)
    assert found["possible by seed"] == [0.5, 1]
    assert found["different"] == 1.5
    assert found["openings"] == 1
    assert found["copies of training documents"] == found["copies among possible"] == 2
    assert found["log p"]["mean"] == pytest.approx(-13 / 3)
    assert temperature.entropy(["a"] * 3) == 0
