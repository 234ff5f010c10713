"""Every diagram of the lessons from the tensors of a small example, in both themes, on a page to look at.

    PYTHONPATH=.:tests python tests/diagram_gallery.py FOLDER

writes FOLDER/index.html with the diagrams as SVG, and each of them as PNG beside it.
"""

import html
import sys
from pathlib import Path

import torch

from minillm.config import ModelConfig
from minillm.model.attention import MultiHeadAttention, attention_by_matmul, causal_mask
from minillm.viz import diagrams
from minillm.viz.diagrams.theme import THEMES

WORDS = ["the", "river", "has", "a", "bank"]
EIGHT_WORDS = ["the", "old", "man", "by", "the", "river", "saw", "it"]
PROMPT = "The cat had 12 fish and caught 9 more. It ate 4. How many fish has the cat now?"
SAMPLES = [
    "12 + 9 = 21, 21 - 4 = 17. Answer: 17",
    "Answer: 15",
    "12 + 9 = 20, 20 - 4 = 16. Answer: 16",
    "The cat had 12 fish. 12 + 9 = 21 fish after it caught 9, and 21 - 4 = 17 after it ate 4. Answer: 17",
]
STATIONS = [
    diagrams.Station("tokenizer", "01", 4, 4),
    diagrams.Station("attention", "04", 2, 3),
    diagrams.Station("transformer", "06", 0, 3),
    diagrams.Station("pretraining", "08", group="training"),
    diagrams.Station("SFT", "09", 1, 1, "training"),
    diagrams.Station("assistant", "14", group="at the end"),
]
START, NAMES, NEXT = "START", ["the", " old river"], [(" bank", 17.1, 0.8), (" of", 13.9, 0.04)]
BRANCHES = [(" door", 0.08, [(",", 0.27), (" and", 0.21)]), (" other", 0.04, [(" side", 0.86), (" end", 0.03)])]
MACHINES = {
    "machine 0": diagrams.Lane([(0, 1, "forward", "0"), (4, 6, "backward", "0")], [(1, 1.5)], [0, 4, 6], [2, 3, 1]),
    "machine 1": diagrams.Lane([(1.5, 2.5, "forward", "0"), (6, 6.2, "step", "")], [], [0, 2.5], [2, 26.5]),
}
REWARDS = torch.tensor([1.0, 0.0, 0.0, 1.0])
WEIGHTS = {"policy": 1_376_512, "reference": 1_376_512, "reward model": 1_376_641, "value": 129}


def of_one_head(words=WORDS, d_model=8, d_head=4, scale=1.0, theme="light"):
    """The diagrams of one attention head, whose tensors are random with a fixed seed."""
    rng = torch.Generator().manual_seed(len(words))
    T = len(words)
    x = scale * torch.randn(T, d_model, generator=rng)
    weights = [torch.randn(d_model, d_head, generator=rng) / d_model**0.5 for _ in "qkv"]
    query, key, value = (x @ weight for weight in weights)
    visible = causal_mask(T, T)
    return {
        "attention_step": diagrams.attention_step(query, key, value, words, visible, theme=theme),
        "causal_mask": diagrams.causal_mask(visible, words, theme=theme),
        "causal_mask with scores": diagrams.causal_mask(visible, words, query @ key.mT, theme=theme),
        "projections": diagrams.projections(x, *weights, words, theme=theme),
    }


@torch.no_grad()
def of_heads(n_heads=2, n_kv_heads=2, d_head=4, words=WORDS, theme="light"):
    """The diagrams of several heads, from a real layer."""
    torch.manual_seed(n_heads)
    layer = MultiHeadAttention(n_heads * d_head, n_heads, n_kv_heads)
    x = 2 * torch.randn(1, len(words), n_heads * d_head)
    query, key, value = layer.project(x)
    drawn = {f"shared_keys {n_heads}": diagrams.shared_keys(query[0], key[0], theme=theme)}
    if n_heads == n_kv_heads:
        outputs = attention_by_matmul(query, key, value, causal_mask(len(words), len(words)))[0]
        parts = {name: getattr(layer, name)(x)[0] for name in ("query", "key", "value")}
        joined = outputs.transpose(0, 1).flatten(1)
        drawn[f"heads {n_heads}"] = diagrams.heads(parts, joined, n_heads, words, theme=theme)
    return drawn


def gallery(theme="light"):
    """All diagrams, by name."""
    advantages = (REWARDS - REWARDS.mean()) / REWARDS.std()
    visible = causal_mask(5, 5)
    before = torch.eye(5)[[0, 0, 1, 2, 3]]
    stack = torch.stack([visible / visible.sum(-1, keepdim=True), before, torch.eye(5)])
    return {
        **of_one_head(theme=theme),
        "attention_step 8": of_one_head(EIGHT_WORDS, theme=theme)["attention_step"],
        "heads 2": of_heads(theme=theme)["heads 2"],
        "shared_keys 4": of_heads(4, 2, theme=theme)["shared_keys 4"],
        **of_heads(9, 3, 64, theme=theme),
        "flow": diagrams.flow(
            [
                diagrams.box("weights", stack, "H T S", rows=WORDS, columns=WORDS, mask=~visible),
                diagrams.arrow("mean\nover heads"),
                diagrams.box("mean", stack.mean(0), "T S", rows=WORDS, columns=WORDS, mask=~visible),
            ],
            "Three heads, stacked, and their mean",
            theme=theme,
        ),
        "residual_stream": diagrams.residual_stream(ModelConfig.preset("smollm2-135m"), theme=theme),
        "residual_stream gpt3": diagrams.residual_stream(ModelConfig.preset("gpt3"), theme=theme),
        "model_map": diagrams.model_map(STATIONS, here=["attention"], layers=30, theme=theme),
        "journey": diagrams.journey(
            "the old river", [START, *NAMES], [0, 3, 4], stack[0, :3], stack[1, :3], NEXT, 49_152, 30, theme=theme
        ),
        "continuations": diagrams.continuations("The old man walked to the", BRANCHES, theme=theme),
        "tokens_read": diagrams.tokens_read(
            EIGHT_WORDS, {"with a cache": [5, 1, 1, 1], "without": [5, 6, 7, 8]}, theme=theme
        ),
        "accept_rule": diagrams.accept_rule(
            ["waited", "swam"], [0.75, 0.25], [0.5, 0.5], [[0.5, 0.0], [0.25, 0.25]], theme=theme
        ),
        "next_tokens": diagrams.next_tokens(["A", " rooster", " lives", " in"], [0.66, 12.4, 0.07], theme=theme),
        "chat_tokens": diagrams.chat_tokens(
            {"typed": ["<|im_start|>", "user", "\n", "Hi", "<", "|", "im"]}, ["<|im_start|>"], theme=theme
        ),
        "loss_targets": diagrams.loss_targets(WORDS, {"mask": [False, False, True, True, False]}, theme=theme),
        "low_rank": diagrams.low_rank(before, before, before[:2], torch.zeros(5, 2), 4.0, WORDS, theme=theme),
        "read_at": diagrams.read_at(
            [["Yes", ".", ""], ["It", " is", "."]], [[True, True, False], [True] * 3], [2, 2], theme=theme
        ),
        "lanes": diagrams.lanes(MACHINES, theme=theme),
        "ppo_round": diagrams.ppo_round(16, 64, 24, 4, theme=theme),
        "token_credit": diagrams.token_credit(
            ["Of", " course", ".", " In", " Pellin", ".", "<|im_end|>"],
            {
                "reward": [0.01, 0.0, 0.0, -0.02, 0.0, 0.0, 0.85],
                "value": [0.1, 0.2, 0.3, 0.3, 0.2, 0.4, 0.6],
                "advantage": [1.2, 0.8, 0.4, 0.3, -0.2, 0.1, -1.3],
            },
            theme=theme,
        ),
        "preference_methods": diagrams.preference_methods(WEIGHTS, theme=theme),
        "reasoning_loop": diagrams.reasoning_loop(PROMPT, SAMPLES, REWARDS, advantages, theme=theme),
    }


def write(folder: Path, drawn: dict) -> Path:
    """Write the page with the diagrams of each theme as SVG; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for theme, named in drawn.items():
        colors = THEMES[theme]
        parts.append(f'<section style="background: {colors.paper}; color: {colors.ink}; padding: 2em"><h1>{theme}</h1>')
        for name, diagram in named.items():
            file = f"{name.replace(' ', '_')}_{theme}"
            diagram.save(folder / f"{file}.svg")
            alt = html.escape(diagram.alt, quote=True)
            parts.append(f'<h2>{name}</h2><img src="{file}.svg" alt="{alt}" style="max-width: 100%"><p>{alt}</p>')
        parts.append("</section>")
    page = folder / "index.html"
    page.write_text('<!doctype html><meta charset="utf-8"><title>Diagrams</title>' + "\n".join(parts), encoding="utf-8")
    return page


if __name__ == "__main__":
    everything = {theme: gallery(theme) for theme in THEMES}
    print(write(Path(sys.argv[1]), everything))
    for theme, named in everything.items():
        for name, diagram in named.items():
            diagram.save(Path(sys.argv[1]) / f"{name.replace(' ', '_')}_{theme}.png")
