"""What the package raises when it is the input that is wrong."""


class UserError(ValueError):
    """Bad input that its sender can mend: a setting, a text, a file. The message says what was wrong and what to do.

    The command line prints it as one sentence. Any other `ValueError` is a bug of ours and keeps its traceback.

    >>> raise UserError("steps is 0; it must be at least 1")
    Traceback (most recent call last):
    minillm.errors.UserError: steps is 0; it must be at least 1
    """
