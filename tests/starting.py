"""What the tests of start.py share: a copy of it in a folder of its own, and a course that pip installs offline."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (ROOT / "start.py").read_text(encoding="utf-8")

# A build backend of a few lines, so that pip can install the toy course in place without asking any index.
BACKEND = """
import pathlib, zipfile

METADATA = "Metadata-Version: 2.1\\nName: minillm\\nVersion: 1.0\\nProvides-Extra: lab\\nProvides-Extra: test\\nNEEDS"
WHEEL = "Wheel-Version: 1.0\\nGenerator: toy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "minillm-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("toy.pth", str(pathlib.Path(__file__).parent))
        wheel.writestr("minillm-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("minillm-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("minillm-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "minillm"
version = "1.0"
dependencies = []
[project.optional-dependencies]
lab = []
test = []
"""


def course_folder(tmp_path):
    """A folder with start.py in it, at a path with spaces and letters beyond ASCII."""
    folder = tmp_path / "ein Kurs für Übung"
    folder.mkdir()
    (folder / "start.py").write_text(SOURCE, encoding="utf-8")
    return folder


def load_start(folder):
    """The folder's start.py as a module: its ROOT is the folder."""
    specification = importlib.util.spec_from_file_location("start_in_a_test", folder / "start.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def make_toy_course(folder, needs=None):
    """A package of a few lines in that folder, which needs the package `needs`."""
    backend = BACKEND.replace("NEEDS", f"Requires-Dist: {needs}\\n" if needs else "")
    project = PROJECT.replace("dependencies = []", f"dependencies = {[needs] if needs else []}")
    (folder / "backend.py").write_text(backend, encoding="utf-8")
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    (folder / "minillm").mkdir()
    compiling = "def compile_native():\n    print('minillm.compile_native()')\n"
    (folder / "minillm" / "__init__.py").write_text(compiling, encoding="utf-8")
    (folder / "minillm" / "__main__.py").write_text("import sys; print('minillm', *sys.argv[1:])", encoding="utf-8")
    cache = "import os\n\ndef cache_dir():\n    return os.environ['MINILLM_HOME']\n"
    (folder / "minillm" / "assets.py").write_text(cache, encoding="utf-8")
    return folder


def toy_wheel(folder, name, version, needs=None):
    """A wheel with one module, which tells its version."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + f"Requires-Dist: {needs}\n" * bool(needs)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", about)
        wheel.writestr(
            f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")
    return path


def start_py(folder, *arguments, **variables):
    """Run it as a person would; PIP_NO_INDEX takes the place of the network."""
    environment = {**os.environ, "HOME": str(folder), "PIP_NO_INDEX": "1", "PYTHONUTF8": "1", **variables}
    command = [sys.executable, "start.py", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
