"""What a message says of a result that no known mistake fits: each fact on results made to have it."""

import math

import pytest
import torch

from minillm.course.checks import ask
from minillm.course.checks.demands import same_dtype, same_kind, whole_numbers
from minillm.course.checks.facts import FUNCTIONS, fact
from minillm.course.checks.parts import fact_of_parts
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


@pytest.mark.parametrize("right", [0.0, 1.0, -1.0, 0.5, 2.0, 7])
@pytest.mark.parametrize("got", [0.0, 1.0, -1.0, 0.5, 4.0, 3, math.nan, math.inf])
def test_nothing_is_made_of_one_number_that_fits_by_chance(right, got):
    """A right 0 and a given 1 fit `1 minus` and `e to the power of`, and a given 1 is every argument that is 1."""
    for one, other in ((right, got), (torch.tensor([right] * 2), torch.tensor([got] * 2))):
        said = str(fact(["x"], [(got,), (got,)], [one, one], [other, other]))
        assert not any(words in said for words in FUNCTIONS)
        assert "as it came in" not in said


def test_a_factor_of_single_numbers_needs_more_than_one_result():
    calls = [(torch.zeros(2, 3),), (torch.zeros(4, 5),)]
    assert fact(["x"], calls, [0.7, 1.3], [1.4, 5.2]) == "The result is the right one times `x.shape[0]`."
    assert fact(["x"], calls, [0.7, 1.3], [2.1, 3.9]) == "The result is 3 times the right one."
    assert fact(["x"], calls, [0.7, 1.3], [1.2, 1.8]) == "The result is the right one plus 0.5."
    assert "ln 2" in str(fact(["x"], calls, [0.7, 1.3], [0.7 * math.log(2), 1.3 * math.log(2)]))
    assert fact(["x"], calls, [0.7, 1.3], [1.4, 1.3]) is None
    assert fact(["x"], calls, [7, 13], [14, 52]) is None


def test_an_argument_that_is_missing_or_added_twice_is_told():
    x = RIGHT.cos()
    assert fact(["x"], [(x,)], [RIGHT], [RIGHT - x]) == "The result is the right one minus `x`."
    assert fact(["x"], [(x,)], [RIGHT], [RIGHT + x]) == "The result is the right one plus `x`."


def test_tensors_that_look_alike_when_shown_are_not_taken_for_each_other():
    one, two = [torch.zeros(9, 9), torch.ones(9, 9)], [torch.ones(9, 9), torch.ones(9, 9)]
    assert fact(["x"], [(1,)], [(one, 1.0)], [(two, 1.0)]) is None
    assert fact(["x"], [(1,)], [(one, 1.0)], [(1.0, one)]) == "The result has its two parts in the wrong order."


def test_of_several_parts_the_wrong_one_is_told():
    right = [(torch.tensor([3.0, 1.0]), 2.0), (torch.tensor([5.0, 4.0]), 6.0)]
    names = ["gradient", "norm"]

    def told(change, mistakes=()):
        return fact_of_parts(names, ["x"], [(1,), (2,)], right, list(map(change, right)), mistakes)[0]

    assert told(lambda r: (-r[0], r[1])) == "`norm` is right. `gradient` is the right one with the other sign."
    assert told(lambda r: r[::-1]) == "The parts of the result stand in another order."
    assert told(lambda r: (r[0], 1, 2)) == "The result is not 2 values."
    known = [("It is 7.", "Do not.", [(torch.ones(2), 7.0)] * 2)]
    assert told(lambda r: (r[0], 7.0), known) == "`gradient` is right. In `norm`, this is what happens: It is 7."
    assert "`norm` has 5.1 in place of 2.0" in told(lambda r: (r[0], 0.1 + r[1] ** 2 % 7 + 1.0))
    assert fact_of_parts(names, ["x"], [(1,), (2,)], right, right) is None


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
    question = kinds_question()
    replies = [ask(lambda numbers: max([0, *numbers]), calls) for calls in question.calls(0)]
    sentence = question.grade(0, replies).failure.sentence
    assert sentence.endswith("It is wrong with negative numbers; right with positive numbers, one number.")


def test_a_probe_must_draw_one_call_of_each_kind():
    question = kinds_question()
    question.probes[0].kinds = ("one", "two")
    with pytest.raises(AssertionError, match="draws 3 calls of 2 kinds"):
        question.calls(0)


def test_an_error_for_some_inputs_is_told_with_the_kind_and_with_the_mistake_that_others_show():
    def answer(numbers):
        if len(numbers) == 1:
            raise IndexError("too short")
        return [min(numbers) - 1] * 9

    question = Question("99.2", "Largest, three times", lambda numbers: [max(numbers)] * 9)
    probe = question.probe("lists", lambda rng: [([1, 3],), ([4],)], kinds=("two numbers", "one number"))
    probe.mistake("It is the smallest.", "Turn the comparison round.", lambda numbers: [min(numbers) - 1] * 9)
    failure = question.grade(0, [ask(answer, question.calls(0)[0])]).failure
    assert failure.sentence.startswith("<lambda> raised IndexError: too short")
    assert "It happens with one number. In other cases, this is what happens: It is the smallest." in failure.sentence
    assert failure.hint == "Turn the comparison round."


def test_a_demand_and_the_last_resort_are_asked_only_where_nothing_else_is_known():
    def look_again(calls, right, got):
        return None if right == got else ("Look again.", "Count.")

    def whole(right, got):
        return None if type(got) is int else "is no whole number"

    question = Question("99.3", "Two more", lambda number: number + 2)
    question.probe("whole numbers", lambda rng: [(1,), (8,)], at_last=look_again, demand=whole)
    answers = [lambda n: n + 2.0, lambda n: n * n, lambda n: -n - 2]
    failures = [question.grade(0, [ask(answer, question.calls(0)[0])]).failure.sentence for answer in answers]
    sign = "The result is the right one with the other sign."
    assert failures == ["The result is no whole number.", "Look again.", sign]


ONES = torch.ones(2)


@pytest.mark.parametrize(
    ("demand", "right", "got", "fault"),
    [
        (same_dtype, ONES, ONES.double(), "is a tensor of torch.float64 in place of torch.float32"),
        (same_dtype, ONES, [1.0, 1.0], "is of type list in place of torch.float32"),
        (
            same_dtype,
            {"a": ONES},
            {"a": ONES.bfloat16()},
            "is a tensor of torch.bfloat16 at ['a'] in place of torch.float32",
        ),
        (same_dtype, {"a": ONES}, {"a": ONES}, None),
        (same_kind, ONES, ONES.double(), None),
        (same_kind, ONES, ONES.int(), "is a tensor of torch.int32, and torch.float32 is asked for"),
        (same_kind, (1, ONES), (1, [1.0, 1.0]), "is of type list at [1], and a tensor is asked for"),
        (same_kind, [1], [1.0], None),
        (whole_numbers, ONES.long(), [[1], [1.0]], "is made of floats, and whole numbers are asked for"),
        (whole_numbers, ONES.long(), [ONES.int(), ONES.bool()], None),
    ],
)
def test_a_demand_finds_what_values_do_not_show(demand, right, got, fault):
    assert demand(right, got) == fault
