"""Make the shipped models anew: `python -m minillm.course.models --retrain [NAME ...]`.

Each model starts from the *shipped* weights of the model before it, in float16: sft from the shipped base, the reward
model from the shipped sft, PPO from both. So every step of the chain can be reproduced from files that everybody has;
the float32 weights of a run are thrown away. A model whose start has changed is therefore retrained, too.

Training uses folders of its own in the cache (`models/new-...`, `runs/new-...`). After Ctrl-C the same command resumes
there, and does not repeat a model that was finished; when all is done they are deleted. A shipped folder is replaced
by one rename after all its files are complete.
"""

import difflib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from minillm.course import models, shipped
from minillm.course.keeping import kept_folder, numbers_file, settings_text
from minillm.course.shipped import COMMAND, RECIPE, folder_of
from minillm.course.sweep import SweepRecipe, all_settings, make_runs
from minillm.errors import UserError
from minillm.files import sha256, write_json
from minillm.training.metrics import METRICS, read_metrics

SWEEP = "sweep"
NEW = "new-"  # begins the names in the cache
SWEEP_RECIPE = SweepRecipe()


def retrain(names: Sequence[str] = ()) -> list[str]:
    """Train the named models anew, by default all, and ship them; returns what was made, in order.

    Also makes starts that do not ship as the recipes ask for, and models whose start has changed. Raises `UserError`
    for an unknown name and for weights that float16 cannot hold, `OSError` if the package's folder cannot be written.
    """
    known = [*models.DEFAULTS, SWEEP]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
            raise UserError(f"no shipped model is called {name!r}; {hint}")
    if not os.access(shipped.SHIPPED, os.W_OK):
        raise OSError(f"{shipped.SHIPPED} cannot be written; install minillm from a clone (pip install -e .)")
    needed = _with_starts(set(names or known))
    made, leftovers = [], []
    for name in models.DEFAULTS:
        if name in needed or _start_changed(name):
            leftovers.append(_remake(name))
            made.append(name)
    if SWEEP in needed:
        leftovers += _remake_sweep(SWEEP_RECIPE)
        made.append(SWEEP)
    for path in leftovers:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return made


def _with_starts(names: set[str]) -> set[str]:
    """The names, and all starts of them that are not shipped whole with today's settings."""
    for name in reversed(models.DEFAULTS):
        if name in names:
            starts = models.METHODS[name].starts(models.DEFAULTS[name])
            names = names | {start for start in starts if not _is_current(start)}
    return names


def _is_current(name: str) -> bool:
    try:
        return bool(models.shipped_files(name, models.settings_of(name, models.DEFAULTS[name])))
    except UserError:  # a start of it is damaged
        return False


def _start_changed(name: str) -> bool:
    """Whether a shipped model did not start from the weights that ship as its starts now."""
    recipe = models.DEFAULTS[name]
    starts = models.METHODS[name].starts(recipe)
    if not starts or not all(_is_current(start) for start in starts):
        return False  # it could not start from shipped weights
    try:
        before = shipped.shipped_recipe(name)
    except UserError:
        return True
    return before is not None and before["settings"].get("starts") != models.settings_of(name, recipe)["starts"]


def _remake(name: str) -> Path:
    """Train a model in the cache and ship it; returns its folder in the cache."""
    recipe = models.DEFAULTS[name]
    settings = models.settings_of(name, recipe)
    trained: list[Path] = []

    def train(folder: Path) -> None:
        models.train(name, recipe, folder)
        trained.append(folder)

    folder = kept_folder(f"{NEW}{name}", settings, train)
    if not trained:
        print(f"{name} was finished by the command that was interrupted: {folder}")
    ship(name, folder, settings)
    size = sum(path.stat().st_size for path in folder_of(name).iterdir())
    print(f"{name}: {size / 1e6:.1f} MB in {folder_of(name)}", flush=True)
    return folder


def ship(name: str, run: Path, settings: dict[str, Any]) -> None:
    """Write a trained model from its run folder to the package: float16, metrics, recipe.json with all hashes.

    The shipped folder is replaced as a whole; an error leaves the old one. Raises `UserError` for weights that float16
    cannot hold.
    """
    method, partial = models.METHODS[name], folder_of(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model, tokenizer = method.load(run)
    model = model.half()
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise UserError(f"a weight of {name} is too large for float16 (above 65,504); train it with more weight_decay")
    try:
        method.save(model, tokenizer, partial)
        shutil.copyfile(run / METRICS, partial / METRICS)
        paths = sorted(partial.iterdir())
        files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths}
        recipe = _about(name) | {"settings": _whole(settings), "metrics": read_metrics(run / METRICS)[-1]}
        write_json(partial / RECIPE, recipe | {"files": files})
        for path in partial.iterdir():
            path.chmod(0o644)  # safetensors makes files that only their owner may read
        _swap(partial, folder_of(name))
    except BaseException:  # Ctrl-C too
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _swap(new: Path, folder: Path) -> None:
    """Put a folder in another's place; if the second rename fails, the old one comes back."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    try:
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remake_sweep(recipe: SweepRecipe) -> list[Path]:
    """Train all runs of the sweep and ship their numbers; returns their files in the cache."""
    name = f"{NEW}scaling-run"
    numbers = make_runs(recipe, name, known={})
    settings = all_settings(recipe)
    runs = [{"settings": _whole(its), "numbers": run._asdict()} for its, run in zip(settings, numbers, strict=True)]
    path = shipped.numbers_path()
    write_json(path, _about(SWEEP) | {"sha256": shipped.numbers_hash(runs), "runs": runs})
    print(f"{SWEEP}: {len(runs)} runs in {path}", flush=True)
    return [numbers_file(name, its) for its in settings]


def _about(name: str) -> dict[str, Any]:
    made_with = {"python": "{}.{}.{}".format(*sys.version_info), "torch": torch.__version__}
    return {"command": f"{COMMAND} {name}", "made_with": made_with}


def _whole(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as they come back from JSON, with the version that `settings_text` adds."""
    return json.loads(settings_text(settings))
