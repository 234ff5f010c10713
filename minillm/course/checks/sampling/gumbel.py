"""07.2, a bug-hunt: the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014) with a temperature that has no effect.

Noise that is added before the division is divided with the logits, and no positive factor changes an argmax. The other
traps are real, too: a sampler of executorch divided by 1e-6 at temperature 0 (pull request 22631), and torch's
`gumbel_softmax` is NaN there (its issue 184031). `torch.rand` returns 0 about once in 17 million numbers, which is once
in some 340 tokens of a vocabulary of 49,152."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import whole_numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question
from minillm.course.checks.sampling.noise import (
    COLD,
    WARM,
    all_cold,
    at_temperature,
    by_zero,
    cold_batches,
    divided_too,
    drawn_with,
    gumbel_max,
    gumbel_noise,
    inverse_cdf,
    noise_divided,
    on_probabilities,
    removed_come_back,
    scores_of,
    small_is_raised,
    small_is_zero,
    warm_batches,
    zero_times_infinity,
)

ENOUGH = 5  # wrong rows that a mistake must explain


def _like(wanted: Tensor, answer: Any) -> Tensor | None:
    """An answer as ids, if it has the right shape."""
    return None if (ids := as_tensor(answer)) is None or ids.shape != wanted.shape else ids.double()


def _which_row(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The only mistake that explains every wrong row, if there are enough of them, or the scores of the first one."""
    given = [ids for wanted, answer in zip(right, got, strict=True) if (ids := _like(wanted, answer)) is not None]
    if len(given) < len(calls):
        return None
    ids = torch.cat(given)
    rows = ids != torch.cat(right)
    fitting: dict[str, str] = {}
    for mistake in [each for probe in question.probes for each in probe.mistakes if rows.sum() >= ENOUGH]:
        outputs = [_like(wanted, mistake.answer(*call)) for call, wanted in zip(calls, right, strict=True)]
        drawn = [each for each in outputs if each is not None]
        if len(drawn) == len(calls) and torch.equal(torch.cat(drawn)[rows], ids[rows]):
            fitting[mistake.sentence] = mistake.hint
    if len(fitting) == 1:
        ((sentence, hint),) = fitting.items()
        return f"In some rows, this is what happens: {sentence}", hint
    for call, wanted, answer in zip(calls, right, got, strict=True):
        ids = _like(wanted, answer)
        if ids is None or not difference(wanted, answer):
            continue
        row = int((ids != wanted).nonzero()[0])
        t, drawn, due = float(call[1][row]), int(ids[row]), int(wanted[row])
        if not 0 <= drawn < call[0].shape[1]:
            return f"{drawn} is drawn in row {row}, which is not a token.", "Return the index of the largest score."
        scores = scores_of(*call)[row]
        words = f"At temperature {t:.4g}, token {due} has the score {scores[due]:.4g} (logits + temperature * noise)"
        if not torch.cat([call[1] for call in calls])[rows].any():
            words = (
                f"Only rows with temperature 0 are wrong. In one of them, token {due} has the logit {scores[due]:.4g}"
            )
        hint = "Compute the scores of this row by hand. Is the noise made of this row's own `u`?"
        return f"{words}, and token {drawn}, which is drawn in row {row}, has {scores[drawn]:.4g}.", hint
    return None


question = Question(
    "07.2", "Gumbel-max: a temperature without effect", gumbel_max, forbidden=("minillm", "torch.distributions")
)

warm = question.probe("temperatures above 0", warm_batches, kinds=WARM, demand=whole_numbers, otherwise=_which_row)
warm.mistake(
    "The temperature still has no effect: it divides the noise, too, or is not used.",
    "A positive factor of *all* scores changes no argmax. Divide the logits alone, then add the noise.",
    divided_too,
)
warm.mistake(
    "The logits are multiplied by the temperature, or the noise is divided by it.",
    "Divide the logits by the temperature. Or multiply the noise by it.",
    noise_divided,
)
warm.mistake(
    "The noise has the other sign.",
    "Gumbel noise is -log(-log u): with a minus before each logarithm.",
    partial(drawn_with, noise=lambda u: -gumbel_noise(u)),
)
warm.mistake(
    "The noise has a single logarithm: -log u.",
    "Gumbel noise is -log(-log u).",
    partial(drawn_with, noise=lambda u: -u.log()),
)
warm.mistake(
    "The noise is log u.",
    "Gumbel noise is -log(-log u).",
    partial(drawn_with, noise=torch.log),
)
warm.mistake(
    "u itself is added, without any logarithm.",
    "Uniform noise gives other probabilities. Gumbel noise is -log(-log u).",
    partial(drawn_with, noise=lambda u: u),
)
warm.mistake(
    "The noise is made of 1 - u.",
    "Gumbel noise is -log(-log u), of u itself.",
    partial(drawn_with, noise=lambda u: gumbel_noise(1 - u)),
)
warm.mistake(
    "The noise is logistic, log(u / (1 - u)).",
    "Gumbel noise is -log(-log u).",
    partial(drawn_with, noise=torch.logit),
)
warm.mistake(
    "The logarithms of the noise have the base 2.",
    "Gumbel noise uses the natural logarithm: -log(-log u).",
    partial(drawn_with, noise=lambda u: -(-u.log2()).log2()),
)
warm.mistake(
    "The noise is added to probabilities, after a softmax.",
    "Add it to the logits (or to log-probabilities): the sum is then an exact sample.",
    on_probabilities,
)
warm.mistake(
    "It is greedy: the noise is not used.",
    "Add the noise -log(-log u) to the logits before the argmax.",
    lambda logits, temperature, u: logits.argmax(-1),
)
warm.mistake(
    "The smallest score is drawn.",
    "Take the argmax.",
    partial(drawn_with, choose=lambda scores: scores.argmin(-1)),
)
warm.mistake(
    "All rows use the temperature of the first.",
    "Each text has its own: give `temperature` a new axis, `temperature[:, None]`.",
    lambda logits, temperature, u: at_temperature(logits, temperature, u, temperature[0]),
)
for _which, _of in (("mean", torch.mean), ("largest", torch.max)):
    warm.mistake(
        f"All rows use the {_which} temperature.",
        "Each text has its own: give `temperature` a new axis, `temperature[:, None]`.",
        lambda logits, temperature, u, of=_of: at_temperature(logits, temperature, u, of(temperature)),
    )
warm.mistake(
    "The ids are counted from 1.",
    "Token v has the id v, from 0 on: what `argmax` gives.",
    lambda *call: gumbel_max(*call) + 1,
)
warm.mistake(
    "All rows use the noise of the first.",
    "Each text has its own random numbers, a row of `u`.",
    lambda logits, temperature, u: gumbel_max(logits, temperature, u[:1].expand_as(u)),
)
warm.mistake(
    "The temperatures are taken in the reverse order.",
    "Row b has the temperature `temperature[b]`.",
    lambda logits, temperature, u: gumbel_max(logits, temperature.flip(0), u),
)
for _order in (lambda u: u.flip(1), lambda u: u.sort(1).values):
    warm.mistake(
        "The random numbers of a row are taken in another order.",
        "Token v gets `u[b, v]`. Neither sort nor reverse them.",
        lambda logits, temperature, u, order=_order: gumbel_max(logits, temperature, order(u)),
    )
for _least in (0.1, 0.05, 0.01, 0.001):
    warm.mistake(
        "u is kept above a number that is too large: all smaller ones get the same noise.",
        "`torch.rand` gives any number from 0 on. Only 0 itself is a problem: 1e-20 is enough.",
        partial(drawn_with, noise=lambda u, least=_least: gumbel_noise(u.clamp_min(least))),
    )
warm.mistake(
    "The second largest score is drawn.",
    "Take the argmax.",
    partial(drawn_with, choose=lambda scores: scores.topk(2).indices[:, 1]),
)
warm.mistake(
    "u is subtracted from probabilities.",
    "That gives other probabilities. Add the noise -log(-log u) to the logits.",
    lambda logits, temperature, u: on_probabilities(logits, temperature, u, noise=torch.neg),
)
warm.mistake(
    "The noise at a row's temperature is added to the probabilities of its softmax.",
    "Add it to the logits (or to log-probabilities): the sum is then an exact sample.",
    lambda logits, temperature, u: gumbel_max(logits.softmax(-1), temperature, u),
)
warm.mistake(
    "Temperatures below 1 are replaced by 1.",
    "Any temperature above 0 may be used: it divides the logits.",
    lambda logits, temperature, u: at_temperature(logits, temperature, u, temperature.clamp_min(1)),
)
for _column in (0, -1):
    warm.mistake(
        "Each row uses a single random number, in the cumulative sum of its probabilities.",
        "That samples, too, but not with this noise. Each token has its own u.",
        partial(inverse_cdf, column=_column),
    )
warm.mistake(
    "The noise is multiplied by the square of the temperature.",
    "Use `logits / temperature + noise`: the temperature enters once.",
    lambda logits, temperature, u: at_temperature(logits, temperature, u, temperature**2),
)
warm.mistake(
    "The noise is multiplied by the square root of the temperature.",
    "Use `logits / temperature + noise`: the temperature enters once.",
    lambda logits, temperature, u: at_temperature(logits, temperature, u, temperature**0.5),
)
for _limit in (0.1, 0.01, 0.003):
    warm.mistake(
        "Small temperatures are taken for 0: there the noise is not used.",
        "Only a temperature of exactly 0 is greedy; where logits are close to each other, a small one still draws.",
        partial(small_is_zero, limit=_limit),
    )
    warm.mistake(
        "Small temperatures are raised to a smallest one.",
        "Any temperature above 0 may be used as it is; logits may be as close to each other as it is to 0.",
        partial(small_is_raised, limit=_limit),
    )
warm.mistake(
    "The largest score comes back, not its index.",
    "Return ids: `argmax`, not `max` or `amax`.",
    partial(drawn_with, choose=lambda scores: scores.amax(-1)),
)
warm.mistake(
    "The argmax is over the texts, not over the vocabulary.",
    "Each text draws one token: `argmax(-1)`.",
    partial(drawn_with, choose=lambda scores: scores.argmax(0)),
)
warm.mistake(
    "One token is drawn for the whole batch.",
    "Each text draws its own: `argmax(-1)`.",
    partial(drawn_with, choose=torch.argmax),
)
warm.mistake(
    "Each row is one-hot, not an id.",
    "Return the id of the token that is drawn, (B,).",
    lambda logits, *rest: torch.nn.functional.one_hot(gumbel_max(logits, *rest), logits.shape[1]),
)
warm.mistake(
    "Negative logits are set to 0.",
    "A logit may be any number. Only the differences within a row count.",
    lambda logits, temperature, u: gumbel_max(logits.clamp_min(0), temperature, u),
)

cold = question.probe(
    "temperature 0, removed tokens and u = 0",
    cold_batches,
    same=[warm.mistakes[0], warm.mistakes[10]],
    kinds=COLD,
    demand=whole_numbers,
    otherwise=_which_row,
)
for _least, _multiplied in ((0.0, False), (1e-30, False), (0.0, True)):
    cold.mistake(
        "At temperature 0 the logits are divided by 0, so infinity or NaN is drawn.",
        "Such rows need the argmax of their logits: `torch.where(temperature == 0, logits.argmax(-1), drawn)`.",
        partial(by_zero, least=_least, multiplied=_multiplied),
    )
cold.mistake(
    "At temperature 0, a u of 0 gives 0 times an infinite noise: NaN, which argmax takes for the largest number.",
    "Select with `torch.where` instead of multiplying by 0, or keep u a little above 0.",
    zero_times_infinity,
)
for _other in (1.0, 0.5, 0.1):
    cold.mistake(
        "At temperature 0 tokens are still drawn at random.",
        "Temperature 0 means the largest logit for any `u`.",
        lambda logits, temperature, u, other=_other: at_temperature(
            logits, temperature, u, torch.where(temperature > 0, temperature, other), cold=False
        ),
    )
cold.mistake(
    "At temperature 0, token 0 is drawn.",
    "Temperature 0 means the largest logit: `logits.argmax(-1)`.",
    lambda logits, temperature, u: torch.where(temperature > 0, gumbel_max(logits, temperature, u), 0),
)
cold.mistake(
    "If one text has temperature 0, all texts are decoded greedily.",
    "Decide for each row: `torch.where(temperature == 0, logits.argmax(-1), drawn)`.",
    all_cold,
)
cold.mistake(
    "Removed tokens come back: minus infinity is replaced by 0.",
    "Minus infinity plus any noise is still minus infinity. Leave it as it is.",
    removed_come_back,
)
