"""Shared by several commands: options, and JSON as the last line. Nothing here imports torch."""

import functools
import json
from collections.abc import Callable
from typing import Any

import click

REAL_MODEL = "smollm2-135m-instruct"

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
device_option = click.option("--device", help="cpu, cuda or mps; without it cuda where there is a card, else cpu.")


def combined(*options: Callable) -> Callable:
    """One decorator of several, such as options; they are shown in this order."""

    def decorate(command: Callable) -> Callable:
        """Give a command these options."""
        return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)

    return decorate


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON object on one line, for scripts."""
    click.echo(json.dumps(result))
