"""The entries of the benchmark suite: sizes of the field, cells, contenders, floors."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import contenders, harness
from benchmarks.contenders import Mode
from benchmarks.harness import Program
from benchmarks.peers import Layer, jax_peers
from rnn_jax import cells, drivers


class Size(NamedTuple):
    """Of a layer: T steps, B rows, D features in, H units."""

    steps: int
    batch_size: int
    input_size: int
    hidden_size: int


SIZES = {
    "tiny": Size(64, 1, 32, 32),
    "char_lm": Size(128, 32, 256, 256),
    "char_lm_512": Size(100, 64, 512, 512),
    "translation": Size(50, 128, 1024, 1024),
    "speech": Size(1024, 16, 512, 512),
    "flashrnn": Size(1024, 16, 768, 768),  # arXiv:2412.07752 measures there
    "big": Size(256, 64, 1024, 1024),
    "long": Size(8192, 8, 256, 256),
    "very_long": Size(65536, 8, 512, 512),  # of cells that run in parallel over time
}
SMOKE = {"tiny": Size(4, 2, 3, 4)}
MAIN, REST = ("lstm", "gru"), ("elman", "layer_norm_lstm", "min_gru")
# What tells most comes first, should there be time for a part alone.
PLANS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "smoke": [("tiny", MAIN + REST)],
    "cpu": [
        *[(size, MAIN) for size in ("char_lm", "char_lm_512", "speech", "tiny")],
        *[(size, REST) for size in ("char_lm", "tiny")],
        *[("long", ("lstm", "min_gru")), ("char_lm_512", REST)],
    ],
    "gpu": [(size, MAIN + REST) for size in SIZES],
}
BY_HAND = "lax.scan over step"  # what one writes; other libraries take this and what they add
# Of 1000 steps and more a call takes seconds, so that these alone of the peers are measured there.
FROM_STEPS, FEW = 1000, ("flax nnx.RNN", "keras", "torch", "jax.experimental.rnn")


class Entry(NamedTuple):
    """One contest."""

    size: str
    cell: str
    mode: Mode


def entries(
    suite: str, sizes: Sequence[str], kinds: Sequence[str], modes: Sequence[Mode]
) -> list[Entry]:
    """What a suite measures, in its order; or every cell at the sizes that are named.

    Example:
        >>> entries("gpu", ["tiny", "very_long"], ["lstm", "min_gru"], ["forward"])[-1]
        Entry(size='very_long', cell='min_gru', mode='forward')
        >>> len(entries("gpu", ["tiny", "very_long"], ["lstm", "min_gru"], ["forward"]))
        3
        >>> entries("cpu", [], ["elman", "lstm"], ["training"])[0]
        Entry(size='char_lm', cell='lstm', mode='training')
    """
    plan = [(size, tuple(kinds)) for size in sizes] or PLANS[suite]
    return [
        Entry(size, kind, mode)
        for size, planned in plan
        for kind in planned
        for mode in modes
        if kind in kinds and (size != "very_long" or kind == "min_gru")
    ]


def layers(cell: Any, platform: str) -> tuple[list[Layer], list[str]]:
    """Ours by driver, the default first, and the peers' that are installed; what is left out."""
    own = contenders.own_layer
    ours = [own(cell, "rnn_jax scan", drivers.scan)]
    if cells.is_affine(cell):
        ours.append(own(cell, "rnn_jax associative", drivers.associative))
    elif platform == "tpu" and cells.is_gated(cell):
        ours.append(own(cell, "rnn_jax fused", drivers.fused))
    if platform != "cpu":
        ours.append(own(cell, "rnn_jax scan, unroll 8", drivers.scan, unroll=8))
    ours.append(own(cell, BY_HAND, drivers.scan, gradient="autodiff", unroll=1))
    peers, left_out = jax_peers(cell)
    return ours + peers, left_out


def shortened(found: list[Layer], steps: int) -> tuple[list[Layer], list[str]]:
    """Fewer contenders where each takes long: ours, Flax' (or what one writes) and ``FEW``."""
    names = [layer.name for layer in found]
    if steps < FROM_STEPS:
        return found, []

    def stays(name: str) -> bool:
        first = BY_HAND if FEW[0] not in names else FEW[0]
        return name.startswith(("rnn_jax", first, *FEW))

    gone = [name for name in names if not stays(name)]
    reasons = [f"{', '.join(gone)}: not measured at {FROM_STEPS} steps and more"] if gone else []
    return [layer for layer in found if stays(layer.name)], reasons


def flops(size: Size, kind: str, mode: Mode) -> float:
    """Of the products alone, 2 for each entry of a weight, row and step; training is 3 times that.

    Example:
        >>> flops(Size(128, 32, 256, 256), "lstm", "training") / 1e9
        12.884901888
    """
    gates = {"elman": 1, "lstm": 4, "layer_norm_lstm": 4, "gru": 3, "min_gru": 2}[kind]
    rows = size.input_size + (0 if kind == "min_gru" else size.hidden_size)
    once = 2.0 * size.steps * size.batch_size * gates * size.hidden_size * rows
    return once * (3 if mode == "training" else 1)


def peak(size: int = 1024, rounds: int = 7) -> float:
    """Multiplications and additions a second of a large square product here: what a floor is by.

    Example:
        >>> peak(size=64, rounds=1) > 0
        True
    """
    x = jnp.ones((size, size), jnp.float32)
    program = harness.compile_program("product", lambda x: x @ x, x)
    times = harness.measure([program], "product", rounds)["product"]
    return 2.0 * size**3 / float(times.min())


def growth() -> dict[str, float]:
    """Seconds to compile the gradient of an LSTM by ``scan``, by the number of steps."""
    found = {}
    for steps in (64, 128, 8192):  # the first brings the compiler itself into memory
        case = contenders.make_case("lstm", steps, 8, 64, 64)
        layer = contenders.own_layer(case.cell, "rnn_jax scan", drivers.scan)
        program = contenders.jax_program(layer, "training", case)
        found[steps] = (program.trace_seconds or 0.0) + (program.compile_seconds or 0.0)
    return {str(steps): found[steps] for steps in (128, 8192)}


def compare(entry: Entry, size: Size, threads: int) -> Any:
    """All contenders of an entry, compiled and checked to agree: programs, errors, left out.

    A peer that does not run or computes something else is left out, with what it said.
    """
    case = contenders.make_case(entry.cell, *size)
    checker = contenders.Checker(entry.mode, case)
    found, left_out = layers(case.cell, jax.default_backend())
    found, reasons = shortened(found, size.steps)
    left_out += reasons
    programs, errors = [], {}

    def enter(layer: Layer, make: Callable[[], Program]) -> None:
        try:
            program = make()
            errors[layer.name] = checker.error(layer, program.call())
        except Exception as error:  # a peer that fails is left out and named; ours stops the suite
            if layer.name.startswith(("rnn_jax", BY_HAND)):
                raise
            said = str(error).strip().split("\n", 1)[0]
            left_out.append(f"{layer.name}: {type(error).__name__}: {said}")
        else:
            programs.append(program)

    for layer in found:
        enter(layer, partial(contenders.jax_program, layer, entry.mode, case))
    torch = contenders.torch_program(entry.mode, case, threads)
    if isinstance(torch, str):
        left_out.append(torch)
    else:
        enter(torch[0], lambda: torch[1])
    return programs, errors, left_out
