"""Read the submissions of a class, each in a process with its own limits."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from minillm.course.checks.plain import printable
from minillm.course.grading.limited import Failed, Processes, run_all
from minillm.course.grading.submissions import NO_NOTEBOOK, HandIn, Notebook, Submission, read_part

READING_SECONDS = 60.0  # limit for reading one submitted file or folder


def read_all(
    processes: Processes, submissions: Sequence[Submission], jobs: int, on_read: Callable[[], Any] = lambda: None
) -> None:
    """Read every submission, `jobs` at a time, in place.

    A submission that cannot be read has the reason in its `trouble`. `on_read` is called after each file or folder.
    """
    parts = [(submission, part) for submission in submissions for part in submission.parts]
    work = [lambda pair=pair: (pair[0], *_read(processes, pair[1])) for pair in parts]
    for submission, notebooks, trouble in run_all(work, jobs, processes):
        submission.add(notebooks)
        submission.trouble = trouble or submission.trouble
        on_read()
    for submission in submissions:
        if submission.notebooks and submission.trouble and NO_NOTEBOOK not in submission.trouble:
            submission.look.append(submission.trouble)  # the readable notebooks are still graded


def _read(processes: Processes, part: HandIn) -> tuple[list[Notebook], str | None]:
    if part.trouble:
        return [], part.trouble
    try:
        notebooks = processes.call(_read_as_json, part, seconds=READING_SECONDS)
    except Failed as reason:
        return [], f"{printable(part.path.name)} cannot be read: {reason}"
    return [Notebook(**fields | {"cells": tuple(map(tuple, fields["cells"]))}) for fields in notebooks], None


def _read_as_json(part: HandIn) -> list[dict[str, Any]]:
    return [asdict(notebook) for notebook in read_part(part)]
