"""Each preset's recipe: what `pretrain` starts from, and the price that its comment names."""

import pytest

from minillm.config import PRESETS, ModelConfig
from minillm.model.accounting import count_flops, training_memory
from minillm.training.recipes import RECIPES, recipe_of


@pytest.mark.parametrize("preset", RECIPES)
def test_a_recipe_belongs_to_a_preset(preset):
    assert preset in PRESETS
    assert recipe_of(preset) is RECIPES[preset]


def test_small_costs_what_its_comment_says():
    recipe, config = recipe_of("small"), ModelConfig.preset("small")
    rows = recipe.training.steps * recipe.training.accumulate * recipe.batch_size
    flops = 3 * count_flops(config, config.max_seq_len) * rows
    assert flops == pytest.approx(7.5e16, rel=0.01)
    assert flops / (71e12 / 3) / 60 == pytest.approx(53, abs=0.5)  # minutes
    assert sum(training_memory(config, recipe.batch_size, config.max_seq_len).values()) < 12e9
