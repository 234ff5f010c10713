"""The parser against the generator: same probability, one derivation, and probability 0 for other texts.

The large checks run in a separate process without run-time type checks, which slow the parser 25 times.
"""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minillm
from minillm.world import World
from minillm.world.reading import PIECE, log_add

WORLD = World(2024)


def read_2000_documents():
    for document in WORLD.documents(2000):
        reading = WORLD.read(document.text)
        assert math.isclose(reading.log_prob, document.log_prob, abs_tol=1e-9), document
        assert reading.derivations == 1, document
        assert reading.reached == len(document.text), document


def multiply_next_pieces():
    """Check the chain rule for every kind: P(text) is the product of the conditionals, including the end."""
    kinds: dict[str, list] = {}
    for document in WORLD.documents(150):
        kinds.setdefault(document.kind, []).append(document)
    for document in [document for members in kinds.values() for document in members[:2]]:
        pieces = PIECE.findall(document.text)
        assert "".join(pieces) == document.text
        total, prefix = 0.0, ""
        for piece in [*pieces, ""]:
            distribution = WORLD.next_pieces(prefix)
            assert math.isclose(math.fsum(distribution.values()), 1.0, abs_tol=1e-12), prefix
            total += math.log(distribution[piece])
            assert math.isclose(WORLD.prefix_log_prob(prefix), total - math.log(distribution[piece]), abs_tol=1e-8)
            prefix += piece
        assert math.isclose(total, document.log_prob, abs_tol=1e-8), document


@pytest.mark.parametrize("check", ["read_2000_documents", "multiply_next_pieces"])
def test_in_a_separate_process(check):
    environment = {**os.environ, "PYTHONPATH": str(Path(minillm.__file__).parents[1])}
    command = [sys.executable, __file__, check]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("text", ["", " ", "The moon is made of cheese.", "Mira", "mira is a baker."])
def test_other_texts_have_probability_zero(text):
    assert WORLD.log_prob(text) == -math.inf


def test_a_changed_document_has_another_probability():
    for document in WORLD.documents(6):
        sentences = re.split(r"(?<=[.?!]) (?=[A-Z\"])", document.text)
        for changed in (document.text + " ", " " + document.text, document.text[:-1], document.text + " The end."):
            assert WORLD.log_prob(changed) == -math.inf
        assert WORLD.log_prob(" ".join(sentences[1:])) != pytest.approx(document.log_prob)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 500), st.randoms(use_true_random=False))
def test_a_text_with_a_swapped_word_has_one_derivation_or_none(index, rng):
    document, other = WORLD.document(index), WORLD.document(index + 1000)
    words = document.text.split(" ")
    where = rng.randrange(len(words))
    word = rng.choice([word for word in other.text.split(" ") if word != words[where]])
    changed = " ".join([*words[:where], word, *words[where + 1 :]])
    reading = WORLD.read(changed)
    # Either it is another document, with one derivation, or it is not a document.
    assert reading.derivations == (reading.log_prob > -math.inf)


def test_a_swapped_name_changes_the_probability():
    changed_count = total = 0
    for document in WORLD.documents(25):
        names = re.findall(r"\b(Mira|Tobin|Bram|Dorrit|Corin|Isa)\b", document.text)
        if len(names) < 2:
            continue
        last = document.text.rindex(names[-1])
        changed = document.text[:last] + "Wick" + document.text[last + len(names[-1]) :]
        total += 1
        changed_count += WORLD.log_prob(changed) != pytest.approx(document.log_prob, abs=1e-9)
    assert total > 3
    assert changed_count == total


def test_an_impossible_prefix_has_no_next_piece():
    assert WORLD.next_pieces("Once upon a time") == {}


def test_log_add_handles_the_empty_sum():
    assert log_add(-math.inf, -math.inf) == -math.inf
    assert log_add(-math.inf, -2.0) == -2.0


if __name__ == "__main__":
    globals()[sys.argv[1]]()
