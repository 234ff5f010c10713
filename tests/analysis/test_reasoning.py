"""What a chat model does with problems that can be verified; its answers are given here, not generated."""

import pytest
import torch
from helpers import small_config
from posttraining.chats import TOKENIZER

from minillm.analysis import reasoning
from minillm.analysis.alignment import Answer
from minillm.analysis.reasoning import (
    attempt,
    complete,
    conclusion,
    correct,
    likeliest,
    many_answers,
    pass_at,
    self_consistency,
    solve,
    sound,
    vote_at,
)
from minillm.data.chat import encode_chat
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.rollout import Rollout
from minillm.world.instructions import Instructions

CHAINS = Instructions(0, families={"chain": 1}).instructions(3)
SUMS = Instructions(0, families={"sum": 1}).instructions(1)
ASKED = [*CHAINS, *SUMS]
KINDS = [Instructions(0, families={family: 1}).instruction(1) for family in ("chain", "swaps", "sum")]


def model():
    return Transformer(small_config(vocab_size=TOKENIZER.vocab_size, max_seq_len=256))


def say(monkeypatch, *answers):
    monkeypatch.setattr(reasoning, "answer", lambda *arguments, **settings: list(answers))


def test_accuracy_steps_and_length_by_hand(monkeypatch):
    say(
        monkeypatch,
        Answer(CHAINS[0].worked, (1, 2, 3, 4), True),
        Answer(CHAINS[1].mistakes[0], (1, 2), True),
        Answer(CHAINS[2].reply, (1, 2), False),  # cut off: wrong
        Answer(SUMS[0].reply, (1, 2), True),
    )
    solved = solve(model(), TOKENIZER, ASKED)
    assert (solved.n, solved.accuracy, solved.worked, solved.tokens) == (4, 0.5, 0.25, 2.5)
    assert (solved.accuracy_worked, solved.accuracy_direct) == (1.0, 1 / 3)
    assert solved.families == {"chain": 1 / 3, "sum": 1.0}


def test_what_nobody_did_has_no_accuracy(monkeypatch):
    say(monkeypatch, *[Answer(task.reply, (1,), True) for task in ASKED])
    assert solve(model(), TOKENIZER, ASKED).accuracy_worked is None
    with pytest.raises(ValueError, match="there are no problems to solve"):
        solve(model(), TOKENIZER, [])


def test_correct_asks_the_problems_own_checker(monkeypatch):
    said = [CHAINS[0].worked, CHAINS[1].mistakes[0], CHAINS[2].reply]
    asked = []
    monkeypatch.setattr(reasoning, "complete", lambda *arguments: asked.append(arguments[3:]) or said)
    assert correct(model(), TOKENIZER, CHAINS) == [True, False, True]
    assert correct(model(), TOKENIZER, CHAINS, ["6 -"] * 3, 12) == [True, False, True]
    assert asked == [(["", "", ""], reasoning.LONGEST), (["6 -"] * 3, 12)]


def test_attempts_are_paid_by_the_verifier_and_judged_by_the_problem(monkeypatch):
    """The verifier pays for any 1; the first answer is right, the second is cut off, the others are wrong."""
    said = [CHAINS[0].worked, CHAINS[0].worked, "It is 1.", "It is 2."]

    def roll_out(model, prompts, max_new_tokens, stop, seed):
        ids = [TOKENIZER.encode(text) for text in said]
        return Rollout.from_answers(
            prompts, [row if index == 1 else [*row, TOKENIZER.end_id] for index, row in enumerate(ids)]
        )

    monkeypatch.setattr(reasoning, "roll_out", roll_out)
    made = attempt(model(), TOKENIZER, CHAINS[:2], lambda text, result: "1" in text, n=2)
    assert made.texts == [CHAINS[0].worked, "", "It is 1.", "It is 2."]
    assert made.paid.tolist() == [float("1" in text) for text in made.texts]
    assert (made.right, made.steps) == (0.25, 0.25)
    assert made.tokens == made.rollout.mask.sum().item() / 4


def test_the_likeliest_beginning_has_the_highest_probability():
    """Oracle: the whole text through the model, one beginning at a time."""
    chat = model()
    choices = [["6 -", "7 +", "12 -"], ["9"], ["5 -", "5 +"]]

    def log_probability(problem, text):
        prompt, ids = encode_chat(TOKENIZER, problem.messages[:-1]), TOKENIZER.encode(text)
        with torch.no_grad():
            logits = chat(torch.tensor([prompt + ids]))[0]
        rows = logits.log_softmax(-1)[len(prompt) - 1 : -1]
        return rows.gather(1, torch.tensor(ids)[:, None]).sum().item()

    expected = [
        max(texts, key=lambda text, problem=problem: log_probability(problem, text))
        for problem, texts in zip(CHAINS, choices, strict=True)
    ]
    assert likeliest(chat, TOKENIZER, CHAINS, choices) == expected
    with pytest.raises(UserError, match="3 problems and 1 lists of beginnings"):
        likeliest(chat, TOKENIZER, CHAINS, [["6 -"]])


def test_many_answers_are_in_order_and_empty_where_cut_off(monkeypatch):
    def draw(model, prompts, n, max_new_tokens, stop, seed):
        said = [TOKENIZER.encode(f"{p}{a}") for p in range(len(prompts)) for a in range(n)]
        return [[*ids, TOKENIZER.end_id] if number else ids for number, ids in enumerate(said)]

    monkeypatch.setattr(reasoning, "draw", draw)
    assert many_answers(model(), TOKENIZER, CHAINS, 2) == [["", "01"], ["10", "11"], ["20", "21"]]


def test_a_vote_may_win_what_no_single_answer_can_rely_on():
    """Two of four are right, the wrong ones differ: each answer is right half of the time, the vote always."""
    task = CHAINS[0]
    texts = [[task.reply, task.mistakes[0], task.worked, task.mistakes[1]]]
    assert pass_at([task], texts, [1, 2, 4]) == pytest.approx({1: 0.5, 2: 5 / 6, 4: 1.0})
    assert vote_at([task], texts, [1, 4]) == {1: 0.5, 4: 1.0}


def test_a_given_beginning_is_kept_and_gone_on_with_greedily():
    network = model().eval()
    beginnings = ["The number is", "18 +", ""]
    texts = complete(network, TOKENIZER, CHAINS, beginnings, max_new_tokens=3)
    for task, beginning, text in zip(CHAINS, beginnings, texts, strict=True):
        ids = encode_chat(TOKENIZER, task.messages[:-1]) + TOKENIZER.encode(beginning)
        for _ in range(3):
            ids.append(network(torch.tensor([ids]))[0, -1].argmax().item())
            if ids[-1] == TOKENIZER.end_id:
                ids.pop()
                break
        prompt = encode_chat(TOKENIZER, task.messages[:-1])
        assert text == beginning + TOKENIZER.decode(ids[len(prompt) + len(TOKENIZER.encode(beginning)) :])
    with pytest.raises(ValueError, match="3 problems and 1 beginnings; give one beginning per problem"):
        complete(network, TOKENIZER, CHAINS, ["It is"])


def test_only_right_steps_are_sound():
    task = CHAINS[0]
    assert sound(task, task.worked)
    assert sound(task, f"With pleasure. {task.worked}")
    assert not any(sound(task, text) for text in (task.reply, *task.mistakes, "", task.worked[:-1]))
    texts = [[task.reply, task.worked, task.mistakes[0]]]
    assert pass_at([task], texts, [1], sound) == pytest.approx({1: 1 / 3})
    assert pass_at([task], texts, [1]) == pytest.approx({1: 2 / 3})


@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.family)
def test_all_wordings_of_a_result_are_one_conclusion(task):
    assert len({conclusion(task, text) for text in (task.answer, task.reply, task.worked)}) == 1
    assert conclusion(task, task.reply) not in {conclusion(task, wrong) for wrong in task.mistakes}


def test_self_consistency_votes_in_groups_that_do_not_overlap():
    """Five answers, right (r) or wrong (w, v): rrwwv. Votes of 2: rr, ww. Votes of 5: a tie of r and w, r first."""
    task = Instructions(0, families={"chain": 1}).instruction(0)
    right, (wrong, other) = task.reply, task.mistakes[:2]
    texts = [right, right, wrong, wrong, other]
    assert [self_consistency(task, texts, k) for k in (1, 2, 5)] == [0.4, 0.5, 1.0]
    for k in (0, 6):
        with pytest.raises(ValueError, match=f"k is {k} for 5 answers"):
            self_consistency(task, texts, k)
