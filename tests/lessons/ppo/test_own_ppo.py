"""What lesson 10b uses: its questions, PPO with functions of a page, an exam in two parts."""

import itertools
import re

import pytest
import torch

from minillm import ModelConfig, Transformer
from minillm.course import hacking, own_ppo
from minillm.course.turns.ppo import gae, ppo_loss, token_rewards
from minillm.posttraining.online import PromptData, run_online
from minillm.posttraining.ppo import PPO, PPOConfig
from minillm.world.raters import utility

FUNCTIONS = token_rewards, gae, ppo_loss


def tiny():
    torch.manual_seed(0)
    return Transformer(ModelConfig(vocab_size=12, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))


def prefers_nines(prompts, answers):
    return torch.tensor([float(answer.count(9)) for answer in answers])


@pytest.mark.parametrize("gae_lambda", [1.0, 0.9])
def test_ppo_with_the_courses_functions_is_the_packages(gae_lambda):
    """Oracle: the same seeds through the package's own method give the same weights and metrics."""
    sizes = dict(steps=3, prompts_per_step=2, answers_per_prompt=4, max_new_tokens=4, minibatch=4, learning_rate=0.01)
    config = PPOConfig(gae_lambda=gae_lambda, **sizes)
    data = PromptData([[1, 2], [3, 4, 5]], prefers_nines, [7])
    models = tiny(), tiny()
    methods = PPO(models[0], config), own_ppo.Own(models[1], config, *FUNCTIONS)
    (_, theirs), (_, ours) = (run_online(method, data, None, None, lambda line: None) for method in methods)
    for name in ("reward", "kl", "policy_loss", "value_loss"):
        torch.testing.assert_close([line[name] for line in ours], [line[name] for line in theirs])
    for mine, package in zip(models[1].parameters(), models[0].parameters(), strict=True):
        torch.testing.assert_close(mine, package)
    last = methods[1].round
    assert last.advantages.shape == last.rollout.mask.shape
    lengths = [len(answer) for answer in last.rollout.answers]
    best = last.best(longest=4)
    assert last.score[best] == max(score for score, n in zip(last.score.tolist(), lengths, strict=True) if n <= 4)
    assert last.of(0, last.values) == last.values[0, : len(last.rollout.answers[0])].tolist()


def test_an_error_in_a_function_of_the_page_is_told_with_its_name():
    def broken(*tables):
        raise ValueError("no")

    method = own_ppo.Own(tiny(), PPOConfig(steps=1, max_new_tokens=2), token_rewards, broken, ppo_loss)
    with pytest.raises(Exception, match="no"):
        run_online(method, PromptData([[1, 2]], prefers_nines, [7]), None, None, lambda line: None)


def test_gold_points_have_two_parts():
    asked = own_ppo.held_out(3)
    taken = own_ppo.marked(asked, ["Of course. " + asked[0].answer, asked[1].answer, "Go away."])
    assert taken.gold == tuple(utility(each, text) for each, text in zip(asked, taken.texts, strict=True))
    assert taken.right[:2] == (4.0, 4.0)
    assert sum(taken.right) + sum(taken.manners) == pytest.approx(sum(taken.gold))
    assert re.fullmatch(r"-?\d\.\d\d = \d\.\d\d right \+ -?\d\.\d\d manners; polite \d+%", str(taken))


def test_a_prefix_changes_manners_and_no_right_answer():
    asked = own_ppo.held_out(20)
    bare = own_ppo.marked(asked, [each.answer for each in asked])
    courteous = own_ppo.prefixed(bare)
    assert courteous.right == bare.right
    assert courteous.polite == 1.0
    assert all(own_ppo.polite(text) for text in courteous.texts)
    assert own_ppo.prefixed(courteous).texts == courteous.texts


def test_questions_are_short_and_differ_between_seeds():
    first, second = own_ppo.questions(20), own_ppo.questions(20, seed=1)
    assert all(len(each.prompt) <= own_ppo.SHORT for each in first + second)
    assert [each.prompt for each in first] != [each.prompt for each in second]
    assert not {each.prompt for each in first} & {each.prompt for each in own_ppo.held_out()}


def test_a_short_run_is_watched_and_learns(capsys):
    run = own_ppo.learn(*FUNCTIONS, rounds=1, prompts_per_step=2, max_new_tokens=8)
    assert set(run.history) == {"polite", "right", "KL"}
    assert len(run.history["KL"]) == 1
    assert run.last.score.shape == (8,)
    assert run.last.tokens(0) == [own_ppo.models()[2].decode([id]) for id in run.last.rollout.answers[0]]
    assert "update 1 of 1" in capsys.readouterr().out


def test_best_of_n_is_the_mean_over_all_ways_to_draw_n():
    """Oracle: every subset of the answers, one by one."""
    reward, points = torch.randn(2, 6), torch.randn(2, 6)
    for n in (1, 3, 6):
        for row in range(2):
            kept = [max(subset, key=lambda i: reward[row, i]) for subset in itertools.combinations(range(6), n)]
            expected = torch.stack([points[row, i] for i in kept]).mean()
            torch.testing.assert_close(hacking.best_of(n, reward, points)[row].float(), expected)


def test_the_tilted_policy_is_the_best_one():
    """Oracle: no other policy near it has a larger mean reward minus beta KL."""
    reward, beta = torch.tensor([[0.0, 1.0, 3.0]]).double(), 0.7
    kl, value = hacking.tilted(beta, reward, reward)
    p = (reward[0] / beta).softmax(0)
    for move in torch.randn(20, 3).double():
        q = (p.log() + 0.1 * move).softmax(0)
        other = (q * reward[0]).sum() - beta * (q * (q * 3).log()).sum()
        assert value - beta * kl >= other.item()
    assert hacking.tilted(1e6, reward, reward)[0] == pytest.approx(0, abs=1e-4)


def test_what_falls_first_is_decided_seed_by_seed():
    order = {"gold utility": [20, 10, None], "right answers": [8, 10, 30]}
    assert hacking.which_first(order) == "right answers"
    assert hacking.which_first(dict(reversed(order.items()))) == "right answers"
    assert hacking.which_first({"a": [1], "b": [1]}) == "both at once"
