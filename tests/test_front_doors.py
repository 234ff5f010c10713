"""What a stranger gives to the public functions: texts, dictionaries, files; and what they say when it is wrong."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import minillm
from minillm import DPOConfig, GRPOConfig, ModelConfig, PPOConfig, Tokenizer, TrainConfig, Transformer
from minillm.errors import UserError

TEXTS = [f"{n} plus {m} is {n + m}." for n in range(8) for m in range(5)]
CHATS = [{"prompt": f"{n}?", "completion": f"{n}."} for n in range(12)]
PAIRS = [{"prompt": f"{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(12)]
SHORT = TrainConfig(steps=3, warmup_steps=1)
ONE = GRPOConfig(steps=1, prompts_per_step=2, answers_per_prompt=2, max_new_tokens=3)
TOKENIZER = Tokenizer.train(TEXTS, 290, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
PAGE = Path(minillm.__file__).with_name("TUTORIAL.md")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Transformer(ModelConfig(TOKENIZER.vocab_size, d_model=16, n_layers=1, n_heads=2, max_seq_len=64))


def file_of(folder, texts):
    path = folder / "mine.txt"
    path.write_text("\n\n".join(texts), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "form",
    [
        lambda folder: file_of(folder, TEXTS),
        lambda folder: str(file_of(folder, TEXTS)),
        lambda folder: TEXTS,
        lambda folder: tuple(TEXTS),
        lambda folder: [TOKENIZER.encode(text) for text in TEXTS],
        lambda folder: TOKENIZER.encode(" ".join(TEXTS)),
        lambda folder: torch.tensor(TOKENIZER.encode(" ".join(TEXTS))),
        lambda folder: np.array(TOKENIZER.encode(" ".join(TEXTS))),
    ],
)
def test_pretrain_takes_texts_in_any_form(model, tmp_path, monkeypatch, form):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    _, history = minillm.pretrain(model, form(tmp_path), SHORT, tokenizer=TOKENIZER)
    assert history[-1]["step"] == 3
    assert history[-1]["val_loss"] > 0


def text_of(rows):
    return TOKENIZER.decode(id for id in rows[torch.arange(len(rows))].flatten().tolist() if id > 0)


def test_no_text_is_both_learned_from_and_measured_on():
    data = minillm.TextData.from_texts(TEXTS, TOKENIZER, max_seq_len=32, batch_size=4)
    held_out = {tuple(id for id in row if id > 0) for batch in data.validation for row in batch[0].tolist()}
    assert held_out == {tuple(TOKENIZER.encode(text)) for text in TEXTS[9::10]}
    learned = [
        tuple(id for id in row if id > 0) for row in data.train.rows[torch.arange(len(data.train.rows))].tolist()
    ]
    assert not any(TOKENIZER.decode(row).count(text) for row in learned for text in TEXTS[9::10])


def test_a_text_that_occurs_again_is_not_learned_from_when_it_is_held_out():
    data = minillm.TextData.from_texts([*TEXTS[:10], TEXTS[9], TEXTS[0]], TOKENIZER, max_seq_len=32, batch_size=4)
    learned = TOKENIZER.decode(
        id for id in data.train.rows[torch.arange(len(data.train.rows))].flatten().tolist() if id > 0
    )
    assert TEXTS[9] not in learned
    assert learned.count(TEXTS[0]) == 2


def as_file(folder, lines):
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def messages(chat):
    return [{"role": "user", "content": chat["prompt"]}, {"role": "assistant", "content": chat["completion"]}]


@pytest.mark.parametrize(
    "form",
    [
        lambda folder: CHATS,
        lambda folder: [messages(chat) for chat in CHATS],
        lambda folder: [{"messages": messages(chat)} for chat in CHATS],
        lambda folder: as_file(folder, [{"messages": messages(chat)} for chat in CHATS]),
    ],
)
def test_sft_takes_conversations_in_any_form_and_learns_the_same(model, tmp_path, form):
    _, history = minillm.sft(model, form(tmp_path), SHORT, tmp_path / "run", TOKENIZER)
    again, tokenizer = minillm.load(tmp_path / "run")
    assert tokenizer.chat_template is not None
    data = minillm.ChatData.from_conversations(CHATS, TOKENIZER, 64)
    torch.manual_seed(0)
    other = Transformer(model.config)
    assert minillm.sft(other, data, SHORT)[1][-1]["val_loss"] == history[-1]["val_loss"]
    assert torch.allclose(again.head.weight, other.head.weight)


@pytest.mark.parametrize(
    "form",
    [
        lambda folder: PAIRS,
        lambda folder: as_file(folder, PAIRS),
        lambda folder: [
            {
                "prompt": [{"role": "user", "content": pair["prompt"]}],
                "chosen": [{"role": "assistant", "content": pair["chosen"]}],
                "rejected": pair["rejected"],
            }
            for pair in PAIRS
        ],
        lambda folder: [
            minillm.Preference(({"role": "user", "content": pair["prompt"]},), pair["chosen"], pair["rejected"], "Ada")
            for pair in PAIRS
        ],
    ],
)
def test_pairs_come_in_any_form_and_teach_the_same(model, tmp_path, form):
    pairs = form(tmp_path)
    expected = minillm.PairData.from_pairs(PAIRS, TOKENIZER, 64)
    assert minillm.PairData.from_pairs(pairs, TOKENIZER, 64).validation == expected.validation
    _, history = minillm.dpo(model, pairs, DPOConfig(steps=2), tokenizer=TOKENIZER)
    assert history[-1]["step"] == 2
    reward_model, history = minillm.train_reward_model(model, pairs, SHORT, tokenizer=TOKENIZER)
    assert isinstance(reward_model, minillm.RewardModel)


@pytest.mark.parametrize("train", [minillm.grpo, minillm.ppo])
def test_a_reward_sees_the_prompt_as_given_and_the_answer_as_text(model, train):
    seen = []

    def reward(prompt, answer):
        seen.append((prompt, answer))
        return len(answer)

    config = ONE if train is minillm.grpo else PPOConfig(**{name: getattr(ONE, name) for name in FIELDS})
    prompts = ["1 plus", [{"role": "user", "content": "2?"}]]
    _, history = train(model, prompts, config, tokenizer=minillm.chat_tokenizer(TOKENIZER), reward=reward)
    assert [prompt for prompt, _ in seen].count("1 plus") == 2
    assert [prompt for prompt, _ in seen].count(prompts[1]) == 2
    assert history[-1]["reward"] == pytest.approx(sum(len(answer) for _, answer in seen) / 4)


FIELDS = ("steps", "prompts_per_step", "answers_per_prompt", "max_new_tokens")


def test_a_text_is_continued_as_its_ids_are(model):
    ids = TOKENIZER.encode("3 plus")
    expected = TOKENIZER.decode(minillm.generate(model, ids, 6, seed=3, stop=[TOKENIZER.eos_id]))
    assert minillm.generate(model, "3 plus", 6, seed=3, tokenizer=TOKENIZER) == expected
    assert "3 plus" + "".join(minillm.stream(model, "3 plus", 6, seed=3, tokenizer=TOKENIZER)) == expected
    assert minillm.generate(model, np.array(ids), 6, seed=3) == minillm.generate(model, ids, 6, seed=3)
    assert all(type(token) is int for token in minillm.generate(model, np.array(ids), 2, seed=3))


def test_the_token_that_ends_a_text_is_not_shown(model):
    ids = TOKENIZER.encode("3 plus")
    first = minillm.generate(model, ids, 1, temperature=0)[-1]
    for stop in (first, [first]):
        assert minillm.generate(model, "3 plus", 6, temperature=0, stop=stop, tokenizer=TOKENIZER) == "3 plus"
        assert minillm.generate(model, ids, 6, temperature=0, stop=stop) == [*ids, first]


WRONG = [
    (lambda m: minillm.pretrain(m, TEXTS, SHORT), "pretraining on texts needs their tokenizer"),
    (lambda m: minillm.pretrain(m, 7, SHORT, tokenizer=TOKENIZER), "the texts are 7; give a file's path"),
    (lambda m: minillm.pretrain(m, [], SHORT, tokenizer=TOKENIZER), r"the texts are \[\]"),
    (lambda m: minillm.pretrain(m, ["a", 3], SHORT, tokenizer=TOKENIZER), r"the texts are \['a', 3\]"),
    (lambda m: minillm.pretrain(m, ["a"], SHORT, tokenizer=TOKENIZER), "less than 2 tokens"),
    (lambda m: minillm.pretrain(m, ["a b"] * 10, SHORT, tokenizer=TOKENIZER), "no document"),
    (lambda m: minillm.pretrain(m, TEXTS, SHORT, 3, TOKENIZER), "run_dir is 3; it is the folder of the run"),
    (lambda m: minillm.sft(m, CHATS, SHORT), "SFT on conversations needs a tokenizer"),
    (lambda m: minillm.sft(m, ["Hi", "Ho"], SHORT, tokenizer=TOKENIZER), "conversation 0 is 'Hi'; give"),
    (lambda m: minillm.sft(m, CHATS[:1], SHORT, tokenizer=TOKENIZER), "1 distinct conversations"),
    (lambda m: minillm.dpo(m, PAIRS, DPOConfig(steps=1)), "pairs of answers needs a tokenizer"),
    (
        lambda m: minillm.dpo(m, [{"prompt": "?"}], DPOConfig(steps=1), tokenizer=TOKENIZER),
        "prompt, chosen and rejected",
    ),
    (lambda m: minillm.train_reward_model(m, PAIRS, SHORT), "pairs of answers needs a tokenizer"),
    (lambda m: minillm.grpo(m, ["1"], ONE, lambda prompt, answer: 1.0), "run_dir is <function"),
    (lambda m: minillm.grpo(m, ["1"], ONE, tokenizer=TOKENIZER), "needs a reward; give"),
    (lambda m: minillm.grpo(m, ["1"], ONE, tokenizer=TOKENIZER, reward=1.0), "reward is 1.0; give a function"),
    (lambda m: minillm.grpo(m, [], ONE, tokenizer=TOKENIZER, reward=len), "there are no prompts"),
    (lambda m: minillm.generate(m, "3 plus", 3), "'3 plus', a text; give its tokenizer"),
    (lambda m: minillm.generate(m, torch.tensor([1, 2]), 3), r"it must be \(B, T\): for one text give ids\[None\]"),
    (lambda m: minillm.generate(m, [1.5], 3), r"ids is \[1.5\]; give integers"),
    (lambda m: minillm.generate(m, None, 3), "ids is None; give"),
    (lambda m: minillm.generate(m, [1, 999], 3), "token id 999 is outside the vocabulary"),
    (lambda m: minillm.generate(m, [1], 3, eos_token_id=0), r"eos_token_id is not a setting .* are stop=\[...\]"),
    (lambda m: minillm.generate(m, [1], 3, top=0), "top is not a setting of sampling; the settings are temperature"),
    (lambda m: m(torch.tensor([1, 2])), "give token ids as a tensor of integers"),
    (lambda m: m([1, 2]), r"ids is \[1, 2\]; give token ids as a tensor"),
    (lambda m: minillm.load("Qwen/Qwen3-0.6B"), "hf download Qwen/Qwen3-0.6B --local-dir"),
    (lambda m: minillm.load("HuggingFaceTB/SmolLM2-135M-Instruct"), "this model is here as 'smollm2-135m-instruct'"),
]


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(("call", "sentence"), WRONG)
def test_what_is_wrong_is_said_in_a_sentence(model, call, sentence):
    with pytest.raises(UserError, match=sentence) as raised:
        call(model)
    assert "\n" not in str(raised.value)


def test_the_tutorial_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    steps = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(steps) == 6
    names = {}
    for step in steps:
        assert len([line for line in step.splitlines() if line.strip()]) <= 10
        exec(compile(step, PAGE.name, "exec"), names)
    shown = capsys.readouterr().out
    assert re.search(r"held-out loss: \d\.\d\d nats per token", shown)
    assert re.search(r"prefers the chosen answer in \d+% of the held-out pairs", shown)
