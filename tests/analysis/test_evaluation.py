"""A model's scores against sums by hand, and checks of texts whose first error is known."""

import pytest
import torch
from helpers import small_config

from minillm.analysis.evaluation import check_document, score_experiments, scorer, write_documents
from minillm.data.chat import chat_tokenizer
from minillm.data.corpora import END_OF_TEXT, SPECIAL_TOKENS
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.world import World, experiments

WORLD = World(0, split="both")


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    texts = [World(0).document(index).text for index in range(40)]
    tokenizer = Tokenizer.train(texts, 300, [END_OF_TEXT])
    tokenizer.bos_token = tokenizer.eos_token = END_OF_TEXT
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=400))
    return model.eval(), tokenizer


def test_a_score_is_the_log_probability_of_the_choice(trained):
    model, tokenizer = trained
    questions = [("Mira is", (" a baker.", " an eel catcher.")), ("", ("Bram",)), ("7 + 5 =", (" 12.", " 13.", " 2."))]
    scores = scorer(model, tokenizer)(questions)
    for (prefix, choices), log_probs_of_choices in zip(questions, scores, strict=True):
        for choice, found in zip(choices, log_probs_of_choices, strict=True):
            ids = [tokenizer.eos_id, *tokenizer.encode(prefix), *tokenizer.encode(choice)]
            log_probs = model(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
            positions = range(len(tokenizer.encode(prefix)), len(ids) - 1)
            by_hand = sum(log_probs[t, ids[t + 1]].item() for t in positions)
            assert found == pytest.approx(by_hand, abs=1e-3)


def test_all_experiments_are_scored_in_both_splits(trained):
    seen = []
    scores = score_experiments(*trained, count=4, on_score=lambda name, split, score: seen.append((name, split)))
    assert [(name, split) for name, splits in scores.items() for split in splits] == seen
    assert set(scores) == set(experiments.EXPERIMENTS)
    assert all(0 <= score.accuracy <= 1 for splits in scores.values() for score in splits.values())


def test_a_chat_model_starts_its_documents_like_the_base_model():
    tokenizer = Tokenizer.train([World(0).document(0).text], 300, SPECIAL_TOKENS)
    tokenizer.bos_token = tokenizer.eos_token = END_OF_TEXT
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=40)).eval()
    chat = chat_tokenizer(tokenizer)
    assert chat.eos_id != tokenizer.eos_id
    questions = [("Mira is", (" a baker.", " an eel catcher."))]
    assert scorer(model, chat)(questions) == scorer(model, tokenizer)(questions)
    assert write_documents(model, chat, 3, 1.0) == write_documents(model, tokenizer, 3, 1.0)


def test_a_tokenizer_without_an_end_token_is_rejected(trained):
    with pytest.raises(ValueError, match="no end token"):
        scorer(trained[0], Tokenizer.train(["no end in sight"], 260))


def test_a_question_longer_than_the_context_is_rejected(trained):
    with pytest.raises(ValueError, match="built for 400"):
        scorer(*trained)([("Mira is" * 200, (" here.",))])


@pytest.mark.parametrize("index", range(6))
def test_the_worlds_own_documents_are_possible(index):
    found = check_document(WORLD.document(index).text, WORLD)
    assert found.possible
    assert found.error_kind == ""


FINE = next(d.text for d in WORLD.documents(200) if d.plan == "relay" and len(d.text) < 350)


def test_a_check_finds_the_kind_and_position_of_the_error():
    cut = FINE[: FINE.rfind(".", 0, -1) + 1]
    assert check_document(cut, WORLD).error_kind == "unfinished"
    sum_of_two = "Mira had 7 apples. Then Ada brought 5 more. 7 + 5 = 13."
    number = check_document(sum_of_two, WORLD)
    assert (number.possible, number.error_kind) == (False, "filler")
    assert number.error_at == sum_of_two.index("13")
    exploded = "One foggy morning Mira the baker exploded."
    wording = check_document(exploded, WORLD)
    assert wording.error_kind == "wording"
    assert wording.error_at == exploded.index("exploded")
    assert not check_document(FINE + " x", WORLD).possible


def test_a_model_writes_the_requested_documents_reproducibly(trained):
    texts = write_documents(*trained, count=5, temperature=1.0, seed=3, batch_size=2)
    assert len(texts) == 5
    assert all(END_OF_TEXT not in text for text in texts)
    assert texts == write_documents(*trained, count=5, temperature=1.0, seed=3, batch_size=2)
