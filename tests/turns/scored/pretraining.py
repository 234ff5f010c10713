"""Answers to the turns of lesson 08, written from the text of its stubs alone, before the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_
from turn_answers import right, wrong

A, B, C = 3.4445, -4.7750, 2.0315

# --- 08.next_token_loss


@wrong("08.next_token_loss", "")
class NotShifted:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits, ids)


@wrong("08.next_token_loss", "")
class ShiftedTheWrongWay:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[1:], ids[:-1])


@wrong("08.next_token_loss", "")
class CutButNotShifted:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[:-1])


@wrong("08.next_token_loss", "")
class CutAtTheFront:
    def next_token_loss(logits, ids):
        log_p = logits.log_softmax(-1)
        return -log_p[1:].gather(1, ids[1:, None]).mean()


@wrong("08.next_token_loss", "")
class SoftmaxThenLog:
    def next_token_loss(logits, ids):
        p = logits.softmax(-1)
        return -torch.log(p[:-1].gather(1, ids[1:, None])).mean()


@wrong("08.next_token_loss", "")
class ExpOverSum:
    def next_token_loss(logits, ids):
        powers = torch.exp(logits)
        p = powers / powers.sum(-1, keepdim=True)
        return -p[torch.arange(len(ids) - 1), ids[1:]].log().mean()


@wrong("08.next_token_loss", "")
class SoftmaxTwice:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits.softmax(-1)[:-1], ids[1:])


@wrong("08.next_token_loss", "")
class WithoutTheMinus:
    def next_token_loss(logits, ids):
        return logits.log_softmax(-1)[:-1].gather(1, ids[1:, None]).mean()


@wrong("08.next_token_loss", "")
class TheSum:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:], reduction="sum")


@wrong("08.next_token_loss", "")
class OverT:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:], reduction="sum") / len(ids)


@wrong("08.next_token_loss", "")
class OnePerPosition:
    def next_token_loss(logits, ids):
        return -logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0]


@wrong("08.next_token_loss", "")
class AnItem:
    def next_token_loss(logits, ids):
        total = 0.0
        for t in range(len(ids) - 1):
            total -= logits[t].log_softmax(-1)[ids[t + 1]].item()
        return total / (len(ids) - 1)


@wrong("08.next_token_loss", "")
class RolledAround:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits, ids.roll(-1))


@wrong("08.next_token_loss", "")
class AcrossThePositions:
    def next_token_loss(logits, ids):
        return -logits.log_softmax(0)[:-1].gather(1, ids[1:, None]).mean()


@wrong("08.next_token_loss", "")
class EveryColumn:
    def next_token_loss(logits, ids):
        return -logits.log_softmax(-1)[:-1, ids[1:]].mean()


@wrong("08.next_token_loss", "")
class AllLogProbabilities:
    def next_token_loss(logits, ids):
        return -logits[:-1].log_softmax(-1).mean()


@wrong("08.next_token_loss", "")
class InBits:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:]) / math.log(2)


@wrong("08.next_token_loss", "")
class NanoGPTs:
    def next_token_loss(logits, ids):
        B, T, V = logits.shape
        return F.cross_entropy(logits.view(B * T, V), ids.view(B * T))


@wrong("08.next_token_loss", "")
class ProbabilitiesNotLogs:
    def next_token_loss(logits, ids):
        return -logits.softmax(-1)[:-1].gather(1, ids[1:, None]).mean()


@wrong("08.next_token_loss", "")
class LossOfTheLogits:
    def next_token_loss(logits, ids):
        return -logits[:-1].gather(1, ids[1:, None]).mean()


@wrong("08.next_token_loss", "")
class Numpy:
    def next_token_loss(logits, ids):
        x = logits.detach().numpy()
        log_p = x - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)) - x.max(-1, keepdims=True)
        return -log_p[np.arange(len(ids) - 1), ids[1:].numpy()].mean()


@wrong("08.next_token_loss", "")
class TwoAhead:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-2], ids[2:])


@right("08.next_token_loss")
class ByIndexing:
    def next_token_loss(logits, ids):
        log_p = F.log_softmax(logits, dim=-1)
        T = ids.shape[0]
        return -log_p[torch.arange(T - 1), ids[1:]].mean()


@right("08.next_token_loss")
class LogSumExp:
    def next_token_loss(logits, ids):
        before, after = logits[:-1], ids[1:]
        came = before.gather(-1, after.unsqueeze(-1)).squeeze(-1)
        return (before.logsumexp(dim=-1) - came).mean()


@right("08.next_token_loss")
class NllLoss:
    def next_token_loss(logits, ids):
        return F.nll_loss(torch.log_softmax(logits[: len(ids) - 1], 1), ids[1:])


# --- 08.adamw_step


@wrong("08.adamw_step", "")
class NoCorrection:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        return w - lr * (m / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class DecayInTheGradient:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        g = g + decay * w
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@wrong("08.adamw_step", "")
class CountedFromZero:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1 ** (step + 1)), v / (1 - beta2 ** (step + 1))
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class EpsInTheRoot:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat + eps).sqrt() + decay * w), m, v


@wrong("08.adamw_step", "")
class NoDecay:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@wrong("08.adamw_step", "")
class DecayWithoutTheRate:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - decay * w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@wrong("08.adamw_step", "")
class NoRoot:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class NotSquared:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g.abs()
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class Uphill:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w * (1 - lr * decay) + lr * m_hat / (v_hat.sqrt() + eps), m, v


@wrong("08.adamw_step", "")
class OneMinusSwapped:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = (1 - beta1) * m + beta1 * g
        v = (1 - beta2) * v + beta2 * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class BetasSwapped:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta2 * m + (1 - beta2) * g
        v = beta1 * v + (1 - beta1) * g**2
        m_hat, v_hat = m / (1 - beta2**step), v / (1 - beta1**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class TheHatsAreKept:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = (beta1 * m + (1 - beta1) * g) / (1 - beta1**step)
        v = (beta2 * v + (1 - beta2) * g**2) / (1 - beta2**step)
        return w - lr * (m / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class OldMeans:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        new_m = beta1 * m + (1 - beta1) * g
        new_v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), new_m, new_v


@wrong("08.adamw_step", "")
class OnlyTheWeights:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)


@wrong("08.adamw_step", "")
class InPlace:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w.mul_(1 - lr * decay)
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        w.sub_(lr * m_hat / (v_hat.sqrt() + eps))
        return w, m, v


@wrong("08.adamw_step", "")
class FixedBetas:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.999**step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class TimesStep:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1 * step), v / (1 - beta2 * step)
        return w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class OnlyVCorrected:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        v_hat = v / (1 - beta2**step)
        return w - lr * (m / (v_hat.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "")
class PlainSgd:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        return w - lr * g - lr * decay * w, m, v


@right("08.adamw_step")
class DecayFirst:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w = w * (1 - lr * decay)
        m = m + (1 - beta1) * (g - m)
        v = v + (1 - beta2) * (g * g - v)
        m_hat = m / (1 - beta1**step)
        v_hat = v / (1 - beta2**step)
        return w - lr * m_hat / (torch.sqrt(v_hat) + eps), m, v


@right("08.adamw_step")
class AsTorchDoes:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m, v = m.lerp(g, 1 - beta1), (v * beta2).addcmul(g, g, value=1 - beta2)
        denominator = v.sqrt() / math.sqrt(1 - beta2**step) + eps
        return (w * (1 - lr * decay)).addcdiv(m, denominator, value=-lr / (1 - beta1**step)), m, v


@right("08.adamw_step")
class InPlaceOnCopies:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w, m, v = w.clone(), m.clone(), v.clone()
        w -= lr * decay * w
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g.square()
        w -= lr * (m / (1 - beta1**step)) / ((v / (1 - beta2**step)) ** 0.5 + eps)
        return [w, m, v]


# --- 08.orthogonalize


@wrong("08.orthogonalize", "")
class NoNorm:
    def orthogonalize(M, steps=5):
        X = M.T if M.shape[0] > M.shape[1] else M
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X.T if M.shape[0] > M.shape[1] else X


@wrong("08.orthogonalize", "")
class NotTurnedBack:
    def orthogonalize(M, steps=5):
        X = M.T if M.shape[0] > M.shape[1] else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class OneStep:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
            return X


@wrong("08.orthogonalize", "")
class AlwaysFive:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(5):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class RowByRow:
    def orthogonalize(M, steps=5):
        X = M / (M.norm(dim=-1, keepdim=True) + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class NoCube:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S
        return X


@wrong("08.orthogonalize", "")
class SquaredEntries:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * (S * S) @ X
        return X


@wrong("08.orthogonalize", "")
class NormInside:
    def orthogonalize(M, steps=5):
        X = M
        for _ in range(steps):
            X = X / (X.norm() + 1e-7)
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class PlusB:
    def orthogonalize(M, steps=5):
        a, b, c = 3.4445, 4.7750, 2.0315
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = a * X + b * S @ X + c * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class OldA:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        S = X @ X.T
        for _ in range(steps):
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class Exactly:
    def orthogonalize(M, steps=5):
        U, S, V = torch.linalg.svd(M, full_matrices=False)
        return U @ V


@wrong("08.orthogonalize", "")
class Qr:
    def orthogonalize(M, steps=5):
        return torch.linalg.qr(M)[0]


@wrong("08.orthogonalize", "")
class OneNorm:
    def orthogonalize(M, steps=5):
        X = M / (M.abs().sum() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class LargestEntry:
    def orthogonalize(M, steps=5):
        X = M / (M.abs().max() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class SquaredNorm:
    def orthogonalize(M, steps=5):
        X = M / (M.square().sum() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class ColumnsFirst:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            S = X.T @ X
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class NothingAgainstZero:
    def orthogonalize(M, steps=5):
        X = M / M.norm()
        for _ in range(steps):
            S = X @ X.T
            X = A * X + B * S @ X + C * S @ S @ X
        return X


@wrong("08.orthogonalize", "")
class ElementByElement:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            X = A * X + B * X**3 + C * X**5
        return X


@right("08.orthogonalize")
class WithoutTurning:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            X = A * X + (B * S + C * S @ S) @ X
        return X


@right("08.orthogonalize")
class KellersOwn:
    def orthogonalize(M, steps=5):
        X = M.clone()
        if M.size(0) > M.size(1):
            X = X.T
        X = X / (torch.sqrt((X * X).sum()) + 1e-7)
        for _ in range(steps):
            S = X @ X.T
            Y = B * S + C * S @ S
            X = A * X + Y @ X
        if M.size(0) > M.size(1):
            X = X.T
        return X


@right("08.orthogonalize")
class BySingularValues:
    def orthogonalize(M, steps=5):
        U, s, V = torch.linalg.svd(M / (M.norm() + 1e-7), full_matrices=False)
        for _ in range(steps):
            s = A * s + B * s**3 + C * s**5
        return U @ torch.diag(s) @ V


# --- 08.train


@wrong("08.train", "")
class NoZeroGrad:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class ZeroGradBeforeTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            now = loss(model, batch)
            now.backward()
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class StepBeforeBackward:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            losses.append(now.item())
        return losses


@wrong("08.train", "")
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


@wrong("08.train", "")
class NoClip:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class ClipBeforeBackward:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            clip_grad_norm_(model.parameters(), 1.0)
            now.backward()
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class LossesAsTensors:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now)
        return losses


@wrong("08.train", "")
class NoSchedule:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(now))
        return losses


@wrong("08.train", "")
class CountedFromOne:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches, start=1):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class ReturnInTheLoop:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
            return losses


@wrong("08.train", "")
class OnlyTheLast:
    def train(model, batches, loss, optimizer, schedule):
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
        return now.item()


@wrong("08.train", "")
class ZeroGradOnce:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        optimizer.zero_grad()
        for step, batch in enumerate(batches):
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class ByIndex:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step in range(len(batches)):
            optimizer.zero_grad()
            now = loss(model, batches[step])
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class AFieldOfTheOptimizer:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.lr = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class NoBackward:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class LossAfterTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            loss(model, batch).backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(loss(model, batch).item())
        return losses


@wrong("08.train", "")
class ClipsValues:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "")
class TheModelCalled:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model(batch), batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            losses.append(now.item())
        return losses


@right("08.train")
class ZeroGradAtTheEnd:
    def train(model, batches, loss, optimizer, schedule):
        losses, step = [], 0
        optimizer.zero_grad(set_to_none=True)
        for batch in batches:
            for group in optimizer.param_groups:
                group.update(lr=schedule(step))
            now = loss(model, batch)
            now.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(now))
            step += 1
        return losses


@right("08.train")
class ModelZeroGrad:
    def train(model, batches, loss, optimizer, schedule):
        model.train()
        found = []
        for k, batch in enumerate(batches):
            model.zero_grad()
            value = loss(model, batch)
            found.append(value.detach().item())
            value.backward()
            norm = sum(p.grad.square().sum() for p in model.parameters()).sqrt()
            for p in model.parameters():
                p.grad *= min(1.0, 1.0 / (float(norm) + 1e-6))
            optimizer.param_groups[0]["lr"] = schedule(k)
            for group in optimizer.param_groups[1:]:
                group["lr"] = schedule(k)
            optimizer.step()
        return found


@right("08.train")
class AnIterator:
    def train(model, batches, loss, optimizer, schedule):
        def update(step, batch):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.step()
            return now.item()

        return [update(*pair) for pair in enumerate(batches)]
