"""What `test_engine.py` runs in a process of its own: the commands that train, on the engine and `cli/` alone."""

import json
import sys
from pathlib import Path

import torch
from click.testing import CliRunner

import minillm
from minillm.cli import main as command_line
from minillm.data.chat import SPECIAL_TOKENS

SHORT = ["--steps", "2", "--batch-size", "2"]
FEW = ["--steps", "1", "--prompts-per-step", "2", "--answers-per-prompt", "2", "--max-new-tokens", "4"]


def run(*arguments: str) -> str:
    """What a command prints; it must end well."""
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result.output


def refused(*arguments: str) -> str:
    """The sentence of a command that cannot run, which leaves no folder behind."""
    result = CliRunner().invoke(command_line, [*arguments, "--out", "nowhere"])
    assert (result.exit_code, Path("nowhere").exists()) == (1, False), result.output
    assert "Traceback" not in result.output
    return result.stderr


def write(name: str, lines: list[dict]) -> None:
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def main() -> None:
    engine = Path(sys.argv[1])
    assert Path(minillm.__file__).is_relative_to(engine), minillm.__file__
    shown = run("--help")
    for command, there in {"sft": True, "grpo": True, "doctor": True, "progress": False, "grade": False}.items():
        assert (f"  {command} " in shown) == there, shown

    # a model that has learned nothing, and data of one's own
    torch.manual_seed(0)
    tokenizer = minillm.Tokenizer.train(["user assistant yes no"], 290, ["<|endoftext|>", *SPECIAL_TOKENS])
    tokenizer.bos_token = tokenizer.eos_token = "<|endoftext|>"
    shape = minillm.ModelConfig(tokenizer.vocab_size, d_model=16, n_layers=1, n_heads=2, max_seq_len=64)
    minillm.save(minillm.Transformer(shape), tokenizer, "base")
    asked = [{"role": "user", "content": f"{n} and 1?"} for n in range(12)]
    write("own.jsonl", [{"messages": [one, {"role": "assistant", "content": "Yes."}]} for one in asked])
    write("pairs.jsonl", [{"prompt": one["content"], "chosen": "Yes.", "rejected": "No."} for one in asked])
    write("asked.jsonl", [{"prompt": one["content"]} for one in asked])

    # each command learns from a file
    assert "Held-out loss" in run("sft", "--model", "base", "--data", "own.jsonl", "--out", "chat", *SHORT)
    assert "Held-out loss" in run("sft", "--out", "chat", "--resume")
    assert "11 pairs to learn from" in run(
        "reward", "--model", "chat", "--data", "pairs.jsonl", "--out", "taste", *SHORT
    )
    assert "gained on the other" in run("dpo", "--model", "chat", "--data", "pairs.jsonl", "--out", "dpo", *SHORT)
    for command in ("ppo", "grpo"):
        options = ["--model", "chat", "--reward", "taste", "--prompts", "asked.jsonl", "--out", command, *FEW]
        assert "On 1 held-out prompts: reward" in run(command, *options)
        assert "On 1 held-out prompts: reward" in run(command, "--out", command, "--resume")
        assert minillm.load(command)[0].config == shape

    # what the course would bring gets a sentence that says what to give instead
    absent = "come with the course, which is not installed here; give your own: "
    for data in ("world", "problems"):
        said = refused("sft", "--model", "base", "--data", data)
        assert f"the data '{data}' {absent}--data FILE.jsonl" in said, said
    for command in ("sft", "reward", "dpo"):
        assert f"{absent}--data FILE.jsonl" in refused(command, "--model", "chat")
    for options in (["ppo"], ["grpo"], ["grpo", "--verify"], ["grpo", "--prompts", "40"]):
        assert f"{absent}--prompts FILE.jsonl" in refused(*options, "--model", "chat")
    absent = "comes with the course, which is not installed here; give a folder: "
    assert f"{absent}--model" in refused("sft", "--data", "own.jsonl")
    assert f"{absent}--model" in refused("dpo", "--data", "pairs.jsonl")
    assert f"{absent}--reward" in refused("grpo", "--model", "chat", "--prompts", "asked.jsonl")
    assert "there is no corpus 'world'" in refused("pretrain")

    # the check of this computer
    report = json.loads(run("doctor", "--device", "cpu", "--json").splitlines()[-1])
    assert report["course_models"] == {}
    said = CliRunner().invoke(command_line, ["doctor", "--run", "chat"]).stderr
    assert "the course is not installed" in said, said

    course = ("world", "analysis", "viz", "course")
    assert not [name for name in sys.modules if name.startswith(tuple(f"minillm.{part}" for part in course))]
    print("all commands without the course")


if __name__ == "__main__":
    main()
