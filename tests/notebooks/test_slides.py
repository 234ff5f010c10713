"""Slides and hidden cells: what each cell becomes, in the deck, in the page and in the workbook."""

import jupytext
import nbformat
import pytest

from minillm.course.turns import find
from tools import build_notebooks
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
