"""Processes of symbols that are known exactly: at every step it is known what may come next."""

from typing import Literal, NamedTuple

import numpy as np

Name = Literal["copy", "walk"]


class Process(NamedTuple):
    """A process of K symbols.

    copy: a word of L symbols, drawn evenly, over and over: after the word all is determined.
    walk: a random walk on a ring, x_t = x_{t-1} + 1 or - 1 (mod K), evenly; the first is drawn.

    Example:
        >>> copy, walk = Process("copy", 4, 3), Process("walk", 6, 1)
        >>> copy.draw(np.random.default_rng(0), 1, 8)
        array([[3, 2, 2, 3, 2, 2, 3, 2]], dtype=int32)
        >>> walk.possible(np.array([[0, 1, 1]]))[0].astype(int)  # after 0, after 1
        array([[0, 1, 0, 0, 0, 1],
               [1, 0, 1, 0, 0, 0]])
    """

    name: Name
    num_symbols: int  # K >= 3, even for a walk: then it is on odd symbols at every other step
    given: int  # L, first symbols that nothing tells; 1 for a walk

    def draw(self, rng: np.random.Generator, size: int, length: int) -> np.ndarray:
        """Sequences (B, T) int32."""
        if self.name == "copy":
            words = rng.integers(0, self.num_symbols, (size, self.given), np.int32)
            return words[:, np.arange(length) % self.given]
        moves = 2 * rng.integers(0, 2, (size, length), np.int32) - 1
        moves[:, 0] = rng.integers(0, self.num_symbols, size)
        return np.cumsum(moves, axis=1, dtype=np.int32) % self.num_symbols

    def possible(self, tokens: np.ndarray) -> np.ndarray:
        """What may come at the steps L .. T-1 of sequences (B, T): (B, T - L, K) bool.

        For a copy that is what its word says, whatever has come since; for a walk, what neighbours
        the symbol before, however it came there.
        """
        symbols, length = np.arange(self.num_symbols), tokens.shape[1]
        if self.name == "copy":
            right = tokens[:, np.arange(self.given, length) % self.given]
            return right[:, :, None] == symbols
        moves = (symbols - tokens[:, :-1, None]) % self.num_symbols
        return np.asarray((moves == 1) | (moves == self.num_symbols - 1))


def copy_errors(num_symbols: int, rate: float, num_periods: int) -> np.ndarray:
    """How wrong a copier of its own symbols is: one that errs with this rate at each of them.

        e_n = (1 - 1/K) (1 - (1 - rate K / (K - 1))^n),   n = 1, 2, ... periods

    An error stays, for it is copied; only another one may undo it, and the word is forgotten.

    Example:
        >>> copy_errors(4, 0.03, 3).round(4).tolist()
        [0.03, 0.0588, 0.0864]
    """
    share = 1 - 1 / num_symbols
    return np.asarray(share * (1 - (1 - rate / share) ** np.arange(1, num_periods + 1)))


def walk_errors(num_symbols: int, num_steps: int) -> np.ndarray:
    """How wrong the optimum of scheduled sampling is on a walk, if all tokens are the model's own.

    The targets go on from the first symbol alone, whatever was read since: the best prediction is
    q_t = P^t(x_0, .), the same for all that is read, and each symbol is drawn by itself:

        e_t = 1 - sum_a q_{t-1}(a) (q_t(a - 1) + q_t(a + 1)),   1 - 4 / K in the end

    Example:
        >>> walk_errors(8, 60).round(3)[[0, 1, 2, -1]].tolist()
        [0.0, 0.25, 0.375, 0.5]

    References:
        Huszar, How (not) to train your generative model: scheduled sampling, likelihood,
        adversary?, 2015, arXiv:1511.05101.
    """
    before, found = np.eye(num_symbols)[0], []
    for _ in range(num_steps):
        after = (np.roll(before, 1) + np.roll(before, -1)) / 2
        found.append(1 - before @ (np.roll(after, 1) + np.roll(after, -1)))
        before = after
    return np.asarray(found)
