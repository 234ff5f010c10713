"""Assignment 00a, new answers from the text alone; every second wrong one is only scored."""

import itertools

import numpy as np
import torch
from answers import right, wrong


@wrong("00a.1", "It compares with the targets of all rows: a target of any row counts as a hit.")
def any_rows_target(logits, targets, k):
    top = logits.topk(k).indices
    known = targets != -100
    return torch.isin(top[known], targets[known]).any(-1).float().mean().item()


@wrong("00a.1", "A row without a target is counted as though its target were id 0.")
def clamped_to_zero(logits, targets, k):
    top = logits.topk(k).indices
    return (top == targets.clamp_min(0)[:, None]).any(-1).float().mean().item()


@wrong("00a.1", "The mean is taken over rows and candidates, so a hit counts 1/k only.")
def mean_over_candidates(logits, targets, k):
    known = targets != -100
    return (logits[known].topk(k).indices == targets[known][:, None]).float().mean().item()


@wrong("00a.1", "Hits and rows of earlier calls are kept in a mutable default and counted again.")
def running_total(logits, targets, k, seen=[0, 0]):  # noqa: B006
    for row, target in zip(logits, targets.tolist(), strict=True):
        if target != -100:
            seen[0] += target in row.topk(k).indices.tolist()
            seen[1] += 1
    return seen[0] / seen[1]


@wrong("00a.1", "It stops at the first row without a target (break for continue).")
def stops_at_the_first_gap(logits, targets, k):
    hits = rows = 0
    for row, target in zip(logits, targets.tolist(), strict=True):
        if target == -100:
            break
        hits += target in row.topk(k).indices.tolist()
        rows += 1
    return hits / max(rows, 1)


@wrong("00a.1", "The target must be larger than the k-th largest logit, so the k-th itself doesn't count.")
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


@wrong("00a.2", "The mask is computed from the ids, so a real token with the id `pad` is False.")
def mask_by_pad(texts, pad, side, max_length):
    texts = [text[-max_length:] for text in texts]
    T = max(map(len, texts))
    rows = [[pad] * (T - len(t)) + t if side == "left" else t + [pad] * (T - len(t)) for t in texts]
    ids = torch.tensor(rows)
    return ids, ids != pad


@wrong("00a.2", "Every row is padded to max_length, not to the longest text.")
def as_wide_as_allowed(texts, pad, side, max_length):
    ids = torch.full((len(texts), max_length), pad)
    mask = torch.zeros(len(texts), max_length, dtype=torch.bool)
    for row, text in enumerate(texts):
        text = text[-max_length:]
        at = max_length - len(text) if side == "left" else 0
        ids[row, at : at + len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, at : at + len(text)] = True
    return ids, mask


@wrong("00a.2", "text[len(text) - max_length:] has a negative start for a short text and cuts it as well.")
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


@wrong("00a.2", "The rows of earlier calls stay in a mutable default and are padded again.")
def rows_of_earlier_calls(texts, pad, side, max_length, kept=[]):  # noqa: B006
    kept.extend(text[-max_length:] for text in texts)
    T = max(map(len, kept))
    left = side == "left"
    ids = [[pad] * (T - len(t)) * left + t + [pad] * (T - len(t)) * (not left) for t in kept]
    mask = [[False] * (T - len(t)) * left + [True] * len(t) + [False] * (T - len(t)) * (not left) for t in kept]
    return torch.tensor(ids), torch.tensor(mask)


@wrong("00a.2", "T is the longest text before the cut, so there are columns of padding only.")
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


@wrong("00a.2", "Empty texts are dropped, and a row of padding is asked for.")
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


@wrong("00a.3", "The strides are used in reverse order: the last axis gets the first stride.")
def strides_backwards(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, reversed(strides), strict=True):
        positions = positions[..., None] + torch.arange(size) * stride
    return storage[positions]


@wrong("00a.3", "The strides are ignored; the numbers are read one after the other from the offset on.")
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


@wrong("00a.3", "The offset is added once per axis, not once.")
def offset_for_every_axis(storage, shape, strides, offset):
    positions = torch.tensor(0)
    for size, stride in zip(shape, strides, strict=True):
        positions = positions[..., None] + offset + torch.arange(size) * stride
    return storage[positions % len(storage)]


@wrong("00a.3", "A stride of 0 is replaced by 1 (`stride or 1`).")
def no_stride_of_zero(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides, strict=True):
        positions = positions[..., None] + torch.arange(size) * (stride or 1)
    return storage[positions.clamp_max(len(storage) - 1)]


@wrong("00a.3", "`=` for `+=`: only the last axis moves the position, earlier axes are forgotten.")
def only_the_last_axis(storage, shape, strides, offset):
    positions = torch.full(shape, offset)
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        step = (torch.arange(size) * stride).view([-1] + [1] * (len(shape) - axis - 1))
        positions = torch.full(shape, offset) + step
    return storage[positions]


@wrong("00a.3", "The numbers come back as float32, not in the dtype of the storage.")
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
