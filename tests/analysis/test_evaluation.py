"""Scores of a model against sums worked by hand, and verdicts on texts whose slip is known."""

import pytest
import torch
from helpers import small_config

from minillm.analysis.evaluation import judge, score_experiments, scorer, write_documents
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


def test_a_score_is_the_sum_of_the_log_probabilities_of_the_way_on(trained):
    model, tokenizer = trained
    questions = [("Mira is", (" a baker.", " an eel catcher.")), ("", ("Bram",)), ("7 + 5 =", (" 12.", " 13.", " 2."))]
    found = scorer(model, tokenizer)(questions)
    for (prefix, ways), answers in zip(questions, found, strict=True):
        for way, answer in zip(ways, answers, strict=True):
            ids = [tokenizer.eos_id, *tokenizer.encode(prefix), *tokenizer.encode(way)]
            log_probs = model(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
            by_hand = sum(
                log_probs[place, ids[place + 1]].item() for place in range(len(tokenizer.encode(prefix)), len(ids) - 1)
            )
            assert answer == pytest.approx(by_hand, abs=1e-3)


def test_all_experiments_are_scored_in_both_splits(trained):
    seen = []
    scores = score_experiments(*trained, count=4, on_score=lambda name, split, score: seen.append((name, split)))
    assert [(name, split) for name, splits in scores.items() for split in splits] == seen
    assert set(scores) == set(experiments.EXPERIMENTS)
    assert all(0 <= score.accuracy <= 1 for splits in scores.values() for score in splits.values())


def test_a_chat_model_begins_its_documents_as_the_base_model_did():
    tokenizer = Tokenizer.train([World(0).document(0).text], 300, SPECIAL_TOKENS)
    tokenizer.bos_token = tokenizer.eos_token = END_OF_TEXT
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=40)).eval()
    chat = chat_tokenizer(tokenizer)
    assert chat.eos_id != tokenizer.eos_id
    questions = [("Mira is", (" a baker.", " an eel catcher."))]
    assert scorer(model, chat)(questions) == scorer(model, tokenizer)(questions)
    assert write_documents(model, chat, 3, 1.0) == write_documents(model, tokenizer, 3, 1.0)


def test_a_tokenizer_without_an_end_is_refused(trained):
    with pytest.raises(ValueError, match="no end token"):
        scorer(trained[0], Tokenizer.train(["no end in sight"], 260))


def test_a_question_too_long_for_the_model_is_refused(trained):
    with pytest.raises(ValueError, match="built for 400"):
        scorer(*trained)([("Mira is" * 200, (" here.",))])


@pytest.mark.parametrize("index", range(6))
def test_the_worlds_own_documents_could_stand_in_it(index):
    verdict = judge(WORLD.document(index).text, WORLD)
    assert verdict.possible
    assert verdict.kind_of_slip == ""


FINE = next(d.text for d in WORLD.documents(200) if d.plan == "relay" and len(d.text) < 350)


def test_verdicts_name_the_slip_and_its_place():
    cut = FINE[: FINE.rfind(".", 0, -1) + 1]
    assert judge(cut, WORLD).kind_of_slip == "unfinished"
    sum_of_two = "Mira had 7 apples. Then Ada brought 5 more. 7 + 5 = 13."
    number = judge(sum_of_two, WORLD)
    assert (number.possible, number.kind_of_slip) == (False, "filler")
    assert number.slip == sum_of_two.index("13")
    loud = "One foggy morning Mira the baker exploded."
    wording = judge(loud, WORLD)
    assert wording.kind_of_slip == "wording"
    assert wording.slip == loud.index("exploded")
    assert not judge(FINE + " x", WORLD).possible


def test_a_model_writes_as_many_documents_as_asked_for_and_the_same_again(trained):
    texts = write_documents(*trained, count=5, temperature=1.0, seed=3, batch_size=2)
    assert len(texts) == 5
    assert all(END_OF_TEXT not in text for text in texts)
    assert texts == write_documents(*trained, count=5, temperature=1.0, seed=3, batch_size=2)
