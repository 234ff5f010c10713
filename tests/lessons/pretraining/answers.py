"""Answers to the turns and questions of lesson 08; `tools/choose_answers.py` chose them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong
from torch.nn.utils import clip_grad_norm_


@right("08.next_token_loss")
class PositionByPosition:
    def next_token_loss(logits, ids):
        losses = []
        for t in range(len(ids) - 1):
            losses.append(-logits[t].log_softmax(-1)[ids[t + 1]])
        return sum(losses) / len(losses)


@right("08.next_token_loss")
class CrossEntropyShifted:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:])


@wrong("08.next_token_loss", "Expected input batch_size")
class LogitsNotCut:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits, ids[1:])


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


@wrong("08.next_token_loss", "not implemented for")
class SoftmaxOfTheIds:
    def next_token_loss(logits, ids):
        return (ids[1:].log_softmax(-1) * logits[:-1, 0]).mean()


@wrong("08.next_token_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class AsANumber:
    def next_token_loss(logits, ids):
        return F.cross_entropy(logits[:-1], ids[1:]).item()


@wrong("08.next_token_loss", "The result has ")
class ArgmaxHits:
    def next_token_loss(logits, ids):
        return (logits[:-1].argmax(dim=-1) != ids[1:]).float().mean()


@wrong("08.next_token_loss", "out of bounds")
class OneTooFar:
    def next_token_loss(logits, ids):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[t, ids[t + 1]] for t in range(len(ids))) / len(ids)


@wrong("08.next_token_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class LogOfSoftmax:
    def next_token_loss(logits, ids):
        p = logits[:-1].softmax(dim=-1)
        return -p[torch.arange(len(ids) - 1), ids[1:]].log().mean()


@wrong("08.next_token_loss", "math domain error")
class LogByMath:
    def next_token_loss(logits, ids):
        p = logits.softmax(-1)
        total = sum(-math.log(float(p[t, ids[t + 1]])) for t in range(len(ids) - 1))
        return torch.tensor(total / (len(ids) - 1))


@right("08.adamw_step")
class NumpyAndBack:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        W, G, M, V = (x.double().numpy() for x in (w, g, m, v))
        M = beta1 * M + (1 - beta1) * G
        V = beta2 * V + (1 - beta2) * G * G
        W = W - lr * ((M / (1 - beta1**step)) / ((V / (1 - beta2**step)) ** 0.5 + eps) + decay * W)
        return tuple(torch.from_numpy(x).to(w.dtype) for x in (W, M, V))


@right("08.adamw_step")
class TorchInPlaceOnCopies:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        w, m, v = w.clone(), m.clone(), v.clone()
        w.mul_(1 - lr * decay)
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        w.addcdiv_(m / (1 - beta1**step), (v / (1 - beta2**step)).sqrt() + eps, value=-lr)
        return w, m, v


@wrong("08.adamw_step", "name 'grad' is not defined")
class TheGradientsName:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * grad  # noqa: F821
        return w, m, v


@wrong("08.adamw_step", "`m` and `v` come back as they came in. Return the new means: the next step")
class PlainSgd:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        return w - lr * g - lr * decay * w, m, v


@wrong("08.adamw_step", "must match")
class MeansJoined:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        both = torch.cat([m.flatten(), v.flatten()])
        return w.flatten() - lr * both, m, v


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


@wrong("08.adamw_step", "ZeroDivisionError")
class CountedDown:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        correction = 1 / (1 - beta1 ** (step - 1))
        return w - lr * (m * correction / (v.sqrt() + eps) + decay * w), m, v


@wrong("08.adamw_step", "`adamw_step` changed the input that it was given; work on a copy.")
class SubtractsInPlace:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        w -= lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)
        return w, m, v


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


@wrong("08.orthogonalize", "Dimension out of range")
class MTransposed:
    def orthogonalize(M, steps=5):
        X = M.transpose(1, 2) / M.norm()
        return X


@wrong("08.orthogonalize", "The result has ")
class Qr:
    def orthogonalize(M, steps=5):
        return torch.linalg.qr(M)[0]


@wrong("08.orthogonalize", "not callable")
class ShapeCalled:
    def orthogonalize(M, steps=5):
        rows, columns = M.shape()
        return M


@wrong("08.orthogonalize", "`orthogonalize` raised AttributeError")
class NumpysNorm:
    def orthogonalize(M, steps=5):
        X = M / (np.linalg.norm(M.numpy()) + 1e-7)
        return np.array(X).norm()


@wrong("08.orthogonalize", "name 'X' is not defined")
class NoBeginning:
    def orthogonalize(M, steps=5):
        for _ in range(steps):
            A = X @ X.T  # noqa: F821
        return A


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


@wrong("08.orthogonalize", "not finished")
class WhileTrue:
    def orthogonalize(M, steps=5):
        X = M / (M.norm() + 1e-7)
        while steps:
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "The numbers explode: a round makes singular values above ")
class NotDivided:
    def orthogonalize(M, steps=5):
        X = M
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "A tall matrix comes back transposed.")
class NotTransposedBack:
    def orthogonalize(M, steps=5):
        X = M.T if M.shape[0] > M.shape[1] else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        return X


@wrong("08.orthogonalize", "X is multiplied from the right: X A, with A = X Xᵀ.")
class FromTheRight:
    def orthogonalize(M, steps=5):
        tall = M.shape[0] > M.shape[1]
        X = M.T if tall else M
        X = X / (X.norm() + 1e-7)
        for _ in range(steps):
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * X @ A + 2.0315 * X @ A @ A
        return X.T if tall else X


# Once refused: `train` raised RuntimeError: stack expects a non-empty TensorList.
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


@wrong("08.train", "'float' object has no attribute 'backward'")
class ItemFirst:
    def train(model, batches, loss, optimizer, schedule):
        losses = []
        for step, batch in enumerate(batches):
            now = loss(model, batch).item()
            now.backward()
            losses.append(now)
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


# Once accepted
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


# Once accepted
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


# Once accepted
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


# Once accepted
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


@right("08.1")
def decay_all_seeds_at_once(starts, batches, validation, rate):
    S, N, B, T = batches.shape
    seed = torch.arange(S)[:, None, None]

    def per_seed(tables, ids):
        log_p = tables.log_softmax(-1)
        return -log_p[seed, ids[..., :-1], ids[..., 1:]].mean((1, 2))

    ends = []
    for falling in (False, True):
        tables = starts.clone()
        for k in range(N):
            tables = tables.detach().requires_grad_()
            (grad,) = torch.autograd.grad(per_seed(tables, batches[:, k]).sum(), tables)
            tables = tables - (rate * (1 - k / N) if falling else rate) * grad
        ends.append(per_seed(tables.detach().double(), validation.expand(S, *validation.shape)))
    g = ends[0] - ends[1]
    return float(g.mean()), float(np.std(g.numpy(), ddof=1) / np.sqrt(S)) if S > 1 else float("nan")


def nll(table, ids):
    return F.cross_entropy(table[ids[:, :-1]].flatten(0, 1), ids[:, 1:].flatten())


def both_rates(rate, n):
    return [rate] * n, [rate * (1 - k / n) for k in range(n)]


def with_error(gains):
    return gains.mean().item(), (gains.std() / len(gains) ** 0.5).item()


@wrong("08.1", "decay_gain changed the input that it was given; work")
def in_place(starts, batches, validation, rate):
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        ends = []
        for rates in both_rates(rate, len(texts)):
            for each, ids in zip(rates, texts, strict=True):
                table = start.detach().requires_grad_()
                (slope,) = torch.autograd.grad(nll(table, ids), table)
                start -= each * slope
            ends.append(nll(start, validation).item())
        gains.append(ends[0] - ends[1])
    return with_error(torch.tensor(gains))


def both(batches, rate):
    N = len(batches)
    return [rate] * N, [rate * (1 - k / N) for k in range(N)]


@wrong("08.1", "With logits in the hundreds, the result is NaN or infinite: a probability is")
def decay_log_of_softmax(starts, batches, validation, rate):
    def loss(table, ids):
        p = table.softmax(-1)[ids[:, :-1], ids[:, 1:]]
        return -p.log().mean()

    gains = []
    for start, own in zip(starts, batches):
        ends = []
        for rates in both(own, rate):
            table = start.clone()
            for batch, r in zip(own, rates):
                table = table.detach().requires_grad_()
                table = table - r * torch.autograd.grad(loss(table, batch), table)[0]
            ends.append(loss(table, validation).item())
        gains.append(ends[0] - ends[1])
    g = torch.tensor(gains, dtype=torch.float64)
    return g.mean().item(), g.std().item() / len(g) ** 0.5 if len(g) > 1 else math.nan


@right("08.2")
def logsumexp_minus_the_right_logit(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    leaf = torch.nn.Parameter(weight.detach().clone())
    total = 0.0
    for x, targets in parts:
        logits = torch.einsum("nc,vc->nv", x, leaf)
        the_right_one = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        each = torch.logsumexp(logits, dim=1) - the_right_one
        loss = torch.where(targets == -100, torch.zeros_like(each), each).sum() / n
        loss.backward()
        total += float(loss)
    return total, leaf.grad.clone()


@right("08.2")
def by_hand(weight, parts):
    total, gradient, n = 0.0, np.zeros(weight.shape), 0
    for x, targets in parts:
        for vector, target in zip(x.double().numpy(), targets.tolist(), strict=True):
            if target < 0:
                continue
            logits = weight.double().numpy() @ vector
            p = np.exp(logits - logits.max())
            p /= p.sum()
            total -= math.log(p[target])
            p[target] -= 1
            gradient += np.outer(p, vector)
            n += 1
    return total / n, (gradient / n).tolist()


@wrong("08.2", "is not written yet")
def not_written(weight, parts):
    raise NotImplementedError()


def loss_of(weight, x, targets, reduction="mean"):
    return F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction=reduction)


@wrong("08.2", "The result")
def without_a_gradient(weight, parts):
    n = sum((targets != -100).sum().item() for _, targets in parts)
    return sum(loss_of(weight, *part, reduction="sum").item() for part in parts) / n


@wrong("08.2", "`gradient` is right. `loss` has ")
def loss_of_the_last(weight, parts):
    weight = weight.clone().requires_grad_()
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight.T, targets, ignore_index=-100, reduction="sum") / n
        loss.backward()
    return loss.item(), weight.grad


@wrong("08.2", "The sum over all tokens isn't divided by anything.")
def gradient_of_the_sum(weight, parts):
    w = weight.clone().requires_grad_()
    total, n = 0.0, 0
    for x, targets in parts:
        loss = F.cross_entropy(x @ w.T, targets, reduction="sum")
        loss.backward()
        total += loss.item()
        n += int(targets.ne(-100).sum())
    return total / n, w.grad


@wrong("08.2", "`loss` is right. `gradient` is transposed: its rows should be its columns.")
def gradient_lies_on_its_side(weight, parts):
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    head = weight.T.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(x @ head, targets, reduction="sum") / n
        loss.backward()
        total += loss.item()
    return total, head.grad


@right("08.3")
def numpy_windows(training, validation, n):
    def windows(doc):
        if len(doc) < n:
            return np.zeros((0, n), dtype=np.int64)
        return np.lib.stride_tricks.sliding_window_view(np.asarray(doc, dtype=np.int64), n)

    runs = {w.tobytes() for doc in training for w in windows(doc)}
    shares = []
    for doc in validation:
        change = np.zeros(len(doc) + 1, dtype=np.int64)
        for t, w in enumerate(windows(doc)):
            if w.tobytes() in runs:
                change[t] += 1
                change[t + n] -= 1
        covered = np.cumsum(change)[: len(doc)] > 0
        shares.append(float(covered.mean()) if len(doc) else 0.0)
    return shares


@wrong("08.3", "seen_before raised ZeroDivisionError")
def empty_document_raises(training, validation, n):
    runs = {tuple(b[t : t + n]) for b in training for t in range(len(b) - n + 1)}
    shares = []
    for d in validation:
        covered = {t + i for t in range(len(d) - n + 1) if tuple(d[t : t + n]) in runs for i in range(n)}
        shares.append(len(covered) / len(d))
    return shares


@wrong("08.3", "It's one number for all documents together. Return a list with a share for each")
def one_number_for_all(training, validation, n):
    runs = {tuple(doc[t : t + n]) for doc in training for t in range(len(doc) - n + 1)}
    read_tokens = all_tokens = 0
    for doc in validation:
        read = [False] * len(doc)
        for t in range(len(doc) - n + 1):
            if tuple(doc[t : t + n]) in runs:
                read[t : t + n] = [True] * n
        read_tokens += sum(read)
        all_tokens += len(doc)
    return read_tokens / all_tokens if all_tokens else 0.0


@right("08.4")
def two_factors(gradient, row, column, step, beta2, longest):
    squares = gradient * gradient
    row = torch.lerp(squares.mean(dim=1), row, beta2)
    column = torch.lerp(squares.mean(dim=0), column, beta2)
    by_row = (row / row.mean()).sqrt()
    by_column = (column / (1 - beta2**step)).sqrt()
    update = gradient / torch.einsum("r,c->rc", by_row, by_column).add(1e-8)
    return update / (update.pow(2).mean().sqrt() / longest).clamp(min=1), row, column


@right("08.4")
def factored_numpy(gradient, row, column, step, beta2, longest):
    g = gradient.double().numpy()
    R, C = g.shape
    new_row = np.array([beta2 * r + (1 - beta2) * (g[i] @ g[i]) / C for i, r in enumerate(row.tolist())])
    new_column = np.array([beta2 * c + (1 - beta2) * (g[:, j] @ g[:, j]) / R for j, c in enumerate(column.tolist())])
    scale = np.sqrt(new_row.sum() / R * -np.expm1(step * np.log(beta2))) if beta2 > 0 else np.sqrt(new_row.mean())
    update = np.empty_like(g)
    for i in range(R):
        for j in range(C):
            update[i, j] = g[i, j] / (np.sqrt(new_row[i]) * np.sqrt(new_column[j]) / scale + 1e-8)
    rms = np.linalg.norm(update) / np.sqrt(R * C)
    if rms > longest:
        update *= longest / rms
    return tuple(torch.from_numpy(one).to(gradient.dtype) for one in (update, new_row, new_column))


@wrong("08.4", "factored_step changed the input that it was given; work on a copy. It happens")
def means_in_place(gradient, row, column, step, beta2, longest):
    row.mul_(beta2).add_(gradient.square().mean(-1), alpha=1 - beta2)
    column.mul_(beta2).add_(gradient.square().mean(-2), alpha=1 - beta2)
    v = row.unsqueeze(1) * column.unsqueeze(0) / (row.mean() * (1 - beta2**step))
    update = gradient / (v.sqrt() + 1e-8)
    return update / max(1.0, update.square().mean().sqrt().item() / longest), row, column
