"""`minillm grpo --verify`: a chat model learns from its own answers to problems that a program can check."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from minillm.analysis.reasoning import solve
from minillm.cli.common import print_json
from minillm.cli.online import start_model
from minillm.cli.runs import fingerprint, progress, remember, training_config
from minillm.course.recipes.chat import problems
from minillm.course.recipes.reasoning import families_of, verified_job
from minillm.posttraining.online import OnlineConfig

MEASURED = 300  # held-out problems that are asked before and after


def learn_verified(
    command: str, train: Callable, kind: type[OnlineConfig], out: Path, options: dict[str, Any], as_json: bool
) -> None:
    """Train for right results, and solve held-out problems before and after."""
    config, seed = training_config(kind, options, out), options["seed"]
    families = families_of(options["families"].split(",") if options["families"] else [])
    model, tokenizer = start_model(options)
    job = verified_job(train, config, model, tokenizer, families, options["prompts"], seed)
    remember(out, options, fingerprint(model, job.data.prompts), "the problems or the initial model")
    asked = problems(families, MEASURED, seed, "held-out")

    def measure() -> dict[str, dict[str, Any]]:
        kinds = {"greedy": 0.0, "sampled": 1.0}
        return {
            name: asdict(solve(model, tokenizer, asked, temperature, seed, config.max_new_tokens))
            for name, temperature in kinds.items()
        }

    before = measure()
    with progress(config, out, command) as show:
        model, history = job.run(out, show)
    result = {"families": list(families), "asked": len(asked), "before": before, "after": measure()}
    result |= {"seconds": history[-1]["seconds"], "steps": history[-1]["step"], "out": str(out)}
    click.echo(_sentence(result), err=as_json)
    if as_json:
        print_json(result)


def _sentence(result: dict[str, Any]) -> str:
    before, after = result["before"], result["after"]
    parts = [
        f"{kind} {before[kind]['accuracy']:.1%} -> {after[kind]['accuracy']:.1%} right, answers with steps "
        f"{before[kind]['worked']:.1%} -> {after[kind]['worked']:.1%}, tokens per answer "
        f"{before[kind]['tokens']:.1f} -> {after[kind]['tokens']:.1f}"
        for kind in ("greedy", "sampled")
    ]
    return f"On {result['asked']} held-out problems: {'; '.join(parts)} ({result['seconds']:.0f} s)."
