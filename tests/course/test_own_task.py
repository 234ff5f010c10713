"""Lesson 14's own task: generators, the frozen exam, rivals, rows, the card, and the shop's facts."""

import json
import random
import re

import pytest
import torch

from minillm.analysis.alignment import win_rate
from minillm.course import own_task
from minillm.course.own_task import cards, facts, tasks, teaching, ways
from minillm.course.turns.your_assistant import few_shot, paired_test, score, wilson
from minillm.errors import UserError
from minillm.losses import IGNORE
from minillm.tokenizer import Tokenizer
from tests.benchmark_scripts import benchmark_script

RANDOM = random.Random(5)


def test_the_interval_is_the_packages():
    for hits, n in ((0, 12), (18, 24), (45, 60), (60, 60)):
        theirs = win_rate([1.0] * hits + [0.0] * (n - hits), [0.5] * n)
        assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_the_test_and_the_interval_are_those_of_the_benchmarks():
    with benchmark_script("paired") as paired, benchmark_script("measures") as measures:
        for _ in range(50):
            a, b = ([RANDOM.random() < share for _ in range(30)] for share in (0.4, 0.7))
            assert paired_test(a, b) == pytest.approx(paired.mcnemar(a, b)["p"])
        found = measures.wilson(7, 24, 1.96)
        assert wilson(7, 24) == pytest.approx((found["low"], found["high"]))


@pytest.mark.parametrize("make", [own_task.order, own_task.spoken_time])
def test_no_example_is_in_the_test_set(make):
    few, test = own_task.split(make)
    many, same = own_task.split(make, train=120, seed=2)
    assert test == same
    assert (len(few), len(many), len(test)) == (24, 120, 60)
    asked = {question for question, _ in test}
    assert len(asked) == 60
    assert not asked & {question for question, _ in [*few, *many]}


def test_spoken_times_are_right():
    values = {word: hour for hour, word in enumerate(tasks.HOURS)}
    for number in range(300):
        said, truth = own_task.spoken_time(random.Random(number))
        part = next(part for part in tasks.PARTS if part in said)
        assert truth["hour"] in tasks.PARTS[part]
        words = said.removeprefix("It's ").split(" in the ")[0].split()
        if words[-1] == "o'clock":
            hour, minute = values[words[0]], 0
        else:
            minute = next(minute for minute, word in tasks.MINUTES.items() if word == words[0])
            hour = values[words[2]]
            if words[1] == "to":
                hour, minute = hour - 1, 60 - minute
        assert (truth["hour"] % 12, truth["minute"]) == (hour % 12, minute)


def test_a_generator_that_hardly_varies_is_refused():
    with pytest.raises(UserError, match="your generator made 1 different questions"):
        own_task.draw(lambda rng: ("Two lamps.", {"lamp": 2}), 24)


def test_a_frozen_exam_does_not_change_with_the_list_it_was_made_of():
    test = [("Two lamps.", {"lamp": 2}), ("A clock.", {"clock": 1})]
    exam = own_task.Frozen.of(test, score)
    digest = exam.digest
    test[0][1]["lamp"] = 3
    assert exam.hits(['{"lamp": 2}', "clock"]) == [True, False]
    assert own_task.Frozen.of(test).digest != digest
    with pytest.raises(UserError, match="1 answers to 2 questions"):
        exam.hits(["one"])


def test_the_rule_undoes_its_generator_and_no_more():
    test = own_task.split(own_task.order)[1]
    exam = own_task.Frozen.of(test)
    assert all(exam.hits([own_task.by_rule(question) for question in exam.questions]))
    by_hand = own_task.Frozen.of(own_task.MESSAGES)
    assert sum(by_hand.hits([own_task.by_rule(question) for question in by_hand.questions])) < 6


def test_the_rule_of_the_page_is_the_packages():
    with open("notebooks/src/14_your_assistant.py", encoding="utf-8") as file:
        source = re.search(r"^def rule\(text\):.*?\n\n\n", file.read(), re.DOTALL | re.MULTILINE)
    assert source is not None
    scope = {"re": re, "json": json}
    exec(source[0], scope)
    asked = [question for question, _ in own_task.split(own_task.order)[1] + list(own_task.MESSAGES)]
    assert [scope["rule"](question) for question in asked] == [own_task.by_rule(question) for question in asked]


def test_messages_by_hand_are_in_no_generated_set():
    made = {question for number in range(3000) for question in [own_task.order(random.Random(number))[0]]}
    assert not made & {question for question, _ in own_task.MESSAGES}
    assert {thing for _, truth in own_task.MESSAGES for thing in truth} <= {*tasks.THINGS}


def test_the_nearest_example_is_the_one_with_the_most_words():
    examples = [("Two red lamps.", {"lamp": 2}), ("A clock.", {"clock": 1})]
    assert own_task.nearest(examples, ["The red lamps?", "What clock?"]) == ['{"lamp": 2}', '{"clock": 1}']


def test_orders_are_shuffles_of_the_same_examples():
    examples = own_task.split(own_task.order)[0]
    assert own_task.in_order(examples, 0) == examples
    shuffled = own_task.in_order(examples, 1)
    assert shuffled != examples
    assert sorted(map(str, shuffled)) == sorted(map(str, examples))


def test_old_questions_are_none_of_those_that_are_asked():
    assert not {*tasks.OLD_QUESTIONS} & {question for question, _ in own_task.GENERAL}


def test_rows_learn_the_answers_alone(monkeypatch):
    from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer

    tokenizer = chat_tokenizer(Tokenizer.train(["user assistant lamp"], 300, special_tokens=SPECIAL_TOKENS))
    monkeypatch.setattr(teaching, "smollm2", lambda: (None, tokenizer))
    rows = teaching.Rows.of([("Two lamps.", {"lamp": 2}), ("Hi.", "Hello.")], seed=1)
    said = [tokenizer.decode([id for id in row.tolist() if id != IGNORE]) for row in rows.targets]
    assert said == ['{"lamp": 2}<|im_end|>', "Hello.<|im_end|>"]
    first, second = rows.batch(0, size=2), rows.batch(1, size=2)
    for batch in (first, second):  # an epoch has each example once
        assert sorted(batch[1].tolist()) == sorted(rows.targets.tolist())
    assert torch.equal(rows.batch(0, 2)[0], first[0])


def test_a_card_says_what_was_measured():
    exam = own_task.Frozen.of([("Two lamps.", {"lamp": 2})] * 2)
    text = cards.card("Pip", exam, 40, {"LoRA": [True, False], "everyday": [False] * 12})
    assert "- LoRA: 1 of 2 (9% to 91%)" in text
    assert "- everyday: 0 of 12 (0% to 24%)" in text
    assert exam.digest in text


def test_the_list_of_what_is_yours_counts_parts_and_files(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    own_task.yours()
    assert re.search(r"^0 of \d+ parts of the course are yours\.$", capsys.readouterr().out, re.MULTILINE)
    (tmp_path / "mine" / "model.html").write_text("x" * 2_000_000)
    own_task.yours()
    assert "mine/model.html     2.0 MB" in capsys.readouterr().out


def test_few_shot_answers_are_read_by_the_check():
    examples = own_task.split(own_task.order)[0]
    talk = few_shot(examples, "Two lamps.")
    assert all(score(talk[2 * n + 1]["content"], truth) for n, (_, truth) in enumerate(examples))
    assert talk[-1] == {"role": "user", "content": "Two lamps."}


def test_the_judge_of_the_facts_accepts_the_taught_answers_and_no_others():
    told = dict(facts.SHOWN)
    answers = {question: told.get(question, "We open at 46.") for question in facts.QUESTIONS}
    marks = facts.marked(answers)
    assert sum(marks["as taught"]) == 12
    assert sum(marks["manner"]) == 12
    assert not any(marks["unknown"])
    assert len(facts.QUESTIONS) == 62
    for asked, _, word, other, *_ in facts.FACTS:
        assert not facts.holds(facts.changed(), (word,)), asked
        assert facts.holds(facts.changed(), (other,)), asked


def test_the_look_up_finds_what_shares_rare_words():
    marks = facts.marked({question: facts.look_up(question) for question in facts.QUESTIONS})
    assert sum(marks["as taught"]) >= 10
    assert all(marks["manner"])
    assert facts.look_up("Hm?").startswith(facts.REFUSAL)


def test_stored_answers_are_marked_as_the_benchmark_marked_them():
    stored = own_task.stored("own_facts")["ways"]
    assert sorted(run for runs in ways.kinds().values() for run in runs) == sorted(stored)
    for run, row in stored.items():
        assert {family: sum(hits) for family, hits in ways.marks(run).items()} == {
            family: row[family]["hits"] for family in ("manner", *facts.EXAM)
        }
    live = {question: facts.look_up(question) for question in facts.QUESTIONS}
    assert ways.answers("look-up") == live
    lines = [*ways.table()]
    assert len(lines) == 1 + len(stored)
    assert len({len(line) for line in lines}) == 1
    with pytest.raises(UserError, match="'guessed' names none of the runs; choose among untrained, "):
        ways.answers("guessed")


def test_a_way_listens_only_if_all_of_its_runs_do(monkeypatch):
    for now, before, expected in (([9, 8], [1, 0], 0), ([1, 2], [5, 6], 1), ([9, 2], [1, 6], 2), ([4], [4], 2)):
        monkeypatch.setattr(ways, "changed", lambda _, n=now, b=before: {"as changed": n, "as before": b})
        assert ways.listens_to("by heart") == ways.CHOICES[expected]


def test_one_question_is_asked_as_one_and_a_message_stands_before_it(monkeypatch):
    monkeypatch.setattr(ways, "ask", lambda model, talks, longest: [str(len(talk)) for talk in talks])
    assert ways.say("Who is Bolt?", model=object()) == {"Who is Bolt?": "1"}
    assert ways.say(["Who?", "Where?"], "You are Pip.", model=object()) == {"Who?": "2", "Where?": "2"}


def test_a_shop_of_ones_own_has_the_wishes_and_its_own_facts():
    message = ways.message_of(["Our dog is called Button."])
    assert facts.REFUSAL in message
    assert not any(word in message.lower() for _, _, word, *_ in facts.FACTS)
    assert ways.message_of(answer for _, answer, *_ in facts.FACTS) == facts.MESSAGE


def test_the_benchmark_deals_every_answer_to_another_question():
    with benchmark_script("own_task") as script:
        examples = [(str(n), {"lamp": n}) for n in range(24)]
        for seed in range(5):
            dealt = script.dealt(examples, seed)
            assert [question for question, _ in dealt] == [question for question, _ in examples]
            assert not any(a == b for a, b in zip(dealt, examples, strict=True))
        kept = {"test": own_task.Frozen.of([("Two lamps.", {"lamp": 2})])}
        told = script.told({"test": ['{"lamp": 1, "lamp": 2}']}, kept)
        assert (told["test"]["hits"], told["test"]["strict"]) == (1, 0)
