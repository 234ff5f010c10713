"""Riddles for an article: the list is balanced, an answer is a whole word, and statistics are as counted by hand."""

from collections import Counter

import pytest
import torch

from minillm import Tokenizer, Transformer
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The owl is called an owl. The saw is known as a saw. What is the name for this? Question Answer It. " * 3


@pytest.fixture(scope="module")
def riddles():
    with benchmark_script("riddles") as module:
        yield module


def row(article: str, a: float, an: float, after: dict[str, tuple[bool, float, float]]) -> dict:
    told = {name: dict(zip(("right", "answer", "likeliest"), each, strict=True)) for name, each in after.items()}
    first = " a" if a >= an else " an"
    return {"article": article, "category": "tools", "articles": {"first": first, "a": a, "an": an}, "after": told}


def test_the_list_is_balanced_and_each_answer_needs_its_article(riddles):
    rows = riddles.riddles()
    assert set(Counter((row["article"], row["category"]) for row in rows).values()) == {8}
    assert len({row["clue"] for row in rows}) == len({row["answers"][0] for row in rows}) == len(rows) == 80
    assert [row["article"] for row in riddles.riddles(each=2)] == ["a", "a", "an", "an"]
    for row in rows:
        assert all((answer[0] in "aeiou") == (row["article"] == "an") for answer in row["answers"])
        assert not any(answer in row["clue"].lower().split() for answer in row["answers"])


def test_an_answer_is_a_whole_word_at_the_beginning(riddles):
    assert riddles.begins_with(" *ham sandwich* with", ["sandwich", "ham sandwich"])
    assert riddles.begins_with("\nOwl", ["owl"])
    assert not riddles.begins_with(" owlet", ["owl"])
    assert not riddles.begins_with(" small owl", ["owl"])


def test_counts_by_hand(riddles):
    lost = row("an", 0.6, 0.1, {"a": (False, 0.0, 0.2), "an": (True, 0.9, 0.9), "the": (False, 0.1, 0.2)})
    found = row("an", 0.2, 0.3, {"a": (False, 0.0, 0.1), "an": (True, 0.7, 0.7), "the": (True, 0.5, 0.5)})
    told = riddles.summary([lost, found])
    assert told["first"]["a"]["hits"] == told["an likelier than a"]["hits"] == told["greedy right"]["hits"] == 1
    assert told["right after an"]["hits"] == 2
    assert told["right answer beats the rest"]["hits"] == 1  # 0.09 against 0.12, and 0.21 against 0.02
    assert told["answer after an"]["mean"] == pytest.approx(0.8)
    other = row("a", 0.6, 0.1, {})
    assert riddles.told_apart([lost, found, other]) == 0.75  # one tie


def test_a_tiny_model_is_asked_in_every_frame(riddles):
    tokenizer = Tokenizer.train([WORDS], vocab_size=330, special_tokens=["<|endoftext|>"])
    model = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=256))).requires_grad_(False)
    chosen = [{"article": "an", "category": "animals", "clue": "The owl", "answers": ["owl", "old owl"]}]
    for frame in riddles.FRAMES:
        (found,) = riddles.measured(model, tokenizer, chosen, frame)
        assert set(found["after"]) == {"a", "an", "the"}
        assert 0 < found["articles"]["a"] + found["articles"]["an"] < 1
        assert all(0 < each["answer"] < 1 and each["likeliest"] < 1 for each in found["after"].values())


def test_the_first_letter_narrows_the_choice(riddles):
    """The model likes *saw* best and *owl* next: only among the words with a vowel is it right about the owl."""
    tokenizer = Tokenizer.train([WORDS], vocab_size=330, special_tokens=["<|endoftext|>"])
    logits = torch.zeros(1, 1, tokenizer.vocab_size)
    logits[..., tokenizer.encode(" saw")[0]], logits[..., tokenizer.encode(" owl")[0]] = 3, 2
    rows = [{"article": "an", "clue": "The owl", "answers": ["owl"]}]
    found = riddles.by_letter(lambda ids: logits, tokenizer, rows, riddles.FRAMES[0])
    assert [found["all"][article]["hits"] for article in riddles.READ] == [0, 0, 0]
    assert [found["first letter"][article]["hits"] for article in riddles.READ] == [1, 1, 1]
