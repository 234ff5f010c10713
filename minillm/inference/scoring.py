"""How likely a model finds a given text, and which of several given answers it would choose."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError
from minillm.losses import token_log_probs
from minillm.model.embedding import check_ids
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

LOGITS_AT_ONCE = 2**24  # 64 MB; all logits of a long text over a large vocabulary may not fit into memory
ROWS_AT_ONCE = 16  # continuations in one pass: each gets a copy of the prompt's cache


@torch.no_grad()
def log_probs(model: Transformer, ids: Sequence[int]) -> Float[Tensor, "_T"]:
    """log p of every token after the first, given those before it, in nats; their sum is that of the text.

    Raises `ValueError` for a text that is empty or longer than the model's context.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> _ = torch.nn.init.zeros_(model.head.weight)                          # every token is as likely as any other
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

    Raises `ValueError` for an empty prompt, an empty continuation, and one that does not fit into the model's context.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> _ = torch.nn.init.zeros_(model.head.weight)
    >>> continuation_log_probs(model, [1, 2], [[3], [4, 5]])                 # log 0.1 and log 0.01
    tensor([-2.3026, -4.6052])
    """
    model.check_predicts_tokens()
    if not continuations or not all(continuations):
        raise UserError(f"{len(continuations)} continuations, or an empty one; give at least one token for each")
    model.check_length(len(prompt) + max(map(len, continuations)) - 1)  # nothing is asked behind the last token
    tokens, cache = _row(model, prompt), model.new_cache(1, len(prompt))
    last = model.hidden(tokens, cache)[:, -1:]
    scores = []
    for start in range(0, len(continuations), ROWS_AT_ONCE):
        some = continuations[start : start + ROWS_AT_ONCE]
        width = max(map(len, some))
        rows = torch.cat([_row(model, [*row, *[0] * (width - len(row))]) for row in some])
        lengths = torch.tensor([len(row) for row in some], device=model.device)
        counts = torch.arange(width, device=model.device) < lengths.unsqueeze(1)
        hidden = last.expand(len(some), -1, -1)
        if width > 1:
            past = cache.aligned([cache] * len(some), room=width - 1)
            hidden = torch.cat((hidden, model.hidden(rows[:, :-1], past, counts[:, 1:].long())), dim=1)
        each = torch.zeros(counts.shape, device=model.device)
        scores.append(each.masked_scatter(counts, _score(model, hidden[counts], rows[counts])).sum(1))
    return torch.cat(scores)


def _row(model: Transformer, ids: Sequence[int]) -> Int[Tensor, "1 T"]:
    model.check_predicts_tokens()
    row = torch.tensor([list(ids)], dtype=torch.long)
    check_ids(row, model.config.vocab_size)  # before a card sees it, where an unknown id would end the process
    return row.to(model.device)


def _score(model: Transformer, vectors: Float[Tensor, "N C"], targets: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    rows = max(LOGITS_AT_ONCE // model.config.vocab_size, 1)
    parts = zip(vectors.split(rows), targets.split(rows), strict=True)
    return torch.cat([token_log_probs(model.head(part), target) for part, target in parts])


@dataclass(frozen=True)
class Choice:
    """The answer that was chosen; of every answer log p as a whole, in nats, and its probability among them."""

    answer: str
    log_probs: list[float]
    probabilities: list[float]


def choose_answer(
    model: Transformer,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    answers: Sequence[str],
    temperature: float = 0.0,
    seed: int | None = None,
) -> Choice:
    """One of the given answers: the likeliest, or drawn from the model's distribution over them.

    An answer counts with the end token behind it, so "Paris" is not "Paris is", and no two overlap. The softmax of
    their log-probabilities is then what is left of the model's distribution when only these answers are allowed; at
    temperature 1, drawing from it gives what drawing freely again and again until one of them comes would give. Where
    a tokenizer has no end token, an answer stands for all texts that begin with it, and none may begin with another.

    Two things to know. Longer answers are less likely, each token costs; that is the model's own opinion and not
    corrected here. And a text has many spellings in tokens, of which only the tokenizer's own counts (Cao & Rimell
    2021 measure how little the others hold).

    Raises `ValueError` for fewer than two answers, answers that overlap, and a negative temperature.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["yes no"], vocab_size=257, special_tokens=["<|end|>"])
    >>> tokenizer.eos_token = "<|end|>"
    >>> model = Transformer(ModelConfig(vocab_size=257, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> _ = torch.nn.init.zeros_(model.head.weight)
    >>> choose_answer(model, tokenizer, tokenizer.encode("Well? "), ["yes", "no"]).answer        # the shorter one
    'no'
    """
    if not 0 <= temperature < math.inf:
        raise UserError(f"temperature is {temperature}; it must be 0 (the likeliest answer) or a positive number")
    end = [] if tokenizer.eos_id is None else [tokenizer.eos_id]
    rows = [[*tokenizer.encode_rest(answer), *end] for answer in answers]
    _check_apart(answers, rows)
    scores = continuation_log_probs(model, prompt, rows)
    if temperature == 0:
        number = int(scores.argmax())
    else:
        generator = None if seed is None else torch.Generator(scores.device).manual_seed(seed)
        number = int(torch.multinomial((scores / temperature).softmax(0), 1, generator=generator))
    return Choice(answers[number], scores.tolist(), scores.softmax(0).tolist())


def _check_apart(answers: Sequence[str], rows: Sequence[Sequence[int]]) -> None:
    if len(answers) < 2:
        raise UserError(f"there is nothing to choose among {len(answers)} answers; give at least two")
    for i, first in enumerate(rows):
        for j, second in enumerate(rows):
            if i != j and second[: len(first)] == first:
                remedy = "leave one out" if first == second else "set tokenizer.eos_token, or leave one out"
                raise UserError(f"answer {answers[j]!r} begins with answer {answers[i]!r}; {remedy}")
