"""The figures in README.md are those of the benchmarks' results; benchmarks/README.md is written from them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

from minillm.world import WORLD_VERSION

ROOT = Path(__file__).resolve().parent.parent


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def result(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def table(heading: str) -> list[list[str]]:
    """The rows of README.md's table whose first line begins so, cell by cell."""
    lines = page("README.md").split(f"\n| {heading}")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def told(share: float, spec: str = ".0%") -> str:
    return format(share, spec).replace("%", " %")


def span(values: Sequence[float], spec: str, scale: float = 1) -> str:
    return " to ".join(format(end(values) * scale, spec) for end in (min, max))


def spread(values: Sequence[float], spec: str, scale: float = 1) -> str:
    """Lowest to highest, in parentheses."""
    return f"({span(values, spec, scale)})"


def star(name: str) -> str:
    """What a figure of the world before this one begins with."""
    return "" if result(name).get("world") == WORLD_VERSION else "* "


def test_the_readmes_figures_are_those_of_the_benchmarks():
    """Each row's last two cells: the baseline and the result, with the range over seeds."""
    bases = {name: result(name) for name in ("pretrain", "pretrain_long")}
    race, sft, decode = result("train"), result("sft"), result("decode")
    answered = [run["held-out"]["all"] for run in sft["runs"]]
    pairs = [run["groups"]["all"] for run in result("reward")["runs"]]
    agreed, ratios = [row["expected"] for row in pairs], decode["ratios"]
    perplexity = {row["contestant"]: row.get("perplexity_change") for row in decode["rows"]}
    assert race["reached"]
    assert {len(runs) for runs in (*(base["runs"] for base in bases.values()), race["rows"], answered, pairs)} == {3}
    closed = [
        f"{star(name)}{told(base['closed']['mean'], '.1%')} "
        f"{spread([run['closed'] for run in base['runs']], '.1f', 100)} in {base['seconds']['least']:.0f} s"
        for name, base in bases.items()
    ]
    rows = table("what | baseline")
    assert [row[2] for row in rows] == [
        "; ".join(closed),
        f"{race['median_ratio']:.1f} times as fast {spread(race['ratio'], '.2f')}",
        f"{star('sft')}{told(fmean(answered), '.1%')} {spread(answered, '.1f', 100)}",
        f"{star('reward')}{told(fmean(agreed), '.1%')} {spread(agreed, '.1f', 100)}",
        f"{decode['tokens_per_second']:.0f} tokens per second: {ratios['over transformers bfloat16']:.1f} times "
        f"`transformers`, {ratios['over llama_cpp Q4_1']:.1f} times `llama_cpp`",
    ]
    assert f"{race['target']} nats" in rows[1][0]
    assert rows[1][1].endswith(f"which end at {fmean(row['loss_plain'] for row in race['rows']):.2f}")
    assert rows[2][1].endswith(f": {told(sft['base']['all'], '.1%')}")
    assert rows[3][1].endswith(f": {told(fmean(row['ceiling'] for row in pairs), '.1%')}")
    assert rows[4][0].endswith(f"perplexity {told(perplexity[decode['configuration']], '+.2%')}")


def test_the_readmes_picture_has_the_figures_of_its_run():
    run = result("pretrain")["runs"][0]
    figures = [f"{run['seconds']:.0f} s", *(f"{run[loss]:.2f}" for loss in ("val_loss", "bigram_loss", "floor"))]
    caption = page("README.md").split("\n*The course's base model")[1].split("*\n")[0]
    assert re.findall(r"\d[\d.]*(?: s| %)?", caption) == [*figures, told(run["closed"], ".1%")]


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")))
def test_a_result_says_on_which_machine(name):
    assert {"processor", "cores", "system", "python", "packages"} <= set(result(name)["machine"])
