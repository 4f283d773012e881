"""Penalties on what the network does over time, and on its recurrent weights.

Those on states are sums and counts like every loss of tokens, so they add up over shards and
windows: ``loss = cross_entropy(...).mean + alpha * activation(hs, lengths=lengths).mean``.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses.checks import as_scores, real_steps
from rnn_jax.losses.sums import Sum
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.typing import Array, Params

# Fields that hold what is multiplied with the state or output of the step (or grid place) before.
RECURRENT_NAMES = ("w_h", "u", "w_m", "w_mh", "w_s", "w_back", "w_up", "w_left")


def activation(hs: jax.Array, *, lengths: Any = None, mask: Any = None) -> Sum:
    """Activation regularisation (AR): the mean square of the outputs.

        AR = alpha * mean over real steps and units of h^2

    Args:
        hs: Outputs (T, *B, H), after dropout in the paper.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        ``Sum`` of squares and number of real entries; multiply its mean by alpha (2 in the paper).

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> activation(jnp.array([[[1.0, 3.0]], [[9.0, 9.0]]]), lengths=jnp.array([1])).mean.item()
        5.0

    References:
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2017,
        arXiv:1708.02182.
    """
    hs, real = _clean(hs, lengths, mask)
    return _sum(jnp.square(hs), real, hs.shape[-1])


def temporal_activation(hs: jax.Array, *, lengths: Any = None, mask: Any = None) -> Sum:
    """Temporal activation regularisation (TAR): the mean square of what changes between steps.

        TAR = beta * mean over real pairs of steps and units of (h_t - h_{t-1})^2

    A pair counts where both its steps are real. Zero for one step: there is no pair.

    Args:
        hs: Outputs (T, *B, H), before dropout in the paper.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        ``Sum``; multiply its mean by beta (1 in the paper).

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> temporal_activation(jnp.array([[1.0], [3.0], [9.0]])).mean.item()
        20.0

    References:
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2017,
        arXiv:1708.02182.
    """
    hs, real = _clean(hs, lengths, mask)
    both = jnp.logical_and(real[1:], real[:-1])
    return _sum(jnp.square(hs[1:] - hs[:-1]), both, hs.shape[-1])


def norm_stabiliser(hs: jax.Array, *, lengths: Any = None, mask: Any = None) -> Sum:
    """Norm stabiliser: the mean square change of the hidden state's length.

        beta * mean over real pairs of steps of (|h_t| - |h_{t-1}|)^2

    Args:
        hs: Hidden states (T, *B, H).
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        ``Sum``; multiply its mean by beta (50 to 500 in the paper). The gradient at h = 0 is 0.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> norm_stabiliser(jnp.array([[3.0, 4.0], [0.0, 2.0]])).mean.item()
        9.0

    References:
        Krueger and Memisevic, Regularizing RNNs by stabilizing activations, 2016,
        arXiv:1511.08400.
    """
    hs, real = _clean(hs, lengths, mask)
    square = jnp.sum(jnp.square(hs), axis=-1)
    is_zero = square == 0
    norm = jnp.where(is_zero, square, jnp.sqrt(jnp.where(is_zero, jnp.ones_like(square), square)))
    both = jnp.logical_and(real[1:], real[:-1])
    return _sum(jnp.square(norm[1:] - norm[:-1]), both, 1)


def recurrent_l1(params: Params, *, names: tuple[str, ...] = RECURRENT_NAMES) -> jax.Array:
    """L1 norm of the recurrent weights alone: ``sum |w_h|``. See ``recurrent_l2``.

    Args:
        params: Parameters of a cell, a layer or a model, or any tree of them.
        names: Fields that count as recurrent.

    Returns:
        () in float32 or wider.

    Raises:
        ValueError: If there is no such weight.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.Elman(input_size=2, hidden_size=2).init(jax.random.key(0))
        >>> recurrent_l1(params._replace(w_h=jnp.array([[1.0, -2.0], [0.0, 3.0]]))).item()
        6.0
    """
    return _over_recurrent(jnp.abs, params, names)


def recurrent_l2(params: Params, *, names: tuple[str, ...] = RECURRENT_NAMES) -> jax.Array:
    """Squared L2 norm of the recurrent weights alone: ``sum w_h^2``.

    Recurrent is what multiplies the state or output of the step before: fields called ``w_h``
    (nearly all cells), ``u`` (IndRNN), ``w_m`` and ``w_mh`` (multiplicative LSTM), ``w_back``
    (output feedback), ``w_s`` and everything but biases under ``transition`` (Deep), ``w_up`` and
    ``w_left`` (grids). Input matrices, biases, peepholes, projections and output heads are not. The
    rule goes by the innermost field's name, so it holds inside wrappers, stacks and models. Affine
    cells (MinGRU, LRU, ...) have no such weights.

    Args:
        params: Parameters of a cell, a layer or a model, or any tree of them.
        names: Fields that count as recurrent.

    Returns:
        () in float32 or wider. PyTorch's ``weight_decay`` adds ``decay * w`` to the gradient of all
        weights; ``0.5 * decay * recurrent_l2(params)`` does that to these.

    Raises:
        ValueError: If there is no such weight.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.Elman(input_size=2, hidden_size=2).init(jax.random.key(0))
        >>> recurrent_l2(params._replace(w_h=jnp.array([[1.0, -2.0], [0.0, 3.0]]))).item()
        14.0
    """
    return _over_recurrent(jnp.square, params, names)


def _over_recurrent(
    function: Callable[[Array], Array], params: Params, names: tuple[str, ...]
) -> Array:
    found, others = [], set()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        fields = [str(getattr(k, "name", getattr(k, "key", ""))) for k in path]
        last = next((field for field in reversed(fields) if field), "")
        if last in names or (last == "w" and "transition" in fields):
            found.append(jnp.sum(function(leaf.astype(wider(leaf.dtype, jnp.float32)))))
        else:
            others.add(last)
    if not found:
        raise ValueError(
            f"params: no recurrent weights among the fields {sorted(others)}; those called "
            f"{', '.join(names)} count. Give names=(...) for others."
        )
    dtype = wider(*(x.dtype for x in found))
    return sum((x.astype(dtype) for x in found[1:]), found[0].astype(dtype))


def _clean(hs: Any, lengths: Any, mask: Any) -> tuple[Array, Array]:
    hs = as_scores("hs", hs, "(T, *B, H)")
    real = real_steps(hs[..., 0], lengths, mask)
    return select(real, hs, jnp.zeros((), hs.dtype)), real


def _sum(values: Array, real: Array, entries: int) -> Sum:
    total = jnp.sum(select(real, values, jnp.zeros((), values.dtype)))
    return Sum(total, entries * jnp.sum(real, dtype=jnp.int32))
