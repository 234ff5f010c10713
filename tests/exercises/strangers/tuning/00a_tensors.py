"""Answers to assignment 00a from its text alone; this half is for tuning the check."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("00a.1", "truth and guess have changed places: it weighs by what the guess believes")
def weighed_by_the_guess(truth, guess):
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    each = log_q.exp() * (log_q - log_p)
    return torch.where(guess == -torch.inf, 0.0, each).sum(-1)


@right("00a.1")
def difference_of_logs_and_an_explicit_infinity(truth, guess):
    """What the guess costs in each row: (B,)."""
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    possible = truth > -torch.inf
    prices = torch.where(possible, log_p.exp() * (log_p - log_q), 0.0)
    # A tiny probability may be rounded to 0, and 0 times infinity is no number.
    broke = (possible & (guess == -torch.inf)).any(-1)
    return torch.where(broke, torch.inf, prices.sum(-1))


@wrong("00a.1", "the prices of a row are averaged over the vocabulary in place of added up")
def mean_over_the_vocabulary(truth, guess):
    log_p, log_q = truth.log_softmax(1), guess.log_softmax(1)
    prices = log_p.exp() * (log_p - log_q)
    prices = torch.where(log_p.exp() > 0, prices, 0.0)
    return prices.mean(1)


@wrong("00a.1", "e to a logit of 150 overflows, and infinity over infinity is not a number")
def softmax_by_hand_without_the_maximum(truth, guess):
    p = truth.exp() / truth.exp().sum(-1, keepdim=True)
    q = guess.exp() / guess.exp().sum(-1, keepdim=True)
    terms = torch.where(p > 0, p * (p / q).log(), torch.zeros(()))
    return terms.sum(-1)


@wrong("00a.1", "a token that the truth rules out gives 0 times infinity, so the row is not a number")
def the_formula_and_nothing_else(truth, guess):
    """What the guess costs in each row: (B,)."""
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


@right("00a.1")
def only_the_possible_tokens_are_gathered(truth, guess):
    row, col = torch.nonzero(truth > -torch.inf, as_tuple=True)
    log_p = torch.log_softmax(truth, dim=1)[row, col]
    log_q = torch.log_softmax(guess, dim=1)[row, col]
    price = log_p.exp() * (log_p - log_q)
    price[log_q == -torch.inf] = torch.inf
    return truth.new_zeros(len(truth)).index_add(0, row, price)


@wrong("00a.1", "a small number is added to every probability, so no price is infinite any more")
def epsilon_against_log_of_zero(truth, guess):
    eps = 1e-9
    p = truth.softmax(-1) + eps
    q = guess.softmax(-1) + eps
    return (p * (p / q).log()).sum(-1)


@wrong("00a.1", "the zeros are put where the guess rules a token out, so what should cost infinitely much is free")
def zeros_at_the_wrong_minus_infinity(truth, guess):
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    prices = log_p.exp() * (log_p - log_q)
    prices = prices.masked_fill(guess == -torch.inf, 0.0)
    return prices.sum(-1)


@wrong("00a.1", "the logits that came in are normalised in place")
def normalised_in_place(truth, guess):
    truth -= truth.logsumexp(-1, keepdim=True)
    guess -= guess.logsumexp(-1, keepdim=True)
    possible = truth > -torch.inf
    prices = torch.where(possible, truth.exp() * (truth - guess), 0.0)
    prices[possible & (guess == -torch.inf)] = torch.inf
    return prices.sum(-1)


@right("00a.1")
def mean_gap_of_the_logits_and_two_logsumexp(truth, guess):
    # sum p (log p - log q) = sum p (t - g) - logsumexp(t) + logsumexp(g)
    t, g = truth.double(), guess.double()
    dead = t.isneginf()
    gap = (t - g).masked_fill(dead, 0.0)
    hopeless = gap.isposinf().any(1)
    gap = gap.masked_fill(gap.isposinf(), 0.0)
    price = torch.einsum("bv,bv->b", t.softmax(1), gap) - t.logsumexp(1) + g.logsumexp(1)
    price[hopeless] = float("inf")
    return price.to(truth.dtype)


@wrong("00a.1", "tokens below one in a million are left out, and a ruled-out rare token costs nothing")
def rare_tokens_do_not_count(truth, guess):
    log_p, log_q = (logits.log_softmax(-1) for logits in (truth, guess))
    p = log_p.exp()
    price = torch.zeros(len(truth), dtype=truth.dtype)
    for b in range(len(truth)):
        keep = p[b] > 1e-6
        price[b] = (p[b][keep] * (log_p[b][keep] - log_q[b][keep])).sum()
    return price


@right("00a.2")
def slopes_first_then_all_steps(layers, x, y, rate):
    """All layers after one step down, as a new list."""
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    p = (outputs[-1] @ weight + bias).softmax(-1)
    arriving = [p * y.sum(1, keepdim=True) - y]
    for place in range(len(layers) - 1, 0, -1):
        back = arriving[0] @ layers[place][0].T
        arriving.insert(0, back * (1 - outputs[place] ** 2))
    return [(w - rate * h.T @ slope, b - rate * slope.sum(0)) for (w, b), h, slope in zip(layers, outputs, arriving)]


@wrong("00a.2", "the slope goes back through the weight that has already been moved")
def still_the_new_weight(layers, x, y, rate):
    hs = [x]
    for w, b in layers[:-1]:
        hs.append((hs[-1] @ w + b).tanh())
    w, b = layers[-1]
    slope = (hs[-1] @ w + b).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = [None] * len(layers)
    for i in reversed(range(len(layers))):
        w, b = layers[i]
        stepped[i] = (w - rate * hs[i].T @ slope, b - rate * slope.sum(0))
        slope = slope @ stepped[i][0].T * (1 - hs[i] ** 2)
    return stepped


@wrong("00a.2", "each row is given the weight 1 / B, but the rows of the truth may weigh differently")
def all_rows_weigh_the_same(layers, x, y, rate):
    activations = [x]
    for W, b in layers[:-1]:
        activations.append(torch.tanh(activations[-1] @ W + b))
    W, b = layers[-1]
    delta = (activations[-1] @ W + b).softmax(dim=1) / x.shape[0] - y
    result = []
    for (W, b), a in zip(layers[::-1], activations[::-1]):
        result.insert(0, (W - rate * a.T @ delta, b - rate * delta.sum(0)))
        delta = delta @ W.T * (1 - a * a)
    return result


@wrong("00a.2", "the tanh is forgotten on the way back")
def no_tanh_on_the_way_back(layers, x, y, rate):
    outs = [x]
    for weight, bias in layers[:-1]:
        outs.append(torch.tanh(outs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = torch.softmax(outs[-1] @ weight + bias, -1) * y.sum(1, keepdim=True) - y
    new = []
    for i in range(len(layers) - 1, -1, -1):
        weight, bias = layers[i]
        new.append((weight - rate * outs[i].T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T
    new.reverse()
    return new


@right("00a.2")
def one_text_at_a_time(layers, x, y, rate):
    new = [(w.clone(), b.clone()) for w, b in layers]
    for row, wanted in zip(x, y):
        seen = [row]
        for w, b in layers[:-1]:
            seen.append(torch.tanh(w.T @ seen[-1] + b))
        w, b = layers[-1]
        probs = torch.softmax(w.T @ seen[-1] + b, dim=0)
        delta = wanted.sum() * probs - wanted
        for k in range(len(layers) - 1, -1, -1):
            new[k][0].sub_(rate * torch.outer(seen[k], delta))
            new[k][1].sub_(rate * delta)
            delta = (1 - seen[k] ** 2) * (layers[k][0] @ delta)
    return new


@wrong("00a.2", "the slope is added, so the step goes up")
def plus_the_slope(layers, x, y, rate):
    h = [x]
    for w, b in layers[:-1]:
        h += [torch.tanh(h[-1] @ w + b)]
    w, b = layers[-1]
    d = (h[-1] @ w + b).softmax(1) * y.sum(1)[:, None] - y
    out = []
    for k in reversed(range(len(layers))):
        w, b = layers[k]
        out.append((w + rate * h[k].T @ d, b + rate * d.sum(0)))
        d = d @ w.T * (1 - h[k] ** 2)
    return out[::-1]


@wrong("00a.2", "the results are written into the list that came in, which is also what is returned")
def the_list_that_came_in(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    for place in reversed(range(len(layers))):
        weight, bias = layers[place]
        h = outputs[place]
        layers[place] = (weight - rate * h.T @ slope, bias - rate * slope.sum(0))
        slope = slope @ weight.T * (1 - h**2)
    return layers


@wrong("00a.2", "the outputs are computed anew after each layer has moved, so the slopes belong to different weights")
def forward_again_after_each_layer(layers, x, y, rate):
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        outputs = [x]
        for weight, bias in stepped[:-1]:
            outputs.append(torch.tanh(outputs[-1] @ weight + bias))
        weight, bias = stepped[-1]
        slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
        for at in range(len(layers) - 1, place, -1):
            slope = slope @ layers[at][0].T * (1 - outputs[at] ** 2)
        weight, bias = layers[place]
        stepped[place] = weight - rate * outputs[place].T @ slope, bias - rate * slope.sum(0)
    return stepped


@right("00a.2")
def a_tiny_imaginary_step_in_each_number(layers, x, y, rate):
    # f(v + ih) = f(v) + ih f'(v): the imaginary part is the slope, and nothing is rounded away
    tiny = 1e-30
    params = [a.numpy().astype(complex) for pair in layers for a in pair]
    xs, ys = x.numpy().astype(complex), y.numpy().astype(float)

    def loss():
        h = xs
        for i in range(0, len(params), 2):
            h = h @ params[i] + params[i + 1]
            if i < len(params) - 2:
                h = np.tanh(h)
        h = h - h.real.max(1, keepdims=True)
        log_p = h - np.log(np.exp(h).sum(1, keepdims=True))
        return -(ys * log_p).sum()

    moved = []
    for a, old in zip(params, (a for pair in layers for a in pair)):
        slope = np.zeros(a.shape)
        for at in np.ndindex(a.shape):
            a[at] += 1j * tiny
            slope[at] = loss().imag / tiny
            a[at] -= 1j * tiny
        moved.append(torch.tensor(old.numpy() - rate * slope, dtype=old.dtype))
    return list(zip(moved[::2], moved[1::2]))


@wrong("00a.2", "the loop ends before layer 0, which stays where it was unless it is the only one")
def first_layer_forgotten(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = [(weight.clone(), bias.clone()) for weight, bias in layers]
    stepped[-1] = weight - rate * outputs[-1].T @ slope, bias - rate * slope.sum(0)
    for place in range(len(layers) - 2, 0, -1):
        slope = slope @ layers[place + 1][0].T * (1 - outputs[place + 1] ** 2)
        weight, bias = layers[place]
        stepped[place] = weight - rate * outputs[place].T @ slope, bias - rate * slope.sum(0)
    return stepped


@wrong("00a.2", "on the way back it uses the slope of a ReLU, and the layers have a tanh")
def slope_of_a_relu(layers, x, y, rate):
    acts = [x]
    for w, b in layers[:-1]:
        acts.append(torch.tanh(acts[-1] @ w + b))
    logits = acts[-1] @ layers[-1][0] + layers[-1][1]
    grad = torch.softmax(logits, dim=-1) * y.sum(dim=-1, keepdim=True) - y
    new_layers = []
    for (w, b), a in zip(layers[::-1], acts[::-1]):
        new_layers = [(w - rate * (a.T @ grad), b - rate * grad.sum(dim=0)), *new_layers]
        grad = (grad @ w.T) * (a > 0)
    return new_layers


@wrong("00a.3", "only the axes that stick out on the left are summed, not those stretched from 1")
def only_the_left_axes(slopes, shape):
    extra = slopes.dim() - len(shape)
    for _ in range(extra):
        slopes = slopes.sum(0)
    return slopes.clone()


@right("00a.3")
def extra_axes_first_then_the_ones(slopes, shape):
    """For each number of a tensor of this shape, the sum of its copies' slopes."""
    slopes = slopes.clone()
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00a.3", "the axis of 1 disappears with its sum, so (2, 1) comes out as (2,)")
def the_ones_disappear(slopes, shape):
    extra = slopes.dim() - len(shape)
    dims = list(range(extra)) + [i + extra for i, n in enumerate(shape) if n == 1]
    for dim in sorted(dims, reverse=True):
        slopes = slopes.sum(dim)
    return slopes.clone()


@wrong("00a.3", "the shapes are written flush left, so the missing axes are taken to be at the right")
def flush_left(slopes, shape):
    full = tuple(shape) + (1,) * (slopes.dim() - len(shape))
    for axis, (have, want) in enumerate(zip(slopes.shape, full)):
        if want == 1 and have != 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes.reshape(shape).clone()


@wrong("00a.3", "for the shape () it gives a Python number in place of a tensor")
def item_for_a_single_number(slopes, shape):
    if shape == ():
        return slopes.sum().item()
    slopes = slopes.sum(list(range(slopes.dim() - len(shape)))) if slopes.dim() > len(shape) else slopes.clone()
    for i in range(len(shape)):
        if shape[i] == 1:
            slopes = slopes.sum(dim=i, keepdim=True)
    return slopes


@right("00a.3")
def numpy_with_one_sum(slopes, shape):
    a = slopes.numpy()
    padded = (1,) * (a.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i, n in enumerate(padded) if n == 1)
    return torch.tensor(a.sum(axis=axes).reshape(shape), dtype=slopes.dtype)


@wrong("00a.3", "an empty shape counts as no shape at all, and nothing is summed")
def empty_shape_means_nothing_to_do(slopes, shape):
    result = slopes.clone()
    if not shape:
        return result
    extra = result.dim() - len(shape)
    if extra:
        result = result.sum(tuple(range(extra)))
    for axis, size in enumerate(shape):
        if size == 1 and result.shape[axis] > 1:
            result = result.sum(axis, keepdim=True)
    return result


@wrong("00a.3", "the sum is written into the slopes that came in")
def added_up_into_the_first_copy(slopes, shape):
    out = slopes
    while out.dim() > len(shape):
        for i in range(1, len(out)):
            out[0] += out[i]
        out = out[0]
    for axis, n in enumerate(shape):
        if n == 1 and out.shape[axis] > 1:
            out = out.sum(axis, keepdim=True)
    return out.clone()


@wrong("00a.3", "the sums are spread out again over all copies, so the shape is that of the slopes")
def spread_out_again(slopes, shape):
    extra = slopes.dim() - len(shape)
    total = slopes
    for axis in range(slopes.dim()):
        if axis < extra or shape[axis - extra] == 1:
            total = total.sum(axis, keepdim=True)
    return total.expand(slopes.shape).clone()


@wrong("00a.3", "squeeze takes away every axis of 1, also one that belongs to the shape")
def squeezed_at_the_end(slopes, shape):
    lead = slopes.dim() - len(shape)
    result = slopes.clone()
    for axis in range(slopes.dim()):
        target = 1 if axis < lead else shape[axis - lead]
        if target == 1:
            result = result.sum(axis, keepdim=True)
    return result.squeeze()


@right("00a.3")
def einsum_with_the_letters_that_stay(slopes, shape):
    letters = "abcdefghijklmnopqrstuvwxyz"[: slopes.dim()]
    below = letters[slopes.dim() - len(shape) :]
    kept = "".join(letter for letter, n in zip(below, shape) if n != 1)
    return torch.einsum(f"{letters}->{kept}", slopes).reshape(shape).clone()


@wrong("00a.4", "a slope is overwritten by the next user of a name in place of added to")
def the_last_user_wins(values, steps):
    n = dict(values)
    for name, op, ins in steps:
        x = [n[i] for i in ins]
        n[name] = {
            "+": lambda: x[0] + x[1],
            "*": lambda: x[0] * x[1],
            "tanh": lambda: math.tanh(x[0]),
            "exp": lambda: math.exp(x[0]),
        }[op]()
    g = {k: 0.0 for k in n}
    g[steps[-1][0]] = 1.0
    for name, op, ins in reversed(steps):
        if op == "+":
            g[ins[0]] = g[name]
            g[ins[1]] = g[name]
        elif op == "*":
            g[ins[0]] = n[ins[1]] * g[name]
            g[ins[1]] = n[ins[0]] * g[name]
        elif op == "tanh":
            g[ins[0]] = (1 - n[name] ** 2) * g[name]
        else:
            g[ins[0]] = n[name] * g[name]
    return g


@wrong("00a.4", "a name that has no effect on the last number is missing in place of 0")
def no_entry_for_what_has_no_effect(values, steps):
    num = dict(values)
    for name, op, args in steps:
        if op == "+":
            num[name] = num[args[0]] + num[args[1]]
        if op == "*":
            num[name] = num[args[0]] * num[args[1]]
        if op == "tanh":
            num[name] = math.tanh(num[args[0]])
        if op == "exp":
            num[name] = math.exp(num[args[0]])
    grads = {steps[-1][0]: 1.0}
    for name, op, args in reversed(steps):
        if name not in grads:
            continue
        g = grads[name]
        if op == "+":
            pieces = [g, g]
        elif op == "*":
            pieces = [g * num[args[1]], g * num[args[0]]]
        elif op == "tanh":
            pieces = [g * (1 - num[name] ** 2)]
        else:
            pieces = [g * num[name]]
        for arg, piece in zip(args, pieces):
            grads[arg] = grads.get(arg, 0.0) + piece
    return grads


@right("00a.4")
def two_walks(values, steps):
    """The slope of the last number by every number, by name."""
    numbers = dict(values)
    for name, operation, inputs in steps:
        args = [numbers[i] for i in inputs]
        if operation == "+":
            numbers[name] = args[0] + args[1]
        elif operation == "*":
            numbers[name] = args[0] * args[1]
        elif operation == "tanh":
            numbers[name] = math.tanh(args[0])
        else:
            numbers[name] = math.exp(args[0])
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        if operation == "+":
            for i in inputs:
                slope[i] += slope[name]
        elif operation == "*":
            a, b = inputs
            slope[a] += numbers[b] * slope[name]
            slope[b] += numbers[a] * slope[name]
        elif operation == "tanh":
            slope[inputs[0]] += (1 - numbers[name] ** 2) * slope[name]
        else:
            slope[inputs[0]] += numbers[name] * slope[name]
    return slope


@wrong("00a.4", "the slope of exp is taken to be e to the output, one exp too many")
def exp_of_an_exp(values, steps):
    num = dict(values)
    functions = {
        "+": lambda a, b: a + b,
        "*": lambda a, b: a * b,
        "tanh": math.tanh,
        "exp": math.exp,
    }
    derivatives = {
        "+": lambda out, a, b: (1.0, 1.0),
        "*": lambda out, a, b: (b, a),
        "tanh": lambda out, a: (1 - out**2,),
        "exp": lambda out, a: (math.exp(min(out, 700.0)),),
    }
    for name, op, inputs in steps:
        num[name] = functions[op](*(num[i] for i in inputs))
    slope = {n: 0.0 for n in num}
    slope[steps[-1][0]] = 1.0
    for name, op, inputs in reversed(steps):
        for i, d in zip(inputs, derivatives[op](num[name], *(num[i] for i in inputs))):
            slope[i] += d * slope[name]
    return slope


@wrong("00a.4", "the walk back begins with the last number itself in place of 1")
def begins_with_the_number(values, steps):
    nums = dict(values)
    for name, op, ins in steps:
        a = nums[ins[0]]
        b = nums[ins[-1]]
        nums[name] = a + b if op == "+" else a * b if op == "*" else math.tanh(a) if op == "tanh" else math.exp(a)
    out = {k: 0.0 for k in nums}
    out[name] = nums[name]
    for name, op, ins in reversed(steps):
        g = out[name]
        if op == "+":
            out[ins[0]] += g
            out[ins[1]] += g
        elif op == "*":
            out[ins[0]] += g * nums[ins[1]]
            out[ins[1]] += g * nums[ins[0]]
        elif op == "tanh":
            out[ins[0]] += g * (1 - nums[name] ** 2)
        else:
            out[ins[0]] += g * nums[name]
    return out


@wrong("00a.4", "the results are written into the dictionary of values that came in")
def values_grow(values, steps):
    for name, op, inputs in steps:
        x = values[inputs[0]]
        y = values[inputs[-1]]
        if op == "+":
            values[name] = x + y
        elif op == "*":
            values[name] = x * y
        elif op == "tanh":
            values[name] = math.tanh(x)
        elif op == "exp":
            values[name] = math.exp(x)
    grad = {k: 0.0 for k in values}
    grad[steps[-1][0]] = 1.0
    for name, op, inputs in reversed(steps):
        x, y, g = inputs[0], inputs[-1], grad[name]
        if op == "+":
            grad[x] += g
            grad[y] += g
        elif op == "*":
            gx, gy = values[y] * g, values[x] * g
            grad[x] += gx
            grad[y] += gy
        elif op == "tanh":
            grad[x] += (1 - values[name] ** 2) * g
        elif op == "exp":
            grad[x] += values[name] * g
    return grad


@right("00a.4")
def a_tape_of_closures(values, steps):
    num = {k: float(v) for k, v in values.items()}
    grad = {k: 0.0 for k in num}
    tape = []

    def record(name, inputs, locals_):
        def back():
            for i, local in zip(inputs, locals_):
                grad[i] += local * grad[name]

        tape.append(back)

    for name, op, inputs in steps:
        a, *rest = (num[i] for i in inputs)
        match op:
            case "+":
                out, locals_ = a + rest[0], (1.0, 1.0)
            case "*":
                out, locals_ = a * rest[0], (rest[0], a)
            case "tanh":
                out = math.tanh(a)
                locals_ = (1 - out * out,)
            case "exp":
                out = math.exp(a)
                locals_ = (out,)
        num[name], grad[name] = out, 0.0
        record(name, inputs, locals_)
    grad[name] = 1.0
    while tape:
        tape.pop()()
    return grad


@wrong("00a.4", "the slopes are measured with a step of 0.01, which is not exact where the graph bends")
def measured_with_a_small_step(values, steps):
    def run(bumped, by):
        num = dict(values)
        if bumped in num:
            num[bumped] += by
        for name, op, ins in steps:
            x = [num[i] for i in ins]
            if op == "+":
                num[name] = x[0] + x[1]
            elif op == "*":
                num[name] = x[0] * x[1]
            elif op == "tanh":
                num[name] = math.tanh(x[0])
            else:
                num[name] = math.exp(x[0])
            if name == bumped:
                num[name] += by
        return num[steps[-1][0]]

    h = 0.01
    names = list(values) + [name for name, _, _ in steps]
    return {name: (run(name, h) - run(name, 0.0)) / h for name in names}


@wrong("00a.4", "tanh from its formula overflows for a large number")
def tanh_from_two_exps(values, steps):
    def tanh(x):
        return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)

    num = dict(values)
    for name, op, ins in steps:
        if op == "+":
            num[name] = num[ins[0]] + num[ins[1]]
        elif op == "*":
            num[name] = num[ins[0]] * num[ins[1]]
        elif op == "tanh":
            num[name] = tanh(num[ins[0]])
        else:
            num[name] = math.exp(num[ins[0]])
    out = {k: 0.0 for k in num}
    out[steps[-1][0]] = 1.0
    for name, op, ins in reversed(steps):
        g = out[name]
        if op == "+":
            out[ins[0]] += g
            out[ins[1]] += g
        elif op == "*":
            out[ins[0]] += g * num[ins[1]]
            out[ins[1]] += g * num[ins[0]]
        elif op == "tanh":
            out[ins[0]] += g * (1 - num[name] ** 2)
        else:
            out[ins[0]] += g * num[name]
    return out


@right("00a.4")
def one_triangular_system(values, steps):
    names = [*values, *(s[0] for s in steps)]
    at = {n: i for i, n in enumerate(names)}
    v = np.zeros(len(names))
    v[: len(values)] = list(values.values())
    local = np.zeros((len(names), len(names)))  # local[i, j]: number j by number i
    for name, op, inputs in steps:
        j = at[name]
        a, b = at[inputs[0]], at[inputs[-1]]
        if op == "+":
            v[j] = v[a] + v[b]
            local[a, j] += 1
            local[b, j] += 1
        elif op == "*":
            v[j] = v[a] * v[b]
            local[a, j] += v[b]
            local[b, j] += v[a]
        elif op == "tanh":
            v[j] = np.tanh(v[a])
            local[a, j] += 1 - v[j] ** 2
        elif op == "exp":
            v[j] = np.exp(v[a])
            local[a, j] += v[j]
    last = np.zeros((len(names), 1))
    last[at[steps[-1][0]]] = 1
    # slope = local @ slope + last, and local is zero on and below the diagonal
    system = torch.from_numpy(np.eye(len(names)) - local)
    slope = torch.linalg.solve_triangular(system, torch.from_numpy(last), upper=True, unitriangular=True)
    return dict(zip(names, slope[:, 0].tolist()))


@wrong("00a.4", "the list of steps that came in is turned round in place")
def steps_turned_round(values, steps):
    num = dict(values)
    for name, op, ins in steps:
        args = [num[i] for i in ins]
        if op == "+":
            num[name] = args[0] + args[1]
        elif op == "*":
            num[name] = args[0] * args[1]
        elif op == "tanh":
            num[name] = math.tanh(args[0])
        elif op == "exp":
            num[name] = math.exp(args[0])
    result = dict.fromkeys(num, 0.0)
    result[steps[-1][0]] = 1.0
    steps.reverse()
    for name, op, ins in steps:
        if op == "+":
            result[ins[0]] += result[name]
            result[ins[1]] += result[name]
        elif op == "*":
            result[ins[0]] += num[ins[1]] * result[name]
            result[ins[1]] += num[ins[0]] * result[name]
        elif op == "tanh":
            result[ins[0]] += (1 - num[name] ** 2) * result[name]
        elif op == "exp":
            result[ins[0]] += num[name] * result[name]
    return result
