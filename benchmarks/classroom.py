"""A synthetic class for testing the grader: right, wrong, late, unusual but honest, and hostile submissions.

Each kind of student writes something into the folder of submissions and has the points that its answers must get.
`benchmarks/grading.py` times the whole class, and a test grades one of each kind.
"""

import json
import os
import stat
import zipfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minillm.course.checks import ASSIGNMENTS, questions
from minillm.course.grading.names import safe_name

ROOT = Path(__file__).resolve().parent.parent
NAME = "04_attention"
FULL = (2, 2, 3, 3)
NOTHING = (0, 0, 0, 0)
WIDE = "名" * 80  # more bytes than a file name can have
LATE = 2_000_000_000  # Unix time at which the late students saved their notebooks
HEADS = {
    "longest_text": "model, memory, n_texts",
    "grouped_attention": "query, key, value",
    "window_mask": "T, S, window, sinks",
    "join": "out_a, total_a, out_b, total_b",
}
Pack = Callable[[Path, str, bytes], None]


@dataclass(frozen=True)
class Student:
    """A submission for assignment 04, as changes to the solved notebook, and the points that it must get."""

    points: tuple[int, ...] = FULL
    functions: dict[str, str] | None = None  # new function bodies
    first: str | None = None  # a cell before all others
    last: str | None = None  # a cell after all others
    packed: Pack | None = None  # how it is submitted; None: as a file in a folder
    reason: str | None = None  # part of the reason in the table
    look: str | None = None  # part of the note to the teacher
    called: str | None = None  # the student's name in the tables, if not the kind
    unreadable: bool = False  # nothing of it can be read, so it counts for no assignment


@dataclass
class Expected:
    """The expected table rows of one student: points by assignment, without missing assignments."""

    points: dict[str, tuple[int, ...]]
    reason: str | None = None
    look: str | None = None


@cache
def notebook(number: str, folder: str = "solutions") -> bytes:
    """Read an assignment's notebook, solved or unsolved."""
    name = f"{number}_{ASSIGNMENTS[number]}"
    return (ROOT / folder / name / f"{name}.ipynb").read_bytes()


@cache
def full(number: str) -> tuple[int, ...]:
    """Return the maximum points of every question."""
    return tuple(len(question.probes) for question in questions(number))


def nothing(number: str) -> tuple[int, ...]:
    return tuple(0 for _ in questions(number))


# --- ways to submit ---


def _file(folder: Path, name: str, data: bytes, path: str = f"{NAME}.ipynb") -> None:
    (folder / name / path).parent.mkdir(parents=True)
    (folder / name / path).write_bytes(data)


def _at(path: str) -> Pack:
    return lambda folder, name, data: _file(folder, name, data, path)


def _top(file: str) -> Pack:
    return lambda folder, name, data: (folder / file).write_bytes(data) and None


def _zip(folder: Path, name: str, data: bytes, member: str = f"{NAME}.ipynb", mode: int = stat.S_IFREG | 0o644) -> None:
    with zipfile.ZipFile(folder / f"{name}.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(member)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
        archive.writestr(info, data)


def _with_checkpoints(folder: Path, name: str, data: bytes) -> None:
    _zip(folder, name, notebook("04", "exercises"), f".ipynb_checkpoints/{NAME}-checkpoint.ipynb")
    _zip(folder, name, data)


def _whole_course(folder: Path, name: str, data: bytes) -> None:
    for top in ("solutions", "exercises"):
        for number in ASSIGNMENTS:
            path = f"{number}_{ASSIGNMENTS[number]}"
            own = data if (top, number) == ("exercises", "04") else notebook(number, top)
            _zip(folder, name, own, f"minillm-main/{top}/{path}/{path}.ipynb")
    _zip(folder, name, (ROOT / "notebooks" / f"{NAME}.ipynb").read_bytes(), f"minillm-main/notebooks/{NAME}.ipynb")
    for number in range(3000):
        _zip(folder, name, b"", f"minillm-main/.venv/lib/{number}.py")


def _beside_an_untouched_one(folder: Path, name: str, data: bytes) -> None:
    _file(folder, name, notebook("04", "exercises"))
    (folder / name / f"{NAME}_final.ipynb").write_bytes(data)


def _no_metadata(folder: Path, name: str, data: bytes) -> None:
    content = json.loads(data)
    for cell in content["cells"]:
        cell["metadata"] = {"nbgrader": {"grade_id": "check_04_1", "points": 1000, "grade": True, "solution": True}}
    _file(folder, name, json.dumps(content).encode())


def _late(folder: Path, name: str, data: bytes) -> None:
    _file(folder, name, data)
    os.utime(folder / name / f"{NAME}.ipynb", (LATE, LATE))


def _link(folder: Path, name: str, data: bytes) -> None:
    (folder / name).mkdir()
    (folder / name / f"{NAME}.ipynb").symlink_to(folder / "right" / f"{NAME}.ipynb")


def _link_in_zip(folder: Path, name: str, data: bytes) -> None:
    _zip(folder, name, f"../right/{NAME}.ipynb".encode(), mode=stat.S_IFLNK | 0o777)


def _blank_lines(folder: Path, name: str, data: bytes) -> None:
    content = json.loads(data)
    content["cells"].append({"cell_type": "code", "source": "x = 1" + "\n" * 900_000, "metadata": {}, "outputs": []})
    _file(folder, name, json.dumps(content).encode())


# --- more ways ---


def _with_module(folder: Path, name: str, data: bytes) -> None:
    _file(folder, name, data)
    (folder / name / "own.py").write_text(OWN, encoding="utf-8")


def _in_windows(folder: Path, name: str, data: bytes) -> None:
    content = json.loads(data)
    content["cells"].append({"cell_type": "code", "source": "word = 'caf\u00e9'", "metadata": {}, "outputs": []})
    _file(folder, name, json.dumps(content, ensure_ascii=False).encode("cp1252", "replace"))


def _null_cell(folder: Path, name: str, data: bytes) -> None:
    content = json.loads(data)
    content["cells"].append({"cell_type": "code", "source": None, "metadata": {}, "outputs": []})
    _file(folder, name, json.dumps(content).encode())


# --- code of hostile answers ---

LIAR = """class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __getattr__(self, name): return lambda *a, **k: self
    def __len__(self): return 1
return Liar()"""
FORGE = """import json, os, struct
text = json.dumps({text}).encode()
for channel in range(3, 64):
    try: os.write(channel, struct.pack(">Q", len(text) + 8) + struct.pack(">Q", len(text)) + text)
    except OSError: pass
return 3"""
FORGED_REPLY = {"tuple": ["04.4/0", [[{"points": 3, "passed": True}, None]]]}
FORGED_STEP = {"tuple": [{"dict": [[1, 2]]}, []]}
HEADER_BOMB = """import os, struct
head = struct.pack(">Q", 40) + b"[" + b" " * 37 + b"1]" + struct.pack("<Q", 50_000_000) + b'{"' + b"x" * 40_000_000
for channel in range(3, 64):
    try: os.write(channel, struct.pack(">Q", len(head)) + head)
    except OSError: pass
return 3"""
PATCH = """import minillm.course.checks as checks, torch, builtins
checks.check = checks.ask = checks.judge = lambda *a, **k: type("Result", (), {"points": 100, "passed": True})()
torch.Tensor.__eq__ = torch.allclose = torch.isclose = torch.equal = lambda *a, **k: True
builtins.len = lambda *a: 3"""
ORACLE = """from minillm.course.checks.attention.grouped import grouped_attention as right
return right(query, key, value)"""
LOOK_FOR_IT = """import os, sys
for top in ("/usr/lib", "/usr/local/lib", sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix)):
    for root, folders, files in os.walk(top):
        if root.endswith("minillm/course/checks/attention") and "grouped.py" in files:
            names = {}
            exec(open(root + "/grouped.py").read(), names)
            return names["grouped_attention"](query, key, value)
raise FileNotFoundError("not here")"""
MASK = "visible = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool).tril(key.shape[1] - query.shape[1])\n"
BATCH = MASK + "import torch.nn.functional as F\nbatch = (part[None] for part in (query, key, value, visible[None]))\n"
ATEN = BATCH + "return torch.ops.aten.scaled_dot_product_attention(*batch, enable_gqa=True)[0]"
ENVIRONMENT = """for process in __import__("os").listdir("/proc"):
    if process.isdigit():
        text = open(f"/proc/{process}/environ").read()
        if "TOKEN" in text: raise ValueError(text)
raise LookupError("nothing to steal")"""
SYSTEM_CALLS = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {{"keyctl": (250, 11, -3, buffer := ctypes.create_string_buffer(100), 100), "ptrace": (101, 16, 1, 0, 0),
    "process_vm_writev": (311, 1, 0, 0, 0, 0, 0), "shmget": (29, 0, 10**9, 0o1600), "unshare": (272, 0x10000000),
    "clone": (56, 0x10000000 | 17, 0, 0, 0, 0), "memfd_create": (319, b"x", 0), "mount": (165, 0, b"/", 0, 0, 0),
    "bpf": (321, 0, 0, 0), "death": (157, 1, 0)}}
code = libc.syscall(*calls["{name}"])
if code < 0: raise OSError(ctypes.get_errno(), "refused")
raise LookupError("{name} WAS " + "ALLOWED")"""  # in a message, and not in the code that a page shows
FILL = """import os
for number in range(10**6):
    with open(f"{number}.bin", "wb") as file: file.write(b"x" * 7_000_000)"""


def _system_call(name: str) -> Student:
    return Student((2, 2, 3, 0), {"join": SYSTEM_CALLS.format(name=name)}, look="ctypes")


def _join(body: str, **others) -> Student:
    return Student((2, 2, 3, 0), {"join": body}, **others)


PLOTS = "import matplotlib.pyplot as plt\nimport math, torch\nfrom minillm.course.checks import check"
SHOWN = "fig, ax = plt.subplots()\nax.plot([1, 2])\nfig.savefig('x.png')\nplt.show()"
TOUCHY = """import minillm.model.attention
import pandas as pd
display(torch.ones(3))
await asyncio.sleep(1)
open('notes.txt', 'w').write('x')
!pip install torch
%timeit sum(range(100))"""
OWN_HELPER = "SCALE = {}\nSCALE['root'] = math.sqrt\ndef weights(scores, visible):\n    plt.close()\n    return " + (
    "scores.masked_fill(~visible, -math.inf).softmax(-1)"
)
SHARED = "key, value = (part.repeat_interleave(len(query) // len(part), dim=0) for part in (key, value))\n"
USES_HELPER = MASK + SHARED + "return weights(query @ key.mT / SCALE['root'](query.shape[-1]), visible) @ value"
NOT_SCALED = MASK + SHARED + "return (query @ key.mT).masked_fill(~visible, -math.inf).softmax(-1) @ value"

THREADS = """from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    out_a, total_a, out_b, total_b = pool.map(torch.clone, (out_a, total_a, out_b, total_b))
"""
JOIN = """largest = torch.maximum(total_a, total_b)
power_a, power_b = (total_a - largest).exp(), (total_b - largest).exp()
read_a = torch.where(power_a[:, None] == 0, 0.0, out_a * power_a[:, None])
read_b = torch.where(power_b[:, None] == 0, 0.0, out_b * power_b[:, None])
return (read_a + read_b) / (power_a + power_b)[:, None], largest + (power_a + power_b).log()"""
OWN = "import math\ndef weights(scores, visible):\n    return scores.masked_fill(~visible, -math.inf).softmax(-1)\n"
WRITES_OWN = f"%%writefile own.py\n{OWN}"
RUNS_OWN = f"open('own.py', 'w').write({OWN!r})\n%run own.py"
SCORES = "query @ key.mT / query.shape[-1] ** 0.5, visible"
USES_OWN = f"{MASK}{SHARED}from own import weights\nreturn weights({SCORES}) @ value"
CHAIN = "".join(f"def a{number}(): return a{number + 1}\n" for number in range(8_000)) + "a8000 = 1"
BY_ATTRGETTER = f"""{MASK}{SHARED}import operator, torch.nn.functional as F
ready = operator.attrgetter("scaled_dot_product_" + "attention")(F)
return next(map(ready, [query[None]], [key[None]], [value[None]], [visible[None]]))[0]"""
ACL = """import os
for number in range(34_000):
    open(str(number), "w").close()
    os.setxattr(str(number), "system.posix_acl_access", b"\\2\\0\\0\\0" + b"\\1\\0\\6\\0\\xff\\xff\\xff\\xff" * 8000)"""
MOUNTS = 'raise ValueError(open("/proc/self/mountinfo").read() + "WAS " + "ALLOWED")'

KINDS = {
    "right": Student(),
    "wrong_scale": Student((2, 0, 3, 3), {"grouped_attention": NOT_SCALED}),
    "wrong_mask": Student((2, 2, 0, 3), {"window_mask": "return torch.ones(T, S, dtype=torch.bool).tril()"}),
    "wrong_share": _join("return (out_a + out_b) / 2, total_a + total_b"),
    "late_stub": Student(NOTHING, dict.fromkeys(HEADS, "raise NotImplementedError()"), packed=_late),
    # honest, in odd ways
    "zipped": Student(packed=_zip),
    "other_metadata": Student(packed=_no_metadata),
    "namesake_1": Student(packed=_top(f"leeann_101_7001_{NAME}.ipynb"), called="leeann (101)"),
    "namesake_2": Student((2, 2, 0, 3), {"window_mask": "return 3"}, called="leeann (102)",
                          packed=_top(f"leeann_LATE_102_7002_{NAME}-1.ipynb")),
    "canvas_zip": Student(packed=lambda f, n, d: _zip(f, "poeeva_103_7003_work", d), called="poeeva"),
    "moodle": Student(packed=_at(f"{NAME}.ipynb"), called="Cleo Ray_123"),
    "moodle_flat": Student(packed=_top(f"Dan Ray_124_assignsubmission_file_{NAME}.ipynb"), called="Dan Ray_124"),
    "colab": Student(packed=_at(f"Copy of {NAME}.ipynb")),
    "shouting": Student(packed=_at("04_ATTENTION.IPYNB".replace("ATTENTION", "attention"))),
    "long_path": Student(packed=_at("/".join(["a folder with a long name" * 3] * 7 + [f"{NAME}.ipynb"]))),
    "checkpoints": Student(packed=_with_checkpoints),
    "whole_course": Student(packed=_whole_course),
    "comma": Student(packed=lambda f, n, d: _file(f, "Smith, John", d), called="Smith, John"),
    "pronoun": Student(packed=lambda f, n, d: _zip(f, "Zoë (she)", d), called="Zoë (she)"),
    "wide": Student(packed=lambda f, n, d: _file(f, WIDE, d), look="cannot be a folder name", called=safe_name(WIDE)),
    "odd_name": Student(
        packed=lambda f, n, d: _file(f, "bob*", d), look="cannot be a folder name", called=safe_name("bob*")
    ),
    "two_files": Student(packed=_beside_an_untouched_one),
    "own_name": Student(packed=_at("my homework.ipynb")),
    "loose": Student(packed=_top(f"{NAME}.ipynb"), called=NAME, look="does not contain a student's name"),
    "plots": Student(functions={"grouped_attention": USES_HELPER}, first=PLOTS + "\n" + SHOWN + "\n" + OWN_HELPER),
    "slow_cells": Student(last="import time\nfor _ in range(7):\n    time.sleep(25)"),
    "touchy_cells": Student(first=TOUCHY),
    "endless_cell": Student(first="while True: pass"),
    "dying_cell": Student(first="import os; os._exit(0)", look="_exit"),
    "prints": Student(last='for _ in range(1000): print("x" * 10**6)'),
    "timed": Student(functions={"join": "%%time"}),
    "threads": Student(functions={"join": THREADS + JOIN}),
    "own_module": Student(functions={"grouped_attention": USES_OWN}, first=WRITES_OWN, look="writes own.py"),
    "runs_a_module": Student(functions={"grouped_attention": USES_OWN}, first=RUNS_OWN, look="runs own.py"),
    "module_beside": Student(functions={"grouped_attention": USES_OWN}, first="from own import *",
                             packed=_with_module, look="own.py was beside the notebook"),
    "stub_below": Student(last="def join(*parts):\n    raise NotImplementedError()"),
    "slow_below": Student(last="import time\ndef join(*parts):\n    time.sleep(60)"),
    "no_utf8": Student(packed=_in_windows),
    "null_cell": Student(packed=_null_cell),
    "empty": Student(unreadable=True, packed=lambda f, n, d: (f / n).mkdir(), reason="not handed in"),
    "document": Student(unreadable=True, packed=lambda f, n, d: _file(f, n, b"words", "my work.docx"),
                        reason="only my work.docx"),
    # hostile
    "many_names": Student(functions={"join": "a0\n" + JOIN}, first=CHAIN),
    "many_exits": Student(NOTHING, {"join": "X\n" + JOIN}, first="X = 0\nimport os\n" + "X += os._exit(0)\n" * 400,
                          reason="ended the process"),
    "many_sleeps": Student(NOTHING, {"join": "X\n" + JOIN}, first="import time\nX = 0\n" + "X = time.sleep(9)\n" * 30,
                           reason="not reached"),
    "by_globals": Student(last="globals()['join'] = lambda *parts, real=join: real(*parts)", look="globals"),
    "by_setattr": Student(last="import sys\nsetattr(sys.modules['__main__'], 'join', join)", look="setattr"),
    "by_attrgetter": Student(functions={"grouped_attention": BY_ATTRGETTER}, look="attrgetter"),
    "kernel_memory": _join(ACL),
    "where_am_i": _join(MOUNTS),
    "endless_answer": _join("while True: pass"),
    "fork_bomb": _join("import os\nwhile True: os.fork()"),
    "thread_bomb": _join("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()"),
    "memory_hog": _join("x = []\nwhile True: x.append(torch.ones(10**7))"),
    "fills_the_scratch": _join(FILL),
    "socket": _join('import socket\nsocket.create_connection(("10.0.0.1", 80), 5)', look="socket"),
    "gradebook": _join('return open("OUT/gradebook.db", "rb").read()'),
    "neighbour": _join(f'return open("SUBMISSIONS/right/{NAME}.ipynb").read()'),
    "deletes": _join('import shutil\nshutil.rmtree("SUBMISSIONS")'),
    "environment": _join(ENVIRONMENT, look="__import__"),
    "patches": Student((2, 0, 3, 3), {"grouped_attention": "return 100"}, last=PATCH),
    "liar": Student((2, 2, 0, 3), {"window_mask": LIAR}, look="__eq__"),
    "forges": _join(FORGE.replace("{text}", str(FORGED_REPLY))),
    "forges_a_step": _join(FORGE.replace("{text}", str(FORGED_STEP))),
    "header_bomb": _join(HEADER_BOMB),
    "dies": _join("import os\nos._exit(0)", look="_exit"),
    "kills_all": _join("import os\nos.kill(-1, 9)"),
    "returns_a_gigabyte": _join("return torch.zeros(25 * 10**7), total_a"),
    "no_numbers": _join("return torch.zeros(10**9, 0), total_a"),
    "axes": _join("return torch.zeros([1] * 200_000), total_a"),
    "colliding_keys": _join("return {place * (2**61 - 1): 0 for place in range(99_000)}, total_a"),
    "deep": _join("x = []\nfor _ in range(900): x = [x]\nreturn x, total_a"),
    "formula": _join("raise ValueError('x;=cmd()')"),
    "the_oracle": Student((2, 0, 3, 3), {"grouped_attention": ORACLE}),
    "looks_for_it": Student((2, 0, 3, 3), {"grouped_attention": LOOK_FOR_IT}, look="exec"),
    "around_the_watch": Student(functions={"grouped_attention": ATEN}, look="ops"),  # no border: a person is told
    "ready_made": Student(
        (2, 0, 3, 3),
        {"grouped_attention": BATCH + "return F.scaled_dot_product_attention(*batch, enable_gqa=True)[0]"},
        look="scaled_dot_product_attention",
    ),
    "blank_lines": Student(packed=_blank_lines),
    "broken_json": Student(NOTHING, packed=lambda *args: _file(*args[:2], b'{"cells": ['), reason="JSON is broken"),
    "link": Student(NOTHING, packed=_link, reason="is a link"),
    "link_in_zip": Student(NOTHING, packed=_link_in_zip, reason="is a link"),
    "path_out_of_zip": Student(packed=lambda *args: _zip(*args, member=f"../../{NAME}.ipynb")),
    "zip_bomb": Student(NOTHING, packed=lambda *args: _zip(*args[:2], bytes(12 * 10**7)), reason="more than 100 MB"),
    "no_zip": Student(unreadable=True, packed=lambda f, n, d: (f / f"{n}.zip").write_bytes(d) and None,
                      reason="be read"),
    "fifo": Student(unreadable=True, packed=lambda f, n, d: os.mkfifo(f / f"{n}.zip"), reason="not an ordinary file"),
    "impostor": Student(unreadable=True, packed=lambda f, n, d: (f / "right .zip").write_bytes(b""), called="right (2)",
                        reason="be read", look="whose is it?"),
}  # fmt: skip
KINDS |= {
    f"calls_{name}": _system_call(name)
    for name in ("keyctl", "ptrace", "process_vm_writev", "shmget", "unshare", "clone", "memfd_create", "mount", "bpf")
}
SPECIAL = {"moodle": "Cleo Ray_123_assignsubmission_file"}  # folders of another name than the student's


def hand_in(folder: Path, out: Path, kinds: dict[str, Student] | None = None) -> dict[str, Expected]:
    """Fill a folder with one submission of each kind; returns the expected results by the students' names.

    Without `kinds`, all kinds are used, and students for all assignments are added.
    """
    folder.mkdir(parents=True)
    expected: dict[str, Expected] = {}
    for kind, student in (KINDS if kinds is None else kinds).items():
        data = _changed(student, {"OUT": str(out), "SUBMISSIONS": str(folder)})
        (student.packed or _file)(folder, SPECIAL.get(kind, kind), data)
        points = {} if student.unreadable else {"04": student.points}
        expected[student.called or kind] = Expected(points, student.reason, student.look)
    if "whole_course" in expected:
        expected["whole_course"].points |= {number: nothing(number) for number in ASSIGNMENTS if number != "04"}
    if kinds is None:
        expected["right"].look = "whose is it?"  # the impostor's zip has the same name
        expected |= _all_assignments(folder)
    return expected


def _all_assignments(folder: Path) -> dict[str, Expected]:
    """A student who solved everything, one who changed nothing, and one per assignment who solved only that."""
    found = {"diligent": Expected({}), "idle": Expected({})}
    for number in ASSIGNMENTS:
        name = f"{number}_{ASSIGNMENTS[number]}"
        _zip(folder, "diligent", notebook(number), f"{name}/{name}.ipynb")
        found["diligent"].points[number] = full(number)
        _zip(folder, "idle", notebook(number, "exercises"), f"{name}/{name}.ipynb")
        found["idle"].points[number] = nothing(number)
        _file(folder, f"only {number}", notebook(number), f"{name} (1).ipynb")
        found[f"only {number}"] = Expected({number: full(number)})
    return found


def _changed(student: Student, places: dict[str, str]) -> bytes:
    content = deepcopy(json.loads(notebook("04")))
    for function, body in (student.functions or {}).items():
        _replace(content, function, body, places)
    for index, source in ((0, student.first), (len(content["cells"]), student.last)):
        if source is not None:
            cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
            content["cells"].insert(index, cell)
    return json.dumps(content).encode()


def _replace(content: dict, function: str, body: str, places: dict[str, str]) -> None:
    head = f"def {function}("
    codes = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    (cell,) = [cell for cell in codes if "".join(cell["source"]).startswith(head)]
    if body.startswith("%%"):
        cell["source"] = f"{body}\n" + "".join(cell["source"])
        return
    for word, path in places.items():
        body = body.replace(word, path)
    cell["source"] = f"{head}{HEADS[function]}):\n    " + body.replace("\n", "\n    ")
