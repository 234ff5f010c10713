"""Assignment 07: a penalty that counts, a nucleus for each text of a batch, a dial in nats, and the likeliest text."""

from minillm.course.checks.sampling.beam import BEAM
from minillm.course.checks.sampling.dial import DIAL
from minillm.course.checks.sampling.nucleus import NUCLEUS
from minillm.course.checks.sampling.penalty import PENALTY

QUESTIONS = (PENALTY, NUCLEUS, DIAL, BEAM)
