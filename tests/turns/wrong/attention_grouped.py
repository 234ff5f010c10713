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


@wrong("04.grouped", "Only K heads")
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


@wrong("04.grouped", "shape")
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
