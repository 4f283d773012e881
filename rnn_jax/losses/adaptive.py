"""Softmax over large vocabularies: rare words through narrow projections (Grave et al. 2017)."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.losses.checks import as_labels, real_steps
from rnn_jax.losses.logspace import at, below_zero
from rnn_jax.ops.checks import check_sizes
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, matmul
from rnn_jax.ops.masks import select
from rnn_jax.typing import Array, Initializer


class TailParams(NamedTuple):
    """Parameters of one cluster of rare words."""

    w_p: jax.Array  # (D, P) projection
    w: jax.Array  # (P, words of the cluster)


class AdaptiveSoftmaxParams(NamedTuple):
    """Parameters of ``AdaptiveSoftmax``."""

    w: jax.Array  # (D, frequent words + clusters)
    b: jax.Array | None  # (frequent words + clusters,)
    tails: tuple[TailParams, ...]


@dataclass(frozen=True, kw_only=True)
class AdaptiveSoftmax:
    """Softmax in two levels: frequent words and clusters of rare ones; then the cluster's words.

        p(w) = softmax(h @ w + b)[w]                                      w frequent
        p(w) = softmax(h @ w + b)[cluster i] softmax(h @ w_p_i @ w_i)[w]   w in cluster i

    Words are numbered by falling frequency, so cluster i is cutoffs[i] .. cutoffs[i+1] - 1 and its
    projection has ``input_size // div_value ** (i + 1)`` columns: rare words get few parameters.

    What it saves is that width. Every token computes every cluster, so that shapes are static under
    ``jit`` (PyTorch gathers each cluster's tokens, whose number depends on the data); no cluster's
    softmax is kept for the gradient.

    Args:
        input_size: D.
        vocab_size: V.
        cutoffs: First word of each cluster, rising, between 1 and V - 1.
        div_value: By how much each cluster's projection is narrower than the one before.
        bias: Whether the first level has one (PyTorch's ``head_bias``).
        kernel_init: Initialiser of every matrix.

    Raises:
        ValueError: For cutoffs that do not rise or lie outside, or a projection of no column.

    Example:
        >>> softmax = AdaptiveSoftmax(input_size=8, vocab_size=10, cutoffs=(3, 6), div_value=2)
        >>> params = softmax.init(jax.random.key(0))
        >>> p = jnp.exp(softmax.log_probs(params, jnp.ones((5, 2, 8))))
        >>> p.shape, bool(jnp.allclose(p.sum(-1), 1))
        ((5, 2, 10), True)

    References:
        Grave, Joulin, Cisse, Grangier and Jegou, Efficient softmax approximation for GPUs, 2017,
        arXiv:1609.04309.
    """

    input_size: int
    vocab_size: int
    cutoffs: tuple[int, ...]
    div_value: float = 4.0
    bias: bool = False
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)
        if isinstance(self.cutoffs, list):
            object.__setattr__(self, "cutoffs", tuple(self.cutoffs))
        whole = isinstance(self.cutoffs, tuple) and all(isinstance(c, int) for c in self.cutoffs)
        if not whole:
            raise ValueError(
                f"AdaptiveSoftmax: cutoffs must be a tuple of whole numbers, got {self.cutoffs!r}."
            )
        places = (0, *self.cutoffs, self.vocab_size)
        if not self.cutoffs or any(a >= b for a, b in zip(places, places[1:])):
            raise ValueError(
                f"AdaptiveSoftmax: cutoffs are {self.cutoffs}, but they must rise and lie in "
                f"1..{self.vocab_size - 1}, between the first and the last of {self.vocab_size} "
                "words."
            )
        if self.div_value < 1 or min(self.projection_sizes) < 1:
            raise ValueError(
                f"AdaptiveSoftmax: div_value={self.div_value} makes projections of "
                f"{self.projection_sizes} columns from input_size={self.input_size}: give a "
                "div_value >= 1 that leaves every cluster one, or fewer cutoffs."
            )

    @property
    def projection_sizes(self) -> tuple[int, ...]:
        """Columns of each cluster's projection."""
        return tuple(
            int(self.input_size // self.div_value ** (i + 1)) for i in range(len(self.cutoffs))
        )

    @property
    def clusters(self) -> tuple[tuple[int, int], ...]:
        """First word of each cluster, and the first after it."""
        return tuple(zip(self.cutoffs, (*self.cutoffs[1:], self.vocab_size)))

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> AdaptiveSoftmaxParams:
        keys = jax.random.split(key, 1 + 2 * len(self.cutoffs))
        head_size = self.cutoffs[0] + len(self.cutoffs)
        tails = tuple(
            TailParams(
                w_p=self.kernel_init(keys[1 + 2 * i], (self.input_size, size), dtype),
                w=self.kernel_init(keys[2 + 2 * i], (size, end - begin), dtype),
            )
            for i, (size, (begin, end)) in enumerate(zip(self.projection_sizes, self.clusters))
        )
        return AdaptiveSoftmaxParams(
            w=self.kernel_init(keys[0], (self.input_size, head_size), dtype),
            b=jnp.zeros((head_size,), dtype) if self.bias else None,
            tails=tails,
        )

    def log_probs(self, params: AdaptiveSoftmaxParams, hs: jax.Array) -> jax.Array:
        """Log-probabilities of all words: hs (..., D) -> (..., V), float32 or wider."""
        head = jax.nn.log_softmax(self._head(params, hs))
        first = self.cutoffs[0]
        parts = [head[..., :first]]
        for i, tail in enumerate(params.tails):
            words = jax.nn.log_softmax(_tail(tail, hs, head.dtype))
            parts.append(words + head[..., first + i : first + i + 1])
        return jnp.concatenate(parts, axis=-1)

    def predict(self, params: AdaptiveSoftmaxParams, hs: jax.Array) -> jax.Array:
        """The most probable word, the lower of equals: hs (..., D) -> (...)."""
        return jnp.argmax(self.log_probs(params, hs), axis=-1)

    def token_losses(
        self,
        params: AdaptiveSoftmaxParams,
        hs: jax.Array,
        labels: jax.Array,
        *,
        lengths: Any = None,
        mask: Any = None,
    ) -> jax.Array:
        """``-log p`` of every real word, 0 on padding; ``losses.tally`` makes a mean of them.

        Args:
            params: From ``init``.
            hs: Hidden states (T, *B, D).
            labels: Words (T, *B); anything on padding.
            lengths: Real steps of each row (*B,).
            mask: (T, *B) bool, True = real.

        Returns:
            (T, *B), as ``losses.token_losses`` of the logits would be.

        Raises:
            ValueError: If shapes or dtypes do not fit, or a real label is known to be no word.
        """
        hs = jnp.asarray(hs)
        real = real_steps(hs[..., 0], lengths, mask)
        labels, good = as_labels(labels, real, self.vocab_size)
        hs = select(real, hs, jnp.zeros((), hs.dtype))
        place, first = labels, self.cutoffs[0]
        for i, (begin, end) in enumerate(self.clusters):
            inside = jnp.logical_and(labels >= begin, labels < end)
            place = jnp.where(inside, jnp.full_like(labels, first + i), place)
        loss = _loss(lambda h: self._head(params, h), hs, place)
        for tail, (begin, end) in zip(params.tails, self.clusters):
            inside = jnp.logical_and(labels >= begin, labels < end)
            word = jnp.where(inside, labels - begin, jnp.zeros_like(labels))
            rare = _loss(partial(_tail, tail, dtype=loss.dtype), hs, word)
            loss = loss + select(inside, rare, jnp.zeros((), loss.dtype))
        loss = select(good, loss, jnp.full((), jnp.inf, loss.dtype))
        return select(real, loss, jnp.zeros((), loss.dtype))

    def _head(self, params: AdaptiveSoftmaxParams, hs: Array) -> Array:
        if hs.ndim < 1 or hs.shape[-1] != self.input_size:
            raise ValueError(
                f"hs has shape {jnp.shape(hs)}, but AdaptiveSoftmax has input_size="
                f"{self.input_size}: features come last."
            )
        return affine(hs, params.w, params.b)


def _tail(params: TailParams, hs: Array, dtype: Any) -> Array:
    return matmul(matmul(hs.astype(dtype), params.w_p), params.w)


def _loss(logits_of: Any, hs: Array, labels: Array) -> Array:
    """Cross entropy; the logits are made again for the gradient."""

    @jax.checkpoint
    def loss(hs: Array, labels: Array) -> Array:
        logits = below_zero(logits_of(hs))
        return jax.nn.logsumexp(logits, axis=-1) - at(logits, labels)

    return loss(hs, labels)
