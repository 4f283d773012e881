"""Batches of pairs of sequences in few static shapes: by length, by a budget, by step number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from rnn_jax.data.batch import PairBatch, padded
from rnn_jax.data.bounds import bucket_bounds
from rnn_jax.data.errors import InputError


class Shape(NamedTuple):
    """The static shape of a batch, one per bucket."""

    batch_size: int  # B
    source: int  # S
    target: int  # T


@dataclass(frozen=True, eq=False)
class PairBatches:
    """Pairs (tokens, tokens) or (features, tokens), shuffled, in batches of like length.

    A pair goes into the first bucket that is long enough for both its sides; a bucket's batches
    have one shape. In an epoch every pair occurs exactly once; what does not fill a batch is padded
    with rows of length 0. ``batch(step)`` is a pure function of the seed and the step: the step
    number alone is the position in the data.

    Args:
        sources: Rows (length, ...), which agree in all but their length; only indexed, so they
            may be read when asked for.
        targets: As many rows.
        batch_size: Rows of a batch, or, with `token_budget`, the most there may be.
        token_budget: If given, a batch of shape (B, S, T) has about that many entries on its
            longer side: B = token_budget // max(S, T), in whole multiples of `multiple_of`.
        num_buckets: The most shapes there may be: each costs a compilation.
        round_to: S and T are multiples of this.
        multiple_of: B is a multiple of this: the number of devices.
        max_source_length, max_target_length: Longer pairs are too long; None for no limit.
        too_long: "drop" leaves them out and counts them in ``dropped``, "refuse" is an error.
        pad: What stands behind the end of a row.
        seed: Of the order.
        given_bounds: Lengths (source, target) of the buckets: with ``train.bounds`` held-out data
            have the shapes of the training data; one more is added if they need it.
        source_lengths, target_lengths: (N,) where rows are read when asked for; None to ask all.

    Raises:
        ValueError: if a size is not positive or a batch cannot hold one row per device.
        InputError: if there are no rows, the sides differ in number, or rows are too long.

    Example:
        >>> rows = [np.arange(4, 5 + n) for n in (0, 5, 1, 4, 2)]
        >>> batches = PairBatches(rows, rows, batch_size=2, num_buckets=2, round_to=1)
        >>> print(batches)
        5 pairs in 3 batches an epoch, 2 shapes, 29% padding
        >>> batches.shapes
        (Shape(batch_size=2, source=3, target=3), Shape(batch_size=2, source=6, target=6))
        >>> [batches.batch(step).indices.tolist() for step in range(3)]
        [[4, 0], [3, 1], [2, -1]]
        >>> batches.batch(2).source, batches.batch(2).source_lengths
        (array([[4, 5, 0],
               [0, 0, 0]]), array([2, 0], dtype=int32))
    """

    sources: Sequence[Any] = field(repr=False)
    targets: Sequence[Any] = field(repr=False)
    batch_size: int = 32
    token_budget: int | None = None
    num_buckets: int = 5
    round_to: int = 4
    multiple_of: int = 1
    max_source_length: int | None = None
    max_target_length: int | None = None
    too_long: Literal["drop", "refuse"] = "refuse"
    pad: int = 0
    seed: int = 0
    given_bounds: tuple[tuple[int, int], ...] | None = None
    source_lengths: np.ndarray | None = field(default=None, repr=False)
    target_lengths: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_buckets", "round_to", "multiple_of"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} must be positive")
        if self.batch_size % self.multiple_of:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by multiple_of {self.multiple_of}, "
                "the number of devices"
            )
        if len(self.sources) != len(self.targets) or not len(self.sources):
            raise InputError(f"data: {len(self.sources)} sources and {len(self.targets)} targets")
        long = int(self._too_long.sum())
        if long == len(self.sources) or (long and self.too_long == "refuse"):
            raise InputError(
                f"data: {long} of {len(self.sources)} pairs are too long: the limits are "
                f"{self.max_source_length} for a source and {self.max_target_length} for a target; "
                f"the longest have {self.lengths.max(axis=0).tolist()}; raise the limits"
                + ("" if long == len(self.sources) else " or leave such pairs out (too_long=drop)")
            )
        _ = self.shapes  # says if a batch has no room

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N, 2) lengths of source and target."""
        sides = ((self.source_lengths, self.sources), (self.target_lengths, self.targets))
        columns = [[len(r) for r in rows] if known is None else known for known, rows in sides]
        return np.stack([np.asarray(column, np.int64) for column in columns], axis=1)

    @cached_property
    def _too_long(self) -> np.ndarray:
        limits = [self.max_source_length, self.max_target_length]
        longest = np.array([np.inf if limit is None else limit for limit in limits])
        return np.any(self.lengths > longest, axis=1)

    @property
    def dropped(self) -> int:
        """Number of pairs that were too long."""
        return int(self._too_long.sum())

    @cached_property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Longest source and target of each bucket, shortest bucket first."""
        lengths = self.lengths[~self._too_long]
        if self.given_bounds is None:
            found = bucket_bounds(lengths, self.num_buckets, self.round_to)
        else:
            given = np.array(self.given_bounds).reshape(-1, 2)
            needed = -(-lengths.max(axis=0) // self.round_to) * self.round_to
            found = np.vstack([given, np.maximum(given.max(axis=0), needed)])
            found = np.unique(found, axis=0)
        return tuple((int(source), int(target)) for source, target in found)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the batches, shortest first."""
        return tuple(Shape(self._rows(max(bound)), *bound) for bound in self.bounds)

    def _rows(self, length: int) -> int:
        if self.token_budget is None:
            return self.batch_size
        rows = min(self.batch_size, self.token_budget // length)
        if rows < self.multiple_of:
            raise ValueError(
                f"token_budget {self.token_budget} holds {rows} rows of {length}, fewer than "
                f"multiple_of {self.multiple_of}: raise it or lower the longest length"
            )
        return rows - rows % self.multiple_of

    @cached_property
    def _members(self) -> list[np.ndarray]:
        """The pairs of each bucket, in the order of the data."""
        fits = (self.lengths[:, None] <= np.array(self.bounds)).all(axis=2)  # (N, K)
        bucket = np.where(self._too_long, -1, fits.argmax(axis=1))
        return [np.flatnonzero(bucket == k) for k in range(len(self.bounds))]

    @cached_property
    def batches_per_epoch(self) -> int:
        """Number of batches in which every pair occurs once."""
        counts = zip(self._members, self.shapes, strict=True)
        return sum(-(-len(members) // shape.batch_size) for members, shape in counts)

    @property
    def padding_share(self) -> float:
        """Share of an epoch's entries, of both sides together, that are padding."""
        total = 0
        for members, (rows, source, target) in zip(self._members, self.shapes, strict=True):
            total += -(-len(members) // rows) * rows * (source + target)
        return 1 - float(self.lengths[~self._too_long].sum()) / total

    def __str__(self) -> str:
        kept = len(self.sources) - self.dropped
        dropped = f", {self.dropped:,} too long and left out" if self.dropped else ""
        return (
            f"{kept:,} pairs in {self.batches_per_epoch:,} batches an epoch, "
            f"{len(self.shapes)} shapes, {self.padding_share:.0%} padding{dropped}"
        )

    def _plan(self, rng: np.random.Generator | None) -> list[tuple[int, np.ndarray]]:
        """(bucket, pairs) of each batch of an epoch; without `rng` in the order of the data."""
        plan = []
        for bucket, (members, shape) in enumerate(zip(self._members, self.shapes, strict=True)):
            order = members if rng is None else rng.permutation(members)
            cuts = range(0, len(order), shape.batch_size)
            plan += [(bucket, order[cut : cut + shape.batch_size]) for cut in cuts]
        return plan if rng is None else [plan[i] for i in rng.permutation(len(plan))]

    def batch(self, step: int) -> PairBatch:
        """The batch of step 0, 1, ..., without end; each epoch has an order of its own."""
        epoch, place = divmod(step, self.batches_per_epoch)
        return self._collate(*self._epoch_plan(epoch)[place])

    def _epoch_plan(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        # Read and replaced whole: several threads may make batches.
        kept, plan = self._latest.get("plan", (None, []))
        if kept != epoch:
            plan = self._plan(np.random.default_rng([self.seed, epoch]))
            self._latest["plan"] = epoch, plan
        return plan

    @cached_property
    def _latest(self) -> dict[str, Any]:
        return {}

    def in_order(self) -> Iterator[PairBatch]:
        """Every pair once, unshuffled, for evaluation; ``indices`` says which pair a row is."""
        for bucket, places in self._plan(None):
            yield self._collate(bucket, places)

    def _collate(self, bucket: int, places: np.ndarray) -> PairBatch:
        batch_size, source, target = self.shapes[bucket]
        indices = np.full(batch_size, -1, np.int32)
        indices[: len(places)] = places
        sides: list[np.ndarray] = []
        for rows, size, known in zip(
            (self.sources, self.targets), (source, target), self.lengths.T
        ):
            taken = [np.asarray(rows[place]) for place in places]
            if [len(row) for row in taken] != known[places].tolist():
                raise ValueError(f"rows {places.tolist()} are not as long as was said")
            sides += padded(taken, batch_size, size, self.pad)
        source_rows, source_lengths, target_rows, target_lengths = sides
        return PairBatch(source_rows, source_lengths, target_rows, target_lengths, indices)
