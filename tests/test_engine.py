"""The engine stands alone: its folders, copied without the course and its world, train, align, generate and save."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_layers import LAYERS, PACKAGE

ENGINE = [name for layer in LAYERS[: LAYERS.index(["world"])] for name in layer]
PROGRAM = Path(__file__).with_name("engine_program.py")


@pytest.fixture
def engine(tmp_path):
    """A folder in which `import minillm` finds the engine alone."""
    package = tmp_path / "the engine" / "minillm"
    package.mkdir(parents=True)
    shutil.copy(PACKAGE / "__init__.py", package)
    for name in ENGINE:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PACKAGE / f"{name}.py", package)
    return package.parent


def test_the_engine_runs_without_the_course(engine, tmp_path):
    folder = tmp_path / "an outsider's folder"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, str(PROGRAM), str(engine)],
        cwd=folder,
        env={"PYTHONPATH": str(engine), "MINILLM_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "all of it without the course"
