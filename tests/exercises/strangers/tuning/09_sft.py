"""Answers to assignment 09 from its text alone; this half is for tuning the check."""

import re
from itertools import accumulate

import numpy as np
import torch
from answers import right, wrong


@wrong("09.1", "decodes first and then cuts at the text of the marks, so a typed mark ends the turn")
def decoded_first(ids, pieces):
    text = "".join(pieces[i] for i in ids)
    messages = []
    for part in text.split("<|im_start|>")[1:]:
        body, mark, _ = part.partition("<|im_end|>")
        role, _, content = body.partition("\n")
        messages.append({"role": role, "content": content, "ended": mark != ""})
    return messages


@right("09.1")
def one_open_turn(ids, pieces):
    turns, current = [], None
    for token in ids:
        if token == 1:
            current = {"text": "", "ended": False}
            turns.append(current)
        elif token == 2:
            if current is not None:
                current["ended"] = True
                current = None
        elif current is not None:
            current["text"] += pieces[token]
    messages = []
    for turn in turns:
        role, _, content = turn["text"].partition("\n")
        messages.append({"role": role, "content": content, "ended": turn["ended"]})
    return messages


@wrong("09.1", "takes the second line for the content and loses all lines behind it")
def second_line_only(ids, pieces):
    turns, inside = [], False
    for token in ids:
        if token == 1:
            turns.append(["", False])
            inside = True
        elif token == 2:
            turns[-1][1] = True
            inside = False
        elif inside:
            turns[-1][0] += pieces[token]
    return [{"role": t.split("\n")[0], "content": t.split("\n")[1], "ended": e} for t, e in turns]


@wrong("09.1", "says of every turn that it is ended, also of one that breaks off")
def everything_ended(ids, pieces):
    messages = []
    text = None
    for token in [*ids, 2]:
        if token == 1:
            text = ""
        elif token == 2:
            if text is not None:
                role, _, content = text.partition("\n")
                messages.append({"role": role, "content": content, "ended": True})
            text = None
        elif text is not None:
            text += pieces[token]
    return messages


@wrong("09.1", "takes the piece behind the start mark for the role; it may be two pieces, or joined to other text")
def role_is_one_piece(ids, pieces):
    messages, i = [], 0
    while i < len(ids):
        if ids[i] != 1:
            i += 1
            continue
        message = {"role": pieces[ids[i + 1]].rstrip("\n"), "content": "", "ended": False}
        i += 2
        while i < len(ids) and ids[i] not in (1, 2):
            message["content"] += pieces[ids[i]]
            i += 1
        if i < len(ids) and ids[i] == 2:
            message["ended"] = True
        messages.append(message)
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


@wrong("09.1", "removes typed marks from the content, which shall be given letter by letter")
def typed_marks_removed(ids, pieces):
    messages, text = [], None
    for token in [*ids, None]:
        if token in (1, 2, None):
            if text is not None:
                role, _, content = text.partition("\n")
                content = content.replace("<|im_start|>", "").replace("<|im_end|>", "")
                messages.append({"role": role, "content": content, "ended": token == 2})
            text = "" if token == 1 else None
        elif text is not None:
            text += pieces[token]
    return messages


@wrong("09.1", "knows three roles only and drops all other turns, but a role may be any text")
def known_roles_only(ids, pieces):
    messages, text = [], None
    for token in [*ids, None]:
        if token in (1, 2, None):
            if text is not None:
                role, _, content = text.partition("\n")
                if role in ("system", "user", "assistant"):
                    messages.append({"role": role, "content": content, "ended": token == 2})
            text = "" if token == 1 else None
        elif text is not None:
            text += pieces[token]
    return messages


@wrong("09.1", "asks whether the whole list ends with the end mark, and says the same of every turn")
def one_end_for_all(ids, pieces):
    ended = len(ids) > 0 and ids[-1] == 2
    messages, text = [], None
    for token in [*ids, None]:
        if token in (1, 2, None):
            if text is not None:
                role, _, content = text.partition("\n")
                messages.append({"role": role, "content": content, "ended": ended})
            text = "" if token == 1 else None
        elif text is not None:
            text += pieces[token]
    return messages


@right("09.1")
def numbers_as_letters(ids, pieces):
    # one letter for each id, so that a regular expression can cut at ids and not at text
    line = "".join(chr(i) for i in ids)
    start, end = chr(1), chr(2)
    messages = []
    for turn in re.finditer(f"{start}([^{start}{end}]*)({end}?)", line):
        text = "".join(pieces[ord(letter)] for letter in turn[1])
        role, content = re.fullmatch(r"([^\n]*)\n(.*)", text, flags=re.DOTALL).groups()
        messages.append({"role": role, "content": content, "ended": turn[2] == end})
    return messages


@wrong("09.1", "a turn in which nothing has been said is left out")
def empty_messages_left_out(ids, pieces):
    messages, text = [], None
    for token in [*ids, None]:
        if token in (1, 2, None):
            if text:
                role, _, content = text.partition("\n")
                if content:
                    messages.append({"role": role, "content": content, "ended": token == 2})
            text = "" if token == 1 else None
        elif text is not None:
            text += pieces[token]
    return messages


@wrong("09.2", "an assistant's answer may stand in front, without its question")
def answer_in_front(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    begin = len(messages)
    for i in range(len(messages) - 1, len(system) - 1, -1):
        if messages[i][1] > left:
            break
        left -= messages[i][1]
        begin = i
    return [*system, *range(begin, len(messages))] if begin < len(messages) else []


@right("09.2")
def earliest_user_that_fits(messages, room):
    system = [0] if messages and messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and sum(tokens for _, tokens in messages[begin:]) <= left:
            return [*system, *range(begin, len(messages))]
    return []


@wrong("09.2", "where not even the last question fits, the system's message is left; it shall be nothing")
def system_alone_is_left(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and sum(t for _, t in messages[begin:]) <= left:
            return [*system, *range(begin, len(messages))]
    return system


@wrong("09.2", "keeps the oldest messages and drops the newest")
def keeps_the_oldest(messages, room):
    stay, used = [], 0
    for number, (_, tokens) in enumerate(messages):
        if used + tokens > room:
            break
        stay.append(number)
        used += tokens
    while stay and messages[stay[-1]][0] == "user":
        stay.pop()
    return stay if any(messages[i][0] == "user" for i in stay) else []


@wrong("09.2", "the system's tokens are not taken off the room")
def system_costs_nothing(messages, room):
    system = [0] if messages[0][0] == "system" else []
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and sum(tokens for _, tokens in messages[begin:]) <= room:
            return system + list(range(begin, len(messages)))
    return []


@right("09.2")
def drops_the_oldest_exchange(messages, room):
    kept = list(enumerate(messages))
    system = []
    if kept[0][1][0] == "system":
        system, kept = kept[:1], kept[1:]
    while kept:
        if sum(message[1] for _, message in system + kept) <= room:
            return [i for i, _ in system + kept]
        kept = kept[1:]
        while kept and kept[0][1][0] != "user":
            kept = kept[1:]
    return []


@wrong("09.2", "numbers what stays anew from 0, not as in the whole chat")
def numbered_anew(messages, room):
    system = [0] if messages[0][0] == "system" else []
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user":
            stay = [*system, *range(begin, len(messages))]
            if sum(messages[i][1] for i in stay) <= room:
                return list(range(len(stay)))
    return []


@wrong("09.2", "the caller's list loses the messages that are dropped")
def popped_from_the_list(messages, room):
    n = len(messages)
    system = messages[0][0] == "system"
    first = 1 if system else 0
    while len(messages) > first and sum(tokens for _, tokens in messages) > room:
        messages.pop(first)
        while len(messages) > first and messages[first][0] != "user":
            messages.pop(first)
    if len(messages) == first:
        return []
    return ([0] if system else []) + list(range(n - (len(messages) - first), n))


@wrong("09.2", "always keeps the last question, even where it has no room")
def last_question_at_any_price(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    users = [i for i, (role, _) in enumerate(messages) if role == "user"]
    begin = users[-1]
    for i in users:
        if sum(tokens for _, tokens in messages[i:]) <= left:
            begin = i
            break
    return [*system, *range(begin, len(messages))]


@right("09.2")
def running_sums_in_numpy(messages, room):
    sizes = np.array([tokens for _, tokens in messages], dtype=np.int64)
    users = np.array([role == "user" for role, _ in messages])
    has_system = messages[0][0] == "system"
    from_here_on = np.cumsum(sizes[::-1])[::-1]
    allowed = users & (from_here_on + (sizes[0] if has_system else 0) <= room)
    if not allowed.any():
        return []
    begin = int(np.argmax(allowed))
    return ([0] if has_system else []) + list(range(begin, len(messages)))


@wrong("09.2", "goes through the chat in steps of two from its end, as if the last message were always an answer")
def steps_of_two_from_the_end(messages, room):
    first = 1 if messages[0][0] == "system" else 0
    used = messages[0][1] if first else 0
    begin = len(messages)
    while begin - 2 >= first:
        pair = messages[begin - 2][1] + messages[begin - 1][1]
        if used + pair > room:
            break
        used += pair
        begin -= 2
    if begin == len(messages):
        return []
    return [*range(first), *range(begin, len(messages))]


@wrong("09.3", "joins the factors but never multiplies by weight, alpha and 1 / r")
def joined_without_factors(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters], dim=0)
    B = torch.cat([b for _, b, _ in adapters], dim=1)
    return A, B


@right("09.3")
def side_by_side(adapters, weights):
    joined_a = torch.cat([a for a, _, _ in adapters], dim=0)
    scaled = [w * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights, strict=True)]
    return joined_a, torch.cat(scaled, dim=1)


@wrong("09.3", "alpha is not divided by r")
def alpha_without_the_rank(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.cat([w * alpha * b for (_, b, alpha), w in zip(adapters, weights, strict=True)], 1)
    return A, B


@wrong("09.3", "len(B) is the number of rows of the matrix, not the rank r")
def divided_by_the_rows_of_b(adapters, weights):
    list_a, list_b = [], []
    for (a, b, alpha), weight in zip(adapters, weights, strict=True):
        list_a.append(a)
        list_b.append(b * (weight * alpha / len(b)))
    return torch.cat(list_a, dim=0), torch.cat(list_b, dim=1)


@wrong("09.3", "sums the A and the B after scaling B: the adapters still meet in the mixed products")
def sums_of_both(adapters, weights):
    A = sum(a for a, _, _ in adapters)
    B = sum(w * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights, strict=True))
    return A, B


@right("09.3")
def filled_into_empty_matrices(adapters, weights):
    ranks = [a.size(0) for a, _, _ in adapters]
    first_a, first_b, _ = adapters[0]
    A = first_a.new_empty(sum(ranks), first_a.size(1))
    B = first_b.new_empty(first_b.size(0), sum(ranks))
    for end, r, (a, b, alpha), weight in zip(accumulate(ranks), ranks, adapters, weights, strict=True):
        A[end - r : end] = a
        B[:, end - r : end] = b * (weight * alpha / r)
    return A, B


@wrong("09.3", "divides by the joint rank R; each alpha belongs with its own adapter's r")
def divided_by_the_joint_rank(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters], dim=0)
    joint = A.shape[0]
    B = torch.cat([b * weight * alpha / joint for (_, b, alpha), weight in zip(adapters, weights, strict=True)], dim=1)
    return A, B


@wrong("09.3", "gives (B, A) in place of (A, B)")
def b_comes_first(adapters, weights):
    downs, ups = [], []
    for (a, b, alpha), w in zip(adapters, weights, strict=True):
        downs.append(a.clone())
        ups.append(b * w * alpha / a.shape[0])
    return torch.cat(ups, dim=1), torch.cat(downs, dim=0)


@wrong("09.3", "gives the summed correction itself as B, with a unit matrix as A")
def the_finished_product(adapters, weights):
    rows, columns = adapters[0][1].shape[0], adapters[0][0].shape[1]
    total = torch.zeros(rows, columns)
    for (a, b, alpha), weight in zip(adapters, weights, strict=True):
        total += weight * alpha / len(a) * (b @ a)
    return torch.eye(columns), total


@right("09.3")
def row_by_row_in_numpy(adapters, weights):
    rows, columns = [], []
    for (a, b, alpha), weight in zip(adapters, weights, strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        for k in range(a.shape[0]):
            rows.append(a[k])
            columns.append(b[:, k] * (float(weight) * float(alpha) / a.shape[0]))
    dtype = adapters[0][0].dtype
    return torch.tensor(np.stack(rows), dtype=dtype), torch.tensor(np.stack(columns, axis=1), dtype=dtype)


@wrong("09.3", "a single adapter is given back as it is, without its factor")
def one_alone_is_left_as_it_is(adapters, weights):
    if len(adapters) == 1:
        a, b, _ = adapters[0]
        return a.clone(), b.clone()
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.cat([w * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights, strict=True)], dim=1)
    return A, B


@wrong("09.4", "asks whether the place itself counts; the token at t + 1 is the target and must count")
def counts_of_the_wrong_place(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length).bool()
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril().bool()
        for k in range(n - 1):
            if counts[k]:
                targets[at + k] = ids[k + 1]
        at += n
    return inputs, targets, positions, visible


@right("09.4")
def laid_into_an_empty_row(conversations, length):
    inputs = torch.zeros(length, dtype=torch.long)
    targets = torch.full((length,), -100)
    positions = torch.zeros(length, dtype=torch.long)
    visible = torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids, dtype=torch.long)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible


@wrong("09.4", "a target with id 0 is thrown away as if it were an empty place")
def token_zero_is_padding(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.tril(torch.ones(n, n, dtype=torch.bool))
        for k in range(1, n):
            if counts[k] and ids[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible


@wrong("09.4", "the mask is causal over the whole row: a conversation sees those in front of it")
def sees_the_neighbours(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets = torch.full((length,), -100)
    at = 0
    for ids, counts in conversations:
        for k, token in enumerate(ids):
            inputs[at + k] = token
            positions[at + k] = k
            if k and counts[k]:
                targets[at + k - 1] = token
        at += len(ids)
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    visible[at:] = torch.eye(length, dtype=torch.bool)[at:]
    return inputs, targets, positions, visible


@wrong("09.4", "an empty place sees nothing at all; it shall see itself")
def empty_places_are_blind(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.zeros(length, length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible


@right("09.4")
def blocks_on_the_diagonal(conversations, length):
    used = sum(len(ids) for ids, _ in conversations)
    parts = [(torch.tensor(ids).long(), torch.tensor(counts).bool()) for ids, counts in conversations]
    rest = torch.zeros(length - used, dtype=torch.long)
    inputs = torch.cat([ids for ids, _ in parts] + [rest])
    learnt = [torch.where(counts, ids, -100) for ids, counts in parts]
    none = torch.tensor([-100])
    targets = torch.cat([torch.cat((t[1:], none)) for t in learnt if len(t)] + [rest - 100])
    positions = torch.cat([torch.arange(len(ids)) for ids, _ in parts] + [rest])
    squares = [torch.ones(len(ids), len(ids)).tril() for ids, _ in parts]
    visible = torch.block_diag(*squares, torch.eye(length - used)).bool()
    return inputs, targets, positions, visible


@wrong("09.4", "visible is made of 0.0 and 1.0; it shall be boolean")
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


@wrong("09.4", "row and column are exchanged: place t sees what is behind it")
def mask_turned_round(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n, dtype=torch.bool).triu()
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible


@wrong("09.4", "every following token is a target; counts is never looked at")
def everything_is_a_target(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, _ in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        targets[at : at + n - 1] = torch.tensor(ids[1:], dtype=torch.long)
        at += n
    return inputs, targets, positions, visible


@right("09.4")
def what_each_place_begins_at(conversations, length):
    flat = [(i, c, k) for ids, counts in conversations for k, (i, c) in enumerate(zip(ids, counts, strict=True))]
    flat += [(0, False, 0)] * (length - len(flat))
    inputs = torch.tensor([i for i, _, _ in flat], dtype=torch.long)
    positions = torch.tensor([k for _, _, k in flat], dtype=torch.long)
    targets = torch.full_like(inputs, -100)
    for t, (i, counts, k) in enumerate(flat):
        if k > 0 and counts:  # position 0 has nobody in front of it
            targets[t - 1] = i
    place = torch.arange(length)
    begins = place - positions
    visible = (place >= begins[:, None]) & (place <= place[:, None])
    return inputs, targets, positions, visible


@wrong("09.4", "an empty place has 0 for its target in place of -100, so the model learns to predict token 0 there")
def empty_places_have_a_target(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.zeros(length, dtype=torch.long), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        targets[at : at + n] = -100
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible
