"""The container of a GGUF file, llama.cpp's format: a header, and the bytes of the tensors after it.

    header      the word GGUF, the version, the number of tensors and the number of settings
    settings    key, type, value: sizes of the model, tokenizer, chat template
    table       of every tensor: name, shape, number format, offset
    data        the tensors' bytes, each at its offset

The `gguf` package unpacks the number formats here. Its reader, though, trusts every count and length in the file, so a
damaged file can keep it busy for years. The header is therefore parsed here, in a few lines, and every number in it is
checked against the size of the file.

The meaning of settings and tensors is left to `gguf`, which reads a model out of them.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, dequantize
from jaxtyping import Float, Shaped
from torch import Tensor

from minillm.errors import UserError

VERSIONS = (2, 3)
FORMATS = ("F32", "F16", "BF16", "Q8_0", "Q4_1")
MAX_DIMENSIONS = 4  # of a tensor, a limit of the format
MAX_NAME = 256  # characters of a key or a tensor's name; real ones have about 30
REQUIRED = object()

Kind = TypeVar("Kind", bound=IntEnum)

_CODES = {  # the letters by which `struct` and NumPy call the same types
    GGUFValueType.UINT8: "B", GGUFValueType.INT8: "b", GGUFValueType.UINT16: "H", GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I", GGUFValueType.INT32: "i", GGUFValueType.UINT64: "Q", GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT32: "f", GGUFValueType.FLOAT64: "d", GGUFValueType.BOOL: "?",
}  # fmt: skip


@dataclass(frozen=True)
class TensorEntry:
    """One line of the tensor table."""

    shape: tuple[int, ...]  # rows first, as in torch; the file has it the other way round
    number_format: GGMLQuantizationType
    start: int  # offset of its first byte in the file
    n_bytes: int


class GGUFFile:
    """The settings and tensors of a GGUF file, every size checked against the file's own.

    `settings` maps keys to plain Python values, `tensors` maps names to entries; the data stay on the disk until `read`
    asks for them. Raises `UserError` for a file that is not GGUF or is damaged.
    """

    def __init__(self, path: str | Path):
        if Path(path).stat().st_size == 0:
            raise UserError("the file is empty")
        self._data = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))  # a plain array: its slices cost less
        header = _Header(self._data)
        if (magic := bytes(header.take(4))) != b"GGUF":
            raise UserError(f"this is not a GGUF file: it begins with {magic!r}, not with b'GGUF'")
        if (version := header.scalar(GGUFValueType.UINT32)) not in VERSIONS:
            raise UserError(f"GGUF version {version} cannot be read, only versions 2 and 3")
        n_tensors, n_settings = header.scalar(GGUFValueType.UINT64), header.scalar(GGUFValueType.UINT64)
        self.settings: dict[str, Any] = {}
        for _ in range(n_settings):  # a false count ends at the end of the file, in an error
            _put(self.settings, header.name(), header.value())
        table: dict[str, tuple] = {}
        for _ in range(n_tensors):
            _put(table, header.name(), header.tensor())
        alignment = self.get("general.alignment", int, 32)
        if alignment < 1:
            raise UserError(f"general.alignment is {alignment}; it must be positive")
        first = -(-header.position // alignment) * alignment
        self.tensors = {name: _entry(name, first, *fields) for name, fields in table.items()}
        self._check_places()

    def _check_places(self) -> None:
        end = 0
        # Tensors that share bytes would let a small file unpack into any amount of memory.
        for name, entry in sorted(self.tensors.items(), key=lambda item: item[1].start):
            if entry.start < end:
                raise UserError(f"tensor {name!r} overlaps another one")
            end = entry.start + entry.n_bytes
            if end > len(self._data):
                raise UserError(
                    f"the file is truncated: tensor {name!r} ends at byte {end:,}, the file at {len(self._data):,}"
                )

    def get(self, key: str, kind: type, default: Any = REQUIRED) -> Any:
        """The setting `key`, which must be of type `kind`; `default` where it is absent."""
        value = self.settings.get(key, default)
        if value is REQUIRED:
            raise UserError(f"the setting {key} is missing")
        if value is not default and type(value) is not kind:
            raise UserError(f"the setting {key} is of type {type(value).__name__}; expected {kind.__name__}")
        return value

    def get_list(self, key: str, kind: type, default: Any = REQUIRED) -> list:
        """The setting `key`, which must be a list of `kind`."""
        values = self.get(key, list, default)
        if not all(type(value) is kind for value in values):
            raise UserError(f"the setting {key} holds {type(values[0]).__name__}; expected {kind.__name__}")
        return values

    def read(self, name: str) -> Float[Tensor, "..."]:
        """One tensor, unpacked to float32."""
        entry = self.tensors[name]
        rows = self._data[entry.start : entry.start + entry.n_bytes].reshape(*entry.shape[:-1], -1)
        with np.errstate(all="ignore"):  # a block's scale may be infinite in a damaged file
            values = dequantize(rows, entry.number_format)
        return torch.from_numpy(np.require(values, requirements="W"))  # F32 is still the file itself: copied here

    def read_codes(self, name: str) -> tuple[Shaped[Tensor, "rows _"], ...]:
        """The codes of a packed matrix, one per byte, and the numbers that turn each block of 32 into weights.

        Q8_0: codes -128 .. 127 and scales, weight = scale * code. Q4_1: codes 0 .. 15, scales and the least weights,
        weight = scale * code + least. The numbers have the shape (rows, blocks).
        """
        entry = self.tensors[name]
        rows, columns = entry.shape
        n_numbers = {"Q8_0": 1, "Q4_1": 2}[entry.number_format.name]
        blocks = self._data[entry.start : entry.start + entry.n_bytes].reshape(rows, columns // 32, -1)
        numbers = blocks[..., : 2 * n_numbers].copy().view("<f2").astype(np.float32)
        codes = blocks[..., 2 * n_numbers :]
        if entry.number_format.name == "Q4_1":  # byte i: weight i in the lower half, weight i + 16 in the upper
            codes = np.concatenate((codes & 15, codes >> 4), axis=-1)
        else:
            codes = codes.view(np.int8).copy()
        parts = (codes.reshape(rows, columns), *(numbers[..., part] for part in range(n_numbers)))
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


class _Header:
    """A position in the file that moves forward, never past the end."""

    def __init__(self, data: np.ndarray):
        self._data = data.data
        self.position = 0

    def take(self, n_bytes: int) -> memoryview:
        if n_bytes > len(self._data) - self.position:
            raise UserError(
                f"the file is truncated or damaged: at byte {self.position:,} it announces {n_bytes:,} more bytes, "
                f"but it has only {len(self._data):,} in all"
            )
        self.position += n_bytes
        return self._data[self.position - n_bytes : self.position]

    def scalar(self, kind: GGUFValueType) -> Any:
        code = "<" + _CODES[kind]
        (value,) = struct.unpack(code, self.take(struct.calcsize(code)))
        # 1e-5 in float32 is 9.999999747378752e-06. The shortest number that rounds to it is the one that was meant.
        return float(str(np.float32(value))) if kind is GGUFValueType.FLOAT32 else value

    def member(self, kinds: type[Kind]) -> Kind:
        number = self.scalar(GGUFValueType.UINT32)
        if number not in list(kinds):
            raise UserError(
                f"the file is damaged: before byte {self.position:,} it has {number}, not a {kinds.__name__}"
            )
        return kinds(number)

    def string(self) -> str:
        return str(self.take(self.scalar(GGUFValueType.UINT64)), encoding="utf-8")

    def name(self) -> str:
        name = self.string()
        if len(name) > MAX_NAME:
            raise UserError(
                f"the file is damaged: before byte {self.position:,} it has a name of {len(name):,} characters"
            )
        return name

    def value(self) -> Any:
        kind = self.member(GGUFValueType)
        if kind is GGUFValueType.STRING:
            return self.string()
        return self.array() if kind is GGUFValueType.ARRAY else self.scalar(kind)

    def array(self) -> list:
        kind, length = self.member(GGUFValueType), self.scalar(GGUFValueType.UINT64)
        if kind is GGUFValueType.ARRAY:
            raise UserError("a setting is a list of lists, which no model needs")
        if kind is GGUFValueType.STRING:
            return [self.string() for _ in range(length)]
        dtype = np.dtype("<" + _CODES[kind])
        return np.frombuffer(self.take(length * dtype.itemsize), dtype).tolist()

    def tensor(self) -> tuple[tuple[int, ...], GGMLQuantizationType, int]:
        """Shape, format and place of the next tensor in the table."""
        n_dimensions = self.scalar(GGUFValueType.UINT32)
        if n_dimensions > MAX_DIMENSIONS:
            raise UserError(f"a tensor has {n_dimensions} dimensions; the format allows {MAX_DIMENSIONS}")
        shape = tuple(self.scalar(GGUFValueType.UINT64) for _ in range(n_dimensions))[::-1]
        return shape, self.member(GGMLQuantizationType), self.scalar(GGUFValueType.UINT64)


def _put(table: dict, key: str, value: Any) -> None:
    if key in table:
        raise UserError(f"the file has {key!r} twice")
    table[key] = value


def _entry(
    name: str, first: int, shape: tuple[int, ...], number_format: GGMLQuantizationType, offset: int
) -> TensorEntry:
    if number_format.name not in FORMATS:
        raise UserError(f"tensor {name!r} is in the format {number_format.name}; only {', '.join(FORMATS)} can be read")
    block, block_bytes = GGML_QUANT_SIZES[number_format]  # numbers per block, bytes per block
    if not shape or shape[-1] % block:
        raise UserError(
            f"tensor {name!r} of the shape {shape} cannot be cut into blocks of {block}, as {number_format.name} is"
        )
    return TensorEntry(shape, number_format, first + offset, prod(shape) // block * block_bytes)
