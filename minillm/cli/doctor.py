"""minillm doctor: is this computer ready, does it compute the right losses, and is a run's loss normal?"""

import os
import platform
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch

from minillm import assets, kernels
from minillm.cli.common import REAL_MODEL, device_option, json_option, print_json
from minillm.config import ModelConfig
from minillm.data.batches import PackedBatches
from minillm.device import bf16_speedup, matmul_peak, memory_gb, pick_device
from minillm.errors import UserError
from minillm.extensions import is_installed
from minillm.inference import native
from minillm.model.transformer import Transformer
from minillm.training.loop import Task, train
from minillm.training.pretraining import text_loss
from minillm.training.settings import TrainConfig

BROWSERS = ("chromium", "google-chrome", "chrome", "firefox", "msedge", "safari")
DISK_GB, MEMORY_GB = 2, 4  # what the lessons need at least


@click.command()
@click.option("--row", is_flag=True, help="Print one tab-separated row for a spreadsheet of the class.")
@click.option("--run", type=click.Path(path_type=Path), help="A run's folder: look at its losses, not at the computer.")
@device_option
@json_option
def doctor(row: bool, run: Path | None, device: str | None, as_json: bool) -> None:
    """Check Python, disk, memory, torch, the real weights, and that a few training steps give the CPU's losses.

    Compiles the decoding step in C if it isn't yet, or says why models do without it (such as MINILLM_NATIVE=0).

    With --run: is my loss normal? Its metrics are compared with five seeds of the course's own recipe.
    With --row: only one row goes to standard output, so `>> class.tsv` collects a class.
    """
    if run is not None:
        look_at(run, as_json)
        return
    chosen, quiet = pick_device(device), as_json or row
    course_models, damages = state_of_course()
    report = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "memory_gb": memory_gb(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type,
        "float32_gflops": round(matmul_peak(chosen) / 1e9),
        "bf16_speedup": round(bf16_speedup(chosen.type), 2) if chosen.type != "mps" else None,
        "native_step": native_step(),
        "train_kernels": kernels.unavailable() or "in C",
        "loss_difference": loss_difference(chosen),
        "real_model": str(assets.cached(REAL_MODEL) or ""),
        "course_models": course_models,
        "browser": next(filter(shutil.which, BROWSERS), "the system's" if sys.platform in ("darwin", "win32") else ""),
    }
    complaints = [*diagnose(report), *damages]
    for name, value in report.items():
        click.echo(f"{name:16} {value}", err=quiet)
    for complaint in complaints:
        click.secho(f"! {complaint}", fg="yellow", err=quiet)
    fit = "This computer is ready for the course." if course_models else "This computer is ready."
    click.echo("See the lines above." if complaints else fit, err=quiet)
    if row:
        click.echo("\t".join(COLUMNS), err=True)
        click.echo(class_row(platform.node(), report, complaints))
    if as_json:
        print_json(report | {"complaints": complaints})
    if report["loss_difference"] > TOLERANCE:
        sys.exit(1)  # the one thing that makes wrong numbers without a word


COLUMNS = ("name", "system", "Python", "torch", "cores", "memory GB", "disk free GB", "losses right", "matmul GFLOP/s")
COLUMNS += ("weights", "course models", "verdict")


def state_of_course() -> tuple[dict[str, bool], list[str]]:
    """Which of the course's models are here, and what is wrong with them; both empty where the course is not."""
    if not is_installed("course"):
        return {}, []
    from minillm.course import models

    return {name: bool(files) for name, files in models.files_here().items()}, models.damages()


def native_step() -> str:
    """By which instructions the C step decodes, and where it is kept; or why it does not. Compiles it if need be."""
    try:
        path = native.compile_native()
    except UserError as error:
        return str(error)
    return f"{native.paths()[-1]}, compiled in {path.parent}"


def class_row(name: str, report: dict[str, Any], complaints: list[str]) -> str:
    """One laptop as a tab-separated row, with the columns `COLUMNS`."""
    there = [model for model, here in report["course_models"].items() if here]
    missing = [model for model, here in report["course_models"].items() if not here]
    todo = [*complaints]
    if missing:
        todo.append(
            f"not here yet: {', '.join(missing)}; `python3 start.py setup --from BUNDLE` brings them, `python -m "
            "minillm.course.models` trains them (about an hour for all)"
        )
    cells = [name, *(report[key] for key in ("system", "python", "torch", "cores", "memory_gb", "disk_free_gb"))]
    cells += [
        "yes" if report["loss_difference"] <= TOLERANCE else "no",
        report["float32_gflops"],
        "yes" if report["real_model"] else "no",
    ]
    cells += [" ".join(there) or "none", "; ".join(todo) or "ready"]
    return "\t".join(as_cell(cell) for cell in cells)


def as_cell(value: object) -> str:
    """A value that a spreadsheet shows and never evaluates: no tab, line break or formula.

    >>> as_cell("my\\tlaptop"), as_cell("=1+1"), as_cell(None)
    ('my laptop', "'=1+1", '?')
    """
    text = "?" if value is None else " ".join(str(value).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def look_at(run: Path, as_json: bool) -> None:
    """Print the run's losses beside the bands, the settings that differ, and the verdict.

    Raises `UserError` where the course is not.
    """
    if not is_installed("course"):
        raise UserError("--run compares with the course's runs, and the course is not installed; read metrics.jsonl")
    from minillm.course.bands import KINDS, load_bands
    from minillm.course.checkup import check_run

    bands = load_bands()
    result = check_run(run, bands)
    for kind, title in KINDS.items():
        rows = [row for row in result.rows if row.kind == kind]
        if rows:
            click.echo(f"{'step':>9}  {title:>15}  {f'{bands.seeds} seeds':>15}", err=as_json)
        for row in rows:
            band = "" if row.band is None else f"{row.band[0]:.2f} to {row.band[1]:.2f}"
            click.echo(f"{row.step:9,}  {row.value:15.3f}  {band:>15}  {row.word}", err=as_json)
    for difference in result.differences:
        click.secho(f"! {difference}", fg="yellow", err=as_json)
    if result.differences:
        click.echo("The bands were measured with other settings, so read the verdict with care.", err=as_json)
    click.echo(result.verdict, err=as_json)
    if as_json:
        print_json(asdict(result))


TOLERANCE = 1e-2  # nats after a few steps; float32 rounding alone stays under a thousandth


def diagnose(report: dict[str, Any]) -> list[str]:
    """What is wrong and what to do about it, one sentence each."""
    complaints = []
    if report["disk_free_gb"] < DISK_GB:
        complaints.append(f"only {report['disk_free_gb']} GB of disk are free; the lessons want {DISK_GB} GB")
    if report["memory_gb"] is not None and report["memory_gb"] < MEMORY_GB:
        complaints.append(
            f"{report['memory_gb']} GB of memory is little; close other programs (lessons want {MEMORY_GB} GB)"
        )
    if report["loss_difference"] > TOLERANCE:
        complaints.append(
            f"the losses on {report['device']} differ from the CPU's by {report['loss_difference']:.2g} nats in five "
            "steps: it computes something else. Use --device cpu"
        )
    if not report["real_model"]:
        complaints.append(f"the real weights are not here yet; once, with a network: minillm fetch {REAL_MODEL}")
    if not report["browser"]:
        complaints.append("no browser was found; JupyterLab prints an address that you can open on another computer")
    return complaints


def loss_difference(device: torch.device, steps: int = 5) -> float:
    """The largest difference, in nats, between the losses of the same few training steps on the CPU and on `device`.

    On the CPU itself the two runs differ in their number format, bfloat16 against float32, if the format is in use.
    """
    config = ModelConfig(vocab_size=64, d_model=64, n_layers=2, n_heads=4, max_seq_len=32)
    rows = torch.randint(1, 64, (16, 33), generator=torch.Generator().manual_seed(0))

    def losses(where: torch.device, bf16: bool | None) -> list[float]:
        torch.manual_seed(0)
        model = Transformer(config).to(where)
        settings = TrainConfig(steps=steps, learning_rate=1e-2, warmup_steps=0, log_every=1, bf16=bf16)
        return [line["loss"] for line in train(Task(model, PackedBatches(rows, 8, 0, 0), text_loss), settings)]

    reference = losses(torch.device("cpu"), bf16=False)
    tried = losses(device, bf16=None if device.type == "cpu" else False)
    return round(max(abs(a - b) for a, b in zip(reference, tried, strict=True)), 6)
