"""01.3: the most probable segmentation by a unigram model of pieces (Kudo 2018), with Viterbi's algorithm (1967)."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import a_list
from minillm.course.checks.plain import difference
from minillm.course.checks.question import Question

LogProbs = dict[str, float]
UNDERFLOW = -745.0  # the logarithm of the smallest float64 above 0
Pieces = list[str] | None


def segment(text: str, log_probs: LogProbs) -> Pieces:
    """The right answer, by dynamic programming over the ends of pieces.

    >>> segment("abab", {"a": -3.0, "b": -3.0, "ab": -2.0, "aba": -2.5})
    ['ab', 'ab']
    """
    return _best(text, log_probs)


def _best(
    text: str,
    log_probs: LogProbs,
    *,
    score: Callable[[float], float] = lambda log_p: log_p,
    better: Callable[[float, float], bool] = lambda new, old: new > old,
    longest: int | None = None,
    floor: float = -math.inf,
) -> Pieces:
    """The best way to each position of the text, with one thing done differently."""
    longest = max(map(len, log_probs), default=0) if longest is None else longest
    best: dict[int, tuple[float, int]] = {0: (0.0, 0)}
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - longest), end):
            if start in best and text[start:end] in log_probs:
                total = best[start][0] + score(log_probs[text[start:end]])
                if total > floor and (end not in best or better(total, best[end][0])):
                    best[end] = total, start
    if len(text) not in best:
        return None
    pieces, end = [], len(text)
    while end:
        start = best[end][1]
        pieces.append(text[start:end])
        end = start
    return pieces[::-1]


def _greedy(text: str, log_probs: LogProbs, choose: Callable[[list[str]], str], from_the_end: bool = False) -> Pieces:
    """One piece after another, without looking further."""
    pieces: list[str] = []
    while text:
        ends = [text[-n:] if from_the_end else text[:n] for n in range(1, len(text) + 1)]
        fitting = [piece for piece in ends if piece in log_probs]
        if not fitting:
            return None
        piece = choose(fitting)
        pieces.append(piece)
        text = text[: -len(piece)] if from_the_end else text[len(piece) :]
    return pieces[::-1] if from_the_end else pieces


def _mean(text: str, log_probs: LogProbs) -> Pieces:
    """The segmentation with the highest mean per piece: the best for each number of pieces first."""
    best: list[dict[int, tuple[float, list[str]]]] = [{0: (0.0, [])}]
    for end in range(1, len(text) + 1):
        here: dict[int, tuple[float, list[str]]] = {}
        for start in range(end):
            piece = text[start:end]
            for n, (total, pieces) in best[start].items() if piece in log_probs else ():
                way = total + log_probs[piece], [*pieces, piece]
                here[n + 1] = max(here.get(n + 1, way), way)
        best.append(here)
    ways = best[-1]
    return ways[max(ways, key=lambda n: ways[n][0] / max(n, 1))][1] if ways else None


def _vocabulary(rng: random.Random, letters: str, n: int) -> LogProbs:
    """All letters, and up to n longer pieces that are mostly more probable than their parts."""
    drawn = {"".join(rng.choices(letters, k=rng.choice([2, 2, 3, 4]))) for _ in range(n)}
    pieces = [piece for piece in sorted(drawn) if piece not in (piece + piece)[1:-1]]  # no "aa": a, aa is aa, a
    log_probs = {letter: -rng.uniform(3, 6) for letter in letters}
    log_probs |= {piece: -rng.uniform(2, 4 + 2 * len(piece)) for piece in pieces}
    return {piece: round(log_p, 4) for piece, log_p in log_probs.items()}


def _call(rng: random.Random, letters: str, length: int, n: int, long_piece: int = 0, lower: float = 0.0) -> Call:
    """A text of this length and a vocabulary, with one best segmentation by a margin.

    With `long_piece`, the best segmentation has a piece of so many characters. `lower` comes off all log-probabilities.
    """
    while True:
        text, log_probs = "".join(rng.choices(letters, k=length)), _vocabulary(rng, letters, n)
        log_probs = {piece: log_p - lower for piece, log_p in log_probs.items()}
        if long_piece:
            log_probs[text[3 : 3 + long_piece]] = -1.5
        ways = [_best(text, log_probs, better=lambda new, old, by=by: new > old + by) for by in (1e-4, -1e-4)]
        if ways[0] == ways[1]:
            return text, log_probs


def _short(rng: random.Random) -> list[Call]:
    example = {"a": -3.0, "b": -3.0, "ab": -2.0, "aba": -2.5}
    words = [_call(rng, "abc", length, 12) for length in (3, 4, 5, 5, 6, 6, 7, 7, 8, 8)]
    few = {"ab": -2.0, "c": -1.0, "abc": -6.0, "bc": -2.5, "a": -4.0}  # no "b"
    return [("abab", example), ("a", example), ("abc", few), *words]


def _long(rng: random.Random) -> list[Call]:
    words = [_call(rng, letters, length, 30) for letters in ("abcd", "aé 語") for length in (30, 60, 200)]
    words += [_call(rng, "abcd", 200, 30, lower=8.0)]
    words += [_call(rng, "abcd", 100, 30, long_piece=n) for n in (8, 30, 90)]
    return [*words, ("a" * 60, {"a": -2.0, "aa": -3.1, "aaa": -4.6, "aaaa": -6.3})]


def _impossible(rng: random.Random) -> list[Call]:
    log_probs = _vocabulary(rng, "abc", 8)
    few = {"ab": -1.0, "ba": -2.5, "bab": -1.25, "c": -4.0}
    calls: list[Call] = [("", log_probs), ("abc", {"a": -3.0, "b": -3.0, "ab": -2.0}), ("abx", log_probs)]
    calls += [("xab", log_probs), ("abxba", log_probs), ("aba", few), ("abba", few), ("abbabc", few), ("abab", few)]
    return [
        *calls,
        ("bababab", few),
        ("baba", few),
        ("ABC", log_probs),
        ("abc", {"abc": -9.0}),
        ("bab", {"ba": -1.0, "bab": -50.0}),
    ]


SHORT = ("the example", "a single character", "a letter outside the vocabulary", *["short texts"] * 10)
LONG = (
    *["texts of up to 200 characters"] * 6,
    "improbable pieces",
    *["a long piece"] * 3,
    "a letter that repeats 60 times",
)
IMPOSSIBLE = (
    "an empty text",
    "an unknown character at the end",
    "an unknown character at the end",
    "an unknown character at the beginning",
    "an unknown character in the middle",
    *["letters that are no pieces"] * 6,
    "unknown capital letters",
    "the text itself as a piece",
    "an improbable piece that is the only way",
)


def _limited(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether all results are the best of pieces up to some length, or of totals above some number."""
    for longest in range(1, 90):
        limited = [_best(text, log_probs, longest=longest) for text, log_probs in calls]
        if difference(limited, got) is None:
            hint = "A piece may be as long as the text. Try every start, or as far back as the longest piece."
            return f"Only pieces of up to {longest} characters are tried.", hint
    for floor in (-10.0, -20.0, -50.0, -100.0, -200.0, -300.0, UNDERFLOW):
        if difference([_best(text, log_probs, floor=floor) for text, log_probs in calls], got) is None:
            missing = [call for call, wanted, gave in zip(calls, right, got, strict=True) if wanted and gave is None]
            total = max(
                sum(log_probs[piece] for piece in segment(text, log_probs) or []) for text, log_probs in missing
            )
            hint = "Only minus infinity is below every total: a text of 200 characters may have -500."
            if floor == UNDERFLOW:
                hint = "A product of so many probabilities is 0 in a float. Add their logarithms."
            return f"Texts whose total is low ({total:.4g} and less) are taken for ones that can't be made up.", hint
    return None


def _compare(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether the pieces make up the text, are in the vocabulary, and how far their total is from the best."""
    for (text, log_probs), wanted, gave in zip(calls, right, got, strict=True):
        if not difference(wanted, gave):
            continue
        if wanted is None and gave is not None:
            return f"The pieces can't make up {text!r}, and the result isn't None.", "Which total has such a text?"
        if gave is None:
            return f"{text!r} can be made up, and the result is None.", "For an empty text the result is []."
        if type(gave) not in (list, tuple) or any(type(piece) is not str for piece in gave):
            return None
        if unknown := [piece for piece in gave if piece not in log_probs]:
            return f"{unknown[0]!r} is not in the vocabulary.", "Use only pieces of `log_probs`."
        if "".join(gave) != text:
            return f"Joined, the pieces are {''.join(gave)!r}, and the text is {text!r}.", "Lose no character."
        mine, due = (sum(log_probs[piece] for piece in pieces) for pieces in (gave, wanted or []))
        hint = "Compute the best total of each beginning of the text by hand, from the shortest on."
        return f"The pieces of {text!r} have the total {mine:.4g}, and the best have {due:.4g}.", hint
    return None


question = Question(
    "01.3", "The most probable segmentation", segment, forbidden=("minillm", "tokenizers", "sentencepiece")
)


def _none_is_right(right: Any, got: Any) -> str | None:
    return None if right is None else a_list(right, got)


short = question.probe("short texts", _short, demand=_none_is_right, kinds=SHORT, at_last=_compare)
short.mistake(
    "It takes the longest piece that fits, again and again.",
    "The longest piece may leave a rest that is expensive. Compare totals of whole segmentations.",
    partial(_greedy, choose=lambda fitting: fitting[-1]),
)
short.mistake(
    "It takes the most probable piece that fits, again and again.",
    "A probable piece may leave a rest that is expensive. Compare totals of whole segmentations.",
    lambda text, log_probs: _greedy(text, log_probs, lambda fitting: max(fitting, key=lambda piece: log_probs[piece])),
)
short.mistake(
    "It takes the longest piece that fits, from the end.",
    "The longest piece may leave a rest that is expensive. Compare totals of whole segmentations.",
    partial(_greedy, choose=lambda fitting: fitting[-1], from_the_end=True),
)
for _decides in (0.0, 1e-6):  # a tie is left to the order, or to the probabilities
    short.mistake(
        "It finds the fewest pieces, whatever their probabilities.",
        "Two probable pieces may have a higher total than an improbable one.",
        partial(_best, score=lambda log_p, weight=_decides: weight * log_p - 1.0),
    )
short.mistake(
    "It finds the least probable segmentation.",
    "Log-probabilities are below 0, and the best total is the largest, the one nearest to 0.",
    partial(_best, better=lambda new, old: new < old),
)
short.mistake(
    "It adds up probabilities, and not their logarithms.",
    "Probabilities of pieces are multiplied, so their logarithms are added. They are in `log_probs` already.",
    partial(_best, score=math.exp),
)
short.mistake(
    "Every piece is a single character.",
    "Look at all pieces that end at a position, not only at the last character.",
    lambda text, log_probs: list(text) if all(character in log_probs for character in text) else None,
)
short.mistake(
    "It compares the mean log-probability per piece.",
    "The probability of a segmentation is the product of all its pieces: compare sums.",
    _mean,
)


@short.mistake(
    "The start is stored even where its total is not better: the way back follows the last start that fits.",
    "Store the start only where its total is larger, together with the total.",
)
def _last_start(text, log_probs):
    pieces, end = [], len(text)
    while end:
        fitting = [n for n in range(end) if text[n:end] in log_probs and segment(text[:n], log_probs) is not None]
        if not fitting:
            return None
        pieces.append(text[fitting[-1] : end])
        end = fitting[-1]
    return pieces[::-1]


@short.mistake(
    "The pieces are in the reverse order.", "If you walk back from the end, reverse the list before you return it."
)
def _reverse(text, log_probs):
    found = segment(text, log_probs)
    return None if found is None else found[::-1]


long = question.probe(
    "long texts", _long, _limited, short.mistakes[:2], demand=_none_is_right, kinds=LONG, at_last=_compare
)

impossible = question.probe(
    "texts that can't be made up, and an empty one",
    _impossible,
    demand=_none_is_right,
    kinds=IMPOSSIBLE,
    at_last=_compare,
)
impossible.mistake(
    "A text that can't be made up gives [] and not None.",
    "`[]` is the segmentation of an empty text only.",
    lambda text, log_probs: segment(text, log_probs) or [],
)
impossible.mistake(
    "The result is None for an empty text.",
    "An empty text has a segmentation: no pieces, `[]`.",
    lambda text, log_probs: segment(text, log_probs) or None,
)
impossible.mistake(
    "An unknown character is kept as a piece of its own.",
    "This question has no piece for unknown characters: the result is None.",
    lambda text, log_probs: segment(text, dict.fromkeys(text, -100.0) | log_probs),
)
impossible.mistake(
    "Unknown characters are left out of the result.",
    "The pieces must make up the whole text. If they can't, the result is None.",
    lambda text, log_probs: segment("".join(c for c in text if c in set("".join(log_probs))), log_probs),
)


@impossible.mistake(
    "Only the part that can be made up is returned.",
    "The pieces must make up the whole text. If they can't, the result is None.",
)
def _beginning(text, log_probs):
    return next(found for n in range(len(text), -1, -1) if (found := segment(text[:n], log_probs)) is not None)
