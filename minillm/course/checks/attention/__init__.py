"""Assignment 04: one head, heads cut along the wrong axis, a window with sinks, and one softmax over two machines."""

from minillm.course.checks.attention.head import HEAD
from minillm.course.checks.attention.heads import HEADS
from minillm.course.checks.attention.join import JOIN
from minillm.course.checks.attention.window import WINDOW

QUESTIONS = (HEAD, HEADS, WINDOW, JOIN)
