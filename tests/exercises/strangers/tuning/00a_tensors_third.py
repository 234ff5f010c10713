"""Answers to assignment 00a from its text alone; this set served to tune the checks."""

import math

import numpy as np
import torch
from answers import right, wrong

# 00a.1


@wrong("00a.1", "takes the logarithm of probabilities already rounded to 0: a price of 300 becomes infinite")
def kl_log_after_softmax(truth, guess):
    p = torch.softmax(truth, -1)
    q = torch.softmax(guess, -1)
    prices = p * (torch.log(p) - torch.log(q))
    return torch.where(p > 0, prices, torch.zeros_like(prices)).sum(-1)


@wrong("00a.1", "takes the logits for log-probabilities and never normalises them")
def kl_logits_as_logs(truth, guess):
    p = truth.exp()
    terms = torch.where(p > 0, p * (truth - guess), 0.0)
    return terms.sum(dim=1)


@wrong("00a.1", "adds a small number to the guess, so that no price is ever infinite")
def kl_with_epsilon(truth, guess):
    log_p = truth.log_softmax(-1)
    log_q = (guess.softmax(-1) + 1e-9).log()
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), 0.0).sum(-1)


@wrong("00a.1", "rules out in the guess, too, what the truth rules out, so the guess is normalised over fewer tokens")
def kl_guess_renormalised(truth, guess):
    impossible = truth == -math.inf
    log_p = truth.log_softmax(-1)
    log_q = guess.masked_fill(impossible, -math.inf).log_softmax(-1)
    prices = log_p.exp() * (log_p - log_q)
    return prices.masked_fill(impossible, 0.0).sum(-1)


@wrong("00a.1", "leaves the entropy of the truth in: this is the cross-entropy")
def kl_is_cross_entropy(truth, guess):
    p = truth.softmax(-1)
    surprise = -guess.log_softmax(-1)
    return torch.where(p > 0, p * surprise, 0.0).sum(-1)


@wrong("00a.1", "throws out every term that is not finite, also where the guess rules out the possible")
def kl_finite_only(truth, guess):
    out = []
    for t, g in zip(truth, guess, strict=True):
        log_p, log_q = t.log_softmax(0), g.log_softmax(0)
        terms = log_p.exp() * (log_p - log_q)
        out.append(terms[torch.isfinite(terms)].sum())
    return torch.stack(out)


@wrong("00a.1", "writes a large negative number over the minus infinities of the truth it was given")
def kl_writes_into_truth(truth, guess):
    ruled_out = torch.isinf(truth)
    truth[ruled_out] = -1e9
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    prices = log_p.exp() * (log_p - log_q)
    prices[ruled_out] = 0.0
    return prices.sum(-1)


@wrong("00a.1", "believes that no token can have a negative price and clips each term at 0")
def kl_terms_clipped(truth, guess):
    log_p = torch.log_softmax(truth, dim=-1)
    log_q = torch.log_softmax(guess, dim=-1)
    terms = log_p.exp() * (log_p - log_q)
    terms = torch.where(log_p.exp() > 0, terms, 0.0)
    return torch.clamp(terms, min=0).sum(-1)


@right("00a.1")
def kl_row_by_row_in_python(truth, guess):
    def log_total(row):
        top = max(row)
        return top + math.log(math.fsum(math.exp(logit - top) for logit in row))

    prices = []
    for t, g in zip(truth.tolist(), guess.tolist(), strict=True):
        t_total, g_total = log_total(t), log_total(g)
        price = 0.0
        for t_logit, g_logit in zip(t, g, strict=True):
            if t_logit == -math.inf:
                continue
            if g_logit == -math.inf:
                price = math.inf
                break
            log_p = t_logit - t_total
            price += math.exp(log_p) * (log_p - (g_logit - g_total))
        prices.append(price)
    return torch.tensor(prices, dtype=truth.dtype)


@right("00a.1")
def kl_numpy_logaddexp(truth, guess):
    t, g = truth.double().numpy(), guess.double().numpy()
    possible, offered = t > -np.inf, g > -np.inf
    both = possible & offered
    log_p = np.where(both, t - np.logaddexp.reduce(t, axis=1, keepdims=True), 0.0)
    log_q = np.where(both, g - np.logaddexp.reduce(g, axis=1, keepdims=True), 0.0)
    price = (np.where(both, np.exp(log_p), 0.0) * (log_p - log_q)).sum(axis=1)
    price[(possible & ~offered).any(axis=1)] = np.inf
    return torch.from_numpy(price).to(truth.dtype)


# 00a.2


@wrong("00a.2", "subtracts the truth from plain probabilities, as if each row of the truth added up to 1")
def step_rows_weigh_one(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    logits = outputs[-1] @ layers[-1][0] + layers[-1][1]
    slope = logits.softmax(-1) - y
    new = []
    for (weight, bias), h in zip(layers[::-1], outputs[::-1], strict=True):
        new.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return new


@wrong("00a.2", "keeps a second name for the old weight, but subtracts in place, so both names mean the new one")
def step_old_is_an_alias(layers, x, y, rate):
    layers = [(weight.clone(), bias.clone()) for weight, bias in layers]
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    for place in range(len(layers) - 1, -1, -1):
        weight, bias = layers[place]
        old_weight = weight
        h = outputs[place]
        weight -= rate * h.T @ slope
        bias -= rate * slope.sum(0)
        slope = slope @ old_weight.T * (1 - h**2)
    return layers


@wrong("00a.2", "changes the weights and biases that it was given")
def step_in_place_at_the_end(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    slopes = []
    for place in reversed(range(len(layers))):
        h = outputs[place]
        slopes.insert(0, (h.T @ slope, slope.sum(0)))
        slope = slope @ layers[place][0].T * (1 - h**2)
    for (weight, bias), (d_weight, d_bias) in zip(layers, slopes, strict=True):
        weight.sub_(rate * d_weight)
        bias.sub_(rate * d_bias)
    return list(layers)


@wrong("00a.2", "takes the slope of tanh from what goes into it (1 - z²) in place of what comes out")
def step_tanh_slope_of_input(layers, x, y, rate):
    inputs, before = [x], []
    for weight, bias in layers[:-1]:
        z = inputs[-1] @ weight + bias
        before.append(z)
        inputs.append(torch.tanh(z))
    logits = inputs[-1] @ layers[-1][0] + layers[-1][1]
    slope = logits.softmax(-1) * y.sum(1, keepdim=True) - y
    new = [None] * len(layers)
    for i in reversed(range(len(layers))):
        weight, bias = layers[i]
        new[i] = (weight - rate * inputs[i].T @ slope, bias - rate * slope.sum(0))
        if i > 0:
            slope = (slope @ weight.T) * (1 - before[i - 1] ** 2)
    return new


@wrong("00a.2", "uses h (1 - h), the slope of the sigmoid, for tanh")
def step_sigmoid_slope(layers, x, y, rate):
    activations = [x]
    for weight, bias in layers[:-1]:
        activations.append((activations[-1] @ weight + bias).tanh())
    weight, bias = layers[-1]
    delta = (activations[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    result = []
    for i in reversed(range(len(layers))):
        weight, bias = layers[i]
        a = activations[i]
        result.append((weight - rate * a.T @ delta, bias - rate * delta.sum(0)))
        delta = delta @ weight.T * a * (1 - a)
    return result[::-1]


@wrong("00a.2", "runs forwards anew after each layer, so the front layers get the slopes of a network half stepped")
def step_layer_after_layer(layers, x, y, rate):
    new = list(layers)
    for i in reversed(range(len(layers))):
        outputs = [x]
        for weight, bias in new[:-1]:
            outputs.append(torch.tanh(outputs[-1] @ weight + bias))
        logits = outputs[-1] @ new[-1][0] + new[-1][1]
        slope = logits.softmax(-1) * y.sum(1, keepdim=True) - y
        for j in range(len(layers) - 1, i, -1):
            slope = slope @ new[j][0].T * (1 - outputs[j] ** 2)
        weight, bias = layers[i]
        new[i] = (weight - rate * outputs[i].T @ slope, bias - rate * slope.sum(0))
    return new


@wrong("00a.2", "is written for the two layers of the lesson and for no other number of them")
def step_two_layers_only(layers, x, y, rate):
    (w1, b1), (w2, b2) = layers
    h = torch.tanh(x @ w1 + b1)
    p = torch.softmax(h @ w2 + b2, dim=-1)
    d_logits = p * y.sum(1, keepdim=True) - y
    d_h = d_logits @ w2.T * (1 - h * h)
    return [
        (w1 - rate * x.T @ d_h, b1 - rate * d_h.sum(0)),
        (w2 - rate * h.T @ d_logits, b2 - rate * d_logits.sum(0)),
    ]


@wrong("00a.2", "clips the gradient to length 1, so a steep place gets a shorter step than asked for")
def step_with_clipping(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    grads = []
    for place in reversed(range(len(layers))):
        h = outputs[place]
        grads.append((h.T @ slope, slope.sum(0)))
        slope = slope @ layers[place][0].T * (1 - h**2)
    grads.reverse()
    norm = math.sqrt(sum(float((g**2).sum()) for pair in grads for g in pair))
    factor = min(1.0, 1.0 / (norm + 1e-6))
    return [
        (weight - rate * factor * d_weight, bias - rate * factor * d_bias)
        for (weight, bias), (d_weight, d_bias) in zip(layers, grads, strict=True)
    ]


@right("00a.2")
def step_by_recursion(layers, x, y, rate):
    def walk(rest, h):
        """The stepped rest of the layers, and the slope at what went in."""
        (weight, bias), *behind = rest
        z = h @ weight + bias
        if behind:
            out = torch.tanh(z)
            stepped, at_out = walk(behind, out)
            at_z = at_out - at_out * out * out
        else:
            stepped = []
            at_z = torch.einsum("bv,b->bv", z.softmax(-1), y.sum(1)) - y
        d_weight = torch.einsum("bi,bo->io", h, at_z)
        here = (torch.add(weight, d_weight, alpha=-rate), torch.add(bias, at_z.sum(0), alpha=-rate))
        return [here, *stepped], at_z @ weight.T

    return walk(list(layers), x)[0]


@right("00a.2")
def step_complex_numbers(layers, x, y, rate):
    tiny = 1e-30
    numbers = [part.double().numpy().astype(complex) for layer in layers for part in layer]
    inputs, target = x.double().numpy(), y.double().numpy()

    def loss():
        h = inputs
        for at in range(0, len(numbers) - 2, 2):
            h = np.tanh(h @ numbers[at] + numbers[at + 1])
        logits = h @ numbers[-2] + numbers[-1]
        logits = logits - logits.real.max(axis=1, keepdims=True)
        return -(target * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum()

    moved = []
    for part in numbers:
        slope = np.zeros(part.shape)
        for seat in np.ndindex(part.shape):
            part[seat] += 1j * tiny
            slope[seat] = loss().imag / tiny
            part[seat] = part[seat].real
        moved.append(torch.from_numpy(part.real - rate * slope).to(x.dtype))
    return list(zip(moved[0::2], moved[1::2], strict=True))


# 00a.3


@wrong("00a.3", "sums away the axes that stick out on the left, but forgets the axes of length 1")
def unbroadcast_left_only(slopes, shape):
    extra = slopes.dim() - len(shape)
    for _ in range(extra):
        slopes = slopes.sum(0)
    return slopes


@wrong("00a.3", "writes the shapes flush left, so the last axes are summed away in place of the first")
def unbroadcast_flush_left(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(-1)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00a.3", "takes the mean of the copies in place of their sum")
def unbroadcast_mean(slopes, shape):
    for _ in range(slopes.dim() - len(shape)):
        slopes = slopes.mean(0)
    for axis in range(len(shape)):
        if shape[axis] == 1:
            slopes = slopes.mean(axis, keepdim=True)
    return slopes


@wrong("00a.3", "reshapes to a stack of copies, as if the copies of all numbers always lay one block behind the other")
def unbroadcast_stack_of_copies(slopes, shape):
    return slopes.reshape(-1, *shape).sum(0)


@wrong("00a.3", "calls sum with an empty tuple of axes where nothing was broadcast, and torch then sums everything")
def unbroadcast_empty_axes(slopes, shape):
    extra = slopes.dim() - len(shape)
    slopes = slopes.sum(tuple(range(extra))) if extra else slopes
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and slopes.shape[i] != 1)
    return slopes.sum(dim=axes, keepdim=True)


@wrong("00a.3", "finds an axis by its length, from the left, so with two equal lengths the wrong one stays")
def unbroadcast_match_lengths(slopes, shape):
    wanted = [size for size in shape if size != 1]
    axis = 0
    while axis < slopes.dim():
        if wanted and slopes.shape[axis] == wanted[0]:
            wanted.pop(0)
            axis += 1
        else:
            slopes = slopes.sum(axis)
    return slopes.reshape(shape)


@wrong("00a.3", "sums only the first axis of length 1, also where there are several")
def unbroadcast_first_one(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    if 1 in shape:
        slopes = slopes.sum(shape.index(1), keepdim=True)
    return slopes


@wrong("00a.3", "adds the copies up inside the slopes that it was given")
def unbroadcast_adds_in_place(slopes, shape):
    while slopes.dim() > len(shape):
        total = slopes[0]
        for copy in slopes[1:]:
            total += copy
        slopes = total
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@right("00a.3")
def unbroadcast_by_seat_numbers(slopes, shape):
    many = math.prod(shape)
    seats = torch.arange(many).reshape(shape).expand(slopes.shape)
    total = torch.zeros(many, dtype=slopes.dtype)
    return total.index_add(0, seats.reshape(-1), slopes.reshape(-1)).reshape(shape)


@right("00a.3")
def unbroadcast_numpy_axes(slopes, shape):
    array = slopes.numpy()
    padded = (1,) * (array.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i in range(array.ndim) if padded[i] == 1)
    return torch.from_numpy(np.asarray(array.sum(axis=axes)).reshape(shape))


# 00a.4


def _run(values, steps):
    numbers = dict(values)
    for name, operation, inputs in steps:
        given = [numbers[i] for i in inputs]
        if operation == "+":
            numbers[name] = given[0] + given[1]
        elif operation == "*":
            numbers[name] = given[0] * given[1]
        elif operation == "tanh":
            numbers[name] = math.tanh(given[0])
        else:
            numbers[name] = math.exp(given[0])
    return numbers


@wrong("00a.4", "has no entry for a name that has no effect on the last number")
def slopes_names_missing(values, steps):
    numbers = _run(values, steps)
    slope = {steps[-1][0]: 1.0}
    for name, operation, inputs in reversed(steps):
        if name not in slope:
            continue
        s = slope[name]
        if operation == "+":
            parts = [s, s]
        elif operation == "*":
            parts = [s * numbers[inputs[1]], s * numbers[inputs[0]]]
        elif operation == "tanh":
            parts = [s * (1 - numbers[name] ** 2)]
        else:
            parts = [s * numbers[name]]
        for key, part in zip(inputs, parts, strict=True):
            slope[key] = slope.get(key, 0.0) + part
    return slope


@wrong("00a.4", "gets the other factor by dividing the product by this one, which fails for 0")
def slopes_by_division(values, steps):
    numbers = _run(values, steps)
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in steps[::-1]:
        out = numbers[name]
        for key in inputs:
            if operation == "+":
                local = 1.0
            elif operation == "*":
                local = out / numbers[key]
            elif operation == "tanh":
                local = 1 - out**2
            else:
                local = out
            slope[key] += local * slope[name]
    return slope


@wrong("00a.4", "goes through the set of the inputs, so a name used twice in one step counts once")
def slopes_set_of_inputs(values, steps):
    numbers = _run(values, steps)
    slope = {name: 0.0 for name in numbers}
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        for key in set(inputs):
            other = inputs[-1] if key == inputs[0] else inputs[0]
            if operation == "+":
                slope[key] += slope[name]
            elif operation == "*":
                slope[key] += numbers[other] * slope[name]
            elif operation == "tanh":
                slope[key] += (1 - numbers[name] ** 2) * slope[name]
            else:
                slope[key] += numbers[name] * slope[name]
    return slope


@wrong("00a.4", "begins at the name loss, whatever the last step is called")
def slopes_from_loss(values, steps):
    numbers = _run(values, steps)
    slope = {name: 0.0 for name in numbers}
    slope["loss"] = 1.0
    for name, operation, inputs in reversed(steps):
        if operation == "+":
            slope[inputs[0]] += slope[name]
            slope[inputs[1]] += slope[name]
        elif operation == "*":
            slope[inputs[0]] += numbers[inputs[1]] * slope[name]
            slope[inputs[1]] += numbers[inputs[0]] * slope[name]
        elif operation == "tanh":
            slope[inputs[0]] += (1 - numbers[name] ** 2) * slope[name]
        elif operation == "exp":
            slope[inputs[0]] += numbers[name] * slope[name]
    return slope


@wrong("00a.4", "writes the results of the steps into the dictionary of values that it was given")
def slopes_values_filled(values, steps):
    numbers = values
    for name, operation, inputs in steps:
        first, last = numbers[inputs[0]], numbers[inputs[-1]]
        numbers[name] = {
            "+": lambda a, b: a + b,
            "*": lambda a, b: a * b,
            "tanh": lambda a, _: math.tanh(a),
            "exp": lambda a, _: math.exp(a),
        }[operation](first, last)
    grads = {name: 0.0 for name in numbers}
    grads[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        g = grads[name]
        if operation == "+":
            for i in inputs:
                grads[i] += g
        elif operation == "*":
            a, b = inputs
            grads[a] += g * numbers[b]
            grads[b] += g * numbers[a]
        elif operation == "tanh":
            grads[inputs[0]] += g * (1 - numbers[name] ** 2)
        else:
            grads[inputs[0]] += g * numbers[name]
    return grads


@wrong("00a.4", "hands on a name's whole slope each time a user of it is met, so early shares are passed on again")
def slopes_pushed_again(values, steps):
    numbers = _run(values, steps)
    made_by = {name: (operation, inputs) for name, operation, inputs in steps}
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    queue = [steps[-1][0]]
    while queue:
        name = queue.pop(0)
        if name not in made_by:
            continue
        operation, inputs = made_by[name]
        if operation == "+":
            local = [1.0, 1.0]
        elif operation == "*":
            local = [numbers[inputs[1]], numbers[inputs[0]]]
        elif operation == "tanh":
            local = [1 - numbers[name] ** 2]
        else:
            local = [numbers[name]]
        for key, factor in zip(inputs, local, strict=True):
            slope[key] += factor * slope[name]
            queue.append(key)
    return slope


@wrong("00a.4", "computes tanh as a quotient of exponentials, which overflows for large numbers")
def slopes_tanh_by_hand(values, steps):
    def tanh(z):
        return (math.exp(z) - math.exp(-z)) / (math.exp(z) + math.exp(-z))

    numbers = dict(values)
    for name, operation, inputs in steps:
        if operation == "+":
            numbers[name] = numbers[inputs[0]] + numbers[inputs[1]]
        elif operation == "*":
            numbers[name] = numbers[inputs[0]] * numbers[inputs[1]]
        elif operation == "tanh":
            numbers[name] = tanh(numbers[inputs[0]])
        else:
            numbers[name] = math.exp(numbers[inputs[0]])
    slope = {name: 0.0 for name in numbers}
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        if operation == "+":
            slope[inputs[0]] += slope[name]
            slope[inputs[1]] += slope[name]
        elif operation == "*":
            slope[inputs[0]] += numbers[inputs[1]] * slope[name]
            slope[inputs[1]] += numbers[inputs[0]] * slope[name]
        elif operation == "tanh":
            slope[inputs[0]] += (1 - numbers[name] ** 2) * slope[name]
        else:
            slope[inputs[0]] += numbers[name] * slope[name]
    return slope


@wrong("00a.4", "applies exp once more to the result of exp")
def slopes_exp_of_exp(values, steps):
    numbers = _run(values, steps)
    slope = {name: 0.0 for name in numbers}
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in reversed(steps):
        s = slope[name]
        match operation:
            case "+":
                slope[inputs[0]] += s
                slope[inputs[1]] += s
            case "*":
                slope[inputs[0]] += s * numbers[inputs[1]]
                slope[inputs[1]] += s * numbers[inputs[0]]
            case "tanh":
                slope[inputs[0]] += s * (1 - numbers[name] ** 2)
            case "exp":
                slope[inputs[0]] += s * math.exp(numbers[name])
    return slope


@right("00a.4")
def slopes_forwards_for_each_name(values, steps):
    numbers = _run(values, steps)

    def effect_of(source):
        tangent = {name: float(name == source) for name in values}
        for name, operation, inputs in steps:
            a, b = inputs[0], inputs[-1]
            if name == source:
                tangent[name] = 1.0
            elif operation == "+":
                tangent[name] = tangent[a] + tangent[b]
            elif operation == "*":
                tangent[name] = tangent[a] * numbers[b] + numbers[a] * tangent[b]
            elif operation == "tanh":
                tangent[name] = tangent[a] * (1 - numbers[name]) * (1 + numbers[name])
            else:
                tangent[name] = tangent[a] * numbers[name]
        return tangent[steps[-1][0]]

    return {name: effect_of(name) for name in numbers}


@right("00a.4")
def slopes_each_asks_its_users(values, steps):
    numbers = _run(values, steps)
    users = {name: [] for name in numbers}
    for name, operation, inputs in steps:
        for seat, key in enumerate(inputs):
            if operation == "+":
                local = 1.0
            elif operation == "*":
                local = numbers[inputs[1 - seat]]
            elif operation == "tanh":
                local = 1.0 - numbers[name] * numbers[name]
            else:
                local = numbers[name]
            users[key].append((name, local))
    found = {}
    for name in reversed(list(numbers)):
        own = 1.0 if name == steps[-1][0] else 0.0
        found[name] = own + sum(found[user] * local for user, local in users[name])
    return {name: found[name] for name in numbers}
