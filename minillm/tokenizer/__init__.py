"""Text to ids and back: byte-level byte-pair encoding (BPE), learnt from scratch.

A model reads numbers. This folder turns any text into a list of them, and the list back into exactly that text.
Read the rooms in this order:

    alphabet        the 256 bytes everything starts from, and how files spell them
    composing       one spelling for "é", where a vocabulary wants it
    pre_tokenizers  a text is cut into words before anything is merged
    merging         the merges are applied to one word
    training        the merges are learnt from a corpus: the naive way, and a fast way that is equal
    files           tokenizer.json, tokenizer_config.json and GPT-2's two files
    tokenizer       `Tokenizer`, which puts them together
    sentencepiece   the tokenizers of Llama 2 and Mistral, which work on characters: read, and left to `tokenizers`

What is not here: chat templates are only carried (the chat room renders them), and other kinds of tokenizers (Unigram,
WordPiece) are refused by name.
"""

from minillm.tokenizer.alphabet import byte_to_unicode, spell, unspell
from minillm.tokenizer.pre_tokenizers import PATTERNS, split
from minillm.tokenizer.sentencepiece import SentencePieceTokenizer
from minillm.tokenizer.tokenizer import Tokenizer

__all__ = ["PATTERNS", "SentencePieceTokenizer", "Tokenizer", "byte_to_unicode", "spell", "split", "unspell"]
