"""Answers to assignment 06 from its text alone; this half is for tuning the check."""

import copy

import numpy as np
import torch
from answers import right, wrong


def rms_norm(x, weight, eps=1e-5):
    """Each row divided by its root mean square, then scaled coordinate by coordinate."""
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


@wrong("06.1", "counts table and head as one matrix, but here the head is not tied to the table")
def tied_head(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    block = attention + 2 * d_model + d_model * n_experts
    rest = vocab_size * d_model + n_layers * block + d_model
    expert = n_layers * 3 * d_model * d_ff
    return rest + n_experts * expert, rest + n_chosen * expert


@right("06.1")
def count_with_experts_left_open(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(experts):
        attention = 2 * d_model * n_heads * d_head + 2 * d_model * n_kv_heads * d_head
        block = 2 * d_model + attention + d_model * n_experts + experts * 3 * d_model * d_ff
        return 2 * vocab_size * d_model + n_layers * block + d_model

    return count(n_experts), count(n_chosen)


@wrong("06.1", "the active router has only the columns of the chosen experts, but it is used whole")
def router_shrinks_too(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(experts):
        block = 2 * d_model
        block += 2 * d_model * n_heads * d_head
        block += 2 * d_model * n_kv_heads * d_head
        block += experts * (d_model + 3 * d_model * d_ff)
        return 2 * d_model * vocab_size + n_layers * block + d_model

    return count(n_experts), count(n_chosen)


@wrong("06.1", "an expert has two matrices here, up and down; SwiGLU has three")
def experts_without_a_gate(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    always = 2 * vocab_size * d_model + d_model
    always += n_layers * (2 * d_model + 2 * d_model * d_head * (n_heads + n_kv_heads) + d_model * n_experts)
    one_expert = 2 * d_model * d_ff
    return always + n_layers * n_experts * one_expert, always + n_layers * n_chosen * one_expert


@wrong("06.1", "the routers are forgotten")
def no_router(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    c = d_model
    attention = 2 * c * n_heads * d_head + 2 * c * n_kv_heads * d_head
    base = 2 * vocab_size * c + c + n_layers * (attention + 2 * c)
    return base + 3 * c * d_ff * n_layers * n_experts, base + 3 * c * d_ff * n_layers * n_chosen


@right("06.1")
def per_coordinate_of_the_stream(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    # every matrix has one side of C, so count what hangs on one coordinate and multiply at the end
    shared = 2 * vocab_size + 1 + n_layers * (2 + 2 * d_head * (n_heads + n_kv_heads) + n_experts)
    expert = 3 * d_ff * n_layers
    return tuple(d_model * (shared + expert * k) for k in (n_experts, n_chosen))


@wrong("06.1", "the active ones are counted with the experts that sleep, E - k, in place of the k chosen")
def counts_the_sleeping_ones(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    shared = 2 * vocab_size * d_model + d_model + n_layers * (attention + 2 * d_model + d_model * n_experts)
    experts = n_layers * 3 * d_model * d_ff
    return shared + experts * n_experts, shared + experts * (n_experts - n_chosen)


@wrong("06.1", "gives billions, rounded, in place of the numbers to the last digit")
def in_billions(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(k):
        attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
        block = attention + 2 * d_model + d_model * n_experts + k * 3 * d_model * d_ff
        return 2 * vocab_size * d_model + n_layers * block + d_model

    return round(count(n_experts) / 1e9, 1), round(count(n_chosen) / 1e9, 1)


@wrong("06.1", "32-bit whole numbers end at 2,147,483,647, and a product of shapes that is larger wraps around")
def product_in_32_bits(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def size(*shape):
        return int(np.prod(shape, dtype=np.int32))

    shared = 2 * size(vocab_size, d_model) + d_model + 2 * size(n_layers, d_model)
    shared += 2 * size(n_layers, n_heads + n_kv_heads, d_head, d_model) + size(n_layers, d_model, n_experts)
    experts = [size(n_layers, 3, k, d_model, d_ff) for k in (n_experts, n_chosen)]
    return shared + experts[0], shared + experts[1]


@right("06.1")
def tensors_on_the_meta_device(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def size(*shape):
        return torch.empty(shape, device="meta").numel()

    def block(experts):
        n = size(2, d_model) + size(d_model, n_experts) + size(experts, 3, d_ff, d_model)
        return n + size(2, n_heads * d_head, d_model) + size(2, n_kv_heads * d_head, d_model)

    once = size(2, vocab_size, d_model) + size(d_model)
    return once + n_layers * block(n_experts), once + n_layers * block(n_chosen)


@wrong("06.1", "one router for the whole model; each block has its own")
def one_router_for_all(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    sizes = {
        "embedding": vocab_size * d_model,
        "head": vocab_size * d_model,
        "router": d_model * n_experts,
        "final norm": d_model,
        "norms": n_layers * 2 * d_model,
        "attention": n_layers * 2 * d_model * d_head * (n_heads + n_kv_heads),
    }
    expert = n_layers * 3 * d_model * d_ff
    shared = sum(sizes.values())
    return shared + n_experts * expert, shared + n_chosen * expert


@wrong("06.2", "only the attention is mended; in front of the feed-forward the stream is still replaced")
def half_mended(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    copy_ = rms_norm(x, attention_norm)
    x = x + mix @ copy_ @ value_weight.T
    x = rms_norm(x, feedforward_norm)
    x = x + (x @ up_weight.T).relu() @ down_weight.T
    return x


@right("06.2")
def two_named_copies(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    read = rms_norm(x, attention_norm)
    stream = x + mix @ read @ value_weight.T
    read = rms_norm(stream, feedforward_norm)
    return stream + (read @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "the feed-forward reads the stream itself, not a normalised copy")
def second_norm_lost(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    copy_ = rms_norm(x, attention_norm)
    x = x + mix @ copy_ @ value_weight.T
    x = x + (x @ up_weight.T).relu() @ down_weight.T
    return x


@wrong("06.2", "+= writes into the caller's x")
def adds_in_place(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    x += mix @ rms_norm(x, attention_norm) @ value_weight.T
    x += (rms_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return x


@wrong("06.2", "both norms use attention_norm; feedforward_norm is never read")
def one_weight_for_both_norms(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    def norm(stream):
        return rms_norm(stream, attention_norm)

    x = x + mix @ norm(x) @ value_weight.T
    return x + (norm(x) @ up_weight.T).relu() @ down_weight.T


@right("06.2")
def token_by_token(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    def normed(row, weight):
        return row / torch.sqrt((row * row).mean() + 1e-5) * weight

    copies = [normed(row, attention_norm) for row in x]
    out = []
    for t in range(x.shape[0]):
        heard = torch.zeros_like(x[t])
        for s in range(x.shape[0]):
            heard = heard + mix[t, s] * copies[s]
        row = x[t] + value_weight @ heard
        hidden = torch.relu(up_weight @ normed(row, feedforward_norm))
        out.append(row + down_weight @ hidden)
    return torch.stack(out)


@wrong("06.2", "value_weight is not transposed, though it is laid out as in nn.Linear")
def value_not_transposed(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    normed = rms_norm(x, attention_norm)
    after_attention = x + mix @ (normed @ value_weight)
    normed = rms_norm(after_attention, feedforward_norm)
    return after_attention + torch.relu(normed @ up_weight.T) @ down_weight.T


@wrong("06.2", "a softmax is taken of mix, which already says how much each token hears")
def softmax_of_the_mix(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    attention = mix.softmax(dim=-1)
    x = x + attention @ rms_norm(x, attention_norm) @ value_weight.T
    return x + (rms_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T


@wrong("06.2", "gives only what the block writes; the input is not in it")
def only_the_writes(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    first = mix @ rms_norm(x, attention_norm) @ value_weight.T
    second = (rms_norm(x + first, feedforward_norm) @ up_weight.T).relu() @ down_weight.T
    return first + second


@right("06.2")
def folded_weights(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    # the norm's weight scales columns, so it can move into the matrix behind it
    F = torch.nn.functional
    eps, width = 1e-5, (x.shape[-1],)
    stream = x.clone()
    stream += mix @ F.linear(F.rms_norm(x, width, eps=eps), value_weight * attention_norm)
    hidden = F.relu(F.linear(F.rms_norm(stream, width, eps=eps), up_weight * feedforward_norm))
    return stream + F.linear(hidden, down_weight)


@wrong("06.2", "the attention's write is multiplied up to the stream's size before it is added")
def write_scaled_to_the_stream(x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight):
    size = (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    x = x + size * (mix @ rms_norm(x, attention_norm) @ value_weight.T)
    size = (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return x + size * ((rms_norm(x, feedforward_norm) @ up_weight.T).relu() @ down_weight.T)


@wrong("06.3", "block numbers are compared as text, where '10' comes before '2'")
def compared_as_text(weights, after):
    out = {}
    marks = [str(a) for a in after]
    for name, w in weights.items():
        if not name.startswith("blocks."):
            out[name] = w
            continue
        _, i, rest = name.split(".", 2)
        shift = sum(a < i for a in marks)
        out[f"blocks.{int(i) + shift}.{rest}"] = w
        if i in marks:
            zero = rest.startswith("attention.output.") or rest.startswith("feedforward.down.")
            out[f"blocks.{int(i) + shift + 1}.{rest}"] = torch.zeros_like(w) if zero else w
    return out


@right("06.3")
def once_through_the_names(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        number = int(number)
        place = number + sum(1 for a in after if a < number)
        deeper[f"blocks.{place}.{rest}"] = weight
        if number in after:
            writes = rest.startswith(("attention.output.", "feedforward.down."))
            deeper[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if writes else weight
    return deeper


@wrong("06.3", "the whole new block is zero, so no gradient would reach its matrices")
def everything_zero(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if name.startswith("blocks."):
            _, number, rest = name.split(".", 2)
            number = int(number)
            new = number + sum(a < number for a in after)
            deeper[f"blocks.{new}.{rest}"] = weight
            if number in after:
                deeper[f"blocks.{new + 1}.{rest}"] = torch.zeros_like(weight)
        else:
            deeper[name] = weight
    return deeper


@wrong("06.3", "inserts one block after the other and forgets that the later numbers have moved up by then")
def inserts_without_renumbering(weights, after):
    current = dict(weights)
    for chosen in sorted(after):
        moved = {}
        for name, w in current.items():
            if not name.startswith("blocks."):
                moved[name] = w
                continue
            _, number, rest = name.split(".", 2)
            number = int(number)
            if number <= chosen:
                moved[name] = w
            else:
                moved[f"blocks.{number + 1}.{rest}"] = w
            if number == chosen:
                zero = rest.startswith(("attention.output.", "feedforward.down."))
                moved[f"blocks.{number + 1}.{rest}"] = torch.zeros_like(w) if zero else w
        current = moved
    return current


@wrong("06.3", "torch.zeros(shape) is float32, whatever dtype the tensor had")
def zeros_of_the_standard_dtype(weights, after):
    new = {}
    for key, value in weights.items():
        bits = key.split(".")
        if bits[0] != "blocks":
            new[key] = value.clone()
            continue
        layer = int(bits[1])
        target = layer + sum(1 for a in after if a < layer)
        new[".".join(["blocks", str(target), *bits[2:]])] = value.clone()
        if layer in after:
            muted = bits[2:4] in (["attention", "output"], ["feedforward", "down"])
            new[".".join(["blocks", str(target + 1), *bits[2:]])] = torch.zeros(value.shape) if muted else value.clone()
    return new


@right("06.3")
def from_the_last_to_the_first(weights, after):
    # insert the highest one first, then the lower numbers are still the old ones
    def number_of(name):
        return int(name.split(".")[1]) if name.startswith("blocks.") else -1

    current = dict(weights)
    for chosen in sorted(after, reverse=True):
        moved = {}
        for name, tensor in current.items():
            number = number_of(name)
            rest = name.split(".", 2)[-1]
            moved[name if number <= chosen else f"blocks.{number + 1}.{rest}"] = tensor
            if number == chosen:
                silent = rest.startswith("attention.output.") or rest.startswith("feedforward.down.")
                moved[f"blocks.{chosen + 1}.{rest}"] = tensor.new_zeros(tensor.shape) if silent else tensor.clone()
        current = moved
    return current


@wrong("06.3", "only the attention is silenced; the feed-forward's down still writes")
def feedforward_still_speaks(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(a < int(number) for a in after)
        deeper[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            writes = rest.startswith("attention.output.")
            deeper[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if writes else weight
    return deeper


@wrong("06.3", "zero_() works on the very tensors of the old model and silences that one, too")
def zeroes_the_original(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(a < int(number) for a in after)
        deeper[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            twin = weight.detach()
            if rest.startswith(("attention.output.", "feedforward.down.")):
                twin.zero_()
            deeper[f"blocks.{place + 1}.{rest}"] = twin
    return deeper


@wrong("06.3", "the block's number is read from one letter of the name, which fails from block 10 on")
def one_digit_only(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if name[:7] != "blocks.":
            deeper[name] = weight
            continue
        number, rest = int(name[7]), name[9:]
        new = number + len([a for a in after if a < number])
        deeper["blocks." + str(new) + "." + rest] = weight
        if number in after:
            zero = rest.startswith("attention.output") or rest.startswith("feedforward.down")
            deeper["blocks." + str(new + 1) + "." + rest] = torch.zeros_like(weight) if zero else weight
    return deeper


@right("06.3")
def deepcopy_and_rename(weights, after):
    fresh = copy.deepcopy(dict(weights))
    chosen = np.array(sorted(after), dtype=int)

    def renamed(name, extra):
        head, number, rest = name.split(".", 2)
        return ".".join((head, str(int(number) + int(np.searchsorted(chosen, int(number))) + extra), rest))

    old_blocks = [name for name in fresh if name.startswith("blocks.")]
    result = {name: t for name, t in fresh.items() if name not in old_blocks}
    for name in old_blocks:
        result[renamed(name, 0)] = fresh[name]
        if int(name.split(".")[1]) in after:
            quiet = ".attention.output." in name or ".feedforward.down." in name
            result[renamed(name, 1)] = torch.full_like(fresh[name], 0) if quiet else fresh[name].clone()
    return result


@wrong("06.3", "after.sort() puts the caller's own list into another order")
def sorts_the_callers_list(weights, after):
    after.sort()
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number)
        for a in after:
            if a >= int(number):
                break
            place += 1
        deeper[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            writes = rest.startswith(("attention.output.", "feedforward.down."))
            deeper[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if writes else weight
    return deeper


@wrong("06.4", "eps is left out, which counts for a stream of small numbers")
def without_eps(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = (output_weight.view(-1, h, d) * heads).sum(-1).T
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = stream.square().mean().sqrt()
    return (writes / size * norm_weight) @ direction


@right("06.4")
def writes_then_norm(heads, output_weight, stream, norm, norm_weight, direction):
    n_heads, width = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (n_heads, width)), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@wrong("06.4", "output_weight is reshaped to (H, D, C), which mixes rows and columns; a head owns columns")
def reshape_mixes_the_columns(heads, output_weight, stream, norm, norm_weight, direction):
    n_heads, d = heads.shape
    matrices = output_weight.reshape(n_heads, d, -1)
    writes = torch.einsum("hdc,hd->hc", matrices, heads)
    if norm == "layernorm":
        writes = writes - writes.mean(1, keepdim=True)
        stream = stream - stream.mean()
    size = torch.sqrt(stream.pow(2).mean() + 1e-5)
    return writes @ (norm_weight * direction) / size


@wrong("06.4", "LayerNorm's mean is subtracted from the stream, but not from the writes")
def writes_keep_their_mean(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        divisor = (stream.var(correction=0) + 1e-5).sqrt()
    else:
        divisor = (stream.square().mean() + 1e-5).sqrt()
    return (writes / divisor * norm_weight) @ direction


@wrong("06.4", "std() divides by C - 1; LayerNorm divides by C")
def unbiased_deviation(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.stack([output_weight[:, i * d : i * d + d] @ heads[i] for i in range(h)])
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        size = (stream.var() + 1e-5).sqrt()
    else:
        size = (stream.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


@right("06.4")
def one_head_at_a_time(heads, output_weight, stream, norm, norm_weight, direction):
    d = heads.shape[1]
    centre = stream.mean() if norm == "layernorm" else 0.0
    divisor = (((stream - centre) ** 2).mean() + 1e-5) ** 0.5
    out = []
    for h in range(heads.shape[0]):
        write = output_weight[:, h * d : (h + 1) * d] @ heads[h]
        if norm == "layernorm":
            write = write - write.mean()
        out.append(torch.dot(write * norm_weight / divisor, direction))
    return torch.stack(out)


@wrong("06.4", "norm_weight is never used")
def forgets_the_weights_of_the_norm(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    return writes @ direction / (stream.square().mean() + 1e-5).sqrt()


@wrong("06.4", "for LayerNorm the writes are centred, but the divisor is still the root mean square of the stream")
def always_the_root_mean_square(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes -= writes.mean(-1, keepdim=True)
    root_mean_square = (stream.square().mean() + 1e-5).sqrt()
    return (norm_weight * writes) @ direction / root_mean_square


@wrong("06.4", "norm_weight is multiplied in before the mean is subtracted; LayerNorm does it afterwards")
def weights_before_the_mean(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads) * norm_weight
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    return writes @ direction / size


@right("06.4")
def in_numpy_with_double_precision(heads, output_weight, stream, norm, norm_weight, direction):
    h, o, s, w, r = (
        a.detach().numpy().astype(np.float64) for a in (heads, output_weight, stream, norm_weight, direction)
    )
    blocks = np.split(o, h.shape[0], axis=1)
    writes = np.stack([block @ row for block, row in zip(blocks, h, strict=True)])
    if norm == "layernorm":
        writes -= writes.mean(axis=1, keepdims=True)
        variance = s.var()
    else:
        variance = np.square(s).mean()
    return torch.from_numpy((writes * w).dot(r) / np.sqrt(variance + 1e-5)).to(heads.dtype)


@wrong("06.4", "the divisor is the size of this block's write in place of that of the finished stream")
def divisor_of_the_write(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    whole = output_weight @ heads.flatten()
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        whole = whole - whole.mean()
    size = (whole.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction
