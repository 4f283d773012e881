"""Echo state networks (Jaeger 2001): a fixed random reservoir and a readout in closed form."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.elman import ElmanState
from rnn_jax.cells.feedback import FeedbackState, feedback_step
from rnn_jax.ops.initializers import SpectralRadius, Uniform
from rnn_jax.ops.linear import affine, matmul, shift, wider
from rnn_jax.typing import Activation, Initializer


class EchoStateParams(NamedTuple):
    """Parameters of ``EchoState``; all but the last two are frozen."""

    w_x: jax.Array  # (D, H)
    w_h: jax.Array  # (H, H)
    w_back: jax.Array | None  # (O, H), None without feedback
    b: jax.Array  # (H,)
    w_out: jax.Array  # (H, O)
    b_out: jax.Array  # (O,)


@dataclass(frozen=True, kw_only=True)
class EchoState:
    """Echo state network: a leaky reservoir that is not trained, and a linear readout.

        h' = (1 - leak) * h + leak * f(input_scaling * x @ w_x + h @ w_h + b [+ y @ w_back])
        y' = h' @ w_out + b_out

    No gradient reaches the reservoir (``w_x w_h w_back b``). The readout starts at zero and is
    fitted in closed form on the hidden states (``Features``; under ``TeacherForced`` where there is
    feedback) with ``ops.ridge_init``, ``ridge_update`` and ``ridge_solve``, or trained by gradient.

    A reservoir is useful while it forgets where it began, the echo state property. With tanh and
    no input that needs a spectral radius below 1. Other choices are reported when the cell is made:
    by a warning where states stay bounded but may never forget (tanh), by an error where they can
    grow without bound (ReLU). Feedback closes a second loop, through the readout that will be
    fitted; it too is bounded if f is, and a warning says so if f is not.

    Against reservoirpy: its ``W`` and ``Win`` are our ``w_h.T`` and ``w_x.T`` (input_scaling=1, for
    it multiplies the scaling into the matrix), its ``lr`` is our ``leak``, ``sr`` our
    ``spectral_radius``.

    Args:
        input_size: D.
        hidden_size: H, the size of the reservoir.
        output_size: O.
        spectral_radius: Largest absolute eigenvalue of ``w_h`` at the start.
        density: Share of non-zero entries of ``w_h``; the product is dense all the same.
        input_scaling: Factor of the input.
        leak: Share of the new in the state, in (0, 1]; 1 / leak steps is its time scale.
        feedback: Whether the output is fed back. Without, the cell is gated.
        activation: f, elementwise, a named function.
        kernel_init: Initialiser of ``w_x`` and ``w_back``.
        bias_init: Initialiser of ``b``, called with the shape (H,). Without a bias, tanh makes the
            state an odd function of the inputs, and a linear readout of it too.
        frozen: False lets gradients reach the reservoir: a leaky Elman network that starts as one.

    Raises:
        ValueError: If a number is out of range, or if states can diverge.

    Warns:
        UserWarning: If the echo state property is doubtful.

    Example:
        >>> from rnn_jax import cells, drivers, ops
        >>> cell = cells.EchoState(input_size=1, hidden_size=50, output_size=1)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.sin(jnp.arange(201, dtype=jnp.float32) / 3)[:, None]
        >>> _, hs = drivers.scan(cells.Features(cell=cell), params, xs[:-1])
        >>> stats = ops.ridge_update(ops.ridge_init(50, 1), hs[50:], xs[51:])
        >>> w, b = ops.ridge_solve(stats, alpha=1e-4)
        >>> _, ys = drivers.scan(cell, params._replace(w_out=w, b_out=b), xs[:-1])
        >>> bool(abs(ys[50:] - xs[51:]).max() < 0.02)
        True

    References:
        Jaeger, The "echo state" approach to analysing and training recurrent neural networks, 2001,
        GMD report 148.
        Lukosevicius, A practical guide to applying echo state networks, 2012,
        doi:10.1007/978-3-642-35289-8_36.
    """

    input_size: int
    hidden_size: int
    output_size: int
    spectral_radius: float = 0.9
    density: float = 0.1
    input_scaling: float = 1.0
    leak: float = 1.0
    feedback: bool = False
    activation: Activation = jnp.tanh
    kernel_init: Initializer = Uniform(bound=1.0)
    bias_init: Initializer = Uniform(bound=0.5)
    frozen: bool = True

    def __post_init__(self) -> None:
        base.check_sizes(self)
        _check_numbers(self)
        _check_echo(self)

    @property
    def is_gated(self) -> bool:
        return not self.feedback

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> EchoStateParams:
        key_x, key_h, key_back, key_b = jax.random.split(key, 4)
        size, outputs = self.hidden_size, self.output_size
        reservoir = SpectralRadius(radius=self.spectral_radius, density=self.density)
        w_back = self.kernel_init(key_back, (outputs, size), dtype) if self.feedback else None
        return EchoStateParams(
            w_x=self.kernel_init(key_x, (self.input_size, size), dtype),
            w_h=reservoir(key_h, (size, size), dtype),
            w_back=w_back,
            b=self.bias_init(key_b, (size,), dtype),
            w_out=jnp.zeros((size, outputs), dtype),
            b_out=jnp.zeros((outputs,), dtype),
        )

    def initial_state(self, params: EchoStateParams, batch_shape: tuple[int, ...] = ()) -> Any:
        h = base.zeros(params.w_h, batch_shape, self.hidden_size)
        if not self.feedback:
            return ElmanState(h=h)
        return FeedbackState(h=h, y=base.zeros(params.w_h, batch_shape, self.output_size))

    def encode(self, params: EchoStateParams, x: jax.Array) -> jax.Array:
        wide = x.astype(wider(x.dtype, jnp.float32))
        z = self.input_scaling * matmul(wide, self._fixed(params.w_x))
        return shift(z, self._fixed(params.b))

    def recurrent(self, params: EchoStateParams) -> jax.Array:
        return self._fixed(params.w_h)

    def feed(self, params: EchoStateParams, y: jax.Array) -> jax.Array:
        return matmul(y, self._fixed(params.w_back))

    def update(
        self, params: EchoStateParams, h: jax.Array, z: jax.Array, r: jax.Array
    ) -> jax.Array:
        new = self.activation(z + r)
        return new if self.leak == 1 else (1 - self.leak) * h + self.leak * new

    def output(self, params: EchoStateParams, h: jax.Array) -> jax.Array:
        return affine(h, params.w_out, params.b_out).astype(h.dtype)

    def gate(
        self, params: EchoStateParams, state: ElmanState, z: jax.Array, r: jax.Array
    ) -> ElmanState:
        return ElmanState(h=self.update(params, state.h, z, r))

    def step(self, params: EchoStateParams, state: Any, z: jax.Array) -> Any:
        take = feedback_step if self.feedback else base.gated_step
        return take(self, params, state, z)

    def readout(self, params: EchoStateParams, state: Any) -> jax.Array:
        return state.y if self.feedback else self.output(params, state.h)

    def _fixed(self, leaf: Any) -> Any:
        return jax.lax.stop_gradient(leaf) if self.frozen else leaf


@lru_cache(maxsize=64)
def _growth(activation: Activation) -> float:
    """How fast an activation grows far out: 0 where it is bounded, 1 for ReLU."""
    if activation in (jnp.tanh, jax.nn.sigmoid):
        return 0.0
    with jax.ensure_compile_time_eval():
        far = jnp.array([-1e6, 1e6], jnp.float32)
        return float(jnp.abs(activation(far)).max()) / 1e6


def _check_numbers(cell: EchoState) -> None:
    if not cell.spectral_radius > 0:
        raise ValueError(
            f"EchoState: spectral_radius must be > 0, got {cell.spectral_radius}: 0.9 is a start."
        )
    if not 0 < cell.leak <= 1:
        raise ValueError(
            f"EchoState: leak must lie in (0, 1], got {cell.leak}: 1 for a reservoir without leak."
        )
    if not 0 < cell.density <= 1:
        raise ValueError(
            f"EchoState: density must lie in (0, 1], got {cell.density}: 0.1 leaves a tenth of the "
            f"recurrent weights."
        )


def _check_echo(cell: EchoState) -> None:
    radius, growth = cell.spectral_radius, 0.0
    if radius >= 1 or cell.feedback:
        growth = _growth(cell.activation)
    name = getattr(cell.activation, "__name__", repr(cell.activation))
    chosen = f"spectral_radius={radius}, leak={cell.leak}, activation={name}"
    if radius >= 1 and growth * radius >= 1:
        raise ValueError(
            f"EchoState: states can grow without bound with {chosen}: choose a spectral_radius "
            f"below 1 or a bounded activation (jnp.tanh)."
        )
    if radius >= 1:
        _warn(
            f"the echo state property is doubtful with {chosen}: the reservoir may oscillate, or "
            f"never forget where it began. A spectral_radius below 1 is the usual choice."
        )
    if cell.feedback and growth >= 1e-3:
        _warn(
            f"with feedback and {chosen} the outputs can grow without bound when they are fed "
            f"back: a bounded activation (jnp.tanh) cannot."
        )


def _warn(message: str) -> None:
    warnings.warn(f"EchoState: {message}", UserWarning, stacklevel=5)  # who makes the cell
