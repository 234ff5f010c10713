import json
import math
import os
import signal
import sys
from types import SimpleNamespace

import pytest
import torch
from counting import END, new_model, settings, text_data

from minillm import ModelConfig
from minillm.data.batches import PackedBatches, whole_documents
from minillm.errors import UserError
from minillm.losses import IGNORE, token_log_probs
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import Processes
from minillm.training.loop import Task, interrupt_after_step, train, update
from minillm.training.optim import make_optimizer
from minillm.training.pretraining import mean_loss, pretrain, text_loss
from minillm.training.run import Run
from minillm.training.settings import TrainConfig


def test_it_learns_to_count():
    model, history = pretrain(new_model(), text_data(), settings(steps=150, learning_rate=0.01))
    assert [line["step"] for line in history] == list(range(1, 151))
    assert history[0]["loss"] == pytest.approx(torch.tensor(50.0).log().item(), abs=0.2)  # ln V at the start
    assert history[-1]["val_loss"] < 1.0  # the first number and the end cannot be known; the rest can
    assert history[-1]["val_loss"] == mean_loss(model, text_data().validation)


def test_the_step_is_forward_backward_clip_move():
    """Against the same update written out by hand, with the gradient long enough to be clipped."""
    ours, by_hand, data = new_model(3), new_model(3), text_data()
    config = settings(steps=3, clip_norm=0.5, weight_decay=0.1, learning_rate=0.01)
    metrics = list(train(Task(ours, data.train, text_loss), config))
    decayed = [p for p in by_hand.parameters() if p.dim() > 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": 0.1},
            {"params": [p for p in by_hand.parameters() if p.dim() == 1], "weight_decay": 0},
        ],
        betas=(0.9, 0.95),
    )
    for step in range(3):
        inputs, targets = data.train[step]
        counted = targets != -100
        loss = -token_log_probs(by_hand(inputs), targets).sum() / counted.sum()
        optimizer.zero_grad()
        loss.backward()
        length = torch.stack([p.grad.norm() for p in by_hand.parameters()]).norm()
        for p in by_hand.parameters():
            p.grad *= min(1.0, 0.5 / length)
        for group in optimizer.param_groups:
            group["lr"] = metrics[step]["learning_rate"]
        optimizer.step()
        assert metrics[step]["loss"] == pytest.approx(loss.item(), rel=1e-5)
        assert metrics[step]["grad_norm"] == pytest.approx(length.item(), rel=1e-4)
    for one, two in zip(ours.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_parts_of_a_batch_make_the_step_of_the_whole():
    """Also where the parts hold unequal numbers of targets, or none."""
    torch.manual_seed(0)
    rows = torch.randint(1, 50, (32, 13))
    rows[::3, 4:] = IGNORE
    rows[::7, 1:] = IGNORE
    whole, split = new_model(2), new_model(2)
    expected = list(train(Task(whole, PackedBatches(rows, 4, 0, END), text_loss), settings(steps=6)))
    metrics = list(train(Task(split, PackedBatches(rows, 1, 0, END), text_loss), settings(steps=6, accumulate=4)))
    for one, two in zip(metrics, expected, strict=True):
        assert one["tokens"] == two["tokens"]
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
        assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-4)
    for one, two in zip(split.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


def clock(monkeypatch, per_step: float, per_validation: float = 0.0) -> None:
    """A clock for the loop on which only updates and validations take seconds."""
    now = [0.0]

    def taking(seconds, work):
        def timed(*arguments):
            now[0] += seconds
            return work(*arguments)

        return timed

    monkeypatch.setattr("minillm.training.loop.time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr("minillm.training.loop.update", taking(per_step, update))
    monkeypatch.setattr("minillm.training.pretraining.mean_loss", taking(per_validation, mean_loss))


def test_a_run_of_minutes_ends_within_a_step_of_its_time(monkeypatch):
    clock(monkeypatch, 5.0)
    metrics = list(
        train(Task(new_model(), text_data().train, text_loss), settings(steps=None, minutes=1, warmup_steps=0))
    )
    assert [line["seconds"] for line in metrics] == [5.0 * step for step in range(1, 13)]
    rates = [line["learning_rate"] for line in metrics]
    assert rates[0] == 3e-3
    assert rates == sorted(rates, reverse=True)
    assert metrics[-1]["learning_rate"] < 0.1 * 3e-3  # the schedule came down in time


def test_a_run_of_minutes_that_was_cut_off_has_the_rest_of_its_time(tmp_path, monkeypatch):
    config = settings(steps=None, minutes=1, warmup_steps=0, save_every=4)
    clock(monkeypatch, 5.0)

    def pull(metrics):
        if metrics["step"] == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pretrain(new_model(vocab_size=258), text_data(), config, tmp_path, TOKENIZER, on_metrics=pull)
    clock(monkeypatch, 10.0)  # a slower machine
    history = saved_run(tmp_path, config)[1]
    assert [line["seconds"] for line in history] == [5, 10, 15, 20, 30, 40, 50, 60]
    assert saved_run(tmp_path, config)[1] == history  # nothing is left to do


def test_the_pace_is_that_since_the_line_before_without_validation(monkeypatch):
    clock(monkeypatch, 2.0, per_validation=100.0)
    model, data = new_model(), text_data()
    monkeypatch.setattr("minillm.training.pretraining.matmul_peak", lambda device, dtype: 1e6)
    history = pretrain(model, data, settings(steps=12, log_every=5, eval_every=5), floor=0.25)[1]
    assert [line["step"] for line in history] == [1, 5, 10, 12]
    assert [line["seconds"] for line in history] == [2.0, 10.0, 120.0, 224.0]  # on the wall, all counts
    before = {"step": 0, "tokens": 0}
    for line in history:
        tokens_per_second = (line["tokens"] - before["tokens"]) / (2.0 * (line["step"] - before["step"]))
        assert line["tokens_per_second"] == pytest.approx(tokens_per_second, abs=0.051)
        # Two layers of 2 x 32 x 32 (query, out), 2 x 32 x 16 (key, value), 3 x 32 x 85, and the head 50 x 32: 24,064
        # weights, 2 operations each; 23 keys a row of 23 tokens, 12 on average, 4 x 32 operations each in two layers.
        flops = 3 * (2 * (2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 85) + 50 * 32) + 2 * 4 * 32 * 12)
        assert line["flop_utilization"] == pytest.approx(line["tokens_per_second"] * flops / 1e6, abs=5e-5)
        assert ("above_floor" in line) == ("val_loss" in line)
        before = line
    assert history[-1]["above_floor"] == history[-1]["val_loss"] - 0.25


def test_the_first_line_is_that_of_the_untrained_model():
    assert [line["step"] for line in pretrain(new_model(), text_data(), settings(steps=10, log_every=4))[1]] == [
        1,
        4,
        8,
        10,
    ]


def test_mean_loss_weighs_every_token_the_same():
    model = new_model(1)
    documents = [[1], [2] * 15]
    together = mean_loss(model, whole_documents(documents, END))
    alone = [mean_loss(model, whole_documents([document], END)) for document in documents]
    assert together == pytest.approx((alone[0] * 2 + alone[1] * 16) / 18, rel=1e-6)
    with pytest.raises(ValueError, match="no token to measure"):
        mean_loss(model, [])


def test_two_runs_of_one_seed_are_one_run():
    one, two = (pretrain(new_model(), text_data(), settings(steps=10))[1] for _ in range(2))
    assert [line["loss"] for line in one] == [line["loss"] for line in two]


TOKENIZER = Tokenizer.train(["a b c"], vocab_size=258, special_tokens=["<|endoftext|>", "<|more|>"])


def saved_run(folder, config, model=None):
    return pretrain(model or new_model(vocab_size=258), text_data(), config, run_dir=folder, tokenizer=TOKENIZER)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon", "schedule": "wsd", "accumulate": 2}])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path, changes):
    config = settings(**changes)
    undisturbed, expected = saved_run(tmp_path / "whole", config)

    class PulledPlug(Exception): ...

    def pull(metrics):
        if metrics["step"] == 33:
            raise PulledPlug

    with pytest.raises(PulledPlug):
        pretrain(new_model(vocab_size=258), text_data(), config, tmp_path / "cut", TOKENIZER, on_metrics=pull)
    with open(tmp_path / "cut" / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 34, "lo')  # a line torn by the kill
    model, history = saved_run(tmp_path / "cut", config, new_model(99, vocab_size=258))
    keys = ("step", "loss", "grad_norm", "learning_rate", "tokens", "val_loss")
    without_time = [[{key: line.get(key) for key in keys} for line in lines] for lines in (history, expected)]
    assert without_time[0] == without_time[1]
    on_disk = (tmp_path / "cut" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in on_disk] == history
    for one, two in zip(model.parameters(), undisturbed.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_plug_pulled_between_the_last_line_and_the_last_checkpoint_loses_neither(tmp_path, monkeypatch):
    class PulledPlug(Exception): ...

    def pull(*arguments, **named):
        raise PulledPlug

    config = settings(steps=20)
    expected = saved_run(tmp_path / "whole", config)[1]
    places = "minillm.training.run.save_checkpoint", "minillm.pretrained.huggingface.save_file"
    for place in places:  # the one after the model is saved, the one before
        folder = tmp_path / place
        with monkeypatch.context() as patch:
            patch.setattr(place, pull)
            with pytest.raises(PulledPlug):
                saved_run(folder, config)
        history = saved_run(folder, config)[1]
        assert [line["step"] for line in history] == list(range(1, 21))
        assert history[-1]["val_loss"] == expected[-1]["val_loss"]
        assert (folder / "model.safetensors").exists()


def test_a_batch_that_cannot_be_divided_is_refused():
    run = Run(settings(), processes=Processes(rank=0, world_size=3))
    with pytest.raises(ValueError, match="a batch of 4 rows cannot be divided evenly among 3 processes"):
        next(train(Task(new_model(), text_data().train, text_loss), settings(), run))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a process's files")
def test_a_full_disk_is_survived(tmp_path):
    """No file may grow beyond 100 bytes between step 15 and step 45: what cannot be saved then is saved later."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def fill_the_disk(metrics):
        room = {15: 100, 45: hard}.get(metrics["step"])
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))

    tokenizer = Tokenizer.train(["1 2 3"], 258)
    config = settings(save_every=20)
    try:
        with pytest.warns(UserWarning, match="could not be saved|could not be written") as warned:
            _, history = pretrain(new_model(vocab_size=258), text_data(), config, tmp_path, tokenizer, fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    messages = [str(warning.message) for warning in warned]
    assert any("step 20 could not be saved" in message and "Training continues" in message for message in messages)
    assert any("metrics.jsonl could not be written" in message for message in messages)
    assert [line["step"] for line in history] == list(range(1, 61))
    written = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert written == history  # the lines that found no room were written when there was some
    undisturbed = pretrain(new_model(vocab_size=258), text_data(), config)[1]
    assert history[-1]["val_loss"] == undisturbed[-1]["val_loss"]
    assert not list(tmp_path.glob("*.partial"))


def test_the_last_checkpoint_must_be_written(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr("minillm.training.run.save_checkpoint", refuse)
    steps, config = [], settings(steps=20, save_every=10)
    task = Task(new_model(vocab_size=258), text_data().train, text_loss)
    run = Run(config, tmp_path, TOKENIZER, lambda line: steps.append(line["step"]))
    told = pytest.warns(UserWarning, match="step 10 could not be saved: no space left. Training continues.")
    with told, pytest.raises(OSError, match="no space left"):
        list(train(task, config, run))
    assert steps == list(range(1, 21))


def test_a_loss_that_is_no_number_leaves_a_report(tmp_path):
    tokenizer, model = Tokenizer.train(["1 2 3"], 258), new_model(vocab_size=258)

    def spoil(metrics):
        if metrics["step"] == 25:
            with torch.no_grad():
                model.blocks[1].feedforward.down.weight[0, 0] = float("inf")

    with pytest.raises(FloatingPointError, match=r"step 25: the loss became .*see .*diagnostics.json"):
        pretrain(model, text_data(), settings(), tmp_path, tokenizer, spoil)
    report = json.loads((tmp_path / "diagnostics.json").read_text())
    assert report["not_finite"] == ["blocks.1.feedforward.down.weight"]
    assert report["last_metrics"][-1]["step"] == 25
    history = pretrain(new_model(vocab_size=258), text_data(), settings(), tmp_path, tokenizer)[1]
    assert history[-1]["step"] == 60  # it went on from the checkpoint of step 20


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_step_saves_and_stops(tmp_path, number):
    model = new_model(vocab_size=258)
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    def press(metrics):
        if metrics["step"] == 13:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        pretrain(model, text_data(), settings(), tmp_path, TOKENIZER, on_metrics=press)
    assert [line["step"] for line in saved_run(tmp_path, settings())[1]] == list(range(1, 61))
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    model = new_model(vocab_size=258)

    def poison(metrics):
        if metrics["step"] == 25:
            with torch.no_grad():
                model.embedding.weight.fill_(float("nan"))

    with pytest.raises(FloatingPointError, match="the loss became nan at learning rate"):
        pretrain(model, text_data(), settings(), tmp_path, TOKENIZER, on_metrics=poison)
    assert saved_run(tmp_path, settings(), new_model(vocab_size=258))[1][-1]["step"] == 60


def test_a_gradient_that_is_no_number_changes_no_weight():
    model, batch = new_model(vocab_size=258), text_data().train[0]
    optimizer, batch_loss = make_optimizer("adamw", model, 0.01, 0.1), Processes().batch_loss(model, text_loss)
    before = [parameter.clone() for parameter in model.parameters()]
    model.embedding.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(
        FloatingPointError, match="gradient norm is (inf|nan) at learning rate 0.01; lower the learning rate"
    ):
        update(model, batch_loss, optimizer, [batch], 0.01, settings(), Processes())
    assert all(map(torch.equal, model.parameters(), before))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_error_of_whoever_watches_gives_ctrl_c_back():
    before = signal.getsignal(signal.SIGINT)  # Python's own, but for a process that was started in the background
    with pytest.raises(KeyError) as caught:  # whose traceback holds the frames of the run
        pretrain(new_model(vocab_size=258), text_data(), settings(), on_metrics=lambda line: line["no such figure"])
    assert caught.traceback
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_is_not_pythons_stays(monkeypatch):
    """`signal` tells of one as None, and takes no None back."""
    installed = []

    def install(number, handler):
        assert handler is not None, "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
        installed.append(number)
        return None if number == signal.SIGTERM else signal.default_int_handler

    monkeypatch.setattr(signal, "signal", install)
    monkeypatch.setattr(signal, "getsignal", lambda number: None if number == signal.SIGTERM else signal.SIG_DFL)
    with interrupt_after_step() as interrupted:
        assert not interrupted()
    assert installed == [signal.SIGINT, signal.SIGINT]


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path):
    saved_run(tmp_path, settings(steps=20))
    file = tmp_path / "training.json"
    before = json.loads(file.read_text())
    del before["momentum"], before["compile"]
    file.write_text(json.dumps(before))
    with pytest.raises(UserError, match="holds a run with momentum = 0.9, and now it is 0.5"):
        Run(settings(steps=20, momentum=0.5), tmp_path, TOKENIZER)
    assert saved_run(tmp_path, settings(steps=20))[1][-1]["step"] == 20


def test_bad_settings_are_named(tmp_path):
    for name, value in (
        ("steps", 0),
        ("learning_rate", 0.0),
        ("clip_norm", -1.0),
        ("weight_decay", -0.1),
        ("log_every", 0),
        ("accumulate", 0),
        ("final_fraction", 2.0),
        ("minutes", 0.0),
        ("momentum", 1.0),
    ):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            settings(**{name: value})
    with pytest.raises(ValueError, match="say how long to train"):
        TrainConfig()
    saved_run(tmp_path, settings(steps=2))
    with pytest.raises(ValueError, match="holds a run with steps = 2, and now it is 3"):
        saved_run(tmp_path, settings(steps=3))
    with pytest.raises(ValueError, match="belongs to another model"):
        saved_run(tmp_path, settings(steps=2), new_model(vocab_size=258, d_model=64))
    with pytest.raises(ValueError, match="run_dir needs a tokenizer"):
        pretrain(new_model(), text_data(), settings(), run_dir=tmp_path)
    with pytest.raises(ValueError, match="causal=False sees the token that it should predict"):
        pretrain(new_model(causal=False), text_data(), settings())


def test_a_setting_of_another_kind_is_named(as_users_call_it):
    with pytest.raises(ValueError, match="optimizer is 'sgd'; choose one of adamw, muon"):
        settings(optimizer="sgd")
    with pytest.raises(ValueError, match="schedule is 'linear'; choose one of cosine, wsd"):
        settings(schedule="linear")
    for name, value in (("steps", 2.5), ("save_every", math.inf)):
        with pytest.raises(ValueError, match=f"{name} is {value}; it must be (at least 1|a whole number)"):
            settings(**{name: value})


@pytest.mark.parametrize("position", ["rotary", "alibi"])
def test_bfloat16_learns_the_same_thing(position):
    full, half = (
        pretrain(new_model(position=position), text_data(), settings(bf16=bf16))[1][-1]["val_loss"]
        for bf16 in (False, True)
    )
    assert half == pytest.approx(full, rel=0.05)


def test_the_tiny_preset_holds_documents_of_the_world():
    from minillm.data.corpora import SPECIAL_TOKENS, load_corpus

    corpus, tiny = load_corpus("world", n_train=1500, n_validation=1), ModelConfig.preset("tiny")
    tokenizer = Tokenizer.train(corpus.train, tiny.vocab_size, SPECIAL_TOKENS)
    assert max(len(tokenizer.encode(text)) for text in corpus.train) + 2 <= tiny.max_seq_len + 1
