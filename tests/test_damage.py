"""Damaged files of every kind that the package reads: refused in a sentence that names the file, or read; no more.

The damages are drawn: cut off anywhere, bytes changed or doubled, and in JSON any value in any place (numbers of
thousands of digits, NaN, brackets nested thousands deep, half characters). Meanwhile the process may not take much more
memory than it has. `tests/pretrained` does the same to bytes of whole checkpoints; here the damage knows the format.
`MINILLM_EXAMPLES=long pytest tests/test_damage.py` draws thousands.
"""

import json
import struct
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from helpers import lively, small_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pretrained.gguf_files import (
    BOOL,
    FLOAT,
    INT,
    LIST,
    STRING,
    settings_of,
    small_llama,
    small_tokenizer,
    tensors_of,
    write_gguf,
)
from safetensors.torch import load_file, save_file

from minillm import ModelConfig, Tokenizer, Transformer, load, save
from minillm.course import shipped
from minillm.course.keeping import settings_text
from minillm.data.conversations import append_conversation, read_conversations
from minillm.data.preferences import Preference, load_preferences, save_preferences
from minillm.data.token_file import TokenFile, write_token_file
from minillm.errors import UserError
from minillm.files import sha256, write_json
from minillm.posttraining.adapter import load_adapter, save_adapter
from minillm.posttraining.lora import add_lora
from minillm.training.checkpoint import load_checkpoint, save_checkpoint
from minillm.training.metrics import read_metrics
from minillm.training.optim import make_optimizer
from minillm.training.run import Run
from minillm.training.settings import TrainConfig

SPARE = 500_000_000  # bytes that a reader may take beyond what the process has
HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good morning."}]
# What no JSON writer makes, or what is legal and hard to bear.
ODD = ["NaN", "-Infinity", "1e999", "9" * 5_000, "-1", "18446744073709551616", '"\\ud800"', '"\x00"', "[" * 5_000]
ODD += ["[" * 5_000 + "]" * 5_000, '{"a":' * 5_000 + "1" + "}" * 5_000, '"' + "x" * 50_000 + '"']
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
).map(json.dumps)

drawn = settings(
    max_examples=settings.default.max_examples * 2 // 5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@contextmanager
def little_memory():
    """The process may not take more than SPARE beyond what it has; only Linux tells how much that is."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """The sentence that refuses a file, not too long for a screen; "" where it is read."""
    try:
        read(path)
    except UserError as error:
        sentence = str(error)
        return sentence if len(sentence) < 1_000 else f"{len(sentence)} characters, too many to read: {sentence[:99]}"
    return ""


def exchanged(text: str, draw) -> str:
    """A JSON text with one value, anywhere in it, replaced by another one."""
    whole = {"": json.loads(text)}
    place, key = whole, ""
    while isinstance(place[key], (dict, list)) and place[key] and draw(st.integers(0, 4)):
        place = place[key]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = "<here>"
    return json.dumps(whole[""]).replace('"<here>"', draw(values | st.sampled_from(ODD)))


def broken(content: bytes, draw) -> bytes:
    """Bytes cut off, changed, or a part of them twice."""
    start, length = draw(st.integers(0, len(content) - 1)), draw(st.integers(0, 40))
    kind = draw(st.sampled_from(["cut", "change", "double"]))
    tail = {"cut": b"", "change": draw(st.binary(max_size=8)) + content[start + length :], "double": content[start:]}
    return content[: start + (length if kind == "double" else 0)] + tail[kind]


def damaged(path: Path, draw) -> bytes:
    """The file's content with one damage, of bytes or, where it holds JSON, of meaning."""
    content = path.read_bytes()
    if path.suffix == ".safetensors" and draw(st.booleans()):  # its header is JSON behind the header's length
        (size,) = struct.unpack("<Q", content[:8])
        header = exchanged(content[8 : 8 + size].decode(), draw).encode("utf-8", "replace")
        return struct.pack("<Q", len(header)) + header + content[8 + size :]
    if path.suffix == ".json" and draw(st.booleans()):
        return exchanged(content.decode(), draw).encode("utf-8", "replace")
    if path.suffix == ".jsonl" and draw(st.booleans()):
        lines = content.decode().splitlines()
        number = draw(st.integers(0, len(lines) - 1))
        lines[number] = exchanged(lines[number], draw)
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")
    return broken(content, draw)


def saved_model(folder: Path) -> None:
    tokenizer = small_tokenizer()
    save(lively(Transformer(small_config(vocab_size=tokenizer.vocab_size))), tokenizer, folder)


def some_metrics(folder: Path) -> None:
    lines = [{"step": step, "loss": 3.0 / step, "seconds": 0.5 * step} for step in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def some_conversations(folder: Path) -> None:
    for _ in range(3):
        append_conversation(folder / "chats.jsonl", HELLO)


def some_preferences(folder: Path) -> None:
    pair = Preference(tuple(HELLO[:1]), "Good morning.", "What?", "Ada", 0.75)
    save_preferences(folder / "rankings.jsonl", [pair, pair])


def settings_of_a_run(folder: Path) -> None:
    Run(TrainConfig(steps=3), folder, Tokenizer.train(["a"], 257))


def a_shipped_model(folder: Path) -> None:
    saved_model(folder)
    files = {path.name: {"sha256": sha256(path)} for path in folder.iterdir()}
    recipe = {"settings": json.loads(settings_text({})), "metrics": {"step": 3}, "files": files}
    write_json(folder / shipped.RECIPE, recipe)


def open_shipped_model(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "SHIPPED", folder.parent)
        if shipped.shipped_folder(folder.name, {}) is not None:
            load(folder)


def shipped_numbers(folder: Path) -> None:
    runs = [{"settings": {"steps": 2}, "numbers": {"loss": 0.5}}]
    write_json(folder / shipped.NUMBERS, {"sha256": shipped.numbers_hash(runs), "runs": runs})


def open_shipped_numbers(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "SHIPPED", folder)
        shipped.shipped_numbers()


def tiny_model() -> Transformer:
    return Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))


def a_checkpoint(folder: Path) -> None:
    model = tiny_model()
    progress = {"step": 3, "tokens": 30, "seconds": 0.5}
    save_checkpoint(folder / "checkpoint.safetensors", model, make_optimizer("adamw", model, 0.1, 0.0, 0.9), progress)


def open_checkpoint(folder: Path) -> None:
    model = tiny_model()
    load_checkpoint(folder / "checkpoint.safetensors", model, make_optimizer("adamw", model, 0.1, 0.0, 0.9))


def an_adapter(folder: Path) -> None:
    save_adapter(add_lora(tiny_model(), rank=2), folder)


def some_tokens(folder: Path) -> None:
    write_token_file(folder / "some.tokens", [[5, 6], [7]], end_id=0, vocab_size=300)


# What is kept: how it is made, and how it is read.
KEPT = {
    "a saved model": (saved_model, load),
    "its tokenizer": (lambda folder: small_tokenizer().save(folder), Tokenizer.load),
    "metrics": (some_metrics, lambda folder: read_metrics(folder / "metrics.jsonl")),
    "conversations": (some_conversations, lambda folder: read_conversations(folder / "chats.jsonl")),
    "preferences": (some_preferences, lambda folder: load_preferences(folder / "rankings.jsonl")),
    "the settings of a run": (settings_of_a_run, settings_of_a_run),
    "a checkpoint": (a_checkpoint, open_checkpoint),
    "an adapter": (an_adapter, lambda folder: load_adapter(tiny_model(), folder)),
    "a shipped model": (a_shipped_model, open_shipped_model),
    "shipped numbers": (shipped_numbers, open_shipped_numbers),
    "a file of tokens": (some_tokens, lambda folder: TokenFile(folder / "some.tokens")),
}


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", KEPT)
@drawn
@given(data=st.data())
def test_what_is_kept_is_read_or_refused_by_name(tmp_path_factory, name, data):
    make, read = KEPT[name]
    folder = tmp_path_factory.mktemp("damage")
    make(folder)
    path = data.draw(st.sampled_from(sorted(file for file in folder.iterdir() if file.stat().st_size)))
    path.write_bytes(damaged(path, data.draw))
    with little_memory():
        sentence = refusal(read, folder)
    assert not sentence or path.name in sentence or str(folder) in sentence


def test_an_intact_one_is_read(tmp_path):
    for number, (make, read) in enumerate(KEPT.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder)
        read(folder)


odd_settings = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.just(INT)),
    st.tuples(st.sampled_from([float("nan"), float("inf"), -1.0, 0.0, 1e30]), st.just(FLOAT)),
    st.tuples(st.booleans(), st.just(BOOL)),
    st.tuples(st.text(max_size=5), st.just(STRING)),
    st.tuples(st.lists(st.integers(0, 300), min_size=1, max_size=3), st.just(LIST)),
    st.tuples(st.lists(st.text(max_size=3), min_size=1, max_size=3), st.just(LIST)),
    st.none(),
)


@pytest.mark.timeout(300)
@drawn
@given(data=st.data())
def test_a_gguf_file_with_odd_settings_is_read_or_refused_by_name(tmp_path_factory, data):
    torch.manual_seed(0)
    tokenizer = small_tokenizer()
    model = small_llama(tokenizer)
    described, tensors = settings_of(model, tokenizer), tensors_of(model)
    described[data.draw(st.sampled_from(sorted(described)))] = data.draw(odd_settings)
    path = write_gguf(tmp_path_factory.mktemp("gguf") / "odd.gguf", described, tensors)
    with little_memory():
        sentence = refusal(load, path)
    assert sentence.startswith(f"{path}: ") or not sentence


@pytest.mark.timeout(300)
@drawn
@given(data=st.data())
def test_tensors_in_a_file_of_their_own_with_odd_shapes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("shapes")
    saved_model(folder)
    shape = data.draw(st.lists(st.integers(0, 40), max_size=3))
    kind = data.draw(st.sampled_from([torch.float32, torch.int8, torch.bool, torch.float16, torch.complex64]))
    tensors = load_file(folder / "model.safetensors")
    tensors[data.draw(st.sampled_from(sorted(tensors)))] = torch.zeros(shape, dtype=kind)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert str(folder) in (refusal(load, folder) or str(folder))
