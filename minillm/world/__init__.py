"""Ottermere: a synthetic corpus in which every document has a known probability.

A language model is trained to predict the probability of text. For text from the internet, the true
probability is unknown. Here it is known: a generator samples each document by explicit weighted choices and
records the exact log-probability. The mean negative log-probability is the entropy floor of the loss, and a
model's loss minus the floor estimates a KL divergence.

The modules, in reading order:

    choice      weighted choices, and the two classes that make them: one samples, one parses
    lexicon     people, places and things, from the files under text/
    holdout     which combinations are held out for testing
    scene       the state of a partly generated document, and its conditions and effects
    wording     sentence templates with slots; names and pronouns by rule
    story       latent plans and events with preconditions: stories, dialogues, letters, notices, sums, chains
    facts       true sentences with known, unequal frequencies
    riddles     clues, a question and the single answer that fits
    reading     the parser: exact marginal log-probability, and the true next-word distribution
    world       World and Document: the stream
    corpus      the world as a corpus; `extension` tells `load_corpus` of it
    telling     stories sampled under constraints, sentence by sentence
    probes      multiple-choice questions, and how an experiment is scored
    experiments six experiments, each with a split that no training document touches
    dirty       a labelled mixture of clean documents, copies, noise and another world's claims
    instructions    tasks with exact checkers, built on answers, phrasebook, staging, tasks and split_sampler
    raters      preferences between answers, by simulated raters with known probabilities

All text and vocabulary are in `text/*.toml`; a teacher can extend or translate them without touching the code.

>>> from minillm.world import World
>>> document = World(seed=3).document(1)
>>> World(seed=3).log_prob(document.text) == float("-inf")
False
"""

from minillm.data.floor import Floor, bigram_loss, floor
from minillm.world import experiments
from minillm.world.lexicon import WorldDataError
from minillm.world.reading import Reading
from minillm.world.world import WORLD_VERSION, Document, World

__all__ = [
    "WORLD_VERSION",
    "Document",
    "Floor",
    "Reading",
    "World",
    "WorldDataError",
    "bigram_loss",
    "experiments",
    "floor",
]
