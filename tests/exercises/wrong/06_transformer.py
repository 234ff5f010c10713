"""Answers to exercise 06 as learners write them."""

import re
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 06.1 Total and active parameters


@wrong("06.1", "The whole block is counted once per expert")
def eight_times_seven(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    total, active = (2 * V * C + L * (n * (attention + 3 * C * F) + C * E + 2 * C) + C for n in (E, k))
    return total, active


@wrong("06.1", "routers are not counted")
def no_router(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return tuple(2 * V * C + L * (attention + 3 * C * F * n + 2 * C) + C for n in (E, k))


@wrong("06.1", "The embedding is counted once, but the head has a matrix of its own")
def tied_as_in_the_lesson(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * H * D + 2 * C * K * D
    return tuple(V * C + L * (attention + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "for all H heads")
def four_equal_matrices(V, C, L, H, K, D, F, E, k):
    return tuple(2 * V * C + L * (4 * C * H * D + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "The query and output matrices are counted as C × C")
def lessons_attention(V, C, L, H, K, D, F, E, k):
    attention = 2 * C * C + 2 * C * K * D
    return tuple(2 * V * C + L * (attention + 3 * C * F * n + C * E + 2 * C) + C for n in (E, k))


@wrong("06.1", "The size of a head is taken as C / H")
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


def norm(x, weight):
    return F.rms_norm(x, (x.shape[-1],), weight, 1e-5)


def block_with(norm):
    def block(x, mix, g1, value, g2, up, down):
        x = x + mix @ norm(x, g1) @ value.T
        return x + (norm(x, g2) @ up.T).relu() @ down.T

    return block


# 06.2 Fold the norm weights

ATTENTION = ("attention.query", "attention.key", "attention.value")
FEEDFORWARD = ("feedforward.gate", "feedforward.up")


def n_blocks(weights):
    return 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))


def folding(weights, attention=ATTENTION, feedforward=FEEDFORWARD, times=lambda w, g: w * g, ones=torch.ones_like):
    """Folded right, but for what is passed."""
    new = dict(weights)
    for i in range(n_blocks(weights)):
        for norm, parts in (("attention_norm", attention), ("feedforward_norm", feedforward)):
            g = weights[f"blocks.{i}.{norm}.weight"]
            for part in parts:
                name = f"blocks.{i}.{part}.weight"
                if name in weights:
                    new[name] = times(weights[name], g).to(weights[name].dtype)
            new[f"blocks.{i}.{norm}.weight"] = ones(g)
    g = weights["final_norm.weight"]
    head = weights.get("head.weight", weights["embedding.weight"])
    new["head.weight"] = times(head, g).to(head.dtype)
    new["final_norm.weight"] = ones(g)
    return new


@wrong("06.2", "`feedforward.up` is not folded")
def gate_alone(weights):
    return folding(weights, feedforward=("feedforward.gate",))


@wrong("06.2", "`feedforward.gate` is not folded")
def up_alone(weights):
    return folding(weights, feedforward=("feedforward.up",))


@wrong("06.2", "The final norm is folded into the embedding, which is looked up at the")
def still_tied(weights):
    new = folding(weights)
    if "head.weight" not in weights:
        new["embedding.weight"] = new.pop("head.weight")
    return new


@wrong("06.2", "The embedding is multiplied, too")
def both_scaled(weights):
    new = folding(weights)
    if "head.weight" not in weights:
        new["embedding.weight"] = new["head.weight"].clone()
    return new


@wrong("06.2", "The embedding is multiplied, too")
def table_first(weights):
    new = folding(weights)
    new["embedding.weight"] = weights["embedding.weight"] * weights["final_norm.weight"]
    return new


@wrong("06.2", "The weights of the final norm are lost")
def head_as_it_was(weights):
    new = folding(weights)
    if "head.weight" not in weights:
        new["head.weight"] = weights["embedding.weight"].clone()
    return new


@wrong("06.2", "The weights of the final norm are lost")
def no_new_head(weights):
    new = folding(weights)
    return new if "head.weight" in weights else {name: w for name, w in new.items() if name != "head.weight"}


@wrong("06.2", "The new head is made of the embedding, even where the model has a head")
def head_from_the_table(weights):
    new = folding(weights)
    new["head.weight"] = weights["embedding.weight"] * weights["final_norm.weight"]
    return new


@wrong("06.2", "The rows of `feedforward.down` are multiplied, too")
def down_as_well(weights):
    new = folding(weights)
    for i in range(n_blocks(weights)):
        name = f"blocks.{i}.feedforward.down.weight"
        new[name] = weights[name] * weights[f"blocks.{i}.feedforward_norm.weight"][:, None]
    return new


@wrong("06.2", "`attention.output` is multiplied, too")
def output_as_well(weights):
    return folding(weights, attention=(*ATTENTION, "attention.output"))


@wrong("06.2", "The matrices are folded, but the norms keep their weights")
def norms_kept(weights):
    return folding(weights, ones=lambda g: g)


@wrong("06.2", "The norms' weights are 0, so nothing passes through them")
def norms_of_zero(weights):
    return folding(weights, ones=torch.zeros_like)


@wrong("06.2", "The norms are gone from the state dictionary")
def norms_removed(weights):
    return {name: w for name, w in folding(weights).items() if "norm" not in name}


@wrong("06.2", "The attention matrices are not folded, and the weights of their norm")
def attention_norm_lost(weights):
    return folding(weights, attention=())


@wrong("06.2", "The attention matrices and their norm are as they came in")
def attention_later(weights):
    new = folding(weights)
    return new | {name: w for name, w in weights.items() if "attention" in name}


@wrong("06.2", "'blocks.0.attention.value.weight' is as it came in")
def scores_only(weights):
    return folding(weights, attention=ATTENTION[:2])


@wrong("06.2", "'blocks.0.attention.key.weight' is as it came in")
def without_keys(weights):
    return folding(weights, attention=("attention.query", "attention.value"))


@wrong("06.2", "The two norms of a block are swapped")
def crossed_norms(weights):
    swapped = dict(weights)
    for i in range(n_blocks(weights)):
        a, b = f"blocks.{i}.attention_norm.weight", f"blocks.{i}.feedforward_norm.weight"
        swapped[a], swapped[b] = weights[b], weights[a]
    return folding(swapped)


@wrong("06.2", "The matrices are divided by the norm weights")
def the_other_way(weights):
    return folding(weights, times=lambda w, g: w / g)


@wrong("06.2", "The final norm is not folded")
def blocks_only(weights):
    new = folding(weights)
    new["final_norm.weight"] = weights["final_norm.weight"]
    if "head.weight" in weights:
        new["head.weight"] = weights["head.weight"]
    else:
        del new["head.weight"]
    return new


@wrong("06.2", "The weights of the final norm are lost")
def lost_final_norm(weights):
    new = folding(weights)
    new["head.weight"] = weights.get("head.weight", weights["embedding.weight"])
    return new


@wrong("06.2", "Only block 0 is folded")
def first_block(weights):
    new = folding(weights)
    return new | {name: w for name, w in weights.items() if name.startswith("blocks.") and name.split(".")[1] != "0"}


@wrong("06.2", "Where the shapes allow it, rows are multiplied instead of columns.")
def rows_where_they_fit(weights):
    def times(w, g):
        return w * g[:, None] if len(w) == len(g) else w * g

    return folding(weights, times=times)


@wrong("06.2", "A block's norm is found by how its name begins, and `blocks.1` also")
def by_beginning(weights):
    new = folding(weights)
    for i in range(n_blocks(weights)):
        for norm, parts in (("attention_norm", ATTENTION), ("feedforward_norm", FEEDFORWARD)):
            found = [name for name in weights if name.startswith(f"blocks.{i}") and name.endswith(f"{norm}.weight")]
            for part in parts:
                name = f"blocks.{i}.{part}.weight"
                if name in weights:
                    new[name] = (weights[name] * weights[found[-1]]).to(weights[name].dtype)
    return new


@wrong("06.2", "'blocks.0.attention.query.bias' is its numbers times")
def biases_as_well(weights):
    new = folding(weights)
    for name in weights:
        if name.endswith(".bias") and "norm" not in name:
            norm = name.rpartition(".")[0].rpartition(".")[0] + "_norm.weight"
            if weights[name].shape == weights[norm].shape:
                new[name] = weights[name] * weights[norm]
    return new


@wrong("06.2", "The result is a tensor of torch.float32 at ['embedding.weight'] in place of torch.bfloat16.")
def promoted(weights):
    return folding({name: w.float() for name, w in weights.items()})


@wrong("06.2", "] in place of torch.float32.")
def all_of_one_dtype(weights):
    kind = weights["embedding.weight"].dtype
    return {name: w.to(kind) for name, w in folding(weights).items()}


@wrong("06.2", "'blocks.0.attention_norm.weight' is of shape (1,)")
def ones_of_another_shape(weights):
    return folding(weights, ones=lambda g: torch.ones(1, dtype=g.dtype))


@wrong("06.2", "Only the tensors that change are in the result")
def changes_only(weights):
    new = folding(weights)
    return {name: w for name, w in new.items() if name not in weights or w is not weights[name]}


@wrong("06.2", "fold raised KeyError")
def always_a_gate(weights):
    new = dict(weights)
    for name, g in weights.items():
        block, _, part = name.removesuffix(".weight").rpartition(".")
        for reader in {"attention_norm": ATTENTION, "feedforward_norm": FEEDFORWARD}.get(part, ()):
            matrix = f"{block}.{reader}.weight"
            new[matrix] = (weights[matrix] * g).to(weights[matrix].dtype)
            new[name] = torch.ones_like(g)
    head, g = weights.get("head.weight", weights["embedding.weight"]), weights["final_norm.weight"]
    return new | {"head.weight": (head * g).to(head.dtype), "final_norm.weight": torch.ones_like(g)}


@wrong("06.2", "fold changed the input that it was given; work on a copy")
def in_place(weights):
    for name in weights:
        if name.endswith("norm.weight"):
            weights[name].fill_(1)
    return folding(weights)


@wrong("06.2", "The norm weights are multiplied in twice")
def folded_twice(weights):
    return folding(weights, times=lambda w, g: w * g * g)


@wrong("06.2", "Each matrix is multiplied by a single number, the mean of the norm's")
def mean_of_the_norm(weights):
    return folding(weights, times=lambda w, g: w * g.mean())


@wrong("06.2", "1 is added to the norm weights, as in Gemma")
def as_in_gemma(weights):
    return folding(weights, times=lambda w, g: w * (1 + g))


@wrong("06.2", "Every matrix with C columns is multiplied, those that write to the")
def whatever_fits(weights):
    new = folding(weights)
    for i in range(n_blocks(weights)):
        for name in (f"blocks.{i}.attention.output.weight", f"blocks.{i}.feedforward.down.weight"):
            g = weights[f"blocks.{i}.{name.split('.')[2]}_norm.weight"]
            if weights[name].shape[1] == len(g):
                new[name] = (weights[name] * g).to(weights[name].dtype)
    return new


@wrong("06.2", "'embedding.weight' is its columns times")
def into_the_embedding(weights):
    new = folding(weights, attention=())
    new["embedding.weight"] = weights["embedding.weight"] * weights["blocks.0.attention_norm.weight"]
    return new


@wrong("06.2", "`feedforward.up` is not folded")
def as_it_was_folded(weights):
    new = folding(weights, feedforward=("feedforward.gate",))
    if "head.weight" not in weights:
        new["embedding.weight"] = new.pop("head.weight")
    return new


@right("06.2")
def with_a_regular_expression(weights):
    new = {name: w.clone() for name, w in weights.items()}
    new.setdefault("head.weight", weights["embedding.weight"].clone())
    for name in list(new):
        found = re.fullmatch(r"(blocks\.\d+\.)(attention|feedforward)\.(query|key|value|gate|up)\.weight", name)
        norm = "final_norm.weight" if name == "head.weight" else found and f"{found[1]}{found[2]}_norm.weight"
        if norm:
            new[name].mul_(weights[norm])
    for name in new:
        if name.endswith("_norm.weight"):
            new[name].fill_(1.0)
    return new


@right("06.2")
def by_diagonal_matrices(weights):
    return folding(weights, times=lambda w, g: w.double() @ torch.diag(g.double()))


@right("06.2")
def in_float32_and_back(weights):
    return folding(weights, times=lambda w, g: w.float() * g.float()[None, :], ones=lambda g: g / g)


@right("06.2")
def ordered(weights):
    return OrderedDict(sorted(folding(weights).items(), reverse=True))


@right("06.2")
def block_by_block(weights):
    new = {}
    for name, w in weights.items():
        part = name.split(".")
        if name.endswith("norm.weight"):
            new[name] = torch.full(w.shape, 1.0, dtype=w.dtype)
        elif part[0] == "blocks" and part[-1] == "weight" and part[3] not in ("output", "down"):
            norm = weights[f"blocks.{part[1]}.{part[2]}_norm.weight"]
            new[name] = torch.stack([row * norm for row in w]).to(w.dtype)
        else:
            new[name] = w
    head = new.get("head.weight", new["embedding.weight"])
    new["head.weight"] = torch.einsum("vc,c->vc", head.float(), weights["final_norm.weight"].float()).to(head.dtype)
    return new


@right("06.2")
def transposed_rows(weights):
    return folding(weights, times=lambda w, g: (w.T * g[:, None]).T.contiguous())


@right("06.2")
def what_writes_is_left_alone(weights):
    new = dict(weights)
    new["head.weight"] = weights["head.weight"] if "head.weight" in weights else weights["embedding.weight"]
    for name, w in list(new.items()):
        if name.endswith("norm.weight"):
            new[name] = w**0
        elif name == "head.weight":
            new[name] = (w * weights["final_norm.weight"]).type_as(w)
        elif w.dim() == 2 and not name.endswith(("output.weight", "down.weight")) and name != "embedding.weight":
            norm = ".".join(name.split(".")[:3]) + "_norm.weight"
            new[name] = (w * weights[norm]).type_as(w)
    return new


@wrong("06.2", "The feed-forward matrices are not folded, and the weights of their")
def attention_first(weights):
    return folding(weights, feedforward=())


@wrong("06.2", "The feed-forward matrices and their norm are as they came in.")
def half_of_each_block(weights):
    new = folding(weights)
    return new | {name: w for name, w in weights.items() if "feedforward" in name}


@wrong("06.2", "The biases are multiplied, too")
def with_their_biases(weights):
    new = folding(weights)
    for name, bias in weights.items():
        block, _, part = name.removesuffix(".bias").partition(".att")
        norm = f"{block}.attention_norm.weight" if part else name.partition(".feed")[0] + ".feedforward_norm.weight"
        if name.endswith((*(f"{x}.bias" for x in ATTENTION), *(f"{x}.bias" for x in FEEDFORWARD))):
            if len(bias) == len(weights[norm]):
                new[name] = bias * weights[norm]
    return new


@wrong("06.2", "`attention.output` is multiplied, too")
def output_where_it_fits(weights):
    new = folding(weights)
    for name, w in weights.items():
        if name.endswith("attention.output.weight"):
            norm = weights[name.replace("attention.output", "attention_norm")]
            new[name] = (w * norm).to(w.dtype) if w.shape[1] == len(norm) else w
    return new


# 06.3 Add blocks without changing a logit

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


@wrong("06.3", "Only the copy's feed-forward layer is silent; its attention still")
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


@wrong("06.3", "The copy's norms are 0, not the matrices that write")
def reads_nothing(weights, after):
    return grow(weights, after, lambda rest, weight: weight * 0 if "norm" in rest else weight)


@wrong("06.3", "The numbers in `after` are treated as sorted")
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


@wrong("06.3", "A copy overwrites the block after it")
def not_moved_up(weights, after):
    grown = dict(weights)
    for number in sorted(after, reverse=True):
        for name in list(weights):
            if name.startswith(f"blocks.{number}."):
                new = name.replace(f".{number}.", f".{number + 1}.", 1)
                grown[new] = weights[name] * (not any(part in name for part in WRITES))
    return grown


@wrong("06.3", "The copies come after the last block")
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


@wrong("06.3", "The result has 'blocks.")
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


@wrong("06.3", "which no model of this depth has")
def by_how_the_name_begins(weights, after):
    return grown_by(weights, after, lambda name, after: any(name.startswith(f"blocks.{n}") for n in after))


@wrong("06.3", "] in place of torch.bfloat16.")
def zeros_of_the_usual_kind(weights, after):
    return grown_by(weights, after, by_number, lambda weight: torch.zeros(weight.shape))


@wrong("06.3", "returned its input itself")
def nothing_to_add(weights, after):
    return grown_by(weights, after, by_number) if after else weights


@right("06.3")
def the_other_tensors_shared(weights, after):
    return grown_by(weights, after, by_number, lambda weight: weight * 0)


# 06.4 Attribute a logit to heads


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


@wrong("06.4", "What a head writes is normalized by its own root mean square")
def norm_of_each_write(heads, output, stream, name, weight, direction):
    writes = head_writes(heads, output)
    kind = F.layer_norm if name == "layernorm" else F.rms_norm
    return kind(writes, (len(stream),), weight) @ direction


@wrong("06.4", "It is divided by the mean square, without the square root")
def no_root(heads, output, stream, name, weight, direction):
    return head_writes(heads, output) / (stream.square().mean() + 1e-5) * weight @ direction


@wrong("06.4", "It is divided by the norm of the stream, not by its root mean square")
def divided_by_length(heads, output, stream, name, weight, direction):
    return head_writes(heads, output) / torch.linalg.norm(stream) * weight @ direction


@wrong("06.4", "The output matrix is transposed")
def transposed(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output.T), stream, name, weight, direction)


@wrong("06.4", "Head h gets every H-th column")
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


@wrong("06.4", "The result of the whole layer is divided evenly among the heads")
def same_for_all(heads, output, stream, name, weight, direction):
    whole = (output @ heads.flatten())[None]
    return through(whole, stream, name, weight, direction).repeat(len(heads)) / len(heads)


@wrong("06.4", "The results of 2 heads sum to")
def whole_for_all(heads, output, stream, name, weight, direction):
    whole = (output @ heads.flatten())[None]
    return through(whole, stream, name, weight, direction).repeat(len(heads))


@wrong("06.4", "treated as RMSNorm")
def always_rms(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output), stream, "rmsnorm", weight, direction)


@wrong("06.4", "The divisor is right, but the mean of what a head writes is not")
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


@wrong("06.4", "The stream's mean is subtracted from every row")
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


@wrong("06.1", "Where every expert is chosen, the active count has none. Does it")
def the_others(*sizes):
    return by_shapes(*sizes[:-1], sizes[-2] - sizes[-1])


@wrong("06.1", "The total count has 1 · C · H · D · L too few")
def three_matrices_of_attention(V, C, L, H, K, D, F, E, k):
    return tuple(count - L * C * H * D for count in by_shapes(V, C, L, H, K, D, F, E, k))


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


@wrong("06.3", "Only one digit of a block's number is read: block 10 is treated as")
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


@wrong("06.4", "The norm's weights multiply the stream before its root mean square is")
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


@wrong("06.4", "The mean is over the heads, not over each row's own numbers")
def mean_over_heads(*arguments):
    return in_layer_norm(lambda writes, weight: (writes - writes.mean(0)) * weight)(*arguments)


@wrong("06.4", "One mean is taken of all rows together")
def mean_of_all(*arguments):
    return in_layer_norm(lambda writes, weight: (writes - writes.mean()) * weight)(*arguments)


@wrong("06.1", "The size of a head is taken as C / H")
def width_of_the_lesson(V, C, L, H, K, D, F, E, k):
    def total(experts):
        attention = 2 * C * C + 2 * C * K * (C // H)
        return 2 * V * C + L * (attention + E * C + 2 * C + 3 * experts * C * F) + C

    return total(E), total(k)


@wrong("06.3", "found by how their names begin")
def the_last_that_begins_so(weights, after):
    count = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    mixed = {name: tensor for name, tensor in weights.items() if not name.startswith("blocks.")}
    for number in range(count):
        for name, tensor in weights.items():
            if name.startswith(f"blocks.{number}"):
                mixed[f"blocks.{number}.{name.split('.', 2)[2]}"] = tensor
    return one_by_one_from_the_back(mixed, after)


# From the text alone, before the checks were read


def count(V, C, L, H, K, D, F, experts, columns, norms=2, routers=None):
    block = 2 * C * H * D + 2 * C * K * D + norms * C + experts * 3 * C * F
    return 2 * V * C + L * block + C + C * columns * (L if routers is None else routers)


@wrong("06.1", "The active count has 1 · C too many and 1 · V · C too few")
def one_row_of_the_embedding(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E), count(V, C, L, H, K, D, F, k, E) - V * C + C


@wrong("06.1", "There is one router for the whole model")
def one_router_again(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E, routers=1), count(V, C, L, H, K, D, F, k, E, routers=1)


@wrong("06.1", "The experts that are not chosen are left out in one block only")
def unchosen_of_one_block(V, C, L, H, K, D, F, E, k):
    total = count(V, C, L, H, K, D, F, E, E)
    return total, total - (E - k) * 3 * C * F


@wrong("06.1", "The total count has 1 · C · L too few and 1 · C · k · L too many")
def a_norm_per_expert(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E, norms=1 + E), count(V, C, L, H, K, D, F, k, E, norms=1 + k)


@wrong("06.1", "Of the router only the chosen experts' scores are counted as active")
def columns_of_the_chosen(V, C, L, H, K, D, F, E, k):
    return count(V, C, L, H, K, D, F, E, E), count(V, C, L, H, K, D, F, k, k)


@wrong("06.1", "The size of a head is taken as C / H")
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


@wrong("06.2", "A block's norm is found by how its name begins, and `blocks.1` also begins `blocks.10`")
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


@wrong("06.2", "'blocks.0.attention.query.bias' is its numbers times 'blocks.0.attention_norm.weight';")
def biases_folded_too(weights):
    new = folded_by(weights, own_norm)
    for name, weight in weights.items():
        norm = own_norm(name.removesuffix("bias") + "weight") if name.endswith(".bias") else None
        if norm in weights:
            size = min(len(weight), len(weights[norm]))
            new[name] = weight.clone()
            new[name][:size] = times(weight[:size], weights[norm][:size])
    return new


@wrong("06.2", "float32 at ['blocks.0.attention.query.weight'] in place of torch.bfloat16. It")
def dtype_of_the_product(weights):
    new = folded_by(weights, own_norm)
    for name in weights:
        if own_norm(name) in weights:
            new[name] = weights[name] * weights[own_norm(name)]
    if "head.weight" not in weights:
        new["head.weight"] = weights["embedding.weight"] * weights["final_norm.weight"]
    return new


@wrong("06.2", "The norms are gone from the state dictionary")
def norms_removed_again(weights):
    return {name: weight for name, weight in folded_by(weights, own_norm).items() if "norm" not in name}


@wrong("06.2", "Blocks whose number has two digits are not folded")
def one_digit(weights):
    new = folded_by(weights, lambda name: own_norm(name) if re.match(r"blocks\.\d\.|head", name) else None)
    return new


@wrong("06.2", "The weights of the final norm are lost: it is 1, and the head is as before")
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


def plain_copy_again(after):
    return lambda n: n + sum(other < n for other in after) + 1 if n in after else None


@wrong("06.3", "A block's tensors are found by how their names begin, and `blocks.1` begins")
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


@wrong("06.3", "After the first copy is inserted, the numbers in `after` no longer mean the same blocks")
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


@wrong("06.3", "The biases of the copy still write")
def biases_still_write(weights, after):
    names = ("attention.output.weight", "feedforward.down.weight")
    return deeper(weights, plain_number(after), plain_copy_again(after), lambda rest, _: rest in names)


@wrong("06.3", "Only the copy's attention is silent; its feed-forward layer still writes")
def only_attention_is_silent(weights, after):
    return deeper(
        weights, plain_number(after), plain_copy_again(after), lambda rest, _: rest.startswith("attention.output.")
    )


@wrong("06.3", "The copies come after the last block")
def copies_at_the_end(weights, after):
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    order = sorted(after)
    return deeper(weights, lambda n: n, lambda n: n_blocks + order.index(n) if n in after else None)


@wrong("06.3", "The block itself is silent, and its copy after it writes")
def copy_before_its_block(weights, after):
    return deeper(
        weights,
        lambda n: n + sum(other <= n for other in after),
        lambda n: n + sum(other < n for other in after) if n in after else None,
    )


@right("06.3")
def block_by_block_again(weights, after):
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


@wrong("06.4", "The norm's eps is left out")
def larger_of_root_and_eps(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows, stream = centered(rows), centered(stream)
    return rows * norm_weight @ direction / stream.square().mean().sqrt().clamp_min(1e-5)


@wrong("06.4", "The standard deviation divides by C - 1")
def unbiased_variance(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        return centered(rows) * norm_weight @ direction / (stream.var() + 1e-5).sqrt()
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "The stream's mean is subtracted from every row")
def mean_of_the_stream_again(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows, stream = rows - stream.mean(), centered(stream)
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "The norm's weights are multiplied in before the mean is subtracted")
def direction_centered(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        direction, stream = centered(direction), centered(stream)
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "The mean is over the heads, not over each row's own numbers")
def mean_over_the_heads(heads, output_weight, stream, norm, norm_weight, direction):
    rows = writes_of(heads, output_weight)
    if norm == "layernorm":
        rows, stream = rows - rows.mean(0), centered(stream)
    return rows * norm_weight @ direction / root(stream)


@wrong("06.4", "The rows are centered, but divided by the stream's root mean square")
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


@wrong("06.3", "Both parts of the copy are 0 as a whole, the matrices that read as well")
def no_matrix_is_copied(weights, after):
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(other < int(number) for other in after)
        grown[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            grown[f"blocks.{place + 1}.{rest}"] = torch.zeros_like(weight) if weight.dim() == 2 else weight
    return grown


@right("06.3")
def rows_and_columns_of_zeros(weights, after):
    grown, names = {}, [name for name in weights if name.startswith("blocks.")]
    for name in names:
        _, number, rest = name.split(".", 2)
        place = int(number) + len([other for other in after if other < int(number)])
        grown[f"blocks.{place}.{rest}"] = weights[name]
        if int(number) in after:
            copy = weights[name].clone()
            if rest.startswith(("attention.output.", "feedforward.down.")):
                if rest.endswith("weight"):
                    rows, columns = copy.shape
                    copy = copy.new_zeros(rows, columns)
                else:
                    copy.zero_()
            grown[f"blocks.{place + 1}.{rest}"] = copy
    return {name: weights[name] for name in weights if name not in names} | grown
