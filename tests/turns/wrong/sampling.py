"""Wrong answers to the turns of lesson 07, as they were typed while trying the page, and what they are told."""

import math
import random

import numpy as np
import torch
from turn_answers import wrong

from minillm.course.turns.sampling import sample, top_p

# --- 07.sample


@wrong("07.sample", "raised ZeroDivisionError")
class PlainNumbersDivided:
    def sample(logits, temperature, u):
        scores = [score / temperature for score in logits.tolist()]
        ends = torch.tensor(scores).double().softmax(0).cumsum(0)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "'list' object has no attribute")
class AListOfLogits:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int((logits.tolist().softmax(0).cumsum(0) <= u).sum())


@wrong("07.sample", "raised IndexError")
class RunsPastTheEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        probabilities = (logits / temperature).softmax(0)
        token = 0
        while u >= probabilities[token]:
            u -= float(probabilities[token])
            token += 1
        return token


@wrong("07.sample", "name 'probs' is not defined")
class AnotherName:
    def sample(logits, temperature, u):
        return int((probs.cumsum(0) <= u).sum())  # noqa: F821


@wrong("07.sample", "searchsorted")
class SearchsortedOfAList:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int(torch.searchsorted((logits / temperature).softmax(0).cumsum(0).tolist(), u, right=True))


@wrong("07.sample", "called torch.multinomial")
class NanoGPTs:
    def sample(logits, temperature, u):
        logits = logits / (temperature + 1e-9)
        probs = torch.softmax(logits, dim=-1)
        return int(torch.multinomial(probs, num_samples=1))


@wrong("07.sample", "measured from the right end")
class FromTheRight:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        total = 0.0
        pieces = (logits.double() / temperature).softmax(0).tolist()
        for token in reversed(range(len(pieces))):
            total += pieces[token]
            if u < total:
                return token
        return 0


@wrong("07.sample", "Called twice with one u")
class TheGumbelTrick:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int((logits / temperature - torch.log(-torch.log(torch.rand_like(logits)))).argmax())


@wrong("07.sample", "Token 0 always comes")
class ReturnInTheLoop:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        total = 0
        for token, p in enumerate((logits / temperature).softmax(-1)):
            total += p
            if u < total:
                return token
            return token


@wrong("07.sample", "There is no token 6.")
class DoublesToo:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int(((logits.double() / temperature).softmax(-1).cumsum(-1) <= u).sum())


# --- 07.top_p


@wrong("07.top_p", "must match")
class TwoMasks:
    def top_p(logits, p):
        ordered = logits.softmax(-1).sort(descending=True).values
        return logits.masked_fill(ordered[1:].cumsum(-1) > p, -math.inf)


@wrong("07.top_p", "name 'probs' is not defined")
class TheNameOfTheLibrary:
    def top_p(logits, p):
        return logits.masked_fill(probs < p, -math.inf)  # noqa: F821


@wrong("07.top_p", "'list' object has no attribute")
class AListInTheMiddle:
    def top_p(logits, p):
        shares = sorted(logits.softmax(-1).tolist(), reverse=True)
        return logits.masked_fill(shares.cumsum(-1) > p, -math.inf)


@wrong("07.top_p", "from ids to ranks")
class OrderUsedAsAMap:
    def top_p(logits, p):
        shares, order = logits.softmax(-1).sort(descending=True)
        drop = shares.cumsum(-1) - shares >= p
        return torch.where(drop[order], -math.inf, logits)


@wrong("07.top_p", "the lowest number that a float32 can hold")
class TheLowestFloat:
    def top_p(logits, p):
        shares, order = logits.softmax(-1).sort(descending=True)
        kept = logits.clone()
        kept[order[shares.cumsum(-1) - shares >= p]] = torch.finfo(torch.float32).min
        return kept


# --- 07.generate


@wrong("07.generate", "has not finished")
class WhileTrue:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        token = None
        while token != stop:
            token = sample(top_p(step(ids[-9:]), p), temperature, rng.random())
        return ids


@wrong("07.generate", "name 'rng' is not defined")
class NoGenerator:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))  # noqa: F821
        return ids


@wrong("07.generate", "missing 1 required positional argument")
class SampleWithoutU:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature))
        return ids


@wrong("07.generate", "At temperature 0, token 0 comes in every round.")
class TheLibrariesOrder:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            logits = step(ids) / temperature
            ids.append(sample(top_p(logits, p), 1.0, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "Each token is chosen with the same u")
class SeededInEachRound:
    def generate(step, ids, n, temperature, p, seed, stop):
        text = list(ids)
        for _ in range(n):
            random.seed(seed)
            text.append(sample(top_p(step(text), p), temperature, random.random()))
            if text[-1] == stop:
                break
        return text


@wrong("07.generate", "those of numpy's `default_rng`")
class NumpysNumbers:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), np.random.default_rng(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
        return ids


# --- 07.remember


@wrong("07.remember", "the keys have shape")
class HeadsAndTokensSwapped:
    def remember(cache, layer, key, value):
        keys = key.transpose(0, 1)
        if layer in cache:
            keys = torch.cat([cache[layer][0], keys])
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = keys, value
        return keys, value


@wrong("07.remember", "except in dimension 0")
class TheDefaultAxis:
    def remember(cache, layer, key, value):
        if layer in cache and key.shape[1] < cache[layer][0].shape[1]:
            key = torch.cat([cache[layer][0], key])
            value = torch.cat([cache[layer][1], value])
        elif layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "stack expects each tensor to be equal size")
class StackedAlongTokens:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.stack([cache[layer][0], key], dim=1).flatten(1, 2)
            value = torch.stack([cache[layer][1], value], dim=1).flatten(1, 2)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "'NoneType' object")
class GetWithoutADefault:
    def remember(cache, layer, key, value):
        keys, values = cache.get(layer)[0], cache.get(layer)[1]
        cache[layer] = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        return cache[layer]


@wrong("07.remember", "name 'k' is not defined")
class ShorterNames:
    def remember(cache, layer, key, value):
        cache[layer] = k, v  # noqa: F821
        return k, v  # noqa: F821


@wrong("07.remember", "All layers share one cache")
class OneNameForAll:
    def remember(cache, layer, key, value):
        for name, new in (("k", key), ("v", value)):
            cache[name] = torch.cat([cache[name], new], dim=1) if name in cache else new
        return cache["k"], cache["v"]
