"""Strangers' wrong answers to the turns of lesson 09: errors, other forms, and mistakes that only a probe tells."""

import torch
import torch.nn.functional as F
from turn_answers import wrong

# --- 09.encode_chat


@wrong("09.encode_chat", "raised TypeError")
class MessagesAreText:
    def encode_chat(messages, tokenizer):
        ids = []
        for role in messages:
            for content in role:
                ids += tokenizer.encode(content["content"])
        return ids


@wrong("09.encode_chat", "raised NameError")
class MarksFromThePage:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += [START, *tokenizer.encode(f"{message['role']}\n{message['content']}"), END]  # noqa: F821
        return ids


@wrong("09.encode_chat", "raised KeyError")
class AMarkWithoutBars:
    def encode_chat(messages, tokenizer):
        start = tokenizer.special_tokens["<im_start>"]
        return [start, *tokenizer.encode(messages[0]["content"])]


@wrong("09.encode_chat", "raised TypeError")
class AMarkIsNoList:
    def encode_chat(messages, tokenizer):
        ids = []
        for message in messages:
            ids += tokenizer.special_tokens["<|im_start|>"] + tokenizer.encode(message["content"])
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


@wrong("09.encode_chat", "unexpected keyword")
class AddSpecialTokens:
    def encode_chat(messages, tokenizer):
        text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        return tokenizer.encode(text + "<|im_start|>assistant\n", add_special_tokens=False)


@wrong("09.encode_chat", "The role and the content are encoded apart.")
class TwoPieces:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        ids = []
        for m in messages:
            ids.append(marks["<|im_start|>"])
            ids += tokenizer.encode(m["role"] + "\n")
            ids += tokenizer.encode(m["content"])
            ids.append(marks["<|im_end|>"])
            ids += tokenizer.encode("\n")
        if messages[-1]["role"] == "user":
            ids += [marks["<|im_start|>"], *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "The contents are stripped.")
class Stripped:
    def encode_chat(messages, tokenizer):
        marks = tokenizer.special_tokens
        ids = []
        for m in messages:
            ids += [marks["<|im_start|>"], *tokenizer.encode(f"{m['role']}\n{m['content'].strip()}")]
            ids += [marks["<|im_end|>"], *tokenizer.encode("\n")]
        if messages[-1]["role"] != "assistant":
            ids += [marks["<|im_start|>"], *tokenizer.encode("assistant\n")]
        return ids


@wrong("09.encode_chat", "That's a tensor")
class ATensorOfIds:
    def encode_chat(messages, tokenizer):
        return torch.tensor(tokenizer.encode(messages[0]["content"]))


# --- 09.answer_mask


@wrong("09.answer_mask", "opens the conversation is missed")
class NeverAtTheBeginning:
    def answer_mask(ids, opening, end):
        mask, n, inside = [], len(opening), False
        for t in range(len(ids)):
            inside = inside or (t > n and ids[t - n : t] == opening)
            mask.append(inside)
            if ids[t] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "raised IndexError")
class LooksBeyondTheEnd:
    def answer_mask(ids, opening, end):
        mask = [False] * len(ids)
        for t in range(len(ids)):
            if ids[t] == opening[-1] and ids[t - 1] == opening[-2]:
                mask[t + 1] = True
            mask[t + 1] = mask[t] and ids[t] != end
        return mask


@wrong("09.answer_mask", "raised ValueError")
class IndexOfAList:
    def answer_mask(ids, opening, end):
        start = ids.index(opening)
        return [start <= t for t in range(len(ids))]


@wrong("09.answer_mask", "raised NameError")
class MarksOfThePage:
    def answer_mask(ids, opening, end):
        return [id not in (START, END) for id in ids]  # noqa: F821


@wrong("09.answer_mask", "changed the input")
class LabelsInPlace:
    def answer_mask(ids, opening, end):
        for t in range(len(ids)):
            ids[t] = -100
        return ids


@wrong("09.answer_mask", "raised AttributeError")
class ATensorMethod:
    def answer_mask(ids, opening, end):
        return (ids.eq(end)).tolist()


@wrong("09.answer_mask", "goes through all of `ids` again")
class AllEndsForEachToken:
    def answer_mask(ids, opening, end):
        n, mask = len(opening), []
        for t in range(len(ids)):
            starts = [s for s in range(n, t + 1) if ids[s - n : s] == opening]
            mask.append(bool(starts) and end not in ids[starts[-1] : t])
        return mask


@wrong("09.answer_mask", "The first token of the answer doesn't count.")
class AfterTheFirst:
    def answer_mask(ids, opening, end):
        n, mask, inside = len(opening), [], False
        for t in range(len(ids)):
            mask.append(inside)
            if ids[t - n : t] == opening and t >= n:
                inside = True
            if ids[t] == end:
                inside = False
        return mask


@wrong("09.answer_mask", "Every token counts.")
class AllTrue:
    def answer_mask(ids, opening, end):
        return [True for _ in ids]


# --- 09.sft_loss


@wrong("09.sft_loss", "raised NameError")
class NoImport:
    sft_loss = eval("lambda logits, ids, mask: F.cross_entropy(logits[:-1][mask[1:]], ids[1:][mask[1:]])", {})
    sft_loss.__name__ = "sft_loss"


@wrong("09.sft_loss", "raised")
class NothingShiftedButTheIds:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits, ids[1:], reduction="none")
        return losses[mask].mean()


@wrong("09.sft_loss", "raised NameError")
class LabelsOfThePage:
    def sft_loss(logits, ids, mask):
        return F.cross_entropy(logits[:-1], labels[1:], ignore_index=-100)  # noqa: F821


@wrong("09.sft_loss", "raised")
class MeanOfIds:
    def sft_loss(logits, ids, mask):
        return ids[mask].mean()


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


@wrong("09.sft_loss", "number by number")
class EveryNumber:
    def sft_loss(logits, ids, mask):
        total, n = 0.0, 0
        for t in range(1, len(ids)):
            if mask[t]:
                highest = logits[t - 1].max()
                powers = sum((each - highest).exp() for each in logits[t - 1])
                total = total + powers.log() + highest - logits[t - 1, ids[t]]
                n += 1
        return total / n


@wrong("09.sft_loss", "The last token is never learned.")
class UpToTheLast:
    def sft_loss(logits, ids, mask):
        losses = F.cross_entropy(logits[:-2], ids[1:-1], reduction="none")
        return losses[mask[1:-1]].mean()


@wrong("09.sft_loss", "The result is infinite in places")
class LogOfSoftmax:
    def sft_loss(logits, ids, mask):
        p = logits[:-1].softmax(-1).gather(1, ids[1:, None])[:, 0]
        return -p.log()[mask[1:]].mean()


# --- 09.lora


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


@wrong("09.lora", "number by number")
class TripleLoop:
    def lora(x, W, A, B, alpha):
        matrix = W + alpha / len(A) * B @ A
        return torch.stack(
            [torch.stack([sum(a * b for a, b in zip(row, w, strict=True)) for w in matrix]) for row in x]
        )


@wrong("09.lora", "The correction is divided by the number of rows of B.")
class RowsOfB:
    def lora(x, W, A, B, alpha):
        return x @ W.T + alpha / B.shape[0] * (x @ A.T @ B.T)


@wrong("09.lora", "W isn't transposed.")
class WAsItIs:
    def lora(x, W, A, B, alpha):
        return x @ W + alpha / len(A) * (x @ A.T @ B.T)
