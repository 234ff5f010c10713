"""The stored next words: what the world says, and questions that a game can ask."""

import math

import pytest

from minillm.course import truth
from minillm.data.floor import bigram_loss
from minillm.world import World


@pytest.fixture(scope="module")
def stored():
    return truth.stored()


def test_a_dozen_beginnings_have_the_worlds_next_words(stored):
    assert [row["text"] for row in stored["beginnings"]] == list(truth.BEGINNINGS)
    assert len(truth.BEGINNINGS) == 12
    world = World(0)
    for row in stored["beginnings"]:
        expected = world.next_pieces(row["text"])
        assert dict(row["next"]) == pytest.approx(expected, abs=1e-6)
        assert sum(p for _, p in row["next"]) == pytest.approx(1, abs=1e-4)


def test_questions_have_an_answer_and_probabilities(stored):
    questions = stored["questions"]
    assert len(questions) == truth.QUESTIONS
    world = World(0)
    for number, question in enumerate(questions):
        options, p = question["options"], question["truth"]
        assert len(set(options)) == truth.N_OPTIONS
        assert p[question["answer"]] > 0
        assert sum(p) == pytest.approx(1, abs=1e-5)
        assert sum(question["bigram"]) == pytest.approx(1, abs=1e-5)
        assert min(question["bigram"]) > 0, "its loss is finite"
        assert len(question["text"]) <= truth.LONGEST
        if number % 6 == 0:
            known = world.next_pieces(question["text"])
            weights = [known.get(word, 0.0) for word in options]
            assert p == pytest.approx([weight / math.fsum(weights) for weight in weights], abs=1e-6)


def test_on_average_nobody_is_expected_to_beat_the_truth(stored):
    for question in stored["questions"]:
        p, q = question["truth"], question["bigram"]
        cross = -sum(share * math.log(other) for share, other in zip(p, q, strict=True))
        entropy = -sum(share * math.log(share) for share in p if share)
        assert entropy <= cross + 1e-9
    decided = [question for question in stored["questions"] if max(question["truth"]) >= truth.CERTAIN]
    assert len(decided) >= truth.QUESTIONS // 2
    assert all(question["bigram"].index(max(question["bigram"])) != question["answer"] for question in decided)


def test_bigrams_are_a_distribution_close_to_the_other_bigram_model():
    documents = World(5).documents(300)
    bigrams = truth.Bigrams.count(documents[:250])
    words = list(bigrams.words)
    for first in ("", " the", words[-2], "never seen"):
        total = sum(bigrams.probability(first, word) for word in [*words, "unknown"])
        assert total == pytest.approx(1, abs=1e-9)
    texts = [truth.PIECE.findall(document.text) for document in documents]
    ids = {word: number for number, word in enumerate(dict.fromkeys(["", *(word for text in texts for word in text)]))}
    train, held_out = (
        [0, *(ids[word] for text in part for word in (*text, ""))] for part in (texts[:250], texts[250:])
    )
    pairs = [pair for text in texts[250:] for pair in zip(["", *text], [*text, ""], strict=True)]
    loss = -sum(math.log(bigrams.probability(*pair)) for pair in pairs) / len(pairs)
    assert loss == pytest.approx(bigram_loss(train, held_out, len(ids)), abs=0.15)
