"""CTC decoding against all paths, one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import decoding
from tests.decoding import beam_cases
from tests.decoding.ctc_cases import collapse, labellings, softmax

T, B, V = 5, 4, 3
LENGTHS = jnp.array([5, 0, 3, 4])


def make(seed, scale=1.5, dtype=None):
    """Logits with NaN on the padding."""
    logits = scale * jax.random.normal(jax.random.key(seed), (T, B, V), dtype)
    real = jnp.arange(T)[:, None, None] < LENGTHS[None, :, None]
    return jnp.where(jnp.broadcast_to(real, logits.shape), logits, jnp.nan)


def read(beams, row, blank=0):
    """Score, log-probability and labels of what a row found, padding checked."""
    found = []
    for n in range(beams.scores.shape[-1]):
        length = int(beams.lengths[row, n])
        assert (np.asarray(beams.tokens[length:, row, n]) == blank).all()
        labels = tuple(np.asarray(beams.tokens[:length, row, n]).tolist())
        found.append(
            beam_cases.Found(float(beams.scores[row, n]), float(beams.log_probs[row, n]), labels)
        )
    return found


def exact(probabilities, num_best, extra=lambda labels: 0.0):
    found = [
        beam_cases.Found(np.log(p) + extra(labels), np.log(p), labels)
        for labels, p in probabilities.items()
        if p > 0
    ]
    found = sorted(found, reverse=True)[:num_best]
    return found + [beam_cases.Found(-np.inf, -np.inf, ())] * (num_best - len(found))


@pytest.mark.parametrize("blank", [0, 2])
def test_greedy_is_the_collapsed_best_path(blank):
    logits = make(0)
    labels = decoding.ctc_greedy(logits, LENGTHS, blank=blank)
    for row, length in enumerate(LENGTHS.tolist()):
        probabilities = softmax(np.asarray(logits[:length, row]))
        wanted = collapse(tuple(probabilities.argmax(-1).tolist()), blank)
        assert labels.lengths[row] == len(wanted)
        found = labels.tokens[:, row].tolist()
        assert found == [*wanted, *[blank] * (T - len(wanted))]
        np.testing.assert_allclose(
            labels.log_probs[row], np.log(probabilities.max(-1)).sum(), rtol=1e-12, atol=1e-15
        )


def test_widest_prefix_beam_is_exact():
    """Of all labellings, the best eight with their total probabilities; paths merge often here."""
    differs, blank = False, 1
    for seed in range(4):
        logits = make(seed, scale=0.5)
        if seed == 3:  # prefixes die where a class is forbidden, and are written anew
            few = jax.random.bernoulli(jax.random.key(8), 0.4, logits.shape).at[:, :, 2].set(False)
            logits = jnp.where(few, -jnp.inf, logits)
        beams = decoding.ctc_prefix_beam(logits, LENGTHS, beam_size=80, num_best=8, blank=blank)
        greedy = decoding.ctc_greedy(logits, LENGTHS, blank=blank)
        for row, length in enumerate(LENGTHS.tolist()):
            wanted = exact(labellings(logits[:, row], length, blank), 8)
            found = read(beams, row, blank)
            beam_cases.assert_found(found, wanted)
            differs |= found[0].tokens != tuple(
                greedy.tokens[: int(greedy.lengths[row]), row].tolist()
            )
    assert differs, "the best path should have missed the best labels somewhere"


def test_language_model_and_bonus():
    """With weights: log p_ctc + 0.7 log p_lm(labels, end) + 0.3 per label, exactly."""
    logits, tables = make(5), beam_cases.make(B, V, seed=6)
    model = decoding.LanguageModel(
        beam_cases.step, tables, beam_cases.begin(B), jnp.full(B, beam_cases.START), 0.7, end=0
    )
    beams = decoding.ctc_prefix_beam(
        logits, LENGTHS, beam_size=80, num_best=4, language_model=model, label_bonus=0.3
    )
    for row, length in enumerate(LENGTHS.tolist()):

        def extra(labels, row=row):
            ended = beam_cases.score_of(tables, row, (*labels, 0)).log_prob
            return 0.7 * ended + 0.3 * len(labels)

        wanted = exact(labellings(logits[:, row], length, 0), 4, extra)
        beam_cases.assert_found(read(beams, row), wanted)


def narrow(probabilities, beam_size, max_labels):
    """The recursion of Hannun et al. over a dictionary of prefixes, as it stands in the paper."""
    beam = {(): (1.0, 0.0)}
    for frame in probabilities:
        new: dict = {}

        def add(labels, blank, label, new=new):
            old = new.get(labels, (0.0, 0.0))
            new[labels] = (old[0] + blank, old[1] + label)

        for labels, (blank, label) in beam.items():
            add(labels, (blank + label) * frame[0], label * frame[labels[-1]] if labels else 0.0)
            if len(labels) == max_labels:
                continue
            for c in range(1, len(frame)):
                again = labels and labels[-1] == c
                add((*labels, c), 0.0, (blank if again else blank + label) * frame[c])
        beam = dict(sorted(new.items(), key=lambda item: -sum(item[1]))[:beam_size])
    return {labels: sum(p) for labels, p in beam.items()}


def test_narrow_beam_equals_a_dictionary_of_prefixes():
    """Prefixes drop out and come back; equal ones must meet all the same."""
    logits = 0.8 * jax.random.normal(jax.random.key(1), (25, 6, 4))
    for beam_size, max_labels in ((6, None), (12, 5)):
        beams = decoding.ctc_prefix_beam(
            logits, beam_size=beam_size, num_best=6, max_labels=max_labels
        )
        for row in range(6):
            probabilities = softmax(np.asarray(logits[:, row]))
            wanted = narrow(probabilities, beam_size, max_labels or 25)
            beam_cases.assert_found(read(beams, row), exact(wanted, 6))


def test_nan_and_impossible_frames():
    logits = jnp.zeros((3, 4, 3)).at[1, 0, 2].set(jnp.nan).at[1, 1, 2].set(jnp.inf)
    logits = logits.at[1, 2].set(-jnp.inf).at[:, 3, 1:].set(-jnp.inf)
    labels = decoding.ctc_greedy(logits)
    beams = decoding.ctc_prefix_beam(logits, beam_size=5, num_best=2)
    for scores in (labels.log_probs, beams.scores[:, 0], beams.log_probs[:, 0]):
        assert np.isnan(scores[:2]).all() and scores[2] == -np.inf and scores[3] == 0.0
    assert (labels.lengths == 0).all() and (beams.lengths == 0).all()
    assert (beams.scores[2:, 1] == -np.inf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(beam_size=0), "beam_size must be a whole number >= 1, got 0"),
        (dict(num_best=4), "num_best=4 is more than beam_size=3"),
        (dict(max_labels=0), "max_labels must be a whole number >= 1"),
        (dict(blank=3), "blank is 3, but classes are 0..2"),
        (dict(lengths=jnp.array([6, 0, 0, 0])), "lengths go from 0 to 6, but there are 5 frames"),
        (dict(logits=jnp.zeros((5, 4, 1))), "logits has 1 class"),
        (dict(logits=jnp.zeros((5, 4, 3), int)), "logits has dtype int64"),
        (dict(label_bonus=float("nan")), "label_bonus=nan must be a finite number"),
    ],
)
def test_bad_input_is_refused(options, message):
    options = dict(logits=jnp.zeros((5, 4, 3)), lengths=LENGTHS, beam_size=3) | options
    with pytest.raises(ValueError) as caught:
        decoding.ctc_prefix_beam(options.pop("logits"), options.pop("lengths"), **options)
    assert message in str(caught.value)


def test_bad_language_model_is_refused():
    tables = beam_cases.make(4, 5)
    good = decoding.LanguageModel(
        beam_cases.step, tables, beam_cases.begin(4), jnp.zeros(4, int), 0.7
    )
    for model, message in (
        (good, "knows 5 tokens, but logits has 3 classes"),
        (beam_cases.step, "language_model is a function: give decoding.LanguageModel("),
        (good._replace(weight=-1.0), "weight=-1.0"),
        (good._replace(start=jnp.zeros(3, int)), "start has shape (3,)"),
    ):
        with pytest.raises(ValueError) as caught:
            decoding.ctc_prefix_beam(jnp.zeros((5, 4, 3)), beam_size=2, language_model=model)
        assert message in str(caught.value)


def uniform(params, state, token):
    return state + 1, jnp.broadcast_to(params, (*token.shape, 3)) + state.astype(params.dtype)


def everything(logits, lengths, params):
    model = decoding.LanguageModel(
        uniform, params, 0 * logits[0, :, :1], jnp.zeros_like(lengths), end=0
    )
    beams = decoding.ctc_prefix_beam(
        logits, lengths, beam_size=3, num_best=2, language_model=model, max_labels=4
    )
    return beams, decoding.ctc_greedy(logits, lengths)


def test_types_agree_in_every_mode():
    logits, params = jnp.zeros((T, B, V), jnp.bfloat16), jnp.zeros(3)
    rows, time = P("data"), P(None, "data")
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    local = jax.shard_map(
        everything,
        mesh=mesh,
        in_specs=(time, rows, P()),
        out_specs=(decoding.Beams(time, rows, rows, rows), decoding.Labels(time, rows, rows)),
    )
    shapes = jax.eval_shape(local, logits, LENGTHS, params)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        logits, params = (
            jax.device_put(a, NamedSharding(mesh, s)) for a, s in ((logits, time), (params, P()))
        )
        lengths = jax.device_put(LENGTHS, NamedSharding(mesh, rows))
        found = jax.jit(everything).eval_shape(logits, lengths, params)
    beams, labels = found
    assert beams.tokens.sharding.spec[:2] == labels.tokens.sharding.spec[:2] == (None, "data")
    assert beams.tokens.shape == (4, B, 2) and beams.scores.dtype == jnp.float32
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, shapes)


def test_batch_axes():
    logits = make(3)
    flat = decoding.ctc_prefix_beam(logits, LENGTHS, beam_size=4, num_best=2)
    square = decoding.ctc_prefix_beam(
        logits.reshape(T, 2, 2, V), LENGTHS.reshape(2, 2), beam_size=4, num_best=2
    )
    assert square.tokens.shape == (T, 2, 2, 2)
    np.testing.assert_array_equal(square.tokens.reshape(T, 4, 2), flat.tokens)
    one = decoding.ctc_greedy(logits[:, 0])
    assert one.lengths.shape == () and one.tokens.shape == (T,)
