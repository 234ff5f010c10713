"""The page of the benchmarks is written from their results, and a missing or changed figure is noticed."""

import json
import re
import shutil
from pathlib import Path

import pytest

from minillm.errors import UserError
from minillm.world import WORLD_VERSION
from tools import build_benchmarks as builder

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root(tmp_path) -> Path:
    """A copy of the page, its template and the results."""
    shutil.copytree(ROOT / builder.RESULTS, tmp_path / builder.RESULTS, ignore=shutil.ignore_patterns("*.png"))
    for name in (builder.PAGE, builder.TEMPLATE):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def result(root: Path, name: str) -> Path:
    return root / builder.RESULTS / f"{name}.json"


def filled(root: Path, template: str) -> str:
    (root / builder.TEMPLATE).write_text(template, encoding="utf-8")
    return builder.render(root)


def test_the_page_is_up_to_date(capsys):
    assert builder.main(["--check"]) == 0, "run python tools/build_benchmarks.py"
    assert capsys.readouterr().out == "up to date\n"


def test_a_changed_figure_makes_the_page_stale(root, capsys):
    data = json.loads(result(root, "sft").read_text(encoding="utf-8"))
    assert data["base"]["all"] == 0.027
    data["base"]["all"] = 0.031
    result(root, "sft").write_text(json.dumps(data), encoding="utf-8")
    before = (root / builder.PAGE).read_text(encoding="utf-8")
    assert builder.main(["--check"], root) == 1
    assert capsys.readouterr().out == "benchmarks/README.md is stale; run python tools/build_benchmarks.py\n"
    assert (root / builder.PAGE).read_text(encoding="utf-8") == before, "--check wrote the page"
    assert builder.main([], root) == 0
    after = (root / builder.PAGE).read_text(encoding="utf-8")
    assert after == before.replace("The base model answers 2.7%", "The base model answers 3.1%").replace(
        "base model: 2.7%", "base model: 3.1%"
    )
    assert builder.main(["--check"], root) == 0


def test_a_missing_page_is_stale(root):
    (root / builder.PAGE).unlink()
    assert builder.main(["--check"], root) == 1
    assert builder.main([], root) == 0
    assert (root / builder.PAGE).read_text(encoding="utf-8") == (ROOT / builder.PAGE).read_text(encoding="utf-8")


def test_a_missing_key_is_named_with_its_file(root, capsys):
    data = json.loads(result(root, "decode").read_text(encoding="utf-8"))
    del data["ratios"]["over llama_cpp Q4_1"]
    result(root, "decode").write_text(json.dumps(data), encoding="utf-8")
    assert builder.main(["--check"], root) == 1
    said = capsys.readouterr().err
    assert "benchmarks/results/decode.json, ratios: there is no 'over llama_cpp Q4_1'; run the benchmark again" in said


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ results.sft.runs[1].nothing }}", "sft.json, runs, 1: there is no 'nothing'"),
        ('{{ results.sft.runs | map(attribute="held-out.nothing") | mean }}', "held-out: there is no 'nothing'"),
        ('{{ results.decode.rows | row(contestant="nobody") }}', "rows: there is no row with {'contestant': 'nobody'}"),
        ("{{ results.nothing.at.all }}", "nothing.json is missing; run python benchmarks/nothing.py"),
        ("{{ results.train_ladder.steps }}{{ nothing }}", "README.md.jinja: 'nothing' is undefined"),
        ("{% if %}", "README.md.jinja: Expected an expression"),
    ],
)
def test_what_a_template_cannot_find_is_named(root, template, message):
    with pytest.raises(UserError, match=re.escape(message)):
        filled(root, template)


@pytest.mark.parametrize(("name", "command"), [("train", "train.py --race"), ("pretrain_long", "pretrain.py --long")])
def test_a_missing_file_says_which_command_makes_it(root, capsys, name, command):
    result(root, name).unlink()
    assert builder.main([], root) == 1
    said = capsys.readouterr().err
    assert said == f"benchmarks/results/{name}.json is missing; run python benchmarks/{command}\n"


def test_the_filters_on_figures_worked_by_hand(root):
    template = '{{ [0.933, 0.929, 0.931] | mean_span(".1%") }}; {{ [3, 1, 2] | span(".0f") }}; {{ 0.5 | show(".0%") }}'
    assert filled(root, template) == "93.1% (92.9 to 93.3); 1 to 3; 50%"
    assert builder.values_at([{"at": {"1": 0.5}}, {"at": {"1": 0.7}}], "at", "1") == [0.5, 0.7]
    runs = [{"sum": 0.0, "copy": 0.5, "who": 1.0}]
    asked = builder.Figures({"sum": 50, "copy": 10, "who": 30}, "here")
    assert builder.accuracy_without(runs, asked, "sum") == [(0.5 * 10 + 1.0 * 30) / 40]
    parts = {"norms": {"share": 0.3, "backward": 0.2}, "data": {"share": 0.7, "backward": 0.0}}
    assert builder.backward_over_forward(builder.Figures(parts, "here")) == pytest.approx(2)


def test_results_of_an_earlier_world_are_named(root):
    template = '{{ older("sft", "reward", "nothing") | join(", ") }}'
    for name, changes in (("sft", {"world": WORLD_VERSION}), ("reward", {"world": "3"})):
        values = json.loads(result(root, name).read_text(encoding="utf-8"))
        result(root, name).write_text(json.dumps(values | changes), encoding="utf-8")
    assert filled(root, template) == "reward.json"
    result(root, "reward").write_text("{}", encoding="utf-8")  # as older files are: without a version
    assert filled(root, template) == "reward.json"


def test_the_data_lab_has_a_table_with_the_range_over_seeds(root):
    runs = [
        {"condition": name, "seed": 0, "kl": kl, "epochs": 1.5}
        for name, kl in (("dirty", 0.3), ("dirty", 0.5), ("clean", 0.2))
    ]
    written = {"finding": "It helps.", "steps": 20, "documents": 800, "runs": runs}
    result(root, "data").write_text(json.dumps(written), encoding="utf-8")
    page = builder.render(root)
    assert "| dirty | 0.400 (0.300 to 0.500) | 1.5 |\n| clean | 0.200 (0.200 to 0.200) | 1.5 |\n" in page
    assert "It helps." in page


def test_the_page_shows_every_result_and_every_benchmark():
    template = (ROOT / builder.TEMPLATE).read_text(encoding="utf-8")
    assert {path.stem for path in (ROOT / builder.RESULTS).glob("*.json")} <= {*re.findall(r"results\.(\w+)", template)}
    scripts = [
        path for path in (ROOT / "benchmarks").glob("*.py") if "write_result(" in path.read_text(encoding="utf-8")
    ]
    missing = [path.name for path in scripts if path.stem != "common" and f"benchmarks/{path.name}" not in template]
    assert missing == []
