"""The real model against transformers' own reading of the same file: same tokens, same logits, and it answers."""

import pytest
import torch

from minillm.config import ModelConfig
from minillm.data.chat import encode_chat
from minillm.inference.generate import generate
from minillm.pretrained import load, save

pytestmark = pytest.mark.real
NAME = "smollm2-135m-instruct"
PROMPTS = [
    "The capital of France is",
    "Once upon a time there was a",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "It's 1234 + 5678 = 6912, isn't it?",
    "Der Fluss fließt durch die Stadt.",
    "東京は日本の",
    "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n",
    "🙂🙃 \u200b emoji",
    "a",
    "The king and the queen walked along the bank of the river. " * 3,
]
NASTY = "\x00\ufffe  12  \t\n\n\r\n ½ ² Ⅻ ٣٤ don't DON'T <|im_end <|im_end|> \ud7ff\U0010ffff e\u0301" + " " * 40


@pytest.fixture(scope="module")
def ours(real_weights):
    return load(NAME)


@pytest.fixture(scope="module")
def theirs(real_weights):
    pytest.importorskip("accelerate", reason="without accelerate, transformers does not read GGUF files")
    from transformers import AutoModelForCausalLM

    folder, name = real_weights.parent, real_weights.name
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def their_tokenizer(real_weights):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(real_weights.parent, gguf_file=real_weights.name)


@pytest.mark.slow
def test_the_configuration_is_the_published_one(ours):
    assert ours[0].config == ModelConfig.preset("smollm2-135m")


@pytest.mark.slow
def test_the_logits_are_those_of_transformers(ours, theirs):
    model, tokenizer = ours
    prompts = [torch.tensor(tokenizer.encode(prompt, allow_special=True)) for prompt in PROMPTS]
    # One batch, padded behind: a causal model cannot see what comes after.
    ids = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True)
    with torch.no_grad():
        difference = (model(ids) - theirs(ids).logits).abs()
    for row, prompt in zip(difference, prompts, strict=True):
        assert row[: len(prompt)].max() < 1e-3


@pytest.mark.slow
def test_the_tokens_are_those_of_transformers(ours, their_tokenizer):
    from tokenizers import pre_tokenizers

    _, tokenizer = ours
    for prompt in PROMPTS:
        assert tokenizer.encode(prompt, allow_special=True) == their_tokenizer(prompt)["input_ids"]
    # From a GGUF file transformers takes GPT-2's split whatever the file says, and so glues white space before a digit
    # differently. With the split that SmolLM2's own tokenizer.json has, everything is equal.
    their_tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    for prompt in [*PROMPTS, NASTY]:
        assert tokenizer.encode(prompt, allow_special=True) == their_tokenizer(prompt)["input_ids"]
    assert tokenizer.decode(tokenizer.encode(NASTY)) == NASTY
    assert (tokenizer.bos_id, tokenizer.eos_id) == (their_tokenizer.bos_token_id, their_tokenizer.eos_token_id)


def test_a_chat_becomes_the_tokens_of_transformers(ours, their_tokenizer):
    messages = [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Italy? <3"},
    ]
    theirs = their_tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert encode_chat(ours[1], messages) == theirs


def test_it_knows_the_capital_of_france(ours):
    model, tokenizer = ours
    ids = encode_chat(tokenizer, [{"role": "user", "content": "What is the capital of France?"}])
    ids = generate(model, ids, max_new_tokens=10, temperature=0)
    assert "Paris" in tokenizer.decode(ids)


@pytest.mark.slow
def test_saved_as_a_directory_it_is_the_same_model(ours, tmp_path):
    model, tokenizer = ours
    save(model, tokenizer, tmp_path)
    again, its_tokenizer = load(tmp_path)
    assert again.config == model.config
    for name, parameter in model.named_parameters():
        assert torch.equal(again.get_parameter(name), parameter)
    assert its_tokenizer.encode(NASTY) == tokenizer.encode(NASTY)
