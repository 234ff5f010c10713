"""Answers to assignment 09 from its text alone; this set served to tune the checks."""

import numpy as np
import torch
from answers import right, wrong

# 09.1


@wrong("09.1", "decodes everything first and cuts at the marks' text, so a typed mark counts as a real one")
def decode_then_split(ids, pieces):
    text = "".join(pieces[i] for i in ids)
    messages = []
    for turn in text.split("<|im_start|>")[1:]:
        role, _, rest = turn.partition("\n")
        content, mark, _ = rest.partition("<|im_end|>")
        messages.append({"role": role, "content": content, "ended": mark != ""})
    return messages


@wrong("09.1", "splits at every line break and keeps only the second line, so the further lines are lost")
def only_second_line(ids, pieces):
    messages, text = [], None
    for i in [*ids, None]:
        if i == 1:
            text = ""
        elif i == 2 or i is None:
            if text is not None:
                lines = text.split("\n")
                messages.append({"role": lines[0], "content": lines[1], "ended": i == 2})
            text = None
        elif text is not None:
            text += pieces[i]
    return messages


@wrong("09.1", "strips the content, so blanks and line breaks at its ends are lost")
def stripped_content(ids, pieces):
    messages, text = [], None
    for i in [*ids, None]:
        if i == 1:
            text = ""
        elif i == 2 or i is None:
            if text is not None:
                role, content = text.split("\n", 1)
                messages.append({"role": role, "content": content.strip(), "ended": i == 2})
            text = None
        elif text is not None:
            text += pieces[i]
    return messages


@wrong("09.1", "stores a message only when its end mark comes, so the unfinished last turn is missing")
def forgets_the_open_turn(ids, pieces):
    messages, collected, inside = [], [], False
    for i in ids:
        if i == 1:
            collected, inside = [], True
        elif i == 2 and inside:
            role, _, content = "".join(collected).partition("\n")
            messages.append({"role": role, "content": content, "ended": True})
            inside = False
        elif inside:
            collected.append(pieces[i])
    return messages


@wrong("09.1", "cuts at the start marks only, so the line break that the template writes behind a turn is content, too")
def keeps_what_is_between(ids, pieces):
    turns = []
    for i in ids:
        if i == 1:
            turns.append(["", False])
        elif turns:
            if i == 2:
                turns[-1][1] = True
            else:
                turns[-1][0] += pieces[i]
    found = []
    for text, ended in turns:
        role, _, content = text.partition("\n")
        found.append({"role": role, "content": content, "ended": ended})
    return found


@wrong("09.1", "takes the first piece behind the mark for the role and all others for the content")
def first_piece_is_role(ids, pieces):
    messages = []
    k = 0
    while k < len(ids):
        if ids[k] == 1:
            role = pieces[ids[k + 1]].rstrip("\n")
            k += 2
            content = ""
            while k < len(ids) and ids[k] != 2:
                content += pieces[ids[k]]
                k += 1
            messages.append({"role": role, "content": content, "ended": k < len(ids)})
        k += 1
    return messages


@wrong("09.1", "removes the marks that somebody typed from the content")
def cleans_typed_marks(ids, pieces):
    messages = []
    is_open = False
    for i in ids:
        if i == 1:
            messages.append({"role": "", "content": "", "ended": False})
            is_open = True
        elif i == 2:
            if is_open:
                messages[-1]["ended"] = True
            is_open = False
        elif is_open:
            messages[-1]["content"] += pieces[i]
    for message in messages:
        message["role"], _, content = message["content"].partition("\n")
        message["content"] = content.replace("<|im_start|>", "").replace("<|im_end|>", "")
    return messages


@wrong("09.1", "knows only the roles system, user and assistant, and skips turns of any other role")
def known_roles_only(ids, pieces):
    messages, text = [], None
    for i in [*ids, None]:
        if i == 1:
            text = ""
        elif i == 2 or i is None:
            if text is not None:
                role, _, content = text.partition("\n")
                if role in ("system", "user", "assistant"):
                    messages.append({"role": role, "content": content, "ended": i == 2})
            text = None
        elif text is not None:
            text += pieces[i]
    return messages


@right("09.1")
def letter_by_letter(ids, pieces):
    messages = []
    state = "outside"
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


# 09.2


@wrong("09.2", "takes the last messages that fit without asking who is in front, so an answer may come first")
def answer_in_front(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    begin = len(messages)
    while begin > len(system) and messages[begin - 1][1] <= left:
        begin -= 1
        left -= messages[begin][1]
    last_user = max(i for i, (role, _) in enumerate(messages) if role == "user")
    if begin > last_user:
        return []
    return system + list(range(begin, len(messages)))


@wrong("09.2", "wants the sum to be below the room, so a chat that fits exactly loses a pair")
def strictly_less(messages, room):
    system = [0] if messages[0][0] == "system" else []
    room = room - sum(messages[i][1] for i in system)
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and sum(t for _, t in messages[begin:]) < room:
            return [*system, *range(begin, len(messages))]
    return []


@wrong("09.2", "does not take the tokens of the system's message off the room")
def system_is_free(messages, room):
    system = [0] if messages[0][0] == "system" else []
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and sum(t for _, t in messages[begin:]) <= room:
            return system + list(range(begin, len(messages)))
    return []


@wrong("09.2", "gives back the system's message alone where not even the last question has room, and not an empty list")
def system_stays_alone(messages, room):
    numbers = list(range(len(messages)))
    system = [numbers.pop(0)] if messages[0][0] == "system" else []
    while numbers:
        if sum(messages[i][1] for i in system + numbers) <= room:
            break
        numbers.pop(0)
        while numbers and messages[numbers[0]][0] != "user":
            numbers.pop(0)
    return system + numbers


@wrong("09.2", "skips a pair that is too long and goes on to older ones, which leaves a gap")
def greedy_with_gaps(messages, room):
    first = 1 if messages[0][0] == "system" else 0
    used = messages[0][1] if first else 0
    kept = []
    users = [i for i in range(first, len(messages)) if messages[i][0] == "user"]
    for u in reversed(users):
        pair = [i for i in (u, u + 1) if i < len(messages)]
        cost = sum(messages[i][1] for i in pair)
        if used + cost <= room:
            kept = pair + kept
            used += cost
        elif u == users[-1]:
            return []
    return ([0] if first else []) + kept


@wrong("09.2", "takes it for granted that message 0 is the system's, also where it is a user's")
def always_a_system(messages, room):
    room = room - messages[0][1]
    for begin in range(1, len(messages)):
        if messages[begin][0] == "user" and sum(t for _, t in messages[begin:]) <= room:
            return [0, *range(begin, len(messages))]
    return []


@wrong("09.2", "counts the numbers behind the system's message from 0 again, so they are one too small")
def numbers_without_system(messages, room):
    system, rest = [], messages
    if messages[0][0] == "system":
        system, rest = [0], messages[1:]
        room = room - messages[0][1]
    for begin in range(0, len(rest), 2):
        if sum(tokens for _, tokens in rest[begin:]) <= room:
            return system + list(range(begin, len(rest)))
    return []


@wrong("09.2", "goes back from the end in pairs, as if the last question always had its answer")
def pairs_from_the_end(messages, room):
    first = 1 if messages[0][0] == "system" else 0
    used = messages[0][1] if first else 0
    begin = len(messages)
    while begin - 2 >= first and used + messages[begin - 1][1] + messages[begin - 2][1] <= room:
        used += messages[begin - 1][1] + messages[begin - 2][1]
        begin -= 2
    if begin == len(messages):
        return []
    return [0] * first + list(range(begin, len(messages)))


@right("09.2")
def pops_from_the_front(messages, room):
    stay = list(range(len(messages)))
    head = stay[:1] if messages[0][0] == "system" else []
    del stay[: len(head)]
    total = sum(tokens for _, tokens in messages)
    while stay and total > room:
        total -= messages[stay.pop(0)][1]
        while stay and messages[stay[0]][0] == "assistant":
            total -= messages[stay.pop(0)][1]
    return head + stay if stay else []


@right("09.2")
def suffix_sums(messages, room):
    roles = np.array([role for role, _ in messages])
    tokens = np.array([tokens for _, tokens in messages])
    system = roles == "system"
    from_here_on = np.cumsum(np.where(system, 0, tokens)[::-1])[::-1]
    fits = (from_here_on + tokens[system].sum() <= room) & (roles == "user")
    if not fits.any():
        return []
    begin = int(fits.argmax())
    return [i for i in range(len(messages)) if system[i] or i >= begin]


# 09.3


@wrong("09.3", "puts the root of each factor into A and B, so the rows of A are changed and a negative weight is NaN")
def root_into_both(adapters, weights):
    roots = [(w * alpha / len(A)) ** 0.5 for (A, _, alpha), w in zip(adapters, weights)]
    roots = [r.real if isinstance(r, complex) else r for r in roots]
    A = torch.cat([r * a for r, (a, _, _) in zip(roots, adapters)])
    B = torch.cat([r * b for r, (_, b, _) in zip(roots, adapters)], dim=1)
    return A, B


@wrong("09.3", "forgets alpha / r and puts the weights alone into B")
def weights_alone(adapters, weights):
    A = torch.vstack([a for a, _, _ in adapters])
    B = torch.hstack([w * b for (_, b, _), w in zip(adapters, weights)])
    return A, B


@wrong("09.3", "leaves out adapters whose weight is 0, although they keep their rows")
def skips_weight_zero(adapters, weights):
    kept = [(a, b * (w * alpha / a.shape[0])) for (a, b, alpha), w in zip(adapters, weights) if w != 0]
    if not kept:
        a, b, _ = adapters[0]
        return a[:0], b[:, :0]
    return torch.cat([a for a, _ in kept], 0), torch.cat([b for _, b in kept], 1)


@wrong("09.3", "divides alpha by the sum of all ranks instead of the adapter's own rank")
def divides_by_all_ranks(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters])
    R = len(A)
    B = torch.cat([w * alpha / R * b for (_, b, alpha), w in zip(adapters, weights)], 1)
    return A, B


@wrong("09.3", "scales each B in place, so what it is given is changed")
def scales_in_place(adapters, weights):
    for (A, B, alpha), weight in zip(adapters, weights):
        B.mul_(weight * alpha / A.shape[0])
    return torch.cat([a for a, _, _ in adapters]), torch.cat([b for _, b, _ in adapters], dim=1)


@wrong("09.3", "divides alpha by the root of the rank, as rank-stabilised LoRA does")
def rank_stabilised(adapters, weights):
    all_A, all_B = [], []
    for (A, B, alpha), weight in zip(adapters, weights, strict=True):
        all_A.append(A)
        all_B.append(B * (weight * alpha / np.sqrt(A.shape[0])))
    return torch.cat(all_A, 0), torch.cat(all_B, 1)


@wrong("09.3", "divides the weights by their sum, as for a mean of the adapters")
def mean_of_adapters(adapters, weights):
    total = sum(weights) or 1.0
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.cat([w / total * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights)], 1)
    return A, B


@wrong("09.3", "takes alpha / r of the first adapter for all of them")
def first_ones_scale(adapters, weights):
    A0, _, alpha0 = adapters[0]
    scale = alpha0 / A0.shape[0]
    A = torch.cat([adapter[0] for adapter in adapters], dim=0)
    B = torch.cat([scale * w * adapter[1] for adapter, w in zip(adapters, weights)], dim=1)
    return A, B


@right("09.3")
def filled_into_empty(adapters, weights):
    R = sum(A.shape[0] for A, _, _ in adapters)
    A0, B0, _ = adapters[0]
    joined_A = A0.new_empty(R, A0.shape[1])
    joined_B = B0.new_empty(B0.shape[0], R)
    at = 0
    for k in range(len(adapters)):
        A, B, alpha = adapters[k]
        r = A.shape[0]
        joined_A[at : at + r, :] = A
        joined_B[:, at : at + r] = B * weights[k] * alpha / r
        at += r
    return joined_A, joined_B


@right("09.3")
def one_factor_per_column(adapters, weights):
    As, Bs, alphas = zip(*adapters)
    factors = []
    for A, alpha, weight in zip(As, alphas, weights):
        factors += [weight * alpha / len(A)] * len(A)
    B = torch.cat([B.T for B in Bs]) * torch.tensor(factors, dtype=Bs[0].dtype)[:, None]
    return torch.cat(As), B.T.contiguous()


# 09.4


def _lay(conversations, length):
    inputs = torch.zeros(length, dtype=torch.long)
    targets = torch.full((length,), -100)
    positions = torch.zeros(length, dtype=torch.long)
    visible = torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        for k in range(n):
            inputs[at + k] = ids[k]
            positions[at + k] = k
            if k > 0 and counts[k]:
                targets[at + k - 1] = ids[k]
            visible[at + k, at : at + k + 1] = True
        at += n
    return inputs, targets, positions, visible


@wrong("09.4", "shifts the whole row, so the last token of a conversation has the next one's first token as its target")
def targets_cross_the_border(conversations, length):
    inputs, targets, positions, visible = _lay(conversations, length)
    ids = [i for one, _ in conversations for i in one]
    counts = [c for _, one in conversations for c in one]
    for t in range(len(ids) - 1):
        targets[t] = ids[t + 1] if counts[t + 1] else -100
    return inputs, targets, positions, visible


@wrong("09.4", "asks whether the token at t counts instead of the one at t + 1")
def counts_not_shifted(conversations, length):
    inputs, targets, positions, visible = _lay(conversations, length)
    at = 0
    for ids, counts in conversations:
        for k in range(len(ids) - 1):
            targets[at + k] = ids[k + 1] if counts[k] else -100
        at += len(ids)
    return inputs, targets, positions, visible


@wrong("09.4", "lets the positions run on through the whole row")
def positions_run_on(conversations, length):
    inputs, targets, positions, visible = _lay(conversations, length)
    used = sum(len(ids) for ids, _ in conversations)
    positions = torch.where(torch.arange(length) < used, torch.arange(length), 0)
    return inputs, targets, positions, visible


@wrong("09.4", "uses one causal mask for the row, so a conversation sees those before it")
def plain_causal_mask(conversations, length):
    inputs, targets, positions, _ = _lay(conversations, length)
    used = sum(len(ids) for ids, _ in conversations)
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    visible[used:] = torch.eye(length, dtype=torch.bool)[used:]
    return inputs, targets, positions, visible


@wrong("09.4", "treats the empty places as one more conversation, so they see each other")
def padding_is_a_conversation(conversations, length):
    inputs, targets, positions, _ = _lay(conversations, length)
    owner = torch.full((length,), -1)
    at = 0
    for number, (ids, _) in enumerate(conversations):
        owner[at : at + len(ids)] = number
        at += len(ids)
    visible = (owner[:, None] == owner[None, :]).tril()
    return inputs, targets, positions, visible


@wrong("09.4", "leaves the rows of the empty places without anything to see")
def padding_sees_nothing(conversations, length):
    inputs, targets, positions, visible = _lay(conversations, length)
    used = sum(len(ids) for ids, _ in conversations)
    visible[used:] = False
    return inputs, targets, positions, visible


@wrong("09.4", "lets each token see its whole conversation, also what comes after it")
def looks_into_the_future(conversations, length):
    inputs, targets, positions, visible = _lay(conversations, length)
    return inputs, targets, positions, visible | visible.T


@wrong("09.4", "takes id 0 for padding, so a real token 0 is no target")
def zero_is_padding(conversations, length):
    inputs, targets, positions, visible = _lay(conversations, length)
    targets[targets == 0] = -100
    return inputs, targets, positions, visible


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


@right("09.4")
def lists_and_block_diagonal(conversations, length):
    inputs, targets, positions, blocks = [], [], [], []
    for ids, counts in conversations:
        inputs.extend(ids)
        targets.extend(i if c else -100 for i, c in list(zip(ids, counts))[1:])
        if len(ids):
            targets.append(-100)
        positions.extend(range(len(ids)))
        blocks.append(torch.ones(len(ids), len(ids)).tril())
    rest = length - len(inputs)
    blocks.append(torch.eye(rest))
    inputs = torch.tensor(inputs + rest * [0], dtype=torch.int64)
    targets = torch.tensor(targets + rest * [-100], dtype=torch.int64)
    positions = torch.tensor(positions + rest * [0], dtype=torch.int64)
    return inputs, targets, positions, torch.block_diag(*blocks).bool()
