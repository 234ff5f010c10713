"""The tensors of a Hugging Face directory: one safetensors file, or several and an index that says what is where.

    model.safetensors               all of them
    model.safetensors.index.json    {"weight_map": {tensor: file}}, beside model-00001-of-00002.safetensors and so on

Such a directory may come from anywhere. An index is a list of file names, so it could point at any file of this
computer; a name in it must be a plain one, and neither it nor a link may lead out of the directory.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from minillm.errors import UserError
from minillm.files import naming, read_json

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
MAX_INDEX_BYTES = 20_000_000  # about a hundred for each tensor; the largest models have some ten thousand


class Shards:
    """The tensors in a directory, in one or more files that are open until `close`.

    `shapes` lists every tensor by its name; the data stay on the disk until `read` asks for them. If there are both a
    single file and an index, the single file is read, as transformers does. Raises `FileNotFoundError` for files that
    are missing, `UserError` for what is damaged, points out of the directory, or does not agree with the index.
    """

    def __init__(self, directory: Path):
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, Any] = {}  # by the tensor's name
        self._file_names: dict[str, str] = {}  # by the tensor's name
        self._stack = ExitStack()
        try:
            if (directory / WEIGHTS).exists():
                self._open(inside(directory, WEIGHTS))
            else:
                self._open_all(directory)
        except BaseException:
            self.close()
            raise

    def _open_all(self, directory: Path) -> None:
        listed = read_index(inside(directory, INDEX))
        for name in sorted(set(listed.values())):
            self._open(inside(directory, name))
        for tensor, name in listed.items():
            if self._file_names.get(tensor) != name:
                raise UserError(f"{INDEX} says that tensor {tensor[:80]!r} is in {name}, which does not hold it")
        if unlisted := sorted(self._file_names.keys() - listed.keys()):
            raise UserError(
                f"{self._file_names[unlisted[0]]} holds tensor {unlisted[0][:80]!r}, which {INDEX} leaves out"
            )

    def _open(self, path: Path) -> None:
        with _naming_damage(path.name):
            file = self._stack.enter_context(safe_open(path, framework="pt"))
            for name in file.keys():  # noqa: SIM118 - no dictionary
                if name in self._file_names:
                    raise UserError(f"tensor {name[:80]!r} is both in {self._file_names[name]} and in {path.name}")
                self.shapes[name] = tuple(file.get_slice(name).get_shape())
                self._files[name], self._file_names[name] = file, path.name

    def read(self, name: str) -> Float[Tensor, "..."]:
        """One tensor, in float32; raises `UserError` for one that holds no floating-point numbers."""
        with _naming_damage(self._file_names[name]):
            return to_float32(name, self._files[name].get_tensor(name))

    def close(self) -> None:
        """Close all files; nothing can be read any more."""
        self._stack.close()

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _naming_damage(name: str) -> Iterator[None]:
    """What the safetensors library cannot read becomes a `UserError` with the file's name."""
    try:
        yield
    except SafetensorError as error:
        raise UserError(f"{name} is damaged: {error}") from error


def read_index(path: Path) -> dict[str, str]:
    """The file name of each tensor, from an index; raises `UserError` for a damaged one, and for other directories."""
    with naming(path.name):
        listed = read_json(path, MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise UserError(f"{path.name} has no weight_map that says which tensor is in which file")
    for tensor, name in listed.items():
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]{0,250}\.safetensors", name, re.ASCII):
            raise UserError(
                f"{path.name} says that tensor {tensor[:80]!r} is in {str(name)[:80]!r}; only .safetensors files in "
                "the same directory are opened"
            )
    return listed


def inside(directory: Path, name: str) -> Path:
    """The path of a file in a directory; raises `UserError` for a link that leads out, `FileNotFoundError` if missing.

    The cache of the Hugging Face hub is made of links, `snapshots/<revision>/<name>` to `blobs/<hash>`; these may be.
    """
    path, home = directory / name, directory.resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{directory} is incomplete: it has no {name}; fetch it again")
    allowed = {home, home.parent.parent / "blobs"} if home.parent.name == "snapshots" else {home}
    if not allowed & set(path.resolve().parents):
        raise UserError(f"{name} is a link that leads out of the directory; replace it by the file itself")
    return path


def to_float32(name: str, tensor: Tensor) -> Tensor:
    """A copy of a file's tensor in float32; raises `UserError` for one that holds no floating-point numbers."""
    if not tensor.is_floating_point():
        raise UserError(f"tensor {name!r} holds {tensor.dtype}, not floating-point numbers")
    # A copy: safetensors maps the file, which may be replaced while the model is in use.
    return tensor.to(torch.float32, copy=True)
