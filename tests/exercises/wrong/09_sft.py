"""Answers to exercise 09 as learners write them."""

import re
from itertools import accumulate

import numpy as np
import torch
from answers import right, wrong

# 09.1 Read a chat back


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


@wrong("09.1", "only the first line")
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


@wrong("09.1", "White space at the edges")
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


@wrong("09.1", "not a list of dictionaries")
def pairs(ids, pieces):
    return [(one["role"], one["content"]) for one in read_rightly(ids, pieces)]


@wrong("09.1", "the forger has won")
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


@wrong("09.1", "is told as ended")
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


@wrong("09.1", "what stands outside of a turn")
def what_stands_outside_is_said(ids, pieces):
    messages = [{"role": role, "content": content, "ended": ended} for role, content, ended in read_turns(ids, pieces)]
    outside = "".join(pieces[id] for id in ids[: ids.index(1)])
    return messages if not outside else [{"role": "", "content": outside, "ended": False}, *messages]


# 09.2 A chat too long for its row


@wrong("09.2", "begins with an answer")
def greedy_from_the_end(messages, room):
    kept = [0] if messages[0][0] == "system" else []
    room -= sum(messages[place][1] for place in kept)
    tail = []
    for place in reversed(range(len(kept), len(messages))):
        if messages[place][1] > room:
            break
        room -= messages[place][1]
        tail.insert(0, place)
    return kept + tail


@wrong("09.2", "the end is cut off")
def truncated(messages, room):
    kept = []
    for place, (_, tokens) in enumerate(messages):
        if tokens > room:
            break
        room -= tokens
        kept.append(place)
    return kept


@wrong("09.2", "stops one token early")
def strictly_less(messages, room):
    system = [0] if messages[0][0] == "system" else []
    for begin in range(len(system), len(messages)):
        places = [*system, *range(begin, len(messages))]
        if messages[begin][0] == "user" and sum(messages[place][1] for place in places) < room:
            return places
    return []


@wrong("09.2", "left out of the middle")
def whatever_fits(messages, room):
    kept = []
    if messages[0][0] == "system":
        kept, room = [0], room - messages[0][1]
    for place in range(len(messages) - 1, len(kept[:1]) - 1, -1):
        if place not in kept and messages[place][1] <= room:
            kept.append(place)
            room -= messages[place][1]
    return sorted(kept)


@wrong("09.2", "Only the last question stays")
def the_last_exchange(messages, room):
    system = [0] if messages[0][0] == "system" else []
    last = max(place for place, (role, _) in enumerate(messages) if role == "user")
    places = [*system, *range(last, len(messages))]
    return places if sum(messages[place][1] for place in places) <= room else []


@wrong("09.2", "number of the system's message is missing")
def counted_and_not_told(messages, room):
    first = int(messages[0][0] == "system")
    room -= first * messages[0][1]
    users = (place for place in range(first, len(messages)) if messages[place][0] == "user")
    fitting = (place for place in users if sum(tokens for _, tokens in messages[place:]) <= room)
    return list(range(next(fitting, len(messages)), len(messages)))


@wrong("09.2", "numbered anew from 0")
def counted_anew(messages, room):
    return list(range(len(fit_rightly(messages, room))))


@wrong("09.2", "in steps of two from its end")
def pairs_from_the_end(messages, room):
    first = int(messages[0][0] == "system")
    room -= first * messages[0][1]
    begin = len(messages)
    while begin - 2 >= first and sum(tokens for _, tokens in messages[begin - 2 :]) <= room:
        begin -= 2
    return [*range(first), *range(begin, len(messages))] if begin < len(messages) else []


@wrong("09.2", "counted from 1")
def from_one(messages, room):
    return [place + 1 for place in fit_rightly(messages, room)]


@wrong("09.2", "have room, too")
def two_less(messages, room):
    kept = list(fit_rightly(messages, room))
    first = int(messages[0][0] == "system")
    return kept[:first] + kept[first + 2 :] if len(kept) > first + 4 else kept


@wrong("09.2", "The question alone is kept")
def question_without_its_answer(messages, room):
    kept = list(fit_rightly(messages, room))
    last = max(place for place, (role, _) in enumerate(messages) if role == "user")
    first = [0] if messages[0][0] == "system" and last else []
    if kept or sum(messages[place][1] for place in [*first, last]) > room:
        return kept
    return [*first, last]


@wrong("09.2", "and there is room for")
def two_at_a_time_without_looking(messages, room):
    kept = list(range(len(messages)))
    first = 1 if messages[0][0] == "system" else 0
    if sum(tokens for _, tokens in messages) > room:
        del kept[first : first + 2]
    return kept


@wrong("09.2", "no list of places")
def the_messages_themselves(messages, room):
    return [messages[place] for place in fit_rightly(messages, room)]


@wrong("09.2", "dropped as the oldest")
def oldest_first(messages, room):
    kept = list(range(len(messages)))
    while kept and (sum(messages[place][1] for place in kept) > room or messages[kept[0]][0] == "assistant"):
        del kept[0]
    return [] if len(kept) == 1 and messages[kept[0]][0] == "system" else kept


@wrong("09.2", "tokens are not counted")
def system_for_nothing(messages, room):
    system = [0] if messages[0][0] == "system" else []
    for begin in range(len(system), len(messages)):
        if messages[begin][0] == "user" and sum(tokens for _, tokens in messages[begin:]) <= room:
            return system + list(range(begin, len(messages)))
    return []


@wrong("09.2", "kept although it does not fit")
def one_exchange_at_least(messages, room):
    kept = fit_rightly(messages, room)
    if not kept:
        last = max(place for place, (role, _) in enumerate(messages) if role == "user")
        kept = [0] * (messages[0][0] == "system") + list(range(last, len(messages)))
    return kept


@wrong("09.2", "left alone")
def system_in_any_case(messages, room):
    return fit_rightly(messages, room) or [0] * (messages[0][0] == "system")


@wrong("09.2", "IndexError")
def pops_too_much(messages, room):
    kept = list(range(len(messages)))
    first = int(messages[0][0] == "system")
    while sum(messages[place][1] for place in kept) > room or messages[kept[first]][0] == "assistant":
        kept.pop(first)
    return kept


@right("09.2")
def fit_rightly(messages, room):
    first = int(messages[0][0] == "system")
    kept = list(range(len(messages)))
    while len(kept) > first and sum(messages[place][1] for place in kept) > room:
        del kept[first : first + 2]
    return tuple(kept) if len(kept) > first else ()


@right("09.2")
def from_the_end_by_sums(messages, room):
    sizes = np.array([tokens for _, tokens in messages])
    system = messages[0][0] == "system"
    tails = list(accumulate(sizes[::-1], initial=int(sizes[0]) if system else 0))
    best = []
    for count, total in enumerate(tails):
        begin = len(messages) - count
        if total <= room and 0 <= begin < len(messages) and messages[begin][0] == "user":
            best = [0] * system + list(range(begin, len(messages)))
    return torch.tensor(best, dtype=torch.long)


# 09.3 Each alone is right


@wrong("09.3", "still added")
def as_it_was(adapters, weights):
    roots = [(w * alpha / len(A)) ** 0.5 for w, (A, _, alpha) in zip(weights, adapters, strict=True)]
    A = torch.stack([root * A for root, (A, _, _) in zip(roots, adapters, strict=True)]).sum(0)
    return A, torch.stack([root * B for root, (_, B, _) in zip(roots, adapters, strict=True)]).sum(0)


@wrong("09.3", "holds what no adapter has learned")
def all_factors_in_a(adapters, weights):
    A = sum(w * alpha / len(A) * A for w, (A, _, alpha) in zip(weights, adapters, strict=True))
    return A, sum(B for _, B, _ in adapters)


@wrong("09.3", "alpha / r is forgotten")
def only_the_weights(adapters, weights):
    return (
        torch.cat([A for A, _, _ in adapters]),
        torch.cat([weight * B for weight, (_, B, _) in zip(weights, adapters, strict=True)], 1),
    )


@wrong("09.3", "not divided by the rank")
def alpha_alone(adapters, weights):
    A = torch.vstack([one[0] for one in adapters])
    return A, torch.hstack([weight * alpha * B for weight, (_, B, alpha) in zip(weights, adapters, strict=True)])


@wrong("09.3", "divided by the new rank")
def rank_of_the_result(adapters, weights):
    joined = torch.vstack([one[0] for one in adapters])
    scaled = [weight * alpha / len(joined) * B for weight, (_, B, alpha) in zip(weights, adapters, strict=True)]
    return joined, torch.hstack(scaled)


@wrong("09.3", "The weights are not used")
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


@wrong("09.3", "split in another way")
def factor_in_a(adapters, weights):
    A = torch.cat([w * alpha / len(A) * A for w, (A, _, alpha) in zip(weights, adapters, strict=True)])
    return A, torch.cat([B for _, B, _ in adapters], 1)


@wrong("09.3", "do not fit each other")
def b_below_b(adapters, weights):
    A, B = join_rightly(adapters, weights)
    return A, torch.cat(B.split(len(adapters[0][0]), dim=1))


@wrong("09.3", "no pair of matrices")
def the_correction(adapters, weights):
    A, B = join_rightly(adapters, weights)
    return B @ A


@wrong("09.3", "the factor of the first")
def scale_of_the_first(adapters, weights):
    first, _, alpha = adapters[0]
    scale = alpha / first.shape[0]
    A = torch.cat([A for A, _, _ in adapters])
    return A, torch.cat([weight * scale * B for weight, (_, B, _) in zip(weights, adapters, strict=True)], 1)


@wrong("09.3", "taken as a positive one")
def without_the_sign(adapters, weights):
    return join_rightly(adapters, [abs(weight) for weight in weights])


@wrong("09.3", "Each B is multiplied by 1: there is no factor")
def only_joined(adapters, weights):
    return torch.cat([A for A, _, _ in adapters]), torch.cat([B for _, B, _ in adapters], 1)


@wrong("09.3", "weight · alpha / (rows of B)")
def rank_of_the_wrong_matrix(adapters, weights):
    A = torch.cat([A for A, _, _ in adapters])
    return A, torch.cat([w * alpha / len(B) * B for (_, B, alpha), w in zip(adapters, weights, strict=True)], 1)


@wrong("09.3", "have changed places in the result")
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


# 09.4 A row by hand


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


@wrong("09.4", "The targets are not shifted")
def labels_are_inputs(conversations, length):
    ids, counts, _ = filled(conversations, length)
    labels = [id if counted else -100 for id, counted in zip(ids, counts, strict=True)]
    return changed(conversations, length, targets=labels)


@wrong("09.4", "where the forecast stands")
def marks_not_shifted(conversations, length):
    ids, counts, owner = filled(conversations, length)
    targets = torch.full((length,), -100)
    for t in range(length - 1):
        if counts[t] and owner[t] == owner[t + 1]:
            targets[t] = ids[t + 1]
    return changed(conversations, length, targets=targets)


@wrong("09.4", "The questions are learned, too")
def every_token(conversations, length):
    return list(parts([(ids, [True] * len(ids)) for ids, _ in conversations], length).values())


@wrong("09.4", "rolled round")
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


@wrong("09.4", "does not see itself")
def strictly_causal(conversations, length):
    visible = parts(conversations, length)["visible"]
    return changed(conversations, length, visible=visible & ~torch.eye(length, dtype=torch.bool))


@wrong("09.4", "In `targets` the result has shape")
def one_target_short(conversations, length):
    targets = parts(conversations, length)["targets"]
    return changed(conversations, length, targets=targets[:-1])


@wrong("09.4", "not four tensors")
def forgot_the_mask(conversations, length):
    return changed(conversations, length)[:3]


@wrong("09.4", "the first token of the next one")
def shifted_as_a_whole(conversations, length):
    ids, counts, _ = filled(conversations, length)
    labels = [id if counted else -100 for id, counted in zip(ids, counts, strict=True)]
    return changed(conversations, length, targets=[*labels[1:], -100])


@wrong("09.4", "Positions go on")
def counted_through(conversations, length):
    n = sum(len(ids) for ids, _ in conversations)
    return changed(conversations, length, positions=[*range(n), *[0] * (length - n)])


@wrong("09.4", "Positions go on")
def arange_of_the_row(conversations, length):
    return changed(conversations, length, positions=torch.arange(length))


@wrong("09.4", "sees those before it")
def only_causal(conversations, length):
    return changed(conversations, length, visible=np.tri(length, dtype=bool))


@wrong("09.4", "An empty place sees nothing")
def blank_rows(conversations, length):
    visible, at = torch.zeros(length, length, dtype=torch.bool), 0
    for ids, _ in conversations:
        n = len(ids)
        visible[at : at + n, at : at + n] = torch.ones(n, n, dtype=torch.bool).tril()
        at += n
    return changed(conversations, length, visible=visible)


@wrong("09.4", "Empty places see each other")
def equal_segments(conversations, length):
    owner = torch.tensor(filled(conversations, length)[2])
    return changed(conversations, length, visible=(owner[:, None] == owner[None]).tril())


@wrong("09.4", "empty places are counted on")
def padding_has_positions(conversations, length):
    positions = [place for ids, _ in conversations for place in range(len(ids))]
    return changed(conversations, length, positions=positions + list(range(length - len(positions))))


@wrong("09.4", "Empty places are targets")
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


@wrong("09.4", "Rows and columns of `visible`")
def mask_turned_round(conversations, length):
    return changed(conversations, length, visible=parts(conversations, length)["visible"].T)


@wrong("09.4", "True where a place may not be seen")
def mask_of_what_is_hidden(conversations, length):
    return changed(conversations, length, visible=~parts(conversations, length)["visible"])


@wrong("09.4", "A token with the id 0 is no target")
def zero_is_no_target(conversations, length):
    targets = [target or -100 for target in parts(conversations, length)["targets"]]
    return changed(conversations, length, targets=targets)


@wrong("09.4", "Positions begin at 1")
def counted_from_one(conversations, length):
    positions = [k for ids, _ in conversations for k in range(1, len(ids) + 1)]
    return changed(conversations, length, positions=positions + [0] * (length - len(positions)))


@wrong("09.4", "What is no target is 0")
def zero_where_nothing_is_learned(conversations, length):
    targets = [max(0, target) for target in parts(conversations, length)["targets"]]
    return changed(conversations, length, targets=targets)


@wrong("09.4", "is empty, and has the target 0")
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


@wrong("09.4", "id 0 is taken for an empty place")
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
