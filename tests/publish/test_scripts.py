"""The JavaScript and the stylesheet: parsed by Node, readable, and without what could make code of data."""

import re
import subprocess
from pathlib import Path

import pytest
from publish.asking import node

from minillm.publish import page
from minillm.viz.diagrams.theme import contrast

SCRIPTS = sorted(page.HERE.glob("*.js"))
# What runs text as a program or reads it as HTML, what reaches the network, and what better words are there for.
FORBIDDEN = r"\b(?:eval|Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|setTimeout\(['\"`])\b"
FORBIDDEN += r"|\b(?:fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|import)\b\s*\("
FORBIDDEN += r"|\blocalStorage\b|\bvar\b|[^=!]==[^=]|!=[^=]|\bconsole\b|\bdebugger\b|\bTODO\b"
LONGEST, MOST_LINES = 120, 500


def code_of(text):
    """A script without its comments."""
    return re.sub(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in SCRIPTS])
def test_a_script_is_clean(path):
    text = path.read_text(encoding="utf-8")
    run = subprocess.run([node(), "--check", str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert '"use strict";' in text
    assert not re.findall(FORBIDDEN, code_of(text))
    lines = text.split("\n")
    assert [line for line in lines if len(line) > LONGEST or line != line.rstrip() or "\t" in line] == []
    assert len(lines) <= MOST_LINES
    assert "</script" not in text.lower()
    assert "<!--" not in text, "in a page, this changes how the script ends"


def test_the_sites_worker_asks_for_what_lies_beside_it_only():
    path = Path(__file__).parents[2] / "site" / "world" / "worker.mjs"
    run = subprocess.run([node(), "--check", str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    code = code_of(path.read_text(encoding="utf-8"))
    assert "http" not in code
    assert re.findall(r"\bfetch\((.*?)\)", code) == ["`${here}world.zip`"]
    assert re.findall(r"\bimport .* from (.*);", code) == ['"./pyodide.mjs"']
    assert not re.findall(r"\b(?:eval|Function|importScripts|XMLHttpRequest|WebSocket|console|debugger|TODO)\b", code)


def test_the_model_documents_every_function_and_class():
    text = (page.HERE / "model.js").read_text(encoding="utf-8")
    named = list(re.finditer(r"^(?:function|class) (\w+)", text, re.MULTILINE))
    bare = [name[1] for name in named if not text[: name.start()].endswith("*/\n")]
    assert len(named) > 12
    assert not bare


def test_every_function_is_used():
    text = "\n".join(code_of(path.read_text(encoding="utf-8")) for path in SCRIPTS)
    named = re.findall(r"^(?:async )?function (\w+)", text, re.MULTILINE)
    assert [name for name in named if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_the_scripts_and_the_page_name_the_same_elements():
    html = (page.HERE / "page.html").read_text(encoding="utf-8")
    script = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    there = set(re.findall(r'\bid="([\w-]+)"', html))
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= there
    labels = re.findall(r'(?:aria-labelledby|for)="([\w-]+)"', html)
    assert set(labels) <= there


def colors():
    style = (page.HERE / "page.css").read_text(encoding="utf-8")
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    return {
        name: dict(re.findall(r"--([\w-]+): (#\w{6})", text.split("}\n")[0]))
        for name, text in [("light", light), ("dark", dark)]
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_every_background(scheme):
    color = colors()[scheme]
    pairs = [(text, below) for text in ("ink", "quiet") for below in ("paper", "panel", "fill", "chosen-fill")]
    pairs += [("on-accent", "accent"), ("accent", "panel"), ("chosen", "panel")]
    low = {pair: contrast(color[pair[0]], color[pair[1]]) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in low.items() if ratio < 4.5} == {}
