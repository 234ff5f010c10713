"""Class lists: who is on them, who handed in nothing, and what goes back to Moodle and Canvas."""

import csv
import io

import pytest

from minillm.course.grading.decisions import Deadline, score
from minillm.course.grading.grade import Record
from minillm.course.grading.rosters import columns_of, fill, match, read_roster
from minillm.course.grading.submissions import list_submissions

MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Feedback comments\r\n"
    'Participant 77,"Lee, Ann",ann@x.edu,Submitted for grading,,100.00,Yes,\r\n'
    "Participant 78,Ann Lee,lee@x.edu,Submitted for grading,,100.00,Yes,seen\r\n"
    "Participant 79,Bob Ray,bob@x.edu,No submission,,100.00,Yes,\r\n"
    "Participant 80,Cy Roe,cy@x.edu,Submitted for grading,55.00,100.00,No,\r\n"
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Assignment 04 (901),04b - extra (902),Final Score (read only)\n"
    ",,,,,Manual Posting,,\n"
    "    Points Possible,,,,,5,1,\n"
    '"Lee, Ann",101,s1,annl,A,,,\n'
    '"Lee, Ann",102,s2,lee2,A,,,\n'
    '"Ray, Bob",103,s3,bobr,A,,,\n'
)


def records(points):
    made = []
    for student, got in points.items():
        result = {"question": "04.1", "title": "", "points": got or 0, "possible": 10, "probes": [], "failure": None}
        made.append(Record(student, "04", "key", [result], missing=got is None))
    return [score(record, Deadline(), []) for record in made]


def submissions(folder, *names):
    for name in names:
        path = folder / name / "04_attention.ipynb" if not name.endswith(".ipynb") else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    return list_submissions(folder)


def listed(tmp_path, text, mark=b""):
    path = tmp_path / "list.csv"
    path.write_bytes(mark + text.encode())
    return read_roster(path)


def table(path):
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_moodles_worksheet_comes_back_filled_by_its_numbers(tmp_path):
    roster = listed(tmp_path, MOODLE, b"\xef\xbb\xbf")
    names = [f"Ann Lee_{number}_assignsubmission_file" for number in (77, 78)] + ["Cy Roe_80_assignsubmission_file"]
    assert match(roster, submissions(tmp_path / "in", *names, "Zoe_99_assignsubmission_file")) == ["Zoe_99"]
    assert roster.absent() == ["Bob Ray"]
    columns = columns_of(roster, ["04"])
    said = fill(roster, records({"Ann Lee_77": 7, "Ann Lee_78": None, "Cy Roe_80": 9, "Zoe_99": 3}), columns, tmp_path)
    assert "with 1 grades" in said
    assert said.endswith("(scaled from 10 points to 100.00)")
    path = tmp_path / "moodle_worksheet.csv"
    before, after = table(tmp_path / "list.csv"), table(path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert after[1] == [*before[1][:4], "70", *before[1][5:7], "7 of 10 points. The feedback file says where to start."]
    assert [after[0], *after[2:]] == [before[0], *before[2:]]  # nothing handed in, and a grade that is fixed
    with pytest.raises(ValueError, match="is for one assignment, and there are 04, 05; choose it with --assignment"):
        columns_of(roster, ["04", "05"])


def test_canvass_gradebook_comes_back_filled_by_its_ids(tmp_path):
    roster = listed(tmp_path, CANVAS)
    names = ["leeann_101_7_04_attention.ipynb", "leeann_LATE_102_8_04_attention.ipynb", "by hand"]
    found = submissions(tmp_path / "in", *names)
    assert match(roster, found) == ["by hand"]
    assert roster.absent() == ["Ray, Bob"]
    assert columns_of(roster, ["04"]) == {"04": 5}
    fill(roster, records({"leeann (101)": 7, "leeann (102)": 10}), {"04": 5}, tmp_path)
    before, after = table(tmp_path / "list.csv"), table(tmp_path / "canvas_gradebook.csv")
    assert [row[5] for row in after] == [before[0][5], "Manual Posting", "5", "3.5", "5", ""]
    assert [row[:5] + row[6:] for row in after] == [row[:5] + row[6:] for row in before]
    with pytest.raises(ValueError, match="has no single column for 05_feed_forward; put 05_feed_forward into"):
        columns_of(roster, ["05"])


def test_canvass_late_marker_is_told(tmp_path):
    found = submissions(tmp_path, "leeann_LATE_102_8_04_attention.ipynb", "roebob_103_9_04_attention.ipynb")
    assert [each.look for each in found] == [["Canvas marks 04_attention.ipynb as late"], []]


def test_a_list_of_names_shows_who_is_missing(tmp_path):
    roster = listed(tmp_path, "student,group\nAnn Lee,1\nbob ray,1\nCy,2\n")
    assert match(roster, submissions(tmp_path / "in", "ANN LEE", "Bob Ray_7_assignsubmission_file", "dora")) == ["dora"]
    assert roster.absent() == ["Cy"]
    assert columns_of(roster, ["04", "05"]) == {}
    assert fill(roster, records({"ANN LEE": 7}), {}, tmp_path) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,2\n", "is no class list that is known by its columns: Moodle's grading worksheet .Identifier, Grade"),
        (b"", "is no class list"),
        ("student\nMüller\n".encode("cp1252"), "cannot be read .*; give a CSV file in UTF-8"),
        (b"student\nAnn\nann\n", "has 'ann' twice"),
    ],
)
def test_what_is_no_list_is_told(tmp_path, data, words):
    (tmp_path / "list.csv").write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_roster(tmp_path / "list.csv")
