"""The logit lens shows what each layer would say."""

import pytest
import torch

from minillm.viz import figures


def test_the_lens_writes_each_token_where_it_belongs_the_first_layer_at_the_bottom():
    shares = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 1.0]])
    tokens = [[" a", "b"], ["\n", "$"], ["antidisestablishmentarianism" * 3, "语"]]
    axes = figures.logit_lens(tokens, shares, ["The", " cat"], layers=["0", "10", "29"]).axes[0]
    assert axes.images[0].get_array().tolist() == shares.double().tolist()
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts[0, 0] == "␣a"
    assert texts[1, 1] == "$"
    assert texts[0, 2].endswith("…"), "what does not fit is cut, and says so"
    assert texts[1, 2] == "\\u8bed"
    assert not axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "10", "29"]


def test_logit_lens_refuses_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"1 layers of \[2\] tokens, 1 positions .* do not match; all must be \(L, T\)"
    ):
        figures.logit_lens([["a", "b"]], [[0.1, 0.2]], ["The"])
    with pytest.raises(ValueError, match="is not a probability; apply softmax first"):
        figures.logit_lens([["a"]], [[3.0]], ["The"])
