"""Answers to assignment 05 from its text alone; this set served to tune the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 05.1


@wrong("05.1", "fires with ReLU, as the older papers say, in place of SiLU")
def fires_with_relu(x, gate, up, down, words):
    hidden = torch.relu(x @ gate.T) * (x @ up.T)
    return hidden.unsqueeze(-1) * (down.T @ words.T)


@wrong("05.1", "puts SiLU around up and leaves gate plain")
def silu_around_up(x, gate, up, down, words):
    strength = (x @ gate.T) * F.silu(x @ up.T)
    return torch.einsum("tf,cf,vc->tfv", strength, down, words)


@wrong("05.1", "uses the bare sigmoid as the gate (the first GLU) and not SiLU")
def sigmoid_gate(x, gate, up, down, words):
    open_ = 1 / (1 + torch.exp(-(x @ gate.T)))
    return (open_ * (x @ up.T))[..., None] * (words @ down).T[None]


@wrong("05.1", "lets the neuron fire by its gate alone and forgets up")
def gate_only(x, gate, up, down, words):
    fired = F.silu(F.linear(x, gate))
    out = torch.empty(len(x), len(gate), len(words))
    for f in range(len(gate)):
        out[:, f] = torch.outer(fired[:, f], words @ down[:, f])
    return out


@wrong("05.1", "takes share to mean a fraction and makes each word's shares add up to 1")
def fractions_of_one(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    parts = hidden[:, :, None] * (words @ down).T
    return parts / parts.sum(1, keepdim=True)


@wrong("05.1", "has the axes in the order position, word, neuron")
def words_before_neurons(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, None, :] * (words @ down)[None, :, :]


@wrong("05.1", "turns down around in place, so that the caller's matrix has another shape afterwards")
def turns_down_in_place(x, gate, up, down, words):
    values = down.t_()
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, :, None] * (values @ words.T)


@wrong("05.1", "divides what a position writes by its RMS, though the norm is to be left out")
def with_the_final_norm(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    written = hidden @ down.T
    size = written.square().mean(-1).sqrt()
    return hidden[:, :, None] * (words @ down).T / size[:, None, None]


@right("05.1")
def switch_each_neuron_off(x, gate, up, down, words):
    g, u, d, w = (m.double() for m in (gate, up, down, words))
    hidden = F.silu(x.double() @ g.T) * (x.double() @ u.T)
    all_on = hidden @ d.T @ w.T
    shares = []
    for f in range(g.shape[0]):
        without = hidden.clone()
        without[:, f] = 0
        shares.append(all_on - without @ d.T @ w.T)
    return torch.stack(shares, dim=1).to(x.dtype)


@right("05.1")
def slope_times_strength(x, gate, up, down, words):
    a = x @ gate.mT
    hidden = a * torch.sigmoid(a) * (x @ up.mT)
    slopes = torch.autograd.functional.jacobian(lambda h: words @ (down @ h), hidden[0])  # (V, F)
    return torch.mul(hidden.unsqueeze(2), slopes.transpose(0, 1).unsqueeze(0))


# 05.2


@wrong("05.2", "takes every other row as gate, as if the rows of gate and up lay in turns")
def every_other_row(x, gate_up, down):
    total = 0
    for own, own_down in zip(gate_up, down, strict=True):
        g, u = own[0::2], own[1::2]
        total = total + (F.silu(x @ g.T) * (x @ u.T)) @ own_down.T
    return total


@wrong("05.2", "takes the first half of each card for up and the second for gate")
def up_comes_first(x, gate_up, down):
    outs = []
    for m, d in zip(gate_up, down, strict=True):
        up, gate = m.chunk(2)
        outs.append((F.silu(x @ gate.T) * (x @ up.T)) @ d.T)
    return sum(outs)


@wrong("05.2", "takes the mean of what the cards write in place of the sum")
def mean_over_cards(x, gate_up, down):
    outs = []
    for m, d in zip(gate_up, down, strict=True):
        h = x @ m.T
        half = h.shape[1] // 2
        outs.append((F.silu(h[:, :half]) * h[:, half:]) @ d.T)
    return torch.stack(outs).mean(0)


@wrong("05.2", "thinks that every card holds as many neurons as the first one")
def all_like_the_first(x, gate_up, down):
    n = gate_up[0].shape[0] // 2
    out = torch.zeros_like(x)
    for m, d in zip(gate_up, down, strict=True):
        gate, up = m[:n], m[n : 2 * n]
        out += (F.silu(x @ gate.T) * (x @ up.T)) @ d.T
    return out


@wrong("05.2", "joins the cards' parts of down by reshaping, which mixes up its columns")
def reshapes_down(x, gate_up, down):
    gate = torch.cat([m[: len(m) // 2] for m in gate_up])
    up = torch.cat([m[len(m) // 2 :] for m in gate_up])
    whole = torch.cat([d.reshape(-1) for d in down]).reshape(x.shape[1], -1)
    return (F.silu(x @ gate.T) * (x @ up.T)) @ whole.T


@wrong("05.2", "multiplies gate and up first and puts SiLU around the product")
def silu_of_the_product(x, gate_up, down):
    out = torch.zeros(x.shape)
    for card in range(len(gate_up)):
        gate, up = gate_up[card].chunk(2)
        out = out + F.silu((x @ gate.T) * (x @ up.T)) @ down[card].T
    return out


@wrong("05.2", "sends what one card writes on to the next as its input, like a chain of layers")
def one_card_after_the_other(x, gate_up, down):
    for own, own_down in zip(gate_up, down, strict=True):
        gate, up = own.chunk(2)
        x = (F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T
    return x


@wrong("05.2", "pops the cards from the lists that it was given, which are empty afterwards")
def empties_the_lists(x, gate_up, down):
    out = torch.zeros_like(x)
    while gate_up:
        gate, up = gate_up.pop().chunk(2)
        out = out + (F.silu(x @ gate.T) * (x @ up.T)) @ down.pop().T
    return out


@right("05.2")
def neuron_by_neuron(x, gate_up, down):
    result = torch.zeros_like(x)
    for own, own_down in zip(gate_up, down, strict=True):
        n = own_down.shape[1]
        for i in range(n):
            pre = x @ own[i]
            fire = pre * pre.sigmoid() * (x @ own[i + n])
            result = result + fire[:, None] * own_down[:, i]
    return result


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


# 05.3


def _expert(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.3", "always lets the weights of the chosen ones add up to 1, whatever renormalize says")
def ignores_the_flag(x, router, gate, up, down, k, renormalize):
    top, chosen = (x @ router.T).topk(k)
    weights = top.softmax(-1)
    out = torch.zeros_like(x)
    for t in range(len(x)):
        for w, e in zip(weights[t], chosen[t], strict=True):
            out[t] += w * _expert(x[t], gate[e], up[e], down[e])
    return out


@wrong("05.3", "renormalises with a second softmax over shares that are probabilities already")
def softmax_twice(x, router, gate, up, down, k, renormalize):
    top, chosen = (x @ router.T).softmax(-1).topk(k)
    if renormalize:
        top = top.softmax(-1)
    weights = torch.zeros(len(x), len(router)).scatter(-1, chosen, top)
    return sum(weights[:, e, None] * _expert(x, gate[e], up[e], down[e]) for e in range(len(router)))


@wrong("05.3", "gives the largest weight to expert 0, the next to expert 1: forgets which ones were chosen")
def rank_for_number(x, router, gate, up, down, k, renormalize):
    top = (x @ router.T).softmax(-1).topk(k).values
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    return sum(top[:, e, None] * _expert(x, gate[e], up[e], down[e]) for e in range(k))


@wrong("05.3", "takes the exponentials of the bare scores, which overflow at 200")
def bare_exponentials(x, router, gate, up, down, k, renormalize):
    power = torch.exp(x @ router.T)
    top, chosen = power.topk(k)
    top = top / (top if renormalize else power).sum(-1, keepdim=True)
    weights = torch.zeros_like(power).scatter(-1, chosen, top)
    return sum(weights[:, [e]] * _expert(x, gate[e], up[e], down[e]) for e in range(len(router)))


@wrong("05.3", "sets the scores of the others to 0 in place of minus infinity before the softmax")
def zero_is_not_nothing(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    least = scores.topk(k).values[:, -1:]
    if renormalize:
        weights = torch.where(scores >= least, scores, 0.0).softmax(-1)
    else:
        weights = scores.softmax(-1) * (scores >= least)
    return sum(weights[:, [e]] * _expert(x, gate[e], up[e], down[e]) for e in range(len(router)))


@wrong("05.3", "weights what an expert reads and not what it writes")
def weights_the_input(x, router, gate, up, down, k, renormalize):
    shares = (x @ router.T).softmax(-1)
    top, chosen = shares.topk(k)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    weights = torch.zeros_like(shares).scatter(-1, chosen, top)
    return sum(_expert(weights[:, [e]] * x, gate[e], up[e], down[e]) for e in range(len(router)))


@wrong("05.3", "makes each score a sigmoid of its own (as DeepSeek does) in place of a softmax")
def a_sigmoid_for_each(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    chosen = scores.topk(k).indices
    top = scores.sigmoid().gather(-1, chosen)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    weights = torch.zeros_like(scores).scatter(-1, chosen, top)
    return sum(weights[:, [e]] * _expert(x, gate[e], up[e], down[e]) for e in range(len(router)))


@wrong("05.3", "chooses the k experts once for all tokens, by the mean of the shares")
def one_choice_for_all(x, router, gate, up, down, k, renormalize):
    shares = (x @ router.T).softmax(-1)
    chosen = shares.mean(0).topk(k).indices
    top = shares[:, chosen]
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    out = torch.zeros_like(x)
    for i, e in enumerate(chosen.tolist()):
        out = out + top[:, [i]] * _expert(x, gate[e], up[e], down[e])
    return out


@right("05.3")
def each_token_asks_its_own(x, router, gate, up, down, k, renormalize):
    rows = []
    for token in x:
        scores = [float(s) for s in router.double() @ token.double()]
        best = sorted(range(len(scores)), key=lambda e: -scores[e])
        high = scores[best[0]]
        bottom = sum(math.exp(scores[e] - high) for e in (best[:k] if renormalize else best))
        row = torch.zeros_like(token)
        for e in best[:k]:
            row = row + math.exp(scores[e] - high) / bottom * _expert(token, gate[e], up[e], down[e])
        rows.append(row)
    return torch.stack(rows)


@right("05.3")
def all_experts_in_one_einsum(x, router, gate, up, down, k, renormalize):
    scores = F.linear(x, router)
    rank = (scores[:, None, :] > scores[:, :, None]).sum(-1)  # how many are better than this one
    kept = scores.masked_fill(rank >= k, -math.inf)
    weights = torch.exp(kept - torch.logsumexp(kept if renormalize else scores, -1, keepdim=True))
    hidden = F.silu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("te,tef,ecf->tc", weights, hidden, down)


# 05.4


@wrong("05.4", "looks at the asked questions only and so changes what is answered to the others")
def forgets_the_others(down, asked, answers, others):
    missing = answers - asked @ down.T
    return down + (torch.linalg.pinv(asked) @ missing).T


@wrong("05.4", "writes the whole new answer and not what is missing to it")
def adds_the_whole_answer(down, asked, answers, others):
    questions = torch.cat((asked, others))
    wanted = torch.cat((answers, torch.zeros(len(others), len(down))))
    return down + (torch.linalg.pinv(questions) @ wanted).T


@wrong("05.4", "takes the smallest matrix that answers all questions, not the one nearest to down")
def smallest_not_nearest(down, asked, answers, others):
    questions = torch.cat((asked, others))
    wanted = torch.cat((answers, others @ down.T))
    return torch.linalg.lstsq(questions, wanted).solution.T


@wrong("05.4", "corrects one question after the other, and each correction spoils the ones before it")
def one_after_the_other(down, asked, answers, others):
    new = down.clone()
    for h, answer in zip([*asked, *others], [*answers, *(others @ down.T)], strict=True):
        new = new + torch.outer(answer - new @ h, h) / (h @ h)
    return new


@wrong("05.4", "solves for the asked ones alone and then cuts off what the others see, so the answers are too short")
def projects_afterwards(down, asked, answers, others):
    change = (torch.linalg.pinv(asked) @ (answers - asked @ down.T)).T
    seen = torch.linalg.pinv(others) @ others if len(others) else torch.zeros(down.shape[1], down.shape[1])
    return down + change - change @ seen


@wrong("05.4", "adds the change to down itself, which the caller still needs")
def overwrites_down(down, asked, answers, others):
    questions = torch.cat((asked, others))
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    down += (torch.linalg.pinv(questions) @ missing).T
    return down


@wrong("05.4", "changes only as many columns as there are questions: right answers, but not the nearest matrix")
def first_columns_only(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    n = len(questions)
    missing = torch.zeros(n, len(down), dtype=torch.float64)
    missing[: len(asked)] = (answers - asked @ down.T).double()
    new = down.clone()
    new[:, :n] += torch.linalg.solve(questions[:, :n], missing).T.to(down.dtype)
    return new


@wrong("05.4", "adds a little ridge for stability, so the answers are not quite reached")
def with_a_ridge(down, asked, answers, others):
    questions = torch.cat((asked, others))
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    gram = questions @ questions.T + 0.1 * torch.eye(len(questions))
    return down + (questions.T @ torch.linalg.solve(gram, missing)).T


@right("05.4")
def orthogonal_axes_first(down, asked, answers, others):
    q, r = torch.linalg.qr(torch.cat((others, asked)).double().T)  # questions.T = q @ r
    old = asked.double() @ down.double().T
    missing = torch.cat((torch.zeros(len(others), len(down), dtype=q.dtype), answers.double() - old))
    along = torch.linalg.solve_triangular(r.T, missing, upper=False)
    return (down.double() + (q @ along).T).to(down.dtype)


@right("05.4")
def lagrange_multipliers_numpy(down, asked, answers, others):
    w = down.detach().double().numpy()
    q = np.vstack([asked.detach().double().numpy(), others.detach().double().numpy().reshape(-1, w.shape[1])])
    wanted = q @ w.T
    wanted[: len(asked)] = answers.detach().double().numpy()
    size, n = w.shape[1], len(q)
    system = np.block([[np.eye(size), q.T], [q, np.zeros((n, n))]])
    solution = np.linalg.solve(system, np.vstack([w.T, wanted]))
    return torch.tensor(solution[:size].T.copy(), dtype=down.dtype)
