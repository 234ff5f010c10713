"""What is added to the engine from outside, such as the course: corpora, recipes and models that register themselves.

A folder of this package that has a module `extension` is an extension; importing that module registers what it has.
Found by looking, and not by the entry points of an installed package, since a clone that was updated has old ones.
"""

import functools
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent


def is_installed(name: str) -> bool:
    """Whether there is a folder `name` beside this file, such as "course".

    Not `find_spec`, which also finds a folder of another clone that is installed.
    """
    return (HERE / name / "__init__.py").exists()


@functools.cache
def load_extensions() -> None:
    """Import the modules `extension` of all folders beside this file, once; each registers what it has."""
    for folder in pkgutil.iter_modules([str(HERE)]):
        name = f"minillm.{folder.name}.extension"
        if folder.ispkg and find_spec(name) is not None:
            importlib.import_module(name)
