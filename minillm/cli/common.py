"""What several commands share: options, a JSON last line, and text that appears while it is generated."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import click

from minillm.inference.generate import stream
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

REAL_MODEL = "smollm2-135m-instruct"

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
device_option = click.option("--device", help="cpu, cuda or mps; without it cuda where there is a card, else cpu.")
model_option = click.option(
    "--model",
    "model_name",
    default=REAL_MODEL,
    help="A run folder, a Hugging Face folder, a .gguf file or an asset's name.",
)


def sampling_options(command: Callable) -> Callable:
    """The options of `minillm.generate`, with its names."""
    for option in reversed(
        [
            click.option("--max-new-tokens", type=int, default=200, help="Stop after this many tokens."),
            click.option("--temperature", type=float, default=0.8, help="0 takes the likeliest token each time."),
            click.option("--top-k", type=int, help="Draw from the k likeliest tokens only."),
            click.option("--top-p", type=float, help="Draw from the fewest tokens that hold this probability."),
            click.option("--min-p", type=float, help="Leave out what is less likely than this share of the likeliest."),
            click.option("--repetition-penalty", type=float, help="Above 1 makes tokens already seen less likely."),
            click.option("--seed", type=int, default=0, help="The same seed gives the same text."),
        ]
    ):
        command = option(command)
    return command


def print_json(result: dict[str, Any]) -> None:
    """One object on one line, for scripts."""
    click.echo(json.dumps(result))


def stream_text(
    model: Transformer, tokenizer: Tokenizer, ids: list[int], settings: dict[str, Any], new_ids: list[int]
) -> Iterator[str]:
    """The continuation of `ids` in pieces of text, until the end token; `new_ids` collects its tokens.

    A character may need several tokens, so a piece is held back while it ends in the middle of one.
    """
    stop = [] if tokenizer.eos_id is None else [tokenizer.eos_id]
    shown = ""
    for token in stream(model, ids, stop=stop, **settings):
        new_ids.append(token)
        text = tokenizer.decode([i for i in new_ids if i not in stop])
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):
            yield text[len(shown) :]
            shown = text
    text = tokenizer.decode([i for i in new_ids if i not in stop])
    if text != shown:
        yield text[len(shown) :]
