"""The truth after any beginning: Pyodide in Chromium, from a local web server, against the world in this Python."""

import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from publish.test_in_a_browser import chromium  # noqa: F401  (a fixture)

import minillm
from minillm import assets
from minillm.course import truth
from minillm.publish import publish
from minillm.world import World
from minillm.world.reading import PIECE
from tools.make_site import PYODIDE, WORKER, lay_out_world

pytestmark = pytest.mark.browser
STORED = len(truth.BEGINNINGS)
SEED = 77  # of documents whose beginnings are typed; training has seed 0


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what was asked for in `server.asked`."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder as `tools/make_site.py` lays it out, with the toy alone."""
    if assets.cached("pyodide") is None:
        pytest.skip("Pyodide is not in the cache (minillm fetch pyodide)")
    folder = tmp_path_factory.mktemp("a site")
    assert lay_out_world((folder / WORKER).parent)
    publish(*minillm.load("course-base"), folder / "base.html", truth=truth.stored(), worker=WORKER)
    return folder


@pytest.fixture
def server(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        server.asked = []
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.02), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def visit(chromium):  # noqa: F811
    """Open a page; returns it, with what it complained about in `page.complaints`."""
    contexts = []

    def visit(address):
        context = chromium.new_context(viewport={"width": 390, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address)
        page.locator("main:not([hidden])").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()


def half(document):
    """The first half of a document's words."""
    pieces = PIECE.findall(document.text)
    return "".join(pieces[: len(pieces) // 2])


def ask(page, text):
    """Type a beginning, press Enter, and wait for the answer; returns what the page says then."""
    page.fill("#exact-text", text)
    page.press("#exact-text", "Enter")
    page.locator("#exact-ask:not([disabled])").wait_for(timeout=300_000)
    return page.inner_text("#exact-says")


@pytest.mark.timeout(900)
def test_the_truth_after_a_typed_beginning_is_the_worlds(visit, server):
    page = visit(f"http://127.0.0.1:{server.server_port}/base.html")
    assert ask(page, truth.BEGINNINGS[2]) == "", "one of the list is at hand"
    assert ask(page, "x" * 10_000).endswith("Shorten it.")
    assert server.asked == ["/base.html"], "nothing is loaded before somebody asks for it"
    world, typed = World(0), ["One foggy", "Every Monday, the", *map(half, World(SEED).documents(6))]
    for number, text in enumerate(typed):
        assert ask(page, f"{text}  ") == ""
        found = page.evaluate("data.truth.beginnings.at(-1)")
        expected = world.next_pieces(text)
        assert found["text"] == text
        assert dict(found["next"]) == pytest.approx(expected, abs=1e-9)
        assert page.input_value("#compare-beginning") == str(STORED + number)
        assert page.inner_text("#compare-text").startswith(text)
        assert "the KL divergence, is" in page.inner_text("#compare-says")
    folder = "/" + WORKER.rpartition("/")[0]
    local = {f"{folder}/{name}" for name in (*PYODIDE, "world.zip", "worker.mjs")}
    assert (
        {"/base.html", f"{folder}/pyodide.asm.wasm", f"{folder}/world.zip"}
        <= set(server.asked)
        <= {"/base.html", *local}
    )
    assert server.asked.count(f"{folder}/pyodide.asm.wasm") == 1
    says = ask(page, "<img src=x onerror=alert(1)>")
    assert says == "No document of this world begins like that, so no next word has a probability."
    assert page.locator("img").count() == 0
    assert ask(page, "The King likes pizza a lot").endswith("One does begin with “The King likes”.")
    assert page.locator("#compare-beginning option").count() == STORED + len(typed)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.complaints == []


def test_where_python_does_not_start_the_list_still_works(visit, server, site):
    page = visit((site / "base.html").as_uri())
    says = ask(page, "One foggy")
    assert says.startswith("Python did not start here, so only the beginnings of the list have a truth (")
    page.select_option("#compare-beginning", "3")
    assert "the KL divergence, is" in page.inner_text("#compare-says")


def test_without_a_worker_the_page_says_what_it_has(visit, tmp_path):
    path = tmp_path / "base.html"
    publish(*minillm.load("course-base"), path, truth=truth.stored())
    page = visit(path.as_uri())
    assert "It is stored here for these beginnings only." in page.inner_text("#compare")
    assert page.locator("#exact-text").count() == 0
    assert json.loads(page.locator("#data").text_content())["worker"] is None
