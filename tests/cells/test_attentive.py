"""Decoders with attention against loops from the papers, under every driver, and their weights."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import attention, cells, drivers
from tests.attention import loops
from tests.cells.reference import assert_close, draw, run, sigmoid

SPACE, STEPS, ROWS = 5, 4, 3
LENGTHS = np.array([5, 0, 3])
ADDITIVE = attention.Additive(query_size=4, memory_size=2, score_size=3)
GENERAL = attention.General(query_size=4, memory_size=2)

DECODERS = {
    "bahdanau": cells.Attentive(
        cell=cells.LSTM(input_size=3 + 2, hidden_size=4), attention=ADDITIVE, order="before"
    ),
    "luong": cells.Attentive(
        cell=cells.LSTM(input_size=3 + 6, hidden_size=4), attention=GENERAL, attentional_size=6
    ),
    "luong without input feeding": cells.Attentive(
        cell=cells.LSTM(input_size=3, hidden_size=4),
        attention=GENERAL,
        attentional_size=6,
        feed=False,
    ),
    "listen, attend and spell": cells.Attentive(
        cell=cells.LSTM(input_size=3 + 2, hidden_size=4),
        attention=attention.LocationAware(
            query_size=4, memory_size=2, score_size=3, num_filters=2, filter_size=3
        ),
    ),
}
SCORES = {
    "bahdanau": loops.additive,
    "luong": loops.general,
    "luong without input feeding": loops.general,
    "listen, attend and spell": loops.location,
}


def case(cell: Any) -> tuple[Any, jax.Array, jax.Array]:
    """Random params, encoder outputs (S, B, E) with NaN on their padding, and inputs."""
    params = draw(jax.eval_shape(cell.init, jax.random.key(0)), 0)
    encoded = draw(jnp.zeros((SPACE, ROWS, 2)), 1)
    real = np.arange(SPACE)[:, None] < LENGTHS
    encoded = jnp.where(real[..., None], encoded, jnp.nan)
    return params, encoded, draw(jnp.zeros((STEPS, ROWS, 3)), 2)


def lstm(p: Any, h: Any, c: Any, x: Any) -> Any:
    i, f, g, o = np.split(x @ p.w_x + h @ p.w_h + p.b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def decode(name: str, params: Any, m: np.ndarray, xs: np.ndarray) -> Any:
    """One row's outputs and weights, as the papers go about it."""
    h, c, fed = np.zeros(4), np.zeros(4), np.zeros(6 if name == "luong" else 2)
    ys, past = [], []

    def read(h: np.ndarray) -> np.ndarray:
        weights = np.zeros(len(m))
        if len(m):
            weights = loops.softmax(SCORES[name](params.attention, m, h, past))
        past.append(weights)
        return weights @ m if len(m) else np.zeros(2)

    for x in xs:
        if name == "bahdanau":
            context = read(h)
            h, c = lstm(params.cell, h, c, np.concatenate([x, context]))
            ys.append(np.concatenate([h, context]))
            continue
        joined = x if "without" in name else np.concatenate([x, fed])
        h, c = lstm(params.cell, h, c, joined)
        fed = read(h)
        ys.append(np.concatenate([h, fed]))
        if "luong" in name:
            fed = np.tanh(np.concatenate([fed, h]) @ params.w_c)
            ys[-1] = fed
    return np.array(ys), np.array(past)


SLOW = {"luong without input feeding"}
NAMES = [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in DECODERS]


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_loop_of_its_paper(name):
    cell = DECODERS[name]
    params, encoded, xs = case(cell)
    aligned = cells.Alignments(cell=cell)
    assert (cell.input_size, aligned.output_size) == (3, cell.output_size)

    @jax.jit
    def found(params, encoded, xs):
        def loss(params, encoded, xs):
            bound = cell.bind(params, encoded, LENGTHS)
            state, ys = drivers.scan(aligned, bound, xs)
            ys, weights = aligned.split(ys)
            return jnp.sin(ys).sum() + jnp.square(weights).sum(), (ys, weights, state)

        return jax.grad(loss, (0, 1, 2), has_aux=True)(params, encoded, xs)

    gradients, (ys, weights, state) = found(params, encoded, xs)
    params, m = jax.tree.map(np.asarray, (params, encoded))
    for row, length in enumerate(LENGTHS):
        want, past = decode(name, params, m[:length, row], np.asarray(xs)[:, row])
        assert_close(ys[:, row], want)
        assert_close(weights[:, row], np.pad(past, [(0, 0), (0, SPACE - length)]))
    assert_close(state.weights, weights[-1])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert bool((gradients[1][LENGTHS[2] :, 2] == 0).all()), "a gradient on the memory's padding"


@pytest.mark.slow
def test_the_truncated_driver_gives_the_same():
    """The laws try the others. Rows have memories of their own here."""
    cell = DECODERS["listen, attend and spell"]
    params, encoded, xs = case(cell)
    bound = cell.bind(params, encoded, LENGTHS)
    options = {"lengths": jnp.array([4, 2, 3]), "reset": jnp.arange(12).reshape(4, 3) == 6}

    @jax.jit
    def both(bound, xs):
        truncated = drivers.truncated(cell, bound, xs, k1=2, k2=2, **options)
        return truncated, drivers.scan(cell, bound, xs, **options)

    found, expected = both(bound, xs)
    assert_close(found, expected)


def test_heads_layers_and_a_prepared_memory():
    """Two stacked LSTMs, two heads, an output layer; the weights come out by head."""
    heads = attention.MLPHeads(
        query_size=4, memory_size=2, key_size=3, num_heads=2, hidden_sizes=(), context_size=5
    )
    inner = cells.Stacked(
        cells=(
            cells.LSTM(input_size=3 + 5, hidden_size=4),
            cells.LSTM(input_size=4, hidden_size=4),
        )
    )
    attentive = cells.Attentive(cell=inner, attention=heads)
    cell = cells.Alignments(cell=cells.OutputHead(cell=attentive, head_size=7))
    params = draw(jax.eval_shape(cell.init, jax.random.key(0)), 0)
    _, encoded, xs = case(DECODERS["bahdanau"])
    memory = heads.prepare(params.cell.attention, encoded, LENGTHS)
    bound = params._replace(cell=attentive.bind(params.cell, memory))
    ys, weights = cell.split(run(cell, bound, xs)[1])
    assert ys.shape == (STEPS, ROWS, 7) and weights.shape == (STEPS, ROWS, 2, SPACE)
    assert_close(weights.sum(-1), np.broadcast_to((LENGTHS > 0)[None, :, None], (STEPS, ROWS, 2)))
    with pytest.raises(ValueError, match="a prepared memory has its lengths"):
        attentive.bind(params.cell, memory, LENGTHS)


def test_a_hard_choice_is_drawn_by_key_and_counted_in_the_state():
    cell = cells.Attentive(
        cell=cells.GRU(input_size=3 + 2, hidden_size=4),
        attention=attention.Hard(attention=ADDITIVE),
    )
    params, encoded, xs = case(cell)
    bound = cell.bind(params, encoded, LENGTHS)
    aligned = cells.Alignments(cell=cell)
    steps = jnp.array([4, 4, 2])

    @jax.jit
    def roads(bound, xs, key):
        scan, loop = (
            driver(aligned, bound, xs, lengths=steps, key=key)
            for driver in (drivers.scan, drivers.unrolled)
        )
        return scan, loop

    scan, loop = roads(bound, xs, jax.random.key(3))
    assert_close(scan, loop)
    _, weights = aligned.split(scan[1])
    assert bool(jnp.isin(weights, jnp.array([0.0, 1.0])).all())
    assert_close(weights.sum((0, 2)), np.array([4.0, 0.0, 2.0]))
    counted = scan[0].attention
    assert bool((counted.log_prob[1] == 0) & (counted.entropy[1] == 0))
    chosen = jnp.array([0, 2])
    assert bool((counted.log_prob[chosen] < 0).all() & (counted.entropy[chosen] > 0).all())
    assert cells.is_stochastic(cell) and not cells.is_stochastic(DECODERS["luong"])


def test_bad_input_is_refused():
    lstm = cells.LSTM(input_size=5, hidden_size=4)
    cell = DECODERS["bahdanau"]
    params, encoded, xs = case(cell)
    with pytest.raises(ValueError, match=r"no memory is bound: call with cell.bind"):
        drivers.scan(cell, params, xs)
    with pytest.raises(ValueError, match=r"batch axes \(3,\), but the inputs have \(2,\): .*beam"):
        drivers.scan(cell, cell.bind(params, encoded), xs[:, :2])
    with pytest.raises(ValueError, match="go from 0 to 6, but memory has 5 steps"):
        cell.bind(params, encoded, jnp.array([6, 0, 1]))
    with pytest.raises(ValueError, match=r"memory has shape \(5, 3, 3\).*S, \*B, 2"):
        cell.bind(params, jnp.zeros((5, 3, 3)))
    with pytest.raises(ValueError, match="query_size=4, but the inner cell's output_size=3"):
        cells.Attentive(cell=cells.LSTM(input_size=5, hidden_size=3), attention=ADDITIVE)
    with pytest.raises(ValueError, match=r"input_size=5: make it with input_size = D \+ 6"):
        cells.Attentive(cell=lstm, attention=ADDITIVE, attentional_size=6)
    with pytest.raises(ValueError, match='"after" or "before", got \'later\''):
        cells.Attentive(cell=lstm, attention=ADDITIVE, order="later")
    with pytest.raises(ValueError, match="leave feed at True"):
        cells.Attentive(cell=lstm, attention=ADDITIVE, order="before", feed=False)
    with pytest.raises(ValueError, match="Attentive: attention is the class Additive: give one"):
        cells.Attentive(cell=lstm, attention=attention.Additive)
    with pytest.raises(ValueError, match="Attentive: cell is the class LSTM: give one"):
        cells.Attentive(cell=cells.LSTM, attention=ADDITIVE)
    with pytest.raises(ValueError, match="Alignments: cell is the class Attentive: give one"):
        cells.Alignments(cell=cells.Attentive)
    with pytest.raises(ValueError, match="has no weights"):
        cells.Alignments(cell=lstm)
