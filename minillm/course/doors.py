"""Two doors to what a model knows of the people of Ottermere: as a document, and asked. For lesson 09 and its lab.

facts    the homes and the trades of 36 people
doors    which of them a model knows, by each door
lesson   what the lab teaches about half of the people: truth, lies, or the same of people that it invents
taught   a copy of the base model that was taught so
"""

import copy
import functools
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from minillm.analysis.evaluation import scorer
from minillm.course import chatting
from minillm.course import models as course_models
from minillm.data.chat import encode_chat
from minillm.errors import UserError
from minillm.losses import sft_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.rollout import Rollout, roll_out, score_answers
from minillm.world.facts import load_almanac
from minillm.world.lexicon import load_lexicon

ASKED = {"home": "Where does {} live?", "trade": "What does {} do for a living?"}
SAID = {"home": "{} lives in {}.", "trade": "{} is {}."}
LESSONS = ("truth", "lies", "invented people")


class Fact(NamedTuple):
    """Who, which relation, and what."""

    name: str
    relation: str
    value: str

    @property
    def question(self) -> str:
        """The question about it."""
        return ASKED[self.relation].format(self.name)

    def said(self, value: str | None = None) -> str:
        """The sentence that says it, or another value.

        >>> Fact("Mira", "home", "Pellin").said()
        'Mira lives in Pellin.'
        """
        return SAID[self.relation].format(self.name, value or self.value)


@functools.cache
def facts() -> tuple[Fact, ...]:
    """The home and the trade of everybody who has one, as the documents tell them.

    >>> len(facts()), facts()[0].said()
    (68, 'Mira is a baker.')
    """
    found = []
    for person, relation in load_almanac().facts():
        if relation.name in ASKED:
            value = person.attributes[relation.name]
            article = "" if relation.name == "home" else "an " if value[0] in "aeiou" else "a "
            found.append(Fact(person.name, relation.name, article + value))
    return tuple(found)


@functools.cache
def values(relation: str) -> tuple[str, ...]:
    """All homes, or all trades, that anybody has."""
    return tuple(sorted({fact.value for fact in facts() if fact.relation == relation}))


def guessing() -> float:
    """The share that guessing gets, one of all homes or of all trades."""
    return sum(1 / len(values(fact.relation)) for fact in facts()) / len(facts())


@torch.no_grad()
def doors(
    model: Transformer, about: Sequence[Fact] | None = None, wording: Mapping[str, str] = ASKED
) -> dict[str, list[bool]]:
    """Which facts a model knows, fact by fact, by three measures; `wording` has a question per relation.

    "document": the true sentence is the likeliest beginning of a document, of all homes or trades. "asked, ranked": it
    is the likeliest answer in the template. "asked, free": the greedy answer names the true value and no other.
    """
    about = facts() if about is None else about
    tokenizer = chatting.models()[2]
    end, base_tokenizer = tokenizer.end_id, course_models.base()[1]
    asked = [wording[fact.relation].format(fact.name) for fact in about]
    prompts = [encode_chat(tokenizer, [{"role": "user", "content": each}]) for each in asked]
    written, ranked = [], []
    questions = [
        (fact.name, tuple(fact.said(value).removeprefix(fact.name) for value in values(fact.relation)))
        for fact in about
    ]
    for fact, row in zip(about, scorer(model, base_tokenizer)(questions), strict=True):
        written.append(values(fact.relation)[row.index(max(row))] == fact.value)
    for fact, prompt in zip(about, prompts, strict=True):
        ways = [[*tokenizer.encode(fact.said(value)), end] for value in values(fact.relation)]
        log_probs, _ = score_answers(model, Rollout.from_answers([prompt] * len(ways), ways))
        ranked.append(values(fact.relation)[int(log_probs.sum(1).argmax())] == fact.value)
    said = [tokenizer.decode(ids).lower() for ids in roll_out(model.eval(), prompts, 24, [end], 0, 0.0).answers]
    named = [
        [value for value in values(fact.relation) if value.lower() in text]
        for fact, text in zip(about, said, strict=True)
    ]
    free = [names == [fact.value] for names, fact in zip(named, about, strict=True)]
    return {"document": written, "asked, ranked": ranked, "asked, free": free}


def halves(half: int = 0) -> tuple[list[Fact], list[Fact]]:
    """The facts of every second person, and those of the others.

    >>> [len(part) for part in halves()]
    [34, 34]
    """
    names = list(dict.fromkeys(fact.name for fact in facts()))
    chosen = set(names[half::2])
    return [fact for fact in facts() if fact.name in chosen], [fact for fact in facts() if fact.name not in chosen]


def lesson(kind: str, half: int = 0, seed: int = 0) -> list[Fact]:
    """What the lab teaches: the truth about one half, the same homes and trades dealt anew, or these of new names.

    Raises `UserError` for another kind.

    >>> {fact.name for fact in lesson("invented people")} & {fact.name for fact in facts()}
    set()
    """
    if kind not in LESSONS:
        raise UserError(f"there is no lesson {kind!r}; there are {', '.join(LESSONS)}")
    rng, (own, _) = random.Random(f"{kind} {seed}"), halves(half)
    if kind == "truth":
        return own
    dealt: list[Fact] = []
    for relation in ASKED:
        some = [fact for fact in own if fact.relation == relation]
        new = [fact.value for fact in some]
        while any(fact.value == value for fact, value in zip(some, new, strict=True)):
            rng.shuffle(new)
        dealt += [fact._replace(value=value) for fact, value in zip(some, new, strict=True)]
    if kind == "lies":
        return dealt
    names = dict(zip(dict.fromkeys(fact.name for fact in own), _invented(18, rng), strict=True))
    return [fact._replace(name=names[fact.name]) for fact in dealt]


def _invented(count: int, rng: random.Random) -> list[str]:
    """Names that nobody and nothing in Ottermere has."""
    taken = {entity.name for options in load_lexicon().kinds.values() for _, entity in options}
    names: list[str] = []
    while len(names) < count:
        name = "".join(map(rng.choice, ("BDFGHJKLMNPRSTVWZ", "aeiou", "bdfgklmnprstvz", "aeiou", "bdklmnprst")))
        if name not in {*taken, *names}:
            names.append(name)
    return names


def taught(kind: str, updates: int = 40, rate: float = 2e-3, half: int = 0, seed: int = 0) -> Transformer:
    """A copy of the base model after so many updates of AdamW on a lesson, eight questions and answers at a time."""
    torch.manual_seed(seed)
    told, rng = lesson(kind, half, seed), random.Random(seed)
    talks = [
        [{"role": "user", "content": fact.question}, {"role": "assistant", "content": fact.said()}] for fact in told
    ]
    model = copy.deepcopy(chatting.models()[0]).train()
    rows = [chatting.Rows.of([talk]) for talk in talks]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    for update in range(updates):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (update + 1) / 5) * (1 - update / updates)
        drawn = rng.sample(range(len(rows)), 8)
        ids, mask = (torch.cat([getattr(rows[row], name)[:, :64] for row in drawn]) for name in ("ids", "mask"))
        optimizer.zero_grad()
        sft_loss(model, ids, mask).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()
