"""Answers to exercise 07 as learners write them."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 07.1 The log-probability of a sampled text


def taken(log_p, ids):
    return log_p[torch.arange(len(ids)), ids]


def cut(logits, min_p):
    probs = logits.softmax(-1)
    return logits.masked_fill(probs < min_p * probs.amax(-1, keepdim=True), -math.inf)


@wrong("07.1", "The temperature is not used: this is the plain softmax")
def as_in_pretraining(logits, ids, temperature, min_p):
    return taken(logits.log_softmax(-1), ids).sum().item()


@wrong("07.1", "`min_p` is not used")
def temperature_alone(logits, ids, temperature, min_p):
    return taken((logits / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The temperature is not used: this is the plain softmax")
def cut_alone(logits, ids, temperature, min_p):
    return taken(cut(logits, min_p).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The temperature comes first, and min-p after it")
def temperature_first(logits, ids, temperature, min_p):
    return taken(cut(logits / temperature, min_p).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The logits are multiplied by the temperature")
def multiplied(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) * temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "After the cut, the probabilities are not normalized again")
def still_out_of_all(logits, ids, temperature, min_p):
    log_p = (logits / temperature).log_softmax(-1)
    return taken(log_p.masked_fill(cut(logits, min_p).isinf(), -math.inf), ids).sum().item()


@wrong("07.1", "It is the mean per token")
def per_token(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).mean().item()


@wrong("07.1", "It is the negative log-likelihood, as in a loss")
def as_a_loss(logits, ids, temperature, min_p):
    return F.cross_entropy(cut(logits, min_p) / temperature, ids, reduction="sum").item()


@wrong("07.1", "It is the mean negative log-likelihood, as in a loss")
def as_torch_does(logits, ids, temperature, min_p):
    return F.cross_entropy(cut(logits, min_p) / temperature, ids).item()


@wrong("07.1", "It is the probability, not its logarithm")
def probability(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).sum().exp().item()


@wrong("07.1", "The result is minus infinity for a text that the sampler can write.")
def product_first(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).softmax(-1), ids).prod().log().item()


@wrong("07.1", "The result is minus infinity for a text that the sampler can write.")
def log_after_softmax(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).softmax(-1), ids).log().sum().item()


@wrong("07.1", "The result is NaN: are all tokens of a row removed, or does something")
def by_exponentials(logits, ids, temperature, min_p):
    powers = (cut(logits, min_p) / temperature).exp()
    return (taken(powers, ids) / powers.sum(-1)).log().sum().item()


@wrong("07.1", "It is in bits, not in nats")
def in_bits(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).sum().item() / math.log(2)


@wrong("07.1", "Only the last token counts")
def last_one(logits, ids, temperature, min_p):
    return (cut(logits, min_p) / temperature).log_softmax(-1)[-1, ids[-1]].item()


@wrong("07.1", "The tokens are shifted by one")
def next_tokens(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1)[:-1], ids[1:]).sum().item()


@wrong("07.1", "It is the perplexity")
def text_perplexity(logits, ids, temperature, min_p):
    return math.exp(min(700, -taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).mean().item()))


@wrong("07.1", "It is the log-probability of the most probable tokens, not of those in")
def best_tokens(logits, ids, temperature, min_p):
    return (cut(logits, min_p) / temperature).log_softmax(-1).amax(-1).sum().item()


@wrong("07.1", "`min_p` is taken as a probability, not as a share of the largest one.")
def absolute_limit(logits, ids, temperature, min_p):
    kept = logits.masked_fill(logits.softmax(-1) < min_p, -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The result is minus infinity for a text that the sampler can write.")
def nucleus(logits, ids, temperature, min_p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= 1 - min_p
    drop[..., 0] = False
    kept = logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "Logits are compared, not probabilities")
def of_the_logit(logits, ids, temperature, min_p):
    kept = logits.masked_fill(logits < min_p * logits.amax(-1, keepdim=True), -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The removed logits are 0, which leaves them a probability")
def zeros_for_the_removed(logits, ids, temperature, min_p):
    kept = torch.where(cut(logits, min_p).isinf(), 0.0, logits)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "Removed tokens have a large negative logit, not minus infinity")
def a_large_number(logits, ids, temperature, min_p):
    kept = cut(logits, min_p).clamp_min(-1e9)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "Tokens that the sampler can't draw are left out of the sum")
def what_can_be_written(logits, ids, temperature, min_p):
    each = taken((cut(logits, min_p) / temperature).log_softmax(-1), ids)
    return each[each.isfinite()].sum().item()


@wrong("07.1", "The result has 2 numbers, and one is asked for")
def each_token(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids)


@wrong("07.1", "The limit is the same in all rows")
def one_limit_for_all(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    kept = logits.masked_fill(probs < min_p * probs.max(), -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The softmax is over the positions, not over the vocabulary")
def other_axis(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(0), ids).sum().item()


@wrong("07.1", "The result is minus infinity for a text that the sampler can write.")
def strictly_above(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    kept = logits.masked_fill(probs <= min_p * probs.amax(-1, keepdim=True), -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "text_log_prob raised ValueError")
def log_of_the_limit(logits, ids, temperature, min_p):
    log_p = logits.log_softmax(-1)
    kept = logits.masked_fill(log_p < log_p.amax(-1, keepdim=True) + math.log(min_p), -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The log-probabilities are divided by the temperature, and not")
def divided_afterwards(logits, ids, temperature, min_p):
    return taken(cut(logits, min_p).log_softmax(-1), ids).sum().item() / temperature


@wrong("07.1", "A token of the text is never removed")
def what_was_drawn_stays(logits, ids, temperature, min_p):
    kept = cut(logits, min_p).scatter(-1, ids[:, None], logits.gather(-1, ids[:, None]))
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "It is the difference to the log-probability under the plain softmax.")
def ratio(logits, ids, temperature, min_p):
    mine = taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).sum()
    return (mine - taken(logits.log_softmax(-1), ids).sum()).item()


@wrong("07.1", "A text that the sampler can't write gets 0, the log of probability 1.")
def zero_if_impossible(logits, ids, temperature, min_p):
    total = taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).sum().item()
    return total if math.isfinite(total) else 0.0


@wrong("07.1", "The result is minus infinity for a text that the sampler can write.")
def the_tail(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    kept = logits.masked_fill(probs > min_p * probs.amax(-1, keepdim=True), -math.inf) if min_p else logits
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The logits of the tokens are summed, without a softmax")
def bare_logits(logits, ids, temperature, min_p):
    return (taken(cut(logits, min_p), ids) / temperature).sum().item()


@wrong("07.1", "Too many tokens are kept")
def squared_limit(logits, ids, temperature, min_p):
    p = logits.softmax(-1)
    kept = logits.masked_fill(p < (min_p * p.amax(-1, keepdim=True)) ** 2, -math.inf)
    return taken((kept / temperature).log_softmax(-1), ids).sum().item()


@right("07.1")
def one_position_at_a_time(logits, ids, temperature, min_p):
    total = 0.0
    for row, id in zip(logits.double().tolist(), ids.tolist(), strict=True):
        top = max(row)
        kept = [x for x in row if math.exp(x - top) >= min_p and x > -math.inf]
        if row[id] not in kept:
            return -math.inf
        total += (row[id] - top) / temperature - math.log(sum(math.exp((x - top) / temperature) for x in kept))
    return total


@right("07.1")
def with_numpy(logits, ids, temperature, min_p):
    z = logits.double().numpy()
    z = z - z.max(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        z = np.where(z < np.log(min_p), -np.inf, z) / temperature
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return float(log_p[np.arange(len(ids)), ids.numpy()].sum())


@right("07.1")
def by_cross_entropy(logits, ids, temperature, min_p):
    gap = logits - logits.amax(-1, keepdim=True)
    return -F.cross_entropy(torch.where(gap.exp() < min_p, -torch.inf, logits) / temperature, ids, reduction="sum")


@right("07.1")
def from_log_probabilities(logits, ids, temperature, min_p):
    log_p = logits.double().log_softmax(-1)
    limit = log_p.amax(-1, keepdim=True) + (math.log(min_p) if min_p else -math.inf)
    scaled = torch.where(log_p >= limit, log_p, -torch.inf) / temperature
    return (taken(scaled, ids) - scaled.logsumexp(-1)).sum()


@right("07.1")
def one_hot(logits, ids, temperature, min_p):
    log_p = (cut(logits.double(), min_p) / temperature).log_softmax(-1)
    chosen = F.one_hot(ids, logits.shape[1]).bool()
    return log_p[chosen].sum().item()


@right("07.1")
def the_sum_of_a_list(logits, ids, temperature, min_p):
    return sum((cut(row, min_p) / temperature).log_softmax(0)[id].item() for row, id in zip(logits, ids, strict=True))


@wrong("07.1", "Only the first token counts")
def first_one(logits, ids, temperature, min_p):
    return (cut(logits, min_p) / temperature).log_softmax(-1)[0, ids[0]].item()


@wrong("07.1", "The limit is `min_p` times the mean probability, not the largest.")
def mean_limit(logits, ids, temperature, min_p):
    p = logits.softmax(-1)
    k = logits.masked_fill(p < min_p * p.mean(-1, keepdim=True), -math.inf)
    return taken((k / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "A softmax is taken twice: of probabilities, not of logits")
def softmax_twice(logits, ids, temperature, min_p):
    p = cut(logits, min_p).softmax(-1) / temperature
    return taken(p.log_softmax(-1), ids).sum().item()


@wrong("07.1", "The probabilities of the tokens are summed, not their logarithms.")
def log_missing(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).softmax(-1), ids).sum().item()


@wrong("07.1", "A small number is added to each probability before the logarithm.")
def eps_log(logits, ids, temperature, min_p):
    return (taken((cut(logits, min_p) / temperature).softmax(-1), ids) + 1e-9).log().sum().item()


@wrong("07.1", "Only the most probable token is kept")
def greedy_when_cut(logits, ids, temperature, min_p):
    if min_p > 0:
        m = logits == logits.amax(-1, keepdim=True)
        logits = logits.masked_fill(~m, -math.inf)
    return taken((logits / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The first token is left out")
def drop_first(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids)[1:].sum().item()


@wrong("07.1", "It is the logarithm to base 10, not to base e")
def log10(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).sum().item() / math.log(10)


@wrong("07.1", "The removed logits are 0, which leaves them a probability")
def masked_by_product(logits, ids, temperature, min_p):
    p = logits.softmax(-1)
    k = logits * (p >= min_p * p.amax(-1, keepdim=True))
    return taken((k / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The logits are divided by the temperature twice")
def twice(logits, ids, temperature, min_p):
    return taken((cut(logits / temperature, min_p) / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "It is the log-probability of the least probable token")
def best_per_row_max(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids).min().item()


@wrong("07.1", "The result is NaN: are all tokens of a row removed, or does something")
def nan_impossible(logits, ids, temperature, min_p):
    p = cut(logits, min_p).softmax(-1) ** (1 / temperature)
    each = taken(p, ids) / p.sum(-1)
    return (each.log() * (each > 0)).sum().item()


# 07.2 Gumbel-max: a temperature without effect


def gumbel(u):
    return -(-u.clamp_min(1e-30).log()).log()


def perturbed(logits, temperature, noise):
    """The argmax with some noise, and without it at temperature 0."""
    t = temperature[:, None]
    return torch.where(t > 0, logits / t.clamp_min(1e-9) + noise, logits).argmax(-1)


@wrong("07.2", "The temperature still has no effect")
def still_divided(logits, temperature, u):
    cold = temperature == 0
    t = torch.where(cold, 1.0, temperature)[:, None]
    return torch.where(cold, logits.argmax(-1), ((logits + gumbel(u)) / t).argmax(-1))


@wrong("07.2", "The temperature still has no effect")
def unchanged(logits, temperature, u):
    return ((logits - (-u.log()).log()) / temperature[:, None]).argmax(-1)


@wrong("07.2", "At temperature 0 the logits are divided by 0, so infinity or NaN is")
def divides_by_zero(logits, temperature, u):
    return (logits / temperature[:, None] + gumbel(u)).argmax(-1)


@wrong("07.2", "At temperature 0 tokens are still drawn at random")
def zero_is_one(logits, temperature, u):
    t = torch.where(temperature == 0, 1.0, temperature)
    return (logits / t[:, None] + gumbel(u)).argmax(-1)


@wrong("07.2", "At temperature 0, a u of 0 gives 0 times an infinite noise")
def nan_at_zero(logits, temperature, u):
    return (logits + temperature[:, None] * -(-u.log()).log()).argmax(-1)


@wrong("07.2", "The logits are multiplied by the temperature, or the noise is divided")
def wrong_way_round(logits, temperature, u):
    return torch.where(temperature == 0, logits.argmax(-1), (logits * temperature[:, None] + gumbel(u)).argmax(-1))


@wrong("07.2", "The logits are multiplied by the temperature, or the noise is divided")
def noise_divided(logits, temperature, u):
    t = temperature[:, None].clamp_min(1e-9)
    return torch.where(temperature == 0, logits.argmax(-1), (logits + gumbel(u) / t).argmax(-1))


@wrong("07.2", "The temperature still has no effect")
def no_temperature(logits, temperature, u):
    return (logits + gumbel(u)).argmax(-1)


@wrong("07.2", "The noise has the other sign")
def other_sign(logits, temperature, u):
    return perturbed(logits, temperature, -gumbel(u))


@wrong("07.2", "The noise has a single logarithm: -log u")
def one_logarithm(logits, temperature, u):
    return perturbed(logits, temperature, -u.clamp_min(1e-30).log())


@wrong("07.2", "The noise is log u")
def log_u(logits, temperature, u):
    return perturbed(logits, temperature, u.clamp_min(1e-30).log())


@wrong("07.2", "u itself is added, without any logarithm")
def plain_u(logits, temperature, u):
    return perturbed(logits, temperature, u)


@wrong("07.2", "The noise is added to probabilities, after a softmax")
def on_probabilities(logits, temperature, u):
    t = temperature[:, None].clamp_min(1e-6)
    return torch.where(temperature == 0, logits.argmax(-1), ((logits / t).softmax(-1) + gumbel(u)).argmax(-1))


@wrong("07.2", "The smallest score is drawn")
def smallest(logits, temperature, u):
    t = temperature[:, None].clamp_min(1e-9)
    return torch.where(temperature == 0, logits.argmax(-1), (logits / t + gumbel(u)).argmin(-1))


@wrong("07.2", "It is greedy: the noise is not used")
def greedy(logits, temperature, u):
    return logits.argmax(-1)


@wrong("07.2", "All rows use the temperature of the first")
def first_temperature(logits, temperature, u):
    return (logits + temperature[0] * gumbel(u)).argmax(-1)


@wrong("07.2", "All rows use the mean temperature")
def mean_temperature(logits, temperature, u):
    return (logits + temperature.mean() * gumbel(u)).argmax(-1)


@wrong("07.2", "All rows use the noise of the first")
def shared_noise(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u[0])).argmax(-1)


@wrong("07.2", "Each row uses a single random number, in the cumulative sum of its")
def inverse_cdf(logits, temperature, u):
    probs = (logits / temperature[:, None].clamp_min(1e-6)).softmax(-1)
    return (probs.cumsum(-1) < u[:, :1]).sum(-1).clamp_max(logits.shape[1] - 1)


@wrong("07.2", "The noise is logistic, log(u / (1 - u))")
def logistic(logits, temperature, u):
    return perturbed(logits, temperature, torch.logit(u.clamp(1e-30, 1 - 1e-7)))


@wrong("07.2", "The noise is made of 1 - u")
def mirrored(logits, temperature, u):
    return perturbed(logits, temperature, gumbel(1 - u))


@wrong("07.2", "The logarithms of the noise have the base 2")
def noise_of_base_two(logits, temperature, u):
    return perturbed(logits, temperature, -(-u.clamp_min(1e-30).log2()).log2())


@wrong("07.2", "The largest score comes back, not its index")
def scores_back(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).amax(-1)


@wrong("07.2", "Each row is one-hot, not an id")
def one_hot_rows(logits, temperature, u):
    ids = (logits + temperature[:, None] * gumbel(u)).argmax(-1)
    return torch.nn.functional.one_hot(ids, logits.shape[1])


@wrong("07.2", "The result has the right numbers with an axis of 1 too many")
def a_column(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).argmax(-1, keepdim=True)


@wrong("07.2", "The argmax is over the texts, not over the vocabulary")
def down_the_columns(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).argmax(0)


@wrong("07.2", "The noise is multiplied by the square of the temperature")
def squared(logits, temperature, u):
    return (logits + temperature[:, None] ** 2 * gumbel(u)).argmax(-1)


@wrong("07.2", "One token is drawn for the whole batch")
def flat_argmax(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).argmax()


@wrong("07.2", "Removed tokens come back: minus infinity is replaced by 0")
def removed_come_back(logits, temperature, u):
    return (logits.nan_to_num(neginf=0.0) + temperature[:, None] * gumbel(u)).argmax(-1)


@wrong("07.2", "The temperature still has no effect")
def divided_twice(logits, temperature, u):
    t = temperature[:, None].clamp_min(1e-9)
    return torch.where(temperature == 0, logits.argmax(-1), (logits / t + gumbel(u) / t).argmax(-1))


@wrong("07.2", "If one text has temperature 0, all texts are decoded greedily.")
def all_cold(logits, temperature, u):
    if (temperature == 0).any():
        return logits.argmax(-1)
    return (logits / temperature[:, None] + gumbel(u)).argmax(-1)


@wrong("07.2", "Negative logits are set to 0")
def without_negatives(logits, temperature, u):
    return (logits.clamp_min(0) + temperature[:, None] * gumbel(u)).argmax(-1)


@wrong("07.2", "Small temperatures are raised to a smallest one")
def nearly_zero(logits, temperature, u):
    return (logits / temperature.clamp_min(0.1)[:, None] + gumbel(u)).argmax(-1)


@right("07.2")
def an_exponential_race(logits, temperature, u):
    t = temperature[:, None].clamp_min(1e-3)
    arrival = -u.double().log() / (logits.double() / t).softmax(-1)
    return torch.where(temperature == 0, logits.argmax(-1), arrival.nan_to_num(torch.inf).argmin(-1))


@right("07.2")
def row_by_row(logits, temperature, u):
    ids = []
    for row, t, own in zip(logits.tolist(), temperature.tolist(), u.tolist(), strict=True):
        noise = [-math.log(-math.log(x)) if x > 0 else -math.inf for x in own]
        scores = [z + t * g if t else z for z, g in zip(row, noise, strict=True)]
        ids.append(max(range(len(scores)), key=scores.__getitem__))
    return ids


@right("07.2")
def almost_zero(logits, temperature, u):
    noise = -torch.log(-torch.log(u.double() + 1e-20))
    return (logits.double() / temperature[:, None].clamp_min(1e-8) + noise).argmax(-1)


@right("07.2")
def with_numpy_noise(logits, temperature, u):
    with np.errstate(divide="ignore"):
        noise = -np.log(-np.log(u.double().numpy()))
    t = temperature.double().numpy()[:, None]
    with np.errstate(invalid="ignore"):
        return np.where(t > 0, logits.double().numpy() + t * noise, logits.numpy()).argmax(-1)


@right("07.2")
def from_log_probabilities_drawn(logits, temperature, u):
    hot = temperature > 0
    ids = logits.argmax(-1)
    log_p = (logits[hot] / temperature[hot, None]).log_softmax(-1)
    ids[hot] = (log_p - (-u[hot].log()).log()).argmax(-1)
    return ids


@right("07.2")
def the_first_of_a_sort(logits, temperature, u):
    noise = torch.where(temperature[:, None] > 0, gumbel(u) * temperature[:, None], 0.0)
    return (logits + noise).sort(dim=-1, descending=True).indices[:, 0]


@right("07.2")
def not_a_number_is_no_noise(logits, temperature, u):
    noise = (temperature[:, None] * -(-u.log()).log()).nan_to_num(0.0, neginf=-torch.inf)
    return (logits + noise).topk(1).indices.flatten()


@wrong("07.2", "The noise is multiplied by the square root of the temperature.")
def square_root(logits, temperature, u):
    return (logits + temperature.sqrt()[:, None] * gumbel(u)).argmax(-1)


@wrong("07.2", "At temperature 0 the logits are divided by 0, so infinity or NaN is")
def divided_in_the_end(logits, temperature, u):
    t = temperature[:, None]
    return ((logits + t * gumbel(u)) / t).argmax(-1)


@wrong("07.2", "The temperatures are taken in the reverse order")
def reversed_temperature(logits, temperature, u):
    return (logits + temperature.flip(0)[:, None] * gumbel(u)).argmax(-1)


@wrong("07.2", "All rows use the largest temperature")
def max_t(logits, temperature, u):
    return (logits + temperature.max() * gumbel(u)).argmax(-1)


@wrong("07.2", "The random numbers of a row are taken in another order")
def sorted_u(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u.sort(-1).values)).argmax(-1)


@wrong("07.2", "The noise at a row's temperature is added to the probabilities of its")
def softmax_first(logits, temperature, u):
    return (logits.softmax(-1) + temperature[:, None] * gumbel(u)).argmax(-1)


@wrong("07.2", "The second largest score is drawn")
def second(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).topk(2).indices[:, 1]


@wrong("07.2", "The ids are counted from 1.")
def plus_one(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).argmax(-1) + 1


@wrong("07.2", "The result is made of floats, and whole numbers are asked for.")
def float_ids(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).argmax(-1).float()


@wrong("07.2", "Temperatures below 1 are replaced by 1")
def at_least_one(logits, temperature, u):
    t = temperature[:, None]
    return torch.where(t == 0, logits, logits / t.clamp_min(1.0) + gumbel(u)).argmax(-1)


@wrong("07.2", "At temperature 0, token 0 is drawn")
def zero_token(logits, temperature, u):
    return torch.where(temperature == 0, 0, (logits + temperature[:, None] * gumbel(u)).argmax(-1))


@wrong("07.2", "The noise has the other sign")
def race_wrong(logits, temperature, u):
    p = (logits / temperature[:, None].clamp_min(1e-3)).softmax(-1)
    return torch.where(temperature == 0, logits.argmax(-1), (p * -u.log()).argmax(-1))


@wrong("07.2", "The random numbers of a row are taken in another order")
def u_flip(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u.flip(-1))).argmax(-1)


@wrong("07.2", "u is subtracted from probabilities")
def coin(logits, temperature, u):
    p = (logits / temperature[:, None].clamp_min(1e-3)).softmax(-1)
    return (p - u).argmax(-1)


@wrong("07.2", "gumbel_max changed the input that it was given")
def added_in_place(logits, temperature, u):
    logits += temperature[:, None] * gumbel(u)
    return logits.argmax(-1)


# 07.3 Find the temperature for an entropy


def nats(logits, temperature):
    q = (logits[logits.isfinite()].double() / temperature).softmax(0)
    return -(q * q.log()).nan_to_num().sum().item()


def halved(logits, wanted, low=1e-6, high=1e6, times=80, measure=nats):
    for _ in range(times):
        middle = (low * high) ** 0.5
        if measure(logits, middle) < wanted:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "This is 1 over the temperature")
def multiplies(logits, entropy):
    return halved(logits, -entropy, measure=lambda z, factor: -nats(z, 1 / factor))


@wrong("07.3", "measured in bits")
def base_two(logits, entropy):
    return halved(logits, entropy, measure=lambda z, t: nats(z, t) / math.log(2))


@wrong("07.3", "as a perplexity, e to the entropy, not in nats")
def perplexity(logits, entropy):
    return halved(logits, entropy, measure=lambda z, t: math.exp(nats(z, t)))


@wrong("07.3", "the search went the other way")
def the_wrong_half(logits, entropy):
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if nats(logits, middle) > entropy else (low, middle)
    return middle


@wrong("07.3", "nearly right")
def too_few_rounds(logits, entropy):
    return halved(logits, entropy, times=12)


@wrong("07.3", "nearly right")
def a_grid(logits, entropy):
    return min((t / 100 for t in range(1, 1000)), key=lambda t: abs(nats(logits, t) - entropy))


@wrong("07.3", "is the end of your interval; the answer is outside of it")
def between_a_tenth_and_ten(logits, entropy):
    return halved(logits, entropy, 0.1, 10.0)


@wrong("07.3", "Is the entropy NaN")
def zero_times_infinity(logits, entropy):
    def measure(logits, temperature):
        log_q = (logits.double() / temperature).log_softmax(-1)
        return -(log_q.exp() * log_q).sum()

    return halved(logits, entropy, measure=measure)


@wrong("07.3", "as a share of the largest possible")
def normalized(logits, entropy):
    return halved(logits, entropy, measure=lambda z, t: nats(z, t) / math.log(len(z)))


@wrong("07.3", "the logarithm of the temperature")
def in_logarithms(logits, entropy):
    return math.log(halved(logits, entropy))


@wrong("07.3", "taken as -10,000")
def cut_as_a_low_number(logits, entropy):
    return halved(logits.where(logits.isfinite(), -1e4), entropy)


@wrong("07.3", "the entropy NaN there?")
def exp_overflows(logits, entropy):
    def measure(z, temperature):
        q = (z[z.isfinite()].double() / temperature).exp()
        return torch.special.entr(q / q.sum()).sum().item()

    return halved(logits, entropy, measure=measure)


@wrong("07.3", "taken as 0")
def cut_replaced(logits, entropy):
    return halved(torch.nan_to_num(logits, neginf=0.0), entropy)


@wrong("07.3", "Removed tokens come back: they count like the least probable of the")
def cut_as_the_least(logits, entropy):
    return halved(logits.clamp(min=logits[logits > -math.inf].min().item()), entropy)


@wrong("07.3", "the search went the other way")
def nan_is_never_too_small(logits, entropy):
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        q = (logits / middle).softmax(-1)
        if -(q * q.log()).sum() < entropy:
            low = middle
        else:
            high = middle
    return high


@wrong("07.3", "is not a temperature")
def newton_with_cut_tokens(logits, entropy):
    return newton_on(logits.double(), entropy)


@wrong("07.3", "The result")
def both_ends(logits, entropy):
    return halved(logits, entropy), halved(logits, entropy)


def newton_on(z, entropy):
    """In the logarithm of the temperature, where the slope is the variance divided by T²."""

    def moments(x):
        q = (z / math.exp(x)).softmax(0)
        return -(q * q.clamp(min=1e-300).log()).sum(), (q * z**2).sum() - (q * z).sum() ** 2

    x = min(torch.linspace(-12, 12, 100).tolist(), key=lambda x: abs(float(moments(x)[0]) - entropy))
    for _ in range(50):
        found, variance = moments(x)
        x += float((entropy - found) / variance) * math.exp(2 * x)
    return math.exp(x)


@right("07.3")
def newton_on_what_is_left(logits, entropy):
    return newton_on(logits[logits.isfinite()].double(), entropy)


@right("07.3")
def plain_lists_and_doubling(logits, entropy):
    z = [x for x in logits.tolist() if x > -math.inf]

    def measure(t):
        powers = [math.exp((x - max(z)) / t) for x in z]
        q = [power / sum(powers) for power in powers]
        return sum(-p * math.log(p) for p in q if p > 0)

    low = high = 1.0
    while measure(low) > entropy:
        low /= 2
    while measure(high) < entropy:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if measure(middle) < entropy else (low, middle)
    return torch.tensor(high)


@wrong("07.3", "is the end of your interval; the answer is outside of it")
def between_a_thousandth_and_a_thousand(logits, entropy):
    return halved(logits, entropy, 1e-3, 1e3)


# 07.4 Beam search


def best(log_p, start, end, width, steps, score, from_the_first=None, stop=None):
    """Beam search with a score of one's own for (tokens, sum)."""
    beam = [((), 0.0)]
    for step in range(steps):
        candidates = []
        for tokens, total in beam:
            last = tokens[-1] if tokens else start
            if tokens and last == end:
                candidates.append((tokens, total))
                continue
            own = [((*tokens, id), total + log_p[last, id].item()) for id in range(len(log_p))]
            own.sort(key=score, reverse=True)
            candidates += own[: from_the_first if step else None]
        beam = sorted(candidates, key=score, reverse=True)[:width]
        if stop and stop(beam):
            break
    return beam


def mean(power):
    return lambda text: text[1] / len(text[0]) ** power


@wrong("07.4", "It is greedy: the width is always 1")
def always_the_best_next(log_p, start, end, width, steps, power):
    tokens = []
    while len(tokens) < steps and tokens[-1:] != [end]:
        tokens.append(int(log_p[tokens[-1] if tokens else start].argmax()))
    return tokens


@wrong("07.4", "Each text of the beam is extended by its own best token only")
def no_competition(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(power), from_the_first=1)[0][0]


@wrong("07.4", "Texts are compared by their last token only")
def short_memory(log_p, start, end, width, steps, power):
    def score(text):
        tokens = (start, *text[0])
        return log_p[tokens[-2], tokens[-1]].item()

    return best(log_p, start, end, width, steps, score)[0][0]


@wrong("07.4", "Probabilities are added")
def sum_not_product(log_p, start, end, width, steps, power):
    return best(log_p.exp(), start, end, width, steps, mean(power))[0][0]


@wrong("07.4", "The start is returned with the text")
def whole_text(log_p, start, end, width, steps, power):
    return [start, *best(log_p, start, end, width, steps, mean(power))[0][0]]


@wrong("07.4", "The result is empty where `start` equals `end`")
def ended_before_it_began(log_p, start, end, width, steps, power):
    return [] if start == end else best(log_p, start, end, width, steps, mean(power))[0][0]


@wrong("07.4", "Finished texts are extended after their end")
def no_end(log_p, start, end, width, steps, power):
    return best(log_p, start, None, width, steps, mean(power))[0][0]


@wrong("07.4", "Finished texts are lost")
def continues_what_is_unfinished(log_p, start, end, width, steps, power):
    beam = [((), 0.0)]
    for _ in range(steps):
        grown = []
        for tokens, total in beam:
            for id in range(len(log_p)):
                if id != end:
                    grown.append(((*tokens, id), total + log_p[tokens[-1] if tokens else start, id].item()))
        beam = sorted(grown, key=mean(power), reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "with the first text that is finished")
def stops_early(log_p, start, end, width, steps, power):
    def some_end(beam):
        return any(tokens[-1] == end for tokens, _ in beam)

    beam = best(log_p, start, end, width, steps, mean(power), stop=some_end)
    return next((tokens for tokens, _ in beam if tokens[-1] == end), beam[0][0])


@wrong("07.4", "as soon as the best text is finished")
def content_with_a_finished_leader(log_p, start, end, width, steps, power):
    beam = best(log_p, start, end, width, steps, mean(power), stop=lambda beam: beam[0][0][-1] == end)
    return beam[0][0]


@wrong("07.4", "others take their places")
def two_lists(log_p, start, end, width, steps, power):
    beam, finished = [([], 0.0)], []
    for _ in range(steps):
        grown = []
        for tokens, total in beam:
            for id in range(len(log_p)):
                text = ([*tokens, id], total + log_p[tokens[-1] if tokens else start, id].item())
                (finished if id == end else grown).append(text)
        beam = sorted(grown, key=mean(power), reverse=True)[:width]
    return max(finished + beam, key=mean(power))[0]


@wrong("07.4", "`power` is not used")
def likeliest(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1])[0][0]


@wrong("07.4", "Only the last choice uses the score; the beam is cut by the sums")
def corrected_in_the_end(log_p, start, end, width, steps, power):
    return max(best(log_p, start, end, width, steps, lambda text: text[1]), key=mean(power))[0]


@wrong("07.4", "The sum is multiplied")
def times_the_length(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(-power))[0][0]


@wrong("07.4", "The start counts as a token")
def one_token_more(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1] / (len(text[0]) + 1) ** power)[0][0]


@wrong("07.4", "The end does not count")
def without_the_end(log_p, start, end, width, steps, power):
    def score(text):
        n = len([id for id in text[0] if id != end])
        return text[1] / max(n, 1) ** power

    return best(log_p, start, end, width, steps, score)[0][0]


@wrong("07.4", "The beam is never cut")
def every_text_there_is(log_p, start, end, width, steps, power):
    return best(log_p, start, end, 10**4, steps, mean(power))[0][0]


@wrong("07.4", "The result")
def with_its_score(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(power))[0]


@wrong("07.4", "read by columns")
def columns(log_p, start, end, width, steps, power):
    return best(log_p.T, start, end, width, steps, mean(power))[0][0]


@wrong("07.4", "keeps its own best `width`")
def width_for_each(log_p, start, end, width, steps, power):
    beam = [((), 0.0)]
    for _ in range(steps):
        grown = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                grown.append((tokens, total))
                continue
            row = log_p[tokens[-1] if tokens else start]
            grown += [((*tokens, id), total + row[id].item()) for id in row.topk(min(width, len(row))).indices.tolist()]
        beam = grown
    return max(beam, key=mean(power))[0]


@wrong("07.4", "the worst of the beam")
def sorted_upwards_in_the_end(log_p, start, end, width, steps, power):
    return min(best(log_p, start, end, width, steps, mean(power)), key=mean(power))[0]


@wrong("07.4", "`width` worst")
def sorted_upwards_each_time(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: -mean(power)(text))[0][0]


@wrong("07.4", "The end token is cut off")
def without_its_end(log_p, start, end, width, steps, power):
    return [id for id in best(log_p, start, end, width, steps, mean(power))[0][0] if id != end]


@wrong("07.4", "A finished text is preferred")
def finished_ones_first(log_p, start, end, width, steps, power):
    beam = best(log_p, start, end, width, steps, mean(power))
    return max(beam, key=lambda text: (text[0][-1] == end, mean(power)(text)))[0]


@wrong("07.4", "An unfinished text is preferred")
def unfinished_ones_first(log_p, start, end, width, steps, power):
    beam = best(log_p, start, end, width, steps, mean(power))
    return max(beam, key=lambda text: (text[0][-1] != end, mean(power)(text)))[0]


@wrong("07.4", "One round too few")
def first_round_not_counted(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps - 1, mean(power))[0][0] if steps > 1 else ()


@wrong("07.4", "(5 + n) / 6")
def as_in_the_translation_system(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1] / ((5 + len(text[0])) / 6) ** power)[0][0]


@wrong("07.4", "The sum is divided by n for any power")
def plain_mean(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(1.0))[0][0]


@wrong("07.4", "divided by n · power")
def times_the_power(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1] / (len(text[0]) * power or 1.0))[0][0]


@right("07.4")
def with_tensors(log_p, start, end, width, steps, power):
    """The beam as a matrix, as one writes it for a real model; finished texts are filled up with their end."""
    V = len(log_p)
    texts, totals, lengths = torch.empty(1, 0, dtype=torch.long), torch.zeros(1), torch.zeros(1)
    for step in range(steps):
        last = texts[:, -1] if step else torch.tensor([start])
        done = (last == end) & (step > 0)
        only_end = torch.full((V,), -torch.inf).index_fill(0, torch.tensor([end]), 0.0)
        grown = totals[:, None] + torch.where(done[:, None], only_end, log_p[last])
        counted = (lengths + (~done).float())[:, None].expand(-1, V)
        _, chosen = (grown / counted**power).flatten().topk(min(width, grown.numel()))
        rows, ids = chosen // V, chosen % V
        texts = torch.cat([texts[rows], ids[:, None]], dim=1)
        totals, lengths = grown.flatten()[chosen], counted.flatten()[chosen]
    return list(itertools.takewhile(lambda id: id != end, texts[0].tolist())) + [end] * (end in texts[0].tolist())


@right("07.4")
def until_all_are_finished(log_p, start, end, width, steps, power):
    def all_end(beam):
        return all(tokens[-1] == end for tokens, _ in beam)

    return list(best(log_p, start, end, width, steps, mean(power), stop=all_end)[0][0])


# Further answers to all questions: what is seldom forgotten


@wrong("07.3", "to 4 digits after the point, rounded or from a list")
def easy_to_read(logits, entropy):
    return round(halved_between(logits, entropy), 4)


def halved_between(logits, entropy):
    kept, low, high = logits[logits.isfinite()].double(), 1e-6, 1e6
    for _ in range(80):
        middle = math.sqrt(low * high)
        too_little = torch.special.entr((kept / middle).softmax(-1)).sum() < entropy
        low, high = (middle, high) if too_little else (low, middle)
    return low


def search(grow, score, steps, width):
    beam = [([], 0.0)]
    for number in range(steps):
        pool = [new for text in beam for new in grow(*text)]
        beam = sorted(pool, key=score, reverse=True)[: width if type(width) is int else width(number)]
    return beam[0][0]


def grown(log_p, start, end):
    def grow(tokens, total):
        if tokens and tokens[-1] == end:
            return [(tokens, total)]
        row = log_p[tokens[-1] if tokens else start].tolist()
        return [([*tokens, id], total + gain) for id, gain in enumerate(row)]

    return grow


@wrong("07.4", "Viterbi's rule")
def dynamic_programming(log_p, start, end, width, steps, power):
    grow, beam = grown(log_p, start, end), [([], 0.0)]
    for _ in range(steps):
        best = {}
        for text in itertools.chain(*(grow(*each) for each in beam)):
            best[text[0][-1]] = max(best.get(text[0][-1], text), text, key=lambda t: t[1] / len(t[0]) ** power)
        beam = sorted(best.values(), key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "as if it came after the start")
def row_of_the_start(log_p, start, end, width, steps, power):
    table = log_p[start].repeat(len(log_p), 1)
    return search(grown(table, start, end), lambda t: t[1] / len(t[0]) ** power, steps, width)


@wrong("07.4", "After the first round only one text is kept")
def begins_with_the_best(log_p, start, end, width, steps, power):
    grow = grown(log_p, start, end)
    return search(grow, lambda t: t[1] / len(t[0]) ** power, steps, lambda number: width if number else 1)


@wrong("07.4", "cut after its end only in the answer")
def cut_when_it_is_over(log_p, start, end, width, steps, power):
    text = search(grown(log_p, start, -1), lambda t: t[1] / len(t[0]) ** power, steps, width)
    return text[: text.index(end) + 1] if end in text else text


@wrong("07.4", "divided again in the next round")
def score_for_the_sum(log_p, start, end, width, steps, power):
    grow = grown(log_p, start, end)

    def divided(tokens, score):
        new = grow(tokens, score)
        return new if new[0][0] == tokens else [(ids, total / len(ids) ** power) for ids, total in new]

    return search(divided, lambda t: t[1], steps, width)


# Answers from the text alone


@wrong("07.1", "The temperature comes first, and min-p after it.")
def min_p_at_the_sampling_temperature(logits, ids, temperature, min_p):
    scaled = logits / temperature
    probs = scaled.softmax(-1)
    scaled = scaled.masked_fill(probs < min_p * probs.amax(-1, keepdim=True), -math.inf)
    return scaled.log_softmax(-1).gather(-1, ids[:, None]).sum()


@wrong("07.1", "After the cut, the probabilities are not normalized again.")
def kept_but_not_renormalized(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    removed = probs < min_p * probs.max(-1, keepdim=True).values
    log_p = (logits / temperature).log_softmax(-1).masked_fill(removed, -math.inf)
    return log_p[torch.arange(len(ids)), ids].sum()


@wrong("07.1", "`min_p` is taken as a probability, not as a share of the largest one.")
def limit_without_the_largest(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    keep = probs >= min_p
    masked = torch.where(keep, logits, -math.inf)
    return (masked / temperature).log_softmax(-1).gather(1, ids.unsqueeze(1)).sum()


@wrong("07.1", "The limit is the same in all rows: `min_p` times the largest probability of the whole")
def one_limit_for_the_text(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    masked = logits.masked_fill(probs < min_p * probs.max(), -math.inf)
    return (masked / temperature).log_softmax(-1).gather(1, ids[:, None]).sum()


@wrong("07.1", "Removed tokens have a large negative logit, not minus infinity, so their log-probability")
def a_large_negative_number(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    masked = logits.masked_fill(probs < min_p * probs.amax(-1, keepdim=True), -1e9)
    return (masked / temperature).log_softmax(-1).gather(-1, ids[:, None]).sum()


@wrong("07.1", "Only the last token counts.")
def only_the_last_one(logits, ids, temperature, min_p):
    total = 0.0
    for row, id in zip(logits, ids):
        probs = row.softmax(-1)
        row = row.masked_fill(probs < min_p * probs.max(), -math.inf)
        total = (row / temperature).log_softmax(-1)[id]
    return total


@wrong("07.1", "A small number is added to each probability before the logarithm.")
def log_with_an_epsilon(logits, ids, temperature, min_p):
    probs = logits.softmax(-1)
    masked = logits.masked_fill(probs < min_p * probs.amax(-1, keepdim=True), -math.inf)
    q = (masked / temperature).softmax(-1).gather(-1, ids[:, None])
    return (q + 1e-10).log().sum()


@wrong("07.2", "The logits are multiplied by the temperature, or the noise is divided by it.")
def noise_over_temperature(logits, temperature, u):
    noise = -(-u.log()).log()
    hot = (logits + noise / temperature[:, None]).argmax(-1)
    return torch.where(temperature == 0, logits.argmax(-1), hot)


@wrong("07.2", "The noise is made of 1 - u.")
def noise_of_the_rest(logits, temperature, u):
    noise = -torch.log(-torch.log(1 - u))
    hot = (logits + temperature[:, None] * noise).argmax(-1)
    return torch.where(temperature == 0, logits.argmax(-1), hot)


@wrong("07.2", "If one text has temperature 0, all texts are decoded greedily.")
def one_cold_row_for_all(logits, temperature, u):
    if (temperature == 0).any():
        return logits.argmax(-1)
    return (logits / temperature[:, None] - torch.log(-torch.log(u))).argmax(-1)


@wrong("07.2", "Small temperatures are taken for 0: there the noise is not used.")
def cold_is_frozen(logits, temperature, u):
    noise = -(-u.log()).log()
    hot = (logits + temperature[:, None] * noise).argmax(-1)
    return torch.where(temperature < 0.1, logits.argmax(-1), hot)


@wrong("07.2", "u is kept above a number that is too large: all smaller ones get the same noise.")
def clamped_too_far(logits, temperature, u):
    u = u.clamp(min=0.05)
    noise = -(-u.log()).log()
    hot = (logits + temperature[:, None] * noise).argmax(-1)
    return torch.where(temperature == 0, logits.argmax(-1), hot)


@wrong("07.2", "The noise is added to probabilities, after a softmax.")
def probabilities_and_noise(logits, temperature, u):
    q = (logits / temperature.clamp(min=1e-6)[:, None]).softmax(-1)
    noise = -(-u.clamp(min=1e-20).log()).log()
    hot = (q + noise).argmax(-1)
    return torch.where(temperature == 0, logits.argmax(-1), hot)


@wrong("07.2", "All rows use the temperature of the first.")
def one_temperature_for_all(logits, temperature, u):
    t = temperature[0].item()
    if t == 0:
        return logits.argmax(-1)
    return (logits / t - (-u.log()).log()).argmax(-1)


@wrong("07.2", "At temperature 0, a u of 0 gives 0 times an infinite noise: NaN, which argmax takes for")
def product_at_zero(logits, temperature, u):
    noise = -(-u.log()).log()
    return (logits + temperature[:, None] * noise).argmax(-1)


def _entropy(logits, t):
    q = (logits.double() / t).softmax(-1)
    return torch.special.entr(q).sum().item()


@wrong("07.3", "is wanted. 100 is the end of your interval; the answer is outside of it.")
def up_to_a_hundred(logits, entropy):
    low, high = 1e-6, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        if _entropy(logits, middle) < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "The entropy is measured in bits, not in nats.")
def entropy_in_bits(logits, entropy):
    low, high = 1e-8, 1e8
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _entropy(logits, middle) / math.log(2) < entropy else (low, middle)
    return math.sqrt(low * high)


@wrong("07.3", "This is 1 over the temperature.")
def inverse(logits, entropy):
    low, high = 1e-8, 1e8
    for _ in range(200):
        middle = math.sqrt(low * high)
        q = (logits.double() * middle).softmax(-1)
        if torch.special.entr(q).sum() > entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "It is nearly right: the right temperature to 4 digits after the point, rounded or from a")
def rounded(logits, entropy):
    low, high = 1e-8, 1e8
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _entropy(logits, middle) < entropy else (low, middle)
    return round(middle, 4)


@wrong("07.3", "Removed tokens come back: their logit is taken as 0.")
def removed_are_zero(logits, entropy):
    logits = torch.nan_to_num(logits, neginf=0.0)
    low, high = 1e-8, 1e8
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _entropy(logits, middle) < entropy else (low, middle)
    return middle


@wrong("07.3", "is wanted. It is nearly right: the search ends too early, or its steps are too large.")
def soon_content(logits, entropy):
    low, high = 1e-8, 1e8
    while True:
        middle = math.sqrt(low * high)
        found = _entropy(logits, middle)
        if abs(found - entropy) < 0.01:
            return middle
        low, high = (middle, high) if found < entropy else (low, middle)


@wrong("07.4", "The start counts as a token.")
def start_counted(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        new = []
        for text, total in beam:
            if len(text) > 1 and text[-1] == end:
                new.append((text, total))
                continue
            new += [([*text, t], total + log_p[text[-1], t].item()) for t in range(len(log_p))]
        beam = sorted(new, key=lambda b: b[1] / len(b[0]) ** power, reverse=True)[:width]
    return beam[0][0][1:]


@wrong("07.4", "Only the last choice uses the score; the beam is cut by the sums.")
def penalty_at_the_end(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        new = []
        for text, total in beam:
            if text and text[-1] == end:
                new.append((text, total))
                continue
            last = text[-1] if text else start
            new += [([*text, t], total + log_p[last, t].item()) for t in range(len(log_p))]
        beam = sorted(new, key=lambda b: -b[1])[:width]
    return max(beam, key=lambda b: b[1] / len(b[0]) ** power)[0]


@wrong("07.4", "Finished texts are set aside, and others take their places in the beam.")
def finished_set_aside(log_p, start, end, width, steps, power):
    def score(b):
        return b[1] / len(b[0]) ** power

    beam, done = [([], 0.0)], []
    for _ in range(steps):
        new = []
        for text, total in beam:
            last = text[-1] if text else start
            new += [([*text, t], total + log_p[last, t].item()) for t in range(len(log_p))]
        done += [b for b in new if b[0][-1] == end]
        beam = sorted([b for b in new if b[0][-1] != end], key=score, reverse=True)[:width]
    return max(done + beam, key=score)[0]


@wrong("07.4", "Texts are compared by their last token only.")
def last_token_only(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        new = []
        for text, total in beam:
            if text and text[-1] == end:
                new.append((text, total))
                continue
            last = text[-1] if text else start
            for t in range(len(log_p)):
                total = log_p[last, t].item()
                new.append(([*text, t], total))
        beam = sorted(new, key=lambda b: b[1] / len(b[0]) ** power, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "The result is empty where `start` equals `end`.")
def start_is_end(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        new = []
        for text, total in beam:
            if text[-1] == end:
                new.append((text, total))
            else:
                new += [([*text, t], total + log_p[text[-1], t].item()) for t in range(len(log_p))]
        beam = sorted(new, key=lambda b: b[1] / max(len(b[0]) - 1, 1) ** power, reverse=True)[:width]
    return beam[0][0][1:]


@wrong("07.4", "The search ends as soon as the best text is finished.")
def stops_at_the_first_finished(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        new = []
        for text, total in beam:
            if text and text[-1] == end:
                new.append((text, total))
                continue
            last = text[-1] if text else start
            new += [([*text, t], total + log_p[last, t].item()) for t in range(len(log_p))]
        beam = sorted(new, key=lambda b: b[1] / len(b[0]) ** power, reverse=True)[:width]
        if beam[0][0][-1] == end:
            break
    return beam[0][0]


@wrong("07.4", "Each text keeps its own best `width` continuations, without comparing them to those of")
def width_per_text(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        new = []
        for text, total in beam:
            if text and text[-1] == end:
                new.append((text, total))
                continue
            last = text[-1] if text else start
            best = log_p[last].topk(min(width, len(log_p)))
            new += [([*text, t], total + v) for v, t in zip(best.values.tolist(), best.indices.tolist())]
        beam = new
    return max(beam, key=lambda b: b[1] / len(b[0]) ** power)[0]


@right("07.1")
def with_numpy_in_float64(logits, ids, temperature, min_p):
    total = 0.0
    for row, id in zip(logits.double().numpy(), ids.tolist()):
        shifted = row - row.max()
        keep = np.exp(shifted) >= min_p
        if not keep[id]:
            return -math.inf
        kept = shifted[keep] / temperature
        total += shifted[id] / temperature - np.log(np.exp(kept).sum())
    return float(total)


@right("07.2")
def row_by_row_in_float64(logits, temperature, u):
    ids = []
    for row, t, draws in zip(logits.double(), temperature.tolist(), u.double()):
        if t == 0:
            ids.append(int(row.argmax()))
        else:
            ids.append(int((row / t - torch.log(-torch.log(draws))).argmax()))
    return torch.tensor(ids, dtype=torch.int32)


@right("07.2")
def exponential_race(logits, temperature, u):
    waiting = -u.double().log()
    p = (logits.double() / temperature.double().clamp(min=1e-300)[:, None]).softmax(-1)
    hot = (p.log() - waiting.log()).argmax(-1)
    return torch.where(temperature > 0, hot, logits.argmax(-1))


@right("07.3")
def by_newton_in_the_logarithm(logits, entropy):
    kept = logits[logits > -math.inf].double()
    kept = kept - kept.max()
    low, high = math.log(1e-12), math.log(1e12)
    x = math.log(-float(kept.mean()))
    for _ in range(200):
        q = (kept / math.exp(x)).softmax(-1)
        h = torch.special.entr(q).sum().item()
        low, high = (x, high) if h < entropy else (low, x)
        z = kept / math.exp(x)
        slope = (q * z * z).sum().item() - (q * z).sum().item() ** 2
        step = x + (entropy - h) / slope if slope > 1e-12 else math.inf
        x = step if low < step < high else (low + high) / 2
    return np.float64(math.exp(x))


@right("07.4")
def with_tuples_and_heap(log_p, start, end, width, steps, power):
    import heapq

    table = log_p.tolist()

    def score(text):
        n, total, before = len(text), 0.0, start
        for token in text:
            total, before = total + table[before][token], token
        return total / n**power

    beam = {()}
    for _ in range(steps):
        grown = {t for t in beam if t and t[-1] == end}
        grown |= {(*t, v) for t in beam if not (t and t[-1] == end) for v in range(len(table))}
        beam = heapq.nlargest(width, grown, key=score)
    return tuple(max(beam, key=score))


@wrong("07.3", "still holds what earlier calls have put into it")
def remembered(logits, entropy, known={}):  # noqa: B006
    if entropy not in known:
        low, high = 1e-8, 1e8
        for _ in range(200):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if _entropy(logits, middle) < entropy else (low, middle)
        known[entropy] = middle
    return known[entropy]


@wrong("07.3", "the right temperature to 5 digits after the point, rounded or from a list")
def five_digits_after_the_point(logits, entropy):
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        if torch.special.entr((logits.double() / math.exp(middle)).softmax(-1)).sum() < entropy:
            low = middle
        else:
            high = middle
    return round(math.exp(low), 5)


@wrong("07.4", "A finished text leaves the beam after its round")
def finished_and_out(log_p, start, end, width, steps, power):
    table, running, done = log_p.tolist(), [([], 0.0)], []

    def rating(text):
        return text[1] / len(text[0]) ** power

    for _ in range(steps):
        longer = [
            ([*ids, id], total + gain)
            for ids, total in running
            for id, gain in enumerate(table[ids[-1] if ids else start])
        ]
        best = sorted(longer, key=rating, reverse=True)[:width]
        done += [text for text in best if text[0][-1] == end]
        running = [text for text in best if text[0][-1] != end]
    return max(done + running, key=rating)[0]
