"""Assignment 06, new answers from the text alone; every second wrong one is only scored."""

import re

import numpy as np
import torch
from answers import right, wrong


def count(V, C, L, H, K, D, F, experts, columns, norms=2, routers=None):
    block = 2 * C * H * D + 2 * C * K * D + norms * C + experts * 3 * C * F
    return 2 * V * C + L * block + C + C * columns * (L if routers is None else routers)


@wrong("06.1", "Of the embedding only one row is counted as active, and active is all but the unchosen experts.")
def one_row_of_the_embedding(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E), count(V, C, L, H, K, D, F, k, E) - V * C + C


@wrong("06.1", "The router is counted once, not once per block.")
def one_router(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E, routers=1), count(V, C, L, H, K, D, F, k, E, routers=1)


@wrong("06.1", "The unchosen experts are taken off for one block only.")
def unchosen_of_one_block(V, C, L, H, K, D, F, E, k):
    total = count(V, C, L, H, K, D, F, E, E)
    return total, total - (E - k) * 3 * C * F


@wrong("06.1", "Each expert has its own norm, where each block has two.")
def a_norm_per_expert(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E, norms=1 + E), count(V, C, L, H, K, D, F, k, E, norms=1 + k)


@wrong("06.1", "Of the router only the chosen experts' columns are active.")
def columns_of_the_chosen(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E), count(V, C, L, H, K, D, F, k, k)


@wrong("06.1", "The size of a head is taken as C / H, though it may differ.")
def head_size_from_the_width(V, C, L, H, K, D, F, E, k):
    D = C // H
    return count(V, C, L, H, K, D, F, E, E), count(V, C, L, H, K, D, F, k, E)


@right("06.1")
def by_listing_shapes(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    once = [(vocab_size, d_model)] * 2 + [(d_model,)]
    block = [(d_model,)] * 2 + [(d_model, n_experts)]
    block += [(n_heads * d_head, d_model)] * 2 + [(n_kv_heads * d_head, d_model)] * 2
    expert = int(np.prod((3, d_model, d_ff), dtype=object))

    def size(shapes):
        return sum(int(np.prod(shape, dtype=object)) for shape in shapes)

    rest = size(once) + n_layers * size(block)
    return [rest + n_layers * n * expert for n in (n_experts, n_chosen)]


READERS = {
    "attention_norm": ("attention.query", "attention.key", "attention.value"),
    "feedforward_norm": ("feedforward.gate", "feedforward.up"),
}


def times(matrix, norm):
    return (matrix.float() * norm.float()).to(matrix.dtype)


def folded_by(weights, norm_of):
    """`norm_of(name)`: the name of the norm that a matrix reads, or None."""
    new = {}
    for name, weight in weights.items():
        if name.endswith("norm.weight"):
            new[name] = torch.ones_like(weight)
        else:
            norm = norm_of(name)
            new[name] = times(weight, weights[norm]) if norm in weights else weight.clone()
    if "head.weight" not in weights:
        new["head.weight"] = times(weights["embedding.weight"], weights["final_norm.weight"])
    return new


def own_norm(name):
    if name == "head.weight":
        return "final_norm.weight"
    for norm, readers in READERS.items():
        for reader in readers:
            if name.endswith(f".{reader}.weight"):
                return name.replace(f"{reader}.weight", f"{norm}.weight")
    return None


@wrong("06.2", "Names are compared by their beginning, so block 10's matrices also get block 1's norm.")
def names_by_their_beginning(weights):
    new = folded_by(weights, lambda name: "final_norm.weight" if name == "head.weight" else None)
    for norm, readers in READERS.items():
        for name in weights:
            if name.endswith(f".{norm}.weight"):
                block = name.removesuffix(f".{norm}.weight")
                for other in weights:
                    if other.startswith(block) and any(other.endswith(f".{reader}.weight") for reader in readers):
                        new[other] = times(new[other], weights[name])
    return new


@wrong("06.2", "The biases of the reading matrices are multiplied by the norm, too.")
def biases_folded_too(weights):
    new = folded_by(weights, own_norm)
    for name, weight in weights.items():
        norm = own_norm(name.removesuffix("bias") + "weight") if name.endswith(".bias") else None
        if norm in weights:
            size = min(len(weight), len(weights[norm]))
            new[name] = weight.clone()
            new[name][:size] = times(weight[:size], weights[norm][:size])
    return new


@wrong("06.2", "The product of a bfloat16 matrix and a float32 norm stays float32.")
def dtype_of_the_product(weights):
    new = folded_by(weights, own_norm)
    for name in weights:
        if own_norm(name) in weights:
            new[name] = weights[name] * weights[own_norm(name)]
    if "head.weight" not in weights:
        new["head.weight"] = weights["embedding.weight"] * weights["final_norm.weight"]
    return new


@wrong("06.2", "The norm weights are removed from the dictionary, and weights of 1 are asked for.")
def norms_removed(weights):
    return {name: weight for name, weight in folded_by(weights, own_norm).items() if "norm" not in name}


@wrong("06.2", "The pattern knows block numbers of one digit only, so blocks from 10 on aren't folded.")
def one_digit(weights):
    new = folded_by(weights, lambda name: own_norm(name) if re.match(r"blocks\.\d\.|head", name) else None)
    return new


@wrong("06.2", "The final norm is set to 1, but the head isn't multiplied by it.")
def head_not_folded(weights):
    new = folded_by(weights, lambda name: None if name == "head.weight" else own_norm(name))
    if "head.weight" not in weights:
        new["head.weight"] = weights["embedding.weight"].clone()
    return new


@right("06.2")
def by_parts_of_the_name(weights):
    new = {name: weight.clone() for name, weight in weights.items()}
    new.setdefault("head.weight", weights["embedding.weight"].clone())
    for name in weights:
        match = re.fullmatch(r"(?:blocks\.(\d+)\.)?(attention|feedforward|final)_norm\.weight", name)
        if match is None:
            continue
        block, part = match.groups()
        targets = {"final": ["head"], "attention": ["query", "key", "value"], "feedforward": ["gate", "up"]}[part]
        for target in targets:
            full = "head.weight" if part == "final" else f"blocks.{block}.{part}.{target}.weight"
            if full in new:
                new[full] = torch.einsum("ij,j->ij", new[full].double(), weights[name].double()).to(new[full].dtype)
        new[name] = weights[name] ** 0
    return new


WRITERS = ("attention.output.", "feedforward.down.")


def deeper(weights, number_of, copy_of, silent=lambda rest, weight: rest.startswith(WRITERS)):
    """`number_of(n)`: the new number; `copy_of(n)`: that of its copy, or None."""
    new = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            new[name] = weight.clone()
            continue
        _, number, rest = name.split(".", 2)
        new[f"blocks.{number_of(int(number))}.{rest}"] = weight.clone()
        copy = copy_of(int(number))
        if copy is not None:
            new[f"blocks.{copy}.{rest}"] = torch.zeros_like(weight) if silent(rest, weight) else weight.clone()
    return new


def plain_number(after):
    return lambda n: n + sum(other < n for other in after)


def plain_copy(after):
    return lambda n: n + sum(other < n for other in after) + 1 if n in after else None


@wrong("06.3", "The names of a block are found by their beginning, so the copy of block 1 takes those of block 10.")
def found_by_the_beginning(weights, after):
    new = {name: weight.clone() for name, weight in weights.items() if not name.startswith("blocks.")}
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    at = 0
    for number in range(n_blocks):
        for copy in range(1 + (number in after)):
            for name, weight in weights.items():
                if name.startswith(f"blocks.{number}"):
                    rest = name.split(".", 2)[2]
                    silent = copy and rest.startswith(WRITERS)
                    new[f"blocks.{at}.{rest}"] = torch.zeros_like(weight) if silent else weight.clone()
            at += 1
    return new


@wrong("06.3", "`after` is used in the given order on a list that grows, so later numbers mean other blocks.")
def in_the_given_order(weights, after):
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    order = [(number, False) for number in range(n_blocks)]
    for number in after:
        order.insert(number + 1, (order[number][0], True))
    new = {name: weight.clone() for name, weight in weights.items() if not name.startswith("blocks.")}
    for at, (number, silent) in enumerate(order):
        for name, weight in weights.items():
            if name.startswith(f"blocks.{number}."):
                rest = name.split(".", 2)[2]
                zero = silent and rest.startswith(WRITERS)
                new[f"blocks.{at}.{rest}"] = torch.zeros_like(weight) if zero else weight.clone()
    return new


@wrong("06.3", "The biases of the writing matrices aren't zeroed, so the copy still writes.")
def biases_still_write(weights, after):
    names = ("attention.output.weight", "feedforward.down.weight")
    return deeper(weights, plain_number(after), plain_copy(after), lambda rest, _: rest in names)


@wrong("06.3", "Only attention's output is zeroed; the feed-forward layer of the copy still writes.")
def only_attention_is_silent(weights, after):
    return deeper(weights, plain_number(after), plain_copy(after), lambda rest, _: rest.startswith("attention.output."))


@wrong("06.3", "The new blocks stand at the end of the model, not after the ones that they copy.")
def copies_at_the_end(weights, after):
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    order = sorted(after)
    return deeper(weights, lambda n: n, lambda n: n_blocks + order.index(n) if n in after else None)


@wrong("06.3", "The copy stands before its block, not after it.")
def copy_before_its_block(weights, after):
    return deeper(
        weights,
        lambda n: n + sum(other <= n for other in after),
        lambda n: n + sum(other < n for other in after) if n in after else None,
    )


@right("06.3")
def block_by_block(weights, after):
    parts, blocks = {}, {}
    for name in sorted(weights):
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if match:
            blocks.setdefault(int(match[1]), {})[match[2]] = weights[name]
        else:
            parts[name] = weights[name].clone()
    at = 0
    for number in sorted(blocks):
        for silent in [False, True][: 1 + after.count(number)]:
            for rest, weight in blocks[number].items():
                keep = 0 if silent and re.match(r"attention\.output|feedforward\.down", rest) else 1
                parts[f"blocks.{at}.{rest}"] = weight * keep
            at += 1
    return parts


def writes_of(heads, output_weight):
    return torch.einsum("chd,hd->hc", output_weight.unflatten(1, heads.shape), heads)


def centered(x):
    return x - x.mean(-1, keepdim=True)


def root(x, eps=1e-5):
    return (x.square().mean() + eps).sqrt()


@wrong("06.4", "The root is max(rms, eps) in place of sqrt(mean square + eps), which matters for small streams.")
def larger_of_root_and_eps(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows, stream = centered(rows), centered(stream)
    return rows * norm_weight @ direction / stream.square().mean().sqrt().clamp_min(1e-5)


@wrong("06.4", "The variance of LayerNorm is divided by C - 1, not by C.")
def unbiased_variance(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        return centered(rows) * norm_weight @ direction / (stream.var() + 1e-5).sqrt()
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "With LayerNorm the stream's mean is subtracted from each head's row, not the row's own.")
def mean_of_the_stream(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows, stream = rows - stream.mean(), centered(stream)
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "The direction is centered in place of the rows, before the norm's weights come in.")
def direction_centered(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        direction, stream = centered(direction), centered(stream)
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "The mean over the heads is subtracted, not each row's mean over its C numbers.")
def mean_over_the_heads(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows, stream = rows - rows.mean(0), centered(stream)
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "With LayerNorm the stream is divided by its RMS; its mean isn't subtracted before.")
def rms_of_the_uncentered_stream(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows = centered(rows)
    return rows * norm_weight @ direction / root(stream)


@right("06.4")
def head_by_head_without_one(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    W, s, g = (part.double().numpy() for part in (output_weight, stream, norm_weight * direction))
    scale = ((s - s.mean() * (norm == "layernorm")) ** 2).mean() + 1e-5
    reader = (g - g.mean() * (norm == "layernorm")) / scale**0.5
    return [float(reader @ W[:, h * D : (h + 1) * D] @ heads[h].double().numpy()) for h in range(H)]
