"""A context vector: one more input that belongs to a sequence, not to a step."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, encodes_affinely, slope
from rnn_jax.typing import Params, PyTree


class ContextParams(NamedTuple):
    """The inner cell's parameters, and the context that ``bind`` puts in place."""

    cell: Params
    v: jax.Array | None = None  # (*B, V)


@dataclass(frozen=True, kw_only=True)
class Context(Wrapper):
    """A cell that sees a vector v at every step: an image to describe, a sentence to translate.

        h' = tanh(h @ w_hh + x @ w_xh + v @ w_ih + b)         with an Elman inside
        s' = step(s, [x, v])                                  with any cell

    It equals concatenating v to every x; where the inner cell's encoding is affine, ``v @ w_ih`` is
    computed once for the sequence. v is no parameter to learn and no input of a step, so it is
    bound to the parameters for a call: ``scan(cell, cell.bind(params, v), xs)``. Gradients reach v.
    The inner weights' rows are those of x, then those of v.

    Args:
        cell: The inner cell, for D + V features; gated and affine ones stay so.
        context_size: V.
        optional: Whether v may be left unbound, which then counts as zero; else that is an error.

    Raises:
        ValueError: If the inner cell has no room for V features, if v is not bound, or has another
            size or batch than the inputs.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Context(cell=cells.Elman(input_size=5, hidden_size=4), context_size=3)
        >>> params, image = cell.init(jax.random.key(0)), jnp.ones((7, 3))
        >>> _, ys = drivers.scan(cell, cell.bind(params, image), jnp.ones((6, 7, 2)))
        >>> ys.shape
        (6, 7, 4)

    References:
        Karpathy and Fei-Fei, Deep visual-semantic alignments for generating image descriptions,
        2015, arXiv:1412.2306.
    """

    context_size: int
    optional: bool = False
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.context_size < self.cell.input_size:
            raise ValueError(
                f"Context: the inner cell takes the inputs' features and those of the context, but "
                f"has input_size={self.cell.input_size} with context_size={self.context_size}: "
                f"make it with input_size = D + V."
            )

    @property
    def input_size(self) -> int:
        return self.cell.input_size - self.context_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.input_size,)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ContextParams:
        return ContextParams(cell=self.cell.init(key, dtype))

    def bind(self, params: ContextParams, v: jax.Array) -> ContextParams:
        """The parameters with the context v (*B, V) of the sequences to come."""
        if jnp.shape(v)[-1:] != (self.context_size,):
            raise ValueError(
                f"Context: v has shape {jnp.shape(v)}, but context_size={self.context_size}: give "
                f"one vector of that size for each row."
            )
        return params._replace(v=v)

    def encode(self, params: ContextParams, x: jax.Array, noise: PyTree = None) -> PyTree:
        before = [(0, 0)] * (x.ndim - 1)
        v = params.v
        if v is None:
            if not self.optional:
                raise ValueError(
                    "Context: no v is bound: call with cell.bind(params, v) in place of params, "
                    "or make the cell with optional=True, for which v is then zero."
                )
            x = jnp.pad(x, [*before, (0, self.context_size)])
            return base.encode(self.cell, params.cell, x, noise)
        if v.ndim > x.ndim or v.shape[:-1] != x.shape[x.ndim - v.ndim : -1]:
            raise ValueError(
                f"Context: v has shape {v.shape}, but the inputs have shape {x.shape}: the batch "
                f"axes must agree; bind one vector for each row."
            )
        v = v.astype(x.dtype)
        if not encodes_affinely(self.cell):
            x = jnp.concatenate([x, jnp.broadcast_to(v, (*x.shape[:-1], self.context_size))], -1)
            return base.encode(self.cell, params.cell, x, noise)
        z = self.cell.encode(params.cell, jnp.pad(x, [*before, (0, self.context_size)]))
        v = jnp.pad(v, [(0, 0)] * (v.ndim - 1) + [(self.input_size, 0)])
        dz = slope(self.cell, params.cell, jnp.zeros_like(v), v)
        return jax.tree.map(lambda z, dz: z + jnp.broadcast_to(dz, z.shape), z, dz)
