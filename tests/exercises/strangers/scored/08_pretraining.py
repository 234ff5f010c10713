"""Answers to assignment 08 from its text alone; this set is only scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("08.1", "each tensor is clipped by its own norm, which turns the direction")
def a_leash_for_each(gradients, longest):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    clipped = []
    for g in gradients:
        own = g.norm().item()
        clipped.append(g * (longest / own) if own > longest else g.clone())
    return clipped, norm


@wrong("08.1", "scales every gradient to the allowed norm, so short ones are made longer")
def always_to_full_length(gradients, longest):
    norm = sum(float((g * g).sum()) for g in gradients) ** 0.5
    if math.isinf(norm) or math.isnan(norm):
        return [g.new_zeros(g.shape) for g in gradients], norm
    factor = longest / norm if norm > 0 else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.1", "gives back the norm after clipping")
def norm_afterwards(gradients, longest):
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = min(1.0, longest / norm) if norm else 1.0
    return [g * factor for g in gradients], norm * factor


@wrong("08.1", "puts zeros only in the places that overflowed and keeps the other numbers")
def only_bad_numbers_zero(gradients, longest):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if math.isfinite(norm):
        factor = longest / norm if norm > longest else 1.0
        return [g * factor for g in gradients], norm
    return [torch.nan_to_num(g, nan=0.0, posinf=0.0, neginf=0.0) for g in gradients], norm


@wrong("08.1", "clips number by number to plus and minus longest")
def clamp_numbers(gradients, longest):
    norm = math.sqrt(sum(g.pow(2).sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [g.new_zeros(g.shape) for g in gradients], norm
    return [g.clamp(-longest, longest) for g in gradients], norm


@right("08.1")
def hypot_of_all(gradients, longest):
    numbers = np.concatenate([np.zeros(1), *(g.detach().double().numpy().ravel() for g in gradients)])
    bad = not np.isfinite(numbers).all()
    if bad:
        norm = math.nan if np.isnan(numbers).any() else math.inf
        return [torch.full_like(g, 0) for g in gradients], norm
    norm = math.hypot(*numbers.tolist())
    if norm <= longest:
        return [g.clone() for g in gradients], norm
    return [(g.double() / norm * longest).to(g.dtype) for g in gradients], norm


@wrong("08.2", "weights each part by its number of places, with the padding among them")
def padding_counted(weight, parts):
    w = weight.detach().clone().requires_grad_()
    n = sum(len(targets) for _, targets in parts)
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ w.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, w.grad


@wrong("08.2", "leaves out the parts that have no target but still divides by the number of parts that have one")
def mean_of_nonempty_parts(weight, parts):
    w = weight.clone().requires_grad_()
    full = [(x, t) for x, t in parts if (t != -100).any()]
    total = 0.0
    for x, targets in full:
        loss = F.cross_entropy(x @ w.T, targets) / len(full)
        loss.backward()
        total += loss.item()
    return total, w.grad


@wrong("08.2", "times the mean by the number of targets, so a part of padding alone makes everything NaN")
def nan_times_zero(weight, parts):
    w = weight.clone().requires_grad_()
    n = sum((t != -100).sum().item() for _, t in parts)
    total = 0.0
    for x, targets in parts:
        share = (targets != -100).sum().item() / n
        loss = F.cross_entropy(x @ w.T, targets, ignore_index=-100) * share
        loss.backward()
        total += loss.item()
    return total, w.grad


@wrong("08.2", "the loss is divided by the number of targets but the gradient is left as a sum")
def gradient_of_the_sum(weight, parts):
    w = weight.clone().requires_grad_()
    total, n = 0.0, 0
    for x, targets in parts:
        loss = F.cross_entropy(x @ w.T, targets, reduction="sum")
        loss.backward()
        total += loss.item()
        n += int(targets.ne(-100).sum())
    return total / n, w.grad


@wrong("08.2", "empties the gradient before each part, so that only the last one's is left")
def zero_grad_in_the_loop(weight, parts):
    w = torch.nn.Parameter(weight.clone())
    n = sum((t >= 0).sum().item() for _, t in parts)
    total = 0.0
    for x, targets in parts:
        w.grad = None
        loss = F.cross_entropy(x @ w.T, targets, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, w.grad


@right("08.2")
def gradient_on_paper(weight, parts):
    summed, gradient, n = 0.0, torch.zeros_like(weight), 0
    for x, targets in parts:
        keep = targets != -100
        x, targets = x[keep], targets[keep]
        log_p = (x @ weight.T).log_softmax(-1)
        error = log_p.exp()
        places = torch.arange(len(targets))
        summed -= log_p[places, targets].sum().item()
        error[places, targets] -= 1
        gradient = gradient + error.T @ x
        n += len(targets)
    return summed / n, gradient / n


@wrong("08.3", "joins the training documents, so that a run may reach from one into the next")
def one_long_book(training, validation, n):
    book = [token for document in training for token in document]
    runs = {tuple(book[t : t + n]) for t in range(len(book) - n + 1)}
    shares = []
    for document in validation:
        covered = set()
        for t in range(len(document) - n + 1):
            if tuple(document[t : t + n]) in runs:
                covered.update(range(t, t + n))
        shares.append(len(covered) / len(document) if document else 0.0)
    return shares


@wrong("08.3", "gives the share of the runs that were read and not that of the tokens")
def share_of_runs(training, validation, n):
    runs = {tuple(d[t : t + n]) for d in training for t in range(len(d) - n + 1)}
    shares = []
    for d in validation:
        own = [tuple(d[t : t + n]) for t in range(len(d) - n + 1)]
        shares.append(sum(r in runs for r in own) / len(own) if own else 0.0)
    return shares


@wrong("08.3", "the last run of a document is left out, both in the book and in the exam")
def last_run_missing(training, validation, n):
    runs = set()
    for d in training:
        for t in range(len(d) - n):
            runs.add(tuple(d[t : t + n]))
    shares = []
    for d in validation:
        read = np.zeros(len(d), dtype=bool)
        for t in range(len(d) - n):
            if tuple(d[t : t + n]) in runs:
                read[t : t + n] = True
        shares.append(float(read.mean()) if d else 0.0)
    return shares


@wrong("08.3", "keeps each run as a set of tokens, so the order does not count")
def order_forgotten(training, validation, n):
    runs = {frozenset(d[t : t + n]) for d in training for t in range(len(d) - n + 1)}
    out = []
    for d in validation:
        read = [False] * len(d)
        for t in range(len(d) - n + 1):
            if frozenset(d[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        out.append(sum(read) / len(d) if d else 0.0)
    return out


@wrong("08.3", "jumps behind a run that was found, so one that begins inside of it is not seen")
def jumps_behind_a_run(training, validation, n):
    runs = {tuple(d[t : t + n]) for d in training for t in range(len(d) - n + 1)}
    out = []
    for d in validation:
        t = found = 0
        while t + n <= len(d):
            if tuple(d[t : t + n]) in runs:
                found += n
                t += n
            else:
                t += 1
        out.append(found / len(d) if d else 0.0)
    return out


@right("08.3")
def covered_up_to(training, validation, n):
    runs = set()
    for document in training:
        runs.update(zip(*(document[shift:] for shift in range(n)), strict=False))
    shares = []
    for document in validation:
        covered, reach = 0, 0
        for t, run in enumerate(zip(*(document[shift:] for shift in range(n)), strict=False)):
            if run in runs:
                covered += t + n - max(t, reach)
                reach = t + n
        shares.append(covered / max(1, len(document)))
    return shares


@wrong("08.4", "clamps each number of the update to longest in place of shortening the whole update by its RMS")
def clamped_update(gradient, row, column, step, beta2, longest):
    squares = gradient * gradient
    row = row + (1 - beta2) * (squares.mean(dim=1) - row)
    column = column + (1 - beta2) * (squares.mean(dim=0) - column)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    return update.clamp(-longest, longest), row, column


@wrong("08.4", "gives the bias-corrected means back, and the next step corrects them again")
def corrected_means_kept(gradient, row, column, step, beta2, longest):
    row = (beta2 * row + (1 - beta2) * gradient.square().mean(1)) / (1 - beta2**step)
    column = (beta2 * column + (1 - beta2) * gradient.square().mean(0)) / (1 - beta2**step)
    table = row[:, None] * column[None, :] / row.mean()
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "the bias is corrected twice in the table, once for the row and once for the column")
def bias_corrected_twice(gradient, row, column, step, beta2, longest):
    row = torch.lerp(row, gradient.square().mean(1), 1 - beta2)
    column = torch.lerp(column, gradient.square().mean(0), 1 - beta2)
    made_up = 1 - beta2**step
    table = torch.outer(row / made_up, column / made_up) / row.mean()
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt()
    return update / torch.clamp(rms / longest, min=1.0), row, column


@wrong("08.4", "puts the 1e-8 under the root")
def epsilon_under_the_root(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * (gradient**2).mean(dim=1)
    column = beta2 * column + (1 - beta2) * (gradient**2).mean(dim=0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / torch.sqrt(table + 1e-8)
    rms = (update**2).mean().sqrt().item()
    if rms > longest:
        update = update * (longest / rms)
    return update, row, column


@wrong("08.4", "moves the running means in place, as torch.optim does, and so changes what it was given")
def means_in_place(gradient, row, column, step, beta2, longest):
    row.mul_(beta2).add_(gradient.square().mean(-1), alpha=1 - beta2)
    column.mul_(beta2).add_(gradient.square().mean(-2), alpha=1 - beta2)
    v = row.unsqueeze(1) * column.unsqueeze(0) / (row.mean() * (1 - beta2**step))
    update = gradient / (v.sqrt() + 1e-8)
    return update / max(1.0, update.square().mean().sqrt().item() / longest), row, column


@right("08.4")
def in_double_with_roots_apart(gradient, row, column, step, beta2, longest):
    g = gradient.double()
    new_row = row.double() * beta2 + (g * g).sum(1) / g.shape[1] * (1 - beta2)
    new_column = column.double() * beta2 + (g * g).sum(0) / g.shape[0] * (1 - beta2)
    row_root = (new_row / new_row.mean()).sqrt()
    column_root = (new_column / (1 - beta2**step)).sqrt()
    update = g / (torch.einsum("i,j->ij", row_root, column_root) + 1e-8)
    rms = math.sqrt(update.pow(2).mean().item())
    if rms > longest:
        update = update * (longest / rms)
    return update.to(gradient.dtype), new_row.to(row.dtype), new_column.to(column.dtype)
