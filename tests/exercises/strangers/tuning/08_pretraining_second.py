"""Answers to assignment 08 from its text alone; this half served to tune the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("08.1", "cuts single numbers to the limit, in place of shortening the whole vector")
def clamps_the_numbers(gradients, longest):
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    return [g.clamp(-longest, longest) for g in gradients], norm


@wrong("08.1", "only an infinite norm is caught, not NaN")
def nan_slips_through(gradients, longest):
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    if norm == math.inf:
        return [torch.zeros_like(g) for g in gradients], norm
    factor = min(1.0, longest / norm) if norm else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.1", "gives the norm after clipping; asked is the norm before")
def norm_afterwards(gradients, longest):
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = longest / norm if norm > longest else 1.0
    clipped = [g * factor for g in gradients]
    return clipped, math.sqrt(sum(c.double().square().sum().item() for c in clipped))


@right("08.1")
def one_long_vector_and_back(gradients, longest):
    sizes = [g.numel() for g in gradients]
    long = torch.cat([g.flatten().double() for g in gradients]) if gradients else torch.zeros(0).double()
    norm = torch.linalg.vector_norm(long).item()
    if math.isinf(norm) or math.isnan(norm):
        long = torch.zeros_like(long)
    elif norm > longest:
        long = long / norm * longest
    else:
        return [g.clone() for g in gradients], norm
    pieces = long.split(sizes)
    return [p.view(g.shape).to(g.dtype) for p, g in zip(pieces, gradients, strict=True)], norm


@wrong("08.1", "divides by zero where all gradients are 0")
def divides_by_a_norm_of_zero(gradients, longest):
    squares = 0.0
    for g in gradients:
        squares += g.double().pow(2).sum().item()
    norm = squares**0.5
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = min(1.0, longest / norm)
    return [factor * g for g in gradients], norm


@wrong("08.1", "the tensors' norms are added up; their squares must be")
def norms_added_up(gradients, longest):
    norm = sum(g.double().norm().item() for g in gradients)
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    scale = longest / norm if norm > longest else 1.0
    return [scale * g for g in gradients], norm


@right("08.1")
def in_numpy(gradients, longest):
    arrays = [g.detach().numpy().astype(np.float64) for g in gradients]
    with np.errstate(all="ignore"):
        norm = float(np.sqrt(sum(np.vdot(a, a) for a in arrays)))
    if not np.isfinite(norm):
        arrays = [np.zeros(a.shape) for a in arrays]
    elif norm > longest:
        arrays = [a * (longest / norm) for a in arrays]
    return [torch.as_tensor(a).to(g.dtype).reshape(g.shape) for a, g in zip(arrays, gradients, strict=True)], norm


@wrong("08.1", "after an overflow only the tensors that have one become 0; the others keep their numbers")
def only_the_broken_tensors(gradients, longest):
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [g.clone() if g.isfinite().all() else torch.zeros_like(g) for g in gradients], norm
    factor = longest / norm if norm > longest else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.1", "divides by the count of the numbers: that is the root mean square, not the norm")
def root_mean_square(gradients, longest):
    flat = torch.cat([g.flatten().double() for g in gradients])
    norm = flat.square().mean().sqrt().item()
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = min(1.0, longest / norm) if norm > 0 else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.2", "each part still counts the same, however many targets it has; only empty ones are left out")
def mean_of_the_means(weight, parts):
    weight = weight.clone().requires_grad_()
    full = [(x, targets) for x, targets in parts if (targets != -100).any()]
    total = 0.0
    for x, targets in full:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100) / len(full)
        loss.backward()
        total += loss.item()
    return total, weight.grad


@right("08.2")
def gradient_by_hand(weight, parts):
    loss, count = 0.0, 0
    gradient = torch.zeros_like(weight, dtype=torch.float64)
    for x, targets in parts:
        keep = targets != -100
        x, targets = x[keep].double(), targets[keep]
        log_q = (x @ weight.double().T).log_softmax(-1)
        loss -= log_q.gather(1, targets[:, None]).sum().item()
        gradient += (log_q.exp() - F.one_hot(targets, weight.shape[0])).T @ x
        count += len(targets)
    return loss / count, (gradient / count).to(weight.dtype)


@wrong("08.2", "the loss is divided by the number of targets, but the gradient is that of the sum")
def gradient_of_the_sum(weight, parts):
    weight = weight.clone().requires_grad_()
    total, n = 0.0, 0
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum")
        loss.backward()
        total += loss.item()
        n += int((targets != -100).sum())
    return total / n, weight.grad


@wrong("08.2", "works on the caller's weight itself, which then requires a gradient and has one")
def the_callers_weight(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    weight.requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "gives the sum over the targets, without a mean")
def no_mean_at_all(weight, parts):
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum")
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "the gradient is laid out as (C, V); the weight is (V, C)")
def gradient_lies_on_its_side(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    head = weight.T.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ head, targets, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, head.grad


@right("08.2")
def logsumexp_minus_the_right_logit(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    leaf = torch.nn.Parameter(weight.detach().clone())
    total = 0.0
    for x, targets in parts:
        logits = torch.einsum("nc,vc->nv", x, leaf)
        the_right_one = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        each = torch.logsumexp(logits, dim=1) - the_right_one
        loss = torch.where(targets == -100, torch.zeros_like(each), each).sum() / n
        loss.backward()
        total += float(loss)
    return total, leaf.grad.clone()


@wrong("08.2", "token 0 is left out as if it were padding")
def token_zero_ignored(weight, parts):
    n = sum(int((targets > 0).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        targets = targets.masked_fill(targets == 0, -100)
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / max(n, 1)
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "the loss is a mean of the parts' means, only the gradient is weighed by the targets")
def loss_and_gradient_disagree(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    means = []
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum")
        (loss / n).backward()
        means.append(loss.item() / max(1, int((targets != -100).sum())))
    return sum(means) / len(means), weight.grad


@wrong("08.3", "gives the share of the runs that were read, not of the tokens")
def share_of_the_runs(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        own = [tuple(doc[t : t + n]) for t in range(len(doc) - n + 1)]
        shares.append(sum(run in runs for run in own) / len(own) if own else 0.0)
    return shares


@wrong("08.3", "a token that lies in two runs is counted twice")
def counted_twice(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        if not doc:
            shares.append(0.0)
            continue
        found = sum(tuple(doc[t : t + n]) in runs for t in range(len(doc) - n + 1))
        shares.append(min(1.0, found * n / len(doc)))
    return shares


@wrong("08.3", "the last run of each document is left out: there are L - n + 1")
def last_run_left_out(training, validation, n):
    runs = set()
    for doc in training:
        for t in range(len(doc) - n):
            runs.add(tuple(doc[t : t + n]))
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(doc) if doc else 0.0)
    return shares


@right("08.3")
def ends_and_how_far_they_reach(training, validation, n):
    known = set()
    for doc in training:
        known.update(zip(*(doc[i:] for i in range(n)), strict=False))
    out = []
    for doc in validation:
        covered, free_from = 0, 0  # everything before free_from is counted already
        for t, run in enumerate(zip(*(doc[i:] for i in range(n)), strict=False)):
            if run in known:
                covered += t + n - max(t, free_from)
                free_from = t + n
        out.append(covered / max(1, len(doc)))
    return out


@wrong("08.3", "the ids are joined to a text without separators, in which 1, 23 and 12, 3 are the same")
def digits_run_together(training, validation, n):
    def runs_of(doc):
        return ["".join(map(str, doc[t : t + n])) for t in range(len(doc) - n + 1)]

    known = {run for doc in training for run in runs_of(doc)}
    shares = []
    for doc in validation:
        read = [False] * len(doc)
        for t, run in enumerate(runs_of(doc)):
            if run in known:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(doc) if doc else 0.0)
    return shares


@wrong("08.3", "jumps to the end of a run that it has found, and misses those that overlap it")
def jumps_over_overlaps(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        covered, t = 0, 0
        while t + n <= len(doc):
            if tuple(doc[t : t + n]) in runs:
                covered += n
                t += n
            else:
                t += 1
        shares.append(covered / len(doc) if doc else 0.0)
    return shares


@right("08.3")
def numpy_windows(training, validation, n):
    def windows(doc):
        if len(doc) < n:
            return np.zeros((0, n), dtype=np.int64)
        return np.lib.stride_tricks.sliding_window_view(np.asarray(doc, dtype=np.int64), n)

    runs = {w.tobytes() for doc in training for w in windows(doc)}
    shares = []
    for doc in validation:
        change = np.zeros(len(doc) + 1, dtype=np.int64)
        for t, w in enumerate(windows(doc)):
            if w.tobytes() in runs:
                change[t] += 1
                change[t + n] -= 1
        covered = np.cumsum(change)[: len(doc)] > 0
        shares.append(float(covered.mean()) if len(doc) else 0.0)
    return shares


@wrong("08.3", "only the one training document that covers most is used; runs may come from different ones")
def best_single_document(training, validation, n):
    tables = [{tuple(doc[t : t + n]) for t in range(len(doc) - n + 1)} for doc in training]
    shares = []
    for doc in validation:
        best = 0.0
        for table in tables:
            read = [False] * len(doc)
            for t in range(len(doc) - n + 1):
                if tuple(doc[t : t + n]) in table:
                    read[t : t + n] = [True] * n
            if doc:
                best = max(best, sum(read) / len(doc))
        shares.append(best)
    return shares


@wrong("08.3", "counts different tokens, not places: a token that comes twice in a document is one for it")
def different_tokens_only(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    shares = []
    for doc in validation:
        read = set()
        for t in range(len(doc) - n + 1):
            run = tuple(doc[t : t + n])
            if run in runs:
                read |= set(run)
        shares.append(len(read) / len(set(doc)) if doc else 0.0)
    return shares


@wrong("08.4", "the bias of the first steps is not corrected")
def bias_not_corrected(gradient, row, column, step, beta2, longest):
    g2 = gradient**2
    row = row * beta2 + g2.mean(dim=1) * (1 - beta2)
    column = column * beta2 + g2.mean(dim=0) * (1 - beta2)
    v = row[:, None] * column[None, :] / row.mean()
    update = gradient / (v.sqrt() + 1e-8)
    rms = update.square().mean().sqrt()
    return update / torch.clamp(rms / longest, min=1.0), row, column


@right("08.4")
def with_lerp_and_einsum(gradient, row, column, step, beta2, longest):
    squares = gradient * gradient
    new_row = torch.lerp(row, squares.mean(dim=-1), 1 - beta2)
    new_column = torch.lerp(column, squares.mean(dim=0), 1 - beta2)
    table = torch.einsum("i,j->ij", new_row / new_row.mean(), new_column / (1 - beta2**step))
    update = gradient / (table**0.5 + 1e-8)
    rms = torch.linalg.vector_norm(update) / math.sqrt(update.numel())
    if rms > longest:
        update = update * (longest / rms)
    return update, new_row, new_column


@wrong("08.4", "gives the corrected means back; the next step then starts from the wrong numbers")
def keeps_the_corrected_means(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = (beta2 * row + (1 - beta2) * squares.mean(1)) / (1 - beta2**step)
    column = (beta2 * column + (1 - beta2) * squares.mean(0)) / (1 - beta2**step)
    table = torch.outer(row, column) / row.mean()
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "keeps sums of the squares, as the paper does, where the text keeps means")
def sums_as_in_the_paper(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.sum(1)
    column = beta2 * column + (1 - beta2) * squares.sum(0)
    table = torch.outer(row, column) / row.sum() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "cuts single numbers of the update at longest; the whole update is to be shortened")
def clamps_single_numbers(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    return update.clamp(-longest, longest), row, column


@wrong("08.4", "measures the update by its norm; the RMS is that divided by the root of the count")
def norm_in_place_of_rms(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    return update / max(1.0, update.norm().item() / longest), row, column


@right("08.4")
def number_by_number_update(gradient, row, column, step, beta2, longest):
    n_rows, n_columns = gradient.shape
    g = gradient.tolist()
    r = [beta2 * row[i].item() + (1 - beta2) * sum(v * v for v in g[i]) / n_columns for i in range(n_rows)]
    c = [
        beta2 * column[j].item() + (1 - beta2) * sum(g[i][j] ** 2 for i in range(n_rows)) / n_rows
        for j in range(n_columns)
    ]
    mean = sum(r) / n_rows
    lacks = 1 - beta2**step
    u = [[g[i][j] / (math.sqrt(r[i] * c[j] / mean / lacks) + 1e-8) for j in range(n_columns)] for i in range(n_rows)]
    rms = math.sqrt(sum(v * v for line in u for v in line) / (n_rows * n_columns))
    if rms > longest:
        u = [[v * longest / rms for v in line] for line in u]
    return tuple(torch.tensor(a, dtype=gradient.dtype) for a in (u, r, c))


@wrong("08.4", "beta2 and 1 - beta2 have changed places: beta2 is what is kept")
def keeps_the_small_part(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = (1 - beta2) * row + beta2 * squares.mean(1)
    column = (1 - beta2) * column + beta2 * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "divides by v itself; the root is missing")
def without_the_root(gradient, row, column, step, beta2, longest):
    squares = gradient.square()
    row = beta2 * row + (1 - beta2) * squares.mean(1)
    column = beta2 * column + (1 - beta2) * squares.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column
