"""Figures, diagrams and widgets for the lessons.

`figures` plots values, `diagrams` draws tensors and the operations between them, `explorer` adds controls, `live`
follows the loss of a run, and `watch` a training loop that a lesson spells out. Everything here displays given values,
as a matplotlib figure or as HTML, and computes nothing about a model but the steps that a diagram shows. The colors are
distinguishable for color-blind readers. Every picture has its own background, so it looks the same in a dark
JupyterLab; those of `watch` have none, and a gray that suits both themes.
"""

try:
    import matplotlib  # noqa: F401 - only to say what is missing
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "minillm.viz draws with matplotlib, which is not installed here; run: pip install 'minillm[lab]'"
    ) from missing
