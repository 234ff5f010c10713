"""Answers to the turns and questions of lesson 06; `tools/choose_answers.py` chose them."""

import functools
import math
from collections import OrderedDict
from functools import reduce

import torch
from answers import right, wrong
from torch.nn import functional as F

from minillm.course.heads import heads
from minillm.course.turns.feed_forward import feed_forward
from minillm.course.turns.transformer import block, rms_norm


@right("06.rms_norm")
class TorchsFunctionWithEps:
    def rms_norm(x, weight, eps=1e-5):
        return F.rms_norm(x, weight.shape, weight, eps)


@right("06.rms_norm")
class ByEinsum:
    def rms_norm(x, weight, eps=1e-5):
        squares = torch.einsum("tc,tc->t", x, x) / weight.numel()
        return torch.einsum("tc,t,c->tc", x, (squares + eps).rsqrt(), weight)


@right("06.rms_norm")
class RowByRow:
    def rms_norm(x, weight, eps=1e-5):
        rows = []
        for row in x:
            rows.append(row / (sum(n * n for n in row) / len(row) + eps) ** 0.5 * weight)
        return torch.stack(rows)


@wrong("06.rms_norm", "is not defined")
class Llamas:
    def rms_norm(x, weight, eps=1e-5):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * self.weight  # noqa: F821


@wrong("06.rms_norm", "is not defined")
class SizesFromNowhere:
    def rms_norm(x, weight, eps=1e-5):
        return x / (x.norm(dim=-1, keepdim=True) / math.sqrt(d_model) + eps) * weight  # noqa: F821


@wrong("06.rms_norm", "is not defined")
class NoImport:
    def rms_norm(x, weight, eps=1e-5):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight  # noqa: F821


@wrong("06.rms_norm", "Dimension out of range")
class ThreeAxes:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt((x**2).mean(2, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "raised TypeError")
class NoDefault:
    def rms_norm(x, weight, eps):
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "One number per token is returned.")
class MatrixProductWithTheWeight:
    def rms_norm(x, weight, eps=1e-5):
        return (x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + eps)) @ weight


@wrong("06.rms_norm", "`rms_norm` raised ValueError: only one element tensors can be converted to Python scalars.")
class MathSqrt:
    def rms_norm(x, weight, eps=1e-5):
        return x / math.sqrt(x.square().mean(dim=-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "`rms_norm` raised RuntimeError")
class NoKeepdim:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.pow(2).mean(-1) + eps) * weight


@wrong("06.rms_norm", "changed the input")
class InPlace:
    def rms_norm(x, weight, eps=1e-5):
        x /= torch.sqrt((x**2).mean(-1, keepdim=True) + eps)
        return x * weight


@wrong("06.rms_norm", "torch.float32 in place of torch.float64")
class AlwaysFloat32:
    def rms_norm(x, weight, eps=1e-5):
        x = x.float()
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * weight.float()


@wrong("06.rms_norm", "The rows are divided by their standard deviation, and `std` or `var` divides by C - 1.")
class VarianceIsTheMeanSquare:
    def rms_norm(x, weight, eps=1e-5):
        variance = x.var(-1, keepdim=True)
        return x * torch.rsqrt(variance + eps) * weight


@right("06.block")
class AWrite:
    def block(x, weights, layer, settings):
        def read(stream, which):
            return rms_norm(stream, weights[f"blocks.{layer}.{which}_norm.weight"])

        writes = [heads(read(x, "attention"), weights, layer, settings)]
        matrices = [weights[f"blocks.{layer}.feedforward.{m}.weight"] for m in ["gate", "up", "down"]]
        writes.append(feed_forward(read(x + writes[0], "feedforward"), *matrices))
        return x + torch.stack(writes).sum(dim=0)


@right("06.block")
class TokenByTokenFeedForward:
    def block(x, weights, layer, settings):
        w = {k.split(".", 2)[2]: v for k, v in weights.items() if k.split(".")[:2] == ["blocks", str(layer)]}
        x = torch.add(x, heads(rms_norm(x, weight=w["attention_norm.weight"], eps=1e-5), weights, layer, settings))
        rows = []
        for row in x:
            normed = rms_norm(row[None], w["feedforward_norm.weight"])
            rows.append(row + feed_forward(normed, *(w[f"feedforward.{m}.weight"] for m in ("gate", "up", "down")))[0])
        return torch.stack(rows)


@wrong("06.block", "rms_norm() missing")
class NormOfX:
    def block(x, weights, layer, settings):
        return x + heads(rms_norm(x), weights, layer, settings)


@wrong("06.block", "KeyError: 'attention_norm.weight'")
class ShortNames:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights["attention_norm.weight"]), weights, layer, settings)
        return x + feed_forward(rms_norm(x, weights["feedforward_norm.weight"]), weights, layer, settings)


@wrong("06.block", "heads() missing")
class HeadsOfX:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights[f"blocks.{layer}.attention_norm.weight"]))
        return x + feed_forward(rms_norm(x, weights[f"blocks.{layer}.feedforward_norm.weight"]))


@wrong("06.block", "feed_forward() missing")
class FeedForwardOfX:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights[f"blocks.{layer}.attention_norm.weight"]), weights, layer, settings)
        return x + feed_forward(rms_norm(x, weights[f"blocks.{layer}.feedforward_norm.weight"]))


@wrong("06.block", "name 'self' is not defined")
class NanoGPT:
    def block(x, weights, layer, settings):
        x = x + self.attn(self.ln_1(x))  # noqa: F821
        return x + self.mlp(self.ln_2(x))  # noqa: F821


@wrong("06.block", "not callable")
class CallsTheWeights:
    def block(x, weights, layer, settings):
        x = x + heads(weights[f"blocks.{layer}.attention_norm.weight"](x), weights, layer, settings)
        return x


@wrong("06.block", "`block` raised KeyError")
class NoDotWeight:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights[f"blocks.{layer}.attention_norm"]), weights, layer, settings)
        return x


@wrong("06.block", "KeyError: 'norm1'")
class RasbtsNames:
    def block(x, weights, layer, settings):
        shortcut = x
        x = rms_norm(x, weights["norm1"])
        return heads(x, weights, layer, settings) + shortcut


@wrong("06.block", "KeyError: 'blocks.1.attention_norm.weight'")
class CountedFromOne:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer + 1}"
        x = x + heads(rms_norm(x, weights[f"{p}.attention_norm.weight"]), weights, layer, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + feed_forward(rms_norm(x, weights[f"{p}.feedforward_norm.weight"]), *matrices)


@wrong("06.block", "Several things are returned")
class BothWrites:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}"
        a = heads(rms_norm(x, weights[f"{p}.attention_norm.weight"]), weights, layer, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + a, feed_forward(rms_norm(x + a, weights[f"{p}.feedforward_norm.weight"]), *matrices)


@wrong("06.block", "`block` raised RuntimeError")
class LlamasOrderOfMatrices:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        w1, w2, w3 = (weights[w + f"feedforward.{name}.weight"] for name in ("gate", "down", "up"))
        h = x + heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        return h + feed_forward(rms_norm(h, weights[w + "feedforward_norm.weight"]), w1, w2, w3)


@wrong("06.block", "`block` changed the input that it was given; work on a copy. `x += ...` writes")
class WrittenInPlace:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x += heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        x += feed_forward(rms_norm(x, weights[w + "feedforward_norm.weight"]), *ff)
        return x


@right("06.transformer")
class CountsTheBlocksByTheirNames:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids.tolist()]
        for layer in sorted({int(name.split(".")[1]) for name in weights if name.startswith("blocks.")}):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]).matmul(weights["head.weight"].t())


@right("06.transformer")
class Reduce:
    def transformer(ids, weights, settings):
        x = torch.index_select(weights["embedding.weight"], 0, ids)
        x = functools.reduce(lambda x, layer: block(x, weights, layer, settings), range(settings["layers"]), x)
        return torch.einsum("tc,vc->tv", rms_norm(x, weights["final_norm.weight"]), weights["head.weight"])


@right("06.transformer")
class Recursion:
    def transformer(ids, weights, settings):
        def after(layer):
            if layer < 0:
                return torch.stack([weights["embedding.weight"][i] for i in ids])
            return block(after(layer - 1), weights, layer, settings)

        x = after(settings["layers"] - 1)
        return (weights["head.weight"] @ rms_norm(x, weights["final_norm.weight"]).T).T


@wrong("06.transformer", "KeyError: 'wte.weight'")
class GPT2sNames:
    def transformer(ids, weights, settings):
        x = weights["wte.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["ln_f.weight"]) @ weights["lm_head.weight"].T


@wrong("06.transformer", "KeyError: 'n_layers'")
class AnotherSetting:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["n_layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "block() missing")
class BlockOfX:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, layer)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "rms_norm() missing")
class NormWithoutWeights:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x) @ weights["head.weight"].T


@wrong("06.transformer", "is not defined")
class AModule:
    def transformer(ids, weights, settings):
        x = self.embedding(ids)  # noqa: F821
        for layer in self.blocks:  # noqa: F821
            x = layer(x)
        return x


@wrong("06.transformer", "not callable")
class CallsTheTable:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"](ids)
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "The stream is returned")
class NoHead:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"])


@wrong("06.transformer", "`transformer` raised KeyError: 'blocks.2.attention_norm.weight'.")
class OneBlockTooMany:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"] + 1):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x2 and 3x2).")
class HeadNotTransposed:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"]


@wrong("06.transformer", "The result has a batch axis in front.")
class ABatchOfOne:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T)[None]


@wrong("06.transformer", "`transformer` raised TypeError: 'int' object is not iterable.")
class LayerCountIterated:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in settings["layers"]:
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised TypeError: 'int' object is not subscriptable.")
class ArgumentsOfBlockSwapped:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, layer, weights, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised RuntimeError")
class WithABatch:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids[None]]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised KeyError: 'position.weight'.")
class PositionsAddedAsInGpt2:
    def transformer(ids, weights, settings):
        tok_emb = weights["embedding.weight"][ids]
        pos_emb = weights["position.weight"][torch.arange(len(ids))]
        x = tok_emb + pos_emb
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised RuntimeError: The size of tensor a (3) must match")
class NormOfTheLogits:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x @ weights["head.weight"].T, weights["final_norm.weight"])


@wrong(
    "06.transformer",
    "`transformer` raised RuntimeError: expected m1 and m2 to have the same dtype, but got: long int != float.",
)
class OneHotFloats:
    def transformer(ids, weights, settings):
        V = len(weights["embedding.weight"])
        x = F.one_hot(ids, V) @ weights["embedding.weight"]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@right("06.differs")
class AskedForNanFirst:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            for token in range(actual.shape[1]):
                gap = (actual[depth][token] - right[depth][token]).norm()
                if gap.isnan() or gap > tolerance * right[depth][token].norm():
                    return depth


@wrong("06.differs", "raised AssertionError")
class AssertClose:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            torch.testing.assert_close(actual[depth], right[depth], rtol=tolerance, atol=0.0)


@wrong("06.differs", "True or False is returned.")
class TrueForADepth:
    def differs(actual, right, tolerance):
        return bool(((actual - right).norm(dim=-1) > tolerance * right.norm(dim=-1)).any())


@wrong("06.differs", "A tensor with an axis is returned.")
class ATensorOut:
    def differs(actual, right, tolerance):
        off = ~((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1)).all(dim=-1)
        return off.nonzero()[0] if off.any() else None


@wrong("06.differs", "is not defined")
class DepthsFromNowhere:
    def differs(actual, right, tolerance):
        for depth in range(L):  # noqa: F821
            if not ((actual[depth] - right[depth]).norm(dim=-1) <= tolerance * right[depth].norm(dim=-1)).all():
                return depth


@wrong("06.differs", "The size of tensor a")
class NormsOfColumns:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            if not ((actual[depth] - right[depth]).norm(dim=0) <= tolerance * right[depth].norm(dim=1)).all():
                return depth


@wrong("06.differs", "index 3 is out of bounds")
class ThirtyOneDepths:
    def differs(actual, right, tolerance):
        for depth in range(31):
            if not ((actual[depth] - right[depth]).norm(dim=-1) <= tolerance * right[depth].norm(dim=-1)).all():
                return depth


@wrong("06.differs", "cannot be converted to Scalar")
class ItemOfMany:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            if (actual[depth] - right[depth]).norm(dim=-1).item() > tolerance * right[depth].norm(dim=-1).item():
                return depth


@wrong("06.differs", "`differs` raised RuntimeError: Boolean value of Tensor with more than one value is ambiguous.")
class TensorInIf:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            if (actual[depth] - right[depth]).norm(dim=-1) > tolerance * right[depth].norm(dim=-1):
                return depth
        return None


# Once taken for another mistake: Numbers are compared, not vectors: a number that happens to be near 0 is allowed next to nothing
@wrong("06.differs", "The tolerance is always 0.001.")
class ToleranceHardCoded:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= 0.001 * b.norm(dim=-1)).all():
                return depth
        return None


@right("06.1")
def count_with_experts_left_open(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(experts):
        attention = 2 * d_model * n_heads * d_head + 2 * d_model * n_kv_heads * d_head
        block = 2 * d_model + attention + d_model * n_experts + experts * 3 * d_model * d_ff
        return 2 * vocab_size * d_model + n_layers * block + d_model

    return count(n_experts), count(n_chosen)


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


@wrong("06.1", "The total count has ")
def mixture_one_norm(V, C, L, H, K, D, F, E, k):
    shapes = [(C, H * D), (C, K * D), (C, K * D), (H * D, C), (C, E), (C, 1)]
    block = sum(a * b for a, b in shapes)
    return tuple(2 * V * C + C + L * (block + n * 3 * C * F) for n in (E, k))


def total_parameters(V, C, L, H, K, D, F, E):
    return 2 * V * C + C + L * (2 * C * D * (H + K) + 3 * C * F * E + C * E + 2 * C)


@wrong("06.1", "a generator")
def lazily(V, C, L, H, K, D, F, E, k):
    return (total_parameters(V, C, L, H, K, D, F, n) for n in (E, k))


@wrong("06.1", "The total count is nearly right: it was rounded. It is wrong with counts that")
def counted_in_float32(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_head, d_ff, n_experts, n_chosen):
    def count(experts):
        block = torch.tensor(
            [2 * d_model * n_heads * d_head, 2 * d_model * n_kv_heads * d_head, 2 * d_model, d_model * n_experts]
            + [d_model * d_ff] * (3 * experts),
            dtype=torch.float32,
        )
        return int(n_layers * block.sum() + 2 * vocab_size * d_model + d_model)

    return count(n_experts), count(n_chosen)


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


@right("06.2")
def ordered(weights):
    return OrderedDict(sorted(folding(weights).items(), reverse=True))


@right("06.2")
def fold_by_reader(weights):
    """Asks each tensor which norm it reads, instead of asking each norm for its readers."""

    def source(name):
        if name == "head.weight":
            return "final_norm.weight"
        head, _, part = name.rpartition(".feedforward.")
        if part in ("gate.weight", "up.weight"):
            return f"{head}.feedforward_norm.weight"
        head, _, part = name.rpartition(".attention.")
        if part in ("query.weight", "key.weight", "value.weight"):
            return f"{head}.attention_norm.weight"
        return None

    old = {**weights}
    old.setdefault("head.weight", weights["embedding.weight"])
    out = {}
    for name, tensor in old.items():
        norm = source(name)
        if norm is not None:
            out[name] = (tensor.double() @ torch.diag(old[norm].double())).to(tensor.dtype)
        elif name.endswith("norm.weight"):
            out[name] = torch.full_like(tensor, 1.0)
        else:
            out[name] = tensor.clone()
    return out


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


READERS = {
    "attention_norm": ("attention.query", "attention.key", "attention.value"),
    "feedforward_norm": ("feedforward.gate", "feedforward.up"),
}


@wrong("06.2", "The result is a tensor of torch.float")
def fold_changes_dtype(weights):
    out = dict(weights)
    for name, norm in weights.items():
        if name.endswith(("attention_norm.weight", "feedforward_norm.weight")):
            prefix, part, _ = name.rsplit(".", 2)
            for r in READERS[part]:
                if (w := f"{prefix}.{r}.weight") in weights:
                    out[w] = weights[w] * norm
            out[name] = torch.ones_like(norm)
    out["head.weight"] = weights.get("head.weight", weights["embedding.weight"]) * weights["final_norm.weight"]
    out["final_norm.weight"] = torch.ones_like(weights["final_norm.weight"])
    return out


_READERS = {
    "attention_norm": ("attention.query", "attention.key", "attention.value"),
    "feedforward_norm": ("feedforward.gate", "feedforward.up"),
}


@wrong("06.2", "'blocks.")
def fold_up_or_gate(weights):
    folded = dict(weights)
    for name, norm in weights.items():
        block, _, part = name.removesuffix(".weight").rpartition(".")
        if part == "final_norm":
            head = weights.get("head.weight", weights["embedding.weight"])
            folded["head.weight"] = (head * norm).to(head.dtype)
            folded[name] = torch.ones_like(norm)
        readers = _READERS.get(part, ())
        if part == "feedforward_norm":
            gated = f"{block}.feedforward.gate.weight" in weights
            readers = ("feedforward.gate",) if gated else ("feedforward.up",)
        for reader in readers:
            matrix = f"{block}.{reader}.weight"
            folded[matrix] = (weights[matrix] * norm).to(weights[matrix].dtype)
            folded[name] = torch.ones_like(norm)
    return folded


@wrong("06.2", "`attention.output` is multiplied, too")
def output_as_well(weights):
    return folding(weights, attention=(*ATTENTION, "attention.output"))


@wrong("06.2", "'blocks.0.attention_norm.weight' is of shape (1,)")
def ones_of_another_shape(weights):
    return folding(weights, ones=lambda g: torch.ones(1, dtype=g.dtype))


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


WRITES = ("attention.output", "feedforward.down")


@wrong("06.3", "There is no 'blocks.1.")
def numbered_in_between(weights, after):
    grown = dict(weights)
    for name, weight in weights.items():
        if name.startswith("blocks.") and int(name.split(".")[1]) in after:
            number, rest = name.split(".", 2)[1:]
            grown[f"blocks.{number}b.{rest}"] = torch.zeros_like(weight) if rest.startswith(WRITES) else weight
    return grown


_WRITERS = ("attention.output.", "feedforward.down.")


@wrong("06.3", "The result is a tensor of torch.float")
def deepen_float32_zeros(weights, after):
    deeper = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            deeper[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        new = int(number) + sum(one < int(number) for one in after)
        deeper[f"blocks.{new}.{rest}"] = weight
        if int(number) in after:
            silent = torch.zeros(weight.shape) if rest.startswith(_WRITERS) else weight
            deeper[f"blocks.{new + 1}.{rest}"] = silent
    return deeper


@wrong("06.3", "deepen changed the input that it was given; work on a copy. Open the next hint")
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


@right("06.4")
def head_by_head_without_one(heads, output_weight, stream, norm, norm_weight, direction):
    H, D = heads.shape
    W, s, g = (part.double().numpy() for part in (output_weight, stream, norm_weight * direction))
    scale = ((s - s.mean() * (norm == "layernorm")) ** 2).mean() + 1e-5
    reader = (g - g.mean() * (norm == "layernorm")) / scale**0.5
    return [float(reader @ W[:, h * D : (h + 1) * D] @ heads[h].double().numpy()) for h in range(H)]


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


@right("06.4")
def writes_then_norm(heads, output_weight, stream, norm, norm_weight, direction):
    n_heads, width = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (n_heads, width)), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


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


@wrong("06.4", "What a head writes is normalized by its own root mean square.")
def each_by_its_own_size(heads, output_weight, stream, norm, norm_weight, direction):
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, heads.shape), heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
    size = (writes.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (writes / size * norm_weight) @ direction


def written(heads, output_weight):
    H, D = heads.shape
    return torch.einsum("hd,chd->hc", heads, output_weight.unflatten(1, (H, D)))


@wrong("06.4", "The results of ")
def shares_always_centered(heads, output_weight, stream, norm, norm_weight, direction):
    terms = written(heads, output_weight)
    terms, stream = terms - terms.mean(1, keepdim=True), stream - stream.mean()
    return (terms * norm_weight) @ direction / (stream.square().mean() + 1e-5).sqrt()


@wrong("06.4", "head_shares changed the input that it was given; work on a copy. Open the next")
def centres_the_stream_in_place(heads, output_weight, stream, norm, norm_weight, direction):
    h, d = heads.shape
    writes = torch.einsum("chd,hd->hc", output_weight.unflatten(1, (h, d)), heads)
    if norm == "layernorm":
        writes -= writes.mean(-1, keepdim=True)
        stream -= stream.mean()
    return (writes * norm_weight) @ direction / (stream.square().mean() + 1e-5).sqrt()


def head_writes(heads, output_weight):
    H, D = heads.shape
    return torch.stack([output_weight[:, h * D : (h + 1) * D] @ heads[h] for h in range(H)])


def through(writes, stream, name, weight, direction):
    if name == "layernorm":
        writes, stream = writes - writes.mean(1, keepdim=True), stream - stream.mean()
    return (weight * writes * (stream.pow(2).mean() + 1e-5).rsqrt()) @ direction


@wrong("06.4", "an axis of 1 too few")
def one_number(heads, output, stream, name, weight, direction):
    return through(head_writes(heads, output), stream, name, weight, direction).sum()
