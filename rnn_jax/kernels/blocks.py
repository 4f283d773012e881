"""How a kernel cuts its arrays so that they fit the memory beside the TPU's units."""

from typing import Any, NamedTuple

import jax.numpy as jnp

# A TPU v5p or 7x has 64 MiB of VMEM for each core, v5e and v6e 128: what a kernel may take of it
# has to leave some to XLA, which keeps there what it works on around the kernel.
VMEM_BYTES = 48 * 2**20
MAX_STEPS = 8  # of one block: longer ones hide no more of the transfers
SPARE = 4 * 2**20  # asked for beside what is counted: the compiler's own, and its roundings
TILE = (8, 128)  # rows of 32-bit numbers and columns in one register


class Blocks(NamedTuple):
    """What one iteration of the kernel's grid works on."""

    rows: int
    steps: int
    vmem_bytes: int


def padded_bytes(shape: tuple[int, ...], dtype: Any) -> int:
    """Bytes of an array in VMEM, whose last two axes are cut into tiles.

    Example:
        >>> padded_bytes((3, 5, 100), jnp.float32), padded_bytes((5, 100), jnp.bfloat16)
        (12288, 4096)
    """
    size = jnp.dtype(dtype).itemsize
    *leading, rows, columns = (1, 1, *shape)
    rows = -(-rows // (TILE[0] * max(1, 4 // size))) * TILE[0] * max(1, 4 // size)
    total = size * rows * -(-columns // TILE[1]) * TILE[1]
    for n in leading:
        total *= n
    return total


def choose_blocks(
    num_steps: int,
    num_rows: int,
    whole: list[Any],
    held: list[Any],
    streamed: list[Any],
    inner: list[Any],
) -> Blocks:
    """The largest blocks that fit.

    Args:
        num_steps: T.
        num_rows: B.
        whole: What stays in VMEM, any shape.
        held: One row block of what stays for all steps: leaves (B, n).
        streamed: What comes or goes at every step: leaves (T, B, n).
        inner: What a step computes on its way: leaves (B, ...). The compiler gives a place to
            nearly each (seen with libtpu 0.0.42).

    Raises:
        ValueError: If not even one step of the fewest rows fits, naming the bytes.

    Example:
        >>> from jax import ShapeDtypeStruct as Shape
        >>> w, z = Shape((1024, 4096), jnp.bfloat16), Shape((256, 64, 4096), jnp.float32)
        >>> choose_blocks(256, 64, [w], [], [z], [])
        Blocks(rows=64, steps=8, vmem_bytes=29360128)
    """
    fixed, computed = (
        sum(padded_bytes(leaf.shape, leaf.dtype) for leaf in leaves) for leaves in (whole, inner)
    )

    def total(rows: int, steps: int) -> int:
        def block(leaf: Any) -> int:
            return padded_bytes((rows, leaf.shape[-1]), leaf.dtype)

        # 2: the next one arrives while one is worked on
        moving = sum(map(block, held)) + steps * sum(map(block, streamed))
        return fixed + 2 * moving + computed * rows // num_rows

    least = num_rows
    for rows in (num_rows, *(n for n in (512, 256, 128, 64, 32) if n < num_rows)):
        least = rows
        for steps in _step_sizes(num_steps):
            if (size := total(rows, steps)) <= VMEM_BYTES:
                return Blocks(rows, steps, size + SPARE)
    raise ValueError(
        f"a kernel of {fixed} bytes of weights, {total(least, 1)} bytes with one step of {least} "
        f"rows, does not fit the {VMEM_BYTES} bytes that it may take of a TPU's VMEM: use "
        "drivers.scan, or bfloat16 parameters."
    )


def _step_sizes(num_steps: int) -> list[int]:
    """Block lengths to try: those that divide T first, if one of them is long."""
    sizes = list(range(min(MAX_STEPS, num_steps), 0, -1))
    whole = [k for k in sizes if num_steps % k == 0]
    return whole if whole[0] > MAX_STEPS // 2 or whole[0] == num_steps else sizes
