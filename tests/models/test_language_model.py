"""The language model learns, goes on where it stopped, and drops what AWD-LSTM drops."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells, decoding, drivers
from rnn_jax.models import LanguageModel, LanguageModelConfig, take_apart
from tests.models.training import fit

TOKENS = jnp.array([[0, 3, 1, 4, 1, 5, 2], [0, 2, 6, 5, 3, 5, 1]])
SIZES = {"vocab_size": 7, "embedding_size": 6, "hidden_size": 16}


def make(**options) -> LanguageModel:
    return LanguageModel(LanguageModelConfig(**(SIZES | options)), rngs=nnx.Rngs(0))


def nats(logits, targets):
    """-ln p of each target, the slow way."""
    logits = np.asarray(logits, np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, np.asarray(targets)[..., None], -1)[..., 0]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"tied": True, "num_layers": 2, "cell": cells.GRU, "embedding_size": 12},
    ],
)
def test_it_learns_two_lines_by_heart_and_writes_them(options):
    # what both begin with is followed by 3 or 2, so the first step keeps an ln 2
    model, loss = fit(make(**options), lambda m, _: m.loss(TOKENS[:, :-1], TOKENS[:, 1:])[0], 200)
    assert loss < np.log(2) / 6 + 0.02
    pure, params = take_apart(model)
    state, _ = pure.step(params, model.initial_state(2), TOKENS[:, 0])
    written = decoding.decode(
        pure.step, params, state, start=TOKENS[:, 1], max_length=5, choose=decoding.Greedy()
    )
    assert (written.tokens.T == TOKENS[:, 2:]).all()


def test_chunks_steps_resets_and_padding_agree():
    model = make(num_layers=2)
    lengths, targets = jnp.array([6, 2]), TOKENS[:, 1:].at[1, 2:].set(-1)
    inputs = TOKENS[:, :-1].at[1, 2:].set(-1)

    @jax.jit
    def run():
        head = model(TOKENS[:, :3])
        now, steps = model.initial_state(2), []
        for t in range(2):
            now, found = model.step(now, TOKENS[:, t])
            steps.append(found)
        return {
            "whole": model(TOKENS),
            "head": head,
            "tail": model(TOKENS[:, 3:], head.state),
            "steps": jnp.stack(steps, 1),
            "reset": model(TOKENS, reset=jnp.zeros(TOKENS.shape, bool).at[:, 4].set(True)).ys,
            "anew": model(TOKENS[:, 4:]).ys,
            "loss": model.loss(inputs, targets, lengths=lengths)[0],
        }

    found = run()
    logits, _, state = found["whole"]
    both = jnp.concatenate([found["head"].ys, found["tail"].ys], 1)
    np.testing.assert_allclose(both, logits, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found["tail"][2], state)
    np.testing.assert_allclose(found["steps"], logits[:, :2], atol=1e-6)
    np.testing.assert_allclose(found["reset"][:, 4:], found["anew"], atol=1e-6)
    expected = nats(logits[:, :-1], TOKENS[:, 1:])
    assert found["loss"].count == 8
    total = expected[0].sum() + expected[1, :2].sum()
    np.testing.assert_allclose(found["loss"].total, total, rtol=1e-6)


def test_dropouts_act_with_a_key_alone_and_on_whole_sequences_and_words():
    rates = {name: 0.5 for name in ("output_dropout", "weight_dropout", "hidden_dropout")}
    model = make(num_layers=2, input_dropout=0.3, **rates)
    words = make(embedding_dropout=0.6)
    key, other = jax.random.split(jax.random.key(3))

    @jax.jit
    def run():
        keyed = [model.hidden(TOKENS, key=k)[:2] for k in (key, key, other, None)]
        return *keyed, words.hidden(TOKENS[:, :1], key=key)[0][:, 0]

    (ys, raw), (same, _), (others, _), (plain, bare), first = run()
    assert (ys == same).all() and (ys != others).any() and (plain == bare).all()
    kept = ys != 0
    assert (kept == kept[:, :1]).all(), "one mask for all steps of a row"
    assert 0.2 < kept.mean() < 0.8
    np.testing.assert_allclose(ys, jnp.where(kept, 2 * raw, 0), atol=1e-6)
    assert (first[0] == first[1]).all(), "one word, dropped or not"


def test_penalties_are_those_of_the_paper_and_of_training_only():
    model = make(activation_penalty=2.0, temporal_penalty=1.0)
    inputs, targets = TOKENS[:, :-1], TOKENS[:, 1:]

    @jax.jit
    def run():
        plain, _ = model.loss(inputs, targets)
        loss, _ = model.loss(inputs, targets, key=jax.random.key(0))  # no dropout, so ys = raw
        return plain, loss, model(inputs).ys, model.hidden(inputs)[0]

    plain, loss, logits, ys = run()
    np.testing.assert_allclose(plain.mean, nats(logits, targets).mean(), rtol=1e-6)
    ys = np.asarray(ys, np.float64)
    penalty = 2.0 * np.square(ys).mean() + np.square(ys[:, 1:] - ys[:, :-1]).mean()
    np.testing.assert_allclose(loss.mean - plain.mean, penalty, rtol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"output_dropout is the probability of dropping.*1\.5"):
        make(output_dropout=1.5)
    with pytest.raises(ValueError, match="hidden_size must be a whole number >= 1, got 0"):
        make(hidden_size=0)
    with pytest.raises(ValueError, match="embedding_size=6 features, but its cell gives 3"):
        make(tied=True, cell=partial(cells.ProjectedLSTM, projection_size=3))
    with pytest.raises(ValueError, match="tokens holds 7, but the vocabulary has 7 entries"):
        make()(jnp.array([[7]]))
    with pytest.raises(ValueError, match=r"tokens has shape \(3,\)"):
        make()(jnp.array([1, 2, 3]))


def test_dropout_of_every_step_draws_a_mask_for_each():
    model = make(hidden_size=40, output_dropout=0.5, locked=False)

    @jax.jit
    def run(key):
        return model.hidden(TOKENS, key=key)[:2]

    dropped, raw = (np.asarray(x) for x in run(jax.random.key(0)))
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 2 * raw[kept], rtol=1e-6)
    assert 0.4 < kept.mean() < 0.6
    assert len({mask.tobytes() for row in kept for mask in row}) == TOKENS.size


def test_an_associative_driver_gives_what_a_scan_gives():
    models = [make(cell=cells.MinGRU, driver=d) for d in (drivers.scan, drivers.associative)]
    a, b = jax.jit(lambda: [model(TOKENS).ys for model in models])()
    np.testing.assert_allclose(a, b, atol=1e-6)
