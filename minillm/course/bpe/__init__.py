"""What lesson 01 uses of the package: texts, three vocabularies, and the real model on texts that are cut in any way.

documents            texts of Ottermere, the course's world, to learn from
show_counts          the most frequent pairs; `show_merges`: a vocabulary as it grew; `show_strips`: a text cut by it
against_library      the same merges by `tokenizers`, in Rust
babble               a text drawn from pairs of tokens
gpt2, smollm2        two vocabularies on which any function encodes the words; `compare`: on `manual_lines`, say
longest_match        the other algorithm: the longest entry that fits
bits_per_byte        what a text costs SmolLM2, cut by a function; `show_costs`: on 50 texts; `misread`: GPT-2's ids
capitals_after       of 20 capitals, how many the model names after " ", say; `after_lone_spaces`: what follows them
ngram_loss           the loss of counting, with any number of tokens as context, for the lab
forged               a user's message that ends its own turn, and the model's answers
"""

from minillm.course.bpe.learned import (
    against_library,
    babble,
    documents,
    show_counts,
    show_merges,
    show_strips,
    spelled,
)
from minillm.course.bpe.ngrams import ngram_loss
from minillm.course.bpe.reading import (
    after_lone_spaces,
    bits_per_byte,
    capitals_after,
    costs,
    forged,
    misread,
    show_costs,
)
from minillm.course.bpe.vocabularies import Vocabulary, compare, gpt2, longest_match, manual_lines, smollm2
from minillm.viz import diagrams

__all__ = [
    "Vocabulary",
    "after_lone_spaces",
    "against_library",
    "babble",
    "bits_per_byte",
    "capitals_after",
    "compare",
    "costs",
    "diagrams",
    "documents",
    "forged",
    "gpt2",
    "longest_match",
    "manual_lines",
    "misread",
    "ngram_loss",
    "show_costs",
    "show_counts",
    "show_merges",
    "show_strips",
    "smollm2",
    "spelled",
]
