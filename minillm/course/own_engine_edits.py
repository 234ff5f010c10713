"""Lesson 12's engine with one line changed, so that you can read what comes out.

EDITS      the menu: each a change of one line, by name
Edit       what is changed: attention, the rule that accepts, or the engine around them
write      greedy text by the engine, with guesses, and with one edit or none
menu       the text of each edit, printed below the right one
"""

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from minillm.course.own_engine import TASKS, CachedModel, speculate
from minillm.course.own_model import one_line, smollm2
from minillm.course.turns.inference_engine import turns
from minillm.course.versions import version
from minillm.data.chat import encode_chat
from minillm.errors import UserError

Attend = Callable[[dict[str, Any], Tensor, Tensor, Tensor], Tensor]  # of the form of `cached_attention`
KEPT = 8  # keys that a shortened cache keeps


def mask_nothing(attend: Attend) -> Attend:
    """Let each new token see all new tokens, those after it too."""

    @wraps(attend)
    def changed(cache: dict[str, Any], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        read = attend(cache, query, key, value)
        end, columns = cache["length"], []
        for column in query.split(1, dim=1) if query.shape[1] > 1 else ():
            cache["length"] = end - 1  # each query in turn is the last, which sees everything
            columns.append(attend(cache, column, key[:, -1:], value[:, -1:]))
        return torch.cat(columns, dim=1) if columns else read

    return changed


def late_values(attend: Attend) -> Attend:
    """Store each value one position too late, beside the next token's key."""

    @wraps(attend)
    def changed(cache: dict[str, Any], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        start, end = cache["length"], cache["length"] + key.shape[1]
        on_time = cache.setdefault("on time", torch.zeros_like(cache["values"]))
        on_time[:, start:end] = value
        before = on_time[:, start - 1 : start] if start else torch.zeros_like(value[:, :1])
        return attend(cache, query, key, torch.cat([before, value[:, :-1]], dim=1))

    return changed


def not_divided(attend: Attend) -> Attend:
    """Leave out the division by sqrt(D)."""

    @wraps(attend)
    def changed(cache: dict[str, Any], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attend(cache, query * math.sqrt(query.shape[2]), key, value)

    return changed


def shortened(first: int, at: int = 0) -> Callable[[Attend], Attend]:
    """Keep KEPT old keys only: so many of the first ones, or from position `at` on, and the newest."""

    def edit(attend: Attend) -> Attend:
        @wraps(attend)
        def changed(cache: dict[str, Any], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            start, end = cache["length"], cache["length"] + key.shape[1]
            cache["keys"][:, start:end], cache["values"][:, start:end] = key, value
            old = [*range(at, at + first), *range(start - KEPT + first, start)] if start > KEPT else [*range(start)]
            seen = {name: cache[name][:, [*old, *range(start, end)]] for name in ("keys", "values")}
            cache["length"] = end
            return attend({**seen, "length": len(old)}, query, key, value)

        return changed

    return edit


class FromHundred(CachedModel):
    """An engine that counts positions from 100."""

    def positions(self, n: int) -> Tensor:
        """The positions of the next `n` tokens, (n,)."""
        return super().positions(n) + 100


class StartsAgain(CachedModel):
    """An engine that counts from 0 again after the prompt."""

    def positions(self, n: int) -> Tensor:
        """The positions of the next `n` tokens, (n,)."""
        return super().positions(n) - sum(self.reads[:1])


class NeverGrows(CachedModel):
    """An engine whose caches forget their length: each pass overwrites what the pass before kept."""

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Read new tokens; the logits after each of them."""
        logits = super().__call__(ids)
        self.forget(self._length)
        return logits

    def forget(self, length: int) -> None:
        """Count on in positions only."""
        super().forget(0)
        self._length = length


class TakesNothingBack(CachedModel):
    """An engine that leaves rejected guesses in the cache."""

    def forget(self, length: int) -> None:
        """Keep everything."""


def accept_all(p: Sequence[Any], q: Sequence[Any], guess: int) -> list[float]:
    """Keep every guess, whatever p says.

    >>> accept_all([1, 0], [0, 1], 1)
    [0.0, 1.0]
    """
    return [float(token == guess) for token in range(len(p))]


@dataclass(frozen=True)
class Edit:
    """One change: a function that changes attention, a rule in place of `outcome`, or another engine."""

    attention: Callable[[Attend], Attend] = lambda attend: attend
    rule: Any = None
    engine: type[CachedModel] = CachedModel


EDITS = {
    "hide nothing": Edit(mask_nothing),
    "never let the length grow": Edit(engine=NeverGrows),
    "store values one position late": Edit(late_values),
    "leave out sqrt(D)": Edit(not_divided),
    "keep the newest 8 keys": Edit(shortened(0)),
    "keep the first and the newest 7": Edit(shortened(1)),
    "count positions from 100": Edit(engine=FromHundred),
    "count from 0 after the prompt": Edit(engine=StartsAgain),
    "accept every guess": Edit(rule=accept_all),
    "leave rejected guesses in": Edit(engine=TakesNothingBack),
}


def _named(edit: Any) -> Edit:
    """An edit of the menu by its name; no change for None."""
    if edit is None:
        return Edit()
    if not isinstance(edit, str) or edit not in EDITS:
        near = difflib.get_close_matches(str(edit).lower(), EDITS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"take them one by one from {', '.join(map(repr, EDITS))}"
        raise UserError(f"no edit is called {edit!r}; {hint}")
    return EDITS[edit]


def write(ids: Sequence[int], n: int, edit: str | None = None, attend: Any = None, **engine: Any) -> list[int]:
    """At most n new tokens, greedy, by lesson 12's engine with an edit of the menu.

    The functions are yours where they're given or saved, as in `own_engine.speculate`, which takes the rest. Raises
    `UserError` for an edit that isn't on the menu.
    """
    change = _named(edit)
    if attend is None:
        attend = version(next(turn for turn in turns if turn.name == "cached_attention"))
    if change.rule is not None:
        engine["outcome"] = change.rule
    return speculate(ids, n, attend=change.attention(attend), engine=change.engine, **engine)[0]


def menu(
    prompt: str | Sequence[int],
    n: int = 12,
    edits: str | Iterable[str] = tuple(EDITS),
    attend: Any = None,
    stop: Sequence[int] | None = None,
    n_match: int = 1,
    **engine: Any,
) -> dict[str, str]:
    """Print what the engine writes, unchanged and with each edit in turn; the texts by edit, the right one as "".

    A prompt is a text, its ids, or the name of a message in `own_engine.TASKS`, and is printed first. Guesses are
    looked up after one token that occurred before, so that some are wrong. A text ends at `stop`, or with the chat
    message. `benchmarks/engine_edits.py` measures the loss. Raises `UserError` for an edit that isn't on the menu,
    before anything is written.
    """
    tokenizer, texts = smollm2()[1], {}
    if stop is None:
        stop = [] if tokenizer.eos_id is None else [tokenizer.eos_id]
    wanted = [*edits] if isinstance(edits, Iterable) and not isinstance(edits, str) else [edits]
    for edit in wanted:
        _named(edit)
    message = TASKS.get(prompt) if isinstance(prompt, str) else None
    if message is None:
        ids = tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
    else:
        ids = encode_chat(tokenizer, [{"role": "user", "content": message}])
    print(f"{'message' if message else 'prompt':31} {one_line(message or tokenizer.decode(ids))}")
    for edit in (None, *wanted):
        text = tokenizer.decode(write(ids, n, edit, attend, stop=stop, n_match=n_match, **engine))
        texts[edit or ""] = text
        told = "the same" if edit and text == texts[""] else one_line(text)
        print(f"{edit or 'right':31} {told}")
    return texts
