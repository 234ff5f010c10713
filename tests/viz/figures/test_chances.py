"""The line on which a token is drawn: what is as long as what, and what is marked."""

import pytest

from minillm.errors import UserError
from minillm.viz.figures import unit_line
from minillm.viz.figures.style import RED


def test_pieces_lie_end_to_end_and_the_drawn_one_is_marked():
    axes = unit_line([" a", " b", " c"], [0.5, 0.3, 0.2], u=0.6, drawn=1).axes[0]
    ends = [(round(piece.get_x(), 6), round(piece.get_x() + piece.get_width(), 6)) for piece in axes.patches]
    assert ends == [(0, 0.5), (0.5, 0.8), (0.8, 1)]
    from matplotlib.colors import to_rgba

    assert [piece.get_facecolor() == to_rgba(RED) for piece in axes.patches] == [False, True, False]
    assert all(set(line.get_xdata()) == {0.6} for line in axes.lines)
    assert "u = 0.60" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([" a"], [0.5]), "give one share per word, which add up to 1"),
        (([" a", " b"], [1.0]), "2 words with shares"),
        (([" a"], [1.0], 1.0), "u is 1.0; it lies from 0 to 1"),
        (([" a"], [1.0], 0.5, 1), "drawn is 1; the pieces are numbered 0 to 0"),
    ],
)
def test_what_is_no_line_is_refused(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        unit_line(*arguments)
