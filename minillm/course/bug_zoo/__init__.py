"""Bugs that a transformer is easily written with, put into a loaded model inside a `with` block.

Most are one part of `surgery.replaced` with one slip in it; some are whole blocks in another order of steps. All keep
the shapes, so that none raises an error. One of them is harmless.

ZOO        the bugs by name, each with one line that says what was written
HARMLESS   the name of the one that changes nothing
infected   a model with one of them, inside a `with` block

>>> import torch
>>> from minillm import ModelConfig, Transformer
>>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
>>> ids = torch.tensor([[1, 2, 3]])
>>> with infected(model, "no residuals"):
...     broken = model(ids)
>>> torch.allclose(broken, model(ids), atol=1e-3)
False
"""

from minillm.course.bug_zoo import inside, wiring
from minillm.course.bug_zoo.entry import ZOO, Bug, infected
from minillm.course.bug_zoo.inside import HARMLESS

__all__ = ["HARMLESS", "ZOO", "Bug", "infected", "inside", "wiring"]
