"""Answers to the turns of lesson 09, written from the text of its stubs alone, before the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 09.encode_chat


@wrong("09.encode_chat", "")
class TheWholeTextWithItsMarks:
    def encode_chat(messages, tokenizer):
        text = ""
        for message in messages:
            text += f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
        if messages[-1]["role"] != "assistant":
            text += "<|im_start|>assistant\n"
        return tokenizer.encode(text, allow_special=True)


@wrong("09.encode_chat", "")
class TheWholeTextAsText:
    def encode_chat(messages, tokenizer):
        text = ""
        for message in messages:
            text += f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
        if messages[-1]["role"] != "assistant":
            text += "<|im_start|>assistant\n"
        return tokenizer.encode(text)


@wrong("09.encode_chat", "")
class NoLineBreakAfterAMessage:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens["<|im_start|>"], tokenizer.special_tokens["<|im_end|>"]
        ids = []
        for message in messages:
            ids += [start, *tokenizer.encode(message["role"] + "\n" + message["content"]), end]
        if messages[-1]["role"] != "assistant":
            ids += [start, *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "")
class NoOpening:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens["<|im_start|>"], tokenizer.special_tokens["<|im_end|>"]
        ids = []
        for message in messages:
            ids.append(start)
            ids.extend(tokenizer.encode(f"{message['role']}\n{message['content']}"))
            ids.append(end)
            ids.extend(tokenizer.encode("\n"))
        return ids


@wrong("09.encode_chat", "")
class AlwaysAnOpening:
    def encode_chat(messages, tokenizer):
        start, end = tokenizer.special_tokens["<|im_start|>"], tokenizer.special_tokens["<|im_end|>"]
        ids = []
        for message in messages:
            ids += [start] + tokenizer.encode(f"{message['role']}\n{message['content']}") + [end]
            ids += tokenizer.encode("\n")
        return ids + [start] + tokenizer.encode("assistant\n")


@wrong("09.encode_chat", "")
class NoEndMark:
    def encode_chat(messages, tokenizer):
        start = tokenizer.special_tokens["<|im_start|>"]
        ids = []
        for message in messages:
            ids += [start, *tokenizer.encode(f"{message['role']}\n{message['content']}\n")]
        if messages[-1]["role"] != "assistant":
            ids += [start, *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "")
class OnlyTheContents:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += tokenizer.encode(message["content"])
        return ids


@wrong("09.encode_chat", "")
class NoRole:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        ids = []
        for m in messages:
            ids += [
                marks["<|im_start|>"],
                *tokenizer.encode(m["content"]),
                marks["<|im_end|>"],
                *tokenizer.encode("\n"),
            ]
        if messages[-1]["role"] != "assistant":
            ids += [marks["<|im_start|>"], *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "")
class OneListPerMessage:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        return [
            [marks["<|im_start|>"]]
            + tokenizer.encode(f"{m['role']}\n{m['content']}")
            + [marks["<|im_end|>"]]
            + tokenizer.encode("\n")
            for m in messages
        ]


@wrong("09.encode_chat", "")
class TheText:
    def encode_chat(messages, tokenizer):
        text = ""
        for message in messages:
            text += "<|im_start|>" + message["role"] + "\n" + message["content"] + "<|im_end|>\n"
        return text + "<|im_start|>assistant\n"


@wrong("09.encode_chat", "")
class MarksOfThePage:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += [1, *tokenizer.encode(f"{message['role']}\n{message['content']}"), 2, *tokenizer.encode("\n")]
        if messages[-1]["role"] != "assistant":
            ids += [1, *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "")
class TypedMarksAreDeleted:
    def encode_chat(messages, tokenizer):
        text = ""
        for message in messages:
            content = message["content"]
            for mark in tokenizer.special_tokens:
                content = content.replace(mark, "")
            text += f"<|im_start|>{message['role']}\n{content}<|im_end|>\n"
        if messages[-1]["role"] != "assistant":
            text += "<|im_start|>assistant\n"
        return tokenizer.encode(text, allow_special=True)


@wrong("09.encode_chat", "")
class OneMessageOnly:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        for message in messages:
            ids = [marks["<|im_start|>"], *tokenizer.encode(f"{message['role']}\n{message['content']}")]
            ids += [marks["<|im_end|>"], *tokenizer.encode("\n")]
            if message["role"] != "assistant":
                ids += [marks["<|im_start|>"], *tokenizer.encode("assistant\n")]
            return ids


@wrong("09.encode_chat", "")
class AnOpeningAfterEachMessage:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        ids = []
        for message in messages:
            ids += [marks["<|im_start|>"], *tokenizer.encode(f"{message['role']}\n{message['content']}")]
            ids += [marks["<|im_end|>"], *tokenizer.encode("\n")]
            if message["role"] == "user":
                ids += [marks["<|im_start|>"], *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "")
class NoLineBreakAfterTheRole:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        ids = []
        for message in messages:
            ids += [marks["<|im_start|>"], *tokenizer.encode(message["role"] + message["content"])]
            ids += [marks["<|im_end|>"], *tokenizer.encode("\n")]
        if messages[-1]["role"] != "assistant":
            ids += [marks["<|im_start|>"], *tokenizer.encode("assistant")]
        return ids


@wrong("09.encode_chat", "")
class TheMarkThroughTheTokenizer:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += tokenizer.encode("<|im_start|>")
            ids += tokenizer.encode(f"{message['role']}\n{message['content']}")
            ids += tokenizer.encode("<|im_end|>\n")
        if messages[-1]["role"] != "assistant":
            ids += tokenizer.encode("<|im_start|>assistant\n")
        return ids


@wrong("09.encode_chat", "")
class TheContentWithItsMarks:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        ids = []
        for message in messages:
            text = f"{message['role']}\n{message['content']}"
            ids += [marks["<|im_start|>"], *tokenizer.encode(text, allow_special=True), marks["<|im_end|>"]]
            ids += tokenizer.encode("\n")
        if messages[-1]["role"] != "assistant":
            ids += [marks["<|im_start|>"], *tokenizer.encode("assistant\n")]
        return ids


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


@right("09.encode_chat")
class ATensor:
    def encode_chat(messages, tokenizer):
        marks, parts = tokenizer.special_tokens, []
        for message in messages:
            text = tokenizer.encode("\n".join([message["role"], message["content"]]))
            parts += [[marks["<|im_start|>"]], text, [marks["<|im_end|>"]], tokenizer.encode("\n")]
        if messages[-1]["role"] != "assistant":
            parts += [[marks["<|im_start|>"]], tokenizer.encode("assistant\n")]
        return torch.cat([torch.tensor(part) for part in parts]).tolist()


# --- 09.answer_mask


@wrong("09.answer_mask", "")
class OneTooEarly:
    def answer_mask(ids, opening, end):
        mask, inside = [False] * len(ids), False
        for t in range(len(ids)):
            if ids[t - len(opening) + 1 : t + 1] == opening:
                inside = True
            if ids[t] == end:
                inside = False
            mask[t] = inside
        return mask


@wrong("09.answer_mask", "")
class WithoutTheEnd:
    def answer_mask(ids, opening, end):
        mask = [False] * len(ids)
        n, t = len(opening), 0
        while t < len(ids):
            if ids[t : t + n] == opening:
                t += n
                while t < len(ids) and ids[t] != end:
                    mask[t] = True
                    t += 1
            else:
                t += 1
        return mask


@wrong("09.answer_mask", "")
class OneTooLate:
    def answer_mask(ids, opening, end):
        mask = [False] * len(ids)
        n = len(opening)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                for s in range(t + n + 1, stop + 2):
                    mask[s] = True
        return mask


@wrong("09.answer_mask", "")
class WithTheLineBreak:
    def answer_mask(ids, opening, end):
        mask = [False] * len(ids)
        n = len(opening)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                mask[t + n : stop + 2] = [True] * len(mask[t + n : stop + 2])
        return mask


@wrong("09.answer_mask", "")
class OnlyTheFirst:
    def answer_mask(ids, opening, end):
        n = len(opening)
        mask = [False] * len(ids)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                mask[t + n : stop + 1] = [True] * (stop + 1 - t - n)
                return mask
        return mask


@wrong("09.answer_mask", "")
class OnlyTheLast:
    def answer_mask(ids, opening, end):
        n = len(opening)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                mask = [False] * len(ids)
                stop = ids.index(end, t)
                mask[t + n : stop + 1] = [True] * (stop + 1 - t - n)
        return mask


@wrong("09.answer_mask", "")
class AllFromTheFirstAnswerOn:
    def answer_mask(ids, opening, end):
        n = len(opening)
        begin = next(t for t in range(len(ids)) if ids[t : t + n] == opening) + n
        return [t >= begin for t in range(len(ids))]


@wrong("09.answer_mask", "")
class WithTheOpening:
    def answer_mask(ids, opening, end):
        n = len(opening)
        mask = [False] * len(ids)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                mask[t : stop + 1] = [True] * (stop + 1 - t)
        return mask


@wrong("09.answer_mask", "")
class AnyTurn:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for id in ids:
            mask.append(inside)
            if id == opening[0]:
                inside = True
            if id == end:
                inside = False
        return mask


@wrong("09.answer_mask", "")
class Inverted:
    def answer_mask(ids, opening, end):
        n = len(opening)
        mask = [True] * len(ids)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                mask[t + n : stop + 1] = [False] * (stop + 1 - t - n)
        return mask


@wrong("09.answer_mask", "")
class LabelsAsInTRL:
    def answer_mask(ids, opening, end):
        labels = [-100] * len(ids)
        n = len(opening)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                labels[t + n : stop + 1] = ids[t + n : stop + 1]
        return labels


@wrong("09.answer_mask", "")
class TheAnswersThemselves:
    def answer_mask(ids, opening, end):
        n = len(opening)
        said = []
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                said += ids[t + n : ids.index(end, t) + 1]
        return said


@wrong("09.answer_mask", "")
class TheFirstEndOfAll:
    def answer_mask(ids, opening, end):
        n = len(opening)
        mask = [False] * len(ids)
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end)
                for s in range(t + n, stop + 1):
                    mask[s] = True
        return mask


@wrong("09.answer_mask", "")
class OpeningById:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for id in ids:
            if id in opening:
                inside = True
            mask.append(inside and id not in opening)
            if id == end:
                inside = False
        return mask


@wrong("09.answer_mask", "")
class EveryMarkCounts:
    def answer_mask(ids, opening, end):
        n = len(opening)
        mask = [id == end for id in ids]
        for t in range(len(ids)):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t)
                mask[t + n : stop + 1] = [True] * (stop + 1 - t - n)
        return mask


@wrong("09.answer_mask", "")
class NothingReturned:
    def answer_mask(ids, opening, end):
        mask = [False] * len(ids)
        for t in range(len(ids)):
            if ids[t : t + len(opening)] == opening:
                mask[t + len(opening) : ids.index(end, t) + 1] = [True]


@right("09.answer_mask")
class AFlag:
    def answer_mask(ids, opening, end):
        mask, inside = [], False
        for t in range(len(ids)):
            if not inside and t >= len(opening) and ids[t - len(opening) : t] == opening:
                inside = True
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


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
class IntegersWhileItGoes:
    def answer_mask(ids, opening, end):
        mask, t = [], 0
        while t < len(ids):
            if ids[t : t + len(opening)] == opening:
                stop = ids.index(end, t) + 1
                mask += [0] * len(opening) + [1] * (stop - t - len(opening))
                t = stop
            else:
                mask.append(0)
                t += 1
        return mask


# --- 09.sft_loss


@wrong("09.sft_loss", "")
class MaskWhereTheLogitsStand:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(-1)
        losses = -log_p.gather(1, ids[1:, None])[:, 0]
        return losses[mask[:-1]].mean()


@wrong("09.sft_loss", "")
class NoShift:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[mask], ids[mask])


@wrong("09.sft_loss", "")
class MeanOverAllTokens:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits[:-1], ids[1:], reduction="none")
        return (losses * mask[1:]).mean()


@wrong("09.sft_loss", "")
class NoMask:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1], ids[1:])


@wrong("09.sft_loss", "")
class MaskedIdsAreZero:
    def sft_loss(logits, ids, mask):
        targets = ids * mask
        return F.cross_entropy(logits[:-1], targets[1:])


@wrong("09.sft_loss", "")
class LogitsTimesTheMask:
    def sft_loss(logits, ids, mask):
        logits = logits * mask[:, None]
        return F.cross_entropy(logits[:-1], ids[1:])


@wrong("09.sft_loss", "")
class TheSum:
    def sft_loss(logits, ids, mask):
        log_p = logits.log_softmax(-1)
        total = 0.0
        for t in range(1, len(ids)):
            if mask[t]:
                total = total - log_p[t - 1, ids[t]]
        return total


@wrong("09.sft_loss", "")
class PlusSign:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(-1)
        picked = log_p[torch.arange(len(ids) - 1), ids[1:]]
        return picked[mask[1:]].mean()


@wrong("09.sft_loss", "")
class OverTheTokens:
    def sft_loss(logits, ids, mask):
        log_p = logits[:-1].log_softmax(0)
        picked = log_p[torch.arange(len(ids) - 1), ids[1:]]
        return -picked[mask[1:]].mean()


@wrong("09.sft_loss", "")
class NoLog:
    def sft_loss(logits, ids, mask):
        p = logits[:-1].softmax(-1)
        picked = p[torch.arange(len(ids) - 1), ids[1:]]
        return -picked[mask[1:]].mean()


@wrong("09.sft_loss", "")
class ShiftedBackwards:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits[1:], ids[:-1], reduction="none")
        return losses[mask[:-1]].mean()


@wrong("09.sft_loss", "")
class DividedByT:
    def sft_loss(logits, ids, mask):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[t - 1, ids[t]] for t in range(1, len(ids)) if mask[t]) / len(ids)


@wrong("09.sft_loss", "")
class AFloat:
    def sft_loss(logits, ids, mask):
        log_p = logits.log_softmax(-1)
        found = [-log_p[t - 1, ids[t]].item() for t in range(1, len(ids)) if mask[t]]
        return sum(found) / len(found)


@wrong("09.sft_loss", "")
class OneLossPerToken:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits[:-1], ids[1:], reduction="none")
        return losses[mask[1:]]


@wrong("09.sft_loss", "")
class TheOthers:
    def sft_loss(logits, ids, mask):
        targets = ids.masked_fill(mask, -100)
        return F.cross_entropy(logits[:-1], targets[1:], ignore_index=-100)


@wrong("09.sft_loss", "")
class WithABatch:
    def sft_loss(logits, ids, mask):
        shift_logits, shift_labels = logits[:, :-1], ids[:, 1:]
        return F.cross_entropy(shift_logits.flatten(0, 1), shift_labels.flatten())


@right("09.sft_loss")
class IgnoreIndex:
    def sft_loss(logits, ids, mask):
        labels = ids.masked_fill(~mask, -100)
        return F.cross_entropy(logits[:-1], labels[1:], ignore_index=-100)


@right("09.sft_loss")
class ByHand:
    def sft_loss(logits, ids, mask):
        total, n = 0.0, 0
        for t in range(1, len(ids)):
            if mask[t]:
                row = logits[t - 1]
                total = total + torch.logsumexp(row, 0) - row[ids[t]]
                n += 1
        return total / n


@right("09.sft_loss")
class WeightsOfEachToken:
    def sft_loss(logits, ids, mask):
        weights = mask[1:].float() / mask[1:].sum()
        return F.nll_loss(F.log_softmax(logits[:-1], dim=1), ids[1:], reduction="none") @ weights


# --- 09.lora


@wrong("09.lora", "")
class AlphaOnly:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha * (x @ A.T @ B.T)


@wrong("09.lora", "")
class NoScale:
    def lora(x, W, A, B, alpha):
        return x @ W.T + x @ A.T @ B.T


@wrong("09.lora", "")
class TheCorrectionAlone:
    def lora(x, W, A, B, alpha):
        return alpha / A.shape[0] * (x @ A.T) @ B.T


@wrong("09.lora", "")
class AAndBSwapped:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / len(A) * (x @ B.T @ A.T)


@wrong("09.lora", "")
class NoTranspose:
    def lora(x, W, A, B, alpha):
        return x @ W + alpha / len(A) * (x @ A @ B)


@wrong("09.lora", "")
class RankOfTheOtherAxis:
    def lora(x, W, A, B, alpha):
        r = A.shape[1]
        return x @ W.T + (alpha / r) * (x @ A.T @ B.T)


@wrong("09.lora", "")
class RankOverAlpha:
    def lora(x, W, A, B, alpha):
        r = A.shape[0]
        return x @ W.T + (r / alpha) * (x @ A.T @ B.T)


@wrong("09.lora", "")
class TheFactorOnBoth:
    def lora(x, W, A, B, alpha):
        return (x @ W.T + x @ A.T @ B.T) * (alpha / A.shape[0])


@wrong("09.lora", "")
class RankStabilized:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / math.sqrt(A.shape[0]) * (x @ A.T @ B.T)


@wrong("09.lora", "")
class TheMatrixIsMade:
    def lora(x, W, A, B, alpha):
        return W + alpha / A.shape[0] * B @ A


@wrong("09.lora", "")
class InPlace:
    def lora(x, W, A, B, alpha):
        W += alpha / A.shape[0] * B @ A
        return x @ W.T


@wrong("09.lora", "")
class WithoutLearning:
    def lora(x, W, A, B, alpha):
        with torch.no_grad():
            return x @ W.T + alpha / A.shape[0] * (x @ A.T @ B.T)


@wrong("09.lora", "")
class ProductOfTheParts:
    def lora(x, W, A, B, alpha):
        return x @ W.T * (alpha / A.shape[0] * (x @ A.T @ B.T))


@wrong("09.lora", "")
class Minus:
    def lora(x, W, A, B, alpha):
        return x @ W.T - alpha / A.shape[0] * (x @ A.T @ B.T)


@wrong("09.lora", "")
class AlphaIsAnInteger:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha // A.shape[0] * (x @ A.T @ B.T)


@wrong("09.lora", "")
class TheCorrectionOfW:
    def lora(x, W, A, B, alpha):
        h = x @ W.T
        return h + alpha / A.shape[0] * (h @ A.T @ B.T)


@right("09.lora")
class TheMergedMatrix:
    def lora(x, W, A, B, alpha):
        return F.linear(x, W + (alpha / B.shape[1]) * (B @ A))


@right("09.lora")
class Einsum:
    def lora(x, W, A, B, alpha):
        low = torch.einsum("ti,ri->tr", x, A)
        return torch.einsum("ti,oi->to", x, W) + torch.einsum("tr,or->to", low, B).mul(alpha).div(len(A))


@right("09.lora")
class ScaledB:
    def lora(x, W, A, B, alpha):
        scaled = B * alpha / A.size(0)
        return (W @ x.T + scaled @ (A @ x.T)).T
