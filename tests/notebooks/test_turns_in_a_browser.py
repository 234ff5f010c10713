"""Lesson 04 in a fresh workbook, in a browser: a turn is typed, wrong at first, and the lesson runs on what passed."""

import pytest
from notebooks.test_browser import CHROMIUM, RUN_ALL, browser_page, jupyterlab

from minillm.course import workbook

WRONG = """@your_turn("04.causal_mask")
def causal_mask(T):
    return torch.ones(T, T).tril(-1).bool()"""
RIGHT = """@your_turn("04.causal_mask")
def causal_mask(T):
    return torch.ones(T, T).tril().bool()  # typed in a browser"""
RUN_ABOVE = RUN_ALL.replace("run-all-cells", "run-all-above")
ASK = """async expression => {
    const { session } = window.jupyterapp.shell.currentWidget.context.sessionContext;
    const reply = await session.kernel.requestExecute({ code: '', user_expressions: { it: expression } }).done;
    return reply.content.user_expressions.it.data['text/plain'];
}"""


@pytest.mark.browser
@pytest.mark.real
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.timeout(2000)
def test_a_turn_is_typed_and_the_rest_of_the_lesson_runs_on_it(tmp_path, monkeypatch, real_weights):
    folder, pictures = tmp_path / "workbook", tmp_path / "pictures"
    monkeypatch.setenv("MINILLM_WORKBOOK", str(folder))
    workbook.lay_out()
    mine = folder / "mine" / "attention.py"
    with (
        jupyterlab(folder) as (address, token),
        browser_page(address, token, "04_attention.ipynb") as page,
    ):
        turn = page.locator(".jp-CodeCell").filter(has_text='@your_turn("04.causal_mask"')
        box = turn.locator(".jp-OutputArea")

        def type_and_run(text):
            turn.locator(".cm-content").click()
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(text)
            page.keyboard.press("Shift+Enter")

        turn.locator(".cm-content").click()
        page.evaluate(RUN_ABOVE)
        type_and_run(WRONG)
        box.get_by_text("No query sees its own key.").wait_for(timeout=120_000)
        box.get_by_text("Your turn 04.causal_mask: not right yet").wait_for()
        turn.screenshot(path=pictures / "wrong.png")
        assert not mine.exists()
        assert page.evaluate(ASK, "causal_mask.__module__") == "'minillm.course.turns.attention.mask'"

        type_and_run(RIGHT)
        box.get_by_text("Your turn 04.causal_mask: right").wait_for(timeout=120_000)
        turn.screenshot(path=pictures / "right.png")
        assert "return torch.ones(T, T).tril().bool()  # typed in a browser" in mine.read_text(encoding="utf-8")

        page.evaluate(RUN_ALL)
        assert page.locator(".jp-Notebook [data-mime-type='application/vnd.jupyter.error']").count() == 0
        assert page.evaluate(ASK, "causal_mask.__module__") == "'__main__'", "the learner's"
        page.screenshot(path=pictures / "end.png")
        assert page.errors == []
