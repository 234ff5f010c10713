"""What lesson 02 uses of the package, on the real model."""

import pytest
import torch

from minillm.course import mine, vectors
from minillm.course.turns.embeddings import analogy, embed, nearest
from minillm.errors import UserError

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("real_weights")]


def test_a_word_is_found_with_its_space_and_a_mark_without():
    assert vectors.name(vectors.id_of("king")) == "' king'"
    assert vectors.name(vectors.id_of("MetaInfoClass")) == "'MetaInfoClass'"
    assert torch.equal(vectors.row("king"), vectors.table()[vectors.id_of("king")])
    with pytest.raises(UserError, match=r"'duchess' is cut into \[.*\], so it has no row of its own"):
        vectors.row("duchess")


def test_the_lookup_keeps_the_capitals_and_a_lookup_off_by_one_loses_them():
    assert vectors.capitals(embed) == 17
    assert vectors.capitals(lambda ids, table: embed((ids + 1) % len(table), table)) == 0


def test_what_cannot_be_said_again():
    strange = nearest(vectors.row("MetaInfoClass"), vectors.table(), 16)
    assert vectors.echoes(strange) == 0
    assert vectors.echoes(vectors.random_ids(16)) > 8
    assert vectors.echoes(vectors.random_ids(16, rare=True)) > 8


def test_the_learners_analogy_is_held_against_the_package():
    assert vectors.agreement(analogy, "family", 3) == "same answer in 6 of 6 sums"
    assert vectors.agreement(lambda a, b, c, table, leave_out: b, "family", 3).startswith("same answer in 3 of")
    assert vectors.census("family", lambda a, b, c: b - a + c, leave_out=False) == (4, 110)
    with pytest.raises(UserError, match="'animals' names none of the relations; choose one of family, capitals"):
        vectors.places("animals")


def test_the_explorers_say_what_they_show():
    mixture = vectors.MixExplorer("The ??? began to", "cat", "dog", ["purr", "bark"])
    assert mixture.sentence.startswith("100% cat, 0% dog: purr 0.09")
    mixture.controls["share"].value = 1.0
    assert mixture.sentence.startswith("0% cat, 100% dog: purr 0.01")
    sums = vectors.NeighborExplorer("man", "king", "woman", nearest)
    assert sums.sentence == "king - man + woman: nearest is ' queen' at 0.716, then ' king'."


def test_a_vector_stands_in_place_of_a_word(capsys):
    text = mine.write("The ??? lost", 2, vector=vectors.row("king") - vectors.row("man") + vectors.row("woman"))
    assert text == " her crown"
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "Ran on: a vector in place of ???; everything else SmolLM2's own."
    with pytest.raises(UserError, match="give `vector` alone"):
        mine.write("The ??? lost", vector=vectors.row("king"), embedding=embed)
