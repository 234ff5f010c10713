"""Read the trained models and the numbers that ship with the package, in the folder minillm/course/models/.

    base/  config.json  model.safetensors  tokenizer.json  tokenizer_config.json  metrics.jsonl
           recipe.json    the settings, the weights it started from, final metrics, and the SHA-256 of each other file
    sft/  reward/  ppo/  solver/  reasoning/   the same; weights are float16 in the file and float32 in memory
    sweep.json            the settings and numbers of each run of the scaling sweep, and their SHA-256

What ships is used only where its settings are those that the code asks for; otherwise the caller trains a model and
keeps it in the cache (`keeping.py`). Reading writes nothing, so the package may be installed read-only.
`python -m minillm.course.models --retrain` makes all of it (`models/retraining.py`).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from minillm.course.keeping import settings_text
from minillm.errors import UserError
from minillm.files import read_json, sha256
from minillm.pretrained.shards import WEIGHTS

SHIPPED = Path(__file__).with_name("models")
RECIPE = "recipe.json"
NUMBERS = "sweep.json"
COMMAND = "python -m minillm.course.models --retrain"  # followed by a name


def folder_of(name: str) -> Path:
    """Return the folder of a shipped model, which may not exist."""
    return SHIPPED / name


def shipped_recipe(name: str) -> dict[str, Any] | None:
    """Return the recipe.json of a shipped model, or None if no such model ships; raises `UserError` for a damaged one.

    Its keys are `command`, `settings` (with `starts`, the SHA-256 of the weights that it started from), `made_with`,
    `metrics` (of the last step, before the weights were rounded to float16) and `files` (bytes and SHA-256 of each).
    """
    folder = folder_of(name)
    if not folder.is_dir():
        return None
    try:
        recipe = read_json(folder / RECIPE)
        if not all(isinstance(recipe.get(key), dict) for key in ("settings", "metrics", "files")):
            raise UserError("it is incomplete")
        abouts = recipe["files"].values()
        if WEIGHTS not in recipe["files"] or not all(isinstance(about, dict) and "sha256" in about for about in abouts):
            raise UserError("its list of files is incomplete")
    except (OSError, ValueError) as error:
        raise _refusal(name, folder / RECIPE, f"cannot be read ({error})") from None
    return recipe


def shipped_weights(name: str, settings: dict[str, Any]) -> str | None:
    """Return the SHA-256 of the shipped weights, or None if no model with these settings ships."""
    recipe = shipped_recipe(name)
    if recipe is None or json.dumps(recipe["settings"], sort_keys=True) != settings_text(settings):
        return None
    return recipe["files"][WEIGHTS]["sha256"]


def shipped_folder(name: str, settings: dict[str, Any]) -> Path | None:
    """Return the checked folder of a shipped model, or None if no model with these settings ships.

    Raises `UserError` if a file is missing or differs from its SHA-256.
    """
    if shipped_weights(name, settings) is None:
        return None
    check_shipped(name)
    return folder_of(name)


def shipped_files(name: str, settings: dict[str, Any]) -> list[Path]:
    """List the files of a shipped model; empty if it is damaged or if no model with these settings ships."""
    try:
        if shipped_weights(name, settings) is None:
            return []
        check_shipped(name)
    except UserError:
        return []
    return sorted(folder_of(name).iterdir())


def check_shipped(name: str) -> None:
    """Compare each file of a shipped model with its SHA-256; raises `UserError` with the remedy for a difference."""
    recipe = shipped_recipe(name) or {"files": {}}
    for file, about in recipe["files"].items():
        path = folder_of(name) / file
        if not path.is_file():
            raise _refusal(name, path, "is missing")
        if (found := sha256(path)) != about["sha256"]:
            raise _refusal(name, path, f"has SHA-256 {found[:8]}..., not {str(about['sha256'])[:8]}...")


def numbers_path() -> Path:
    """Return the file of the shipped runs, which may not exist."""
    return SHIPPED / NUMBERS


def shipped_numbers() -> dict[str, dict[str, Any]]:
    """Return the numbers of each shipped run by `settings_text`; empty if none ship, `UserError` if damaged."""
    path = numbers_path()
    if not path.exists():
        return {}
    try:
        values = read_json(path)
        runs = {json.dumps(run["settings"], sort_keys=True): dict(run["numbers"]) for run in values["runs"]}
        found, expected = numbers_hash(values["runs"]), values["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refusal("sweep", path, f"cannot be read ({error!r})") from None
    if found != expected:
        raise _refusal("sweep", path, f"has runs of SHA-256 {found[:8]}..., not {str(expected)[:8]}...")
    return runs


def numbers_hash(runs: list[dict[str, Any]]) -> str:
    """Return the SHA-256 of runs as JSON with sorted keys, which no formatting of the file changes.

    >>> numbers_hash([{"a": 1, "b": 2}]) == numbers_hash([{"b": 2, "a": 1}])
    True
    """
    return hashlib.sha256(json.dumps(runs, sort_keys=True).encode()).hexdigest()


def _refusal(name: str, path: Path, fault: str) -> UserError:
    return UserError(f"{path} {fault}. Reinstall minillm (in a clone: git restore {path.parent}), or {COMMAND} {name}")
