"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import math

import torch
import torch.nn.functional as F
from turn_answers import right, wrong

p = 1 / 8  # as a cell of lesson 00 leaves it
x = 10 * torch.arange(3.0)[:, None] + torch.arange(6.0)  # as a cell of 00a leaves it


# --- 00b.cross_entropy


@wrong("00b.cross_entropy", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its")
class SoftmaxThenLog:
    """Softmax first and the logarithm after; at logits of 200 the probability is 0 and the loss infinite."""

    def cross_entropy(logits, targets):
        probs = logits.softmax(dim=-1)
        return -probs[torch.arange(len(targets)), targets].log().mean()


@wrong("00b.cross_entropy", "The loss is in bits: the logarithm has base 2.")
class BitsNotNats:
    """Counts in bits, as lesson 00 did; nats were asked for."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1) / math.log(2)
        return -log_p[torch.arange(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "The losses of the rows are summed.")
class SumOverGuesses:
    """Adds the losses up; the mean was asked for."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return -log_p[torch.arange(len(targets)), targets].sum()


@wrong("00b.cross_entropy", "The sign is wrong: a likely letter makes the loss large.")
class MinusForgotten:
    """No minus sign, so the loss is negative."""

    def cross_entropy(logits, targets):
        log_p = F.log_softmax(logits, dim=1)
        return log_p.gather(1, targets[:, None]).mean()


@wrong("00b.cross_entropy", "`[:, targets]` takes all B target columns from every row, so B · B entries")
class EveryRowEveryTarget:
    """`[:, targets]` picks the letters of all guesses in every row, (B, B), and averages over them all."""

    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1)[:, targets].mean()


@wrong("00b.cross_entropy", "")
class SoftmaxDownTheBatch:
    """Softmax along axis 0, so the probabilities of one letter add up to 1 over the guesses."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=0)
        return -log_p[torch.arange(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "The sum of the losses is divided by all B · V entries.")
class MeanOverVToo:
    """The mean over the whole (B, V) table with its zeros, so the loss is V times too small."""

    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, logits.shape[1])
        return -(truth * logits.log_softmax(dim=-1)).mean()


@wrong("00b.cross_entropy", "The losses of the rows are right, but there must be one number: their")
class OneLossPerGuess:
    """Returns the loss of each guess, (B,); the mean is missing."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, reduction="none")


@wrong("00b.cross_entropy", "The result is right, but no model could learn through it: `logits` gets no")
class PlainNumber:
    """Returns a Python number, on which the page can't call .item() or .backward()."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return -log_p[torch.arange(len(targets)), targets].mean().item()


@wrong("00b.cross_entropy", "1 minus the probability is averaged, without a logarithm.")
class OneMinusP:
    """1 - p of the right letter in place of -ln p."""

    def cross_entropy(logits, targets):
        probs = logits.softmax(dim=-1)
        return (1 - probs[torch.arange(len(targets)), targets]).mean()


@wrong("00b.cross_entropy", "The probabilities are averaged first, and the logarithm is taken of their")
class LogOfMeanP:
    """Averages the probabilities and takes the logarithm after; the mean is over the losses."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)[torch.arange(len(targets)), targets]
        return math.log(len(targets)) - log_p.logsumexp(dim=0)


@wrong("00b.cross_entropy", "Logits are used as if they were log-probabilities.")
class NllOnLogits:
    """Nll_loss wants logarithms of probabilities and gets raw logits, so this is just minus the right logit."""

    def cross_entropy(logits, targets):
        return F.nll_loss(logits, targets)


@wrong("00b.cross_entropy", "The softmax is taken twice.")
class SoftmaxBeforeLibrary:
    """Gives probabilities to torch's cross_entropy, which applies softmax once more."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits.softmax(dim=-1), targets)


@wrong("00b.cross_entropy", "The probability can't fall below 1e-09, so no loss can pass 21 nats.")
class ClampedProbability:
    """Keeps probabilities above 1e-9 before the logarithm, so no loss exceeds 20.7, even at logits of 200."""

    def cross_entropy(logits, targets):
        probs = logits.softmax(dim=-1).clamp(min=1e-9)
        return -probs[torch.arange(len(targets)), targets].log().mean()


@wrong("00b.cross_entropy", "")
class CountsVRows:
    """Numbers the rows up to V in place of B; runs only if there are as many guesses as letters."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return -log_p[torch.arange(logits.shape[1]), targets].mean()


@wrong("00b.cross_entropy", "The largest probability of each row is used, whichever letter came.")
class SurpriseAtFavorite:
    """The loss of the letter that the network likes best; the targets aren't used."""

    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1).max(dim=-1).values.mean()


@wrong("00b.cross_entropy", "All letters are scored, the right one by log p and each wrong one by log(1")
class BinaryPerLetter:
    """Adds -ln(1 - p) of all wrong letters, as the binary cross-entropy does."""

    def cross_entropy(logits, targets):
        p = logits.softmax(dim=-1)
        truth = F.one_hot(targets, logits.shape[1]).to(p.dtype)
        each = F.binary_cross_entropy(p, truth, reduction="none")
        return each.sum(dim=-1).mean()


@wrong("00b.cross_entropy", "Each row's target is that of the next row.")
class ShiftedAsInTransformers:
    """Shifts logits against targets by one, as in HF's loss; here row b and target b already belong together."""

    def cross_entropy(logits, targets):
        shift_logits = logits[:-1].contiguous()
        shift_labels = targets[1:].contiguous()
        return F.cross_entropy(shift_logits, shift_labels)


@wrong("00b.cross_entropy", "Rows whose target is 0 are left out.")
class DotIgnoredAsPadding:
    """Leaves out targets with id 0 as padding; here 0 is the dot that ends a name."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, ignore_index=0)


@wrong("00b.cross_entropy", "The result is right, but no model could learn through it: `logits` gets no")
class WithoutGradient:
    """Computed under no_grad, so the page's cross_entropy(...).backward() fails."""

    @torch.no_grad()
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets)


@wrong("00b.cross_entropy", "")
class GatheredAlongRows:
    """Gather along axis 0 takes the id for a row number, and column 0 of it."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return -log_p.gather(0, targets[:, None]).mean()


@wrong("00b.cross_entropy", "The targets are smoothed: 0.1 of each goes to all letters.")
class SmoothedLabels:
    """Label smoothing of 0.1 from a training recipe; a tenth of the truth goes to all letters alike."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, label_smoothing=0.1)


@wrong("00b.cross_entropy", "")
class LettersWeighAlike:
    """Averages per letter first, then over the letters; every guess should count the same."""

    def cross_entropy(logits, targets):
        each = F.cross_entropy(logits, targets, reduction="none")
        return torch.stack([each[targets == v].mean() for v in targets.unique()]).mean()


@wrong("00b.cross_entropy", "")
class TargetsPickRows:
    """Log_p[targets] picks rows of the batch, not one letter per row."""

    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1)[targets].mean()


@wrong("00b.cross_entropy", "The squared errors of each row are summed.")
class SquaredError:
    """Mean squared error between the probabilities and the truth."""

    def cross_entropy(logits, targets):
        truth = torch.zeros_like(logits)
        truth[torch.arange(len(targets)), targets] = 1.0
        return ((logits.softmax(dim=-1) - truth) ** 2).sum(dim=-1).mean()


@wrong("00b.cross_entropy", "The largest logit is subtracted inside the logarithm of the sum, and not")
class ShiftedOnlyOnce:
    """Subtracts the largest logit inside the logarithm of the sum, but not from the right letter's logit."""

    def cross_entropy(logits, targets):
        shifted = logits - logits.amax(dim=1, keepdim=True)
        log_total = shifted.exp().sum(dim=1).log()
        return (log_total - logits[torch.arange(len(targets)), targets]).mean()


@wrong("00b.cross_entropy", "The mean is cut to a whole number.")
class FloorDividedByB:
    """// in place of /, so the mean loss is cut to a whole number."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        total = -log_p[torch.arange(len(targets)), targets].sum()
        return total // len(targets)


@wrong("00b.cross_entropy", "This is the entropy of the predictions: every letter counts by its own")
class ExpectedLoss:
    """Weights the losses with the network's own probabilities (its entropy), so what came doesn't matter."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return -(log_p.exp() * log_p).sum(dim=-1).mean()


@right("00b.cross_entropy")
class NanoGptLoss:
    """The line from nanoGPT, with views and an ignore_index that never occurs."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)


@right("00b.cross_entropy")
class LogTotalMinusLogit:
    """Ln(sum of all e^z) - z_right, by logsumexp and gather."""

    def cross_entropy(logits, targets):
        right_ones = logits.gather(1, targets.unsqueeze(1)).squeeze(1)
        return (logits.logsumexp(dim=1) - right_ones).mean()


@right("00b.cross_entropy")
class LogSoftmaxTwice:
    """Log_softmax twice; the second time it changes nothing."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits.log_softmax(dim=-1), targets)


@right("00b.cross_entropy")
class RowByRow:
    """A Python loop over the rows, stacked so that autograd still works."""

    def cross_entropy(logits, targets):
        losses = []
        for row, target in zip(logits, targets.tolist(), strict=True):
            shifted = row - row.max()
            losses.append(shifted.exp().sum().log() - shifted[target])
        return torch.stack(losses).mean()


@right("00b.cross_entropy")
class MaskOfTruth:
    """A mask chooses the right letters from the log-probabilities; divided by B, not by B * V."""

    def cross_entropy(logits, targets):
        B, V = logits.shape
        came = targets[:, None] == torch.arange(V)
        return -torch.where(came, logits.log_softmax(dim=-1), 0.0).sum() / B


# --- 00b.backward


@wrong("00b.backward", "The slope of tanh is missing: what comes back to h goes on to W1 and b1")
class NoTanhSlope:
    """Leaves out tanh on the way back: d_h is taken for d_z."""

    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        return x.T @ d_h, d_h.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 - tanh(h)², which takes")
class TanhAgain:
    """H is already tanh(z); 1 - tanh(h)² applies it twice."""

    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        d_z = (d_logits @ w2.T) * (1 - torch.tanh(h) ** 2)
        return x.T @ d_z, d_z.sum(dim=0), d_w2, d_b2


@wrong("00b.backward", "The biases take the mean over the rows instead of the sum.")
class BiasMean:
    """The mean over the rows for the biases; the sum was needed, 1/B is already in d_logits."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.mean(dim=0), h.T @ d_logits, d_logits.mean(dim=0)


@wrong("00b.backward", "All four are right, but in the order d_w2, d_b2, d_w1, d_b1.")
class OrderOfTheWalk:
    """Returns the gradients in the order in which they were found, W₂ and b₂ first."""

    def backward(x, h, w2, d_logits):
        d_w2, d_b2 = h.T @ d_logits, d_logits.sum(dim=0)
        d_z = (d_logits @ w2.T) * (1 - h**2)
        d_w1, d_b1 = x.T @ d_z, d_z.sum(dim=0)
        return d_w2, d_b2, d_w1, d_b1


@wrong("00b.backward", "`d_w2` is right, but transposed.")
class WeightsAsInLinear:
    """Gives W₂'s gradient as (V, F), as torch's Linear stores it; here W₂ is (F, V)."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), d_logits.T @ h, d_logits.sum(dim=0)


@wrong("00b.backward", "")
class W2NotTransposed:
    """D_logits @ w2 without .T; it runs only if F equals V, and then with the wrong numbers."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "It is divided by the number of rows once more.")
class DividedByBAgain:
    """Divides by B once more; logit_gradient has done it already."""

    def backward(x, h, w2, d_logits):
        B = len(x)
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return (
            x.T @ d_z / B,
            d_z.sum(dim=0) / B,
            h.T @ d_logits / B,
            d_logits.sum(dim=0) / B,
        )


@wrong("00b.backward", "`d_b1` is right, but a table of one row.")
class BiasesKeepARow:
    """Keepdim=True makes the biases' gradients (1, F) and (1, V) in place of (F,) and (V,)."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        d_b1 = d_z.sum(dim=0, keepdim=True)
        d_b2 = d_logits.sum(dim=0, keepdim=True)
        return x.T @ d_z, d_b1, h.T @ d_logits, d_b2


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 where h is positive, the")
class ReluSlope:
    """The slope of ReLU, 1 where h is positive and else 0, in place of that of tanh."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (h > 0)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "On the way back through tanh, you multiply by h * (1 - h), the slope of a")
class SigmoidSlope:
    """H · (1 - h) is the slope of the sigmoid, not of tanh."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * h * (1 - h)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "`d_b1` is the sum of what comes back to h. The slope of tanh is missing")
class B1BeforeTanh:
    """B₁'s gradient is summed from d_h, before tanh; b₁ is added inside of tanh, so it needs d_z."""

    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        d_h = d_logits @ w2.T
        d_b1 = d_h.sum(dim=0)
        d_w1 = x.T @ (d_h * (1 - h**2))
        return d_w1, d_b1, d_w2, d_b2


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 - h, without the square.")
class SquareForgotten:
    """1 - h in place of 1 - h²."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "h² is subtracted from what comes back to h: parentheses are missing around")
class NoBrackets:
    """Without brackets around 1 - h**2, h² is subtracted from d_h in place of multiplying it."""

    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * 1 - h**2
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "")
class NormClipped:
    """Clips each gradient to length 1, as training scripts do; large gradients come back too short."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        grads = x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)
        return tuple(g / g.norm().clamp(min=1.0) for g in grads)


@wrong("00b.backward", "2 things are returned, not four.")
class MatricesOnly:
    """Returns the gradients of W₁ and W₂ and forgets the biases."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, h.T @ d_logits


@wrong("00b.backward", "")
class SixtyFourHidden:
    """The sizes 64 and 27 of the dinosaur network are written into the code."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        d_b1, d_b2 = torch.zeros(64), torch.zeros(27)
        for b in range(len(x)):
            d_b1 += d_z[b]
            d_b2 += d_logits[b]
        return x.T @ d_z, d_b1, h.T @ d_logits, d_b2


@wrong("00b.backward", "")
class SlopeAfterProduct:
    """Multiplies with the average of 1 - h² after the product with xᵀ"""

    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        slope = 1 - h**2
        d_w1 = (x.T @ d_h) * slope.mean(dim=0)
        d_b1 = (d_h * slope).sum(dim=0)
        return d_w1, d_b1, h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "")
class LastRowWins:
    """A loop over the rows that assigns in place of adding, so only the last guess counts for the matrices."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        for b in range(len(x)):
            d_w1 = torch.outer(x[b], d_z[b])
            d_w2 = torch.outer(h[b], d_logits[b])
        return d_w1, d_z.sum(dim=0), d_w2, d_logits.sum(dim=0)


@wrong("00b.backward", "All four gradients are wrong.")
class TakesDLogitsForLogits:
    """Applies softmax to d_logits, which already is 'what you said - what was true'."""

    def backward(x, h, w2, d_logits):
        d = d_logits.softmax(dim=-1) / len(x)
        d_z = (d @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d, d.sum(dim=0)


@wrong("00b.backward", "All four gradients are wrong.")
class TanhAtBothLayers:
    """Takes the second layer through tanh, too; the logits have none."""

    def backward(x, h, w2, d_logits):
        d_out = d_logits * (1 - torch.tanh(h @ w2) ** 2)
        d_z = (d_out @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_out, d_out.sum(dim=0)


@wrong("00b.backward", "`d_b2` is as wide as another layer.")
class OneNameForAll:
    """The same name for d_logits and d_z; when b₂'s turn comes, d_logits has been overwritten."""

    def backward(x, h, w2, d):
        d_w2 = h.T @ d
        d = (d @ w2.T) * (1 - h**2)
        d_w1 = x.T @ d
        return d_w1, d.sum(dim=0), d_w2, d.sum(dim=0)


@wrong("00b.backward", "`kept` still holds what earlier calls have put into it, and that changes")
class AddsToTheLastOnes:
    """Keeps the gradients and adds the new ones, as PyTorch does; nothing clears them between the calls."""

    def backward(x, h, w2, d_logits, kept={}):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        grads = x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)
        for name, g in zip(("w1", "b1", "w2", "b2"), grads, strict=True):
            key = name, tuple(g.shape), g.dtype
            kept[key] = kept.get(key, 0) + g
            kept[name] = kept[key]
        return kept["w1"], kept["b1"], kept["w2"], kept["b2"]


@wrong("00b.backward", "")
class WeightDecayInside:
    """Adds a hundredth of W₂ to its gradient (weight decay), which isn't a slope of this loss."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        d_w2 = h.T @ d_logits + 0.01 * w2
        return x.T @ d_z, d_z.sum(dim=0), d_w2, d_logits.sum(dim=0)


@wrong("00b.backward", "`d_b1` is one number: everything was added up.")
class OneSlopePerBias:
    """Sum() without an axis: one number for all of b₁, and one for all of b₂."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(), h.T @ d_logits, d_logits.sum()


@wrong("00b.backward", "")
class ColumnsForRows:
    """W2 @ d_logits.T is d_h with its axes swapped, (F, B); it runs only if B equals F."""

    def backward(x, h, w2, d_logits):
        d_z = (w2 @ d_logits.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "")
class W2AlreadyMoved:
    """Moves W₂ by its gradient before going back through it; d_h needs the W₂ of the forward run."""

    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        w2 = w2 - d_w2
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), d_w2, d_logits.sum(dim=0)


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 / (1 - h²): it divides.")
class OneOverTanhSlope:
    """Divides by 1 - h² in place of multiplying."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) / (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@right("00b.backward")
class Einsums:
    """Einsum names every axis; (1 - h)(1 + h) for 1 - h²."""

    def backward(x, h, w2, d_logits):
        d_z = torch.einsum("bv,fv->bf", d_logits, w2) * (1 - h) * (1 + h)
        d_w1 = torch.einsum("bc,bf->cf", x, d_z)
        d_w2 = torch.einsum("bf,bv->fv", h, d_logits)
        return d_w1, d_z.sum(0), d_w2, d_logits.sum(0)


@right("00b.backward")
class GuessByGuess:
    """Adds up the outer products of each guess in a loop."""

    def backward(x, h, w2, d_logits):
        d_w1 = torch.zeros_like(x[0])[:, None] * torch.zeros_like(h[0])
        d_b1, d_w2 = torch.zeros_like(h[0]), torch.zeros_like(w2)
        d_b2 = torch.zeros_like(d_logits[0])
        for x_row, h_row, d in zip(x, h, d_logits, strict=True):
            d_z = (w2 @ d) * (1 - h_row**2)
            d_w1 += x_row[:, None] * d_z
            d_b1 += d_z
            d_w2 += h_row[:, None] * d
            d_b2 += d
        return d_w1, d_b1, d_w2, d_b2


@right("00b.backward")
class OnesForTheBiases:
    """Treats a bias as the weight of an input that is always 1: a row of ones times d."""

    def backward(x, h, w2, d_logits):
        ones = torch.ones(len(x), dtype=x.dtype)
        d_z = (w2 @ d_logits.T).T * (1 - h.square())
        return x.T @ d_z, ones @ d_z, h.T @ d_logits, ones @ d_logits


@right("00b.backward")
class LocalFunction:
    """One helper for a linear layer, used twice; returns a tuple made of two halves."""

    def backward(x, h, w2, d_logits):
        def linear(inputs, d_out):
            return inputs.transpose(0, 1).matmul(d_out), d_out.sum(dim=0)

        second = linear(h, d_logits)
        d_h = d_logits.matmul(w2.transpose(0, 1))
        first = linear(x, d_h - d_h * h * h)
        return first + second


@right("00b.backward")
class BroadcastSums:
    """No matrix product; all products of all rows at once, then sums over the axis that vanishes."""

    def backward(x, h, w2, d_logits):
        d_h = (d_logits[:, None, :] * w2).sum(dim=-1)
        d_z = d_h * (1 - h**2)
        d_w1 = (x[:, :, None] * d_z[:, None, :]).sum(dim=0)
        d_w2 = (h[:, :, None] * d_logits[:, None, :]).sum(dim=0)
        return d_w1, d_z.sum(dim=0), d_w2, d_logits.sum(dim=0)


# --- 00b.sgd_step


@wrong("00b.sgd_step", "The step goes uphill: the loss would rise.")
class Uphill:
    """Adds the gradient, which goes up; the loss rises."""

    def sgd_step(weights, gradients, rate):
        return [w + rate * g for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "`sgd_step` changed the input that it was given; work on a copy.")
class ChangesOldTensors:
    """`-=` writes into the old tensors; they should stay as they are."""

    def sgd_step(weights, gradients, rate):
        new = []
        for w, g in zip(weights, gradients, strict=True):
            w -= rate * g
            new.append(w)
        return new


@wrong("00b.sgd_step", "`sgd_step` changed the input that it was given; work on a copy.")
class ShallowCopy:
    """Weights.copy() copies the list, not the tensors in it, so sub_ still changes the old ones."""

    def sgd_step(weights, gradients, rate):
        new = weights.copy()
        for i, g in enumerate(gradients):
            new[i].sub_(rate * g)
        return new


@wrong("00b.sgd_step", "`sgd_step` changed the input that it was given; work on a copy.")
class RefillsTheList:
    """Puts the new tensors into the old list, so the caller's list is changed."""

    def sgd_step(weights, gradients, rate):
        for i in range(len(weights)):
            weights[i] = weights[i] - rate * gradients[i]
        return weights


@wrong("00b.sgd_step", "`sgd_step` returned None.")
class NothingReturned:
    """Fills the new list and forgets to return it."""

    def sgd_step(weights, gradients, rate):
        new = []
        for w, g in zip(weights, gradients, strict=True):
            new.append(w - rate * g)


@wrong("00b.sgd_step", "`sgd_step` returned something that is of type map; return plain numbers,")
class LazyMap:
    """Returns a map, which isn't a list and is empty after it was read once."""

    def sgd_step(weights, gradients, rate):
        return map(lambda w, g: w - rate * g, weights, gradients)


@wrong("00b.sgd_step", "Only one weight is returned.")
class ReturnsInTheLoop:
    """The return stands inside the loop, so the list holds the first tensor only."""

    def sgd_step(weights, gradients, rate):
        new = []
        for w, g in zip(weights, gradients, strict=True):
            new.append(w - rate * g)
            return new


@wrong("00b.sgd_step", "The gradient is divided by the rate.")
class DividesByRate:
    """Divides the gradient by the rate; a small rate then makes a huge step."""

    def sgd_step(weights, gradients, rate):
        return [w - g / rate for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class UnitSteps:
    """Brings each gradient to length 1 first, so only its direction counts and a flat place is no rest."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g / (g.norm() + 1e-8) for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "Only the sign of each gradient is used: every number moves equally far.")
class SignsOnly:
    """Steps by the sign of each slope, all equally far, as Adam nearly does in its first step."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g.sign() for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class ClampedSlopes:
    """Cuts slopes to between -1 and 1, which nobody asked for; steep ones are lost."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g.clamp(-1, 1) for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class RateFromTheWeight:
    """(w - rate) * g: the brackets are around the wrong two."""

    def sgd_step(weights, gradients, rate):
        return [(w - rate) * g for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class FromTheEnd:
    """Turns the gradients around, as if they came from the end to the beginning; they're in the same order."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(weights, list(gradients)[::-1])]


@wrong("00b.sgd_step", "")
class OneBigTensor:
    """Stacks the list to one tensor: an error if the shapes differ, and else no list."""

    def sgd_step(weights, gradients, rate):
        return torch.stack(list(weights)) - rate * torch.stack(list(gradients))


@wrong("00b.sgd_step", "")
class ArithmeticOnLists:
    """Computes with the lists as if they were tensors, which is a TypeError."""

    def sgd_step(weights, gradients, rate):
        return weights - rate * gradients


@wrong("00b.sgd_step", "The old weights are still in front of the new ones.")
class OldOnesInFront:
    """Starts from a copy of the old list and appends, so the old weights are still in front."""

    def sgd_step(weights, gradients, rate):
        new = list(weights)
        for w, g in zip(weights, gradients, strict=True):
            new.append(w - rate * g)
        return new


@wrong("00b.sgd_step", "The rate is 4, whatever the argument says.")
class AlwaysFour:
    """The page's rate of 4 is written into the code; the argument isn't used."""

    def sgd_step(weights, gradients, rate):
        rate = 4.0
        return [w - rate * g for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "Only the matrices take a step; the biases stay.")
class BiasesStay:
    """Only matrices take the step; the biases are returned as they were."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g if w.dim() == 2 else w.clone() for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "A weight whose gradient is 0 is left out.")
class DropsRestingWeights:
    """Leaves out tensors whose gradient is 0; they don't move, but they belong in the list."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(weights, gradients, strict=True) if g.any()]


@wrong("00b.sgd_step", "All entries of a weight move by the mean of its gradient.")
class MeanSlope:
    """Moves all numbers of a tensor by its mean slope."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g.mean() for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class TwoForsNoZip:
    """Two fors in place of zip: each weight with each gradient."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w in weights for g in gradients]


@wrong("00b.sgd_step", "")
class GradientsTransposed:
    """Transposes the gradients, which have the shape of their weights already"""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g.t() for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "The step is multiplied by the weight.")
class ShareOfTheWeight:
    """Multiplies the step with the weight, so a weight of 0 never moves."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g * w for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "The weights shrink, too, as under weight decay.")
class DecaysToo:
    """Shrinks the weights by a hundredth of the rate as well (weight decay, as in AdamW)."""

    def sgd_step(weights, gradients, rate):
        return [w * (1 - 0.01 * rate) - rate * g for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "Minus the steps are returned, not the weights after them.")
class OnlyTheStep:
    """Returns the steps, not the weights after them."""

    def sgd_step(weights, gradients, rate):
        return [-rate * g for g in gradients]


@right("00b.sgd_step")
class CloneThenSub:
    """In place on clones."""

    def sgd_step(weights, gradients, rate):
        new = [w.clone() for w in weights]
        for w, g in zip(new, gradients, strict=True):
            w -= rate * g
        return new


@right("00b.sgd_step")
class SubWithAlpha:
    """Torch.sub with alpha, by indices."""

    def sgd_step(weights, gradients, rate):
        new = []
        for i in range(len(weights)):
            new.append(torch.sub(weights[i], gradients[i], alpha=rate))
        return new


@right("00b.sgd_step")
class ListOfMap:
    """Map with two lists, made a list."""

    def sgd_step(weights, gradients, rate):
        return list(map(lambda w, g: torch.add(w, g, alpha=-rate), weights, gradients))


@right("00b.sgd_step")
class UnderNoGrad:
    """Under no_grad and with the sum written the other way round."""

    def sgd_step(weights, gradients, rate):
        with torch.no_grad():
            steps = [g * -rate for g in gradients]
            return [step + w for step, w in zip(steps, weights, strict=True)]


@right("00b.sgd_step")
class FlatAndBack:
    """Lays all weights in one row, takes one step, and cuts the row again."""

    def sgd_step(weights, gradients, rate):
        row = torch.cat([w.reshape(-1) for w in weights])
        slopes = torch.cat([g.reshape(-1) for g in gradients])
        parts = (row - rate * slopes).split([w.numel() for w in weights])
        return [part.view(w.shape) for part, w in zip(parts, weights, strict=True)]
