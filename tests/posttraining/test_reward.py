"""The reward model: where it reads, what it learns, and that transformers reads the same in what we save."""

import copy
import json
import math

import pytest
import torch
import transformers
from helpers import lively, small_config
from pretrained.gguf_files import small_tokenizer
from torch.nn import functional
from transformers import AutoModelForSequenceClassification

from minillm.data.chat import CHATML
from minillm.data.pairs import Pair, PairBatches, PairData, encode_preferences
from minillm.data.preferences import load_preferences
from minillm.errors import UserError
from minillm.inference.engine import Engine
from minillm.inference.generate import generate, stream
from minillm.inference.scoring import continuation_log_probs, log_probs
from minillm.inference.speculative import PromptLookup, speculate
from minillm.losses import bradley_terry_loss, token_log_probs
from minillm.model.transformer import Transformer
from minillm.posttraining.lora import add_lora
from minillm.posttraining.online import PromptData
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.posttraining.reward import RewardConfig, margins, pair_margins, relabel, train_reward_model
from minillm.posttraining.reward_model import LONGEST_REFERENCE, RewardModel, load_reward_model, save_reward_model
from minillm.posttraining.rollout import roll_out
from minillm.pretrained import load, save
from minillm.training.settings import TrainConfig

TEXTS = [[3, 14, 15, 9, 26, 5], [7, 1], [3, 14, 2, 40]]
CUT = [[3, 14], [7], [3, 14]], [[15, 9, 26, 5], [1], [2, 40]]  # as prompts, two of them the same, and answers


def reward_model(**changes) -> RewardModel:
    model = RewardModel.from_language_model(lively(Transformer(small_config(**changes))))
    torch.nn.init.normal_(model.head.weight)
    return model.eval()


def by_hand(model: RewardModel, text: list[int]) -> float:
    return (model.transformer.hidden(torch.tensor([text]))[0, -1] @ model.head.weight[0]).item()


@pytest.mark.parametrize("position", ["rotary", "learned", "alibi"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_reward_is_read_at_the_last_real_token_whatever_the_side_of_the_padding(side, position):
    model, width = reward_model(position=position), 9
    ids, segments = torch.full((3, width), 33), torch.zeros(3, width, dtype=torch.long)
    for row, text in enumerate(TEXTS):
        start = width - len(text) if side == "left" else 0
        ids[row, start : start + len(text)] = torch.tensor(text)
        segments[row, start : start + len(text)] = 1
    found = model(ids, segments)
    torch.testing.assert_close(found, torch.tensor([by_hand(model, text) for text in TEXTS]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: generate(model, [1, 2], 3),
        lambda model: generate(model, torch.tensor([[1, 2]]), 3, use_cache=False),
        lambda model: next(stream(model, [1, 2], 3)),
        lambda model: Engine(model, small_tokenizer()),
        lambda model: next(speculate(model, [1, 2], 3, PromptLookup(1))),
        lambda model: next(speculate(lively(Transformer(small_config())), [1, 2], 3, model)),
        lambda model: log_probs(model, [1, 2]),
        lambda model: continuation_log_probs(model, [1, 2], [[3]]),
        lambda model: roll_out(model, [[1, 2]], 3),
        lambda model: ppo(model, PromptData([[1, 2]], lambda *_: torch.zeros(64)), PPOConfig(steps=1)),
    ],
)
@pytest.mark.usefixtures("as_users_call_it")
def test_what_needs_a_next_token_refuses_a_reward_model_and_a_trunk(use):
    with pytest.raises(UserError, match="the model is a RewardModel; give a language model"):
        use(reward_model())
    with pytest.raises(UserError, match="the model is a Trunk; give a language model"):
        use(reward_model().transformer)


def test_initial_weights_are_drawn_in_a_fixed_order():
    """Those of the untied language model of this seed, drawn with its head; the reward model's own parts follow."""
    config = small_config(tie_embeddings=True)
    torch.manual_seed(3)
    expected = Transformer(config.replace(tie_embeddings=False)).state_dict()
    del expected["head.weight"]
    torch.nn.Linear(32, 1, bias=False)  # drawn, then set to zero
    language_head, likelihood = torch.nn.Linear(32, 50, bias=False), torch.nn.Linear(1, 1, bias=False)
    reference, next_draw = Transformer(config.replace(tie_embeddings=False)).state_dict(), torch.rand(4)
    torch.manual_seed(3)
    model, found_next = RewardModel(config, reads_likelihood=True, stop=9), torch.rand(4)
    for part, weights in ((model.transformer, expected), (model.reference, reference)):
        found = part.state_dict()
        assert list(found) == list(weights)
        assert all(torch.equal(found[name], weights[name]) for name in found)
    assert torch.equal(model.language_head.weight, language_head.weight)
    assert torch.equal(model.likelihood.weight, likelihood.weight)
    assert torch.equal(found_next, next_draw)


def test_without_padding_no_segments_are_needed():
    model = reward_model()
    assert model(torch.tensor([TEXTS[0]])).item() == pytest.approx(by_hand(model, TEXTS[0]), abs=1e-5)


def test_scores_come_in_the_order_of_the_answers():
    model = reward_model()
    found = model.score(*CUT)
    torch.testing.assert_close(found, torch.tensor([by_hand(model, text) for text in TEXTS]), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="3 prompts and 2 answers; give one answer to each"):
        model.score(CUT[0], CUT[1][:2])


def test_the_loss_is_that_of_bradley_and_terry_worked_by_hand():
    found = torch.tensor([math.log(3), -math.log(3)], requires_grad=True)  # chances of 3/4 and 1/4
    loss = bradley_terry_loss(found)
    assert loss.item() == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)
    loss.backward()
    assert found.grad.tolist() == pytest.approx([-(1 / 4) / 2, -(3 / 4) / 2])  # -(1 - p) / n


PAIRS = [Pair((1, n // 2), (10 + n, 5, 2), (10 + n, 6, 6, 2)) for n in range(20)]  # two to every prompt


def test_margins_are_differences_of_rewards_and_begin_at_zero():
    model = reward_model()
    texts = [[[*one.prompt, *answer] for answer in (one.chosen, one.rejected)] for one in PAIRS]
    expected = torch.tensor([by_hand(model, chosen) - by_hand(model, rejected) for chosen, rejected in texts])
    torch.testing.assert_close(pair_margins(model, PAIRS), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(margins(model, PAIRS[3:8]), expected[3:8], rtol=1e-4, atol=1e-5)
    untrained = RewardModel.from_language_model(Transformer(small_config()))
    assert bradley_terry_loss(pair_margins(untrained, PAIRS)).item() == pytest.approx(math.log(2))


GPT2_LIKE = {"norm": "layernorm", "activation": "gelu", "position": "learned", "bias": True, "n_kv_heads": 4}


def test_a_judge_turns_the_pairs_that_it_has_the_other_way_round_and_no_others():
    model = reward_model()
    judged = relabel(model, PAIRS)
    wrong = (pair_margins(model, PAIRS) < 0).tolist()
    assert 0 < sum(wrong) < len(PAIRS)
    for old, new, turned in zip(PAIRS, judged, wrong, strict=True):
        assert (new.prompt, new.chosen, new.rejected) == (
            (old.prompt, old.rejected, old.chosen) if turned else (old.prompt, old.chosen, old.rejected)
        )
    assert relabel(model, judged) == judged


@pytest.mark.parametrize(
    ("family", "changes"),
    [("Llama", {}), ("Qwen3", {"tie_embeddings": False, "qk_norm": True}), ("GPT2", GPT2_LIKE)],
)
def test_transformers_reads_the_same_reward(tmp_path, family, changes):
    tokenizer = small_tokenizer()
    model = reward_model(vocab_size=tokenizer.vocab_size, **changes)
    save_reward_model(model, tokenizer, tmp_path)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(theirs).__name__ == f"{family}ForSequenceClassification"
    assert theirs.config.num_labels == 1
    width = max(map(len, TEXTS))
    ids = torch.tensor([text + [tokenizer.bos_id] * (width - len(text)) for text in TEXTS])
    with torch.no_grad():
        found = theirs(ids, attention_mask=(ids != tokenizer.bos_id).long()).logits[:, 0]
    expected = torch.tensor([by_hand(model, text) for text in TEXTS])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    ours, _ = load_reward_model(tmp_path)
    assert torch.equal(ours.score(*CUT), model.score(*CUT))


def read_by(classifier, texts: list[list[int]]) -> torch.Tensor:
    """The rewards that a classifier of transformers gives to texts, one at a time."""
    with torch.no_grad():
        return torch.stack([classifier(torch.tensor([text])).logits[0, 0] for text in texts])


def test_an_end_token_that_also_begins_texts_is_read_by_transformers_too(tmp_path):
    tokenizer = small_tokenizer()
    tokenizer.bos_token = tokenizer.eos_token  # as in GPT-2's
    model = reward_model(vocab_size=tokenizer.vocab_size)
    save_reward_model(model, tokenizer, tmp_path)
    answers = [[*answer, tokenizer.eos_id] for answer in CUT[1]]
    found = model.score(CUT[0], answers)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    texts = [prompt + answer for prompt, answer in zip(CUT[0], answers, strict=True)]
    torch.testing.assert_close(found, read_by(theirs, texts), rtol=1e-4, atol=1e-5)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"pad_token_id": tokenizer.eos_id}))  # as it was once
    assert torch.equal(load_reward_model(tmp_path)[0].score(CUT[0], answers), found)


def test_a_family_that_transformers_does_not_know_comes_back_all_the_same(tmp_path):
    tokenizer = small_tokenizer()
    model = reward_model(vocab_size=tokenizer.vocab_size, position="alibi")
    save_reward_model(model, tokenizer, tmp_path)
    assert torch.equal(load_reward_model(tmp_path)[0].score(*CUT), model.score(*CUT))


def likelihood_by_hand(model: RewardModel, prompt: list[int], answer: list[int]) -> float:
    hidden = model.transformer.hidden(torch.tensor([prompt + answer]))[0]
    log_probs = model.language_head(hidden[len(prompt) - 1 : -1]).log_softmax(-1)
    return sum(row[token].item() for row, token in zip(log_probs, answer, strict=True))


def test_a_likelihood_reward_is_the_heads_and_what_the_nats_are_worth(tmp_path):
    tokenizer = small_tokenizer()
    language = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size)))
    model = RewardModel.from_language_model(language, 0.3).eval()
    nats = torch.tensor([likelihood_by_hand(model, *text) for text in zip(*CUT, strict=True)])
    ours = [token_log_probs(language(torch.tensor([p + a]))[0, len(p) - 1 : -1], torch.tensor(a)).sum().item()
            for p, a in zip(*CUT, strict=True)]  # fmt: skip
    torch.testing.assert_close(nats, torch.tensor(ours))
    torch.testing.assert_close(model.score(*CUT), 0.3 * nats)  # the head is silent at first
    torch.nn.init.normal_(model.head.weight)
    expected = 0.3 * nats + torch.tensor([by_hand(model, text) for text in TEXTS])
    torch.testing.assert_close(model.score(*CUT), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="call rewards"):
        model(torch.tensor([TEXTS[0]]))
    save_reward_model(model, tokenizer, tmp_path)
    again, _ = load_reward_model(tmp_path)
    assert again.likelihood is not None
    assert torch.equal(again.score(*CUT), model.score(*CUT))
    with pytest.raises(ValueError, match="minillm"):  # transformers would leave the likelihood out
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


def test_a_reference_answers_first(tmp_path):
    """Prompts of this template end in 8, 1 after the token 9 that ends an answer: those two begin the next one."""
    tokenizer = small_tokenizer()
    language = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=16)))
    prompts, answers = [[1, 2, 9, 8, 1], [3, 9, 8, 1], [1, 2, 9, 8, 1]], [[5, 9], [6, 9], [7, 6, 9]]
    model = RewardModel.from_language_model(language, stop=9).eval()
    torch.nn.init.normal_(model.head.weight)
    longer = copy.deepcopy(language)
    longer.extend_context(200)
    read = model.with_reference_answers(prompts)
    for prompt, text in zip(prompts, read, strict=True):
        own = roll_out(longer, [prompt], LONGEST_REFERENCE, [9], temperature=0.0).answers[0]
        assert text == [*prompt, *own, 8, 1]
    texts = [[*text, *answer] for text, answer in zip(read, answers, strict=True)]
    expected = torch.tensor([by_hand(model, text) for text in texts])
    torch.testing.assert_close(model.rewards(prompts, answers), expected, rtol=1e-4, atol=1e-5)
    own = [text[len(prompt) : -2] for prompt, text in zip(prompts, read, strict=True)]
    assert model.score(prompts, own).abs().max() < 1e-5  # its context grows for answers that do not end
    better = expected - torch.tensor([by_hand(model, [*text, *said]) for text, said in zip(read, own, strict=True)])
    torch.testing.assert_close(model.score(prompts, answers), better, rtol=1e-4, atol=1e-5)
    save_reward_model(model, tokenizer, tmp_path)
    again, _ = load_reward_model(tmp_path)
    assert again.stop == 9
    torch.testing.assert_close(again.score(prompts, answers), better, rtol=1e-4, atol=1e-5)
    config = json.loads((tmp_path / "config.json").read_text())
    for damaged in (-1, "9", True):
        (tmp_path / "config.json").write_text(json.dumps(config | {"reference_stop": damaged}))
        with pytest.raises(UserError, match="reference_stop is .*; it must be the id of a token"):
            load_reward_model(tmp_path)
    with pytest.raises(UserError, match="has learned 24 positions"):
        RewardModel.from_language_model(Transformer(small_config(position="learned")), stop=9)


def test_the_reference_stays_and_the_rest_learns():
    base = lively(Transformer(small_config()))
    data = PairData(PairBatches(PAIRS[:16], 8, 0), PAIRS[16:])
    config = RewardConfig(steps=30, learning_rate=1e-2, warmup_steps=0, reference=True)
    model, _ = train_reward_model(base, data, config)
    assert model.stop == PAIRS[0].chosen[-1]
    assert (pair_margins(model, PAIRS[:16]) > 0).all()
    kept = base.state_dict()
    assert all(torch.equal(weight, kept[name]) for name, weight in model.reference.state_dict().items())


def test_an_answer_in_several_pairs_is_read_once(monkeypatch):
    model, read = reward_model(), []
    score = RewardModel.rewards_and_log_probs
    monkeypatch.setattr(
        RewardModel, "rewards_and_log_probs", lambda self, *texts: read.append(texts) or score(self, *texts)
    )
    answers = [(5, 9), (6, 9), (7, 9)]
    pairs = [Pair((1, 2), one, other) for one in answers for other in answers if one != other]
    found = margins(model, pairs)
    assert [len(texts[1]) for texts in read] == [3]
    for pair, margin in zip(pairs, found, strict=True):
        chosen, rejected = model.score([pair.prompt] * 2, [pair.chosen, pair.rejected])
        assert margin.item() == pytest.approx((chosen - rejected).item(), abs=1e-5)


def test_it_learns_to_prefer_and_to_say_what_was_chosen():
    base = lively(Transformer(small_config()))
    data = PairData(PairBatches(PAIRS[:16], 8, 0), PAIRS[16:])
    chosen = [one.prompt for one in PAIRS], [one.chosen for one in PAIRS]
    before = RewardModel.from_language_model(base, 0.0).rewards_and_log_probs(*chosen)[1].mean().item()
    found = {}
    for imitation in (0.0, 0.5):
        config = RewardConfig(steps=30, learning_rate=3e-3, warmup_steps=0, likelihood=0.3, imitation=imitation)
        model, _ = train_reward_model(base, data, config)
        assert model.likelihood is not None
        assert (pair_margins(model, PAIRS) > 0).all()
        found[imitation] = model.rewards_and_log_probs(*chosen)[1].mean().item()
    assert found[0.5] > max(before, found[0.0])
    again, _ = train_reward_model(model, data, settings(steps=1))  # a config that says nothing of it
    assert again is model


def test_nonsense_is_refused():
    for name in ("likelihood", "imitation"):
        with pytest.raises(ValueError, match=f"{name} is -1.0; it cannot be negative"):
            RewardConfig(steps=1, **{name: -1.0})


def test_language_models_and_reward_models_are_not_taken_for_each_other(tmp_path):
    tokenizer = small_tokenizer()
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size))
    save(model, tokenizer, tmp_path / "language")
    save_reward_model(RewardModel.from_language_model(model), tokenizer, tmp_path / "reward")
    with pytest.raises(ValueError, match=r"missing: 'score.weight'"):
        load_reward_model(tmp_path / "language")
    with pytest.raises(ValueError, match=r"missing: 'lm_head.weight'"):
        load(tmp_path / "reward")
    with pytest.raises(ValueError, match="merge corrections"):
        RewardModel.from_language_model(add_lora(model, rank=2, targets=["query"]))


def settings(**changes) -> TrainConfig:
    return TrainConfig(**{"steps": 30, "learning_rate": 1e-2, "warmup_steps": 0, "save_every": 10, **changes})


def test_it_learns_what_is_preferred_and_leaves_the_base_as_it_was():
    base = Transformer(small_config())
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    model, history = train_reward_model(base, PairData(PairBatches(PAIRS[:16], 8, 0), PAIRS[16:]), settings())
    assert history[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert history[0]["accuracy"] == 0.5  # all ties
    assert history[-1]["val_accuracy"] == 1.0
    assert history[-1]["val_loss"] < 0.1
    assert history[-1]["tokens"] == 30 * 16  # pairs, two to each of 8 prompts
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items())
    assert not model.training


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path):
    tokenizer = small_tokenizer()
    base = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size)))
    data = PairData(PairBatches(PAIRS[:16], 4, 0), PAIRS[16:])
    whole, history = train_reward_model(base, data, settings(log_every=1))

    class Cut(Exception):
        pass

    def cut(line):
        if line["step"] == 15:
            raise Cut

    with pytest.raises(Cut):
        train_reward_model(base, data, settings(log_every=1), tmp_path, tokenizer, cut)
    resumed, again = train_reward_model(base, data, settings(log_every=1), tmp_path, tokenizer)
    assert [line["loss"] for line in again] == [line["loss"] for line in history]
    assert torch.equal(pair_margins(resumed, PAIRS), pair_margins(whole, PAIRS))
    assert torch.equal(pair_margins(load_reward_model(tmp_path)[0], PAIRS), pair_margins(whole, PAIRS))


def test_a_folder_needs_a_tokenizer(tmp_path):
    data = PairData(PairBatches(PAIRS, 4, 0), PAIRS)
    with pytest.raises(ValueError, match="run_dir needs a tokenizer"):
        train_reward_model(Transformer(small_config()), data, settings(), tmp_path)


def test_a_few_broken_and_contradictory_lines_of_real_people_do_no_harm(tmp_path):
    """Ada and Bram prefer the word "yes"; one line is contradicted, three are broken, one is too long."""
    good = [
        f'{{"schema": 1, "prompt": [{{"role": "user", "content": "q{n}"}}], "chosen": "yes", "rejected": "no", '
        f'"rater": "{("Ada", "Bram")[n % 2]}"}}'
        for n in range(30)
    ]
    contradictory = good[0].replace('"yes"', '"?"').replace('"no"', '"yes"').replace('"?"', '"no"')
    broken = ["{", '{"schema": 1}', good[0].replace('"schema": 1', '"schema": 7')]
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join([*good, contradictory, *broken, good[1].replace("q1", "long " * 60)]), encoding="utf-8")
    loaded = load_preferences(path, skip_broken=True)
    assert len(loaded.skipped) == 3
    tokenizer = small_tokenizer()
    tokenizer.chat_template = CHATML
    encoded = encode_preferences(tokenizer, loaded.preferences, max_seq_len=100)
    assert len(encoded.skipped) == 1
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=100))
    data = PairData(PairBatches(encoded.pairs, 8, 0), encoded.pairs[:10])
    found, _ = train_reward_model(model, data, settings(steps=40))
    assert (pair_margins(found, encoded.pairs[1:30]) > 0).all()


FAMILIES = {
    "Llama": transformers.LlamaConfig,
    "Mistral": transformers.MistralConfig,
    "Qwen2": transformers.Qwen2Config,
    "Qwen3": transformers.Qwen3Config,
}


def theirs_in(folder, family: str, **changes):
    """A classifier of transformers with our small tokenizer, saved in a folder."""
    tokenizer = small_tokenizer()
    shape = dict(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=24, num_labels=1,
        pad_token_id=tokenizer.bos_id, tie_word_embeddings=family == "Qwen2",
    )  # fmt: skip
    if family == "Mistral":
        shape["sliding_window"] = None
    kind = getattr(transformers, f"{family}ForSequenceClassification")
    model = kind(FAMILIES[family](**(shape | changes))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    tokenizer.save(folder)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_reward_models_that_transformers_wrote_give_its_logits(tmp_path, family):
    theirs = theirs_in(tmp_path, family)
    width = max(map(len, TEXTS))
    ids = torch.tensor([text + [theirs.config.pad_token_id] * (width - len(text)) for text in TEXTS])
    with torch.no_grad():
        expected = theirs(ids, attention_mask=(ids != theirs.config.pad_token_id).long()).logits[:, 0]
    model, tokenizer = load_reward_model(tmp_path)
    torch.testing.assert_close(model.score(*CUT), expected, rtol=1e-4, atol=1e-5)
    save_reward_model(model, tokenizer, tmp_path / "again")
    assert torch.equal(load_reward_model(tmp_path / "again")[0].score(*CUT), model.score(*CUT))


@pytest.mark.parametrize("pad", [None, -1, 1])
def test_a_classifier_whose_padding_ends_answers_is_read_as_transformers_reads_it(tmp_path, pad):
    theirs = theirs_in(tmp_path, "Llama", pad_token_id=pad, eos_token_id=1, bos_token_id=1)
    prompts = [[5, 6, 7], [5, 6, 7], [8], [5, 1], [1, 1], [1, 9]]
    answers = [[20, 21, 1], [20, 1, 21, 1, 1], [1], [1, 1], [1], [1, 30]]
    texts = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    expected = read_by(theirs, texts)
    model, tokenizer = load_reward_model(tmp_path)
    torch.testing.assert_close(model.score(prompts, answers), expected, rtol=1e-4, atol=1e-5)
    for text, reward in zip(texts, expected, strict=True):
        torch.testing.assert_close(model(torch.tensor([text]))[0], reward, rtol=1e-4, atol=1e-5)
    if pad == 1:  # padded by it: on the right as a batch, on the left
        for right in (True, False):
            rows = [torch.tensor(text) for text in texts if set(text) != {1}]
            rooms = [(0, 9 - len(row)) if right else (9 - len(row), 0) for row in rows]
            ids, segments = (
                torch.stack([functional.pad(part, room, value=value) for part, room in zip(parts, rooms, strict=True)])
                for parts, value in ((rows, 1), ([torch.ones_like(row) for row in rows], 0))
            )
            with torch.no_grad():
                found = theirs(ids, attention_mask=segments).logits[:, 0]
            torch.testing.assert_close(model(ids, segments), found, rtol=1e-4, atol=1e-5)
    save_reward_model(model, tokenizer, tmp_path / "again")
    again = load_reward_model(tmp_path / "again")[0]
    assert torch.equal(again.score(prompts, answers), model.score(prompts, answers))
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "again").eval()
    torch.testing.assert_close(read_by(again, texts), expected, rtol=1e-4, atol=1e-5)


def test_a_padding_token_that_is_no_id_is_refused(tmp_path):
    theirs_in(tmp_path, "Llama")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"pad_token_id": "1"}))
    with pytest.raises(UserError, match="pad_token_id is '1'; it must be the id of a token, or null"):
        load_reward_model(tmp_path)


@pytest.mark.parametrize("labels", [2, 3])
def test_a_classifier_with_several_labels_is_refused(tmp_path, labels):
    theirs_in(tmp_path, "Llama", num_labels=labels)
    with pytest.raises(UserError, match=f"LlamaForSequenceClassification has {labels} labels; a reward model has 1"):
        load_reward_model(tmp_path)
    with pytest.raises(UserError, match="architectures is .*only LlamaForCausalLM can be run"):
        load(tmp_path)


def test_the_trunk_of_a_reward_model_gives_vectors_and_no_logits():
    model, ids = reward_model(), torch.tensor([TEXTS[0]])
    assert torch.equal(model.transformer(ids), model.transformer.hidden(ids))
    assert not hasattr(model.transformer, "head")
