"""environment.yml (conda, Binder) names what pyproject.toml names: one list, written twice, held equal."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "playwright": "playwright-python"}


def wanted(pyproject: dict) -> dict[str, SpecifierSet]:
    """What the package, the lab and the tests need, under the names of conda."""
    project = pyproject["project"]
    lines = project["dependencies"] + [
        line for extra in ("lab", "test") for line in project["optional-dependencies"][extra]
    ]
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(CONDA_NAMES.get(item.name, item.name)): item.specifier for item in requirements}


def listed(environment: dict) -> dict[str, SpecifierSet]:
    """What environment.yml installs by conda, without Python and pip themselves."""
    lines = [
        line for line in environment["dependencies"] if isinstance(line, str) and not re.match(r"(python=|pip$)", line)
    ]
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(item.name): item.specifier for item in requirements}


def differences(pyproject: dict, environment: dict) -> list[str]:
    want, have = wanted(pyproject), listed(environment)
    missing = [f"environment.yml lacks {name}{want[name]}" for name in want.keys() - have.keys()]
    extra = [
        f"environment.yml has {name}{have[name]}, which pyproject.toml has not" for name in have.keys() - want.keys()
    ]
    other = [
        f"{name}: environment.yml says {str(have[name])!r}, pyproject.toml says {str(want[name])!r}"
        for name in want.keys() & have.keys()
        if want[name] != have[name]
    ]
    return sorted(missing + extra + other)


@pytest.fixture
def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def test_environment_yml_equals_pyproject(pyproject, environment):
    found = differences(pyproject, environment)
    assert not found, "\n".join(found)


def test_a_difference_is_named(pyproject, environment):
    environment["dependencies"].remove("pytorch>=2.6")
    environment["dependencies"].append("cowsay>=6")
    pyproject["project"]["optional-dependencies"]["test"] = ["pytest>=99"]
    found = differences(pyproject, environment)
    assert "environment.yml lacks pytorch>=2.6" in found
    assert "environment.yml has cowsay>=6, which pyproject.toml has not" in found
    assert "pytest: environment.yml says '>=8.2', pyproject.toml says '>=99'" in found


def test_conda_installs_a_python_that_the_course_supports_and_the_course_itself(pyproject, environment):
    lines = environment["dependencies"]
    python = next(line for line in lines if isinstance(line, str) and line.startswith("python="))
    assert python.removeprefix("python=") in SpecifierSet(pyproject["project"]["requires-python"])
    assert environment["channels"] == ["conda-forge"]
    assert {"pip": ["-e ."]} in lines
    assert "pip" in lines
