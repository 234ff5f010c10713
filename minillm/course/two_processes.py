"""Start a small program in several processes that share sums, on this machine and without a network.

The processes find each other by a file and talk over the loopback interface (Gloo), so nothing has to be configured.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from minillm.errors import UserError

PRELUDE = """
import os
from datetime import timedelta
import torch
import torch.distributed as dist
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
if world_size > 1:
    store = dist.FileStore(os.environ["MINILLM_STORE"], world_size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size, timeout=timedelta(seconds=60))
"""
EPILOGUE = """\
if world_size > 1:
    dist.destroy_process_group()
"""
MARK = "\x1e"  # ASCII's record separator
LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # elsewhere, Gloo finds an interface itself


class JobError(UserError):
    """A job that failed, or that was stopped because it waited too long."""


def launch(program: str, world_size: int = 2, seconds: float = 90.0) -> list[str]:
    """Run a program in `world_size` processes at once; returns what each printed, by rank.

    The program finds `torch`, `dist` (torch.distributed, joined already), `rank` and `world_size`. Numbers are float64,
    and each process uses one thread. Raises `JobError` with the last line of a failed process, or with the ranks that
    were still waiting after so many seconds; no process is left behind.

    >>> launch("print(rank, world_size)", world_size=1)
    ['0 1\\n']
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.py").write_text("\n".join((PRELUDE, program, EPILOGUE)), encoding="utf-8")
        said = [folder / f"said-{rank}.txt" for rank in range(world_size)]
        running = [_start(folder, rank, world_size, path) for rank, path in enumerate(said)]
        try:
            late = _wait(running, seconds)
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.wait()
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in said]
    if late:
        raise JobError(f"after {seconds:g} s, ranks {late} still wait; does each rank call the same sums?")
    # a process that did all its work and fell over on its way out isn't told
    failed = [rank for rank, process in enumerate(running) if process.returncode and "Error" in texts[rank]]
    first = sorted(failed, key=lambda rank: "Gloo" in texts[rank] or "gloo" in texts[rank])  # those that lost a mate
    if first:
        last = texts[first[0]].strip().splitlines()[-1]
        raise JobError(f"rank {first[0]}: {last.removeprefix(f'[rank{first[0]}]: ')}")
    return texts


def _start(folder: Path, rank: int, world_size: int, said: Path) -> subprocess.Popen:
    environment = os.environ | {
        "RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "MINILLM_STORE": str(folder / "store"),
        "OMP_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONWARNINGS": "ignore",
    }
    if sys.platform in LOOPBACK:
        environment |= {"GLOO_SOCKET_IFNAME": LOOPBACK[sys.platform]}
    with said.open("wb") as file:
        command = [sys.executable, str(folder / "job.py")]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)


def _wait(running: Sequence[subprocess.Popen], seconds: float) -> list[int]:
    """Wait until all have ended, or one has failed; returns the ranks that still run when the time is over."""
    until = time.monotonic() + seconds
    while any(process.poll() is None for process in running):
        if any(process.returncode for process in running):
            time.sleep(0.5)  # for what the others have to say
            return []
        if time.monotonic() > until:
            return [rank for rank, process in enumerate(running) if process.poll() is None]
        time.sleep(0.02)
    return []


def launch_each(programs: Mapping[str, str], world_size: int = 2, seconds: float = 90.0) -> dict[str, list[str]]:
    """Run several programs one after the other in the same processes; what each printed, by rank.

    Raises what `launch` raises.

    >>> launch_each({"a": "n = 1; print(n)", "b": "print('n' in globals())"}, world_size=1)
    {'a': ['1\\n'], 'b': ['False\\n']}
    """
    # each with names of its own; it's the page's code, in a process that the page has started with its own rights
    parts = [f"print({MARK!r}, end='')\nexec({program!r}, dict(globals()))" for program in programs.values()]
    said = [text.split(MARK)[1:] for text in launch("\n".join(parts), world_size, seconds)]
    return {name: [text[index] for text in said] for index, name in enumerate(programs)}


@cache
def why_not() -> str:
    """Why no two processes can share a sum on this machine; empty if they can. Tried once, which takes some seconds."""
    try:
        said = launch("x = torch.ones(1); dist.all_reduce(x); print(x.item())", seconds=60.0)
    except (JobError, OSError) as error:
        return f"Two processes can't share a sum on this machine ({error}), so this part is left out."
    return "" if said == ["2.0\n"] * 2 else f"Two processes shared a sum and got {said}, so this part is left out."


def changed(program: str, before: str, after: str) -> str:
    """A program with one piece replaced; raises `UserError` unless the piece is there exactly once.

    >>> changed("a = 1", "1", "2")
    'a = 2'
    """
    if program.count(before) != 1:
        raise UserError(f"{before!r} is {program.count(before)} times in the program; give a piece that is there once")
    return program.replace(before, after)
