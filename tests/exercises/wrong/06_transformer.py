"""Answers to exercise 06 as learners write them."""

import re

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 06.1 Pay for eight, use two


@wrong("06.1", "whole block is counted once for each expert")
def eight_times_seven(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    total, active = (2 * V * C + L * (n * (attention + 3 * C * F) + C * E + 2 * C) + C for n in (E, k))
    return total, active


@wrong("06.1", "routers are not counted")
def no_router(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return tuple(2 * V * C + L * (attention + 3 * C * F * n + 2 * C) + C for n in (E, k))


@wrong("06.1", "table is counted once")
def tied_as_in_the_lesson(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return tuple(V * C + L * (attention + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "for all H heads")
def four_equal_matrices(V, C, L, H, K, D, F, E, k):
    return tuple(2 * V * C + L * (4 * C * H * D + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "as wide as the stream")
def lessons_attention(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * C + 2 * C * K * D
    return tuple(2 * V * C + L * (attention + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "C / H wide")
def width_by_division(V, C, L, H, K, D, F, E, k):
    D = C // H
    attention = 2 * C * H * D + 2 * C * K * D
    return tuple(2 * V * C + L * (attention + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "with two matrices")
def up_and_down(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return [2 * V * C + L * (attention + 2 * C * F * n + C * E + 2 * C) + C for n in (E, k)]


@wrong("06.1", "norms of the blocks are not counted")
def matrices_only(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return [2 * V * C + L * (attention + 3 * C * F * n + C * E) + C for n in (E, k)]


@wrong("06.1", "last norm is not counted")
def blocks_and_tables(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return [2 * V * C + L * (attention + 3 * C * F * n + C * E + 2 * C) for n in (E, k)]


def total_parameters(V, C, L, H, K, D, F, E):
    return 2 * V * C + C + L * (2 * C * D * (H + K) + 3 * C * F * E + C * E + 2 * C)


@wrong("06.1", "the total times k / E")
def a_quarter(V, C, L, H, K, D, F, E, k):
    total = total_parameters(V, C, L, H, K, D, F, E)
    return total, int(total * (k / E))


@wrong("06.1", "count a single expert")
def one_at_a_time(V, C, L, H, K, D, F, E, k):
    total = total_parameters(V, C, L, H, K, D, F, E)
    return total, total - L * (E - 1 if k < E else 0) * 3 * C * F


@wrong("06.1", "count every expert")
def all_the_same(V, C, L, H, K, D, F, E, k):
    return (total_parameters(V, C, L, H, K, D, F, E),) * 2


@wrong("06.1", "only the chosen experts' scores")
def small_router(V, C, L, H, K, D, F, E, k):
    return tuple(total_parameters(V, C, L, H, K, D, F, n) for n in (E, k))


@wrong("06.1", "two counts are swapped")
def active_first(*sizes):
    return by_shapes(*sizes)[::-1]


@wrong("06.1", "a generator")
def lazily(V, C, L, H, K, D, F, E, k):
    return (total_parameters(V, C, L, H, K, D, F, n) for n in (E, k))


@wrong("06.1", "called minillm.config")
def the_package(V, C, L, H, K, D, F, E, k):
    from minillm.config import ModelConfig

    config = ModelConfig(V, C, L, H, 8, n_kv_heads=K, d_head=D, d_ff=F, tie_embeddings=False)
    return config.d_model, config.n_layers


@right("06.1")
def by_shapes(V, C, L, H, K, D, F, E, k):
    """The matrices themselves, without numbers in them."""

    def tensors(experts):
        yield from [(V, C), (C, V), (C,)]
        for _ in range(L):
            yield from [(H * D, C), (K * D, C), (K * D, C), (C, H * D), (E, C), (C,), (C,)]
            yield from 3 * experts * [(F, C)]

    return tuple(sum(int(np.prod(shape)) for shape in tensors(n)) for n in (E, k))


@right("06.1")
def what_is_not_used_taken_off(*sizes):
    _, C, L, *_, F, E, k = sizes
    total = total_parameters(*sizes[:-1])
    return [total, total - (E - k) * L * 3 * C * F]


@wrong("06.1", "count overflows")
def in_32_bits(*sizes):
    V, C, L, H, K, D, F, E, k = np.array(sizes, dtype=np.int32)
    shared = 2 * C * D * (H + K) + C * E + 2 * C
    return tuple(int(2 * V * C + C + L * (shared + n * 3 * C * F)) for n in (E, k))


# 06.2 The stream that forgets its length


def norm(x, weight):
    return F.rms_norm(x, (x.shape[-1],), weight, 1e-5)


@wrong("06.2", "Both writes are still added")
def as_it_was(x, mix, g1, value, g2, up, down):
    x = norm(x, g1)
    x = x + mix @ x @ value.T
    x = norm(x, g2)
    return x + torch.relu(x @ up.T) @ down.T


@wrong("06.2", "Attention is mended")
def first_half(x, mix, g1, value, g2, up, down):
    x = x + mix @ norm(x, g1) @ value.T
    x = norm(x, g2)
    return x + torch.relu(x @ up.T) @ down.T


@wrong("06.2", "The feed-forward is mended")
def second_half(x, mix, g1, value, g2, up, down):
    x = norm(x, g1)
    x = x + mix @ x @ value.T
    return x + torch.relu(norm(x, g2) @ up.T) @ down.T


@wrong("06.2", "that is post-norm")
def as_in_2017(x, mix, g1, value, g2, up, down):
    x = norm(x + mix @ (x @ value.T), g1)
    return norm(x + (x @ up.T).clamp(min=0) @ down.T, g2)


@wrong("06.2", "without a norm")
def norms_thrown_out(x, mix, g1, value, g2, up, down):
    x = x + mix @ x @ value.T
    return x + (x @ up.T).clamp(min=0) @ down.T


@wrong("06.2", "The stream is gone")
def replaced(x, mix, g1, value, g2, up, down):
    x = mix @ norm(x, g1) @ value.T
    return (norm(x, g2) @ up.T).relu() @ down.T


@wrong("06.2", "learned weights are not used")
def bare_norms(x, mix, g1, value, g2, up, down):
    def bare(x):
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()

    x = x + mix @ bare(x) @ value.T
    return x + (bare(x) @ up.T).relu() @ down.T


@wrong("06.2", "as it was before attention wrote")
def side_by_side(x, mix, g1, value, g2, up, down):
    return x + mix @ norm(x, g1) @ value.T + (norm(x, g2) @ up.T).relu() @ down.T


@wrong("06.2", "reads the stream itself, without a norm")
def one_norm(x, mix, g1, value, g2, up, down):
    x = x + mix @ norm(x, g1) @ value.T
    return x + (x @ up.T).relu() @ down.T


@wrong("06.2", "through attention's norm")
def copied_line(x, mix, g1, value, g2, up, down):
    x = x + mix @ norm(x, g1) @ value.T
    return x + (norm(x, g1) @ up.T).relu() @ down.T


@wrong("06.2", "The stream is gone")
def forgotten_plus(x, mix, g1, value, g2, up, down):
    x = x + mix @ norm(x, g1) @ value.T
    return (norm(x, g2) @ up.T).relu() @ down.T


@wrong("06.2", "changed the input")
def in_place(x, mix, g1, value, g2, up, down):
    x += mix @ norm(x, g1) @ value.T
    x += (norm(x, g2) @ up.T).relu() @ down.T
    return x


@right("06.2")
def token_by_token(x, mix, g1, value, g2, up, down):
    x, mix, g1, value, g2, up, down = (a.double().numpy() for a in (x, mix, g1, value, g2, up, down))
    copies = [g1 * row / np.sqrt(np.mean(row**2) + 1e-5) for row in x]
    out = []
    for row, hears in zip(x, mix, strict=True):
        row = row + value @ sum(weight * copy for weight, copy in zip(hears, copies, strict=True))
        copy = g2 * row / np.sqrt(np.mean(row**2) + 1e-5)
        out.append(row + down @ np.maximum(up @ copy, 0))
    return [row.tolist() for row in out]


@right("06.2")
def norms_inside_the_matrices(x, mix, g1, value, g2, up, down):
    value, up, ones = value * g1, up * g2, torch.ones_like(g1)
    x = x + mix @ (norm(x, ones) @ value.T)
    return torch.addmm(x, F.relu(F.linear(norm(x, ones), up)), down.T)


def block_with(norm):
    def block(x, mix, g1, value, g2, up, down):
        x = x + mix @ norm(x, g1) @ value.T
        return x + (norm(x, g2) @ up.T).relu() @ down.T

    return block


@wrong("06.2", "The norms have no eps")
def without_eps(*weights):
    return block_with(lambda x, weight: x / x.square().mean(-1, keepdim=True).sqrt() * weight)(*weights)


@wrong("06.2", "The norm's eps is not 1e-5")
def with_another_eps(*weights):
    return block_with(lambda x, weight: x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight)(*weights)


@wrong("06.2", "The norm's eps is not 1e-5")
def eps_outside_of_the_root(*weights):
    return block_with(lambda x, weight: x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-5) * weight)(*weights)


@wrong("06.2", "A causal mask is laid over `mix`")
def masked_once_more(x, mix, *weights):
    return block_with(lambda x, weight: F.rms_norm(x, weight.shape, weight, 1e-5))(x, mix.tril(), *weights)


# 06.3 A deeper model that says the same

WRITES = ("attention.output", "feedforward.down")


def grow(weights, after, silence):
    """The right numbers; `silence(rest, weight)` makes the copy's tensor."""
    grown = {}
    for name, weight in weights.items():
        found = re.fullmatch(r"blocks\.(\d+)\.(.*)", name)
        if not found:
            grown[name] = weight
            continue
        number, rest = int(found[1]), found[2]
        place = number + len([a for a in after if a < number])
        grown[f"blocks.{place}.{rest}"] = weight
        if number in after:
            grown[f"blocks.{place + 1}.{rest}"] = silence(rest, weight)
    return grown


@wrong("06.3", "a second time")
def plain_copy(weights, after):
    return grow(weights, after, lambda rest, weight: weight.clone())


@wrong("06.3", "Only the copy's attention is silent")
def attention_only(weights, after):
    return grow(weights, after, lambda rest, weight: 0 * weight if "output" in rest else weight)


@wrong("06.3", "Only the copy's feed-forward is silent")
def feedforward_only(weights, after):
    return grow(weights, after, lambda rest, weight: 0 * weight if "down" in rest else weight)


@wrong("06.3", "it can never learn")
def nothing_but_zeros(weights, after):
    return grow(weights, after, lambda rest, weight: torch.zeros_like(weight))


@wrong("06.3", "as a whole")
def all_of_both_parts(weights, after):
    parts = ("attention.", "feedforward.")
    return grow(weights, after, lambda rest, weight: 0 * weight if rest.startswith(parts) else weight)


@wrong("06.3", "holds zeros; right is what came in as")
def all_of_the_feedforward(weights, after):
    silent = ("attention.output.", "feedforward.")
    return grow(weights, after, lambda rest, weight: weight * 0 if rest.startswith(silent) else weight)


@wrong("06.3", "norms are zero")
def reads_nothing(weights, after):
    return grow(weights, after, lambda rest, weight: weight * 0 if "norm" in rest else weight)


@wrong("06.3", "taken as sorted")
def until_the_first_larger_one(weights, after):
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number)
        for one in after:
            if one >= int(number):
                break
            place += 1
        grown[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            grown[f"blocks.{place + 1}.{rest}"] = weight * 0 if rest.startswith(WRITES) else weight
    return grown


@wrong("06.3", "The block itself is silent")
def copy_in_front(weights, after):
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(a < int(number) for a in after)
        if int(number) in after:
            grown[f"blocks.{place}.{rest}"] = torch.zeros_like(weight) if rest.startswith(WRITES) else weight
            place += 1
        grown[f"blocks.{place}.{rest}"] = weight
    return grown


@wrong("06.3", "takes the place of the block behind it")
def not_moved_up(weights, after):
    grown = dict(weights)
    for number in sorted(after, reverse=True):
        for name in list(weights):
            if name.startswith(f"blocks.{number}."):
                new = name.replace(f".{number}.", f".{number + 1}.", 1)
                grown[new] = weights[name] * (not any(part in name for part in WRITES))
    return grown


@wrong("06.3", "stand behind the last block")
def appended(weights, after):
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    grown = dict(weights)
    for place, number in enumerate(sorted(after)):
        for name, weight in weights.items():
            if name.startswith(f"blocks.{number}."):
                rest = name.split(".", 2)[2]
                grown[f"blocks.{n_blocks + place}.{rest}"] = weight * (0 if rest.startswith(WRITES) else 1)
    return grown


@wrong("06.3", "no longer mean the same blocks")
def one_after_the_other(weights, after):
    for number in sorted(after):
        weights = grow(weights, [number], lambda rest, w: torch.zeros_like(w) if rest.startswith(WRITES) else w)
    return weights


@wrong("06.3", "biases of the copy still write")
def matrices(weights, after):
    names = [f"{part}.weight" for part in WRITES]
    return grow(weights, after, lambda rest, weight: torch.zeros_like(weight) if rest in names else weight)


def in_order(weights, after, sort):
    numbers = sort({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    grown = {name: weight for name, weight in weights.items() if not name.startswith("blocks.")}
    place = 0
    for number in numbers:
        for copy in (False, True) if int(number) in after else (False,):
            for name, weight in weights.items():
                if name.startswith(f"blocks.{number}."):
                    rest = name.split(".", 2)[2]
                    silent = copy and rest.startswith(WRITES)
                    grown[f"blocks.{place}.{rest}"] = torch.zeros_like(weight) if silent else weight
            place += 1
    return grown


@wrong("06.3", "sorted as text")
def alphabetically(weights, after):
    return in_order(weights, after, sorted)


@wrong("06.3", "only begins like that of a copy")
def beginning_with_the_same_digit(weights, after):
    """`blocks.1` is also how `blocks.10` begins."""
    grown = grow(weights, after, lambda rest, w: torch.zeros_like(w) if rest.startswith(WRITES) else w)
    for number in after:
        place = number + 1 + sum(a < number for a in after)
        for name in grown:
            if name.startswith(f"blocks.{place}") and name.split(".", 2)[2].startswith(WRITES):
                grown[name] = torch.zeros_like(grown[name])
    return grown


@wrong("06.3", "holds zeros; right is what came in as")
def values_too(weights, after):
    silent = (*WRITES, "attention.value")
    return grow(weights, after, lambda rest, weight: torch.zeros_like(weight) if rest.startswith(silent) else weight)


@wrong("06.3", "There is no 'blocks.1.")
def numbered_in_between(weights, after):
    grown = dict(weights)
    for name, weight in weights.items():
        if name.startswith("blocks.") and int(name.split(".")[1]) in after:
            number, rest = name.split(".", 2)[1:]
            grown[f"blocks.{number}b.{rest}"] = torch.zeros_like(weight) if rest.startswith(WRITES) else weight
    return grown


@wrong("06.3", "The grown model has 'blocks.")
def once_more(weights, after):
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    grown = grow(weights, after, lambda rest, w: torch.zeros_like(w) if rest.startswith(WRITES) else w)
    last = f"blocks.{n_blocks + len(after) - 1}."
    return grown | {name.replace(last, f"blocks.{n_blocks + len(after)}."): w for name, w in grown.items()}


@wrong("06.3", "changed the input")
def zeros_in_place(weights, after):
    return grow(weights, after, lambda rest, weight: weight.zero_() if rest.startswith(WRITES) else weight)


@right("06.3")
def one_by_one_from_the_back(weights, after):
    weights = dict(weights)
    for number in sorted(after)[::-1]:
        weights = grow(weights, [number], lambda rest, w: w - w if rest.startswith(WRITES) else w)
    return weights


@right("06.3")
def stacked(weights, after):
    print(weights)
    return in_order(weights, after, lambda numbers: sorted(numbers, key=int))


def grown_by(weights, after, is_copied, zeros=torch.zeros_like):
    """Right, but for which blocks `is_copied(name, after)` finds, and for its zeros."""
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(other < int(number) for other in after)
        grown[f"blocks.{place}.{rest}"] = weight
        if is_copied(name, after):
            writes = rest.startswith(("attention.output.", "feedforward.down."))
            grown[f"blocks.{place + 1}.{rest}"] = zeros(weight) if writes else weight
    return grown


def by_number(name, after):
    return int(name.split(".")[1]) in after


@wrong("06.3", "The grown model has")
def by_how_the_name_begins(weights, after):
    return grown_by(weights, after, lambda name, after: any(name.startswith(f"blocks.{n}") for n in after))


@wrong("06.3", "The result has no tensor of torch.bfloat16")
def zeros_of_the_usual_kind(weights, after):
    return grown_by(weights, after, by_number, lambda weight: torch.zeros(weight.shape))


@wrong("06.3", "returned its input itself")
def nothing_to_add(weights, after):
    return grown_by(weights, after, by_number) if after else weights


@right("06.3")
def the_other_tensors_shared(weights, after):
    return grown_by(weights, after, by_number, lambda weight: weight * 0)


# 06.4 Which head said Paris?


def head_writes(heads, output_weight):
    H, D = heads.shape
    return torch.stack([output_weight[:, h * D : (h + 1) * D] @ heads[h] for h in range(H)])


def through(writes, stream, name, weight, direction):
    if name == "layernorm":
        writes, stream = writes - writes.mean(1, keepdim=True), stream - stream.mean()
    return (weight * writes * (stream.pow(2).mean() + 1e-5).rsqrt()) @ direction


@wrong("06.4", "nothing is divided")
def without_the_norm(heads, output, stream, name, weight, direction):
    return head_writes(heads, output) * weight @ direction


@wrong("06.4", "learned weights are left out")
def without_its_weights(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output), stream, name, 1, direction)


@wrong("06.4", "normalised by itself")
def norm_of_each_write(heads, output, stream, name, weight, direction):
    writes = head_writes(heads, output)
    kind = F.layer_norm if name == "layernorm" else F.rms_norm
    return kind(writes, (len(stream),), weight) @ direction


@wrong("06.4", "without the root")
def no_root(heads, output, stream, name, weight, direction):
    return head_writes(heads, output) / (stream.square().mean() + 1e-5) * weight @ direction


@wrong("06.4", "by the stream's length")
def divided_by_length(heads, output, stream, name, weight, direction):
    return head_writes(heads, output) / torch.linalg.norm(stream) * weight @ direction


@wrong("06.4", "the other way round")
def transposed(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output.T), stream, name, weight, direction)


@wrong("06.4", "dealt out like cards")
def every_other_column(heads, output, stream, name, weight, direction):
    H = len(heads)
    writes = torch.stack([output[:, h::H] @ heads[h] for h in range(H)])
    return through(writes, stream, name, weight, direction)


@wrong("06.4", "RuntimeError")
def as_wide_as_the_model(heads, output, stream, name, weight, direction):
    D = len(stream) // len(heads)
    writes = torch.stack([output[:, h * D : (h + 1) * D] @ head for h, head in enumerate(heads)])
    return through(writes, stream, name, weight, direction)


@wrong("06.4", "first head's columns")
def no_offset(heads, output, stream, name, weight, direction):
    D = heads.shape[1]
    return through((output[:, :D] @ heads.T).T, stream, name, weight, direction)


@wrong("06.4", "dealt out evenly")
def same_for_all(heads, output, stream, name, weight, direction):
    whole = (output @ heads.flatten())[None]
    return through(whole, stream, name, weight, direction).repeat(len(heads)) / len(heads)


@wrong("06.4", "add up to")
def whole_for_all(heads, output, stream, name, weight, direction):
    whole = (output @ heads.flatten())[None]
    return through(whole, stream, name, weight, direction).repeat(len(heads))


@wrong("06.4", "treated as RMSNorm")
def always_rms(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output), stream, "rmsnorm", weight, direction)


@wrong("06.4", "the writes keep their means")
def only_the_stream_centred(heads, output, stream, name, weight, direction):
    if name == "layernorm":
        stream = stream - stream.mean()
    return through(head_writes(heads, output), stream, "rmsnorm", weight, direction)


@wrong("06.4", "divided by the stream's root mean square")
def only_the_writes_centred(heads, output, stream, name, weight, direction):
    writes = head_writes(heads, output)
    if name == "layernorm":
        writes = writes - writes.mean(1, keepdim=True)
    return through(writes, stream, "rmsnorm", weight, direction)


@wrong("06.4", "stream's mean is subtracted from every write")
def mean_of_the_stream(heads, output, stream, name, weight, direction):
    writes = head_writes(heads, output)
    if name == "layernorm":
        writes, stream = writes - stream.mean(), stream - stream.mean()
    return through(writes, stream, "rmsnorm", weight, direction)


@wrong("06.4", "divides by C - 1")
def torchs_own_deviation(heads, output, stream, name, weight, direction):
    if name == "rmsnorm":
        return through(head_writes(heads, output), stream, name, weight, direction)
    writes = head_writes(heads, output)
    return (writes - writes.mean(1, keepdim=True)) / torch.sqrt(stream.var() + 1e-5) * weight @ direction


@wrong("06.4", "an axis of 1 too few")
def one_number(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output), stream, name, weight, direction).sum()


@right("06.4")
def direction_first(heads, output, stream, name, weight, direction):
    """The direction pulled back through norm and matrix: what each number that was heard is worth."""
    pulled = weight * direction
    if name == "layernorm":
        pulled = pulled - pulled.mean()
        size = torch.sqrt(stream.var(correction=0) + 1e-5)
    else:
        size = torch.sqrt(stream.square().mean() + 1e-5)
    worth = (pulled / size) @ output
    return (heads.flatten() * worth).unflatten(0, heads.shape).sum(1)


@right("06.4")
def by_leaving_out(heads, output, stream, name, weight, direction):
    """The lead with all heads minus the lead without one, the divisor held still."""
    heads, output, stream, weight, direction = (x.double() for x in (heads, output, stream, weight, direction))
    centred = (lambda x: x - x.mean()) if name == "layernorm" else lambda x: x
    size = (centred(stream).square().mean() + 1e-5) ** 0.5

    def lead(heads):
        return (centred(output @ heads.reshape(-1)) / size * weight * direction).sum()

    keep = torch.ones(len(heads), len(heads), dtype=torch.double) - torch.eye(len(heads), dtype=torch.double)
    return [float(lead(heads) - lead(heads * row[:, None])) for row in keep]


def shares_with(size):
    def head_shares(heads, output_weight, stream, norm, norm_weight, direction):
        writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, tuple(heads.shape)), heads)
        if norm == "layernorm":
            writes, stream = writes - writes.mean(-1, keepdim=True), stream - stream.mean()
        return writes / size(stream) * norm_weight @ direction

    return head_shares


@wrong("06.4", "The norm's eps is left out")
def no_eps(*arguments):
    return shares_with(lambda stream: stream.square().mean().sqrt())(*arguments)


@wrong("06.4", "The norm's eps is not 1e-5")
def eps_of_another_library(*arguments):
    return shares_with(lambda stream: (stream.square().mean() + 1e-6).sqrt())(*arguments)


@wrong("06.4", "The norm's eps is not 1e-5")
def eps_added_to_the_root(*arguments):
    return shares_with(lambda stream: stream.square().mean().sqrt() + 1e-5)(*arguments)


# Further mistakes of all four


@wrong("06.1", "There is one router for the whole model")
def one_router(V, C, L, H, K, D, F, E, k):
    return tuple(count - (L - 1) * C * E for count in by_shapes(V, C, L, H, K, D, F, E, k))


@wrong("06.1", "The counts are in billions")
def billions(*sizes):
    return tuple(round(count / 1e9, 1) for count in by_shapes(*sizes))


@wrong("06.1", "Does it count those that were *not* chosen?")
def the_others(*sizes):
    return by_shapes(*sizes[:-1], sizes[-2] - sizes[-1])


@wrong("06.1", "The total count has 1 · C · H · D · L too little")
def three_matrices_of_attention(V, C, L, H, K, D, F, E, k):
    return tuple(count - L * C * H * D for count in by_shapes(V, C, L, H, K, D, F, E, k))


@wrong("06.2", "by the vector's length")
def unit_vectors(*weights):
    return block_with(lambda x, weight: x / x.norm(dim=-1, keepdim=True) * weight)(*weights)


@wrong("06.2", "by the mean square, without the root")
def rootless(*weights):
    return block_with(lambda x, weight: x / (x.square().mean(-1, keepdim=True) + 1e-5) * weight)(*weights)


@wrong("06.2", "as LayerNorm does")
def with_layer_norm(*weights):
    return block_with(lambda x, weight: F.layer_norm(x, weight.shape, weight))(*weights)


@wrong("06.2", "over all tokens together")
def one_size_for_all(*weights):
    return block_with(lambda x, weight: x / (x.square().mean() + 1e-5).sqrt() * weight)(*weights)


def usual_block(x, mix, *weights):
    return block_with(lambda x, weight: F.rms_norm(x, weight.shape, weight, 1e-5))(x, mix, *weights)


@wrong("06.2", "A softmax is taken of `mix`")
def softmax_of_mix(x, mix, *weights):
    return usual_block(x, mix.softmax(-1), *weights)


@wrong("06.2", "`mix` is used the other way round")
def heard_by_the_others(x, mix, *weights):
    return usual_block(x, mix.T, *weights)


@wrong("06.2", "The value matrix is used the other way round")
def value_as_it_lies(x, mix, g1, value, *weights):
    return usual_block(x, mix, g1, value.T, *weights)


@wrong("06.2", "without the stream that came in")
def what_was_written(x, mix, g1, value, g2, up, down):
    first = mix @ norm(x, g1) @ value.T
    return first + (norm(x + first, g2) @ up.T).relu() @ down.T


@wrong("06.2", "multiplied by the stream's size")
def in_proportion(x, mix, g1, value, g2, up, down):
    def size(x):
        return (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()

    x = x + size(x) * (mix @ norm(x, g1) @ value.T)
    return x + size(x) * ((norm(x, g2) @ up.T).relu() @ down.T)


@wrong("06.2", "another function than ReLU")
def straight(x, mix, g1, value, g2, up, down):
    x = x + mix @ norm(x, g1) @ value.T
    return x + norm(x, g2) @ up.T @ down.T


@wrong("06.2", "attention's write is lost")
def second_write_alone(x, mix, g1, value, g2, up, down):
    new = x + mix @ norm(x, g1) @ value.T
    return x + (norm(new, g2) @ up.T).relu() @ down.T


@wrong("06.3", "compared as text, where '10'")
def numbers_as_text(weights, after):
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(str(other) < number for other in after)
        grown[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            grown[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if rest.startswith(WRITES) else weight
    return grown


@wrong("06.3", "only one digit is read")
def by_one_character(weights, after):
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        number, rest = int(name[7]), name[9:]
        place = number + sum(other < number for other in after)
        grown[f"blocks.{place}.{rest}"] = weight
        if number in after:
            grown[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if rest.startswith(WRITES) else weight
    return grown


@wrong("06.4", "not divided by it")
def times_the_size(heads, output, stream, name, weight, direction):
    size = (stream.square().mean() + 1e-5).sqrt()
    return head_writes(heads, output) * size * weight @ direction


@wrong("06.4", "multiply the stream before its size")
def size_after_the_weights(heads, output, stream, name, weight, direction):
    size = ((stream * weight).square().mean() + 1e-5).sqrt()
    return head_writes(heads, output) / size * weight @ direction


def in_layer_norm(centred):
    def answer(heads, output, stream, name, weight, direction):
        writes = head_writes(heads, output)
        if name == "rmsnorm":
            return through(writes, stream, name, weight, direction)
        return centred(writes, weight) / (stream.var(correction=0) + 1e-5).sqrt() @ direction

    return answer


@wrong("06.4", "weights are multiplied in before the mean")
def weights_before_the_mean(*arguments):
    def centred(writes, weight):
        return writes * weight - (writes * weight).mean(-1, keepdim=True)

    return in_layer_norm(centred)(*arguments)


@wrong("06.4", "The mean is taken over the heads")
def mean_over_heads(*arguments):
    return in_layer_norm(lambda writes, weight: (writes - writes.mean(0)) * weight)(*arguments)


@wrong("06.4", "One mean is taken of all writes")
def mean_of_all(*arguments):
    return in_layer_norm(lambda writes, weight: (writes - writes.mean()) * weight)(*arguments)


@wrong("06.1", "A head is taken to be C / H wide")
def width_of_the_lesson(V, C, L, H, K, D, F, E, k):
    def total(experts):
        attention = 2 * C * C + 2 * C * K * (C // H)
        return 2 * V * C + L * (attention + E * C + 2 * C + 3 * experts * C * F) + C

    return total(E), total(k)


@wrong("06.2", "The norm's eps is not 1e-5")
def eps_of_torch(*weights):
    return block_with(lambda x, weight: F.rms_norm(x, x.shape[-1:], weight))(*weights)


@wrong("06.3", "found by how their names begin")
def the_last_that_begins_so(weights, after):
    count = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    mixed = {name: tensor for name, tensor in weights.items() if not name.startswith("blocks.")}
    for number in range(count):
        for name, tensor in weights.items():
            if name.startswith(f"blocks.{number}"):
                mixed[f"blocks.{number}.{name.split('.', 2)[2]}"] = tensor
    return one_by_one_from_the_back(mixed, after)
