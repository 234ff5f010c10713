"""The right answers of exercise 09, against the package's template, its LoRA layers, its rows and its models."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.sft.adapters import one_adapter
from minillm.course.checks.sft.influence import influence
from minillm.course.checks.sft.reading import END, MARKS, START, read_chat
from minillm.course.checks.sft.row import pack_row
from minillm.data.batches import PackedBatches
from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.data.conversations import Example, pack_conversations
from minillm.losses import IGNORE, next_token_loss
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


def test_influences_are_dot_products_of_gradients_and_their_sum_nears_the_gain():
    torch.manual_seed(0)
    weight = torch.randn(3, 4)
    train, test = ([(torch.randn(n, 4), torch.randint(3, (n,))) for n in sizes] for sizes in ((2, 5, 3), (4, 2)))
    train[1][1][:3] = IGNORE

    def loss(weight, conversations):
        return torch.stack([next_token_loss(x @ weight.T, labels) for x, labels in conversations]).mean()

    now, expected, rate, steps = weight, torch.zeros(3), 0.5, 4
    for _ in range(steps):
        moves = [torch.func.grad(loss)(now, [one]) * rate / 3 for one in train]
        goal = torch.func.grad(loss)(now, test)
        slopes = [(goal * move).sum() for move in moves]
        expected = expected + torch.stack(slopes)
        now = now - sum(moves)
    total, error = influence(weight, train, test, rate, steps)
    torch.testing.assert_close(total.float(), expected)
    gain = loss(weight, test) - loss(now, test)
    assert error == pytest.approx((expected.sum() - gain).item(), abs=1e-5)

    # the error of a run of the same length falls with the rate; the loss is convex, so it is never negative
    errors = [influence(weight, train, test, rate / n, steps * n)[1] for n in (1, 10, 100)]
    assert errors[0] > 8 * errors[1] > 64 * errors[2] > 0


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
