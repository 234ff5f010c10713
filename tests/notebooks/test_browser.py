"""A lesson in a real browser: JupyterLab in headless Chromium, driven as a person without a mouse would."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest

from minillm.data.conversations import read_conversations
from tools.build_notebooks import METADATA
from tools.lesson_environment import lesson_environment

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "notebooks").glob("*.ipynb"), reverse=True)  # the longest first
WITH_EXPLORER = [path.stem for path in PAGES if "Explorer(" in path.read_text(encoding="utf-8")]
# The explorer's control to reach with the Tab key, and the keys to press on it; where nothing stands here, the slider.
SLIDER = (".noUi-handle", ["ArrowRight"])
CONTROLS = {
    "02_embeddings": ("input[type=text]", ["Control+a", "b", "o", "y", "Enter"]),
    "06_transformer_lab": ("select", ["Space", "ArrowDown", "Enter"]),
    "07_sampling": (".noUi-handle", ["End"]),  # one step may fall on the same piece
}
WITH_TOKENS = {"04_attention", "04_attention_lab"}  # explorers whose tokens can be pointed at
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# In a container Chromium's own sandbox cannot start; the rest keeps it from calling home.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
# JupyterLab's own command: its promise ends with the last cell, and no click is lost while the kernel connects.
RUN_ALL = """async () => {
    const run = async () => {
        const app = window.jupyterapp;
        await app.restored;
        const panel = app.shell.currentWidget;
        await panel.context.ready;
        await panel.context.sessionContext.ready;
        await app.commands.execute('notebook:run-all-cells');
    };
    const late = new Promise((_, reject) => setTimeout(() => reject(Error('not run within 1500 s')), 1500000));
    await Promise.race([run(), late]);
}"""


@contextlib.contextmanager
def jupyterlab(folder: Path, options: Sequence[str] = (), **variables: str):
    """A JupyterLab that serves a folder on a free port: yields (address, token)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, config = secrets.token_hex(16), folder / "config"
    for place, text in {
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
        "notebook-extension/tracker": '{"windowingMode": "none"}',  # as JupyterLab 4.3 has it, cells come and go
    }.items():
        setting = config / "settings" / "@jupyterlab" / f"{place}.jupyterlab-settings"
        setting.parent.mkdir(parents=True)
        setting.write_text(text)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True", *options]
    environment = {**lesson_environment(), **variables, "JUPYTERLAB_SETTINGS_DIR": str(config / "settings")}
    environment |= {name: str(config / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    log = folder / "jupyterlab.log"
    with open(log, "w", encoding="utf-8") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 90
        while not _answers(f"{address}/api/status?token={token}"):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.2)
        yield address, token
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def browser_page(address: str, token: str, notebook: str):
    """A browser page with the notebook open in JupyterLab's one-document view."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(f"{address}/doc/tree/{notebook}?reset&token={token}")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
        yield page
        browser.close()


@contextlib.contextmanager
def run_as_far_as(widget: str, lesson: str, tmp_path: Path):
    """Run a lesson up to the last cell that makes such a widget: yields the page, and its boxes with a picture.

    It is a copy, since JupyterLab saves what it runs. nbval runs the cells after that one.
    """
    folder = tmp_path / "notebooks"
    folder.mkdir()
    page = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    last = max(number for number, cell in enumerate(page.cells) if f"{widget}(" in cell.source)
    page.cells = page.cells[: last + 1]
    nbformat.write(page, folder / f"{lesson}.ipynb")
    shutil.copytree(ROOT / "benchmarks" / "results", tmp_path / "benchmarks" / "results")  # which a lesson reads
    with (
        jupyterlab(folder) as (address, token),
        browser_page(address, token, f"{lesson}.ipynb") as page,
    ):
        page.evaluate(RUN_ALL)
        assert page.locator(".jp-Notebook [data-mime-type='application/vnd.jupyter.error']").count() == 0
        yield page, page.locator(".jp-OutputArea-output .widget-vbox").filter(has=page.locator("img"))
        assert page.errors == []


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.timeout(2000)
@pytest.mark.parametrize("lesson", WITH_EXPLORER)
def test_the_explorer_answers_the_keyboard_in_a_browser(lesson, tmp_path):
    control, keys = CONTROLS.get(lesson, SLIDER)
    with run_as_far_as("Explorer", lesson, tmp_path) as (page, pictured):
        explorer = pictured.filter(has=page.locator(control)).first
        explorer.wait_for(timeout=60_000)
        box = explorer.element_handle()
        explorer.scroll_into_view_if_needed()
        picture, sentence = explorer.locator("img"), explorer.locator("[role=status]")
        page.wait_for_function(
            "e => e.querySelector('label').innerText !== ''", arg=box
        )  # labels are set a little later
        before = picture.get_attribute("src"), sentence.inner_text()
        assert picture.get_attribute("alt") == before[1], "a screen reader finds the sentence on the picture"

        handle = explorer.locator(control).first
        assert handle.evaluate("element => element.tabIndex") == 0, "the Tab key reaches the control"
        handle.focus()
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_function("([e, old]) => e.querySelector('[role=status]').innerText !== old", arg=[box, before[1]])
        page.wait_for_function("([e, old]) => e.querySelector('img').src !== old", arg=[box, before[0]])
        assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
        if lesson in WITH_TOKENS:
            the_tokens_answer_the_pointer_and_the_keyboard(page, explorer)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.timeout(600)
def test_twenty_pairs_are_ranked_by_keyboard(tmp_path):
    """Space, Enter and Tab alone: every choice is a line of the file, and a picture that changes."""
    with run_as_far_as("clicking.Booth", "10_reward_models", tmp_path) as (page, pictured):
        booth = pictured.filter(has=page.locator("button")).first
        booth.wait_for(timeout=60_000)
        booth.scroll_into_view_if_needed()
        box = booth.element_handle()  # its parts are made anew after each choice
        booth.get_by_role("button", name="A is better").focus()
        for n in range(1, 21):
            before = booth.locator("img").get_attribute("src")
            page.keyboard.press("Enter" if n % 2 else "Space")
            status = f"{n} of 20 seen, {n} ranked."
            page.wait_for_function(
                "([e, text]) => e.querySelector('[role=status]').innerText.trim() === text", arg=[box, status]
            )
            page.wait_for_function("([e, old]) => e.querySelector('img').src !== old", arg=[box, before])
            if n in (5, 15):
                page.keyboard.press("Tab" if n == 5 else "Shift+Tab")
                focused = page.evaluate("document.activeElement.innerText")
                assert focused == ("B is better" if n == 5 else "A is better")
        lines = (tmp_path / "notebooks" / "my_rankings.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 20


# A model whose tokens are all alike, so that it says the first one for ever.
ENDLESS_CHAT = """
import torch
from minillm import ModelConfig, Transformer
from minillm.data.chat import chat_tokenizer
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.tokenizer import Tokenizer
from minillm.viz.chat_box import ChatBox
tokenizer = chat_tokenizer(Tokenizer.train(["user assistant"], 290, SPECIAL_TOKENS))
model = Transformer(ModelConfig(vocab_size=290, d_model=8, n_layers=1, n_heads=2, max_seq_len=50_000))
_ = torch.nn.init.zeros_(model.final_norm.weight)
ChatBox(model, tokenizer, "chats.jsonl", temperature=0.0, max_new_tokens=20_000)
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.timeout(300)
def test_a_chat_is_led_by_keyboard_and_its_answer_is_stopped_while_it_is_written(tmp_path):
    cells = [nbformat.v4.new_code_cell(ENDLESS_CHAT)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=METADATA), tmp_path / "chat.ipynb")
    with (
        jupyterlab(tmp_path) as (address, token),
        browser_page(address, token, "chat.ipynb") as page,
    ):
        page.evaluate(RUN_ALL)
        box = page.locator(".jp-OutputArea-output .widget-vbox").first
        line, log = box.get_by_placeholder("Write, and press Enter"), box.get_by_role("log")
        line.wait_for(timeout=60_000)
        for number, text in enumerate(("a <b> dd", "once more"), start=1):
            line.focus()
            page.keyboard.type(text)  # letters that are commands of JupyterLab's elsewhere
            page.keyboard.press("Enter")
            written = "([e, n]) => e.querySelectorAll('[aria-label=Assistant]')[n - 1]?.innerText.includes('<|endof')"
            page.wait_for_function(written, arg=[box.element_handle(), number])
            assert line.input_value() == "", "it was sent"
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.innerText") == "Stop", "while an answer is written"
            page.keyboard.press("Space")
            kept = "([e, n]) => e.querySelectorAll('[role=log] [aria-label=Assistant]').length === n"
            page.wait_for_function(kept, arg=[box.element_handle(), number])  # the log is made anew after each answer
            box.get_by_role("status").filter(has_text="You stopped the answer.").wait_for()  # a message of its own
            assert len(read_conversations(tmp_path / "chats.jsonl")) == number
        assert "a <b> dd" in log.inner_text(), "markup stays text"
        assert page.locator(".jp-Notebook .jp-Cell").count() == 1
        assert page.errors == []


def the_tokens_answer_the_pointer_and_the_keyboard(page, explorer):
    """Each way to choose a token shades every other by the share that it carries for the chosen one."""
    tokens = explorer.locator(".minillm-tokens span")
    tokens.nth(6).hover()
    assert shades(tokens) == carried(tokens, 6)
    assert marked(tokens) == [6]
    tokens.nth(9).focus()
    assert shades(tokens) == carried(tokens, 6), "the pointer wins over the keyboard"
    page.mouse.move(0, 0)
    assert shades(tokens) == carried(tokens, 9) != carried(tokens, 6)
    page.keyboard.press("Tab")
    assert shades(tokens) == carried(tokens, 10)
    assert marked(tokens) == [10]


def shades(tokens):
    """How opaque each token's ground is, and the number under it, in per cent, as the browser draws them."""
    return tokens.evaluate_all(
        """all => all.map(e => {
            const colour = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
            const number = getComputedStyle(e, '::after').counterReset.split(' ')[1];
            return [Math.round(100 * (colour.length > 3 ? colour[3] : 1)), Number(number)];
        })"""
    )


def marked(tokens):
    """The tokens with a border that can be seen: the one whose looks are shown."""
    borders = tokens.evaluate_all("all => all.map(e => getComputedStyle(e).borderTopColor)")
    return [place for place, colour in enumerate(borders) if colour != "rgba(0, 0, 0, 0)"]


def carried(tokens, query):
    """What the tokens carry for one query, in the same form."""
    shares = tokens.evaluate_all(f"all => all.map(e => Number(e.style.getPropertyValue('--p{query}')))")
    return [[share, share] for share in shares]
