"""The layer protocol: a sequence in, a sequence out, always in the same form.

    ys, lengths, state = layer.apply(params, xs, state, lengths=..., reset=..., key=...)

A layer is a frozen dataclass of sizes and choices, like a cell; its parameters are a pytree that
``init`` makes. Time comes first: xs (T, *B, D), ys (T', *B, O). A layer that shortens time gives
the new lengths, so whatever comes next knows which steps are real. Padding changes nothing, NaN
included, and its outputs are zero.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from rnn_jax.typing import Params, State


class Output(NamedTuple):
    """What every layer returns."""

    ys: jax.Array  # (T', *B, O), zero where a step is not real
    lengths: jax.Array | None  # (*B,) real steps of ys; None where the call had none
    state: State  # to go on with


@runtime_checkable
class Layer(Protocol):
    """What every layer has. See the module's text for what each part means.

    ``initial_state(params, batch_shape)`` gives the state that ``state=None`` stands for; a layer
    without memory has the empty state ``()``. ``reset`` marks the first step of a sequence,
    whatever the direction in which a layer runs: one that runs from the end restarts at the step
    before the mark. A layer may have ``turned()``, itself running from the last step to the first,
    which ``Bidirectional`` asks for; ``keeps_time``, False where it shortens time; and
    ``num_time_axes``, 2 for those over grids, whose xs are (height, width, *B, D).

    Example:
        >>> from rnn_jax import cells, layers
        >>> isinstance(layers.RNN(cell=cells.GRU(input_size=2, hidden_size=3)), Layer)
        True
    """

    @property
    def input_size(self) -> int: ...

    @property
    def output_size(self) -> int: ...

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params: ...

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State: ...

    def apply(
        self,
        params: Params,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output: ...
