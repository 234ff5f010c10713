"""The right answers of exercise 09, against the package's template, its LoRA layers, its rows and its models."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.sft.adapters import one_adapter
from minillm.course.checks.sft.fit import fit
from minillm.course.checks.sft.reading import END, MARKS, START, read_chat
from minillm.course.checks.sft.row import pack_row
from minillm.data.batches import PackedBatches
from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.data.conversations import Example, pack_conversations
from minillm.losses import IGNORE
from minillm.posttraining.lora import LoRALinear
from minillm.tokenizer import Tokenizer

ROLES = ("user", "assistant", "system")


@pytest.fixture(scope="module")
def tokenizer():
    marks = ["<|endoftext|>", *MARKS.values()]
    made = chat_tokenizer(Tokenizer.train(["user assistant system"] * 9, vocab_size=280, special_tokens=marks))
    assert [made.special_tokens[mark] for mark in MARKS.values()] == [START, END]
    return made


SAID = st.lists(st.sampled_from(["a", "\n", " ", *MARKS.values(), "|", "user"]), max_size=9).map("".join)


@given(st.lists(st.tuples(st.sampled_from(ROLES), SAID), min_size=1, max_size=4), st.booleans())
def test_what_the_template_has_written_is_read_back(tokenizer, turns, open_end):
    messages = [{"role": role, "content": content} for role, content in turns]
    ids = encode_chat(tokenizer, messages, add_generation_prompt=open_end)
    read = read_chat(ids, {id: tokenizer.decode([id]) for id in ids})
    if open_end:
        assert read.pop() == {"role": "assistant", "content": "", "ended": False}
    assert read == [message | {"ended": True} for message in messages]


@given(st.booleans(), st.lists(st.integers(1, 9), min_size=1, max_size=7), st.integers(1, 60))
def test_what_stays_of_a_chat_is_the_most_that_is_allowed(system, sizes, room):
    roles = [*["system"] * system, *["user", "assistant"] * 4][: len(sizes) + system]
    messages = list(zip(roles, [2] * system + sizes, strict=True))
    kept = fit(messages, room)

    def allowed(begin):
        tokens = 2 * system + sum(size for _, size in messages[begin:])
        return roles[begin] == "user" and tokens <= room

    begins = [begin for begin in range(system, len(messages)) if allowed(begin)]
    assert kept == ([0] * system + list(range(min(begins), len(messages))) if begins else [])


def test_one_adapter_corrects_as_the_packages_layers_do_together():
    x, wanted, adapters, weights = torch.randn(5, 6), 0, [], [0.5, -2.0]
    for weight, rank, alpha in zip(weights, (2, 3), (4.0, 16.0), strict=True):
        layer = LoRALinear(torch.nn.Linear(6, 4, bias=False), rank, alpha)
        torch.nn.init.normal_(layer.lora_B)
        wanted = wanted + weight * (layer(x) - layer.base(x)).detach()
        adapters.append((layer.lora_A.detach(), layer.lora_B.detach(), alpha))
    A, B = one_adapter(adapters, weights)
    torch.testing.assert_close(x @ (B @ A).T, wanted)
    assert torch.equal(A, torch.cat([adapters[0][0], adapters[1][0]]))


CONVERSATIONS = [([5, 6, 7, 8], [False, False, True, True]), ([9, 10, 11], [False, True, True])]


def test_a_row_learns_what_the_packages_row_learns():
    """The package lays an end token in between; of the targets of each conversation that changes nothing."""

    def learnt(inputs, targets):
        return [pair for pair in zip(inputs.tolist(), targets.tolist(), strict=True) if pair[1] != IGNORE]

    inputs, targets, _, _ = pack_row(CONVERSATIONS, length=9)
    rows, segments, counts = pack_conversations([Example(*one) for one in CONVERSATIONS], end_id=0, row_length=11)
    theirs, _, their_targets = PackedBatches(rows, 1, 0, 0, segments, counts)[0]
    assert learnt(inputs, targets) == learnt(theirs[0], their_targets[0])
    assert len(learnt(inputs, targets)) == 4


def test_with_its_mask_and_positions_each_conversation_reads_as_if_alone():
    inputs, _, positions, visible = pack_row(CONVERSATIONS, length=9)
    torch.manual_seed(1)
    score = torch.randn(12, 12, 4)  # by token, token before, and distance: an attention that one can see through
    for at, (ids, _) in zip((0, 4), CONVERSATIONS, strict=True):
        for t in range(len(ids)):
            alone = score[ids[t], ids[: t + 1], [t - s for s in range(t + 1)]].sum()
            seen = visible[at + t].nonzero().flatten()
            packed = score[inputs[at + t], inputs[seen], positions[at + t] - positions[seen]].sum()
            torch.testing.assert_close(packed, alone)
    assert torch.equal(visible[7:], torch.eye(9, dtype=torch.bool)[7:])
