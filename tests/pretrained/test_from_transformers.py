"""Models of transformers in memory: the same logits here, bit for bit those of their directory, and clear refusals."""

import json
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import test_sentencepiece
import tokenizers
import torch
import transformers
from pretrained.parity import FAMILIES, IDS, SHAPE, TOKENIZER, WINDOWED, difference, theirs

from minillm import Tokenizer, from_transformers, load
from minillm.pretrained.from_transformers import tokenizer_from_transformers

LARGEST_DIFFERENCE = 1e-4  # of a logit; logits here are of the order of 1 to 10


@pytest.mark.parametrize("tie_word_embeddings", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("family", FAMILIES | WINDOWED)
def test_logits_are_theirs_and_those_of_their_directory(tmp_path, family, tie_word_embeddings):
    model = theirs(family, tmp_path, tie_word_embeddings=tie_word_embeddings)
    ours = from_transformers(model)
    assert difference(ours, model) < LARGEST_DIFFERENCE
    from_directory, _ = load(tmp_path)
    assert ours.config == from_directory.config
    assert not ours.training
    assert torch.equal(ours(IDS), from_directory(IDS))
    assert (ours.head.weight is ours.embedding.weight) == tie_word_embeddings


def test_half_precision_becomes_float32_and_no_memory_is_shared(tmp_path):
    for dtype in (torch.float32, torch.bfloat16):
        model = theirs("qwen3", tmp_path, dtype)
        ours = from_transformers(model)
        before = ours(IDS)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        assert torch.equal(ours(IDS), before)
        assert before.dtype == torch.float32
        assert torch.equal(before, load(tmp_path)[0](IDS))


@pytest.mark.parametrize("template", [None, "{{ messages }}"])
def test_a_tokenizer_in_memory_is_the_one_of_its_directory(tmp_path, template):
    TOKENIZER.save(tmp_path)
    hf_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    hf_tokenizer.chat_template = template
    hf_tokenizer.save_pretrained(tmp_path / "theirs")
    model, ours = from_transformers(theirs("llama3", tmp_path / "model"), hf_tokenizer)
    text = "newer lowest 12<|im_end|>"
    assert ours.encode(text, allow_special=True) == hf_tokenizer.encode(text, add_special_tokens=False)
    again = Tokenizer.load(tmp_path / "theirs")
    for name in ("vocab", "merges", "special_tokens", "bos_token", "eos_token", "chat_template", "add_bos"):
        assert getattr(ours, name) == getattr(again, name), name
    assert ours.vocab_size <= model.config.vocab_size


@pytest.mark.parametrize("form", test_sentencepiece.FORMS)
def test_a_tokenizer_that_is_not_byte_level(tmp_path, form):
    file = test_sentencepiece.FORMS[form]
    library = tokenizers.Tokenizer.from_str(json.dumps(file | {"truncation": None}))
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=library, bos_token="<s>", eos_token="</s>")
    _, ours = from_transformers(theirs("llama2", tmp_path, vocab_size=400), wrapped)
    assert (ours.bos_id, ours.eos_id) == (1, 2)
    assert ours.encode("the cat</s>", allow_special=True) == library.encode("the cat</s>", add_special_tokens=False).ids
    assert tokenizer_from_transformers(library).vocab == ours.vocab


def test_the_default_of_several_chat_templates(tmp_path):
    TOKENIZER.save(tmp_path)
    hf_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    hf_tokenizer.chat_template = {"default": "one", "tool_use": "two"}
    assert tokenizer_from_transformers(hf_tokenizer).chat_template == "one"


def test_the_ends_of_a_text_that_only_the_models_configuration_names(tmp_path):
    library = TOKENIZER.model.to_json(None)
    model = theirs("gpt2", tmp_path)
    model.config.eos_token_id = TOKENIZER.eos_id
    _, ours = from_transformers(model, tokenizers.Tokenizer.from_str(json.dumps(library)))
    assert ours.eos_id == TOKENIZER.eos_id
    assert ours.bos_token is None


OTHERS = {
    "family": (
        lambda: transformers.GemmaForCausalLM(transformers.GemmaConfig(**SHAPE, head_dim=8)),
        "model_type is 'gemma'; the families that can be run are gpt2, llama, mistral, qwen2, qwen3",
    ),
    "no head": (lambda: transformers.LlamaModel(transformers.LlamaConfig(**SHAPE)), "is .'LlamaModel'.; only LlamaFor"),
    "classifier": (
        lambda: transformers.LlamaForSequenceClassification(transformers.LlamaConfig(**SHAPE, pad_token_id=0)),
        "'LlamaForSequenceClassification'.; only LlamaForCausalLM can be run",
    ),
    "other activation": (
        lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE, hidden_act="gelu")),
        "hidden_act is 'gelu'; only 'silu' can be run",
    ),
    "path": (lambda: "some/path", r"hf_model is a str; give a model of transformers.*minillm.load reads a directory"),
    "module": (lambda: torch.nn.Linear(2, 2), "hf_model is a Linear; give a model of transformers"),
}


@pytest.mark.parametrize(("make", "sentence"), OTHERS.values(), ids=OTHERS)
def test_what_cannot_be_converted_is_refused_by_name(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_transformers(make())


class Subclass(transformers.LlamaForCausalLM):
    """With everything of its parent's."""


class Doubled(transformers.LlamaForCausalLM):
    """Computes something else."""

    def forward(self, *args, **options):
        found = super().forward(*args, **options)
        found.logits = 2 * found.logits
        return found


def llama(kind=transformers.LlamaForCausalLM):
    return kind(transformers.LlamaConfig(**SHAPE)).eval()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # by torch.compile, at its first call
def test_what_torch_compile_returns_and_a_subclass_are_what_they_hold():
    model = llama()
    assert difference(from_transformers(torch.compile(model)), model) < LARGEST_DIFFERENCE
    model = llama(Subclass)
    assert difference(from_transformers(model), model) < LARGEST_DIFFERENCE
    assert difference(from_transformers(torch.compile(model)), model) < LARGEST_DIFFERENCE
    with pytest.raises(
        ValueError, match=r"is a Doubled, a LlamaForCausalLM with a forward of its own.*load its weights"
    ):
        from_transformers(llama(Doubled))


@pytest.mark.parametrize("task", [None, "CAUSAL_LM"])
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # by torch.compile, at its first call
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # by peft 0.21
def test_adapters_have_to_be_merged(task):
    adapted = peft.get_peft_model(llama(), peft.LoraConfig(task_type=task, init_lora_weights=False)).eval()
    for model in (adapted, torch.compile(adapted), adapted.base_model, adapted.base_model.model):
        with pytest.raises(ValueError, match=r"adapters of peft; merge them .*\(peft_model.merge_and_unload\(\)\)"):
            from_transformers(model)
    with torch.no_grad():
        expected = adapted(IDS).logits
        found = from_transformers(adapted.merge_and_unload())(IDS)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_that_are_not_there():
    with torch.device("meta"):
        model = llama()
    with pytest.raises(ValueError, match="'model.embed_tokens.weight' is on the device 'meta', which holds no numbers"):
        from_transformers(model)


def test_tokenizers_that_do_not_fit(tmp_path):
    model = theirs("llama2", tmp_path, vocab_size=100)
    TOKENIZER.save(tmp_path)
    with pytest.raises(ValueError, match="the tokenizer has 2.. tokens, the model only 100"):
        from_transformers(model, transformers.AutoTokenizer.from_pretrained(tmp_path))
    with pytest.raises(ValueError, match="tokenizer is a str; give a fast tokenizer of transformers"):
        from_transformers(model, "gpt2")
    with pytest.raises(ValueError, match="tokenizer.json: model.type is 'Unigram'"):
        from_transformers(model, tokenizers.Tokenizer(tokenizers.models.Unigram()))


def test_transformers_is_not_imported():
    script = "import sys, minillm; minillm.from_transformers; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[2])
