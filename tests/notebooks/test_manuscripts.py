"""Every manuscript keeps the rules, and every rule catches the manuscript that breaks it."""

import jupytext
import pytest

from tools.build_notebooks import manuscripts, read_manuscript
from tools.manuscript_rules import complaints

QUESTION = """\
# **{n}.** Why? (a) So. (b) Otherwise.
#
# <details><summary>Open {n}</summary>
#
# **(b)**, because there is more to it than meets the eye. Not (a), which is no reason at all.
# </details>
#
"""
PARTS = {
    "first": """\
# %% [markdown]
# # Lesson
# **You will build** a sum. **The claim** is that it adds up. **Time** 5 minutes. **Before you start**: nothing.
""",
    "imports": "# %%\nimport math\n",
    "define": "# %%\ndef double(x):\n    return 2 * x\n",
    "try": "# %%\nassert double(2) == 4\n",
    "explorer": "# %%\nExplorer(draw, n=range(3))\nshow(figure, alt='One bar.')\n",
    "boxes": """\
# %% [markdown]
# > **Where the picture simplifies.** It does.
#
# > **At scale.** It is larger.
""",
    "quiz": "# %% [markdown]\n" + "".join(QUESTION.format(n=n) for n in range(1, 6)),
    "last": "# %% [markdown]\n# **What you built**: a sum. **Exercise**: none. **Next**: lesson 01.\n",
}
TIMED = """\
# %%
assert double(2) == 4
def fastest(work):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
def write(text):
    start = time.perf_counter()
    return text, len(text) / (time.perf_counter() - start)
seconds = {n: fastest(lambda n=n: double(n)) for n in (1, 16, 128)}
speed = history[-1]["tokens_per_second"]
twice = write("twice")
text, rate = twice
"""


def judged(**changes):
    """What is said of a small right manuscript with some of its parts changed."""
    return complaints("00_small", jupytext.reads("\n".join({**PARTS, **changes}.values()), fmt="py:percent"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in manuscripts().values()])
def test_the_manuscript_keeps_the_rules(path):
    broken = complaints(path.stem, read_manuscript(path))
    assert not broken, "\n".join(broken)


def test_a_right_manuscript_is_left_in_peace():
    assert judged() == []


def test_what_was_timed_may_be_printed_and_its_text_asserted():
    harmless = 'print(rate, seconds)\nassert text == twice[0] == "twice"\nassert all(n < 200 for n in (1, 16, 128))\n'
    assert judged(**{"try": TIMED + harmless}) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"first": "# %%\nx = 1\n"}, "cell 1 must be text that begins with the lesson's title"),
        ({"first": PARTS["first"].replace("**Time** 5 minutes", "**Time** short")}, "how many minutes"),
        ({"first": PARTS["first"].replace("**The claim**", "The claim")}, "cell 1 must hold **The claim**"),
        ({"last": "# %%\nx = 1\n"}, "the last one, must be text"),
        ({"last": PARTS["last"].replace("**Next**", "Next")}, "the last one, must hold **Next**"),
        ({"try": "# %%\nimport os\nassert double(2) == 4\n"}, "cell 4 imports"),
        ({"try": "# %%\ndouble(2)\n"}, "cell 3 defines something that neither it nor the next code cell runs"),
        ({"try": "# %%\n" + "x = 1\n" * 31 + "assert x\n"}, "cell 4 has 32 lines of code"),
        ({"imports": "# %%\n" + "x = 1\n" * 20, "explorer": "# %%\nExplorer()\n" + "x = 1\n" * 20}, "median"),
        ({"try": '# %% tags=["skip-execution"]\nassert double(2) == 4\n'}, "cell 4 needs both tags"),
        ({"try": '# %% tags=["nbval-ignore"]\nassert double(2) == 4\n'}, "unknown tag: nbval-ignore"),
        ({"explorer": "# %%\nshow(figure, alt='One bar.')\n"}, "makes 0 Explorers"),
        ({"explorer": "# %%\nExplorer(draw, n=range(3))\nshow(figure)\n"}, "cell 5 shows a figure without alt="),
        (
            {"boxes": "# %% [markdown]\n# > **At scale.** It is larger.\n"},
            "the box '> **Where",
        ),
        ({"quiz": "# %% [markdown]\n# no questions\n"}, "the quiz has 0 <details>"),
        ({"quiz": PARTS["quiz"].replace(", because there is more to it", "")}, "question 1 is answered in 13 words"),
        (
            {"quiz": PARTS["quiz"].replace("Not (a), which", "Anything else")},
            "the answer to quiz question 1 does not mention (a)",
        ),
        ({"quiz": PARTS["quiz"].replace("(a) So. (b) Otherwise.", "(a) So.")}, "quiz question 1 must offer choices"),
        ({"try": "# %%\nassert double(2) == open('/tmp/x')\n"}, "cell 4 contains an absolute path: /tmp/"),
        (
            {"boxes": PARTS["boxes"] + "#\n# There are few (size\n# 1) of it.\n"},
            "renders '1) of it.' as a list item",
        ),
        ({"try": f"{TIMED}assert seconds[128] > 1.5 * seconds[16]\n"}, "cell 4 asserts on measured time"),
        ({"try": f"{TIMED}assert twice[1] > 0\n"}, "cell 4 asserts on measured time"),
        ({"try": f"{TIMED}torch.testing.assert_close(speed, 1)\n"}, "cell 4 asserts on measured time"),
        ({"try": "# %%\nassert double(2) == open('C:\\\\x')\n"}, "cell 4 contains an absolute path: C:"),
    ],
)
def test_each_rule_catches_what_breaks_it(changes, sentence):
    found = judged(**changes)
    assert any(sentence in complaint for complaint in found), found
    assert all(complaint.startswith("00_small, ") for complaint in found)
