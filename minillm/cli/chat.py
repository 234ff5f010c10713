"""minillm chat: a conversation in the terminal."""

from typing import Any

import click

from minillm.cli.common import device_option, json_option, model_option, print_json, sampling_options, stream_text
from minillm.data.chat import encode_chat
from minillm.device import pick_device
from minillm.pretrained import load


@click.command()
@model_option
@click.option("--system", help="What the assistant is told before the conversation.")
@sampling_options
@device_option
@json_option
def chat(model_name: str, system: str | None, device: str | None, as_json: bool, **settings: Any) -> None:
    """Talk with an instructed model; /reset forgets the conversation, an empty line or Ctrl-D ends it."""
    model, tokenizer = load(model_name, device=pick_device(device))
    opening = [] if system is None else [{"role": "system", "content": system}]
    messages = list(opening)
    click.echo("You write, the model answers. /reset forgets the conversation, an empty line ends it.", err=True)
    while (question := _read_line()) not in ("", None):
        if question == "/reset":
            messages = list(opening)
            continue
        messages.append({"role": "user", "content": question})
        room = model.config.max_seq_len - settings["max_new_tokens"]
        while len(ids := encode_chat(tokenizer, messages)) > room and len(messages) > len(opening) + 1:
            del messages[len(opening) : len(opening) + 2]  # the oldest question and its answer
            click.echo("(the conversation no longer fits the model's context; its oldest turn is forgotten)", err=True)
        pieces = []
        try:
            for piece in stream_text(model, tokenizer, ids, settings, []):
                pieces.append(piece)
                click.echo(piece, nl=False, err=as_json)
        except KeyboardInterrupt:
            click.echo(" ...", nl=False, err=as_json)  # Ctrl-C ends the answer, not the conversation
        click.echo(err=as_json)
        messages.append({"role": "assistant", "content": "".join(pieces)})
    if as_json:
        print_json({"model": model_name, "messages": messages})


def _read_line() -> str | None:
    click.echo("> ", nl=False, err=True)  # on stderr, so that --json's line stands alone
    try:
        return input().strip()
    except EOFError:
        return None
