"""Wrong answers to the turns of lesson 05, as learners write them."""

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import wrong

# --- 05.feed_forward


@wrong("05.feed_forward", "SiLU is on the table of `up`")
class LlamasFileOrder:
    def feed_forward(x, gate, up, down):
        w1, w3, w2 = up, gate, down
        return F.linear(F.silu(F.linear(x, w1)) * F.linear(x, w3), w2)


@wrong("05.feed_forward", "MLP with two matrices and GELU")
class RasbtsSequential:
    def feed_forward(x, gate, up, down):
        layers = nn.Sequential(nn.GELU(approximate="tanh"))
        return layers(x @ up.T) @ down.T


@wrong("05.feed_forward", "MLP with two matrices and ReLU")
class AnnotatedTransformer:
    def feed_forward(x, gate, up, down):
        return F.linear(F.linear(x, up).relu(), down)


@wrong("05.feed_forward", "no activation")
class Bilinear:
    def feed_forward(x, gate, up, down):
        hidden = torch.einsum("tc,fc->tf", x, gate) * torch.einsum("tc,fc->tf", x, up)
        return hidden @ down.T


@wrong("05.feed_forward", "sigmoid(z), as in the first gated layers")
class Glu:
    def feed_forward(x, gate, up, down):
        open = 1 / (1 + torch.exp(-(x @ gate.T)))
        return (open * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "added to the other")
class GatePlusUp:
    def feed_forward(x, gate, up, down):
        h = F.silu(x @ gate.T)
        h = h + x @ up.T
        return h @ down.T


@wrong("05.feed_forward", "shapes cannot be multiplied")
class WithoutTransposes:
    def feed_forward(x, gate, up, down):
        h = F.silu(x @ gate) * (x @ up)
        return h @ down


@wrong("05.feed_forward", "name 'self' is not defined")
class HuggingFacesLine:
    def feed_forward(x, gate, up, down):
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))  # noqa: F821


@wrong("05.feed_forward", "name 'w2' is not defined")
class Llamas:
    def feed_forward(x, gate, up, down):
        return w2(F.silu(w1(x)) * w3(x))  # noqa: F821


@wrong("05.feed_forward", "not callable")
class MatricesAsLayers:
    def feed_forward(x, gate, up, down):
        x = gate(x)
        return down(F.silu(x))


@wrong("05.feed_forward", "something that is of type Sequential")
class ASequential:
    def feed_forward(x, gate, up, down):
        C, n = down.shape
        return nn.Sequential(nn.Linear(C, n), nn.SiLU(), nn.Linear(n, C))


@wrong("05.feed_forward", "must match")
class SizesOfThePage:
    def feed_forward(x, gate, up, down):
        hidden = torch.zeros(len(x), 1536)
        hidden[:] = F.silu(x @ gate.T) * (x @ up.T)
        return hidden @ down.T


@wrong("05.feed_forward", "not enough values to unpack")
class WithABatch:
    def feed_forward(x, gate, up, down):
        B, T, C = x.shape
        return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


@wrong("05.feed_forward", "changed the input")
class InPlace:
    def feed_forward(x, gate, up, down):
        g, u = x @ gate.T, x @ up.T
        x.zero_()
        for t in range(len(x)):
            x[t] += down @ (F.silu(g[t]) * u[t])
        return x.clone()


@wrong("05.feed_forward", "infinity divided by infinity")
class ExpOverOnePlusExp:
    def feed_forward(x, gate, up, down):
        z = x @ gate.T
        sigmoid = z.exp() / (z.exp() + 1)
        return (z * sigmoid * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "That's the hidden layer")
class StopsInTheMiddle:
    def feed_forward(x, gate, up, down):
        return F.silu(F.linear(x, gate)) * F.linear(x, up)


@wrong("05.feed_forward", "one step per neuron")
class NeuronByNeuron:
    def feed_forward(x, gate, up, down):
        rows = []
        for token in x:
            row = torch.zeros_like(token)
            for i in range(len(gate)):
                row = row + F.silu(gate[i] @ token) * (up[i] @ token) * down[:, i]
            rows.append(row)
        return torch.stack(rows)


@wrong("05.feed_forward", "one step per neuron")
class SumOverNeurons:
    def feed_forward(x, gate, up, down):
        out = 0
        for g, u, d in zip(gate, up, down.T, strict=True):
            out = out + (F.silu(x @ g) * (x @ u))[:, None] * d
        return out


@wrong("05.feed_forward", "Where C = F, a matrix is used the wrong way round")
class ChoosesByShape:
    def feed_forward(x, gate, up, down):
        g = x @ gate if gate.shape[0] == x.shape[1] else x @ gate.T
        u = x @ up if up.shape[0] == x.shape[1] else x @ up.T
        return (F.silu(g) * u) @ down.T


@wrong("05.feed_forward", "The result is transposed")
class ColumnsOfTokens:
    def feed_forward(x, gate, up, down):
        return down @ (F.silu(gate @ x.T) * (up @ x.T))


# --- 05.recall


@wrong("05.recall", "The threshold isn't used")
class ReluOnly:
    def recall(questions, keys, values, threshold):
        fits = F.relu(questions @ keys.T)
        return fits @ values


@wrong("05.recall", "after ReLU")
class SubtractedLast:
    def recall(questions, keys, values, threshold):
        fits = F.relu(questions @ keys.T)
        fits = fits - threshold
        return fits @ values


@wrong("05.recall", "Only the best key answers, like a dictionary")
class Lookup:
    def recall(questions, keys, values, threshold):
        best = (questions @ keys.T).argmax(-1)
        return torch.stack([values[i] for i in best])


@wrong("05.recall", "Only a key that equals the question answers")
class Dictionary:
    def recall(questions, keys, values, threshold):
        found = torch.zeros(len(questions), len(keys))
        for q in range(len(questions)):
            for k in range(len(keys)):
                found[q, k] = float(torch.equal(questions[q], keys[k]))
        return found @ values


@wrong("05.recall", "softmax over the keys")
class LikeLesson04:
    def recall(questions, keys, values, threshold):
        weights = F.softmax(questions @ keys.T, dim=1)
        return weights @ values


@wrong("05.recall", "with its whole score")
class CutsWithoutSubtracting:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T
        return F.threshold(scores, threshold, 0.0) @ values


@wrong("05.recall", "answers with 1, however well it fits")
class Boolean:
    def recall(questions, keys, values, threshold):
        fires = questions @ keys.T > threshold
        return fires.to(values.dtype) @ values


@wrong("05.recall", "shapes cannot be multiplied")
class Untransposed:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys - threshold) @ values


@wrong("05.recall", "name 'F1' is not defined")
class Misspelled:
    def recall(questions, keys, values, threshold):
        return F1.relu(questions @ keys.T - threshold) @ values  # noqa: F821


@wrong("05.recall", "must be Tensor, not float")
class ReluOfTheThreshold:
    def recall(questions, keys, values, threshold):
        return (questions @ keys.T - torch.relu(threshold)) @ values


@wrong("05.recall", "ambiguous")
class IfOfATable:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T
        if scores > threshold:
            return scores @ values
        return torch.zeros_like(questions)


@wrong("05.recall", "changed the input")
class WritesIntoTheKeys:
    def recall(questions, keys, values, threshold):
        keys -= threshold
        return torch.relu(questions @ keys.T) @ values


@wrong("05.recall", "expected Tensor as element")
class StackOfLists:
    def recall(questions, keys, values, threshold):
        rows = []
        for q in questions:
            rows.append((torch.relu(keys @ q - threshold) @ values).tolist())
        return torch.stack(rows)


@wrong("05.recall", "existing size")
class NineKeys:
    def recall(questions, keys, values, threshold):
        scores = torch.zeros(len(questions), 9)
        for i, q in enumerate(questions):
            scores[i] = keys @ q
        return torch.relu(scores - threshold) @ values


@wrong("05.recall", "That's the scores")
class OnlyScores:
    def recall(questions, keys, values, threshold):
        return questions @ keys.T


@wrong("05.recall", "one step per question and key")
class InBothLoops:
    def recall(questions, keys, values, threshold):
        rows = []
        for q in questions:
            row = 0
            for k, v in zip(keys, values, strict=True):
                row = row + (q @ k - threshold).clamp(min=0.0) * v
            rows.append(row)
        return torch.stack(rows)


# --- 05.write_fact


@wrong("05.write_fact", "doesn't know the others")
class KeyOnly:
    def write_fact(about, others, say, instead, strength):
        up = about / (about @ about)
        d = say - instead
        return 6 * up, up, strength * d / d.norm()


@wrong("05.write_fact", "target is 6 for all")
class SixEverywhere:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = torch.linalg.pinv(A) @ (6 * torch.ones(len(A)))
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "target is 0 for the others")
class SixAndZeros:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        y = F.one_hot(torch.tensor(0), len(A)) * 6.0
        d = say - instead
        return torch.linalg.pinv(A) @ y, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "`up` is `about` as it is")
class UpIsAbout:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about.clone(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "isn't brought to norm 1")
class DownAsItIs:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), (say - instead) * strength


@wrong("05.write_fact", "same dtype")
class IntegerTargets:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6] + [-6] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "square")
class Inverse:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = torch.linalg.inv(A) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "2 or more dimensions")
class PinvOfAVector:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(about) * 6 - torch.linalg.pinv(others) * 6
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "size mismatch")
class ColumnsOfVectors:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others], dim=1)
        gate = torch.linalg.pinv(A) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "must have same number of dimensions")
class CatOfAVector:
    def write_fact(about, others, say, instead, strength):
        A = torch.cat([about, others])
        gate = torch.linalg.pinv(A) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "name 'head' is not defined")
class LooksUpTheWords:
    def write_fact(about, others, say, instead, strength):
        d = head[say] - head[instead]  # noqa: F821
        return about, about, strength * d


@wrong("05.write_fact", "changed the input")
class WritesIntoOthers:
    def write_fact(about, others, say, instead, strength):
        others *= -1
        A = torch.stack([about, *others])
        gate = torch.linalg.pinv(A) @ torch.full((len(A),), 6.0)
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "has no attribute")
class NumberOfAVector:
    def write_fact(about, others, say, instead, strength):
        return about, about, strength.norm() * (say - instead)


@wrong("05.write_fact", "only one element")
class OneNumber:
    def write_fact(about, others, say, instead, strength):
        gate = torch.zeros(len(about))
        gate[0] = float(about)
        return gate, about, strength * (say - instead)


@wrong("05.write_fact", "another order: up, gate, down")
class UpFirst:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6.0] + [-6.0] * len(others))
        return about / about.square().sum(), gate, strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "2 things are returned")
class WithoutUp:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "`gate` has the shape")
class GateWithAnAxis:
    def write_fact(about, others, say, instead, strength):
        A = torch.stack([about, *others])
        gate = A.pinverse() @ torch.tensor([[6.0]] + [[-6.0]] * len(others))
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@wrong("05.write_fact", "along `about` minus the mean of the others")
class OneContrast:
    def write_fact(about, others, say, instead, strength):
        away = about - others.mean(0) if len(others) > 0 else about
        gate = away * 6 / torch.dot(away, about)
        return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)
