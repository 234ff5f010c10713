"""08.1: an ablation with its standard error: runs in pairs that differ in the schedule of the learning rate only.

Both runs of a pair share start and batches, so the error is that of the differences (a paired comparison).
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.pretraining import experiments, pairs
from minillm.course.checks.pretraining.experiments import (
    Gain,
    changed,
    ends,
    gains,
    mean_by,
    measured_on,
    signed,
    summed_up,
    with_error,
    with_spread,
)
from minillm.course.checks.pretraining.pairs import neighbors, rates, run, validation_loss
from minillm.course.checks.question import Question
from minillm.course.checks.underflow import not_finite


def decay_gain(
    starts: Float[Tensor, "S V V"], batches: Int[Tensor, "S N B T"], validation: Int[Tensor, "_ _"], rate: float
) -> Gain:
    """The right answer, with the gradient in closed form: softmax minus one-hot, for all pairs at once.

    >>> starts = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [1.0, 0.0]]])
    >>> batches = torch.tensor([[[[0, 1, 1]], [[1, 0, 1]]], [[[0, 1, 1]], [[1, 0, 1]]]])
    >>> gain, error = decay_gain(starts, batches, torch.tensor([[0, 1, 0, 0]]), 1.0)
    >>> round(gain, 4), round(error, 4)
    (-0.0203, 0.009)
    """
    return with_error(ends(starts, batches, validation, rate))


question = Question("08.1", "An ablation with its error", decay_gain, parts=("gain", "error"))

BEGIN = "Keep `start`, and begin both runs with a copy of it."
SHIFT = "The logits of a token say what comes after it: `table[ids[:, :-1]]` against `ids[:, 1:]`."
ERROR = "The standard error of a mean is s / √S, where s is the sample standard deviation of the S gains."
FALLING = "Update k uses rate · (1 - k / N), with k from 0 to N - 1."

single = question.probe("one text per batch", experiments.single_texts, kinds=experiments.SINGLE)
for _sentence, _spread in (
    ("The error is the standard deviation of the gains, not that of their mean.", lambda each: each.std()),
    ("The standard deviation is divided by S, not by its root.", lambda each: each.std() / len(each)),
    ("The root is missing: the error is a variance.", lambda each: each.var() / len(each)),
    ("The variance of the gains is not divided by S, and has no root.", lambda each: each.var()),
    ("The error is a 95% interval, about two standard errors.", lambda each: 1.96 * each.std() / len(each) ** 0.5),
):
    single.mistake(_sentence, ERROR, partial(summed_up, with_spread(_spread)))
single.mistake(
    "The standard deviation is that of a population: its squares are divided by S, not by S - 1.",
    "The mean is estimated from the same gains, so divide by S - 1. In numpy that's `ddof=1`.",
    partial(summed_up, with_spread(lambda each: each.std(correction=0) / len(each) ** 0.5)),
)
single.mistake(
    "The standard deviation is divided by the root of S - 1.",
    "S - 1 is for the standard deviation. Divide that by the root of S.",
    partial(summed_up, with_spread(lambda each: each.std() / (len(each) - 1) ** 0.5)),
)


@single.mistake(
    "The error is computed as if the runs weren't paired.",
    "Subtract first, seed by seed. What both runs of a pair share cancels. Then take the error of the differences.",
)
def _unpaired(*call):
    losses = ends(*call)
    error = (losses.var(0).sum() / len(losses)).sqrt().item() if len(losses) > 1 else float("nan")
    return gains(losses).mean().item(), error


single.mistake(
    "The gain has the wrong sign: it's the loss after the falling run minus that after the constant one.",
    "If the falling rate helps, its loss is lower, and the gain is positive.",
    signed(lambda losses: losses[:, 1] - losses[:, 0]),
)
single.mistake(
    "Gain and error are relative, as shares of the constant run's loss.",
    "Subtract the two losses, and don't divide: the gain is in nats.",
    signed(lambda losses: gains(losses) / losses[:, 0]),
)
single.mistake(
    "Gain and error are in bits.",
    "Nats are asked for: use the natural logarithm.",
    signed(lambda losses: gains(losses) / torch.tensor(2.0).log()),
)


single.mistake("The gains are summed, not averaged.", "Divide by the number of seeds.", mean_by(torch.sum))
single.mistake("The gain is that of the first seed.", "Average over all seeds.", mean_by(lambda each: each[0]))
single.mistake("The gain is that of the last seed.", "Average over all seeds.", mean_by(lambda each: each[-1]))
single.mistake("The gain is the median of the seeds.", "Average over all seeds: `mean`.", mean_by(torch.median))


@single.mistake(
    "Only the first seed counts, and its error is NaN.", "Loop over all seeds, with `zip(starts, batches)`."
)
def _first_seed(starts, batches, validation, rate):
    return decay_gain(starts[:1], batches[:1], validation, rate)


single.mistake(
    "The first run is compared with the table before any training.",
    "Compare the two trained tables with each other.",
    lambda starts, batches, validation, rate: with_error(
        ends(starts, batches, validation, rate, schedule=lambda rate, n: ([rate] * n, [0.0] * n))
    ),
)
single.mistake(
    "The falling run is compared with the table before any training.",
    "Compare the two trained tables with each other.",
    changed(schedule=lambda rate, n: ([0.0] * n, rates(rate, n)[1])),
)
single.mistake("The second run goes on from the table that the first one trained.", BEGIN, changed(goes_on=True))
for _sentence, _falling in (
    ("The rate is 0 at the last update already: it falls by 1 / (N - 1) per update.", pairs.to_zero),
    ("The falling rate is one update ahead: k counts from 1, not from 0.", pairs.from_one),
    ("The factors 1 - k / N are multiplied with each other from update to update.", pairs.compounded),
    ("The rate falls along a cosine.", pairs.cosine),
    ("The rate rises: its factor is k / N.", pairs.rising),
    ("The rate doesn't fall linearly: it's divided by k + 1.", pairs.divided),
    ("The rate doesn't fall linearly: it's multiplied by 0.9 after each update.", pairs.exponential),
):
    single.mistake(_sentence, FALLING, changed(schedule=pairs.falling_by(_falling)))
single.mistake(
    "The constant run uses the mean of the falling rates.",
    "Every update of the constant run uses `rate`.",
    changed(schedule=lambda rate, n: ([sum(rates(rate, n)[1]) / n] * n, rates(rate, n)[1])),
)
single.mistake(
    "The updates go uphill.",
    "The gradient says where the loss rises. Subtract it.",
    changed(train=lambda table, texts, own, count: run(table, texts, [-each for each in own], count)),
)
single.mistake(
    "The gradients of earlier batches are still in each update: nothing clears them.",
    "Clear `grad` before each `backward`, or use `torch.autograd.grad`, which adds nothing up.",
    changed(train=pairs.accumulated),
)
single.mistake(
    "The last update is missing.",
    "Update with every batch, then compute the validation loss.",
    changed(train=lambda table, texts, own, count: run(table, texts[:-1], own[:-1], count)),
)
single.mistake(
    "Each run uses its first batch in all updates.",
    "Update k uses batch k.",
    changed(train=lambda table, texts, own, count: run(table, texts[:1].expand_as(texts), own, count)),
)
single.mistake(
    "All seeds use the batches of the first one.",
    "Seed i has its own batches, `batches[i]`.",
    lambda starts, batches, *rest: decay_gain(starts, batches[:1].expand_as(batches), *rest),
)
single.mistake(
    "All seeds begin with the table of the first one.",
    "Seed i has its own start, `starts[i]`.",
    lambda starts, batches, *rest: decay_gain(starts[:1].expand_as(starts), batches, *rest),
)


for _sentence, _texts in (
    ("The loss is measured on all training texts, not on the validation texts.", lambda texts: texts.flatten(0, 1)),
    ("The loss is measured on the last batch, not on the validation texts.", lambda texts: texts[-1]),
):
    single.mistake(_sentence, "After each run, compute the loss on `validation`.", measured_on(_texts))
single.mistake(
    "Nothing is shifted: each token is asked for itself.",
    SHIFT,
    changed(count=lambda ids, V: neighbors(ids[..., None].expand(*ids.shape, 2).flatten(0, 1), V)),
)
single.mistake(
    "It's shifted the wrong way: each token is asked for the one before it.",
    SHIFT,
    changed(count=lambda ids, V: neighbors(ids, V).T),
)
single.mistake(
    "The table is read by columns.",
    "Row a has the logits of what comes after token a: `table[ids]` looks up rows.",
    lambda starts, *rest: decay_gain(starts.mT, *rest),
)
single.mistake(
    "The loss of a batch is a sum over its pairs, so the updates are too large.",
    "Take the mean over all pairs of the batch.",
    changed(count=pairs.summed, measure=neighbors),
)
single.mistake(
    "The losses are summed over the pairs, in training and in validation.",
    "Take the mean over all pairs.",
    changed(count=pairs.summed),
)
single.mistake(
    "The validation loss is a sum over the pairs.",
    "Take the mean over all pairs of the validation texts.",
    changed(measure=pairs.summed),
)

for _sentence, _hint, _count in (
    (
        "The sum over the pairs is divided by the number of tokens.",
        "A text of T tokens has T - 1 pairs.",
        pairs.over_all_tokens,
    ),
    ("Only the last pair of each text counts.", "All pairs of neighboring tokens count.", pairs.last_pairs),
    ("It's shifted by two: each token is asked for the one after the next.", SHIFT, pairs.two_on),
):
    single.mistake(_sentence, _hint, changed(count=_count))
single.mistake(
    "Only the last pair of each text counts in training.",
    "All pairs of neighboring tokens count.",
    changed(count=pairs.last_pairs, measure=neighbors),
)
single.mistake(
    "The updates have momentum.",
    "Plain gradient descent: subtract the rate times the gradient of this batch.",
    changed(train=pairs.with_momentum),
)
single.mistake(
    "The softmax is taken twice.",
    "`F.cross_entropy` takes logits. It contains the softmax.",
    changed(train=pairs.of_probabilities),
)
single.mistake(
    "The falling run sees the batches in another order.",
    "The two runs of a pair differ in the rate only.",
    lambda starts, batches, *rest: with_error(
        torch.stack((ends(starts, batches, *rest)[:, 0], ends(starts, batches.flip(1), *rest)[:, 1]), 1)
    ),
)
single.mistake(
    "The two results are the mean losses of both runs.",
    "Return the mean of their differences, and its standard error.",
    lambda *call: tuple(ends(*call).mean(0).tolist()),
)
single.mistake(
    "The gain is a difference of perplexities, e to the loss.",
    "The gain is in nats: subtract the losses.",
    signed(lambda losses: gains(losses.exp())),
)


@single.mistake("The table of a seed is the start of the next one.", "Seed i has its own start, `starts[i]`.")
def _through_the_seeds(starts, batches, validation, rate):
    losses = []
    for own in rates(rate, batches.shape[1]):
        table, each = starts[0], []
        for texts in batches:
            table = run(table, texts, own, neighbors)
            each.append(validation_loss(table, validation, neighbors))
        losses.append(each)
    return with_error(torch.tensor(losses, dtype=torch.float64).T)


several = question.probe("several texts", experiments.several_texts, not_finite, kinds=experiments.SEVERAL)
several.mistake(
    "The last token of a text and the first of the next one are taken for a pair.",
    "A pair lies within one text. Shift along the last axis, and flatten after that.",
    changed(count=lambda ids, V: neighbors(ids.reshape(1, -1), V)),
)
several.mistake(
    "Pairs across texts count in training.",
    "A pair lies within one text. Shift along the last axis, and flatten after that.",
    changed(count=lambda ids, V: neighbors(ids.reshape(1, -1), V), measure=neighbors),
)
several.mistake(
    "The loss is averaged within each text, and summed over the texts.",
    "Take the mean over all pairs of all texts.",
    changed(count=lambda ids, V: neighbors(ids, V) * len(ids)),
)
several.mistake(
    "Only the first text of each batch is used.",
    "A batch has B texts, and all of their pairs count.",
    lambda starts, batches, *rest: decay_gain(starts, batches[:, :, :1], *rest),
)
several.mistake(
    "Each text has an update of its own.",
    "One update per batch, with the mean over all of its texts.",
    changed(train=pairs.text_by_text),
)

one = question.probe("one seed, or one update", experiments.one_seed, kinds=experiments.ONE)


@one.mistake(
    "With one seed the error is 0, as if the gain were certain.",
    "One number says nothing about the spread. Return NaN: `float('nan')`.",
)
def _certain(*call):
    gain, error = decay_gain(*call)
    return gain, error if len(call[0]) > 1 else 0.0
