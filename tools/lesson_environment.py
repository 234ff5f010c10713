"""The environment variables for building and testing lessons.

The builder (tools/build_notebooks.py) and the tests (conftest.py) start their kernels with them, so stored outputs and
the outputs they are compared with are produced under the same conditions. Variables that are already set take
precedence, so that tests can run the lessons with one thread or with other CPU kernels.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lesson_environment() -> dict[str, str]:
    """Return this process's environment with the lessons' settings added."""
    settings = {
        "OMP_NUM_THREADS": "2",  # torch reads it at start; sums depend on the number of threads
        "GOMP_SPINCOUNT": "5000",  # waiting threads sleep soon; minillm/__init__.py explains why
        "TQDM_DISABLE": "1",  # a progress bar prints rates, which vary
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "NO_COLOR": "1",
        "MINILLM_WORKBOOK": str(ROOT / "build" / "no_workbook"),  # outputs depend on nobody's answers or guesses
    }
    environment = {**settings, **os.environ}
    # The lessons import the package from this folder, even if another version is installed.
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment
