"""The benchmarks of lessons 10 and 11: gold points by part, a prefix, three weights from clicks, variants."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from minillm import Transformer
from minillm.posttraining.grpo import GRPO
from minillm.posttraining.policy_gradient import group_advantages, whiten
from minillm.posttraining.ppo import PPO
from minillm.posttraining.rollout import answer_hidden, roll_out, score_answers
from minillm.world.instructions import Instructions
from minillm.world.raters import candidates, utility
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config
from tests.posttraining.chats import TOKENIZER

ASKED = Instructions(0).instructions(12)


def script(name):
    @pytest.fixture(scope="module", name=name)
    def loaded():
        with benchmark_script(name) as module:
            yield module

    return loaded


gold, alignment, reward_hacking, ppo_live, dpo_live, clicks, weaker_chat = map(
    script, ("gold", "alignment", "reward_hacking", "ppo_live", "dpo_live", "clicks", "weaker_chat")
)


def said(texts):
    return [[{"text": text, "ids": [1], "ended": True, "log_ratio": 0.5} for text in texts]]


def test_points_are_the_utility_in_two_parts(gold):
    for one in ASKED:
        for text in candidates(one):
            its = gold.points(one, text)
            assert its["gold"] == utility(one, text) == pytest.approx(its["right"] + its["manners"])
            assert its["right"] == 4 * one.check(text)


def test_a_prefix_gains_manners_and_no_right_answers(gold):
    plain = said([one.reply for one in ASKED])
    courteous = gold.prefixed(plain, TOKENIZER)
    before, after = gold.each(ASKED, plain), gold.each(ASKED, courteous)
    won = gold.gain(after, before)
    assert won["right"] == [0.0, 0.0]
    assert won["gold"] == pytest.approx(won["manners"])
    assert won["manners"][0] > 0.5
    assert gold.describe(ASKED, courteous)["polite"] == 1
    assert gold.prefixed(courteous, TOKENIZER)[0][0]["text"] == courteous[0][0]["text"]
    assert TOKENIZER.decode(courteous[0][0]["ids"][:-1]) == courteous[0][0]["text"]
    assert courteous[0][0]["ids"][-1] == TOKENIZER.end_id
    assert "kl" in gold.describe(ASKED, plain)
    assert "kl" not in gold.describe(ASKED, courteous)


def test_rudeness_is_not_polite_and_draws_are_averaged(gold):
    one = ASKED[0]
    rude = next(text for text in candidates(one) if gold.load_phrasebook().sounds("rudeness", text))
    assert not gold.polite(rude)
    twice = said([one.reply]) + said([one.mistakes[0]])
    assert gold.each([one], twice)["right"] == [2.0]
    assert gold.describe([one], twice)["right_share"] == 0.5


def test_the_interval_over_three_seeds_is_students(gold):
    found = gold.over_seeds([0.0, 1.0, 2.0])
    assert found["high"] - found["mean"] == pytest.approx(4.30 / math.sqrt(3))
    assert gold.over_seeds([1.5])["low"] is None


def test_the_best_of_n_is_the_winner_of_each_group(alignment, gold, monkeypatch):
    """The reward is the number of an answer, so the last of each group wins."""
    one = ASKED[0]
    texts = [one.reply, one.mistakes[0]] * 2
    monkeypatch.setattr(alignment, "NS", (1, 2, 4))
    monkeypatch.setattr(alignment, "draw", lambda *_: [TOKENIZER.encode(text) for text in texts])
    judge = SimpleNamespace(score=lambda prompts, answers: torch.arange(len(answers)).float())
    judge.eval = lambda: judge
    monkeypatch.setattr(alignment.models, "sft", lambda: (None, TOKENIZER))
    monkeypatch.setattr(alignment.models, "reward", lambda: (judge, TOKENIZER))
    found = alignment.best_of(0, [one])
    assert [found[n]["right"] for n in "124"] == [[2.0], [0.0], [0.0]]
    assert [found[n]["reward"] for n in "124"] == [1.5, 2.0, 3.0]


def test_the_first_round_is_shared_and_only_the_control_keeps_the_first_reference(alignment, monkeypatch, tmp_path):
    """A policy is a word here; what is recorded is what each round starts from, its seed and its reference."""
    calls = []
    policies = alignment.Trained(2, tmp_path)

    def dpo(self, model, stream, folder, reference=None, judged=False):
        calls.append((model, stream, folder.relative_to(tmp_path / "seed2" / "policies").as_posix(), reference, judged))
        folder.mkdir(parents=True)

    monkeypatch.setattr(alignment.Trained, "dpo", dpo)
    monkeypatch.setattr(alignment.models, "sft", lambda: ("SFT", TOKENIZER))
    monkeypatch.setattr(alignment.minillm, "load", lambda folder: (folder.name, TOKENIZER))
    for name in ("dpo-rounds", "dpo-rounds-first", "dpo-rounds", "dpo-judge"):
        policies(name)
    assert calls == [
        ("SFT", 2, "dpo", None, False),
        ("dpo", 1002, "dpo-rounds/2", None, False),
        ("2", 2002, "dpo-rounds/3", None, False),
        ("dpo", 1002, "dpo-rounds-first/2", "SFT", False),
        ("2", 2002, "dpo-rounds-first/3", "SFT", False),
        ("SFT", 2, "dpo-judge", None, True),
    ]


def test_rounds_take_what_all_their_rounds_take(alignment, monkeypatch, tmp_path):
    """The first round of both iterated forms is the policy of `dpo`, so its seconds count in all three."""
    spent = {
        "dpo": 1.0,
        "dpo-rounds/2": 2.0,
        "dpo-rounds/3": 4.0,
        "dpo-rounds-first/2": 8.0,
        "dpo-rounds-first/3": 16.0,
    }
    now = 0
    policies = alignment.Trained(0, tmp_path)

    def train(self, name, folder):
        nonlocal now
        folder.mkdir(parents=True)
        now += spent[name]

    monkeypatch.setattr(alignment.Trained, "train", train)
    monkeypatch.setattr(alignment.minillm, "load", lambda folder: (None, None))
    monkeypatch.setattr(alignment.time, "process_time", lambda: now)
    for name in spent:
        policies(name)
    assert policies.seconds("dpo") == 1
    assert policies.seconds("dpo-rounds") == 1 + 2 + 4
    assert policies.seconds("dpo-rounds-first") == 1 + 8 + 16


@pytest.mark.parametrize(("method", "n"), [("distilled", 16), ("distilled-any", 1)])
def test_the_control_of_distillation_picks_nothing(alignment, monkeypatch, tmp_path, method, n):
    asked = []
    monkeypatch.setattr(alignment.Trained, "distilled", lambda self, folder, n: asked.append(n))
    alignment.Trained(0, tmp_path).train(method, tmp_path)
    assert asked == [n]


def test_the_parts_of_what_is_closed_add_up_and_differences_are_paired(alignment):
    def row(points, right):
        gains = {"gold": [points, 0.1], "right": [right, 0.1], "manners": [points - right, 0.1]}
        return {"gold": 4 + points, "right": 3.5 + right, "manners": 0.5 + points - right, "gain": gains}

    runs = [
        {"SFT": {"sampled": row(0, 0)}, "ppo": {"sampled": row(a, 0.1)}, "dpo": {"sampled": row(a - 0.2, 0.0)}}
        for a in (0.4, 0.6)
    ]
    for run in runs:
        for method in run.values():
            method["greedy"] = method["sampled"]
    means = alignment.summary(runs)
    assert means["methods"]["ppo"]["sampled"]["gain_manners"]["mean"] == pytest.approx(0.4)
    [sampled] = [row for row in means["differences"] if row["temperature"] == "sampled"]
    assert (sampled["first"], sampled["second"]) == ("ppo", "dpo")
    assert sampled["gold"]["mean"] == pytest.approx(sampled["gold"]["low"]) == pytest.approx(0.2)
    assert len(alignment.lines(runs, means)) == 1 + 6 + 2


def test_right_answers_begin_to_fall_where_they_stay_below(reward_hacking):
    means = [(0.0, 0.0), (-0.3, 0.1), (0.1, 0.1), (-0.3, 0.1), (-1.0, 0.1)]
    rows = [
        {"round": 10 * number, "held_out_sampled": {"gain": {"right": gain, "gold": (0.0, 0.1)}}}
        for number, gain in enumerate(means)
    ]
    assert reward_hacking.begins_to_fall(rows, "right") == 30
    assert reward_hacking.begins_to_fall(rows, "gold") is None


def test_the_seeds_of_reward_hacking_leave_out_the_one_that_chose(reward_hacking):
    assert 0 not in reward_hacking.SEEDS
    proxies = {run.proxy for run in reward_hacking.RUNS.values()}
    assert proxies == {None, *reward_hacking.PROXIES}
    assert {run.kl_coef for run in reward_hacking.RUNS.values() if run.proxy == "low"} == {0.0, 0.05, 0.2}


@pytest.fixture(scope="module")
def rollout():
    model, reference = (lively(Transformer(small_config())) for _ in range(2))
    drawn = roll_out(model, [[3, 14, 15], [7], [21, 2], [8, 8, 1, 5]], 6, stop=[4, 9, 17, 33, 41], seed=3)
    with torch.no_grad():
        hidden = answer_hidden(model, drawn)
        logs = score_answers(model, drawn)[0], score_answers(reference, drawn)[0]
    return model, drawn, hidden, *logs


def test_without_whitening_the_advantages_differ_by_a_shift_and_a_factor(ppo_live, rollout):
    model, drawn, *rest = rollout
    scores = torch.tensor([1.0, -2.0, 0.5, 3.0])
    plain, raw = (
        kind(model, ppo_live.BASE).experience(drawn, scores, *rest, 0.1)[0] for kind in (PPO, ppo_live.Unwhitened)
    )
    torch.testing.assert_close(whiten(raw.advantages, drawn.mask), plain.advantages)
    torch.testing.assert_close(raw.advantages + raw.values, raw.returns)
    assert not torch.allclose(raw.advantages, plain.advantages)


def test_the_batch_scale_is_one_factor_for_all_groups(dpo_live, rollout):
    model, drawn, *rest = rollout
    scores, config = torch.tensor([1.0, 3.0, 5.0, 5.1]), replace(dpo_live.GRPO_BASE, answers_per_prompt=2)
    by_group, by_batch = (
        kind(model, config).experience(drawn, scores, *rest, 0.0)[0].advantages[:, 0]
        for kind in (GRPO, dpo_live.BatchScaled)
    )
    torch.testing.assert_close(by_batch, group_advantages(scores, 2, scale=False) / scores.std())
    assert by_group[1] == pytest.approx(by_group[3].item(), rel=1e-3)
    assert by_batch[1] > 10 * by_batch[3]


def test_a_round_is_counted_and_an_answer_without_an_end_is_bad(ppo_live):
    asked = [one for one in ASKED if not one.context][:2]
    for end_counts in (False, True):
        counted = ppo_live.Counted(lambda prompts, _: torch.ones(len(prompts)), TOKENIZER, asked, end_counts)
        texts = [f"Certainly. {asked[0].reply}", asked[1].mistakes[0]]
        answers = [[*TOKENIZER.encode(texts[0]), TOKENIZER.end_id], TOKENIZER.encode(texts[1])]
        scores = counted(counted.prompts, answers)
        assert counted.rounds == [{"right": 0.5, "polite": 0.5}]
        assert scores.tolist() == [1.0, ppo_live.NO_END if end_counts else 1.0]


def test_what_held_a_run_back_is_counted(ppo_live):
    line = {"clip_fraction": 0.1, "updates": 4.0, "policy_kl": 0.02, "kl": 0.3, "reward": 1.0}
    found = ppo_live.brakes([line, line | {"updates": 1.0, "policy_kl": 0.5, "clip_fraction": 0.3, "kl": 2.0}], 4)
    assert found["stopped"] == 1
    assert found["clip_fraction"] == pytest.approx(0.2)
    assert (found["largest_policy_kl"], found["kl"]) == (0.5, pytest.approx(1.15))


def test_the_live_summary_has_points_and_gains(ppo_live):
    it = {"gold": 4.5, "polite": 0.9, "right_share": 0.95} | {"gain": {part: [0.1, 0.0] for part in ppo_live.PARTS}}
    after = {kind: {"greedy": it, "sampled": it} for kind in ("all", "short")}
    found = ppo_live.summary([{"name": "fresh", "after": after}] * 3)["fresh"]["short, sampled"]
    assert (found["gold"]["mean"], found["gain_gold"]["values"]) == (4.5, [0.1] * 3)


def test_every_live_run_is_a_setting_that_there_is(ppo_live, dpo_live):
    for run in ppo_live.RUNS.values():
        replace(ppo_live.BASE, **run.changes)
    for run in dpo_live.RUNS.values():
        base = dpo_live.DPO_BASE if run.method == "dpo" else dpo_live.ONLINE[run.method][1]
        replace(base, **run.changes)


def test_many_clicks_find_the_raters_weights(clicks):
    """A rater of known weights clicks 3,000 times on random features; the fit finds them within the noise."""
    generator = torch.Generator().manual_seed(0)
    true = torch.tensor([2.0, 1.0, -0.5], dtype=torch.float64)
    a, b = torch.randn(2, 3000, 3, generator=generator, dtype=torch.float64)
    first = torch.rand(3000, generator=generator) < torch.sigmoid((a - b) @ true)
    rows = [(x, y) if wins else (y, x) for x, y, wins in zip(a.tolist(), b.tolist(), first.tolist(), strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clicks, "features", lambda instruction, answer: answer)
        found = clicks.fit([clicks.Clicked(None, chosen, rejected) for chosen, rejected in rows], prior=100.0)
        few = clicks.fit([clicks.Clicked(None, chosen, rejected) for chosen, rejected in rows[:20]], prior=0.01)
    torch.testing.assert_close(found, true, atol=0.2, rtol=0)
    assert few.abs().max() < 0.01  # the prior wins


def test_every_kind_of_rater_clicks_on_the_same_pairs(clicks):
    pairs = {
        kind: [frozenset((one.chosen, one.rejected)) for one in clicks.click(kind, 0, 0, 20)] for kind in clicks.kinds()
    }
    assert len({tuple(its) for its in pairs.values()}) == 1
    assert [one.chosen for one in clicks.click("gold", 0, 0, 40)][:20] == [
        one.chosen for one in clicks.click("gold", 0, 0, 20)
    ]
    assert clicks.fit(clicks.click("gold", 0, 0, 20))[0] > 1 > -1 > clicks.fit(clicks.click("reversed", 0, 0, 20))[0]


def test_picks_take_the_first_of_equals_and_differ_by_text(clicks):
    table = torch.tensor([[[1.0, 0.0, 0.5], [1.0, 0.0, 0.5], [0.0, 1.0, 0.1]]])
    assert clicks.picked_by(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), table) == [0]
    assert clicks.picked_by(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), table) == [2]
    assert clicks.differ([0], [1], [["same", "same", "other"]]) == 0
    assert clicks.differ([0], [2], [["same", "same", "other"]]) == 1
    assert [clicks.differ_in_kind([0], [other], table) for other in (0, 1, 2)] == [0, 0, 1]


def test_who_cares_for_facts_only_does_not_see_manners(weaker_chat):
    one, rater = ASKED[0], weaker_chat.FactsOnly()
    assert rater.perceived(one, f"Certainly. {one.reply}") == rater.perceived(one, one.reply) == 4
    assert rater.perceived(one, one.mistakes[0]) == 0
