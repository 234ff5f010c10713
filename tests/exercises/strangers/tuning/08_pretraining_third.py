"""Answers to assignment 08 from its text alone; this set served to tune the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 08.1


@wrong("08.1", "clips each tensor by a norm of its own, which changes the direction of the whole")
def each_on_its_own_leash(gradients, longest):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    clipped = []
    for g in gradients:
        own = g.norm().item()
        clipped.append(g * (longest / own) if own > longest else g.clone())
    return clipped, norm


@wrong("08.1", "adds up the norms of the tensors; lengths at right angles do not add so")
def sum_of_norms(gradients, longest):
    norm = sum(g.norm().item() for g in gradients)
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = longest / norm if norm > longest else 1.0
    return [g * factor for g in gradients], norm


@wrong("08.1", "cuts every number at longest, and not the length of the whole")
def clamps_each_number(gradients, longest):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    return [g.clamp(-longest, longest) for g in gradients], norm


@wrong("08.1", "stretches short gradients to the full length as well")
def always_that_long(gradients, longest):
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    if norm == 0:
        return [g.clone() for g in gradients], norm
    return [g / norm * longest for g in gradients], norm


@wrong("08.1", "multiplies the gradients in place")
def shortens_in_place(gradients, longest):
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    if norm > longest:
        for g in gradients:
            g.mul_(longest / norm)
    return gradients, norm


@wrong("08.1", "reports the norm after clipping")
def norm_afterwards(gradients, longest):
    def length(tensors):
        return math.sqrt(sum(t.square().sum().item() for t in tensors))

    norm = length(gradients)
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    clipped = [g * (longest / norm) if norm > longest else g for g in gradients]
    return clipped, length(clipped)


@wrong("08.1", "divides by the norm before asking whether it is 0")
def divides_by_zero(gradients, longest):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(g) for g in gradients], norm
    factor = min(1.0, longest / norm)
    return [g * factor for g in gradients], norm


@wrong("08.1", "asks for NaN only; an infinite norm gives the factor 0, and 0 times infinity is NaN")
def infinity_slips_through(gradients, longest):
    norm = torch.sqrt(sum((g.square().sum() for g in gradients), torch.tensor(0.0)))
    if norm.isnan():
        return [torch.zeros_like(g) for g in gradients], norm.item()
    factor = (longest / norm).clamp(max=1.0)
    return [g * factor for g in gradients], norm.item()


@right("08.1")
def one_long_vector(gradients, longest):
    flat = torch.cat([torch.zeros(1, dtype=torch.float64), *(g.reshape(-1).double() for g in gradients)])
    norm = torch.dot(flat, flat).sqrt().item()
    if math.isnan(norm) or norm == math.inf:
        return [g.new_zeros(g.shape) for g in gradients], norm
    pieces = flat[1:] if norm <= longest else flat[1:] / norm * longest
    pieces = pieces.split([g.numel() for g in gradients]) if gradients else []
    return [p.reshape(g.shape).to(g.dtype) for p, g in zip(pieces, gradients, strict=True)], norm


@right("08.1")
def norm_of_norms(gradients, longest):
    norms = np.array([np.linalg.norm(g.detach().double().numpy().ravel()) for g in gradients])
    norm = float(np.sqrt(np.sum(norms * norms)))
    if norm <= longest:
        return [g.clone() for g in gradients], norm
    if norm - norm != 0:  # infinity and NaN
        return [torch.zeros_like(g) for g in gradients], norm
    return [torch.div(g, norm / longest) if longest else torch.zeros_like(g) for g in gradients], norm


# 08.2


@wrong("08.2", "gives every part that has targets the same weight and only leaves out the empty ones")
def mean_of_the_means(weight, parts):
    weight = weight.clone().requires_grad_()
    some = [(x, t) for x, t in parts if (t != -100).any()]
    total = 0.0
    for x, targets in some:
        loss = F.cross_entropy(x @ weight.T, targets) / len(some)
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "divides by the number of all rows, padding included")
def padding_counts(weight, parts):
    weight = weight.clone().requires_grad_()
    n = sum(len(targets) for _, targets in parts)
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "divides each part by the number of targets seen so far and not by that of all parts")
def count_so_far(weight, parts):
    weight = weight.clone().requires_grad_()
    n, total = 0, 0.0
    for x, targets in parts:
        n += (targets != -100).sum().item()
        loss = F.cross_entropy(x @ weight.T, targets, reduction="sum") / max(n, 1)
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "sets the gradient back before each part, so that only the last one is left")
def only_the_last_gradient(weight, parts):
    weight = weight.clone().requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    total = 0.0
    for x, targets in parts:
        weight.grad = None
        loss = F.cross_entropy(x @ weight.T, targets, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "makes the caller's own weight require a gradient and collects it there")
def uses_the_callers_weight(weight, parts):
    weight.requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "takes the mean of a part that has no targets, which is NaN, times 0")
def nan_times_zero(weight, parts):
    weight = weight.detach().clone().requires_grad_()
    counts = [int((targets != -100).sum()) for _, targets in parts]
    total = 0.0
    for (x, targets), count in zip(parts, counts, strict=True):
        loss = F.cross_entropy(x @ weight.T, targets) * (count / sum(counts))
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "turns the -100 of padding into class 0, which is then learnt")
def padding_becomes_class_zero(weight, parts):
    weight = weight.clone().requires_grad_()
    n = sum(int((targets >= 0).sum()) for _, targets in parts)
    total = 0.0
    for x, targets in parts:
        log_p = (x @ weight.T).log_softmax(-1)
        loss = -log_p.gather(1, targets.clamp(min=0)[:, None]).sum() / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "gives back the loss of the last part only; the gradient is right")
def loss_of_the_last(weight, parts):
    weight = weight.clone().requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
    return loss.item(), weight.grad


@right("08.2")
def gradient_by_hand_numpy(weight, parts):
    w = weight.detach().double().numpy()
    total, n, gradient = 0.0, 0, np.zeros_like(w)
    for x, targets in parts:
        goal = targets.numpy()
        seat = goal != -100
        rows, goal = x.detach().double().numpy()[seat], goal[seat]
        if not len(rows):
            continue
        logits = rows @ w.T
        logits -= logits.max(1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(1, keepdims=True)
        at = np.arange(len(goal)), goal
        total += float((np.log(np.exp(logits).sum(1)) - logits[at]).sum())
        p[at] -= 1
        gradient += p.T @ rows
        n += len(goal)
    return total / n, torch.tensor(gradient / n, dtype=weight.dtype)


@right("08.2")
def running_mean_of_both(weight, parts):
    loss, gradient, seen = 0.0, torch.zeros_like(weight), 0
    for x, targets in parts:
        real = targets.ne(-100)
        count = int(real.sum())
        if count == 0:
            continue
        leaf = weight.detach().clone().requires_grad_(True)
        mean = F.cross_entropy(F.linear(x[real], leaf), targets[real])
        (slope,) = torch.autograd.grad(mean, leaf)
        seen += count
        loss += (mean.item() - loss) * count / seen
        gradient = gradient + (slope - gradient) * (count / seen)
    return loss, gradient


# 08.3


@wrong("08.3", "joins the training documents to one text, so that runs reach from one into the next")
def runs_across_documents(training, validation, n):
    text = [token for document in training for token in document]
    runs = {tuple(text[t : t + n]) for t in range(len(text) - n + 1)}
    shares = []
    for document in validation:
        read = [False] * len(document)
        for t in range(len(document) - n + 1):
            if tuple(document[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(read) if read else 0.0)
    return shares


@wrong("08.3", "gives the share of the runs that were read, not that of the tokens in them")
def share_of_runs(training, validation, n):
    runs = {tuple(d[t : t + n]) for d in training for t in range(len(d) - n + 1)}
    shares = []
    for d in validation:
        own = [tuple(d[t : t + n]) in runs for t in range(len(d) - n + 1)]
        shares.append(sum(own) / len(own) if own else 0.0)
    return shares


@wrong("08.3", "misses the last run of each training document (range ends one too early)")
def last_run_missed(training, validation, n):
    runs = set()
    for document in training:
        for t in range(len(document) - n):
            runs.add(tuple(document[t : t + n]))
    shares = []
    for document in validation:
        covered = set()
        for t in range(len(document) - n + 1):
            if tuple(document[t : t + n]) in runs:
                covered.update(range(t, t + n))
        shares.append(len(covered) / max(1, len(document)))
    return shares


@wrong("08.3", "compares runs without regard to the order of their tokens")
def order_does_not_matter(training, validation, n):
    runs = {tuple(sorted(d[t : t + n])) for d in training for t in range(len(d) - n + 1)}
    shares = []
    for d in validation:
        read = np.zeros(len(d), dtype=bool)
        for t in range(len(d) - n + 1):
            if tuple(sorted(d[t : t + n])) in runs:
                read[t : t + n] = True
        shares.append(float(read.mean()) if len(d) else 0.0)
    return shares


@wrong("08.3", "looks for the run as text within text, where the end of 12 passes for a 2")
def text_within_text(training, validation, n):
    book = " | ".join(" ".join(map(str, d)) for d in training)
    shares = []
    for d in validation:
        read = [0] * len(d)
        for t in range(len(d) - n + 1):
            if " ".join(map(str, d[t : t + n])) in book:
                read[t : t + n] = [1] * n
        shares.append(sum(read) / len(d) if d else 0.0)
    return shares


@wrong("08.3", "takes the best single training document, though runs may come from several")
def best_single_document(training, validation, n):
    books = [{tuple(b[t : t + n]) for t in range(len(b) - n + 1)} for b in training]
    shares = []
    for d in validation:
        best = 0.0
        for runs in books:
            read = [False] * len(d)
            for t in range(len(d) - n + 1):
                if tuple(d[t : t + n]) in runs:
                    read[t : t + n] = [True] * n
            best = max(best, sum(read) / max(len(d), 1))
        shares.append(best)
    return shares


@wrong("08.3", "jumps behind a run that it has found and so misses one that overlaps it")
def jumps_over_overlaps(training, validation, n):
    runs = {tuple(b[t : t + n]) for b in training for t in range(len(b) - n + 1)}
    shares = []
    for d in validation:
        t = found = 0
        while t + n <= len(d):
            if tuple(d[t : t + n]) in runs:
                found += n
                t += n
            else:
                t += 1
        shares.append(found / len(d) if d else 0.0)
    return shares


@wrong("08.3", "divides by the length of an empty document")
def empty_document_raises(training, validation, n):
    runs = {tuple(b[t : t + n]) for b in training for t in range(len(b) - n + 1)}
    shares = []
    for d in validation:
        covered = {t + i for t in range(len(d) - n + 1) if tuple(d[t : t + n]) in runs for i in range(n)}
        shares.append(len(covered) / len(d))
    return shares


@right("08.3")
def windows_as_bytes(training, validation, n):
    def windows(document):
        if len(document) < n:
            return []
        table = np.lib.stride_tricks.sliding_window_view(np.asarray(document, dtype=np.int64), n)
        return [row.tobytes() for row in table]

    runs = set()
    for document in training:
        runs.update(windows(document))
    shares = []
    for document in validation:
        edges = np.zeros(len(document) + 1, dtype=int)
        for t, window in enumerate(windows(document)):
            if window in runs:
                edges[t] += 1
                edges[t + n] -= 1
        inside = np.count_nonzero(edges.cumsum()[:-1] > 0)
        shares.append(inside / len(document) if inside else 0.0)
    return shares


@right("08.3")
def a_tree_of_tokens(training, validation, n):
    root = {}
    for document in training:
        for t in range(len(document) - n + 1):
            node = root
            for i in range(t, t + n):
                node = node.setdefault(document[i], {})

    def stands(document, t):
        node = root
        for i in range(t, t + n):
            node = node.get(document[i])
            if node is None:
                return False
        return True

    shares = []
    for document in validation:
        until = count = 0
        for t in range(len(document)):
            if t + n <= len(document) and stands(document, t):
                until = t + n
            count += t < until
        shares.append(count / max(len(document), 1))
    return shares


# 08.4


@wrong("08.4", "forgets to divide by the mean of row, so the table is one mean too large")
def one_mean_too_many(gradient, row, column, step, beta2, longest):
    square = gradient.square()
    row = beta2 * row + (1 - beta2) * square.mean(1)
    column = beta2 * column + (1 - beta2) * square.mean(0)
    table = torch.outer(row, column) / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "corrects row and column each for what the first steps lack, so twice")
def corrected_twice(gradient, row, column, step, beta2, longest):
    square = gradient**2
    row = torch.lerp(row, square.mean(1), 1 - beta2)
    column = torch.lerp(column, square.mean(0), 1 - beta2)
    lack = 1 - beta2**step
    table = (row / lack)[:, None] * (column / lack)[None, :] / row.mean()
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.pow(2).mean().sqrt()
    return update / max(1.0, float(rms) / longest), row, column


@wrong("08.4", "gives back the corrected means, which the next step takes for the running ones")
def corrected_means_returned(gradient, row, column, step, beta2, longest):
    square = gradient**2
    lack = 1 - beta2**step
    row = (beta2 * row + (1 - beta2) * square.mean(1)) / lack
    column = (beta2 * column + (1 - beta2) * square.mean(0)) / lack
    update = gradient / ((torch.outer(row, column) / row.mean()).sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "holds the norm of the update below longest, not its RMS")
def norm_for_rms(gradient, row, column, step, beta2, longest):
    square = gradient * gradient
    row = row * beta2 + square.mean(dim=1) * (1 - beta2)
    column = column * beta2 + square.mean(dim=0) * (1 - beta2)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    return update / max(1.0, update.norm().item() / longest), row, column


@wrong("08.4", "moves the caller's row and column in place")
def moves_in_place(gradient, row, column, step, beta2, longest):
    square = gradient.square()
    row.mul_(beta2).add_(square.mean(1), alpha=1 - beta2)
    column.mul_(beta2).add_(square.mean(0), alpha=1 - beta2)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "puts the 1e-8 under the root, where it is as much as a gradient of 1e-4")
def small_number_under_the_root(gradient, row, column, step, beta2, longest):
    square = gradient.square()
    row = beta2 * row + (1 - beta2) * square.mean(1)
    column = beta2 * column + (1 - beta2) * square.mean(0)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table + 1e-8).sqrt()
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "keeps the sums of rows and columns in place of their means; the update is no other, the memory is")
def sums_for_means(gradient, row, column, step, beta2, longest):
    square = gradient.square()
    row = beta2 * row + (1 - beta2) * square.sum(1)
    column = beta2 * column + (1 - beta2) * square.sum(0)
    table = torch.outer(row, column) / row.sum() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column


@wrong("08.4", "cuts single numbers of the update at longest in place of shortening the whole")
def cuts_single_numbers(gradient, row, column, step, beta2, longest):
    square = gradient.square()
    row = beta2 * row + (1 - beta2) * square.mean(1)
    column = beta2 * column + (1 - beta2) * square.mean(0)
    table = row[:, None] * column / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    return update.clamp(min=-longest, max=longest), row, column


@right("08.4")
def number_by_number(gradient, row, column, step, beta2, longest):
    g = gradient.tolist()
    height, width = gradient.shape
    pairs = zip(row.tolist(), g, strict=True)
    r = [beta2 * old + (1 - beta2) * sum(v * v for v in line) / width for old, line in pairs]
    c = [beta2 * old + (1 - beta2) * sum(line[j] ** 2 for line in g) / height for j, old in enumerate(column.tolist())]
    scale = height / sum(r) / (1 - beta2**step)
    u = [[g[i][j] / (math.sqrt(r[i] * c[j] * scale) + 1e-8) for j in range(width)] for i in range(height)]
    rms = math.sqrt(sum(v * v for line in u for v in line) / (height * width))
    if rms > longest:
        u = [[v * longest / rms for v in line] for line in u]
    kind = gradient.dtype
    return torch.tensor(u, dtype=kind), torch.tensor(r, dtype=kind), torch.tensor(c, dtype=kind)


@right("08.4")
def two_roots_and_a_broadcast(gradient, row, column, step, beta2, longest):
    g, old_row, old_column = (t.detach().double().numpy() for t in (gradient, row, column))
    new_row = old_row + (1 - beta2) * ((g * g).mean(axis=1) - old_row)
    new_column = old_column + (1 - beta2) * ((g * g).mean(axis=0) - old_column)
    tall = np.sqrt(new_row / new_row.mean())[:, np.newaxis]
    wide = np.sqrt(new_column / -np.expm1(step * np.log(beta2)) if beta2 else new_column)
    update = g / (tall * wide + 1e-8)
    size = np.linalg.norm(update) / np.sqrt(update.size)
    update = update * (longest / np.maximum(size, longest))
    return tuple(torch.from_numpy(a).to(gradient.dtype) for a in (update, new_row, new_column))
