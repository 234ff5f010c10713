"""The formulas of PPO, GRPO and REINFORCE, one function each.

A language model that answers is a policy: its state is the text so far, its action the next token, and the reward
comes at the end. Tables have the shape (B, T), T tokens of each of B answers; `mask` is True at real tokens and False
at the padding after them. An answer without tokens counts as 0, as in TRL.
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.errors import UserError

# How losses of tokens become the loss of a batch, by the names that TRL gives them: "grpo" `answer_mean` (Shao et al.
# 2024), "dapo" `token_mean` (Yu et al. 2025, section 3.3), "dr_grpo" `constant_mean` (Liu et al. 2025, section 3.2).
LossType = Literal["grpo", "dapo", "dr_grpo"]


def token_mean(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over all tokens of all answers: a long answer has a larger weight than a short one.

    >>> token_mean(torch.tensor([[1.0, 3.0], [8.0, 9.0]]), torch.tensor([[True, True], [True, False]]))
    tensor(4.)
    """
    return (values * mask).sum() / mask.sum().clamp(min=1)


def answer_mean(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over answers of the mean over their tokens: every answer has the same weight.

    >>> answer_mean(torch.tensor([[1.0, 3.0], [8.0, 9.0]]), torch.tensor([[True, True], [True, False]]))
    tensor(5.)
    """
    return ((values * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def constant_mean(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], max_new_tokens: int) -> Float[Tensor, ""]:
    """Sum over all tokens over B * `max_new_tokens`: a token has the same weight in answers of any length.

    Liu et al. 2025, "Understanding R1-Zero-like training" (Dr. GRPO), section 3.2 and appendix F.

    >>> constant_mean(torch.tensor([[1.0, 3.0], [8.0, 9.0]]), torch.tensor([[True, True], [True, False]]), 4)
    tensor(1.5000)
    """
    return (values * mask).sum() / (len(values) * max_new_tokens)


def token_rewards(
    scores: Float[Tensor, "B"],
    log_probs: Float[Tensor, "B T"],
    reference: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    kl_coef: float,
) -> Float[Tensor, "B T"]:
    """-kl_coef (log p - log p_ref) at every token, plus the answer's score at its last (Ouyang et al. 2022, eq. 2).

    The mean of log p - log p_ref over the policy's own answers is its KL divergence from the reference. So the sum of
    the rewards is the objective: the score minus `kl_coef` per nat of KL.

    >>> log_probs, reference = torch.tensor([[-1.0, -2.0, 0.0]]), torch.tensor([[-2.0, -2.0, 0.0]])
    >>> token_rewards(torch.tensor([5.0]), log_probs, reference, torch.tensor([[True, True, False]]), kl_coef=0.1)
    tensor([[-0.1000,  5.0000, -0.0000]])
    """
    rewards = -kl_coef * (log_probs - reference) * mask
    last = mask.sum(1, keepdim=True) - 1
    return rewards.scatter_add(1, last, scores[:, None].to(rewards.dtype))


def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    discount: float,
    gae_lambda: float,
) -> Float[Tensor, "B T"]:
    """Generalized advantage estimation (Schulman et al. 2016, eq. 16), 0 at padding.

        delta_t = r_t + discount V_(t+1) - V_t          A_t = delta_t + discount gae_lambda A_(t+1)

    `values` are the predicted returns before each token; after the last token the value is 0. `gae_lambda` 0 relies on
    the values entirely, 1 not at all: then A_t is the sum of the rewards from t on, minus V_t.

    >>> rewards, values = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.75]])
    >>> gae(rewards, values, torch.tensor([[True, True]]), discount=1.0, gae_lambda=0.5)    # 0.25 + 0.5 x 0.25, 0.25
    tensor([[0.3750, 0.2500]])
    """
    advantages = torch.zeros_like(rewards)
    following_value = following_advantage = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + discount * following_value - values[:, t]
        advantages[:, t] = (delta + discount * gae_lambda * following_advantage) * mask[:, t]
        following_value, following_advantage = values[:, t] * mask[:, t], advantages[:, t]
    return advantages


def whiten(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Subtract the mean and divide by the standard deviation, over the tokens of the mask; 0 elsewhere.

    The step then has the same size in any unit of the reward. If all values are equal, all become 0.

    >>> whiten(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([[-1.0000,  1.0000,  0.0000]])
    """
    same = values.masked_fill(~mask, -math.inf).amax() == values.masked_fill(~mask, math.inf).amin()
    centred = (values - token_mean(values, mask)) * mask
    centred = centred.masked_fill(same, 0.0)  # a rounded mean may differ from all
    return centred / (token_mean(centred.square(), mask).sqrt() + 1e-6)


def group_advantages(scores: Float[Tensor, "B"], group_size: int, scale: bool = True) -> Float[Tensor, "B"]:
    """Each score minus the mean of its group, over the group's standard deviation (Shao et al. 2024, section 4.1.2).

    A group is the answers to one prompt; they are consecutive rows. The standard deviation is the sample's, with n - 1
    in the denominator, as in TRL; 1e-6 is added to it (TRL: 1e-4), which matters only for scores that differ by less
    than that. If all scores of a group are equal, its advantages are 0. `scale=False` leaves the division out, as in
    Dr. GRPO (Liu et al. 2025, section 3.2): otherwise groups with nearly equal scores weigh as much as all others.

    >>> group_advantages(torch.tensor([1.0, 2.0, 3.0, 5.0, 5.0, 5.0]), group_size=3)
    tensor([-1.0000,  0.0000,  1.0000,  0.0000,  0.0000,  0.0000])
    """
    groups = scores.unflatten(0, (-1, group_size))
    same = groups.amax(1, keepdim=True) == groups.amin(1, keepdim=True)
    centred = (groups - groups.mean(1, keepdim=True)).masked_fill(same, 0.0)  # a rounded mean may differ from all
    if not scale:
        return centred.flatten()
    variance = centred.square().sum(1, keepdim=True) / max(group_size - 1, 1)
    return (centred / (variance.sqrt() + 1e-6)).flatten()


def clipped_policy_loss(
    log_probs: Float[Tensor, "B T"],
    old: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B #T"],
    clip: float,
    clip_high: float | None = None,
) -> Float[Tensor, "B T"]:
    """-min(ratio A, clip(ratio, 1 - clip, 1 + clip) A), ratio = p / p_old (Schulman et al. 2017, eq. 7).

    Sampled answers are used for several updates. Once these have made a token more probable by the factor 1 + clip
    (where A > 0), or less probable by 1 - clip (where A < 0), its gradient is 0. `clip_high` replaces the upper clip
    ("clip-higher" of DAPO, Yu et al. 2025, section 3.1): rare tokens may gain more.

    >>> log_probs = torch.tensor([[1.5, 1.5, 0.5, 0.5]]).log()
    >>> clipped_policy_loss(log_probs, torch.zeros(1, 4), torch.tensor([[1.0, -1.0, 1.0, -1.0]]), clip=0.2)
    tensor([[-1.2000,  1.5000, -0.5000,  0.8000]])
    """
    ratio = (log_probs - old).exp()
    clipped = ratio.clamp(1 - clip, 1 + (clip if clip_high is None else clip_high))
    return -torch.minimum(ratio * advantages, clipped * advantages)


def clipped_value_loss(
    values: Float[Tensor, "B T"], old: Float[Tensor, "B T"], returns: Float[Tensor, "B T"], clip: float
) -> Float[Tensor, "B T"]:
    """Half the squared error, or that of the value clipped to within `clip` of the old one if it is larger.

    Not in the PPO paper, but in its code (OpenAI baselines, ppo2): values, too, should stay near those that the
    advantages were computed with.

    >>> clipped_value_loss(torch.tensor([[3.0]]), torch.tensor([[0.0]]), torch.tensor([[2.0]]), clip=0.5)  # of 0.5
    tensor([[1.1250]])
    """
    clipped = old + (values - old).clamp(-clip, clip)
    return torch.maximum((values - returns).square(), (clipped - returns).square()) / 2


def ppo_loss(
    log_probs: Float[Tensor, "B T"],
    old: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    old_values: Float[Tensor, "B T"],
    returns: Float[Tensor, "B T"],
    *,
    clip: float = 0.2,
    value_clip: float = math.inf,
    value_coef: float = 0.1,
    clip_high: float | None = None,
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """Clipped policy loss plus `value_coef` times the value loss, as means over tokens (Schulman et al. 2017, eq. 9).

    `old` and `old_values` are log-probabilities and values before the first update on these answers; `advantages` are
    `gae` (usually after `whiten`), `returns` are `gae` + `old_values`. The KL penalty is part of the rewards
    (`token_rewards`). Returns the loss and its parts policy_loss and value_loss.

    >>> zeros, mask = torch.zeros(1, 2), torch.tensor([[True, True]])
    >>> loss, parts = ppo_loss(zeros, zeros, zeros + 1, mask, zeros, zeros, zeros + 2)   # -1 + 0.1 x 2^2 / 2
    >>> loss, parts["value_loss"]
    (tensor(-0.8000), tensor(2.))
    """
    policy = token_mean(clipped_policy_loss(log_probs, old, advantages, clip, clip_high), mask)
    value = token_mean(clipped_value_loss(values, old_values, returns, value_clip), mask)
    return policy + value_coef * value, {"policy_loss": policy, "value_loss": value}


def grpo_loss(
    log_probs: Float[Tensor, "B T"],
    old: Float[Tensor, "B T"],
    reference: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B"] | Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    *,
    clip: float = 0.2,
    kl_coef: float = 0.04,
    clip_high: float | None = None,
    loss_type: LossType = "grpo",
    max_new_tokens: int | None = None,
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """Clipped policy loss plus `kl_coef` times the estimated KL from the reference (Shao et al. 2024, eq. 3).

    `advantages` are `group_advantages` (B,), the same at each token of an answer, or a table. `loss_type` says how
    tokens are averaged (`LossType`); "dr_grpo" divides by `max_new_tokens`, the longest answer that was allowed (T if
    it is not given). Returns the loss and its parts policy_loss and kl_loss.

    >>> zeros, mask = torch.zeros(2, 2), torch.tensor([[True, True], [True, False]])
    >>> advantages = torch.tensor([2.0, -1.0])
    >>> [grpo_loss(zeros, zeros, zeros, advantages, mask, loss_type=kind)[0].item() for kind in ("grpo", "dr_grpo")]
    [-0.5, -0.75]
    """
    if loss_type not in get_args(LossType):
        raise UserError(f"loss_type is {loss_type!r}; choose one of {', '.join(get_args(LossType))}")
    table = advantages[:, None] if advantages.dim() == 1 else advantages

    def mean(losses: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
        if loss_type == "dr_grpo":
            return constant_mean(losses, mask, max_new_tokens or mask.shape[1])
        return (token_mean if loss_type == "dapo" else answer_mean)(losses, mask)

    policy = mean(clipped_policy_loss(log_probs, old, table, clip, clip_high))
    kl = mean(kl_estimate(log_probs, reference))
    return policy + kl_coef * kl, {"policy_loss": policy, "kl_loss": kl}


def reinforce_loss(
    log_probs: Float[Tensor, "B T"], advantages: Float[Tensor, "B #T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """-A log p of the answer, the sum over its tokens, as a mean over answers (Williams 1992, section 4).

    Its gradient estimates that of the expected reward with the opposite sign, if the answers come from this policy. A
    baseline subtracted from the rewards leaves the estimate's mean as it is and lowers its variance.

    >>> log_probs, mask = torch.tensor([[0.5, 0.5], [0.25, 1.0]]).log(), torch.tensor([[True, True], [True, False]])
    >>> reinforce_loss(log_probs, torch.tensor([[1.0], [0.0]]), mask)                            # log 4, over 2 answers
    tensor(0.6931)
    """
    return -(advantages * log_probs * mask).sum(1).mean()


def kl_estimate(log_probs: Float[Tensor, "B T"], reference: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """p_ref / p - 1 - log(p_ref / p): an estimate of KL(p, p_ref) from a token sampled from p, in nats.

    The estimator k3 of Schulman 2020 (joschu.net/blog/kl-approx.html); Shao et al. 2024, eq. 4. It has the right mean
    and is never negative, unlike log p - log p_ref.

    >>> kl_estimate(torch.tensor([[0.5]]).log(), torch.tensor([[0.25]]).log())                   # 0.5 - 1 + log 2
    tensor([[0.1931]])
    """
    log_ratio = reference - log_probs
    return log_ratio.exp() - 1 - log_ratio


def adapted_kl_coef(kl_coef: float, kl: float, target: float, rate: float = 0.1) -> float:
    """Raise the KL coefficient if the KL is above its target, lower it if below (Ziegler et al. 2019, sec. 2.2).

    The relative error is clipped to 20 %, so one step changes the coefficient by 2 % at most.

    >>> round(adapted_kl_coef(0.1, kl=9.0, target=6.0), 4), round(adapted_kl_coef(0.1, kl=5.4, target=6.0), 4)
    (0.102, 0.099)
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + rate * error)


def explained_variance(
    values: Float[Tensor, "B T"], returns: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Share of the returns' variance that the values predict: 1 is all of it, 0 what a constant predicts.

    >>> returns = torch.tensor([[1.0, 3.0]])
    >>> explained_variance(torch.tensor([[2.0, 3.0]]), returns, torch.tensor([[True, True]]))    # 1 - 0.25 / 1
    tensor(0.7500)
    """
    errors, deviations = returns - values, returns - token_mean(returns, mask)
    errors = errors - token_mean(errors, mask)
    return 1 - token_mean(errors.square(), mask) / (token_mean(deviations.square(), mask) + 1e-8)
