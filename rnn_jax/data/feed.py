"""Batches made ahead of the device, in the background."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


@dataclass(eq=False)
class Ahead(Generic[Batch]):
    """``make(start)``, ``make(start + 1)``, ... up to ``make(stop - 1)``, made before they are due.

    `make` is a pure function of the step, such as ``PairBatches.batch``, so nothing has to be saved
    to resume: start at the next step. ``waits`` counts the batches that were not ready when asked
    for; where it stays near 1 the device never waits for data. An exception of `make` is raised at
    its step.

    Args:
        make: the batch of a step; called in other threads.
        start: the first step.
        stop: the step after the last.
        buffer_size: how many batches may be ready or in the making.
        num_threads: how many are made at once.

    Raises:
        ValueError: if a size is not positive.

    Example:
        >>> ahead = Ahead(lambda step: step * step, start=3, stop=6)
        >>> list(ahead), ahead.waits <= 3
        ([9, 16, 25], True)
    """

    make: Callable[[int], Batch]
    start: int
    stop: int
    buffer_size: int = 4
    num_threads: int = 1
    waits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.buffer_size < 1 or self.num_threads < 1:
            raise ValueError(
                f"buffer_size {self.buffer_size} and num_threads {self.num_threads} must be "
                "positive"
            )

    def __iter__(self) -> Generator[Batch, None, None]:
        pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="data")
        steps = range(self.start, self.stop)
        pending: deque[Future[Batch]] = deque()
        try:
            for step in steps[: self.buffer_size]:
                pending.append(pool.submit(self.make, step))
            for step in steps:
                due = pending.popleft()
                self.waits += not due.done()
                batch = due.result()
                if step + self.buffer_size < self.stop:
                    pending.append(pool.submit(self.make, step + self.buffer_size))
                yield batch
        finally:  # also when the loop is left early
            pool.shutdown(wait=True, cancel_futures=True)
