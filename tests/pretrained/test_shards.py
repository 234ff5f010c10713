"""Several files and an index: what does not agree, or leads out of the directory, is refused by name."""

import json
import shutil

import pytest
import torch
from helpers import lively, small_config
from pretrained.gguf_files import small_tokenizer
from safetensors.torch import load_file, save_file

from minillm.model.transformer import Transformer
from minillm.pretrained import load, save
from minillm.pretrained.shards import INDEX, WEIGHTS

TOKENIZER = small_tokenizer()
IDS = torch.arange(20).reshape(1, 20)
NORM = "model.norm.weight"
PARTS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


@pytest.fixture
def model():
    return lively(Transformer(small_config(vocab_size=TOKENIZER.vocab_size)))


@pytest.fixture
def sharded(tmp_path, model):
    """The norm at the end in one file, all others in the other."""
    directory = tmp_path / "sharded"
    save(model, TOKENIZER, directory)
    tensors = load_file(directory / WEIGHTS)
    save_file({NORM: tensors.pop(NORM)}, directory / PARTS[1])
    save_file(tensors, directory / PARTS[0])
    (directory / WEIGHTS).unlink()
    listed = dict.fromkeys(tensors, PARTS[0]) | {NORM: PARTS[1]}
    (directory / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": listed}), encoding="utf-8")
    return directory


def list_in_index(directory, tensor, place):
    index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
    index["weight_map"] |= {tensor: place}
    index["weight_map"] = {name: place for name, place in index["weight_map"].items() if place is not None}
    (directory / INDEX).write_text(json.dumps(index), encoding="utf-8")


def test_two_files_are_one_model(sharded, model):
    assert torch.equal(load(sharded)[0](IDS), model(IDS))


def test_the_single_file_goes_before_the_index(sharded):
    other = lively(Transformer(small_config(vocab_size=TOKENIZER.vocab_size, n_layers=1)))
    save(other, TOKENIZER, sharded)
    assert torch.equal(load(sharded)[0](IDS), other(IDS))


@pytest.mark.parametrize(
    ("tensor", "place", "sentence"),
    [
        (NORM, "../x.safetensors", rf"says that tensor '{NORM}' is in '../x.safetensors'; only .safetensors files in"),
        (NORM, "/etc/passwd", "is in '/etc/passwd'; only"),
        (NORM, "..\\x.safetensors", "only .safetensors files in the same directory"),
        (NORM, "weights.bin", "is in 'weights.bin'; only"),
        (NORM, 7, "is in '7'; only"),
        (NORM, None, rf"{PARTS[0]} holds tensor '{NORM}', which model.safetensors.index.json leaves out"),
        ("model.more", PARTS[1], f"says that tensor 'model.more' is in {PARTS[1]}, which does not hold it"),
        (NORM, PARTS[0], f"says that tensor '{NORM}' is in {PARTS[0]}, which does not hold it"),
    ],
)
def test_an_index_that_lies(sharded, tensor, place, sentence):
    if place is None:  # it then is in a file that the index names, but not in the index
        save_file(load_file(sharded / PARTS[0]) | {NORM: torch.ones(32)}, sharded / PARTS[0])
    list_in_index(sharded, tensor, place)
    with pytest.raises(ValueError, match=sentence) as caught:
        load(sharded)
    assert str(caught.value).startswith(str(sharded))


def test_a_tensor_in_two_files(sharded):
    save_file(load_file(sharded / PARTS[0]) | {NORM: torch.ones(32)}, sharded / PARTS[0])
    with pytest.raises(ValueError, match=f"tensor '{NORM}' is both in {PARTS[0]} and in {PARTS[1]}"):
        load(sharded)


def test_a_tensor_twice_in_one_file(sharded):
    """By hand, since no library writes such a file: two entries of one name in the header."""
    entry = '"model.norm.weight":{"dtype":"F32","shape":[32],"data_offsets":[%d,%d]}'
    header = ("{" + entry % (0, 128) + "," + entry % (128, 256) + "}").encode()
    (sharded / PARTS[1]).write_bytes(len(header).to_bytes(8, "little") + header + bytes(256))
    with pytest.raises(ValueError, match=f"{PARTS[1]} is damaged"):
        load(sharded)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "index.json: the file holds a list"),
        ("{", "index.json: this is not complete JSON"),
        ('{"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}}', "index.json: 'a' stands in it twice"),
        ("{}", "has no weight_map"),
        ('{"weight_map": {}}', "has no weight_map"),
        (" " * 20_000_001, "the file has 20,000,001 bytes"),
    ],
)
def test_an_index_that_is_none(sharded, content, sentence):
    (sharded / INDEX).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        load(sharded)


def test_a_missing_and_a_damaged_shard_are_named(sharded):
    (sharded / PARTS[1]).write_bytes(b"half")
    with pytest.raises(ValueError, match=f"{PARTS[1]} is damaged"):
        load(sharded)
    (sharded / PARTS[1]).unlink()
    with pytest.raises(FileNotFoundError, match=f"is incomplete: it has no {PARTS[1]}; fetch it again"):
        load(sharded)


@pytest.mark.parametrize("name", [PARTS[1], INDEX, "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_link_that_leads_out(tmp_path, sharded, name):
    shutil.move(sharded / name, tmp_path / "elsewhere")
    link(sharded / name, tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name} is a link that leads out of the directory"):
        load(sharded)


def test_links_that_stay_and_the_hubs_own_are_followed(tmp_path, sharded, model):
    shutil.move(sharded / PARTS[1], sharded / "within")
    link(sharded / PARTS[1], "within")
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "main", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(sharded.iterdir())):
        shutil.copy(file, blobs / str(number))
        link(snapshot / file.name, blobs / str(number))
    link(tmp_path / "alias", snapshot)
    for directory in (sharded, snapshot, tmp_path / "alias"):
        assert torch.equal(load(directory)[0](IDS), model(IDS))


def link(path, target):
    try:
        path.symlink_to(target)
    except OSError:  # Windows gives this right to administrators only
        pytest.skip("this computer does not let me make a link")
