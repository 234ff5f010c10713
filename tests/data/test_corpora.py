import hashlib
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm import assets
from minillm.assets import Asset, AssetError, AssetFile
from minillm.data import corpora
from minillm.data.corpora import encode_training, load_corpus, split
from minillm.tokenizer import Tokenizer
from minillm.world import World
from minillm.world import corpus as corpus_of_world


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# -- the world -------------------------------------------------------------------------------------------------------


def test_the_world_is_what_the_generator_writes():
    corpus = load_corpus("world", seed=3, n_train=20, n_validation=10)
    assert corpus.train == [document.text for document in World(3).documents(20)]
    assert [document.text for document in corpus.truth] == corpus.validation
    assert corpus.fingerprint == load_corpus("world", seed=3, n_train=20, n_validation=10).fingerprint
    assert corpus.fingerprint != load_corpus("world", seed=4, n_train=20, n_validation=10).fingerprint


def test_what_the_world_repeats_is_left_out_of_training_and_the_validation_set_stays_as_drawn(monkeypatch):
    """Validation is drawn where training is, so here every second training document is in it."""
    monkeypatch.setattr(corpus_of_world, "VALIDATION_START", 10)
    corpus = load_corpus("world", seed=3, n_train=20, n_validation=10)
    drawn = World(3).documents(20)
    assert corpus.validation == [document.text for document in drawn[10:]]
    assert corpus.train == [document.text for document in drawn[:10] if document.text not in set(corpus.validation)]
    assert not set(corpus.train) & set(corpus.validation)


def test_what_is_left_out_is_less_than_a_hundredth_of_the_world():
    """So the floor of the whole world is that of what is trained on, too. A text drawn twice counts once."""
    corpus = load_corpus("world", seed=0, n_train=1, n_validation=300)
    texts = {document.text: document.log_prob for document in corpus.truth}
    assert 0 < sum(math.exp(log_prob) for log_prob in texts.values()) < 0.01


# -- splitting -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=10, max_size=300), st.integers(1, 40))
def test_no_document_is_on_both_sides_and_none_is_lost(documents, n_validation):
    if len(set(documents)) < 2:
        return
    corpus = split("letters", lambda: iter(documents), n_validation)
    train = list(corpus.train)
    assert list(corpus.train) == train, "a stream can be read again"
    assert not set(train) & set(corpus.validation)
    assert len(set(corpus.validation)) == len(corpus.validation) <= min(n_validation, len(documents) // 10)
    assert train == [document for document in documents if document not in corpus.validation]
    assert set(train) | set(corpus.validation) == set(documents)


def test_the_same_documents_are_kept_back_in_any_order():
    documents = [f"document {n}" for n in range(1000)]
    shuffled = random.Random(0).sample(documents, 1000)
    one, two = (split("numbers", lambda order=order: iter(order), 30) for order in (documents, shuffled))
    assert one.validation == two.validation
    assert len(one.validation) == 30
    assert one.fingerprint != two.fingerprint, "the order of training is part of a corpus"


def test_a_sample_kept_back_by_hashes_is_spread_evenly():
    """Mean place of 500 of 10,000: the middle, within four standard errors of a uniform sample."""
    places = [int(text) for text in split("numbers", lambda: map(str, range(10_000)), 500).validation]
    assert abs(sum(places) / 500 - 4999.5) < 4 * 10_000 / math.sqrt(12 * 500)


def test_a_validation_set_of_its_own_is_left_out_of_training():
    corpus = split("letters", lambda: iter("abcdeabc"), 2, lambda: iter("axbyaz"))
    assert set(corpus.validation) <= set("axbyz")
    assert len(corpus.validation) == 2
    assert list(corpus.train) == [letter for letter in "abcdeabc" if letter not in corpus.validation]


@pytest.mark.parametrize(("different", "times", "kept"), [(20, 50, 2), (25, 8, 2), (5, 10, 1), (300, 1, 30)])
def test_a_tenth_of_the_different_documents_is_kept_back(different, times, kept):
    texts = [f"text {n}" for n in range(different)] * times
    corpus = split("repeats", lambda: iter(texts), 100)
    assert len(corpus.validation) == len(set(corpus.validation)) == kept
    assert set(corpus.train) == set(texts) - set(corpus.validation)


def test_texts_that_cannot_be_split_are_refused():
    with pytest.raises(ValueError, match="holds 9 documents, and at least 10"):
        split("few", lambda: iter("abcdefghi"), 5)
    with pytest.raises(ValueError, match="same has no two distinct documents"):
        split("same", lambda: iter("a" * 50), 5)
    with pytest.raises(ValueError, match="has no two distinct documents"):
        split("same", lambda: iter("aa"), 5, lambda: iter("a"))
    with pytest.raises(ValueError, match="has no two distinct documents"):
        split("nothing to measure on", lambda: iter("ab"), 5, lambda: iter(""))
    with pytest.raises(ValueError, match="n_validation is 0"):
        load_corpus("world", n_validation=0)


# -- by name and by path ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", ["\n\n", "\n<|endoftext|>\n"])
def test_a_file_keeps_a_tenth_back(tmp_path, separator):
    path = tmp_path / "Übung text.txt"
    path.write_text(separator.join(f"document {n}" for n in range(25)), encoding="utf-8")
    corpus = load_corpus(str(path))
    assert len(corpus.validation) == 2
    assert {*corpus.train, *corpus.validation} == {f"document {n}" for n in range(25)}
    assert corpus.truth is None
    assert corpus.name == path.name


def test_a_folder_is_a_corpus(tmp_path):
    for n in range(12):
        (tmp_path / f"{n}.txt").write_text(f"story {n}\n\nits end", encoding="utf-8")
    corpus = load_corpus(str(tmp_path))
    assert {*corpus.train, *corpus.validation} == {f"story {n}\n\nits end" for n in range(12)}


def test_the_manual_of_python_is_a_corpus(monkeypatch):
    monkeypatch.setattr(corpora, "python_docs", lambda: [f"topic {n % 15}" for n in range(20)])
    corpus = load_corpus("python-docs")
    assert isinstance(corpus.train, list)
    assert not set(corpus.train) & set(corpus.validation)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wrold", "did you mean 'world'?"),
        ("tinystory", "did you mean 'tinystories'?"),
        ("python_docs", "did you mean 'python-docs'?"),
        ("absent.txt", ". A corpus is world, python-docs, tiny-shakespeare, tinystories, fineweb-edu-sample, or the"),
    ],
)
def test_what_is_no_corpus_is_told_the_near_one(name, hint):
    with pytest.raises(FileNotFoundError) as refused:
        load_corpus(name)
    assert str(refused.value).startswith(f"there is no corpus '{name}'")
    assert hint in str(refused.value)


@pytest.mark.parametrize("name", corpora.FETCHED)
def test_a_corpus_that_is_not_fetched_says_how(name):
    with pytest.raises(
        AssetError, match=rf"not on this computer yet; once, with a network: minillm fetch {name} \(.*MB"
    ):
        load_corpus(name)


def put(monkeypatch, name, contents):
    """Fill the cache with small files in place of an asset's own."""
    files = tuple(
        AssetFile(file, len(content), hashlib.sha256(content).hexdigest(), ()) for file, content in contents.items()
    )
    asset = Asset(name, "a test", "none", files)
    monkeypatch.setitem(assets.REGISTRY, name, asset)
    asset.folder.mkdir(parents=True)
    for file, content in contents.items():
        (asset.folder / file).write_bytes(content)


def test_a_fetched_corpus_is_read_from_the_cache(monkeypatch):
    text = "\n\n".join(f"CITIZEN {n}:\nSpeak." for n in range(40)).encode()
    put(monkeypatch, "tiny-shakespeare", {"tiny-shakespeare.txt": text})
    corpus = load_corpus("tiny-shakespeare")
    assert len(list(corpus.train)) == 36
    assert len(corpus.validation) == 4


def test_tinystories_is_measured_on_its_own_validation_file(monkeypatch):
    end = "\n<|endoftext|>\n"
    train = end.join(f"Story {n}.\n\nThe end." for n in range(30)).encode()
    valid = end.join(f"Story {n}.\n\nThe end." for n in range(28, 34)).encode()
    put(monkeypatch, "tinystories", {"TinyStoriesV2-GPT4-train.txt": train, "TinyStoriesV2-GPT4-valid.txt": valid})
    corpus = load_corpus("tinystories")
    assert sorted(corpus.validation) == [f"Story {n}.\n\nThe end." for n in range(28, 34)]
    assert list(corpus.train) == [f"Story {n}.\n\nThe end." for n in range(28)]


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_training_is_encoded_once_for_a_text_and_a_tokenizer(monkeypatch, home):
    corpus = split("letters", lambda: iter([f"a letter, {n}" for n in range(40)]), 5)
    tokenizer = Tokenizer.train(corpus.train, 270, ["<end>"])
    tokenizer.eos_token = "<end>"
    file = encode_training(corpus, tokenizer)
    assert [tokenizer.decode(document.tolist()) for document in file] == list(corpus.train)

    with monkeypatch.context() as patch:
        patch.setattr(Tokenizer, "encode", lambda *arguments: pytest.fail("encoded again"))
        again = encode_training(corpus, tokenizer)
        assert again.stream.tolist() == file.stream.tolist()

    other = Tokenizer.train(corpus.train, 262, ["<end>"])
    other.eos_token = "<end>"
    assert encode_training(corpus, other).path != file.path
    changed = split("letters", lambda: iter([f"a letter: {n}" for n in range(40)]), 5)
    assert encode_training(changed, tokenizer).path != file.path
    assert len([*(home / "tokens").glob("*.tokens")]) == 3


def test_a_tokenizer_without_an_end_token_is_refused():
    corpus = split("letters", lambda: iter("abcdefghijk"), 5)
    with pytest.raises(ValueError, match="no end token, and texts begin and end with one; set its eos_token"):
        encode_training(corpus, Tokenizer.train(["a"], 256))
