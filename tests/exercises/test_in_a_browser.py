"""An exercise in a real browser: a learner types an answer, and the check goes from the mistake's name to passed."""

import shutil

import pytest
from notebooks.test_browser import CHROMIUM, RUN_ALL, browser_page, jupyterlab

from tools.build_exercises import SOLUTIONS, exercise_path
from tools.build_notebooks import manuscripts

WRONG = """def longest_text(model, memory, n_texts):
    per_token = 4 * model["n_layers"] * model["d_model"]
    return max((memory - 2 * model["n_parameters"]) // (n_texts * per_token), 0)"""
RIGHT = WRONG.replace('model["d_model"]', 'model["n_kv_heads"] * (model["d_model"] // model["n_heads"])')


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.timeout(300)
def test_an_exercise_is_solved_by_typing(tmp_path):
    exercise = exercise_path(manuscripts(SOLUTIONS)["04"])
    shutil.copy(exercise, tmp_path)
    with (
        jupyterlab(tmp_path) as (address, token),
        browser_page(address, token, exercise.name) as page,
    ):
        cells = page.locator(".jp-Notebook .jp-CodeCell")
        answer, check = cells.nth(1), cells.nth(2)
        said = check.locator(".jp-OutputArea")

        def type_and_run(text):
            answer.locator(".cm-content").click()
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(text)
            page.keyboard.press("Shift+Enter")  # runs the cell and goes on to its check
            page.keyboard.press("Shift+Enter")

        page.evaluate(RUN_ALL)
        said.get_by_text("longest_text is not written yet.").wait_for(timeout=60_000)
        type_and_run(WRONG)
        said.get_by_text("The keys of a token are counted d_model wide").wait_for(timeout=60_000)
        type_and_run(RIGHT)
        said.get_by_text("04.1 The longest text that fits: 2 of 2 points").wait_for(timeout=60_000)
        assert check.locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "2"
        assert page.errors == []
