"""Grids and arcs hold the weights they were given, under the right tokens."""

import math

import pytest
import torch

from minillm.viz import figures
from minillm.viz.figures.style import RED_INK

TOKENS = ["The", " cat", "\n", "$"]


def causal(heads, length=4):
    mask = torch.ones(length, length).triu(1).bool()
    return torch.randn(heads, length, length).masked_fill(mask, -math.inf).softmax(-1)


@pytest.mark.parametrize("heads", [1, 2, 4, 8, 9, 16])
def test_every_head_has_its_panel_on_one_common_scale(heads):
    weights = causal(heads)
    panels = [axes for axes in figures.attention_grid(weights, TOKENS).axes if axes.images]
    drawn = torch.tensor([panel.images[0].get_array().tolist() for panel in panels])
    torch.testing.assert_close(drawn, weights)
    assert {panel.images[0].get_clim() for panel in panels} == {(0.0, float(weights.max()))}
    if heads > 1:
        assert [panel.get_title() for panel in panels] == [f"head {i}" for i in range(heads)]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["The", "␣cat", "↵", "$"]
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["The", "␣cat", "↵", "$"]


def test_one_small_head_carries_its_numbers_and_the_letters_of_the_legend():
    axes = figures.attention_grid([[1.0, 0.0], [0.25, 0.75]], TOKENS[:2]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1.00", "0.00", "0.25", "0.75"]
    assert axes.get_ylabel().startswith("T = 2")
    assert axes.get_xlabel().startswith("S = 2")


def test_a_long_text_is_numbered_instead():
    axes = figures.attention_grid(causal(1, 72), ["word"] * 72).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "20", "40", "60"]


def test_queries_and_keys_may_be_different_tokens():
    axes = figures.attention_grid(torch.tensor([[0.2, 0.8]]), [" bank"], keys=["river", " bank"]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["river", "␣bank"]


def test_a_masked_bias_is_grey_and_zero_is_white():
    bias = torch.tensor([[[0.0, -math.inf], [-1.0, 0.0]]])
    image = figures.attention_grid(bias, TOKENS[:2], unit="bias").axes[0].images[0]
    assert image.get_array().mask.tolist() == [[False, True], [False, False]]
    assert image.get_clim() == (-1.0, 0.0)
    assert image.cmap(image.norm(0.0))[:3] == (1.0, 1.0, 1.0)


def test_attention_grid_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"weights of shape \(1, 4, 4\) for 3 queries and 3 keys"):
        figures.attention_grid(causal(1), TOKENS[:3])
    with pytest.raises(ValueError, match=r"17 heads are too many to read; show at most 16"):
        figures.attention_grid(causal(17), TOKENS)
    with pytest.raises(ValueError, match="1 titles for 2 heads"):
        figures.attention_grid(causal(2), TOKENS, titles=["a"])


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
