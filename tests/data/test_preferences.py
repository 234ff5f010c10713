"""The file of preferences: what is written is read, and nothing broken gets in unseen."""

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.preferences import (
    MAX_LINE,
    Preference,
    RankingsError,
    append_preferences,
    load_preferences,
    save_preferences,
)

HELLO = ({"role": "user", "content": "Hello"},)
GOOD = Preference(HELLO, "Good morning.", "What?", "Ada", 0.75)
LINE = json.loads(GOOD.to_json())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
filled = texts.filter(str.strip)
messages = st.builds(
    lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "user"]), texts
)


# A preference is made in the test, not in the strategy: the type checker draws random numbers when it looks at one.
parts = st.tuples(st.lists(messages, max_size=2), texts, filled, filled, filled, st.none() | st.floats(0, 1))
parts = parts.filter(lambda values: values[2] != values[3])


def made(values):
    before, last, *rest = values
    return Preference((*before, {"role": "user", "content": last}), *rest)


@given(parts)
def test_a_line_is_read_back_as_written(values):
    preference = made(values)
    line = preference.to_json()
    assert "\n" not in line
    assert Preference.from_json(line) == preference


@given(st.lists(parts, max_size=4), st.lists(parts, max_size=3))
def test_a_file_is_read_back_as_written(tmp_path_factory, first, second):
    path = tmp_path_factory.mktemp("rankings") / "rankings.jsonl"
    save_preferences(path, map(made, first))
    append_preferences(path, map(made, second))
    loaded = load_preferences(path)
    assert loaded.preferences == tuple(map(made, (*first, *second)))
    assert loaded.skipped == ()


def test_people_may_contradict_each_other_and_themselves(tmp_path):
    path = tmp_path / "rankings.jsonl"
    opposite = Preference(HELLO, GOOD.rejected, GOOD.chosen, "Ada")
    append_preferences(path, [GOOD, opposite])
    append_preferences(path, [GOOD])
    assert load_preferences(path).preferences == (GOOD, opposite, GOOD)


BROKEN = {
    "half": (GOOD.to_json()[:-9], "this is not JSON"),
    "list": ("[1, 2]", r"this is \[1, 2\]; a preference is an object with schema, prompt"),
    "deep": ("[" * 100_000, "nested too deeply|not JSON"),
    "huge number": ("9" * 5000, "Exceeds the limit|a preference is an object"),
    "schema": (json.dumps({**LINE, "schema": 2}), "its schema is 2; this program reads schema 1"),
    "no schema": (
        json.dumps({"prompt": []}),
        r"a pair is {'prompt': \[\]}; give the fields prompt, chosen and rejected",
    ),
    "true schema": (json.dumps({**LINE, "schema": True}), "its schema is True"),
    "missing": (json.dumps({k: v for k, v in LINE.items() if k != "rater"}), "it lacks 'rater'"),
    "unknown": (json.dumps({**LINE, "score": 3}), "it has the unknown field 'score'"),
    "twice": (GOOD.to_json()[:-1] + ', "chosen": "x"}', "it has a field twice"),
    "same": (json.dumps({**LINE, "chosen": "What?"}), "chosen and rejected are both 'What\\?'"),
    "empty": (json.dumps({**LINE, "chosen": " "}), "chosen is ' '; it must be a text that is not empty"),
    "type": (json.dumps({**LINE, "rejected": 7}), "rejected is 7; it must be a text"),
    "nan": (
        json.dumps({**LINE, "probability": float("nan")}),
        "the probability is nan; it must be a number from 0 to 1",
    ),
    "two": (json.dumps({**LINE, "probability": 2}), "the probability is 2"),
    "yes": (json.dumps({**LINE, "probability": True}), "the probability is True"),
    "no prompt": (json.dumps({**LINE, "prompt": []}), r"the prompt is \(\); it must be a list of messages"),
    "text prompt": (json.dumps({**LINE, "prompt": "Hello"}), "the prompt is 'Hello'"),
    "message": (json.dumps({**LINE, "prompt": [{"role": "user"}]}), "message 0 is .*; it must have a role, a content"),
    "role": (
        json.dumps({**LINE, "prompt": [{"role": "king", "content": ""}]}),
        "message 0 has the role 'king'; use one of",
    ),
    "list role": (json.dumps({**LINE, "prompt": [{"role": [], "content": ""}]}), r"message 0 has the role \[\]"),
    "content": (json.dumps({**LINE, "prompt": [{"role": "user", "content": 1}]}), "message 0 has the content 1"),
    "last word": (json.dumps({**LINE, "prompt": [{"role": "assistant", "content": ""}]}), "ends with the assistant"),
    "surrogate": (json.dumps({**LINE, "chosen": "\ud800"}), "a lone surrogate, half of a character; remove it"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lines_are_refused_by_file_and_line_or_skipped(tmp_path, name, as_users_call_it):
    line, message = BROKEN[name]
    path = tmp_path / "rankings.jsonl"
    path.write_text(f"{GOOD.to_json()}\n\n{line}\n{GOOD.to_json()}\n", encoding="utf-8")
    with pytest.raises(RankingsError, match=f"^rankings.jsonl, line 3: .*({message})"):
        load_preferences(path)
    loaded = load_preferences(path, skip_broken=True)
    assert loaded.preferences == (GOOD, GOOD)
    assert len(loaded.skipped) == 1
    assert loaded.skipped[0].startswith("rankings.jsonl, line 3: ")
    assert len(loaded.skipped[0]) < 400


def test_bytes_that_are_no_text_and_lines_without_end(tmp_path):
    path = tmp_path / "rankings.jsonl"
    good = GOOD.to_json().encode()
    path.write_bytes(b"\xff\xfe\n" + good + b"\r\n" + b"x" * (3 * MAX_LINE) + b"\n" + good)
    with pytest.raises(
        RankingsError, match=r"line 1: this is not UTF-8; .* \(skip_broken=True leaves such lines out\)"
    ):
        load_preferences(path)
    loaded = load_preferences(path, skip_broken=True)
    assert loaded.preferences == (GOOD, GOOD)
    assert [message.split(":")[0] for message in loaded.skipped] == ["rankings.jsonl, line 1", "rankings.jsonl, line 3"]
    assert "longer than 1,000,000 bytes" in loaded.skipped[1]


def test_a_byte_order_mark_and_a_missing_last_newline_do_no_harm(tmp_path):
    path = tmp_path / "rankings.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.to_json().encode())
    append_preferences(path, [GOOD])
    assert load_preferences(path).preferences == (GOOD, GOOD)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_loader(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "junk.jsonl"
    path.write_bytes(junk)
    loaded = load_preferences(path, skip_broken=True)
    assert loaded.preferences == ()
    if loaded.skipped:
        with pytest.raises(RankingsError, match="junk.jsonl, line"):
            load_preferences(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_preferences(tmp_path / "nowhere.jsonl")


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "rankings.jsonl"
    save_preferences(path, [GOOD])
    before = path.read_bytes()

    def crash(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "replace", crash)
    for write in (save_preferences, append_preferences):
        with pytest.raises(OSError, match="the disk is gone"):
            write(path, [GOOD])
        assert path.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} <= {"rankings.jsonl", ".rankings.jsonl.lock"}


def _append_some(path: Path, together: Any) -> None:
    together.wait()
    for _ in range(10):
        append_preferences(path, [GOOD])


def test_two_writers_lose_nothing(tmp_path):
    path = tmp_path / "rankings.jsonl"
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    workers = [context.Process(target=_append_some, args=(path, together)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(load_preferences(path).preferences) == 20
