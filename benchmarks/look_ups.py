"""How much of what SmolLM2 writes could have been copied: tokens per pass with drafts that need no model.

    python benchmarks/look_ups.py            # a minute or two on a free core; minillm fetch smollm2-135m-instruct

Eight texts are quoted, the same eight are summarized, and eight questions have no text (`copies.json`). The model
answers greedily, at most 64 tokens. At temperature 0, a guess is kept if it's the token that the model would have
written, so the passes that a draft needs follow from the answer alone: they are counted, not timed. A test holds the
count against lesson 12's engine. The answers are written by the native weights, which are the quickest.

The look-up guesses what followed the last 3 tokens where they last occurred in the text so far. Controls: the last 2 or
1 tokens, the same look-up in another conversation's prompt, the most frequent next token (counted in documentation, and
again from that one), and random tokens.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import write_result
from paired import over_seeds

from minillm import generate, load
from minillm.course.own_model import REAL_MODEL
from minillm.course.turns.inference_engine import look_up
from minillm.data.chat import encode_chat
from minillm.data.corpora import load_corpus
from minillm.files import read_json

TEXTS = Path(__file__).with_name("copies.json")
NEW, GUESSES = 64, 8
ORDERS = {"quotation": "Repeat this text word for word:", "summary": "Summarize this text in one sentence:"}
Draft = Callable[[Sequence[int], int], Sequence[int]]  # of the text so far and how many, the guesses


def prompts() -> dict[str, dict[str, str]]:
    """The messages by kind and name.

    >>> {kind: len(rows) for kind, rows in prompts().items()}
    {'quotation': 8, 'summary': 8, 'question': 8}
    """
    found = read_json(TEXTS)
    asked = {
        kind: {name: f"{order}\n\n{text}" for name, text in found["texts"].items()} for kind, order in ORDERS.items()
    }
    return {**asked, "question": found["questions"]}


def passes_for(prompt: Sequence[int], new: Sequence[int], draft: Draft, n_guesses: int = GUESSES) -> int:
    """The passes that a model needs for `new`, its greedy answer, if it checks the draft's guesses.

    The pass over the prompt gives the first token; each later one gives the right guesses and one token more.

    >>> [passes_for([1, 2], [3, 4, 5, 6], draft) for draft in (lambda text, n: [4, 5, 9], lambda text, n: [])]
    [2, 4]
    """
    passes, known = 1, 1
    while known < len(new):
        passes += 1
        for guess in draft([*prompt, *new[:known]], n_guesses):
            if known == len(new) or guess != new[known]:
                break
            known += 1
        known += 1
    return passes


def bigrams(ids: Sequence[int]) -> dict[int, int]:
    """The token that most often follows each.

    >>> bigrams([1, 2, 1, 3, 1, 3])
    {1: 3, 2: 1, 3: 1}
    """
    followers: dict[int, Counter[int]] = {}
    for first, second in pairwise(ids):
        followers.setdefault(first, Counter())[second] += 1
    return {first: counts.most_common(1)[0][0] for first, counts in followers.items()}


def chain(table: dict[int, int], text: Sequence[int], n_guesses: int) -> list[int]:
    """Guess the most frequent follower, and the follower of that, as far as the table goes.

    >>> chain({1: 3, 3: 1}, [2, 1], 3), chain({}, [1], 3)
    ([3, 1, 3], [])
    """
    guesses: list[int] = []
    while len(guesses) < n_guesses and (last := (guesses or text)[-1]) in table:
        guesses.append(table[last])
    return guesses


def drafts(prompt: Sequence[int], other: Sequence[int], table: dict[int, int], n_tokens: int) -> dict[str, Draft]:
    """The look-up and its controls; `other` is a prompt of the same kind about something else."""
    rng = random.Random(0)
    by_last: dict[str, Draft] = {
        f"look-up, last {n}": lambda text, k, n=n: look_up(list(text), n, k) for n in (3, 2, 1)
    }
    return {
        **by_last,
        "look-up, another prompt": lambda text, k: look_up([*other, *text[len(prompt) :]], 3, k),
        "bigram": partial(chain, table),
        "random tokens": lambda text, k: [rng.randrange(n_tokens) for _ in range(k)],
    }


def measure(new: int) -> dict[str, Any]:
    """Answer every message, and count the passes of each draft."""
    model, tokenizer = load(REAL_MODEL, weights="native")
    table = bigrams(tokenizer.encode("\n\n".join(load_corpus("python-docs").train)))
    rows: list[dict[str, Any]] = []
    for kind, messages in prompts().items():
        asked = [encode_chat(tokenizer, [{"role": "user", "content": message}]) for message in messages.values()]
        for name, ids, other in zip(messages, asked, [*asked[1:], asked[0]], strict=True):
            written = generate(model, ids, new, temperature=0, stop=[tokenizer.eos_id or 0])
            answer = written[len(ids) :]
            passes = {
                draft: passes_for(ids, answer, guess)
                for draft, guess in drafts(ids, other, table, model.config.vocab_size).items()
            }
            per_pass = {draft: len(answer) / count for draft, count in passes.items()}
            row = {"kind": kind, "name": name, "tokens": len(answer), "passes": passes, "tokens per pass": per_pass}
            rows.append({**row, "answer": tokenizer.decode(answer)})
            print(f"{kind:10}{name:12}{len(answer):3} tokens", *(f"{each:5.2f}" for each in per_pass.values()))
    return {"settings": {"new": new, "guesses": GUESSES}, "rows": rows, "summary": summary(rows)}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tokens per pass by kind and draft: mean with its 95% t-interval, range, and how many reach 2."""
    found: dict[str, dict[str, Any]] = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        found[kind] = {}
        for draft in rows[0]["tokens per pass"]:
            values = [row["tokens per pass"][draft] for row in rows if row["kind"] == kind]
            spread = {"least": min(values), "most": max(values), "n": len(values)}
            found[kind][draft] = {**over_seeds(values), **spread, "at least 2": sum(value >= 2 for value in values)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--new", type=int, default=NEW, help="tokens per answer, at most")
    result = measure(parser.parse_args().new)
    for kind, by_draft in result["summary"].items():
        for draft, row in by_draft.items():
            interval = f"({row['low']:.2f} to {row['high']:.2f})"
            print(f"{kind:10}{draft:25}{row['mean']:5.2f} {interval}, {row['at least 2']} of {row['n']} at least 2")
    write_result("look_ups", result)


if __name__ == "__main__":
    main()
