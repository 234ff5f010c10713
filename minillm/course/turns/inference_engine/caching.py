"""12.cached_attention: attention of new tokens, with keys and values in memory that was reserved (Shazeer 2019)."""

import math
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation, Probe
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.inference_engine import caching_variants as variants


def cached_attention(cache, query, key, value):
    """What the new tokens read, (H, T, D); their keys and values are kept in the cache."""
    start = cache["length"]
    end = start + key.shape[1]
    cache["keys"][:, start:end] = key
    cache["values"][:, start:end] = value
    cache["length"] = end
    keys, values = cache["keys"][:, :end], cache["values"][:, :end]
    scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])  # (H, T, end)
    visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
    return scores.masked_fill(~visible, -math.inf).softmax(dim=-1) @ values


turn = Turn(
    "12.cached_attention",
    "The cache in memory that was reserved",
    cached_attention,
    minutes=11,
    difficulty=3,
    called=variants.learners,
    constants=("cache", "query", "key", "value"),
    hints=(
        "Ten tokens are in the cache, and three new ones come. Which positions do these get, and which keys may the "
        "first of the three see?",
        "Write first, then read: new keys go to the positions from `length` on. Then all filled positions are read, "
        "and no others.",
        "Query t of the new ones may see `length + t + 1` keys, counting with the length from before. `.tril(length)` "
        "moves the diagonal of a (T, S) mask by that much.",
    ),
    errors={
        "cache\\['length'\\]": "The next call needs to know how many positions are filled: "
        '`cache["length"]` grows by T in each call.',
        "does not hold them": "The cache lives on between the calls: write the new keys and values into "
        '`cache["keys"]` and `cache["values"]`, from position `length` on.',
        "KeyError": 'The cache has three entries: `"keys"`, `"values"` and `"length"`.',
        r"Target sizes: \[0,": 'Axis 0 is heads; tokens are axis 1: `cache["keys"][:, start:end]`.',
        "boolean mask": "A mask holds True and False: `dtype=torch.bool`, and `~` turns it round.",
        "expanded size of the tensor|shape mismatch": "T new tokens need T positions: from `length` to `length + T`.",
        "size of tensor|cannot be multiplied|first two dimensions": "Scores are (H, T, S): queries (H, T, D) times "
        "keys (H, S, D), whose last two axes are exchanged: `.transpose(1, 2)`.",
        "Sizes of tensors must match": "Tokens are axis 1 of (H, T, D).",
        "unpack|too many indices|Dimension out": "Query, key and value are (H, T, D): heads, new tokens, entries of "
        "a head.",
        "slice indices|'Tensor' object cannot|only integer tensors|an integer": '`cache["length"]` is a plain '
        "number: how many positions are filled.",
        r"name '(F|nn|np|self|length|keys|values|T|S|D|start|mask|causal_mask|K|V|scores)' is not defined": (
            "There are `cache`, `query`, `key` and `value`, and `math` and `torch`, which the page imports."
        ),
        "'dict' object|'str' object|has no attribute": '`cache` is a dictionary: `cache["keys"]` is a tensor, '
        "(H, room, D).",
    },
    debrief=Debrief(
        "That's the cache of gpt-fast and of our package. vLLM reserves blocks of 16 positions instead of one long "
        "row, so that texts of any length can share the memory.",
        "How would you take back the last three tokens?",
    ),
)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not one tensor (H, T, D) per step."""
    for index, (due, answers) in enumerate(zip(right, got, strict=True)):
        for wanted, answer in zip(due, answers, strict=True):
            if answer is None:
                return "Nothing is returned.", "Return what the new tokens read, (H, T, D).", index
            if type(answer) in (tuple, list):
                return "Several things are returned.", "Return one tensor: what the new tokens read.", index
            if type(answer) is dict:
                return "The cache is returned.", "Return what the new tokens read. The cache changes in place.", index
            if type(answer) is Tensor and answer.shape != wanted.shape:
                shapes = f"shape {tuple(answer.shape)}, and {tuple(wanted.shape)} is right"
                if answer.dim() == 3 and answer.shape[2] != wanted.shape[2]:
                    hint = "Weights times values: are these the weights, or the scores?"
                else:
                    hint = "One row per new token and head: (H, T, D)."
                return f"The result has {shapes}.", hint, index
    tensors = [as_tensor(answer) for answers in got for answer in answers]
    if all(tensor is not None and not tensor.any() for tensor in tensors):
        return "The result is 0 everywhere.", "Are the new values written first? Does the mask hide each key?", 0
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """The first token that is wrong."""
    for index, (due, answers) in enumerate(zip(right, got, strict=True)):
        seen = 0
        for step, (wanted, gave) in enumerate(zip(due, answers, strict=True)):
            for t in range(wanted.shape[1]):
                if difference(wanted[:, t], torch.as_tensor(as_tensor(gave))[:, t]) is not None:
                    sentence = f"Call {step + 1}, new token {t}: the result is wrong."
                    keys = f"{seen + t} earlier ones, and its own" if seen + t else "its own, and nothing else"
                    return sentence, f"The keys that it may see: {keys}.", index
            seen += wanted.shape[1]
    return None


one = turn.probe("one token at a time", variants.one_at_a_time, _form)
several = turn.probe("a prompt, then several at once", variants.several, _form)
one.at_last = several.at_last = _nearly


def _mistake(probe: Probe, sentence: str, hint: str, attend: Any) -> None:
    probe.mistake(sentence, hint, variants.in_turn(attend))


_mistake(
    one,
    "Only the newest token is read: either the length never grows, or earlier positions aren't read.",
    'In each call, `cache["length"]` grows by the number of new tokens, and all positions below it are read.',
    variants.attend(read=lambda start, end, room: (start, end)),
)
_mistake(
    one,
    "The new token doesn't see itself: the cache is read before it is written.",
    "Write the new key and value first.",
    variants.read_first,
)
_mistake(
    one,
    "All of the memory is read, also the part that nothing was written to.",
    "Zeros take part in the softmax, too. Read the filled positions only: `[:, :length]`.",
    variants.attend(read=lambda start, end, room: (0, room)),
)
for kept in (False, True):
    _mistake(
        one,
        f"The new keys are joined to the end of the whole reserved memory{' and kept' if kept else ''}: its empty "
        "positions are read, too.",
        "Write into the memory, from position `length` on, or join to the filled part only: `[:, :length]`.",
        variants.joined(kept),
    )
_mistake(
    one,
    "The new keys land one step too far: the length grows before they are written.",
    "Remember the old length: the new ones go to the positions from there on.",
    variants.attend(write=lambda start, end: (end, 2 * end - start)),
)
_mistake(
    one,
    "The new keys are always written to the beginning.",
    'They go to the positions from `cache["length"]` on.',
    variants.attend(write=lambda start, end: (0, end - start)),
)
_mistake(
    one,
    "The new token sees only the first key: the mask counts positions from the new token.",
    "`.tril()` begins in the upper left corner. Move the diagonal by the old length: `.tril(length)`.",
    variants.attend(mask=lambda start, end: variants.all_of(start, end).tril()),
)
for sentence, hint, power in (
    ("The scores aren't divided by sqrt(D).", "As in lesson 04, by `math.sqrt(D)`: D is the last size of `query`.", 0),
    ("The scores are divided by D, not by its root.", "Divide by `math.sqrt(D)`.", 1),
    ("The scores are multiplied by sqrt(D).", "Divide by it.", -0.5),
):
    _mistake(one, sentence, hint, variants.attend(scale=lambda D, power=power: float(D) ** power))
_mistake(
    one,
    "Keys and values have changed places.",
    "Scores come from the keys; what is mixed are the values.",
    variants.attend(mixed=lambda keys, values: (values, keys)),
)
_mistake(
    one,
    "The keys are mixed, and the values never read.",
    "The weights multiply the values.",
    variants.attend(mixed=lambda keys, values: (keys, keys)),
)
_mistake(
    one,
    "The values are scored, and the keys never read.",
    "Scores are queries times keys.",
    variants.attend(mixed=lambda keys, values: (values, values)),
)
_mistake(
    one,
    "The cache keeps the first call only.",
    "Write the new keys and values, and count them, in each call.",
    variants.first_stays,
)
_mistake(
    one,
    "All keys get the same weight.",
    "Softmax runs along the keys, the last axis of the scores (H, T, S).",
    variants.plain_mean,
)
_mistake(
    one,
    "The softmax runs along the queries, so every key gets the weight 1.",
    "It runs along the keys, the last axis of the scores.",
    variants.wrong_axis,
)
_mistake(
    one,
    "There is no softmax.",
    "Turn the scores into weights that add up to 1.",
    variants.no_softmax,
)
_mistake(
    one,
    "Heads are taken for tokens: the cache is cut along axis 0.",
    'Tokens are axis 1: `cache["keys"][:, start:end]`.',
    variants.by_heads,
)
_mistake(
    several,
    "New tokens that come together all see each other.",
    "The first of three new ones may not look at the other two: they come after it. They need a mask.",
    variants.attend(mask=variants.all_of),
)
_mistake(
    several,
    "The length grows by 1 in each call, however many tokens are new.",
    "T tokens fill T positions: `key.shape[1]`.",
    variants.attend(advance=lambda start, end: start + 1),
)
_mistake(
    several,
    "The mask lets each token see the next one.",
    "Query t of the new ones sees itself and what came before: `.tril(length)`, with the length from before.",
    variants.attend(mask=lambda start, end: variants.all_of(start, end).tril(start + 1)),
)
_mistake(
    several,
    "The mask takes the new tokens for the first; in memory, they are the last.",
    "The columns of the mask are positions in memory: `.tril(length)`.",
    variants.attend(mask=variants.new_first),
)
_mistake(
    several,
    "The new tokens stand in front of the old ones.",
    "Write them after the old ones, from position `length` on: the mask takes them for the last.",
    variants.in_front,
)
_mistake(
    several,
    "The mask begins in the upper left corner, so later tokens see too few keys.",
    "With T queries and S keys, the diagonal moves by S - T: `.tril(length)`. Torch's `is_causal=True` doesn't.",
    variants.attend(mask=lambda start, end: variants.all_of(start, end).tril()),
)
_mistake(
    several,
    "The length is the number of the newest tokens, not of all.",
    "Add: `length + T`.",
    variants.attend(advance=lambda start, end: end - start),
)
_mistake(
    several,
    "Hidden scores become 0, not minus infinity.",
    "Softmax gives a score of 0 some weight. Use `masked_fill(~visible, -math.inf)`.",
    variants.hidden_by_zero,
)
_mistake(
    several,
    "The mask comes after the softmax, so the weights of a token don't add up to 1.",
    "Hide the scores, before the softmax: minus infinity becomes 0.",
    variants.hidden_too_late,
)
_mistake(
    several,
    "The mask is only there for the prompt.",
    "New tokens that come together later need it, too: the second may see the first, not the other way round.",
    variants.prompt_only,
)
_mistake(
    several,
    "The mask is the wrong way round: each token sees itself and what comes after it.",
    "`.tril` keeps what came before, `.triu` what comes after.",
    variants.attend(mask=lambda start, end: variants.all_of(start, end).triu(start)),
)
_mistake(
    several,
    "Only the newest tokens see each other; the earlier ones are forgotten.",
    "Read from position 0 on.",
    variants.attend(read=lambda start, end, room: (start, end)),
)
