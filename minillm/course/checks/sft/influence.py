"""09.2: how much of a gain comes from each training conversation (TracIn: Pruthi et al. 2020, equation 1).

LESS (Xia et al. 2024) selects instruction data by cosines of such gradients, in the parameters of a LoRA adapter.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.question import Question
from minillm.course.checks.sft import influences, tracing
from minillm.course.checks.sft.influences import DOT, Traced, off_by, terms_of, traced
from minillm.course.checks.sft.tracing import Conversation, dots
from minillm.losses import IGNORE


def influence(
    weight: Float[Tensor, "V C"], train: list[Conversation], test: list[Conversation], rate: float, steps: int
) -> Traced:
    """The right answer, with all gradients in closed form.

    >>> train = [(torch.tensor([[1.0]]), torch.tensor([0])), (torch.tensor([[2.0], [1.0]]), torch.tensor([1, IGNORE]))]
    >>> each, error = influence(torch.zeros(2, 1), train, train[:1], 1.0, 1)
    >>> each.tolist(), round(error, 4)
    ([0.25, -0.5], 0.0309)
    """
    return traced(weight, train, test, rate, steps)


question = Question("09.2", "Which conversations taught it?", influence, parts=("influence", "error"))

OWN = "Return each conversation's own influence in nats, in the order of `train`."
SIGN = "A conversation may raise the test loss. Then its influence is negative."
GAIN = "The error is the sum of the influences minus (test loss before - test loss after)."
NOW = "In each step, compute both gradients at the current weights, and add up. Then update."
MEAN = "The loss of a conversation is the mean over the labels that count."
EQUAL = "Average over the conversations: each has the weight 1 / n, however long it is."

one_update = question.probe("one update", influences.one_step, influences.fits, kinds=influences.ONE)
for _sentence, _factor in (
    ("The influences aren't multiplied by the rate.", lambda run, rate: 1 / rate),
    ("The influences aren't divided by the number of training conversations.", lambda run, rate: len(run.losses)),
    ("The influences are neither multiplied by the rate nor divided by n.", lambda run, rate: len(run.losses) / rate),
):
    one_update.mistake(
        _sentence, DOT, partial(traced, terms=lambda run, rate, by=_factor: terms_of(run, rate) * by(run, rate))
    )
one_update.mistake(
    "The influences have the wrong sign.",
    "The update subtracts the gradient. So a conversation whose gradient points like the test's lowers the test loss.",
    partial(traced, terms=lambda run, rate: -terms_of(run, rate)),
)
one_update.mistake(
    "The influences are cosines: the gradients are divided by their norms.",
    DOT,
    partial(traced, terms=lambda run, rate: tracing.cosines(run, rate / len(run.losses))),
)
one_update.mistake(
    "The influences are cosines, without rate / n.",
    DOT,
    partial(traced, terms=lambda run, rate: tracing.cosines(run, 1.0)),
)
for _sentence, _hint, _made in (
    ("The influences are divided by their sum.", OWN, lambda each: each / each.sum()),
    ("The influences are without their signs.", SIGN, torch.abs),
    ("The influences are cumulative over the conversations.", OWN, lambda each: each.cumsum(0)),
    ("The influences are sorted.", OWN, lambda each: each.sort(descending=True).values),
):
    one_update.mistake(_sentence, _hint, lambda *call, made=_made: (made(influence(*call)[0]), influence(*call)[1]))
one_update.mistake(
    "Negative influences are set to 0.", SIGN, partial(traced, terms=lambda run, rate: terms_of(run, rate).relu())
)
one_update.mistake(
    "Each training gradient is multiplied by the mean training gradient, not by that of the test.",
    "The other gradient is that of the test loss, at the same weights.",
    partial(traced, terms=lambda run, rate: rate / len(run.losses) * dots(run.own, run.own.mean(1)).sum(0)),
)
one_update.mistake(
    "Each training gradient is multiplied by itself.",
    "The other gradient is that of the test loss, at the same weights.",
    partial(traced, terms=lambda run, rate: rate / len(run.losses) * run.own.square().sum((0, 2, 3))),
)
one_update.mistake(
    "The test gradient is divided by its norm.",
    DOT,
    partial(
        traced, terms=lambda run, rate: rate / len(run.losses) * dots(run.own, tracing.directions(run.goals)).sum(0)
    ),
)
one_update.mistake(
    "The own gradients are divided by their norms.",
    DOT,
    partial(
        traced,
        terms=lambda run, rate: rate / len(run.losses) * dots(tracing.directions(run.own), run.goals).sum(0),
    ),
)
one_update.mistake(
    "The influences are how far each conversation's own loss falls.",
    "Influence is about the test loss: multiply each own gradient by the gradient of the test loss.",
    partial(traced, terms=lambda run, rate: run.losses - run.last_losses),
)
one_update.mistake(
    "Each conversation's part of an update is tried out alone, and the true change of the test loss is taken.",
    DOT,
    tracing.tried_out,
)
one_update.mistake(
    "There is one update too many.",
    "`steps` updates: `range(steps)`.",
    lambda weight, train, test, rate, steps: influence(weight, train, test, rate, steps + 1),
)
one_update.mistake(
    "The gradients are multiplied by the weights, not by the test gradient.",
    DOT,
    lambda weight, train, test, rate, steps: traced(
        weight, train, test, rate, steps, terms=lambda run, rate: rate / len(train) * dots(run.own, run.weights).sum(0)
    ),
)
for _sentence, _reported in (
    ("The error has the wrong sign.", lambda total, run: run.gain - total.sum().item()),
    ("The gain in the error has the wrong sign.", lambda total, run: total.sum().item() + run.gain),
    ("The second result is the gain, not the error of the sum.", lambda total, run: run.gain),
    ("The second result is the sum of the influences, not its error.", lambda total, run: total.sum().item()),
    ("The error is relative to the gain.", lambda total, run: off_by(total, run) / (run.gain or 1.0)),
    ("The error is relative to the sum.", lambda total, run: off_by(total, run) / (total.sum().item() or 1.0)),
    ("The gain in the error is that of the training loss.", lambda total, run: total.sum().item() - run.own_gain),
    ("The error is made of the mean of the influences.", lambda total, run: total.mean().item() - run.gain),
):
    one_update.mistake(_sentence, GAIN, partial(traced, off=_reported))
one_update.mistake(
    "The gradients are those after the update.",
    NOW,
    partial(traced, terms=lambda run, rate: rate / len(run.losses) * dots(run.all_own[1:], run.all_goals[1:]).sum(0)),
)
one_update.mistake(
    "The test gradient is that after the update.",
    NOW,
    partial(traced, terms=lambda run, rate: rate / len(run.losses) * dots(run.own, run.all_goals[1:]).sum(0)),
)
one_update.mistake(
    "An update uses the sum of the gradients, not their mean.",
    "The training loss is a mean over the conversations. So is its gradient: `grads.mean(0)`.",
    partial(traced, move=lambda weight, own, rate: weight - rate * own.sum(0)),
)
one_update.mistake(
    "An update uses the sum of the gradients, and the influences aren't divided by n.",
    "The training loss is a mean over the conversations: divide by n in both.",
    partial(
        traced,
        move=lambda weight, own, rate: weight - rate * own.sum(0),
        terms=lambda run, rate: terms_of(run, rate) * len(run.losses),
    ),
)
one_update.mistake(
    "The updates go uphill.",
    "The gradient says where the loss rises. Subtract it.",
    partial(traced, move=lambda weight, own, rate: weight + rate * own.mean(0)),
)
one_update.mistake(
    "Each conversation has an update of its own, one after the other.",
    "One update per step, with the mean of all training gradients.",
    tracing.one_by_one,
)
one_update.mistake(
    "Each conversation has an update of its own, with the full rate.",
    "One update per step, with the mean of all training gradients.",
    partial(tracing.one_by_one, whole_rate=True),
)
one_update.mistake(
    "The influences are those of leaving a conversation out and training again.",
    "One run is enough: add up the dot products of its gradients.",
    tracing.left_out,
)
one_update.mistake(
    "The softmax is taken twice.",
    "`F.cross_entropy` takes logits. It contains the softmax.",
    partial(traced, twice=True),
)
one_update.mistake(
    "Token 0 isn't learned.",
    "Only -100 doesn't count; 0 is a token like any other.",
    partial(traced, weigh=lambda labels: tracing.mean_where((labels > 0) | (labels == labels.amax()), labels)),
)
for _sentence, _summed in (
    ("The loss of a conversation is a sum over its labels, in training and in the test.", (True, True)),
    ("The loss of a training conversation is a sum over its labels.", (True, False)),
    ("The loss of a test conversation is a sum over its labels.", (False, True)),
):
    one_update.mistake(_sentence, MEAN, partial(traced, summed=_summed))
for _sentence, _shift in (
    ("The labels are shifted by one: row t is asked for label t + 1.", -1),
    ("The labels are shifted by one: row t is asked for label t - 1.", 1),
):
    one_update.mistake(
        _sentence,
        "Row t of `x` already belongs to `labels[t]`.",
        lambda weight, train, test, rate, steps, by=_shift: traced(
            weight, tracing.shifted(train, by), tracing.shifted(test, by), rate, steps
        ),
    )

updates = question.probe(
    "several updates, several tests", influences.several_steps, influences.fits, kinds=influences.MORE
)
for _sentence, _how in (
    ("The test gradient is always that of the untrained model.", lambda run: dots(run.own, run.goals[:1])),
    ("The test gradient is always that of the trained model.", lambda run: dots(run.own, run.all_goals[-1:])),
    ("The training gradients are always those of the untrained model.", lambda run: dots(run.own[:1], run.goals)),
    ("Only the last update counts.", lambda run: dots(run.own, run.goals)[-1:]),
    ("Only the first update counts.", lambda run: dots(run.own, run.goals)[:1]),
    ("The influences are averaged over the updates, not summed.", lambda run: dots(run.own, run.goals).mean(0)[None]),
    ("The gradients of earlier updates are still in them: nothing clears them.", tracing.piled_up),
):
    updates.mistake(
        _sentence, NOW, partial(traced, terms=lambda run, rate, how=_how: rate / len(run.losses) * how(run).sum(0))
    )
updates.mistake(
    "There is one update too few.",
    "`steps` updates: `range(steps)`.",
    lambda weight, train, test, rate, steps: influence(weight, train, test, rate, steps - 1),
)
updates.mistake(
    "All updates use the gradients of the untrained model.",
    "Compute the gradients again in each step, at the new weights.",
    lambda weight, train, test, rate, steps: tracing.frozen(weight, train, test, rate, steps),
)
updates.mistake(
    "The gradients add up over the updates, and the model is trained with the sums.",
    "Clear `grad` in each step, or use `torch.autograd.grad`, which adds nothing up.",
    tracing.accumulated,
)
updates.mistake(
    "The test gradient is summed over the test conversations, not averaged.",
    "The test loss is a mean over the test conversations.",
    partial(traced, terms=lambda run, rate: terms_of(run, rate) * run.n_tests),
)
updates.mistake(
    "The test loss is a sum over the test conversations, not a mean.",
    "The test loss is a mean over the test conversations.",
    partial(
        traced,
        terms=lambda run, rate: terms_of(run, rate) * run.n_tests,
        off=lambda total, run: total.sum().item() - run.gain * run.n_tests,
    ),
)
updates.mistake(
    "Only the first test conversation is used.",
    "The test loss is a mean over all test conversations.",
    lambda weight, train, test, *rest: influence(weight, train, test[:1], *rest),
)
updates.mistake(
    "Only the last test conversation is used.",
    "The test loss is a mean over all test conversations.",
    lambda weight, train, test, *rest: influence(weight, train, test[-1:], *rest),
)
updates.mistake(
    "The gain in the error is that of the last update only.",
    "Keep the test loss from before the first update.",
    partial(traced, off=lambda total, run: total.sum().item() - (run.test_losses[-2] - run.test_losses[-1])),
)
updates.mistake(
    "The gain in the error leaves out the last update.",
    "Compute the test loss once more, after the last update.",
    partial(traced, off=lambda total, run: total.sum().item() - (run.test_losses[0] - run.test_losses[-2])),
)

unequal = question.probe(
    "conversations of different lengths", influences.unequal_lengths, influences.large_or_fits, kinds=influences.UNEQUAL
)
unequal.mistake(
    "Long conversations weigh more: the losses are means over all tokens of all conversations.",
    EQUAL,
    partial(traced, pooled=True),
)
unequal.mistake(
    "Long conversations weigh more in the training loss: it's a mean over all tokens.",
    EQUAL,
    partial(traced, pooled=(True, False)),
)
unequal.mistake(
    "Long conversations weigh more in the test loss: it's a mean over all tokens.",
    EQUAL,
    partial(traced, pooled=(False, True)),
)
unequal.mistake(
    "The loss of a conversation is divided by the number of all its labels, those of -100 included.",
    MEAN,
    partial(traced, weigh=lambda labels: (labels != IGNORE).double() / len(labels)),
)
unequal.mistake(
    "A label of -100 is taken for token 0, and counts.",
    "Leave these labels out of the sum and of the number: `F.cross_entropy` does.",
    partial(traced, weigh=lambda labels: torch.full((len(labels),), 1 / len(labels))),
)
