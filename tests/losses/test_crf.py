"""The CRF against the enumeration of all V**T sequences of tags."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.losses.reference import check_types_on_a_mesh, paths

TAGS, LENGTHS = 3, np.array([4, 2, 1, 0])
RANDOM = np.random.default_rng(0)
PARAMS = losses.CRFParams(
    *(jnp.asarray(RANDOM.standard_normal(s)) for s in [(TAGS, TAGS), (TAGS,), (TAGS,)])
)
EMISSIONS = RANDOM.standard_normal((4, 4, TAGS))
FORBIDDEN = PARAMS._replace(
    transitions=PARAMS.transitions.at[0, 1].set(-jnp.inf).at[2, 2].set(-jnp.inf),
    start=PARAMS.start.at[1].set(-jnp.inf),
)
POISONED = np.where(np.arange(4)[:, None, None] < LENGTHS[:, None], EMISSIONS, np.nan)


def score(params, emissions, tags):
    if not len(tags):
        return 0.0
    params = jax.tree.map(np.asarray, params)
    found = params.start[tags[0]] + params.end[tags[-1]]
    found += sum(e[tag] for e, tag in zip(emissions, tags))
    return found + sum(params.transitions[a, b] for a, b in zip(tags, tags[1:]))


def enumerated(params, row):
    sequences = list(paths(LENGTHS[row], TAGS))
    return sequences, np.array([score(params, EMISSIONS[:, row], tags) for tags in sequences])


@pytest.mark.parametrize("params", [PARAMS, FORBIDDEN], ids=["free", "forbidden"])
def test_equals_enumeration(params):
    """Partition, marginals, best path and likelihood of four rows at once, padding NaN."""

    @jax.jit
    def run(params, emissions):
        partition, marginals, (tags, best) = (
            f(params, emissions, lengths=LENGTHS)
            for f in (losses.crf_log_partition, losses.crf_marginals, losses.crf_viterbi)
        )
        likelihood = losses.crf_log_likelihood(params, emissions, tags, lengths=LENGTHS)
        return partition, marginals, tags, best, likelihood

    partition, marginals, tags, best, likelihood = run(params, POISONED)
    np.testing.assert_allclose(likelihood, best - partition, atol=1e-13)
    for row, length in enumerate(LENGTHS):
        sequences, scores = enumerated(params, row)
        np.testing.assert_allclose(partition[row], np.log(np.exp(scores).sum()), rtol=1e-12)
        np.testing.assert_allclose(best[row], scores.max(), rtol=1e-12)
        assert tuple(tags[:length, row].tolist()) == sequences[scores.argmax()]
        p, expected = np.exp(scores) / np.exp(scores).sum(), np.zeros((4, TAGS))
        for probability, sequence in zip(p, sequences):
            expected[np.arange(length), list(sequence)] += probability
        np.testing.assert_allclose(marginals[:, row], expected, atol=1e-13)
        assert not tags[length:, row].any()


def counts(sequence, length):
    """What the score is a scalar product with: emissions, transitions, starts, ends."""
    sequence = [int(tag) for tag in sequence[:length]]
    found = np.zeros((4, TAGS)), np.zeros((TAGS, TAGS)), np.zeros(TAGS), np.zeros(TAGS)
    for t, tag in enumerate(sequence):
        found[0][t, tag] += 1
    for pair in zip(sequence, sequence[1:]):
        found[1][pair] += 1
    if sequence:
        found[2][sequence[0]] += 1
        found[3][sequence[-1]] += 1
    return found


def test_likelihood_and_its_gradient_equal_enumeration():
    """The gradient: what the tags count, minus what all sequences count on average."""
    tags = np.array([[0, 2, 1, -1], [2, 0, -1, 9], [1, -1, 9, 9], [1, -1, 9, 9]])

    def total(params, emissions):
        found = losses.crf_log_likelihood(params, emissions, tags, lengths=LENGTHS)
        return found.sum(), found

    (d_params, d_emissions), found = jax.jit(jax.grad(total, (0, 1), has_aux=True))(
        PARAMS, POISONED
    )
    expected = [np.zeros((TAGS, TAGS)), np.zeros(TAGS), np.zeros(TAGS)]
    for row, length in enumerate(LENGTHS):
        sequences, scores = enumerated(PARAMS, row)
        p = np.exp(scores) / np.exp(scores).sum()
        own = tuple(tags[:length, row].tolist())
        np.testing.assert_allclose(found[row], np.log(p[sequences.index(own)]), atol=1e-13)
        difference = [
            mine - sum(q * each for q, each in zip(p, others))
            for mine, *others in zip(
                counts(own, length), *(counts(sequence, length) for sequence in sequences)
            )
        ]
        np.testing.assert_allclose(d_emissions[:, row], difference[0], atol=1e-13)
        expected = [a + b for a, b in zip(expected, difference[1:])]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-13), tuple(d_params), tuple(expected)
    )


def test_what_is_forbidden_has_no_probability_and_no_gradient():
    tags = np.array([[0, 2], [1, 0]])  # the first goes 0 -> 1
    emissions = jnp.asarray(EMISSIONS[:2, :2])

    @jax.jit
    def likelihood(params):
        value, back = jax.vjp(lambda p, e: losses.crf_log_likelihood(p, e, tags), params, emissions)
        return value, back(jnp.ones(2))

    @jax.jit
    def everything(params):
        return (
            losses.crf_log_partition(params, emissions),
            losses.crf_viterbi(params, emissions).score,
            losses.crf_marginals(params, emissions),
        )

    value, gradient = likelihood(FORBIDDEN)
    assert value[0] == -jnp.inf and np.isfinite(value[1])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert gradient[0].transitions[0, 1] == 0 and not gradient[1][:, 0].any()
    nothing = PARAMS._replace(start=jnp.full(3, -jnp.inf))
    assert (likelihood(nothing)[0] == -jnp.inf).all()
    partition, best, marginals = everything(nothing)
    assert (partition == -jnp.inf).all() and (best == -jnp.inf).all() and not marginals.any()


def test_ties_go_to_the_lowest_tag():
    search = jax.jit(losses.crf_viterbi)
    found = search(losses.crf_init(3), np.zeros((5, 2, 3)))
    assert not found.tags.any() and not found.score.any()
    parallel = losses.crf_init(2)._replace(transitions=jnp.array([[-1.0, 0.0], [0.0, -1.0]]))
    alternating = search(parallel, np.zeros((4, 2)))  # 0101 and 1010 score alike
    assert alternating.tags.tolist() == [1, 0, 1, 0]


def test_drawn_sequences_have_their_probabilities(optimized):
    """Chi-square over 27 sequences, 26 degrees of freedom: above 61.7 in 1 of 10 000 seeds."""
    emissions = EMISSIONS[:3, 0]
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = jax.jit(jax.vmap(lambda key: losses.crf_sample(PARAMS, emissions, key)))(keys)
    counts = np.bincount(np.asarray(drawn) @ np.array([9, 3, 1]), minlength=27)
    scores = np.array([score(PARAMS, emissions, tags) for tags in paths(3, TAGS)])
    expected = 4000 * np.exp(scores) / np.exp(scores).sum()
    assert ((counts - expected) ** 2 / expected).sum() < 61.7


@pytest.mark.slow
def test_float32_over_many_steps(optimized):
    random = np.random.default_rng(1)
    emissions = jnp.asarray(random.standard_normal((200, 2, 9)) * 3, jnp.bfloat16)
    tags = random.integers(0, 9, (200, 2))

    def run(dtype):
        params = losses.crf_init(9, dtype)._replace(
            transitions=jnp.asarray(random_transitions, dtype)
        )
        return jax.value_and_grad(lambda e: losses.crf_log_likelihood(params, e, tags).sum())(
            emissions.astype(dtype)
        )

    random_transitions = jnp.asarray(random.standard_normal((9, 9)), jnp.bfloat16)
    (exact, d_exact), (single, d_single) = run(jnp.float64), run(jnp.float32)
    np.testing.assert_allclose(single, exact, rtol=1e-6)
    np.testing.assert_allclose(d_single, d_exact, atol=1e-5)
    np.testing.assert_array_equal(run(jnp.bfloat16)[0], single)


def test_bio():
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    allowed = losses.bio_allowed(names)
    for i, a in enumerate(names):
        assert allowed.start[i] == (a[0] != "I")
        for j, b in enumerate(names):
            legal = b[0] != "I" or a in ("B" + b[1:], "I" + b[1:])
            assert allowed.transitions[i, j] == legal, (a, b)
    with pytest.raises(ValueError, match="'X-PER' is none of"):
        losses.bio_allowed(["X-PER"])


def test_types_agree_on_a_mesh():
    arrays = {
        "emissions": (np.zeros((4, 8, TAGS)), 1),
        "tags": (np.ones((4, 8), int), 1),
        "lengths": (np.full(8, 3), 0),
    }
    check_types_on_a_mesh(lambda **a: losses.crf_log_likelihood(PARAMS, **a), arrays)
    del arrays["tags"]
    key = jax.random.key(0)
    check_types_on_a_mesh(lambda **a: losses.crf_viterbi(PARAMS, **a).score, arrays)
    check_types_on_a_mesh(
        lambda **a: (
            losses.crf_marginals(PARAMS, **a)
            + losses.crf_sample(PARAMS, a["emissions"], key)[..., None].astype(float)
        ),
        arrays,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": losses.crf_init(2)}, r"params.transitions has shape \(2, 2\).*3 tags"),
        ({"params": tuple(PARAMS)}, r"params is tuple.*losses.crf_init\(3\)"),
        ({"tags": np.full((4, 4), 3)}, r"tags\[0, 0\] is 3, but classes are 0..2"),
        ({"tags": np.zeros((3, 4), int)}, r"tags has shape \(3, 4\).*\(4, 4\)"),
        ({"lengths": [5, 1, 1, 1]}, "lengths go from 1 to 5, but there are 4 steps of emissions"),
        ({"emissions": np.zeros((4, 4, 3), int)}, "emissions has dtype int64"),
    ],
)
def test_bad_input(change, message):
    given = {"params": PARAMS, "emissions": EMISSIONS, "tags": np.zeros((4, 4), int)}
    with pytest.raises(ValueError, match=message):
        losses.crf_log_likelihood(**given | change)
    with pytest.raises(ValueError, match="num_tags must be a whole number >= 1, got 0"):
        losses.crf_init(0)
