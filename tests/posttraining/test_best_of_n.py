"""Best of n against a search by hand, and against the chance that is known for two answers."""

import pytest
import torch
from bandits import bandit, probability

from minillm.posttraining import best_of_n as room
from minillm.posttraining.best_of_n import best_of_n
from minillm.posttraining.rollout import roll_out

PROMPTS = [[3, 14], [7, 1, 22]]


def reward(prompts, answers):
    return torch.tensor(
        [sum(answer) / len(answer) + prompt[0] for prompt, answer in zip(prompts, answers, strict=True)]
    )


@pytest.mark.parametrize("rows", [256, 3])  # 3: the answers to one prompt are spread over batches
def test_it_keeps_the_answer_with_the_highest_reward(small_model, monkeypatch, rows):
    monkeypatch.setattr(room, "ROWS", rows)
    asked = [prompt for prompt in PROMPTS for _ in range(5)]
    drawn = []
    for start in range(0, 10, rows):
        drawn += roll_out(small_model, asked[start : start + rows], 4, [9], 7 + start).answers
    rewards = reward(asked, drawn).tolist()
    expected = [max(range(5 * n, 5 * n + 5), key=rewards.__getitem__) for n in range(2)]
    answers, best = best_of_n(small_model, PROMPTS, 5, reward, 4, [9], seed=7)
    assert answers == [drawn[number] for number in expected]
    assert best.tolist() == [rewards[number] for number in expected]


@pytest.mark.parametrize("n", [1, 3])
def test_the_better_of_two_answers_is_found_as_often_as_it_should_be(n):
    model = bandit(seed=1)
    answers, _ = best_of_n(model, [[0]] * 3000, n, lambda prompts, answers: torch.tensor([a[0] for a in answers]), 1)
    found = sum(answer == [1] for answer in answers) / 3000
    assert found == pytest.approx(1 - (1 - probability(model)) ** n, abs=0.03)  # three standard errors


def test_a_reward_that_is_no_number_is_refused(small_model):
    with pytest.raises(ValueError, match="the reward of 6 answers must be as many finite numbers"):
        best_of_n(small_model, PROMPTS, 3, lambda prompts, answers: torch.full((6,), float("nan")), 4)


def test_there_must_be_something_to_choose_from(small_model):
    for prompts, n in ((PROMPTS, 0), ([], 3)):
        with pytest.raises(ValueError, match=f"{len(prompts)} prompts and {n} answers to each"):
            best_of_n(small_model, prompts, n, reward, 4)
