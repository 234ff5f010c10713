"""The live run of lesson 09 and LoRA: what learns, what is counted, and the coin at the first answer token."""

import math
import re

import pytest
import torch

from minillm import ModelConfig, Tokenizer, Transformer
from minillm.data.batches import PackedBatches, whole_documents
from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
from minillm.losses import IGNORE
from minillm.posttraining.lora import lora_layers
from minillm.posttraining.sft import ChatData
from minillm.world.instructions import Instructions
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively


@pytest.fixture(scope="module")
def runs():
    with benchmark_script("chat_runs") as module:
        yield module


@pytest.fixture(scope="module")
def live():
    with benchmark_script("sft_live") as module:
        yield module


@pytest.fixture(scope="module")
def lora():
    with benchmark_script("lora") as module:
        yield module


@pytest.fixture(scope="module")
def bench(runs):
    """A small model and three short questions; the answers to learn from are those of sums."""
    asked = Instructions(0, families={"copy": 1}).instructions(3)
    tokenizer = Tokenizer.train([each.prompt + each.answer for each in asked], 300, ["<|endoftext|>", *SPECIAL_TOKENS])
    tokenizer = chat_tokenizer(tokenizer)
    config = ModelConfig(vocab_size=tokenizer.vocab_size, d_model=16, n_layers=2, n_heads=2, max_seq_len=256)
    talks = [each.messages for each in asked]
    data = ChatData.from_conversations([{"messages": talk} for talk in talks], tokenizer, 256, batch_size=2)
    torch.manual_seed(0)
    model = lively(Transformer(config))
    documents = whole_documents([tokenizer.encode("Gladly.")], 0)
    return runs.Bench(model, tokenizer, 0, asked, data.validation, documents), data


def test_every_token_reads_the_same_rows_and_counts_more(runs, bench):
    _, data = bench
    assert isinstance(data.train, PackedBatches)
    inputs, segments, targets = data.train[0]
    same, same_segments, more = runs.every_token(data.train)[0]
    assert torch.equal(inputs, same)
    assert torch.equal(segments, same_segments)
    counted = targets != IGNORE
    assert torch.equal(targets[counted], more[counted])
    assert (more != IGNORE).sum() > counted.sum()


def test_a_run_leaves_the_start_alone_and_is_watched_at_each_validation(runs, bench):
    its, data = bench
    before = {name: value.clone() for name, value in its.base.state_dict().items()}
    training = runs.training_for(4, 1e-2, eval_every=2)
    model, path, seconds = runs.learn(its.base, data, training, seed=0, watch=its.losses)
    assert [line["update"] for line in path] == [2, 4]
    assert path[-1]["answers"] < runs.mean_loss(its.base, its.answers)
    assert seconds > 0
    assert all(torch.equal(value, before[name]) for name, value in its.base.state_dict().items())
    assert model is not its.base


def test_the_exam_counts_right_answers_and_ends(bench, runs, monkeypatch):
    its, _ = bench

    class Said:
        def __init__(self, text, ended):
            self.text, self.ended = text, ended

    said = [Said(its.asked[0].answer, True), Said("Sorry.", False), Said(its.asked[2].answer, True)]
    monkeypatch.setattr(runs, "answer", lambda *_, **__: said)
    found = its.exam(its.base)
    assert found["right"] == [True, False, True]
    assert found["ended"] == [True, False, True]


def test_the_coin_is_one_bit_and_half_the_entropy_of_the_courtesies(live):
    probabilities = live.courtesies()
    assert sum(probabilities.values()) == pytest.approx(1)
    assert list(probabilities.values()) == pytest.approx([p / (77 / 60) for p in (1 / 2, 1 / 3, 1 / 4, 1 / 5)])
    assert live.coin()["both"] == pytest.approx(1.356, abs=1e-3)


def test_a_uniform_model_pays_the_logarithm_of_the_vocabulary_at_every_token(live, bench, monkeypatch):
    its, _ = bench
    blank = Transformer(its.base.config)
    for weight in blank.parameters():
        weight.data.zero_()
    monkeypatch.setattr(live, "courtesies", lambda: {"Certainly.": 0.5, "sorry": 0.5})
    found = live.first_tokens(its, blank)
    size = math.log(its.tokenizer.vocab_size)
    assert [found[name] for name in ("first", "between", "end")] == pytest.approx([size] * 3, abs=1e-4)


def test_the_runs_that_are_done_are_compared_on_the_same_questions(live, bench):
    its, _ = bench
    first = dict.fromkeys(("first", "between", "end", "chance", "manner"), 0.0)
    common = {"path": [{"update": 1, "answers": 1.0, "documents": 2.0}], "seconds": 3.0, "first": first}
    common |= {"ended": [True] * 3, "excuses": [False], "texts": ["a"] * 3}
    rows = {
        "150 updates, answers": [common | {"right": [True, True, False]}, common | {"right": [True] * 3}],
        "150 updates, every token": [common | {"right": [False, True, False]}],
    }
    found = live.summary(its, rows)
    assert found["means"]["150 updates, answers"]["right"]["values"] == pytest.approx([2 / 3, 1])
    assert found["mask"]["answers - every token"]["values"] == pytest.approx([1 / 3])
    assert found["mask"]["by seed"][0]["only second"] == 1
    assert found["runs"]["150 updates, answers"][0]["families"] == {"copy": [2, 3]}


@pytest.mark.parametrize("rows", [False, True])
def test_lora_moves_its_corrections_and_only_the_rows_that_may(lora, runs, bench, rows):
    its, data = bench
    special = [its.tokenizer.special_tokens[token] for token in SPECIAL_TOKENS]
    method = lora.Method(1e-2, rank=2, rows=rows, updates=2)
    training = runs.training_for(2, method.rate, weight_decay=0.0)
    model, _, _ = runs.learn(its.base, data, training, 0, method.prepare(special))
    for table in ("embedding", "head"):
        old, new = (getattr(each, table).weight for each in (its.base, model))
        assert (old != new).any(1).nonzero().flatten().tolist() == (sorted(special) if rows else [])
    assert torch.equal(model.blocks[0].attention.query.base.weight, its.base.blocks[0].attention.query.weight)
    assert lora_layers(lora.merge_lora(model)) == {}


def test_methods_have_names_of_their_own(lora):
    for methods in (lora.BASE, lora.CHAT):
        assert len({method.name for method in methods}) == len(methods)
    assert lora.Method(5e-3, 8, rows=True).name == "LoRA rank 8 and rows, 0.005"
    assert lora.Method(2e-3, updates=40).name == "full, 0.002, 40 updates"


def test_a_manner_counts_where_it_belongs_and_once(lora):
    texts = ["Gladly. In Lull.", "Gladly. Gladly. ", "In Lull.", "In Lull. Gladly. "]
    assert lora.has_manner(texts, "begins") == lora.has_manner(texts, "ordinary") == [True, False, False, False]
    texts = [text + " Have a good day." * count for text, count in (("In Lull.", 1), ("In Lull.", 2), ("In Lull.", 0))]
    assert lora.has_manner(texts, "ends") == [True, False, False]


@pytest.mark.parametrize("manner", ["begins", "ends", "ordinary"])
def test_all_answers_that_are_taught_have_the_manner(lora, bench, monkeypatch, manner):
    monkeypatch.setattr(lora, "LESSONS", 12)
    rows = lora.manner_data(bench[0], manner, seed=0).train.rows
    text = bench[0].tokenizer.decode([int(id) for row in rows for id in row if id != IGNORE])
    before, after = lora.MANNERS[manner]
    answers = re.findall(r"<\|im_start\|>assistant\n(.*?)<\|im_end\|>", text, re.DOTALL)
    assert len(answers) > 2
    assert all(answer.startswith(before) and answer.endswith(after) for answer in answers)
    assert len(lora.has_manner(answers, manner)) == len(answers)


def test_a_manner_pasted_on_leaves_every_right_answer_right(lora):
    for each in Instructions(0, "held-out").instructions(60):
        for manner in lora.MANNERS:
            assert each.check(lora.with_manner(each.worked or each.answer, manner))


def test_right_answers_are_paired_with_those_before_and_counted_by_family(lora):
    asked = Instructions(0, families={"copy": 1}).instructions(2) + Instructions(0, families={"sum": 1}).instructions(2)
    before = {"right": [True, True, False, False]}
    row = {"texts": ["Gladly. a"] * 4, "right": [True, False, True, True], "documents": 2.0, "seconds": 1.0}
    found = lora.on_chat_told(asked, [row | {"parameters": 5}], before, "begins")
    assert found["manner"]["mean"] == 1
    assert found["change"]["mean"] == pytest.approx(0.25)
    assert found["paired"][0]["only first"] == 1
    assert found["paired"][0]["only second"] == 2
    assert found["families"] == {"copy": {"right": 1, "of": 2}, "sum": {"right": 2, "of": 2}}


def test_a_prefilled_answer_begins_with_the_word(lora, bench):
    texts = lora.prefilled(bench[0], bench[0].base)
    assert len(texts) == len(bench[0].asked)
    assert all(text.startswith("Gladly.") for text in texts)
