"""The house of the package: an import points to a lower floor, and rooms on one floor do not know each other."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "minillm"
FLOORS = [
    ["errors"],
    ["config", "device", "tokenizer", "losses", "assets"],
    ["data"],
    ["model"],
    ["pretrained"],
    ["training", "inference"],
    ["posttraining"],
    ["viz", "analysis"],
    ["course"],
    ["cli"],
    ["__main__"],  # hands over to cli, and nobody imports it
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def modules(package=PACKAGE):
    """Every module of the package by its name: {"model.attention": .../attention.py, "model": .../__init__.py}."""
    paths = {path.relative_to(package).with_suffix(""): path for path in sorted(package.rglob("*.py"))}
    names = {".".join(part for part in name.parts if part != "__init__"): path for name, path in paths.items()}
    return {name: path for name, path in names.items() if name}  # minillm/__init__.py is the front door


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


def offences(package=PACKAGE):
    """One sentence for each import that points up or sideways, and for each circle inside a folder."""
    known = modules(package)
    found, inside = [], {name: set() for name in known}
    for name, path in known.items():
        room = name.split(".")[0]
        for line, target in imports(name, path, known):
            place = f"{path.relative_to(package.parent).as_posix()}, line {line}, imports minillm.{target}".rstrip(".")
            other = target.split(".")[0]
            if room not in FLOOR or other not in FLOOR:
                found.append(f"{place}, and {room if room not in FLOOR else other or 'the front door'} has no floor")
            elif other == room:
                inside[name].add(target)
            elif FLOOR[other] >= FLOOR[room]:
                where = "the same floor" if FLOOR[other] == FLOOR[room] else f"floor {FLOOR[other]}, above it"
                found.append(f"{place} from floor {FLOOR[room]}, but that stands on {where}")
    try:
        tuple(TopologicalSorter(inside).static_order())
    except CycleError as circle:
        found.append("a circle of imports: " + " -> ".join(circle.args[1]))
    return found


def test_imports_point_down():
    assert not offences(), "\n".join(offences())


def test_what_is_raised_for_a_user_is_a_user_error():
    """The command line turns that into a sentence, and takes any other ValueError for a bug."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name not in ("plain.py", "wire.py"):  # there it is caught where it is raised
            assert "raise ValueError" not in path.read_text(encoding="utf-8"), path


def test_every_room_has_a_floor():
    assert {name.split(".")[0] for name in modules()} <= set(FLOOR)


@pytest.mark.parametrize(
    ("files", "offence"),
    [
        ({"model/a.py": "from minillm.training import loop", "training/loop.py": ""}, "floor 5, above it"),
        ({"model/a.py": "def f():\n    import minillm.training.loop", "training/loop.py": ""}, "line 2, imports"),
        ({"device.py": "from minillm import config", "config.py": ""}, "imports minillm.config from floor 1"),
        ({"viz/a.py": "from ..analysis.b import c", "analysis/b.py": ""}, "that stands on the same floor"),
        ({"model/a.py": "from minillm import Transformer"}, "the front door has no floor"),
        ({"cellar.py": "import minillm.config", "config.py": ""}, "cellar has no floor"),
        ({"model/a.py": "from .b import x", "model/b.py": "from minillm.model import a"}, "a circle of imports"),
        ({"model/a.py": "from .b import x\nfrom minillm.config import y", "model/b.py": "", "config.py": ""}, None),
        ({"model/__init__.py": "from .a import x", "model/a.py": "import torch"}, None),
    ],
)
def test_the_offending_import_is_named(tmp_path, files, offence):
    for name, text in files.items():
        path = tmp_path / "minillm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = offences(tmp_path / "minillm")
    assert len(found) == (offence is not None), found
    assert offence is None or offence in found[0]
