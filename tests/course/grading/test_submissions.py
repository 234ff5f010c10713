"""What a class hands in, in all the ways that students and learning platforms have."""

import io
import json
import os
import stat
import unicodedata
import zipfile
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.grading.notebook import definition, read_code, worth_a_look
from minillm.course.grading.submissions import MOST_BYTES, MOST_FILES, number_of, read_submissions

NAME = "04_attention.ipynb"


def put(path, data=b"{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def zipped(members, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_folders_zips_and_flat_notebooks_are_read(tmp_path):
    put(tmp_path / "ann" / "04" / NAME, b"ann")
    put(
        tmp_path / "bob.zip",
        zipped({"work/04_attention (2).ipynb": b"bob", "01_tokenizer.ipynb": b"one", "a.txt": b""}),
    )
    put(tmp_path / "Cleo Ray_123_assignsubmission_file" / NAME, b"cleo")  # Moodle
    put(tmp_path / "daveroe_12_345_04_attention-1.ipynb", b"dave")  # Canvas
    put(tmp_path / "daveroe_LATE_12_346_01_tokenizer.ipynb", b"dave 1")
    put(tmp_path / "evapoe_12_347_work.zip", zipped({NAME: b"eva"}))
    put(tmp_path / "readme.txt")
    put(tmp_path / ".DS_Store")
    put(tmp_path / "ann" / ".ipynb_checkpoints" / NAME, b"older")
    put(tmp_path / "ann" / "notes.ipynb")
    os.utime(tmp_path / "ann" / "04" / NAME, (0, 86400))
    found = {one.student: one for one in read_submissions(tmp_path)}
    assert list(found) == ["Cleo Ray_123", "ann", "bob", "daveroe", "evapoe"]
    assert {name: one.of("04").data for name, one in found.items()} == {
        "ann": b"ann", "bob": b"bob", "Cleo Ray_123": b"cleo", "daveroe": b"dave", "evapoe": b"eva",
    }  # fmt: skip
    assert found["bob"].of("01").data == b"one"
    assert found["daveroe"].of("01").data == b"dave 1"
    assert found["ann"].of("04").written == datetime.fromtimestamp(86400)
    assert found["ann"].of("01").trouble == "there is no notebook 01_tokenizer.ipynb in it"


def test_the_notebook_of_the_right_name_is_taken_among_several(tmp_path):
    put(tmp_path / "ann" / NAME, b"this")
    put(tmp_path / "ann" / "04_attention copy.ipynb", b"that")
    put(tmp_path / "bob" / "04 mine.ipynb")
    put(tmp_path / "bob" / "04 yours.ipynb")
    ann, bob = read_submissions(tmp_path)
    assert ann.of("04").data == b"this"
    assert bob.of("04").trouble == "several notebooks could be 04_attention.ipynb: 04 mine.ipynb, 04 yours.ipynb"


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
        (b"no zip", "it cannot be read: File is not a zip file"),
        (zipped({NAME: bytes(MOST_BYTES + 1)}), f"{NAME} has more than 10 MB"),
        (
            zipped(dict.fromkeys(map(str, range(MOST_FILES + 1)), b"")),
            "it cannot be read: it holds more than 1000",
        ),
        (link_in_a_zip(), f"{NAME} is a link"),
        (zipped({NAME: bytes(1000)}, zipfile.ZIP_BZIP2), f"{NAME} is packed in an unusual way"),
        (zipped({NAME: b"x" * 1000})[:-30], "it cannot be read: File is not a zip file"),
        (damaged(zipped({NAME: b"x" * 1000})), "it cannot be read: Error -3 while decompressing"),
        (zipped({f"04_a ({n}).ipynb": bytes(MOST_BYTES) for n in range(6)}), "it cannot be read: its notebooks have"),
    ],
)
def test_a_zip_that_is_none_costs_only_its_student(tmp_path, data, trouble):
    put(tmp_path / "ann.zip", data)
    put(tmp_path / "bob" / NAME)
    ann, bob = read_submissions(tmp_path)
    assert ann.of("04").trouble.startswith(trouble)
    assert bob.of("04").trouble is None


def test_a_path_that_leads_out_of_the_zip_leads_nowhere(tmp_path):
    put(tmp_path / "class" / "ann.zip", zipped({f"../../{NAME}": b"ann", f"/etc/{NAME}x": b""}))
    (ann,) = read_submissions(tmp_path / "class")
    assert ann.of("04").data == b"ann"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["ann.zip", "class"]


def test_links_are_not_followed(tmp_path):
    put(tmp_path / "ann" / NAME, b"ann")
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / NAME).symlink_to(tmp_path / "ann" / NAME)
    (tmp_path / "cleo").symlink_to(tmp_path / "ann")
    (tmp_path / "dave").mkdir()
    (tmp_path / "dave" / "sub").symlink_to(tmp_path / "ann")
    os.mkfifo(tmp_path / "dave" / NAME)  # which would block whoever opens it
    ann, bob, cleo, dave = read_submissions(tmp_path)
    assert ann.of("04").data == b"ann"
    assert bob.of("04").trouble == dave.of("04").trouble == f"{NAME} is a link or no file at all"
    assert cleo.of("04").trouble == "it is a link to something else"


def test_names_must_be_names_and_be_there_once(tmp_path):
    put(tmp_path / "ann" / NAME)
    put(tmp_path / "ann.zip", zipped({NAME: b""}))
    put(tmp_path / "bob*" / NAME)
    ann, bob = read_submissions(tmp_path)
    assert ann.of("04").trouble == "two things are handed in as 'ann'; keep one of them"
    assert bob.student.startswith("bob_-")
    assert "the name 'bob*' has characters" in bob.of("04").trouble


def test_a_mended_name_is_nobody_elses(tmp_path):
    for name in ("bob_", "bob~", "bob!"):
        put(tmp_path / name / NAME)
    assert len({one.student for one in read_submissions(tmp_path)}) == 3


@pytest.mark.parametrize("name", ["Jose\u0301 Ruiz", "अनिल कुमार", "தமிழ்", "Ann Lee "])
def test_a_name_in_any_script_is_one(tmp_path, name):
    put(tmp_path / f"{name}.zip", zipped({NAME: b"{}"}))
    (one,) = read_submissions(tmp_path)
    assert one.student == unicodedata.normalize("NFC", name).strip()
    assert one.of("04").trouble is None


def test_what_is_handed_in_otherwise_is_told_and_not_lost(tmp_path):
    put(tmp_path / "ann.ZIP", zipped({NAME: b"ann"}))
    for name in ("bob.tar.gz", "cleo_12_34_work.7z", "dave.ipynb", "readme.txt", "names.csv"):
        put(tmp_path / name)
    ann, *others = read_submissions(tmp_path)
    assert ann.of("04").data == b"ann"
    assert [one.student for one in others] == ["bob", "cleo", "dave"]
    for one in others:
        assert "is no folder and no zip; hand in one of these" in one.of("04").trouble


def test_nothing_to_grade_is_told(tmp_path):
    with pytest.raises(ValueError, match="is no folder; give the one that holds"):
        read_submissions(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no submission; each student needs"):
        read_submissions(tmp_path)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (NAME, "04"), ("04.ipynb", "04"), ("04 - mine.ipynb", "04"), ("04_attention(1).ipynb", "04"),
        ("99_x.ipynb", None), ("045.ipynb", None), ("04x.ipynb", None), ("04_a.py", None), ("x04_a.ipynb", None),
    ],
)  # fmt: skip
def test_an_assignment_is_known_by_its_number(name, number):
    assert number_of(name) == number


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": source} for source in cells]}).encode()


def test_code_comes_without_the_checks_and_without_its_metadata():
    checks = 'check("04.1", attention).points', 'check("04.1", attention, seed=2)'
    data = notebook("x = 1", ["y = 2\n", "z = 3"], *checks)
    assert read_code(data) == [
        ("code cell 1", "x = 1"),
        ("code cell 2", "y = 2\nz = 3"),
        ("code cell 4", checks[1]),
    ]


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"{", "its JSON is broken"),
        (b"[" * 100_000, "its JSON is broken"),
        (b"\xff", "its JSON is broken"),
        (b"[]", "it has no cells"),
        (b'{"cells": 3}', "it has no cells"),
        (b'{"worksheets": []}', "format 4 or later"),
        (notebook(*["x"] * 501), "more than 500 cells"),
        (notebook("x" * 1_000_001), "more than 1,000,000 characters"),
        (b'{"cells": [{"cell_type": "code", "source": 3}]}', "the text of a cell is no text"),
        (b'{"cells": [{"cell_type": "code"}]}', "the text of a cell is no text"),
        (b'{"cells": [{"cell_type": "code", "source": ["a", 3]}]}', "the text of a cell is no text"),
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
        cells = read_code(json.dumps(content).encode())
    except ValueError:
        return
    assert all(isinstance(source, str) for _, source in cells)
    worth_a_look(cells, ["torch.nn.functional.softmax"])


def test_the_last_definition_of_a_name_counts():
    found = definition("def f(): return 1\nf = 2", "f")
    assert found.lineno == 2
    assert definition("async = (", "f") is None


def test_what_no_answer_needs_is_shown_to_a_person():
    cells = [
        ("code cell 1", "import torch\nfrom ctypes import cdll"),
        ("code cell 2", "def softmax(x): return x.softmax(-1)\nsoftmax(1)"),
        ("code cell 3", "getattr(torch.nn.functional, 'scaled_dot_product_attention')"),
    ]
    forbidden = ["minillm", "torch.softmax", "torch.nn.functional.scaled_dot_product_attention"]
    assert worth_a_look(cells, forbidden) == [
        "code cell 1 mentions ctypes",
        "code cell 3 mentions scaled_dot_product_attention",
    ]
