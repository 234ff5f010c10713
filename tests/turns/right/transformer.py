"""Unusual right answers to the turns of lesson 06, as learners write them."""

import functools

import numpy as np
import torch
from turn_answers import right

from minillm.course.heads import heads
from minillm.course.turns.feed_forward import feed_forward
from minillm.course.turns.transformer import block, rms_norm


@right("06.rms_norm")
class LlamaWithItsFloat:
    def rms_norm(x, weight, eps=1e-5):
        wide = x.double()
        return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).type_as(x)


@right("06.rms_norm")
class ADiagonalMatrix:
    def rms_norm(x, weight, eps=1e-5):
        divisors = ((x @ x.T).diagonal() / len(weight) + eps).sqrt()
        return torch.diag(1 / divisors) @ x @ torch.diag(weight)


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


@right("06.transformer")
class Reduce:
    def transformer(ids, weights, settings):
        x = torch.index_select(weights["embedding.weight"], 0, ids)
        x = functools.reduce(lambda x, layer: block(x, weights, layer, settings), range(settings["layers"]), x)
        return torch.einsum("tc,vc->tv", rms_norm(x, weights["final_norm.weight"]), weights["head.weight"])


@right("06.transformer")
class CountsTheBlocksByTheirNames:
    def transformer(ids, weights, settings):
        x = weights["embedding.weight"][ids.tolist()]
        for layer in sorted({int(name.split(".")[1]) for name in weights if name.startswith("blocks.")}):
            x = block(x, weights, layer, settings)
        return rms_norm(x, weights["final_norm.weight"]).matmul(weights["head.weight"].t())


@right("06.differs")
class Numpy:
    def differs(actual, right, tolerance):
        gap = np.linalg.norm((actual - right).numpy(), axis=-1)
        fine = (gap <= tolerance * np.linalg.norm(right.numpy(), axis=-1)).all(axis=-1)
        return None if fine.all() else int(np.argmin(fine))


@right("06.differs")
class SquaresAndNext:
    def differs(actual, right, tolerance):
        gap, size = (actual - right).square().sum(-1), right.square().sum(-1)
        fine = (gap <= tolerance**2 * size).all(-1)
        return next((depth for depth, each in enumerate(fine) if not each), None)
