"""Unusual right answers to the turns of lesson 08, as learners write them."""

import math

import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_
from turn_answers import right


@right("08.next_token_loss")
class ShiftedInAnotherWay:
    def next_token_loss(logits, ids):
        targets = torch.roll(ids, -1)[:-1]
        log_p = logits - logits.logsumexp(-1, keepdim=True)
        return -torch.gather(log_p[:-1], 1, targets.view(-1, 1)).squeeze(1).mean()


@right("08.next_token_loss")
class IgnoredLast:
    def next_token_loss(logits, ids):
        targets = torch.cat([ids[1:], torch.tensor([-100])])
        return F.cross_entropy(logits, targets, ignore_index=-100)


@right("08.next_token_loss")
class OneHot:
    def next_token_loss(logits, ids):
        wanted = F.one_hot(ids[1:], logits.shape[-1])
        return -(wanted * logits[:-1].log_softmax(-1)).sum(-1).mean()


@right("08.next_token_loss")
class PositionByPosition:
    def next_token_loss(logits, ids):
        losses = []
        for t in range(len(ids) - 1):
            losses.append(-logits[t].log_softmax(-1)[ids[t + 1]])
        return sum(losses) / len(losses)


@right("08.adamw_step")
class DecayByRatio:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        mean, square = torch.lerp(m, g, 1 - beta1), torch.lerp(v, g.square(), 1 - beta2)
        fix = lambda x, beta: x / (1 - math.pow(beta, step))  # noqa: E731
        update = fix(mean, beta1).div(fix(square, beta2).sqrt().add(eps))
        return w.mul(1 - lr * decay).sub(lr * update), mean, square


@right("08.adamw_step")
class NumpyAndBack:
    def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        W, G, M, V = (x.double().numpy() for x in (w, g, m, v))
        M = beta1 * M + (1 - beta1) * G
        V = beta2 * V + (1 - beta2) * G * G
        W = W - lr * ((M / (1 - beta1**step)) / ((V / (1 - beta2**step)) ** 0.5 + eps) + decay * W)
        return tuple(torch.from_numpy(x).to(w.dtype) for x in (W, M, V))


@right("08.orthogonalize")
class ByCalls:
    def orthogonalize(M, steps=5):
        rows, columns = M.shape
        if rows > columns:
            return orthogonalize_wide(M.T, steps).T
        return orthogonalize_wide(M, steps)


def orthogonalize_wide(X, steps):
    X = X / torch.sqrt(torch.sum(X**2)).clamp(min=1e-7)
    for _ in range(steps):
        A = torch.mm(X, X.t())
        X = torch.mm(3.4445 * torch.eye(len(X)) - 4.7750 * A + 2.0315 * A.matrix_power(2), X)
    return X


@right("08.orthogonalize")
class OnTheLongSide:
    def orthogonalize(M, steps=5):
        X = M.div(torch.linalg.norm(M) + 1e-7)
        while steps:
            A = X.T @ X
            X = 3.4445 * X - 4.7750 * X @ A + 2.0315 * X @ A @ A
            steps -= 1
        return X


@right("08.train")
class CountsByHand:
    def train(model, batches, loss, optimizer, schedule):
        history = []
        for batch in batches:
            rate = schedule(len(history))
            for group in optimizer.param_groups:
                group["lr"] = rate
            result = loss(model, batch)
            optimizer.zero_grad()
            result.backward()
            clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            history += [result.detach().cpu().item()]
        return history


@right("08.train")
class AllBatchesFirst:
    def train(model, batches, loss, optimizer, schedule):
        losses = [0.0] * len(batches := list(batches))
        for k, batch in enumerate(batches):
            optimizer.zero_grad()
            (now := loss(model, batch)).backward()
            losses[k] = float(now)
            clip_grad_norm_(list(model.parameters()), 1)
            for group in optimizer.param_groups:
                group["lr"] = schedule(k)
            optimizer.step()
        return losses
