"""Guards for the whole test run; what they hold is tested in tests/notebooks/test_guards.py.

`pytest` runs the tests and the doctests. `pytest --nbval notebooks/` runs every lesson and compares what it prints
with the outputs stored in it. nbval drives a kernel by a small loop of its own, and that loop needs help: see below.
"""

import os
import re
import time
from collections import Counter
from queue import Empty

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch loads: as many workers as cores, so one thread for each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tools.lesson_environment import lesson_environment

try:
    from nbval import kernel as nbval_kernel
except ImportError:  # the package's tests run without the notebook tools
    nbval_kernel = None

# Manuscripts and exercises are text for the builders; as modules they would run on import. Mutators need cosmic-ray.
collect_ignore = ["exercises", "solutions", "notebooks/src", "start.py", "tools", "tests/mutators.py"]
collect_ignore += ["workbook", "grading", "runs"]  # a learner's, or made by commands
collect_ignore_glob = ["tests/lessons/*/answers.py"]  # wrong ones; test_answers.py loads them

QUIET_FOR = 60  # seconds nbval may wait for one message; it has 5 built in, too few for a busy machine


def _execute(self, source, allow_stdin=None):
    # Without history IPython ignores a trailing ";" and shows what the author hid (nbval issue 194).
    return self.kc.execute(source, store_history=True, allow_stdin=False, stop_on_error=False)


def _get_message(self, stream, timeout=None):
    # A dead kernel sends nothing, and nbval waits for its whole timeout, cell after cell. So ask for a sign of life.
    receive = self.kc.get_iopub_msg if stream == "iopub" else self.kc.get_shell_msg
    deadline = time.monotonic() + (timeout if timeout is not None else 3600)
    while True:
        try:
            return receive(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
        except Empty:
            if not self.is_alive():
                raise RuntimeError("the kernel died in this cell (out of memory, or a crash in native code)") from None
            if time.monotonic() >= deadline:
                raise


if nbval_kernel is not None:
    nbval_kernel.RunningKernel.execute_cell_input = _execute
    nbval_kernel.RunningKernel.get_message = _get_message


def pytest_addoption(parser):
    parser.addoption("--lesson", action="append", default=[], metavar="NN", help="run only tests of this lesson")


def pytest_configure(config):
    if getattr(config.option, "nbval", False) or getattr(config.option, "nbval_lax", False):
        os.environ.update(lesson_environment())  # the kernels inherit it


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):  # an nbval notebook: these differ by machine or hold pictures
        collector.skip_compare += ("stderr", "image/svg+xml")
        collector.missing_models = missing_models(collector.path.read_text(encoding="utf-8"))


def missing_models(notebook):
    """The course models that a lesson loads and that are not in the cache: making one takes minutes."""
    needed = set(re.findall(r"(?:models\.|= )(base|sft|reward|ppo|solver|reasoning|sweep)\(\)", notebook))
    if not needed:
        return []
    from minillm.course.models import files_here

    return sorted(name for name in needed if not files_here()[name])


def belongs(item, numbers):
    """Whether a test is in the folder of one of these lessons, or has a parameter like [04.attention] or [04_lab]."""
    from minillm.course.contents import TOPICS

    folders = tuple(f"tests/lessons/{TOPICS.get(number)}/" for number in numbers)
    return item.nodeid.startswith(folders) or re.search(rf"[\[-](?:{'|'.join(numbers)})[._ \]]", item.name) is not None


def pytest_collection_modifyitems(config, items):
    """Keep what belongs to a `--lesson`, if one is given; under pytest-xdist, run long files first.

    Those are files with slow tests, files with many, later lessons. Otherwise one worker can end up alone with a long
    file. start.py passes --no-loadscope-reorder, which keeps this order.
    """
    if numbers := config.option.lesson:
        others = [item for item in items if not belongs(item, numbers)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if belongs(item, numbers)]
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        count = Counter(item.path for item in items if item.path.suffix != ".ipynb")
        items.sort(key=lambda item: (item.path in slow, count[item.path], item.path.name), reverse=True)


def pytest_itemcollected(item):
    if hasattr(item, "output_timeout"):  # an nbval cell
        if missing := item.parent.missing_models:
            reason = f"it needs the course's models ({', '.join(missing)}); python -m minillm.course.models makes them"
            item.add_marker(pytest.mark.skip(reason=reason))
        item.output_timeout = QUIET_FOR
        # The last resort, should nbval's own timeout fail to end the cell.
        item.add_marker(pytest.mark.timeout(item.config.option.nbval_cell_timeout + 2 * QUIET_FOR))
