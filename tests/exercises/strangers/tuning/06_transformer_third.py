"""Answers to assignment 06 from its text alone; this set served to tune the checks."""

import math
import re

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 06.1


@wrong("06.1", "ties the head to the table and counts their matrix once")
def tied_head(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(experts):
        attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
        block = attention + 2 * d_model + d_model * n_experts + experts * 3 * d_model * d_ff
        return vocab_size * d_model + n_layers * block + d_model

    return count(n_experts), count(n_chosen)


@wrong("06.1", "lets a token use only those columns of the router that belong to the chosen experts")
def router_for_the_chosen(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    rest = 2 * vocab_size * d_model + n_layers * (attention + 2 * d_model) + d_model
    one = n_layers * (3 * d_model * d_ff + d_model)
    return rest + n_experts * one, rest + n_chosen * one


@wrong("06.1", "takes a head to be C / H wide and does not look at d_head")
def width_from_division(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    width = d_model // n_heads
    attention = 2 * d_model * n_heads * width + 2 * d_model * n_kv_heads * width
    fixed = 2 * vocab_size * d_model + d_model + n_layers * (attention + 2 * d_model + d_model * n_experts)
    return tuple(fixed + n_layers * e * 3 * d_model * d_ff for e in (n_experts, n_chosen))


@wrong("06.1", "forgets the norm behind the last block")
def no_last_norm(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    expert = 3 * d_model * d_ff
    same = d_model * (2 * n_heads * d_head + 2 * n_kv_heads * d_head + n_experts + 2)
    total = 2 * vocab_size * d_model + n_layers * (same + n_experts * expert)
    return total, total - n_layers * (n_experts - n_chosen) * expert


@wrong("06.1", "gives keys and values as many heads as queries have")
def keys_for_every_head(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    q = k = v = o = d_model * n_heads * d_head
    block = q + k + v + o + 2 * d_model + n_experts * d_model
    rest = 2 * vocab_size * d_model + d_model + n_layers * block
    return rest + n_layers * n_experts * 3 * d_model * d_ff, rest + n_layers * n_chosen * 3 * d_model * d_ff


@wrong("06.1", "adds up in float32, which has seven digits only")
def counted_in_float32(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(experts):
        block = torch.tensor(
            [2 * d_model * n_heads * d_head, 2 * d_model * n_kv_heads * d_head, 2 * d_model, d_model * n_experts]
            + [d_model * d_ff] * (3 * experts),
            dtype=torch.float32,
        )
        return int(n_layers * block.sum() + 2 * vocab_size * d_model + d_model)

    return count(n_experts), count(n_chosen)


@wrong("06.1", "takes k / E of the whole model as active, as if all parameters were experts")
def a_share_of_everything(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    block = 2 * d_model * d_head * (n_heads + n_kv_heads) + d_model * (2 + n_experts + 3 * n_experts * d_ff)
    total = d_model * (2 * vocab_size + 1) + n_layers * block
    return total, total * n_chosen // n_experts


@wrong("06.1", "counts only one row of the table as active, because a token reads no other")
def one_row_is_active(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    rest = vocab_size * d_model + d_model + n_layers * (attention + 2 * d_model + d_model * n_experts)
    expert = 3 * d_model * d_ff * n_layers
    return rest + vocab_size * d_model + n_experts * expert, rest + d_model + n_chosen * expert


@right("06.1")
def shapes_in_a_list(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    once = [(vocab_size, d_model), (d_model,), (d_model, vocab_size)]
    q, kv = (d_model, n_heads * d_head), (d_model, n_kv_heads * d_head)
    block = [q, q, kv, kv, (d_model,), (d_model,), (d_model, n_experts)]
    expert = [(d_model, d_ff), (d_model, d_ff), (d_ff, d_model)]
    total = sum(map(math.prod, once + n_layers * (block + n_experts * expert)))
    idle = sum(map(math.prod, n_layers * (n_experts - n_chosen) * expert))
    return total, total - idle


@right("06.1")
def everything_is_a_multiple_of_c(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen
):
    rows = 2 * vocab_size + 1
    rows += n_layers * (2 * (n_heads + n_kv_heads) * d_head + 2 + n_experts)
    active = rows + 3 * n_layers * n_chosen * d_ff
    total = rows + 3 * n_layers * n_experts * d_ff
    return d_model * total, d_model * active


# 06.2


def _norm(x, weight):
    return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * weight


@wrong("06.2", "mends the attention only; the feed-forward still puts its normalised copy in place of the stream")
def half_mended(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    copy = _norm(x, attention_norm)
    x = x + mix @ copy @ value_weight.T
    x = _norm(x, feedforward_norm)
    return x + (x @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "puts the norms behind the writes, as in the transformer of 2017")
def norm_behind_the_sum(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = _norm(x + mix @ x @ value_weight.T, attention_norm)
    return _norm(x + F.relu(F.linear(x, up_weight)) @ down_weight.T, feedforward_norm)


@wrong("06.2", "lets the feed-forward read the stream before the attention has written (a parallel block)")
def side_by_side(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    heard = mix @ _norm(x, attention_norm) @ value_weight.T
    thought = (_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return x + heard + thought


@wrong("06.2", "uses the norm of torch with its own, much smaller eps")
def eps_of_torch(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    size = x.shape[-1:]
    x = x + mix @ F.rms_norm(x, size, attention_norm) @ value_weight.T
    return x + F.relu(F.rms_norm(x, size, feedforward_norm) @ up_weight.T) @ down_weight.T


@wrong("06.2", "masks what a token hears of later ones, though mix is given as it shall be")
def masks_the_future(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = x + torch.tril(mix) @ _norm(x, attention_norm) @ value_weight.T
    return x + (_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "writes into the stream that it was given (+= in place)")
def writes_in_place(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x += mix @ _norm(x, attention_norm) @ value_weight.T
    x += (_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return x


@wrong("06.2", "multiplies by value_weight the wrong way round; it is square, so nothing is raised")
def values_not_transposed(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = x + mix @ (_norm(x, attention_norm) @ value_weight)
    return x + (_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "adds the feed-forward to the stream as it came in, and what the attention wrote is lost")
def attention_is_lost(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    middle = x + mix @ _norm(x, attention_norm) @ value_weight.T
    return x + (_norm(middle, feedforward_norm) @ up_weight.T).relu() @ down_weight.T


@right("06.2")
def token_by_token_numpy(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    names = (x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight)
    s, m, a, v, f, u, d = (w.detach().double().numpy() for w in names)

    def read(row, weight):
        return row / np.sqrt(np.mean(row**2) + 1e-5) * weight

    heard = [v @ read(row, a) for row in s]
    out = np.empty_like(s)
    for t in range(len(s)):
        row = s[t] + sum(m[t, j] * heard[j] for j in range(len(s)))
        out[t] = row + d @ np.maximum(u @ read(row, f), 0)
    return torch.from_numpy(out).to(x.dtype)


@right("06.2")
def length_taken_out_and_put_back(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    def write(stream, weight, part):
        size = (stream.pow(2).sum(-1) / stream.shape[-1]).add(1e-5).sqrt().unsqueeze(-1)
        return torch.add(stream, part(weight * (stream / size)))

    parts = [
        (attention_norm, lambda c: F.linear(torch.einsum("tj,jc->tc", mix, c), value_weight)),
        (feedforward_norm, lambda c: F.linear(F.linear(c, up_weight).clamp(min=0), down_weight)),
    ]
    for weight, part in parts:
        x = write(x, weight, part)
    return x


# 06.3


@wrong("06.3", "fills the whole new block with zeros, so it can never learn")
def zeros_everywhere(weights, after):
    new = {}
    for name, w in weights.items():
        if not name.startswith("blocks."):
            new[name] = w
            continue
        _, number, rest = name.split(".", 2)
        seat = int(number) + sum(a < int(number) for a in after)
        new[f"blocks.{seat}.{rest}"] = w
        if int(number) in after:
            new[f"blocks.{seat + 1}.{rest}"] = torch.zeros_like(w)
    return new


@wrong("06.3", "silences the matrices but not the biases, which write to the stream as well")
def biases_still_speak(weights, after):
    silent = ("attention.output.weight", "feedforward.down.weight")
    new = {}
    for name, w in weights.items():
        parts = name.split(".")
        if parts[0] != "blocks":
            new[name] = w
            continue
        i = int(parts[1])
        rest = ".".join(parts[2:])
        j = i + len([a for a in after if a < i])
        new["blocks." + str(j) + "." + rest] = w
        if i in after:
            new["blocks." + str(j + 1) + "." + rest] = torch.zeros_like(w) if rest in silent else w
    return new


@wrong("06.3", "puts the copies in one at a time and forgets that the numbers behind have moved meanwhile")
def forgets_that_numbers_move(weights, after):
    result = dict(weights)
    for a in sorted(after):
        old, result = result, {}
        for name, w in old.items():
            if not name.startswith("blocks."):
                result[name] = w
                continue
            _, number, rest = name.split(".", 2)
            i = int(number)
            result[f"blocks.{i + (i > a)}.{rest}"] = w
            if i == a:
                mute = rest.startswith(("attention.output.", "feedforward.down."))
                result[f"blocks.{i + 1}.{rest}"] = torch.zeros_like(w) if mute else w
    return result


@wrong("06.3", "makes the zeros in float32, whatever dtype the matrix has")
def zeros_in_float32(weights, after):
    new = {}
    for name, w in weights.items():
        m = re.fullmatch(r"blocks\.(\d+)\.(.*)", name)
        if m is None:
            new[name] = w
            continue
        i, rest = int(m[1]), m[2]
        shift = sum(1 for a in after if a < i)
        new[f"blocks.{i + shift}.{rest}"] = w
        if i in after:
            writes = "attention.output." in rest or "feedforward.down." in rest
            new[f"blocks.{i + shift + 1}.{rest}"] = torch.zeros(w.shape) if writes else w
    return new


@wrong("06.3", "gives back the very dictionary that it was given if nothing is added")
def the_same_dictionary(weights, after):
    if not after:
        return weights
    new = {}
    for name, w in weights.items():
        if not name.startswith("blocks."):
            new[name] = w
            continue
        _, number, rest = name.split(".", 2)
        i = int(number)
        j = i + sum(a < i for a in after)
        new[f"blocks.{j}.{rest}"] = w
        if i in after:
            mute = rest.startswith(("attention.output.", "feedforward.down."))
            new[f"blocks.{j + 1}.{rest}"] = torch.zeros_like(w) if mute else w
    return new


@wrong("06.3", "reads only one digit of the block's number")
def one_digit_only(weights, after):
    new = {}
    for name, w in weights.items():
        if name[:7] != "blocks.":
            new[name] = w
            continue
        i, rest = int(name[7]), name[8:]
        j = i + sum(a < i for a in after)
        new[f"blocks.{j}{rest}"] = w
        if i in after:
            mute = ".attention.output." in rest or ".feedforward.down." in rest
            new[f"blocks.{j + 1}{rest}"] = torch.zeros_like(w) if mute else w
    return new


@wrong("06.3", "empties the copy in place; it is the same tensor, so the old block falls silent too")
def silences_the_original(weights, after):
    blocks, new = {}, {}
    for name, w in weights.items():
        if name.startswith("blocks."):
            _, i, rest = name.split(".", 2)
            blocks.setdefault(int(i), {})[rest] = w
        else:
            new[name] = w
    order = []
    for i in sorted(blocks):
        order.append(blocks[i])
        if i in after:
            copy = dict(blocks[i])
            for rest in copy:
                if rest.startswith(("attention.output.", "feedforward.down.")):
                    copy[rest].zero_()
            order.append(copy)
    for j, block in enumerate(order):
        new.update({f"blocks.{j}.{rest}": w for rest, w in block.items()})
    return new


@wrong("06.3", "sorts the block numbers as text, where 10 comes before 2")
def sorted_as_text(weights, after):
    numbers = sorted({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    new = {name: w for name, w in weights.items() if not name.startswith("blocks.")}
    j = 0
    for number in numbers:
        head = f"blocks.{number}."
        own = {name[len(head) :]: w for name, w in weights.items() if name.startswith(head)}
        for rest, w in own.items():
            new[f"blocks.{j}.{rest}"] = w
        j += 1
        if int(number) in after:
            for rest, w in own.items():
                quiet = rest.startswith(("attention.output.", "feedforward.down."))
                new[f"blocks.{j}.{rest}"] = w * 0 if quiet else w
            j += 1
    return new


@right("06.3")
def from_the_back(weights, after):
    result = {name: w.clone() for name, w in weights.items()}
    for a in sorted(after, reverse=True):
        moved = {}
        for name, w in result.items():
            m = re.match(r"blocks\.(\d+)\.", name)
            i = int(m[1]) if m else -1
            rest = name[m.end() :] if m else name
            moved[f"blocks.{i + 1}.{rest}" if i > a else name] = w
            if i == a:
                quiet = re.match(r"(attention\.output|feedforward\.down)\.", rest)
                moved[f"blocks.{i + 1}.{rest}"] = torch.zeros_like(w) if quiet else w.clone()
        result = moved
    return result


@right("06.3")
def list_of_sources(weights, after):
    numbers = sorted({int(n.split(".")[1]) for n in weights if n.startswith("blocks.")})
    plan = [(i, loud) for i in numbers for loud in ((True, False) if i in set(after) else (True,))]
    out = {n: w for n, w in weights.items() if not n.startswith("blocks.")}
    for seat, (source, loud) in enumerate(plan):
        for n, w in weights.items():
            pieces = n.split(".")
            if pieces[:2] == ["blocks", str(source)]:
                mute = not loud and pieces[2:4] in (["attention", "output"], ["feedforward", "down"])
                out[".".join(["blocks", str(seat), *pieces[2:]])] = w.new_zeros(w.shape) if mute else w
    return out


# 06.4


@wrong("06.4", "cuts the output matrix by reshaping it to (H, C, D), which gives the heads rows and not columns")
def reshape_is_not_transpose(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    own = output_weight.reshape(h, len(stream), d)
    writes = torch.einsum("hcd,hd->hc", own, heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    return writes / (stream.square().mean() + 1e-5).sqrt() * norm_weight @ direction


@wrong("06.4", "divides each write by its own size and not by that of the stream")
def each_by_its_own_size(heads, output_weight, stream, norm, norm_weight, direction):
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, heads.shape), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
    size = (writes.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@wrong("06.4", "leaves out eps, which counts where the stream is small")
def without_eps(heads, output_weight, stream, norm, norm_weight, direction):
    writes = torch.stack([w @ h for w, h in zip(output_weight.chunk(len(heads), 1), heads, strict=True)])
    if norm == "layernorm":
        writes = writes - writes.mean(1)[:, None]
        stream = stream - stream.mean()
    return writes @ (norm_weight * direction) / stream.square().mean().sqrt()


@wrong("06.4", "takes the variance with C - 1 for LayerNorm, which is torch's default for var")
def variance_with_one_less(heads, output_weight, stream, norm, norm_weight, direction):
    writes = torch.stack([w @ h for w, h in zip(output_weight.chunk(len(heads), 1), heads, strict=True)])
    if norm == "layernorm":
        writes = writes - writes.mean(1, keepdim=True)
        power = stream.var()
    else:
        power = stream.pow(2).mean()
    return writes @ (norm_weight * direction) / torch.sqrt(power + 1e-5)


@wrong("06.4", "does not subtract the writes' own means for LayerNorm")
def means_of_writes_kept(heads, output_weight, stream, norm, norm_weight, direction):
    n_heads, width = heads.shape
    if norm == "layernorm":
        stream = stream - stream.mean()
    ruler = norm_weight * direction / (stream.square().mean() + 1e-5).sqrt()
    shares = []
    for i in range(n_heads):
        write = output_weight[:, i * width : (i + 1) * width] @ heads[i]
        shares.append(write @ ruler)
    return torch.stack(shares)


@wrong("06.4", "gives head i every H-th column, as if the heads lay in turns and not one behind the other")
def heads_in_turns(heads, output_weight, stream, norm, norm_weight, direction):
    n = len(heads)
    writes = torch.stack([output_weight[:, i::n] @ heads[i] for i in range(n)])
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    return (writes / (stream.square().mean() + 1e-5).sqrt() * norm_weight) @ direction


@wrong("06.4", "subtracts the mean of the stream from each head's write, not the write's own")
def stream_mean_from_each(heads, output_weight, stream, norm, norm_weight, direction):
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, heads.shape), heads)
    if norm == "layernorm":
        mean = stream.mean()
        writes, stream = writes - mean, stream - mean
    size = torch.sqrt((stream * stream).mean() + 1e-5)
    return (writes * norm_weight / size) @ direction


@wrong("06.4", "divides by the RMS of the stream also for LayerNorm, where it should be the standard deviation")
def rms_for_both(heads, output_weight, stream, norm, norm_weight, direction):
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, heads.shape), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
    return (writes * norm_weight * (stream.square().mean() + 1e-5).rsqrt()) @ direction


@right("06.4")
def direction_pulled_back(heads, output_weight, stream, norm, norm_weight, direction):
    pull = (norm_weight * direction).double()
    power = stream.double().square().mean()
    if norm == "layernorm":
        pull = pull - pull.mean()
        power = stream.double().var(unbiased=False)
    felt = (output_weight.double().T @ pull).view(heads.shape)
    return ((felt * heads.double()).sum(1) / (power + 1e-5).sqrt()).to(heads.dtype)


@right("06.4")
def one_head_at_a_time_numpy(heads, output_weight, stream, norm, norm_weight, direction):
    h, w, s, g, d = (t.detach().double().numpy() for t in (heads, output_weight, stream, norm_weight, direction))
    c = s.size
    center = np.eye(c) - 1 / c if norm == "layernorm" else np.eye(c)
    size = math.sqrt(np.mean((center @ s) ** 2) + 1e-5)
    shares = []
    for i in range(h.shape[0]):
        alone = np.zeros_like(h)
        alone[i] = h[i]
        shares.append(d @ (g * (center @ (w @ alone.ravel()))) / size)
    return torch.tensor(shares, dtype=heads.dtype)
