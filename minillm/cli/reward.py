"""minillm reward: learn from preferences what an answer is worth, and say how far from the best possible that is."""

import functools
import time
from pathlib import Path
from typing import Any

import click

from minillm.analysis.calibration import score_pairs
from minillm.cli.common import print_json
from minillm.cli.pairs import load_pairs, pair_options, with_pair_recipe
from minillm.cli.runs import TRAINING, fingerprint, progress, remember, resolve_options, training_config
from minillm.course import models
from minillm.data.chat import chat_tokenizer
from minillm.data.pairs import EncodedPairs
from minillm.device import pick_device, seed_everything
from minillm.posttraining.recipes import REWARD
from minillm.posttraining.reward import RewardConfig, pair_margins, train_reward_model
from minillm.posttraining.reward_model import RewardModel
from minillm.pretrained import load


@click.command()
@pair_options
@click.option("--likelihood", type=float, help="Points a nat of an answer's likelihood at first; 0: the head alone.")
@click.pass_context
def reward(ctx: click.Context, out: Path, resume: bool, as_json: bool, **options: Any) -> None:
    """Train a reward model on pairs of answers, of which somebody preferred one."""
    settings = (*TRAINING, "imitation", "likelihood")
    options = resolve_options(ctx, out, resume, options, lambda given: with_pair_recipe(given, REWARD, settings))
    say = functools.partial(click.echo, err=as_json)
    seed_everything(options["seed"])
    model, tokenizer = load(options["model"]) if options["model"] else models.sft()
    model = model.to(pick_device(options["device"]))
    tokenizer = chat_tokenizer(tokenizer)
    data, held_out = load_pairs(options, REWARD, model, tokenizer, say)
    learned_from = fingerprint(model, [data.train.pairs, data.validation])
    remember(out, options, learned_from, "the data or the initial model")
    config = training_config(RewardConfig, options, out)
    start = time.perf_counter()
    with progress(config, out, "reward", unit="pairs") as show:
        trained, history = train_reward_model(model, data, config, out, tokenizer, show)
    result = summary(trained, held_out)
    result |= {"seconds": round(time.perf_counter() - start, 1), "steps": history[-1]["step"], "out": str(out)}
    say(sentence(result))
    if as_json:
        print_json(result)


def summary(model: RewardModel, held_out: EncodedPairs) -> dict[str, Any]:
    """How often the preferred answer is ahead, and where the probabilities are known, beside the Bayes ceiling."""
    margins = pair_margins(model, held_out.pairs).tolist()
    result: dict[str, Any] = {"val_accuracy": sum((m > 0) + (m == 0) / 2 for m in margins) / len(margins)}
    known = [number for number, one in enumerate(held_out.preferences) if one.probability is not None]
    if known:
        score = score_pairs([margins[n] for n in known], [held_out.preferences[n] for n in known])
        result |= {"simulated": {"n": score.n, "accuracy": score.accuracy, "expected_accuracy": score.expected}}
        result["simulated"] |= {"ceiling": score.ceiling, "stderr": score.stderr}
        result["simulated"] |= {"calibration_error": score.calibration_error}
    return result


def sentence(result: dict[str, Any]) -> str:
    """The same for a person."""
    text = f"The preferred answer is ahead in {result['val_accuracy']:.1%} of the held-out pairs"
    if "simulated" in result:
        text += "; of simulated ones {expected_accuracy:.1%} are to be expected, and {ceiling:.1%} is the best there is"
        text = text.format(**result["simulated"])
    return f"{text} ({result['seconds']:.0f} s)."
