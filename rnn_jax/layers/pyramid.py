"""The pyramid of listen, attend and spell: every layer sees fewer and longer steps."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax.cells.lstm import LSTM
from rnn_jax.layers.base import Output
from rnn_jax.layers.bidirectional import Bidirectional
from rnn_jax.layers.common import as_layers, check_tuple, init_all, initial_states
from rnn_jax.layers.rnn import RNN
from rnn_jax.layers.stack import Stack
from rnn_jax.layers.time_reduction import TimeReduction
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """Layers, each reading a ``TimeReduction`` of what the one below gives.

        y_k = layer_k(reduce(y_{k-1})),   y_0 = x,   new length = ceil(... ceil(length / f_1) ...)

    Parameters and state are those of the layers, as in ``Stack``. A first layer at the full rate,
    as in the paper, has factor 1; ``listener`` makes that network.

    Args:
        layers: The layers, lowest first. With mode="concat" each must have ``factor`` times the
            width of what is below as its ``input_size``.
        factor: How many steps become one before each layer; one number, or one for each layer.
        mode: How: "concat", "stride", "mean" or "max".
        dropout: Probability of dropping between the layers, as in ``Stack``.

    Raises:
        ValueError: If an input size does not fit; in ``apply`` for ``reset``.

    Example:
        >>> from rnn_jax import cells, layers
        >>> def both(size: int) -> layers.Bidirectional:
        ...     lstm = cells.LSTM(input_size=size, hidden_size=3)
        ...     return layers.Bidirectional(forward=layers.RNN(cell=lstm))
        >>> layer = Pyramid(layers=(both(2 * 5), both(2 * 6)))
        >>> out = layer.apply(
        ...     layer.init(jax.random.key(0)), jnp.ones((8, 2, 5)), lengths=jnp.array([8, 5])
        ... )
        >>> out.ys.shape, out.lengths.tolist()
        ((2, 2, 6), [2, 2])

    References:
        Chan, Jaitly, Le and Vinyals, Listen, attend and spell, 2015, arXiv:1508.01211.
    """

    layers: tuple[Any, ...]
    factor: int | tuple[int, ...] = 2
    mode: Literal["concat", "stride", "mean", "max"] = "concat"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers("Pyramid", self.layers))
        if isinstance(self.factor, list):
            object.__setattr__(self, "factor", tuple(self.factor))
        if len(self._factors) != len(self.layers):
            raise ValueError(
                f"Pyramid: factor has {len(self._factors)} entries for {len(self.layers)} layers: "
                "give one for each, or one number for all."
            )
        for k, (layer, factor) in enumerate(zip(self.layers, self._factors, strict=True)):
            TimeReduction(input_size=1, factor=factor, mode=self.mode)  # whose own checks speak
            wide = factor if self.mode == "concat" else 1
            if k == 0 and layer.input_size % wide:
                raise ValueError(
                    f"Pyramid: layers[0] has input_size={layer.input_size}, but {factor} steps "
                    f"side by side arrive: make it a multiple of {factor}."
                )
            below = self.layers[k - 1].output_size
            if k > 0 and layer.input_size != wide * below:
                raise ValueError(
                    f"Pyramid: layers[{k}] has input_size={layer.input_size}, but {wide} * {below} "
                    f"features arrive: make it with input_size={wide * below}."
                )
        _stack_of(self)

    @property
    def _factors(self) -> tuple[int, ...]:
        factor = self.factor
        return factor if isinstance(factor, tuple) else (factor,) * len(self.layers)

    @property
    def input_size(self) -> int:
        return self.layers[0].input_size // (self._factors[0] if self.mode == "concat" else 1)

    @property
    def output_size(self) -> int:
        return self.layers[-1].output_size

    @property
    def keeps_time(self) -> bool:
        return _stack_of(self).keeps_time

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> tuple[Params, ...]:
        return init_all(self.layers, key, dtype)

    def initial_state(
        self, params: tuple[Params, ...], batch_shape: tuple[int, ...] = ()
    ) -> tuple[State, ...]:
        return initial_states("Pyramid", self.layers, params, batch_shape, "layers")

    def apply(
        self,
        params: Params,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Run over xs (T, *B, D); ys has ceil(... ceil(T / f_1) ...) steps."""
        check_tuple("Pyramid", "params", params, len(self.layers), "layers")
        if state is not None:
            check_tuple("Pyramid", "state", state, len(self.layers), "layers")
            state = tuple(((), own) for own in state)
        inner = tuple(((), own) for own in params)
        out = _stack_of(self).apply(inner, xs, state, lengths=lengths, reset=reset, key=key)
        return out._replace(state=tuple(own for _, own in out.state))


@lru_cache(maxsize=512)
def _stack_of(pyramid: Pyramid) -> Stack:
    """Each layer with its reduction, on top of each other."""
    parts, size = [], pyramid.input_size
    for layer, factor in zip(pyramid.layers, pyramid._factors, strict=True):
        reduction = TimeReduction(input_size=size, factor=factor, mode=pyramid.mode)
        parts.append(Stack(layers=(reduction, layer)))
        size = layer.output_size
    return Stack(layers=tuple(parts), dropout=pyramid.dropout)


def listener(
    *, input_size: int, hidden_size: int, num_layers: int = 4, factor: int = 2, dropout: float = 0.0
) -> Pyramid:
    """The encoder of listen, attend and spell: a bidirectional LSTM under a pyramid of such.

    Args:
        input_size: Features of a frame.
        hidden_size: H of each direction.
        num_layers: The one at the full rate and those of the pyramid, so the output is
            ``factor ** (num_layers - 1)`` times shorter; 4 in the paper.
        factor: Steps made one before each layer of the pyramid.
        dropout: Between the layers.

    Raises:
        ValueError: If a size or ``num_layers`` is no whole number >= 1.

    Example:
        >>> layer = listener(input_size=5, hidden_size=3, num_layers=3)
        >>> params = layer.init(jax.random.key(0))
        >>> out = layer.apply(params, jnp.ones((9, 2, 5)), lengths=jnp.array([9, 4]))
        >>> out.ys.shape, out.lengths.tolist()
        ((3, 2, 6), [3, 1])
    """
    if not isinstance(num_layers, int) or num_layers < 1:
        raise ValueError(f"listener: num_layers must be a whole number >= 1, got {num_layers!r}.")

    def both(size: int) -> Bidirectional:
        return Bidirectional(forward=RNN(cell=LSTM(input_size=size, hidden_size=hidden_size)))

    lowest = both(input_size)
    TimeReduction(input_size=input_size, factor=factor)  # whose own checks speak
    above = both(factor * 2 * hidden_size)
    return Pyramid(
        layers=(lowest, *(above,) * (num_layers - 1)),
        factor=(1, *(factor,) * (num_layers - 1)),
        dropout=dropout,
    )
