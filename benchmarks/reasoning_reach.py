"""Does RL reach problems that the model could not solve before, or solve the same ones more often? pass@k to k = 512.

    python benchmarks/reasoning_reach.py                      # three seeds, 512 answers to each of 60 chains
    python benchmarks/reasoning_reach.py --seeds 1 --streams 2    # the models that ship, on two streams of 60 chains

Asks the course's solver and the same model after GRPO (`models.solver`, `models.reasoning`), one pair per seed, and
counts for each chain how many answers end right and how many show right steps as well, which a guess does not. A seed
that does not ship is trained first and kept in the cache. The counts are kept, so that anybody's pass@k can be computed
from them. One thread. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import itertools
from pathlib import Path
from statistics import fmean

import torch
from common import write_result

from minillm.analysis.reasoning import many_answers, sound
from minillm.course import models
from minillm.course.recipes.chat import problems
from minillm.files import read_json, write_json
from minillm.posttraining.verifiers import pass_at_k

STREAM = 6_000_000  # the seed of the chains, beyond all seeds used in training
CHAINS, ANSWERS, AT_ONCE = 60, 512, 64
KS = (1, 8, 64, 128, 256, 512)
MODELS = {"before": models.solver, "after": models.reasoning}


def count(when: str, seed: int, stream: int, answers: int) -> dict[str, list[int]]:
    """For each chain, how many of the model's answers have the right result, and how many the right steps."""
    model, tokenizer = MODELS[when](seed)
    chains = problems({"chain": 1}, CHAINS, STREAM + seed + 1000 * stream, "held-out")
    counts = {"result": [0] * CHAINS, "steps": [0] * CHAINS}
    for draw in range(-(-answers // AT_ONCE)):
        texts = many_answers(model, tokenizer, chains, min(AT_ONCE, answers), seed=1_000_000 * draw + seed)
        for index, (chain, said) in enumerate(zip(chains, texts, strict=True)):
            counts["result"][index] += sum(map(chain.check, said))
            counts["steps"][index] += sum(sound(chain, text) for text in said)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="each has its own solver, training and problems")
    parser.add_argument("--streams", type=int, default=1, help="of problems, for each seed")
    parser.add_argument("--answers", type=int, default=ANSWERS, help="per chain; a multiple of 64, or less than 64")
    parser.add_argument("--folder", type=Path, default=Path("runs/reasoning_reach"), help="keeps what is done")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for seed, stream in itertools.product(range(arguments.seeds), range(arguments.streams)):
        runs.append({})
        for when in MODELS:
            out = arguments.folder / f"{when}-{seed}-{stream}-{arguments.answers}.json"
            if not out.exists():
                out.parent.mkdir(parents=True, exist_ok=True)
                write_json(out, count(when, seed, stream, arguments.answers))
            runs[-1][when] = read_json(out)
            for kind, counts in runs[-1][when].items():
                shares = {k: fmean(pass_at_k(arguments.answers, c, k) for c in counts) for k in KS}
                told = ", ".join(f"{share:.2f} at {k}" for k, share in shares.items() if k <= arguments.answers)
                print(
                    f"seed {seed}.{stream}, {when:6} by right {kind:6} {told}; never in {counts.count(0)} chains",
                    flush=True,
                )
    together = {
        when: {kind: [c for run in runs for c in run[when][kind]] for kind in ("result", "steps")} for when in MODELS
    }
    result = {"answers": arguments.answers, "seeds": arguments.seeds, "counts": together}
    print(f"written to {write_result('reasoning_reach', result)}")


if __name__ == "__main__":
    main()
