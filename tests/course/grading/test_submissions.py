"""What a class hands in, in all the ways that students and learning platforms have."""

import io
import json
import os
import stat
import unicodedata
import zipfile
import zlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks import questions
from minillm.course.grading.files import MAX_BYTES
from minillm.course.grading.names import MAX_BYTES as MAX_NAME_BYTES
from minillm.course.grading.names import NAME as STUDENT
from minillm.course.grading.names import bare_number_of, number_of, safe_name
from minillm.course.grading.notebook import begun, definition, read_code
from minillm.course.grading.submissions import list_submissions, read_part
from minillm.course.grading.unusual import unusual_code

NAME = "04_attention.ipynb"
ANSWERS = [question.function for question in questions("04")]


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": source} for source in cells]}).encode()


def answered(*names):
    """A notebook in which these functions of assignment 04 are written, and all others are not."""
    bodies = {name: "return 1" if name in names else "raise NotImplementedError()" for name in ANSWERS}
    return notebook(*(f"def {name}(): {body}" for name, body in bodies.items()))


def put(path, data=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook() if data is None else data)


def zipped(members, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def read(folder):
    """Everybody's submission, by name, as `grade.read_all` reads it but in this process."""
    found = list_submissions(folder)
    for submission in found:
        for part in submission.parts:
            try:
                submission.add([] if part.trouble else read_part(part))
                submission.trouble = part.trouble or submission.trouble
            except (ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
                submission.trouble = str(error)
    return {submission.student: submission for submission in found}


def text(submission, number="04"):
    """The code of an assignment, all cells together."""
    return "".join(source for _, source in submission.of(number).cells)


def test_folders_zips_and_flat_notebooks_are_read(tmp_path):
    put(tmp_path / "ann" / "04" / NAME, notebook("ann"))
    put(
        tmp_path / "bob.zip",
        zipped({"work/04_attention (2).ipynb": notebook("bob"), "01_tokenizer.ipynb": notebook("one"), "a.txt": b""}),
    )
    put(tmp_path / "Cleo Ray_123_assignsubmission_file" / NAME, notebook("cleo"))  # Moodle
    put(tmp_path / f"Dan Ray_124_assignsubmission_file_{NAME}", notebook("dan"))  # Moodle, without folders
    put(tmp_path / "daveroe_12_345_04_attention-1.ipynb", notebook("dave"))  # Canvas
    put(tmp_path / "daveroe_LATE_12_346_01_tokenizer.ipynb", notebook("dave 1"))
    put(tmp_path / "evapoe_13_347_work.zip", zipped({NAME: notebook("eva")}))
    put(tmp_path / f"Finn Moe - {NAME}", notebook("finn"))
    put(tmp_path / "readme.txt")
    put(tmp_path / ".DS_Store")
    put(tmp_path / "ann" / ".ipynb_checkpoints" / NAME, notebook("older"))
    put(tmp_path / "ann" / "notes.ipynb")
    os.utime(tmp_path / "ann" / "04" / NAME, (0, 86400))
    found = read(tmp_path)
    assert {name: text(submission) for name, submission in found.items()} == {
        "Cleo Ray_123": "cleo", "Dan Ray_124": "dan", "Finn Moe": "finn", "ann": "ann", "bob": "bob",
        "daveroe": "dave", "evapoe": "eva",
    }  # fmt: skip
    assert text(found["bob"], "01") == "one"
    assert text(found["daveroe"], "01") == "dave 1"
    assert found["ann"].of("04").written == datetime.fromtimestamp(86400).isoformat()
    assert found["ann"].of("01") is None
    assert {name: submission.look for name, submission in found.items() if submission.look} == {
        "daveroe": ["Canvas marks 01_tokenizer.ipynb as late"]
    }


def test_two_people_of_one_name_stay_two(tmp_path):
    put(tmp_path / f"leeann_101_1_{NAME}", notebook("first"))
    put(tmp_path / f"leeann_102_2_{NAME}", notebook("second"))
    put(tmp_path / "leeann_102_3_01_tokenizer.ipynb", notebook("second 1"))
    found = read(tmp_path)
    assert {name: text(submission) for name, submission in found.items()} == {
        "leeann (101)": "first",
        "leeann (102)": "second",
    }
    assert text(found["leeann (102)"], "01") == "second 1"


def test_where_it_is_unclear_whose_it_is_nobody_loses_and_the_teacher_is_asked(tmp_path):
    put(tmp_path / "ann" / NAME, notebook("folder"))
    put(tmp_path / "ann.zip", zipped({NAME: notebook("zip")}))
    put(tmp_path / NAME, notebook("whose"))
    found = read(tmp_path)
    assert {name: text(submission) for name, submission in found.items()} == {
        "04_attention": "whose", "ann": "folder", "ann (2)": "zip",
    }  # fmt: skip
    assert found["ann"].look == ["2 submissions are called 'ann', this one is ann: whose is it?"]
    assert found["ann (2)"].look == ["2 submissions are called 'ann', this one is ann.zip: whose is it?"]
    assert found["04_attention"].look == [f"{NAME} does not contain a student's name: whose is it?"]


def test_of_several_notebooks_the_one_counts_in_which_most_is_written(tmp_path):
    put(tmp_path / "ann" / NAME, answered())
    put(tmp_path / "ann" / "04_attention_final.ipynb", answered("join"))
    put(tmp_path / "bob" / "04 mine.ipynb", answered("join"))
    put(tmp_path / "bob" / NAME, answered("longest_text"))
    put(tmp_path / "cleo.zip", zipped({NAME: b"{", "Copy of 04_attention.ipynb": answered("join")}))
    put(tmp_path / "dave" / NAME, answered("join"))
    put(tmp_path / "dave" / "copy" / NAME, answered("join"))
    for path in tmp_path.glob("dave/**/*.ipynb"):
        os.utime(path, (0, 0))
    notes = {name: (sub.of("04").path, sub.of("04").note) for name, sub in read(tmp_path).items()}
    two = f"2 notebooks could be {NAME}; this is "
    assert notes == {
        "ann": ("04_attention_final.ipynb", None),  # the other one is as it was given out
        "bob": (NAME, f"{two}{NAME}"),
        "cleo": ("Copy of 04_attention.ipynb", f"{two}Copy of 04_attention.ipynb, since it has the most answers"),
        "dave": (NAME, None),  # the same twice
    }


def test_of_the_whole_course_the_exercises_count(tmp_path):
    members = {f"course/solutions/04_attention/{NAME}": answered(*ANSWERS)}
    members |= {f"course/notebooks/{NAME}": notebook("def attention(): return 1")}
    members |= {f"course/exercises/04_attention/{NAME}": answered("join")}
    members |= {f"course/.venv/lib/{number}.py": b"" for number in range(3000)}
    put(tmp_path / "ann.zip", zipped(members))
    assert read(tmp_path)["ann"].of("04").path == f"course/exercises/04_attention/{NAME}"
    members[f"course/exercises/04_attention/{NAME}"] = answered()
    members |= {f"course/workbook/{NAME}": notebook("def attention(): return 1")}  # the lesson, written in
    members |= {f"course/workbook/exercises/04_attention/{NAME}": answered("join")}
    put(tmp_path / "ann.zip", zipped(members))
    found = read(tmp_path)["ann"].of("04")
    assert (found.path, found.note) == (f"course/workbook/exercises/04_attention/{NAME}", None)


def test_a_notebook_of_another_name_is_known_by_what_it_defines(tmp_path):
    put(tmp_path / "ann" / "homework.ipynb", answered("join"))
    put(tmp_path / "bob" / "homework.ipynb", notebook("def attention(): pass"))
    found = read(tmp_path)
    assert found["ann"].of("04").path == "homework.ipynb"
    assert found["bob"].trouble == (
        "it holds no notebook of an assignment (only homework.ipynb); name it like 04_attention.ipynb"
    )


def link_in_a_zip():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        info = zipfile.ZipInfo(NAME)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return data.getvalue()


def damaged(data):
    """A zip whose first compressed byte is another one: a kind of block that there is not."""
    place = 30 + len(NAME)
    return data[:place] + b"\xff" + data[place + 1 :]


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"no zip", "it is not a zip file, or is incomplete"),
        (zipped({NAME: bytes(MAX_BYTES + 1)}), f"{NAME} has more than 100 MB"),
        (link_in_a_zip(), f"{NAME} is a link"),
        (zipped({NAME: bytes(1000)}, zipfile.ZIP_BZIP2), f"{NAME} is compressed in an unusual way"),
        (zipped({NAME: b"x" * 1000})[:-30], "it is not a zip file, or is incomplete"),
        (damaged(zipped({NAME: b"x" * 1000})), f"{NAME} is damaged or encrypted (error: Error -3 while"),
        (
            zipped({f"04_attention ({n}).ipynb": bytes(MAX_BYTES) for n in range(5)}),
            "its notebooks have more than 300",
        ),
        (zipped({f"{n}/{NAME}": b"{}" for n in range(301)}), "it holds more than 300 notebooks"),
        (zipped({"a.txt": b""}), "it holds no notebook of an assignment; name it like"),
    ],
)
def test_a_zip_that_is_none_costs_only_its_student(tmp_path, data, trouble):
    put(tmp_path / "ann.zip", data)
    put(tmp_path / "bob" / NAME)
    found = read(tmp_path)
    assert found["ann"].of("04").trouble.startswith(trouble)
    assert found["bob"].of("04").trouble is None


def test_more_files_than_anybody_has_are_not_gone_through(tmp_path, monkeypatch):
    monkeypatch.setattr("minillm.course.grading.files.MAX_FILES", 10)
    put(tmp_path / "ann.zip", zipped({str(number): b"" for number in range(11)}))
    for number in range(11):
        put(tmp_path / "bob" / f"{number}.txt")
    for submission in read(tmp_path).values():
        assert submission.trouble == "it holds more than 10 files; hand in the notebooks alone"


def test_a_path_that_leads_out_of_the_zip_leads_nowhere(tmp_path):
    put(tmp_path / "class" / "ann.zip", zipped({f"../../{NAME}": notebook("ann"), f"/etc/{NAME}x": b""}))
    assert text(read(tmp_path / "class")["ann"]) == "ann"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["ann.zip", "class"]


def test_links_are_not_followed_and_pipes_not_opened(tmp_path):
    put(tmp_path / "ann" / NAME, notebook("ann"))
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / NAME).symlink_to(tmp_path / "ann" / NAME)
    (tmp_path / "cleo").symlink_to(tmp_path / "ann")
    (tmp_path / "dave").mkdir()
    (tmp_path / "dave" / "sub").symlink_to(tmp_path / "ann")
    os.mkfifo(tmp_path / "dave" / NAME)  # which would block whoever opens it
    os.mkfifo(tmp_path / "eva.zip")
    os.mkfifo(tmp_path / f"finn_1_2_{NAME}")
    found = {name: submission.of("04").trouble for name, submission in read(tmp_path).items()}
    assert found == {
        "ann": None,
        "bob": f"{NAME} is a link or not a regular file",
        "cleo": "cleo is a link; hand in the file itself",
        "dave": f"{NAME} is a link or not a regular file",
        "eva": "eva.zip is not an ordinary file; hand in a notebook or a zip",
        "finn": f"finn_1_2_{NAME} is not an ordinary file; hand in a notebook or a zip",
    }


def test_a_name_that_no_folder_can_have_costs_nothing(tmp_path):
    for name in ("bob_", "bob*", "bob?", "名" * 80, "-x", "Smith, John", "Zoë (she)"):
        put(tmp_path / name / NAME, notebook(name))
    found = read(tmp_path)
    assert sorted(map(text, found.values())) == sorted(
        ["bob_", "bob*", "bob?", "名" * 80, "-x", "Smith, John", "Zoë (she)"]
    )
    assert {"bob_", "Smith, John", "Zoë (she)"} < set(found)
    for name, submission in found.items():
        assert STUDENT.fullmatch(name)
        assert bool(submission.look) == (text(submission) != name)


@given(st.text(min_size=1))
def test_a_usable_name_is_one_and_stays_as_it_is(name):
    made = safe_name(name)
    assert STUDENT.fullmatch(made)
    assert len(made.encode()) <= MAX_NAME_BYTES
    assert safe_name(made) == made


@pytest.mark.parametrize("name", ["Jose\u0301 Ruiz", "अनिल कुमार", "தமிழ்", "Ann Lee "])
def test_a_name_in_any_script_is_one(tmp_path, name):
    put(tmp_path / f"{name}.zip", zipped({NAME: notebook()}))
    ((student, submission),) = read(tmp_path).items()
    assert student == unicodedata.normalize("NFC", name).strip()
    assert submission.of("04").trouble is None


def test_what_is_handed_in_otherwise_is_told_and_not_lost(tmp_path):
    put(tmp_path / "ann.ZIP", zipped({NAME: notebook("ann")}))
    for name in ("bob.tar.gz", "cleo_12_34_work.7z", "readme.txt", "names.csv"):
        put(tmp_path / name)
    put(tmp_path / "dave.ipynb")
    for name in ("Dan.py", "Eve Lee - 04_attention.html", "Fay.docx"):
        put(tmp_path / name)
    found = read(tmp_path)
    for student in ("Dan", "Eve Lee", "Fay"):
        assert "is neither a notebook nor a zip; hand in one of these" in found.pop(student).of("04").trouble
    assert text(found.pop("ann")) == "ann"
    assert found.pop("dave").trouble.startswith("it holds no notebook of an assignment (only dave.ipynb)")
    assert list(found) == ["bob", "cleo"]
    for submission in found.values():
        assert "is neither a folder nor a zip; hand in one of these" in submission.of("04").trouble


def test_nothing_to_grade_is_told(tmp_path):
    with pytest.raises(ValueError, match="is not a folder; give the one that holds"):
        list_submissions(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no submission; each student needs"):
        list_submissions(tmp_path)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (NAME, "04"), ("04_attention(1).ipynb", "04"), ("04_attention.ipynb.txt", "04"),
        ("Copy of 04_attention.ipynb", "04"), ("Kopie von 00a_tensors (2).ipynb", "00a"), ("04_attention.IPYNB", "04"),
        ("leeann_04_attention-2.ipynb", "04"), ("x/" * 300 + NAME, "04"), ("a\\b\\" + NAME, "04"),
        ("99_x.ipynb", None), ("04_a.py", None), ("x04_attention.ipynb", None), ("04.ipynb", None),
    ],
)  # fmt: skip
def test_an_assignment_is_known_by_its_name(name, number):
    assert number_of(name) == number


@pytest.mark.parametrize(
    ("name", "number"),
    [("04.ipynb", "04"), ("04 - mine.ipynb", "04"), ("12.10.2026.ipynb", "12"), ("045.ipynb", None), ("4.ipynb", None)],
)
def test_or_perhaps_by_its_number(name, number):
    assert bare_number_of(name) == number


def test_what_a_notebook_defines_counts_more_than_a_number_in_its_name(tmp_path):
    put(tmp_path / "ann" / "12.10.2026 my attention.ipynb", answered("join"))
    for name in ("Ann_Lee", "Bob_Ray"):  # the form of Canvas's names, with a year in place of an id
        put(tmp_path / f"{name}_2026_10_01_attention.ipynb", answered("join"))
    found = read(tmp_path)
    assert set(found) == {"ann", "Ann_Lee_2026_10_01_attention", "Bob_Ray_2026_10_01_attention"}
    assert all(list(submission.notebooks) == ["04"] for submission in found.values())
    assert not any(submission.parts[0].owner.id for submission in found.values())


def test_a_zip_in_a_folder_or_in_a_zip_is_looked_into(tmp_path):
    put(tmp_path / "Mia Moo_501_assignsubmission_file" / "homework.zip", zipped({NAME: notebook("mia")}))
    put(tmp_path / "Mia Moo_501_assignsubmission_onlinetext" / "onlinetext.html", b"<p>done")
    put(tmp_path / "ann.zip", zipped({"work.zip": zipped({f"x/{NAME}": notebook("ann")})}))
    put(tmp_path / "deep.zip", zipped({"a.zip": zipped({"b.zip": zipped({NAME: notebook("deep")})})}))
    found = read(tmp_path)
    assert text(found["Mia Moo_501"]) == "mia"
    assert text(found["ann"]) == "ann"
    assert found["deep"].trouble.startswith("it holds no notebook of an assignment")
    assert set(found) == {"Mia Moo_501", "ann", "deep"}
    assert not any(submission.look for submission in found.values())


def test_what_a_browser_has_added_to_a_name_loses_nobody(tmp_path):
    put(tmp_path / f"saranlu_601_9001_{NAME}.txt", notebook("sara"))
    put(tmp_path / f"tomtim_602_9002_{NAME}.json", notebook("tom"))
    put(tmp_path / "uweune_603_9003_answers.docx", b"words")
    found = read(tmp_path)
    assert [text(found[name]) for name in ("saranlu", "tomtim")] == ["sara", "tom"]
    assert "is neither a notebook nor a zip; hand in one of these" in found["uweune"].of("04").trouble


def test_one_damaged_notebook_leaves_the_others(tmp_path):
    good, bad = zipped({NAME: notebook("good"), "05_feed_forward.ipynb": b"x" * 1000}), b"x" * 1000
    place = good.index(b"05_feed_forward.ipynb") + len("05_feed_forward.ipynb")
    put(tmp_path / "ann.zip", good[:place] + b"\xff" + good[place + 1 :])
    assert bad not in good  # it is compressed, so that the byte is a part of the damage
    (ann,) = read(tmp_path).values()
    assert text(ann) == "good"
    assert "05_feed_forward.ipynb is damaged or encrypted" in ann.of("05").trouble


def test_the_folder_of_results_is_nobodys(tmp_path):
    put(tmp_path / "ann" / NAME)
    put(tmp_path / "graded" / "autograded" / "ann" / NAME)
    assert [submission.student for submission in list_submissions(tmp_path, exclude=tmp_path / "graded")] == ["ann"]


def test_work_in_a_folder_of_a_lessons_name_counts_and_the_lesson_does_not(tmp_path):
    put(tmp_path / "ann" / "notebooks" / NAME, answered(*ANSWERS))
    put(tmp_path / "ann" / "exercises" / NAME, answered())
    put(tmp_path / "bob" / "notebooks" / NAME, notebook("def attention(): return 1"))  # as the lesson has it
    put(tmp_path / "bob" / "exercises" / NAME, answered())
    put(tmp_path / "cleo" / "solutions" / NAME, answered(*ANSWERS))
    put(tmp_path / "cleo" / "exercises" / NAME, answered())
    paths = {name: submission.of("04").path for name, submission in read(tmp_path).items()}
    assert paths == {"ann": f"notebooks/{NAME}", "bob": f"exercises/{NAME}", "cleo": f"exercises/{NAME}"}


def test_code_comes_without_the_checks_and_without_its_metadata():
    checks = 'check("04.1", attention).points', 'check("04.1", attention, seed=2)'
    data = notebook("x = 1", ["y = 2\n", "z = 3"], *checks)
    cells = [("code cell 1", "x = 1"), ("code cell 2", "y = 2\nz = 3"), ("code cell 4", checks[1])]
    assert read_code(data) == (cells, {"04.1": 2})


def test_older_notebooks_and_other_line_ends_are_read():
    cell = {"cell_type": "code", "input": ["x = 1\r\r\n", "y = 2\r\n", "z = 3\r", "w = 4"]}
    data = json.dumps({"nbformat": 3, "worksheets": [{"cells": [cell]}, {}, {"cells": 3}]}).encode()
    assert read_code(data)[0] == [("code cell 1", "x = 1\ny = 2\nz = 3\nw = 4")]


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"{", "its JSON is broken"),
        (b"[" * 100_000, "its JSON is broken"),
        (b"\xff", "its JSON is broken"),
        (b"\xff" * 9, "its JSON is broken"),
        (b"[]", "it has no cells"),
        (b'{"cells": 3}', "it has no cells"),
        (b'{"worksheets": 3}', "format 3 or later"),
        (notebook(*["x"] * 1001), "more than 1,000 cells"),
        (notebook("x" * 1_000_001), "more than 1,000,000 characters"),
        (b'{"cells": [{"cell_type": "code", "source": 3}]}', "the text of a cell is not text"),
        (b'{"cells": [{"cell_type": "code", "source": ["a", 3]}]}', "the text of a cell is not text"),
    ],
)
def test_what_is_no_notebook_is_told(data, trouble):
    with pytest.raises(ValueError, match=trouble):
        read_code(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
CELLS = st.lists(st.fixed_dictionaries({"cell_type": st.sampled_from(["code", "markdown", 3]), "source": JSON}) | JSON)


@given(st.fixed_dictionaries({"cells": CELLS}))
def test_any_json_is_code_or_a_sentence(content):
    try:
        cells, _ = read_code(json.dumps(content).encode())
    except ValueError:
        return
    assert all(isinstance(source, str) for _, source in cells)
    unusual_code(cells, ["torch.nn.functional.softmax"])


@pytest.mark.parametrize(
    ("source", "is_begun"),
    [
        ("def f(x):\n    'What it is.'\n    raise NotImplementedError()", False),
        ("def f(x):\n    'What it is.'\n    ...", False),
        ("def f(x):\n    ...\n    return x", True),
        ("def f(x):\n    return x\n    raise NotImplementedError()", True),  # the line is forgotten there
        ("def f(x):\n    'What it is.'", True),
        ("g = 1", False),
        ("f = g", True),
        ("g, f = 1, 2", True),
        ("if x:\n    def f(x):\n        return x", True),
        ("def f(x):\n    if x: return x\n    raise NotImplementedError('batched')", True),
    ],
)
def test_an_answer_is_begun_when_anything_stands_in_it(source, is_begun):
    assert begun([("code cell 1", source)], "f") == is_begun


def test_the_last_definition_of_a_name_counts():
    found = definition("def f(): return 1\nf = 2", "f")
    assert found.lineno == 2
    assert definition("async = (", "f") is None


def test_a_module_beside_a_notebook_comes_with_it_if_it_is_imported(tmp_path):
    put(tmp_path / "ann" / NAME, notebook("from helpers import mask", 'check("04.3", window_mask).points'))
    put(tmp_path / "ann" / "helpers.py", b"import tools\ndef mask(): ...")
    put(tmp_path / "ann" / "tools.py", b"X = 1")
    put(tmp_path / "ann" / "other.py", b"Y = 1")
    put(tmp_path / "ann" / "older" / "tools.py", b"X = 2")
    put(tmp_path / "bob.zip", zipped({f"work/{NAME}": notebook("%run helpers.py"), "work/helpers.py": b"X = 1"}))
    put(tmp_path / "cy" / NAME, notebook("import torch, math"))
    put(tmp_path / "cy" / "helpers.py", b"X = 1")
    found = {name: submission.of("04") for name, submission in read(tmp_path).items()}
    titles = {name: [title for title, _ in book.cells] for name, book in found.items()}
    assert titles == {
        "ann": ["helpers.py", "tools.py", "code cell 1"],
        "bob": ["helpers.py", "code cell 1"],
        "cy": ["code cell 1"],
    }
    assert found["ann"].checks == {"04.3": 3}
    assert unusual_code(found["ann"].cells, [])[0] == "helpers.py was beside the notebook"


def test_a_document_in_a_folder_is_named(tmp_path):
    put(tmp_path / "ann" / "Ann.docx", b"words")
    put(tmp_path / "bob.zip", zipped({"a.py": b"x = 1", "b.html": b""}))
    found = read(tmp_path)
    assert "(only Ann.docx)" in found["ann"].trouble
    assert "(only a.py, b.html)" in found["bob"].trouble


def test_text_of_an_editor_on_windows_and_empty_cells_are_read():
    data = '{"cells": [{"cell_type": "code", "source": "x = \'é\'"}, {"cell_type": "code", "source": null}]}'
    assert read_code(data.encode("cp1252"))[0] == [("code cell 1", "x = 'é'"), ("code cell 2", "")]


def test_pictures_cost_no_points(tmp_path):
    picture = {"output_type": "display_data", "data": {"image/png": "x" * 55_000_000}}
    cell = {"cell_type": "code", "source": "def join(): return 1", "outputs": [picture]}
    put(tmp_path / "ann" / NAME, json.dumps({"cells": [cell]}).encode())
    assert text(read(tmp_path)["ann"]) == "def join(): return 1"


def test_the_version_of_python_is_read(tmp_path):
    content = json.loads(notebook("x = 1"))
    content["metadata"] = {"language_info": {"name": "python", "version": "3.99.1"}}
    put(tmp_path / "ann" / NAME, json.dumps(content).encode())
    put(tmp_path / "bob" / NAME, notebook('x = \'"version": "3.98"\''))
    assert {name: each.of("04").python for name, each in read(tmp_path).items()} == {"ann": "3.99", "bob": None}


def test_nothing_to_read_is_no_assignment(tmp_path):
    (tmp_path / "ann").mkdir()
    put(tmp_path / "bob.zip", b"no zip")
    put(tmp_path / "cy" / NAME, b"{")
    unknown = {name: each.of("05") and each.of("05").unknown for name, each in read(tmp_path).items()}
    assert unknown == {"ann": True, "bob": True, "cy": None}
