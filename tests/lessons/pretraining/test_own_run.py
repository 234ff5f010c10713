"""The run of lesson 08: the optimizer against the package's, the loss of a batch, a watched run, and what is kept."""

import json

import pytest
import torch

from minillm import ModelConfig, Transformer
from minillm.course import own_run, suspects
from minillm.course.own_model import PartFailed
from minillm.course.stack import RESULTS
from minillm.course.turns.pretraining import adamw_step, next_token_loss, orthogonalize, train
from minillm.losses import IGNORE
from minillm.losses import next_token_loss as package_loss
from minillm.pretrained import load
from minillm.training.optim import adamw, muon

SMALL = ModelConfig(vocab_size=20, d_model=8, n_layers=2, n_heads=2, max_seq_len=8)


def twins():
    torch.manual_seed(0)
    ours = Transformer(SMALL)
    theirs = Transformer(SMALL)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_the_optimizer_moves_weights_as_the_packages_does(name):
    ours, theirs = twins()
    mine = own_run.Stepper(ours, adamw_step, orthogonalize if name == "muon" else None)
    package = adamw(theirs, 0.01, 0.1) if name == "adamw" else muon(theirs, 0.01, 0.1, 0.9)
    for seed in range(4):
        ids = torch.randint(20, (2, 8), generator=torch.Generator().manual_seed(seed))
        for model, optimizer in ((ours, mine), (theirs, package)):
            for group in optimizer.param_groups:
                group["lr"] = 0.01
            optimizer.zero_grad()
            package_loss(model(ids[:, :-1]), ids[:, 1:]).backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=2e-2, atol=2e-3)  # bfloat16 inside, where the machine has it


def test_the_loss_of_a_batch_is_the_mean_over_rows_without_their_empty_places():
    model, _ = twins()
    ids = torch.randint(20, (2, 9), generator=torch.Generator().manual_seed(1))
    inputs, targets = ids[:, :-1], ids[:, 1:].clone()
    targets[1, 4:] = IGNORE
    found = own_run.batch_loss(next_token_loss)(model, (inputs, targets))
    rows = [package_loss(model(inputs)[0, :-1], targets[0, :-1]), package_loss(model(inputs)[1, :4], targets[1, :4])]
    torch.testing.assert_close(found, sum(rows) / 2, rtol=2e-2, atol=2e-2)


def test_an_error_of_a_learners_function_is_a_sentence_with_its_name():
    def adamw_step(w, g, m, v, step, lr, decay):
        return w + missing, m, v

    model, _ = twins()
    optimizer = own_run.Stepper(model, adamw_step)
    package_loss(model(torch.zeros(1, 3, dtype=torch.long)), torch.zeros(1, 3, dtype=torch.long)).backward()
    with pytest.raises(PartFailed, match="`adamw_step` raised NameError"):
        optimizer.step()


def test_the_rate_climbs_and_falls_to_nearly_0():
    rates = [own_run.schedule(step) for step in range(own_run.UPDATES)]
    top = max(range(len(rates)), key=rates.__getitem__)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.02 * rates[top]


def test_a_run_is_watched_learns_says_whose_code_ran_and_is_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(own_run, "ROWS", 2)
    trained = own_run.learn(train, next_token_loss, adamw_step, orthogonalize, until=3)
    printed = capsys.readouterr().out
    assert len(trained.losses) == 3
    assert trained.losses[0] == pytest.approx(7.6, abs=0.3)
    assert "update 3 of 3" in printed
    assert "the course's train, next_token_loss, adamw_step and orthogonalize" in printed
    assert not trained.model.training
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    own_run.keep(trained)
    model, _ = load(tmp_path / "mine" / "model")
    assert torch.equal(model.head.weight, trained.model.head.weight)
    assert "mine/model" in capsys.readouterr().out
    own_run.publish(trained, "<b>Ada</b>'s", "A duck")
    page = (tmp_path / "mine" / "model.html").read_text(encoding="utf-8")
    assert "A duck" in page
    assert "<b>Ada" not in page
    assert "mine/model.html" in capsys.readouterr().out


def test_the_five_runs_are_those_of_the_benchmark(capsys):
    stored = json.loads((RESULTS / "broken_runs.json").read_text(encoding="utf-8"))
    assert {bug for bug in suspects.SUSPECTS.values() if bug} == stored["bugs"].keys()
    curves = suspect_ends()
    assert min(curves, key=curves.get) in "BD"  # the best-looking are broken ones
    assert suspects.true_losses() == "C"
    told = capsys.readouterr().out
    assert len(told.splitlines()) == 5
    assert 1 <= suspects.caught("no causal mask") <= 120


def suspect_ends():
    return {letter: losses[-1] for letter, (_, losses) in suspects.suspect_curves().items()}


def test_a_loss_is_told_for_each_token_but_the_last():
    model = own_run.newborn()
    tokens, losses = own_run.losses_of(model, "A rooster lives in the yard.")
    assert "".join(tokens) == "A rooster lives in the yard."
    assert len(losses) == len(tokens) - 1
    assert sum(losses) / len(losses) == pytest.approx(7.6, abs=1.0)


def test_the_race_is_told_with_its_means(capsys):
    distances = suspects.show_race()
    assert min(distances, key=distances.get) == "about at the bigrams"
    assert "AdamW 2.70, 3.07, 2.70" in capsys.readouterr().out
    assert suspects.counted()[5] < suspects.counted()[2]
    suspects.say_base()
    assert "95% of the way" in capsys.readouterr().out
