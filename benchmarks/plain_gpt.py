"""The baseline of `benchmarks/train.py`: a GPT-2-style model and its usual recipe, in plain PyTorch.

The model has 4 layers, 4 heads, width 128 and context 64, with LayerNorm, GELU, learned positions, one matrix for
queries, keys and values, no biases, and a tied head. The recipe is AdamW with betas 0.9 and 0.99, weight decay 0.1,
gradient clipping at 1, batches of 12 rows, a warmup of 100 steps to 1e-3, and a cosine to 1e-4 at step 2,000, in
float32. It shares no code with `minillm` and uses PyTorch's fused kernels wherever they exist.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS, BATCH, PEAK, FINAL, WARMUP = 2000, 12, 1e-3, 1e-4, 100


class Layer(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.fc, self.out = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.proj(mixed.transpose(1, 2).flatten(2))
        return x + self.out(F.gelu(self.fc(self.norm2(x))))


class PlainGPT(nn.Module):
    def __init__(self, vocab_size: int, width: int = 128, layers: int = 4, heads: int = 4, context: int = 64):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, width), nn.Embedding(context, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(
                    p, std=0.02 / math.sqrt(2 * layers) if name.endswith(("proj.weight", "out.weight")) else 0.02
                )

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.tokens.weight)


def plain_optimizer(model: nn.Module) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99), fused=True)


def plain_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    inputs: Tensor,
    targets: Tensor,
    steps: int = STEPS,
) -> Tensor:
    rate = PEAK * (step + 1) / WARMUP
    if step >= WARMUP:
        done = (step - WARMUP) / (steps - WARMUP)
        rate = FINAL + (PEAK - FINAL) * (1 + math.cos(math.pi * done)) / 2
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()
