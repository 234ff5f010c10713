"""minillm reward: learn to score answers from preferences, and compare the accuracy with the best possible."""

from pathlib import Path
from typing import Any

import click

from minillm.analysis.calibration import score_pairs
from minillm.cli.pairs import learn_from_pairs, pair_options
from minillm.course.recipes.preferences import REWARD
from minillm.data.pairs import EncodedPairs
from minillm.posttraining.reward import pair_margins, train_reward_model
from minillm.posttraining.reward_model import RewardModel
from minillm.training.metrics import Metrics


@click.command()
@pair_options
@click.option("--reference/--no-reference", default=None, help="Whether it reads the model's own answer first.")
@click.option("--likelihood", type=float, help="Initial reward per nat of an answer's log-likelihood; 0: head alone.")
@click.pass_context
def reward(ctx: click.Context, out: Path, **options: Any) -> None:
    """Train a reward model on pairs of answers, of which somebody preferred one."""
    learn_from_pairs("reward", train_reward_model, REWARD, ctx, out, options, summarize)


def summarize(model: RewardModel, held_out: EncodedPairs, last: Metrics) -> tuple[dict[str, Any], str]:
    """How often the preferred answer scores higher; where the probabilities are known, also the Bayes ceiling."""
    margins = pair_margins(model, held_out.pairs).tolist()
    result: dict[str, Any] = {"val_accuracy": sum((m > 0) + (m == 0) / 2 for m in margins) / len(margins)}
    known = [number for number, preference in enumerate(held_out.preferences) if preference.probability is not None]
    if known:
        score = score_pairs([margins[n] for n in known], [held_out.preferences[n] for n in known])
        result |= {"simulated": {"n": score.n, "accuracy": score.accuracy, "expected_accuracy": score.expected}}
        result["simulated"] |= {"ceiling": score.ceiling, "stderr": score.stderr}
        result["simulated"] |= {"calibration_error": score.calibration_error}
    return result, sentence(result)


def sentence(result: dict[str, Any]) -> str:
    """The result as a sentence."""
    text = f"The preferred answer scores higher in {result['val_accuracy']:.1%} of the held-out pairs"
    if "simulated" in result:
        text += "; on simulated pairs {expected_accuracy:.1%} are expected, and {ceiling:.1%} is the best possible"
        text = text.format(**result["simulated"])
    return text
