import random
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.data import text_files
from minillm.data.text_files import END_OF_TEXT, read_documents

paragraphs = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\f\v"), min_size=1), max_size=8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("text") / "Übung 1.txt"


def texts(pieces):
    return [piece.strip() for piece in pieces if piece.strip()]


@given(paragraphs, st.sampled_from(["\n\n", "\r\n\r\n", f"\n{END_OF_TEXT}\n"]), st.integers(1, 9))
def test_documents_are_what_stands_between_the_separators(path, pieces, separator, chunk):
    """Whatever the chunks: a character, a line end or a mark may be cut in two by them."""
    path.write_bytes(separator.join(pieces).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "CHUNK", chunk)
        marked = END_OF_TEXT in separator and len(pieces) > 1
        whole = separator.join(pieces).replace("\r\n", "\n")
        expected = whole.split(END_OF_TEXT if marked or END_OF_TEXT in whole else "\n\n")
        assert list(read_documents(path)) == texts(expected)


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo\r\nlines\r")
    assert list(read_documents(tmp_path / "a.txt")) == ["one", "two\nlines"]


def test_a_folder_gives_a_document_a_file_in_the_order_of_names(tmp_path):
    for name, text in {
        "b.txt": "second\n\nstill second",
        "a/z.md": "first",
        "c.TXT": f"third{END_OF_TEXT}fourth",
        "picture.png": "no text",
        ".hidden/x.txt": "hidden",
        "empty.rst": " \n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "notes.md").mkdir()  # a folder that is called like a file
    assert list(read_documents(tmp_path)) == ["first", "second\n\nstill second", "third", "fourth"]


@pytest.mark.parametrize("chunk", [4, 1 << 20])
def test_the_byte_that_is_no_utf8_is_named(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(text_files, "CHUNK", chunk)
    (tmp_path / "latin.txt").write_bytes("aé".encode() + "ü und so weiter".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.txt is not UTF-8 text: byte 3 is 0xfc; save it as UTF-8"):
        list(read_documents(tmp_path / "latin.txt"))


def test_a_file_that_ends_within_a_character_is_refused(tmp_path):
    (tmp_path / "cut.txt").write_bytes("aé".encode()[:-1])
    with pytest.raises(ValueError, match="byte 1 is 0xc3"):
        list(read_documents(tmp_path / "cut.txt"))


def test_nothing_to_read_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"holds no text: files of it end in \.txt, \.md"):
        list(read_documents(tmp_path))
    with pytest.raises(FileNotFoundError):
        list(read_documents(tmp_path / "absent.txt"))


def test_a_text_without_any_separator_is_cut_but_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_CHARACTERS", 7)
    monkeypatch.setattr(text_files, "CHUNK", 3)
    letters = "abcdefghijklmnopqrstuvwxyz"
    (tmp_path / "a.txt").write_text(letters, encoding="utf-8")
    pieces = list(read_documents(tmp_path / "a.txt"))
    assert "".join(pieces) == letters
    assert max(map(len, pieces)) <= 7


def test_a_file_is_read_in_bounded_memory(tmp_path, monkeypatch):
    """16 MB of text, in less memory than a quarter of it: chunks of 64 KB and what is left of the one before."""
    monkeypatch.setattr(text_files, "CHUNK", 1 << 16)
    shuffled = random.Random(0)
    story = " ".join(shuffled.choices(["the", "bear", "and", "river", "sang"], k=2000)) + "\n\n"
    (tmp_path / "long.txt").write_text(story * (16_000_000 // len(story)), encoding="utf-8")
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_documents(tmp_path / "long.txt"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 16_000_000 // len(story)
    assert peak < 4_000_000


def test_parquet_gives_its_column_text(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: python -m pip install pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"id": [1, 2, 3, 4], "text": ["one\n\nstill one", None, " ", "four "]}), path)
    assert list(read_documents(path)) == ["one\n\nstill one", "four"]
    parquet.write_table(pa.table({"id": [1], "story": ["x"]}), path)
    with pytest.raises(ValueError, match="has no column 'text'; its columns are id, story"):
        list(read_documents(path))
    path.write_bytes(b"PAR1 no table")
    parquet.write_table(pa.table({"text": [1, 2]}), tmp_path / "numbers.parquet")
    with pytest.raises(ValueError, match=r"numbers\.parquet: its column 'text' holds int64; it must hold strings"):
        list(read_documents(tmp_path / "numbers.parquet"))
    with pytest.raises(ValueError, match=r"a\.parquet cannot be read as parquet"):
        list(read_documents(path))
    with pytest.raises(FileNotFoundError):
        list(read_documents(tmp_path / "absent.parquet"))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # what Python does with a package that is not there
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ModuleNotFoundError, match=r"reading a\.parquet needs pyarrow; install it with"):
        list(read_documents(tmp_path / "a.parquet"))
