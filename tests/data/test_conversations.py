import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.batches import PackedBatches
from minillm.data.chat import CHATML, encode_chat
from minillm.data.conversations import (
    Example,
    append_conversation,
    encode_conversation,
    pack_conversations,
    read_conversations,
)
from minillm.losses import IGNORE, next_token_loss, token_log_probs
from minillm.model.segments import check_segments
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END = 0


def tokenizer(template=CHATML):
    made = Tokenizer.train(["user assistant system hello yes no"], 290, SPECIAL_TOKENS)
    made.chat_template = template
    return made


def turns(*contents, roles=("user", "assistant")):
    return [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


def targets(tok, example):
    return tok.decode(id for id, is_target in zip(example.ids, example.mask, strict=True) if is_target)


contents = st.lists(st.text(max_size=12) | st.sampled_from(SPECIAL_TOKENS), min_size=2, max_size=6)


@given(contents)
def test_every_answer_is_a_target_with_its_closing_token_and_nothing_else(contents):
    """By hand for this template: what stands between "assistant\\n" and the newline that ends the turn."""
    tok, messages = tokenizer(), turns(*contents)
    example = encode_conversation(tok, messages)
    assert example.ids == encode_chat(tok, messages, add_generation_prompt=False)
    assert targets(tok, example) == "".join(f"{answer}<|im_end|>" for answer in contents[1::2])


def test_a_special_token_that_was_typed_does_not_end_the_answer():
    tok = tokenizer()
    example = encode_conversation(tok, turns("Write the mark.", "It is <|im_end|>, so."))
    assert targets(tok, example) == "It is <|im_end|>, so.<|im_end|>"
    real = [id for id, is_target in zip(example.ids, example.mask, strict=True) if is_target]
    assert real.count(tok.special_tokens["<|im_end|>"]) == 1


def test_a_template_without_special_tokens_makes_the_whole_answer_a_target():
    plain = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    plain += "{% if add_generation_prompt %}assistant: {% endif %}"
    tok = tokenizer(plain.replace("assistant: ", "assistant:"))
    assert targets(tok, encode_conversation(tok, turns("Hi", "yes"))) == " yes\n"


def test_what_cannot_be_learnt_from_is_refused():
    tok = tokenizer()
    with pytest.raises(ValueError, match="holds no answer of the assistant"):
        encode_conversation(tok, turns("Hello?"))
    with pytest.raises(ValueError, match="begins with the assistant"):
        encode_conversation(tok, turns("Hello.", "Hello?", roles=("assistant", "user")))
    last_only = "{% for m in messages %}{{ m['content'] if loop.last else '...' }}{% endfor %}"
    with pytest.raises(ValueError, match="writes the first 1 messages differently when others follow"):
        encode_conversation(tokenizer(last_only), turns("Hello?", "Yes."))


tokens = st.lists(st.tuples(st.integers(0, 99), st.booleans()), min_size=2, max_size=12)  # END among them
conversations = st.lists(tokens.filter(lambda tokens: any(counts for _, counts in tokens[1:])), min_size=1, max_size=20)


def example(tokens):
    return Example([id for id, _ in tokens], [counts for _, counts in tokens])


@given(conversations, st.integers(14, 40))
def test_packing_keeps_every_conversation_whole_with_its_marks(conversations, row_length):
    rows, segments, mask = pack_conversations(list(map(example, conversations)), END, row_length)
    found = []
    for row, numbers, marks in zip(rows.tolist(), segments.tolist(), mask.tolist(), strict=True):
        check_segments(torch.tensor([numbers]))
        assert (row[0], numbers[0], marks[0]) == (END, 0, False)
        for number in range(1, max(numbers) + 1):
            piece = [(row[t], marks[t]) for t in range(row_length) if numbers[t] == number]
            assert piece.pop() == (END, False)
            found.append(piece)
        assert {row[t] for t in range(1, row_length) if numbers[t] == 0} <= {IGNORE}
    assert sorted(found) == sorted(conversations)


@given(conversations, st.integers(13, 40), st.integers(0, 3))
def test_a_batch_reads_within_conversations_and_has_targets_in_each_row(conversations, row_length, seed):
    rows, segments, mask = pack_conversations(list(map(example, conversations)), END, row_length)
    wanted = sorted(id for tokens in conversations for id, counts in tokens[1:] if counts)
    batches = PackedBatches(rows, 2, seed, END, segments, mask)
    for step in range(3):
        inputs, numbers, targets = batches[step]
        assert inputs.shape == numbers.shape == targets.shape
        assert (targets != IGNORE).any(dim=1).all()
        assert (numbers[targets != IGNORE] > 0).all()
    whole = PackedBatches(rows, len(rows), seed, END, segments, mask)[0][-1]  # one epoch
    assert sorted(whole[whole != IGNORE].tolist()) == wanted


def test_a_conversation_that_fills_its_row_goes_without_its_end_token():
    packed = pack_conversations([Example([7, 8], [False, True])], END, 3)
    assert [part.long().tolist() for part in packed] == [[[END, 7, 8]], [[0, 1, 1]], [[0, 0, 1]]]


def test_a_model_learns_from_packed_conversations_what_it_learns_from_each_alone():
    model = lively(Transformer(small_config()))
    conversations = [Example([5, END, 7, 8], [False, False, True, True]), Example([9, 3, 4], [True, False, True])]
    rows, segments, mask = pack_conversations(conversations, END, 12)
    assert len(rows) == 1
    inputs, segments, targets = PackedBatches(rows, 1, 0, END, segments, mask)[0]
    loss = next_token_loss(model(inputs, segments=segments), targets)
    alone = [
        -token_log_probs(model(torch.tensor([example.ids[:-1]])), torch.tensor([example.ids[1:]]))[0, t - 1]
        for example in conversations
        for t in range(1, len(example.ids))
        if example.mask[t]
    ]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_the_targets_are_the_answers():
    tok = tokenizer()
    whole = encode_conversation(tok, turns("hello", "yes", "hello", "no"))
    rows, segments, mask = pack_conversations([whole], END, len(whole.ids) + 5)
    _, _, targets = PackedBatches(rows, 1, 0, END, segments, mask)[0]
    assert tok.decode(targets[targets != IGNORE].tolist()) == "yes<|im_end|>no<|im_end|>"
    assert torch.equal((rows != IGNORE).sum(), torch.tensor(len(whole.ids) + 2))


def test_a_template_with_generation_tags_says_what_the_targets_are():
    tok = tokenizer()
    tok.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }} {{ messages | length }} "
        "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}"
    )  # it writes the beginning differently when the conversation continues: no prompt is a prefix of the whole
    example = encode_conversation(tok, turns("hello", "yes", "hello", "no"))
    assert targets(tok, example) == " yes no"  # the token that the answer begins in, as in transformers


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="conversation 1 has 6 tokens, and a row of 6 holds 5 beside its end token"):
        pack_conversations([Example([1, 1], [True, True]), Example([1] * 6, [True] * 6)], END, 6)
    with pytest.raises(ValueError, match="the mask of conversation 0 is False after its first token"):
        pack_conversations([Example([1, 2], [True, False])], END, 6)
    with pytest.raises(ValueError, match="conversation 0 has 2 ids and a mask of 1; give each id one"):
        pack_conversations([Example([1, 2], [True])], END, 6)
    with pytest.raises(ValueError, match="no documents to pack"):
        pack_conversations([], END, 6)


odd = st.text(max_size=9) | st.just("a\u2028b\x85c")  # signs at which str.splitlines would cut a line


@given(st.lists(st.lists(odd, min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_file_of_conversations_is_read_back_as_written(tmp_path_factory, conversations):
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    path.write_bytes(b"\xef\xbb\xbf")  # as some editors begin a file
    for contents in conversations:
        append_conversation(path, turns(*contents))
    assert read_conversations(path) == [turns(*contents) for contents in conversations]
