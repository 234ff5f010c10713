"""09.2: which messages of a chat to keep where not all fit into a row."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from minillm.course.checks.asking import Call
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
    return calls


def _too_small(rng: random.Random) -> list[Call]:
    """No room for the last exchange, or just for all but one token of it."""
    calls = []
    for turns, system in ((2, True), (4, False), (5, True), (6, True)):
        messages = _chat(rng, turns, system)
        needed = sum(tokens for _, tokens in messages[-1 - (turns % 2 == 0) :]) + system * messages[0][1]
        calls.append((messages, needed - rng.choice([1, 1, 2])))
    return calls


def _says(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How many tokens an answer holds, where it holds too many or could hold more."""
    for (messages, room), wanted, answer in zip(calls, right, got, strict=True):
        answer = answer.tolist() if type(answer) is torch.Tensor else answer
        whole = type(answer) in (list, tuple) and all(type(number) is int for number in answer)
        if not whole or not set(answer) <= set(range(len(messages))):
            return "The result is no list of places.", "Return the numbers of the messages that stay, from 0, in order."
        tokens = sum(messages[place][1] for place in answer)
        if list(answer) != wanted and tokens > room:
            return f"What is kept has {tokens} tokens, and there is room for {room}.", "Add up the tokens of all kept."
        if 0 not in answer and [0, *answer] == wanted and messages[0][0] == "system":
            return "The number of the system's message is missing; the others are right.", "It stays: put 0 in front."
    return None


question = Question("09.2", "A chat too long for its row", fit)

turns = question.probe("questions and answers", lambda rng: _calls(rng, system=False), _says)
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


system_message = question.probe("a message of the system", lambda rng: _calls(rng, system=True), _says)
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

too_short = question.probe("not even the last question fits", _too_small, _says)
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
