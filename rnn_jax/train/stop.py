"""SIGTERM and Ctrl-C as a flag that the training loop looks at between two steps."""

import signal
import threading
from typing import Any, Self


class StopSignal:
    """True once SIGTERM or SIGINT (Ctrl-C) has come; the second one kills as usual.

    Outside the main thread Python cannot install handlers; there it stays False.

    Example:
        >>> with StopSignal() as stop:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     bool(stop), stop.name
        (True, 'SIGTERM')
    """

    def __init__(self) -> None:
        self.name = ""
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.name)

    def _handle(self, number: int, frame: object) -> None:
        self.name = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()
