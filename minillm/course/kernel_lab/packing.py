"""Matrices in the formats of the lab's kernels, and back; numpy alone, since `child` imports nothing else."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BLOCK = 32  # weights that share a scale
ROWS = 16  # side by side in the blocked format
SHAPES = (
    (960, 576),
    (576, 576),
    (3072, 576),
    (576, 1536),
)  # of SmolLM2: query, key and value; output; gate and up; down


@dataclass(frozen=True)
class Layer:
    """The matrices of one layer, in float32."""

    matrices: tuple[np.ndarray, ...]

    @classmethod
    def like_smollm2(cls, seed: int = 0) -> "Layer":
        """Random matrices in the shapes of a layer of SmolLM2-135M.

        >>> sum(matrix.size for matrix in Layer.like_smollm2().matrices)
        3538944
        """
        rng = np.random.default_rng(seed)
        return cls(tuple(rng.standard_normal(shape, np.float32) / np.float32(shape[1] ** 0.5) for shape in SHAPES))


@dataclass(frozen=True)
class Format:
    """How a matrix lies in memory."""

    described: str
    bits: float  # per weight, scales included
    pack: Callable[[np.ndarray], np.ndarray]
    rounded: Callable[[np.ndarray], np.ndarray]  # the same weights as the format holds them, to compare with


def codes_of_4_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scale and the lowest weight of each block, and codes from 0 to 15: (R, B), (R, B), (R, B, 32).

    >>> scale, low, codes = codes_of_4_bits(np.arange(32.0, dtype=np.float32)[None])
    >>> float(low[0, 0]), codes[0, 0, [0, 16, 31]].tolist()
    (0.0, [0, 8, 15])
    """
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    low, high = blocks.min(-1), blocks.max(-1)
    scale = (high - low) / 15
    steps = np.where(scale == 0, 1, scale)[..., None]
    return scale, low, np.rint((blocks - low[..., None]) / steps).astype(np.uint8)


def in_blocks(matrix: np.ndarray) -> np.ndarray:
    """`Block` of harness.h, row after row, as bytes: 24 for 32 weights."""
    scale, low, codes = codes_of_4_bits(matrix)
    floats = np.stack([scale, low], -1).astype(np.float32).view(np.uint8)  # (rows, blocks, 8)
    return np.concatenate([floats, codes[..., :16] | codes[..., 16:] << 4], -1).reshape(-1)


def side_by_side(matrix: np.ndarray) -> np.ndarray:
    """`Block16` of harness.h: 16 rows share a block of 384 bytes."""
    scale, low, codes = codes_of_4_bits(matrix)
    groups, blocks = len(matrix) // ROWS, scale.shape[1]
    halves = (codes[..., :16] | codes[..., 16:] << 4).reshape(groups, ROWS, blocks, 16).transpose(0, 2, 3, 1)
    floats = np.stack([scale, low]).astype(np.float32).reshape(2, groups, ROWS, blocks).transpose(1, 3, 0, 2)
    floats = np.ascontiguousarray(floats).view(np.uint8).reshape(groups, blocks, -1)
    return np.concatenate([floats, halves.reshape(groups, blocks, -1)], -1).reshape(-1)


def by_rows(matrix: np.ndarray) -> np.ndarray:
    """Codes of 8 bits, then one float32 scale per row, as bytes: the `quantize` of lesson 12."""
    scale = np.abs(matrix).max(1, keepdims=True) / 127
    codes = np.rint(matrix / np.where(scale == 0, 1, scale)).astype(np.int8)
    return np.concatenate([codes.reshape(-1).view(np.uint8), scale.astype(np.float32).reshape(-1).view(np.uint8)])


def rounded_to_4_bits(matrix: np.ndarray) -> np.ndarray:
    """What `in_blocks` and `side_by_side` hold.

    >>> rounded_to_4_bits(np.arange(0, 64, 2.0)[None])[0, :4].round(2).tolist()  # steps of 62 / 15
    [0.0, 0.0, 4.13, 4.13]
    """
    scale, low, codes = codes_of_4_bits(matrix)
    return (low[..., None] + scale[..., None] * codes).reshape(matrix.shape)


def rounded_to_8_bits(matrix: np.ndarray) -> np.ndarray:
    """What `by_rows` holds.

    >>> rounded_to_8_bits(np.array([[12.7, 0.04]])).round(3).tolist()
    [[12.7, 0.0]]
    """
    scale = np.abs(matrix).max(1, keepdims=True) / 127
    return np.rint(matrix / np.where(scale == 0, 1, scale)) * scale


FORMATS = {
    "float32": Format("float32", 32, lambda matrix: np.ascontiguousarray(matrix, np.float32), np.asarray),
    "blocks": Format("4 bits, row after row", 6, in_blocks, rounded_to_4_bits),
    "int8": Format("8 bits, row after row", 8, by_rows, rounded_to_8_bits),
    "side by side": Format("4 bits, 16 rows side by side", 6, side_by_side, rounded_to_4_bits),
}
