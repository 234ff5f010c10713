"""Pictures of the model's own tensors: `figures` draws one, `explorer` lets you move it, `hover` lets you point at a
token in it, `live` follows a run.

Everything here shows numbers that it was given, as a matplotlib figure or as HTML, and computes none. The colours can
be told apart by colour-blind readers, and every picture carries its own light background, so that it reads the same in
a dark JupyterLab.
"""

try:
    import matplotlib  # noqa: F401 - only to say what is missing
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "minillm.viz draws with matplotlib, which is not installed here; run: pip install 'minillm[lab]'"
    ) from missing
