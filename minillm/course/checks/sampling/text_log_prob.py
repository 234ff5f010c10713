"""07.1: the log-probability with which a sampler writes a text, with min-p (Nguyen et al. 2024) and a temperature.

TRL's GRPO trainer left the temperature out of it until pull request 3029. Its sampler and its loss then had different
distributions, and no error said so.
"""

import math
from functools import partial
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question
from minillm.course.checks.sampling.text_probs import (
    WITH,
    WITHOUT,
    after_min_p,
    finite_for_removed,
    most_probable,
    out_of_all,
    own_kept,
    scaled_afterwards,
    share_of_logit,
    shifted,
    temperature_first,
    text_log_prob,
    text_with,
    token_log_probs,
    with_min_p,
    without_min_p,
    zeros_for_removed,
)


def _explained(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A mistake that most results show, a number that no log-probability can be, or the parts of the right sum."""
    wrong = [each for each in zip(calls, right, got, strict=True) if difference(*each[1:])]
    call, _, answer = wrong[0]
    value = as_tensor(answer)
    if value is None or (value.dim() and value.numel() == 1):
        return None
    if value.numel() != 1:
        return f"The result has {value.numel()} numbers, and one is asked for.", "Sum over the tokens of the text."
    telling = [each for each in wrong if type(each[2]) is float and math.isfinite(each[2]) and each[2]]
    if len(telling) > 2:  # 0 and infinity agree by chance
        for mistake in {mistake.sentence: mistake for probe in question.probes for mistake in probe.mistakes}.values():
            agreeing = [each for each in telling if difference(mistake.answer(*each[0]), each[2]) is None]
            if len(agreeing) > 0.75 * len(telling):
                return f"In some cases, this is what happens: {mistake.sentence}", mistake.hint
    return _kept(wrong) or _no_such_number(wrong) or _parts(call, float(value))


def _kept(wrong: list[tuple[Call, Any, Any]]) -> tuple[str, str] | None:
    """Whether every wrong result is as if too many tokens were kept, or too few, which raises the probability."""
    if len(wrong) < 3 or any(call[3] in (0, 1) or not isinstance(answer, float) for call, _, answer in wrong):
        return None
    hint = "Print which tokens of each row you keep, and the largest probability times `min_p`."
    plain = [text_log_prob(call[0], call[1], call[2], 0.0) for call, _, _ in wrong]
    if all(
        least - 1e-4 * abs(least) <= answer and (answer < wanted or wanted == -math.inf)
        for least, (_, wanted, answer) in zip(plain, wrong, strict=True)
    ):
        return "Too many tokens are kept: the result lies between the right one and that without min-p.", hint
    if all(wanted < answer < 0 or answer == -math.inf < wanted for call, wanted, answer in wrong):
        return "Too few tokens are kept: the result is above the right one, or minus infinity.", hint
    return None


def _no_such_number(wrong: list[tuple[Call, Any, Any]]) -> tuple[str, str] | None:
    for _, wanted, answer in wrong:
        number = float(answer)
        if math.isnan(number):
            return "The result is NaN: are all tokens of a row removed, or does something overflow?", (
                "The largest probability is always kept, and `log_softmax` doesn't overflow."
            )
        if number == -math.inf:
            return "The result is minus infinity for a text that the sampler can write.", (
                "Is a token removed that must stay? Or does a probability or a product underflow to 0? Add logarithms."
            )
        if wanted == -math.inf:
            return f"The sampler can't write this text, and the result is {number:.4g}.", (
                "What min-p removes has the probability 0, and its logarithm is minus infinity."
            )
        if number > 1e-6:
            return f"The result is {number:.4g}, and a log-probability is never above 0.", (
                "A probability is at most 1. Take its logarithm, and sum over the tokens."
            )
    return None


def _parts(call: Call, number: float) -> tuple[str, str]:
    each = token_log_probs(*call).tolist()
    listed = ", ".join(f"{x:.4g}" for x in each[:8]) + " ..." * (len(each) > 8)
    hint = "Print the log-probability of each token, and compare."
    return f"The log-probabilities of the tokens are {listed}, and the result is {number:.4g}.", hint


question = Question(
    "07.1", "The log-probability of a sampled text", text_log_prob, forbidden=("minillm", "torch.distributions")
)

without_cut = question.probe("temperature alone", without_min_p, _explained, kinds=WITHOUT)
without_cut.mistake(
    "The temperature is not used: this is the plain softmax.",
    "The sampler divides the logits by the temperature, so the log-probability must do it, too.",
    partial(text_with, scale=lambda z, temperature: z),
)
without_cut.mistake(
    "The logits are multiplied by the temperature.",
    "They are divided by it: a high temperature flattens the distribution.",
    partial(text_with, scale=lambda z, temperature: z * temperature),
)
without_cut.mistake(
    "The log-probabilities are divided by the temperature, and not normalized afterwards.",
    "Divide the *logits*, then take the log-softmax. Otherwise the probabilities don't sum to 1.",
    scaled_afterwards,
)
without_cut.mistake(
    "It is the mean per token.",
    "The probability of a text is a product over its tokens, so the logarithms are summed.",
    partial(text_with, total=torch.mean),
)
without_cut.mistake(
    "It is the negative log-likelihood, as in a loss.",
    "The log-probability itself is asked for: it is never above 0.",
    lambda *call: -text_log_prob(*call),
)
without_cut.mistake(
    "It is the mean negative log-likelihood, as in a loss.",
    "The log-probability of the whole text is asked for: a sum, never above 0.",
    lambda *call: -text_with(*call, total=torch.mean),
)
without_cut.mistake(
    "It is the probability, not its logarithm.",
    "Return the sum of the logarithms. For a long text, the probability itself underflows to 0.",
    lambda *call: math.exp(text_log_prob(*call)),
)
without_cut.mistake(
    "It is in bits, not in nats.",
    "Use the natural logarithm.",
    lambda *call: text_log_prob(*call) / math.log(2),
)
without_cut.mistake(
    "It is the logarithm to base 10, not to base e.",
    "Use the natural logarithm.",
    lambda *call: text_log_prob(*call) / math.log(10),
)
without_cut.mistake(
    "The logits are divided by the temperature twice.",
    "Divide once, then take the log-softmax.",
    partial(text_with, scale=lambda z, temperature: z / temperature**2),
)
without_cut.mistake(
    "A softmax is taken twice: of probabilities, not of logits.",
    "`log_softmax` expects logits. Divide these by the temperature, not the probabilities.",
    partial(text_with, scale=lambda z, temperature: z.softmax(-1) / temperature),
)
without_cut.mistake(
    "The logits of the tokens are summed, without a softmax.",
    "A logit is not a log-probability. Take the log-softmax of each row first.",
    lambda logits, ids, temperature, min_p: float((logits.double() / temperature).gather(-1, ids[:, None]).sum()),
)
without_cut.mistake(
    "The probabilities of the tokens are summed, not their logarithms.",
    "The probability of a text is a product, so the logarithms are summed.",
    lambda *call: float(token_log_probs(*call).exp().sum()),
)
without_cut.mistake(
    "The first token is left out.",
    "Sum over all positions: row 0 was computed for the first token.",
    lambda *call: float(token_log_probs(*call)[1:].sum()),
)
without_cut.mistake(
    "It is the log-probability of the least probable token.",
    "Sum over all tokens of the text.",
    partial(text_with, total=torch.min),
)
for _least in (1e-12, 1e-10, 1e-9, 1e-8):
    without_cut.mistake(
        "A small number is added to each probability before the logarithm.",
        "It changes what is very improbable. Use `log_softmax`, which needs no such protection.",
        lambda *call, least=_least: float((token_log_probs(*call).exp() + least).log().sum()),
    )
without_cut.mistake(
    "Only the last token counts.",
    "Sum over all positions: each row of `logits` belongs to one token of the text.",
    lambda logits, ids, *rest: text_log_prob(logits[-1:], ids[-1:], *rest),
)
without_cut.mistake(
    "Only the first token counts.",
    "Sum over all positions: each row of `logits` belongs to one token of the text.",
    lambda logits, ids, *rest: text_log_prob(logits[:1], ids[:1], *rest),
)
without_cut.mistake(
    "The tokens are shifted by one: row t is used for token t + 1.",
    "Row t was computed *for* position t. No shift is needed.",
    shifted,
)
without_cut.mistake(
    "It is the log-probability of the most probable tokens, not of those in `ids`.",
    "Take the entry `ids[t]` from row t: `log_p.gather(-1, ids[:, None])`.",
    most_probable,
)
without_cut.mistake(
    "The softmax is over the positions, not over the vocabulary.",
    "Each row is a distribution: `log_softmax(-1)`.",
    partial(text_with, axis=0),
)
without_cut.mistake(
    "It is the perplexity.",
    "Return the sum of the log-probabilities.",
    lambda *call: math.exp(min(700.0, -text_with(*call, total=torch.mean))),
)
without_cut.mistake(
    "It is the difference to the log-probability under the plain softmax.",
    "Only the sampler's own log-probability is asked for.",
    lambda logits, ids, *rest: text_log_prob(logits, ids, *rest) - text_log_prob(logits, ids, 1.0, 0.0),
)
without_cut.mistake(
    "The removed logits are 0, which leaves them a probability.",
    "Set them to minus infinity: e to that power is 0.",
    partial(text_with, cut=zeros_for_removed),
)
without_cut.mistake(
    "Logits are compared, not probabilities.",
    "The limit is `min_p` times the largest *probability*. In logits: the largest one + ln(min_p).",
    partial(text_with, cut=share_of_logit),
)

ALSO = ("The temperature is not", "The log-prob", "It is the mean per", "The softmax is", "The removed", "Logits")
with_cut = question.probe(
    "min-p and temperature",
    with_min_p,
    _explained,
    same=[mistake for mistake in without_cut.mistakes if mistake.sentence.startswith(ALSO)],
    kinds=WITH,
)
with_cut.mistake(
    "`min_p` is not used.",
    "Remove the tokens below `min_p` times the largest probability first: the others share what they held.",
    lambda logits, ids, temperature, min_p: text_log_prob(logits, ids, temperature, 0.0),
)
with_cut.mistake(
    "The temperature comes first, and min-p after it.",
    "This sampler cuts at temperature 1. Compare `logits.softmax(-1)`, then divide.",
    temperature_first,
)
with_cut.mistake(
    "After the cut, the probabilities are not normalized again.",
    "Set the removed logits to minus infinity *before* the softmax, so that those of the kept tokens sum to 1.",
    out_of_all,
)
with_cut.mistake(
    "`min_p` is taken as a probability, not as a share of the largest one.",
    "The limit is `min_p` times the largest probability of the row.",
    partial(text_with, cut=partial(after_min_p, limit=torch.ones_like)),
)
with_cut.mistake(
    "The limit is `min_p` times the mean probability, not the largest.",
    "Use `probs.amax(-1, keepdim=True)`.",
    partial(text_with, cut=partial(after_min_p, limit=lambda probs: probs.mean(-1, True))),
)
with_cut.mistake(
    "Only the most probable token is kept.",
    "Min-p keeps every token with at least `min_p` times the largest probability.",
    lambda logits, ids, temperature, min_p: text_log_prob(logits, ids, temperature, float(min_p > 0)),
)
with_cut.mistake(
    "The limit is the same in all rows: `min_p` times the largest probability of the whole text.",
    "Each position has its own limit: `probs.amax(-1, keepdim=True)`.",
    partial(text_with, cut=partial(after_min_p, limit=torch.max)),
)
with_cut.mistake(
    "A token of the text is never removed.",
    "If min-p removes it, the sampler can't write this text: the result is minus infinity.",
    own_kept,
)
with_cut.mistake(
    "Tokens that the sampler can't draw are left out of the sum.",
    "One such token makes the whole text impossible: the result is minus infinity.",
    partial(text_with, total=lambda each: each[each.isfinite()].sum()),
)
with_cut.mistake(
    "A text that the sampler can't write gets 0, the log of probability 1.",
    "Its probability is 0, so the logarithm is minus infinity.",
    partial(text_with, total=lambda each: each.sum() if each.isfinite().all() else torch.tensor(0.0)),
)
for _large in (-1e3, -1e4, -1e6, -1e9, -1e10):
    with_cut.mistake(
        "Removed tokens have a large negative logit, not minus infinity, so their log-probability is finite.",
        "Set them to `-math.inf`: a text that the sampler can't write has the log-probability minus infinity.",
        partial(text_with, cut=partial(finite_for_removed, logit=_large)),
    )
