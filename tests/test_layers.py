"""The layers of the package: an import points to a lower layer, and modules of one layer do not import each other."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "minillm"
LAYERS = [
    ["errors", "extensions"],
    ["files"],
    ["assets"],
    ["c_library"],  # what is compiled at first use
    ["kernels"],
    ["config", "device", "losses", "tokenizer"],
    ["model", "data"],
    ["pretrained"],
    ["training", "inference"],
    ["posttraining", "publish"],
    ["api"],  # what `import minillm` offers
    ["world"],  # from here on the course: the engine below knows nothing of it
    ["viz", "analysis"],
    ["course"],
    ["cli"],
    ["__main__"],  # hands over to cli, and nobody imports it
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


def modules(package=PACKAGE):
    """Every module of the package by its name: {"model.attention": .../attention.py, "model": .../__init__.py}."""
    paths = {path.relative_to(package).with_suffix(""): path for path in sorted(package.rglob("*.py"))}
    names = {".".join(part for part in name.parts if part != "__init__"): path for name, path in paths.items()}
    return {name: path for name, path in names.items() if name}  # minillm/__init__.py is the package itself


def imports(name, path, known):
    """(line, module) for each import of our own package in one file, wherever it stands in it."""
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = ["minillm", *here][: 1 + len(here) - (node.level - 1)]
                base = ".".join([*above, base]).rstrip(".")
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            parts = target.split(".")
            if parts[0] == "minillm":
                inside = ".".join(parts[1:])
                yield node.lineno, inside if inside in known else ".".join(parts[1:-1])


def violations(package=PACKAGE):
    """One sentence for each import that points up or sideways, and for each cycle inside a folder."""
    known = modules(package)
    found, inside = [], {name: set() for name in known}
    for name, path in known.items():
        top = name.split(".")[0]
        for line, target in imports(name, path, known):
            place = f"{path.relative_to(package.parent).as_posix()}, line {line}, imports minillm.{target}".rstrip(".")
            other = target.split(".")[0]
            if top not in LAYER or other not in LAYER:
                found.append(f"{place}, and {top if top not in LAYER else other or 'minillm itself'} has no layer")
            elif other == top:
                inside[name].add(target)
            elif LAYER[other] >= LAYER[top]:
                where = "the same layer" if LAYER[other] == LAYER[top] else f"layer {LAYER[other]}, above it"
                found.append(f"{place} from layer {LAYER[top]}, but that is in {where}")
    try:
        tuple(TopologicalSorter(inside).static_order())
    except CycleError as cycle:
        found.append("a cycle of imports: " + " -> ".join(cycle.args[1]))
    return found


def test_imports_point_down():
    assert not violations(), "\n".join(violations())


def test_what_is_raised_for_a_user_is_a_user_error():
    """The command line turns that into a sentence, and takes any other ValueError for a bug."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name not in ("plain.py", "wire.py"):  # there it is caught where it is raised
            assert "raise ValueError" not in path.read_text(encoding="utf-8"), path


def test_every_module_has_a_layer():
    assert {name.split(".")[0] for name in modules()} <= set(LAYER)


@pytest.mark.parametrize(
    ("files", "violation"),
    [
        ({"model/a.py": "from minillm.training import loop", "training/loop.py": ""}, "layer 8, above it"),
        ({"model/a.py": "def f():\n    import minillm.training.loop", "training/loop.py": ""}, "line 2, imports"),
        ({"device.py": "from minillm import config", "config.py": ""}, "imports minillm.config from layer 5"),
        ({"viz/a.py": "from ..analysis.b import c", "analysis/b.py": ""}, "that is in the same layer"),
        ({"model/a.py": "from minillm import Transformer"}, "minillm itself has no layer"),
        ({"stray.py": "import minillm.config", "config.py": ""}, "stray has no layer"),
        ({"model/a.py": "from .b import x", "model/b.py": "from minillm.model import a"}, "a cycle of imports"),
        ({"model/a.py": "from .b import x\nfrom minillm.config import y", "model/b.py": "", "config.py": ""}, None),
        ({"model/__init__.py": "from .a import x", "model/a.py": "import torch"}, None),
    ],
)
def test_the_wrong_import_is_named(tmp_path, files, violation):
    for name, text in files.items():
        path = tmp_path / "minillm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = violations(tmp_path / "minillm")
    assert len(found) == (violation is not None), found
    assert violation is None or violation in found[0]
