"""The engine stands alone: its folders, copied without the course and its world, train, align, generate and save."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_layers import LAYERS, PACKAGE

ENGINE = [name for layer in LAYERS[: LAYERS.index(["world"])] for name in layer]
HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("program", "more", "says"),
    [
        ("engine_program.py", [], "all of it without the course"),
        pytest.param(
            "engine_commands.py", ["cli", "__main__"], "all commands without the course", marks=pytest.mark.slow
        ),
    ],
)
def test_the_engine_runs_without_the_course(tmp_path, program, more, says):
    engine, folder = tmp_path / "the engine", tmp_path / "an outsider's folder"
    package = engine / "minillm"
    for path in (package, folder):
        path.mkdir(parents=True)
    shutil.copy(PACKAGE / "__init__.py", package)
    for name in [*ENGINE, *more]:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PACKAGE / f"{name}.py", package)
    run = subprocess.run(
        [sys.executable, str(HERE / program), str(engine)],
        cwd=folder,
        env={"PYTHONPATH": str(engine), "MINILLM_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == says
