"""What lesson 06 uses: orders of blocks, the stream by a block, patching, and stored costs."""

import pytest
import torch

from minillm.course import stack
from minillm.course.turns.transformer import block, differs


def test_an_order_without_blocks():
    assert stack.all_but() == list(range(30))
    assert stack.all_but(0, 29) == list(range(1, 29))


def test_stored_costs_are_by_block_and_text():
    costs = stack.costs()
    assert list(costs) == ["block", "attention", "feed-forward"]
    assert {len(rows) for rows in costs.values()} == {30}
    assert {len(row) for rows in costs.values() for row in rows} == {12}


@pytest.mark.real
@pytest.mark.slow
def test_the_real_model_is_a_sum_of_writes_and_its_blocks_are_those_of_the_package(real_weights):
    text = "The capital of France is"
    ids, added = stack.ids_of(text), stack.writes(text)
    right = stack.reference(ids)
    assert stack.tokens_of(text)[0] == "START"
    assert added.shape == (61, len(ids), 576)
    torch.testing.assert_close(added.sum(0), right[-1], rtol=1e-3, atol=1e-2)
    assert differs(stack.stream(block, ids), right, 1e-3) is None


@pytest.mark.real
@pytest.mark.slow
def test_two_of_the_three_suspects_are_broken(real_weights):
    ids = stack.ids_of("The capital of France is")
    right = stack.reference(ids)
    found = {name: differs(each, right, 1e-3) for name, each in stack.suspects(ids).items()}
    assert found == {"A": stack.BROKEN + 1, "B": None, "C": 1}
    texts = stack.suspect_texts("The old man walked to the", 3)
    assert texts["B"] == stack.infected_text("", "The old man walked to the", 3)


@pytest.mark.real
@pytest.mark.slow
def test_patching_at_the_ends_is_one_of_the_two_runs(real_weights):
    """At the last token: nothing before the first block, and all after the last one; at the country, the opposite."""
    france, italy = "The capital of France is", "The capital of Italy is"
    last, country = (stack.patched(france, italy, at) for at in (-1, 4))
    own, other = (stack.lens_of(text)[-1] for text in (france, italy))
    for found, expected in ((last[0], own), (last[-1], other), (country[0], other), (country[-1], own)):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
