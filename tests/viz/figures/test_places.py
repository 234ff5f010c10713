"""The map of points and the circles of rotary embeddings show the given values."""

import math

import pytest
import torch

from minillm.viz import figures


def test_the_map_holds_every_point_under_its_group():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    axes = figures.embedding_map(points, ["king", "$", "\n"], groups=["royal", "signs", "signs"]).axes[0]
    drawn = {dots.get_label(): dots.get_offsets().tolist() for dots in axes.collections}
    assert drawn == {"royal": [[0, 0]], "signs": [[1, 0], [0, 1]]}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["royal", "signs"]
    assert {text.get_text() for text in axes.texts} == {"king", "$", "↵"}
    assert axes.get_aspect() == 1, "angles are those of the plane"


def test_an_arrow_joins_the_points_that_it_names():
    points = [[0.0, 0.0], [1.0, 2.0]]
    axes = figures.embedding_map(points, ["man", "woman"], arrows=[("man", "woman")]).axes[0]
    (arrow,) = (note for note in axes.texts if note.arrow_patch is not None)
    assert (list(arrow.xyann), list(arrow.xy)) == (points[0], points[1])


def test_labels_cover_neither_points_nor_each_other():
    count = 40
    angles = torch.arange(count) * 2.4  # a sunflower: many points, none on top of another
    points = torch.stack([angles.cos(), angles.sin()], 1) * torch.arange(1, count + 1).sqrt()[:, None]
    figure = figures.embedding_map(points, [f"word{i}" for i in range(count)])
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    dots = axes.transData.transform(points.numpy())
    assert not [
        (i, j)
        for i in range(count)
        for j in range(i)
        if boxes[i].shrunk(0.95, 0.8).overlaps(boxes[j].shrunk(0.95, 0.8))
    ]
    assert not [(i, j) for i, box in enumerate(boxes) for j, dot in enumerate(dots) if box.contains(*dot)]


@pytest.mark.parametrize(
    ("points", "options", "sentence"),
    [
        (torch.ones(2, 3), {}, r"2 labels for points of shape \(2, 3\)"),
        (torch.ones(1, 2), {}, r"2 labels for points of shape \(1, 2\)"),
        (torch.ones(2, 2), {"groups": ["a"]}, "1 groups for 2 points"),
        (torch.ones(2, 2), {"arrows": [("a", "z")]}, "an arrow names 'z', which is not a label"),
    ],
)
def test_the_map_refuses_what_does_not_fit(points, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        figures.embedding_map(points, ["a", "b"], **options)


def test_each_pair_turns_on_a_circle_of_its_own():
    angles = torch.arange(6)[:, None] * torch.tensor([1.0, 0.1])
    vectors = torch.stack([angles.cos(), angles.sin()], -1) * 3
    figure = figures.rotation(vectors, titles=["fast", "slow"])
    for pair, (axes, title) in enumerate(zip(figure.axes, ["fast", "slow"], strict=True)):
        torch.testing.assert_close(torch.tensor(axes.collections[0].get_offsets().data), vectors[:, pair].double())
        assert axes.get_title() == title
        assert math.isclose(axes.patches[0].radius, 3, rel_tol=1e-6)
        assert axes.texts[0].get_text() == "0"


@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 3), (3, 9, 2), (0, 1, 2), (3, 0, 2)])
def test_rotation_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"rotation needs the shape \(T, pairs, 2\) with 1 to 8 pairs"):
        figures.rotation(torch.ones(shape))


def test_rotation_needs_one_title_for_each_pair():
    with pytest.raises(ValueError, match="1 titles for 2 pairs"):
        figures.rotation(torch.ones(3, 2, 2), titles=["a"])
