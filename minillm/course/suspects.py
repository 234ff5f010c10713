"""Stored runs of lesson 08: five of which four have a bug, and two optimizers beside each other.

show_suspects   draw the five, without their names or with them
true_losses     print what their models pay for new text
caught          from which update on a bug makes a loss too low
show_race       draw Muon beside AdamW
counted         what n-grams pay that were counted on the same texts; `say_base` is how far the base model came
"""

from statistics import fmean
from typing import Any

from minillm.course import models, own_run
from minillm.course.stack import results
from minillm.viz.figures import lines, show

SUSPECTS = {
    "A": "targets of another row",
    "B": "targets not shifted",
    "C": "",
    "D": "no causal mask",
    "E": "rate 100 times too low",
}  # as the page's first figure has them; "" is the right one


def broken() -> dict[str, Any]:
    """The runs of benchmarks/results/broken_runs.json."""
    return results("broken_runs")


def suspect_curves(until: int = own_run.UPDATES) -> dict[str, tuple[list[int], list[float]]]:
    """Updates and losses of the five runs of seed 0, under letters."""
    found = broken()
    curves = {}
    for letter, bug in SUSPECTS.items():
        curve = found["bugs"][bug][0]["curve"] if bug else found["right"]["curves"][0]
        pairs = [pair for pair in zip(curve["steps"], curve["loss"], strict=True) if pair[0] <= until]
        curves[letter] = ([step for step, _ in pairs], [loss for _, loss in pairs])
    return curves


def show_suspects(title: str, named: bool = False) -> None:
    """Draw the five runs; `named` tells what each of them is, and draws the two lines to compare with."""
    names = {letter: f"{letter}: {bug or 'right'}" if named else letter for letter, bug in SUSPECTS.items()}
    curves = {names[letter]: curve for letter, curve in suspect_curves().items()}
    told = "; ".join(f"{name} ends at {losses[-1]:.2f}" for name, (_, losses) in curves.items())
    figure = lines(
        {name: losses for name, (_, losses) in curves.items()},
        "update",
        own_run.PANEL,
        {name: steps for name, (steps, _) in curves.items()},
        own_run.levels() if named else None,
        ylim=(0, 8.5),
    )
    show(figure, title=title, alt=f"Training loss: {told}.")


def true_losses() -> str:
    """Print what the five finished models pay for new text, without its bug; returns the letter of the best."""
    found, paid = broken(), {}
    for letter, bug in SUSPECTS.items():
        every = [run["true loss"] for run in found["bugs"][bug]] if bug else found["right"]["val_loss"]
        paid[letter] = fmean(every)
        last = suspect_curves()[letter][1][-1]
        print(f"{letter}: training loss {last:.2f} at the end; on new text {paid[letter]:5.2f}")
    return min(paid, key=paid.__getitem__)


def caught(bug: str, ahead: float = 0.5) -> int:
    """The first update after which all runs with a bug stay so many nats below the right run of the same seed."""
    found, last = broken(), 0
    for run, right in zip(found["bugs"][bug], found["right"]["curves"], strict=False):
        steps, losses = run["curve"]["steps"], run["curve"]["loss"]
        gaps = [due - loss for due, loss in zip(right["loss"], losses, strict=True)]
        last = max(last, max((step for step, gap in zip(steps, gaps, strict=True) if gap < ahead), default=0))
    return next(step for step in found["right"]["curves"][0]["steps"] if step > last)


def show_race() -> dict[str, float]:
    """Draw three seeds of Muon and of AdamW, each at its best rate, from benchmarks/results/optimizers.json.

    Returns how far AdamW's mean is from where Muon ended, from the bigrams, and from halfway between the two.
    """
    found = results("optimizers")
    curves = {name: [run["loss"] for run in found["curves"][name]] for name in ("Muon", "AdamW")}
    told = [f"{name} " + ", ".join(f"{run['val_loss']:.2f}" for run in found["best"][name]["runs"]) for name in curves]
    levels = own_run.levels() | {"5-grams": counted()[5]}
    steps = found["curves"]["Muon"][0]["steps"]
    figure = lines(curves, "update", own_run.PANEL, steps, levels, ylim=(0, 8.5))
    show(figure, title="Three seeds each, at the best rate: AdamW ends near the bigrams", alt="; ".join(told))
    print("\n".join(f"on new documents: {line} nats per token" for line in told))
    muon, adamw = (fmean(run["val_loss"] for run in found["best"][name]["runs"]) for name in curves)
    places = {
        "about where Muon ended": muon,
        "halfway to the bigrams": (muon + own_run.lesson().bigram) / 2,
        "about at the bigrams": own_run.lesson().bigram,
    }
    return {place: abs(adamw - loss) for place, loss in places.items()}


def counted() -> dict[int, float]:
    """What n-grams pay that were counted on the documents of the run, in nats per token of the validation documents.

    >>> list(counted())
    [2, 3, 4, 5, 6]
    """
    found = results("optimizers")["n-grams"]
    return {int(n): row["val_loss"] for n, row in found.items() if n != "1"}


def say_base() -> None:
    """Print how far the course's base model came."""
    trained = own_run.Trained(models.base()[0])
    loss, way = trained.val_loss, f"{trained.closed:.0%} of the way"
    print(
        f"the course's base model, 660 updates: {loss:.2f}, {loss - own_run.lesson().floor:.2f} above the floor, {way}"
    )
