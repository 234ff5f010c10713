"""Time and memory to grade a synthetic class over all assignments: honest, wrong, late and hostile submissions.

    python benchmarks/grading.py            # some minutes on two cores; needs nbgrader and bubblewrap
    python benchmarks/grading.py --json

`as_expected` counts the notebooks that got exactly the expected points. `memory_mb` is the peak memory of all processes
together, and `largest_mb` that of the largest process. `killed` reports how often the grading of a small class was
killed, and how often a second run then gave the same result as an undisturbed run.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from subprocess import PIPE

from classroom import KINDS, hand_in, nothing
from common import write_result

SMALL = ("right", "zipped", "wrong_mask", "dies")  # a class that is graded many times
DUE = "2033-05-17"  # one day before the late submissions


def track_free_memory(stop: threading.Event, lowest: list[int]) -> None:
    """Record the lowest available memory of the machine, until told to stop."""
    while not stop.wait(0.1):
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
        lowest[0] = min(lowest[0], free)


def killed(rounds: int) -> dict[str, int]:
    """Kill the grading of four students at random times, run it again, and compare with an undisturbed run."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder, whole = Path(scratch, "submissions"), Path(scratch, "whole")
        hand_in(folder, whole, {kind: KINDS[kind] for kind in SMALL})
        command = [sys.executable, "-m", "minillm", "grade", str(folder), "--seed", "the same"]
        began = time.monotonic()
        subprocess.run([*command, "--out", str(whole)], check=True, capture_output=True)
        seconds = time.monotonic() - began
        same = alive = 0
        for number in range(rounds):
            out = Path(scratch, str(number))
            with subprocess.Popen([*command, "--out", str(out)], stdout=PIPE, stderr=PIPE) as process:
                time.sleep(rng.uniform(0, seconds))
                alive += process.poll() is None
                process.kill()
            subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
            tables = ("grades.csv", "questions.csv", "canvas.csv", "moodle.csv")
            pages = sorted(path.relative_to(out) for path in out.glob("feedback/*/*/*.html"))
            same += all((out / name).read_bytes() == (whole / name).read_bytes() for name in tables) and len(pages) == 4
    return {"injected": rounds, "alive_then": alive, "same_end": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=10, metavar="N", help="how often to kill the grading of a small class"
    )
    parser.add_argument("--json", action="store_true", help="print the result as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch, "submissions"), Path(scratch, "graded")
        students = hand_in(folder, out)
        before = sorted(path.name for path in folder.iterdir())
        command = [sys.executable, "-m", "minillm", "grade", str(folder), "--out", str(out)]
        command += ["--due", DUE, "--late", "10"]
        os.environ["TEACHERS_TOKEN"] = "TOKEN"  # hostile answers try to read it
        stop, lowest = threading.Event(), [10**15]
        watch = threading.Thread(target=track_free_memory, args=(stop, lowest))
        watch.start()
        time.sleep(0.5)
        free = lowest[0]
        began = time.monotonic()
        subprocess.run(command, check=True)
        seconds = time.monotonic() - began
        stop.set()
        watch.join()
        began = time.monotonic()
        subprocess.run(command, check=True)
        again = time.monotonic() - began
        points: dict[tuple[str, str], list[int]] = {}
        with open(out / "questions.csv", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                points.setdefault((row["student"], row["question"].split(".")[0]), []).append(int(row["points"]))
        wanted = {(name, number): got for name, row in students.items() for number, got in row.points.items()}
        odd = {
            " ".join(which): got for which, got in points.items() if tuple(got) != wanted.get(which, nothing(which[1]))
        }
        lost = [name for name in before if not os.path.lexists(folder / name)]
        pages = len(list(out.glob("feedback/*/*/*.html")))
    result = {
        "students": len(students),
        "notebooks": len(wanted),
        "as_expected": sum(which in points for which in wanted) - len(odd),
        "odd": odd,
        "submissions_lost": lost,
        "pages": pages,
        "seconds": round(seconds, 1),
        "seconds_again": round(again, 1),
        "memory_mb": round((free - lowest[0]) / 1e6),
        "killed": killed(options.kills),
        "largest_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000),
    }
    write_result("grading", result)
    print(json.dumps(result, indent=1))
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
