"""The ranking booth: what was pressed is what is written, and nothing that was pressed is lost."""

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.data.preferences import Preference, append_preferences, load_preferences
from minillm.viz import ranking_booth as widget
from minillm.viz.figures.style import new_sketch
from minillm.viz.ranking_booth import RankingBooth, shown_order


def pair(number: int, rater: str = "nobody") -> Preference:
    prompt = ({"role": "user", "content": f"Is {number} < 3?"},)
    return Preference(prompt, f"Gladly. {number} & yes.", f"{number}, no.", rater)


PAIRS = [pair(number) for number in range(6)]


def draw(rankings):
    return new_sketch(0.2, 0.2)[0], f"{len(rankings)} learned from."


def opened(path, pairs=PAIRS, draw=draw) -> RankingBooth:
    return RankingBooth(pairs, path, "Ada", draw)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.jsonl"


sides = st.lists(st.sampled_from(["A", "B", "neither"]), max_size=len(PAIRS) + 2)


@settings(max_examples=20)
@given(sides, sides)
def test_the_file_holds_what_stood_over_the_pressed_button_and_a_new_booth_goes_on(tmp_path_factory, first, second):
    path, expected = tmp_path_factory.mktemp("booth") / "mine.jsonl", []
    for pressed in (first, second):
        booth = opened(path)
        for side in pressed:
            shown = dict(zip("AB", (card.value for card in booth.answers), strict=True))
            waiting = bool(booth.waiting)
            booth.buttons[side].click()
            if not waiting or side == "neither":
                continue
            expected.append(booth.rankings[-1])
            assert html.escape(expected[-1].chosen) in shown[side]
            assert html.escape(expected[-1].rejected) in shown["B" if side == "A" else "A"]
        written = list(load_preferences(path).preferences) if expected else []
        assert written == booth.rankings == expected
        assert {one.rater for one in written} <= {"Ada"}
        asked = {one.prompt[0]["content"] for one in written}
        assert len(asked) == len(written), "no pair is asked twice"
        booth.close()


def test_the_place_of_an_answer_says_nothing_of_who_chose_it():
    many = [pair(number) for number in range(400)]
    orders = [shown_order(one) for one in many]
    swapped = [shown_order(Preference(one.prompt, one.rejected, one.chosen, "Bea")) for one in many]
    assert orders == swapped
    first = sum(order[0] == one.chosen for order, one in zip(orders, many, strict=True))
    assert 160 < first < 240  # four standard errors of 400 fair lots


def test_what_cannot_be_written_is_told_and_written_with_the_next_choice(path, monkeypatch):
    booth = opened(path)

    def full(_path, _preferences):
        raise OSError("no space left")

    monkeypatch.setattr(widget, "append_preferences", full)
    booth.choose("A")
    booth.choose("B")
    assert "Not in the file yet (no space left): 2 rankings" in booth.heading.value
    assert not path.exists()
    booth.choose("neither")
    assert "2 rankings" in booth.heading.value
    monkeypatch.setattr(widget, "append_preferences", append_preferences)
    booth.choose("A")
    assert "Not in the file" not in booth.heading.value
    assert list(load_preferences(path).preferences) == booth.rankings
    assert len(booth.rankings) == 3


def test_other_lines_of_the_file_stay_and_broken_ones_are_told_of(path):
    others = [pair(0, "Bea"), pair(77, "Ada")]  # another rater, another pair
    append_preferences(path, [*others, pair(2, "Ada")])
    with path.open("a", encoding="utf-8") as file:
        file.write("half a li\n")
    before = path.read_bytes()
    booth = opened(path)
    assert [one.prompt for one in booth.rankings] == [PAIRS[2].prompt]
    assert "mine.jsonl, line 4: this is not JSON" in booth.heading.value
    assert booth.sentence == "1 learned from."
    booth.choose("A")
    assert path.read_bytes().startswith(before)
    assert "1 of 6 seen" not in booth.heading.value
    assert "2 of 6 seen, 2 ranked." in booth.heading.value


def test_a_failing_picture_becomes_a_sentence_and_the_ranking_is_kept(path):
    def fails_on_one(rankings):
        if len(rankings) == 1:
            raise RuntimeError("one is too few")
        return draw(rankings)

    booth = opened(path, draw=fails_on_one)
    before = booth.picture.value
    booth.choose("A")
    assert booth.sentence == "No picture for this ranking: one is too few (RuntimeError). The last one stays."
    assert booth.picture.value == before
    booth.choose("A")
    assert booth.sentence == "2 learned from."
    assert len(load_preferences(path).preferences) == 2
    with pytest.raises(RuntimeError, match="one is too few"):  # the first picture is the author's
        opened(path, [PAIRS[0], PAIRS[5]], draw=fails_on_one)


def test_after_the_last_pair_the_buttons_rest(path):
    booth = opened(path, PAIRS[:1])
    booth.choose("B")
    assert all(button.disabled for button in booth.buttons.values())
    assert "Run the cells below again" in booth.asked.value
    assert [card.value for card in booth.answers] == ["", ""]
    booth.choose("A")
    assert len(booth.rankings) == len(load_preferences(path).preferences) == 1


def test_question_and_answers_are_named_and_their_markup_is_text(path):
    booth = opened(path)
    assert "Is 0 &lt; 3?" in booth.asked.value
    for card, name in zip(booth.answers, ("Answer A", "Answer B"), strict=True):
        assert f"aria-label='{name}'" in card.value
    assert "Gladly. 0 &amp; yes." in booth.answers[0].value + booth.answers[1].value
    assert [button.description for button in booth.buttons.values()] == ["A is better", "B is better", "I cannot say"]


def test_a_stored_notebook_keeps_picture_and_sentence(path):
    booth = opened(path)
    data, metadata = booth._repr_mimebundle_()
    assert data["image/png"] == booth.png
    assert data["text/plain"] == "RankingBooth(0 of 6 ranked): 0 learned from."
    assert metadata["image/png"]["alt"] == "0 learned from."


def test_a_booth_needs_pairs_sides_and_a_file_that_can_be_read(path):
    with pytest.raises(ValueError, match="side is 'left'; it must be one of A, B, neither"):
        opened(path).choose("left")
    with pytest.raises(ValueError, match="no pairs to rank; give at least one"):
        opened(path, [])
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        opened(path)
