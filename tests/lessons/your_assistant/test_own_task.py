"""Lesson 14's own task: generators, the frozen exam, rivals, rows, the card, and the shop's facts."""

import json
import math
import random
import re

import pytest
import torch
from benchmark_scripts import benchmark_script

from minillm.analysis.alignment import win_rate
from minillm.course import own_task
from minillm.course.checks.your_assistant.signs import cluster_test
from minillm.course.own_task import answering, cards, facts, tasks, teaching, ways
from minillm.course.turns.your_assistant import few_shot, paired_test, score, wilson
from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
from minillm.errors import UserError
from minillm.losses import IGNORE
from minillm.tokenizer import Tokenizer

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
    with pytest.raises(UserError, match="'guessed' names none of the runs; choose among untrained; "):
        ways.answers("guessed")


def test_the_look_up_with_less_help_never_finds_fewer_than_the_model_told():
    family, told = "in other words", ways.marks("told")["in other words"]
    found = [ways.helped(*help)[family] for help in ways.HELP]
    assert found[0] == ways.marks("look-up")[family]
    assert (max(map(sum, found)), min(map(sum, found)), sum(told)) == (14, 8, 4)
    assert sum(found[-1]) == 8
    assert ways.against(told, found[-1], paired_test) == "too close to call"
    assert ways.against(told, found[0], paired_test) == "clearly more"
    assert ways.against(found[0], told, paired_test) == "clearly fewer"
    assert len([*ways.look_ups(family, wilson, paired_test)]) == 8
    facts_of = [question for question in range(12) for _ in range(2)]
    assert cluster_test(told, found[0], facts_of) == pytest.approx(0.039, abs=0.0005)
    assert paired_test(told, found[0]) == pytest.approx(0.0063, abs=0.00005)


def fisher(hits, n, others, m):
    """The two-sided p of Fisher's exact test: all tables with the same margins that are at most as probable."""
    tables = {k: math.comb(n, k) * math.comb(m, hits + others - k) for k in range(min(n, hits + others) + 1)}
    return sum(ways for ways in tables.values() if ways <= tables[hits]) / sum(tables.values())


def test_what_the_lab_says_of_training_is_in_the_stored_answers():
    found = {run: ways.marks(run) for runs in ways.kinds().values() for run in runs}
    other, general = "in other words", "general"
    for way, family, counts in (
        ("by heart", other, [5, 3, 2]),
        ("by heart", "backwards", [0, 0, 0]),
        ("by heart", general, [5, 5, 4]),
        ("untrained", general, [9]),
        ("reader", other, [13, 4, 5]),
    ):
        assert [sum(found[run][family]) for run in ways.kinds()[way]] == counts
    for run in ways.kinds()["by heart"]:
        assert ways.against(found["look-up"][other], found[run][other], paired_test) == "clearly fewer"
        assert ways.against(found["untrained"][general], found[run][general], paired_test) == "too close to call"
        groups = ways.refused(ways.answers(run))
        unknown, reworded = groups["unknown"], groups[other]
        assert fisher(sum(unknown), len(unknown), sum(reworded), len(reworded)) > 0.68
    ahead, *rest = (found[run][other] for run in ways.kinds()["reader"])
    assert [ways.against(ahead, behind, paired_test) for behind in rest] == ["clearly fewer"] * 2


def test_what_a_learner_types_is_told_if_it_cannot_be_read():
    assert ways.listed("Who?") == ["Who?"]
    for wrong in ([7], [None]):
        with pytest.raises(UserError, match="isn't a text; write each question in quotes"):
            ways.listed(wrong)
    with pytest.raises(UserError, match="the message is a list, not a text"):
        ways.say("Who?", ["We open at nine."])
    with pytest.raises(UserError, match="'in other word' names no family of questions; choose among manner; "):
        ways.hits("in other word")
    for run in (["told"], "reader"):
        with pytest.raises(UserError, match="names none of the runs; choose among untrained; look-up; "):
            ways.answers(run)
    with pytest.raises(UserError, match="names none of the runs"):
        ways.ahead("general", paired_test, of="guessed")
    for shop in ([("A?", "B.")], ["Who?", "Ann.", "Bob."], ("Who?", "Ann.", "Bob."), [("How old?", 7, 8)]):
        with pytest.raises(UserError, match="isn't a fact; write "):
            ways.messages(shop)
    with pytest.raises(UserError, match="the shop has no facts"):
        ways.messages([])


def test_a_prompt_longer_than_the_context_is_refused(monkeypatch, small_model):
    tokenizer = chat_tokenizer(Tokenizer.train(["user assistant"], 270, special_tokens=SPECIAL_TOKENS))
    monkeypatch.setattr(answering, "untrained", lambda: (None, tokenizer))
    with pytest.raises(UserError, match=rf"tokens, and the model reads {small_model.config.max_seq_len} at most"):
        own_task.ask(small_model, ["word " * small_model.config.max_seq_len])


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
