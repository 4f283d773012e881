"""The greedy transducer against a loop in Python, row by row; its score against the loss."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import losses
from rnn_jax.decoding.transducer import transducer_greedy
from tests.static import count_traces

V, H, ROWS, STEPS, BLANK = 4, 3, 4, 5, 1
RANDOM = np.random.default_rng(0)
PARAMS = {
    "e": RANDOM.standard_normal((V, H)),
    "w": RANDOM.standard_normal((H, H)),
    "v": 2 * RANDOM.standard_normal((H, V)),
}
FRAMES = 2 * RANDOM.standard_normal((STEPS, ROWS, V))
LENGTHS = np.array([5, 3, 0, 1])


def step(params, h, token):
    h = jnp.tanh(h @ params["w"] + jax.nn.one_hot(token, V, dtype=h.dtype) @ params["e"])
    return h, h


def join(params, frame, y):
    return frame + y @ params["v"]


def by_hand(frames, max_symbols, max_length):
    """Labels, their frames, ln p of the alignment and the last state, of one row."""
    h, token, labels, times, score = np.zeros(H), BLANK, [], [], 0.0
    for t, frame in enumerate(frames):
        for _ in range(max_symbols):
            if len(labels) == max_length:
                break
            new = np.tanh(h @ PARAMS["w"] + PARAMS["e"][token])
            logits = frame + new @ PARAMS["v"]
            symbol = int(np.argmax(logits))
            score += logits[symbol] - np.log(np.exp(logits).sum())
            if symbol == BLANK:
                break
            h, token = new, symbol
            labels.append(symbol)
            times.append(t)
    return labels, times, score, h


def run(frames=FRAMES, step=step, join=join, state=None, **options):
    params = jax.tree.map(jnp.asarray, PARAMS)
    state = jnp.zeros((*np.shape(frames)[1:-1], H)) if state is None else state
    return transducer_greedy(step, join, params, state, frames, blank=BLANK, **options)


@pytest.mark.parametrize(
    ("max_symbols", "max_length", "chunk"), [(3, None, 4), (1, 4, 1), (4, 3, 16)]
)
def test_equals_a_loop_in_python(max_symbols, max_length, chunk):
    poisoned = np.where(np.arange(STEPS)[:, None, None] < LENGTHS[:, None], FRAMES, np.nan)
    options = {"max_symbols": max_symbols, "max_length": max_length}
    found = run(poisoned, lengths=LENGTHS, chunk=chunk, **options)
    size = max_length or STEPS * max_symbols
    assert found.tokens.shape == found.frames.shape == (size, ROWS)
    wrote = 0
    for row, length in enumerate(LENGTHS):
        labels, times, score, h = by_hand(FRAMES[:length, row], max_symbols, size)
        n = int(found.lengths[row])
        wrote += n
        assert found.tokens[:n, row].tolist() == labels and found.frames[:n, row].tolist() == times
        assert (found.tokens[n:, row] == BLANK).all()
        np.testing.assert_allclose(found.scores[row], score, rtol=1e-12)
        np.testing.assert_allclose(found.state[row], h, atol=1e-14)
        assert found.last[row] == (labels[-1] if labels else BLANK)
    assert wrote >= 5


def test_going_on_with_more_frames_is_the_whole():
    whole, first = run(max_symbols=3), run(FRAMES[:2], max_symbols=3)
    params = jax.tree.map(jnp.asarray, PARAMS)
    second = transducer_greedy(
        step, join, params, first.state, FRAMES[2:], start=first.last, blank=BLANK, max_symbols=3
    )
    for row in range(ROWS):
        parts = [f.tokens[: int(f.lengths[row]), row].tolist() for f in (first, second)]
        assert parts[0] + parts[1] == whole.tokens[: int(whole.lengths[row]), row].tolist()
    np.testing.assert_allclose(first.scores + second.scores, whole.scores, rtol=1e-12)


def test_one_alignment_is_at_most_as_probable_as_all():
    """Logits of the loss made by teacher forcing the labels found."""
    found = jax.device_get(run(FRAMES[:, :1], max_symbols=8))
    n = int(found.lengths[0])
    assert 0 < n and (np.bincount(found.frames[:n, 0]) < 8).all()
    h, logits = np.zeros(H), np.zeros((STEPS, n + 1, 1, V))
    for u, token in enumerate([BLANK, *found.tokens[:n, 0].tolist()]):
        h = np.tanh(h @ PARAMS["w"] + PARAMS["e"][token])
        logits[:, u, 0] = FRAMES[:, 0] + h @ PARAMS["v"]
    loss = jax.jit(partial(losses.transducer_loss, blank=BLANK))(logits, found.tokens[:n])
    assert -loss[0] >= found.scores[0] > -loss[0] - 5


def test_traced_once_and_on_a_mesh():
    traced, count = count_traces(step)
    params, state = jax.tree.map(jnp.asarray, PARAMS), jnp.zeros((8, H))
    frames = jnp.asarray(np.concatenate([FRAMES, FRAMES], axis=1))
    go = partial(transducer_greedy, traced, join, blank=BLANK, max_symbols=2)
    one = go(params, state, frames)
    traces = count()
    go(params, state + 1, frames * 2)
    assert count() == traces
    specs = (P(), P("data"), P(None, "data"))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))

    def local(params, state, frames):
        found = transducer_greedy(step, join, params, state, frames, blank=BLANK, max_symbols=2)
        return found.tokens

    mapped = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P(None, "data")))(
        params, state, frames
    )
    np.testing.assert_array_equal(mapped, one.tokens)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = [
            jax.device_put(x, jax.tree.map(lambda _, s=s: NamedSharding(mesh, s), x))
            for x, s in zip((params, state, frames), specs)
        ]
        assert jax.jit(local).eval_shape(*placed).sharding.spec[1] == "data"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_symbols": 0}, "max_symbols must be a whole number >= 1, got 0"),
        ({"max_length": 0}, "max_length must be a whole number >= 1, got 0"),
        ({"lengths": [6, 1, 1, 1]}, "lengths go from 1 to 6, but there are 5 frames"),
        ({"start": [0]}, r"start has shape \(1,\).*batch axes \(4,\)"),
        ({"frames": FRAMES[0, 0]}, r"frames has shape \(4,\)"),
        ({"state": jnp.zeros((3, H))}, r"state has shape \(3, .*have batch axes \(4,\)"),
        ({"step": lambda p, s, t: s}, r"it must give \(state, logits\)"),
        ({"join": lambda p, f, y: f.argmax(-1)}, r"join gave logits of shape \(4,\)"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        run(**change)
    with pytest.raises(ValueError, match="blank has tokens from 4 to 4.*0..3"):
        transducer_greedy(
            step, join, jax.tree.map(jnp.asarray, PARAMS), jnp.zeros((4, H)), FRAMES, blank=4
        )
