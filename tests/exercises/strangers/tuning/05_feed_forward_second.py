"""Answers to assignment 05 from its text alone; this half served to tune the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("05.1", "the gate is a plain sigmoid; SiLU is the sigmoid times its input")
def glu_as_in_the_old_paper(x, gate, up, down, words):
    hidden = torch.sigmoid(x @ gate.T) * (x @ up.T)
    fit = (words @ down).T
    return hidden.unsqueeze(-1) * fit.unsqueeze(0)


@wrong("05.1", "the neurons are already added up, so the answer has only (T, V)")
def summed_too_early(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden @ down.T @ words.T


@wrong("05.1", "up is left out: the neuron fires with SiLU of the gate alone")
def no_up_at_all(x, gate, up, down, words):
    fires = F.silu(x @ gate.T)
    return torch.einsum("tf,fv->tfv", fires, (words @ down).T)


@right("05.1")
def three_honest_loops(x, gate, up, down, words):
    n_positions, n_neurons, n_words = x.shape[0], gate.shape[0], words.shape[0]
    out = torch.zeros(n_positions, n_neurons, n_words, dtype=x.dtype)
    for t in range(n_positions):
        for f in range(n_neurons):
            before = torch.dot(gate[f], x[t])
            strength = before * torch.sigmoid(before) * torch.dot(up[f], x[t])
            for v in range(n_words):
                out[t, f, v] = strength * torch.dot(down[:, f], words[v])
    return out


@wrong("05.1", "the output is normalised before the head, which the text leaves out")
def with_the_norm_of_the_head(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    out = hidden @ down.T
    size = (out.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (hidden / size)[:, :, None] * (words @ down).T


@wrong("05.1", "t_() transposes the caller's own matrix down")
def transposed_in_place(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    values = down.t_()  # (F, C): a row for each neuron
    return hidden.unsqueeze(2) * (values @ words.T)


@right("05.1")
def in_numpy(x, gate, up, down, words):
    a, g, u, d, w = (m.detach().numpy().astype(np.float64) for m in (x, gate, up, down, words))
    pre = a @ g.T
    silu = pre * 0.5 * (1 + np.tanh(pre / 2))
    hidden = silu * (a @ u.T)
    return torch.from_numpy(hidden[:, :, None] * (w @ d).T[None]).to(x.dtype)


@wrong("05.1", "each share is divided by the total, so they add up to 1 and not to the output")
def as_a_fraction_of_the_whole(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    shares = hidden[:, :, None] * (words @ down).T
    return shares / shares.sum(1, keepdim=True)


@wrong("05.1", "the words are compared with the rows of up, what a neuron reads, in place of what it writes")
def compares_with_what_it_reads(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    fit = up @ words.T  # (F, V)
    return hidden[:, :, None] * fit[None]


@wrong("05.2", "the cards' writes are averaged where they must be added")
def averages_the_cards(x, gate_up, down):
    writes = []
    for own, own_down in zip(gate_up, down, strict=True):
        gate, up = own.chunk(2)
        writes.append((F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T)
    return torch.stack(writes).mean(0)


@right("05.2")
def joins_gate_and_up_first(x, gate_up, down):
    sizes = [own.shape[1] for own in down]
    gate = torch.cat([own[:size] for own, size in zip(gate_up, sizes, strict=True)], dim=0)
    up = torch.cat([own[size:] for own, size in zip(gate_up, sizes, strict=True)], dim=0)
    hidden = F.silu(F.linear(x, gate)) * F.linear(x, up)
    return F.linear(hidden, torch.cat(down, dim=1))


@wrong("05.2", "cuts the joined rows into equal pieces, but a card may hold more neurons than another")
def equal_cards_only(x, gate_up, down):
    pieces = torch.cat(gate_up).chunk(2 * len(gate_up))
    gate = torch.cat(pieces[0::2])
    up = torch.cat(pieces[1::2])
    return (F.silu(x @ gate.T) * (x @ up.T)) @ torch.cat(down, dim=1).T


@wrong("05.2", "the second card reads what the first has written; all of them read x")
def one_card_behind_the_other(x, gate_up, down):
    for own, own_down in zip(gate_up, down, strict=True):
        gate, up = own.chunk(2)
        x = (F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T
    return x


@wrong("05.2", "the sum begins with x: the stream is added, which is not what the network writes")
def with_the_residual(x, gate_up, down):
    out = x.clone()
    for own, own_down in zip(gate_up, down, strict=True):
        gate, up = own.chunk(2)
        out += (F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T
    return out


@wrong("05.2", "SiLU is taken of the product of gate and up, not of the gate alone")
def silu_of_the_product(x, gate_up, down):
    out = torch.zeros_like(x)
    for own, own_down in zip(gate_up, down, strict=True):
        gate, up = own.chunk(2)
        out = out + F.silu((x @ gate.T) * (x @ up.T)) @ own_down.T
    return out


@right("05.2")
def recursion_card_by_card(x, gate_up, down):
    if not gate_up:
        return torch.zeros_like(x)
    n = down[0].shape[1]
    pre = x @ gate_up[0].T
    mine = (F.silu(pre[:, :n]) * pre[:, n:]) @ down[0].T
    return mine + recursion_card_by_card(x, gate_up[1:], down[1:])


@wrong("05.2", "gives a list with what each card writes and leaves the sum to the reader")
def one_result_for_each_card(x, gate_up, down):
    results = []
    for own, own_down in zip(gate_up, down, strict=True):
        n = own_down.shape[1]
        results.append((F.silu(x @ own[:n].T) * (x @ own[n:].T)) @ own_down.T)
    return results


@wrong("05.2", "range(1, ...) leaves out the first card")
def begins_at_card_one(x, gate_up, down):
    total = torch.zeros(x.shape[0], x.shape[1])
    for i in range(1, len(gate_up)):
        n = len(gate_up[i]) // 2
        hidden = F.silu(x @ gate_up[i][:n].T) * (x @ gate_up[i][n:].T)
        total += hidden @ down[i].T
    return total


@wrong("05.3", "renormalize is never looked at: the weights of the chosen ones always add up to 1")
def always_as_in_mixtral(x, router, gate, up, down, k, renormalize):
    values, chosen = (x @ router.T).topk(k, dim=-1)
    weights = values.softmax(dim=-1)
    out = torch.zeros_like(x)
    for t in range(x.shape[0]):
        for w, e in zip(weights[t], chosen[t], strict=True):
            out[t] += w * (down[e] @ (F.silu(gate[e] @ x[t]) * (up[e] @ x[t])))
    return out


@wrong("05.3", "the scores of those not chosen become 0 before the softmax, and exp(0) is 1 and not 0")
def zero_is_not_minus_infinity(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, scores.topk(k).indices, True)
    if renormalize:
        weights = (scores * chosen).softmax(-1) * chosen
    else:
        weights = scores.softmax(-1) * chosen
    out = torch.zeros_like(x)
    for e in range(len(router)):
        out = out + weights[:, e : e + 1] * ((F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T)
    return out


@wrong("05.3", "the weight multiplies what an expert reads, in place of what it writes")
def weighted_at_the_entrance(x, router, gate, up, down, k, renormalize):
    shares = (x @ router.T).softmax(-1)
    top, chosen = shares.topk(k)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    out = torch.zeros_like(x)
    for e in range(len(router)):
        own = (top * (chosen == e)).sum(-1, keepdim=True) * x
        out = out + (F.silu(own @ gate[e].T) * (own @ up[e].T)) @ down[e].T
    return out


@right("05.3")
def minus_infinity_for_the_rest(x, router, gate, up, down, k, renormalize):
    scores = torch.einsum("tc,ec->te", x, router)
    lowest_chosen = scores.sort(dim=-1, descending=True).values[:, k - 1 : k]
    chosen = scores >= lowest_chosen
    if renormalize:
        weights = scores.masked_fill(~chosen, -torch.inf).softmax(-1)
    else:
        weights = scores.softmax(-1) * chosen
    hidden = F.silu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("te,tef,ecf->tc", weights, hidden, down)


@wrong("05.3", "large negative scores win too: the choice is made by the size of a score without its sign")
def chosen_by_absolute_value(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    chosen = scores.abs().topk(k).indices
    shares = scores.softmax(-1)
    mask = torch.zeros_like(shares).scatter(-1, chosen, 1.0)
    if renormalize:
        weights = scores.masked_fill(mask == 0, -math.inf).softmax(-1)
    else:
        weights = shares * mask
    out = torch.zeros_like(x)
    for e in range(len(router)):
        out = out + weights[:, e, None] * ((F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T)
    return out


@wrong("05.3", "the sorted weights are given to experts 0, 1, ... and not to the ones that were chosen")
def forgets_who_was_chosen(x, router, gate, up, down, k, renormalize):
    shares = (x @ router.T).softmax(-1)
    top, _ = shares.topk(k)
    if renormalize:
        top = top / top.sum(dim=-1, keepdim=True)
    out = torch.zeros_like(x)
    for e in range(k):
        out = out + top[:, e, None] * ((F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T)
    return out


@right("05.3")
def each_expert_reads_its_own_tokens(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    values, chosen = torch.topk(scores, k)
    weights = values.softmax(-1) if renormalize else (values - scores.logsumexp(-1, keepdim=True)).exp()
    out = torch.zeros_like(x)
    for e in range(router.shape[0]):
        tokens, slot = torch.where(chosen == e)
        if len(tokens) == 0:
            continue
        mine = x[tokens]
        written = (F.silu(mine @ gate[e].T) * (mine @ up[e].T)) @ down[e].T
        out = out.index_add(0, tokens, weights[tokens, slot].unsqueeze(1) * written)
    return out


@wrong("05.3", "a second softmax is taken of the shares, which makes the weights nearly equal")
def softmax_of_the_softmax(x, router, gate, up, down, k, renormalize):
    shares = torch.softmax(x @ router.T, dim=-1)
    top, chosen = torch.topk(shares, k, dim=-1)
    if renormalize:
        top = torch.softmax(top, dim=-1)
    weights = torch.zeros_like(shares).scatter(-1, chosen, top)
    each = torch.stack([(F.silu(x @ g.T) * (x @ u.T)) @ d.T for g, u, d in zip(gate, up, down, strict=True)], dim=1)
    return (weights.unsqueeze(-1) * each).sum(dim=1)


@wrong("05.3", "one maximum for the whole batch is subtracted: a token far below it gets 0 / 0, which is NaN")
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


@wrong("05.4", "the other questions are ignored, so their answers move")
def forgets_the_others(down, asked, answers, others):
    missing = answers - asked @ down.T
    return down + (torch.linalg.pinv(asked) @ missing).T


@right("05.4")
def orthonormal_basis_first(down, asked, answers, others):
    # the change may only live in the span of the questions: D = W Q^T with an orthonormal Q
    old = down.double()
    questions = torch.cat([asked, others], dim=0).double()
    wanted = torch.cat([answers.double(), others.double() @ old.T], dim=0)
    q, r = torch.linalg.qr(questions.T, mode="reduced")  # questions = r.T @ q.T
    w = torch.linalg.solve_triangular(r.T, wanted - questions @ old.T, upper=False)
    return (old + (q @ w).T).to(down.dtype)


@wrong("05.4", "writes one fact after the other, and each spoils those that were written before")
def later_facts_spoil_earlier_ones(down, asked, answers, others):
    new = down.clone()
    if len(others):
        free = torch.eye(down.shape[1]) - torch.linalg.pinv(others) @ others
    else:
        free = torch.eye(down.shape[1])
    for h, answer in zip(asked, answers, strict=True):
        along = free @ h
        new = new + torch.outer(answer - new @ h, along) / (along @ h)
    return new


@wrong("05.4", "changes the caller's matrix down itself")
def written_into_the_old_one(down, asked, answers, others):
    questions = torch.cat((asked, others))
    missing = torch.zeros(len(questions), len(down))
    missing[: len(asked)] = answers - asked @ down.T
    down += (torch.linalg.pinv(questions) @ missing).T
    return down


@wrong("05.4", "with no others it gives back down without any fact")
def nothing_to_do_without_others(down, asked, answers, others):
    if others.shape[0] == 0:
        return down.clone()
    questions = torch.vstack((asked, others))
    missing = torch.vstack((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    return down + (torch.linalg.pinv(questions) @ missing).T


@wrong("05.4", "the questions are made orthogonal to the others, but then divided by their whole length")
def divided_by_the_whole_length(down, asked, answers, others):
    missing = answers - asked @ down.T
    along = asked
    if len(others):
        along = asked - asked @ torch.linalg.pinv(others) @ others
    return down + missing.T @ torch.linalg.pinv(along @ along.T) @ along * (along.square().sum() / asked.square().sum())


@right("05.4")
def numpy_least_squares(down, asked, answers, others):
    q = np.concatenate([asked.numpy(), others.numpy().reshape(-1, asked.shape[1])]).astype(np.float64)
    old = down.numpy().astype(np.float64)
    target = q @ old.T
    target[: len(asked)] = answers.numpy()
    change, *_ = np.linalg.lstsq(q, target - q @ old.T, rcond=None)
    return torch.from_numpy(old + change.T).to(down.dtype)


@wrong("05.4", "what is missing has the wrong sign: old minus new")
def pushes_the_wrong_way(down, asked, answers, others):
    questions = torch.cat((asked, others))
    missing = torch.cat((asked @ down.T - answers, torch.zeros(len(others), len(down))))
    return down + (torch.linalg.pinv(questions) @ missing).T


@wrong("05.4", "solves with the first few neurons only: the answers are right, but the matrix is not the nearest")
def a_solution_but_not_the_nearest(down, asked, answers, others):
    questions = torch.cat((asked, others))
    n = len(questions)
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    new = down.clone()
    new[:, :n] += torch.linalg.solve(questions[:, :n], missing).T
    return new
