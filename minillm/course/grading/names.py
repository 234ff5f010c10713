"""Identify the student and the assignment of a submission from file names.

Both people and learning platforms choose these names. If a name is ambiguous, the submission is graded under a separate
name and the teacher is asked, so that no work is lost and no student gets the points of another.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

import regex

from minillm.course.contents import ASSIGNMENTS

MAX_BYTES = 150  # of a student's name in UTF-8; file systems allow 255 for the name with its suffixes
NAME = regex.compile(r"\w[\w .,@+'’()&-]*")  # `regex`, since \w of `re` excludes combining marks
NOTEBOOKS = (".ipynb", ".ipynb.txt", ".ipynb.json")  # some browsers append a suffix
# What a student may hand in by mistake; a teacher's own lists and readmes are other files.
DOCUMENTS = (
    ".py",
    ".html",
    ".htm",
    ".docx",
    ".doc",
    ".odt",
    ".rtf",
    ".pdf",
    ".pages",
    ".jpg",
    ".jpeg",
    ".png",
    ".heic",
)
ARCHIVES = (".zip", ".7z", ".rar", ".tar.gz", ".gz", ".tgz", ".tar")
CANVAS = re.compile(r"(?P<student>.+?)_(?P<late>LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.DOTALL)
MOODLE = re.compile(r"(?P<student>.+?_\d+)_assignsubmission_[a-z]+_?(?P<file>.*)", re.DOTALL)
NUMBER = re.compile(r"(\d\da?)(?:[^0-9a-zA-Z].*)?", re.DOTALL)  # "04", "04 - mine"
FULL_NAME = re.compile(
    r"(?:.*[^0-9a-zA-Z])?(" + "|".join(f"{n}_{t}" for n, t in ASSIGNMENTS.items()) + ").*", re.DOTALL
)


@dataclass(frozen=True)
class Owner:
    """The student of a submission: name, id on the platform if known, and file name.

    `unique` is True for Moodle, whose names contain an id: the same name then means the same student.
    """

    name: str
    id: str | None = None
    file: str | None = None
    unique: bool = False
    late: bool = False  # whether the platform's name says so


def assignment_name(number: str) -> str:
    """The name of an assignment's folder and notebook.

    >>> assignment_name("04")
    '04_attention'
    """
    return f"{number}_{ASSIGNMENTS[number]}"


def number_of(path: str) -> str | None:
    """The assignment whose full name the path of a notebook contains, or None.

    Browsers, Colab and students may have added text before or after the name.

    >>> number_of("work/04_attention (1).ipynb"), number_of("Copy of 04_attention.IPYNB"), number_of("04.ipynb")
    ('04', '04', None)
    """
    match = FULL_NAME.fullmatch(_stem(path) or "")
    return match[1].split("_")[0] if match else None


def bare_number_of(path: str) -> str | None:
    """The assignment number at the beginning of a notebook's name, or None.

    The number may also be a part of a date.

    >>> bare_number_of("04 - mine.ipynb"), bare_number_of("99.ipynb")
    ('04', None)
    """
    match = NUMBER.fullmatch(_stem(path) or "")
    return match[1] if match and match[1] in ASSIGNMENTS else None


def _stem(path: str) -> str | None:
    """The file name of a notebook without its suffix; None for other files."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return next((name[: -len(suffix)] for suffix in NOTEBOOKS if name.lower().endswith(suffix)), None)


def owner_of(name: str, is_file: bool) -> Owner:
    """The owner of a top-level entry, named by Canvas, by Moodle, or by hand.

    >>> owner_of("leeann_LATE_123_456_04_attention.ipynb", is_file=True)
    Owner(name='leeann', id='123', file='04_attention.ipynb', unique=False, late=True)
    >>> owner_of("Ann Lee_77_assignsubmission_file", is_file=False).name, owner_of("Smith, John.zip", True).name
    ('Ann Lee_77', 'Smith, John')
    """
    if match := MOODLE.fullmatch(name):
        return Owner(clean(match["student"]), None, match["file"] or None, unique=True)
    if is_file and (match := CANVAS.fullmatch(name)):
        return Owner(clean(match["student"]), match["id"], match["file"], late=bool(match["late"]))
    return plain_owner_of(name, is_file)


def plain_owner_of(name: str, is_file: bool) -> Owner:
    """The owner of a top-level entry that was not named by a platform.

    >>> plain_owner_of("Ann Lee - 04_attention.ipynb", is_file=True).name
    'Ann Lee'
    """
    if not is_file:
        return Owner(clean(name))
    suffixes = (*NOTEBOOKS, *ARCHIVES, *DOCUMENTS)
    stem = next((name[: -len(suffix)] for suffix in suffixes if name.lower().endswith(suffix)), name)
    if (match := FULL_NAME.fullmatch(stem)) and match.start(1):
        stem = stem[: match.start(1)].rstrip(" _-") or stem
    return Owner(clean(stem), None, name)


def clean(text: str) -> str:
    """Normalize a student's name (Unicode NFC) and strip surrounding whitespace.

    >>> clean("Jose\\u0301 ") == "Jos\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text).strip()


def safe_name(name: str) -> str:
    """The name if every file system accepts it, else a unique name made from it.

    >>> safe_name("Zoë (she)"), safe_name("bob*")
    ('Zoë (she)', 'bob-604b10')
    """
    if NAME.fullmatch(name) and len(name.encode()) <= MAX_BYTES and not name.endswith("."):
        return name
    mended = regex.sub(r"[^\w .,@+'()&-]", "_", name).encode()[: MAX_BYTES - 10].decode(errors="ignore")
    mended = regex.sub(r"^[\W_]+|[ _.,@+-]+$", "", mended) or "unnamed"
    return f"{mended}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def lacks_student(name: str) -> bool:
    """Whether a file name contains an assignment but not a student's name.

    >>> lacks_student("04_attention.ipynb"), lacks_student("Ann Lee - 04_attention.ipynb")
    (True, False)
    """
    return number_of(name) is not None and owner_of(name, True).name == clean(_stem(name) or "")
