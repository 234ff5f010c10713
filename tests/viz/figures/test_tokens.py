"""Token strips and merge trees hold every token, in order and in its place."""

import pytest

from minillm.viz import figures


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


def spans(axes, rows):
    """The boxes of each strip as (left, right), the strips told apart by their height."""
    heights = sorted({round(box.get_y(), 6) for box in axes.patches}, reverse=True)
    assert len(heights) == rows
    return [
        [(box.get_x(), box.get_x() + box.get_width()) for box in axes.patches if round(box.get_y(), 6) == height]
        for height in heights
    ]


@pytest.mark.parametrize("text", ["Tokens", " naïve", "语言!", "a\n\t$"])
def test_equal_letters_stand_below_each_other(text):
    rows = {"whole": [text.encode()], "bytes": [bytes([b]) for b in text.encode()]}
    axes = figures.token_strips(rows).axes[0]
    whole, pieces = spans(axes, 2)
    assert whole[0][0] == pytest.approx(pieces[0][0])
    assert whole[0][1] == pytest.approx(pieces[-1][1])
    assert pieces == sorted(pieces)
    assert all(right > left for left, right in pieces)
    assert len(pieces) == len(text.encode())


def test_a_piece_of_a_character_is_shown_by_its_bytes():
    texts = [text.get_text() for text in figures.token_strips({"a": [b" \xe8", b"\xaf\xad"]}).axes[0].texts]
    assert texts == ["a: 2", "␣e8", "afad"]
    assert figures.token_strip([b"\xaf"]).axes[0].texts[0].get_text() == "af"


def test_a_long_text_breaks_where_every_vocabulary_cuts():
    words = [f" word{i}" for i in range(30)]
    pairs = ["".join(words[i : i + 2]) for i in range(0, 30, 2)]
    axes = figures.token_strips({"words": words, "pairs": pairs}).axes[0]
    shown = [text.get_text() for text in axes.texts]
    for piece in [*words, *pairs]:
        assert shown.count(figures.visible(piece)) == 1, "no token was cut in two"
    assert max(box.get_x() + box.get_width() for box in axes.patches) <= axes.get_xlim()[1]
    assert min(box.get_y() for box in axes.patches) >= axes.get_ylim()[0]


def test_a_token_longer_than_a_line_is_cut_and_nothing_of_it_is_lost():
    shown = [text.get_text() for text in figures.token_strips({"a": ["x" * 200]}).axes[0].texts]
    assert "".join(shown[1:]) == "x" * 200


def test_token_strips_refuse_different_texts_and_none():
    with pytest.raises(ValueError, match=r"these strips hold 2 texts; give pieces as bytes \(tokenizer.vocab\[id\]\)"):
        figures.token_strips({"a": ["Hello"], "b": ["Hullo"]})
    for nothing in ({}, {"a": []}, {"a": [""]}):
        with pytest.raises(ValueError, match="at least one strip, and in it at least one token"):
            figures.token_strips(nothing)


def test_a_merge_tree_holds_leaves_ranks_and_the_words_own_letters():
    axes = figures.merge_tree([b"h", b"u", b"g", b"s"], [(1, 5), (0, 20)]).axes[0]
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert list(places) == ["h", "u", "g", "s", "ug", "rank 5", "hug", "rank 20"]
    assert places["h"][0] < places["u"][0] < places["g"][0] < places["s"][0]
    assert places["ug"][0] == pytest.approx((places["u"][0] + places["g"][0]) / 2)
    assert places["h"][1] < places["ug"][1] < places["hug"][1], "a merge stands above what it joins"


def test_a_merge_tree_of_bytes_that_are_no_text():
    axes = figures.merge_tree([b"\xe8", b"\xaf", b"\xad"], [(0, 7), (0, 9)]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["e8", "af", "ad", "e8af", "rank 7", "\\u8bed", "rank 9"]


def test_merge_tree_refuses_a_place_that_is_not_there_and_a_whole_text():
    with pytest.raises(ValueError, match="merge 3 joins positions 1 and 2, but there are 2 pieces then"):
        figures.merge_tree(["a", "b"], [(1, 3)])
    for count in (0, 33):
        with pytest.raises(ValueError, match=f"draws 1 to 32 leaves, and this word has {count}; show one word"):
            figures.merge_tree(["a"] * count, [])
