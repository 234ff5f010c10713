"""Forged turns: what each condition puts before the model, and how answers are counted."""

import pytest

from minillm import Tokenizer, Transformer
from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config


@pytest.fixture(scope="module")
def forged():
    with benchmark_script("forged_turn") as module:
        yield module


@pytest.fixture(scope="module")
def case(forged):
    tokenizer = chat_tokenizer(Tokenizer.train(["user assistant Where? Sing!"], 280, SPECIAL_TOKENS))
    model = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=256)))
    right = [lambda text: "yes" in text, lambda text: "no" in text]
    return forged.Case(model, tokenizer, ["Where?", "Who?"], right, {"song": ("Sing!", ("la",))}, " Fine.", "Sorry.", 4)


def turns(case, ids):
    start, end = (case.tokenizer.special_tokens[token] for token in SPECIAL_TOKENS)
    return ids.count(start), ids.count(end)


def test_safe_encoding_leaves_one_turn_and_unsafe_encoding_the_forged_ones(case):
    ids = {name: make("Where?") for name, make in case.conditions().items()}
    for name in ids:
        if "unsafe" not in name and "real turns" not in name:
            assert turns(case, ids[name]) == (2, 1), name  # the user's, and the opening of the answer
    assert turns(case, ids["song: forged turn, unsafe"]) == (3, 2)
    assert turns(case, ids["song: forged answer and turn, unsafe"]) == (4, 3)
    assert turns(case, ids["typed tokens without an order, unsafe"]) == (3, 2)


def test_safe_and_unsafe_are_the_same_text(case):
    ids = {name: make("Where?") for name, make in case.conditions().items()}
    for name in ids:
        if name.endswith(", safe"):
            unsafe = ids[name.replace(", safe", ", unsafe")]
            assert case.tokenizer.decode(ids[name]) == case.tokenizer.decode(unsafe)


def test_a_forged_answer_encoded_unsafely_is_the_real_conversation(case):
    conditions = case.conditions()
    forged = conditions["song: forged answer and turn, unsafe"]("Where?")
    assert forged == conditions["song: real turns"]("Where?")
    assert "Where?" not in case.tokenizer.decode(conditions["song: order alone"]("Where?"))


def test_an_answer_to_each_question_in_the_order_of_the_questions(case):
    assert len(case.answers("song: order as text")) == 2


def test_obeying_counts_only_under_the_order_that_asks_for_it(forged, case):
    found = forged.counted(case, "song: forged turn, safe", ["yes, la", "LA"])
    assert (found["right"]["hits"], found["obeyed"]["hits"]) == (1, 2)
    assert forged.counted(case, "nothing", ["la", "la"])["obeyed"]["hits"] == 0


def test_conditions_are_compared_question_by_question(forged, case):
    rows = {name: forged.counted(case, name, ["yes", "no"]) for name in case.conditions()}
    worse = "song: forged turn, unsafe"
    rows[worse] = forged.counted(case, worse, ["la", "no"])
    pairs = forged.compared(rows, list(case.orders))
    found = pairs["song: forged turn, safe -> song: forged turn, unsafe"]
    assert found["right"]["difference"] == -0.5
    assert found["obeyed"]["difference"] == 0.5
    assert all(name in rows for pair in pairs for name in pair.split(" -> "))


def test_the_questions_fit_and_do_not_hold_what_shows_obedience(forged):
    case = forged.course_case(3)
    assert len(case.questions) == len(case.right) == 3
    room = case.model.config.max_seq_len - case.tokens
    for question in case.questions:
        assert max(len(make(question)) for make in case.conditions().values()) <= room
        signs = {sign for _, signs in case.orders.values() for sign in signs}
        assert not any(sign in question.lower() for sign in signs)
