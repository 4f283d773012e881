"""SIGTERM and Ctrl-C as a flag that the training loop looks at between two steps."""

import os
import signal
import threading
from typing import Any, Self

import jax


class StopSignal:
    """True once SIGTERM or SIGINT (Ctrl-C) has come; the second one kills as usual.

    With several hosts a signal to one of them stops all after the same step: JAX, which has taken
    SIGTERM over, tells the others and finds a step that none has passed. Outside the main thread
    Python cannot install handlers; there it stays False.

    Example:
        >>> with StopSignal() as stop:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     stop.requested(1), bool(stop), stop.name
        (True, True, 'SIGTERM')
    """

    def __init__(self) -> None:
        self.name = ""
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.name)

    def requested(self, step: int) -> bool:
        """Whether to stop after this step.

        Args:
            step: number of steps done. With several hosts all ask after each step, from the same
                one on.
        """
        if jax.process_count() > 1 and not self.name:
            from jax.experimental import multihost_utils

            if multihost_utils.reached_preemption_sync_point(step):
                self.name = "SIGTERM"
        return bool(self.name)

    def _handle(self, number: int, frame: object) -> None:
        self._restore()
        if jax.process_count() > 1:
            os.kill(os.getpid(), signal.SIGTERM)  # for JAX, which tells the others
        else:
            self.name = signal.Signals(number).name

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def __enter__(self) -> Self:
        ours = (signal.SIGINT,) if jax.process_count() > 1 else (signal.SIGTERM, signal.SIGINT)
        if threading.current_thread() is threading.main_thread():
            for number in ours:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()
