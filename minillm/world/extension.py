"""Makes the world a corpus that `load_corpus` knows by name."""

from minillm.data.corpora import register_corpus
from minillm.world.corpus import load_world

register_corpus("world", load_world)
