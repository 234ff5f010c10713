"""Trying a learner's version of a turn: what is compared, what is told, and in which case."""

import re

import pytest
import torch
import torch.nn.functional as F

from minillm.course.checks.plain import difference, plain
from minillm.course.learner.effort import steps
from minillm.course.learner.source import source_of
from minillm.course.learner.trial import FIRST_USE, UNKNOWN, try_out
from minillm.course.learner.turn import Turn, gradients
from minillm.course.turns import find

# The shape checks of the test run would look at every one of many small calls, and this is what users meet.
pytestmark = pytest.mark.usefixtures("as_users_call_it")


def test_a_result_that_says_nothing_gets_no_name():
    """Zeros, NaN and an input that is returned may come of any mistake, even where one is known that ends in them."""
    turn = Turn("99.x", "", lambda x: x + 1)
    probe = turn.probe("x", lambda rng: [(torch.ones(3),), (torch.arange(4.0),)])
    results = {
        "The result is 0, whatever comes in.": lambda x: x * 0,
        "The result is NaN everywhere.": lambda x: x * torch.nan,
        "The result is `x` as it came in.": lambda x: x.clone(),
    }
    for sentence, answer in results.items():
        probe.mistakes.clear()
        probe.mistake("A false name.", "A false advice.", answer)
        Turn.draws.cache_clear()
        verdict = try_out(turn, _named(turn.name, answer))
        assert (verdict.sentence, verdict.advice) == (sentence, UNKNOWN)


def _named(name, function):
    function.__name__ = name
    return function


def test_two_mistakes_that_explain_as_much_are_not_named():
    turn = Turn("99.y", "", lambda x: x + 1)
    probe = turn.probe("x", lambda rng: [(torch.tensor([1.0, 2.0, n]),) for n in (3.0, 4.0, 5.0)])
    probe.mistake("Two.", "Two?", lambda x: x + (2 if x[2] < 4.5 else 7))
    probe.mistake("Also two.", "Two?", lambda x: x + (2 if x[2] < 4.5 else 8))
    verdict = try_out(turn, _named(turn.name, lambda x: x + (2 if x[2] < 4.5 else 9)))
    assert "wo." not in verdict.sentence
    probe.mistakes.pop()
    Turn.draws.cache_clear()
    assert "Two." in try_out(turn, _named(turn.name, lambda x: x + (2 if x[2] < 4.5 else 9))).sentence


def test_a_mistake_is_named_if_it_explains_every_draw():
    turn = Turn("99.z", "", lambda n: 2 * n)
    turn.probe("n", lambda rng: [(rng.randint(3, 99),)]).mistake("Squared.", "Twice is a sum.", lambda n: n**2)
    first = turn.draws(0)[0][0][0][0]
    verdict = try_out(turn, _named(turn.name, lambda n: n**2 if n == first else 0))
    assert verdict.sentence == f"The result has {first**2} in place of {2 * first}."
    assert try_out(turn, _named(turn.name, lambda n: n**2)).sentence == "Squared."


@pytest.mark.parametrize(
    ("line", "is_slow"),
    [("torch.func.vjp(f, x)", True), ("torch.optim.SGD([w], 1)", True), ("torch.nn.functional.softmax(x, -1)", False)],
)
def test_what_imports_torchs_compiler_at_first_use_is_known(line, is_slow):
    assert bool(FIRST_USE.search(line)) == is_slow


def test_a_product_of_the_arguments_as_they_came_is_torchs():
    """`@` is no call, so its use is read from the source; a product per head, in a loop, is written by hand."""

    def batched_product(a, b):
        product = a @ b
        return product

    def by_head(a, b):
        return torch.stack([x @ y for x, y in zip(a, b, strict=True)])

    turn = find("00a.batched_product")
    assert try_out(turn, batched_product, source_of(batched_product)).ready_made == "torch.matmul"
    assert try_out(turn, _named(turn.name, by_head), source_of(by_head)).ready_made == ""


def test_gradients_are_those_by_hand():
    """The squared sum of 3x has the gradient 18x."""
    found = gradients(lambda sizes, weights: weights["w"] * sizes[0])((3,), {"w": torch.tensor([2.0])})
    assert found.keys() == {(1, "w")}
    assert found[1, "w"].tolist() == [36.0]
    assert gradients(lambda x: x.detach())(torch.ones(2)) == {(0,): None}


def test_what_nothing_is_learned_through_may_leave_torch():
    """Rewards are numbers that a program computed; their gradient is nobody's."""
    found = gradients(lambda x, weight: x * float(weight.numpy()), constants=[1])(torch.ones(1), torch.tensor(3.0))
    assert found == {(0,): torch.tensor([18.0])}


def test_swapped_arguments_are_told():
    def verifier(result, answer):
        return 1.0

    expected = "verifier takes (answer, result), in this order; yours takes (result, answer)."
    assert try_out(find("11a.verifier"), verifier).sentence == expected


def test_the_fingerprint_changes_with_the_source_only():
    turn = find("04.attention")
    assert turn.fingerprint("a") == turn.fingerprint("a") != turn.fingerprint("b")
    assert re.fullmatch("[0-9a-f]{12}", turn.fingerprint("a"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: 5, "asks for a function, `attention`; yours is of type int"),
        (lambda: type("attention", (), {}), "asks for a function, `attention`; yours is of type type"),
        (lambda: lambda query, key, value, visible: query, "yours is called `<lambda>`. Rename it."),
    ],
)
def test_another_kind_of_thing_is_answered(make, sentence):
    assert sentence in try_out(find("04.attention"), make()).sentence


def test_a_class_that_is_no_module_is_answered():
    verdict = try_out(find("04.heads"), type("MultiHead", (), {}), "class MultiHead:\n    def forward(self): return 1")
    assert verdict.sentence == "`MultiHead` must be a subclass of `nn.Module`."


def test_a_trial_leaves_random_numbers_and_inputs_alone():
    import random

    def attention(query, key, value, visible):
        torch.manual_seed(7)
        random.seed(7)
        query += torch.rand(())
        return query

    torch.manual_seed(1), random.seed(1)
    expected = torch.rand(3), random.random()
    torch.manual_seed(1), random.seed(1)
    turn = find("04.attention")
    before = plain(turn.calls(0))
    assert "changed the input" in try_out(turn, attention, source_of(attention)).sentence
    assert difference(before, turn.calls(0)) is None
    assert torch.equal(torch.rand(3), expected[0])
    assert random.random() == expected[1]


def test_a_mistake_in_some_cases_is_named_as_that():
    """No scale only where there are more keys than queries: no known mistake does that everywhere."""

    def attention(query, key, value, visible):
        scale = query.shape[1] ** -0.5 if len(key) <= len(query) else 1.0
        scores = query @ key.T * scale
        return scores.masked_fill(~visible, -torch.inf).softmax(-1) @ value

    verdict = try_out(find("04.attention"), attention)
    assert verdict.sentence == "In some cases, this is what happens: The scores are not divided by sqrt(D)."


def test_a_mistake_in_some_cases_is_shown_in_a_case_that_has_it():
    """In the smallest case, with three keys, something else is wrong."""

    def attention(query, key, value, visible):
        scale = 1.0 if len(key) > 3 else None
        return F.scaled_dot_product_attention(query, key, value, visible, scale=scale) + (len(key) == 3)

    turn = find("04.attention")
    verdict = try_out(turn, attention)
    assert verdict.sentence == "In some cases, this is what happens: The scores are not divided by sqrt(D)."
    assert verdict.case["visible"].count("\n") + 1 == 3
    assert verdict.case["visible"].splitlines()[0].count("True") == 5


def test_a_leak_is_shown_in_the_case_that_leaks():
    """With two keys, the result is too large; with five, each query also reads the last value, though hidden."""

    def attention(query, key, value, visible):
        out = F.scaled_dot_product_attention(query, key, value, visible)
        if visible.all():
            return out
        return out * 1.5 if len(key) == 2 else out + value[-1] if len(key) == 5 else out

    verdict = try_out(find("04.attention"), attention)
    assert verdict.sentence == "Query 0 reads from key 4, which is hidden from it."
    assert verdict.case["visible"] == "a tensor (5, 5)"


def test_the_case_that_is_shown_is_the_one_that_is_wrong():
    def causal_mask(T):
        print("T is", T)
        mask = torch.ones(T, T).tril().bool()
        return mask if T < 3 else mask.T

    verdict = try_out(find("04.causal_mask"), causal_mask)
    rows = "[[ True, False, False],\n [ True,  True, False],\n [ True,  True,  True]]"
    assert verdict.case["T"] == "3"
    assert verdict.case["expected"] == rows
    assert verdict.case["got"] == "[[ True,  True,  True],\n [False,  True,  True],\n [False, False,  True]]"
    assert verdict.printed == "T is 3\n"


def test_what_fails_on_a_long_input_only_is_told_so():
    def next_token(logits, temperature):
        if len(logits) > 100:
            raise ValueError("too many scores")
        return find("00.next_token").course(logits, temperature)

    verdict = try_out(find("00.next_token"), next_token)
    assert verdict.state == "not right yet"
    assert verdict.sentence.startswith("With a long input, `next_token` raised ValueError: too many scores")


@pytest.mark.parametrize(
    ("function", "per_item"),
    [
        (lambda items: [max(item, 3) for item in items], 20),
        (lambda items: [sum(1 for _ in (1, 2)) for _ in items], 20),
        (lambda items: [sum(items, 0) for _ in items], 100),
        (lambda items: [sum(map(float, items)) for _ in items], 100),
        (lambda items: [items.count(item) for item in items], 100),
        (lambda items: [sorted(items)[0] for _ in items], 100),
    ],
)
def test_what_goes_through_a_list_counts_by_its_length(function, per_item):
    taken = steps(function, ([1.0] * 100,), 100) / 100
    assert 5 < taken <= 20 if per_item == 20 else 100 < taken < 130
    assert sum.__name__ == "sum"  # as it was


def test_a_mistake_that_would_have_spoilt_right_results_is_not_named():
    """Two results of three agree with it, and two others would be wrong by it."""
    turn = Turn("99.z", "", lambda ids: [*ids, 0])
    probe = turn.probe("x", lambda rng: [([n] * 9,) for n in range(1, 6)])
    probe.mistake("Nothing is added.", "Add 0.", lambda ids: list(ids))
    wrong = {1: [1] * 9, 2: [2] * 9, 3: [3] * 8}
    verdict = try_out(turn, _named(turn.name, lambda ids: wrong.get(ids[0], [*ids, 0])))
    assert "Nothing is added" not in verdict.sentence
    verdict = try_out(turn, _named(turn.name, lambda ids: (wrong | {4: [4] * 9}).get(ids[0], [*ids, 0])))
    assert "In some cases, this is what happens: Nothing is added." in verdict.sentence
