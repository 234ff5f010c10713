"""The filters against the labels of the dirty mixture, and on cases worked by hand."""

import math
import sys
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.filtering import UNSEEN, PerplexityFilter, jaccard, mix, near_duplicates, shingles
from minillm.world import World
from minillm.world.dirty import LABELS, mixture


@pytest.fixture(scope="module")
def documents():
    return mixture(World(0), 400)


@pytest.fixture(scope="module")
def quality():
    world = World(0)
    return PerplexityFilter([world.document(1_000_000 + index).text for index in range(300)])


# -- the quality filter ----------------------------------------------------------------------------------------------


def test_the_filter_keeps_clean_text_and_no_noise_and_cannot_see_what_is_false(documents, quality):
    kept = Counter(document.label for document in documents if quality.keeps(document.text))
    all_of = Counter(document.label for document in documents)
    share = {label: kept[label] / all_of[label] for label in LABELS}
    assert share["clean"] > 0.9
    assert share["noise"] == 0
    assert share["shuffled"] < 0.6  # words in random order go, and sentences in random order stay
    assert share["other world"] > 0.9
    assert kept["clean"] / kept.total() > all_of["clean"] / all_of.total() + 0.05


def test_the_recall_is_that_of_the_documents_that_set_the_threshold():
    world = World(0)
    clean = [world.document(index).text for index in range(100)]
    for recall in (0.5, 0.9, 1.0):
        quality = PerplexityFilter(clean, recall)
        assert sum(map(quality.keeps, clean[::5])) == round(20 * recall)


def test_the_probabilities_by_hand():
    """Of ten texts "a b" and "a a" in turn, numbers 0 and 5 set the threshold: four of each are counted."""
    quality = PerplexityFilter(["a b", "a a"] * 5, order=2)
    # words alone: a 12 times, b 4 times, the end 8 times; three kinds
    alone = {token: Fraction(count + 0, 27) for token, count in {"a": 12, "b": 4, "": 8}.items()}
    for token, exact in alone.items():
        assert quality.probability((), token) == pytest.approx(float(exact) + 3 / 27 * UNSEEN)
    # after a: a 4 times, b 4 times, the end 4 times
    expected = (4 + 3 * quality.probability((), "b")) / 15
    assert quality.probability(("a",), "b") == pytest.approx(expected)
    start = (8 + quality.probability((), "a")) / 9  # every text starts with a
    end = (4 + quality.probability((), "")) / 5  # after b
    loss = -(math.log(start) + math.log(expected) + math.log(end)) / 3
    assert quality.loss("a b") == pytest.approx(loss)
    assert quality.probability(("never",), "b") == quality.probability((), "b")


@given(st.lists(st.sampled_from("abc"), min_size=0, max_size=3))
def test_the_probabilities_of_known_tokens_sum_to_one_but_for_the_unseen(context):
    quality = PerplexityFilter(["a b c", "b a", "c c a"] * 5)
    total = sum(quality.probability(tuple(context)[-2:], token) for token in ("a", "b", "c", ""))
    assert 1 - 1e-9 < total + (1 / UNSEEN - 4) * quality.probability(tuple(context)[-2:], "unseen") < 1 + 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"] * 9,), "there are 9 clean documents; give at least 10"),
        ((["a"] * 10, 0), "recall is 0; use a share"),
        ((["a"] * 10, 1.01), "recall is 1.01; use a share"),
        ((["a"] * 10, 0.9, 0), "order is 0; use 1"),
    ],
)
def test_bad_settings_of_the_filter_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PerplexityFilter(*arguments)


# -- near-duplicates -------------------------------------------------------------------------------------------------


def test_near_duplicates_are_found_with_precision_and_recall(documents):
    found = near_duplicates([document.text for document in documents])
    right = sum(documents[index].label == "near-duplicate" for index in found)
    assert right / len(found) > 0.85
    assert right / sum(document.label == "near-duplicate" for document in documents) > 0.75


def test_exact_duplicates_are_those_that_a_set_finds(documents):
    texts = [document.text for document in documents[:100]] * 2
    seen, repeated = set(), []
    for index, text in enumerate(texts):
        if text in seen:
            repeated.append(index)
        seen.add(text)
    assert set(repeated) <= set(near_duplicates(texts, threshold=1.0))


def test_what_is_listed_is_as_similar_as_asked(documents):
    """Against all pairs, compared exactly: no false alarm, and nine in ten are found."""
    texts = [document.text for document in documents[:200]]
    sets = [shingles(text) for text in texts]
    kept, exact = [], []
    for index, own in enumerate(sets):
        if any(jaccard(own, sets[other]) >= 0.5 for other in kept):
            exact.append(index)
        else:
            kept.append(index)
    found = near_duplicates(texts)
    assert len({*found} & {*exact}) >= 0.9 * len(exact)
    for index in found:
        assert any(jaccard(sets[index], sets[other]) >= 0.5 for other in range(index))


def test_shingles_and_jaccard_by_hand():
    assert shingles("to be or not to be", 2) == {"to be", "be or", "or not", "not to"}
    assert shingles("to be", 3) == {"to be"}
    assert shingles("") == {""}
    # of 4 and 4 shingles 3 are in both: 3 / 5
    assert jaccard(shingles("a b c d e f"), shingles("x b c d e f")) == 3 / 5
    assert near_duplicates(["a b c d e f", "x b c d e f"], threshold=0.6) == [1]
    assert near_duplicates(["a b c d e f", "x b c d e f"], threshold=0.61) == []
    assert near_duplicates([]) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0}, "threshold is 0; a similarity"),
        ({"threshold": 2}, "threshold is 2"),
        ({"size": 0}, "size is 0"),
    ],
)
def test_bad_settings_of_the_finder_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        near_duplicates(["a"], **settings)


def test_without_datasketch_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasketch", None)  # what Python does with a package that is not there
    with pytest.raises(ModuleNotFoundError, match="near_duplicates needs datasketch; install it with: python -m pip"):
        near_duplicates(["a"])


# -- the dial --------------------------------------------------------------------------------------------------------


def test_the_dial_draws_by_weight_and_each_source_in_epochs():
    sources = {"a": ["a0", "a1", "a2"], "b": ["b0", "b1"], "c": []}
    drawn = mix(sources, {"a": 3, "b": 1, "c": 0}, 400, seed=5)
    counts = Counter(text[0] for text in drawn)
    assert abs(counts["a"] - 300) < 4 * math.sqrt(400 * 0.75 * 0.25)
    for name in "ab":  # each document of a source equally often, to within one
        times = Counter(text for text in drawn if text[0] == name)
        assert max(times.values()) - min(times.values()) <= 1
    assert drawn == mix(sources, {"a": 3, "b": 1}, 400, seed=5) != mix(sources, {"a": 3, "b": 1}, 400, seed=6)
    assert mix(sources, {"b": 1}, 0) == []


@pytest.mark.parametrize(
    ("weights", "count", "message"),
    [
        ({"a": 1}, -1, "count is -1"),
        ({"z": 1}, 1, "there is a weight for 'z', and the sources are a, empty"),
        ({"a": -1}, 1, "the weight of 'a' is -1; use a number of 0 or more"),
        ({"a": math.nan}, 1, "the weight of 'a' is nan"),
        ({"empty": 1}, 1, "the source 'empty' has no documents; add some, or set its weight to 0"),
        ({"a": 0}, 1, "all weights are 0"),
        ({}, 1, "all weights are 0"),
    ],
)
def test_bad_weights_are_named(weights, count, message):
    with pytest.raises(ValueError, match=message):
        mix({"a": ["x"], "empty": []}, weights, count)
