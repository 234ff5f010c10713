"""Arcs hold the weights they were given, under the right tokens."""

import pytest

from minillm.viz import figures
from minillm.viz.figures.style import RED_INK

TOKENS = ["The", " cat", "\n", "$"]


def test_arcs_are_as_thick_as_their_weights_and_the_least_are_left_out():
    axes = figures.attention_arcs(TOKENS, [0.5, 0.005, 0.195, 0.3], query=3).axes[0]
    widths = [arc.get_linewidth() for arc in axes.patches]
    assert len(widths) == 3
    assert widths[0] > widths[2] > widths[1]
    assert [text.get_text() for text in axes.texts] == ["The", ".50", "␣cat", "↵", ".20", "$", ".30"]
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours["$"] == RED_INK != colours["The"]


def test_many_tokens_stand_upright():
    axes = figures.attention_arcs([f" word{i}" for i in range(30)], [1 / 30] * 30, query=29).axes[0]
    assert {text.get_rotation() for text in axes.texts if "word" in text.get_text()} == {90.0}


def test_attention_arcs_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="3 weights for 4 tokens; give the query's row"):
        figures.attention_arcs(TOKENS, [0.1, 0.2, 0.7], query=0)
    with pytest.raises(ValueError, match="there is no query 4; the tokens are numbered 0 to 3"):
        figures.attention_arcs(TOKENS, [0.25] * 4, query=4)
    with pytest.raises(ValueError, match="50 tokens do not fit beside each other; show at most 34"):
        figures.attention_arcs(["word"] * 50, [0.02] * 50, query=0)
