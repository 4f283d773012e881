"""Regularisers against closed forms in NumPy, and which weights are recurrent, cell by cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, losses
from tests.losses.reference import check_types_on_a_mesh

LENGTHS = np.array([4, 2, 1, 0])
HS = np.random.default_rng(0).standard_normal((4, 4, 3))
REAL = np.arange(4)[:, None] < LENGTHS
PENALTIES = (losses.activation, losses.temporal_activation, losses.norm_stabiliser)


def rows():
    return [HS[:n, i] for i, n in enumerate(LENGTHS)]


def expected():
    squares = np.concatenate([row**2 for row in rows()])
    changes = np.concatenate([np.diff(row, axis=0) ** 2 for row in rows() if len(row)])
    norms = [np.diff(np.linalg.norm(row, axis=-1)) ** 2 for row in rows() if len(row)]
    return squares.mean(), changes.mean(), np.concatenate(norms).mean()


def test_states_equal_numpy_whatever_the_padding():
    poisoned = jnp.asarray(np.where(REAL[..., None], HS, np.nan))
    for penalty, mean in zip(PENALTIES, expected()):
        penalty = jax.jit(penalty)
        found = penalty(poisoned, lengths=LENGTHS)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-13)
        gradient = jax.grad(lambda hs, f=penalty: f(hs, mask=jnp.asarray(REAL)).mean)(poisoned)
        assert np.isfinite(gradient).all() and not gradient[~REAL].any()
        halves = [penalty(HS[:, rows], lengths=LENGTHS[rows]) for rows in ([0, 1], [2, 3])]
        np.testing.assert_allclose(losses.merge(*halves).mean, mean, rtol=1e-13)


def test_one_step_zero_states_and_low_precision():
    one = losses.temporal_activation(HS[:1])
    assert (one.mean, one.count) == (0, 0)
    gradient = jax.grad(lambda hs: losses.norm_stabiliser(hs).mean)(jnp.zeros((3, 2, 4)))
    assert not gradient.any()
    assert losses.activation(jnp.asarray(HS, jnp.bfloat16)).total.dtype == jnp.float32


RECURRENT = {
    "lstm": (cells.LSTM(input_size=2, hidden_size=3), {".w_h"}),
    "peepholes": (cells.PeepholeLSTM(input_size=2, hidden_size=3), {".w_h"}),
    "indrnn": (cells.IndRNN(input_size=2, hidden_size=3), {".u"}),
    "multiplicative": (
        cells.MultiplicativeLSTM(input_size=2, hidden_size=3),
        {".w_m", ".w_mh"},
    ),
    "jordan": (cells.Jordan(input_size=2, hidden_size=3, output_size=2), {".w_back"}),
    "deep": (
        cells.Deep(
            cell=cells.Elman(input_size=4, hidden_size=3),
            input_sizes=(2,),
            transition_sizes=(3,),
            shortcut=True,
        ),
        {".cell.w_h", ".transition[0].w", ".w_s"},
    ),
    "stack": (
        cells.Stacked(
            cells=(
                cells.Zoneout(cell=cells.GRU(input_size=2, hidden_size=3), h_rate=0.1),
                cells.OutputHead(cell=cells.GRU(input_size=3, hidden_size=3), head_size=2),
            )
        ),
        {"[0].w_h", "[1].cell.w_h"},
    ),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_weights_and_no_others(name):
    """The gradient of the penalty shows which weights it reads."""
    cell, fields = RECURRENT[name]
    params = cell.init(jax.random.key(0), jnp.float64)
    gradient = jax.tree_util.tree_leaves_with_path(jax.grad(losses.recurrent_l2)(params))
    touched = {jax.tree_util.keystr(path): leaf for path, leaf in gradient if leaf.any()}
    assert set(touched) == fields
    leaves = {
        jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path({"net": params})
    }
    weights = [np.asarray(leaves["['net']" + field]) for field in fields]
    found = [f({"net": params}) for f in (losses.recurrent_l1, losses.recurrent_l2)]
    np.testing.assert_allclose(found[0], sum(np.abs(w).sum() for w in weights), rtol=1e-12)
    np.testing.assert_allclose(found[1], sum((w**2).sum() for w in weights), rtol=1e-12)


def test_types_agree_on_a_mesh():
    arrays = {"hs": (np.zeros((3, 8, 4)), 1), "lengths": (np.full(8, 2), 0)}
    check_types_on_a_mesh(lambda **a: jnp.stack([f(**a).total for f in PENALTIES]), arrays)


def test_bad_input():
    params = cells.MinGRU(input_size=2, hidden_size=3).init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"no recurrent weights among the fields \['b', 'w_x'\]"):
        losses.recurrent_l1(params)
    assert losses.recurrent_l2(params, names=("w_x",)) > 0
    with pytest.raises(ValueError, match="lengths go from 5 to 5, but there are 4 steps"):
        losses.activation(HS, lengths=[5, 5, 5, 5])
