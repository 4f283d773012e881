"""The language model of the script: its loss, its cells and drivers, the published recipes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.data import streams

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import language_model as lm  # noqa: E402


def test_the_state_is_carried_over_chunks_and_starts_anew_with_the_streams():
    config = lm.Config(hidden_size=8, embedding_size=4, output_dropout=0.0)
    pure, params = lm.build(config, 7)
    batches = streams.Streams(np.random.default_rng(1).integers(0, 7, 17), 2, 2)
    chunks = [batches.chunk(step) for step in range(5)]
    assert [bool(chunk.first) for chunk in chunks] == [True, False, False, False, True]
    step = jax.jit(partial(lm.loss, pure, params, key=None))
    carry = jax.tree.map(jnp.ones_like, pure(params).initial_state(2))  # must not matter
    found, states = [], [carry]
    for chunk in chunks[:4]:
        nats, carry = step(carry, chunk)
        found.append(float(nats.total))
        states.append(carry)
    inputs, targets = (np.concatenate([c[k] for c in chunks[:4]], axis=1) for k in (0, 1))
    whole = jax.jit(lambda x, y: pure(params).loss(x, y)[0])(inputs, targets)
    assert sum(found) == pytest.approx(float(whole.total), rel=1e-5)
    assert int(whole.count) == 16
    again, _ = step(states[2], chunks[2]._replace(first=np.asarray(True)))
    assert float(again.total) != pytest.approx(found[2], rel=1e-4)  # forgotten where told to


def test_every_cell_and_driver_can_be_chosen():
    chunk = streams.Streams(np.arange(100) % 7, 2, 3).chunk(0)
    losses = []
    for driver in ("scan", "associative"):
        pure, params = lm.build(lm.Config(cell="min_gru", driver=driver, hidden_size=4), 7)
        carry, step = pure(params).initial_state(2), jax.jit(partial(lm.loss, pure, key=None))
        losses.append(float(step(params, carry, chunk)[0].mean))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] > 1
    for name, cell in lm.CELLS.items():
        assert cell(input_size=8, hidden_size=8).output_size == 8
        assert name.replace("_", "") in (cell.__name__.lower(), "mgu")


@pytest.mark.slow
def test_published_recipes_are_those_of_the_papers():
    small = lm.PRESETS["ptb-small"]  # Zaremba: 13 epochs of 929,589 words, halved from the 5th on
    rate = small.learning_rate / 20, small.clip_limit * 20
    assert rate == (1.0, 5.0) and small.steps == 13 * 2323 and small.hold_steps == 4 * 2323
    pure, params = lm.build(small, 50)
    model = pure(params)
    for leaf in jax.tree.leaves(params):
        assert leaf.ndim == 1 or 0.09 < abs(leaf).max() < 0.1
    assert all(abs(layer.get_params().b).max() == 0 for layer in model.layers)  # forget bias 0
    # gradients of the sum over time, clipped at 5 and with rate 1, give the same step
    g = {"w": jnp.full((2, 2), 0.4)}
    first, _ = small.make_optimizer().update(g, small.make_optimizer().init(g), g)
    summed = 20 * g["w"]
    np.testing.assert_allclose(first["w"], -summed * min(1, 5 / np.linalg.norm(summed)), rtol=1e-5)
    awd = lm.PRESETS["awd-lstm"]
    assert awd.average == "triggered" and awd.locked and awd.tied
    parameters = jax.tree.leaves(jax.eval_shape(lambda: lm.build(awd, 10_000)[1]))
    assert sum(leaf.size for leaf in parameters) == pytest.approx(24e6, rel=0.02)  # of the paper
