"""minillm chat: a conversation in the terminal."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from minillm.cli.common import device_option, json_option, print_json
from minillm.cli.streaming import model_option, one_text, request_of, sampling_options, weights_option
from minillm.data.chat import Message, encode_chat
from minillm.device import pick_device
from minillm.errors import UserError
from minillm.inference.engine import Answer
from minillm.inference.turns import fit
from minillm.model.transformer import Transformer
from minillm.pretrained import Weights, load
from minillm.tokenizer import Tokenizer

HELP = """\
/reset         forget the conversation
/system TEXT   set the system message and start over; without TEXT there is none
/help          this
A line that begins with a space is a message, even if a / follows.
Ctrl-C stops an answer. An empty line, Ctrl-D or Ctrl-C ends the chat."""

Messages = list[Message]


@click.command()
@model_option
@click.option("--system", default="", help="What the assistant is told before the conversation.")
@sampling_options
@weights_option
@device_option
@json_option
def chat(
    model_name: str,
    system: str,
    weights: Weights,
    device: str | None,
    as_json: bool,
    change: Callable[[Transformer], object] | None = None,
    engine: Callable[[Transformer, Tokenizer], Any] = one_text,
    **settings: Any,
) -> None:
    """Chat with an instruction-tuned model; /help lists the commands."""
    model, tokenizer = load(model_name, device=pick_device(device), weights=weights)
    if change is not None:
        change(model)
    messages = _opening(system)
    encode_chat(tokenizer, [*messages, {"role": "user", "content": "Hello"}])  # a model that cannot chat says so now
    answering = engine(model, tokenizer)
    _say("You write, the model answers. /help lists the commands; an empty line ends the chat.")
    while line := _read_line():
        if line.startswith("/"):
            messages = _command(line, messages)
        else:
            messages = _turn(answering, messages, line.strip(), settings, as_json)
    if as_json:
        print_json({"model": model_name, "messages": messages})


def _opening(system: str) -> Messages:
    return [{"role": "system", "content": system.strip()}] if system.strip() else []


def _command(line: str, messages: Messages) -> Messages:
    """Carry out a line that begins with "/"; returns the conversation that remains."""
    name, _, text = line.strip().partition(" ")
    if name == "/system":
        _say("(a new conversation)" if text.strip() else "(a new conversation, without a system message)")
        return _opening(text)
    if name == "/reset":
        _say("(forgotten)")
        return [message for message in messages[:1] if message["role"] == "system"]
    _say(HELP if name == "/help" else f"there is no command {name}; /help lists those there are")
    return messages


def _turn(engine: Any, messages: Messages, question: str, settings: dict[str, Any], quiet: bool) -> Messages:
    """Stream the answer to a question; returns the conversation with both, or unchanged if the question is refused.

    `engine` is an `Engine`, or answers requests like one. Every turn renders the whole conversation; the engine
    computes only the tokens that it has not seen.
    """
    try:
        asked = [*messages, {"role": "user", "content": question}]
        asked, ids = fit(asked, engine.tokenizer, engine.model.config.max_seq_len, settings["max_new_tokens"])
        answer = engine.submit(request_of(engine.tokenizer, ids, settings))
    except UserError as error:
        _say(f"({error})")
        return messages
    if len(asked) <= len(messages):
        _say("(the conversation no longer fits the model's context; its oldest turns are forgotten)")
    pieces = []
    with _ctrl_c() as pressed:
        for event in answer:
            pieces.append(event.text)
            click.echo(event.text, nl=False, err=quiet)
            if pressed.is_set():
                answer.cancel()
    click.echo(_why(answer), err=quiet)
    return [*asked, {"role": "assistant", "content": "".join(pieces)}]


def _why(answer: Answer) -> str:
    """The mark after an answer that did not end by itself."""
    return {
        None: "",
        "stop": "",
        "cancelled": " ...",
        "length": f" ... (--max-new-tokens is {answer.request.max_new_tokens})",
        "context": " ... (the model's context is full)",
    }[answer.finished]


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """Turn Ctrl-C into an event to check between tokens, since the engine must not stop inside a step.

    A second Ctrl-C does what it does elsewhere. A handler that was not installed from Python stays, without an event.
    """
    pressed, before = threading.Event(), signal.getsignal(signal.SIGINT)
    if before is None:
        yield pressed
        return

    def note(*_: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _say(text: str) -> None:
    click.echo(text, err=True)  # on stderr, so that --json's line stands alone


def _read_line() -> str:
    """Read a line from the user; "" ends the chat."""
    try:
        click.echo("> ", nl=False, err=True)
        line = input()
    except (EOFError, KeyboardInterrupt):
        click.echo(err=True)
        line = ""
    if not line.strip():
        _say("Goodbye.")
        return ""
    return line
