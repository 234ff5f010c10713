"""Six experiments: what a model should learn from the world, as questions with one right answer.

    analogies   a king goes with a queen: which words form a couple, even where no document says so
    homonyms    a bank with coins or a bank with reeds: the text before or after the word decides
    reversals   the dog bit Mira, Mira bit the dog: the same words, but somebody else limps
    facts       where Mira lives, out of all places in the world; told often or rarely
    tracking    who has the key after it changed hands several times
    sums        7 + 5 =

Each has two splits. The "held-out" questions are about combinations that no training document contains (see
`holdout`): their right answers have probability zero there, which a test verifies with the parser.

>>> probe = make("sums", "held-out", count=1).probes[0]
>>> probe.prefix.rpartition(". ")[2], probe.choices[probe.answer]
('17 + 20 =', ' 37.')
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
from minillm.world.telling import Unsatisfiable, said, tell
from minillm.world.wording import Form, Slot
from minillm.world.world import World

PEOPLE = ("hero", "friend", "third", "fourth")
HANDED = ("carries", "hands_on", "hands_further", "hands_last")
FIGURES = range(2, 41)  # every result that a sum of Ottermere can have
NEAREST = 10  # number of results to choose from, including the right one


def facts(split: Split = "training", folder: Path = TEXT) -> Experiment:
    """Ask for every fact that is told, with the start of a document about its subject as the prefix.

    The choices are all values that the relation takes in the world. In the held-out split, the wording is one that is
    never used for this subject in training. `amount` is the probability that a facts document tells the fact.
    """
    almanac = load_almanac(folder)
    told = [fact for fact in almanac.facts() if fact not in almanac.inferred]
    return _experiment("facts", split, (_fact(*fact, split, folder) for fact in told))


def analogies(split: Split = "training", folder: Path = TEXT) -> Experiment:
    """Ask which word goes with each word of a couple ("king"); the choices are all words of couples.

    For the held-out couples, no document pairs the two words. Everything else that is told about one is told about
    the other, so a good model can infer the pair.
    """
    almanac = load_almanac(folder)
    asked = [fact for fact in almanac.facts() if fact[1].inferred and in_split(fact in almanac.inferred, split)]
    # For a couple that is never told, every wording is equally new.
    wording: dict[bool, Split] = {True: "both", False: "training"}
    return _experiment("analogies", split, (_fact(*fact, wording[fact in almanac.inferred], folder) for fact in asked))


def quadruples(split: Split = "training", folder: Path = TEXT) -> tuple[tuple[str, str, str, str], ...]:
    """List analogies (a, b, c, d), "a is to b as c is to d", where (a, c) and (b, d) are couples.

    They test word vectors. In the held-out split, at least one of the two couples is never paired in a document.

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
    """Ask which of two sentences fits a word with two meanings; there is one choice per meaning.

    In the group "before", the text before the word shows the meaning; in "after", only the text after it does.
    """
    world = World(seed, folder, split)
    senses = [sense for _, sense in world.lexicon.kinds["sense"]]

    def probes(rng: random.Random, number: int) -> list[Probe]:
        sense, shown = senses[number % len(senses)], number // len(senses) % 2 == 0
        constraints = {
            "event double.1": lambda event: (event is SKIP) is not shown,
            "cast sense": lambda drawn: drawn is sense,
        }
        story = tell(world, rng, "story", "double", constraints)
        asked = next(sentence for sentence in story if sentence.event == ("talk" if shown else "meaning"))
        if not _of_split(split, asked.before, "hero", "sense"):
            return []
        meanings = [other for other in senses if other.attributes["word"] == sense.attributes["word"]]
        choices = [said(asked.form, _recast(asked.before, sense=other)) for other in meanings]
        prefix, choices = _split_up(asked.text_before, choices)
        return [Probe(prefix, choices, meanings.index(sense), "before" if shown else "after")]

    return _experiment("homonyms", split, _collect(probes, "homonyms", split, seed, count))


def reversals(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """Ask what follows after X bit Y or Y bit X; a bag-of-words model scores 0.5, as every story has both orders."""
    world = World(seed, folder, split)
    turns = {
        "bite": ("event bite.2", ("animal_bites", "hero_bites")),
        "push": ("event push.1", ("hero_pushes", "friend_pushes")),
    }

    def probes(rng: random.Random, number: int) -> list[Probe]:
        plan = ("bite", "push")[number // 2 % 2]
        choice, events = turns[plan]
        seed, following = rng.random(), []
        for event in events:  # the same random numbers give the same story with the roles swapped
            constraint = {choice: lambda option, event=event: option.name == event}
            story = tell(world, random.Random(seed), "story", plan, constraint)
            following.append(story[[sentence.event for sentence in story].index(event) + 1])
        first, second = following
        rival = "animal" if plan == "bite" else "friend"
        if first.said == second.said or not _of_split(split, first.before, "hero", rival):
            return []
        asked = [_split_up(sentence.text_before, [first.said, second.said]) for sentence in following]
        return [Probe(*question, answer, plan) for answer, question in enumerate(asked)]

    return _experiment("reversals", split, _collect(probes, "reversals", split, seed, count))


def tracking(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """Ask who has the thing after a chain of gifts; the choices are all people in the story.

    The group is the number of hands it went through, `amount` the number of sentences since it last changed hands.
    """
    world = World(seed, folder, split)

    def probes(rng: random.Random, number: int) -> list[Probe]:
        story = tell(world, rng, "story", "relay", {})
        asked, events = story[-1], [sentence.event for sentence in story]
        if not _of_split(split, asked.before, "friend", "third"):
            return []
        owner = asked.event.removesuffix("_has")
        people = [role for role in PEOPLE if role in asked.before.cast]
        forms = [Form(tuple(_renamed(piece, owner, role) for piece in asked.form.pieces)) for role in people]
        prefix, choices = _split_up(asked.text_before, [said(form, asked.before) for form in forms])
        handed = [event for event in events if event in HANDED]
        since = len(events) - 1 - events.index(handed[-1])
        return [Probe(prefix, choices, people.index(owner), f"{len(handed)} hands", float(since))]

    return _experiment("tracking", split, _collect(probes, "tracking", split, seed, count))


def sums(split: Split = "training", seed: int = 0, count: int = 200, folder: Path = TEXT) -> Experiment:
    """Ask for the result of a sum or difference out of the ten nearest numbers; `amount` is the result."""
    world = World(seed, folder, split)
    plans = {"more": ("adds", "sum", "total"), "fewer": ("subtracts", "difference", "second")}

    def probes(rng: random.Random, number: int) -> list[Probe]:
        plan = ("more", "fewer")[number % 2]
        event, role, result = plans[plan]
        asked = next(sentence for sentence in tell(world, rng, "sums", plan, {}) if sentence.event == event)
        numbers = asked.before.cast[role].attributes
        if not in_split(numbers["held_out"] == "yes", split):
            return []
        right = int(numbers[result])
        near = sorted(sorted(FIGURES, key=lambda figure: abs(figure - right))[:NEAREST])
        prefix = asked.text_before + asked.said.partition(" = ")[0] + " ="
        choices = tuple(f" {figure}." for figure in near)
        return [Probe(prefix, choices, near.index(right), role, float(right))]

    return _experiment("sums", split, _collect(probes, "sums", split, seed, count))


EXPERIMENTS: dict[str, Callable[..., Experiment]] = {
    made.__name__: made for made in (facts, analogies, homonyms, reversals, tracking, sums)
}


def make(name: str, split: Split = "training", seed: int = 0, count: int = 200) -> Experiment:
    """Make an experiment by name; `count` is ignored for facts and analogies, which ask all questions there are.

    Raises `UserError` for an unknown name or split.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"there is no experiment {name!r}; use one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name](split) if name in ("facts", "analogies") else EXPERIMENTS[name](split, seed, count)


def _experiment(name: str, split: Split, probes: Iterator[Probe | None]) -> Experiment:
    check_split(split)
    return Experiment(name, split, tuple(probe for probe in probes if probe is not None))


def _collect(probes: Callable, name: str, split: Split, seed: int, count: int) -> Iterator[Probe]:
    """Yield `count` different questions; a story that does not fit the split is sampled again."""
    seen: set[tuple[str, ...]] = set()
    for attempt in itertools.count():
        try:
            found = probes(random.Random(f"{name}, {split}, seed {seed}, attempt {attempt}"), len(seen))
        except Unsatisfiable:
            continue
        for probe in found:
            if len(seen) == count:
                return
            if (probe.prefix, *probe.choices) not in seen:
                seen.add((probe.prefix, *probe.choices))
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
    """The question in its most frequent wording of this split, or None if none mentions the subject first."""
    almanac, lexicon = load_almanac(folder), load_lexicon(folder)
    forms = wordings(relation, lexicon.ranks[subject], split)
    if split == "held-out" and len(forms) == len(relation.forms):
        return None  # no wording of this fact is held out
    values = dict.fromkeys(other.attributes[relation.name] for other, what in almanac.facts() if what is relation)
    choices = [value for value in values if value != subject.name]  # nobody is their own neighbor, spouse or couple
    for _, form in forms:
        supposed = [said(form, _supposing(subject, relation, value, lexicon)) for value in choices]
        prefix, rests = _split_up("", supposed)
        if subject.name in prefix:
            answer = choices.index(subject.attributes[relation.name])
            return Probe(
                prefix, rests, answer, relation.name, float(probability_of_telling(almanac, subject, relation))
            )
    return None


def _supposing(subject: Entity, relation: Relation, value: str, lexicon: Lexicon) -> Scene:
    """The scene of a document about a subject, as if the relation had this value."""
    other = Entity(subject.kind, subject.name, subject.noun, {**subject.attributes, relation.name: value})
    return Scene(lexicon, "facts", cast={"X": other})


def _split_up(prefix: str, sentences: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Move the common start of all choices to the prefix, up to the last whole word."""
    common = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*sentences, strict=False))
    shared = "".join(letters[0] for letters in common)
    shared = shared[: max(shared.rfind(" "), 0)]
    return prefix + shared, tuple(sentence[len(shared) :] for sentence in sentences)
