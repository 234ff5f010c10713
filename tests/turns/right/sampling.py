"""Unusual right answers to the turns of lesson 07, as learners write them."""

import bisect
import itertools
import math
import random

import numpy as np
import torch
from turn_answers import right

from minillm.course.turns.sampling import sample, top_p


@right("07.sample")
class BisectOfAPlainList:
    def sample(logits, temperature, u):
        scores = logits.tolist()
        if not temperature:
            return scores.index(max(scores))
        powers = [math.exp((score - max(scores)) / temperature) for score in scores] if len(scores) < 9 else None
        if powers is None:
            powers = (logits.double() / temperature).softmax(0).tolist()
        ends = list(itertools.accumulate(powers))
        return bisect.bisect_right(ends, u * ends[-1])


@right("07.sample")
class Searchsorted:
    def sample(logits, temperature, u):
        if temperature == 0:
            return torch.argmax(logits).item()
        ends = torch.softmax(logits.to(torch.float64) / temperature, -1).cumsum(-1)
        return torch.searchsorted(ends / ends[-1], u, right=True).item()


@right("07.sample")
class OnlyTokensThatHaveAPiece:
    def sample(logits, temperature, u):
        if temperature < 1e-9:
            return int(logits.argmax())
        probabilities = (logits / temperature).softmax(-1)
        alive = probabilities.nonzero()[:, 0]
        ends = probabilities[alive].cumsum(0)
        return int(alive[min(int((ends <= u).sum()), len(alive) - 1)])


@right("07.top_p")
class AMaskScattered:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        remove = sorted_logits.softmax(-1).cumsum(-1) >= p
        remove[1:] = remove[:-1].clone()
        remove[0] = False
        return logits.masked_fill(torch.zeros_like(remove).scatter_(0, sorted_indices, remove), float("-inf"))


@right("07.top_p")
class NumpyInside:
    def top_p(logits, p):
        scores = logits.numpy().astype(np.float64)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        n = np.searchsorted(np.cumsum(shares[order]), p - 1e-12) + 1
        kept = np.full_like(scores, -np.inf)
        kept[order[:n]] = scores[order[:n]]
        return torch.from_numpy(kept).float()


@right("07.generate")
class ByThePackagesNames:
    def generate(step, ids, n, temperature, p, seed, stop):
        draws = random.Random(seed)
        tokens = ids.copy()
        for i in range(len(ids), len(ids) + n):
            logits = step(tokens[:i])
            next_id = sample(logits=top_p(logits=logits, p=p), temperature=temperature, u=draws.random())
            tokens += [next_id]
            if next_id == stop:
                return tokens
        return tokens


@right("07.generate")
class ATupleOfNewOnes:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng, new = random.Random(seed), ()
        while len(new) < n and (not new or new[-1] != stop):
            new += (sample(top_p(step((*ids, *new)), p), temperature, rng.random()),)
        return [*ids, *new]


@right("07.remember")
class ViewsOfABuffer:
    def remember(cache, layer, key, value):
        K, T, D = key.shape
        buffers = cache.setdefault("buffers", {})
        if layer not in buffers:
            buffers[layer] = torch.empty(2, K, 1024, D)
        n = cache[layer][0].shape[1] if layer in cache else 0
        buffers[layer][:, :, n : n + T] = torch.stack([key, value])
        cache[layer] = list(buffers[layer][:, :, : n + T])
        return cache[layer]


@right("07.remember")
class TokenByToken:
    def remember(cache, layer, key, value):
        keys, values = ([*old.unbind(1)] for old in cache.get(layer, (key[:, :0], value[:, :0])))
        keys.extend(key.unbind(1))
        values.extend(value.unbind(1))
        cache[layer] = torch.stack(keys, 1), torch.stack(values, 1)
        return cache[layer]


@right("07.remember")
class TryFirst:
    def remember(cache, layer, key, value):
        try:
            before = cache[layer]
        except KeyError:
            before = (key[:, :0], value[:, :0])
        cache[layer] = tuple(torch.hstack([old, new]) for old, new in zip(before, (key, value), strict=True))
        return cache[layer]
