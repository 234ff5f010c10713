"""minillm dpo: make the answers that people prefer likelier, without a reward model."""

from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.pairs import learn_from_pairs, pair_options
from minillm.course.recipes.preferences import DPO
from minillm.data.pairs import EncodedPairs
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import DPOLossType
from minillm.posttraining.dpo import dpo as run_dpo
from minillm.training.metrics import Metrics


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
def dpo(ctx: click.Context, out: Path, **options: Any) -> None:
    """Train a chat model directly on pairs of answers, of which somebody preferred one.

    Iterated DPO: use --own-answers, and give the run to --model for the next round, with another --seed.
    """
    learn_from_pairs("dpo", run_dpo, DPO, ctx, out, options, summarize)


def summarize(model: Transformer, held_out: EncodedPairs, last: Metrics) -> tuple[dict[str, Any], str]:
    """The last metrics of the run, and a sentence about them."""
    result = {name: round(last[name], 5) for name in ("val_loss", "val_accuracy", "kl")}
    return result, (
        f"The preferred answer gained on the other in {result['val_accuracy']:.1%} of the held-out pairs, "
        f"at a KL of {result['kl']:.1f} nats per answer from the initial model"
    )
