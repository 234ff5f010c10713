"""Scores against the whole softmax at every place; choices against drawing freely until an answer comes."""

import itertools

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.errors import UserError
from minillm.inference import scoring
from minillm.inference.scoring import choose_answer, continuation_log_probs, log_probs
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

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


LETTERS = Tokenizer({0: b"a", 1: b"b"}, [], {"<|end|>": 2}, eos_token="<|end|>")


def letters_model():
    torch.manual_seed(3)
    return lively(Transformer(small_config(vocab_size=3)))


def test_all_short_texts_hold_what_is_left_of_one():
    """Every text of at most two letters, and every beginning of three letters: together they are everything."""
    model = letters_model()
    texts = ["".join(letters) for n in (0, 1, 2) for letters in itertools.product("ab", repeat=n)]
    choice = choose_answer(model, LETTERS, [0, 1], texts)
    beginnings = [list(ids) for ids in itertools.product((0, 1), repeat=3)]
    longer = continuation_log_probs(model, [0, 1], beginnings).exp().sum()
    assert sum(torch.tensor(choice.log_probs).exp()) + longer == pytest.approx(1.0, abs=1e-5)
    assert choice.log_probs[texts.index(choice.answer)] == max(choice.log_probs)
    assert sum(choice.probabilities) == pytest.approx(1.0)


def test_a_choice_is_drawing_freely_until_an_answer_comes():
    """Chi-square of free draws and of choices against the probabilities: two degrees, above 18.4 once in 10,000."""
    model, answers = letters_model(), ["a", "b", "ba"]
    exact = torch.tensor(choose_answer(model, LETTERS, [0, 1], answers).probabilities)
    chosen = [choose_answer(model, LETTERS, [0, 1], answers, temperature=1.0, seed=n).answer for n in range(200)]
    with torch.no_grad():  # many free texts of three tokens at once
        ids = torch.tensor([[0, 1]]).repeat(20_000, 1)
        for _ in range(3):
            ids = torch.cat((ids, model(ids)[:, -1].softmax(-1).multinomial(1)), dim=1)
    wanted = torch.tensor([0, 2]), torch.tensor([1, 2]), torch.tensor([1, 0, 2])
    free = [int((ids[:, 2 : 2 + len(tokens)] == tokens).all(1).sum()) for tokens in wanted]
    for counts in ([chosen.count(answer) for answer in answers], free):
        expected = exact * sum(counts)
        assert expected.min() > 5
        assert ((torch.tensor(counts) - expected) ** 2 / expected).sum() < 18.4


def test_answers_that_overlap_are_refused_where_nothing_ends_them():
    model, endless = letters_model(), Tokenizer(LETTERS.vocab, [], {"<|end|>": 2})
    with pytest.raises(ValueError, match="answer 'ab' begins with answer 'a'; set tokenizer.eos_token"):
        choose_answer(model, endless, [0], ["ab", "a"])
    assert choose_answer(model, endless, [0], ["aa", "b"]).answer in ("aa", "b")
    with pytest.raises(ValueError, match="answer 'a' begins with answer 'a'; leave one out"):
        choose_answer(model, LETTERS, [0], ["a", "b", "a"])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda model: log_probs(model, []), "the sequence is empty"),
        (lambda model: log_probs(model, [1] * 25), "has 25 tokens, this model was built for 24"),
        (lambda model: continuation_log_probs(model, [], [[1, 2]]), "the sequence is empty"),
        (lambda model: continuation_log_probs(model, [1], []), "0 continuations"),
        (lambda model: continuation_log_probs(model, [1], [[1], []]), "an empty one"),
        (lambda model: continuation_log_probs(model, [1], [[1] * 25]), "has 25 tokens"),
        (lambda model: choose_answer(model, LETTERS, [1], ["a"]), "nothing to choose among 1 answers"),
        (lambda model: choose_answer(model, LETTERS, [1], ["a", "b"], temperature=-1.0), "temperature is -1.0"),
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


@pytest.mark.real
def test_the_real_model_chooses_the_capital(real_weights):
    from minillm.data.chat import encode_chat
    from minillm.pretrained import load

    model, tokenizer = load("smollm2-135m-instruct", weights="auto")
    prompt = encode_chat(tokenizer, [{"role": "user", "content": "What is the capital of France? One word."}])
    assert choose_answer(model, tokenizer, prompt, ["Berlin", "Paris", "Rome"]).answer == "Paris"
