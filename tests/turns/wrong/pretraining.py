"""Wrong answers to the turns of lesson 08, as they were typed while trying the page, and what they are told."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_
from turn_answers import wrong

# --- 08.next_token_loss


@wrong("08.next_token_loss", "Expected input batch_size")
class LogitsNotCut:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits, ids[1:])


@wrong("08.next_token_loss", "out of bounds")
class OneTooFar:
    def next_token_loss(logits, ids):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[t, ids[t + 1]] for t in range(len(ids))) / len(ids)


@wrong("08.next_token_loss", "too many indices")
class WithABatch:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


@wrong("08.next_token_loss", "Index tensor must have the same")
class GatherOfAVector:
    def next_token_loss(logits, ids):
        return -logits.log_softmax(-1)[:-1].gather(1, ids[1:]).mean()


@wrong("08.next_token_loss", "name 'targets' is not defined")
class AnotherName:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], targets[1:])  # noqa: F821


@wrong("08.next_token_loss", "converted to")
class AllIdsAtOnce:
    def next_token_loss(logits, ids):
        return -logits.log_softmax(-1)[0][int(ids)]


@wrong("08.next_token_loss", "math domain error")
class LogByMath:
    def next_token_loss(logits, ids):
        p = logits.softmax(-1)
        total = sum(-math.log(float(p[t, ids[t + 1]])) for t in range(len(ids) - 1))
        return torch.tensor(total / (len(ids) - 1))


@wrong("08.next_token_loss", "not implemented for")
class SoftmaxOfTheIds:
    def next_token_loss(logits, ids):
        return (ids[1:].log_softmax(-1) * logits[:-1, 0]).mean()


@wrong("08.next_token_loss", "one by one")
class TokenByToken:
    def next_token_loss(logits, ids):
        total = torch.zeros(())
        for t in range(len(ids) - 1):
            top = logits[t].max()
            powers = torch.zeros(())
            for logit in logits[t]:
                powers = powers + (logit - top).exp()
            total = total + top + powers.log() - logits[t, ids[t + 1]]
        return total / (len(ids) - 1)


@wrong("08.next_token_loss", "`logits` gets no gradient")
class ANewTensor:
    def next_token_loss(logits, ids):
        losses = [F.cross_entropy(row, answer).item() for row, answer in zip(logits[:-1], ids[1:], strict=True)]
        return torch.tensor(losses).mean()


@wrong("08.next_token_loss", "returned None")
class Printed:
    def next_token_loss(logits, ids):
        print(F.cross_entropy(logits[:-1], ids[1:]))


@wrong("08.next_token_loss", "can't fall below 1e-10")
class ASmallNumber:
    def next_token_loss(logits, ids):
        p = logits.softmax(-1)[torch.arange(len(ids) - 1), ids[1:]]
        return -(p + 1e-10).log().mean()


# --- 08.adamw_step


@wrong("08.adamw_step", "ZeroDivisionError")
class CountedDown:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        correction = 1 / (1 - beta1 ** (step - 1))
        return w - lr * (m * correction / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "name 'grad' is not defined")
class TheGradientsName:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * grad  # noqa: F821
        return w, m, v


@wrong("08.adamw_step", "'NoneType'")
class TheAttribute:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * w.grad
        v = beta2 * v + (1 - beta2) * w.grad**2
        return w - lr * m / (v.sqrt() + eps), m, v


@wrong("08.adamw_step", "only one element tensors")
class RootByMath:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        return w - lr * (m / (math.sqrt(v) + eps) + decay * w), m, v


@wrong("08.adamw_step", "leaf Variable")
class AsAParameter:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w = torch.nn.Parameter(w)
        w -= lr * g
        return w, m, v


@wrong("08.adamw_step", "must match")
class MeansJoined:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        both = torch.cat([m.flatten(), v.flatten()])
        return w.flatten() - lr * both, m, v


@wrong("08.adamw_step", "The corrected m and v become")
class HatsReturned:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m_hat = (beta1 * m + (1 - beta1) * g) / (1 - beta1**step)
        v_hat = (beta2 * v + (1 - beta2) * g**2) / (1 - beta2**step)
        return w * (1 - lr * decay) - lr * m_hat / (v_hat.sqrt() + eps), m_hat, v_hat


@wrong("08.adamw_step", "in another order")
class MeansFirst:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - lr * (m / (1 - beta1**step) / ((v / (1 - beta2**step)).sqrt() + eps) + decay * w)
        return m, v, w


@wrong("08.adamw_step", "SGD with decay")
class FollowsTheGradient:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        return w - lr * (g + decay * w), m, v


# --- 08.orthogonalize


@wrong("08.orthogonalize", "changed the input")
class DividedInPlace:
    def orthogonalize(M, steps=5):
        M /= M.norm() + 1e-7
        for _ in range(steps):
            A = M @ M.T
            M = 3.4445 * M - 4.7750 * A @ M + 2.0315 * A @ A @ M
        return M


@wrong("08.orthogonalize", "cannot be multiplied")
class WithoutTheTranspose:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "name 'X' is not defined")
class NoBeginning:
    def orthogonalize(M, steps=5):
        for _ in range(steps):
            A = X @ X.T  # noqa: F821
        return A


@wrong("08.orthogonalize", "Dimension out of range")
class MTransposed:
    def orthogonalize(M, steps=5):
        X = M.transpose(1, 2) / M.norm()
        return X


@wrong("08.orthogonalize", "not callable")
class ShapeCalled:
    def orthogonalize(M, steps=5):
        rows, columns = M.shape()
        return M


@wrong("08.orthogonalize", "numpy")
class NumpysNorm:
    def orthogonalize(M, steps=5):
        X = M / (np.linalg.norm(M.numpy()) + 1e-7)
        return np.array(X).norm()


@wrong("08.orthogonalize", "not finished")
class WhileTrue:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        while steps:
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "explode")
class NotDivided:
    def orthogonalize(M, steps=5):
        X = M
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "is in bfloat16")
class KellerJordansOwn:
    def orthogonalize(M, steps=5):
        X = M.bfloat16()
        if M.size(0) > M.size(1):
            X = X.T
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X + (-4.7750 * A + 2.0315 * A @ A) @ X
        return X.T if M.size(0) > M.size(1) else X


# --- 08.train


@wrong("08.train", "takes the model and a batch")
class LossOfLogits:
    def train(model, batches, loss, optimizer, schedule):
        return [loss(batch, model).item() for batch in batches]


@wrong("08.train", "takes the number of the update")
class ScheduleOfABatch:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for batch in batches:
            optimizer.param_groups[0]["lr"] = schedule(batch)
            losses.append(loss(model, batch).item())
        return losses


@wrong("08.train", "name 'step' is not defined")
class NothingCounted:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for batch in batches:
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)  # noqa: F821
            losses.append(loss(model, batch).item())
        return losses


@wrong("08.train", "second time")
class BackwardTwice:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            now = loss(model, batch)
            now.backward()
            now.backward()
            losses.append(now.item())
        return losses


@wrong("08.train", "'float' object has no attribute 'backward'")
class ItemFirst:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            now = loss(model, batch).item()
            now.backward()
            losses.append(now)
        return losses


@wrong("08.train", "'NoneType'")
class ClippedByHandTooEarly:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            norm = sum(p.grad.square().sum() for p in model.parameters()).sqrt()
            now = loss(model, batch)
            now.backward()
            losses.append(now.item() + 0 * float(norm))
        return losses


@wrong("08.train", "unexpected keyword")
class RateOfTheStep:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step(lr=schedule(step))
            losses.append(now.item())
        return losses


@wrong("08.train", "too many values to unpack")
class InputsAndTargets:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, (x, y) in enumerate(batches):
            optimizer.zero_grad()
            now = F.cross_entropy(model(x), y)
            now.backward()
            optimizer.step()
            losses.append(now.item())
        return losses


@wrong("08.train", "'Schedule' object has no attribute 'step'")
class TorchsScheduler:
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


@wrong("08.train", "'Tensor' object is not callable")
class LossHidden:
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


@wrong("08.train", "A tensor is returned")
class ATensorOfLosses:
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
        return torch.tensor(losses)


@wrong("08.train", "One number is returned")
class TheMean:
    def train(model, batches, loss, optimizer, schedule):
        total, n = 0.0, 0
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
            optimizer.zero_grad()
            now = loss(model, batch)
            now.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, n = total + now.item(), n + 1
        return total / max(n, 1)
