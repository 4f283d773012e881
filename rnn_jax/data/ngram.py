"""N-grams: what a model without a recurrent network reaches on the same text."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def bits(nats: float) -> float:
    """Nats in bits: nats / ln 2.

    Example:
        >>> bits(math.log(8))
        3.0
    """
    return nats / math.log(2)


def witten_bell(train: np.ndarray, held_out: np.ndarray, order: int, vocab_size: int) -> float:
    """Cross entropy of an interpolated Witten-Bell n-gram on held-out text.

        p(c | h) = (count(h c) + types(h) p(c | h')) / (count(h) + types(h))

    h is the context of order - 1 tokens, h' is h without its oldest token, types(h) counts the
    distinct tokens seen after h. Below the unigram stands the uniform distribution; a context that
    was never seen passes on to the shorter one. A held-out token's context may reach back into
    `train`. "The zero-frequency problem: estimating the probabilities of novel events in adaptive
    text compression", Witten and Bell, 1991 (doi:10.1109/18.87000).

    Args:
        train: (N,) tokens that are counted, N >= order.
        held_out: (M,) tokens that follow `train` and are predicted, M >= 1.
        order: n; 1 is the unigram.
        vocab_size: number of tokens of the uniform distribution.

    Returns:
        Mean of -ln p over the M tokens, in nats.

    Raises:
        ValueError: if `order` is below 1 or `train` is shorter than it.

    Example:
        >>> train = np.array([0, 1, 0, 1, 0, 1])
        >>> round(witten_bell(train, np.array([0, 1]), order=2, vocab_size=2), 4)
        0.1579
    """
    if not 1 <= order <= train.size:
        raise ValueError(f"order {order} must lie in 1..{train.size}, the number of train tokens")
    tokens = np.concatenate([train, held_out]).astype(np.int64)
    probability = np.full(held_out.size, 1 / vocab_size)
    context = np.zeros(tokens.size, np.int64)  # number of the context before each token
    for length in range(order):
        # The first `length` tokens have no context of this length.
        _, gram = np.unique(context * vocab_size + tokens[length:], return_inverse=True)
        known = train.size - length  # so many of these n-grams lie within `train`
        gram_count = np.bincount(gram[:known], minlength=gram.max() + 1)
        context_count = np.bincount(context[:known], minlength=context.max() + 1)
        first = np.unique(gram[:known], return_index=True)[1]
        types = np.bincount(context[first], minlength=context.max() + 1)

        seen, c = gram_count[gram[known:]], context[known:]
        total = context_count[c] + types[c]
        mixed = (seen + types[c] * probability) / np.maximum(total, 1)
        probability = np.where(total > 0, mixed, probability)
        context = gram[:-1]
    return float(-np.log(probability).mean())


def floors(
    train: np.ndarray, held_out: np.ndarray, vocab_size: int, orders: Sequence[int] = (3, 5)
) -> dict[str, float]:
    """Nats per token of n-grams, by name: what a model has to pass.

    Args:
        train, held_out, vocab_size: as for `witten_bell`.
        orders: each n; those are left out for which `train` is too short.

    Example:
        >>> list(floors(np.arange(9) % 3, np.array([0, 1]), vocab_size=3))
        ['3-gram', '5-gram']
    """
    return {
        f"{n}-gram": witten_bell(train, held_out, n, vocab_size) for n in orders if n <= train.size
    }


def compared(loss: float, floors: Mapping[str, float], unit: str = "character") -> str:
    """A loss in nats and in bits, or for words as perplexity, beside the floors.

    Args:
        loss: nats per token.
        floors: the same of n-grams.
        unit: what a token is: for characters and bytes bits are said, else the perplexity.

    Example:
        >>> compared(math.log(2), {"3-gram": 0.9})
        '0.6931 nats = 1.0000 bits per character (3-gram 0.900 nats)'
        >>> compared(math.log(100), {"1-gram": math.log(600)}, "word")
        '4.6052 nats per word, perplexity 100.00 (1-gram 600.00)'
    """
    if unit in ("character", "byte"):
        said = f"{loss:.4f} nats = {bits(loss):.4f} bits per {unit}"
        beside = ", ".join(f"{name} {nats:.3f} nats" for name, nats in floors.items())
    else:
        said = f"{loss:.4f} nats per {unit}, perplexity {math.exp(loss):.2f}"
        beside = ", ".join(f"{name} {math.exp(nats):.2f}" for name, nats in floors.items())
    return f"{said} ({beside})" if beside else said
