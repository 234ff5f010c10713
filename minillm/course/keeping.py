"""Keep what took minutes to make, a model or some numbers: in the cache, under a hash of the settings that made it."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minillm.assets import cache_dir
from minillm.files import locked, sha256, write_json
from minillm.pretrained import load
from minillm.pretrained.weights import Model
from minillm.tokenizer import Tokenizer

VERSION = 1  # raise it when the code, and no setting, changes what a model becomes
SEAL = "seal.json"  # the settings, and the SHA-256 of each file; written last
KEPT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.jsonl")


def kept(
    name: str,
    settings: dict[str, Any],
    make: Callable[[Path], object],
    load: Callable[[Path], tuple[Model, Tokenizer]] = load,
) -> tuple[Model, Tokenizer]:
    """The model that these settings make: from the cache, or by `make(folder)`, which leaves it in a run folder.

    A folder that is damaged is made again, and stderr says so. A `make` that was interrupted finds what it left, and
    may go on from there. Of two processes that ask at once, one makes it and the other waits.
    """
    folder, text = _place("models", name, settings)
    with _locked(folder, f"the course's {name} model"):
        fault = _fault(folder)
        if fault is not None:
            if folder.exists():
                print(f"{folder} is damaged ({fault}). It is removed and made again.", file=sys.stderr)
                shutil.rmtree(folder)
            _make(folder, text, make)
    return load(folder)


def kept_files(name: str, settings: dict[str, Any]) -> list[Path]:
    """The files of the model that `kept` would load, its seal last; none where it was never made or is damaged."""
    folder = _place("models", name, settings)[0]
    if _fault(folder) is not None:
        return []
    return sorted(folder.iterdir(), key=lambda path: (path.name == SEAL, path.name))


def kept_numbers(name: str, settings: dict[str, Any], make: Callable[[], dict[str, int | float]]) -> dict[str, Any]:
    """The numbers that these settings give, by name: from a small file in the cache, or by `make()`.

    As with `kept`, a damaged file is made again, and of two processes one makes it and the other waits.
    """
    path, text = numbers_file(name, settings), _place("runs", name, settings)[1]
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
    """Where `kept_numbers` keeps them; whoever wants to know what is still to be made looks whether it is there."""
    place = _place("runs", name, settings)[0]
    return place.with_name(f"{place.name}.json")


def _place(kind: str, name: str, settings: dict[str, Any]) -> tuple[Path, str]:
    """A path in the cache that bears a hash of the settings, and the settings as the text that was hashed."""
    text = json.dumps(settings | {"version": VERSION}, sort_keys=True)
    return cache_dir() / kind / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}", text


@contextmanager
def _locked(path: Path, what: str) -> Iterator[None]:
    """Alone with a path of the cache; an `OSError` on the way says what could not be kept, and the remedy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            yield
    except OSError as error:
        raise OSError(
            f"cannot keep {what} in {path.parent}: {error.strerror or error}. "
            "Make room there, or set MINILLM_HOME to a folder that you may write to"
        ) from error


def _make(folder: Path, settings: str, make: Callable[[Path], object]) -> None:
    """Make it in a folder beside, seal it, and only then give it its name: a half-made one never bears that."""
    partial = folder.with_name(f"{folder.name}.partial")
    interrupted = partial.exists()
    try:
        make(partial)
    except ValueError as error:
        if not interrupted:
            raise
        print(f"{partial} cannot be gone on with ({error}). It is removed and made again.", file=sys.stderr)
        shutil.rmtree(partial)
        make(partial)
    for path in partial.iterdir():
        if path.name not in KEPT:
            path.unlink()
    sums = {path.name: sha256(path) for path in sorted(partial.iterdir())}
    (partial / SEAL).write_text(json.dumps({"settings": json.loads(settings), "sha256": sums}), encoding="utf-8")
    os.replace(partial, folder)


def _fault(folder: Path) -> str | None:
    """Say what is wrong with a kept model; None if it is whole."""
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
