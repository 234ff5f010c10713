"""An exercise in a real browser: a learner types an answer, and the check goes from the mistake's name to passed."""

import shutil

import pytest
from notebooks.test_browser import CHROMIUM, RUN_ALL, browser_page, jupyterlab

from tools.build_exercises import SOLUTIONS, exercise_path
from tools.build_notebooks import manuscripts

WRONG = """def attention(query, key, value, visible):
    return (query @ key.T).masked_fill(~visible, -math.inf).softmax(-1) @ value"""
RIGHT = WRONG.replace("(query @ key.T)", "(query @ key.T / math.sqrt(query.shape[-1]))")


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
        said.get_by_text("attention is not written yet.").wait_for(timeout=60_000)
        type_and_run(WRONG)
        said.get_by_text("The scores are not divided by sqrt(D).").wait_for(timeout=60_000)
        type_and_run(RIGHT)
        said.get_by_text("04.1 One head: 2 of 2 points").wait_for(timeout=60_000)
        assert check.locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "2"
        assert page.errors == []
