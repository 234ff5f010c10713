"""The reasoning recipe: which problems, and a reward that the verifier alone gives."""

from dataclasses import replace

import pytest
from helpers import small_config
from posttraining.chats import TOKENIZER

from minillm.course.recipes.chat import problems
from minillm.course.recipes.prompts import PROMPT_STREAM
from minillm.course.recipes.reasoning import (
    FAMILIES,
    REASONING,
    REASONING_GRPO,
    REASONING_REINFORCE,
    families_of,
    verified_job,
)
from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import grpo
from minillm.posttraining.reinforce import reinforce
from minillm.posttraining.verifiers import Verifier


def test_all_families_or_those_that_are_named():
    assert families_of([]) == FAMILIES
    assert families_of(["swaps"]) == {"swaps": FAMILIES["swaps"]}
    with pytest.raises(ValueError, match="'who' is not a family with verifiable answers; use some of chain, swaps"):
        families_of(["chain", "who"])


def test_problems_have_steps_and_no_held_out_pair_is_trained_on():
    train, held_out = (problems(FAMILIES, 60, 0, split) for split in ("training", "held-out"))
    assert {problem.family for problem in train} == set(FAMILIES)
    assert all(problem.worked and not problem.context for problem in train + held_out)
    assert not {p.parameters for p in train} & {p.parameters for p in held_out}


def test_the_start_shows_all_steps_first_and_then_as_often_as_the_recipe_says():
    """0.12 of 400 answers: 48, give or take 6.5."""
    recipe = replace(REASONING, instructions=400)
    model = Transformer(small_config(vocab_size=TOKENIZER.vocab_size, max_seq_len=700))
    data = recipe.prepare(model, TOKENIZER, seed=0).data.train
    first, then = (
        TOKENIZER.decode(id for id in part.rows[:].flatten().tolist() if id >= 0) for part in (data.first, data.then)
    )
    assert first.count("Answer:") == first.count("<|im_start|>assistant") == 400
    assert 28 < then.count("Answer:") < 68
    assert then.count("<|im_start|>assistant") == 400
    assert data.steps == REASONING.worked_steps


@pytest.mark.parametrize(("method", "recipe"), [(grpo, REASONING_GRPO), (reinforce, REASONING_REINFORCE)])
def test_a_job_rewards_right_answers(method, recipe):
    config = replace(recipe, steps=1, prompts_per_step=2, answers_per_prompt=2, max_new_tokens=3)
    model = Transformer(small_config(vocab_size=TOKENIZER.vocab_size, max_seq_len=256))
    job = verified_job(method, config, model, TOKENIZER, {"sum": 1}, prompts=5, seed=0)
    assert isinstance(job.data.reward, Verifier)
    asked = problems({"sum": 1}, 5, PROMPT_STREAM)
    assert [job.data.reward.prompt(prompt) for prompt in job.data.prompts] == [task.messages[:-1] for task in asked]
    _, [line] = job.run()
    assert line["reward"] == 0.0  # three random tokens are no answer
