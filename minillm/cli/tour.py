"""minillm tour: lesson 00 in the terminal, one prompt followed through every step of the model."""

from typing import TYPE_CHECKING

import click

from minillm import assets
from minillm.cli.common import REAL_MODEL
from minillm.errors import UserError

if TYPE_CHECKING:  # what computes is imported where it does, so that --help needs no torch
    from torch import Tensor

    from minillm.model.transformer import Transformer
    from minillm.tokenizer import Tokenizer


@click.command()
@click.option("--prompt", default="The cat sat on the", help="The text to follow.")
@click.option("--question", default="What is the capital of France?", help="What to ask the assistant at the end.")
def tour(prompt: str, question: str) -> None:
    """Follow one prompt through a real model of 135 million parameters, step by step."""
    import torch

    from minillm.cli.streaming import stream_text
    from minillm.data.chat import encode_chat
    from minillm.pretrained import load

    assets.fetch(REAL_MODEL)
    model, tokenizer = load(REAL_MODEL)
    ids = tokenizer.encode(prompt)
    if not ids:
        raise UserError("the prompt is empty; give some text with --prompt")
    _text_to_numbers(model, tokenizer, prompt, ids)
    with torch.no_grad():
        probabilities = _through_the_blocks(model, torch.tensor([ids]))
    _numbers_to_text(model, tokenizer, ids, probabilities)
    _box("The same model in its chat template", f"You ask: {question}")
    answer = stream_text(
        model,
        tokenizer,
        encode_chat(tokenizer, [{"role": "user", "content": question}]),
        dict(max_new_tokens=60, temperature=0),
        [],
    )
    for piece in answer:
        click.echo(piece, nl=False)
    click.echo("\n\nThe lessons open each of these steps. In the course's folder, `python3 start.py` opens them.")


def _box(title: str, text: str) -> None:
    click.secho(f"\n{title}", bold=True)
    click.echo(text)


def _text_to_numbers(model: "Transformer", tokenizer: "Tokenizer", prompt: str, ids: list[int]) -> None:
    config = model.config
    _box("Input", repr(prompt))
    _box(
        "Tokenizer: text becomes pieces of words, each with a number",
        " ".join(f"{tokenizer.decode([i])!r}={i}" for i in ids),
    )
    vector = ", ".join(f"{value:.2f}" for value in model.embedding.weight[ids[-1], :5].tolist())
    _box(
        f"Embedding: each number becomes a vector of {config.d_model}",
        f"{tokenizer.decode(ids[-1:])!r} -> [{vector}, ...]",
    )


def _through_the_blocks(model: "Transformer", ids: "Tensor") -> "Tensor":
    from minillm.model.accounting import count_parameters

    config = model.config
    _box(
        f"{config.n_layers} transformer blocks: attention mixes positions, the feed-forward works on each alone",
        f"{count_parameters(config):,} parameters turn {ids.shape[1]} vectors into {ids.shape[1]} better ones",
    )
    return model(ids)[0, -1].softmax(-1)


def _numbers_to_text(model: "Transformer", tokenizer: "Tokenizer", ids: list[int], probabilities: "Tensor") -> None:
    import torch

    from minillm.cli.streaming import stream_text
    from minillm.inference.sampling import Sampling

    top = probabilities.topk(5)
    lines = [
        f"{p:6.1%}  {'#' * round(40 * p)} {tokenizer.decode([i])!r}"
        for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]
    _box(f"Head and softmax: a probability for each of {len(probabilities):,} tokens", "\n".join(lines))
    chosen = Sampling(temperature=0).choose(probabilities.log().unsqueeze(0), torch.tensor([ids])).item()
    _box("Sampling picks one, the loop appends it and asks again", f"-> {tokenizer.decode([int(chosen)])!r}")
    click.echo(tokenizer.decode(ids), nl=False)
    for piece in stream_text(model, tokenizer, ids, dict(max_new_tokens=20, temperature=0.7, seed=0), []):
        click.echo(piece, nl=False)
    click.echo()
