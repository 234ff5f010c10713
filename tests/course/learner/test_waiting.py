"""In the workbook an answer waits for the guess, in a real kernel; for builders and testers of pages it does not."""

import json
import time

import pytest
from jupyter_client.manager import start_new_kernel

from tools.lesson_environment import lesson_environment

pytestmark = pytest.mark.timeout(300)
ASK = "from minillm.course import predict, predict_number\nguess = predict('Which?', ['left', 'right'])"
ANSWER = "guess.answer('right', show=lambda: print('a figure'))"
WIDGET = "application/vnd.jupyter.widget-view+json"


class Kernel:
    """A kernel in a folder, with what it says on iopub while a message is worked on."""

    def __init__(self, folder):
        environment = {**lesson_environment(), "MINILLM_WORKBOOK": str(folder)}
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
        self.models = {}  # state by the id of a widget

    def run(self, code, person=True):
        """The outputs of a cell."""
        return self._said(self.client.execute(code, allow_stdin=person))

    def click(self, model, **content):
        """What the kernel says after a message of a widget: a click, or a new state."""
        data = (
            {"method": "update", "state": content} if content else {"method": "custom", "content": {"event": "click"}}
        )
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self.client.shell_channel.send(message)
        return self._said(message["header"]["msg_id"])

    def _said(self, asked):
        said, deadline = [], time.monotonic() + 120
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=120)
            kind, content, parent = message["msg_type"], message["content"], message["parent_header"]["msg_id"]
            if kind == "comm_open":
                self.models[content["comm_id"]] = content["data"]["state"]
            if kind in ("display_data", "update_display_data", "stream", "error"):
                said.append((kind, content, parent))
            if (
                kind == "status"
                and content["execution_state"] == "idle"
                and message["parent_header"]["msg_id"] == asked
            ):
                return said
        raise AssertionError(f"no answer from the kernel to {asked}")

    def newest(self, name, **state):
        """The id of the newest widget of a kind with such a state."""
        fitting = [id for id, kept in self.models.items() if kept.get("_model_name") == name]
        return [id for id in fitting if state.items() <= self.models[id].items()][-1]


@pytest.fixture
def start(tmp_path):
    (tmp_path / ".laid_out.json").write_text("{}")
    started = []

    def begin(folder=tmp_path):
        started.append(Kernel(folder))
        return started[-1]

    yield begin
    for kernel in started:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)


def kept(folder):
    return json.loads((folder / "guesses.json").read_text())


def test_the_answer_takes_the_place_of_its_question_at_the_first_click(start, tmp_path):
    kernel = start()
    kernel.run(ASK)
    ((kind, box, cell),) = kernel.run(ANSWER)
    assert (kind, box["data"]["text/plain"]) == ("display_data", "Guess first, then the answer appears here.")
    assert WIDGET in box["data"]
    assert kernel.run("print('the cells below run')")[0][1]["text"] == "the cells below run\n"
    said = kernel.click(kernel.newest("ToggleButtonsModel"), index=0)
    (kind, answer, _), (_, below, its_cell) = said
    assert (kind, answer["data"]) == ("update_display_data", {"text/plain": "Answer: right. You predicted: left."})
    assert answer["transient"] == box["transient"]
    assert (below["text"], its_cell) == ("a figure\n", cell), "the figure stands in the answer's cell"
    assert kept(tmp_path) == {"Which?": {"guess": "left", "answer": "right", "surprise": True}}

    again = start()  # a guess counts after a restart
    again.run(ASK)
    assert again.run(ANSWER)[0][1]["text"] == "Answer: right. You predicted: left.\na figure\n"


def test_a_click_at_the_question_gives_the_answer_below(start):
    kernel = start()
    kernel.run(ASK)
    kernel.run(ANSWER)
    first = next(id for id, state in kernel.models.items() if state.get("_model_name") == "ToggleButtonsModel")
    assert kernel.click(first, index=1)[0][1]["data"] == {"text/plain": "Answer: right, as you predicted."}
    assert kernel.click(first, index=0) == [], "it is given once"
    assert kernel.run("print(guess.guess)")[0][1]["text"] == "right\n", "it is too late"


def test_who_will_not_guess_is_shown_the_answer(start, tmp_path):
    kernel = start()
    kernel.run(ASK)
    kernel.run(ANSWER)
    said = kernel.click(kernel.newest("ButtonModel", description="Show me"))
    assert said[0][1]["data"] == {"text/plain": "Answer: right."}
    assert kept(tmp_path) == {"Which?": {"guess": None, "answer": "right", "surprise": False}}
    kernel.run(ASK)
    assert kernel.run(ANSWER)[0][1]["text"].startswith("Answer: right.\n"), "it is not asked twice"


def test_a_number_waits_too_and_a_broken_figure_is_told(start):
    kernel = start()
    kernel.run("from minillm.course import predict_number\nguess = predict_number('How many?', unit='heads')")
    kernel.run("guess.answer(41, show=lambda: 1 / 0)")
    line, okay = kernel.newest("TextModel"), kernel.newest("ButtonModel", description="OK")
    kernel.click(line, value="many")
    assert kernel.click(okay) == []
    kernel.click(line, value="12")
    answer, trouble = kernel.click(okay)
    assert answer[1]["data"]["text/plain"] == "Answer: 41 heads. You said 12: too low by a factor of 3.4."
    assert trouble[1]["text"] == "ZeroDivisionError: division by zero\n"


@pytest.mark.parametrize("why", ["nobody can type", "not laid out", "another folder"])
def test_elsewhere_the_answer_is_printed_at_once(start, tmp_path, why):
    if why == "not laid out":
        (tmp_path / ".laid_out.json").unlink()
    kernel = start()
    if why == "another folder":
        kernel.run("import os; os.chdir('..')")
    person = why != "nobody can type"
    kernel.run(ASK, person)
    assert [said[1].get("text") for said in kernel.run(ANSWER, person)] == ["Answer: right.\na figure\n"]
    assert not (tmp_path / "guesses.json").exists()
