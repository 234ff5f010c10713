"""minillm fetch NAME: download an asset into the cache."""

import click

from minillm import assets
from minillm.cli.common import json_option, print_json


@click.command()
@click.argument("name", required=False)
@json_option
def fetch(name: str | None, as_json: bool) -> None:
    """Download the asset NAME once, check it and keep it; without NAME, list the assets."""
    if name is None:
        listing = {name: {"licence": asset.licence, "path": _path(name)} for name, asset in assets.REGISTRY.items()}
        for asset_name, facts in listing.items():
            click.echo(f"{asset_name:24} {facts['licence']:16} {facts['path'] or 'not fetched yet'}", err=as_json)
        if as_json:
            print_json(listing)
        return
    path = assets.fetch(name)
    click.echo(f"{name} is at {path}", err=as_json)
    if as_json:
        print_json({"name": name, "path": str(path), "licence": assets.REGISTRY[name].licence})


def _path(name: str) -> str | None:
    path = assets.cached(name)
    return None if path is None else str(path)
