"""Answers to the turns of lesson 08, written from its text alone by a reader."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from turn_answers import right, wrong

# --- 08.next_token_loss


@wrong("08.next_token_loss", "Nothing is shifted: each row is asked for the token that it has just read.")
class LessonsLeak:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits, ids)


@wrong("08.next_token_loss", "It's shifted the wrong way: each row is asked for the token *before* its own.")
class ShiftsTheOtherWay:
    def next_token_loss(logits, ids):
        log_p = logits[1:].log_softmax(dim=-1)
        return -log_p[torch.arange(len(ids) - 1), ids[:-1]].mean()


@wrong("08.next_token_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class LogOfSoftmax:
    def next_token_loss(logits, ids):
        p = logits[:-1].softmax(dim=-1)
        return -p[torch.arange(len(ids) - 1), ids[1:]].log().mean()


@wrong("08.next_token_loss", "The probability can't fall below 1e-09, so no loss can pass 21 nats.")
class EpsilonInTheLog:
    def next_token_loss(logits, ids):
        p = logits[:-1].softmax(dim=-1)
        return -torch.log(p[torch.arange(len(ids) - 1), ids[1:]] + 1e-9).mean()


@wrong("08.next_token_loss", "The probability can't fall below 1e-12, so no loss can pass 28 nats.")
class ClampsTheProbability:
    def next_token_loss(logits, ids):
        p = torch.softmax(logits[:-1], dim=-1).gather(1, ids[1:, None]).clamp(min=1e-12)
        return -p.log().mean()


@wrong("08.next_token_loss", "The losses are summed.")
class SumsThem:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:], reduction="sum")


@wrong("08.next_token_loss", "The sign is wrong: a likely token makes the loss large.")
class NoMinus:
    def next_token_loss(logits, ids):
        log_p = logits[:-1].log_softmax(dim=-1)
        return log_p[range(len(ids) - 1), ids[1:]].mean()


@wrong("08.next_token_loss", "The sum is divided by T, and only T - 1 positions count.")
class DividesByT:
    def next_token_loss(logits, ids):
        log_p = logits.log_softmax(dim=-1)
        total = 0
        for t in range(len(ids) - 1):
            total = total - log_p[t, ids[t + 1]]
        return total / len(ids)


@wrong("08.next_token_loss", "`next_token_loss` raised ValueError: not enough values to unpack (expected 3, got 2).")
class NanoGpt:
    def next_token_loss(logits, ids):
        B, T, C = logits.shape
        logits = logits.view(B * T, C)
        targets = ids.view(B * T)
        return F.cross_entropy(logits, targets)


@wrong("08.next_token_loss", "Nothing is shifted: each row is asked for the token that it has just read.")
class HuggingFaceWithoutTheShift:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits.view(-1, logits.size(-1)), ids.view(-1), ignore_index=-100)


@wrong("08.next_token_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class AsANumber:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:]).item()


@wrong("08.next_token_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class Detached:
    def next_token_loss(logits, ids):
        log_p = logits.detach()[:-1].log_softmax(dim=-1)
        return -log_p[torch.arange(len(ids) - 1), ids[1:]].mean()


@wrong("08.next_token_loss", "The loss is in bits: the logarithm has base 2.")
class InBits:
    def next_token_loss(logits, ids):
        log_p = logits[:-1].log_softmax(dim=-1) / math.log(2)
        return -log_p[torch.arange(len(ids) - 1), ids[1:]].mean()


@wrong("08.next_token_loss", "The softmax runs down the positions that have an answer.")
class SoftmaxOverTime:
    def next_token_loss(logits, ids):
        log_p = logits[:-1].log_softmax(dim=0)
        return -log_p[torch.arange(len(ids) - 1), ids[1:]].mean()


@wrong("08.next_token_loss", "Logits are used as if they were log-probabilities.")
class LogitsForLogs:
    def next_token_loss(logits, ids):
        return F.nll_loss(logits[:-1], ids[1:])


@wrong("08.next_token_loss", "The softmax is taken twice.")
class SoftmaxBeforeCrossEntropy:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1].softmax(dim=-1), ids[1:])


@wrong("08.next_token_loss", "The probabilities are averaged first, and the logarithm is taken of their mean.")
class LogOfTheMean:
    def next_token_loss(logits, ids):
        log_p = logits[:-1].log_softmax(dim=-1).gather(1, ids[1:, None])
        return -(log_p.exp().mean().log())


@wrong("08.next_token_loss", "`[:, ids[1:]]` takes all the answers' columns from every row.")
class EveryPair:
    def next_token_loss(logits, ids):
        log_p = logits[:-1].log_softmax(dim=-1)
        return -log_p[:, ids[1:]].mean()


@wrong("08.next_token_loss", "It's shifted by two: each row is asked for the token after the next one.")
class TwoAhead:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-2], ids[2:])


@wrong("08.next_token_loss", "The ids are rolled around: the last row is asked for the first token.")
class RollsTheText:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits, torch.roll(ids, -1))


@wrong("08.next_token_loss", "This is the perplexity, e to the loss.")
class Perplexity:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:]).exp()


@wrong("08.next_token_loss", "Only the last pair counts.")
class OnlyTheLastPosition:
    def next_token_loss(logits, ids):
        return -logits[-2].log_softmax(dim=-1)[ids[-1]]


@wrong("08.next_token_loss", "Only the first position counts, divided by T - 1.")
class ReturnInTheLoop:
    def next_token_loss(logits, ids):
        log_p = logits.log_softmax(dim=-1)
        total = 0.0
        for t in range(len(ids) - 1):
            total = total - log_p[t, ids[t + 1]]
            return total / (len(ids) - 1)


@wrong("08.next_token_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class Numpy:
    def next_token_loss(logits, ids):
        z = logits.detach().numpy()[:-1]
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(z)), ids.numpy()[1:]].mean()


@wrong("08.next_token_loss", "`next_token_loss` returned None.")
class PrintsIt:
    def next_token_loss(logits, ids):
        print(F.cross_entropy(logits[:-1], ids[1:]))


@wrong(
    "08.next_token_loss",
    "`next_token_loss` raised ValueError: Expected input batch_size (3) to match",
)
class BatchedSlice:
    def next_token_loss(logits, ids):
        logits = logits[:, :-1]
        return F.cross_entropy(logits, ids[1:])


@wrong("08.next_token_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class NoMax:
    def next_token_loss(logits, ids):
        e = logits[:-1].exp()
        log_p = logits[:-1] - e.sum(dim=-1, keepdim=True).log()
        return -log_p[torch.arange(len(ids) - 1), ids[1:]].mean()


@wrong("08.next_token_loss", "")
class ArgmaxHits:
    def next_token_loss(logits, ids):
        return (logits[:-1].argmax(dim=-1) != ids[1:]).float().mean()


@right("08.next_token_loss")
class CrossEntropyShifted:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:])


@right("08.next_token_loss")
class HuggingFaceShift:
    def next_token_loss(logits, ids):
        shift_logits = logits[..., :-1, :].contiguous()
        shift_labels = ids[..., 1:].contiguous()
        return F.cross_entropy(shift_logits.view(-1, shift_logits.size(-1)), shift_labels.view(-1))


@right("08.next_token_loss")
class LogSumExpInALoop:
    def next_token_loss(logits, ids):
        losses = [torch.logsumexp(row, dim=0) - row[after] for row, after in zip(logits, ids[1:])]
        return torch.stack(losses).mean()


@right("08.next_token_loss")
class PadsTheLastAnswer:
    def next_token_loss(logits, ids):
        answers = torch.cat([ids[1:], torch.tensor([-100])])
        return F.cross_entropy(logits, answers, ignore_index=-100)


# --- 08.adamw_step


@wrong("08.adamw_step", "The means are not corrected for having begun at 0.")
class NotCorrected:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        return w - lr * (m / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "The corrected m and v become the new means.")
class ReturnsTheCorrected:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m = m / (1 - beta1**step)
        v = v / (1 - beta2**step)
        return w - lr * (m / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "The decay is added to the gradient: that's Adam with L2, and not AdamW.")
class AdamWithL2:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        g = g + decay * w
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@wrong("08.adamw_step", "`adamw_step` changed the input that it was given; work on a copy.")
class TorchInPlace:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w.mul_(1 - lr * decay)
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        denom = (v / (1 - beta2**step)).sqrt().add_(eps)
        w.addcdiv_(m / (1 - beta1**step), denom, value=-lr)
        return w, m, v


@wrong("08.adamw_step", "eps is inside the root.")
class EpsUnderTheRoot:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat + eps).sqrt() + decay * w), m, v


@wrong("08.adamw_step", "The root is missing: m is divided by v.")
class NoRoot:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat + eps) + decay * w), m, v


@wrong("08.adamw_step", "The decay isn't multiplied by the rate.")
class DecayWithoutTheRate:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * m_hat / (v_hat.sqrt() + eps) - decay * w, m, v


@wrong("08.adamw_step", "The decay acts after the step, on the new weights.")
class DecaysTheNewWeights:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        w = w - lr * m_hat / (v_hat.sqrt() + eps)
        w = w - lr * decay * w
        return w, m, v


@wrong("08.adamw_step", "Step and decay are both added: the loss would rise, and the weights grow.")
class Uphill:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w + lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "The decay pushes the weights away from 0.")
class DecayAwayFromZero:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) - decay * w), m, v


@wrong("08.adamw_step", "The correction uses step + 1.")
class CountsFromZero:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1 ** (step + 1)), v / (1 - beta2 ** (step + 1))
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "v is a mean of the gradients, not of their squares.")
class NotSquared:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "beta1 and beta2 are swapped.")
class BetasSwapped:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta2 * m + (1 - beta2) * g
        v = beta1 * v + (1 - beta1) * g**2
        m_hat, v_hat = m / (1 - beta2**step), v / (1 - beta1**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "The old means get 1 - beta, and the new gradient beta: the other way around.")
class MixedUpSides:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = (1 - beta1) * m + beta1 * g
        v = (1 - beta2) * v + beta2 * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "The correction multiplies beta by the step, in place of beta to the power of the step.")
class TimesForPower:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1 * step), v / (1 - beta2 * step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "`adamw_step` raised TypeError: unsupported operand type(s) for ^: 'float' and 'int'.")
class CaretForPower:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1 ^ step), v / (1 - beta2 ^ step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "One tensor is returned.")
class OnlyTheWeights:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)


@wrong("08.adamw_step", "The step is made with the old m and v: this step's gradient doesn't reach it.")
class OldMeans:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        w = w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)
        return w, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2


@wrong("08.adamw_step", "v is a mean of m², not of g².")
class SquaresTheMean:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * m**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "`adamw_step` changed the input that it was given; work on a copy.")
class SubtractsInPlace:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        w -= lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)
        return w, m, v


@wrong(
    "08.adamw_step",
    "`m`, `v` and `step` are ignored: each step is a first one",
)
class TorchsOwn:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        p = torch.nn.Parameter(w.clone())
        p.grad = g
        optimizer = torch.optim.AdamW([p], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay)
        optimizer.step()
        state = optimizer.state[p]
        return p.data, state["exp_avg"], state["exp_avg_sq"]


@wrong("08.adamw_step", "Only m is corrected.")
class OnlyMCorrected:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**step)
        return w - lr * (m_hat / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "The decay isn't used.")
class NoDecay:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@wrong("08.adamw_step", "")
class MeansOfTheWholeTensor:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (g**2).mean()
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "eps is missing: where a gradient was always 0, that's 0 / 0.")
class NoEps:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / v_hat.sqrt() + decay * w), m, v


@wrong("08.adamw_step", "Without parentheses, m / 1 - beta1^step is m, minus a power of beta1.")
class CorrectsTheRatioLast:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / 1 - beta1**step, v / 1 - beta2**step
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@right("08.adamw_step")
class TorchsStepSize:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m, v = m.lerp(g, 1 - beta1), beta2 * v + (1 - beta2) * g * g
        step_size = lr / (1 - beta1**step)
        denom = v.sqrt() / math.sqrt(1 - beta2**step) + eps
        return w * (1 - lr * decay) - step_size * m / denom, m, v


@right("08.adamw_step")
class TorchInPlaceOnCopies:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w, m, v = w.clone(), m.clone(), v.clone()
        w.mul_(1 - lr * decay)
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        w.addcdiv_(m / (1 - beta1**step), (v / (1 - beta2**step)).sqrt() + eps, value=-lr)
        return w, m, v


@right("08.adamw_step")
class DifferencesAndAList:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        new_m = m + (1 - beta1) * (g - m)
        new_v = v + (1 - beta2) * (g.square() - v)
        ratio = (new_m / (1 - pow(beta1, step))) / (torch.sqrt(new_v / (1 - pow(beta2, step))) + eps)
        return [w - lr * ratio - lr * decay * w, new_m, new_v]


# --- 08.orthogonalize


@wrong("08.orthogonalize", "A tall matrix comes back transposed.")
class NotTransposedBack:
    def orthogonalize(M, steps=5):
        X = M.T if M.shape[0] > M.shape[1] else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@right("08.orthogonalize")
class TransposedTheOtherWay:
    def orthogonalize(M, steps=5):
        wide = M.shape[0] < M.shape[1]
        X = M.T if wide else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if wide else X


@right("08.orthogonalize")
class NeverTransposed:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "M is divided by its largest singular value.")
class SpectralNorm:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (torch.linalg.matrix_norm(X, 2) + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above 1.3 larger and larger.")
class NotDivided:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "A is made once, before the loop.")
class AOnlyOnce:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        A = X @ X.T
        for _ in range(steps):
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong(
    "08.orthogonalize",
    "X is multiplied from the right: X A, with A = X Xᵀ.",
)
class FromTheRight:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * X @ A + 2.0315 * X @ A @ A
        return X.T if tall else X


@wrong("08.orthogonalize", "Powers are taken entry by entry: `X**3` or `X * X`.")
class StarForAt:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X * X
            X = 3.4445 * X - 4.7750 * A * X + 2.0315 * A * A * X
        return X.T if tall else X


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above 1.3 larger and larger.")
class SquaredEntries:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A**2 @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above 1.3 larger and larger.")
class MinusMinus:
    def orthogonalize(M, steps=5):
        a, b, c = 3.4445, -4.7750, 2.0315
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = a * X - b * A @ X + c * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "The result is in bfloat16, which keeps two or three digits.")
class JordansSixteenBits:
    def orthogonalize(M, steps=5):
        a, b, c = 3.4445, -4.7750, 2.0315
        X = M.bfloat16()
        X = X / (X.norm() + 1e-7)
        if M.size(0) > M.size(1):
            X = X.T
        for _ in range(steps):
            A = X @ X.T
            B = b * A + c * A @ A
            X = a * X + B @ X
        if M.size(0) > M.size(1):
            X = X.T
        return X


@wrong("08.orthogonalize", "This is UVᵀ exactly, from the SVD. All singular values are 1.")
class TheExactOne:
    def orthogonalize(M, steps=5):
        U, S, Vh = torch.linalg.svd(M, full_matrices=False)
        return U @ Vh


@wrong("08.orthogonalize", "There are five rounds, whatever `steps` says.")
class AlwaysFiveRounds:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(5):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "`orthogonalize` changed the input that it was given; work on a copy.")
class DividesInPlace:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X /= X.norm() + 1e-7
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "Only one round runs.")
class ReturnInTheLoopOfRounds:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
            return X.T if tall else X


@wrong("08.orthogonalize", "`orthogonalize` raised RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class GramOfColumns:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X.T @ X
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above 1.3 larger and larger.")
class NormOfEachRow:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm(dim=-1, keepdim=True) + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "X is divided by its norm again in each round.")
class DividesEachRound:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        for _ in range(steps):
            X = X / (X.norm() + 1e-7)
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "The classical coefficients 1.5 and -0.5 are used, as in X · 1.5 - A X / 2.")
class NewtonSchulzOfTextbooks:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            X = 1.5 * X - 0.5 * X @ X.T @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "NaN for a matrix of zeros.")
class NothingAddedToTheNorm:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / X.norm()
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "M is divided by the square of its norm.")
class SumOfSquares:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / ((X**2).sum() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "")
class QrInstead:
    def orthogonalize(M, steps=5):
        if M.shape[0] > M.shape[1]:
            return torch.linalg.qr(M).Q
        return torch.linalg.qr(M.T).Q.T


@wrong("08.orthogonalize", "The result is scaled by √(rows / columns).")
class ScaledLikeMuon:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        X = X.T if tall else X
        return X * max(1, X.size(-2) / X.size(-1)) ** 0.5


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above 1.3 larger and larger.")
class NoQuinticTerm:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ X
        return X.T if tall else X


@wrong(
    "08.orthogonalize",
    "`orthogonalize` raised RuntimeError: The size of tensor a (3) must match the size of tensor b (2)",
)
class AAMinusTheX:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A + 2.0315 * A @ A
        return X.T if tall else X


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above 1.3 larger and larger.")
class OneLetterTwice:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X
            X = X - 4.7750 * A @ X
            X = X + 2.0315 * A @ A @ X
        return X.T if tall else X


@wrong("08.orthogonalize", "`orthogonalize` returned None.")
class PrintsTheMatrix:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        print(X)


@wrong("08.orthogonalize", "`orthogonalize` returns a numpy array; the cells below need a torch tensor.")
class NumpyMatrix:
    def orthogonalize(M, steps=5):
        X = M.numpy()
        tall = X.shape[0] > X.shape[1]
        X = X.T if tall else X
        X = X / (np.linalg.norm(X) + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X.T if tall else X


@right("08.orthogonalize")
class JordanInFullPrecision:
    def orthogonalize(M, steps=5):
        a, b, c = (3.4445, -4.7750, 2.0315)
        X = M.clone()
        if M.size(-2) > M.size(-1):
            X = X.mT
        X = X / (X.norm(dim=(-2, -1), keepdim=True) + 1e-7)
        for _ in range(steps):
            A = X @ X.mT
            B = b * A + c * A @ A
            X = a * X + B @ X
        if M.size(-2) > M.size(-1):
            X = X.mT
        return X


@right("08.orthogonalize")
class CallsItself:
    def orthogonalize(M, steps=5):
        if M.shape[0] > M.shape[1]:
            return JordanInFullPrecision.orthogonalize(M.T, steps).T
        X = M / ((M**2).sum() ** 0.5 + 1e-7)
        while steps:
            A = X @ X.T
            AX = A @ X
            X = 3.4445 * X - 4.7750 * AX + 2.0315 * A @ AX
            steps -= 1
        return X


@right("08.orthogonalize")
class ThePolynomialOfTheSingularValues:
    def orthogonalize(M, steps=5):
        U, s, Vh = torch.linalg.svd(M / (M.norm() + 1e-7), full_matrices=False)
        for _ in range(steps):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        return (U * s) @ Vh


# --- 08.train


@wrong("08.train", "The gradients of all batches add up: nothing clears them.")
class NeverCleared:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The gradients of all batches add up: nothing clears them.")
class ClearedOnceBefore:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        optimizer.zero_grad()
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The weights never change.")
class ClearedBeforeTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.zero_grad()
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "Gradients aren't clipped.")
class ClipsAfterTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            optimizer.step()
            clip_grad_norm_(model.parameters(), 1.0)
            losses.append(now.item())
        return losses


@wrong("08.train", "Gradients aren't clipped.")
class ClipsBeforeBackward:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            clip_grad_norm_(model.parameters(), 1.0)
            now.backward()
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "Gradients aren't clipped.")
class NoClip:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "Each number of the gradient is clipped by itself, which changes its direction.")
class ClipsEachValue:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_value_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "Each parameter is clipped by itself.")
class ClipsEachParameter:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            for p in model.parameters():
                clip_grad_norm_([p], 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The losses are tensors. One that isn't detached keeps its whole forward pass in memory.")
class KeepsTensors:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now)
        return losses


@wrong("08.train", "One number is returned, not a list of losses.")
class OnlyTheLastLoss:
    def train(model, batches, loss, optimizer, schedule):
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return now.item()


@wrong("08.train", "One number is returned, not a list of losses.")
class MeanOfTheLosses:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return sum(losses) / len(losses)


@wrong("08.train", "The schedule is asked for step + 1.")
class CountsFromOne:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches, start=1):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The rate is set after the step: each update uses the rate of the one before.")
class RateAfterTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            losses.append(now.item())
        return losses


@wrong("08.train", "Only the first group's rate is set.")
class FirstGroupOnly:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.param_groups[0]["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The rate is never set: the optimizer keeps the one that it was made with.")
class NoRate:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The rate is never set: the optimizer keeps the one that it was made with.")
class RateAsAnAttribute:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.lr = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The schedule is asked for step 0 each time.")
class RateOnceBeforeTheLoop:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        step = 0
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        for batch in batches:
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
            step += 1
        return losses


@wrong("08.train", "The schedule's rate is multiplied by the old one.")
class RateMultiplied:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] *= schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "Only one loss is returned.")
class ReturnAfterTheFirst:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
            return losses


@wrong("08.train", "`train` raised TypeError: `batches` is a stream: loop over it, as it has no length.")
class LengthOfAStream:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step in range(len(batches)):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batches[step])
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The whole update runs once per group.")
class LoopInTheLoop:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
                optimizer.zero_grad()
                now = loss(model, batch)
                now.backward()
                clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The weights never change.")
class NoBackward:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The weights never change.")
class NoStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            losses.append(now.item())
        return losses


@wrong("08.train", "`train` raised TypeError: 'Tensor' object is not callable.")
class ShadowsTheLoss:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            loss = loss(model, batch)
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        return losses


@wrong("08.train", "`train` raised TypeError: `loss(model, batch)` calls the model: give it the model itself.")
class TheModelIsCalled:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model(batch), batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "`train` raised AttributeError: 'Schedule' object has no attribute 'step'.")
class ScheduleStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "The losses are those after each step.")
class LossAfterTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            loss(model, batch).backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss(model, batch).item())
        return losses


@wrong("08.train", "")
class RunningMean:
    def train(model, batches, loss, optimizer, schedule):
        losses, total = [], 0.0
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += now.item()
            losses.append(total / (step + 1))
        return losses


@wrong("08.train", "Nothing is returned.")
class PrintsEach:
    def train(model, batches, loss, optimizer, schedule):
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            print(step, now.item())


@wrong("08.train", "The weights follow the bare gradient: the optimizer doesn't step.")
class StepsByHand:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            model.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            with torch.no_grad():
                for p in model.parameters():
                    p -= schedule(step) * p.grad
            losses.append(now.item())
        return losses


@wrong("08.train", "Gradients aren't clipped.")
class NormOfTen:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            losses.append(now.item())
        return losses


@right("08.train")
class ModelClears:
    def train(model, batches, loss, optimizer, schedule):
        losses, step = [], 0
        for batch in batches:
            rate = schedule(step)
            for group in optimizer.param_groups:
                group.update(lr=rate)
            model.zero_grad(set_to_none=True)
            now = loss(model, batch)
            now.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            losses += [float(now)]
            step += 1
        return losses


@right("08.train")
class ClearsBetweenLossAndBackward:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            now = loss(model, batch)
            losses.append(now.detach().item())
            optimizer.zero_grad()
            now.backward()
            clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
        return losses


@right("08.train")
class ClipsByHand:
    def train(model, batches, loss, optimizer, schedule):
        def one(step, batch):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            grads = [p.grad for p in model.parameters() if p.grad is not None]
            norm = sum((g**2).sum() for g in grads) ** 0.5
            if norm > 1:
                for g in grads:
                    g /= norm + 1e-6
            optimizer.step()
            return now.item()

        return [one(step, batch) for step, batch in enumerate(batches)]


@right("08.train")
class TensorsTurnedIntoNumbersAtTheEnd:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(now.detach())
        return torch.stack(losses).tolist()
