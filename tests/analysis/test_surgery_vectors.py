"""A vector in place of a word: a row reads like its word, and what does not fit is refused."""

import pytest
import torch
from helpers import lively, small_config

from minillm.analysis import surgery
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>", "<empty_output>"])


@pytest.fixture(scope="module")
def model():
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


@pytest.mark.parametrize("prompt", ["The ??? lost", "??? lost", "The old ???"])
def test_a_row_in_place_of_its_word_reads_like_the_word(model, tokenizer, prompt):
    id = tokenizer.encode(" goose")[0]
    logits = surgery.read_vectors(model, tokenizer, prompt, model.embedding.weight[[id, 5, id]])
    before, after = prompt.split("???")
    ids = torch.tensor([[*surgery.prompt_ids(tokenizer, before.rstrip()), id, *tokenizer.encode(after)]])
    torch.testing.assert_close(logits[0], model(ids)[0, -1], rtol=1e-4, atol=1e-4)
    assert torch.equal(logits[2], logits[0])
    assert not torch.allclose(logits[1], logits[0], atol=1e-2)


def test_more_vectors_than_fit_into_one_pass_keep_their_order(model, tokenizer):
    vectors = model.embedding.weight[torch.arange(150) % 100]
    logits = surgery.read_vectors(model, tokenizer, "The ??? lost", vectors)
    alone = surgery.read_vectors(model, tokenizer, "The ??? lost", vectors[[70, 140]])
    torch.testing.assert_close(logits[[70, 140]], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("prompt", "told"), [("The goose", "has 0 times"), ("??? and ???", "has 2 times .*; put it once, for the vector")]
)
def test_a_prompt_has_one_hole(tokenizer, prompt, told):
    with pytest.raises(UserError, match=told):
        surgery.ids_around(tokenizer, prompt)


def test_a_tokenizer_without_the_placeholder_is_refused():
    with pytest.raises(UserError, match="no token '<empty_output>'"):
        surgery.ids_around(Tokenizer.train([WORDS], vocab_size=300), "The ???")
