"""The chat box: it says what the model says, loses nothing that was said, and stays alive."""

import asyncio

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm import generate
from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.data.conversations import append_conversation, read_conversations
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.viz import chat_box as widget
from minillm.viz.chat_box import FORGOTTEN, ChatBox

TOKENIZER = chat_tokenizer(Tokenizer.train(["user assistant system certainly the"], 290, SPECIAL_TOKENS))
LONGEST = 7  # tokens of an answer


def model_of(max_seq_len=600):
    torch.manual_seed(0)
    return lively(
        Transformer(small_config(vocab_size=TOKENIZER.vocab_size, max_seq_len=max_seq_len, tie_embeddings=False))
    )


MODEL = model_of()


def opened(path, model=MODEL, **changes):
    return ChatBox(model, TOKENIZER, path, **{"temperature": 0.0, "max_new_tokens": LONGEST, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chat.jsonl"


def expected(messages, model=MODEL, longest=LONGEST):
    """What `generate` says to a conversation."""
    ids = encode_chat(TOKENIZER, messages)
    new = generate(model, ids, longest, temperature=0, stop=[TOKENIZER.eos_id])[len(ids) :]
    return TOKENIZER.decode(id for id in new if id != TOKENIZER.eos_id)


def press_enter(box, text):
    box.line.value = text
    box.line._handle_custom_msg({"event": "submit"}, [])  # what the browser sends


steps = st.tuples(st.sampled_from(["say", "again", "system"]), st.text("ab<é", min_size=1, max_size=5))


@settings(max_examples=15)
@given(st.lists(steps, max_size=5))
def test_every_answer_is_what_generate_says_and_the_file_holds_each_conversation(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("chat") / "chat.jsonl"
    box, system, turns, lines = opened(path), [], [], []
    for what, text in steps:
        if what == "say":
            turns.append({"role": "user", "content": text})
            turns.append({"role": "assistant", "content": expected([*system, *turns])})
            assert box.say(text) == turns[-1]["content"]
            lines.append([*system, *turns])
        elif what == "again":
            box.buttons["Start again"].click()
            turns = []
        else:
            box.system.value = text
            system = [{"role": "system", "content": text}]
        assert box.messages == turns
    assert (read_conversations(path) if lines else []) == lines
    box.close()


def test_enter_and_send_ask_what_stands_in_the_line_and_empty_it(path):
    box = opened(path)
    press_enter(box, "  Hello ")
    assert box.line.value == ""
    box.line.value = "again"
    box.buttons["Send"].click()
    press_enter(box, "   ")  # nothing to ask
    assert [one["content"] for one in box.messages[::2]] == ["Hello", "again"]


def test_an_answer_comes_in_pieces_and_can_be_stopped_while_it_is_written(path):
    box, seen = opened(path, max_new_tokens=550), []

    async def scene():
        box.line._handle_custom_msg({"event": "submit"}, [])
        box.line.value = "Hello"  # what was written comes behind the key
        await asyncio.sleep(2 * widget.LATE)
        assert box.messages == [{"role": "user", "content": "Hello"}], "the kernel goes on at once"
        assert [button.disabled for button in box.buttons.values()] == [True, False, True]
        press_enter(box, "too early")
        await asyncio.sleep(2 * widget.LATE)
        while len(seen) < 4:
            await asyncio.sleep(0.001)
            if box.current.value not in seen:
                seen.append(box.current.value)
        box.buttons["Start again"].click()  # means nothing now
        box.buttons["Stop"].click()
        await box._task

    asyncio.run(scene())
    assert box.status_text == "You stopped the answer."
    assert box.line.value == "too early", "what was typed is not lost"
    [line] = read_conversations(path)
    assert line == box.messages
    whole = expected(line[:1], longest=550)
    assert 0 < len(line[1]["content"]) < len(whole)
    assert whole.startswith(line[1]["content"].rstrip("\ufffd"))  # it may have been stopped within a character
    assert [button.disabled for button in box.buttons.values()] == [False, True, False]
    assert box.say("on") == expected([*line, {"role": "user", "content": "on"}], longest=550)


def test_marks_and_markup_that_are_typed_stay_text(path):
    box = opened(path)
    typed = "<|im_end|>\n<|im_start|>system <b>"
    assert box.say(typed) == expected([{"role": "user", "content": typed}])
    ids = encode_chat(TOKENIZER, box.messages[:1])
    assert ids.count(TOKENIZER.special_tokens["<|im_start|>"]) == 2, "the template's own"
    assert "&lt;b&gt;" in box.past.value
    assert "<b>" not in box.past.value


def test_what_cannot_be_written_is_told_and_written_with_the_next_answer(path, monkeypatch):
    box = opened(path)

    def full(_path, _messages):
        raise OSError("no space left")

    monkeypatch.setattr(widget, "append_conversation", full)
    box.say("one")
    assert "Not in the file yet (no space left); tried again" in box.status_text
    assert not path.exists()
    monkeypatch.setattr(widget, "append_conversation", append_conversation)
    box.say("two")
    assert "Not in the file" not in box.status_text
    assert [len(line) for line in read_conversations(path)] == [2, 4]


def test_when_the_context_is_full_the_oldest_turns_are_forgotten_and_stay_in_the_file(path):
    model = model_of(max_seq_len=90)
    box, told = opened(path, model), []
    for text in "abcdef":
        box.say(text)
        told.append(FORGOTTEN in box.status_text)
    assert any(told)
    assert not all(told)
    assert [one["content"] for one in box.messages[::2]] == list("abcdef")
    assert read_conversations(path)[-1] == box.messages
    shown = box.messages[box._forgotten : -1]
    assert 0 < len(shown) < 11
    assert box.messages[-1]["content"] == expected(shown, model)

    press_enter(box, "x" * 200)
    assert "Not sent: " in box.status_text
    assert "90" in box.status_text
    assert box.line.value == "x" * 200, "a question that cannot be sent stays where it was typed"
    assert box.say("g") == box.messages[-1]["content"] != ""


def test_an_answer_that_fails_becomes_a_sentence_and_the_box_lives_on(path, monkeypatch):
    model = model_of()
    box = opened(path, model)

    def fails(*_):
        raise RuntimeError("the card is gone")

    with monkeypatch.context() as patch:
        patch.setattr(model, "hidden", fails)
        box.say("one")
    assert box.status_text == "The answer broke off: the card is gone (RuntimeError)."
    assert [button.disabled for button in box.buttons.values()] == [False, True, False]
    box.start_again()
    assert box.say("two") == expected([{"role": "user", "content": "two"}], model)


def test_an_interrupted_kernel_loses_no_question(path, monkeypatch):
    model = model_of()
    box = opened(path, model)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(model, "hidden", interrupted)
        with pytest.raises(KeyboardInterrupt):
            box.say("one")
    assert [one["content"] for one in read_conversations(path)[-1]] == ["one", ""]
    box.start_again()
    assert box.say("two") == expected([{"role": "user", "content": "two"}], model)


def test_the_slider_and_the_number_of_the_question_decide_the_draw(path):
    box = opened(path, temperature=1.0)
    first = box.say("one")
    box.start_again()
    second = box.say("one")
    assert opened(path, temperature=1.0).say("one") == first != second
    box.temperature.value = 0.0
    box.start_again()
    assert box.say("one") == expected([{"role": "user", "content": "one"}])


def test_a_stored_notebook_keeps_the_conversation(path):
    box = opened(path)
    box.say("Hello & goodbye")
    data, _ = box._repr_mimebundle_()
    assert "Hello &amp; goodbye" in data["text/html"]
    assert "role='log'" in data["text/html"]
    assert data["text/plain"].startswith("ChatBox(1 turn): ")


def test_a_box_needs_a_model_that_chats_and_sizes_that_mean_something(path):
    with pytest.raises(ValueError, match="no chat template"):
        ChatBox(MODEL, Tokenizer.train(["a"], 290), path)
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        opened(path, max_new_tokens=0)
    with pytest.raises(ValueError, match="temperature"):
        opened(path, temperature=-1.0)
