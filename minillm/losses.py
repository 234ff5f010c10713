"""Losses on plain tensors: next-token cross-entropy (pretraining, SFT), entropy, and the Bradley-Terry loss of pairs.

Training calls `fused_linear_cross_entropy`, which gives the value and gradient of `next_token_loss` with less memory.
The losses of DPO are in `posttraining/dpo.py`, those of PPO and GRPO in `posttraining/policy_gradient.py`.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minillm import kernels
from minillm.errors import UserError
from minillm.kernels import products

IGNORE = -100  # target without a loss: padding, or a prompt in SFT (PyTorch's convention)


def next_token_loss(logits: Float[Tensor, "*B T V"], targets: Int[Tensor, "*B T"]) -> Float[Tensor, ""]:
    """Mean cross-entropy -log p(target) in nats per token, over the targets that are not `IGNORE`.

    `targets[t]` is the token *after* position t (already shifted). Raises `UserError` if every target is ignored.

    >>> import torch
    >>> logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    >>> round(next_token_loss(logits, torch.tensor([0, 2])).item(), 4)   # -(log 0.5 + log 0.8) / 2
    0.4581
    """
    _require_targets(targets)
    logits = logits.float()  # log-sum-exp over thousands of bfloat16 logits would lose the digits of a loss curve
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORE)


def _require_targets(targets: Int[Tensor, "*B T"]) -> None:
    if (targets == IGNORE).all():
        raise UserError(f"all {targets.numel()} targets are ignored ({IGNORE}); a batch needs at least one target")


def sft_loss(
    model: Callable[[Int[Tensor, "B T"]], Float[Tensor, "B T V"]], ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """`next_token_loss` on the answers alone: predict `ids[:, 1:]` where `mask[:, 1:]` is True.

    `mask` is True at the tokens of the answers, False at prompts and padding (Ouyang et al. 2022, section 3). Every
    answer token of the batch has the same weight. Raises `UserError` where no answer token has one before it, and for
    a mask that is not bool.

    >>> ids, uniform = torch.tensor([[5, 6, 7]]), lambda ids: torch.zeros(*ids.shape, 8)
    >>> round(sft_loss(uniform, ids, torch.tensor([[False, False, True]])).item(), 4)               # log 8
    2.0794
    """
    if mask.dtype != torch.bool:
        raise UserError(f"the mask is of {mask.dtype}; give mask.bool(), True at the tokens of answers")
    return next_token_loss(model(ids[:, :-1]), ids[:, 1:].where(mask[:, 1:], IGNORE))


def fused_linear_cross_entropy(
    hidden: Float[Tensor, "*B T C"], head: Float[Tensor, "V C"], targets: Int[Tensor, "*B T"]
) -> Float[Tensor, ""]:
    """`next_token_loss(hidden @ head.T, targets)` without ever holding all logits.

    B x T x V float32 logits and their gradient are the largest tensors of a training step: 400 MB for 1,024 tokens of
    a vocabulary of 49,152. Here a chunk of positions at a time is taken to its logits, its loss and its gradient, and
    its logits are dropped (Liger Kernel, Hsu et al. 2024; Cut Cross-Entropy, Wijmans et al. 2024, does it inside one
    kernel). Positions without a target, such as a prompt in SFT, cost nothing. The gradient is computed
    together with the loss, so only the first derivative exists. Raises `UserError` if every target is ignored.

    >>> hidden, head = torch.eye(2), torch.log(torch.tensor([[0.5, 0.1], [0.25, 0.1], [0.25, 0.8]]))
    >>> round(fused_linear_cross_entropy(hidden, head, torch.tensor([0, 2])).item(), 4)   # the example above
    0.4581
    """
    _require_targets(targets)
    mask = targets != IGNORE
    return _FusedLinearCrossEntropy.apply(hidden[mask], head, targets[mask], torch.is_grad_enabled())


class _FusedLinearCrossEntropy(torch.autograd.Function):
    LOGITS_ON_CPU = 2**18  # of a chunk: 1 MB, what a core's cache holds
    LOGITS_ELSEWHERE = 2**25  # 128 MB: few chunks, since each starts some ten kernels
    FEWEST_ROWS = 128  # with less, the matrix product is slow

    @staticmethod
    def forward(
        ctx: Any, hidden: Float[Tensor, "N C"], head: Float[Tensor, "V C"], targets: Int[Tensor, "N"], learn: bool
    ) -> Float[Tensor, ""]:
        weight = head.to(_product_dtype(head.device.type, head.dtype))  # once: autocast would for each chunk
        total = torch.zeros((), device=hidden.device)
        d_hidden = torch.empty_like(hidden)
        learn_head = learn and ctx.needs_input_grad[1]  # LoRA and others leave it as it is
        d_head = torch.zeros_like(head, dtype=torch.float32) if learn_head else None
        rows = _FusedLinearCrossEntropy.rows(hidden.device.type, len(head))
        product = products.product if products.usable(hidden, weight) else F.linear
        for start in range(0, len(hidden), rows):
            chunk = slice(start, start + rows)
            x, target = hidden[chunk].to(weight.dtype), targets[chunk]
            d_logits = logits = product(x, weight)
            if kernels.usable(logits):
                total += kernels.cross_entropy_(logits, target).sum()
            else:
                log_probs = logits.float().log_softmax(-1)
                total -= log_probs.gather(-1, target[:, None]).sum()
                d_logits = _softmax_minus_one_hot(log_probs, target[:, None]).to(weight.dtype) if learn else logits
            if learn:
                d_hidden[chunk] = product(d_logits, weight.mT)
                if d_head is not None:
                    d_head += product(d_logits.mT, x.mT)
        if learn:
            d_head = None if d_head is None else d_head.div_(len(hidden)).to(head.dtype)
            ctx.save_for_backward(d_hidden.div_(len(hidden)), d_head)
        return total / len(hidden)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        d_hidden, d_head = ctx.saved_tensors
        return d_hidden * gradient, None if d_head is None else d_head * gradient, None, None

    @classmethod
    def rows(cls, device: str, vocab_size: int) -> int:
        """The number of positions in a chunk."""
        logits = cls.LOGITS_ON_CPU if device == "cpu" else cls.LOGITS_ELSEWHERE
        return max(logits // vocab_size, cls.FEWEST_ROWS)


def _product_dtype(device: str, own: torch.dtype) -> torch.dtype:
    """The format that autocast takes products in, or a tensor's own where it is off."""
    available = torch.amp.is_autocast_available(device)  # not on "meta"
    return torch.get_autocast_dtype(device) if available and torch.is_autocast_enabled(device) else own


def _softmax_minus_one_hot(log_probs: Float[Tensor, "N V"], target: Int[Tensor, "N 1"]) -> Float[Tensor, "N V"]:
    """The gradient of -log p(target) with respect to the logits, written over `log_probs`."""
    return log_probs.exp_().scatter_add_(-1, target, torch.full_like(target, -1.0, dtype=log_probs.dtype))


def token_log_probs(logits: Float[Tensor, "*B T V"], targets: Int[Tensor, "*B T"]) -> Float[Tensor, "*B T"]:
    """Log-probability log p(target) in nats at every position; 0 where the target is `IGNORE`.

    >>> import torch
    >>> logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    >>> round(token_log_probs(logits, torch.tensor([1])).item(), 4)      # log 0.25
    -1.3863
    """
    mask = targets != IGNORE
    chosen = logits.float().log_softmax(-1).gather(-1, targets.where(mask, 0).unsqueeze(-1)).squeeze(-1)
    return chosen.where(mask, 0.0)


def entropy(logits: Float[Tensor, "*B V"], mask: Bool[Tensor, "*B"] | None = None) -> Float[Tensor, "*B"]:
    """Entropy -sum_v p log p of each predicted distribution, in nats; 0 where `mask` is False.

    A logit of -inf (a token that is ruled out) adds nothing.

    >>> entropy(torch.tensor([0.0, 0.0, -torch.inf]))                                       # log 2
    tensor(0.6931)
    """
    log_probs = logits.float().log_softmax(-1).clamp(min=torch.finfo(torch.float32).min)
    found = entropy_of_log_probs(log_probs)
    return found if mask is None else found.where(mask, 0.0)


def entropy_of_log_probs(log_probs: Float[Tensor, "*B V"]) -> Float[Tensor, "*B"]:
    """`entropy` of distributions whose finite log-probabilities are known already.

    >>> entropy_of_log_probs(torch.tensor([0.5, 0.25, 0.25]).log())                     # 1.5 bits, in nats
    tensor(1.0397)
    """
    return -(log_probs.exp() * log_probs).sum(-1)


def bradley_terry_loss(
    chosen: Float[Tensor, "B"], rejected: Float[Tensor, "B"] | float = 0.0, label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Mean of -log sigmoid(r_chosen - r_rejected), in nats per pair.

    Bradley & Terry 1952; Ouyang et al. 2022, eq. 1. Only differences matter, so margins may be given alone. With
    `label_smoothing` s, a share s of the labels is taken to be wrong: -(1 - s) log sigmoid(m) - s log sigmoid(-m)
    (Mitchell 2023, "A note on DPO with noisy preferences", eq. 3).

    >>> round(bradley_terry_loss(torch.tensor([1.0]), torch.tensor([1.0])).item(), 4)       # log 2: undecided
    0.6931
    """
    margins = chosen - rejected
    losses = -F.logsigmoid(margins)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * F.logsigmoid(-margins)
    return losses.mean()
