"""Each preset's recipe: what `pretrain` starts from, and the price that its comment names."""

import pytest

from minillm.config import PRESETS, ModelConfig
from minillm.model.accounting import count_flops, training_memory
from minillm.training.recipes import recipe_of


@pytest.mark.parametrize("preset", PRESETS)
def test_a_recipe_has_the_shape_of_its_preset(preset):
    recipe = recipe_of(preset, "mine.txt")
    assert (recipe.config, recipe.corpus) == (ModelConfig.preset(preset), "mine.txt")


def test_small_costs_what_its_comment_says():
    recipe, config = recipe_of("small", "world"), ModelConfig.preset("small")
    rows = recipe.training.steps * recipe.training.accumulate * recipe.batch_size
    flops = 3 * count_flops(config, config.max_seq_len) * rows
    assert flops == pytest.approx(7.5e16, rel=0.01)
    assert flops / (71e12 / 3) / 60 == pytest.approx(53, abs=0.5)  # minutes
    assert sum(training_memory(config, recipe.batch_size, config.max_seq_len).values()) < 12e9
