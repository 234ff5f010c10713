"""The workbook: copies are laid out blank, renewed while nobody has written in them, and never lost."""

import errno
import itertools
import json
import os
import re
import runpy
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_repo import dead_links

from minillm.course import mine, versions, workbook
from minillm.course.learner import loading
from minillm.course.learner.source import needs
from minillm.course.pages import digest, read_page, source_of
from minillm.course.turns import find, turns
from minillm.course.workbook import MANIFEST, catch_up, course_pages, find_page, lay_out, reset
from minillm.errors import UserError

LESSONS = ("03_order.ipynb", "04_attention.ipynb", "04_attention_lab.ipynb", "06_all.ipynb")
EXERCISE = "exercises/04_attention/04_attention.ipynb"


def code(source, **more):
    return {"cell_type": "code", "source": source, "metadata": {"tags": ["t"]}, "outputs": [], **more}


def prose(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    ran = {"outputs": [{"output_type": "stream", "name": "stdout", "text": "4"}], "execution_count": 1}
    cells = [{**cell, **ran} if cell["cell_type"] == "code" else cell for cell in cells]
    page = {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(page), encoding="utf-8")


def texts(path):
    return [source_of(cell) for cell in read_page(path)["cells"]]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of three lessons, a lab and an exercise, in a folder with a space."""
    course = tmp_path / "the course"
    for name in LESSONS:
        write(course / "notebooks" / name, prose(f"# {name}"), code("2 + 2"))
    write(course / EXERCISE, code("def join(): raise NotImplementedError"))
    write(course / "exercises" / "04_attention" / "04_attention (mine).ipynb", code("not the course's"))
    monkeypatch.setattr(workbook, "COURSE", course)
    return course


@pytest.fixture
def folder(course, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(course / "workbook"))
    return course / "workbook"


def said(report):
    """What a report says, without its folder and the list of all pages."""
    return {name: found for name, found in vars(report).items() if name not in ("folder", "pages") and found}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_cell_that_only_tests_the_lesson_is_not_laid_out(course, folder):
    write(
        course / "notebooks" / "03_order.ipynb", code("2 + 2"), code("assert 2 + 2 == 4", metadata={"tags": ["test"]})
    )
    lay_out()
    assert texts(folder / "03_order.ipynb") == ["2 + 2"]
    assert lay_out().renewed == []


def test_pages_are_laid_out_blank_and_once(folder):
    assert said(lay_out()) == {"new": [*LESSONS, EXERCISE]}
    page = read_page(folder / "04_attention.ipynb")
    assert page["cells"][1] == code("2 + 2", execution_count=None)
    assert page["metadata"] == {"kernelspec": {"name": "python3"}}
    before = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert said(lay_out()) == {}
    assert before == {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert {name for name in files(folder) if not name.endswith(".lock")} == {*LESSONS, EXERCISE, MANIFEST}


def test_a_page_that_was_only_run_and_saved_is_renewed(course, folder):
    lay_out()
    path = folder / "04_attention.ipynb"
    write(path, prose(["# 04_attention", ".ipynb"]), code("2 + 2\n", execution_count=7), code(""))
    assert said(lay_out()) == {}
    write(course / "notebooks" / "04_attention.ipynb", code("3 + 3"))
    assert said(lay_out()) == {"renewed": ["04_attention.ipynb"]}
    assert texts(path) == ["3 + 3"]


@pytest.mark.parametrize(
    "cells", [[code("2 + 2")], [prose("# 04_attention.ipynb"), code("2 + 2  # four")], [code("2 + 2"), prose("x")], []]
)
def test_a_page_that_somebody_wrote_in_is_kept_and_it_is_told_when_the_course_has_another(course, folder, cells):
    lay_out()
    path = folder / "04_attention.ipynb"
    write(path, *cells)
    before = path.read_bytes()
    assert said(lay_out()) == {}
    write(course / "notebooks" / "04_attention.ipynb", code("3 + 3"))
    for _ in range(2):
        assert said(lay_out()) == {"outdated": ["04_attention.ipynb"]}
        assert path.read_bytes() == before
    again, kept = reset("04")
    assert (again, texts(again)) == (path, ["3 + 3"])
    assert kept.read_bytes() == before
    assert said(lay_out()) == {}


def test_what_was_deleted_comes_back_and_what_left_the_course_is_kept_and_told_once(course, folder):
    lay_out()
    (folder / EXERCISE).unlink()
    (course / "notebooks" / "03_order.ipynb").unlink()
    assert said(lay_out()) == {"new": [EXERCISE], "gone": ["03_order.ipynb"]}
    assert (folder / "03_order.ipynb").exists()
    assert said(lay_out()) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"cells": 3}', b'{"cells": [{"source": 1}]}', b"\xff\xfe"])
def test_a_page_that_is_no_notebook_any_more_is_kept_and_can_be_put_back(folder, content):
    lay_out()
    path = folder / "06_all.ipynb"
    path.write_bytes(content)
    (report,) = said(lay_out()).values()
    assert report.keys() == {"06_all.ipynb"}
    assert path.read_bytes() == content
    _, kept = reset("06")
    assert kept.read_bytes() == content
    assert texts(path) == ["# 06_all.ipynb", "2 + 2"]


def test_without_the_list_of_what_was_laid_out_nothing_is_replaced(course, folder):
    lay_out()
    (folder / MANIFEST).write_text("{", encoding="utf-8")
    write(course / "notebooks" / "06_all.ipynb", code("5"))
    assert said(lay_out()) == {}
    assert texts(folder / "06_all.ipynb") == ["# 06_all.ipynb", "2 + 2"]
    assert json.loads((folder / MANIFEST).read_text(encoding="utf-8")).keys() == {*LESSONS, EXERCISE}


def test_links_are_not_followed_out_of_the_workbook(folder, tmp_path):
    lay_out()
    outside = tmp_path / "outside"
    write(outside / "06_all.ipynb", code("secret"))
    write(outside / "exercises" / "04_attention" / "x.ipynb")
    (folder / "06_all.ipynb").unlink()
    (folder / "06_all.ipynb").symlink_to(outside / "06_all.ipynb")
    (folder / "exercises").rename(folder / "mine first")
    (folder / "exercises").symlink_to(outside / "exercises")
    before = files(outside)
    assert said(lay_out()) == {"left": dict.fromkeys(["06_all.ipynb", EXERCISE], "it is a link, or lies behind one")}
    with pytest.raises(UserError, match=r"exercises.04_attention is a link to another folder; put a folder in its"):
        reset("exercises/04")
    _, kept = reset("06")
    assert kept.is_symlink()
    assert not (folder / "06_all.ipynb").is_symlink()
    assert files(outside) == before
    assert texts(outside / "06_all.ipynb") == ["secret"]


def test_a_workbook_may_itself_be_a_link_and_a_folder_in_a_pages_place_is_told(folder, tmp_path):
    (tmp_path / "large disk").mkdir()
    folder.symlink_to(tmp_path / "large disk")
    lay_out()
    assert (tmp_path / "large disk" / "06_all.ipynb").is_file()
    (folder / "06_all.ipynb").unlink()
    (folder / "06_all.ipynb").mkdir()
    assert said(lay_out()) == {"left": {"06_all.ipynb": "it is not a file"}}
    assert reset("06")[1].is_dir()


def test_reset_keeps_every_old_copy_and_makes_none_of_a_page_that_nobody_wrote_in(folder):
    lay_out()
    path = folder / "06_all.ipynb"
    assert reset("06") == (path, None)
    kept = []
    for number in range(3):
        write(path, code(f"mine {number}"))
        kept.append(reset("06_all.ipynb")[1])
    assert [texts(old) for old in kept] == [["mine 0"], ["mine 1"], ["mine 2"]]
    today = date.today().isoformat()
    assert [old.name for old in kept] == [f"06_all ({today}{more}).ipynb" for more in ("", ", 2", ", 3")]
    assert texts(path) == ["# 06_all.ipynb", "2 + 2"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("04", LESSONS[1]),
        ("04_lab", LESSONS[2]),
        ("04_attention", LESSONS[1]),
        ("exercises/04", EXERCISE),
        ("4", LESSONS[1]),
        ("4_lab", LESSONS[2]),
        ("exercises/4", EXERCISE),
        (EXERCISE,) * 2,
    ],
)
def test_a_page_is_found_by_what_a_learner_types(course, key, name):
    assert find_page(key) == name


def test_a_page_that_there_is_not_is_answered_with_those_that_there_are(course):
    for key in ("7", "44", "attention"):
        with pytest.raises(UserError, match=f"there is no page '{key}'; the lessons are 03, 04, 04_lab, 06, and an"):
            find_page(key)


def test_from_any_folder_it_is_the_workbook_of_this_course(course, tmp_path, monkeypatch):
    monkeypatch.delenv("MINILLM_WORKBOOK", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workbook").mkdir()
    workbook.from_anywhere()
    assert "MINILLM_WORKBOOK" not in os.environ  # the one that is here
    (tmp_path / "workbook").rmdir()
    workbook.from_anywhere()
    assert "MINILLM_WORKBOOK" not in os.environ  # a package without its course
    (course / "start.py").touch()
    monkeypatch.setenv("MINILLM_WORKBOOK", "")  # so that it is put back after the test
    workbook.from_anywhere()
    assert os.environ["MINILLM_WORKBOOK"] == str(course / "workbook")


# -- disks and folders -----------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_used_is_told_with_its_path(course, folder, monkeypatch):
    folder.write_text("a file")
    with pytest.raises(UserError, match=r"cannot be used at .*the course.workbook \(File exists\); make that a"):
        lay_out()
    folder.unlink()

    def refused(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "06_all.ipynb.partial"))

    monkeypatch.setattr(workbook, "write_page", refused)
    with pytest.raises(UserError, match=r"06_all.ipynb.partial \(Permission denied\); .* variable MINILLM_WORKBOOK"):
        lay_out()


def test_a_course_without_lessons_or_with_a_damaged_one_is_told(course, folder, tmp_path):
    (course / "notebooks" / "06_all.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"06_all.ipynb is damaged \(this is not complete JSON .* get the course's"):
        lay_out()
    with pytest.raises(
        UserError,
        match="there are no lessons in .*empty.notebooks: they are in the course's folder, which `python3 start.py`",
    ):
        course_pages(tmp_path / "empty")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device", "x")])
def test_whatever_stops_it_the_pages_are_whole_and_the_next_run_goes_on(course, folder, monkeypatch, stop):
    lay_out()
    write(folder / "03_order.ipynb", code("mine"))
    for name in LESSONS:
        write(course / "notebooks" / name, code("new"))
    written = itertools.count()
    plain = workbook.write_page

    def stopping(path, page):
        if next(written) == 1:
            path.with_name("half.partial").write_text("half")
            raise stop
        plain(path, page)

    with monkeypatch.context() as patch:
        patch.setattr(workbook, "write_page", stopping)
        with pytest.raises((KeyboardInterrupt, UserError), match=r"^$|the disk is full at x; make room and run"):
            lay_out()
    assert texts(folder / "03_order.ipynb") == ["mine"]
    assert texts(folder / LESSONS[1]) == ["new"]
    assert texts(folder / LESSONS[2]) == ["# 04_attention_lab.ipynb", "2 + 2"]
    assert said(lay_out()) == {"renewed": [*LESSONS[2:]], "outdated": ["03_order.ipynb"]}


# -- nothing is ever lost --------------------------------------------------------------------------------------------

STEPS = ["lay out", "write", "write", "run", "remove", "update", "reset", "catch up", "lose the list", "damage"]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.integers(0, 1)), max_size=12))
def test_no_step_loses_what_a_learner_wrote(steps):
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        course, numbers = Path(temporary, "course"), itertools.count()
        folder = course / "workbook"
        patch.setattr(workbook, "COURSE", course)
        patch.setenv("MINILLM_WORKBOOK", str(folder))
        patch.setattr(loading, "load", lambda topic: loading.Loaded())  # no turn has passed, and none will
        patch.setattr(loading, "save", lambda *arguments: None)
        names, keys = [LESSONS[1], EXERCISE], {LESSONS[1]: "04", EXERCISE: "exercises/04"}
        turn = '@your_turn("04.causal_mask")\ndef causal_mask(T):\n    '
        for name in names:
            write(course / ("" if "/" in name else "notebooks") / name, prose("text"), code(turn + "..."))
        mine: set[str] = set()  # what the learner wrote and did not remove
        other: dict[str, str] = {}  # pages that may differ from the course's, and why

        def everything():
            pages = [path for path in folder.rglob("*.ipynb") if path.read_bytes() != b"{"]
            return {text for path in pages for text in texts(path)}

        for step, which, cell in [("lay out", 0, 0), *steps, ("lay out", 0, 0)]:
            name = names[which]
            path, number = folder / name, next(numbers)
            whole = path.exists() and path.read_bytes() != b"{"
            if step == "lay out":
                lay_out()
            elif step == "reset":
                reset(keys[name])
                other.pop(name, None)
            elif step == "catch up":
                catch_up("06")
                other.setdefault("04_attention.ipynb", "filled in")
            elif step == "update":
                write(course / ("" if "/" in name else "notebooks") / name, prose(f"v{number}"), code(turn + "..."))
            elif step == "lose the list":
                (folder / MANIFEST).unlink(missing_ok=True)
                other.update(dict.fromkeys(names, "nobody can tell"))
            elif step == "remove":
                mine -= set(texts(path)) if whole else set()
                path.unlink(missing_ok=True)
                other.pop(name, None)
            elif step == "damage":  # by a program that stopped halfway: what the learner had there is gone, not by us
                mine -= set(texts(path)) if whole else set()
                path.write_bytes(b"{")
                other[name] = "damaged"
            elif whole:
                page = read_page(path)
                if step == "run":
                    page["cells"][-1]["outputs"] = [{"output_type": "stream", "text": f"{number}"}]
                else:
                    mine.discard(source_of(page["cells"][cell]))
                    page["cells"][cell]["source"] = f"# mine {number}\n" + (turn + f"return {number}") * cell
                    mine.add(page["cells"][cell]["source"])
                    other[name] = "written in"
                path.write_text(json.dumps(page), encoding="utf-8")
            assert mine <= everything(), step
        assert (folder / names[0]).exists()
        for name in names:
            if name not in other:  # nobody wrote in it, so it is as the course has it
                source = course / ("" if "/" in name else "notebooks") / name
                assert digest(read_page(folder / name)) == digest(read_page(source)), name


# -- the real course -------------------------------------------------------------------------------------------------


def test_every_link_of_the_real_pages_leads_somewhere_from_the_workbook(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "my workbook"))
    report = lay_out()
    dead = [f"{name}: {link}" for name in report.pages for link in dead_links(report.folder / name)]
    assert not dead, "\n".join(dead)
    text = "".join(texts(report.folder / "04_attention.ipynb"))
    assert "](exercises/04_attention/04_attention.ipynb)" in text  # the learner's, not the course's


def test_the_files_that_lessons_read_are_there_from_the_workbook():
    """The workbook lies in the course's folder, as the lessons do, so that ../ is the same place for both."""
    named = {
        place
        for path in (workbook.COURSE / "notebooks").glob("*.ipynb")
        for cell in read_page(path)["cells"]
        if cell["cell_type"] == "code"
        for place in re.findall(r"""["'](\.\./[^"']+)["']""", source_of(cell))
    }
    assert "../benchmarks/results/reasoning.json" in named
    assert not [place for place in named if not (workbook.COURSE / "workbook" / place).resolve().exists()]
    assert "/workbook/" in (workbook.COURSE / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_links_move_with_a_page(course, folder):
    (course / "notebooks" / "pictures").mkdir()
    (course / "notebooks" / "pictures" / "a b.png").write_bytes(b"")
    (course / "README.md").write_text("", encoding="utf-8")
    text = (
        "[a](04_attention.ipynb#Why?) [b](../exercises/04_attention/04_attention.ipynb) [c](../README.md#x) [d](#e)\n"
        '<img src="pictures/a%20b.png"> ![e](pictures/a%20b.png "title") [f](https://x.y/README.md) [g](gone.md)'
    )
    write(course / "notebooks" / "03_order.ipynb", prose(text), code("'[c](pictures)'"))
    write(course / EXERCISE, prose("[lesson](../../notebooks/04_attention.ipynb) [list](../../README.md)"))
    lay_out()
    assert texts(folder / "03_order.ipynb") == [
        "[a](04_attention.ipynb#Why?) [b](exercises/04_attention/04_attention.ipynb) [c](../README.md#x) [d](#e)\n"
        '<img src="../notebooks/pictures/a%20b.png"> ![e](../notebooks/pictures/a%20b.png "title") '
        "[f](https://x.y/README.md) [g](gone.md)",
        "'[c](pictures)'",
    ]
    assert texts(folder / EXERCISE) == ["[lesson](../../04_attention.ipynb) [list](../../../README.md)"]


# -- catching up -----------------------------------------------------------------------------------------------------

EARLIER = [turn.id for number in ("00", "00a", "00b", "01", "02", "03") for turn in turns(number)]  # no pages here
LATER = [turn.id for turn in turns("05")]  # before lesson 06, no page either
STUBS = {turn.id: f'@your_turn("{turn.id}")\n{turn.stub.rstrip()}' for turn in turns("04")}
IMPORTS = "import math\n\nimport torch\nfrom torch import nn\n\nfrom minillm.course import your_turn"


@pytest.fixture
def lesson(course, folder, monkeypatch):
    """Lesson 04 with its turns, laid out."""
    monkeypatch.setattr(versions, "_said", set())
    cells = [code(IMPORTS), prose("Write it."), code("%time 1 + 1"), *map(code, STUBS.values()), code("done = True")]
    write(course / "notebooks" / "04_attention.ipynb", *cells)
    write(course / "notebooks" / "06_all.ipynb", code(STUBS["04.heads"]))
    lay_out()
    return folder / "04_attention.ipynb"


@pytest.mark.usefixtures("as_users_call_it")
def test_catching_up_fills_in_what_runs_and_passes(lesson, folder, tmp_path, capsys):
    done = catch_up("06")
    assert (done.turns, done.kept, done.troubles) == ([*EARLIER, *STUBS, *LATER], [], {})
    assert set(loading.load("attention").yours) == set(STUBS)
    assert [text for text in texts(lesson) if text.startswith("@")] == [
        f'@your_turn("{turn.id}")\n{turn.solution.rstrip()}' for turn in turns("04")
    ]
    assert texts(folder / "06_all.ipynb") == [STUBS["04.heads"]]  # of the lesson itself nothing is filled in
    script = tmp_path / "lesson.py"
    script.write_text(
        "\n\n".join(text for text in texts(lesson) if text[0] != "%").replace("Write it.", ""), encoding="utf-8"
    )
    assert runpy.run_path(str(script))["done"]
    assert capsys.readouterr().out.count(": right\n") == len(STUBS)
    again = catch_up("06")
    assert (again.turns, again.kept, again.troubles) == ([], [], {})


@pytest.mark.usefixtures("as_users_call_it")
def test_catching_up_keeps_what_passed_and_a_copy_of_what_was_written(lesson):
    own = "def causal_mask(T):\n    return torch.ones(T, T).tril().bool()\n"
    names = {}
    exec("import torch", names)
    loading.save(find("04.causal_mask"), own, names)
    page = read_page(lesson)
    half = '# so far\n@your_turn("04.attention")\ndef attention(query, key, value, visible):\n    scores = (\nnotes'
    page["cells"][3]["source"] = '@your_turn("04.causal_mask")\n' + own
    page["cells"][4]["source"] = half
    page["cells"][5]["source"] += "\n\nMultiHead(4, 2)\n"
    lesson.write_text(json.dumps(page), encoding="utf-8")
    done = catch_up("06")
    assert done.turns == [*EARLIER, *list(STUBS)[1:], *LATER]
    filled = texts(lesson)
    assert filled[3] == '@your_turn("04.causal_mask")\n' + own
    assert filled[4] == f'# so far\n@your_turn("04.attention")\n{find("04.attention").solution.rstrip()}'
    assert filled[5].endswith("dim=-1))\n\nMultiHead(4, 2)\n")
    (kept,) = done.kept
    assert texts(kept)[3:6] == [source_of(cell) for cell in page["cells"][3:6]]
    assert mine.causal_mask(2).tolist() == [[True, False], [True, True]]
    assert ".tril()" in (lesson.parent / "mine" / "attention.py").read_text(encoding="utf-8")


@pytest.mark.usefixtures("as_users_call_it")
def test_what_cannot_be_filled_in_is_told_and_the_rest_is(lesson, folder, monkeypatch):
    (folder / "03_order.ipynb").write_text("{", encoding="utf-8")
    monkeypatch.setattr(loading, "needs", lambda source, *rest: refuse() if "class" in source else needs(source, *rest))

    def refuse():
        raise loading.CannotSave("it is too large")

    done = catch_up("06")
    assert done.turns == [*EARLIER, *(turn for turn in STUBS if turn != "04.heads"), *LATER]
    assert done.troubles.keys() == {"03_order.ipynb", "04.heads"}
    assert done.troubles["03_order.ipynb"].startswith("is not filled in: this is not complete JSON")
    assert done.troubles["04.heads"] == "is not saved: it is too large"
    assert catch_up("04").turns == []
