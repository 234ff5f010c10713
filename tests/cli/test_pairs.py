"""minillm reward, minillm dpo and the chat part of minillm eval: from a chat model and preferences to a folder."""

import importlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from cli.test_commands import last_json, run

from minillm import load
from minillm.cli.options import settle
from minillm.course.models import RewardRecipe
from minillm.course.recipes import preferences
from minillm.course.recipes.commands import COMMANDS
from minillm.posttraining.reward_model import RewardModel, load_reward_model, save_reward_model
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer

SMALL = ["--steps", "4", "--batch-size", "2", "--pairs", "12"]
PERSON = {"schema": 1, "rater": "Ada", "chosen": "Yes, certainly.", "rejected": "No."}


@pytest.fixture(autouse=True)
def few_held_out(monkeypatch):
    monkeypatch.setattr(preferences, "HELD_OUT_PAIRS", 8)


@pytest.fixture
def people(tmp_path):
    """Twenty rankings, and two lines that are none."""
    path = tmp_path / "people.jsonl"
    lines = [PERSON | {"prompt": [{"role": "user", "content": f"Number {n}?"}]} for n in range(20)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{\n" + '{"schema": 1}\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["reward", "dpo"])
def test_it_learns_from_simulated_raters_and_goes_on(tmp_path, chatty, command, monkeypatch):
    out = tmp_path / "run"
    first = last_json(run(command, "--model", chatty, "--out", out, *SMALL, "--json"))
    assert first["steps"] == 4
    changed = replace(getattr(preferences, command.upper()), pairs=1)  # the recipe may have changed since
    monkeypatch.setitem(COMMANDS, (command, "world"), changed)
    again = last_json(run(command, "--out", out, "--resume", "--json"))
    assert again["val_accuracy"] == first["val_accuracy"]
    assert "already holds a run" in run(command, "--out", out, status=1).stderr
    refused = run(command, "--out", out, "--resume", "--pairs", "13", status=1)
    assert "has pairs = 12; a resumed run cannot change it to 13" in refused.stderr


def test_a_reward_model_stands_beside_the_ceiling(tmp_path, chatty):
    found = last_json(run("reward", "--model", chatty, "--out", tmp_path / "run", *SMALL, "--json"))["simulated"]
    assert found["n"] == 8
    assert 0 <= found["expected_accuracy"] <= found["ceiling"] <= 1
    assert load_reward_model(tmp_path / "run")[0].head.weight.abs().sum() > 0


def test_dpo_may_learn_what_a_reward_model_prefers(tmp_path, chatty):
    run("reward", "--model", chatty, "--out", tmp_path / "taste", *SMALL)
    ends = {}
    for name, options in (("raters", []), ("reward model", ["--reward", tmp_path / "taste"])):
        run("dpo", "--model", chatty, "--out", tmp_path / name, *SMALL, *options)
        ends[name] = load(tmp_path / name)[0].embedding.weight
    assert not ends["reward model"].equal(ends["raters"])


def test_a_run_goes_on_that_began_before_an_option_was_there(tmp_path, chatty):
    out = tmp_path / "run"
    first = last_json(run("dpo", "--model", chatty, "--out", out, *SMALL, "--json"))
    options = json.loads((out / "run.json").read_text(encoding="utf-8"))
    for later in ("reward", "pairs_per_instruction"):
        del options[later]
    (out / "run.json").write_text(json.dumps(options), encoding="utf-8")
    again = last_json(run("dpo", "--out", out, "--resume", "--json"))
    assert again["val_accuracy"] == first["val_accuracy"]
    (out / "run.json").write_text(json.dumps(options | {"device": "abacus"}), encoding="utf-8")
    assert "unknown device 'abacus'" in run("dpo", "--out", out, "--resume", status=1).stderr  # the one it began on


def test_a_judge_of_another_language_is_refused(tmp_path, chatty):
    model, tokenizer = load(chatty)
    words = Tokenizer.train(["something else altogether"], 289, tuple(tokenizer.special_tokens))
    words.bos_token = tokenizer.bos_token
    save_reward_model(RewardModel.from_language_model(model), words, tmp_path / "other")
    refused = run("dpo", "--model", chatty, "--out", tmp_path / "run", *SMALL, "--reward", tmp_path / "other", status=1)
    assert "different tokenizers" in refused.stderr


def test_dpo_leaves_a_model_that_chats(tmp_path, chatty):
    result = last_json(run("dpo", "--model", chatty, "--out", tmp_path / "run", *SMALL, "--beta", "0.5", "--json"))
    assert result["kl"] > -1
    assert json.loads((tmp_path / "run" / "training.json").read_text())["beta"] == 0.5
    assert last_json(run("chat", "--model", tmp_path / "run", "--max-new-tokens", "3", "--json", text="4\n\n"))


@pytest.mark.parametrize("settings", [{"loss_type": "ipo"}, {"label_smoothing": 0.1}], ids=str)
def test_dpo_has_its_variants(tmp_path, chatty, settings):
    [(name, value)] = settings.items()
    options = [f"--{name.replace('_', '-')}", str(value)]
    run("dpo", "--model", chatty, "--out", tmp_path / "run", *SMALL, *options)
    assert json.loads((tmp_path / "run" / "training.json").read_text(encoding="utf-8"))[name] == value
    refused = run("dpo", "--out", tmp_path / "run", "--resume", "--beta", "0.9", *options, status=1)
    assert "has beta = 0.3; a resumed run cannot change it to 0.9" in refused.stderr


def test_settings_of_dpo_that_make_no_sense(tmp_path):
    out = ["--out", tmp_path / "run"]
    refused = run("dpo", *out, "--loss-type", "ipo", "--label-smoothing", "0.1", status=1)
    assert "IPO has none" in refused.stderr
    assert "label_smoothing is 0.5; it must be" in run("dpo", *out, "--label-smoothing", "0.5", status=1).stderr


def test_raters_may_compare_what_the_model_itself_says(tmp_path, chatty):
    result = run("dpo", "--model", chatty, "--out", tmp_path / "run", *SMALL, "--own-answers", "--json")
    assert "12 pairs to learn from, and 8 to measure on" in result.stderr
    assert last_json(result)["steps"] == 4
    second = ["--model", tmp_path / "run", "--out", tmp_path / "second", "--seed", "1"]
    assert last_json(run("dpo", *second, *SMALL, "--own-answers", "--json"))["steps"] == 4


@pytest.mark.parametrize("mixed", [[], ["--data", "world"]])
def test_people_are_learnt_from_alone_or_with_simulated_raters(tmp_path, chatty, people, mixed):
    result = run("reward", "--model", chatty, "--data", people, *mixed, "--out", tmp_path / "run", *SMALL, "--json")
    assert "2 lines cannot be used, such as: people.jsonl, line 21: this is not JSON" in result.stderr
    counts = re.search(r"(\d+) pairs to learn from, and (\d+) to measure on", result.stderr)
    assert counts.groups() == (("30", "10") if mixed else ("18", "2"))
    assert ("simulated" in last_json(result)) == bool(mixed)


def test_resume_asks_for_the_same_rankings(tmp_path, chatty, people):
    options = ["--data", people, "--out", tmp_path / "run"]
    run("reward", "--model", chatty, *options, *SMALL)
    with people.open("a", encoding="utf-8") as file:
        file.write(json.dumps(PERSON | {"prompt": [{"role": "user", "content": "One more?"}]}) + "\n")
    assert "is not what the run" in run("reward", *options, "--resume", status=1).stderr


@pytest.mark.slow
def test_a_chat_model_is_asked_instructions(tmp_path, chatty):
    few = ["--questions", "1", "--samples", "0", "--instructions", "4"]
    shown = run("eval", "--model", chatty, *few, "--reference", chatty, "--json")
    chat = last_json(shown)["chat"]
    assert chat["n"] == 4
    assert chat["kl"]["mean"] == pytest.approx(0, abs=1e-4)
    assert chat["win_rate"]["rate"] == 0.5
    assert 0 <= chat["accuracy"]["mean"] <= 1
    assert "a tie counts half" in shown.stderr
    assert last_json(run("eval", chatty, *few, "--json"))["chat"]["kl"] is None
    assert "name one model" in run("eval", status=2).stderr
    assert "name one model" in run("eval", chatty, "--model", chatty, status=2).stderr


def test_a_model_that_cannot_chat_has_no_reference(tmp_path, chatty):
    model, tokenizer = load(chatty)
    tokenizer.chat_template = None
    save(model, tokenizer, tmp_path / "base")
    assert "cannot answer instructions" in run("eval", tmp_path / "base", "--reference", chatty, status=1).stderr


def test_the_course_models_recipe_is_that_of_the_command():
    command = importlib.import_module("minillm.cli.pairs")
    context = command.reward.make_context("reward", ["--out", "somewhere"])
    options = {name: value for name, value in context.params.items() if name not in ("out", "resume", "as_json")}
    recipe, kept = settle(context, Path("somewhere"), False, options, lambda given: command.recipe_for("reward", given))
    assert (kept["data"], kept["model"]) == (["world"], None)
    assert recipe == RewardRecipe().pairs
    assert kept["training"] == asdict(recipe.training)
    assert (kept["pairs"], kept["batch_size"]) == (recipe.pairs, recipe.batch_size)
    assert kept["length_bias"] == RewardRecipe().rater.length_bias
