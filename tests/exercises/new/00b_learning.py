"""Assignment 00b, new answers from the text alone; every second wrong one is only scored."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("00b.1", "p > 0 is asked in float32, so a very unlikely token that the guess rules out adds 0, not infinity.")
def unlikely_is_impossible(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), torch.zeros_like(p)).sum(-1)


@wrong("00b.1", "nan_to_num also turns an infinite divergence into a large finite number.")
def infinity_made_finite(truth, guess):
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).nan_to_num().sum(-1)


@wrong("00b.1", "Tokens that the guess rules out are left out, where the divergence should be infinite.")
def ruled_out_by_the_guess_skipped(truth, guess):
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    terms = log_p.exp() * (log_p - log_q)
    return torch.where((log_p > -math.inf) & (log_q > -math.inf), terms, 0.0).sum(-1)


@wrong("00b.1", "The logits are subtracted as they are: neither is normalized to log-probabilities.")
def raw_logits_subtracted(truth, guess):
    p = truth.double().softmax(-1)
    terms = p * (truth.double() - guess.double())
    return torch.where(truth > -math.inf, terms, 0.0).sum(-1)


@wrong("00b.1", "An epsilon inside the logarithm caps it: neither large nor infinite divergences come out.")
def epsilon_in_the_log(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return (p * ((p + 1e-8).log() - (q + 1e-8).log())).sum(-1)


@wrong("00b.1", "The probabilities are computed before their logarithms, so small ones are rounded to 0.")
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


@wrong("00b.2", "The gradient at the logits is p - y: the weight of each row is forgotten.")
def every_row_weighs_one(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00b.2", "The rate is multiplied in twice: into the slope, and into the update.")
def rate_squared(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = rate * (log_p.exp() * y.sum(1, keepdim=True) - y), []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00b.2", "The derivative of tanh is left out on the way back.")
def tanh_passes_everything(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() * y.sum(1, keepdim=True) - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T
    return stepped


@wrong("00b.2", "The derivative of tanh is taken of the output: 1 - tanh(h)**2 in place of 1 - h**2.")
def tanh_of_the_output(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() * y.sum(1, keepdim=True) - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - torch.tanh(h) ** 2)
    return stepped


@wrong("00b.2", "The bias's gradient is the mean over the rows in place of the sum.")
def mean_for_the_bias(layers, x, y, rate):
    outputs, log_p = forward(layers, x)
    slope, stepped = log_p.exp() * y.sum(1, keepdim=True) - y, []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs), strict=True):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.mean(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00b.2", "tanh is applied to the last layer as well, before log_softmax.")
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


@wrong("00b.3", "Along an axis of 1 only the first copy's slope is taken, not the sum.")
def first_copy_of_a_one(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.narrow(axis, 0, 1)
    return slopes.clone()


@wrong("00b.3", "Only the first axis of 1 is summed: the loop ends after it.")
def only_the_first_axis_of_one(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1 and slopes.shape[axis] > 1:
            slopes = slopes.sum(axis, keepdim=True)
            break
    return slopes


@wrong("00b.3", "Extra axes are summed on the right, not on the left.")
def extra_axes_on_the_right(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.sum(-1)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "Only one extra axis is summed (`if` for `while`).")
def one_extra_axis(slopes, shape):
    if slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis in range(-len(shape), 0):
        if shape[axis] == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "Extra axes are averaged; only axes of 1 are summed.")
def extra_axes_averaged(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes.mean(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@wrong("00b.3", "The summed axes of 1 are dropped (keepdim is missing).")
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


@wrong("00b.4", "The slopes of earlier calls stay in a mutable default.")
def slopes_of_earlier_calls(values, steps, slope={}):  # noqa: B006
    numbers = forward_numbers(values, steps)
    for name in numbers:
        slope.setdefault(name, 0.0)
    slope[steps[-1][0]] = 1.0
    return {name: backward(values, steps, slope, numbers)[name] for name in [*numbers][:1]} | {
        name: slope[name] for name in numbers
    }


@wrong("00b.4", "A product's local slope is computed as result / factor, which fails for a factor of 0.")
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


@wrong("00b.4", "Every slope begins at 1, not only that of the last step.")
def all_begin_at_one(values, steps):
    numbers = forward_numbers(values, steps)
    return backward(values, steps, dict.fromkeys(numbers, 1.0), numbers)


@wrong("00b.4", "A name that is used twice in one step is counted once.")
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


@wrong("00b.4", "A slope is overwritten where a name is used again (`=` for `+=`).")
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


@wrong("00b.4", "The slopes are finite differences, which are inexact for large and small numbers.")
def by_forward_differences(values, steps):
    def last(changed, by):
        numbers = {name: value + by * (name == changed) for name, value in values.items()}
        for name, operation, inputs in steps:
            numbers[name] = RULES[operation](*(numbers[one] for one in inputs)) + by * (name == changed)
        return numbers[steps[-1][0]]

    names = [*values, *(step[0] for step in steps)]
    return {name: (last(name, 1e-3) - last(name, 0.0)) / 1e-3 for name in names}


@right("00b.4")
def forward_mode(values, steps):
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
