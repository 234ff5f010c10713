"""Strangers' wrong answers to the turns of lesson 10: errors, other forms, and mistakes that only a probe tells."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import wrong

# --- 10.preference_loss


@wrong("10.preference_loss", "raised NameError")
class WithoutItsModule:
    def preference_loss(r_w, r_l):
        return -logsigmoid(r_w - r_l).mean()  # noqa: F821


@wrong("10.preference_loss", "raised NameError")
class ABareSigmoid:
    def preference_loss(r_w, r_l):
        return -log(sigmoid(r_w - r_l)).mean()  # noqa: F821


@wrong("10.preference_loss", "raised NameError")
class NamesOfTheWeb:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(chosen - rejected).mean()  # noqa: F821


@wrong("10.preference_loss", "raised")
class MathOnATensor:
    def preference_loss(r_w, r_l):
        return -math.log(1 / (1 + math.exp(r_l - r_w)))


@wrong("10.preference_loss", "raised AttributeError")
class AMethodThatThereIsnt:
    def preference_loss(r_w, r_l):
        return -(r_w - r_l).logsigmoid().mean()


@wrong("10.preference_loss", "range error")
class PurePython:
    def preference_loss(r_w, r_l):
        total = 0.0
        for a, b in zip(r_w.tolist(), r_l.tolist(), strict=True):
            total += math.log(1 + math.exp(b - a))
        return total / len(r_w)


@wrong("10.preference_loss", "ambiguous")
class PythonsMax:
    def preference_loss(r_w, r_l):
        return max(torch.zeros(len(r_w)), 1 - (r_w - r_l)).mean()


@wrong("10.preference_loss", "raised TypeError")
class Called:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w(0) - r_l(0))


@wrong("10.preference_loss", "changed the input")
class InPlace:
    def preference_loss(r_w, r_l):
        r_w -= r_l
        return F.softplus(-r_w).mean()


@wrong("10.preference_loss", "Several things are returned.")
class LossPerPairToo:
    def preference_loss(r_w, r_l):
        losses = F.softplus(r_l - r_w)
        return losses.mean(), losses


@wrong("10.preference_loss", "The loss must be one number")
class KeepsAnAxis:
    def preference_loss(r_w, r_l):
        return F.softplus(r_l - r_w).mean(dim=0, keepdim=True)


@wrong("10.preference_loss", "log P of the choice that wasn't made")
class BothTheWrongWay:
    def preference_loss(r_w, r_l):
        return torch.log(torch.sigmoid(r_l - r_w)).mean()


@wrong("10.preference_loss", "two per pair")
class DividedByAllAnswers:
    def preference_loss(r_w, r_l):
        return F.softplus(r_l - r_w).sum() / (len(r_w) + len(r_l))


@wrong("10.preference_loss", "the exponential loss")
class AdaBoost:
    def preference_loss(r_w, r_l):
        return torch.exp(-(r_w - r_l)).mean()


@wrong("10.preference_loss", "without the logarithm")
class OnePlusExp:
    def preference_loss(r_w, r_l):
        return (1 + torch.exp(r_l - r_w)).mean()


@wrong("10.preference_loss", "their logarithms are subtracted")
class LogRatio:
    def preference_loss(r_w, r_l):
        return -(F.logsigmoid(r_w) - F.logsigmoid(r_l)).mean()


@wrong("10.preference_loss", "The softmax runs over the batch")
class SoftmaxOverPairs:
    def preference_loss(r_w, r_l):
        return -(r_w - r_l).log_softmax(dim=0).mean()


@wrong("10.preference_loss", "added, not subtracted")
class Added:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w + r_l).mean()


@wrong("10.preference_loss", "This is e to the loss.")
class Perplexity:
    def preference_loss(r_w, r_l):
        return F.softplus(r_l - r_w).mean().exp()


@wrong("10.preference_loss", "The difference can't pass 50")
class ClampedAt50:
    def preference_loss(r_w, r_l):
        return torch.log1p(torch.exp(torch.clamp(r_l - r_w, -50, 50))).mean()


@wrong("10.preference_loss", "as in DPO")
class AHalf:
    def preference_loss(r_w, r_l):
        return F.softplus(0.5 * (r_l - r_w)).mean()


@wrong("10.preference_loss", "Not finite")
class SoftMargin:
    """torch computes it by `exp`, which overflows."""

    def preference_loss(r_w, r_l):
        return F.soft_margin_loss(r_w - r_l, torch.ones(len(r_w)))


# --- 10.bayes_ceiling


@wrong("10.bayes_ceiling", "ambiguous")
class AnIf:
    def bayes_ceiling(p):
        return (p if p > 0.5 else 1 - p).mean()


@wrong("10.bayes_ceiling", "raised TypeError")
class MaximumOfOne:
    def bayes_ceiling(p):
        return torch.maximum(p).mean()


@wrong("10.bayes_ceiling", "raised NameError")
class AnotherName:
    def bayes_ceiling(p):
        return np.maximum(p, q).mean()  # noqa: F821


@wrong("10.bayes_ceiling", "raised AttributeError")
class AList:
    def bayes_ceiling(p):
        return sum(p.max(1 - p)).average()


@wrong("10.bayes_ceiling", "raised AttributeError")
class AnUnknownMethod:
    def bayes_ceiling(p):
        return p.maximum_of(1 - p).mean()


@wrong("10.bayes_ceiling", "raised")
class AListTimes:
    def bayes_ceiling(p):
        return [p, 1 - p] / len(p)


@wrong("10.bayes_ceiling", "changed the input")
class TurnedRoundInPlace:
    def bayes_ceiling(p):
        p[p < 0.5] = 1 - p[p < 0.5]
        return p.mean()


@wrong("10.bayes_ceiling", "Several things are returned.")
class WithAnError:
    def bayes_ceiling(p):
        best = torch.maximum(p, 1 - p)
        return best.mean(), (p * (1 - p)).sum().sqrt() / len(p)


@wrong("10.bayes_ceiling", "The ceiling is one number")
class BothSides:
    def bayes_ceiling(p):
        return torch.stack([p, 1 - p]).mean(1)


@wrong("10.bayes_ceiling", "is it a simulation?")
class ManyDraws:
    def bayes_ceiling(p):
        generator = torch.Generator().manual_seed(0)
        draws = torch.rand(20_000, len(p), generator=generator) < p
        return (draws == (p > 0.5)).float().mean()


@wrong("10.bayes_ceiling", "the median pair")
class Median:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).median()


@wrong("10.bayes_ceiling", "counts a half")
class AtLeastAHalf:
    def bayes_ceiling(p):
        return p.clamp(min=0.5).mean()


@wrong("10.bayes_ceiling", "names answer B every time")
class OneMinus:
    def bayes_ceiling(p):
        return (1 - p).mean()


@wrong("10.bayes_ceiling", "right for certain")
class AHalfIsSure:
    def bayes_ceiling(p):
        return torch.where(p == 0.5, 1.0, torch.maximum(p, 1 - p)).mean()


@wrong("10.bayes_ceiling", "in bits")
class Bits:
    def bayes_ceiling(p):
        return -(p * p.log2() + (1 - p) * (1 - p).log2()).mean()


@wrong("10.bayes_ceiling", "isn't an accuracy")
class LogLikelihood:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).log().mean()


# --- 10.reward_at_end


@wrong("10.reward_at_end", "raised RuntimeError")
class OneMinusABool:
    def reward_at_end(hidden, mask, w):
        last = (1 - mask).argmax(1) - 1
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "raised")
class WrongProduct:
    def reward_at_end(hidden, mask, w):
        return (w @ hidden)[mask]


@wrong("10.reward_at_end", "raised NameError")
class ByPadId:
    def reward_at_end(hidden, mask, w):
        last = (ids != pad_id).sum(1) - 1  # noqa: F821
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "raised RuntimeError")
class GatherWithoutAxes:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(1) - 1
        return hidden.gather(1, last) @ w


@wrong("10.reward_at_end", "raised")
class OneIndexForAll:
    def reward_at_end(hidden, mask, w):
        last = int(mask.sum(1) - 1)
        return hidden[:, last] @ w


@wrong("10.reward_at_end", "raised TypeError")
class WIsALayer:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(1) - 1
        return w(hidden[torch.arange(len(mask)), last]).squeeze(-1)


@wrong("10.reward_at_end", "ambiguous")
class AnIfOnARow:
    def reward_at_end(hidden, mask, w):
        out = []
        for row, flags in zip(hidden, mask, strict=True):
            for t in range(len(row)):
                if flags:
                    end = t
            out.append(row[end] @ w)
        return torch.stack(out)


@wrong("10.reward_at_end", "raised AttributeError")
class AnOutputOfTransformers:
    def reward_at_end(hidden, mask, w):
        return hidden.last_hidden_state[:, -1] @ w


@wrong("10.reward_at_end", "changed the input")
class ZeroesTheInput:
    def reward_at_end(hidden, mask, w):
        hidden[~mask] = 0
        return (hidden @ w).sum(1)


@wrong("10.reward_at_end", "raised IndexError")
class TurnedBackOneTooFar:
    def reward_at_end(hidden, mask, w):
        last = mask.shape[1] - mask.flip(1).int().argmax(1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "Each row is read at the ends of all rows.")
class AllEnds:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return (hidden @ w)[:, last]


@wrong("10.reward_at_end", "one number for all rows")
class AllRowsInOne:
    def reward_at_end(hidden, mask, w):
        return sum(h[m][-1] @ w for h, m in zip(hidden, mask, strict=True))


@wrong("10.reward_at_end", "Several things are returned.")
class PositionsToo:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return hidden[torch.arange(len(mask)), last] @ w, last


@wrong("10.reward_at_end", "the batch's mean is subtracted")
class Centered:
    def reward_at_end(hidden, mask, w):
        rewards = torch.stack([h[m][-1] @ w for h, m in zip(hidden, mask, strict=True)])
        return rewards - rewards.mean()


@wrong("10.reward_at_end", "averaged over C")
class MeanOverC:
    def reward_at_end(hidden, mask, w):
        ends = torch.stack([h[m][-1] for h, m in zip(hidden, mask, strict=True)])
        return (ends * w).mean(-1)


@wrong("10.reward_at_end", "isn't turned back")
class Flipped:
    def reward_at_end(hidden, mask, w):
        last = mask.flip(1).int().argmax(1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "A row with padding in front is read at the first column")
class BeforeTheFirstPadding:
    def reward_at_end(hidden, mask, w):
        first = mask.int().argmin(1)
        last = torch.where(mask.all(1), mask.shape[1] - 1, first - 1).clamp(min=0)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "All rows are read at position 1.")
class AlwaysTheSecond:
    def reward_at_end(hidden, mask, w):
        return hidden[:, 1] @ w


@wrong("10.reward_at_end", "This is a cosine.")
class Cosine:
    def reward_at_end(hidden, mask, w):
        ends = torch.stack([h[m][-1] for h, m in zip(hidden, mask, strict=True)])
        return F.cosine_similarity(ends, w, dim=-1)


@wrong("10.reward_at_end", "the wrong way round")
class Inverted:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * ~mask).argmax(1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "is read at position")
class HalfWay:
    def reward_at_end(hidden, mask, w):
        return hidden[torch.arange(len(mask)), mask.sum(1) // 2] @ w
