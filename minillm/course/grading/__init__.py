"""Grading a class: submissions in, points and feedback out. What students hand in is hostile until it has been checked.

`submissions` reads it without unpacking anything to disk, `notebook` takes the code out of a notebook, the checks' own
sandbox (`minillm.course.checks.outside`) runs it, `grade` judges and keeps what was found, and `report`, `gradebook`
and `deadlines` say it: as tables, as nbgrader's gradebook and pages, and with what a teacher decides otherwise.
"""
