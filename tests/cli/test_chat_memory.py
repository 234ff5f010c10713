"""A chat of 500 turns takes the memory of one of 100: the window slides, and what slid out of it is let go."""

import gc
import importlib
import os
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from helpers import small_config

from minillm.cli import main
from minillm.data.chat import chat_tokenizer
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.model.transformer import Transformer
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has now")
BOUND = 6_000_000  # bytes; where each conversation that slid out is kept, 400 turns take 30 million more


def memory() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["user assistant certainly the"], 290, SPECIAL_TOKENS)
    tokenizer.bos_token = SPECIAL_TOKENS[0]
    shape = small_config(vocab_size=tokenizer.vocab_size, max_seq_len=200, n_kv_heads=4, tie_embeddings=False)
    save(Transformer(shape), chat_tokenizer(tokenizer), tmp_path)
    return tmp_path


@pytest.mark.slow
def test_500_turns_take_the_memory_of_100(folder, monkeypatch):
    taken = {}

    def questions():
        for turn in range(1, 501):
            yield f"turn {turn}, the {turn % 7} certainly"
            if turn in (100, 500):
                taken[turn] = memory()
        yield ""

    asked = questions()
    monkeypatch.setattr(importlib.import_module("minillm.cli.chat"), "_read_line", lambda: next(asked))
    arguments = ["chat", "--model", str(folder), "--temperature", "1", "--max-new-tokens", "5"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "its oldest turns are forgotten" in result.output  # the window did slide
    assert taken[500] - taken[100] < BOUND
