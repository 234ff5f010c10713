"""Wrong answers to the turns of lesson 06, as they were typed while trying the page, and what they are told."""

import math

import torch
from turn_answers import wrong

from minillm.course.heads import heads
from minillm.course.turns.feed_forward import feed_forward
from minillm.course.turns.transformer import block, rms_norm

# --- 06.rms_norm


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


@wrong("06.rms_norm", "changed the input")
class InPlace:
    def rms_norm(x, weight, eps=1e-5):
        x /= torch.sqrt((x**2).mean(-1, keepdim=True) + eps)
        return x * weight


@wrong("06.rms_norm", "Only the first row is there")
class ReturnInTheLoop:
    def rms_norm(x, weight, eps=1e-5):
        out = torch.zeros_like(x)
        for t in range(len(x)):
            out[t] = x[t] / torch.sqrt((x[t] ** 2).mean() + eps) * weight
            return out


@wrong("06.rms_norm", "The sum of squares is divided by C - 1")
class Unbiased:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt((x**2).sum(-1, keepdim=True) / (x.shape[-1] - 1) + eps) * weight


@wrong("06.rms_norm", "`eps` is always 1e-6")
class AnotherEps:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-6) * weight


@wrong("06.rms_norm", "returned None")
class Printed:
    def rms_norm(x, weight, eps=1e-5):
        print(x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * weight)


@wrong("06.rms_norm", "The mean is squared")
class MeanFirst:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.mean(-1, keepdim=True) ** 2 + eps) * weight


@wrong("06.rms_norm", "The weights are multiplied in before")
class WeightFirst:
    def rms_norm(x, weight, eps=1e-5):
        x = x * weight
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps)


@wrong("06.rms_norm", "torch.float32 in place of torch.float64")
class AlwaysFloat32:
    def rms_norm(x, weight, eps=1e-5):
        x = x.float()
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * weight.float()


@wrong("06.rms_norm", "Left out, `eps` is 1e-6")
class LlamasEps:
    def rms_norm(x, weight, eps=1e-6):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "raised TypeError")
class NoDefault:
    def rms_norm(x, weight, eps):
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * weight


# --- 06.block


@wrong("06.block", "KeyError: 'attention_norm.weight'")
class ShortNames:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights["attention_norm.weight"]), weights, layer, settings)
        return x + feed_forward(rms_norm(x, weights["feedforward_norm.weight"]), weights, layer, settings)


@wrong("06.block", "KeyError: 'blocks.1.attention_norm.weight'")
class CountedFromOne:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer + 1}"
        x = x + heads(rms_norm(x, weights[f"{p}.attention_norm.weight"]), weights, layer, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + feed_forward(rms_norm(x, weights[f"{p}.feedforward_norm.weight"]), *matrices)


@wrong("06.block", "KeyError: 'norm1'")
class RasbtsNames:
    def block(x, weights, layer, settings):
        shortcut = x
        x = rms_norm(x, weights["norm1"])
        return heads(x, weights, layer, settings) + shortcut


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


@wrong("06.block", "rms_norm() missing")
class NormOfX:
    def block(x, weights, layer, settings):
        return x + heads(rms_norm(x), weights, layer, settings)


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


@wrong("06.block", "Attention's write is lost")
class TheOldShortcut:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}"
        y = x + heads(rms_norm(x, weights[f"{p}.attention_norm.weight"]), weights, layer, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + feed_forward(rms_norm(y, weights[f"{p}.feedforward_norm.weight"]), *matrices)


@wrong("06.block", "The two norms have changed places")
class NormsSwapped:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}"
        x = x + heads(rms_norm(x, weights[f"{p}.feedforward_norm.weight"]), weights, layer, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + feed_forward(rms_norm(x, weights[f"{p}.attention_norm.weight"]), *matrices)


@wrong("06.block", "`heads` always reads block 0")
class HeadsOfBlockZero:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}"
        x = x + heads(rms_norm(x, weights[f"{p}.attention_norm.weight"]), weights, 0, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + feed_forward(rms_norm(x, weights[f"{p}.feedforward_norm.weight"]), *matrices)


@wrong("06.block", "Several things are returned")
class BothWrites:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}"
        a = heads(rms_norm(x, weights[f"{p}.attention_norm.weight"]), weights, layer, settings)
        matrices = [weights[f"{p}.feedforward.{m}.weight"] for m in ("gate", "up", "down")]
        return x + a, feed_forward(rms_norm(x + a, weights[f"{p}.feedforward_norm.weight"]), *matrices)


# --- 06.transformer


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


@wrong("06.transformer", "not enough values")
class UnpacksABatch:
    def transformer(ids, weights, settings):
        B, T = ids.shape
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "The last norm is applied after every block")
class NormInTheLoop:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
            x = rms_norm(x, weights["final_norm.weight"])
        return x @ weights["head.weight"].T


@wrong("06.transformer", "")
class MeanOfTheTokens:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T).mean(dim=0)


# --- 06.differs


@wrong("06.differs", "is not defined")
class DepthsFromNowhere:
    def differs(actual, right, tolerance):
        for depth in range(L):  # noqa: F821
            if not ((actual[depth] - right[depth]).norm(dim=-1) <= tolerance * right[depth].norm(dim=-1)).all():
                return depth


@wrong("06.differs", "raised AssertionError")
class AssertClose:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            torch.testing.assert_close(actual[depth], right[depth], rtol=tolerance, atol=0.0)


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


@wrong("06.differs", "The number of the token is returned")
class WrongColumn:
    def differs(actual, right, tolerance):
        off = (~((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1))).nonzero()
        return int(off[0, 1]) if len(off) else None


@wrong("06.differs", "Norms are compared")
class DifferenceOfNorms:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            gap = (actual[depth].norm(dim=-1) - right[depth].norm(dim=-1)).abs()
            if not (gap <= tolerance * right[depth].norm(dim=-1)).all():
                return depth


@wrong("06.differs", "A list is returned")
class AllDepths:
    def differs(actual, right, tolerance):
        fine = ((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1)).all(-1)
        return [depth for depth in range(len(actual)) if not fine[depth]]


@wrong("06.differs", "NaN counts as no difference")
class NanToNum:
    def differs(actual, right, tolerance):
        gap = (actual - right).nan_to_num(0.0, 0.0, 0.0).norm(dim=-1)
        for depth in range(len(actual)):
            if not (gap[depth] <= tolerance * right[depth].norm(dim=-1)).all():
                return depth


@wrong("06.differs", "A difference of exactly the limit counts as too large")
class BelowTheLimit:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            if not torch.all((actual[depth] - right[depth]).norm(dim=1) < tolerance * right[depth].norm(dim=1)):
                return depth
