"""Experiments: the world itself scores 1, guessing scores chance level, and training contains no held-out pair."""

import json
import math
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.world import World, experiments
from minillm.world.experiments import EXPERIMENTS
from minillm.world.lexicon import load_lexicon
from minillm.world.probes import Experiment, Probe

# The world's parser answers the questions in a process without run-time type checks, which slow it 25 times.
ASK_THE_WORLD = """
import json, math, random
from minillm.world import World, experiments

truth, training, results = World(0, split="both"), World(0), []
for name in experiments.EXPERIMENTS:
    for split in ("training", "held-out"):
        whole = experiments.make(name, split, seed=3, count=12)
        probes = tuple(random.Random(1).sample(whole.probes, min(8, len(whole.probes))))
        log_prob = truth.prefix_log_prob
        scorer = lambda questions: [[log_prob(prefix + c) for c in choices] for prefix, choices in questions]
        score = experiments.Experiment(name, split, probes).score(scorer)
        log_probs = [training.prefix_log_prob(p.prefix + p.choices[p.answer]) for p in probes]
        results.append([name, split, score.accuracy, sum(log_prob > -math.inf for log_prob in log_probs), len(probes)])
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def world_answers():
    done = subprocess.run(
        [sys.executable, "-c", ASK_THE_WORLD], capture_output=True, text=True, check=True, timeout=300
    )
    return {(name, split): rest for name, split, *rest in json.loads(done.stdout)}


@pytest.mark.parametrize("split", ["training", "held-out"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_world_answers_every_question(world_answers, name, split):
    accuracy, possible, n = world_answers[name, split]
    assert accuracy == experiments.make(name, split, count=1).perfect
    # A training document can contain every training answer and no held-out one.
    assert possible == (n if split == "training" else 0)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_splits_share_no_question(name):
    training, held_out = (
        {probe.prefix + probe.choices[probe.answer] for probe in experiments.make(name, split, count=150).probes}
        for split in ("training", "held-out")
    )
    assert len(held_out) >= (8 if name == "analogies" else 100)
    assert not training & held_out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_probes_are_determined_by_the_seed(name):
    again = experiments.make(name, "held-out", seed=4, count=20)
    assert again == experiments.make(name, "held-out", seed=4, count=20)
    if name not in ("facts", "analogies"):  # these ask every question there is
        assert again != experiments.make(name, "held-out", seed=5, count=20)
        assert again.probes[:5] == experiments.make(name, "held-out", seed=4, count=5).probes


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_constant_scorer_is_at_chance(name):
    experiment = experiments.make(name, count=40)
    blind = experiment.score(lambda questions: [[0.0] * len(choices) for _, choices in questions])
    assert blind.accuracy == pytest.approx(experiment.chance)
    assert (
        blind.chance
        == experiment.chance
        == pytest.approx(sum(1 / len(probe.choices) for probe in experiment.probes) / len(experiment.probes))
    )


def test_every_reversal_is_asked_in_both_directions():
    """A model that sees only the choices, or only a bag of words, therefore scores exactly 0.5."""
    experiment = experiments.reversals("both", count=100)
    for probe, swapped in zip(experiment.probes[::2], experiment.probes[1::2], strict=True):
        assert (probe.answer, swapped.answer) == (0, 1)
        whole = [{p.prefix + choice for p in (probe, swapped)} for choice in probe.choices]
        assert len(whole[0]) == len(whole[1]) == 2
        assert {choice.split()[-1] for choice in probe.choices} == {choice.split()[-1] for choice in swapped.choices}
    shortest_wins = experiment.score(
        lambda questions: [[-len(choice) for choice in choices] for _, choices in questions]
    )
    assert shortest_wins.accuracy == pytest.approx(0.5, abs=0.02)


def test_sums_have_the_right_answer():
    for probe in experiments.sums("both", count=60).probes:
        first, operator, second = re.search(r"(\d+) ([+-]) (\d+) =$", probe.prefix).groups()
        result = int(first) + int(second) if operator == "+" else int(first) - int(second)
        assert probe.choices[probe.answer] == f" {result}."
        assert len(set(probe.choices)) == len(probe.choices) == 10


def test_no_document_pairs_a_held_out_couple():
    held_out = {
        word for probe in experiments.analogies("held-out").probes for word in re.findall(r"^An? (\w+)", probe.prefix)
    }
    assert len(held_out) == 8
    partner = {a: c for a, _, c, _ in experiments.quadruples("both")}
    partner |= {c: a for a, c in partner.items()}
    for index in range(400):
        document = World(8).document(index)
        if document.kind == "facts" or document.plan == "lesson":
            words = set(re.findall(r"\w+", document.text.lower()))
            assert not any({word, partner[word]} <= words for word in held_out), document.text


def test_the_last_person_handed_the_thing_has_it():
    """Checked by regular expressions alone: the last person by name to be handed the thing is the answer."""
    found = 0
    for probe in experiments.tracking("both", count=400).probes:
        handing = re.findall(r"(?:gave|handed|left) the \w+ (?:to|with) ([^.]+)\.", probe.prefix)
        if " for safe" not in probe.prefix and "birthday" not in probe.prefix and " at cards" not in probe.prefix:
            names = re.findall(r"[A-Z]\w+(?!\w*'s)", handing[-1]) if handing else []
            owner = re.search(r"[A-Z]\w+", probe.choices[probe.answer])
            if names and owner and "sold" not in probe.prefix and "asked for" not in probe.prefix:
                assert names[-1] == owner[0], probe
                found += 1
    assert found > 30


def test_homonyms_ask_about_the_meaning_that_was_shown():
    senses = [sense.attributes for _, sense in load_lexicon().kinds["sense"]]
    groups = Counter()
    for probe in experiments.homonyms("both", count=88).probes:
        clue, reply = ("sight", "talk") if probe.group == "before" else ("talk", "end")
        (shown,) = [sense for sense in senses if sense[clue] in probe.prefix]
        whole = probe.prefix + probe.choices[probe.answer]
        assert whole.removesuffix(".").endswith(shown[reply])
        assert len(probe.choices) == sum(sense["word"] == shown["word"] for sense in senses)
        groups[probe.group] += 1
    assert groups == {"before": 44, "after": 44}


def test_facts_are_asked_in_order_of_how_often_they_are_told():
    probes = experiments.facts().probes
    assert len(probes) >= 400
    told = {probe.prefix: probe.amount for probe in probes}
    assert told["Mira is"] > told["Mira lives in"] > 0
    assert max(told.values()) > 20 * min(told.values())
    held_out = experiments.facts("held-out").probes
    assert len(held_out) >= 200
    assert all(probe.group and probe.amount > 0 for probe in held_out)


def test_vectors_made_of_couple_and_sex_solve_every_analogy():
    """Check the quadruples with ideal vectors: one axis per couple, and one axis for he and she."""
    quadruples = experiments.quadruples("both")
    couples = sorted({(a, c) for a, _, c, _ in quadruples})
    axis = {
        word: (index, sex) for index, couple in enumerate(couples) for sex, word in zip((1, -1), couple, strict=True)
    }

    def vector(word):
        index, sex = axis[word]
        return [float(i == index) for i in range(len(couples))] + [float(sex)]

    for a, b, c, d in quadruples:
        wanted = [y - x + z for x, y, z in zip(vector(a), vector(b), vector(c), strict=True)]
        nearest = min((w for w in axis if w not in (a, b, c)), key=lambda w: math.dist(vector(w), wanted))
        assert nearest == d
    training, held_out = set(experiments.quadruples()), set(experiments.quadruples("held-out"))
    assert training | held_out == set(quadruples)
    assert not training & held_out


@given(st.lists(st.floats(-50, 0), min_size=3, max_size=3))
def test_accuracy_counts_a_tie_fractionally(log_probs):
    probe = Probe("a", (" b", " c", " d"), 1, "letters")
    score = Experiment("one", "training", (probe, probe)).score(lambda questions: [log_probs] * len(questions))
    best = [index for index in range(3) if log_probs[index] == max(log_probs)]
    assert score.accuracy == ((1 in best) / len(best))
    assert score.stderr == 0


def test_a_wrong_number_of_scores_or_nan_is_rejected():
    experiment = experiments.sums(count=2)
    with pytest.raises(ValueError, match="10 log-probabilities are needed"):
        experiment.score(lambda questions: [[0.0]] * len(questions))
    with pytest.raises(ValueError, match="nan"):
        experiment.score(lambda questions: [[math.nan] * 10] * len(questions))


def test_unknown_names_are_rejected():
    with pytest.raises(ValueError, match="no experiment 'rhymes'; use one of facts"):
        experiments.make("rhymes")
    for name in EXPERIMENTS:
        with pytest.raises(ValueError, match="no split 'test'; use one of training"):
            experiments.make(name, "test")
