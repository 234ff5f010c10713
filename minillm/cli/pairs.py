"""minillm reward and minillm dpo: learn from pairs of answers, of which somebody preferred one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.common import combined
from minillm.cli.options import WORLD, find_recipe, shared
from minillm.cli.runs import CommandRun, fingerprint, load_chat_model, load_reward, open_run
from minillm.data.pairs import EncodedPairs, encode_preferences, hold_out_preferences
from minillm.data.preferences import Preference, load_preferences
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import DPOLossType
from minillm.posttraining.recipes import OWN_DPO, OWN_REWARD, PairRecipe
from minillm.posttraining.reward import pair_margins, relabel
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.recipes import registered_recipe

# From the recipe, the trained model, the held-out pairs and the last metrics to the result, as numbers and a sentence.
Summarize = Callable[[Any, Any, EncodedPairs, Metrics], tuple[dict[str, Any], str]]
OWN: dict[str, PairRecipe] = {"reward": OWN_REWARD, "dpo": OWN_DPO}
SHOWN = 3  # of what was left out

pair_options = combined(
    shared("--model"),
    click.option(
        "--data",
        multiple=True,
        default=[WORLD],
        callback=lambda ctx, option, values: list(values),
        help="world (simulated raters), or a JSONL file of people's rankings; several are mixed.",
    ),
    shared("--out"),
    click.option("--pairs", type=click.IntRange(min=1), help="Pairs that simulated raters compare."),
    click.option("--own-answers", is_flag=True, help="Let raters compare answers of the model itself."),
    click.option("--length-bias", default=0.0, help="Points that simulated raters give for each word."),
    shared("--steps", "--minutes", "--optimizer"),
    shared("--batch-size", help="Prompts in one batch, each with all its pairs."),
    shared("--learning-rate"),
    click.option("--imitation", type=float, help="Weight of the loss of saying what was chosen."),
    shared("--seed", help="Decides the instructions, the raters' choices and the order."),
    shared("--compile", "--resume", "--device", "--json"),
)


@click.command()
@pair_options
@click.option("--reference/--no-reference", default=None, help="Whether it reads the model's own answer first.")
@click.option("--likelihood", type=float, help="Initial reward per nat of an answer's log-likelihood; 0: head alone.")
@click.pass_context
def reward(ctx: click.Context, **options: Any) -> None:
    """Train a reward model on pairs of answers, of which somebody preferred one."""
    learn_from_pairs(ctx, options, summarize_reward)


@click.command()
@pair_options
@click.option("--beta", type=float, help="KL coefficient: points of reward per nat of KL from the initial model.")
@click.option(
    "--loss-type",
    type=click.Choice(get_args(DPOLossType)),
    help="Of the margin: sigmoid (DPO, Rafailov et al. 2023) or ipo (IPO, Azar et al. 2024).",
)
@click.option(
    "--label-smoothing",
    type=float,
    help="Share of pairs whose labels are taken to be wrong, below 0.5 (conservative DPO, Mitchell 2023).",
)
@click.option("--reward", help="A run folder of `minillm reward` (or: course) that relabels the pairs.")
@click.pass_context
def dpo(ctx: click.Context, **options: Any) -> None:
    """Train a chat model directly on pairs of answers, of which somebody preferred one.

    Iterated DPO: use --own-answers, and give the run to --model for the next round, with another --seed.
    """
    learn_from_pairs(ctx, options, summarize_dpo)


def learn_from_pairs(ctx: click.Context, options: dict[str, Any], summarize: Summarize) -> None:
    """The whole command: train on the pairs, and print what `summarize` makes of it."""
    with open_run(ctx, options, lambda chosen: recipe_for(str(ctx.command.name), chosen)) as run:
        seed = run.options["seed"]
        model, tokenizer = load_chat_model(run.options["model"])
        model = model.to(run.processes.device)
        train, held_out = load_pairs(run, model, tokenizer)
        pairs = [train.pairs, held_out.pairs]
        if name := run.options.get("reward"):
            reward_model = load_reward(None if name == "course" else name, tokenizer).to(model.device)
            pairs = [relabel(reward_model, part) for part in pairs]
        done = run.train(
            (model, tokenizer, seed, *pairs),
            lambda job: fingerprint(model, pairs),
            "the data or the initial model",
            unit="pairs",
        )
        result, sentence = summarize(run.recipe, done.model, held_out, done.last)
        result |= {"seconds": round(done.seconds, 1), "steps": done.last["step"], "out": str(run.out)}
        run.report(result, f"{sentence} ({result['seconds']:.0f} s).")


def recipe_for(command: str, options: dict[str, Any]) -> Any:
    """The course's recipe where it is, also for a person's rankings; else one with the same training."""
    if WORLD in options["data"]:
        return find_recipe(command, WORLD, None, "--data FILE.jsonl")
    return registered_recipe(command, WORLD) or OWN[command]


def load_pairs(run: CommandRun, model: Transformer, tokenizer: Tokenizer) -> tuple[EncodedPairs, EncodedPairs]:
    """The pairs to learn from and to be measured on, with the preferences that they come from."""
    parts: tuple[list[Preference], list[Preference]] = [], []
    for source in run.options["data"]:
        if source == WORLD:
            raters = (run.options[name] for name in ("seed", "length_bias", "own_answers"))
            found = run.recipe.preferences(model, tokenizer, *raters)
        else:
            loaded = load_preferences(Path(source), skip_broken=True)
            _tell(run.say, "lines cannot be used", loaded.skipped)
            found = hold_out_preferences(loaded.preferences)
        for part, more in zip(parts, found, strict=True):
            part += more
    train, held_out = (encode_preferences(tokenizer, part, model.config.max_seq_len) for part in parts)
    _tell(run.say, "pairs are left out", [*train.skipped, *held_out.skipped])
    run.say(f"{len(train.pairs):,} pairs to learn from, and {len(held_out.pairs):,} to measure on")
    return train, held_out


def _tell(say: Callable[[str], None], what: str, skipped: Sequence[str]) -> None:
    if skipped:
        say(f"{len(skipped)} {what}, such as: " + "; ".join(skipped[:SHOWN]))


def summarize_reward(
    recipe: PairRecipe, model: Any, held_out: EncodedPairs, last: Metrics
) -> tuple[dict[str, Any], str]:
    """How often the preferred answer scores higher; where the probabilities are known, also the Bayes ceiling."""
    margins = pair_margins(model, held_out.pairs).tolist()
    result: dict[str, Any] = {"val_accuracy": sum((m > 0) + (m == 0) / 2 for m in margins) / len(margins)}
    result |= recipe.known_scores(margins, held_out.preferences)
    text = f"The preferred answer scores higher in {result['val_accuracy']:.1%} of the held-out pairs"
    if "simulated" in result:
        text += "; on simulated pairs {expected_accuracy:.1%} are expected, and {ceiling:.1%} is the best possible"
        text = text.format(**result["simulated"])
    return result, text


def summarize_dpo(recipe: PairRecipe, model: Any, held_out: EncodedPairs, last: Metrics) -> tuple[dict[str, Any], str]:
    """The last metrics of the run, and a sentence about them."""
    result = {name: round(last[name], 5) for name in ("val_loss", "val_accuracy", "kl")}
    return result, (
        f"The preferred answer gained on the other in {result['val_accuracy']:.1%} of the held-out pairs, "
        f"at a KL of {result['kl']:.1f} nats per answer from the initial model"
    )
