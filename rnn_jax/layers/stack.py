"""Layers on top of each other."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax import drivers
from rnn_jax.cells.base import input_shape
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import (
    as_layers,
    check_tuple,
    init_all,
    initial_states,
    keeps_time,
    num_time_axes,
    prepare,
    turned,
)
from rnn_jax.layers.grid import prepare_grid
from rnn_jax.layers.rnn import RNN
from rnn_jax.layers.wavefront import run_wavefront
from rnn_jax.ops.dropout import drop, keep_mask
from rnn_jax.ops.linear import wider
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Layers on top of each other: each reads the outputs of the one below.

        y_0 = x,   y_k = layer_k(d(y_{k-1}))
        y_k = layer_k(d(y_{k-1})) + y_{k-1}        residual, where widths and times agree
        y_k = layer_k([x, d(y_{k-1})]), k > 1      skip; the output is [y_1, ..., y_L]

    d is dropout between the layers: neither the inputs nor the last outputs are dropped, as in
    PyTorch. Layers and widths may differ, and a layer may shorten time. Parameters and state are
    tuples, lowest first. ``residual`` adds nothing where a layer changes the width or the length.
    All layers may be over grids (``Grid``, ``ReNet``) instead.

    Args:
        layers: The layers, lowest first.
        residual: Add to each layer's outputs what it read, before dropout (x for the first).
        skip: Give x to every layer, and every layer's outputs to the outside (Graves).
        dropout: Probability of dropping, in [0, 1); only where a key is given.
        dropout_per: "step" draws a mask for every step, "sequence" one for all steps (variational).
        order: "layer" runs one layer after the other. "wavefront" runs all at once, one loop of
            T + L - 1 steps in which layer k is k steps behind, equal cells as one batched product:
            for ``RNN`` by ``drivers.scan`` alone. The results are equal, but the gradient is plain
            differentiation of the loop. On a CPU of 2 cores 4 LSTMs of 32 units took 0.9 times as
            long forward and 1.05 times with the gradient, of 128 and 256 units 1.1 to 2.4 times: it
            is meant for devices on which a small step costs its launch; there it is not measured.

    Raises:
        ValueError: If there is no layer, or a layer or a choice does not fit the others.

    Example:
        >>> from rnn_jax import cells, layers
        >>> lstm = layers.RNN(cell=cells.LSTM(input_size=2, hidden_size=3))
        >>> gru = layers.RNN(cell=cells.GRU(input_size=6, hidden_size=4))
        >>> stack = Stack(layers=(layers.Bidirectional(forward=lstm), gru), dropout=0.5)
        >>> params = stack.init(jax.random.key(0))
        >>> out = stack.apply(params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> out.ys.shape, out.state[1].h.shape
        ((5, 4, 4), (4, 4))

    References:
        Graves, Generating sequences with recurrent neural networks, 2013, arXiv:1308.0850 (skip).
        Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144 (residual).
        Zaremba et al., Recurrent neural network regularization, 2014, arXiv:1409.2329 (dropout).
        Gal and Ghahramani, A theoretically grounded application of dropout in recurrent neural
        networks, 2016, arXiv:1512.05287 (one mask for a sequence).
        Appleyard, Kocisky and Blunsom, Optimizing performance of recurrent neural networks on GPUs,
        2016, arXiv:1604.01946 (wavefront).
    """

    layers: tuple[Any, ...]
    residual: bool = False
    skip: bool = False
    dropout: float = 0.0
    dropout_per: Literal["step", "sequence"] = "step"
    order: Literal["layer", "wavefront"] = "layer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers("Stack", self.layers))
        for k in range(1, len(self.layers)):
            below = self.layers[k - 1].output_size
            arrives = below + (self.input_size if self.skip else 0)
            if self.layers[k].input_size != arrives:
                what = f"{self.input_size} of x + {below}" if self.skip else f"{below}"
                raise ValueError(
                    f"Stack: layers[{k}] has input_size={self.layers[k].input_size}, but {what} "
                    f"features of the layer below arrive: make it with input_size={arrives}."
                )
        _check_choices(self)

    @property
    def input_size(self) -> int:
        return self.layers[0].input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return input_shape(self.layers[0])

    @property
    def output_size(self) -> int:
        sizes = [layer.output_size for layer in self.layers]
        return sum(sizes) if self.skip else sizes[-1]

    @property
    def keeps_time(self) -> bool:
        return all(keeps_time(layer) for layer in self.layers)

    @property
    def num_time_axes(self) -> int:
        return num_time_axes(self.layers[0])

    def turned(self) -> "Stack":
        """The same, running the other way."""
        return replace(self, layers=tuple(turned(layer) for layer in self.layers))

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> tuple[Params, ...]:
        return init_all(self.layers, key, dtype)

    def initial_state(
        self, params: tuple[Params, ...], batch_shape: tuple[int, ...] = ()
    ) -> tuple[State, ...]:
        return initial_states("Stack", self.layers, params, batch_shape, "layers")

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
        """Run over xs (T, *B, D); ``key`` draws the dropout and the layers' own noise."""
        count = len(self.layers)
        check_tuple("Stack", "params", params, count, "layers")
        if state is not None:
            check_tuple("Stack", "state", state, count, "layers")
        if self.num_time_axes == 2:
            xs, lengths = prepare_grid(self, params, xs, lengths, None, reset)
        else:
            xs, lengths, reset, _ = prepare(self, xs, lengths, reset)
        keys: Any = [None] * count
        keeps: list[jax.Array | None] = [None] * count
        if key is not None:
            keys = jax.random.split(key, 2 * count)
            if self.order == "wavefront":
                keeps = [self.draw(k, keys[count + k], xs.shape[:-1]) for k in range(count)]
        states = (None,) * count if state is None else tuple(state)
        if self.order == "wavefront":
            outs, ends = run_wavefront(self, params, xs, states, lengths, reset, keys, keeps)
            return Output(join(outs) if self.skip else outs[-1], lengths, ends)
        below, outputs, last = xs, [], []
        for k, layer in enumerate(self.layers):
            keep = None if key is None else self.draw(k, keys[count + k], below.shape[:-1])
            arriving = self.arriving(k, xs, below, keep)
            out = layer.apply(
                params[k], arriving, states[k], lengths=lengths, reset=reset, key=keys[k]
            )
            below, lengths = self.leaving(k, out.ys, below), out.lengths
            outputs.append(below)
            last.append(out.state)
        return Output(join(outputs) if self.skip else below, lengths, tuple(last))

    def draw(self, k: int, key: jax.Array, shape: tuple[int, ...]) -> jax.Array | None:
        """Which features of what layer k reads are kept: (T, *B, O) or (*B, O); None for all."""
        if k == 0 or self.dropout == 0:
            return None
        steps = shape if self.dropout_per == "step" else shape[self.num_time_axes :]
        return keep_mask(key, self.dropout, (*steps, self.layers[k - 1].output_size))

    def arriving(self, k: int, x: jax.Array, below: jax.Array, keep: jax.Array | None) -> jax.Array:
        """What layer k reads, of one step or of many."""
        if keep is not None:
            below = drop(below, keep, self.dropout)
        return join([x, below]) if self.skip and k > 0 else below

    def leaving(self, k: int, y: jax.Array, below: jax.Array) -> jax.Array:
        """What layer k gives to the one above, of one step or of many."""
        agrees = y.shape[-1] == below.shape[-1] and keeps_time(self.layers[k])
        if not self.residual or not agrees:
            return y
        dtype = wider(y.dtype, below.dtype)
        return y.astype(dtype) + below.astype(dtype)


def join(parts: list[jax.Array]) -> jax.Array:
    """Features side by side, in the widest dtype.

    Example:
        >>> join([jnp.ones(2), jnp.zeros(1)]).tolist()
        [1.0, 1.0, 0.0]
    """
    dtype = wider(*(part.dtype for part in parts))
    return jnp.concatenate([part.astype(dtype) for part in parts], axis=-1)


def _check_choices(stack: Stack) -> None:
    if not 0 <= stack.dropout < 1:
        raise ValueError(
            f"Stack: dropout must lie in [0, 1), got {stack.dropout}: it is the probability of "
            "dropping (PyTorch's p), not of keeping."
        )
    choices = {"dropout_per": ("step", "sequence"), "order": ("layer", "wavefront")}
    for name, allowed in choices.items():
        if getattr(stack, name) not in allowed:
            raise ValueError(
                f"Stack: {name} must be one of {allowed}, got {getattr(stack, name)!r}."
            )
    for k, layer in enumerate(stack.layers):
        if num_time_axes(layer) != stack.num_time_axes:
            raise ValueError(
                f"Stack: layers[0] runs along {stack.num_time_axes} axes and layers[{k}], a "
                f"{type(layer).__name__}, along {num_time_axes(layer)}: a grid has height and "
                "width, a sequence time. Make a sequence of the grid's output in between."
            )
    shortens = [k for k, layer in enumerate(stack.layers) if not keeps_time(layer)]
    if stack.skip and shortens:
        raise ValueError(
            f"Stack: skip puts all layers' outputs side by side, but layers[{shortens[0]}], a "
            f"{type(stack.layers[shortens[0]]).__name__}, shortens time: leave skip=False."
        )
    if stack.order == "layer":
        return
    for k, layer in enumerate(stack.layers):
        if not isinstance(layer, RNN) or layer.driver is not drivers.scan:
            raise ValueError(
                'Stack: order="wavefront" runs layers.RNN with driver=drivers.scan, but '
                f'layers[{k}] is {layer}: make it so, or take order="layer".'
            )
        if layer.reverse != stack.layers[0].reverse:
            raise ValueError(
                f'Stack: order="wavefront" runs in one direction, but layers[{k}] has '
                f"reverse={layer.reverse} and layers[0] reverse={stack.layers[0].reverse}: make "
                'them equal, or take order="layer".'
            )
