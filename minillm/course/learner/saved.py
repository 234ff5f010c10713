"""The files that keep what a learner wrote and what passed: workbook/mine/<topic>.py, readable and importable."""

import ast
import os
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from minillm.course.contents import ListedTurn, listed_turns
from minillm.course.learner.source import CannotSave, Needs, global_names
from minillm.errors import UserError

if TYPE_CHECKING:
    from minillm.course.learner.turn import Turn  # which imports torch

WORKBOOK = "MINILLM_WORKBOOK"  # environment variable: the learner's folder
MAX_BYTES = 1_000_000  # of one file; a turn has some twenty lines
HEADER = re.compile(r"^# Turn (\w+\.\w+), passed on (\d{4}-\d\d-\d\d), check ([0-9a-f]{12})$", re.MULTILINE)
PREAMBLE = '''"""What you wrote and what passed, from lesson {number}, {topic}.

Each part names its turn, the day, and the check that it passed. To change a part, change its cell in the lesson and
run it again. If you change it here, `minillm.course.mine` checks it again before it uses it.
"""
'''
MAIN = '''"""Your model in a terminal: `python -m mine chat`, or `python -m mine generate "Once"`, in the workbook."""

import os
import sys
from pathlib import Path

try:
    from minillm.cli import main
except ModuleNotFoundError as error:
    sys.exit(
        f"{sys.executable} has no {error.name}: activate the course's environment (in its folder: "
        "`source .venv/bin/activate`) and run the same command again"
    )
os.environ["MINILLM_WORKBOOK"] = str(Path(__file__).resolve().parent.parent)
main(["mine", *sys.argv[1:]], prog_name="minillm")
'''


@dataclass(frozen=True)
class Part:
    """One turn in a file: its source, and what it passed."""

    turn: str
    day: str
    check: str
    source: str
    line: int = 1  # where the source begins in the file

    def __str__(self) -> str:
        return f"# Turn {self.turn}, passed on {self.day}, check {self.check}\n{self.source.strip()}\n"


@dataclass
class Saved:
    """The content of a file: imports by the name that they define, and parts by the id of the turn."""

    imports: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def render(self, number: str, topic: str) -> str:
        """The text of the file, with the parts in the order of the lesson."""
        order = [turn.id for turn in listed_turns(number)]
        parts = sorted(self.parts.values(), key=lambda part: order.index(part.turn))
        plain, others = [], []
        for statement in sorted(set(self.imports.values())):
            (plain if statement.startswith("import ") else others).append(statement)
        blocks = [PREAMBLE.format(number=number, topic=topic.replace("_", " ")), "\n".join([*plain, *others, ""])]
        return "\n".join(block for block in blocks if block.strip()) + "".join(f"\n\n{part}" for part in parts)


def workbook() -> Path:
    """The learner's folder: $MINILLM_WORKBOOK, or the folder `workbook` at or above the current one.

    Where there is none yet, it is the one beside the course's `start.py`, or one in the current folder.
    """
    if chosen := os.environ.get(WORKBOOK):
        return Path(chosen)
    here = Path.cwd()
    above = [here, *here.parents]
    for folder in above:
        if folder.name == "workbook":
            return folder
        if (folder / "workbook").is_dir() or ((folder / "start.py").is_file() and (folder / "minillm").is_dir()):
            return folder / "workbook"
    return here / "workbook"


def file_of(topic: str) -> Path:
    """The file that keeps a topic's parts."""
    return workbook() / "mine" / f"{topic}.py"


def read_text(topic: str) -> str | None:
    """The text of a topic's file; None if there is none. Raises `UserError` for a file that is not such a text."""
    path = file_of(topic)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"mine/{topic}.py is larger than {MAX_BYTES:,} bytes; move it away")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"mine/{topic}.py cannot be read ({error.strerror}); move it away") from None
    except UnicodeDecodeError:
        raise UserError(f"mine/{topic}.py is not text; move it away") from None


def parse(text: str) -> Saved:
    """Take a file apart; the parts themselves may be damaged. Raises `UserError` if its first lines are.

    >>> header = "# Turn 04.heads, passed on 2027-01-31, check 0123456789ab"
    >>> saved = parse(f"import math\\n\\n\\n{header}\\nclass MultiHead: ...")
    >>> saved.imports, [part.line for part in saved.parts.values()]
    ({'math': 'import math'}, [5])
    """
    headers = list(HEADER.finditer(text))
    saved = Saved()
    try:
        preamble = ast.parse(text[: headers[0].start()] if headers else text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError("its first lines are damaged") from None
    for node in preamble.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            saved.imports[name] = ast.unparse(_one_import(node, alias))
    for header, end in zip(headers, [*(other.start() for other in headers[1:]), len(text)], strict=True):
        line = text.count("\n", 0, header.end()) + 2
        part = Part(*header.groups(), source=text[header.end() : end].strip() + "\n", line=line)
        saved.parts[part.turn] = part
    return saved


def _one_import(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import([alias])
    return ast.ImportFrom(node.module, [alias], node.level)


def with_part(saved: Saved, turn: "Turn", source: str, needs: Needs) -> Saved:
    """A file's content with this part in place of an older one of the same turn.

    Raises `CannotSave` if a name means one thing here and another in the other parts.
    """
    here = listed_turns(turn.id.partition(".")[0])
    source = "\n\n".join([*(text.strip() + "\n" for text in needs.above.values()), source]).strip() + "\n"
    check = turn.fingerprint(source)
    old = saved.parts.get(turn.id)
    day = old.day if old is not None and old.check == check else date.today().isoformat()
    parts = {other.id: saved.parts[other.id] for other in here if other.id in saved.parts}
    parts[turn.id] = Part(turn.id, day, check, source)

    # each part brings the imports that it needs; a turn that it calls is in this file, in another, or the course's
    imports, defined = {}, {}
    for id, part in parts.items():
        known = needs.imports if id == turn.id else saved.imports
        for name in global_names(part.source):
            statement = _import_of_turn(name, turn, parts) if name in _turn_names() else known.get(name)
            if statement and imports.setdefault(name, statement) != statement:
                raise CannotSave(f"`{name}` is something else in what you wrote before; rename it")
        for name, text in definitions(part.source).items():
            if defined.setdefault(name, text) != text:
                raise CannotSave(f"`{name}` is defined in another way in what you wrote before; rename it")
    if clash := sorted(imports.keys() & defined.keys()):
        raise CannotSave(f"`{clash[0]}` is something else in what you wrote before; rename it")
    return Saved(imports, parts)


def _turn_names() -> dict[str, ListedTurn]:
    return {turn.name: turn for turn in listed_turns()}


def _import_of_turn(name: str, turn: "Turn", parts: dict[str, Part]) -> str | None:
    """The import of another turn's function; None if it stands in the same file."""
    other = _turn_names()[name]
    if other.topic != turn.topic:
        return f"from minillm.course.mine import {name}"
    return None if other.id in parts else f"from minillm.course.turns.{turn.topic} import {name}"


def definitions(source: str) -> dict[str, str]:
    """What a part defines, by name."""
    found = {}
    for node in ast.parse(source).body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        for name in filter(None, [*names, getattr(node, "name", None)]):
            found[name] = ast.unparse(node)
    return found
