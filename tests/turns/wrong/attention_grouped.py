"""Wrong answers to the last turn of lesson 04, as learners write them: heads that share keys."""

import torch
import torch.nn.functional as F
from turn_answers import wrong

from minillm.course.turns.attention import attention


@wrong("04.grouped", "dealt out in turn")
class Modulo:
    def grouped_attention(query, key, value, visible):
        H, K = len(query), len(key)
        return torch.cat([attention(query[h], key[h % K], value[h % K], visible) for h in range(H)], dim=-1)


@wrong("04.grouped", "dealt out in turn")
class RepeatForRepeatInterleave:
    def grouped_attention(query, key, value, visible):
        n_rep = query.shape[0] // key.shape[0]
        key, value = key.repeat(n_rep, 1, 1), value.repeat(n_rep, 1, 1)
        heads = F.scaled_dot_product_attention(query, key, value, visible)
        return heads.transpose(0, 1).reshape(query.shape[1], -1)


@wrong("04.grouped", "Only 2 of 4 heads")
class ZipStops:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(q, k, v, visible) for q, k, v in zip(query, key, value)], dim=-1)  # noqa: B905


@wrong("04.grouped", "reads key/value head 0")
class AlwaysTheFirst:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(q, key[0], value[0], visible) for q in query], dim=-1)


@wrong("04.grouped", "raised IndexError")
class NumberOfTheQuery:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for h in range(len(query)):
            outputs.append(attention(query[h], key[h], value[h], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "raised IndexError")
class DividedByK:
    def grouped_attention(query, key, value, visible):
        K = len(key)
        return torch.cat([attention(q, key[h // K], value[h // K], visible) for h, q in enumerate(query)], dim=-1)


@wrong("04.grouped", "raised")
class OneSlash:
    def grouped_attention(query, key, value, visible):
        H, K = len(query), len(key)
        outputs = []
        for h in range(H):
            k = h / (H / K)
            outputs.append(attention(query[h], key[k], value[k], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "values from head 0")
class ForgetsTheValues:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        outputs = [attention(query[h], key[h // group], value[0], visible) for h in range(len(query))]
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "keys instead of the values")
class KeyTwice:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        outputs = [attention(q, key[h // group], key[h // group], visible) for h, q in enumerate(query)]
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "mask is not used")
class NoMask:
    def grouped_attention(query, key, value, visible):
        key, value = (part.repeat_interleave(len(query) // len(part), dim=0) for part in (key, value))
        return F.scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1)


@wrong("04.grouped", "causal mask is used instead")
class AlwaysCausal:
    def grouped_attention(query, key, value, visible):
        key, value = (part.repeat_interleave(len(query) // len(part), dim=0) for part in (key, value))
        return F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(0, 1).flatten(1)


@wrong("04.grouped", "as a list, or stacked")
class ReturnsAList:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        return [attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query))]


@wrong("04.grouped", "as a list, or stacked")
class Stacks:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        return torch.stack(
            [attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query))]
        )


@wrong("04.grouped", "one below the other")
class OneBelowTheOther:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        return torch.cat([attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query))])


@wrong("04.grouped", "joined along the tokens")
class ReshapedWithoutTranspose:
    def grouped_attention(query, key, value, visible):
        key, value = (part.repeat_interleave(len(query) // len(part), dim=0) for part in (key, value))
        return F.scaled_dot_product_attention(query, key, value, visible).reshape(query.shape[1], -1)


@wrong("04.grouped", "added up")
class AddedUp:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        return sum(attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query)))


@wrong("04.grouped", "raised RuntimeError")
class AllHeadsAtOnce:
    def grouped_attention(query, key, value, visible):
        return attention(query, key, value, visible)


@wrong("04.grouped", "name 'H' is not defined")
class NoSizes:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for h in range(H):  # noqa: F821
            outputs.append(attention(query[h], key[h // 3], value[h // 3], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "")
class ThreeNeighborsAsInSmolLM2:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(query[h], key[h // 3], value[h // 3], visible) for h in range(len(query))], dim=-1)


@wrong("04.grouped", "returned None")
class NoReturn:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        outputs = [attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query))]
        torch.cat(outputs, dim=-1)


@wrong("04.grouped", "Only one head")
class ReturnInsideTheLoop:
    def grouped_attention(query, key, value, visible):
        group, outputs = len(query) // len(key), []
        for h in range(len(query)):
            outputs.append(attention(query[h], key[h // group], value[h // group], visible))
            return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "raised TypeError")
class CatForgotten:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        outputs = [attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query))]
        return torch.transpose(outputs, 0, 1).flatten(1)


@wrong("04.grouped", "Three neighbors")
class ThreeAsInTheLesson:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for h in range(len(query)):
            outputs.append(attention(query[h], key[h // 3], value[h // 3], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "another order")
class GroupsInside:
    def grouped_attention(query, key, value, visible):
        n, outputs = len(query) // len(key), []
        for i in range(n):
            for k in range(len(key)):
                outputs.append(attention(query[k * n + i], key[k], value[k], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "joined in turn")
class StacksColumns:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = [attention(query[h], key[h // n], value[h // n], visible) for h in range(len(query))]
        return torch.stack(heads, dim=-1).flatten(1)


@wrong("04.grouped", "averaged")
class MeanOfHeads:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = [attention(query[h], key[h // n], value[h // n], visible) for h in range(len(query))]
        return torch.stack(heads).mean(dim=0)


@wrong("04.grouped", "every key/value head")
class AllPairs:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for q in query:
            for k, v in zip(key, value, strict=True):
                outputs.append(attention(q, k, v, visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "Only 4 of 6 heads")
class SplitsIntoGroupsOfK:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for group, k, v in zip(query.split(len(key)), key, value):  # noqa: B905
            outputs += [attention(q, k, v, visible) for q in group]
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "raised ValueError")
class RepeatKv:
    def grouped_attention(query, key, value, visible):
        batch, length, n_kv_heads, width = key.shape
        n_rep = query.shape[2] // n_kv_heads
        key = key[:, :, :, None, :].expand(batch, length, n_kv_heads, n_rep, width)
        return torch.cat([attention(query[h], key[h], value[h], visible) for h in range(len(query))], dim=-1)


@wrong("04.grouped", "raised IndexError")
class MaskPerHead:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = [attention(query[h], key[h // n], value[h // n], visible[h]) for h in range(len(query))]
        return torch.cat(heads, dim=-1)


@wrong("04.grouped", "raised IndexError")
class NineAsInTheLesson:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(query[h], key[h // 3], value[h // 3], visible) for h in range(9)], dim=-1)


@wrong("04.grouped", "raised NameError")
class LoopOfTheLayer:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for h in range(self.n_heads):  # noqa: F821
            outputs.append(attention(query[h], key[h], value[h], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "raised IndexError")
class HeadsForNumbers:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(query[h], key[h], value[h], visible) for h in query], dim=-1)


@wrong("04.grouped", "raised RuntimeError")
class RepeatsEverything:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = zip(query, key.repeat_interleave(n), value.repeat_interleave(n), strict=False)
        return torch.cat([attention(*head, visible) for head in heads], dim=-1)


@wrong("04.grouped", "raised RuntimeError")
class RepeatsTheColumns:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = zip(query, key.repeat_interleave(n, dim=2), value.repeat_interleave(n, dim=2), strict=False)
        return torch.cat([attention(*head, visible) for head in heads], dim=-1)


queries, keys, values = torch.ones(9, 6, 2), torch.ones(3, 6, 2), torch.ones(3, 6, 2)  # as on the page


@wrong("04.grouped", "size of tensor b (6)")
class QueriesOfThePage:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(queries[h], keys[h // 3], values[h // 3], visible) for h in range(9)], dim=-1)
