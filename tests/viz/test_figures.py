"""The figures hold the numbers they were given; nothing here looks at pixels."""

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_hex

from minillm.viz import figures


def test_probability_bars_plot_the_probabilities_first_on_top():
    values = torch.tensor([0.5, 0.3, 0.2])
    axes = figures.probability_bars([" Paris", " a", "\n"], values, chosen=1).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 0.3, 0.2])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["␣Paris", "␣a", "↵"]
    assert axes.yaxis_inverted()
    assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [figures.BLUE, figures.RED, figures.BLUE]


@pytest.mark.parametrize("values", [[0.4, 1.7], [-0.1, 0.4], [float("nan"), 0.2]])
def test_probability_bars_refuse_what_is_no_probability(values):
    with pytest.raises(ValueError, match=r"is no probability; apply softmax first"):
        figures.probability_bars(["a", "b"], values)


def test_bars_write_their_numbers_with_the_digits_asked_for():
    axes = figures.bars(["a", "b"], [1.25, -2], unit="nats", digits=1).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1.2", "-2.0"]
    assert axes.get_xlabel() == "nats"
    low, high = axes.get_xlim()
    assert low < -2
    assert high > 1.25


def test_bars_need_one_label_a_bar():
    with pytest.raises(ValueError, match="1 labels for 2 bars"):
        figures.bars(["a"], [1.0, 2.0], unit="nats")
    with pytest.raises(ValueError, match="at least one bar"):
        figures.bars([], [], unit="nats")


def test_token_strip_keeps_tokens_in_reading_order_and_inside_the_figure():
    pieces = [f" word{i}" for i in range(40)]
    axes = figures.token_strip(pieces, list(range(40))).axes[0]
    boxes = axes.patches
    assert [text.get_text() for text in axes.texts[::2]] == [f"␣word{i}" for i in range(40)]
    assert [text.get_text() for text in axes.texts[1::2]] == [str(i) for i in range(40)]
    places = [(-box.get_y(), box.get_x()) for box in boxes]
    assert places == sorted(places), "a later token stands further right or further down"
    assert max(box.get_x() + box.get_width() for box in boxes) <= axes.get_xlim()[1]
    assert min(box.get_y() for box in boxes) >= axes.get_ylim()[0]


def test_token_strip_refuses_nothing_and_a_wrong_number_of_ids():
    with pytest.raises(ValueError, match="at least one token"):
        figures.token_strip([])
    with pytest.raises(ValueError, match="2 tokens but 1 ids"):
        figures.token_strip(["a", "b"], [1])


def test_vector_strip_holds_the_matrix_and_a_symmetric_scale():
    vectors = torch.randn(3, 8, requires_grad=True)
    image = figures.vector_strip(vectors, [" a", "b", "c"]).axes[0].images[0]
    torch.testing.assert_close(torch.tensor(image.get_array().data), vectors.detach())
    low, high = image.get_clim()
    assert low == -high < 0, "zero must stay white"
    with pytest.raises(ValueError, match="1 labels for 3 vectors"):
        figures.vector_strip(vectors, ["a"])


def test_lines_plot_every_series_under_its_name():
    axes = figures.lines({"attention": torch.tensor([1.0, 2.0]), "feed-forward": [3, 4, 5]}, "layer", "length").axes[0]
    drawn = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert drawn == {"attention": [1.0, 2.0], "feed-forward": [3.0, 4.0, 5.0]}
    assert [text.get_text() for text in axes.texts] == ["attention", "feed-forward"]
    assert len({(line.get_color(), line.get_marker()) for line in axes.lines}) == 2, "colour is not the only difference"
    with pytest.raises(ValueError, match="at least one series"):
        figures.lines({"empty": []}, "layer", "length")


def test_a_vector_of_zeros_still_has_a_scale():
    assert figures.vector_strip(torch.zeros(1, 4), ["a"]).axes[0].images[0].get_clim()[1] > 0


@pytest.mark.parametrize("text", ["$5$", "語", "a\tb", "\ud800", "🙂", "\x07", "", "_^{\\frac"])
def test_any_token_can_be_drawn_without_a_warning(text):
    for figure in (
        figures.token_strip([text], [1]),
        figures.probability_bars([text], [0.5]),
        figures.vector_strip(torch.ones(1, 2), [text]),
    ):
        figures.png(figure)  # warnings are errors here: a missing glyph or half a formula would raise


def test_a_dollar_sign_is_no_formula():
    axes = figures.probability_bars(["$5$"], [0.5]).axes[0]
    assert axes.get_yticklabels()[0].get_text() == "$5$"
    assert not figures.token_strip(["$5$"]).axes[0].texts[0].get_parse_math()


def test_the_same_figure_gives_the_same_bytes():
    def drawn():
        return figures.png(figures.bars(["a"], [1.0], unit="nats"))

    assert drawn() == drawn()
    width, height = figures.shown_size(drawn())
    assert width == round(figures.WIDTH * figures.PER_INCH)
    assert height > 0


def test_show_puts_the_sentence_below_the_picture_and_into_its_metadata(monkeypatch):
    published = []
    shell = InteractiveShell.instance()
    monkeypatch.setattr(
        shell.display_pub, "publish", lambda data, metadata=None, **_: published.append((data, metadata))
    )
    figures.show(figures.bars(["a"], [1.0], unit="nats"), alt="One bar: a < b & c.")
    (picture, metadata), (caption, _) = published
    assert metadata["image/png"]["alt"] == "One bar: a < b & c."
    assert picture["image/png"].startswith("iVBOR")
    assert "One bar: a &lt; b &amp; c." in caption["text/html"]
    assert caption["text/plain"] == "One bar: a < b & c."


def test_show_insists_on_a_sentence():
    with pytest.raises(ValueError, match="one sentence that says what there is to see"):
        figures.show(figures.bars(["a"], [1.0], unit="nats"), alt=" ")


def test_the_text_reads_on_the_paper_in_every_theme():
    # WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1 for text; the paper is part of the picture.
    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    paper = luminance(figures.PAPER)
    for ink in (figures.INK, figures.QUIET):
        assert (paper + 0.05) / (luminance(ink) + 0.05) >= 4.5
    assert to_hex(figures.new_figure(height=1)[0].get_facecolor()).upper() == figures.PAPER
