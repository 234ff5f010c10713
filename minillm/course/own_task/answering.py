"""What the real model answers, many questions at a time, and what needs no training at all."""

import copy
import functools
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch

from minillm.course.own_model import REAL_MODEL
from minillm.course.own_task.tasks import NUMBERS, OLD_QUESTIONS, Example
from minillm.course.turns.your_assistant.showing import few_shot as course_few_shot
from minillm.data.chat import Message, encode_chat
from minillm.errors import UserError
from minillm.inference.engine import Engine, Request
from minillm.inference.sampling import Sampling
from minillm.model.transformer import Transformer
from minillm.posttraining.lora import lora_layers, merge_lora
from minillm.pretrained import load
from minillm.pretrained.quantize import quantize
from minillm.tokenizer import Tokenizer

LONGEST, SENTENCE = 30, 28  # tokens of an answer, and of one that is a sentence
BATCH, KEPT = 16, 20_000  # answers at a time, and tokens of which keys and values are kept
GREEDY = Sampling(temperature=0)
_QUICK: WeakKeyDictionary[Transformer, Transformer] = WeakKeyDictionary()
Show = Callable[[Sequence[Example], str], list[Message]]


@functools.cache
def untrained() -> tuple[Transformer, Tokenizer]:
    """SmolLM2-135M-Instruct in the 4 bits of its file, for answers before any training, and its tokenizer."""
    return load(REAL_MODEL, weights="auto")


def quick(model: Transformer) -> Transformer:
    """A copy for answering, made once: corrections merged, matrices in 8 bits. A quantized model is returned.

    A model that learns on must be asked as it is (`teaching.say`), since the copy stays what it was.
    """
    if not lora_layers(model):
        return model
    if model not in _QUICK:
        _QUICK[model] = quantize(merge_lora(copy.deepcopy(model)), "int8")
    return _QUICK[model]


@torch.no_grad()
def ask(
    model: Transformer,
    questions: Sequence[str | Sequence[Message]],
    longest: int = LONGEST,
) -> list[str]:
    """The greedy answer to each question, or to each list of messages; what several begin with is read once.

    Raises `UserError` for a prompt that fills the model's context.
    """
    tokenizer = untrained()[1]
    quickly = quick(model)
    talks = [[{"role": "user", "content": each}] if isinstance(each, str) else [*each] for each in questions]
    requests = [Request(encode_chat(tokenizer, talk), longest, GREEDY, stop=[tokenizer.end_id]) for talk in talks]
    most, context = max((len(request.prompt) for request in requests), default=0), quickly.config.max_seq_len
    if most >= context:
        raise UserError(f"a prompt has {most:,} tokens, and the model reads {context:,} at most; shorten the message")
    engine = Engine(quickly, tokenizer, max_batch=BATCH, kept_tokens=KEPT)
    first = ["".join(event.text for event in engine.submit(request)) for request in requests[:1]]
    rest = [engine.submit(request) for request in requests[1:]]
    return first + ["".join(event.text for event in answer) for answer in rest]


def shown(
    examples: Sequence[Example], questions: Sequence[str], few_shot: Show = course_few_shot
) -> list[list[Message]]:
    """The messages of each question, with all examples before it."""
    return [few_shot(examples, question) for question in questions]


def in_order(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same examples in another order; with seed 0 in their own."""
    found = [*examples]
    if seed:
        random.Random(seed).shuffle(found)
    return found


def nearest(examples: Sequence[Example], questions: Sequence[str]) -> list[str]:
    """For each question the answer of the example that shares the most words with it, the first of several."""

    def words(text: str) -> set[str]:
        return {*re.findall(r"[a-z]+", text.lower())}

    def closest(question: str) -> Any:
        return max(examples, key=lambda example: len(words(example[0]) & words(question)))[1]

    return [json.dumps(closest(question)) for question in questions]


def by_rule(text: str) -> str:
    """What a rule of a few lines makes of an order: each number with the word after it.

    It was written for `tasks.order`, before anything was trained, and knows all of its words.

    >>> by_rule("Please mend two umbrellas and five chairs.")
    '{"umbrella": 2, "chair": 5}'
    """
    values = {word: value for value, word in enumerate(NUMBERS)} | {"an": 1, "one": 1}
    found = {}
    for number, thing in re.findall(rf"\b({'|'.join(values)}) ([a-z]+)", text):
        found[thing.removesuffix("s")] = values[number]
    return json.dumps(found)


@functools.cache
def own_answers() -> tuple[Example, ...]:
    """What the untrained model answers to sixteen everyday questions, each answer cut after its first sentence."""
    said = ask(untrained()[0], OLD_QUESTIONS, SENTENCE)
    return tuple((question, first_sentence(text)) for question, text in zip(OLD_QUESTIONS, said, strict=True))


def first_sentence(text: str) -> str:
    """A text up to the end of its first sentence, or all of it.

    >>> first_sentence("Rome. It's old.")
    'Rome.'
    """
    found = re.match(r".{3,}?[.!?]", text, re.DOTALL)
    return found[0] if found else text
