"""What lesson 03 uses: questions that are asked both ways, other positions, and stored losses."""

import pytest
import torch

from minillm.course import positions
from minillm.course.turns.positional_encoding import rotate


def test_the_questions_are_asked_both_ways():
    """Rules that see only which word comes last, or first, are right in exactly half of the questions."""
    assert len(positions.COLORS) == 56
    by_pair = {}
    for text, right, wrong in positions.COLORS:
        told = text[: text.index(" What")]
        assert f"The {text.split('color is the ')[1].split('?')[0]} is {right}." in told
        by_pair.setdefault(text.partition(" What")[2], []).append(told.index(right) > told.index(wrong))
    assert all(2 * sum(last) == len(last) for last in by_pair.values())
    gave, got = positions.book("gave a book to"), positions.book("got a book from")
    assert len(gave) == len(got) == 28
    assert all(text.index(right) > text.index(wrong) for text, right, wrong in gave)
    assert all(text.index(right) < text.index(wrong) for text, right, wrong in got)


def test_positions_counted_from_another_number_are_shifted():
    x, where = torch.randn(3, 4), torch.tensor([0, 1, 5])
    torch.testing.assert_close(positions.counted_from(7)(x, where, 100.0), rotate(x, where + 7, 100.0))


def test_stored_losses_have_a_place():
    middles, rises = positions.by_position("in bfloat16", "neighbors")
    assert len(middles) == len(rises["in bfloat16"]) == len(rises["neighbors"])
    assert abs(rises["in bfloat16"][0]) < 0.01 < 0.5 < min(rises["neighbors"])
    with pytest.raises(KeyError):
        positions.by_position("no such break")


@pytest.mark.real
@pytest.mark.slow
def test_the_real_model_is_tried_with_and_without(real_weights):
    assert str(positions.scores()) == "17 of 20 capitals, 73 of 84 revenge"
    few = positions.COLORS[:4]
    assert 0 <= positions.prefers(few, without="positions") <= 4
    assert positions.prefers(few) == positions.prefers(few, positions.counted_from(1_000))
    plain, same = positions.next_logits("Tom hit Bob."), positions.next_logits("Tom hit Bob.", rotate)
    torch.testing.assert_close(plain, same, atol=1e-2, rtol=0)
