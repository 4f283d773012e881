"""A watchdog for a training step that never ends."""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from typing import Self

from rnn_jax.train.cli import STUCK

SLICES = 10  # a process that was itself stopped meanwhile counts one slice, not the whole time


class Watchdog:
    """Ends the process with status `cli.STUCK` if no step is done for so long.

    One host that is alive but stuck keeps all others waiting for ever, and JAX has no time limit
    for it (jax-ml/jax#38503). So every host has a watchdog, in a thread: it prints the stacks of
    all threads, which show where it hangs, and one line.

    Args:
        limit_seconds: how long a step, an evaluation or a compilation may take; inf for no limit.
        describe: says which checkpoint is the last.
        on_stuck: what to do in place of leaving.

    Example:
        >>> found = threading.Event()
        >>> with Watchdog(0.01, on_stuck=found.set) as watchdog:
        ...     watchdog.beat(7)
        ...     found.wait(10)
        True
    """

    def __init__(
        self,
        limit_seconds: float,
        describe: Callable[[], str] = lambda: "no checkpoint is known",
        on_stuck: Callable[[], object] | None = None,
    ) -> None:
        self.limit_seconds = limit_seconds
        self._describe, self._on_stuck = describe, on_stuck
        self._step, self._beats = 0, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")

    def beat(self, step: int) -> None:
        """So many steps are done."""
        self._step = step
        self._beats += 1

    def _watch(self) -> None:
        seen, quiet = -1, 0
        pause = min(self.limit_seconds / SLICES, threading.TIMEOUT_MAX)
        while quiet < SLICES:
            if self._done.wait(pause):
                return
            quiet = quiet + 1 if seen == self._beats else 0
            seen = self._beats
        if self._on_stuck:
            self._on_stuck()
        else:
            self._leave()

    def _leave(self) -> None:
        try:
            faulthandler.dump_traceback(2, all_threads=True)
            found = ["the storage does not say what was saved"]  # it may be what hangs
            asking = threading.Thread(target=lambda: found.insert(0, self._describe()), daemon=True)
            asking.start()
            asking.join(5)
            print(
                f"stuck: for {self.limit_seconds:g} s nothing has come after step {self._step}; "
                f"{found[0]}; the stacks above show where. If a host, a device or the data "
                "hang, start all hosts again with the same command; if steps or evaluations take "
                "that long, raise stuck_after",
                file=sys.__stderr__,
                flush=True,
            )
        finally:
            os._exit(STUCK)  # no tidying up, which might wait for what is stuck

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
