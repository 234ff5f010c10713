"""The page that opens the course, in a browser, with the settings that `start.py` gives to JupyterLab."""

import pytest
from notebooks.test_browser import CHROMIUM, FLAGS, ROOT, jupyterlab
from starting import load_start

from minillm.course import home, workbook

TITLE = ".jp-MarkdownViewer h1"
TAB = ".lm-DockPanel-tabBar .lm-TabBar-tab"
SHOWN = "name => getComputedStyle(document.querySelector(`img.minillm-${name}`)).display !== 'none'"
DARK = "() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.timeout(300)
def test_the_page_opens_without_a_kernel_leads_to_a_lesson_and_is_read_again(tmp_path, monkeypatch):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    start = load_start(ROOT)
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    workbook.lay_out()
    path = home.write()
    with (
        jupyterlab(tmp_path, start.OURS, JUPYTER_CONFIG_PATH=str(start.JUPYTER)) as (address, token),
        sync_api.sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/lab/tree/workbook/Home.md?reset&token={token}")
        page.wait_for_selector(TITLE, timeout=90_000)
        assert page.evaluate("() => [...window.jupyterapp.serviceManager.sessions.running()].length") == 0

        assert [page.evaluate(SHOWN, theme) for theme in ("light", "dark")] == [True, False]
        page.evaluate(DARK)
        page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
        assert [page.evaluate(SHOWN, theme) for theme in ("light", "dark")] == [False, True]

        page.click(".minillm-go a")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        page.wait_for_url("**/workbook/00_the_map.ipynb", timeout=60_000)  # it follows the page, on a busy machine late
        text = page.locator(".jp-MarkdownCell .jp-RenderedMarkdown > p").first
        assert text.evaluate("e => e.clientWidth / parseFloat(getComputedStyle(e).fontSize)") <= 46

        path.write_text(path.read_text(encoding="utf-8").replace("# Write", "# Renewed: write"), encoding="utf-8")
        page.locator(TAB).filter(has_text="Home.md").click()
        renewed = page.locator(TITLE).filter(has_text="Renewed: write")
        renewed.wait_for(timeout=60_000)

        # Last: after a reload, JupyterLab can bring this page back to the front when the link has been clicked already.
        page.reload()
        renewed.wait_for(timeout=90_000)  # as a preview again
        assert errors == []
        browser.close()
