"""Short tests of what is left of a model: does it know capitals, who hit whom, and which of two answers it prefers?"""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.analysis.surgery.writing import prompt_ids
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin", "Russia": "Moscow",
    "China": "Beijing", "Japan": "Tokyo", "Egypt": "Cairo", "Greece": "Athens", "Iraq": "Baghdad",
    "Iran": "Tehran", "Austria": "Vienna", "Poland": "Warsaw", "Ireland": "Dublin", "Portugal": "Lisbon",
    "Norway": "Oslo", "Sweden": "Stockholm", "Cuba": "Havana", "Peru": "Lima", "Kenya": "Nairobi",
}  # fmt: skip
NAMES = ("Tom", "Bob", "Anna", "Mary", "Jack", "Emma", "Peter", "Lucy")
VERBS = ("hit", "called", "saw")
ROWS = 32  # texts in one forward pass


def capitals(model: Transformer, tokenizer: Tokenizer) -> int:
    """Of 20 countries, how often the likeliest token after "The capital of X is" begins the capital's name."""
    return _right(model, tokenizer, {f"The capital of {country} is": city for country, city in CAPITALS.items()})


def revenge(model: Transformer, tokenizer: Tokenizer) -> int:
    """Of 84 texts such as "Tom hit Bob. Then Bob hit", after how many the likeliest token is " Tom".

    They are 28 pairs of names, in one order each, with three verbs. The name that is right stands there once, the other
    one twice, so a model that counts names and knows no order could be right, too; SmolLM2 without positions is not.
    """
    pairs = list(itertools.permutations(NAMES, 2))[::2]
    texts = {f"{a} {verb} {b}. Then {b} {verb}": a for verb in VERBS for a, b in pairs}
    return _right(model, tokenizer, texts)


@torch.no_grad()
def preferred(model: Transformer, tokenizer: Tokenizer, questions: Sequence[tuple[str, str, str]]) -> int:
    """Of questions (text, right, wrong), after how many the right word is more probable, by the words' first tokens.

    A model that guesses is right in half of them, and so is any rule that gives two texts with swapped answers the same
    one; so ask each question both ways.
    """
    by_length: dict[int, list[tuple[list[int], int, int]]] = {}
    for text, right, wrong in questions:
        ids, (first, second) = prompt_ids(tokenizer, text), [tokenizer.encode(f" {word}")[0] for word in (right, wrong)]
        by_length.setdefault(len(ids), []).append((ids, first, second))
    found = 0
    for alike in by_length.values():
        for start in range(0, len(alike), ROWS):
            rows, right, wrong = zip(*alike[start : start + ROWS], strict=True)
            logits, picked = _logits(model, rows), torch.arange(len(rows))
            found += int((logits[picked, torch.tensor(right)] > logits[picked, torch.tensor(wrong)]).sum())
    return found


@torch.no_grad()
def _right(model: Transformer, tokenizer: Tokenizer, answers: dict[str, str]) -> int:
    """How many texts continue with the first token of their answer; texts of one length share a forward pass."""
    by_length: dict[int, list[tuple[list[int], int]]] = {}
    for text, answer in answers.items():
        ids, right = prompt_ids(tokenizer, text), tokenizer.encode(f" {answer}")[0]
        by_length.setdefault(len(ids), []).append((ids, right))
    return sum(
        int((_likeliest(model, [ids for ids, _ in rows]) == torch.tensor([right for _, right in rows])).sum())
        for alike in by_length.values()
        for start in range(0, len(alike), ROWS)
        for rows in [alike[start : start + ROWS]]
    )


def _likeliest(model: Transformer, rows: Sequence[Sequence[int]]) -> Int[Tensor, "B"]:
    """The likeliest next token of texts of one length; -1 where the logits are no numbers."""
    logits = _logits(model, rows)
    return logits.argmax(-1).where(logits.isfinite().all(-1), -1)


def _logits(model: Transformer, rows: Sequence[Sequence[int]]) -> Float[Tensor, "B V"]:
    if len(rows[0]) > model.config.max_seq_len:
        raise UserError(f"this model reads at most {model.config.max_seq_len} tokens, the test has {len(rows[0])}")
    return model.head(model.hidden(torch.tensor(rows, device=model.device))[:, -1]).float().cpu()
