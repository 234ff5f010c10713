"""Instructions: answers are true, checkers are exact, and the two splits are disjoint."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.chat import CHATML, render_chat
from minillm.world import WorldDataError
from minillm.world.answers import bare_words, in_words
from minillm.world.facts import load_almanac
from minillm.world.holdout import is_held_out, numbers_held_out
from minillm.world.instructions import LONGEST_CONTEXT, Instructions
from minillm.world.lexicon import TEXT, load_lexicon
from minillm.world.phrasebook import FAMILIES, load_phrasebook
from minillm.world.reading import read

# Run in a process without run-time type checks, which is much faster; prints one line per instruction.
GENERATE = """
import hashlib, sys
from minillm.world.instructions import Instructions
for split in ("training", "held-out"):
    for i in Instructions(int(sys.argv[1]), split).instructions(int(sys.argv[2])):
        fine = i.check(i.answer) and i.check(i.reply) and bool(i.mistakes) and not any(map(i.check, i.mistakes))
        fine = fine and (i.check(i.worked) if i.worked else i.family not in ("sum", "chain", "swaps"))
        size = len(i.prompt) + len(i.answer)
        digest = hashlib.sha256(i.prompt.encode()).hexdigest()
        print(split, i.family, "|".join(i.parameters), fine, size, digest, sep="\\t")
"""


def generate(seed, count, **environment):
    done = subprocess.run(
        [sys.executable, "-c", GENERATE, str(seed), str(count)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=300,
    )
    return done.stdout


@pytest.fixture(scope="module")
def many():
    rows = [line.split("\t") for line in generate(3, 4000).splitlines()]
    assert len(rows) == 8000
    return rows


@pytest.fixture(scope="module")
def few():
    return Instructions(0).instructions(150)


def of(family, instructions):
    found = [i for i in instructions if i.family == family]
    assert found, f"no instruction of the family {family}"
    return found


def test_gold_answers_pass_and_mistakes_fail_everywhere(many):
    assert {fine for _, _, _, fine, _, _ in many} == {"True"}


def test_the_families_occur_with_their_weights(many):
    weights = {family: weight for weight, family in load_phrasebook().families}
    assert set(weights) == set(FAMILIES) - {"long_chain"}  # drawn only where it is asked for
    counts, n = Counter(row[1] for row in many), len(many)
    chi_square = sum(
        (counts[family] - n * weight / sum(weights.values())) ** 2 / (n * weight / sum(weights.values()))
        for family, weight in weights.items()
    )
    assert chi_square < 31.26  # 11 degrees of freedom: exceeded by one seed in a thousand


def test_the_splits_share_no_pair_and_no_prompt(many):
    for column in (2, 5):
        training, held_out = ({row[column] for row in many if row[0] == split} for split in ("training", "held-out"))
        assert len(held_out) > 100
        assert not training & held_out


def test_every_half_of_a_pair_has_partners_in_both_splits():
    """A hold-out therefore never leaves a choice empty, and only combinations are new in the held-out split."""
    lexicon, almanac = load_lexicon(TEXT), load_almanac(TEXT)  # one cache entry, so the same entities
    relations = dict.fromkeys(relation for _, relation in almanac.facts())
    ranks = {**lexicon.ranks} | {relation: rank for rank, relation in enumerate(relations)}
    for _, hero in lexicon.kinds["person"]:
        spots = [s for _, s in lexicon.kinds["spot"] if s.attributes["town"] == hero.attributes["home"]]
        assert {is_held_out(ranks[hero], ranks[spot]) for spot in spots} == {True, False}
    for subject, relations in almanac.known.items():
        assert {is_held_out(ranks[subject], ranks[relation]) for _, relation in relations} == {True, False}
    for first in range(2, 21):
        assert {numbers_held_out(first, second) for second in range(2, 21)} == {True, False}
    totals = {first + second for first in range(2, 21) for second in range(2, 21)}
    trained = {a + b for a in range(2, 21) for b in range(2, 21) if not numbers_held_out(a, b)}
    assert trained == totals  # every result occurs in training, from other numbers


def test_prompts_are_short_enough_for_the_smallest_model(many):
    sizes = sorted(int(row[4]) for row in many)
    assert sizes[-1] < LONGEST_CONTEXT + 180  # the prompt template, the question and the answer, in characters
    assert sizes[len(sizes) // 2] < 450


def test_prompts_rarely_repeat(many):
    prompts = [row[5] for row in many if row[0] == "training"]
    assert len(set(prompts)) > 0.95 * len(prompts)


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_same_for_a_seed_in_every_process(hash_seed):
    here = "".join(i.prompt + i.answer for i in Instructions(5).instructions(12))
    program = (
        "import hashlib; from minillm.world.instructions import Instructions; "
        "text = ''.join(i.prompt + i.answer for i in Instructions(5).instructions(12)); "
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


def test_random_access_agrees_with_the_stream_and_seeds_and_splits_differ(few):
    stream = Instructions(0)
    assert [i.prompt for i in stream.instructions(5)] == [i.prompt for i in few[:5]]
    assert stream.instruction(7).messages == few[7].messages
    assert next(stream.stream(7)).messages == few[7].messages
    others = [Instructions(1).instruction(0), Instructions(0, "held-out").instruction(0)]
    assert all(other.prompt != few[0].prompt for other in others)


def test_contexts_are_documents_of_the_world(few):
    world = Instructions(0)._world
    contexts = [i.context for i in few if i.context][:8]
    assert len(contexts) == 8
    assert all(read(world.step, context).log_prob > float("-inf") for context in contexts)


def test_a_conversation_asks_different_things_of_one_document(few):
    asked, lengths, families = Instructions(0), [], set()
    for index, alone in enumerate(few[:60]):
        first, *others = asked.conversation(index, 4)
        assert (first.messages, first.mistakes) == (alone.messages, alone.mistakes)
        lengths.append(1 + len(others))
        assert lengths[-1] <= 4
        assert alone.context or not others
        for other in others:
            assert (other.context, other.parameters, other.prompt) == (alone.context, alone.parameters, other.question)
            assert other.check(other.answer)
            assert not any(map(other.check, other.mistakes))
            families.add((alone.family, other.family))
        assert len({instruction.question for instruction in (first, *others)}) == lengths[-1]
    assert sum(lengths) > 120
    assert len(families) > 10
    assert all(len(asked.conversation(index, 1)) == 1 for index in range(10))
    with pytest.raises(ValueError, match="a conversation cannot have 0 questions; use at least 1"):
        asked.conversation(0, 0)


def test_messages_have_the_form_that_encode_chat_expects(few):
    for instruction in few[:20]:
        text = render_chat(CHATML, instruction.messages, add_generation_prompt=False)
        assert instruction.prompt in text
        assert text.rstrip().endswith(instruction.answer + "<|im_end|>")


# ---------------------------------------------------------------- rewordings and wrong answers

HARMLESS = [
    str.upper,
    str.lower,
    lambda reply: reply.rstrip(".?!"),
    lambda reply: f"  {reply}\n",
    lambda reply: f"Certainly! {reply}",
    lambda reply: f"Gladly: {reply} You are welcome.",
    lambda reply: reply.replace("the ", "").replace("The ", ""),
    lambda reply: reply.replace(".", "!"),
    lambda reply: reply.replace("'", "’"),
]


@pytest.mark.parametrize("reword", HARMLESS)
def test_the_wording_of_an_answer_is_ignored(few, reword):
    for instruction in few:
        assert instruction.check(reword(instruction.reply)), (instruction.question, reword(instruction.reply))


def test_wrong_content_is_rejected(few):
    for instruction in few:
        for reply in (
            "",
            "?",
            "I would rather talk about the lake.",
            instruction.question if instruction.context else "",
        ):
            assert not instruction.check(reply), (instruction.question, reply)
        if instruction.family != "unknown":
            assert not instruction.check(f"It is not true that {instruction.reply}")
            assert not instruction.check(f"Perhaps: {instruction.reply}")
        # An incomplete or rude reply may follow a right answer; another answer may not.
        for other in instruction.mistakes[-1:] if instruction.family == "rewrite" else instruction.mistakes:
            both = f"{instruction.reply} {other}"
            assert instruction.family == "unknown" or not instruction.check(both), "two answers were accepted"


def test_an_answer_to_another_question_of_the_family_is_right_only_if_it_says_the_same(few):
    for family in ("who", "where", "copy", "reverse", "sum"):
        members = of(family, few)
        for instruction in members:
            for other in members:
                agrees = tuple(instruction.key.truth) == tuple(other.key.truth)
                said = set(other.key.vocabulary.read(other.reply)) - instruction.key.given
                if agrees or said == set(other.key.truth):
                    assert instruction.check(other.reply) is agrees, (instruction.question, other.reply)


def test_numbers_may_be_written_out(few):
    for instruction in (*of("sum", few), *of("count", few)):
        number = instruction.key.truth[0]
        if int(number) <= 99:
            assert instruction.check(f"That makes {in_words(int(number))}.")
            assert not instruction.check(f"That makes {in_words((int(number) + 1) % 100)}.")
        assert not instruction.check(number + "0")
        assert not instruction.check(f"{number} or {int(number) + 1}")


# ---------------------------------------------------------------- answers checked against the prompt independently


def listed(instruction):
    """The list in a prompt, found by a regular expression: nouns separated by commas."""
    nouns = instruction.key.vocabulary
    rows = [row.split(", ") for row in re.findall(r"\w+(?:, \w+)+", instruction.question)]
    [row] = [row for row in rows if all(nouns.read(word) == [word] for word in row)]
    return row


def test_copies_and_reversals_are_right(few):
    for instruction in of("copy", few):
        assert instruction.reply.rstrip(".").lower().split(", ") == listed(instruction)
    for instruction in of("reverse", few):
        assert instruction.reply.rstrip(".").lower().split(", ") == listed(instruction)[::-1]


def test_sums_add_up(few):
    for instruction in of("sum", few):
        first, second = (int(word) for word in bare_words(instruction.question) if word.isdigit())
        assert instruction.key.truth == (str(first + second),)
        assert instruction.parameters == (str(first), str(second))


VERIFIED = {"sum": 1, "count": 1, "chain": 1, "long_chain": 1, "swaps": 1}


@pytest.fixture(scope="module", params=["training", "held-out"])
def verified(request):
    return [i for i in Instructions(1, request.param, families=VERIFIED).instructions(300) if not i.context]


def test_every_step_of_a_worked_answer_is_true(verified):
    for instruction in verified:
        for left, right in re.findall(r"(\d[\d +-]*) = (\d+)", instruction.worked):
            assert eval(left) == int(right), instruction.worked
        steps, _, final = instruction.worked.rpartition(" Answer: ")
        assert steps
        assert final.rstrip(".").lower() in instruction.reply.lower()
        assert instruction.check(f"Certainly. {instruction.worked}")
        assert not instruction.check(f"{instruction.worked} Answer: 99.")


def test_chains_come_out_as_python_has_them(verified):
    lengths = {"chain": range(2, 5), "long_chain": range(5, 8)}
    for instruction in (*of("chain", verified), *of("long_chain", verified)):
        [expression] = re.findall(r"\d+(?: [+-] \d+)+", instruction.question)
        assert instruction.key.truth == (str(eval(expression)),)
        assert len(re.findall("[+-]", expression)) in lengths[instruction.family]


def test_swaps_are_followed_crate_by_crate(verified):
    crate = "(left|middle|right)"
    for instruction in of("swaps", verified):
        [start] = re.findall(rf"in(?:to)? the {crate} one", instruction.question)
        swaps = re.findall(rf"(First,|Next,|Then|Last,) the {crate} and the {crate} crate change", instruction.question)
        assert [order for order, _, _ in swaps] == ["First,", "Next,", "Then", "Last,"][: len(swaps)] != []
        holds = {place: place == start for place in ("left", "middle", "right")}
        steps = [f"At first {start}"]
        for order, one, two in swaps:
            holds[one], holds[two] = holds[two], holds[one]
            [at] = (place for place, here in holds.items() if here)
            steps.append(f"{order} {one} and {two}: {at}")
        assert instruction.check(f"In the {at} one."), instruction.question
        assert instruction.worked == ". ".join([*steps, f"Answer: {at}."])


def test_a_long_chain_is_drawn_only_where_it_is_asked_for(many):
    assert "long_chain" not in {row[1] for row in many}


def test_the_text_tells_what_is_asked_and_does_not_tell_what_is_unknown(few):
    for instruction in (*of("who", few), *of("where", few)):
        told = instruction.key.vocabulary.read(instruction.context)
        assert instruction.key.truth[0] in told, instruction
        assert instruction.key.truth[0] not in instruction.key.given
    for instruction in of("unknown", few):
        right_elsewhere = instruction.mistakes[0]
        untold = set(instruction.key.vocabulary.read(right_elsewhere)) - instruction.key.given
        assert len(untold) == 1
        assert not untold & set(instruction.key.vocabulary.read(instruction.context)), instruction


def test_polite_rewriting_keeps_the_order_and_adds_a_please(few):
    for instruction in of("rewrite", few):
        order, thing = instruction.parameters
        noun = thing.split()[-1]
        assert instruction.check(f"Would you be so kind as to {order} the {noun}?")
        assert not instruction.check(f"{order} the {noun}")
        assert not instruction.check(f"Please {order} the {noun}, you turnip")


def test_gold_answers_are_polite_and_brief(few):
    book = load_phrasebook()
    for instruction in few:
        assert book.sounds("courtesy", instruction.answer) or book.sounds("apology", instruction.answer)
        assert not book.sounds("rudeness", instruction.answer)
        assert instruction.answer[0].isupper()
        assert instruction.answer[-1] in ".?"
        assert len(instruction.answer.split()) <= 22
        assert not {"he", "she"} & {bare_words(mistake)[-1] for mistake in instruction.mistakes}


@given(st.integers(0, 99))
def test_numbers_in_words_are_one_to_one(number):
    assert sum(in_words(other) == in_words(number) for other in range(100)) == 1


def test_numbers_in_words_end_at_99():
    with pytest.raises(ValueError, match="100 cannot be written in words; use a number from 0 to 99"):
        in_words(100)


# ---------------------------------------------------------------- invalid arguments and data files


def test_unusable_arguments():
    with pytest.raises(ValueError, match="there is no instruction -1; the stream starts at 0"):
        Instructions(0).instruction(-1)


def test_an_unknown_split():
    with pytest.raises(ValueError, match="there is no split 'test'; use one of training, held-out"):
        Instructions(0, "test")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('after = "friend_finds"', 'after = "friend_fries"', "question 1 asks about 'friend_fries', which is not"),
        ('kind = "person"', "", "question 1 has no 'kind'; add it"),
        ('family = "who"', 'family = "whom"', "question 1 has the family 'whom'; use one of who, where"),
        ('answer = "lost"', 'answer = "mislaid"', "has the answer 'mislaid'; add it to \\[meaning\\]"),
        ('answer = "friend"', 'answer = "friend"\ncount = "mends"', "must have either an 'answer' or a 'count'"),
        ("Who found {thing.the}?", "Who found {thing.the}", "question 1: the form .* does not end like a sentence"),
        ('needs = ["thing.holder", ', 'needs = ["thing holder", ', "'thing holder' is not a condition"),
        ("who = 4", "whom = 4", "\\[family\\] must give weights for exactly who, where"),
        ("[manners]", "[manner]", "the table 'manners' is missing or empty"),
    ],
)
def test_an_invalid_entry_is_named(tmp_path, old, new, message):
    shutil.copytree(TEXT, tmp_path / "text")
    path = tmp_path / "text" / "instructions.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(WorldDataError, match=message):
        load_phrasebook(tmp_path / "text")


def test_families_can_be_chosen_and_weighed():
    stream = Instructions(0, families={"sum": 3, "copy": 1})
    counts = Counter(instruction.family for instruction in stream.instructions(400))
    assert counts.keys() == {"sum", "copy"}
    assert counts["sum"] / 400 == pytest.approx(3 / 4, abs=0.07)
    weights = {family: weight for weight, family in load_phrasebook().families}
    assert Instructions(1, families=weights).instruction(5).messages == Instructions(1).instruction(5).messages
    with pytest.raises(ValueError, match="no family 'sums' of instructions; use some of who, where"):
        Instructions(0, families={"sums": 1})
