"""Does preference training teach more than a fixed prefix if the chat model has more to learn? A first search.

    python benchmarks/weaker_chat.py                       # three seeds, about half an hour each on a free core
    python benchmarks/weaker_chat.py --methods --steps 800 # only the chat model that the others start from

The chat model is the course's with fewer updates of SFT, so a fourth of its answers are wrong. The raters care for
facts only: an answer is right or not. Whoever learns from them cannot gain by manners, and a prefix gains nothing.

    dpo         pairs of the model's own answers, of which one is right, labeled by a rater (temperature 1)
    dpo-random  control: the same pairs, labeled at random
    rejection   control: SFT on the right ones of the same answers
    grpo        a verifier's reward, as many rounds as in the course's recipe
    more-sft    as many updates as dpo has, of SFT on new questions with the world's own answers

Measured: right answers, greedy and sampled. Sampled ones may rise because the distribution became sharper, up to what
the chat model says greedily; a rise of greedy ones is more than that. Beside them stand the majority of 16 answers, and
whether one of 4 or 16 is right. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from common import write_result
from gold import PARTS, ask, describe, each, gain
from measures import stored
from paired import over_seeds

import minillm
from minillm.analysis.alignment import LONGEST, askable
from minillm.course import models
from minillm.course.models.recipes import ChatRecipe
from minillm.course.recipes.chat import WORLD_SFT, example_of
from minillm.course.recipes.preferences import DPO, own_answers
from minillm.course.recipes.prompts import PROMPT_STREAM, PROMPTS, WORLD_GRPO
from minillm.data.chat import encode_chat
from minillm.data.conversations import hold_out
from minillm.data.pairs import PairBatches, PairData, encode_preferences
from minillm.data.preferences import Preference
from minillm.device import seed_everything
from minillm.files import write_json
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.dpo import dpo
from minillm.posttraining.grpo import grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.training.settings import TrainConfig
from minillm.world.instructions import Instruction, Instructions
from minillm.world.raters import RIGHT, Rater, simulate

METHODS = ("dpo", "dpo-random", "rejection", "grpo", "more-sft")
ASKED, STREAM = 500, 3_500_000
ANSWERED, EACH = 3200, 4  # questions, and answers to each
UPDATES = 200  # of DPO and of SFT
MORE = TrainConfig(steps=UPDATES, learning_rate=3e-4, warmup_steps=10, final_fraction=0.0, weight_decay=0.0)
N = 16


class FactsOnly(Rater):
    """A rater to whom an answer is right or not."""

    def perceived(self, instruction: Instruction, answer: str) -> float:
        """4 points for a right answer."""
        return RIGHT * instruction.check(answer)


@dataclass(frozen=True)
class Search:
    """A weaker chat model of one seed, and what is trained from it, kept in a folder."""

    steps: int
    seed: int
    folder: Path

    @cached_property
    def start(self) -> tuple[Any, Any]:
        short = replace(WORLD_SFT.training, steps=self.steps)
        recipe = replace(WORLD_SFT, training=short, instructions=WORLD_SFT.instructions * self.steps // 4000)
        return models.make_sft(ChatRecipe(self.seed, sft=recipe.in_proportion_to(WORLD_SFT)))

    @cached_property
    def asked(self) -> list[Instruction]:
        return askable(*self.start, Instructions(STREAM + self.seed, "held-out").stream(), ASKED)

    @cached_property
    def answered(self) -> list[Instruction]:
        return askable(*self.start, Instructions(PROMPT_STREAM + self.seed).stream(), ANSWERED)

    @cached_property
    def own(self) -> list[list[str]]:
        """The chat model's own answers to questions to learn from."""
        return stored(self.folder / "own.json", lambda: own_answers(*self.start, self.answered, EACH, self.seed))

    def policy(self, method: str) -> Any:
        folder = self.folder / method
        if not (done := folder / "done.json").exists():
            seed_everything(self.seed)
            model, tokenizer = minillm.load(self.copy())
            train: dict[str, Callable] = {"grpo": self.grpo, "rejection": self.rejection, "more-sft": self.more_sft}
            train.get(method, self.dpo)(model, tokenizer, folder)
            write_json(done, {"method": method})
        return minillm.load(folder)[0]

    def copy(self) -> Path:
        if not (self.folder / "start" / "config.json").exists():
            minillm.save(*self.start, self.folder / "start")
        return self.folder / "start"

    def pairs(self, random_labels: bool) -> list[Preference]:
        """Pairs of which one answer is right; a rater sees no difference in the others and skips them."""
        said = dict(zip((one.prompt for one in self.answered), self.own, strict=True))
        found = simulate(self.answered, FactsOnly(), self.seed, 6, lambda one: said[one.prompt])
        found = [pair for pair in found if pair.probability != 0.5]
        if random_labels:
            coin = random.Random(self.seed)
            swapped = (replace(pair, chosen=pair.rejected, rejected=pair.chosen) for pair in found)
            found = [pair if coin.random() < 0.5 else other for pair, other in zip(found, swapped, strict=True)]
        return found

    def dpo(self, model: Any, tokenizer: Any, folder: Path) -> None:
        pairs = encode_preferences(tokenizer, self.pairs(folder.name == "dpo-random"), model.config.max_seq_len).pairs
        cut = max(len(pairs) // 20, 1)
        data = PairData(PairBatches(pairs[cut:], DPO.batch_size, self.seed), pairs[:cut])
        config: Any = replace(DPO.training, steps=UPDATES)
        dpo(model, data, config, folder, tokenizer, show)

    def grpo(self, model: Any, tokenizer: Any, folder: Path) -> None:
        asked = askable(model, tokenizer, Instructions(PROMPT_STREAM + self.seed).stream(), PROMPTS)
        longest = model.config.max_seq_len - WORLD_GRPO.max_new_tokens
        of_prompt = {tuple(encode_chat(tokenizer, one.messages[:-1])): one for one in asked}
        prompts = [list(prompt) for prompt in of_prompt if len(prompt) <= longest]

        def verify(prompts: list[list[int]], answers: list[list[int]]) -> torch.Tensor:
            texts = [tokenizer.decode(ids[:-1]) if ids[-1] == tokenizer.end_id else None for ids in answers]
            pairs = zip(prompts, texts, strict=True)
            return torch.tensor([float(text is not None and of_prompt[tuple(p)].check(text)) for p, text in pairs])

        data = PromptData(prompts, verify, [tokenizer.end_id])
        grpo(model, data, replace(WORLD_GRPO, seed=self.seed), folder, tokenizer, show)

    def rejection(self, model: Any, tokenizer: Any, folder: Path) -> None:
        rows = zip(self.answered, self.own, strict=True)
        right = [(one, text) for one, texts in rows for text in dict.fromkeys(texts) if one.check(text)]
        chats = [[*one.messages[:-1], {"role": "assistant", "content": text}] for one, text in right]
        self.imitate(model, tokenizer, folder, chats)

    def more_sft(self, model: Any, tokenizer: Any, folder: Path) -> None:
        self.imitate(model, tokenizer, folder, [example_of(one, WORLD_SFT.worked) for one in self.answered])

    def imitate(self, model: Any, tokenizer: Any, folder: Path, chats: Sequence[Any]) -> None:
        train, held_out = (encode_conversations(tokenizer, part) for part in hold_out(list(chats)))
        data = ChatData.from_examples(train, held_out, tokenizer.end_id, model.config.max_seq_len, 8, self.seed)
        sft(model, data, MORE, folder, tokenizer, show)

    def several(self) -> dict[str, float]:
        """The majority of 16 answers (by the text after its manners), and the best of 4 and 16 by the checker."""
        model, tokenizer = self.start
        prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in self.asked]
        drawn = draw(model.eval(), prompts, N, LONGEST, [tokenizer.end_id], self.seed)
        texts = [tokenizer.decode([i for i in ids if i != tokenizer.end_id]) for ids in drawn]
        found: dict[str, list[float]] = {"majority of 16": [], "one of 4": [], "one of 16": []}
        for number, one in enumerate(self.asked):
            its = texts[number * N : (number + 1) * N]
            common, _ = Counter(text.rpartition(". ")[2] or text for text in its).most_common(1)[0]
            found["majority of 16"].append(float(one.check(common)))
            found["one of 4"].append(float(any(map(one.check, its[:4]))))
            found["one of 16"].append(float(any(map(one.check, its))))
        return {name: fmean(values) for name, values in found.items()}


def show(line: Any) -> None:
    figures = (f"{name} {line[name]:.2f}" for name in ("loss", "reward", "margin", "kl") if name in line)
    print(f"  step {line['step']}: {', '.join(figures)}      ", end="\r", flush=True)


def gains(tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Points that each method wins over the chat model, over the seeds."""
    return {
        name: {
            temperature: {
                part: over_seeds([table[name][temperature]["gain"][part][0] for table in tables]) for part in PARTS
            }
            for temperature in tables[0][name]
        }
        for name in tables[0]
        if name not in ("SFT", "several")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--steps", type=int, default=1600, help="updates of SFT, of the course's 4,000")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/weaker_chat"), help="keeps what is done")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for seed in arguments.seeds:
        search = Search(arguments.steps, seed, arguments.folder / f"{arguments.steps}-{seed}")
        model, tokenizer = search.start
        reference = minillm.load(search.copy())[0]
        table: dict[str, Any] = {}
        before: dict[str, Any] = {}
        for name in ("SFT", *arguments.methods):
            path = search.folder / f"{name}-answers.json"
            policy = model if name == "SFT" else None
            said = stored(
                path, lambda n=name, p=policy, s=search, r=reference, t=tokenizer: ask(
                    p or s.policy(n), t, s.asked, r, s.seed
                )
            )  # fmt: skip
            for temperature, draws in said.items():
                counted = each(search.asked, draws)
                row = describe(search.asked, draws) | {"gain": gain(counted, before.setdefault(temperature, counted))}
                table.setdefault(name, {})[temperature] = row
                won = "  ".join(f"{part} {row['gain'][part][0]:+.2f} ± {row['gain'][part][1]:.2f}" for part in PARTS)
                shares = f"right {row['right_share']:.1%}, polite {row['polite']:.0%}"
                print(f"{seed} {name:12} {temperature:8} {shares}; {won}", flush=True)
        table["several"] = stored(search.folder / "several.json", search.several)
        print(table["several"], flush=True)
        runs.append({"seed": seed, "steps": arguments.steps, "table": table})
    result = {"asked": ASKED, "runs": runs, "gains": gains([run["table"] for run in runs])}
    print(f"written to {write_result('weaker_chat', result)}")


if __name__ == "__main__":
    main()
