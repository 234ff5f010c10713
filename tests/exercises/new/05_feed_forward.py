"""Assignment 05, new answers from the text alone; every second wrong one is only scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("05.1", "gate and up are swapped: SiLU is applied to the up product.")
def silu_of_up(x, gate, up, down, words):
    hidden = (x @ gate.T) * F.silu(x @ up.T)
    return hidden[:, :, None] * (words @ down).T


@wrong("05.1", "The activation is sigmoid, not SiLU (x · sigmoid(x)).")
def sigmoid_gate(x, gate, up, down, words):
    hidden = torch.sigmoid(x @ gate.T) * (x @ up.T)
    return hidden[:, :, None] * (words @ down).T


@wrong("05.1", "The rows of `words` are scaled to norm 1: a cosine in place of a dot product.")
def cosine_of_the_words(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, :, None] * (F.normalize(words, dim=-1) @ down).T


@wrong("05.1", "The activations are averaged over the positions, so all positions get the same terms.")
def averaged_over_positions(x, gate, up, down, words):
    hidden = (F.silu(x @ gate.T) * (x @ up.T)).mean(0, keepdim=True).expand(len(x), -1)
    return hidden[:, :, None] * (words @ down).T


@wrong("05.1", "Negative contributions are set to 0.")
def only_what_raises(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return (hidden[:, :, None] * (words @ down).T).relu()


@wrong("05.1", "The axes are (T, V, F), and (T, F, V) is asked for.")
def tokens_before_neurons(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, None, :] * (words @ down)


@right("05.1")
def neuron_by_neuron(x, gate, up, down, words):
    x, gate, up, down, words = (part.double().numpy() for part in (x, gate, up, down, words))
    out = np.zeros((len(x), len(gate), len(words)))
    for f in range(len(gate)):
        z = x @ gate[f]
        write = np.outer(z / (1 + np.exp(-z)) * (x @ up[f]), down[:, f])
        out[:, f] = write @ words.T
    return out


def swiglu(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.2", "All GPUs are cut where the first one is: their numbers of neurons are taken to be equal.")
def cut_as_the_first(x, gate_up, down):
    n = len(gate_up[0]) // 2
    gate = torch.cat([own[: min(n, len(own) // 2)] for own in gate_up])
    up = torch.cat([own[len(own) - min(n, len(own) // 2) :] for own in gate_up])
    own_down = torch.cat([part[:, : min(n, part.shape[1])] for part in down], 1)
    return swiglu(x, gate, up, own_down)


@wrong("05.2", "`=` for `+=`: only the last GPU's part is returned.")
def only_the_last_gpu(x, gate_up, down):
    for own, own_down in zip(gate_up, down, strict=True):
        out = swiglu(x, *own.chunk(2), own_down)
    return out


@wrong("05.2", "The sum of an earlier call stays in a mutable default.")
def sum_of_earlier_calls(x, gate_up, down, total={}):  # noqa: B006
    for own, own_down in zip(gate_up, down, strict=True):
        part = swiglu(x, *own.chunk(2), own_down)
        total[part.shape] = total.get(part.shape, 0) + part
    return total[x.shape].clone()


@wrong("05.2", "The input is added to the output, as in a block with its residual stream.")
def with_the_residual(x, gate_up, down):
    return x + sum(swiglu(x, *own.chunk(2), own_down) for own, own_down in zip(gate_up, down, strict=True))


@wrong("05.2", "The parts of the GPUs are averaged, not added.")
def mean_of_the_gpus(x, gate_up, down):
    parts = [swiglu(x, *own.chunk(2), own_down) for own, own_down in zip(gate_up, down, strict=True)]
    return torch.stack(parts).mean(0)


@wrong("05.2", "Even rows are taken for gate and odd ones for up, as though they alternated.")
def rows_alternate(x, gate_up, down):
    return sum(swiglu(x, own[0::2], own[1::2], own_down) for own, own_down in zip(gate_up, down, strict=True))


@right("05.2")
def one_joined_layer(x, gate_up, down):
    halves = [own.double().numpy().reshape(2, -1, own.shape[1]) for own in gate_up]
    gate, up = (np.concatenate([half[part] for half in halves]) for part in (0, 1))
    z = x.double().numpy() @ gate.T
    hidden = z / (1 + np.exp(-z)) * (x.double().numpy() @ up.T)
    return hidden @ np.concatenate([own.double().numpy() for own in down], axis=1).T


def mixed(x, weights, gate, up, down):
    return sum(weights[:, e, None] * swiglu(x, gate[e], up[e], down[e]) for e in range(len(gate)))


def chosen_only(weights, k):
    top, chosen = weights.topk(k)
    return torch.zeros_like(weights).scatter(-1, chosen, top)


@wrong("05.3", "The experts are chosen once for all tokens, by the mean of their probabilities.")
def the_same_experts_for_all(x, router, gate, up, down, k, renormalize):
    probs = (x @ router.T).softmax(-1)
    weights = torch.zeros_like(probs)
    chosen = probs.mean(0).topk(k).indices
    weights[:, chosen] = probs[:, chosen]
    return mixed(x, weights / weights.sum(-1, keepdim=True) if renormalize else weights, gate, up, down)


@wrong("05.3", "`=` for `+=`: of the chosen experts only the last one's output is kept.")
def the_last_chosen_expert(x, router, gate, up, down, k, renormalize):
    top, chosen = (x @ router.T).softmax(-1).topk(k)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    out = torch.zeros_like(x)
    for t in range(len(x)):
        for weight, e in zip(top[t], chosen[t].tolist(), strict=True):
            out[t] = weight * swiglu(x[t : t + 1], gate[e], up[e], down[e])[0]
    return out


@wrong("05.3", "To renormalize, the weights are divided by their norm (squares sum to 1), not by their sum.")
def norm_of_one(x, router, gate, up, down, k, renormalize):
    weights = chosen_only((x @ router.T).softmax(-1), k)
    return mixed(x, F.normalize(weights, dim=-1) if renormalize else weights, gate, up, down)


@wrong("05.3", "exp is taken without subtracting the largest score, so it overflows.")
def exponentials_as_they_are(x, router, gate, up, down, k, renormalize):
    e = (x @ router.T).exp()
    weights = chosen_only(e, k)
    return mixed(x, weights / (weights if renormalize else e).sum(-1, keepdim=True), gate, up, down)


@wrong("05.3", "The meaning of `renormalize` is inverted.")
def the_other_way_round(x, router, gate, up, down, k, renormalize):
    weights = chosen_only((x @ router.T).softmax(-1), k)
    return mixed(x, weights if renormalize else weights / weights.sum(-1, keepdim=True), gate, up, down)


@wrong("05.3", "The chosen experts all get the same weight, 1/k.")
def equal_weights(x, router, gate, up, down, k, renormalize):
    probs = (x @ router.T).softmax(-1)
    return mixed(x, (chosen_only(probs, k) > 0).float() / k, gate, up, down)


@right("05.3")
def token_by_token(x, router, gate, up, down, k, renormalize):
    out = []
    for row in x.double():
        scores = (router.double() @ row).tolist()
        best = sorted(range(len(scores)), key=scores.__getitem__)[-k:]
        top = max(scores)
        total = sum(math.exp(scores[e] - top) for e in (best if renormalize else range(len(scores))))
        parts = [down[e].double() @ (F.silu(gate[e].double() @ row) * (up[e].double() @ row)) for e in best]
        out.append(sum(math.exp(scores[e] - top) / total * part for e, part in zip(best, parts, strict=True)))
    return torch.stack(out)


@wrong("05.4", "The smallest matrix that fits is returned, not the one that is closest to `down`.")
def smallest_matrix(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    wanted = torch.cat((answers.double(), others.double() @ down.double().T))
    return (torch.linalg.pinv(questions) @ wanted).T.float()


@wrong("05.4", "The answers to `others` are set to 0, where their old answers should stay.")
def others_answered_with_zero(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    wanted = torch.cat((answers, torch.zeros(len(others), len(down)))).double()
    missing = wanted - questions @ down.double().T
    return (down.double() + (torch.linalg.pinv(questions) @ missing).T).float()


@wrong("05.4", "First the asked answers are written, then the others restored, which changes the asked ones again.")
def asked_then_others(down, asked, answers, others):
    new = down.double()
    for questions, wanted in ((asked.double(), answers.double()), (others.double(), others.double() @ down.double().T)):
        if len(questions):
            new = new + (torch.linalg.pinv(questions) @ (wanted - questions @ new.T)).T
    return new.float()


@wrong("05.4", "The change is ridge regression: a constant of 0.1 is added, so the answers are not quite reached.")
def with_ridge(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    missing = torch.cat((answers.double(), others.double() @ down.double().T)) - questions @ down.double().T
    gram = questions @ questions.T + 0.1 * torch.eye(len(questions)).double()
    return (down.double() + (questions.T @ torch.linalg.solve(gram, missing)).T).float()


@wrong("05.4", "The facts are written one after the other, and each changes the answers of those before.")
def one_fact_after_the_other(down, asked, answers, others):
    new = down.double()
    for h, answer in zip(asked.double(), answers.double(), strict=True):
        if len(others):
            basis = torch.linalg.qr(others.double().T).Q
            direction = h - basis @ (basis.T @ h)
        else:
            direction = h
        new = new + torch.outer(answer - new @ h, direction) / (direction @ h)
    return new.float()


@wrong("05.4", "The change is divided by the norm of h, not by its square.")
def divided_by_the_norm(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    missing = torch.cat((answers.double(), others.double() @ down.double().T)) - questions @ down.double().T
    change = torch.linalg.pinv(questions / questions.norm(dim=-1, keepdim=True)) @ missing
    return (down.double() + change.T).float()


@right("05.4")
def by_the_gram_matrix(down, asked, answers, others):
    H, D = np.concatenate((asked, others)).astype(float), down.double().numpy()
    missing = np.zeros((len(H), len(D)))
    missing[: len(asked)] = answers.double().numpy() - asked.double().numpy() @ D.T
    return D + (H.T @ np.linalg.solve(H @ H.T, missing)).T
