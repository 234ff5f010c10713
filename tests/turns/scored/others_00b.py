"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
import torch.nn.functional as F
from turn_answers import right, wrong

tiny_h = torch.tensor([[0.7, -0.3, 0.1, 0.9], [-0.5, 0.2, 0.8, -0.6]])
velocity = [0, 0, 0, 0]


# --- 00b.cross_entropy


@wrong("00b.cross_entropy", "The softmax is taken twice.")
class SoftmaxTwice:
    """Torch's cross_entropy takes logits, and gets probabilities: softmax is applied twice."""

    def cross_entropy(logits, targets):
        probs = F.softmax(logits, dim=-1)
        return F.cross_entropy(probs, targets)


@wrong("00b.cross_entropy", "Logits are used as if they were log-probabilities.")
class NoSoftmaxAtAll:
    """Nll_loss expects log-probabilities and gets raw logits."""

    def cross_entropy(logits, targets):
        return F.nll_loss(logits, targets)


@wrong("00b.cross_entropy", "The targets are smoothed: 0.1 of each goes to all letters.")
class SmoothedTruth:
    """Label smoothing gives a tenth of the truth to all letters."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, label_smoothing=0.1)


@wrong("00b.cross_entropy", "Rows whose target is 0 are left out.")
class DotIsPadding:
    """Leaves out the targets with id 0 as padding; 0 is a letter like any other (the dot)."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, ignore_index=0)


@wrong("00b.cross_entropy", "Each row's target is that of the next row.")
class ShiftedLabels:
    """Shifts the targets by one against the logits; here row b already belongs to target b."""

    def cross_entropy(logits, targets):
        shift_logits = logits[:-1, :].contiguous()
        shift_labels = targets[1:].contiguous()
        return F.cross_entropy(shift_logits, shift_labels)


@wrong("00b.cross_entropy", "")
class AlphabetOfTwentySeven:
    """V is written in as 27."""

    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, 27)
        return -(truth * logits.log_softmax(-1)).sum() / len(targets)


@wrong("00b.cross_entropy", "The result is right, but no model could learn through it: `logits` gets no")
class PlainNumber:
    """Makes Python floats on the way, so no gradient can go back."""

    def cross_entropy(logits, targets):
        total = 0.0
        for row, target in zip(logits.log_softmax(-1).tolist(), targets.tolist()):
            total -= row[target]
        return torch.tensor(total / len(targets))


@wrong("00b.cross_entropy", "")
class GathersFromTheFirstRow:
    """The index for gather is a row (1, B), not a column (B, 1), so all are read from the first guess."""

    def cross_entropy(logits, targets):
        log_p = F.log_softmax(logits, dim=1)
        return -log_p.gather(1, targets[None]).mean()


@wrong("00b.cross_entropy", "The sum of the losses is divided by all B · V entries.")
class MeanOfTheWholeTable:
    """Takes the mean over B times V entries, of which only B count: too small by the factor V."""

    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, logits.shape[1])
        return (-truth * logits.log_softmax(dim=1)).mean()


@wrong("00b.cross_entropy", "The probability can't fall below 1e-07, so no loss can pass 16 nats.")
class ClippedProbabilities:
    """Clips probabilities at 1e-7, so no loss can exceed 16 and its gradient vanishes there."""

    def cross_entropy(logits, targets):
        p = logits.softmax(-1)[torch.arange(len(targets)), targets]
        return -p.clamp(min=1e-7).log().mean()


@wrong("00b.cross_entropy", "The probabilities are averaged first, and the logarithm is taken of their")
class MeanBeforeLogarithm:
    """Takes the logarithm of the mean probability, not the mean of the logarithms."""

    def cross_entropy(logits, targets):
        p = logits.softmax(-1)[torch.arange(len(targets)), targets]
        return -p.mean().log()


@wrong("00b.cross_entropy", "This is the perplexity, e to the loss.")
class PerplexityOfTheBatch:
    """Returns e to the loss, the perplexity."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return (-log_p[range(len(targets)), targets].mean()).exp()


@wrong("00b.cross_entropy", "The wrong letters are scored too, as in binary cross-entropy.")
class YesOrNoPerLetter:
    """Binary cross-entropy asks of every letter yes or no; the letters don't share one probability."""

    def cross_entropy(logits, targets):
        truth = torch.zeros_like(logits)
        truth[torch.arange(len(targets)), targets] = 1.0
        return F.binary_cross_entropy_with_logits(logits, truth)


@wrong("00b.cross_entropy", "The softmax runs over the whole table, so all rows share one sum.")
class OneSumForTheBatch:
    """The sum of powers runs over the whole table in place of each row."""

    def cross_entropy(logits, targets):
        picked = logits[torch.arange(len(targets)), targets]
        return (logits.flatten().logsumexp(0) - picked).mean()


@wrong("00b.cross_entropy", "The largest logit is subtracted inside the logarithm of the sum, and not")
class ShiftedOnOneSide:
    """The sum is made of shifted logits, but the logit that is subtracted isn't shifted."""

    def cross_entropy(logits, targets):
        shifted = logits - logits.amax(-1, keepdim=True)
        log_total = shifted.exp().sum(-1).log()
        picked = logits[torch.arange(len(targets)), targets]
        return (log_total - picked).mean()


@wrong("00b.cross_entropy", "")
class DividedByTheLastIndex:
    """Divides by the last index of the loop, B - 1, in place of B."""

    def cross_entropy(logits, targets):
        loss = 0.0
        for i, target in enumerate(targets):
            loss = loss - logits[i].log_softmax(0)[target]
        return loss / i


@wrong("00b.cross_entropy", "")
class EachLetterCountsTheSame:
    """Averages within each letter first, so rare letters count as much as frequent ones."""

    def cross_entropy(logits, targets):
        losses = -logits.log_softmax(-1)[torch.arange(len(targets)), targets]
        per_letter = [losses[targets == v].mean() for v in targets.unique()]
        return torch.stack(per_letter).mean()


@wrong("00b.cross_entropy", "The column is that of the letter before the right one.")
class IdsFromOne:
    """Subtracts 1 from the ids as if they counted from 1, so it reads the letter before."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        return -log_p[torch.arange(len(targets)), targets - 1].mean()


@wrong("00b.cross_entropy", "The largest probability of each row is used, whichever letter came.")
class SurpriseAtItsOwnFavorite:
    """Takes each row's likeliest letter in place of the one that came."""

    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1).amax(dim=-1).mean()


@wrong("00b.cross_entropy", "The loss must be one number; here several things are returned.")
class LogitsAndLoss:
    """Returns a pair (logits, loss) as nanoGPT's forward does, not the loss."""

    def cross_entropy(logits, targets):
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss


@right("00b.cross_entropy")
class NanoGptLoss:
    """NanoGPT's line; ignore_index=-1 never applies."""

    def cross_entropy(logits, targets):
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)


@right("00b.cross_entropy")
class SumMinusLogit:
    """Logsumexp minus the logit, two means."""

    def cross_entropy(logits, targets):
        right_ones = logits.gather(1, targets[:, None])
        return logits.logsumexp(dim=1).mean() - right_ones.mean()


@right("00b.cross_entropy")
class DiagonalOfAllPairs:
    """Reads every target in every row and keeps the diagonal."""

    def cross_entropy(logits, targets):
        return -logits.log_softmax(1)[:, targets].diagonal().mean()


@right("00b.cross_entropy")
class ACategoricalDistribution:
    """Asks torch.distributions."""

    def cross_entropy(logits, targets):
        guesses = torch.distributions.Categorical(logits=logits)
        return guesses.log_prob(targets).mean().neg()


@right("00b.cross_entropy")
class LoopOverGuesses:
    """A Python loop, stacked so that the gradient passes."""

    def cross_entropy(logits, targets):
        losses = []
        for row, target in zip(logits, targets, strict=True):
            shifted = row - row.max()
            losses.append(shifted.exp().sum().log() - shifted[target])
        return sum(losses) / len(losses)


# --- 00b.backward


@wrong("00b.backward", "It is divided by the number of rows once more.")
class DividedOnceMore:
    """Divides by the number of guesses, which d_logits has already been divided by."""

    def backward(x, h, w2, d_logits):
        n = x.shape[0]
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z / n, d_z.sum(0) / n, h.T @ d_logits / n, d_logits.sum(0) / n


@wrong("00b.backward", "On the way back through tanh, you multiply by h * (1 - h), the slope of a")
class SlopeOfTheSigmoid:
    """H * (1 - h) is the slope of the sigmoid, not of tanh."""

    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        d_z = d_h * h * (1 - h)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 where h is positive, the")
class SlopeOfRelu:
    """Sets the slope to 0 where h isn't positive and to 1 elsewhere, which is relu's."""

    def backward(x, h, w2, d_logits):
        dhidden = d_logits @ w2.T
        dhidden = torch.where(h <= 0, 0.0, dhidden)
        return x.T @ dhidden, dhidden.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 - tanh(h)², which takes")
class TanhOfTanh:
    """Applies tanh to h, which is the tanh already."""

    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        d_z = d_h * (1 - torch.tanh(h) ** 2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`d_b1` is right, but a table of one row.")
class BiasesWithTwoAxes:
    """Keepdim leaves the gradients of the biases as (1, F) and (1, V)."""

    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0, keepdim=True)
        d_z = (d_logits @ w2.T) * (1 - h * h)
        return x.T @ d_z, d_z.sum(dim=0, keepdim=True), d_w2, d_b2


@wrong("00b.backward", "`d_b1` is the sum of what comes back to h. The slope of tanh is missing")
class BiasSkipsTheTanh:
    """Sums d_h for b1, but b1 is added before the tanh: it takes d_z."""

    def backward(x, h, w2, d_logits):
        d_w2, d_b2 = h.T @ d_logits, d_logits.sum(0)
        d_h = d_logits @ w2.T
        d_b1 = d_h.sum(0)
        d_w1 = x.T @ (d_h * (1 - h**2))
        return d_w1, d_b1, d_w2, d_b2


@wrong("00b.backward", "")
class HiddenOfTheTinyNetwork:
    """Uses tiny_h of the drawing in place of the argument h."""

    def backward(x, h, w2, d_logits):
        d_w2 = tiny_h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        d_z = (d_logits @ w2.T) * (1 - tiny_h**2)
        return x.T @ d_z, d_z.sum(dim=0), d_w2, d_b2


@wrong("00b.backward", "")
class WithWeightDecay:
    """Adds 0.001 times the weights to W2's gradient, for a regularization that this loss doesn't have."""

    def backward(x, h, w2, d_logits):
        reg = 1e-3
        dW2 = h.T @ d_logits
        dW2 = dW2 + reg * w2
        dh = d_logits @ w2.T * (1 - h**2)
        return x.T @ dh, dh.sum(0), dW2, d_logits.sum(0)


@wrong("00b.backward", "`d_w1` is right, but transposed.")
class OutByIn:
    """The gradients are (out, in), as torch stores its layers; here weights are (in, out)."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return d_z.T @ x, d_z.sum(0), d_logits.T @ h, d_logits.sum(0)


@wrong("00b.backward", "h² is subtracted from what comes back to h: parentheses are missing around")
class ParenthesesLost:
    """`d_h * 1 - h**2` multiplies by 1 and then subtracts h squared."""

    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * 1 - h**2
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "On the way back through tanh, you multiply by (1 - h)².")
class SquaredTheDifference:
    """(1 - h)**2 in place of 1 - h**2."""

    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h) ** 2
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class CaretForPower:
    """`^` is no power in Python, and for floats it raises an error."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h ^ 2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class LastGuessWins:
    """The loop over guesses overwrites the gradients in place of adding to them."""

    def backward(x, h, w2, d_logits):
        for b in range(len(x)):
            d_w2 = torch.outer(h[b], d_logits[b])
            d_b2 = d_logits[b]
            d_z = (w2 @ d_logits[b]) * (1 - h[b] ** 2)
            d_w1 = torch.outer(x[b], d_z)
            d_b1 = d_z
        return d_w1, d_b1, d_w2, d_b2


@wrong("00b.backward", "All four are right, but in the order d_w1, d_w2, d_b1, d_b2.")
class MatricesBeforeBiases:
    """Returns W1, W2, b1, b2; the order is W1, b1, W2, b2."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, h.T @ d_logits, d_z.sum(0), d_logits.sum(0)


@wrong("00b.backward", "")
class ClippedGradients:
    """Cuts all slopes to -0.1 to 0.1, as training recipes do; the gradient itself has no limit."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        found = x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)
        return tuple(g.clamp(-0.1, 0.1) for g in found)


@wrong("00b.backward", "The sign is wrong.")
class PointsDownAlready:
    """Returns the direction down, minus the gradient."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return -(x.T @ d_z), -d_z.sum(0), -(h.T @ d_logits), -d_logits.sum(0)


@wrong("00b.backward", "")
class BackThroughTheGradient:
    """Goes back to h through d_w2 in place of w2; both have the same shape."""

    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        d_h = d_logits @ d_w2.T
        d_z = d_h * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), d_w2, d_b2


@wrong("00b.backward", "")
class OnlyTheFirstOne:
    """Adds d_z to the row where x has its (first) 1, but a row of x has three ones, or any numbers."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        d_w1 = torch.zeros(x.shape[1], h.shape[1]).index_add(0, x.argmax(1), d_z)
        return d_w1, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "On the way back through tanh, you multiply by 1 / (1 - h²): it divides.")
class DividesByTheSlope:
    """Divides by 1 - h**2, the slope of tanh, in place of multiplying."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) / (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`d_b1` is one number: everything was added up.")
class OneNumberPerBias:
    """Sums over rows and columns, so each bias vector gets one number as its gradient."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_z.sum(), h.T @ d_logits, d_logits.sum()


@right("00b.backward")
class ThirdBinomial:
    """(1 - h) (1 + h), and a list in place of a tuple."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h) * (1 + h)
        return [x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)]


@right("00b.backward")
class LettersForTheAxes:
    """Einsum throughout."""

    def backward(x, h, w2, d_logits):
        d_z = torch.einsum("bv,fv->bf", d_logits, w2) * (1 - h.square())
        d_w1 = torch.einsum("bc,bf->cf", x, d_z)
        d_w2 = torch.einsum("bf,bv->fv", h, d_logits)
        return d_w1, torch.einsum("bf->f", d_z), d_w2, torch.einsum("bv->v", d_logits)


@right("00b.backward")
class BiasAsALastRow:
    """Appends a column of ones, so that the bias is the last row of the weights."""

    def backward(x, h, w2, d_logits):
        def with_ones(a):
            return torch.cat([a, torch.ones(len(a), 1, dtype=a.dtype)], dim=1)

        second = with_ones(h).T @ d_logits
        first = with_ones(x).T @ ((d_logits @ w2.T) * (1 - h**2))
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class GuessByGuess:
    """Adds up one outer product per guess."""

    def backward(x, h, w2, d_logits):
        d_w1, d_b1, d_w2, d_b2 = 0, 0, 0, 0
        for x_row, h_row, d_row in zip(x, h, d_logits, strict=True):
            d_z = (w2 @ d_row) * (1 - h_row**2)
            d_w1 = d_w1 + x_row[:, None] * d_z
            d_b1 = d_b1 + d_z
            d_w2 = d_w2 + h_row[:, None] * d_row
            d_b2 = d_b2 + d_row
        return d_w1, d_b1, d_w2, d_b2


@right("00b.backward")
class MadeOfSmallRules:
    """Each rule is a function of its own."""

    def backward(x, h, w2, d_logits):
        def linear_back(a, w, d_out):
            d_a = None if w is None else d_out @ w.mT
            return d_a, a.mT.matmul(d_out), d_out.sum(-2)

        d_h, d_w2, d_b2 = linear_back(h, w2, d_logits)
        d_z = torch.addcmul(d_h, d_h * h, h, value=-1)
        _, d_w1, d_b1 = linear_back(x, None, d_z)
        return d_w1, d_b1, d_w2, d_b2


# --- 00b.sgd_step


@wrong("00b.sgd_step", "")
class KeepsMomentum:
    """Keeps a velocity between calls, so from the second step on old gradients join in."""

    def sgd_step(weights, gradients, rate):
        new = []
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            velocity[i] = 0.9 * velocity[i] + g
            new.append(w - rate * velocity[i])
        return new


@wrong("00b.sgd_step", "The weights shrink, too, as under weight decay.")
class DecaysTheWeights:
    """Weight decay pulls all weights toward 0 as well."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * (g + 0.01 * w) for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "Each gradient is scaled to norm 1 first.")
class StepsOfOneLength:
    """Divides each gradient by its length"""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g / g.norm() for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "`sgd_step` returned something that is of type map; return plain numbers,")
class AMapIsNoList:
    """Map gives an iterator, which is used up after one pass."""

    def sgd_step(weights, gradients, rate):
        return map(lambda w, g: w - rate * g, weights, gradients)


@wrong("00b.sgd_step", "One tensor is returned, not a list.")
class OneLongVector:
    """Joins all weights to one long vector and doesn't cut it up again."""

    def sgd_step(weights, gradients, rate):
        flat_w = torch.cat([w.flatten() for w in weights])
        flat_g = torch.cat([g.flatten() for g in gradients])
        return flat_w - rate * flat_g


@wrong("00b.sgd_step", "`sgd_step` changed the input that it was given; work on a copy.")
class CopyOfTheListOnly:
    """Copies the list but not the tensors, so `-=` changes the old weights."""

    def sgd_step(weights, gradients, rate):
        new = list(weights)
        for i, g in enumerate(gradients):
            new[i] -= rate * g
        return new


@wrong("00b.sgd_step", "")
class GradientsFromTheEnd:
    """Turns the gradients around, though both lists are in the same order."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(weights, reversed(gradients))]


@wrong("00b.sgd_step", "A weight whose gradient is 0 is left out.")
class LeavesOutTheStill:
    """Tensors whose gradient is 0 are left out of the new list in place of staying as they are."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(weights, gradients) if g.any()]


@wrong("00b.sgd_step", "")
class RateAtMostOne:
    """Limits the rate to 1; this page uses 4."""

    def sgd_step(weights, gradients, rate):
        rate = min(rate, 1.0)
        return [w - rate * g for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class LateBoundStep:
    """The lambdas read w and g only when called, so each gives the last tensor's step."""

    def sgd_step(weights, gradients, rate):
        steps = []
        for w, g in zip(weights, gradients):
            steps.append(lambda: w - rate * g)
        return [step() for step in steps]


@wrong("00b.sgd_step", "Only the sign of each gradient is used: every number moves equally far.")
class AdamFromTheRecipe:
    """Uses Adam, whose first step has the length of the rate in every number, whatever the slope."""

    def sgd_step(weights, gradients, rate):
        parameters = [w.detach().clone().requires_grad_() for w in weights]
        for p, g in zip(parameters, gradients):
            p.grad = g.detach().clone()
        torch.optim.Adam(parameters, lr=rate).step()
        return [p.detach() for p in parameters]


@wrong("00b.sgd_step", "")
class InterpolatesTowardTheGradient:
    """Lerp moves from w toward -g, which shrinks w as well."""

    def sgd_step(weights, gradients, rate):
        return [torch.lerp(w, -g, rate) for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class ListPlusTensor:
    """`new += tensor` appends the tensor's rows one by one, not the tensor."""

    def sgd_step(weights, gradients, rate):
        new = []
        for w, g in zip(weights, gradients):
            new += w - rate * g
        return new


@wrong("00b.sgd_step", "The last weight doesn't move.")
class LastOneStays:
    """The loop ends one too early, so the last tensor doesn't move."""

    def sgd_step(weights, gradients, rate):
        new = [w.clone() for w in weights]
        for i in range(len(weights) - 1):
            new[i] = weights[i] - rate * gradients[i]
        return new


@wrong("00b.sgd_step", "")
class AsksTheWeightForItsGradient:
    """Reads w.grad, which only autograd fills, in place of the gradients given."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * w.grad for w in weights]


@wrong("00b.sgd_step", "Only the matrices take a step; the biases stay.")
class BiasesStay:
    """Moves only tensors with two axes; the biases stay as they are."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g if w.dim() >= 2 else w.clone() for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "The step is multiplied by the weight.")
class ShareOfTheWeight:
    """Takes off a share of each weight, w * (1 - rate * g), so a weight of 0 never moves."""

    def sgd_step(weights, gradients, rate):
        return [w * (1 - rate * g) for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "The new weights are in reverse order.")
class InsertsAtTheFront:
    """Inserts each new tensor at the front, so the list comes out in reverse order."""

    def sgd_step(weights, gradients, rate):
        new = []
        for w, g in zip(weights, gradients):
            new.insert(0, w - rate * g)
        return new


@wrong("00b.sgd_step", "All entries of a weight move by the mean of its gradient.")
class OneSlopeForTheTensor:
    """Uses the mean slope of each tensor, so all its numbers move alike."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g.mean() for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "`sgd_step` returned None.")
class NameButNoReturn:
    """Gives the new list the name `weights` and doesn't return it."""

    def sgd_step(weights, gradients, rate):
        weights = [w - rate * g for w, g in zip(weights, gradients)]


@right("00b.sgd_step")
class SubtractWithAlpha:
    """Torch.sub with alpha."""

    def sgd_step(weights, gradients, rate):
        return [torch.sub(w, g, alpha=rate) for w, g in zip(weights, gradients)]


@right("00b.sgd_step")
class CloneThenInPlace:
    """Works in place, but on clones."""

    def sgd_step(weights, gradients, rate):
        new = [w.clone() for w in weights]
        for i in range(len(new)):
            new[i] -= gradients[i] * rate
        return new


@right("00b.sgd_step")
class MapMadeAList:
    """Map with two lists, made a list."""

    def sgd_step(weights, gradients, rate):
        return list(map(lambda w, g: torch.add(w, -rate * g), weights, gradients))


@right("00b.sgd_step")
class VectorAndBack:
    """One long vector, cut up and shaped again."""

    def sgd_step(weights, gradients, rate):
        w = torch.cat([each.reshape(-1) for each in weights])
        g = torch.cat([each.reshape(-1) for each in gradients])
        parts = (w - rate * g).split([each.numel() for each in weights])
        return [p.reshape(old.shape) for p, old in zip(parts, weights, strict=True)]


@right("00b.sgd_step")
class UphillTimesMinusOne:
    """Turns the sign of the rate and goes up."""

    def sgd_step(weights, gradients, rate):
        uphill = -rate
        new = [None] * len(weights)
        for i, w in enumerate(weights):
            new[i] = w + gradients[i] * uphill
        return new


@wrong("00b.sgd_step", "The weight moves toward its gradient, as an average of both.")
class LerpToTheGradient:
    """Mixes weight and gradient, so the weight shrinks."""

    def sgd_step(weights, gradients, rate):
        return [torch.lerp(w, g, rate) for w, g in zip(weights, gradients, strict=True)]
