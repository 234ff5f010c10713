"""What the recipes make of the world: no prompt is both learnt from and measured on; own answers are the model's."""

from dataclasses import replace

import torch
from helpers import lively, small_config

from minillm.course.recipes import preferences
from minillm.course.recipes.chat import example_of
from minillm.course.recipes.preferences import DPO, own_answers, world_preferences
from minillm.data.chat import CHATML, encode_chat
from minillm.model.transformer import Transformer
from minillm.posttraining.rollout import roll_out
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instructions
from minillm.world.raters import Rater, candidates

SMALL = replace(DPO, pairs=15, pairs_per_instruction=2)


def test_pairs_are_as_many_as_asked_and_no_prompt_is_in_both_parts(monkeypatch):
    monkeypatch.setattr(preferences, "HELD_OUT_PAIRS", 8)
    train, held_out = world_preferences(SMALL, Rater(), seed=0)
    assert (len(train), len(held_out)) == (15, 8)
    assert not {one.prompt[0]["content"] for one in train} & {one.prompt[0]["content"] for one in held_out}
    by_prompt = {one.prompt: one for one in Instructions(0).instructions(8)}
    for one in train:
        assert {one.chosen, one.rejected} <= {*candidates(by_prompt[one.prompt[0]["content"]])}


def test_a_chat_model_is_asked_what_sft_has_not_taught_it(monkeypatch):
    monkeypatch.setattr(preferences, "HELD_OUT_PAIRS", 8)
    asked = []

    def own(instructions):
        asked.extend(instructions)
        return [["one", "two", "three"] for _ in instructions]

    train, _ = world_preferences(SMALL, Rater(), 0, own)
    assert {text for one in train for text in (one.chosen, one.rejected)} <= {"one", "two", "three"}
    assert not {one.prompt for one in asked} & {one.prompt for one in Instructions(0).instructions(1000)}


def test_own_answers_are_drawn_from_the_model(monkeypatch):
    monkeypatch.setattr(preferences, "LONGEST_ANSWER", 5)
    instructions = Instructions(0).instructions(3)
    tokenizer = Tokenizer.train(["user assistant"], 290, ["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template, tokenizer.eos_token = CHATML, "<|im_end|>"
    torch.manual_seed(0)
    model = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=900)))
    said = own_answers(model, tokenizer, instructions, n=2, seed=3)
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in instructions for _ in range(2)]
    drawn = roll_out(model, prompts, 5, [tokenizer.eos_id], 3).answers
    texts = [tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_id else ids) for ids in drawn]
    assert said == [texts[0:2], texts[2:4], texts[4:6]]


def test_examples_are_right_and_civil_half_of_the_time():
    asked = Instructions(0).instructions(200)
    said = [example_of(one) for one in asked]
    assert [messages[:-1] for messages in said] == [one.messages[:-1] for one in asked]
    assert all(one.check(messages[-1]["content"]) for one, messages in zip(asked, said, strict=True))
    manners = [(one, messages[-1]["content"]) for one, messages in zip(asked, said, strict=True)]
    two = [text == one.answer for one, text in manners if one.answer != one.reply]  # an apology is civil by itself
    assert all(text in (one.answer, one.reply) for one, text in manners)
    assert abs(sum(two) - len(two) / 2) < 4 * len(two) ** 0.5 / 2
    assert said == [example_of(one) for one in asked]
