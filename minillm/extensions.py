"""What other packages add to this one, such as the course: corpora and models that register themselves.

An entry point in the group `minillm.extensions` names a module; importing it registers what it has
(https://packaging.python.org/en/latest/specifications/entry-points/).
"""

import functools
from importlib.metadata import entry_points


@functools.cache
def load_extensions() -> None:
    """Import the modules that other packages announce, once; each registers its corpora and models."""
    for point in entry_points(group="minillm.extensions"):
        point.load()
