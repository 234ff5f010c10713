"""How the next token is chosen: pure functions on logits, and `Sampling`, which applies them in order.

A token that is ruled out gets the logit minus infinity, which softmax turns into exactly 0.
"""

import math
from dataclasses import dataclass
from typing import TypedDict, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.config import check_types
from minillm.errors import UserError

# What other libraries call what we have.
ELSEWHERE = {
    "eos_token_id": "the tokens that end a text are stop=[...]",
    "do_sample": "temperature=0 always takes the likeliest token, and any other temperature samples",
    "max_length": "the limit is max_new_tokens, without the prompt",
    "num_return_sequences": "give the prompt several times",
}


def apply_temperature(logits: Float[Tensor, "*B V"], temperature: float) -> Float[Tensor, "*B V"]:
    """Divide by the temperature: below 1 likely tokens get likelier, above 1 the distribution flattens.

    >>> logits = torch.tensor([0.8, 0.2]).log()
    >>> apply_temperature(logits, 0.5).softmax(-1)         # 0.8^2 : 0.2^2 = 16 : 1
    tensor([0.9412, 0.0588])
    """
    return logits / temperature


def keep_top_k(logits: Float[Tensor, "*B V"], k: int) -> Float[Tensor, "*B V"]:
    """Keep the k largest logits (Fan et al. 2018); all that tie with the k-th stay.

    >>> keep_top_k(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    threshold = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < threshold, -math.inf)


def keep_top_p(logits: Float[Tensor, "*B V"], p: float) -> Float[Tensor, "*B V"]:
    """Keep the smallest set of likeliest tokens whose probability reaches p (Holtzman et al. 2020, section 3.1).

    >>> keep_top_p(torch.tensor([0.5, 0.3, 0.2]).log(), 0.7).softmax(-1)    # 0.5 alone is not enough
    tensor([0.6250, 0.3750, 0.0000])
    """
    ordered, order = logits.softmax(-1).sort(descending=True)
    before = ordered.cumsum(-1) - ordered  # the probability of all likelier tokens
    drop = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= p)
    return logits.masked_fill(drop, -math.inf)


def keep_min_p(logits: Float[Tensor, "*B V"], p: float) -> Float[Tensor, "*B V"]:
    """Keep tokens that are at least p times as likely as the likeliest (Nguyen et al. 2024, section 3); 0 keeps all.

    >>> keep_min_p(torch.tensor([0.6, 0.3, 0.1]).log(), 0.25).softmax(-1)   # 0.1 < 0.25 x 0.6
    tensor([0.6667, 0.3333, 0.0000])
    """
    threshold = logits.max(-1, keepdim=True).values + (math.log(p) if p else -math.inf)
    return logits.masked_fill(logits < threshold, -math.inf)


def penalize_repetition(logits: Float[Tensor, "B V"], seen: Int[Tensor, "B S"], penalty: float) -> Float[Tensor, "B V"]:
    """Divide positive logits of tokens already seen by the penalty, multiply negative ones (Keskar et al. 2019, 4.1).

    >>> penalize_repetition(torch.tensor([[2.0, -1.0, 3.0]]), torch.tensor([[0, 1]]), 2.0)
    tensor([[ 1., -2.,  3.]])
    """
    scores = logits.gather(-1, seen)
    return logits.scatter(-1, seen, torch.where(scores > 0, scores / penalty, scores * penalty))


class SamplingSettings(TypedDict, total=False):
    """The fields of `Sampling` as the keyword arguments of `generate`, `stream` and `speculate`."""

    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn. `temperature=0` is greedy: always the likeliest token, the lower id on a tie.

    Raises `UserError` naming a setting that is out of range.

    >>> Sampling(temperature=0).choose(torch.tensor([[0.1, 0.7, 0.2]]), torch.tensor([[0]]))
    tensor([1])
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if self.temperature != 0 and not 1e-6 <= self.temperature < math.inf:  # less would make logits infinite
            raise UserError(
                f"temperature is {self.temperature}; it must be 0 (always the likeliest token) or at least 0.000001"
            )
        if self.top_k is not None and self.top_k < 1:
            raise UserError(f"top_k is {self.top_k}; it must keep at least 1 token (leave it out to keep all)")
        for name in ("top_p", "min_p"):
            value = getattr(self, name)
            if value is not None and not 1e-6 <= value <= 1:  # float32 rounds much smaller ones to 0
                raise UserError(f"{name} is {value}; it is a probability, at least 0.000001 and at most 1")
        if self.repetition_penalty is not None and not 0.01 <= self.repetition_penalty <= 100:
            raise UserError(
                f"repetition_penalty is {self.repetition_penalty}; it must lie between 0.01 and 100 (1 does nothing)"
            )

    @classmethod
    def from_settings(cls, sampling: "Sampling | None" = None, **settings: Unpack[SamplingSettings]) -> "Sampling":
        """`sampling` itself, or one made of its fields. Raises `UserError` if both are given.

        >>> Sampling.from_settings(temperature=0) == Sampling.from_settings(Sampling(temperature=0))
        True
        """
        if unknown := [name for name in settings if name not in cls.__dataclass_fields__]:
            hint = ELSEWHERE.get(unknown[0], f"the settings are {', '.join(cls.__dataclass_fields__)}")
            raise UserError(f"{unknown[0]} is not a setting of sampling; {hint}")
        if sampling is None:
            return cls(**settings)
        if not isinstance(sampling, Sampling):
            raise UserError(f"sampling is {sampling!r}; give a Sampling, or its fields by name (temperature=0.8)")
        if settings:
            raise UserError(f"both sampling and {', '.join(settings)} are given; put all settings into the Sampling")
        return sampling

    def filter(self, logits: Float[Tensor, "B V"], seen: Int[Tensor, "B S"]) -> Float[Tensor, "B V"]:
        """Apply penalty, temperature, top-k, top-p and min-p, in this order; `seen` are the tokens so far."""
        if self.repetition_penalty is not None:
            logits = penalize_repetition(logits, seen, self.repetition_penalty)
        if self.temperature > 0:
            logits = apply_temperature(logits, self.temperature)
        if self.top_k is not None:
            logits = keep_top_k(logits, self.top_k)
        if self.top_p is not None and self.top_p < 1:  # their sum in float32 may reach 1 before the last of them
            logits = keep_top_p(logits, self.top_p)
        if self.min_p is not None:
            logits = keep_min_p(logits, self.min_p)
        return logits

    def probabilities(self, logits: Float[Tensor, "B V"], seen: Int[Tensor, "B S"]) -> Float[Tensor, "B V"]:
        """The distribution that a token is drawn from; a greedy choice puts probability 1 on one token.

        >>> Sampling(temperature=0).probabilities(torch.tensor([[0.1, 0.7, 0.2]]), torch.tensor([[0]]))
        tensor([[0., 1., 0.]])
        """
        logits = self.filter(logits.float(), seen)
        if self.temperature == 0:
            return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
        return logits.softmax(-1)

    def choose(
        self, logits: Float[Tensor, "B V"], seen: Int[Tensor, "B S"], rng: torch.Generator | None = None
    ) -> Int[Tensor, "B"]:
        """Draw one token for each row; `seen` are the tokens so far. Without an `rng`, torch's global one decides.

        >>> Sampling(top_k=1).choose(torch.tensor([[0.1, 0.7, 0.2]]), torch.tensor([[0]]))
        tensor([1])
        """
        if self.temperature == 0:
            return self.filter(logits.float(), seen).argmax(-1)
        return torch.multinomial(self.probabilities(logits, seen), 1, generator=rng).squeeze(-1)

    def choose_by_inverse(
        self, logits: Float[Tensor, "B V"], seen: Int[Tensor, "B S"], uniform: Float[Tensor, "B"]
    ) -> Int[Tensor, "B"]:
        """As `choose`, from one random number per row: `uniform` is at least 0 and below 1.

        The probabilities of the tokens are intervals that divide 0 to 1; the token whose interval holds the number is
        drawn. `choose` draws a random number per token of the vocabulary instead, 2 milliseconds for 64 rows of 2,048.

        >>> logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(4, 3)
        >>> Sampling().choose_by_inverse(logits, torch.zeros(4, 1).long(), torch.tensor([0.0, 0.49, 0.51, 0.81]))
        tensor([0, 0, 1, 2])
        """
        if self.temperature == 0:
            return self.choose(logits, seen)
        cumulative = self.probabilities(logits, seen).double().cumsum(-1)
        drawn = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)
        return drawn.squeeze(-1).clamp_(max=logits.shape[-1] - 1)
