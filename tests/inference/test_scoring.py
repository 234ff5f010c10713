"""Scores against the whole softmax at every position."""

import itertools

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.errors import UserError
from minillm.inference import scoring
from minillm.inference.scoring import continuation_log_probs, log_probs
from minillm.model.transformer import Transformer

PROMPT = [3, 14, 15, 9]


@torch.no_grad()
def by_definition(model, prompt, continuation):
    """One token after the other, each from a softmax over a text that was read anew."""
    ids, total = list(prompt), 0.0
    for token in continuation:
        total += float(model(torch.tensor([ids]))[0, -1].log_softmax(-1)[token])
        ids.append(token)
    return total


@pytest.mark.parametrize("at_once", [1, 130, 2**24])
def test_log_probs_by_definition(small_model, monkeypatch, at_once):
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", at_once)
    ids = torch.randint(0, 50, (24,)).tolist()
    expected = [by_definition(small_model, ids[:n], ids[n : n + 1]) for n in range(1, 24)]
    torch.testing.assert_close(log_probs(small_model, ids), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    assert log_probs(small_model, [7]).shape == (0,)


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(0, 49), min_size=1, max_size=4), min_size=1, max_size=20))
def test_continuations_by_definition(continuations):
    torch.manual_seed(0)
    model = lively(Transformer(small_config()))
    expected = [by_definition(model, PROMPT, continuation) for continuation in continuations]
    found = continuation_log_probs(model, PROMPT, continuations)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_the_prompt_is_read_once(small_model):
    read = []
    small_model.embedding.register_forward_hook(lambda module, inputs, output: read.append(inputs[0].numel()))
    continuation_log_probs(small_model, PROMPT, [[1], [2, 3, 4], [5, 6]])
    assert read == [4, 3 * 2]


def test_a_continuation_may_fill_the_context(small_model):
    rest = [5] * 20
    found = continuation_log_probs(small_model, PROMPT, [rest])
    torch.testing.assert_close(found[0], log_probs(small_model, PROMPT + rest)[3:].sum())


def test_all_short_texts_hold_what_is_left_of_one():
    """Every text of at most two letters and its end, and every beginning of three letters: together everything."""
    torch.manual_seed(3)
    model, end = lively(Transformer(small_config(vocab_size=3))), 2
    ended = [[*letters, end] for n in (0, 1, 2) for letters in itertools.product((0, 1), repeat=n)]
    longer = [list(letters) for letters in itertools.product((0, 1), repeat=3)]
    assert continuation_log_probs(model, [0, 1], ended + longer).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda model: log_probs(model, []), "the sequence is empty"),
        (lambda model: log_probs(model, [1] * 25), "has 25 tokens, this model was built for 24"),
        (lambda model: continuation_log_probs(model, [], [[1, 2]]), "the sequence is empty"),
        (lambda model: continuation_log_probs(model, [1], []), "0 continuations"),
        (lambda model: continuation_log_probs(model, [1], [[1], []]), "an empty one"),
        (lambda model: continuation_log_probs(model, [1], [[1] * 25]), "has 25 tokens"),
    ],
)
def test_bad_input_gets_a_sentence(small_model, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(small_model)


def test_an_unknown_id_is_named(small_model):
    for call in (
        lambda: log_probs(small_model, [1, 50]),
        lambda: continuation_log_probs(small_model, [1, 50], [[2]]),
        lambda: continuation_log_probs(small_model, [1], [[2], [3, 50]]),
    ):
        with pytest.raises(UserError, match="token id 50 is outside the vocabulary"):
            call()


@pytest.mark.slow
@pytest.mark.real
def test_the_real_model_knows_the_capital(real_weights):
    from minillm.data.chat import encode_chat
    from minillm.pretrained import load

    model, tokenizer = load("smollm2-135m-instruct", weights="auto")
    prompt = encode_chat(tokenizer, [{"role": "user", "content": "What is the capital of France? One word."}])
    answers = [[*tokenizer.encode_rest(answer), tokenizer.eos_id] for answer in ("Berlin", "Paris", "Rome")]
    assert continuation_log_probs(model, prompt, answers).argmax() == 1
