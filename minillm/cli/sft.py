"""minillm sft: teach a model to answer, by the world's instructions or by examples of your own."""

import math
from typing import Any

import click

from minillm.cli.options import PROBLEMS, WORLD, find_recipe, shared
from minillm.cli.runs import fingerprint, load_model, open_run
from minillm.posttraining.lora import add_lora
from minillm.posttraining.recipes import OWN_SFT
from minillm.training.pretraining import mean_loss
from minillm.training.recipes import Job


@click.command()
@shared("--model", help="A run folder, a .gguf file or an asset's name; without it the course's base model.")
@click.option(
    "--data", default=WORLD, help='world, problems (to verify) or a JSONL file with {"messages": [...]} on each line.'
)
@shared("--out")
@click.option("--lora", type=int, help="Learn corrections of this rank only, and leave the model's own weights.")
@shared("--steps", "--minutes", "--optimizer")
@shared("--batch-size", help="Rows of several conversations in one batch.")
@shared("--learning-rate")
@click.option("--instructions", type=int, help="Instructions of the world to learn from.")
@shared("--seed", help="Decides the world's instructions, LoRA's first weights and the order.")
@shared("--compile", "--resume", "--parallel", "--device", "--json")
@click.pass_context
def sft(ctx: click.Context, **options: Any) -> None:
    """Teach a model to answer questions; under torchrun, in several processes at once."""
    with open_run(ctx, options, recipe_for) as run:
        chosen, processes = run.options, run.processes
        with processes.main_first():
            model, tokenizer = load_model(chosen["model"], "course-base")
        model.to(processes.device)
        own = () if chosen["data"] in (WORLD, PROBLEMS) else (chosen["data"],)

        def learned_from(job: Job) -> str:
            return fingerprint(model, [part.tolist() for part in (*job.data.validation[0], *job.data.train[0])])

        def ready(job: Job) -> tuple[int, float]:
            if chosen["lora"] is not None:
                add_lora(model, chosen["lora"], 2.0 * chosen["lora"])
            learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
            run.say(f"{learning:,} parameters learn from rows of {job.data.train[0][0].shape[1]} tokens")
            return learning, mean_loss(model, job.data.validation) if processes.is_main else math.nan

        settings = {"processes": processes, "base_name": chosen["model"]}
        start = model, tokenizer, chosen["seed"], *own
        done = run.train(start, learned_from, "the data or the initial model", ready, **settings)
        if not processes.is_main:
            return
        learning, before = done.before
        result = {"val_loss_before": round(before, 5), "val_loss": round(done.last["val_loss"], 5)}
        result |= {"seconds": round(done.seconds, 1), "steps": done.last["step"]}
        result |= {"tokens": done.last["tokens"], "parameters": learning, "out": str(run.out)}
        run.report(
            result,
            "Held-out loss {val_loss_before:.3f} -> {val_loss:.3f} nats per token ({seconds:.0f} s)".format(**result),
        )


def recipe_for(options: dict[str, Any]) -> Any:
    """The recipe for the data."""
    return find_recipe("sft", options["data"], OWN_SFT, "--data FILE.jsonl")
