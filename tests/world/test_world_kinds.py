"""Documents other than stories and facts: each kind has the properties that it should."""

import re

import pytest

from minillm.world import World
from minillm.world.lexicon import load_lexicon
from minillm.world.riddles import load_riddles
from minillm.world.world import KINDS

DOCUMENTS = World(52).documents(600)
PEOPLE = {person.name: person for person in load_lexicon().people.values()}


def of_kind(kind):
    return [document for document in DOCUMENTS if document.kind == kind]


@pytest.mark.parametrize("kind", [kind for _, kind in KINDS])
def test_there_are_documents_of_every_kind(kind):
    assert len(of_kind(kind)) >= 20


def test_every_written_sum_is_right():
    written = 0
    for document in of_kind("sums"):
        for left, operator, right, result in re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", document.text):
            expected = int(left) + int(right) if operator == "+" else int(left) - int(right)
            assert expected == int(result), document.text
            assert 2 <= int(result) <= 40
            written += 1
        if document.plan != "slate":  # the story and the written sum use the same numbers
            inside, total = re.search(r"(.*?)\d+ [+-] \d+ = (\d+)(.*)", document.text).group(1, 2)
            figures = re.search(r"(\d+) [+-] (\d+) =", document.text).groups()
            assert tuple(re.findall(r"\d+", inside)) == figures, document.text
            assert set(re.findall(r"\d+", document.text.split(" = ", 1)[1])) == {total}, document.text
    assert written > 60


def test_every_clue_of_a_riddle_belongs_to_its_answer():
    book = load_riddles()
    owner = {
        clue: answer.name
        for answer, clues in book.clues.items()
        for clue in ["".join(form.pieces) for _, form in clues]
    }
    for document in of_kind("riddle"):
        clues = [clue for clue in owner if clue in document.text]
        assert 2 <= len(clues) <= 4, document.text
        assert {owner[clue] for clue in clues} == {document.plan}, document.text
        assert document.text.endswith(f" {document.plan}."), document.text


def test_a_letter_has_an_address_a_greeting_and_a_signature():
    for document in of_kind("letter"):
        head, greeting, *body, signature = document.text.split("\n")
        assert greeting.endswith(","), document.text
        assert len(body) == 1, document.text
        writer = PEOPLE[signature.split()[-1]]
        assert writer.attributes["home"] in head, document.text
        reader = next(name for name in PEOPLE if name in greeting)
        assert PEOPLE[reader].attributes["home"] != writer.attributes["home"]
        assert not re.search(rf"\b{writer.name}\b", body[0]), document.text


def test_relations_in_a_letter_are_the_writers_relations():
    kinship, found = load_lexicon().kinship, 0
    for document in of_kind("letter"):
        writer = PEOPLE[document.text.split()[-1]]
        body = document.text.split("\n")[2]
        for relation, name in re.findall(r"\b[Mm]y ([a-z]+) ([A-Z][a-z]+)", body):
            assert kinship(writer, PEOPLE[name]) == relation, document.text
            found += 1
    assert found > 5


def test_two_people_speak_in_a_dialogue():
    for document in of_kind("dialogue"):
        opening, *lines = document.text.split("\n")
        speakers = [found[1] for line in lines if (found := re.match(r"([A-Z]\w*(?: [A-Z]\w+)?): ", line))]
        assert len(speakers) >= len(lines) - 1, document.text
        assert len(set(speakers)) == 2, document.text
        assert all(speaker.removeprefix("The ") in opening for speaker in speakers), document.text


def test_the_last_person_named_in_a_search_has_the_thing():
    """Checked by regular expressions alone."""
    found = 0
    for document in of_kind("dialogue"):
        if document.plan == "whereabouts":
            *before, last = document.text.split("\n")
            final = re.search(r"(?:Go to|went to) (\w+)|(\w+) has it, so", last)
            name = final[1] or final[2]
            other_lines = "\n".join(before)
            chain = re.findall(r"to (\w+), as one|because (\w+) came|then (\w+) had more", other_lines)
            if chain:
                assert name in chain[-1], document.text
            else:
                assert name in other_lines, document.text
            found += bool(chain)
    assert found > 3


@pytest.mark.parametrize(
    ("first", "second"), [("king", "queen"), ("uncle", "aunt"), ("ram", "ewe"), ("prince", "princess")]
)
def test_words_of_a_couple_have_parallel_facts(first, second):
    nouns = {entity.name: entity.attributes for _, entity in load_lexicon().kinds["noun"]}
    assert nouns[first]["pair"] == second
    assert nouns[second]["pair"] == first
    assert nouns[first]["does"] == nouns[second]["does"]


MANY = World(53).documents(1200)


def test_the_sentence_after_a_bite_shows_who_bit_whom():
    """Swapping the two roles changes who is surprised and who limps."""
    bites = {"animal": 0, "person": 0}
    for document in MANY:
        if document.plan == "bite":
            animal_bit = re.search(r"[Tt]he (?:dog|mule|tomcat|badger|rabbit|ferret) bit ", document.text)
            surprised = "newspapers" in document.text or "the like" in document.text
            assert surprised is (animal_bit is None), document.text
            bites["animal" if animal_bit else "person"] += 1
    assert min(bites.values()) > 3


def test_a_chain_of_gifts_ends_with_the_stated_owner():
    found = 0
    for document in MANY:
        if document.plan == "relay" and (
            end := re.search(r"So ([A-Z]\w+|the [A-Z]\w+) has the \w+ now\.$", document.text)
        ):
            before = document.text[: end.start()]
            assert end[1].lower() in before.lower(), document.text
            found += 1
    assert found > 5
