"""What the package raises when it is the input that is wrong."""


class UserError(ValueError):
    """Bad input that its sender can mend: a setting, a text, a file. The message says what was wrong and what to do.

    The command line prints it as one sentence. Any other `ValueError` is a bug of ours and keeps its traceback.

    >>> raise UserError("steps is 0; it must be at least 1")
    Traceback (most recent call last):
    minillm.errors.UserError: steps is 0; it must be at least 1
    """

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (IPython asks for it): the sentence, without the lines that led to it."""
        return [str(self)]
