"""The workflows and the container for development: right YAML, and held against pyproject.toml and start.py.

GitHub alone can run them. What can be checked here is their form (by actionlint, where it is installed) and that what
they name is there: bounds of versions, commands, options.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


def steps_of(path):
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def lowest(specifiers):
    """The version of "at least this one" among some bounds."""
    (bound,) = [Version(one.version) for one in specifiers if one.operator == ">="]
    return bound


def test_the_workflows_are_these():
    assert [path.name for path in WORKFLOWS] == ["pages.yml", "release.yml", "test.yml"]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in WORKFLOWS])
def test_actionlint_finds_nothing(path):
    if (actionlint := shutil.which("actionlint")) is None:
        pytest.skip("actionlint is not installed (https://github.com/rhysd/actionlint)")
    run = subprocess.run([actionlint, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in WORKFLOWS])
def test_a_workflow_is_limited_and_its_actions_are_pinned(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "permissions", "jobs"} <= set(content)
    assert all("timeout-minutes" in job for job in content["jobs"].values())
    actions = [step["uses"] for step in steps_of(path) if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action)] == []
    assert all(("uses" in step) != ("run" in step) for step in steps_of(path))


def test_the_matrix_has_the_oldest_and_the_newest_python_and_torch():
    matrix = workflow("test")["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    oldest, newest = matrix["include"]
    assert [oldest["bounds"], newest["bounds"]] == matrix["bounds"] == ["oldest", "newest"]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert Version(oldest["python"]) == lowest(allowed)
    assert newest["python"] in allowed
    assert Version(newest["python"]) >= Version("{}.{}".format(*sys.version_info)), "a newer one runs these tests"
    (torch,) = [Requirement(line) for line in PROJECT["dependencies"] if Requirement(line).name == "torch"]
    assert oldest["torch"] == f"torch=={lowest(torch.specifier)}.*"
    assert newest["torch"] == "torch"


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in WORKFLOWS])
def test_every_command_of_the_course_that_is_called_is_there(path):
    text = "\n".join(step.get("run", "") for step in steps_of(path))
    start = (ROOT / "start.py").read_text(encoding="utf-8")
    commands = re.search(r"^COMMANDS = \((.*)\)$", start, re.MULTILINE)[1]
    for command in re.findall(r"start\.py (?:--\w+ )?(\w+)", text):
        assert f'"{command}"' in commands
    for command in re.findall(r"/minillm (\w+)", text):
        assert (ROOT / "minillm" / "cli" / f"{command}.py").is_file()


def test_the_release_uses_the_wheel_before_it_is_attached():
    steps = [step.get("run", "") for step in steps_of(ROOT / ".github" / "workflows" / "release.yml")]
    order = [
        next(number for number, run in enumerate(steps) if part in run)
        for part in ("python -m build", 'pip" install dist/*.whl', "minillm tour", "gh release create")
    ]
    assert order == sorted(order)
    assert "tags" in workflow("release")[True]["push"], "YAML reads `on` as true"


def test_the_container_for_development_sets_up_the_course():
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert content["postCreateCommand"] == "python3 start.py setup"
    assert content["image"].rpartition(":")[2] in SpecifierSet(PROJECT["requires-python"])
