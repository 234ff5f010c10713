"""`your_kernel`: C from a page, compiled, checked in a child process, and answered with a box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from minillm.c_library import NativeError
from minillm.course.checks.asking import Reply
from minillm.course.kernel_lab import running
from minillm.course.kernel_lab.questions import ASKED, Asked
from minillm.course.learner.box import Box, Fold, Hints, Part, show
from minillm.errors import UserError

SEED = 0
STANDS_IN = "Until it passes, the rungs below run on the course's version."
# given: the matrix in 4 bits, 16 rows side by side, and the vector in 8
ROWS16 = """void rows16(const Block16 *w, const int8_t *x, const float *step, const float *sums, int blocks, float *y) {
    float total[16] = {0};
    for (int b = 0; b < blocks; b++, x += 32) {
        int dots[16] = {0};
        for (int i = 0; i < 16; i++)
            for (int row = 0; row < 16; row++)
                dots[row] += (w[b].codes[i][row] & 15) * x[i] + (w[b].codes[i][row] >> 4) * x[i + 16];
        for (int row = 0; row < 16; row++)
            total[row] += w[b].scale[row] * step[b] * dots[row] + w[b].low[row] * sums[b];
    }
    memcpy(y, total, sizeof total);
}"""
_tried: dict[str, str] = {}  # by kernel, the source that was tried last
_hints: dict[str, int] = {}  # by kernel, how many were asked for by running its cell again


@dataclass(frozen=True)
class Kernel:
    """A kernel that passed, or the course's."""

    name: str
    form: str  # of the matrix that it multiplies, in `packing.FORMATS`
    source: str
    is_yours: bool = False


def ready(name: str) -> Kernel:
    """The course's version of a kernel.

    >>> ready("dot4").form
    'blocks'
    """
    if name == "rows16":
        return Kernel(name, "side by side", ROWS16)
    if name not in ASKED:
        raise UserError(f"no kernel is called {name!r}; there are {', '.join([*ASKED, 'rows16'])}")
    return Kernel(name, ASKED[name].form, ASKED[name].solution)


def your_kernel(name: str, source: str) -> Kernel:
    """Compile a function in C, check it in a process of its own, show what was found; the course's until it passes.

    A body of `...` is not written yet: run again as it is, the cell gives a hint. Raises `UserError` for a name that
    the lab doesn't ask for.
    """
    given = ready(name)
    asked = ASKED[name]
    state, body = _judged(asked, source)
    if state != "right" and _tried.get(name) == source:
        _hints[name] = _hints.get(name, 0) + 1
    _tried[name] = source
    if state != "right":
        body = [*body, STANDS_IN, Hints(asked.hints, _hints.get(name, 0))]
    show(Box(f"{asked.question.title}: {state}", state, tuple(body)))
    return replace(given, source=source, is_yours=True) if state == "right" and not running.unavailable() else given


def _judged(asked: Asked, source: str) -> tuple[str, list[Part]]:
    """The state of an answer, and what is said of it."""
    if reason := running.unavailable():
        return "not written yet", [f"Nothing is compiled here. {reason}"]
    if _is_unwritten(source):
        return "not written yet", []
    try:
        path = running.compiled(asked.name, source)
        probes = asked.question.calls(SEED)
        calls = [asked.arguments(*call) for probe in probes for call in probe]
        job = {"path": str(path), "name": asked.name, "result": asked.result, "calls": calls}
        values = running.in_child(job)
    except NativeError as error:
        return "not right yet", [f"It doesn't compile: {_first_complaint(str(error))}"]
    except running.Crashed as error:
        return "not right yet", [f"{error} Your notebook lives on: the kernel ran in a process of its own."]
    left = iter(values)
    replies = [[Reply(_number(next(left), asked)) for _ in probe] for probe in probes]
    found = asked.question.grade(SEED, replies).failure
    if found is None:
        return "right", [f"Right, on all {len(values)} checks. The ladder below runs on your `{asked.name}`."]
    return "not right yet", [f"{found.sentence} {found.hint}", Fold("The smallest case", (found.seen,))]


def _number(value: float, asked: Asked) -> Any:
    return int(value) if asked.result == "int" else value


def _is_unwritten(source: str) -> bool:
    """Whether the body is still `...`."""
    _, _, body = source.partition("{")
    return body.rpartition("}")[0].strip() == "..."


def _first_complaint(text: str) -> str:
    """The compiler's first complaint, with the line of the learner's own source."""
    where = text.rpartition("your kernel:")[2]
    line, _, rest = where.partition(":")
    if not line.isdigit():
        return text.partition(" failed: ")[2] or text
    return f"line {line}: {rest.partition('error: ')[2] or rest}."


def differing(sources: Sequence[Kernel]) -> list[str]:
    """The names of the kernels that are the learner's.

    >>> differing([ready("dot")])
    []
    """
    return [kernel.name for kernel in sources if kernel.is_yours]
