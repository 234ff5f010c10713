"""Beam search over a table, for 07.4: the right answer, and the rounds of which it is made."""

from collections.abc import Callable, Iterator

from jaxtyping import Float
from torch import Tensor

Tokens = tuple[int, ...]
Text = tuple[Tokens, float]  # the new tokens, the sum of their log-probabilities
Score = Callable[[Text], float]


def beam_search(log_p: Float[Tensor, "V V"], start: int, end: int, width: int, steps: int, power: float) -> Tokens:
    """The right answer: the best text of the last round.

    >>> import torch
    >>> log_p = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.0, 0.0, 1.0]]).log()
    >>> [beam_search(log_p, 0, 2, width, steps=4, power=0.0) for width in (1, 3)]    # 0.6 · 0.5 · 0.6 · 0.5, and 0.3
    [(1, 0, 1, 0), (2,)]
    """
    *_, last = rounds(log_p, start, end, width, steps, per_token(power))
    return last[0][0]


def rounds(log_p: Tensor, start: int, end: int, width: int, steps: int, score: Score) -> Iterator[list[Text]]:
    """The texts of each round, best first, before they are cut to the width."""
    beam = [((), 0.0)]
    for _ in range(steps):
        pool = sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        yield pool
        beam = pool[:width]


def grow(table: list[list[float]], beam: list[Text], start: int, end: int) -> list[Text]:
    """Every unfinished text with every token after it; finished ones as they are."""
    pool = []
    for tokens, total in beam:
        if tokens and tokens[-1] == end:
            pool.append((tokens, total))
        else:
            pool += [((*tokens, id), total + gain) for id, gain in enumerate(table[tokens[-1] if tokens else start])]
    return pool


def per_token(power: float, counted: Callable[[Tokens], int] = len) -> Score:
    """The score of a text: its log-probability over a power of its length."""
    return lambda text: text[1] / counted(text[0]) ** power
