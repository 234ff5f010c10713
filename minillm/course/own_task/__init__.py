"""What lesson 14 uses of the package: tasks that a program checks, a frozen exam, rivals, LoRA, and what is lost.

order, spoken_time, draw, split   two tasks, and examples of a task: to learn from, and to test with
Frozen                            a test set and its scoring function, kept as they were before training
MESSAGES, elsewhere               orders that no generator wrote, and orders that differ in one thing
GENERAL, knows, own_answers       everyday questions: what is known, and what the model used to say
ask, shown, in_order              greedy answers, with examples before the question, in some order
nearest, by_rule                  two ways to answer without a model
teach                             LoRA on examples, watched; `row_of` is what a row of it looks like
keep, gift, yours                 an adapter with its card, a model as one HTML file, and what is the learner's
stored                            what the benchmark has measured
"""

from minillm.course.choices import stored
from minillm.course.own_task.answering import ask, by_rule, in_order, nearest, own_answers, shown, untrained
from minillm.course.own_task.cards import gift, keep, yours
from minillm.course.own_task.tasks import (
    GENERAL,
    MESSAGES,
    Frozen,
    draw,
    elsewhere,
    knows,
    order,
    split,
    spoken_time,
)
from minillm.course.own_task.teaching import Trained, row_of, teach

__all__ = [
    "GENERAL",
    "MESSAGES",
    "Frozen",
    "Trained",
    "ask",
    "by_rule",
    "draw",
    "elsewhere",
    "gift",
    "in_order",
    "keep",
    "knows",
    "nearest",
    "order",
    "own_answers",
    "row_of",
    "shown",
    "split",
    "spoken_time",
    "stored",
    "teach",
    "untrained",
    "yours",
]
