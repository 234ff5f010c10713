"""Loops, low temperatures and cuts: what SmolLM2-135M writes after 24 prompts, and how surprised it is by it.

    python benchmarks/loops.py                       # about ten minutes on one thread
    python benchmarks/loops.py --prompts 4 --json

- Loops: the last 24 tokens repeat those p tokens before, p at most 56. The rule was fixed before any run; texts that
  nobody repeated are its control. A text that ended earlier isn't a loop.
- Rounds: the probability per token of a sentence that is repeated, by round; beside it, as many different sentences.
- T = 0.1 against greedy: the first token that departs; and exactly, the probability that none of n tokens does.
- Surprise: the loss of a continuation under the model at temperature 1, in nats per token; that of written texts, too.
- Cuts before and after the temperature, by the same measure.

What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from common import write_result
from loops_data import NONSENSE, PROMPTS, TRUE
from measures import bootstrap_interval, stored, texts, wilson
from torch import Tensor

from minillm.analysis.surgery import prompt_ids
from minillm.inference.generate import generate
from minillm.inference.sampling import Sampling
from minillm.inference.scoring import log_probs
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
WINDOW, LONGEST = 24, 56  # tokens that must repeat, and the longest period
LENGTHS = (80, 160, 320)
SHORT = 40  # tokens of a continuation where loops aren't the question
ROUNDS, RUNNER_UP = 8, 0.05
COLD, COLD_SEEDS, ALONE = 0.1, 2, 40


@dataclass(frozen=True)
class CutFirst(Sampling):
    """Cuts the distribution at temperature 1, and only then applies the temperature."""

    def filter(self, logits: Tensor, seen: Tensor) -> Tensor:
        return Sampling(top_p=self.top_p, min_p=self.min_p).filter(logits, seen) / self.temperature


LONG_SETTINGS = {"T 0.3": Sampling(temperature=0.3), "T 0.7": Sampling(temperature=0.7), "T 1": Sampling()}
SHORT_SETTINGS = {
    "T 1.5": Sampling(temperature=1.5),
    "T 100": Sampling(temperature=100.0),
    "min-p 0.3": Sampling(min_p=0.3),
    "min-p 0.3, then T 100": CutFirst(temperature=100.0, min_p=0.3),
    "T 100, then min-p 0.3": Sampling(temperature=100.0, min_p=0.3),
    "top-p 0.9": Sampling(top_p=0.9),
    "top-p 0.9, then T 1.5": CutFirst(temperature=1.5, top_p=0.9),
    "T 1.5, then top-p 0.9": Sampling(temperature=1.5, top_p=0.9),
}


def period(ids: Sequence[int], window: int = WINDOW, longest: int = LONGEST) -> int | None:
    """The smallest p such that the last `window` tokens repeat those p before, or None.

    >>> period([7, 1, 2, 1, 2, 1, 2], window=4), period([1, 2, 3, 1, 2, 4], window=3)
    (2, None)
    """
    ids, n = list(ids), len(ids)
    for p in range(1, min(longest, n - window) + 1):
        if ids[n - window :] == ids[n - window - p : n - p]:
            return p
    return None


def departs(ids: Sequence[int], other: Sequence[int]) -> int | None:
    """The index of the first token in which two continuations differ, or None.

    >>> departs([5, 6, 7], [5, 6, 8]), departs([5, 6], [5, 6])
    (2, None)
    """
    for index, (token, another) in enumerate(zip(ids, other, strict=False)):
        if token != another:
            return index
    return None if len(ids) == len(other) else min(len(ids), len(other))


def ends(tokenizer: Tokenizer) -> list[int]:
    """The tokens that end a text."""
    return sorted({tokenizer.special_tokens["<|endoftext|>"], tokenizer.eos_id} - {None})  # pyright: ignore


def continued(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[str], n: int, sampling: Sampling, seed: int = 0
) -> list[dict]:
    """Up to n tokens after each prompt, with the surprise of each token."""
    starts = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    made = generate(model, starts, n, sampling, stop=ends(tokenizer), seed=seed)
    rows = []
    for prompt, start, ids in zip(prompts, starts, made, strict=True):
        surprise, new = (-log_probs(model, ids)[len(start) - 1 :]).tolist(), ids[len(start) :]
        rows.append({"prompt": prompt, "seed": seed, "text": tokenizer.decode(new), "ids": new})
        rows[-1]["surprise"] = [round(value, 4) for value in surprise]
    return rows


def mean_of(values: Sequence[float]) -> dict[str, float]:
    low, high = bootstrap_interval(values, fmean)
    return {"mean": fmean(values), "low": low, "high": high}


def surprise_of(rows: Sequence[dict], n: int) -> dict[str, float]:
    """Nats per token over the first n tokens, with an interval over texts."""
    return mean_of([fmean(row["surprise"][:n]) for row in rows])


def loops_of(rows: Sequence[dict], lengths: Sequence[int]) -> dict:
    """How many continuations end in a loop after n tokens, how many ended before, and the periods."""
    found = {}
    for n in lengths:
        periods = [period(row["ids"][:n]) if len(row["ids"]) >= n else None for row in rows]
        repeated = [p for p in periods if p is not None]
        found[str(n)] = wilson(len(repeated), len(rows)) | {
            "ended": sum(len(row["ids"]) < n for row in rows),
            "median period": median(repeated) if repeated else None,
            "prompts": sorted({row["prompt"] for row, p in zip(rows, periods, strict=True) if p is not None}),
        }
    return found


@torch.no_grad()
def equal_to_greedy(model: Transformer, start: Sequence[int], new: Sequence[int], T: float) -> list[float]:
    """The exact probability that a draw at temperature T repeats the first 1, 2, ... of greedy's new tokens."""
    logits = model(torch.tensor([[*start, *new]]))[0, len(start) - 1 : -1]
    return (logits.double() / T).softmax(-1).max(-1).values.cumprod(0).tolist()


def cold(model: Transformer, tokenizer: Tokenizer, greedy: Sequence[dict], n: int = 60) -> dict:
    """T = 0.1 against greedy: draws, exact probabilities, and greedy once more by itself as the control."""
    prompts = [row["prompt"] for row in greedy]
    draws = [
        row
        for seed in range(COLD_SEEDS)
        for row in continued(model, tokenizer, prompts, n, Sampling(temperature=COLD), seed)
    ]
    alone = [continued(model, tokenizer, [prompt], ALONE, Sampling(temperature=0))[0] for prompt in prompts[:8]]
    exact = [equal_to_greedy(model, prompt_ids(tokenizer, row["prompt"]), row["ids"][:n], COLD) for row in greedy]
    where = [departs(row["ids"], greedy[index % len(greedy)]["ids"][:n]) for index, row in enumerate(draws)]
    result: dict = {"departs": where, "prompts": len(prompts), "seeds": COLD_SEEDS}
    result["control departs"] = [departs(a["ids"], g["ids"][:ALONE]) for a, g in zip(alone, greedy, strict=False)]
    result["median"] = median(n if index is None else index for index in where)
    for length in (10, 20, 40, 60):
        still = [index is None or index >= length for index in where]
        expected = mean_of([row[min(length, len(row)) - 1] for row in exact])
        result[f"equal for {length}"] = {"drawn": wilson(sum(still), len(still)), "exact": expected}
    return result


@torch.no_grad()
def by_round(model: Transformer, tokenizer: Tokenizer, rounds: Sequence[Sequence[int]]) -> dict[str, list[float]]:
    """Mean probability and mean surprise per token of each round; a round is a list of ids."""
    ids = prompt_ids(tokenizer, "")
    for each in rounds:
        ids = [*ids, *each]
    found, at = log_probs(model, ids), 0
    result: dict[str, list[float]] = {"probability": [], "surprise": []}
    for each in rounds:
        part = found[at : at + len(each)]
        at += len(each)
        result["probability"].append(part.exp().mean().item())
        result["surprise"].append(-part.mean().item())
    return result


def rounds(model: Transformer, tokenizer: Tokenizer) -> dict:
    """Repeated sentences by round: true, nonsense, random tokens; and different sentences as the control."""
    rng = random.Random(0)
    kinds = {
        name: [tokenizer.encode(f" {line}") for line in lines]
        for name, lines in (("true", TRUE), ("nonsense", NONSENSE))
    }
    kinds["random tokens"] = [[rng.randrange(100, tokenizer.vocab_size) for _ in range(12)] for _ in TRUE]
    result = {}
    for name, lines in kinds.items():
        n = len(lines)
        cases = {
            name: [[line] * ROUNDS for line in lines],
            f"{name}, all different": [[lines[(first + at) % n] for at in range(ROUNDS)] for first in range(n)],
        }
        for case, made in cases.items():
            found = [by_round(model, tokenizer, each) for each in made]
            for key in ("probability", "surprise"):
                columns = zip(*(row[key] for row in found), strict=True)
                result.setdefault(case, {})[key] = [mean_of(column) for column in columns]
    return result


@torch.no_grad()
def of_written(model: Transformer, tokenizer: Tokenizer) -> dict:
    """The written texts: surprise, share of positions whose runner-up stays likely at T = 0.1, and loops."""
    written = [text for text, kind in zip(texts(), texts(field="kind"), strict=True) if kind == "written"]
    shares, surprise, looping = [], [], 0
    for text in written:
        ids = prompt_ids(tokenizer, text)
        logits = model(torch.tensor([ids]))[0, :-1]
        second = (logits.double() / COLD).softmax(-1).topk(2).values[:, 1]
        shares.append((second > RUNNER_UP).double().mean().item())
        surprise.append((-log_probs(model, ids)[8 : 8 + SHORT]).mean().item())  # past what a prompt would hold
        looping += period(ids) is not None
    every = [period(prompt_ids(tokenizer, text)) is not None for text in texts()]
    return {
        "texts": len(written),
        "runner-up": mean_of(shares) | {"lowest": min(shares), "highest": max(shares)},
        "surprise": mean_of(surprise) | {"lowest": min(surprise), "highest": max(surprise)},
        "loops": wilson(looping, len(written)),
        "loops in all texts": wilson(sum(every), len(every)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--seeds", type=int, default=1, help="of the long continuations that are drawn")
    parser.add_argument("--folder", type=Path, default=Path("runs/loops"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (model, tokenizer), prompts = load(MODEL), PROMPTS[: arguments.prompts]
    folder = arguments.folder / str(len(prompts))

    def kept(name: str, make: Callable[[], Any]) -> Any:
        made = stored(folder / f"{name}.json", make)
        print(f"{name}: done", flush=True)
        return made

    result: dict = {
        "model": MODEL,
        "prompts": list(prompts),
        "seeds": arguments.seeds,
        "window": WINDOW,
        "longest period": LONGEST,
    }
    rows = {
        "greedy": kept("greedy", lambda: continued(model, tokenizer, prompts, LENGTHS[-1], Sampling(temperature=0)))
    }
    result["rounds"] = kept("rounds", lambda: rounds(model, tokenizer))
    result["written"] = kept("written", lambda: of_written(model, tokenizer))
    result["cold"] = kept("cold", lambda: cold(model, tokenizer, rows["greedy"]))
    for name, sampling in SHORT_SETTINGS.items():
        rows[name] = kept(name, lambda s=sampling: continued(model, tokenizer, prompts, SHORT, s))
    for seed in range(arguments.seeds):
        for name, how in LONG_SETTINGS.items():
            made = kept(
                f"{name}, {seed}", lambda h=how, s=seed: continued(model, tokenizer, prompts, LENGTHS[-1], h, s)
            )
            rows[name] = [*rows.get(name, []), *made]
    result["loops"] = {name: loops_of(rows[name], LENGTHS) for name in ("greedy", *LONG_SETTINGS)}
    result["surprise"] = {name: surprise_of(made, SHORT) for name, made in rows.items()}
    result["surprise, whole"] = {name: surprise_of(rows[name], LENGTHS[-1]) for name in ("greedy", *LONG_SETTINGS)}
    result["texts"] = {name: [row["text"] for row in made[:4]] for name, made in rows.items()}
    for key in ("loops", "surprise", "surprise, whole", "written", "cold"):
        print(f"{key}: {json.dumps(result[key])}")
    print(f"written to {write_result('loops', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
