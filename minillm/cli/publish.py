"""minillm publish: one HTML file that runs a trained model in a browser."""

import datetime
import re
from pathlib import Path
from typing import Any

import click

from minillm.assets import registered_folder
from minillm.cli.common import json_option, print_json
from minillm.cli.options import RUN, WORLD
from minillm.errors import UserError
from minillm.extensions import is_installed
from minillm.files import MAX_CONFIG_BYTES, read_json
from minillm.pretrained import load
from minillm.pretrained.shards import WEIGHTS
from minillm.publish import Another
from minillm.publish import publish as write_page
from minillm.training.metrics import METRICS, read_metrics

MAX_NAME, MAX_BEGINNING = 100, 300  # characters


@click.command()
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The HTML file; without it RUN.html here.")
@click.option("--name", help="The page's title; without it the run's own name.")
@click.option("--author", help="Who trained it; without it the page names nobody.")
@click.option("--date", help="When, as YYYY-MM-DD; without it the day when the run's weights were written.")
@click.option("--with", "others", multiple=True, help="Another model to switch to; may be repeated.")
@click.option("--compare", is_flag=True, help="Show the true next words of the course's world, and a game.")
@click.option("--worker", help="With --compare: where a web server has the script for any other beginning's truth.")
@click.option("--beginning", "beginnings", multiple=True, help="A text to start with; may be repeated.")
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@json_option
def publish(
    run: str,
    out: Path | None,
    name: str | None,
    author: str | None,
    date: str | None,
    others: tuple[str, ...],
    compare: bool,
    worker: str | None,
    beginnings: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Write RUN as one HTML file that runs it in a browser, without a network.

    RUN is a run's folder, another model's folder, or a name such as course-base. The file holds the run's weights
    (rounded to 16 bits), its tokenizer and its loss curve. Open it with a double click, or send it to a friend.
    """
    folder, label = find(run)
    name = name or label
    for what, text, most in [("--name", name, MAX_NAME), ("--author", author, MAX_NAME)]:
        check_text(what, text, most)
    for text in beginnings:
        check_text("--beginning", text, MAX_BEGINNING)
    check_text("--worker", worker, MAX_NAME)
    if worker and not compare:
        raise UserError(f"--worker is {worker!r}, which serves the comparison only; give --compare, too")
    out = out or Path(file_name(name))
    if out.exists() and not force:
        raise UserError(f"{out} is there already; replace it with --force, or choose another --out")
    if not out.parent.is_dir():
        raise UserError(f"there is no folder {out.parent}; make it first, or choose another --out")
    day = check_date(date) if date else None if registered_folder(run) else day_of(folder)
    first, *more = map(read, (run, *others))
    truth = true_words(folder) if compare else None
    size = write_page(
        first.model, first.tokenizer, out, name, author, day, first.metrics, beginnings, more, truth, worker
    )
    click.echo(f"Wrote {out}, {size / 1e6:.1f} MB. Open it with a double click.", err=as_json)
    if as_json:
        print_json({"run": run, "out": str(out), "bytes": size, "name": name, "author": author, "date": day})


def find(run: str) -> tuple[Path, str]:
    """The folder or file of a model, and what it is called."""
    folder = registered_folder(run)
    return (folder, run) if folder else (Path(run), Path(run).resolve().name)


def read(run: str) -> Another:
    """A model with its tokenizer and metrics; raises what `load` raises, and `UserError` for a reward model."""
    folder, label = find(run)
    check_text("the name of a model", label, MAX_NAME)
    refuse_reward_model(folder)
    model, tokenizer = load(run)
    return Another(label, model, tokenizer, read_metrics(folder / METRICS) if (folder / METRICS).is_file() else [])


def check_text(what: str, text: str | None, most: int) -> None:
    """Raise `UserError` for a text that the page has no room for, or that is no Unicode (a lone surrogate)."""
    if text is not None and not 0 < len(text.strip()) <= most:
        raise UserError(f"{what} is {text[:40]!r}, {len(text):,} characters long; give 1 to {most} that are not spaces")
    if text is not None and text.encode("utf-8", errors="replace").decode("utf-8") != text:
        raise UserError(f"{what} is {text[:40]!r}, which is not valid Unicode; write it in UTF-8")


def file_name(name: str) -> str:
    """The file for a page of this name, without what file systems refuse.

    >>> file_name("my run: 1/2")
    'my-run-1-2.html'
    """
    return (re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "model") + ".html"


def check_date(text: str) -> str:
    """The same date; raises `UserError` for one that is not YYYY-MM-DD.

    >>> check_date("2026-11-30")
    '2026-11-30'
    """
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d").date().isoformat()
    except ValueError:
        raise UserError(f"--date is {text!r}; write it as 2026-11-30") from None


def day_of(folder: Path) -> str | None:
    """The local date when a run's weights were written; None for a model in another form."""
    weights = folder if folder.is_file() else folder / WEIGHTS
    return datetime.date.fromtimestamp(weights.stat().st_mtime).isoformat() if weights.is_file() else None


def true_words(folder: Path) -> dict[str, Any]:
    """The stored next words of the course's world.

    Raises `UserError` where the course is not installed, and for a run that learned from another corpus.
    """
    if not is_installed("course"):
        raise UserError("--compare shows the course's world, and the course is not installed here; leave it out")
    corpus = read_json(folder / RUN).get("corpus", WORLD) if (folder / RUN).is_file() else WORLD
    if corpus != WORLD:
        raise UserError(
            f"--compare is for models of the course's world, and this run learned from {str(corpus)[:80]!r}; "
            "leave it out"
        )
    from minillm.course.truth import stored

    return stored()


def refuse_reward_model(folder: Path) -> None:
    """Raise `UserError` for a reward model's folder: it scores texts and writes none."""
    path = folder / "config.json"
    if path.is_file():
        values = read_json(path, MAX_CONFIG_BYTES)
        if "num_labels" in values or "likelihood_reward" in values:
            raise UserError(
                f"{folder.name} holds a reward model, which scores texts and writes none; publish the model that was "
                "trained with it (minillm ppo)"
            )
