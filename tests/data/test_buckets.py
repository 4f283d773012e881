"""Batches of pairs: every pair once, few shapes, little padding, a function of the step alone."""

from itertools import combinations

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.batch import share
from rnn_jax.data.bounds import bucket_bounds, cheapest_runs
from rnn_jax.data.buckets import PairBatches


def data(count=57, features=None, seed=0):
    rng = np.random.default_rng(seed)
    shape = () if features is None else (features,)
    sources = [rng.normal(size=(n, *shape)).astype(np.float32) for n in rng.integers(0, 40, count)]
    targets = [rng.integers(3, 99, n + rng.integers(0, 9)) for n in map(len, sources)]
    return sources, targets


@pytest.mark.parametrize("features", [None, 3])
@pytest.mark.parametrize("choices", [{}, {"token_budget": 160, "multiple_of": 2}])
def test_every_pair_occurs_exactly_once_per_epoch(features, choices):
    sources, targets = data(features=features)
    batches = PairBatches(sources, targets, batch_size=8, num_buckets=3, pad=-7, **choices)
    assert 1 < len(batches.shapes) <= 3
    orders, shapes, padding, entries = [], set(), 0, 0
    for epoch in range(3):
        seen = []
        for step in range(batches.batches_per_epoch):
            batch = batches.batch(epoch * batches.batches_per_epoch + step)
            shapes.add((len(batch.indices), batch.source.shape[1], batch.target.shape[1]))
            for row, place in enumerate(batch.indices):
                source, target = (sources[place], targets[place]) if place >= 0 else ([], [])
                size, length = batch.source_lengths[row], batch.target_lengths[row]
                assert (size, length) == (len(source), len(target))
                np.testing.assert_array_equal(batch.source[row, :size].ravel(), np.ravel(source))
                np.testing.assert_array_equal(batch.target[row, :length], target)
                assert np.all(batch.source[row, size:] == -7)
                assert np.all(batch.target[row, length:] == -7)
                entries += batch.source.shape[1] + batch.target.shape[1]
                padding += batch.source.shape[1] - size + batch.target.shape[1] - length
            seen += batch.indices[batch.indices >= 0].tolist()
        assert sorted(seen) == list(range(len(sources)))
        orders.append(seen)
    assert orders[0] != orders[1] != orders[2]
    assert shapes == set(batches.shapes)
    assert batches.padding_share == pytest.approx(padding / entries)
    if choices:
        assert all(b % 2 == 0 and b * max(s, t) <= 160 for b, s, t in shapes)


def test_a_batch_depends_on_seed_and_step_alone():
    sources, targets = data()
    forward = [
        PairBatches(sources, targets, batch_size=8, seed=4).batch(step) for step in range(30)
    ]
    again = PairBatches(sources, targets, batch_size=8, seed=4)
    for step in reversed(range(30)):
        for a, b in zip(again.batch(step), forward[step], strict=True):
            np.testing.assert_array_equal(a, b)
    other = PairBatches(sources, targets, batch_size=8, seed=5)
    assert [other.batch(i).indices.tolist() for i in range(9)] != [
        again.batch(i).indices.tolist() for i in range(9)
    ]


def test_evaluation_takes_every_pair_once_in_the_order_of_the_data():
    sources, targets = data()
    batches = PairBatches(sources, targets, batch_size=8)
    found = [batch.indices[batch.indices >= 0] for batch in batches.in_order()]
    assert sorted(np.concatenate(found)) == list(range(57))
    assert all(np.all(np.diff(places) > 0) for places in found)


def test_held_out_data_take_the_shapes_of_the_training_data():
    train = PairBatches(*data(), batch_size=8)
    short = [np.ones(n) for n in (1, 2, 3)]
    same = PairBatches(short, short, batch_size=8, given_bounds=train.bounds)
    assert same.shapes == train.shapes and len(list(same.in_order())) == same.batches_per_epoch == 1
    long = [*short, np.ones(99)]
    assert PairBatches(long, short + short[:1], given_bounds=train.bounds).bounds == (
        *train.bounds, (100, train.bounds[-1][1])
    )  # fmt: skip


def test_rows_may_be_read_when_they_are_asked_for():
    class Lazy:
        def __init__(self, rows):
            self.rows, self.read = rows, []

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, place):
            self.read.append(place)
            return self.rows[place]

    sources, targets = data(9)
    lazy, lengths = Lazy(sources), np.array([len(row) for row in sources])
    batches = PairBatches(lazy, targets, batch_size=2, source_lengths=lengths)
    batch = batches.batch(0)
    assert lazy.read == batch.indices[batch.indices >= 0].tolist()
    with pytest.raises(ValueError, match="are not as long as was said"):
        PairBatches(sources, targets, source_lengths=lengths + 1).batch(0)


def test_too_long_pairs_are_refused_or_left_out_and_counted():
    rows = [np.zeros(n) for n in (3, 9, 4, 8)]
    kept = PairBatches(rows, rows, max_source_length=5, too_long="drop", num_buckets=1)
    assert kept.dropped == 2 and str(kept) == (
        "2 pairs in 1 batches an epoch, 1 shapes, 95% padding, 2 too long and left out"
    )
    assert [b.indices[:3].tolist() for b in kept.in_order()] == [[0, 2, -1]]
    with pytest.raises(InputError, match=r"2 of 4 pairs .* None for a target; .* have \[9, 9\]; r"):
        PairBatches(rows, rows, max_source_length=5)
    with pytest.raises(InputError, match="4 of 4 pairs .* raise the limits$"):
        PairBatches(rows, rows, max_target_length=2, too_long="drop")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"batch_size": 0}, "batch_size 0 must be positive"),
        ({"batch_size": 6, "multiple_of": 4}, "batch_size 6 is not divisible by multiple_of 4"),
        ({"token_budget": 30, "multiple_of": 4}, "token_budget 30 holds 3 rows of 8, fewer than"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(choices, message):
    rows = [np.zeros(8)] * 5
    with pytest.raises(ValueError, match=message):
        PairBatches(rows, rows, **choices)


def test_sides_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="3 sources and 2 targets"):
        PairBatches([[1]] * 3, [[1]] * 2)
    with pytest.raises(InputError, match="0 sources"):
        PairBatches([], [])
    rows = [[1, 2]] * 6
    with pytest.raises(ValueError, match="6 rows cannot be shared by 4 processes"):
        share(PairBatches(rows, rows, batch_size=6).batch(0), 0, 4)


def test_hosts_share_a_batch():
    batch = PairBatches(*data(), batch_size=8).batch(0)
    parts = [share(batch, process, 4) for process in range(4)]
    for whole, *pieces in zip(batch, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("num_runs", [1, 2, 3, 9])
def test_runs_are_the_cheapest_by_enumeration(num_runs):
    rng = np.random.default_rng(num_runs)
    count, width = rng.integers(1, 9, 7), np.cumsum(rng.integers(1, 9, 7))

    def cost(ends):
        return sum(count[a:b].sum() * width[b - 1] for a, b in zip([0, *ends], [*ends, 7]))

    cuts = [c for k in range(min(num_runs, 7)) for c in combinations(range(1, 7), k)]
    found = cheapest_runs(count, width, num_runs)
    assert found[-1] == 6 and len(found) <= num_runs
    assert cost([end + 1 for end in found[:-1]]) == min(cost(ends) for ends in cuts)


def test_bounds_hold_all_and_are_in_use():
    lengths = np.random.default_rng(0).integers(0, 90, (500, 2))
    bounds = bucket_bounds(lengths, 6, round_to=8)
    assert len(bounds) == 6 and not np.any(bounds % 8) and np.all(np.diff(bounds, axis=0) >= 0)
    first = (lengths[:, None] <= bounds).all(axis=2).argmax(axis=1)
    assert np.all(lengths <= bounds[first]) and set(first) == set(range(6))
    np.testing.assert_array_equal(bucket_bounds(np.zeros((3, 2), int), 4, round_to=2), [[2, 2]])
