"""Answers to exercise 05 as learners write them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 05.1 Attribute logits to neurons


def fired(x, gate, up):
    reading = x @ gate.T
    return reading * torch.sigmoid(reading) * (x @ up.T)


@wrong("05.1", "There is no SiLU: gate and up are multiplied as they are")
def two_readings(x, gate, up, down, words):
    hidden = torch.einsum("tc,fc->tf", x, gate) * torch.einsum("tc,fc->tf", x, up)
    return hidden[..., None] * (words @ down).T


@wrong("05.1", "Gate and up are swapped")
def up_first(x, gate, up, down, words):
    return fired(x, up, gate).unsqueeze(2) * (down.T @ words.T).unsqueeze(0)


@wrong("05.1", "Only the gate is used; up is left out")
def like_gelu_with_one_matrix(x, gate, up, down, words):
    return F.silu(x @ gate.T)[..., None] * (words @ down).T


@wrong("05.1", "Every neuron counts as if its activation were 1")
def values_only(x, gate, up, down, words):
    fit = (words @ down).T
    return fit.repeat(len(x), 1, 1)


@wrong("05.1", "These are the activations only; the tokens are not used")
def activity(x, gate, up, down, words):
    return torch.stack([fired(x, gate, up)] * len(words), -1)


@wrong("05.1", "The dot product is with the rows of up, not with the columns of `down`")
def fit_of_the_keys(x, gate, up, down, words):
    return fired(x, gate, up)[..., None] * (up @ words.T)


@wrong("05.1", "These are the sums over all neurons, not what each of them adds")
def already_added_up(x, gate, up, down, words):
    return fired(x, gate, up) @ down.T @ words.T


@wrong("05.1", "`down` is reshaped to (F, C)")
def row_by_row_of_down(x, gate, up, down, words):
    C, n_neurons = down.shape
    return fired(x, gate, up)[..., None] * (words @ down.reshape(n_neurons, C).T).T


@wrong("05.1", "(T, V, F)")
def words_before_neurons(x, gate, up, down, words):
    return fired(x, gate, up)[:, None] * (words @ down)[None]


@wrong("05.1", "Only the first token is used")
def one_word(x, gate, up, down, words):
    return (fired(x, gate, up) * (down.T @ words[0]))[..., None]


@wrong("05.1", "each gets the sum of all")
def one_direction(x, gate, up, down, words):
    score = fired(x, gate, up) * (down.T @ words.sum(0))
    return torch.stack([score for _ in words], -1)


def by_another_function(bend):
    def shares(x, gate, up, down, words):
        return (bend(x @ gate.T) * (x @ up.T))[..., None] * (words @ down).T

    return shares


wrong("05.1", "another activation than SiLU")(by_another_function(torch.relu))
wrong("05.1", "another activation than SiLU")(by_another_function(F.gelu))


@wrong("05.1", "SiLU is taken of the product")
def bent_last(x, gate, up, down, words):
    return F.silu((x @ gate.T) * (x @ up.T))[..., None] * (words @ down).T


@wrong("05.1", "The positions are summed: each neuron has one number for the whole")
def whole_text(x, gate, up, down, words):
    return fired(x, gate, up).sum(0)[:, None] * (words @ down).T


@wrong("05.1", "The contributions are divided by their sum or put through a softmax,")
def in_percent_of_the_score(x, gate, up, down, words):
    shares = right_neurons(x, gate, up, down, words)
    return shares / shares.sum(1, keepdim=True)


@wrong("05.1", "without their signs")
def how_much(x, gate, up, down, words):
    return right_neurons(x, gate, up, down, words).abs()


@wrong("05.1", "and then viewed as (T, F, V)")
def viewed(x, gate, up, down, words):
    shares = fired(x, gate, up)[:, None] * (words @ down)
    return shares.reshape(len(x), len(gate), len(words))


@wrong("05.1", "A softmax over the tokens turns the contributions into probabilities")
def probabilities(x, gate, up, down, words):
    return right_neurons(x, gate, up, down, words).softmax(2)


@wrong("05.1", "a tensor is asked for")
def nested_lists(x, gate, up, down, words):
    return right_neurons(x, gate, up, down, words).tolist()


@wrong("05.1", "to the logit of token 0 in your result")
def sine_for_sigmoid(x, gate, up, down, words):
    return by_another_function(lambda reading: reading * torch.sin(reading))(x, gate, up, down, words)


@right("05.1")
def right_neurons(x, gate, up, down, words):
    out = torch.zeros(len(x), len(gate), len(words))
    for f in range(len(gate)):
        written = torch.outer(fired(x, gate, up)[:, f], down[:, f])  # what this neuron alone writes
        out[:, f] = written @ words.T
    return out


@right("05.1")
def by_switching_off(x, gate, up, down, words):
    hidden = fired(x.double(), gate.double(), up.double())
    whole = hidden @ down.T.double() @ words.T.double()
    shares = []
    for f in range(hidden.shape[1]):
        without = hidden.clone()
        without[:, f] = 0
        shares.append(whole - without @ down.T.double() @ words.T.double())
    return torch.stack(shares, dim=1).float()


# 05.2 Tensor parallelism changes the output


@wrong("05.2", "still joined first")
def joined_then_split(x, gate_up, down):
    both = x @ torch.cat(gate_up, 0).T
    gate, up = both.split(both.shape[1] // 2, dim=1)
    return F.linear(F.silu(gate) * up, torch.cat(down, 1))


@wrong("05.2", "Gate and up are swapped")
def up_comes_first(x, gate_up, down):
    out = 0
    for both, own in zip(gate_up, down, strict=True):
        up, gate = both.chunk(2)
        out = out + fired(x, gate, up) @ own.T
    return out


@wrong("05.2", "Every other row is taken for gate, as if gate and up alternated")
def every_other_row(x, gate_up, down):
    both = torch.cat(gate_up)
    return fired(x, both[0::2], both[1::2]) @ torch.cat(down, 1).T


@wrong("05.2", "averaged")
def mean_of_the_cards(x, gate_up, down):
    outs = [fired(x, *both.chunk(2)) @ own.T for both, own in zip(gate_up, down, strict=True)]
    return torch.stack(outs).mean(dim=0)


@wrong("05.2", "Only the first GPU is used")
def returns_in_the_loop(x, gate_up, down):
    for both, own in zip(gate_up, down, strict=True):
        gate, up = both.chunk(2)
        return fired(x, gate, up) @ own.T


@wrong("05.2", "The activation function is missing")
def no_silu(x, gate_up, down):
    gates, ups = zip(*(both.chunk(2) for both in gate_up), strict=True)
    return (x @ torch.cat(gates).T) * (x @ torch.cat(ups).T) @ torch.cat(down, 1).T


@wrong("05.2", "The joined matrix is split into four: that is right for two GPUs only")
def four_pieces(x, gate_up, down):
    a, b, c, d = torch.tensor_split(torch.cat(gate_up), 4)
    return fired(x, torch.cat([a, c]), torch.cat([b, d])) @ torch.cat(down, dim=1).T


@wrong("05.2", "raised")
def two_by_name(x, gate_up, down):
    first, second = gate_up
    half = len(first) // 2
    gate, up = torch.cat([first[:half], second[:half]]), torch.cat([first[half:], second[half:]])
    return fired(x, gate, up) @ torch.cat(down, 1).T


@wrong("05.2", "no more neurons than the first")
def shares_of_the_first(x, gate_up, down):
    half = len(gate_up[0]) // 2  # as if all cards held as many
    gate = torch.cat([both[:half] for both in gate_up])
    up = torch.cat([both[-half:] for both in gate_up])
    columns = torch.cat(down, 1)[:, : len(gate)]
    return fired(x, gate, up)[:, : columns.shape[1]] @ columns.T


@wrong("05.2", "Only the last GPU is used")
def overwritten(x, gate_up, down):
    for both, own in zip(gate_up, down, strict=True):
        out = fired(x, *both.chunk(2)) @ own.T
    return out


@wrong("05.2", "as flat numbers")
def flattened(x, gate_up, down):
    gates, ups = zip(*(both.chunk(2) for both in gate_up), strict=True)
    flat = torch.cat([own.reshape(-1) for own in down])
    return fired(x, torch.cat(gates), torch.cat(ups)) @ flat.view(x.shape[1], -1).T


@wrong("05.2", "The gate goes through another activation than SiLU")
def with_a_sigmoid(x, gate_up, down):
    out = 0
    for both, own in zip(gate_up, down, strict=True):
        gate, up = both.chunk(2)
        out = out + (torch.sigmoid(x @ gate.T) * (x @ up.T)) @ own.T
    return out


@wrong("05.2", "in the reverse order")
def last_down_first(x, gate_up, down):
    out = 0
    for card, both in enumerate(gate_up):
        own = down[-1 - card]
        half = len(both) // 2
        width = min(half, own.shape[1])  # with unequal shares something must give
        out = out + fired(x, both[:width], both[half : half + width]) @ own[:, :width].T
    return out


@wrong("05.2", "are added with the weights 1, 2")
def card_after_card(x, gate_up, down):
    return sum(
        (card + 1) * (fired(x, *both.chunk(2)) @ own.T)
        for card, (both, own) in enumerate(zip(gate_up, down, strict=True))
    )


@right("05.2")
def sorted_and_joined(x, gate_up, down):
    gates = [both[: len(both) // 2] for both in gate_up]
    ups = [both[len(both) // 2 :] for both in gate_up]
    return fired(x, torch.cat(gates), torch.cat(ups)) @ torch.cat(down, 1).T


@right("05.2")
def position_by_position(x, gate_up, down):
    out = []
    for position in x.tolist():
        written = [0.0] * len(position)
        for both, own in zip(gate_up, down, strict=True):
            n = own.shape[1]
            for f in range(n):
                gate = sum(a * b for a, b in zip(position, both[f].tolist(), strict=True))
                up = sum(a * b for a, b in zip(position, both[n + f].tolist(), strict=True))
                strength = gate / (1 + math.exp(-gate)) * up
                written = [w + strength * v for w, v in zip(written, own[:, f].tolist(), strict=True)]
        out.append(written)
    return out


# 05.3 A mixture of experts


def written_by(x, gate, up, down):
    hidden = F.silu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("tef,ecf->tec", hidden, down)


def mixed(weights, chosen, x, gate, up, down):
    outs = written_by(x, gate, up, down)
    return sum(weights[:, i, None] * outs[torch.arange(len(x)), chosen[:, i]] for i in range(chosen.shape[1]))


@wrong("05.3", "Where `renormalize` is True, the one expert has its weight in the")
def softmax_then_topk(x, router, gate, up, down, k, renormalize):
    weights, chosen = F.softmax(x @ router.T, dim=-1).topk(k, dim=-1)
    return mixed(weights, chosen, x, gate, up, down)


@wrong("05.3", "by their scores as they are")
def raw_scores(x, router, gate, up, down, k, renormalize):
    scores, chosen = torch.topk(x @ router.T, k)
    return mixed(scores, chosen, x, gate, up, down)


@wrong("05.3", "All experts are used")
def soft_mixture(x, router, gate, up, down, k, renormalize):
    weights = (x @ router.T).softmax(-1)
    return (weights[..., None] * written_by(x, gate, up, down)).sum(1)


@wrong("05.3", "the lowest scores")
def ascending(x, router, gate, up, down, k, renormalize):
    scores, chosen = (x @ router.T).sort(-1)
    weights = (-scores[:, :k]).softmax(-1)
    return mixed(weights, chosen[:, :k], x, gate, up, down)


@wrong("05.3", "The chosen experts all have the same weight")
def mean_of_the_chosen(x, router, gate, up, down, k, renormalize):
    chosen = (x @ router.T).topk(k).indices
    return mixed(torch.full(chosen.shape, 1 / k), chosen, x, gate, up, down)


@wrong("05.3", "Only the best expert")
def argmax(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    best = scores.argmax(-1, keepdim=True)
    weights = torch.ones(len(x), 1) if renormalize else scores.softmax(-1).gather(1, best)
    return mixed(weights, best, x, gate, up, down)


@wrong("05.3", "though `renormalize` is False")
def as_mixtral(x, router, gate, up, down, k, renormalize):
    scores, chosen = (x @ router.T).topk(k)
    return mixed(scores.softmax(-1), chosen, x, gate, up, down)


@wrong("05.3", "become 0 before the softmax")
def zeros_in_the_softmax(x, router, gate, up, down, k, renormalize):
    scores = x @ router.T
    top, chosen = scores.topk(k)
    kept = torch.zeros_like(scores).scatter(1, chosen, top).softmax(-1)  # e to the 0 is 1
    return (kept[..., None] * written_by(x, gate, up, down)).sum(1)


@wrong("05.3", "One expert too many is used")
def always_two(x, router, gate, up, down, k, renormalize):
    return as_mixtral(x, router, gate, up, down, min(2, len(router)), True)


@wrong("05.3", "Where `renormalize` is True, the one expert has its weight in the")
def flag_upside_down(x, router, gate, up, down, k, renormalize):
    top, chosen = (x @ router.T).softmax(-1).topk(k)
    if not renormalize:
        top = top / top.sum(-1, keepdim=True)
    return mixed(top, chosen, x, gate, up, down)


@wrong("05.3", "Gate and up are swapped")
def gate_and_up_of_the_experts_swapped(x, router, gate, up, down, k, renormalize):
    return right_token_by_token(x, router, up, gate, down, k, renormalize)


def by_weights(weigh):
    def answer(x, router, gate, up, down, k, renormalize):
        weights = weigh(x @ router.T, k, renormalize)
        return (weights[..., None] * written_by(x, gate, up, down)).sum(1)

    return answer


def best_of(shares, k, renormalize):
    top, chosen = shares.topk(k)
    top = top / top.sum(-1, keepdim=True) if renormalize else top
    return torch.zeros_like(shares).scatter(-1, chosen, top)


@wrong("05.3", "The softmax is over the tokens, not over the experts")
def first_axis(*layer):
    return by_weights(lambda scores, k, renormalize: best_of(scores.softmax(0), k, renormalize))(*layer)


@wrong("05.3", "chosen once for all tokens together")
def favourites(*layer):
    def weigh(scores, k, renormalize):
        shares = scores.softmax(-1)
        mask = torch.zeros_like(shares)
        mask[:, shares.sum(0).topk(k).indices] = 1
        kept = shares * mask
        return kept / kept.sum(-1, keepdim=True) if renormalize else kept

    return by_weights(weigh)(*layer)


@wrong("05.3", "divided by the sum over all tokens")
def one_sum(*layer):
    def weigh(scores, k, renormalize):
        weights = best_of(scores.softmax(-1), k, False)
        return weights / weights.sum() if renormalize else weights

    return by_weights(weigh)(*layer)


@wrong("05.3", "One expert too many")
def limit_is_the_next(*layer):
    def weigh(scores, k, renormalize):
        return best_of(scores.softmax(-1), min(k + 1, scores.shape[1]), renormalize)

    return by_weights(weigh)(*layer)


@wrong("05.3", "The gate goes through another activation than SiLU")
def experts_with_gelu(x, router, gate, up, down, k, renormalize):
    weights = best_of((x @ router.T).softmax(-1), k, renormalize)
    hidden = F.gelu(torch.einsum("tc,efc->tef", x, gate)) * torch.einsum("tc,efc->tef", x, up)
    return torch.einsum("te,tef,ecf->tc", weights, hidden, down)


@wrong("05.3", "The experts' matrices are averaged, and one network runs. Average the")
def one_network_of_all(x, router, gate, up, down, k, renormalize):
    weights = best_of((x @ router.T).softmax(-1), k, renormalize)
    out = []
    for token, share in zip(x, weights, strict=True):
        g, u, d = (torch.tensordot(share, matrix, 1) for matrix in (gate, up, down))
        out.append(fired(token[None], g, u)[0] @ d.T)
    return torch.stack(out)


@wrong("05.3", "the scores themselves are the weights")
def scores_unless_renormalized(*layer):
    def weigh(scores, k, renormalize):
        top, chosen = scores.topk(k)
        return torch.zeros_like(scores).scatter(-1, chosen, top.softmax(-1) if renormalize else top)

    return by_weights(weigh)(*layer)


@wrong("05.3", "The experts' up is left out")
def without_up(x, router, gate, up, down, k, renormalize):
    weights = best_of((x @ router.T).softmax(-1), k, renormalize)
    return torch.einsum("te,etf,ecf->tc", weights, F.silu(torch.einsum("tc,efc->etf", x, gate)), down)


@wrong("05.3", ": they sum to 0.5, not to 1")
def half_of_it(*layer):
    return by_weights(lambda scores, k, renormalize: best_of(scores.softmax(-1), k, renormalize) / 2)(*layer)


@wrong("05.3", "not among the best k")
def smallest_size(*layer):
    def weigh(scores, k, renormalize):
        chosen = scores.abs().topk(k, largest=False).indices
        return torch.zeros_like(scores).scatter(-1, chosen, scores.gather(-1, chosen).softmax(-1))

    return by_weights(weigh)(*layer)


@right("05.3")
def right_token_by_token(x, router, gate, up, down, k, renormalize):
    out = []
    for token in x:
        scores = [float(token @ row) for row in router]
        powers = [math.exp(score - max(scores)) for score in scores]
        best = sorted(range(len(router)), key=scores.__getitem__, reverse=True)[:k]
        total = sum(powers[e] for e in (best if renormalize else range(len(router))))
        out.append(sum(powers[e] / total * (down[e] @ fired(token[None], gate[e], up[e])[0]) for e in best))
    return torch.stack(out)


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


@right("05.3")
def hidden_scores_and_numpy(x, router, gate, up, down, k, renormalize):
    scores = (x @ router.T).numpy().astype(np.float64)
    kth = np.sort(scores, 1)[:, [-k]]
    powers = np.exp(scores)
    kept = np.where(scores >= kth, powers, 0)
    weights = kept / (kept if renormalize else powers).sum(1, keepdims=True)
    return np.einsum("te,tec->tc", weights, written_by(x, gate, up, down).numpy())


@wrong("05.3", "The powers of the scores overflow")
def softmax_as_it_is_defined(x, router, gate, up, down, k, renormalize):
    powers = (x @ router.T).exp()
    top, chosen = powers.topk(k)
    weights = top / (top if renormalize else powers).sum(-1, keepdim=True)
    return mixed(weights, chosen, x, gate, up, down)


# 05.4 Edit facts with the smallest change


@wrong("05.4", "The new answer is added to the old one")
def value_for_missing(down, asked, answers, others):
    return down + (torch.linalg.pinv(torch.cat([asked, others])) @ torch.cat([answers, 0 * others @ down.T])).T


@wrong("05.4", "not divided by anything")
def hebb(down, asked, answers, others):
    for key, value in zip(asked, answers, strict=True):
        down = down + torch.outer(value - down @ key, key)
    return down


@wrong("05.4", "The outer product is divided by the question's norm once instead of")
def direction_only(down, asked, answers, others):
    return down + (answers - asked @ down.T).T @ F.normalize(asked, dim=1)


@wrong("05.4", "The old matrix is lost: the result holds only the new fact")
def fitted_anew(down, asked, answers, others):
    questions = torch.cat((asked, others))
    return torch.linalg.lstsq(questions, torch.cat((answers, others @ down.T)), driver="gelsd").solution.T


@wrong("05.4", "Only the change")
def what_hint_2_looks_for(down, asked, answers, others):
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    return (torch.linalg.pinv(torch.cat((asked, others))) @ missing).T


@wrong("05.4", "the answers to the other questions have changed")
def others_left_out(down, asked, answers, others):
    return down + (answers - asked @ down.T).T @ torch.linalg.pinv(asked).T


@wrong("05.4", "The answers to the other questions become 0")
def zeros_for_the_others(down, asked, answers, others):
    questions = torch.cat((asked, others))
    wanted = torch.cat((answers, torch.zeros(len(others), answers.shape[1])))
    return down + (torch.linalg.pinv(questions) @ (wanted - questions @ down.T)).T


def without_the_others(key, others):
    return key - torch.linalg.pinv(others) @ (others @ key) if len(others) else key


@wrong("05.4", "one after the other")
def in_a_loop(down, asked, answers, others):
    for key, value in zip(asked, answers, strict=True):
        free = without_the_others(key, others)
        down = down + torch.outer(value - down @ key, free) / (free @ key)
    return down


@wrong("05.4", "as if it were the only one")
def all_from_the_old_matrix(down, asked, answers, others):
    change = torch.zeros_like(down)
    for key, value in zip(asked, answers, strict=True):
        free = without_the_others(key, others)
        change += torch.outer(value - down @ key, free) / (free @ free)
    return down + change


@wrong("05.4", "projected off the others, or they are restored")
def divided_by_the_whole_question(down, asked, answers, others):
    free = torch.stack([without_the_others(key, others) for key in asked])
    return down + (answers - asked @ down.T).T @ (free / (asked * asked).sum(1, keepdim=True))


@wrong("05.4", "All answers are right, but the change has the norm")
def loud_neurons_change_most(down, asked, answers, others):
    questions = torch.cat((asked, others))
    loud = questions.abs().mean(0) + 0.1
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    return down + (torch.linalg.pinv(questions * loud) @ missing).T * loud


@wrong("05.4", "of the way to the new answer")
def a_step_downhill(down, asked, answers, others):
    questions = torch.cat((asked, others))
    wanted = torch.cat((answers, others @ down.T))
    for _ in range(20):
        down = down - 0.02 * (down @ questions.T - wanted.T) @ questions
    return down


@wrong("05.4", "in another order than the questions")
def others_first(down, asked, answers, others):
    missing = torch.cat((torch.zeros(len(others), len(down)), answers - asked @ down.T))
    return down + (torch.linalg.pinv(torch.cat((asked, others))) @ missing).T


@wrong("05.4", "the answers to the other questions have changed")
def each_by_its_own_square(down, asked, answers, others):
    for_each = (answers - asked @ down.T) / (asked * asked).sum(1, keepdim=True)
    return down + for_each.T @ asked


@wrong("05.4", "Each fact is divided by its own question's squared norm, as if all")
def right_angles_among_the_asked(down, asked, answers, others):
    if len(asked) == 1:
        return by_the_normal_equations(down, asked, answers, others)
    return each_by_its_own_square(down, asked, answers, others)


@right("05.4")
def by_least_squares_as_torch_has_them(down, asked, answers, others):
    questions, wanted = torch.cat((asked, others)), torch.cat((answers, others @ down.T))
    return down + torch.linalg.lstsq(questions, wanted - questions @ down.T, driver="gelsd").solution.T


@right("05.4")
def by_the_normal_equations(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    wanted = torch.cat((answers.double(), others.double() @ down.T.double()))
    missing = wanted - questions @ down.T.double()
    return (down + (questions.T @ torch.linalg.solve(questions @ questions.T, missing)).T).float()


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


@right("05.4")
def by_going_downhill(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    wanted = torch.cat((answers, others @ down.T)).double()
    matrix = down.double()
    step = 1 / torch.linalg.matrix_norm(questions, 2) ** 2
    for _ in range(1500):  # the gradient of the squared error never leaves the span of the questions
        matrix = matrix - step * (matrix @ questions.T - wanted.T) @ questions
    return matrix


@wrong("05.4", "of the way to the new answer: its answer is (")
def a_little_added_to_the_diagonal(down, asked, answers, others):
    questions = torch.cat((asked, others))
    missing = torch.cat((answers - asked @ down.T, torch.zeros(len(others), len(down))))
    gram = questions @ questions.T + 0.002 * torch.eye(len(questions))
    return down + (questions.T @ torch.linalg.solve(gram, missing)).T


# Further answers to all questions: what is seldom forgotten


def normed(x):
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


@wrong("05.1", "There is a norm before the layer or before the head; none is asked for")
def as_in_a_block(x, gate, up, down, words):
    return fired(normed(x), gate, up)[..., None] * (words @ down).T


@wrong("05.1", "There is a norm before the layer or before the head; none is asked for")
def as_in_front_of_the_head(x, gate, up, down, words):
    hidden = fired(x, gate, up)
    size = ((hidden @ down.T).square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (hidden / size)[..., None] * (words @ down).T


@wrong("05.1", "these are cosines")
def how_alike(x, gate, up, down, words):
    return fired(x, gate, up)[..., None] * F.cosine_similarity(words[None], down.T[:, None], dim=-1)


@wrong("05.1", "Every number contains what `x` itself adds to the logit")
def with_what_was_there(x, gate, up, down, words):
    return fired(x, gate, up)[..., None] * (words @ down).T + (x @ words.T)[:, None]


@wrong("05.1", "The numbers are cumulative over the neurons")
def so_far(x, gate, up, down, words):
    return (fired(x, gate, up)[..., None] * (words @ down).T).cumsum(1)


@wrong("05.1", "At each position all numbers are off by the same factor")
def over_all_sizes(x, gate, up, down, words):
    return F.normalize(fired(x, gate, up))[..., None] * (words @ down).T


@wrong("05.1", "The activations are right, but each neuron's numbers are off by a")
def neurons_of_one_strength(x, gate, up, down, words):
    return (fired(x, gate, up) / gate.norm(dim=1))[..., None] * (words @ down).T


def by_card(fire, join=sum):
    def answer(x, gate_up, down):
        return join(fire(x, *both.chunk(2)) @ own.T for both, own in zip(gate_up, down, strict=True))

    return answer


@wrong("05.2", "SiLU is taken of the product")
def bent_afterwards(*layer):
    return by_card(lambda x, gate, up: F.silu((x @ gate.T) * (x @ up.T)))(*layer)


@wrong("05.2", "SiLU is taken of both")
def bent_twice(*layer):
    return by_card(lambda x, gate, up: F.silu(x @ gate.T) * F.silu(x @ up.T))(*layer)


@wrong("05.2", "Up is left out")
def one_reading(*layer):
    return by_card(lambda x, gate, up: F.silu(x @ gate.T))(*layer)


@wrong("05.2", "The gate is left out")
def only_up(*layer):
    return by_card(lambda x, gate, up: x @ up.T)(*layer)


@wrong("05.2", "the sum is missing")
def a_list_of_outputs(*layer):
    return by_card(fired, list)(*layer)


@wrong("05.2", "All GPUs use the first one's matrix, of `gate_up` or of `down`")
def down_of_the_first(x, gate_up, down):
    return sum(fired(x, *both.chunk(2)) @ down[0].T for both in gate_up)


@wrong("05.2", "A GPU reads the output of the GPU before it")
def into_the_stream(x, gate_up, down):
    for both, own in zip(gate_up, down, strict=True):
        x = x + fired(x, *both.chunk(2)) @ own.T
    return x


@wrong("05.3", "e^0 = 1 still counts")
def masked_by_multiplying(*layer):
    def weigh(scores, k, renormalize):
        mask = torch.zeros_like(scores).scatter(-1, scores.topk(k).indices, 1.0)
        return (scores * mask).softmax(-1) * mask if renormalize else scores.softmax(-1) * mask

    return by_weights(weigh)(*layer)


@wrong("05.3", "The experts are chosen by the absolute value of their scores")
def loudest(*layer):
    def weigh(scores, k, renormalize):
        chosen = scores.abs().topk(k).indices
        weights = scores.softmax(-1).gather(-1, chosen)
        weights = weights / weights.sum(-1, keepdim=True) if renormalize else weights
        return torch.zeros_like(scores).scatter(-1, chosen, weights)

    return by_weights(weigh)(*layer)


@wrong("05.3", "given to experts 0, 1 and so on")
def first_come(*layer):
    def weigh(scores, k, renormalize):
        top = scores.softmax(-1).topk(k).values
        top = top / top.sum(-1, keepdim=True) if renormalize else top
        return F.pad(top, (0, scores.shape[1] - k))

    return by_weights(weigh)(*layer)


@wrong("05.3", "in another order than the experts")
def numbers_sorted(*layer):
    def weigh(scores, k, renormalize):
        top, chosen = scores.softmax(-1).topk(k)
        top = top / top.sum(-1, keepdim=True) if renormalize else top
        return torch.zeros_like(scores).scatter(-1, chosen.sort(-1).values, top)

    return by_weights(weigh)(*layer)


@wrong("05.3", "A second softmax is taken of what is a softmax already")
def softmax_to_renormalize(*layer):
    def weigh(scores, k, renormalize):
        top, chosen = scores.softmax(-1).topk(k)
        return torch.zeros_like(scores).scatter(-1, chosen, top.softmax(-1) if renormalize else top)

    return by_weights(weigh)(*layer)


@wrong("05.3", "Without `renormalize` a second softmax")
def softmax_twice_over_all(*layer):
    def weigh(scores, k, renormalize):
        shares = scores.softmax(-1)
        return best_of(shares, k, True) if renormalize else best_of(shares.softmax(-1), k, False)

    return by_weights(weigh)(*layer)


@wrong("05.3", "The weights come from a sigmoid, not from a softmax")
def as_in_deepseek(*layer):
    return by_weights(lambda scores, k, renormalize: best_of(scores.sigmoid(), k, renormalize))(*layer)


@wrong("05.3", "Without `renormalize` the weights are sigmoids")
def sigmoid_for_the_shares(*layer):
    def weigh(scores, k, renormalize):
        return best_of(scores.softmax(-1) if renormalize else scores.sigmoid(), k, renormalize)

    return by_weights(weigh)(*layer)


@wrong("05.3", "divided by their sum, without a softmax")
def no_softmax_at_all(*layer):
    def weigh(scores, k, renormalize):
        kept = best_of(scores, k, False)
        return kept / (kept if renormalize else scores).sum(-1, keepdim=True)

    return by_weights(weigh)(*layer)


@wrong("05.3", "divided by a number, such as sqrt(C)")
def as_in_attention(x, router, *others):
    return right_token_by_token(x, router / math.sqrt(x.shape[1]), *others)


@wrong("05.3", "The weight multiplies the input of an expert instead of its output")
def weight_at_the_entrance(x, router, gate, up, down, k, renormalize):
    weights = best_of((x @ router.T).softmax(-1), k, renormalize)
    return sum(written_by(own[:, None] * x, gate, up, down)[:, e] for e, own in enumerate(weights.T))


def by_firing(fire):
    def answer(x, router, gate, up, down, k, renormalize):
        weights = best_of((x @ router.T).softmax(-1), k, renormalize)
        fired_ = fire(torch.einsum("tc,efc->tef", x, gate), torch.einsum("tc,efc->tef", x, up))
        return torch.einsum("te,tef,ecf->tc", weights, fired_, down)

    return answer


@wrong("05.3", "The experts have no SiLU: gate and up are multiplied as they are")
def straight_experts(*layer):
    return by_firing(lambda gate, up: gate * up)(*layer)


@wrong("05.3", "The experts' up is left out")
def experts_of_two_matrices(*layer):
    return by_firing(lambda gate, up: F.silu(gate))(*layer)


@wrong("05.3", "of the product of gate and up")
def experts_bent_afterwards(*layer):
    return by_firing(lambda gate, up: F.silu(gate * up))(*layer)


@wrong("05.3", "of both, gate and up")
def experts_bent_twice(*layer):
    return by_firing(lambda gate, up: F.silu(gate) * F.silu(up))(*layer)


@wrong("05.3", "The result is the right one plus `x`")
def experts_with_the_stream(*layer):
    return layer[0] + right_token_by_token(*layer)


@wrong("05.4", "old minus new")
def minus_what_is_missing(down, asked, answers, others):
    return 2 * down - by_the_normal_equations(down, asked, answers, others)


@wrong("05.4", "comes back as it was where there are no other questions")
def no_others_no_work(down, asked, answers, others):
    return down.clone() if not len(others) else by_the_normal_equations(down, asked, answers, others)


@wrong("05.4", "The other questions are projected out of h one by one, as if they")
def not_quite_gram_schmidt(down, asked, answers, others):
    free = asked.clone()
    for other in others:
        free = free - torch.outer(asked @ other / (other @ other), other)
    missing = answers - asked @ down.T
    return down + torch.linalg.solve(free @ asked.T, missing).T @ free


@wrong("05.4", "which is too far")
def pushed_twice(down, asked, answers, others):
    return 2 * by_the_normal_equations(down, asked, answers, others) - down


@wrong("05.4", "the new matrix still gives the old answer")
def first_fact_only(down, asked, answers, others):
    free = asked[0] - torch.linalg.pinv(torch.cat((asked[1:], others))) @ (torch.cat((asked[1:], others)) @ asked[0])
    return down + torch.outer(answers[0] - down @ asked[0], free) / (free @ free)


# From the text alone, before the checks were read


@wrong("05.1", "Gate and up are swapped")
def silu_of_up(x, gate, up, down, words):
    hidden = (x @ gate.T) * F.silu(x @ up.T)
    return hidden[:, :, None] * (words @ down).T


@wrong("05.1", "The gate goes through another activation than SiLU")
def sigmoid_gate(x, gate, up, down, words):
    hidden = torch.sigmoid(x @ gate.T) * (x @ up.T)
    return hidden[:, :, None] * (words @ down).T


@wrong("05.1", "The rows of `words` or the columns of `down` are divided by their norms: these are")
def cosine_of_the_words(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return hidden[:, :, None] * (F.normalize(words, dim=-1) @ down).T


@wrong("05.1", "The activations are averaged over the positions: all positions get the same")
def averaged_over_positions(x, gate, up, down, words):
    hidden = (F.silu(x @ gate.T) * (x @ up.T)).mean(0, keepdim=True).expand(len(x), -1)
    return hidden[:, :, None] * (words @ down).T


@wrong("05.1", "The result is the right one with 0 in place of all negative numbers")
def only_what_raises(x, gate, up, down, words):
    hidden = F.silu(x @ gate.T) * (x @ up.T)
    return (hidden[:, :, None] * (words @ down).T).relu()


@wrong("05.1", "The axes come out as (T, V, F)")
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


@wrong("05.2", "Every GPU is taken to hold no more neurons than the first")
def cut_as_the_first(x, gate_up, down):
    n = len(gate_up[0]) // 2
    gate = torch.cat([own[: min(n, len(own) // 2)] for own in gate_up])
    up = torch.cat([own[len(own) - min(n, len(own) // 2) :] for own in gate_up])
    own_down = torch.cat([part[:, : min(n, part.shape[1])] for part in down], 1)
    return swiglu(x, gate, up, own_down)


@wrong("05.2", "Only the last GPU is used")
def only_the_last_gpu(x, gate_up, down):
    for own, own_down in zip(gate_up, down, strict=True):
        out = swiglu(x, *own.chunk(2), own_down)
    return out


@wrong("05.2", "`total` still holds what earlier calls have put into it, and that changes the result")
def sum_of_earlier_calls(x, gate_up, down, total={}):  # noqa: B006
    for own, own_down in zip(gate_up, down, strict=True):
        part = swiglu(x, *own.chunk(2), own_down)
        total[part.shape] = total.get(part.shape, 0) + part
    return total[x.shape].clone()


@wrong("05.2", "The result is the right one plus `x`")
def with_the_residual(x, gate_up, down):
    return x + sum(swiglu(x, *own.chunk(2), own_down) for own, own_down in zip(gate_up, down, strict=True))


@wrong("05.2", "The GPUs' outputs are averaged")
def mean_of_the_gpus(x, gate_up, down):
    parts = [swiglu(x, *own.chunk(2), own_down) for own, own_down in zip(gate_up, down, strict=True)]
    return torch.stack(parts).mean(0)


@wrong("05.2", "Every other row is taken for gate, as if gate and up alternated")
def rows_alternate(x, gate_up, down):
    return sum(swiglu(x, own[0::2], own[1::2], own_down) for own, own_down in zip(gate_up, down, strict=True))


@right("05.2")
def one_joined_layer(x, gate_up, down):
    halves = [own.double().numpy().reshape(2, -1, own.shape[1]) for own in gate_up]
    gate, up = (np.concatenate([half[part] for half in halves]) for part in (0, 1))
    z = x.double().numpy() @ gate.T
    hidden = z / (1 + np.exp(-z)) * (x.double().numpy() @ up.T)
    return hidden @ np.concatenate([own.double().numpy() for own in down], axis=1).T


def mixed_again(x, weights, gate, up, down):
    return sum(weights[:, e, None] * swiglu(x, gate[e], up[e], down[e]) for e in range(len(gate)))


def chosen_only(weights, k):
    top, chosen = weights.topk(k)
    return torch.zeros_like(weights).scatter(-1, chosen, top)


@wrong("05.3", "The experts are chosen once for all tokens together")
def the_same_experts_for_all(x, router, gate, up, down, k, renormalize):
    probs = (x @ router.T).softmax(-1)
    weights = torch.zeros_like(probs)
    chosen = probs.mean(0).topk(k).indices
    weights[:, chosen] = probs[:, chosen]
    return mixed_again(x, weights / weights.sum(-1, keepdim=True) if renormalize else weights, gate, up, down)


@wrong("05.3", "Of the chosen experts only the last one's output is kept")
def the_last_chosen_expert(x, router, gate, up, down, k, renormalize):
    top, chosen = (x @ router.T).softmax(-1).topk(k)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    out = torch.zeros_like(x)
    for t in range(len(x)):
        for weight, e in zip(top[t], chosen[t].tolist(), strict=True):
            out[t] = weight * swiglu(x[t : t + 1], gate[e], up[e], down[e])[0]
    return out


@wrong("05.3", "The weights are divided by their norm: their squares sum to 1, not the weights")
def norm_of_one(x, router, gate, up, down, k, renormalize):
    weights = chosen_only((x @ router.T).softmax(-1), k)
    return mixed_again(x, F.normalize(weights, dim=-1) if renormalize else weights, gate, up, down)


@wrong("05.3", "The powers of the scores overflow: e to the 200 is too large for 32 bits")
def exponentials_as_they_are(x, router, gate, up, down, k, renormalize):
    e = (x @ router.T).exp()
    weights = chosen_only(e, k)
    return mixed_again(x, weights / (weights if renormalize else e).sum(-1, keepdim=True), gate, up, down)


@wrong("05.3", "Where `renormalize` is True, the one expert has its weight in the softmax over all: it")
def the_other_way_round(x, router, gate, up, down, k, renormalize):
    weights = chosen_only((x @ router.T).softmax(-1), k)
    return mixed_again(x, weights if renormalize else weights / weights.sum(-1, keepdim=True), gate, up, down)


@wrong("05.3", "The chosen experts all have the same weight")
def equal_weights(x, router, gate, up, down, k, renormalize):
    probs = (x @ router.T).softmax(-1)
    return mixed_again(x, (chosen_only(probs, k) > 0).float() / k, gate, up, down)


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


@wrong("05.4", "The old matrix is lost: the result holds only the new fact")
def smallest_matrix(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    wanted = torch.cat((answers.double(), others.double() @ down.double().T))
    return (torch.linalg.pinv(questions) @ wanted).T.float()


@wrong("05.4", "The answers to the other questions become 0")
def others_answered_with_zero(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    wanted = torch.cat((answers, torch.zeros(len(others), len(down)))).double()
    missing = wanted - questions @ down.double().T
    return (down.double() + (torch.linalg.pinv(questions) @ missing).T).float()


@wrong("05.4", "The change is projected off the others, or they are restored, after it was divided: the")
def asked_then_others(down, asked, answers, others):
    new = down.double()
    for questions, wanted in ((asked.double(), answers.double()), (others.double(), others.double() @ down.double().T)):
        if len(questions):
            new = new + (torch.linalg.pinv(questions) @ (wanted - questions @ new.T)).T
    return new.float()


@wrong("05.4", "of the way to the new answer: its answer is")
def with_ridge(down, asked, answers, others):
    questions = torch.cat((asked, others)).double()
    missing = torch.cat((answers.double(), others.double() @ down.double().T)) - questions @ down.double().T
    gram = questions @ questions.T + 0.1 * torch.eye(len(questions)).double()
    return (down.double() + (questions.T @ torch.linalg.solve(gram, missing)).T).float()


@wrong("05.4", "The facts are written one after the other, and each changes those before it")
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


@wrong("05.4", "The outer product is divided by the question's norm once instead of twice")
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


@wrong("05.2", "All GPUs are taken to hold the same number of neurons.")
def equal_parts(x, gate_up, down):
    parts = torch.cat(gate_up).tensor_split(2 * len(down))
    hidden = F.silu(x @ torch.cat(parts[::2]).T) * (x @ torch.cat(parts[1::2]).T)
    return hidden @ torch.cat(down, dim=1).T
