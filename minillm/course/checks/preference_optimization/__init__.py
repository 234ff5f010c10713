"""Assignment 11: raters who slip, each answer against the others, the token that closes it, and thumbs for pairs."""

from minillm.course.checks.preference_optimization.closing import CLOSING
from minillm.course.checks.preference_optimization.others import OTHERS
from minillm.course.checks.preference_optimization.slips import SLIPS
from minillm.course.checks.preference_optimization.thumbs import THUMBS

QUESTIONS = (SLIPS, OTHERS, CLOSING, THUMBS)
