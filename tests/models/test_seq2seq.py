"""The translator learns sentences by heart, and is what its papers' equations say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import attention, cells, decoding
from rnn_jax.models import take_apart
from rnn_jax.models.search import _search
from tests.models.training import fit
from tests.models.translating import (
    ADDITIVE,
    LENGTHS,
    SOURCE,
    SOURCE_LENGTHS,
    TARGET,
    TARGET_LENGTHS,
    make,
)


def stirred(model):
    """The model apart, its parameters moved off zero and one."""
    pure, params = take_apart(model)
    leaves, treedef = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    leaves = [leaf + 0.3 * rng.standard_normal(leaf.shape).astype("float32") for leaf in leaves]
    return pure, jax.tree.unflatten(treedef, leaves)


def nats(logits, targets):
    """-ln p of each target, the slow way."""
    logits = np.asarray(logits, np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, np.asarray(targets)[..., None], -1)[..., 0]


RECIPES = {
    "sutskever": {
        "cell": cells.LSTM, "bidirectional": False, "reverse_source": True, "bridge": "last",
        "feed": False, "hidden_size": 16,
    },
    "recipe": {"attention": ADDITIVE, "tied": True, "dropout": 0.05},
    "luong": {
        "cell": cells.LSTM, "attention": attention.General, "order": "after", "bridge": "mean",
        "num_decoder_layers": 2,
    },
    "cho": {"bridge": "zero", "tied": True, "hidden_size": 16},
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "recipe" else pytest.mark.slow) for n in RECIPES],
)
def test_it_learns_three_sentences_by_heart_and_translates_them(name):
    model, loss = fit(
        make(**RECIPES[name]), lambda m, key: m.loss(SOURCE, TARGET, key=key, **LENGTHS), 150, 0.03
    )
    assert loss < 0.05
    beam_size = 1 if name == "sutskever" else 3
    found = model.translate(
        SOURCE, SOURCE_LENGTHS, max_length=6, beam_size=beam_size,
        length_penalty=None if beam_size == 1 else decoding.GNMT(0.6),
    )  # fmt: skip
    assert found.lengths.tolist() == TARGET_LENGTHS
    for row, length in enumerate(TARGET_LENGTHS):
        assert (found.tokens[row, :length] == TARGET[row, :length]).all()
        assert (found.tokens[row, length:] == 2).all()
    assert (found.scores < 0).all() and (found.scores > -0.5).all()


def test_it_is_what_the_equations_say():
    """Bahdanau's order over an encoder of both directions that reads the source reversed."""
    options = {"cell": cells.Elman, "attention": ADDITIVE, "tied": True, "reverse_source": True}
    model = make(label_smoothing=0.2, **options)
    pure, params = stirred(model)

    @jax.jit
    def run(params, key):
        model = pure(params)
        inputs = model.target_inputs(TARGET)
        logits = model(SOURCE, inputs, **LENGTHS)
        plain, smooth = (model.loss(SOURCE, TARGET, key=k, **LENGTHS) for k in (None, key))
        return logits, model.alignments(SOURCE, TARGET, **LENGTHS), plain, smooth

    logits, weights, plain, smooth = run(params, jax.random.key(0))
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), nnx.to_pure_dict(params))
    encoder, decoder = p["encoder"], p["decoder"]["layer"]["params"]
    forward, backward = encoder["layers"]["params"][0].values()
    inner, additive = decoder["cell"][0], decoder["attention"]
    table = p["decoder"]["embedding"]["embedding"]

    def elman(w, xs, h):
        hs = []
        for x in xs:
            h = np.tanh(x @ w["w_x"] + h @ w["w_h"] + w["b"])
            hs.append(h)
        return hs

    total, spread = 0.0, 0.0
    for row, (length, steps) in enumerate(zip(SOURCE_LENGTHS, TARGET_LENGTHS)):
        xs = encoder["embedding"]["embedding"][np.asarray(SOURCE[row, :length])][::-1]
        ahead = elman(forward, xs, np.zeros(10))
        behind = elman(backward, xs[::-1], np.zeros(10))[::-1]
        memory = np.concatenate([ahead, behind], -1)[::-1]
        last = np.concatenate([ahead[-1], behind[0]])
        s = np.tanh(last @ p["bridge"]["map"]["kernel"] + p["bridge"]["map"]["bias"])
        words = [1, *TARGET[row, : steps - 1].tolist()]
        for t, word in enumerate(words):
            scores = np.tanh(memory @ additive["w_k"] + s @ additive["w_q"] + additive["b"])
            alpha = np.exp(scores @ additive["v"])
            alpha /= alpha.sum()
            (s,) = elman(inner, [np.concatenate([table[word], alpha @ memory])], s)
            a = np.tanh(np.concatenate([alpha @ memory, s]) @ decoder["w_c"])
            expected = a @ table.T + p["decoder"]["bias"]
            np.testing.assert_allclose(logits[row, t], expected, atol=2e-5)
            np.testing.assert_allclose(weights[row, t, :length], alpha, atol=1e-5)
            assert (weights[row, t, length:] == 0).all()
            total += nats(expected, TARGET[row, t])
            spread += np.mean([nats(expected, v) for v in range(8)])
    assert plain.count == 10
    np.testing.assert_allclose(plain.total, total, rtol=1e-5)
    np.testing.assert_allclose(smooth.total, 0.8 * total + 0.2 * spread, rtol=1e-5)


def test_padding_steps_and_scheduled_sampling_change_nothing():
    options = {"num_decoder_layers": 2, "order": "after", "attention": attention.General}
    pure, params = stirred(make(reverse_source=True, **options))

    @jax.jit
    def loss_and_gradient(params, *batch):
        def loss(params):
            found = pure(params).loss(*batch[:2], source_lengths=batch[2], target_lengths=batch[3])
            return found.total

        return jax.value_and_grad(loss)(params)

    lengths = [jnp.array(n[1:2]) for n in (SOURCE_LENGTHS, TARGET_LENGTHS)]
    found = loss_and_gradient(params, SOURCE[1:2], TARGET[1:2], *lengths)
    other = loss_and_gradient(
        params, SOURCE[1:2].at[0, 2:].set(5), TARGET[1:2].at[0, 2:].set(99), *lengths
    )
    jax.tree.map(np.testing.assert_array_equal, found, other)

    nothing, all_of_it = jnp.array([0]), lengths[1]
    unread = loss_and_gradient(params, SOURCE[1:2], TARGET[1:2], nothing, all_of_it)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(unread))
    unsaid = loss_and_gradient(params, SOURCE[1:2], TARGET[1:2], all_of_it, nothing)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(unsaid))

    @jax.jit
    def both_ways(params, rate):
        model = pure(params)
        inputs = model.target_inputs(TARGET)
        state = model.start(SOURCE, LENGTHS["source_lengths"])
        _, stepped = decoding.scheduled_sampling(
            pure.step, params, state, inputs.T, rate=rate, key=jax.random.key(0),
            lengths=LENGTHS["target_lengths"],
        )  # fmt: skip
        return jnp.moveaxis(model(SOURCE, inputs, **LENGTHS), 1, 0), stepped

    teacher, stepped = both_ways(params, 0.0)
    for row, length in enumerate(TARGET_LENGTHS):
        np.testing.assert_allclose(stepped[:length, row], teacher[:length, row], atol=1e-5)
    _, own = both_ways(params, 1.0)
    np.testing.assert_allclose(own[0], teacher[0], atol=1e-5)
    assert (abs(own[1:] - teacher[1:]) > 1e-3).any()


def test_scaled_embeddings_are_those_times_the_root_of_their_size():
    pure, params = stirred(make(attention=ADDITIVE, scaled=True))
    plain, _ = take_apart(make(attention=ADDITIVE))
    longer = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * (leaf.shape[-1] ** 0.5 if "embedding" in str(path) else 1.0),
        params,
    )
    found = [
        jax.jit(lambda p, of=of: of(p)(SOURCE, TARGET, **LENGTHS))(p)
        for of, p in ((pure, params), (plain, longer))
    ]
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)


def test_equal_models_and_shapes_are_compiled_once():
    options = {"attention": ADDITIVE, "hidden_size": 4}
    one = make(**options).translate(SOURCE, SOURCE_LENGTHS, max_length=3)
    count = _search._cache_size()
    other = make(1, **options).translate(SOURCE[::-1], SOURCE_LENGTHS[::-1], max_length=3)
    assert _search._cache_size() == count
    assert (one.scores != other.scores).any()
