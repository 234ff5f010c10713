"""Assignment 12: products of whole numbers, padding that is taken for text, a run of guesses, and a cache in pages."""

from minillm.course.checks.inference_engine.guesses import GUESSES
from minillm.course.checks.inference_engine.padding import PADDING
from minillm.course.checks.inference_engine.pages import PAGES
from minillm.course.checks.inference_engine.product import PRODUCT

QUESTIONS = (PRODUCT, PADDING, GUESSES, PAGES)
