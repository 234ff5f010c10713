"""How each preset is trained where nothing else is said: by `minillm pretrain`, and for the course's own models.

A recipe belongs to a shape, since a wider model wants smaller steps and a card larger batches.
"""

from dataclasses import dataclass

from minillm.training.settings import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """The training settings of a preset, its batch, and how much of the world it learns from."""

    training: TrainConfig
    batch_size: int  # rows of max_seq_len tokens
    documents: int  # of the world; other corpora are as long as they are


RECIPES = {
    # The course's base model: two minutes on two CPU cores that have bfloat16.
    "tiny": Recipe(
        TrainConfig(
            steps=800, optimizer="muon", learning_rate=0.012, schedule="wsd", warmup_steps=20, final_fraction=0.0
        ),
        batch_size=8,
        documents=40_000,
    ),
    # One GPU and TinyStories: 12,000 steps of 2 x 32 x 512 tokens, 7.5e16 floating-point operations. At a third of a
    # 71 TFLOP/s card's peak (bfloat16, an RTX 3090) that is 53 minutes. It fits into 12 GB.
    "small": Recipe(
        TrainConfig(steps=12_000, accumulate=2, learning_rate=1e-3, warmup_steps=300, eval_every=1000, save_every=1000),
        batch_size=32,
        documents=400_000,
    ),
}


def recipe_of(preset: str) -> Recipe:
    """The recipe of a preset; published shapes have none of their own and take that of `small`.

    >>> recipe_of("tiny").training.steps, recipe_of("gpt2") == recipe_of("small")
    (800, True)
    """
    return RECIPES.get(preset, RECIPES["small"])
