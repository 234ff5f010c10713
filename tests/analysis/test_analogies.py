"""Analogies on tables on which the answer is known."""

import itertools

import pytest
import torch

from minillm.analysis.analogies import WORDS, analogies, nearest_rows, promises, relations
from minillm.tokenizer import Tokenizer
from minillm.world import experiments


def parallelograms(width=16):
    """Three pairs whose steps are equal, among 20 random rows: the table, and a, b, c and d of all six analogies."""
    rng = torch.Generator().manual_seed(0)
    places, step = torch.randn(3, width, generator=rng), torch.randn(width, generator=rng)
    table = torch.cat([places, places + step, torch.randn(20, width, generator=rng)])
    return table, torch.tensor([[i, j, i + 3, j + 3] for i, j in itertools.permutations(range(3), 2)]).T


def test_a_table_of_parallelograms_closes_and_both_rules_say_so():
    table, ids = parallelograms()
    a, b, c, d = (table[each] for each in ids)
    assert nearest_rows(table, b - a + c).tolist() == ids[3].tolist()
    assert promises(c - a, d - b).all()
    assert promises(c - a, d - b, b - a).all()


def test_a_barred_row_does_not_answer_and_the_table_stays():
    table, ids = parallelograms()
    before = table.clone()
    a, b, c, _ = (table[each] for each in ids)
    found = nearest_rows(table, b - a + c, barred=ids)
    assert not (found == ids).any()
    assert torch.equal(table, before)


@pytest.mark.parametrize("seed", range(3))
def test_the_rule_says_which_of_b_and_d_is_nearer(seed):
    """Oracle: the distances from the sum itself."""
    a, b, c, d = torch.randn(4, 200, 3, generator=torch.Generator().manual_seed(seed))
    total = b - a + c
    to_b, to_c, to_d = ((total - end).norm(dim=1) for end in (b, c, d))
    assert torch.equal(promises(c - a, d - b), to_d < to_b)
    assert torch.equal(promises(c - a, d - b, b - a), (to_d < to_b) & (to_d < to_c))


def test_relations_hold_words_of_one_token_and_the_family_is_the_worlds():
    words = sorted({word for words in WORDS.values() for word in words.split()} - {"Vienna"})
    tokenizer = Tokenizer.train(["".join(f" {word}" for word in words) * 3], vocab_size=2000)
    known = relations(tokenizer)
    assert known.keys() == WORDS.keys()
    assert len(known["capitals"]) == 14
    assert all(len(tokenizer.encode(f" {word}")) == 1 for pairs in known.values() for pair in pairs for word in pair)
    couples = {pair for a, b, c, d in experiments.quadruples("both") for pair in ((a, c), (b, d))}
    assert set(known["family"]) <= couples
    ids = analogies(known["family"], tokenizer)
    assert ids.shape == (4, len(known["family"]) * (len(known["family"]) - 1))
    assert [tokenizer.decode([id]) for id in ids[:, 0].tolist()] == [" boy", " brother", " girl", " sister"]
