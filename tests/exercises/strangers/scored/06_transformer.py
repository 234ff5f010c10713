"""Answers to assignment 06 from its text alone; this set is only scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("06.1", "counts one matrix for table and head, as if they were tied")
def tied_table(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(e):
        attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
        return (
            vocab_size * d_model
            + d_model
            + n_layers * (attention + 2 * d_model + d_model * n_experts + e * 3 * d_model * d_ff)
        )

    return count(n_experts), count(n_chosen)


@wrong("06.1", "takes C / H for the width of a head and does not look at D")
def head_width_from_model(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    width = d_model // n_heads
    rest = 2 * vocab_size * d_model + d_model
    per_block = 2 * d_model * n_heads * width + 2 * d_model * n_kv_heads * width + 2 * d_model + d_model * n_experts
    expert = 3 * d_model * d_ff
    return rest + n_layers * (per_block + n_experts * expert), rest + n_layers * (per_block + n_chosen * expert)


@wrong("06.1", "counts in the active price only the router's columns of the chosen experts")
def router_in_part(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def price(experts):
        block = (n_heads + n_kv_heads) * d_head * d_model * 2
        block += 2 * d_model
        block += experts * (3 * d_model * d_ff + d_model)
        return 2 * vocab_size * d_model + n_layers * block + d_model

    return price(n_experts), price(n_chosen)


@wrong("06.1", "leaves out the norm behind the last block")
def no_final_norm(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = d_model * n_heads * d_head * 2 + d_model * n_kv_heads * d_head * 2
    shared = attention + d_model * 2 + d_model * n_experts
    total = vocab_size * d_model * 2 + n_layers * (shared + n_experts * d_model * d_ff * 3)
    return total, total - n_layers * (n_experts - n_chosen) * d_model * d_ff * 3


@wrong("06.1", "leaves the table out of the active ones, because a token reads but one row of it")
def table_not_active(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    C, V = d_model, vocab_size
    fixed = n_layers * (2 * C * d_head * (n_heads + n_kv_heads) + 2 * C + C * n_experts) + C
    expert = n_layers * 3 * C * d_ff
    return 2 * V * C + fixed + n_experts * expert, V * C + fixed + n_chosen * expert


@right("06.1")
def list_of_shapes(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    once = [(vocab_size, d_model), (d_model, vocab_size), (d_model,)]
    block = [(d_model,), (d_model,), (d_model, n_experts)]
    block += [(n_heads * d_head, d_model), (d_model, n_heads * d_head)]
    block += [(n_kv_heads * d_head, d_model)] * 2
    expert = [(d_ff, d_model)] * 2 + [(d_model, d_ff)]
    always = sum(map(math.prod, once)) + n_layers * sum(map(math.prod, block))
    each = n_layers * sum(map(math.prod, expert))
    return always + n_experts * each, always + n_chosen * each


def _rms(x, weight, eps=1e-5):
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


@wrong("06.2", "mends the attention only; the feed-forward still replaces the stream by its normalised copy")
def half_mended(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = x + mix @ _rms(x, attention_norm) @ value_weight.T
    x = _rms(x, feedforward_norm)
    return x + (x @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "the feed-forward reads the stream as it was before attention, as in a parallel block")
def parallel_block(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    heard = mix @ _rms(x, attention_norm) @ value_weight.T
    thought = (_rms(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return x + heard + thought


@wrong("06.2", "post-norm: normalises after each addition and does not normalise what is read")
def norm_behind(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = _rms(x + mix @ x @ value_weight.T, attention_norm)
    return _rms(x + (x @ up_weight.T).relu() @ down_weight.T, feedforward_norm)


@wrong("06.2", "uses an eps of 1e-8 in the norm, where the text has 1e-5")
def other_eps(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    c = x.shape[-1]
    x = x + mix @ F.rms_norm(x, (c,), attention_norm, 1e-8) @ value_weight.T
    return x + F.relu(F.rms_norm(x, (c,), feedforward_norm, 1e-8) @ up_weight.T) @ down_weight.T


@wrong("06.2", "cuts the mix to its lower triangle, though later tokens may be heard, too")
def causal_anyway(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    read = _rms(x, attention_norm)
    x = x + mix.tril() @ read @ value_weight.T
    read = _rms(x, feedforward_norm)
    return x + (read @ up_weight.T).clamp(min=0) @ down_weight.T


@right("06.2")
def token_by_token(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    def unit(v):
        return v / torch.sqrt(v.dot(v) / len(v) + 1e-5)

    values = torch.stack([value_weight @ (unit(row) * attention_norm) for row in x])
    rows = []
    for t, old in enumerate(x):
        new = old + (mix[t][:, None] * values).sum(0)
        h = up_weight @ (unit(new) * feedforward_norm)
        rows.append(new + down_weight @ torch.where(h > 0, h, 0.0))
    return torch.stack(rows)


def _new_number(old, after):
    return old + sum(a < old for a in after)


@wrong("06.3", "zeroes only what ends in .weight; the silent copy's biases still write to the stream")
def biases_still_speak(weights, after):
    out = {}
    for name, w in weights.items():
        parts = name.split(".")
        if parts[0] != "blocks":
            out[name] = w.clone()
            continue
        old = int(parts[1])
        rest = ".".join(parts[2:])
        new = _new_number(old, after)
        out[f"blocks.{new}.{rest}"] = w.clone()
        if old in after:
            mute = rest in ("attention.output.weight", "feedforward.down.weight")
            out[f"blocks.{new + 1}.{rest}"] = torch.zeros_like(w) if mute else w.clone()
    return out


@wrong("06.3", "zeroes the whole copy, not only what writes to the stream")
def everything_zero(weights, after):
    result = {}
    for name, w in weights.items():
        if not name.startswith("blocks."):
            result[name] = w
            continue
        _, number, rest = name.split(".", 2)
        b = int(number)
        moved = b + len([a for a in after if a < b])
        result[f"blocks.{moved}.{rest}"] = w
        if b in after:
            result[f"blocks.{moved + 1}.{rest}"] = torch.zeros_like(w)
    return result


@wrong("06.3", "silences the old block and leaves the copy behind it speaking")
def silent_one_in_front(weights, after):
    result = {}
    for name, w in weights.items():
        if not name.startswith("blocks."):
            result[name] = w
            continue
        _, number, rest = name.split(".", 2)
        b = int(number)
        moved = _new_number(b, after)
        if b in after:
            result[f"blocks.{moved + 1}.{rest}"] = w
            if rest.startswith(("attention.output.", "feedforward.down.")):
                w = torch.zeros_like(w)
        result[f"blocks.{moved}.{rest}"] = w
    return result


@wrong("06.3", "counts the numbers of after in their given order, so unsorted ones move the blocks wrongly")
def after_taken_as_sorted(weights, after):
    moved_by, queue = {}, list(after)
    blocks = sorted({int(n.split(".")[1]) for n in weights if n.startswith("blocks.")})
    behind, copied = 0, set()
    for b in blocks:
        moved_by[b] = b + behind
        if queue and queue[0] == b:
            queue.pop(0)
            copied.add(b)
            behind += 1
    out = {}
    for name, w in weights.items():
        if not name.startswith("blocks."):
            out[name] = w
            continue
        _, b, rest = name.split(".", 2)
        out[f"blocks.{moved_by[int(b)]}.{rest}"] = w
        if int(b) in copied:
            mute = rest.startswith(("attention.output.", "feedforward.down."))
            out[f"blocks.{moved_by[int(b)] + 1}.{rest}"] = w * 0 if mute else w
    return out


@wrong("06.3", "makes the zeros with torch.zeros, in float32 whatever the dtype of the old tensor")
def zeros_in_float32(weights, after):
    new = {}
    for name, w in weights.items():
        if name.startswith("blocks."):
            _, b, rest = name.split(".", 2)
            to = _new_number(int(b), after)
            new[f"blocks.{to}.{rest}"] = w
            if int(b) in after:
                writes = "attention.output." in rest or "feedforward.down." in rest
                new[f"blocks.{to + 1}.{rest}"] = torch.zeros(w.shape) if writes else w
        else:
            new[name] = w
    return new


@right("06.3")
def a_plan_of_old_blocks(weights, after):
    inside, result = {}, {}
    for name, w in weights.items():
        if name.startswith("blocks."):
            _, b, rest = name.split(".", 2)
            inside.setdefault(int(b), {})[rest] = w
        else:
            result[name] = w.clone()
    plan = []
    for b in sorted(inside):
        plan += [(b, False), (b, True)] if b in after else [(b, False)]
    for place, (b, silent) in enumerate(plan):
        for rest, w in inside[b].items():
            mute = silent and rest.rsplit(".", 1)[0] in {"attention.output", "feedforward.down"}
            result[f"blocks.{place}.{rest}"] = w.new_zeros(w.shape) if mute else w.clone()
    return result


@wrong("06.4", "gives head h every H-th column of the output matrix in place of D neighbouring ones")
def strided_columns(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    per_head = output_weight.unflatten(1, (D, H))
    writes = torch.einsum("cdh,hd->hc", per_head, heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    return writes / (stream.square().mean() + 1e-5).sqrt() * norm_weight @ direction


@wrong("06.4", "divides each head's write by that write's own size, not by the stream's")
def own_divisor(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    shares = []
    for h in range(H):
        w = output_weight[:, h * D : (h + 1) * D] @ heads[h]
        if norm == "layernorm":
            w = w - w.mean()
        shares.append((w / (w.square().mean() + 1e-5).sqrt() * norm_weight) @ direction)
    return torch.stack(shares)


@wrong("06.4", "with LayerNorm subtracts the stream's mean from each write in place of the write's own")
def mean_of_the_stream(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    writes = torch.stack([output_weight[:, h * D : (h + 1) * D] @ heads[h] for h in range(H)])
    if norm == "layernorm":
        writes = writes - stream.mean()
        size = (stream.var(unbiased=False) + 1e-5).sqrt()
    else:
        size = (stream.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@wrong("06.4", "takes the standard deviation with n - 1 for LayerNorm's divisor")
def bessel_divisor(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.reshape(-1, H, D), heads)
    if norm == "rmsnorm":
        divisor = torch.sqrt((stream**2).mean() + 1e-5)
    else:
        writes = writes - writes.mean(1, keepdim=True)
        divisor = torch.sqrt(stream.var() + 1e-5)
    return (writes / divisor * norm_weight) @ direction


@wrong("06.4", "adds eps to the root and not under it")
def eps_outside(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    w = output_weight.detach().numpy().reshape(-1, H, D)
    writes = np.einsum("chd,hd->hc", w, heads.numpy())
    s = stream.numpy()
    if norm == "layernorm":
        writes = writes - writes.mean(axis=1, keepdims=True)
        s = s - s.mean()
    out = writes / (np.sqrt((s**2).mean()) + 1e-5) * norm_weight.numpy() @ direction.numpy()
    return torch.from_numpy(out)


@right("06.4")
def pull_the_direction_back(heads, output_weight, stream, norm, norm_weight, direction):
    reader = norm_weight * direction
    if norm == "layernorm":
        reader = reader - reader.mean()
        size = torch.sqrt(stream.var(correction=0) + 1e-5)
    else:
        size = torch.sqrt(stream.square().mean() + 1e-5)
    per_column = reader @ output_weight / size
    return (heads.flatten() * per_column).view(heads.shape).sum(1)
