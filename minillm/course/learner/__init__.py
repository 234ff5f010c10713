"""What a learner writes in a lesson: the turn, its trial, the box with the outcome, the file that keeps it; guesses.

`minillm.course.turns` holds the turns themselves, `minillm.course.mine` hands out what passed.
"""
