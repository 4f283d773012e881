"""Two layers over one sequence, one from each end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax import drivers
from rnn_jax.cells.base import input_shape
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import (
    check_layer,
    check_tuple,
    clean,
    init_all,
    initial_states,
    keeps_time,
    prepare,
    reset_from_the_end,
    turned,
)
from rnn_jax.layers.rnn import RNN
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask
from rnn_jax.typing import Params, State

Merge = Literal["concat", "sum", "mean", "product"] | Callable[[jax.Array, jax.Array], jax.Array]
Pair = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Bidirectional:
    """Two layers over one sequence, one from each end.

        y_t = merge(f_t, b_t),   f = forward(x_1 .. x_t),   b = backward(x_T .. x_t)

    The backward half begins at each row's last real step, nothing is flipped. With ``reset`` each
    packed sequence is read by itself in both directions. Parameters and state are pairs, forward
    first, as the converters from PyTorch give them; the backward state is the one after the first
    step. To go on with the next part of a long sequence only the forward half of the state means
    anything: the backward half is what comes from the part that follows. The backward half cannot
    see that the following part begins with a ``reset``: give it the initial state there.

    Args:
        forward: A layer.
        backward: Another, written as if it ran forward; None for the same configuration.
        merge: "concat" puts forward first; "sum", "mean", "product" want equal widths; or a
            function of both outputs, (T, *B, O) and (T, *B, O'): one with a name, for two lambdas
            are never equal and a new one compiles anew.
        together: Run both directions in one loop: for two ``RNN`` of one cell by ``drivers.scan``.
            On a CPU of 2 cores an LSTM of 32 units took 0.9 times as long so, forward and backward,
            and one of 128 to 512 units 1.0 to 2.2 times, so it is off unless asked for. It is meant
            for devices on which a small step costs its launch; there it is not measured. With a
            ``key`` the backward half's noise falls on other steps than it does apart.

    Raises:
        ValueError: If a layer cannot run from the end, or the two do not fit each other.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.LSTM(input_size=2, hidden_size=3))
        >>> layer = Bidirectional(forward=rnn)
        >>> params = layer.init(jax.random.key(0))
        >>> out = layer.apply(params, jnp.ones((5, 4, 2)), lengths=jnp.array([5, 3, 1, 0]))
        >>> out.ys.shape, out.state[1].h.shape
        ((5, 4, 6), (4, 3))

    References:
        Schuster and Paliwal, Bidirectional recurrent neural networks, 1997, doi:10.1109/78.650093.
    """

    forward: Any
    backward: Any = None
    merge: Merge = "concat"
    together: bool = False

    def __post_init__(self) -> None:
        for name in ("forward", "backward") if self.backward is not None else ("forward",):
            layer = getattr(self, name)
            check_layer("Bidirectional", name, layer)
            if getattr(layer, "reverse", False):
                raise ValueError(
                    f"Bidirectional: {name} has reverse=True, but the directions are given by the "
                    "place: write both layers as if they ran forward."
                )
        other = turned(self._other)
        if input_shape(other) != input_shape(self.forward):
            raise ValueError(
                f"Bidirectional: forward has input_size={self.forward.input_size} and backward "
                f"{other.input_size}, but both read the same inputs: make them equal."
            )
        named = ("concat", "sum", "mean", "product")
        if self.merge not in named and not callable(self.merge):
            raise ValueError(
                f"Bidirectional: merge must be one of {named} or a function of the two outputs, "
                f"got {self.merge!r}."
            )
        widths = (self.forward.output_size, other.output_size)
        if self.merge in named[1:] and widths[0] != widths[1]:
            raise ValueError(
                f'Bidirectional: merge="{self.merge}" wants equal widths, but forward gives '
                f'{widths[0]} features and backward {widths[1]}: make them equal, or "concat".'
            )
        if self.together and not _can_run_together(self.forward, self._other):
            raise ValueError(
                "Bidirectional: together=True is for two layers.RNN of the same cell with "
                "driver=drivers.scan: make them so, or leave it False."
            )

    @property
    def _other(self) -> Any:
        return self.forward if self.backward is None else self.backward

    @property
    def _layers(self) -> Pair:
        return self.forward, turned(self._other)

    @property
    def input_size(self) -> int:
        return self.forward.input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return input_shape(self.forward)

    @property
    def output_size(self) -> int:
        widths = self.forward.output_size, self._other.output_size
        if self.merge == "concat":
            return sum(widths)
        if isinstance(self.merge, str):
            return widths[0]
        shapes = (jax.ShapeDtypeStruct((1, width), jnp.float32) for width in widths)
        return jax.eval_shape(self.merge, *shapes).shape[-1]

    @property
    def keeps_time(self) -> bool:
        return all(keeps_time(layer) for layer in self._layers)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Pair:
        forward, backward = init_all(self._layers, key, dtype)
        return forward, backward

    def initial_state(self, params: Pair, batch_shape: tuple[int, ...] = ()) -> Pair:
        forward, backward = initial_states(
            "Bidirectional", self._layers, params, batch_shape, "directions"
        )
        return forward, backward

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
        """Run both over xs (T, *B, D) and merge; ``reset`` marks where a sequence begins."""
        check_tuple("Bidirectional", "params", params, 2, "directions")
        if state is not None:
            check_tuple("Bidirectional", "state", state, 2, "directions")
        xs, lengths, reset, _ = prepare(self, xs, lengths, reset)
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        if self.together:
            return self._in_one_loop(params, xs, state, lengths, reset, keys)
        states = (None, None) if state is None else state
        outputs = [
            layer.apply(p, xs, s, lengths=lengths, reset=reset, key=k)
            for layer, p, s, k in zip(self._layers, params, states, keys, strict=True)
        ]
        steps = [out.ys.shape[0] for out in outputs]
        if steps[0] != steps[1]:
            raise ValueError(
                f"Bidirectional: of {xs.shape[0]} steps forward makes {steps[0]} and backward "
                f"{steps[1]}: give layers that shorten time alike."
            )
        ys = clean(self._merged(outputs[0].ys, outputs[1].ys), outputs[0].lengths)
        return Output(ys, outputs[0].lengths, (outputs[0].state, outputs[1].state))

    def _in_one_loop(
        self,
        params: Pair,
        xs: jax.Array,
        state: Pair | None,
        lengths: jax.Array | None,
        reset: jax.Array | None,
        keys: Pair,
    ) -> Output:
        """One scan over both directions side by side, the backward one on flipped inputs."""

        def stack(forward: Any, backward: Any) -> Any:
            return jax.tree.map(lambda *leaves: jnp.stack(leaves), forward, backward)

        def flip(marks: jax.Array | None) -> jax.Array | None:
            return None if marks is None else jnp.flip(marks, 0)

        def run(p: Any, xs: Any, state: Any, mask: Any, reset: Any, key: Any) -> Any:
            return drivers.scan(self.forward.cell, p, xs, state, mask=mask, reset=reset, key=key)

        valid = None if lengths is None else length_mask(lengths, xs.shape[0])
        ends, ys = jax.vmap(run)(
            stack(*params),
            stack(xs, jnp.flip(xs, 0)),
            None if state is None else stack(*state),
            stack(valid, flip(valid)),
            stack(reset, flip(reset_from_the_end(reset))),
            stack(*keys),
        )
        forward, backward = (jax.tree.map(lambda leaf, i=i: leaf[i], ends) for i in (0, 1))
        ys = clean(self._merged(ys[0], jnp.flip(ys[1], 0)), lengths)
        return Output(ys, lengths, (forward, backward))

    def _merged(self, forward: jax.Array, backward: jax.Array) -> jax.Array:
        dtype = wider(forward.dtype, backward.dtype)
        forward, backward = forward.astype(dtype), backward.astype(dtype)
        if self.merge == "concat":
            return jnp.concatenate([forward, backward], axis=-1)
        if self.merge == "product":
            return forward * backward
        if not isinstance(self.merge, str):
            return self.merge(forward, backward)
        total = forward + backward
        return total / 2 if self.merge == "mean" else total


def _can_run_together(forward: Any, backward: Any) -> bool:
    both = isinstance(forward, RNN) and isinstance(backward, RNN)
    return both and forward == backward and forward.driver is drivers.scan
