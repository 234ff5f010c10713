"""What lesson 05 uses: random facts in a memory, counts of what an edit changed, and the real model's neurons."""

import pytest
import torch
import torch.nn.functional as F

from minillm.analysis import surgery
from minillm.course import neurons
from minillm.course.own_model import smollm2
from minillm.course.turns.feed_forward import feed_forward, recall


def test_nine_facts_have_nine_answers():
    assert len(neurons.FACTS) == len(set(neurons.FACTS.values())) == 9
    assert neurons.FACTS["Mira", "home"] == "Pellin"


@pytest.mark.parametrize("C", [16, 64, 256])
def test_a_memory_of_few_facts_gives_all_back_and_one_of_nothing_guesses(C):
    assert neurons.share_recalled(lambda q, k, v: recall(q, k, v, 0.7), 10, C) == 1
    assert neurons.share_recalled(lambda q, k, v: torch.zeros(len(q), C), 100, C) < 0.1


def test_only_what_was_known_counts_as_kept():
    before = {"France": " Paris", "Italy": " Rome", "Japan": " Tokyo", "Egypt": " Alexandria", "Spain": " "}
    now = {"France": " Rome", "Italy": " Rome", "Japan": " Rome", "Egypt": " Rome", "Spain": " Rome"}
    change = neurons.compare(before, now, "Rome", "France")
    assert change == (1, 2, 1)  # Italy and Japan are known; Italy's capital was Rome before
    assert str(change) == "1 of 2 other capitals kept, 1 are now the new city"


def test_the_explorer_tells_a_quiet_memory_from_a_loud_one():
    explorer = neurons.MemoryExplorer(recall)
    assert "threshold 0.0: 12 of 100 recalled" in explorer.sentence
    explorer.controls["threshold"].value = 0.7
    assert "threshold 0.7: 100 of 100 recalled" in explorer.sentence


def test_stored_results_have_every_layer():
    found = neurons.where_facts_are()
    assert {name: len(row) for name, row in found.without.items()} == {"feed-forward": 30, "attention": 30}
    assert len(found.works) == 30
    assert all(0 <= share <= 1 for share in found.works)
    assert all(0 <= hits <= found.known for row in found.without.values() for hits in row)


@pytest.mark.real
@pytest.mark.slow
def test_neurons_of_the_real_model(real_weights):
    x, matrices = neurons.reads("She waved her", 24), neurons.weights(24)
    hidden = F.silu(x @ matrices[0].T) * (x @ matrices[1].T)
    assert neurons.activation("She waved her", 24, 1444) == pytest.approx(float(hidden[-1, 1444]), rel=1e-4)
    assert neurons.says(24, 1444, 3) == "hands, hands, Hands"
    layer = smollm2()[0].blocks[24].feedforward
    torch.testing.assert_close(feed_forward(x, *matrices), layer(x).detach(), rtol=1e-3, atol=1e-3)
    assert neurons.hands((24, 1444)) < 0.7 * neurons.hands()
    ids = [smollm2()[1].encode(f" {each}")[0] for each in neurons.HAND]
    alone = [surgery.next_logits(*smollm2(), text).softmax(-1)[ids].sum() for text in neurons.MOVES]
    assert neurons.hands() == pytest.approx(float(sum(alone)) / len(alone), abs=1e-4)
    assert torch.equal(neurons.asks("France"), neurons.reads("The capital of France is")[-1])
    rows = surgery.next_logits(*smollm2(), "The capital of France is")
    assert neurons.cities()["France"] == smollm2()[1].decode([int(rows.argmax())]) == " Paris"
