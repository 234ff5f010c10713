"""06.2, a bug-hunt: the write is added to the normalised copy, and not to the stream.

It happens to those who write pre-norm by hand: issue 3 of faster-trajectory-transformer, issue 25 of
Compact-Transformers (by a merge), issue 9 of RiNALMo, whose published weights were trained so. All shapes fit.
"""

import random
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question


def block(
    x: Float[Tensor, "T C"],
    mix: Float[Tensor, "T T"],
    attention_norm: Float[Tensor, "C"],
    value_weight: Float[Tensor, "C C"],
    feedforward_norm: Float[Tensor, "C"],
    up_weight: Float[Tensor, "F C"],
    down_weight: Float[Tensor, "C F"],
) -> Float[Tensor, "T C"]:
    """The right answer, with torch's norm: two writes, each added to the stream and read from a normalised copy.

    >>> x, one, off = torch.tensor([[3.0, 4.0]]), torch.ones(2), torch.zeros(2, 2)
    >>> block(x, torch.ones(1, 1), one, torch.eye(2), one, off, off)
    tensor([[3.8485, 5.1314]])
    """
    return _block(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight)


def _norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    return F.rms_norm(x, weight.shape, weight, eps)


def _block(
    x,
    mix,
    attention_norm,
    value_weight,
    feedforward_norm,
    up_weight,
    down_weight,
    *,
    kept=("stream", "stream"),
    reads=("norm", "norm"),
    second="own",
    parallel=False,
    weights=True,
    eps=1e-5,
    norm=None,
    bend=torch.relu,
    turned=False,
):
    """A block with one thing done differently: what each write is added to, and what each part reads."""
    normed, value = norm or partial(_norm, eps=eps), value_weight if turned else value_weight.T
    norms = [attention_norm, feedforward_norm if second == "own" else attention_norm]
    parts = [lambda n: mix @ n @ value, lambda n: bend(n @ up_weight.T) @ down_weight.T]
    start = x
    for norm, part, keep, read in zip(norms, parts, kept, reads, strict=True):
        norm = norm if weights else torch.ones_like(norm)
        source = start if parallel else x
        copy = normed(source, norm) if read == "norm" else source
        x = {"stream": x, "copy": normed(x, norm), "nothing": 0}[keep] + part(copy)
    return x


def _blocks(rng: random.Random, speaks: bool) -> list[Call]:
    """Streams of unequal length, one with numbers as small as eps; the feed-forward writes something, or is silent.

    In the second one a token hears those after it, too.
    """
    calls = []
    for T, C, width, size in ((1, 2, 2, 1.0), (3, 4, 6, 1.0), (5, 6, 8, 1.0), (4, 4, 4, 0.001), (2, 4, 3, 1000.0)):
        mix = numbers(rng, T, T).abs() + 0.1 if T == 3 else torch.ones(T, T).tril()
        norms = [1 + numbers(rng, C).abs() for _ in range(2)]
        up, down = numbers(rng, width, C), numbers(rng, C, width)
        x = size * numbers(rng, T, C, scale=4.0)
        down = down if speaks else torch.zeros_like(down)
        calls.append((x, mix / mix.sum(1, keepdim=True), norms[0], numbers(rng, C, C), norms[1], up, down))
    return calls


KINDS = "a single token", "later tokens heard", "six coordinates", "a stream of small numbers", "one of large numbers"
OTHER_NORMS = {
    "The norm divides by the vector's length, not by its root mean square.": (
        lambda x, weight: F.normalize(x, dim=-1) * weight,
    ),
    "The norm divides by the mean square, without the root.": (
        lambda x, weight: x / (x.square().mean(-1, keepdim=True) + 1e-5) * weight,
    ),
    "The norm subtracts the mean, as LayerNorm does.": (lambda x, weight: F.layer_norm(x, weight.shape, weight),),
    "The norm runs over all tokens together, or over each column.": (
        lambda x, weight: x * (x.square().mean() + 1e-5).rsqrt() * weight,
        lambda x, weight: x * (x.square().mean(0) + 1e-5).rsqrt() * weight,
    ),
    "The norm's eps is not 1e-5, or it is added outside of the root.": (
        partial(_norm, eps=1e-6),
        partial(_norm, eps=1e-8),
        partial(_norm, eps=torch.finfo(torch.float32).eps),
        partial(_norm, eps=1e-3),
        lambda x, weight: x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-5) * weight,
        lambda x, weight: x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-6) * weight,
    ),
}
OTHER_MIXES = {
    "A softmax is taken of `mix`.": lambda mix: mix.softmax(-1),
    "`mix` is used the other way round, transposed.": lambda mix: mix.T,
}


def _writes(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    first = mix @ _norm(x, attention_norm) @ value_weight.T
    return first + (_norm(x + first, feedforward_norm) @ up_weight.T).relu() @ down_weight.T


def _without_the_first(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    new = x + mix @ _norm(x, attention_norm) @ value_weight.T
    return x + (_norm(new, feedforward_norm) @ up_weight.T).relu() @ down_weight.T


def _scaled_writes(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    for norm, part in (
        (attention_norm, lambda n: mix @ n @ value_weight.T),
        (feedforward_norm, lambda n: (n @ up_weight.T).relu() @ down_weight.T),
    ):
        x = x + (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * part(_norm(x, norm))
    return x


question = Question("06.2", "The stream that forgets its length", block, forbidden=("minillm", "torch.nn.Module"))

attention_only = question.probe(
    "attention writes, the feed-forward is silent", lambda rng: _blocks(rng, speaks=False), kinds=KINDS
)
attention_only.mistake(
    "Both writes are still added to the normalised copy.",
    "Keep the stream under one name and the copy under another: the part reads the copy.",
    partial(_block, kept=("copy", "copy")),
)
attention_only.mistake(
    "Attention is mended; the feed-forward's write is still added to the normalised copy.",
    "The same mistake stands there twice.",
    partial(_block, kept=("stream", "copy")),
)
attention_only.mistake(
    "The feed-forward is mended; attention's write is still added to the normalised copy.",
    "The same mistake stands there twice.",
    partial(_block, kept=("copy", "stream")),
)


@attention_only.mistake(
    "The norm comes behind the addition: that is post-norm, the order of 2017.",
    "Nothing may stand between the stream and the plus sign: x + part(norm(x)).",
)
def _post_norm(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = _norm(x + mix @ x @ value_weight.T, attention_norm)
    return _norm(x + (x @ up_weight.T).relu() @ down_weight.T, feedforward_norm)


attention_only.mistake(
    "Attention reads the stream itself, without a norm.",
    "The norm was right; what was added to it was not.",
    partial(_block, reads=("stream", "stream")),
)
attention_only.mistake(
    "The stream is gone: a write stands in its place.",
    "A write is added: `x = x + ...`.",
    partial(_block, kept=("nothing", "nothing")),
)
attention_only.mistake(
    "The norms' learned weights are not used.",
    "After the division each coordinate is multiplied by its own weight.",
    partial(_block, weights=False),
)
attention_only.mistake(
    "The norms have no eps.",
    "`rms_norm` adds 1e-5 to the mean square. In a stream of small numbers that is what counts.",
    partial(_block, eps=0.0),
)
attention_only.mistake(
    "A causal mask is laid over `mix`.",
    "`mix` says it all: how much each token hears of every other, those after it included.",
    lambda x, mix, *weights: block(x, mix.tril(), *weights),
)
for sentence, norms in OTHER_NORMS.items():
    for _other_norm in norms:
        attention_only.mistake(
            sentence,
            "Use `rms_norm`: each row times 1 / sqrt(mean of its squares + 1e-5), then times the weight.",
            partial(_block, norm=_other_norm),
        )
for sentence, _other in OTHER_MIXES.items():
    attention_only.mistake(
        sentence,
        "`mix` says how much each token hears of every other: use it as it is, `mix @ ...`.",
        lambda x, mix, *weights, other=_other: block(x, other(mix), *weights),
    )
attention_only.mistake(
    "The value matrix is used the other way round.",
    "It lies as in `nn.Linear`, outputs by inputs: `copy @ value_weight.T`.",
    partial(_block, turned=True),
)
attention_only.mistake(
    "The writes alone come back, without the stream that came in.",
    "`x + ...` at each of both writes: a block with silent parts returns `x`.",
    _writes,
)
attention_only.mistake(
    "The writes are multiplied by the stream's size before they are added.",
    "A write is added as it is. In a long stream it counts for less, and that is so in real models.",
    _scaled_writes,
)
attention_only.mistake(
    "The feed-forward's write is added to the stream as it came in: attention's write is lost.",
    "The second write is added to the stream in which the first one already is.",
    _without_the_first,
)

both_write = question.probe("both parts write", lambda rng: _blocks(rng, speaks=True), kinds=KINDS)
both_write.mistake(
    "The feed-forward reads the stream as it was before attention wrote.",
    "That is a parallel block, as GPT-J has it. Here the second part reads what the first has added.",
    partial(_block, parallel=True),
)
both_write.mistake(
    "The feed-forward reads the stream itself, without a norm.",
    "Both parts read a normalised copy.",
    partial(_block, reads=("norm", "stream")),
)
both_write.mistake(
    "Both parts read through attention's norm.",
    "The feed-forward has a norm of its own, `feedforward_norm`.",
    partial(_block, second="attention's"),
)
for bend in (lambda n: n, F.silu, F.gelu, torch.sigmoid, torch.tanh):
    both_write.mistake(
        "Between up and down stands another function than ReLU, or none.",
        "The feed-forward is a plain one: `(copy @ up_weight.T).relu() @ down_weight.T`.",
        partial(_block, bend=bend),
    )
