"""Is 9.11 more than 9.9? SmolLM2-135M on matched pairs of numbers, in both orders and four wordings.

    python benchmarks/compare_numbers.py                  # about three minutes on one thread
    python benchmarks/compare_numbers.py --wordings 1 --json

The model completes "The larger of the two numbers 9.11 and 9.9 is 9." and answers with the more probable of the two
digits that begin what comes after the point. If two digits against one were the problem, 9.9 against 9.11 would go
worse than 9.9 against 9.1, the control: its answer tokens are the same. Each pair is asked in both orders, so a model
that always repeats the number named last is right in exactly half.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from common import write_result
from measures import bootstrap_interval

from minillm.analysis.surgery import prompt_ids
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
WORDINGS = {  # {n} is the part before the point, which both numbers share; True: the larger one is asked for
    "The larger of the two numbers {a} and {b} is {n}.": True,
    "Which is larger, {a} or {b}? The larger number is {n}.": True,
    "Question: Which number is bigger, {a} or {b}?\nAnswer: {n}.": True,
    "The smaller of the two numbers {a} and {b} is {n}.": False,
}
WHOLE = (1, 3, 5, 7, 9)  # before the point
LARGE = "23456789"  # first digit after the point of the larger number
BATCH = 40


@dataclass(frozen=True)
class Pair:
    """Two numbers with the same whole part, by what follows the point."""

    whole: int
    larger: str
    smaller: str


def matched(larger: str, smaller: str) -> list[Pair]:
    """Pairs of `larger`, where d stands for 2 to 9, and `smaller`, which begins with 1."""
    return [Pair(whole, larger.replace("d", digit), smaller) for whole in WHOLE for digit in LARGE]


CONDITIONS = {f"{larger} against {smaller}": matched(larger, smaller) for larger, smaller in (
    ("d", "1"), ("d", "11"), ("d", "13"), ("d", "19"), ("d", "111"), ("d0", "10"), ("d0", "11"),
)}  # fmt: skip
CONDITIONS["all single digits"] = [
    Pair(whole, large, small) for whole in (1, 5, 9) for large in "123456789" for small in "123456789" if large > small
]


@torch.no_grad()
def ask(
    model: Transformer, tokenizer: Tokenizer, wording: str, pairs: Sequence[Pair], larger_last: bool
) -> list[tuple[bool, bool]]:
    """For each pair, whether the model says the larger number, and whether its likeliest token is one of the two."""
    rows, digits = [], []
    for pair in pairs:
        both = [pair.smaller, pair.larger] if larger_last else [pair.larger, pair.smaller]
        a, b = (f"{pair.whole}.{decimals}" for decimals in both)
        rows.append(prompt_ids(tokenizer, wording.format(a=a, b=b, n=pair.whole)))
        digits.append([tokenizer.encode(decimals)[0] for decimals in (pair.larger, pair.smaller)])
    answers = []
    for start in range(0, len(rows), BATCH):
        logits = model.head(model.hidden(torch.tensor(rows[start : start + BATCH]))[:, -1])
        two = logits.gather(1, torch.tensor(digits[start : start + BATCH]))
        answers += zip((two[:, 0] > two[:, 1]).tolist(), (two.amax(1) == logits.amax(1)).tolist(), strict=True)
    return answers


def scores(first: Sequence[bool], last: Sequence[bool], larger: bool) -> dict[str, float]:
    """Share of right answers and of answers that repeat the number named last.

    `first` and `last` say of each pair whether the model answered the larger number where it was named first and where
    it was named last; `larger` whether it was asked for it.

    >>> scores([False, False], [True, True], larger=True)
    {'right': 0.5, 'named_last': 1.0}
    """
    said_larger = fmean([*first, *last])
    named_last = fmean([*(not said for said in first), *last])
    return {"right": said_larger if larger else 1 - said_larger, "named_last": named_last}


def summary(answers: Mapping[str, Sequence[tuple[bool, bool]]], larger: bool) -> dict:
    """The scores over the pairs of a condition, with an interval over the pairs."""
    pairs = [(first[0], last[0]) for first, last in zip(answers["first"], answers["last"], strict=True)]

    def of(chosen: Sequence[tuple[bool, bool]]) -> dict[str, float]:
        return scores([first for first, _ in chosen], [last for _, last in chosen], larger)

    made = of(pairs)
    for key in ("right", "named_last"):
        made[f"{key} interval"] = bootstrap_interval(pairs, lambda chosen, key=key: of(chosen)[key])  # pyright: ignore
    every = [*answers["first"], *answers["last"]]
    return made | {"questions": len(every), "one_of_the_two": fmean(likeliest for _, likeliest in every)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordings", type=int, default=len(WORDINGS), help="how many of them")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    rows = []
    for wording in list(WORDINGS)[: arguments.wordings]:
        for condition, pairs in CONDITIONS.items():
            orders = {"first": False, "last": True}
            answers = {order: ask(model, tokenizer, wording, pairs, last) for order, last in orders.items()}
            rows.append({"wording": wording, "condition": condition} | summary(answers, WORDINGS[wording]))
            row = rows[-1]
            print(
                f"{wording!r:65} {condition:18} right {row['right']:.2f}, named last {row['named_last']:.2f}, "
                f"of {row['questions']}; {row['one_of_the_two']:.2f} say one of the two",
                flush=True,
            )
    result = {"model": MODEL, "rows": rows}
    print(f"written to {write_result('compare_numbers', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
