"""Answers to assignment 00a from its text alone; this half served to tune the checks."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("00a.1", "it answers in bits, and nats were asked for")
def in_bits(truth, guess):
    lp = torch.log_softmax(truth, -1)
    lq = torch.log_softmax(guess, -1)
    bits = lp.exp() * (lp - lq) / math.log(2)
    bits = torch.where(lp.exp() > 0, bits, torch.zeros_like(bits))
    return bits.sum(dim=-1)


@right("00a.1")
def plain_python_row_by_row(truth, guess):
    def log_probabilities(logits):
        top = max(logits)
        total = math.fsum(math.exp(z - top) for z in logits)
        return [z - top - math.log(total) for z in logits]

    prices = []
    for t_row, g_row in zip(truth.tolist(), guess.tolist()):
        price = 0.0
        for log_p, log_q in zip(log_probabilities(t_row), log_probabilities(g_row)):
            if log_p == -math.inf:
                continue
            if log_q == -math.inf:
                price = math.inf
                break
            price += math.exp(log_p) * (log_p - log_q)
        prices.append(price)
    return torch.tensor(prices, dtype=truth.dtype)


@wrong("00a.1", "softmax first and log after it: a small probability is rounded to 0 and its price becomes infinite")
def log_after_softmax(truth, guess):
    p = torch.softmax(truth, dim=-1)
    q = torch.softmax(guess, dim=-1)
    price = p * (torch.log(p) - torch.log(q))
    price[p == 0] = 0
    return price.sum(dim=-1)


@wrong("00a.1", "nan_to_num also turns an infinite price into the largest float")
def nan_to_num_on_everything(truth, guess):
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).nan_to_num().sum(-1)


@wrong("00a.1", "it is the cross-entropy: what nobody can save is not taken away")
def cross_entropy_alone(truth, guess):
    p = truth.softmax(-1)
    log_q = guess.log_softmax(-1)
    surprise = torch.where(truth == -torch.inf, 0.0, -p * log_q)
    return surprise.sum(-1)


@right("00a.1")
def numpy_cross_entropy_less_entropy(truth, guess):
    t = truth.detach().numpy().astype(np.float64)
    g = guess.detach().numpy().astype(np.float64)
    t = t - t.max(axis=1, keepdims=True)
    g = g - g.max(axis=1, keepdims=True)
    log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
    log_q = g - np.log(np.exp(g).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    can = np.isfinite(t)
    entropy = -(p * np.where(can, log_p, 0)).sum(1)
    cross = -(p * np.where(can & np.isfinite(g), log_q, 0)).sum(1)
    cross[(can & ~np.isfinite(g)).any(1)] = np.inf
    return torch.from_numpy(cross - entropy).to(truth.dtype)


@wrong("00a.1", "the softmax runs down the batch in place of along the vocabulary")
def softmax_down_the_columns(truth, guess):
    log_p = truth.log_softmax(0)
    log_q = guess.log_softmax(0)
    prices = log_p.exp() * (log_p - log_q)
    prices = torch.where(truth > -torch.inf, prices, 0.0)
    return prices.sum(-1)


@wrong("00a.1", "one maximum of the whole batch is taken off, so a row of smaller logits underflows to 0 / 0")
def one_maximum_for_the_batch(truth, guess):
    def log_probs(z):
        z = z - z.max()
        return z - z.exp().sum(1, keepdim=True).log()

    a, b = log_probs(truth), log_probs(guess)
    out = torch.where(truth.isinf(), torch.zeros_like(a), a.exp() * (a - b))
    return out.sum(1)


@wrong("00a.1", "any token that the guess rules out makes the row infinite, also one that the truth rules out, too")
def infinite_for_any_ruled_out_token(truth, guess):
    log_p = truth.log_softmax(-1)
    log_q = guess.log_softmax(-1)
    prices = log_p.exp() * (log_p - log_q)
    prices[truth == -torch.inf] = 0.0
    prices[guess == -torch.inf] = torch.inf
    return prices.sum(-1)


@wrong("00a.2", "p - y as if each row of the truth added up to 1, when all rows together do")
def rows_that_add_up_to_one(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = layers[place]
        h = outputs[place]
        stepped[place] = weight - rate * h.T @ slope, bias - rate * slope.sum(0)
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00a.2", "the slope of tanh takes the tanh of what is a tanh already")
def tanh_of_a_tanh(layers, x, y, rate):
    inputs = [x]
    for weight, bias in layers[:-1]:
        inputs.append(torch.tanh(inputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    log_p = (inputs[-1] @ weight + bias).log_softmax(-1)
    slope = log_p.exp() * y.sum(1, keepdim=True) - y
    stepped = []
    for (weight, bias), h in zip(reversed(layers), reversed(inputs)):
        stepped.append((weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - torch.tanh(h) ** 2)
    return stepped[::-1]


@right("00a.2")
def one_layer_and_then_the_rest_of_the_network(layers, x, y, rate):
    def walk(at, h):
        """The stepped layers from here on, and the slope of what came into this one."""
        weight, bias = layers[at]
        z = h @ weight + bias
        if at == len(layers) - 1:
            done, slope = [], z.log_softmax(-1).exp() * y.sum(-1, keepdim=True) - y
        else:
            out = z.tanh()
            done, slope = walk(at + 1, out)
            slope = slope * (1 - out * out)
        here = (weight - rate * (h.T @ slope), bias - rate * slope.sum(0))
        return [here, *done], slope @ weight.T

    return walk(0, x)[0]


@wrong("00a.2", "the last layer gets a tanh, too")
def tanh_after_every_layer(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    slope = outputs[-1].log_softmax(-1).exp() * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = layers[place]
        slope = slope * (1 - outputs[place + 1] ** 2)
        stepped[place] = (
            weight - rate * outputs[place].T @ slope,
            bias - rate * slope.sum(0),
        )
        slope = slope @ weight.T
    return stepped


@wrong("00a.2", "the list is new, but the tensors in it are those that came in, changed in place")
def tensors_changed_in_place(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = stepped[place]
        h = outputs[place]
        further = slope @ weight.T * (1 - h**2)
        weight -= rate * h.T @ slope
        bias -= rate * slope.sum(0)
        slope = further
    return stepped


@wrong("00a.2", "a bias gets the mean of the slopes over the batch in place of their sum")
def mean_for_the_bias(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = []
    for place in range(len(layers))[::-1]:
        weight, bias = layers[place]
        h = outputs[place]
        stepped.append((weight - rate * h.T @ slope, bias - rate * slope.mean(0)))
        slope = slope @ weight.T * (1 - h**2)
    return list(reversed(stepped))


@right("00a.2")
def bias_as_one_more_row_in_numpy(layers, x, y, rate):
    def with_ones(h):
        return np.concatenate([h, np.ones((len(h), 1))], axis=1)

    mats = [np.vstack([w.numpy(), b.numpy()[None]]).astype(np.float64) for w, b in layers]
    ins = [with_ones(x.numpy().astype(np.float64))]
    for m in mats[:-1]:
        ins.append(with_ones(np.tanh(ins[-1] @ m)))
    z = ins[-1] @ mats[-1]
    e = np.exp(z - z.max(1, keepdims=True))
    truth = y.numpy().astype(np.float64)
    d = e / e.sum(1, keepdims=True) * truth.sum(1, keepdims=True) - truth
    stepped = []
    for m, h in zip(mats[::-1], ins[::-1]):
        stepped.append(m - rate * np.einsum("bi,bo->io", h, d))
        d = (d @ m.T * (1 - h**2))[:, :-1]
    dtype = layers[0][0].dtype
    return [(torch.tensor(m[:-1], dtype=dtype), torch.tensor(m[-1], dtype=dtype)) for m in stepped[::-1]]


@wrong("00a.2", "the walk back appends the last layer first, and the list is never turned round")
def list_in_the_order_of_the_walk(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = []
    while outputs:
        h = outputs.pop()
        weight, bias = layers[len(outputs)]
        stepped.append((weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00a.2", "the slopes of each layer are scaled down to length 1, so double the rate is right but the step is not")
def clipped_slopes(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = layers[place]
        h = outputs[place]
        d_weight, d_bias = h.T @ slope, slope.sum(0)
        length = torch.sqrt((d_weight**2).sum() + (d_bias**2).sum())
        stepped[place] = weight - rate * d_weight / length, bias - rate * d_bias / length
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@wrong("00a.3", "the mean of the copies in place of their sum")
def mean_of_the_copies(slopes, shape):
    padded = [1] * (slopes.dim() - len(shape)) + list(shape)
    for axis, n in enumerate(padded):
        if n == 1:
            slopes = slopes.mean(axis, keepdim=True)
    return slopes.reshape(shape).clone()


@wrong("00a.3", "sum over an empty tuple of axes adds up everything, which happens when nothing was broadcast")
def sum_over_no_axes(slopes, shape):
    extra = slopes.dim() - len(shape)
    padded = (1,) * extra + tuple(shape)
    axes = tuple(i for i in range(slopes.dim()) if padded[i] == 1)
    return slopes.sum(axes, keepdim=True).reshape(shape)


@wrong(
    "00a.3",
    "the axes have moved down after the first sum, but the loop counts on: it sums axis 0 and then the wrong one",
)
def axes_that_moved(slopes, shape):
    extra = slopes.dim() - len(shape)
    for axis in range(extra):
        slopes = slopes.sum(axis)
    for axis, n in enumerate(shape):
        if n == 1 and slopes.shape[axis] != 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes.clone()


@right("00a.3")
def every_copy_knows_where_it_came_from(slopes, shape):
    source = torch.arange(math.prod(shape)).reshape(shape).expand(slopes.shape)
    total = torch.zeros(math.prod(shape), dtype=slopes.dtype)
    total.index_add_(0, source.flatten(), slopes.flatten())
    return total.reshape(shape)


@wrong("00a.3", "the first copy is taken in place of the sum over all copies")
def first_copy_only(slopes, shape):
    while slopes.dim() > len(shape):
        slopes = slopes[0]
    for axis, n in enumerate(shape):
        slopes = slopes.narrow(axis, 0, n)
    return slopes.clone()


@wrong("00a.3", "reshape cuts the numbers in the order of memory, which fits only where the front axes were added")
def reshape_and_add_up(slopes, shape):
    """View the slopes as a pile of tensors of this shape and add up the pile."""
    return slopes.reshape(-1, *shape).sum(0)


@wrong("00a.3", "it looks whether a size occurs anywhere in the shape, not whether it stands below this axis")
def sizes_that_occur_somewhere(slopes, shape):
    gone = [axis for axis, n in enumerate(slopes.shape) if n not in shape]
    for axis in gone:
        slopes = slopes.sum(axis, keepdim=True)
    return slopes.reshape(shape).clone()


@right("00a.3")
def recursion_over_the_first_axis(slopes, shape):
    def fold(part, below):
        if part.dim() == 0:
            return part.clone()
        if part.dim() > len(below):
            return fold(part.sum(dim=0), below)
        if below[0] == 1:
            return fold(part.sum(dim=0), below[1:])[None]
        if below[0] == 0:
            return part.new_zeros(below)
        return torch.stack([fold(inner, below[1:]) for inner in part])

    return fold(slopes, tuple(shape))


@wrong("00a.3", "only the first 1 of the shape is summed, and there may be several")
def one_stretched_axis_at_most(slopes, shape):
    extra = slopes.dim() - len(shape)
    for _ in range(extra):
        slopes = slopes.sum(dim=0)
    if 1 in shape:
        slopes = slopes.sum(dim=shape.index(1), keepdim=True)
    return slopes.clone()


@wrong("00a.4", "a dictionary of local slopes has one entry per name, so a name used twice in one step counts once")
def local_slopes_in_a_dictionary(values, steps):
    numbers = values.copy()
    local = {}
    for name, op, inputs in steps:
        if op in "+*":
            a, b = inputs
            if op == "+":
                numbers[name] = numbers[a] + numbers[b]
                local[name] = {a: 1.0, b: 1.0}
            else:
                numbers[name] = numbers[a] * numbers[b]
                local[name] = {a: numbers[b], b: numbers[a]}
        elif op == "tanh":
            numbers[name] = math.tanh(numbers[inputs[0]])
            local[name] = {inputs[0]: 1 - numbers[name] ** 2}
        else:
            numbers[name] = math.exp(numbers[inputs[0]])
            local[name] = {inputs[0]: numbers[name]}
    slope = {name: 0.0 for name in numbers}
    slope[steps[-1][0]] = 1.0
    for name, _, _ in steps[::-1]:
        for i, d in local[name].items():
            slope[i] += d * slope[name]
    return slope


@wrong("00a.4", "the slope of tanh is 1 minus the square of its input, not of its output")
def tanh_slope_from_the_input(values, steps):
    num = dict(values)
    for name, op, i in steps:
        if op == "+":
            num[name] = num[i[0]] + num[i[1]]
        elif op == "*":
            num[name] = num[i[0]] * num[i[1]]
        else:
            num[name] = getattr(math, op)(num[i[0]])
    d = dict.fromkeys(num, 0.0)
    d[name] = 1.0
    for name, op, i in reversed(steps):
        if op == "+":
            d[i[0]] += d[name]
            d[i[1]] += d[name]
        elif op == "*":
            d[i[0]] += d[name] * num[i[1]]
            d[i[1]] += d[name] * num[i[0]]
        elif op == "tanh":
            d[i[0]] += d[name] * (1 - num[i[0]] ** 2)
        else:
            d[i[0]] += d[name] * num[name]
    return d


@right("00a.4")
def forwards_once_for_each_name(values, steps):
    """Dual numbers: (number, slope by one chosen name), carried forwards once per name."""

    def last_slope_by(chosen):
        duals = {n: (v, 1.0 if n == chosen else 0.0) for n, v in values.items()}
        for name, op, inputs in steps:
            a, da = duals[inputs[0]]
            b, db = duals[inputs[-1]]
            if op == "+":
                dual = a + b, da + db
            elif op == "*":
                dual = a * b, da * b + a * db
            elif op == "tanh":
                dual = math.tanh(a), da * (1 - math.tanh(a) ** 2)
            else:
                dual = math.exp(a), da * math.exp(a)
            # The chosen name is what we wiggle, whatever it was computed from.
            duals[name] = (dual[0], 1.0) if name == chosen else dual
        return duals[steps[-1][0]][1]

    return {n: last_slope_by(n) for n in [*values, *(name for name, _, _ in steps)]}


@wrong("00a.4", "each factor of a product gets its own number as slope, not the other's")
def its_own_factor(values, steps):
    num = dict(values)
    for name, op, inputs in steps:
        if op == "+":
            num[name] = sum(num[i] for i in inputs)
        elif op == "*":
            num[name] = math.prod(num[i] for i in inputs)
        elif op == "tanh":
            num[name] = math.tanh(num[inputs[0]])
        elif op == "exp":
            num[name] = math.exp(num[inputs[0]])
    back = dict.fromkeys(num, 0.0)
    back[steps[-1][0]] = 1.0
    for name, op, inputs in steps[::-1]:
        for i in inputs:
            if op == "+":
                back[i] += back[name]
            elif op == "*":
                back[i] += num[i] * back[name]
            elif op == "tanh":
                back[i] += (1 - num[name] ** 2) * back[name]
            elif op == "exp":
                back[i] += num[name] * back[name]
    return back


@wrong("00a.4", "the second walk goes forwards, too, when the slopes of the results are not known yet")
def both_walks_forwards(values, steps):
    numbers = dict(values)
    for name, operation, inputs in steps:
        first = numbers[inputs[0]]
        if operation == "+":
            numbers[name] = first + numbers[inputs[1]]
        elif operation == "*":
            numbers[name] = first * numbers[inputs[1]]
        elif operation == "tanh":
            numbers[name] = math.tanh(first)
        else:
            numbers[name] = math.exp(first)
    slope = {name: 0.0 for name in numbers}
    slope[steps[-1][0]] = 1.0
    for name, operation, inputs in steps:
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


@wrong("00a.4", "the slope of a step is taken out and set to 0 once it has been handed on")
def slopes_of_steps_used_up(values, steps):
    num = dict(values)
    for name, op, ins in steps:
        p = [num[i] for i in ins]
        if op == "+":
            num[name] = p[0] + p[1]
        elif op == "*":
            num[name] = p[0] * p[1]
        elif op == "tanh":
            num[name] = math.tanh(*p)
        else:
            num[name] = math.exp(*p)
    slope = dict.fromkeys(num, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, op, ins in reversed(steps):
        g, slope[name] = slope[name], 0.0
        if op == "+":
            slope[ins[0]] += g
            slope[ins[1]] += g
        elif op == "*":
            slope[ins[0]] += g * num[ins[1]]
            slope[ins[1]] += g * num[ins[0]]
        elif op == "tanh":
            slope[ins[0]] += g * (1 - num[name] ** 2)
        else:
            slope[ins[0]] += g * num[name]
    return slope


@right("00a.4")
def each_name_asks_its_users(values, steps):
    from collections import defaultdict

    numbers = dict(values)
    users = defaultdict(list)  # name -> (who uses it, how much it moves)
    for name, op, inputs in steps:
        if op == "+":
            left, other = inputs
            numbers[name] = numbers[left] + numbers[other]
            users[left].append((name, 1.0))
            users[other].append((name, 1.0))
        elif op == "*":
            left, other = inputs
            numbers[name] = numbers[left] * numbers[other]
            users[left].append((name, numbers[other]))
            users[other].append((name, numbers[left]))
        else:
            (only,) = inputs
            out = math.tanh(numbers[only]) if op == "tanh" else math.exp(numbers[only])
            numbers[name] = out
            users[only].append((name, 1 - out**2 if op == "tanh" else out))
    result = {}
    for name in reversed(list(numbers)):
        start = 1.0 if name == steps[-1][0] else 0.0
        result[name] = start + sum(local * result[user] for user, local in users[name])
    return result


@wrong("00a.4", "the walk back stops at the first step that has no effect in place of passing over it")
def stops_at_the_first_zero(values, steps):
    num = dict(values)
    for name, op, (a, *more) in steps:
        if op == "+":
            num[name] = num[a] + num[more[0]]
        elif op == "*":
            num[name] = num[a] * num[more[0]]
        elif op == "tanh":
            num[name] = math.tanh(num[a])
        else:
            num[name] = math.exp(num[a])
    slope = dict.fromkeys(num, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, op, (a, *more) in reversed(steps):
        if slope[name] == 0.0:
            break
        if op == "+":
            slope[a] += slope[name]
            slope[more[0]] += slope[name]
        elif op == "*":
            b = more[0]
            slope[a] += num[b] * slope[name]
            slope[b] += num[a] * slope[name]
        elif op == "tanh":
            slope[a] += (1 - num[name] ** 2) * slope[name]
        else:
            slope[a] += num[name] * slope[name]
    return slope


@wrong("00a.4", "every step that nobody uses begins with 1, not only the last one")
def every_loose_end_begins_with_one(values, steps):
    numbers = dict(values)
    used = set()
    for name, op, inputs in steps:
        used.update(inputs)
        if op == "+":
            numbers[name] = numbers[inputs[0]] + numbers[inputs[1]]
        elif op == "*":
            numbers[name] = numbers[inputs[0]] * numbers[inputs[1]]
        elif op == "tanh":
            numbers[name] = math.tanh(numbers[inputs[0]])
        elif op == "exp":
            numbers[name] = math.exp(numbers[inputs[0]])
    grads = {n: 0.0 for n in numbers}
    for name, _, _ in steps:
        if name not in used:
            grads[name] = 1.0
    for name, op, inputs in reversed(steps):
        g = grads[name]
        if op == "+":
            for i in inputs:
                grads[i] += g
        elif op == "*":
            grads[inputs[0]] += numbers[inputs[1]] * g
            grads[inputs[1]] += numbers[inputs[0]] * g
        elif op == "tanh":
            grads[inputs[0]] += (1 - numbers[name] ** 2) * g
        elif op == "exp":
            grads[inputs[0]] += numbers[name] * g
    return grads
