"""Answers to the turns of lesson 09, written from its text alone by a reader."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

from minillm.course.turns.sft import answer_mask as course_mask
from minillm.course.turns.sft import encode_chat as course_ids

START, END = "<|im_start|>", "<|im_end|>"

# --- 09.encode_chat


@wrong("09.encode_chat", "A mark that the user typed is a real mark now: the user can open a turn as the system.")
class JinjaThenEncode:
    def encode_chat(messages, tokenizer):
        text = ""
        for message in messages:
            text += "<|im_start|>" + message["role"] + "\n" + message["content"] + "<|im_end|>\n"
        if messages[-1]["role"] != "assistant":
            text += "<|im_start|>assistant\n"
        return tokenizer.encode(text, allow_special=True)


@wrong("09.encode_chat", "There is no mark in the result.")
class RenderedAsPlainText:
    def encode_chat(messages, tokenizer):
        text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        if messages[-1]["role"] != "assistant":
            text += "<|im_start|>assistant\n"
        return tokenizer.encode(text)


@wrong("09.encode_chat", "There is no line break after `<|im_end|>`.")
class NoLineBreakAfterTheEnd:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end]
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "The last message has no line break after its `<|im_end|>`.")
class LineBreakOnlyBetween:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for i, m in enumerate(messages):
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end]
            if i < len(messages) - 1:
                ids += tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += tokenizer.encode("\n") + [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "The answer is opened only after a user's message.")
class OpensForTheUserOnly:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] == "user":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "An answer is opened after each of the user's messages, so twice where the answer is there.")
class OpensAfterEachUser:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
            if m["role"] != "assistant":
                ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "An answer is opened even if the last message is the assistant's.")
class OpensAlways:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
        return ids + [start] + tokenizer.encode("assistant\n")


@wrong("09.encode_chat", "The role and the content are encoded apart.")
class ThreePieces:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        newline = tokenizer.encode("\n")
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"]) + newline + tokenizer.encode(m["content"]) + [end] + newline
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant") + newline
        return ids


@wrong("09.encode_chat", "The role and the content are encoded apart.")
class RoleAndLineBreakFirst:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n")
            ids += tokenizer.encode(m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "The contents are stripped.")
class StripsTheContent:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"].strip()) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "A typed mark is deleted.")
class RemovesMarks:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            content = m["content"].replace(START, "").replace(END, "")
            ids += [start] + tokenizer.encode(m["role"] + "\n" + content) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "A mark that the user typed is a real mark now: the user can open a turn as the system.")
class ContentMayHoldMarks:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"], allow_special=True) + [end]
            ids += tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "The line break stands before `<|im_end|>`.")
class LineBreakBeforeTheEnd:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"] + "\n") + [end]
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "The role is missing.")
class NoRole:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "Token 2 is ' ', and should be '\\n'.")
class SpaceForALineBreak:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + " " + m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant ")
        return ids


@wrong("09.encode_chat", "The opening of the answer lacks its line break.")
class OpeningWithoutLineBreak:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant")
        return ids


@wrong("09.encode_chat", "Token 0 is '<|im_end|>', and should be '<|im_start|>'.")
class MarksSwapped:
    def encode_chat(messages, tokenizer):
        end, start = (tokenizer.special_tokens[mark] for mark in (START, END))
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "Token 1 is 's', and should be 'user'.")
class DefaultSystemPrompt:
    def encode_chat(messages, tokenizer):
        if messages[0]["role"] != "system":
            messages = [{"role": "system", "content": "You are a helpful assistant."}, *messages]
        return course_ids(messages, tokenizer)


@wrong("09.encode_chat", "`encode_chat` raised KeyError: '<|endoftext|>'.")
class TheEndOfTextToo:
    def encode_chat(messages, tokenizer):
        return course_ids(messages, tokenizer) + [tokenizer.special_tokens["<|endoftext|>"]]


@wrong("09.encode_chat", "There are lists inside the list.")
class AppendsLists:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids.append(start)
            ids.append(tokenizer.encode(m["role"] + "\n" + m["content"]))
            ids.append(end)
            ids.append(tokenizer.encode("\n"))
        return ids


@wrong("09.encode_chat", "That's text, and a list of ids is asked for.")
class ReturnsTheText:
    def encode_chat(messages, tokenizer):
        text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        return text if messages[-1]["role"] == "assistant" else text + "<|im_start|>assistant\n"


@wrong("09.encode_chat", "Only the first message is there.")
class ReturnInsideTheLoop:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
            if messages[-1]["role"] != "assistant":
                ids += [start] + tokenizer.encode("assistant\n")
            return ids


@wrong(
    "09.encode_chat", "`encode_chat` raised AttributeError: 'Tokenizer' object has no attribute 'apply_chat_template'."
)
class HuggingFace:
    def encode_chat(messages, tokenizer):
        return tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)


@wrong("09.encode_chat", "There is text in the list.")
class MarksAsText:
    def encode_chat(messages, tokenizer):
        ids = []
        for m in messages:
            ids += ["<|im_start|>"] + tokenizer.encode(m["role"] + "\n" + m["content"]) + ["<|im_end|>"]
            ids += tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += ["<|im_start|>"] + tokenizer.encode("assistant\n")
        return ids


@wrong("09.encode_chat", "The answer is opened with the role of the last message.")
class RoleIsNotReadInTheOpening:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]
        ids = []
        for m in messages:
            ids += [start] + tokenizer.encode(m["role"] + "\n" + m["content"]) + [end] + tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [start] + tokenizer.encode(messages[-1]["role"] + "\n")
        return ids


@right("09.encode_chat")
class MarksByAllowSpecial:
    def encode_chat(messages, tokenizer):
        mark = {m: tokenizer.encode(m, allow_special=True) for m in (START, END)}
        ids = []
        for m in messages:
            ids.extend(mark[START])
            ids.extend(tokenizer.encode("\n".join([m["role"], m["content"]])))
            ids.extend(mark[END] + tokenizer.encode("\n"))
        if m["role"] != "assistant":
            ids.extend(mark[START] + tokenizer.encode("assistant\n"))
        return ids


@right("09.encode_chat")
class OneSum:
    def encode_chat(messages, tokenizer):
        special = tokenizer.special_tokens

        def spoken(role, content):
            return [special[START], *tokenizer.encode(f"{role}\n{content}")]

        closed = [[*spoken(m["role"], m["content"]), special[END], *tokenizer.encode("\n")] for m in messages]
        due = [] if messages[-1]["role"] == "assistant" else spoken("assistant", "")
        return sum(closed, []) + due


@right("09.encode_chat")
class Recursion:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens[START], tokenizer.special_tokens[END]

        def rest(i):
            if i == len(messages):
                return [] if messages[-1]["role"] == "assistant" else [start] + tokenizer.encode("assistant\n")
            said = tokenizer.encode(messages[i]["role"] + "\n" + messages[i]["content"])
            return [start] + said + [end] + tokenizer.encode("\n") + rest(i + 1)

        return rest(0)


# --- 09.answer_mask


@wrong("09.answer_mask", "The opening counts, too.")
class OpeningCounts:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for t in range(len(ids)):
            if ids[t : t + len(opening)] == opening:
                inside = True
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "The mark that ends the answer doesn't count.")
class EndDoesNotCount:
    def answer_mask(ids, opening, end):
        mask, inside, n = [], False, len(opening)
        for t in range(len(ids)):
            if t >= n and ids[t - n : t] == opening:
                inside = True
            if ids[t] == end:
                inside = False
            mask.append(inside)
        return mask


@wrong("09.answer_mask", "The line break after the end counts, too.")
class LineBreakAfterTheEndCounts:
    def answer_mask(ids, opening, end):
        mask = course_mask(ids, opening, end)
        return [now or (t > 0 and mask[t - 1]) for t, now in enumerate(mask)]


@wrong("09.answer_mask", "Only the first answer counts.")
class FirstAnswerOnly:
    def answer_mask(ids, opening, end):
        mask, n = [False] * len(ids), len(opening)
        for t in range(len(ids) - n + 1):
            if ids[t : t + n] == opening:
                t += n
                while t < len(ids):
                    mask[t] = True
                    if ids[t] == end:
                        return mask
                    t += 1
        return mask


@wrong("09.answer_mask", "Only the last answer counts.")
class LastAnswerOnly:
    def answer_mask(ids, opening, end):
        mask, n = [False] * len(ids), len(opening)
        starts = [t + n for t in range(len(ids) - n + 1) if ids[t : t + n] == opening]
        if starts:
            for t in range(starts[-1], len(ids)):
                mask[t] = True
                if ids[t] == end:
                    break
        return mask


@wrong("09.answer_mask", "All that follows the first answer's beginning counts.")
class AllAfterTheFirstOpening:
    def answer_mask(ids, opening, end):
        n, inside, mask = len(opening), False, []
        for t in range(len(ids)):
            if t >= n and ids[t - n : t] == opening:
                inside = True
            mask.append(inside)
        return mask


@wrong("09.answer_mask", "From the first answer to the last `end`, all counts, the user's turns as well.")
class UpToTheLastEnd:
    def answer_mask(ids, opening, end):
        n, mask = len(opening), [False] * len(ids)
        for t in range(n, len(ids)):
            if ids[t - n : t] == opening:
                last = len(ids) - 1 - ids[::-1].index(end) if end in ids else len(ids) - 1
                for i in range(t, last + 1):
                    mask[i] = True
                return mask
        return mask


@wrong("09.answer_mask", "Whatever follows a mark counts, the user's tokens as well.")
class EveryRole:
    def answer_mask(ids, opening, end):
        mask, inside, n = [], False, len(opening)
        for t in range(len(ids)):
            if t >= n and ids[t - n] == opening[0]:
                inside = True
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "The last token of the opening counts, too.")
class TheWordAssistant:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for t in range(len(ids)):
            if t >= 2 and ids[t - 2] == opening[1]:
                inside = True
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "The mask is one token too early: at the logits, not at the tokens that they predict.")
class OneEarly:
    def answer_mask(ids, opening, end):
        mask = course_mask(ids, opening, end)
        return mask[1:] + [False]


@wrong(
    "09.answer_mask",
    "The mask is one token too late: the first token of the answer is out, and the line break after it is in.",
)
class OneLate:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        n = len(opening)
        for t in range(len(ids)):
            mask.append(inside)
            if t >= n and ids[t - n : t] == opening:
                inside = True
            elif t > 0 and ids[t - 1] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "It's the other way round: True where nobody should learn.")
class TurnedRound:
    def answer_mask(ids, opening, end):
        return [not each for each in course_mask(ids, opening, end)]


@wrong("09.answer_mask", "These are labels, with -100 where nothing counts.")
class LabelsAsInTrl:
    def answer_mask(ids, opening, end):
        labels = [-100] * len(ids)
        n = len(opening)
        for t in range(n, len(ids)):
            if ids[t - n : t] == opening:
                while t < len(ids):
                    labels[t] = ids[t]
                    if ids[t] == end:
                        break
                    t += 1
        return labels


@wrong("09.answer_mask", "Every `end` counts, the user's as well.")
class EveryEndCounts:
    def answer_mask(ids, opening, end):
        return [said or id == end for said, id in zip(course_mask(ids, opening, end), ids, strict=True)]


@right("09.answer_mask")
class EndByIndex:
    def answer_mask(ids, opening, end):
        mask, n, t = [False] * len(ids), len(opening), 0
        while t < len(ids):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                mask[t + n : stop + 1] = [True] * (stop + 1 - t - n)
                t = stop
            t += 1
        return mask


@wrong("09.answer_mask", "No token is True.")
class FirstEndOfAll:
    def answer_mask(ids, opening, end):
        mask, n = [False] * len(ids), len(opening)
        for t in range(len(ids) - n + 1):
            if ids[t : t + n] == opening:
                stop = ids.index(end)
                for i in range(t + n, stop + 1):
                    mask[i] = True
        return mask


@wrong("09.answer_mask", "There are 3 items for 14 tokens.")
class OnlyTheTokens:
    def answer_mask(ids, opening, end):
        return [id for id, said in zip(ids, course_mask(ids, opening, end), strict=True) if said]


@wrong("09.answer_mask", "There are 3 items for 14 tokens.")
class Positions:
    def answer_mask(ids, opening, end):
        return [t for t, said in enumerate(course_mask(ids, opening, end)) if said]


@wrong("09.answer_mask", "Any token of the opening begins an answer.")
class AnyOfTheOpening:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for id in ids:
            if id in opening:
                inside = True
                mask.append(False)
                continue
            mask.append(inside)
            if id == end:
                inside = False
        return mask


@wrong("09.answer_mask", "There are 10 items for 14 tokens.")
class AppendsOnlyInside:
    def answer_mask(ids, opening, end):
        mask, n, inside = [], len(opening), False
        for t in range(n, len(ids)):
            inside = inside or ids[t - n : t] == opening
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "The line break after the end counts, too.")
class NeverCloses:
    def answer_mask(ids, opening, end):
        mask, n, inside = [], len(opening), False
        for t in range(len(ids)):
            if ids[max(0, t - n) : t] == opening:
                inside = True
            elif ids[t] == opening[0]:
                inside = False
            mask.append(inside)
        return mask


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


@wrong("09.answer_mask", "`answer_mask` raised ValueError: [1, 6, 7, 9] is not in list.")
class IndexOfTheOpening:
    def answer_mask(ids, opening, end):
        start = ids.index(opening) + len(opening)
        stop = ids.index(end, start)
        return [start <= t <= stop for t in range(len(ids))]


@right("09.answer_mask")
class ATensor:
    def answer_mask(ids, opening, end):
        mask = torch.zeros(len(ids), dtype=torch.bool)
        inside = False
        for t in range(len(ids)):
            if t >= len(opening) and list(ids[t - len(opening) : t]) == list(opening):
                inside = True
            mask[t] = inside
            inside = inside and ids[t] != end
        return mask


@right("09.answer_mask")
class OnesAndZeros:
    def answer_mask(ids, opening, end):
        mask, n, t = [0] * len(ids), len(opening), 0
        while t < len(ids):
            if ids[t : t + n] == opening:
                t += n
                while t < len(ids):
                    mask[t] = 1
                    if ids[t] == end:
                        break
                    t += 1
            t += 1
        return mask


@wrong("09.answer_mask", "The result is right, but `answer_mask` goes through all of `ids` again for each token.")
class BackToTheLastMark:
    def answer_mask(ids, opening, end):
        def said(t):
            for s in range(t, len(opening) - 1, -1):
                if s < t and ids[s] == end:
                    return False
                if ids[s - len(opening) : s] == opening:
                    return True
            return False

        return [said(t) for t in range(len(ids))]


# --- 09.sft_loss


@wrong("09.sft_loss", "The logits are compared with the token that they stand at.")
class NoShift:
    def sft_loss(logits, ids, mask):
        log_p = logits.log_softmax(dim=-1)
        losses = -log_p[torch.arange(len(ids)), ids]
        return losses[mask].mean()


@wrong("09.sft_loss", "The mask is off by one: it's taken where the logits stand, not at the token that they predict.")
class MaskOfTheRow:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(dim=-1)
        losses = -log_p[torch.arange(len(ids) - 1), ids[1:]]
        return losses[mask[:-1]].mean()


@wrong("09.sft_loss", "The shift goes the wrong way: each row is compared with the token before it.")
class ShiftBackward:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[1:][mask[:-1]], ids[:-1][mask[:-1]])


@wrong("09.sft_loss", "The mask isn't used: every token counts.")
class NoMask:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1], ids[1:])


@wrong("09.sft_loss", "The losses are added up.")
class Summed:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]], reduction="sum")


@wrong("09.sft_loss", "All tokens are in the mean, those that don't count with a loss of 0.")
class MeanOverAllTokens:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits[:-1], ids[1:], reduction="none")
        return (losses * mask[1:]).mean()


@wrong("09.sft_loss", "The sum is divided by T.")
class DividedByT:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits[:-1], ids[1:], reduction="none")
        return (losses * mask[1:]).sum() / len(ids)


@wrong("09.sft_loss", "The sign is wrong: this is the mean log-probability.")
class SignForgotten:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(dim=-1)
        return log_p[torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean()


@wrong("09.sft_loss", "The probability is taken, not its log.")
class NoLogarithm:
    def sft_loss(logits, ids, mask):
        p = logits[:-1].softmax(dim=-1)
        return -p[torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean()


@wrong("09.sft_loss", "The logits themselves are averaged, without a softmax.")
class RawLogits:
    def sft_loss(logits, ids, mask):
        return -logits[torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean()


@wrong("09.sft_loss", "The log is taken of the mean probability.")
class LogOfTheMean:
    def sft_loss(logits, ids, mask):
        p = logits[:-1].softmax(dim=-1)
        return -p[torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean().log()


@wrong("09.sft_loss", "Softmax runs over the tokens of the text, not over the vocabulary.")
class OverTheTokens:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(dim=0)
        return -log_p[torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean()


@wrong("09.sft_loss", "The loss is in bits.")
class InBits:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]]) / math.log(2)


@wrong("09.sft_loss", "The result is e to the power of the right one.")
class Perplexity:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]]).exp()


@wrong("09.sft_loss", "These are 4 numbers, one per token that counts?")
class OneLossPerToken:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1], ids[1:], reduction="none")[mask[1:]]


@wrong("09.sft_loss", "The tokens that don't count have become token 0, which the model now learns.")
class MaskedLabelsAreZero:
    def sft_loss(logits, ids, mask):
        labels = torch.where(mask, ids, 0)
        return F.cross_entropy(logits[:-1], labels[1:])


@wrong("09.sft_loss", "The tokens that should count are left out, and the others learned.")
class MaskTurnedRound:
    def sft_loss(logits, ids, mask):
        labels = ids.masked_fill(mask, -100)
        return F.cross_entropy(logits[:-1], labels[1:])


@wrong("09.sft_loss", "Logits are multiplied by the mask: all-zero logits still have a loss, ln V.")
class MasksTheLogits:
    def sft_loss(logits, ids, mask):
        logits = logits * mask[:, None]
        return F.cross_entropy(logits[:-1], ids[1:])


@wrong("09.sft_loss", "`sft_loss` raised IndexError: too many indices for tensor of dimension 2.")
class WithABatch:
    def sft_loss(logits, ids, mask):
        shifted = logits[:, :-1, :].contiguous()
        labels = ids[:, 1:].contiguous()
        return F.cross_entropy(shifted.view(-1, shifted.size(-1)), labels.view(-1))


@wrong("09.sft_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class AnItem:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]]).item()


@wrong("09.sft_loss", "The result is right, but no model could learn through it: `logits` gets no gradient.")
class InNumpy:
    def sft_loss(logits, ids, mask):
        z, ids, mask = logits.detach().numpy()[:-1], ids.numpy()[1:], mask.numpy()[1:]
        log_p = z - z.max(-1, keepdims=True)
        log_p = log_p - np.log(np.exp(log_p).sum(-1, keepdims=True))
        return -log_p[np.arange(len(ids)), ids][mask].mean()


@wrong("09.sft_loss", "Each row is compared with all targets, not with its own.")
class AllPairs:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(dim=-1)
        return -log_p[:, ids[1:]][mask[1:]].mean()


@wrong("09.sft_loss", "The mask is a list of positions here: False takes token 0, True takes token 1.")
class MaskAsIndex:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(dim=-1)
        losses = -log_p[torch.arange(len(ids) - 1), ids[1:]]
        return losses[mask[1:].long()].mean()


@wrong("09.sft_loss", "The result is NaN.")
class SelectsThenShifts:
    def sft_loss(logits, ids, mask):
        chosen, targets = logits[mask], ids[mask]
        return F.cross_entropy(chosen[:-1], targets[1:])


@right("09.sft_loss")
class IgnoreIndex:
    def sft_loss(logits, ids, mask):
        labels = ids.masked_fill(~mask, -100)
        return F.cross_entropy(logits[:-1], labels[1:], ignore_index=-100)


@right("09.sft_loss")
class LogSumExp:
    def sft_loss(logits, ids, mask):
        rows = mask.nonzero().squeeze(1)
        z = logits[rows - 1]
        return (z.logsumexp(-1) - z.gather(1, ids[rows][:, None]).squeeze(1)).mean()


@right("09.sft_loss")
class LoopOverTokens:
    def sft_loss(logits, ids, mask):
        total, n = 0.0, 0
        for t in range(1, len(ids)):
            if mask[t]:
                total = total - torch.log_softmax(logits[t - 1], 0)[ids[t]]
                n += 1
        return total / n


# --- 09.lora


@wrong("09.lora", "The correction isn't scaled.")
class NoScale:
    def lora(x, W, A, B, alpha):
        return x @ W.T + x @ A.T @ B.T


@wrong("09.lora", "The correction is multiplied by alpha, not by alpha / r.")
class AlphaOnly:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha * (x @ A.T @ B.T)


@wrong("09.lora", "The correction is scaled by alpha / sqrt(r), as in rank-stabilized LoRA.")
class RsLora:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / math.sqrt(A.shape[0]) * (x @ A.T @ B.T)


@wrong("09.lora", "The correction is scaled by r / alpha.")
class ROverAlpha:
    def lora(x, W, A, B, alpha):
        r = A.shape[0]
        return x @ W.T + r / alpha * (x @ A.T @ B.T)


@wrong("09.lora", "The correction is divided by the number of columns of A.")
class RIsTheWidthOfA:
    def lora(x, W, A, B, alpha):
        r = A.shape[-1]
        return x @ W.T + alpha / r * (x @ A.T @ B.T)


@wrong("09.lora", "The correction is divided by the number of rows of B.")
class RIsTheHeightOfB:
    def lora(x, W, A, B, alpha):
        r = len(B)
        return x @ W.T + alpha / r * (x @ A.T @ B.T)


@wrong("09.lora", "r is always 4, as on the page.")
class FourHardCoded:
    def lora(x, W, A, B, alpha):
        r = 4
        return x @ W.T + alpha / r * (x @ A.T @ B.T)


@wrong("09.lora", "The correction is always doubled, as on the page.")
class TwoHardCoded:
    def lora(x, W, A, B, alpha):
        return x @ W.T + 2.0 * (x @ A.T @ B.T)


@wrong("09.lora", "`//` drops what is left over of alpha / r.")
class WholeDivision:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha // len(A) * (x @ A.T @ B.T)


@wrong("09.lora", "Only the correction is returned.")
class CorrectionOnly:
    def lora(x, W, A, B, alpha):
        return alpha / len(A) * (x @ A.T @ B.T)


@wrong("09.lora", "The result of W is scaled, too.")
class ScalesBoth:
    def lora(x, W, A, B, alpha):
        return alpha / len(A) * (x @ W.T + x @ A.T @ B.T)


@wrong("09.lora", "The correction is subtracted.")
class Subtracts:
    def lora(x, W, A, B, alpha):
        return x @ W.T - alpha / len(A) * (x @ A.T @ B.T)


@wrong("09.lora", "`lora` raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x2 and 1x2).")
class AsWritten:
    def lora(x, W, A, B, alpha):
        return W @ x + alpha / len(A) * B @ A @ x


@wrong("09.lora", "The matrices aren't transposed.")
class NoTransposes:
    def lora(x, W, A, B, alpha):
        return x @ W + alpha / len(A) * (x @ A @ B)


@wrong("09.lora", "The result is (C_out, T).")
class Columns:
    def lora(x, W, A, B, alpha):
        return W @ x.T + alpha / len(A) * (B @ (A @ x.T))


@wrong("09.lora", "A and B have changed places.")
class BFirst:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (x @ B.T @ A.T)


@wrong("09.lora", "A and B have changed places.")
class AAB:
    def lora(x, W, A, B, alpha):
        return x @ (W + alpha / len(A) * A @ B).T


@wrong("09.lora", "")
class TheMergedMatrix:
    def lora(x, W, A, B, alpha):
        return W + alpha / len(A) * (B @ A)


@wrong("09.lora", "There is an activation between A and B, as in an adapter.")
class AnAdapter:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (torch.relu(x @ A.T) @ B.T)


@wrong("09.lora", "")
class DropoutAsInPeft:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (F.dropout(x, 0.05) @ A.T @ B.T)


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


@wrong("09.lora", "The correction reads what W has made, not x.")
class CorrectionOfTheResult:
    def lora(x, W, A, B, alpha):
        y = x @ W.T
        return y + alpha / len(A) * (y @ A.T @ B.T)


@wrong("09.lora", "")
class ANewLayer:
    def lora(x, W, A, B, alpha):
        down = nn.Linear(A.shape[1], len(A), bias=False)
        up = nn.Linear(len(A), len(B), bias=False)
        return x @ W.T + alpha / len(A) * up(down(x))


@wrong("09.lora", "")
class XForgotten:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (B @ A).sum(dim=1)


@wrong("09.lora", "The correction is divided by r twice.")
class DividesTwice:
    def lora(x, W, A, B, alpha):
        r = len(A)
        return x @ W.T + alpha / r * (x @ A.T / r @ B.T)


@right("09.lora")
class Merged:
    def lora(x, W, A, B, alpha):
        return x @ (W + alpha / B.shape[1] * (B @ A)).T


@right("09.lora")
class Functional:
    def lora(x, W, A, B, alpha):
        return F.linear(x, W) + F.linear(F.linear(x, A), B) * (alpha / A.size(0))


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
