"""The loop that PPO and GRPO share."""

import json
import signal

import pytest
import torch
from helpers import lively, small_config

import minillm
from minillm.model.transformer import Transformer
from minillm.posttraining import online
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.policy_gradient import adapted_kl_coef
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.tokenizer import Tokenizer
from minillm.training import run

PROMPTS = [[3, 14, 15], [7], [21, 2, 2, 40], [8, 8]]
STOP = [4, 9]
METHODS = [
    pytest.param(ppo, PPOConfig, {"prompts_per_step": 6, "answers_per_prompt": 1}, id="ppo"),
    pytest.param(grpo, GRPOConfig, {"prompts_per_step": 3, "answers_per_prompt": 2}, id="grpo"),
]
COMMON = dict(max_new_tokens=5, minibatch=4, learning_rate=3e-3, kl_coef=0.02)


def low_share(prompts, answers):
    """The share of tokens in the lower half of the vocabulary: by chance about a half."""
    return torch.tensor([sum(token < 150 for token in answer) / len(answer) for answer in answers])


DATA = PromptData(PROMPTS, low_share, STOP)


def fresh():
    torch.manual_seed(5)
    return lively(Transformer(small_config(vocab_size=300)))


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["a b c"], 300)


def without_times(lines):
    return [
        {name: value for name, value in line.items() if name not in ("seconds", "tokens_per_second")} for line in lines
    ]


class Killed(Exception):
    pass


def kill_at(step):
    def on_metrics(line):
        if line["step"] == step:
            raise Killed

    return on_metrics


@pytest.mark.parametrize(("method", "config", "shape"), METHODS)
def test_what_is_rewarded_becomes_likelier(method, config, shape):
    settings = config(steps=25, **COMMON | {"minibatch": 32}, **{name: 4 * n for name, n in shape.items()})
    _, history = method(fresh(), DATA, settings)
    start, end = (sum(line["reward"] for line in part) / 5 for part in (history[:5], history[-5:]))
    assert end > start + 0.15  # five times what luck moves a mean of 120 answers by
    assert history[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert history[-1]["kl"] > 0.3


@pytest.mark.parametrize(("method", "config", "shape"), METHODS)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(method, config, shape, tmp_path, tokenizer):
    settings = config(steps=6, save_every=2, target_kl=0.5, **COMMON, **shape)
    straight_model, straight = method(fresh(), DATA, settings)
    with pytest.raises(Killed):
        method(fresh(), DATA, settings, tmp_path, tokenizer, kill_at(step=5))  # the last checkpoint is of step 4
    model, resumed = method(fresh(), DATA, settings, tmp_path, tokenizer)
    assert without_times(resumed) == without_times(straight)
    torch.testing.assert_close(model.state_dict(), straight_model.state_dict(), atol=0, rtol=0)
    saved, _ = minillm.load(tmp_path)
    torch.testing.assert_close(saved.state_dict(), model.state_dict(), atol=0, rtol=0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == resumed
    assert method(fresh(), DATA, settings, tmp_path, tokenizer)[1] == resumed  # nothing is left to do
    with pytest.raises(ValueError, match="holds a run with clip = 0.2, and now it is 0.3"):
        method(
            fresh(),
            DATA,
            config(steps=6, save_every=2, target_kl=0.5, clip=0.3, **COMMON, **shape),
            tmp_path,
            tokenizer,
        )


@pytest.mark.parametrize(("method", "config", "shape"), METHODS)
@pytest.mark.parametrize(("module", "refused"), [(run, "save_checkpoint"), (online, "save_merged")])
def test_a_full_disk_is_survived_until_the_last_round(
    method, config, shape, module, refused, tmp_path, tokenizer, monkeypatch
):
    settings = config(steps=3, save_every=1, **COMMON, **shape)
    straight = method(fresh(), DATA, settings)[1]
    disk, write = {"full": True}, getattr(module, refused)

    def save(*arguments):
        if disk["full"]:
            raise OSError("no space left")
        write(*arguments)

    def make_room(line):
        disk["full"] = line["step"] < 3

    monkeypatch.setattr(module, refused, save)
    not_saved = pytest.warns(UserWarning, match="step [12] could not be saved: no space left. Training continues.")
    with not_saved:
        history = method(fresh(), DATA, settings, tmp_path / "room", tokenizer, make_room)[1]
    assert without_times(history) == without_times(straight)
    assert method(fresh(), DATA, settings, tmp_path / "room", tokenizer)[1] == history  # the last round was saved
    disk["full"] = True
    with not_saved, pytest.raises(OSError, match="no space left"):
        method(fresh(), DATA, settings, tmp_path / "none", tokenizer)


@pytest.mark.parametrize(("method", "config", "shape"), METHODS)
def test_ctrl_c_saves_the_round(method, config, shape, tmp_path, tokenizer):
    settings = config(steps=5, save_every=100, **COMMON, **shape)
    straight = method(fresh(), DATA, settings)[1]

    def interrupt(line):
        if line["step"] == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        method(fresh(), DATA, settings, tmp_path, tokenizer, interrupt)
    seen = []
    resumed = method(fresh(), DATA, settings, tmp_path, tokenizer, seen.append)[1]
    assert [line["step"] for line in seen] == [4, 5]  # the round after the signal was finished and saved
    assert without_times(resumed) == without_times(straight)


@pytest.mark.parametrize(("method", "config", "shape"), METHODS)
def test_every_quantity_is_told(method, config, shape):
    _, [line] = method(fresh(), DATA, config(steps=1, epochs=3, stop_kl=1e6, **COMMON, **shape))
    common = (
        "step tokens seconds loss reward kl kl_coef policy_loss clip_fraction policy_kl entropy answer_length ended "
        "grad_norm updates learning_rate tokens_per_second"
    )
    own = {ppo: "value_loss explained_variance", grpo: "kl_loss idle"}[method]
    assert set(line) == {*common.split(), *own.split()}
    assert line["updates"] == 5  # 3 epochs of 6 answers, 4 at a time
    assert line["tokens"] == pytest.approx(6 * line["answer_length"])
    assert 0 <= line["ended"] <= 1


def test_a_policy_that_moved_too_far_draws_anew():
    settings = dict(steps=1, epochs=10, prompts_per_step=6, answers_per_prompt=1, minibatch=6, learning_rate=0.05)
    _, [far] = ppo(fresh(), DATA, PPOConfig(stop_kl=1e-4, **settings))
    _, [free] = ppo(fresh(), DATA, PPOConfig(stop_kl=1e6, **settings))
    assert (far["updates"], free["updates"]) == (1, 10)


def test_the_first_rounds_learn_slowly():
    _, history = ppo(fresh(), DATA, PPOConfig(steps=4, warmup_steps=2, prompts_per_step=2, **COMMON))
    assert [line["learning_rate"] / COMMON["learning_rate"] for line in history[:2]] == pytest.approx([0.5, 1.0])


def test_the_kl_coefficient_is_adapted_round_by_round():
    config = PPOConfig(steps=5, target_kl=0.1, prompts_per_step=6, **COMMON)
    _, history = ppo(fresh(), DATA, config)
    kl_coef = config.kl_coef
    for line in history:
        kl_coef = adapted_kl_coef(kl_coef, line["kl"], 0.1)
        assert line["kl_coef"] == kl_coef
    assert kl_coef != config.kl_coef


def test_bad_rewards_and_losses_get_a_sentence(tmp_path, tokenizer):
    config = PPOConfig(steps=2, prompts_per_step=2, answers_per_prompt=1, **COMMON)
    with pytest.raises(ValueError, match=r"the reward of 2 answers must be as many finite numbers; it is \[nan, 1.0\]"):
        ppo(fresh(), PromptData(PROMPTS, lambda prompts, answers: torch.tensor([float("nan"), 1.0])), config)
    with pytest.raises(ValueError, match=r"the reward of 2 answers .* \(shape \(1,\)\)"):
        ppo(fresh(), PromptData(PROMPTS, lambda prompts, answers: torch.ones(1)), config)
    huge = PromptData(PROMPTS, lambda prompts, answers: torch.tensor([1e30, 0.0]))
    with pytest.raises(FloatingPointError, match="step 0: the loss became inf .* see "):
        ppo(fresh(), huge, config, tmp_path, tokenizer)
    assert (tmp_path / "diagnostics.json").exists()
    with pytest.raises(ValueError, match="run_dir needs a tokenizer"):
        ppo(fresh(), DATA, config, tmp_path)
    with pytest.raises(ValueError, match="there are no prompts"):
        ppo(fresh(), PromptData([], low_share), config)
