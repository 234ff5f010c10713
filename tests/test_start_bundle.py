"""start.py setup --from: a bundle is used only when all of it is what its list says, and for this computer."""

import hashlib
import json
import os
import platform
import subprocess
import sys

import pytest
from starting import course_folder, load_start, make_toy_course, start_py, toy_wheel

links = pytest.mark.skipif(os.name == "nt", reason="on Windows links need a privilege")


def write_list(bundle, course, **changes):
    """The list of a bundle's files as they are now, for this computer and that course, but for the changes."""
    paths = [path for path in bundle.rglob("*") if path.is_file() and path.name != "bundle.json"]
    said = {
        "format": 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": "{}.{}".format(*sys.version_info),
        "pyproject": hashlib.sha256((course / "pyproject.toml").read_bytes()).hexdigest(),
        "files": {path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
    }
    (bundle / "bundle.json").write_text(json.dumps(said | changes), encoding="utf-8")


MODEL = "cache/models/base-0123456789abcdef"


@pytest.fixture
def course(tmp_path):
    return make_toy_course(course_folder(tmp_path), needs="toy_package>=2")


@pytest.fixture
def bundle(tmp_path, course):
    """A whole one: a wheel that the course needs, a file of weights and a model."""
    bundle = tmp_path / "a stick" / "bundle"
    toy_wheel(bundle / "wheels", "toy_package", "2.1")
    files = {"cache/assets/gpt/vocab.json": "{}", f"{MODEL}/model.safetensors": "1 2 3", f"{MODEL}/seal.json": "sealed"}
    for place, text in files.items():
        (bundle / place).parent.mkdir(parents=True, exist_ok=True)
        (bundle / place).write_text(text, encoding="utf-8")
    write_list(bundle, course)
    return bundle


@pytest.fixture
def start(course, monkeypatch):
    """start.py with nothing behind it that would install; PIP_ variables that it sets are forgotten afterwards."""
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "")
    start = load_start(course)
    monkeypatch.setattr(start, "make_venv", lambda: pytest.fail("a bundle that is refused must not leave a .venv"))
    return start


def test_a_set_up_from_a_bundle_for_real(bundle, course, tmp_path):
    home = tmp_path / "home"
    said = start_py(course, "setup", "--from", str(bundle), MINILLM_HOME=str(home), PIP_FIND_LINKS="")
    assert "Installed packages: 2." in said
    python = course / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import toy_package; print(toy_package.version)"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "2.1"
    assert (home / "assets/gpt/vocab.json").read_text(encoding="utf-8") == "{}"
    assert (home / "models" / MODEL.split("/")[-1] / "model.safetensors").read_text(encoding="utf-8") == "1 2 3"
    # the checksums have the last word, and the learner's copies are laid out on this computer
    assert "minillm workbook --fetch=smollm2-135m-instruct --fetch=gpt2-tokenizer\n" in said
    fingerprint = hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest()[:16]
    assert f"Fingerprint: {fingerprint} " in said
    again = start_py(course, "setup", "--from", str(bundle), MINILLM_HOME=str(home), PIP_FIND_LINKS="")
    assert "installed" not in again


def refusal(start, bundle, capsys):
    assert start.main(["setup", "--from", str(bundle)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert os.environ["PIP_NO_INDEX"] == ""
    return said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"system": "Plan9 mips"}, "was made for Plan9 mips, and this is "),
        ({"python": "3.99"}, "3.99 start.py setup --from ...`), or ask for a bundle for Python "),
        ({"pyproject": "0"}, "another version of the course. Take the course's folder from the same stick"),
        ({"format": 2}, "another version of start.py"),
        ({"files": {}}, "is unfinished: run `start.py bundle` again where it was made"),
        ({"files": []}, "its bundle.json is missing or unreadable"),
        ({"python": "3.12; rm -rf x"}, "its bundle.json is missing or unreadable"),
        ({"system": "\x1b[2J"}, "its bundle.json is missing or unreadable"),
    ],
)
def test_a_bundle_for_something_else_is_refused(start, bundle, course, capsys, change, sentence):
    write_list(bundle, course, **change)
    assert sentence in refusal(start, bundle, capsys)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', "[" * 100_000, "\xff"])
def test_a_spoilt_list_is_refused(start, bundle, capsys, text):
    (bundle / "bundle.json").write_text(text, encoding="latin-1")
    assert "is not a bundle: its bundle.json is missing or unreadable" in refusal(start, bundle, capsys)
    assert "is not a bundle" in refusal(start, bundle / "nowhere", capsys)


def test_a_file_that_changed_is_missing_or_is_not_listed_is_refused(start, bundle, course, capsys):
    weights = bundle / MODEL / "model.safetensors"
    weights.write_text("1 2 4", encoding="utf-8")
    assert f"the bundle's '{MODEL}/model.safetensors' has changed since it was written. Copy" in refusal(
        start, bundle, capsys
    )
    weights.unlink()
    assert "model.safetensors' is missing" in refusal(start, bundle, capsys)
    weights.write_text("1 2 3", encoding="utf-8")
    (bundle / "wheels" / "._toy_package-2.1-py3-none-any.whl").write_text("macOS leaves such", encoding="utf-8")
    toy_wheel(bundle / "wheels", "toy_package", "9.9")  # pip would take the newer one
    assert "contains 'wheels/toy_package-9.9-py3-none-any.whl', which is not in its list" in refusal(
        start, bundle, capsys
    )


@pytest.mark.parametrize(
    "place",
    [
        "../outside.whl",
        "wheels/../../outside.whl",
        "cache/assets/../../../outside",
        "/etc/hostname",
        "C:/outside.whl",
        "wheels\\..\\outside.whl",
        "cache/tokens/x",
        "cache/assets/.hidden",
        "wheels/toy.tar.gz",
        "bundle.json",
        "wheels/x.whl\n",
        "",
    ],
)
def test_a_list_that_leads_out_of_the_bundle_is_refused(start, bundle, course, capsys, place):
    (bundle.parent / "outside.whl").write_text("secret", encoding="utf-8")
    write_list(bundle, course, files={place: hashlib.sha256(b"secret").hexdigest()})
    (bundle / "wheels" / "toy_package-2.1-py3-none-any.whl").unlink()
    assert f"the bundle's {place!r} has no place in a bundle" in refusal(start, bundle, capsys)


@links
@pytest.mark.parametrize("linked", ["a file", "a folder"])
def test_a_link_is_refused_whatever_it_leads_to(start, bundle, course, capsys, linked):
    at = bundle / MODEL / "model.safetensors" if linked == "a file" else bundle / MODEL
    elsewhere = at.rename(bundle.parent / "elsewhere")
    at.symlink_to(elsewhere, target_is_directory=linked == "a folder")
    write_list(
        bundle,
        course,
        files={f"{MODEL}/model.safetensors": hashlib.sha256(b"1 2 3").hexdigest()}
        | {"wheels/toy_package-2.1-py3-none-any.whl": "0"},
    )
    assert "model.safetensors' is a link to somewhere else" in refusal(start, bundle, capsys)


def test_a_model_that_is_there_already_stays_and_a_half_copied_one_is_mended(start, bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(start, "fetch", lambda python: None)
    model = tmp_path / "home" / "models" / MODEL.split("/")[-1]
    model.mkdir(parents=True)
    (model / "model.safetensors").write_text("1", encoding="utf-8")  # no seal: a copy was interrupted here
    start.lay_out(sys.executable, bundle, start.open_bundle(bundle))
    assert (model / "model.safetensors").read_text(encoding="utf-8") == "1 2 3"
    assert (model / "seal.json").exists()
    (model / "model.safetensors").write_text("made on this computer", encoding="utf-8")
    start.lay_out(sys.executable, bundle, start.open_bundle(bundle))
    assert (model / "model.safetensors").read_text(encoding="utf-8") == "made on this computer"
    assert not list((tmp_path / "home").rglob("*.bundled"))


def test_a_file_that_changes_between_the_check_and_the_copy_is_not_laid_out(start, bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    files = start.open_bundle(bundle)
    (bundle / "cache/assets/gpt/vocab.json").write_text("{1}", encoding="utf-8")
    with pytest.raises(start.Stop, match=r"vocab\.json' changed while it was read"):
        start.lay_out(sys.executable, bundle, files)
    assert not (tmp_path / "home/assets/gpt/vocab.json").exists()


def test_from_belongs_to_setup_and_pip_then_asks_no_index(start, bundle, monkeypatch, capsys):
    assert start.main(["test", "--from", str(bundle)]) == 1
    assert "--from belongs to " in capsys.readouterr().err
    start.open_bundle(bundle)
    assert os.environ["PIP_NO_INDEX"] == "1"
    assert os.environ["PIP_FIND_LINKS"] == (bundle / "wheels").as_uri()  # a space in it would be two places to pip
    asked = []
    for name in ("own_index", "answers"):
        monkeypatch.setattr(start, name, lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(start.sys, "platform", "linux")
    assert start.choose_index("PYTHON") is None
    assert asked == []
