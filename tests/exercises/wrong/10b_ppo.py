"""Answers to exercise 10b as learners write them."""

import numpy as np
import torch
from answers import right, wrong

# 10b.1 A value clip that prevents repairs


def by_autograd(loss_of, values, old, advantages, mask, clip):
    """A loss of clean tables, and its gradient."""
    x, old, advantages = (torch.where(mask, table, 0.0) for table in (values, old, advantages))
    x.requires_grad_()
    loss = loss_of(x, old, advantages, mask, clip)
    return loss.detach(), torch.autograd.grad(loss, x, allow_unused=True, materialize_grads=True)[0]


def larger_half(x, near, target):
    return torch.maximum((x - target) ** 2, (near - target) ** 2) / 2


def around_old(x, old, clip):
    return old + torch.clamp(x - old, -clip, clip)


def with_target(target):
    def loss(x, old, A, mask, clip):
        return larger_half(x, around_old(x, old, clip), target(x, old, A))[mask].mean()

    return loss


@wrong("10b.1", "The target moves with the value")
def advantage_on_the_new_value(*call):
    return by_autograd(with_target(lambda x, old, A: x + A), *call)


@wrong("10b.1", "made from `values`, not from `old_values`")
def new_value_detached(*call):
    return by_autograd(with_target(lambda x, old, A: x.detach() + A), *call)


@wrong("10b.1", "The target is the advantage alone")
def advantages_as_returns(*call):
    return by_autograd(with_target(lambda x, old, A: A), *call)


@wrong("10b.1", "The advantage is subtracted")
def baseline_less_advantage(*call):
    return by_autograd(with_target(lambda x, old, A: old - A), *call)


@wrong("10b.1", "The target is the old value")
def stay_where_you_were(*call):
    return by_autograd(with_target(lambda x, old, A: old), *call)


@wrong("10b.1", "is the ½ missing")
def without_a_half(*call):
    loss, gradient = closed_form(*call)
    return 2 * loss, 2 * gradient


@wrong("10b.1", "is the ½ missing")
def both_errors_added(*call):
    def loss(x, old, A, mask, clip):
        near = around_old(x, old, clip)
        return (((x - old - A) ** 2 + (near - old - A) ** 2) / 2)[mask].mean()

    return by_autograd(loss, *call)


@wrong("10b.1", "The errors aren't squared")
def absolute_errors(*call):
    def loss(x, old, A, mask, clip):
        near = around_old(x, old, clip)
        return torch.maximum((x - old - A).abs(), (near - old - A).abs())[mask].mean()

    return by_autograd(loss, *call)


def averaged(mean):
    def loss(x, old, A, mask, clip):
        return mean(larger_half(x, around_old(x, old, clip), old + A) * mask, mask)

    return loss


@wrong("10b.1", "divided by all B · T places")
def mean_of_the_table(*call):
    return by_autograd(averaged(lambda table, mask: table.mean()), *call)


@wrong("10b.1", "The losses are summed")
def sum_of_losses(*call):
    return by_autograd(averaged(lambda table, mask: table.sum()), *call)


@wrong("10b.1", "divided by the number of answers")
def per_answer(*call):
    return by_autograd(averaged(lambda table, mask: table.sum(1).mean()), *call)


@wrong("10b.1", "Each answer has its own mean")
def mean_of_means(*call):
    return by_autograd(averaged(lambda table, mask: (table.sum(1) / mask.sum(1)).mean()), *call)


@wrong("10b.1", "The padding counts")
def mask_forgotten(values, old, A, mask, clip):
    x = values.clone().requires_grad_()
    loss = larger_half(x, around_old(x, old, clip), old + A).mean()
    return loss.item(), torch.autograd.grad(loss, x)[0]


@wrong("10b.1", "The padding has a gradient")
def gradient_not_masked(values, old, A, mask, clip):
    loss, gradient = closed_form(values, old, A, mask, clip)
    return loss, torch.where(mask, gradient, 1.0)


@wrong("10b.1", "The gradient is that of the tokens' sum")
def gradient_of_a_sum(values, old, A, mask, clip):
    loss, gradient = closed_form(values, old, A, mask, clip)
    return loss, gradient * mask.sum()


@wrong("10b.1", "the step downhill")
def step_for_gradient(*call):
    loss, gradient = closed_form(*call)
    return loss, -gradient


@wrong("10b.1", "a number for each token")
def not_averaged(values, old, A, mask, clip):
    def table(x, old, A, mask, clip):
        return larger_half(x, around_old(x, old, clip), old + A)

    gradient = closed_form(values, old, A, mask, clip)[1]
    clean = [torch.where(mask, each, 0.0) for each in (values, old, A)]
    return table(*clean, mask, clip) * mask, gradient


@wrong("10b.1", "Two results are asked for")
def loss_alone(*call):
    return closed_form(*call)[0]


@wrong("10b.1", "The gradient comes first")
def gradient_first(*call):
    return closed_form(*call)[::-1]


def with_near(near):
    def loss(x, old, A, mask, clip):
        return larger_half(x, near(x, old, clip), old + A)[mask].mean()

    return loss


@wrong("10b.1", "clipped to ±clip")
def clamp_the_value(*call):
    return by_autograd(with_near(lambda x, old, clip: x.clamp(-clip, clip)), *call)


@wrong("10b.1", "clipped by a ratio")
def as_the_policy(*call):
    def near(x, old, clip):
        return old * (x / torch.where(old == 0, 1e-9, old)).clamp(1 - clip, 1 + clip)

    return by_autograd(with_near(near), *call)


@wrong("10b.1", "isn't added to the old value")
def move_alone(*call):
    return by_autograd(with_near(lambda x, old, clip: (x - old).clamp(-clip, clip)), *call)


@wrong("10b.1", "is subtracted from the old value")
def other_way(*call):
    return by_autograd(with_near(lambda x, old, clip: old + (old - x).clamp(-clip, clip)), *call)


def with_choice(choose):
    def loss(x, old, A, mask, clip):
        near = around_old(x, old, clip)
        return choose((x - old - A) ** 2, (near - old - A) ** 2)[mask].mean() / 2

    return loss


@wrong("10b.1", "never repaired")
def smaller_error(*call):
    return by_autograd(with_choice(torch.minimum), *call)


@wrong("10b.1", "The clipped value alone counts")
def clipped_only(*call):
    return by_autograd(with_choice(lambda plain, clipped: clipped), *call)


@wrong("10b.1", "Nothing is clipped")
def plain_mse(*call):
    return by_autograd(with_choice(lambda plain, clipped: plain), *call)


@wrong("10b.1", "Nothing is clipped")
def clipped_around_the_target(*call):
    def loss(x, old, A, mask, clip):
        target = old + A
        return larger_half(x, target + (x - target).clamp(-clip, clip), target)[mask].mean()

    return by_autograd(loss, *call)


@wrong("10b.1", "The two errors are averaged")
def mean_of_both(*call):
    return by_autograd(with_choice(lambda plain, clipped: (plain + clipped) / 2), *call)


@wrong("10b.1", "upwards only")
def ceiling_only(*call):
    return by_autograd(with_near(lambda x, old, clip: torch.minimum(x, old + clip)), *call)


@wrong("10b.1", "The larger of two means")
def larger_mean(*call):
    def loss(x, old, A, mask, clip):
        near = around_old(x, old, clip)
        plain, clipped = (x - old - A)[mask].square().mean(), (near - old - A)[mask].square().mean()
        return torch.maximum(plain, clipped) / 2

    return by_autograd(loss, *call)


@wrong("10b.1", "the gradient doesn't stop")
def gradient_of_the_plain_error(values, old, A, mask, clip):
    loss, _ = closed_form(values, old, A, mask, clip)
    return loss, torch.where(mask, values - old - A, 0.0) / mask.sum()


@wrong("10b.1", "The loss isn't finite")
def masked_by_a_product(values, old, A, mask, clip):
    x = values.clone().requires_grad_()
    loss = (larger_half(x, around_old(x, old, clip), old + A) * mask).sum() / mask.sum()
    return loss.detach(), torch.autograd.grad(loss, x)[0] * mask


@wrong("10b.1", "The gradient isn't finite")
def masked_at_the_end(values, old, A, mask, clip):
    x = values.clone().requires_grad_()
    loss = larger_half(x, around_old(x, old, clip), old + A)[mask].mean()
    return loss.detach(), torch.autograd.grad(loss, x)[0]


@right("10b.1")
def closed_form(values, old, A, mask, clip):
    n, V, V_old, gained = mask.sum(), *(table.masked_fill(~mask, 0.0) for table in (values, old, A))
    error, move = V - V_old - gained, V - V_old
    clipped = torch.where(move > clip, clip - gained, torch.where(move < -clip, -clip - gained, error))
    plain = error.abs() >= clipped.abs()
    return torch.where(plain, error, clipped).square().sum() / (2 * n), torch.where(plain, error, 0.0) / n


@right("10b.1")
def token_by_token(values, old, A, mask, clip):
    loss, gradient, n = 0.0, torch.zeros(values.shape), int(mask.sum())
    for b, t in mask.nonzero().tolist():
        V, V_old, target = values[b, t].item(), old[b, t].item(), (old[b, t] + A[b, t]).item()
        near = min(max(V, V_old - clip), V_old + clip)
        loss += max((V - target) ** 2, (near - target) ** 2) / 2 / n
        gradient[b, t] = (V - target) / n if abs(V - target) >= abs(near - target) else 0
    return loss, gradient


@right("10b.1")
def numpy_where(values, old, A, mask, clip):
    real = mask.numpy()
    V, V_old, gained = (np.where(real, table.numpy(), 0) for table in (values, old, A))
    target, near = V_old + gained, np.clip(V, V_old - clip, V_old + clip)
    counts = (V - target) ** 2 >= (near - target) ** 2
    squares = np.where(counts, (V - target) ** 2, (near - target) ** 2)
    return squares[real].mean() / 2, np.where(counts & real, V - target, 0) / real.sum()


# 10b.2 The most reward within a KL limit


def log_softmax(table):
    return table - np.log(np.exp(table).sum(1, keepdims=True))


def listed(table):
    """What the tokens of each answer add up to, (V, V, V)."""
    return table[0][:, None, None] + table[:, :, None] + table


def scaled(rewards):
    return (rewards.numpy() - rewards.mean().item()) / rewards.std().item()


def ascent(reference, rewards, beta, n=200, rate=0.1, frequencies=lambda p: p):
    """A training with Adam on mean reward - beta KL: each policy, with its mean reward and KL."""
    theirs = log_softmax(reference.numpy())
    logits, first, second = theirs.copy(), 0.0, 0.0
    for step in range(1, n + 1):
        ours = log_softmax(logits)
        p, gap = np.exp(listed(ours)), listed(ours - theirs)
        kl = (p * gap).sum()
        yield logits, (p * rewards).sum(), kl
        weight, lead = frequencies(p), rewards - beta(kl) * gap
        lead = weight * (lead - (weight * lead).sum())
        moves = lead.sum(2) + lead.sum(0)
        moves[0] += lead.sum((1, 2))
        slope = moves - moves.sum(1, keepdims=True) * np.exp(ours)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        logits = logits + rate * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)


def last(policies):
    """The policy at the end of a training."""
    *_, (logits, _, _) = policies
    return logits


def kl_of(logits, reference):
    ours, theirs = log_softmax(logits), log_softmax(reference)
    return (np.exp(listed(ours)) * listed(ours - theirs)).sum()


def halved(reference, rewards, limit, measure=kl_of, sign=1.0):
    """Beta by halving an interval, so that a measure of the distance is at the limit."""
    low, high, best = -3.0, 2.0, reference.numpy().copy()
    for _ in range(14):
        middle = (low + high) / 2
        policy = last(ascent(reference, sign * scaled(rewards), lambda kl, beta=10**middle: beta))
        if measure(policy, reference.numpy()) <= limit:
            high, best = middle, policy
        else:
            low = middle
    return best


class Follower:
    """A beta that rises while the KL is above the limit, and falls while it's below."""

    def __init__(self, limit):
        self.limit, self.beta = limit, 1.0

    def __call__(self, kl):
        self.beta *= 1.02 if kl > self.limit else 0.98
        return self.beta


def best_within(policies, limit):
    """The policy with the highest mean reward of those within the limit."""
    fitting = [(mean, index, logits) for index, (logits, mean, kl) in enumerate(policies) if kl <= limit]
    return max(fitting, key=lambda each: each[0])[2]


@wrong("10b.2", "nothing has been learned")
def untrained(reference, rewards, limit):
    return reference.clone()


@wrong("10b.2", "One setting of the brake doesn't fit")
def the_lessons_beta(reference, rewards, limit):
    return last(ascent(reference, rewards.numpy(), lambda kl: 0.05))


@wrong("10b.2", "One setting of the brake doesn't fit")
def twenty_updates(reference, rewards, limit):
    return last(ascent(reference, scaled(rewards), lambda kl: 0.0, n=20))


@wrong("10b.2", "One setting of the brake doesn't fit")
def only_the_best_answer(reference, rewards, limit):
    table = torch.zeros_like(reference)
    a, b, c = np.unravel_index(rewards.argmax().item(), rewards.shape)
    table[0, a] = table[a, b] = table[b, c] = 5.0
    return table


@wrong("10b.2", "of the KL is used, and so")
def a_heavy_penalty(reference, rewards, limit):
    return last(ascent(reference, scaled(rewards), lambda kl: 10.0))


@wrong("10b.2", "The KL is used up, and")
def early_stop(reference, rewards, limit):
    best = reference.numpy().copy()
    for policy, _, kl in ascent(reference, scaled(rewards), lambda kl: 0.0, n=400, rate=0.01):
        if kl > limit:
            break
        best = policy
    return best


@wrong("10b.2", "The KL is used up, and")
def mixture_with_the_reference(reference, rewards, limit):
    start, low, high = reference.numpy(), 0.0, 1.0
    greedy = last(ascent(reference, scaled(rewards), lambda kl: 0.0))
    for _ in range(30):
        middle = (low + high) / 2
        fits = kl_of(start + middle * (greedy - start), start) <= limit
        low, high = (middle, high) if fits else (low, middle)
    return start + low * (greedy - start)


@wrong("10b.2", "limit")
def one_step_too_far(reference, rewards, limit):
    policies = ascent(reference, scaled(rewards), lambda kl: 0.0, n=400, rate=0.02)
    return next(logits for logits, _, kl in policies if kl > 1.02 * limit)


@wrong("10b.2", "The mean reward falls")
def downhill(reference, rewards, limit):
    return halved(reference, rewards, limit, sign=-1.0)


@wrong("10b.2", "probabilities, not logits")
def as_probabilities(reference, rewards, limit):
    return np.exp(log_softmax(halved(reference, rewards, limit)))


@wrong("10b.2", "transposed")
def columns(reference, rewards, limit):
    return halved(reference, rewards, limit).T


@wrong("10b.2", "The difference from the reference's logits")
def what_was_learned(reference, rewards, limit):
    return halved(reference, rewards, limit) - reference.numpy()


@wrong("10b.2", "isn't a table of")
def policy_and_kl(reference, rewards, limit):
    policy = halved(reference, rewards, limit)
    return policy, kl_of(policy, reference.numpy())


@wrong("10b.2", "isn't a table of")
def divided_by_zero(reference, rewards, limit):
    return reference / 0


@wrong("10b.2", "KL(reference, policy) that is at the limit")
def other_direction(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: kl_of(start, policy))


@wrong("10b.2", "per token that is at the limit")
def nats_per_token(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: kl_of(policy, start) / 3)


@wrong("10b.2", "in bits that is at the limit")
def bits(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: kl_of(policy, start) / np.log(2))


def row_kl(policy, reference):
    ours, theirs = log_softmax(policy), log_softmax(reference)
    return (np.exp(ours) * (ours - theirs)).sum(1)


@wrong("10b.2", "of the first token that is at the limit")
def first_token(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: row_kl(policy, start)[0])


@wrong("10b.2", "mean over the table's rows that is at the limit")
def mean_of_rows(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: row_kl(policy, start).mean())


@wrong("10b.2", "distance of the logits")
def distance_of_logits(reference, rewards, limit):
    def distance(policy, start):
        change = policy - start
        return ((change - change.mean(1, keepdims=True)) ** 2).sum()

    return halved(reference, rewards, limit, distance)


@right("10b.2")
def beta_by_halving(reference, rewards, limit):
    return halved(reference, rewards, limit)


@right("10b.2")
def beta_follows_the_kl(reference, rewards, limit):
    policies = ascent(reference, scaled(rewards), Follower(limit), n=600, rate=0.05)
    return best_within(policies, limit).tolist()


@right("10b.2")
def from_samples(reference, rewards, limit):
    """REINFORCE on 500 sampled answers an update; only mean and KL are measured exactly."""
    rng = np.random.default_rng(0)

    def sampled(p):
        return rng.multinomial(500, p.ravel() / p.sum()).reshape(p.shape) / 500

    policies = ascent(reference, scaled(rewards), Follower(limit), n=600, rate=0.03, frequencies=sampled)
    return torch.from_numpy(best_within(policies, limit))
