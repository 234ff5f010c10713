"""minillm grpo --verify: from a chat model to a folder, without a reward model."""

import pytest
from cli.test_commands import last_json, run

from minillm.course.recipes import reasoning

SMALL = ["--prompts", "6", "--steps", "2", "--prompts-per-step", "2", "--answers-per-prompt", "2"]
SMALL += ["--max-new-tokens", "4"]


@pytest.fixture(autouse=True)
def few_measured(monkeypatch):
    monkeypatch.setattr(reasoning, "MEASURED", 4)


def test_it_learns_and_goes_on(tmp_path, chatty):
    out = tmp_path / "run"
    first = last_json(run("grpo", "--verify", "--families", "chain", "--model", chatty, "--out", out, *SMALL, "--json"))
    assert (first["steps"], first["families"], first["asked"]) == (2, ["chain"], 4)
    for when in ("before", "after"):
        for kind in ("greedy", "sampled"):
            solved = first[when][kind]
            assert (solved["accuracy"], solved["worked"]) == (0.0, 0.0)  # four random tokens
            assert 1 <= solved["tokens"] <= 4
            assert solved["families"] == {"chain": 0.0}
    again = last_json(run("grpo", "--out", out, "--resume", "--json"))
    assert again["after"] == first["after"]
    refused = run("grpo", "--out", out, "--resume", "--families", "swaps", status=1)
    assert "a resumed run cannot change it to swaps" in refused.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--verify", "--reward", "judge"], "--verify needs no reward model; leave out --reward judge"),
        (["--families", "chain"], "--families chain chooses problems to verify; add --verify"),
        (["--verify", "--families", "who"], "'who' is not a family with verifiable answers; use some of chain"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, chatty, options, sentence):
    assert sentence in run("grpo", "--model", chatty, "--out", tmp_path / "run", *options, *SMALL, status=1).stderr
