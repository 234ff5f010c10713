"""Similar answers: copies are found whatever their names are, and what everybody writes does not count."""

import ast
import csv
import functools
import inspect
import re
import subprocess
import sys

import archive
import pytest
from answers import is_turn, load, on_file

from benchmarks.classroom import notebook
from minillm.cli.grading import public_code
from minillm.course.checks import find, questions
from minillm.course.contents import ASSIGNMENTS
from minillm.course.grading import similarity
from minillm.course.grading.comparing import Comparison, compare_class
from minillm.course.grading.limited import Processes
from minillm.course.grading.notebook import read_code
from minillm.course.grading.published import published, solutions_of
from minillm.course.grading.report import asked_before, person, write_oral_list, write_similarity
from minillm.course.grading.similarity import Pair, answer_of, compare, normalize, pairs_of
from minillm.course.grading.submissions import Notebook
from minillm.course.grading.tidying import tidy
from minillm.errors import UserError

pytest.importorskip("copydetect", reason="copydetect is not installed (pip install -e .[grading])")


@functools.cache
def right_answers():
    """Those to each question: on file, and the course's own in the archive; written independently."""
    stored = (load(source, path) for path, source in archive.programs().items() if path.startswith("questions/own/"))
    found = {}
    for answer in (*on_file(), *(answer for answers in stored for answer in answers)):
        if answer.is_right and not is_turn(answer.id):
            code = tidy(inspect.getsource(answer.thing).partition("\n")[2])
            found.setdefault(answer.id, []).append(code)
    return found


ANN = """def beam_search(log_p, start, end, width, steps, power):
    live = [(0.0, [])]
    for r in range(steps):
        pool = []
        for total, seq in live:
            if seq and seq[-1] == end:
                pool.append((total, seq))
                continue
            row = log_p[seq[-1] if seq else start]
            for tok in range(len(row)):
                pool.append((total + row[tok].item(), seq + [tok]))
        pool.sort(key=lambda p: p[0] / len(p[1]) ** power, reverse=True)
        live = pool[:width]
    return live[0][1]
"""
CY = """def beam_search(log_p, start, end, width, steps, power):
    import heapq
    beams = {(): 0.0}
    for _ in range(steps):
        new = {}
        for tokens, gain in beams.items():
            last = tokens[-1] if tokens else start
            if tokens and last == end:
                new[tokens] = gain
            else:
                new |= {(*tokens, v): gain + more for v, more in enumerate(log_p[last].tolist())}
        beams = dict(heapq.nlargest(width, new.items(), key=lambda item: item[1] / len(item[0]) ** power))
    return list(max(beams, key=lambda tokens: beams[tokens] / len(tokens) ** power))
"""


def renamed(code: str) -> str:
    """The same code with other variables, another layout and a comment."""
    tree = ast.parse(code)
    own = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)})
    names = {name: f"v{number}" for number, name in enumerate(own)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return "# my own\n" + ast.unparse(tree).replace("    ", "  ")


def shown(match, side):
    return "".join(text for text, _ in match.sides[side]), "".join(text for text, shared in match.sides[side] if shared)


def test_a_renamed_copy_is_found_and_another_way_to_write_it_is_not():
    bob = renamed(ANN)
    found = compare({"ann": normalize(ANN), "bob": normalize(bob), "cy": normalize(CY)}, "07.4")
    assert list(found) == [("ann", "bob")]
    match = found["ann", "bob"]
    assert match.share == 1
    assert [shown(match, side)[0] for side in (0, 1)] == [ANN, bob]
    assert all("sort(key=lambda p: p[0]" in shown(match, side)[1].replace("v5", "p") for side in (0, 1))


HALF = """def helper(rows):
    odd = {}
    for row in rows:
        odd[row[0], row[-1]] = sum(row[1:-1]) // 7 + 3
    return sorted(odd.items(), key=lambda kv: kv[1] % 5)
"""


IDIOM = """def help(rows):
    return {row[0]: sum(row[1:]) / len(row[1:]) for row in rows if row}
"""


def test_a_copied_half_is_marked_and_the_other_half_is_not():
    [match] = compare({"ann": normalize(HALF + ANN), "bob": normalize(CY + renamed(HALF))}, "07.4").values()
    whole, marked = shown(match, 0)
    assert whole == HALF + ANN
    assert "sum(row[1:-1]) // 7 + 3" in marked
    assert "seq[-1] == end" not in marked


def test_what_many_wrote_and_what_the_course_published_does_not_count():
    answers = {f"student {number}": normalize(ANN) for number in range(4)}
    assert len(compare(answers, "07.4")) == 6  # so long a run is no idiom
    assert not compare(answers, "07.4", [normalize(renamed(ANN))])
    short = {student: normalize(IDIOM) for student in answers}
    assert not compare(short, "07.4")  # four of four: a common idiom
    short.popitem()
    assert len(compare(short, "07.4")) == 3


@pytest.mark.parametrize(("class_size", "ring"), [(12, 4), (17, 4), (30, 4), (60, 7)])
def test_a_ring_of_copiers_is_one_group_in_a_class_of_any_size(class_size, ring):
    honest = [normalize(code) for id, codes in right_answers().items() if id.startswith("07.") for code in codes]
    answers = {f"honest {number}": code for number, code in enumerate(honest[: class_size - ring])}
    answers |= {f"late {number}": normalize("def f(): return 0") for number in range(class_size - len(answers) - ring)}
    copiers = [f"copier {number}" for number in range(ring)]
    answers |= {name: normalize(tidy(renamed(CY) if number % 2 else CY)) for number, name in enumerate(copiers)}
    assert len(answers) == class_size
    pairs = pairs_of("07", {"07.4": answers})
    assert {pair.ring for pair in pairs[: ring - 1]} == {tuple(copiers)}
    assert not any(pair.ring for pair in pairs[ring - 1 :])


PLAIN = """def score(x, y, w):
    inner = torch.sum(x * y, 1) - torch.mean(x, 1)
    outer = torch.matmul(inner.unsqueeze(0), w).squeeze(0)
    return torch.where(outer > 0, outer * 3, torch.exp(outer) / 7 - 1)
"""
DISGUISED = """def score(x: "Tensor", y: "Tensor", w: "Tensor") -> "Tensor":
    "My very own idea."
    note: int = 12
    inner: "Tensor" = (x * y).sum(1) - x.mean(1)
    unused = note * 2
    if False:
        inner = inner + 1
    outer = (inner.unsqueeze(0) @ w).squeeze(0)
    pass
    return torch.where(outer > 0, torch.mul(outer, 3), torch.sub(torch.div(outer.exp(), 7), 1))
    print("never reached")
"""


def test_a_disguise_that_changes_nothing_is_taken_off():
    cells = [[("cell 1", "import torch"), ("cell 2", code)] for code in (PLAIN, DISGUISED)]
    plain, disguised = (normalize(answer_of(each, "score"))[1] for each in cells)
    assert plain == disguised
    padded = [("cell 1", f"PADDING = '{'x' * 30_000}'"), ("cell 2", PLAIN.replace("7 - 1", "7 - 1 + len(PADDING)"))]
    assert compare({"ann": normalize(answer_of(padded, "score")), "bob": normalize(answer_of(cells[0], "score"))}, "q")


def test_tidying_leaves_what_works_and_what_is_no_python():
    assert tidy("f = lambda x: x + 1") == "f = lambda x: x + 1"
    assert tidy("def f(:") == "def f(:"
    used = "def f(x):\n    y = 2\n    while True:\n        break\n    return torch.arange(y)"
    assert tidy(used) == used
    assert tidy("def f():\n    ...") == "def f():\n    pass"


def test_too_short_or_empty_answers_have_no_match():
    assert not compare({"ann": normalize("def f():\n    return 1"), "bob": normalize("def f():\n    return 1")}, "q")
    assert not compare({"ann": normalize(""), "bob": normalize("")}, "q")
    assert compare({}, "q") == {}


def test_an_answer_is_its_function_and_what_it_needs():
    cells = [("cell 1", "import math\nK = 3\nplot()"), ("cell 2", "def help(x):\n    return K * x\nprint(1)")]
    cells += [("cell 3", "def other(): pass\ndef f(x):\n    return help(x)")]
    assert answer_of(cells, "f") == "K = 3\n\ndef help(x):\n    return K * x\n\ndef f(x):\n    return help(x)"
    long = [("cell 1", "def f(x):\n" + "    x += 1\n" * similarity.MOST_CHARACTERS)]
    assert len(answer_of(long, "f")) == similarity.MOST_CHARACTERS


@pytest.mark.parametrize("number", ASSIGNMENTS)
def test_a_planted_copy_comes_first_in_every_assignment(number):
    """Among unusual right answers, written independently, and the course's solution."""
    asked: dict[str, dict] = {}
    for question in questions(number):
        codes = sorted(right_answers()[question.id], key=len, reverse=True)  # a long one is worth a copy
        asked[question.id] = {f"student {place}": normalize(code) for place, code in enumerate(codes)}
        asked[question.id]["copy"] = normalize(tidy(renamed(codes[0])))
    public = [normalize(form) for code in public_code([number])[number] for form in (code, tidy(code))]
    first, *others = pairs_of(number, asked, public)
    assert {first.first, first.second} == {"copy", "student 0"}
    assert all(3 * other.characters < 2 * first.characters for other in others if "copy" not in vars(other).values())


def submitted(number, **functions):
    cells = [("cell 1", "import torch"), *((f"cell {name}", code) for name, code in functions.items())]
    return Notebook(number, "", tuple(cells))


def test_a_class_is_compared_and_hostile_code_costs_only_itself(tmp_path):
    hostile = "def beam_search(a):\n    return " + "(" * 5000 + "1" + ")" * 5000
    notebooks = {
        ("ann", "07"): submitted("07", beam_search=ANN),
        ("bob", "07"): submitted("07", beam_search=renamed(ANN) + "\n# </pre><script>alert(1)</script>"),
        ("dora", "07"): submitted("07", beam_search=hostile),
        ("eve", "07"): Notebook("07", "", trouble="is not a notebook"),
        ("fay", "07"): submitted("07", beam_search="def beam_search():\n    raise NotImplementedError()"),
        ("gus", "07"): submitted("07", beam_search="def beam_search():\n    return '\ud800'"),
    }
    with Processes(()) as processes:
        found = compare_class(notebooks, {"07": questions("07")}, public_code(["07"]), processes, 2)
    assert [(pair.number, pair.first, pair.second) for pair in found.pairs] == [("07", "ann", "bob")]
    assert not any("07: the answers" in trouble for trouble in found.troubles)
    write_similarity(tmp_path, found)
    page = (tmp_path / "similarity.html").read_text(encoding="utf-8")
    assert "ann and bob" in page
    assert "<mark>" in page
    assert "<script" not in page
    assert not re.search("plagiari|cheat", page)  # the report does not judge
    with open(tmp_path / "similarity.csv", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["first"], row["second"], row["question"], row["share"]) == ("ann", "bob", "07.4", "1.00")


def test_a_page_without_pairs_says_so(tmp_path):
    write_similarity(
        tmp_path, Comparison(troubles=["ann, 07: not compared, since reading it took longer than 300 seconds"])
    )
    page = (tmp_path / "similarity.html").read_text(encoding="utf-8")
    assert "No pair shares that much." in page
    assert "ann, 07: not compared" in page


def test_whom_to_ask_is_drawn_once_and_holds_every_pair(tmp_path):
    students = {"04": [f"student {number}" for number in range(40)], "05": ["ann", "bob"]}
    pair = Pair("05", "ann", "bob", (similarity.Match("05.2", 90, 1.0, ([], [])),))

    def rows(secret):
        write_oral_list(tmp_path, secret, students, Comparison([pair]))
        with open(tmp_path / "oral.csv", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    found = rows("secret")
    assert rows("secret") == found
    assert rows("other") != found
    assert sum(row["assignment"] == "04" for row in found) == 4
    assert {row["why"] for row in found if row["assignment"] == "05"} == {
        "drawn; 05.2: like ann",
        "drawn; 05.2: like bob",
    }


def test_nobody_is_drawn_twice_before_everybody_was(tmp_path):
    names = [f"student {number}" for number in range(30)]
    drawn = []
    for week in range(10):  # one folder for each assignment, in which Moodle gives everybody another number
        students = [f"{name}_{week * 100 + place}" for place, name in enumerate(names)]
        out = tmp_path / str(week)
        out.mkdir()
        asked = asked_before(tmp_path.glob("*/oral.csv"))
        write_oral_list(out, "secret", {"04": students}, Comparison(), asked)
        drawn += [
            person(row["student"])
            for row in csv.DictReader((out / "oral.csv").read_text(encoding="utf-8").splitlines())
        ]
    assert sorted(drawn) == sorted(names)
    (tmp_path / "names.csv").write_text("name\nann\n", encoding="utf-8")
    with pytest.raises(UserError, match="has no columns student and assignment; give an oral.csv"):
        asked_before([tmp_path / "names.csv"])


def test_the_public_solution_is_found_renamed_too_and_others_are_not(tmp_path):
    solved, _ = read_code(notebook("04"))
    plain = [(title, re.sub(r"(?m)^ *### (BEGIN|END) SOLUTION\n?", "", source)) for title, source in solved]
    changed = [(title, renamed(source) if source.startswith("def ") else source) for title, source in plain]
    own = "def window_mask(T, S, window, sinks):\n    return torch.ones(T, S, dtype=torch.bool).tril(S - T)"
    notebooks = {
        ("marked", "04"): Notebook("04", "", tuple(solved)),
        ("renamed", "04"): Notebook("04", "", tuple(changed)),
        ("own", "04"): Notebook("04", "", (("cell 1", "import torch"), ("cell 2", own))),
    }
    with Processes(()) as processes:
        found = compare_class(notebooks, {"04": questions("04")}, public_code(["04"]), processes, 2)
    same = "04.1, 04.2, 04.3, 04.4: as in the public solution, apart from names and layout"
    assert found.published["renamed", "04"] == [same]
    assert found.published["marked", "04"][0] == same
    assert all("holds ### BEGIN SOLUTION" in said for said in found.published["marked", "04"][1:])
    assert ("own", "04") not in found.published
    write_similarity(tmp_path, found)
    assert f"04_attention, renamed: {same}" in (tmp_path / "similarity.html").read_text(encoding="utf-8")
    write_oral_list(tmp_path, "secret", {"04": ["marked", "own", "renamed"]}, found)
    assert same in (tmp_path / "oral.csv").read_text(encoding="utf-8")


def test_of_the_right_answers_on_file_hardly_any_is_the_solution():
    found, n = [], 0
    for number in ASSIGNMENTS:
        functions = {question.id: question.function for question in questions(number)}
        solutions = solutions_of(public_code([number])[number][-1], functions)
        for id in functions:
            n += len(right_answers()[id])
            for code in right_answers()[id]:
                found += published([], {id: normalize(code)}, solutions)
    assert n > 100
    assert len(found) <= 0.02 * n, found


def test_the_public_code_holds_the_exercise_and_the_solution():
    exercise, solution = public_code(["04"])["04"]
    assert '"""\n    ...\n' in exercise
    assert '"""\n    ...\n' not in solution
    function = find("04.1").function
    assert f"def {function}(" in exercise
    assert answer_of(read_code(notebook("04"))[0], function) in tidy(solution)


LOADS = """
from minillm.cli.grading import PRELOAD
from minillm.course.grading.limited import Processes

CALL = '''[
    before := set(__import__("sys").modules),
    __import__("minillm.course.grading.similarity", fromlist=["x"]).normalize("def f(x): return x"),
    __import__("minillm.course.checks", fromlist=["x"]).questions("04"),
    sorted(set(__import__("sys").modules) - before),
][-1]'''
with Processes(PRELOAD) as processes:
    print(processes.call(eval, CALL, seconds=120))
"""


def test_a_process_for_one_file_loads_nothing_more():
    """Half a second of imports for each of hundreds of files was most of a second run."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADS], capture_output=True, text=True, check=True
    )  # a fork server anew
    assert ran.stdout.split() == ["[]"]
