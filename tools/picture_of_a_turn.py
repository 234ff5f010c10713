"""Take the README's picture: a turn of lesson 04 in JupyterLab, wrong, then right, then a real model on that code.

python tools/picture_of_a_turn.py        writes notebooks/pictures/turn.png; about two minutes, with Chromium
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # so that the lines below also work when this file is run as a script

from notebooks.test_browser import CHROMIUM, FLAGS, RUN_ALL, jupyterlab  # noqa: E402
from notebooks.test_turns_in_a_browser import RIGHT, RUN_ABOVE, WRONG  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

PICTURE = ROOT / "notebooks" / "pictures" / "turn.png"
PAYOFF = "mine.write(PROMPT, attention=attention, causal_mask=causal_mask)"
WIDTH, SCALE = 640, 1.5
PAGE = """<body style="margin:0;padding:14px;background:#fff;font:600 15px system-ui,sans-serif;color:#333">
<style>figure {margin: 0 0 14px} figcaption {margin: 0 0 6px 2px} img {width: 100%%; border: 1px solid #ccc}</style>
%s</body>"""
HEAD = """@your_turn("04.attention")
def attention(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(~visible, -math.inf).softmax(dim=-1) @ value"""
STEPS = {
    "wrong": "You write the causal mask, and a mistake gets its name.",
    "right": "You mend it. Then you write the attention, five lines.",
    "payoff": "SmolLM2 writes, with your mask and your attention.",
}


def main() -> None:
    from minillm.course import workbook

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINILLM_WORKBOOK"] = folder
        workbook.lay_out()
        with jupyterlab(Path(folder)) as (address, token), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 900, "height": 1000}, device_scale_factor=SCALE)
            page.goto(f"{address}/doc/tree/04_attention.ipynb?reset&token={token}")
            take_steps(page, Path(folder))
            figures = "".join(
                f'<figure><figcaption>{number}. {words}</figcaption><img src="{name}.png"></figure>'
                for number, (name, words) in enumerate(STEPS.items(), 1)
            )
            (Path(folder) / "steps.html").write_text(PAGE % figures, encoding="utf-8")
            together = browser.new_page(viewport={"width": WIDTH, "height": 400}, device_scale_factor=SCALE)
            together.goto((Path(folder) / "steps.html").as_uri())
            together.screenshot(path=PICTURE, full_page=True)
            browser.close()


def take_steps(page: Page, folder: Path) -> None:
    """Type the two answers and run the payoff; a picture of each cell lies in the folder."""
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    turn = page.locator(".jp-CodeCell").filter(has_text='@your_turn("04.causal_mask"')
    turn.locator(".cm-content").click()
    page.evaluate(RUN_ABOVE)
    head = page.locator(".jp-CodeCell").filter(has_text='@your_turn("04.attention"')
    for name, cell, code, said in (
        ("wrong", turn, WRONG, "04.causal_mask: not right yet"),
        ("right", turn, RIGHT, "04.causal_mask: right"),
        ("head", head, HEAD, "04.attention: right"),
    ):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(code.replace("  # typed in a browser", ""))
        page.keyboard.press("Shift+Enter")
        cell.get_by_text(f"Your turn {said}").wait_for(timeout=120_000)
        cell.screenshot(path=folder / f"{name}.png")
    page.evaluate(RUN_ALL)
    page.locator(".jp-CodeCell").filter(has_text=PAYOFF).first.screenshot(path=folder / "payoff.png")


if __name__ == "__main__":
    main()
