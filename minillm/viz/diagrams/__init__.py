"""The diagrams of the lessons, drawn from live tensors.

Boxes are tensors with shapes, arrows are operations, and hatched cells are masked. Each diagram is one call, which
returns a `Diagram` with its alternative text:

    >>> import torch
    >>> from minillm.viz import diagrams
    >>> query, key, value = torch.eye(3), torch.eye(3), torch.ones(3, 2)
    >>> visible = torch.ones(3, 3, dtype=torch.bool).tril()
    >>> diagram = diagrams.attention_step(query, key, value, ["the", "river", "bank"], visible)
    >>> diagram.alt.partition(". ")[0]  # diagram.show() displays it in a notebook; .save("attention.svg") writes a file
    'Diagram: "bank" reads most from "bank" (weight 0.47)'

    attention   attention_step, causal_mask, projections      heads    heads, shared_keys
    block       residual_stream                               loop     reasoning_loop
    feed_forward  feed_forward, a layer with some of its neurons
    choices     continuations, tokens_read: while a model writes
    shift       next_tokens, a text as its own answer key     ends     read_at, a padded batch
    drafts      accept_rule, how guesses are kept or replaced
    chat        chat_tokens, loss_targets, low_rank: fine-tuning
    lanes       lanes, machines that work side by side
    policy      ppo_round, token_credit: reinforcement learning with a reward model
    methods     preference_methods: PPO, DPO and GRPO
    model_map   model_map, the parts of a course and what is yours of them
    journey     journey, one prompt on its way through a model
    flow        flow, arrow, sign, fan: for other diagrams    boxes    box, the tensors of a flow
    part        what every part of a flow can do              parts    the other parts
    page        title, key and alternative text               canvas   text and shapes in inches, `Diagram`
    theme       the light and the dark colors

Every call takes `title` (else the diagram says what its tensors show) and `theme`, "light" or "dark".
"""

from minillm.viz.diagrams.attention import attention_step, causal_mask, projections
from minillm.viz.diagrams.block import residual_stream
from minillm.viz.diagrams.boxes import Box, box
from minillm.viz.diagrams.canvas import Diagram
from minillm.viz.diagrams.chat import chat_tokens, loss_targets, low_rank
from minillm.viz.diagrams.choices import continuations, tokens_read
from minillm.viz.diagrams.drafts import accept_rule
from minillm.viz.diagrams.ends import read_at
from minillm.viz.diagrams.feed_forward import feed_forward
from minillm.viz.diagrams.flow import arrow, fan, flow, sign
from minillm.viz.diagrams.heads import heads, shared_keys
from minillm.viz.diagrams.journey import journey
from minillm.viz.diagrams.lanes import Lane, lanes
from minillm.viz.diagrams.loop import reasoning_loop
from minillm.viz.diagrams.methods import preference_methods
from minillm.viz.diagrams.model_map import Station, model_map
from minillm.viz.diagrams.policy import ppo_round, token_credit
from minillm.viz.diagrams.shift import next_tokens

__all__ = [
    "Box",
    "Diagram",
    "Lane",
    "Station",
    "accept_rule",
    "arrow",
    "attention_step",
    "box",
    "causal_mask",
    "chat_tokens",
    "continuations",
    "fan",
    "feed_forward",
    "flow",
    "heads",
    "journey",
    "lanes",
    "loss_targets",
    "low_rank",
    "model_map",
    "next_tokens",
    "ppo_round",
    "preference_methods",
    "projections",
    "read_at",
    "reasoning_loop",
    "residual_stream",
    "shared_keys",
    "sign",
    "token_credit",
    "tokens_read",
]
