"""Loss bands: the range of losses over several seeds of the course's recipe, to decide whether a loss is normal.

`benchmarks/loss_bands.py` trains the seeds and writes the bands, which ship with the package.
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minillm.course.keeping import as_settings
from minillm.errors import UserError
from minillm.training.metrics import series, smoothed
from minillm.training.recipes import BaseRecipe
from minillm.world import WORLD_VERSION

BANDS = Path(__file__).with_name("loss_bands.json")
LIVE_BANDS = Path(__file__).with_name("live_bands.json")  # of lesson 08's 120 updates, by `benchmarks/broken_runs.py`
KINDS = {"loss": "training loss", "val_loss": "validation loss"}
START = 0.3  # nats; an untrained model's first loss is within this distance of ln V
MIN_WIDTH = 0.01  # nats; five seeds can agree by accident

HINTS = {
    "not a number": "What became of it: a learning rate too high, a division by zero, or a half-precision overflow? "
    "The run's diagnostics.json, if there is one, names the weights that broke first.",
    "start above": "Before it has learned, a model should find every token equally likely. Are the initial weights or "
    "the logits too large, or do the targets not belong to the inputs?",
    "start below": "Before it has learned, a model cannot know that much. Did the run start from trained weights, or "
    "with another vocabulary?",
    "flat": "It still finds every token equally likely. Is the learning rate near zero, are the weights frozen, does "
    "the optimizer hold another model's parameters, or is the gradient cut off (detach, no_grad, a missing backward)?",
    "rose": "It fell and then rose. Is the learning rate too high, the climb (warmup_steps) too short, or clip_norm "
    "off?",
    "below": "Can the model see the token that it has to predict (the mask, targets that are not shifted)? Or does it "
    "train on the documents that it is measured on, or on an easier text?",
    "by heart": "Training goes well and validation does not. Are there too few documents, read too often? Or is "
    "validation another kind of text, or measured without model.eval()?",
    "above": "Is the learning rate too low or too high, the batch smaller, or a part of the model without effect "
    "(positions, mask, a block that is skipped)?",
}


class Band(NamedTuple):
    """The range of several seeds' losses over steps, in nats per token."""

    steps: tuple[int, ...]
    lowest: tuple[float, ...]
    median: tuple[float, ...]
    highest: tuple[float, ...]

    def at(self, step: int) -> tuple[float, float] | None:
        """Return the lowest and highest loss at a step by linear interpolation, or None outside the band.

        >>> Band((10, 20), (2.0, 1.0), (2.5, 1.5), (3.0, 2.0)).at(15)
        (1.5, 2.5)
        """
        if not self.steps or not self.steps[0] <= step <= self.steps[-1]:
            return None
        lowest, highest = (float(np.interp(step, self.steps, side)) for side in (self.lowest, self.highest))
        return lowest, highest


@dataclass(frozen=True)
class Bands:
    """The loss bands of a recipe, over several seeds."""

    recipe: dict[str, Any]
    seeds: int
    ln_vocab: float  # the loss of a uniform distribution over the vocabulary
    loss: Band  # smoothed
    val_loss: Band


@dataclass(frozen=True)
class Verdict:
    """The comparison of one loss with its band."""

    step: int
    kind: str  # loss or val_loss
    value: float
    band: tuple[float, float] | None
    word: str  # normal, above, below, far above, far below or unknown
    sentence: str


def settings_of(recipe: BaseRecipe) -> dict[str, Any]:
    """Return all settings that a run's loss depends on, except its seed."""
    return {
        "corpus": "world",
        "world": WORLD_VERSION,
        "documents": recipe.documents,
        "batch_size": recipe.batch_size,
        "model": as_settings(recipe.config),
        "training": as_settings(recipe.training),
    }


def bands_of(runs: Sequence[Sequence[dict[str, Any]]], recipe: dict[str, Any]) -> Bands:
    """Compute the bands of several runs' metrics, at a log-spaced selection of their common steps."""
    by_kind = {}
    for kind in KINDS:
        curves = []
        for lines in runs:
            steps, values = series(lines, kind)
            curves.append(dict(zip(steps, smoothed(steps, values) if kind == "loss" else values, strict=True)))
        grid: list[int] = []
        common = sorted(set.intersection(*map(set, curves)))
        for step in common:
            if not grid or step >= 1.04 * grid[-1] or step == common[-1]:
                grid.append(step)
        columns = [[curve[step] for curve in curves] for step in grid]
        sides = ([round(side(column), 4) for column in columns] for side in (min, statistics.median, max))
        by_kind[kind] = Band(tuple(grid), *map(tuple, sides))
    return Bands(recipe, len(runs), round(math.log(recipe["model"]["vocab_size"]), 4), **by_kind)


def write_bands(bands: Bands, path: Path) -> None:
    """Write bands as JSON, with every list on one line."""
    values = asdict(bands) | {kind: getattr(bands, kind)._asdict() for kind in KINDS}
    inner = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
    path.write_text("{\n" + ",\n".join(inner) + "\n}\n", encoding="utf-8", newline="\n")


def load_bands(path: Path = BANDS) -> Bands:
    """Read the bands that ship with the package, or others; raises `UserError` for an invalid file."""
    if not path.is_file():
        raise FileNotFoundError(f"there are no loss bands at {path}; python benchmarks/loss_bands.py makes them")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        bands = {kind: Band(**{side: tuple(values[kind][side]) for side in Band._fields}) for kind in KINDS}
        return Bands(values["recipe"], int(values["seeds"]), float(values["ln_vocab"]), **bands)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a loss band file ({error!r}); python benchmarks/loss_bands.py makes it"
        ) from None


def is_normal(step: int, loss: float, bands: Bands | None = None, kind: str = "loss") -> Verdict:
    """Compare a loss with the course's own runs at that step, with likely causes if it is not normal.

    A sixth seed falls outside the range of five seeds a third of the time. Therefore a loss is normal up to one band
    width outside the band, and "far" off beyond five widths. `kind` is loss (the smoothed training loss) or val_loss.
    Raises `UserError` for another kind.

    >>> bands = Bands({}, 5, 6.93, Band((300, 500), (0.70, 0.70), (0.8, 0.8), (0.80, 0.80)), Band((), (), (), ()))
    >>> is_normal(400, 0.85, bands).sentence
    'At step 400, five seeds had a training loss of 0.70 to 0.80; 0.85 is normal.'
    >>> is_normal(400, 1.9, bands).word, is_normal(9000, 0.5, bands).word
    ('far above', 'unknown')
    """
    bands = bands or load_bands()
    if kind not in KINDS:
        raise UserError(f"kind is {kind!r}; choose loss or val_loss")
    side = getattr(bands, kind).at(step)
    if not math.isfinite(loss):
        word, sentence = "unknown", f"At step {step:,}, the {KINDS[kind]} is no number. {HINTS['not a number']}"
    elif side is None:
        steps = getattr(bands, kind).steps
        known = f"reach from step {steps[0]:,} to {steps[-1]:,}" if steps else "hold no step"
        word, sentence = "unknown", f"The bands of the {KINDS[kind]} {known}, so they say nothing of step {step:,}."
    else:
        word = _word(loss, *side)
        sentence = (
            f"At step {step:,}, {_seeds(bands)} had a {KINDS[kind]} of {side[0]:.2f} to {side[1]:.2f}; "
            f"{loss:.2f} is {word}."
        )
        if word != "normal":
            sentence += f" {HINTS[_cause(step, loss, word, side, bands.ln_vocab)]}"
    return Verdict(step, kind, loss, side, word, sentence)


def _word(loss: float, low: float, high: float) -> str:
    width = max(high - low, MIN_WIDTH)
    outside = max(loss - high, low - loss)
    if outside <= width:
        return "normal"
    return ("far " if outside > 5 * width else "") + ("above" if loss > high else "below")


def _cause(step: int, loss: float, word: str, band: tuple[float, float], ln_vocab: float) -> str:
    """The key of the hint for a loss outside its band."""
    if "below" in word:
        return "start below" if step == 1 else "below"
    if loss > ln_vocab + START:
        return "start above" if step == 1 else "rose"
    return "flat" if abs(loss - ln_vocab) <= START and band[0] < ln_vocab - 1 else "above"


def _seeds(bands: Bands) -> str:
    return {3: "three", 4: "four", 5: "five"}.get(bands.seeds, str(bands.seeds)) + " seeds"
