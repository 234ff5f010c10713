"""minillm bundle: write a folder for the setup of laptops without a network.

`start.py bundle` calls it, and `start.py setup --from FOLDER` installs from the folder. That script uses only the
standard library and trusts only the files in the list, which is written last.
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
from tqdm import tqdm

from minillm import assets
from minillm.errors import UserError
from minillm.files import replacing, sha256, write_json

FORMAT = 1  # increase it if an older start.py cannot read the list
LIST = "bundle.json"
PYTORCH = "https://download.pytorch.org/whl/"  # followed by the label of a build: cpu, cu128
MAX_GB, MAX_GB_WITH_CUDA = 1, 5  # size of a bundle; with the CPU build and all models it is 0.4 GB


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--make-models", is_flag=True, help="First train the course models that are missing here.")
def bundle(folder: Path | None, make_models: bool) -> None:
    """Write FOLDER, a bundle for laptops without a network.

    It holds wheels, weights, the course models that do not ship, and a list with the SHA-256 of each file. Run it in
    the course's folder.
    The bundle fits this system and this Python version; without FOLDER, its name contains both. An interrupted bundle
    is resumed, a complete one is updated.
    """
    if not Path("pyproject.toml").is_file():
        raise UserError("there is no pyproject.toml here; go to the course's folder and run the same command again")
    pyproject = Path("pyproject.toml").read_bytes()
    made_for = {"system": f"{platform.system()} {platform.machine()}", "python": "{}.{}".format(*sys.version_info)}
    about = {"format": FORMAT, **made_for, "pyproject": hashlib.sha256(pyproject).hexdigest()}
    folder = folder or Path("-".join(["bundle", *made_for.values()]).replace(" ", "-"))
    claim(folder, about)
    if make_models:
        from minillm.course import models

        models.make_all()
    gather_wheels(folder / "wheels", tomllib.loads(pyproject.decode("utf-8")))
    missing = gather_cache(folder / "cache")
    candidates = [*folder.glob("wheels/*.whl"), *folder.glob("cache/**/*")]
    paths = sorted(path for path in candidates if path.is_file() and not path.name.startswith("."))  # not .DS_Store
    bar = tqdm(paths, desc="Hashing", unit="file")
    write_list(folder, about, {path.relative_to(folder).as_posix(): sha256(path) for path in bar})
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    click.echo(f"{len(paths)} files, {megabytes:.0f} MB in {folder.resolve()}")
    click.echo(f"Fingerprint: {sha256(folder / LIST)[:16]}")
    if missing:
        click.secho(f"! Not in the bundle, since not on this computer: {', '.join(missing)}.", fg="yellow")
        click.echo(
            "Fetch weights with `minillm fetch NAME`. The models ship with the course; --make-models trains them."
        )
    click.echo(
        "Copy it to the stick, and the course's folder without .venv and your workbook, which each laptop lays out."
    )
    click.echo("On each laptop, in the course's folder:")
    click.echo(f"    python3 start.py setup --from {folder.name}      (with its path; it shows the same fingerprint)")


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Create the folder with the list of an unfinished bundle.

    Raises `UserError` if the folder holds something else, and `OSError` if the disk is too small.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / LIST).is_file():
        raise UserError(f"{folder} holds something else; name a new folder, or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    import torch

    needed = MAX_GB_WITH_CUDA if torch.version.cuda else MAX_GB
    present = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    free = shutil.disk_usage(folder).free / 1e9
    if free + present < needed:
        raise OSError(
            f"the disk has {free:.1f} GB free at {folder}, but a bundle takes up to {needed}; free some space"
        )
    write_list(folder, about, {})


def gather_wheels(wheels: Path, project: dict[str, Any]) -> None:
    """Collect the wheels that `start.py setup` installs, in the versions used here."""
    wheels.mkdir(exist_ok=True)
    here = {plain(package.name): package.version for package in distributions()}
    for old in wheels.glob("[!.]*.whl"):
        name, number = old.name.split("-")[:2]
        if here.get(plain(name), number) != number:
            old.unlink()
    pins = wheels.parent / "versions.txt"
    pins.write_text("".join(f"{name}=={number}\n" for name, number in here.items() if name != "minillm"), "utf-8")
    exactly, label = f"torch=={version('torch')}", version("torch").partition("+")[2]
    try:
        pip_wheel(wheels, "--no-deps", exactly, quiet=bool(label))
    except OSError:  # a labeled build is on PyTorch's own index, unless pip is configured otherwise
        if not label:
            raise
        pip_wheel(wheels, "--no-deps", "--index-url", PYTORCH + label, exactly)
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [*project["project"]["optional-dependencies"]["lab"], "pip"]
    pip_wheel(wheels, "--constraint", str(pins), *wanted)
    pins.unlink()


def pip_wheel(wheels: Path, *arguments: str, quiet: bool = False) -> None:
    """Fetch or build missing wheels; raises `OSError` if pip fails."""
    command = [sys.executable, "-m", "pip", "wheel", "--wheel-dir", str(wheels), "--find-links", str(wheels)]
    if subprocess.run([*command, *arguments], stderr=subprocess.DEVNULL if quiet else None).returncode:
        raise OSError("pip could not fetch the wheels, see above; check the network, and run the same command again")


def plain(name: str) -> str:
    """The normalized name of a package.

    >>> plain("Jinja2"), plain("jupyter_core")
    ('jinja2', 'jupyter-core')
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def gather_cache(target: Path) -> list[str]:
    """Copy weights and course models from the cache; return the names that neither ship nor are in the cache."""
    from minillm.course import models
    from minillm.data.corpora import FETCHED

    names = [name for name, asset in assets.REGISTRY.items() if asset.for_lessons and name not in FETCHED]
    cached = {name: assets.REGISTRY[name] for name in names if assets.cached(name)}
    files = {
        name: [cached[name].folder / file.name for file in cached[name].files] if name in cached else []
        for name in names
    }
    files |= models.files_here()
    home = assets.cache_dir()  # what ships with the package comes with the course's folder
    to_copy = [path for paths in files.values() for path in paths if path.is_relative_to(home)]
    wanted = {target / path.relative_to(home): path for path in to_copy}
    for stale in [path for path in target.rglob("*") if path.is_file() and path not in wanted]:
        stale.unlink()
    for copy, path in tqdm(wanted.items(), desc="Weights and course models", unit="file"):
        if not copy.is_file() or sha256(copy) != sha256(path):
            copy.parent.mkdir(parents=True, exist_ok=True)
            with replacing(copy) as partial:
                shutil.copyfile(path, partial)
    return [name for name, paths in files.items() if not paths]


def write_list(folder: Path, about: dict[str, Any], sums: dict[str, str]) -> None:
    """Write the list atomically; a list without files marks an unfinished bundle."""
    write_json(folder / LIST, {**about, "files": sums})
