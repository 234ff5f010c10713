"""SFT: the loss is on the answers, each conversation by itself; a run can be cut, shared out and done by LoRA."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from counting import new_model, settings
from posttraining.chats import LESSONS, ROW, TOKENIZER, chat_data

from minillm import generate, load
from minillm.data.chat import encode_chat
from minillm.data.conversations import Example
from minillm.losses import IGNORE, token_log_probs
from minillm.posttraining.adapter import ADAPTER_DIR, load_adapter
from minillm.posttraining.lora import add_lora, lora_layers
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.training.distributed import Processes
from minillm.training.loop import update
from minillm.training.optim import make_optimizer
from minillm.training.pretraining import mean_loss, text_loss

ROOT = Path(__file__).resolve().parents[2]


def model_for(tokenizer=TOKENIZER, seed=0, **changes):
    return new_model(seed, vocab_size=tokenizer.vocab_size, **changes)


def answer(model, messages):
    ids = encode_chat(TOKENIZER, messages[:-1])
    return TOKENIZER.decode(generate(model, ids, 4, temperature=0, stop=[TOKENIZER.eos_id])[len(ids) :])


def test_it_learns_to_answer_and_to_stop():
    model, history = sft(model_for(), chat_data(), settings(steps=300, learning_rate=0.01))
    assert [answer(model, messages) for messages in LESSONS] == [f"{(n + 1) % 10}<|im_end|>" for n in range(10)]
    assert history[-1]["val_loss"] < 0.1 < history[0]["loss"]


def test_the_loss_is_the_mean_over_the_answers_tokens_each_in_its_own_conversation():
    """By hand: every conversation alone in a row of its own, two tokens of each (the digit, the closing mark)."""
    model = model_for()
    losses = []
    for messages in LESSONS[::3]:
        ids = torch.tensor([encode_chat(TOKENIZER, messages, add_generation_prompt=False)])
        start = len(encode_chat(TOKENIZER, messages[:-1]))
        assert TOKENIZER.decode(ids[0, start : start + 2]) == f"{messages[-1]['content']}<|im_end|>"
        losses += (-token_log_probs(model(ids[:, :-1]), ids[:, 1:]))[0, start - 1 : start + 1].tolist()
    data = chat_data()
    assert sum(int((targets != IGNORE).sum()) for _, _, targets in data.validation) == len(losses) == 8
    assert mean_loss(model, data.validation) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_what_is_measured_on_is_each_conversation_once():
    """Also where the rows do not fill the last batch."""
    examples = [Example([1, 2, 3 + n], [False, True, True]) for n in range(37)]
    data = ChatData.from_examples(examples[:1], examples, 0, 3, 1, 0)
    assert [len(inputs) for inputs, _, _ in data.validation] == [16, 16, 5]
    last = [int(row[row != IGNORE][-1]) for _, _, targets in data.validation for row in targets]
    assert sorted(last) == [3 + n for n in range(37)]


def test_a_curriculum_begins_with_its_own_conversations():
    examples = encode_conversations(TOKENIZER, LESSONS)
    data = ChatData.from_examples(examples[3:], examples, TOKENIZER.eos_id, ROW, 2, 0, examples[:3], first_steps=2)
    answers = {TOKENIZER.encode(str(n))[0] for n in (1, 2, 3)}
    seen = [
        {int(id) for id in data.train[step][-1].flatten() if TOKENIZER.decode([max(id, 0)]).isdigit()}
        for step in range(8)
    ]
    assert set().union(*seen[:2]) == answers
    assert not answers & set().union(*seen[2:])


def test_one_process_may_hold_a_share_without_targets():
    """The others' answers are learnt as if it had not been there; a batch without any target is still refused."""
    inputs, segments, targets = chat_data().train[0]
    model, config = model_for(), settings()
    optimizer = make_optimizer("adamw", model, 0.0, 0.0)

    class Two(Processes):
        def sum(self, value):
            return value + 5 if isinstance(value, int) else value  # tokens that the other process has

    processes = Two(rank=0, world_size=2)
    empty = inputs, segments, torch.full_like(targets, IGNORE)
    batch_loss = Processes().batch_loss(model, text_loss)
    loss, norm, count = update(model, batch_loss, optimizer, [empty], 0.0, config, processes)
    assert (loss, norm, count) == (0.0, 0.0, 5)
    with pytest.raises(ValueError, match="a batch needs at least one target"):
        update(model, batch_loss, optimizer, [empty], 0.0, config, Processes())


class PulledPlug(Exception): ...


@pytest.mark.parametrize("lora", [False, True])
def test_a_run_that_was_cut_ends_as_if_it_had_not_been(tmp_path, lora):
    def fresh():
        model = model_for(tie_embeddings=False)
        return add_lora(model, rank=4) if lora else model

    def pull(metrics):
        if metrics["step"] == 33:
            raise PulledPlug

    config = settings(learning_rate=0.01)
    expected, whole = sft(fresh(), chat_data(), config)
    with pytest.raises(PulledPlug):
        sft(fresh(), chat_data(), config, tmp_path, TOKENIZER, pull)
    model, history = sft(fresh(), chat_data(), config, tmp_path, TOKENIZER)
    keys = ("step", "loss", "tokens", "val_loss")
    assert [[line.get(key) for key in keys] for line in history] == [[line.get(key) for key in keys] for line in whole]
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_run_with_lora_leaves_a_plain_model_and_its_adapter(tmp_path):
    model = add_lora(model_for(tie_embeddings=False), rank=4)
    before = {name: p.clone() for name, p in model.named_parameters()}
    sft(model, chat_data(), settings(learning_rate=0.02), tmp_path, TOKENIZER, base_name="the base")
    kept = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert kept == {name for name in before if "lora_" not in name}
    merged, tokenizer = load(tmp_path)
    assert tokenizer.chat_template == TOKENIZER.chat_template
    ids = torch.tensor([encode_chat(TOKENIZER, LESSONS[3])])
    torch.testing.assert_close(merged(ids), model(ids), rtol=1e-4, atol=1e-4)
    again = load_adapter(model_for(tie_embeddings=False), tmp_path / ADAPTER_DIR)
    assert torch.equal(again(ids), model(ids))
    assert lora_layers(model)  # the caller's model is as it was, not merged
    assert (
        json.loads((tmp_path / ADAPTER_DIR / "adapter_config.json").read_text())["base_model_name_or_path"]
        == "the base"
    )


def test_what_cannot_be_done_is_refused(tmp_path):
    with pytest.raises(ValueError, match="run_dir needs a tokenizer"):
        sft(model_for(), chat_data(), settings(), tmp_path)
    with pytest.raises(ValueError, match="cannot be sharded"):
        sft(add_lora(model_for()), chat_data(), settings(), processes=Processes(world_size=2, sharded=True))
    with pytest.raises(ValueError, match="conversation 1 .*: the conversation holds no answer"):
        encode_conversations(TOKENIZER, [LESSONS[0], LESSONS[0][:1]])
    with pytest.raises(ValueError, match="no documents to pack"):
        ChatData.from_examples([], [], 0, ROW, 4, 0)


JOB = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from counting import new_model, settings
from posttraining.chats import TOKENIZER, chat_data
from minillm.losses import IGNORE
from minillm.posttraining.lora import add_lora
from minillm.posttraining.sft import sft
from minillm.training.distributed import join_processes

class WithAnEmptyRow:
    batch_size = 4
    def __init__(self, batches):
        self.batches = batches
    def __getitem__(self, step):
        inputs, segments, targets = self.batches[step]
        targets[1::2] = IGNORE  # all that the second of two processes gets
        return inputs, segments, targets

with join_processes(torch.device("cpu")) as processes:
    for name in ("plain", "lora", "empty"):
        model = new_model(vocab_size=TOKENIZER.vocab_size)
        data = chat_data()
        if name == "lora":
            add_lora(model, rank=4)
        if name == "empty":
            object.__setattr__(data, "train", WithAnEmptyRow(data.train))
        out = Path(sys.argv[1]) / name
        _, history = sft(model, data, settings(steps=20, learning_rate=0.01), out, TOKENIZER, processes=processes)
        if processes.is_main:
            (out / "history.json").write_text(json.dumps(history))
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path):
    """Real processes under torchrun; in the run "empty" the second one never has anything to learn from."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    histories = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(tmp_path / "job.py"), str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        found = [out / name / "history.json" for name in ("plain", "lora", "empty")]
        assert all(file.exists() for file in found), done.stderr[-4000:]
        histories.append([json.loads(file.read_text()) for file in found])
    for one, two in zip(*histories, strict=True):
        for ours, theirs in zip(two, one, strict=True):
            assert ours["tokens"] == theirs["tokens"]
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
            assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-2)
        assert two[-1]["val_loss"] == pytest.approx(one[-1]["val_loss"], rel=1e-3)
