"""Outputs of a notebook cell that change in place while the cell runs."""

import base64
import sys
from typing import Any

from matplotlib.figure import Figure

from minillm.viz.figures import png, shown_size


def notebook() -> Any:
    """The IPython shell of the notebook, or None in a script or a terminal."""
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def displayed(bundle: dict[str, str]) -> Any:
    """Display an output and return a handle to update it."""
    from IPython.display import display  # a notebook's own library

    return display(bundle, raw=True, display_id=True)


def as_picture(figure: Figure, alt: str) -> dict[str, Any]:
    """A figure with its alternative text, as the arguments of a handle's `update`."""
    picture = png(figure)
    width, height = shown_size(picture)
    metadata = {"image/png": {"alt": alt, "width": width, "height": height}}
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"}
    return {"obj": data, "metadata": metadata, "raw": True}
