"""Instructions: something is asked, a civil answer is given, and a checker knows when an answer is right.

Questions are asked about documents of the world. The document is told again step by step, and the answer is
read off its state (who holds what by then, which fact was told), never guessed from its words. Other tasks
need no document: copy, reverse, count, add, rewrite politely. The wordings stand in `text/instructions.toml`.

Instructions teach a model to answer (SFT). They are never part of the base corpus; the documents come from
the same generator but from streams of their own.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from minillm.errors import UserError
from minillm.world.answers import Key
from minillm.world.choice import Options, Sampler
from minillm.world.facts import load_almanac
from minillm.world.holdout import Split, check_split
from minillm.world.lexicon import TEXT, Entity
from minillm.world.phrasebook import END, READING, Question, load_phrasebook
from minillm.world.scene import Scene
from minillm.world.split_sampler import SplitSampler, spelled
from minillm.world.staging import Vocabularies, meaning_of, say, say_with, stage
from minillm.world.tasks import Draft, Tasks
from minillm.world.world import WORLD_VERSION, World

INSTRUCTIONS_VERSION = "2"  # changes whenever any instruction does
LONGEST_CONTEXT = 640  # characters; a prompt and its answer fit the 256 tokens that preset tiny reads
RIVALS = 3  # wrong answers of the right kind


@dataclass(frozen=True)
class Instruction:
    """One exchange: what is asked, the answer in its civil form, and what tells right from wrong."""

    family: str
    context: str  # the document the question is about; "" where there is none
    question: str
    prompt: str  # context and question together, what the user says
    answer: str  # right, polite and brief
    reply: str  # the same without its courtesy
    mistakes: tuple[str, ...]  # wrong replies, as bare as `reply`
    parameters: tuple[str, str]  # the pair that places it in its split
    key: Key

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation for `encode_chat`, the answer included; without its last message it is a prompt."""
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}]

    def check(self, answer: str) -> bool:
        """Whether an answer is right, in whatever manner it is given; see `answers.Key` for what is forgiven."""
        return self.key.accepts(answer)


@dataclass(frozen=True)
class Telling:
    """A document with its history: what was told, and the scene after each sentence."""

    text: str
    told: tuple[str, ...]
    scenes: tuple[Scene, ...]
    pair: tuple[str, str]

    def after(self, name: str) -> Scene | None:
        """The scene after this was told (for the last time), None if it never was; "end": the last scene."""
        if name == END:
            return self.scenes[-1]
        return next((s for told, s in zip(self.told[::-1], self.scenes[::-1], strict=True) if told == name), None)


class Instructions:
    """An endless stream of instructions, deterministic for seed, split and index like the documents of `World`.

    The splits "training" and "held-out" share no pair of parameters, whatever the seeds; see `holdout`. With `families`
    only these are drawn, by the weights that are given there. Raises `ValueError` for a family that does not exist.

    >>> instruction = Instructions(seed=0).instruction(3)
    >>> instruction.check(instruction.answer), instruction.check("I would rather not say.")
    (True, False)
    >>> [message["role"] for message in instruction.messages]
    ['user', 'assistant']
    """

    def __init__(
        self,
        seed: int,
        split: Split = "training",
        folder: Path = TEXT,
        families: Mapping[str, int] | None = None,
    ):
        check_split(split)
        self._world = World(seed, folder)
        self.seed = seed
        self.split: Split = split
        self._book = load_phrasebook(folder)
        self._families = self._book.families
        if families is not None:
            self._families = tuple((weight, family) for family, weight in families.items())
            known = [family for _, family in self._book.families]
            if unknown := [family for family in families if family not in known]:
                raise UserError(f"there is no family {unknown[0]!r} of instructions; they are {', '.join(known)}")
        self._vocabularies = Vocabularies(self._world.lexicon, self._book)
        self._tasks = Tasks(self._world.lexicon, self._book, self._vocabularies)
        relations = dict.fromkeys(relation for _, relation in load_almanac(folder).facts())
        lists = (self._vocabularies.nouns(), relations, self._book.stock["orders"])
        self._places = {**self._world.lexicon.ranks} | {
            item: rank for items in lists for rank, item in enumerate(items)
        }

    def instruction(self, index: int) -> Instruction:
        """Make instruction number `index` of this stream; raises ValueError for a negative index."""
        if index < 0:
            raise UserError(f"instruction {index} comes before the first; the stream starts at 0")
        return next(self._asked(index))

    def conversation(self, index: int, questions: int) -> list[Instruction]:
        """Instruction number `index`, and where it is about a document up to `questions` in all about the same one.

        No two have the same question. A later one shows its question alone: the document stands before it already.
        Raises `ValueError` for a negative index, and for fewer than one question.
        """
        if questions < 1:
            raise UserError(f"a conversation of {questions} questions is none; ask at least 1")
        first, *others = itertools.islice(self._asked(index), questions)
        return [first, *(replace(other, prompt=other.question) for other in others)]

    def _asked(self, index: int) -> Iterator[Instruction]:
        """Instruction number `index`, then the others about its document."""
        versions = f"world {WORLD_VERSION}, instructions {INSTRUCTIONS_VERSION}"
        source = random.Random(f"{versions}, seed {self.seed}, {self.split}, instruction {index}")
        family = Sampler(source).choose("family", self._families)
        if family in READING and not (family == "count" and Sampler(source).choose("list", ((2, True), (1, False)))):
            yield from self._about_document(family, source)
            return
        voice = self._voice(source)
        draft = self._tasks.make(family, voice, source)
        assert voice.pair is not None  # every task is made of one
        yield self._dress(family, "", draft, spelled(voice.pair), source)

    def instructions(self, count: int) -> list[Instruction]:
        """Make the first `count` instructions of the stream."""
        return list(itertools.islice(self.stream(), count))

    def stream(self, start: int = 0) -> Iterator[Instruction]:
        """Yield instruction `start` and all that follow it, without end."""
        return map(self.instruction, itertools.count(start))

    def _voice(self, source: random.Random) -> SplitSampler:
        return SplitSampler(source, self.split, self._places.__getitem__)

    def _tell(self, source: random.Random) -> Telling | None:
        """Tell a document; None if it is too long, or of a kind that nothing is asked about."""
        voice, scenes = self._voice(source), []
        while not scenes or not scenes[-1].finished:
            scenes.append(self._world.step(scenes[-1] if scenes else None, voice))
            if scenes[0].kind not in ("story", "facts"):
                return None
        if voice.pair is None or len(voice.text) > LONGEST_CONTEXT:
            return None
        return Telling(voice.text, tuple(voice.told), tuple(scenes), spelled(voice.pair))

    def _about_document(self, family: str, source: random.Random) -> Iterator[Instruction]:
        while True:  # until a document tells what this family asks for
            telling = self._tell(source)
            if telling is not None and (found := self._questions(family, telling)):
                break
        left: dict[str, Options] = {}
        while found:
            question, scene = Sampler(source).choose("question", found)
            draft = self._draft(question, scene, telling, family == "unknown", source)
            yield self._dress(family, telling.text, draft, telling.pair, source)
            left = left or {name: self._questions(name, telling) for _, name in self._families if name in READING}
            left[family] = [option for option in left[family] if option[1][0] is not question]
            families = [(weight, name) for weight, name in self._families if left.get(name)]
            family = Sampler(source).choose("family", families) if families else family
            found = left[family]

    def _questions(self, family: str, telling: Telling) -> Options:
        """The questions of a family that this document gives rise to, each with the moment that it is asked about."""
        find = self._untold if family == "unknown" else self._told
        return [(1, pair) for question in self._book.questions if (pair := find(family, question, telling))]

    def _told(self, family: str, question: Question, telling: Telling) -> tuple[Question, Scene] | None:
        """The question and its moment, if this document answers it."""
        scene = telling.after(question.after)
        if question.family != family or scene is None or question.document != scene.kind:
            return None
        if not self._speakable(question, scene, telling) or not all(need.holds(scene) for need in question.needs):
            return None
        if question.count is not None:
            return (question, scene) if question.count in telling.told else None
        answer = self._answer(question, scene)
        if answer is None or not (question.kind == "meaning" or self._names(telling.text, question.kind, answer)):
            return None
        return question, scene

    def _untold(self, family: str, question: Question, telling: Telling) -> tuple[Question, Scene] | None:
        """The question and a scene to ask it in, if the world knows its answer and this document does not tell it."""
        scene = telling.scenes[-1].copy()
        if question.document != "facts" or question.after in telling.told:
            return None
        if "hero" in scene.cast:
            scene.cast["X"] = scene.cast["hero"]
        answer = self._answer(question, scene) if scene.value("X", question.after) else None
        if answer is None or self._names(telling.text, question.kind, answer):
            return None
        return (question, scene) if self._speakable(question, scene, telling) else None

    def _speakable(self, question: Question, scene: Scene, telling: Telling) -> bool:
        """Whether the reader has met everybody the question speaks of."""
        known = telling.scenes[-1].introduced
        people = [scene.cast.get(role) for role in question.roles()]
        return all(e is not None and (e in known or e.kind not in ("person", "thing", "animal")) for e in people)

    def _names(self, text: str, kind: str, answer: Entity) -> bool:
        return meaning_of(answer) in self._vocabularies.of(kind).read(text)

    def _answer(self, question: Question, scene: Scene) -> Entity | None:
        """The true answer, from the state of the scene."""
        if question.kind == "meaning":
            return next(e for e in self._vocabularies.entities("meaning") if e.noun == question.answer)
        role, _, attribute = question.answer.partition(".")
        value = scene.value(role, attribute) if attribute else scene.cast.get(role)
        if isinstance(value, str):
            value = (
                self._world.lexicon.people[value] if question.kind == "person" else Entity(question.kind, value, value)
            )
        return value if value is not None and value.kind == question.kind else None

    def _draft(self, question: Question, scene: Scene, telling: Telling, unknown: bool, source: random.Random) -> Draft:
        if question.count is not None:
            number = str(telling.told.count(question.count))
            answer = Entity("figure", number, number)
        else:
            answer = self._answer(question, scene)
            assert answer is not None  # or it would not be asked
        on_stage = stage(scene)
        asked = say(question.asks, on_stage, source)
        form = Sampler(source).choose("reply", question.replies)
        key = self._vocabularies.key(question.kind, None if unknown else answer, asked)
        right = say_with(form, answer, on_stage, source)
        rivals = self._rivals(answer, key.given, scene, source)
        wrong = [say_with(form, rival, on_stage, source) for rival in rivals]
        silence = say(self._book.replies["unknown"], stage(scene), source)
        return Draft(asked, silence, [right, *wrong], key) if unknown else Draft(asked, right, [*wrong, silence], key)

    def _rivals(self, answer: Entity, given: frozenset[str], scene: Scene, source: random.Random) -> list[Entity]:
        """Wrong answers of the right kind: near ones first (next numbers, others in the document), then any."""
        others = self._vocabularies.entities(answer.kind)
        if answer.kind == "figure":
            near = [others[int(answer.name) + step] for step in range(1, RIVALS + 1)]
        else:
            near = [entity for entity in scene.cast.values() if entity.kind == answer.kind]
        rivals = dict.fromkeys((*near, *sorted(others, key=lambda entity: source.random())))
        return [rival for rival in rivals if meaning_of(rival) not in {*given, meaning_of(answer)}][:RIVALS]

    def _dress(
        self, family: str, context: str, draft: Draft, pair: tuple[str, str], source: random.Random
    ) -> Instruction:
        order = Sampler(source).choose("order", self._book.orders)
        prompt = order.format(context=context, question=draft.question) if context else draft.question
        answer = draft.reply
        if not self._book.sounds("apology", answer):
            answer = f"{Sampler(source).choose('courtesy', self._book.courtesies)} {answer}"
        mistakes = tuple(wrong for wrong in dict.fromkeys(draft.mistakes) if not draft.key.accepts(wrong))
        return Instruction(family, context, draft.question, prompt, answer, draft.reply, mistakes, pair, draft.key)
