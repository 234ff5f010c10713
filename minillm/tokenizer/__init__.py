"""Text to ids and back: byte-level byte-pair encoding (BPE), trained from scratch.

A model reads numbers. This package turns any text into a list of them, and the list back into exactly that text.
Read the modules in this order:

    alphabet        the 256 bytes everything starts from, and how files spell them
    composing       one spelling for "é", where a vocabulary wants it
    pre_tokenizers  a text is cut into words before anything is merged
    merging         the merges are applied to one word: naively, and by a fast way that gives the same
    training        the merges are learned from a corpus: naively, and by a fast way that gives the same
    text_model      what a tokenizer needs of an algorithm that encodes ordinary text (a Protocol), and two of them:
    byte_level      split, alphabet and merges put together: ordinary text to ids
    sentencepiece   the same for the tokenizers of Llama 2 and Mistral, which work on characters: run by `tokenizers`
    files           tokenizer.json, tokenizer_config.json and GPT-2's two files
    tokenizer       `Tokenizer`: one of the two, with its vocabulary and special tokens

Left out: chat templates are only stored (`data/chat.py` renders them), and other kinds of tokenizers (Unigram,
WordPiece) are refused by name.
"""

from minillm.tokenizer.alphabet import byte_to_unicode, spell, unspell
from minillm.tokenizer.pre_tokenizers import PATTERNS, split
from minillm.tokenizer.tokenizer import Tokenizer

__all__ = ["PATTERNS", "Tokenizer", "byte_to_unicode", "spell", "split", "unspell"]
