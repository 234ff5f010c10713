"""Answers to the turns of lesson 06, written from its text alone by a reader."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from turn_answers import right, wrong

from minillm.course.heads import heads
from minillm.course.mine import feed_forward
from minillm.course.turns.transformer import block, rms_norm

# --- 06.rms_norm


@wrong("06.rms_norm", "One size is taken for the whole table.")
class OneNormForTheWholeTable:
    def rms_norm(x, weight, eps=1e-5):
        size = torch.sqrt((x**2).mean() + eps)
        return x / size * weight


@wrong("06.rms_norm", "The squares are added up, not averaged")
class VectorNormOfTheRow:
    def rms_norm(x, weight, eps=1e-5):
        return x / (x.norm(dim=-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "The squares are added up, not averaged")
class FunctionalNormalize:
    def rms_norm(x, weight, eps=1e-5):
        return F.normalize(x, dim=-1, eps=eps) * weight


@wrong("06.rms_norm", "That's LayerNorm: the mean of each row is subtracted.")
class TorchsLayerNorm:
    def rms_norm(x, weight, eps=1e-5):
        return F.layer_norm(x, (x.shape[-1],), weight, None, eps)


@wrong("06.rms_norm", "That's LayerNorm: the mean of each row is subtracted.")
class LayerNormByHand:
    def rms_norm(x, weight, eps=1e-5):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, unbiased=False)
        return weight * (x - mean) / torch.sqrt(var + eps)


@wrong("06.rms_norm", "The rows are divided by their standard deviation, and `std` or `var` divides by C - 1.")
class StandardDeviation:
    def rms_norm(x, weight, eps=1e-5):
        return x / (x.std(dim=-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "The rows are divided by their standard deviation, and `std` or `var` divides by C - 1.")
class VarianceIsTheMeanSquare:
    def rms_norm(x, weight, eps=1e-5):
        variance = x.var(-1, keepdim=True)
        return x * torch.rsqrt(variance + eps) * weight


@wrong("06.rms_norm", "The root is missing: the rows are divided by their mean square.")
class ForgetsTheRoot:
    def rms_norm(x, weight, eps=1e-5):
        mean = x.pow(2).mean(-1, keepdim=True)
        return x / (mean + eps) * weight


@wrong("06.rms_norm", "The mean is squared: the average comes before the square.")
class MeanThenSquare:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.mean(-1, keepdim=True) ** 2 + eps) * weight


@wrong("06.rms_norm", "The mean of the sizes |x| is taken, without squares.")
class RootOfEachThenMean:
    def rms_norm(x, weight, eps=1e-5):
        return x / ((x**2).sqrt().mean(-1, keepdim=True) + eps) * weight


@wrong(
    "06.rms_norm",
    "`rms_norm` raised RuntimeError: The size of tensor a (3) must match",
)
class NoKeepdim:
    def rms_norm(x, weight, eps=1e-5):
        rms = torch.sqrt(x.square().mean(dim=-1) + eps)
        return x / rms * weight


@wrong("06.rms_norm", "The mean is taken over the tokens: each column is divided by its own size.")
class OverTheColumns:
    def rms_norm(x, weight, eps=1e-5):
        rms = torch.sqrt(x.square().mean(dim=0) + eps)
        return x / rms * weight


@wrong("06.rms_norm", "`eps` is added to the root, not under it.")
class EpsOutsideTheRoot:
    def rms_norm(x, weight, eps=1e-5):
        rms = x.square().mean(dim=-1, keepdim=True).sqrt() + eps
        return x / rms * weight


@wrong("06.rms_norm", "`eps` is left out, so a row of zeros is divided by 0.")
class NoEps:
    def rms_norm(x, weight, eps=1e-5):
        rms = x.square().mean(dim=-1, keepdim=True).sqrt()
        return x / rms * weight


@wrong("06.rms_norm", "`eps` is always 1e-6.")
class EpsLiteral:
    def rms_norm(x, weight, eps=1e-5):
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


@wrong("06.rms_norm", "`eps` is always 1e-6.")
class TorchsWithItsOwnEps:
    def rms_norm(x, weight, eps=1e-5):
        return F.rms_norm(x, (x.shape[-1],), weight)


@wrong("06.rms_norm", "The weights are counted from 1: `1 + weight`.")
class GemmasOnePlus:
    def rms_norm(x, weight, eps=1e-5):
        output = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
        return output * (1.0 + weight)


@wrong("06.rms_norm", "The weights are multiplied in before the size is taken.")
class WeightBeforeTheNorm:
    def rms_norm(x, weight, eps=1e-5):
        x = x * weight
        return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + eps)


@wrong("06.rms_norm", "The result is divided by the weights.")
class DividedByTheWeight:
    def rms_norm(x, weight, eps=1e-5):
        return x / (torch.sqrt((x * x).mean(dim=-1, keepdim=True) + eps) * weight)


@wrong("06.rms_norm", "The weights are missing.")
class NoWeight:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + eps)


@wrong("06.rms_norm", "One number per token is returned.")
class MatrixProductWithTheWeight:
    def rms_norm(x, weight, eps=1e-5):
        return (x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + eps)) @ weight


@wrong("06.rms_norm", "The sum of squares is divided by 576, whatever C is.")
class CIsHardCoded:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.square().sum(-1, keepdim=True) / 576 + eps) * weight


@wrong("06.rms_norm", "The squares are added up, not averaged")
class SumWithEps:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(x.square().sum(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "`rms_norm` changed the input that it was given; work on a copy.")
class InPlace:
    def rms_norm(x, weight, eps=1e-5):
        x /= torch.sqrt(x.square().mean(-1, keepdim=True) + eps)
        x *= weight
        return x


@wrong("06.rms_norm", "Only the first row is there.")
class LoopReturnsTheFirstRow:
    def rms_norm(x, weight, eps=1e-5):
        out = []
        for row in x:
            out.append(row / math.sqrt((row**2).mean().item() + eps) * weight)
            return torch.stack(out)


@wrong("06.rms_norm", "`rms_norm` returns a list; the cells below need a torch tensor.")
class ListOfRows:
    def rms_norm(x, weight, eps=1e-5):
        return [row / ((row**2).mean() + eps).sqrt() * weight for row in x]


@wrong("06.rms_norm", "`rms_norm` returns a numpy array; the cells below need a torch tensor.")
class NumpyOut:
    def rms_norm(x, weight, eps=1e-5):
        a = x.numpy()
        return a / np.sqrt((a**2).mean(-1, keepdims=True) + eps) * weight.numpy()


@wrong("06.rms_norm", "`rms_norm` raised ValueError: only one element tensors can be converted to Python scalars.")
class MathSqrt:
    def rms_norm(x, weight, eps=1e-5):
        return x / math.sqrt(x.square().mean(dim=-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "The weights are missing.")
class TorchsModule:
    def rms_norm(x, weight, eps=1e-5):
        return nn.RMSNorm(x.shape[-1], eps=eps)(x)


@wrong("06.rms_norm", "`rms_norm` returned None.")
class Prints:
    def rms_norm(x, weight, eps=1e-5):
        print(x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * weight)


@wrong("06.rms_norm", "`rms_norm` goes more than 1,000 calls deep")
class CallsItself:
    def rms_norm(x, weight, eps=1e-5):
        return rms_norm(x, weight, eps)


@wrong("06.rms_norm", "The rows are multiplied by their root mean square.")
class MultipliesInsteadOfDividing:
    def rms_norm(x, weight, eps=1e-5):
        return x * torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * weight


@wrong("06.rms_norm", "`rms_norm` raised NameError: name 'epsilon' is not defined.")
class KeepDimMisspelt:
    def rms_norm(x, weight, eps=1e-5):
        return x / torch.sqrt(torch.mean(torch.square(x), axis=-1, keepdim=True) + epsilon) * weight  # noqa: F821


@right("06.rms_norm")
class ByANormOverRootC:
    def rms_norm(x, weight, eps=1e-5):
        C = x.shape[1]
        size = (torch.linalg.vector_norm(x, dim=1).square() / C + eps).pow(0.5)
        return (x.T / size).T * weight


@right("06.rms_norm")
class ByEinsum:
    def rms_norm(x, weight, eps=1e-5):
        squares = torch.einsum("tc,tc->t", x, x) / weight.numel()
        return torch.einsum("tc,t,c->tc", x, (squares + eps).rsqrt(), weight)


@wrong("06.rms_norm", "The result is right, but no model could learn through it: `x` gets a wrong gradient.")
class RowByRowIntoEmpty:
    def rms_norm(x, weight, eps=1e-5):
        out = torch.empty_like(x)
        for t in range(len(x)):
            total = 0.0
            for value in x[t]:
                total += value.item() ** 2
            out[t] = x[t] / math.sqrt(total / x.shape[1] + eps) * weight
        return out


@right("06.rms_norm")
class TorchsFunctionWithEps:
    def rms_norm(x, weight, eps=1e-5):
        return F.rms_norm(x, weight.shape, weight, eps)


@right("06.rms_norm")
class LlamasModuleInside:
    def rms_norm(x, weight, eps=1e-5):
        input_dtype = x.dtype
        x = x.to(torch.float32)
        variance = x.pow(2).mean(-1, keepdim=True)
        x = x * torch.rsqrt(variance + eps)
        return weight * x.to(input_dtype)


# --- 06.block


@wrong("06.block", "The feed-forward reads the block's input: both parts read the same x.")
class ReadsTheOldX:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        a = heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        f = feed_forward(
            rms_norm(x, weights[p + "feedforward_norm.weight"]),
            weights[p + "feedforward.gate.weight"],
            weights[p + "feedforward.up.weight"],
            weights[p + "feedforward.down.weight"],
        )
        return x + a + f


@wrong("06.block", "The feed-forward reads what attention returned, not the stream.")
class ReadsAttentionNotTheSum:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        a = heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        f = feed_forward(
            rms_norm(a, weights[p + "feedforward_norm.weight"]),
            weights[p + "feedforward.gate.weight"],
            weights[p + "feedforward.up.weight"],
            weights[p + "feedforward.down.weight"],
        )
        return x + a + f


@wrong("06.block", "The writes are added to the normalized copies, not to x.")
class NormedBecomesTheStream:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = rms_norm(x, weights[p + "attention_norm.weight"])
        x = x + heads(x, weights, layer, settings)
        x = rms_norm(x, weights[p + "feedforward_norm.weight"])
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(x, *ff)


@wrong("06.block", "That's post-norm, as in 2017: the sum is normalized.")
class PostNorm:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = rms_norm(x + heads(x, weights, layer, settings), weights[p + "attention_norm.weight"])
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return rms_norm(x + feed_forward(x, *ff), weights[p + "feedforward_norm.weight"])


@wrong("06.block", "The norms come after the parts: what they return is normalized, and then added.")
class NormOfTheOutput:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + rms_norm(heads(x, weights, layer, settings), weights[p + "attention_norm.weight"])
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + rms_norm(feed_forward(x, *ff), weights[p + "feedforward_norm.weight"])


@wrong("06.block", "Nothing is added: each part replaces the stream.")
class NoPlusSigns:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "The feed-forward replaces the stream; only attention adds to it.")
class NoPlusAtTheEnd:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong(
    "06.block", "Attention's write is lost: the feed-forward reads it, but its own write is added to the block's input."
)
class SecondPlusTakesTheInput:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        h = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        out = x + feed_forward(rms_norm(h, weights[p + "feedforward_norm.weight"]), *ff)
        return out


@wrong("06.block", "The writes are added to the normalized copies, not to x.")
class AddsToTheNormedCopy:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        normed = rms_norm(x, weights[p + "attention_norm.weight"])
        x = normed + heads(normed, weights, layer, settings)
        normed = rms_norm(x, weights[p + "feedforward_norm.weight"])
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return normed + feed_forward(normed, *ff)


@wrong("06.block", "The feed-forward reads through attention's norm.")
class OneNormForBoth:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        w = weights[p + "attention_norm.weight"]
        x = x + heads(rms_norm(x, w), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, w), *ff)


@wrong("06.block", "The two norms have changed places.")
class NormsSwapped:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "feedforward_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "attention_norm.weight"]), *ff)


@wrong("06.block", "`block` raised KeyError: 'blocks.3.attention_norm.weight'.")
class LayerThreeFromTheTable:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights["blocks.3.attention_norm.weight"]), weights, layer, settings)
        return x + feed_forward(
            rms_norm(x, weights["blocks.3.feedforward_norm.weight"]),
            weights["blocks.3.feedforward.gate.weight"],
            weights["blocks.3.feedforward.up.weight"],
            weights["blocks.3.feedforward.down.weight"],
        )


@wrong("06.block", "`block` raised KeyError: 'blocks.3.attention_norm.weight'.")
class LayerThreeInTheNormsOnly:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights["blocks.3.attention_norm.weight"]), weights, layer, settings)
        ff = [weights[f"blocks.{layer}.feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights["blocks.3.feedforward_norm.weight"]), *ff)


@wrong("06.block", "`block` raised KeyError: 'blocks.{layer}.attention_norm.weight'.")
class ForgottenF:
    def block(x, weights, layer, settings):
        x = x + heads(rms_norm(x, weights["blocks.{layer}.attention_norm.weight"]), weights, layer, settings)
        ff = [weights[f"blocks.{layer}.feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights["blocks.{layer}.feedforward_norm.weight"]), *ff)


@wrong("06.block", "`block` raised KeyError: 'blocks.0.feed_forward.gate.weight'.")
class FeedforwardSpeltWithAnUnderscore:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feed_forward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "feed_forward_norm.weight"]), *ff)


@wrong("06.block", "`block` raised KeyError: 'blocks.0.feedforward.up'.")
class NoWeightInTheName:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        return x + feed_forward(
            rms_norm(x, weights[p + "feedforward_norm.weight"]),
            weights[p + "feedforward.gate.weight"],
            weights[p + "feedforward.up"],
            weights[p + "feedforward.down"],
        )


@wrong("06.block", "`block` raised AttributeError: 'dict' object has no attribute 'blocks'.")
class AttributesOfTheDictionary:
    def block(x, weights, layer, settings):
        b = weights.blocks[layer]
        x = x + heads(rms_norm(x, b.attention_norm.weight), weights, layer, settings)
        return x + feed_forward(rms_norm(x, b.feedforward_norm.weight), b.feedforward)


@wrong("06.block", "`gate` and `up` have changed places.")
class GateAndUpSwapped:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["up", "gate", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "The feed-forward comes first.")
class FeedForwardFirst:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        x = x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)
        return x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)


@wrong("06.block", "Attention reads x itself, without its norm.")
class NoNormBeforeAttention:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(x, weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "No norm is used.")
class NoNorms:
    def block(x, weights, layer, settings):
        x = x + heads(x, weights, layer, settings)
        ff = [weights[f"blocks.{layer}.feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(x, *ff)


@wrong("06.block", "`block` raised TypeError: heads() missing 1 required positional argument: 'settings'.")
class HeadsWithoutSettings:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "Attention reads x itself, without its norm.")
class HeadsSeeTheOldStream:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        normed = rms_norm(x, weights[p + "attention_norm.weight"])
        x = x + heads(x, weights, layer, settings)
        normed = rms_norm(x, weights[p + "feedforward_norm.weight"])
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(normed, *ff)


@wrong("06.block", "Both parts read one and the same normalized copy.")
class ForgetsTheSecondNorm:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        normed = rms_norm(x, weights[p + "attention_norm.weight"])
        x = x + heads(normed, weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(normed, *ff)


@wrong("06.block", "`block` changed the input that it was given; work on a copy.")
class InPlacePlus:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x += heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        x += feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)
        return x


@wrong("06.block", "`block` returned None.")
class NoReturn:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        x = x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "`block` raised ValueError: not enough values to unpack (expected 3, got 2).")
class BatchAxis:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        B, T, C = x.shape
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "`block` raised TypeError: feed_forward() missing 1 required positional argument: 'down'.")
class DownNotPassed:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up"]]
        return x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "`block` raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x2 and 3x2).")
class MatricesTurned:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        x = x + heads(rms_norm(x, weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"].T for n in ["gate", "up", "down"]]
        return x + feed_forward(rms_norm(x, weights[p + "feedforward_norm.weight"]), *ff)


@wrong("06.block", "That's LayerNorm: the mean of each row is subtracted.")
class LayerNormsFromNanoGpt:
    def block(x, weights, layer, settings):
        p = f"blocks.{layer}."
        C = x.shape[-1]
        x = x + heads(F.layer_norm(x, (C,), weights[p + "attention_norm.weight"]), weights, layer, settings)
        ff = [weights[p + f"feedforward.{n}.weight"] for n in ["gate", "up", "down"]]
        return x + feed_forward(F.layer_norm(x, (C,), weights[p + "feedforward_norm.weight"]), *ff)


@right("06.block")
class ANestedHelper:
    def block(x, weights, layer, settings):
        def w(name):
            return weights["blocks." + str(layer) + "." + name + ".weight"]

        h = x + heads(rms_norm(x, w("attention_norm")), weights, layer, settings)
        return h + feed_forward(
            rms_norm(h, w("feedforward_norm")),
            up=w("feedforward.up"),
            gate=w("feedforward.gate"),
            down=w("feedforward.down"),
        )


@right("06.block")
class AddsUpTheTwoWrites:
    def block(x, weights, layer, settings):
        own = {k.split(".", 2)[2]: v for k, v in weights.items() if k.startswith(f"blocks.{layer}.")}
        first = heads(rms_norm(x, own["attention_norm.weight"]), weights, layer, settings)
        second = feed_forward(
            rms_norm(x + first, own["feedforward_norm.weight"]),
            *(own[f"feedforward.{n}.weight"] for n in ("gate", "up", "down")),
        )
        return torch.stack([x, first, second]).sum(0)


@wrong(
    "06.block",
    "The result is right, but no model could learn through it: numbers that its gradient needs are overwritten.",
)
class AClonedStreamChangedInPlace:
    def block(x, weights, layer, settings):
        stream = x.clone()
        name = ".".join(["blocks", str(layer)])
        stream += heads(rms_norm(stream, weights[name + ".attention_norm.weight"]), weights, layer, settings)
        normed = rms_norm(stream, weights[name + ".feedforward_norm.weight"])
        g, u, d = [weights[name + ".feedforward." + part + ".weight"] for part in ["gate", "up", "down"]]
        stream.add_(feed_forward(normed, g, u, d))
        return stream


# --- 06.transformer


@wrong("06.transformer", "The last norm is missing.")
class NoFinalNorm:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return x @ weights["head.weight"].T


@wrong("06.transformer", "The last norm is applied after every block.")
class NormAfterEachBlock:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
            x = rms_norm(x, weights["final_norm.weight"])
        return x @ weights["head.weight"].T


@wrong("06.transformer", "The last block is left out.")
class OneBlockTooFew:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"] - 1):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "Block 0 is left out.")
class StartsAtOne:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(1, settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised KeyError: 'blocks.2.attention_norm.weight'.")
class OneBlockTooMany:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"] + 1):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised KeyError: 'blocks.2.attention_norm.weight'.")
class ThirtyBlocks:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(30):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "Each block reads the embedding.")
class EachBlockReadsTheEmbedding:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            out = block(x, weights, layer, settings)
        return rms_norm(out, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "What each block returns is added to x. It is the whole stream already, x included.")
class BlocksAddedOnTop:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = x + block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "Only block 0 runs.")
class ReturnInTheLoop:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
            return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "The blocks run in reverse order.")
class LayersBackwards:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in reversed(range(settings["layers"])):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "Block 0 runs in every round.")
class AlwaysBlockZero:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for _ in range(settings["layers"]):
            x = block(x, weights, 0, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x2 and 3x2).")
class HeadNotTransposed:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"]


@wrong("06.transformer", "The embedding table is used as the head.")
class TiedToTheEmbedding:
    def transformer(ids, weights, settings):
        table = weights["embedding.weight"]
        x = table[ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ table.T


@wrong("06.transformer", "The head's rows are looked up for the embedding.")
class LooksUpInTheHead:
    def transformer(ids, weights, settings):
        x = weights["head.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "Probabilities are returned.")
class Probabilities:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        logits = rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T
        return torch.softmax(logits, dim=-1)


@wrong("06.transformer", "Log-probabilities are returned.")
class LogProbabilities:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return F.log_softmax(rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T, dim=-1)


@wrong("06.transformer", "Only one row is returned.")
class OnlyTheLastToken:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        x = rms_norm(x, weights["final_norm.weight"])
        return x[-1] @ weights["head.weight"].T


@wrong("06.transformer", "Only one row is returned.")
class LastTokenKeptAsARow:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        x = rms_norm(x, weights["final_norm.weight"])
        return x[[-1], :] @ weights["head.weight"].T


@wrong("06.transformer", "The result has a batch axis in front.")
class ABatchOfOne:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T)[None]


@wrong("06.transformer", "One number per token is returned.")
class ReturnsTheIds:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return (rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T).argmax(-1)


@wrong("06.transformer", "`transformer` raised TypeError: 'int' object is not iterable.")
class LayerCountIterated:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in settings["layers"]:
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


@wrong("06.transformer", "`transformer` raised TypeError: 'Tensor' object is not callable.")
class EmbeddingCalled:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"](ids)
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


@wrong("06.transformer", "The last norm is used without its weights.")
class NormWithoutItsWeight:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x, torch.ones(x.shape[-1])) @ weights["head.weight"].T


@wrong("06.transformer", "The last norm comes before the first block.")
class NormBeforeTheBlocks:
    def transformer(ids, weights, settings):
        x = rms_norm(weights["embedding.weight"][ids], weights["final_norm.weight"])
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return x @ weights["head.weight"].T


@wrong(
    "06.transformer",
    "`transformer` raised RuntimeError: The size of tensor a (3) must match",
)
class NormOfTheLogits:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        return rms_norm(x @ weights["head.weight"].T, weights["final_norm.weight"])


@wrong("06.transformer", "The head has only the rows of `ids`.")
class HeadRowsOfTheIdsOnly:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, weights, layer, settings)
        x = rms_norm(x, weights["final_norm.weight"])
        return x @ weights["head.weight"][ids].T


@wrong("06.transformer", "`transformer` raised TypeError: 'int' object is not subscriptable.")
class ArgumentsOfBlockSwapped:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids]
        for layer in range(settings["layers"]):
            x = block(x, layer, weights, settings)
        return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T


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


@wrong("06.transformer", "Each token is read by itself, at position 0.")
class TokenByToken:
    def transformer(ids, weights, settings):
        rows = []
        for i in ids:
            x = weights["embedding.weight"][i][None]
            for layer in range(settings["layers"]):
                x = block(x, weights, layer, settings)
            rows.append(rms_norm(x, weights["final_norm.weight"])[0] @ weights["head.weight"].T)
        return torch.stack(rows)


@right("06.transformer")
class ByFunctional:
    def transformer(ids, weights, settings):
        h = F.embedding(ids, weights["embedding.weight"])
        i = 0
        while i < settings["layers"]:
            h = block(h, weights, i, settings)
            i += 1
        return F.linear(rms_norm(h, weights["final_norm.weight"]), weights["head.weight"])


@right("06.transformer")
class Reduced:
    def transformer(ids, weights, settings):
        from functools import reduce

        start = weights["embedding.weight"].index_select(0, ids)
        x = reduce(lambda x, layer: block(x, weights, layer, settings), range(settings["layers"]), start)
        return torch.einsum("tc,vc->tv", rms_norm(x, weights["final_norm.weight"]), weights["head.weight"])


@right("06.transformer")
class RowsStackedAndPrefixes:
    def transformer(ids, weights, settings):
        table, head = weights["embedding.weight"], weights["head.weight"]
        logits = []
        for t in range(1, len(ids) + 1):
            x = torch.stack([table[i] for i in ids[:t]])
            for layer in range(settings["layers"]):
                x = block(x, weights, layer, settings)
            logits.append(head @ rms_norm(x, weights["final_norm.weight"])[-1])
        return torch.stack(logits)


# --- 06.differs


@wrong(
    "06.differs", "Numbers are compared, not vectors: a number that happens to be near 0 is allowed next to nothing."
)
class AllClose:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            if not torch.allclose(actual[depth], right[depth], rtol=tolerance):
                return depth


@wrong(
    "06.differs", "Numbers are compared, not vectors: a number that happens to be near 0 is allowed next to nothing."
)
class AllCloseNoAtol:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            if not torch.allclose(actual[depth], right[depth], rtol=tolerance, atol=0):
                return depth
        return None


@wrong("06.differs", "Nothing may differ at all, not even by rounding.")
class TorchEqual:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            if not torch.equal(actual[depth], right[depth]):
                return depth
        return None


@wrong("06.differs", "NaN passes: it is neither larger nor smaller than the limit.")
class NanSlipsThrough:
    def differs(actual, right, tolerance):
        for depth in range(actual.shape[0]):
            diff = (actual[depth] - right[depth]).norm(dim=-1)
            limit = tolerance * right[depth].norm(dim=-1)
            if (diff > limit).any():
                return depth
        return None


@wrong("06.differs", "One limit for all tokens: START is so long that it hides the others.")
class OneNormPerDepth:
    def differs(actual, right, tolerance):
        for depth in range(actual.shape[0]):
            if not (actual[depth] - right[depth]).norm() <= tolerance * right[depth].norm():
                return depth
        return None


@wrong("06.differs", "The limit is taken from the longest token of all depths: START hides the others.")
class LimitOfTheLongestToken:
    def differs(actual, right, tolerance):
        limit = tolerance * right.norm(dim=-1).max()
        off = ~((actual - right).norm(dim=-1) <= limit)
        for depth in range(len(off)):
            if off[depth].any():
                return depth
        return None


@wrong("06.differs", "The shares are averaged over the tokens.")
class MeanOverTokens:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            relative = (a - b).norm(dim=-1) / b.norm(dim=-1)
            if not relative.mean() <= tolerance:
                return depth
        return None


@wrong("06.differs", "The tolerance is absolute: the difference isn't compared with the size of the vector.")
class AbsoluteTolerance:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance).all():
                return depth
        return None


@wrong("06.differs", "The limit is taken from `actual`: with an infinity in it, everything is allowed.")
class LimitOfMine:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance * a.norm(dim=-1)).all():
                return depth
        return None


@wrong("06.differs", "Only the last token is compared.")
class OnlyTheLastRow:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not (a[-1] - b[-1]).norm() <= tolerance * b[-1].norm():
                return depth
        return None


@wrong("06.differs", "All tokens must be off; one is enough.")
class AllTokensMustBeOff:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance * b.norm(dim=-1)).any():
                return depth
        return None


@wrong("06.differs", "Only the first round of the loop runs.")
class NoneInTheLoop:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance * b.norm(dim=-1)).all():
                return depth
            else:
                return None


@wrong("06.differs", "The last depth that differs is returned.")
class TheLastDepth:
    def differs(actual, right, tolerance):
        found = None
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance * b.norm(dim=-1)).all():
                found = depth
        return found


@wrong("06.differs", "0 is returned where nothing differs.")
class ArgmaxWithoutNone:
    def differs(actual, right, tolerance):
        ok = (actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1)
        return int((~ok.all(dim=1)).int().argmax())


@wrong("06.differs", "A tensor with an axis is returned.")
class ATensorOut:
    def differs(actual, right, tolerance):
        off = ~((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1)).all(dim=-1)
        return off.nonzero()[0] if off.any() else None


@wrong("06.differs", "Depths are counted from 1.")
class DepthsFromOne:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right), start=1):
            if not ((a - b).norm(dim=-1) <= tolerance * b.norm(dim=-1)).all():
                return depth
        return None


@wrong("06.differs", "Depth 0 isn't compared.")
class SkipsTheEmbedding:
    def differs(actual, right, tolerance):
        for depth in range(1, len(actual)):
            if not ((actual[depth] - right[depth]).norm(dim=-1) <= tolerance * right[depth].norm(dim=-1)).all():
                return depth
        return None


@wrong("06.differs", "The last depth isn't compared.")
class ForgetsTheLastDepth:
    def differs(actual, right, tolerance):
        for depth in range(len(actual) - 1):
            if not ((actual[depth] - right[depth]).norm(dim=-1) <= tolerance * right[depth].norm(dim=-1)).all():
                return depth
        return None


@wrong(
    "06.differs", "Numbers are compared, not vectors: a number that happens to be near 0 is allowed next to nothing."
)
class ANumberAtATime:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).abs() <= tolerance * b.abs()).all():
                return depth
        return None


@wrong("06.differs", "The norms are taken over the tokens: one per column.")
class NormOverTokens:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=0) <= tolerance * b.norm(dim=0)).all():
                return depth
        return None


@wrong("06.differs", "Norms are compared: a vector of the same length may point elsewhere.")
class DifferenceOfNorms:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a.norm(dim=-1) - b.norm(dim=-1)).abs() <= tolerance * b.norm(dim=-1)).all():
                return depth
        return None


@wrong("06.differs", "Directions are compared: a vector that points the same way may have another length.")
class CosineSimilarity:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not (F.cosine_similarity(a, b, dim=-1) >= 1 - tolerance).all():
                return depth
        return None


@wrong("06.differs", "0 is returned where nothing differs.")
class FalseForNone:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance * b.norm(dim=-1)).all():
                return depth
        return False


@wrong("06.differs", "-1 is returned where nothing differs.")
class MinusOneForNone:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= tolerance * b.norm(dim=-1)).all():
                return depth
        return -1


@wrong("06.differs", "True or False is returned.")
class TrueForADepth:
    def differs(actual, right, tolerance):
        return bool(((actual - right).norm(dim=-1) > tolerance * right.norm(dim=-1)).any())


@wrong("06.differs", "`differs` raised AssertionError: Tensor-likes are not close!")
class AssertClose:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            torch.testing.assert_close(actual[depth], right[depth], rtol=tolerance, atol=0)
        return None


@wrong("06.differs", "`differs` raised RuntimeError: Boolean value of Tensor with more than one value is ambiguous.")
class TensorInIf:
    def differs(actual, right, tolerance):
        for depth in range(len(right)):
            if (actual[depth] - right[depth]).norm(dim=-1) > tolerance * right[depth].norm(dim=-1):
                return depth
        return None


@wrong("06.differs", "The tolerance is always 0.001.")
class ToleranceHardCoded:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if not ((a - b).norm(dim=-1) <= 0.001 * b.norm(dim=-1)).all():
                return depth
        return None


@wrong("06.differs", "NaN passes: it is neither larger nor smaller than the limit.")
class DividesAndMeetsZero:
    def differs(actual, right, tolerance):
        for depth, (a, b) in enumerate(zip(actual, right)):
            if ((a - b).norm(dim=-1) / b.norm(dim=-1)).max() > tolerance:
                return depth
        return None


@wrong("06.differs", "NaN passes: it is neither larger nor smaller than the limit.")
class NumpyNanMax:
    def differs(actual, right, tolerance):
        gap = np.linalg.norm(actual.numpy() - right.numpy(), axis=-1)
        size = np.linalg.norm(right.numpy(), axis=-1)
        worst = np.nanmax(gap / size, axis=1)
        where = np.where(worst > tolerance)[0]
        return int(where[0]) if len(where) else None


@right("06.differs")
class NextOverDepths:
    def differs(actual, right, tolerance):
        fine = ((actual - right).norm(dim=-1) <= tolerance * right.norm(dim=-1)).all(dim=-1)
        return next((depth for depth, good in enumerate(fine.tolist()) if not good), None)


@right("06.differs")
class AskedForNanFirst:
    def differs(actual, right, tolerance):
        for depth in range(len(actual)):
            for token in range(actual.shape[1]):
                gap = (actual[depth][token] - right[depth][token]).norm()
                if gap.isnan() or gap > tolerance * right[depth][token].norm():
                    return depth


@right("06.differs")
class ByNonzero:
    def differs(actual, right, tolerance):
        off = (~((actual - right).pow(2).sum(-1).sqrt() <= tolerance * right.pow(2).sum(-1).sqrt())).any(dim=1)
        depths = off.nonzero().flatten()
        return depths[0].item() if len(depths) else None
