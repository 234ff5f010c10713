"""The site: links between its pages are checked by Sphinx, whose warnings are errors."""

import re
import subprocess
import sys

import pytest

from minillm import api
from tools.make_site import ROOT, for_sphinx, index, pages, reference, with_backlinks

LESSONS = [path.stem for path in pages("notebooks/*.ipynb")]


@pytest.mark.parametrize(
    ("text", "notebook", "rewritten"),
    [
        ("[a](06_it_lab.ipynb#1.-What-is-%22it%22?)", False, "[a](06_it_lab.ipynb#1-what-is-it)"),
        ("[a](#By-hand), [b](x.md#By-hand)", True, "[a](#by-hand), [b](x.md#By-hand)"),
        ("[a](#By-hand)", False, "[a](#By-hand)"),  # a page of ours, whose names are GitHub's already
    ],
)
def test_headings_are_named_as_sphinx_names_them(text, notebook, rewritten):
    assert for_sphinx(text, notebook) == rewritten


def test_every_lesson_stands_before_its_lab_and_nothing_is_left_out():
    assert LESSONS.index("04_attention") + 1 == LESSONS.index("04_attention_lab")
    assert set(LESSONS) == {path.stem.removesuffix(".ipynb") for path in ROOT.glob("notebooks/[0-9]*.ipynb")}
    listed = index().splitlines()
    assert [name for name in listed if name.startswith("notebooks/0") or name.startswith("notebooks/1")] == [
        f"notebooks/{name}" for name in LESSONS
    ]
    assert len([name for name in listed if re.match(r"exercises/\d", name)]) == len(
        list(ROOT.glob("exercises/*/*.ipynb"))
    )
    assert all(f"teaching/{path.stem}" in listed for path in ROOT.glob("teaching/*.md"))


def test_the_glossary_tells_which_other_lessons_use_a_term():
    few = {"10_y.ipynb": "GELUs", "11_z.ipynb": "a loss, a Loss, and a value"}
    entries = (
        "- **GELU**: One\n  of many.\n- **value, in PPO**: Two.\n- **loss**: See [11](11_z.ipynb).\n- **gel**: No."
    )
    assert with_backlinks(entries, few) == entries.replace(
        "many.\n", "many.\n  Also in [10](../notebooks/10_y.ipynb).\n"
    )
    many = {f"{number}_x.ipynb": "loss" for number in range(11)}
    assert with_backlinks("- **loss**: Three.", many).endswith("\n  Also in 11 other lessons and labs.\n")


def test_the_reference_has_every_public_name():
    documented = set(re.findall(r"\.\. auto(?:class|function):: \S+\.(\w+)", reference()))
    assert documented == set(api.__all__)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="Sphinx is not installed (pip install -e .[site])")
    pytest.importorskip("myst_nb")
    command = [sys.executable, "tools/make_site.py", "--out", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ pages, \d+ MB: .*index.html\n", done.stdout)
    lesson = (tmp_path / "site" / "notebooks" / "06_transformer.html").read_text(encoding="utf-8")
    assert "You are here" in lesson or "<img" in lesson  # with its outputs
    assert "Tokenizer.train" in (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text(encoding="utf-8"))
        assert not [address for address in loaded if "mathjax" not in address], page
