"""minillm: a decoder-only language model in small, readable rooms.

Shape legend, the same in every file, lesson and figure:
B batch, T query position, S key position, C d_model, H heads, K key/value heads, D head dim, F feed-forward dim,
V vocabulary, L layers.

Read in the order in which data flows:
text -> `tokenizer` -> `data` -> `model` -> `training` -> `inference` -> text.
"""

from minillm.config import ModelConfig
from minillm.model.transformer import Transformer

__all__ = ["ModelConfig", "Transformer"]
__version__ = "0.1.0"
