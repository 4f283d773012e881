"""Variational dropout (Gal and Ghahramani 2016): one mask for a whole sequence."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, check_rate
from rnn_jax.ops.dropout import drop, keep_mask
from rnn_jax.typing import Params, PyTree, State


class DropoutParams(NamedTuple):
    """The inner cell's parameters, and the masks of the sequence at hand (None in evaluation)."""

    cell: Params
    keep_x: jax.Array | None = None  # (*B, D) bool
    keep_h: jax.Array | None = None  # (*B, H) bool


@dataclass(frozen=True, kw_only=True)
class VariationalDropout(Wrapper):
    """Variational dropout: the same units of input and hidden state are dropped at every step.

        m_x ~ Bernoulli(1 - input_rate) / (1 - input_rate),   m_h likewise, once for a sequence
        s' = step(s, x * m_x), its product being (h * m_h) @ w_h

    All gates see the same masks (the paper's tied weights; Keras' ``dropout`` and
    ``recurrent_dropout``). What a cell does elementwise with its own h (z * h of a GRU) sees no
    mask.

    Args:
        cell: The inner cell; ``hidden_rate`` needs a gated one.
        input_rate: Probability of dropping an input, in [0, 1).
        hidden_rate: Probability of dropping a hidden unit, in [0, 1).

    Raises:
        ValueError: If a rate lies outside [0, 1), or ``hidden_rate`` meets a cell not gated.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> cell = cells.VariationalDropout(cell=lstm, input_rate=0.1, hidden_rate=0.3)
        >>> params = cell.init(jax.random.key(0))
        >>> _, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> ys.shape
        (5, 4, 3)

    References:
        Gal and Ghahramani, A theoretically grounded application of dropout in recurrent neural
        networks, 2016, arXiv:1512.05287.
    """

    input_rate: float = 0.0
    hidden_rate: float = 0.0
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_rate(self, "input_rate")
        check_rate(self, "hidden_rate")
        if self.hidden_rate and not base.is_gated(self.cell):
            raise ValueError(
                f"VariationalDropout: hidden_rate={self.hidden_rate} needs a gated cell, whose "
                f"hidden state meets one matrix, and {type(self.cell).__name__} is not: use "
                f"Zoneout, or input_rate alone."
            )

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or self.input_rate > 0 or self.hidden_rate > 0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> DropoutParams:
        return DropoutParams(cell=self.cell.init(key, dtype))

    def perturb(
        self, params: DropoutParams, key: jax.Array, batch_shape: tuple[int, ...]
    ) -> DropoutParams:
        key_cell, key_x, key_h = jax.random.split(key, 3)
        inner = base.perturb(self.cell, params.cell, key_cell, batch_shape)
        keep_x = keep_h = None
        if self.input_rate:
            keep_x = keep_mask(key_x, self.input_rate, (*batch_shape, *self.input_shape))
        if self.hidden_rate:
            h = jax.eval_shape(
                lambda p: base.hidden(self.cell, p, self.cell.initial_state(p, batch_shape)), inner
            )
            keep_h = keep_mask(key_h, self.hidden_rate, h.shape)
        return DropoutParams(inner, keep_x, keep_h)

    def encode(self, params: DropoutParams, x: jax.Array, noise: PyTree = None) -> PyTree:
        if params.keep_x is not None:
            x = drop(x, params.keep_x, self.input_rate)
        return base.encode(self.cell, params.cell, x, noise)

    def hidden(self, params: DropoutParams, state: State) -> jax.Array:
        h = base.hidden(self.cell, params.cell, state)
        return h if params.keep_h is None else drop(h, params.keep_h, self.hidden_rate)

    def step(self, params: DropoutParams, state: State, z: PyTree) -> State:
        if params.keep_h is None:
            return self.cell.step(params.cell, state, z)
        return base.gated_step(self, params, state, z)
