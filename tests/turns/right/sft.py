"""Unusual right answers to the turns of lesson 09, as learners write them."""

import itertools

import torch
import torch.nn.functional as F
from turn_answers import right


@right("09.encode_chat")
class TheTextIsSplitAtTheMarks:
    def encode_chat(messages, tokenizer):
        parts = []
        for message in messages:
            parts += ["<|im_start|>", (f"{message['role']}\n{message['content']}",), "<|im_end|>", ("\n",)]
        if messages[-1]["role"] != "assistant":
            parts += ["<|im_start|>", ("assistant\n",)]
        chain = [[tokenizer.special_tokens[p]] if isinstance(p, str) else tokenizer.encode(*p) for p in parts]
        return list(itertools.chain.from_iterable(chain))


@right("09.encode_chat")
class ByRecursion:
    def encode_chat(messages, tokenizer):
        def turn(role, content):
            marks = tokenizer.special_tokens
            said = tokenizer.encode(role + chr(10) + content)
            return [marks["<|im_start|>"], *said, marks["<|im_end|>"], *tokenizer.encode("\n")]

        ids = sum((turn(m["role"], m["content"]) for m in messages), [])
        if messages[-1]["role"] == "assistant":
            return ids
        return ids + turn("assistant", "")[: -1 - len(tokenizer.encode("\n"))]


@right("09.answer_mask")
class AsATensor:
    def answer_mask(ids, opening, end):
        mask = torch.zeros(len(ids), dtype=torch.bool)
        n, t = len(opening), 0
        while t + n <= len(ids):
            if ids[t : t + n] == opening:
                stop = ids.index(end, t + n) + 1
                mask[t + n : stop] = True
                t = stop
            else:
                t += 1
        return mask


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


@right("09.sft_loss")
class OnlyTheRowsThatCount:
    def sft_loss(logits, ids, mask):
        places = mask.nonzero()[:, 0]
        return F.cross_entropy(logits[places - 1], ids[places])


@right("09.sft_loss")
class Rolled:
    def sft_loss(logits, ids, mask):
        log_p = torch.log_softmax(logits, dim=1)
        each = torch.take_along_dim(log_p, ids.roll(-1)[:, None], 1).squeeze(1)
        keep = mask.roll(-1)
        return -(each * keep).sum() / keep.sum()


@right("09.lora")
class TwoLinears:
    def lora(x, W, A, B, alpha):
        return F.linear(x, W).add(F.linear(F.linear(x, A), B), alpha=alpha / A.shape[0])


@right("09.lora")
class PackageLayer:
    def lora(x, W, A, B, alpha):
        frozen = W.detach()
        out = [frozen @ row + B @ (A @ row) * alpha / len(A) for row in x]
        return torch.stack(out)


@right("09.lora")
class OneProduct:
    def lora(x, W, A, B, alpha):
        r = B.shape[-1]
        both = torch.cat([x, alpha / r * (x @ A.mT)], dim=-1)
        return both @ torch.cat([W, B], dim=-1).mT
