"""A progress bar with loss, bits per character or perplexity, tokens per second and time to go."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TextIO

from rnn_jax.data.ngram import bits

_LINE = "step {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Progress of a run: a bar on a terminal, a line every few seconds anywhere else.

    Nothing is measured before the first `update`, so call it once right after the first step,
    which compiles. Tokens per second leave out what happens under `paused()` as well (evaluation,
    sampling, saving); elapsed and remaining time do not.

    Args:
        total: number of steps in all.
        tokens_per_step: tokens that one step consumes.
        file: where the bar goes; standard error by default.
        every: seconds between two lines where `file` is no terminal.
        unit: what a token is; of a character the bits are shown, else the perplexity.

    Example:
        >>> with Progress(total=3, tokens_per_step=10, file=sys.stdout, every=0) as progress:
        ...     progress.update(1, loss=2.0)
        step 1/3 [00:00<?, loss 2.000, 2.885 bits/char]
    """

    def __init__(
        self,
        total: int,
        tokens_per_step: float = 1,
        file: TextIO | None = None,
        every: float = 10.0,
        unit: str = "character",
    ):
        self.tokens_per_second = 0.0  # since the first update
        self._total, self._tokens_per_step = total, tokens_per_step
        self._file, self._every, self._unit = file or sys.stderr, every, unit
        self._bar: Any = None  # made by the first update
        self._start = self._next_line = self._paused = 0.0

    def update(self, step: int, loss: float) -> None:
        """Shows that `step` steps are done, the last ones with this loss in nats per token."""
        now = time.perf_counter()
        if self._bar is None:
            self._open(step, now)
        busy = now - self._start - self._paused
        if step > self._bar.initial and busy > 0:
            self.tokens_per_second = (step - self._bar.initial) * self._tokens_per_step / busy
        postfix = f"loss {loss:.3f}, "
        if self._unit == "character":
            postfix += f"{bits(loss):.3f} bits/char"
        else:
            postfix += f"perplexity {math.exp(min(loss, 99)):.1f} per {self._unit}"
        if self.tokens_per_second:
            postfix += f", {self.tokens_per_second:,.0f} tokens/s"
        self._bar.n = step
        self._bar.set_postfix_str(postfix, refresh=False)
        if self._file.isatty():
            self._bar.refresh()
        elif now >= self._next_line or step == self._total:
            self._next_line = now + self._every
            print(self._bar, file=self._file, flush=True)

    def _open(self, step: int, now: float) -> None:
        from tqdm import tqdm

        terminal = self._file.isatty()
        self._start = now
        self._bar = tqdm(
            total=self._total,
            initial=step,
            smoothing=0,  # the average rate: the time to go does not jump at each evaluation
            file=self._file if terminal else _Nowhere(),
            dynamic_ncols=terminal,
            bar_format=None if terminal else _LINE,
        )

    def write(self, text: str) -> None:
        """Prints text to standard output, above the bar."""
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text, file=sys.stdout)
            sys.stdout.flush()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside does not count for the tokens per second."""
        start = time.perf_counter()
        try:
            yield
        finally:
            if self._bar is not None:
                self._paused += time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()


class _Nowhere:
    """A file that swallows the bar where there is no terminal to draw it on."""

    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...
