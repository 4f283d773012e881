"""All paths of tiny CTC networks, one by one: what they collapse to and with what probability."""

import itertools

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def collapse(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    merged = [label for label, _ in itertools.groupby(path)]
    return tuple(label for label in merged if label != blank)


def labellings(logits: np.ndarray, length: int, blank: int) -> dict[tuple[int, ...], float]:
    """The probability of every labelling of one row's logits (T, V)."""
    probabilities = softmax(np.asarray(logits, np.float64)[:length])
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(probabilities.shape[1]), repeat=length):
        labels = collapse(path, blank)
        weight = float(np.prod([p[c] for p, c in zip(probabilities, path)]))
        found[labels] = found.get(labels, 0.0) + weight
    return found


def prefix_probability(found: dict[tuple[int, ...], float], prefix: tuple[int, ...]) -> float:
    """The probability of all labellings that begin so."""
    return sum(p for labels, p in found.items() if labels[: len(prefix)] == prefix)
