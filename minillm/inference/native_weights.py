"""Weights in the order in which `native.c` reads them: groups of 16 rows, blocks of 32 columns.

`native_kernels.h` describes the four formats. Matrices of 4 and 8 bits keep their codes and scales exactly; int8
layers, which have one scale per row, repeat it for each block.
"""

import mmap
from contextlib import suppress

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16, Float32, UInt8
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.model.attention import MultiHeadAttention
from minillm.model.embedding import TokenEmbedding
from minillm.model.feedforward import FeedForward
from minillm.model.linear import Linear
from minillm.model.norm import RMSNorm
from minillm.model.quantized_linear import GROUP, GroupedInt8Linear, Int4Linear, Int8Linear, QuantizedEmbedding
from minillm.model.transformer import Block, Transformer, Trunk

ROWS = 16  # in a group
BITS = {torch.bfloat16: 16, torch.float32: 32}  # of a weight that is a number and not a code
FORMATS = (Int4Linear, GroupedInt8Linear, Int8Linear, Linear, nn.Linear)
OTHERS = (Transformer, Trunk, nn.ModuleList, Block, MultiHeadAttention, FeedForward, RMSNorm)
PARTS = (*FORMATS, *OTHERS, TokenEmbedding, QuantizedEmbedding)
LARGE_PAGE, CHUNK, SMALL = 2**21, 2**24, 2**16  # bytes
Packed = tuple[UInt8[Tensor, "row_groups blocks bytes"], Float32[Tensor, "rows"] | None, int]  # blocks, bias, bits


def misfit(model: Trunk) -> str | None:
    """Why `native.c` cannot compute this model, as the end of a sentence; None if it can.

    >>> from minillm import ModelConfig
    >>> config = ModelConfig(vocab_size=10, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
    >>> misfit(Transformer(config)), misfit(Transformer(config).half())
    (None, 'its matrices are in torch.float16; take float32 or bfloat16, or quantize it')
    """
    c = model.config
    if (c.norm, c.activation, c.position, c.causal) != ("rmsnorm", "swiglu", "rotary", True):
        return "it is not of Llama's shape (RMSNorm, SwiGLU, rotary positions, causal)"
    if c.n_heads % c.n_kv_heads or c.d_head % 2:
        return f"{c.n_heads} heads of width {c.d_head} cannot share {c.n_kv_heads} keys"
    widths = {"d_model": c.d_model, "n_heads * d_head": c.n_heads * c.d_head, "d_ff": c.d_ff}
    for name, width in widths.items():
        if width % GROUP:
            return f"{name} is {width}, which is not a multiple of {GROUP}"
    if c.n_kv_heads * c.d_head % ROWS:
        return f"n_kv_heads * d_head is {c.n_kv_heads * c.d_head}, which is not a multiple of {ROWS}"
    if model.device.type != "cpu":
        return f"it is on {model.device}"
    for name, part in model.named_modules():
        if type(part) not in PARTS:  # also a part of our own that another class extends
            return f"{name or 'it'} is a {type(part).__name__}"
        if isinstance(part, nn.Linear) and part.weight.dtype not in BITS:
            return f"its matrices are in {part.weight.dtype}; take float32 or bfloat16, or quantize it"
    return None


def pack(name: str, layer: nn.Module, rows: int, columns: int) -> Packed:
    """The blocks of one matrix, its bias with as many numbers as there are packed rows, and its bits.

    Raises `UserError` where the layer's tensors do not have the sizes that the configuration says.

    >>> blocks, bias, bits = pack("head", Int4Linear.from_linear(nn.Linear(64, 20, bias=False)), 20, 64)
    >>> blocks.shape, bias, bits                   # 20 rows in 2 groups of 16, 64 columns in 2 blocks
    (torch.Size([2, 2, 320]), None, 4)
    """
    if isinstance(layer, Int4Linear):
        _check(name, "codes", layer.codes, (columns // GROUP, GROUP // 2, rows), torch.uint8)
        blocks, bits = _pack_4_bits(name, layer), 4
    elif isinstance(layer, GroupedInt8Linear):
        nibbles = layer.nibbles
        _check(name, "codes", nibbles.codes, (2 * columns // GROUP, GROUP // 2, rows), torch.uint8)
        _check(name, "scale", nibbles.scale, (2 * columns // GROUP, rows))
        high, low = _four_bits(nibbles.codes).chunk(2)
        blocks, bits = _pack_8_bits(high << 4 | low, nibbles.scale.chunk(2)[1]), 8
    elif isinstance(layer, Int8Linear):
        _check(name, "codes", layer.codes, (rows, columns), torch.int8)
        _check(name, "scale", layer.scale, (rows,))
        codes = layer.codes.data.view(torch.uint8).T.unflatten(0, (-1, GROUP)) ^ 128
        blocks, bits = _pack_8_bits(codes, layer.scale.expand(len(codes), -1)), 8
    elif isinstance(layer, nn.Linear) and layer.weight.dtype in BITS:
        _check(name, "weight", layer.weight, (rows, columns))
        groups = F.pad(layer.weight.detach(), (0, 0, 0, -rows % ROWS)).unflatten(0, (-1, ROWS)).mT.contiguous()
        blocks, bits = groups.unflatten(1, (-1, GROUP)).view(torch.uint8).flatten(2), BITS[layer.weight.dtype]
    else:
        raise UserError(f"{name} is a {type(layer).__name__}; the C step takes nn.Linear and quantized layers")
    bias = getattr(layer, "bias", None)
    if bias is None:
        return blocks, None, bits
    _check(name, "bias", bias, (rows,))
    return blocks, _padded(bias.detach().float()).contiguous(), bits


def vector(name: str, weight: Tensor | None, size: int) -> Float32[Tensor, "size"]:
    """A norm's weights in float32; raises `UserError` for another size than the configuration says."""
    if weight is None:
        raise UserError(f"{name} has no weights")
    _check(name, "weight", weight, (size,))
    return weight.detach().float().contiguous()


class Arena:
    """Memory for packed matrices in pages of 2 MB, where Linux has them; elsewhere they stay where they are.

    A step reads each weight once. In pages of 4 kB, a processor then has to look up an address every 4 kB, and stops
    reading ahead there. Tensors of less than 64 kB stay where they are, too.

    >>> tensor = torch.arange(SMALL)
    >>> kept = Arena().keep(tensor)
    >>> torch.equal(kept, tensor), kept.data_ptr() % 64
    (True, 0)
    """

    def __init__(self) -> None:
        self._free = torch.empty(0, dtype=torch.uint8)

    def keep(self, tensor: Tensor) -> Tensor:
        """The same numbers, in this memory."""
        if tensor.nbytes < SMALL or not hasattr(mmap, "MADV_HUGEPAGE"):
            return tensor
        if tensor.nbytes > len(self._free):
            self._free = _large_pages(max(CHUNK, tensor.nbytes))
        kept = self._free[: tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        self._free = self._free[-(-tensor.nbytes // 64) * 64 :]
        return kept.copy_(tensor)


def _large_pages(size: int) -> UInt8[Tensor, "bytes"]:
    memory = mmap.mmap(-1, size + LARGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    everything = torch.frombuffer(memory, dtype=torch.uint8)
    return everything[-everything.data_ptr() % LARGE_PAGE :]


def _check(name: str, part: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> None:
    if tensor.shape != shape:
        raise UserError(f"{name}.{part} is {tuple(tensor.shape)}, and the configuration says {shape}; they must agree")
    if (dtype or tensor.dtype) != tensor.dtype or tensor.device.type != "cpu":
        raise UserError(
            f"{name}.{part} is in {tensor.dtype} on {tensor.device}; the C step takes {dtype or tensor.dtype} on cpu"
        )


def _four_bits(codes: UInt8[Tensor, "groups half rows"]) -> UInt8[Tensor, "groups group rows"]:
    return torch.cat((codes.data & 15, codes.data >> 4), dim=1)


def _padded(tensor: Tensor) -> Tensor:
    """With zeros up to a multiple of 16 rows, which are the last dimension."""
    return F.pad(tensor, (0, -tensor.shape[-1] % ROWS))


def _pack_4_bits(name: str, layer: Int4Linear) -> UInt8[Tensor, "row_groups blocks bytes"]:
    n_blocks, _, rows = layer.codes.shape
    for part in ("scale", "zero"):
        _check(name, part, getattr(layer, part), (n_blocks, rows))
    low, high = _padded(_four_bits(layer.codes)).view(n_blocks, 4, 2, 4, -1, ROWS).unbind(2)  # columns: four and four
    codes = (low | high << 4).permute(3, 0, 1, 4, 2).flatten(2)  # (row groups, blocks, 4, 16 rows, 4 columns)
    return torch.cat((codes, _by_groups(layer.scale), _by_groups(layer.zero)), dim=2).contiguous()


def _pack_8_bits(
    codes: UInt8[Tensor, "blocks group rows"], scale: BFloat16[Tensor, "blocks rows"]
) -> UInt8[Tensor, "row_groups blocks bytes"]:
    groups = _padded(codes).view(len(codes), 8, 4, -1, ROWS).permute(3, 0, 1, 4, 2).flatten(2)
    return torch.cat((groups, _by_groups(scale)), dim=2).contiguous()


def _by_groups(numbers: Tensor) -> UInt8[Tensor, "row_groups blocks bytes"]:
    """Scales (blocks, rows), in bfloat16, as the bytes that follow the codes of each block."""
    numbers = _padded(numbers.data.bfloat16()).unflatten(1, (-1, ROWS)).transpose(0, 1)
    return numbers.contiguous().view(torch.uint8)
