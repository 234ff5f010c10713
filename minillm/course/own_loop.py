"""A model that writes by lesson 07: `generate`, `sample`, `top_p` and `remember`, yours where they passed.

Step       the logits of a text's next token, by the model as it is, which keeps a cache of its own
OwnStep    the same by `mine.transformer`, with a cache that `remember` keeps, or with none
tell       let a loop continue a prompt, show the text, and say whose code ran
OwnEngine  what `minillm chat` talks to when it talks by your loop
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from minillm.analysis import surgery
from minillm.course.assembly import assembled, by_owner, inside
from minillm.course.heads import settings_of
from minillm.course.own_model import Written, show_written, smollm2, with_its_name
from minillm.course.turns.sampling import turns
from minillm.course.versions import origin, turn_of, version
from minillm.errors import UserError
from minillm.inference.engine import Event, Reason, Request
from minillm.inference.text import TextStream
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

LOOP = ("generate", "sample", "top_p")
UNKNOWN = {"top_k": "--top-k", "min_p": "--min-p", "repetition_penalty": "--repetition-penalty"}
Loop = Callable[..., Sequence[int]]


class Step:
    """`step(ids)`: the logits (V,) of the next token of a text, by the model itself.

    Asked for a text that goes on where the last one ended, it reads the new tokens only. `reads` holds how many tokens
    each call has read.

    >>> from minillm import ModelConfig
    >>> step = Step(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16)))
    >>> _ = step([1, 2, 3]), step([1, 2, 3, 4])
    >>> step.reads
    [3, 1]
    """

    def __init__(self, model: Transformer):
        self.model, self.reads = model, []
        self._seen: list[int] = []
        self._begin()

    def _begin(self) -> None:
        self._cache = self.model.new_cache()

    def _compute(self, new: Tensor) -> Tensor:
        return self.model.head(self.model.hidden(new[None], self._cache)[:, -1])[0]

    @torch.no_grad()
    def __call__(self, ids: Sequence[int]) -> Tensor:
        """The logits, in float32."""
        ids = [int(id) for id in ids]
        past = len(self._seen)
        if not past or ids[:past] != self._seen or len(ids) == past:
            self._begin()
            past = 0
        self._seen = []  # until this text is in the cache: an interrupt may leave half of it there
        new = torch.tensor(ids[past:], device=self.model.device)
        logits = self._compute(new).float()
        self._seen = self._kept(ids)
        self.reads.append(len(new))
        return logits

    def _kept(self, ids: list[int]) -> list[int]:
        """The tokens that need not be read again."""
        return ids


class OwnStep(Step):
    """The same by `transformer(ids, weights, settings)`, yours where you wrote it, with `remember` as its cache.

    `remember` is yours or the course's by default; with None there is no cache, and each call reads the whole text.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> step, plain = OwnStep(model), OwnStep(model, remember=None)
    >>> texts = [1, 2, 3], [1, 2, 3, 4]
    >>> all(torch.allclose(step(ids), plain(ids), atol=1e-5) for ids in texts), step.reads, plain.reads
    (True, [3, 1], [3, 4])
    """

    def __init__(self, model: Transformer, remember: Any = "mine"):
        self.remember = version(_turn("remember")) if remember == "mine" else remember
        self.transformer = assembled("transformer")
        self.weights = dict(model.named_parameters(remove_duplicate=False))
        self.settings = settings_of(model)
        super().__init__(model)

    def _begin(self) -> None:
        self._past: dict[int, Any] = {}

    def _compute(self, new: Tensor) -> Tensor:
        cached = {} if self.remember is None else {"cache": self._past, "remember": with_its_name(self.remember)}
        return self.transformer(new, self.weights, self.settings | cached)[-1]

    def _kept(self, ids: list[int]) -> list[int]:
        return [] if self.remember is None else ids

    @property
    def origins(self) -> dict[str, str]:
        """Where each function comes from that it runs, by name."""
        found = inside(self.transformer)
        found.pop("remember", None)
        name = getattr(self.remember, "__name__", "remember")
        return found | ({} if self.remember is None else {name: origin(self.remember)})


def _turn(name: str) -> Any:
    turn = turn_of(name)
    assert turn is not None, name
    return turn


def best_step(model: Transformer) -> Step:
    """`OwnStep` where the learner's transformer can compute all of the model, else `Step`."""
    return Step(model) if surgery.reason_against(model) else OwnStep(model)


def tell(
    prompt: str,
    n: int = 24,
    temperature: float = 1.0,
    p: float = 1.0,
    seed: int = 0,
    *,
    generate: Loop | None = None,
    step: Step | None = None,
) -> str:
    """Let a loop continue a prompt, show the text and whose code ran, and return what is new.

    `generate` is yours or the course's by default, and `step` is SmolLM2 as it is. Raises `UserError` where one of the
    functions raises an error, with its name.
    """
    model, tokenizer = smollm2()
    loop = version(_turn("generate")) if generate is None else generate
    step = Step(model) if step is None else step
    ids = surgery.prompt_ids(tokenizer, prompt)
    text = with_its_name(loop)(step, ids, n, temperature, p, seed, tokenizer.eos_id)
    new = [int(id) for id in text][len(ids) :]
    if tokenizer.eos_id in new:
        new = new[: new.index(tokenizer.eos_id)]
    said = tokenizer.decode(new)
    parts = _called_by(loop) | (step.origins if isinstance(step, OwnStep) else {})
    model_ran = "the weights are SmolLM2's" if isinstance(step, OwnStep) else "the model is SmolLM2 as it is"
    show_written(prompt, said, f"T = {temperature:g}, p = {p:g}. Ran on: {by_owner(parts)}; {model_ran}.")
    return Written(said)


def _called_by(loop: Loop) -> dict[str, str]:
    """Where a loop and the functions of lesson 07 come from that it names."""
    code, names = getattr(loop, "__code__", None), getattr(loop, "__globals__", {})
    called = [name for name in LOOP[1:] if code is not None and name in code.co_names and callable(names.get(name))]
    return {getattr(loop, "__name__", "generate"): origin(loop)} | {name: origin(names[name]) for name in called}


def whose_loop() -> str:
    """One line about whose the loop, the draw, the cut and the cache are.

    >>> whose_loop().startswith("It talks by ")
    True
    """
    return f"It talks by {by_owner({turn.name: origin(version(turn)) for turn in turns})}."


class Cancelled(BaseException):
    """Ends a loop from inside of `step`; not an Exception, which a loop may catch."""


class OwnEngine:
    """Answers requests by the learner's loop, as `Engine` does by the package's: `submit` gives events one by one.

    The loop knows a temperature, `top_p`, a seed and the end token. Raises `UserError` for other settings.

    >>> from minillm import ModelConfig, Tokenizer
    >>> from minillm.inference.sampling import Sampling
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> answer = OwnEngine(model, tokenizer).submit(Request([1, 2], 3, Sampling(temperature=0), seed=0))
    >>> sum(event.token is not None for event in answer), answer.finished
    (3, 'length')
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.step = best_step(model)

    def submit(self, request: Request) -> "OwnAnswer":
        """The events of an answer; the loop runs in a thread of its own and waits while nobody asks for the next."""
        for name, option in UNKNOWN.items():
            if getattr(request.sampling, name) is not None:
                raise UserError(f"your loop knows --temperature, --top-p and --seed; leave {option} out")
        if request.when_full != "stop":
            raise UserError("your loop ends where the context is full; leave --when-full out")
        return OwnAnswer(self, request)


class OwnAnswer(Iterator[Event]):
    """The events of one request. A token is known when the loop asks `step` for the next one, or returns."""

    def __init__(self, engine: OwnEngine, request: Request):
        self.request, self.finished = request, None
        self.finished: Reason | None
        self._engine, self._ids = engine, list(request.prompt)
        self._text = TextStream(engine.tokenizer, request.stop_strings)
        self._logits: Tensor | None = None
        self._events: queue.Queue[Event | BaseException] = queue.Queue(maxsize=1)
        self._cancelled = threading.Event()
        self._room = engine.model.config.max_seq_len - len(request.prompt)
        threading.Thread(target=self._run, daemon=True).start()

    def __next__(self) -> Event:
        if self.finished is not None:
            raise StopIteration
        event = self._events.get()
        if isinstance(event, BaseException):
            self.finished = "cancelled"
            raise event
        self.finished = event.finished
        return event

    def cancel(self) -> None:
        """End with the next token."""
        self._cancelled.set()

    def _run(self) -> None:
        request, n = self.request, min(self.request.max_new_tokens, self._room)
        stop = request.stop[0] if request.stop else -1
        settings = request.sampling.temperature, request.sampling.top_p or 1.0, request.seed or 0
        loop = with_its_name(version(_turn("generate")))
        full: Reason = "length" if n == request.max_new_tokens else "context"
        try:
            ids = loop(self._watched, list(request.prompt), n, *settings, stop)
            self._take(ids)
            last: Reason = "stop" if self._ids[len(request.prompt) :][-1:] == [stop] else full
            self._events.put(Event(None, self._text.end(), None, last))
        except Cancelled:
            reason: Reason = "stop" if self._text.stopped else "cancelled"
            self._events.put(Event(None, self._text.end(), None, reason))
        except BaseException as error:
            self._events.put(error)

    def _watched(self, ids: Sequence[int]) -> Tensor:
        """`step`, which first tells what is new in the text."""
        self._take(ids)
        if self._cancelled.is_set() or self._text.stopped:
            raise Cancelled
        self._logits = self._engine.step(ids)
        return self._logits

    def _take(self, ids: Sequence[int]) -> None:
        for token in map(int, ids[len(self._ids) :]):
            self._ids.append(token)
            shown = "" if token in self.request.stop else self._text.add(token)
            log_probs = None if self._logits is None else self._logits.log_softmax(-1)
            self._events.put(Event(token, shown, None if log_probs is None else float(log_probs[token])))
