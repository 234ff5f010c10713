"""Fault injection for runs and downloads: kills at random times, a full disk, and a read-only disk.

    python benchmarks/faults.py               # needs the test extra; 25 rounds, some minutes on one core
    python benchmarks/faults.py --rounds 100 --json

`tests/faults.py` does the work, with two rounds in every test run. `same_end` counts the runs that ended with exactly
the validation loss of an undisturbed run, and the downloads that were complete.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import write_result

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "faults", folder, str(arguments.rounds)]
        done = subprocess.run(command, env=os.environ | paths, stdout=subprocess.PIPE, text=True, check=True)
    rows = json.loads(done.stdout.splitlines()[-1])
    if rows["a full disk"]:
        del rows["a full disk"]["read_only"]  # a message that contains a path on this machine
    for name, row in rows.items():
        print(f"{name:22}", row)
    print(f"written to {write_result('faults', {'rounds': arguments.rounds, 'rows': rows}).name}")
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
