"""The claims table: numbers extracted from lessons, errors for missing ones, and the table that ships."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from minillm.course.claims import (
    CLAIMS,
    MEASURED,
    Chapter,
    Claim,
    Lesson,
    Reading,
    Verdict,
    lesson_table,
    load_claims,
    load_lessons,
    measure,
    table,
    tally,
)
from tools import build_claims

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = load_lessons(NOTEBOOKS)
EVERY = [claim for chapter in load_claims() for claim in chapter.claims]
NAMES = re.compile(r"\{.*?\}|GPT-[23]|SmolLM2|best of \d+")


def notebook(folder, cells, name="04_attention.ipynb"):
    path = folder / name
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return load_lessons(folder)


def executed(source, *outputs):
    return {"cell_type": "code", "execution_count": 1, "source": [source], "outputs": list(outputs)}


def printed(text):
    return {"output_type": "stream", "name": "stdout", "text": [text]}


def shown(**data):
    return {"output_type": "display_data", "data": {f"text/{kind}": [text] for kind, text in data.items()}}


def pictured(alt):
    return {**shown(plain="<Figure>"), "metadata": {"image/png": {"alt": alt}}}


@pytest.fixture
def lesson(tmp_path):
    return notebook(
        tmp_path,
        [
            {"cell_type": "markdown", "source": ["gap 7.77"]},
            executed("assert gap > 1\n", printed("gap 1.263 of 2,048\n"), pictured("Bank ends at 0.50.")),
            executed("print(table)\n", shown(markdown="rows: 61", plain="<Markdown object>")),
            {"cell_type": "code", "execution_count": None, "source": ["assert never\n"], "outputs": []},
        ],
    )


def test_a_lab_is_read_beside_its_lesson_and_named_with_a_space(tmp_path):
    notebook(tmp_path, [executed("gap", printed("gap 1"))])
    lessons = notebook(tmp_path, [executed("gap", printed("gap 2"))], "04_attention_lab.ipynb")
    assert list(lessons) == ["04", "04_lab"]
    told = claim("gap (?P<gap>.)", number="04_lab")
    row = table((Chapter("One", (told,)),), lessons, "..").splitlines()[-1]
    assert row == "| Words part | [04 lab](../04_attention_lab.ipynb) | 2 | **holds with a condition**: so far |"


def claim(pattern, measured="{gap}", place="output", number="04", why="so far"):
    return Claim("Words part", (Reading(number, pattern, place),), measured, Verdict.CONDITION, why)


@pytest.mark.parametrize(
    ("pattern", "measured", "expected"),
    [
        (r"^gap (?P<gap>[\d.]+) of (?P<all>[\d,]+)$", "{gap} of {all}", "1.263 of 2,048"),
        (r"^gap (?P<gap>[\d.]+) of (?P<all>[\d,]+)$", "{gap:.1f} of {all:.0f}", "1.3 of 2048"),
        (r"ends at (?P<gap>[\d.]+)\.$", "{gap:.0%}", "50 %"),
        (r"^rows: (?P<gap>\d+)$", "{gap} rows", "61 rows"),
    ],
)
def test_a_number_is_extracted_from_a_lessons_output(lesson, pattern, measured, expected):
    assert measure(claim(pattern, measured), lesson) == expected


def test_an_assertion_counts_if_its_cell_was_executed(lesson):
    assert measure(claim(r"^assert gap > 1$", "asserted", "code"), lesson) == "asserted"
    with pytest.raises(ValueError, match="0 matches"):
        measure(claim(r"^assert never$", "asserted", "code"), lesson)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (claim("lost (?P<gap>.)"), r"'Words part': lesson 04 has 0 matches of 'lost .* in its output.*claims\.toml"),
        (claim("gap 7.77"), "has 0 matches"),  # Markdown text is not a measurement
        (claim(r"(?P<gap>\d)\d"), "lesson 04 has [2-9] matches"),
        (claim("gap", number="21"), "lesson 21 is not built; there are 04"),
        (claim("(?P<gap>gap)", "{gaps}"), "no pattern has a group 'gaps', which '{gaps}' asks for"),
    ],
)
def test_a_missing_number_is_reported(lesson, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        measure(wrong, lesson)


def test_the_table_has_a_row_for_each_claim_and_keeps_its_columns(lesson):
    chapters = (Chapter("One", (claim("(?P<gap>gap)", "a | b", why="c | d"),) * 2), Chapter("Two", (claim("gap"),)))
    with pytest.raises(ValueError, match="no pattern has a group 'gap'"):
        table(chapters, lesson, "..")
    written = table(chapters[:1], lesson, "../notebooks").splitlines()
    assert written[0] == "Of 2 statements 0 hold, 2 hold with a condition, and 0 are loose."
    row = r"| Words part | [04](../notebooks/04_attention.ipynb) | a \| b | **holds with a condition**: c \| d |"
    assert written[2:4] == ["## One", ""]
    assert written[4:] == ["| statement | lesson | measured | verdict |", "| --- | --- | --- | --- |", row, row]


def test_the_readme_counts_the_verdicts():
    text = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    assert tally(load_claims()) in text


@pytest.mark.parametrize("shipped", [pytest.param(claim, id=claim.statement) for claim in EVERY])
def test_each_shipped_claim_is_measured_by_the_built_lessons(shipped):
    assert measure(shipped, LESSONS)


@pytest.mark.parametrize("shipped", [pytest.param(claim, id=claim.statement) for claim in EVERY])
def test_no_number_of_a_lesson_is_typed(shipped):
    typed = re.findall(r"\d[\d.,]*", NAMES.sub("", f"{shipped.measured} {shipped.why}"))
    assert not [number for number in typed if number.strip(".,") not in shipped.statement]


def test_statements_are_unique_and_all_verdicts_occur():
    statements = [claim.statement for claim in EVERY]
    assert len(set(statements)) == len(statements)
    assert {claim.verdict for claim in EVERY} == set(Verdict)
    assert tally(load_claims()).startswith(f"Of {len(EVERY)} statements ")


def test_a_rebuilt_lesson_updates_the_table():
    before = table(load_claims(), LESSONS, "..")
    lesson = LESSONS["02"]
    built_again = re.sub(r"^(Paris \+ Italy +)\d+", r"\g<1>99", lesson.output, flags=re.MULTILINE)
    after = table(load_claims(), LESSONS | {"02": lesson._replace(output=built_again)}, "..")
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert len(changed) == 1
    assert "*Paris + Italy* in 99" in changed[0]


def test_the_table_of_lessons_is_extracted_from_them(tmp_path):
    path = tmp_path / "measured.toml"
    row = "[[lesson]]\nnumber = '11'\ntitle = 'DPO'\nmeasured = 'GRPO {grpo:.0%}'\n"
    path.write_text(row + """readings = [["11", 'GRPO (?P<grpo>[0-9.]+)$']]""", encoding="utf-8")
    written = lesson_table({"11": Lesson("11_dpo.ipynb", "", "GRPO 0.47")}, path)
    assert written.splitlines()[2:] == ["| 11 | [DPO](11_dpo.ipynb) | GRPO 47 % |"]
    with pytest.raises(ValueError, match=r"row 11: lesson 11 has 0 matches of .* or the pattern in measured\.toml"):
        lesson_table({"11": Lesson("11_dpo.ipynb", "", "")}, path)


def test_a_share_or_an_error_in_the_table_of_lessons_is_not_typed():
    entries = tomllib.loads(MEASURED.read_text(encoding="utf-8"))["lesson"]
    assert [entry["number"] for entry in entries] == list(LESSONS)
    typed = {entry["number"]: re.sub(r"\{.*?\}", "", entry["measured"]) for entry in entries}
    assert not [number for number, text in typed.items() if re.search(r"\d ?%|± ?\d", text)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[[chapter]", "TOMLDecodeError"),
        ("", "KeyError"),
        ("chapter = [3]", "TypeError"),
        (CLAIMS.read_text(encoding="utf-8").replace('"loose"', '"wrong"', 2), "'wrong' is not a valid Verdict"),
    ],
)
def test_a_damaged_table_is_reported(tmp_path, text, part):
    (tmp_path / "claims.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims\.toml is not a table of claims") as told:
        load_claims(tmp_path / "claims.toml")
    assert part in str(told.value)


PAGE = f"above\n{build_claims.BEGIN}\nold\n{build_claims.END}\nbelow\n"


def test_the_page_around_the_claims_is_unchanged():
    fresh = build_claims.with_claims(PAGE, "new", "page.md")
    assert fresh == f"above\n{build_claims.BEGIN}\n\nnew\n\n{build_claims.END}\nbelow\n"
    assert build_claims.with_claims(fresh, "new", "page.md") == fresh


@pytest.mark.parametrize("page", ["above", PAGE + PAGE, PAGE.replace(build_claims.END, "")])
def test_a_page_without_its_markers_is_rejected(page):
    with pytest.raises(ValueError, match=r"page\.md needs the line <!-- claims"):
        build_claims.with_claims(page, "new", "page.md")


def test_the_command_writes_the_claims_and_finds_a_stale_page(tmp_path, capsys):
    for folder in ("teaching", "notebooks"):
        (tmp_path / folder).mkdir()
    whole, lessons = tmp_path / "teaching" / "claims.md", tmp_path / "notebooks" / "README.md"
    for page in (whole, lessons):
        page.write_text(PAGE, encoding="utf-8")
    assert build_claims.main([], tmp_path) == 0
    assert build_claims.main(["--check"], tmp_path) == 0
    assert len(whole.read_text(encoding="utf-8")) > len(lessons.read_text(encoding="utf-8")) > len(PAGE)
    whole.write_text(PAGE, encoding="utf-8")
    assert build_claims.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "teaching/claims.md is stale; run python tools/build_claims.py"
    assert whole.read_text(encoding="utf-8") == PAGE
    lessons.write_text("no marks", encoding="utf-8")
    assert build_claims.main([], tmp_path) == 1
    assert "notebooks/README.md needs the line" in capsys.readouterr().err
    assert whole.read_text(encoding="utf-8") == PAGE, "one page was written, and the other was not"
