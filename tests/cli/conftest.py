import pytest
import torch
from helpers import small_config

from minillm.data.chat import chat_tokenizer
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.model.transformer import Transformer
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def chatty(tmp_path_factory):
    """A model that has learnt nothing, with a tokenizer that can write a chat."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["user assistant certainly the"], 290, SPECIAL_TOKENS)
    tokenizer.bos_token = SPECIAL_TOKENS[0]
    folder = tmp_path_factory.mktemp("chat") / "model"
    shape = small_config(vocab_size=tokenizer.vocab_size, max_seq_len=1000, n_layers=1, tie_embeddings=False)
    save(Transformer(shape), chat_tokenizer(tokenizer), folder)
    return folder
