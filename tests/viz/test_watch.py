"""A watched loop shows every early update, keeps what was learned when it is stopped, and leaves one figure."""

import math
import re
import time
from types import SimpleNamespace

import nbformat
import pytest
import torch
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from minillm.errors import UserError
from minillm.viz import watch as widget
from minillm.viz.watch import SHOWN, Watch

PANELS = {"share of answers": ["right", "with steps"], "tokens per answer": ["tokens"]}


def watched(updates=6, stop=None, error=KeyboardInterrupt, **options):
    """A watch after its loop, ended in update `stop` by an error."""
    with Watch(updates, PANELS, **options) as watch:
        for update in watch:
            if update == stop:
                raise error
            watch.log(right=(update + 1) / 100, with_steps=torch.tensor(0.5), tokens=10 * update + 10)
    return watch


def test_what_is_logged_is_kept_under_its_name():
    watch = watched(3)
    assert watch.history == {"right": [0.01, 0.02, 0.03], "with steps": [0.5] * 3, "tokens": [10.0, 20.0, 30.0]}
    assert watch.panels[0].lines["right"] == ([1, 2, 3], [0.01, 0.02, 0.03])
    assert (
        watch.sentence
        == "After 3 updates: right 3% (1% at first), with steps 50% (50% at first), tokens 30 (10 at first)."
    )


def test_updates_are_counted_as_in_range():
    with Watch(3, PANELS) as watch:
        assert [*watch] == [0, 1, 2]
    assert watch.done == 3


def test_the_start_is_logged_at_zero_and_a_second_number_replaces_the_first():
    with Watch(2, {"loss": ["loss"]}, zoomed=["loss"], levels={"loss": {"floor": 0.6}}) as watch:
        watch.log(loss=5.0)
        for update in watch:
            watch.log(loss=9.0)
            watch.log(loss=math.nan if update == 0 else 3.0)
    (panel,) = watch.panels
    assert panel.lines["loss"] == ([0, 2], [5.0, 3.0]), "what is not finite is not drawn"
    assert panel.zoomed
    assert panel.levels == {"floor": 0.6}
    assert len(watch.history["loss"]) == 3


def test_an_interrupt_keeps_what_was_learned(capsys):
    watch = watched(48, stop=3)
    assert watch.done == 3
    assert watch.history["tokens"] == [10, 20, 30]
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("Stopped after update 3 of 48; what was learned stays. After 3 updates: right 3% (1% at")


def test_any_other_error_passes(capsys):
    with pytest.raises(ZeroDivisionError):
        watched(48, stop=3, error=ZeroDivisionError)
    assert "Ended by an error after update 3 of 48." in capsys.readouterr().out


@pytest.mark.parametrize("stop", [None, 1])
def test_the_number_of_threads_is_restored(stop):
    before, seen = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        for options in ({}, {"threads": 3}, {"threads": None}):
            watched(2, stop, example=lambda: seen.append(torch.get_num_threads()) or "", **options)
            assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="bad example"):
            watched(2, example=lambda: 1 / 0 if False else fails())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [*dict.fromkeys(seen)] == [1, 3, 2]


def fails():
    raise ValueError("bad example")


def test_examples_are_asked_at_even_distances_and_few_are_shown():
    counted = iter(range(1000))
    watch = watched(400, example=lambda: f"answer\n {next(counted)} " + "x" * 300)
    assert [*watch.examples][:3] == [0, 29, 58]
    assert [*watch.examples][-1] == 400
    assert len(watch.examples) <= 15
    assert watch.examples[29].startswith("answer 1 xxx")
    assert len(watch.examples[29]) == 240
    shown = watch._words("status")["text/plain"].splitlines()
    assert shown[0] == "status"
    assert len(shown) - 1 <= SHOWN + 1
    assert shown[1].startswith("update 0: answer 0")
    assert shown[-1].startswith("update 400: answer 14")


def test_wrong_uses_are_answered():
    with pytest.raises(UserError, match="at least one update and one panel; got 0"):
        Watch(0, PANELS)
    with pytest.raises(UserError, match="each line a name of its own"):
        Watch(1, {"a": ["x"], "b": ["x"]})
    with pytest.raises(UserError, match="each panel needs lines"):
        Watch(1, {"a": []})
    with pytest.raises(UserError, match="there is no panel 'c'; there are 'a'"):
        Watch(1, {"a": ["x"]}, levels={"c": {"floor": 1.0}})
    with pytest.raises(UserError, match="no panel has a line 'y'; there are 'x'"):
        Watch(1, {"a": ["x"]}).log(y=1)


class Notebook:
    """A notebook that remembers what was displayed, and when by a clock that only we move."""

    def __init__(self, monkeypatch):
        self.now, self.shown = 100.0, []
        monkeypatch.setattr(widget, "notebook", lambda: self)
        monkeypatch.setattr(widget, "displayed", self.display)
        monkeypatch.setattr(widget, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def display(self, bundle):
        place = len(self.shown)
        self.shown.append([bundle])
        return SimpleNamespace(update=lambda obj, **options: self.shown[place].append({**obj, **options}))


def test_early_updates_are_drawn_at_once_and_later_ones_twice_a_second(monkeypatch):
    notebook = Notebook(monkeypatch)
    with Watch(50, PANELS, example=lambda: "<b>") as watch:
        for update in watch:
            notebook.now += 0.125
            watch.log(right=(update + 1) / 100)
    pictures, words = notebook.shown
    drawn = [found[1] for said in words if (found := re.match(r"Update (\d+) of 50", said["text/plain"]))]
    assert drawn[:11] == [str(update) for update in range(11)]
    assert [int(number) for number in drawn[11:-1]] == list(range(14, 51, 4))
    assert "Update 8 of 50, about 5 s left.\nupdate 0: <b>\nupdate 4: <b>" in words[8]["text/plain"]
    assert "&lt;b&gt;" in words[8]["text/html"]
    assert "<svg" in pictures[3]["text/html"]
    assert words[-1]["text/plain"].startswith("After 50 updates: right 50% (1% at first).\nupdate 0: <b>")
    assert "image/png" in pictures[-1]
    assert pictures[-1]["metadata"]["image/png"]["alt"] == watch.sentence


CELL = """
import time, torch
from minillm.viz.watch import Watch
before = torch.get_num_threads()
with Watch(40, {"share right": ["right"]}, example=lambda: "text") as watch:
    for update in watch:
        time.sleep(SECONDS)
        watch.log(right=(update + 1) / 40)
assert torch.get_num_threads() == before
"""


def test_a_stored_notebook_keeps_one_figure_and_its_words():
    cell = nbformat.v4.new_code_cell(CELL.replace("SECONDS", "0.001"))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    picture, words = notebook.cells[0].outputs
    assert re.match("iVBOR", picture.data["image/png"])
    assert "text/html" not in picture.data
    alt = "After 40 updates: right 100% (2% at first)."
    assert picture.metadata["image/png"]["alt"] == alt
    lines = words.data["text/plain"].splitlines()
    assert lines[0] == alt
    assert lines[1:] == [f"update {update}: text" for update in (0, 6, 12, 18, 24, 30, 36, 40)]
    assert not re.search(r"\d s\b", words.data["text/plain"]), "no times are stored"


@pytest.mark.timeout(300)
def test_an_interrupt_in_a_real_kernel_leaves_the_cell_without_an_error():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        asked = client.execute(CELL.replace("SECONDS", "0.5"))
        said, stopped, deadline = [], False, time.monotonic() + 120
        while time.monotonic() < deadline:
            message = client.get_iopub_msg(timeout=120)
            content, kind = message["content"], message["msg_type"]
            said.append(content["data"]["text/plain"] if "display_data" in kind else kind)
            if any(text.startswith("Update 3 of 40") for text in said) and not stopped:
                manager.interrupt_kernel()
                stopped = True
            if content.get("execution_state") == "idle" and message["parent_header"]["msg_id"] == asked:
                break
        assert "error" not in said
        assert re.match(r"Stopped after update [3-9] of 40; what was learned stays\. After", said[-2])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
