"""A cell that attends to a memory at every step: the decoder with attention."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Attended, Attention, Memory, attend, is_stochastic, spread
from rnn_jax.cells import base
from rnn_jax.ops.checks import check_instance
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, join, wider
from rnn_jax.typing import Initializer, Params, PyTree, State


class AttentiveParams(NamedTuple):
    """Parameters of ``Attentive``, and the memory that ``bind`` puts in place."""

    cell: Params
    attention: Params
    w_c: jax.Array | None  # (C + H, O), the context's rows first; None without
    memory: Memory | None = None


class AttentiveState(NamedTuple):
    """State of ``Attentive``."""

    cell: State
    context: jax.Array  # (*B, C) context, or (*B, O) the attentional vector made of it
    attention: State
    weights: jax.Array  # (*B, S), of several heads (*B, N, S): the alignment of this step


class AttentiveInput(NamedTuple):
    """What arrives at each step of ``Attentive``."""

    z: PyTree  # x where something is fed back, else what the inner cell makes of it
    noise: PyTree  # the inner cell's
    attention: PyTree  # the attention's noise


@dataclass(frozen=True, kw_only=True)
class Attentive:
    """A cell with attention.

        s_t = step(s_{t-1}, [x_t, f_{t-1}]),  c_t = attend(h_t)              after, Luong's order
        c_t = attend(h_{t-1}),  s_t = step(s_{t-1}, [x_t, c_t])              before, Bahdanau's
        a_t = tanh([c_t, h_t] @ w_c)                                         attentional vector

    h is the inner cell's output. After the step, f is what is fed back: the attentional vector, or
    the context where there is none (as in listen, attend and spell); with ``feed=False`` nothing
    is, and the inner cell takes x alone. The output is the attentional vector, or [h_t, c_t].

    The memory is no parameter to learn and no input of a step, so it is bound to the parameters for
    a call: ``scan(cell, cell.bind(params, encoded, lengths), xs)``. Gradients reach it. A memory
    without batch axes serves all rows. The state holds the weights of its step; for those of a
    whole sequence wrap the cell with ``Alignments``.

    Args:
        cell: The inner cell, for D + C features (D + O where the attentional vector is fed back, D
            with ``feed=False``).
        attention: What it attends with, ``query_size`` being the inner cell's ``output_size``.
        order: "after" the inner step, with its output as the query; or "before" it, with the output
            of the step before.
        attentional_size: O of the attentional vector; None for none.
        feed: Feed back what was read, where ``order`` is "after".
        kernel_init: Initialiser of ``w_c``.

    Raises:
        ValueError: If parts or sizes do not fit, no memory is bound, or its rows are not xs's.

    Example:
        >>> from rnn_jax import attention, cells, drivers
        >>> cell = cells.Attentive(
        ...     cell=cells.LSTM(input_size=2 + 6, hidden_size=4),
        ...     attention=attention.Additive(query_size=4, memory_size=3, score_size=5),
        ...     attentional_size=6,
        ... )
        >>> params, encoded = cell.init(jax.random.key(0)), jnp.ones((7, 2, 3))
        >>> bound = cell.bind(params, encoded, jnp.array([7, 4]))
        >>> state, ys = drivers.scan(cell, bound, jnp.ones((5, 2, 2)))
        >>> ys.shape, state.weights.shape
        ((5, 2, 6), (2, 7))

    References:
        Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and
        translate, 2015, arXiv:1409.0473.
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025 (input feeding).
        Chan, Jaitly, Le and Vinyals, Listen, attend and spell, 2016, arXiv:1508.01211.
    """

    cell: Any
    attention: Any
    order: Literal["after", "before"] = "after"
    attentional_size: int | None = None
    feed: bool = True
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        base.check_sizes(self)
        check_instance("Attentive", "cell", self.cell, base.Cell, "cells.LSTM(...)")
        check_instance(
            "Attentive", "attention", self.attention, Attention, "attention.Additive(...)"
        )
        if self.order not in ("after", "before"):
            raise ValueError(f'Attentive: order must be "after" or "before", got {self.order!r}.')
        if self.order == "before" and not self.feed:
            raise ValueError('Attentive: order="before" feeds the context: leave feed at True.')
        if self.attention.query_size != self.cell.output_size:
            raise ValueError(
                f"Attentive: the attention has query_size={self.attention.query_size}, but the "
                f"inner cell's output_size={self.cell.output_size} is the query: make them equal."
            )
        if self.cell.input_size <= self._fed_size:
            raise ValueError(
                f"Attentive: the inner cell takes x and the {self._fed_size} features that are fed "
                f"to it, but has input_size={self.cell.input_size}: make it with input_size = D + "
                f"{self._fed_size}."
            )

    @property
    def _fed_size(self) -> int:
        """Features that stand beside x."""
        if self.order == "before":
            return self.attention.output_size
        return self._context_size if self.feed else 0

    @property
    def _context_size(self) -> int:
        return self.attentional_size or self.attention.output_size

    @property
    def input_size(self) -> int:
        return self.cell.input_size - self._fed_size

    @property
    def output_size(self) -> int:
        return self.attentional_size or self.cell.output_size + self.attention.output_size

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or is_stochastic(self.attention)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> AttentiveParams:
        key_cell, key_attention, key_c = jax.random.split(key, 3)
        w_c = None
        if self.attentional_size is not None:
            rows = self.attention.output_size + self.cell.output_size
            w_c = self.kernel_init(key_c, (rows, self.attentional_size), dtype)
        return AttentiveParams(
            cell=self.cell.init(key_cell, dtype),
            attention=self.attention.init(key_attention, dtype),
            w_c=w_c,
        )

    def bind(
        self,
        params: AttentiveParams,
        memory: jax.Array | Memory,
        lengths: jax.Array | None = None,
    ) -> AttentiveParams:
        """The parameters with a memory: (S, *B, E) and lengths (*B,), or one already prepared."""
        if isinstance(memory, Memory):
            if lengths is not None:
                raise ValueError("Attentive: a prepared memory has its lengths: give none.")
            return params._replace(memory=memory)
        return params._replace(memory=self.attention.prepare(params.attention, memory, lengths))

    def initial_state(
        self, params: AttentiveParams, batch_shape: tuple[int, ...] = ()
    ) -> AttentiveState:
        """Zero weights and context; while no memory is bound, as for a memory of one step."""
        dtype = _widest(params)
        if params.memory is None:
            nothing = jnp.zeros((1, *batch_shape, self.attention.memory_size), dtype)
            memory = self.attention.prepare(params.attention, nothing)
        else:
            memory = spread(params.memory, batch_shape)
        heads = getattr(self.attention, "weight_heads", ())
        return AttentiveState(
            cell=self.cell.initial_state(params.cell, batch_shape),
            context=jnp.zeros((*batch_shape, self._context_size), dtype),
            attention=self.attention.initial_state(params.attention, memory),
            weights=jnp.zeros((*batch_shape, *heads, memory.valid.shape[-1]), dtype),
        )

    def perturb(
        self, params: AttentiveParams, key: jax.Array, batch_shape: tuple[int, ...]
    ) -> AttentiveParams:
        return params._replace(cell=base.perturb(self.cell, params.cell, key, batch_shape))

    def noise(self, params: AttentiveParams, key: jax.Array, shape: tuple[int, ...]) -> PyTree:
        key_cell, key_attention = jax.random.split(key)
        own = None
        if is_stochastic(self.attention):
            memory = spread(_bound(params), shape[1:])
            own = self.attention.noise(params.attention, memory, key_attention, shape)
        return base.noise(self.cell, params.cell, key_cell, shape), own

    def encode(self, params: AttentiveParams, x: jax.Array, noise: PyTree = None) -> AttentiveInput:
        _bound(params)
        inner, own = noise if noise is not None else (None, None)
        # What the step makes of the params has their precision: then so has the whole step.
        x = x.astype(wider(x.dtype, _widest(params)))
        if self._fed_size:
            return AttentiveInput(x, inner, own)
        return AttentiveInput(base.encode(self.cell, params.cell, x, inner), None, own)

    def step(
        self, params: AttentiveParams, state: AttentiveState, z: AttentiveInput
    ) -> AttentiveState:
        before = self.order == "before"
        seen = self._attend(params, state, state.cell, z.attention) if before else None
        fed = state.context if seen is None else seen.context
        inner = z.z
        if self._fed_size:
            inner = base.encode(self.cell, params.cell, join(z.z, fed), z.noise)
        cell = self.cell.step(params.cell, state.cell, inner)
        if seen is None:
            seen = self._attend(params, state, cell, z.attention)
        context = seen.context
        if params.w_c is not None:
            h = self.cell.readout(params.cell, cell)
            context = jnp.tanh(affine(join(context, h), params.w_c, None))
        return AttentiveState(cell, context, seen.state, seen.weights)

    def _attend(
        self, params: AttentiveParams, state: AttentiveState, cell: State, noise: PyTree
    ) -> Attended:
        query = self.cell.readout(params.cell, cell)
        memory = spread(_bound(params), query.shape[:-1], query)
        return attend(self.attention, params.attention, memory, query, state.attention, noise)

    def readout(self, params: AttentiveParams, state: AttentiveState) -> jax.Array:
        if params.w_c is not None:
            return state.context
        return join(self.cell.readout(params.cell, state.cell), state.context)


def _widest(params: AttentiveParams) -> Any:
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(params)]
    return wider(jnp.float32, *(d for d in dtypes if jnp.issubdtype(d, jnp.floating)))


def _bound(params: AttentiveParams) -> Memory:
    if params.memory is None:
        raise ValueError("Attentive: no memory is bound: call with cell.bind(params, memory).")
    return params.memory
