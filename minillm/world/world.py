"""The world: an endless stream of documents, each with its exact probability.

Document i of a seed has a random stream of its own, so it can be made alone, in any order and in any
process, and a shorter stream is the beginning of a longer one.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minillm.errors import UserError
from minillm.world import facts, riddles, story
from minillm.world.choice import Options, Sampler, Voice
from minillm.world.facts import load_almanac
from minillm.world.holdout import Split, check_split
from minillm.world.lexicon import TEXT, load_lexicon
from minillm.world.reading import Reading, next_pieces, prefix_log_prob, read
from minillm.world.riddles import load_riddles
from minillm.world.scene import Scene
from minillm.world.story import load_arcs

WORLD_VERSION = "3"  # changes whenever any document or any probability does
KINDS: Options = (
    (7, "story"), (5, "dialogue"), (4, "facts"), (3, "letter"), (3, "riddle"), (3, "sums"), (2, "notice")
)  # fmt: skip
PLANNED = {"story": "stories", "dialogue": "dialogues", "letter": "letters", "notice": "notices", "sums": "sums"}
ROOMS = {"facts": facts, "riddle": riddles} | dict.fromkeys(PLANNED, story)


@dataclass(frozen=True)
class Document:
    """A text and ln P(text), summed over everything that could have produced it, its end included."""

    text: str
    log_prob: float  # nats
    kind: str  # one of the seven in KINDS
    plan: str  # the name of the arc, the subject of a facts document, the answer of a riddle


class World:
    """Ottermere, as told by one seed; or another place, from a folder of data files like the package's own `text/`.

    `split` says which combinations may meet; see `holdout`.

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
            raise UserError(f"the seed of a world is a whole number, not {seed!r}; World(seed=0) is a good start")
        check_split(split)
        self.seed = seed
        self.split: Split = split
        self.lexicon = load_lexicon(folder)
        self.plans = {"facts": load_almanac(folder), "riddle": load_riddles(folder)} | {
            kind: load_arcs(folder, f"{file}.toml") for kind, file in PLANNED.items()
        }

    def document(self, index: int) -> Document:
        """Make document number `index` of this seed's stream; raises ValueError for a negative index."""
        if index < 0:
            raise UserError(f"document {index} comes before the first; the stream starts at 0")
        voice = Sampler(random.Random(f"world {WORLD_VERSION}, seed {self.seed}, document {index}"))
        scene = None
        while scene is None or not scene.finished:
            scene = self.step(scene, voice)
        plan = scene.cast["X"].name if "X" in scene.cast else scene.plan.name
        return Document(voice.text, voice.log_prob, scene.kind, plan)

    def documents(self, count: int) -> list[Document]:
        """Make the first `count` documents of the stream; raises ValueError for a negative count."""
        if count < 0:
            raise UserError(f"count is {count}; a stream has no document before its first")
        return list(itertools.islice(self.stream(), count))

    def stream(self, start: int = 0) -> Iterator[Document]:
        """Yield document `start` and all that follow it, without end."""
        return map(self.document, itertools.count(start))

    def log_prob(self, text: str) -> float:
        """ln P(text) in nats under the generator, its end included; minus infinity for a text that is no document."""
        return self.read(text).log_prob

    def read(self, text: str) -> Reading:
        """Parse a text: its log-probability, its derivations, and how far it agrees with any document."""
        return read(self.step, text)

    def next_pieces(self, prefix: str) -> dict[str, float]:
        """The true distribution over the word or mark that follows a prefix; "" stands for the end of the document.

        A piece is what GPT-2's pre-tokenizer would cut off (with the space before it), so it ends at a token
        boundary; the prefix is taken to end at one too. The probabilities sum to 1; a prefix of no document gives
        an empty dictionary.

        >>> World(seed=0).next_pieces("One foggy")
        {' morning': 1.0}
        """
        return next_pieces(self.step, prefix)

    def prefix_log_prob(self, prefix: str) -> float:
        """ln of the probability that a document begins with this prefix, in nats; it ends like that of `next_pieces`.

        >>> abs(World(seed=0).prefix_log_prob("")) < 1e-9
        True
        """
        return prefix_log_prob(self.step, prefix)

    def step(self, scene: Scene | None, voice: Voice) -> Scene:
        """The generator: from one scene to the next, by one sentence. None is the empty page."""
        if scene is None:
            scene = Scene(self.lexicon, voice.choose("kind", KINDS), self.split)
            ROOMS[scene.kind].begin(scene, voice, self.plans[scene.kind])
        else:
            scene = scene.copy()
        ROOMS[scene.kind].step(scene, voice)
        return scene
