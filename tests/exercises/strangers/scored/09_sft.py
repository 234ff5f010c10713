"""Answers to assignment 09 from its text alone; this set is only scored."""

import itertools

import numpy as np
import torch
from answers import right, wrong


@wrong("09.1", "decodes everything and cuts at the marks in the text, so a typed mark deceives it")
def decode_then_cut(ids, pieces):
    text = "".join(pieces[i] for i in ids)
    turns = []
    for part in text.split("<|im_start|>")[1:]:
        said, end, _ = part.partition("<|im_end|>")
        role, _, content = said.partition("\n")
        turns.append({"role": role, "content": content, "ended": end != ""})
    return turns


@wrong("09.1", "takes the whole first piece behind the start mark for the role")
def first_piece_is_role(ids, pieces):
    chats, i = [], 0
    while i < len(ids):
        if ids[i] != 1:
            i += 1
            continue
        j = i + 1
        while j < len(ids) and ids[j] not in (1, 2):
            j += 1
        role = pieces[ids[i + 1]].rstrip("\n")
        content = "".join(pieces[k] for k in ids[i + 2 : j])
        chats.append({"role": role, "content": content, "ended": j < len(ids) and ids[j] == 2})
        i = j
    return chats


@wrong("09.1", "strips the content of line breaks and blanks at its ends")
def stripped_content(ids, pieces):
    out, inside = [], False
    for i in ids:
        if i == 1:
            out.append({"text": "", "ended": False})
            inside = True
        elif i == 2 and inside:
            out[-1]["ended"] = True
            inside = False
        elif inside:
            out[-1]["text"] += pieces[i]
    result = []
    for turn in out:
        role, content = turn["text"].split("\n", 1)
        result.append({"role": role, "content": content.strip(), "ended": turn["ended"]})
    return result


@wrong("09.1", "keeps the end open: what stands behind an end mark is still added to the last turn")
def line_break_behind_the_end(ids, pieces):
    turns = []
    for i in ids:
        if i == 1:
            turns.append(["", False])
        elif i == 2:
            if turns:
                turns[-1][1] = True
        elif turns:
            turns[-1][0] += pieces[i]
    answer = []
    for text, ended in turns:
        role, _, content = text.partition("\n")
        answer.append({"role": role, "content": content, "ended": ended})
    return answer


@wrong("09.1", "drops the last turn where it is not ended")
def only_whole_turns(ids, pieces):
    turns, current = [], None
    for i in ids:
        if i == 1:
            current = []
        elif i == 2:
            if current is not None:
                role, _, content = "".join(current).partition("\n")
                turns.append({"role": role, "content": content, "ended": True})
            current = None
        elif current is not None:
            current.append(pieces[i])
    return turns


@right("09.1")
def index_of_next_mark(ids, pieces):
    ids = list(ids)
    starts = [k for k, i in enumerate(ids) if i == 1]
    messages = []
    for start, stop in itertools.zip_longest(starts, starts[1:], fillvalue=len(ids)):
        turn = ids[start + 1 : stop]
        ended = 2 in turn
        if ended:
            turn = turn[: turn.index(2)]
        text = "".join(map(pieces.__getitem__, turn))
        cut = text.index("\n")
        messages.append({"role": text[:cut], "content": text[cut + 1 :], "ended": ended})
    return messages


@wrong("09.2", "asks for less than room, so what fits exactly is dropped")
def strictly_less(messages, room):
    system = [0] if messages[0][0] == "system" else []
    room -= sum(messages[i][1] for i in system)
    for begin in range(len(messages)):
        if messages[begin][0] == "user" and sum(t for _, t in messages[begin:]) < room:
            return system + list(range(begin, len(messages)))
    return []


@wrong("09.2", "keeps the last ones that have room even where an answer comes to stand in front")
def answer_in_front(messages, room):
    first = 1 if messages[0][0] == "system" else 0
    left = room - sum(t for _, t in messages[:first])
    begin = len(messages)
    while begin > first and messages[begin - 1][1] <= left:
        begin -= 1
        left -= messages[begin][1]
    if not any(role == "user" for role, _ in messages[begin:]):
        return []
    return [*range(first), *range(begin, len(messages))]


@wrong("09.2", "gives back the system's message alone where not even the last question has room")
def lonely_system(messages, room):
    keep = [i for i, (role, _) in enumerate(messages) if role == "system"]
    left = room - sum(messages[i][1] for i in keep)
    for begin, (role, _) in enumerate(messages):
        if role == "user" and sum(n for _, n in messages[begin:]) <= left:
            return keep + list(range(begin, len(messages)))
    return keep


@wrong("09.2", "leaves out a long pair and goes on with older ones, which makes a gap")
def gap_in_the_middle(messages, room):
    first = 1 if messages[0][0] == "system" else 0
    left = room - sum(n for _, n in messages[:first])
    stay = []
    for begin in reversed(range(first, len(messages), 2)):
        pair = messages[begin : begin + 2]
        cost = sum(n for _, n in pair)
        if cost <= left:
            left -= cost
            stay = [*range(begin, begin + len(pair)), *stay]
        elif not stay:
            return []
    return [*range(first), *stay]


@wrong("09.2", "does not count the system's tokens against the room")
def system_for_free(messages, room):
    system = [0] if messages[0][0] == "system" else []
    costs = np.array([n for _, n in messages])
    behind = costs[::-1].cumsum()[::-1]
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and behind[begin] <= room:
            return [*system, *range(begin, len(messages))]
    return []


@right("09.2")
def backwards_with_a_running_sum(messages, room):
    system = list(range(messages[0][0] == "system"))
    used = sum(messages[i][1] for i in system)
    best = None
    for i in range(len(messages) - 1, len(system) - 1, -1):
        role, tokens = messages[i]
        used += tokens
        if used > room:
            break
        if role == "user":
            best = i
    return [] if best is None else [*system, *range(best, len(messages))]


@wrong("09.3", "multiplies by alpha and forgets to divide by r")
def rank_forgotten(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.cat([w * alpha * b for (_, b, alpha), w in zip(adapters, weights, strict=True)], dim=1)
    return A, B


@wrong("09.3", "divides every alpha by the rank of the joined adapter and not by its own")
def joined_rank(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.hstack([w * alpha / len(A) * b for (_, b, alpha), w in zip(adapters, weights, strict=True)])
    return A, B


@wrong("09.3", "the factors are put into A, whose rows shall stay unchanged")
def factors_in_A(adapters, weights):
    joined_A, joined_B = [], []
    for (a, b, alpha), w in zip(adapters, weights, strict=True):
        joined_A.append(a * (w * alpha / a.shape[0]))
        joined_B.append(b)
    return torch.cat(joined_A), torch.cat(joined_B, 1)


@wrong("09.3", "leaves out an adapter with weight 0 together with its rows")
def skip_weight_zero(adapters, weights):
    used = [(a, b * (w * alpha / len(a))) for (a, b, alpha), w in zip(adapters, weights, strict=True) if w != 0]
    if not used:
        a, b, _ = adapters[0]
        return a[:0], b[:, :0]
    return torch.cat([a for a, _ in used]), torch.cat([b for _, b in used], dim=-1)


@wrong("09.3", "makes the weights add up to 1 first, as in an average of models")
def weights_normalised(adapters, weights):
    total = sum(abs(w) for w in weights) or 1.0
    A = torch.vstack([a for a, _, _ in adapters])
    pairs = zip(adapters, weights, strict=True)
    B = torch.hstack([b * (w / total) * (alpha / a.shape[0]) for (a, b, alpha), w in pairs])
    return A, B


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


@wrong("09.4", "a conversation's last place is told to foretell the first token of the next conversation")
def target_across_the_border(conversations, length):
    inputs = torch.zeros(length, dtype=torch.long)
    positions = torch.zeros(length, dtype=torch.long)
    counted = torch.zeros(length, dtype=torch.bool)
    owner = -torch.arange(1, length + 1)
    at = 0
    for number, (ids, counts) in enumerate(conversations):
        for k, (i, c) in enumerate(zip(ids, counts, strict=True)):
            inputs[at], positions[at], counted[at], owner[at] = i, k, bool(c), number
            at += 1
    targets = torch.full((length,), -100)
    targets[:-1] = torch.where(counted[1:], inputs[1:], -100)
    return inputs, targets, positions, (owner[:, None] == owner).tril()


@wrong("09.4", "asks whether the token at t counts, and not the one at t + 1 that is foretold")
def counts_of_the_wrong_token(conversations, length):
    inputs = torch.zeros(length, dtype=torch.long)
    targets = torch.full((length,), -100)
    positions = torch.zeros(length, dtype=torch.long)
    visible = torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids, dtype=torch.long)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n, dtype=torch.bool).tril()
        for k in range(n - 1):
            if counts[k]:
                targets[at + k] = ids[k + 1]
        at += n
    return inputs, targets, positions, visible


@wrong("09.4", "takes each place with id 0 for an empty one, though 0 may be a token")
def zero_means_empty(conversations, length):
    flat = [i for ids, _ in conversations for i in ids]
    inputs = torch.tensor(flat + [0] * (length - len(flat)), dtype=torch.long)
    targets, positions, owner = [], [], []
    for number, (ids, counts) in enumerate(conversations):
        targets += [i if c else -100 for i, c in zip(ids[1:], counts[1:], strict=True)] + [-100] * bool(ids)
        positions += range(len(ids))
        owner += [number] * len(ids)
    rest = length - len(flat)
    targets = torch.tensor(targets + [-100] * rest, dtype=torch.long)
    positions = torch.tensor(positions + [0] * rest, dtype=torch.long)
    owner = torch.tensor(owner + [-1] * rest, dtype=torch.long)
    there = inputs != 0
    visible = (owner[:, None] == owner[None]).tril() & there[:, None] & there[None]
    return inputs, targets, positions, visible | torch.eye(length, dtype=torch.bool)


@wrong("09.4", "the empty places see nothing at all, not even themselves")
def blind_empty_places(conversations, length):
    inputs, positions = torch.zeros(2, length, dtype=torch.long)
    targets = torch.full_like(inputs, -100)
    visible = torch.zeros(length, length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        for k, token in enumerate(ids):
            inputs[at + k] = token
            positions[at + k] = k
            visible[at + k, at : at + k + 1] = True
            if k > 0 and counts[k]:
                targets[at + k - 1] = token
        at += len(ids)
    return inputs, targets, positions, visible


@wrong("09.4", "the positions run on through the whole row and do not begin anew")
def positions_run_on(conversations, length):
    inputs = torch.zeros(length, dtype=torch.long)
    targets = torch.full((length,), -100)
    visible = torch.eye(length, dtype=torch.bool)
    positions = torch.zeros(length, dtype=torch.long)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        span = slice(at, at + n)
        inputs[span] = torch.tensor(ids, dtype=torch.long)
        positions[span] = torch.arange(at, at + n)
        visible[span, span] |= torch.ones(n, n, dtype=torch.bool).tril()
        for k in range(1, n):
            targets[at + k - 1] = ids[k] if counts[k] else -100
        at += n
    return inputs, targets, positions, visible


@right("09.4")
def block_diagonal_pieces(conversations, length):
    pieces = [([i], [False]) for i in [0] * (length - sum(len(ids) for ids, _ in conversations))]
    pieces = [*conversations, *pieces]
    inputs, targets, positions, squares = [], [], [], []
    for ids, counts in pieces:
        n = len(ids)
        if n == 0:
            continue
        inputs.extend(ids)
        targets.extend(i if c else -100 for i, c in zip(ids[1:], counts[1:], strict=True))
        targets.append(-100)
        positions.extend(range(n))
        squares.append(torch.ones(n, n).tril())
    visible = torch.block_diag(*squares).bool() if squares else torch.zeros(length, length, dtype=torch.bool)
    as_long = [torch.tensor(part, dtype=torch.long) for part in (inputs, targets, positions)]
    return (*as_long, visible)
