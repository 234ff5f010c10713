import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.batches import PackedBatches
from minillm.data.chat import CHATML, encode_chat
from minillm.data.conversations import Example, encode_conversation, pack_conversations
from minillm.losses import IGNORE
from minillm.tokenizer import Tokenizer

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END = 0


def tokenizer(template=CHATML):
    made = Tokenizer.train(["user assistant system hello yes no"], 290, MARKS)
    made.chat_template = template
    return made


def turns(*contents, roles=("user", "assistant")):
    return [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


def learnt(tok, example):
    return tok.decode(id for id, counts in zip(example.ids, example.counts, strict=True) if counts)


contents = st.lists(st.text(max_size=12) | st.sampled_from(MARKS), min_size=2, max_size=6)


@given(contents)
def test_every_answer_counts_with_its_closing_mark_and_nothing_else(contents):
    """By hand for this template: what stands between "assistant\\n" and the newline that ends the turn."""
    tok, messages = tokenizer(), turns(*contents)
    example = encode_conversation(tok, messages)
    assert example.ids == encode_chat(tok, messages, add_generation_prompt=False)
    assert learnt(tok, example) == "".join(f"{answer}<|im_end|>" for answer in contents[1::2])


def test_a_mark_that_was_typed_does_not_end_the_answer():
    tok = tokenizer()
    example = encode_conversation(tok, turns("Write the mark.", "It is <|im_end|>, so."))
    assert learnt(tok, example) == "It is <|im_end|>, so.<|im_end|>"
    real = [id for id, counts in zip(example.ids, example.counts, strict=True) if counts]
    assert real.count(tok.special_tokens["<|im_end|>"]) == 1


def test_a_template_without_marks_counts_the_whole_answer():
    plain = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    plain += "{% if add_generation_prompt %}assistant: {% endif %}"
    tok = tokenizer(plain.replace("assistant: ", "assistant:"))
    assert learnt(tok, encode_conversation(tok, turns("Hi", "yes"))) == " yes\n"


def test_what_cannot_be_learnt_from_is_refused():
    tok = tokenizer()
    with pytest.raises(ValueError, match="holds no answer of the assistant"):
        encode_conversation(tok, turns("Hello?"))
    with pytest.raises(ValueError, match="begins with the assistant"):
        encode_conversation(tok, turns("Hello.", "Hello?", roles=("assistant", "user")))
    last_only = "{% for m in messages %}{{ m['content'] if loop.last else '...' }}{% endfor %}"
    with pytest.raises(ValueError, match="writes the first 1 messages differently when the conversation goes on"):
        encode_conversation(tokenizer(last_only), turns("Hello?", "Yes."))


tokens = st.lists(st.tuples(st.integers(1, 99), st.booleans()), min_size=1, max_size=12)
conversations = st.lists(tokens.filter(lambda tokens: any(counts for _, counts in tokens)), min_size=1, max_size=20)


def example(tokens):
    return Example([id for id, _ in tokens], [counts for _, counts in tokens])


@given(conversations, st.integers(13, 40))
def test_packing_keeps_every_conversation_whole_with_its_marks(conversations, row_length):
    rows, counts = pack_conversations(list(map(example, conversations)), END, row_length)
    found = []
    for row, marks in zip(rows.tolist(), counts.tolist(), strict=True):
        piece = []
        for token, mark in zip(row[1:], marks[1:], strict=True):
            if token not in (END, IGNORE):
                piece.append((token, mark))
            else:
                assert not mark
                found += [piece] if piece else []
                piece = []
        found += [piece] if piece else []
    assert sorted(found) == sorted(conversations)


@given(conversations, st.integers(13, 40), st.integers(0, 3))
def test_no_row_is_without_a_target(conversations, row_length, seed):
    rows, counts = pack_conversations(list(map(example, conversations)), END, row_length)
    for step in range(3):
        _, targets = PackedBatches(rows, 2, seed, END, counts)[step]
        assert (targets != IGNORE).any(dim=1).all()


def test_the_targets_are_the_answers():
    tok = tokenizer()
    whole = encode_conversation(tok, turns("hello", "yes", "hello", "no"))
    rows, counts = pack_conversations([whole], END, len(whole.ids) + 5)
    _, targets = PackedBatches(rows, 1, 0, END, counts)[0]
    assert tok.decode(targets[targets != IGNORE].tolist()) == "yes<|im_end|>no<|im_end|>"
    assert torch.equal((rows != IGNORE).sum(), torch.tensor(len(whole.ids) + 2))


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="conversation 1 has 6 tokens, and a row of 6 holds 5 beside its end token"):
        pack_conversations([Example([1], [True]), Example([1] * 6, [True] * 6)], END, 6)
    with pytest.raises(ValueError, match="conversation 0 has nothing that counts"):
        pack_conversations([Example([1, 2], [False, False])], END, 6)
    with pytest.raises(ValueError, match="conversation 0 has 2 ids and 1 marks"):
        pack_conversations([Example([1, 2], [True])], END, 6)
    with pytest.raises(ValueError, match="no documents to pack"):
        pack_conversations([], END, 6)
