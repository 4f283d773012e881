"""Tasks that only a memory solves, drawn at random: adding, copying, order, parity, Reber strings.

Each is a ``Task``: batches as pure functions of seed and step, and what is reached without memory.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rnn_jax.data.languages import REBER, Examples, next_symbols, reber_string

Name = Literal["adding", "copying", "order", "parity", "reber"]
ORDER = "abcdXYEB"  # of the temporal order: noise, what counts, begin and end


@dataclass(frozen=True)
class Task:
    """A task at one length.

    Args:
        draw: Makes B examples with a generator.
        input_size: D.
        output_size: Classes; 1 number for adding.
        error_floor: Error on the scored steps that is reached without memory: the share that is
            wrong; for adding the squared error.
        loss_floor: The mean loss over the asked steps without memory; None where that is not known.

    Example:
        >>> task = memory_task("parity", length=4)
        >>> batch = task.batch(seed=0, step=0, size=2)
        >>> batch.inputs.shape, (batch.inputs[0, :, 0].sum() % 2 == batch.targets[0, -1]).item()
        ((2, 4, 1), True)
    """

    draw: Callable[[np.random.Generator, int], Examples]
    input_size: int
    output_size: int
    error_floor: float
    loss_floor: float | None

    def batch(self, seed: int, step: int, size: int) -> Examples:
        """The examples of a training step: the same for the same seed and step."""
        return self.draw(np.random.default_rng([seed, 0, step]), size)

    def held_out(self, seed: int, size: int) -> Examples:
        """Examples that no training step draws."""
        return self.draw(np.random.default_rng([seed, 1]), size)


def memory_task(name: Name, length: int) -> Task:
    """A task by name.

        adding    T numbers in 0..1, two of them marked, one in each half: their sum, at the end.
                  Without memory 1 is the best answer and costs 1/6.
        copying   10 of 8 symbols, T steps without, a sign: then the symbols again, T + 20 steps in
                  all. Without memory the last 10 steps cost ln 8 each, the others nothing.
        order     T symbols; two of them are X or Y, one
                  after T/10, the other after T/2: which, at the end.
        parity    T bits: whether the ones so far are odd, at every step.
        reber     embedded Reber strings of at most T symbols: the next symbol. The last but one is
                  the second again, which is far away; the others follow from a few before.

    Args:
        name: Of the task.
        length: T.

    Raises:
        ValueError: If there is no such task, or the sequences would be too short for it.

    Example:
        >>> task = memory_task("copying", length=30)
        >>> task.batch(seed=0, step=0, size=2).inputs.shape, round(task.loss_floor, 3)
        ((2, 50, 10), 0.416)

    References:
        Hochreiter and Schmidhuber, Long short-term memory, 1997 (adding, order, Reber strings).
        Arjovsky, Shah and Bengio, Unitary evolution recurrent neural networks, 2016 (copying).
        Reber, Implicit learning of artificial grammars, 1967.
    """
    least = {"adding": 2, "copying": 1, "order": 10, "parity": 1, "reber": 12}
    if name not in least:
        raise ValueError(f"task must be one of {', '.join(get_args(Name))}, got {name!r}.")
    if length < least[name]:
        raise ValueError(f"length must be at least {least[name]} for {name}, got {length}.")
    if name == "adding":
        return Task(lambda rng, size: _adding(rng, size, length), 2, 1, 1 / 6, 1 / 6)
    if name == "copying":
        floor = 10 * math.log(8) / (length + 20)
        return Task(lambda rng, size: _copying(rng, size, length), 10, 9, 7 / 8, floor)
    if name == "order":
        return Task(lambda rng, size: _order(rng, size, length), 8, 4, 3 / 4, math.log(4))
    if name == "parity":
        right = (1 + 1 / length) / 2  # the bit itself, which is the parity at the first step
        entropy = -sum(p * math.log(p) for p in (right, 1 - right) if p)
        return Task(lambda rng, size: _parity(rng, size, length), 1, 2, 1 / 2, entropy)
    return Task(lambda rng, size: _reber(rng, size, length), len(REBER), len(REBER), 1 / 2, None)


def _adding(rng: np.random.Generator, size: int, length: int) -> Examples:
    numbers = rng.random((size, length), np.float32)
    marks = np.zeros((size, length), np.float32)
    rows, half = np.arange(size), length // 2
    marks[rows, rng.integers(0, half, size)] = 1
    marks[rows, rng.integers(half, length, size)] = 1
    targets = np.zeros_like(marks)
    targets[:, -1] = (numbers * marks).sum(axis=1)
    return _at_the_end(np.stack([numbers, marks], axis=-1), targets, 1)


def _copying(rng: np.random.Generator, size: int, length: int) -> Examples:
    symbols = rng.integers(1, 9, (size, 10))
    tokens = np.zeros((size, length + 20), np.int64)
    tokens[:, :10], tokens[:, length + 9] = symbols, 9  # the sign stands before the answer
    targets = np.zeros(tokens.shape, np.int32)
    targets[:, -10:] = symbols
    found = _at_the_end(np.eye(10, dtype=np.float32)[tokens], targets, 10)
    return found._replace(asked=np.ones(tokens.shape, bool))


def _order(rng: np.random.Generator, size: int, length: int) -> Examples:
    tokens, rows = rng.integers(0, 4, (size, length)), np.arange(size)
    first, second = rng.integers(0, 2, (2, size))
    tokens[rows, rng.integers(length // 10, length // 5 + 1, size)] = 4 + first
    tokens[rows, rng.integers(length // 2, 6 * length // 10 + 1, size)] = 4 + second
    tokens[:, 0], tokens[:, -1] = ORDER.index("E"), ORDER.index("B")
    targets = np.zeros(tokens.shape, np.int32)
    targets[:, -1] = 2 * first + second
    return _at_the_end(np.eye(8, dtype=np.float32)[tokens], targets, 1)


def _parity(rng: np.random.Generator, size: int, length: int) -> Examples:
    bits = rng.integers(0, 2, (size, length), np.int32)
    found = _at_the_end(
        bits[..., None].astype(np.float32), bits.cumsum(axis=1, dtype=np.int32) % 2, 1
    )
    return found._replace(asked=np.ones(bits.shape, bool))


def _reber(rng: np.random.Generator, size: int, length: int) -> Examples:
    strings = [reber_string(rng, embedded=True, longest=length) for _ in range(size)]
    return next_symbols(strings, length - 1)


def _at_the_end(inputs: np.ndarray, targets: np.ndarray, last: int) -> Examples:
    """Examples of one length, asked and scored at the last steps."""
    size, length = targets.shape
    asked = np.broadcast_to(np.arange(length) >= length - last, targets.shape)
    return Examples(inputs, targets, asked, asked, np.full(size, length, np.int32))
