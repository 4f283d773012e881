"""Bad input, said at once: shapes and dtypes are checked before anything is traced deep."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.checks import known as known
from rnn_jax.typing import Params, State


def check_cell(cell: Any, key: jax.Array | None) -> None:
    """Check that the cell is one, not its class, and that the key is one, not a seed.

    Raises:
        ValueError: Naming what was given, and how to make what is meant.

    Example:
        >>> from rnn_jax import cells
        >>> check_cell(cells.Elman(input_size=2, hidden_size=3), jax.random.key(0))
    """
    if isinstance(cell, type) or not isinstance(cell, base.Cell):
        what = (
            f"the class {cell.__name__}" if isinstance(cell, type) else f"a {type(cell).__name__}"
        )
        raise ValueError(
            f"cell is {what}: give a cell, such as cells.LSTM(input_size=8, hidden_size=16)."
        )
    check_key(key)


def check_key(key: Any) -> None:
    """Check that the key, if there is one, is a random key and no seed.

    Raises:
        ValueError: Naming what was given.

    Example:
        >>> check_key(jax.random.key(0))
    """
    if key is None:
        return
    dtype = getattr(key, "dtype", None)
    if dtype is None or not (dtype == jnp.uint32 or jnp.issubdtype(dtype, jax.dtypes.prng_key)):
        raise ValueError(f"key is {key!r}: give a random key, such as jax.random.key(0).")


def check_inputs(cell: Any, xs: jax.Array) -> tuple[int, ...]:
    """Check xs (T, *B, D) against the cell and return *B.

    Raises:
        ValueError: For integer inputs, a wrong feature size, no time axis, T = 0 or an empty batch.

    Example:
        >>> from rnn_jax import cells
        >>> check_inputs(cells.Elman(input_size=2, hidden_size=3), jnp.ones((5, 4, 2)))
        (4,)
    """
    name, shape = type(cell).__name__, base.input_shape(cell)
    if jnp.issubdtype(xs.dtype, jnp.complexfloating):
        raise ValueError(
            f"xs has dtype {xs.dtype}, but {name} takes real inputs: join xs.real and xs.imag."
        )
    if not jnp.issubdtype(xs.dtype, jnp.floating):
        raise ValueError(
            f"xs has dtype {xs.dtype}, but {name} takes floating-point inputs: embed tokens first "
            "(table[tokens]) or cast with xs.astype(jnp.float32)."
        )
    if xs.ndim < 1 + len(shape):
        raise ValueError(
            f"xs has shape {xs.shape}, but a sequence for {name} is (T, *B, "
            f"{', '.join(map(str, shape))}): the time axis is missing. For one step there is "
            "drivers.step."
        )
    if tuple(xs.shape[xs.ndim - len(shape) :]) != shape:
        raise ValueError(
            f"xs has shape {xs.shape} with features {xs.shape[xs.ndim - len(shape) :]}, but {name} "
            f"has input_size={cell.input_size} and takes features {shape}: make the cell with the "
            "inputs' size, or check that time is axis 0."
        )
    if 0 in xs.shape:
        raise ValueError(
            f"xs has shape {xs.shape}, which is empty: give at least one time step and one row "
            f"(a row of no steps is lengths=0)."
        )
    return tuple(xs.shape[1 : xs.ndim - len(shape)])


def check_params(cell: Any, params: Params) -> None:
    """Check that the parameters have the names and shapes that ``cell.init`` gives.

    Raises:
        ValueError: Naming the first parameter that is missing or has another shape.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> check_params(cell, cell.init(jax.random.key(0)))
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    have = {jax.tree_util.keystr(path): tuple(jnp.shape(leaf)) for path, leaf in leaves}
    for path, shape in base.parameter_shapes(cell).items():
        if have.get(path) != shape:
            found = f"has shape {have[path]}" if path in have else "is missing"
            raise ValueError(
                f"params{path} {found}, but {cell} has shape {shape} there: they belong "
                "to another cell; make them with cell.init(key)."
            )


def check_state(cell: Any, state: State, expected: State) -> None:
    """Check a given state against the cell's own initial state: structure, shapes, kind of dtype.

    Raises:
        ValueError: Naming the leaf and what it should be.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> check_state(cell, cells.ElmanState(h=jnp.ones(3)), cells.ElmanState(h=jnp.zeros(3)))
    """
    name = type(cell).__name__
    structure: Any = jax.tree.structure(expected)
    if jax.tree.structure(state) != structure:
        raise ValueError(
            f"state is {_form(state)}, but the state of {name} is {_form(expected)}: start from "
            "cell.initial_state(params, batch_shape) or from the state that a driver returned."
        )
    pairs = zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(expected), strict=True)
    for (path, leaf), want in pairs:
        where = "state" + jax.tree_util.keystr(path)
        if jnp.shape(leaf) != want.shape:
            raise ValueError(
                f"{where} has shape {jnp.shape(leaf)}, but {name} on these inputs needs "
                f"{want.shape} (batch axes of xs, then the state's own)."
            )
        kinds = (jnp.floating, jnp.complexfloating, jnp.integer, jnp.bool_)
        kind = next((k for k in kinds if jnp.issubdtype(want.dtype, k)), None)
        if kind is not None and not jnp.issubdtype(jnp.result_type(leaf), kind):
            raise ValueError(
                f"{where} has dtype {jnp.result_type(leaf)}, but {name} keeps {want.dtype} there: "
                f"cast it with .astype({want.dtype})."
            )


def _form(state: State) -> str:
    """``LSTMState(h, c)``, or for what is no NamedTuple ``tuple(*, *)``."""
    names = getattr(state, "_fields", ["*"] * len(jax.tree.leaves(state)))
    return f"{type(state).__name__}({', '.join(names)})"


def check_marks(
    shape: tuple[int, ...],
    lengths: jax.Array | None,
    mask: jax.Array | None,
    reset: jax.Array | None,
) -> None:
    """Check lengths (*B,), mask (T, *B) and reset (T, *B) against the time and batch axes of xs.

    Lengths are checked against 0..T where their values are known, that is outside ``jit``.

    Raises:
        ValueError: Naming the argument, its shape or values, and the right ones.

    Example:
        >>> check_marks((5, 2), jnp.array([5, 0]), None, None)
    """
    if lengths is not None:
        check_lengths(lengths, shape)
    for name, marks in (("mask", mask), ("reset", reset)):
        if marks is None:
            continue
        if jnp.shape(marks) != shape:
            raise ValueError(
                f"{name} has shape {jnp.shape(marks)}, but time and batch axes of xs are {shape}."
            )
        if jnp.result_type(marks) != jnp.bool_:
            raise ValueError(
                f"{name} has dtype {jnp.result_type(marks)}: give booleans, {name}.astype(bool)."
            )
