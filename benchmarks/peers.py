"""The same recurrent layer in other libraries, with the same weights.

Each takes xs (T, B, D) and returns ys (T, B, H). ``pack`` writes our parameters in the other's
layout; it is affine, so its transpose brings the other's gradient back into ours to be compared.
(``rnn_jax.bridge`` copies weights and is not differentiable; a test holds the two equal.)
"""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import cells


class Layer(NamedTuple):
    """A recurrent layer of some library."""

    name: str
    cell: Any  # the cell of ours that computes the same
    pack: Callable[[Any], Any]  # our parameters -> its own
    apply: Callable[[Any, jax.Array], jax.Array]  # (its parameters, xs) -> ys
    lacks: tuple[str, ...] = ()  # our parameters that it has no place for; they must be 0


# What a library has not, or has by other equations.
LACKS = {
    ("haiku", "elman"): "haiku's VanillaRNN has a ReLU for the tanh",
    ("equinox", "elman"): "equinox has no Elman cell",
}


def jax_peers(cell: Any) -> tuple[list[Layer], list[str]]:
    """The layers of the JAX libraries that are installed, and what is left out and why."""
    kind = type(cell).__name__.lower()
    makers: dict[str, Any] = {
        "flax": (nnx_layer, _linen), "haiku": (_haiku,), "equinox": (_equinox,), "keras": (_keras,)
    }  # fmt: skip
    layers, missing = [], []
    for package, functions in makers.items():
        if kind not in ("elman", "gru", "lstm"):
            missing.append(f"{package} has no {type(cell).__name__} of the same equations")
        elif (package, kind) in LACKS:
            missing.append(LACKS[package, kind])
        elif find_spec(package):
            try:
                layers += [function(cell, kind) for function in functions]
            except ImportError as error:
                missing.append(f"{package} does not load: {error}")
        else:
            missing.append(f"{package} is not installed")
    if kind != "lstm":
        missing.append("jax.experimental.rnn has the LSTM alone")
    elif jax.default_backend() != "gpu":
        missing.append("jax.experimental.rnn, which is cuDNN's LSTM, wants a GPU")
    else:
        layers.append(_cudnn(cell, kind))
    return layers, missing


def _blocks(w: jax.Array, names: str) -> Iterator[tuple[str, jax.Array]]:
    return zip(names, jnp.split(w, len(names), axis=-1), strict=True)


def nnx_layer(cell: Any, kind: str, dtype: Any = jnp.float32) -> Layer:
    """flax.nnx.RNN with its parameters and its state in ``dtype``."""
    from flax import nnx

    make: Any = {"lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell, "elman": nnx.SimpleCell}[kind]
    # Its own initialiser, a QR decomposition, raises in bfloat16; the values are replaced anyway.
    options = {"recurrent_kernel_init": jax.nn.initializers.zeros, "param_dtype": dtype}
    inner = make(cell.input_size, cell.hidden_size, **options, rngs=nnx.Rngs(0))
    module = nnx.RNN(inner, time_major=True, rngs=nnx.Rngs(0))
    graph, *states = nnx.split(module, nnx.Param, ...)
    rest = nnx.to_pure_dict(states[1])

    def pack(p: Any) -> Any:
        biased = "dense_h" if kind == "lstm" else "dense_i"
        layers = {"dense_i": {"kernel": p.w_x}, "dense_h": {"kernel": p.w_h}}
        layers[biased]["bias"] = p.b
        return {"cell": layers}

    def apply(p: Any, xs: jax.Array) -> jax.Array:
        return nnx.merge(graph, nnx.State(p), nnx.State(rest))(xs)

    return Layer("flax nnx.RNN", cell, pack, apply, ("b_h",) if kind == "gru" else ())


def _linen(cell: Any, kind: str) -> Layer:
    from flax import linen

    makers = {"lstm": linen.OptimizedLSTMCell, "gru": linen.GRUCell, "elman": linen.SimpleCell}
    make: Any = makers[kind]
    module = linen.RNN(make(cell.hidden_size), time_major=True)
    gates, biased = {"lstm": ("ifgo", "h"), "gru": ("rzn", "i"), "elman": ("", "i")}[kind]

    def pack(p: Any) -> Any:
        if kind == "elman":
            layers = {"i": {"kernel": p.w_x, "bias": p.b}, "h": {"kernel": p.w_h}}
            return {"params": {"cell": layers}}
        layers = {f"i{gate}": {"kernel": block} for gate, block in _blocks(p.w_x, gates)}
        layers |= {f"h{gate}": {"kernel": block} for gate, block in _blocks(p.w_h, gates)}
        for gate, block in _blocks(p.b, gates):
            layers[biased + gate]["bias"] = block
        if kind == "gru":
            layers["hn"]["bias"] = p.b_h
        return {"params": {"cell": layers}}

    def apply(p: Any, xs: jax.Array) -> Any:
        return module.apply(p, xs)

    return Layer("flax linen.RNN", cell, pack, apply)


def _haiku(cell: Any, kind: str) -> Layer:
    import haiku as hk

    def layer(xs: jax.Array) -> jax.Array:
        core = {"lstm": hk.LSTM, "gru": hk.GRU}[kind](cell.hidden_size, name="core")
        return hk.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]

    def pack_lstm(p: Any) -> Any:  # gates i g f o, and 1 is added to f
        i, f, g, o = jnp.split(jnp.concatenate([p.w_x, p.w_h]), 4, axis=-1)
        b_i, b_f, b_g, b_o = jnp.split(p.b, 4)
        w, b = jnp.concatenate([i, g, f, o], -1), jnp.concatenate([b_i, b_g, b_f - 1, b_o])
        return {"core/linear": {"w": w, "b": b}}

    def pack_gru(p: Any) -> Any:  # gates z r n, and z is 1 - z
        def turn(w: jax.Array) -> jax.Array:
            r, z, n = jnp.split(w, 3, axis=-1)
            return jnp.concatenate([-z, r, n], -1)

        return {"core": {"w_i": turn(p.w_x), "w_h": turn(p.w_h), "b": turn(p.b)}}

    transformed: Any = hk.without_apply_rng(hk.transform(layer))
    if kind == "lstm":
        return Layer("haiku dynamic_unroll", cell, pack_lstm, transformed.apply)
    sizes = {"input_size": cell.input_size, "hidden_size": cell.hidden_size}
    before = cells.GRU(**sizes, reset="before")
    return Layer(
        "haiku dynamic_unroll, reset before", before, pack_gru, transformed.apply, ("b_h",)
    )


def _equinox(cell: Any, kind: str) -> Layer:
    import equinox as eqx

    make = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[kind]
    template = make(cell.input_size, cell.hidden_size, key=jax.random.key(0))

    def pack(p: Any) -> Any:
        def leaves(module: Any) -> list[Any]:
            weights = [module.weight_ih, module.weight_hh, module.bias]
            return weights + ([module.bias_n] if kind == "gru" else [])

        new = [p.w_x.T, p.w_h.T, p.b] + ([p.b_h] if kind == "gru" else [])
        return eqx.tree_at(leaves, template, new)

    def apply(module: Any, xs: jax.Array) -> jax.Array:
        def step(state: Any, x: jax.Array) -> Any:
            state = jax.vmap(module)(x, state)
            return state, state[0] if kind == "lstm" else state

        zero = jnp.zeros((xs.shape[1], cell.hidden_size), xs.dtype)
        return jax.lax.scan(step, (zero, zero) if kind == "lstm" else zero, xs)[1]

    return Layer("equinox cell + lax.scan", cell, pack, apply)


def _keras(cell: Any, kind: str) -> Layer:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # read when it is first imported
    import keras

    if keras.backend.backend() != "jax":
        raise ImportError(f"it runs on {keras.backend.backend()}; set KERAS_BACKEND=jax")
    names = {"lstm": "LSTM", "gru": "GRU", "elman": "SimpleRNN"}
    layer = getattr(keras.layers, names[kind])(cell.hidden_size, return_sequences=True)
    layer.build((None, None, cell.input_size))

    def turn(w: jax.Array) -> jax.Array:  # gates z r h for our r z n
        r, z, n = jnp.split(w, 3, axis=-1)
        return jnp.concatenate([z, r, n], -1)

    def pack(p: Any) -> Any:
        if kind != "gru":
            return [p.w_x, p.w_h, p.b]
        zeros = jnp.zeros(2 * cell.hidden_size, p.b_h.dtype)
        return [turn(p.w_x), turn(p.w_h), jnp.stack([turn(p.b), jnp.concatenate([zeros, p.b_h])])]

    def apply(weights: Any, xs: jax.Array) -> Any:
        rest = [variable.value for variable in layer.non_trainable_variables]
        return layer.stateless_call(weights, rest, xs.swapaxes(0, 1))[0].swapaxes(0, 1)

    return Layer(f"keras {names[kind]}", cell, pack, apply)


def _cudnn(cell: Any, kind: str) -> Layer:
    from jax.experimental import rnn

    sizes = (cell.input_size, cell.hidden_size)

    def pack(p: Any) -> jax.Array:  # gates i f g o; a second bias beside the states
        leaves = (p.w_x.T, p.w_h.T, p.b, jnp.zeros_like(p.b))
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    def apply(weights: jax.Array, xs: jax.Array) -> jax.Array:
        num_steps, rows, _ = xs.shape
        zero = jnp.zeros((1, rows, cell.hidden_size), xs.dtype)
        lengths = jnp.full(rows, num_steps, jnp.int32)
        ys = rnn.lstm(xs.swapaxes(0, 1), zero, zero, weights, lengths, *sizes, 1, 0.0, False)[0]
        return ys.swapaxes(0, 1)

    return Layer("jax.experimental.rnn (cuDNN)", cell, pack, apply)
