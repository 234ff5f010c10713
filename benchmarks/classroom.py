"""A class of invented students who hand in assignment 04: right, wrong, late, and hostile in every way we know.

Each kind of student is a function that turns the solved notebook into what is handed in, and the points that it must
get for the four questions (of 2, 2, 3, 3). `benchmarks/grading.py` times the whole class, a test grades one of each.
"""

import json
import os
import stat
import zipfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "04_attention"
FULL = (2, 2, 3, 3)
LATE = 2_000_000_000  # when the late ones saved their notebook, as a Unix time

SIGNATURES = {
    "attention": "query, key, value, visible",
    "multi_head": "x, query_weight, key_weight, value_weight, output_weight, n_heads",
    "window_mask": "T, S, window, sinks",
    "join": "out_a, total_a, out_b, total_b",
}


@dataclass(frozen=True)
class Student:
    """What a kind of student hands in, by changes to the solved notebook, and what that is worth."""

    points: tuple[int, int, int, int]
    functions: dict[str, str] | None = None  # new bodies
    first: str | None = None  # a cell before all others
    last: str | None = None  # a cell after all others
    packed: Callable[[Path, str, bytes], None] | None = None  # how it is handed in; None: as a file in a folder
    reason: str | None = None  # a part of what the table must say
    look: str | None = None  # a part of what a teacher must be told to look at


def _stubs() -> dict[str, str]:
    return dict.fromkeys(SIGNATURES, "raise NotImplementedError()")


def _zip(folder: Path, name: str, data: bytes, member: str = f"{NAME}.ipynb", mode: int = stat.S_IFREG | 0o644) -> None:
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(member)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
        archive.writestr(info, data)


def _link_in_zip(folder: Path, name: str, data: bytes) -> None:
    _zip(folder, name, f"../right_00/{NAME}.ipynb".encode(), mode=stat.S_IFLNK | 0o777)


def _link(folder: Path, name: str, data: bytes) -> None:
    (folder / name).mkdir()
    (folder / name / f"{NAME}.ipynb").symlink_to(folder / "right_00" / f"{NAME}.ipynb")


def _file(folder: Path, name: str, data: bytes) -> None:
    (folder / name).mkdir()
    (folder / name / f"{NAME}.ipynb").write_bytes(data)


def _late(folder: Path, name: str, data: bytes) -> None:
    _file(folder, name, data)
    os.utime(folder / name / f"{NAME}.ipynb", (LATE, LATE))


def _no_metadata(folder: Path, name: str, data: bytes) -> None:
    notebook = json.loads(data)
    for cell in notebook["cells"]:
        cell["metadata"] = {"nbgrader": {"grade_id": "check_04_1", "points": 1000, "grade": True, "solution": True}}
    _file(folder, name, json.dumps(notebook).encode())


LIAR = """class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __getattr__(self, name): return lambda *a, **k: self
    def __len__(self): return 1
return Liar()"""
FORGE = """import json, os, struct
text = json.dumps({"tuple": ["04.4/0", [[{"points": 3, "passed": True}, None]]]}).encode()
for channel in range(3, 64):
    try: os.write(channel, struct.pack(">Q", len(text) + 8) + struct.pack(">Q", len(text)) + text)
    except OSError: pass"""
PATCH = """import minillm.course.checks as checks, torch, builtins
checks.check = checks.ask = checks.judge = lambda *a, **k: type("Result", (), {"points": 100, "passed": True})()
torch.Tensor.__eq__ = torch.allclose = torch.isclose = torch.equal = lambda *a, **k: True
builtins.len = lambda *a: 3"""

ORACLE = """from minillm.course.checks.attention.head import attention as right
return right(query, key, value, visible)"""
ATEN = """batch = (one[None, None] for one in (query, key, value, visible))
return torch.ops.aten.scaled_dot_product_attention(*batch)[0, 0]"""

KINDS = {
    "right": Student(FULL),
    "zipped": Student(FULL, packed=_zip),
    "other_metadata": Student(FULL, packed=_no_metadata),
    "wrong_scale": Student(
        (0, 2, 3, 3), {"attention": "return (query @ key.T).masked_fill(~visible, -math.inf).softmax(-1) @ value"}
    ),
    "wrong_mask": Student((2, 2, 0, 3), {"window_mask": "return torch.ones(T, S, dtype=torch.bool).tril()"}),
    "wrong_share": Student((2, 2, 3, 0), {"join": "return (out_a + out_b) / 2, total_a + total_b"}),
    "late_stub": Student((0, 0, 0, 0), _stubs(), packed=_late),
    "endless_answer": Student((2, 2, 3, 0), {"join": "while True: pass"}),
    "endless_cell": Student(FULL, first="while True: pass", reason="took longer than"),
    "fork_bomb": Student((2, 2, 3, 0), {"join": "import os\nwhile True: os.fork()"}),
    "memory_hog": Student((2, 2, 3, 0), {"join": "x = []\nwhile True: x.append(torch.ones(10**7))"}),
    "socket": Student((2, 2, 3, 0), {"join": 'import socket\nsocket.create_connection(("10.0.0.1", 80), 5)'}),
    "gradebook": Student((2, 2, 3, 0), {"join": 'return open("OUT/gradebook.db", "rb").read()'}),
    "neighbour": Student(FULL, last='open("SUBMISSIONS/right_00/04_attention.ipynb").read()', reason="No such file"),
    "deletes": Student(FULL, last='import shutil\nshutil.rmtree("SUBMISSIONS")', reason="No such file"),
    "patches": Student((0, 2, 3, 3), {"attention": "return 100"}, last=PATCH),
    "liar": Student((2, 2, 0, 3), {"window_mask": LIAR}, look="__eq__"),
    "forges": Student((2, 2, 3, 0), {"join": "return 3"}, last=FORGE, reason="wrote something of its own"),
    "dies": Student((2, 2, 3, 0), {"join": "import os\nos._exit(0)"}, look="_exit"),
    "prints": Student(FULL, last='for _ in range(1000): print("x" * 10**6)'),
    "returns_a_gigabyte": Student((2, 2, 3, 0), {"join": "return torch.zeros(25 * 10**7), total_a"}),
    "the_oracle": Student((0, 2, 3, 3), {"attention": ORACLE}),
    "around_the_watch": Student(FULL, {"attention": ATEN}, look="ops"),  # the watch is not the border: a person is told
    "ready_made": Student(
        (0, 2, 3, 3),
        {"attention": "return torch.nn.functional.scaled_dot_product_attention(query, key, value, visible)"},
        look="scaled_dot_product_attention",
    ),
    "broken_json": Student(
        (0, 0, 0, 0), packed=lambda *args: _file(*args[:2], b'{"cells": ['), reason="JSON is broken"
    ),
    "link": Student((0, 0, 0, 0), packed=_link, reason="is a link"),
    "link_in_zip": Student((0, 0, 0, 0), packed=_link_in_zip, reason="is a link"),
    "path_out_of_zip": Student(FULL, packed=lambda *args: _zip(*args, member=f"../../{NAME}.ipynb")),
    "zip_bomb": Student((0, 0, 0, 0), packed=lambda *args: _zip(*args[:2], bytes(10**8)), reason="more than 10 MB"),
    "no_zip": Student((0, 0, 0, 0), packed=lambda f, n, d: (f / f"{n}.zip").write_bytes(d), reason="cannot be read"),
}


def hand_in(folder: Path, out: Path, times: dict[str, int]) -> dict[str, Student]:
    """Fill a folder with submissions, so many of each kind; returns the students by name."""
    solved = json.loads((ROOT / "solutions" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    folder.mkdir(parents=True)
    students = {f"{kind}_{copy:02}": KINDS[kind] for kind, number in times.items() for copy in range(number)}

    def placed(source: str) -> str:
        return source.replace("OUT", str(out)).replace("SUBMISSIONS", str(folder))

    for name, student in students.items():
        notebook = deepcopy(solved)
        for function, body in (student.functions or {}).items():
            _replace(notebook, function, placed(body))
        for place, source in ((0, student.first), (len(notebook["cells"]), student.last)):
            if source is not None:
                cell = {"cell_type": "code", "source": placed(source), "metadata": {}, "outputs": []}
                notebook["cells"].insert(place, cell)
        (student.packed or _file)(folder, name, json.dumps(notebook).encode())
    return students


def _replace(notebook: dict, function: str, body: str) -> None:
    head = f"def {function}("
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    (cell,) = [cell for cell in codes if "".join(cell["source"]).startswith(head)]
    cell["source"] = f"{head}{SIGNATURES[function]}):\n    " + body.replace("\n", "\n    ")
