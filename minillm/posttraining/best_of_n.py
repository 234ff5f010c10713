"""Best of n: ask n times and keep the answer that the reward model likes best. No training, n times the work.

The simplest use of a reward model, and hard to beat: the best of n answers leaves the reference by at most
log n - (n - 1) / n nats (Stiennon et al. 2020, appendix G.3; Beirami et al. 2024 on why "at most").
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.online import Reward, score
from minillm.posttraining.rollout import roll_out

ROWS = 256  # answers that are drawn at once


def draw(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    n: int,
    max_new_tokens: int,
    stop: Sequence[int] = (),
    seed: int = 0,
    temperature: float = 1.0,
) -> list[list[int]]:
    """`n` answers to each prompt, one after the other: those to the first, those to the second, ...

    Raises `UserError` for no prompts, for n below 1, and for what `rollout.roll_out` refuses.
    """
    if n < 1 or not prompts:
        raise UserError(f"{len(prompts)} prompts and {n} answers to each; give at least one of both")
    asked = [prompt for prompt in prompts for _ in range(n)]
    answers: list[list[int]] = []
    for start in range(0, len(asked), ROWS):
        rows = asked[start : start + ROWS]
        answers += roll_out(model, rows, max_new_tokens, stop, seed + start, temperature).answers
    return answers


def best_of_n(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    n: int,
    reward: Reward,
    max_new_tokens: int,
    stop: Sequence[int] = (),
    seed: int = 0,
    temperature: float = 1.0,
) -> tuple[list[list[int]], Float[Tensor, "N"]]:
    """Of `n` answers to each prompt the one with the highest reward (the first of equals), and that reward.

    Raises what `draw` raises, and `UserError` unless the reward is one finite number for each answer.

    >>> import torch
    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> last_token = lambda prompts, answers: torch.tensor([float(answer[-1]) for answer in answers])
    >>> best_of_n(model, [[1, 2], [3]], n=200, reward=last_token, max_new_tokens=1)
    ([[9], [9]], tensor([9., 9.]))
    """
    answers = draw(model, prompts, n, max_new_tokens, stop, seed, temperature)
    rewards = score(reward, [list(prompt) for prompt in prompts for _ in range(n)], answers)
    best, place = rewards.cpu().unflatten(0, (-1, n)).max(1)
    return [answers[number * n + chosen] for number, chosen in enumerate(place.tolist())], best
