"""The formulas of PPO and GRPO, one function each.

A language model that answers is a policy: its state is the text so far, its action the next token, and the reward
comes at the end. Everything here is a table (B, T) over the tokens of B answers; `counts` is True where there is one.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def token_mean(values: Float[Tensor, "B T"], counts: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """The mean over all tokens: a long answer weighs more than a short one.

    >>> token_mean(torch.tensor([[1.0, 3.0], [8.0, 9.0]]), torch.tensor([[True, True], [True, False]]))
    tensor(4.)
    """
    return (values * counts).sum() / counts.sum()


def answer_mean(values: Float[Tensor, "B T"], counts: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """The mean over answers of the mean over their tokens: every answer weighs the same.

    >>> answer_mean(torch.tensor([[1.0, 3.0], [8.0, 9.0]]), torch.tensor([[True, True], [True, False]]))
    tensor(5.)
    """
    return ((values * counts).sum(1) / counts.sum(1)).mean()


def token_rewards(
    scores: Float[Tensor, "B"],
    log_probs: Float[Tensor, "B T"],
    reference: Float[Tensor, "B T"],
    counts: Bool[Tensor, "B T"],
    kl_coef: float,
) -> Float[Tensor, "B T"]:
    """-kl_coef (log p - log p_ref) at every token, and the score of the answer at its last (Ouyang et al. 2022, eq. 2).

    The mean of log p - log p_ref over the policy's own answers is its KL from the reference. So the sum of the rewards
    is what is to be maximised: the score, less the price of every nat by which the policy leaves the reference.

    >>> log_probs, reference = torch.tensor([[-1.0, -2.0, 0.0]]), torch.tensor([[-2.0, -2.0, 0.0]])
    >>> token_rewards(torch.tensor([5.0]), log_probs, reference, torch.tensor([[True, True, False]]), kl_coef=0.1)
    tensor([[-0.1000,  5.0000, -0.0000]])
    """
    rewards = -kl_coef * (log_probs - reference) * counts
    last = counts.sum(1, keepdim=True) - 1
    return rewards.scatter_add(1, last, scores[:, None].to(rewards.dtype))


def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    counts: Bool[Tensor, "B T"],
    discount: float,
    trace: float,
) -> Float[Tensor, "B T"]:
    """How much better each token did than the value expected (Schulman et al. 2016, eq. 16).

        delta_t = r_t + discount V_(t+1) - V_t          A_t = delta_t + discount trace A_(t+1)

    `values` are the expectations before each token; after the last one there is nothing to expect. `trace` (lambda in
    the paper) 0 trusts the values entirely, 1 not at all: then A_t is the sum of what came, less V_t.

    >>> rewards, values = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.75]])
    >>> gae(rewards, values, torch.tensor([[True, True]]), discount=1.0, trace=0.5)    # 0.25 + 0.5 x 0.25, 0.25
    tensor([[0.3750, 0.2500]])
    """
    advantages = torch.zeros_like(rewards)
    following_value = following_advantage = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + discount * following_value - values[:, t]
        advantages[:, t] = (delta + discount * trace * following_advantage) * counts[:, t]
        following_value, following_advantage = values[:, t] * counts[:, t], advantages[:, t]
    return advantages


def whiten(values: Float[Tensor, "B T"], counts: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Less their mean, over their standard deviation, counting the answers' tokens only; 0 elsewhere.

    The step then has the same size whatever the unit of the reward. Where all are the same, all become 0.

    >>> whiten(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([[-1.0000,  1.0000,  0.0000]])
    """
    same = values.masked_fill(~counts, -math.inf).amax() == values.masked_fill(~counts, math.inf).amin()
    centred = (values - token_mean(values, counts)) * counts
    centred = centred.masked_fill(same, 0.0)  # a rounded mean may miss them all
    return centred / (token_mean(centred.square(), counts).sqrt() + 1e-6)


def group_advantages(scores: Float[Tensor, "B"], group_size: int) -> Float[Tensor, "B"]:
    """Each score against the group of answers to its prompt: minus the group's mean, over its standard deviation.

    Shao et al. 2024, section 4.1.2. Answers to one prompt stand together. The standard deviation is the sample's, with
    n - 1 in the denominator, as in TRL; 1e-6 is added to it (TRL: 1e-4), which matters only for scores that differ by
    less than that. If all scores of a group are equal, its advantages are 0.

    >>> group_advantages(torch.tensor([1.0, 2.0, 3.0, 5.0, 5.0, 5.0]), group_size=3)
    tensor([-1.0000,  0.0000,  1.0000,  0.0000,  0.0000,  0.0000])
    """
    groups = scores.unflatten(0, (-1, group_size))
    same = groups.amax(1, keepdim=True) == groups.amin(1, keepdim=True)
    centred = (groups - groups.mean(1, keepdim=True)).masked_fill(same, 0.0)  # rounding may put the mean beside them
    variance = centred.square().sum(1, keepdim=True) / max(group_size - 1, 1)
    return (centred / (variance.sqrt() + 1e-6)).flatten()


def clipped_policy_loss(
    log_probs: Float[Tensor, "B T"], old: Float[Tensor, "B T"], advantages: Float[Tensor, "B T"], clip: float
) -> Float[Tensor, "B T"]:
    """-min(ratio A, clip(ratio, 1 - clip, 1 + clip) A), ratio = p / p_old (Schulman et al. 2017, eq. 7).

    Answers drawn by the policy of a moment ago are used for several steps. A token that has already become `clip` more
    likely by them, where that is good, or less likely, where that is, has no gradient any more.

    >>> log_probs = torch.tensor([[1.5, 1.5, 0.5, 0.5]]).log()
    >>> clipped_policy_loss(log_probs, torch.zeros(1, 4), torch.tensor([[1.0, -1.0, 1.0, -1.0]]), clip=0.2)
    tensor([[-1.2000,  1.5000, -0.5000,  0.8000]])
    """
    ratio = (log_probs - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped_value_loss(
    values: Float[Tensor, "B T"], old: Float[Tensor, "B T"], returns: Float[Tensor, "B T"], clip: float
) -> Float[Tensor, "B T"]:
    """Half the squared error, no smaller than that of the value kept within `clip` of the old one.

    Not in the paper of PPO, but in its code (OpenAI baselines, ppo2): values, too, are to stay near what the advantages
    were computed with.

    >>> clipped_value_loss(torch.tensor([[3.0]]), torch.tensor([[0.0]]), torch.tensor([[2.0]]), clip=0.5)  # of 0.5
    tensor([[1.1250]])
    """
    kept = old + (values - old).clamp(-clip, clip)
    return torch.maximum((values - returns).square(), (kept - returns).square()) / 2


def kl_estimate(log_probs: Float[Tensor, "B T"], reference: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """p_ref / p - 1 - log(p_ref / p): an estimate of KL(p, p_ref) from a token drawn from p, in nats.

    The estimator k3 of Schulman 2020 (joschu.net/blog/kl-approx.html); Shao et al. 2024, eq. 4. It has the right mean
    and is never negative, unlike log p - log p_ref.

    >>> kl_estimate(torch.tensor([[0.5]]).log(), torch.tensor([[0.25]]).log())                   # 0.5 - 1 + log 2
    tensor([[0.1931]])
    """
    log_ratio = reference - log_probs
    return log_ratio.exp() - 1 - log_ratio


def adapted_kl_coef(kl_coef: float, kl: float, target: float, rate: float = 0.1) -> float:
    """A little more where the KL is above its target, a little less where it is below (Ziegler et al. 2019, sec. 2.2).

    The error counts as 20 % at most, so a step changes the coefficient by 2 % at most.

    >>> round(adapted_kl_coef(0.1, kl=9.0, target=6.0), 4), round(adapted_kl_coef(0.1, kl=5.4, target=6.0), 4)
    (0.102, 0.099)
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + rate * error)


def explained_variance(
    values: Float[Tensor, "B T"], returns: Float[Tensor, "B T"], counts: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """The share of the returns' variance that the values foretold: 1 is all of it, 0 no more than a constant would.

    >>> returns = torch.tensor([[1.0, 3.0]])
    >>> explained_variance(torch.tensor([[2.0, 3.0]]), returns, torch.tensor([[True, True]]))    # 1 - 0.25 / 1
    tensor(0.7500)
    """
    errors, deviations = returns - values, returns - token_mean(returns, counts)
    errors = errors - token_mean(errors, counts)
    return 1 - token_mean(errors.square(), counts) / (token_mean(deviations.square(), counts) + 1e-8)
