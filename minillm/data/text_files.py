"""Documents from text files of any size, one by one, with only the longest of them in memory.

A file of text becomes documents at `<|endoftext|>` where it holds any, else at blank lines. In a folder each file is
one document, unless it holds `<|endoftext|>`. Parquet files (the form of most corpora on the hub) hold one document in
each row of their column `text`. White space around a document is dropped, and so are empty documents.

What is trained on is decided in `corpora`, not in this module.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path

from minillm.errors import UserError
from minillm.tokenizer.tokenizer import END_OF_TEXT

PARAGRAPHS = "\n\n"
TEXT_SUFFIXES = (".txt", ".md", ".rst", ".parquet")  # what counts as text in a folder
CHUNK = 1 << 20  # bytes read at a time
MAX_CHARACTERS = 1_000_000  # of a document; a longer one is cut, or a file without separators would fill the memory


def read_documents(path: str | Path) -> Iterator[str]:
    """Yield the documents of a file or of a folder; files come in the order of their names, folders inside included.

    Raises `FileNotFoundError` where there is nothing, `UserError` for a folder without text files, a file that is not
    UTF-8 and a broken parquet file, and `ModuleNotFoundError` where parquet is to be read without pyarrow.
    """
    path = Path(path)
    if not path.is_dir():
        yield from _read_file(path, PARAGRAPHS)
        return
    files = (file for file in path.rglob("*") if file.suffix.lower() in TEXT_SUFFIXES and file.is_file())
    found = {file.relative_to(path): file for file in files}
    names = [name for name in sorted(found, key=Path.as_posix) if not any(part.startswith(".") for part in name.parts)]
    if not names:
        raise UserError(f"the folder {path} holds no text: files of it end in {', '.join(TEXT_SUFFIXES)}")
    for name in names:
        yield from _read_file(found[name], None)


def _read_file(path: Path, otherwise: str | None) -> Iterator[str]:
    """The documents of one file, cut at END_OF_TEXT or, if it holds none, at `otherwise`."""
    if path.suffix.lower() == ".parquet":
        pieces = _parquet_texts(path)
    else:
        separator = END_OF_TEXT if _contains(_decoded(path), END_OF_TEXT) else otherwise
        pieces = _split(_decoded(path), separator)
    for piece in pieces:
        if text := piece.strip():
            yield text


def _contains(chunks: Iterator[str], separator: str) -> bool:
    """Whether a separator occurs in a stream of text, even across the boundary of two chunks."""
    tail = ""
    for chunk in chunks:
        tail += chunk
        if separator in tail:
            return True
        tail = tail[1 - len(separator) :]
    return False


def _decoded(path: Path) -> Iterator[str]:
    """The text of a UTF-8 file in chunks, with line ends as `\\n`; a byte order mark at its start is dropped."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    before, held = 0, ""
    with path.open("rb") as file:
        while True:
            data = file.read(CHUNK)
            try:
                text = held + decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                # Positions in the error count from what the decoder had left over of the chunk before.
                at = before - (len(error.object) - len(data)) + error.start
                raise UserError(
                    f"{path} is not UTF-8 text: byte {at:,} is 0x{error.object[error.start]:02x}; save it as UTF-8"
                ) from None
            before += len(data)
            held = "\r" if data and text.endswith("\r") else ""  # half of "\r\n", perhaps
            yield text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n")
            if not data:
                return


def _split(chunks: Iterator[str], separator: str | None) -> Iterator[str]:
    """Cut a stream of text at each `separator` (None: nowhere), and pieces longer than `MAX_CHARACTERS`."""
    rest = ""
    for chunk in chunks:
        rest += chunk
        if separator is not None:
            *whole, rest = rest.split(separator)
            for piece in whole:
                yield from (piece[i : i + MAX_CHARACTERS] for i in range(0, len(piece), MAX_CHARACTERS))
        while len(rest) > MAX_CHARACTERS + CHUNK:  # more than a chunk: a separator at the cut stays whole
            yield rest[:MAX_CHARACTERS]
            rest = rest[MAX_CHARACTERS:]
    yield from (rest[i : i + MAX_CHARACTERS] for i in range(0, len(rest), MAX_CHARACTERS))


def _parquet_texts(path: Path) -> Iterator[str]:
    try:
        from pyarrow import ArrowException, parquet  # here, since only the large corpora come in this form
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"reading {path.name} needs pyarrow; install it with: python -m pip install pyarrow", name="pyarrow"
        ) from None
    try:
        with parquet.ParquetFile(path) as table:
            if "text" not in table.schema_arrow.names:
                raise UserError(f"{path} has no column 'text'; its columns are {', '.join(table.schema_arrow.names)}")
            kind = table.schema_arrow.field("text").type
            if str(kind) not in ("string", "large_string", "string_view"):
                raise UserError(f"{path}: its column 'text' holds {kind}; it must hold strings")
            for batch in table.iter_batches(batch_size=1024, columns=["text"]):
                yield from (text for text in batch.column(0).to_pylist() if text)
    except (ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise UserError(f"{path} cannot be read as parquet: {str(error).splitlines()[0]}") from error
