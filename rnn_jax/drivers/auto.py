"""``auto``: the driver that has been seen to be fastest for a cell, a size and a platform."""

from math import prod
from typing import Any, NamedTuple

import jax

from rnn_jax.cells import base
from rnn_jax.drivers.associative import associative
from rnn_jax.drivers.checks import check_cell, check_inputs
from rnn_jax.drivers.deferred import choose_loop, supports_deferred
from rnn_jax.drivers.recurrence import choose_chunk
from rnn_jax.drivers.scan import scan
from rnn_jax.ops.platforms import Platform, compiling_for, target_platform
from rnn_jax.typing import Params, State


class Rule(NamedTuple):
    """A driver where one has been seen to win, and how that is known."""

    platform: str
    kind: str  # affine, elementwise, gated or other
    driver: str
    reason: str
    evidence: str
    min_steps: int = 0  # T
    max_numbers: float = float("inf")  # in the state of a whole batch


# The first that fits holds; whatever has no rule is scanned. A driver that wins by a compiler's
# estimate only has no rule: it has to win on a device.
RULES = (
    Rule(
        "cpu",
        "affine",
        "scan",
        "a loop over cheap steps leaves a few cores nothing to gain, and does the least work",
        "benchmarks/results/parallel_in_time.md",
    ),
    Rule(
        "cpu",
        "elementwise",
        "scan",
        "iterations in parallel over time do several times the work of the loop",
        "benchmarks/results/parallel_in_time.md",
    ),
    Rule(
        "cpu",
        "gated",
        "scan",
        "the loop with the deferred gradient is the fastest of ours",
        "benchmarks/results/scan_vs_unrolled.md",
    ),
    Rule(
        "gpu",
        "affine",
        "associative",
        "a step of a loop costs a GPU microseconds of starting kernels, whatever its size",
        "published, not measured here: T=1024, 16 numbers, RTX PRO 6000, 145 us by scan and 32 us "
        "by jax.lax.associative_scan (google-deepmind/rlax, pull request 168)",
        min_steps=1024,
        # A scan of all steps reads and writes each number about ten times: at this many, and 3
        # TB/s, about 1 us for each step of time, where a step of a loop takes about 9 us.
        max_numbers=65_536,
    ),
    Rule(
        "gpu",
        "gated",
        "scan",
        "the loop with the deferred gradient starts the fewest kernels of what runs everywhere",
        "compiled for an H200, not run: 6 to 8 kernels for a step of training, 32 differentiated "
        "plainly",
    ),
    Rule(
        "tpu",
        "gated",
        "scan",
        "drivers.fused may be faster, which no TPU has shown yet: try it",
        "benchmarks/fused_kernel.py: compiled, not run",
    ),
)
NOTHING = "none measured on this platform"


class Choice(NamedTuple):
    """What ``auto`` runs, and why."""

    driver: str  # name of a function of ``drivers``
    reason: str
    evidence: str
    chunk: int | None  # steps that the driver takes together; None for a plain loop
    unroll: int | None  # steps laid out in one iteration; None where there is no such loop

    def __str__(self) -> str:
        sizes = (("chunk", self.chunk), ("unroll", self.unroll))
        given = "".join(f", {name}={size}" for name, size in sizes if size is not None)
        return f"{self.driver}{given}: {self.reason} ({self.evidence})"


def auto(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
    key: jax.Array | None = None,
    platform: Platform | None = None,
) -> tuple[State, jax.Array]:
    """Run a cell over a sequence by the driver that has been seen to be fastest.

    The arguments and the results are those of ``scan``; ``explain`` tells what is chosen, and why.
    The choice is made while tracing, from static sizes.

    Args:
        platform: Where the program will run; None for ``target_platform()``. Name it when you
            compile ahead of time for another.

    Raises:
        ValueError: If an argument does not fit; the message says what and how.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> cell = cells.MinGRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = auto(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)
    """
    if platform is not None:
        with compiling_for(platform):
            return auto(
                cell, params, xs, state, lengths=lengths, mask=mask, reset=reset,
                reverse=reverse, key=key,
            )  # fmt: skip
    choice = explain(cell, params, xs)
    given: dict[str, Any] = {"lengths": lengths, "mask": mask, "reset": reset, "reverse": reverse}
    if choice.driver == "associative":
        return associative(cell, params, xs, state, **given, key=key, chunk=choice.chunk)
    sizes: dict[str, Any] = {"chunk": choice.chunk, "unroll": choice.unroll}
    return scan(cell, params, xs, state, **given, key=key, **sizes)


def explain(
    cell: Any, params: Params, xs: jax.Array, *, platform: Platform | None = None
) -> Choice:
    """Which driver ``auto`` takes for a cell and these sizes, why, and by what evidence.

    Args:
        cell: A cell.
        params: Its parameters.
        xs: Inputs (T, *B, D), time first.
        platform: As in ``auto``.

    Returns:
        A ``Choice``; printed, it is a sentence.

    Raises:
        ValueError: If an argument does not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> cell = cells.MinGRU(input_size=2, hidden_size=3)
        >>> params, xs = cell.init(jax.random.key(0)), jnp.ones((4096, 1, 2))
        >>> explain(cell, params, xs, platform="gpu").driver
        'associative'
        >>> print(explain(cell, params, xs, platform="cpu"))
        scan, unroll=1: a loop over cheap steps ... (benchmarks/results/parallel_in_time.md)
    """
    check_cell(cell, None)
    batch_shape = check_inputs(cell, xs)
    where = target_platform() if platform is None else platform
    if platform not in (None, "cpu", "gpu", "tpu"):
        raise ValueError(f'platform must be "cpu", "gpu", "tpu" or None, got {platform!r}.')
    state = jax.eval_shape(lambda params: cell.initial_state(params, batch_shape), params)
    num_steps = xs.shape[0]
    numbers = sum(prod(leaf.shape) for leaf in jax.tree.leaves(state))
    rule = next(
        (
            rule
            for rule in RULES
            if (rule.platform, rule.kind) == (where, _kind(cell))
            and num_steps >= rule.min_steps
            and numbers <= rule.max_numbers
        ),
        Rule(where, "", "scan", "what runs everything, with the least work", NOTHING),
    )
    sizes: tuple[int | None, int | None] = (None, 1)
    if rule.driver == "associative":
        sizes = (choose_chunk(num_steps, where), None)
    elif supports_deferred(cell, state):
        sizes = choose_loop(num_steps, where)
    return Choice(rule.driver, rule.reason, rule.evidence, *sizes)


def _kind(cell: Any) -> str:
    kinds = {
        "affine": base.is_affine,
        "elementwise": base.is_elementwise,
        "gated": base.is_gated,
    }
    return next((kind for kind, holds in kinds.items() if holds(cell)), "other")
