"""minillm sft: from a run folder and a file of examples, or the world's, to a folder that chats."""

import importlib
import json

import pytest
import torch
from cli.test_commands import last_json, run
from helpers import small_config
from posttraining.chats import LESSONS

from minillm import load
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.model.transformer import Transformer
from minillm.posttraining.recipes import SFTRecipe
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer
from minillm.training.settings import TrainConfig

SMALL = ["--steps", "4", "--batch-size", "2"]


def base_of(folder, marks=SPECIAL_TOKENS, **changes):
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["user assistant certainly the"], 290, marks)
    tokenizer.bos_token = tokenizer.eos_token = marks[0]
    shape = {"max_seq_len": 1200, "tie_embeddings": False, **changes}
    save(Transformer(small_config(vocab_size=tokenizer.vocab_size, **shape)), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model that has learnt nothing, whose tokenizer knows the marks of a chat and no template."""
    return base_of(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture
def lessons(tmp_path):
    path = tmp_path / "lessons.jsonl"
    path.write_text("".join(json.dumps({"messages": lesson}) + "\n" for lesson in LESSONS), encoding="utf-8")
    return path


def weights(folder):
    return {name: parameter.detach() for name, parameter in load(folder)[0].named_parameters()}


@pytest.mark.parametrize("lora", [[], ["--lora", "3"]])
def test_it_learns_from_a_file_and_leaves_a_model_that_chats(tmp_path, base, lessons, lora):
    out = tmp_path / "run"
    options = ["--model", base, "--data", lessons, "--steps", "60", "--learning-rate", "0.01", *lora]
    result = last_json(run("sft", "--out", out, "--json", *options))
    assert result["val_loss"] != result["val_loss_before"]
    assert result["steps"] == 60
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] - 0.3
    assert (out / "adapter").exists() == bool(lora)
    moved = {name for name, value in weights(out).items() if not torch.equal(value, weights(base)[name])}
    assert ("embedding.weight" in moved) == (not lora)
    assert "blocks.0.attention.query.weight" in moved
    assert last_json(run("chat", "--model", out, "--max-new-tokens", "3", "--json", text="4\n\n"))["messages"]


def test_the_worlds_instructions_are_the_default(tmp_path, base):
    options = ["--instructions", "40", "--steps", "20", "--batch-size", "2"]
    result = last_json(run("sft", "--model", base, "--out", tmp_path / "run", *options, "--json"))
    assert result["steps"] == 20
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (kept["data"], kept["instructions"]) == ("world", 40)
    assert 0 < kept["short_steps"] < 20  # as large a share of fewer steps
    assert 0 < kept["short_instructions"] < 100  # and of fewer instructions


def test_problems_to_verify_are_learned_worked_first(tmp_path, base):
    options = ["--model", base, "--data", "problems", "--instructions", "30", "--out", tmp_path / "run", *SMALL]
    assert last_json(run("sft", *options, "--json"))["steps"] == 4
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (kept["data"], kept["worked"], kept["worked_steps"]) == ("problems", 0.12, 3)  # 400 of 500, of 4
    assert "chain" in kept["families"]


def test_resume_keeps_settings_data_and_the_model_it_began_with(tmp_path, base, lessons, monkeypatch):
    out = tmp_path / "run"
    first = last_json(run("sft", "--model", base, "--data", lessons, "--out", out, *SMALL, "--lora", "2", "--json"))
    changed = SFTRecipe(TrainConfig(steps=9), batch_size=5)  # the recipe may have changed since
    monkeypatch.setattr(importlib.import_module("minillm.cli.sft"), "OWN_SFT", changed)
    assert last_json(run("sft", "--out", out, "--resume", "--json"))["val_loss"] == first["val_loss"]
    assert "already holds a run" in run("sft", "--out", out, status=1).stderr
    refused = run("sft", "--out", out, "--resume", "--lora", "3", status=1)
    assert "has lora = 2; a resumed run cannot change it to 3" in refused.stderr
    with lessons.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"messages": [*LESSONS[0], *LESSONS[1]]}) + "\n")
    assert "is not what the run" in run("sft", "--out", out, "--resume", status=1).stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there are 0 distinct conversations"),
        (json.dumps({"messages": LESSONS[0]}) * 1, "there are 1 distinct conversations"),
        ('{"messages": []}', "line 1: the conversation is empty"),
        ("\n{", "line 2: "),
        ('{"chat": 1}', "line 1: KeyError('messages')"),
        ('{"messages": {"role": "user"}}', "line 1: its messages are not a list;"),
        ('{"messages": [{"role": "user", "content": 7}]}', "content of type int"),
        ("[" * 100_000, "line 1: RecursionError"),
        ("".join(json.dumps({"messages": lesson[:1]}) + "\n" for lesson in LESSONS), "holds no answer"),
    ],
)
def test_a_file_that_cannot_be_learnt_from_gets_a_sentence(tmp_path, base, text, sentence):
    (tmp_path / "broken.jsonl").write_text(text, encoding="utf-8")
    result = run("sft", "--model", base, "--data", tmp_path / "broken.jsonl", "--out", tmp_path / "run", status=1)
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_what_cannot_be_done_gets_a_sentence(tmp_path, base, lessons):
    options = ["--model", base, "--out", tmp_path / "run"]
    assert "there is no file" in run("sft", *options, "--data", tmp_path / "nothing", status=1).stderr
    assert "rank is 99" in run("sft", *options, "--data", lessons, "--lora", "99", status=1).stderr
    plain = base_of(tmp_path / "plain", marks=SPECIAL_TOKENS[:1])
    assert "no chat template" in run("sft", "--model", plain, "--data", lessons, "--out", tmp_path, status=1).stderr
    narrow = base_of(tmp_path / "narrow", max_seq_len=12)
    refused = run("sft", "--model", narrow, "--data", lessons, "--out", tmp_path / "x", status=1)
    assert "and a row of 13 holds 12" in refused.stderr
