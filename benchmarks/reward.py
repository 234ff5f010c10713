"""The course's reward model over several seeds: its accuracy relative to the Bayes ceiling, and its calibration.

    python benchmarks/reward.py                   # three seeds, a quarter of an hour each on one core
    python benchmarks/reward.py --seeds 1 --json

Each run is `minillm reward` with its defaults in a separate process, on a quiet machine, starting from the course's
chat model. `expected` is the probability that a rater prefers what the model prefers; it cannot exceed `ceiling`.
`counted` is the fraction of observed preferences, which can exceed it by chance. `civil` is a baseline that sees
politeness and length but not whether an answer is right; only reading the answer can improve on it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from common import write_result

from minillm.analysis.calibration import score_pairs
from minillm.data.pairs import encode_preferences
from minillm.posttraining.reward import pair_margins
from minillm.posttraining.reward_model import load_reward_model
from minillm.world.instructions import Instructions
from minillm.world.raters import RIGHT, Rater, simulate, utility

ASKED = 600  # held-out instructions
STREAM = 1_000_000  # their seed, beyond all seeds used in training
PAIRS = 4  # per instruction


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Score all held-out pairs, those of each family, and those in which exactly one answer is right."""
    model, tokenizer = load_reward_model(folder)
    instructions = Instructions(STREAM, "held-out").instructions(ASKED)
    asked = {instruction.prompt: instruction for instruction in instructions}
    preferences = simulate(asked.values(), Rater(), STREAM, PAIRS)
    held_out = encode_preferences(tokenizer, preferences, model.config.max_seq_len)
    margins = pair_margins(model, held_out.pairs).tolist()
    groups = defaultdict(list)
    for margin, preference in zip(margins, held_out.preferences, strict=True):
        instruction = asked[preference.prompt[-1]["content"]]
        answers = (preference.chosen, preference.rejected)
        right = [instruction.check(answer) for answer in answers]
        manners = [utility(instruction, answer) - RIGHT * good for answer, good in zip(answers, right, strict=True)]
        kind = "one is right" if right[0] != right[1] else "both or none is right"
        for group in ("all", instruction.family, kind):
            groups[group].append((margin, manners[0] - manners[1], preference))
    return {name: figures(*zip(*rows, strict=True)) for name, rows in sorted(groups.items())}


def figures(margins, manners, preferences) -> dict[str, float]:
    score = score_pairs(margins, preferences)
    result = {"pairs": score.n, "counted": score.accuracy, "stderr": score.stderr, "expected": score.expected}
    result |= {"ceiling": score.ceiling, "civil": score_pairs(manners, preferences).expected}
    result["calibration_error"] = score.calibration_error
    return result | {"bins": [[row.count, row.predicted, row.true] for row in score.bins]}


def run(seed: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "reward"
        command = [sys.executable, "-m", "minillm", "reward", "--out", str(out), "--seed", str(seed), "--json"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return {"seconds": json.loads(output.splitlines()[-1])["seconds"], "groups": measure(out)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs, each with its own instructions and raters")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    runs = [run(seed) for seed in range(arguments.seeds)]
    columns = ("civil", "counted", "expected", "ceiling", "calibration_error")
    print(f"{'pairs':22} " + " ".join(f"{name:>17}" for name in columns) + f" {'below the ceiling':>24}")
    for group in runs[0]["groups"]:
        scores = [result["groups"][group] for result in runs]
        below = [score["ceiling"] - score["expected"] for score in scores]
        means = (statistics.fmean(score[name] for score in scores) for name in columns)
        spread = f"{min(below):.1%} to {max(below):.1%}"
        print(f"{group:22} " + " ".join(f"{mean:17.1%}" for mean in means) + f" {spread:>24}")
    print(f"seconds {[result['seconds'] for result in runs]}")
    print(f"written to {write_result('reward', {'runs': runs})}")
    if arguments.json:
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
