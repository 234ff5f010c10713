"""minillm publish: a file that is there or a sentence that says why not."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner
from helpers import lively, small_config

import minillm
from minillm.cli import main as command_line
from minillm.cli import publish as command
from minillm.course import truth
from minillm.course.shipped import SHIPPED
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a run in `runs/mine`, whose weights were written on 2 January 2026."""
    monkeypatch.chdir(tmp_path)
    tokenizer = Tokenizer.train(["low lower lowest"], 270, ["<|endoftext|>"])
    minillm.save(lively(Transformer(small_config(vocab_size=270))), tokenizer, "runs/mine")
    os.utime("runs/mine/model.safetensors", (1767355200, 1767355200))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(command_line, ["publish", *map(str, arguments)])


def refused(*arguments):
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert len(result.stderr) < 260
    return result.stderr


def about(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text.split('id="data">')[1].split("</script>")[0])


def test_a_run_is_published_under_its_own_name(folder):
    result = run("runs/mine", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output.splitlines()[-1])
    size = (folder / "mine.html").stat().st_size
    assert told == {
        "run": "runs/mine", "out": "mine.html", "bytes": size, "name": "mine", "author": None, "date": "2026-01-02",
    }  # fmt: skip
    page = about(folder / "mine.html")
    assert (page["name"], page["author"], page["date"], page["models"][0]["curve"]) == (
        "mine",
        None,
        "2026-01-02",
        None,
    )
    assert sorted(path.name for path in folder.iterdir()) == ["mine.html", "runs"]


def test_a_shipped_model_by_its_name_with_its_curve(folder):
    options = ["--author", "Ada", "--date", "2026-11-30", "--name", "Tom", "--beginning", "Once", "--beginning", "The"]
    assert run("course-base", "--out", "a b.html", *options).exit_code == 0
    page = about(folder / "a b.html")
    assert (page["name"], page["author"], page["date"]) == ("Tom", "Ada", "2026-11-30")
    assert page["beginnings"] == ["Once", "The"]
    assert page["models"][0]["curve"]["floor"] > 0
    assert run("course-base", "--name", "../x y/").exit_code == 0
    assert about(folder / "x-y.html")["date"] is None  # the file's own date would be that of the installation


def test_several_models_are_put_on_one_page(folder):
    assert run("runs/mine", "--with", "course-sft", "--out", "two.html").exit_code == 0
    models = about(folder / "two.html")["models"]
    assert [(model["label"], model["chat"] is None) for model in models] == [("mine", True), ("course-sft", False)]
    assert "course-reward" in refused("runs/mine", "--with", "course-rewards", "--out", "three.html")


def test_the_truth_comes_along_on_request(folder, monkeypatch):
    assert run("course-base", "--out", "toy.html", "--compare").exit_code == 0
    assert about(folder / "toy.html")["truth"] == truth.stored()
    assert run("course-base", "--out", "plain.html").exit_code == 0
    assert about(folder / "plain.html")["truth"] is None
    assert about(folder / "toy.html")["worker"] is None
    assert run("course-base", "--out", "site.html", "--compare", "--worker", "world/worker.mjs").exit_code == 0
    assert about(folder / "site.html")["worker"] == "world/worker.mjs"
    refusal = refused("course-base", "--out", "plain.html", "--worker", "a.mjs", "--force")
    assert "--worker is 'a.mjs', which serves the comparison only; give --compare, too" in refusal
    assert "has no token that begins a text" in refused("runs/mine", "--compare")
    (folder / "runs" / "mine" / "run.json").write_text('{"corpus": "mine.txt"}', encoding="utf-8")
    assert "this run learned from 'mine.txt'; leave it out" in refused("runs/mine", "--compare")
    monkeypatch.setattr(command, "is_installed", lambda name: False)
    assert "the course is not installed here; leave it out" in refused("course-base", "--compare")


def test_a_file_is_replaced_on_request_only(folder):
    (folder / "mine.html").write_text("mine", encoding="utf-8")
    assert "mine.html is there already; replace it with --force, or choose another --out" in refused("runs/mine")
    assert (folder / "mine.html").read_text(encoding="utf-8") == "mine"
    assert run("runs/mine", "--force").exit_code == 0
    assert about(folder / "mine.html")["name"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["runs/gone"], "there is no file or directory 'runs/gone'"),
        (["course-bass"], "no model is called 'course-bass'; did you mean 'course-base'"),
        (["runs"], "runs is not a saved model: it has no config.json"),
        (["runs/mine", "--out", "gone/page.html"], "there is no folder gone; make it first"),
        (["runs/mine", "--date", "30.11.2026"], "--date is '30.11.2026'; write it as 2026-11-30"),
        (["runs/mine", "--author", " "], "--author is ' ', 1 characters long; give 1 to 100"),
        (["runs/mine", "--name", "x" * 101], "xxx', 101 characters long; give 1 to 100"),
        (["runs/mine", "--beginning", ""], "--beginning is '', 0 characters long; give 1 to 300"),
        (
            ["runs/mine", "--author", "Ad\udcff"],
            "--author is 'Ad\\udcff', which is not valid Unicode; write it in UTF-8",
        ),
        (["course-reward"], "holds a reward model, which scores texts and writes none; publish"),
    ],
)
def test_what_cannot_be_published_gets_a_sentence(arguments, says, folder):
    assert says in refused(*arguments)
    assert [path.name for path in folder.iterdir()] == ["runs"]


def test_damaged_metrics_are_named(folder):
    shutil.copy(SHIPPED / "base" / "metrics.jsonl", "runs/mine")
    with open("runs/mine/metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 1}\n')
    assert "metrics.jsonl, line 68: step is 1; a whole number above 660" in refused("runs/mine")


def test_ctrl_c_leaves_nothing(folder, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("minillm.publish.page.write_text", interrupted)
    assert run("runs/mine").exit_code == 1
    assert [path.name for path in folder.iterdir()] == ["runs"]


def test_a_disk_that_refuses_gets_a_sentence(folder, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("minillm.publish.page.write_text", full)
    assert "No space left on device: 'mine.html'" in refused("runs/mine")


def test_the_name_of_a_file_is_safe():
    names = {command.file_name(name) for name in ("a/../b", "CON: <x>", "...", "é x", "x" * 200)}
    assert names == {"a-..-b.html", "CON-x.html", "model.html", "é-x.html", "x" * 60 + ".html"}
