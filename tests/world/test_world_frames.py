"""Frames: in fifty documents a reader should rarely meet the same sentence frame more than twice."""

import collections
import random
import statistics

import pytest

from minillm.world import WORLD_VERSION, World
from minillm.world.choice import Sampler, equally
from minillm.world.wording import Form

BLOCK = 50  # documents


class Recorder(Sampler):
    """A sampler that records the forms of a document."""

    def __init__(self, rng):
        super().__init__(rng)
        self.forms = []

    def choose(self, name, options, opening=None):
        item = super().choose(name, options, opening)
        if isinstance(item, Form):
            self.forms.append((name, item))
        return item


def is_frame(form):
    """Whether a form has words of its own; "{X} {X.habit}." and the formulas of sums ("7 + 5 = 12.") have none."""
    literal = "".join(piece for piece in form.pieces if isinstance(piece, str))
    return any(character.isalpha() for character in literal) and not form.again


def frames_over_twice(world, first):
    """List the frames that more than two of the fifty documents from `first` on contain."""
    counts = collections.Counter()
    for index in range(first, first + BLOCK):
        recorder = Recorder(random.Random(f"world {WORLD_VERSION}, seed {world.seed}, document {index}"))
        scene = None
        while scene is None or not scene.finished:
            scene = world.step(scene, recorder)
        assert recorder.text == world.document(index).text
        counts.update({entry for entry in recorder.forms if is_frame(entry[1])})
    return [(name, form.pieces) for (name, form), count in counts.items() if count > 2]


def test_a_frame_has_words_of_its_own():
    assert is_frame(Form.parse("{hero} was {spot.in}."))
    assert not is_frame(Form.parse("{X} {X.habit}."))
    assert not is_frame(Form.parse("{sum.first} + {sum.second} = {sum.total}."))


def test_few_frames_occur_more_than_twice_in_fifty_documents():
    """The mean over blocks; world 3 had 13. Expected: the sum over events of k P(Poisson(n / k) > 2), for k wordings
    of an event that fifty documents tell n times.
    """
    world = World(0)
    assert statistics.mean(len(frames_over_twice(world, BLOCK * block)) for block in range(30)) < 4


@pytest.mark.parametrize("items", [["a"], ["a", "b", "c"]])
def test_equal_weights(items):
    assert equally(items) == tuple((1, item) for item in items)
