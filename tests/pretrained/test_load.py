"""`load`: which of a name, a directory and a file is meant, and what it says when it is none of them."""

import pytest
import torch
from pretrained.gguf_files import settings_of, small_llama, small_tokenizer, tensors_of, write_gguf

from minillm import pretrained
from minillm.assets import REGISTRY, AssetError
from minillm.model.quantized_linear import QuantizedLinear
from minillm.pretrained import load, save

IDS = torch.arange(10).reshape(1, 10)
NAME = "smollm2-135m-instruct"


@pytest.fixture
def model():
    return small_llama(small_tokenizer())


@pytest.fixture
def file(tmp_path, model):
    return write_gguf(tmp_path / "small.gguf", settings_of(model, small_tokenizer()), tensors_of(model))


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_file_and_a_directory(tmp_path, file, model, kind):
    save(model, small_tokenizer(), tmp_path / "run")
    for path in (file, tmp_path / "run"):
        loaded, tokenizer = load(kind(path))
        assert torch.equal(loaded(IDS), model(IDS))
        assert tokenizer.vocab == small_tokenizer().vocab


def test_a_name_is_fetched_and_goes_before_a_path(tmp_path, monkeypatch, file, model):
    asked = []
    monkeypatch.setattr(pretrained, "fetch", lambda name: asked.append(name) or file)
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir()
    loaded, _ = load(NAME)
    assert asked == [NAME]
    assert torch.equal(loaded(IDS), model(IDS))
    with pytest.raises(FileNotFoundError, match="is not a saved model"):
        load(f"./{NAME}")


def test_every_registered_model_is_known_and_nothing_else(monkeypatch):
    monkeypatch.setattr(pretrained, "fetch", lambda name: pytest.fail(f"{name} is no model"))
    for name in REGISTRY:
        if REGISTRY[name].path.suffix != ".gguf":
            with pytest.raises(ValueError, match=f"no model is called '{name}'"):
                load(name)


def test_a_model_that_cannot_be_fetched(monkeypatch):
    def offline(name):
        raise AssetError("no network")

    monkeypatch.setattr(pretrained, "fetch", offline)
    with pytest.raises(AssetError, match="no network"):
        load(NAME)


@pytest.mark.parametrize("name", ["smollm2-135m-instrukt", "smollm2", "smollm2-135m", "SmolLM2-135M-Instruct"])
def test_an_unknown_name_gets_the_near_one(name):
    with pytest.raises(ValueError, match=f"no model is called '{name}'; did you mean '{NAME}'.* would do too"):
        load(name)


def test_an_unknown_name_with_nothing_near():
    with pytest.raises(ValueError, match=f"no model is called 'qqq'; the models are {NAME}"):
        load("qqq")


@pytest.mark.parametrize("path", ["nowhere/at all", "nowhere.gguf", "./nowhere"])
def test_a_missing_file(path):
    with pytest.raises(FileNotFoundError, match="there is no file or directory '.*nowhere"):
        load(path)


def test_a_missing_path_object(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file or directory '.*nowhere'"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["cpu", "meta"])  # meta: the one other device that every machine has
def test_the_model_goes_to_the_device(file, name):
    assert load(file, device=name)[0].device == torch.device(name)


@pytest.mark.parametrize(
    ("number_format", "speedup", "device", "native"),
    [("Q4_1", 2.0, "cpu", True), ("Q4_1", 0.5, "cpu", False), ("Q4_1", 2.0, "meta", False), ("F16", 2.0, "cpu", False)],
)
def test_auto_is_native_where_that_is_there_and_fast(
    tmp_path, monkeypatch, model, number_format, speedup, device, native
):
    monkeypatch.setattr(pretrained, "packed_speedup", lambda kernel: speedup)
    settings, tensors = settings_of(model, small_tokenizer()), tensors_of(model)
    path = write_gguf(tmp_path / "packed.gguf", settings, tensors, number_format)
    assert isinstance(load(path, device, weights="auto")[0].head, QuantizedLinear) is native


def test_auto_takes_a_directory_as_it_is(tmp_path, monkeypatch, model):
    monkeypatch.setattr(pretrained, "packed_speedup", lambda kernel: 2.0)
    save(model, small_tokenizer(), tmp_path / "run")
    assert torch.equal(load(tmp_path / "run", weights="auto")[0](IDS), model(IDS))


def test_on_every_device(file, model, device):
    loaded, _ = load(file, device=device)
    torch.testing.assert_close(loaded(IDS.to(device)).cpu(), model(IDS), rtol=1e-4, atol=1e-4)
