"""minillm ppo and minillm grpo: from a chat model and a judge to a folder, and on from there."""

import json

import pytest
import torch
from cli.test_commands import last_json, run

from minillm import load
from minillm.course.recipes import prompts
from minillm.posttraining.reward_model import RewardModel, save_reward_model
from minillm.tokenizer import Tokenizer

SMALL = ["--prompts", "6", "--steps", "2", "--prompts-per-step", "2", "--answers-per-prompt", "2"]
SMALL += ["--max-new-tokens", "4"]


@pytest.fixture(scope="module")
def judge(chatty, tmp_path_factory):
    """A reward model with opinions, drawn at random."""
    model, tokenizer = load(chatty)
    judge = RewardModel.from_language_model(model)
    torch.nn.init.normal_(judge.head.weight, generator=torch.Generator().manual_seed(0))
    folder = tmp_path_factory.mktemp("judge") / "model"
    save_reward_model(judge, tokenizer, folder)
    return folder


@pytest.fixture(autouse=True)
def few_measured(monkeypatch):
    monkeypatch.setattr(prompts, "MEASURED", 4)


@pytest.mark.parametrize("command", ["ppo", "grpo"])
def test_it_learns_and_goes_on(tmp_path, chatty, judge, command):
    out = tmp_path / "run"
    first = last_json(run(command, "--model", chatty, "--reward", judge, "--out", out, *SMALL, "--json"))
    assert first["steps"] == 2
    assert first["before"]["kl"] == 0
    assert 0 <= first["win_rate"]["low"] <= first["win_rate"]["rate"] <= first["win_rate"]["high"] <= 1
    assert json.loads((out / "training.json").read_text())["max_new_tokens"] == 4
    moved = (load(out)[0].head.weight - load(chatty)[0].head.weight).abs().max()
    assert moved > 0
    again = last_json(run(command, "--out", out, "--resume", "--json"))
    assert again["after"] == first["after"]
    assert "already holds a run" in run(command, "--out", out, status=1).stderr
    refused = run(command, "--out", out, "--resume", "--kl-coef", "0.7", status=1)
    assert "a resumed run cannot change it to 0.7" in refused.stderr


VARIANTS = {
    "Dr. GRPO": (["--no-scale", "--loss-type", "dr_grpo"], {"scale": False, "loss_type": "dr_grpo"}),
    "DAPO": (["--loss-type", "dapo", "--clip-high", "0.28"], {"loss_type": "dapo", "clip_high": 0.28}),
    "GRPO": ([], {"scale": True, "loss_type": "grpo", "clip_high": None}),
}


@pytest.mark.parametrize(("options", "settings"), VARIANTS.values(), ids=VARIANTS)
def test_grpo_has_its_variants(tmp_path, chatty, judge, options, settings):
    out = tmp_path / "run"
    run("grpo", "--model", chatty, "--reward", judge, "--out", out, *SMALL, *options)
    kept = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert {name: kept[name] for name in settings} == settings
    assert run("grpo", "--out", out, "--resume", *options).exit_code == 0


def test_settings_of_grpo_that_make_no_sense(tmp_path):
    out = ["--out", tmp_path / "run"]
    assert "clip_high is -1.0; it must be positive" in run("grpo", *out, "--clip-high", "-1", status=1).stderr
    assert "'grpo', 'dapo', 'dr_grpo'" in run("grpo", *out, "--loss-type", "ppo", status=2).stderr


def test_a_judge_of_another_language_is_refused(tmp_path, chatty):
    other = tmp_path / "other"
    model, tokenizer = load(chatty)
    words = Tokenizer.train(["something else altogether"], 289, tuple(tokenizer.special_tokens))
    words.bos_token = tokenizer.bos_token
    save_reward_model(RewardModel.from_language_model(model), words, other)
    refused = run("ppo", "--model", chatty, "--reward", other, "--out", tmp_path / "run", *SMALL, status=1)
    assert "different tokenizers" in refused.stderr


@pytest.mark.parametrize("command", ["ppo", "grpo"])
def test_prompts_may_come_from_a_file(tmp_path, chatty, judge, command):
    asked, out = tmp_path / "asked.jsonl", tmp_path / "run"
    lines = [{"prompt": f"{n} and 1?"} for n in range(10)]
    lines += [{"prompt": [{"role": "user", "content": "Who?"}]}]
    lines += [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}]
    asked.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    options = ["--model", chatty, "--reward", judge, "--out", out, *SMALL[2:], "--prompts", asked]
    shown = run(command, *options, "--json")
    first = last_json(shown)
    assert (first["steps"], first["asked"]) == (2, 1)
    assert first["before"]["kl"] == 0
    assert f"On 1 held-out prompts: reward {first['before']['reward']:.2f} before" in shown.stderr
    again = last_json(run(command, "--out", out, "--resume", "--json"))
    assert again["after"] == first["after"]
    with asked.open("a", encoding="utf-8") as file:
        file.write('{"prompt": "More?"}\n')
    assert "the prompts or the initial model is not what the run" in run(command, *options, "--resume", status=1).stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"prompt": "Hi?"}\n', "there are 1 distinct conversations"),
        ('{"question": "Hi?"}\n', 'line 1: KeyError(\'prompt\'); a line is {"prompt": "..."}'),
        ('["Hi?"]\n', "line 1: AttributeError"),
        ('{"prompt": 7}\n', "line 1: its messages are not a list"),
    ],
)
def test_a_file_of_prompts_that_cannot_be_asked_gets_a_sentence(tmp_path, chatty, judge, text, sentence):
    (tmp_path / "asked.jsonl").write_text(text, encoding="utf-8")
    options = ["--model", chatty, "--reward", judge, "--out", tmp_path / "run", "--prompts", tmp_path / "asked.jsonl"]
    assert sentence in run("grpo", *options, status=1).stderr


def test_what_prompts_may_not_be(tmp_path, chatty, judge):
    options = ["--model", chatty, "--out", tmp_path / "run"]
    assert "0 is not in the range x>=1" in run("grpo", *options, "--prompts", "0", status=2).stderr
    missing = run("ppo", *options, "--reward", judge, "--prompts", "nowhere.jsonl", status=1).stderr
    assert "there is no file nowhere.jsonl; it holds one prompt per line" in missing
    both = run("grpo", *options, "--verify", "--prompts", "asked.jsonl", status=1).stderr
    assert "--verify asks problems of its own; leave it out, or leave out --prompts asked.jsonl" in both
