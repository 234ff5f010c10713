import importlib
import io
import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import click
import pytest
import torch
from click.testing import CliRunner
from helpers import small_config

from minillm import assets
from minillm.cli import COMMANDS, Commands, main
from minillm.cli.common import REAL_MODEL
from minillm.cli.doctor import COLUMNS, class_row, diagnose
from minillm.course import models, shipped
from minillm.course.bands import Band, Bands
from minillm.data.corpora import END_OF_TEXT
from minillm.errors import UserError
from minillm.inference.scoring import log_probs
from minillm.model.transformer import Transformer
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import BaseRecipe, recipe_of
from minillm.training.settings import TrainConfig
from minillm.world.experiments import EXPERIMENTS


def run(*arguments: str, text: str | None = None, status: int = 0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=text)
    assert result.exit_code == status, result.output
    return result


def last_json(result) -> dict:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved model that has learnt nothing."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(["the cat sat on the mat"], 280, [END_OF_TEXT])
    tokenizer.bos_token = tokenizer.eos_token = END_OF_TEXT
    path = tmp_path_factory.mktemp("run") / "model"
    save(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=40)), tokenizer, path)
    return path


def test_a_character_that_an_output_lacks_costs_itself_alone(monkeypatch):
    arrow = click.Command("arrow", callback=lambda: click.echo("from here \u2192 there"))
    monkeypatch.setattr(Commands, "get_command", lambda *_: arrow)
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="cp1252"))
    main(["arrow"], standalone_mode=False)
    sys.stdout.flush()
    assert written.getvalue().decode("cp1252").strip() == "from here ? there"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_the_table_says(name):
    shown = run(name, "--help")
    assert shown.exit_code == 0
    assert f"Usage: main {name} " in shown.output
    assert f"  {name} " in run("--help").output


def test_the_list_of_commands_needs_no_torch_and_leaves_out_the_course_where_it_is_not():
    program = "import sys; from minillm import cli; {}; cli.main(['--help'], standalone_mode=False); "
    program += "assert 'torch' not in sys.modules"
    for change, listed in [("0", True), ("cli.is_installed = lambda name: False", False)]:
        shown = subprocess.run([sys.executable, "-c", program.format(change)], capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        assert "pretrain" in shown.stdout
        assert ("progress" in shown.stdout) == listed


def test_the_help_of_the_courses_commands_needs_no_torch():
    program = "import sys; from minillm import cli\n"
    program += "for name in ('progress', 'grade', 'bundle', 'tour', 'workbook'):\n"
    program += "    cli.main([name, '--help'], standalone_mode=False)\n"
    program += "    assert not {'torch', 'matplotlib'} & sys.modules.keys(), name"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("Usage: ") == 5


def test_generate_is_the_packages_generate(folder):
    from minillm import generate, load

    model, tokenizer = load(folder)
    ids = [tokenizer.bos_id, *tokenizer.encode("the cat")]
    expected = generate(model, ids, 9, temperature=0.5, top_k=20, seed=4, stop=[tokenizer.eos_id])[len(ids) :]
    options = ["--max-new-tokens", "9", "--temperature", "0.5", "--top-k", "20", "--seed", "4"]
    result = last_json(run("generate", "--model", folder, "--prompt", "the cat", "--json", *options))
    assert result["new_tokens"] == len(expected)
    assert result["prompt_tokens"] == len(ids)
    assert result["text"] == tokenizer.decode([i for i in expected if i != tokenizer.eos_id])
    assert result["log_prob"] == pytest.approx(log_probs(model, ids + expected)[len(ids) - 1 :].sum().item(), abs=1e-3)
    assert result["finished"] == ("stop" if expected[-1] == tokenizer.eos_id else "length")


def test_generate_stops_or_slides_at_the_end_of_the_context(folder):
    options = ["--model", folder, "--prompt", "the cat", "--max-new-tokens", "60", "--temperature", "0", "--json"]
    results = [last_json(run("generate", *options, "--when-full", way)) for way in ("stop", "slide")]
    assert [result["finished"] for result in results] == ["context", "length"]
    assert [result["new_tokens"] for result in results] == [40 - results[0]["prompt_tokens"], 60]


def test_without_a_prompt_the_model_begins_by_itself(folder):
    assert last_json(run("generate", "--model", folder, "--max-new-tokens", "5", "--json"))["prompt_tokens"] == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--prompt", ""], "the prompt is empty"),
        (["--chat"], "--chat needs a question"),
        (["--prompt", "a", "--temperature", "-1"], "temperature is -1.0"),
        (["--prompt", "a", "--top-p", "1.5"], "top_p is 1.5"),
        (["--prompt", "the cat sat " * 30], "this model was built for 40"),
        (["--prompt", "a", "--device", "abacus"], "unknown device 'abacus'"),
        (["--prompt", "a", "--chat"], "chat template"),
        (["--prompt", "a", "--weights", "native"], "weights='native' is for .gguf files"),
        (["--prompt", "a", "--stop", ""], "a stop string is empty"),
    ],
)
def test_bad_options_get_a_sentence(folder, options, sentence):
    result = run("generate", "--model", folder, *options, status=1)
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_an_unknown_model_is_told_the_near_one():
    result = run("generate", "--model", "smollm2-135-instruct", "--prompt", "a", status=1)
    assert REAL_MODEL in result.stderr


def test_a_traceback_on_demand(folder):
    result = CliRunner().invoke(main, ["--traceback", "generate", "--model", str(folder), "--prompt", ""])
    assert isinstance(result.exception, UserError)


@pytest.mark.parametrize("bug", [IndexError("list index out of range"), ValueError("not enough values to unpack")])
def test_a_bug_keeps_its_traceback(monkeypatch, folder, bug):
    def fails(*_, **__):
        raise bug

    monkeypatch.setattr(importlib.import_module("minillm.cli.generate"), "load", fails)
    result = CliRunner().invoke(main, ["generate", "--model", str(folder), "--prompt", "a"])
    assert result.exception is bug
    assert "Error: " not in result.output


def test_fetch_lists_and_refuses_the_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    listing = last_json(run("fetch", "--json"))
    assert set(listing) == set(assets.REGISTRY)
    assert all(facts["path"] is None for facts in listing.values())
    assert "no asset" in run("fetch", "smollm", status=1).stderr


def test_doctor_finds_this_computer_fit_to_compute():
    report = last_json(run("doctor", "--device", "cpu", "--json"))
    assert report["loss_difference"] < 1e-2
    assert report["torch"] == torch.__version__
    assert report["float32_gflops"] > 0


def test_doctor_names_each_trouble():
    report = dict(disk_free_gb=0.5, memory_gb=1.0, loss_difference=0.3, device="mps", real_model="", browser="")
    complaints = " ".join(diagnose(report))
    for part in (
        "0.5 GB of disk",
        "1.0 GB of memory",
        "differ from the CPU's by 0.3 nats",
        "minillm fetch",
        "no browser",
    ):
        assert part in complaints
    fit = dict(disk_free_gb=50, memory_gb=None, loss_difference=0.0, device="cpu", real_model="x", browser="firefox")
    assert diagnose(fit) == []


def test_doctor_gives_one_line_a_laptop_for_the_sheet_of_a_class(monkeypatch, tmp_path):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "nothing")
    result = run("doctor", "--device", "cpu", "--row")
    header = result.stderr.splitlines()[-1].split("\t")
    (line,) = result.stdout.splitlines()
    row = dict(zip(header, line.split("\t"), strict=True))
    assert row["torch"] == torch.__version__
    assert row["losses right"] == "yes"
    assert float(row["matmul GFLOP/s"]) > 0
    assert (row["weights"], row["course models"]) == ("no", "none")
    for part in ("minillm fetch smollm2-135m-instruct", ", ".join([*models.DEFAULTS, "sweep"]), "setup --from"):
        assert part in row["verdict"]


@pytest.mark.parametrize(
    ("change", "column", "says"),
    [
        ({}, "verdict", "ready"),
        ({"loss_difference": 0.3}, "losses right", "no"),
        ({"memory_gb": None}, "memory GB", "?"),
        ({"course_models": {"base": True, "sft": False}}, "course models", "base"),
    ],
)
def test_the_line_of_a_laptop_says_what_to_do_or_that_it_is_ready(change, column, says):
    report = dict(system="Linux x86_64", python="3.11.7", torch="2.6.0", cores=2, memory_gb=8.0, disk_free_gb=50.0)
    report |= dict(loss_difference=0.0, device="cpu", float32_gflops=190, real_model="x", browser="firefox")
    report |= {"course_models": {"base": True, "sft": True}} | change
    line = class_row("=lena's\tlaptop", report, diagnose(report))
    row = dict(zip(COLUMNS, line.split("\t"), strict=True))
    assert row["name"] == "'=lena's laptop"  # a sheet must not take a name for a formula
    assert row[column] == says
    assert (row["verdict"] == "ready") == (change in ({}, {"memory_gb": None}))


def test_doctor_looks_at_a_run(tmp_path, monkeypatch):
    band = Band((1, 1000), (6.9, 0.7), (6.93, 0.75), (6.95, 0.8))
    bands = Bands({"batch_size": 8}, 5, 6.93, band, Band((), (), (), ()))
    monkeypatch.setattr("minillm.course.bands.load_bands", lambda: bands)
    lines = [{"step": 1, "loss": 6.93}, {"step": 1000, "loss": 3.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run("doctor", "--run", tmp_path, "--json")
    report = last_json(result)
    assert [row["word"] for row in report["rows"]] == ["normal", "far above"]
    assert not report["normal"]
    for part in (
        "0.70 to 0.80  far above",
        "does not tell its model, training, batch_size",
        "read the verdict with care",
    ):
        assert part in result.stderr
    assert report["verdict"].startswith(
        "At step 1,000, five seeds had a training loss of 0.70 to 0.80; 3.00 is far above."
    )
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 6.9}\n{"step": \n')
    assert "metrics.jsonl, line 2: Expecting value" in run("doctor", "--run", tmp_path, status=1).stderr
    assert "there is no" in run("doctor", "--run", tmp_path / "nowhere", status=1).stderr


TRAINING = ["--documents", "300", "--batch-size", "2"]


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """Token files of a test go where nobody else's are."""
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path_factory.mktemp("cache")))


def test_pretrain_reports_its_place_between_bigram_and_floor(tmp_path, cache):
    result = last_json(run("pretrain", "--out", tmp_path / "run", "--steps", "3", "--json", *TRAINING))
    assert result["kl"] == pytest.approx(result["val_loss"] - result["floor"], abs=2e-5)
    whole = result["bigram_loss"] - result["floor"]
    assert result["closed"] == pytest.approx((result["bigram_loss"] - result["val_loss"]) / whole, abs=1e-3)
    assert result["tokens_per_second"] > 0
    assert "already holds a run" in run("pretrain", "--out", tmp_path / "run", status=1).stderr
    written = run("generate", "--model", tmp_path / "run", "--max-new-tokens", "4", "--json")
    assert last_json(written)["new_tokens"] == 4


@pytest.mark.slow
def test_eval_tells_chance_model_and_perfect_of_every_experiment(tmp_path, cache):
    run("pretrain", "--out", tmp_path / "run", "--steps", "1", *TRAINING)
    result = last_json(run("eval", tmp_path / "run", "--questions", "2", "--samples", "2", "--json"))
    assert set(result["experiments"]) == set(EXPERIMENTS)
    for splits in result["experiments"].values():
        for score in (splits["training"], splits["held-out"]):
            assert 0 < score["chance"] < score["perfect"] == 1
            assert 0 <= score["model"] <= 1
    assert [sum(shares.values()) for shares in result["samples"].values()] == [1, 1, 1]
    assert "no end token" in run("eval", endless(tmp_path), status=1).stderr


def endless(tmp_path):
    """A model whose tokenizer has no end."""
    tokenizer = Tokenizer.train(["the cat sat on the mat"], 270)
    save(Transformer(small_config(vocab_size=tokenizer.vocab_size)), tokenizer, tmp_path / "endless")
    return tmp_path / "endless"


def test_pretrain_says_why_it_cannot_compile_here(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr("minillm.device._paths_in_the_link_command", lambda: {"/a b": "install torch in"})
    refused = run("pretrain", "--out", tmp_path / "run", "--steps", "1", "--compile", *TRAINING, status=1)
    assert "cannot link from a path with a space, '/a b'; leave compile out, or install torch in" in refused.stderr


def test_pretrain_on_a_text_file_has_no_floor_to_show(tmp_path, cache):
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"The cat number {n} sat on the mat." for n in range(60)), encoding="utf-8")
    result = last_json(run("pretrain", "--corpus", text, "--out", tmp_path / "run", "--steps", "2", "--json"))
    assert "floor" not in result
    assert result["bigram_loss"] > 0


@pytest.mark.slow
def test_resume_keeps_the_settings_it_began_with(tmp_path, cache, monkeypatch):
    out = tmp_path / "run"
    assert "holds no run" in run("pretrain", "--out", out, "--resume", status=1).stderr
    first = last_json(run("pretrain", "--out", out, "--steps", "2", "--json", *TRAINING))
    changed = BaseRecipe("world", batch_size=7, training=TrainConfig(steps=9))  # the recipe may have changed since
    monkeypatch.setattr(importlib.import_module("minillm.cli.pretrain"), "recipe_of", lambda *_: changed)
    again = last_json(run("pretrain", "--out", out, "--resume", "--json"))
    assert again["val_loss"] == first["val_loss"]
    refused = run("pretrain", "--out", out, "--resume", "--steps", "9", status=1)
    assert "has steps = 2; a resumed run cannot change it to 9" in refused.stderr


def test_what_is_not_said_is_in_the_presets_recipe(tmp_path, cache):
    out = tmp_path / "run"
    run("pretrain", "--out", out, "--steps", "1", "--weight-decay", "0.03", *TRAINING)
    kept = json.loads((out / "run.json").read_text(encoding="utf-8"))
    settings = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert (kept["documents"], kept["batch_size"], settings["steps"]) == (300, 2, 1)
    assert settings == asdict(replace(recipe_of("tiny", "world").training, steps=1, weight_decay=0.03))
    (line,) = (json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines())
    assert line["above_floor"] > 0
    assert line["flop_utilization"] >= 0


@pytest.mark.slow
def test_minutes_take_the_place_of_the_default_steps(tmp_path, cache):
    out = tmp_path / "run"
    first = last_json(run("pretrain", "--out", out, "--minutes", "0.01", "--optimizer", "muon", "--json", *TRAINING))
    settings = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert (settings["steps"], settings["minutes"], settings["optimizer"]) == (None, 0.01, "muon")
    again = last_json(run("pretrain", "--out", out, "--resume", "--json"))
    assert (again["steps"], again["val_loss"]) == (first["steps"], first["val_loss"])  # its time was spent


def test_a_model_larger_than_this_computer_is_refused(tmp_path):
    result = run("pretrain", "--preset", "gpt3", "--out", tmp_path / "run", status=1)
    assert "training 'gpt3' takes at least 2,793.7 GB" in result.stderr  # 16 bytes for each of 174.604 billion


def test_a_damaged_run_is_named(tmp_path, cache):
    out = tmp_path / "run"
    run("pretrain", "--out", out, "--steps", "1", *TRAINING)
    whole = (out / "run.json").read_text(encoding="utf-8")
    (out / "run.json").write_text('{"steps": ', encoding="utf-8")
    assert "run.json is damaged" in run("pretrain", "--out", out, "--resume", status=1).stderr
    for odd in ('{"steps": "many"}', '{"batch_size": 1e999}', '{"compile": []}', "[" * 5_000):
        (out / "run.json").write_text(odd, encoding="utf-8")
        assert "run.json is damaged" in run("pretrain", "--out", out, "--resume", status=1).stderr
    for odd in (whole.replace('"training"', '"schooling"'), whole.replace('"clip_norm"', '"no_such_setting"')):
        (out / "run.json").write_text(odd, encoding="utf-8")
        assert "run.json is damaged" in run("pretrain", "--out", out, "--resume", status=1).stderr


def test_resume_refuses_another_text_under_the_same_name(tmp_path, cache):
    text, out = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("\n\n".join(f"The cat number {n} sat on the mat." for n in range(60)), encoding="utf-8")
    run("pretrain", "--corpus", text, "--out", out, "--steps", "1")
    with text.open("a", encoding="utf-8") as file:
        file.write("\n\nAnd a dog.")
    refused = run("pretrain", "--out", out, "--resume", status=1)
    assert f"the corpus {text} is not what the run in {out} began with" in refused.stderr


def test_pretrain_takes_a_folder_and_reads_documents_longer_than_the_model(tmp_path, cache):
    folder = tmp_path / "texts"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.md").write_text(
            f"{n}. " + "The cat sat on the mat, and the dog did not. " * 60, encoding="utf-8"
        )
    result = last_json(run("pretrain", "--corpus", folder, "--out", tmp_path / "run", "--steps", "1", "--json"))
    assert result["val_loss"] > 0


@pytest.mark.parametrize(
    ("corpus", "sentence"),
    [
        ("wrold", "there is no corpus 'wrold'; did you mean 'world'?"),
        ("tinystories", "minillm fetch tinystories (2,250 MB)"),
        ("empty folder", "holds no text"),
    ],
)
def test_a_corpus_that_is_not_there_gets_a_sentence_and_leaves_no_run_behind(tmp_path, cache, corpus, sentence):
    (tmp_path / "empty folder").mkdir()
    name = tmp_path / corpus if " " in corpus else corpus
    refused = run("pretrain", "--corpus", name, "--out", tmp_path / "run", status=1)
    assert sentence in refused.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_says_how_to_go_on(tmp_path, cache):
    out = tmp_path / "run"
    program = [sys.executable, "-m", "minillm", "pretrain", "--out", str(out), "--steps", "500", *TRAINING]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        seen = ""
        while "step 10/500" not in seen:
            piece = process.stderr.read(1)
            assert piece, seen  # else it ended before it came that far
            seen += piece
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate()
    assert process.returncode == 1
    assert f"minillm pretrain --out {out} --resume" in rest
    assert (out / "checkpoint.safetensors").exists()


@pytest.mark.real
def test_the_real_model_knows_the_capital_of_france(real_weights):
    question = ["--chat", "--prompt", "What is the capital of France?", "--temperature", "0"]
    result = last_json(run("generate", "--model", REAL_MODEL, *question, "--json"))
    assert "Paris" in result["text"]
    assert result["ended"]


@pytest.mark.real
def test_a_conversation_ends_with_its_json(real_weights):
    options = ["--temperature", "0", "--max-new-tokens", "12", "--system", "You are brief."]
    result = run("chat", *options, "--json", text="Say hello.\n/reset\nWhat is 2 + 2?\n\n")
    messages = last_json(result)["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[1]["content"] == "What is 2 + 2?"


@pytest.mark.slow
@pytest.mark.real
def test_the_tour_passes_every_box(real_weights):
    output = run("tour", "--question", "What is the capital of France?").output
    for part in ("'The'=504", "Tokenizer", "Embedding", "30 transformer blocks", "softmax", "Sampling", "Paris"):
        assert part in output
    assert output.endswith("In the course's folder, `python3 start.py` opens them.\n")
    assert "the prompt is empty" in run("tour", "--prompt", "", status=1).stderr
