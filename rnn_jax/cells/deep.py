"""Deep maps (Pascanu et al. 2014): a multilayer perceptron in each of the three maps of a cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, map_named
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, matmul
from rnn_jax.typing import Activation, Initializer, Params, PyTree, State


class DenseParams(NamedTuple):
    """One layer of a perceptron."""

    w: jax.Array  # (in, out)
    b: jax.Array  # (out,)


class DeepParams(NamedTuple):
    """Parameters of ``Deep``; each perceptron is a tuple of layers, first to last."""

    cell: Params
    input: tuple[DenseParams, ...]
    transition: tuple[DenseParams, ...]
    output: tuple[DenseParams, ...]
    w_s: jax.Array | None  # (H, H) of the shortcut


@dataclass(frozen=True, kw_only=True)
class Deep(Wrapper):
    """Perceptrons from input to hidden, hidden to hidden and hidden to output.

        s~ = step(s, mlp_in(x))
        h' = mlp_hh(h~),   the last layer's sum + h @ w_s with ``shortcut``
        y  = mlp_out(readout(s'))

    Every layer is ``activation(x @ w + b)``. A map without layers is the inner cell's own, and
    without any this is the inner cell. Around an Elman cell these are the paper's deep input,
    DT-RNN (with ``shortcut`` DT(S)-RNN, against the longer path of the gradient) and DO-RNN; the
    last, linear layer of an output is ``OutputHead``. Input and output layers stand outside the
    loop.

    Args:
        cell: The inner cell; a gated one stays so. For a transition its state has one leaf h.
        input_sizes: Width that each input layer takes, D first; the last one gives the cell's
            input.
        transition_sizes: Width of each transition layer, the last that of h.
        output_sizes: Width of each output layer.
        shortcut: Whether h goes past the transition's layers to the last.
        activation: Of all layers; a named function, not a lambda.
        kernel_init: Initialiser of the layers' weights.

    Raises:
        ValueError: If a width is not positive, the transition does not end in the width of h or the
            cell has no single h, or ``shortcut`` comes without a transition.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Deep(
        ...     cell=cells.Elman(input_size=4, hidden_size=3),
        ...     input_sizes=(2, 8),
        ...     transition_sizes=(6, 3),
        ...     output_sizes=(5,),
        ... )
        >>> _, ys = drivers.scan(cell, cell.init(jax.random.key(0)), jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 5)

    References:
        Pascanu, Gulcehre, Cho and Bengio, How to construct deep recurrent neural networks, 2014,
        arXiv:1312.6026.
    """

    input_sizes: tuple[int, ...] = ()
    transition_sizes: tuple[int, ...] = ()
    output_sizes: tuple[int, ...] = ()
    shortcut: bool = False
    activation: Activation = jnp.tanh
    kernel_init: Initializer = Glorot()
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("input_sizes", "transition_sizes", "output_sizes"):
            sizes = tuple(getattr(self, name))
            object.__setattr__(self, name, sizes)  # a list would not be hashable
            if any(size < 1 for size in sizes):
                raise ValueError(f"Deep: {name} are widths of at least 1, got {sizes}.")
        if self.shortcut and not self.transition_sizes:
            raise ValueError("Deep: shortcut=True goes past transition_sizes, which are empty.")
        if self.transition_sizes:
            self._hidden_size()

    def _hidden_size(self) -> int:
        shapes = base.state_shapes(self.cell)
        found = [shape for path, shape in shapes.items() if path.rpartition(".")[2] == "h"]
        if len(found) != 1 or found[0] != self.transition_sizes[-1:]:
            raise ValueError(
                f"Deep: transition_sizes={self.transition_sizes} must end in the width of the "
                f"state's one leaf h, but the state of {type(self.cell).__name__} is {shapes}."
            )
        return self.transition_sizes[-1]

    @property
    def input_size(self) -> int:
        return self.input_sizes[0] if self.input_sizes else self.cell.input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.input_sizes[:1] or base.input_shape(self.cell)

    @property
    def output_size(self) -> int:
        return self.output_sizes[-1] if self.output_sizes else self.cell.output_size

    @property
    def is_affine(self) -> bool:
        return base.is_affine(self.cell) and not self.transition_sizes

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> DeepParams:
        key_cell, key_in, key_hh, key_out, key_s = jax.random.split(key, 5)

        def layers(key: jax.Array, sizes: Sequence[int]) -> tuple[DenseParams, ...]:
            keys = jax.random.split(key, len(sizes))
            return tuple(
                DenseParams(self.kernel_init(k, (d, o), dtype), jnp.zeros((o,), dtype))
                for k, d, o in zip(keys[1:], sizes[:-1], sizes[1:], strict=True)
            )

        w_s, hidden = None, self.transition_sizes[-1:]
        if self.shortcut:
            w_s = self.kernel_init(key_s, hidden * 2, dtype)
        return DeepParams(
            cell=self.cell.init(key_cell, dtype),
            input=layers(key_in, (*self.input_sizes, self.cell.input_size)),
            transition=layers(key_hh, hidden + self.transition_sizes) if hidden else (),
            output=layers(key_out, (self.cell.output_size, *self.output_sizes)),
            w_s=w_s,
        )

    def _through(
        self, layers: tuple[DenseParams, ...], x: jax.Array, extra: jax.Array | None = None
    ) -> jax.Array:
        for i, layer in enumerate(layers):
            x = affine(x, layer.w, layer.b)
            if extra is not None and i == len(layers) - 1:
                x = x + extra
            x = self.activation(x)
        return x

    def _transition(self, params: DeepParams, old: State, new: State) -> State:
        def one(h_new: jax.Array, h_old: jax.Array) -> jax.Array:
            extra = None if params.w_s is None else matmul(h_old, params.w_s)
            return self._through(params.transition, h_new, extra)

        return map_named({"h": one}, new, old) if self.transition_sizes else new

    def encode(self, params: DeepParams, x: jax.Array, noise: PyTree = None) -> PyTree:
        return base.encode(self.cell, params.cell, self._through(params.input, x), noise)

    def step(self, params: DeepParams, state: State, z: PyTree) -> State:
        return self._transition(params, state, self.cell.step(params.cell, state, z))

    def gate(self, params: DeepParams, state: State, z: PyTree, r: jax.Array) -> State:
        return self._transition(params, state, self.cell.gate(params.cell, state, z, r))

    def readout(self, params: DeepParams, state: State) -> jax.Array:
        return self._through(params.output, self.cell.readout(params.cell, state))
