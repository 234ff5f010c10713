"""Answers to the turns of lesson 10, written from its text alone by a reader."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

# --- 10.preference_loss


@wrong("10.preference_loss", "`preference_loss` raised NameError")
class AsThePageWritesIt:
    def preference_loss(r_w, r_l):
        P = 1 / (1 + e ** -(r_w - r_l))  # noqa: F821
        return -P.log().mean()


@wrong("10.preference_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class EulersNumberByHand:
    def preference_loss(r_w, r_l):
        P = 1 / (1 + 2.718 ** -(r_w - r_l))
        return -torch.log(P).mean()


@wrong("10.preference_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class LogOfSigmoid:
    def preference_loss(r_w, r_l):
        P = torch.sigmoid(r_w - r_l)
        return -P.log().mean()


@wrong("10.preference_loss", "The probability can't be smaller than 0.001, so no loss can pass 7 nats.")
class AThousandth:
    def preference_loss(r_w, r_l):
        return -torch.log(torch.sigmoid(r_w - r_l) + 1e-3).mean()


@wrong("10.preference_loss", "The two answers have changed places: a lead of the *preferred* answer makes the")
class SoftplusTheWrongWay:
    def preference_loss(r_w, r_l):
        return F.softplus(r_w - r_l).mean()


@wrong("10.preference_loss", "`preference_loss` raised RuntimeError")
class FloatLabels:
    def preference_loss(r_w, r_l):
        return F.cross_entropy(torch.stack([r_w, r_l], dim=1), torch.zeros(len(r_w)))


@wrong("10.preference_loss", "The two answers have changed places: a lead of the *preferred* answer makes the")
class LabelOne:
    def preference_loss(r_w, r_l):
        return F.cross_entropy(torch.stack([r_w, r_l], dim=1), torch.ones(len(r_w), dtype=torch.long))


@wrong("10.preference_loss", "The difference can't pass 100, and neither can the loss.")
class ByProbabilities:
    """torch's `binary_cross_entropy` bounds each logarithm by 100."""

    def preference_loss(r_w, r_l):
        P = torch.sigmoid(r_w - r_l)
        return F.binary_cross_entropy(P, torch.ones_like(P))


@wrong("10.preference_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class NumpyOfATensor:
    def preference_loss(r_w, r_l):
        return -np.log(1 / (1 + np.exp(-(r_w - r_l)))).mean()


@wrong("10.preference_loss", "The result is right, but no model could learn through it: `r_w` gets no gradient.")
class ItsItem:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).mean().item()


@wrong("10.preference_loss", "The sum of the losses is always divided by 2000.")
class AsManyAsOnThePage:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).sum() / 2000


@wrong("10.preference_loss", "The sum of the losses is always divided by 8.")
class EightPairs:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).sum() / 8


@wrong("10.preference_loss", "The softmax runs over the batch: the preferred answers compete with each other.")
class LogSoftmaxAlongTheBatch:
    def preference_loss(r_w, r_l):
        return -torch.stack([r_w, r_l]).log_softmax(dim=1)[0].mean()


@wrong("10.preference_loss", "The result is the right one divided by `r_w.shape[0]`.")
class DividedTwice:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).mean() / len(r_w)


@wrong("10.preference_loss", "This is the median pair.")
class TheMedian:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).median()


@wrong("10.preference_loss", "This is the share of pairs in which the preferred answer leads: an accuracy,")
class Accuracy:
    def preference_loss(r_w, r_l):
        return (r_w > r_l).float().mean()


@wrong("10.preference_loss", "1 is subtracted from the difference, a margin as in Llama 2.")
class AMarginAsInLlama2:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l - 1.0).mean()


@wrong("10.preference_loss", "")
class CenteredAsInTrl:
    def preference_loss(r_w, r_l):
        loss = -F.logsigmoid(r_w - r_l).mean()
        return loss + 0.01 * torch.mean((r_w + r_l) ** 2)


@wrong("10.preference_loss", "`preference_loss` raised NotImplementedError")
class SigmoidOfABoolean:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w > r_l).mean()


@wrong("10.preference_loss", "Both choices count: log P of the one that was made, and log (1 - P) of the other.")
class BothOrders:
    def preference_loss(r_w, r_l):
        P = torch.sigmoid(r_w - r_l)
        return -(P.log() + (1 - P).log()).mean()


@wrong("10.preference_loss", "This is minus the mean difference, without the sigmoid and its logarithm.")
class OddsForTheSigmoid:
    def preference_loss(r_w, r_l):
        return -torch.log(torch.exp(r_w - r_l)).mean()


@wrong("10.preference_loss", "The two answers have changed places: a lead of the *preferred* answer makes the")
class WithoutTheMinusInTheExponent:
    def preference_loss(r_w, r_l):
        P = 1 / (1 + torch.exp(r_w - r_l))
        return -torch.log(P).mean()


@wrong("10.preference_loss", "The probability can't be smaller than 1e-06, so no loss can pass 14 nats.")
class ClampedProbability:
    def preference_loss(r_w, r_l):
        P = torch.sigmoid(r_w - r_l).clamp(min=1e-6)
        return -P.log().mean()


@wrong("10.preference_loss", "The result is right, but no model could learn through it: `r_w` gets no gradient.")
class WithoutAGradient:
    @torch.no_grad()
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).mean()


@right("10.preference_loss")
class AModule:
    def preference_loss(r_w, r_l):
        return -nn.LogSigmoid()(r_w - r_l).mean()


@right("10.preference_loss")
class LogAddExp:
    def preference_loss(r_w, r_l):
        return torch.logaddexp(torch.zeros(()), r_l - r_w).mean()


@right("10.preference_loss")
class TheFirstOfTwo:
    def preference_loss(r_w, r_l):
        return -torch.stack((r_w, r_l)).log_softmax(dim=0)[0].mean()


# --- 10.bayes_ceiling


@wrong("10.bayes_ceiling", "Whole pairs are counted here, as right or as wrong: is it a simulation?")
class OneDraw:
    def bayes_ceiling(p):
        choices = torch.rand(len(p)) < p
        return (choices == (p > 0.5)).float().mean()


@wrong("10.bayes_ceiling", "That's right for each pair. One number is asked for.")
class AListOfThem:
    def bayes_ceiling(p):
        return [max(x, 1 - x) for x in p]


@wrong("10.bayes_ceiling", "The sum is always divided by 400.")
class FourHundred:
    def bayes_ceiling(p):
        return sum(max(x, 1 - x) for x in p) / 400


@wrong("10.bayes_ceiling", "")
class TheAnswerOfThePage:
    def bayes_ceiling(p):
        return 0.847


@wrong("10.bayes_ceiling", "of type builtin_function_or_method")
class NotCalled:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).mean


@wrong("10.bayes_ceiling", "`bayes_ceiling` raised AttributeError")
class ANamedTuple:
    def bayes_ceiling(p):
        return torch.stack([p, 1 - p]).max(dim=0).mean()


@wrong("10.bayes_ceiling", "The largest p, and the largest 1 - p, of all pairs are averaged.")
class AlongThePairs:
    def bayes_ceiling(p):
        return torch.stack([p, 1 - p]).amax(dim=1).mean()


@wrong("10.bayes_ceiling", "The largest probability of all pairs is returned.")
class LargestOfBoth:
    def bayes_ceiling(p):
        return torch.max(torch.stack([p, 1 - p]))


@wrong("10.bayes_ceiling", "inf isn't an accuracy.")
class OneLess:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).sum() / (len(p) - 1)


@wrong("10.bayes_ceiling", "This is the mean of p: it names answer A every time.")
class MinusP:
    def bayes_ceiling(p):
        return torch.maximum(p, -p).mean()


@wrong("10.bayes_ceiling", "")
class MeanAtLeastAHalf:
    def bayes_ceiling(p):
        return p.mean().clamp(min=0.5)


@wrong("10.bayes_ceiling", "")
class ThresholdAtPointSeven:
    def bayes_ceiling(p):
        return torch.where(p > 0.7, p, 1 - p).mean()


@wrong("10.bayes_ceiling", "`bayes_ceiling` returned None.")
class ReturnsWhatItPrints:
    def bayes_ceiling(p):
        return print(torch.maximum(p, 1 - p).mean())


@wrong("10.bayes_ceiling", "0.49 is less than a coin gets.")
class SquaredForChosen:
    """p for the choice, p for the prediction: a predictor who names A with probability p, where A is more probable."""

    def bayes_ceiling(p):
        q = torch.maximum(p, 1 - p)
        return (q**2).mean()


@wrong("10.bayes_ceiling", "1.028 isn't an accuracy.")
class RoundedProbabilities:
    def bayes_ceiling(p):
        return 1 - (p - p.round()).mean()


@wrong("10.bayes_ceiling", "The result is the right one divided by `p.shape[0]`.")
class SummedTwice:
    def bayes_ceiling(p):
        return (torch.maximum(p, 1 - p) / len(p)).mean()


@wrong("10.bayes_ceiling", "This is the geometric mean.")
class AGeometricMean:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).log().mean().exp()


@wrong("10.bayes_ceiling", "A pair with p = 1/2 counts as wrong.")
class DoubleTheAnswer:
    def bayes_ceiling(p):
        correct = 0
        for x in p:
            if x > 0.5:
                correct += x
            if x < 0.5:
                correct += 1 - x
        return correct / len(p)


@wrong("10.bayes_ceiling", "")
class WithoutItsElse:
    def bayes_ceiling(p):
        total = 0
        for x in p:
            if x >= 0.5:
                total += x
            total += 1 - x
        return total / len(p)


@right("10.bayes_ceiling")
class MethodOfATensor:
    def bayes_ceiling(p):
        return p.max(1 - p).mean()


@right("10.bayes_ceiling")
class WhereOfTheOther:
    def bayes_ceiling(p):
        return (1 - p).where(p < 0.5, p).mean()


@right("10.bayes_ceiling")
class OneMinusTheRoundingError:
    def bayes_ceiling(p):
        return 1 - (p - p.round()).abs().mean()


# --- 10.reward_at_end


@wrong("10.reward_at_end", "Only the last row's reward is returned.")
class LastOfAll:
    def reward_at_end(hidden, mask, w):
        return hidden[mask][-1] @ w


@wrong("10.reward_at_end", "The tokens of all rows are in one line here.")
class AllRealTokens:
    def reward_at_end(hidden, mask, w):
        return (hidden @ w)[mask]


@wrong("10.reward_at_end", "The first padding is read, and in a row without padding the last token.")
class AtTheLength:
    def reward_at_end(hidden, mask, w):
        n = mask.sum(1).clamp(max=mask.shape[1] - 1)
        return hidden[torch.arange(len(mask)), n] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised TypeError")
class MaxGivesTwo:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).max(dim=1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class ArgmaxOfBooleans:
    def reward_at_end(hidden, mask, w):
        return hidden[torch.arange(len(mask)), mask.argmax(1)] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class ByDot:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return hidden[torch.arange(len(mask)), last].dot(w)


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class WFirst:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return w @ hidden[torch.arange(len(mask)), last]


@wrong("10.reward_at_end", "`reward_at_end` raised IndexError")
class ATotalLength:
    def reward_at_end(hidden, mask, w):
        last = mask.sum() - 1
        return hidden[:, last] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised NameError")
class AsInTransformers:
    def reward_at_end(hidden, mask, w):
        lengths = torch.eq(input_ids, pad_token_id).int().argmax(-1) - 1  # noqa: F821
        return (hidden @ w)[torch.arange(len(mask)), lengths]


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class AsRows:
    def reward_at_end(hidden, mask, w):
        B, T, C = hidden.shape
        return hidden[mask].view(B, -1, C)[:, -1] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class StackOfUnequal:
    def reward_at_end(hidden, mask, w):
        return torch.stack([h[m] for h, m in zip(hidden, mask)])[:, -1] @ w


@wrong("10.reward_at_end", "The largest reward of any token is taken.")
class MaxWithZerosAtPadding:
    def reward_at_end(hidden, mask, w):
        return ((hidden @ w) * mask).max(dim=1).values


@wrong("10.reward_at_end", "The last column is read, padding or not.")
class EndOfTheLongest:
    def reward_at_end(hidden, mask, w):
        return hidden[:, mask.sum(1).max() - 1] @ w


@wrong("10.reward_at_end", "There are C numbers per row.")
class ForgetsW:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return hidden[torch.arange(len(mask)), last]


@wrong("10.reward_at_end", "This reads column n - 1 of a row of n tokens, but the padding is in front.")
class FromTheEnd:
    def reward_at_end(hidden, mask, w):
        padding = (~mask).sum(1)
        return hidden[torch.arange(len(mask)), -1 - padding] @ w


@wrong("10.reward_at_end", "The first padding is read, and in a row without padding the first token.")
class FromTheEndWithoutMinusOne:
    def reward_at_end(hidden, mask, w):
        padding = (~mask).sum(1)
        return hidden[torch.arange(len(mask)), -padding] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised IndexError")
class HardCodedBatch:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(1) - 1
        return hidden[torch.arange(16), last] @ w


@wrong("10.reward_at_end", "That's one number for all rows.")
class SumOfAllRows:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return (hidden[torch.arange(len(mask)), last] * w).sum()


@wrong("10.reward_at_end", "Only the first row's reward is returned.")
class OnlyTheFirstRow:
    def reward_at_end(hidden, mask, w):
        for h, m in zip(hidden, mask):
            return h[m][-1] @ w


@wrong("10.reward_at_end", "The position of the last token is returned, not the reward there.")
class PositionsForRewards:
    def reward_at_end(hidden, mask, w):
        return (torch.arange(mask.shape[1]) * mask).argmax(1).float()


@wrong("10.reward_at_end", "The largest reward of any token is taken.")
class MaskedBeforeTheProduct:
    """Multiplies the positions by the rewards, not by the mask: the largest one is taken for the last."""

    def reward_at_end(hidden, mask, w):
        rewards = hidden @ w
        last = (rewards * mask).argmax(1)
        return rewards[torch.arange(len(mask)), last]


@right("10.reward_at_end")
class BothTurnedRound:
    def reward_at_end(hidden, mask, w):
        return hidden.flip(1)[torch.arange(len(mask)), mask.flip(1).int().argmax(1)] @ w


@right("10.reward_at_end")
class ByGather:
    def reward_at_end(hidden, mask, w):
        last = torch.where(mask, torch.arange(mask.shape[1]), -1).amax(1)
        ends = last[:, None, None].expand(-1, 1, hidden.shape[-1])
        return hidden.gather(1, ends).squeeze(1) @ w


@right("10.reward_at_end")
class AsAWeightedSum:
    def reward_at_end(hidden, mask, w):
        last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
        return torch.einsum("btc,bt,c->b", hidden, last.float(), w)
