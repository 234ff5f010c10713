"""09.2: which messages of a chat to keep where not all fit into a row."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import show
from minillm.course.checks.question import Question

Chat = list[tuple[str, int]]  # who speaks, and how many tokens it takes


def fit(messages: Chat, room: int) -> list[int]:
    """The right answer, by trying every place to begin at, the earliest first.

    >>> fit([("system", 5), ("user", 10), ("assistant", 20), ("user", 8), ("assistant", 12)], room=30)
    [0, 3, 4]
    """
    return _kept(messages, room)


def _kept(
    messages: Chat,
    room: int,
    starts: Callable[[str], bool] = lambda role: role == "user",
    keep_system: bool = True,
    count_system: bool = True,
    if_none: Callable[[list[int], list[int]], list[int]] = lambda system, last: [],
) -> list[int]:
    """What is kept, with one thing done differently."""
    system = [0] if messages[0][0] == "system" and keep_system else []
    taken = sum(messages[place][1] for place in system) if count_system else 0
    begins = [place for place, (role, _) in enumerate(messages) if starts(role)]
    for begin in begins:
        if taken + sum(tokens for _, tokens in messages[begin:]) <= room:
            return [*system, *range(begin, len(messages))]
    return if_none(system, _last_exchange(messages))


def _last_exchange(messages: Chat) -> list[int]:
    return list(range(max(place for place, (role, _) in enumerate(messages) if role == "user"), len(messages)))


def _chat(rng: random.Random, turns: int, system: bool = False) -> Chat:
    roles = [*["system"] * system, *["user", "assistant"] * turns][: turns + system]
    return [(role, rng.randint(3, 30)) for role in roles]


def _room(rng: random.Random, messages: Chat, least: int) -> int:
    """Room for the system's message and the last so many, exactly, or all but enough for one more."""
    system = messages[0][1] if messages[0][0] == "system" else 0
    rest = [tokens for role, tokens in messages if role != "system"]
    next_one = rest[-least - 1] if least < len(rest) else 5
    return system + sum(rest[-least:]) + rng.choice([0, 0, next_one - 1])


def _calls(rng: random.Random, system: bool) -> list[Call]:
    calls = []
    for turns, least in ((4, 3), (5, 3), (6, 5), (7, 4), (8, 2), (4, 4), (7, 5), (9, 6), (8, 6), (9, 3), (6, 4)):
        messages = _chat(rng, turns, system)
        calls.append((messages, _room(rng, messages, least)))
    messages = _chat(rng, 5, system)
    total = sum(tokens for _, tokens in messages)
    calls += [(messages, total), (messages, total + 50), (_chat(rng, 1, system), 100), (_chat(rng, 2, system), 100)]
    equal = [(role, 10) for role, _ in _chat(rng, 6, system)]
    return [
        *calls,
        (equal, 35 + 10 * system),
        ([(role, 1000 * tokens) for role, tokens in messages], 1000 * total - 999),
    ]


LONG = (
    *["a chat that is too long"] * 11,
    "a chat that just fits",
    "room to spare",
    "a question only",
    "a question and its answer",
    "messages of one size",
    "messages of thousands of tokens",
)
SHORT = *["no room for the last question with its answer"] * 4, "no room at all", "room for the question alone"


def _too_small(rng: random.Random) -> list[Call]:
    """No room for the last exchange, or just for all but one token of it."""
    calls = []
    for turns, system in ((2, True), (4, False), (5, True), (6, True)):
        messages = _chat(rng, turns, system)
        needed = sum(tokens for _, tokens in messages[-1 - (turns % 2 == 0) :]) + system * messages[0][1]
        calls.append((messages, needed - rng.choice([1, 1, 2])))
    alone = [("system", 5), ("user", 10), ("assistant", 5), ("user", 4), ("assistant", 30)]
    return [*calls, (_chat(rng, 3), 0), (alone, 12)]


def _exchanges(messages: Chat) -> tuple[list[int], list[list[int]]]:
    """The system's message, and the places of each question with its answer."""
    system = [0] if messages[0][0] == "system" else []
    begins = [place for place, (role, _) in enumerate(messages) if role == "user"]
    return system, [list(range(*ends)) for ends in zip(begins, [*begins[1:], len(messages)], strict=True)]


def _each_that_fits(messages: Chat, room: int, newest_first: bool = True, whole: bool = True) -> list[int]:
    """What stays if each exchange, or each message, is taken where it still has room."""
    system, exchanges = _exchanges(messages)
    parts = exchanges if whole else [[place] for exchange in exchanges for place in exchange]
    left, kept = room - sum(messages[place][1] for place in system), []
    for part in reversed(parts) if newest_first else parts:
        size = sum(messages[place][1] for place in part)
        if size <= left:
            left, kept = left - size, [*kept, *part]
    return sorted([*system, *kept]) if kept else []


def _first_as_system(messages: Chat, room: int) -> list[int]:
    """What stays if the first message counts as the system's, whoever speaks."""
    for begin in range(1, len(messages)):
        if messages[begin][0] == "user" and sum(tokens for _, tokens in [messages[0], *messages[begin:]]) <= room:
            return [0, *range(begin, len(messages))]
    return []


OTHER_WAYS: dict[str, tuple[str, Callable[[Chat, int], list[int]]]] = {
    "The first message always stays, as if it were the system's.": (
        "It stays only if its role is `system`; otherwise it is the oldest of the talk, and goes first.",
        _first_as_system,
    ),
    "An exchange that has no room is skipped, and older ones are still taken: that leaves a gap.": (
        "Stop at the first exchange, from the end, that has no room.",
        _each_that_fits,
    ),
    "A message that has no room is skipped, and older ones are still taken: that leaves a gap.": (
        "Stop at the first one, from the end, that has no room, and begin with a user's message.",
        partial(_each_that_fits, whole=False),
    ),
    "The oldest exchanges are kept, not the newest.": (
        "The oldest go. Begin to count from the end.",
        partial(_each_that_fits, newest_first=False),
    ),
    "Behind the system's message the numbers are one too small: the others are counted from 0 again.": (
        "Give the numbers that the messages have in the whole chat.",
        lambda messages, room: [max(0, place - (messages[0][0] == "system")) for place in _kept(messages, room)],
    ),
    "One token less than the room is used.": (
        "What just fills the room fits: `<=`.",
        lambda messages, room: _kept(messages, room - 1),
    ),
    "One token more than the room is used.": (
        "What is kept has at most `room` tokens.",
        lambda messages, room: _kept(messages, room + 1),
    ),
}


def _says(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Another way to choose; else which rule an answer breaks: the room, the order, a gap, the first, or more."""
    for sentence, (hint, way) in OTHER_WAYS.items():
        if [way(*call) for call in calls] == [list(answer) if type(answer) is tuple else answer for answer in got]:
            return sentence, hint
    for (messages, room), wanted, answer in zip(calls, right, got, strict=True):
        answer = answer.tolist() if type(answer) is torch.Tensor else answer
        whole = type(answer) in (list, tuple) and all(type(number) is int for number in answer)
        if not whole or not set(answer) <= set(range(len(messages))):
            return "The result is no list of places.", "Return the numbers of the messages that stay, from 0, in order."
        if list(answer) == wanted:
            continue
        if sorted(answer) == wanted:
            return "The numbers are right, but not in order.", "Return them from the smallest to the largest."
        tokens = sum(messages[place][1] for place in answer)
        if tokens > room:
            return f"What is kept has {tokens} tokens, and there is room for {room}.", "Add up the tokens of all kept."
        system = messages[0][0] == "system"
        if system and 0 not in answer and [0, *answer] == wanted:
            return "The number of the system's message is missing; the others are right.", "It stays: put 0 in front."
        rest = [place for place in answer if place or not system]
        if not rest:
            return f"Nothing of the talk is kept, and {show(wanted)} has room.", _FIRST
        if rest != list(range(rest[0], rest[-1] + 1)):
            return f"{show(list(answer))} has a gap: what stays must be side by side.", _FIRST
        if rest[-1] < len(messages) - 1:
            return f"Message {len(messages) - 1}, the last one, is not in the list; it is the oldest that go.", _FIRST
        if messages[rest[0]][0] != "user":
            return f"What stays begins with message {rest[0]}, an answer without its question.", _FIRST
        more = [place for place in wanted if place not in answer]
        if more:
            return f"The messages {show(more)} have room, too: {room - tokens} tokens are free.", _FIRST
    return None


_FIRST = "What stays is given by the place at which it begins: a user's, the earliest from which everything fits."

question = Question("09.2", "A chat too long for its row", fit)

turns = question.probe("questions and answers", lambda rng: _calls(rng, system=False), _says, kinds=LONG)
turns.mistake(
    "What is left begins with an answer whose question is gone.",
    "The kept part must begin with a user's message. If it does not, drop that answer, too.",
    partial(_kept, starts=lambda role: True),
)


@turns.mistake(
    "The beginning is kept, and the end is cut off.", "The latest messages count most: what is dropped are the oldest."
)
def _from_the_front(messages, room):
    ends = [end for end in range(len(messages), 0, -1) if sum(tokens for _, tokens in messages[:end]) <= room]
    return list(range(ends[0])) if ends else []


turns.mistake(
    "It stops one token early: what fills the row exactly would fit.",
    "As many tokens as there is room for are allowed: `<=`.",
    lambda messages, room: fit(messages, room - 1),
)


@turns.mistake(
    "A long message is left out of the middle.",
    "Once a message does not fit, all that is older goes, too. An answer needs its question.",
)
def _with_gaps(messages, room):
    kept = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[place][1] for place in kept)
    for place in range(len(messages) - 1, len(kept) - 1, -1):
        if messages[place][1] <= left:
            left -= messages[place][1]
            kept.append(place)
    return sorted(kept)


@turns.mistake(
    "Only the last question stays, though earlier ones would fit.", "Go on to the left as long as there is room."
)
def _last_question_only(messages, room):
    last = _last_exchange(messages)
    return [place for place in fit(messages, room) if messages[place][0] == "system" or place in last]


turns.mistake(
    "What stays is numbered anew from 0.",
    "Give the numbers that the messages have in the whole chat.",
    lambda messages, room: list(range(len(fit(messages, room)))),
)
turns.mistake(
    "The messages are counted from 1.",
    "The first message has the number 0.",
    lambda messages, room: [place + 1 for place in fit(messages, room)],
)


@turns.mistake(
    "It goes through the chat in steps of two from its end, as if the last message were always an answer.",
    "The last message may be a question. Ask for the role of the first that stays.",
)
def _pairs(messages, room):
    first = int(messages[0][0] == "system")
    room -= first * messages[0][1]
    begins = [at for at in range(len(messages) - 2, first - 1, -2) if sum(n for _, n in messages[at:]) <= room]
    return [*range(first), *range(begins[-1], len(messages))] if begins else []


system_message = question.probe("a message of the system", lambda rng: _calls(rng, system=True), _says, kinds=LONG)
system_message.mistake(
    "The system's message is dropped as the oldest.",
    "It says how to answer, and holds for all that follows: place 0 stays if it is the system's.",
    partial(_kept, starts=lambda role: role != "assistant", keep_system=False),
)
system_message.mistake(
    "The system's tokens are not counted.",
    "It takes room, too. Subtract its tokens first.",
    partial(_kept, count_system=False),
)

too_short = question.probe("not even the last question fits", _too_small, _says, kinds=SHORT)
too_short.mistake(
    "The last question is kept although it does not fit.",
    "Then nothing is left of this chat: return an empty list, and the caller leaves it out.",
    partial(_kept, if_none=lambda system, last: [*system, *last]),
)
too_short.mistake(
    "The system's message is left alone.",
    "Without a question there is nothing to answer. Return an empty list.",
    partial(_kept, if_none=lambda system, last: system),
)


@too_short.mistake(
    "The question alone is kept, without its answer.",
    "The last question needs room together with its answer. If it has none, return an empty list.",
)
def _question_alone(messages, room):
    last = _last_exchange(messages)[0]
    first = [0] if messages[0][0] == "system" else []
    kept = fit(messages, room)
    return kept if kept or sum(messages[at][1] for at in [*first, last]) > room else [*first, last]
