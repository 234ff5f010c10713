"""Answers to the turns of lesson 05, written from its text alone by a reader."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

# --- 05.feed_forward


@wrong("05.feed_forward", "raised RuntimeError")
class DotProductWithWeightsAsTheyStand:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate) * (x @ up)) @ down


@wrong("05.feed_forward", "raised RuntimeError")
class ForgetsTheTransposeOfDown:
    def feed_forward(x, gate, up, down):
        return (F.silu(x @ gate.T) * (x @ up.T)) @ down


@wrong("05.feed_forward", "One row is returned.")
class OneNeuronOfTheCellAbove:
    def feed_forward(x, gate, up, down):
        opened, size = gate[0] @ x[-1], up[0] @ x[-1]
        return F.silu(opened) * size * down[:, 0]


@wrong("05.feed_forward", "Only the last token's row is returned.")
class SumsOverTheNeuronsOfTheLastToken:
    def feed_forward(x, gate, up, down):
        total = 0
        for n in range(len(gate)):
            total = total + F.silu(gate[n] @ x[-1]) * (up[n] @ x[-1]) * down[:, n]
        return total


@wrong("05.feed_forward", "That's an MLP with two matrices and GELU, as in older models: `gate` isn't used.")
class KarpathysMlp:
    def feed_forward(x, gate, up, down):
        x = F.gelu(F.linear(x, up))
        return F.linear(x, down)


@wrong("05.feed_forward", "raised RuntimeError")
class LlamaNamesWOneWThree:
    def feed_forward(x, gate, up, down):
        w1, w2, w3 = gate, up, down
        return F.linear(F.silu(F.linear(x, w1)) * F.linear(x, w2), w3.T)


@wrong("05.feed_forward", "raised RuntimeError")
class MatrixProductForStar:
    def feed_forward(x, gate, up, down):
        hidden = F.silu(x @ gate.T) @ (x @ up.T)
        return hidden @ down.T


@wrong("05.feed_forward", "`feed_forward` returned None.")
class PrintsIt:
    def feed_forward(x, gate, up, down):
        print((F.silu(x @ gate.T) * (x @ up.T)) @ down.T)


@wrong("05.feed_forward", "`feed_forward` returns a numpy array; the cells below need a torch tensor.")
class NumpyByHand:
    def feed_forward(x, gate, up, down):
        x, gate, up, down = (np.asarray(each) for each in (x, gate, up, down))
        z = x @ gate.T
        return (z / (1 + np.exp(-z)) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "raised TypeError")
class ModuleOfLinears:
    def feed_forward(x, gate, up, down):
        g = nn.Linear(gate.shape[1], gate.shape[0], bias=False)
        g.weight = gate
        return (F.silu(g(x)) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "raised RuntimeError")
class SizesOfTheRealModel:
    def feed_forward(x, gate, up, down):
        hidden = torch.zeros(4, 1536)
        hidden[:] = F.silu(x @ gate.T) * (x @ up.T)
        return hidden @ down.T


@wrong("05.feed_forward", "What SiLU lets through below 0 is cut off.")
class KeepsOnlyOpenGates:
    def feed_forward(x, gate, up, down):
        z = x @ gate.T
        opened = torch.where(z > 0, F.silu(z), 0.0)
        return (opened * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "The gate only opens or shuts: 1 if z is above 0, else 0.")
class GateAsAMask:
    def feed_forward(x, gate, up, down):
        return ((x @ gate.T > 0) * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "Only the first token's row is returned.")
class ReturnInTheTokenLoop:
    def feed_forward(x, gate, up, down):
        rows = []
        for token in x:
            rows.append((F.silu(gate @ token) * (up @ token)) @ down.T)
            return torch.stack(rows)


@wrong("05.feed_forward", "`feed_forward` returns a list; the cells below need a torch tensor.")
class RowsInAList:
    def feed_forward(x, gate, up, down):
        return [down @ (F.silu(gate @ token) * (up @ token)) for token in x]


@wrong("05.feed_forward", "The gate is sigmoid(z), as in the first gated layers (GLU).")
class SiluWithoutItsZ:
    def feed_forward(x, gate, up, down):
        z = x @ gate.T
        silu = 1 / (1 + torch.exp(-z))
        return (silu * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "With a large gate, e^z is infinite, and infinity divided by infinity is NaN.")
class SigmoidOverflowsByHand:
    def feed_forward(x, gate, up, down):
        z = x @ gate.T
        silu = z * (z.exp() / (z.exp() + 1))
        return (silu * (x @ up.T)) @ down.T


@wrong("05.feed_forward", "That's the hidden layer: (T, F).")
class StopsAtTheActivation:
    def feed_forward(x, gate, up, down):
        return F.silu(x @ gate.T) * (x @ up.T)


@wrong("05.feed_forward", "The gate is sigmoid(z), as in the first gated layers (GLU).")
class TorchesGlu:
    def feed_forward(x, gate, up, down):
        return F.glu(torch.cat([x @ up.T, x @ gate.T], dim=-1), dim=-1) @ down.T


@wrong("05.feed_forward", "`feed_forward` goes more than 1,000 calls deep")
class CallsItself:
    def feed_forward(x, gate, up, down):
        return feed_forward(x, gate, up, down)  # noqa: F821


@wrong("05.feed_forward", "raised ValueError")
class BatchLikeInNanoGpt:
    def feed_forward(x, gate, up, down):
        B, T, C = x.shape
        return (F.silu(x.view(B * T, C) @ gate.T) * (x.view(B * T, C) @ up.T)) @ down.T


@wrong("05.feed_forward", "")
class WithDropout:
    def feed_forward(x, gate, up, down):
        hidden = F.silu(x @ gate.T) * (x @ up.T)
        return F.dropout(hidden, 0.1) @ down.T


@right("05.feed_forward")
class ByEinsum:
    def feed_forward(x, gate, up, down):
        z = torch.einsum("tc,fc->tf", x, gate)
        return torch.einsum("tf,tf,cf->tc", z * z.sigmoid(), torch.einsum("tc,fc->tf", x, up), down)


@right("05.feed_forward")
class GateAndUpInOneProduct:
    def feed_forward(x, gate, up, down):
        g, u = F.linear(x, torch.cat([gate, up])).chunk(2, dim=-1)
        return F.linear(F.silu(g) * u, down)


@right("05.feed_forward")
class TransposedThroughout:
    def feed_forward(x, gate, up, down):
        return (down @ (nn.SiLU()(gate @ x.T) * (up @ x.T))).T


# --- 05.recall


@wrong("05.recall", "raised RuntimeError")
class KeysNotTransposed:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys - threshold) @ values


@wrong("05.recall", "raised TypeError")
class ThresholdOutsideTheBrackets:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T) - threshold @ values


@wrong("05.recall", "The threshold is 1, whatever the argument says.")
class SubtractsOneLikeAnd:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T - 1) @ values


@wrong("05.recall", "Scores below the threshold are raised to it.")
class MaximumWithTheThreshold:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T
        return torch.maximum(scores, torch.tensor(threshold)) @ values


@wrong("05.recall", "A key above the threshold answers with its whole score.")
class MasksAndKeepsTheScore:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T
        scores[scores < threshold] = 0
        return scores @ values


@wrong("05.recall", "A key above the threshold answers with 1, however well it fits.")
class MaskOfZerosAndOnes:
    def recall(questions, keys, values, threshold):
        hits = (questions @ keys.T) > threshold
        return hits.float() @ values


@wrong("05.recall", "raised RuntimeError")
class BooleansTimesValues:
    def recall(questions, keys, values, threshold):
        return ((questions @ keys.T) > threshold) @ values


@wrong("05.recall", "Only the best key answers, like a dictionary.")
class LooksUpTheBest:
    def recall(questions, keys, values, threshold):
        scores = torch.relu(questions @ keys.T - threshold)
        return values[scores.argmax(dim=1)]


@wrong("05.recall", "That's what the neurons answer: (questions, keys).")
class ScoresOnly:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ keys.T - threshold)


@wrong("05.recall", "SiLU gates the scores, as in the turn before.")
class FeedForwardOfTheTurnBefore:
    def recall(questions, keys, values, threshold):
        return (F.silu(questions @ keys.T - threshold) * (questions @ keys.T)) @ values


@wrong("05.recall", "The answers to all questions are added up in one row.")
class SumsEverything:
    def recall(questions, keys, values, threshold):
        total = torch.zeros(values.shape[1])
        for question in questions:
            for key, value in zip(keys, values, strict=True):
                total += torch.relu(question @ key - threshold) * value
        return total


@wrong("05.recall", "Only the last key is asked.")
class LoopThatReplaces:
    def recall(questions, keys, values, threshold):
        found = torch.zeros(len(questions), values.shape[1])
        for i, question in enumerate(questions):
            for key, value in zip(keys, values, strict=True):
                found[i] = torch.relu(question @ key - threshold) * value
        return found


@wrong("05.recall", "raised RuntimeError")
class NineFacts:
    def recall(questions, keys, values, threshold):
        found = torch.zeros(9, 9)
        for i in range(9):
            for j in range(9):
                found[i] += torch.relu(questions[i] @ keys[j] - threshold) * values[j]
        return found


@wrong("05.recall", "raised NameError")
class AsksThePage:
    def recall(queries, keys, values, threshold):
        return torch.relu(questions @ keys.T - threshold) @ values  # noqa: F821


@wrong("05.recall", "raised RuntimeError")
class PythonsMax:
    def recall(questions, keys, values, threshold):
        return max(0, questions @ keys.T - threshold) @ values


@wrong("05.recall", "The answer has only positive numbers.")
class ReluTwice:
    def recall(questions, keys, values, threshold):
        return torch.relu(torch.relu(questions @ keys.T) - threshold) @ torch.relu(values)


@wrong("05.recall", "The keys are brought to norm 1.")
class NormalizedKeys:
    def recall(questions, keys, values, threshold):
        return torch.relu(questions @ F.normalize(keys, dim=1).T - threshold) @ values


@wrong("05.recall", "It's softmax of the scores divided by √C: attention over the keys. It's not what this layer does.")
class AttentionFromLessonFour:
    def recall(questions, keys, values, threshold):
        scores = questions @ keys.T / math.sqrt(keys.shape[1])
        return F.softmax(scores - threshold, dim=-1) @ values


@wrong("05.recall", "Questions and keys are compared by distance: the farthest keys answer.")
class DistanceForDotProduct:
    def recall(questions, keys, values, threshold):
        return torch.relu(torch.cdist(questions, keys) - threshold) @ values


@wrong("05.recall", "The activation is leaky ReLU.")
class LeakyRelu:
    def recall(questions, keys, values, threshold):
        return F.leaky_relu(questions @ keys.T - threshold) @ values


@wrong("05.recall", "`recall` returned None.")
class NoReturn:
    def recall(questions, keys, values, threshold):
        found = torch.relu(questions @ keys.T - threshold) @ values  # noqa: F841


@wrong("05.recall", "`recall` returns a numpy array; the cells below need a torch tensor.")
class InNumpy:
    def recall(questions, keys, values, threshold):
        return np.maximum(questions.numpy() @ keys.numpy().T - threshold, 0) @ values.numpy()


@right("05.recall")
class ClampedAtZero:
    def recall(questions, keys, values, threshold):
        return (questions @ keys.T).sub(threshold).clamp_min(0).matmul(values)


@right("05.recall")
class ThresholdAsABias:
    def recall(questions, keys, values, threshold):
        return F.linear(F.relu(F.linear(questions, keys, torch.full((len(keys),), -threshold))), values.T)


@right("05.recall")
class MaskTimesDifference:
    def recall(questions, keys, values, threshold):
        over = questions @ keys.T - threshold
        return torch.where(over > 0, over, torch.zeros_like(over)) @ values


# --- 05.write_fact


@wrong("05.write_fact", "raised RuntimeError")
class SolveNeedsASquare:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.cat([about[None], others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.solve(matrix, targets)
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "raised IndexError")
class ThreeOthersOnly:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.stack([about, others[0], others[1], others[2]])
        targets = torch.tensor([6.0, -6.0, -6.0, -6.0])
        gate = torch.linalg.pinv(matrix) @ targets
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "raised RuntimeError")
class TargetsForThree:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.vstack([about, others])
        gate = torch.linalg.pinv(matrix) @ torch.tensor([6.0, -6, -6, -6])
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "raised RuntimeError")
class StacksATensorOnAVector:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.stack([about, others])
        targets = torch.tensor([6.0] + [-6.0] * len(others))
        gate = torch.linalg.pinv(matrix) @ targets
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "raised RuntimeError")
class TargetsAreWholeNumbers:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.stack([about, *others])
        gate = torch.linalg.pinv(matrix) @ torch.tensor([6] + [-6] * len(others))
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "raised RuntimeError")
class TargetsComeFirst:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.stack([about, *others])
        gate = torch.tensor([6.0] + [-6.0] * len(others)) @ torch.linalg.pinv(matrix)
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "")
class ReadsSixPerFeature:
    def write_fact(about, others, say, instead, strength):
        gate = 6 * about / about.norm() - 6 * F.normalize(others, dim=1).sum(0)
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "For the gate, each vector is scaled by itself, and nothing is solved.")
class OneOfTheOthersWins:
    def write_fact(about, others, say, instead, strength):
        gate = 6 * about / (about @ about)
        for other in others:
            gate = gate - 6 * other / (other @ other)
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "For `up`, `about` is divided by its norm, once.")
class UpIsNormalized:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return gate, F.normalize(about, dim=0), strength * d / d.norm()


@wrong("05.write_fact", "")
class UpDividesByNormSquaredTwice:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return gate, about / (about @ about) ** 2, strength * d / d.norm()


@wrong("05.write_fact", "`up` is 1 / `about`, entry by entry, so the dot product of the two is C.")
class UpIsJustOne:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        up = 1 / about
        d = say - instead
        return gate, up, strength * d / d.norm()


@wrong("05.write_fact", "`down` points the wrong way: the old answer gets stronger.")
class FromRomeToParis:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = instead - say
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "The strength is 40, whatever the argument says.")
class StrengthOfForty:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return gate, about / (about @ about), 40 * d / d.norm()


@wrong("05.write_fact", "The strength multiplies the gate, not `down`.")
class StrengthIntoTheGate:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return strength * gate, about / (about @ about), d / d.norm()


@wrong("05.write_fact", "`down` is divided by the norms of both words.")
class DividesByTheNormOfBoth:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        return gate, about / (about @ about), strength * (say - instead) / (say.norm() * instead.norm())


@right("05.write_fact")
class OneMatrixOfThree:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return torch.stack([gate, about / (about @ about), strength * d / d.norm()])


@wrong("05.write_fact", "`gate` has the shape (1, 2); it must be (C,).")
class RowsWithAnAxisMore:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return gate[None], (about / (about @ about))[None], (strength * d / d.norm())[:, None]


@wrong("05.write_fact", "`gate` has the shape (2, 1); it must be (C,).")
class ColumnOfTargets:
    def write_fact(about, others, say, instead, strength):
        targets = torch.tensor([[6.0]] + [[-6.0]] * len(others))
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ targets
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong(
    "05.write_fact",
    "The gate's target is 0 for the others. SiLU(0) = 0, but whatever looks a little like `about` opens it.",
)
class MinusSixForTheOthersIsZero:
    def write_fact(about, others, say, instead, strength):
        targets = torch.zeros(1 + len(others))
        targets[0] = 6
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ targets
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "For the gate, the targets are multiplied by the vectors, and nothing is solved.")
class MultipliesByTheMatrix:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.stack([about, *others])
        gate = matrix.T @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "The gate's target 6 goes to another vector than `about`.")
class OthersComeFirst:
    def write_fact(about, others, say, instead, strength):
        matrix = torch.cat([others, about[None]])
        gate = torch.linalg.pinv(matrix) @ torch.tensor([6.0] + [-6.0] * len(others))
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@wrong("05.write_fact", "One vector is returned.")
class GivesBackTheAnswer:
    def write_fact(about, others, say, instead, strength):
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor([6.0] + [-6.0] * len(others))
        up = about / (about @ about)
        d = say - instead
        return F.silu(gate @ about) * (up @ about) * strength * d / d.norm()


@wrong("05.write_fact", "raised NameError")
class UsesTheCountriesOfThePage:
    def write_fact(about, others, say, instead, strength):
        targets = torch.tensor([6.0] + [-6.0] * len(three_more))  # noqa: F821
        gate = torch.linalg.pinv(torch.stack([about, *others])) @ targets
        d = say - instead
        return gate, about / (about @ about), strength * d / d.norm()


@right("05.write_fact")
class LeastSquaresByLstsq:
    def write_fact(about, others, say, instead, strength):
        A = torch.cat([about[None], others])
        b = torch.full((len(A), 1), -6.0)
        b[0] = 6.0
        gate = torch.linalg.lstsq(A, b, driver="gelsd").solution[:, 0]
        return gate, about / about.square().sum(), F.normalize(say - instead, dim=0) * strength


@right("05.write_fact")
class OneRowPseudoinverse:
    def write_fact(about, others, say, instead, strength):
        stacked = torch.vstack((about, others))
        signs = torch.cat([torch.ones(1), -torch.ones(others.shape[0])])
        gate = 6 * (torch.pinverse(stacked) @ signs)
        up = torch.linalg.pinv(about[None])[:, 0]
        return gate, up, strength * (say - instead) / torch.dist(say, instead)


@right("05.write_fact")
class InAList:
    def write_fact(about, others, say, instead, strength):
        vectors = torch.stack([about] + list(others))
        targets = 12 * F.one_hot(torch.tensor(0), len(vectors)).float() - 6
        gate = vectors.pinverse().mv(targets)
        return [gate, about / about.dot(about), (say - instead) * (strength / (say - instead).norm())]
