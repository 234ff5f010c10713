"""What a process for one file needs, loaded by the process that all of these are forked from.

Otherwise each of them would load it, for half a second, and a class has hundreds of files. Import it for that only.
"""

import IPython.core.inputtransformer2
import nbformat.v4  # noqa: F401

import minillm.course.grading.gradebook  # noqa: F401
from minillm.course.checks import questions
from minillm.course.contents import ASSIGNMENTS
from minillm.course.grading.similarity import fragments_of, normalize

for number in ASSIGNMENTS:
    questions(number)
fragments_of(normalize("one = 1")[1])  # its first call imports `copydetect` and looks at every lexer there is
IPython.core.inputtransformer2.TransformerManager().transform_cell("%time 1")
