"""What cells with an affine step have in common: the step itself, and states that are wide.

Their memory may decay by no more than a thousandth a step, which bfloat16 with its 8 bits cannot
hold: 0.999 * h rounds to h. So their states, and with them their outputs, are float32 or wider
whatever the parameters' dtype. What the output needs beside the memory (a gate, a skip connection)
depends on the input alone; it travels as a leaf of the state with a = 0, because ``readout`` sees
only the state.
"""

from typing import Any

import jax

from rnn_jax.typing import Params, PyTree, State

REPLACED: Any = 0.0  # the coefficient of a leaf whose new value comes from the input alone


def is_replaced(a: Any) -> bool:
    """Whether a coefficient is the number 0: the leaf takes its new value from the input alone.

    Example:
        >>> is_replaced(REPLACED), is_replaced(jax.numpy.zeros(3))
        (True, False)
    """
    return isinstance(a, (int, float)) and a == 0


def affine_step(cell: Any, params: Params, state: State, z: PyTree) -> State:
    """The step of an affine cell: ``a * state + b``, leaf by leaf.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> cell = cells.MinGRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> z = cell.encode(params, jnp.ones(2, jnp.float32))
        >>> affine_step(cell, params, cell.initial_state(params), z).h.shape
        (3,)
    """
    a, b = cell.affine(params, z)
    return jax.tree.map(lambda s, a, b: b if is_replaced(a) else a * s + b, state, a, b)
