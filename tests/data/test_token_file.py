import errno
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.token_file import HEADER, TokenFile, TokenFileError, cached_token_file, write_token_file

DOCUMENTS = [[5, 6, 7], [8], [9, 10]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "größe" / "a.tokens"


def write(path, documents=DOCUMENTS, vocab_size=300, source="these documents"):
    return write_token_file(path, documents, 0, vocab_size, source)


def listed(file):
    return [document.tolist() for document in file]


@given(st.data(), st.sampled_from([300, 65_536, 65_537, 1_000_000]))
def test_what_is_written_is_read_back(tmp_path_factory, data, vocab_size):
    documents = data.draw(st.lists(st.lists(st.integers(1, vocab_size - 1), max_size=9), max_size=9))
    path = tmp_path_factory.mktemp("tokens") / "a.tokens"
    file = write(path, documents, vocab_size)
    assert listed(file) == documents
    assert len(file) == len(documents)
    assert file.lengths.tolist() == [len(document) for document in documents]
    assert file.stream.tolist() == [token for document in documents for token in [*document, 0]]
    assert file.stream.dtype.itemsize == (2 if vocab_size <= 65_536 else 4)
    assert path.stat().st_size % 8 == 0


def test_the_tokens_stay_on_disk(path):
    file = write(path)
    assert isinstance(file.stream.base, np.memmap)
    assert np.shares_memory(file[0], file.stream)
    assert file[-1].tolist() == [9, 10]
    with pytest.raises(IndexError, match=r"document 3 does not exist: .* holds 3"):
        file[3]


def test_documents_are_written_as_they_come(path):
    """A stream is taken one by one, and while it lasts no file stands under the final name."""

    def stream():
        for document in DOCUMENTS:
            assert not path.exists()
            yield document

    assert listed(write(path, stream())) == DOCUMENTS
    assert [found.name for found in path.parent.iterdir()] == ["a.tokens"]


def test_a_broken_off_write_leaves_the_old_file(path):
    write(path)

    def stream():
        yield [1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, stream())
    assert listed(TokenFile(path)) == DOCUMENTS


@pytest.mark.parametrize("at", [0, 30, HEADER, HEADER + 3, -1], ids=["format", "header", "first id", "id", "bounds"])
def test_one_changed_byte_is_found(path, at):
    write(path)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(TokenFileError, match=r"a\.tokens"):
        TokenFile(path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda content: b"", "is not a token file"),
        (lambda content: content[:100], "is not a token file"),
        (lambda content: b"\xff" * 600, "is not a token file"),
        (lambda content: b"[1]".ljust(600), "is not a token file"),
        (lambda content: content[:-8], "has 560 bytes, and its header promises 568"),
        (lambda content: content + b"12345678", "has 576 bytes, and its header promises 568"),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(path, damage, sentence):
    write(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TokenFileError, match=sentence):
        TokenFile(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bits": 8}, "bits = 8"),
        ({"bits": True}, "bits = True"),
        ({"tokens": -1}, "tokens = -1"),
        ({"tokens": 10**30}, "its header promises"),
        ({"documents": "3"}, "documents = '3'"),
        ({"sha256": None}, "sha256 = None"),
        ({"format": "minillm tokens 2"}, "is not a token file of the form 'minillm tokens 1'"),
    ],
)
def test_a_hostile_header_is_refused(path, change, sentence):
    write(path)
    content = path.read_bytes()
    header = json.loads(content[:HEADER]) | change
    path.write_bytes(json.dumps(header).encode().ljust(HEADER) + content[HEADER:])
    with pytest.raises(TokenFileError, match=sentence):
        TokenFile(path)


@pytest.mark.parametrize("bounds", [[0, 6, 4, 9], [0, 4, 6, 10], [1, 4, 6, 9], [0, 4, 4, 9], [0, 2**63, 6, 9]])
def test_bounds_that_overlap_or_leave_the_file_are_refused_even_with_a_right_checksum(path, bounds):
    write(path)
    content = path.read_bytes()
    rest = content[HEADER : -8 * 4] + np.array(bounds, dtype="<u8").tobytes()
    header = json.loads(content[:HEADER]) | {"sha256": hashlib.sha256(rest).hexdigest()}
    path.write_bytes(json.dumps(header).encode().ljust(HEADER) + rest)
    with pytest.raises(TokenFileError, match="documents that overlap or leave its 9 tokens"):
        TokenFile(path)


@pytest.mark.parametrize(("token", "vocab_size"), [(300, 300), (-1, 300), (70_000, 65_536)])
def test_ids_outside_the_vocabulary_are_refused(path, token, vocab_size):
    with pytest.raises(ValueError, match=rf"document 1 holds ids from .* outside a vocabulary of {vocab_size}"):
        write(path, [[1], [token]], vocab_size)
    assert not path.exists()


def test_a_source_that_is_too_long_is_refused(path):
    with pytest.raises(ValueError, match="it must fit into a header of 512 bytes"):
        write(path, source="x" * 500)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_is_left(path, error):
    def documents():
        yield [1, 2]
        raise error

    with pytest.raises(type(error), match="No space left on device; free some" if error.args else None):
        write_token_file(path, documents(), 0, 300)
    assert list(path.parent.iterdir()) == []


# -- the cache -------------------------------------------------------------------------------------------------------


def never():
    pytest.fail("the documents were asked for")
    yield


def test_the_second_call_reads_the_file(path, capsys):
    assert listed(cached_token_file(path, DOCUMENTS, 0, 300, "a")) == DOCUMENTS
    assert listed(cached_token_file(path, never(), 0, 300, "a")) == DOCUMENTS
    assert capsys.readouterr().err == ""


def test_a_damaged_cache_is_made_again_with_a_sentence(path, capsys):
    cached_token_file(path, DOCUMENTS, 0, 300, "a")
    content = bytearray(path.read_bytes())
    content[HEADER] ^= 1
    path.write_bytes(content)
    assert listed(cached_token_file(path, DOCUMENTS, 0, 300, "a")) == DOCUMENTS
    assert f"{path} does not have its checksum. It is made again." in capsys.readouterr().err


def test_a_stale_cache_is_made_again_with_a_sentence(path, capsys):
    cached_token_file(path, [[1]], 0, 300, "other text")
    assert listed(cached_token_file(path, DOCUMENTS, 0, 300, "a")) == DOCUMENTS
    assert "was made from another text or by another tokenizer. It is made again." in capsys.readouterr().err
