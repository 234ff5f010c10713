"""minillm bundle, with wheels of one module and no network: what it gathers, and that start.py takes what it wrote."""

import hashlib
import importlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from starting import course_folder, load_start, toy_wheel

from minillm import assets
from minillm.cli import main
from minillm.course import models

room = importlib.import_module("minillm.cli.bundle")  # by this name minillm.cli holds the command, not the room
PROJECT = """
[build-system]
requires = ["toy_builder"]
[project]
dependencies = ["click", "toy_package>=1"]
optional-dependencies = {lab = ["toy_lab"], test = ["not_needed"]}
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course's folder to stand in, an index of toy wheels in place of the network, and a cache with one model."""
    course, index, home = course_folder(tmp_path), tmp_path / "an index", tmp_path / "home"
    (course / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for name, number, needs in [
        ("torch", version("torch"), None),
        ("pip", version("pip"), None),
        ("click", version("click"), None),
        ("click", "9999.0", None),
        ("toy_builder", "3.0", None),
        ("toy_package", "1.5", "toy_friend"),
        ("toy_friend", "0.1", None),
        ("toy_lab", "2.0", None),
    ]:
        toy_wheel(index, name, number, needs)
    model = home / "models" / "base-0123456789abcdef"
    model.mkdir(parents=True)
    (model / "seal.json").write_text("{}", encoding="utf-8")
    shipped = tmp_path / "package" / "config.json"  # it comes with the course's folder, so no bundle copies it
    found = {"base": [model / "seal.json"], "sft": [], "ppo": [shipped]}
    monkeypatch.setattr(models, "files_here", lambda: found)
    monkeypatch.setenv("MINILLM_HOME", str(home))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    monkeypatch.chdir(course)
    return course


def bundle(*arguments, status=0):
    result = CliRunner().invoke(main, ["bundle", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


def test_a_bundle_holds_what_setup_installs_and_start_py_takes_it(course, tmp_path, monkeypatch):
    stick = tmp_path / "a stick"
    said = bundle(stick)
    wheels = {path.name.split("-")[0]: path.name.split("-")[1] for path in (stick / "wheels").iterdir()}
    assert wheels == {
        **{name: version(name) for name in ("torch", "pip", "click")},  # the versions that this computer has
        **{"toy_builder": "3.0", "toy_package": "1.5", "toy_friend": "0.1", "toy_lab": "2.0"},
    }
    assert "Not in the bundle, since not on this computer: smollm2-135m-instruct, gpt2-tokenizer, sft." in said
    assert "--make-models" in said
    assert "the course's folder without .venv and your workbook, which each laptop lays out" in said
    files = load_start(course).open_bundle(stick)
    assert set(files) == {
        "cache/models/base-0123456789abcdef/seal.json",
        *(f"wheels/{path.name}" for path in (stick / "wheels").iterdir()),
    }
    assert f"Fingerprint: {room.sha256(stick / 'bundle.json')[:16]}" in said

    # Again, with an older wheel and an older model left in it, and a wheel that broke off.
    toy_wheel(stick / "wheels", "click", "1.0")
    (stick / "cache" / "models" / "base-old").mkdir()
    (stick / "cache" / "models" / "base-old" / "seal.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("PIP_FIND_LINKS", (tmp_path / "nowhere").as_uri())  # what is there needs no index any more
    (stick / "wheels" / "._click.whl").touch()  # as macOS leaves them
    bundle(stick)
    assert load_start(course).open_bundle(stick) == files
    assert not (stick / "wheels" / "click-1.0-py3-none-any.whl").exists()
    assert not (stick / "cache" / "models" / "base-old" / "seal.json").exists()


def test_a_bundle_that_broke_off_is_told_from_a_whole_one(course, tmp_path, monkeypatch, capsys):
    stick = tmp_path / "stick"
    monkeypatch.setenv("PIP_FIND_LINKS", (tmp_path / "nowhere").as_uri())
    assert "pip could not fetch the wheels, see above; check the network, and run the same" in bundle(stick, status=1)
    start = load_start(course)
    with pytest.raises(start.Stop, match="is unfinished: run `start.py bundle` again"):
        start.open_bundle(stick)


def test_without_a_name_it_is_called_by_what_it_is_for(course, monkeypatch):
    monkeypatch.setattr(room, "gather_wheels", lambda wheels, project: wheels.mkdir())
    monkeypatch.setattr(models, "make_all", lambda: Path("made").write_text("", encoding="utf-8"))
    bundle("--make-models")
    (folder,) = course.glob("bundle-*")
    assert folder.name.endswith("-{}.{}".format(*sys.version_info))
    assert (
        json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["format"] == load_start(course).BUNDLE_FORMAT
    )
    assert (course / "made").exists()


def test_a_folder_of_something_else_and_a_small_disk_are_refused(course, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("", encoding="utf-8")
    assert "mine holds something else; name a new folder, or an empty one" in bundle(tmp_path / "mine", status=1)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=0.3e9))
    assert "the disk has 0.3 GB free at" in bundle(tmp_path / "new", status=1)


def test_outside_of_the_course_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "there is no pyproject.toml here; go to the course's folder" in bundle(status=1)


@pytest.mark.parametrize("label", ["cpu", "cu128"])
def test_a_build_of_pytorchs_own_comes_from_its_index_where_pip_does_not_find_it(monkeypatch, tmp_path, label):
    asked = []

    def pip_wheel(wheels, *arguments, quiet=False):
        asked.append(arguments)
        if len(asked) == 1:
            raise OSError("not there")

    monkeypatch.setattr(room, "pip_wheel", pip_wheel)
    monkeypatch.setattr(room, "version", lambda name: f"2.9.0+{label}")
    project = {"build-system": {"requires": []}, "project": {"dependencies": [], "optional-dependencies": {"lab": []}}}
    room.gather_wheels(tmp_path / "wheels", project)
    index = f"https://download.pytorch.org/whl/{label}"
    assert asked[1] == ("--no-deps", "--index-url", index, f"torch==2.9.0+{label}")
    assert asked[2][-1] == "pip"


def test_the_registrys_files_go_where_fetch_looks(tmp_path, monkeypatch):
    text = b"weights"
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    file = assets.AssetFile("toy.gguf", len(text), hashlib.sha256(text).hexdigest(), ())
    asset = assets.Asset("toy", "a toy", "MIT", (file,))
    monkeypatch.setattr(assets, "REGISTRY", {"toy": asset})
    monkeypatch.setattr(models, "files_here", dict)
    asset.folder.mkdir(parents=True)
    asset.path.write_bytes(text)
    assert room.gather_cache(tmp_path / "cache") == []
    assert (tmp_path / "cache/assets/toy/toy.gguf").read_bytes() == text
    asset.path.write_bytes(b"WEIGHTS")  # damaged on the teacher's computer: it does not travel
    assert room.gather_cache(tmp_path / "cache") == ["toy"]
    assert not (tmp_path / "cache/assets/toy/toy.gguf").exists()
