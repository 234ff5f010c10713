"""The world: an endless stream of documents, each with its exact probability.

Document i of a seed has its own random generator. It can therefore be generated alone, in any order and in any
process, and a shorter stream is a prefix of a longer one.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minillm.errors import UserError
from minillm.world import facts, riddles, story
from minillm.world.choice import Chooser, Options, Sampler
from minillm.world.facts import load_almanac
from minillm.world.holdout import Split, check_split
from minillm.world.lexicon import TEXT, load_lexicon
from minillm.world.reading import Reading, next_pieces, prefix_log_prob, read
from minillm.world.riddles import load_riddles
from minillm.world.scene import Scene
from minillm.world.story import load_arcs

WORLD_VERSION = "4"  # changes whenever any document or probability changes
KINDS: Options = (
    (7, "story"), (5, "dialogue"), (4, "facts"), (3, "letter"), (3, "riddle"), (3, "sums"), (3, "chains"), (2, "notice")
)  # fmt: skip
PLANNED = {  # kinds told by an arc -> the data file of their arcs
    "story": "stories", "dialogue": "dialogues", "letter": "letters", "notice": "notices", "sums": "sums",
    "chains": "chains",
}  # fmt: skip
GENERATORS = {"facts": facts, "riddle": riddles} | dict.fromkeys(PLANNED, story)


@dataclass(frozen=True)
class Document:
    """A text and its log-probability, summed over all derivations and including the end of the document."""

    text: str
    log_prob: float  # nats
    kind: str  # one of the eight in KINDS
    plan: str  # the name of the arc, the subject of a facts document, the answer of a riddle


class World:
    """The stream of documents of one seed, from the package's data files or from a folder like its `text/`.

    `split` is "training", "held-out" or "both" and restricts which combinations occur; see `holdout`.
    Raises `UserError` for a seed that is not an integer and for an unknown split.

    >>> world = World(seed=1)
    >>> world.documents(2) == [world.document(0), world.document(1)]
    True
    >>> abs(world.log_prob(world.document(0).text) - world.document(0).log_prob) < 1e-9
    True
    >>> world.log_prob("The moon is made of cheese.")
    -inf
    """

    def __init__(self, seed: int, folder: Path = TEXT, split: Split = "training"):
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise UserError(f"the seed of a world must be an integer, not {seed!r}; try World(seed=0)")
        check_split(split)
        self.seed = seed
        self.split: Split = split
        self.lexicon = load_lexicon(folder)
        self.plans = {"facts": load_almanac(folder), "riddle": load_riddles(folder)} | {
            kind: load_arcs(folder, f"{file}.toml") for kind, file in PLANNED.items()
        }

    def document(self, index: int) -> Document:
        """Generate document `index` of the stream; raises `UserError` for a negative index."""
        if index < 0:
            raise UserError(f"there is no document {index}; the stream starts at 0")
        sampler = Sampler(random.Random(f"world {WORLD_VERSION}, seed {self.seed}, document {index}"))
        scene = None
        while scene is None or not scene.finished:
            scene = self.step(scene, sampler)
        plan = scene.cast["X"].name if "X" in scene.cast else scene.plan.name
        return Document(sampler.text, sampler.log_prob, scene.kind, plan)

    def documents(self, count: int) -> list[Document]:
        """Generate the first `count` documents of the stream; raises `UserError` for a negative count."""
        if count < 0:
            raise UserError(f"count is {count}; use 0 or more")
        return list(itertools.islice(self.stream(), count))

    def stream(self, start: int = 0) -> Iterator[Document]:
        """Yield document `start` and all later ones, endlessly."""
        return map(self.document, itertools.count(start))

    def log_prob(self, text: str) -> float:
        """Compute the log-probability of a document in nats, its end included; -inf if the text is not a document."""
        return self.read(text).log_prob

    def read(self, text: str) -> Reading:
        """Parse a text: its log-probability, its derivations, and how far it agrees with any document."""
        return read(self.step, text)

    def next_pieces(self, prefix: str) -> dict[str, float]:
        """Compute the true distribution over the next word or punctuation mark after a prefix.

        A piece is one unit of GPT-2's pre-tokenizer (including the space before it), so it ends at a token
        boundary, and the prefix must end at one too. The piece "" stands for the end of the document. The
        probabilities sum to 1; if no document starts with the prefix, the dictionary is empty.

        >>> World(seed=0).next_pieces("One foggy")
        {' morning': 1.0}
        """
        return next_pieces(self.step, prefix)

    def prefix_log_prob(self, prefix: str) -> float:
        """Compute the log-probability, in nats, that a document starts with this prefix of whole pieces.

        >>> abs(World(seed=0).prefix_log_prob("")) < 1e-9
        True
        """
        return prefix_log_prob(self.step, prefix)

    def step(self, scene: Scene | None, sampler: Chooser) -> Scene:
        """Generate one sentence and return the next scene; None starts a new document."""
        if scene is None:
            scene = Scene(self.lexicon, sampler.choose("kind", KINDS), self.split)
            GENERATORS[scene.kind].begin(scene, sampler, self.plans[scene.kind])
        else:
            scene = scene.copy()
        GENERATORS[scene.kind].step(scene, sampler)
        return scene
