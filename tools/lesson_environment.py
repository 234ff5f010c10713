"""The environment variables under which lessons are built and tested: the one place that fixes them.

Both the builder (tools/build_notebooks.py) and the tests (conftest.py) start their kernels with it, so a stored output
and the output it is compared with were made under the same conditions. A value that is already set wins: that is
how the tests run the lessons with one thread or with other CPU kernels.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lesson_environment() -> dict[str, str]:
    """This process's environment with the lessons' settings added."""
    settings = {
        "OMP_NUM_THREADS": "2",  # torch reads it at its start; sums depend on how many threads share them
        "GOMP_SPINCOUNT": "5000",  # a waiting thread soon sleeps; minillm/__init__.py says why
        "TQDM_DISABLE": "1",  # a progress bar prints rates, and rates differ every time
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "NO_COLOR": "1",
    }
    environment = {**settings, **os.environ}
    # The lessons import this tree's package, whatever else is installed.
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment
