"""Lossless compression of token ids with a language model and arithmetic coding.

A token of probability p costs -log2(p) bits, so a better model makes a smaller file. The coder works with integers
only: the model's probabilities become integer frequencies that sum to `TOTAL`. Every token gets a frequency of at
least 1, since a token with an empty interval could not be encoded.

The decoder runs the same model and needs exactly the same probabilities; 0.30000001 instead of 0.3 corrupts everything
after it. Therefore both sides feed one token at a time through the same cached path (`model_predictor`), because a
forward pass over the whole text rounds differently. For the same reason, a file compressed on one kind of processor may
not decompress on another.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError
from minillm.model.transformer import Transformer

TOTAL = 1 << 24  # the sum of all frequencies of one step
MAX_TOKENS = 0xFFFF  # a file starts with the number of tokens, in two bytes

# Maps the previous token (None before the first) to the probabilities of the next one.
Predictor = Callable[[int | None], Float[Tensor, "V"]]

_WINDOW = 64  # bits of the number that can still change
_FULL, _NARROW = 1 << _WINDOW, 1 << (_WINDOW - 8)


def frequencies(probabilities: Float[Tensor, "V"]) -> Int[Tensor, "V"]:
    """Convert probabilities to integers that are at least 1 and sum to `TOTAL` exactly.

    Every token gets 1, the rest is distributed in proportion, and the rounding remainder goes to the most probable
    token. Raises `UserError` for an invalid distribution and for a vocabulary too large for `TOTAL`.

    >>> frequencies(torch.tensor([0.5, 0.5, 0.0])).tolist()
    [8388608, 8388607, 1]
    """
    V = len(probabilities)
    exact = probabilities.double()
    if V == 0 or not bool((exact >= 0).all()) or abs(float(exact.sum()) - 1) > 1e-4:
        raise UserError(f"these {V} numbers are not probabilities; they must be at least 0 and sum to 1")
    if V > TOTAL // 2:
        raise UserError(f"a vocabulary of {V} tokens is too large; use at most {TOTAL // 2}")
    counts = (exact / exact.sum() * (TOTAL - V)).floor().long() + 1
    counts[counts.argmax()] += TOTAL - counts.sum()
    return counts


class Encoder:
    """An arithmetic encoder: it narrows an integer interval step by step and writes its leading bytes.

    Any number in the final interval identifies the whole message. `low` and `width` describe the interval within the
    64 bits that can still change; the bits above them are already written.

    >>> encoder = Encoder()
    >>> for start, size in [(0, 2), (2, 1), (3, 1)]:     # halves and quarters: [0, 1/2), [1/4, 3/8), [11/32, 12/32)
    ...     encoder.encode(start, size, total=4)
    >>> encoder.finish().hex(), 11 / 32 * 256
    ('58', 88.0)
    """

    def __init__(self) -> None:
        self.low, self.width = 0, _FULL
        self.written = bytearray()

    def encode(self, start: int, size: int, total: int) -> None:
        """Narrow the interval to [start, start + size) out of `total` equal pieces."""
        unit = self.width // total
        self.low += unit * start
        self.width = unit * size
        self._settle_carry()
        while self.width < _NARROW:
            self.written.append(self.low >> (_WINDOW - 8))
            self.low = (self.low << 8) % _FULL
            self.width <<= 8

    def finish(self) -> bytes:
        """Return the message: the fewest bytes that, followed by zeros, identify a number in the interval."""
        for open_bits in range(_WINDOW, -1, -8):
            step = 1 << open_bits
            number = -(-self.low // step) * step  # the first multiple of step that is not below `low`
            if number < self.low + self.width:
                break
        self.low = number
        self._settle_carry()
        return bytes(self.written + self.low.to_bytes(_WINDOW // 8, "big")).rstrip(b"\0")

    def _settle_carry(self) -> None:
        """Propagate a carry out of the 64 bits into the written bytes: 0x12FF becomes 0x1300."""
        if self.low < _FULL:
            return
        self.low -= _FULL
        last = len(self.written) - 1
        while self.written[last] == 0xFF:
            self.written[last] = 0
            last -= 1
        self.written[last] += 1


class Decoder:
    """An arithmetic decoder: it follows the encoder's intervals and finds which part contains the message.

    >>> decoder = Decoder(bytes.fromhex("58"))
    >>> for start, size in [(0, 2), (2, 1), (3, 1)]:
    ...     print(decoder.position(total=4))
    ...     decoder.advance(start, size, total=4)
    1
    2
    3
    """

    def __init__(self, message: bytes) -> None:
        self.bytes = iter(message)
        self.offset = 0  # the message's number, minus the lower end of the interval
        self.width = _FULL
        for _ in range(_WINDOW // 8):
            self.offset = self.offset << 8 | next(self.bytes, 0)

    def position(self, total: int) -> int:
        """Return which of the `total` equal pieces of the interval contains the number."""
        return min(self.offset // (self.width // total), total - 1)

    def advance(self, start: int, size: int, total: int) -> None:
        """Narrow the interval to [start, start + size), as the encoder did."""
        unit = self.width // total
        self.offset -= unit * start
        self.width = unit * size
        while self.width < _NARROW:
            self.offset = self.offset << 8 | next(self.bytes, 0)
            self.width <<= 8


def compress(ids: Sequence[int], predictor: Predictor) -> bytes:
    """Encode token ids with a predictor's probabilities.

    Raises `UserError` for an id outside the predictor's vocabulary and for more than `MAX_TOKENS` tokens.

    >>> coin = lambda last: torch.tensor([0.9, 0.1])
    >>> packed = compress([0] * 50 + [1], coin)
    >>> len(packed), decompress(packed, coin) == [0] * 50 + [1]
    (4, True)
    """
    if len(ids) > MAX_TOKENS:
        raise UserError(f"{len(ids)} tokens are too many for one file; use at most {MAX_TOKENS}")
    encoder, last = Encoder(), None
    for token in ids:
        counts = frequencies(predictor(last))
        if not 0 <= token < len(counts):
            raise UserError(f"token {token} is outside the predictor's vocabulary of {len(counts)}")
        encoder.encode(int(counts[:token].sum()), int(counts[token]), TOTAL)
        last = token
    return len(ids).to_bytes(2, "big") + encoder.finish()


def decompress(packed: bytes, predictor: Predictor) -> list[int]:
    """Decode the token ids; the predictor must be a new one that gives the same probabilities.

    Corrupted bytes give wrong tokens, never an endless loop. Raises `UserError` for fewer than two bytes.
    """
    if len(packed) < 2:
        raise UserError(f"{len(packed)} bytes are not a message; it starts with the number of tokens in two bytes")
    decoder, ids, last = Decoder(packed[2:]), [], None
    for _ in range(int.from_bytes(packed[:2], "big")):
        counts = frequencies(predictor(last))
        cumulative = counts.cumsum(0)
        last = int(torch.searchsorted(cumulative, decoder.position(TOTAL), right=True))
        decoder.advance(int(cumulative[last] - counts[last]), int(counts[last]), TOTAL)
        ids.append(last)
    return ids


def model_predictor(model: Transformer, start: int) -> Predictor:
    """Build a predictor from a model with a KV cache; `start` is the token before every text."""
    cache = model.new_cache()

    def predict(last: int | None) -> Float[Tensor, "V"]:
        ids = torch.tensor([[start if last is None else last]], device=model.device)
        with torch.no_grad():
            return model(ids, cache)[0, -1].cpu().double().softmax(-1)

    return predict
