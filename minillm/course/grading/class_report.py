"""Write class.html, one page about a class: points, questions, and the mistakes that most students made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minillm.course.grading.comparing import Comparison
from minillm.course.grading.decisions import Score
from minillm.course.grading.feedback import NOT_WRITTEN, render
from minillm.course.grading.grade import Record, write
from minillm.course.grading.names import assignment_name
from minillm.course.grading.notebook import cut

TEMPLATE = Path(__file__).with_name("class.html.jinja")
TOP, SNIPPETS = 3, 2  # mistakes that are shown, and answers with each of them
MAX_LINES = 25  # of an answer


def write_class_report(out: Path, scores: Sequence[Score], found: Comparison, absent: Sequence[str] = ()) -> None:
    """Write class.html; nobody's name is beside their code."""
    numbers = sorted({score.record.assignment for score in scores})
    classes = [_about([each for each in scores if each.record.assignment == number], found) for number in numbers]
    write(out / "class.html", render(TEMPLATE, classes=classes, absent=sorted(absent)))


def _about(scores: Sequence[Score], found: Comparison) -> dict[str, Any]:
    """What the page says about one assignment."""
    handed_in = [score for score in scores if not score.record.missing]
    possible = scores[0].record.possible
    bars = Counter(min(possible, int(score.final)) for score in handed_in)
    highest = max(bars.values(), default=1)
    records = [score.record for score in handed_in]
    questions = []
    for index, result in enumerate(scores[0].record.results):
        results = [record.results[index] for record in records]
        mistakes = most_common_mistakes(records, 1, result["question"])
        questions.append({
            "id": result["question"],
            "title": result["title"],
            "full": sum(each["passed"] for each in results),
            "unwritten": sum(_is_unwritten(each) for each in results),
            "mean": sum(each["points"] for each in results) / max(1, len(results)),
            "possible": result["possible"],
            "mistake": f"{mistakes[0][1]} x {mistakes[0][0][1]}" if mistakes else "",
        })  # fmt: skip
    return {
        "name": assignment_name(scores[0].record.assignment),
        "handed_in": len(handed_in),
        "missing": [score.record.student for score in scores if score.record.missing],
        "mean": sum(score.final for score in handed_in) / max(1, len(handed_in)),
        "possible": possible,
        "bars": [(points, bars[points], round(100 * bars[points] / highest)) for points in range(possible + 1)],
        "questions": questions,
        "mistakes": [_shown(*mistake, records, found) for mistake in most_common_mistakes(records, TOP)],
    }


def _shown(about: tuple[str, str], count: int, records: Sequence[Record], found: Comparison) -> dict[str, Any]:
    """A mistake with two answers that have it, without comments and names."""
    question, sentence = about
    made = [
        record.student
        for record in records
        for result in record.results
        if result["question"] == question and result["failure"] and result["failure"]["sentence"] == sentence
    ]
    codes = dict.fromkeys(code for student in made if (code := found.answers.get((student, question))))
    shown = ["\n".join(cut(code).split("\n")[:MAX_LINES]) for code in list(codes)[:SNIPPETS]]
    return {"question": question, "sentence": sentence, "count": count, "answers": shown}


def most_common_mistakes(
    records: Sequence[Record], n: int = TOP, question: str | None = None
) -> list[tuple[tuple[str, str], int]]:
    """The `n` most common mistakes, of one question or of all: (question, sentence), and how many made it.

    What is not written yet is none.
    """
    results = [result for record in records for result in record.results if result["failure"]]
    made = [each for each in results if not _is_unwritten(each) and question in (None, each["question"])]
    return Counter((each["question"], each["failure"]["sentence"]) for each in made).most_common(n)


def _is_unwritten(result: Mapping[str, Any]) -> bool:
    return bool(result["failure"]) and result["failure"]["sentence"].endswith(NOT_WRITTEN)


def summarize(scores: Sequence[Score], number: str) -> dict[str, float]:
    """Summarize an assignment in numbers; the mean is over the students who handed it in."""
    scores = [score for score in scores if score.record.assignment == number]
    handed_in = [score for score in scores if not score.record.missing]
    return {
        "students": len(handed_in),
        "not_handed_in": len(scores) - len(handed_in),
        "mean": round(sum(score.final for score in handed_in) / max(1, len(handed_in)), 2),
        "possible": scores[0].record.possible,
        "with_troubles": sum(bool(score.record.troubles) for score in handed_in),
        "late": sum(score.days_late > 0 for score in handed_in),
        "lost_by_lateness": round(sum(score.penalty for score in handed_in), 2),
        "worth_a_look": sum(bool(score.record.look) for score in handed_in),
    }
