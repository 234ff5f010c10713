"""A language model as a compressor: arithmetic coding, without loss.

A token that the model expected with probability p costs -log2(p) bits, so a better model makes a smaller file. The
coder here works with integers only: the model's probabilities become whole frequencies that add up to `TOTAL`, and
no token ever gets 0, since a token without a share of the interval could not be written at all.

The receiver runs the same model and must get the *same* probabilities, to the last bit; 0.30000001 in place of 0.3 is
enough to derail everything after it. So both sides feed one token at a time through the same cached path
(`model_predictor`): a whole-text forward pass rounds differently. For the same reason a file packed on one kind of
processor need not unpack on another. This room does not know text: it codes token ids.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError
from minillm.model.transformer import Transformer

TOTAL = 1 << 24  # all frequencies of one step together
MOST_TOKENS = 0xFFFF  # a file begins with their number, in two bytes

# Asked with the token that came last (None before the first one), it answers with the next one's probabilities.
Predictor = Callable[[int | None], Float[Tensor, "V"]]

_WINDOW = 64  # bits of the number that are still open
_FULL, _NARROW = 1 << _WINDOW, 1 << (_WINDOW - 8)


def frequencies(probabilities: Float[Tensor, "V"]) -> Int[Tensor, "V"]:
    """Probabilities as whole numbers that are at least 1 and add up to `TOTAL` exactly.

    Every token gets 1 for free, the rest is shared in proportion, and what rounding leaves goes to the likeliest.
    Raises `ValueError` for what is no distribution, or has more tokens than there is to share.

    >>> frequencies(torch.tensor([0.5, 0.5, 0.0])).tolist()
    [8388608, 8388607, 1]
    """
    V = len(probabilities)
    exact = probabilities.double()
    if V == 0 or not bool((exact >= 0).all()) or abs(float(exact.sum()) - 1) > 1e-4:
        raise UserError(f"these {V} numbers are no probabilities: they must be at least 0 and add up to 1")
    if V > TOTAL // 2:
        raise UserError(f"a vocabulary of {V} tokens is too large for frequencies that add up to {TOTAL}")
    shares = (exact / exact.sum() * (TOTAL - V)).floor().long() + 1
    shares[shares.argmax()] += TOTAL - shares.sum()
    return shares


class Encoder:
    """Narrows an interval of integers, step by step, and writes the leading bytes as soon as they are settled.

    After coding, any number in the last interval names the whole message. `low` and `width` are that interval within
    the 64 bits still open; what lies above is written.

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
        """Keep the part [start, start + size) of the interval, cut into `total` equal pieces."""
        unit = self.width // total
        self.low += unit * start
        self.width = unit * size
        self._settle_carry()
        while self.width < _NARROW:
            self.written.append(self.low >> (_WINDOW - 8))
            self.low = (self.low << 8) % _FULL
            self.width <<= 8

    def finish(self) -> bytes:
        """The message: the fewest bytes that, with zeros behind them, name a number in the interval."""
        for open_bits in range(_WINDOW, -1, -8):
            step = 1 << open_bits
            number = -(-self.low // step) * step  # the first multiple of step that is not below `low`
            if number < self.low + self.width:
                break
        self.low = number
        self._settle_carry()
        return bytes(self.written + self.low.to_bytes(_WINDOW // 8, "big")).rstrip(b"\0")

    def _settle_carry(self) -> None:
        """If the sum ran over 64 bits, add 1 to what is written: 0x12FF becomes 0x1300."""
        if self.low < _FULL:
            return
        self.low -= _FULL
        last = len(self.written) - 1
        while self.written[last] == 0xFF:
            self.written[last] = 0
            last -= 1
        self.written[last] += 1


class Decoder:
    """The encoder's mirror: follows the same intervals, and sees in which part the message's number lies.

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
        self.offset = 0  # the message's number, counted from the lower end of the interval
        self.width = _FULL
        for _ in range(_WINDOW // 8):
            self.offset = self.offset << 8 | next(self.bytes, 0)

    def position(self, total: int) -> int:
        """In which of the `total` equal pieces of the interval the number lies."""
        return min(self.offset // (self.width // total), total - 1)

    def advance(self, start: int, size: int, total: int) -> None:
        """Follow the encoder into the part [start, start + size)."""
        unit = self.width // total
        self.offset -= unit * start
        self.width = unit * size
        while self.width < _NARROW:
            self.offset = self.offset << 8 | next(self.bytes, 0)
            self.width <<= 8


def compress(ids: Sequence[int], predictor: Predictor) -> bytes:
    """Code token ids with a predictor's probabilities.

    Raises `ValueError` for an id that the predictor knows nothing of and for more than `MOST_TOKENS` tokens.

    >>> coin = lambda last: torch.tensor([0.9, 0.1])
    >>> packed = compress([0] * 50 + [1], coin)
    >>> len(packed), decompress(packed, coin) == [0] * 50 + [1]
    (4, True)
    """
    if len(ids) > MOST_TOKENS:
        raise UserError(f"{len(ids)} tokens are too many for one file; the most is {MOST_TOKENS}: cut the text")
    encoder, last = Encoder(), None
    for token in ids:
        shares = frequencies(predictor(last))
        if not 0 <= token < len(shares):
            raise UserError(f"token {token} is outside the predictor's vocabulary of {len(shares)}")
        encoder.encode(int(shares[:token].sum()), int(shares[token]), TOTAL)
        last = token
    return len(ids).to_bytes(2, "big") + encoder.finish()


def decompress(packed: bytes, predictor: Predictor) -> list[int]:
    """The token ids that `compress` was given; the predictor must be one that starts afresh and answers alike.

    Damaged bytes give other tokens, never an endless loop. Raises `ValueError` for less than two bytes.
    """
    if len(packed) < 2:
        raise UserError(f"{len(packed)} bytes hold no message; it begins with the number of tokens in two bytes")
    decoder, ids, last = Decoder(packed[2:]), [], None
    for _ in range(int.from_bytes(packed[:2], "big")):
        shares = frequencies(predictor(last))
        ends = shares.cumsum(0)
        last = int(torch.searchsorted(ends, decoder.position(TOTAL), right=True))
        decoder.advance(int(ends[last] - shares[last]), int(shares[last]), TOTAL)
        ids.append(last)
    return ids


def model_predictor(model: Transformer, start: int) -> Predictor:
    """A predictor that asks a model, one token at a time; `start` is the token that stands before every text."""
    cache = model.new_cache()

    def predict(last: int | None) -> Float[Tensor, "V"]:
        ids = torch.tensor([[start if last is None else last]], device=model.device)
        with torch.no_grad():
            return model(ids, cache)[0, -1].cpu().double().softmax(-1)

    return predict
