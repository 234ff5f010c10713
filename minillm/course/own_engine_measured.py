"""What was measured of lesson 12's engine beforehand, as its page prints it.

tokens_per_pass    drafts that copy, over eight quotations, summaries and questions (`benchmarks/look_ups.py`)
"""

from minillm.course.choices import stored


def tokens_per_pass(*drafts: str) -> None:
    """Print tokens per pass of each draft and kind of message: the mean of eight, its 95% t-interval, and the range.

    >>> tokens_per_pass("random tokens")  # doctest: +ELLIPSIS
    random tokens
      8 quotations  1.0 ...
    """
    kinds = stored("look_ups")["summary"]
    for draft in drafts:
        print(draft)
        for kind, row in ((kind, by_draft[draft]) for kind, by_draft in kinds.items()):
            plural = kind.replace("summary", "summarie") + "s"
            spread = f"({row['low']:.1f} to {row['high']:.1f}), each {row['least']:.1f} to {row['most']:.1f}"
            print(
                f"  {row['n']} {plural:11} {row['mean']:.1f} {spread}; 2 or more in {row['at least 2']} of {row['n']}"
            )
