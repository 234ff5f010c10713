"""Whose a hand-in is and which assignment it is about, read off the names that people and learning platforms give.

Where a name is not clear, what lies there is graded under a name of its own, and the teacher is asked: nobody's work is
lost, and nobody gets somebody else's points.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

import regex

from minillm.course.checks import ASSIGNMENTS

MOST_BYTES = 150  # of a student's name in UTF-8: file systems take 255 for a name and what is added to it
NAME = regex.compile(r"\w[\w .,@+'’()&-]*")  # of this library, since re's letters have no combining marks
NOTEBOOKS = (".ipynb", ".ipynb.txt", ".ipynb.json")  # some browsers add an ending
ARCHIVES = (".zip", ".7z", ".rar", ".tar.gz", ".gz", ".tgz", ".tar")
CANVAS = re.compile(r"(?P<student>.+?)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.DOTALL)
MOODLE = re.compile(r"(?P<student>.+?_\d+)_assignsubmission_[a-z]+_?(?P<file>.*)", re.DOTALL)
NUMBER = re.compile(r"(\d\da?)(?:[^0-9a-zA-Z].*)?", re.DOTALL)  # "04", "04 - mine"
FULL_NAME = re.compile(
    r"(?:.*[^0-9a-zA-Z])?(" + "|".join(f"{n}_{t}" for n, t in ASSIGNMENTS.items()) + ").*", re.DOTALL
)


@dataclass(frozen=True)
class Owner:
    """Who handed something in: a name, the platform's id where it tells one, and the name of the file in question.

    Moodle's name has its id in it, so what has the same one is `surely` of the same student.
    """

    name: str
    id: str | None = None
    file: str | None = None
    surely: bool = False


def assignment_name(number: str) -> str:
    """What an assignment's folder and notebook are called.

    >>> assignment_name("04")
    '04_attention'
    """
    return f"{number}_{ASSIGNMENTS[number]}"


def number_of(path: str) -> str | None:
    """The assignment whose name is in a notebook's, whatever a browser, Colab or a student has put around it.

    >>> number_of("work/04_attention (1).ipynb"), number_of("Copy of 04_attention.IPYNB"), number_of("04.ipynb")
    ('04', '04', None)
    """
    found = FULL_NAME.fullmatch(_stem(path) or "")
    return found[1].split("_")[0] if found else None


def bare_number_of(path: str) -> str | None:
    """The number that a notebook's name begins with, if an assignment has it; it may also be a part of a date.

    >>> bare_number_of("04 - mine.ipynb"), bare_number_of("99.ipynb")
    ('04', None)
    """
    found = NUMBER.fullmatch(_stem(path) or "")
    return found[1] if found and found[1] in ASSIGNMENTS else None


def _stem(path: str) -> str | None:
    """The name of a notebook's file without its ending; None for another file."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return next((name[: -len(ending)] for ending in NOTEBOOKS if name.lower().endswith(ending)), None)


def owner_of(name: str, is_file: bool) -> Owner:
    """Who handed in what has this name at the top of the folder: Canvas's and Moodle's forms, or just a name.

    >>> owner_of("leeann_LATE_123_456_04_attention.ipynb", is_file=True)
    Owner(name='leeann', id='123', file='04_attention.ipynb', surely=False)
    >>> owner_of("Ann Lee_77_assignsubmission_file", is_file=False).name, owner_of("Smith, John.zip", True).name
    ('Ann Lee_77', 'Smith, John')
    """
    if found := MOODLE.fullmatch(name):
        return Owner(clean(found["student"]), None, found["file"] or None, surely=True)
    if is_file and (found := CANVAS.fullmatch(name)):
        return Owner(clean(found["student"]), found["id"], found["file"])
    return plain_owner_of(name, is_file)


def plain_owner_of(name: str, is_file: bool) -> Owner:
    """Who handed in what no platform has named.

    >>> plain_owner_of("Ann Lee - 04_attention.ipynb", is_file=True).name
    'Ann Lee'
    """
    if not is_file:
        return Owner(clean(name))
    stem = next((name[: -len(e)] for e in (*NOTEBOOKS, *ARCHIVES) if name.lower().endswith(e)), name)
    if (found := FULL_NAME.fullmatch(stem)) and found.start(1):
        stem = stem[: found.start(1)].rstrip(" _-") or stem
    return Owner(clean(stem), None, name)


def clean(text: str) -> str:
    """A student's name in the one form that all systems' spellings of it have, without spaces around it.

    >>> clean("Jose\\u0301 ") == "Jos\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text).strip()


def usable(name: str) -> str:
    """The name itself if it can be a folder's everywhere, else one made from it that is nobody else's.

    >>> usable("Zoë (she)"), usable("bob*")
    ('Zoë (she)', 'bob-604b10')
    """
    if NAME.fullmatch(name) and len(name.encode()) <= MOST_BYTES and not name.endswith("."):
        return name
    mended = regex.sub(r"[^\w .,@+'()&-]", "_", name).encode()[: MOST_BYTES - 10].decode(errors="ignore")
    mended = regex.sub(r"^[\W_]+|[ _.,@+-]+$", "", mended) or "unnamed"
    return f"{mended}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def loose(name: str) -> bool:
    """Whether a file's name tells an assignment and nobody's name.

    >>> loose("04_attention.ipynb"), loose("Ann Lee - 04_attention.ipynb")
    (True, False)
    """
    return number_of(name) is not None and owner_of(name, True).name == clean(_stem(name) or "")
