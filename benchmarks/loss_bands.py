"""Make the loss bands: the losses of the default recipe over several seeds, written into the package.

    python benchmarks/loss_bands.py                 # five seeds, one after the other, about two minutes each
    python benchmarks/loss_bands.py --seeds 3 --to bands.json

Each seed has its own documents, initial weights and order. Its run is kept in runs/loss_bands/ under a hash of the
recipe, so an interrupted script resumes and a changed recipe starts over. The bands are in nats per token at a grid of
steps and contain no times, so any machine will do.
"""

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

from minillm.course.bands import BANDS, KINDS, Bands, bands_of, settings_of, write_bands
from minillm.course.models import BaseRecipe, train_base
from minillm.training.metrics import METRICS, read_metrics

RUNS = Path(__file__).resolve().parents[1] / "runs" / "loss_bands"


def finished(folder: Path, recipe: BaseRecipe) -> list[dict] | None:
    """Read the metrics of a finished run, or return None."""
    lines = read_metrics(folder / METRICS) if (folder / METRICS).is_file() else []
    done = lines and recipe.training.progress(lines[-1]["step"], lines[-1]["seconds"]) >= 1
    return lines if done and "val_loss" in lines[-1] else None


def run(recipe: BaseRecipe, runs: Path) -> list[dict]:
    """Read one seed's metrics, and train first if the run is not finished."""
    name = hashlib.sha256(json.dumps(settings_of(recipe), sort_keys=True).encode()).hexdigest()[:16]
    folder = runs / name / f"seed{recipe.seed}"
    if finished(folder, recipe) is None:
        train_base(recipe, folder)
    lines = finished(folder, recipe)
    assert lines, f"{folder} is not finished"
    return lines


def make(recipe: BaseRecipe, seeds: int, runs: Path, to: Path) -> Bands:
    """Train the missing seeds, write the bands, and return them."""
    if seeds < 2:
        raise ValueError(f"a band over {seeds} seeds has no width; use at least 2")
    bands = bands_of([run(replace(recipe, seed=seed), runs) for seed in range(seeds)], settings_of(recipe))
    write_bands(bands, to)
    return bands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=RUNS, help="where the seeds' runs are kept")
    parser.add_argument("--to", type=Path, default=BANDS, help="the file to write")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    bands = make(BaseRecipe("world"), arguments.seeds, arguments.runs, arguments.to)
    for kind in KINDS:
        band = getattr(bands, kind)
        for step in band.steps[:: max(1, len(band.steps) // 10)]:
            low, high = band.at(step)
            print(f"{KINDS[kind]} at step {step:,}: {low:.3f} to {high:.3f}")
    print(f"written to {arguments.to}")
    if arguments.json:
        print(json.dumps(json.loads(arguments.to.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
