"""The tokenizer. The oracle is the `tokenizers` library; the rest are properties and cases worked by hand."""

import copy
import itertools
import json
import pickle
import random
import subprocess
import sys
import tracemalloc
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest
import regex
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from minillm.assets import cached
from minillm.tokenizer import PATTERNS, Tokenizer, byte_to_unicode, merging, spell, split, unspell
from minillm.tokenizer.composing import compose, in_order
from minillm.tokenizer.merging import WordCache, adjacent_pairs, merge_pair, merge_word, merge_word_naive
from minillm.tokenizer.pre_tokenizers import LAST_SURE_CUT
from minillm.tokenizer.text_model import TextModel
from minillm.tokenizer.training import ALPHABET, count_pairs, count_words, learn_merges, learn_merges_naive

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
GPT2_FILES = [(cached("gpt2-tokenizer") or Path("nowhere")) / name for name in ("vocab.json", "merges.txt")]
SHAKESPEARE = SHARED / "tinyshakespeare.txt"
needs_gpt2 = pytest.mark.skipif(not all(path.is_file() for path in GPT2_FILES), reason="minillm fetch gpt2-tokenizer")
needs_shakespeare = pytest.mark.skipif(not SHAKESPEARE.is_file(), reason=f"no {SHAKESPEARE}")

TEXTS = {
    "english": "The cat sat on the mat. It's the cat's mat, isn't it? THE CAT'S! They'll see, we've seen, I'd say. "
    * 3,
    "code": "def add(a, b):\n    return a + b\n\n\nfor i in range(10):\n\tprint(f'{i:>4}', add(i, -1))  # done\r\n" * 3,
    "russian": "Кошка сидит на ковре, и ковёр этой кошке нравится. Кошка спит; ковёр молчит. " * 3,
    "greek": "Ἡ γάτα κάθεται στο χαλί. Το χαλί είναι της γάτας. " * 3,
    "chinese": "猫坐在垫子上。垫子是猫的,猫喜欢垫子。今天是2024年5月17日。" * 3,
    "japanese": "猫がマットの上に座った。マットは猫のものだ。ネコはネコである。" * 3,
    "hindi": "बिल्ली चटाई पर बैठी है। चटाई बिल्ली की है। १२३४ बिल्लियाँ। " * 3,
    "arabic": "القطة تجلس على السجادة. السجادة للقطة، والقطة تحبها. ٢٠٢٤ " * 3,
    "korean": "고양이가 매트 위에 앉았다. 매트는 고양이의 것이다. " * 3,
    "emoji": "👩‍👩‍👧‍👦👍🏽🏴󠁧󠁢󠁥󠁮󠁧󠁿🇫🇷 naïve café café ﬁn ½ Ⅻ x²  ​ \u200d \ufeff\x00\x7f\x85\xa0\u2028\u3000 " * 3,
    "spaces": " a  b   c\n\n d \n e\t\t\tf \r\n\r\n  \n  12  345   6789 \n1\n\n2   ",
    "runs": "aaaa aaaaaaa bbb abababab aabbaabb ababa zzzzzzzzzzzzzzzz " * 2,
}

# `tokenizers` knows Unicode up to 16. A younger character may be a letter to one engine and nothing to the other.
UNICODE = unicodedata if int(unicodedata.unidata_version.split(".")[0]) <= 16 else unicodedata.ucd_3_2_0
ASSIGNED = [chr(code) for code in range(sys.maxunicode + 1) if UNICODE.category(chr(code)) not in ("Cn", "Cs", "Co")]
untimed = settings(deadline=None)
known_text = st.text(st.sampled_from(ASSIGNED) | st.sampled_from("ab 'sSLl12\t\n\r.é"))
tied_text = st.text(alphabet="ab é1\n", max_size=60)


# As the model families publish them in their tokenizer.json: not taken from the package, which must equal them.
PUBLISHED = {
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def library_split(name):
    """The same split built from the library's own parts."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if name in ("gpt2", "smollm"):
        return pre_tokenizers.Sequence([digits, whole]) if name == "smollm" else whole
    pattern = pre_tokenizers.Split(tokenizers.Regex(PUBLISHED[name]), behavior="isolated")
    return pre_tokenizers.Sequence([pattern, bytes_only])


def library_train(texts, vocab_size, special_tokens=(), pre_tokenizer="gpt2"):
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = library_split(pre_tokenizer)
    library.decoder = tokenizers.decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(special_tokens), initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(texts, trainer)
    return library


def library_merges(library):
    return [(unspell(left), unspell(right)) for left, right in json.loads(library.to_str())["model"]["merges"]]


def assert_equal_to_library(ours, library):
    assert ours.merges == library_merges(library)
    theirs = {id: token for token, id in library.get_vocab().items()}
    specials = set(ours.special_tokens.values())
    assert {id: token.decode() if id in specials else spell(token) for id, token in ours.vocab.items()} == theirs


@pytest.fixture(scope="module")
def trained():
    return Tokenizer.train(TEXTS.values(), 700, ["<|end|>", "<|end|>|>", "<|user|>"])


# --- the byte alphabet ----------------------------------------------------------------------------------------------


def test_byte_alphabet_is_the_librarys_in_the_order_of_its_ids():
    table = byte_to_unicode()
    assert sorted(table) == list(range(256))
    assert list(table.values()) == sorted(pre_tokenizers.ByteLevel.alphabet())


def test_spelling_is_the_librarys_for_every_byte_that_utf8_uses():
    library = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    text = "".join(map(chr, [*range(0x800), *range(0x1000, 0xD000, 0x40), *range(0x10000, 0x110000, 0x1000)]))
    assert "".join(word for word, _ in library.pre_tokenize_str(text)) == spell(text.encode())


@untimed
@given(st.binary())
def test_spelling_round_trips(token):
    assert unspell(spell(token)) == token


def test_unspell_names_the_character_that_spells_no_byte():
    with pytest.raises(ValueError, match="token 'a b' holds ' ', which spells no byte"):
        unspell("a b")


# --- the split ------------------------------------------------------------------------------------------------------


def library_words(text, name):
    return [unspell(word).decode() for word, _ in library_split(name).pre_tokenize_str(text)]


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_split_equals_the_library_on_many_scripts(text, name):
    assert split(text, name) == library_words(text, name)


@pytest.mark.parametrize("name", PATTERNS)
def test_split_equals_the_library_around_every_known_character(name):
    # Of the nine tenths that are ideographs and Hangul syllables, one in a hundred speaks for the others.
    uniform = regex.compile(r"[\p{Han}\p{Hangul}\p{Tangut}]")
    characters = [c for place, c in enumerate(ASSIGNED) if place % 100 == 0 or not uniform.match(c)]
    for start in range(0, len(characters), 1000):
        text = "\n".join(f"a{c}b1{c}1{c}{c} '{c}.{c}  {c}" for c in characters[start : start + 1000])
        ours, library = split(text, name), library_words(text, name)
        assert ours == library, next(pair for pair in zip(ours, library, strict=False) if pair[0] != pair[1])


@pytest.mark.parametrize("name", PATTERNS)
@untimed
@given(text=known_text)
def test_split_equals_the_library_on_any_text(name, text):
    assert split(text, name) == library_words(text, name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt2", ["It", "'s", " 12345", ".", "\n ", " IT", "'", "S"]),
        ("smollm", ["It", "'s", " ", "1", "2", "3", "4", "5", ".", "\n ", " IT", "'", "S"]),
        ("llama3", ["It", "'s", " ", "123", "45", ".\n", " ", " IT", "'S"]),
        ("qwen2", ["It", "'s", " ", "1", "2", "3", "4", "5", ".\n", " ", " IT", "'S"]),
    ],
)
def test_what_tells_the_splits_apart(name, words):
    assert split("It's 12345.\n  IT'S", name) == words


@pytest.mark.parametrize("name", PATTERNS)
@untimed
@given(text=st.text())
def test_split_loses_nothing(name, text):
    assert "".join(split(text, name)) == text


def test_unknown_pre_tokenizer_lists_the_known_ones():
    with pytest.raises(
        ValueError, match="no pre-tokenizer is called 'gpt5'; choose one of gpt2, smollm, llama3, qwen2"
    ):
        Tokenizer.train(["a"], 256, pre_tokenizer="gpt5")


# --- training -------------------------------------------------------------------------------------------------------


def test_merges_of_the_paper_worked_by_hand():
    # Sennrich et al. 2016 count low 5, lower 2, newest 6, widest 3. es and st occur 9 times each, and e comes before s;
    # then est 9; then lo 7 and ow 7, and l comes before o; then low 7; then ew and we: ew 6 (newest), we 2 (lower).
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    by_hand = [(b"e", b"s"), (b"es", b"t"), (b"l", b"o"), (b"lo", b"w"), (b"e", b"w"), (b"n", b"ew")]
    assert learn_merges(counts, 6) == by_hand
    assert learn_merges_naive(counts, 6) == by_hand


@untimed
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=12) | st.text(max_size=4), st.integers(1, 3)),
    st.integers(0, 40),
)
def test_fast_trainer_equals_the_naive_one(word_counts, n_merges):
    assert learn_merges(word_counts, n_merges) == learn_merges_naive(word_counts, n_merges)


def varied(text):
    """The text, and 300 words of its characters, each of them up to four times, in any order: equal counts abound."""
    rng = random.Random(len(text))
    characters = sorted(set(text) - set(" \n\t\r"))
    words = ["".join(rng.choices(characters, k=rng.randint(1, 8))) for _ in range(300)]
    words = [word for times, word in enumerate(words) for _ in range(1 + times % 4)]
    rng.shuffle(words)
    return text + "".join(rng.choice([" ", " ", "\n", "", ". ", " 7"]) + word for word in words)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_merge_there_is_equals_the_librarys_on_many_scripts(text, name):
    specials = ["<|endoftext|>", "<|im_start|>"]
    texts = [varied(text), text]
    ours = Tokenizer.train(texts, 10_000, specials, name)
    assert 258 + 100 < ours.vocab_size < 10_000  # no pair is left
    assert_equal_to_library(ours, library_train(texts, 10_000, specials, name))


def test_those_texts_are_full_of_ties():
    alike = []  # by text, how many pairs of characters have one and the same count
    for text in map(varied, TEXTS.values()):
        pairs = Counter()
        for word, count in count_words([text]).items():
            for pair in pairwise(word):
                pairs[pair] += count
        alike.append(max(Counter(pairs.values()).values()))
    assert fmean(alike) > 30


@untimed
@given(st.lists(tied_text | known_text, min_size=1), st.integers(256, 400), st.sampled_from(sorted(PATTERNS)))
def test_training_equals_the_library_on_any_texts(texts, vocab_size, name):
    if not any(texts):
        texts = ["a"]
    ours = Tokenizer.train(texts, vocab_size, (), name)
    assert_equal_to_library(ours, library_train(texts, vocab_size, (), name))


@needs_shakespeare
def test_training_equals_the_library_on_a_megabyte():
    text = SHAKESPEARE.read_text(encoding="utf-8")
    ours, library = Tokenizer.train([text], 4096), library_train([text], 4096)
    assert len(ours.merges) == 4096 - 256
    assert_equal_to_library(ours, library)
    assert ours.encode(text) == library.encode(text).ids


def test_a_word_of_a_million_letters_is_learned_from():
    # Each merge joins two of the longest token there is. With the square of its length this would take an hour.
    merges = Tokenizer.train(["ab" * 2**19], 275).merges
    assert merges == [(b"a", b"b"), *((b"ab" * 2**half,) * 2 for half in range(18))]


def test_a_text_too_small_gives_a_smaller_vocabulary():
    tokenizer = Tokenizer.train(["aab"], 1000)
    assert tokenizer.merges == [(b"a", b"a"), (b"aa", b"b")]
    assert tokenizer.vocab_size == 258


def test_words_are_counted_text_by_text():
    assert count_words(["a b", "", " b"]) == Counter({" b": 2, "a": 1})


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (dict(texts="one text", vocab_size=300), TypeError, r"one str was given where several.*pass \['one text'\]"),
        (dict(texts=["a"], vocab_size=300, special_tokens="<s>"), TypeError, r"pass \['<s>'\]"),
        (dict(texts=iter(["a", 5]), vocab_size=300), TypeError, r"texts\[1\] is of type int"),
        (dict(texts=[], vocab_size=300), ValueError, "texts holds no character"),
        (dict(texts=["", ""], vocab_size=300), ValueError, "texts holds no character"),
        (dict(texts=["a"], vocab_size=255), ValueError, "vocab_size is 255; it must be at least 256"),
        (dict(texts=["a"], vocab_size=256, special_tokens=["<s>"]), ValueError, "at least 257 .* 1 special"),
        (dict(texts=["a"], vocab_size=2**21), ValueError, "vocab_size is 2097152; .* at most 1114112"),
        (dict(texts=["a"], vocab_size=300, special_tokens=["<s>", "<s>"]), ValueError, "names a token twice"),
        (dict(texts=["a"], vocab_size=300, special_tokens=[""]), ValueError, "special token is the empty text"),
        (
            dict(texts=["the the"], vocab_size=300, special_tokens=["the"]),
            ValueError,
            "'the' is spelled like an ordinary",
        ),
        (dict(texts=["a"], vocab_size=300, special_tokens=["é"]), ValueError, "'é' is spelled like an ordinary"),
        (dict(texts=["\ud800"], vocab_size=300), ValueError, r"'\\ud800', a lone surrogate"),
    ],
)
def test_training_refuses(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        Tokenizer.train(**arguments)


def test_wrong_types_get_a_sentence_without_the_type_checker_too():
    script = """
from minillm.tokenizer import Tokenizer
tokenizer = Tokenizer.train(["a"], 256)
for call in (lambda: Tokenizer.train(["a"], 300.5), lambda: tokenizer.encode(["a"]), lambda: tokenizer.encode(b"a")):
    try:
        call()
    except TypeError as error:
        print(error)
"""
    root = Path(__file__).resolve().parents[1]
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "vocab_size is 300.5; expected a whole number",
        "encode takes one str, not a list; encode_batch takes several",
        "encode takes one str, not a bytes; encode_batch takes several",
    ]


# --- merging one word -----------------------------------------------------------------------------------------------

pairs = st.text("abcd", min_size=2, max_size=2)


def merged_one_at_a_time(symbols, table):
    """The definition for any table: the leftmost pair of lowest rank, then look again."""
    while known := [pair for pair in adjacent_pairs(symbols) if pair in table]:
        best = min(known, key=lambda pair: table[pair])
        symbols = symbols.replace(best, table[best][1], 1)
    return symbols


@untimed
@given(st.text("abcd", max_size=40), st.dictionaries(pairs, st.sampled_from("abcd")))
def test_queue_merges_like_the_definition_on_any_table(symbols, becomes):
    table = {pair: (rank, symbol) for rank, (pair, symbol) in enumerate(becomes.items())}
    assert merge_word(symbols, table) == merged_one_at_a_time(symbols, table)


@untimed
@given(
    st.lists(st.integers(0, 3), max_size=40),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=12),
)
def test_naive_merging_of_ids_equals_the_queue_on_any_learned_table(ids, picked):
    table = {}  # merge n makes token 4 + n out of two earlier tokens
    for left, right in picked:
        new_id = 4 + len(table)
        table.setdefault((left % new_id, right % new_id), (len(table), new_id))
    in_symbols = {chr(left) + chr(right): (rank, chr(id)) for (left, right), (rank, id) in table.items()}
    assert merge_word_naive(ids, table) == list(map(ord, merge_word("".join(map(chr, ids)), in_symbols)))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_naive_forms_train_and_encode_like_the_tokenizer(text, name):
    words = count_words([text], name)
    tokenizer = Tokenizer.train([text], 300, pre_tokenizer=name)
    assert learn_merges_naive(words, 44) == tokenizer.merges
    id_of = {token: id for id, token in tokenizer.vocab.items()}
    table = {}
    for rank, (left, right) in enumerate(tokenizer.merges):
        table[id_of[left], id_of[right]] = rank, id_of[left + right]
    for word in words:
        ids = [id_of[bytes([byte])] for byte in word.encode()]
        assert merge_word_naive(ids, table) == tokenizer.encode(word)


@given(st.lists(st.integers(0, 3), max_size=30), st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_merging_a_pair_is_replace_on_a_string(ids, pair):
    symbols = "".join(map(chr, ids))
    assert "".join(map(chr, merge_pair(ids, pair, 9))) == symbols.replace(chr(pair[0]) + chr(pair[1]), chr(9))


@given(st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=9), st.integers(1, 5)), max_size=5))
def test_pairs_are_counted_as_often_as_their_words_occur(counted):
    words, counts = [word for word, _ in counted], [count for _, count in counted]
    assert count_pairs(words, counts) == Counter(pair for word, n in counted for pair in list(pairwise(word)) * n)


def test_the_first_256_ids_are_the_bytes_as_the_library_orders_them():
    assert [spell(token) for token in ALPHABET] == sorted(pre_tokenizers.ByteLevel.alphabet())


def test_the_first_learned_merge_goes_first_not_the_leftmost():
    # Left to right, "ab" would take the b. "bc" was learned first, so "a" stays alone.
    tokenizer = Tokenizer.from_bytes_unicode(["a", "b", "c", "bc", "ab"], ["b c", "a b"])
    assert [tokenizer.vocab[id] for id in tokenizer.encode("abc")] == [b"a", b"bc"]


@pytest.mark.parametrize("word", ["a" * 100_000, "ab" * 50_000, "ACGT" * 20_000 + "A"])
def test_a_very_long_word_equals_the_library(word):
    ours, library = Tokenizer.train([word[:3000]], 300), library_train([word[:3000]], 300)
    assert ours.encode(word) == library.encode(word).ids


def test_the_cache_forgets_and_stays_right(monkeypatch, trained):
    monkeypatch.setattr(merging, "CACHED_WORDS", 50)
    cache = WordCache(trained.model._merge)
    words = [f" {number:x}" for number in range(300)] + ["x" * (merging.LONGEST_CACHED_WORD + 1)]
    for word in words:
        assert cache[word] == cache[word] == trained.model._merge(word)
        assert len(cache) <= 50
    assert words[-1] not in cache


# --- the composed form ----------------------------------------------------------------------------------------------

MARKS = [character for character in ASSIGNED if unicodedata.category(character).startswith("M")]
known_marks = st.sampled_from(MARKS) | st.sampled_from("\u0300\u0301\u0315\u0316\u0344\u034f\u0f73\u0345")


@untimed
@given(
    st.lists(st.tuples(st.text("aeo \u1100\u1161", max_size=3), st.text(known_marks, max_size=9), st.integers(1, 40)))
)
def test_composing_is_pythons(pieces):
    text = "".join(letters + marks * times for letters, marks, times in pieces)
    assert compose(text) == unicodedata.normalize("NFC", text)


@untimed
@given(st.text(known_marks, min_size=64, max_size=100))
def test_marks_in_order_mean_what_they_meant(marks):
    assert unicodedata.normalize("NFC", "a" + in_order(marks)) == unicodedata.normalize("NFC", "a" + marks)


def test_a_letter_under_a_million_marks():
    n = 2**19
    assert compose("a" + "\u0315\u0300" * n) == "à" + "\u0300" * (n - 1) + "\u0315" * n


# --- encoding and decoding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PATTERNS)
def test_encoding_equals_the_library_on_texts_it_was_not_trained_on(name):
    corpus = [TEXTS[name] for name in ("english", "russian", "hindi", "code", "runs")]
    ours, library = Tokenizer.train(corpus, 600, (), name), library_train(corpus, 600, (), name)
    for text in (*TEXTS.values(), "\n".join(TEXTS.values())):
        assert ours.encode(text) == library.encode(text).ids
    assert ours.encode_batch(TEXTS.values()) == [library.encode(text).ids for text in TEXTS.values()]


@untimed
@given(text=st.text())
def test_every_text_round_trips(trained, text):
    assert trained.decode(trained.encode(text)) == text
    assert trained.decode(trained.encode(text, allow_special=True)) == text


@untimed
@given(data=st.binary())
def test_every_byte_string_can_be_written_in_ids(trained, data):
    id_of_byte = {token[0]: id for id, token in trained.vocab.items() if len(token) == 1}
    ids = [id_of_byte[byte] for byte in data]
    assert trained.decode_bytes(ids) == data
    assert trained.decode(ids) == data.decode("utf-8", errors="replace")


def test_half_a_character_shows_as_a_replacement(trained):
    first_of_four = trained.encode("\U0010fffd")[:1]
    assert trained.decode(first_of_four) == "\ufffd"
    assert trained.decode_bytes(first_of_four) == b"\xf4"


def test_ids_of_other_number_types_decode(trained):
    torch = pytest.importorskip("torch")
    assert trained.decode(torch.tensor(trained.encode("the cat"))) == "the cat"


@pytest.mark.parametrize("id", [-1, 700, 10**9])
def test_ids_out_of_range_are_named(trained, id):
    with pytest.raises(ValueError, match=f"id {id} is not in this vocabulary of size 700: .* end at 699"):
        trained.decode([5, id])


def test_a_lone_surrogate_is_refused_with_a_remedy_that_works(trained):
    broken = "a\ud83d b"
    with pytest.raises(ValueError, match=r"the text holds '\\ud83d', a lone surrogate.*Clean it") as caught:
        trained.encode(broken)
    assert "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')" in str(caught.value)
    assert trained.decode(trained.encode(broken.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))


def test_encode_iterable_reads_no_further_than_it_must(trained):
    read = []

    def lines():
        for line in ("the cat", " sat", "\n"):
            read.append(line)
            yield line

    ids = trained.encode_iterable(lines())
    assert read == []
    first = next(ids)
    assert read == ["the cat"]
    assert [first, *ids] == trained.encode("the cat sat\n")


@untimed
@given(
    pieces=st.lists(st.text(st.sampled_from("aé1 '\n\r\t.,slS<|end>\u0301\u00a0"), max_size=8), max_size=8),
    name=st.sampled_from(sorted(PATTERNS)),
    normalizer=st.sampled_from([None, "NFC"]),
    allow_special=st.booleans(),
    mark=st.sampled_from(["<|end|>", "<| |>"]),
)
def test_a_text_in_pieces_has_the_ids_of_the_whole(pieces, name, normalizer, allow_special, mark):
    vocab = {byte: bytes([byte]) for byte in range(256)} | {300: mark.encode()}
    words = ["  ", "\n\n", ".\n", "'s", "'l", "'ll", "11", " a", "\r\n", " .", "aé", "..."]
    merges = []
    for word in map(str.encode, words):
        for end in range(2, len(word) + 1):
            if word[:end] not in vocab.values():
                vocab[256 + len(merges)] = word[:end]
                merges.append((word[: end - 1], word[end - 1 : end]))
    tokenizer = Tokenizer(vocab, merges, {mark: 300}, name, normalizer=normalizer)
    pieces = [piece + extra for piece in pieces for extra in ("", mark[:3], mark[3:])]
    whole = tokenizer.encode("".join(pieces), allow_special)
    assert list(tokenizer.encode_iterable(pieces, allow_special)) == whole


def test_an_open_file_has_the_ids_of_its_text(trained, tmp_path):
    text = "".join(TEXTS.values()) + "\n\n  def f(x):\n\n\treturn x\n"
    (tmp_path / "text").write_text(text, encoding="utf-8")
    with open(tmp_path / "text", encoding="utf-8") as file:
        ids = list(trained.encode_iterable(file))
    assert ids == trained.encode((tmp_path / "text").read_text(encoding="utf-8"))
    assert ids != [id for line in text.splitlines(True) for id in trained.encode(line)]  # blank lines join


@pytest.mark.parametrize("name", PATTERNS)
def test_a_sure_cut_is_a_cut(name):
    """Every short text of characters that patterns tell apart."""
    for text in map("".join, itertools.product("a1.' \n\t", repeat=5)):
        cut = LAST_SURE_CUT.search(text)
        if cut is not None:
            assert split(text[: cut.start()], name) + split(text[cut.start() :], name) == split(text, name)


def test_a_long_stream_needs_no_more_memory_than_a_short_one(monkeypatch, trained):
    monkeypatch.setattr(merging, "CACHED_WORDS", 100)
    tokenizer = copy.deepcopy(trained)

    def peak(lines):
        """Bytes while so many lines are encoded, most of whose words are new."""
        stream = (
            f"the cat {number:x} sat {number * 7919} on 猫{chr(0x4E00 + number % 9973)}\n" for number in range(lines)
        )
        tracemalloc.start()
        try:
            n_ids = sum(1 for _ in tokenizer.encode_iterable(stream))
            return n_ids, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, short = peak(200)
    many, long = peak(2_000)
    assert many > 9 * few
    assert long < 1.1 * short


def test_one_str_in_place_of_several_is_refused_at_once(trained):
    for method in (trained.encode_batch, trained.encode_iterable):
        with pytest.raises(TypeError, match=r"one str was given where several are expected; pass \['hello'\]"):
            method("hello")


def test_copies_and_worker_processes_get_an_equal_tokenizer(trained):
    text = TEXTS["english"]
    for twin in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert twin.encode(text) == trained.encode(text)


class BackwardsModel:
    """A third algorithm: one id per character, from the last to the first."""

    pre_tokenizer, ignore_merges, normalizer = "none", False, None

    def encode(self, text):
        return [ord(character) for character in reversed(text)]

    encode_rest = encode

    def whole_words(self, pieces):
        yield "".join(pieces)

    def decode(self, ids, data):
        return data.decode()[::-1]

    def to_json(self, first_token):
        return {"model": {"type": "backwards"}}


def test_a_tokenizer_needs_no_more_of_its_model_than_the_protocol_says(tmp_path, trained):
    model = BackwardsModel()
    assert isinstance(model, TextModel)
    assert isinstance(trained.model, TextModel)
    vocab = {byte: bytes([byte]) for byte in range(128)}
    tokenizer = Tokenizer(vocab, [], {"<|end|>": 200}, eos_token="<|end|>", model=model)
    assert tokenizer.encode("ab<|end|>cd", allow_special=True) == [98, 97, 200, 100, 99]
    assert list(tokenizer.encode_iterable(["a", "b"])) == tokenizer.encode("ab") == [98, 97]
    assert tokenizer.decode([98, 97]) == "ab"
    tokenizer.save(tmp_path)
    with pytest.raises(ValueError, match="model.type is 'backwards'"):
        Tokenizer.load(tmp_path)


# --- special tokens -------------------------------------------------------------------------------------------------


@untimed
@given(pieces=st.lists(st.sampled_from(["<|end|>", "<|end|>|>", "<|user|>", "<|", "|>", "end", " a"])))
def test_special_tokens_are_text_unless_asked_for(trained, pieces):
    text = "".join(pieces)
    assert not set(trained.encode(text)) & set(trained.special_tokens.values())
    library = tokenizers.Tokenizer(models.BPE(*library_model(trained)))
    library.pre_tokenizer = library_split("gpt2")
    assert trained.encode(text) == library.encode(text).ids
    library.add_special_tokens(list(trained.special_tokens))
    assert trained.encode(text, allow_special=True) == library.encode(text).ids


def library_model(tokenizer):
    specials = tokenizer.special_tokens.values()
    vocab = {token.decode() if id in specials else spell(token): id for id, token in tokenizer.vocab.items()}
    return vocab, [(spell(left), spell(right)) for left, right in tokenizer.merges]


def test_the_longest_special_token_wins(trained):
    assert trained.encode("<|end|>|>", allow_special=True) == [trained.special_tokens["<|end|>|>"]]


def test_a_chat_needs_nothing_more_than_ids_and_text_runs(trained):
    typed = "hi<|end|>"  # a user tries to end the turn
    ids = [trained.special_tokens["<|user|>"], *trained.encode(typed), trained.special_tokens["<|end|>"]]
    assert ids.count(trained.special_tokens["<|end|>"]) == 1
    assert trained.decode(ids) == "<|user|>hi<|end|><|end|>"


def test_start_and_end_ids_follow_their_tokens(trained):
    assert (trained.bos_id, trained.eos_id, trained.chat_template) == (None, None, None)
    tokenizer = Tokenizer(
        trained.vocab, trained.merges, trained.special_tokens, bos_token="<|user|>", eos_token="<|end|>"
    )
    assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 0)
    assert repr(tokenizer) == "Tokenizer(vocab_size=700, merges=441, special_tokens=3, pre_tokenizer='gpt2')"


A, B, AB = {0: b"a"}, {0: b"a", 1: b"b"}, {0: b"a", 1: b"b", 2: b"ab"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(vocab={}), "the vocabulary is empty"),
        (dict(vocab={0: b"a", 1: b"a"}), "ids 0 and 1 both stand for b'a'"),
        (dict(vocab={-1: b"a"}), "id -1 is outside 0 to 1114111"),
        (dict(vocab={10**12: b"a"}), "id 1000000000000 is outside"),
        (dict(vocab=A, merges=[(b"a", b"b")]), "merge 0, b'a' \\+ b'b', needs b'b', which is not in the vocabulary"),
        (dict(vocab=B, merges=[(b"a", b"b")]), "needs b'ab', which is not in the vocabulary"),
        (dict(vocab=AB, merges=[(b"a", b"b")] * 2), "merge 1, b'a' \\+ b'b', is merge 0 again"),
        (dict(vocab=A, special_tokens={"<s>": 0}), "special token '<s>' has id 0, which stands for b'a'"),
        (dict(vocab=A, special_tokens={"<s>": 3, "<e>": 3}), "two special tokens have the same id"),
        (dict(vocab=AB, merges=[(b"a", b"b")], special_tokens={"ab": 2}), "'ab' is spelled like an ordinary token"),
        (dict(vocab=A, special_tokens={"": 1}), "special token is the empty text"),
        (dict(vocab=A, bos_token="<s>"), "bos_token '<s>' is not among the special tokens \\[\\]"),
        (dict(vocab=A, eos_token="<e>"), "eos_token '<e>' is not among the special tokens"),
        (dict(vocab=A, normalizer="NFKC"), "normalizer is 'NFKC'; only 'NFC' or None"),
        (dict(vocab=A, pre_tokenizer="bert"), "no pre-tokenizer is called 'bert'"),
    ],
)
def test_a_vocabulary_that_cannot_be_right_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Tokenizer(**{"merges": [], "special_tokens": {}} | arguments)


# --- GPT-2's files and GGUF's lists ---------------------------------------------------------------------------------


@needs_gpt2
def test_gpt2_reads_hello_as_15496_and_everything_else_as_the_library_does():
    gpt2 = Tokenizer.from_gpt2_files(*GPT2_FILES, special_tokens=["<|endoftext|>", "<|user|>"])
    library = tokenizers.ByteLevelBPETokenizer(*map(str, GPT2_FILES), add_prefix_space=False)
    assert gpt2.encode("Hello") == [15496]
    assert gpt2.special_tokens == {"<|endoftext|>": 50256, "<|user|>": 50257}
    assert gpt2.encode("Hello<|endoftext|>", allow_special=True) == [15496, 50256]
    for text in TEXTS.values():
        assert gpt2.encode(text) == library.encode(text).ids
    assert gpt2.decode([15496, 50256]) == "Hello<|endoftext|>"


@needs_gpt2
def test_gpt2_without_special_tokens_never_makes_the_end_token_from_text():
    gpt2 = Tokenizer.from_gpt2_files(*GPT2_FILES)
    assert gpt2.vocab_size == 50257
    assert 50256 not in gpt2.encode("<|endoftext|>", allow_special=True)


@pytest.mark.parametrize(
    ("vocab", "merges", "sentence"),
    [
        ('{"a": 0, "b": 1', "", "vocab.json: this is not complete JSON"),
        ("[]", "", "vocab.json: the file holds a list; expected a JSON object"),
        ('{"a": "0"}', "", "vocab.json with .*merges.txt: token 'a' has id '0'; an id is a whole number"),
        ('{"a": 0, "b": 1}', "#version: 0.2\na b\n", "vocab.json with .*merges.txt: merge 0, b'a' . b'b', needs b'ab'"),
        ('{"a": 0, "b": 1}', "a b c\n", "merges.txt: merge 'a b c' does not name two tokens"),
        ('{"a": 0, "b b": 1}', "", "token 'b b' holds ' ', which spells no byte"),
    ],
)
def test_broken_gpt2_files_are_refused_by_name(tmp_path, vocab, merges, sentence):
    paths = tmp_path / "vocab.json", tmp_path / "merges.txt"
    for path, text in zip(paths, (vocab, merges), strict=True):
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        Tokenizer.from_gpt2_files(*paths)


def test_the_lists_of_a_gguf_file_give_the_same_tokenizer(trained):
    vocab, merges = library_model(trained)
    tokens = sorted(vocab, key=vocab.get)
    twin = Tokenizer.from_bytes_unicode(
        tokens, [" ".join(merge) for merge in merges], list(trained.special_tokens), eos_token="<|end|>"
    )
    assert (twin.vocab, twin.merges, twin.special_tokens) == (trained.vocab, trained.merges, trained.special_tokens)
    assert twin.eos_id == trained.special_tokens["<|end|>"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(tokens=["a", "a"], merges=[]), "token 'a' has two ids, 0 and 1"),
        (dict(tokens={"a": 0, "b": 0}, merges=[]), "id 0 is given to both 'a' and 'b'"),
        (dict(tokens={"a": True}, merges=[]), "token 'a' has id True; an id is a whole number"),
        (dict(tokens=["a"], merges=["a"]), "merge 'a' does not name two tokens; write it as"),
        (dict(tokens=["a"], merges=[["a", 1]]), "merge .'a', 1. does not name two tokens"),
        (dict(tokens=["a"], merges=[], special_tokens=["<s>"]), "special token '<s>' is not in the vocabulary"),
    ],
)
def test_spelled_vocabularies_are_refused_when_wrong(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Tokenizer.from_bytes_unicode(**arguments)


def test_a_byte_that_the_vocabulary_lacks_is_named_not_dropped():
    # SmolLM2's vocabulary has no token for some control characters; the library drops them in silence.
    tokenizer = Tokenizer.from_bytes_unicode(["a", "b"], [])
    assert tokenizer.encode("ab") == [0, 1]
    with pytest.raises(ValueError, match=r"no token for byte 0x04, a part of '\\x04'; take that character out"):
        tokenizer.encode("a\x04")


# --- tokenizer.json -------------------------------------------------------------------------------------------------

SPECIALS = ["<|end|>", "<|start|>", "<|é x|>"]
SAMPLE = "".join(TEXTS.values()) + "<|end|> and <|é x|>\n"


@pytest.mark.parametrize("name", PATTERNS)
def test_what_we_save_the_library_reads_with_equal_ids(tmp_path, name):
    ours = Tokenizer.train(TEXTS.values(), 600, SPECIALS, name)
    ours.save(tmp_path / "new" / "folder")
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "new" / "folder" / "tokenizer.json"))
    ids = ours.encode(SAMPLE, allow_special=True)
    assert library.encode(SAMPLE).ids == ids
    assert library.decode(ids, skip_special_tokens=False) == SAMPLE
    assert library.get_vocab_size() == ours.vocab_size


@pytest.mark.parametrize("name", PATTERNS)
def test_what_the_library_saves_we_read_with_equal_ids(tmp_path, name):
    library = library_train(TEXTS.values(), 600, SPECIALS, name)
    library.add_tokens(["<think>"])
    library.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    assert ours.model.pre_tokenizer == name
    assert ours.special_tokens == {"<|end|>": 0, "<|start|>": 1, "<|é x|>": 2, "<think>": 600}
    assert ours.encode(SAMPLE + "<think>", allow_special=True) == library.encode(SAMPLE + "<think>").ids
    assert ours.encode("plain text") == library.encode("plain text").ids


def test_the_librarys_ready_made_byte_level_bpe_loads(tmp_path):
    library = tokenizers.ByteLevelBPETokenizer()
    library.train_from_iterator(TEXTS.values(), vocab_size=500, special_tokens=["<s>"], show_progress=False)
    library.save(str(tmp_path / "tokenizer.json"))
    assert Tokenizer.load(tmp_path).encode(SAMPLE) == library.encode(SAMPLE).ids


# What stands around vocabulary and merges in the files that the families publish.
BOS = {"SpecialToken": {"id": "<|end|>", "type_id": 0}}
TEMPLATE_OF_LLAMA3 = {
    "type": "TemplateProcessing",
    "single": [BOS, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [0], "tokens": ["<|end|>"]}},
}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
REAL_SHAPES = {
    "gpt2": {"post_processor": BYTE_LEVEL, "decoder": BYTE_LEVEL},
    "smollm": {"post_processor": None, "decoder": BYTE_LEVEL},
    "llama3": {
        "post_processor": {
            "type": "Sequence",
            "processors": [BYTE_LEVEL | {"trim_offsets": False}, TEMPLATE_OF_LLAMA3],
        },
        "decoder": BYTE_LEVEL,
        "model": {"unk_token": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True},
    },
    "qwen2": {
        "normalizer": {"type": "NFC"},
        "post_processor": BYTE_LEVEL | {"add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "decoder": BYTE_LEVEL | {"add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {"continuing_subword_prefix": "", "end_of_word_suffix": "", "dropout": None},
    },
}


@pytest.mark.parametrize("name", REAL_SHAPES)
def test_files_in_the_shape_of_the_families_own_load_with_equal_ids(tmp_path, name):
    library = library_train(TEXTS.values(), 600, SPECIALS, name)
    library.add_tokens([tokenizers.AddedToken("<think>", normalized=False)])
    shape = dict(REAL_SHAPES[name])
    file = json.loads(library.to_str())
    file |= {"model": file["model"] | shape.pop("model", {})} | shape
    file["model"]["merges"] = [" ".join(merge) for merge in file["model"]["merges"]]  # as all wrote them until 2024
    (tmp_path / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    theirs, ours = tokenizers.Tokenizer.from_str(json.dumps(file)), Tokenizer.load(tmp_path)
    assert ours.model.pre_tokenizer == name
    for text in [*TEXTS.values(), SAMPLE + "<think>"]:
        assert ours.encode(text, allow_special=True) == theirs.encode(text, add_special_tokens=False).ids
        assert ours.decode(ours.encode(text)) == (unicodedata.normalize("NFC", text) if name == "qwen2" else text)


@pytest.mark.parametrize("name", PATTERNS)
def test_transformers_opens_what_we_save_and_we_open_what_it_saves(tmp_path, name):
    transformers = pytest.importorskip("transformers")
    trained = Tokenizer.train(TEXTS.values(), 500, SPECIALS, name)
    flags = {"normalizer": "NFC" if name == "qwen2" else None, "ignore_merges": name == "llama3"}  # as those have it
    ours = Tokenizer(trained.vocab, trained.merges, trained.special_tokens, name, **flags)
    ours.bos_token, ours.eos_token = "<|start|>", "<|end|>"
    ours.chat_template = "{% for m in messages %}<|start|>{{ m.content }}<|end|>{% endfor %}"
    ours.save(tmp_path / "ours")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert theirs.encode(SAMPLE) == ours.encode(SAMPLE, allow_special=True)
    assert theirs.decode(theirs.encode(SAMPLE)) == ours.decode(ours.encode(SAMPLE, allow_special=True))
    assert (theirs.bos_token_id, theirs.eos_token_id) == (ours.bos_id, ours.eos_id)
    chat = [{"role": "user", "content": "hi"}]
    assert theirs.apply_chat_template(chat, tokenize=False) == "<|start|>hi<|end|>"

    theirs.save_pretrained(tmp_path / "theirs")
    assert_same(Tokenizer.load(tmp_path / "theirs"), ours)


def assert_same(left, right):
    for name in ("vocab", "merges", "special_tokens", "chat_template", "bos_token", "eos_token"):
        assert getattr(left, name) == getattr(right, name), name
    for name in ("pre_tokenizer", "ignore_merges", "normalizer"):
        assert getattr(left.model, name) == getattr(right.model, name), name


def test_saving_and_loading_changes_nothing(tmp_path, trained):
    full = Tokenizer(
        trained.vocab,
        trained.merges,
        trained.special_tokens,
        pre_tokenizer="qwen2",
        chat_template="{{ messages }} é",
        bos_token="<|user|>",
        eos_token="<|end|>",
        ignore_merges=True,
        normalizer="NFC",
    )
    full.save(tmp_path)
    assert_same(Tokenizer.load(tmp_path), full)


@pytest.fixture
def saved(tmp_path):
    """A good tokenizer.json as a dict, and a function that writes a changed one and loads it."""
    Tokenizer.train(["the cat sat"], 260, ["<|end|>"]).save(tmp_path)
    good = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))

    def load(file, config=None):
        text = file if isinstance(file, str) else json.dumps(file)
        (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
        if config is not None:
            (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        return Tokenizer.load(tmp_path)

    return good, load


def test_older_spellings_of_the_file_are_read(saved):
    good, load = saved
    expected = load(good).encode("the cat sat")
    good["model"]["merges"] = [" ".join(merge) for merge in good["model"]["merges"]]
    del good["model"]["type"], good["decoder"], good["pre_tokenizer"]["use_regex"]
    assert load(good).encode("the cat sat") == expected


def test_merges_are_ignored_for_whole_words_where_the_file_says_so(saved):
    good, load = saved
    good["model"]["vocab"][" whole".replace(" ", "Ġ")] = 900  # a token that no merge makes
    assert 900 not in load(good).encode("the whole")
    good["model"]["ignore_merges"] = True
    library = tokenizers.Tokenizer.from_str(json.dumps(good))
    for text in ("the whole", " whole", "whole", " wholes", "the cat whole"):
        assert load(good).encode(text) == library.encode(text).ids
    assert 900 in load(good).encode("the whole")


def test_text_is_composed_where_the_file_says_so(saved):
    good, load = saved
    decomposed = unicodedata.normalize("NFD", "café Ångström 한국")
    good["normalizer"] = {"type": "NFC"}
    library = tokenizers.Tokenizer.from_str(json.dumps(good))
    assert load(good).encode(decomposed) == library.encode(decomposed).ids
    assert load(good).decode(load(good).encode(decomposed)) == unicodedata.normalize("NFC", decomposed)


def test_merges_out_of_order_give_the_librarys_ids(saved):
    # Llama 3's file lists some merges before the merge that makes one of their halves.
    _, load = saved
    tokens = ["a", "b", "c", "ab", "abc", "aba", "ca"]
    file = {
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "added_tokens": [],
        "model": {
            "type": "BPE",
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": ["ab c", "ab a", "c a", "a b"],
        },
    }
    ours, library = load(file), tokenizers.Tokenizer.from_str(json.dumps(file | {"version": "1.0"}))
    for text in ("ababc", "abcabc", "abababab", "cababca", "abcabab" * 5):
        assert ours.encode(text) == library.encode(text).ids


def test_config_may_be_missing_long_or_named(saved):
    good, load = saved
    good["added_tokens"].append({"id": 261, "content": "<s>", "special": True})
    config = {
        "bos_token": {"content": "<s>", "lstrip": False},
        "eos_token": "<|end|>",
        "chat_template": [{"name": []}, 7, {"name": "tool", "template": "no"}, {"name": "default", "template": "yes"}],
    }
    tokenizer = load(good, config)
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.chat_template) == (261, 0, "yes")


def test_a_start_token_that_is_only_in_the_vocabulary_becomes_special(saved):
    good, load = saved
    good["model"]["vocab"]["<s>"] = 261
    assert load(good, {"bos_token": "<s>"}).special_tokens == {"<|end|>": 0, "<s>": 261}


def test_a_template_file_beside_the_config_is_read(tmp_path, trained):
    trained.save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}é", encoding="utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.chat_template == "{{ bos_token }}é"
    loaded.chat_template = "{{ eos_token }}"
    loaded.save(tmp_path)  # and the file, which would be read in its place, is gone
    assert Tokenizer.load(tmp_path).chat_template == "{{ eos_token }}"


def changed(path, value):
    def change(file):
        *parents, last = path
        for key in parents:
            file = file[key]
        file[last] = value

    return change


REFUSED = {
    "model type": (["model", "type"], "Unigram", "model.type is 'Unigram'; only byte-level 'BPE'"),
    "no model": (["model"], None, "model is None; expected dict"),
    "model of another kind": (["model"], [1, 2], r"model is \[1, 2\]; expected dict"),
    "no merges": (["model", "merges"], None, "merges is None; expected list"),
    "vocabulary of another kind": (["model", "vocab"], ["a"], r"vocab is \['a'\]; expected dict"),
    "id of another kind": (["model", "vocab", "a"], "66", "token 'a' has id '66'; an id is a whole number"),
    "id given twice": (["model", "vocab", "a"], 5, "id 5 is given to both"),
    "negative id": (["model", "vocab", "a"], -5, "id -5 is outside 0 to"),
    "merge of unknown parts": (["model", "merges", 0], ["q", "qq"], "merge 0, b'q' . b'qq', needs b'qq'"),
    "merge with an unknown result": (["model", "merges", 0], "x y", "merge 0, b'x' . b'y', needs b'xy'"),
    "merge of three": (["model", "merges", 0], "x y z", "merge 'x y z' does not name two tokens"),
    "merge of another kind": (["model", "merges", 0], 7, "merge 7 does not name two tokens"),
    "merge not spelled in bytes": (["model", "merges", 0], ["€", "x"], "token '€' holds '€', which spells no byte"),
    "token not spelled in bytes": (["model", "vocab", "▁the"], 300, "token '▁the' holds '▁'"),
    "dropout": (["model", "dropout"], 0.1, "model.dropout is 0.1; only plain byte-level BPE"),
    "word ends": (["model", "end_of_word_suffix"], "</w>", "model.end_of_word_suffix is '</w>'"),
    "prefix": (["model", "continuing_subword_prefix"], "##", "model.continuing_subword_prefix is '##'"),
    "byte fallback": (["model", "byte_fallback"], True, 'pre_tokenizer is {"type": "ByteLevel".*; known beside byte'),
    "ignore_merges of another kind": (["model", "ignore_merges"], "yes", "ignore_merges is 'yes'; expected bool"),
    "lower case": (["normalizer"], {"type": "Lowercase"}, "normalizer is 'Lowercase'; only 'NFC' or none"),
    "decoder": (["decoder"], {"type": "Metaspace"}, "decoder is 'Metaspace'; only 'ByteLevel'"),
    "no pre-tokenizer": (["pre_tokenizer"], None, "pre_tokenizer is null, which is none of those known"),
    "pre-tokenizer": (["pre_tokenizer"], {"type": "Whitespace"}, 'pre_tokenizer is {"type": "Whitespace"}.*gpt2, smol'),
    "prefix space": (["pre_tokenizer", "add_prefix_space"], True, '"add_prefix_space": true.*none of those known'),
    "pre-tokenizer of another kind": (["pre_tokenizer"], {"type": "Sequence", "pretokenizers": [3]}, "holds 3"),
    "added tokens of another kind": (["added_tokens"], {"a": 1}, "added_tokens is {'a': 1}; expected list"),
    "added token of another kind": (["added_tokens", 0], "<s>", r"added_tokens\[0\] is '<s>'; expected an object"),
    "added token without text": (["added_tokens", 0], {"id": 0}, "content is missing"),
    "added token with two ids": (["added_tokens", 0, "id"], 3, "'<.end.>' has id 3, but id 0 in model.vocab"),
    "added token with a letter's id": (["added_tokens", 0], {"id": 9, "content": "<s>"}, "id 9 is given to both"),
    "added token that is a letter": (
        ["added_tokens", 0],
        {"id": 65, "content": "a"},
        "'a' is spelled like an ordinary",
    ),
    "added token that strips": (["added_tokens", 0, "lstrip"], True, r"added_tokens\[0\] has lstrip set"),
}


@pytest.mark.parametrize(("path", "value", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_right_is_refused_by_name(saved, path, value, sentence):
    good, load = saved
    changed(path, value)(good)
    with pytest.raises(ValueError, match=f"tokenizer.json: .*{sentence}"):
        load(good)


def test_a_token_matched_after_composing_is_refused(saved):
    good, load = saved
    good["normalizer"] = {"type": "NFC"}
    good["added_tokens"][0]["normalized"] = True
    with pytest.raises(ValueError, match=r"added_tokens\[0\] has normalized set"):
        load(good)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"eos_token": "<e>"}, "eos_token is '<e>', which tokenizer.json does not hold"),
        ({"bos_token": 5}, "bos_token is 5; expected a token or null"),
        ({"bos_token": {"content": None}}, "content is None; expected str"),
        ({"chat_template": 5}, "chat_template is of type int; expected a text"),
    ],
)
def test_a_wrong_config_is_refused_by_name(saved, config, sentence):
    good, load = saved
    with pytest.raises(ValueError, match=f"tokenizer_config.json: {sentence}"):
        load(good, config)


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no tokenizer.json; Tokenizer.save\(directory\) writes one"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "5", '"a"', "{", '{"model": {"type": "BPE"', "[" * 100_000, "\x00"])
def test_what_is_no_json_object_is_refused(saved, text):
    _, load = saved
    with pytest.raises(ValueError, match=r"tokenizer.json: (this is not complete JSON|the file holds a )"):
        load(text)


def test_a_file_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(b'{"model": "\xff"}')
    with pytest.raises(ValueError, match="tokenizer.json: 'utf-8' codec can't decode byte 0xff"):
        Tokenizer.load(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@untimed
@given(data=st.data())
def test_whatever_a_file_holds_it_loads_or_a_sentence_names_it(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("hostile")
    Tokenizer.train(["the cat"], 258, ["<|end|>"]).save(folder)
    path = folder / "tokenizer.json"
    file = json.loads(path.read_text(encoding="utf-8"))
    place = file
    while True:  # walk to any place of the file and put anything there
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    path.write_text(json.dumps(file), encoding="utf-8")
    try:
        sentence = None
        Tokenizer.load(folder)
    except ValueError as error:
        sentence = str(error)
    assert sentence is None or f"{path}: " in sentence
