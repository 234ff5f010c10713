"""Continuous batching: many requests, which join and leave the batch between two steps, as in a chat or a server.

Requests wait until the batch has a free row. Between two steps, finished requests leave and others join: each prompt is
read by itself, then its keys and values are aligned with the others, all ending at one column (`KVCache.aligned`). A
step then chooses one token for every row. The caches of finished texts are kept for a while, so a prompt that begins
like an earlier text, as every turn of a chat does, is read from there on (`prefixes`). A prompt is read in one pass,
however long it is, and the others wait for it. `generate` has its own loop; the reason is in its module's docstring.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.inference.decode import last_logits, next_logits
from minillm.inference.prefixes import PrefixStore, longest_prefix
from minillm.inference.sampling import Sampling
from minillm.inference.text import TextStream
from minillm.model.embedding import check_ids
from minillm.model.kv_cache import KVCache
from minillm.model.transformer import Transformer, check_language_model
from minillm.tokenizer import Tokenizer

Reason = Literal["stop", "length", "context", "cancelled"]
WhenFull = Literal["stop", "slide"]
DEFAULT_SAMPLING = Sampling()  # the model's own distribution


@dataclass(frozen=True)
class Request:
    """A prompt, and how to continue it. Raises `UserError` for settings out of range.

    A text ends with the first token of `stop` that it draws, which is not shown; before the first of `stop_strings`
    that it would show; after `max_new_tokens`; or where it fills the model's context. With `when_full="slide"` it then
    drops its older half and continues. The newer half is read again, since its keys and values were computed from the
    dropped tokens, and at other positions.

    >>> Request([1, 2, 3], max_new_tokens=5).when_full
    'stop'
    """

    prompt: Sequence[int]  # tokens
    max_new_tokens: int
    sampling: Sampling = DEFAULT_SAMPLING
    stop: Sequence[int] = ()
    stop_strings: Sequence[str] = ()
    seed: int | None = None  # the same seed gives the same text
    when_full: WhenFull = "stop"

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {self.max_new_tokens}; a request asks for at least one token")
        if self.when_full not in get_args(WhenFull):
            raise UserError(f"when_full is {self.when_full!r}; choose one of {', '.join(get_args(WhenFull))}")


@dataclass(frozen=True)
class Event:
    """One step of an answer: its token, the text that can be shown now, and in the last event why it ended.

    `log_prob` is that of the token under the model's own distribution, before temperature and filters, in nats. An
    answer that is cancelled, or whose prompt fills the context, ends with an event without a token.

    >>> Event(token=17, text=" cat", log_prob=-0.7).finished is None
    True
    """

    token: int | None
    text: str
    log_prob: float | None
    finished: Reason | None = None


class Answer(Iterator[Event]):
    """The events of one request, in order, from `Engine.submit`; `next` makes the engine step until there is one."""

    def __init__(self, engine: "Engine", request: Request):
        self.request = request
        self.finished: Reason | None = None
        self._engine = engine
        self._events: deque[Event] = deque()
        self._text = TextStream(engine.tokenizer, request.stop_strings)
        self._ids, self._new = list(request.prompt), 0  # the text so far; how many of its tokens are new
        device, seed = engine.model.device, request.seed
        self._rng = None if seed is None else torch.Generator(device).manual_seed(seed)

    def __next__(self) -> Event:
        while not self._events:
            if self.finished is not None:
                raise StopIteration
            self._engine.step()
        return self._events.popleft()

    def cancel(self) -> None:
        """End here. Text that was waiting comes in a last event; an answer that has ended stays as it is."""
        self._engine._cancel(self)

    def _choose(self, logits: Float[Tensor, "1 V"]) -> tuple[int, float]:
        sampling, logits = self.request.sampling, logits.float()
        seen = self._ids if sampling.repetition_penalty is not None else []
        seen = torch.tensor([seen], dtype=torch.long, device=logits.device)
        allowed = logits.index_fill(-1, self._engine.unknown, -math.inf)
        token = int(sampling.choose(allowed, seen, self._rng))
        return token, float(logits[0, token] - logits[0].logsumexp(-1))

    def _take(self, token: int, log_prob: float) -> None:
        """Append one token, and end if it is the last one."""
        self._ids.append(token)
        self._new += 1
        text = "" if token in self.request.stop else self._text.add(token)
        if token in self.request.stop or self._text.stopped:
            self._end("stop", token, text, log_prob)
        elif self._new == self.request.max_new_tokens:
            self._end("length", token, text, log_prob)
        elif self._n_left() == 0 and self.request.when_full == "stop":
            self._end("context", token, text, log_prob)
        else:
            self._events.append(Event(token, text, log_prob))

    def _end(self, reason: Reason, token: int | None = None, text: str = "", log_prob: float | None = None) -> None:
        self.finished = reason
        self._events.append(Event(token, text + self._text.end(), log_prob, reason))

    def _n_left(self) -> int:
        """How many more tokens the text can take before it ends or slides."""
        context = max(self._engine.model.config.max_seq_len - len(self._ids), 0)
        return min(context, self.request.max_new_tokens - self._new)

    def _slide(self) -> None:
        """Drop all tokens but the newest, half as many as the context holds."""
        self._ids = self._ids[-max(self._engine.model.config.max_seq_len // 2, 1) :]


class Engine:
    """Answers requests in the order in which they came, up to `max_batch` at once.

    A text does not depend on the other requests in the batch: each draws from its own seed, and is what `generate`
    gives for it alone, up to rounding. Products of many rows may add up in another order, which matters where two
    tokens are nearly equal. In float32 this is rare, and the step in C adds up each row alike. Without that step,
    quantized weights round to bfloat16, and about one text in three of SmolLM2 differs within 30 tokens. Tokens outside
    the tokenizer's vocabulary (a model's may be rounded up) are never drawn. An engine is not thread-safe.

    Besides the batch, the keys and values of finished texts are kept, of at most `kept_tokens` tokens in total (None:
    as many as the model's context); each token takes 2 L K D numbers. Raises `UserError` for a model that cannot use a
    cache and for sizes out of range.

    >>> from minillm import ModelConfig, generate
    >>> tokenizer = Tokenizer.train(["a"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> engine = Engine(model, tokenizer)
    >>> answers = [engine.submit(Request(prompt, max_new_tokens=4, seed=0)) for prompt in ([1, 2, 3], [7])]
    >>> [event.token for event in answers[1]] == generate(model, [7], 4, seed=0)[1:]
    True
    >>> list(answers[0])[-1].finished
    'length'
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, max_batch: int = 8, kept_tokens: int | None = None):
        check_language_model(model)
        kept_tokens = model.config.max_seq_len if kept_tokens is None else kept_tokens
        if max_batch < 1 or kept_tokens < 0:
            raise UserError(
                f"max_batch is {max_batch} and kept_tokens {kept_tokens}; they must be at least 1 and at least 0"
            )
        if not model.config.causal:
            raise UserError("a model with causal=False has no KV cache to go on from; use generate(use_cache=False)")
        self.model, self.tokenizer, self.max_batch = model, tokenizer, max_batch
        unknown = [id for id in range(model.config.vocab_size) if id not in tokenizer.vocab]
        self.unknown = torch.tensor(unknown, dtype=torch.long, device=model.device)
        self._prefixes = PrefixStore(kept_tokens)
        self._waiting: deque[Answer] = deque()
        self._running: list[Answer] = []  # one per row of the cache
        self._cache: KVCache | None = None

    def submit(self, request: Request) -> Answer:
        """Put a request into the queue.

        Raises `UserError` for a prompt that is empty or longer than the context, and for an unknown token.
        """
        self.model.check_length(len(request.prompt))
        check_ids(torch.tensor(list(request.prompt)), self.model.config.vocab_size)
        answer = Answer(self, request)
        if answer._n_left() == 0 and request.when_full == "stop":
            answer._end("context")
            return answer
        if answer._n_left() == 0:
            answer._slide()
        self._waiting.append(answer)
        return answer

    @torch.no_grad()
    def step(self) -> bool:
        """Let waiting requests join while the batch has free rows, then choose one token for every running request.

        False where there was nothing to do. A step that fails while the model computes has changed nothing.
        """
        # 1. read the prompts of requests that join
        answers, joined, logits = list(self._running), [], []
        for answer in islice(self._waiting, self.max_batch - len(self._running)):
            row, its_logits = self._read(answer._ids, joined)
            answers.append(answer)
            joined.append((answer, row))
            logits.append(its_logits)
        # 2. read the newest token of the others, in one pass
        if self._cache is not None:
            # The cache holds all but the newest token of each; a step that failed may have appended more.
            self._cache.truncate(max(len(answer._ids) for answer in self._running) - 1)
            last = torch.tensor([answer._ids[-1:] for answer in self._running], device=self.model.device)
            logits = [*next_logits(self.model, last, self._cache)[:, -1].split(1), *logits]
        # 3. choose, then rearrange the batch
        for _ in joined:
            self._waiting.popleft()
        for answer, its_logits in zip(answers, logits, strict=True):
            answer._take(*answer._choose(its_logits))
        self._settle(joined)
        return bool(answers)

    def _read(self, ids: list[int], joined: list[tuple[Answer, KVCache]]) -> tuple[KVCache, Float[Tensor, "1 V"]]:
        """The cache of a text that joins, and the logits after it; a cached prefix is not read again."""
        texts = [(answer._ids, row) for answer, row in [*self._rows(), *joined]]
        prefix_cache = longest_prefix(ids, [*self._prefixes.texts, *texts])
        if prefix_cache is None:
            row = self.model.new_cache(1, len(ids))
        else:
            row = KVCache.aligned([prefix_cache], n_new=len(ids) - prefix_cache.length)
        rest = torch.tensor([ids[row.length :]], device=self.model.device)
        return row, last_logits(self.model, rest, row)[:, -1]

    def _rows(self) -> list[tuple[Answer, KVCache]]:
        """The running requests, each with its row of the cache."""
        if self._cache is None:
            return []
        return [(answer, self._cache.row(index)) for index, answer in enumerate(self._running)]

    def _settle(self, joined: list[tuple[Answer, KVCache]]) -> None:
        """Remove requests that ended or must be read again, and put the others into one cache."""
        leaving = [answer for answer in self._running if answer.finished or answer._n_left() == 0]
        if not joined and not leaving:
            return
        staying = []
        for answer, row in [*self._rows(), *joined]:
            if answer.finished:
                self._prefixes.keep(answer._ids, row)
            elif answer._n_left() == 0:
                answer._slide()
                self._waiting.appendleft(answer)
            else:
                staying.append((answer, row))
        self._running, self._cache = [answer for answer, _ in staying], None
        if staying:
            n_new = max(answer._n_left() for answer in self._running)
            self._cache = KVCache.aligned([row for _, row in staying], n_new)

    def _cancel(self, answer: Answer) -> None:
        if answer.finished is not None:
            return
        answer._end("cancelled")
        if answer in self._waiting:
            self._waiting.remove(answer)
        self._settle([])
