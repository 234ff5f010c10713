"""minillm: a decoder-only language model in small, readable modules.

Shape legend, the same in every file, lesson and figure:
B batch, T query position, S key position, C d_model, H heads, K key/value heads, D head dim, F feed-forward dim,
V vocabulary, L layers.

Read in the order in which data flows:
text -> `tokenizer` -> `data` -> `model` -> `training` -> `inference` -> text.
"""

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minillm.api import *  # noqa: F403

# By default torch's threads spin while they wait for each other. With a browser or a second process on a two-core
# laptop that made a training step ten times slower; 5,000 spins, then sleep, cost 3 % on a quiet machine. This is set
# at import because it works only here: GNU's OpenMP (Linux) reads it once, when torch is imported, so it would have no
# effect in `train`, and has none where torch was imported before minillm. A value of your own goes first.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a folder or a public name when it is first asked for, so that what needs no torch starts without it."""
    if not name.startswith("_") and importlib.util.find_spec(f"minillm.{name}"):
        return importlib.import_module(f"minillm.{name}")
    if not name.startswith("_") or name == "__all__":
        api = importlib.import_module("minillm.api")
        if hasattr(api, name):
            return getattr(api, name)
    raise AttributeError(f"module 'minillm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *importlib.import_module("minillm.api").__all__]
