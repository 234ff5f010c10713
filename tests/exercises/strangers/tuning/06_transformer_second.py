"""Answers to assignment 06 from its text alone; this half served to tune the checks."""

import re
from functools import reduce

import numpy as np
import torch
from answers import right, wrong


def rms_norm(x, weight, eps=1e-5):
    """Each row divided by its root mean square, then scaled coordinate by coordinate."""
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


@wrong("06.1", "takes C / H for a head's width and never looks at d_head")
def width_from_the_division(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    width = d_model // n_heads

    def count(experts):
        attention = 2 * d_model * d_model + 2 * d_model * n_kv_heads * width
        block = attention + 2 * d_model + d_model * n_experts + 3 * experts * d_model * d_ff
        return 2 * vocab_size * d_model + n_layers * block + d_model

    return count(n_experts), count(n_chosen)


@wrong("06.1", "the norm behind the last block is missing")
def no_last_norm(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    embeddings = 2 * vocab_size * d_model
    attention = d_model * d_head * (2 * n_heads + 2 * n_kv_heads)
    per_layer = attention + d_model * n_experts + 2 * d_model
    expert = 3 * d_model * d_ff
    total = embeddings + n_layers * (per_layer + n_experts * expert)
    active = embeddings + n_layers * (per_layer + n_chosen * expert)
    return total, active


@wrong("06.1", "each block has two norms, and only one is counted")
def one_norm_in_each_block(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def block(experts):
        attention = 2 * d_model * n_heads * d_head + 2 * d_model * n_kv_heads * d_head
        return d_model + attention + d_model * n_experts + 3 * experts * d_model * d_ff

    rest = 2 * vocab_size * d_model + d_model
    return rest + n_layers * block(n_experts), rest + n_layers * block(n_chosen)


@right("06.1")
def list_of_shapes(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    shapes = {"table": (vocab_size, d_model), "head": (vocab_size, d_model), "last norm": (d_model,)}
    for i in range(n_layers):
        shapes[f"{i} norms"] = (2, d_model)
        shapes[f"{i} query"] = (n_heads * d_head, d_model)
        shapes[f"{i} key"] = (n_kv_heads * d_head, d_model)
        shapes[f"{i} value"] = (n_kv_heads * d_head, d_model)
        shapes[f"{i} output"] = (d_model, n_heads * d_head)
        shapes[f"{i} router"] = (n_experts, d_model)
        shapes[f"{i} experts"] = (n_experts, 3, d_model, d_ff)
    total = 0
    for shape in shapes.values():
        total += reduce(lambda a, b: a * b, shape)
    asleep = n_layers * (n_experts - n_chosen) * 3 * d_model * d_ff
    return total, total - asleep


@wrong("06.1", "keys and values are counted for every head, not for the n_kv_heads only")
def keys_for_every_head(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(k):
        attention = 4 * d_model * n_heads * d_head
        return (
            2 * vocab_size * d_model
            + d_model
            + n_layers * (attention + 2 * d_model + d_model * n_experts + 3 * k * d_model * d_ff)
        )

    return count(n_experts), count(n_chosen)


@wrong("06.1", "the pair is turned round: (active, total)")
def active_first(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    counts = []
    for k in (n_chosen, n_experts):
        attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
        block = attention + 2 * d_model + d_model * n_experts + k * 3 * d_model * d_ff
        counts.append(2 * vocab_size * d_model + n_layers * block + d_model)
    return tuple(counts)


@right("06.1")
def two_running_sums(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    total = active = 0
    for size in (vocab_size * d_model, d_model, d_model * vocab_size):
        total, active = total + size, active + size
    for _ in range(n_layers):
        always = d_model + d_model  # attention's norm, the feed-forward's norm
        always += d_model * (n_heads * d_head)
        always += d_model * (n_kv_heads * d_head)
        always += d_model * (n_kv_heads * d_head)
        always += (n_heads * d_head) * d_model
        always += d_model * n_experts
        total += always
        active += always
        for expert in range(n_experts):
            three = d_ff * d_model + d_ff * d_model + d_model * d_ff
            total += three
            if expert < n_chosen:
                active += three
    return total, active


@wrong("06.1", "of the table only the token's own row is called active; all but the experts not chosen is active")
def one_row_of_the_table(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    shared = vocab_size * d_model + d_model + n_layers * (attention + 2 * d_model + d_model * n_experts)
    expert = n_layers * 3 * d_model * d_ff
    total = vocab_size * d_model + shared + n_experts * expert
    active = d_model + shared + n_chosen * expert
    return total, active


@wrong("06.1", "the active count is a share k / E of everything, but only the experts are used in part")
def a_share_of_everything(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    block = attention + 2 * d_model + d_model * n_experts + n_experts * 3 * d_model * d_ff
    total = 2 * vocab_size * d_model + n_layers * block + d_model
    return total, total * n_chosen // n_experts


@wrong("06.2", "the norms stand behind the sums (post-norm), so the stream is still normalised")
def post_norm(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x = rms_norm(x + mix @ x @ value_weight.T, attention_norm)
    x = rms_norm(x + (x @ up_weight.T).relu() @ down_weight.T, feedforward_norm)
    return x


@right("06.2")
def writes_as_functions(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    def listen(stream):
        return torch.einsum("ts,sc,dc->td", mix, rms_norm(stream, attention_norm), value_weight)

    def think(stream):
        hidden = torch.clamp(torch.einsum("tc,fc->tf", rms_norm(stream, feedforward_norm), up_weight), min=0)
        return torch.einsum("tf,cf->tc", hidden, down_weight)

    return reduce(lambda stream, part: stream + part(stream), (listen, think), x)


@wrong("06.2", "the feed-forward reads the stream as it was before attention wrote to it")
def both_read_the_old_stream(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    heard = mix @ rms_norm(x, attention_norm) @ value_weight.T
    thought = (rms_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return x + heard + thought


@wrong("06.2", "mix is cut to its lower triangle, but its row says what is heard of later tokens, too")
def made_causal(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    read = rms_norm(x, attention_norm)
    x = x + mix.tril() @ read @ value_weight.T
    read = rms_norm(x, feedforward_norm)
    return x + (read @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "torch's rms_norm without eps uses a much smaller one than 1e-5, which shows for small numbers")
def eps_left_to_torch(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    norm = torch.nn.functional.rms_norm
    x = x + mix @ norm(x, x.shape[-1:], attention_norm) @ value_weight.T
    return x + (norm(x, x.shape[-1:], feedforward_norm) @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "mix is read by columns: what token t is heard of, in place of what it hears")
def mix_by_columns(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    values = rms_norm(x, attention_norm) @ value_weight.T
    x = x + torch.einsum("st,sc->tc", mix, values)
    hidden = (rms_norm(x, feedforward_norm) @ up_weight.T).relu()
    return x + hidden @ down_weight.T


@right("06.2")
def in_numpy(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    arrays = (x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight)
    s, m, an, v, fn, u, d = (a.detach().numpy().astype(np.float64) for a in arrays)
    s = s + m @ (s / np.sqrt(np.mean(s**2, axis=1, keepdims=True) + 1e-5) * an) @ v.T
    hidden = (s / np.sqrt(np.mean(s**2, axis=1, keepdims=True) + 1e-5) * fn) @ u.T
    s = s + np.maximum(hidden, 0) @ d.T
    return torch.from_numpy(s).to(x.dtype)


@wrong("06.2", "subtracts the mean as LayerNorm does; the block has RMSNorm")
def layer_norm_by_habit(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    def norm(h, weight):
        mean = h.mean(-1, keepdim=True)
        var = h.var(-1, keepdim=True, unbiased=False)
        return (h - mean) / torch.sqrt(var + 1e-5) * weight

    x = x + mix @ norm(x, attention_norm) @ value_weight.T
    x = x + (norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return x


@wrong("06.2", "GELU in place of the plain ReLU")
def gelu_is_more_modern(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    h = rms_norm(x, attention_norm)
    x = x + mix @ h @ value_weight.T
    h = rms_norm(x, feedforward_norm)
    h = torch.nn.functional.gelu(h @ up_weight.T)
    return x + h @ down_weight.T


@wrong("06.3", "only the matrices are silenced; a bias of output or down still writes to the stream")
def biases_still_speak(weights, after):
    out = {}
    silent = ("attention.output.weight", "feedforward.down.weight")
    for name, w in weights.items():
        parts = name.split(".", 2)
        if parts[0] != "blocks":
            out[name] = w
            continue
        i, rest = int(parts[1]), parts[2]
        j = i + len([a for a in after if a < i])
        out[f"blocks.{j}.{rest}"] = w
        if i in after:
            out[f"blocks.{j + 1}.{rest}"] = torch.zeros_like(w) if rest in silent else w.clone()
    return out


@wrong("06.3", "the silent copy stands in front of its block, not behind it")
def copy_in_front(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        number = int(number)
        new = number + sum(a <= number for a in after)
        deeper[f"blocks.{new}.{rest}"] = weight
        if number in after:
            mute = rest.startswith("attention.output.") or rest.startswith("feedforward.down.")
            deeper[f"blocks.{new - 1}.{rest}"] = torch.zeros_like(weight) if mute else weight
    return deeper


@wrong("06.3", "the same dictionary comes back where nothing is added; it must be a new one")
def nothing_to_add(weights, after):
    if not after:
        return weights
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(a < int(number) for a in after)
        deeper[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            writes = rest.startswith(("attention.output.", "feedforward.down."))
            deeper[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if writes else weight
    return deeper


@right("06.3")
def block_by_block(weights, after):
    blocks, deeper = {}, {}
    for name, tensor in weights.items():
        found = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if found:
            blocks.setdefault(int(found[1]), {})[found[2]] = tensor
        else:
            deeper[name] = tensor.clone()
    stack = []
    for number in sorted(blocks):
        stack.append(blocks[number])
        if number in after:
            silent = dict(blocks[number])
            for part in ("attention.output", "feedforward.down"):
                for end in ("weight", "bias"):
                    if f"{part}.{end}" in silent:
                        silent[f"{part}.{end}"] = torch.zeros_like(silent[f"{part}.{end}"])
            stack.append(silent)
    for number, own in enumerate(stack):
        deeper.update({f"blocks.{number}.{rest}": tensor.clone() for rest, tensor in own.items()})
    return deeper


@wrong("06.3", "finds a block by the beginning of its name: blocks.1 is also the beginning of blocks.10")
def found_by_its_beginning(weights, after):
    n = 1 + max((int(k.split(".")[1]) for k in weights if k.startswith("blocks.")), default=-1)
    out = {k: v for k, v in weights.items() if not k.startswith("blocks.")}
    place = 0
    for i in range(n):
        for silent in (False, True) if i in after else (False,):
            for key, value in weights.items():
                if key.startswith(f"blocks.{i}"):
                    rest = key.split(".", 2)[2]
                    if silent and rest.startswith(("attention.output.", "feedforward.down.")):
                        value = torch.zeros_like(value)
                    out[f"blocks.{place}.{rest}"] = value
            place += 1
    return out


@wrong("06.3", "only the blocks are carried over; the embedding, the last norm and the like are lost")
def loses_what_is_no_block(weights, after):
    deeper = {}
    for name, weight in weights.items():
        match = re.match(r"blocks\.(\d+)\.(.*)", name)
        if not match:
            continue
        number, rest = int(match.group(1)), match.group(2)
        new = number + sum(a < number for a in after)
        deeper[f"blocks.{new}.{rest}"] = weight
        if number in after:
            silent = rest.startswith(("attention.output.", "feedforward.down."))
            deeper[f"blocks.{new + 1}.{rest}"] = weight.new_zeros(weight.shape) if silent else weight
    return deeper


@right("06.3")
def plan_of_sources(weights, after):
    # first a plan: new block number -> (old block number, is it silent?)
    numbers = {int(name.split(".")[1]) for name in weights if name.split(".")[0] == "blocks"}
    plan = []
    for old in range(max(numbers, default=-1) + 1):
        plan.append((old, False))
        if old in set(after):
            plan.append((old, True))
    deeper = {name: w.detach().clone() for name, w in weights.items() if name.split(".")[0] != "blocks"}
    for new, (old, silent) in enumerate(plan):
        for name, w in weights.items():
            if name.startswith(f"blocks.{old}."):
                rest = name[len(f"blocks.{old}.") :]
                part = rest.rpartition(".")[0]
                copied = w.detach().clone()
                if silent and part in ("attention.output", "feedforward.down"):
                    copied.zero_()
                deeper[f"blocks.{new}.{rest}"] = copied
    return deeper


@wrong("06.3", "all copies are put behind the last block, not each behind its own")
def copies_at_the_end(weights, after):
    deeper = dict(weights)
    n = 1 + max((int(k.split(".")[1]) for k in weights if k.startswith("blocks.")), default=-1)
    for extra, number in enumerate(sorted(after)):
        prefix = f"blocks.{number}."
        for name, w in weights.items():
            if name.startswith(prefix):
                rest = name.removeprefix(prefix)
                quiet = rest.startswith(("attention.output.", "feedforward.down."))
                deeper[f"blocks.{n + extra}.{rest}"] = torch.zeros_like(w) if quiet else w
    return deeper


@wrong("06.3", "silences the copy by zeros in its norms, which do not write; output and down must be zero")
def zeros_in_the_norms(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(a < int(number) for a in after)
        deeper[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            quiet = rest.startswith(("attention_norm.", "feedforward_norm."))
            deeper[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if quiet else weight
    return deeper


@wrong("06.4", "each write is divided by its own size, not by that of the stream")
def each_write_by_its_own_size(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
    size = (writes.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@right("06.4")
def what_the_head_looks_for(heads, output_weight, stream, norm, norm_weight, direction):
    # carry the direction back through norm and output matrix, then compare it with each head
    wanted = direction * norm_weight
    if norm == "rmsnorm":
        divisor = torch.sqrt(torch.mean(stream**2) + 1e-5)
    else:
        wanted = wanted - wanted.mean()
        divisor = torch.sqrt(stream.var(unbiased=False) + 1e-5)
    back = (output_weight.T @ wanted).reshape(heads.shape)
    return (heads * back).sum(dim=1) / divisor


@wrong("06.4", "takes every H-th column for a head; head 0 owns the first D, head 1 the next D")
def every_h_th_column(heads, output_weight, stream, norm, norm_weight, direction):
    n = heads.shape[0]
    writes = torch.stack([output_weight[:, i::n] @ heads[i] for i in range(n)])
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@wrong("06.4", "subtracts the mean of the stream from each write, in place of the write's own")
def the_streams_mean_from_each(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        mean = stream.mean()
        writes, stream = writes - mean, stream - mean
    return (writes * norm_weight) @ direction * (stream.square().mean() + 1e-5).rsqrt()


@wrong("06.4", "the mean is taken over the heads (axis 0), not over the C numbers of each write")
def mean_over_the_heads(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(0)
        stream = stream - stream.mean(0)
    divisor = (stream.pow(2).mean() + 1e-5).sqrt()
    return (writes * norm_weight / divisor) @ direction


@wrong("06.4", "compares norm with 'LayerNorm', which it never is, so LayerNorm is treated as RMSNorm")
def spelled_with_capitals(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "LayerNorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@right("06.4")
def silencing_all_other_heads(heads, output_weight, stream, norm, norm_weight, direction):
    n_heads, d = heads.shape
    alone = torch.zeros(n_heads, n_heads, d, dtype=heads.dtype)
    for h in range(n_heads):
        alone[h, h] = heads[h]
    writes = torch.nn.functional.linear(alone.flatten(1), output_weight)
    c = stream.numel()
    centring = torch.eye(c, dtype=heads.dtype)
    if norm == "layernorm":
        centring = centring - 1.0 / c
    still = centring @ stream
    return writes @ centring @ (norm_weight * direction) * torch.rsqrt(still @ still / c + 1e-5)


@wrong("06.4", "the shares are divided by their sum, so they say how much of the lead and not how large it is")
def shares_that_sum_to_one(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    shares = (writes / size * norm_weight) @ direction
    return shares / shares.sum()


@wrong("06.4", "-= subtracts the mean from the caller's stream")
def centres_the_stream_in_place(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes -= writes.mean(-1, keepdim=True)
        stream -= stream.mean()
    return (writes * norm_weight) @ direction / (stream.square().mean() + 1e-5).sqrt()
