"""The one exception for input that a user can mend."""


class InputError(ValueError):
    """Bad input from outside the program: a file, a run directory, a command line.

    Scripts print it as one line and leave with status 2; any other exception is a defect.

    Example:
        >>> raise InputError("data: no such file: play.txt")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file: play.txt
    """
