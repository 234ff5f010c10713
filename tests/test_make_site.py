"""The site: links between its pages are checked by Sphinx, whose warnings are errors."""

import json
import re
import subprocess
import sys
import zipfile

import pytest

from minillm import api, assets
from minillm.world.world import World
from tools.make_site import (
    PYODIDE,
    ROOT,
    for_sphinx,
    index,
    lay_out_world,
    pages,
    reference,
    with_backlinks,
    world_files,
)

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
    assert documented == {*api.__all__, "publish", "Another"}


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


def test_the_world_for_browsers_needs_the_standard_library_only(tmp_path):
    """The copy runs alone, in an empty folder without our packages, and gives the world's own probabilities."""
    for path in world_files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("" if path.name == "__init__.py" else path.read_text(encoding="utf-8"), encoding="utf-8")
    code = "import json; from minillm.world.world import World; print(json.dumps(World(0).next_pieces('The King')))"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
                         cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert json.loads(run.stdout) == World(0).next_pieces("The King")


def test_without_pyodide_in_the_cache_the_toy_has_its_stored_truths(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "empty"))
    assert not lay_out_world(tmp_path / "world")
    assert not (tmp_path / "world").exists()
    assert "for any other, run `minillm fetch pyodide` first" in capsys.readouterr().out


def test_pyodide_and_the_world_are_laid_out_beside_the_worker(tmp_path):
    if assets.cached("pyodide") is None:
        pytest.skip("Pyodide is not in the cache (minillm fetch pyodide)")
    assert lay_out_world(tmp_path / "world")
    names = {path.name for path in (tmp_path / "world").iterdir()}
    assert names == {*PYODIDE, "world.zip", "worker.mjs"}
    with zipfile.ZipFile(tmp_path / "world" / "world.zip") as packed:
        assert packed.testzip() is None
        assert {"minillm/world/world.py", "minillm/world/text/words.toml"} <= set(packed.namelist())
