"""Answers to exercise 08 as learners write them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 08.1 One leash for all


def flat(gradients):
    return torch.cat([one.flatten() for one in gradients])


@wrong("08.1", "Each tensor is clipped by itself")
def every_tensor_alone(gradients, longest):
    clipped = []
    for one in gradients:
        norm = one.norm()
        clipped.append(one * (longest / norm) if norm > longest else one)
    return clipped, flat(gradients).norm()


@wrong("08.1", "Each number is cut off")
def by_value(gradients, longest):
    return [torch.clip(one, min=-longest, max=longest) for one in gradients], flat(gradients).norm().item()


@wrong("08.1", "The norms of the tensors are added")
def norms_added(gradients, longest):
    norm = sum(torch.linalg.vector_norm(one) for one in gradients).item()
    return [one * longest / norm if norm > longest else one for one in gradients], norm


@wrong("08.1", "The root is missing")
def squared_norm(gradients, longest):
    total = 0.0
    for one in gradients:
        total += (one**2).sum().item()
    return [one * min(1.0, longest / total) for one in gradients], total


@wrong("08.1", "The length is the largest number")
def maximum_norm(gradients, longest):
    norm = flat(gradients).abs().max()
    return [one * (longest / norm).clamp(max=1.0) for one in gradients], norm


@wrong("08.1", "The norm is that after clipping")
def measured_too_late(gradients, longest):
    norm = flat(gradients).norm()
    clipped = [one * longest / norm if norm > longest else one for one in gradients]
    return clipped, flat(clipped).norm()


@wrong("08.1", "The result")
def only_the_gradients(gradients, longest):
    norm = flat(gradients).norm()
    return [one / torch.clamp(norm / longest, min=1) for one in gradients]


@wrong("08.1", "changed the input")
def in_place(gradients, longest):
    norm = flat(gradients).norm()
    for one in gradients:
        one.mul_(min(1.0, longest / norm.item()))
    return gradients, norm


@wrong("08.1", "clip_grad_norm_")
def by_torch(gradients, longest):
    parameters = [torch.nn.Parameter(one.clone()) for one in gradients]
    for parameter, one in zip(parameters, gradients, strict=True):
        parameter.grad = one.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, longest)
    return [parameter.grad for parameter in parameters], norm


@wrong("08.1", "A short gradient is made longer")
def always_the_limit(gradients, longest):
    norm = flat(gradients).norm()
    return [one / (norm + 1e-6) * longest for one in gradients], norm


@wrong("08.1", "one of length 0 becomes NaN")
def always_the_limit_with_no_guard(gradients, longest):
    norm = flat(gradients).norm()
    return [longest * one / norm if norm.isfinite() else 0 * one for one in gradients], norm


@wrong("08.1", "multiplied all the same")
def never_asks(gradients, longest):
    norm = torch.sqrt(sum(one.square().sum() for one in gradients))
    factor = torch.clamp(longest / (norm + 1e-6), max=1.0)
    return [one * factor for one in gradients], norm


@wrong("08.1", "`min(1.0, nan)` is 1.0")
def python_minimum(gradients, longest):
    norm = math.sqrt(sum(float((one * one).sum()) for one in gradients))
    return [one * min(1.0, longest / (norm + 1e-6)) for one in gradients], norm


@wrong("08.1", "the rest is walked")
def without_the_broken_numbers(gradients, longest):
    norm = flat(gradients).norm().item()
    gradients = [torch.where(one.isfinite(), one, 0.0) for one in gradients]
    rest = flat(gradients).norm().item()
    return [one * (longest / rest) if rest > longest else one for one in gradients], norm


@wrong("08.1", "Only the tensor with the broken number")
def without_the_broken_tensor(gradients, longest):
    norm = flat(gradients).norm().item()
    gradients = [one if torch.isfinite(one.sum()) else one * 0 for one in gradients]
    gradients = [torch.nan_to_num(one, nan=0.0) for one in gradients]
    rest = flat(gradients).norm().item()
    return [one * (longest / rest) if rest > longest else one for one in gradients], norm


@wrong("08.1", "sum of the absolute values")
def sum_of_sizes(gradients, longest):
    norm = flat(gradients).abs().sum().item()
    return [each * min(1.0, longest / max(norm, 1e-12)) for each in gradients], norm


@wrong("08.1", "root of the mean")
def mean_square(gradients, longest):
    norm = flat(gradients).square().mean().sqrt().item()
    return [each * min(1.0, longest / max(norm, 1e-12)) for each in gradients], norm


@wrong("08.1", "largest norm of a tensor")
def longest_tensor(gradients, longest):
    norm = max(each.norm().item() for each in gradients)
    return [each * min(1.0, longest / max(norm, 1e-12)) for each in gradients], norm


@wrong("08.1", "mean of the tensors' norms")
def mean_of_norms(gradients, longest):
    norm = sum(each.norm().item() for each in gradients) / len(gradients)
    return [each * min(1.0, longest / max(norm, 1e-12)) for each in gradients], norm


@wrong("08.1", "`norm` is right. In `clipped`, this is what happens: The length is the sum of the absolute values")
def wrong_factor_right_norm(gradients, longest):
    return sum_of_sizes(gradients, longest)[0], flat(gradients).norm()


@wrong("08.1", "the new norm is 1")
def unit_vector(gradients, longest):
    norm = flat(gradients).norm()
    return [each / norm for each in gradients], norm


@wrong("08.1", "what is too long becomes longer")
def factor_upside_down(gradients, longest):
    norm = flat(gradients).norm()
    return [each * norm / longest if norm > longest else each for each in gradients], norm


@wrong("08.1", "Nothing is shortened")
def only_measured(gradients, longest):
    return [each.clone() for each in gradients], flat(gradients).norm()


@wrong("08.1", "put into one vector")
def one_vector(gradients, longest):
    norm = flat(gradients).norm()
    return flat(gradients) * min(1.0, longest / norm.item()), norm


@wrong("08.1", "before the norm is measured")
def cleaned_first(gradients, longest):
    gradients = [each.nan_to_num(0.0, 0.0, 0.0) for each in gradients]
    norm = flat(gradients).norm().item()
    return [each * min(1.0, longest / max(norm, 1e-12)) for each in gradients], norm


def unless(gradients, longest, is_broken):
    norm = flat(gradients).norm()
    if is_broken(norm):
        return [torch.zeros_like(each) for each in gradients], norm
    return [each * torch.clamp(longest / norm, max=1.0) for each in gradients], norm


@wrong("08.1", "Only NaN is looked for")
def not_infinity(gradients, longest):
    return unless(gradients, longest, torch.isnan)


@wrong("08.1", "Only infinity is looked for")
def not_nan(gradients, longest):
    return unless(gradients, longest, torch.isinf)


@wrong("08.1", "The norm comes back as 0")
def no_norm_to_tell(gradients, longest):
    clipped, norm = unless(gradients, longest, lambda norm: not norm.isfinite())
    return clipped, norm if norm.isfinite() else 0.0


@right("08.1")
def by_numpy(gradients, longest):
    arrays = [one.numpy().astype(np.float64) for one in gradients]
    norm = np.sqrt(sum((one**2).sum() for one in arrays))
    if not np.isfinite(norm):
        return [0 * np.ones_like(one) for one in arrays], norm
    return [one / max(1.0, norm / longest) for one in arrays], norm


@right("08.1")
def norm_of_the_norms(gradients, longest):
    norm = torch.stack([one.norm() for one in gradients]).norm()
    factor = torch.clamp(longest / (norm + 1e-6), max=1.0)
    return [torch.where(norm.isfinite(), one * factor, 0.0).tolist() for one in gradients], norm


@wrong("08.1", "returned its input itself")
def left_alone_if_short(gradients, longest):
    norm = math.sqrt(sum(float(one.square().sum()) for one in gradients))
    if norm <= longest:
        return gradients, norm
    factor = longest / norm if math.isfinite(norm) else 0.0
    return [torch.where(torch.isfinite(one), one, 0.0) * factor for one in gradients], norm


@right("08.1")
def the_same_tensors_in_a_new_list(gradients, longest):
    norm = math.sqrt(sum(float(one.square().sum()) for one in gradients))
    if norm <= longest:
        return list(gradients), norm
    factor = longest / norm if math.isfinite(norm) else 0.0
    return [torch.where(torch.isfinite(one), one, 0.0) * factor for one in gradients], norm


# 08.2 The same batch, cut otherwise


def loss_of(weight, x, targets, reduction="mean"):
    return F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction=reduction)


@wrong("08.2", "mean of the parts' means")
def as_it_was(weight, parts):
    weight = weight.clone().requires_grad_()
    loss = torch.stack([loss_of(weight, *part) for part in parts]).mean()
    loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "The loss is mended, the gradient is not")
def only_what_is_logged(weight, parts):
    weight = weight.clone().requires_grad_()
    total, n = 0.0, 0
    for x, targets in parts:
        loss = loss_of(weight, x, targets)
        (loss / len(parts)).backward()
        count = (targets != -100).sum().item()
        total, n = total + loss.item() * count, n + count
    return total / n, weight.grad


@wrong("08.2", "is not divided")
def sum_of_all(weight, parts):
    weight = weight.clone().requires_grad_()
    total = 0.0
    for part in parts:
        loss = loss_of(weight, *part, reduction="sum")
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "divided by the number of parts")
def sum_over_parts(weight, parts):
    loss, gradient = sum_of_all(weight, parts)
    return loss / len(parts), gradient / len(parts)


@wrong("08.2", "Only the last part's gradient")
def zeroed_in_the_loop(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for part in parts:
        weight.grad = None
        loss = loss_of(weight, *part, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "`loss` is right. In `gradient`, this is what happens: The sum over all tokens is not divided")
def gradient_of_the_sum(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    loss, gradient = sum_of_all(weight, parts)
    return loss / n, gradient


@wrong("08.2", "The result")
def without_a_gradient(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    return sum(loss_of(weight, *part, reduction="sum").item() for part in parts) / n


@wrong("08.2", "as it has places")
def weighed_by_length(weight, parts):
    n = sum(len(targets) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = loss_of(weight, x, targets) * len(targets) / n
        loss.backward()
        total += loss.item()
    return total, weight.grad


@wrong("08.2", "divided by all places")
def divided_by_numel(weight, parts):
    n = sum(targets.numel() for _, targets in parts)
    loss, gradient = sum_of_all(weight, parts)
    return loss / n, gradient / n


@wrong("08.2", "makes all of it NaN")
def mean_times_count(weight, parts):
    counts = [(targets >= 0).sum().item() for _, targets in parts]
    weight = weight.clone().requires_grad_()
    loss = sum(loss_of(weight, *part) * count / sum(counts) for part, count in zip(parts, counts, strict=True))
    loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "is not written yet")
def not_written(weight, parts):
    raise NotImplementedError()


def by_autograd(weight, parts, total):
    weight = weight.clone().requires_grad_()
    loss = total(weight, parts, sum(int((y != -100).sum()) for _, y in parts))
    loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "the number of targets seen so far")
def counted_on_the_way(weight, parts):
    def total(weight, parts, n):
        n, loss = 0, 0
        for x, y in parts:
            n += int((y != -100).sum())
            loss = loss + loss_of(weight, x, y, "sum") / max(1, n)
        return loss

    return by_autograd(weight, parts, total)


@wrong("08.2", "The weight moves after each part")
def a_step_for_each(weight, parts):
    n = sum(int((y != -100).sum()) for _, y in parts)
    loss, gradient = 0.0, torch.zeros_like(weight)
    for x, y in parts:
        own = (weight - gradient).requires_grad_()
        part = loss_of(own, x, y, "sum") / n
        part.backward()
        loss, gradient = loss + part.item(), gradient + own.grad
    return loss, gradient


@wrong("08.2", "divided by V as well")
def mean_of_all_logits(weight, parts):
    def total(weight, parts, n):
        return sum(loss_of(weight, x, y, "sum") for x, y in parts) / n / len(weight)

    return by_autograd(weight, parts, total)


@wrong("08.2", "The softmax is taken twice")
def softmax_first(weight, parts):
    def total(weight, parts, n):
        probabilities = [((x @ weight.T).softmax(-1), y) for x, y in parts]
        return sum(F.cross_entropy(p, y, ignore_index=-100, reduction="sum") for p, y in probabilities) / n

    return by_autograd(weight, parts, total)


@wrong("08.2", "the probability of the target")
def without_a_logarithm(weight, parts):
    def total(weight, parts, n):
        return sum((x @ weight.T).softmax(-1)[torch.arange(len(y)), y][y >= 0].sum() for x, y in parts) / n

    return by_autograd(weight, parts, total)


@wrong("08.2", "on the running sum")
def backward_on_the_sum(weight, parts):
    n = sum(int((y != -100).sum()) for _, y in parts)
    weight = weight.clone().requires_grad_()
    loss = 0
    for x, y in parts:
        loss = loss + loss_of(weight, x, y, "sum") / n
        loss.backward(retain_graph=True)
    return loss.item(), weight.grad


@wrong("08.2", "shifted once more")
def next_token(weight, parts):
    return by_hand(weight, [(x[:-1], y[1:]) for x, y in parts if len(y) > 1] or parts)


@wrong("08.2", "Only the last part counts")
def overwritten(weight, parts):
    return by_hand(weight, parts[-1:])


@wrong("08.2", "taken for token 0")
def clamped_targets(weight, parts):
    return by_hand(weight, [(x, y.clamp(min=0)) for x, y in parts])


@wrong("08.2", "Token 0 is left out as well")
def only_positive_ids(weight, parts):
    return by_hand(weight, [(x, torch.where(y > 0, y, -100)) for x, y in parts])


@right("08.2")
def running_mean(weight, parts):
    weight = weight.clone().requires_grad_()
    mean, gradient, n = 0.0, torch.zeros_like(weight), 0
    for x, targets in parts:
        count = (targets != -100).sum().item()
        if count:
            loss = loss_of(weight, x, targets)
            n += count
            gradient += (torch.autograd.grad(loss, weight)[0] - gradient) * count / n
            mean += (loss.item() - mean) * count / n
    return [mean, gradient]


@right("08.2")
def by_hand(weight, parts):
    total, gradient, n = 0.0, np.zeros(weight.shape), 0
    for x, targets in parts:
        for vector, target in zip(x.double().numpy(), targets.tolist(), strict=True):
            if target < 0:
                continue
            logits = weight.double().numpy() @ vector
            p = np.exp(logits - logits.max())
            p /= p.sum()
            total -= math.log(p[target])
            p[target] -= 1
            gradient += np.outer(p, vector)
            n += 1
    return total / n, (gradient / n).tolist()


@wrong("08.2", "changed `requires_grad` or `grad` of the input")
def backward_on_what_was_given(weight, parts):
    weight.requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    losses = [F.cross_entropy(x @ weight.T, y, ignore_index=-100, reduction="sum") / n for x, y in parts]
    sum(losses).backward()
    return sum(losses).item(), weight.grad


# 08.3 The exam stood in the book


def ngrams(document, n):
    return [tuple(document[at : at + n]) for at in range(len(document) - n + 1)]


@wrong("08.3", "the share of the runs")
def share_of_ngrams(training, validation, n):
    known = {run for document in training for run in ngrams(document, n)}
    shares = []
    for document in validation:
        runs = ngrams(document, n)
        shares.append(sum(run in known for run in runs) / len(runs) if runs else 0.0)
    return shares


@wrong("08.3", "Only the token at which a run begins")
def only_beginnings(training, validation, n):
    known = {run for document in training for run in ngrams(document, n)}
    return [sum(run in known for run in ngrams(one, n)) / len(one) if one else 0 for one in validation]


@wrong("08.3", "counted twice")
def overlapping(training, validation, n):
    known = set()
    for document in training:
        known.update(ngrams(document, n))
    shares = []
    for document in validation:
        read = 0
        for run in ngrams(document, n):
            if run in known:
                read += n
        shares.append(read / len(document) if document else 0.0)
    return shares


def share_covered(document, known, n):
    read = set()
    for at, run in enumerate(ngrams(document, n)):
        if run in known:
            read |= set(range(at, at + n))
    return len(read) / len(document) if document else 0.0


@wrong("08.3", "The last run of each training document")
def one_too_few(training, validation, n):
    known = {tuple(one[at : at + n]) for one in training for at in range(len(one) - n)}
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "Single tokens are looked up")
def set_of_tokens(training, validation, n):
    known = {token for document in training for token in document}
    return [sum(token in known for token in one) / len(one) if one else 0.0 for one in validation]


@wrong("08.3", "read as a whole")
def exact_copies(training, validation, n):
    known = set(map(tuple, training))
    return [1.0 if tuple(document) in known else 0.0 for document in validation]


@wrong("08.3", "into the next")
def as_one_stream(training, validation, n):
    stream = [token for document in training for token in document]
    known = set(ngrams(stream, n))
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "Only the training document with most")
def the_best_match(training, validation, n):
    sets = [set(ngrams(document, n)) for document in training]
    return [max(share_covered(document, known, n) for known in sets) for document in validation]


@wrong("08.3", "joined to a text")
def runs_as_text(training, validation, n):
    def text(ids):
        return "".join(str(id) for id in ids)

    known = {text(run) for document in training for run in ngrams(document, n)}
    known = {run for document in validation for run in ngrams(document, n) if text(run) in known}
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "1 2 stands in 11 23")
def looked_up_in_a_text(training, validation, n):
    book = "\n".join(" ".join(map(str, document)) for document in training)
    known = {run for document in validation for run in ngrams(document, n) if " ".join(map(str, run)) in book}
    return [share_covered(document, known, n) for document in validation]


@wrong("08.3", "fewer than n tokens")
def slices_at_the_end(training, validation, n):
    known = {tuple(one[at : at + n]) for one in training for at in range(len(one))}
    shares = []
    for document in validation:
        read = [False] * len(document)
        for at in range(len(document)):
            if tuple(document[at : at + n]) in known:
                for place in range(at, min(at + n, len(document))):
                    read[place] = True
        shares.append(sum(read) / len(read) if read else 0.0)
    return shares


@wrong("08.3", "ZeroDivisionError")
def divides_by_nothing(training, validation, n):
    known = {run for document in training for run in ngrams(document, n)}
    return [sum(share_covered(one, known, n) for _ in one) / len(one) for one in validation]


@wrong("08.3", "TypeError")
def lists_in_a_set(training, validation, n):
    known = {document[at : at + n] for document in training for at in range(len(document) - n + 1)}
    return [share_covered(document, known, n) for document in validation]


def runs_read(training, validation, n, key=lambda run: run, chosen=lambda places, document: places):
    known = {key(run) for document in training for run in ngrams(document, n)}
    shares = []
    for document in validation:
        places = [at for at, run in enumerate(ngrams(document, n)) if key(run) in known]
        read = {place for at in chosen(places, document) for place in range(at, at + n)}
        shares.append(len(read) / len(document) if document else 0.0)
    return shares


@wrong("08.3", "in any order")
def sorted_runs(training, validation, n):
    return runs_read(training, validation, n, key=lambda run: tuple(sorted(run)))


@wrong("08.3", "the share of new tokens")
def unread(training, validation, n):
    return [1 - share for share in runs_read(training, validation, n)]


@wrong("08.3", "in percent")
def percent(training, validation, n):
    return [100 * share for share in runs_read(training, validation, n)]


@wrong("08.3", "Every token of a document that holds a run")
def tainted(training, validation, n):
    return [1.0 if share else 0.0 for share in runs_read(training, validation, n)]


@wrong("08.3", "the number of tokens that were read")
def number_of_tokens(training, validation, n):
    return [share * len(text) for share, text in zip(runs_read(training, validation, n), validation, strict=True)]


@wrong("08.3", "cut into pieces of n")
def in_blocks(training, validation, n):
    return runs_read(training, validation, n, chosen=lambda places, _: [at for at in places if at % n == 0])


@wrong("08.3", "Only the first run")
def first_run(training, validation, n):
    return runs_read(training, validation, n, chosen=lambda places, _: places[:1])


@wrong("08.3", "The last run of each validation document")
def last_run_of_the_exam(training, validation, n):
    return runs_read(training, validation, n, chosen=lambda places, text: [at for at in places if at + n < len(text)])


@wrong("08.3", "n neighbours that are all known")
def neighbours(training, validation, n):
    known = {token for document in training for token in document}
    return (
        runs_read([], validation, n)
        if not known
        else [
            len({p for at, run in enumerate(ngrams(text, n)) if known.issuperset(run) for p in range(at, at + n)})
            / max(1, len(text))
            for text in validation
        ]
    )


@wrong("08.3", "one number for all")
def pooled(training, validation, n):
    shares = runs_read(training, validation, n)
    return sum(s * len(text) for s, text in zip(shares, validation, strict=True)) / max(1, sum(map(len, validation)))


@right("08.3")
def as_text(training, validation, n):
    books = ["," + "".join(f"{token}," for token in document) for document in training]
    shares = []
    for document in validation:
        read = np.zeros(len(document), dtype=bool)
        for at in range(len(document) - n + 1):
            run = "," + "".join(f"{token}," for token in document[at : at + n])
            if any(run in book for book in books):
                read[at : at + n] = True
        shares.append(read.mean() if len(read) else 0.0)
    return shares


@right("08.3")
def by_last_place_read(training, validation, n):
    known = {run for document in training for run in zip(*(document[shift:] for shift in range(n)), strict=False)}
    shares = []
    for document in validation:
        count, until = 0, 0
        for at in range(len(document)):
            if tuple(document[at : at + n]) in known:
                until = at + n
            count += at < until
        shares.append(count / max(1, len(document)))
    return torch.tensor(shares)


def read_at(document, known, n):
    places = [at for at in range(len(document) - n + 1) if known(document[at : at + n])]
    return {place for at in places for place in range(at, at + n)}


@wrong("08.3", "need not stand side by side")
def in_order_with_gaps(training, validation, n):
    def known(run):
        return any(all(token in rest for token in run) for rest in map(iter, training))

    return [len(read_at(one, known, n)) / len(one) if one else 0.0 for one in validation]


@wrong("08.3", "validation document into the next")
def the_exam_in_one_piece(training, validation, n):
    runs = {tuple(book[at : at + n]) for book in training for at in range(len(book) - n + 1)}
    whole = [token for one in validation for token in one]
    read, at, shares = read_at(whole, lambda run: tuple(run) in runs, n), 0, []
    for one in validation:
        shares.append(sum(place in read for place in range(at, at + len(one))) / max(1, len(one)))
        at += len(one)
    return shares


# 08.4 A table in two vectors


def means(gradient, row, column, beta2):
    squares = gradient.square()
    return beta2 * row + (1 - beta2) * squares.mean(1), beta2 * column + (1 - beta2) * squares.mean(0)


def shortened(update, longest):
    rms = (update**2).mean().sqrt()
    return update * (longest / rms) if rms > longest else update


@wrong("08.4", "not divided by the mean of all squares")
def outer_product_only(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "the sum of the rows' means")
def sum_of_means(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = row[:, None] * column[None, :] / row.sum() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "added up")
def sums_as_in_the_paper(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.square().sum(1)
    column = beta2 * column + (1 - beta2) * gradient.square().sum(0)
    v = torch.outer(row, column) / row.sum() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The bias of the first steps")
def no_correction(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean()
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The bias is corrected twice")
def both_corrected(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    r_hat, c_hat = row / (1 - beta2**step), column / (1 - beta2**step)
    return shortened(gradient / ((torch.outer(r_hat, c_hat) / row.mean()).sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The root is missing")
def without_the_root(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v + 1e-8), longest), row, column


@wrong("08.4", "the square of the mean")
def mean_then_square(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.mean(1).square()
    column = beta2 * column + (1 - beta2) * gradient.mean(0).square()
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "the wrong way round")
def betas_exchanged(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, 1 - beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The means come back corrected")
def remembers_the_corrected(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    row, column = row / (1 - beta2**step), column / (1 - beta2**step)
    v = torch.outer(row, column) / column.mean()
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "A short update is made longer")
def always_longest(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (v.sqrt() + 1e-8)
    return update / (update.square().mean().sqrt() / longest), row, column


@wrong("08.4", "Rows and columns have changed places")
def axes_exchanged(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.square().mean(0)
    column = beta2 * column + (1 - beta2) * gradient.square().mean(1)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "changed the input")
def means_in_place(gradient, row, column, step, beta2, longest):
    row.mul_(beta2).add_((1 - beta2) * gradient.square().mean(1))
    column.mul_(beta2).add_((1 - beta2) * gradient.square().mean(0))
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "What was remembered is forgotten")
def without_a_memory(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, 0 * row, 0 * column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "as if every step were the first")
def correction_without_the_step(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The update is not shortened")
def never_shortened(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return gradient / (v.sqrt() + 1e-8), row, column


@wrong("08.4", "The length is the norm")
def shortened_by_the_norm(gradient, row, column, step, beta2, longest):
    update, row, column = never_shortened(gradient, row, column, step, beta2, longest)
    norm = torch.linalg.matrix_norm(update)
    return (update * longest / norm if norm > longest else update), row, column


@wrong("08.4", "cut off by itself")
def clamped(gradient, row, column, step, beta2, longest):
    update, row, column = never_shortened(gradient, row, column, step, beta2, longest)
    return update.clamp(-longest, longest), row, column


@right("08.4")
def with_sums_in_double(gradient, row, column, step, beta2, longest):
    g = gradient.numpy().astype(np.float64)
    row = beta2 * row.numpy() + (1 - beta2) * np.mean(g**2, axis=1)
    column = beta2 * column.numpy() + (1 - beta2) * np.mean(g**2, axis=0)
    R, C = g.shape
    v = np.outer(row * C, column * R) / (row.sum() * C) / (1 - beta2**step)
    update = g / (np.sqrt(v) + 1e-8)
    rms = np.linalg.norm(update) / np.sqrt(R * C)
    return update * min(1, longest / rms), row, column


@right("08.4")
def two_factors(gradient, row, column, step, beta2, longest):
    squares = gradient * gradient
    row = torch.lerp(squares.mean(dim=1), row, beta2)
    column = torch.lerp(squares.mean(dim=0), column, beta2)
    by_row = (row / row.mean()).sqrt()
    by_column = (column / (1 - beta2**step)).sqrt()
    update = gradient / torch.einsum("r,c->rc", by_row, by_column).add(1e-8)
    return update / (update.pow(2).mean().sqrt() / longest).clamp(min=1), row, column


def adafactor(gradient, row, column, step, beta2, longest, divide):
    row = beta2 * row + (1 - beta2) * gradient.square().mean(1)
    column = beta2 * column + (1 - beta2) * gradient.square().mean(0)
    update = divide(gradient, row[:, None] * column / row.mean() / (1 - beta2**step))
    return update / max(1.0, float(update.square().mean().sqrt()) / longest), row, column


@wrong("08.4", "The 1e-8 is left out")
def by_rsqrt(*arguments):
    return adafactor(*arguments, lambda gradient, table: gradient * table.rsqrt())


@wrong("08.4", "The 1e-8 stands below the root")
def eps_below_the_root(*arguments):
    return adafactor(*arguments, lambda gradient, table: gradient * (table + 1e-8).rsqrt())


def adafactor_by(gradient, row, column, step, beta2, longest, power=None, divide=None, limit=None):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() / (1 - beta2 ** (step if power is None else power))
    update = (divide or (lambda gradient, v: gradient / (v.sqrt() + 1e-8)))(gradient, v)
    return (limit or shortened)(update, longest), row, column


@wrong("08.4", "turned round again")
def turned_round(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.square().mean(0)
    column = beta2 * column + (1 - beta2) * gradient.square().mean(1)
    v = torch.outer(column, row) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "minus sign of the step")
def downhill(*call):
    return adafactor_by(*call, divide=lambda gradient, v: -gradient / (v.sqrt() + 1e-8))


@wrong("08.4", "with step + 1")
def one_ahead(*call):
    return adafactor_by(*call, power=call[3] + 1)


@wrong("08.4", "with step - 1")
def one_behind(*call):
    return adafactor_by(*call, power=max(1, call[3] - 1))


@wrong("08.4", "multiplied by 1 - beta2^step")
def corrected_the_wrong_way(gradient, row, column, step, beta2, longest):
    row, column = means(gradient, row, column, beta2)
    v = torch.outer(row, column) / row.mean() * (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


@wrong("08.4", "The absolute values are averaged")
def sizes(gradient, row, column, step, beta2, longest):
    row = beta2 * row + (1 - beta2) * gradient.abs().mean(1)
    column = beta2 * column + (1 - beta2) * gradient.abs().mean(0)
    v = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return shortened(gradient / (v.sqrt() + 1e-8), longest), row, column


def with_eps(eps):
    def answer(*call):
        return adafactor_by(*call, divide=lambda gradient, v: gradient / (v.sqrt() + eps))

    answer.__name__ = f"with_eps_of_{eps:.0e}"
    return answer


for eps in (1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10):
    wrong("08.4", f"It is {eps:.0e} that is added")(with_eps(eps))


@wrong("08.4", "by the root of the old means")
def old_means(gradient, row, column, step, beta2, longest):
    new_row, new_column = means(gradient, row, column, beta2)
    old_row, old_column = (new_row, new_column) if step == 1 else (row, column)
    v = torch.outer(old_row, old_column) / old_row.mean() / (1 - beta2**step)
    return gradient / (v.sqrt() + 1e-8), new_row, new_column


@wrong("08.4", "The gradient is shortened, before")
def gradient_first(gradient, row, column, step, beta2, longest):
    return adafactor_by(shortened(gradient, longest), row, column, step, beta2, 1e9)


@wrong("08.4", "by its RMS alone")
def to_one(*call):
    return adafactor_by(*call, limit=lambda update, longest: shortened(update, 1.0))


@wrong("08.4", "The length is the largest number")
def by_the_largest(*call):
    return adafactor_by(*call, limit=lambda update, longest: update / max(1.0, update.abs().max().item() / longest))


@wrong("08.4", "The root of the RMS is missing")
def mean_square_limit(*call):
    return adafactor_by(*call, limit=lambda update, longest: update / max(1.0, update.square().mean().item() / longest))


# Further answers to all questions: what is seldom forgotten


@wrong("08.1", "Only the tensor with the broken number")
def others_as_they_are(gradients, longest):
    norm = math.sqrt(sum(each.double().square().sum().item() for each in gradients))
    if not math.isfinite(norm):
        return [each.clone() if each.isfinite().all() else torch.zeros_like(each) for each in gradients], norm
    return [each * min(1.0, longest / max(norm, 1e-12)) for each in gradients], norm


def runs_of(documents, n):
    return {tuple(text[at : at + n]) for text in documents for at in range(len(text) - n + 1)}


def by_places(share, left_out=0):
    """Other shares, from the places at which known runs begin."""

    def answer(training, validation, n):
        known = runs_of([text[: len(text) - left_out] for text in training], n)
        shares = []
        for text in validation:
            last = len(text) - n + 1 - left_out
            starts = [at for at in range(last) if tuple(text[at : at + n]) in known]
            shares.append(share(text, starts, n) if text else 0.0)
        return shares

    return answer


def marked(starts, n):
    return {at + more for at in starts for more in range(n)}


@wrong("08.3", "counted twice")
def one_at_most(*call):
    return by_places(lambda text, starts, n: min(1.0, n * len(starts) / len(text)))(*call)


@wrong("08.3", "The last run of each document is missing, in training and in validation")
def one_run_too_few(*call):
    return by_places(lambda text, starts, n: len(marked(starts, n)) / len(text), left_out=1)(*call)


@wrong("08.3", "misses those that overlap it")
def goes_on_behind(*call):
    def share(text, starts, n):
        found = []
        for at in starts:
            if not found or found[-1] + n <= at:
                found.append(at)
        return n * len(found) / len(text)

    return by_places(share)(*call)


@wrong("08.3", "Tokens are counted and not places")
def vocabulary(*call):
    return by_places(lambda text, starts, n: len({text[at] for at in marked(starts, n)}) / len(set(text)))(*call)


@wrong("08.3", "which is not a number of its")
def one_more_in_the_divisor(*call):
    return by_places(lambda text, starts, n: len(marked(starts, n)) / (len(text) + 1))(*call)


@wrong("08.3", "at all its places in the document")
def wherever_such_a_token_stands(*call):
    def share(text, starts, n):
        known = {text[at] for at in marked(starts, n)}
        return sum(token in known for token in text) / len(text)

    return by_places(share)(*call)
