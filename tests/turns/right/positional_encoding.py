"""Unusual right answers to the turns of lesson 03, as learners write them."""

import numpy as np
import torch
from turn_answers import right


@right("03.sinusoids")
class ATableOfAllPositionsFirst:
    def sinusoids(positions, C):
        longest = int(positions.max()) + 1
        table = torch.empty(longest, C)
        hand = 10_000 ** (-torch.arange(0, C, 2) / C)
        table[:, 0::2] = torch.sin(torch.arange(longest).unsqueeze(1) * hand)
        table[:, 1::2] = torch.cos(torch.arange(longest).unsqueeze(1) * hand)
        return table[positions]


@right("03.sinusoids")
class NumpyInTheMiddle:
    def sinusoids(positions, C):
        angle = np.outer(positions.numpy(), 10_000.0 ** (-np.arange(0, C, 2) / C))
        table = np.empty((len(positions), C))
        table[:, ::2], table[:, 1::2] = np.sin(angle), np.cos(angle)
        return torch.from_numpy(table).float()


@right("03.rotate_pair")
class AMatrixPerPoint:
    def rotate_pair(x, y, angle):
        x, y, angle = torch.broadcast_tensors(x, y, angle)
        cos, sin = torch.cos(angle), torch.sin(angle)
        matrix = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
        return torch.einsum("...ij,...j->...i", matrix, torch.stack([x, y], -1)).unbind(-1)


@right("03.rotate_pair")
class ASineForACosine:
    def rotate_pair(x, y, angle):
        quarter = torch.pi / 2
        return x * torch.sin(angle + quarter) - y * torch.sin(angle), x * torch.sin(angle) + y * torch.sin(
            angle + quarter
        )


@right("03.rotate")
class HalvesByRolling:
    def rotate(x, positions, base):
        T, D = x.shape
        angle = (positions.view(T, 1) / base ** (torch.arange(D // 2) * 2 / D)).repeat(1, 2)
        sign = torch.cat([-torch.ones(D // 2), torch.ones(D // 2)])
        return x * torch.cos(angle) + x.roll(D // 2, dims=1) * sign * torch.sin(angle)


@right("03.rotate")
class MetasCodeOnShuffledColumns:
    def rotate(x, positions, base):
        T, D = x.shape
        pairs = x.view(T, 2, D // 2).transpose(1, 2).contiguous()
        freqs = torch.outer(positions.float(), 1.0 / base ** (torch.arange(0, D, 2).float() / D))
        turned = torch.view_as_complex(pairs) * torch.polar(torch.ones_like(freqs), freqs)
        return torch.view_as_real(turned).transpose(1, 2).reshape(T, D)
