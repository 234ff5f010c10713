"""Ottermere: a small invented kingdom that writes its own documents and knows how probable each of them is.

A language model is judged by the probability it gives to text. On text from the internet nobody knows what
probability it *should* give. Here everybody does: the text is sampled from a generator made of explicit
choices, so every document carries its exact log-probability. Its mean is the floor of the loss, and a
model's loss minus the floor is a KL divergence, not a matter of taste.

The rooms, in reading order:

    choice      weighted choices, and the two voices that make them: one writes, one reads
    lexicon     people, places, things, from the files under text/
    holdout     which combinations are kept for testing
    scene       the state of a document half told, and the small language of conditions and effects
    wording     sentence forms with slots; names and pronouns by rule
    story       latent plans and events with preconditions: stories, dialogues, letters, notices, sums
    facts       true sentences with known, unequal frequencies
    riddles     clues, a question and the one answer that fits
    reading     the parser: exact marginal log-probability, and the true next-word distribution
    world       World and Document: the stream
    floor       the floor of the loss, and a bigram model beside it
    telling     a story told on purpose, sentence by sentence
    probes      a question with ways to go on, and how an experiment is scored
    experiments six experiments, each in a split that no training document touches
    instructions    tasks with exact checkers, made of answers, phrasebook, staging, tasks and split_sampler

What is said, and of whom, stands in `text/*.toml`; a teacher can add to it or translate it without
touching the code.

>>> from minillm.world import World
>>> document = World(seed=3).document(1)
>>> World(seed=3).log_prob(document.text) == float("-inf")
False
"""

from minillm.world import experiments
from minillm.world.floor import Floor, bigram_loss, floor
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
