"""Jacobian and gradient norms against matrix powers, NumPy products and an unrolled loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import analysis, cells, drivers
from tests.laws.cases import jitter, make_case

LINEAR = cells.Elman(input_size=2, hidden_size=3, activation=cells.base.identity)
TANH = cells.Elman(input_size=2, hidden_size=3)


def make(cell, num_rows=2, num_steps=5):
    params = jitter(cell.init(jax.random.key(0), jnp.float64), jax.random.key(1))
    return params, jax.random.normal(jax.random.key(2), (num_steps, num_rows, 2))


def test_of_a_linear_network_is_the_norm_of_the_matrix_power():
    params, xs = make(LINEAR)
    run = jax.jit(analysis.jacobian_norms, static_argnums=0, static_argnames="norm")
    powers = [np.linalg.matrix_power(np.asarray(params.w_h), t) for t in range(1, 6)]
    for norm, order in (("spectral", 2), ("frobenius", "fro")):
        expected = [np.linalg.norm(power, order) for power in powers]
        found = run(LINEAR, params, xs, norm=norm)
        np.testing.assert_allclose(found, np.stack([expected, expected], 1), rtol=1e-12)


def test_of_tanh_is_the_product_of_numpy_jacobians():
    """With lengths and NaN padding (the norm stays) and a reset (it becomes 0)."""
    params, xs = make(TANH, num_rows=3)
    lengths = jnp.array([5, 2, 5])
    reset = jnp.zeros((5, 3), bool).at[3, 2].set(True)
    run = jax.jit(analysis.jacobian_norms, static_argnums=0)
    found = run(TANH, params, xs.at[2:, 1].set(jnp.nan), lengths=lengths, reset=reset)
    for row, steps in enumerate((5, 2, 3)):
        h, product, norms = np.zeros(3), np.eye(3), []
        for x in np.asarray(xs[:steps, row]):
            h = np.tanh(x @ params.w_x + h @ params.w_h + params.b)
            product = np.diag(1 - h**2) @ np.asarray(params.w_h).T @ product
            norms.append(np.linalg.norm(product, 2))
        after = [norms[-1]] * (5 - steps) if row == 1 else [0.0] * (5 - steps)
        np.testing.assert_allclose(found[:, row], norms + after, rtol=1e-12)


@pytest.mark.parametrize("name", ["lstm", pytest.param("stacked", marks=pytest.mark.slow)])
def test_of_any_cell_is_that_of_autodiff(name):
    """Nested states; the whole state, and h alone."""
    cell, params, state, xs = make_case(name, num_steps=2, num_rows=2)
    leaves, treedef = jax.tree.flatten(state)
    fields = [path[-1].name for path, _ in jax.tree_util.tree_leaves_with_path(state)]

    @jax.jit
    @jax.jacfwd
    def final(row):
        """The last state of row 0."""
        start = treedef.unflatten([a.at[0].set(r) for a, r in zip(leaves, row)])
        end, _ = drivers.unrolled(cell, params, xs, start)
        return [leaf[0] for leaf in jax.tree.leaves(end)]

    jacobian = final([leaf[0] for leaf in leaves])
    run = jax.jit(analysis.jacobian_norms, static_argnums=0, static_argnames="names")
    for names in (None, ("h",)):
        found = run(cell, params, xs, state, names=names)[-1, 0]
        kept = [k for k, field in enumerate(fields) if names is None or field in names]
        whole = np.block([[np.asarray(jacobian[a][b]) for b in kept] for a in kept])
        np.testing.assert_allclose(found, np.linalg.norm(whole, 2), rtol=1e-10)


def test_complex_states_shrink_like_the_largest_eigenvalue():
    cell, params, state, xs = make_case("lru", num_steps=4)
    radius = float(jnp.exp(-jnp.exp(params.nu_log)).max())
    found = analysis.jacobian_norms(cell, params, xs, state)[:, 0]
    np.testing.assert_allclose(found, radius ** np.arange(1.0, 5.0), rtol=1e-12)


def test_the_logarithm_goes_where_numbers_end():
    """A linear network in float32, whose powers leave its range after 128 steps."""
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), make(LINEAR)[0])
    xs = jnp.zeros((400, 2), jnp.float32)
    for factor in (0.5, 2.0):
        params = params._replace(w_h=factor * jnp.eye(3, dtype=jnp.float32))
        logs = analysis.log_jacobian_norms(LINEAR, params, xs)
        assert logs.dtype == jnp.float32
        np.testing.assert_allclose(logs, np.log(factor) * np.arange(1, 401), rtol=1e-5)
    nothing = params._replace(w_h=0 * params.w_h)
    assert bool((analysis.log_jacobian_norms(LINEAR, nothing, xs[:2]) == -jnp.inf).all())


def loss(ys):
    return jnp.sin(ys).sum() + (ys[-1] ** 2).sum()


@pytest.mark.parametrize("cell", [cells.LSTM(input_size=2, hidden_size=3), TANH])
def test_gradient_norms_are_those_of_an_unrolled_loop(cell):
    params, xs = make(cell, num_steps=4)
    lengths = jnp.array([4, 2])
    start = cell.initial_state(params, (2,))

    def from_changes(changes, xs):
        """A loop over steps and rows, with something added to every state."""
        ys = jnp.zeros((4, 2, 3))
        for row, steps in enumerate(lengths.tolist()):
            state = cell.initial_state(params)
            for t in range(steps):
                state, _ = drivers.step(cell, params, state, xs[t, row])
                here = jax.tree.map(lambda leaf, at=(t, row): leaf[at], changes)
                state = jax.tree.map(jnp.add, state, here)
                ys = ys.at[t, row].set(cell.readout(params, state))
        return loss(ys)

    none = jax.tree.map(lambda leaf: jnp.zeros((4, *leaf.shape)), start)
    d_states, d_xs = jax.jit(jax.grad(from_changes, (0, 1)))(none, xs)

    def size(*leaves):
        return np.sqrt(sum(np.square(leaf).sum(-1) for leaf in leaves))

    @jax.jit
    def run(params, xs):
        marked = xs.at[2:, 1].set(jnp.nan)
        return (
            analysis.gradient_norms(cell, params, marked, loss, lengths=lengths),
            analysis.gradient_norms(cell, params, marked, loss, lengths=lengths, names=("h",)),
            analysis.input_gradient_norms(cell, params, marked, loss, lengths=lengths),
        )

    whole, hidden, inputs = run(params, xs)
    np.testing.assert_allclose(whole, size(*jax.tree.leaves(d_states)), rtol=1e-10)
    np.testing.assert_allclose(hidden, size(d_states.h), rtol=1e-10)
    np.testing.assert_allclose(inputs, size(d_xs), rtol=1e-10)
    assert bool((whole[2:, 1] == 0).all()) and bool((inputs[2:, 1] == 0).all())


def test_types_agree_under_shard_map_and_explicit_sharding():
    cell = cells.LSTM(input_size=2, hidden_size=3)
    params, xs = make(cell, num_rows=8)
    lengths = jnp.ones(8, int)

    def run(params, xs, lengths):
        marks = {"lengths": lengths}
        return (
            analysis.log_jacobian_norms(cell, params, xs, **marks),
            analysis.gradient_norms(cell, params, xs, loss, **marks),
            analysis.input_gradient_norms(cell, params, xs, loss, **marks),
            analysis.gate_activations(cell, params, xs, **marks)["f"],
            analysis.lyapunov_exponents(cell, params, xs)[None],
        )

    rows = P(None, "data")
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = dict(in_specs=(P(), rows, P("data")), out_specs=(rows,) * 5)
    jax.eval_shape(jax.shard_map(run, mesh=mesh, **specs), params, xs, lengths)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        put = lambda a, spec: jax.device_put(a, NamedSharding(mesh, spec))
        params = jax.tree.map(lambda a: put(a, P()), params)
        found = jax.eval_shape(run, params, put(xs, rows), put(lengths, P("data")))
        assert [leaf.sharding.spec[1] for leaf in found] == ["data"] * 5


def test_bad_input_is_refused():
    params, xs = make(TANH)
    with pytest.raises(ValueError, match="norm must be"):
        analysis.jacobian_norms(TANH, params, xs, norm="nuclear")
    for names in ((), ("c",)):
        with pytest.raises(ValueError, match=r"floating fields of the state are \['h'\]"):
            analysis.jacobian_norms(TANH, params, xs, names=names)
    with pytest.raises(ValueError, match="lengths has shape"):
        analysis.gradient_norms(TANH, params, xs, loss, lengths=jnp.ones(3, int))
