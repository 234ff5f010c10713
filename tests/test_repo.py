"""The repository agrees with itself: tables with files, pages with their sources, sizes with the house rules."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from minillm.cli import COMMANDS
from minillm.cli import main as command_line
from minillm.course.workbook import LABS, short_name
from tests.test_layers import LAYERS

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if not path.stem.endswith("_lab")]
OF_LESSONS = [*NOTEBOOKS, *sorted((ROOT / "exercises").glob("*/*.ipynb"))]
TEACHING = sorted((ROOT / "teaching").glob("*.md"))
PAGES = ["README.md", "minillm/README.md", "notebooks/README.md", *(f"teaching/{path.name}" for path in TEACHING)]
MODULES = sorted((ROOT / "minillm").rglob("*.py"))
LONGEST_README = 90  # lines; two screens
HEAVIEST_NOTEBOOK = 850_000  # bytes; GitHub shows a notebook of up to about 1 MB
# Where a file from this or any other machine would give itself away.
HOMES = re.compile(r"/(?:home|Users)/[a-z][\w.-]*/|/root/|[A-Z]:\\+Users\\+\w")


def tracked_files() -> list[Path]:
    """Everything that is in the repository or about to be: not what .gitignore names."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so there is no list of files")
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "listed"), [("README.md", LESSONS), ("notebooks/README.md", NOTEBOOKS)])
def test_a_lesson_table_holds_the_lessons_that_exist(page, listed):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"^\| [\w ]+ \| \[[^\]]*\]\((\S*?)\)", text, re.MULTILINE)
    there = [path.relative_to((ROOT / page).parent).as_posix() for path in listed]
    assert links == there, f"the lesson table of {page} and notebooks/ differ"
    assert not [path.name for path in NOTEBOOKS if path not in listed and f"/{path.name})" not in text]


def test_the_minutes_are_those_of_the_lessons_and_the_guide():
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]+) \| [\w ,-]+ \| (\d+) \| (\d+|-) \| (.*?) \|$", page, re.MULTILINE)
    alone_in_readme = re.findall(r"^\| \w+ \| \[.*?\]\(notebooks/\w+\.ipynb\).*? \| (\d+) \|", readme(), re.MULTILINE)
    expected = []
    for path in NOTEBOOKS:
        alone = re.search(r"^\*\*Time\*\*: (\d+) minutes", prose_of(path), re.MULTILINE).group(1)
        if path in LESSONS:
            part = guide_parts()[path.stem]
            room = re.search(r"^\*\*(\d+) minutes\*\*", part, re.MULTILINE).group(1)
            runs = re.search(r"all cells run in (\d+) s", part)
        else:  # a lab is for one person, and the guide speaks of it in its lesson's part
            room, runs = "-", re.search(r"its cells run in (\d+) s", part)
        number = short_name(path.name).replace("_", " ")
        expected.append((number, alone, room, runs.group(1) if runs else "< 60"))
    assert rows == expected
    assert alone_in_readme == [alone for number, alone, *_ in expected if "lab" not in number]


def test_the_packages_page_has_every_command_with_options_that_there_are():
    block = (ROOT / "minillm" / "README.md").read_text(encoding="utf-8").split("```\n")[1]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    used = [line[line.index("minillm") + 1 :] for line in lines if line]
    assert {name for name, *_ in used} == set(COMMANDS)
    for name, *arguments in used:
        command_line.get_command(None, name).make_context(name, arguments)  # raises for an option that there is not


def test_the_citation_names_the_version_that_is_here():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def prose_of(path: Path) -> str:
    """A page's Markdown: the file's, or that of a notebook's cells; what stands in a fenced block is code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        pages = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join(pages)
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def places_in(path: Path) -> set[str]:
    """The anchors of a page's headings: as GitHub writes them, and in a notebook as JupyterLab does."""
    lines = re.findall(r"^#{1,6} (.*)$", prose_of(path), re.MULTILINE)
    headings = [re.sub(r"[*`]|\[(.*?)\]\(.*?\)", r"\1", line).strip() for line in lines]  # of a link, its words
    if path.suffix != ".ipynb":
        headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in headings}


ELSEWHERE = ("https:", "http:", "mailto:", "data:", "attachment:")


def dead_links(page: Path) -> list[str]:
    """The links of a page to a file that is not there, or to a place that its file has not."""
    text, dead = prose_of(page), []
    for link in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:href|src)=[\"']([^\"']+)", text):
        file, _, place = link.partition("#")
        target = page.parent / unquote(file) if file else page
        if not link.startswith(ELSEWHERE) and (not target.exists() or (place and place not in places_in(target))):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", [pytest.param(page, id=f"{page.stem} {page.parent.name}") for page in OF_LESSONS])
def test_the_links_of_a_lesson_lead_somewhere(page):
    assert dead_links(page) == []


def test_the_links_of_every_other_page_lead_somewhere():
    pages = [path for path in tracked_files() if path.suffix in (".md", ".ipynb") and path not in OF_LESSONS]
    assert {"README.md", "teachers_guide.md"} <= {path.name for path in pages}
    dead = [f"{page.relative_to(ROOT).as_posix()}: {link}" for page in pages for link in dead_links(page)]
    assert not dead, "\n".join(["links that lead nowhere:", *dead])


def test_a_dead_link_is_found_in_a_page_and_in_a_notebook(tmp_path):
    text = "# Here\n[a](there.md) [b](#Here) [c](gone.md) [d](there.md#nowhere) [e](https://x.y/z)\n"
    text += '```\n# not a heading\n[f](code.md)\n```\n<img src=\'gone.png\'> [g](#not-a-heading) ["h"](there.md#"q")\n'
    (tmp_path / "there.md").write_text("# There\n", encoding="utf-8")
    cells = [{"cell_type": "markdown", "source": [text]}, {"cell_type": "code", "source": ["[i](code.md)"]}]
    (tmp_path / "page.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "page.md").write_text(text.replace("(#Here)", "(#here)"), encoding="utf-8")
    dead = ["gone.md", "there.md#nowhere", "#not-a-heading", 'there.md#"q"', "gone.png"]
    assert dead_links(tmp_path / "page.ipynb") == dead_links(tmp_path / "page.md") == dead


def test_an_anchor_is_a_heading(tmp_path):
    (tmp_path / "page.md").write_text(
        "# The *one* `thing`: what?\n\ntext\n## Two-fold\n## [00 · A](b.md)\n", encoding="utf-8"
    )
    assert places_in(tmp_path / "page.md") == {"the-one-thing-what", "two-fold", "00--a"}
    cells = [{"cell_type": "markdown", "source": ["## *bank*, told\n"]}, {"cell_type": "code", "source": ["# no"]}]
    (tmp_path / "page.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert places_in(tmp_path / "page.ipynb") == {"bank,-told"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_files_and_rooms_that_exist(page):
    folders = "minillm|notebooks|tools|tests|benchmarks|teaching|exercises|solutions"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", (ROOT / page).read_text(encoding="utf-8"))
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing, f"{page} names what is not there: {missing}"


def test_the_teaching_kit_is_listed_and_its_guide_has_every_lesson():
    contents = (ROOT / "teaching" / "README.md").read_text(encoding="utf-8")
    assert not [path.name for path in TEACHING if path.name != "README.md" and f"]({path.name})" not in contents]
    guide = (ROOT / "teaching" / "teachers_guide.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[.*\]\(\.\./notebooks/(\w+)\.ipynb\)", guide, re.MULTILINE) == [
        path.stem for path in LESSONS
    ]


def test_the_glossary_is_sorted_and_leads_from_each_term_to_a_lesson_and_a_room():
    text = (ROOT / "teaching" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^- \*\*(.+?)\*\*: (.*?)(?=^- |^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(terms) == len(re.findall("^- ", text, re.MULTILINE))
    names = [term.casefold() for term, _ in terms]
    assert names == sorted(set(names)), "terms of the glossary are out of order, or stand twice"
    unlinked = [term for term, says in terms if "](../notebooks/" not in says or "](../minillm/" not in says]
    assert not unlinked, f"terms of the glossary without a lesson or a room: {unlinked}"


def guide_parts() -> dict[str, str]:
    """The teacher's guide, lesson by lesson."""
    guide = (ROOT / "teaching" / "teachers_guide.md").read_text(encoding="utf-8")
    parts = [part for part in guide.split("\n## ")[1:] if "](../notebooks/" in part]
    return {re.search(r"notebooks/(\w+)\.ipynb", part).group(1): part for part in parts}


def test_the_minutes_of_a_plan_add_up():
    for lesson, part in guide_parts().items():
        told = int(re.search(r"^\*\*(\d+) minutes\*\*", part, re.MULTILINE).group(1))
        assert told == sum(map(int, re.findall(r"^- (\d+) min:", part, re.MULTILINE))), lesson


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)


def not_in_the_lesson(told: list[str], lesson: str) -> list[str]:
    """The numbers that the text and outputs of a lesson and its lab do not hold, even with more digits."""
    pages = [path for path in NOTEBOOKS if path.stem in (lesson, *(lesson + end for end in LABS))]
    notebook = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    found = [float(number.replace(",", "")) for number in numbers(re.sub(r'"image/png": ".*?"', "", notebook))]
    half = {number: 0.5001 * 10 ** -len(number.partition(".")[2]) for number in told}
    return [one for one in told if not any(abs(there - float(one.replace(",", ""))) <= half[one] for there in found)]


@pytest.mark.parametrize("lesson", [path.stem for path in LESSONS])
def test_the_numbers_of_the_guide_are_those_of_the_lesson(lesson):
    told = numbers(guide_parts()[lesson].split("\n", 1)[1])
    told = [number for number in told if "." in number or "," in number]  # the rest are minutes, steps, page numbers
    stale = not_in_the_lesson(told, lesson)
    assert not stale, f"teaching/teachers_guide.md has numbers that are not in lesson {lesson}: {stale}"


@pytest.mark.parametrize("lesson", [path.stem for path in LESSONS])
def test_the_numbers_of_the_readmes_row_are_those_of_the_lesson(lesson):
    (row,) = re.findall(rf"^\| \w+ \| [^|]*notebooks/{lesson}\.ipynb\)[^|]*\|.*\| (.*) \|$", readme(), re.MULTILINE)
    stale = not_in_the_lesson(numbers(row), lesson)
    assert not stale, f"README.md has numbers that are not in lesson {lesson}: {stale}"


def test_the_readme_adds_up_the_hours():
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d[ab]?)( (?:data |tiles )?lab)? \| [^|]+ \| (\d+) \|", page, re.MULTILINE)
    assert len(rows) == len(NOTEBOOKS)
    hours = [round(sum(int(minutes) for _, lab, minutes in rows if bool(lab) is labs) / 60) for labs in (False, True)]
    assert f"{len(LESSONS)} lessons, {hours[0]} hours, and {hours[1]} more of labs" in readme().replace("\n", " ")


def test_the_picture_of_a_turn_shows_what_the_turn_says():
    (alt,) = re.findall(r'turn\.png"[^>]* alt="([^"]+)"', readme())
    turn = (ROOT / "minillm" / "course" / "turns" / "attention" / "mask.py").read_text(encoding="utf-8")
    assert "no query sees its own key" in alt
    assert '"No query sees its own key.' in turn


def test_the_packages_page_has_the_table_of_layers():
    page = (ROOT / "minillm" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE)
    modules = {path.stem for path in (ROOT / "minillm").iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    named = [re.findall(r"`minillm/(\w+)(?:\.py|/)`", cell) for _, cell in rows]
    assert [number for number, _ in rows] == [str(number) for number in range(len(rows))]
    assert [*map(sorted, named), ["__main__"]] == [sorted(layer) for layer in LAYERS]
    assert {name for layer in LAYERS for name in layer} == modules - {"__init__"}


def test_the_files_to_read_first_are_about_as_long_as_the_packages_page_says():
    folder = ROOT / "minillm"
    page = (folder / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(.*?)\]\((.*?)\) \| (\d+) \|", page, re.MULTILINE)
    assert len(rows) == 6, "the page says six"
    assert all(title == link for title, link, _ in rows)
    lengths = {link: len((folder / link).read_text(encoding="utf-8").splitlines()) for _, link, _ in rows}
    off = {link: lengths[link] for _, link, told in rows if abs(lengths[link] - int(told)) > 0.15 * int(told)}
    assert not off, f"minillm/README.md has other line counts; these are the true ones: {off}"
    total = int(re.search(r"six files have about ([\d,]+) lines", page).group(1).replace(",", ""))
    assert total == sum(int(told) for *_, told in rows)


def test_the_readme_is_short():
    assert len(readme().splitlines()) <= LONGEST_README, "move what is not needed on the first page to another page"


@pytest.mark.parametrize("tool", sorted(path.name for path in (ROOT / "tools").glob("build_*.py")))
def test_what_is_generated_is_up_to_date(tool):
    run = subprocess.run(
        [sys.executable, f"tools/{tool}", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])
def test_a_lesson_is_stored_whole(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    executed = [cell for cell in code if "skip-execution" not in cell["metadata"].get("tags", [])]
    assert [cell["execution_count"] for cell in executed] == list(range(1, len(executed) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs, "nbval passes a lesson without outputs, and compares nothing"
    quiet = [cell for cell in code if "raises-exception" not in cell["metadata"].get("tags", [])]
    assert not [output for cell in quiet for output in cell["outputs"] if output["output_type"] == "error"]
    for output in outputs:
        if "image/png" in output.get("data", {}):
            assert output["metadata"].get("image/png", {}).get("alt", "").strip(), "a figure without alternative text"
    assert path.stat().st_size <= HEAVIEST_NOTEBOOK


def test_every_part_with_shapes_has_them_checked():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    [checked] = [option.split("=")[1] for option in options["addopts"] if "jaxtyping-packages" in option]
    modules = [path for path in (ROOT / "minillm").rglob("*.py") if "from jaxtyping" in path.read_text("utf-8")]
    parts = {f"minillm.{path.relative_to(ROOT / 'minillm').parts[0].removesuffix('.py')}" for path in modules}
    assert {*checked.split(","), "minillm.course"} == {*parts, "typechecker.typechecked"}


def test_no_folder_of_tests_is_skipped(pytestconfig):
    below = [path for top in ("tests", "minillm") for path in (ROOT / top).rglob("*") if path.is_dir()]
    names = {path.name for path in below} - {"__pycache__"}
    skipped = [name for name in names for pattern in pytestconfig.getini("norecursedirs") if fnmatch(name, pattern)]
    assert not skipped  # pytest compares names at any depth


def test_no_file_names_a_folder_of_a_machine():
    here = {str(ROOT), str(Path.home())} - {"/root", "/"}
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or weights
        if path == Path(__file__).resolve():
            continue  # the pattern itself
        if (match := HOMES.search(text)) or any(f"{folder}/" in text for folder in here):
            found.append(f"{path.relative_to(ROOT).as_posix()}: {match.group() if match else here}")
    assert not found, "\n".join(found)


def test_no_file_is_large():
    """But for the trained models, whose size `tests/course/test_shipped.py` limits."""
    large = {
        path.relative_to(ROOT).as_posix(): path.stat().st_size
        for path in tracked_files()
        if path.stat().st_size > 1_000_000 and path.name != "model.safetensors"
    }
    assert not large, f"files of more than 1 MB do not belong in the repository: {large}"
