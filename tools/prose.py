"""Check the wording of pages: words that have a plainer or more usual one, doubled words, endless sentences.

    python tools/prose.py                 reads every page (Markdown, and the text cells of manuscripts)
    python tools/prose.py FILE ...        reads these; pre-commit passes the files of a commit

Exit status 1 and one line for each finding: file, line, and what to write instead. Code, links and quoted code are not
read. It needs the standard library only, so that it also runs before anything is installed.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 60  # words of a sentence
# What to write in place of a word. The list holds what is never right in these pages, so nothing needs an exception.
WORDS = {
    "whoever": "anyone who, or: if you",
    "learnt": "learned",
    "likelier": "more likely, or: more probable",
    "dearer": "more expensive",
    "dearest": "most expensive",
    "foretell": "predict",
    "foretells": "predicts",
    "by lot": "at random",
    "in company": "batched, or: beside others",
    "guesser": "draft model",
    "nought": "0, or: nothing",
    "whilst": "while",
    "amongst": "among",
    "burnt": "burned",
    "spelt": "spelled",
}
LISTED = re.compile(rf"(?<![\w-])(?:{'|'.join(WORDS)})(?![\w-])", re.IGNORECASE)
DOUBLED = re.compile(r"(?<![\w-])([a-z]{2,})\s+\1(?![\w-])", re.IGNORECASE)
MAY_STAND_TWICE = {"that", "had", "very", "blah", "ha"}
SENTENCE = re.compile(r"(?:[^.!?:;|]|[.!?:;](?=[\w*`)\"']))+")
FENCE = re.compile(r"^ {0,3}```.*?^ {0,3}```", re.MULTILINE | re.DOTALL)
UNREAD = (
    FENCE,
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"(?<=\])\([^)\s]*\)"),  # where a link leads
    re.compile(r"<[^>\n]+>"),
    re.compile(r'"[^"\n]*"'),  # a prompt, or what a model wrote
)
PAGES = ("*.md", "*/*.md", "notebooks/src/*.py", "solutions/src/*.py")
LEFT_OUT = ("CHANGELOG.md", "teaching/fifty_documents.md")  # history, and documents of the world


def main(arguments: Sequence[str]) -> int:
    """Print what is found in these files, or in all pages, and return the exit status."""
    paths = [Path(name) for name in arguments] or pages()
    found = [f"{path}:{line}: {sentence}" for path in paths for line, sentence in complaints(path)]
    print("\n".join(found) if found else f"{len(paths)} pages read, nothing found")
    return int(bool(found))


def pages(root: Path = ROOT) -> list[Path]:
    """Every page that people write, in order."""
    found = sorted({path for pattern in PAGES for path in root.glob(pattern)})
    hidden = [path for path in found if any(part.startswith(".") for part in path.relative_to(root).parts)]
    mine = ("workbook", "build", "runs")
    return [
        path
        for path in found
        if path not in hidden
        and path.relative_to(root).as_posix() not in LEFT_OUT
        and path.relative_to(root).parts[0] not in mine
    ]


def complaints(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and sentence for each finding in a page.

    Raises `OSError` for a file that cannot be read; a file of another kind than a page has no findings.
    """
    if path.suffix not in (".md", ".py"):
        return
    text = path.read_text(encoding="utf-8")
    yield from findings(text if path.suffix == ".md" else text_cells(text))


def text_cells(manuscript: str) -> str:
    """The text cells of a manuscript (jupytext percent format), with an empty line for every other line.

    >>> text_cells("# %% [markdown]\\n# Two *words*.\\n# %%\\nx = 1  # no text\\n").splitlines()
    ['', 'Two *words*.', '', '']
    """
    lines, is_text = [], False
    for line in manuscript.split("\n"):
        if line.startswith("# %%"):
            is_text = "[markdown]" in line
            lines.append("")
        else:
            lines.append(line.removeprefix("#").removeprefix(" ") if is_text else "")
    return "\n".join(lines)


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and sentence for each finding in Markdown.

    >>> list(findings("We learnt it by `lot`."))
    [(1, "'learnt': write learned")]
    >>> list(findings("A line that\\nends in in\\nan echo"))
    [(2, "'in in' stands twice")]
    """
    for pattern in UNREAD:  # blanked, so that lines and positions stay
        text = pattern.sub(lambda match: re.sub(r"[^\n]", "_", match[0]), text)
    found = [(match.start(), f"{match[0]!r}: write {WORDS[match[0].lower()]}") for match in LISTED.finditer(text)]
    for match in DOUBLED.finditer(text):
        if match[1].lower() not in MAY_STAND_TWICE and "\n\n" not in match[0]:
            found.append((match.start(), f"{' '.join(match[0].split())!r} stands twice"))
    for start, paragraph in paragraphs(text):
        for match in SENTENCE.finditer(paragraph):
            if (count := len(re.findall(r"[^\W\d_][\w'/.-]*", match[0]))) > LONGEST:
                found.append((start + match.start(), f"a sentence of {count} words; cut it in two"))
    for position, sentence in sorted(found):
        yield text.count("\n", 0, position) + 1, sentence


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each paragraph begins, and it; a table's row, a heading and a list's item is one of its own."""
    for match in re.finditer(r"(?:^(?![ >]*(?:[-*+|#]|\d+[.)]|$)).*\n?)+|^.+$", text, re.MULTILINE):
        yield match.start(), match[0]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
