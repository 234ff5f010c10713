"""The figures of the lessons: `from minillm.viz.figures import bars, show`.

Each function takes lists or tensors and returns a matplotlib `Figure`; `show` displays it. There is one module per
subject:

    style      the style, `new_figure`, `png`, `show`         labels     labels that do not overlap
    tokens     token_strip, token_strips, merge_tree          tensors    heat_map
    amounts    bars, probability_bars, neighbour_bars, grouped_bars
    curves     lines, scatter
    places     embedding_map, rotation                        attention  attention_arcs
    stream     logit_lens                                     training   training_curve
    chances    unit_line
    timetables  timetable                                     removal    size_and_cost
    writes     waterfall, costs_by_block
"""

from minillm.viz.figures.amounts import bars, grouped_bars, neighbour_bars, probability_bars
from minillm.viz.figures.attention import attention_arcs
from minillm.viz.figures.chances import unit_line
from minillm.viz.figures.curves import lines, scatter
from minillm.viz.figures.places import embedding_map, rotation
from minillm.viz.figures.removal import size_and_cost
from minillm.viz.figures.stream import logit_lens
from minillm.viz.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALETTE,
    PAPER,
    PURPLE,
    QUIET,
    RED,
    SKY,
    in_style,
    new_figure,
    png,
    show,
    shown_size,
    visible,
)
from minillm.viz.figures.tensors import heat_map
from minillm.viz.figures.timetables import timetable
from minillm.viz.figures.tokens import merge_tree, token_strip, token_strips
from minillm.viz.figures.training import training_curve
from minillm.viz.figures.writes import costs_by_block, waterfall

__all__ = [
    "BLUE",
    "GREEN",
    "INK",
    "ORANGE",
    "PALETTE",
    "PAPER",
    "PURPLE",
    "QUIET",
    "RED",
    "SKY",
    "attention_arcs",
    "bars",
    "costs_by_block",
    "embedding_map",
    "grouped_bars",
    "heat_map",
    "in_style",
    "lines",
    "logit_lens",
    "merge_tree",
    "neighbour_bars",
    "new_figure",
    "png",
    "probability_bars",
    "rotation",
    "scatter",
    "show",
    "shown_size",
    "size_and_cost",
    "timetable",
    "token_strip",
    "token_strips",
    "training_curve",
    "unit_line",
    "visible",
    "waterfall",
]
