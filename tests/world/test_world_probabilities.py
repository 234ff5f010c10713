"""Probabilities sum to exactly one in a world small enough to enumerate, and samples follow them."""

import collections
import math
import random
from fractions import Fraction

import pytest

from minillm.world import World
from minillm.world.choice import Sampler, by_rank
from minillm.world.facts import load_almanac, probability_of_telling
from minillm.world.reading import PIECE
from minillm.world.story import load_arcs
from minillm.world.world import KINDS

SMALL = {
    "people.toml": """
[[person]]
name = "Ann"
he = "she"
trade = "smith"
home = "Dale"
food = "figs"
pet = "a newt"
spouse = "Ben"
[[person]]
name = "Ben"
he = "he"
trade = "cook"
home = "Dale"
food = "leeks"
pet = "an ape"
spouse = "Ann"
[gender.she]
he = "she"
him = "her"
his = "her"
himself = "herself"
spouse = "wife"
parent = "mother"
child = "daughter"
sibling = "sister"
grandparent = "grandmother"
grandchild = "granddaughter"
uncle = "aunt"
nephew = "niece"
[gender.he]
he = "he"
him = "him"
his = "his"
himself = "himself"
spouse = "husband"
parent = "father"
child = "son"
sibling = "brother"
grandparent = "grandfather"
grandchild = "grandson"
uncle = "uncle"
nephew = "nephew"
""",
    "places.toml": """
town = [{ name = "Dale", sort = "town" }]
[spot]
Dale = ["in the mill", "on the hill"]
""",
    "words.toml": """
[thing]
smith = ["old key", "iron pot"]
[damage]
smith = "broke"
[lists]
day = ["Monday"]
[weather]
foggy = "fog"
""",
    "stories.toml": """
[cast]
hero = "person"
friend = "person where home = hero.home"
spot = "spot where town = hero.home"
place = "spot where town = hero.home"
thing = "thing"
[arc.keep]
beats = ["meets", "has ?", "walks ?", "keeps | gives"]
[arc.gift]
beats = ["meets", "has", "gives"]
[event.meets]
forms = ["{hero} was {spot.in}.", "{spot.in} was {hero}."]
[event.has]
then = ["thing.holder = hero"]
forms = ["{hero} had {thing}.", "With {hero.him} was {thing}."]
[event.walks]
fresh = ["place"]
forms = ["{hero} walked.", "{hero} sang."]
[event.keeps]
needs = ["thing.holder = hero"]
forms = ["{hero} kept {thing.the}."]
[event.gives]
forms = ["{hero} met {friend.him}.", { needs = ["thing"], form = "{friend} got {thing.the} from {hero.him}." }]
""",
    "dialogues.toml": """
lines = true
[cast]
hero = "person"
friend = "person where home = hero.home"
[arc.hail]
beats = ["hails", "answers"]
[event.hails]
forms = ["{hero.speaker}: Good day, {friend.call}."]
[event.answers]
forms = ["{friend.speaker}: Good day.", "{friend.speaker}: Hello, {hero.call}."]
""",
    "letters.toml": """
introductions = "my"
[cast]
hero = "person"
friend = "person where home = hero.home"
[arc.short]
beats = ["greets", "signs"]
[event.greets]
forms = ["I saw {friend.him}."]
[event.signs]
line = true
forms = ["{hero.call}"]
""",
    "notices.toml": """
[cast]
day = "day"
[arc.shut]
beats = ["shut"]
[event.shut]
forms = ["SHUT on {day}."]
""",
    "sums.toml": """
[cast]
hero = "person"
[arc.one]
beats = ["one 2-3"]
[event.one]
line = true
forms = [{ again = true, form = "1 + 1 = 2." }, "{hero} did it."]
""",
    "chains.toml": """
[cast]
hero = "person"
[arc.two]
beats = ["two"]
[event.two]
forms = ["{hero} had 3 figs, then 4.", "{hero} had none."]
""",
    "riddles.toml": """
[cast]
hero = "person"
[forms]
opening = ["{hero} asks."]
question = ["What am I?"]
answer = ["{X}."]
[riddle]
"a newt" = ["I swim.", "I creep.", "I sleep.", "I blink."]
"an ape" = ["I climb.", "I eat.", "I swing.", "I laugh."]
""",
    "facts.toml": """
[relation.trade]
subject = "person"
forms = ["{X} is {X.trade.a}.", "{X.his} trade is {X.trade}."]
[relation.home]
subject = "person"
forms = ["{X} lives in {X.home}."]
[relation.food]
subject = "person"
forms = ["{X} eats {X.food}.", "{X.food} feed {X.him}."]
[relation.pet]
subject = "person"
forms = ["{X} has {X.pet}."]
[relation.spouse]
subject = "person"
forms = ["{X} is married to {X.spouse}."]
""",
}


class Enumerator:
    """A chooser that follows a script of options and keeps exact fractions; independent of Sampler and Reader."""

    def __init__(self, script):
        self.script, self.n_taken = script, 0
        self.probability, self.pieces, self.n_options = Fraction(1), [], []

    def choose(self, name, options, opening=None):
        index = self.script[self.n_taken] if self.n_taken < len(self.script) else 0
        self.n_taken += 1
        self.n_options.append(len(options))
        weight, item = options[index]
        self.probability *= Fraction(weight, sum(w for w, _ in options))
        return item

    def say(self, text):
        self.pieces.append(text)

    def choose_and_say(self, name, options, words):
        item = self.choose(name, options)
        self.say(words(item))
        return item


def all_documents(world):
    """Yield (text, exact probability) for every derivation."""
    unfinished = [(None, "", Fraction(1))]
    while unfinished:
        scene, text, so_far = unfinished.pop()
        script = []
        while script is not None:
            enumerator = Enumerator(script)
            after = world.step(scene, enumerator)
            grown, probability = text + "".join(enumerator.pieces), so_far * enumerator.probability
            if after.finished:
                yield grown, probability
            else:
                unfinished.append((after, grown, probability))
            # the next script: increase the last choice that has options left
            taken = [*script, *[0] * (len(enumerator.n_options) - len(script))]
            while taken and taken[-1] + 1 == enumerator.n_options[len(taken) - 1]:
                taken.pop()
            script = [*taken[:-1], taken[-1] + 1] if taken else None


@pytest.fixture(scope="module")
def small_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    for name, text in SMALL.items():
        (folder / name).write_text(text, encoding="utf-8")
    return World(0, folder)


@pytest.fixture(scope="module")
def every_document(small_world):
    derivations = collections.defaultdict(list)
    for text, probability in all_documents(small_world):
        derivations[text].append(probability)
    return derivations


def test_all_documents_of_a_small_world_sum_to_one_exactly(every_document):
    assert sum(sum(probabilities) for probabilities in every_document.values()) == 1
    assert len(every_document) > 1000


def test_a_text_with_two_plans_is_read_as_their_sum(small_world, every_document):
    """In this world two arcs can tell "was, had, gave", so one text has several plans and one marginal probability."""
    assert any(len(probabilities) > 1 for probabilities in every_document.values())
    for text, probabilities in list(every_document.items())[::41]:
        reading = small_world.read(text)
        assert reading.derivations == len(probabilities)
        assert reading.log_prob == pytest.approx(math.log(sum(probabilities)), abs=1e-12)


def test_the_small_world_samples_what_its_fractions_say(small_world, every_document):
    for document in small_world.documents(200):
        assert any(document.log_prob == pytest.approx(math.log(p), abs=1e-12) for p in every_document[document.text])


def chi_square_is_plausible(observed, expected):
    """Whether Pearson's statistic is below its quantile of about 1 - 3e-5 (Wilson-Hilferty approximation)."""
    statistic = sum((observed[key] - mean) ** 2 / mean for key, mean in expected.items())
    freedom = len(expected) - 1
    spread = 2 / (9 * freedom)
    return statistic < freedom * (1 - spread + 4 * math.sqrt(spread)) ** 3


def probabilities(options):
    total = sum(weight for weight, _ in options)
    return {item: weight / total for weight, item in options}


N_DOCUMENTS = 4000


@pytest.fixture(scope="module")
def documents():
    return World(77).documents(N_DOCUMENTS)


def test_kinds_and_arcs_occur_with_their_probabilities(documents):
    kinds = collections.Counter(document.kind for document in documents)
    assert chi_square_is_plausible(kinds, {kind: p * N_DOCUMENTS for kind, p in probabilities(KINDS).items()})
    arcs = collections.Counter(document.plan for document in documents if document.kind == "story")
    expected = {arc.name: p * kinds["story"] for arc, p in probabilities(load_arcs()).items()}
    assert chi_square_is_plausible(arcs, expected)


@pytest.mark.parametrize("prefix", ["", "One", "On", "Here", "The", "There were", "Mira", "On Monday"])
def test_the_next_piece_follows_the_true_distribution(documents, prefix):
    """Pearson's chi-square test after a prefix; pieces expected fewer than five times are pooled."""
    expected = World(77).next_pieces(prefix)
    observed = collections.Counter(
        found[0]
        for document in documents
        if document.text.startswith(prefix) and (found := PIECE.match(document.text, len(prefix)))
    )
    if prefix:  # "On" also begins "One", which is another piece
        observed = collections.Counter({piece: count for piece, count in observed.items() if not piece[0].isalpha()})
    n = observed.total()
    assert n > 20
    assert set(observed) <= set(expected)
    common = {piece for piece, p in expected.items() if n * p >= 5}
    pooled = {piece: n * expected[piece] for piece in common} | {
        "rare": n * sum(expected[p] for p in expected.keys() - common)
    }
    counts = collections.Counter({piece: observed[piece] for piece in common})
    counts["rare"] = n - counts.total()
    pooled = {piece: mean for piece, mean in pooled.items() if mean > 1e-9}
    if len(pooled) > 1:
        assert chi_square_is_plausible(counts, pooled)


def test_subjects_occur_with_their_probabilities(documents):
    subjects = collections.Counter(document.plan for document in documents if document.kind == "facts")
    expected = {e.name: p * sum(subjects.values()) for e, p in probabilities(load_almanac().subjects).items()}
    assert chi_square_is_plausible(subjects, expected)


def test_a_fact_is_told_with_its_exact_probability(documents):
    almanac = load_almanac()
    facts = [document.text for document in documents if document.kind == "facts"]
    for subject, relation in almanac.facts():
        if subject.name not in ("Mira", "Bram", "Pellin"):
            continue
        probability = float(probability_of_telling(almanac, subject, relation))
        told = sum(
            document.plan == subject.name and tells(relation.name, subject, document.text)
            for document in documents
            if document.kind == "facts"
        )
        error = math.sqrt(len(facts) * probability * (1 - probability))
        assert abs(told - len(facts) * probability) < 4.5 * error, (subject, relation.name)


def tells(relation, subject, text):
    """Whether a text states a fact, found by a phrase that only sentences about this fact contain."""
    phrases = {"trade": subject.attributes.get("trade"), "home": f"in {subject.attributes.get('home')}"}
    if relation == "spouse":
        return "married" in text or " of " + subject.attributes["spouse"] in text
    if relation == "home":
        return phrases["home"] in text or f"{subject.attributes['home']} is where" in text
    if relation == "next":
        return "The road" in text or "you can walk" in text or "next town" in text
    return (phrases.get(relation) or subject.attributes[relation]) in text


def test_the_probabilities_of_a_subjects_facts_sum_to_their_expected_number():
    almanac = load_almanac()
    go_on = Fraction(3, 5)
    told = 3 * (1 - go_on) + 4 * go_on * (1 - go_on) + 5 * go_on**2
    p_subject = probabilities(almanac.subjects)
    for subject in list(p_subject)[:4]:
        p_facts = [probability_of_telling(almanac, subject, relation) for _, relation in almanac.known[subject]]
        assert float(sum(p_facts)) == pytest.approx(p_subject[subject] * float(told), rel=1e-12)
        assert max(p_facts) > min(p_facts)


def test_weights_by_rank_are_decreasing_integers():
    weights = [weight for weight, _ in by_rank(list(range(60)))]
    assert all(isinstance(weight, int) for weight in weights)
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0


def test_a_choice_without_options_is_an_error():
    with pytest.raises(ValueError, match="the choice 'empty' has no options"):
        Sampler(random.Random(0)).choose("empty", [])
