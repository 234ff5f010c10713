"""Linear layers with weights in 8 or 4 bits.

To generate one token, every weight of the model is read from memory once, and that is what takes the time. A weight of
4 bits is read eight times as fast as one of 32. Stored are integer codes and, for each row or each group of 32 weights,
the numbers that turn codes back into weights:

    Int8Linear    weight = scale * code               code -127 .. 127, one scale per row
    Int4Linear    weight = scale * (code - 8) + zero  code 0 .. 15, scale and zero for every 32 weights
    GroupedInt8Linear    as int8, but one scale for every 32 weights, computed as two 4-bit products

Each has two forms with one result. The portable one unpacks the codes and computes an ordinary matrix product. The
other is PyTorch's kernel for few vectors, which unpacks inside the processor; it is used where it was measured to be
faster (`device.packed_speedup`). Both round their input to bfloat16 where the kernel does.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int, Int8, UInt8
from torch import Tensor, nn

from minillm.device import autocast_dtype, packed_speedup
from minillm.errors import UserError
from minillm.model.embedding import are_known, check_ids

Product = Callable[[Tensor], Tensor]

GROUP = 32  # weights that share a scale
MOST_VECTORS = 48  # for more, unpacking once and a bfloat16 product beat the kernel, whose cost grows with each


class QuantizedLinear(nn.Module):
    """The base of the three formats: it chooses the form that computes the product, and adds the bias."""

    kernel: str  # the name of the kernel in `device.packed_speedup`

    def __init__(self, rows: int, columns: int, bias: Float[Tensor, "rows"] | None = None):
        super().__init__()
        self.out_features, self.in_features = rows, columns
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self._product: Product | None = None  # made at first use and never saved, since it depends on the processor
        self._matrix: Tensor | None = None

    def rows(self, picked: Int[Tensor, "N"]) -> Float[Tensor, "N columns"]:
        """Some rows of the matrix, in float32."""
        raise NotImplementedError

    def unpack(self, dtype: torch.dtype) -> Float[Tensor, "columns rows"]:
        """The matrix, transposed, in the number format `dtype`."""
        raise NotImplementedError

    def _fits_kernel(self) -> bool:
        raise NotImplementedError

    def _pack(self) -> Product:
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "*B columns"]) -> Float[Tensor, "*B rows"]:
        vectors, has_kernel = x.reshape(-1, self.in_features), self.has_kernel(x.device)
        if has_kernel and len(vectors) <= MOST_VECTORS:
            out = self.product()(vectors.bfloat16().contiguous())
        else:
            dtype = autocast_dtype(x.device) or x.dtype
            out = vectors.to(dtype) @ (self.unpack(dtype) if has_kernel else self._unpack_once(dtype, x.device))
        out = out.to(x.dtype) if self.bias is None else out.to(x.dtype) + self.bias.to(x.dtype)
        return out.view(*x.shape[:-1], self.out_features)

    def has_kernel(self, device: torch.device) -> bool:
        """Whether PyTorch's kernel takes this shape here, and is faster than an ordinary product."""
        # With other shapes, one kernel raises an error and the other reads past the end of the weights.
        return device.type == "cpu" and self._fits_kernel() and packed_speedup(self.kernel) > 1

    def product(self) -> Product:
        """The kernel with these weights: a function of (N, columns) vectors in bfloat16, without the bias."""
        if self._product is None:
            has_kernel = self.has_kernel(torch.device("cpu"))
            self._product = self._pack() if has_kernel else (lambda vectors: vectors @ self.unpack(vectors.dtype))
        return self._product

    def _unpack_once(self, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "columns rows"]:
        """The unpacked matrix, kept from now on: without a kernel, speed costs memory."""
        if self._matrix is None or (self._matrix.dtype, self._matrix.device) != (dtype, device):
            self._matrix = self.unpack(dtype)
        return self._matrix

    @property
    def weight(self) -> Float[Tensor, "rows columns"]:
        """The matrix that the codes represent, in float32."""
        return self.unpack(torch.float32).T

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Int8Linear(QuantizedLinear):
    """Weights in 8 bits: row r is scale[r] * codes[r] (Dettmers et al. 2022, section 2.1, absmax).

    >>> layer = Int8Linear.from_linear(nn.Linear(32, 16))
    >>> layer.codes.dtype, layer(torch.ones(2, 32)).shape
    (torch.int8, torch.Size([2, 16]))
    """

    kernel = "int8"

    def __init__(
        self,
        codes: Int8[Tensor, "rows columns"],
        scale: Float[Tensor, "rows"],
        bias: Float[Tensor, "rows"] | None = None,
    ):
        super().__init__(codes.shape[0], codes.shape[1], bias)
        self.codes = nn.Parameter(codes, requires_grad=False)
        self.scale = nn.Parameter(scale.bfloat16(), requires_grad=False)

    @classmethod
    def from_linear(cls, linear: nn.Linear) -> "Int8Linear":
        """The nearest int8 layer: the largest weight of a row gets the code 127 or -127."""
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).bfloat16()  # rounded first, so that the codes correct for it
        codes = (weight / _not_zero(scale).unsqueeze(1)).round().clamp(-127, 127)
        return cls(codes.to(torch.int8), scale, linear.bias)

    def rows(self, picked: Int[Tensor, "N"]) -> Float[Tensor, "N columns"]:
        return self.codes[picked].float() * self.scale[picked].float().unsqueeze(1)

    def unpack(self, dtype: torch.dtype) -> Float[Tensor, "columns rows"]:
        return (self.codes.to(dtype) * self.scale.to(dtype).unsqueeze(1)).T

    def _fits_kernel(self) -> bool:
        return self.in_features % 16 == 0

    def _pack(self) -> Product:
        codes, scale = self.codes.data, self.scale.data.bfloat16()
        return lambda vectors: torch._weight_int8pack_mm(vectors, codes, scale)


class Int4Linear(QuantizedLinear):
    """Weights in 4 bits: scale * (code - 8) + zero, with a scale and a zero for each group of 32 in a row.

    `codes` holds two codes per byte, as GGUF's Q4_1 does: byte i of a group has weight i in its lower half and weight
    i + 16 in its upper half. Rows come last, so that unpacking runs along memory. Raises `UserError` for a layer whose
    rows cannot be cut into groups.

    >>> layer = Int4Linear.from_linear(nn.Linear(64, 16))
    >>> layer.codes.shape, layer.scale.shape                 # 2 groups of 16 bytes for each of 16 rows
    (torch.Size([2, 16, 16]), torch.Size([2, 16]))
    """

    kernel = "int4"

    def __init__(
        self,
        codes: UInt8[Tensor, "groups half rows"],
        scale: Float[Tensor, "groups rows"],
        zero: Float[Tensor, "groups rows"],
        bias: Float[Tensor, "rows"] | None = None,
    ):
        super().__init__(codes.shape[2], len(codes) * GROUP, bias)
        self.codes = nn.Parameter(codes.contiguous(), requires_grad=False)
        self.scale = nn.Parameter(scale.bfloat16().contiguous(), requires_grad=False)
        self.zero = nn.Parameter(zero.bfloat16().contiguous(), requires_grad=False)

    @classmethod
    def from_linear(cls, linear: nn.Linear) -> "Int4Linear":
        """The nearest int4 layer: in each group the smallest weight gets the code 0 and the largest 15."""
        weight = linear.weight.detach().float()
        if linear.in_features % GROUP:
            raise UserError(
                f"rows of {linear.in_features} weights cannot be cut into groups of {GROUP}, as int4 needs; use int8"
            )
        groups = weight.T.unflatten(0, (-1, GROUP))  # (groups, 32, rows)
        least, most = groups.amin(1), groups.amax(1)
        scale = ((most - least) / 15).bfloat16()  # rounded first, so that the codes correct for it
        zero = (least + 8 * scale.float()).bfloat16()
        codes = ((groups - zero.float().unsqueeze(1)) / _not_zero(scale).unsqueeze(1)).round() + 8
        low, high = codes.clamp(0, 15).to(torch.uint8).chunk(2, dim=1)
        return cls(low | high << 4, scale, zero, linear.bias)

    def rows(self, picked: Int[Tensor, "N"]) -> Float[Tensor, "N columns"]:
        parts = self.codes[..., picked], self.scale[..., picked], self.zero[..., picked]
        return _unpack(*parts, torch.float32).T.contiguous()

    def unpack(self, dtype: torch.dtype) -> Float[Tensor, "columns rows"]:
        return _unpack(self.codes, self.scale, self.zero, dtype)

    def _fits_kernel(self) -> bool:
        return self.out_features % 16 == 0

    def _pack(self) -> Product:
        codes = _unpack_codes(self.codes).flatten(0, 1).T.int().add_(8)
        packed = torch._convert_weight_to_int4pack_for_cpu(codes.contiguous(), 1)
        scales_and_zeros = torch.stack((self.scale.data, self.zero.data), dim=-1).bfloat16()
        return lambda vectors: torch._weight_int4pack_mm_for_cpu(vectors, packed, GROUP, scales_and_zeros)


class GroupedInt8Linear(QuantizedLinear):
    """Weights in 8 bits with a scale for each group of 32, GGUF's Q8_0, on the int4 kernel.

    code + 128 = 16 * high + low, so scale * code = 16 scale * (high - 8) + scale * (low - 8) + 8 scale: a row of 4-bit
    numbers twice as long, multiplied with the same vector twice.

    >>> codes = torch.arange(-16, 16, dtype=torch.int8).repeat(16, 1)
    >>> GroupedInt8Linear.from_codes(codes, torch.full((16, 1), 0.5)).weight[0, :4]
    tensor([-8.0000, -7.5000, -7.0000, -6.5000])
    """

    kernel = "int4"

    def __init__(self, nibbles: Int4Linear):
        super().__init__(nibbles.out_features, nibbles.in_features // 2)
        self.nibbles = nibbles

    @classmethod
    def from_codes(
        cls, codes: Int8[Tensor, "rows columns"], scale: Float[Tensor, "rows groups"]
    ) -> "GroupedInt8Linear":
        """The layer with codes -128 .. 127 and one scale per 32 of them."""
        scale = scale.T.bfloat16()  # times 16 and times 8 are exact
        parts = []
        for nibbles in (codes >> 4) + 8, codes & 15:  # (code + 128) >> 4, without leaving 8 bits
            low, high = nibbles.view(torch.uint8).T.unflatten(0, (-1, GROUP)).chunk(2, dim=1)
            parts.append(low | high << 4)
        scales, zeros = torch.cat((16 * scale, scale)), torch.cat((torch.zeros_like(scale), 8 * scale))
        return cls(Int4Linear(torch.cat(parts), scales, zeros))

    def rows(self, picked: Int[Tensor, "N"]) -> Float[Tensor, "N columns"]:
        high, low = self.nibbles.rows(picked).chunk(2, dim=1)
        return high + low

    def unpack(self, dtype: torch.dtype) -> Float[Tensor, "columns rows"]:
        high, low = self.nibbles.unpack(dtype).chunk(2)
        return high + low

    def _fits_kernel(self) -> bool:
        return self.nibbles._fits_kernel()

    def _pack(self) -> Product:
        nibbles = self.nibbles.product()
        return lambda vectors: nibbles(torch.cat((vectors, vectors), dim=1))


class QuantizedEmbedding(nn.Module):
    """An embedding table that reads the rows of a quantized layer; with tied weights, of the head.

    Raises `UserError` naming the first id that is not in the table.

    >>> head = Int8Linear.from_linear(nn.Linear(32, 16))
    >>> torch.equal(QuantizedEmbedding(head)(torch.tensor([[3, 5]])), head.weight[None, [3, 5]])
    True
    """

    def __init__(self, table: QuantizedLinear):
        super().__init__()
        self.table = table

    def forward(self, ids: Int[Tensor, "*B T"]) -> Float[Tensor, "*B T C"]:
        if are_known(ids):
            check_ids(ids, self.table.out_features)
        return self.table.rows(ids.flatten()).view(*ids.shape, self.table.in_features)

    @property
    def weight(self) -> Float[Tensor, "V C"]:
        """The table as a matrix, in float32."""
        return self.table.weight


def join(layers: Sequence[QuantizedLinear]) -> QuantizedLinear:
    """One layer with the rows of several layers, which have one format, no bias and the same input.

    >>> query, key = (Int4Linear.from_linear(nn.Linear(32, rows, bias=False)) for rows in (32, 16))
    >>> join([query, key])
    Int4Linear(in_features=32, out_features=48, bias=False)
    """
    if int8 := [layer for layer in layers if isinstance(layer, Int8Linear)]:
        return Int8Linear(torch.cat([layer.codes for layer in int8]), torch.cat([layer.scale for layer in int8]))
    grouped = [layer.nibbles for layer in layers if isinstance(layer, GroupedInt8Linear)]
    parts = ([getattr(layer, name) for layer in grouped or layers] for name in ("codes", "scale", "zero"))
    joined = Int4Linear(*(torch.cat(part, dim=-1) for part in parts))
    return GroupedInt8Linear(joined) if grouped else joined


def _unpack(
    codes: UInt8[Tensor, "groups half rows"],
    scale: Float[Tensor, "groups rows"],
    zero: Float[Tensor, "groups rows"],
    dtype: torch.dtype,
) -> Float[Tensor, "columns rows"]:
    # One operation with one rounding; a sum of two rounded numbers would add an error larger than the codes' own.
    scale, zero = (part.to(dtype).unsqueeze(1) for part in (scale, zero))
    return torch.addcmul(zero, _unpack_codes(codes).to(dtype), scale).flatten(0, 1)


def _unpack_codes(codes: UInt8[Tensor, "groups half rows"]) -> Int8[Tensor, "groups group rows"]:
    """The codes minus 8, one per byte."""
    return torch.cat((codes & 15, codes >> 4), dim=1).view(torch.int8).sub_(8)


def _not_zero(scale: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The scale, or 1 where it is 0, to divide by: rows or groups of equal weights have scale 0, and any code fits."""
    return scale.float().where(scale != 0, 1.0)
