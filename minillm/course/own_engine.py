"""A model that writes by lesson 12: `cached_attention`, `quantize`, `outcome` and `look_up`, yours where they passed.

CachedModel    a model whose attention is `cached_attention`, with memory that was reserved
typewrite      greedy text after a prompt, by a `CachedModel`, and how many tokens each pass read
speculate      the same with guesses by `look_up`, which `outcome` accepts or replaces; `greedy`, without guesses
ran_on         whose functions these are
rounded        a copy of a model whose matrices went through `quantize` and back
nats           a model's loss on texts, one mean per text
added, ratio_interval   what a change adds to the loss, and how many times more another one does
fastest        seconds of the least disturbed of a few rounds
passages       texts that no model of the course has learned from, as ids
TASKS          messages to the chat model that ask for a quotation, or don't
"""

import copy
import random
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from minillm.course.assembly import by_owner
from minillm.course.own_model import show_written, smollm2, with_its_name
from minillm.course.turns.inference_engine import turns
from minillm.course.versions import origin, version
from minillm.data.corpora import load_corpus
from minillm.errors import UserError
from minillm.inference.scoring import log_probs
from minillm.model.position import rotary_angles
from minillm.model.transformer import Transformer

ROOM = 512  # positions that are reserved
STORY = (
    "The old bridge over the river Aller was built in 1783 by a mason who had lost his way. He meant to build a mill, "
    "but the stones were too long and the water too quick."
)
LIST = "amber, basalt, copper, dolomite, emerald, flint, granite, hematite, iron, jade, kaolin, lead"
TASKS = {
    "quote a story": f"Repeat this text word for word:\n\n{STORY}",
    "quote a list": f"Repeat this list word for word:\n\n{LIST}",
    "quote a rule": "Repeat this sentence word for word:\n\nEvery guest must leave the keys at the desk by noon.",
    "quote code": "Repeat this code word for word:\n\ndef area(width, height):\n    return width * height",
    "why salty": "Why is the sea salty?",
    "a poem": "Write two lines about a river.",
    "a plan": "How do I learn to swim?",
    "a fact": "What is the capital of France?",
}


class CachedModel:
    """A model whose attention is a function of the form of `cached_attention`; `model(ids)` reads new tokens.

    It gives the logits after each of them, (T, V). Keys that heads share are repeated, one per head. `reads` holds how
    many tokens each call read. Raises `UserError` for no tokens, more than there's room for, and another shape than
    the queries'.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> cached = CachedModel(model)
    >>> pieces = torch.cat([cached([1, 2, 3]), cached([4])])
    >>> torch.allclose(pieces, model(torch.tensor([[1, 2, 3, 4]]))[0], atol=1e-5), cached.reads
    (True, [3, 1])
    """

    def __init__(self, model: Transformer, attend: Any = None, room: int = ROOM):
        self.model, self.attend = model, version(_turn("cached_attention")) if attend is None else attend
        self.reads: list[int] = []
        c = model.config
        self.room = min(room, c.max_seq_len)
        shape = (c.n_heads, self.room, c.d_head)
        self.caches = [
            {"keys": torch.zeros(shape), "values": torch.zeros(shape), "length": 0} for _ in range(c.n_layers)
        ]
        self._length = 0  # tokens read, whatever the caches say

    @torch.no_grad()
    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Read new tokens; the logits after each of them."""
        if not 0 < len(ids) <= self.room - self._length:
            told = f"it can't read {len(ids)} more after {self._length}"
            raise UserError(f"an engine reads 1 to {self.room} tokens in all, and {told}; change the prompt, or n")
        model, attend, c = self.model, with_its_name(self.attend), self.model.config
        new = torch.tensor([list(ids)])
        angles = rotary_angles(self.positions(len(ids)), c.d_head, c.rope_theta, c.rope_scaling)
        x = model.embedding(new)
        for block, cache in zip(model.blocks, self.caches, strict=True):
            query, key, value = block.attention.project(block.attention_norm(x), angles)
            shared = query.shape[1] // key.shape[1]
            key, value = (part[0].repeat_interleave(shared, dim=0) for part in (key, value))
            read = attend(cache, query[0], key, value)  # (H, T, D)
            if not isinstance(read, Tensor) or read.shape != query[0].shape:
                told = tuple(read.shape) if isinstance(read, Tensor) else repr(read)[:60]
                raise UserError(f"attention returned {told}; return what the queries read, {tuple(query[0].shape)}")
            x = x + block.attention.output(read.transpose(0, 1).flatten(1)[None])
            x = x + block.feedforward(block.feedforward_norm(x))
        self._length += len(ids)
        self.reads.append(len(ids))
        return model.head(model.final_norm(x))[0]

    def positions(self, n: int) -> Tensor:
        """The positions of the next `n` tokens, (n,)."""
        return torch.arange(self._length, self._length + n)

    def forget(self, length: int) -> None:
        """Take back all but the first tokens: the memory stays as it is, only the length changes."""
        self._length = length
        for cache in self.caches:
            cache["length"] = length


def _turn(name: str) -> Any:
    return next(turn for turn in turns if turn.name == name)


def _ids(prompt: str | Sequence[int]) -> list[int]:
    return smollm2()[1].encode(prompt) if isinstance(prompt, str) else list(prompt)


def typewrite(
    prompt: str | Sequence[int], n: int = 16, attend: Any = None, use_cache: bool = True, chunk: int = 0
) -> tuple[str, list[int]]:
    """Let SmolLM2 write greedily by `attend`, show the text, and return it with how many tokens each pass read.

    Without a cache, each pass reads the whole text. With a `chunk`, the prompt is read so many tokens at a time.
    """
    model, tokenizer = smollm2()
    cached, ids = CachedModel(model, attend), _ids(prompt)
    step = chunk or len(ids) or 1
    logits = [cached(ids[first : first + step]) for first in range(0, len(ids) or 1, step)][-1]
    new: list[int] = []
    for _ in range(n):
        new.append(int(logits[-1].argmax()))
        if not use_cache:
            cached.forget(0)
        if len(new) < n:
            logits = cached(new[-1:] if use_cache else [*ids, *new])
    text = tokenizer.decode(new)
    show_written(prompt if isinstance(prompt, str) else "...", text, ran_on(attend=cached.attend))
    return text, cached.reads


def ran_on(**functions: Any) -> str:
    """Whose functions these are, in a line.

    >>> ran_on(abs=abs)
    "Ran on: torch's abs; the weights are SmolLM2's."
    """
    owners = {getattr(each, "__name__", name): origin(each) for name, each in functions.items()}
    return f"Ran on: {by_owner(owners)}; the weights are SmolLM2's."


def greedy(
    ids: Sequence[int], n: int, stop: Sequence[int] = (), attend: Any = None, model: Transformer | None = None
) -> list[int]:
    """The new tokens alone, one per pass, of SmolLM2 or another model."""
    cached, new = CachedModel(model or smollm2()[0], attend), []
    logits = cached(ids)
    while len(new) < n:
        new.append(int(logits[-1].argmax()))
        if new[-1] in stop or len(new) == n:
            break
        logits = cached(new[-1:])
    return new


def speculate(
    ids: Sequence[int],
    n: int,
    stop: Sequence[int] = (),
    look_up: Any = None,
    outcome: Any = None,
    attend: Any = None,
    n_match: int = 3,
    n_draft: int = 8,
    model: Transformer | None = None,
    engine: type[CachedModel] = CachedModel,
) -> tuple[list[int], int]:
    """The new tokens at temperature 0, with guesses from `look_up`; and how many passes it took.

    SmolLM2 writes, or another model. `outcome` decides about each guess: at temperature 0, p has its whole probability
    on one token, and a guess that was looked up has q = 1. What comes out is certain then, so nothing is drawn.
    """
    if type(n) is not int or n < 1:
        raise UserError(f"n is {n!r}; it says how many tokens to write, 1 or more")
    cached, text, passes = engine(model or smollm2()[0], attend), list(ids), 0
    find, rule = (
        with_its_name(version(_turn(name)) if given is None else given)
        for name, given in (("look_up", look_up), ("outcome", outcome))
    )
    logits = cached(text)
    while True:
        passes += 1
        known = len(text)
        guesses = [int(each) for each in find(list(text), n_match, n_draft)] if passes > 1 else []
        if passes > 1:
            logits = cached([text[-1], *guesses])
        for guess, row in zip([*guesses, None], logits[-len(guesses) - 1 :], strict=True):
            chosen = int(row.argmax())
            text.append(chosen if guess is None else _decided(rule, chosen, guess))
            if text[-1] in stop or len(text) - len(ids) == n:
                return text[len(ids) :], passes
            if text[-1] != guess:
                break
        cached.forget(min(cached._length, max(known, len(text) - 1)))


def _decided(rule: Callable[..., Any], chosen: int, guess: int) -> int:
    """The token that comes out with certainty, by a rule for distributions over those that can."""
    tokens = sorted({chosen, guess})
    p, q = ([Fraction(token == sure) for token in tokens] for sure in (chosen, guess))
    shares = [float(each) for each in rule(p, q, tokens.index(guess))]
    return tokens[max(range(len(tokens)), key=shares.__getitem__)]


def rounded(model: Transformer, quantize: Any = None, n_blocks: int | None = None) -> Transformer:
    """A copy of a model whose blocks' matrices (or the first blocks') are codes times scale, by `quantize`."""
    function = with_its_name(version(_turn("quantize")) if quantize is None else quantize)
    model = copy.deepcopy(model)
    with torch.no_grad():
        for layer in model.blocks[:n_blocks].modules():  # pyright: ignore
            if isinstance(layer, nn.Linear):
                codes, scale = function(layer.weight.detach().clone())
                layer.weight.copy_(torch.as_tensor(codes) * torch.as_tensor(scale))
    return model


def nats(model: Transformer, texts: Sequence[Sequence[int]]) -> list[float]:
    """The mean loss of each text, in nats per token."""
    return [-log_probs(model, ids).mean().item() for ids in texts]


def added(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """The mean difference of two lists of losses of the same texts, and its standard error.

    >>> added([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    (0.5, 0.0)
    """
    differences = [b - a for a, b in zip(before, after, strict=True)]
    return fmean(differences), stdev(differences) / len(differences) ** 0.5


def ratio_interval(
    before: Sequence[float], first: Sequence[float], second: Sequence[float], draws: int = 2000
) -> tuple[float, float, float]:
    """How many times more the second adds than the first, with a 90% interval by bootstrap over texts.

    >>> ratio_interval([1.0, 1.0], [2.0, 2.0], [4.0, 4.0])
    (3.0, 3.0, 3.0)
    """
    pairs = [(a - each, b - each) for each, a, b in zip(before, first, second, strict=True)]
    rng = random.Random(0)
    found = []
    for _ in range(draws):
        small, large = map(sum, zip(*rng.choices(pairs, k=len(pairs)), strict=True))
        found.append(large / small if small > 0 else float("inf"))
    found.sort()
    small, large = map(sum, zip(*pairs, strict=True))
    return large / small, found[draws // 20], found[draws - draws // 20 - 1]


def passages(count: int = 8, length: int = 64) -> list[list[int]]:
    """Passages of English documentation, as SmolLM2's ids."""
    ids = smollm2()[1].encode("\n\n".join(load_corpus("python-docs").validation))
    return [ids[first : first + length] for first in range(0, count * length, length)]


def fastest(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the least disturbed of a few rounds, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def round_trip(weight: Tensor, bits: int, group: int | None = None) -> Tensor:
    """A matrix with at most 2^bits values in each row, or in each group of a row.

    >>> round_trip(torch.arange(4.0)[None], 1)
    tensor([[0., 0., 3., 3.]])
    """
    groups = weight.unflatten(1, (-1, group or weight.shape[1]))
    least, most = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = ((most - least) / (2**bits - 1)).clamp(min=1e-12)
    return (((groups - least) / scale).round() * scale + least).flatten(1)


@torch.no_grad()
def with_bits(model: Transformer, bits: int, group: int | None = None) -> Transformer:
    """A copy of a model, each of whose matrices went through `round_trip`."""
    model = copy.deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.copy_(round_trip(layer.weight, bits, group))
    return model
