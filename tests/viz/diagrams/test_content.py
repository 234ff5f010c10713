"""What the diagrams show is what the tensors hold; colors are readable; wrong input is named."""

import io
import math
from collections import Counter

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from matplotlib.text import Text
from PIL import Image

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.model.attention import attention_by_loops, attention_weights, causal_mask
from minillm.viz import diagrams
from minillm.viz.diagrams.boxes import COLORS_ONLY
from minillm.viz.diagrams.theme import GREEN, ORANGE, THEMES, contrast
from minillm.viz.figures.tensors import number_text

WORDS = ["the", "river", "bank"]


def texts(diagram):
    return Counter(text.get_text() for text in diagram.figure.findobj(Text) if text.get_text())


def written(tensor, digits=2):
    return Counter(number_text(value, digits) for value in tensor.flatten().tolist())


def hatched_cells(diagram):
    """The number of hatched cells in each tensor: hatched area over the area of a cell."""
    found = []
    for mesh in diagram.figure.findobj(QuadMesh):
        corners = mesh.get_coordinates()
        (left, top), (right, bottom) = corners[0, 0], corners[-1, -1]
        cell = (right - left) * (bottom - top) / ((corners.shape[0] - 1) * (corners.shape[1] - 1))
        patches = [
            patch for patch in diagram.figure.findobj(FancyBboxPatch)
            if patch.get_hatch() and left - 1e-6 <= patch.get_x() < right and top - 1e-6 <= patch.get_y() < bottom
        ]  # fmt: skip
        found.append(round(sum(patch.get_width() * patch.get_height() for patch in patches) / cell, 6))
    return found


def test_attention_is_that_of_the_loops_and_its_mask_is_hatched():
    query, key, value = torch.randn(3, 3, 2)
    visible = causal_mask(3, 3)
    diagram = diagrams.attention_step(query, key, value, WORDS, visible)
    weights = attention_weights(query[None, None], key[None, None], visible)[0, 0]
    output = attention_by_loops(query[None, None], key[None, None], value[None, None], visible)[0, 0]
    for part in (query, key, value, weights[visible], (query @ key.T / math.sqrt(2))[visible], output):
        assert written(part) <= texts(diagram)
    assert hatched_cells(diagram) == [0, 0, 3, 3, 0, 0]  # query, key, scores, weights, value, output
    best = weights[-1].argmax()
    assert f'"bank" reads most from "{WORDS[best]}" (weight {weights[-1, best]:.2f})' in diagram.alt


def test_queries_are_the_last_words_when_there_are_fewer_than_keys():
    query, key = torch.randn(1, 2), torch.randn(3, 2)
    diagram = diagrams.attention_step(query, key, key, WORDS)
    assert texts(diagram)["bank"] == 8  # a row of each of five tensors, a column of three
    assert "scores (T × S = 1 × 3)" in diagram.alt
    assert hatched_cells(diagram) == [0] * 6


def test_a_causal_mask_says_who_sees_whom():
    diagram = diagrams.causal_mask(causal_mask(3, 3), WORDS)
    assert hatched_cells(diagram) == [3]
    assert texts(diagram)["1"] == 6
    assert diagram.alt.endswith("the sees the; river sees the, river; bank sees the, river, bank.")
    assert "Which words each word sees" in diagrams.causal_mask(causal_mask(3, 3, window=2), WORDS).alt
    scores = torch.randn(3, 3)
    diagram = diagrams.causal_mask(causal_mask(3, 3), WORDS, scores)
    assert hatched_cells(diagram) == [0, 3, 3]
    assert written(scores.masked_fill(~causal_mask(3, 3), -math.inf).softmax(-1)[causal_mask(3, 3)]) <= texts(diagram)


def test_projections_are_products():
    x, weights = torch.randn(3, 4), torch.randn(3, 4, 2)
    diagram = diagrams.projections(x, *weights, WORDS)
    for part in (x, *(x @ weight for weight in weights)):
        assert written(part) <= texts(diagram)


def test_weights_and_output_are_those_of_the_given_function():
    """A wrong attention makes a wrong picture; one that needs as many values as query entries gets no others."""
    query, key, value = torch.randn(3, 3, 2)

    def first_only(query, key, value, visible):
        assert value.shape == key.shape
        return value[:1].expand(len(query), -1)

    diagram = diagrams.attention_step(query, key, value, WORDS, attention=first_only)
    assert written(value[:1].expand(3, -1)) <= texts(diagram)
    assert '"bank" reads most from "the" (weight 1.00)' in diagram.alt
    with pytest.raises(UserError, match=r"attention returned the shape \(3, 1\); it must be \(3, 2\)"):
        diagrams.attention_step(query, key, value, WORDS, attention=lambda q, k, v, m: v[:, :1])


def test_columns_have_their_names_and_matrices_their_numbers():
    x, weights = torch.randn(3, 4), torch.randn(3, 4, 2)
    names = ["place", "water", "money", "little"], ["place?", "little?"], ["place", "little"], ["water", "money"]
    diagram = diagrams.projections(x, *weights, WORDS, names=names)
    for part in weights:
        assert written(part) <= texts(diagram)
    assert texts(diagram)["water"] == 6  # a column of x, of W_V and of value; a row of three matrices
    assert texts(diagram)["place?"] == 2


def test_one_color_means_one_number_in_all_boxes():
    x, weights = torch.randn(3, 4), torch.randn(3, 4, 2)
    meshes = diagrams.projections(x, *weights, WORDS).figure.findobj(QuadMesh)
    largest = max(part.abs().max().item() for part in (x, weights, *(x @ weight for weight in weights)))
    assert {round(mesh.get_clim()[1], 4) for mesh in meshes} == {round(largest, 4)}


def test_heads_are_columns_of_the_projections_and_joined_in_order():
    query, key, joined = torch.randn(3, 3, 4)
    diagram = diagrams.heads({"query": query, "key": key}, joined, 2, WORDS, names=[["a", "b"], ["c", "d", "e", "f"]])
    meshes = [torch.tensor(mesh.get_array().data).float() for mesh in diagram.figure.findobj(QuadMesh)]
    for drawn, given in zip(meshes, (query, key, joined), strict=True):
        torch.testing.assert_close(drawn, given)
    shown = texts(diagram)
    assert [shown[f"attention of head {h}"] for h in range(3)] == [1, 1, 0]
    assert [shown[name] for name in "abcdef"] == [2, 2, 2, 2, 2, 2]  # of one head, repeated; of all, also of joined


@pytest.mark.parametrize(("K", "title"), [(6, "of its own"), (2, "3 query heads share each"), (1, "share one")])
def test_a_group_of_query_heads_shares_a_key_head(K, title):
    diagram = diagrams.shared_keys(torch.randn(6, 3, 2), torch.randn(K, 3, 2))
    assert title in diagram.alt
    told = diagram.alt.partition(". ")[2].rstrip(".").split("; ")
    heads = [sentence.lower().removeprefix("query heads ").split(" read key/value head ") for sentence in told]
    assert {int(h): int(k) for asking, k in heads for h in asking.split(", ")} == {h: h // (6 // K) for h in range(6)}


def test_a_block_has_the_shapes_of_the_model():
    config = ModelConfig.preset("smollm2-135m")
    alt = diagrams.residual_stream(config).alt
    for shape in ("C × H·D = 576 × 576", "C × K·D = 576 × 192", "C × F = 576 × 1,536", "F × C = 1,536 × 576"):
        assert shape in alt
    assert "SiLU" not in diagrams.residual_stream(config.replace(activation="gelu")).alt


def test_a_feed_forward_layer_holds_what_its_neurons_compute():
    """One neuron reads the sum of x, another nothing; SiLU(2) times 2 is 3.5."""
    gate = up = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    diagram = diagrams.feed_forward(torch.eye(2) + 0.5, gate, up, torch.eye(2), ["a", "b"], [0, 1], lit=0)
    shown = texts(diagram)
    assert shown["2"] == 4  # both tokens, in gate and in up
    assert shown["1.76"] == 2
    assert shown["3.52"] == 2
    assert 'neuron 0 adds 3.52 times its column at "b"' in diagram.alt


def test_the_loop_holds_rewards_and_advantages():
    diagram = diagrams.reasoning_loop("2 + 3 = ?", ["5", "6", "4"], torch.tensor([1.0, 0, 0]), [1.15, -0.58, -0.58])
    shown = texts(diagram)
    assert (shown["✓ right"], shown["✗ wrong"]) == (1, 2)
    assert (shown["1.15"], shown["−0.58"]) == (1, 2)
    assert "1 of 3 samples right" in diagram.alt
    assert "no gradient" in diagrams.reasoning_loop("?", ["a", "b"], [0, 0], [0, 0]).alt


def test_a_flow_tells_its_parts_in_order():
    x, y = diagrams.box("x", torch.ones(2, 3), "T C"), diagrams.box("y", torch.ones(2, 5), "T F")
    diagram = diagrams.flow([x, diagrams.sign("@"), y, diagrams.arrow("GELU", "smooth"), y], "Title", alt="More.")
    assert diagram.alt == (
        "Diagram: Title. x (T × C = 2 × 3) @ y (T × F = 2 × 5), then GELU (smooth), y (T × F = 2 × 5). More."
    )


def test_numbers_are_written_up_to_eight_rows_and_columns():
    assert texts(diagrams.flow([diagrams.box("x", torch.full((8, 8), 0.25), "T C")]))["0.25"] == 64
    assert not texts(diagrams.flow([diagrams.box("x", torch.full((8, 9), 0.25), "T C")]))["0.25"]
    assert not texts(diagrams.flow([diagrams.box("x", [[0.25]], "T C", digits=COLORS_ONLY)]))["0.25"]
    assert texts(diagrams.flow([diagrams.box("x", torch.tensor([3, -4]), "C")]))["−4"] == 1


def test_digits_are_dropped_before_numbers_when_the_page_is_narrow():
    def flow_of(boxes, number=-1.25):
        parts = [diagrams.arrow("+"), diagrams.box("x", torch.full((1, 5), number), "T C")] * boxes
        return texts(diagrams.flow(parts))

    assert flow_of(4)["−1.25"] == 20
    assert flow_of(6)["−1.2"] == 30
    assert not flow_of(9)["−1.2"]
    assert flow_of(4, -12.34)["−12.3"] == flow_of(4, -123.4)["−123"] == 20


def test_a_stack_shows_its_first_matrix_before_a_sheet_per_head():
    stack = torch.arange(12.0).reshape(3, 2, 2)
    diagram = diagrams.flow([diagrams.box("weights", stack, "H T S")])
    assert texts(diagram) >= written(stack[0], digits=0)
    frames = {to_hex(patch.get_edgecolor()) for patch in diagram.figure.findobj(FancyBboxPatch)}
    assert frames >= {color.lower() for color in THEMES["light"].accents[:3]}
    assert "H × T × S = 3 × 2 × 2" in diagram.alt


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_every_text_is_readable_on_every_ground(theme):
    for ground in (theme.paper, theme.panel):
        for ink in (theme.ink, theme.quiet, *theme.accents):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
    cells = [to_hex(theme.scale(signed)(step / 50)) for signed in (True, False) for step in range(51)]
    assert min(contrast(theme.ink, cell) for cell in cells) >= 4.5
    assert contrast(theme.line, theme.paper) >= 3  # WCAG 2.2 on graphics


def test_contrast_is_that_of_wcag():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # the gray that just fails
    assert contrast("#0000FF", "#0000FF") == 1


def test_themes_differ_in_color_alone():
    light, dark = (diagrams.causal_mask(causal_mask(3, 3), WORDS, theme=theme) for theme in ("light", "dark"))
    assert light.alt == dark.alt
    assert texts(light) == texts(dark)
    assert to_hex(dark.figure.get_facecolor()) == THEMES["dark"].paper.lower()


def test_pictures_are_sharp_small_and_reproducible(tmp_path):
    diagram = diagrams.causal_mask(causal_mask(3, 3), WORDS)
    width, height = diagram.figure.get_size_inches() * 96
    size = Image.open(io.BytesIO(diagram.png())).size
    assert size == (pytest.approx(2 * width, abs=1), pytest.approx(2 * height, abs=1))
    assert diagram.png() == diagram.png()
    assert diagram.svg() == diagram.svg()
    assert f"<title>{diagram.alt}</title>" in diagram.svg()
    for name in ("a.svg", "a.png"):
        diagram.save(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == diagram.png()
    with pytest.raises(UserError, match=r"a.jpg is neither .svg nor .png"):
        diagram.save(tmp_path / "a.jpg")


def test_show_displays_the_picture_and_prints_only_a_caption(monkeypatch):
    published = []
    publisher = InteractiveShell.instance().display_pub
    monkeypatch.setattr(publisher, "publish", lambda data, metadata=None, **_: published.append((data, metadata)))
    diagram = diagrams.causal_mask(causal_mask(3, 3), WORDS)
    diagram.show()
    ((_, metadata),) = published
    assert metadata["image/png"]["alt"] == diagram.alt
    assert metadata["image/png"]["width"] == pytest.approx(diagram.figure.get_size_inches()[0] * 96, abs=1)
    diagram.show(caption="Nobody looks ahead.")
    assert [data["text/plain"] for data, _ in published[1:]] == ["<Figure>", "Nobody looks ahead."]


ONES = torch.ones(3, 2)
WRONG = {
    r"query \(3, 2\), key \(3, 4\), value \(3, 2\): query and key must have the same D": lambda: (
        diagrams.attention_step(ONES, torch.ones(3, 4), ONES, WORDS)
    ),
    r"query \(1, 3, 2\).*: give one head": lambda: diagrams.attention_step(ONES[None], ONES, ONES, WORDS),
    r"2 words for 3 keys": lambda: diagrams.attention_step(ONES, ONES, ONES, WORDS[:2]),
    r"visible has shape \(2, 2\); give \(T, S\) = \(3, 3\)": lambda: diagrams.attention_step(
        ONES, ONES, ONES, WORDS, causal_mask(2, 2)
    ),
    r"query 0 sees no key": lambda: diagrams.causal_mask(causal_mask(3, 3).tril(-1), WORDS),
    r"scores have shape \(2, 2\) and visible \(3, 3\)": lambda: diagrams.causal_mask(
        causal_mask(3, 3), WORDS, torch.ones(2, 2)
    ),
    r"visible has shape \(3,\)": lambda: diagrams.causal_mask(torch.ones(3).bool(), WORDS),
    r"x has shape \(3, 2\) and W_K \(3, 2\).*linear.weight.T": lambda: diagrams.projections(
        ONES, ONES[:2], ONES, ONES[:2], WORDS
    ),
    r"query \(3, 2\), joined \(3, 4\), and 2 heads": lambda: diagrams.heads(
        {"query": ONES}, torch.ones(3, 4), 2, WORDS
    ),
    r"6 heads; at most 4": lambda: diagrams.heads({"query": torch.ones(3, 6)}, torch.ones(3, 6), 6, WORDS),
    r"3 query heads and 2 key/value heads; H must be a multiple of K": lambda: diagrams.shared_keys(
        torch.ones(3, 1, 2), torch.ones(2, 1, 2)
    ),
    r"32 query heads .* at most 16": lambda: diagrams.shared_keys(torch.ones(32, 1, 2), torch.ones(2, 1, 2)),
    r"query has shape \(3, 2\), key \(3, 2\)": lambda: diagrams.shared_keys(ONES, ONES),
    r"neurons are \[0, 3\], lit is 0; draw some of 0 to 2": lambda: diagrams.feed_forward(
        ONES, ONES, ONES, ONES.T, WORDS, [0, 3], lit=0
    ),
    r"2 samples, 1 rewards and 2 advantages": lambda: diagrams.reasoning_loop("?", ["a", "b"], [1], [1, 2]),
    r"a reward is 0.5; a verifier gives 1": lambda: diagrams.reasoning_loop("?", ["a"], [0.5], [1]),
    r"0 samples": lambda: diagrams.reasoning_loop("?", [], [], []),
    r"the mask of x has shape \(3, 3\) and x \(3, 2\)": lambda: diagrams.box("x", ONES, "T D", mask=causal_mask(3, 3)),
    r"x has shape \(3, 2\) and axes='T'": lambda: diagrams.box("x", ONES, "T"),
    r"x has shape \(0,\)": lambda: diagrams.box("x", [], "T"),
    r"x has 3 rows and 2 words": lambda: diagrams.box("x", ONES, "T D", rows=WORDS[:2]),
    r"x has 2 columns and 3 words": lambda: diagrams.box("x", ONES, "T D", columns=WORDS),
    r"x has 2 columns, not a multiple of its 3 bands": lambda: diagrams.box("x", ONES, "T D", bands=[0, 1, 2]),
    r"x holds NaN": lambda: diagrams.box("x", [[math.nan]], "T D"),
    r"flow has no tensor to draw": lambda: diagrams.flow([diagrams.arrow("softmax")]),
    r"no theme 'blue'; choose one of 'light', 'dark'": lambda: diagrams.flow(
        [diagrams.box("x", ONES, "T D")], theme="blue"
    ),
}


@pytest.mark.parametrize("message", WRONG)
@pytest.mark.usefixtures("as_users_call_it")
def test_wrong_input_is_named_with_its_remedy(message):
    with pytest.raises(UserError, match=message):
        WRONG[message]()


def filled(diagram, color):
    """The names in the boxes of this color."""
    boxes = [
        patch.get_window_extent() for patch in diagram.figure.findobj(FancyBboxPatch)
        if to_hex(patch.get_facecolor()) == color.lower()
    ]  # fmt: skip
    return {
        text.get_text()
        for text in diagram.figure.findobj(Text)
        if any(box.contains(*text.get_window_extent().get_points().mean(0)) for box in boxes)
    }


@pytest.mark.parametrize("theme", THEMES)
def test_the_map_fills_what_is_yours_and_outlines_where_you_are(theme):
    stations = [
        diagrams.Station("tokenizer", "01", 4, 4),
        diagrams.Station("attention", "04", 1, 3),
        diagrams.Station("transformer", "06", 0, 2),
        diagrams.Station("SFT", "09", 2, 2),
    ]
    diagram = diagrams.model_map(stations, here=["SFT", "attention"], layers=7, theme=theme)
    green, orange = (THEMES[theme].accent(index) for index in (GREEN, ORANGE))
    assert filled(diagram, green) == {"tokenizer", "✓ 01", "SFT", "✓ 09"}
    assert {"04 · 1 of 3", "06", "× 7 layers"} <= set(texts(diagram))
    edges = [to_hex(patch.get_edgecolor()) for patch in diagram.figure.findobj(FancyBboxPatch)]
    assert edges.count(orange.lower()) == 3  # with the key
    assert diagram.alt == (
        "Diagram: You are here: SFT (lesson 09) and attention (lesson 04). "
        "Of 4 stations, these are yours: tokenizer, attention (1 of 3), SFT."
    )


def test_a_map_that_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match="here names 'SFT', which is no station; there are tokenizer"):
        diagrams.model_map([diagrams.Station("tokenizer", "01")], here=["SFT"])
    with pytest.raises(UserError, match="40 stages are too many"):
        diagrams.model_map([diagrams.Station(f"stage {n}", "01") for n in range(40)])
    with pytest.raises(UserError, match="too long for the width"):
        diagrams.model_map([diagrams.Station("attention", "04 and 05, and all that belongs to them", 1, 100)])


def test_a_tree_names_the_greedy_pair_and_the_likeliest():
    branches = [(" a", 0.6, [(" c", 0.1), (" b", 0.2)]), (" d", 0.4, [(" e", 0.9)])]
    drawn = diagrams.continuations("He is", branches)
    assert drawn.alt.startswith('Diagram: Greedy finds "a b" (0.120), and "d e" (0.360) is more probable. ')
    assert {"0.120", "0.060", "0.360"} <= set(texts(drawn))
    same = diagrams.continuations("He is", branches[:1])
    assert same.alt.startswith('Diagram: Greedy finds the likeliest pair, "a b" (0.120). ')
    with pytest.raises(UserError, match="0 pairs of tokens"):
        diagrams.continuations("He is", [])
    with pytest.raises(UserError, match="at least one for each first token"):
        diagrams.continuations("He is", [(" a", 0.6, [])])


def test_a_text_is_drawn_twice_with_a_loss_for_each_answer():
    drawn = diagrams.next_tokens(["A", " cat", "."], [2.0, 0.5])
    assert drawn.alt.endswith("After A comes cat: 2.00 nats; after cat comes .: 0.50 nats.")
    assert {"2.00", "0.50"} <= set(texts(drawn))
    for tokens, losses in (["A"], []), (["A", "b"], [1.0, 2.0]):
        with pytest.raises(UserError, match="give at least two, and one loss fewer"):
            diagrams.next_tokens(tokens, losses)


def test_tokens_that_are_read_are_counted_and_impossible_counts_are_refused():
    drawn = diagrams.tokens_read(["a", "b", "c", "d"], {"with": [2, 1, 1], "without": [2, 3, 4]})
    assert drawn.alt == "Diagram: Tokens read: 4 with, 9 without. with, by step: 2, 1, 1; without, by step: 2, 3, 4."
    assert {"with: 4 tokens read", "without: 9 tokens read"} <= set(texts(drawn))
    for counts, sentence in ([3, 1], "step k reads 1 to 1"), ([2, 0], "step k reads"), ([1] * 4, "give equal ones"):
        with pytest.raises(UserError, match=sentence):
            diagrams.tokens_read(["a", "b", "c"], {"with": counts})


def test_what_a_draft_proposes_and_what_comes_out_is_told_even_if_the_rule_is_wrong():
    p, q, joint = [0.75, 0.25], [0.5, 0.5], [[0.5, 0.0], [0.25, 0.25]]
    drawn = diagrams.accept_rule(["a", "b"], p, q, joint)
    assert "b: proposed 0.50, kept 0.25, comes out 0.25, p is 0.25" in drawn.alt
    wrong = diagrams.accept_rule(["a", "b"], p, q, [[0.5, 0.0], [0.0, 0.5]])
    assert wrong.alt.startswith("Diagram: What comes out isn't p: wrong for a, b. ")
    with pytest.raises(UserError, match="2 words, 1 and 2 probabilities"):
        diagrams.accept_rule(["a", "b"], [1.0], q, joint)


def test_special_tokens_are_filled_and_long_conversations_broken():
    drawn = diagrams.chat_tokens({"typed": ["<end>", "Hi"] * 30, "yours": ["Hi"]}, marks=["<end>"])
    assert drawn.alt.startswith("Diagram: Filled: special tokens. typed, 30 special tokens: <end>, Hi, ")
    assert "<end>" in texts(drawn)
    for pieces in ([], ["a"] * 121):
        with pytest.raises(UserError, match=f"has {len(pieces)} tokens; a diagram holds 1 to 120"):
            diagrams.chat_tokens({"row": pieces}, marks=[])


def test_targets_that_count_are_told_one_position_later():
    drawn = diagrams.loss_targets(["a", "b", "c"], {"right": [False, True, False], "late": [False, False, True]})
    assert drawn.alt.endswith("right counts b; late counts c.")
    assert {"reads", "predicts", "right", "late", "a", "b", "c"} <= set(texts(drawn))
    with pytest.raises(UserError, match=r"3 tokens and masks of \[2\]"):
        diagrams.loss_targets(["a", "b", "c"], {"mask": [True, True]})


def test_where_a_padded_row_is_read_is_told_and_padding_is_hatched():
    pieces, mask = [["", "a", "b"], ["c", "d", ""]], [[False, True, True], [True, True, False]]
    drawn = diagrams.read_at(pieces, mask, [2, 2])
    assert drawn.alt == (
        "Diagram: 1 of 2 rows are read at their last token. Row 0 is read at b; row 1 is read at padding."
    )
    assert {"row 0", "row 1", "a", "b", "c", "d"} <= set(texts(drawn))
    assert diagrams.read_at(pieces, mask, [2, 1]).alt.startswith("Diagram: 2 of 2 rows")
    with pytest.raises(UserError, match="one position per row"):
        diagrams.read_at(pieces, mask, [2])
    with pytest.raises(UserError, match="position 3 is outside the rows, which have 3 columns"):
        diagrams.read_at(pieces, mask, [2, 3])


def test_both_roads_of_lora_are_drawn_with_their_shapes():
    drawn = diagrams.low_rank(torch.ones(2, 30), torch.ones(20, 30), torch.ones(3, 30), torch.ones(20, 3), 6.0, "ab")
    assert drawn.alt.startswith("Diagram: LoRA: 600 numbers frozen, 150 learn. x (T × C_in = 2 × 30)")
    assert "T × r = 2 × 3" in texts(drawn)
    assert "@ Bᵀ × 2" in texts(drawn)
    with pytest.raises(UserError, match="1 words for 2 rows"):
        diagrams.low_rank(torch.ones(2, 3), torch.ones(4, 3), torch.ones(1, 3), torch.ones(4, 1), 1.0, ["a"])


def test_lanes_stand_where_the_work_is():
    """The boxes' widths are as their times; the outline of the memory is as high as what is held."""
    lane = diagrams.Lane([(0, 1, "forward", "0"), (2, 4, "backward", "0")], [(1, 1.5)], [0, 2], [1.0, 2.0])
    drawn = diagrams.lanes({"machine 0": lane, "machine 1": lane._replace(work=[], sending=[], memory=[4.0, 4.0])})
    boxes = [patch for patch in drawn.figure.findobj(Rectangle) if patch.get_width() > 0]
    work = [box for box in boxes if round(box.get_height(), 2) == 0.28]
    ground, forward, backward, _ = work
    assert backward.get_width() == pytest.approx(2 * forward.get_width()) == pytest.approx(ground.get_width() / 2)
    assert backward.get_x() - forward.get_x() == pytest.approx(2 * forward.get_width())
    first, second = (patch.get_xy()[:, 1] for patch in drawn.figure.findobj(Polygon) if type(patch) is Polygon)
    assert np.ptp(second) == pytest.approx(2 * np.ptp(first))
    assert drawn.alt.startswith("Diagram: All done at 4.0; the largest memory is 4.0. machine 0: computes 3.0 of 4.0")
    for wrong, said in (({}, "no work to draw"), ({"a": lane._replace(work=[(0, 1, "x", "")])}, "no color for 'x'")):
        with pytest.raises(UserError, match=said):
            diagrams.lanes(wrong)


def test_a_round_of_ppo_names_its_models_and_shapes():
    drawn = diagrams.ppo_round(16, 64, 20, 4)
    names = {"policy π_θ", "reward model", "reference π_ref", "value head V", "token_rewards", "gae", "ppo_loss"}
    assert names <= set(texts(drawn))
    assert {"a score per answer: (64,)", "log p_ref: (64, 20)"} <= set(texts(drawn))
    assert texts(drawn)["frozen"] == texts(drawn)["learns"] == 2
    for sizes in ((0, 64, 20, 4), (16, 8, 20, 4)):
        with pytest.raises(UserError, match="no fewer answers than questions"):
            diagrams.ppo_round(*sizes)


def test_each_token_has_its_numbers_below_it_and_long_answers_are_broken():
    drawn = diagrams.token_credit(["Of", " course"] * 12, {"reward": [0.0, 1.5] * 12, "value": [-2.0, 0.25] * 12})
    assert drawn.alt.startswith("Diagram: One answer, token by token. reward: Of 0.00, course 1.50, ")
    assert texts(drawn)["1.50"] == texts(drawn)["−2.00"] == 12
    assert texts(drawn)["value"] > 1
    for tokens, values in ((["a"], [1.0, 2.0]), ([], []), (["a"] * 41, [0.0] * 41)):
        with pytest.raises(UserError, match="give one number per token, for 1 to 40"):
            diagrams.token_credit(tokens, {"reward": values})


def test_methods_hold_the_models_that_they_need():
    drawn = diagrams.preference_methods({"policy": 1_400_000, "reference": 2_000_000, "reward model": 3, "value": 129})
    found = texts(drawn)
    assert [found[text] for text in ("learns, 1.4M", "frozen, 2.0M", "frozen, 3", "learns, 129")] == [3, 3, 2, 1]
    assert found["not needed"] == 2
    assert "DPO: prompts, each with a pair" in drawn.alt
    with pytest.raises(UserError, match="weights has no 'value'"):
        diagrams.preference_methods({"policy": 1, "reference": 1, "reward model": 1})
