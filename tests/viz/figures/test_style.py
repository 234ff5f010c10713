"""The look: any token can be drawn, the same figure gives the same bytes, ink reads on every ground."""

import math

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_hex, to_rgb

from minillm.errors import UserError
from minillm.viz import figures
from minillm.viz.figures import style
from minillm.viz.figures.style import (
    DIVERGING,
    LEGEND,
    PALE,
    PER_INCH,
    RISING,
    WIDTH,
    axis_name,
    by_seed,
    ink_on,
    numbers,
)


@pytest.mark.parametrize("text", ["$5$", "語", "a\tb", "\ud800", "🙂", "\x07", "", "_^{\\frac"])
def test_any_token_can_be_drawn_without_a_warning(text):
    for figure in (
        figures.token_strip([text], [1]),
        figures.probability_bars([text], [0.5]),
        figures.heat_map(torch.ones(1, 2), "T C", row_labels=[text]),
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
    assert width == round(WIDTH * PER_INCH)
    assert height > 0


@pytest.fixture
def published(monkeypatch):
    """What a cell displays: pairs of data and metadata."""
    shown = []
    publisher = InteractiveShell.instance().display_pub
    monkeypatch.setattr(publisher, "publish", lambda data, metadata=None, **_: shown.append((data, metadata)))
    return shown


BAR = "One bar: a < b & c."


def test_show_puts_the_alternative_text_into_the_metadata_and_prints_none_of_it(published):
    figures.show(figures.bars(["a"], [1.0], unit="nats"), alt=BAR)
    ((picture, metadata),) = published
    assert metadata["image/png"]["alt"] == BAR
    assert picture["image/png"].startswith("iVBOR")
    assert picture["text/plain"] == "<Figure>"


def test_a_caption_is_printed_below_the_figure(published):
    figures.show(figures.bars(["a"], [1.0], unit="nats"), alt=BAR, caption="Is a < b?")
    (_, metadata), (caption, _) = published
    assert metadata["image/png"]["alt"] == BAR
    assert caption == {"text/html": "<p><em>Is a &lt; b?</em></p>", "text/plain": "Is a < b?"}


@pytest.mark.parametrize("caption", ["", " ", "two\nlines"])
def test_a_caption_is_one_line(caption, published):
    with pytest.raises(UserError, match="a caption is one line, and .* is not"):
        figures.show(figures.bars(["a"], [1.0], unit="nats"), alt=BAR, caption=caption)
    assert not published


def test_show_insists_on_a_sentence():
    with pytest.raises(ValueError, match="one sentence that says what the figure shows"):
        figures.show(figures.bars(["a"], [1.0], unit="nats"), alt=" ")


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Of WCAG 2.2: 1 for equal colours, 21 for black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_text_reads_on_the_paper_in_every_theme():
    # Success criterion 1.4.3: at least 4.5 to 1 for text; the paper is part of the picture.
    for ink in (figures.INK, figures.QUIET):
        assert contrast(figures.PAPER, ink) >= 4.5
    assert to_hex(figures.new_figure(height=1)[0].get_facecolor()).upper() == figures.PAPER


def test_a_number_reads_on_every_colour_of_the_scales():
    for scale in (RISING, DIVERGING):
        for step in range(101):
            ground = scale(step / 100)
            best = max(contrast(ground, ink) for ink in (figures.INK, "#FFFFFF"))
            assert contrast(ground, ink_on(ground)) >= best - 0.3, "nearly the better ink of the two"
            assert best >= 3.8
    assert all(contrast(PALE(step / 100), figures.INK) >= 4.5 for step in range(101))


@pytest.mark.parametrize("letter", LEGEND)
def test_an_axis_says_its_letter_its_size_and_what_it_means(letter):
    assert axis_name(letter, 7) == f"{letter} = 7, {LEGEND[letter]}"
    assert axis_name(letter, 7, inches=0.5) == f"{letter} = 7"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_no_axis_can_hold_is_named(bad):
    with pytest.raises(ValueError, match=f"loss: number 1 is {bad}, which cannot be drawn"):
        numbers([1.0, bad], "loss")


def test_numbers_take_any_kind_of_tensor_and_leave_its_gradients():
    half = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    assert numbers(half, "x") == numbers(torch.tensor([1, 2]), "x") == numbers([1, 2], "x") == [1.0, 2.0]


def test_numbers_of_the_wrong_shape_are_refused(as_users_call_it):
    with pytest.raises(ValueError, match=r"loss: give a list or a tensor of one dimension, not of shape \(2, 2\)"):
        numbers(torch.ones(2, 2), "loss")


def test_seeds_must_have_the_same_length():
    assert by_seed([1, 2], "x") == [[1.0, 2.0]]
    assert by_seed(torch.tensor([[1, 2], [3, 4]]), "x") == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(ValueError, match=r"x: the seeds have \[1, 2\] numbers"):
        by_seed([[1.0], [1.0, 2.0]], "x")


def test_every_figure_of_the_lessons_can_be_imported_from_one_place():
    assert all(hasattr(figures, name) for name in figures.__all__)
    assert figures.__all__ == sorted(figures.__all__)


def test_a_title_is_written_above_the_figure_and_what_is_drawn_stays_as_large():
    plain = figures.attention_arcs(["a", "b"], [0.5, 0.5], query=1)
    width, height = plain.get_size_inches()
    figure = style.titled(plain, "b reads as much from a as from itself")
    wider, higher = figure.get_size_inches()
    assert (higher, figure.axes[0].get_ylim()) == (height + style.TITLE, (0, higher))
    assert wider > width, "a narrow figure grows with its title"
    assert figure.axes[0].get_xlim() == (0, wider)
    (title,) = figure.texts
    box = title.get_window_extent()
    assert title.get_text() == "b reads as much from a as from itself"
    assert 0 <= box.x0 < box.x1 <= wider * figure.dpi
    assert height * figure.dpi <= box.y0 < box.y1 <= higher * figure.dpi


def test_a_title_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"the title 'long long .* needs .* inches and the figure has 7.5; shorten it"):
        style.titled(figures.bars(["a"], [1.0], "nats"), "long " * 40)
