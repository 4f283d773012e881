"""What is common to data with a class for each example: floors, and answers in order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.errors import InputError, extra


def answers(ask: Callable[..., Any], batches: PairBatches) -> np.ndarray:
    """What a function says of every example, in the order of the data.

    Args:
        ask: gives an array (B, ...) of a batch's sources and their lengths.
        batches: none of whose examples were left out.

    Returns:
        (N, ...).

    Example:
        >>> rows = [[1, 2, 3], [4], [5, 6]]
        >>> batches = PairBatches(rows, [[0]] * 3, batch_size=2)
        >>> answers(lambda rows, lengths: rows.sum(1), batches)
        array([ 6,  4, 11])
    """
    parts = [
        (batch.indices, np.asarray(ask(batch.source, batch.source_lengths)))
        for batch in batches.in_order()
    ]
    places = np.concatenate([indices for indices, _ in parts])
    found = np.concatenate([array for _, array in parts])
    return found[np.argsort(places, kind="stable")][(places < 0).sum() :]


def numbered(texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """The number of the class that each text names.

    Raises:
        InputError: for one that is none of the names.

    Example:
        >>> numbered(["no", "yes", "no"], ["no", "yes"])
        array([0, 1, 0], dtype=int32)
        >>> numbered(["perhaps"], ["no", "yes"])
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: 'perhaps' is none of what was learnt: no, yes
    """
    places = {name: place for place, name in enumerate(names)}
    if unknown := sorted(set(texts) - set(places)):
        raise InputError(f"data: {unknown[0]!r} is none of what was learnt: {', '.join(names)}")
    return np.array([places[text] for text in texts], np.int32)


def measured(chances: np.ndarray, labels: np.ndarray) -> tuple[str, float]:
    """How many classes are right, in words, and the cross entropy.

    Args:
        chances: probabilities (N, C).
        labels: right classes (N,).

    Returns:
        For a person, and nats per example.

    Example:
        >>> said, nats = measured(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 0]))
        >>> said, round(nats, 3)
        ('1.151 nats, 50.00% of 2 right', 1.151)
    """
    nats = -np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-30)).mean()
    right = np.mean(chances.argmax(1) == labels)
    return f"{nats:.3f} nats, {right:.2%} of {len(labels)} right", float(nats)


def frequency_nats(seen: np.ndarray, labels: np.ndarray) -> float:
    """Cross entropy of labels under how often each class has been seen, plus one each.

    Example:
        >>> round(frequency_nats(np.array([0, 0, 1, 1]), np.array([1, 0])), 3)  # ln 2
        0.693
    """
    counts = np.bincount(seen, minlength=max(seen.max(), labels.max()) + 1) + 1
    return float(-np.log(counts / counts.sum())[labels].mean())


def most_frequent(labels: np.ndarray) -> float:
    """The share of the most frequent class: what is right if one always says the same.

    Example:
        >>> most_frequent(np.array([2, 2, 0, 1]))
        0.5
    """
    return float(np.bincount(labels).max() / len(labels))


def naive_bayes(texts: Sequence[str], labels: np.ndarray, others: Sequence[str]) -> np.ndarray:
    """The classes that multinomial naive Bayes gives other texts: a bag of words, no order.

        argmax_c  log n_c / N + sum_words log (n_{c,word} + 1) / (n_c + V)

    Args:
        texts: to learn from, words between white space.
        labels: their classes (N,).
        others: to classify; words that were never seen say nothing.

    Raises:
        InputError: if scikit-learn is not installed.

    Example:
        >>> naive_bayes(["good fun", "bad , dull"], np.array([1, 0]), ["so good", "dull"])
        array([1, 0])
    """
    with extra("naive Bayes", "scikit-learn"):
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.naive_bayes import MultinomialNB
    counter = CountVectorizer(token_pattern=r"\S+")
    found = MultinomialNB().fit(counter.fit_transform(texts), labels)
    return np.asarray(found.predict(counter.transform(others)))
