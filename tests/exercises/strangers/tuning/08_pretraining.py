"""Answers to assignment 08 from its text alone; this half is for tuning the check."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("08.1", "each tensor is clipped by its own norm, which changes the direction of the whole")
def each_on_its_own(gradients, longest):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    clipped = []
    for g in gradients:
        own = g.norm().item()
        clipped.append(g * (longest / own) if own > longest else g.clone())
    return clipped, norm


@right("08.1")
def sums_of_squares(gradients, longest):
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = min(1.0, longest / norm) if norm > 0 else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.1", "an overflow is not looked for: 0 times infinity is NaN")
def no_look_at_overflow(gradients, longest):
    norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt().item()
    factor = longest / norm if norm > longest else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.1", "mul_ shortens the caller's own tensors")
def shortened_in_place(gradients, longest):
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    if norm > longest:
        for g in gradients:
            g.mul_(longest / norm)
    return [g.clone() for g in gradients], norm


@wrong("08.1", "short gradients are stretched to the limit; they must stay as they are")
def always_the_same_length(gradients, longest):
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    if not math.isfinite(norm) or norm == 0:
        return [torch.zeros_like(g) for g in gradients], norm
    return [g / norm * longest for g in gradients], norm


@right("08.1")
def norm_of_the_norms(gradients, longest):
    norms = torch.tensor([torch.linalg.norm(g.flatten().double()).item() for g in gradients], dtype=torch.float64)
    norm = norms.norm().item()
    clipped = []
    for g in gradients:
        if norm <= longest:
            clipped.append(g.clone())
        elif norm < math.inf:
            clipped.append(g * longest / norm)
        else:  # infinite or NaN: neither comparison is true
            clipped.append(g.new_zeros(g.shape))
    return clipped, norm


@wrong("08.1", "the length is measured as the sum of the sizes (L1), not as the root of the sum of squares")
def sum_of_sizes(gradients, longest):
    norm = sum(g.double().abs().sum().item() for g in gradients)
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    if norm <= longest:
        return [g.clone() for g in gradients], norm
    return [g * (longest / norm) for g in gradients], norm


@wrong("08.1", "the root is forgotten: the squared norm is compared with the limit")
def root_forgotten(gradients, longest):
    norm = float(sum(g.double().square().sum() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    return [g * (longest / norm if norm > longest else 1.0) for g in gradients], norm


@wrong("08.1", "infinite and NaN numbers are replaced before the norm is measured, so it is not given as it is")
def cleaned_before_measuring(gradients, longest):
    clean = [torch.nan_to_num(g, nan=0.0, posinf=0.0, neginf=0.0) for g in gradients]
    norm = math.sqrt(sum(g.double().square().sum().item() for g in clean))
    if norm == 0:
        return clean, norm
    factor = min(1.0, longest / norm)
    return [g * factor for g in clean], norm


@right("08.1")
def number_by_number(gradients, longest):
    total = 0.0
    for g in gradients:
        for number in g.flatten().tolist():
            total += number * number
    norm = total**0.5

    def shortened(g):
        if norm != norm or norm == float("inf"):
            return torch.full_like(g, 0.0)
        return g.mul(longest / max(norm, longest)) if norm > longest else g.clone()

    return list(map(shortened, gradients)), norm


@wrong("08.1", "gives one flat vector; asked is a list of tensors with their old shapes")
def shapes_are_lost(gradients, longest):
    flat = torch.cat([g.reshape(-1) for g in gradients])
    norm = flat.double().norm().item()
    if not math.isfinite(norm):
        return torch.zeros_like(flat), norm
    return flat * min(1.0, longest / norm) if norm else flat, norm


@wrong("08.2", "weighs the parts by all their tokens; padding is no target")
def padding_is_counted(weight, parts):
    n = sum(len(targets) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@right("08.2")
def count_first(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    own = weight.detach().clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ own.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, own.grad


@wrong("08.2", "the means are weighed rightly, but a part without targets has the mean NaN, and NaN times 0 is NaN")
def nan_from_an_empty_part(weight, parts):
    n = sum(int((t != -100).sum()) for _, t in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        share = int((targets != -100).sum()) / n
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100) * share
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "the gradient is set to zero in front of each part, so only the last one's is left")
def only_the_last_gradient(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        weight.grad = None
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "divides by the targets seen so far; the number of all must be known before the first backward")
def divided_by_the_count_so_far(weight, parts):
    weight = weight.clone().requires_grad_()
    total, n = 0.0, 0
    for x, targets in parts:
        n += int((targets != -100).sum())
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / max(n, 1)
        loss.backward()
        total += loss.item()
    return total, weight.grad


@right("08.2")
def divide_at_the_end(weight, parts):
    # sums first; one division when the number is known
    losses, gradients, n = [], [], 0
    for x, targets in parts:
        leaf = weight.detach().clone().requires_grad_(True)
        loss = F.nll_loss(F.log_softmax(F.linear(x, leaf), dim=1), targets, ignore_index=-100, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
        losses.append(loss.item())
        gradients.append(gradient)
        n += int(torch.count_nonzero(targets != -100))
    return math.fsum(losses) / n, torch.stack(gradients).sum(0) / n


@wrong("08.2", "the targets are shifted by one once more; they stand already beside what predicts them")
def shifted_once_more(weight, parts):
    n = sum(int((targets[1:] != -100).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        logits = x[:-1] @ weight.T
        loss = F.cross_entropy(logits, targets[1:], ignore_index=-100, reduction="sum") / max(n, 1)
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "a target of -100 is taken for token 0, and counts")
def minus_hundred_becomes_zero(weight, parts):
    n = sum(len(targets) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        log_q = (x @ weight.T).log_softmax(-1)
        loss = -log_q.gather(-1, targets.clamp(min=0).unsqueeze(-1)).sum() / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "the weight moves after each part; all parts must meet the same weight")
def a_step_after_each_part(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    w = weight.clone()
    total, gradient = 0.0, torch.zeros_like(weight)
    for x, targets in parts:
        leaf = w.clone().requires_grad_()
        loss = F.cross_entropy(x @ leaf.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
        gradient += leaf.grad
        w = w - leaf.grad
    return total, gradient


@right("08.2")
def running_mean_of_parts(weight, parts):
    # the mean so far and the mean of the next part, each weighed by its number of targets
    mean, gradient, seen = 0.0, torch.zeros_like(weight), 0
    for x, targets in parts:
        n = int((targets != -100).sum())
        if n == 0:
            continue
        w = weight.clone().detach().requires_grad_()
        own = F.cross_entropy(x @ w.T, targets)
        own.backward()
        seen += n
        mean += (own.item() - mean) * n / seen
        gradient = gradient + (w.grad - gradient) * (n / seen)
    return mean, gradient


@wrong("08.2", "the mean also runs over the vocabulary: it is divided by V as well")
def divided_by_the_vocabulary(weight, parts):
    weight = weight.clone().requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    total = 0.0
    for x, targets in parts:
        keep = targets != -100
        hot = F.one_hot(targets[keep], weight.shape[0]).to(x.dtype)
        loss = -(hot * (x[keep] @ weight.T).log_softmax(-1)).sum() / (n * weight.shape[0])
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.3", "looks for the tokens of a run in any order (a set), not in the same order")
def any_order_will_do(training, validation, n):
    runs = {tuple(sorted(doc[t : t + n])) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        read = [0] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(sorted(doc[t : t + n])) in runs:
                for s in range(t, t + n):
                    read[s] = 1
        shares.append(sum(read) / len(doc) if doc else 0.0)
    return shares


@right("08.3")
def a_set_of_tuples(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(read) if read else 0.0)
    return shares


@wrong("08.3", "joins the training documents, so a run may reach from one into the next")
def one_long_training_text(training, validation, n):
    text = [token for doc in training for token in doc]
    runs = {tuple(text[t : t + n]) for t in range(len(text) - n + 1)}
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / max(1, len(read)))
    return shares


@wrong("08.3", "an empty validation document has no length to divide by")
def empty_document_forgotten(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(read))
    return shares


@wrong("08.3", "only the first token of a run is marked, not all n")
def only_where_a_run_begins(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            read[t] = tuple(doc[t : t + n]) in runs
        shares.append(sum(read) / len(doc) if len(doc) else 0.0)
    return shares


@right("08.3")
def a_tree_of_runs(training, validation, n):
    root = {}
    for doc in training:
        for t in range(len(doc) - n + 1):
            node = root
            for token in doc[t : t + n]:
                node = node.setdefault(token, {})

    def stands_in_training(run):
        node = root
        for token in run:
            if token not in node:
                return False
            node = node[token]
        return len(run) == n

    def share(doc):
        places = {s for t in range(len(doc)) if stands_in_training(doc[t : t + n]) for s in range(t, t + n)}
        return len(places) / len(doc) if doc else 0.0

    return [share(doc) for doc in validation]


@wrong("08.3", "asks only whether a token occurs in training at all, as if n were 1")
def single_tokens(training, validation, n):
    known = {token for doc in training for token in doc}
    return [sum(t in known for t in doc) / len(doc) if len(doc) >= n else 0.0 for doc in validation]


@wrong("08.3", "a document shorter than n is compared as a whole, though it has no runs")
def short_ones_as_a_whole(training, validation, n):
    runs = set()
    for doc in training:
        for t in range(len(doc)):
            runs.add(tuple(doc[t : t + n]))  # the ends of a document are shorter
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(max(1, len(doc) - n + 1)):
            run = tuple(doc[t : t + n])
            if run in runs:
                read[t : t + len(run)] = [True] * len(run)
        shares.append(sum(read) / len(doc) if doc else 0.0)
    return shares


@wrong("08.3", "gives one share for all validation documents together")
def one_number_for_all(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    read_tokens = all_tokens = 0
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        read_tokens += sum(read)
        all_tokens += len(doc)
    return read_tokens / all_tokens if all_tokens else 0.0


@right("08.3")
def ask_each_token(training, validation, n):
    # a token was read if one of the (at most n) runs around it was
    runs = set()
    for doc in training:
        start = 0
        while start + n <= len(doc):
            runs.add(" ".join(str(token) for token in doc[start : start + n]))
            start += 1
    result = []
    for doc in validation:
        hits = [" ".join(map(str, doc[t : t + n])) in runs for t in range(max(0, len(doc) - n + 1))]
        read = [any(hits[max(0, place - n + 1) : place + 1]) for place in range(len(doc))]
        result.append(read.count(True) / len(read) if doc else 0.0)
    return result


@wrong("08.3", "puts a separator behind the caller's own training documents")
def separators_in_the_callers_lists(training, validation, n):
    text = []
    for doc in training:
        doc.append(None)
        text.extend(doc)
    runs = {tuple(text[t : t + n]) for t in range(len(text) - n + 1)}
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(doc) if doc else 0.0)
    return shares


@wrong("08.4", "row gets the mean over axis 0 and column that over axis 1; it is the other way round")
def axes_exchanged(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(0)
    column = beta2 * column + (1 - beta2) * squares.mean(1)
    table = torch.outer(column, row) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@right("08.4")
def as_in_the_formula(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "the bias is corrected twice, once for row and once for column, and mean(row) is left uncorrected")
def corrected_twice(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    correction = 1 - beta2**step
    table = torch.outer(row / correction, column / correction) / row.mean()
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "the table is one mean too many: it is not divided by mean(row)")
def one_mean_too_many(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "the 1e-8 is added under the root, where it is worth 1e-4")
def eps_under_the_root(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient * torch.rsqrt(table + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@right("08.4")
def in_numpy_doubles(gradient, row, column, step, beta2, longest):
    g, r, c = (a.detach().numpy().astype(np.float64) for a in (gradient, row, column))
    r = r + (1 - beta2) * ((g**2).mean(axis=1) - r)
    c = c + (1 - beta2) * ((g**2).mean(axis=0) - c)
    v = r[:, None] * c[None, :] / r.mean() / -np.expm1(step * np.log(beta2)) if beta2 > 0 else np.outer(r, c) / r.mean()
    u = g / (np.sqrt(v) + 1e-8)
    u = u * min(1.0, longest / np.sqrt(np.mean(u * u)))
    return tuple(torch.from_numpy(a).to(gradient.dtype) for a in (u, r, c))


@wrong("08.4", "the update always gets the length `longest`, also where it was shorter")
def always_scaled(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt()
    return update * longest / rms, row, column


@wrong("08.4", "mul_ and add_ change the caller's row and column")
def means_moved_in_place(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row.mul_(beta2).add_(squares.mean(1), alpha=1 - beta2)
    column.mul_(beta2).add_(squares.mean(0), alpha=1 - beta2)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row.clone(), column.clone()


@wrong("08.4", "counts the steps from 0 on in the correction: step 1 is the first, and gets the exponent 1")
def one_step_ahead(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2 ** (step + 1))
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@right("08.4")
def roots_of_the_vectors_first(gradient, row, column, step, beta2, longest):
    # the root of a product is the product of the roots, and those do not become too small for float32
    row = row.mul(beta2).add(gradient.pow(2).sum(1) / gradient.shape[1], alpha=1 - beta2)
    column = column.mul(beta2).add(gradient.pow(2).sum(0) / gradient.shape[0], alpha=1 - beta2)
    left = (row / row.mean()).sqrt().unsqueeze(1)
    right_side = (column / (1 - beta2**step)).sqrt().unsqueeze(0)
    update = gradient / (left @ right_side + 1e-8)
    too_long = update.pow(2).mean().sqrt().div(longest).clamp(min=1.0)
    return update / too_long, row, column


@wrong("08.4", "the update has the minus sign of the step in it; asked is g / (root of v + 1e-8)")
def already_downhill(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = -gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column
