"""Cache models and numbers that take minutes to compute, under a hash of their settings."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minillm.assets import cache_dir
from minillm.files import locked, sha256, write_json

VERSION = 1  # raise it if a change of the code, not of a setting, changes the models
SEAL = "seal.json"  # the settings and the SHA-256 of each file; written last
KEPT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.jsonl")


# Fields that are newer than kept models, with the values that change nothing.
LATER = [
    ("rope_scaling", None), ("sliding_window", None), ("corpus", "world"), ("decay_fraction", 0.4), ("worked", 0.0),
    ("families", None), ("worked_steps", 0),
]  # fmt: skip


def as_settings(recipe: Any) -> dict[str, Any]:
    """Return a recipe, a dataclass, as plain values.

    Settings that came later and are at their defaults are left out, so that models made before are still found. So is
    which numbers of a `ModelConfig` were derived: the model does not depend on it.
    """
    return asdict(recipe, dict_factory=lambda pairs: {n: v for n, v in pairs if (n, v) not in LATER and n != "derived"})


def kept_folder(name: str, settings: dict[str, Any], make: Callable[[Path], object]) -> Path:
    """Return the folder of a cached model; if there is none, `make(folder)` trains it and writes a run folder.

    A damaged folder is made again, with a message on stderr. An interrupted `make` finds its partial folder and can
    resume. If two processes ask at once, one makes the model and the other waits. Raises `OSError` if the cache cannot
    be written.
    """
    folder, text = _cache_path("models", name, settings)
    with _locked(folder, f"the course's {name} model"):
        fault = _fault(folder)
        if fault is not None:
            if folder.exists():
                print(f"{folder} is damaged ({fault}). It is removed and made again.", file=sys.stderr)
                shutil.rmtree(folder)
            _make(folder, text, make)
    return folder


def kept_files(name: str, settings: dict[str, Any]) -> list[Path]:
    """List the files of a cached model, the seal last; empty if the model does not exist or is damaged."""
    folder = _cache_path("models", name, settings)[0]
    if _fault(folder) is not None:
        return []
    return sorted(folder.iterdir(), key=lambda path: (path.name == SEAL, path.name))


def kept_numbers(name: str, settings: dict[str, Any], make: Callable[[], dict[str, int | float]]) -> dict[str, Any]:
    """Load numbers by name from a small file in the cache, or compute them with `make()`.

    As with `kept_folder`, a damaged file is made again, and only one of several processes computes the numbers.
    """
    path, text = numbers_file(name, settings), _cache_path("runs", name, settings)[1]
    with _locked(path, f"the numbers of {name}"):
        if path.exists():
            try:
                held = json.loads(path.read_text(encoding="utf-8"))
                if held["settings"] == json.loads(text):
                    return dict(held["numbers"])
            except (ValueError, KeyError, TypeError, RecursionError):
                pass
            print(f"{path} is damaged. It is made again.", file=sys.stderr)
        numbers = make()
        write_json(path, {"settings": json.loads(text), "numbers": numbers})
    return numbers


def numbers_file(name: str, settings: dict[str, Any]) -> Path:
    """Return the file of `kept_numbers`, which may not exist yet."""
    path = _cache_path("runs", name, settings)[0]
    return path.with_name(f"{path.name}.json")


def settings_text(settings: dict[str, Any]) -> str:
    """Return the settings and `VERSION` as JSON: equal texts mean equal models.

    >>> settings_text({"seed": 0, "batch_size": 8})
    '{"batch_size": 8, "seed": 0, "version": 1}'
    """
    return json.dumps(settings | {"version": VERSION}, sort_keys=True)


def _cache_path(kind: str, name: str, settings: dict[str, Any]) -> tuple[Path, str]:
    """A path in the cache that contains a hash of the settings, and the hashed text."""
    text = settings_text(settings)
    return cache_dir() / kind / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}", text


@contextmanager
def _locked(path: Path, what: str) -> Iterator[None]:
    """Lock a path in the cache; an `OSError` inside is raised again with an explanation and a remedy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            yield
    except OSError as error:
        raise OSError(
            f"cannot keep {what} in {path.parent}: {error.strerror or error}. "
            "Free some disk space, or set MINILLM_HOME to a folder that you can write to"
        ) from error


def _make(folder: Path, settings: str, make: Callable[[Path], object]) -> None:
    """Make the model in a temporary folder, seal it, then rename the folder, so that it is never incomplete."""
    partial = folder.with_name(f"{folder.name}.partial")
    interrupted = partial.exists()
    try:
        make(partial)
    except ValueError as error:
        if not interrupted:
            raise
        print(f"{partial} cannot be resumed ({error}). It is removed and made again.", file=sys.stderr)
        shutil.rmtree(partial)
        make(partial)
    for path in partial.iterdir():
        if path.name not in KEPT:
            path.unlink()
    sums = {path.name: sha256(path) for path in sorted(partial.iterdir())}
    (partial / SEAL).write_text(json.dumps({"settings": json.loads(settings), "sha256": sums}), encoding="utf-8")
    os.replace(partial, folder)


def _fault(folder: Path) -> str | None:
    """What is wrong with a cached model, or None if it is complete."""
    try:
        sums = dict(json.loads((folder / SEAL).read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"its {SEAL} is missing or unreadable"
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file():
            return f"its {name} is missing"
        if sha256(path) != expected:
            return f"its {name} has changed"
    return None
