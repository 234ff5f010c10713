"""What a reader of Ottermere should have learnt, as questions with one right answer.

    analogies   a king goes with a queen: who goes with whom, also where no document says so
    homonyms    a bank with coins or a bank with reeds: what was said before, or after, decides
    reversals   the dog bit Mira, Mira bit the dog: the same words, and another one limps
    facts       where Mira lives, among all the places there are; told often or seldom
    tracking    who has the key now, after it went from hand to hand
    sums        7 + 5 =

Each comes in two splits. The questions of "held-out" are about combinations that no document of the training split
holds (see `holdout`): their beginnings have probability zero there, and a test asks the world's own reader.

>>> probe = make("sums", "held-out", count=1).probes[0]
>>> probe.prefix.rpartition(". ")[2], probe.ways[probe.answer]
('17 + 6 =', ' 23.')
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from minillm.errors import UserError
from minillm.world.facts import Relation, load_almanac, probability_of_telling, wordings
from minillm.world.holdout import Split, check_split, in_split, is_held_out
from minillm.world.lexicon import TEXT, Entity, Lexicon, load_lexicon
from minillm.world.probes import Experiment, Probe
from minillm.world.scene import Scene
from minillm.world.story import SKIP
from minillm.world.telling import Refused, said, tell
from minillm.world.wording import Form, Slot
from minillm.world.world import World

PEOPLE = ("hero", "friend", "third", "fourth")
HANDED = ("carries", "hands_on", "hands_further", "hands_last")
FIGURES = range(2, 41)  # every result that a sum of Ottermere can have
NEAREST = 10  # results to choose from, the right one among them


def facts(split: Split = "training", folder: Path = TEXT) -> Experiment:
    """One question for every fact that is told: the beginning of a document about its subject, up to what is asked.

    The ways to go on are all values that the relation has in Ottermere. In the held-out split the wording is one that
    is never used of this subject. `amount` is the probability that a facts document tells the fact.
    """
    almanac = load_almanac(folder)
    told = [fact for fact in almanac.facts() if fact not in almanac.inferred]
    return _experiment("facts", split, (_fact(*fact, split, folder) for fact in told))


def analogies(split: Split = "training", folder: Path = TEXT) -> Experiment:
    """What goes with a king? One question for every word of a couple; the ways to go on are all words of couples.

    Of the held-out couples no document says who goes with whom, but whatever else is told of one is told of the
    other; a good reader can work it out.
    """
    almanac = load_almanac(folder)
    asked = [fact for fact in almanac.facts() if fact[1].inferred and in_split(fact in almanac.inferred, split)]
    # Of a couple that is never told, every wording is as new.
    wording: dict[bool, Split] = {True: "both", False: "training"}
    return _experiment("analogies", split, (_fact(*fact, wording[fact in almanac.inferred], folder) for fact in asked))


def quadruples(split: Split = "training", folder: Path = TEXT) -> tuple[tuple[str, str, str, str], ...]:
    """(a, b, c, d) such that a is to b as c is to d, for tables of vectors; (a, c) and (b, d) are couples.

    In "held-out" at least one of the two is a couple that no document joins.

    >>> ("man", "king", "woman", "queen") in quadruples()
    True
    """
    almanac = load_almanac(folder)
    couples = [
        (subject.name, subject.attributes[relation.name], (subject, relation) in almanac.inferred)
        for subject, relation in almanac.facts()
        if relation.inferred
    ][::2]  # he before she, in the order of the file
    pairs = itertools.permutations(couples, 2)
    chosen = [pair for pair in pairs if in_split(any(held_out for _, _, held_out in pair), split)]
    return tuple((a, b, c, d) for (a, c, _), (b, d, _) in chosen)


def homonyms(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """A word with two meanings, and a sentence that fits one of them; the ways to go on are one for each meaning.

    In the group "before" the meaning was shown before the word came; in "after" only what is said after the word tells.
    """
    world = World(seed, folder, split)
    senses = [sense for _, sense in world.lexicon.kinds["sense"]]

    def probes(source: random.Random, number: int) -> list[Probe]:
        sense, shown = senses[number % len(senses)], number // len(senses) % 2 == 0
        wishes = {
            "event double.1": lambda event: (event is SKIP) is not shown,
            "cast sense": lambda drawn: drawn is sense,
        }
        story = tell(world, source, "story", "double", wishes)
        asked = next(sentence for sentence in story if sentence.event == ("talk" if shown else "meaning"))
        if not _of_split(split, asked.before, "hero", "sense"):
            return []
        meanings = [other for other in senses if other.attributes["word"] == sense.attributes["word"]]
        ways = [said(asked.form, _recast(asked.before, sense=other)) for other in meanings]
        prefix, ways = _split_up(asked.text_before, ways)
        return [Probe(prefix, ways, meanings.index(sense), "before" if shown else "after")]

    return _experiment("homonyms", split, _collect(probes, "homonyms", split, seed, count))


def reversals(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """Who bit or pushed whom, and what follows: each story is told both ways about, so a bag of words gets a half."""
    world = World(seed, folder, split)
    turns = {
        "bite": ("event bite.2", ("animal_bites", "hero_bites")),
        "push": ("event push.1", ("hero_pushes", "friend_pushes")),
    }

    def probes(source: random.Random, number: int) -> list[Probe]:
        plan = ("bite", "push")[number // 2 % 2]
        choice, events = turns[plan]
        mark, following = source.random(), []
        for event in events:  # the same random numbers: the same story, the other way about
            wish = {choice: lambda option, event=event: option.name == event}
            story = tell(world, random.Random(mark), "story", plan, wish)
            following.append(story[[sentence.event for sentence in story].index(event) + 1])
        one, other = following
        if one.said == other.said or not _of_split(split, one.before, "hero", "animal" if plan == "bite" else "friend"):
            return []
        asked = [_split_up(sentence.text_before, [one.said, other.said]) for sentence in following]
        return [Probe(*question, answer, plan) for answer, question in enumerate(asked)]

    return _experiment("reversals", split, _collect(probes, "reversals", split, seed, count))


def tracking(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """Who has the thing at the end of a chain of gifts? The ways to go on are all people of the story.

    `amount` is the number of sentences since it changed hands, the group the number of hands it went through.
    """
    world = World(seed, folder, split)

    def probes(source: random.Random, number: int) -> list[Probe]:
        story = tell(world, source, "story", "relay", {})
        asked, events = story[-1], [sentence.event for sentence in story]
        if not _of_split(split, asked.before, "friend", "third"):
            return []
        owner = asked.event.removesuffix("_has")
        people = [role for role in PEOPLE if role in asked.before.cast]
        forms = [Form(tuple(_renamed(piece, owner, role) for piece in asked.form.pieces)) for role in people]
        prefix, ways = _split_up(asked.text_before, [said(form, asked.before) for form in forms])
        handed = [event for event in events if event in HANDED]
        since = len(events) - 1 - events.index(handed[-1])
        return [Probe(prefix, ways, people.index(owner), f"{len(handed)} hands", float(since))]

    return _experiment("tracking", split, _collect(probes, "tracking", split, seed, count))


def sums(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """The result of a sum or a difference, among the ten nearest numbers; `amount` is the result."""
    world = World(seed, folder, split)
    plans = {"more": ("adds", "sum", "total"), "fewer": ("subtracts", "difference", "second")}

    def probes(source: random.Random, number: int) -> list[Probe]:
        plan = ("more", "fewer")[number % 2]
        event, role, result = plans[plan]
        asked = next(sentence for sentence in tell(world, source, "sums", plan, {}) if sentence.event == event)
        numbers = asked.before.cast[role].attributes
        if not in_split(numbers["held_out"] == "yes", split):
            return []
        right = int(numbers[result])
        near = sorted(sorted(FIGURES, key=lambda figure: abs(figure - right))[:NEAREST])
        prefix = asked.text_before + asked.said.partition(" = ")[0] + " ="
        ways = tuple(f" {figure}." for figure in near)
        return [Probe(prefix, ways, near.index(right), role, float(right))]

    return _experiment("sums", split, _collect(probes, "sums", split, seed, count))


EXPERIMENTS: dict[str, Callable[..., Experiment]] = {
    made.__name__: made for made in (facts, analogies, homonyms, reversals, tracking, sums)
}


def make(name: str, split: Split = "training", seed: int = 0, count: int = 200) -> Experiment:
    """The experiment of this name; facts and analogies have as many questions as there are, whatever `count` says."""
    if name not in EXPERIMENTS:
        raise UserError(f"there is no experiment {name!r}; use one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name](split) if name in ("facts", "analogies") else EXPERIMENTS[name](split, seed, count)


def _experiment(name: str, split: Split, probes: Iterator[Probe | None]) -> Experiment:
    check_split(split)
    return Experiment(name, split, tuple(probe for probe in probes if probe is not None))


def _collect(probes: Callable, name: str, split: Split, seed: int, count: int) -> Iterator[Probe]:
    """As many different questions as were asked for; a story that does not fit is told anew."""
    seen: set[tuple[str, ...]] = set()
    for attempt in itertools.count():
        try:
            found = probes(random.Random(f"{name}, {split}, seed {seed}, attempt {attempt}"), len(seen))
        except Refused:
            continue
        for probe in found:
            if len(seen) == count:
                return
            if (probe.prefix, *probe.ways) not in seen:
                seen.add((probe.prefix, *probe.ways))
                yield probe


def _of_split(split: Split, scene: Scene, first: str, second: str) -> bool:
    ranks = scene.lexicon.ranks
    return in_split(is_held_out(ranks[scene.cast[first]], ranks[scene.cast[second]]), split)


def _recast(scene: Scene, **roles: Entity) -> Scene:
    scene = scene.copy()
    scene.cast |= roles
    return scene


def _renamed(piece: str | Slot, role: str, other: str) -> str | Slot:
    return Slot(other, piece.path) if isinstance(piece, Slot) and piece.role == role else piece


def _fact(subject: Entity, relation: Relation, split: Split, folder: Path) -> Probe | None:
    """The question in its commonest fitting wording; None where no wording of this split names the subject first."""
    almanac, lexicon = load_almanac(folder), load_lexicon(folder)
    forms = wordings(relation, lexicon.ranks[subject], split)
    if split == "held-out" and len(forms) == len(relation.forms):
        return None  # of this fact no wording is held out
    values = dict.fromkeys(other.attributes[relation.name] for other, what in almanac.facts() if what is relation)
    ways = [value for value in values if value != subject.name]  # nobody is his own neighbour, wife or couple
    for _, form in forms:
        supposed = [said(form, _supposing(subject, relation, value, lexicon)) for value in ways]
        prefix, rests = _split_up("", supposed)
        if subject.name in prefix:
            answer = ways.index(subject.attributes[relation.name])
            return Probe(
                prefix, rests, answer, relation.name, float(probability_of_telling(almanac, subject, relation))
            )
    return None


def _supposing(subject: Entity, relation: Relation, value: str, lexicon: Lexicon) -> Scene:
    """The first line of a document about somebody, were this the truth."""
    other = Entity(subject.kind, subject.name, subject.noun, {**subject.attributes, relation.name: value})
    return Scene(lexicon, "facts", cast={"X": other})


def _split_up(prefix: str, sentences: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Move what all ways of going on share to their beginning, up to the last whole word."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*sentences, strict=False))
    shared = "".join(letters[0] for letters in alike)
    shared = shared[: max(shared.rfind(" "), 0)]
    return prefix + shared, tuple(sentence[len(shared) :] for sentence in sentences)
