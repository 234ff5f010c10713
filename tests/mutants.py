"""Mutation testing of the checks: each solution of an exercise or a turn is changed in one place, and must be rejected.

`mutators` says what is changed: operators, constants, axes, signs, lines. A mutant survives if the check accepts it
with the seed that learners see. Of a survivor a person says whether it is equivalent, that is, right for every input
that the text allows; mutants.json keeps that with the reason. It goes by the changed line, so another solution makes it
stale. A run goes on where the last one was stopped.

    python tests/mutants.py                 judges all mutants and writes tests/exercises/mutants.json
    python tests/mutants.py 04 11a.4        those of an assignment, a question or a turn; with --anew, once more
    python tests/mutants.py --figures       prints the figures, for exercises/README.md
"""

import contextlib
import difflib
import hashlib
import io
import json
import linecache
import os
import re
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from minillm.course.checks import ask, find
from minillm.course.checks.asking import Call
from minillm.course.checks.plain import plain
from minillm.course.checks.probe import Probe
from minillm.course.checks.time_limit import time_limit
from minillm.course.contents import ASSIGNMENTS, CHECK_CELL
from minillm.course.learner.calling import SECONDS
from minillm.course.learner.trial import try_out
from minillm.course.turns import all_turns
from minillm.files import write_text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that the lines below also work when this file is run as a script

from tools.build_exercises import SOLUTIONS  # noqa: E402
from tools.build_notebooks import manuscripts  # noqa: E402
from tools.exercise_cells import BEGIN  # noqa: E402

SUMMARY = ROOT / "tests" / "exercises" / "mutants.json"
JUDGED = ROOT / "runs" / "mutants.jsonl"  # one mutant a line
MEMORY = 16 << 30  # bytes that a mutant may ask for: sizes may grow, too
CLOCK = 60.0  # seconds for a mutant in one long call of compiled code, which cannot be interrupted


@dataclass
class Subject:
    """A solution: its source, the names that it finds, and how its check judges it."""

    id: str
    name: str
    source: str
    names: dict[str, Any]
    seconds: float = SECONDS  # that a call may take

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @cached_property
    def probes(self) -> list[tuple[Probe, list[tuple[Call, Any]]]]:
        """The inputs that learners see, with the right results."""
        question = find(self.id)
        drawn = zip(question.probes, question.calls(seed=0), strict=True)
        return [(probe, [(call, plain(probe.right(*call))) for call in calls]) for probe, calls in drawn]

    def accepts(self, source: str) -> bool:
        """Whether the check accepts this source with the seed that learners see."""
        file = f"<mutant of {self.id}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        names = dict(self.names)
        exec(compile(source, file, "exec"), names)
        answer = names[self.name]
        for turn in all_turns():
            if turn.id == self.id:
                return try_out(turn, answer, source).state == "right"
        return all(self._passes(answer, *probe) for probe in self.probes)

    def _passes(self, answer: Any, probe: Probe, calls: list[tuple[Call, Any]]) -> bool:
        """What `probe.grade` says, but no further call once it is known, and no sentence."""
        question, replies = find(self.id), []
        for call, right in calls:
            with time_limit(self.seconds):
                replies += ask(answer, [call], question.forbidden, question.fresh)
            if replies[-1].trouble is not None or probe.fault(call, right, replies[-1].value) is not None:
                return False
        return probe.grade(question.function, [call for call, _ in calls], replies) is None

    def warm_up(self) -> None:
        """Draw the inputs, so that no child has to, and give a mutant ten times as long as the solution takes."""
        if not self.accepts(self.source):
            raise SystemExit(f"the check of {self.id} rejects its solution; run tests/exercises/test_assignments.py")
        began = time.thread_time()
        self.accepts(self.source)
        self.seconds = min(SECONDS, 0.1 + 10 * (time.thread_time() - began))


def code_cells(path: Path) -> Iterator[str]:
    """The code cells of a manuscript."""
    for cell in re.split("^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, source = cell.partition("\n")
        if "markdown" not in head:
            yield source.strip()


def subjects(run: Container[str] = ()) -> Iterator[Subject]:
    """Every solution; its `names` are empty but for the assignments whose cells are to run."""
    for number, path in manuscripts(SOLUTIONS).items():
        names: dict[str, Any] = {}
        answer = ""
        for cell in code_cells(path):
            if found := CHECK_CELL.match(cell):
                yield Subject(found.group(1), found.group(2), answer, dict(names))
                continue
            answer = cell if BEGIN in cell else answer
            if number in run:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(cell, names)
    for turn in all_turns():
        yield Subject(turn.id, turn.name, turn.solution, dict(vars(sys.modules[turn.course.__module__])))


def in_a_child(judge: Any) -> bool:
    """What `judge()` says in a process of its own; False if it crashes or never ends."""
    import resource  # which Windows lacks, as it lacks fork

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        with contextlib.suppress(BaseException):
            os.write(writing, b"1" if judge() else b"0")
        os._exit(0)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], CLOCK)
        return bool(ready) and os.read(reading, 1) == b"1"
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def change(before: str, after: str) -> tuple[int, str]:
    """The line that differs, and what is there before and after."""
    old, new = before.splitlines(), after.splitlines()
    lines = [line for line in difflib.ndiff(old, new) if line[0] in "-+"]
    first = next(at for at, (a, b) in enumerate(zip([*old, ""], [*new, ""], strict=False), 1) if a != b)
    return first, "\n".join(f"{line[0]} {line[2:].strip()}" for line in lines)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def judge_all(chosen: list[str], anew: bool) -> None:
    """Judge every mutant that has no line yet, question by question."""
    from mutators import mutants  # which needs cosmic-ray

    JUDGED.parent.mkdir(exist_ok=True)
    for subject in subjects(run={id.split(".")[0] for id in chosen or ASSIGNMENTS}):
        if chosen and subject.id not in chosen and subject.id.split(".")[0] not in chosen:
            continue
        rows = [row for row in read(JUDGED) if not (anew and row["question"] == subject.id)]
        known = {(row["question"], row["source"], row["line"], row["diff"]) for row in rows}
        if anew:
            write_text(JUDGED, "".join(json.dumps(row) + "\n" for row in rows))
        todo = [(name, source, *change(subject.source, source)) for name, source in mutants(subject.source)]
        todo = [each for each in todo if (subject.id, subject.fingerprint, *each[2:]) not in known]
        if todo:
            subject.warm_up()
        for operator, source, line, diff in todo:
            row = {"question": subject.id, "source": subject.fingerprint, "operator": operator, "line": line}
            row |= {"diff": diff, "survived": in_a_child(partial(subject.accepts, source))}
            with JUDGED.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if row["survived"]:
                print(f"{subject.id} {operator}, line {line}\n{diff}", flush=True)
        summarize(subject, read(JUDGED))


def summarize(subject: Subject, rows: list[dict[str, Any]]) -> None:
    """Write a question into the summary, with what was said of its survivors before."""
    found = summary()
    own = [row for row in rows if (row["question"], row["source"]) == (subject.id, subject.fingerprint)]
    said = found.get(subject.id, {}).get("survivors", {})
    keys = [f"line {row['line']}\n{row['diff']}" for row in own if row["survived"]]
    survivors = {key: said.get(key, {"equivalent": None, "why": ""}) for key in keys}
    found[subject.id] = {"source": subject.fingerprint, "mutants": len(own), "survivors": survivors}
    order = [known.id for known in subjects()]
    write({id: found[id] for id in order if id in found})


def write(found: dict[str, Any]) -> None:
    write_text(SUMMARY, json.dumps(found, indent=1) + "\n")


def summary() -> dict[str, Any]:
    """For each question and turn its number of mutants, and its survivors with what a reader said of them."""
    return json.loads(SUMMARY.read_text(encoding="utf-8")) if SUMMARY.exists() else {}


def figures(found: dict[str, Any]) -> str:
    """How many mutants the checks reject, as a sentence."""
    total = sum(question["mutants"] for question in found.values())
    verdicts = Counter(said["equivalent"] for question in found.values() for said in question["survivors"].values())
    killed = total - verdicts.total()
    share = killed / (killed + verdicts[False] + verdicts[None])
    return (
        f"{total} mutants of {len(found)} solutions: {killed} are rejected, {verdicts[True]} are equivalent, and "
        f"{verdicts[False]} that are wrong are accepted ({share:.2%} of the wrong ones are rejected)"
    )


def main() -> None:
    if "--figures" not in sys.argv:
        judge_all([word for word in sys.argv[1:] if word != "--anew"], "--anew" in sys.argv)
    print(figures(summary()))


if __name__ == "__main__":
    main()
