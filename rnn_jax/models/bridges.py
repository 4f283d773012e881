"""From what an encoder has read to where a decoder begins."""

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells
from rnn_jax.cells.base import state_shapes
from rnn_jax.ops import length_mask, select
from rnn_jax.typing import PyTree, State

Kind = Literal["zero", "last", "mean", "learned"]


def check_bridge(
    kind: str, encoder: Sequence[Any], decoder: Sequence[Any], directions: Sequence[int]
) -> None:
    """Check that a bridge is one of ``Kind``, and for "last" that the states fit.

    Args:
        kind: Which.
        encoder: The cell of each layer, lowest first, of one direction.
        decoder: The cell of each layer.
        directions: 1 or 2 for each of the encoder's layers.

    Raises:
        ValueError: Naming the layers and their sizes.

    Example:
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> check_bridge("last", [lstm], [cells.LSTM(input_size=9, hidden_size=6)], [2])
    """
    if kind not in get_args(Kind):
        raise ValueError(f"bridge must be one of {get_args(Kind)}, got {kind!r}.")
    if kind != "last":
        return
    if len(decoder) > len(encoder):
        raise ValueError(
            f'bridge="last" gives each of the {len(decoder)} decoder layers the state of one of '
            f'{len(encoder)} encoder layers: give as many to the encoder, or take "learned".'
        )
    used = slice(-len(decoder), None)
    ends = zip(decoder, encoder[used], directions[used], strict=True)
    for k, (above, below, sides) in enumerate(ends):
        has = {p: (*s[:-1], s[-1] * sides) for p, s in state_shapes(below).items() if s}
        wants = {p: s for p, s in state_shapes(above).items() if p in _carried_paths(above)}
        if any(has.get(path) != shape for path, shape in wants.items()):
            raise ValueError(
                f'bridge="last": layer {k} of the decoder begins with {wants}, but the encoder '
                f"ends with {has}, its {sides} directions side by side: give both the same "
                f"kind of cell and the decoder hidden_size={sides} * that of the encoder, or "
                'take "learned".'
            )


def carried(cell: Any) -> PyTree:
    """Shapes of what is carried over into a cell's state, None elsewhere: hidden state and memory.

    Example:
        >>> carried(cells.LSTM(input_size=2, hidden_size=3)).c.shape
        (3,)
    """
    learned = cells.LearnedInitialState(cell=cell)  # which has chosen h and c, and no counters
    with jax.ensure_compile_time_eval():
        return jax.eval_shape(learned.init, jax.random.key(0)).state


def _carried_paths(cell: Any) -> set[str]:
    leaves = jax.tree_util.tree_leaves_with_path(carried(cell))
    return {jax.tree_util.keystr(path) for path, _ in leaves}


def carry_last(
    encoder: Sequence[State], decoder: Sequence[State], cells: Sequence[Any]
) -> tuple[State, ...]:
    """The encoder's final states as the decoder's first ones, the highest layer's to the highest.

    Args:
        encoder: States of the layers, lowest first; of both directions pairs, put side by side.
        decoder: The decoder's initial states.
        cells: The decoder's cells.

    Example:
        >>> cell = cells.GRU(input_size=1, hidden_size=2)
        >>> start = cells.GRUState(h=jnp.zeros((1, 2)))
        >>> one = cells.GRUState(h=jnp.ones((1, 1)))
        >>> carry_last([(one, one)], [start], [cell])[0].h.tolist()
        [[1.0, 1.0]]
    """

    def one(cell: Any, begin: State, end: State) -> State:
        if type(end) is tuple:
            end = jax.tree.map(lambda *ends: jnp.concatenate(ends, axis=-1), *end)

        def leaf(begin: jax.Array, shape: Any, end: jax.Array) -> jax.Array:
            return begin if shape is None else end.astype(begin.dtype)

        return jax.tree.map(leaf, begin, carried(cell), end)

    layers = zip(cells, decoder, encoder[-len(cells) :], strict=True)
    return tuple(one(*layer) for layer in layers)


class Bridge(nnx.Module):
    """A dense map from one vector to hidden state and memory of every layer.

        [h_1, c_1, h_2, ...] = tanh(v @ w + b)

    Args:
        size: Of v.
        cells: The decoder's cells, lowest layer first.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> bridge = Bridge(4, [cells.LSTM(input_size=2, hidden_size=3)], rngs=nnx.Rngs(0))
        >>> start = cells.LSTMState(h=jnp.zeros((5, 3)), c=jnp.zeros((5, 3)))
        >>> (state,) = bridge(jnp.ones((5, 4)), [start])
        >>> bool((state.h != state.c).all())
        True

    References:
        Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and
        translate, 2015, arXiv:1409.0473 (from the backward half's last state).
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044 (from the mean).
    """

    def __init__(self, size: int, cells: Sequence[Any], *, rngs: nnx.Rngs) -> None:
        self.cells = tuple(cells)
        shapes = jax.tree.leaves([carried(cell) for cell in cells])
        self.map = nnx.Linear(size, sum(prod(leaf.shape) for leaf in shapes), rngs=rngs)

    def __call__(self, v: jax.Array, states: Sequence[State]) -> tuple[State, ...]:
        """The states with what comes of v (B, size)."""
        values, place = jnp.tanh(self.map(v)), 0

        def leaf(begin: jax.Array, shape: Any) -> jax.Array:
            nonlocal place
            if shape is None:
                return begin
            place, first = place + prod(shape.shape), place
            return values[:, first:place].reshape(begin.shape).astype(begin.dtype)

        shapes = tuple(carried(cell) for cell in self.cells)
        return tuple(jax.tree.map(leaf, b, s) for b, s in zip(states, shapes, strict=True))


def mean_over_time(ys: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The mean (B, O) of the real steps of ys (B, S, O), 0 of a row without any.

    Example:
        >>> mean_over_time(jnp.array([[[1.0], [3.0], [9.0]]]), jnp.array([2])).tolist()
        [[2.0]]
    """
    if lengths is None:
        return ys.mean(1)
    lengths = jnp.asarray(lengths)
    ys = select(length_mask(lengths, ys.shape[1]).T, ys, jnp.zeros((), ys.dtype))
    return ys.sum(1) / jnp.maximum(lengths, 1)[:, None].astype(ys.dtype)
