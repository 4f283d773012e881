"""Decoding inside ``shard_map`` and on Explicit axes: tracing alone finds what would fail."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, decoding
from tests.decoding.tiny import VOCAB


def _first_unit(params, state):
    return state.h[..., 0]


@pytest.mark.parametrize("mode", ["shard_map", "explicit"])
def test_types_agree_in_every_mode(mode):
    axis_type = AxisType.Auto if mode == "shard_map" else AxisType.Explicit
    mesh = jax.make_mesh((8,), ("data",), axis_types=(axis_type,))
    token_step = decoding.TokenStep(cell=cells.GRU(input_size=2, hidden_size=3))
    params = token_step.init(jax.random.key(0), vocab_size=VOCAB)
    filters = (decoding.TopK(4), decoding.TopP(0.9), decoding.MinP(0.1), decoding.Forbid((0,)))
    stop = decoding.StopOutput(output=_first_unit)

    def run(params, state, tokens, start, key, lengths):
        found = decoding.decode(
            token_step, params, state, start=start, max_length=5, end=1, stop=stop,
            prefix=tokens, choose=decoding.Sample(filters), key=key, chunk=2,
        )  # fmt: skip
        # a constant start takes its type from the state
        constant = decoding.decode(
            token_step, params, state, start=jnp.zeros(start.shape, int), max_length=2, end=1
        )

        def loss(params):
            _, logits = decoding.scheduled_sampling(
                token_step, params, state, tokens, rate=0.5, key=key, lengths=lengths
            )
            free = decoding.free_running(
                token_step, params, state, jnp.zeros(start.shape, int), num_steps=2
            )
            return logits.sum() + free.logits.sum()

        return found.tokens, found.scores, constant.scores, jax.grad(loss)(params)

    state = token_step.initial_state(params, (8,))
    arguments = (params, state, jnp.zeros((2, 8), int), jnp.zeros(8, int), jax.random.key(0))
    arguments = (*arguments, jnp.full((8,), 2))
    rows, times = P("data"), P(None, "data")
    specs = (P(), rows, times, rows, P(), rows)
    if mode == "shard_map":
        local = jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=(times, rows, rows, P()))
        shapes = jax.eval_shape(jax.jit(local), *arguments)
    else:
        with jax.set_mesh(mesh):
            placed = [
                jax.tree.map(lambda a, s=spec: jax.device_put(a, NamedSharding(mesh, s)), argument)
                for argument, spec in zip(arguments, specs)
            ]
            shapes = jax.jit(run).eval_shape(*placed)
        assert shapes[0].sharding.spec[1] == "data"
    assert [s.shape for s in shapes[:3]] == [(5, 8), (8,), (8,)]
