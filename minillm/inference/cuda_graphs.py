"""One step of writing as a CUDA graph: recorded once, and then started by a single call.

A small step on a card is hundreds of kernels of a few microseconds each, and Python takes longer to start one than the
card to run it. A graph is the list of these kernels with the addresses and shapes that they had when it was recorded;
it runs without Python. So nothing may change from step to step but the numbers inside tensors: `static_step` takes the
position as a tensor, writes its keys and values where that tensor says, and attends to the whole cache under a mask.
`Transformer` with a cache computes the same, with a past that grows by one; it is the form to read.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError
from minillm.model.kv_cache import KVCache
from minillm.model.position import alibi_slopes, rotary_angles
from minillm.model.transformer import Transformer


def static_step(
    model: Transformer,
    x: Float[Tensor, "B 1 C"],
    position: Int[Tensor, "1"],
    keys: Float[Tensor, "L B K S D"],
    values: Float[Tensor, "L B K S D"],
) -> Float[Tensor, "B V"]:
    """The logits after one more token in every row, whose embeddings are `x`: each step has the same shapes.

    Row `position` of all S in `keys` and `values` is written, those before it are read; S is what a step costs, however
    short the text is. Nothing here asks for the value of a number, so the step can be recorded, or compiled whole.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> cache, x = model.new_cache(), model.embedding(torch.tensor([[7]]))
    >>> static_step(model, x, torch.tensor([0]), cache.keys, cache.values).shape
    torch.Size([1, 10])
    """
    c, cache = model.config, _WholeCache(keys, values, position)
    ahead = torch.arange(keys.shape[3], device=x.device) - position  # (S,), the past is negative
    visible = ahead <= 0 if c.sliding_window is None else (ahead <= 0) & (ahead > -c.sliding_window)
    mask, angles, bias = visible.unsqueeze(0), None, None
    if model.position is not None:
        x = x + model.position(position).to(x.dtype)
    if c.position == "rotary":
        angles = rotary_angles(position, c.d_head, c.rope_theta, c.rope_scaling)
    elif c.position == "alibi":  # hides the future too: joining a mask to it would copy a number to the card
        bias = alibi_slopes(c.n_heads, x.device)[:, None, None] * ahead
        mask, bias = None, bias.masked_fill(~visible, -math.inf)
    for layer, block in enumerate(model.blocks):
        x = block(x, mask=mask, angles=angles, bias=bias, cache=cache, layer=layer)
    return model.head(model.final_norm(x))[:, 0]


class GraphedDecoder:
    """Logits of one new token in every row, as `Transformer` computes them from the same cache, without its overhead.

    On a card the step is recorded when a cache is first seen, which takes about as long as three steps, and started as
    a graph from then on; the weights must stay where they are. Elsewhere it is an ordinary, slower step, so that its
    arithmetic can be held against the model's anywhere. Raises `ValueError` when the cache or the context is full, and
    for rows with padding.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> GraphedDecoder(model)(torch.tensor([7]), model.new_cache()).shape
    torch.Size([1, 10])
    """

    def __init__(self, model: Transformer):
        self.model = model
        self.cache: KVCache | None = None  # the one that the graph was recorded on

    @torch.no_grad()
    def __call__(self, tokens: Int[Tensor, "B"], cache: KVCache) -> Float[Tensor, "B V"]:
        """Append one token to every row of `cache`."""
        if cache.segments is not None:
            raise UserError("this cache holds padding or several texts in a row; call the model itself with it")
        cache.check_room(1)
        self.model.check_length(1, cache.length)
        x = self.model.embedding(tokens.unsqueeze(1))
        position = torch.full((1,), cache.length, device=x.device)
        if x.device.type != "cuda":
            logits = static_step(self.model, x, position, cache.keys, cache.values)
        else:
            if cache is not self.cache:
                self._record(x, position, cache)
            self.x.copy_(x)
            self.position.copy_(position)
            self.graph.replay()
            logits = self.logits.clone()  # the next step writes its own into the same place
        cache.advance(1)
        return logits

    def _record(self, x: Float[Tensor, "B 1 C"], position: Int[Tensor, "1"], cache: KVCache) -> None:
        """Record the step on this cache; its runs before that write only the row that the first step writes anyway."""
        self.cache, self.x, self.position = cache, x.clone(), position.clone()
        inputs = self.model, self.x, self.position, cache.keys, cache.values
        with torch.cuda.device(x.device):
            # Libraries, and our quantised layers, make what they need at their first call; a recording forbids it.
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(2):
                    static_step(*inputs)
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.logits = static_step(*inputs)


class _WholeCache(KVCache):
    """Keys and values as a graph sees them: always all S of them, the new ones where a tensor says."""

    def __init__(self, keys: Tensor, values: Tensor, position: Tensor):
        self.keys, self.values, self.position = keys, values, position

    def append(
        self, layer: int, key: Float[Tensor, "B K 1 D"], value: Float[Tensor, "B K 1 D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        self.keys[layer].index_copy_(2, self.position, key)
        self.values[layer].index_copy_(2, self.position, value)
        return self.keys[layer], self.values[layer]
