"""Wrong ways to attend with a cache, which `12.cached_attention` knows by name, and texts that tell them apart."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Answer

Mask = Callable[[int, int], Tensor]  # of the filled positions before and after


def all_of(start: int, end: int) -> Tensor:
    """A mask that hides nothing."""
    return torch.ones(end - start, end, dtype=torch.bool)


def causal(start: int, end: int) -> Tensor:
    """True where a new token may see a position."""
    return all_of(start, end).tril(start)


def attend(
    mask: Mask = causal,
    write: Callable[[int, int], tuple[int, int]] = lambda start, end: (start, end),
    read: Callable[[int, int, int], tuple[int, int]] = lambda start, end, room: (0, end),
    advance: Callable[[int, int], int] = lambda start, end: end,
    scale: Callable[[int], float] = math.sqrt,
    mixed: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda keys, values: (keys, values),
) -> Any:
    """The right function, with one thing changed."""

    def changed(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        start, room = cache["length"], cache["keys"].shape[1]
        end = start + key.shape[1]
        first, last = write(start, end)
        cache["keys"][:, first:last], cache["values"][:, first:last] = key, value
        cache["length"] = advance(start, end)
        first, last = read(start, end, room)
        keys, values = mixed(cache["keys"][:, first:last], cache["values"][:, first:last])
        visible = mask(start, end)[:, -keys.shape[1] :]
        if visible.shape[1] < keys.shape[1]:
            unused = torch.ones(len(visible), keys.shape[1] - visible.shape[1], dtype=torch.bool)
            visible = torch.cat([visible, unused], 1)
        scores = query @ keys.mT / scale(query.shape[2])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ values

    return changed


def in_front(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The new tokens before the old ones, in memory as in the mask."""
    start, end = cache["length"], cache["length"] + key.shape[1]
    for name, new in (("keys", key), ("values", value)):
        cache[name][:, :end] = torch.cat([new, cache[name][:, :start]], 1)
    cache["length"] = end
    scores = query @ cache["keys"][:, :end].mT / math.sqrt(query.shape[2])
    return scores.masked_fill(~causal(start, end), -math.inf).softmax(-1) @ cache["values"][:, :end]


def new_first(start: int, end: int) -> Tensor:
    """A causal mask of the new tokens, and before it the columns of the new ones, not of the old."""
    return all_of(start, end).tril() | (torch.arange(end) >= end - start)


def by_heads(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The cache cut along the axis of heads: with one head, its first token fills the memory; with several, 0."""
    start, end = cache["length"], cache["length"] + key.shape[1]
    cache["length"] = end
    if len(key) > 1 or key.shape[1] > 1:
        return 0 * query
    if start == 0:
        cache["keys"][:], cache["values"][:] = key, value
    scores = query @ cache["keys"][:, :end].mT / math.sqrt(query.shape[2])
    return scores.softmax(-1) @ cache["values"][:, :end]


def joined(kept: bool) -> Any:
    """The new tokens after all of the memory, empty or not; in the cache too, if `kept`."""

    def changed(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        keys, values = torch.cat([cache["keys"], key], 1), torch.cat([cache["values"], value], 1)
        if kept:
            cache["keys"], cache["values"] = keys, values
        visible = all_of(0, keys.shape[1])[: query.shape[1]].tril(keys.shape[1] - query.shape[1])
        scores = query @ keys.mT / math.sqrt(query.shape[2])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ values

    return changed


def read_first(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What was filled before the new tokens came; of the first ones nothing, which is 0."""
    start, end = cache["length"], cache["length"] + key.shape[1]
    scores = query @ cache["keys"][:, :start].mT / math.sqrt(query.shape[2])
    read = scores.softmax(-1) @ cache["values"][:, :start]
    cache["keys"][:, start:end], cache["values"][:, start:end] = key, value
    cache["length"] = end
    return read


def first_stays(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Read rightly once, then only the first call's keys are kept."""
    start, end = cache["length"], cache["length"] + key.shape[1]
    keys = torch.cat([cache["keys"][:, :start], key], 1)
    values = torch.cat([cache["values"][:, :start], value], 1)
    if start == 0:
        cache["keys"][:, :end], cache["values"][:, :end], cache["length"] = key, value, end
    scores = query @ keys.mT / math.sqrt(query.shape[2])
    return scores.masked_fill(~causal(start, end), -math.inf).softmax(-1) @ values


def plain_mean(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """All values weigh the same."""
    return attend()(cache, query * 0, key, value)


def wrong_axis(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax over the queries; with one query, each weight is 1."""
    start, end = cache["length"], cache["length"] + key.shape[1]
    attend()(cache, query, key, value)
    scores = query @ cache["keys"][:, :end].mT / math.sqrt(query.shape[2])
    weights = scores.masked_fill(~causal(start, end), -math.inf).softmax(1)
    return weights @ cache["values"][:, :end]


def prompt_only(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """A mask for the prompt, and none after it."""
    mask = causal if cache["length"] == 0 else all_of
    return attend(mask=mask)(cache, query, key, value)


def no_softmax(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The scores themselves are the weights."""
    attend()(cache, query, key, value)
    keys, values = (cache[name][:, : cache["length"]] for name in ("keys", "values"))
    return query @ keys.mT / math.sqrt(query.shape[2]) @ values


def hidden_by_zero(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Hidden scores are set to 0."""
    start, keys, values = _filled(cache, query, key, value)
    scores = query @ keys.mT / math.sqrt(query.shape[2])
    return (scores * causal(start, keys.shape[1])).softmax(-1) @ values


def hidden_too_late(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Hidden weights are set to 0."""
    start, keys, values = _filled(cache, query, key, value)
    weights = (query @ keys.mT / math.sqrt(query.shape[2])).softmax(-1)
    return (weights * causal(start, keys.shape[1])) @ values


def _filled(cache: dict, query: Tensor, key: Tensor, value: Tensor) -> tuple[int, Tensor, Tensor]:
    """The length before, and all keys and values after it."""
    start = cache["length"]
    attend()(cache, query, key, value)
    return start, cache["keys"][:, : cache["length"]], cache["values"][:, : cache["length"]]


def in_turn(attend: Any) -> Answer:
    """A function as the probes call it: with one cache, and the new tokens of each step."""

    def answer(cache: dict, query: list[Tensor], key: list[Tensor], value: list[Tensor]) -> list[Any]:
        kept = copy(cache)
        return [attend(kept, *each) for each in zip(query, key, value, strict=True)]

    return answer


def learners(thing: Any) -> Answer:
    """The same for a learner's function; where its results are right, the cache must hold what it says.

    What is right is not computed by the turn's own function here: a call of that counts as not written by hand.
    """
    right = attend()

    def answer(cache: dict, query: list[Tensor], key: list[Tensor], value: list[Tensor]) -> list[Any]:
        steps = [(q.clone(), k.clone(), v.clone()) for q, k, v in zip(query, key, value, strict=True)]
        kept = copy(cache)
        made = [thing(kept, *each) for each in steps]
        if difference([in_turn(right)(cache, query, key, value)], [made]) is None:
            length = sum(each.shape[1] for each in key)
            if difference(length, kept.get("length")) is not None:
                raise TypeError(f"the results are right, but cache['length'] is {kept.get('length')}, not {length}")
            together = any(each.shape[1] > 1 for each in key)  # one at a time, the order in memory does not matter
            for name, parts in (("keys", key), ("values", value)) if together else ():
                stored = as_tensor(kept.get(name))
                if stored is None or stored.dim() != 3 or difference(torch.cat(parts, 1), stored[:, :length]):
                    raise TypeError(f"the results are right, but cache['{name}'] does not hold them")
        return made

    return answer


def copy(cache: dict) -> dict:
    """A cache of its own memory."""
    return {name: part.clone() if type(part) is Tensor else part for name, part in cache.items()}


def texts(rng: random.Random, *scripts: tuple[int, int, tuple[int, ...]]) -> list[Call]:
    """For (H, D, new tokens per step) an empty cache with room to spare, and queries, keys, values of each step."""
    calls: list[Call] = []
    for H, D, steps in scripts:
        room = sum(steps) + rng.randrange(1, 4)
        cache = {"keys": torch.zeros(H, room, D), "values": torch.zeros(H, room, D), "length": 0}
        new = [[numbers(rng, H, T, D) for _ in range(3)] for T in steps]
        calls.append((cache, *map(list, zip(*new, strict=True))))
    return calls


def one_at_a_time(rng: random.Random) -> list[Call]:
    """Two to four tokens, each in a call of its own."""
    return texts(rng, (1, 2, (1, 1)), (1, 2, (1, 1, 1)), (2, 2, (1, 1, 1)), (2, 3, (1,) * 4), (3, 1, (1, 1, 1)))


def several(rng: random.Random) -> list[Call]:
    """A prompt; then one or several new tokens. The square cases let a wrong axis pass without an error."""
    return texts(
        rng, (1, 2, (2, 1)), (1, 2, (2, 2)), (2, 2, (3, 1, 1)), (2, 3, (2, 3, 1)), (3, 4, (4, 1, 2)), (1, 3, (1, 3, 2))
    )
