"""Answers to the turns of lesson 07, written from its text alone by a reader."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

from minillm.course.turns.sampling import sample, top_p

# --- 07.sample


@wrong("07.sample", "The logits are multiplied by the temperature.")
class TemperatureMultiplies:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits * temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "At temperature 0 the last token is returned.")
class NoCaseForZero:
    def sample(logits, temperature, u):
        pieces = (logits / temperature).softmax(dim=-1)
        total = 0.0
        for i, piece in enumerate(pieces.tolist()):
            total += piece
            if u < total:
                return i
        return len(pieces) - 1


@wrong("07.sample", "The temperature has no effect.")
class DividesTheProbabilities:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        pieces = logits.softmax(dim=-1) / temperature
        ends = pieces.cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "At the end of a piece, the token before it comes; at u = 0 even one that was cut.")
class LeftOpen:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends < u * ends[-1]).sum())


@wrong("07.sample", "In this case nothing is returned: u lies beyond the end of every piece.")
class Llama2c:
    def sample(logits, temperature, u):
        if temperature == 0.0:
            return int(torch.argmax(logits))
        probabilities = F.softmax(logits / temperature, dim=-1)
        cdf = 0.0
        for i in range(len(probabilities)):
            cdf += float(probabilities[i])
            if u < cdf:
                return i
        return None


@wrong("07.sample", "`sample` raised IndexError: too many indices for tensor of dimension 1.")
class NanoGpt:
    def sample(logits, temperature, u):
        logits = logits[:, -1, :] / temperature
        probs = F.softmax(logits, dim=-1)
        return torch.multinomial(probs, num_samples=1)


@wrong("07.sample", "`sample` called torch.multinomial, which this question does not allow; compute it yourself.")
class MultinomialIgnoresU:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        probs = F.softmax(logits / temperature, dim=-1)
        return int(torch.multinomial(probs, 1))


@wrong("07.sample", "The pieces are laid out in sorted order.")
class SortsFirst:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        pieces, order = (logits / temperature).softmax(dim=-1).sort(descending=True)
        ends = pieces.cumsum(dim=-1)
        return int(order[int((ends <= u * ends[-1]).sum())])


@wrong("07.sample", "A rank is returned, not an id: the pieces were sorted.")
class SortsAndForgetsTheOrder:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        pieces = (logits / temperature).softmax(dim=-1).sort(descending=True).values
        ends = pieces.cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "At the end of a piece, u belongs to the next one.")
class SearchsortedLeft:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int(torch.searchsorted(ends, u))


@wrong("07.sample", "`sample` returned None.")
class PrintsIt:
    def sample(logits, temperature, u):
        if temperature == 0:
            print(int(logits.argmax()))
        else:
            ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
            print(int((ends <= u * ends[-1]).sum()))


@wrong("07.sample", "The number is in a tensor, and an int is asked for.")
class ReturnsATensor:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax()
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return (ends <= u * ends[-1]).sum()


@wrong("07.sample", "That's not the id of a token, but a number with a fraction.")
class ReturnsThePiece:
    def sample(logits, temperature, u):
        if temperature == 0:
            return float(logits.softmax(dim=-1).max())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return float(ends[ends > u][0])


@wrong("07.sample", "Called twice with one u, it returns two tokens.")
class NumpyChoice:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(np.argmax(logits.numpy()))
        p = np.exp(logits.numpy() / temperature)
        p /= p.sum()
        return int(np.random.choice(len(p), p=p))


@wrong("07.sample", "Large logits overflow.")
class ExpOverflows:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        weights = torch.exp(logits / temperature)
        ends = (weights / weights.sum()).cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "Where rounding leaves u beyond the last end, the last token comes, even if it was cut.")
class LastTokenWhenItRunsOver:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        pieces = (logits / temperature).softmax(dim=-1)
        total = 0.0
        for i, piece in enumerate(pieces.tolist()):
            total += piece
            if total > u:
                return i
        return len(pieces) - 1


@wrong(
    "07.sample",
    "`sample` raised UnboundLocalError: cannot access local variable 'chosen' where it is not associated with a value.",
)
class ReturnInsideTheLoop:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        total = 0.0
        for i, piece in enumerate((logits / temperature).softmax(dim=-1).tolist()):
            total += piece
            if u < total:
                chosen = i
            return chosen


@wrong(
    "07.sample",
    "In some cases, this is what happens: The logits themselves are added up",
)
class NoSoftmax:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "The token after the right one is returned.")
class OneTooFar:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends <= u).sum()) + 1


@wrong("07.sample", "Where rounding leaves u beyond the last end, there is no token of that number.")
class TinyTemperatureForZero:
    def sample(logits, temperature, u):
        temperature = max(temperature, 1e-3)
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "")
class NearestEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends - u).abs().argmin())


@wrong("07.sample", "Called twice with one u, it returns two tokens.")
class GumbelTrick:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        noise = -torch.log(-torch.log(torch.rand_like(logits)))
        return int((logits / temperature + noise).argmax())


@right("07.sample")
class SearchsortedRight:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax().item()
        ends = torch.cumsum(torch.softmax(logits.double() / temperature, 0), 0)
        i = torch.searchsorted(ends / ends[-1], torch.tensor(u, dtype=torch.float64), right=True)
        return i.item()


@right("07.sample")
class WalksOverThePieces:
    def sample(logits, temperature, u):
        numbers = logits.tolist()
        if temperature == 0:
            return numbers.index(max(numbers))
        peak = max(numbers)
        weights = [math.exp((n - peak) / temperature) for n in numbers]
        total = sum(weights)
        left, last = u * total, 0
        for i, w in enumerate(weights):
            if w == 0:
                continue
            last = i
            if left < w:
                return i
            left -= w
        return last


@right("07.sample")
class ArgmaxOfABoolean:
    def sample(logits, temperature, u):
        if not temperature:
            return int(torch.argmax(logits))
        ends = torch.softmax(logits.double() / temperature, dim=0).cumsum(0)
        ends /= ends[-1].clone()
        return int((ends > u).int().argmax())


# --- 07.top_p


@wrong("07.top_p", "`top_p` raised RuntimeError: selected index k out of range.")
class RasbtTopK:
    def top_p(logits, p):
        top_logits, _ = torch.topk(logits, 50)
        min_val = top_logits[-1]
        return torch.where(logits < min_val, torch.tensor(float("-inf")), logits)


@right("07.top_p")
class RasbtCutPasted:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        k = int((shares.cumsum(dim=-1) < p).sum()) + 1
        top_logits, _ = torch.topk(logits, min(k, len(logits)))
        min_val = top_logits[-1]
        return torch.where(logits < min_val, torch.tensor(float("-inf")), logits)


@right("07.top_p")
class RasbtCutByShares:
    def top_p(logits, p):
        probas = torch.softmax(logits, dim=-1)
        shares, _ = torch.sort(probas, descending=True)
        cutoff = int((shares.cumsum(-1) < p).sum())
        min_val = shares[min(cutoff, len(shares) - 1)]
        return torch.where(probas < min_val, torch.full_like(logits, -math.inf), logits)


@wrong("07.top_p", "In some cases, this is what happens: The token that reaches p is cut, too.")
class RasbtTopPFunction:
    def top_p(logits, p):
        probas = torch.softmax(logits, dim=-1)
        sorted_probas, sorted_idx = torch.sort(probas, dim=-1, descending=True)
        cumulative = torch.cumsum(sorted_probas, dim=-1)
        keep = cumulative <= p
        keep[0] = True
        mask = torch.zeros_like(probas, dtype=torch.bool).scatter(-1, sorted_idx, keep)
        return torch.where(mask, logits, torch.tensor(-math.inf))


@wrong("07.top_p", "The token that reaches p is cut, too.")
class HuggingFaceWithoutTheShift:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = torch.cumsum(F.softmax(sorted_logits, dim=-1), dim=-1)
        sorted_indices_to_remove = cumulative_probs > p
        logits = logits.clone()
        logits[sorted_indices[sorted_indices_to_remove]] = -float("Inf")
        return logits


@wrong("07.top_p", "Where p is reached exactly, one more token stays.")
class HuggingFaceWithTheShift:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = torch.cumsum(F.softmax(sorted_logits, dim=-1), dim=-1)
        remove = cumulative_probs > p
        remove[1:] = remove[:-1].clone()
        remove[0] = False
        return logits.masked_fill(torch.zeros_like(remove).scatter(0, sorted_indices, remove), -math.inf)


@wrong("07.top_p", "`top_p` changed the input that it was given; work on a copy.")
class HuggingFaceInPlace:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = torch.cumsum(F.softmax(sorted_logits, dim=-1), dim=-1)
        remove = cumulative_probs >= p
        remove[1:] = remove[:-1].clone()
        remove[0] = False
        logits[sorted_indices[remove]] = -math.inf
        return logits


@wrong("07.top_p", "The logits come back sorted.")
class KeepsTheSortedOrder:
    def top_p(logits, p):
        logits = logits.sort(descending=True).values
        shares = logits.softmax(dim=-1)
        before = shares.cumsum(dim=-1) - shares
        return logits.masked_fill(before >= p, -math.inf)


@wrong("07.top_p", "The mask is in sorted order, and the logits are in the order of their ids.")
class MaskNotScatteredBack:
    def top_p(logits, p):
        shares = logits.softmax(dim=-1).sort(descending=True).values
        before = shares.cumsum(dim=-1) - shares
        return logits.masked_fill(before >= p, -math.inf)


@wrong("07.top_p", "The token that reaches p is cut, too.")
class DropsTheOneThatReaches:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        kept = logits.clone()
        kept[order[shares.cumsum(dim=-1) >= p]] = -math.inf
        return kept


@wrong("07.top_p", "This is min-p: what has less than p times the largest probability is cut.")
class MinP:
    def top_p(logits, p):
        shares = logits.softmax(dim=-1)
        return logits.masked_fill(shares < p * shares.max(), -math.inf)


@wrong("07.top_p", "Each token with a probability below 1 - p is cut.")
class SharesAboveOneMinusP:
    def top_p(logits, p):
        shares = logits.softmax(dim=-1)
        return logits.masked_fill(shares < 1 - p, -math.inf)


@wrong("07.top_p", "The least likely tokens are kept: the order is ascending.")
class SortsUpwards:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort()
        before = shares.cumsum(dim=-1) - shares
        kept = logits.clone()
        kept[order[before >= p]] = -math.inf
        return kept


@wrong("07.top_p", "Probabilities are returned.")
class ReturnsProbabilities:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        probs = logits.softmax(dim=-1)
        probs[order[before >= p]] = 0
        return probs / probs.sum()


@wrong("07.top_p", "Log-probabilities are returned.")
class ReturnsLogProbabilities:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        kept = logits.log_softmax(dim=-1)
        kept[order[before >= p]] = -math.inf
        return kept


@wrong("07.top_p", "Cut tokens get the logit 0, which is often higher than what they had.")
class ZeroForMinusInfinity:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        kept = logits.clone()
        kept[order[before >= p]] = 0
        return kept


@wrong("07.top_p", "Cut tokens get the logit 0, which is often higher than what they had.")
class OneEMinusTen:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        kept = logits.clone()
        kept[order[before >= p]] = 1e-10
        return kept


@wrong("07.top_p", "Cut tokens get -10,000,000,000.")
class MinusAMillion:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        kept = logits.clone()
        kept[order[before >= p]] = -1e10
        return kept


@wrong("07.top_p", "The logits are added up, not the probabilities.")
class CumulatesTheLogits:
    def top_p(logits, p):
        ordered, order = logits.sort(descending=True)
        kept = logits.clone()
        kept[order[ordered.cumsum(dim=-1) - ordered >= p]] = -math.inf
        return kept


@wrong("07.top_p", "The tail is kept, and the likeliest tokens are cut.")
class KeepsTheTail:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        kept = logits.clone()
        kept[order[before < p]] = -math.inf
        return kept


@wrong("07.top_p", "Only the logits of the tokens that stay are returned.")
class OnlyTheSurvivors:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        before = shares.cumsum(dim=-1) - shares
        return logits[order[before < p]]


@wrong("07.top_p", "")
class Llama2cTopP:
    def top_p(logits, p):
        probs = logits.softmax(dim=-1)
        cutoff = (1.0 - p) / (len(logits) - 1)
        pairs = sorted([(x, i) for i, x in enumerate(probs.tolist()) if x >= cutoff], reverse=True)
        cumulative, keep = 0.0, []
        for x, i in pairs:
            cumulative += x
            keep.append(i)
            if cumulative > p:
                break
        out = torch.full_like(logits, -math.inf)
        out[keep] = logits[keep]
        return out


@right("07.top_p")
class LoopOverTheTop:
    def top_p(logits, p):
        out = torch.full_like(logits, -math.inf)
        shares = logits.softmax(dim=-1)
        total = 0.0
        for i in shares.argsort(descending=True).tolist():
            out[i] = logits[i]
            total += shares[i]
            if total >= p:
                break
        return out


@right("07.top_p")
class MaskScatteredBack:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = torch.cumsum(F.softmax(sorted_logits, dim=-1), dim=-1)
        remove = cumulative_probs >= p
        remove[1:] = remove[:-1].clone()
        remove[0] = False
        return logits.masked_fill(remove[sorted_indices.argsort()], -math.inf)


@right("07.top_p")
class CountThenScatter:
    def top_p(logits, p):
        shares, order = torch.softmax(logits, 0).sort(descending=True)
        k = min(int((shares.cumsum(0) < p).sum()) + 1, len(logits))
        return torch.full_like(logits, -math.inf).scatter(0, order[:k], logits[order[:k]])


# --- 07.generate


@wrong("07.generate", "In some cases, this is what happens: The temperature comes first, then the cut.")
class SampleThenCut:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            logits = step(ids)
            if temperature > 0:
                logits = logits / temperature
            ids.append(sample(top_p(logits, p), min(temperature, 1), rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "Each token is chosen with the same u.")
class SeedInsideTheLoop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        for _ in range(n):
            rng = random.Random(seed)
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "Each token is chosen with the same u.")
class OneUForAll:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        u = random.Random(seed).random()
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, u))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "The token that ends the text is left out.")
class StopsBeforeStop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            token = sample(top_p(step(ids), p), temperature, rng.random())
            if token == stop:
                break
            ids.append(token)
        return ids


@wrong("07.generate", "Only the new tokens are returned.")
class OnlyTheNewOnes:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)
        new = []
        for _ in range(n):
            new.append(sample(top_p(step(list(ids) + new), p), temperature, rng.random()))
            if new[-1] == stop:
                break
        return new


@wrong("07.generate", "`generate` changed the input that it was given; work on a copy.")
class ChangesIds:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "`stop` doesn't end the text.")
class NoStop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
        return ids


@wrong("07.generate", "Nothing is cut.")
class NoCut:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(step(ids), temperature, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "")
class SeedOfTheModule:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        random.seed(seed + 1)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, random.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "The random numbers are those of `torch.rand` after `torch.manual_seed`.")
class TorchRand:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        torch.manual_seed(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, float(torch.rand(()))))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "In some cases, this is what happens: After the first round, `step` gets the new token alone.")
class StepsOnTheLastOnly:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids[-1:]), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong(
    "07.generate",
    "`generate` raised TypeError: `step` takes a list of ids, all of the text so far; it got a Tensor of shape (1, 2).",
)
class NanoGptLoop:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)
        ids = torch.tensor(ids)[None]
        for _ in range(n):
            idx_next = sample(top_p(step(ids), p), temperature, rng.random())
            ids = torch.cat((ids, torch.tensor([[idx_next]])), dim=1)
        return ids


@wrong("07.generate", "The text has n tokens in all, with the prompt.")
class UntilLengthN:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        while len(ids) < n:
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "Only one token is new.")
class ReturnsInTheLoop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
            return ids


@wrong("07.generate", "`generate` raised TypeError: unsupported operand type(s) for *: 'Random' and 'Tensor'.")
class RngNotCalled:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "At temperature 0, token 0 comes in every round.")
class SwapsTemperatureAndP:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), temperature), p, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.generate", "A `stop` in the prompt ends the text.")
class StopInThePrompt:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            if stop in ids:
                break
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
        return ids


@wrong("07.generate", "`generate` has not finished after 5 seconds of computing, or 60 of waiting.")
class WhileNotStop:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        while ids[-1] != stop:
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
        return ids


@wrong("07.generate", "`generate` returned None.")
class PrintsTheIds:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature, rng.random()))
            if ids[-1] == stop:
                break
        print(ids)


@right("07.generate")
class WhileWithACounter:
    def generate(step, ids, n, temperature, p, seed, stop):
        draw = random.Random(seed).random
        text = [*ids]
        while len(text) - len(ids) < n:
            token = sample(top_p(step(text), p), temperature, draw())
            text = [*text, token]
            if token == stop:
                return text
        return text


@right("07.generate")
class DrawsAllNumbersFirst:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)
        us = [rng.random() for _ in range(n)]
        out = ids.copy()
        for u in us:
            out += [sample(top_p(step(out), p), temperature, u)]
            if out[-1] == stop:
                break
        return out


@right("07.generate")
class OneByRecursion:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)

        def go(text, left):
            if left == 0:
                return text
            token = sample(top_p(step(text), p), temperature, rng.random())
            return text + [token] if token == stop else go(text + [token], left - 1)

        return go(list(ids), n)


# --- 07.remember


@wrong("07.remember", "The heads pile up: it's joined along axis 0.")
class CatsAlongTheHeads:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=0)
            value = torch.cat([values, value], dim=0)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "The keys get longer: it's joined along the last axis.")
class CatsAlongTheChannels:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=-1)
            value = torch.cat([cache[layer][1], value], dim=-1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "The new tokens are put in front.")
class NewOnesFirst:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([key, keys], dim=1)
            value = torch.cat([value, values], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "Only the new keys and values are returned: nothing is remembered.")
class NeverStores:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, value], dim=1)
        return key, value


@wrong("07.remember", "The cache keeps the first call only: what is joined isn't stored.")
class StoresOnlyTheFirst:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, value], dim=1)
        else:
            cache[layer] = key, value
        return key, value


@wrong("07.remember", "Only the call before is remembered: the new tokens are stored without the old ones.")
class StoresOnlyTheNew:
    def remember(cache, layer, key, value):
        old = cache.get(layer)
        cache[layer] = (key, value)
        if old is not None:
            key = torch.cat([old[0], key], dim=1)
            value = torch.cat([old[1], value], dim=1)
        return key, value


@wrong("07.remember", "The cache itself is returned.")
class ReturnsTheCache:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, value], dim=1)
        cache[layer] = key, value
        return cache


@wrong("07.remember", "`remember` raised KeyError: 0.")
class KeyErrorAtFirst:
    def remember(cache, layer, key, value):
        keys, values = cache[layer]
        key = torch.cat([keys, key], dim=1)
        value = torch.cat([values, value], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "All layers share one cache.")
class OneCacheForAll:
    def remember(cache, layer, key, value):
        if 0 in cache:
            keys, values = cache[0]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, value], dim=1)
        cache[0] = key, value
        return key, value


@wrong("07.remember", "Values come first.")
class ValueKey:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, value], dim=1)
        cache[layer] = key, value
        return value, key


@wrong(
    "07.remember",
    "`remember` raised RuntimeError: stack expects each tensor to be equal size",
)
class Stacks:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.stack([keys, key], dim=1)
            value = torch.stack([values, value], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "")
class HuggingFaceDynamicCache:
    def remember(cache, layer, key, value):
        if len(cache) <= layer:
            cache[layer] = (key, value)
        else:
            cache[layer] = (
                torch.cat([cache[layer][0], key], dim=-2),
                torch.cat([cache[layer][1], value], dim=-2),
            )
        return cache[layer]


@wrong("07.remember", "The keys get longer: it's joined along the last axis.")
class WithABatch:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=2)
            value = torch.cat([values, value], dim=2)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "The new keys and values are added to the old ones, number by number.")
class Adds:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = keys + key
            value = values + value
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "`remember` raised TypeError: the results are right, but cache[0] does not hold them.")
class ListsInTheCache:
    def remember(cache, layer, key, value):
        keys, values = cache.setdefault(layer, ([], []))
        keys.append(key)
        values.append(value)
        return torch.cat(keys, dim=1), torch.cat(values, dim=1)


@wrong("07.remember", "The values are those of this call only.")
class ForgetsTheValues:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, _ = cache[layer]
            key = torch.cat([keys, key], dim=1)
        cache[layer] = key, value
        return key, value


@wrong("07.remember", "Only the new keys and values are returned: nothing is remembered.")
class RebindsTheDictionary:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, value], dim=1)
        cache = {**cache, layer: (key, value)}
        return key, value


@wrong("07.remember", "Nothing is returned.")
class FirstReturnsNothing:
    def remember(cache, layer, key, value):
        if layer not in cache:
            cache[layer] = key, value
        else:
            keys, values = cache[layer]
            cache[layer] = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
            return cache[layer]


@wrong("07.remember", "")
class KeysIntoValues:
    def remember(cache, layer, key, value):
        if layer in cache:
            keys, values = cache[layer]
            key = torch.cat([keys, key], dim=1)
            value = torch.cat([values, key], dim=1)
        cache[layer] = key, value
        return key, value


@right("07.remember")
class TryExcept:
    def remember(cache, layer, key, value):
        try:
            old = cache[layer]
        except KeyError:
            old = (key[:, :0], value[:, :0])
        cache[layer] = tuple(torch.cat(pair, 1) for pair in zip(old, (key, value), strict=True))
        return cache[layer]


@right("07.remember")
class SetDefaultWithEmpties:
    def remember(cache, layer, key, value):
        empty = key.new_zeros(key.shape[0], 0, key.shape[2])
        keys, values = cache.get(layer, (empty, empty))
        cache[layer] = torch.hstack([keys, key]), torch.hstack([values, value])
        return cache[layer]


@right("07.remember")
class CopiesIntoANewBlock:
    def remember(cache, layer, key, value):
        if layer not in cache:
            cache[layer] = key.clone(), value.clone()
            return cache[layer]
        both = []
        for old, new in zip(cache[layer], (key, value), strict=True):
            K, S, D = old.shape
            block = torch.empty(K, S + new.shape[1], D)
            block[:, :S], block[:, S:] = old, new
            both.append(block)
        cache[layer] = tuple(both)
        return both[0], both[1]


@wrong("07.top_p", "This is top-k: 3 tokens stay, whatever their probabilities.")
class RasbtTopKOfThree:
    def top_p(logits, p):
        top_logits, _ = torch.topk(logits, min(3, len(logits)))
        return torch.where(logits < top_logits[-1], torch.tensor(float("-inf")), logits)


@wrong("07.top_p", "Where p is reached exactly, the next token stays, too, with all that are as likely.")
class ThresholdAboveP:
    def top_p(logits, p):
        shares, order = torch.sort(logits.softmax(-1), descending=True)
        above = shares.cumsum(-1) > p
        least = logits[order[int(above.nonzero()[0]) if above.any() else -1]]
        return torch.where(logits < least, torch.tensor(-math.inf), logits)


@wrong("07.top_p", "Log-probabilities of what is left are returned.")
class LogSoftmaxAtTheEnd:
    def top_p(logits, p):
        shares, order = logits.softmax(dim=-1).sort(descending=True)
        kept = logits.clone()
        kept[order[shares.cumsum(dim=-1) - shares >= p]] = -math.inf
        return kept.log_softmax(dim=-1)


@wrong("07.generate", "At temperature 0, token 0 comes in every round.")
class DividesBeforeTheCut:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        rng = random.Random(seed)
        for _ in range(n):
            ids.append(sample(top_p(step(ids) / temperature, p), 1.0, rng.random()))
            if ids[-1] == stop:
                break
        return ids


@wrong("07.sample", "Where rounding leaves u beyond the last end, there is no token of that number.")
class InFloat32:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@right("07.generate")
class SeedsTheModule:
    def generate(step, ids, n, temperature, p, seed, stop):
        text = list(ids)
        random.seed(seed)
        for _ in range(n):
            text.append(sample(top_p(step(text), p), temperature, random.random()))
            if text[-1] == stop:
                break
        return text
