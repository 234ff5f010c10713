import hashlib
import subprocess
import sys

import pytest

from minillm.data.python_docs import python_docs


@pytest.fixture
def library(tmp_path):
    """A standard library of four modules, with a stranger beside them."""
    for name, source in {
        "pydoc_data/topics.py": '# a comment\ntopics = {"assert": "The assert statement\\n\\nText.\\n", "empty": ""}\n',
        "json/__init__.py": '"""JSON."""\ndef dump():\n    """Write it.\n\n    With care.\n    """\n',
        "json/tests/test_it.py": '"""no prose"""',
        "abc.py": 'class ABC:\n    """A base."""\n    async def f(self):\n        """Wait."""\n    x = """no doc"""\n',
        "zlib.py": 'raise SystemExit("imported!")\n"""no docstring here"""\n',
        "heapq.py": "def broken(:\n",
        "site-packages/stranger.py": '"""A stranger."""',
        "stranger.py": '"""Another stranger."""',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source, encoding="utf-8")
    (tmp_path / "bisect.py").write_bytes(b'# -*- coding: latin-1 -*-\n"""Caf\xe9, \\ud800"""\n')
    return tmp_path


def test_topics_come_first_and_docstrings_in_the_order_of_files(library):
    assert python_docs(library) == [
        "The assert statement\n\nText.", "A base.", "Wait.", "Café, ?", "JSON.", "Write it.\n\nWith care."
    ]  # fmt: skip


def test_an_installation_without_sources_is_told(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match="holds no Python sources.*take 'world' or a text file"):
            python_docs(folder)


@pytest.mark.slow
def test_it_is_english_and_imports_nothing_of_the_library():
    """In a process of its own: `antigravity` opens a browser and `this` prints when they are imported."""
    script = """if True:
        import hashlib, sys
        import minillm.data.python_docs as room
        documents = room.python_docs()
        strangers = {"antigravity", "this", "turtle"} & set(sys.modules)
        print(hashlib.sha256(repr(documents).encode()).hexdigest(), strangers)
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    documents = python_docs()
    assert done.stdout.split(maxsplit=1) == [hashlib.sha256(repr(documents).encode()).hexdigest(), "set()\n"]
    words = " ".join(documents).split()
    assert words.count("the") > 0.02 * len(words)
