"""What a model expects of a text: its logits after a beginning, and the probability that each token had."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.analysis.surgery.writing import prompt_ids
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer


class Read(NamedTuple):
    """A token of a text, and the probability that the model gave it before it came."""

    token: str
    probability: float


@torch.no_grad()
def next_logits(model: Transformer, tokenizer: Tokenizer, text: str) -> Float[Tensor, "V"]:
    """The logits of the token after a text, which begins after the token that separates texts.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> next_logits(model, tokenizer, "hi").shape
    torch.Size([256])
    """
    ids = prompt_ids(tokenizer, text)
    model.check_length(len(ids))
    hidden = model.hidden(torch.tensor([ids], device=model.device))
    return model.head(hidden[:, -1])[0].float().cpu()


@torch.no_grad()
def token_probabilities(model: Transformer, tokenizer: Tokenizer, text: str) -> list[Read]:
    """The tokens of a text, each with the probability that the model gave it, in one forward pass.

    The first token of a text has one only where the tokenizer has a token that separates texts. Raises `UserError` for
    a text without tokens and for one longer than the context.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> [read.token for read in token_probabilities(model, tokenizer, "hiho")]
    ['i', 'h', 'o']
    """
    ids = prompt_ids(tokenizer, text)
    if len(ids) < 2:
        raise UserError(f"{text!r} is too short: there is nothing to predict in it; give a few words")
    model.check_length(len(ids))
    logits = model(torch.tensor([ids[:-1]], device=model.device))[0].double().log_softmax(-1)
    came = torch.tensor(ids[1:], device=logits.device)
    found = logits.gather(-1, came[:, None])[:, 0].exp().tolist()
    return [Read(tokenizer.decode([token]), p) for token, p in zip(ids[1:], found, strict=True)]
