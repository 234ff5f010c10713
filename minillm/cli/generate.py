"""minillm generate: continue a prompt, answer a question, or let a base model write a document."""

import time
from collections.abc import Callable
from typing import Any, get_args

import click

from minillm.cli.common import device_option, json_option, print_json
from minillm.cli.streaming import model_option, one_text, sampling_options, stream_text, weights_option
from minillm.data.chat import encode_chat
from minillm.device import pick_device
from minillm.errors import UserError
from minillm.inference.engine import Event, WhenFull
from minillm.model.transformer import Transformer
from minillm.pretrained import Weights, load
from minillm.tokenizer import Tokenizer


@click.command()
@model_option
@click.option("--prompt", help="The text to continue; without it the model starts a document of its own.")
@click.option("--chat", is_flag=True, help="Put the prompt as a user's question into the model's chat template.")
@sampling_options
@click.option(
    "--when-full",
    type=click.Choice(get_args(WhenFull)),
    default="stop",
    help="When the context is full: stop, or drop the older half of the text and go on.",
)
@weights_option
@device_option
@json_option
def generate(
    model_name: str,
    prompt: str | None,
    chat: bool,
    weights: Weights,
    device: str | None,
    as_json: bool,
    change: Callable[[Transformer], object] | None = None,
    engine: Callable[[Transformer, Tokenizer], Any] = one_text,
    **settings: Any,
) -> None:
    """Continue a prompt."""
    model, tokenizer = load(model_name, device=pick_device(device), weights=weights)
    if change is not None:
        change(model)
    ids = prompt_ids(tokenizer, prompt, chat)
    events: list[Event] = []
    start, pieces = time.perf_counter(), []
    for piece in stream_text(model, tokenizer, ids, settings, events, engine):
        pieces.append(piece)
        click.echo(piece, nl=False, err=as_json)
    click.echo(err=as_json)
    if as_json:
        seconds = time.perf_counter() - start
        result = {"model": model_name, "prompt": prompt, "text": "".join(pieces), "prompt_tokens": len(ids)}
        log_probs = [event.log_prob for event in events if event.log_prob is not None]
        result |= {"new_tokens": len(log_probs), "log_prob": sum(log_probs)}
        result |= {"finished": events[-1].finished, "ended": events[-1].finished == "stop"}
        print_json(result | {"seconds": round(seconds, 3), "tokens_per_second": round(len(log_probs) / seconds, 1)})


def prompt_ids(tokenizer: Tokenizer, prompt: str | None, chat: bool) -> list[int]:
    """The ids that generation starts from; raises `UserError` if there would be none."""
    if prompt == "":
        raise UserError("the prompt is empty; give some text, or leave --prompt out to let the model begin by itself")
    if chat:
        if prompt is None:
            raise UserError("--chat needs a question: give it with --prompt")
        return encode_chat(tokenizer, [{"role": "user", "content": prompt}])
    ids = [] if prompt is None else tokenizer.encode(prompt)
    begins = tokenizer.add_bos
    if begins is None:
        # If one token both ends a document and begins the next, every training document came after it.
        begins = tokenizer.bos_id is not None and tokenizer.bos_id == tokenizer.eos_id
    if begins or not ids:
        if tokenizer.bos_id is None:
            raise UserError("this tokenizer has no token that begins a text, so a --prompt is needed")
        ids = [tokenizer.bos_id, *ids]
    return ids
