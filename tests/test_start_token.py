"""Whether a plain prompt begins with the start token: what a model's own files say, and the libraries do."""

import json
import pickle

import pytest
import tokenizers
import transformers
from pretrained.gguf_files import BOOL, settings_of, small_llama, small_tokenizer, tensors_of, write_gguf
from test_sentencepiece import FORMS, store

from minillm.cli.generate import prompt_ids
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

TEXT = "the cat sat"


def library_of(directory):
    return tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))


@pytest.mark.parametrize("split", ["gpt2", "llama3"])
def test_what_is_saved_begins_a_text_as_we_do(tmp_path, split):
    ours = Tokenizer.train([TEXT], 270, ["<|begin|>", "<|end|>"], split)
    ours.bos_token, ours.eos_token, ours.add_bos = "<|begin|>", "<|end|>", True
    ours.save(tmp_path / "ours")
    expected = prompt_ids(ours, TEXT, chat=False)
    assert expected == [ours.bos_id, *ours.encode(TEXT)]
    assert library_of(tmp_path / "ours").encode(TEXT).ids == expected
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert theirs(TEXT).input_ids == expected
    pair = library_of(tmp_path / "ours").encode("the", "cat").ids
    assert pair == [ours.bos_id, *ours.encode("the"), ours.bos_id, *ours.encode("cat")]

    theirs.save_pretrained(tmp_path / "theirs")
    for directory in (tmp_path / "ours", tmp_path / "theirs"):
        assert Tokenizer.load(directory).add_bos is True
    config = tmp_path / "ours" / "tokenizer_config.json"  # in Llama 3's files a template alone says it
    without = {name: value for name, value in json.loads(config.read_text()).items() if name != "add_bos_token"}
    config.write_text(json.dumps(without))
    assert Tokenizer.load(tmp_path / "ours").add_bos is True


@pytest.mark.parametrize("form", FORMS)
def test_llama_2_and_mistral_begin_a_text(tmp_path, form):
    ours = Tokenizer.load(store(tmp_path, FORMS[form]))
    library = library_of(tmp_path)
    library.no_truncation()
    assert prompt_ids(ours, TEXT, chat=False) == library.encode(TEXT).ids
    assert pickle.loads(pickle.dumps(ours)).add_bos is True
    ours.save(tmp_path / "again")
    assert Tokenizer.load(tmp_path / "again").add_bos is True


def test_the_config_decides_over_the_template(tmp_path):
    ours = Tokenizer.load(store(tmp_path, FORMS["newer"], add_bos_token=False))
    assert ours.add_bos is False
    assert prompt_ids(ours, TEXT, chat=False) == ours.encode(TEXT)


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        (None, None),
        ({"type": "ByteLevel"}, None),
        ({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}]}, False),
        ({"type": "TemplateProcessing", "single": None}, False),
        ({"type": "Sequence", "processors": ["ByteLevel", 3]}, None),
        ("TemplateProcessing", None),
    ],
)
def test_other_post_processors(tmp_path, processor, said):
    ours = Tokenizer.train([TEXT], 270, ["<|begin|>"])
    ours.bos_token = "<|begin|>"
    ours.save(tmp_path)
    file = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8")) | {"post_processor": processor}
    (tmp_path / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    assert Tokenizer.load(tmp_path).add_bos is said
    assert prompt_ids(Tokenizer.load(tmp_path), TEXT, chat=False) == ours.encode(TEXT)


def test_where_nobody_said_the_mark_between_documents_stands_in_front():
    ours = Tokenizer.train([TEXT], 270, ["<|endoftext|>"])
    ours.bos_token = ours.eos_token = "<|endoftext|>"
    assert prompt_ids(ours, TEXT, chat=False) == [ours.bos_id, *ours.encode(TEXT)]
    ours.add_bos = False
    assert prompt_ids(ours, TEXT, chat=False) == ours.encode(TEXT)


def test_a_config_with_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="tokenizer_config.json: add_bos_token is 'yes'; expected bool"):
        Tokenizer.load(store(tmp_path, FORMS["newer"], add_bos_token="yes"))


@pytest.mark.parametrize("said", [True, False, None])
def test_a_gguf_file_says_it_too(tmp_path, said):
    tokenizer = small_tokenizer()
    model = small_llama(tokenizer)
    settings = settings_of(model, tokenizer)
    settings["tokenizer.ggml.add_bos_token"] = None if said is None else (said, BOOL)
    _, found = load(write_gguf(tmp_path / "a.gguf", settings, tensors_of(model)))
    assert found.add_bos is said


@pytest.mark.real
def test_smollm2_begins_without_a_mark(real_weights):
    tokenizer = load("smollm2-135m-instruct")[1]
    assert prompt_ids(tokenizer, TEXT, chat=False) == tokenizer.encode(TEXT)
