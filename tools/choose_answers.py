"""Choose the answers on file: the smallest set in which every kind of answer and of reply occurs.

    python tools/choose_answers.py            writes tests/lessons/<topic>/answers.py and the archive of all others
    python tools/choose_answers.py 04         of one lesson
    python tools/choose_answers.py --count    writes nothing; prints how many would be on file

An answer stays on file for what no other one shows: a right one for the ways in which it computes, a wrong one for the
kind of reply (a known mistake in part, a sentence about shape, type or something else, an error with its advice, the
place alone), and each one that was once judged wrongly. A mistake's own function is tested as such, so an answer that
only repeats it isn't needed. The shortest answers are chosen, greedily. What each is told is
read from the archive; `python benchmarks/replay.py --write` renews that.
"""

import argparse
import ast
import builtins
import itertools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import answers  # noqa: E402
import archive  # noqa: E402
from archive import Kept  # noqa: E402

from minillm.course.checks import questions  # noqa: E402
from minillm.course.contents import ASSIGNMENTS, TOPICS  # noqa: E402
from minillm.course.learner.source import global_names  # noqa: E402
from minillm.course.turns import turns  # noqa: E402

WAYS = {  # what makes a right answer unusual, by a pattern of its source
    "einsum": r"einsum",
    "a loop": r"\bfor .*:\n|\bwhile ",
    "recursion": r"\Wdef (\w+)\((?s:.)*\b\1\(",
    "numpy": r"\bnp\.|numpy",
    "in place": r"\[[^\]\n]*\] [-+*/]?= |\w_\(",
    "sorted": r"sort|topk|heapq|bisect|max\(.*key",
    "a running sum": r"cumsum|cumprod|accumulate|logcumsumexp",
    "autograd": r"autograd|backward\(|requires_grad|torch\.func",
}
FORMS = {  # of an explanation
    "shape": r"\bshape\b|\bax[ie]s\b|\btransposed\b|too (few|many)|lacks",
    "type": r"of type|\bdtype|torch\.\w+\d|asked for|numpy|[Tt]hat's a|are numbers",
}
RANDOM = re.compile(r"\brand|random|multinomial|bernoulli|[dD]ropout")  # what such an answer is told varies
ONCE = "# Once "  # begins the comment on an answer that was judged wrongly
NUMBER = re.compile(r"-?\d")  # may be another one on the next machine
LONGEST = 80  # characters of what must be said
NEWLINE = "\n"


@dataclass
class Part:
    """A statement at the top of a program, with the comment above it."""

    text: str
    binds: frozenset[str]
    node: ast.stmt

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @cached_property
    def filed(self) -> ast.Call | None:
        """Its line `@right(...)` or `@wrong(...)`, if it is an answer."""
        calls = [each for each in getattr(self.node, "decorator_list", []) if isinstance(each, ast.Call)]
        return next((call for call in calls if ast.unparse(call.func) in ("right", "wrong")), None)

    @property
    def id(self) -> str:
        """The turn or question that it answers."""
        return ast.literal_eval(self.filed.args[0])

    @property
    def once(self) -> str:
        """How it was once judged wrongly, from the comment above it."""
        return next((line.removeprefix(ONCE) for line in self.text.splitlines() if line.startswith(ONCE)), "")


def parts_of(source: str) -> list[Part]:
    """The statements of a program, each with its comment."""
    lines, tree, parts = source.splitlines(), ast.parse(source), []
    for node in tree.body[ast.get_docstring(tree) is not None :]:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        while first > 1 and lines[first - 2].startswith("#"):
            first -= 1
        parts.append(Part("\n".join(lines[first - 1 : node.end_lineno]), frozenset(_bound(node)), node))
    return parts


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (each.asname or each.name.partition(".")[0] for each in names)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case _:
            yield from (
                each.id for each in ast.walk(node) if isinstance(each, ast.Name) and type(each.ctx) is ast.Store
            )


@dataclass
class Candidate:
    """An answer with what it needs from its program, what it is told, and what no other answer may show."""

    part: Part
    needs: list[Part]
    kept: Kept
    shows: frozenset = field(default=frozenset())

    @cached_property
    def lacks(self) -> set[str]:
        """The names that it uses and nothing defines."""
        parts = (self.part, *self.needs)
        used = set().union(*(global_names(without_comment(part)) for part in parts if not part.is_import))
        return used - set().union(*(part.binds for part in parts)) - vars(builtins).keys() - {"right", "wrong"}

    @property
    def lines(self) -> int:
        return sum(part.text.count("\n") + 1 for part in (self.part, *self.needs) if not part.is_import)


def candidates(source: str, rows: list[Kept]) -> Iterator[Candidate]:
    """The answers of a program that can stand elsewhere; those that a call puts on file can't."""
    parts = parts_of(source)
    for part in parts:
        if part.filed is not None:
            kept = next(row for row in rows if (row.id, row.name) == (part.id, part.node.name))
            candidate = Candidate(part, needed(part, parts), kept)
            candidate.shows = frozenset(shown_by(candidate))
            yield candidate


def needed(part: Part, parts: list[Part]) -> list[Part]:
    """The other statements of a program that one needs, in their order."""
    found: set[int] = set()
    ahead = [part]
    while ahead:
        wanted = global_names(without_comment(ahead.pop()))
        for index, other in enumerate(parts):
            if other is not part and other.binds & wanted and index not in found and "right" not in other.binds:
                found.add(index)
                ahead += [] if other.is_import else [other]
    return [parts[index] for index in sorted(found)]


def without_comment(part: Part) -> str:
    """The source of a statement, without the comment above it."""
    return re.sub(r"^#.*\n", "", part.text, flags=re.MULTILINE)


def shown_by(candidate: Candidate) -> Iterator[tuple]:
    """What an answer on file can be needed for."""
    kept = candidate.kept
    if kept.is_right == kept.rejected or (not kept.is_right and RANDOM.search(candidate.part.text)):
        return  # judged wrongly still, or in another way each time; no test can hold it
    if kept.once:
        yield "once", kept.set, kept.name
    if kept.is_right:
        yield "right", kept.id
        yield from (("way", kept.id, way) for way, pattern in WAYS.items() if re.search(pattern, candidate.part.text))
        yield from (("told", kept.id, kind) for kind in kept.kinds)
        return
    advice = getattr(answers.find(kept.id), "errors", {}).values()
    for told, kind in zip(kept.told, kept.kinds, strict=True):
        if kind == "explained":
            yield (
                kind,
                kept.id,
                next((form for form, pattern in FORMS.items() if re.search(pattern, told)), "otherwise"),
            )
            if any(probe.judge for probe in answers.find(kept.id).probes):  # all its sentences are its own
                yield kind, kept.id, pattern_of(told)
        elif kind != "named":  # as a mistake's own function is
            yield "told", kept.id, kind
        yield from (("advice", kept.id, each) for each in advice if told.endswith(each))


def pattern_of(told: str) -> str:
    """The first sentence of a reply, without its numbers and names.

    >>> pattern_of("The result has 0.3 in place of 0.5 at [2]. `x` is 3.")
    'The result has 0 in place of 0 at [0].'
    """
    words = re.sub(r"`[^`]*`", "x", archive.DETAILS.sub(r"\1.", told))
    return re.sub(r"-?\d[\d.,]*\d|\d", "0", words).partition(". ")[0].removesuffix(".") + "."


def choose(pool: Iterable[Candidate]) -> list[Candidate]:
    """The shortest answers by which everything is shown, greedily: most that is new per line first."""
    pool, shown, chosen = list(pool), set(), []
    while True:
        best = max(pool, key=lambda each: len(each.shows - shown) / (2 + each.lines), default=None)
        if best is None or not best.shows - shown:
            break
        chosen.append(best)
        shown |= best.shows
    for each in sorted(chosen, key=lambda each: -each.lines):  # what later ones show as well is not needed
        others = set().union(*(other.shows for other in chosen if other is not each))
        if each.shows <= others:
            chosen.remove(each)
    return chosen


class Clash(Exception):
    """An answer needs a name that means something else in its lesson's file."""


class Page:
    """The file of a lesson's answers, as it is being written."""

    def __init__(self, lesson: str):
        self.lesson = lesson
        self.imports: dict[str, str] = {}
        self.texts: dict[str, str] = {}  # of all other names
        self.body: list[str] = []
        self.lacked: set[str] = set()  # must stay undefined: an answer lacks an import, say

    def add(self, candidate: Candidate) -> None:
        """Add an answer below what it needs; raises `Clash`, and then adds nothing."""
        imports, texts = dict(self.imports), dict(self.texts)
        text = with_told(candidate)
        for part in (*candidate.needs, candidate.part):
            for name in part.binds:
                known = (imports if part.is_import else texts).setdefault(name, part.text)
                if known != part.text or (name in imports and name in texts):
                    raise Clash(name)
        lacked = self.lacked | candidate.lacks
        if clashing := lacked & (imports.keys() | texts.keys()):
            raise Clash(*clashing)
        above = [part.text for part in candidate.needs if not part.is_import and not part.binds <= self.texts.keys()]
        self.imports, self.texts, self.lacked = imports, texts, lacked
        self.body += [*above, text]

    def __str__(self) -> str:
        imports = sorted({*self.imports.values(), "from answers import right, wrong"})
        top = f'"""Answers to the turns and questions of lesson {self.lesson}; `tools/choose_answers.py` chose them."""'
        return "\n".join([top, "", *imports, "", *(f"\n\n{text}" for text in self.body)]) + "\n"


def with_told(candidate: Candidate) -> str:
    """An answer's source, with a word on why it is here and a part of what it must be told."""
    kept, text = candidate.kept, candidate.part.text
    call = candidate.part.filed
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("@"))
    length = call.end_lineno - call.lineno + 1
    words = [f'@right("{kept.id}")' if kept.is_right else f"@wrong({kept.id!r}, {must_hold(candidate)!r})"]
    comment = [line for line in lines[:first] if not line.startswith(ONCE)] + [f"{ONCE}{kept.once}"] * bool(kept.once)
    return "\n".join([*comment, *words, *lines[first + length :]])


def must_hold(candidate: Candidate) -> str:
    """The words that a reply must hold: the mistake's sentence, or the beginning of another one."""
    kept = candidate.kept
    expected = [each.value for each in candidate.part.filed.args[1:] if isinstance(each, ast.Constant)]
    if expected and len(expected[0]) > 9 and all(expected[0] in told for told in kept.told):
        return expected[0]
    known = [sentence for sentence in answers.mistakes_of(kept.id) if all(sentence in told for told in kept.told)]
    begin = [NUMBER.split(told)[0] for told in kept.says]
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*begin, strict=False))
    words = max(known, key=len, default="") or "".join(letters[0] for letters in alike)
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0]


def page_of(lesson: str, pool: list[Candidate]) -> tuple[Page, list[Candidate]]:
    """The file of a lesson, and the answers in it."""
    left = pool
    while True:  # until all that is chosen fits into one file
        chosen, page = in_order(lesson, choose(left)), Page(lesson)
        clashing = []
        for candidate in chosen:
            try:
                page.add(candidate)
            except Clash:
                clashing.append(candidate)
        if not clashing:
            return page, chosen
        left = [each for each in left if each not in clashing]


def in_order(lesson: str, chosen: Iterable[Candidate]) -> list[Candidate]:
    """By turn and question, right ones first."""
    order = [each.id for each in (*turns(lesson), *(questions(lesson) if lesson in ASSIGNMENTS else ()))]
    return sorted(chosen, key=lambda each: (order.index(each.kept.id), not each.kept.is_right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", help="numbers of lessons; none: all")
    parser.add_argument("--count", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    if unknown := [lesson for lesson in arguments.lessons if lesson not in TOPICS]:
        parser.error(f"there is no lesson {', '.join(unknown)}; there are {', '.join(TOPICS)}")
    sources, rows = everything()
    pool = [candidate for path, source in sources.items() for candidate in candidates(source, rows[path])]
    chosen = []
    for lesson in arguments.lessons or TOPICS:
        page, answers_of_it = page_of(lesson, [each for each in pool if each.kept.lesson == lesson])
        chosen += answers_of_it
        print(f"{lesson}: {len(answers_of_it)} answers, {str(page).count(NEWLINE)} lines")
        if not arguments.count:
            write(page)
    if not arguments.count:
        on_file = {each.kept.key for each in chosen}
        sources = {path: without(source, path, on_file) for path, source in sources.items()}
        for path, source in sources.items():  # what another answer of the program needs stays in it
            there = {(part.id, part.node.name) for part in parts_of(source) if part.filed}
            rows[path] = [row for row in rows[path] if row.key not in on_file or (row.id, row.name) in there]
        archive.store({path: source for path, source in sources.items() if rows[path]}, rows)


def everything() -> tuple[dict[str, str], dict[str, list[Kept]]]:
    """All programs, and what their answers are told: those of the archive, and those that are on file now."""
    sources = archive.programs()
    rows = {path: archive.kept(path) for path in sources}
    for file in sorted(answers.LESSONS.glob("*/answers.py")):
        path = f"on file/{file.parent.name}.py"
        sources[path] = file.read_text(encoding="utf-8")
        once = {part.node.name: part.once for part in parts_of(sources[path]) if part.filed is not None}
        judged = (archive.judge(answer, path) for answer in answers.load(sources[path], str(file)))
        rows[path] = [replace(row, once=once[row.name]) for row in judged]
    return sources, rows


def write(page: Page) -> None:
    """Write the file of a lesson's answers, in the house's form."""
    path = answers.LESSONS / TOPICS[page.lesson] / "answers.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(str(page), encoding="utf-8")
    for command in (["check", "--fix", "--quiet", "--select", "I,F401"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(path)], check=True)


def without(source: str, path: str, gone: set[tuple[str, str, str]]) -> str:
    """A program without these answers, and without what nothing in it needs any more."""
    parts = parts_of(source)
    filed = [part for part in parts if part.filed and (path, part.id, part.node.name) not in gone]
    bare = [part for part in parts if isinstance(part.node, ast.Expr | ast.For)]  # these put answers on file, too
    kept = [*filed, *bare, *(other for part in (*filed, *bare) for other in needed(part, parts))]
    texts = [part.text for part in parts if any(part is each for each in kept) or "right" in part.binds]
    return "\n\n\n".join(texts) + "\n"


if __name__ == "__main__":
    main()
