"""07.remember: append new keys and values to a cache (Shazeer 2019, section 2.3, on decoding with cached keys)."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def remember(cache, layer, key, value):
    """All keys and values of a layer so far, the new ones last: both (K, S, D)."""
    if layer in cache:
        keys, values = cache[layer]
        key = torch.cat([keys, key], dim=1)
        value = torch.cat([values, value], dim=1)
    cache[layer] = key, value
    return key, value


def _in_turn(remember: Any) -> Answer:
    """A function as the probes call it: with new keys and values, one after the other, and one cache."""

    def answer(cache: dict, layer: list[int], key: list[Tensor], value: list[Tensor]) -> list[Any]:
        kept = dict(cache)
        return [remember(kept, *each) for each in zip(layer, key, value, strict=True)]

    return answer


def _learners(thing: Any) -> Answer:
    """The same for a learner's function; if several layers are right, the cache must hold them, as `heads` expects."""

    def answer(cache: dict, layer: list[int], key: list[Tensor], value: list[Tensor]) -> list[Any]:
        kept, known, append = dict(cache), dict(cache), _joined(1)
        made = [thing(kept, *each) for each in zip(layer, key, value, strict=True)]
        due = [append(known, *each) for each in zip(layer, key, value, strict=True)]
        missing = [number for number in known if difference(known[number], kept.get(number)) is not None]
        if missing and len(known) > 1 and difference(due, made) is None:
            raise TypeError(f"the results are right, but cache[{missing[0]}] does not hold them")
        return made

    return answer


turn = Turn(
    "07.remember",
    "The cache",
    remember,
    minutes=7,
    difficulty=2,
    called=_learners,
    constants=("key", "value"),
    hints=(
        "How does the function know the keys of the last call? Which axis of (K, T, D) counts tokens?",
        "`cache` is a dictionary that lives on between the calls. `cache[layer]` may hold two tensors; at first it "
        "isn't there.",
        "If the layer is in the cache, join old and new along axis 1, `torch.cat([old, new], dim=1)`. Store both, then "
        "return them.",
    ),
    errors={
        "does not hold them": "The parts of the model that read the cache look for a pair there: `cache[layer]` is "
        "(keys, values), with all tokens so far.",
        "KeyError": "At first the cache is empty: `if layer in cache`.",
        "must match except in dimension 1": "Old keys of another shape: is everything kept in `cache`, by layer? It is "
        "empty at the beginning of each text.",
        "must match except in dimension [02]": "Tokens are axis 1 of (K, T, D): join along `dim=1`.",
        "stack expects": "`torch.cat` joins tensors along an axis that they have. `torch.stack` makes a new one, and "
        "all must have one shape.",
        "'(NoneType|int|builtin_function_or_method|method)' object": "`cache` is a dictionary, by layer: "
        "`cache[layer]` holds what you stored.",
        r"name '(keys|values|K|V|k|v|torch)' is not defined": "The arguments are `cache`, `layer`, `key` and `value`; "
        "`torch` is imported above.",
    },
    debrief=Debrief(
        "`torch.cat` copies the whole cache for each token. Engines reserve the room beforehand and write into it, in "
        "blocks that several texts can share (lesson 12).",
        "Queries aren't remembered. Why not?",
    ),
)

Remember = Callable[[dict, int, Tensor, Tensor], Any]


def _joined(dim: int, new_first: bool = False) -> Remember:
    """Keys and values joined along another axis, or the new ones first."""

    def remember(cache: dict, layer: int, key: Tensor, value: Tensor) -> Any:
        if layer in cache:
            pairs = [(old, new) for old, new in zip(cache[layer], (key, value), strict=True)]
            key, value = (torch.cat(pair[::-1] if new_first else pair, dim=dim) for pair in pairs)
        cache[layer] = key, value
        return key, value

    return remember


def _texts(rng: random.Random, *scripts: tuple[int, int, tuple[tuple[int, int], ...]]) -> list[Call]:
    """For (K, D, steps) new keys and values of each step, which is a layer and a number of tokens."""
    calls: list[Call] = []
    for K, D, steps in scripts:
        new = [[numbers(rng, K, T, D) for _ in range(2)] for _, T in steps]
        calls.append(({}, [layer for layer, _ in steps], [key for key, _ in new], [value for _, value in new]))
    return calls


def _one_layer(rng: random.Random) -> list[Call]:
    """One layer, token by token; the square cases let a wrong axis pass without an error."""
    three = ((0, 1),) * 3
    small = (1, 1, three)
    return _texts(rng, small, small, (2, 2, three), (1, 3, three), (3, 1, three), (2, 3, ((1, 1),) * 4))


def _prompts(rng: random.Random) -> list[Call]:
    """A prompt of several tokens, then one at a time, in one layer or in two."""
    two = ((0, 3), (1, 3), (0, 1), (1, 1), (0, 1), (1, 1))
    return _texts(
        rng, (1, 2, ((0, 2), (0, 1))), (2, 2, ((0, 2), (0, 2))), (2, 3, two), (3, 2, ((0, 3), (0, 3), (0, 1)))
    )


def _layers(rng: random.Random) -> list[Call]:
    three = tuple((layer, T) for T in (2, 1, 1) for layer in range(3))
    return _texts(
        rng, (1, 1, ((0, 1), (1, 1), (0, 1), (1, 1))), (2, 2, three), (2, 3, ((5, 1), (2, 1), (5, 1), (5, 1)))
    )


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not two tensors in each call; or something of an earlier text."""
    for index, (due, answers) in enumerate(zip(right, got, strict=True)):
        for (keys, _), answer in zip(due, answers, strict=True):
            if answer is None:
                return "Nothing is returned.", "Return all keys and all values of this layer: two tensors.", index
            if type(answer) is Tensor:
                return "One tensor is returned.", "Return two: all keys and all values.", index
            if type(answer) is dict:
                return "The cache itself is returned.", "Return all keys and all values of this layer.", index
            if type(answer) not in (list, tuple) or len(answer) != 2:
                return "The result isn't a pair of tensors.", "Return all keys and all values of this layer.", index
            if any(type(part) in (list, tuple) for part in answer):
                hint = "Join the tensors along the axis of tokens, `torch.cat(..., dim=1)`."
                return "Lists of tensors are returned.", hint, index
            if any(type(part) is not Tensor for part in answer):
                return "The result isn't a pair of tensors.", "Return all keys and all values of this layer.", index
            if keys.dim() != answer[0].dim():
                hint = "`torch.stack` makes a new axis; `torch.cat(..., dim=1)` joins along one that is there."
                return f"The keys have {answer[0].dim()} axes; (K, S, D) has three.", hint, index
    longer = [
        index
        for index, (due, answers) in enumerate(zip(right, got, strict=True))
        if answers[0][0].dim() == 3
        and answers[0][0].shape[1] > due[0][0].shape[1]
        and difference(due[0][0], answers[0][0][:, -due[0][0].shape[1] :]) is None
    ]
    if longer and longer[0] > 0:  # in the first text it was right
        hint = "Store everything in `cache`, which is empty at the beginning of each text."
        return "A new text begins with the keys of an earlier one.", hint, longer[0]
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Which call of which layer is the first that is wrong."""
    for index, (call, due, answers) in enumerate(zip(calls, right, got, strict=True)):
        for place, (wanted, gave) in enumerate(zip(due, answers, strict=True)):
            for name, one, other in zip(("keys", "values"), wanted, gave, strict=True):
                if difference(one, other) is None:
                    continue
                where = f"Call {place + 1}, of layer {call[1][place]}: the {name}"
                if one.shape != other.shape:
                    sentence = f"{where} have shape {tuple(other.shape)}, and {tuple(one.shape)} is right."
                    return sentence, "All tokens of this layer so far, along axis 1.", index
                return f"{where} are wrong.", "Old ones first, in their order, then the new ones.", index
    return None


one = turn.probe("one layer, token by token", _one_layer, _form)
one.at_last = _nearly


def _mistake(probe: Any, sentence: str, hint: str, answer: Remember) -> None:
    probe.mistake(sentence, hint, _in_turn(answer))


_mistake(
    one,
    "Only the new keys and values are returned: nothing is remembered.",
    "In every call, join those of the cache with the new ones, along axis 1, and store them: `cache[layer] = ...`.",
    lambda cache, layer, key, value: (key, value),
)
_mistake(
    one,
    "The heads pile up: it's joined along axis 0.",
    "A key has the shape (K, T, D). Tokens are axis 1.",
    _joined(0),
)
_mistake(
    one,
    "The keys get longer: it's joined along the last axis.",
    "A key has the shape (K, T, D). Tokens are axis 1.",
    _joined(2),
)
_mistake(
    one,
    "The new tokens are put in front.",
    "Old ones first: `torch.cat([old, new], dim=1)`.",
    _joined(1, new_first=True),
)


def _first_stays(cache, layer, key, value):
    old = cache.setdefault(layer, (key[:, :0], value[:, :0]))
    if not old[0].shape[1]:
        cache[layer] = key, value
    return torch.cat([old[0], key], 1), torch.cat([old[1], value], 1)


_mistake(
    one,
    "The cache keeps the first call only: what is joined isn't stored.",
    "Store the joined tensors: `cache[layer] = ...`, in every call.",
    _first_stays,
)


def _last_two(cache, layer, key, value):
    old = cache.get(layer, (key[:, :0], value[:, :0]))
    cache[layer] = key, value
    return torch.cat([old[0], key], 1), torch.cat([old[1], value], 1)


_mistake(
    one,
    "Only the call before is remembered: the new tokens are stored without the old ones.",
    "Store the joined tensors, not `key` and `value` as they came.",
    _last_two,
)


def _sum(cache, layer, key, value):
    if layer in cache:
        key, value = (old + new for old, new in zip(cache[layer], (key, value), strict=True))
    cache[layer] = key, value
    return key, value


_mistake(
    one,
    "The new keys and values are added to the old ones, number by number.",
    "`torch.cat([old, new], dim=1)` puts them side by side.",
    _sum,
)


def _keys_twice(cache, layer, key, value):
    old = cache.get(layer, key[:, :0])
    value = torch.cat([old, value], 1)
    cache[layer] = key = torch.cat([old, key], 1)
    return key, value


_mistake(
    one,
    "The new values are joined to the old keys.",
    "Two tensors per layer: old keys with new keys, old values with new values.",
    _keys_twice,
)
_mistake(
    one,
    "The keys are returned twice.",
    "Return keys and values.",
    lambda cache, layer, key, value: (remember(cache, layer, key, value)[0],) * 2,
)
_mistake(
    one,
    "Values come first.",
    "Return keys, then values.",
    lambda cache, layer, key, value: remember(cache, layer, key, value)[::-1],
)
_mistake(
    one,
    "The values are those of this call only.",
    "Remember the values, too.",
    lambda cache, layer, key, value: (remember(cache, layer, key, value)[0], value),
)
_mistake(
    one,
    "The keys are those of this call only.",
    "Remember the keys, too.",
    lambda cache, layer, key, value: (key, remember(cache, layer, key, value)[1]),
)
_mistake(
    one,
    "What is returned lacks the new tokens.",
    "The new token reads itself, too: return old and new together.",
    lambda cache, layer, key, value: _before(cache, layer, key, value),
)
_mistake(
    one,
    "The new tokens are joined twice.",
    "One `torch.cat` per call.",
    lambda cache, layer, key, value: [
        torch.cat([both, new], 1) for both, new in zip(remember(cache, layer, key, value), (key, value), strict=True)
    ],
)


def _before(cache: dict, layer: int, key: Tensor, value: Tensor) -> Any:
    old = cache.get(layer, (key, value))
    remember(cache, layer, key, value)
    return old


layers = turn.probe("several layers", _layers, _form)
layers.at_last = _nearly
_mistake(
    layers,
    "All layers share one cache.",
    "Each layer has keys and values of its own: store them under `cache[layer]`.",
    lambda cache, layer, key, value: remember(cache, 0, key, value),
)


def _latest_layer(cache, layer, key, value):
    keys, values = remember(cache, layer, key, value)
    for other in [other for other in cache if other != layer]:
        del cache[other]
    return keys, values


_mistake(
    layers,
    "A call of one layer makes the cache forget the others.",
    "Each layer has keys and values of its own: store them under `cache[layer]`.",
    _latest_layer,
)

prompts = turn.probe("a prompt, then tokens", _prompts, _form)
prompts.at_last = _nearly
_mistake(
    prompts,
    "Of a prompt, only the last token is remembered.",
    "Keep all T tokens that come in.",
    lambda cache, layer, key, value: remember(cache, layer, key[:, -1:], value[:, -1:]),
)
_mistake(
    prompts,
    "Of a prompt, only the first token is remembered.",
    "Keep all T tokens that come in.",
    lambda cache, layer, key, value: remember(cache, layer, key[:, :1], value[:, :1]),
)
