"""What can go wrong with a run directory, each with an exit status of its own."""

from rnn_jax.data.errors import InputError


class MismatchError(InputError):
    """A run or a checkpoint belongs to another configuration; the message names what differs.

    Example:
        >>> raise MismatchError("hidden_size 8 there, 9 here")
        Traceback (most recent call last):
        rnn_jax.train.errors.MismatchError: hidden_size 8 there, 9 here
    """


class StorageError(OSError):
    """A checkpoint could not be written; the one before it is whole.

    Example:
        >>> raise StorageError("checkpoint 20: no space left")
        Traceback (most recent call last):
        rnn_jax.train.errors.StorageError: checkpoint 20: no space left
    """
