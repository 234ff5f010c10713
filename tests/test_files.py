"""Atomic writes, JSON and checksums: whole or not at all, whatever goes wrong on the way."""

import hashlib
import multiprocessing
import time

import pytest

from minillm.errors import UserError
from minillm.files import locked, naming, read_json, replacing, sha256, write_json, write_text


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old\n")

    def interrupt():
        with replacing(path) as partial:
            partial.write_text("half of the n", encoding="utf-8")
            raise error

    with pytest.raises(error):
        interrupt()
    assert [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] == ["old\n"]


def test_an_error_before_the_first_byte_stays_the_error_it_was(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"), replacing(tmp_path / "missing" / "a.txt") as partial:
        partial.write_text("x", encoding="utf-8")


def test_json_comes_back_as_it_was_written(tmp_path):
    value = {"name": "Zoë", "numbers": [1, 2.5, None], "nested": {"a": True}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not complete JSON"),
        ('{"a": [1, 2', "not complete JSON"),
        ("[" * 100_000, "not complete JSON"),
        ("[1]", "holds a list"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands in it twice"),
        ('{"in": {"b": 1, "b": 1}}', "'b' stands in it twice"),
        (" " * 1001, "has 1,001 bytes; files of this kind have at most 1,000"),
    ],
)
def test_what_is_not_one_json_object_is_refused(tmp_path, text, sentence):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"a.json: .*{sentence}"), naming(path):
        read_json(path, limit=1000 if text.startswith(" ") else 200_000)


def test_the_checksum_is_that_of_the_bytes(tmp_path):
    data = bytes(range(256)) * 5000
    (tmp_path / "a.bin").write_bytes(data)
    assert sha256(tmp_path / "a.bin") == hashlib.sha256(data).hexdigest()


def _count(path, times):
    for _ in range(times):
        with locked(path):
            before = int(path.read_text())
            time.sleep(0.001)
            path.write_text(str(before + 1))


def test_a_lock_lets_one_process_in_at_a_time(tmp_path):
    path = tmp_path / "counter"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(path, 25)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert path.read_text() == "50"
