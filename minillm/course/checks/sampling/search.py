"""Beam search over a table, for 07.4: the right answer, and every way in which it goes astray."""

import math
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
        pool = sorted(_grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        yield pool
        beam = pool[:width]


def _grow(table: list[list[float]], beam: list[Text], start: int, end: int) -> list[Text]:
    """Every unfinished text with every token behind it; finished ones as they are."""
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


def greedy(log_p, start, end, width, steps, power):
    """A beam of one."""
    return beam_search(log_p, start, end, 1, steps, power)


def never_cut(log_p, start, end, width, steps, power):
    """Every text there is, so what a beam would lose is found."""
    return beam_search(log_p, start, end, len(log_p) ** steps, steps, power)


def each_for_itself(log_p, start, end, width, steps, power):
    """The best first tokens, and each goes on greedily: no text ever gives its place to another."""
    firsts = next(rounds(log_p, start, end, width, 1, per_token(power)))[:width]
    whole = []
    for tokens, total in firsts:
        *_, last = rounds(log_p, tokens[0], end, 1, steps - 1, per_token(0.0))
        rest = last[0] if tokens[0] != end else ((), 0.0)
        whole.append((tokens + rest[0], total + rest[1]))
    return max(whole, key=per_token(power))[0]


def last_step_only(log_p, start, end, width, steps, power):
    """A text is ranked by its last token alone."""

    def score(text: Text) -> float:
        before, last = (start, *text[0])[-2:]
        return log_p[before, last].item()

    *_, last = rounds(log_p, start, end, width, steps, score)
    return last[0][0]


def sum_of_probabilities(log_p, start, end, width, steps, power):
    """Probabilities are added up in place of their logarithms."""
    return beam_search(log_p.exp(), start, end, width, steps, power)


def with_the_start(log_p, start, end, width, steps, power):
    """The start token counts as one that was written."""
    return start, *beam_search(log_p, start, end, width, steps, power)


def go_on_after_the_end(log_p, start, end, width, steps, power):
    """The end token ends nothing."""
    return beam_search(log_p, start, -1, width, steps, power)


def finished_are_lost(log_p, start, end, width, steps, power):
    """A text that ends is thrown away."""
    never = log_p.clone()
    never[:, end] = -math.inf
    return beam_search(never, start, end, width, steps, power)


def first_that_ends(log_p, start, end, width, steps, power):
    """The first finished text in sight is taken."""
    for pool in rounds(log_p, start, end, width, steps, per_token(power)):
        for tokens, _ in pool[:width]:
            if tokens[-1] == end:
                return tokens
    return pool[0][0]


def best_that_ends(log_p, start, end, width, steps, power):
    """No more rounds once the best text is finished, which is right as long as the power is 0."""
    for pool in rounds(log_p, start, end, width, steps, per_token(power)):
        if pool[0][0][-1] == end:
            break
    return pool[0][0]


def finished_set_aside(log_p, start, end, width, steps, power):
    """The whole width is for unfinished texts."""
    score, beam, aside = per_token(power), [((), 0.0)], []
    for _ in range(steps):
        pool = sorted(_grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        aside += [text for text in pool if text[0][-1] == end]
        beam = [text for text in pool if text[0][-1] != end][:width]
    return max(aside + beam, key=score)[0]


def power_ignored(log_p, start, end, width, steps, power):
    """The length does not matter."""
    return beam_search(log_p, start, end, width, steps, 0.0)


def only_in_the_end(log_p, start, end, width, steps, power):
    """The length matters in the last round alone."""
    *_, last = rounds(log_p, start, end, width, steps, per_token(0.0))
    return max(last[:width], key=per_token(power))[0]


def multiplied(log_p, start, end, width, steps, power):
    """The score is multiplied by the power of the length."""
    return beam_search(log_p, start, end, width, steps, -power)


def _counting(n: Callable[[Tokens, int], int]):
    """Beam search with another number of tokens."""

    def beam_search(log_p, start, end, width, steps, power):
        """The tokens of a text are counted otherwise."""
        *_, last = rounds(log_p, start, end, width, steps, per_token(power, lambda tokens: n(tokens, end)))
        return last[0][0]

    return beam_search


start_counts = _counting(lambda tokens, end: len(tokens) + 1)
end_does_not = _counting(lambda tokens, end: max(1, len(tokens) - (tokens[-1] == end)))
