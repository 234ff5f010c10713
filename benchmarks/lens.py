"""Where SmolLM2-135M decides what the capital is: patching, the logit lens, attribution; and its first token.

    python benchmarks/lens.py                       # about six minutes on one thread
    python benchmarks/lens.py --only patching lens --json

A depth is a number of blocks: the stream at depth 24 is what block 25, counted from 1, reads. Countries are those whose
name is one token and whose capital the model names first among all tokens. In 40 ordered pairs of them, drawn at
random, the stream of one text replaces that of the other at one token and one depth. Controls: the same at the other
tokens, a stream of another sentence, noise of the same norm, and other relations. Intervals are over countries, pairs
or texts. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from first_token import first_token_part
from measures import bootstrap_interval, stored
from relations import RELATIONS, SENTENCES, Item
from torch import Tensor

from minillm.analysis.lens import read_off
from minillm.analysis.surgery import prompt_ids
from minillm.analysis.tracing import trace
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
PAIRS = 40
ENOUGH = 20  # known items that a relation needs


class Known:
    """The items of a relation that the model knows: their texts of one length, and the right next tokens."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, prompt: str, items: Sequence[Item]):
        self.asked, self.items, rows, answers = 0, [], [], []
        for word, answer in items:
            ids, right = prompt_ids(tokenizer, prompt.format(word)), tokenizer.encode(f" {answer}")[0]
            if len(tokenizer.encode(f" {word}")) > 1:
                continue
            self.asked += 1
            if int(last_logits(model, torch.tensor([ids]))[0].argmax()) == right:
                self.items.append((word, answer))
                rows.append(ids)
                answers.append(right)
        self.ids, self.answers = torch.tensor(rows), torch.tensor(answers)
        here = [t for t in range(self.ids.shape[1]) if len(set(self.ids[:, t].tolist())) > 1] if rows else []
        self.subject = here[0] if here else 0  # the token that differs

    def pairs(self, count: int = PAIRS) -> tuple[Tensor, Tensor]:
        """Donors and receivers with different answers: `count` ordered pairs, drawn at random, the same every time."""
        every = [
            (a, b) for a, b in itertools.permutations(range(len(self.items)), 2) if self.answers[a] != self.answers[b]
        ]
        drawn = random.Random(0).sample(every, min(count, len(every)))
        donors, receivers = zip(*drawn, strict=True)
        return torch.tensor(donors), torch.tensor(receivers)


@torch.no_grad()
def last_logits(model: Transformer, ids: Tensor) -> Tensor:
    """The next token's logits after each row of ids: (B, V)."""
    return model.head(model.hidden(ids)[:, -1])


@torch.no_grad()
def patched(model: Transformer, ids: Tensor, stream: Tensor, vectors: Tensor, at: int) -> Tensor:
    """The next token by depth, if there `vectors` stand at one token: (depth, B).

    `stream` and `vectors` are (depth, B, T, C) and (depth, B, C).
    """
    context, found = model.context(ids), []
    for depth in range(len(stream)):
        x = stream[depth].clone()
        x[:, at] = vectors[depth]
        for layer in range(depth, len(model.blocks)):
            x = model.blocks[layer](x, **context.for_layer(layer))
        found.append(model.head(model.final_norm(x[:, -1])).argmax(-1))
    return torch.stack(found)


def streams(model: Transformer, ids: Tensor) -> Tensor:
    return trace(model, ids, weights=False).stream


def flips(found: Tensor, donors: Tensor, receivers: Tensor) -> dict:
    """By depth in how many pairs the answer is the donor's and the receiver's; and by pair, the depth of the switch.

    A pair's switch is the first depth from which on the answer is always the donor's; None if the last is not.
    """
    switches = []
    for pair in (found == donors).T.tolist():
        wrong = [depth for depth, hit in enumerate(pair) if not hit]
        first = wrong[-1] + 1 if wrong else 0
        switches.append(first if first < len(pair) else None)
    return {
        "of": found.shape[1],
        "donor": (found == donors).sum(1).tolist(),
        "receiver": (found == receivers).sum(1).tolist(),
        "switches": switches,
    }


def patching_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """Patching at every depth: the last token, each other token, other donors, and other relations."""
    made: dict[str, dict] = {}
    for name, (prompt, items) in RELATIONS.items():
        known = Known(model, tokenizer, prompt, items)
        row: dict = {"prompt": prompt, "asked": known.asked, "known": len(known.items), "items": known.items}
        made[name] = row
        print(f"{name}: {row['known']} of {row['asked']} known", flush=True)
        if len(known.items) < ENOUGH:
            continue
        donors, receivers = known.pairs()
        answers = known.answers[donors], known.answers[receivers]
        stream, ids = streams(model, known.ids), known.ids[receivers]
        row["subject"] = known.subject
        row["pairs"] = [[known.items[a][0], known.items[b][0]] for a, b in zip(donors, receivers, strict=True)]
        T = known.ids.shape[1]
        for at in range(1, T) if name == "capitals" else (known.subject, T - 1):
            vectors = stream[:, donors, at]
            token = "last" if at == T - 1 else "subject" if at == known.subject else f"token {at}"
            row[token] = flips(patched(model, ids, stream[:, receivers], vectors, at), *answers)
            print(f"  {token}: {row[token]['donor']}", flush=True)
        if name == "capitals":
            own = stream[:, receivers, -1]
            others = torch.stack(
                [streams(model, torch.tensor([prompt_ids(tokenizer, text)]))[:, 0, -1] for text in SENTENCES], dim=1
            )
            noise = torch.randn(own.shape, generator=torch.Generator().manual_seed(0))
            noise *= own.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
            for control, vectors in {
                "last, another sentence": others[:, torch.arange(len(ids)) % len(SENTENCES)],
                "last, noise": noise,
            }.items():
                row[control] = flips(patched(model, ids, stream[:, receivers], vectors, T - 1), *answers)
                print(f"  {control}: receiver's {row[control]['receiver']}", flush=True)
    return made


def lens_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """The logit lens on the last token: rank of the right one, and whether it is the best of all known answers."""
    made = {}
    for name, (prompt, items) in RELATIONS.items():
        known = Known(model, tokenizer, prompt, items)
        if len(known.items) < ENOUGH:
            continue
        logits = read_off(model, streams(model, known.ids)[:, :, -1])  # (depth, n, V)
        right = known.answers.expand(len(logits), -1)
        ranks = 1 + (logits > logits.gather(-1, right[..., None])).sum(-1)  # (depth, n)
        choices = known.answers.unique()
        chosen = choices[logits[..., choices].argmax(-1)]
        top = flips(logits.argmax(-1), known.answers, known.answers)
        made[name] = {
            "known": len(known.items),
            "choices": len(choices),
            "median rank": ranks.float().median(dim=1).values.tolist(),
            "ranks": ranks.T.tolist(),
            "right of the known": (chosen == right).sum(1).tolist(),
            "likeliest of all": top["donor"],
            "from": top["switches"],
        }
        print(f"{name}: right of {len(choices)} {made[name]['right of the known']}, first {top['donor']}", flush=True)
    return made


def attribution_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """What each write adds to the right capital's logit minus that of a reference, the last norm's scale being fixed.

    The references are " the" and the mean of the other known capitals.
    """
    known = Known(model, tokenizer, *RELATIONS["capitals"])
    seen = trace(model, known.ids, weights=False)
    writes = torch.cat([seen.stream[:1], torch.stack([seen.attention, seen.feedforward], 1).flatten(0, 1)])[:, :, -1]
    rms = (seen.stream[-1, :, -1].square().mean(-1, keepdim=True) + model.config.norm_eps).sqrt()
    table = model.head.weight.detach()
    right, n = table[known.answers], len(known.answers)
    others = (right.sum(0) - right) / (n - 1)
    kinds = ("attention", "feed-forward")
    names = ["embedding", *(f"{kind} {layer}" for layer in range(len(model.blocks)) for kind in kinds)]
    made = {}
    for name, reference in {"the": table[tokenizer.encode(" the")[0]], "other capitals": others}.items():
        added = (writes / rms * model.final_norm.weight * (right - reference)).sum(-1).detach()  # (61, n)
        of_write = []
        for write, values in zip(names, added.tolist(), strict=True):
            low, high = bootstrap_interval(values, fmean, resamples=500)
            spread = torch.tensor(values).std().item()
            of_write.append({"write": write, "mean": fmean(values), "low": low, "high": high, "spread": spread})
        made[name] = {"writes": of_write, "total": added.sum(0).tolist()}
        ranked = sorted(of_write, key=lambda row: -abs(row["mean"]))[:6]
        print(name, [(row["write"], round(row["mean"], 2), round(row["spread"], 2)) for row in ranked], flush=True)
    return {"countries": n} | made


PARTS: dict[str, Callable[[Transformer, Tokenizer], dict]] = {
    "patching": patching_part,
    "lens": lens_part,
    "attribution": attribution_part,
    "first token": first_token_part,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=PARTS, help="parts to measure")
    parser.add_argument("--folder", type=Path, default=Path("runs/lens"), help="keeps the parts that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    result: dict = {"model": MODEL}
    for name in arguments.only:
        result[name] = stored(arguments.folder / f"{name}.json", lambda part=PARTS[name]: part(model, tokenizer))
    if set(arguments.only) == set(PARTS):
        print(f"written to {write_result('lens', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
