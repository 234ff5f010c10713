"""The container to grade in: its packages are the project's, and the commands on its page have options that exist."""

import re
import shlex
import tomllib
from pathlib import Path

import click

from minillm.cli.grade import grade_class

ROOT = Path(__file__).resolve().parents[3]
PYTHON = {"python3", "python3-venv"}  # which a slim image lacks, and a machine with a checkout has
LIBRARIES = {"libseccomp2", "libgomp1"}  # of pyseccomp and of PyTorch


def text(path):
    return (ROOT / path).read_text(encoding="utf-8").replace("\\\n", " ")


def debian(path):
    """The packages that a file installs with apt or apt-get."""
    found = re.findall(r"(?:apt|apt-get) install ((?:[\w.-]+ *)+)", text(path))
    return {word for words in found for word in words.split() if not word.startswith("-")}


def test_the_image_has_the_sandbox_that_ci_installs_and_nothing_else():
    browser, arm = {"chromium"}, {"gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"}
    sandbox = debian(".ci/run") - browser - arm
    assert sandbox == {"bubblewrap"}
    assert debian("teaching/Containerfile") == sandbox | LIBRARIES | PYTHON
    assert debian("teaching/grading.md") == {"bubblewrap", "libseccomp2"}


def test_the_image_installs_packages_and_extras_of_the_project():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    installs = re.findall(r"bin/pip install (.*?)(?=&&|\n)", text("teaching/Containerfile"))
    words = [word for line in installs for word in shlex.split(line) if not word.startswith("-")]
    extras = [re.fullmatch(r"/course\[(\w+)\]", word) for word in words]
    (extra,) = [match[1] for match in extras if match]
    assert extra in project["optional-dependencies"]
    rest = [word for word, match in zip(words, extras, strict=True) if not match]
    assert [word for word in rest if word != "$TORCH_INDEX"] == [
        requirement for requirement in project["dependencies"] if requirement.startswith("torch")
    ]


def test_only_what_is_installed_travels_into_the_image():
    """The list begins by leaving out everything, so submissions, the workbook, runs and caches stay outside."""
    lines = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert let_in == {"pyproject.toml", "README.md", "LICENSE", "minillm", "exercises", "solutions"}
    assert all((ROOT / name).exists() for name in let_in)
    assert let_in.isdisjoint(line.strip("/") for line in text(".gitignore").splitlines())
    assert lines[-2:] == ["**/__pycache__", "**/.*"]  # the last match counts


def test_the_commands_of_the_page_have_options_that_there_are():
    blocks = re.findall(r"^```\n(.*?)^```", text("teaching/grading.md"), re.DOTALL | re.MULTILINE)
    typed = [
        line for block in blocks for line in block.splitlines() if line.startswith(("minillm", "podman", "docker"))
    ]
    lines = [shlex.split(line, comments=True) for line in typed]
    graded = [line[2:] for line in lines if line[:2] == ["minillm", "grade"]]
    run = [line for line in lines if line[1:2] == ["run"]]
    assert {line[0] for line in run} == {"podman", "docker"}
    for line in run:
        image = line.index("minillm-grade")
        volumes = [line[index + 1].split(":") for index in range(image) if line[index] == "--volume"]
        assert [volume[-1] for volume in volumes] == ["ro", "/graded"]  # submissions cannot be changed
        assert line[line.index("--network") + 1] == "none"
        assert line[line.index("--cap-drop") + 1] == "all"
        assert line[image + 1] == volumes[0][1]
        graded.append(line[image + 1 :])
    assert len(graded) >= 3
    for arguments in graded:
        context = click.Context(grade_class)
        assert grade_class.make_parser(context).parse_args(list(arguments))[0]["out"]
    build = ["build", "--tag", "minillm-grade", "--file", "teaching/Containerfile", "."]
    assert [line for line in lines if line[1:2] == ["build"]] == [["podman", *build], ["docker", *build]]
