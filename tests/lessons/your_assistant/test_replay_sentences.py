"""What exercise 14.2 says of two tables, by what is kept and learned; nothing is trained, since both are given here."""

from types import SimpleNamespace

import pytest
import torch

from minillm.course.checks.your_assistant import replay
from minillm.course.checks.your_assistant.replay import BALANCE, FOLLOW, LIMITS, REHEARSE, SOME, explain, fault, least

OLD = 100.0  # a number in all cells of the old weights; new ones have 2 and 3
ENOUGH = (0.9, 0.9)  # kept and learned: right in both tasks


def calls(n_old=400):
    return [(torch.full((22, 6), OLD), torch.zeros(n_old, 22), None, None, keep) for keep in LIMITS]


def tables():
    return [torch.full((22, 6), number) for number in (2.0, 3.0)]


@pytest.fixture
def told(monkeypatch):
    """What is said, for the shares that two tables keep and learn on fresh prompts, and on those that were given."""

    def say(measured, given=((0.5, 0.5),) * 2, moved=(0.0, 0.0), got=None):
        monkeypatch.setattr(
            replay, "shares", lambda call, weights: moved if weights[0, 0] >= OLD else measured[LIMITS.index(call[4])]
        )
        monkeypatch.setattr(
            replay, "given", lambda call, weights: (1.0, 0.1) if weights[0, 0] == OLD else given[LIMITS.index(call[4])]
        )
        monkeypatch.setattr(replay, "task", lambda weights: SimpleNamespace(alone=(0.3, 1.0)))
        return explain(calls(), [], tables() if got is None else got, SOME)

    return say


@pytest.mark.parametrize(("n_old", "forgiven"), [(400, 0.04), (100, 0.06)])
@pytest.mark.parametrize("number", range(2))
def test_what_is_forgiven(monkeypatch, n_old, forgiven, number):
    call, table = calls(n_old)[number], tables()[0]
    assert least(call) == pytest.approx(LIMITS[number] - forgiven)
    for kept, learned, passes in (
        (least(call), SOME, True),
        (least(call) - 1e-6, 1.0, False),
        (1.0, SOME - 1e-6, False),
    ):
        monkeypatch.setattr(replay, "shares", lambda *_, found=(kept, learned): found)
        assert (fault(call, table, SOME) is None) == passes


@pytest.mark.parametrize(
    ("measured", "sentence", "hint", "index"),
    [
        (((0.45, 0.9), ENOUGH), "Too much is forgotten", REHEARSE, 0),
        (((0.50, 0.9), ENOUGH), "Too much is forgotten", FOLLOW, 0),
        (((0.65, 0.9), (0.5, 0.9)), "Too much is forgotten", REHEARSE, 1),
        (((0.80, 0.5), ENOUGH), "It keeps 80% where 65% are asked for, and 90% where 85% are asked for.", FOLLOW, 0),
        (((0.72, 0.9), (0.75, 0.9)), "It keeps 72% where 65% are asked for, and 75% where 85%", FOLLOW, 1),
        (((0.72, 0.9), (0.95, 0.5)), "Too little is learned: it keeps 95%, and 85% would do.", BALANCE, 1),
        (((0.80, 0.5), (0.95, 0.5)), "Too little is learned: it keeps 80%, and 65% would do.", BALANCE, 0),
        (((0.66, 0.5), ENOUGH), "It keeps just enough (66%) and gets 50%", "An early stop", 0),
        (((0.65, 0.9), (0.90, 0.5)), "It keeps just enough (90%) and gets 50%", "An early stop", 1),
    ],
)
def test_what_is_kept_and_learned_has_a_sentence_and_a_hint(told, measured, sentence, hint, index):
    found = told(measured)
    assert found[0].startswith(sentence)
    assert found[1].startswith(hint)
    assert found[2] == index


def test_prompts_that_were_rehearsed_and_labels_come_first(told):
    sentence, hint, _ = told(((0.55, 0.9), ENOUGH), given=((0.66, 0.5),) * 2)
    assert sentence.startswith("On the prompts that it rehearsed, it keeps 66% of the answers, on fresh ones only 55%")
    assert hint.startswith("Rehearse some of the prompts")
    sentence, hint, _ = told(((0.55, 0.9), ENOUGH), given=((0.66, 0.05),) * 2)
    assert sentence == "Of the orders that were given, 5% are right, and 10% were before training."
    assert hint.startswith("Subtract the gradient")


def test_the_form_is_named_only_if_all_tables_have_it(told):
    wrong = ((0.3, 0.5), (0.3, 0.5))
    old, (first, second) = torch.full((22, 6), OLD), tables()
    assert told(wrong, got=[first, second.T])[::2] == ("The table is transposed.", 1)
    assert told(wrong, got=[old, old])[0].startswith("These are the old weights")
    assert "old weights" not in told(wrong, got=[old, second])[0]
    assert told(wrong, got=[torch.full((22, 6), 1 / 6)] * 2)[0].startswith("These are probabilities")
    rows = torch.tensor([2.0, -1, 0, 0, 0, 0]).repeat(22, 1)  # sum to 1
    assert "probabilities" not in told(wrong, got=[rows, rows])[0]


def test_a_difference_is_named_only_if_nearly_all_is_lost_in_both_tasks(told):
    def is_difference(first, second, moved=ENOUGH):
        return told(((first, 0.5), (second, 0.5)), moved=moved)[0].startswith("The difference from the old weights")

    assert is_difference(0.35, 0.35)
    assert not is_difference(0.35, 0.45)
    assert not is_difference(0.45, 0.45)
    assert not is_difference(0.35, 0.35, moved=(0.9, 0.5))
