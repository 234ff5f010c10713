"""A chat in the notebook: a line to write in, an answer that appears while it is chosen, and a file that keeps it all.

The kernel has one thread for the model and for the buttons. So an answer that was asked for by a key or a button is a
task of the kernel's own event loop, which rests for a moment behind every token: then Stop is heard. No second thread
touches the model, and a cell that runs meanwhile makes the answer wait, not fail.
"""

import asyncio
import html
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from minillm.data.chat import encode_chat
from minillm.data.conversations import append_conversation
from minillm.inference.engine import Answer, Engine, Request
from minillm.inference.sampling import Sampling
from minillm.inference.turns import fit
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.viz.figures.style import QUIET
from minillm.viz.ranking_booth import WIDTH, card

REST = 0.002  # seconds between two tokens in which the kernel hears what was pressed
LATE = 0.1  # seconds: the browser says that Enter was pressed before it says what had been written
PACE = 0.05  # seconds between two pictures of an answer: more would only keep the browser from hearing a key
NAMES = {"user": "You", "assistant": "Assistant"}
FORGOTTEN = "The conversation no longer fits the model's context; its oldest turns are forgotten, and stay in the file."


class ChatBox(widgets.VBox):
    """Talk with a chat model: Enter or "Send" asks, "Stop" ends an answer, "Start again" forgets the conversation.

    `system` is what the assistant is told before the conversation; what stands in its field when a question is sent
    counts. A temperature of 0 takes the likeliest token each time; else the number of the question is the seed. After
    every answer the conversation so far becomes a line of `path`, in the form that `minillm sft --data` reads, so the
    last line of a conversation holds all of it. Where the file cannot be written the box says so, and tries again with
    the next answer. What goes wrong becomes a sentence; a question that cannot be sent stays where it was typed.

    What was read before is not read again, so press "Start again" after the model's weights have changed. Raises
    `ValueError` for a model that cannot chat, and for sizes that mean nothing.

    >>> import tempfile, torch
    >>> from minillm import ModelConfig
    >>> from minillm.data.chat import CHATML
    >>> tokenizer = Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = CHATML
    >>> model = Transformer(ModelConfig(vocab_size=270, d_model=8, n_layers=1, n_heads=2, max_seq_len=99))
    >>> _ = torch.nn.init.zeros_(model.final_norm.weight)    # every token is as likely, and the first one is taken
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     box = ChatBox(model, tokenizer, Path(folder, "chat.jsonl"), temperature=0, max_new_tokens=2)
    ...     box.say("Hello")
    ...     Path(folder, "chat.jsonl").read_text(encoding="utf-8")[:48]
    '<|im_start|><|im_start|>'
    '{"messages": [{"role": "user", "content": "Hello'
    >>> box
    ChatBox(1 turn): The answer was cut after 2 tokens.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        path: str | Path,
        system: str = "",
        temperature: float = 0.7,
        max_new_tokens: int = 150,
    ) -> None:
        encode_chat(tokenizer, [{"role": "user", "content": "Hello"}])  # a model that cannot chat says so now
        Request([0], max_new_tokens, Sampling(temperature))  # and so do sizes that mean nothing
        self.model, self.tokenizer, self.path, self.max_new_tokens = model, tokenizer, Path(path), max_new_tokens
        self.messages: list[dict[str, str]] = []  # what was said, without the system message
        self._forgotten = 0  # how many of them the model is no longer shown
        self._asked = 0  # questions since the box was made: the seed
        self._unsaved: list[list[dict[str, str]]] = []
        self._engine = Engine(model, tokenizer, max_batch=1)
        self._answer: Answer | None = None  # the one that is being written
        self._task: asyncio.Task | None = None  # that writes it; kept, since the loop itself holds no task alive
        look = {"style": {"description_width": "8em"}, "layout": widgets.Layout(width=f"{WIDTH}px")}
        self.system = widgets.Textarea(system, description="It is told", rows=3, **look)
        self.temperature = widgets.FloatSlider(
            temperature, min=0, max=max(1.5, temperature), step=0.1, description="Temperature", **look
        )
        self.past, self.current, self.status = (widgets.HTML() for _ in range(3))
        self.line = widgets.Text(
            description="You", placeholder="Write, and press Enter", continuous_update=False, **look
        )
        self.buttons = {name: widgets.Button(description=name) for name in ("Send", "Stop", "Start again")}
        self.line.on_msg(self._heard)
        for name, work in {"Send": self._send, "Stop": self.stop, "Start again": self.start_again}.items():
            self.buttons[name].on_click(lambda _, work=work: work())
        rows = [self.system, self.temperature, self.past, self.current, self.status, self.line]
        super().__init__([*rows, widgets.HBox(list(self.buttons.values()))])
        self._show("Nothing has been said yet.")

    def say(self, text: str) -> str:
        """Ask, and wait for the answer, which is returned; "" where the question could not be sent."""
        answer = self._begin(text)
        if answer is None:
            return ""
        for _ in self._write(answer):
            pass
        return self.messages[-1]["content"]

    def stop(self) -> None:
        """End the answer that is being written; what has come of it stays."""
        if self._answer is not None:
            self._answer.cancel()

    def start_again(self) -> None:
        """Forget the conversation, and everything that was read. The file keeps it."""
        if self._answer is None:
            self.messages, self._forgotten = [], 0
            self._engine = Engine(self.model, self.tokenizer, max_batch=1)
            self._show("Nothing has been said yet.")

    def _heard(self, _widget: widgets.Widget, content: dict[str, Any], _buffers: Any) -> None:
        if content.get("event") != "submit":
            return
        try:
            asyncio.get_running_loop().call_later(LATE, self._send)
        except RuntimeError:  # no notebook
            self._send()

    def _send(self) -> None:
        """What Enter and "Send" do. In a notebook the answer comes in pieces, elsewhere at once."""
        answer = self._begin(self.line.value)
        if answer is None:
            return
        self.line.value = ""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for _ in self._write(answer):
                pass
        else:
            self._task = loop.create_task(self._write_in_pieces(answer))

    async def _write_in_pieces(self, answer: Answer) -> None:
        for _ in self._write(answer):
            await asyncio.sleep(REST)

    def _begin(self, text: str) -> Answer | None:
        """Take a question, unless it is empty, comes too early, or cannot be read: then a sentence says so."""
        if not text.strip() or self._answer is not None:
            return None
        question = {"role": "user", "content": text.strip()}
        asked = [*self._system_message(), *self.messages[self._forgotten :], question]
        try:
            shown, ids = fit(asked, self.tokenizer, self.model.config.max_seq_len, self.max_new_tokens)
            stop = () if self.tokenizer.eos_id is None else (self.tokenizer.eos_id,)
            sampling = Sampling(self.temperature.value)
            request = Request(ids, self.max_new_tokens, sampling, stop, seed=self._asked)
            answer = self._answer = self._engine.submit(request)
        except Exception as error:  # the box must stay alive and say it
            self._say(f"Not sent: {error}")
            return None
        self._asked += 1
        self._forgotten += len(asked) - len(shown)
        self.messages.append(question)
        self._show(FORGOTTEN if len(asked) > len(shown) else "")
        return answer

    def _write(self, answer: Answer) -> Iterator[None]:
        """The answer, shown as it comes; yields behind every token."""
        pieces, told, due = [], self.status_text, 0.0
        try:
            for event in answer:
                pieces.append(event.text)
                if time.monotonic() >= due:
                    self.current.value = card(NAMES["assistant"], "".join(pieces), WIDTH)
                    due = time.monotonic() + PACE
                yield
            told += _why(answer)
        except Exception as error:
            told += f" The answer broke off: {error} ({type(error).__name__})."
        finally:  # also when the kernel is interrupted
            answer.cancel()
            self._answer = None
            self.messages.append({"role": "assistant", "content": "".join(pieces)})
            self._unsaved.append([*self._system_message(), *self.messages])
            self._show((told + self._save()).strip())

    def _system_message(self) -> list[dict[str, str]]:
        text = self.system.value.strip()
        return [{"role": "system", "content": text}] if text else []

    def _save(self) -> str:
        """Write what is not in the file yet; returns the sentence that says why that failed, or nothing."""
        try:
            while self._unsaved:
                append_conversation(self.path, self._unsaved[0])
                self._unsaved.pop(0)
        except (OSError, ValueError) as error:
            return f" Not in the file yet ({error}); tried again with the next answer."
        return ""

    def _show(self, told: str) -> None:
        cards = "\n".join(card(NAMES[one["role"]], one["content"], WIDTH) for one in self.messages)
        self.past.value = f"<div role='log' aria-label='The conversation'>{cards}</div>"
        self.current.value = ""
        writing = self._answer is not None
        for name, button in self.buttons.items():
            button.disabled = writing != (name == "Stop")
        self._say(told)

    def _say(self, told: str) -> None:
        self.status_text = told
        self.status.value = f"<p role='status' style='color: {QUIET}'>{html.escape(told)}</p>"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/html": self.past.value, "text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        turns = len(self.messages) // 2
        return f"ChatBox({turns} turn{'s' * (turns != 1)}): {self.status_text or 'ready.'}"


def _why(answer: Answer) -> str:
    """What stands behind an answer that did not end by itself."""
    return {
        None: "",
        "stop": "",
        "cancelled": " You stopped the answer.",
        "length": f" The answer was cut after {answer.request.max_new_tokens} tokens.",
        "context": " The answer was cut: the model's context is full. Start again, or ask something shorter.",
    }[answer.finished]
