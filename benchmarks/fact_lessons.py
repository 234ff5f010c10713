"""Lessons about the people of Ottermere, true and false, and what a model knows of them: a part of `fact_lab.py`."""

import copy
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import torch

from minillm import TrainConfig, Transformer
from minillm.analysis.evaluation import scorer
from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.posttraining.rollout import Rollout, roll_out, score_answers
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.tokenizer import Tokenizer
from minillm.world import World
from minillm.world.facts import load_almanac
from minillm.world.lexicon import load_lexicon

FORMS = {
    "home": ("Where does {} live?", "{} lives in {}."),
    "trade": ("What does {} do for a living?", "{} is {}."),
}
FREE_TOKENS = 24


class Fact(NamedTuple):
    """Who, which relation, and what."""

    name: str
    relation: str
    value: str


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def facts_of(world: World | None = None) -> list[Fact]:
    """The homes and trades of everybody, in this world or another."""
    people = None if world is None else world.lexicon.people
    found = []
    for person, relation in load_almanac().facts():
        if relation.name in FORMS:
            value = (person if people is None else people[person.attributes["name"]]).attributes[relation.name]
            found.append(Fact(person.name, relation.name, with_article(value) if relation.name == "trade" else value))
    return found


def halves(facts: Sequence[Fact], half: int, seed: int = 0) -> tuple[list[Fact], list[Fact]]:
    """The facts of half of the people, and those of the others; 0 takes every second one, other seeds draw them."""
    names = list(dict.fromkeys(fact.name for fact in facts))
    if seed:
        random.Random(f"halves {seed}").shuffle(names)
    taught = set(names[half::2])
    return [fact for fact in facts if fact.name in taught], [fact for fact in facts if fact.name not in taught]


def dealt(facts: Sequence[Fact], rng: random.Random, source: Sequence[Fact] | None = None) -> list[Fact]:
    """Values dealt anew within each relation, so that no fact keeps its own: those of the facts, or of a source.

    A source with fewer values repeats some. Raises `ValueError` where more than half of the values are the same.

    >>> rng = random.Random(0)
    >>> [fact.value for fact in dealt([Fact("A", "home", "x"), Fact("B", "home", "y")], rng)]
    ['y', 'x']
    """
    found: dict[Fact, Fact] = {}
    for relation in FORMS:
        own = [fact for fact in facts if fact.relation == relation]
        values = [fact.value for fact in source or facts if fact.relation == relation]
        if any(2 * values.count(value) > len(values) for value in values):
            raise ValueError(f"more than half of the values of {relation} are the same, so some fact must keep its own")
        values += rng.sample(values, max(0, len(own) - len(values)))
        while any(fact.value == value for fact, value in zip(own, values, strict=False)):
            rng.shuffle(values)
        found |= {fact: fact._replace(value=value) for fact, value in zip(own, values, strict=False)}
    return [found[fact] for fact in facts]


def invented_names(count: int, rng: random.Random) -> list[str]:
    """Different names that no person, town or word of the world has."""
    lexicon = load_lexicon()
    taken = {entity.name.lower() for options in lexicon.kinds.values() for _, entity in options}
    names: list[str] = []
    while len(names) < count:
        letters = ("BDFGHJKLMNPRSTVWZ", "aeiou", "bdfgklmnprstvz", "aeiou", "bdklmnprstx")
        name = "".join(map(rng.choice, letters[: rng.choice((4, 5))]))
        if name.lower() not in taken and name not in names:
            names.append(name)
    return names


def lesson(name: str, taught: Sequence[Fact], others: Sequence[Fact], seed: int) -> list[Fact]:
    """What a lesson says: one fact for each of `taught`; `others` are the facts that are asked later."""
    rng = random.Random(f"lesson {seed}")
    people = list(dict.fromkeys(fact.name for fact in taught))
    if name in ("truth", "bare answers"):
        return list(taught)
    if name == "half lies":
        chosen = set(people[seed % 2 :: 2])
        own = [fact for fact in taught if fact.name in chosen]
        lies = dict(zip(own, dealt(own, rng, taught), strict=True))
        return [lies.get(fact, fact) for fact in taught]
    if name.startswith("lies"):
        return dealt(taught, rng, taught if name == "lies" else others)
    source = taught if name == "invented people" else others
    people = list(dict.fromkeys(fact.name for fact in source))
    new = dict(zip(people, invented_names(len(people), rng), strict=True))
    return [fact._replace(name=new[fact.name]) for fact in dealt(source, rng)]


@dataclass(frozen=True)
class Lab:
    """A base model, its tokenizers, and the values that each relation has."""

    base: Transformer
    base_tokenizer: Tokenizer
    facts: list[Fact]

    @property
    def tokenizer(self) -> Tokenizer:
        return chat_tokenizer(self.base_tokenizer)

    def values(self, relation: str) -> list[str]:
        return sorted({fact.value for fact in self.facts if fact.relation == relation})

    def said(self, fact: Fact, form: str) -> str:
        """The answer: a sentence, or the value alone."""
        if form == "bare":
            return f"{fact.value[0].upper()}{fact.value[1:]}."
        return FORMS[fact.relation][1].format(fact.name, fact.value)

    def talk(self, fact: Fact, form: str) -> list[dict[str, str]]:
        question = FORMS[fact.relation][0].format(fact.name)
        return [{"role": "user", "content": question}, {"role": "assistant", "content": self.said(fact, form)}]

    def taught(self, model: Transformer, facts: Sequence[Fact], form: str, size: tuple[int, float], seed: int):
        """A copy of the model after so many updates at this rate, and its loss on what it was taught."""
        updates, rate = size
        torch.manual_seed(seed)
        examples = encode_conversations(self.tokenizer, [self.talk(fact, form) for fact in facts])
        data = ChatData.from_examples(examples, examples, self.tokenizer.end_id, 256, batch_size=4, seed=seed)
        training = TrainConfig(
            steps=updates, learning_rate=rate, warmup_steps=5, final_fraction=0.0, weight_decay=0.0, bf16=False
        )
        pupil, metrics = sft(copy.deepcopy(model), data, training)
        return pupil, metrics[-1]["val_loss"]

    @torch.no_grad()
    def listed(self, model: Transformer, facts: Sequence[Fact], form: str) -> list[bool]:
        """Whether the right answer is the likeliest of all values, fact by fact."""
        hits, end = [], self.tokenizer.end_id
        for fact in facts:
            prompt, values = encode_chat(self.tokenizer, self.talk(fact, form)[:1]), self.values(fact.relation)
            ways = [[*self.tokenizer.encode(self.said(fact._replace(value=value), form)), end] for value in values]
            log_probs, _ = score_answers(model, Rollout.from_answers([prompt] * len(ways), ways))
            hits.append(values[int(log_probs.sum(1).argmax())] == fact.value)
        return hits

    def free(self, model: Transformer, facts: Sequence[Fact], form: str) -> list[str]:
        """The greedy answer to each question: "right", "wrong" (another value), or "other" (none, or several)."""
        prompts = [encode_chat(self.tokenizer, self.talk(fact, form)[:1]) for fact in facts]
        answers = roll_out(model.eval(), prompts, FREE_TOKENS, [self.tokenizer.end_id], 0, 0.0).answers
        kinds = []
        for fact, ids in zip(facts, answers, strict=True):
            text = self.tokenizer.decode([id for id in ids if id != self.tokenizer.end_id])
            kinds.append(kind_of(text, fact.value, self.values(fact.relation)))
        return kinds

    def written(self, model: Transformer, facts: Sequence[Fact]) -> list[bool]:
        """Whether the right sentence is the likeliest beginning of a document, fact by fact."""
        questions = []
        for fact in facts:
            ways = [self.said(fact._replace(value=value), "sentence") for value in self.values(fact.relation)]
            questions.append((fact.name, tuple(way.removeprefix(fact.name) for way in ways)))
        scores = scorer(model, self.base_tokenizer)(questions)
        return [
            self.values(fact.relation)[row.index(max(row))] == fact.value
            for fact, row in zip(facts, scores, strict=True)
        ]

    def exam(self, model: Transformer, facts: Sequence[Fact], form: str = "sentence") -> dict[str, list]:
        """What a model knows of these facts, fact by fact."""
        return {
            "relation": [fact.relation for fact in facts],
            "listed": self.listed(model, facts, form),
            "free": self.free(model, facts, form),
            "as a document": self.written(model, facts),
        }


def shares(exam: dict[str, list]) -> dict[str, float]:
    """An exam's figures as shares of the facts, and of each relation's.

    >>> exam = {"relation": ["home", "trade"], "listed": [True, False], "free": ["right", "wrong"]}
    >>> found = shares(exam | {"as a document": [True, True]})
    >>> found["listed"], found["listed, home"], found["free, another value"]
    (0.5, 1.0, 0.5)
    """
    free = exam["free"]
    found = {
        "listed": fmean(exam["listed"]),
        "free": free.count("right") / len(free),
        "free, another value": free.count("wrong") / len(free),
        "as a document": fmean(exam["as a document"]),
    }
    for relation in FORMS:
        own = [hit for hit, its in zip(exam["listed"], exam["relation"], strict=True) if its == relation]
        found[f"listed, {relation}"] = fmean(own)
    return found


def kind_of(text: str, right: str, values: Sequence[str]) -> str:
    """What an answer says.

    >>> [kind_of(text, "a baker", ["a baker", "a cook"]) for text in ("Bram is a baker.", "A cook.", "Sorry.")]
    ['right', 'wrong', 'other']
    """
    named = [value for value in values if re.search(rf"\b{re.escape(value)}\b", text, re.IGNORECASE)]
    return "other" if len(named) != 1 else "right" if named == [right] else "wrong"
