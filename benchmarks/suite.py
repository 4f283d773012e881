"""The entries of the benchmark suite: sizes of the field, cells, contenders, floors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import contenders, harness
from benchmarks.contenders import Mode
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
BY_HAND = "lax.scan over step"  # what one writes; other libraries take this and what they add


class Entry(NamedTuple):
    """One contest."""

    size: str
    cell: str
    mode: Mode


def entries(sizes: Sequence[str], kinds: Sequence[str], modes: Sequence[Mode]) -> list[Entry]:
    """Every cell at every size; the longest for affine cells alone.

    Example:
        >>> entries(["tiny", "very_long"], ["lstm", "min_gru"], ["forward"])[-1]
        Entry(size='very_long', cell='min_gru', mode='forward')
        >>> len(entries(["tiny", "very_long"], ["lstm", "min_gru"], ["forward"]))
        3
    """
    return [
        Entry(size, kind, mode)
        for size in sizes
        for kind in kinds
        for mode in modes
        if size != "very_long" or kind == "min_gru"
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


def compare(entry: Entry, size: Size, threads: int) -> Any:
    """All contenders of an entry, compiled and checked to agree: programs, errors, left out."""
    case = contenders.make_case(entry.cell, *size)
    checker = contenders.Checker(entry.mode, case)
    found, left_out = layers(case.cell, jax.default_backend())
    programs, errors = [], {}
    for layer in found:
        program = contenders.jax_program(layer, entry.mode, case)
        programs.append(program)
        errors[layer.name] = checker.error(layer, program.call())
    torch = contenders.torch_program(entry.mode, case, threads)
    if torch is None:
        left_out.append("torch is not installed, or has no such cell")
    else:
        programs.append(torch[1])
        errors[torch[0].name] = checker.error(torch[0], torch[1].call())
    return programs, errors, left_out
