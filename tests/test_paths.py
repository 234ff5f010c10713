"""Whatever takes a path takes a str as well as a Path."""

import torch
from helpers import small_config

from minillm import ModelConfig, Tokenizer, Transformer, save
from minillm.data.conversations import append_conversation, read_conversations
from minillm.data.preferences import Preference, append_preferences, load_preferences, save_preferences
from minillm.data.text_files import read_documents
from minillm.data.token_file import TokenFile, write_token_file
from minillm.files import append_lines, save_lines
from minillm.pretrained.huggingface import read_config
from minillm.training.checkpoint import load_checkpoint, load_latest, save_checkpoint
from minillm.training.metrics import read_metrics
from minillm.training.optim import make_optimizer


def test_checkpoints(tmp_path):
    model = Transformer(small_config())
    optimizer = make_optimizer("adamw", model, 0.01, 0.1)
    path = str(tmp_path / "checkpoint.safetensors")
    save_checkpoint(path, model, optimizer, {"step": 3})
    assert load_checkpoint(path, model, optimizer) == load_latest(path, model, optimizer) == {"step": 3}


def test_token_files(tmp_path):
    path = str(tmp_path / "a.tokens")
    write_token_file(path, [[5, 6], [7]], end_id=0, vocab_size=300)
    assert TokenFile(path).stream.tolist() == [5, 6, 0, 7, 0]


def test_lines_texts_and_metrics(tmp_path):
    lines = str(tmp_path / "metrics.jsonl")
    save_lines(lines, ['{"step": 1, "loss": 2.0}'])
    append_lines(lines, ['{"step": 2, "loss": 1.0}'])
    assert [line["step"] for line in read_metrics(lines)] == [1, 2]
    (tmp_path / "a.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    assert list(read_documents(str(tmp_path / "a.txt"))) == ["one", "two"]


def test_conversations_and_preferences(tmp_path):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    append_conversation(str(tmp_path / "chats.jsonl"), messages)
    assert read_conversations(str(tmp_path / "chats.jsonl")) == [messages]
    preference = Preference(tuple(messages[:1]), chosen="Hello", rejected="Go away", rater="Ada")
    save_preferences(str(tmp_path / "pairs.jsonl"), [preference])
    append_preferences(str(tmp_path / "pairs.jsonl"), [preference])
    loaded = load_preferences(str(tmp_path / "pairs.jsonl")).preferences
    assert [found.chosen for found in loaded] == ["Hello", "Hello"]


def test_a_saved_model(tmp_path):
    config = ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8)
    torch.manual_seed(0)
    save(Transformer(config), Tokenizer.train(["low lower lowest"], vocab_size=260), str(tmp_path))
    assert read_config(str(tmp_path / "config.json")) == config
