"""The answers on file: wrong ones that a check must reject by name, and unusual right ones that it must accept.

Our own are in tests/exercises/wrong/NN_topic.py, one file an assignment, each under `@wrong` or `@right`. Strangers
wrote those in tests/exercises/strangers.zip from the text of the exercises alone, without having seen a check: those in
tuning/ served to tune the checks, those in scored/ and fifth/ were only scored. No test runs them: they measure. What
`@wrong` says there is the mistake in the stranger's own words. Whether a check's sentence names that mistake, or
misleads (names one that the answer doesn't make), a reader has to say: verdicts.json has the sentence that was read,
and a verdict counts only as long as the check says that very sentence.

    python tests/answers.py                  prints the rates, for exercises/README.md
    python tests/answers.py --unread         the strangers' wrong answers whose sentence nobody has read, as JSON lines
    python tests/answers.py --unpack FOLDER  the strangers' files, to read or to change
    python tests/answers.py --pack FOLDER    writes them back
"""

import functools
import inspect
import json
import linecache
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.course.checks import SECONDS, ask, find, stopped
from minillm.course.checks.asking import Call, OutOfTime, Reply
from minillm.course.checks.question import Question, Result
from minillm.course.checks.time_limit import time_limit

FOLDER = Path(__file__).parent / "exercises" / "wrong"
STRANGERS = FOLDER.with_name("strangers.zip")
SETS = ("tuning", "scored", "fifth", "sixth", "seventh")
VERDICTS = "verdicts.json"  # {"tuning": {"04.1 no_scale": {"sentence": "...", "named": true}, ...}, ...}
SEEDS = (0, 7)  # of several draws each


@dataclass(frozen=True)
class Answer:
    question: str
    function: Callable
    mistake: str | None  # a part of the sentence that names it; None for a right answer

    def __str__(self) -> str:
        return f"{self.question} {self.function.__name__}"


ANSWERS: list[Answer] = []


def wrong(question: str, mistake: str) -> Callable[[Callable], Callable]:
    """Put a function on file as a wrong answer, to be rejected with a sentence that holds `mistake`."""
    return _file(question, mistake)


def right(question: str) -> Callable[[Callable], Callable]:
    """Put a function on file as a right answer, written in an unusual way."""
    return _file(question, None)


def _file(question: str, mistake: str | None) -> Callable[[Callable], Callable]:
    def decorate(function: Callable) -> Callable:
        ANSWERS.append(Answer(question, function, mistake))
        return function

    return decorate


@functools.cache
def judged(id: str, function: object, seed: int) -> Result:
    """What a grader would find."""
    question = find(id)
    replies = (_in_time(function, calls, question) for calls in question.calls(seed))
    return question.grade(seed, replies)  # asks no more than it looks at


def _in_time(function: object, calls: Sequence[Call], question: Question) -> Sequence[Reply]:
    """The replies of an answer; it may try too many ways, and never end."""
    try:
        with time_limit(SECONDS):
            return ask(function, calls, question.forbidden, question.fresh)
    except OutOfTime:
        return [stopped()] * len(calls)


@functools.cache
def load_all(folder: Path = FOLDER) -> tuple[Answer, ...]:
    """Every answer on file in a folder."""
    sources = {str(path): path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    return _filed_by(sources)


@functools.cache
def strangers(kept: str) -> tuple[Answer, ...]:
    """The strangers' answers of a set."""
    with zipfile.ZipFile(STRANGERS) as file:
        names = sorted(name for name in file.namelist() if name.startswith(f"{kept}/"))
        return _filed_by({f"{STRANGERS}/{name}": file.read(name).decode() for name in names})


def _filed_by(sources: dict[str, str]) -> tuple[Answer, ...]:
    """The answers that programs put on file."""
    sys.modules.setdefault("answers", sys.modules[__name__])  # so that they file here when this is the script
    ANSWERS.clear()  # pytest imports some of them by itself
    for path, source in sources.items():
        linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)  # for inspect.getsource
        exec(compile(source, path, "exec"), {"__name__": f"answers in {path}", "__file__": path})
    return tuple(ANSWERS)


def pack(folder: Path) -> None:
    """Write the strangers' files; the same files give the same bytes."""
    with zipfile.ZipFile(STRANGERS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted([folder / VERDICTS, *(path for kept in SETS for path in (folder / kept).glob("*.py"))]):
            about = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            file.writestr(about, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def kill_rate() -> str:
    """How many of the answers on file the checks judge rightly, as a sentence."""
    answers = load_all()
    rejected = [answer for answer in answers if answer.mistake]
    accepted = [answer for answer in answers if not answer.mistake]
    killed = sum(_named(answer) for answer in rejected)
    passed = sum(all(judged(a.question, a.function, seed).passed for seed in SEEDS) for a in accepted)
    questions = {answer.question for answer in answers}
    return (
        f"{len(questions)} questions: {killed} of {len(rejected)} wrong answers are rejected and their mistake named, "
        f"{passed} of {len(accepted)} unusual right ones accepted, each with {len(SEEDS)} seeds"
    )


def _named(answer: Answer) -> bool:
    results = [judged(answer.question, answer.function, seed) for seed in SEEDS]
    return all(result.failure is not None and answer.mistake in result.failure.sentence for result in results)


@dataclass(frozen=True)
class Rates:
    """How strangers' answers of one set were judged, and by how many of the sentences their mistakes were named."""

    wrong: int
    rejected: int  # with every seed
    read: int  # rejected ones whose sentence a reader has judged
    named: int
    misled: int  # of the read ones that were told a mistake that they don't make
    right: int
    accepted: int  # with every seed

    def __str__(self) -> str:
        share = f"{self.named / self.read:.0%}" if self.read else "nobody has read how many"
        return (
            f"{self.rejected} of {self.wrong} wrong answers are rejected, {share} of them with their actual mistake "
            f"named ({self.read} sentences read, {self.misled} of them misleading), and {self.accepted} of "
            f"{self.right} right ones accepted"
        )


def rates(kept: str) -> Rates:
    """Judge the strangers' answers of a set."""
    answers = strangers(kept)
    wrong = [answer for answer in answers if answer.mistake]
    right = [answer for answer in answers if not answer.mistake]
    rejected = [a for a in wrong if not any(judged(a.question, a.function, seed).passed for seed in SEEDS)]
    known = _verdicts().get(kept, {})
    read = [known[str(answer)] for answer in rejected if known.get(str(answer), {}).get("sentence") == said(answer)]
    accepted = [a for a in right if all(judged(a.question, a.function, seed).passed for seed in SEEDS)]
    named = sum(verdict["named"] for verdict in read)
    misled = sum(verdict.get("misled", False) for verdict in read)
    return Rates(len(wrong), len(rejected), len(read), named, misled, len(right), len(accepted))


def said(answer: Answer) -> str:
    """What a learner reads of a wrong answer; seed 0 is the one that learners see."""
    failure = judged(answer.question, answer.function, 0).failure
    return "" if failure is None else f"{failure.sentence} {failure.hint}"


def unread(kept: str) -> Iterator[dict[str, str]]:
    """The wrong answers whose sentence nobody has read, with all that a reader needs."""
    known = _verdicts().get(kept, {})
    for answer in strangers(kept):
        if answer.mistake and said(answer) and known.get(str(answer), {}).get("sentence") != said(answer):
            source = inspect.getsource(answer.function)
            yield {
                "set": kept,
                "answer": str(answer),
                "source": source,
                "mistake": answer.mistake,
                "said": said(answer),
            }


def _verdicts() -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(STRANGERS) as file:
        return json.loads(file.read(VERDICTS))


def main() -> None:
    if "--pack" in sys.argv:
        pack(Path(sys.argv[-1]))
        return
    if "--unpack" in sys.argv:
        zipfile.ZipFile(STRANGERS).extractall(sys.argv[-1])
        return
    if "--unread" in sys.argv:
        for kept in SETS:
            for row in unread(kept):
                print(json.dumps(row))
        return
    print(kill_rate())
    for kept in SETS:
        print(f"strangers, {kept}: {rates(kept)}")


if __name__ == "__main__":
    main()
