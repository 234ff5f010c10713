"""The data lab's benchmark: what a condition trains on, and the sentence and the figure made of the numbers."""

import json

import pytest

from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def script():
    with benchmark_script("data") as module:
        yield module


@pytest.fixture(scope="module")
def lab(script):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "VALIDATION", 5)
        patch.setattr(script, "REFERENCE", 60)
        return script.Lab.of(0, 60)


def test_each_condition_trains_on_what_it_says(lab):
    dirty, oracle = lab.training("dirty"), lab.training("oracle")
    assert dirty == lab.documents
    assert oracle == [document for document in dirty if document.label == "clean"]
    assert {document.label for document in lab.training("clean")} == {"clean"}
    filtered, first = lab.training("filtered"), lab.training("deduplicated")
    assert lab.training("both") == [document for document in filtered if document in first]
    half = lab.training("other 50")
    assert len(half) == len(dirty)
    assert {document.label for document in half} == {"clean", "other world"}
    assert {document.label for document in lab.training("other 0")} == {"clean"}


def test_a_run_that_is_kept_is_not_repeated(script, lab, tmp_path, monkeypatch):
    made = []

    def run(lab, condition, recipe):
        made.append((condition, recipe.seed, recipe.training.steps))
        return {"condition": condition, "seed": recipe.seed, "kl": 1.0}

    monkeypatch.setattr(script, "run", run)
    monkeypatch.setattr(script.Lab, "of", lambda seed, count: lab)
    script.results(["dirty"], 1, 4, 60, tmp_path)
    rows = script.results(["dirty", "oracle"], 2, 4, 60, tmp_path)
    assert made == [("dirty", 0, 4), ("oracle", 0, 4), ("dirty", 1, 4), ("oracle", 1, 4)]
    assert script.by_condition(rows) == {"dirty": [1.0, 1.0], "oracle": [1.0, 1.0]}
    assert len([json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]) == 4


@pytest.mark.parametrize(
    ("dirty", "both", "oracle", "sentence"),
    [
        ([0.4, 0.6], [0.3], [0.1], "win back 50% of what perfect labels would"),
        ([0.5], [0.6], [0.3], "lose 50% of what perfect labels would"),
        ([0.2], [0.1], [0.3], "Perfect labels do not help here: KL 0.300 against 0.200"),
    ],
)
def test_the_finding_follows_from_the_numbers(script, dirty, both, oracle, sentence):
    assert sentence in script.finding({"dirty": dirty, "both": both, "oracle": oracle})


def test_the_figure_shows_every_condition(script):
    kl = {name: [0.2 + 0.01 * rank, 0.3] for rank, name in enumerate(script.CONDITIONS)}
    assert script.dial_finding({**kl, "other 0": [0.2], "other 50": [0.3]}) == "50 % of another world: KL x 1.50"
    assert script.spread([0.2, 0.4]) == (pytest.approx(0.3), [[pytest.approx(0.1)], [pytest.approx(0.1)]])
    assert script.draw(kl).startswith(b"\x89PNG")
