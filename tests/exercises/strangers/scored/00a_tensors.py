"""Answers to assignment 00a from its text alone; this set is only scored."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("00a.1", "adds a tiny number inside the logarithm, so ruling out what can happen costs a finite price")
def kl_with_epsilon(truth, guess):
    p = torch.softmax(truth.double(), dim=-1)
    q = torch.softmax(guess.double(), dim=-1)
    eps = 1e-200
    return (p * (torch.log(p + eps) - torch.log(q + eps))).sum(dim=-1)


@wrong("00a.1", "computes the cross entropy and never takes off what nobody can save, the truth's own entropy")
def kl_cross_entropy(truth, guess):
    p = truth.double().softmax(-1)
    log_q = guess.double().log_softmax(-1)
    return -torch.where(truth > -math.inf, p * log_q, 0.0).sum(-1)


@wrong("00a.1", "leaves out the tokens that the guess rules out, so that an infinite price is never named")
def kl_skips_ruled_out_by_guess(truth, guess):
    a, b = truth.double().numpy(), guess.double().numpy()
    la = a - np.logaddexp.reduce(a, axis=1, keepdims=True)
    lb = b - np.logaddexp.reduce(b, axis=1, keepdims=True)
    ok = np.isfinite(la) & np.isfinite(lb)
    out = np.zeros(len(a))
    for i in range(len(a)):
        out[i] = (np.exp(la[i, ok[i]]) * (la[i, ok[i]] - lb[i, ok[i]])).sum()
    return torch.from_numpy(out)


@wrong("00a.1", "cuts each token's term off at 0, because a KL cannot be negative (only the sum cannot)")
def kl_terms_clamped(truth, guess):
    lp, lq = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    terms = torch.where(truth == -math.inf, 0.0, lp.exp() * (lp - lq))
    return terms.clamp(min=0).sum(-1)


@wrong("00a.1", "asks in 32 bits whether the probability is above 0: one that is rounded to 0 costs nothing any more")
def kl_mask_by_rounded_probability(truth, guess):
    p = truth.float().softmax(-1)
    logp, logq = truth.float().log_softmax(-1), guess.float().log_softmax(-1)
    prices = torch.zeros_like(p)
    prices[p > 0] = p[p > 0] * (logp[p > 0] - logq[p > 0])
    return prices.sum(-1)


@right("00a.1")
def kl_plain_python(truth, guess):
    def log_probs(row):
        top = max(row)
        log_sum = top + math.log(math.fsum(math.exp(v - top) for v in row))
        return [v - log_sum for v in row]

    result = []
    for t, g in zip(truth.tolist(), guess.tolist()):
        pairs = zip(log_probs(t), log_probs(g))
        result.append(sum(math.exp(lp) * (lp - lq) for lp, lq in pairs if lp != -math.inf))
    return torch.tensor(result, dtype=truth.dtype)


@wrong("00a.2", "the slope at the logits is p - y, as if each row of the truth weighed 1")
def step_rows_weigh_one(layers, x, y, rate):
    acts = [x]
    for w, b in layers[:-1]:
        acts.append((acts[-1] @ w + b).tanh())
    slope = (acts[-1] @ layers[-1][0] + layers[-1][1]).softmax(-1) - y
    new = []
    for (w, b), h in zip(layers[::-1], acts[::-1]):
        new.insert(0, (w - rate * h.T @ slope, b - rate * slope.sum(0)))
        slope = (slope @ w.T) * (1 - h * h)
    return new


@wrong("00a.2", "takes the tanh of what is the output of a tanh already for the slope, 1 - tanh(h)**2")
def step_tanh_twice(layers, x, y, rate):
    hs = [x]
    for weight, bias in layers[:-1]:
        hs.append(torch.tanh(hs[-1] @ weight + bias))
    p = torch.softmax(hs[-1] @ layers[-1][0] + layers[-1][1], 1)
    delta = p * y.sum(1, keepdim=True) - y
    stepped = [None] * len(layers)
    for k in range(len(layers) - 1, -1, -1):
        weight, bias = layers[k]
        stepped[k] = (weight - rate * (hs[k].T @ delta), bias - rate * delta.sum(0))
        delta = (delta @ weight.T) * (1 - torch.tanh(hs[k]) ** 2)
    return stepped


@wrong("00a.2", "writes the step into the tensors that came in, with -=, although it hands on the old weight")
def step_in_place(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = stepped[place]
        h = outputs[place]
        before = slope @ weight.T * (1 - h**2)
        weight -= rate * h.T @ slope
        bias -= rate * slope.sum(0)
        slope = before
    return stepped


@wrong("00a.2", "cuts each slope to a norm of at most 1 (gradient clipping), where the text asks for the slope itself")
def step_clipped(layers, x, y, rate):
    hs = [x]
    for w, b in layers[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    w, b = layers[-1]
    d = torch.softmax(hs[-1] @ w + b, -1) * y.sum(-1, keepdim=True) - y

    def clip(g):
        return g / max(1.0, g.norm().item())

    out = []
    for i in range(len(layers) - 1, -1, -1):
        w, b = layers[i]
        out.append((w - rate * clip(hs[i].T @ d), b - rate * clip(d.sum(0))))
        d = d @ w.T * (1 - hs[i] ** 2)
    return out[::-1]


@wrong("00a.2", "the bias gets the mean of the slopes over the batch, not their sum")
def step_mean_bias(layers, x, y, rate):
    hidden = [x]
    for w, b in layers[:-1]:
        hidden.append(torch.tanh(hidden[-1] @ w + b))
    w, b = layers[-1]
    grad = torch.softmax(hidden[-1] @ w + b, -1) * y.sum(1)[:, None] - y
    result = []
    for (w, b), h in zip(reversed(layers), reversed(hidden)):
        result.append((w - rate * h.T @ grad, b - rate * grad.mean(dim=0)))
        grad = grad @ w.T * (1 - h.square())
    result.reverse()
    return result


@right("00a.2")
def step_recursive(layers, x, y, rate):
    def walk(place, h):
        """The stepped layers from this place on, and the slope at what goes into it."""
        weight, bias = layers[place]
        z = torch.einsum("bi,io->bo", h, weight) + bias
        if place == len(layers) - 1:
            behind, dz = [], torch.softmax(z, 1) * y.sum(1, keepdim=True) - y
        else:
            out = z.tanh()
            behind, d_out = walk(place + 1, out)
            dz = d_out * (1 - out) * (1 + out)
        own = (weight - rate * torch.einsum("bi,bo->io", h, dz), bias - rate * torch.einsum("bo->o", dz))
        return [own, *behind], torch.einsum("bo,io->bi", dz, weight)

    return walk(0, x)[0]


@wrong("00a.3", "writes the shapes flush left: missing axes are added behind and not in front")
def unbroadcast_flush_left(slopes, shape):
    for axis in range(slopes.dim()):
        if axis >= len(shape) or shape[axis] == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes.reshape(slopes.shape[: len(shape)])


@wrong("00a.3", "reshapes to (-1, *shape) and adds up the first axis: right for missing axes, mixes a stretched one")
def unbroadcast_by_view(slopes, shape):
    return slopes.reshape(-1, *shape).sum(0)


@wrong("00a.3", "sums the stretched axes away without keeping them, so that the ones in the shape are lost")
def unbroadcast_squeezed(slopes, shape):
    lead = slopes.dim() - len(shape)
    axes = list(range(lead)) + [lead + i for i, n in enumerate(shape) if n == 1]
    return slopes.sum(axes) if axes else slopes.clone()


@wrong("00a.3", "looks for an axis of the same size, from the left, where the place of the axis should decide")
def unbroadcast_by_size(slopes, shape):
    wanted = [n for n in shape if n != 1]
    drop = []
    for axis, n in enumerate(slopes.shape):
        if wanted and n == wanted[0]:
            wanted.pop(0)
        else:
            drop.append(axis)
    if drop:
        slopes = slopes.sum(dim=drop)
    return slopes.reshape(shape)


@wrong("00a.3", "takes the mean over the copies along a stretched axis, not the sum")
def unbroadcast_mean(slopes, shape):
    while slopes.ndim > len(shape):
        slopes = slopes.sum(0)
    for axis in range(len(shape)):
        if shape[axis] == 1:
            slopes = slopes.mean(axis, keepdim=True)
    return slopes


@right("00a.3")
def unbroadcast_index_add(slopes, shape):
    n = math.prod(shape)
    owner = torch.arange(n).reshape(shape).expand(slopes.shape)
    return slopes.new_zeros(n).index_add(0, owner.flatten(), slopes.flatten()).reshape(shape)


@wrong("00a.4", "goes over the set of a step's inputs, so a + a gives its input the slope only once")
def slopes_inputs_as_set(values, steps):
    num = dict(values)
    for name, op, ins in steps:
        v = [num[i] for i in ins]
        if op == "+":
            num[name] = v[0] + v[1]
        elif op == "*":
            num[name] = v[0] * v[1]
        else:
            num[name] = math.tanh(v[0]) if op == "tanh" else math.exp(v[0])
    grad = dict.fromkeys(num, 0.0)
    grad[steps[-1][0]] = 1.0
    for name, op, ins in reversed(steps):
        for i in set(ins):
            if op == "+":
                local = 1.0
            elif op == "*":
                local = num[ins[1] if i == ins[0] else ins[0]] * (2 if ins[0] == ins[1] else 1)
            elif op == "tanh":
                local = 1 - num[name] ** 2
            else:
                local = num[name]
            grad[i] += local * grad[name]
    return grad


@wrong("00a.4", "gets the other factor as product / this factor, and gives up with 0 where this factor is 0")
def slopes_by_division(values, steps):
    z = {k: float(v) for k, v in values.items()}
    for name, op, args in steps:
        if op == "+":
            z[name] = z[args[0]] + z[args[1]]
        elif op == "*":
            z[name] = z[args[0]] * z[args[1]]
        elif op == "tanh":
            z[name] = math.tanh(z[args[0]])
        else:
            z[name] = math.exp(z[args[0]])
    d = {k: 0.0 for k in z}
    d[steps[-1][0]] = 1.0
    for name, op, args in steps[::-1]:
        for arg in args:
            if op == "+":
                d[arg] += d[name]
            elif op == "*":
                d[arg] += d[name] * (z[name] / z[arg] if z[arg] != 0 else 0.0)
            elif op == "tanh":
                d[arg] += d[name] * (1 - z[name] ** 2)
            else:
                d[arg] += d[name] * z[name]
    return d


@wrong("00a.4", "writes tanh as a quotient of exponentials, which overflows for a large number")
def slopes_own_tanh(values, steps):
    def tanh(v):
        up, down = math.exp(v), math.exp(-v)
        return (up - down) / (up + down)

    numbers = dict(values)
    for name, operation, inputs in steps:
        first, last = numbers[inputs[0]], numbers[inputs[-1]]
        if operation == "tanh":
            numbers[name] = tanh(first)
        elif operation == "exp":
            numbers[name] = math.exp(first)
        else:
            numbers[name] = first + last if operation == "+" else first * last
    slope = {name: 0.0 for name in numbers}
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        s, out = slope[name], numbers[name]
        if operation == "+":
            slope[inputs[0]] += s
            slope[inputs[1]] += s
        elif operation == "*":
            slope[inputs[0]] += s * numbers[inputs[1]]
            slope[inputs[1]] += s * numbers[inputs[0]]
        else:
            slope[inputs[0]] += s * (out if operation == "exp" else 1 - out * out)
    return slope


@wrong("00a.4", "names only what the last number depends on: what has no effect is missing where 0 belongs")
def slopes_only_of_the_used(values, steps):
    known = dict(values)
    for name, op, ins in steps:
        args = [known[i] for i in ins]
        if op == "+":
            known[name] = args[0] + args[1]
        elif op == "*":
            known[name] = args[0] * args[1]
        else:
            known[name] = getattr(math, op)(args[0])
    grads = {steps[-1][0]: 1.0}
    for name, op, ins in reversed(steps):
        if name not in grads:
            continue
        g = grads[name]
        if op == "*":
            parts = [known[ins[1]], known[ins[0]]]
        elif op == "+":
            parts = [1.0, 1.0]
        else:
            parts = [known[name] if op == "exp" else 1 - known[name] ** 2]
        for i, part in zip(ins, parts):
            grads[i] = grads.get(i, 0.0) + g * part
    return grads


@wrong("00a.4", "measures each slope with a step of 1e-3 forwards, which comes near the slope and no further")
def slopes_by_differences(values, steps):
    def run(nudged, by):
        v = {k: x + (by if k == nudged else 0.0) for k, x in values.items()}
        for name, op, ins in steps:
            if op == "+":
                v[name] = v[ins[0]] + v[ins[1]]
            elif op == "*":
                v[name] = v[ins[0]] * v[ins[1]]
            else:
                v[name] = math.tanh(v[ins[0]]) if op == "tanh" else math.exp(v[ins[0]])
            if name == nudged:
                v[name] += by
        return v[steps[-1][0]]

    h = 1e-3
    names = list(values) + [s[0] for s in steps]
    return {n: (run(n, h) - run(n, 0.0)) / h for n in names}


@right("00a.4")
def slopes_each_name_asks_its_users(values, steps):
    n = dict(values)
    users = {name: [] for name in n}
    for name, op, ins in steps:
        if op == "+":
            n[name], local = n[ins[0]] + n[ins[1]], (1.0, 1.0)
        elif op == "*":
            n[name], local = n[ins[0]] * n[ins[1]], (n[ins[1]], n[ins[0]])
        elif op == "tanh":
            n[name] = math.tanh(n[ins[0]])
            local = (1 - n[name] ** 2,)
        else:
            n[name] = math.exp(n[ins[0]])
            local = (n[name],)
        users[name] = []
        for i, factor in zip(ins, local):
            users[i].append((name, factor))
    answer = {}
    for name in reversed(list(n)):
        start = 1.0 if name == steps[-1][0] else 0.0
        answer[name] = start + sum(factor * answer[user] for user, factor in users[name])
    return {name: answer[name] for name in n}
