import pytest

from minillm.data.corpora import load_corpus
from minillm.data.world import World


def test_the_world_is_split_without_overlap_in_the_stream():
    corpus = load_corpus("world", seed=3, n_train=20, n_validation=10)
    assert corpus.train == [document.text for document in World(3).documents(20)]
    assert [document.text for document in corpus.truth] == corpus.validation
    assert not set(corpus.train) >= set(corpus.validation)


@pytest.mark.parametrize("separator", ["\n\n", "\n<|endoftext|>\n"])
def test_a_file_keeps_every_tenth_document(tmp_path, separator):
    path = tmp_path / "Übung text.txt"
    path.write_text(separator.join(f"document {n}" for n in range(25)), encoding="utf-8")
    corpus = load_corpus(str(path))
    assert corpus.validation == ["document 0", "document 10", "document 20"]
    assert set(corpus.train) | set(corpus.validation) == {f"document {n}" for n in range(25)}
    assert corpus.truth is None


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no corpus 'wrold'"):
        load_corpus("wrold")
    short = tmp_path / "short.txt"
    short.write_text("only one", encoding="utf-8")
    with pytest.raises(ValueError, match="holds 1 documents, and at least 10"):
        load_corpus(str(short))
