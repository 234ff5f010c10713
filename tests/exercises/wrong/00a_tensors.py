"""Answers to exercise 00a as learners write them."""

import itertools
from itertools import product

import numpy as np
import torch
from answers import right, wrong

# 00a.1 An accuracy that is too high


@wrong("00a.1", "compared with the targets of all rows")
def as_it_was(logits, targets, k):
    real = targets != -100
    top = logits[real].topk(1).indices
    return (top == targets[real]).any(-1).float().mean().item()


@wrong("00a.1", "hits of all pairs of rows are averaged")
def mean_of_the_square(logits, targets, k):
    predicted = logits.argmax(dim=-1, keepdim=True)
    return (predicted == targets).float().mean().item()


@wrong("00a.1", "The smallest logits")
def ascending(logits, targets, k):
    order = logits.argsort(dim=-1)[:, :k]
    return (order == targets.unsqueeze(1)).any(1).float().mean()


@wrong("00a.1", "the token after the first k")
def rank_at_most_k(logits, targets, k):
    own = logits[torch.arange(len(targets)), targets]
    rank = (logits > own[:, None]).sum(1)
    return (rank <= k).float().mean().item()


@wrong("00a.1", "the number of hits")
def summed(logits, targets, k):
    return int((logits.topk(k).indices == targets[:, None]).sum())


@wrong("00a.1", "the share of misses")
def error_rate(logits, targets, k):
    return (logits.topk(k).indices != targets[:, None]).all(-1).float().mean().item()


@wrong("00a.1", "in percent")
def percent(logits, targets, k):
    return 100 * (logits.topk(k).indices == targets[:, None]).any(-1).double().mean().item()


@wrong("00a.1", "divided by k as well")
def mean_over_candidates(logits, targets, k):
    real = targets != -100
    return (logits[real].topk(k).indices == targets[real, None]).float().mean().item()


@wrong("00a.1", "Only the first of the k")
def argmax_only(logits, targets, k):
    real = targets != -100
    return (logits.argmax(-1)[real] == targets[real]).float().mean().item()


@wrong("00a.1", "Only the last of the k")
def kth_only(logits, targets, k):
    real = targets != -100
    return (logits[real].topk(k).indices[:, -1] == targets[real]).float().mean().item()


@wrong("00a.1", "The k-th largest logit is left out")
def strictly_larger(logits, targets, k):
    kth = logits.topk(k).values[:, -1]
    own = logits.gather(1, targets.clamp_min(0)[:, None])[:, 0]
    hits = own > kth if k > 1 else own >= kth
    return hits[targets != -100].float().mean().item()


@wrong("00a.1", "count as misses")
def over_all_rows(logits, targets, k):
    return (logits.topk(k).indices == targets[:, None]).any(-1).float().mean().item()


@wrong("00a.1", "count as hits")
def skipped_rows_are_fine(logits, targets, k):
    hits = (logits.topk(k).indices == targets[:, None]).any(-1)
    return (hits | (targets == -100)).float().mean().item()


@wrong("00a.1", "-100 is taken for a token")
def clamped(logits, targets, k):
    targets = targets.clamp(min=0)
    own = logits.gather(1, targets[:, None])
    real = targets >= 0
    return ((logits > own).sum(1) < k)[real].float().mean().item()


@wrong("00a.1", "raised")
def looked_up_minus_100(logits, targets, k):
    own = logits[torch.arange(len(targets)), targets]
    real = targets != -100
    return ((logits > own[:, None]).sum(1) < k)[real].float().mean().item()


@wrong("00a.1", "numbers, and one share is asked for")
def hits_per_row(logits, targets, k):
    return (logits.topk(k).indices == targets[:, None]).any(-1).float()


@wrong("00a.1", "no share is above 1")
def matches_per_row(logits, targets, k):
    predicted = logits.topk(k).indices
    return ((predicted[:, None, 0] == predicted[:, 0]).sum() / len(targets)).item() + 1


@wrong("00a.1", "rows with a target count as hits")
def never_a_hit(logits, targets, k):
    return 0.0


@right("00a.1")
def in_plain_python(logits, targets, k):
    hits = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        if target >= 0:
            best = sorted(range(len(row)), key=row.__getitem__)[-k:]
            hits.append(target in best)
    return sum(hits) / len(hits)


@right("00a.1")
def by_numpy(logits, targets, k):
    table, ids = logits.numpy(), targets.numpy()
    keep = ids >= 0
    own = np.take_along_axis(table[keep], ids[keep, None], 1)
    return ((table[keep] > own).sum(1) < k).mean()


# 00a.2 Pad a batch and build its mask


def filled(texts, pad, side, max_length, keep=lambda text, n: text[-n:]):
    cut = [keep(text, max_length) for text in texts]
    T = max(map(len, cut))
    rows = [[pad] * (T - len(text)) + text if side == "left" else text + [pad] * (T - len(text)) for text in cut]
    marks = [[0] * (T - len(t)) + [1] * len(t) if side == "left" else [1] * len(t) + [0] * (T - len(t)) for t in cut]
    return torch.tensor(rows), torch.tensor(marks).bool()


@wrong("00a.2", "always on the left")
def left_only(texts, pad, side, max_length):
    return filled(texts, pad, "left", max_length)


@wrong("00a.2", "always on the right")
def right_only(texts, pad, side, max_length):
    texts = [torch.tensor(text[-max_length:], dtype=torch.long) for text in texts]
    T = max(map(len, texts))
    ids = torch.stack([torch.nn.functional.pad(text, (0, T - len(text)), value=pad) for text in texts])
    mask = torch.arange(T) < torch.tensor([len(text) for text in texts])[:, None]
    return ids, mask


@wrong("00a.2", "True for the padding")
def padding_mask(texts, pad, side, max_length):
    ids, mask = filled(texts, pad, side, max_length)
    return ids, mask.logical_not()


@wrong("00a.2", "always id 0")
def zeros(texts, pad, side, max_length):
    T = min(max_length, max(map(len, texts)))
    ids, mask = torch.zeros(len(texts), T, dtype=torch.long), torch.zeros(len(texts), T).bool()
    for row, text in enumerate(texts):
        for column, id in enumerate(text[-max_length:]):
            at = column if side == "right" else T - len(text[-max_length:]) + column
            ids[row, at], mask[row, at] = id, True
    return ids, mask


@wrong("00a.2", "max_length wide")
def always_the_maximum(texts, pad, side, max_length):
    ids = torch.full((len(texts), max_length), pad)
    mask = torch.zeros(len(texts), max_length, dtype=torch.bool)
    for row, text in enumerate(texts):
        text = text[-max_length:]
        at = slice(max_length - len(text), None) if side == "left" else slice(len(text))
        ids[row, at], mask[row, at] = torch.tensor(text, dtype=torch.long), True
    return ids, mask


@wrong("00a.2", "the length of the shortest")
def zipped(texts, pad, side, max_length):
    ids = torch.tensor(list(zip(*texts))).T
    return ids, torch.ones_like(ids, dtype=torch.bool)


@wrong("00a.2", "one column too wide")
def room_for_one_more(texts, pad, side, max_length):
    cut = [text[-max_length:] for text in texts]
    T = max(map(len, cut)) + 1
    rows = [[pad] * (T - len(t)) + t if side == "left" else t + [pad] * (T - len(t)) for t in cut]
    lengths = torch.tensor([len(text) for text in cut])[:, None]
    at = torch.arange(T)
    return torch.tensor(rows), at >= T - lengths if side == "left" else at < lengths


@wrong("00a.2", "that of right padding")
def mask_by_length(texts, pad, side, max_length):
    ids, _ = filled(texts, pad, side, max_length)
    lengths = torch.tensor([min(len(text), max_length) for text in texts])
    return ids, torch.arange(ids.shape[1]) < lengths.unsqueeze(-1)


@wrong("00a.2", "reversed with left padding")
def flipped(texts, pad, side, max_length):
    ids, mask = filled([text[-max_length:] for text in texts], pad, "right", max_length)
    return (ids.flip(1), mask.flip(1)) if side == "left" else (ids, mask)


@wrong("00a.2", "the first ids are kept")
def beginning_kept(texts, pad, side, max_length):
    return filled(texts, pad, side, max_length, keep=lambda text, n: text[:n])


@wrong("00a.2", "With right padding the first ids")
def cut_where_the_padding_goes(texts, pad, side, max_length):
    return filled(texts, pad, side, max_length, keep=lambda text, n: text[-n:] if side == "left" else text[:n])


@wrong("00a.2", "With left padding the first ids")
def cut_at_the_other_end(texts, pad, side, max_length):
    return filled(texts, pad, side, max_length, keep=lambda text, n: text[:n] if side == "left" else text[-n:])


@wrong("00a.2", "Long texts are not cut")
def without_a_limit(texts, pad, side, max_length):
    return filled(texts, pad, side, max_length, keep=lambda text, n: text)


@wrong("00a.2", "left out of the batch")
def only_those_that_fit(texts, pad, side, max_length):
    fitting = [text for text in texts if len(text) <= max_length]
    return filled(fitting or [[pad]], pad, side, max_length)


@wrong("00a.2", "max_length - 1 are kept")
def one_less(texts, pad, side, max_length):
    def cut(text, n):
        return text[len(text) - n + 1 :] if len(text) > n > 1 else text[-n:]

    return filled(texts, pad, side, max_length, keep=cut)


@wrong("00a.2", "A token that equals `pad` is masked out")
def not_pad(texts, pad, side, max_length):
    ids, _ = filled(texts, pad, side, max_length)
    return ids, ids != pad


@wrong("00a.2", "`[-0:]` is the whole row")
def by_a_negative_slice(texts, pad, side, max_length):
    texts = [text[-max_length:] for text in texts]
    T = max(map(len, texts))
    ids, mask = torch.full((len(texts), T), pad), torch.zeros(len(texts), T, dtype=torch.bool)
    for row, text in enumerate(texts):
        if side == "left":
            mask[row, -len(text) :] = True
            if text:
                ids[row, -len(text) :] = torch.tensor(text)
        else:
            mask[row, : len(text)] = True
            ids[row, : len(text)] = torch.tensor(text, dtype=torch.long)
    return ids, mask


@wrong("00a.2", "Empty texts have no row")
def empty_texts_skipped(texts, pad, side, max_length):
    return filled([text for text in texts if len(text) > 0], pad, side, max_length)


@wrong("00a.2", "is a tensor of torch.float32")
def floats(texts, pad, side, max_length):
    ids, mask = filled(texts, pad, side, max_length)
    return ids.float(), mask


@wrong("00a.2", "sorted by length")
def sorted_by_length(texts, pad, side, max_length):
    return filled(sorted(texts, key=len, reverse=True), pad, side, max_length)


@right("00a.2")
def by_gathering(texts, pad, side, max_length):
    cut = [text[-max_length:] for text in texts]
    n = torch.tensor([len(text) for text in cut])[:, None]
    T = int(n.max())
    column = torch.arange(T) - (T - n if side == "left" else 0 * n)
    mask = (column >= 0) & (column < n)
    ids = torch.full(mask.shape, pad)
    ids[mask] = torch.tensor([id for text in cut for id in text])
    return ids, mask


@right("00a.2")
def by_numpy_rows(texts, pad, side, max_length):
    cut = [np.array(text[-max_length:], dtype=np.int64) for text in texts]
    T = max(map(len, cut))
    free = [(T - len(t), 0) if side == "left" else (0, T - len(t)) for t in cut]
    ids = np.stack([np.pad(t, space, constant_values=pad) for t, space in zip(cut, free)])
    mask = np.stack([np.pad(np.ones(len(t), dtype=bool), space) for t, space in zip(cut, free)])
    return torch.from_numpy(ids), torch.from_numpy(mask)


# 00a.3 What does a view read?


def at(storage, positions):
    return storage[positions % len(storage)]


@wrong("00a.3", "read in its own order")
def reshaped(storage, shape, strides, offset):
    n = 1
    for size in shape:
        n *= size
    return at(storage, torch.arange(offset, offset + n)).reshape(shape)


@wrong("00a.3", "in reverse order")
def last_axis_first(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for axis, size in enumerate(shape):
        positions = positions.unsqueeze(-1) + torch.arange(size) * strides[len(shape) - 1 - axis]
    return at(storage, positions)


@wrong("00a.3", "column by column")
def columns_first(storage, shape, strides, offset):
    n = 1
    for size in shape:
        n *= size
    numbers = at(storage, torch.arange(offset, offset + n)).reshape(shape[::-1])
    return numbers.permute(*range(len(shape) - 1, -1, -1))


@wrong("00a.3", "counted from 1")
def from_one(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(1, size + 1) * stride
    return at(storage, positions)


@wrong("00a.3", "The offset is ignored")
def from_the_start(storage, shape, strides, offset):
    positions = torch.zeros((), dtype=torch.long)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(size) * stride
    return at(storage, positions)


@wrong("00a.3", "multiplied by the first stride")
def offset_in_rows(storage, shape, strides, offset):
    positions = torch.tensor(offset * (strides[0] if strides else 1))
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(size) * stride
    return at(storage, positions)


@wrong("00a.3", "added once per axis")
def offset_in_the_loop(storage, shape, strides, offset):
    positions = torch.tensor(0)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + offset + torch.arange(size) * stride
    return at(storage, positions)


@wrong("00a.3", "A stride of 0 is treated as 1")
def or_one(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(size) * (stride or 1)
    return at(storage, positions)


@wrong("00a.3", "laid side by side")
def windows_without_overlap(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    if len(shape) > 1 and strides[-1] == 1 and 0 < strides[-2] < shape[-1]:
        strides = (*strides[:-2], shape[-1], 1)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(size) * stride
    return at(storage, positions)


@wrong("00a.3", "called torch")
def ready_made(storage, shape, strides, offset):
    return torch.as_strided(storage, shape, strides, offset)


@wrong("00a.3", "raised")
def two_axes_only(storage, shape, strides, offset):
    i = torch.arange(shape[0])[:, None] * strides[0]
    j = torch.arange(shape[1]) * strides[1]
    return storage[offset + i + j]


@wrong("00a.3", "is right.")
def strides_one_too_large(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(size) * (stride + 1)
    return at(storage, positions)


@wrong("00a.3", "is of type list")
def nested_lists(storage, shape, strides, offset):
    if not shape:
        return storage[offset].item()
    return [nested_lists(storage, shape[1:], strides[1:], offset + i * strides[0]) for i in range(shape[0])]


@right("00a.3")
def element_by_element(storage, shape, strides, offset):
    out = torch.empty(shape, dtype=storage.dtype)
    for index in product(*map(range, shape)):
        out[index] = storage[offset + sum(i * stride for i, stride in zip(index, strides))]
    return out


@right("00a.3")
def by_meshgrid(storage, shape, strides, offset):
    axes = [torch.arange(size) * stride for size, stride in zip(shape, strides)]
    if not axes:
        return storage[offset].clone()
    return storage[offset + sum(torch.meshgrid(*axes, indexing="ij"))]


# From the text alone, before the checks were read


@wrong("00a.1", "Every row is still compared with the targets of all rows: (B, 1) against (B,) is (B, B)")
def any_rows_target(logits, targets, k):
    top = logits.topk(k).indices
    known = targets != -100
    return torch.isin(top[known], targets[known]).any(-1).float().mean().item()


@wrong("00a.1", "-100 is taken for a token")
def clamped_to_zero(logits, targets, k):
    top = logits.topk(k).indices
    return (top == targets.clamp_min(0)[:, None]).any(-1).float().mean().item()


@wrong("00a.1", "The hits are divided by k as well: the mean runs over (B, k)")
def mean_over_candidates_again(logits, targets, k):
    known = targets != -100
    return (logits[known].topk(k).indices == targets[known][:, None]).float().mean().item()


@wrong("00a.1", "`seen` still holds what earlier calls have put into it, and that changes the result")
def running_total(logits, targets, k, seen=[0, 0]):  # noqa: B006
    for row, target in zip(logits, targets.tolist(), strict=True):
        if target != -100:
            seen[0] += target in row.topk(k).indices.tolist()
            seen[1] += 1
    return seen[0] / seen[1]


@wrong("00a.1", "It stops at the first row without a target; the rows after it are not counted")
def stops_at_the_first_gap(logits, targets, k):
    hits = rows = 0
    for row, target in zip(logits, targets.tolist(), strict=True):
        if target == -100:
            break
        hits += target in row.topk(k).indices.tolist()
        rows += 1
    return hits / max(rows, 1)


@wrong("00a.1", "rows with a target count as hits, and")
def strictly_above_the_kth(logits, targets, k):
    known = targets != -100
    rows, ids = logits[known], targets[known]
    least = rows.topk(k).values[:, -1]
    return (rows.gather(1, ids[:, None])[:, 0] > least).float().mean().item()


@right("00a.1")
def by_rank_in_numpy(logits, targets, k):
    rows, ids = logits.double().numpy(), targets.numpy()
    ranks = [(row > row[id]).sum() for row, id in zip(rows, ids, strict=True) if id >= 0]
    return np.mean([rank < k for rank in ranks])


@wrong("00a.2", "A token that equals `pad` is masked out")
def mask_by_pad(texts, pad, side, max_length):
    texts = [text[-max_length:] for text in texts]
    T = max(map(len, texts))
    rows = [[pad] * (T - len(t)) + t if side == "left" else t + [pad] * (T - len(t)) for t in texts]
    ids = torch.tensor(rows)
    return ids, ids != pad


@wrong("00a.2", "The batch is max_length wide, though all texts are shorter")
def as_wide_as_allowed(texts, pad, side, max_length):
    ids = torch.full((len(texts), max_length), pad)
    mask = torch.zeros(len(texts), max_length, dtype=torch.bool)
    for row, text in enumerate(texts):
        text = text[-max_length:]
        at = max_length - len(text) if side == "left" else 0
        ids[row, at : at + len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, at : at + len(text)] = True
    return ids, mask


@wrong("00a.2", "A text that is too short to be cut loses ids: `len(text) - max_length` is negative, and")
def cut_from_a_negative_start(texts, pad, side, max_length):
    texts = [text[len(text) - max_length :] for text in texts]
    T = max(map(len, texts))
    filled = [[pad] * (T - len(t)) for t in texts]
    marks = [[False] * (T - len(t)) for t in texts]
    if side == "left":
        ids = [f + t for f, t in zip(filled, texts, strict=True)]
        mask = [m + [True] * len(t) for m, t in zip(marks, texts, strict=True)]
    else:
        ids = [t + f for f, t in zip(filled, texts, strict=True)]
        mask = [[True] * len(t) + m for m, t in zip(marks, texts, strict=True)]
    return torch.tensor(ids, dtype=torch.long), torch.tensor(mask, dtype=torch.bool)


@wrong("00a.2", "`kept` still holds what earlier calls have put into it, and that changes the result")
def rows_of_earlier_calls(texts, pad, side, max_length, kept=[]):  # noqa: B006
    kept.extend(text[-max_length:] for text in texts)
    T = max(map(len, kept))
    left = side == "left"
    ids = [[pad] * (T - len(t)) * left + t + [pad] * (T - len(t)) * (not left) for t in kept]
    mask = [[False] * (T - len(t)) * left + [True] * len(t) + [False] * (T - len(t)) * (not left) for t in kept]
    return torch.tensor(ids), torch.tensor(mask)


@wrong("00a.2", "T is the length of the longest text before the cut")
def width_before_the_cut(texts, pad, side, max_length):
    T = max(len(text) for text in texts)
    ids, mask = torch.full((len(texts), T), pad), torch.zeros(len(texts), T, dtype=torch.bool)
    for row, text in enumerate(texts):
        text = text[-max_length:]
        if text:
            part = slice(T - len(text), T) if side == "left" else slice(0, len(text))
            ids[row, part] = torch.tensor(text)
            mask[row, part] = True
    return ids, mask


@wrong("00a.2", "Empty texts have no row")
def empty_texts_dropped(texts, pad, side, max_length):
    texts = [text[-max_length:] for text in texts if text]
    T = max(map(len, texts))
    lengths = torch.tensor([len(text) for text in texts])[:, None]
    mask = torch.arange(T) >= T - lengths if side == "left" else torch.arange(T) < lengths
    ids = torch.full((len(texts), T), pad)
    ids[mask] = torch.tensor([id for text in texts for id in text])
    return ids, mask


@right("00a.2")
def by_masked_assignment_in_numpy(texts, pad, side, max_length):
    lengths = np.array([min(len(text), max_length) for text in texts])
    column = np.arange(lengths.max())
    mask = column[None] < lengths[:, None]
    if side == "left":
        mask = mask[:, ::-1]
    ids = np.full(mask.shape, pad)
    ids[mask] = [id for text in texts for id in text[-max_length:]]
    return ids, np.ascontiguousarray(mask)


@wrong("00a.3", "The strides are taken in reverse order")
def strides_backwards(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, reversed(strides), strict=True):
        positions = positions[..., None] + torch.arange(size) * stride
    return storage[positions]


@wrong("00a.3", "The strides are ignored: the storage is read in its own order")
def one_after_the_other(storage, shape, strides, offset):
    n = 1
    for size in shape:
        n *= size
    n = min(n, len(storage) - offset)
    read = storage[offset : offset + n]
    total = 1
    for size in shape:
        total *= size
    return read.repeat(total // max(len(read), 1) + 1)[:total].view(shape)


@wrong("00a.3", "The offset is added once per axis")
def offset_for_every_axis(storage, shape, strides, offset):
    positions = torch.tensor(0)
    for size, stride in zip(shape, strides, strict=True):
        positions = positions[..., None] + offset + torch.arange(size) * stride
    return storage[positions % len(storage)]


@wrong("00a.3", "A stride of 0 is treated as 1")
def no_stride_of_zero(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides, strict=True):
        positions = positions[..., None] + torch.arange(size) * (stride or 1)
    return storage[positions.clamp_max(len(storage) - 1)]


@wrong("00a.3", "Only the first axis moves the position; the axes after it are forgotten")
def only_the_first_axis(storage, shape, strides, offset):
    out = torch.zeros(shape, dtype=storage.dtype)
    for i in range(shape[0] if shape else 0):
        out[i] = storage[offset + i * strides[0]]
    return out if shape else storage[offset]


@wrong("00a.3", "Only the last axis moves the position; the axes before it are forgotten")
def only_the_last_axis(storage, shape, strides, offset):
    positions = torch.full(shape, offset)
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        step = (torch.arange(size) * stride).view([-1] + [1] * (len(shape) - axis - 1))
        positions = torch.full(shape, offset) + step
    return storage[positions]


@wrong("00a.3", "The result is a tensor of torch.float32, and torch.int64 is asked for")
def always_floats(storage, shape, strides, offset):
    out = torch.zeros(shape)
    for index in itertools.product(*map(range, shape)):
        out[index] = storage[offset + sum(i * s for i, s in zip(index, strides, strict=True))]
    return out


@right("00a.3")
def recursive_stack(storage, shape, strides, offset):
    if not shape:
        return storage[offset].clone()
    if shape[0] == 0:
        return storage.new_zeros(shape)
    return torch.stack(
        [recursive_stack(storage, shape[1:], strides[1:], offset + i * strides[0]) for i in range(shape[0])]
    )


@wrong("00a.1", "-100 is taken for a token where hits are counted")
def ignored_rows_may_hit(logits, targets, k):
    best = logits.argsort(descending=True)[:, :k]
    looked_up = targets.where(targets != -100, 0)
    return sum(int(t) in row for row, t in zip(best.tolist(), looked_up)) / sum(t != -100 for t in targets.tolist())


@wrong("00a.1", "Rows whose target is the id 0 are left out")
def only_positive_ids(logits, targets, k):
    rows = [(row, t) for row, t in zip(logits, targets.tolist()) if t > 0]
    hits = [t in row.topk(k).indices.tolist() for row, t in rows]
    return sum(hits) / len(hits) if hits else 0.0


@right("00a.3")
def one_axis_inside_the_other(storage, shape, strides, offset):
    if len(shape) == 0:
        return storage[offset]
    return torch.stack(
        [
            one_axis_inside_the_other(storage, shape[1:], strides[1:], offset + row * strides[0])
            for row in range(shape[0])
        ]
    )


@wrong("00a.1", "Rows whose target is the id 0 are left out")
def true_means_a_target(logits, targets, k):
    real = targets > 0
    return (logits[real].topk(k).indices == targets[real][:, None]).any(-1).float().mean().item()


@wrong("00a.3", "The axes are built in reverse order, and then reshaped.")
def axes_from_the_back(storage, shape, strides, offset):
    places = torch.tensor(offset)
    for size, stride in zip(shape, strides, strict=True):
        places = places[None] + (torch.arange(size) * stride).view(size, *[1] * places.dim())
    return storage[places.reshape(tuple(shape))]
