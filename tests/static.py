"""What a compiled program says about itself without running: loops, temporary memory, traces.

Wall clock is noise on a shared machine; these are not, so tests of performance stand on them.
"""

from collections.abc import Callable
from typing import Any

import jax

from rnn_jax.analysis.programs import computations as computations
from rnn_jax.analysis.programs import count_in_while as count_in_while
from rnn_jax.analysis.programs import while_bodies as while_bodies


def compiled(f: Callable[..., Any], *args: Any) -> Any:
    """``f`` compiled for these arguments (arrays or ``jax.ShapeDtypeStruct``), not run."""
    return jax.jit(f).lower(*args).compile()


def temp_bytes(f: Callable[..., Any], *args: Any) -> int:
    """Bytes that the compiled ``f`` needs beside its arguments and results."""
    return int(compiled(f, *args).memory_analysis().temp_size_in_bytes)


def count_traces(f: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], int]]:
    """``f`` to be jitted, and a function that says how often it has been traced since."""
    calls = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        return f(*args, **kwargs)

    return counted, lambda: len(calls)
