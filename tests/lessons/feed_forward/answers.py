"""Answers to the turns and questions of lesson 05; `tools/choose_answers.py` chose them."""

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong
from torch import nn

from minillm.model.feedforward import FeedForward


@right("05.feed_forward")
class LoopOverTokens:
    def feed_forward(x, gate, up, down):
        result = torch.zeros_like(x)
        for t in range(len(x)):
            result[t] = down @ (F.silu(gate @ x[t]) * (up @ x[t]))
        return result


@right("05.feed_forward")
class ThePackagesLayer:
    def feed_forward(x, gate, up, down):
        layer = FeedForward(x.shape[1], gate.shape[0], activation="swiglu")
        return torch.func.functional_call(
            layer, {"gate.weight": gate, "up.weight": up, "down.weight": down}, (x[None],)
        )[0]


@right("05.feed_forward")
class ByEinsum:
    def feed_forward(x, gate, up, down):
        z = torch.einsum("tc,fc->tf", x, gate)
        return torch.einsum("tf,tf,cf->tc", z * z.sigmoid(), torch.einsum("tc,fc->tf", x, up), down)


@wrong("05.feed_forward", "name 'self' is not defined")
class HuggingFacesLine:
    def feed_forward(x, gate, up, down):
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))  # noqa: F821


@wrong("05.feed_forward", "name 'w2' is not defined")
class Llamas:
    def feed_forward(x, gate, up, down):
        return w2(F.silu(w1(x)) * w3(x))  # noqa: F821


@wrong("05.feed_forward", "That's the hidden layer")
class StopsInTheMiddle:
    def feed_forward(x, gate, up, down):
        return F.silu(F.linear(x, gate)) * F.linear(x, up)


@wrong("05.feed_forward", "The result is transposed")
class ColumnsOfTokens:
    def feed_forward(x, gate, up, down):
        return down @ (F.silu(gate @ x.T) * (up @ x.T))


@wrong("05.feed_forward", "raised RuntimeError")
class DotProductWithWeightsAsTheyStand:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate) * (x @ up)) @ down


@wrong("05.feed_forward", "`feed_forward` raised TypeError")
class CallsTheMatrices:
    def feed_forward(x, gate, up, down):
        return down(F.silu(gate(x)) * up(x))


@wrong("05.feed_forward", "something that is of type Sequential")
class ASequential:
    def feed_forward(x, gate, up, down):
        C, n = down.shape
        return nn.Sequential(nn.Linear(C, n), nn.SiLU(), nn.Linear(n, C))


@wrong("05.feed_forward", "not enough values to unpack")
class WithABatch:
    def feed_forward(x, gate, up, down):
        B, T, C = x.shape
        return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


@wrong("05.feed_forward", "must match")
class SizesOfThePage:
    def feed_forward(x, gate, up, down):
        hidden = torch.zeros(len(x), 1536)
        hidden[:] = F.silu(x @ gate.T) * (x @ up.T)
        return hidden @ down.T


@wrong("05.feed_forward", "raised TypeError")
class ModuleOfLinears:
    def feed_forward(x, gate, up, down):
        g = nn.Linear(gate.shape[1], gate.shape[0], bias=False)
        g.weight = gate
        return (F.silu(g(x)) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "changed the input")
class InPlace:
    def feed_forward(x, gate, up, down):
        g, u = x @ gate.T, x @ up.T
        x.zero_()
        for t in range(len(x)):
            x[t] += down @ (F.silu(g[t]) * u[t])
        return x.clone()


@right("05.recall")
class MaskOfScores:
    def recall(questions, keys, values, threshold):
        scores = torch.einsum("qc,nc->qn", questions, keys)
        return ((scores - threshold) * (scores > threshold)) @ values


@right("05.recall")
class LoopOverKeys:
    def recall(questions, keys, values, threshold):
        out = torch.zeros(questions.shape[0], values.shape[1])
        for key, value in zip(keys, values, strict=True):
            out = out + torch.outer(F.relu(questions @ key - threshold), value)
        return out


@wrong("05.recall", "shapes cannot be multiplied")
class Untransposed:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys - threshold) @ values


# Once taken for another mistake: Only the first question is answered
@wrong("05.recall", "The answers to all questions are added up in one row.")
class SumsEverything:
    def recall(questions, keys, values, threshold):
        total = torch.zeros(values.shape[1])
        for question in questions:
            for key, value in zip(keys, values, strict=True):
                total += torch.relu(question @ key - threshold) * value
        return total


@wrong("05.recall", "name 'F1' is not defined")
class Misspelled:
    def recall(questions, keys, values, threshold):
        return F1.relu(questions @ keys.T - threshold) @ values  # noqa: F821


@wrong("05.recall", "must be Tensor, not float")
class ReluOfTheThreshold:
    def recall(questions, keys, values, threshold):
        return (questions @ keys.T - torch.relu(threshold)) @ values


@wrong("05.recall", "raised TypeError")
class ThresholdOutsideTheBrackets:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T) - threshold @ values


@wrong("05.recall", "raised RuntimeError")
class BooleansTimesValues:
    def recall(questions, keys, values, threshold):
        return ((questions @ keys.T) > threshold) @ values


@wrong("05.recall", "SiLU gates the scores, as in the turn before.")
class FeedForwardOfTheTurnBefore:
    def recall(questions, keys, values, threshold):
        return (F.silu(questions @ keys.T - threshold) * (questions @ keys.T)) @ values


@wrong("05.recall", "raised RuntimeError")
class PythonsMax:
    def recall(questions, keys, values, threshold):
        return max(0, questions @ keys.T - threshold) @ values


@wrong("05.recall", "changed the input")
class WritesIntoTheKeys:
    def recall(questions, keys, values, threshold):
        keys -= threshold
        return torch.relu(questions @ keys.T) @ values


@wrong("05.recall", "expected Tensor as element")
class StackOfLists:
    def recall(questions, keys, values, threshold):
        rows = []
        for q in questions:
            rows.append((torch.relu(keys @ q - threshold) @ values).tolist())
        return torch.stack(rows)


@wrong("05.recall", "existing size")
class NineKeys:
    def recall(questions, keys, values, threshold):
        scores = torch.zeros(len(questions), 9)
        for i, q in enumerate(questions):
            scores[i] = keys @ q
        return torch.relu(scores - threshold) @ values


@right("05.write_fact")
class HelpersInside:
    def write_fact(about, others, say, instead, strength):
        def unit(v):
            return v / v.pow(2).sum().sqrt()

        A = torch.stack([about] + [o for o in others])
        b = torch.ones(len(A)) * -6
        b[:1] = 6
        return (A.pinverse() @ b[:, None]).squeeze(1), unit(about) / about.norm(), unit(say - instead) * strength


@wrong("05.write_fact", "has no attribute")
class NumberOfAVector:
    def write_fact(about, others, say, instead, strength):
        return about, about, strength.norm() * (say - instead)


@wrong("05.write_fact", "2 or more dimensions")
class PinvOfAVector:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(about) * 6 - torch.linalg.pinv(others) * 6
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "name 'head' is not defined")
class LooksUpTheWords:
    def write_fact(about, others, say, instead, strength):
        d = head[say] - head[instead]  # noqa: F821
        return about, about, strength * d


@wrong("05.write_fact", "same dtype")
class IntegerTargets:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6] + [-6] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "`write_fact` raised RuntimeError")
class Inverse:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = torch.linalg.inv(A) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "size mismatch")
class ColumnsOfVectors:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others], dim=1)
        gate = torch.linalg.pinv(A) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "must have same number of dimensions")
class CatOfAVector:
    def write_fact(about, others, say, instead, strength):
        A = torch.cat([about, others])
        gate = torch.linalg.pinv(A) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "only one element")
class OneNumber:
    def write_fact(about, others, say, instead, strength):
        gate = torch.zeros(len(about))
        gate[0] = float(about)
        return gate, about, strength * (say - instead)


@wrong("05.write_fact", "another order: up, gate, down")
class UpFirst:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6.0] + [-6.0] * len(others))
        return about / about.square().sum(), gate, strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "`gate` has the shape")
class GateWithAnAxis:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([[6.0]] + [[-6.0]] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "changed the input")
class WritesIntoOthers:
    def write_fact(about, others, say, instead, strength):
        others *= -1
        A = torch.stack([about, *others])
        gate = torch.linalg.pinv(A) @ torch.full((len(A),), 6.0)
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@right("05.1")
def with_one_einsum(x, gate, up, down, words):
    hidden = F.silu(torch.einsum("tc,fc->tf", x, gate)) * torch.einsum("tc,fc->tf", x, up)
    return torch.einsum("tf,cf,vc->tfv", hidden, down, words)


@right("05.1")
def neuron_by_neuron(x, gate, up, down, words):
    x, gate, up, down, words = (part.double().numpy() for part in (x, gate, up, down, words))
    out = np.zeros((len(x), len(gate), len(words)))
    for f in range(len(gate)):
        z = x @ gate[f]
        write = np.outer(z / (1 + np.exp(-z)) * (x @ up[f]), down[:, f])
        out[:, f] = write @ words.T
    return out


@right("05.1")
def slope_times_strength(x, gate, up, down, words):
    a = x @ gate.mT
    hidden = a * torch.sigmoid(a) * (x @ up.mT)
    slopes = torch.autograd.functional.jacobian(lambda h: words @ (down @ h), hidden[0])  # (V, F)
    return torch.mul(hidden.unsqueeze(2), slopes.transpose(0, 1).unsqueeze(0))


@wrong("05.1", "The result is the right one with 0 in place of all negative numbers")
def only_what_raises(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return (hidden[:, :, None] * (words @ down).T).relu()


@wrong("05.1", "The activations are right, but each neuron's numbers are off by a factor: its")
def contributions_view(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, :, None] * (words @ down).view(down.shape[1], len(words))


@wrong("05.1", "contributions changed the input that it was given; work on a copy. Open the")
def transposed_in_place(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    values = down.t_()  # (F, C): a row for each neuron
    return hidden.unsqueeze(2) * (values @ words.T)


@wrong("05.1", "There is a norm before the layer or before the head; none is asked for.")
def with_the_final_norm(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    written = hidden @ down.T
    size = written.square().mean(-1).sqrt()
    return hidden[:, :, None] * (words @ down).T / size[:, None, None]


def fired(x, gate, up):
    reading = x @ gate.T
    return reading * torch.sigmoid(reading) * (x @ up.T)


@right("05.2")
def sorted_and_joined(x, gate_up, down):
    gates = [both[: len(both) // 2] for both in gate_up]
    ups = [both[len(both) // 2 :] for both in gate_up]
    return fired(x, torch.cat(gates), torch.cat(ups)) @ torch.cat(down, 1).T


@right("05.2")
def adds_what_each_card_writes(x, gate_up, down):
    total = torch.zeros_like(x)
    for both, own_down in zip(gate_up, down, strict=True):
        half = both.shape[0] // 2
        gate, up = both[:half], both[half:]
        total = total + (F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T
    return total


@right("05.2")
def recursion_card_by_card(x, gate_up, down):
    if not gate_up:
        return torch.zeros_like(x)
    n = down[0].shape[1]
    pre = x @ gate_up[0].T
    mine = (F.silu(pre[:, :n]) * pre[:, n:]) @ down[0].T
    return mine + recursion_card_by_card(x, gate_up[1:], down[1:])


@right("05.2")
def reordered_by_index_numpy(x, gate_up, down):
    sizes = [d.shape[1] for d in down]
    starts = 2 * np.cumsum([0, *sizes])[:-1]
    g_rows = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, sizes, strict=True)])
    u_rows = np.concatenate([np.arange(s + n, s + 2 * n) for s, n in zip(starts, sizes, strict=True)])
    table = np.concatenate([m.detach().double().numpy() for m in gate_up])
    values = np.concatenate([d.detach().double().numpy() for d in down], axis=1)
    pre = x.detach().double().numpy() @ table.T
    g, u = pre[:, g_rows], pre[:, u_rows]
    hidden = g * 0.5 * (1 + np.tanh(g / 2)) * u
    return torch.from_numpy(hidden @ values.T).to(x.dtype)


def swiglu(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.2", "The result is the right one plus `x`")
def with_the_residual(x, gate_up, down):
    return x + sum(swiglu(x, *own.chunk(2), own_down) for own, own_down in zip(gate_up, down, strict=True))


@wrong("05.2", "feed_forward raised RuntimeError")
def shards_of_equal_size(x, gate_up, down):
    n = down[0].shape[1]
    gate = torch.cat([own[:n] for own in gate_up])
    up = torch.cat([own[n:] for own in gate_up])
    return (F.silu(x @ gate.T) * (x @ up.T)) @ torch.cat(down, 1).T


@wrong("05.2", "All GPUs are taken to hold the same number of neurons.")
def feed_forward_even(x, gate_up, down):
    n = len(gate_up)
    rows = torch.cat(gate_up).view(n, 2, -1, x.shape[1])
    gate, up = rows[:, 0].flatten(0, 1), rows[:, 1].flatten(0, 1)
    return (F.silu(x @ gate.T) * (x @ up.T)) @ torch.cat(down, dim=1).T


@wrong("05.2", "`total` still holds what earlier calls have put into it, and that changes the result")
def sum_of_earlier_calls(x, gate_up, down, total={}):  # noqa: B006
    for own, own_down in zip(gate_up, down, strict=True):
        part = swiglu(x, *own.chunk(2), own_down)
        total[part.shape] = total.get(part.shape, 0) + part
    return total[x.shape].clone()


@right("05.3")
def each_expert_reads_its_own_tokens(x, router, gate, up, down, k, renormalize):
    shares = torch.softmax(x @ router.T, -1)
    top, chosen = shares.topk(k)
    top = top / top.sum(-1, keepdim=True) if renormalize else top
    out = torch.zeros_like(x)
    for e in range(len(router)):
        tokens, seat = torch.where(chosen == e)
        out.index_add_(0, tokens, top[tokens, seat, None] * (fired(x[tokens], gate[e], up[e]) @ down[e].T))
    return out


def written_by(x, gate, up, down):
    hidden = F.silu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("tef,ecf->tec", hidden, down)


@right("05.3")
def hidden_scores_and_numpy(x, router, gate, up, down, k, renormalize):
    scores = (x @ router.T).numpy().astype(np.float64)
    kth = np.sort(scores, 1)[:, [-k]]
    powers = np.exp(scores)
    kept = np.where(scores >= kth, powers, 0)
    weights = kept / (kept if renormalize else powers).sum(1, keepdims=True)
    return np.einsum("te,tec->tc", weights, written_by(x, gate, up, down).numpy())


def _expert(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.3", "Token ")
def a_sigmoid_for_each(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    chosen = scores.topk(k).indices
    top = scores.sigmoid().gather(-1, chosen)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    weights = torch.zeros_like(scores).scatter(-1, chosen, top)
    return sum(weights[:, [e]] * _expert(x, gate[e], up[e], down[e]) for e in range(len(router)))


@wrong("05.3", "The result is NaN in places: ")
def one_maximum_for_all_tokens(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    powers = (scores - scores.max()).exp()
    chosen = scores.topk(k).indices
    top = powers.gather(-1, chosen)
    total = top.sum(-1, keepdim=True) if renormalize else powers.sum(-1, keepdim=True)
    weights = torch.zeros_like(scores).scatter(-1, chosen, top / total)
    out = torch.zeros_like(x)
    for e in range(len(router)):
        out = out + weights[:, e, None] * ((F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T)
    return out


@right("05.4")
def by_the_gram_matrix(down, asked, answers, others):
    H, D = np.concatenate((asked, others)).astype(float), down.double().numpy()
    missing = np.zeros((len(H), len(D)))
    missing[: len(asked)] = answers.double().numpy() - asked.double().numpy() @ D.T
    return D + (H.T @ np.linalg.solve(H @ H.T, missing)).T


@right("05.4")
def at_right_angles_first(down, asked, answers, others):
    basis = []  # Gram and Schmidt
    for row in others.double():
        for unit in basis:
            row = row - (row @ unit) * unit
        basis.append(row / row.norm())
    free = asked.double().clone()
    for unit in basis:
        free -= torch.outer(free @ unit, unit)
    missing = answers.double() - asked.double() @ down.T.double()
    shares = torch.linalg.solve(free @ asked.T.double(), missing)
    return down + (free.T @ shares).T


@wrong("05.4", "the new matrix still gives the old answer")
def first_fact_only(down, asked, answers, others):
    free = asked[0] - torch.linalg.pinv(torch.cat((asked[1:], others))) @ (torch.cat((asked[1:], others)) @ asked[0])
    return down + torch.outer(answers[0] - down @ asked[0], free) / (free @ free)


# Once taken for another mistake: The facts are written one after the other, and each changes those before it
@wrong("05.4", "The fact is written, and the answers to the other questions have changed.")
def write_one_by_one(down, asked, answers, others):
    new = down.clone()
    for h, answer in zip(asked, answers):
        new = new + torch.outer(answer - new @ h, h) / (h @ h)
    return new


@wrong("05.4", "For question ")
def write_ridge(down, asked, answers, others):
    q = torch.cat((asked, others))
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    gram = q @ q.T + 0.1 * torch.eye(len(q))
    return down + (q.T @ torch.linalg.solve(gram, missing)).T


@wrong("05.4", "write changed the input that it was given; work on a copy. Open the next hint")
def overwrites_down(down, asked, answers, others):
    questions = torch.cat((asked, others))
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    down += (torch.linalg.pinv(questions) @ missing).T
    return down
