"""Lesson 07's own numbers, from a tiny model in place of the real one."""

import pytest
import torch

from minillm import ModelConfig, Tokenizer, Transformer
from minillm.course import choices

TEXTS = ["the old man walked to the a an door. " * 3]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(TEXTS, vocab_size=300, special_tokens=["<|endoftext|>"])
    model = Transformer(ModelConfig(vocab_size=300, d_model=16, n_layers=2, n_heads=2, max_seq_len=64))
    pair = model.requires_grad_(False), tokenizer
    monkeypatch.setattr(choices, "smollm2", lambda: pair)
    return pair


def test_branches_are_the_models_probabilities(tiny):
    model, tokenizer = tiny
    found = choices.branches("the old", first=3, second=2)
    ids = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode("the old")]
    p = model(torch.tensor([ids]))[0, -1].softmax(-1)
    best = p.topk(3)
    assert [token for token, *_ in found] == [tokenizer.decode([token]) for token in best.indices.tolist()]
    torch.testing.assert_close(torch.tensor([q for _, q, _ in found]), best.values)
    q = model(torch.tensor([[*ids, int(best.indices[0])]]))[0, -1].softmax(-1).topk(2)
    torch.testing.assert_close(torch.tensor([value for _, value in found[0][2]]), q.values)


def test_questions_are_the_texts_next_tokens_with_their_ranks(tiny):
    model, tokenizer = tiny
    text = "the old man walked to the door."
    start, asked = choices.questions(text, known=2, count=3)
    assert start + "".join(question.token for question in asked) == tokenizer.decode(tokenizer.encode(text)[:5])
    ids = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode(text)]
    logits = model(torch.tensor([ids]))[0]
    order = [logits[at].argsort(descending=True).tolist().index(ids[at + 1]) + 1 for at in (2, 3, 4)]
    assert [question.rank for question in asked] == order
    assert len(choices.questions(text, known=2, count=99)[1]) == len(ids) - 3


def test_a_tail_is_what_the_likeliest_tokens_leave(tiny):
    model, tokenizer = tiny
    ids = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode("the old")]
    best = model(torch.tensor([ids]))[0, -1].softmax(-1).topk(3).values.sum()
    assert choices.tail("the old", 3) == pytest.approx(1 - float(best), abs=1e-5)
    assert choices.tail("the old", 0) == pytest.approx(1)
    assert choices.tail("the old", 300) == 0


def test_surprise_is_the_mean_loss_of_what_is_new(tiny):
    model, tokenizer = tiny
    start = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode("the")]
    new = tokenizer.encode(" old man")
    log_p = model(torch.tensor([[*start, *new]]))[0].log_softmax(-1)
    expected = -sum(float(log_p[len(start) - 1 + at, token]) for at, token in enumerate(new)) / len(new)
    assert choices.surprise("the", " old man") == pytest.approx(expected, rel=1e-4)


def test_the_counts_of_the_riddles_are_those_of_the_file():
    found = choices.riddles()
    rows = [row for row in choices.stored("riddles")["frames"]["{} is called"]["riddles"] if row["article"] == "an"]
    assert len(rows) == 40
    assert found["says an"] == sum(row["articles"]["first"] == " an" for row in rows)
    for word in ("a", "an", "the"):
        assert found[f"right after {word}"] == sum(row["after"][word]["right"] for row in rows)


def test_a_cache_that_forgets_one_place_hides_it_from_later_steps_only():
    cache, new = {}, torch.arange(6.0).view(1, 3, 2)
    forget = choices.forgetting(1)
    assert torch.equal(forget(cache, 0, new, new)[0], new)
    keys, values = forget(cache, 0, new[:, :1], 2 * new[:, :1])
    assert keys[0, :, 0].tolist() == [0.0, 4.0, 0.0]
    assert values[0, :, 0].tolist() == [0.0, 4.0, 0.0]
    assert cache[0][0].shape == (1, 4, 2)
    assert forget.__name__ == "forgetting(1)"


def test_articles_prints_both_probabilities(tiny):
    lines = choices.articles("the old man").splitlines()
    assert [line.split()[0] for line in lines] == ["a", "an"]
