"""09.answer_mask: which tokens of a conversation the loss is taken on."""

import random
from collections.abc import Callable
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def answer_mask(ids, opening, end):
    """For each token of a conversation, whether the assistant said it; the mark that ends an answer included."""
    mask, n, inside = [], len(opening), False
    for t in range(len(ids)):
        inside = inside or (t >= n and ids[t - n : t] == opening)
        mask.append(inside)
        if ids[t] == end:
            inside = False
    return mask


turn = Turn(
    "09.answer_mask",
    "What to learn from",
    answer_mask,
    minutes=8,
    difficulty=3,
    hints=(
        "When the model answers you, which tokens does it write, and which does the program around it write?",
        "Go along the ids. An answer begins right after `opening`, and ends with the next `end`, which counts.",
        "`ids[t - n : t]` are the n tokens before t. If they are the opening, an answer begins at t. Keep a flag, and "
        "take it back after the `end`.",
    ),
    errors={
        "out of range": "Does a loop look beyond the last token? A slice may reach too far: `ids[t : t + n]` "
        "is just shorter then.",
        "is not in list": "`ids.index(...)` searches for one id. `opening` is several: compare a slice with it.",
        r"name '(tokenizer|START|END|start|assistant|mask|counts|labels|encode|IGNORE|encode_chat)' is not defined": (
            "There are `ids`, `opening` and `end`, and what you make of them."
        ),
        "changed the input": "Leave `ids` as they are, and build a list of your own.",
        "unsupported operand|not iterable|has no attribute|ambiguous": "`ids` and `opening` are plain lists of ids, "
        "and `end` is one id.",
    },
    long_call=([1, 5, 9, *range(20, 50), 2, 9, 1, 6, 9, *range(50, 150), 2, 9] * 14, [1, 6, 9], 2),
    slow=(
        "The result is right, but `answer_mask` goes through all of `ids` again for each token.",
        "Go along once: `ids.index(end, t)` searches from t on, and a flag needs no search at all.",
    ),
    debrief=Debrief(
        "TRL calls this `assistant_only_loss`. It asks the template, which marks the answers itself, instead of "
        "searching for an opening. Targets that don't count get the label -100.",
        "The line break after `<|im_end|>` doesn't count. Who writes it when you chat?",
    ),
)


def _spans(ids: list[int], opening: list[int], end: int) -> list[tuple[int, int]]:
    """Where the answers begin, and one past their ends."""
    n, found = len(opening), []
    for t in range(n, len(ids)):
        if ids[t - n : t] == opening and not (found and t < found[-1][1]):
            found.append((t, ids.index(end, t) + 1))
    return found


def _marked(
    change: Callable[[int, int], tuple[int, int]] = lambda first, last: (first, last),
    which: Callable[[list], list] = lambda spans: spans,
) -> Answer:
    """The mask, with other ends of its spans, or with some of them only."""

    def answer(ids: list[int], opening: list[int], end: int) -> list[bool]:
        mask = [False] * len(ids)
        for span in which(_spans(ids, opening, end)):
            for t in range(max(change(*span)[0], 0), min(change(*span)[1], len(ids))):
                mask[t] = True
        return mask

    return answer


START, END, NEWLINE, ROLES = 1, 2, 9, {"user": [5], "assistant": [6, 7], "system": [5, 8]}


def _talk(rng: random.Random, roles: tuple[str, ...], length: int = 3) -> list[int]:
    """A conversation; the contents may hold the words of the opening, but no mark."""
    words = [*range(10, 16), NEWLINE]
    ids = []
    for role in roles:
        said = [rng.choice(words) for _ in range(rng.randrange(1, length + 1))]
        if role == "user":
            said += [*ROLES["assistant"], NEWLINE]
        ids += [START, *ROLES[role], NEWLINE, *said, END, NEWLINE]
    return ids


OPENING = [START, *ROLES["assistant"], NEWLINE]


def _one(rng: random.Random) -> list[Call]:
    small = [START, 5, NEWLINE, 10, END, NEWLINE, *OPENING, 11, 12, END, NEWLINE]
    roles = ("user", "assistant"), ("system", "user", "assistant", "user"), ("user", "assistant", "user")
    talks = [_talk(rng, each, 4) for each in roles]
    return [(ids, [*OPENING], END) for ids in (small, *talks)]


def _to_the_last_end(ids: list[int], opening: list[int], end: int) -> list[bool]:
    """From the first answer on, up to the last `end`, also that of a user."""
    spans, last = _spans(ids, opening, end), max((t for t, id in enumerate(ids) if id == end), default=-1)
    return [bool(spans) and spans[0][0] <= t <= last for t in range(len(ids))]


def _any_role(ids: list[int], opening: list[int], end: int) -> list[bool]:
    """Whatever comes as many tokens after a mark as an opening has."""
    n, mask, inside = len(opening), [], False
    for t in range(len(ids)):
        inside = inside or (t >= n and ids[t - n] == opening[0])
        mask.append(inside)
        inside = inside and ids[t] != end
    return mask


def _several(rng: random.Random) -> list[Call]:
    """Several answers, an empty one, none; and other marks."""
    calls = [
        (_talk(rng, ("user", "assistant") * 2), [*OPENING], END),
        (_talk(rng, ("system", *("user", "assistant") * 3), 4), [*OPENING], END),
        ([*_talk(rng, ("user",)), *OPENING, END, NEWLINE, *_talk(rng, ("user", "assistant"))], [*OPENING], END),
        (_talk(rng, ("user",)), [*OPENING], END),
        (_talk(rng, ("assistant", "user", "assistant")), [*OPENING], END),
    ]
    names = {START: 40, END: 41, NEWLINE: 42}
    other = _talk(rng, ("user", "assistant") * 2)
    calls.append(([names.get(id, id) for id in other], [names.get(id, id) for id in OPENING], names[END]))
    short = [id for id in _talk(rng, ("user", "assistant") * 2) if id != 7]  # *assistant* is one token here
    calls.append((short, [START, 6, NEWLINE], END))
    return calls


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not one truth value per token."""
    for index, ((ids, *_), answer) in enumerate(zip(calls, got, strict=True)):
        tensor = as_tensor(answer)
        if type(answer) in (bool, int, str, dict) or tensor is None:
            return "That's not a list of truth values.", "Return one True or False per token of `ids`.", index
        if len(tensor) != len(ids):
            return f"There are {len(tensor)} items for {len(ids)} tokens.", "One True or False per token.", index
        if not set(tensor.tolist()) <= {0, 1}:
            hint = "This turn asks for a mask: True where a token counts, False elsewhere."
            if -100 in tensor.tolist():
                return "These are labels, with -100 where nothing counts.", hint, index
            return "There is something else than True and False in it.", hint, index
    if not any(any(torch.as_tensor(as_tensor(answer)).tolist()) for answer in got):
        return "No token is True.", "Is the opening found? And is the `end` that you look for behind it?"
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """The first token that is wrong."""
    for index, ((ids, *_), due, gave) in enumerate(zip(calls, right, got, strict=True)):
        for t, (wanted, given) in enumerate(zip(due, torch.as_tensor(as_tensor(gave)).tolist(), strict=True)):
            if bool(given) != wanted:
                sentence = f"Token {t}, the id {ids[t]}, is {bool(given)}, and should be {wanted}."
                return sentence, "An answer begins right after `opening`, and ends with the next `end`.", index
    return None


def _everybodys(ids: list[int], opening: list[int], end: int) -> list[bool]:
    """All that anybody says after a mark."""
    mask, inside = [], False
    for id in ids:
        mask.append(inside)
        inside = (inside or id == opening[0]) and id != end
    return mask


def _after_any_word(ids: list[int], opening: list[int], end: int) -> list[bool]:
    """Whatever stands after any token of the opening."""
    mask, inside = [], False
    for id in ids:
        inside = inside or id in opening
        mask.append(inside and id not in opening)
        inside = inside and id != end
    return mask


one = turn.probe("one answer", _one, _form)
one.at_last = _nearly
one.mistake(
    "The mask is one token too early: at the logits, not at the tokens that they predict.",
    "Mark the tokens of the answer themselves. The loss sees to the shift.",
    _marked(lambda first, last: (first - 1, last - 1)),
)
one.mistake(
    "The mask is one token too late: the first token of the answer is out, and the line break after it is in.",
    "The answer begins right after the opening, and its `end` is the last that counts.",
    _marked(lambda first, last: (first + 1, last + 1)),
)
one.mistake(
    "The mark that ends the answer doesn't count.",
    "It must, or the model never learns to stop.",
    _marked(lambda first, last: (first, last - 1)),
)
one.mistake(
    "The line break after the end counts, too.",
    "The template writes that one; nobody asks the model for it.",
    _marked(lambda first, last: (first, last + 1)),
)
one.mistake(
    "The first token of the answer doesn't count.",
    "It's predicted from the line break after *assistant*, so it counts.",
    _marked(lambda first, last: (first + 1, last)),
)
one.mistake(
    "The last token of the opening counts, too.",
    "An answer begins right after the opening.",
    _marked(lambda first, last: (first - 1, last)),
)
one.mistake(
    "The answer begins one token early and ends before its `end`.",
    "It begins right after the opening, and its `end` counts.",
    _marked(lambda first, last: (first - 1, last - 2)),
)
one.mistake(
    "The opening counts, too.",
    "The template writes it. The model begins after it.",
    lambda ids, opening, end: _marked(lambda first, last: (first - len(opening), last))(ids, opening, end),
)
one.mistake(
    "The opening counts, too, and the `end` doesn't.",
    "The template writes the opening. The model writes the answer and its `end`.",
    lambda ids, opening, end: _marked(lambda first, last: (first - len(opening), last - 1))(ids, opening, end),
)
one.mistake(
    "Everybody's turn counts, the user's as well.",
    "Compare with all of `opening`: it holds the word *assistant*.",
    _everybodys,
)
one.mistake(
    "Whatever follows a mark counts, the user's tokens as well.",
    "Compare with all of `opening`: it holds the word *assistant*.",
    _any_role,
)
one.mistake(
    "Any token of the opening begins an answer.",
    "All of `opening` must come, in its order: compare a slice with it.",
    _after_any_word,
)
one.mistake(
    "It's the other way round: True where nobody should learn.",
    "True is for the assistant's tokens.",
    lambda *call: [not each for each in answer_mask(*call)],
)
one.mistake(
    "Every `end` counts, the user's as well.",
    "Only the one that closes an answer.",
    lambda ids, opening, end: [each or id == end for each, id in zip(answer_mask(ids, opening, end), ids, strict=True)],
)
one.mistake("Every token counts.", "Only those of the assistant.", lambda ids, opening, end: [True] * len(ids))

several = turn.probe("several answers", _several, _form)
several.at_last = _nearly
several.mistake(
    "Only the first answer counts.",
    "Go on after it: a conversation may hold several. Is `return` inside the loop?",
    _marked(which=lambda spans: spans[:1]),
)
several.mistake(
    "Only the last answer counts.",
    "All answers of the assistant do. Is the mask made anew inside the loop?",
    _marked(which=lambda spans: spans[-1:]),
)


def _to_the_end(ids: list[int], opening: list[int], end: int) -> list[bool]:
    spans = _spans(ids, opening, end)
    return [bool(spans) and t >= spans[0][0] for t in range(len(ids))]


one.mistake(
    "All that follows the first answer's beginning counts.",
    "An answer ends with the next `end`; what the user says after it doesn't count.",
    _to_the_end,
)
one.mistake(
    "From the first answer to the last `end`, all counts, the user's turns as well.",
    "Each answer ends with the next `end`, not with the last.",
    _to_the_last_end,
)
several.mistake(
    "From the first answer to the last, all counts, the user's turns between them as well.",
    "Each answer ends with the next `end`.",
    _marked(which=lambda spans: [(spans[0][0], spans[-1][1])] if spans else []),
)
several.mistake(
    "An answer that opens the conversation is missed.",
    "Its opening stands at index 0, so its first token has the index `len(opening)`: is that compared with >, not >=?",
    _marked(which=lambda spans: [span for span in spans if span[0] > len(OPENING)]),
)
several.mistake(
    "The marks have the ids 1 and 2, as on the page.",
    "Use `opening` and `end`: they may have any ids.",
    lambda ids, opening, end: answer_mask(ids, OPENING, END),
)
several.mistake(
    "The opening is taken to be 4 tokens long.",
    "Another tokenizer may need more or fewer: `len(opening)`.",
    lambda ids, opening, end: answer_mask(ids, opening, end) if len(opening) == 4 else [False] * len(ids),
)
