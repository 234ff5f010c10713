"""Shared by the commands that generate text: which model, how to sample, and the text piece by piece."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, get_args

import click

from minillm.cli.common import REAL_MODEL, combined
from minillm.inference.engine import Engine, Event, Request
from minillm.inference.sampling import Sampling
from minillm.model.transformer import Transformer
from minillm.pretrained import Weights
from minillm.tokenizer import Tokenizer

model_option = click.option(
    "--model",
    "model_name",
    default=REAL_MODEL,
    help="A run folder, a Hugging Face folder, a .gguf file or an asset's name.",
)
weights_option = click.option(
    "--weights",
    type=click.Choice(get_args(Weights)),
    default="auto",
    help="Number format of the matrices; auto keeps a .gguf file's 4 and 8 bits where they are fast, else float32.",
)


sampling_options = combined(  # those of `minillm.generate`, with its names
    click.option("--max-new-tokens", type=int, default=200, help="Stop after this many tokens."),
    click.option("--temperature", type=float, default=0.8, help="0 always takes the most likely token."),
    click.option("--top-k", type=int, help="Sample from the k most likely tokens only."),
    click.option("--top-p", type=float, help="Sample from the fewest tokens with this total probability."),
    click.option("--min-p", type=float, help="Drop tokens below this fraction of the top probability."),
    click.option("--repetition-penalty", type=float, help="Above 1 makes repeated tokens less likely."),
    click.option("--stop", "stop_strings", multiple=True, help="Stop before this text; may be repeated."),
    click.option("--seed", type=int, default=0, help="The same seed gives the same text."),
)

one_text = partial(Engine, max_batch=1)  # the engine for a text at a time


def request_of(tokenizer: Tokenizer, ids: list[int], settings: dict[str, Any]) -> Request:
    """An engine request from the values of `sampling_options`; the end token ends a text."""
    names = ("max_new_tokens", "stop_strings", "seed", "when_full")
    rest = {name: settings[name] for name in names if name in settings}
    sampling = Sampling(**{name: value for name, value in settings.items() if name not in rest})
    stop = () if tokenizer.eos_id is None else (tokenizer.eos_id,)
    return Request(ids, sampling=sampling, stop=stop, **rest)


def stream_text(
    model: Transformer,
    tokenizer: Tokenizer,
    ids: list[int],
    settings: dict[str, Any],
    events: list[Event],
    engine: Callable[[Transformer, Tokenizer], Any] = one_text,
) -> Iterator[str]:
    """Yield the continuation of `ids` piece by piece, until the end token; `events` collects the engine's events."""
    for event in engine(model, tokenizer).submit(request_of(tokenizer, ids, settings)):
        events.append(event)
        yield event.text
