"""The figures that README and benchmarks/README tell are those that the benchmarks wrote into their results."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

ROOT = Path(__file__).resolve().parent.parent


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def result(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def table(heading: str, name: str = "benchmarks/README.md") -> list[list[str]]:
    """The rows of a page's table whose first line begins so, cell by cell."""
    lines = page(name).split(f"\n| {heading}")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def told(share: float, spec: str = ".0%") -> str:
    return format(share, spec).replace("%", " %")


def spread(values: Sequence[float], spec: str, scale: float = 1) -> str:
    """Lowest to highest, in parentheses."""
    return f"({span(values, spec, scale)})"


def test_the_readmes_figures_are_those_of_the_benchmarks():
    """Each row's last two cells: the baseline and the result, with the range over seeds."""
    bases = [result("pretrain"), result("pretrain_long")]
    race, sft, decode = result("train"), result("sft"), result("decode")
    answered = [run["held-out"]["all"] for run in sft["runs"]]
    pairs = [run["groups"]["all"] for run in result("reward")["runs"]]
    agreed, ratios = [row["expected"] for row in pairs], decode["ratios"]
    perplexity = {row["contestant"]: row.get("perplexity_change") for row in decode["rows"]}
    assert race["reached"]
    assert {len(runs) for runs in (*(base["runs"] for base in bases), race["rows"], answered, pairs)} == {3}
    closed = [
        f"{told(base['closed']['mean'], '.1%')} {spread([run['closed'] for run in base['runs']], '.1f', 100)} "
        f"in {base['seconds']['mean']:.0f} s"
        for base in bases
    ]
    rows = table("what | baseline", "README.md")
    assert [row[2] for row in rows] == [
        ", ".join(closed),
        f"{race['median_ratio']:.1f} times as fast {spread(race['ratio'], '.2f')}",
        f"{told(fmean(answered), '.1%')} {spread(answered, '.1f', 100)}",
        f"{told(fmean(agreed), '.1%')} {spread(agreed, '.1f', 100)}",
        f"{decode['tokens_per_second']:.0f} tokens per second: {ratios['over transformers bfloat16']:.1f} times "
        f"`transformers`, {ratios['over llama_cpp Q4_1']:.1f} times `llama_cpp`",
    ]
    assert f"{race['target']} nats" in rows[1][0]
    assert rows[1][1].endswith(f"which end at {fmean(row['loss_plain'] for row in race['rows']):.2f}")
    assert rows[2][1].endswith(f": {told(sft['base']['all'], '.1%')}")
    assert rows[3][1].endswith(f": {told(fmean(row['ceiling'] for row in pairs), '.1%')}")
    assert rows[4][0].endswith(f"perplexity {told(perplexity[decode['configuration']], '+.2%')}")


def test_the_first_table_of_the_benchmarks_page():
    tokenizer, bases = result("tokenizer"), [result("pretrain"), result("pretrain_long")]
    chat = fmean(run["held-out"]["all"] for run in result("sft")["runs"])
    judge = fmean(run["groups"]["all"]["expected"] for run in result("reward")["runs"])
    closed = fmean(run["ppo"]["closed"] for run in result("alignment")["runs"])
    pace = {(row["who"], row["d_model"]): row["tokens_per_second"] for row in result("train_throughput")["rows"]}
    reached = [f"{told(base['closed']['mean'], '.1%')} after {base['seconds']['mean']:.0f} s" for base in bases]
    families = result("parity")["rows"]
    apart = max(max(row["read"], row["written"]) for row in families)
    same = all(row["greedy_read"] and row["greedy_written"] for row in families)
    figures = [
        f"{result('train')['median_ratio']:.1f} times as fast",
        ", ".join(reached),
        f"{pace['ours bf16', 512] / pace['plain float32', 512]:.1f} times as fast",
        told(chat, ".1%"),
        told(judge, ".1%"),
        told(closed),
        f"{result('decode')['ratios']['over transformers bfloat16']:.1f} times as fast",
        f"at most {apart * 1e5:.1f}e-5 apart, 64 greedy tokens {'equal' if same else 'differ'}",
        f"{tokenizer['train_ratio']:.1f} times as fast",
        f"{tokenizer['encode_ratio']:.1f} times as fast",
    ]
    rows = table("what | baseline")
    assert [row[-1] for row in rows] == figures
    pairs = [run["groups"]["all"] for run in result("reward")["runs"]]
    civil, ceiling = (told(fmean(row[key] for row in pairs), ".1%") for key in ("civil", "ceiling"))
    assert rows[3][1].endswith(f": {told(result('sft')['base']['all'], '.1%')}")
    assert rows[4][1] == f"manners and length alone: {civil}; the best possible: {ceiling}"
    ratios, text = result("decode")["ratios"], " ".join(page("benchmarks/README.md").split())
    assert f"where we decode {ratios['over llama_cpp Q4_1']:.1f} times as fast" in text
    assert f"where ours is {ratios['batch of 8 over transformers float32']:.1f} times as fast." in text


def test_the_readmes_picture_has_the_figures_of_its_run():
    run = result("pretrain")["runs"][0]
    figures = [f"{run['seconds']:.0f} s", *(f"{run[loss]:.2f}" for loss in ("val_loss", "bigram_loss", "floor"))]
    caption = page("README.md").split("\n*Right: ")[1].split("*\n")[0]
    assert re.findall(r"\d[\d.]*(?: s| %)?", caption) == [*figures, told(run["closed"], ".1%")]


def with_range(values: Sequence[float], spec: str, wide: float = 0) -> str:
    """Their mean; in brackets least and most, where these are as far apart as `wide` or more."""
    low, high = (format(end(values), spec).rstrip("%") for end in (min, max))
    return told(fmean(values), spec) + (f" ({low} to {high})" if max(values) - min(values) >= wide else "")


def seconds(runs: list[dict]) -> str:
    return f"{min(one['seconds'] for one in runs):.0f} to {max(one['seconds'] for one in runs):.0f}"


def test_what_the_base_models_have_learnt():
    names = ("facts", "analogies", "homonyms", "reversals", "tracking", "sums")
    lengths = [[run["experiments"] for run in result(name)["runs"]] for name in ("pretrain", "pretrain_long")]
    for name, row in zip(names, table("| guessing"), strict=True):
        scores = [[run[name]["held-out"] for run in runs] for runs in lengths]
        models = [with_range([one["model"] for one in runs], ".0%", 0.0995) for runs in scores]
        assert row[0].startswith(name)
        assert row[1:] == [told(scores[0][0]["chance"]), *models]


def span(values: Sequence[float], spec: str, scale: float = 1) -> str:
    return " to ".join(format(end(values) * scale, spec) for end in (min, max))


def test_the_sentences_of_the_benchmarks_page():
    text = " ".join(page("benchmarks/README.md").split())
    short, long = (result(name)["runs"] for name in ("pretrain", "pretrain_long"))
    share = {name: span([run["closed"] for run in runs], ".1f", 100) for name, runs in (("s", short), ("l", long))}
    time = {name: span([run["seconds"] for run in runs], ".0f") for name, runs in (("s", short), ("l", long))}
    kl = {"s": span([run["kl"] for run in short], ".3f"), "l": span([run["kl"] for run in long], ".3f")}
    chat, reward = (result(name)["runs"] for name in ("sft", "reward"))
    rows = [run["groups"]["all"] for run in reward]
    quiet = result("alignment")["runs"][1:]
    seconds_of = {name: span([run[name]["seconds"] for run in quiet], ".0f") for name in ("ppo", "grpo")}
    dpo = [f"{run['dpo']['closed'] * 100:.0f}" for run in result("alignment")["runs"]]
    answered = span([run["held-out"]["all"] for run in chat], ".1f", 100)
    for sentence in (
        f"{share['s']} % of the way from the bigram model to the floor is done after {time['s']} seconds, KL {kl['s']}",
        f"it is {share['l']} % after {time['l']} seconds, KL {kl['l']}.",
        f"instructions exactly, the chat model {answered} %.",
        f"A run takes {span([run['seconds'] for run in chat], '.0f')} seconds.",
        f"to be expected are {span([row['expected'] for row in rows], '.1f', 100)} % of held-out pairs",
        f"the best there is are {fmean(row['ceiling'] for row in rows) * 100:.1f}.",
        f"PPO takes {seconds_of['ppo']} seconds, GRPO {seconds_of['grpo']},",
        f"{dpo[0]} % flatter it: seeds 1 and 2, with {dpo[1]} and {dpo[2]} %,",
    ):
        assert sentence in text


def test_what_each_method_brings():
    names = {"PPO": "ppo", "GRPO": "grpo", "DPO": "dpo", "DPO, chosen by the judge": "dpo-judge"}
    runs = result("alignment")["runs"]
    chat, best, *methods = table("method | utility")
    means = {key: fmean(run["SFT"][key] for run in runs) for key in ("utility", "accuracy")}
    assert chat == ["SFT", f"{means['utility']:.2f}", "", "", told(means["accuracy"], ".1%"), "", ""]
    assert best[:3] == ["best-of-64", f"{fmean(run['best-of-64']['utility'] for run in runs):.2f}", "100 %"]
    assert best[-1] == seconds([run["best-of-64"] for run in runs])
    assert [row[0] for row in methods] == list(names)
    for name, *row in methods:
        ran = [run[names[name]] for run in runs]
        closed = ", ".join(f"{share * 100:.0f}" for share in sorted(one["closed"] for one in ran))
        wins = told(fmean(one["win_rate"][0] for one in ran))
        mean = {key: fmean(one[key] for one in ran) for key in ("utility", "kl", "accuracy")}
        expected = [f"{mean['utility']:.2f}", f"{closed} %", f"{mean['kl']:.1f}", told(mean["accuracy"], ".1%"), wins]
        assert row == [*expected, seconds(ran)]


def test_what_a_spoilt_judge_does():
    prices = list(zip(*result("reward_hacking")["seeds"], strict=True))
    for runs, row in zip(prices, table("price of a nat"), strict=True):
        columns = {key: [run[key] for run in runs] for key in ("kl", "reward", "utility", "accuracy")}
        first = runs[0]["price"] is None
        assert row[0] == ("SFT" if first else f"{runs[0]['price']:g}")
        assert row[1] == ("0" if first else with_range(columns["kl"], ".0f"))
        assert row[2:4] == [with_range(columns[key], ".1f") for key in ("reward", "utility")]
        assert row[4] == told(fmean(columns["accuracy"]))


def test_the_ladder_of_decoding():
    contestants = result("decode")["rows"]
    for one, row in zip(contestants, table("| tokens/s"), strict=True):
        assert row[0].replace("`", "").replace(",", "") == one["contestant"].replace(",", "")
        batch, perplexity = one["tokens_per_second_batch_8"], one["perplexity"]
        assert row[1:3] == [f"{one['tokens_per_second']:.0f}", f"{batch:.0f}" if batch else ""]
        assert row[3] == f"{one['seconds_to_first_token_of_512']:.1f}"
        change = one.get("perplexity_change")
        assert row[4] == (f"{perplexity:.3f}" if perplexity else "") + (f" ({told(change, '+.2%')})" if change else "")


def test_what_faults_cost():
    rows = result("faults")["rows"]
    figures = [rows["pretraining, killed"], rows["SFT, killed"], rows["a download, killed"]]
    killed = table("fault | injected")[:3]
    for one, row in zip(figures, killed, strict=True):
        assert row[1:3] == [f"{one['injected']}", f"{one['alive_then']}"]
        assert row[3].startswith(f"{one['same_end']} of {result('faults')['rounds']}")
        again = one.get("most_bytes_again", 0) // 1000 or one["most_steps_repeated"]
        assert re.match(r"\d+", row[4]).group() == f"{again}"


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")))
def test_a_result_says_on_which_machine(name):
    assert {"processor", "cores", "system", "python", "packages"} <= set(result(name)["machine"])
