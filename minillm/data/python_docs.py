"""Real English on every computer with Python: the manual that `help()` shows, and the library's docstrings.

`pydoc_data/topics.py` is a chapter of the language reference for each topic; the standard library explains itself in
docstrings. Together they are about 2 MB. Nothing is imported: the sources are parsed and only their strings are read,
so no module of the library runs. The documents depend on the Python that is installed, and on nothing else.
"""

import ast
import sys
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

SKIPPED = {"test", "tests", "idle_test", "site-packages", "__pycache__", "pydoc_data"}  # folders without prose


def python_docs(stdlib: Path | None = None) -> list[str]:
    """The topics of the manual, then each docstring of the standard library; `stdlib` is another Python's library.

    Raises `FileNotFoundError` for an installation without the sources of its library.

    >>> documents = python_docs()
    >>> any(document.startswith('The "assert" statement') for document in documents)
    True
    >>> sum(len(document) for document in documents) > 1_000_000
    True
    """
    stdlib = stdlib or Path(sysconfig.get_path("stdlib"))
    documents = [*_topics(stdlib / "pydoc_data" / "topics.py")]
    for path in _sources(stdlib):
        documents += _docstrings(path)
    if not documents:
        raise FileNotFoundError(
            f"{stdlib} holds no Python sources, so there is no corpus 'python-docs' in this installation; "
            "take 'world' or a text file"
        )
    # A docstring may contain a lone surrogate, which no tokenizer can encode.
    return [document.encode("utf-8", errors="replace").decode() for document in documents]


def _sources(stdlib: Path) -> list[Path]:
    """The library's own files in an order that is the same everywhere; what was installed later is no part of it."""
    inside = {}
    for top in stdlib.iterdir() if stdlib.is_dir() else ():
        if top.stem in sys.stdlib_module_names:
            files = top.rglob("*.py") if top.is_dir() else [top]
            inside |= {file.relative_to(stdlib): file for file in files if file.suffix == ".py"}
    return [inside[name] for name in sorted(inside, key=Path.as_posix) if not SKIPPED & {*name.parts}]


def _parse(path: Path) -> ast.Module | None:
    """The syntax tree of a source file; None for a file that this Python cannot read."""
    try:
        with tokenize.open(path) as file, warnings.catch_warnings():  # it finds the encoding that the file declares
            warnings.simplefilter("ignore")  # an odd escape in the library is not the reader's concern
            return ast.parse(file.read())
    except (SyntaxError, UnicodeDecodeError):
        return None


def _topics(path: Path) -> Iterator[str]:
    tree = _parse(path) if path.is_file() else None
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for value in node.value.values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.strip():
                    yield value.value.strip()


def _docstrings(path: Path) -> Iterator[str]:
    tree = _parse(path)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = (ast.get_docstring(node) or "").strip()
            if text:
                yield text
