"""Write benchmarks/README.md from its template and the benchmarks' results.

    python tools/build_benchmarks.py            writes the page
    python tools/build_benchmarks.py --check    writes nothing; exit status 1 and one sentence if the page is stale

The template is `benchmarks/README.md.jinja`. There, `results.sft` is `benchmarks/results/sft.json`, `has("sft")` says
whether that file exists, `older("sft")` lists it if an earlier world made it, and the filters below compute and format:
`{{ results.sft.base.all | show(".1%") }}` is 1.4%.
Run this after a benchmark, and read the sentences around the new numbers.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import jinja2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the line below also works when this file is run as a script

from minillm.errors import UserError  # noqa: E402
from minillm.world import WORLD_VERSION  # noqa: E402

PAGE, TEMPLATE, RESULTS = "benchmarks/README.md", "benchmarks/README.md.jinja", "benchmarks/results"
# What makes a result, where it is not the script of that name without options.
COMMANDS = {
    "facts": "fact_lab.py",
    "forged": "forged_turn.py",
    "pretrain_long": "pretrain.py --long",
    "train": "train.py --race",
    "train_kernels": "train.py --kernels",
    "train_ladder": "train.py --ladder",
    "train_shapes": "train.py --shapes",
    "train_throughput": "train.py --throughput",
}


class Figures(dict):
    """A JSON object that says where a missing key was looked up."""

    def __init__(self, values: Mapping[str, Any], where: str):
        super().__init__({key: named(value, f"{where}, {key}") for key, value in values.items()})
        self.where = where

    def __missing__(self, key: object) -> Any:
        raise UserError(f"{self.where}: there is no {key!r}; run the benchmark again, or change {TEMPLATE}")


def named(value: Any, where: str) -> Any:
    """Turn the objects inside a JSON value into `Figures`."""
    if isinstance(value, dict):
        return Figures(value, where)
    return [named(item, f"{where}, {index}") for index, item in enumerate(value)] if isinstance(value, list) else value


class Results(dict):
    """The result files of a folder by name, each read when it is first used."""

    def __init__(self, root: Path):
        super().__init__()
        self.root = root

    def has(self, name: str) -> bool:
        return (self.root / RESULTS / f"{name}.json").is_file()

    def older(self, *names: str) -> list[str]:
        """Name those of the results' files that were measured on an earlier version of the world."""
        return [f"{name}.json" for name in names if self.has(name) and self[name].get("world") != WORLD_VERSION]

    def __missing__(self, name: str) -> Figures:
        file = f"{RESULTS}/{name}.json"
        if not self.has(name):
            raise UserError(f"{file} is missing; run python benchmarks/{COMMANDS.get(name, f'{name}.py')}")
        self[name] = Figures(json.loads((self.root / file).read_text(encoding="utf-8")), file)
        return self[name]


def show(value: float, spec: str) -> str:
    return format(value, spec)


def span(values: Iterable[float], spec: str) -> str:
    """Format the lowest and the highest value.

    >>> span([0.933, 0.929, 0.932], ".1%")
    '92.9 to 93.3%'
    """
    values = list(values)
    low, high = format(min(values), spec), format(max(values), spec)
    return f"{low.removesuffix('%')} to {high}"


def mean_span(values: Iterable[float], spec: str) -> str:
    """Format the mean over seeds, with the lowest and the highest value.

    >>> mean_span([0.933, 0.929, 0.931], ".1%")
    '93.1% (92.9 to 93.3)'
    """
    values = list(values)
    return f"{fmean(values):{spec}} ({span(values, spec).removesuffix('%')})"


def row(rows: Sequence[Figures], **wanted: Any) -> Figures:
    """Find the row with these entries."""
    for found in rows:
        if all(found[key] == value for key, value in wanted.items()):
            return found
    where = rows[0].where.rpartition(",")[0] if rows else RESULTS
    raise UserError(f"{where}: there is no row with {wanted}; run the benchmark again, or change {TEMPLATE}")


def values_at(rows: Sequence[Figures], *path: str) -> list[float]:
    """Look up a value in each row, by keys that may be numbers as text, for which jinja's `map` takes positions."""
    values: list[Any] = list(rows)
    for key in path:
        values = [value[key] for value in values]
    return values


def accuracy_without(accuracies: Iterable[Figures], asked: Figures, *families: str) -> list[float]:
    """Compute each run's accuracy on the instructions of all other families; `asked` counts those of each family."""
    others = {family: count for family, count in asked.items() if family not in families}
    return [sum(run[family] * count for family, count in others.items()) / sum(others.values()) for run in accuracies]


def backward_over_forward(parts: Figures) -> float:
    """Compute how many times as long the backward pass takes as the forward pass, without the fused head and loss."""
    outside = ("optimizer", "data", "rest of the loop", "head and loss")
    model = [times for part, times in parts.items() if part not in outside]
    backward = sum(times["backward"] for times in model)
    return backward / (sum(times["share"] for times in model) - backward)


def render(root: Path = ROOT) -> str:
    """Fill the template with the results; raises `UserError` if a file or a key is missing."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    filters = (show, span, mean_span, row, values_at, accuracy_without, backward_over_forward)
    environment.filters |= {function.__name__: function for function in filters} | {"mean": fmean}
    results = Results(root)
    try:
        template = environment.from_string((root / TEMPLATE).read_text(encoding="utf-8"))
        return template.render(results=results, has=results.has, older=results.older)
    except jinja2.TemplateError as error:
        raise UserError(f"{TEMPLATE}: {error}") from error


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=f"Write {PAGE} from its template and the benchmarks' results.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is stale")
    options = parser.parse_args(arguments)
    try:
        fresh = render(root)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    page = root / PAGE
    stale = not page.is_file() or page.read_text(encoding="utf-8") != fresh
    if options.check:
        print(f"{PAGE} is stale; run python tools/build_benchmarks.py" if stale else "up to date")
        return int(stale)
    if stale:
        page.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
