"""Damaged and absurd models for the C step, in a process of their own (`test_native_library`).

Each trial damages a small model, its cache or its input in one to three ways and decodes. Python may refuse with any
exception; what must not happen is that the process ends. It prints how many trials computed something.
"""

import faulthandler
import random

import torch
from inference.test_native import small_packed
from torch import nn

from minillm.inference.decode import next_logits
from minillm.inference.native import NativeStep, paths
from minillm.inference.native_weights import misfit
from minillm.model.kv_cache import KVCache

NUMBERS = [-1, 0, 1, 2, 3, 15, 16, 31, 32, 33, 64, 96, 10_000]
SETTINGS = ["vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_ff", "max_seq_len"]
DTYPES = [torch.uint8, torch.int8, torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.float64]
VALUES = [float("nan"), float("inf"), -float("inf"), 3e38, -1e30, 1e-45, 0.0]


def odd_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of another shape, number format or layout, or with other contents."""
    kind = random.randrange(6)
    if kind == 0:
        shape = list(tensor.shape)
        shape[random.randrange(len(shape))] = random.choice([0, 1, 2, 31, 33, 200])
        return torch.zeros(shape, dtype=tensor.dtype)
    if kind == 1:
        return torch.zeros(tensor.shape, dtype=random.choice(DTYPES))
    if kind == 2:
        return tensor.new_zeros(()).expand(tensor.shape)
    if kind == 3:
        return tensor.T if tensor.dim() == 2 else tensor.flatten()
    if kind == 4:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    if tensor.dtype.is_floating_point:
        return tensor.clone().flatten().index_fill(0, torch.tensor([0, -1]), random.choice(VALUES)).view(tensor.shape)
    return torch.randint(0, 127, tensor.shape).to(tensor.dtype)


def damage_a_weight(model):
    name, parameter = random.choice(list(model.named_parameters()))
    layer, _, part = name.rpartition(".")
    new = nn.Parameter(odd_tensor(parameter.data), requires_grad=False)
    setattr(model.get_submodule(layer), part, new)


def damage_the_configuration(model):
    object.__setattr__(model.config, random.choice(SETTINGS), random.choice(NUMBERS))


def swap_a_layer(model):
    block = random.choice(list(model.blocks))
    layers = [block.attention.query, block.attention.key, block.feedforward.up, block.feedforward.down, model.head]
    owner, name = random.choice([(block.attention, "value"), (block.feedforward, "gate"), (model, "head")])
    setattr(owner, name, random.choice(layers))


def damage_the_blocks(model):
    model.blocks = nn.ModuleList(random.choice([[], [model.blocks[0]], [*model.blocks, *model.blocks]]))


def replace_the_embedding(model):
    size = random.choice([(50, 31), (50, 33), (50, 1), (49, 32), (5_000, 32)])
    lying = [lambda ids: torch.zeros(*ids.shape, size[1]), lambda ids: torch.zeros(70, ids.shape[1], 32)]
    lying += [lambda ids: torch.zeros(*ids.shape, 32, device="meta"), lambda ids: torch.zeros(32)]
    embedding = nn.Identity()
    embedding.forward = random.choice(lying)
    model.embedding = random.choice([nn.Embedding(*size), nn.Identity(), embedding])


DAMAGES = [damage_a_weight, damage_a_weight, damage_the_configuration, swap_a_layer, damage_the_blocks,
           replace_the_embedding]  # fmt: skip


def odd_cache(B: int) -> KVCache:
    shape = [2, B, 2, 24, 8]
    if random.random() < 0.3:
        shape[random.randrange(5)] = random.choice([0, 1, 2, 7, 9, 64])
    cache = KVCache(*shape, dtype=random.choice([torch.float32, torch.float16, torch.bfloat16, torch.float64]))
    if random.random() < 0.2:
        cache.keys = random.choice([cache.keys.mT, cache.keys[..., :-1], cache.keys.double(), cache.values])
    cache.length = random.choice([0, 0, 0, 1, 23, 24, 25, -1, 10**9])
    return cache


def odd_input(B: int, T: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    ids = torch.randint(*random.choice([(0, 49), (0, 49), (0, 49), (-3, 60)]), (B, T))
    segments = random.choice([*[None] * 6, torch.ones_like(ids), torch.randint(-1, 3, (B, T)), torch.ones(B, T + 1)])
    return random.choice([*[ids] * 8, ids.int(), ids.float(), ids[:, ::2]]), segments


def trial(step_of) -> bool:
    changes = random.choice([{}, {"bias": "qkv", "qk_norm": True}, {"n_kv_heads": 4}, {"sliding_window": 2}])
    model = small_packed(random.choice(["int4", "int8", "bfloat16", "float32"]), **changes)
    B, T = random.choice([0, 1, 1, 2, 2, 5]), random.choice([0, 1, 1, 2, 6, 24])
    with torch.no_grad():
        step = step_of(model) if random.random() < 0.5 else None  # the damage comes after the weights were copied
        for _ in range(random.choice([0, 1, 1, 2])):
            random.choice(DAMAGES)(model)
        ids, segments = odd_input(B, T)
        cache = model.new_cache(B, 24) if random.random() < 0.7 else odd_cache(B)
        if step is not None:
            step(ids, cache, segments, random.choice([None, 1, 2, 50, 0, -1]))
        else:
            step_of(model)(ids, cache, segments)
        if misfit(model) is None:  # else PyTorch's own kernels get what is damaged
            next_logits(model, ids, cache)
    return True


def main(seed: int, trials: int) -> None:
    faulthandler.enable()  # says where, should the process end after all
    torch.set_num_threads(1)
    possible, computed = paths(), 0
    for number in range(seed, seed + trials):
        random.seed(number)
        torch.manual_seed(number)
        path = random.choice(possible)
        try:
            computed += trial(lambda model, path=path: NativeStep(model, path, random.choice([1, 2])))
        except Exception as error:
            if isinstance(error, SystemError | MemoryError):
                raise
    print(f"{computed} of {trials} computed")
