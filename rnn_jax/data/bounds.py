"""Where to cut lengths into buckets so that little is padded."""

import numpy as np


def bucket_bounds(lengths: np.ndarray, num_buckets: int, round_to: int = 1) -> np.ndarray:
    """Bounds of buckets that pad least, of those that follow how long a pair is as a whole.

    A pair's size is the longer of its sides, each measured against the mean of its corpus; the
    buckets are intervals of sizes, found by dynamic programming over at most 64 of them. With
    pairs n_k and bounds (S_k, T_k) the sum of n_k (S_k + T_k) is the least there is.

    Args:
        lengths: (N, 2) lengths of sources and targets, N >= 1.
        num_buckets: K, the most there may be.
        round_to: bounds are multiples of this, and positive.

    Returns:
        (<= K, 2) increasing bounds; the last holds every pair, and each holds some that the one
        before does not.

    Example:
        >>> bucket_bounds(np.array([[1, 2], [2, 2], [3, 2], [9, 7], [8, 9]]), num_buckets=2)
        array([[3, 2],
               [9, 9]])
    """
    size = (lengths / np.maximum(lengths.mean(axis=0), 1)).max(axis=1)
    level = np.ceil(size / max(size.max(), 1) * 64)
    levels, count = np.unique(level, return_counts=True)
    longest = np.stack([lengths[level <= one].max(axis=0) for one in levels])
    bounds = np.maximum(-(-longest // round_to), 1) * round_to
    ends = cheapest_runs(count, bounds.sum(axis=1), num_buckets)
    return np.unique(bounds[ends], axis=0)


def cheapest_runs(count: np.ndarray, width: np.ndarray, num_runs: int) -> list[int]:
    """Cuts a row of items into runs; each item is as wide as the last of its run.

    Args:
        count: (N,) how often each item occurs.
        width: (N,) increasing.
        num_runs: the most runs there may be.

    Returns:
        The last item of each run, such that the sum of count times width is least.

    Example:
        >>> cheapest_runs(np.array([5, 1, 5]), np.array([1, 2, 3]), num_runs=2)
        [0, 2]
    """
    before = np.concatenate([[0], np.cumsum(count)])
    # cost[i, j] of one run of the items i .. j; best[j] of the items before j in the runs so far.
    cost = (before[1:] - before[:-1, None]) * width.astype(float)
    cost[np.tril_indices(len(count), -1)] = np.inf
    best, starts = np.r_[0.0, np.full(len(count), np.inf)], []
    for _ in range(min(num_runs, len(count))):
        through = best[:-1, None] + cost
        starts.append(through.argmin(axis=0))
        best = np.r_[0.0, through.min(axis=0)]
    ends, end = [], len(count) - 1
    while end >= 0:
        ends.append(end)
        end = int(starts.pop()[end]) - 1
    return ends[::-1]
