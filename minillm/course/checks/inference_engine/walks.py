"""What a message says of settled guesses that fit no known mistake, for 12.3: the form, the guess, or the draw."""

from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The form of the result, if all have another; else what the first wrong list does otherwise."""
    return _form(calls, right, got) or next(
        (
            _first(call, due, reply)
            for call, due, reply in zip(calls, right, got, strict=True)
            if difference(due, reply) is not None
        ),
        None,
    )


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    forms = (
        (
            "Only the new token is returned, without the guesses that stay.",
            "Return the guesses that stay, and one token behind them.",
            lambda guesses, due: due[-1:],
        ),
        (
            "Only the new token is returned, without the guesses that stay, and not in a list.",
            "Return a list: the guesses that stay, and one token behind them.",
            lambda guesses, due: due[-1],
        ),
        (
            "The number of guesses that stay is returned, not a list of tokens.",
            "Return a list: the guesses that stay, and one token behind them.",
            lambda guesses, due: len(due) - 1,
        ),
        (
            "The refused guess stays in the list, in front of its replacement.",
            "The replacement takes its place.",
            lambda guesses, due: [*due[:-1], *guesses[len(due) - 1 : len(due)], due[-1]],
        ),
        (
            "The new token stands before the guesses.",
            "It comes behind the guesses that stay.",
            lambda guesses, due: [due[-1], *due[:-1]],
        ),
        (
            "All guesses are kept, and the new token comes behind them.",
            "The list ends where a guess is refused.",
            lambda guesses, due: [*guesses, due[-1]],
        ),
        (
            "The guesses behind a refused one are kept.",
            "They were made for a text that now goes on otherwise. Stop.",
            lambda guesses, due: [*due, *guesses[len(due) :]],
        ),
    )
    for sentence, hint, form in forms:
        made = [form(call[0], due) for call, due in zip(calls, right, strict=True)]
        if difference(made, got) is None:
            return sentence, hint
    return None


def _first(call: Call, due: list[int], reply: Any) -> tuple[str, str] | None:
    """Which guess is judged otherwise, or from which list the new token is drawn."""
    if type(reply) is tuple:
        reply = list(reply)
    if type(reply) is not list or any(type(token) is not int for token in reply):
        return f"The result is {show(reply)}; it should be a list of ids.", "End with a list of whole numbers."
    guesses, offered, wanted, dice, last = call
    stay = len(due) - 1
    same = next((i for i, (a, b) in enumerate(zip(due, reply, strict=False)) if a != b), min(len(due), len(reply)))
    if same < stay:
        p, q = wanted[same][guesses[same]].item(), offered[same][guesses[same]].item()
        sentence = f"Guess {same} stays: its die {dice[same]} is below p / q = {p:.1f} / {q:.1f}. Your list is {reply}."
        return sentence, "Keep guess i if `dice[i]` is below wanted[i][guess] / offered[i][guess]."
    if len(reply) > len(due) and reply[: len(due)] == due:
        return f"There is something behind the new token: {reply} in place of {due}.", "One new token, then stop."
    if stay < len(guesses) and reply[stay : stay + 1] == guesses[stay : stay + 1]:
        p, q = wanted[stay][guesses[stay]].item(), offered[stay][guesses[stay]].item()
        sentence = f"Guess {stay} does not stay: its die {dice[stay]} is not below p / q = {p:.1f} / {q:.1f}."
        return f"{sentence} Your list is {reply}.", "The first guess that does not stay is replaced, and the list ends."
    if len(reply) == stay:
        return "The guesses that stay are right, but no new token comes behind them.", "One more token always comes."
    refused = stay < len(guesses)
    probabilities: Tensor = wanted[stay].double()
    if refused:
        probabilities = (probabilities - offered[stay].double()).clamp(min=0)
        probabilities = probabilities / probabilities.sum()
    place = f"in place of guess {stay}" if refused else "behind all guesses"
    sums = show([round(each, 3) for each in probabilities.cumsum(0).tolist()])
    sentence = (
        f"The guesses that stay are right, but the token {place} is {reply[stay]}, not {due[stay]}: the running sums "
        f"are {sums}, and `last` is {last}."
    )
    hint = "Print your running sums: they should be these, and end at 1."
    return sentence, f"{hint} Then take the first token at which the sum is above `last`."
