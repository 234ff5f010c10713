"""What is left of a conversation that has grown too long."""

from hypothesis import given
from hypothesis import strategies as st

from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.inference.turns import fit
from minillm.tokenizer import Tokenizer

TOKENIZER = chat_tokenizer(Tokenizer.train(["user assistant system"], 290, SPECIAL_TOKENS))
texts = st.text("ab ", max_size=30)


def test_the_last_question_stays_whoever_spoke_first():
    talk = [{"role": role, "content": "a" * 30} for role in ("system", "assistant", "user")]
    assert fit(talk, TOKENIZER, 60, 10)[0] == talk
    assert fit(talk[2:] * 2, TOKENIZER, 40, 10)[0] == talk[2:] * 2


@given(st.booleans(), st.lists(st.tuples(texts, texts), max_size=6), texts, st.integers(20, 400), st.integers(1, 300))
def test_the_newest_turns_stay_whole_and_leave_room(with_system, turns, question, context, longest):
    system = [{"role": "system", "content": "s"}] if with_system else []
    roles = ("user", "assistant")
    talk = [{"role": role, "content": text} for turn in turns for role, text in zip(roles, turn, strict=True)]
    messages = [*system, *talk, {"role": "user", "content": question}]
    kept, ids = fit(messages, TOKENIZER, context, longest)
    assert ids == encode_chat(TOKENIZER, kept)
    assert kept[: len(system)] == system
    rest = kept[len(system) :]
    assert rest == messages[len(messages) - len(rest) :], "what stays is the end of the conversation"
    assert rest[0]["role"] == "user"
    room = context - min(longest, context // 2)
    whole = len(encode_chat(TOKENIZER, messages)) <= room
    assert (kept == messages) == (whole or not turns)
    if not whole and len(rest) > 1:
        assert len(ids) <= room // 2
