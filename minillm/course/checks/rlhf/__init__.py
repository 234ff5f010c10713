"""Assignment 10: a whole ranking as a loss, padding that speaks, a policy for a budget of nats, and a league table."""

from minillm.course.checks.rlhf.advantages import ADVANTAGES
from minillm.course.checks.rlhf.budget import BUDGET
from minillm.course.checks.rlhf.merits import MERITS
from minillm.course.checks.rlhf.ranking import RANKING

QUESTIONS = (RANKING, ADVANTAGES, BUDGET, MERITS)
