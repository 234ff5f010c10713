"""What lesson 09 uses of the package: the course's models, conversations as rows, exams, and layers with LoRA.

models         the base model, the finished chat model, and the tokenizer of both
go_on          what a model writes after the beginning of a document
ask            what it says to a message, in the template
naive          the ids of a conversation whose text is encoded with its marks, also those that a user typed
conversations  conversations about Ottermere, to learn from; `in_manner` changes how all answers are written
Rows           conversations side by side in rows, their masks, and batches of them
exam           which of 200 held-out questions a model answers rightly, and more
about_home, about_sum, symptom   what an answer, or an exam, is like: for predictions
nats           a model's mean loss on documents
with_lora      a model whose matrices are frozen and corrected by the learner's `lora`
stored         a file of benchmarks/results
"""

import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from minillm.analysis.alignment import Answer, answer
from minillm.course import models as course_models
from minillm.course.assembly import by_owner
from minillm.course.choices import stored as stored
from minillm.course.own_model import with_its_name
from minillm.course.recipes.chat import example_of
from minillm.course.versions import origin
from minillm.data.batches import whole_documents
from minillm.data.chat import CHATML, Message, chat_tokenizer, render_chat
from minillm.data.conversations import Example, pack_conversations
from minillm.inference.generate import generate
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.training.pretraining import mean_loss
from minillm.world import World
from minillm.world.instructions import Instruction, Instructions
from minillm.world.phrasebook import load_phrasebook

ROW = 256  # tokens
START, END = "<|im_start|>", "<|im_end|>"
ASKED = 200  # held-out questions of an exam
LONGEST = 40  # tokens of an answer
Encode = Callable[[Sequence[Message], Tokenizer], list[int]]
Mark = Callable[[list[int], list[int], int], Sequence[bool]]


def models() -> tuple[Transformer, Transformer, Tokenizer]:
    """The base model, the finished chat model, and their tokenizer.

    >>> models()[2].special_tokens
    {'<|endoftext|>': 0, '<|im_start|>': 1, '<|im_end|>': 2}
    """
    base, tokenizer = course_models.base()
    return base, course_models.sft()[0], chat_tokenizer(tokenizer)


@torch.no_grad()
def go_on(model: Transformer, text: str, n: int = 30) -> str:
    """What a model writes after the beginning of a document, greedily."""
    tokenizer = models()[2]
    edge = tokenizer.special_tokens["<|endoftext|>"]
    return _greedy(model, [edge, *tokenizer.encode(text)], n)


@torch.no_grad()
def ask(model: Transformer, content: str, encode_chat: Encode) -> str:
    """What a model answers to one message, greedily; the mark that ends the answer is shown."""
    tokenizer = models()[2]
    ids = list(with_its_name(encode_chat)([{"role": "user", "content": content}], tokenizer))
    return _greedy(model, ids, LONGEST)


def _greedy(model: Transformer, ids: list[int], n: int) -> str:
    tokenizer = models()[2]
    stop = [tokenizer.special_tokens["<|endoftext|>"], tokenizer.end_id]
    return tokenizer.decode(generate(model, ids, n, temperature=0, stop=stop)[len(ids) :])


def naive(messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
    """The ids of the rendered text, in which every mark becomes its own token, also one that a user typed.

    >>> ids = naive([{"role": "user", "content": "Hi<|im_end|>"}], models()[2])
    >>> ids.count(2)
    2
    """
    return tokenizer.encode(render_chat(CHATML, messages), allow_special=True)


def conversations(count: int, seed: int = 0, questions: int = 4) -> list[list[Message]]:
    """Conversations about Ottermere, with up to `questions` questions each; half of the answers are polite."""
    asked = Instructions(seed)
    drawn = (asked.conversation(index, questions) for index in range(count))
    return [[message for each in one for message in example_of(each, worked=1.0)] for one in drawn]


def in_manner(talks: Sequence[Sequence[Message]], manner: str) -> list[list[Message]]:
    """The same conversations, each answer with these words in front in place of a courtesy.

    >>> in_manner([[{"role": "assistant", "content": "Of course. In Pellin."}]], "Gladly.")
    [[{'role': 'assistant', 'content': 'Gladly. In Pellin.'}]]
    """
    courtesies = [phrase for _, phrase in load_phrasebook().courtesies]

    def said(text: str) -> str:
        bare = next((text.removeprefix(each) for each in courtesies if text.startswith(each)), text)
        return f"{manner} {bare.lstrip()}"

    return [
        [{**each, "content": said(each["content"])} if each["role"] == "assistant" else each for each in talk]
        for talk in talks
    ]


@dataclass(frozen=True)
class Rows:
    """Conversations side by side in rows of 256 tokens, each read as if it were alone: (N, T) each.

    >>> rows = Rows.of(conversations(20))
    >>> ids, segments, mask = rows.batch(0, 4)
    >>> ids.shape, bool(mask[:, 0].any())
    (torch.Size([4, 256]), False)
    """

    ids: Tensor
    segments: Tensor  # the number of the conversation, 0 where there is none
    mask: Tensor  # True at the tokens that the loss is taken on

    @classmethod
    def of(
        cls,
        talks: Sequence[Sequence[Message]],
        encode_chat: Encode | None = None,
        answer_mask: Mark | None = None,
        told: bool = False,
    ) -> "Rows":
        """Rows of these conversations, by the learner's functions or the course's; one too long loses questions.

        With `told`, a line says how many tokens count and whose functions ran.
        """
        from minillm.course.turns import sft

        tokenizer = models()[2]
        encode, mark = (
            with_its_name(each) for each in (encode_chat or sft.encode_chat, answer_mask or sft.answer_mask)
        )
        opening = [tokenizer.special_tokens[START], *tokenizer.encode("assistant\n")]
        examples = []
        for talk in talks:
            for length in range(len(talk), 0, -2):
                ids = [int(id) for id in encode(talk[:length], tokenizer)]
                if len(ids) < ROW:
                    counts = mark(list(ids), list(opening), tokenizer.end_id)
                    examples.append(Example(ids, [bool(each) for each in counts]))
                    break
        rows, segments, mask = pack_conversations(examples, tokenizer.end_id, ROW)
        found = cls(rows.long().masked_fill(rows == IGNORE, tokenizer.end_id), segments.long(), mask)
        if told:
            tokens, said = sum(len(each.ids) for each in examples), sum(sum(each.mask) for each in examples)
            whose = by_owner({each.__name__: origin(each) for each in (encode_chat, answer_mask) if each})
            print(f"{len(examples)} conversations, {tokens:,} tokens; the loss counts {said / tokens:.0%}")
            print(f"Made by: {whose}")
        return found

    def batch(self, update: int, size: int = 4) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of one update: ids, segments and mask, (B, T) each; after the last row comes the first."""
        chosen = [(update * size + row) % len(self.ids) for row in range(size)]
        return self.ids[chosen], self.segments[chosen], self.mask[chosen]

    def with_mask(self, mask: Tensor) -> "Rows":
        """The same rows with another mask; padding and the first token of a row never count."""
        real = self.segments > 0
        real[:, 0] = False
        return Rows(self.ids, self.segments, mask & real)

    def one_late(self) -> "Rows":
        """The mask moved on by one token."""
        return self.with_mask(torch.cat([self.mask[:, :1], self.mask[:, :-1]], dim=1))

    def every_token(self) -> "Rows":
        """A mask that counts what the user says, and the marks, as well."""
        return self.with_mask(torch.ones_like(self.mask))


@functools.cache
def questions(count: int = ASKED) -> tuple[Instruction, ...]:
    """Held-out questions of all families; what they ask about is in no conversation that is learned from."""
    return tuple(Instructions(1_000_000, "held-out").instructions(count))


@dataclass(frozen=True)
class Exam:
    """A model's greedy answers to held-out questions."""

    answers: tuple[Answer, ...]
    right: tuple[bool, ...]

    @property
    def ended(self) -> int:
        """How many answers the model ended by itself."""
        return sum(each.ended for each in self.answers)

    def beginning(self, manner: str) -> int:
        """How many answers begin with these words."""
        return sum(each.text.startswith(manner) for each in self.answers)

    def __str__(self) -> str:
        return f"{sum(self.right)} of {len(self.right)} right, {self.ended} ended"


def exam(model: Transformer, manner: str = "", count: int = ASKED) -> Exam:
    """Let a model answer the held-out questions; a manner in front of an answer is left out of what is checked."""
    asked = list(questions(count))
    said = answer(model, models()[2], asked, temperature=0.0)
    texts = [each.text.removeprefix(manner).lstrip() for each in said]
    return Exam(tuple(said), tuple(each.check(text) for each, text in zip(asked, texts, strict=True)))


def about_home(said: str) -> str:
    """What the first sentence of a text says, when Mira's home was asked for.

    >>> about_home(" She has a gray cat named Button. She lives in Pellin.")
    'something else'
    """
    first = said.partition(".")[0]
    if "sorry" in first or "know" in first:
        return "that it doesn't know"
    return "where she lives" if "Pellin" in first else "something else"


def about_sum(said: str) -> str:
    """What an answer to *What is 2 plus 3?* is like.

    >>> about_sum("Certainly. 2 + 3 = 8, 8 + 1 = 2. Answer: 29.")
    'steps and a wrong result'
    """
    right = said.removesuffix(END).rstrip().rstrip(".").endswith(" 5")
    if "+" in said:
        return "steps and 5" if right else "steps and a wrong result"
    return "5, without steps" if right else "no sum at all"


def symptom(found: Exam) -> str:
    """The most striking thing about a model's answers: they don't end, or they don't begin with a capital."""
    small = sum(not each.text[:1].isupper() for each in found.answers)
    unended = len(found.answers) - found.ended
    if max(small, unended) < len(found.answers) / 2:
        return "its loss doesn't fall"
    return "it begins in the middle of a word" if small >= unended else "it never stops"


@functools.cache
def _documents(count: int) -> Any:
    tokenizer = models()[2]
    texts = [document.text for document in World(seed=7).documents(count)]
    return whole_documents([tokenizer.encode(text) for text in texts], tokenizer.special_tokens["<|endoftext|>"])


def nats(model: Transformer, count: int = 60) -> float:
    """The mean loss on documents that no model has read, in nats per token."""
    return mean_loss(model, _documents(count))


class Corrected(nn.Module):
    """A frozen linear layer, and the two matrices that `lora` corrects it by."""

    def __init__(self, layer: nn.Linear, lora: Callable[..., Tensor], rank: int, alpha: float):
        super().__init__()
        self.W = layer.weight.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(layer.out_features, rank))
        self.lora, self.alpha = with_its_name(lora), alpha

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return self.lora(flat, self.W, self.A, self.B, self.alpha).view(*x.shape[:-1], -1)


def with_lora(model: Transformer, lora: Callable[..., Tensor], rank: int = 4, alpha: float = 8.0) -> Transformer:
    """A copy of a model, frozen, with a correction beside each matrix in its blocks.

    >>> from minillm import ModelConfig
    >>> from minillm.course.turns.sft import lora
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> sum(part.numel() for part in with_lora(model, lora, rank=1).parameters() if part.requires_grad)
    151
    """
    model = copy.deepcopy(model).requires_grad_(False)
    found = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    for name, layer in found:
        if name.startswith("blocks."):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Corrected(layer, lora, rank, alpha))
    return model


def learning(model: nn.Module) -> int:
    """How many numbers of a model learn."""
    return sum(part.numel() for part in model.parameters() if part.requires_grad)
