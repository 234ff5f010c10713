"""Run a loaded model with one part replaced or removed, and let it write.

parts      `replaced` and `without`: the model with other parts, inside a `with` block
attending  an attention layer computed by other functions: whole heads, or their steps
whole      a whole model computed by one function of ids and weights
calls      how a part is called, and what is said where it returns something else than a part should
writing    `write`: continue a text, with the KV cache where the parts allow it
cutting    `cut`: let a function that encodes one word cut whole texts
reading    `next_logits`, `token_probabilities`: what a model expects of a text
meters     `capitals`, `revenge`, `preferred`: short tests of what a model can still do
vectors    `read_vectors`, `vector_states`: what a model makes of a vector that stands in place of a word
removal    `removal`: what each part is worth, beside the size of what it adds
weights    `zeroed`, `zeroed_at_random`, `without_neurons`: without single weights, and which of them write most
adding     `appended`: a neuron more; `blurred`: a part whose output is its mean

>>> from minillm import ModelConfig, Transformer
>>> from minillm.analysis import surgery
>>> import torch
>>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
>>> def first_value(query, key, value, visible):
...     return value[:1].expand(len(query), -1)
>>> with surgery.replaced(model, attention=first_value):
...     broken = model(torch.tensor([[1, 2, 3]]))
>>> torch.allclose(broken, model(torch.tensor([[1, 2, 3]])))
False
"""

from minillm.analysis.surgery.adding import appended, blurred, output_means
from minillm.analysis.surgery.cutting import EncodeWord, byte_ids, cut, merges_of
from minillm.analysis.surgery.meters import capitals, preferred, revenge
from minillm.analysis.surgery.parts import PARTS, replace, replaced, without
from minillm.analysis.surgery.reading import Read, next_logits, token_probabilities
from minillm.analysis.surgery.removal import SORTS, Removal, rank_correlation, removal
from minillm.analysis.surgery.vectors import HOLE, embedding_with, ids_around, read_vectors, vector_states
from minillm.analysis.surgery.weights import (
    Candidate,
    super_weight_candidates,
    without_neurons,
    zeroed,
    zeroed_at_random,
)
from minillm.analysis.surgery.whole import reason_against
from minillm.analysis.surgery.writing import continuation, prompt_ids, write

__all__ = [
    "HOLE",
    "PARTS",
    "SORTS",
    "Candidate",
    "EncodeWord",
    "Read",
    "Removal",
    "appended",
    "blurred",
    "byte_ids",
    "capitals",
    "continuation",
    "cut",
    "embedding_with",
    "ids_around",
    "merges_of",
    "next_logits",
    "output_means",
    "preferred",
    "prompt_ids",
    "rank_correlation",
    "read_vectors",
    "reason_against",
    "removal",
    "replace",
    "replaced",
    "revenge",
    "super_weight_candidates",
    "token_probabilities",
    "vector_states",
    "without",
    "without_neurons",
    "write",
    "zeroed",
    "zeroed_at_random",
]
