"""Verifiable rewards, and what sampling more answers brings."""

import itertools
from fractions import Fraction

import pytest
from posttraining.chats import TOKENIZER

from minillm.course.recipes.reasoning import checks_of
from minillm.posttraining.verifiers import (
    Verifier,
    majority_vote,
    pass_at_k,
)
from minillm.world.instructions import Instructions

TASKS = [Instructions(0, families={family: 1}).instruction(1) for family in ("chain", "swaps", "sum")]


def ids(text):
    return [*TOKENIZER.encode(text), TOKENIZER.end_id]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.family)
def test_the_reward_is_that_of_the_checker(task):
    verifier = Verifier(TOKENIZER, checks_of(TASKS))
    texts = [task.answer, task.reply, task.worked, *task.mistakes, "", "Gladly."]
    prompt = next(prompt for prompt in verifier.prompts if verifier.prompt(prompt) == task.messages[:-1])
    rewards = verifier([prompt] * len(texts), [ids(text) for text in texts])
    assert rewards.tolist() == [float(task.check(text)) for text in texts]
    assert rewards[:3].tolist() == [1.0, 1.0, 1.0]
    assert rewards[3:].sum() == 0


def test_each_prompt_is_checked_by_its_own_instruction():
    verifier = Verifier(TOKENIZER, checks_of(TASKS))
    others = [*TASKS[1:], TASKS[0]]
    assert verifier(verifier.prompts, [ids(task.reply) for task in TASKS]).tolist() == [1.0, 1.0, 1.0]
    assert verifier(verifier.prompts, [ids(task.reply) for task in others]).tolist() == [0.0, 0.0, 0.0]


def test_an_answer_that_was_cut_off_is_wrong():
    """Else a model could stop in the middle of its steps, at a number that happens to be right."""
    verifier = Verifier(TOKENIZER, checks_of(TASKS[:1]))
    assert verifier(verifier.prompts, [ids(TASKS[0].reply)[:-1]]).tolist() == [0.0]


def test_a_check_may_give_any_number_to_any_prompt():
    conversation = [{"role": "user", "content": "How many?"}]
    verifier = Verifier(TOKENIZER, [("As long as ", len), (conversation, lambda answer: answer.count("a"))])
    assert [verifier.prompt(prompt) for prompt in verifier.prompts] == ["As long as ", conversation]
    assert verifier.prompts[0] == TOKENIZER.encode("As long as ")
    assert verifier(verifier.prompts, [ids("a banana")] * 2).tolist() == [8.0, 4.0]


def test_a_verifier_refuses_what_it_cannot_check():
    with pytest.raises(ValueError, match="there are no prompts"):
        Verifier(TOKENIZER, [])
    verifier = Verifier(TOKENIZER, checks_of(TASKS))
    with pytest.raises(ValueError, match="the prompt 'a b' is unknown; give all that are asked"):
        verifier([TOKENIZER.encode("a b")], [ids("12.")])
    with pytest.raises(ValueError, match="1 prompts and 2 answers"):
        verifier(verifier.prompts[:1], [ids("12.")] * 2)


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer(n):
    for c in range(n + 1):
        for k in range(1, n + 1):
            subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


def test_pass_at_k_is_unbiased():
    """Over all outcomes of 6 answers, each right with probability 1/4, the mean is 1 - (3/4)^k."""
    p = Fraction(1, 4)
    for k in (1, 3, 6):
        outcomes = itertools.product([True, False], repeat=6)
        mean = sum(p ** sum(o) * (1 - p) ** (6 - sum(o)) * Fraction(pass_at_k(6, sum(o), k)) for o in outcomes)
        assert float(mean) == pytest.approx(1 - 0.75**k)


def test_pass_at_k_does_not_overflow():
    """C(100000, 5000) has some 8,600 digits, too many for a float."""
    assert pass_at_k(100_000, 20, 5_000) == pytest.approx(1 - 0.95**20, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((4, 5, 1), "5 of 4 answers are right; that must lie between 0 and 4"),
        ((4, -1, 1), "-1 of 4 answers are right"),
        ((4, 2, 5), "k is 5 for 4 answers; it must lie between 1 and 4: sample more"),
        ((4, 2, 0), "k is 0 for 4 answers"),
    ],
)
def test_pass_at_k_refuses_impossible_counts(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        pass_at_k(*arguments)


@pytest.mark.parametrize(
    ("conclusions", "winner"),
    [
        (["a", "b", "b"], 1),
        (["a", "b", "b", "a"], 0),  # of equals the first
        (["", "b", ""], 1),  # empty ones abstain
        (["", ""], 0),
    ],
)
def test_a_majority_wins(conclusions, winner):
    assert majority_vote(conclusions) == winner


def test_a_vote_of_nobody_is_refused():
    with pytest.raises(ValueError, match="there are no answers to vote on"):
        majority_vote([])
