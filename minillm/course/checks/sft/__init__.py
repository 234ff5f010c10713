"""Assignment 09: reading a chat back, a chat too long for its row, two adapters in one, and a row by hand."""

from minillm.course.checks.sft.adapters import ADAPTERS
from minillm.course.checks.sft.fit import FIT
from minillm.course.checks.sft.reading import READING
from minillm.course.checks.sft.row import ROW

QUESTIONS = (READING, FIT, ADAPTERS, ROW)
