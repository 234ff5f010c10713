"""What a message says of a result that no known mistake fits: each fact on results made to have it."""

import math

import pytest
import torch

from minillm.course.checks.facts import fact
from minillm.course.checks.question import Question

RIGHT = torch.tensor([[0.5, 2.0, -1.5, 3.0], [4.0, -0.25, 1.0, 2.5], [1.25, 0.75, -2.0, 5.0]])
X = torch.zeros(5, 7)
CASES = {
    "is the right one with the other sign": lambda r: -r,
    "is transposed": lambda r: r.T,
    "backwards along axis 1": lambda r: r.flip(1),
    "one place too late along axis 0": lambda r: r.roll(1, 0),
    "one place too early along axis 1": lambda r: r.roll(-1, 1),
    "the right numbers in another order": lambda r: r[[1, 0, 2]],
    "with an axis of 1 too many": lambda r: r[None],
    "the right numbers in another shape": lambda r: r.reshape(2, 6),
    "lacks the last row": lambda r: r[:-1],
    "lacks the first column": lambda r: r[:, 1:],
    "has a row too many, the last": lambda r: torch.cat([r, r[:1] + 9]),
    "divided by `x.shape[0]`": lambda r: r / 5,
    "times `x.shape[1]`": lambda r: r * 7,
    "off by the factor sqrt(`x.shape[1]`)": lambda r: r / 7**0.5,
    "ln 2 times": lambda r: r * math.log(2),
    "is 3 times the right one": lambda r: 3 * r,
    "is the right one plus 0.5": lambda r: r + 0.5,
    "up to a factor in each row": lambda r: r * torch.tensor([[1.0], [2.0], [0.3]]),
    "up to a factor in each column": lambda r: r * torch.tensor([1.0, 2.0, 0.3, 4.0]),
    "right but for the last row": lambda r: torch.cat([r[:-1], r[:1]]),
    "right but for the negative numbers": lambda r: torch.where(r < 0, r - 1, r),
    "with 0 in place of all negative numbers": torch.relu,
    "is NaN in places": lambda r: torch.where(r > 4.5, math.nan, r),
    "is infinite in places": lambda r: torch.where(r > 4.5, math.inf, r),
    "is 0 everywhere": torch.zeros_like,
    "rounded to whole numbers": torch.round,
    "is None: does the last line return it?": lambda r: None,
    "inside a list of its own": lambda r: [r],
    "is `x` as it came in": lambda r: X,
}
OTHERS = {
    "is in the reverse order": (["a", "b", "c"], ["c", "b", "a"]),
    "has its two parts in the wrong order": ((["a"], ["b"]), (["b"], ["a"])),
    "lacks the last item": (["a", "b"], ["a"]),
    "ends too early": (["a", "b", "c"], ["a"]),
    "something more at the end": (["a"], ["a", "b"]),
    "cut at other places": (["ab", "c"], ["a", "bc"]),
    "blanks around its items": (["a", "b"], [" a", "b"]),
    "capital and small letters": ("Ab", "ab"),
    "right but for empty items": (["a", "", "b"], ["a", "b"]),
    "not each as often": (["a", "b", "a", "c"], ["a", "b", "c"]),
    "is one text, and a list": (["a", "b"], "ab"),
    "is text, and bytes is right": (b"ab", "ab"),
    "only part 2 of what is asked for": ((RIGHT, torch.ones(2)), torch.ones(2)),
    "lacks the key 'b'": ({"a": 1, "b": 2}, {"a": 1}),
}


@pytest.mark.parametrize("words", CASES)
def test_a_fact_is_found_and_said_of_tensors(words):
    assert words in str(fact(["x"], [(X,)], [RIGHT], [CASES[words](RIGHT)]))


@pytest.mark.parametrize("words", OTHERS)
def test_a_fact_is_found_and_said_of_other_results(words):
    right, got = OTHERS[words]
    assert words in str(fact(["x"], [(X,)], [right], [got]))


def test_only_what_is_true_of_all_wrong_results_is_said():
    other = RIGHT + RIGHT.T[:3, :1]
    calls = [(X,)] * 3
    assert "other sign" in str(fact(["x"], calls, [RIGHT, other, RIGHT], [-RIGHT, -other, RIGHT]))
    assert fact(["x"], calls[:2], [RIGHT, other], [-RIGHT, 2 * other + RIGHT.sin()]) is None
    assert fact(["x"], calls[:1], [RIGHT], [RIGHT.sin() * torch.arange(12).view(3, 4)]) is None


def kinds_question() -> Question:
    question = Question("99.1", "Largest", lambda numbers: max(numbers))
    probe = question.probe(
        "lists",
        lambda rng: [([1, 3],), ([-2, -5],), ([4],)],
        kinds=("positive numbers", "negative numbers", "one number"),
    )
    probe.mistake("It is the smallest.", "Turn the comparison round.", lambda numbers: min(numbers) - 1)
    return question


def test_a_message_says_with_which_kind_of_input_a_result_is_wrong():
    from answers import ask

    question = kinds_question()
    replies = [ask(lambda numbers: max([0, *numbers]), calls) for calls in question.calls(0)]
    sentence = question.grade(0, replies).failure.sentence
    assert sentence.endswith("It is wrong with negative numbers; right with positive numbers, one number.")


def test_a_probe_must_draw_one_call_of_each_kind():
    question = kinds_question()
    question.probes[0].kinds = ("one", "two")
    with pytest.raises(AssertionError, match="draws 3 calls of 2 kinds"):
        question.calls(0)
