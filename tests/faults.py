"""A process that breaks its children again and again, goes on from what is left, and counts what was lost.

    python -m faults FOLDER ROUNDS        # in tests/; prints one JSON object
    python -m faults FOLDER               # what a small disk does, within the one that FOLDER is

Children are forks, so none of them has to import torch; SIGKILL meets them at a moment that is drawn.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import torch
from counting import new_model, settings, text_data
from posttraining.chats import TOKENIZER, chat_data
from safetensors import safe_open

from minillm import assets, pretrain, sft
from minillm.assets import Asset, AssetFile, UrlSource, cached, fetch
from minillm.training.metrics import read_metrics

CONTENT = bytes(range(256)) * 1_000
SMALL_DISK = 1_500_000  # bytes: a run takes some 500,000
CONFIG = settings(steps=80, save_every=16)


def fork(work: Callable[[], object], dies_after: float | None = None) -> bool:
    """Do something in a child, killed after so many seconds; whether that met it alive."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    if dies_after is not None:
        time.sleep(dies_after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def run(train: Callable, data: Any, folder: Path) -> None:
    """A run, kept in a folder and gone on with where there is one; its last loss goes into a file beside it."""
    _, history = train(new_model(vocab_size=TOKENIZER.vocab_size), data, CONFIG, folder, TOKENIZER)
    folder.with_suffix(".loss").write_text(history[-1]["val_loss"].hex(), encoding="ascii")


def saved_step(folder: Path) -> int:
    checkpoint = folder / "checkpoint.safetensors"
    if not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="pt") as file:
        return json.loads(file.metadata()["training"])["step"]


def last_step(folder: Path) -> int:
    lines = read_metrics(folder / "metrics.jsonl") if (folder / "metrics.jsonl").exists() else []
    return lines[-1]["step"] if lines else 0


def killed_runs(train: Callable, data: Any, home: Path, rounds: int, rng: random.Random) -> dict[str, Any]:
    """Kill a run once, go on; the last loss must be that of a run without a kill, to the last bit."""
    start = time.perf_counter()
    fork(lambda: run(train, data, home / "whole"))
    seconds = time.perf_counter() - start
    expected = (home / "whole.loss").read_text(encoding="ascii")
    met, lost, equal = 0, [0], 0
    for number in range(rounds):
        folder = home / f"run{number}"
        met += fork(lambda folder=folder: run(train, data, folder), rng.uniform(0, 0.7 * seconds))
        lost.append(last_step(folder) - saved_step(folder))
        fork(lambda folder=folder: run(train, data, folder))
        equal += folder.with_suffix(".loss").read_text(encoding="ascii") == expected
    return {"injected": rounds, "alive_then": met, "same_end": equal, "most_steps_repeated": max(lost)}


class Slow(BaseHTTPRequestHandler):
    """Sends CONTENT from where it is asked to, a thousand bytes at a time, and notes how many it sent."""

    sent: Path

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[len("bytes=") :].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        try:
            for place in range(start, len(CONTENT), 1_000):
                self.wfile.write(CONTENT[place : place + 1_000])
                with self.sent.open("a", encoding="ascii") as file:
                    file.write("1\n")
                time.sleep(0.001)
        except ConnectionError:
            pass


def killed_downloads(home: Path, rounds: int, rng: random.Random) -> dict[str, Any]:
    """Kill a download three times, then let it be: the file is never there in part, and nothing is sent twice."""
    os.environ["MINILLM_HOME"] = str(home)
    Slow.sent = home / "sent"
    server = HTTPServer(("127.0.0.1", 0), Slow)
    served = os.fork()
    if served == 0:
        server.serve_forever()
    whole, met, again = 0, 0, [0]
    try:
        for number in range(rounds):
            name, place = f"toy{number}", UrlSource(f"http://127.0.0.1:{server.server_port}")
            file = AssetFile("toy.bin", len(CONTENT), sha256(CONTENT).hexdigest(), (place,))
            assets.REGISTRY[name] = Asset(name, "bytes", "none", (file,))
            Slow.sent.unlink(missing_ok=True)
            for _ in range(3):
                met += fork(lambda name=name: fetch(name, progress=False), rng.uniform(0, 0.4))
                final = home / "assets" / name / "toy.bin"
                if final.exists() and final.read_bytes() != CONTENT:
                    raise AssertionError(f"{final} is there, and not whole")
            fetch(name, progress=False)
            whole += cached(name) is not None
            again.append(1_000 * Slow.sent.read_text(encoding="ascii").count("1") - len(CONTENT))
    finally:
        os.kill(served, signal.SIGKILL)
        os.waitpid(served, 0)
    return {"injected": 3 * rounds, "alive_then": met, "same_end": whole, "most_bytes_again": max(again)}


def on_a_small_disk(folder: Path) -> dict[str, Any]:
    """Fill the disk at step 20 of a run and make room at step 60; then a disk that may only be read."""
    ballast = folder / "ballast"

    def fill(metrics: dict[str, Any]) -> None:
        if metrics["step"] == 20:
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while file.write(bytes(1_000)):
                        pass
                except OSError:
                    pass
        elif metrics["step"] == 60:
            ballast.unlink()

    data = text_data()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        _, history = pretrain(new_model(vocab_size=TOKENIZER.vocab_size), data, CONFIG, folder / "run", TOKENIZER, fill)
    undisturbed = pretrain(new_model(vocab_size=TOKENIZER.vocab_size), data, CONFIG)[1]
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        pretrain(new_model(vocab_size=TOKENIZER.vocab_size), data, CONFIG, folder / "other", TOKENIZER)
        refused = ""
    except OSError as error:
        refused = str(error)
    return {
        "steps_not_saved": sum("could not be saved" in str(one.message) for one in warned),
        "lines_in_the_file": len(read_metrics(folder / "run" / "metrics.jsonl")),
        "same_end": history[-1]["val_loss"] == undisturbed[-1]["val_loss"],
        "saved_step": saved_step(folder / "run"),
        "read_only": refused,
    }


def small_disk(folder: Path) -> dict[str, Any] | None:
    """`on_a_small_disk` in a process that may mount one; None where the system does not let us."""
    mount = f'mount -t tmpfs -o size={SMALL_DISK} none "$1" || exit 77; exec "$2" -m faults "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(folder), sys.executable]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        return None
    if done.returncode == 77 or "unshare" in done.stderr:
        return None
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    torch.set_num_threads(1)
    home = Path(sys.argv[1])
    if len(sys.argv) == 2:
        print(json.dumps(on_a_small_disk(home)))
        return
    rounds, rng = int(sys.argv[2]), random.Random(0)
    for name in ("pretrain", "sft", "fetch", "disk"):
        (home / name).mkdir()
    result = {
        "pretraining, killed": killed_runs(pretrain, text_data(), home / "pretrain", rounds, rng),
        "SFT, killed": killed_runs(sft, chat_data(), home / "sft", rounds, rng),
        "a download, killed": killed_downloads(home / "fetch", rounds, rng),
        "a full disk": small_disk(home / "disk"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
