"""Answers to assignment 09 from its text alone; this half served to tune the checks."""

import numpy as np
import torch
from answers import right, wrong


@wrong("09.1", "strips the content, but every line break belongs to what was said")
def stripped_content(ids, pieces):
    messages, open_turn = [], None
    for token in ids:
        if token == 1:
            open_turn = []
            messages.append({"role": "", "content": "", "ended": False})
        elif token == 2:
            messages[-1]["ended"] = True
            open_turn = None
        elif open_turn is not None:
            open_turn.append(pieces[token])
            role, _, content = "".join(open_turn).partition("\n")
            messages[-1].update(role=role, content=content.strip())
    return messages


@wrong("09.1", "what stands behind the end mark, such as the template's line break, is added to the content")
def line_break_behind_the_mark(ids, pieces):
    turns = []
    for token in ids:
        if token == 1:
            turns.append(["", False])
        elif token == 2:
            turns[-1][1] = True
        elif turns:
            turns[-1][0] += pieces[token]
    messages = []
    for text, ended in turns:
        role, _, content = text.partition("\n")
        messages.append({"role": role, "content": content, "ended": ended})
    return messages


@wrong("09.1", "a turn is written down at its end mark only, so one that breaks off is lost")
def unfinished_turn_lost(ids, pieces):
    messages, current = [], None
    for token in ids:
        if token == 1:
            current = ""
        elif token == 2 and current is not None:
            role, _, content = current.partition("\n")
            messages.append({"role": role, "content": content, "ended": True})
            current = None
        elif current is not None:
            current += pieces[token]
    return messages


@right("09.1")
def cut_at_the_start_marks(ids, pieces):
    ids = list(ids)
    starts = [i for i, token in enumerate(ids) if token == 1]
    out = []
    for begin, stop in zip(starts, [*starts[1:], len(ids)], strict=False):
        inside = ids[begin + 1 : stop]
        ended = 2 in inside
        if ended:
            inside = inside[: inside.index(2)]
        text = "".join(pieces[token] for token in inside)
        cut = text.index("\n")
        out.append({"role": text[:cut], "content": text[cut + 1 :], "ended": ended})
    return out


@wrong("09.1", "cuts at the last line break (rpartition); the role ends at the first one")
def cut_at_the_last_line_break(ids, pieces):
    messages, parts = [], None
    for token in ids:
        if token == 1:
            parts = []
            messages.append([parts, False])
        elif token == 2:
            messages[-1][1] = True
            parts = None
        elif parts is not None:
            parts.append(pieces[token])
    out = []
    for parts, ended in messages:
        role, _, content = "".join(parts).rpartition("\n")
        out.append({"role": role, "content": content, "ended": ended})
    return out


@wrong("09.1", "a piece whose text looks like a mark is taken for one; only ids 1 and 2 are marks")
def marks_by_their_text(ids, pieces):
    messages, text = [], None
    for token in ids:
        piece = pieces[token]
        if piece == "<|im_start|>":
            text = ""
            messages.append({"role": "", "content": "", "ended": False})
        elif piece == "<|im_end|>":
            if messages:
                messages[-1]["ended"] = True
            text = None
        elif text is not None:
            text += piece
            messages[-1]["role"], _, messages[-1]["content"] = text.partition("\n")
    return messages


@right("09.1")
def letter_by_letter(ids, pieces):
    where = "outside"
    result = []
    for i in ids:
        if i == 1:
            result.append({"role": "", "content": "", "ended": False})
            where = "role"
            continue
        if i == 2:
            if where != "outside":
                result[-1]["ended"] = True
            where = "outside"
            continue
        if where == "outside":
            continue
        for letter in pieces[i]:
            if where == "role" and letter == "\n":
                where = "content"
            else:
                result[-1][where] += letter
    return result


@wrong("09.1", "the caller's list of ids is emptied by pop(0)")
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


@wrong("09.1", "gives pairs of role and content; asked are dictionaries that also say whether the turn is ended")
def pairs_of_texts(ids, pieces):
    pairs, text = [], None
    for token in [*ids, None]:
        if token in (1, 2, None):
            if text is not None:
                role, _, content = text.partition("\n")
                pairs.append((role, content))
            text = "" if token == 1 else None
        elif text is not None:
            text += pieces[token]
    return pairs


@wrong("09.2", "the system's message is treated like the others and is dropped first")
def system_dropped(messages, room):
    for begin in range(len(messages)):
        if messages[begin][0] == "assistant":
            continue
        if sum(tokens for _, tokens in messages[begin:]) <= room:
            return list(range(begin, len(messages)))
    return []


@right("09.2")
def backwards_in_exchanges(messages, room):
    first = 1 if messages[0][0] == "system" else 0
    used = messages[0][1] if first else 0
    begin, block = None, 0
    for i in range(len(messages) - 1, first - 1, -1):
        block += messages[i][1]
        if messages[i][0] == "user":
            if used + block > room:
                break
            begin = i
            used, block = used + block, 0
    if begin is None:
        return []
    return list(range(first)) + list(range(begin, len(messages)))


@wrong("09.2", "asks for less than room, but what fills the room exactly fits, too")
def exactly_full_is_refused(messages, room):
    system = [0] if messages[0][0] == "system" else []
    for begin, (role, _) in enumerate(messages):
        if role == "user":
            stay = [*system, *range(begin, len(messages))]
            if sum(messages[i][1] for i in stay) < room:
                return stay
    return []


@wrong("09.2", "skips an exchange that is too long and goes on with older ones, which leaves a gap")
def leaves_a_gap(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    stay = []
    end = len(messages)
    for i in reversed(range(len(system), len(messages))):
        if messages[i][0] == "user":
            size = sum(tokens for _, tokens in messages[i:end])
            if size <= left:
                left -= size
                stay = [*range(i, end), *stay]
            end = i
    return [*system, *stay] if stay else []


@wrong("09.2", "takes the first message for the system's, whoever speaks in it")
def always_a_system_message(messages, room):
    left = room - messages[0][1]
    for begin in range(1, len(messages)):
        if messages[begin][0] == "user" and sum(tokens for _, tokens in messages[begin:]) <= left:
            return [0, *range(begin, len(messages))]
    return []


@wrong("09.2", "gives the messages themselves in place of their numbers")
def the_messages_themselves(messages, room):
    system = messages[:1] if messages[0][0] == "system" else []
    for begin in range(len(system), len(messages)):
        stay = system + messages[begin:]
        if messages[begin][0] == "user" and sum(tokens for _, tokens in stay) <= room:
            return stay
    return []


@right("09.2")
def longest_of_all_that_are_allowed(messages, room):
    n = len(messages)
    system = tuple(i for i in range(n) if messages[i][0] == "system")
    choices = [(*system, *range(b, n)) for b in range(n) if messages[b][0] == "user"]
    fitting = [c for c in choices if sum(messages[i][1] for i in c) <= room]
    return list(max(fitting, key=len, default=()))


@wrong("09.2", "stops at the latest exchange that fits; as many as there is room for shall stay")
def last_exchange_only(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - (messages[0][1] if system else 0)
    for begin in range(len(messages) - 1, len(system) - 1, -1):
        if messages[begin][0] == "user":
            if sum(tokens for _, tokens in messages[begin:]) <= left:
                return [*system, *range(begin, len(messages))]
            return []
    return []


@wrong("09.2", "drops an answer that does not fit and keeps its question; a question stays with its answer")
def question_without_its_answer(messages, room):
    system = [0] if messages[0][0] == "system" else []
    left = room - sum(messages[i][1] for i in system)
    for end in range(len(messages), len(system), -1):
        for begin in range(len(system), end):
            if messages[begin][0] == "user" and sum(tokens for _, tokens in messages[begin:end]) <= left:
                return [*system, *range(begin, end)]
    return []


@wrong("09.3", "the factors are in A, whose rows shall stay unchanged; they belong in B")
def factors_in_a(adapters, weights):
    A = torch.cat([w * alpha / len(a) * a for (a, _, alpha), w in zip(adapters, weights, strict=True)])
    B = torch.cat([b for _, b, _ in adapters], dim=1)
    return A, B


@wrong("09.3", "the roots are still shared between A and B: A is changed, and a negative weight has no root")
def roots_side_by_side(adapters, weights):
    A, B = [], []
    for (a, b, alpha), weight in zip(adapters, weights, strict=True):
        root = (weight * alpha / len(a)) ** 0.5
        A.append(root * a)
        B.append(root * b)
    return torch.cat(A, dim=0), torch.cat(B, dim=1)


@wrong("09.3", "leaves out adapters with weight 0, which shall keep their rows")
def zeros_left_out(adapters, weights):
    used = [(a, w * alpha / len(a) * b) for (a, b, alpha), w in zip(adapters, weights, strict=True) if w != 0]
    if not used:
        (a, b, _) = adapters[0]
        return a[:0].clone(), b[:, :0].clone()
    return torch.cat([a for a, _ in used]), torch.cat([b for _, b in used], dim=1)


@right("09.3")
def one_factor_for_each_column(adapters, weights):
    factors = []
    for (a, _, alpha), w in zip(adapters, weights, strict=True):
        factors += [w * alpha / a.shape[0]] * a.shape[0]
    big_b = torch.hstack([b for _, b, _ in adapters])
    return torch.vstack([a for a, _, _ in adapters]), big_b * torch.tensor(factors, dtype=big_b.dtype)


@wrong("09.3", "uses the size of the weights only, so a negative weight adds an adapter in place of taking it away")
def sign_lost(adapters, weights):
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.cat([abs(w) * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights, strict=True)], dim=1)
    return A, B


@wrong("09.3", "the weights are made to add up to 1 first, which nobody has asked for")
def weights_normalised(adapters, weights):
    total = sum(abs(w) for w in weights) or 1.0
    A = torch.cat([a for a, _, _ in adapters])
    B = torch.cat([w / total * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights, strict=True)], dim=1)
    return A, B


@right("09.3")
def one_adapter_at_a_time(adapters, weights):
    (a, b, alpha), *others = adapters
    a, b = a.clone(), b * (weights[0] * alpha / b.shape[1])
    if not others:
        return a, b
    rest_a, rest_b = one_adapter_at_a_time(others, weights[1:])
    return torch.cat((a, rest_a)), torch.cat((b, rest_b), dim=-1)


@wrong("09.3", "*= scales the caller's own B")
def scaled_in_place(adapters, weights):
    for (a, b, alpha), weight in zip(adapters, weights, strict=True):
        b *= weight * alpha / len(a)
    return torch.cat([a for a, _, _ in adapters]), torch.cat([b for _, b, _ in adapters], dim=1)


@wrong("09.3", "stacks the adapters, which works for equal r only, and the axes of B are mixed up by the reshape")
def stacked_and_reshaped(adapters, weights):
    A = torch.stack([a for a, _, _ in adapters]).flatten(0, 1)
    B = torch.stack([w * alpha / len(a) * b for (a, b, alpha), w in zip(adapters, weights, strict=True)])
    return A, B.reshape(B.shape[1], -1)


@wrong("09.4", "the last place of a conversation has the first token of the next one for its target")
def target_in_the_next_conversation(conversations, length):
    ids = [i for own, _ in conversations for i in own]
    counts = [c for _, own in conversations for c in own]
    rest = length - len(ids)
    inputs = torch.tensor(ids + [0] * rest)
    goals = [i if c else -100 for i, c in zip(ids, counts, strict=True)]
    targets = torch.tensor(goals[1:] + [-100] * (rest + 1))
    positions = torch.tensor([k for own, _ in conversations for k in range(len(own))] + [0] * rest)
    squares = [torch.ones(len(own), len(own)).tril() for own, _ in conversations]
    visible = torch.block_diag(*squares, torch.eye(rest)).bool()
    return inputs, targets, positions, visible


@right("09.4")
def lists_then_one_comparison(conversations, length):
    inputs, targets, positions, owner = [], [], [], []
    for number, (ids, counts) in enumerate(conversations):
        following = [i if c else -100 for i, c in zip(ids, counts, strict=True)]
        inputs += ids
        targets += [*following[1:], -100][: len(ids)]
        positions += range(len(ids))
        owner += [number] * len(ids)
    empty = length - len(inputs)
    owner += [-1 - i for i in range(empty)]  # each empty place is alone
    owner = torch.tensor(owner)
    place = torch.arange(length)
    visible = (owner[:, None] == owner[None, :]) & (place[:, None] >= place[None, :])
    inputs = torch.tensor(inputs + [0] * empty, dtype=torch.long)
    targets = torch.tensor(targets + [-100] * empty, dtype=torch.long)
    return inputs, targets, torch.tensor(positions + [0] * empty, dtype=torch.long), visible


@wrong("09.4", "the positions run on through the row and do not begin anew in each conversation")
def positions_run_on(conversations, length):
    inputs, targets = torch.zeros(length, dtype=torch.long), torch.full((length,), -100)
    visible = torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() > 0
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    positions = torch.arange(length) * (torch.arange(length) < at)
    return inputs, targets, positions, visible


@wrong("09.4", "a place sees its whole conversation, also what comes behind it")
def sees_the_future(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        end = at + len(ids)
        inputs[at:end] = torch.tensor(ids)
        positions[at:end] = torch.arange(len(ids))
        visible[at:end, at:end] = True
        for k in range(1, len(ids)):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at = end
    return inputs, targets, positions, visible


@wrong("09.4", "the empty places are treated as one more conversation: they see each other and have positions")
def emptiness_as_a_conversation(conversations, length):
    used = sum(len(ids) for ids, _ in conversations)
    rest = length - used
    full = [*conversations, ([0] * rest, [False] * rest)]
    inputs = torch.tensor([i for ids, _ in full for i in ids])
    positions = torch.cat([torch.arange(len(ids)) for ids, _ in full])
    targets = []
    for ids, counts in full:
        targets += [ids[k] if counts[k] else -100 for k in range(1, len(ids))] + [-100] * bool(ids)
    visible = torch.block_diag(*(torch.ones(len(ids), len(ids)).tril() for ids, _ in full)).bool()
    return inputs, torch.tensor(targets), positions, visible


@wrong("09.4", "the targets are not shifted: in place t stands the token at t")
def targets_not_shifted(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        for k in range(n):
            if counts[k]:
                targets[at + k] = ids[k]
        at += n
    return inputs, targets, positions, visible


@right("09.4")
def place_by_place_in_numpy(conversations, length):
    inputs, positions = np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64)
    targets, visible = np.full(length, -100, dtype=np.int64), np.zeros((length, length), dtype=bool)
    t = 0
    for ids, counts in conversations:
        begin = t
        for k in range(len(ids)):
            inputs[t], positions[t] = ids[k], k
            visible[t, begin : t + 1] = True
            if k + 1 < len(ids) and counts[k + 1]:
                targets[t] = ids[k + 1]
            t += 1
    for empty in range(t, length):
        visible[empty, empty] = True
    return tuple(map(torch.from_numpy, (inputs, targets, positions, visible)))


@wrong("09.4", "places are filled up to length - 1 only, so a row that is exactly full loses its last token")
def one_place_short(conversations, length):
    inputs, positions = torch.zeros(length, dtype=torch.long), torch.zeros(length, dtype=torch.long)
    targets, visible = torch.full((length,), -100), torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        end = min(at + len(ids), length - 1)
        n = end - at
        inputs[at:end] = torch.tensor(ids[:n], dtype=torch.long)
        positions[at:end] = torch.arange(n)
        visible[at:end, at:end] = torch.ones(n, n).tril() == 1
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at = end
    return inputs, targets, positions, visible


@wrong("09.4", "leaves an empty place between two conversations; they stand right behind one another")
def a_gap_in_between(conversations, length):
    total = length + len(conversations)
    inputs, positions = torch.zeros(total, dtype=torch.long), torch.zeros(total, dtype=torch.long)
    targets, visible = torch.full((total,), -100), torch.eye(total, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n + 1
    return inputs[:length], targets[:length], positions[:length], visible[:length, :length]
