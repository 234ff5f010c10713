"""Log-probabilities of given texts."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError
from minillm.losses import token_log_probs
from minillm.model.embedding import check_ids
from minillm.model.transformer import Transformer, check_language_model

LOGITS_AT_ONCE = 2**24  # 64 MB; all logits of a long text over a large vocabulary may not fit into memory
ROWS_AT_ONCE = 16  # continuations in one pass: each gets a copy of the prompt's cache


@torch.no_grad()
def log_probs(model: Transformer, ids: Sequence[int]) -> Float[Tensor, "_T"]:
    """log p of every token after the first, given those before it, in nats; their sum is that of the text.

    Raises `UserError` for a text that is empty or longer than the model's context.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> _ = torch.nn.init.zeros_(model.head.weight)                          # all tokens are equally likely
    >>> log_probs(model, [1, 2, 3])                                          # log 0.1
    tensor([-2.3026, -2.3026])
    """
    tokens = _row(model, ids)
    return _score(model, model.hidden(tokens)[0, :-1], tokens[0, 1:])


@torch.no_grad()
def continuation_log_probs(
    model: Transformer, prompt: Sequence[int], continuations: Sequence[Sequence[int]]
) -> Float[Tensor, "N"]:
    """log p of each continuation of one prompt, in nats: the sum over its tokens. The prompt is read once.

    Raises `UserError` for an empty prompt, an empty continuation, and one that does not fit into the model's context.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> _ = torch.nn.init.zeros_(model.head.weight)
    >>> continuation_log_probs(model, [1, 2], [[3], [4, 5]])                 # log 0.1 and log 0.01
    tensor([-2.3026, -4.6052])
    """
    tokens = _row(model, prompt)
    if not continuations or not all(continuations):
        raise UserError(f"{len(continuations)} continuations, or an empty one; give at least one token for each")
    model.check_length(len(prompt) + max(map(len, continuations)) - 1)  # the last token need not be read
    cache = model.new_cache(1, len(prompt))
    last = model.hidden(tokens, cache)[:, -1:]
    scores = []
    for start in range(0, len(continuations), ROWS_AT_ONCE):
        batch = continuations[start : start + ROWS_AT_ONCE]
        width = max(map(len, batch))
        rows = torch.cat([_row(model, [*row, *[0] * (width - len(row))]) for row in batch])
        lengths = torch.tensor([len(row) for row in batch], device=model.device)
        mask = torch.arange(width, device=model.device) < lengths.unsqueeze(1)  # True at tokens, False at padding
        hidden = last.expand(len(batch), -1, -1)
        if width > 1:
            prefix = cache.aligned([cache] * len(batch), n_new=width - 1)
            hidden = torch.cat((hidden, model.hidden(rows[:, :-1], prefix, mask[:, 1:].long())), dim=1)
        per_token = torch.zeros(mask.shape, device=model.device)
        scores.append(per_token.masked_scatter(mask, _score(model, hidden[mask], rows[mask])).sum(1))
    return torch.cat(scores)


def _row(model: Transformer, ids: Sequence[int]) -> Int[Tensor, "1 T"]:
    check_language_model(model)
    row = torch.tensor([list(ids)], dtype=torch.long)
    check_ids(row, model.config.vocab_size)  # here, since an unknown id would end the process on a GPU
    return row.to(model.device)


def _score(model: Transformer, vectors: Float[Tensor, "N C"], targets: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    rows = max(LOGITS_AT_ONCE // model.config.vocab_size, 1)
    parts = zip(vectors.split(rows), targets.split(rows), strict=True)
    return torch.cat([token_log_probs(model.head(part), target) for part, target in parts])
