"""No label overlaps another or a stroke, or leaves its box or the page: measured by the renderer, not by the layout."""

import itertools

import numpy as np
import pytest
import torch
from diagram_gallery import gallery, of_heads, of_one_head, write
from matplotlib.collections import QuadMesh
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from minillm.config import ModelConfig
from minillm.course.strip import STATIONS
from minillm.viz import diagrams
from minillm.viz.diagrams.model_map import STRIP
from minillm.viz.diagrams.page import PAGE
from minillm.viz.figures.style import TINY

# The shape checks of the test run look at each of a million small calls; the doctests run with them.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

SENTENCE = ["the", "river", "has", "a", "bank", "so", "we", "sat"]
LONG = ["antidisestablishmentarianism", "<|endoftext|>", "WWWWWWWWWWWW", "語", "\ud800", "\n", "$_^{\\frac", "i"]
SLACK = 1.0  # pixels


def written_in(figure):
    """Every text that is to be seen."""
    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def texts_of(figure):
    """Every written text with its box (left, bottom, right, top) in pixels, as the renderer measures it."""
    figure.set_dpi(144)  # as `viz.show` draws: the fewer pixels, the wider hinting makes a text
    return [(text, np.array(text.get_window_extent().extents)) for text in written_in(figure)]


def boxes_of(figure):
    """Everything that can hold a text: panels, and the cells of tensors."""
    found = [np.array(patch.get_window_extent().extents) for patch in figure.findobj(FancyBboxPatch)]
    for mesh in figure.findobj(QuadMesh):
        corners = mesh.get_transform().transform(mesh.get_coordinates().reshape(-1, 2))
        grid = corners.reshape(mesh.get_coordinates().shape)
        for row, column in itertools.product(range(grid.shape[0] - 1), range(grid.shape[1] - 1)):
            pair = np.stack([grid[row, column], grid[row + 1, column + 1]])
            found.append(np.concatenate([pair.min(0), pair.max(0)]))
    return found


def strokes_of(figure):
    """Points along every arrow and line, dense enough that no text fits between two."""
    found = []
    for patch in figure.findobj(FancyArrowPatch):
        found += list(patch.get_transform().transform(patch.get_path().interpolated(60).vertices))
    for line in figure.findobj(Line2D):
        found += list(line.get_transform().transform(line.get_path().interpolated(60).vertices))
    return np.array(found).reshape(-1, 2)


def faults(figure):
    """One sentence for each text that is where it should not be."""
    texts, found = texts_of(figure), []
    width, height = figure.get_size_inches() * figure.dpi
    corners = np.stack([box for _, box in texts])
    low, high = np.maximum(corners[:, None, :2], corners[:, :2]), np.minimum(corners[:, None, 2:], corners[:, 2:])
    for one, other in np.argwhere(np.triu((high - low).min(-1) > SLACK, 1)):
        found.append(f"{texts[one][0].get_text()!r} overlaps {texts[other][0].get_text()!r}")
    boxes, strokes = boxes_of(figure), strokes_of(figure)
    for text, (left, bottom, right, top) in texts:
        if min(left, bottom, width - right, height - top) < 0:
            found.append(f"{text.get_text()!r} leaves the page")
        x, y = (left + right) / 2, (bottom + top) / 2
        around = [box for box in boxes if box[0] < x < box[2] and box[1] < y < box[3]]
        if around:
            tight = min(around, key=lambda box: np.prod(box[2:] - box[:2]))
            if min(left - tight[0], tight[2] - right) < -SLACK:
                found.append(f"{text.get_text()!r} is wider than its box")
        inside = (strokes > [left + SLACK, bottom + SLACK]) & (strokes < [right - SLACK, top - SLACK])
        if inside.all(1).any():
            found.append(f"a stroke crosses {text.get_text()!r}")
    return found


def check(figure):
    found = faults(figure)
    assert not found, "\n".join(found)
    assert figure.get_size_inches()[0] <= PAGE + 1e-6
    assert all(text.get_fontsize() >= TINY for text in written_in(figure))


@pytest.mark.parametrize("n_words", [*range(1, 10), 16, 24, 40])
def test_sentences_of_any_length(n_words):
    for diagram in of_one_head((5 * SENTENCE)[:n_words]).values():
        check(diagram.figure)


@pytest.mark.parametrize("n_words", [1, 4, 5, 6, 7, 8])
def test_long_and_strange_words(n_words):
    for diagram in of_one_head(LONG[:n_words]).values():
        check(diagram.figure)
        diagram.png()  # warnings are errors here: a missing glyph or half a formula would raise
        assert "</svg>" in diagram.svg()


@pytest.mark.parametrize("scale", [0.0, 12.34, 1234.5])
@pytest.mark.parametrize("n_words", [1, 4, 8])
def test_wide_numbers(n_words, scale):
    for diagram in of_one_head(SENTENCE[:n_words], scale=scale).values():
        check(diagram.figure)


@pytest.mark.parametrize(("d_model", "d_head"), [(1, 1), (2, 8), (64, 16), (9, 64)])
def test_narrow_and_wide_tensors(d_model, d_head):
    for diagram in of_one_head(d_model=d_model, d_head=d_head).values():
        check(diagram.figure)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 1, 8), (2, 2, 2), (4, 2, 16), (4, 4, 4), (16, 2, 1)])
@pytest.mark.parametrize("words", [LONG[:1], LONG])
def test_any_number_of_heads(sizes, words):
    for diagram in of_heads(*sizes, words=words).values():
        check(diagram.figure)


@pytest.mark.parametrize("preset", ["tiny", "smollm2-135m", "gpt3"])
@pytest.mark.parametrize("changes", [{}, {"norm": "layernorm", "activation": "relu2", "position": "none"}])
def test_blocks_of_any_size(preset, changes):
    check(diagrams.residual_stream(ModelConfig.preset(preset, **changes)).figure)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (4, 576, 1536), (9, 6, 20)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1000.0])
def test_feed_forward_layers_of_any_size(sizes, scale):
    T, C, width = sizes
    matrices = [scale * torch.randn(width, C), scale * torch.randn(width, C), torch.randn(C, width)]
    drawn = range(min(width, 5))
    check(diagrams.feed_forward(torch.randn(T, C), *matrices, ["word"] * T, drawn, lit=0).figure)


@pytest.mark.parametrize("n_samples", [1, 3, 8])
@pytest.mark.parametrize("text", ["", "17", "x" * 300, "a b\nc\td 語 $5$ \ud800 " * 30])
def test_samples_of_any_length(n_samples, text):
    gains = [-1234.5 * (-1) ** n for n in range(n_samples)]
    check(diagrams.reasoning_loop(text, [text] * n_samples, [n % 2 for n in range(n_samples)], gains).figure)


@pytest.mark.parametrize("yours", [0, 1, 4])
def test_maps_with_anything_yours(yours):
    names = [name for name in dict.fromkeys(name.strip() for name in STRIP) if name not in ("norm", "logits")]
    model = [diagrams.Station(name, "04", yours, 4) for name in (*names, "positions", "transformer")]
    stages = [diagrams.Station(f"stage {n}", "11a", yours, 4, "first" if n < 3 else "then") for n in range(7)]
    for here in [[], *([station.name] for station in [*model, *stages])]:
        figure = diagrams.model_map([*model, *stages], here).figure
        check(figure)
        assert min(text.get_fontsize() for text in written_in(figure)) * 96 / 72 >= 11  # CSS pixels


@pytest.mark.parametrize("machines", [1, 4, 8])
@pytest.mark.parametrize("last", [0.3, 3.2, 74.4, 12_345.6])
def test_lanes_of_any_length(machines, last):
    work = [(last * n / 9, last * (n + 1) / 9, ("forward", "backward", "step")[n % 3], str(n)) for n in range(9)]
    lane = diagrams.Lane(work, [(0.0, last / 9)], [0.0, last / 2], [1.5, 999.9])
    check(diagrams.lanes({f"machine {n}": lane for n in range(machines)}).figure)


@pytest.mark.parametrize("yours", [0, 1, 3])
def test_the_courses_map_has_space_for_all_of_its_stations(yours):
    stations = [diagrams.Station(each.name, each.lesson, yours, 3, each.group) for each in STATIONS]
    check(diagrams.model_map(stations, ["PPO"], 30).figure)


@pytest.mark.parametrize("n", [1, 8, 40])
def test_answers_of_any_length_token_by_token(n):
    tokens = [LONG[at % len(LONG)] for at in range(n)]
    check(diagrams.token_credit(tokens, {"reward": [-1234.5] * n, "Â": [0.0] * n}).figure)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (16, 64, 40, 4), (512, 4096, 2048, 128)])
def test_rounds_of_ppo_of_any_size(sizes):
    check(diagrams.ppo_round(*sizes).figure)


@pytest.mark.parametrize("n_boxes", [1, 2, 7])
def test_flows_of_any_length_break_like_text(n_boxes):
    parts = [diagrams.box("a rather long name", torch.randn(2, 3), "T C", rows=LONG[:2])]
    for _ in range(n_boxes - 1):
        parts += [diagrams.sign("+"), diagrams.box("b", [[-12.34]], "T C"), diagrams.arrow("an operation", "a note")]
        parts += [diagrams.box("c", torch.randn(3, 2, 12), "H T S")]
    check(diagrams.flow(parts, "A long title " * 9).figure)


def test_a_fault_is_found():
    def figure_with(draw):
        figure = diagrams.flow([diagrams.box("x", [[1.25, 2.5]], "T C")]).figure
        draw(figure.axes[0], next(text for text in figure.findobj(Text) if text.get_text() == "1.25"))
        return figure

    seen = [
        faults(figure_with(draw))
        for draw in (
            lambda axes, text: axes.text(text.get_position()[0], text.get_position()[1], "on top"),
            lambda axes, text: axes.text(-0.5, 0.5, "cut"),
            lambda axes, text: text.set_text("123456.25"),
            lambda axes, text: axes.plot([0, 9], [text.get_position()[1] - 0.04] * 2),
        )
    ]
    for found, fault in zip(
        seen, ("overlaps", "leaves the page", "wider than its box", "a stroke crosses"), strict=True
    ):
        assert any(fault in sentence for sentence in found), (fault, found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_gallery_becomes_a_page_to_look_at(theme, tmp_path):
    drawn = gallery(theme)
    page = write(tmp_path, {theme: drawn}).read_text(encoding="utf-8")
    for name, diagram in drawn.items():
        check(diagram.figure)
        file = tmp_path / f"{name.replace(' ', '_')}_{theme}.svg"
        assert f'src="{file.name}" alt="Diagram: ' in page
        assert file.read_text(encoding="utf-8").count("<path") > 30
