"""minillm eval: what a model trained on Ottermere has learnt, between guessing and a perfect reader."""

import functools
import sys
from collections import Counter
from typing import Any

import click
from tqdm import tqdm

from minillm.analysis.evaluation import judge, score_experiments, write_documents
from minillm.cli.common import device_option, json_option, print_json
from minillm.data.world import World
from minillm.data.world.probes import Score
from minillm.device import pick_device
from minillm.pretrained import load

TEMPERATURES = (0.5, 0.8, 1.0)
KINDS = ("possible", "filler", "wording", "unfinished")  # what `judge` may say
SAMPLE_COLUMNS = "{:12} {:>9} {:>9} {:>9} {:>11}"
COLUMNS = "{:12} {:>9} {:>7} {:>7} {:>7} {:>8}"


@click.command(name="eval")
@click.argument("model")
@click.option("--questions", default=200, type=click.IntRange(min=1), help="Questions of each experiment and split.")
@click.option("--samples", default=100, type=click.IntRange(min=0), help="Documents it writes at each temperature.")
@click.option("--seed", default=0, help="Decides the questions and the documents.")
@device_option
@json_option
def evaluate(model: str, questions: int, samples: int, seed: int, device: str | None, as_json: bool) -> None:
    """Score MODEL, a run folder of the corpus "world", in the world's experiments, and read what it writes."""
    network, tokenizer = load(model, device=pick_device(device))
    say = functools.partial(click.echo, err=as_json)
    say(COLUMNS.format("experiment", "split", "chance", "model", "+-", "perfect"))

    def show(name: str, split: str, score: Score) -> None:
        figures = (f"{figure:.3f}" for figure in (score.chance, score.accuracy, score.stderr, score.perfect))
        say(COLUMNS.format(name, split, *figures))

    scores = score_experiments(network, tokenizer, count=questions, seed=seed, on_score=show)
    by_name = {name: {split: _figures(score) for split, score in splits.items()} for name, splits in scores.items()}
    result: dict[str, Any] = {"model": model, "experiments": by_name, "samples": {}}
    world = World(seed, split="both")
    if samples:
        say(f"\nOf {samples} documents it wrote: how many could stand in Ottermere, and where the others slip first")
        say(SAMPLE_COLUMNS.format("temperature", *KINDS))
    for temperature in TEMPERATURES if samples else ():
        texts = write_documents(network, tokenizer, samples, temperature, seed)
        bar = tqdm(texts, desc=f"reading, {temperature}", unit="text", leave=False, disable=not sys.stderr.isatty())
        slips = Counter(judge(text, world).kind_of_slip or KINDS[0] for text in bar)
        shares = result["samples"][str(temperature)] = {kind: slips[kind] / samples for kind in KINDS}
        say(SAMPLE_COLUMNS.format(temperature, *(f"{share:.0%}" for share in shares.values())))
    if as_json:
        print_json(result)


def _figures(score: Score) -> dict[str, float]:
    whole = {"chance": score.chance, "model": score.accuracy, "stderr": score.stderr, "perfect": score.perfect}
    return whole | {"n": score.n, **score.groups}
