"""minillm dpo: make the answers that people prefer likelier, without a reward model."""

import functools
import time
from pathlib import Path
from typing import Any

import click

from minillm.cli.common import print_json
from minillm.cli.pairs import load_pairs, pair_options, with_pair_recipe
from minillm.cli.runs import TRAINING, fingerprint, load_reward, progress, remember, resolve_options, training_config
from minillm.course import models
from minillm.data.chat import chat_tokenizer
from minillm.data.pairs import PairBatches, PairData
from minillm.device import pick_device, seed_everything
from minillm.posttraining.dpo import DPOConfig
from minillm.posttraining.dpo import dpo as run_dpo
from minillm.posttraining.recipes import DPO
from minillm.posttraining.reward import relabel
from minillm.pretrained import load


@click.command()
@pair_options
@click.option("--beta", type=float, help="KL coefficient: points of reward per nat of KL from the initial model.")
@click.option("--reward", help="A run folder of `minillm reward` (or: course) that relabels the pairs.")
@click.pass_context
def dpo(ctx: click.Context, out: Path, resume: bool, as_json: bool, **options: Any) -> None:
    """Train a chat model directly on pairs of answers, of which somebody preferred one."""
    settings = (*TRAINING, "imitation", "beta")
    options = resolve_options(ctx, out, resume, options, lambda given: with_pair_recipe(given, DPO, settings))
    say = functools.partial(click.echo, err=as_json)
    seed_everything(options["seed"])
    model, tokenizer = load(options["model"]) if options["model"] else models.sft()
    model = model.to(pick_device(options["device"]))
    tokenizer = chat_tokenizer(tokenizer)
    data, _ = load_pairs(options, DPO, model, tokenizer, say)
    if options["reward"]:
        name = None if options["reward"] == "course" else options["reward"]
        reward_model = load_reward(name, tokenizer).to(model.device)
        train = PairBatches(relabel(reward_model, data.train.pairs), options["batch_size"], options["seed"])
        data = PairData(train, relabel(reward_model, data.validation))
    learned_from = fingerprint(model, [data.train.pairs, data.validation])
    remember(out, options, learned_from, "the data or the initial model")
    config = training_config(DPOConfig, options, out)
    start = time.perf_counter()
    with progress(config, out, "dpo", unit="pairs") as show:
        _, history = run_dpo(model, data, config, out, tokenizer, show)
    last = history[-1]
    result = {name: round(last[name], 5) for name in ("val_loss", "val_accuracy", "kl")}
    result |= {"seconds": round(time.perf_counter() - start, 1), "steps": last["step"], "out": str(out)}
    say(
        f"The preferred answer became the likelier one in {result['val_accuracy']:.1%} of the held-out pairs, "
        f"at {result['kl']:.1f} nats an answer from the model it began as ({result['seconds']:.0f} s)."
    )
    if as_json:
        print_json(result)
