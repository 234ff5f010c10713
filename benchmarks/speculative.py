"""Whether guessing ahead pays here: SmolLM2-135M by speculative decoding against the same weights by plain decoding.

    python benchmarks/speculative.py            # needs the weights: minillm fetch smollm2-135m-instruct
    python benchmarks/speculative.py --json --rounds 5

Three questions, answered greedily: one to quote a text, one to sum it up, one without a text to copy from. Contestants
take turns in one process, the best round counts; `gain` is against plain decoding of the same weights. Guesses are
looked up in the text so far, or written by the 4-bit weights where the model is in float32. `same` says whether the
text is that of plain decoding, which rounding may prevent where two tokens nearly tie. Passes over several tokens are
timed by themselves, for they are the price.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from common import write_result
from decode import NAME, pace

from minillm.data.chat import encode_chat
from minillm.inference.decode import decoder
from minillm.inference.generate import stream
from minillm.inference.speculative import PromptLookup, Tally, speculate
from minillm.model.transformer import Transformer
from minillm.pretrained import load

TEXT = (
    "The old bridge over the river Aller was built in 1783 by a mason who had lost his way. He meant to build a mill, "
    "but the stones were too long and the water too quick, so he laid them from bank to bank and asked a penny of "
    "everyone who crossed. In ten years he had enough pennies for three mills. He built none, because by then he liked "
    "the bridge better, and the people who crossed it."
)
QUESTIONS = {
    "quote": f"Repeat this text word for word:\n\n{TEXT}",
    "sum up": f"Summarise this text in two sentences:\n\n{TEXT}",
    "chat": "Why is the sea salty, and rivers are not?",
}
NEW, PAST, LENGTHS = 96, 256, (1, 5, 11)  # new tokens; tokens before a timed pass, and in it
DRAFTS = {"none": None, "look-up, 4 guesses": 4, "look-up, 10 guesses": 10, "4-bit weights, 4 guesses": 4}


def pass_milliseconds(model: Transformer, rounds: int) -> dict[str, float]:
    """The best time of one pass over a few tokens behind PAST others, by the readable form and by the fast step."""
    cache, ids = model.new_cache(1, PAST + max(LENGTHS)), torch.arange(PAST + max(LENGTHS)).unsqueeze(0)
    passes: dict[str, Callable[[], object]] = {
        f"{length} tokens": lambda length=length: model(ids[:, :length], cache) for length in LENGTHS
    }
    if (fast := decoder(model)) is not None:
        for length in LENGTHS:
            passes[f"{length} tokens, fast step"] = lambda length=length: fast(ids[:, :length], cache)
    best = dict.fromkeys(passes, float("inf"))
    with torch.no_grad():
        model(ids[:, :PAST], cache)
        for _ in range(5 * rounds):
            for name, run in passes.items():
                start = time.perf_counter()
                run()
                best[name] = min(best[name], 1000 * (time.perf_counter() - start))
                cache.truncate(PAST)
    return best


def measure(rounds: int) -> dict[str, object]:
    (float32, tokenizer), (native, _) = load(NAME), load(NAME, weights="native")
    models, prompts = {"float32": float32, "native": native}, {}
    for name, question in QUESTIONS.items():
        prompts[name] = encode_chat(tokenizer, [{"role": "user", "content": question}])

    def row(weights: str, name: str, question: str) -> dict[str, object]:
        draft, tally, texts = native if name.startswith("4-bit") else PromptLookup(), Tally(), []
        settings = dict(temperature=0, stop=[tokenizer.eos_id])

        def write(ids: list[list[int]], new: int):
            if DRAFTS[name] is None:
                steps = stream(models[weights], ids[0], new, **settings)
            else:
                steps = speculate(models[weights], ids[0], new, draft, n_draft=DRAFTS[name], tally=tally, **settings)
            for token in steps:
                texts.append(token)
                yield token

        speed = pace(write, [prompts[question]], NEW)["tokens_per_second"]
        passes = {"tokens_per_pass": tally.tokens_per_pass, "accepted": tally.accepted, "proposed": tally.proposed}
        plain = {"weights": weights, "draft": name, "question": question, "tokens_per_second": speed, "text": texts}
        return plain if DRAFTS[name] is None else plain | passes

    contestants = [
        (weights, name, question)
        for weights in models
        for question in QUESTIONS
        for name in DRAFTS
        if weights == "float32" or not name.startswith("4-bit")
    ]
    best: dict[tuple[str, str, str], dict[str, object]] = {}
    for _ in range(rounds):
        for one in contestants:
            found = row(*one)
            if one not in best or found["tokens_per_second"] > best[one]["tokens_per_second"]:
                best[one] = found
    for (weights, _, question), found in best.items():
        plain = best[weights, "none", question]
        found["gain"] = found["tokens_per_second"] / plain["tokens_per_second"]
        found["same"] = found["text"] == plain["text"]
    rows = [{key: value for key, value in found.items() if key != "text"} for found in best.values()]
    passes = {weights: pass_milliseconds(model, rounds) for weights, model in models.items()}
    return {"threads": torch.get_num_threads(), "rows": rows, "pass_milliseconds": passes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()
    result = measure(arguments.rounds)
    for row in result["rows"]:
        guessed = f"{row['tokens_per_pass']:.2f} a pass" if "tokens_per_pass" in row else ""
        same = "" if row["same"] else "another text"
        print(
            f"{row['weights']:9}{row['question']:8}{row['draft']:26}{row['tokens_per_second']:7.1f} tok/s"
            f"{row['gain']:6.2f} x  {guessed:12} {same}"
        )
    for weights, costs in result["pass_milliseconds"].items():
        print(f"a pass, {weights}: " + ", ".join(f"{name} {cost:.1f} ms" for name, cost in costs.items()))
    write_result("speculative", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
