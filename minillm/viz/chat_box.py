"""A chat widget for the notebook: it streams answers and saves every conversation to a file.

The kernel uses one thread for the model and for the buttons. An answer therefore runs as a task of the kernel's event
loop and yields after every token, so that Stop is handled. No second thread uses the model, and a cell that runs in the
meantime delays the answer without breaking it.
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

REST = 0.002  # seconds that the kernel yields after each token, to handle events
LATE = 0.1  # seconds to wait after Enter, since the browser sends the text field's content later
PACE = 0.05  # seconds between two updates of the displayed answer; faster updates would block the browser
NAMES = {"user": "You", "assistant": "Assistant"}
FORGOTTEN = "The conversation no longer fits the model's context; its oldest turns are forgotten, and stay in the file."


class ChatBox(widgets.VBox):
    """A chat with a model: Enter or "Send" asks, "Stop" ends an answer, "Start again" clears the conversation.

    `system` is the initial system message; the content of its field at the time of a question is used. Temperature 0
    is greedy decoding; otherwise the number of the question is the seed. After every answer the conversation so far is
    appended to `path` as one line, in the format that `minillm sft --data` reads, so the last line of a conversation
    holds all of it. If the file cannot be written, the box says so and tries again with the next answer. Errors are
    displayed; a question that cannot be sent stays in its field.

    The KV cache of earlier turns is reused, so press "Start again" after the model's weights have changed. Raises
    `UserError` for a model without a chat template and for invalid sizes.

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
        encode_chat(tokenizer, [{"role": "user", "content": "Hello"}])  # raises without a chat template
        Request([0], max_new_tokens, Sampling(temperature))  # raises for invalid sizes
        self.model, self.tokenizer, self.path, self.max_new_tokens = model, tokenizer, Path(path), max_new_tokens
        self.messages: list[dict[str, str]] = []  # without the system message
        self._forgotten = 0  # messages that no longer fit the context
        self._asked = 0  # questions so far, used as the seed
        self._unsaved: list[list[dict[str, str]]] = []
        self._engine = Engine(model, tokenizer, max_batch=1)
        self._answer: Answer | None = None  # the answer in progress
        self._task: asyncio.Task | None = None  # its task, kept because the event loop holds only weak references
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
        """Ask a question and return the answer, or "" if the question could not be sent."""
        answer = self._begin(text)
        if answer is None:
            return ""
        for _ in self._write(answer):
            pass
        return self.messages[-1]["content"]

    def stop(self) -> None:
        """Stop the answer in progress and keep its text so far."""
        if self._answer is not None:
            self._answer.cancel()

    def start_again(self) -> None:
        """Clear the conversation and the KV cache; the file keeps the conversation."""
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
        """Handle Enter and "Send": stream the answer in a notebook, or wait for it elsewhere."""
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
        """Submit a question; returns None if it is empty, if an answer is in progress, or if it does not fit."""
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
        except Exception as error:  # display any error, so that the widget stays usable
            self._say(f"Not sent: {error}")
            return None
        self._asked += 1
        self._forgotten += len(asked) - len(shown)
        self.messages.append(question)
        self._show(FORGOTTEN if len(asked) > len(shown) else "")
        return answer

    def _write(self, answer: Answer) -> Iterator[None]:
        """Display the answer as it is generated; yields after every token."""
        pieces, status, due = [], self.status_text, 0.0
        try:
            for event in answer:
                pieces.append(event.text)
                if time.monotonic() >= due:
                    self.current.value = card(NAMES["assistant"], "".join(pieces), WIDTH)
                    due = time.monotonic() + PACE
                yield
            status += _why(answer)
        except Exception as error:
            status += f" The answer broke off: {error} ({type(error).__name__})."
        finally:  # also when the kernel is interrupted
            answer.cancel()
            self._answer = None
            self.messages.append({"role": "assistant", "content": "".join(pieces)})
            self._unsaved.append([*self._system_message(), *self.messages])
            self._show((status + self._save()).strip())

    def _system_message(self) -> list[dict[str, str]]:
        text = self.system.value.strip()
        return [{"role": "system", "content": text}] if text else []

    def _save(self) -> str:
        """Write unsaved conversations to the file; returns an error message or ""."""
        try:
            while self._unsaved:
                append_conversation(self.path, self._unsaved[0])
                self._unsaved.pop(0)
        except (OSError, ValueError) as error:
            return f" Not in the file yet ({error}); tried again with the next answer."
        return ""

    def _show(self, status: str) -> None:
        cards = "\n".join(card(NAMES[message["role"]], message["content"], WIDTH) for message in self.messages)
        self.past.value = f"<div role='log' aria-label='The conversation'>{cards}</div>"
        self.current.value = ""
        writing = self._answer is not None
        for name, button in self.buttons.items():
            button.disabled = writing != (name == "Stop")
        self._say(status)

    def _say(self, status: str) -> None:
        self.status_text = status
        self.status.value = f"<p role='status' style='color: {QUIET}'>{html.escape(status)}</p>"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/html": self.past.value, "text/plain": repr(self)}, metadata

    def __repr__(self) -> str:
        turns = len(self.messages) // 2
        return f"ChatBox({turns} turn{'s' * (turns != 1)}): {self.status_text or 'ready.'}"


def _why(answer: Answer) -> str:
    """The note after an answer that did not end with the end token."""
    return {
        None: "",
        "stop": "",
        "cancelled": " You stopped the answer.",
        "length": f" The answer was cut after {answer.request.max_new_tokens} tokens.",
        "context": " The answer was cut: the model's context is full. Start again, or ask something shorter.",
    }[answer.finished]
