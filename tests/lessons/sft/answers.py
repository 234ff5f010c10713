"""Answers to the turns and questions of lesson 09; `tools/choose_answers.py` chose them."""

import itertools
import re

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

from minillm.course.turns.sft import answer_mask as course_mask
from minillm.course.turns.sft import encode_chat as course_ids


@right("09.encode_chat")
class AMarkAtATime:
    def encode_chat(messages, tokenizer):
        def said(role, content=""):
            return [tokenizer.special_tokens["<|im_start|>"]] + tokenizer.encode(role + "\n" + content)

        ids = []
        for message in messages:
            ids += said(**message)
            ids += tokenizer.encode("<|im_end|>\n", allow_special=True)
        return ids if messages[-1]["role"] == "assistant" else ids + said("assistant")


@right("09.encode_chat")
class MarksByTheTokenizer:
    def encode_chat(messages, tokenizer):
        [start] = tokenizer.encode("<|im_start|>", allow_special=True)
        [end] = tokenizer.encode("<|im_end|>", allow_special=True)
        ids = []
        for i, message in enumerate(messages):
            ids.append(start)
            ids.extend(tokenizer.encode(message["role"] + "\n" + message["content"]))
            ids.append(end)
            ids.extend(tokenizer.encode("\n"))
            if i == len(messages) - 1 and message["role"] != "assistant":
                ids.append(start)
                ids.extend(tokenizer.encode("assistant\n"))
        return ids


@wrong("09.encode_chat", "raised AttributeError")
class TransformersTokenizer:
    def encode_chat(messages, tokenizer):
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True)


@wrong("09.encode_chat", "changed the input")
class AppendsToTheMessages:
    def encode_chat(messages, tokenizer):
        messages.append({"role": "assistant", "content": ""})
        return [id for message in messages for id in tokenizer.encode(message["content"])]


@wrong("09.encode_chat", "That's a tensor")
class ATensorOfIds:
    def encode_chat(messages, tokenizer):
        return torch.tensor(tokenizer.encode(messages[0]["content"]))


@wrong("09.encode_chat", "`encode_chat` raised KeyError: '<|endoftext|>'.")
class TheEndOfTextToo:
    def encode_chat(messages, tokenizer):
        return course_ids(messages, tokenizer) + [tokenizer.special_tokens["<|endoftext|>"]]


@wrong("09.encode_chat", "unexpected keyword")
class AddSpecialTokens:
    def encode_chat(messages, tokenizer):
        text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        return tokenizer.encode(text + "<|im_start|>assistant\n", add_special_tokens=False)


@wrong("09.encode_chat", "raised NameError")
class MarksFromThePage:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += [START, *tokenizer.encode(f"{message['role']}\n{message['content']}"), END]  # noqa: F821
        return ids


@wrong("09.encode_chat", "raised TypeError")
class AMarkIsNoList:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += tokenizer.special_tokens["<|im_start|>"] + tokenizer.encode(message["content"])
        return ids


@wrong("09.encode_chat", "raised TypeError")
class MessagesAreText:
    def encode_chat(messages, tokenizer):
        ids = []
        for role in messages:
            for content in role:
                ids += tokenizer.encode(content["content"])
        return ids


@right("09.answer_mask")
class NumpyWindows:
    def answer_mask(ids, opening, end):
        array, n = np.array(ids), len(opening)
        mask = np.zeros(len(ids), dtype=bool)
        windows = np.lib.stride_tricks.sliding_window_view(array, n)
        ends = np.flatnonzero(array == end)
        for start in np.flatnonzero((windows == opening).all(1)) + n:
            mask[start : ends[np.searchsorted(ends, start)] + 1] = True
        return mask.tolist()


@right("09.answer_mask")
class Backwards:
    def answer_mask(ids, opening, end):
        mask, last, n = [False] * len(ids), None, len(opening)
        for t in range(len(ids) - 1, -1, -1):
            if ids[t] == end:
                last = t
            if last is not None and t >= n and ids[t - n : t] == opening:
                mask[t : last + 1] = [True] * (last + 1 - t)
                last = None
        return mask


@wrong("09.answer_mask", "raised NameError")
class MarksOfThePage:
    def answer_mask(ids, opening, end):
        return [id not in (START, END) for id in ids]  # noqa: F821


@wrong("09.answer_mask", "raised AttributeError")
class ATensorMethod:
    def answer_mask(ids, opening, end):
        return (ids.eq(end)).tolist()


@wrong("09.answer_mask", "There are 3 items for 14 tokens.")
class OnlyTheTokens:
    def answer_mask(ids, opening, end):
        return [id for id, said in zip(ids, course_mask(ids, opening, end), strict=True) if said]


@wrong("09.answer_mask", "raised ValueError")
class IndexOfAList:
    def answer_mask(ids, opening, end):
        start = ids.index(opening)
        return [start <= t for t in range(len(ids))]


@wrong("09.answer_mask", "changed the input")
class LabelsInPlace:
    def answer_mask(ids, opening, end):
        for t in range(len(ids)):
            ids[t] = -100
        return ids


@wrong("09.answer_mask", "raised IndexError")
class LooksBeyondTheEnd:
    def answer_mask(ids, opening, end):
        mask = [False] * len(ids)
        for t in range(len(ids)):
            if ids[t] == opening[-1] and ids[t - 1] == opening[-2]:
                mask[t + 1] = True
            mask[t + 1] = mask[t] and ids[t] != end
        return mask


@wrong("09.answer_mask", "Only the last answer counts.")
class OnlyTheLast:
    def answer_mask(ids, opening, end):
        n = len(opening)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                mask = [False] * len(ids)
                stop = ids.index(end, t)
                mask[t + n : stop + 1] = [True] * (stop + 1 - t - n)
        return mask


# Once accepted
@wrong("09.answer_mask", "The opening is taken to be 4 tokens long.")
class FourTokensHardCoded:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for t in range(len(ids)):
            if t >= 4 and ids[t - 4 : t] == opening:
                inside = True
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


@right("09.sft_loss")
class OnlyTheRowsThatCount:
    def sft_loss(logits, ids, mask):
        places = mask.nonzero()[:, 0]
        return F.cross_entropy(logits[places - 1], ids[places])


@right("09.sft_loss")
class LoopOverTokens:
    def sft_loss(logits, ids, mask):
        total, n = 0.0, 0
        for t in range(1, len(ids)):
            if mask[t]:
                total = total - torch.log_softmax(logits[t - 1], 0)[ids[t]]
                n += 1
        return total / n


@wrong("09.sft_loss", "raised NameError")
class NoImport:
    sft_loss = eval("lambda logits, ids, mask: F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]])", {})
    sft_loss.__name__ = "sft_loss"


@wrong("09.sft_loss", "raised NameError")
class LabelsOfThePage:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1], labels[1:], ignore_index=-100)  # noqa: F821


@wrong("09.sft_loss", "`sft_loss` raised RuntimeError")
class MeanOfIds:
    def sft_loss(logits, ids, mask):
        return ids[mask].mean()


@wrong("09.sft_loss", "The result is e to the power of the right one.")
class Perplexity:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]]).exp()


@wrong("09.sft_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class AnItem:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]]).item()


@wrong("09.sft_loss", "`sft_loss` raised ValueError")
class NothingShiftedButTheIds:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits, ids[1:], reduction="none")
        return losses[mask].mean()


@wrong("09.sft_loss", "changed the input")
class IdsInPlace:
    def sft_loss(logits, ids, mask):
        ids[~mask] = -100
        return F.cross_entropy(logits[:-1], ids[1:], ignore_index=-100)


@wrong("09.sft_loss", "raised IndexError")
class ALabelThatIsNoToken:
    def sft_loss(logits, ids, mask):
        labels = ids.masked_fill(~mask, -1)
        return F.cross_entropy(logits[:-1], labels[1:])


@wrong("09.sft_loss", "`sft_loss` raised IndexError")
class WithABatch:
    def sft_loss(logits, ids, mask):
        shift_logits, shift_labels = logits[:, :-1], ids[:, 1:]
        return F.cross_entropy(shift_logits.flatten(0, 1), shift_labels.flatten())


@right("09.lora")
class Einsum:
    def lora(x, W, A, B, alpha):
        correction = torch.einsum("tc,rc,or->to", x, A, B)
        return torch.einsum("tc,oc->to", x, W) + correction * alpha / len(A)


@right("09.lora")
class SumOverR:
    def lora(x, W, A, B, alpha):
        out = x @ W.T
        for a, b in zip(A, B.T, strict=True):
            out = out + (alpha / len(A)) * torch.outer(x @ a, b)
        return out


@wrong("09.lora", "raised RuntimeError")
class OtherShapes:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (x @ A @ B.T) if len(x) < 3 else x @ W.T + x @ A @ B.T @ x.T[:1]


@wrong("09.lora", "raised NameError")
class RankOfThePage:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / r * (x @ A.T @ B.T)  # noqa: F821


@wrong("09.lora", "raised NameError")
class NoImport2:
    lora = eval("lambda x, W, A, B, alpha: F.linear(x, W) + alpha / len(A) * F.linear(F.linear(x, A), B)", {})
    lora.__name__ = "lora"


@wrong("09.lora", "raised TypeError")
class LayersAreCalled:
    def lora(x, W, A, B, alpha):
        return W(x) + alpha / len(A) * B(A(x))


@wrong("09.lora", "The result is (C_out, T).")
class Columns:
    def lora(x, W, A, B, alpha):
        return W @ x.T + alpha / len(A) * (B @ (A @ x.T))


@wrong("09.lora", "The result has the shape of W. Multiply x by it: one row per token.")
class TheMergedMatrix:
    def lora(x, W, A, B, alpha):
        return W + alpha / len(A) * (B @ A)


@wrong("09.lora", "The result has ")
class XForgotten:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (B @ A).sum(dim=1)


@wrong("09.lora", "The result is right, but no model could learn through it: `x` gets no gradient.")
class WithoutGradients:
    def lora(x, W, A, B, alpha):
        with torch.no_grad():
            return x @ W.T + alpha / len(A) * (x @ A.T @ B.T)


@wrong("09.lora", "`lora` changed the input that it was given; work on a copy.")
class CorrectsWInPlace:
    def lora(x, W, A, B, alpha):
        W += alpha / len(A) * (B @ A)
        return x @ W.T


@right("09.1")
def slices_between_marks(ids, pieces):
    ids = np.array(list(ids), dtype=np.int64)
    starts = np.flatnonzero(ids == 1)
    messages = []
    for start, stop in zip(starts, [*starts[1:], len(ids)]):
        turn = ids[start + 1 : stop]
        ends = np.flatnonzero(turn == 2)
        inside = turn[: ends[0]] if ends.size else turn
        role, content = "".join(map(pieces.__getitem__, inside.tolist())).split("\n", 1)
        messages.append(dict(role=role, content=content, ended=bool(ends.size)))
    return messages


@right("09.1")
def recursion_turn_by_turn(ids, pieces):
    if 1 not in ids:
        return []
    rest = list(ids)[list(ids).index(1) + 1 :]
    end = rest.index(2) if 2 in rest else len(rest)
    role, content = "".join(map(pieces.__getitem__, rest[:end])).split("\n", maxsplit=1)
    message = dict(role=role, content=content, ended=end < len(rest))
    return [message, *recursion_turn_by_turn(rest[end + 1 :], pieces)]


@right("09.1")
def chat_by_letters(ids, pieces):
    messages, state = [], "outside"
    for i in ids:
        if i == 1:
            messages.append({"role": "", "content": "", "ended": False})
            state = "role"
        elif i == 2:
            if state != "outside":
                messages[-1]["ended"] = True
            state = "outside"
        elif state != "outside":
            for letter in pieces[i]:
                if state == "role" and letter == "\n":
                    state = "content"
                else:
                    messages[-1][state] += letter
    return messages


@wrong("09.1", "A typed mark opens a turn: the user has forged")
def with_a_pattern(ids, pieces):
    text = "".join(pieces[id] for id in ids)
    found = re.findall(r"<\|im_start\|>(.*?)\n(.*?)(<\|im_end\|>|(?=<\|im_start\|>)|\Z)", text, re.DOTALL)
    return [{"role": role, "content": content, "ended": bool(end)} for role, content, end in found]


@wrong("09.1", "read_chat changed the input that it was given; work on a copy. Open the next")
def ids_used_up(ids, pieces):
    messages = []
    while ids:
        if ids.pop(0) != 1:
            continue
        text = ""
        while ids and ids[0] not in (1, 2):
            text += pieces[ids.pop(0)]
        role, _, content = text.partition("\n")
        messages.append({"role": role, "content": content, "ended": bool(ids) and ids[0] == 2})
    return messages


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


def loss_of(weight, conversation):
    x, labels = conversation
    return F.cross_entropy(x @ weight.T, labels)


def grad_of(weight, conversations):
    weight = weight.detach().requires_grad_()
    loss = sum(loss_of(weight, c) for c in conversations) / len(conversations)
    return torch.autograd.grad(loss, weight)[0]


def mean_loss(weight, conversations):
    return sum(loss_of(weight, c).item() for c in conversations) / len(conversations)


@wrong("09.2", "`influence` is wrong, and `error` fits it: it's your sum minus the true gain.")
def influence_first_weights_only(weight, train, test, rate, steps):
    grads = torch.stack([grad_of(weight, [c]) for c in train])
    out = steps * rate / len(train) * (grads * grad_of(weight, test)).sum((1, 2))
    w = weight.clone()
    for _ in range(steps):
        w = w - rate * grad_of(w, train)
    return out, out.sum().item() - (mean_loss(weight, test) - mean_loss(w, test))


def loss_on(weight, conversation):
    x, labels = conversation
    return F.cross_entropy(x @ weight.T, labels)


def slopes_on(weight, conversations, loss=loss_on):
    weight = weight.detach().requires_grad_()
    return torch.stack([torch.autograd.grad(loss(weight, each), weight)[0] for each in conversations])


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


@right("09.3")
def filled_slice_by_slice(adapters, weights):
    ranks = [a.shape[0] for a, _, _ in adapters]
    A = adapters[0][0].new_zeros(sum(ranks), adapters[0][0].shape[1])
    B = adapters[0][1].new_zeros(adapters[0][1].shape[0], sum(ranks))
    ends = list(itertools.accumulate(ranks))
    for (a, b, alpha), w, r, end in zip(adapters, weights, ranks, ends, strict=True):
        A[end - r : end] = a
        B[:, end - r : end] = b.mul(alpha).div(r).mul(w)
    return A, B


@right("09.3")
def row_by_row(adapters, weights):
    rows, columns = [], []
    for (A, B, alpha), weight in zip(adapters, weights, strict=True):
        for k in range(len(A)):
            rows.append(A[k].tolist())
            columns.append((B[:, k].double() * alpha * weight / len(A)).numpy())
    return [rows, np.stack(columns, 1)]


@right("09.3")
def one_adapter_at_a_time(adapters, weights):
    (a, b, alpha), *others = adapters
    a, b = a.clone(), b * (weights[0] * alpha / b.shape[1])
    if not others:
        return a, b
    rest_a, rest_b = one_adapter_at_a_time(others, weights[1:])
    return torch.cat((a, rest_a)), torch.cat((b, rest_b), dim=-1)


@wrong("09.3", "Each B is multiplied by 1: there is no factor")
def only_joined(adapters, weights):
    return torch.cat([A for A, _, _ in adapters]), torch.cat([B for _, B, _ in adapters], 1)


@wrong("09.3", "one_adapter changed the input that it was given; work on a copy. It happens")
def scaled_in_place(adapters, weights):
    for (a, b, alpha), weight in zip(adapters, weights, strict=True):
        b *= weight * alpha / len(a)
    return torch.cat([a for a, _, _ in adapters]), torch.cat([b for _, b, _ in adapters], dim=1)


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


@right("09.4")
def segments_from_positions(conversations, length):
    ids = [i for one, _ in conversations for i in one]
    places = [k for one, _ in conversations for k in range(len(one))]
    wanted = [bool(c) for _, one in conversations for c in one]
    rest = length - len(ids)
    inputs = torch.tensor(ids + [0] * rest, dtype=torch.long)
    positions = torch.tensor(places + [0] * rest, dtype=torch.long)
    learnt = torch.tensor(wanted + [False] * rest, dtype=torch.bool) & (positions > 0)
    targets = torch.where(learnt, inputs, -100).roll(-1)
    segment = (positions == 0).cumsum(0)
    visible = torch.tril(segment[:, None] == segment[None, :])
    return inputs, targets, positions, visible


def packed(conversations, length, block=lambda n: torch.ones(n, n).tril().bool()):
    inputs, targets = torch.zeros(length, dtype=torch.long), torch.full((length,), -100)
    positions, visible = torch.zeros(length, dtype=torch.long), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids, dtype=torch.long)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = block(n)
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible


# Once taken for another mistake: A token with the id 0 is taken for an unused position
@wrong("09.4", "Index ")
def pack_zero_is_padding(conversations, length):
    inputs, targets, positions, visible = packed(conversations, length)
    real = inputs != 0
    targets = targets.masked_fill(targets == 0, -100)
    visible = (visible & real[:, None] & real) | torch.eye(length, dtype=torch.bool)
    return inputs, targets, positions, visible


@wrong("09.4", "The result is a tensor of torch.float")
def a_mask_of_floats(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril()
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible


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


@wrong("09.4", "is of type list at [0], and a tensor is asked for")
def lists(conversations, length):
    return list(parts(conversations, length).values())


def changed(conversations, length, **others):
    return [torch.as_tensor(part) for part in (parts(conversations, length) | others).values()]


@wrong("09.4", "In `targets` the result has shape")
def one_target_short(conversations, length):
    targets = parts(conversations, length)["targets"]
    return changed(conversations, length, targets=targets[:-1])
