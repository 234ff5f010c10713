"""Grading a class: submissions in, points and feedback out. What students hand in is hostile until it has been checked.

`names` tells whose a hand-in is, and `submissions` reads it without unpacking anything to disk. `notebook` takes the
code out of a notebook; `needed` finds what its answers need and asks them in the checks' own sandbox
(`minillm.course.checks.outside`). `grade` judges and keeps what was found; each hand-in is read and judged in a process
with limits of its own (`limited`). `report`, `gradebook` and `decisions` say it: as tables, as nbgrader's gradebook and
pages, and with what a teacher decides otherwise.
"""
