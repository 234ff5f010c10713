"""A run's metrics: read whole, refused with the line's number, and smoothed."""

import json
import math
import statistics

import pytest

from minillm.training.metrics import read_metrics, series, smoothed

GOOD = '{"step": 1, "loss": 7.0}\n'


def written(path, text):
    file = path / "metrics.jsonl"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_lines_come_back_and_a_torn_one_does_not(tmp_path):
    lines = [{"step": 1, "loss": 7.0}, {"step": 20, "loss": 3.5, "val_loss": 3.6}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert read_metrics(written(tmp_path, text + '{"step": 21, "lo')) == lines
    assert read_metrics(written(tmp_path, "")) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "{torn}\n", "line 2: Expecting property name"),
        (GOOD + "\n", "line 2: Expecting value"),
        (GOOD + "[1]\n", "line 2: it is no JSON object"),
        ('{"step": 1}\n', "line 1: it has no loss"),
        ('{"loss": 1.0}\n', "line 1: step is None; a whole number above 0 belongs here"),
        ('{"step": 1.5, "loss": 1.0}\n', "line 1: step is 1.5; a whole number"),
        (GOOD + GOOD, "line 2: step is 1; a whole number above 1 belongs here"),
        ('{"step": 1, "loss": "7"}\n', "line 1: loss is '7', no number"),
        ('{"step": 1, "loss": true}\n', "line 1: loss is 'True', no number"),
        ('{"step": 1, "loss": 1' + "0" * 400 + "}\n", "line 1: int too large"),
        ("[" * 100_000 + "\n", "line 1: .*recursion"),
        (b"\xff\xfe\n", "is not a text file"),
    ],
)
def test_what_is_no_line_of_metrics_is_refused_by_its_number(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_metrics(written(tmp_path, text))


def test_a_run_without_metrics_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="a run that is kept"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_smoothing_is_the_mean_over_the_last_tenth():
    steps = sorted({1, *range(10, 400, 10), 250, 333})
    values = [math.sin(step) for step in steps]
    expected = [
        statistics.fmean(value for other, value in zip(steps, values, strict=True) if 0.9 * step < other <= step)
        for step in steps
    ]
    assert smoothed(steps, values) == pytest.approx(expected)
    assert smoothed(steps[:20], values[:20]) == smoothed(steps, values)[:20]  # it only looks back


def test_a_series_skips_lines_that_lack_it():
    lines = [{"step": 1, "loss": 7.0, "val_loss": math.nan}, {"step": 2, "loss": 6.0, "val_loss": 6.5}]
    assert series(lines, "val_loss") == ([2], [6.5])
    assert series(lines, "loss") == ([1, 2], [7.0, 6.0])
    assert series(lines, "grad_norm") == ([], [])
