"""Compare a whole run with the loss bands: a table, a one-sentence verdict, and the settings that differ."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.course.bands import HINTS, START, Bands, Verdict, is_normal
from minillm.errors import UserError
from minillm.pretrained.huggingface import read_config
from minillm.training.metrics import METRICS, read_metrics, series, smoothed
from minillm.training.run import SETTINGS

ROWS = 12  # table rows per kind of loss
HARMLESS = {"log_every", "eval_every", "save_every", "bf16"}  # settings that hardly change a loss
ROSE = 0.2  # a loss this many nats above its minimum has risen


@dataclass(frozen=True)
class Checkup:
    """The result of a comparison; `differences` has one sentence per setting that differs from the bands' recipe."""

    normal: bool
    verdict: str
    rows: list[Verdict]
    differences: list[str]


def check_run(folder: Path, bands: Bands) -> Checkup:
    """Read a run folder and decide whether its loss is normal.

    Raises `FileNotFoundError` without a metrics.jsonl, and `UserError` with the line number for a damaged one.
    """
    lines = read_metrics(folder / METRICS)
    if not lines:
        raise UserError(f"{folder / METRICS} has no lines yet; train for a few steps first")
    found, differences = compare_settings(folder, bands)
    vocab_size = found.get("model", {}).get("vocab_size")
    normal, verdict = summarize(lines, bands, math.log(vocab_size) if vocab_size else bands.ln_vocab)
    return Checkup(normal, verdict, table(lines, bands), differences)


def table(lines: Sequence[Mapping[str, Any]], bands: Bands) -> list[Verdict]:
    """Select losses of a run at log-spaced steps, including the first and the last."""
    rows = []
    for kind in ("loss", "val_loss"):
        steps, values = curve(lines, kind)
        if steps:
            ratio = (steps[-1] / steps[0]) ** (1 / (ROWS - 1))
            picked: list[int] = []
            for index, step in enumerate(steps):
                if not picked or step == steps[-1] or step >= ratio * steps[picked[-1]]:
                    picked.append(index)
            rows += [is_normal(steps[index], values[index], bands, kind) for index in picked]
    return rows


def summarize(lines: Sequence[Mapping[str, Any]], bands: Bands, ln_vocab: float) -> tuple[bool, str]:
    """Decide whether a run is normal as a whole, with a sentence that says why; the first pattern that fits counts."""
    # a loss that is not finite
    for line in lines:
        for kind in ("loss", "val_loss"):
            if not math.isfinite(line.get(kind, 0.0)):
                return False, is_normal(line["step"], line[kind], bands, kind).sentence

    # a wrong start, or a loss that rose
    steps, values = curve(lines, "loss")
    if steps[0] == 1 and abs(values[0] - ln_vocab) > START:
        side = "above" if values[0] > ln_vocab else "below"
        return False, f"The first loss, {values[0]:.2f}, is {side} ln V = {ln_vocab:.2f}. {HINTS[f'start {side}']}"
    lowest = min(range(len(values)), key=values.__getitem__)
    if values[-1] > values[lowest] + ROSE:
        rise = f"The training loss was {values[lowest]:.2f} at step {steps[lowest]:,} and is {values[-1]:.2f}"
        return False, f"{rise} at step {steps[-1]:,}. {HINTS['rose']}"

    # the last losses outside their bands
    train, validation = (_last_known(lines, bands, kind) for kind in ("loss", "val_loss"))
    if train is not None and train.word != "normal":
        return False, train.sentence
    if validation is not None and validation.word != "normal":
        if train is not None and "above" in validation.word:
            return False, f"{validation.sentence.split('. ')[0]}. {HINTS['by heart']}"
        return False, validation.sentence
    known = validation or train
    if known is None:
        return True, f"The bands know none of this run's steps; nothing else looks wrong (it ends at {values[-1]:.2f})."
    return True, known.sentence


def curve(lines: Sequence[Mapping[str, Any]], kind: str) -> tuple[list[int], list[float]]:
    """Return steps and losses as in the bands: the training loss is smoothed, the validation loss is not."""
    steps, values = series(lines, kind)
    return steps, smoothed(steps, values) if kind == "loss" else values


def _last_known(lines: Sequence[Mapping[str, Any]], bands: Bands, kind: str) -> Verdict | None:
    """The verdict on the last step that the bands cover."""
    points = zip(*curve(lines, kind), strict=True)
    verdicts = (is_normal(step, value, bands, kind) for step, value in reversed([*points]))
    return next((verdict for verdict in verdicts if verdict.word != "unknown"), None)


def compare_settings(folder: Path, bands: Bands) -> tuple[dict[str, Any], list[str]]:
    """Read the settings in a run folder; returns them and one sentence per difference from the bands' recipe."""
    options = _read_object(folder / "run.json")
    found = {name: options[name] for name in ("corpus", "documents", "batch_size") if name in options}
    if training := _read_object(folder / SETTINGS):
        found["training"] = training
    if (folder / "config.json").is_file():
        found["model"] = read_config(folder / "config.json").to_dict()
    differences = []
    for name, ours in found.items():
        theirs = bands.recipe.get(name)
        pairs = {name: (ours, theirs)}
        if isinstance(theirs, dict):
            pairs = {key: (ours.get(key), value) for key, value in theirs.items() if key not in HARMLESS}
        for key, (here, there) in pairs.items():
            if here != there:
                differences.append(f"this run has {key} = {here}; the bands were made with {there}")
    missing = [name for name in ("model", "training", "batch_size") if name not in found]
    if missing:
        differences.append(f"the folder does not tell its {', '.join(missing)}, which may differ too")
    return found, differences


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error})") from None
