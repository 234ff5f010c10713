"""The stream of documents: deterministic, with random access, and as large and varied as the course needs."""

import hashlib
import os
import re
import subprocess
import sys

import pytest

from minillm.world import WORLD_VERSION, World
from minillm.world.facts import load_almanac
from minillm.world.story import load_arcs
from minillm.world.world import PLANNED

# SHA-256 of the first 300 documents of seed 0 and their log-probabilities.
FROZEN = "468dc4a213c6cc864782c8e43bd7b2f3590704e5a654e9f1cebc833e6123c856"
DIGEST = """
import hashlib
from minillm.world import World
text = "\\n".join(f"{d.text} {d.kind} {d.plan}" for d in World(11).documents(150))
print(hashlib.sha256(text.encode("utf-8")).hexdigest())
"""


def test_a_shorter_stream_is_the_beginning_of_a_longer_one():
    world = World(4)
    assert world.documents(5) == world.documents(10)[:5]
    assert world.document(7) == world.documents(10)[7]
    assert next(world.stream(7)) == world.document(7)


def test_documents_are_determined_by_the_seed():
    assert World(1).documents(20) == World(1).documents(20)
    assert World(1).documents(20) != World(2).documents(20)


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_hash_randomisation_changes_nothing(hash_seed):
    text = "\n".join(f"{d.text} {d.kind} {d.plan}" for d in World(11).documents(150))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    output = subprocess.run(
        [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert output.stdout.strip() == hashlib.sha256(text.encode("utf-8")).hexdigest()


def test_the_world_is_frozen():
    """Every result in the course depends on the world: if you change a word or a weight, raise WORLD_VERSION."""
    told = "".join(f"{document.text}\n{document.log_prob:.6f}\n" for document in World(0).documents(300))
    assert WORLD_VERSION == "4"
    assert hashlib.sha256(told.encode("utf-8")).hexdigest() == FROZEN


def test_documents_are_paragraphs_that_fit_the_context():
    for document in World(5).documents(600):
        assert 40 <= len(document.text) <= 900, document.text
        last = r"[A-Za-z]" if document.kind == "letter" else r"[.!?\"]"
        assert re.fullmatch(rf"[A-Z\"].*{last}", document.text, re.DOTALL), document.text
        assert not re.search(r"  | \n|\n ", document.text)
        assert "{" not in document.text
        assert document.log_prob < 0


def test_the_world_is_as_rich_as_promised():
    words = {word for d in World(0).documents(1000) for word in re.findall(r"[a-z]+", d.text.lower())}
    arcs = [arc for file in PLANNED.values() for _, arc in load_arcs(file=f"{file}.toml")]
    events = {event for arc in arcs for beat in arc.beats for _, event in beat.events if event}
    relations = {relation for _, relation in load_almanac().facts()}
    assert len(words) >= 1200
    assert sum(len(event.forms) for event in events) + sum(len(r.forms) for r in relations) >= 150
    assert len(list(load_almanac().facts())) >= 200


@pytest.mark.parametrize("seed", [1.5, "one", True, None])
def test_a_seed_must_be_an_integer(seed):
    with pytest.raises((ValueError, TypeError), match="seed"):
        World(seed)


def test_a_negative_index_is_rejected():
    with pytest.raises(ValueError, match="there is no document -1; the stream starts at 0"):
        World(0).document(-1)


def test_the_world_needs_the_standard_library_alone():
    program = (
        "import sys; sys.modules |= {'torch': None, 'numpy': None}; from minillm import world; "
        "from minillm.world import dirty, instructions, raters; print(world.World(0).document(1).text)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == World(0).document(1).text.strip()
