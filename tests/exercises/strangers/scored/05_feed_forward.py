"""Answers to assignment 05 from its text alone; this set is only scored."""

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("05.1", "SiLU is put on the up branch and not on the gate")
def silu_on_up(x, gate, up, down, words):
    hidden = (x @ gate.T) * F.silu(x @ up.T)
    return torch.einsum("tf,cf,vc->tfv", hidden, down, words)


@wrong("05.1", "uses GELU, as in GPT-2, in place of SiLU")
def gelu_neurons(x, gate, up, down, words):
    fires = F.gelu(x @ gate.T) * (x @ up.T)
    fits = words @ down
    return fires.unsqueeze(2) * fits.T.unsqueeze(0)


@wrong("05.1", "gives the axes as (T, V, F) and not as (T, F, V)")
def axes_word_first(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, None, :] * (words @ down)[None]


@wrong("05.1", "forgets to multiply by the up branch")
def plain_gate_only(x, gate, up, down, words):
    h = F.silu(F.linear(x, gate))
    return h[..., None] * (down.T @ words.T)


@wrong("05.1", "turns the scores over all words into probabilities, though the raw share is asked for")
def shares_as_probabilities(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return (hidden[:, :, None] * (words @ down).T).softmax(-1)


@right("05.1")
def one_neuron_after_another(x, gate, up, down, words):
    neurons = []
    for g, u, d in zip(gate, up, down.T, strict=True):
        a = x @ g
        strength = a * torch.sigmoid(a) * (x @ u)
        neurons.append(torch.outer(strength, d) @ words.T)
    return torch.stack(neurons, dim=1)


@wrong("05.2", "takes the even rows of a card for gate and the odd ones for up")
def interleaved_rows(x, gate_up, down):
    out = 0
    for both, own in zip(gate_up, down, strict=True):
        out = out + (F.silu(x @ both[0::2].T) * (x @ both[1::2].T)) @ own.T
    return out


@wrong("05.2", "averages over the cards what should be added up")
def mean_over_cards(x, gate_up, down):
    writes = []
    for both, own in zip(gate_up, down, strict=True):
        gate, up = both.chunk(2)
        writes.append((F.silu(x @ gate.T) * (x @ up.T)) @ own.T)
    return torch.stack(writes).mean(0)


@wrong("05.2", "reads each card's first rows as up and its last ones as gate")
def up_comes_first(x, gate_up, down):
    halves = [both.chunk(2) for both in gate_up]
    up = torch.cat([h[0] for h in halves])
    gate = torch.cat([h[1] for h in halves])
    return (F.silu(x @ gate.T) * (x @ up.T)) @ torch.cat(down, 1).T


@wrong("05.2", "takes the first card's number of neurons for that of every card")
def equal_cards(x, gate_up, down):
    n = down[0].shape[1]
    gate = torch.cat([m[:n] for m in gate_up])
    up = torch.cat([m[len(m) - n :] for m in gate_up])
    own = torch.cat([d[:, :n] for d in down], dim=1)
    smallest = min(len(gate), len(up), own.shape[1])
    return (F.silu(x @ gate[:smallest].T) * (x @ up[:smallest].T)) @ own[:, :smallest].T


@wrong("05.2", "feeds what one card wrote into the next card, as if cards were layers")
def cards_in_a_chain(x, gate_up, down):
    stream = x
    for both, own in zip(gate_up, down, strict=True):
        gate, up = both.chunk(2)
        stream = (F.silu(stream @ gate.T) * (stream @ up.T)) @ own.T
    return stream


@right("05.2")
def every_neuron_alone(x, gate_up, down):
    total = torch.zeros_like(x)
    for both, own in zip(gate_up, down, strict=True):
        held = own.shape[1]
        pre = both @ x.T
        for i in range(held):
            total = total + torch.outer(F.silu(pre[i]) * pre[held + i], own[:, i])
    return total


@wrong("05.3", "renormalises with a softmax over the shares of the chosen ones, not over their scores")
def softmax_twice(x, router, gate, up, down, k, renormalize):
    shares = (x @ router.T).softmax(-1)
    top, chosen = shares.topk(k)
    if renormalize:
        top = top.softmax(-1)
    weights = torch.zeros_like(shares).scatter(-1, chosen, top)
    out = torch.zeros_like(x)
    for e in range(len(router)):
        out = out + weights[:, e, None] * ((F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T)
    return out


@wrong("05.3", "the two meanings of renormalize are swapped")
def flag_upside_down(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    shares = scores.softmax(-1)
    top, chosen = scores.topk(k)
    w = shares.gather(-1, chosen) if renormalize else top.softmax(-1)
    out = torch.zeros_like(x)
    for t in range(len(x)):
        for share, e in zip(w[t], chosen[t].tolist(), strict=True):
            out[t] += share * (down[e] @ (F.silu(gate[e] @ x[t]) * (up[e] @ x[t])))
    return out


@wrong("05.3", "takes exp of the raw scores, which overflows at a score of 200")
def naive_exponentials(x, router, gate, up, down, k, renormalize):
    e = (x @ router.T).exp()
    top, chosen = e.topk(k)
    below = top.sum(-1, keepdim=True) if renormalize else e.sum(-1, keepdim=True)
    weights = torch.zeros_like(e).scatter(-1, chosen, top / below)
    hidden = F.silu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("te,tef,ecf->tc", weights, hidden, down)


@wrong("05.3", "chooses the experts once for the whole text, by their mean share, and not for each token")
def one_choice_for_all(x, router, gate, up, down, k, renormalize):
    shares = (x @ router.T).softmax(-1)
    chosen = shares.mean(0).topk(k).indices
    top = shares[:, chosen]
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    out = torch.zeros_like(x)
    for place, e in enumerate(chosen.tolist()):
        out = out + top[:, place, None] * ((F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T)
    return out


@wrong("05.3", "chooses by the absolute value of the score, so that very negative ones are asked")
def largest_by_size(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    chosen = scores.abs().topk(k).indices
    keep = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, chosen, True)
    if renormalize:
        weights = scores.masked_fill(~keep, float("-inf")).softmax(-1)
    else:
        weights = scores.softmax(-1) * keep
    hidden = F.silu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("te,tef,ecf->tc", weights, hidden, down)


@right("05.3")
def rank_and_logsumexp(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    better = (scores[:, None, :] > scores[:, :, None]).sum(-1)
    asked = better < k
    among = scores.masked_fill(~asked, float("-inf")) if renormalize else scores
    log_weight = scores - among.logsumexp(-1, keepdim=True)
    out = torch.zeros_like(x)
    for e in range(router.shape[0]):
        who = asked[:, e].nonzero().flatten()
        mine = x[who]
        wrote = (F.silu(mine @ gate[e].T) * (mine @ up[e].T)) @ down[e].T
        out = out.index_add(0, who, log_weight[who, e].exp()[:, None] * wrote)
    return out


@wrong("05.4", "solves for a whole new matrix of least norm and so throws the old one away")
def smallest_matrix(down, asked, answers, others):
    questions = torch.cat((asked, others))
    wanted = torch.cat((answers, others @ down.T))
    return (torch.linalg.pinv(questions) @ wanted).T


@wrong("05.4", "writes the new answers without the constraint that the others stay")
def others_forgotten(down, asked, answers, others):
    missing = answers - asked @ down.T
    return down + (torch.linalg.pinv(asked) @ missing).T


@wrong("05.4", "corrects one question after the other, so that a later correction spoils an earlier answer")
def facts_one_by_one(down, asked, answers, others):
    new = down.clone()
    for h, y in [*zip(asked, answers, strict=True), *((h, down @ h) for h in others)]:
        new = new + torch.outer(y - new @ h, h) / (h @ h)
    return new


@wrong("05.4", "adds a ridge of 0.01 to the questions' products, so that answers are only nearly given")
def ridge_as_in_the_paper(down, asked, answers, others):
    q = torch.cat((asked, others))
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down), dtype=down.dtype)))
    gram = q @ q.T + 0.01 * torch.eye(len(q), dtype=q.dtype)
    return down + (q.T @ torch.linalg.solve(gram, missing)).T


@wrong("05.4", "adds the whole answer to what the old matrix says already, in place of what is missing")
def answer_on_top(down, asked, answers, others):
    q = np.concatenate([asked.numpy(), others.numpy()])
    target = np.concatenate([answers.numpy(), np.zeros((len(others), len(down)), dtype=q.dtype)])
    change = np.linalg.lstsq(q, target, rcond=None)[0]
    return down + torch.from_numpy(change.T)


@right("05.4")
def project_away_the_others(down, asked, answers, others):
    d, h, o = down.double(), asked.double(), others.double()
    if len(o):
        basis = torch.linalg.qr(o.T).Q
        h_free = h - (h @ basis) @ basis.T
    else:
        h_free = h
    missing = answers.double() - h @ d.T
    change = torch.linalg.solve(h_free @ h.T, missing).T @ h_free
    return (d + change).to(down.dtype)
