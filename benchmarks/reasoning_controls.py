"""Lesson 11a's training with one thing changed at a time, on up to five streams: what makes the answers grow?

    python benchmarks/reasoning_controls.py                          # every run, about half an hour on a free core
    python benchmarks/reasoning_controls.py --streams 1 --runs substring --updates 12

Each run starts from the course's solver and differs from the lesson's in one line of RUNS: the verifier, the loss, the
room for an answer, or the rewards. A stream is a seed of the problems; stream 0 is the lesson's. Measured: in each
update what the run's own verifier paid, what was really right, steps, tokens and the groups with any signal; at the end
greedy answers to 200 held-out problems, judged by the strict verifier. One thread, since such small models are slower
on two. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import copy
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from minillm.analysis.reasoning import solve
from minillm.course import models
from minillm.course.recipes.chat import problems
from minillm.data.chat import encode_chat
from minillm.files import read_json, write_json
from minillm.posttraining.policy_gradient import answer_mean, constant_mean, group_advantages
from minillm.posttraining.rollout import roll_out, score_answers
from minillm.posttraining.verifiers import decode_answer
from minillm.world.answers import shows_steps
from minillm.world.world import World

STREAM, APART = 2_000_000, 100_000  # the seed of the lesson's problems, and the distance to the next stream
GROUP = 8  # answers per problem
MEASURED = 200  # held-out problems
LONGEST = 64  # tokens of the longest answer, which Dr. GRPO divides by
STEP = re.compile(r"\d+ [+-] \d+ = \d+")


def strict(answer: str, result: int) -> float:
    """The lesson's verifier: the final answer names the result and no other number."""
    return float({int(number) for number in re.findall(r"\d+", answer.rpartition("Answer:")[2])} == {result})


def anywhere(answer: str, result: int) -> float:
    """Loose: the result is one of the numbers in the answer."""
    return float(result in {int(number) for number in re.findall(r"\d+", answer)})


def substring(answer: str, result: int) -> float:
    """Loose: the digits of the result occur in the answer."""
    return float(str(result) in answer)


def grpo_like(log_probs: Tensor, rewards: Tensor, mask: Tensor) -> Tensor:
    """The lesson's loss: standardized advantages, a mean over each answer's tokens."""
    return answer_mean(-group_advantages(rewards, len(rewards))[:, None] * log_probs, mask)


def dr_grpo_like(log_probs: Tensor, rewards: Tensor, mask: Tensor) -> Tensor:
    """Dr. GRPO (Liu et al. 2025): no standard deviation, and the same divisor for every answer.

    Four times the loss of the exercise, so that its steps are about as large; AdamW divides a constant factor out, and
    only the clipping of the gradient sees it.
    """
    advantages = group_advantages(rewards, len(rewards), scale=False)
    return 4 * constant_mean(-advantages[:, None] * log_probs, mask, LONGEST)


@dataclass(frozen=True)
class Run:
    """A training of the solver; the defaults are the lesson's."""

    title: str
    verifier: Callable[[str, int], float] = strict
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] = grpo_like
    room: int = LONGEST  # tokens per answer
    asked: int = 8  # problems per update
    learning_rate: float = 2e-4
    shuffled: bool = False  # rewards at random: their number stays, and who gets them is drawn
    streams: int = 5  # of problems


RUNS = {
    "strict": Run("strict verifier"),
    "substring": Run("lazy: digits anywhere", verifier=substring),
    "anywhere": Run("lazy: number anywhere", verifier=anywhere),
    "substring_slow": Run("lazy, half the rate", verifier=substring, learning_rate=1e-4, streams=3),
    "short": Run("no room for steps", room=12, asked=24),  # three times the problems: as many groups with a signal
    "short_fast": Run("no room, bad control", room=12, learning_rate=5e-4, streams=3),  # collapses
    "dr_grpo": Run("Dr. GRPO's loss", loss=dr_grpo_like),
    "shuffled": Run("rewards at random", shuffled=True, streams=3),
}


def train(run: Run, stream: int, updates: int) -> dict:
    """Train from the solver; returns what each update saw, and what the model does in the end."""
    start, tokenizer = models.solver()
    model = copy.deepcopy(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.learning_rate, weight_decay=0.0)
    practice = problems({"chain": 1}, run.asked * updates, STREAM + APART * stream)
    generator, history = torch.Generator().manual_seed(stream), []
    for update in range(updates):
        asked = [task for task in practice[run.asked * update :][: run.asked] for _ in range(GROUP)]
        prompts = [encode_chat(tokenizer, task.messages[:-1]) for task in asked]
        rollout = roll_out(model, prompts, run.room, [tokenizer.end_id], update)
        texts = [decode_answer(tokenizer, ids) for ids in rollout.answers]
        ended = [ids[-1] == tokenizer.end_id for ids in rollout.answers]
        rows = list(zip(texts, (int(task.key.truth[0]) for task in asked), ended, strict=True))
        rewards = torch.tensor([run.verifier(text, result) * end for text, result, end in rows])
        if run.shuffled:
            rewards = rewards[torch.randperm(len(rewards), generator=generator)]
        groups = rewards.view(-1, GROUP)
        log_probs, _ = score_answers(model, rollout)
        parts = zip(log_probs.split(GROUP), groups, rollout.mask.split(GROUP), strict=True)
        loss = sum((run.loss(*group) for group in parts), torch.zeros(())) / run.asked
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(
            {
                "paid": rewards.mean().item(),
                "right": fmean(strict(text, result) * end for text, result, end in rows),
                "steps": fmean(map(shows_steps, texts)),
                "tokens": rollout.mask.sum(1).float().mean().item(),
                "informative": int((groups.std(1) > 0).sum()),
            }
        )
    held_out = problems({"chain": 1}, MEASURED, seed=5_000_000, split="held-out")
    end = asdict(solve(model, tokenizer, held_out, max_new_tokens=run.room))
    return {"history": history, "end": end, "samples": texts[::GROUP][:4]}


def pretraining() -> dict[str, int]:
    """What the base model's pretraining saw of steps: documents by kind, and written steps such as 18 + 4 = 22."""
    recipe, (_, tokenizer) = models.DEFAULTS["base"], models.base()
    world, left = World(seed=recipe.seed), recipe.training.steps * recipe.batch_size * recipe.config.max_seq_len
    seen: Counter[str] = Counter()
    while left > 0:
        document = world.document(seen["documents"])
        left -= len(tokenizer.encode(document.text)) + 1
        seen.update({"documents": 1, document.kind: 1, "steps": len(STEP.findall(document.text))})
    return dict(seen)


def rows(table: dict[str, list[dict]]) -> list[str]:
    """A line for each run: held-out accuracy by stream, and over all streams what the answers look like."""
    made = [f"{'':22} {'right, by stream':24} steps  tokens  groups with a signal"]
    for title, streams in table.items():
        right = " ".join(f"{stream['end']['accuracy']:4.0%}" for stream in streams)
        steps, tokens = (fmean(stream["end"][key] for stream in streams) for key in ("worked", "tokens"))
        signal = fmean(update["informative"] for stream in streams for update in stream["history"])
        made.append(f"{title:22} {right:24} {steps:4.0%}  {tokens:6.0f}  {signal:.1f}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=5, help="of problems, at most")
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=RUNS, help="which to make")
    parser.add_argument("--updates", type=int, default=48)
    parser.add_argument("--folder", type=Path, default=Path("runs/reasoning_controls"), help="keeps what is done")
    parser.add_argument("--kept", action="store_true", help="only what is kept already: writes the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table: dict[str, list[dict]] = {RUNS[name].title: [] for name in arguments.runs}
    for stream in range(arguments.streams):
        for name in (name for name in arguments.runs if stream < RUNS[name].streams):
            out = arguments.folder / f"{name}-{stream}-{arguments.updates}.json"
            if not out.exists() and arguments.kept:
                continue
            if not out.exists():
                out.parent.mkdir(parents=True, exist_ok=True)
                write_json(out, train(RUNS[name], stream, arguments.updates))
            table[RUNS[name].title].append(made := read_json(out))
            end, seen = made["end"], fmean(row["informative"] for row in made["history"])
            print(
                f"stream {stream}, {name:12} {end['accuracy']:6.1%} right, {end['worked']:4.0%} with steps, "
                f"{end['tokens']:4.1f} tokens, {seen:.1f} groups with a signal per update",
                flush=True,
            )
    table = {title: streams for title, streams in table.items() if streams}
    counted = arguments.folder / "pretraining.json"
    if not counted.exists():
        write_json(counted, pretraining())
    result = {"updates": arguments.updates, "table": rows(table), "runs": table, "pretraining": read_json(counted)}
    print(f"written to {write_result('reasoning_controls', result)}")


if __name__ == "__main__":
    main()
