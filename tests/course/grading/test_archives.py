"""Feedback that goes back: each page reaches the student whose work it is about, as Moodle and Canvas read names."""

import random
import zipfile

import pytest

from minillm.course.grading.archives import PLATFORMS, write_archives
from minillm.course.grading.decisions import Score
from minillm.course.grading.feedback import page_path
from minillm.course.grading.grade import Record
from minillm.course.grading.names import assignment_name
from minillm.course.grading.submissions import list_submissions
from tests.course.grading.test_submissions import NAME, answered, put, read, zipped

STEM = NAME.removesuffix(".ipynb")
MOODLE, CANVAS = "moodle_feedback.zip", "canvas_feedback.zip"
NONE = "No archive of the pages to upload: no submission has a name that Moodle or Canvas gave it"


def as_moodle(path):
    """(participant, file) as Moodle reads a path; None where it skips one.

    It takes the first part with four words between underscores, of which the second is a number and the last two name
    a kind of submission.
    """
    parts = path.split("/")
    if parts[-1].startswith((".", "~")):
        return None
    for index, part in enumerate(parts):
        words = part.split("_", 4)
        if len(words) >= 4 and words[1].isdecimal() and words[2:4] == ["assignsubmission", "file"]:
            return int(words[1]), "/".join(word for word in [*words[4:], *parts[index + 1 :]] if word)
    return None


def as_canvas(path):
    """(user, file) as Canvas reads a path: the first two numbers between underscores, without the word LATE."""
    words = [word for word in path.rsplit("/", 1)[-1].split("_") if word != "LATE"]
    numbers = [int(word) for word in words if word.isdecimal()][:2]
    return None if len(numbers) < 2 or words[-1].startswith("link") else tuple(numbers)


def give_back(folder, out, missing=()):
    """Write a page for each notebook handed in, which names its student and assignment, and the archives."""
    submissions = list(read(folder).values())
    scores = []
    for submission in submissions:
        for number in submission.notebooks or ["04"]:
            record = Record(submission.student, number, "", [], missing=submission.student in missing)
            score = Score(record, {}, {}, 0, 0)
            put(page_path(out, score), f"{submission.student}|{number}".encode())
            scores.append(score)
    return write_archives(out, scores, submissions)


def unpacked(path):
    """Pages by their path in the archive; the archive may hold nothing but ordinary files inside its own folder."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            parts = info.filename.split("/")
            assert not any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts)
            assert not set(info.filename) & set('\\:*?"<>|\n\x1b')
            assert info.external_attr >> 16 == 0o644  # no link, no folder
        return {info.filename: archive.read(info).decode() for info in archive.infolist()}


@pytest.mark.parametrize("end", ["_", ""])  # with the underscore before Moodle 4.1
def test_moodle_gets_the_folders_that_it_gave(tmp_path, end):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / f"Ann Lee_77_assignsubmission_file{end}" / NAME, answered("join"))
    put(folder / f"Zoë 名_78_assignsubmission_file{end}" / "work.zip", zipped({NAME: answered()}))
    put(folder / "Ann Lee_79_assignsubmission_file_04_attention.ipynb", answered())  # downloaded without folders
    put(folder / f"Cy_80_assignsubmission_file{end}" / "essay.docx", b"no notebook")
    said = give_back(folder, out)
    assert said == [f"The pages to upload to Moodle (4): {out / MOODLE}"]
    pages = unpacked(out / MOODLE)
    assert {as_moodle(path): page for path, page in pages.items()} == {
        (77, f"{STEM}.html"): "Ann Lee_77|04",
        (78, f"{STEM}.html"): "Zoë 名_78|04",
        (79, f"{STEM}.html"): "Ann Lee_79|04",
        (80, f"{STEM}.html"): "Cy_80|04",
    }
    assert {f"Ann Lee_77_assignsubmission_file{end}/{STEM}.html"} <= set(pages)  # as it was downloaded
    assert not (out / CANVAS).exists()


def test_canvas_gets_both_pages_of_a_student_with_two_notebooks(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / "leeann_123_456_04_attention-1.ipynb", answered("join"))
    put(folder / "leeann_LATE_123_457_01_tokenizer.ipynb", answered())
    put(folder / "leeann_124_458_04_attention.ipynb", answered())  # another one of this name
    put(folder / "roebob_125_459_my_link.ipynb", answered("join"))  # Canvas skips what ends in link
    put(folder / "poeeva_126_460_work.zip", zipped({NAME: answered(), "05_feed_forward.ipynb": answered()}))
    said = give_back(folder, out)
    pages = unpacked(out / CANVAS)
    assert said == [f"The pages to upload to Canvas ({len(pages)}): {out / CANVAS}"]
    found = sorted((as_canvas(path), page) for path, page in pages.items())
    eva = [page for ids, page in found if ids == (126, 460)]
    assert [pair for pair in found if pair[0] != (126, 460)] == [
        ((123, 456), "leeann (123)|04"),
        ((123, 457), "leeann (123)|01"),
        ((124, 458), "leeann (124)|04"),
        ((125, 459), "roebob|04"),
    ]
    assert eva
    assert all(page.startswith("poeeva|") for page in eva)
    assert "leeann_LATE_123_457_01_tokenizer.html" in pages
    assert not (out / MOODLE).exists()


def test_names_by_hand_make_no_archive_and_an_old_one_goes(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / "ann" / NAME, answered())
    put(folder / "Bob Roe - 04_attention.ipynb", answered())
    for name in (MOODLE, CANVAS):
        put(out / name, b"of an earlier run")
    assert give_back(folder, out) == [NONE]
    assert not list(out.glob("*.zip"))


def test_whoever_is_in_no_archive_is_named(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / "Ann_77_assignsubmission_file_" / NAME, answered())
    put(folder / "leeann_123_456_04_attention.ipynb", answered())
    for index in range(7):
        put(folder / f"by hand {index}" / NAME, answered())
    put(folder / "Gone_81_assignsubmission_file_" / NAME, answered())
    *made, rest = give_back(folder, out, missing=["Gone_81"])
    assert [str(out / name) in line for name, line in zip((MOODLE, CANVAS), made, strict=True)] == [True, True]
    assert rest.endswith(": by hand 0, by hand 1, by hand 2, by hand 3, by hand 4 and 2 more")
    assert "Gone" not in " ".join(unpacked(out / MOODLE))


@pytest.mark.parametrize(
    "entry",
    [
        "x\\..\\evil_5_assignsubmission_file_",
        "C:evil_5_assignsubmission_file_",
        "two\nlines_5_assignsubmission_file_",
        "\x1b[31m_5_assignsubmission_file_",
        "a_b_5_assignsubmission_file_",  # where Moodle reads b
        "evil_٥_assignsubmission_file_",  # a digit that only some take for one
        "~evil_5_assignsubmission_file_",
        "\udcff_5_assignsubmission_file_",  # bytes that are not UTF-8
        "x\\..\\evil_5_6_04_attention.ipynb",
        "a_7_b_5_6_04_attention.ipynb",  # where Canvas reads 7 and 5
        "名" * 79 + "_5_6_x.ipynb",  # with its own name it would be too long
    ],
)
def test_a_hostile_name_is_in_no_archive_and_stops_nobody_elses_page(tmp_path, entry):
    folder, out = tmp_path / "in", tmp_path / "out"
    try:
        put(folder / entry if entry.endswith("ipynb") else folder / entry / NAME, answered())
    except (OSError, ValueError) as error:
        pytest.skip(f"this file system has no such name: {error}")
    put(folder / "Ann_77_assignsubmission_file_" / NAME, answered())
    put(folder / "leeann_123_456_04_attention.ipynb", answered())
    *_, rest = give_back(folder, out)
    assert rest.startswith("Pages in no archive, since a submission's name does not say where they belong: ")
    assert rest.isprintable()
    assert unpacked(out / MOODLE) == {f"Ann_77_assignsubmission_file_/{STEM}.html": "Ann_77|04"}
    assert unpacked(out / CANVAS) == {f"leeann_123_456_{STEM}.html": "leeann|04"}


def test_what_a_student_calls_a_file_is_not_in_the_archive(tmp_path):
    """Only the beginning of a name is the platform's own; the rest could say anything, such as another one's ids."""
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / "leeann_123_456_04_attention_999_888_.._x.ipynb", answered())
    put(folder / "Bo_77_assignsubmission_file_" / "..\\Cy_78_assignsubmission_file_.zip", zipped({NAME: answered()}))
    put(folder / "Di_79_assignsubmission_file_04_attention_80_assignsubmission_file_.ipynb", answered())
    give_back(folder, out)
    assert unpacked(out / CANVAS) == {f"leeann_123_456_{STEM}.html": "leeann|04"}
    assert {as_moodle(path): page for path, page in unpacked(out / MOODLE).items()} == {
        (77, f"{STEM}.html"): "Bo_77|04",
        (79, f"{STEM}.html"): "Di_79|04",
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Ann_77_assignsubmission_file_", "Eve_77_assignsubmission_file_"),
        ("Ann_77_assignsubmission_file_", "Eve_077_assignsubmission_file_"),
    ],
)
def test_two_students_with_one_id_get_neither_page(tmp_path, first, second):
    folder, out = tmp_path / "in", tmp_path / "out"
    for entry in (first, second, "Bob_78_assignsubmission_file_"):
        put(folder / entry / NAME, answered())
    *_, rest = give_back(folder, out)
    assert set(unpacked(out / MOODLE).values()) == {"Bob_78|04"}
    assert first.split("_")[0] in rest
    assert second.split("_")[0] in rest


def test_a_year_is_not_the_id_of_canvas(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder / "ann_2024_10_04_attention.ipynb", answered())
    put(folder / "bob_2024_10_04_attention.ipynb", answered())
    assert give_back(folder, out) == [NONE]


def test_an_archive_of_random_names_never_gives_a_page_to_another_student(tmp_path):
    """Whatever names a class has: where an oracle of the platform finds a student, the page is of that student."""
    rng = random.Random(0)
    words = ["Ann", "Bo Li", "_", "_", "77", "78", "LATE", "assignsubmission", "file", "名", ".", "-", "anon", "0"]
    folder, out = tmp_path / "in", tmp_path / "out"
    for _ in range(120):
        name = "".join(rng.choice(words) for _ in range(rng.randrange(3, 12)))
        moodle = rng.random() < 0.5
        end = "_assignsubmission_file_" if moodle else f"_{rng.randrange(9999)}_x.ipynb"
        name = f"{name}_{rng.randrange(70, 99)}{end}"
        put(folder / name / NAME if moodle else folder / name, answered())
    give_back(folder, out)
    owners = {submission.student: submission.parts for submission in list_submissions(folder)}
    for file, reader in ((MOODLE, as_moodle), (CANVAS, as_canvas)):
        pages = unpacked(out / file)
        assert pages
        by_id = {}
        for path, page in pages.items():
            student, number = page.split("|")
            if (ids := reader(path)) is None:
                continue  # skipped, so nobody sees it
            by_id.setdefault(ids[0], set()).add(student)
            names = [part.path.name for part in owners[student]]  # a folder of Moodle, a file of Canvas
            assert ids[0] in {reader(f"{name}/x" if file == MOODLE else name)[0] for name in names}
            assert path.endswith(f"{assignment_name(number)}.html")
        assert all(len(students) == 1 for students in by_id.values())


def test_the_same_pages_make_the_same_archive(tmp_path):
    put(tmp_path / "in" / "Ann_77_assignsubmission_file_" / NAME, answered())
    first = give_back(tmp_path / "in", tmp_path / "out")
    before = (tmp_path / "out" / MOODLE).read_bytes()
    assert give_back(tmp_path / "in", tmp_path / "out") == first
    assert (tmp_path / "out" / MOODLE).read_bytes() == before
    assert set(PLATFORMS) == {"Moodle", "Canvas"}
