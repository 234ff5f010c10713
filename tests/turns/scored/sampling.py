"""Answers to the turns of lesson 07, written from the text of its stubs alone, before the checks."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

from minillm.course.turns.sampling import sample, top_p

# --- 07.sample


@wrong("07.sample", "")
class TimesTemperature:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits * temperature).softmax(-1).cumsum(-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "")
class NoTemperature:
    def sample(logits, temperature, u):
        ends = logits.softmax(-1).cumsum(-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "")
class AfterTheSoftmax:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits.softmax(-1) / temperature).cumsum(-1)
        return min(int((ends <= u).sum()), len(logits) - 1)


@wrong("07.sample", "")
class AlwaysTheLikeliest:
    def sample(logits, temperature, u):
        return int((logits / max(temperature, 1e-6)).softmax(-1).argmax())


@wrong("07.sample", "")
class ByMultinomial:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax().item()
        probs = F.softmax(logits / temperature, dim=-1)
        return torch.multinomial(probs, num_samples=1).item()


@wrong("07.sample", "")
class RandomChoice:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax().item()
        weights = F.softmax(logits / temperature, dim=-1).tolist()
        return random.choices(range(len(weights)), weights)[0]


@wrong("07.sample", "")
class NoZero:
    def sample(logits, temperature, u):
        probabilities = (logits / temperature).softmax(dim=-1)
        total = 0.0
        for token, p in enumerate(probabilities):
            total += p.item()
            if u < total:
                return token
        return token


@wrong("07.sample", "")
class NoZeroPowers:
    def sample(logits, temperature, u):
        powers = torch.exp(logits / temperature)
        ends = torch.cumsum(powers / powers.sum(), 0)
        return torch.searchsorted(ends, u, right=True).item()


@wrong("07.sample", "")
class Overflows:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        powers = torch.exp(logits / temperature)
        ends = (powers / powers.sum()).cumsum(-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "")
class MathExpOverflows:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        powers = [math.exp(logit / temperature) for logit in logits.tolist()]
        total, left = sum(powers), u * sum(powers)
        for token, power in enumerate(powers):
            left -= power
            if left < 0:
                return token


@wrong("07.sample", "")
class AtTheEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(-1).cumsum(-1)
        for token in range(len(ends)):
            if u <= ends[token]:
                return token
        return len(ends) - 1


@wrong("07.sample", "")
class SearchsortedLeft:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(-1).cumsum(-1)
        return int(torch.searchsorted(ends, u * ends[-1]))


@wrong("07.sample", "")
class FallsOffTheEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(-1).cumsum(-1)
        return int((ends <= u).sum())


@wrong("07.sample", "")
class NothingAtTheEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        total = 0
        for token, p in enumerate((logits / temperature).softmax(-1)):
            total = total + p
            if total > u:
                return token


@wrong("07.sample", "")
class FirstAboveU:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        for token, p in enumerate((logits / temperature).softmax(-1)):
            if p > u:
                return token
        return len(logits) - 1


@wrong("07.sample", "")
class SortedLine:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        pieces, order = (logits / temperature).softmax(-1).sort(descending=True)
        ends = pieces.cumsum(-1)
        return int(order[(ends <= u * ends[-1]).sum()])


@wrong("07.sample", "")
class PlaceInTheSortedLine:
    def sample(logits, temperature, u):
        if temperature == 0:
            return 0
        pieces = (logits / temperature).softmax(-1).sort(descending=True).values
        ends = pieces.cumsum(-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "")
class TheProbability:
    def sample(logits, temperature, u):
        if temperature == 0:
            return 1.0
        pieces = (logits / temperature).softmax(-1)
        ends = pieces.cumsum(-1)
        return float(pieces[(ends <= u * ends[-1]).sum()])


@wrong("07.sample", "")
class OneTooLow:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(-1).cumsum(-1)
        return max(int((ends <= u * ends[-1]).sum()) - 1, 0)


@wrong("07.sample", "")
class EqualPieces:
    def sample(logits, temperature, u):
        return int(u * len(logits))


@wrong("07.sample", "")
class ATensor:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax()
        ends = (logits / temperature).softmax(-1).cumsum(-1)
        return (ends <= u * ends[-1]).sum()


@wrong("07.sample", "")
class NoSoftmax:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).cumsum(-1)
        return min(int((ends <= u * ends[-1]).sum()), len(logits) - 1)


@wrong("07.sample", "")
class Printed:
    def sample(logits, temperature, u):
        if temperature == 0:
            print(int(logits.argmax()))
            return
        ends = (logits / temperature).softmax(-1).cumsum(-1)
        print(int((ends <= u).sum()))


@right("07.sample")
class ALoopThatSubtracts:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax().item()
        probabilities = (logits / temperature).softmax(-1).tolist()
        last = 0
        for token, p in enumerate(probabilities):
            if p == 0:
                continue
            last = token
            if u < p:
                return token
            u -= p
        return last


@right("07.sample")
class NumpyByHand:
    def sample(logits, temperature, u):
        scores = logits.numpy().astype(float)
        if temperature == 0:
            return int(np.argmax(scores))
        powers = np.exp((scores - scores.max()) / temperature)
        ends = np.cumsum(powers)
        return int(np.searchsorted(ends, u * ends[-1], side="right"))


@right("07.sample")
class ATinyTemperatureForZero:
    def sample(logits, temperature, u):
        scaled = (logits - logits.max()).double() / max(temperature, 1e-9)
        ends = torch.cumsum(torch.exp(scaled), 0)
        return int(torch.nonzero(ends > u * ends[-1])[0])


# --- 07.top_p


@wrong("07.top_p", "")
class CrossingDropped:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = order[values.cumsum(-1) > p]
        out = logits.clone()
        out[drop] = -torch.inf
        return out


@wrong("07.top_p", "")
class CrossingDroppedStrictly:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = order[values.cumsum(-1) >= p]
        out = logits.clone()
        out[drop] = float("-inf")
        return out


@wrong("07.top_p", "")
class OneTooMany:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        n = int((values.cumsum(-1) <= p).sum()) + 1
        out = torch.full_like(logits, -torch.inf)
        out[order[:n]] = logits[order[:n]]
        return out


@wrong("07.top_p", "")
class MaskInSortedOrder:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = values.cumsum(-1) - values >= p
        return logits.masked_fill(drop, -torch.inf)


@wrong("07.top_p", "")
class SortedLogitsReturned:
    def top_p(logits, p):
        ordered, order = logits.sort(descending=True)
        probs = ordered.softmax(-1)
        return ordered.masked_fill(probs.cumsum(-1) - probs >= p, -torch.inf)


@wrong("07.top_p", "")
class HuggingFaceWithoutClone:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = sorted_logits.softmax(dim=-1).cumsum(dim=-1)
        sorted_indices_to_remove = cumulative_probs > p
        sorted_indices_to_remove[1:] = sorted_indices_to_remove[:-1]
        sorted_indices_to_remove[0] = 0
        out = logits.clone()
        out[sorted_indices[sorted_indices_to_remove]] = -float("inf")
        return out


@wrong("07.top_p", "")
class HuggingFaceWithoutShift:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = sorted_logits.softmax(dim=-1).cumsum(dim=-1)
        sorted_indices_to_remove = cumulative_probs > p
        sorted_indices_to_remove[0] = False
        out = logits.clone()
        out[sorted_indices[sorted_indices_to_remove]] = -float("inf")
        return out


@wrong("07.top_p", "")
class InPlace:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        logits[order[values.cumsum(-1) - values >= p]] = -torch.inf
        return logits


@wrong("07.top_p", "")
class CumulatedLogits:
    def top_p(logits, p):
        ordered, order = logits.sort(descending=True)
        drop = order[ordered.cumsum(-1) - ordered >= p]
        out = logits.clone()
        out[drop] = -torch.inf
        return out


@wrong("07.top_p", "")
class TenBillion:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = order[values.cumsum(-1) - values >= p]
        out = logits.clone()
        out[drop] = -1e10
        return out


@wrong("07.top_p", "")
class Zeros:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = order[values.cumsum(-1) - values >= p]
        out = logits.clone()
        out[drop] = 0
        return out


@wrong("07.top_p", "")
class Probabilities:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = order[values.cumsum(-1) - values >= p]
        out = logits.clone()
        out[drop] = -torch.inf
        return out.softmax(-1)


@wrong("07.top_p", "")
class ProbabilitiesNotRenormalized:
    def top_p(logits, p):
        probs = logits.softmax(-1)
        values, order = probs.sort(descending=True)
        probs[order[values.cumsum(-1) - values >= p]] = 0
        return probs


@wrong("07.top_p", "")
class ProbabilitiesCutAtMinusInfinity:
    def top_p(logits, p):
        probs = logits.softmax(-1)
        values, order = probs.sort(descending=True)
        return probs.scatter(0, order[values.cumsum(-1) - values >= p], -torch.inf)


@wrong("07.top_p", "")
class MinP:
    def top_p(logits, p):
        probs = logits.softmax(-1)
        return logits.masked_fill(probs < p * probs.max(), -torch.inf)


@wrong("07.top_p", "")
class EachAboveP:
    def top_p(logits, p):
        return logits.masked_fill(logits.softmax(-1) < p, -torch.inf)


@wrong("07.top_p", "")
class Ascending:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort()
        drop = order[values.cumsum(-1) - values >= p]
        out = logits.clone()
        out[drop] = -torch.inf
        return out


@wrong("07.top_p", "")
class NotSorted:
    def top_p(logits, p):
        values = logits.softmax(-1)
        return logits.masked_fill(values.cumsum(-1) - values >= p, -torch.inf)


@wrong("07.top_p", "")
class KeepsTheTail:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        drop = order[values.cumsum(-1) - values < p]
        out = logits.clone()
        out[drop] = -torch.inf
        return out


@wrong("07.top_p", "")
class TheIds:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        return order[values.cumsum(-1) - values < p]


@wrong("07.top_p", "")
class TheLogitsThatAreKept:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        return logits[order[values.cumsum(-1) - values < p]]


@wrong("07.top_p", "")
class ThePOfTopK:
    def top_p(logits, p):
        k = max(1, int(p * len(logits)))
        return logits.masked_fill(logits < logits.topk(k).values[-1], -torch.inf)


@wrong("07.top_p", "")
class TwoAxes:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        remove = sorted_logits.softmax(-1).cumsum(-1) > p
        remove[..., 1:] = remove[..., :-1].clone()
        remove[..., 0] = 0
        return logits.masked_fill(remove.scatter(1, sorted_indices, remove), -torch.inf)


@right("07.top_p")
class HuggingFaceOnOneAxis:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=False)
        cumulative_probs = sorted_logits.softmax(dim=-1).cumsum(dim=-1)
        sorted_indices_to_remove = cumulative_probs <= (1 - p)
        sorted_indices_to_remove[-1] = False
        return logits.masked_fill(
            sorted_indices_to_remove.scatter(0, sorted_indices, sorted_indices_to_remove), -torch.inf
        )


@right("07.top_p")
class ALoop:
    def top_p(logits, p):
        probabilities = logits.softmax(-1).tolist()
        kept = [-math.inf] * len(probabilities)
        total = 0
        for token in sorted(range(len(kept)), key=lambda i: -probabilities[i]):
            kept[token] = logits[token].item()
            total += probabilities[token]
            if total >= p:
                break
        return torch.tensor(kept)


@right("07.top_p")
class ByAThreshold:
    def top_p(logits, p):
        ordered = logits.softmax(-1).sort(descending=True).values
        n = int((ordered.cumsum(-1) < p).sum())
        least = logits.sort(descending=True).values[min(n, len(logits) - 1)]
        return torch.where(logits >= least, logits, torch.tensor(-torch.inf))


# --- 07.generate


@wrong("07.generate", "")
class TemperatureFirst:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            token = sample(top_p(step(ids) / temperature, p), 1.0, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class GeneratorInTheLoop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        for _ in range(n):
            rng = random.Random(seed)
            token = sample(top_p(step(ids), p), temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class OneNumberForAll:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        u = random.Random(seed).random()
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, u)
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class OnlyTheNewToken:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng, text = random.Random(seed), list(ids)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, rng.random())
            text.append(token)
            ids = [token]
            if token == stop:
                break
        return text


@wrong("07.generate", "")
class ThePromptAgainAndAgain:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng, text = random.Random(seed), list(ids)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, rng.random())
            text.append(token)
            if token == stop:
                break
        return text


@wrong("07.generate", "")
class ChangesThePrompt:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class NewTokensOnly:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng, new = random.Random(seed), []
        for _ in range(n):
            token = sample(top_p(step([*ids, *new]), p), temperature, rng.random())
            new.append(token)
            if token == stop:
                break
        return new


@wrong("07.generate", "")
class WithoutTheStop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, rng.random())
            if token == stop:
                break
            ids.append(token)
        return ids


@wrong("07.generate", "")
class StopsOneLate:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            last = ids[-1]
            token = sample(top_p(step(ids), p), temperature, rng.random())
            ids.append(token)
            if last == stop:
                break
        return ids


@wrong("07.generate", "")
class NeverStops:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
        return ids


@wrong("07.generate", "")
class NTokensInAll:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        while len(ids) < n:
            token = sample(top_p(step(ids), p), temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class OneTooFew:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(1, n):
            token = sample(top_p(step(ids), p), temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class TorchsNumbers:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        torch.manual_seed(seed)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, torch.rand(1).item())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class NoSeed:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, random.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class NoCut:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            token = sample(step(ids), temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class NoTemperatureHere:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            token = sample(top_p(step(ids), p), 1.0, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class Probable:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            probs = top_p(step(ids), p).softmax(-1)
            token = sample(probs, temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@wrong("07.generate", "")
class NanoGPT:
    def generate(step, ids, n, temperature, p, seed, stop):
        idx = torch.tensor([ids])
        for _ in range(n):
            logits = step(idx)
            logits = logits[:, -1, :] / temperature
            probs = torch.softmax(logits, dim=-1)
            idx_next = torch.multinomial(probs, num_samples=1)
            idx = torch.cat((idx, idx_next), dim=1)
        return idx


@wrong("07.generate", "")
class ReturnInside:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            return ids
        return ids


@wrong("07.generate", "")
class TheLastPosition:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids, rng = list(ids), random.Random(seed)
        for _ in range(n):
            token = sample(top_p(step(ids)[-1], p), temperature, rng.random())
            ids.append(token)
            if token == stop:
                break
        return ids


@right("07.generate")
class Recursive:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)

        def go(text, left):
            if left == 0:
                return text
            token = sample(top_p(step(text), p), temperature, rng.random())
            return [*text, token] if token == stop else go([*text, token], left - 1)

        return go(list(ids), n)


@right("07.generate")
class AWhileLoop:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng, text, token = random.Random(seed), ids[:], None
        while len(text) < len(ids) + n and token != stop:
            token = sample(top_p(step(text), p), temperature, rng.random())
            text = text + [token]
        return text


@right("07.generate")
class NumbersFirst:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)
        numbers = [rng.random() for _ in range(n)]
        out = [*ids]
        for u in numbers:
            out.append(sample(top_p(step(out), p), temperature, u))
            if out[-1] == stop:
                return out
        return out


# --- 07.remember


@wrong("07.remember", "")
class OneForAllLayers:
    def remember(cache, layer, key, value):
        if "keys" in cache:
            key = torch.cat([cache["keys"], key], dim=1)
            value = torch.cat([cache["values"], value], dim=1)
        cache["keys"], cache["values"] = key, value
        return key, value


@wrong("07.remember", "")
class OverHeads:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key])
            value = torch.cat([cache[layer][1], value])
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "")
class OverFeatures:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=-1)
            value = torch.cat([cache[layer][1], value], dim=-1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "")
class Forgets:
    def remember(cache, layer, key, value):
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "")
class NeverStored:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        return key, value


@wrong("07.remember", "")
class TheFirstStays:
    def remember(cache, layer, key, value):
        if layer not in cache:
            cache[layer] = key, value
            return key, value
        keys, values = cache[layer]
        return torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)


@wrong("07.remember", "")
class NewFirst:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([key, cache[layer][0]], dim=1)
            value = torch.cat([value, cache[layer][1]], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "")
class ValuesAreKeys:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][0], value], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "")
class Swapped:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = key, value
        return value, key


@wrong("07.remember", "")
class TheCache:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = key, value
        return cache


@wrong("07.remember", "")
class NothingReturned:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = key, value


@wrong("07.remember", "")
class NoFirstTime:
    def remember(cache, layer, key, value):
        keys, values = cache[layer]
        cache[layer] = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        return cache[layer]


@wrong("07.remember", "")
class ListsOfTensors:
    def remember(cache, layer, key, value):
        keys, values = cache.setdefault(layer, ([], []))
        keys.append(key)
        values.append(value)
        return keys, values


@wrong("07.remember", "")
class Stacked:
    def remember(cache, layer, key, value):
        keys, values = cache.setdefault(layer, ([], []))
        keys.append(key)
        values.append(value)
        return torch.stack(keys, dim=1), torch.stack(values, dim=1)


STORE = {}


@wrong("07.remember", "")
class AGlobalStore:
    def remember(cache, layer, key, value):
        if layer in STORE:
            key = torch.cat([STORE[layer][0], key], dim=1)
            value = torch.cat([STORE[layer][1], value], dim=1)
        STORE[layer] = key, value
        return key, value


@wrong("07.remember", "")
class TheLastTwo:
    def remember(cache, layer, key, value):
        before = cache.get(layer)
        cache[layer] = key, value
        if before is None:
            return key, value
        return torch.cat([before[0], key], dim=1), torch.cat([before[1], value], dim=1)


@wrong("07.remember", "")
class OnlyKeys:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer], key], dim=1)
        cache[layer] = key
        return key, value


@right("07.remember")
class EmptyTensorsFirst:
    def remember(cache, layer, key, value):
        nothing = key[:, :0]
        keys, values = cache.get(layer, (nothing, value[:, :0]))
        cache[layer] = torch.cat((keys, key), 1), torch.cat((values, value), 1)
        return cache[layer]


@wrong("07.remember", "does not hold them")
class TwoListsPerLayer:
    def remember(cache, layer, key, value):
        keys = cache.setdefault(("keys", layer), [])
        values = cache.setdefault(("values", layer), [])
        keys.append(key)
        values.append(value)
        return torch.cat(keys, dim=1), torch.cat(values, dim=1)


@right("07.remember")
class APair:
    def remember(cache, layer, key, value):
        pair = [key, value]
        if layer in cache:
            pair = [torch.cat(both, dim=1) for both in zip(cache[layer], pair, strict=True)]
        cache[layer] = pair
        return pair


@right("07.remember")
class HeadByHead:
    def remember(cache, layer, key, value):
        old_keys, old_values = cache.get(layer, (key[:, :0], value[:, :0]))
        keys = torch.stack([torch.cat([old, new]) for old, new in zip(old_keys, key, strict=True)])
        values = torch.stack([torch.cat([old, new]) for old, new in zip(old_values, value, strict=True)])
        cache[layer] = (keys, values)
        return keys, values
