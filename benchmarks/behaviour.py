"""What recurrent layers do in the corners: padding, empty rows, meshes, bfloat16.

    python -m benchmarks.behaviour

Runs an LSTM of each library through each corner and prints a table of what happened, in seconds.
"""

from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers

T, B, D, H = 5, 2, 3, 4


# Each library's LSTM: dtype of the parameters -> (parameters, run), with
# run(parameters, xs, lengths) -> (final h, ys).


def rnn_jax(dtype: Any) -> Any:
    cell = cells.LSTM(input_size=D, hidden_size=H)

    def run(params: Any, xs: jax.Array, lengths: Any = None) -> Any:
        state, ys = drivers.scan(cell, params, xs, lengths=lengths)
        return state.h, ys

    return cell.init(jax.random.key(0), dtype), run


def flax_nnx(dtype: Any) -> Any:
    from flax import nnx

    cell = nnx.OptimizedLSTMCell(D, H, param_dtype=dtype, rngs=nnx.Rngs(0))
    module = nnx.RNN(cell, time_major=True, return_carry=True, rngs=nnx.Rngs(0))
    graph, *states = nnx.split(module, nnx.Param, ...)
    params, rest = (nnx.to_pure_dict(state) for state in states)

    def run(params: Any, xs: jax.Array, lengths: Any = None) -> Any:
        layer = nnx.merge(graph, nnx.State(params), nnx.State(rest))
        (_, h), ys = layer(xs, seq_lengths=lengths)
        return h, ys

    return params, run


def flax_linen(dtype: Any) -> Any:
    from flax import linen

    cell = linen.OptimizedLSTMCell(H, param_dtype=dtype)
    module = linen.RNN(cell, time_major=True, return_carry=True)

    def run(params: Any, xs: jax.Array, lengths: Any = None) -> Any:
        (_, h), ys = module.apply(params, xs, seq_lengths=lengths)
        return h, ys

    return module.init(jax.random.key(0), jnp.ones((T, B, D), dtype)), run


def haiku(dtype: Any) -> Any:
    import haiku as hk

    def layer(xs: jax.Array) -> Any:
        core = hk.LSTM(H)
        ys, state = hk.dynamic_unroll(core, xs, core.initial_state(B))
        return state.hidden, ys

    transformed: Any = hk.without_apply_rng(hk.transform(layer))
    params = transformed.init(jax.random.key(0), jnp.ones((T, B, D)))

    def run(params: Any, xs: jax.Array, lengths: Any = None) -> Any:
        if lengths is not None:
            raise NotImplementedError("no lengths")
        return transformed.apply(params, xs)

    return jax.tree.map(lambda leaf: leaf.astype(dtype), params), run


SUBJECTS = {"rnn_jax": rnn_jax, "flax nnx": flax_nnx, "flax linen": flax_linen, "haiku": haiku}
LENGTHS = (T, T - 2)


def keeps_empty_row(make: Callable[[Any], Any]) -> bool:
    """A row of length 0 ends in the state that it began with."""
    params, run = make(jnp.float32)
    h, _ = run(params, jnp.ones((T, B, D)), jnp.array([T, 0]))
    return bool((h[1] == 0).all())


def zeroes_padding(make: Callable[[Any], Any]) -> bool:
    """Outputs after the end of a row are zero."""
    params, run = make(jnp.float32)
    _, ys = run(params, jnp.ones((T, B, D)), jnp.array(LENGTHS))
    return bool((ys[T - 2 :, 1] == 0).all())


def ignores_nan(make: Callable[[Any], Any]) -> bool:
    """NaN in the padding reaches no gradient of a loss over the real outputs."""
    params, run = make(jnp.float32)
    xs = jnp.ones((T, B, D)).at[T - 2 :, 1].set(jnp.nan)

    def loss(params: Any) -> jax.Array:
        _, ys = run(params, xs, jnp.array(LENGTHS))
        return ys[:, 0].sum() + ys[: T - 2, 1].sum()

    leaves = jax.tree.leaves(jax.grad(loss)(params))
    return all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


def runs_in_shard_map(make: Callable[[Any], Any]) -> bool:
    """Runs inside jax.shard_map with its default check, batch sharded."""
    params, run = make(jnp.float32)
    mesh = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))
    rows = P(None, "data")

    def outputs(params: Any, xs: jax.Array) -> jax.Array:
        return run(params, xs)[1]

    sharded = jax.shard_map(outputs, mesh=mesh, in_specs=(P(), rows), out_specs=rows)
    return jax.jit(sharded)(params, jnp.ones((T, B, D))).shape == (T, B, H)


def takes_bfloat16_weights(make: Callable[[Any], Any]) -> bool:
    """Weights in bfloat16 from the library's own initialisers, inputs in float32."""
    params, run = make(jnp.bfloat16)
    return bool(jnp.isfinite(run(params, jnp.ones((T, B, D)))[1]).all())


QUESTIONS = (
    keeps_empty_row,
    zeroes_padding,
    ignores_nan,
    runs_in_shard_map,
    takes_bfloat16_weights,
)


def answer(question: Callable[..., bool], make: Callable[[Any], Any]) -> str:
    """``yes``, ``no``, or what it raised."""
    try:
        return "yes" if question(make) else "**no**"
    except (TypeError, NotImplementedError, ValueError) as error:
        return str(error) if str(error) == "no lengths" else f"**{type(error).__name__}**"


def table() -> str:
    """Questions by libraries, as Markdown."""
    packages = {"rnn_jax": None, "flax nnx": "flax", "flax linen": "flax", "haiku": "dm-haiku"}
    here = [name for name in SUBJECTS if name == "rnn_jax" or find_spec(name.split()[0])]
    found = [f"{n} {version(p)}" if (p := packages[n]) else n for n in here]
    lines = [f"| | {' | '.join(found)} |", f"| --- |{' --- |' * len(here)}"]
    for question in QUESTIONS:
        answers = [answer(question, SUBJECTS[name]) for name in here]
        text = (question.__doc__ or "").rstrip(".")
        lines.append(f"| {text} | {' | '.join(answers)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
