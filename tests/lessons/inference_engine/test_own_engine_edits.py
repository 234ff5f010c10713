"""Lesson 12's engine with a line changed: what each change does, against a model that was changed in that way."""

import math

import pytest
import torch
from helpers import six_headed

from minillm.course import own_engine, own_engine_edits
from minillm.course.own_engine_edits import EDITS, KEPT, shortened
from minillm.course.turns.inference_engine import cached_attention
from minillm.errors import UserError

PROMPT = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    model, tokenizer = six_headed()
    for module in (own_engine, own_engine_edits):
        monkeypatch.setattr(module, "smollm2", lambda: (model, tokenizer))
    return model


def pieces(start, new, total=16):
    """A cache that holds `start` positions, and the query, key and value of `new` more; all of them, too."""
    query, key, value = (torch.randn(3, start + new, 4) for _ in range(3))
    cache = {"keys": torch.zeros(3, total, 4), "values": torch.zeros(3, total, 4), "length": 0}
    if start:
        cached_attention(cache, query[:, :start], key[:, :start], value[:, :start])
    return cache, query, key, value


def plain(query, keys, values, visible=None):
    scores = query @ keys.mT / 2
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    return scores.softmax(-1) @ values


@pytest.mark.parametrize(("start", "new"), [(0, 5), (4, 3), (4, 1)])
def test_with_nothing_hidden_each_token_sees_all(start, new):
    cache, query, key, value = pieces(start, new)
    edited = own_engine_edits.mask_nothing(cached_attention)
    read = edited(cache, query[:, start:], key[:, start:], value[:, start:])
    torch.testing.assert_close(read, plain(query[:, start:], key, value))
    assert cache["length"] == start + new


def test_a_cache_that_never_grows_leaves_each_pass_alone_with_its_positions(tiny):
    cached = own_engine_edits.NeverGrows(tiny)
    first = cached([1, 2, 3])
    second = cached([4, 5])
    assert [cache["length"] for cache in cached.caches] == [0, 0]
    assert cached.positions(1).tolist() == [5]
    torch.testing.assert_close(first, tiny(torch.tensor([[1, 2, 3]]))[0], rtol=1e-4, atol=1e-4)
    alone = tiny(torch.tensor([[4, 5]]))[0]  # with rotations, positions that begin at 3 change nothing
    torch.testing.assert_close(second, alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_late_values_are_those_of_the_token_before(step):
    cache, query, key, value = pieces(0, 5)
    edited = own_engine_edits.late_values(cached_attention)
    parts = [slice(t, min(t + step, 5)) for t in range(0, 5, step)]
    read = torch.cat([edited(cache, query[:, each], key[:, each], value[:, each]) for each in parts], 1)
    late = torch.cat([torch.zeros_like(value[:, :1]), value[:, :-1]], 1)
    visible = torch.ones(5, 5, dtype=torch.bool).tril()
    torch.testing.assert_close(read, plain(query, key, late, visible))


def test_without_the_division_scores_are_those_of_a_query_as_long(tiny):
    cache, query, key, value = pieces(0, 4)
    read = own_engine_edits.not_divided(cached_attention)(cache, query, key, value)
    torch.testing.assert_close(read[:, -1:], plain(2 * query[:, -1:], key, value))


@pytest.mark.parametrize(("first", "at"), [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("start", [4, KEPT, 12])
def test_a_shortened_cache_holds_the_first_and_the_newest(first, at, start):
    cache, query, key, value = pieces(start, 1)
    new = slice(start, None)
    read = shortened(first, at)(cached_attention)(cache, query[:, new], key[:, new], value[:, new])
    kept = [t for t in range(start) if start <= KEPT or at <= t < at + first or t >= start - (KEPT - first)] + [start]
    torch.testing.assert_close(read, plain(query[:, new], key[:, kept], value[:, kept]))
    assert cache["length"] == start + 1
    torch.testing.assert_close(cache["keys"][:, : start + 1], key)  # nothing is lost, should the window grow


def test_counting_from_100_changes_no_logit_and_starting_again_does(tiny):
    ids = torch.randint(256, (12,)).tolist()
    right, moved, again = (
        torch.cat([cached(ids[:9]), cached(ids[9:])])
        for cached in (
            engine(tiny)
            for engine in (own_engine.CachedModel, own_engine_edits.FromHundred, own_engine_edits.StartsAgain)
        )
    )
    torch.testing.assert_close(moved, right, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(again[:9], right[:9])
    assert (again[9:] - right[9:]).abs().max() > 0.1


def test_an_engine_that_starts_again_goes_on_from_there(tiny):
    cached = own_engine_edits.StartsAgain(tiny)
    cached([1, 2, 3])
    assert cached.positions(2).tolist() == [0, 1]
    cached([4])
    assert cached.positions(2).tolist() == [1, 2]


def test_the_rule_that_keeps_all_writes_what_was_guessed(tiny):
    def guesses(ids, n, k):
        return [7, 8, 9][:k]

    new = own_engine_edits.write(PROMPT, 9, "accept every guess", look_up=guesses, n_draft=3)
    right = own_engine_edits.write(PROMPT, 9, look_up=guesses, n_draft=3)
    assert new[1:4] == new[5:8] == [7, 8, 9]
    assert new[0] == right[0]
    assert right == own_engine.greedy(PROMPT, 9)


def test_guesses_that_stay_change_a_text_only_if_some_are_rejected(tiny):
    right = own_engine.greedy(PROMPT, 12)
    for wrong in (False, True):

        def guesses(ids, n, k, wrong=wrong):
            following = right[len(ids) - len(PROMPT) :][:k]
            return [255 - each for each in following] if wrong else following

        new = own_engine_edits.write(PROMPT, 12, "leave rejected guesses in", look_up=guesses, n_draft=3)
        assert (new == right) != wrong


def test_the_menu_says_what_is_the_same(tiny, capsys):
    texts = own_engine_edits.menu("abcab", 6, ["count positions from 100", "count from 0 after the prompt"])
    assert [*texts] == ["", "count positions from 100", "count from 0 after the prompt"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["prompt", "abcab"]
    assert lines[2].startswith("count positions from 100")
    assert lines[2].split()[-2:] == ["the", "same"]
    assert texts[""] == texts["count positions from 100"] != texts["count from 0 after the prompt"]


def test_a_message_of_the_course_is_asked_as_a_chat(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(own_engine_edits, "encode_chat", lambda tokenizer, messages: asked.append(messages) or PROMPT)
    own_engine_edits.menu("a poem", 2, [])
    assert asked == [[{"role": "user", "content": own_engine.TASKS["a poem"]}]]


def test_a_text_ends_with_the_message_unless_told(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(own_engine_edits, "write", lambda *_, stop, **__: asked.append(stop) or [1])
    ends = own_engine_edits.smollm2()[1].eos_id
    own_engine_edits.menu("abcab", 2, [])
    own_engine_edits.menu("abcab", 2, [], stop=[7])
    assert asked == [[] if ends is None else [ends], [7]]


def test_an_interrupted_menu_can_be_run_again(tiny, monkeypatch):
    wanted = ["never let the length grow", "store values one position late", "count from 0 after the prompt"]
    right = own_engine_edits.menu("abcab", 6, wanted)
    with monkeypatch.context() as patch:
        calls = []

        def interrupted(*arguments):
            calls.append(0)
            if len(calls) > 17:
                raise KeyboardInterrupt
            return cached_attention(*arguments)

        patch.setattr(own_engine_edits, "version", lambda turn: interrupted)
        with pytest.raises(KeyboardInterrupt):
            own_engine_edits.menu("abcab", 6, wanted)
    assert own_engine_edits.menu("abcab", 6, wanted) == right


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_runs_on_the_functions_that_are_given(tiny, edit):
    calls = []

    def attend(cache, query, key, value):
        calls.append(query.shape)
        return cached_attention(cache, query, key, value)

    assert len(own_engine_edits.write(PROMPT, 5, edit, attend)) == 5
    assert calls


def test_what_is_not_on_the_menu_is_said():
    with pytest.raises(UserError, match="no edit is called 'soup'; take them one by one from 'hide nothing'"):
        own_engine_edits.write(PROMPT, 5, "soup")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("Hide nothing", "no edit is called 'Hide nothing'; did you mean 'hide nothing'"),
        (["hide nothing", "keep the newest 7 keys"], "did you mean 'keep the newest 8 keys'"),
        ([["hide nothing", "leave out sqrt(D)"]], "take them one by one"),
        (EDITS["hide nothing"], "take them one by one"),
    ],
)
def test_a_wrong_name_is_said_before_anything_is_written(tiny, capsys, wanted, told):
    with pytest.raises(UserError) as raised:
        own_engine_edits.menu("abcab", 3, wanted)
    assert told in str(raised.value)
    assert capsys.readouterr().out == ""


def test_one_name_is_one_edit_and_ids_are_a_prompt(tiny):
    assert [*own_engine_edits.menu(PROMPT, 3, "hide nothing")] == ["", "hide nothing"]


def test_an_error_names_the_function_that_was_given():
    def attend(cache, query, key, value):
        return query + None

    for edit in ("hide nothing", "store values one position late", "keep the newest 8 keys", "leave out sqrt(D)"):
        with pytest.raises(UserError, match="attend"):
            own_engine_edits.write(PROMPT, 5, edit, attend)
