"""12.look_up: a draft without a model, copied from the text itself (Saxena 2023, "Prompt Lookup Decoding")."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import whole_numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def look_up(ids, n, k):
    """Up to k tokens: what followed the last n tokens where these last occurred before."""
    last = ids[-n:]
    for start in range(len(ids) - n - 1, -1, -1):
        if ids[start : start + n] == last:
            return ids[start + n : start + n + k]
    return []


turn = Turn(
    "12.look_up",
    "Guess by copying",
    look_up,
    minutes=6,
    difficulty=2,
    hints=(
        "The text ends in *the old bridge*, and *the old bridge over the river* occurred before. What's a good guess?",
        "Go back from the end, and compare n tokens at a time with the last n. Those themselves don't count.",
        "A slice that begins at `start` holds n tokens. The last `start` to look at is `len(ids) - n - 1`. What "
        "follows the match begins at `start + n`.",
    ),
    errors={
        "out of range": "Don't look beyond the text. A slice may: `ids[start : start + n]` is just shorter then.",
        "is not in list": "`ids.index(...)` searches for one token. Compare slices of n.",
        "unsupported operand|not iterable|has no attribute|ambiguous|must be": "`ids` is a plain list of ids; n and k "
        "are whole numbers.",
        "changed the input": "Leave `ids` as they are.",
        "arg 3 must not be zero|empty": "What if there is no match, or if the text is shorter than n? Return [].",
        r"name '(text|start|np|last|draft|tokens|prompt|N|torch|match|pattern|i|tail)' is not defined": "There are "
        "`ids`, `n` and `k`.",
    },
    debrief=Debrief(
        "Hugging Face calls this `prompt_lookup_num_tokens`, and tries n = 2, then 1. vLLM calls it an n-gram draft.",
        "In which texts does it pay, and in which does each guess cost time for nothing?",
    ),
)


def _matches(ids: list[int], n: int) -> Iterator[int]:
    """Where the last n tokens occurred before, first to last."""
    return (start for start in range(len(ids) - n) if ids[start : start + n] == ids[-n:])


def _copied(
    pick: Callable[[list[int]], int] = lambda found: found[-1],
    first: Callable[[int, int], int] = lambda start, n: start + n,
    length: Callable[[int, int], int] = lambda n, k: k,
    of: Callable[[int], int] = lambda n: n,
    otherwise: Callable[[list[int], int, int], list] = lambda ids, n, k: [],
) -> Answer:
    """The right function, with one thing changed."""

    def changed(ids: list[int], n: int, k: int) -> list[int]:
        if not (found := [*_matches(ids, of(n))]):
            return otherwise(ids, n, k)
        start = max(first(pick(found), of(n)), 0)
        return ids[start : start + length(n, k)]

    return changed


def _grown(ids: list[int], n: int, k: int) -> list[int]:
    """Copies on, through what it copied."""
    found, text = [*_matches(ids, n)], [*ids]
    for copied in range(k if found else 0):
        text.append(text[found[-1] + n + copied])
    return text[len(ids) :]


def _before(ids: list[int], n: int, k: int) -> list[int]:
    """Copies from the text without its last n tokens."""
    found = [start for start in range(len(ids) - 2 * n + 1) if ids[start : start + n] == ids[-n:]]
    return ids[:-n][found[-1] + n :][:k] if found else []


def _text(rng: random.Random, n: int, between: int, times: int) -> list[int]:
    """A few random tokens, in which the last n occur several times, each with another continuation."""
    pattern = [rng.randrange(1, 5) for _ in range(n)]
    ids: list[int] = []
    for number in range(times):
        other = [rng.randrange(5, 20) for _ in range(between)]
        if number == times - 1 and n > 1:  # nearly a match: the same in another order, or the first token alone
            other[:n] = rng.choice([pattern[::-1], [pattern[0], *other[1:n]]])[: len(other)]
        ids += [*other, *pattern]
    return ids


def _found(rng: random.Random) -> list[Call]:
    """One or several matches; a copy may end with the text."""
    return [
        ([7, 8, 9, 7], 1, 2),
        (_text(rng, 2, 4, 2), 2, 3),
        (_text(rng, 1, 3, 3), 1, 2),
        (_text(rng, 2, 5, 3), 2, 4),
        (_text(rng, 3, 3, 3), 3, 2),
        (_text(rng, 3, 2, 4), 3, 1),
    ]


def _edges(rng: random.Random) -> list[Call]:
    """No match, a match that only begins alike, a text shorter than n, overlaps, copies that end with the text."""
    plain = rng.sample(range(20), 6)
    part = [*_text(rng, 2, 3, 2), 30]
    return [
        (plain, 2, 3),
        ([4, 5], 3, 2),
        ([4, 5, 6], 3, 2),
        ([5, 5, 5, 5], 2, 3),
        ([*part, part[-2]], 2, 3),
        (_text(rng, 2, 1, 2), 2, 8),
        (_text(rng, 2, 2, 3), 2, 6),
        ([1, 2, 3, 1, 2, 4, 1, 2], 2, 0),
    ]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a list of ids."""
    for index, ((ids, *_), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) is int:
            return "One number is returned.", "Return a list: the tokens themselves, up to k of them.", index
        if type(answer) is tuple and any(type(part) is list for part in answer):
            return "Several things are returned.", "Return the list of guessed tokens only.", index
        if answer is None:
            return "Sometimes nothing is returned.", "Without a match, return an empty list.", index
        tensor = as_tensor(answer)
        if tensor is None or tensor.dim() != 1:
            return "That's not a list of ids.", "Return up to k tokens of the text, as a list.", index
        if type(answer) is list and len(answer) > len(ids) and answer[: len(ids)] == ids:
            return "The whole text is returned, with the guess at its end.", "Return the guess alone.", index
    wrong = [n for n, (due, answer) in enumerate(zip(right, got, strict=True)) if due != list(answer)]
    if wrong and not any(right[n] for n in wrong) and all(type(answer) is list for answer in got):
        hint = "All n tokens must match. If none do, return []. (`find` and `rfind` give -1 then, a valid index.)"
        return "A guess is made where nothing matches.", hint, wrong[0]
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Too many or too few tokens; a guess that is none; a match that was missed."""
    for index, ((_, n, k), due, answer) in enumerate(zip(calls, right, got, strict=True)):
        if due == list(answer):
            continue
        if len(answer) > k:
            return f"There are {len(answer)} guesses, and k is {k}.", "At most k.", index
        if not due:
            return "There's a guess where there is no earlier match.", "Return [] then.", index
        if list(answer[: len(due)]) == due:
            return "The guess is right, and then filled up to k tokens.", "Where the text ends, it ends, too.", index
        if len(answer) == 0:
            return "An earlier match is missed.", f"The last {n} tokens occurred before.", index
        if list(answer) == due[: len(answer)]:
            return "The guess ends too early.", f"Up to {k} tokens, where the text has so many.", index
        return "The guess begins in the wrong place.", "Right after the match, and the last match counts.", index
    return None


found = turn.probe("where it occurred before", _found, _form, demand=whole_numbers)
edges = turn.probe("no match, overlaps, the end", _edges, _form, demand=whole_numbers)
found.at_last = edges.at_last = _nearly


def _copies(sentence: str, hint: str, **change: Any) -> None:
    found.mistake(sentence, hint, _copied(**change))


found.mistake(
    "The result is empty, also where there's a match.",
    "Do the last n tokens find themselves? Begin one position earlier. Or is a second `return` inside the loop?",
    lambda ids, n, k: [],
)
found.mistake(
    "A match at the very beginning is missed.",
    "`range(..., -1, -1)` goes down to 0; `range(..., 0, -1)` ends at 1.",
    lambda ids, n, k: [] if [*_matches(ids, n)] == [0] else look_up(ids, n, k),
)
edges.mistake(
    "The copy stops before the last n tokens.",
    "What followed the match may run into them: copy from all of `ids`.",
    _before,
)
_copies(
    "The earliest match is taken, not the latest.",
    "Go from the end to the beginning. What was written last is the best guess.",
    pick=lambda found: found[0],
)
_copies(
    "The match itself is returned, not what follows it.",
    "The guess begins n tokens after the match begins.",
    first=lambda start, n: start,
    length=lambda n, k: n,
)
_copies(
    "The guess begins with the match, not after it.",
    "Skip the n tokens of the match.",
    first=lambda start, n: start,
)
_copies(
    "The guess begins one token early: with the last token of the match.",
    "It begins at `start + n`.",
    first=lambda start, n: start + n - 1,
)
_copies(
    "The guess begins one token late.",
    "It begins at `start + n`, right after the match.",
    first=lambda start, n: start + n + 1,
)
_copies(
    "The match and what follows are returned together.",
    "Leave the n tokens of the match out.",
    first=lambda start, n: start,
    length=lambda n, k: n + k,
)
_copies("Only one token is guessed.", "Up to k tokens: `ids[start + n : start + n + k]`.", length=lambda n, k: 1)
_copies("n tokens are guessed, not k.", "n is how many must match, k how many are guessed.", length=lambda n, k: n)
_copies("One token too many is guessed.", "At most k.", length=lambda n, k: k + 1)
_copies("One token too few is guessed.", "Up to k.", length=lambda n, k: max(k - 1, 0))
_copies("Everything up to the end of the text is guessed.", "At most k tokens.", length=lambda n, k: 10**6)
_copies(
    "Only the last token has to match, whatever n is.",
    "Compare n tokens: `ids[start : start + n]`.",
    of=lambda n: 1,
)
found.mistake(
    "Only the first of the n tokens is compared.",
    "Compare n tokens: `ids[start : start + n]`.",
    lambda ids, n, k: next(
        (ids[i + n : i + n + k] for i in range(len(ids) - n - 1, -1, -1) if ids[i] == ids[-n]),
        [],
    ),
)
found.mistake(
    "n and k are exchanged.",
    "n tokens must match, up to k are guessed.",
    lambda ids, n, k: look_up(ids, k, n),
)
found.mistake(
    "The n tokens may come in any order.",
    "Compare slices: order counts.",
    lambda ids, n, k: next(
        (ids[i + n : i + n + k] for i in range(len(ids) - n - 1, -1, -1) if sorted(ids[i : i + n]) == sorted(ids[-n:])),
        [],
    ),
)
found.mistake(
    "The guess is what comes *before* the match.",
    "What followed it is the guess.",
    lambda ids, n, k: next((ids[max(start - k, 0) : start] for start in reversed([*_matches(ids, n)])), []),
)
found.mistake(
    "The last k tokens of the text are the guess.",
    "Find where the last n tokens occurred before, and copy what followed.",
    lambda ids, n, k: ids[-k:] if k else [],
)
edges.mistake(
    "The copy runs on past the end of the text.",
    "Where the text ends, the guess ends: a slice does that by itself.",
    _grown,
)
edges.mistake(
    "Without a match, the last tokens are repeated.",
    "Return an empty list: the model then writes a token of its own.",
    _copied(otherwise=lambda ids, n, k: ids[-k:] if k else []),
)
edges.mistake(
    "Matches that overlap the last n tokens are left out.",
    "They count, too: after 5 5 5 5 comes a 5.",
    lambda ids, n, k: next(
        (
            ids[start + n : start + n + k]
            for start in range(len(ids) - 2 * n, -1, -1)
            if ids[start : start + n] == ids[-n:]
        ),
        [],
    ),
)
edges.mistake(
    "A guess must have k tokens, or there is none.",
    "*Up to* k: near the end of the text, fewer are fine.",
    lambda ids, n, k: guess if len(guess := look_up(ids, n, k)) == k else [],
)
edges.mistake(
    "Where fewer than k tokens follow the latest match, an earlier one is taken.",
    "The latest match counts, even if fewer follow it.",
    lambda ids, n, k: next(
        (ids[start + n : start + n + k] for start in reversed([*_matches(ids, n)]) if start + n + k <= len(ids)), []
    ),
)
