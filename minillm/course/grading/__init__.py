"""Grade a class: read submissions, write points and feedback.

Submissions are untrusted input. `names` identifies the student of a submission, and `submissions` reads it without
unpacking anything to disk. `notebook` extracts the code of a notebook; `needed` selects the statements that its answers
need, and `attempts` runs them in the sandbox of the checks (`minillm.course.checks.outside`). `grade` grades the
replies and keeps a record; each submission is read and graded in a process with its own limits (`limited`). `report`
writes tables, `gradebook` writes nbgrader's gradebook and the feedback pages, `similarity` ranks pairs of similar
answers, and `decisions` applies a teacher's corrections.
"""
