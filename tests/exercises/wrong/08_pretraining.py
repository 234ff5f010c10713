"""Answers to exercise 08 as learners write them."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 08.1 An ablation with its error


def nll(table, ids):
    return F.cross_entropy(table[ids[:, :-1]].flatten(0, 1), ids[:, 1:].flatten())


def trained(table, texts, rates, loss=nll):
    """The table after one update per batch, each with its own rate."""
    table = table.clone()
    for rate, ids in zip(rates, texts, strict=True):
        table.requires_grad_()
        (slope,) = torch.autograd.grad(loss(table, ids), table)
        table = (table - rate * slope).detach()
    return table


def both_rates(rate, n):
    return [rate] * n, [rate * (1 - k / n) for k in range(n)]


def gains_of(starts, batches, validation, rate, loss=nll, measure=nll, rates=both_rates):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        flat, falling = rates(rate, len(texts))
        constant = measure(trained(start, texts, flat, loss), validation)
        decayed = measure(trained(start, texts, falling, loss), validation)
        gains.append((constant - decayed).item())
    return torch.tensor(gains, dtype=torch.float64)


def with_error(gains):
    return gains.mean().item(), (gains.std() / len(gains) ** 0.5).item()


@wrong("08.1", "The standard deviation is that of a population: its")
def population_spread(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    error = np.std(gains.numpy()) / np.sqrt(len(gains)) if len(gains) > 1 else math.nan
    return gains.mean().item(), float(error)


@wrong("08.1", "The error is the standard deviation of the gains, not")
def spread_not_error(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    return gains.mean().item(), gains.std().item()


@wrong("08.1", "The standard deviation is divided by S, not by its")
def divided_by_the_number(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    return gains.mean().item(), gains.std().item() / len(gains)


@wrong("08.1", "The gain has the wrong sign: it's the loss after the")
def the_other_way_around(starts, batches, validation, rate):
    gain, error = with_error(gains_of(starts, batches, validation, rate))
    return -gain, error


@wrong("08.1", "The error is computed as if the runs weren't paired.")
def as_if_unpaired(starts, batches, validation, rate):
    ends = []
    for start, texts in zip(starts, batches, strict=True):
        ends.append([nll(trained(start, texts, rates), validation).item() for rates in both_rates(rate, len(texts))])
    ends = torch.tensor(ends)
    error = (ends.var(0).sum() / len(ends)) ** 0.5
    return (ends[:, 0] - ends[:, 1]).mean().item(), error.item()


@wrong("08.1", "The rate is 0 at the last update already: it falls by")
def down_to_zero(starts, batches, validation, rate):
    def rates(rate, n):
        return [rate] * n, [rate * (1 - k / max(n - 1, 1)) for k in range(n)]

    return with_error(gains_of(starts, batches, validation, rate, rates=rates))


@wrong("08.1", "The falling rate is one update ahead: k counts")
def counts_from_one(starts, batches, validation, rate):
    def rates(rate, n):
        return [rate] * n, [rate * (1 - k / n) for k in range(1, n + 1)]

    return with_error(gains_of(starts, batches, validation, rate, rates=rates))


@wrong("08.1", "The second run goes on from the table that the first")
def goes_on_with_the_trained_table(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        flat, falling = both_rates(rate, len(texts))
        table = trained(start, texts, flat)
        first = nll(table, validation)
        table = trained(table, texts, falling)
        gains.append((first - nll(table, validation)).item())
    return with_error(torch.tensor(gains))


@wrong("08.1", "The last token of a text and the first of the next")
def across_texts(starts, batches, validation, rate):
    def loss(table, ids):
        ids = ids.flatten()
        return F.cross_entropy(table[ids[:-1]], ids[1:])

    return with_error(gains_of(starts, batches, validation, rate, loss, loss))


@wrong("08.1", "Nothing is shifted: each token is asked for itself.")
def not_shifted(starts, batches, validation, rate):
    def loss(table, ids):
        return F.cross_entropy(table[ids].flatten(0, 1), ids.flatten())

    return with_error(gains_of(starts, batches, validation, rate, loss, loss))


@wrong("08.1", "The loss of a batch is a sum over its pairs, so the")
def summed_loss(starts, batches, validation, rate):
    def loss(table, ids):
        return F.cross_entropy(table[ids[:, :-1]].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")

    return with_error(gains_of(starts, batches, validation, rate, loss))


@wrong("08.1", "The table is read by columns.")
def columns_of_the_table(starts, batches, validation, rate):
    def loss(table, ids):
        return nll(table.T, ids)

    return with_error(gains_of(starts, batches, validation, rate, loss, loss))


@wrong("08.1", "With one seed the error is 0, as if the gain were")
def no_error_for_one_seed(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    return gains.mean().item(), with_error(gains)[1] if len(gains) > 1 else 0.0


@wrong("08.1", "decay_gain raised StatisticsError: stdev requires at")
def by_statistics(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate).tolist()
    return statistics.mean(gains), statistics.stdev(gains) / len(gains) ** 0.5


@wrong("08.1", "With logits in the hundreds, the result is NaN or")
def log_of_the_softmax(starts, batches, validation, rate):
    def loss(table, ids):
        log_p = table.softmax(-1).log()
        return -log_p[ids[:, :-1], ids[:, 1:]].mean()

    return with_error(gains_of(starts, batches, validation, rate, loss, loss))


@wrong("08.1", "The loss is measured on all training texts, not on")
def measured_in_training(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        flat, falling = both_rates(rate, len(texts))
        whole = texts.flatten(0, 1)
        gains.append((nll(trained(start, texts, flat), whole) - nll(trained(start, texts, falling), whole)).item())
    return with_error(torch.tensor(gains))


@wrong("08.1", "The last update is missing.")
def one_update_short(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        flat, falling = both_rates(rate, len(texts))
        gains.append(
            (
                nll(trained(start, texts[:-1], flat[:-1]), validation)
                - nll(trained(start, texts[:-1], falling[:-1]), validation)
            ).item()
        )
    return with_error(torch.tensor(gains))


@wrong("08.1", "The factors 1 - k / N are multiplied with each other")
def shrinks_the_rate_itself(starts, batches, validation, rate):
    def rates(rate, n):
        falling, now = [], rate
        for k in range(n):
            now = now * (1 - k / n)
            falling.append(now)
        return [rate] * n, falling

    return with_error(gains_of(starts, batches, validation, rate, rates=rates))


@wrong("08.1", "The gradients of earlier batches are still in each")
def adds_up_gradients(starts, batches, validation, rate):
    def run(start, texts, rates):
        table = start.clone().requires_grad_()
        for rate, ids in zip(rates, texts, strict=True):
            nll(table, ids).backward()
            with torch.no_grad():
                table -= rate * table.grad
        return nll(table, validation).item()

    gains = [
        run(start, texts, rates[0]) - run(start, texts, rates[1])
        for start, texts in zip(starts, batches, strict=True)
        for rates in [both_rates(rate, len(texts))]
    ]
    return with_error(torch.tensor(gains))


@wrong("08.1", "All seeds use the batches of the first one.")
def batches_of_the_first(starts, batches, validation, rate):
    return with_error(gains_of(starts, batches[:1].expand_as(batches), validation, rate))


@wrong("08.1", "All seeds begin with the table of the first one.")
def start_of_the_first(starts, batches, validation, rate):
    return with_error(gains_of(starts[:1].expand_as(starts), batches, validation, rate))


@wrong("08.1", "The gain is that of the first seed.")
def gain_of_the_first(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    return gains[0].item(), with_error(gains)[1]


@wrong("08.1", "The gains are summed, not averaged.")
def sum_of_gains(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    return gains.sum().item(), with_error(gains)[1]


@wrong("08.1", "The error is a 95% interval, about two standard")
def confidence_interval(starts, batches, validation, rate):
    gain, error = with_error(gains_of(starts, batches, validation, rate))
    return gain, 1.96 * error


@wrong("08.1", "The root is missing: the error is a variance.")
def variance_of_the_mean(starts, batches, validation, rate):
    gains = gains_of(starts, batches, validation, rate)
    return gains.mean().item(), (gains.var() / len(gains)).item()


@wrong("08.1", "Gain and error are in bits.")
def in_bits(starts, batches, validation, rate):
    gain, error = with_error(gains_of(starts, batches, validation, rate))
    return gain / math.log(2), error / math.log(2)


@wrong("08.1", "The updates go uphill.")
def uphill(starts, batches, validation, rate):
    def rates(rate, n):
        return [-each for each in both_rates(rate, n)[0]], [-each for each in both_rates(rate, n)[1]]

    return with_error(gains_of(starts, batches, validation, rate, rates=rates))


@wrong("08.1", "The rate falls along a cosine.")
def cosine(starts, batches, validation, rate):
    def rates(rate, n):
        return [rate] * n, [rate * 0.5 * (1 + math.cos(math.pi * k / n)) for k in range(n)]

    return with_error(gains_of(starts, batches, validation, rate, rates=rates))


@wrong("08.1", "decay_gain changed the input that it was given; work")
def in_place(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        ends = []
        for rates in both_rates(rate, len(texts)):
            for each, ids in zip(rates, texts, strict=True):
                table = start.detach().requires_grad_()
                (slope,) = torch.autograd.grad(nll(table, ids), table)
                start -= each * slope
            ends.append(nll(start, validation).item())
        gains.append(ends[0] - ends[1])
    return with_error(torch.tensor(gains))


@wrong("08.1", "The losses are summed over the pairs, in training and")
def sum_per_text(starts, batches, validation, rate):
    def loss(table, ids):
        return nll(table, ids) * (ids.shape[1] - 1)

    return with_error(gains_of(starts, batches, validation, rate, loss, loss))


@wrong("08.1", "It's shifted the wrong way: each token is asked for")
def predicts_the_token_before(starts, batches, validation, rate):
    def loss(table, ids):
        return F.cross_entropy(table[ids[:, 1:]].flatten(0, 1), ids[:, :-1].flatten())

    return with_error(gains_of(starts, batches, validation, rate, loss, loss))


@wrong("08.1", "Gain and error are relative, as shares of the")
def relative_gain(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        flat, falling = (nll(trained(start, texts, r), validation) for r in both_rates(rate, len(texts)))
        gains.append(((flat - falling) / flat).item())
    return with_error(torch.tensor(gains))


@wrong("08.1", "The constant run uses the mean of the falling rates.")
def same_total_rate(starts, batches, validation, rate):
    def rates(rate, n):
        falling = both_rates(rate, n)[1]
        return [sum(falling) / n] * n, falling

    return with_error(gains_of(starts, batches, validation, rate, rates=rates))


@wrong("08.1", "The falling run is compared with the table before any")
def gain_over_the_start(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        end = trained(start, texts, both_rates(rate, len(texts))[1])
        gains.append((nll(start, validation) - nll(end, validation)).item())
    return with_error(torch.tensor(gains))


@right("08.1")
def closed_form_gradient(starts, batches, validation, rate):
    V = starts.shape[-1]

    def counted(ids):
        pairs = torch.zeros(V, V, dtype=torch.float64)
        for text in ids.tolist():
            for a, b in zip(text, text[1:]):
                pairs[a, b] += 1
        return pairs / pairs.sum()

    def run(table, texts, falls):
        table = table.double()
        for k, ids in enumerate(texts):
            pairs = counted(ids)
            gradient = pairs.sum(1, keepdim=True) * table.softmax(-1) - pairs
            table = table - rate * (1 - falls * k / len(texts)) * gradient
        return -(counted(validation) * table.log_softmax(-1)).sum().item()

    gains = [run(s, b, 0) - run(s, b, 1) for s, b in zip(starts, batches)]
    mean = sum(gains) / len(gains)
    if len(gains) == 1:
        return mean, float("nan")
    return mean, math.sqrt(sum((g - mean) ** 2 for g in gains) / (len(gains) - 1) / len(gains))


@right("08.1")
def all_seeds_at_once(starts, batches, validation, rate):
    S, N = batches.shape[:2]
    seeds = torch.arange(S)[:, None, None]

    def loss(tables, ids):  # (S,)
        log_p = tables.log_softmax(-1)[seeds, ids[..., :-1], ids[..., 1:]]
        return -log_p.mean((1, 2))

    ends = []
    for falls in (0.0, 1.0):
        tables = torch.nn.Parameter(starts.clone().double())
        optimizer = torch.optim.SGD([tables], lr=rate)
        for k in range(N):
            optimizer.param_groups[0]["lr"] = rate * (1 - falls * k / N)
            optimizer.zero_grad()
            loss(tables, batches[:, k]).sum().backward()
            optimizer.step()
        ends.append(loss(tables.detach(), validation.expand(S, *validation.shape)))
    gains = ends[0] - ends[1]
    return gains.mean(), gains.std() / S**0.5


@right("08.1")
def by_a_scheduler(starts, batches, validation, rate):
    def train(start, texts, schedule):
        model = torch.nn.Embedding.from_pretrained(start.clone(), freeze=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
        for ids in texts:
            optimizer.zero_grad()
            F.cross_entropy(model(ids[:, :-1]).transpose(1, 2), ids[:, 1:]).backward()
            optimizer.step()
            scheduler.step()
        with torch.no_grad():
            return F.cross_entropy(model(validation[:, :-1]).transpose(1, 2), validation[:, 1:]).item()

    n = batches.shape[1]
    gains = np.array([train(s, b, lambda k: 1.0) - train(s, b, lambda k: 1 - k / n) for s, b in zip(starts, batches)])
    with np.errstate(all="ignore"):
        return [float(gains.mean()), float(np.std(gains, ddof=1) / np.sqrt(len(gains)))]


def otherwise(
    starts, batches, validation, rate, *, step=None, loss=nll, measure=nll, flat=None, factor=None, order=None
):
    """The gains where one thing is done differently in the loop."""
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        losses = []
        for falls in (False, True):
            table, n, state = start.clone(), len(texts), {}
            for k, ids in enumerate(order(texts, falls) if order else texts):
                table.requires_grad_()
                (slope,) = torch.autograd.grad(loss(table, ids), table)
                slope = step(slope, state) if step else slope
                now = rate * ((factor or (lambda k, n: 1 - k / n))(k, n) if falls else 1)
                table = (table - now * slope).detach()
            losses.append(measure(table, texts if flat else validation).item())
        gains.append(losses[0] - losses[1])
    return torch.tensor(gains, dtype=torch.float64)


@wrong("08.1", "The variance of the gains is not divided by S, and")
def variance_alone(starts, batches, validation, rate):
    gains = otherwise(starts, batches, validation, rate)
    return gains.mean(), gains.var()


@wrong("08.1", "The standard deviation is divided by the root of S -")
def one_less_twice(starts, batches, validation, rate):
    gains = otherwise(starts, batches, validation, rate)
    return gains.mean(), gains.std() / max(len(gains) - 1, 1) ** 0.5


@wrong("08.1", "The gain is that of the last seed.")
def the_last_gain(starts, batches, validation, rate):
    gains = otherwise(starts, batches, validation, rate)
    return gains[-1].item(), with_error(gains)[1]


@wrong("08.1", "The gain is the median of the seeds.")
def median_gain(starts, batches, validation, rate):
    gains = otherwise(starts, batches, validation, rate)
    return gains.median().item(), with_error(gains)[1]


@wrong("08.1", "Only the first seed counts, and its error is NaN.")
def one_seed_only(starts, batches, validation, rate):
    return otherwise(starts[:1], batches[:1], validation, rate).item(), math.nan


@wrong("08.1", "The first run is compared with the table before any")
def against_the_untrained(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        gains.append((nll(trained(start, texts, [rate] * len(texts)), validation) - nll(start, validation)).item())
    return with_error(torch.tensor(gains))


@wrong("08.1", "The rate rises: its factor is k / N.")
def rises(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, factor=lambda k, n: k / n))


@wrong("08.1", "The rate doesn't fall linearly: it's divided by k +")
def one_over_the_step(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, factor=lambda k, n: 1 / (k + 1)))


@wrong("08.1", "The rate doesn't fall linearly: it's multiplied by")
def ten_percent_less(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, factor=lambda k, n: 0.9**k))


@wrong("08.1", "Each run uses its first batch in all updates.")
def always_the_first_batch(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches[:, :1].expand_as(batches), validation, rate))


@wrong("08.1", "The loss is measured on the last batch, not on the")
def loss_of_the_last_batch(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, flat=True, measure=lambda t, ids: nll(t, ids[-1])))


@wrong("08.1", "The validation loss is a sum over the pairs.")
def validation_summed(starts, batches, validation, rate):
    def measure(table, ids):
        return F.cross_entropy(table[ids[:, :-1]].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")

    return with_error(otherwise(starts, batches, validation, rate, measure=measure))


@wrong("08.1", "Only the last pair of each text counts.")
def last_pair(starts, batches, validation, rate):
    def loss(table, ids):
        return F.cross_entropy(table[ids[:, -2]], ids[:, -1])

    return with_error(otherwise(starts, batches, validation, rate, loss=loss, measure=loss))


@wrong("08.1", "Only the last pair of each text counts in training.")
def last_pair_in_training(starts, batches, validation, rate):
    def loss(table, ids):
        return F.cross_entropy(table[ids[:, -2]], ids[:, -1])

    return with_error(otherwise(starts, batches, validation, rate, loss=loss))


@wrong("08.1", "Pairs across texts count in training.")
def joined_batches(starts, batches, validation, rate):
    def loss(table, ids):
        ids = ids.flatten()
        return F.cross_entropy(table[ids[:-1]], ids[1:])

    return with_error(otherwise(starts, batches, validation, rate, loss=loss))


@wrong("08.1", "The losses are summed over the pairs, in training and")
def text_sums(starts, batches, validation, rate):
    def loss(table, ids):
        return sum(F.cross_entropy(table[text[:-1]], text[1:], reduction="sum") for text in ids) / len(ids)

    return with_error(otherwise(starts, batches, validation, rate, loss=loss, measure=loss))


@wrong("08.1", "The loss is averaged within each text, and summed")
def texts_summed(starts, batches, validation, rate):
    def loss(table, ids):
        return sum(F.cross_entropy(table[text[:-1]], text[1:]) for text in ids)

    return with_error(otherwise(starts, batches, validation, rate, loss=loss, measure=loss))


@wrong("08.1", "Only the first text of each batch is used.")
def first_text(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, loss=lambda table, ids: nll(table, ids[:1])))


@wrong("08.1", "Each text has an update of its own.")
def a_step_per_text(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        losses = []
        for rates in both_rates(rate, len(texts)):
            single = [text[None] for ids in texts for text in ids]
            table = trained(start, single, [each for each in rates for _ in range(texts.shape[1])])
            losses.append(nll(table, validation).item())
        gains.append(losses[0] - losses[1])
    return with_error(torch.tensor(gains))


@wrong("08.1", "The sum over the pairs is divided by the number of")
def divided_by_all_tokens(starts, batches, validation, rate):
    def loss(table, ids):
        losses = F.cross_entropy(table[ids[:, :-1]].transpose(1, 2), ids[:, 1:], reduction="none")
        return losses.sum() / ids.numel()

    return with_error(otherwise(starts, batches, validation, rate, loss=loss, measure=loss))


@wrong("08.1", "It's shifted by two: each token is asked for the one")
def the_token_after_the_next(starts, batches, validation, rate):
    def loss(table, ids):
        if ids.shape[1] == 2:
            return nll(table, ids)
        return F.cross_entropy(table[ids[:, :-2]].flatten(0, 1), ids[:, 2:].flatten())

    return with_error(otherwise(starts, batches, validation, rate, loss=loss, measure=loss))


@wrong("08.1", "The updates have momentum.")
def with_momentum(starts, batches, validation, rate):
    def step(slope, state):
        state["m"] = 0.9 * state.get("m", 0.0) + slope
        return state["m"]

    return with_error(otherwise(starts, batches, validation, rate, step=step))


@wrong("08.1", "The softmax is taken twice.")
def softmax_first(starts, batches, validation, rate):
    def loss(table, ids):
        return nll(table.softmax(-1), ids)

    return with_error(otherwise(starts, batches, validation, rate, loss=loss, measure=loss))


@wrong("08.1", "The falling run sees the batches in another order.")
def other_way_through_the_batches(starts, batches, validation, rate):
    def order(texts, falls):
        return texts.flip(0) if falls else texts

    return with_error(otherwise(starts, batches, validation, rate, order=order))


@wrong("08.1", "The two results are the mean losses of both runs.")
def two_mean_losses(starts, batches, validation, rate):
    losses = []
    for start, texts in zip(starts, batches, strict=True):
        ends = [trained(start, texts, rates) for rates in both_rates(rate, len(texts))]
        losses.append([nll(table, validation) for table in ends])
    return tuple(torch.tensor(losses).mean(0))


@wrong("08.1", "The gain is a difference of perplexities, e to the")
def perplexities(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, measure=lambda table, ids: nll(table, ids).exp()))


@wrong("08.1", "The table of a seed is the start of the next one.")
def never_begins_again(starts, batches, validation, rate):
    constant = falling = starts[0]
    gains = []
    for texts in batches:
        rates = both_rates(rate, len(texts))
        constant, falling = trained(constant, texts, rates[0]), trained(falling, texts, rates[1])
        gains.append((nll(constant, validation) - nll(falling, validation)).item())
    return with_error(torch.tensor(gains))


@wrong("08.1", "`gain` is 0. `error` is 0.")
def whole_division(starts, batches, validation, rate):
    return with_error(otherwise(starts, batches, validation, rate, factor=lambda k, n: 1 - k // n))


# 08.2 Gradient accumulation changes the loss


def loss_of(weight, x, targets, reduction="mean"):
    return F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction=reduction)


@wrong("08.2", "mean of the parts' means")
def as_it_was(weight, parts):
    weight = weight.clone().requires_grad_()
    loss = torch.stack([loss_of(weight, *part) for part in parts]).mean()
    loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "The loss is right, but the gradient isn't.")
def only_what_is_logged(weight, parts):
    weight = weight.clone().requires_grad_()
    total, n = 0.0, 0
    for x, targets in parts:
        loss = loss_of(weight, x, targets)
        (loss / len(parts)).backward()
        count = (targets != -100).sum().item()
        total, n = total + loss.item() * count, n + count
    return total / n, weight.grad


@wrong("08.2", "The sum over all tokens isn't divided by")
def sum_of_all(weight, parts):
    weight = weight.clone().requires_grad_()
    total = 0.0
    for part in parts:
        loss = loss_of(weight, *part, reduction="sum")
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "divided by the number of parts")
def sum_over_parts(weight, parts):
    loss, gradient = sum_of_all(weight, parts)
    return loss / len(parts), gradient / len(parts)


@wrong("08.2", "The gradient is that of the last part only.")
def zeroed_in_the_loop(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for part in parts:
        weight.grad = None
        loss = loss_of(weight, *part, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "`loss` is right. In `gradient`, this is what")
def gradient_of_the_sum(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    loss, gradient = sum_of_all(weight, parts)
    return loss / n, gradient


@wrong("08.2", "The result")
def without_a_gradient(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    return sum(loss_of(weight, *part, reduction="sum").item() for part in parts) / n


@wrong("08.2", "Parts are weighted by all of their positions")
def weighed_by_length(weight, parts):
    n = sum(len(targets) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = loss_of(weight, x, targets) * len(targets) / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "The sum is divided by the number of all")
def divided_by_numel(weight, parts):
    n = sum(targets.numel() for _, targets in parts)
    loss, gradient = sum_of_all(weight, parts)
    return loss / n, gradient / n


@wrong("08.2", "A part without a target makes the whole result")
def mean_times_count(weight, parts):
    counts = [(targets >= 0).sum().item() for _, targets in parts]
    weight = weight.clone().requires_grad_()
    loss = sum(loss_of(weight, *part) * count / sum(counts) for part, count in zip(parts, counts, strict=True))
    loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "is not written yet")
def not_written(weight, parts):
    raise NotImplementedError()


def by_autograd(weight, parts, total):
    weight = weight.clone().requires_grad_()
    loss = total(weight, parts, sum(int((y != -100).sum()) for _, y in parts))
    loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "the number of targets seen so far")
def counted_on_the_way(weight, parts):
    def total(weight, parts, n):
        n, loss = 0, 0
        for x, y in parts:
            n += int((y != -100).sum())
            loss = loss + loss_of(weight, x, y, "sum") / max(1, n)
        return loss

    return by_autograd(weight, parts, total)


@wrong("08.2", "The weight is updated after each part.")
def a_step_for_each(weight, parts):
    n = sum(int((y != -100).sum()) for _, y in parts)
    loss, gradient = 0.0, torch.zeros_like(weight)
    for x, y in parts:
        own = (weight - gradient).requires_grad_()
        part = loss_of(own, x, y, "sum") / n
        part.backward()
        loss, gradient = loss + part.item(), gradient + own.grad
    return loss, gradient


@wrong("08.2", "divided by V as well")
def mean_of_all_logits(weight, parts):
    def total(weight, parts, n):
        return sum(loss_of(weight, x, y, "sum") for x, y in parts) / n / len(weight)

    return by_autograd(weight, parts, total)


@wrong("08.2", "The softmax is taken twice")
def softmax_first(weight, parts):
    def total(weight, parts, n):
        probabilities = [((x @ weight.T).softmax(-1), y) for x, y in parts]
        return sum(F.cross_entropy(p, y, ignore_index=-100, reduction="sum") for p, y in probabilities) / n

    return by_autograd(weight, parts, total)


@wrong("08.2", "the probability of the target")
def without_a_logarithm(weight, parts):
    def total(weight, parts, n):
        return sum((x @ weight.T).softmax(-1)[torch.arange(len(y)), y][y >= 0].sum() for x, y in parts) / n

    return by_autograd(weight, parts, total)


@wrong("08.2", "on the running sum")
def backward_on_the_sum(weight, parts):
    n = sum(int((y != -100).sum()) for _, y in parts)
    weight = weight.clone().requires_grad_()
    loss = 0
    for x, y in parts:
        loss = loss + loss_of(weight, x, y, "sum") / n
        loss.backward(retain_graph=True)
    return loss.item(), weight.grad


@wrong("08.2", "The targets are shifted.")
def next_token(weight, parts):
    return by_hand(weight, [(x[:-1], y[1:]) for x, y in parts if len(y) > 1] or parts)


@wrong("08.2", "Only the last part counts")
def overwritten(weight, parts):
    return by_hand(weight, parts[-1:])


@wrong("08.2", "taken for token 0")
def clamped_targets(weight, parts):
    return by_hand(weight, [(x, y.clamp(min=0)) for x, y in parts])


@wrong("08.2", "Targets of 0 are ignored, too.")
def only_positive_ids(weight, parts):
    return by_hand(weight, [(x, torch.where(y > 0, y, -100)) for x, y in parts])


@right("08.2")
def running_mean(weight, parts):
    weight = weight.clone().requires_grad_()
    mean, gradient, n = 0.0, torch.zeros_like(weight), 0
    for x, targets in parts:
        count = (targets != -100).sum().item()
        if count:
            loss = loss_of(weight, x, targets)
            n += count
            gradient += (torch.autograd.grad(loss, weight)[0] - gradient) * count / n
            mean += (loss.item() - mean) * count / n
    return [mean, gradient]


@right("08.2")
def by_hand(weight, parts):
    total, gradient, n = 0.0, np.zeros(weight.shape), 0
    for x, targets in parts:
        for vector, target in zip(x.double().numpy(), targets.tolist(), strict=True):
            if target < 0:
                continue
            logits = weight.double().numpy() @ vector
            p = np.exp(logits - logits.max())
            p /= p.sum()
            total -= math.log(p[target])
            p[target] -= 1
            gradient += np.outer(p, vector)
            n += 1
    return total / n, (gradient / n).tolist()


@wrong("08.2", "changed `requires_grad` or `grad` of the input")
def backward_on_what_was_given(weight, parts):
    weight.requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    losses = [F.cross_entropy(x @ weight.T, y, ignore_index=-100, reduction="sum") / n for x, y in parts]
    sum(losses).backward()
    return sum(losses).item(), weight.grad


# 08.3 Test documents in the training data


def ngrams(document, n):
    return [tuple(document[at : at + n]) for at in range(len(document) - n + 1)]


@wrong("08.3", "It's the share of the n-grams, not of the")
def share_of_ngrams(training, validation, n):
    known = {run for document in training for run in ngrams(document, n)}
    shares = []
    for document in validation:
        runs = ngrams(document, n)
        shares.append(sum(run in known for run in runs) / len(runs) if runs else 0.0)
    return shares


@wrong("08.3", "Only the first token of an n-gram is counted.")
def only_beginnings(training, validation, n):
    known = {run for document in training for run in ngrams(document, n)}
    return [sum(run in known for run in ngrams(one, n)) / len(one) if one else 0 for one in validation]


@wrong("08.3", "counted twice")
def overlapping(training, validation, n):
    known = set()
    for document in training:
        known.update(ngrams(document, n))
    shares = []
    for document in validation:
        read = 0
        for run in ngrams(document, n):
            if run in known:
                read += n
        shares.append(read / len(document) if document else 0.0)
    return shares


def share_covered(document, known, n):
    read = set()
    for at, run in enumerate(ngrams(document, n)):
        if run in known:
            read |= set(range(at, at + n))
    return len(read) / len(document) if document else 0.0


@wrong("08.3", "The last n-gram of each training document is")
def one_too_few(training, validation, n):
    known = {tuple(one[at : at + n]) for one in training for at in range(len(one) - n)}
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "Single tokens are looked up")
def set_of_tokens(training, validation, n):
    known = {token for document in training for token in document}
    return [sum(token in known for token in one) / len(one) if one else 0.0 for one in validation]


@wrong("08.3", "Only a document that occurs as a whole is")
def exact_copies(training, validation, n):
    known = set(map(tuple, training))
    return [1.0 if tuple(document) in known else 0.0 for document in validation]


@wrong("08.3", "into the next")
def as_one_stream(training, validation, n):
    stream = [token for document in training for token in document]
    known = set(ngrams(stream, n))
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "Only the training document with most")
def the_best_match(training, validation, n):
    sets = [set(ngrams(document, n)) for document in training]
    return [max(share_covered(document, known, n) for known in sets) for document in validation]


@wrong("08.3", "joined to a text")
def runs_as_text(training, validation, n):
    def text(ids):
        return "".join(str(id) for id in ids)

    known = {text(run) for document in training for run in ngrams(document, n)}
    known = {run for document in validation for run in ngrams(document, n) if text(run) in known}
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "Ids are looked up in a text, where 11 23")
def looked_up_in_a_text(training, validation, n):
    book = "\n".join(" ".join(map(str, document)) for document in training)
    known = {run for document in validation for run in ngrams(document, n) if " ".join(map(str, run)) in book}
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "fewer than n tokens")
def slices_at_the_end(training, validation, n):
    known = {tuple(one[at : at + n]) for one in training for at in range(len(one))}
    shares = []
    for document in validation:
        read = [False] * len(document)
        for at in range(len(document)):
            if tuple(document[at : at + n]) in known:
                for place in range(at, min(at + n, len(document))):
                    read[place] = True
        shares.append(sum(read) / len(read) if read else 0.0)
    return shares


@wrong("08.3", "ZeroDivisionError")
def divides_by_nothing(training, validation, n):
    known = {run for document in training for run in ngrams(document, n)}
    return [sum(share_covered(one, known, n) for _ in one) / len(one) for one in validation]


@wrong("08.3", "TypeError")
def lists_in_a_set(training, validation, n):
    known = {document[at : at + n] for document in training for at in range(len(document) - n + 1)}
    return [share_covered(document, known, n) for document in validation]


def runs_read(training, validation, n, key=lambda run: run, chosen=lambda places, document: places):
    known = {key(run) for document in training for run in ngrams(document, n)}
    shares = []
    for document in validation:
        places = [at for at, run in enumerate(ngrams(document, n)) if key(run) in known]
        read = {place for at in chosen(places, document) for place in range(at, at + n)}
        shares.append(len(read) / len(document) if document else 0.0)
    return shares


@wrong("08.3", "in any order")
def sorted_runs(training, validation, n):
    return runs_read(training, validation, n, key=lambda run: tuple(sorted(run)))


@wrong("08.3", "the share of new tokens")
def unread(training, validation, n):
    return [1 - share for share in runs_read(training, validation, n)]


@wrong("08.3", "in percent")
def percent(training, validation, n):
    return [100 * share for share in runs_read(training, validation, n)]


@wrong("08.3", "Every token of a document with a known n-gram")
def tainted(training, validation, n):
    return [1.0 if share else 0.0 for share in runs_read(training, validation, n)]


@wrong("08.3", "It's the number of tokens, not their share.")
def number_of_tokens(training, validation, n):
    return [share * len(text) for share, text in zip(runs_read(training, validation, n), validation, strict=True)]


@wrong("08.3", "A document is split into chunks of n tokens")
def in_blocks(training, validation, n):
    return runs_read(training, validation, n, chosen=lambda places, _: [at for at in places if at % n == 0])


@wrong("08.3", "Only the first known n-gram of a document is")
def first_run(training, validation, n):
    return runs_read(training, validation, n, chosen=lambda places, _: places[:1])


@wrong("08.3", "The last n-gram of each validation document is")
def last_run_of_the_exam(training, validation, n):
    return runs_read(training, validation, n, chosen=lambda places, text: [at for at in places if at + n < len(text)])


@wrong("08.3", "n tokens in a row count as soon as each of")
def neighbours(training, validation, n):
    known = {token for document in training for token in document}
    return (
        runs_read([], validation, n)
        if not known
        else [
            len({p for at, run in enumerate(ngrams(text, n)) if known.issuperset(run) for p in range(at, at + n)})
            / max(1, len(text))
            for text in validation
        ]
    )


@wrong("08.3", "one number for all")
def pooled(training, validation, n):
    shares = runs_read(training, validation, n)
    return sum(s * len(text) for s, text in zip(shares, validation, strict=True)) / max(1, sum(map(len, validation)))


@right("08.3")
def as_text(training, validation, n):
    books = ["," + "".join(f"{token}," for token in document) for document in training]
    shares = []
    for document in validation:
        read = np.zeros(len(document), dtype=bool)
        for at in range(len(document) - n + 1):
            run = "," + "".join(f"{token}," for token in document[at : at + n])
            if any(run in book for book in books):
                read[at : at + n] = True
        shares.append(read.mean() if len(read) else 0.0)
    return shares


@right("08.3")
def by_last_place_read(training, validation, n):
    known = {run for document in training for run in zip(*(document[shift:] for shift in range(n)), strict=False)}
    shares = []
    for document in validation:
        count, until = 0, 0
        for at in range(len(document)):
            if tuple(document[at : at + n]) in known:
                until = at + n
            count += at < until
        shares.append(count / max(1, len(document)))
    return torch.tensor(shares)


def read_at(document, known, n):
    places = [at for at in range(len(document) - n + 1) if known(document[at : at + n])]
    return {place for at in places for place in range(at, at + n)}


@wrong("08.3", "The tokens of an n-gram may have gaps between")
def in_order_with_gaps(training, validation, n):
    def known(run):
        return any(all(token in rest for token in run) for rest in map(iter, training))

    return [len(read_at(one, known, n)) / len(one) if one else 0.0 for one in validation]


@wrong("08.3", "validation document into the next")
def the_exam_in_one_piece(training, validation, n):
    runs = {tuple(book[at : at + n]) for book in training for at in range(len(book) - n + 1)}
    whole = [token for one in validation for token in one]
    read, at, shares = read_at(whole, lambda run: tuple(run) in runs, n), 0, []
    for one in validation:
        shares.append(sum(place in read for place in range(at, at + len(one))) / max(1, len(one)))
        at += len(one)
    return shares


# 08.4 Adafactor: a matrix of second moments in two vectors


def means(gradient, row, column, beta2):
    squares = gradient.square()
    return beta2 * row + (1 - beta2) * squares.mean(1), beta2 * column + (1 - beta2) * squares.mean(0)


def shortened(update, longest):
    rms = (update**2).mean().sqrt()
    return update * (longest / rms) if rms > longest else update


@wrong("08.4", "The product of the two means isn't divided by")
def outer_product_only(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "the sum of the rows' means")
def sum_of_means(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = row[:, None] * column[None, :] / row.sum() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The squares of a row or column are summed;")
def sums_as_in_the_paper(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.square().sum(1)
    column = beta2 * column + (1 - beta2) * gradient.square().sum(0)
    v = torch.outer(row, column) / row.sum() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The bias of the first steps")
def no_correction(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean()
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The bias is corrected twice")
def both_corrected(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    r_hat, c_hat = row / (1 - beta2**step), column / (1 - beta2**step)
    return shortened(gradient / ((torch.outer(r_hat, c_hat) / row.mean()).sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The root is missing")
def without_the_root(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v + 1e-8), longest), row, column


@wrong("08.4", "the square of the mean")
def mean_then_square(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.mean(1).square()
    column = beta2 * column + (1 - beta2) * gradient.mean(0).square()
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The weights of old and new in the running")
def betas_exchanged(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, 1 - beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The means that you return are bias-corrected")
def remembers_the_corrected(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    row, column = row / (1 - beta2**step), column / (1 - beta2**step)
    v = torch.outer(row, column) / column.mean()
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "An update with a small RMS is scaled up.")
def always_longest(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (v.sqrt() + 1e-8)
    return update / (update.square().mean().sqrt() / longest), row, column


@wrong("08.4", "Rows and columns are swapped.")
def axes_exchanged(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.square().mean(0)
    column = beta2 * column + (1 - beta2) * gradient.square().mean(1)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "changed the input")
def means_in_place(gradient, row, column, step, beta2, longest):
    row.mul_(beta2).add_((1 - beta2) * gradient.square().mean(1))
    column.mul_(beta2).add_((1 - beta2) * gradient.square().mean(0))
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The old running means are ignored: only this")
def without_a_memory(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, 0 * row, 0 * column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "as if every step were the first")
def correction_without_the_step(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The update isn't scaled down.")
def never_shortened(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return gradient / (v.sqrt() + 1e-8), row, column


@wrong("08.4", "The update is scaled by its norm, which grows")
def shortened_by_the_norm(gradient, row, column, step, beta2, longest):
    update, row, column = never_shortened(gradient, row, column, step, beta2, longest)
    norm = torch.linalg.matrix_norm(update)
    return (update * longest / norm if norm > longest else update), row, column


@wrong("08.4", "Each number of the update is clipped")
def clamped(gradient, row, column, step, beta2, longest):
    update, row, column = never_shortened(gradient, row, column, step, beta2, longest)
    return update.clamp(-longest, longest), row, column


@right("08.4")
def with_sums_in_double(gradient, row, column, step, beta2, longest):
    g = gradient.numpy().astype(np.float64)
    row = beta2 * row.numpy() + (1 - beta2) * np.mean(g**2, axis=1)
    column = beta2 * column.numpy() + (1 - beta2) * np.mean(g**2, axis=0)
    R, C = g.shape
    v = np.outer(row * C, column * R) / (row.sum() * C) / (1 - beta2**step)
    update = g / (np.sqrt(v) + 1e-8)
    rms = np.linalg.norm(update) / np.sqrt(R * C)
    return update * min(1, longest / rms), row, column


@right("08.4")
def two_factors(gradient, row, column, step, beta2, longest):
    squares = gradient * gradient
    row = torch.lerp(squares.mean(dim=1), row, beta2)
    column = torch.lerp(squares.mean(dim=0), column, beta2)
    by_row = (row / row.mean()).sqrt()
    by_column = (column / (1 - beta2**step)).sqrt()
    update = gradient / torch.einsum("r,c->rc", by_row, by_column).add(1e-8)
    return update / (update.pow(2).mean().sqrt() / longest).clamp(min=1), row, column


def adafactor(gradient, row, column, step, beta2, longest, divide):
    row = beta2 * row + (1 - beta2) * gradient.square().mean(1)
    column = beta2 * column + (1 - beta2) * gradient.square().mean(0)
    update = divide(gradient, row[:, None] * column / row.mean() / (1 - beta2**step))
    return update / max(1.0, float(update.square().mean().sqrt()) / longest), row, column


@wrong("08.4", "The 1e-8 is left out")
def by_rsqrt(*arguments):
    return adafactor(*arguments, lambda gradient, table: gradient * table.rsqrt())


@wrong("08.4", "The 1e-8 is under the root.")
def eps_below_the_root(*arguments):
    return adafactor(*arguments, lambda gradient, table: gradient * (table + 1e-8).rsqrt())


def adafactor_by(gradient, row, column, step, beta2, longest, power=None, divide=None, limit=None):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2 ** (step if power is None else power))
    update = (divide or (lambda gradient, v: gradient / (v.sqrt() + 1e-8)))(gradient, v)
    return (limit or shortened)(update, longest), row, column


@wrong("08.4", "The two means are swapped, and v̂ is")
def turned_round(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.square().mean(0)
    column = beta2 * column + (1 - beta2) * gradient.square().mean(1)
    v = torch.outer(column, row) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "minus sign of the step")
def downhill(*call):
    return adafactor_by(*call, divide=lambda gradient, v: -gradient / (v.sqrt() + 1e-8))


@wrong("08.4", "with step + 1")
def one_ahead(*call):
    return adafactor_by(*call, power=call[3] + 1)


@wrong("08.4", "with step - 1")
def one_behind(*call):
    return adafactor_by(*call, power=max(1, call[3] - 1))


@wrong("08.4", "multiplied by 1 - beta2^step")
def corrected_the_wrong_way(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() * (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The absolute values are averaged")
def sizes(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.abs().mean(1)
    column = beta2 * column + (1 - beta2) * gradient.abs().mean(0)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


def with_eps(eps):
    def answer(*call):
        return adafactor_by(*call, divide=lambda gradient, v: gradient / (v.sqrt() + eps))

    answer.__name__ = f"with_eps_of_{eps:.0e}"
    return answer


for eps in (1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10):
    wrong("08.4", f"{eps:.0e} is added")(with_eps(eps))


@wrong("08.4", "The update uses the old running means.")
def old_means(gradient, row, column, step, beta2, longest):
    new_row, new_column = means(gradient, row, column, beta2)
    old_row, old_column = (new_row, new_column) if step == 1 else (row, column)
    v = torch.outer(old_row, old_column) / old_row.mean() / (1 - beta2**step)
    return gradient / (v.sqrt() + 1e-8), new_row, new_column


@wrong("08.4", "The gradient is scaled down, not the update.")
def gradient_first(gradient, row, column, step, beta2, longest):
    return adafactor_by(shortened(gradient, longest), row, column, step, beta2, 1e9)


@wrong("08.4", "The update is divided by its RMS only, so its")
def to_one(*call):
    return adafactor_by(*call, limit=lambda update, longest: shortened(update, 1.0))


@wrong("08.4", "The update is scaled by its largest number")
def by_the_largest(*call):
    return adafactor_by(*call, limit=lambda update, longest: update / max(1.0, update.abs().max().item() / longest))


@wrong("08.4", "The root in the RMS is missing: it's the mean")
def mean_square_limit(*call):
    return adafactor_by(*call, limit=lambda update, longest: update / max(1.0, update.square().mean().item() / longest))


# Further answers to all questions: what is seldom forgotten


def runs_of(documents, n):
    return {tuple(text[at : at + n]) for text in documents for at in range(len(text) - n + 1)}


def by_places(share, left_out=0):
    """Other shares, from the places at which known runs begin."""

    def answer(training, validation, n):
        known = runs_of([text[: len(text) - left_out] for text in training], n)
        shares = []
        for text in validation:
            last = len(text) - n + 1 - left_out
            starts = [at for at in range(last) if tuple(text[at : at + n]) in known]
            shares.append(share(text, starts, n) if text else 0.0)
        return shares

    return answer


def marked(starts, n):
    return {at + more for at in starts for more in range(n)}


@wrong("08.3", "counted twice")
def one_at_most(*call):
    return by_places(lambda text, starts, n: min(1.0, n * len(starts) / len(text)))(*call)


@wrong("08.3", "The last n-gram of each document is missing")
def one_run_too_few(*call):
    return by_places(lambda text, starts, n: len(marked(starts, n)) / len(text), left_out=1)(*call)


@wrong("08.3", "misses those that overlap it")
def goes_on_behind(*call):
    def share(text, starts, n):
        found = []
        for at in starts:
            if not found or found[-1] + n <= at:
                found.append(at)
        return n * len(found) / len(text)

    return by_places(share)(*call)


@wrong("08.3", "Distinct tokens are counted, not positions: a")
def vocabulary(*call):
    return by_places(lambda text, starts, n: len({text[at] for at in marked(starts, n)}) / len(set(text)))(*call)


@wrong("08.3", "The share of [9, 2, 3, 4, 7, 8] is 0.4286")
def one_more_in_the_divisor(*call):
    return by_places(lambda text, starts, n: len(marked(starts, n)) / (len(text) + 1))(*call)


@wrong("08.3", "A token of an n-gram is counted wherever it")
def wherever_such_a_token_stands(*call):
    def share(text, starts, n):
        known = {text[at] for at in marked(starts, n)}
        return sum(token in known for token in text) / len(text)

    return by_places(share)(*call)


@wrong("08.2", "is right up to a factor in each row")
def an_empty_part_counts_once(weight, parts):
    def total(weight, parts, n):
        n = sum(max(1, int((y != -100).sum())) for _, y in parts)
        return sum(loss_of(weight, *part, "sum") for part in parts) / n

    return by_autograd(weight, parts, total)


@wrong("08.3", "The covered tokens are divided by the number of n-grams, not by that of tokens")
def per_window(training, validation, n):
    known = {tuple(text[at : at + n]) for text in training for at in range(len(text) - n + 1)}
    shares = []
    for text in validation:
        starts = [at for at in range(len(text) - n + 1) if tuple(text[at : at + n]) in known]
        covered = set().union(*(range(at, at + n) for at in starts))
        shares.append(len(covered) / max(len(text) - n + 1, 1))
    return shares
