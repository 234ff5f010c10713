"""Slides and hidden cells: what each cell becomes, in the deck, in the page and in the workbook."""

import re

import jupytext
import nbformat
import pytest

from minillm.course.turns import find
from tools import build_notebooks, deck
from tools.build_notebooks import keep_outputs, read_manuscript
from tools.slide_rules import LONGEST_SCREEN, complaints

LESSON = f"""\
# %% [markdown]
# # 99 · Small

# %%
import torch

# %% [markdown]
# ## A heading
#
# ```python
# # no heading
# ```

# %%
guess = predict("Why?", ["a", "b"])

# %% [markdown]
# More.

# %%
x = torch.ones(2)

# %% tags=["test"]
assert x.sum() == 2

# %% [markdown]
# ### Your turn

# %%
@your_turn("04.causal_mask")
{find("04.causal_mask").stub}
# %% [markdown]
# <details><summary>Solution</summary>
#
# So.
#
# </details>
"""
KINDS = ["slide", "skip", "slide", "fragment", "subslide", "subslide", "skip", "subslide", "fragment", "skip"]


@pytest.fixture
def manuscript(tmp_path):
    path = tmp_path / "notebooks" / "src" / "99_small.py"
    path.parent.mkdir(parents=True)
    path.write_text(LESSON, encoding="utf-8")
    return path


def test_each_cell_of_a_lesson_with_turns_has_its_screen(manuscript):
    cells = read_manuscript(manuscript).cells
    assert [cell.metadata.slideshow.slide_type for cell in cells] == KINDS
    assert list(complaints(cells)) == []


def test_nbconvert_makes_a_deck_of_it(manuscript):
    exporters = pytest.importorskip("nbconvert.exporters")
    html = exporters.SlidesExporter().from_notebook_node(read_manuscript(manuscript))[0]
    deck = html[html.index('<div class="slides">') : html.index("</main>")]
    screens = KINDS.count("slide") + KINDS.count("subslide")
    assert deck.count("<section") == KINDS.count("slide") + screens  # a column is a section, and so is each screen
    assert deck.count('class="fragment"') == KINDS.count("fragment")
    assert "A heading" in deck
    assert "Solution" not in deck
    assert "assert" not in deck


OWN = "@import url(./fonts/one.css);\nbody { color: red }\n"
THEME = f"@import url(https://fonts.example/css?family=Lato:400,700);{OWN}"


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """The two packages with reveal.js and the rest, as far as a deck needs them."""
    site = tmp_path / "site"
    for package, path, _ in deck.COPIES.values():
        source = site / package / path
        source.parent.mkdir(parents=True, exist_ok=True)
        (site / package / "__init__.py").write_text("raise ImportError('no sphinx here')", encoding="utf-8")
        if source.suffix == ".js":
            source.write_text("// a library", encoding="utf-8")
        else:
            (source / "dist" / "theme").mkdir(parents=True)
            (source / "dist" / "theme" / "simple.css").write_text(THEME, encoding="utf-8")
            (source / "dist" / "reveal.js").write_text("// a library", encoding="utf-8")
    monkeypatch.syspath_prepend(site)


@pytest.fixture
def page(manuscript):
    pytest.importorskip("nbconvert.exporters")
    path = build_notebooks.notebook_path(manuscript)
    build_notebooks.write(read_manuscript(manuscript), path)
    return path


def loaded(html):
    """What the browser loads at the start."""
    tags = r"""(?:src|href)="([^"#]+)\""""
    return [
        address for pattern in (tags, r'"([^"]+reveal\.js)"', "from '(.+?)'") for address in re.findall(pattern, html)
    ]


def test_a_deck_needs_no_network_with_the_libraries_beside_it(page, tmp_path, libraries):
    out = tmp_path / "out"
    settings = deck.copy_libraries(out)
    addresses = loaded(deck.write_deck(page, out, settings).read_text(encoding="utf-8"))
    assert addresses
    assert all(address.startswith(("offline/", "data:")) for address in addresses), addresses
    assert (out / "offline" / "revealjs" / "dist" / "reveal.js").is_file()
    theme = (out / "offline" / "revealjs" / "dist" / "theme" / "simple.css").read_text(encoding="utf-8")
    assert theme == OWN
    assert {path.name for path in (out / "offline").iterdir()} == {"revealjs", "jquery.min.js", "require.js", "MathJax"}


def test_without_them_a_deck_is_made_and_the_help_says_that_it_needs_a_network(page, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(deck.importlib.util, "find_spec", lambda package: None)
    assert deck.copy_libraries(tmp_path) == {}
    addresses = loaded(deck.write_deck(page, tmp_path, {}).read_text(encoding="utf-8"))
    assert any(address.startswith("https://unpkg.com/reveal.js") for address in addresses)
    monkeypatch.setattr(deck.sys, "argv", ["deck.py", "--help"])
    with pytest.raises(SystemExit):
        deck.main()
    assert "from the web: no package that the course installs has them. Two packages do." in capsys.readouterr().out


def test_a_page_without_turns_is_no_deck(page, manuscript, tmp_path):
    manuscript.write_text(LESSON.replace("@your_turn", "@theirs"), encoding="utf-8")
    build_notebooks.write(read_manuscript(manuscript), page)
    with pytest.raises(SystemExit, match="99_small is no deck: only lessons in which the learner writes are"):
        deck.write_deck(page, tmp_path, {})


def test_a_cell_that_tests_the_lesson_is_folded_and_other_cells_are_not(manuscript):
    hidden = [cell.source for cell in read_manuscript(manuscript).cells if "jupyter" in cell.metadata]
    assert hidden == ["assert x.sum() == 2"]
    nbformat.validate(read_manuscript(manuscript))


def test_a_page_without_turns_says_nothing_about_slides(manuscript):
    manuscript.write_text(LESSON.replace("@your_turn", "@theirs"), encoding="utf-8")
    assert not any("slideshow" in cell.metadata for cell in read_manuscript(manuscript).cells)


def test_other_screens_need_no_run(manuscript, monkeypatch):
    ran = read_manuscript(manuscript)
    for number, cell in enumerate((cell for cell in ran.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = number
    path = build_notebooks.notebook_path(manuscript)
    build_notebooks.write(ran, path)
    monkeypatch.setattr(build_notebooks, "slide_type", lambda cell: "notes")
    assert keep_outputs(read_manuscript(manuscript), path)
    manuscript.write_text(LESSON.replace('["test"]', '["test", "raises-exception"]'), encoding="utf-8")
    assert not keep_outputs(read_manuscript(manuscript), path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Before.\n\n## Why?\n\nSo.", "cell 1 has the heading '## Why?' inside; begin a cell with it"),
        ("## Why?\n\n### How?", "cell 1 has the heading '### How?' inside"),
        ("See.\n\n<details><summary>More</summary>It.</details>", "cell 1 folds something below other text"),
        ("<details><summary>Solution</summary>It.\n\n</details>\n\nSo.", "cell 1 has text below a solution"),
        ("word " * (LONGEST_SCREEN + 1), f"cell 1 has {LONGEST_SCREEN + 1} words; a slide holds {LONGEST_SCREEN}"),
    ],
)
def test_a_bad_slide_is_named(text, sentence):
    commented = "\n".join(f"# {line}" for line in text.splitlines())
    (found,) = complaints(jupytext.reads(f"# %% [markdown]\n{commented}\n", fmt="py:percent").cells)
    assert found.startswith(sentence)
