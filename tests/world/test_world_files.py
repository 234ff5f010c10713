"""Invalid data files are rejected with a message that names the file and the entry."""

import shutil

import pytest

from minillm.world import World, WorldDataError
from minillm.world.lexicon import TEXT
from minillm.world.scene import Condition
from minillm.world.wording import Form, with_article

BREAKAGES = [
    (
        "people.toml",
        'he = "she", trade = "baker"',
        'he = "it", trade = "baker"',
        r"people.toml: Mira has the pronoun 'it'; use one of he, she",
    ),
    (
        "people.toml",
        'spouse = "Tobin"',
        'spouse = "Nobody"',
        r"people.toml: the spouse of Mira, 'Nobody', is not in this file",
    ),
    ("people.toml", 'name = "Gil", he', 'name = "Kit", he', r"'Kit' twice"),
    ("people.toml", 'home = "Pellin", food = "plum cake"', 'food = "plum cake"', r"person number 1 has no 'home'"),
    ("people.toml", 'nephew = "niece"', "", r"gender 'she' has no word for 'nephew'"),
    ("people.toml", "person = [", "person = [[", r"people.toml: this is not TOML"),
    (
        "places.toml",
        '["in the bakery"',
        '["bakery"',
        r"places.toml: the spot 'bakery' in Pellin must read like 'in the bakery'",
    ),
    ("places.toml", "Sedge = [", "Atlantis = [", r"spots in 'Atlantis', which is not a town"),
    ("places.toml", 'sort = "town", ', "", r"town number 1 has no 'sort'"),
    ("words.toml", "[weather]", "[wether]", r"words.toml: the table 'weather' is missing"),
    ("words.toml", '"copper kettle"', '"brass key"', r"'brass key' twice"),
    ("words.toml", 'smith = "broke"', "", r"\[damage\] does not say how things of the smith break"),
    ("words.toml", 'day = ["Monday"', 'day = []\nunused = ["Monday"', r"kind 'day' is empty"),
    ("stories.toml", '"tires_of", ', '"tires", ', r"arc 'swap' names the event 'tires', which does not exist"),
    ("stories.toml", '"silence 1-2"', '"silence again"', r"arc 'quarrel' has the beat 'silence again'"),
    ("stories.toml", '"waits 1-2", ', '"waits", "waits", ', r"arc 'court' has 'waits' in two adjacent beats"),
    (
        "stories.toml",
        '"offers", "ruler_answers", "court_end"]',
        '"offers ?"]',
        r"last beat of arc 'court' is optional",
    ),
    (
        "stories.toml",
        '"{hero} had {thing} with {hero.him}."',
        '"{hero} had {thing with {hero.him}."',
        r"event 'carries': .* has a brace",
    ),
    (
        "stories.toml",
        '"{hero} had {thing} with {hero.him}."',
        '"{hero} had {thing} with {villain}."',
        r"event 'carries' mentions 'villain'",
    ),
    (
        "stories.toml",
        "{thing.the} in the dust.",
        "{thing.the} in the dust",
        r"event 'asks': .* does not end like a sentence",
    ),
    ("stories.toml", '"thing.holder = nobody"', '"thing.holder"', r"event 'loses' has an effect that sets nothing"),
    ("stories.toml", '"friend.helps = yes"', '"friend helps"', r"event 'asks': 'friend helps' is not a condition"),
    ("stories.toml", 'hero = "person"', 'hero = "dragon"', r"role 'hero' is cast from 'dragon'; the kinds are"),
    (
        "stories.toml",
        '"{hero} counted {countable} to make the miles shorter.",\n]',
        "]\n[event.mute]\nforms = []",
        r"event 'mute' has no form",
    ),
    (
        "facts.toml",
        '[relation.trade]\nsubject = "person"',
        '[relation.trade]\nsubject = "cow"',
        r"relation 'trade' has the subject 'cow'; use person, town, noun",
    ),
    (
        "riddles.toml",
        "I turn around once, and you are home.",
        "I have a tongue and no mouth.",
        r"is given for 'a bell' and 'a key'",
    ),
    ("riddles.toml", ', "I live in a tower and look after your Sundays."', "", r"riddles.toml: 'a bell' has 3 clues"),
    ("riddles.toml", 'hero = "person"', 'hero = "dragon"', r"riddles.toml: the role 'hero' is cast from 'dragon'"),
    ("riddles.toml", "question = [", "query = [", r"riddles.toml: there are no forms for the 'question'"),
    ("words.toml", 'pair = "queen", ', "", r"words.toml: noun number 1 has no 'pair'"),
    ("letters.toml", '"used_for", ', "", r"letters.toml: event 'used_for' is not used in any arc"),
    ("dialogues.toml", '"court", "speak"', '"speak", "curt"', r"dialogues.toml: arc 'audience' names the event 'curt'"),
    ("facts.toml", "[relation.trade]", "[relation.magic]", r"no entity has the attribute 'magic'"),
    (
        "facts.toml",
        '["{X.his} mother is {X.mother}.", "{X} is the {X.kin.child} of {X.mother}.", "{X.mother} is {X.his} mother."]',
        "[]",
        r"'mother' has no forms",
    ),
    ("facts.toml", '"{X} likes {X.food} best."', '"{X} likes {X.food} best"', r"relation 'food': .* full stop"),
]


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(TEXT, tmp_path / "text")
    return tmp_path / "text"


@pytest.mark.parametrize(("file", "old", "new", "message"), BREAKAGES)
def test_a_broken_entry_is_named(folder, file, old, new, message):
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(WorldDataError, match=message):
        World(0, folder)


def test_an_untouched_copy_is_the_same_world(folder):
    assert World(3, folder).documents(30) == World(3).documents(30)


def test_a_teacher_can_add_a_person_and_a_sentence(folder):
    people, stories = folder / "people.toml", folder / "stories.toml"
    people.write_text(people.read_text(encoding="utf-8").replace('"Mira"', '"Zora"'), encoding="utf-8")
    text = stories.read_text(encoding="utf-8").replace(
        '"{hero} had {thing} with {hero.him}."', '"{hero} held {thing} up high."'
    )
    stories.write_text(text, encoding="utf-8")
    text = " ".join(document.text for document in World(3, folder).documents(150))
    assert "Zora" in text
    assert "up high" in text
    assert "Mira" not in text


def test_a_missing_file_is_named(folder):
    (folder / "facts.toml").unlink()
    with pytest.raises(WorldDataError, match=r"facts\.toml: there is no such file"):
        World(0, folder)


def test_a_person_with_too_little_to_tell_is_named(folder):
    people = folder / "people.toml"
    text = people.read_text(encoding="utf-8")
    for attribute in ('trade = "fiddler", ', 'food = "cold sausage", ', 'pet = "a poodle named Waltz", '):
        text = text.replace(attribute, "")
    people.write_text(text, encoding="utf-8")
    with pytest.raises(WorldDataError, match="Gil has 3 facts"):
        World(0, folder)


def test_running_out_of_entities_is_reported(folder):
    words = folder / "words.toml"
    text = words.read_text(encoding="utf-8")
    start, end = text.index("[thing]"), text.index("# What happens")
    words.write_text(text[:start] + '[thing]\nsmith = ["brass key"]\n' + text[end:], encoding="utf-8")
    with pytest.raises(WorldDataError, match="no thing is left to play"):
        World(0, folder).documents(200)


@pytest.mark.parametrize("text", ["", "Thing.holder = hero", "thing holder", "a = b = c"])
def test_malformed_conditions(text):
    with pytest.raises(WorldDataError, match="is not a condition"):
        Condition.parse(text)


def test_a_form_keeps_every_character_outside_its_slots():
    form = Form.parse("{hero} gave {friend.his} cat {gift.a}, twice.")
    assert "".join(piece if isinstance(piece, str) else "#" for piece in form.pieces) == "# gave # cat #, twice."


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [("hour", "an hour"), ("unicorn", "a unicorn"), ("one-eyed cat", "a one-eyed cat"), ("oak", "an oak")],
)
def test_articles_go_by_sound(noun, phrase):
    assert with_article(noun) == phrase
