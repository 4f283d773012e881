"""Music models: likelihoods in NumPy, draws against all rolls that there are."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells, models
from rnn_jax.data.buckets import PairBatches
from tests.models.modes import check_types_in_every_mode
from tests.models.training import outline

D, H = 3, 4
RANDOM = np.random.default_rng(0)


def make(nade_size, cell=cells.Elman, num_keys=D, num_layers=1):
    config = models.MusicModelConfig(num_keys=num_keys, hidden_size=H, cell=cell, dropout=0.5,
                                     nade_size=nade_size, num_layers=num_layers)  # fmt: skip
    pure, params = models.take_apart(models.MusicModel(config, rngs=nnx.Rngs(0)))
    leaves, treedef = jax.tree.flatten(params)
    drawn = [jnp.asarray(RANDOM.standard_normal(leaf.shape)) for leaf in leaves]
    return pure, jax.tree.unflatten(treedef, drawn)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(model, roll):
    """-ln p of a piece (T, D), from the equations, in loops."""
    (cell,) = model.layers.get_params()
    w, b = (np.asarray(leaf) for leaf in (model.output.kernel[...], model.output.bias[...]))
    h, before, total = np.zeros(H), np.zeros(D), 0.0
    for step in roll:
        h = np.tanh(before @ np.asarray(cell.w_x) + h @ np.asarray(cell.w_h) + np.asarray(cell.b))
        logits = h @ w + b
        if model.config.nade_size:
            c = h @ np.asarray(model.hidden.kernel[...]) + np.asarray(model.hidden.bias[...])
            into, out = np.asarray(model.w[...]), np.asarray(model.v[...])
            for d in range(D):
                logits[d] += out[d] @ sigmoid(c + step[:d] @ into[:d])
        p = sigmoid(logits)
        total -= np.log(np.where(step == 1, p, 1 - p)).sum()
        before = step
    return total


@pytest.mark.parametrize("nade_size", [None, 5])
def test_nats_are_those_of_the_equations(nade_size):
    """Over pieces of different lengths, in padded batches, the first step of each included."""
    pure, params = make(nade_size)
    pieces = [RANDOM.integers(0, 2, (n, D)).astype(np.uint8) for n in (1, 7, 4, 9, 2)]
    batches = PairBatches(pieces, [[k] for k in range(5)], batch_size=2, num_buckets=1)
    found = models.nats_per_step(pure, params, batches.in_order())
    model = pure(params)
    expected = sum(by_hand(model, piece.astype(float)) for piece in pieces) / 23
    exact = jax.config.jax_enable_x64
    np.testing.assert_allclose(found, expected, rtol=1e-12 if exact else 1e-5)


@pytest.mark.parametrize("nade_size", [None, 5])
def test_draws_have_the_probabilities_of_the_loss(nade_size):
    pure, params = make(nade_size, num_keys=2)
    every = np.array(list(product([0, 1], repeat=4))).reshape(16, 2, 2)
    given = np.array([[[0, 1]]])

    @jax.jit
    def both(params):
        model = pure(params)
        rows = jnp.concatenate([jnp.tile(given, (16, 1, 1)), every], axis=1)
        logits = model.logits(rows)[:, 1:]
        nll = jnp.sum(jax.nn.softplus(logits) - every * logits, axis=(1, 2))
        return nll, model.sample(jax.random.key(0), jnp.tile(given, (20_000, 1, 1)), 2)

    nll, drawn = both(params)
    p = np.exp(-np.asarray(nll))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-6)
    counts = np.bincount(np.asarray(drawn).reshape(-1, 4) @ [8, 4, 2, 1], minlength=16)
    assert (abs(counts / 20_000 - p) < 4.5 * np.sqrt(p * (1 - p) / 20_000)).all()


def test_types_agree_over_shards():
    config = models.MusicModelConfig(num_keys=D, hidden_size=H, nade_size=3, num_layers=2)
    pure, params = outline(lambda: models.MusicModel(config, rngs=nnx.Rngs(0)))
    rolls, lengths, key = jnp.ones((4, 5, D), jnp.uint8), jnp.array([5, 3, 1, 0]), jax.random.key(0)
    check_types_in_every_mode(
        lambda params, lengths, rolls: pure(params).loss(rolls, lengths=lengths, key=key),
        params, lengths, rolls,
        rows=lambda params, lengths, rolls: pure(params).sample(key, rolls, 2),
    )  # fmt: skip


def test_bad_input():
    pure, params = make(None)
    with pytest.raises(ValueError, match=r"rolls has shape \(2, 5, 4\)"):
        pure(params).loss(jnp.ones((2, 5, 4)))
    with pytest.raises(ValueError, match="nade_size"):
        models.MusicModelConfig(nade_size=0)
