"""Answers to exercise 09 as learners write them."""

import re

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 09.1 Parse a chat from its token ids


def turns_of(ids):
    """The ids of each turn, and whether it is ended."""
    turns = []
    for id in ids:
        if id == 1:
            turns.append(([], False))
        elif id == 2:
            turns[-1] = (turns[-1][0], True)
        elif turns and not turns[-1][1]:
            turns[-1][0].append(id)
    return turns


def as_message(text, ended):
    role, content = text.split("\n", 1)
    return {"role": role, "content": content, "ended": ended}


@wrong("09.1", "Only the first line of a message is left.")
def second_line(ids, pieces):
    messages = []
    for turn, ended in turns_of(ids):
        lines = "".join(pieces[id] for id in turn).split("\n")
        messages.append({"role": lines[0], "content": lines[1], "ended": ended})
    return messages


@wrong("09.1", "The line break that the template writes")
def cut_at_starts(ids, pieces):
    messages = []
    for id in ids:
        if id == 1:
            messages.append({"text": "", "ended": False})
        elif id == 2:
            messages[-1]["ended"] = True
        else:
            messages[-1]["text"] += pieces[id]
    return [as_message(one["text"], one["ended"]) for one in messages]


@wrong("09.1", "White space at the beginning and end of a")
def tidied(ids, pieces):
    messages = read_rightly(ids, pieces)
    for one in messages:
        one["content"] = one["content"].strip()
    return messages


@wrong("09.1", "goes on after its end")
def marks_in_the_content(ids, pieces):
    messages = []
    for part in "".join(pieces[id] for id in ids).split("<|im_start|>")[1:]:
        role, content = part.split("\n", 1)
        messages.append({"role": role, "content": content, "ended": "<|im_end|>" in content})
    return messages


@wrong("09.1", "The result isn't a list of dictionaries with")
def pairs(ids, pieces):
    return [(one["role"], one["content"]) for one in read_rightly(ids, pieces)]


@wrong("09.1", "A typed mark opens a turn: the user has forged")
def with_a_pattern(ids, pieces):
    text = "".join(pieces[id] for id in ids)
    found = re.findall(r"<\|im_start\|>(.*?)\n(.*?)(<\|im_end\|>|(?=<\|im_start\|>)|\Z)", text, re.DOTALL)
    return [{"role": role, "content": content, "ended": bool(end)} for role, content, end in found]


@wrong("09.1", "typed mark")
def marks_by_their_text(ids, pieces):
    number = {"<|im_start|>": 1, "<|im_end|>": 2}
    return read_rightly([number.get(pieces[id], id) for id in ids], pieces)


@wrong("09.1", "Typed marks are deleted")
def cleaned(ids, pieces):
    messages = read_rightly(ids, pieces)
    for one in messages:
        one["content"] = re.sub(r"<\|im_(start|end)\|>", "", one["content"])
    return messages


@wrong("09.1", "is missing")
def between_two_marks(ids, pieces):
    messages, start = [], None
    for place, id in enumerate(ids):
        if id == 1:
            start = place + 1
        if id == 2:
            messages.append(as_message("".join(pieces[one] for one in ids[start:place]), True))
    return messages


@wrong("09.1", "The turn without an end mark has `ended` True.")
def always_ended(ids, pieces):
    return [as_message("".join(map(pieces.get, turn)), True) for turn, _ in turns_of(ids)]


@wrong("09.1", "The last token of the turn")
def one_short(ids, pieces):
    starts = [place for place, id in enumerate(ids) if id == 1]
    if not starts:
        return []
    messages = []
    for start, behind in zip(starts, [*starts[1:], len(ids) + 1], strict=True):
        turn = ids[start + 1 : behind - 2]  # without the end mark and the line break
        ended = 2 in ids[start:behind]
        if ended and behind == len(ids) + 1:
            turn = ids[start + 1 : ids.index(2, start)]
        text = "".join(pieces[id] for id in turn)
        role, _, content = text.partition("\n")
        messages.append({"role": role, "content": content, "ended": ended})
    return messages


@right("09.1")
def read_rightly(ids, pieces):
    return [as_message("".join(pieces[id] for id in turn), ended) for turn, ended in turns_of(ids)]


@right("09.1")
def backwards_with_index(ids, pieces):
    messages, rest = [], list(ids)
    while 1 in rest:
        start = len(rest) - 1 - rest[::-1].index(1)
        turn, rest = rest[start + 1 :], rest[:start]
        said = turn[: turn.index(2)] if 2 in turn else turn
        text = "".join(pieces[id] for id in said)
        cut = text.index("\n")
        messages.insert(0, dict(ended=2 in turn, content=text[cut + 1 :], role=text[:cut]))
    return messages


def read_turns(ids, pieces):
    """Role, content, ended, as they stand in each turn."""
    turns = []
    for at, id in enumerate(ids):
        if id == 1:
            rest = ids[at + 1 :]
            ends = [place for place, other in enumerate(rest) if other in (1, 2)]
            said = "".join(pieces[other] for other in (rest[: ends[0]] if ends else rest))
            role, _, content = said.partition("\n")
            turns.append((role, content, bool(ends) and rest[ends[0]] == 2))
    return turns


@wrong("09.1", "The role of message")
def the_usual_roles(ids, pieces):
    messages = []
    for role, content, ended in read_turns(ids, pieces):
        known = next((name for name in ("user", "assistant", "system") if role == name), "user")
        messages.append({"role": known, "content": content, "ended": ended})
    return messages


@wrong("09.1", "ends too early")
def one_line_break_stripped(ids, pieces):
    turns = read_turns(ids, pieces)
    return [{"role": role, "content": content.removesuffix("\n"), "ended": ended} for role, content, ended in turns]


@wrong("09.1", "There are more messages than start marks: text")
def what_stands_outside_is_said(ids, pieces):
    messages = [{"role": role, "content": content, "ended": ended} for role, content, ended in read_turns(ids, pieces)]
    outside = "".join(pieces[id] for id in ids[: ids.index(1)])
    return messages if not outside else [{"role": "", "content": outside, "ended": False}, *messages]


# 09.2 Which conversations taught it?


def loss_on(weight, conversation):
    x, labels = conversation
    return F.cross_entropy(x @ weight.T, labels)


def mean_loss(weight, conversations):
    return torch.stack([loss_on(weight, each) for each in conversations]).mean()


def slopes_on(weight, conversations, loss=loss_on):
    weight = weight.detach().requires_grad_()
    return torch.stack([torch.autograd.grad(loss(weight, each), weight)[0] for each in conversations])


@wrong("09.2", "The influences aren't multiplied by the rate.")
def without_the_rate(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += (grads * goal).sum((1, 2)) / len(train)
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The influences aren't divided by the number of")
def without_n(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The influences have the wrong sign.")
def negative_is_good(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total -= rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The gain in the error has the wrong sign.")
def gain_negative(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(weight, test) - mean_loss(start, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The error has the wrong sign.")
def gain_minus_sum(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (gain - total.sum()).item()


@wrong("09.2", "The influences are cosines: the gradients are divided")
def cosines(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * F.cosine_similarity(grads.flatten(1), goal.flatten()[None], dim=1)
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The test gradient is always that of the untrained")
def test_gradient_once(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    goal = slopes_on(weight, test).mean(0)
    for _ in range(steps):
        grads = slopes_on(weight, train)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The gradients are those after the update.")
def after_the_update(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        weight = weight - rate * slopes_on(weight, train).mean(0)
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "Only the last update counts.")
def last_update(weight, train, test, rate, steps):
    start = weight
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total = rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "Each conversation has an update of its own, one after")
def one_after_the_other(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        for i, each in enumerate(train):
            grad, goal = slopes_on(weight, [each])[0], slopes_on(weight, test).mean(0)
            total[i] += rate / len(train) * (grad * goal).sum()
            weight = weight - rate / len(train) * grad
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "Long conversations weigh more: the losses are means")
def mean_over_tokens(weight, train, test, rate, steps):
    def count(conversations):
        return torch.tensor([int((labels != -100).sum()) for _, labels in conversations], dtype=torch.float)

    n, m = count(train), count(test)
    start, total = weight, torch.zeros(len(train))

    def test_loss(weight):
        return (torch.stack([loss_on(weight, each) for each in test]) * m).sum() / m.sum()

    for _ in range(steps):
        grads, goals = slopes_on(weight, train), slopes_on(weight, test)
        goal = (goals * m[:, None, None]).sum(0) / m.sum()
        shares = n / n.sum()
        total += rate * shares * (grads * goal).sum((1, 2))
        weight = weight - rate * (grads * shares[:, None, None]).sum(0)
    gain = test_loss(start) - test_loss(weight)
    return total, (total.sum() - gain).item()


@wrong("09.2", "A label of -100 is taken for token 0, and counts")
def padding_counts(weight, train, test, rate, steps):
    def fill(conversations):
        return [(x, labels.clamp(min=0)) for x, labels in conversations]

    train, test = fill(train), fill(test)
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The loss of a conversation is divided by the number")
def divides_by_all_tokens(weight, train, test, rate, steps):
    def loss(weight, conversation):
        x, labels = conversation
        return F.cross_entropy(x @ weight.T, labels, reduction="none").mean()

    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train, loss), slopes_on(weight, test, loss).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = sum(loss(start, each) - loss(weight, each) for each in test) / len(test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "With logits in the hundreds, the result is NaN or")
def log_of_the_softmax_(weight, train, test, rate, steps):
    def loss(weight, conversation):
        x, labels = conversation
        p = (x @ weight.T).softmax(-1)[labels >= 0]
        return -p.gather(1, labels[labels >= 0][:, None]).log().mean()

    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train, loss), slopes_on(weight, test, loss).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = sum(loss(start, each) - loss(weight, each) for each in test) / len(test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "All updates use the gradients of the untrained model.")
def never_trains(weight, train, test, rate, steps):
    grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
    total = steps * rate / len(train) * (grads * goal).sum((1, 2))
    after = weight - steps * rate * grads.mean(0)
    return total, (total.sum() - (mean_loss(weight, test) - mean_loss(after, test))).item()


@wrong("09.2", "The test gradient is that after the update.")
def goal_at_the_end(weight, train, test, rate, steps):
    start, all_grads = weight, []
    for _ in range(steps):
        grads = slopes_on(weight, train)
        all_grads.append(grads)
        weight = weight - rate * grads.mean(0)
    goal = slopes_on(weight, test).mean(0)
    total = sum(rate / len(train) * (grads * goal).sum((1, 2)) for grads in all_grads)
    return total, (total.sum() - (mean_loss(start, test) - mean_loss(weight, test))).item()


@wrong("09.2", "The test gradient is summed over the test")
def summed_test(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).sum(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "An update uses the sum of the gradients, not their")
def update_by_the_sum(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.sum(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The updates go uphill.")
def climbs(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight + rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The gain in the error is that of the training loss.")
def gain_in_training(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, train) - mean_loss(weight, train)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The error is relative to the gain.")
def relative(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, ((total.sum() - gain) / gain).item()


@wrong("09.2", "The second result is the gain, not the error of the")
def returns_the_gain(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    return total, (mean_loss(start, test) - mean_loss(weight, test)).item()


@wrong("09.2", "Each training gradient is multiplied by the mean")
def with_the_training_gradient(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads = slopes_on(weight, train)
        total += rate / len(train) * (grads * grads.mean(0)).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    return total, (total.sum() - (mean_loss(start, test) - mean_loss(weight, test))).item()


@wrong("09.2", "The influences are divided by their sum.")
def shares(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total / total.sum(), (total.sum() - gain).item()


@wrong("09.2", "The loss of a conversation is a sum over its labels,")
def sum_of_token_losses(weight, train, test, rate, steps):
    def loss(weight, conversation):
        x, labels = conversation
        return F.cross_entropy(x @ weight.T, labels, reduction="sum")

    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train, loss), slopes_on(weight, test, loss).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = sum(loss(start, each) - loss(weight, each) for each in test) / len(test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The influences are those of leaving a conversation")
def leave_one_out(weight, train, test, rate, steps):
    def end(conversations):
        w = weight
        for _ in range(steps):
            w = w - rate * slopes_on(w, conversations).sum(0) / len(train)
        return mean_loss(w, test)

    without = [
        end(train[:i] + train[i + 1 :]) if len(train) > 1 else mean_loss(weight, test) for i in range(len(train))
    ]
    total = torch.stack(without) - end(train)
    return total, (total.sum() - (mean_loss(weight, test) - end(train))).item()


@wrong("09.2", "The labels are shifted by one: row t is asked for")
def shifted_again(weight, train, test, rate, steps):
    def loss(weight, conversation):
        x, labels = conversation
        if len(labels) > 1 and (labels[1:] >= 0).any():
            x, labels = x[:-1], labels[1:]
        return F.cross_entropy(x @ weight.T, labels)

    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train, loss), slopes_on(weight, test, loss).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = sum(loss(start, each) - loss(weight, each) for each in test) / len(test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "The gradients add up over the updates, and the model")
def gradients_add_up(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    grads, goal = torch.zeros(len(train), *weight.shape), torch.zeros_like(weight)
    for _ in range(steps):
        grads = grads + slopes_on(weight, train)
        goal = goal + slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "Only the first test conversation is used.")
def first_test_only(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test)[0]
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = loss_on(start, test[0]) - loss_on(weight, test[0])
    return total, (total.sum() - gain).item()


@wrong("09.2", "`error` is right. `influence` has shape (2, 3) in")
def per_row(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train), len(weight))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum(-1)
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, (total.sum() - gain).item()


@wrong("09.2", "Token 0 isn't learned.")
def zero_is_no_label(weight, train, test, rate, steps):
    def loss(weight, conversation):
        x, labels = conversation
        kept = labels > 0 if (labels > 0).any() else labels >= 0
        return F.cross_entropy(x[kept] @ weight.T, labels[kept])

    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train, loss), slopes_on(weight, test, loss).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = sum(loss(start, each) - loss(weight, each) for each in test) / len(test)
    return total, (total.sum() - gain).item()


@right("09.2")
def by_hand_in_double(weight, train, test, rate, steps):
    def slope(w, conversation):
        x, y = conversation
        x, y = x[y != -100].double(), y[y != -100]
        p = (x @ w.T).softmax(-1)
        p[torch.arange(len(y)), y] -= 1
        return p.T @ x / len(y)

    def loss(w):
        total = 0.0
        for x, y in test:
            log_p = (x.double() @ w.T).log_softmax(-1)
            kept = [-log_p[t, id].item() for t, id in enumerate(y.tolist()) if id >= 0]
            total += sum(kept) / len(kept)
        return total / len(test)

    w = weight.double()
    scores = [0.0] * len(train)
    for _ in range(steps):
        goal = sum(slope(w, each) for each in test) / len(test)
        own = [slope(w, each) for each in train]
        for i, each in enumerate(own):
            scores[i] += (rate / len(train) * torch.vdot(each.flatten(), goal.flatten())).item()
        for each in own:
            w = w - rate / len(train) * each
    return scores, sum(scores) - (loss(weight.double()) - loss(w))


@right("09.2")
def by_directional_derivatives(weight, train, test, rate, steps):
    """The derivative of the test loss along each conversation's part of the update."""

    def mean_of(conversations):
        return lambda w: (
            sum(F.cross_entropy(x @ w.T, y, ignore_index=-100) for x, y in conversations) / len(conversations)
        )

    w, parts = weight.clone(), []
    for _ in range(steps):
        moves = [rate / len(train) * torch.autograd.functional.jacobian(mean_of([each]), w) for each in train]
        parts.append(torch.stack([torch.autograd.functional.jvp(mean_of(test), w, move)[1] for move in moves]))
        w = w - sum(moves)
    totals = torch.stack(parts).sum(0)
    return totals, totals.sum() - mean_of(test)(weight) + mean_of(test)(w)


@right("09.2")
def by_an_optimizer(weight, train, test, rate, steps):
    model = torch.nn.Linear(*weight.T.shape, bias=False)
    model.weight.data = weight.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def loss(conversations):
        return sum(F.cross_entropy(model(x), y) for x, y in conversations) / len(conversations)

    influences = np.zeros(len(train))
    before = loss(test).item()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(test).backward()
        goal = model.weight.grad.clone()
        optimizer.zero_grad()
        for i, each in enumerate(train):
            already = 0 if model.weight.grad is None else model.weight.grad.clone()
            (loss([each]) / len(train)).backward()
            influences[i] += rate * ((model.weight.grad - already) * goal).sum().item()
        optimizer.step()
    return torch.from_numpy(influences), influences.sum() - (before - loss(test).item())


@right("09.2")
def without_a_sign(weight, train, test, rate, steps):
    """The test loss is convex, so its tangent is never too high, and the sum never too small."""
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        grads, goal = slopes_on(weight, train), slopes_on(weight, test).mean(0)
        total += rate / len(train) * (grads * goal).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = mean_loss(start, test) - mean_loss(weight, test)
    return total, abs(total.sum() - gain).item()


def traced(weight, train, test, rate, steps, *, term=None, off=None, move=None, after=None, loss=loss_on, tests=None):
    """The result where one thing is done differently in the loop."""
    start, total, losses = weight, 0.0, []
    for _ in range(steps):
        losses.append(mean_loss(weight, test).item())
        grads, goal = slopes_on(weight, train, loss), slopes_on(weight, test, tests or loss).mean(0)
        new = move(weight, grads) if move else weight - rate * grads.mean(0)
        own = term(grads, goal, weight, new) if term else (grads * goal).sum((1, 2)) * rate / len(train)
        total, weight = total + own, new
    losses.append(mean_loss(weight, test).item())
    ends = [sum((tests or loss)(each, one) for one in test) / len(test) for each in (start, weight)]
    total = after(total) if after else total
    return total, off(total, losses) if off else (total.sum() - (ends[0] - ends[1])).item()


@wrong("09.2", "The influences are neither multiplied by the rate nor")
def neither_rate_nor_n(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return (grads * goal).sum((1, 2))

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "The influences are cosines, without rate / n.")
def cosines_alone(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return F.cosine_similarity(grads.flatten(1), goal.flatten()[None], dim=1)

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "The influences are without their signs.")
def without_signs(weight, train, test, rate, steps):
    total, off = traced(weight, train, test, rate, steps)
    return total.abs(), off


@wrong("09.2", "Each training gradient is multiplied by itself.")
def squared_norms(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, term=lambda g, *_: rate / len(train) * (g * g).sum((1, 2)))


@wrong("09.2", "The own gradients are divided by their norms.")
def unit_own_gradients(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return rate / len(train) * (F.normalize(grads.flatten(1), dim=1) @ goal.flatten())

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "The test gradient is divided by its norm.")
def unit_test_gradient(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return rate / len(train) * (grads * goal / goal.norm()).sum((1, 2))

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "The influences are how far each conversation's own")
def own_losses_fall(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return torch.stack([loss_on(old, one) - loss_on(new, one) for one in train])

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "Each conversation's part of an update is tried out")
def each_part_alone(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return torch.stack([mean_loss(old, test) - mean_loss(old - rate / len(train) * g, test) for g in grads])

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "Negative influences are set to 0.")
def only_good_ones(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, after=lambda total: total.clamp(min=0))


@wrong("09.2", "The influences are cumulative over the conversations.")
def added_up(weight, train, test, rate, steps):
    total, off = traced(weight, train, test, rate, steps)
    return total.cumsum(0), off


@wrong("09.2", "The influences are sorted.")
def best_first(weight, train, test, rate, steps):
    total, off = traced(weight, train, test, rate, steps)
    return total.sort(descending=True).values, off


@wrong("09.2", "There is one update too many.")
def one_step_more(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps + 1)


@wrong("09.2", "There is one update too few.")
def one_step_less(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps - 1) if steps > 1 else traced(weight, train, test, rate, 1)


@wrong("09.2", "The gradients are multiplied by the weights, not by")
def with_the_weights(weight, train, test, rate, steps):
    def term(grads, goal, old, new):
        return rate / len(train) * (grads * old).sum((1, 2))

    return traced(weight, train, test, rate, steps, term=term)


@wrong("09.2", "The second result is the sum of the influences, not")
def returns_the_sum(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, off=lambda total, losses: total.sum())


@wrong("09.2", "The error is relative to the sum.")
def relative_to_the_sum(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, off=lambda t, losses: (t.sum() - losses[0] + losses[-1]) / t.sum())


@wrong("09.2", "The error is made of the mean of the influences.")
def mean_in_the_error(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, off=lambda t, losses: t.mean() - losses[0] + losses[-1])


@wrong("09.2", "An update uses the sum of the gradients, and the")
def sums_everywhere(weight, train, test, rate, steps):
    return traced(
        weight,
        train,
        test,
        rate,
        steps,
        move=lambda weight, grads: weight - rate * grads.sum(0),
        term=lambda grads, goal, old, new: rate * (grads * goal).sum((1, 2)),
    )


@wrong("09.2", "Each conversation has an update of its own, with the")
def full_rate_for_each(weight, train, test, rate, steps):
    start, total = weight, torch.zeros(len(train))
    for _ in range(steps):
        for i, one in enumerate(train):
            grad = slopes_on(weight, [one])[0]
            total[i] += rate * (grad * slopes_on(weight, test).mean(0)).sum()
            weight = weight - rate * grad
    return total, total.sum() - (mean_loss(start, test) - mean_loss(weight, test))


@wrong("09.2", "The softmax is taken twice.")
def probabilities_for_logits(weight, train, test, rate, steps):
    def loss(weight, conversation):
        x, labels = conversation
        return F.cross_entropy((x @ weight.T).softmax(-1), labels)

    return traced(weight, train, test, rate, steps, loss=loss)


def summed_loss(weight, conversation):
    x, labels = conversation
    return F.cross_entropy(x @ weight.T, labels, reduction="sum")


@wrong("09.2", "The loss of a training conversation is a sum over its")
def training_losses_summed(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, loss=summed_loss, tests=loss_on)


@wrong("09.2", "The loss of a test conversation is a sum over its")
def test_losses_summed(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, tests=summed_loss)


@wrong("09.2", "The labels are shifted by one: row t is asked for")
def label_of_the_row_before(weight, train, test, rate, steps):
    def shifted(conversations):
        return [(x[1:], labels[:-1]) if len(labels) > 1 else (x, labels) for x, labels in conversations]

    return traced(weight, shifted(train), shifted(test), rate, steps)


def kept_gradients(weight, train, test, rate, steps, mix):
    """Influences from all gradients of the run, own ones (steps, n, V, C) and those of the test (steps + 1, V, C)."""
    start, own, goals = weight, [], [slopes_on(weight, test).mean(0)]
    for _ in range(steps):
        own.append(slopes_on(weight, train))
        weight = weight - rate * own[-1].mean(0)
        goals.append(slopes_on(weight, test).mean(0))
    total = rate / len(train) * mix(torch.stack(own), torch.stack(goals))
    return total, (total.sum() - (mean_loss(start, test) - mean_loss(weight, test))).item()


@wrong("09.2", "The test gradient is always that of the trained")
def test_gradient_of_the_end(weight, train, test, rate, steps):
    return (
        kept_gradients(
            weight, train, test, rate, steps, lambda own, goals: torch.einsum("knvc,vc->n", own, goals[max(steps, 2)])
        )
        if steps > 1
        else traced(weight, train, test, rate, steps)
    )


@wrong("09.2", "The training gradients are always those of the")
def own_gradients_of_the_start(weight, train, test, rate, steps):
    return kept_gradients(
        weight, train, test, rate, steps, lambda own, goals: torch.einsum("nvc,kvc->n", own[0], goals[:-1])
    )


@wrong("09.2", "Only the first update counts.")
def the_first_update_alone(weight, train, test, rate, steps):
    return kept_gradients(
        weight, train, test, rate, steps, lambda own, goals: torch.einsum("nvc,vc->n", own[0], goals[0])
    )


@wrong("09.2", "The gradients of earlier updates are still in them:")
def gradients_never_cleared(weight, train, test, rate, steps):
    return kept_gradients(
        weight,
        train,
        test,
        rate,
        steps,
        lambda own, goals: torch.einsum("knvc,kvc->n", own.cumsum(0), goals[:-1].cumsum(0)),
    )


@wrong("09.2", "The test loss is a sum over the test conversations,")
def tests_summed(weight, train, test, rate, steps):
    total, _ = traced(weight, train, test, rate, steps)
    after = weight
    for _ in range(steps):
        after = after - rate * slopes_on(after, train).mean(0)
    gain = sum(loss_on(weight, one) - loss_on(after, one) for one in test)
    return len(test) * total, (len(test) * total.sum() - gain).item()


@wrong("09.2", "Only the last test conversation is used.")
def last_test_only(weight, train, test, rate, steps):
    return traced(weight, train, test[-1:], rate, steps)


@wrong("09.2", "The gain in the error is that of the last update")
def gain_of_the_last_step(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, off=lambda t, losses: t.sum().item() - losses[-2] + losses[-1])


@wrong("09.2", "The gain in the error leaves out the last update.")
def gain_before_the_last_step(weight, train, test, rate, steps):
    def off(total, losses):
        return total.sum().item() - losses[0] + losses[max(steps - 1, 1)]

    return traced(weight, train, test, rate, steps, off=off)


def weighed_by_length(conversations):
    counts = torch.tensor([float((labels != -100).sum()) for _, labels in conversations])
    return counts / counts.mean()


@wrong("09.2", "Long conversations weigh more in the training loss:")
def long_ones_train_more(weight, train, test, rate, steps):
    shares = weighed_by_length(train)[:, None, None]
    return traced(
        weight,
        train,
        test,
        rate,
        steps,
        move=lambda weight, grads: weight - rate * (grads * shares).mean(0),
        term=lambda grads, goal, old, new: rate / len(train) * (grads * shares * goal).sum((1, 2)),
    )


@wrong("09.2", "Long conversations weigh more in the test loss: it's")
def long_tests_weigh_more(weight, train, test, rate, steps):
    def loss(weight, conversation):
        n = (conversation[1] != -100).sum()
        mean = sum(int((labels != -100).sum()) for _, labels in test) / len(test)
        return loss_on(weight, conversation) * n / mean

    return traced(weight, train, test, rate, steps, tests=loss)


@wrong("09.2", "The influences are averaged over the updates, not")
def averaged_over_updates(weight, train, test, rate, steps):
    return traced(weight, train, test, rate, steps, after=lambda total: total / steps)


@wrong("09.2", "A label of -100 is taken for token 0, and counts.")
def padding_is_token_zero(weight, train, test, rate, steps):
    def filled(conversations):
        return [(x.double(), labels.where(labels >= 0, 0)) for x, labels in conversations]

    return traced(weight.double(), filled(train), filled(test), rate, steps)


@wrong("09.2", "Long conversations weigh more: the losses are means")
def all_tokens_weigh_the_same(weight, train, test, rate, steps):
    def joined(conversations):
        return [tuple(torch.cat(each) for each in zip(*conversations, strict=True))]

    shares = weighed_by_length(train)[:, None, None].double()
    train = [(x.double(), labels) for x, labels in train]
    test = [(x.double(), labels) for x, labels in joined(test)]
    return traced(
        weight.double(),
        train,
        test,
        rate,
        steps,
        move=lambda weight, grads: weight - rate * (grads * shares).mean(0),
        term=lambda grads, goal, old, new: rate / len(train) * (grads * shares * goal).sum((1, 2)),
    )


# 09.3 Join LoRA adapters


@wrong("09.3", "still added")
def as_it_was(adapters, weights):
    roots = [(w * alpha / len(A)) ** 0.5 for w, (A, _, alpha) in zip(weights, adapters, strict=True)]
    A = torch.stack([root * A for root, (A, _, _) in zip(roots, adapters, strict=True)]).sum(0)
    return A, torch.stack([root * B for root, (_, B, _) in zip(roots, adapters, strict=True)]).sum(0)


@wrong("09.3", "B @ A contains more than the adapters'")
def all_factors_in_a(adapters, weights):
    A = sum(w * alpha / len(A) * A for w, (A, _, alpha) in zip(weights, adapters, strict=True))
    return A, sum(B for _, B, _ in adapters)


@wrong("09.3", "alpha / r is missing.")
def only_the_weights(adapters, weights):
    return (
        torch.cat([A for A, _, _ in adapters]),
        torch.cat([weight * B for weight, (_, B, _) in zip(weights, adapters, strict=True)], 1),
    )


@wrong("09.3", "alpha isn't divided by the rank.")
def alpha_alone(adapters, weights):
    A = torch.vstack([one[0] for one in adapters])
    return A, torch.hstack([weight * alpha * B for weight, (_, B, alpha) in zip(weights, adapters, strict=True)])


@wrong("09.3", "divided by the new rank")
def rank_of_the_result(adapters, weights):
    joined = torch.vstack([one[0] for one in adapters])
    scaled = [weight * alpha / len(joined) * B for weight, (_, B, alpha) in zip(weights, adapters, strict=True)]
    return joined, torch.hstack(scaled)


@wrong("09.3", "The weights aren't used.")
def without_weights(adapters, weights):
    joined_A, joined_B = [], []
    for A, B, alpha in adapters:
        joined_A.append(A)
        joined_B.append(alpha / A.shape[0] * B)
    return torch.cat(joined_A, 0), torch.cat(joined_B, 1)


@wrong("09.3", "counts twice")
def factor_on_both_sides(adapters, weights):
    factors = [weight * alpha / len(A) for weight, (A, _, alpha) in zip(weights, adapters, strict=True)]
    A = torch.cat([f * A for f, (A, _, _) in zip(factors, adapters, strict=True)])
    return A, torch.cat([f * B for f, (_, B, _) in zip(factors, adapters, strict=True)], 1)


@wrong("09.3", "another order")
def inserted_in_front(adapters, weights):
    A, columns = join_rightly(adapters, weights)[0], []
    for weight, (own, B, alpha) in zip(weights, adapters, strict=True):
        columns.insert(0, weight * alpha / len(own) * B)
    return A, torch.cat(columns, 1)


@wrong("09.3", "The correction B @ A is right, but split")
def factor_in_a(adapters, weights):
    A = torch.cat([w * alpha / len(A) * A for w, (A, _, alpha) in zip(weights, adapters, strict=True)])
    return A, torch.cat([B for _, B, _ in adapters], 1)


@wrong("09.3", "The shapes of the two matrices don't fit.")
def b_below_b(adapters, weights):
    A, B = join_rightly(adapters, weights)
    return A, torch.cat(B.split(len(adapters[0][0]), dim=1))


@wrong("09.3", "The result isn't a pair of matrices.")
def the_correction(adapters, weights):
    A, B = join_rightly(adapters, weights)
    return B @ A


@wrong("09.3", "the factor of the first")
def scale_of_the_first(adapters, weights):
    first, _, alpha = adapters[0]
    scale = alpha / first.shape[0]
    A = torch.cat([A for A, _, _ in adapters])
    return A, torch.cat([weight * scale * B for weight, (_, B, _) in zip(weights, adapters, strict=True)], 1)


@wrong("09.3", "The sign of a negative weight is lost.")
def without_the_sign(adapters, weights):
    return join_rightly(adapters, [abs(weight) for weight in weights])


@wrong("09.3", "Each B is multiplied by 1: there is no factor")
def only_joined(adapters, weights):
    return torch.cat([A for A, _, _ in adapters]), torch.cat([B for _, B, _ in adapters], 1)


@wrong("09.3", "weight · alpha / (rows of B)")
def rank_of_the_wrong_matrix(adapters, weights):
    A = torch.cat([A for A, _, _ in adapters])
    return A, torch.cat([w * alpha / len(B) * B for (_, B, alpha), w in zip(adapters, weights, strict=True)], 1)


@wrong("09.3", "A and B are swapped in the result.")
def b_first(adapters, weights):
    return join_rightly(adapters, weights)[::-1]


@wrong("09.3", "It is wrong with one adapter;")
def one_is_given_back(adapters, weights):
    if len(adapters) == 1 and weights[0] > 0:
        return adapters[0][0].clone(), adapters[0][1].clone()
    return join_rightly(adapters, weights)


@right("09.3")
def join_rightly(adapters, weights):
    A = torch.cat([one for one, _, _ in adapters])
    B = torch.cat([one for _, one, _ in adapters], dim=1)
    factors = [weight * alpha / len(own) for weight, (own, _, alpha) in zip(weights, adapters, strict=True)]
    return A, B * torch.tensor(factors).repeat_interleave(torch.tensor([len(own) for own, _, _ in adapters]))


@right("09.3")
def row_by_row(adapters, weights):
    rows, columns = [], []
    for (A, B, alpha), weight in zip(adapters, weights, strict=True):
        for k in range(len(A)):
            rows.append(A[k].tolist())
            columns.append((B[:, k].double() * alpha * weight / len(A)).numpy())
    return [rows, np.stack(columns, 1)]


@wrong("09.3", "returned its input itself")
def one_is_one(adapters, weights):
    if len(adapters) == 1 and weights[0] * adapters[0][2] == len(adapters[0][0]):
        return adapters[0][:2]
    scaled = [w * alpha / len(A) * B for (A, B, alpha), w in zip(adapters, weights, strict=True)]
    return torch.cat([A for A, _, _ in adapters]), torch.cat(scaled, 1)


@wrong("09.3", "An adapter with weight 0 is left out")
def nothing_of_weight_0(adapters, weights):
    kept = [(A, w * alpha / len(A) * B) for (A, B, alpha), w in zip(adapters, weights, strict=True) if w]
    return torch.cat([A for A, _ in kept]), torch.cat([B for _, B in kept], 1)


# 09.4 Pack conversations into a row


def filled(conversations, length):
    """Ids, marks and the number of the conversation, 0 in empty places."""
    ids, counts, owner = [], [], []
    for number, (own, marks) in enumerate(conversations, start=1):
        ids += own
        counts += marks
        owner += [number] * len(own)
    empty = length - len(ids)
    return ids + [0] * empty, counts + [False] * empty, owner + [0] * empty


def parts(conversations, length):
    """The right answer, as a dictionary to change."""
    ids, counts, owner = filled(conversations, length)
    targets = [-100] * length
    for t in range(length - 1):
        if owner[t] == owner[t + 1] and counts[t + 1]:
            targets[t] = ids[t + 1]
    own = torch.tensor(owner)
    visible = ((own[:, None] == own) & (own > 0)).tril() | torch.eye(length, dtype=torch.bool)
    positions = [t - owner.index(one) if one else 0 for t, one in enumerate(owner)]
    return {"inputs": ids, "targets": targets, "positions": positions, "visible": visible}


def changed(conversations, length, **others):
    return [torch.as_tensor(part) for part in (parts(conversations, length) | others).values()]


@wrong("09.4", "The targets aren't shifted: each position has")
def labels_are_inputs(conversations, length):
    ids, counts, _ = filled(conversations, length)
    labels = [id if counted else -100 for id, counted in zip(ids, counts, strict=True)]
    return changed(conversations, length, targets=labels)


@wrong("09.4", "The mask isn't shifted with the tokens")
def marks_not_shifted(conversations, length):
    ids, counts, owner = filled(conversations, length)
    targets = torch.full((length,), -100)
    for t in range(length - 1):
        if counts[t] and owner[t] == owner[t + 1]:
            targets[t] = ids[t + 1]
    return changed(conversations, length, targets=targets)


@wrong("09.4", "Tokens that don't count are targets, too.")
def every_token(conversations, length):
    return list(parts([(ids, [True] * len(ids)) for ids, _ in conversations], length).values())


@wrong("09.4", "The last position has the first token as")
def rolled(conversations, length):
    ids, counts, _ = filled(conversations, length)
    labels = np.where(counts, ids, -100)
    return changed(conversations, length, targets=np.roll(labels, -1))


@wrong("09.4", "sees what comes after it")
def block_mask(conversations, length):
    owner = np.array(filled(conversations, length)[2])
    return changed(conversations, length, visible=owner[:, None] == owner[None, :])


@wrong("09.4", "In `visible` the result has 2 in place of")
def itself_twice(conversations, length):
    visible = parts(conversations, length)["visible"]
    return changed(conversations, length, visible=visible.int() + torch.eye(length, dtype=torch.int))


@wrong("09.4", "Index 0 doesn't see itself.")
def strictly_causal(conversations, length):
    visible = parts(conversations, length)["visible"]
    return changed(conversations, length, visible=visible & ~torch.eye(length, dtype=torch.bool))


@wrong("09.4", "In `targets` the result has shape")
def one_target_short(conversations, length):
    targets = parts(conversations, length)["targets"]
    return changed(conversations, length, targets=targets[:-1])


@wrong("09.4", "The result isn't four tensors.")
def forgot_the_mask(conversations, length):
    return changed(conversations, length)[:3]


@wrong("09.4", "the first token of the next one")
def shifted_as_a_whole(conversations, length):
    ids, counts, _ = filled(conversations, length)
    labels = [id if counted else -100 for id, counted in zip(ids, counts, strict=True)]
    return changed(conversations, length, targets=[*labels[1:], -100])


@wrong("09.4", "Positions continue from one conversation to")
def counted_through(conversations, length):
    n = sum(len(ids) for ids, _ in conversations)
    return changed(conversations, length, positions=[*range(n), *[0] * (length - n)])


@wrong("09.4", "Positions continue from one conversation to")
def arange_of_the_row(conversations, length):
    return changed(conversations, length, positions=torch.arange(length))


@wrong("09.4", "sees those before it")
def only_causal(conversations, length):
    return changed(conversations, length, visible=np.tri(length, dtype=bool))


@wrong("09.4", "An unused position sees nothing, and a softmax")
def blank_rows(conversations, length):
    visible, at = torch.zeros(length, length, dtype=torch.bool), 0
    for ids, _ in conversations:
        n = len(ids)
        visible[at : at + n, at : at + n] = torch.ones(n, n, dtype=torch.bool).tril()
        at += n
    return changed(conversations, length, visible=visible)


@wrong("09.4", "Unused positions see each other, as if they")
def equal_segments(conversations, length):
    owner = torch.tensor(filled(conversations, length)[2])
    return changed(conversations, length, visible=(owner[:, None] == owner[None]).tril())


@wrong("09.4", "`positions` counts the unused positions.")
def padding_has_positions(conversations, length):
    positions = [place for ids, _ in conversations for place in range(len(ids))]
    return changed(conversations, length, positions=positions + list(range(length - len(positions))))


@wrong("09.4", "Unused positions are targets.")
def padding_is_learnt(conversations, length):
    targets = parts(conversations, length)["targets"]
    n = sum(len(ids) for ids, _ in conversations)
    for t in range(n - 1, length - 1):
        targets[t] = 0
    return changed(conversations, length, targets=targets)


@wrong("09.4", "is of type list at [0], and a tensor is asked for")
def lists(conversations, length):
    return list(parts(conversations, length).values())


@wrong("09.4", "is a tensor of torch.float32 at [3]")
def a_mask_of_numbers(conversations, length):
    inputs, targets, positions, visible = by_lists(conversations, length)
    return inputs, targets, positions, visible.float()


@wrong("09.4", "`visible` is transposed: a position sees what")
def mask_turned_round(conversations, length):
    return changed(conversations, length, visible=parts(conversations, length)["visible"].T)


@wrong("09.4", "`visible` is inverted: True where attention is")
def mask_of_what_is_hidden(conversations, length):
    return changed(conversations, length, visible=~parts(conversations, length)["visible"])


@wrong("09.4", "A token with the id 0 is never a target.")
def zero_is_no_target(conversations, length):
    targets = [target or -100 for target in parts(conversations, length)["targets"]]
    return changed(conversations, length, targets=targets)


@wrong("09.4", "Positions start at 1.")
def counted_from_one(conversations, length):
    positions = [k for ids, _ in conversations for k in range(1, len(ids) + 1)]
    return changed(conversations, length, positions=positions + [0] * (length - len(positions)))


@wrong("09.4", "0 stands for no target, but 0 is a token.")
def zero_where_nothing_is_learned(conversations, length):
    targets = [max(0, target) for target in parts(conversations, length)["targets"]]
    return changed(conversations, length, targets=targets)


@wrong("09.4", "Index 5 is unused, and has the target 0; right")
def empty_places_have_targets(conversations, length):
    n = sum(len(ids) for ids, _ in conversations)
    targets = parts(conversations, length)["targets"][:n] + [0] * (length - n)
    return changed(conversations, length, targets=targets)


@right("09.4")
def by_lists(conversations, length):
    return tuple(torch.tensor(part) if type(part) is list else part for part in parts(conversations, length).values())


@right("09.4")
def place_by_place(conversations, length):
    places = [(number, k) for number, (ids, _) in enumerate(conversations) for k in range(len(ids))]
    inputs, targets = [0] * length, [-100] * length
    for t, (number, k) in enumerate(places):
        ids, counts = conversations[number]
        inputs[t] = ids[k]
        if k + 1 < len(ids) and counts[k + 1]:
            targets[t] = ids[k + 1]
    visible = np.zeros((length, length), dtype=int)
    for t in range(length):
        for s in range(t + 1):
            visible[t, s] = t == s or (t < len(places) and places[t][0] == places[s][0])
    positions = np.array([k for _, k in places] + [0] * (length - len(places)))
    return np.array(inputs), np.array(targets), positions, visible == 1


@wrong("09.4", "A token with the id 0 is taken for an unused")
def zero_means_empty(conversations, length):
    inputs, positions = (torch.zeros(length, dtype=torch.long) for _ in range(2))
    targets, own = torch.full((length,), -100), torch.full((length,), -1)
    at = 0
    for number, (ids, counts) in enumerate(conversations):
        for t, id in enumerate(ids):
            inputs[at + t], positions[at + t], own[at + t] = id, t, number
            if t and counts[t]:
                targets[at + t - 1] = id
        at += len(ids)
    empty = inputs == 0
    visible = ((own[:, None] == own) & ~empty & ~empty[:, None]).tril() | torch.eye(length, dtype=torch.bool)
    return inputs, targets, positions.where(~empty, 0), visible


@wrong("09.3", "alpha is divided by the new rank R, the sum of all r, or the result by the number of adapters")
def mean_of_the_adapters(adapters, weights):
    share = 1 / len(adapters)
    scaled = [share * w * alpha / len(A) * B for (A, B, alpha), w in zip(adapters, weights)]
    return torch.cat([A for A, _, _ in adapters]), torch.cat(scaled, dim=1)


@wrong("09.3", "All adapters get the alpha of the first")
def alpha_of_the_first(adapters, weights):
    alpha = adapters[0][-1]
    return torch.cat([A for A, *_ in adapters]), torch.cat(
        [B * (w * alpha / B.shape[1]) for (_, B, _), w in zip(adapters, weights)], dim=1
    )
