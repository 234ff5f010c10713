"""The waterfall of writes and the costs of blocks: what is drawn where, and what is refused."""

import pytest
from matplotlib.colors import to_hex

from minillm.errors import UserError
from minillm.viz import figures


def test_each_write_is_a_line_from_the_old_norm_to_the_new_one():
    figure = figures.waterfall([[1.0, 3.0, 2.0]], ["a"], top=5)
    spans = [collection.get_segments()[0][:, 1].tolist() for collection in figure.axes[0].collections]
    assert spans == [[0, 1], [1, 3], [2, 3]]
    colors = [to_hex(collection.get_color()[0]).upper() for collection in figure.axes[0].collections]
    assert colors == [figures.GREEN, figures.BLUE, figures.ORANGE]


def test_what_leaves_the_picture_is_told():
    figure = figures.waterfall([[1.0, 30.0, 2.0], [1.0, 1.0, 1.0]], ["a", "b"], top=5)
    assert [text.get_text() for text in figure.axes[0].texts] == ["to 30"]
    assert [text.get_text() for text in figure.axes[1].texts] == []
    assert all(axes.get_ylim() == (0, 5) for axes in figure.axes)


def test_a_bar_is_the_mean_over_the_texts_and_a_line_their_range():
    figure = figures.costs_by_block({"block": [[0.5, 1.5], [8.0, 6.0]]}, line=0.5, top=4)
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [1.0, 4]
    assert [part[:, 1].tolist() for part in axes.collections[0].get_segments()] == [[0.5, 1.5], [6, 4]]
    assert axes.texts[0].get_text() == "7.0"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.waterfall([[1.0, 2.0]], ["a"], 5),
        lambda: figures.waterfall([[1.0]], ["a", "b"], 5),
        lambda: figures.costs_by_block({}, 0.5, 4),
        lambda: figures.costs_by_block({"block": [[]]}, 0.5, 4),
    ],
)
def test_sizes_that_do_not_fit_are_refused(draw):
    with pytest.raises(UserError):
        draw()
