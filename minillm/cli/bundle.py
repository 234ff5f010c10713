"""minillm bundle: all that a laptop without a network needs, in one folder for a USB stick.

`start.py bundle` calls it, and `start.py setup --from FOLDER` sets up from what it wrote. That side knows only the
standard library and trusts nothing that is not in the list which is written here last.
"""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import click
import torch
from tqdm import tqdm

from minillm import assets
from minillm.course import models
from minillm.data.corpora import FETCHED
from minillm.errors import UserError
from minillm.files import replacing, sha256, write_json

FORMAT = 1  # raise it when an older start.py could not read the list
LIST = "bundle.json"
PYTORCH = "https://download.pytorch.org/whl/"  # its builds, by their label: cpu, cu128
GIGABYTES, WITH_CUDA = 1, 5  # with PyTorch's CPU build and all models it takes 0.4


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--make-models", is_flag=True, help="First train those of the course's models that are not here yet.")
def bundle(folder: Path | None, make_models: bool) -> None:
    """Write FOLDER for a USB stick: wheels, weights, course models, and a list with the SHA-256 of each file.

    Run it in the course's folder. It holds what this system and this Python need; without FOLDER its name says which.
    A bundle that was interrupted is gone on with, one that is whole is brought up to date.
    """
    if not Path("pyproject.toml").is_file():
        raise UserError("there is no pyproject.toml here; go to the course's folder and run the same command again")
    pyproject = Path("pyproject.toml").read_bytes()
    made_for = {"system": f"{platform.system()} {platform.machine()}", "python": "{}.{}".format(*sys.version_info)}
    about = {"format": FORMAT, **made_for, "pyproject": hashlib.sha256(pyproject).hexdigest()}
    folder = folder or Path("-".join(["bundle", *made_for.values()]).replace(" ", "-"))
    claim(folder, about)
    if make_models:
        models.make_all()
    gather_wheels(folder / "wheels", tomllib.loads(pyproject.decode("utf-8")))
    missing = gather_cache(folder / "cache")
    found = [*folder.glob("wheels/*.whl"), *folder.glob("cache/**/*")]
    paths = sorted(path for path in found if path.is_file() and not path.name.startswith("."))  # macOS leaves its own
    bar = tqdm(paths, desc="Adding up", unit="file")
    write_list(folder, about, {path.relative_to(folder).as_posix(): sha256(path) for path in bar})
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    click.echo(f"{len(paths)} files, {megabytes:.0f} MB in {folder.resolve()}")
    click.echo(f"Fingerprint: {sha256(folder / LIST)[:16]}")
    if missing:
        click.secho(f"! Not in it, for it is not on this computer: {', '.join(missing)}.", fg="yellow")
        click.echo("Weights come by `minillm fetch NAME`, models with --make-models (about twenty minutes for all).")
    click.echo("Copy it to the stick, and the course's folder without .venv. On each laptop, in the course's folder:")
    click.echo(f"    start.py setup --from {folder.name}      (with its path; it shows the same fingerprint)")


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Take the folder for a bundle, unfinished for now; refuse one that holds something else, or a small disk."""
    if folder.exists() and any(folder.iterdir()) and not (folder / LIST).is_file():
        raise UserError(f"{folder} holds something else; name a new folder, or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    needed = WITH_CUDA if torch.version.cuda else GIGABYTES
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    free = shutil.disk_usage(folder).free / 1e9
    if free + there < needed:
        raise OSError(f"the disk has {free:.1f} GB free at {folder}, and a bundle takes up to {needed}; make room")
    write_list(folder, about, {})


def gather_wheels(wheels: Path, project: dict[str, Any]) -> None:
    """Bring every wheel that `start.py setup` installs, in the version that is installed here."""
    wheels.mkdir(exist_ok=True)
    here = {plain(found.name): found.version for found in distributions()}
    for old in wheels.glob("[!.]*.whl"):
        name, number = old.name.split("-")[:2]
        if here.get(plain(name), number) != number:
            old.unlink()
    pins = wheels.parent / "versions.txt"
    pins.write_text("".join(f"{name}=={number}\n" for name, number in here.items() if name != "minillm"), "utf-8")
    exactly, label = f"torch=={version('torch')}", version("torch").partition("+")[2]
    try:
        pip_wheel(wheels, "--no-deps", exactly, quiet=bool(label))
    except OSError:  # a labelled build is on PyTorch's own index, unless pip is configured to find it elsewhere
        if not label:
            raise
        pip_wheel(wheels, "--no-deps", "--index-url", PYTORCH + label, exactly)
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [*project["project"]["optional-dependencies"]["lab"], "pip"]
    pip_wheel(wheels, "--constraint", str(pins), *wanted)
    pins.unlink()


def pip_wheel(wheels: Path, *arguments: str, quiet: bool = False) -> None:
    """Fetch or build wheels; one that lies there already is taken as it is. Raises `OSError` where pip fails."""
    command = [sys.executable, "-m", "pip", "wheel", "--wheel-dir", str(wheels), "--find-links", str(wheels)]
    if subprocess.run([*command, *arguments], stderr=subprocess.DEVNULL if quiet else None).returncode:
        raise OSError("pip could not bring the wheels, see above; check the network, and run the same command again")


def plain(name: str) -> str:
    """A package's name as every tool compares it.

    >>> plain("Jinja2"), plain("jupyter_core")
    ('jinja2', 'jupyter-core')
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def gather_cache(target: Path) -> list[str]:
    """Copy the fetched weights and the course's models as the cache has them; return the names of what is missing."""
    names = [name for name in assets.REGISTRY if name not in FETCHED]
    held = {name: assets.REGISTRY[name] for name in names if assets.cached(name)}
    found = {
        name: [held[name].folder / file.name for file in held[name].files] if name in held else [] for name in names
    }
    found |= models.files_here()
    wanted = {target / path.relative_to(assets.cache_dir()): path for paths in found.values() for path in paths}
    for stale in [path for path in target.rglob("*") if path.is_file() and path not in wanted]:
        stale.unlink()
    for copy, path in tqdm(wanted.items(), desc="Weights and course models", unit="file"):
        if not copy.is_file() or sha256(copy) != sha256(path):
            copy.parent.mkdir(parents=True, exist_ok=True)
            with replacing(copy) as partial:
                shutil.copyfile(path, partial)
    return [name for name, paths in found.items() if not paths]


def write_list(folder: Path, about: dict[str, Any], sums: dict[str, str]) -> None:
    """The list, written whole or not at all; one without files says that the bundle is unfinished."""
    write_json(folder / LIST, {**about, "files": sums})
