import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sentencepiece import FORMS

from minillm.inference.text import TextStream
from minillm.tokenizer import Tokenizer

BYTES = Tokenizer.train(["abcab abc naïve 🐈"], vocab_size=262, special_tokens=["<|end|>"])
PIECES = Tokenizer.from_sentencepiece(FORMS["newer"])
LETTERS = st.text("abc", min_size=1, max_size=4)


def shown(tokenizer, ids, stop=()):
    text = TextStream(tokenizer, stop)
    pieces = [text.add(token) for token in ids]
    return pieces, "".join(pieces) + text.end(), text.stopped


def cut(text, stop):
    """By definition: letter by letter, until some stop string has just been written."""
    for end in range(len(text) + 1):
        written = [word for word in stop if text[:end].endswith(word)]
        if written:
            return text[: end - max(map(len, written))], True
    return text, False


@given(st.lists(st.integers(0, BYTES.vocab_size - 1)))
def test_any_tokens_give_the_text_of_the_whole(ids):
    """Any: also halves of characters, and special tokens."""
    assert shown(BYTES, ids)[1] == BYTES.decode(ids)


@given(st.text())
def test_a_tokenizer_that_puts_a_space_in_front(text):
    for form in FORMS.values():
        tokenizer = Tokenizer.from_sentencepiece(form)
        ids = tokenizer.encode(text)
        assert shown(tokenizer, ids)[1] == tokenizer.decode(ids)


@pytest.mark.parametrize("text", ["  two spaces", " ", "a", "", "🐈 cat"])
def test_the_first_space_of_a_text(text):
    ids = PIECES.encode(text)
    assert shown(PIECES, ids)[1] == PIECES.decode(ids)


@given(st.text("abc", max_size=30), st.lists(LETTERS, max_size=3), st.data())
def test_a_text_ends_before_its_stop_string_however_it_is_split(text, stop, data):
    stream, pieces = TextStream(BYTES, stop), []
    while (place := sum(map(len, pieces))) < len(text):
        length = data.draw(st.integers(1, len(text) - place))
        pieces.append(text[place : place + length])
    written = "".join(stream._release(piece) for piece in pieces)
    assert (written + stream.end(), stream.stopped) == cut(text, stop)


@given(st.text("abcé🐈", max_size=20), st.lists(LETTERS, max_size=3))
def test_tokens_and_stop_strings_together(text, stop):
    _, written, stopped = shown(BYTES, BYTES.encode(text), stop)
    assert (written, stopped) == cut(text, stop)


@given(st.text("abcé🐈", max_size=20), st.lists(LETTERS, max_size=3))
def test_nothing_waits_longer_than_it_must(text, stop):
    """What is held back is the longest end of the text that a stop string begins with, and nothing else."""
    stream, ids, written = TextStream(BYTES, stop), BYTES.encode(text), ""
    for count, token in enumerate(ids, start=1):
        written += stream.add(token)
        so_far = BYTES.decode(ids[:count]).rstrip("\N{REPLACEMENT CHARACTER}")
        if cut(so_far, stop)[1]:
            break
        waiting = [so_far[n:] for n in range(len(so_far)) if any(word.startswith(so_far[n:]) for word in stop)]
        assert written == so_far.removesuffix(max(waiting, key=len, default=""))


def test_an_empty_stop_string_is_refused():
    with pytest.raises(ValueError, match="a stop string is empty"):
        TextStream(BYTES, ["a", ""])
    with pytest.raises(ValueError, match="id 999 is not in this vocabulary"):
        TextStream(BYTES).add(999)
