"""minillm eval: score a model of the corpus "world"."""

import functools
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
from tqdm import tqdm

from minillm.analysis.alignment import askable, assess, win_rate
from minillm.analysis.evaluation import check_document, score_experiments, write_documents
from minillm.cli.common import device_option, json_option, print_json
from minillm.device import pick_device
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer
from minillm.world import World
from minillm.world.instructions import Instruction, Instructions
from minillm.world.probes import Score

TEMPERATURES = (0.5, 0.8, 1.0)
KINDS = ("possible", "filler", "wording", "unfinished")  # the verdicts of `check_document`
SAMPLE_COLUMNS = "{:12} {:>9} {:>9} {:>9} {:>11}"
COLUMNS = "{:12} {:>9} {:>7} {:>7} {:>7} {:>8}"


@click.command(name="eval")
@click.argument("model", required=False)
@click.option("--model", "named", help="The same as MODEL.")
@click.option(
    "--instructions", default=200, type=click.IntRange(min=2), help="Number of instructions for a chat model."
)
@click.option("--reference", help="Another chat model: report the KL from it and MODEL's win rate.")
@click.option("--questions", default=200, type=click.IntRange(min=1), help="Questions per experiment and split.")
@click.option("--samples", default=100, type=click.IntRange(min=0), help="Documents to write per temperature.")
@click.option("--seed", default=0, help="Seed of the questions and the documents.")
@device_option
@json_option
def evaluate(
    model: str | None,
    named: str | None,
    instructions: int,
    reference: str | None,
    questions: int,
    samples: int,
    seed: int,
    device: str | None,
    as_json: bool,
) -> None:
    """Score MODEL in the experiments of the corpus "world", and check its documents.

    MODEL is a run folder. A chat model also answers held-out instructions, whose right answers are known.
    """
    names = [name for name in (model, named) if name is not None]
    if len(names) != 1:
        raise click.UsageError("name one model: minillm eval MODEL, or minillm eval --model MODEL")
    (model,) = names
    network, tokenizer = load(model, device=pick_device(device))
    say = functools.partial(click.echo, err=as_json)
    result: dict[str, Any] = {"model": model}
    if tokenizer.chat_template is not None:
        asked = askable(network, tokenizer, Instructions(seed, "held-out").stream(), instructions)
        result["chat"] = _chat(network, tokenizer, asked, reference, seed, say)
    elif reference is not None:
        raise UserError(f"{model} has no chat template, so it cannot answer instructions; leave out --reference")
    say(COLUMNS.format("experiment", "split", "chance", "model", "+-", "perfect"))

    def show(name: str, split: str, score: Score) -> None:
        figures = (f"{figure:.3f}" for figure in (score.chance, score.accuracy, score.stderr, score.perfect))
        say(COLUMNS.format(name, split, *figures))

    scores = score_experiments(network, tokenizer, count=questions, seed=seed, on_score=show)
    by_name = {name: {split: _figures(score) for split, score in splits.items()} for name, splits in scores.items()}
    result |= {"experiments": by_name, "samples": {}}
    world = World(seed, split="both")
    if samples:
        say(f"\nOf {samples} documents it wrote: the share possible in Ottermere, and the first error of the others")
        say(SAMPLE_COLUMNS.format("temperature", *KINDS))
    for temperature in TEMPERATURES if samples else ():
        texts = write_documents(network, tokenizer, samples, temperature, seed)
        bar = tqdm(texts, desc=f"reading, {temperature}", unit="text", leave=False, disable=not sys.stderr.isatty())
        verdicts = Counter(check_document(text, world).error_kind or KINDS[0] for text in bar)
        shares = result["samples"][str(temperature)] = {kind: verdicts[kind] / samples for kind in KINDS}
        say(SAMPLE_COLUMNS.format(temperature, *(f"{share:.0%}" for share in shares.values())))
    if as_json:
        print_json(result)


def _chat(
    model: Transformer,
    tokenizer: Tokenizer,
    asked: list[Instruction],
    reference: str | None,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Print and return the accuracy by family, and statistics of sampled answers."""
    reference_model = None if reference is None else load(reference, device=model.device)
    report = assess(model, tokenizer, asked, reference_model and reference_model[0], seed=seed)
    result = asdict(report)
    for name in ("utilities", "texts"):
        del result[name]
    say(f"Of {report.n} held-out instructions, answered right (greedily): {report.accuracy.mean:.1%}")
    say("  " + ", ".join(f"{family} {share:.0%}" for family, share in report.families.items()))
    say(
        f"Sampled answers: utility {report.utility.mean:.2f} +- {report.utility.stderr:.2f} points, "
        f"{report.length:.1f} words, {report.ended:.0%} ended, {report.distinct[1]:.0%} distinct word pairs"
    )
    if reference_model is not None and report.kl is not None:
        against = assess(*reference_model, asked, seed=seed)
        wins = win_rate(report.utilities, against.utilities)
        result |= {"reference": reference, "win_rate": asdict(wins)}
        say(
            f"Against {reference}: {report.kl.mean:.2f} +- {report.kl.stderr:.2f} nats per answer; win rate "
            f"{wins.rate:.1%} ({wins.low:.1%} to {wins.high:.1%}), a tie counts half"
        )
    say("")
    return result


def _figures(score: Score) -> dict[str, float]:
    overall = {"chance": score.chance, "model": score.accuracy, "stderr": score.stderr, "perfect": score.perfect}
    return overall | {"n": score.n, **score.groups}
