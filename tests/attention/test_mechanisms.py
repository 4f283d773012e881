"""Every mechanism against a NumPy loop from its paper, over padding, dtypes, batch axes, meshes."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import attention
from tests.attention import loops
from tests.cells.reference import assert_close, draw

SIZES = {"query_size": 3, "memory_size": 2}
EQUAL = {"query_size": 2, "memory_size": 2}
ADDITIVE = attention.Additive(**SIZES, score_size=4)
GENERAL = attention.General(**SIZES)

# name: mechanism, its loop, and whether that gives scores (else weights, or context and weights)
KINDS: dict[str, tuple[Any, Any, bool]] = {
    "dot": (attention.Dot(**EQUAL), loops.dot, True),
    "scaled": (attention.Dot(**EQUAL, scaled=True), loops.scaled, True),
    "general": (GENERAL, loops.general, True),
    "additive": (ADDITIVE, loops.additive, True),
    "normalised": (attention.Additive(**SIZES, score_size=4, normalise=True), loops.additive, True),
    "concat": (attention.Concat(**SIZES, score_size=4), loops.concat, True),
    "location": (
        attention.LocationAware(**SIZES, score_size=4, num_filters=2, filter_size=3),
        loops.location,
        True,
    ),
    "cumulative": (
        attention.LocationAware(
            **SIZES, score_size=4, num_filters=2, filter_size=4, cumulative=True
        ),
        loops.location_cumulative,
        True,
    ),
    "coverage": (attention.Coverage(**SIZES, score_size=4), loops.coverage, True),
    "local_p": (
        attention.LocalP(attention=GENERAL, window_size=2, place_size=4),
        loops.local_p_renormalised,
        False,
    ),
    "local_p of the paper": (
        attention.LocalP(attention=GENERAL, window_size=2, place_size=4, renormalise=False),
        loops.local_p,
        False,
    ),
    "local_m": (
        attention.LocalM(attention=attention.Dot(**EQUAL), window_size=1),
        loops.local_m,
        False,
    ),
    "monotonic": (attention.Monotonic(attention=ADDITIVE), loops.monotonic, False),
    "monotonic hard": (
        attention.Monotonic(attention=ADDITIVE, hard=True, offset=0.0),
        loops.monotonic_hard,
        False,
    ),
    "hard": (attention.Hard(attention=ADDITIVE), loops.hard, False),
    "mlp_heads": (
        attention.MLPHeads(**SIZES, key_size=3, num_heads=2, hidden_sizes=(5,), context_size=3),
        loops.mlp_heads,
        False,
    ),
    "multi_head": (
        attention.MultiHead(**SIZES, num_heads=2, head_size=3, context_size=4),
        loops.multi_head,
        False,
    ),
}
# Variants of one of the above, by the same code but for a line.
SLOW = {"scaled", "normalised", "cumulative", "local_p of the paper", "monotonic hard"}
NAMES = [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in KINDS]
STEPS, SPACE, ROWS = 3, 5, 3
LENGTHS = np.array([5, 0, 3])
REAL = np.arange(SPACE)[:, None] < LENGTHS


def case(kind: Any) -> tuple[Any, jax.Array, jax.Array]:
    """Random params, memory (S, B, E) with NaN on its padding, and queries (T, B, Q)."""
    params = draw(jax.eval_shape(kind.init, jax.random.key(0)), 0)
    memory = draw(jnp.zeros((SPACE, ROWS, kind.memory_size)), 1)
    memory = jnp.where(REAL[..., None], memory, jnp.nan)
    return params, memory, draw(jnp.zeros((STEPS, ROWS, kind.query_size)), 2)


def run(kind: Any, params: Any, memory: Any, queries: Any, lengths: Any) -> Any:
    """Contexts (T, *B, O), weights (T, *B, ...) and the last state."""
    prepared = kind.prepare(params, memory, lengths)
    state, found = kind.initial_state(params, prepared), []
    for query in queries:
        context, weights, state = kind.attend(params, prepared, query, state)
        found.append((context, weights))
    contexts, weights = (jnp.stack(leaves) for leaves in zip(*found))
    return contexts, weights, state


def loop(name: str, params: Any, memory: Any, queries: Any, shape: Any) -> Any:
    kind, one, gives_scores = KINDS[name]
    params = jax.tree.map(np.asarray, params)
    contexts, all_weights = np.zeros((STEPS, ROWS, kind.output_size)), np.zeros(shape)
    for row, length in enumerate(LENGTHS):
        m, past = np.asarray(memory)[:length, row], []
        for t in range(STEPS if length else 0):
            found = one(params, m, np.asarray(queries)[t, row], past)
            if isinstance(found, tuple):
                contexts[t, row], weights = found
            else:
                weights = loops.softmax(found) if gives_scores else found
                contexts[t, row] = sum(w * each for w, each in zip(weights, m))
            past.append(weights)
            all_weights[t, row, ..., :length] = weights
    return contexts, all_weights


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_loop_of_its_paper_and_padding_does_nothing(name):
    kind = KINDS[name][0]
    params, memory, queries = case(kind)

    @jax.jit
    def found(params, memory, queries):
        def loss(params, memory, queries):
            contexts, weights, state = run(kind, params, memory, queries, LENGTHS)
            return jnp.sin(contexts).sum() + jnp.square(weights).sum(), (contexts, weights)

        return jax.grad(loss, (0, 1, 2), has_aux=True)(params, memory, queries)

    (d_params, d_memory, d_queries), (contexts, weights) = found(params, memory, queries)
    assert_close((contexts, weights), loop(name, params, memory, queries, weights.shape))
    assert bool((weights[:, 1] == 0).all() and (contexts[:, 1] == 0).all()), "nothing to read"
    padding = ~np.broadcast_to(np.moveaxis(REAL, 0, -1), (STEPS, ROWS, SPACE))
    by_place = weights if weights.ndim == 3 else weights[:, :, 1]
    assert bool((by_place[padding] == 0).all()), "weights on padding"
    assert bool((d_memory[~REAL] == 0).all()) and bool((d_queries[:, 1] == 0).all())
    for leaf in jax.tree.leaves((d_params, d_memory, d_queries)):
        assert bool(jnp.isfinite(leaf).all())
    if name != "local_p of the paper" and "monotonic" not in name:
        assert_close(weights.sum(-1)[:, [0, 2]], jnp.ones_like(weights.sum(-1)[:, [0, 2]]))


@pytest.mark.parametrize("name", NAMES)
def test_batch_axes_are_free_and_dtypes_follow_the_rule(name):
    """Traced only: what fails here fails in shapes and dtypes."""
    kind = KINDS[name][0]
    params, memory, queries = case(kind)
    shapes = partial(jax.eval_shape, partial(run, kind))
    whole = shapes(params, memory, queries, LENGTHS)
    for new, axis in ((lambda a, i: jnp.expand_dims(a, i), 1), (lambda a, i: a[:, 0], 0)):
        lengths = LENGTHS[None] if axis else LENGTHS[0]
        other = shapes(params, new(memory, 1), new(queries, 1), lengths)
        for have, want in zip(other[:2], whole[:2]):
            batch = (1, ROWS) if axis else ()
            assert have.shape == (STEPS, *batch, *want.shape[2:])
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, memory))
    found = shapes(*half, queries.astype(jnp.bfloat16), LENGTHS)
    assert [leaf.dtype for leaf in found[:2]] == [jnp.float32, jnp.float32]
    floats = [d for leaf in jax.tree.leaves(found[2]) if (d := leaf.dtype) != jnp.int32]
    assert all(d == jnp.float32 for d in floats)


@pytest.mark.parametrize("name", NAMES)
def test_types_agree_on_meshes(name):
    """What other libraries fail in fails while tracing: shard_map, and Explicit axes."""
    kind = KINDS[name][0]
    params = draw(jax.eval_shape(kind.init, jax.random.key(0)), 0)
    memory, queries = jnp.zeros((SPACE, 8, kind.memory_size)), jnp.zeros((2, 8, kind.query_size))
    lengths, rows = jnp.full((8,), 2), P(None, "data")

    def f(params, memory, queries, lengths):
        prepared = kind.prepare(params, memory, lengths)
        noise = None
        if attention.is_stochastic(kind):
            batch = prepared.valid.shape[:-1]
            noise = kind.noise(params, prepared, jax.random.key(0), batch)
        state, contexts = kind.initial_state(params, prepared), []
        for query in queries:
            seen = attention.base.attend(kind, params, prepared, query, state, noise)
            state = seen.state
            contexts.append(seen.context)
        return contexts

    auto, explicit = (
        jax.make_mesh((8,), ("data",), axis_types=(kind,))
        for kind in (AxisType.Auto, AxisType.Explicit)
    )
    specs = (P(), rows, rows, P("data"))
    mapped = jax.shard_map(f, mesh=auto, in_specs=specs, out_specs=P("data"))
    jax.eval_shape(mapped, params, memory, queries, lengths)
    with jax.set_mesh(explicit):
        placed = [
            jax.device_put(a, jax.tree.map(lambda leaf, s=spec: NamedSharding(explicit, s), a))
            for a, spec in zip((params, memory, queries, lengths), specs)
        ]
        contexts = jax.jit(f).eval_shape(*placed)
    assert contexts[0].sharding.spec[0] == "data"
