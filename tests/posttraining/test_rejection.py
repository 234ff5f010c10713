"""Rejection sampling: only what is right is learned from."""

import pytest
from helpers import small_config
from posttraining.chats import TOKENIZER

from minillm.course.recipes.reasoning import checks_of
from minillm.model.transformer import Transformer
from minillm.posttraining import rejection
from minillm.posttraining.rejection import RejectionRecipe, verified_answers
from minillm.training.settings import TrainConfig
from minillm.world.instructions import Instructions

TASKS = Instructions(0, families={"chain": 1}).instructions(4)
CHECKS = checks_of(TASKS)


def model():
    return Transformer(small_config(vocab_size=TOKENIZER.vocab_size, max_seq_len=256))


def ids(text):
    return [*TOKENIZER.encode(text), TOKENIZER.end_id]


@pytest.fixture
def drawn(monkeypatch):
    """Five answers to each problem: wrong, right, the same once more, right with steps, right but cut off."""

    def draw(model, prompts, n, max_new_tokens, stop, seed):
        said = {tuple(prompt): task for prompt, task in zip(prompts, TASKS, strict=True)}
        answers = []
        for prompt in prompts:
            task = said[tuple(prompt)]
            texts = [task.mistakes[0], task.reply, task.reply, task.worked]
            answers += [*map(ids, texts), ids(task.answer)[:-1]]
        assert n == 5
        return answers

    monkeypatch.setattr(rejection, "draw", draw)


@pytest.mark.parametrize("keep", [1, 2, 9])
def test_different_right_answers_are_kept_in_order(drawn, keep):
    kept = verified_answers(model(), TOKENIZER, CHECKS, 5, 64, keep)
    expected = [[task.reply, task.worked][:keep] for task in TASKS]
    assert [chat[1]["content"] for chat in kept] == [text for texts in expected for text in texts]
    assert kept[0][0] == TASKS[0].messages[0]


def test_the_recipe_learns_from_them(drawn):
    training = TrainConfig(steps=20, learning_rate=0.01, warmup_steps=2)
    recipe = RejectionRecipe(training, batch_size=2, answers=5, keep=2)
    job = recipe.prepare(model(), TOKENIZER, CHECKS, seed=0)
    _, history = job.run()
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_control_keeps_wrong_answers_that_have_ended(drawn):
    kept = verified_answers(model(), TOKENIZER, CHECKS, 5, 64, keep=9, verify=False)
    expected = [[task.mistakes[0], task.reply, task.worked] for task in TASKS]
    assert [chat[1]["content"] for chat in kept] == [text for texts in expected for text in texts]


def test_a_students_answers_are_its_teachers(drawn, monkeypatch):
    asked = []
    draw = rejection.draw
    monkeypatch.setattr(rejection, "draw", lambda model, *rest: asked.append(model) or draw(model, *rest))
    recipe = RejectionRecipe(TrainConfig(steps=1), batch_size=2, answers=5, keep=2)
    student, teacher = model(), model()
    job = recipe.prepare(student, TOKENIZER, CHECKS, seed=0, teacher=teacher)
    recipe.prepare(student, TOKENIZER, CHECKS, seed=0)
    assert asked == [teacher, student]
    assert job.model is student


def test_problems_without_right_answers_are_refused(monkeypatch):
    monkeypatch.setattr(rejection, "draw", lambda model, prompts, n, *rest: [ids("Gladly.")] * n * len(prompts))
    recipe = RejectionRecipe(TrainConfig(steps=1), batch_size=2, answers=3)
    with pytest.raises(ValueError, match="0 of 12 sampled answers are right; take easier problems"):
        recipe.prepare(model(), TOKENIZER, CHECKS, seed=0)
    with pytest.raises(ValueError, match="keep is 0"):
        verified_answers(model(), TOKENIZER, CHECKS, 3, 64, keep=0)
