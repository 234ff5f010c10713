"""Assignment 13: rounding with dice, a gradient on several cards, a model that will be used, and a pipeline."""

from minillm.course.checks.scaling.cheapest import CHEAPEST
from minillm.course.checks.scaling.clipping import CLIPPING
from minillm.course.checks.scaling.pipeline import PIPELINE
from minillm.course.checks.scaling.rounding import ROUNDING

QUESTIONS = (ROUNDING, CLIPPING, CHEAPEST, PIPELINE)
