"""What lesson 00 uses of the package, on the real model."""

import itertools

import pytest
import torch

from minillm.analysis import surgery
from minillm.course import the_map
from minillm.course.own_model import smollm2
from minillm.course.turns.the_map import next_token, surprise
from minillm.errors import UserError


def test_the_learners_softmax_and_torchs_name_the_same_ten_tokens():
    plain, own = the_map.likeliest("Hello"), the_map.likeliest("Hello", next_token)
    assert [read.token for read in plain] == [read.token for read in own]
    assert [read.probability for read in plain] == pytest.approx([read.probability for read in own], rel=1e-6)


def test_the_sampler_draws_by_the_given_probabilities_and_keeps_its_name():
    sampler = the_map.choosing(lambda logits, temperature: [0.25, 0.75] if temperature == 2 else [1.0, 0.0], 2.0)
    draws = [sampler(torch.zeros(2)) for _ in range(400)]
    assert 260 < sum(draws) < 340
    assert the_map.choosing(next_token, 1.0).__name__ == "next_token"
    with pytest.raises(UserError, match="the temperature is 0; give a number above 0"):
        the_map.choosing(next_token, 0)


def test_the_parts_add_up_to_what_the_model_has():
    vectors, final = the_map.written("The capital of France is")
    assert len(vectors) == 61
    torch.testing.assert_close(sum(vectors), final, rtol=1e-3, atol=1e-2)


def test_a_part_that_is_left_out_makes_a_text_more_surprising():
    intact, without = (
        surprise([read.probability for read in the_map.token_probabilities("The cat sat on the mat.", **part)])
        for part in ({}, {"without": "feed_forward", "layer": 0})
    )
    assert without > intact + 10


@pytest.mark.slow
def test_the_verb_agrees_with_the_first_noun_and_not_with_the_one_next_to_it():
    """The lesson says 47 of 48, over both numbers of both nouns."""
    nouns = "key/to/cabinet picture/on/wall label/on/bottle door/of/house report/by/lawyer book/of/student"
    nouns += " path/through/field letter/from/teacher window/of/church song/about/river bridge/over/canal"
    nouns += " story/about/king"
    tokenizer, right = smollm2()[1], 0
    verbs = [tokenizer.encode(verb)[0] for verb in (" is", " are")]
    for first, preposition, second in (pair.split("/") for pair in nouns.split()):
        ending = "es" if second == "church" else "s"
        for plural, other in itertools.product((False, True), repeat=2):
            logits = the_map.next_logits(f"The {first}{'s' * plural} {preposition} the {second}{ending * other}")
            right += logits[verbs[plural]] > logits[verbs[not plural]]
    assert right >= 46


@pytest.mark.slow
def test_most_layers_can_be_lost_and_the_first_three_cannot():
    """The lesson says 19 of 30, without layer 13 even 19 capitals, and none without one of the first three."""
    model, tokenizer = smollm2()
    left = []
    for layer in range(30):
        with surgery.replaced(model, order=[number for number in range(30) if number != layer]):
            left.append(surgery.capitals(model, tokenizer))
    assert 17 <= sum(count >= 10 for count in left) <= 21
    assert left[:3] == [0, 0, 0]
    assert left[13] >= 17
