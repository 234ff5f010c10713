"""Answers to the turns of lesson 05, written from its text alone; the checks were changed once they were scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

# --- 05.feed_forward


@wrong("05.feed_forward", "")
class Llama2cNames:
    def feed_forward(x, gate, up, down):
        w1, w2, w3 = gate, down, up
        return (F.silu(x @ w3.T) * (x @ w1.T)) @ w2.T


@wrong("05.feed_forward", "")
class NanoGPT:
    def feed_forward(x, gate, up, down):
        x = x @ up.T
        x = F.gelu(x)
        return x @ down.T


@wrong("05.feed_forward", "")
class NanoGPTOnGate:
    def feed_forward(x, gate, up, down):
        x = F.linear(x, gate)
        x = F.gelu(x)
        return F.linear(x, down)


@wrong("05.feed_forward", "")
class NoActivation:
    def feed_forward(x, gate, up, down):
        return ((x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class SigmoidGate:
    def feed_forward(x, gate, up, down):
        return (torch.sigmoid(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class Gelu:
    def feed_forward(x, gate, up, down):
        return (F.gelu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class GeluTanh:
    def feed_forward(x, gate, up, down):
        return (F.gelu(x @ gate.T, approximate="tanh") * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class Relu:
    def feed_forward(x, gate, up, down):
        return (torch.relu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class Plus:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate.T) + x @ up.T) @ down.T


@wrong("05.feed_forward", "")
class SiluOfProduct:
    def feed_forward(x, gate, up, down):
        return F.silu((x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class UpIgnored:
    def feed_forward(x, gate, up, down):
        hidden = F.silu(x @ gate.T)
        return hidden @ down.T


@wrong("05.feed_forward", "")
class NotTransposed:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate) * (x @ up)) @ down


@wrong("05.feed_forward", "")
class OwnSigmoidOverflows:
    def feed_forward(x, gate, up, down):
        g = x @ gate.T
        g = g * torch.exp(g) / (1 + torch.exp(g))
        return (g * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class AModule:
    def feed_forward(x, gate, up, down):
        class FeedForward(nn.Module):
            def forward(self, x):
                return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T

        return FeedForward()


@wrong("05.feed_forward", "")
class Residual:
    def feed_forward(x, gate, up, down):
        return x + (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class HiddenOnly:
    def feed_forward(x, gate, up, down):
        return F.silu(x @ gate.T) * (x @ up.T)


@wrong("05.feed_forward", "")
class MatrixProductOfBoth:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate.T) @ (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class SiluBoth:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate.T) * F.silu(x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class ReturnInTheLoop:
    def feed_forward(x, gate, up, down):
        for token in x:
            return down @ (F.silu(gate @ token) * (up @ token))


@wrong("05.feed_forward", "")
class LastToken:
    def feed_forward(x, gate, up, down):
        for token in x:
            y = down @ (F.silu(gate @ token) * (up @ token))
        return y


@wrong("05.feed_forward", "")
class AListOfRows:
    def feed_forward(x, gate, up, down):
        rows = []
        for token in x:
            rows.append(down @ (F.silu(gate @ token) * (up @ token)))
        return rows


@wrong("05.feed_forward", "")
class SiluOfX:
    def feed_forward(x, gate, up, down):
        x = F.silu(x)
        return ((x @ gate.T) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class ActivationAtTheEnd:
    def feed_forward(x, gate, up, down):
        return F.silu(((x @ gate.T) * (x @ up.T)) @ down.T)


@wrong("05.feed_forward", "")
class Numpy:
    def feed_forward(x, gate, up, down):
        g = x.numpy() @ gate.numpy().T
        g = g / (1 + np.exp(-g))
        return (g * (x.numpy() @ up.numpy().T)) @ down.numpy().T


@wrong("05.feed_forward", "")
class Prints:
    def feed_forward(x, gate, up, down):
        print((F.silu(x @ gate.T) * (x @ up.T)) @ down.T)


@wrong("05.feed_forward", "")
class Dropout:
    def feed_forward(x, gate, up, down):
        return F.dropout((F.silu(x @ gate.T) * (x @ up.T)) @ down.T, 0.1)


@wrong("05.feed_forward", "")
class SizesOfSmolLM2:
    def feed_forward(x, gate, up, down):
        out = torch.zeros(x.shape[0], 576)
        for t in range(x.shape[0]):
            out[t] = down @ (F.silu(gate @ x[t]) * (up @ x[t]))
        return out


@wrong("05.feed_forward", "")
class SelfOfAModule:
    def feed_forward(x, gate, up, down):
        return self.down(F.silu(self.gate(x)) * self.up(x))  # noqa: F821


@wrong("05.feed_forward", "")
class CallsTheMatrices:
    def feed_forward(x, gate, up, down):
        return down(F.silu(gate(x)) * up(x))


@wrong("05.feed_forward", "")
class Softmax:
    def feed_forward(x, gate, up, down):
        return ((x @ gate.T).softmax(dim=-1) * (x @ up.T)) @ down.T


@right("05.feed_forward")
class LinearByTorch:
    def feed_forward(x, gate, up, down):
        return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


@right("05.feed_forward")
class TokenByToken:
    def feed_forward(x, gate, up, down):
        rows = []
        for token in x:
            g = gate @ token
            rows.append(down @ (g * torch.sigmoid(g) * (up @ token)))
        return torch.stack(rows)


@right("05.feed_forward")
class Einsum:
    def feed_forward(x, gate, up, down):
        a = torch.einsum("tc,fc->tf", x, gate)
        b = torch.einsum("tc,fc->tf", x, up)
        return torch.einsum("tf,cf->tc", a / (1 + (-a).exp()) * b, down)


@right("05.feed_forward")
class Columns:
    def feed_forward(x, gate, up, down):
        return (down @ (nn.SiLU()(gate @ x.T) * (up @ x.T))).T


# --- 05.recall


@wrong("05.recall", "")
class NoThreshold:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T) @ values


@wrong("05.recall", "")
class ThresholdAfterwards:
    def recall(questions, keys, values, threshold):
        return (torch.relu(questions @ keys.T) - threshold) @ values


@wrong("05.recall", "")
class ThresholdAdded:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T + threshold) @ values


@wrong("05.recall", "")
class NoRelu:
    def recall(questions, keys, values, threshold):
        return (questions @ keys.T - threshold) @ values


@wrong("05.recall", "")
class Argmax:
    def recall(questions, keys, values, threshold):
        return values[(questions @ keys.T).argmax(dim=-1)]


@wrong("05.recall", "")
class Equal:
    def recall(questions, keys, values, threshold):
        same = (questions[:, None] == keys[None]).all(dim=-1).float()
        return same @ values


@wrong("05.recall", "")
class Attention:
    def recall(questions, keys, values, threshold):
        return (questions @ keys.T).softmax(dim=-1) @ values


@wrong("05.recall", "")
class AttentionScaled:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T / math.sqrt(questions.shape[-1])
        return torch.softmax(scores, dim=-1) @ values


@wrong("05.recall", "")
class ScoresOnly:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T - threshold)


@wrong("05.recall", "")
class ValuesTransposed:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T - threshold) @ values.T


@wrong("05.recall", "")
class KeysNotTransposed:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys - threshold) @ values


@wrong("05.recall", "")
class HardCut:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T
        return (scores > threshold).float() @ values


@wrong("05.recall", "")
class KeepsTheScore:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T
        scores[scores < threshold] = 0
        return scores @ values


@wrong("05.recall", "")
class OneFixed:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T - 1) @ values


@wrong("05.recall", "")
class OneQuestion:
    def recall(questions, keys, values, threshold):
        out = torch.zeros(values.shape[1])
        for key, value in zip(keys, values, strict=True):
            out += torch.relu(questions[0] @ key - threshold) * value
        return out


@wrong("05.recall", "")
class IfAbove:
    def recall(questions, keys, values, threshold):
        result = []
        for q in questions:
            total = 0
            for k, v in zip(keys, values, strict=True):
                if q @ k > threshold:
                    total = total + v
            result.append(total)
        return torch.stack(result)


@wrong("05.recall", "")
class KeysAndValuesSwapped:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ values.T - threshold) @ keys


@wrong("05.recall", "")
class Cosine:
    def recall(questions, keys, values, threshold):
        scores = F.cosine_similarity(questions[:, None], keys[None], dim=-1)
        return torch.relu(scores - threshold) @ values


@wrong("05.recall", "")
class Silu:
    def recall(questions, keys, values, threshold):
        return F.silu(questions @ keys.T - threshold) @ values


@wrong("05.recall", "")
class ByTheTurnBefore:
    def recall(questions, keys, values, threshold):
        return feed_forward(questions, keys, keys, values)  # noqa: F821


@wrong("05.recall", "")
class ThresholdOfQuestions:
    def recall(questions, keys, values, threshold):
        return torch.relu((questions - threshold) @ keys.T) @ values


@wrong("05.recall", "")
class Clamped:
    def recall(questions, keys, values, threshold):
        return (questions @ keys.T).clamp(min=threshold) @ values


@right("05.recall")
class WithoutBroadcast:
    def recall(questions, keys, values, threshold):
        t = torch.full((len(questions), len(keys)), threshold)
        return F.relu(questions.matmul(keys.transpose(0, 1)) - t).matmul(values)


@wrong("05.recall", "")
class TheWord:
    def recall(questions, keys, values, threshold):
        best = (torch.relu(questions @ keys.T - threshold)).argmax(dim=1)
        return best


@right("05.recall")
class ClampAtZero:
    def recall(questions, keys, values, threshold):
        return ((questions @ keys.T) - threshold).clamp(min=0) @ values


@wrong("05.recall", "The result is right, but it takes one step per question and key")
class TwoLoops:
    def recall(questions, keys, values, threshold):
        result = torch.zeros(len(questions), values.shape[1])
        for i, question in enumerate(questions):
            for key, value in zip(keys, values, strict=True):
                result[i] = result[i] + torch.relu(question @ key - threshold) * value
        return result


@right("05.recall")
class MaskOfScores:
    def recall(questions, keys, values, threshold):
        scores = torch.einsum("qc,nc->qn", questions, keys)
        return ((scores - threshold) * (scores > threshold)) @ values


@right("05.recall")
class MaximumWithZeros:
    def recall(questions, keys, values, threshold):
        fits = F.linear(questions, keys) - threshold
        return torch.maximum(fits, torch.zeros_like(fits)) @ values


# --- 05.write_fact


@wrong("05.write_fact", "")
class WithoutContrast:
    def write_fact(about, others, say, instead, strength):
        gate = 6 * about / (about @ about)
        up = about / (about @ about)
        down = say - instead
        return gate, up, strength * down / down.norm()


@wrong("05.write_fact", "")
class AllSix:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        gate = torch.linalg.pinv(rows) @ torch.full((len(rows),), 6.0)
        up = about / (about @ about)
        down = say - instead
        return gate, up, strength * down / down.norm()


@wrong("05.write_fact", "")
class ZeroForOthers:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.zeros(len(rows))
        targets[0] = 6
        gate = torch.linalg.pinv(rows) @ targets
        up = about / (about @ about)
        down = say - instead
        return gate, up, strength * down / down.norm()


@wrong("05.write_fact", "")
class UpAsItIs:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about, strength * down / down.norm()


@wrong("05.write_fact", "")
class UpOfNormOne:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / about.norm(), strength * down / down.norm()


@wrong("05.write_fact", "")
class DownNotNormed:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        return gate, about / (about @ about), strength * (say - instead)


@wrong("05.write_fact", "")
class StrengthForgotten:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), down / down.norm()


@wrong("05.write_fact", "")
class OnlySay:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        return gate, about / (about @ about), strength * say / say.norm()


@wrong("05.write_fact", "")
class WrongWayRound:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = instead - say
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class PinvOfTranspose:
    def write_fact(about, others, say, instead, strength):
        rows = torch.stack([about, *others], dim=1)
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class TargetsFromTheLeft:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = targets @ rows
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class CatWithoutAxis:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about, others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class WholeNumbers:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6] + [-6] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class Solve:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.solve(rows, targets)
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class OthersFirst:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([others, about[None]])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class MeanOfOthers:
    def write_fact(about, others, say, instead, strength):
        difference = about - others.mean(dim=0)
        gate = 6 * difference / (difference @ about)
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class UpIsGate:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, gate, strength * down / down.norm()


@wrong("05.write_fact", "")
class GateOnly:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        return torch.linalg.pinv(rows) @ targets


@wrong("05.write_fact", "")
class AppendsToOthers:
    def write_fact(about, others, say, instead, strength):
        others -= about
        gate = torch.linalg.pinv(torch.cat([about[None], others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@right("05.write_fact")
class Stacked:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return torch.stack([gate, about / (about @ about), strength * down / down.norm()])


@wrong("05.write_fact", "")
class OnesForTargets:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([1.0] + [-1.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class ThreeOthersHardCoded:
    def write_fact(about, others, say, instead, strength):
        rows = torch.stack([about, others[0], others[1], others[2]])
        gate = torch.linalg.pinv(rows) @ torch.tensor([6.0, -6, -6, -6])
        down = say - instead
        return gate, about / (about @ about), strength * down / down.norm()


@wrong("05.write_fact", "")
class SumOfSquaresOfDown:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say - instead
        return gate, about / (about @ about), strength * down / (down @ down)


@wrong("05.write_fact", "")
class NormsEach:
    def write_fact(about, others, say, instead, strength):
        rows = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(rows) @ targets
        down = say / say.norm() - instead / instead.norm()
        return gate, about / (about @ about), strength * down


@right("05.write_fact")
class Lstsq:
    def write_fact(about, others, say, instead, strength):
        A = torch.cat([about[None], others])
        y = torch.full((len(A),), -6.0, dtype=A.dtype)
        y[0] = 6
        gate = torch.linalg.lstsq(A, y[:, None], driver="gelsd").solution[:, 0]
        up = about / about.square().sum()
        return gate, up, F.normalize(say - instead, dim=0) * strength


@right("05.write_fact")
class StackOfAll:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        y = torch.tensor([6.0, *[-6.0 for _ in others]])
        direction = say - instead
        down = direction * strength / torch.linalg.vector_norm(direction)
        return A.pinverse() @ y, about / about.norm() ** 2, down


@right("05.write_fact")
class NormalEquations:
    def write_fact(about, others, say, instead, strength):
        A = torch.vstack([about, others]).double()
        y = -6 * torch.ones(len(A)).double()
        y[0] = 6
        gate = (torch.linalg.pinv(A.T @ A) @ (A.T @ y)).float()
        d = say - instead
        return gate, about / torch.dot(about, about), strength * d / (d * d).sum().sqrt()


@right("05.write_fact")
class AListBack:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.cat((about.unsqueeze(0), others), 0)
        wanted = torch.cat((torch.tensor([6.0]), torch.full((others.shape[0],), -6.0)))
        gate = torch.matmul(torch.linalg.pinv(matrix), wanted)
        up = about / (about**2).sum()
        down = (say - instead) / (say - instead).norm() * strength
        return [gate, up, down]
