"""Answers to the turns of lesson 06, written from the text of its stubs alone, before the checks."""

import math

import torch
import torch.nn.functional as F
from turn_answers import right, wrong

from minillm.course.heads import heads
from minillm.course.turns.feed_forward import feed_forward
from minillm.course.turns.transformer import block, rms_norm

# --- 06.rms_norm


@wrong("06.rms_norm", "")
class NoKeepdim:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.pow(2).mean(-1) + eps) * weight


@wrong("06.rms_norm", "")
class OverTokens:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.pow(2).mean(0) + eps) * weight


@wrong("06.rms_norm", "")
class OverAll:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.pow(2).mean() + eps) * weight


@wrong("06.rms_norm", "")
class LayerNorm:
    def rms_norm(x, weight, eps=1e-5):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, unbiased=False)
        return (x - mean) / torch.sqrt(var + eps) * weight


@wrong("06.rms_norm", "")
class LayerNormUnbiased:
    def rms_norm(x, weight, eps=1e-5):
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "")
class TorchLayerNorm:
    def rms_norm(x, weight, eps=1e-5):
        return F.layer_norm(x, (x.shape[-1],), weight, eps=eps)


@wrong("06.rms_norm", "")
class Normalize:
    def rms_norm(x, weight, eps=1e-5):
        return F.normalize(x, dim=-1, eps=eps) * weight


@wrong("06.rms_norm", "")
class ByItsNorm:
    def rms_norm(x, weight, eps=1e-5):
        return x / (x.norm(dim=-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "")
class NoWeight:
    def rms_norm(x, weight, eps=1e-5):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


@wrong("06.rms_norm", "")
class Gemma:
    def rms_norm(x, weight, eps=1e-5):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + weight)


@wrong("06.rms_norm", "")
class EpsOutside:
    def rms_norm(x, weight, eps=1e-5):
        return x / (x.pow(2).mean(-1, keepdim=True).sqrt() + eps) * weight


@wrong("06.rms_norm", "")
class NoEps:
    def rms_norm(x, weight, eps=1e-5):
        return x / x.pow(2).mean(-1, keepdim=True).sqrt() * weight


@wrong("06.rms_norm", "")
class NoRoot:
    def rms_norm(x, weight, eps=1e-5):
        return x / (x.pow(2).mean(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "")
class DividedByRsqrt:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "")
class TheRootOnly:
    def rms_norm(x, weight, eps=1e-5):
        return torch.sqrt(x.pow(2).mean(-1, keepdim=True) + eps)


@wrong("06.rms_norm", "")
class MathSqrt:
    def rms_norm(x, weight, eps=1e-5):
        return x / math.sqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


@right("06.rms_norm")
class RowByRow:
    def rms_norm(x, weight, eps=1e-5):
        rows = []
        for row in x:
            rows.append(row / (sum(n * n for n in row) / len(row) + eps) ** 0.5 * weight)
        return torch.stack(rows)


@right("06.rms_norm")
class NormAndRootOfC:
    def rms_norm(x, weight, eps=1e-5):
        C = x.shape[-1]
        size = torch.sqrt(torch.linalg.vector_norm(x, dim=1) ** 2 / C + eps)
        return (x.T / size).T * weight


@right("06.rms_norm")
class Einsum:
    def rms_norm(x, weight, eps=1e-5):
        mean = torch.einsum("tc,tc->t", x, x) / x.size(1)
        return torch.einsum("tc,t,c->tc", x, torch.rsqrt(mean + eps), weight)


# --- 06.block


@wrong("06.block", "")
class NoResidual:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        x = heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        h = rms_norm(x, weights[w + "feedforward_norm.weight"])
        ff = w + "feedforward."
        return feed_forward(h, weights[ff + "gate.weight"], weights[ff + "up.weight"], weights[ff + "down.weight"])


@wrong("06.block", "")
class RasbtInTheWrongOrder:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x = rms_norm(x, weights[w + "attention_norm.weight"])
        shortcut = x
        x = heads(x, weights, layer, settings)
        x = x + shortcut
        x = rms_norm(x, weights[w + "feedforward_norm.weight"])
        shortcut = x
        x = feed_forward(x, *ff)
        return x + shortcut


@wrong("06.block", "")
class OnlyTheSecondShortcut:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x = heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        return x + feed_forward(rms_norm(x, weights[w + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "")
class Parallel:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        a = heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        f = feed_forward(rms_norm(x, weights[w + "feedforward_norm.weight"]), *ff)
        return x + a + f


@wrong("06.block", "")
class OneNormForBoth:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        norm = weights[w + "attention_norm.weight"]
        x = x + heads(rms_norm(x, norm), weights, layer, settings)
        return x + feed_forward(rms_norm(x, norm), *ff)


@wrong("06.block", "")
class PostNorm:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x = rms_norm(x + heads(x, weights, layer, settings), weights[w + "attention_norm.weight"])
        return rms_norm(x + feed_forward(x, *ff), weights[w + "feedforward_norm.weight"])


@wrong("06.block", "")
class FeedForwardFirst:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x = x + feed_forward(rms_norm(x, weights[w + "feedforward_norm.weight"]), *ff)
        return x + heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)


@wrong("06.block", "")
class NoNorms:
    def block(x, weights, layer, settings):
        ff = [weights[f"blocks.{layer}.feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x = x + heads(x, weights, layer, settings)
        return x + feed_forward(x, *ff)


@wrong("06.block", "")
class LayerZero:
    def block(x, weights, layer, settings):
        ff = [weights[f"blocks.0.feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x = x + heads(rms_norm(x, weights["blocks.0.attention_norm.weight"]), weights, 0, settings)
        return x + feed_forward(rms_norm(x, weights["blocks.0.feedforward_norm.weight"]), *ff)


@wrong("06.block", "")
class WrittenInPlace:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        x += heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        x += feed_forward(rms_norm(x, weights[w + "feedforward_norm.weight"]), *ff)
        return x


@wrong("06.block", "")
class NoDotWeight:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights[f"blocks.{layer}.attention_norm"]), weights, layer, settings)
        return x


@wrong("06.block", "")
class AttentionOnly:
    def block(x, weights, layer, settings):
        return x + heads(rms_norm(x, weights[f"blocks.{layer}.attention_norm.weight"]), weights, layer, settings)


@wrong("06.block", "")
class LlamasOrderOfMatrices:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        w1, w2, w3 = (weights[w + f"feedforward.{name}.weight"] for name in ("gate", "down", "up"))
        h = x + heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        return h + feed_forward(rms_norm(h, weights[w + "feedforward_norm.weight"]), w1, w2, w3)


@wrong("06.block", "")
class UpBeforeGate:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        up, gate, down = (weights[w + f"feedforward.{name}.weight"] for name in ("up", "gate", "down"))
        h = x + heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        return h + feed_forward(rms_norm(h, weights[w + "feedforward_norm.weight"]), up, gate, down)


@wrong("06.block", "")
class WhatItAdds:
    def block(x, weights, layer, settings):
        w = f"blocks.{layer}."
        ff = [weights[w + f"feedforward.{name}.weight"] for name in ("gate", "up", "down")]
        a = heads(rms_norm(x, weights[w + "attention_norm.weight"]), weights, layer, settings)
        return a + feed_forward(rms_norm(x + a, weights[w + "feedforward_norm.weight"]), *ff)


@right("06.block")
class ANestedFunction:
    def block(x, weights, layer, settings):
        def w(name):
            return weights["blocks." + str(layer) + "." + name + ".weight"]

        h = x + heads(rms_norm(x, w("attention_norm")), weights, layer, settings)
        out = feed_forward(
            rms_norm(h, w("feedforward_norm")), w("feedforward.gate"), w("feedforward.up"), w("feedforward.down")
        )
        return h + out


@right("06.block")
class ADictionaryOfItsOwn:
    def block(x, weights, layer, settings):
        start = f"blocks.{layer}."
        w = {name[len(start) : -len(".weight")]: t for name, t in weights.items() if name.startswith(start)}
        shortcut = x
        x = rms_norm(x, w["attention_norm"], 1e-5)
        x = heads(x, weights, layer, settings) + shortcut
        shortcut = x
        x = rms_norm(x, w["feedforward_norm"], 1e-5)
        return feed_forward(x, w["feedforward.gate"], w["feedforward.up"], w["feedforward.down"]) + shortcut


@right("06.block")
class ByHand:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}"
        a = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weights[f"{p}.attention_norm.weight"]
        y = x + heads(a, weights, layer, settings)
        b = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5) * weights[f"{p}.feedforward_norm.weight"]
        hidden = F.silu(b @ weights[f"{p}.feedforward.gate.weight"].T) * (b @ weights[f"{p}.feedforward.up.weight"].T)
        return y + hidden @ weights[f"{p}.feedforward.down.weight"].T


# --- 06.transformer


@wrong("06.transformer", "")
class NoLastNorm:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return x @ weights["head.weight"].T


@wrong("06.transformer", "")
class NotTransposed:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"]


@wrong("06.transformer", "")
class LastToken:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T)[-1]


@wrong("06.transformer", "")
class Softmax:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T).softmax(-1)


@wrong("06.transformer", "")
class Argmax:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T).argmax(-1)


@wrong("06.transformer", "")
class ReturnInsideTheLoop:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
            return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class NotChained:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            y = block(x, weights, layer, settings)
        return rms_norm(y, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class NothingKept:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class AddedAgain:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = x + block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class Thirty:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(30):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class CountedFromOne:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(1, settings["layers"] + 1):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class TiedByHand:
    def transformer(ids, weights, settings):
        table = weights["embedding.weight"]
        x = table[ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ table.T


@wrong("06.transformer", "")
class GemmasEmbedding:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids] * math.sqrt(weights["embedding.weight"].shape[1])
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class WithABatch:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids[None]]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "")
class LayersForgotten:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in settings["layers"]:
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@right("06.transformer")
class OneHot:
    def transformer(ids, weights, settings):
        table = weights["embedding.weight"]
        x = F.one_hot(ids, len(table)).to(table.dtype) @ table
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        x = rms_norm(x, weights["final_norm.weight"])
        return torch.stack([x @ row for row in weights["head.weight"]], dim=1)


@right("06.transformer")
class Linear:
    def transformer(ids, weights, settings):
        x = F.embedding(ids, weights["embedding.weight"])
        layer = 0
        while layer < settings["layers"]:
            x = block(x, weights, layer, settings)
            layer += 1
        return F.linear(rms_norm(x, weights["final_norm.weight"], 1e-5), weights["head.weight"])


@right("06.transformer")
class Recursion:
    def transformer(ids, weights, settings):
        def after(layer):
            if layer < 0:
                return torch.stack([weights["embedding.weight"][i] for i in ids])
            return block(after(layer - 1), weights, layer, settings)

        x = after(settings["layers"] - 1)
        return (weights["head.weight"] @ rms_norm(x, weights["final_norm.weight"]).T).T


# --- 06.differs


@wrong("06.differs", "")
class AbsoluteMax:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if (actual[i] - right[i]).abs().max() > tolerance:
                return i
        return None


@wrong("06.differs", "")
class NanPasses:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            off = (actual[i] - right[i]).norm(dim=-1) > tolerance * right[i].norm(dim=-1)
            if off.any():
                return i
        return None


@wrong("06.differs", "")
class WholeTable:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not (actual[i] - right[i]).norm() <= tolerance * right[i].norm():
                return i
        return None


@wrong("06.differs", "")
class Allclose:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not torch.allclose(actual[i], right[i], rtol=tolerance, atol=0):
                return i
        return None


@wrong("06.differs", "")
class AllcloseAbsolute:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not torch.allclose(actual[i], right[i], atol=tolerance):
                return i
        return None


@wrong("06.differs", "")
class Equal:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not torch.equal(actual[i], right[i]):
                return i
        return None


@wrong("06.differs", "")
class LastTokenOnly:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            a, b = actual[i, -1], right[i, -1]
            if not (a - b).norm() <= tolerance * b.norm():
                return i
        return None


@wrong("06.differs", "")
class NoReturnAtTheEndButMinusOne:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not ((actual[i] - right[i]).norm(dim=-1) <= tolerance * right[i].norm(dim=-1)).all():
                return i
        return -1


@wrong("06.differs", "")
class TrueOrFalse:
    def differs(actual, right, tolerance):
        return not ((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1)).all()


@wrong("06.differs", "")
class Largest:
    def differs(actual, right, tolerance):
        share = (actual - right).norm(dim=-1) / right.norm(dim=-1)
        worst = share.max(dim=1).values
        return int(worst.argmax()) if worst.max() > tolerance else None


@wrong("06.differs", "")
class NoneInsideTheLoop:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not ((actual[i] - right[i]).norm(dim=-1) <= tolerance * right[i].norm(dim=-1)).all():
                return i
            else:
                return None


@wrong("06.differs", "")
class FromOne:
    def differs(actual, right, tolerance):
        for i in range(1, len(actual)):
            if not ((actual[i] - right[i]).norm(dim=-1) <= tolerance * right[i].norm(dim=-1)).all():
                return i
        return None


@wrong("06.differs", "")
class AmbiguousTruth:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if (actual[i] - right[i]).norm(dim=-1) > tolerance * right[i].norm(dim=-1):
                return i
        return None


@wrong("06.differs", "")
class MeanOfDifferences:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if (actual[i] - right[i]).abs().mean() > tolerance * right[i].abs().mean():
                return i
        return None


@wrong("06.differs", "")
class AnyOfThem:
    def differs(actual, right, tolerance):
        for i in range(len(actual)):
            if not ((actual[i] - right[i]).norm(dim=-1) <= tolerance * right[i].norm(dim=-1)).any():
                return i
        return None


@right("06.differs")
class Nonzero:
    def differs(actual, right, tolerance):
        share = torch.linalg.norm(actual - right, dim=2) / torch.linalg.norm(right, dim=2)
        off = torch.nonzero(~(share <= tolerance))
        return off[0, 0].item() if len(off) else None


@right("06.differs")
class TokenByToken:
    def differs(actual, right, tolerance):
        for depth in range(actual.shape[0]):
            for t in range(actual.shape[1]):
                gap = math.sqrt(((actual[depth, t] - right[depth, t]) ** 2).sum())
                if math.isnan(gap) or gap > tolerance * math.sqrt((right[depth, t] ** 2).sum()):
                    return depth


@right("06.differs")
class FiniteFirst:
    def differs(actual, right, tolerance):
        fine = actual.isfinite().all(-1) & ((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1))
        for depth, tokens in enumerate(fine.tolist()):
            if False in tokens:
                return depth
        return None
