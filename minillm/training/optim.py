"""The optimizers AdamW and Muon, and which parameters get weight decay."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.adamw import adamw as adamw_step

from minillm.device import autocast_dtype
from minillm.errors import UserError
from minillm.training.distributed import sharded_like, whole

BETAS = (0.9, 0.95)  # AdamW's decay rates of the mean gradient and of the mean squared gradient
EPS = 1e-8  # added to AdamW's denominator

# What an optimizer takes: a module, its parameters, or (name, parameter) pairs as from `named_parameters()`.
Parameters = nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]]


def make_optimizer(
    name: str, model: nn.Module, learning_rate: float, weight_decay: float, momentum: float = 0.9
) -> torch.optim.Optimizer:
    """Build the optimizer that a `TrainConfig` names; `momentum` is Muon's."""
    if name == "muon":
        return Muon(model, learning_rate, weight_decay, momentum)
    return adamw(model, learning_rate, weight_decay)


def adamw(
    params: Parameters,
    lr: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = BETAS,
    eps: float = EPS,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) with weight decay on matrices only.

    Weight decay keeps a matrix from growing where the data do not ask for it. Norm weights and biases (one dimension)
    are left out: decay of a scale does not regularize, it only dims the layer. Parameters that need no gradient are
    left out too. `fused` does the whole update in one kernel.

    >>> optimizer = adamw(nn.Linear(3, 2), lr=0.1, weight_decay=0.5)
    >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    [(1, 0.5), (1, 0.0)]
    >>> len(adamw([torch.zeros(3, requires_grad=True)], lr=0.1).param_groups[1]["params"])
    1
    """
    parameters = [p for _, p in trainable(params)]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=_fused(parameters))


def muon(
    params: Parameters,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    betas: tuple[float, float] = BETAS,
    eps: float = EPS,
) -> "Muon":
    """The optimizer `Muon`: orthogonalised momentum for matrices, AdamW (with `betas` and `eps`) for the rest.

    >>> weight = nn.Parameter(torch.eye(2)); weight.grad = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    >>> muon([weight], lr=0.1).step(); weight.data.round(decimals=2)        # 1 - 0.1 x 0.2 sqrt(2) x 1.1
    tensor([[0.9700, 0.0000],
            [0.0000, 0.9700]])
    """
    return Muon(params, lr, weight_decay, momentum, betas, eps)


def trainable(params: Parameters) -> list[tuple[str | None, Tensor]]:
    """The parameters that need a gradient, each with its name; None where no names are given.

    Raises `UserError` if there are none, and for groups of parameters.

    >>> [name for name, _ in trainable(nn.Linear(3, 2))], [name for name, _ in trainable(nn.Linear(3, 2).parameters())]
    (['weight', 'bias'], [None, None])
    """
    given = params.named_parameters() if isinstance(params, nn.Module) else params
    named = [item if isinstance(item, tuple) else (None, item) for item in given]
    if others := [item for _, item in named if not isinstance(item, Tensor)]:
        kind = type(others[0]).__name__
        raise UserError(f"params holds a {kind}; give a model or its parameters, or torch's own optimizer for groups")
    found = [(name, p) for name, p in named if p.requires_grad]
    if not found:
        raise UserError(f"none of {len(named)} parameters needs a gradient; call requires_grad_() on what is to train")
    return found


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the matrices inside the blocks, AdamW elsewhere.

    A gradient matrix is usually led by a few directions, and a plain step moves along those alone. Muon replaces the
    momentum M = U S V^T by its nearest orthogonal matrix U V^T, in which every direction has the same strength:

        M <- mu M + G          O = orthogonalise(G + mu M)          W <- W - eta (0.2 sqrt(max(rows, columns)) O + wd W)

    (the post's algorithm 2 with Nesterov momentum; the factor and the decay are Liu et al. 2025, "Muon is scalable
    for LLM training", eq. 4: with them an entry moves as far as under AdamW, so one learning rate serves both). The
    post uses momentum 0.95; runs of a few hundred steps, as ours are, end lower with 0.9, and those of a hundred with
    0.85 (the race in `benchmarks/train.py`), since they forget the gradients of the first steps sooner.
    AdamW updates embeddings, head, norms and biases, which do not map vectors of the stream to vectors of the stream:
    where names are known, everything outside `blocks`. Of parameters without names every matrix is Muon's.

    >>> from minillm import ModelConfig, Transformer
    >>> model = Transformer(ModelConfig(vocab_size=9, d_model=8, n_layers=2, n_heads=2, max_seq_len=4))
    >>> optimizer = Muon(model, lr=0.01, weight_decay=0.1)
    >>> [(group["kind"], len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    [('muon', 14, 0.1), ('adamw', 1, 0.1), ('adamw', 5, 0.0)]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        betas: tuple[float, float] = BETAS,
        eps: float = EPS,
    ):
        kinds: dict[str, list[Tensor]] = {"inside": [], "table": [], "vector": []}
        for name, p in trainable(params):
            inside = p.dim() == 2 and (name is None or "blocks." in name)
            kinds["vector" if p.dim() < 2 else "inside" if inside else "table"].append(p)
        groups = [
            {"params": kinds["inside"], "kind": "muon", "weight_decay": weight_decay},
            {"params": kinds["table"], "kind": "adamw", "weight_decay": weight_decay},
            {"params": kinds["vector"], "kind": "adamw", "weight_decay": 0.0},
        ]
        for group in groups:  # by this name torch knows, when state is loaded, where the count of steps belongs
            group["fused"] = _fused(group["params"])
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                (self._step_muon if group["kind"] == "muon" else self._step_adamw)(parameters, group)

    def _step_muon(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Matrices of one shape are orthogonalised in one batch: fewer, larger matrix products."""
        dtype = autocast_dtype(parameters[0].device) or torch.float32
        same_shape = defaultdict(list)
        for p in parameters:
            same_shape[p.shape].append(p)
        for shape, matrices in same_shape.items():
            gradients = [p.grad for p in matrices]
            momenta = [self._state(p, "momentum")["momentum"] for p in matrices]
            torch._foreach_mul_(momenta, group["momentum"])
            torch._foreach_add_(momenta, gradients)
            ahead = torch._foreach_add(gradients, momenta, alpha=group["momentum"])
            # Where the matrices are sharded, each process needs all of them for this, and keeps its rows of the steps.
            steps = orthogonalise(whole(torch.stack(ahead)).to(dtype)).to(matrices[0].dtype).unbind()
            steps = [sharded_like(matrix, step) for matrix, step in zip(matrices, steps, strict=True)]
            torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(matrices, steps, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)

    def _step_adamw(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """torch's own AdamW, on this optimizer's state."""
        states = [self._state(p, "exp_avg", "exp_avg_sq", "step") for p in parameters]
        adamw_step(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _state(self, p: Tensor, *keys: str) -> dict[str, Tensor]:
        """The optimizer state of one parameter, all zero at first."""
        state = self.state[p]
        if not state:
            for key in keys:  # a kernel that does the whole step counts it on its own device, Python on the CPU
                step = torch.zeros((), device=p.device if _fused([p]) else "cpu")
                state[key] = step if key == "step" else torch.zeros_like(p)
        return state


def orthogonalise(matrix: Float[Tensor, "*batch rows columns"], steps: int = 5) -> Float[Tensor, "*batch rows columns"]:
    """Move the singular values of a matrix close to 1 and keep its singular vectors: U V^T of M = U S V^T.

    Newton-Schulz: X <- a X + (b A + c A^2) X with A = X X^T maps every singular value s to a s + b s^3 + c s^5 and
    needs matrix products only, no decomposition. The coefficients (Jordan et al. 2024) rise steeply at 0, so five
    steps lift all but the smallest values into about 0.7 to 1.2. They do not converge to 1 and need not.

    >>> orthogonalise(torch.tensor([[3.0, 0.0], [0.0, 0.5]])).round(decimals=1)
    tensor([[0.7000, 0.0000],
            [0.0000, 1.0000]])
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix  # the smaller product
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # no singular value is larger than the norm of all
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def _fused(parameters: Sequence[Tensor]) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in parameters)
