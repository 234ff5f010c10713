"""Four bugs in lesson 08's live run: which of them show in the loss, and when.

    python benchmarks/broken_runs.py          # about ten minutes on one quiet core; a killed run resumes

The band is that of seeds 1 to 5 of the right run: their losses at updates 1, 5, 10 and so on, smoothed. It goes into
the package (`minillm/course/live_bands.json`), and `is_normal` decides, as in `minillm doctor --run`. The lesson's own
run, seed 0, is not in it. False alarms: each of the six runs against the band of the five others. Three seeds of each
bug. The *true* loss is that of the finished model on the validation documents, with the right targets and the mask.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from common import write_result
from optimizers import curve, run
from short_runs import CONFIG, DOCUMENTS, RECIPE, SETTINGS, Lesson, kept, new_model, train

from minillm import Transformer
from minillm.course.bands import LIVE_BANDS, START, Bands, bands_of, is_normal, load_bands, settings_of, write_bands
from minillm.losses import IGNORE, next_token_loss
from minillm.training.metrics import smoothed
from minillm.training.pretraining import mean_loss, text_loss

AT = (1, 5, 10, 15, 20, 30, 40, 60, 90, 120)
RIGHT = range(6)  # seeds; 0 is the lesson's own run


def not_shifted(model: Transformer, batch: Any) -> Any:
    """Each token's target is the token itself."""
    inputs, targets = batch
    return next_token_loss(model(inputs), inputs.masked_fill(targets == IGNORE, IGNORE))


def of_another_row(model: Transformer, batch: Any) -> Any:
    """Each row's targets are those of the row before it."""
    inputs, targets = batch
    return text_loss(model, (inputs, targets.roll(1, dims=0)))


BUGS: dict[str, dict[str, Any]] = {
    "targets not shifted": {"loss": not_shifted},
    "no causal mask": {"causal": False},
    "targets of another row": {"loss": of_another_row},
    "rate 100 times too low": {"rate": 0.01},
}


def broken_run(lesson: Lesson, name: str, seed: int) -> dict[str, Any]:
    """One run with a bug: the losses that it reports, and its true loss."""
    bug = BUGS[name]
    config = replace(SETTINGS, learning_rate=bug.get("rate", 1.0) * SETTINGS.learning_rate)
    model, data = new_model(seed, CONFIG.replace(causal=bug.get("causal", True))), lesson.data(seed)
    done = train(model, data.train, config, loss=bug.get("loss", text_loss))
    honest = Transformer(CONFIG)
    honest.load_state_dict(model.state_dict())
    return {
        "losses": [round(each.loss, 5) for each in done],
        "true loss": mean_loss(honest.eval(), data.validation),
    }


def lines(losses: list[float]) -> list[dict[str, Any]]:
    """Losses as the metrics of a run that logs every fifth update."""
    kept_at = curve(losses)
    pairs = zip(kept_at["steps"], kept_at["loss"], strict=True)
    return [{"step": int(step), "loss": loss} for step, loss in pairs]


def words(run: list[dict[str, Any]], bands: Bands) -> dict[int, str]:
    """What `is_normal` says of a run at each step of `AT`."""
    steps = [line["step"] for line in run]
    smooth = dict(zip(steps, smoothed(steps, [line["loss"] for line in run]), strict=True))
    return {step: is_normal(step, smooth[step], bands).word for step in AT if step in smooth}


def outside(run: list[dict[str, Any]], bands: Bands) -> list[int]:
    """The logged steps at which the smoothed loss is strictly outside a band, without `is_normal`'s tolerance."""
    steps = [line["step"] for line in run]
    pairs = zip(steps, smoothed(steps, [line["loss"] for line in run]), strict=True)
    sides = ((step, loss, bands.loss.at(step)) for step, loss in pairs)
    return [step for step, loss, side in sides if side and not side[0] <= loss <= side[1]]


def band_of(runs: Sequence[list[dict[str, Any]]]) -> Bands:
    """The band of several runs; of the training loss alone."""
    return bands_of(runs, settings_of(replace(RECIPE, training=SETTINGS, documents=DOCUMENTS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each bug")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lesson = Lesson.load()
    rate = SETTINGS.learning_rate
    right = [run(lesson, "Muon", rate, seed) for seed in RIGHT]
    logs = [lines(each["losses"]) for each in right]
    band = band_of(logs[1:])
    write_bands(band, LIVE_BANDS)
    alarms = [words(log, band_of([other for other in logs if other is not log])) for log in logs]
    bugs: dict[str, list[dict[str, Any]]] = {name: [] for name in BUGS}
    for seed in range(arguments.seeds):
        for name, rows in bugs.items():
            asked = {"bug": name, "seed": seed}
            found = kept("broken_runs", asked, lambda n=name, s=seed: broken_run(lesson, n, s))
            told = words(lines(found["losses"]), band)
            start = found["losses"][0]
            rows.append(
                {
                    "seed": seed,
                    "curve": curve(found["losses"]),
                    "start within 0.3 of ln V": abs(start - band.ln_vocab) <= START,
                    "true loss": found["true loss"],
                    "words": told,
                }
            )
            print(name, seed, f"start {start:.3f}, true loss {found['true loss']:.2f}", told, flush=True)
    count = {
        name: {step: sum(row["words"][step] != "normal" for row in rows) for step in AT} for name, rows in bugs.items()
    }
    result = {
        "steps": SETTINGS.steps,
        "floor": lesson.floor,
        "ln V": band.ln_vocab,
        "right": {
            "val_loss": [each["val_loss"] for each in right],
            "curves": [curve(each["losses"]) for each in right],
            "the lesson's own run": {
                "words": words(logs[0], band),
                "strictly outside": outside(logs[0], band),
                "strictly outside the bands of 660 updates": outside(logs[0], load_bands()),
            },
            "false alarms": {step: sum(told[step] != "normal" for told in alarms) for step in AT},
        },
        "band": band.loss._asdict(),
        "bugs": bugs,
        "not normal": count,
    }
    print(json.dumps({"not normal": count, "false alarms": result["right"]["false alarms"]}, indent=1))
    write_result("broken_runs", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
