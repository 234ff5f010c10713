"""Answers to the turns of lesson 10, written from the text of its stubs alone, before the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

# --- 10.preference_loss


@right("10.preference_loss")
class TheLineOfTRL:
    def preference_loss(r_w, r_l):
        return -nn.functional.logsigmoid(r_w - r_l).mean()


@right("10.preference_loss")
class CrossEntropyOfTwo:
    def preference_loss(r_w, r_l):
        logits = torch.stack([r_w, r_l], dim=1)
        return F.cross_entropy(logits, torch.zeros(len(r_w), dtype=torch.long))


@right("10.preference_loss")
class Softplus:
    def preference_loss(r_w, r_l):
        return F.softplus(r_l - r_w).mean()


@right("10.preference_loss")
class Logaddexp:
    def preference_loss(r_w, r_l):
        zero = torch.zeros_like(r_w)
        return torch.logaddexp(zero, r_l - r_w).sum() / r_w.numel()


@right("10.preference_loss")
class AModule:
    def preference_loss(r_w, r_l):
        loss = nn.BCEWithLogitsLoss()
        return loss(r_w - r_l, torch.ones_like(r_w))


@wrong("10.preference_loss", "")
class LogOfSigmoid:
    def preference_loss(r_w, r_l):
        return -torch.log(torch.sigmoid(r_w - r_l)).mean()


@wrong("10.preference_loss", "")
class Swapped:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_l - r_w).mean()


@wrong("10.preference_loss", "")
class NoMinus:
    def preference_loss(r_w, r_l):
        return F.logsigmoid(r_w - r_l).mean()


@wrong("10.preference_loss", "")
class Summed:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).sum()


@wrong("10.preference_loss", "")
class NotReduced:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l)


@wrong("10.preference_loss", "")
class AProbability:
    def preference_loss(r_w, r_l):
        return torch.sigmoid(r_w - r_l).mean()


@wrong("10.preference_loss", "")
class OneMinusTheProbability:
    def preference_loss(r_w, r_l):
        p = 1 / (1 + torch.exp(-(r_w - r_l)))
        return (1 - p).mean()


@wrong("10.preference_loss", "")
class LogOfTheMean:
    def preference_loss(r_w, r_l):
        p = torch.sigmoid(r_w - r_l).mean()
        return -torch.log(p)


@wrong("10.preference_loss", "")
class MeansFirst:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w.mean() - r_l.mean())


@wrong("10.preference_loss", "")
class ByNumpy:
    def preference_loss(r_w, r_l):
        d = r_w.numpy() - r_l.numpy()
        return np.mean(np.log1p(np.exp(-d)))


@wrong("10.preference_loss", "")
class ByMath:
    def preference_loss(r_w, r_l):
        total = 0
        for a, b in zip(r_w, r_l):
            total += -math.log(1 / (1 + math.exp(-(a - b))))
        return total / len(r_w)


@wrong("10.preference_loss", "")
class ReturnInTheLoop:
    def preference_loss(r_w, r_l):
        total = 0
        for a, b in zip(r_w, r_l):
            total = total - F.logsigmoid(a - b)
            return total / len(r_w)


@wrong("10.preference_loss", "")
class AnEpsilon:
    def preference_loss(r_w, r_l):
        p = torch.sigmoid(r_w - r_l)
        return -torch.log(p + 1e-8).mean()


@wrong("10.preference_loss", "")
class AClamp:
    def preference_loss(r_w, r_l):
        d = (r_w - r_l).clamp(-20, 20)
        return -torch.log(torch.sigmoid(d)).mean()


@wrong("10.preference_loss", "")
class MarginRanking:
    def preference_loss(r_w, r_l):
        return F.margin_ranking_loss(r_w, r_l, torch.ones_like(r_w), margin=1.0)


@wrong("10.preference_loss", "")
class MarginRankingWithoutAMargin:
    def preference_loss(r_w, r_l):
        return F.margin_ranking_loss(r_w, r_l, torch.ones_like(r_w))


@wrong("10.preference_loss", "")
class TwoLabels:
    def preference_loss(r_w, r_l):
        up = F.binary_cross_entropy_with_logits(r_w, torch.ones_like(r_w))
        down = F.binary_cross_entropy_with_logits(r_l, torch.zeros_like(r_l))
        return up + down


@wrong("10.preference_loss", "")
class TwoLabelsInOneBatch:
    def preference_loss(r_w, r_l):
        logits = torch.cat([r_w, r_l])
        labels = torch.cat([torch.ones_like(r_w), torch.zeros_like(r_l)])
        return F.binary_cross_entropy_with_logits(logits, labels)


@wrong("10.preference_loss", "")
class SigmoidTwice:
    def preference_loss(r_w, r_l):
        p = torch.sigmoid(r_w - r_l)
        return F.binary_cross_entropy_with_logits(p, torch.ones_like(p))


@wrong("10.preference_loss", "")
class LabelZero:
    def preference_loss(r_w, r_l):
        return F.binary_cross_entropy_with_logits(r_w - r_l, torch.zeros_like(r_w))


@wrong("10.preference_loss", "")
class Squares:
    def preference_loss(r_w, r_l):
        return ((1 - torch.sigmoid(r_w - r_l)) ** 2).mean()


@wrong("10.preference_loss", "")
class Base2:
    def preference_loss(r_w, r_l):
        return -torch.log2(torch.sigmoid(r_w - r_l)).mean()


@wrong("10.preference_loss", "")
class Strengths:
    def preference_loss(r_w, r_l):
        return -torch.log(r_w / (r_w + r_l)).mean()


@wrong("10.preference_loss", "")
class ExpOfStrengths:
    def preference_loss(r_w, r_l):
        w, l = r_w.exp(), r_l.exp()
        return -(w / (w + l)).log().mean()


@wrong("10.preference_loss", "")
class TheRewardOfTheWinner:
    def preference_loss(r_w, r_l):
        return -r_w.mean()


@wrong("10.preference_loss", "")
class TheDifference:
    def preference_loss(r_w, r_l):
        return (r_l - r_w).mean()


@wrong("10.preference_loss", "")
class WithABeta:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(0.1 * (r_w - r_l)).mean()


@wrong("10.preference_loss", "")
class EveryPairOfAnswers:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w.unsqueeze(1) - r_l.unsqueeze(0)).mean()


@wrong("10.preference_loss", "")
class Detached:
    def preference_loss(r_w, r_l):
        losses = [F.softplus(b - a).item() for a, b in zip(r_w, r_l)]
        return torch.tensor(losses).mean()


@wrong("10.preference_loss", "")
class LossAndAccuracy:
    def preference_loss(r_w, r_l):
        loss = -F.logsigmoid(r_w - r_l).mean()
        return loss, (r_w > r_l).float().mean()


@wrong("10.preference_loss", "")
class Printed:
    def preference_loss(r_w, r_l):
        loss = -F.logsigmoid(r_w - r_l).mean()
        print(loss)


# --- 10.bayes_ceiling


@right("10.bayes_ceiling")
class ALoop:
    def bayes_ceiling(p):
        total = 0
        for x in p:
            total += max(x, 1 - x)
        return total / len(p)


@right("10.bayes_ceiling")
class Distance:
    def bayes_ceiling(p):
        return 0.5 + (p - 0.5).abs().mean()


@right("10.bayes_ceiling")
class ByWhere:
    def bayes_ceiling(p):
        return torch.where(p > 0.5, p, 1 - p).mean().item()


@right("10.bayes_ceiling")
class Stacked:
    def bayes_ceiling(p):
        both = torch.stack([p, 1 - p])
        return both.max(dim=0).values.mean()


@wrong("10.bayes_ceiling", "")
class TheMean:
    def bayes_ceiling(p):
        return p.mean()


@wrong("10.bayes_ceiling", "")
class AskedTwice:
    def bayes_ceiling(p):
        return (p * p + (1 - p) * (1 - p)).mean()


@wrong("10.bayes_ceiling", "")
class PythonsMax:
    def bayes_ceiling(p):
        return max(p, 1 - p).mean()


@wrong("10.bayes_ceiling", "")
class MeanThenMax:
    def bayes_ceiling(p):
        return torch.max(p.mean(), 1 - p.mean())


@wrong("10.bayes_ceiling", "")
class LargestOfAll:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).max()


@wrong("10.bayes_ceiling", "")
class ShareAboveAHalf:
    def bayes_ceiling(p):
        return (p > 0.5).float().mean()


@wrong("10.bayes_ceiling", "")
class Rounded:
    def bayes_ceiling(p):
        return p.round().mean()


@wrong("10.bayes_ceiling", "")
class TheError:
    def bayes_ceiling(p):
        return torch.min(p, 1 - p).mean()


@wrong("10.bayes_ceiling", "")
class OnlyThoseOfA:
    def bayes_ceiling(p):
        return p[p >= 0.5].mean()


@wrong("10.bayes_ceiling", "")
class ZeroWhereB:
    def bayes_ceiling(p):
        right = 0
        for x in p:
            if x > 0.5:
                right += x
        return right / len(p)


@wrong("10.bayes_ceiling", "")
class OnePerPair:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p)


@wrong("10.bayes_ceiling", "")
class Added:
    def bayes_ceiling(p):
        return sum(max(float(x), 1 - float(x)) for x in p)


@wrong("10.bayes_ceiling", "")
class Entropy:
    def bayes_ceiling(p):
        return -(p * p.log() + (1 - p) * (1 - p).log()).mean()


@wrong("10.bayes_ceiling", "")
class Simulated:
    def bayes_ceiling(p):
        rng = np.random.default_rng(0)
        right = 0
        for _ in range(1000):
            chosen = rng.random(len(p)) < p.numpy()
            right += (chosen == (p.numpy() > 0.5)).mean()
        return right / 1000


@wrong("10.bayes_ceiling", "")
class AlwaysRight:
    def bayes_ceiling(p):
        return sum(1 for x in p if x > 0.5 or x < 0.5) / len(p)


@wrong("10.bayes_ceiling", "")
class Percent:
    def bayes_ceiling(p):
        return 100 * torch.maximum(p, 1 - p).mean()


@wrong("10.bayes_ceiling", "")
class StrictlyOnEitherSide:
    def bayes_ceiling(p):
        total = 0.0
        for x in p.tolist():
            if x > 0.5:
                total += x
            elif x < 0.5:
                total += 1 - x
        return total / len(p)


@wrong("10.bayes_ceiling", "")
class HowSure:
    def bayes_ceiling(p):
        return (2 * p - 1).abs().mean()


@wrong("10.bayes_ceiling", "")
class ReturnsInTheLoop:
    def bayes_ceiling(p):
        total = 0
        for x in p:
            total += max(x, 1 - x)
            return total / len(p)


# --- 10.reward_at_end


@right("10.reward_at_end")
class Rows:
    def reward_at_end(hidden, mask, w):
        rewards = []
        for h, m in zip(hidden, mask):
            rewards.append(h[m][-1] @ w)
        return torch.stack(rewards)


@right("10.reward_at_end")
class FlippedAndBack:
    def reward_at_end(hidden, mask, w):
        T = mask.shape[1]
        last = T - 1 - mask.flip(1).int().argmax(1)
        return hidden[torch.arange(len(mask)), last].matmul(w)


@right("10.reward_at_end")
class Cumulated:
    def reward_at_end(hidden, mask, w):
        last = mask.long().cumsum(1).argmax(1)
        vectors = hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[2])).squeeze(1)
        return (vectors * w).sum(-1)


@right("10.reward_at_end")
class RewardsFirst:
    def reward_at_end(hidden, mask, w):
        rewards = torch.einsum("btc,c->bt", hidden, w)
        after = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
        is_last = mask & ~after
        return (rewards * is_last).sum(1)


@right("10.reward_at_end")
class NonzeroPerRow:
    def reward_at_end(hidden, mask, w):
        return torch.stack([hidden[b, mask[b].nonzero()[-1, 0]].dot(w) for b in range(len(mask))])


@wrong("10.reward_at_end", "")
class LastColumn:
    def reward_at_end(hidden, mask, w):
        return hidden[:, -1] @ w


@wrong("10.reward_at_end", "")
class CountMinusOne:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(dim=1) - 1
        return hidden[torch.arange(hidden.shape[0]), last] @ w


@wrong("10.reward_at_end", "")
class Count:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(dim=1)
        return hidden[torch.arange(hidden.shape[0]), last] @ w


@wrong("10.reward_at_end", "")
class AllRowsByAllEnds:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(dim=1) - 1
        return hidden[:, last] @ w


@wrong("10.reward_at_end", "")
class MeanPooling:
    def reward_at_end(hidden, mask, w):
        m = mask.unsqueeze(-1).float()
        pooled = (hidden * m).sum(1) / m.sum(1)
        return pooled @ w


@wrong("10.reward_at_end", "")
class MeanOfEverything:
    def reward_at_end(hidden, mask, w):
        return hidden.mean(1) @ w


@wrong("10.reward_at_end", "")
class SumOfTokens:
    def reward_at_end(hidden, mask, w):
        return ((hidden @ w) * mask).sum(1)


@wrong("10.reward_at_end", "")
class FirstToken:
    def reward_at_end(hidden, mask, w):
        return hidden[:, 0, :] @ w


@wrong("10.reward_at_end", "")
class ZeroedThenLast:
    def reward_at_end(hidden, mask, w):
        hidden = hidden * mask[:, :, None]
        return hidden[:, -1, :] @ w


@wrong("10.reward_at_end", "")
class ArgmaxOfTheMask:
    def reward_at_end(hidden, mask, w):
        last = mask.int().argmax(dim=1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "")
class ArgminOfTheMask:
    def reward_at_end(hidden, mask, w):
        last = mask.int().argmin(dim=1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "")
class OneTooEarly:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(1) - 2
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "")
class AllTokens:
    def reward_at_end(hidden, mask, w):
        return (hidden @ w) * mask


@wrong("10.reward_at_end", "")
class Vectors:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).max(1).values
        return hidden[torch.arange(len(mask)), last] * w


@wrong("10.reward_at_end", "")
class Squashed:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).max(1).values
        return torch.sigmoid(hidden[torch.arange(len(mask)), last] @ w)


@wrong("10.reward_at_end", "")
class Kept:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1, keepdim=True)
        return hidden[torch.arange(len(mask))[:, None], last] @ w


@wrong("10.reward_at_end", "")
class MaxPooling:
    def reward_at_end(hidden, mask, w):
        scores = (hidden @ w).masked_fill(~mask, float("-inf"))
        return scores.max(1).values


@wrong("10.reward_at_end", "")
class FirstRowsEnd:
    def reward_at_end(hidden, mask, w):
        last = int(mask[0].sum()) - 1
        return hidden[:, last] @ w


@wrong("10.reward_at_end", "")
class NoGradient:
    def reward_at_end(hidden, mask, w):
        out = []
        for b in range(hidden.shape[0]):
            t = max(i for i in range(hidden.shape[1]) if mask[b, i])
            out.append(float((hidden[b, t] * w).sum()))
        return torch.tensor(out)


@wrong("10.reward_at_end", "")
class AList:
    def reward_at_end(hidden, mask, w):
        return [h[m][-1] @ w for h, m in zip(hidden, mask)]


@wrong("10.reward_at_end", "")
class TheMeanReward:
    def reward_at_end(hidden, mask, w):
        rewards = [h[m][-1] @ w for h, m in zip(hidden, mask)]
        return sum(rewards) / len(rewards)


@wrong("10.reward_at_end", "")
class TheLastPaddingToo:
    def reward_at_end(hidden, mask, w):
        length = mask.shape[1] - (~mask).sum(1)
        return hidden[torch.arange(len(mask)), length.clamp(max=mask.shape[1] - 1)] @ w


@wrong("10.reward_at_end", "")
class Transposed:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(0) - 1
        return hidden[torch.arange(len(mask)), last[: len(mask)]] @ w


@wrong("10.reward_at_end", "")
class MinusThePrompt:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        first = mask.int().argmax(1)
        rows = torch.arange(len(mask))
        return (hidden[rows, last] - hidden[rows, first]) @ w
