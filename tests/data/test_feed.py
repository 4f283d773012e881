"""Batches made ahead are those that would have been made, in order, and no more than allowed."""

import threading
import time

import numpy as np
import pytest

from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.feed import Ahead


@pytest.mark.parametrize("num_threads", [1, 3])
def test_batches_are_the_same_and_in_order_across_epochs(num_threads):
    rows = [np.arange(n) for n in np.random.default_rng(0).integers(1, 30, 50)]
    batches = PairBatches(rows, rows, batch_size=4, num_buckets=3)
    steps = range(5, 5 + 3 * batches.batches_per_epoch)
    ahead = Ahead(batches.batch, steps.start, steps.stop, num_threads=num_threads)
    alone = PairBatches(rows, rows, batch_size=4, num_buckets=3)
    for step, batch in zip(steps, ahead, strict=True):
        for a, b in zip(batch, alone.batch(step), strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_more_are_made_than_the_buffer_holds():
    made, threads = [], set()

    def make(step):
        made.append(step)
        threads.add(threading.current_thread().name)
        return step

    batches = iter(Ahead(make, 0, 100, buffer_size=3))
    assert next(batches) == 0 and next(batches) == 1
    batches.close()
    assert len(made) <= 5 and made == sorted(made)
    assert threads == {"data_0"} and not any(t.name == "data_0" for t in threading.enumerate())


def test_waits_are_counted():
    def make(step):
        while step == 0 and ahead.waits == 0:  # until it is waited for
            time.sleep(0.001)
        return step

    ahead = Ahead(make, 0, 6, buffer_size=6)
    steps = iter(ahead)
    assert next(steps) == 0 and ahead.waits == 1
    assert list(steps) == [1, 2, 3, 4, 5] and ahead.waits <= 6


def test_an_error_is_raised_at_its_step():
    ahead = Ahead(lambda step: 1 // (2 - step), 0, 9)
    steps = iter(ahead)
    assert [next(steps), next(steps)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(steps)
    assert list(Ahead(str, 4, 4)) == []
    with pytest.raises(ValueError, match="buffer_size 0"):
        Ahead(str, 0, 1, buffer_size=0)


def test_grain_reads_batches_too():
    grain = pytest.importorskip("grain")
    rows = [np.arange(n) for n in range(1, 30)]
    batches = PairBatches(rows, rows, batch_size=4, num_buckets=2)
    stream = iter(grain.MapDataset.range(3, 20).map(batches.batch).to_iter_dataset())
    for step in range(3, 20):
        np.testing.assert_array_equal(next(stream).indices, batches.batch(step).indices)
