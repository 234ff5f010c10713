"""Answers to exercise 00b as learners write them."""

import copy
import math
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 00b.1 KL divergence from logits


@wrong("00b.1", "are swapped")
def as_the_arguments_of_kl_div_stand(truth, guess):
    p, q = guess.softmax(1), truth.softmax(1)
    return (p * (p / q).log()).sum(1)


@wrong("00b.1", "This is the cross-entropy")
def entropy_not_taken_away(truth, guess):
    return F.cross_entropy(guess, truth.softmax(-1), reduction="none")


@wrong("00b.1", "in bits")
def with_log2(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return (p * (p.log2() - q.log2())).sum(-1)


@wrong("00b.1", "mean over the vocabulary")
def mean_of_the_row(truth, guess):
    p = F.softmax(truth, dim=-1)
    return (p * (F.log_softmax(truth, dim=-1) - F.log_softmax(guess, dim=-1))).mean(dim=1)


@wrong("00b.1", "in one number")
def axis_forgotten(truth, guess):
    return torch.sum(truth.softmax(-1) * torch.log(truth.softmax(-1) / guess.softmax(-1)))


@wrong("00b.1", "along the wrong axis")
def softmax_over_the_batch(truth, guess):
    p, q = torch.softmax(truth, 0), torch.softmax(guess, 0)
    return (p * torch.log(p / q)).sum(1)


@wrong("00b.1", "The powers overflow")
def softmax_by_hand(truth, guess):
    p = torch.exp(truth) / torch.exp(truth).sum(1)[:, None]
    q = torch.exp(guess) / torch.exp(guess).sum(1)[:, None]
    return torch.sum(p * torch.log(p / q), dim=1)


@wrong("00b.1", "rounded to 0 are divided")
def the_formula_as_it_stands(truth, guess):
    p, q = truth.softmax(dim=1), guess.softmax(dim=1)
    return (p * torch.log(p / q)).sum(dim=1)


@wrong("00b.1", "rounded to 0 before its logarithm")
def possible_tokens_only(truth, guess):
    terms = []
    for p, q in zip(truth.softmax(-1), guess.softmax(-1), strict=True):
        possible = p > 0
        terms.append((p[possible] * (p[possible].log() - q[possible].log())).sum())
    return torch.stack(terms)


@wrong("00b.1", "A tiny number")
def with_epsilon(truth, guess):
    p, q = truth.softmax(-1) + 1e-9, guess.softmax(-1) + 1e-9
    return (p * (p.log() - q.log())).sum(-1)


@wrong("00b.1", "rules out what can happen, and yet the result is")
def never_infinite(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1).clamp_min(-1000)
    return (log_p.exp() * (log_p.clamp_min(-1000) - log_q)).sum(-1)


@wrong("00b.1", "brings NaN")
def zero_times_infinity(truth, guess):
    difference = F.log_softmax(truth, -1) - F.log_softmax(guess, -1)
    return (truth.softmax(-1) * difference).sum(-1)


@wrong("00b.1", "a large, finite number")
def nan_and_infinity_mended(truth, guess):
    log_p = truth.log_softmax(-1)
    return torch.nan_to_num(log_p.exp() * (log_p - guess.log_softmax(-1))).sum(-1)


@wrong("00b.1", "called torch.nn.functional.kl_div")
def ready_made(truth, guess):
    return F.kl_div(guess.log_softmax(-1), truth.softmax(-1), reduction="none").sum(-1)


@right("00b.1")
def by_log_sum_exp(truth, guess):
    weights = truth.double().softmax(-1)
    possible = weights > 0
    gap = (truth.double() - guess).masked_fill(~possible, 0.0)
    return (weights * gap).sum(-1) - truth.logsumexp(-1) + guess.logsumexp(-1)


@right("00b.1")
def kl_by_loops(truth, guess):
    def log_softmax(row):
        top = max(row)
        total = top + math.log(sum(math.exp(z - top) for z in row))
        return [z - total for z in row]

    terms = []
    for one, other in zip(truth.tolist(), guess.tolist(), strict=True):
        pairs = zip(log_softmax(one), log_softmax(other), strict=True)
        terms.append(sum(math.exp(p) * (p - q) for p, q in pairs if p > -math.inf))
    return terms


@right("00b.1")
def cross_entropy_minus_entropy(truth, guess):
    p = truth.double().softmax(-1)
    entropy = -torch.special.xlogy(p, p).sum(-1)
    surprises = -guess.double().log_softmax(-1)
    return torch.where(p > 0, p * surprises, 0.0).sum(-1) - entropy


@wrong("00b.1", "A small probability is taken for 0")
def unlikely_is_impossible(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    p = log_p.exp()
    return torch.where(p > 1e-6, p * (log_p - log_q), 0.0).sum(-1)


# 00b.2 The loss falls, but the step is wrong


def walk(layers, x, y):
    """Outputs of all layers (the first is x) and the slope at the logits."""
    h = [x]
    for w, b in layers[:-1]:
        h.append((h[-1] @ w + b).tanh())
    logits = h[-1] @ layers[-1][0] + layers[-1][1]
    return h, logits.softmax(-1) * y.sum(-1, keepdim=True) - y


@wrong("00b.2", "still goes back through a weight that has been stepped")
def bias_moved_out_of_the_way(layers, x, y, rate):
    h, d = walk(layers, x, y)
    layers = list(layers)
    for i in range(len(layers) - 1, -1, -1):
        layers[i] = (layers[i][0] - rate * h[i].T @ d, layers[i][1] - rate * d.sum(0))
        d = (d @ layers[i][0].T) * (1 - h[i].square())
    return layers


@wrong("00b.2", "The slope of tanh is missing")
def without_tanh(layers, x, y, rate):
    h, d = walk(layers, x, y)
    new = []
    for (w, b), out in zip(reversed(layers), reversed(h), strict=True):
        new.append((w - rate * out.T @ d, b - rate * d.sum(0)))
        d = d @ w.T
    return new[::-1]


@wrong("00b.2", "The step goes uphill")
def plus(layers, x, y, rate):
    return down(layers, x, y, -rate)


@wrong("00b.2", "is taken to add up to 1")
def p_minus_y(layers, x, y, rate):
    h, d = walk(layers, x, y)
    d = d + y
    return back(layers, h, d / d.sum(-1, keepdim=True) - y, rate)


@wrong("00b.2", "divided by the batch once more")
def mean_over_the_batch(layers, x, y, rate):
    h, d = walk(layers, x, y)
    return back(layers, h, d / x.shape[0], rate)


@wrong("00b.2", "The logits, too, go through tanh")
def tanh_everywhere(layers, x, y, rate):
    h = [x]
    for w, b in layers:
        h.append(torch.tanh(h[-1] @ w + b))
    out = h.pop()
    return back(layers, h, (out.softmax(-1) * y.sum(1)[:, None] - y) * (1 - out**2), rate)


@wrong("00b.2", "The biases stay")
def weights_only(layers, x, y, rate):
    return [(w, old) for (w, _), (_, old) in zip(down(layers, x, y, rate), layers, strict=True)]


@wrong("00b.2", "not through its transpose")
def no_transpose(layers, x, y, rate):
    h, d = walk(layers, x, y)
    new = list(layers)
    for i in reversed(range(len(layers))):
        w, b = layers[i]
        new[i] = w - rate * h[i].T @ d, b - rate * d.sum(0)
        if i:
            d = (d @ w if w.shape[0] == w.shape[1] else d @ w.T) * (1 - h[i] ** 2)
    return new


@wrong("00b.2", "taken from the layer before")
def tanh_of_the_layer_before(layers, x, y, rate):
    h, d = walk(layers, x, y)
    new = list(layers)
    for i in reversed(range(len(layers))):
        w, b = layers[i]
        new[i] = w - rate * h[i].T @ d, b - rate * d.sum(0)
        bent = h[i - 1] if h[i - 1].shape == h[i].shape else h[i]
        d = d @ w.T * (1 - bent**2)
    return new


@wrong("00b.2", "1 - h is multiplied")
def square_forgotten(layers, x, y, rate):
    h, d = walk(layers, x, y)
    new = []
    for (w, b), out in zip(layers[::-1], h[::-1], strict=True):
        new.append((w - rate * out.T @ d, b - rate * d.sum(0)))
        d = d @ w.T * (1 - out)
    return new[::-1]


@wrong("00b.2", "changed the input")
def in_place(layers, x, y, rate):
    h, d = walk(layers, x, y)
    for (w, b), out in zip(layers[::-1], h[::-1], strict=True):
        before = d @ w.T * (1 - out**2)
        w -= rate * out.T @ d
        b -= rate * d.sum(0)
        d = before
    return layers


@wrong("00b.2", "called torch")
def by_autograd(layers, x, y, rate):
    layers = [(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in layers]
    h = x
    for w, b in layers[:-1]:
        h = torch.tanh(h @ w + b)
    (-(y * (h @ layers[-1][0] + layers[-1][1]).log_softmax(-1)).sum()).backward()
    return [(w - rate * w.grad, b - rate * b.grad) for w, b in layers]


def back(layers, h, d, rate):
    if not layers:
        return []
    w, b = layers[-1]
    front = back(layers[:-1], h[:-1], d @ w.T * (1 - h[-1] ** 2), rate)
    return [*front, (w - rate * h[-1].T @ d, b - rate * d.sum(0))]


@right("00b.2")
def down(layers, x, y, rate):
    with torch.no_grad():  # which is no help, and so allowed; nor is a look at what came in
        print(x, y)
        return back(copy.deepcopy(layers), *walk(layers, x, y), rate)


@right("00b.2")
def with_a_column_of_ones(layers, x, y, rate):
    """A bias is the weight of an input that is always 1."""
    stacked = [np.vstack([w.numpy(), b.numpy()]).astype(np.float64) for w, b in layers]
    ones = np.ones((len(x), 1))
    inputs = [np.hstack([x.numpy(), ones])]
    for matrix in stacked[:-1]:
        inputs.append(np.hstack([np.tanh(inputs[-1] @ matrix), ones]))
    logits = inputs[-1] @ stacked[-1]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    target = y.numpy()
    d = powers / powers.sum(1, keepdims=True) * target.sum(1, keepdims=True) - target
    stepped = []
    for matrix, given in zip(stacked[::-1], inputs[::-1], strict=True):
        stepped.append(matrix - rate * given.T @ d)
        d = (d @ matrix.T * (1 - given**2))[:, :-1]
    return [[matrix[:-1], matrix[-1]] for matrix in stepped[::-1]]


# 00b.3 The gradient of a broadcast


@wrong("00b.3", "averaged")
def mean_of_the_copies(slopes, shape):
    while slopes.ndim > len(shape):
        slopes = slopes.mean(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.mean(axis, keepdim=True)
    return slopes


@wrong("00b.3", "Only the first copy")
def first_copy(slopes, shape):
    while slopes.ndim > len(shape):
        slopes = slopes[0]
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.narrow(axis, 0, 1)
    return slopes


@wrong("00b.3", "still have the shape of the result")
def as_it_is(slopes, shape):
    return slopes.clone()


@wrong("00b.3", "Only one of the leading axes")
def like_a_bias(slopes, shape):
    return slopes.sum(dim=0) if len(slopes.shape) != len(shape) else slopes


@wrong("00b.3", "The trailing axes are summed")
def flush_left(slopes, shape):
    while slopes.ndim > len(shape):
        slopes = slopes.sum(-1)
    return slopes


@wrong("00b.3", "left stretched")
def any_number_of_biases(slopes, shape):
    while slopes.ndim > len(shape):
        slopes = slopes.sum(0)
    return slopes


@wrong("00b.3", "reshaped in the order of memory")
def blocks(slopes, shape):
    return sum(slopes.reshape(-1, math.prod(shape))).reshape(shape)


@wrong("00b.3", "The summed axis is lost")
def without_keepdim(slopes, shape):
    extra = slopes.ndim - len(shape)
    axes = [*range(extra), *(extra + i for i, size in enumerate(shape) if size == 1 and slopes.shape[extra + i] > 1)]
    return slopes.sum(axes) if axes else slopes


@wrong("00b.3", "looked up at the wrong axes")
def ones_first(slopes, shape):
    for axis in range(len(shape)):
        if shape[axis] == 1:
            slopes = slopes.sum(dim=axis, keepdim=True)
    while slopes.ndim > len(shape):
        slopes = slopes.sum(0)
    return slopes


@wrong("00b.3", "called torch.Tensor.sum_to_size")
def what_torch_has(slopes, shape):
    return torch.Tensor.sum_to_size(slopes, shape)


@right("00b.3")
def where_each_number_goes(slopes, shape):
    """Broadcast the positions of the numbers, and add each slope where its copy came from."""
    size = math.prod(shape)
    positions = torch.arange(size).view(shape).expand(slopes.shape)
    return torch.zeros(size).index_add(0, positions.flatten(), slopes.flatten()).view(shape)


@right("00b.3")
def by_padded_shapes(slopes, shape):
    padded = (1,) * (slopes.ndim - len(shape)) + shape
    axes = tuple(i for i, size in enumerate(padded) if size == 1)
    return slopes.numpy().astype(np.float64).sum(axis=axes, keepdims=True).reshape(shape)


@right("00b.3")
def by_einsum(slopes, shape):
    print(slopes)
    letters = "abcdefgh"[: slopes.ndim]
    kept = "".join(c for c, size in zip(letters[slopes.ndim - len(shape) :], shape, strict=True) if size != 1)
    return torch.einsum(f"{letters}->{kept}", slopes).reshape(shape)


# 00b.4 Write an autograd


def numbers_of(values, steps):
    found = dict(values)
    for name, operation, inputs in steps:
        a, b = found[inputs[0]], found[inputs[-1]]
        found[name] = {"+": a + b, "*": a * b, "tanh": math.tanh(a), "exp": math.exp(min(a, 700))}[operation]
    return found


def parts_of(operation, out, a, b):
    return {"+": [1, 1], "*": [b, a], "tanh": [1 - out**2], "exp": [out]}[operation]


def tape(values, steps, parts=parts_of, steps_in_order=None):
    found = numbers_of(values, steps)
    slope = {name: 0 for name in found}
    slope[steps[-1][0]] = 1
    for name, operation, inputs in steps_in_order or steps[::-1]:
        own = parts(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in zip(inputs, own, strict=True):
            slope[one] += part * slope[name]
    return slope


@wrong("00b.4", "taken to be that input itself")
def factors_mixed_up(values, steps):
    return tape(values, steps, lambda op, out, a, b: [a, b] if op == "*" else parts_of(op, out, a, b))


@wrong("00b.4", "the chain rule is missing")
def no_chain(values, steps):
    found = numbers_of(values, steps)
    slope = dict.fromkeys(found, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in steps:
        for one, part in zip(
            inputs, parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]]), strict=True
        ):
            slope[one] += part
    return slope


@wrong("00b.4", "tanh is computed from what went in")
def tanh_of_the_input(values, steps):
    return tape(values, steps, lambda op, out, a, b: [1 - a * a] if op == "tanh" else parts_of(op, out, a, b))


@wrong("00b.4", "exp is taken to be what went in")
def exp_like_a_line(values, steps):
    return tape(values, steps, lambda op, out, a, b: [a] if op == "exp" else parts_of(op, out, a, b))


@wrong("00b.4", "The slope of exp is taken to be 1.")
def exp_has_slope_one(values, steps):
    return tape(values, steps, lambda op, out, a, b: [1] if op == "exp" else parts_of(op, out, a, b))


@wrong("00b.4", "from the front to the end")
def forwards(values, steps):
    return tape(values, steps, steps_in_order=steps)


@wrong("00b.4", "the steps are missing")
def only_what_was_given(values, steps):
    slope = tape(values, steps)
    return {name: slope[name] for name in values}


@wrong("00b.4", "overwrites the slope")
def micrograd_before_its_mending(values, steps):
    found = numbers_of(values, steps)
    slope = dict.fromkeys(found, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in zip(inputs, own, strict=True):
            slope[one] = part * slope[name]
    return slope


@wrong("00b.4", "counts as one path")
def inputs_in_a_dictionary(values, steps):
    found = numbers_of(values, steps)
    slope = dict.fromkeys(found, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in dict(zip(inputs, own, strict=True)).items():
            slope[one] += part * slope[name]
    return slope


@wrong("00b.4", "passed on before it is complete")
def depth_first(values, steps):
    found = numbers_of(values, steps)
    made = {step[0]: step for step in steps}
    slope = dict.fromkeys(found, 0.0)
    slope[steps[-1][0]] = 1.0

    def go_back(name):
        if name not in made:
            return
        _, operation, inputs = made[name]
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        arrived = slope[name]
        for one, part in zip(inputs, own, strict=True):
            slope[one] += part * arrived
            go_back(one)

    go_back(steps[-1][0])
    return slope


@wrong("00b.4", "Names from which no path leads")
def slopes_as_they_come(values, steps):
    found = numbers_of(values, steps)
    slope = {steps[-1][0]: 1.0}
    for name, operation, inputs in reversed(steps):
        if name not in slope:
            continue
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in zip(inputs, own, strict=True):
            slope[one] = slope.get(one, 0) + part * slope[name]
    return slope


@wrong("00b.4", "has no slope")
def a_dictionary_that_fills_itself(values, steps):
    found, slope = numbers_of(values, steps), defaultdict(float)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in zip(inputs, own, strict=True):
            slope[one] += part * slope[name]
    return slope


@wrong("00b.4", "begins with the last number itself")
def begins_with_the_result(values, steps):
    found, slope = numbers_of(values, steps), tape(values, steps)
    last = steps[-1][0]
    return {name: found[last] * one for name, one in slope.items()}


@wrong("00b.4", "at every loose end")
def one_wherever_nothing_follows(values, steps):
    found = numbers_of(values, steps)
    used = [one for _, _, inputs in steps for one in inputs]
    slope = {name: 0.0 if name in used else 1.0 for name in found}
    for name, operation, inputs in reversed(steps):
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in zip(inputs, own, strict=True):
            slope[one] += part * slope[name]
    return slope


@wrong("00b.4", "called torch")
def what_wrote_the_tape(values, steps):
    found = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    for name, operation, inputs in steps:
        a, b = found[inputs[0]], found[inputs[-1]]
        found[name] = (
            {"+": torch.add, "*": torch.mul}[operation](a, b) if operation in "+*" else getattr(a, operation)()
        )
    for one in found.values():
        one.retain_grad()
    found[steps[-1][0]].backward()
    return {name: 0.0 if one.grad is None else one.grad.item() for name, one in found.items()}


@right("00b.4")
def forward_mode(values, steps):
    """One walk forwards for each name: how does the last number change with it?"""
    slope = {}
    for source in [*values, *(name for name, _, _ in steps)]:
        found = numbers_of(values, steps)
        moves = {name: float(name == source) for name in values}
        for name, operation, inputs in steps:
            own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
            moves[name] = sum(part * moves[one] for one, part in zip(inputs, own, strict=True)) + (name == source)
        slope[source] = moves[steps[-1][0]]
    return slope


@right("00b.4")
def pulled_from_the_users(values, steps):
    """From the result's side: a name's slope is what its users have, so ask them."""
    found = numbers_of(values, steps)

    def slope(name):
        total = 1.0 if name == steps[-1][0] else 0.0
        for user, operation, inputs in steps:
            if name in inputs:
                own = parts_of(operation, found[user], found[inputs[0]], found[inputs[-1]])
                total += slope(user) * sum(p for one, p in zip(inputs, own, strict=True) if one == name)
        return total

    return {name: slope(name) for name in found}


@wrong("00b.1", "The guess's probabilities are the weights")
def weights_of_the_guess(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return torch.where(log_q > -math.inf, log_q.exp() * (log_p - log_q), 0.0).sum(-1)


@wrong("00b.1", "Nothing is weighed")
def sum_of_the_differences(truth, guess):
    return (truth.log_softmax(-1) - guess.log_softmax(-1)).sum(-1)


@wrong("00b.1", "The logits themselves are compared")
def logits_for_logarithms(truth, guess):
    return (truth.softmax(-1) * (truth - guess)).sum(-1)


@wrong("00b.1", "The absolute value")
def no_token_below_zero(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return torch.where(log_p > -math.inf, log_p.exp() * (log_p - log_q).abs(), 0.0).sum(-1)


@wrong("00b.1", "the mean of both directions")
def both_directions(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return ((p - q) * (p.log() - q.log())).sum(-1) / 2


@wrong("00b.1", "The result changes if 3 is added")
def only_the_truth_is_normalised(truth, guess):
    log_p = truth.log_softmax(-1)
    return torch.where(log_p > -math.inf, log_p.exp() * (log_p - guess), 0.0).sum(-1)


@wrong("00b.1", "the divergence should be 0")
def half_of_the_entropy(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return (log_p.exp() * (log_p / 2 - log_q)).sum(-1)


@wrong("00b.1", "With logits near 150 the result is")
def overflow_hidden(truth, guess):
    p, q = (logits.exp() / logits.exp().sum(-1, keepdim=True) for logits in (truth, guess))
    return torch.where(p > 0, p * (p / q).log(), 0.0).sum(-1)


@wrong("00b.1", "The zeros are put where the guess rules a token out")
def zeros_by_the_guess(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return torch.where(log_q > -math.inf, log_p.exp() * (log_p - log_q), 0.0).sum(-1)


def back_with(layers, h, d, rate, bend):
    new = []
    for (w, b), out in zip(layers[::-1], h[::-1], strict=True):
        new.append((w - rate * out.T @ d, b - rate * d.sum(0)))
        d = d @ w.T * bend(out)
    return new[::-1]


@wrong("00b.2", "the slope of a ReLU is multiplied")
def relu_on_the_way_back(layers, x, y, rate):
    return back_with(layers, *walk(layers, x, y), rate, lambda out: out > 0)


@wrong("00b.2", "the slope of a sigmoid is multiplied")
def sigmoid_on_the_way_back(layers, x, y, rate):
    return back_with(layers, *walk(layers, x, y), rate, lambda out: out - out**2)


@wrong("00b.2", "is taken to weigh 1 / B")
def one_over_the_batch(layers, x, y, rate):
    h, d = walk(layers, x, y)
    p = (d + y) / y.sum(1, keepdim=True)
    return back(layers, h, p / len(x) - y, rate)


@wrong("00b.2", "is taken to weigh 1 / B")
def cross_entropy_of_the_mean(layers, x, y, rate):
    h, d = walk(layers, x, y)
    p = ((d + y) / y.sum(1, keepdim=True)).double()
    return back(layers, h, (p * (1 / y.shape[0])).float() - y, rate)


@wrong("00b.2", "The weight of layer 0 does not move; all layers after it are right")
def only_the_last_layer(layers, x, y, rate):
    return [*layers[:-1], down(layers, x, y, rate)[-1]]


@wrong("00b.2", "The bias of layer 1 moves 1 / B as far")
def biases_by_their_mean(layers, x, y, rate):
    new = down(layers, x, y, rate)
    return [(w, old - (old - b) / len(x)) for (w, b), (_, old) in zip(new, layers, strict=True)]


@wrong("00b.2", "computed anew after each layer has been stepped.")
def forwards_for_each_layer(layers, x, y, rate):
    now = [tuple(layer) for layer in layers]
    for i in range(len(layers) - 1, -1, -1):
        now[i] = down(now, x, y, rate)[i]
    return now


@wrong("00b.2", "and the slopes go back through the old weights")
def forwards_through_the_new_layers(layers, x, y, rate):
    now = list(layers)
    for i in range(len(layers) - 1, -1, -1):
        h, d = walk(now, x, y)
        now[i] = back(layers, h, d, rate)[i]
    return now


@wrong("00b.3", "is of type float, and a tensor is asked for")
def a_number_for_the_empty_shape(slopes, shape):
    return by_einsum(slopes, shape) if shape else slopes.sum().item()


@wrong("00b.4", "The slope of exp is taken to be e to the power of what came out")
def exp_of_what_came_out(values, steps):
    return tape(
        values, steps, lambda op, out, a, b: [math.exp(min(out, 700))] if op == "exp" else parts_of(op, out, a, b)
    )


@wrong("00b.4", "The slope of tanh is taken to be 1 - out.")
def tanh_without_its_square(values, steps):
    return tape(values, steps, lambda op, out, a, b: [1 - out] if op == "tanh" else parts_of(op, out, a, b))


@wrong("00b.4", "Only tanh has a wrong slope")
def tanh_of_another_kind(values, steps):
    return tape(values, steps, lambda op, out, a, b: [1 - out**3] if op == "tanh" else parts_of(op, out, a, b))


@wrong("00b.4", "All slopes are nearly right, and not exact")
def rounded_to_two_digits(values, steps):
    return {name: round(one, 2) for name, one in tape(values, steps).items()}


@wrong("00b.4", "begins with 0")
def nothing_sent_back(values, steps):
    return {name: 0.0 for name in numbers_of(values, steps)}


@wrong("00b.4", "Only the first path counts")
def first_way_only(values, steps):
    found = numbers_of(values, steps)
    slope = {steps[-1][0]: 1.0}
    for name, operation, inputs in reversed(steps):
        own = parts_of(operation, found[name], found[inputs[0]], found[inputs[-1]])
        for one, part in zip(inputs, own, strict=True):
            slope.setdefault(one, part * slope.get(name, 0.0))
    return {name: slope.get(name, 0.0) for name in found}


@wrong("00b.4", "raised OverflowError")
def tanh_by_its_formula(values, steps):
    found = numbers_of(values, steps)
    for _, operation, inputs in steps:
        if operation == "tanh":
            math.exp(2 * abs(found[inputs[0]]))
    return tape(values, steps)


@wrong("00b.1", "rounded to 0 in float32, and 0 times infinity is NaN")
def in_float32(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return torch.where(log_p == -math.inf, 0.0, log_p.exp() * (log_p - log_q)).sum(-1)


@wrong("00b.1", "is one maximum taken of the whole batch?")
def one_largest_logit(truth, guess):
    def logs(z):
        z = z - z.max()
        return z - z.exp().sum(-1, keepdim=True).log()

    log_p, log_q = logs(truth).double(), logs(guess).double()
    return torch.where(truth == -math.inf, 0.0, log_p.exp() * (log_p - log_q)).sum(-1)


def stepped_with(change):
    """A step whose slopes, one list of (weight, bias) by layer, are changed before they are used."""

    def answer(layers, x, y, rate):
        outputs = [x]
        for weight, bias in layers[:-1]:
            outputs.append(torch.tanh(outputs[-1] @ weight + bias))
        slope = (outputs[-1] @ layers[-1][0] + layers[-1][1]).softmax(-1) * y.sum(1, keepdim=True) - y
        slopes = []
        for (weight, _), h in zip(layers[::-1], outputs[::-1], strict=True):
            slopes.insert(0, (h.T @ slope, slope.sum(0)))
            slope = slope @ weight.T * (1 - h**2)
        changed = change(slopes)
        return [(w - rate * a, b - rate * c) for (w, b), (a, c) in zip(layers, changed, strict=True)]

    return answer


def length(*parts):
    return torch.cat([part.flatten() for part in parts]).norm()


wrong("00b.2", "Only the signs of the slopes")(stepped_with(lambda s: [(a.sign(), b.sign()) for a, b in s]))
wrong("00b.2", "each layer are scaled to length 1")(
    stepped_with(lambda s: [(a / length(a, b), b / length(a, b)) for a, b in s])
)
wrong("00b.2", "all layers together are scaled to length 1")(
    stepped_with(lambda s: [(a / length(*sum(s, ())), b / length(*sum(s, ()))) for a, b in s])
)
wrong("00b.2", "each weight and each bias are scaled to length 1")(
    stepped_with(lambda s: [(a / length(a), b / length(b)) for a, b in s])
)


wrong("00b.2", "scaled down to length 1 where they are longer")(
    stepped_with(lambda s: [(a / length(a, b).clamp_min(1), b / length(a, b).clamp_min(1)) for a, b in s])
)


@wrong("00b.3", "the others have moved down by one")
def axis_by_axis(slopes, shape):
    for axis in range(slopes.ndim - len(shape)):
        slopes = slopes.sum(axis)
    return slopes


def walked(values, steps, stop_at_zero):
    local = {
        "+": lambda out, a, b: (1.0, 1.0),
        "*": lambda out, a, b: (b, a),
        "tanh": lambda out, a: (1 - out * out,),
        "exp": lambda out, a: (out,),
    }
    forward = {"+": lambda a, b: a + b, "*": lambda a, b: a * b, "tanh": math.tanh, "exp": math.exp}
    found = dict(values)
    for name, operation, inputs in steps:
        found[name] = forward[operation](*(found[source] for source in inputs))
    slope = dict.fromkeys(found, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in steps[::-1]:
        if stop_at_zero and not slope[name]:
            break
        for source, part in zip(inputs, local[operation](found[name], *(found[i] for i in inputs)), strict=True):
            slope[source] += slope[name] * part
        if not stop_at_zero:
            slope[name] = 0.0
    return slope


@wrong("00b.4", "those of the steps are all 0")
def slopes_handed_on(values, steps):
    return walked(values, steps, stop_at_zero=False)


@wrong("00b.4", "does it stop there?")
def stopped_at_zero(values, steps):
    return walked(values, steps, stop_at_zero=True)


# From the text alone, before the checks were read


@wrong("00b.1", "A small probability is taken for 0: the guess rules it out")
def unlikely_is_impossible_again(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), torch.zeros_like(p)).sum(-1)


@wrong("00b.1", "Infinity was made a large, finite number")
def infinity_made_finite(truth, guess):
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).nan_to_num().sum(-1)


@wrong("00b.1", "The guess rules out what can happen, and yet the result is")
def ruled_out_by_the_guess_skipped(truth, guess):
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    terms = log_p.exp() * (log_p - log_q)
    return torch.where((log_p > -math.inf) & (log_q > -math.inf), terms, 0.0).sum(-1)


@wrong("00b.1", "The logits themselves are compared, not the logarithms of probabilities")
def raw_logits_subtracted(truth, guess):
    p = truth.double().softmax(-1)
    terms = p * (truth.double() - guess.double())
    return torch.where(truth > -math.inf, terms, 0.0).sum(-1)


@wrong("00b.1", "is a small number added to the probabilities, or are they clamped?")
def epsilon_in_the_log(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return (p * ((p + 1e-8).log() - (q + 1e-8).log())).sum(-1)


@wrong("00b.1", "A probability was rounded to 0 before its logarithm was taken")
def logs_of_rounded_probabilities(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return torch.where(p > 0, p * (p / q).log(), torch.zeros(())).sum(-1)


@right("00b.1")
def in_plain_python(truth, guess):
    def logs(row):
        top = max(row)
        total = top + math.log(sum(math.exp(x - top) for x in row))
        return [x - total for x in row]

    found = []
    for row, other in zip(truth.tolist(), guess.tolist(), strict=True):
        pairs = zip(logs(row), logs(other), strict=True)
        found.append(math.fsum(math.exp(a) * (a - b) for a, b in pairs if a > -math.inf))
    return found


def forward(layers, x):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    return outputs, (outputs[-1] @ layers[-1][0] + layers[-1][1]).log_softmax(-1)


@wrong("00b.2", "Every row of `y` is taken to add up to 1")
def every_row_weighs_one(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00b.2", "The rate is multiplied in twice: into the slopes, and into the step")
def rate_squared(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = rate * (log_p.exp() * y.sum(1, keepdim=True) - y), []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00b.2", "The slope of tanh is missing in the backward pass")
def tanh_passes_everything(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() * y.sum(1, keepdim=True) - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T
    return stepped


@wrong("00b.2", "On the way back through a tanh, 1 - tanh(h)² is multiplied")
def tanh_of_the_output(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() * y.sum(1, keepdim=True) - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - torch.tanh(h) ** 2)
    return stepped


@wrong("00b.2", "The bias of layer 1 moves 1 / B as far as it should; it is the last layer")
def mean_for_the_bias(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() * y.sum(1, keepdim=True) - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.mean(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00b.2", "The logits, too, go through tanh")
def tanh_on_the_logits(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    logits = outputs.pop()
    slope = (logits.softmax(-1) * y.sum(1, keepdim=True) - y) * (1 - logits**2)
    stepped = []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@right("00b.2")
def by_central_differences(layers, x, y, rate):
    numbers = [part.double().clone() for layer in layers for part in layer]

    def loss():
        _, log_p = forward(list(zip(numbers[::2], numbers[1::2], strict=True)), x.double())
        return -(y.double() * log_p).sum()

    stepped = []
    for part in numbers:
        slope, flat = torch.zeros_like(part), part.view(-1)
        for i in range(flat.numel()):
            old = flat[i].item()
            flat[i] = old + 1e-5
            high = loss()
            flat[i] = old - 1e-5
            slope.view(-1)[i] = (high - loss()) / 2e-5
            flat[i] = old
        stepped.append((part - rate * slope).float())
    return list(zip(stepped[::2], stepped[1::2], strict=True))


@wrong("00b.3", "Along an axis of size 1 only the first copy's slope is kept")
def first_copy_of_a_one(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.narrow(axis, 0, 1)
    return slopes.clone()


@wrong("00b.3", "Along an axis of size 1 the slopes of the copies are averaged")
def ones_averaged(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.mean(axis, keepdim=True)
    return slopes


@wrong("00b.3", "Only the first axis of size 1 is summed")
def only_the_first_axis_of_one(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1 and slopes.shape[axis] > 1:
            slopes = slopes.sum(axis, keepdim=True)
            break
    return slopes


@wrong("00b.3", "The trailing axes are summed, not the leading ones")
def extra_axes_on_the_right(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(-1)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "Only one of the leading axes is summed")
def one_extra_axis(slopes, shape):
    if slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis in range(-len(shape), 0):
        if shape[axis] == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "The slopes of the copies are averaged")
def extra_axes_averaged(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.mean(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "The summed axis is lost")
def ones_dropped(slopes, shape):
    extra = slopes.dim() - len(shape)
    axes = list(range(extra)) + [extra + axis for axis, size in enumerate(shape) if size == 1]
    return slopes.sum(axes) if axes else slopes.clone()


@right("00b.3")
def by_index_in_numpy(slopes, shape):
    out = np.zeros(shape)
    for index, slope in np.ndenumerate(slopes.double().numpy()):
        tail = index[len(index) - len(shape) :]
        out[tuple(0 if size == 1 else i for i, size in zip(tail, shape, strict=True))] += slope
    return torch.from_numpy(np.asarray(out)).float()


RULES = {"+": lambda a, b: a + b, "*": lambda a, b: a * b, "tanh": math.tanh, "exp": math.exp}


def forward_numbers(values, steps):
    numbers = dict(values)
    for name, operation, inputs in steps:
        numbers[name] = RULES[operation](*(numbers[one] for one in inputs))
    return numbers


def backward(values, steps, slope, numbers):
    for name, operation, inputs in reversed(steps):
        here = slope[name]
        if operation == "+":
            for one in inputs:
                slope[one] += here
        elif operation == "*":
            a, b = inputs
            slope[a] += numbers[b] * here
            slope[b] += numbers[a] * here
        elif operation == "tanh":
            slope[inputs[0]] += (1 - numbers[name] ** 2) * here
        else:
            slope[inputs[0]] += numbers[name] * here
    return slope


@wrong("00b.4", "`slope` still holds what earlier calls have put into it, and that changes the result")
def slopes_of_earlier_calls(values, steps, slope={}):  # noqa: B006
    numbers = forward_numbers(values, steps)
    for name in numbers:
        slope.setdefault(name, 0.0)
    slope[steps[-1][0]] = 1.0
    return {name: backward(values, steps, slope, numbers)[name] for name in [*numbers][:1]} | {
        name: slope[name] for name in numbers
    }


@wrong("00b.4", 'slopes raised ZeroDivisionError: float division by zero, in the line: "*": lambda one,')
def product_by_division(values, steps):
    numbers = forward_numbers(values, steps)
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        for one in inputs:
            local = {
                "+": lambda one, name: 1.0,
                "*": lambda one, name: numbers[name] / numbers[one],
                "tanh": lambda one, name: 1 - numbers[name] ** 2,
                "exp": lambda one, name: numbers[name],
            }[operation]
            slope[one] += local(one, name) * slope[name]
    return slope


@wrong("00b.4", "Every slope begins at 1, not only that of the last step")
def all_begin_at_one(values, steps):
    numbers = forward_numbers(values, steps)
    return backward(values, steps, dict.fromkeys(numbers, 1.0), numbers)


@wrong("00b.4", "w · w counts as one path")
def twice_is_once(values, steps):
    numbers = forward_numbers(values, steps)
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        for one in set(inputs):
            other = inputs[1] if one == inputs[0] and len(inputs) == 2 else inputs[0]
            local = {"+": 1.0, "*": numbers[other], "tanh": 1 - numbers[name] ** 2, "exp": numbers[name]}[operation]
            slope[one] += local * slope[name]
    return slope


@wrong("00b.4", "A second path overwrites the slope of the first")
def the_last_use_wins(values, steps):
    numbers = forward_numbers(values, steps)
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        here = slope[name]
        if operation == "+":
            for one in inputs:
                slope[one] = here
        elif operation == "*":
            slope[inputs[0]] = numbers[inputs[1]] * here
            slope[inputs[1]] = numbers[inputs[0]] * here
        elif operation == "tanh":
            slope[inputs[0]] = (1 - numbers[name] ** 2) * here
        else:
            slope[inputs[0]] = numbers[name] * here
    return slope


@wrong("00b.4", "All slopes are nearly right, and not exact: they are measured by a nudge, or rounded.")
def by_forward_differences(values, steps):
    def last(changed, by):
        numbers = {name: value + by * (name == changed) for name, value in values.items()}
        for name, operation, inputs in steps:
            numbers[name] = RULES[operation](*(numbers[one] for one in inputs)) + by * (name == changed)
        return numbers[steps[-1][0]]

    names = [*values, *(step[0] for step in steps)]
    return {name: (last(name, 1e-3) - last(name, 0.0)) / 1e-3 for name in names}


@right("00b.4")
def forward_mode_again(values, steps):
    names = [*values, *(step[0] for step in steps)]
    found = {}
    for wanted in names:
        pairs = {name: (value, float(name == wanted)) for name, value in values.items()}
        for name, operation, inputs in steps:
            (a, da), (b, db) = pairs[inputs[0]], pairs[inputs[-1]]
            out = RULES[operation](*(pairs[one][0] for one in inputs))
            if operation == "+":
                change = da + db
            elif operation == "*":
                change = a * db + b * da
            else:
                change = da * (out if operation == "exp" else 1 / math.cosh(a) ** 2 if abs(a) < 300 else 0.0)
            pairs[name] = out, 1.0 if name == wanted else change
        found[wanted] = pairs[steps[-1][0]][1]
    return found


@wrong("00b.3", "became one of 0 keeps the size 0")
def sums_only_what_is_larger(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if slopes.shape[axis] > size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "Only the first axis of size 1 is summed.")
def one_axis_by_index(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    return slopes.sum(shape.index(1), keepdim=True) if 1 in shape else slopes
