"""Elman networks that are exact automata: a few ReLUs, weights set by hand, whole numbers only.

    h' = relu(x @ w_x + h @ w_h + b),   y = h @ w_y

A step function of a whole number v is made of relu(v), relu(v - 1), ..., so all of them are exact
for as long as the numbers are, 2^24 in float32.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax import cells

Machine = tuple[cells.OutputHead, cells.OutputHeadParams]


def parity_machine() -> Machine:
    """Whether the number of ones so far is odd: y = 1 or 0, in two units.

        v = s + x,   s = relu(v) - 2 relu(v - 1)

    for the state s and the bit x; s is their exclusive or: 0, 1, 0 for v = 0, 1, 2.

    Returns:
        A cell of one input and one output, and its parameters.

    Example:
        >>> from rnn_jax import drivers
        >>> _, ys = drivers.scan(*parity_machine(), jnp.array([[1.0], [0.0], [1.0], [1.0]]))
        >>> ys[:, 0].tolist()
        [1.0, 1.0, 0.0, 1.0]
    """
    s = [1, -2]
    return _machine(
        w_x=[[1, 1]],
        w_h=[[k, k] for k in s],
        b=[0, -1],
        w_y=s,
    )


def serial_adder() -> Machine:
    """The digits of a sum of two binary numbers that come digit by digit, the lowest first.

        v = x_1 + x_2 + carry,   carry = relu(v - 1) - relu(v - 2)
        y = relu(v) - 2 relu(v - 1) + 2 relu(v - 2)

    The carry is 0, 0, 1, 1 and the digit y 0, 1, 0, 1 for v = 0, 1, 2, 3.

    Returns:
        A cell of two inputs and one output, and its parameters.

    Example:
        >>> from rnn_jax import drivers
        >>> digits = jnp.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])  # 3 and 1
        >>> drivers.scan(*serial_adder(), digits)[1][:, 0].tolist()
        [0.0, 0.0, 1.0]
    """
    carry = [0, 1, -1]
    return _machine(
        w_x=[[1, 1, 1]] * 2,
        w_h=[[k, k, k] for k in carry],
        b=[0, -1, -2],
        w_y=[1, -2, 2],
    )


def counter() -> Machine:
    """Whether a string is a^n b^n, n > 0: y = 1 where it is, else y <= 0; in six units.

        c = relu(c + a - b)                         more a than b so far
        u = relu(b - c)                             a b too many
        p = relu(s + b),  q = relu(s + b - 1)       s = p - q: there was a b
        v = relu(a + s - 1)                         an a after a b
        e = relu(e + u + v)                         such errors before
        y = s - c - u - v - e

    with a, b the input, (1, 0) for a and (0, 1) for b; on the right is what was before. No finite
    automaton can do this: c counts without bound.

    Returns:
        A cell of two inputs and one output, and its parameters.

    Example:
        >>> from rnn_jax import drivers
        >>> text = jnp.array([[s == "a", s == "b"] for s in "aabbb"], jnp.float32)
        >>> drivers.scan(*counter(), text)[1][:, 0].tolist()
        [-1.0, -2.0, 0.0, 1.0, 0.0]
    """
    #    c   u   p   q   v   e
    a = [1, 0, 0, 0, 1, 0]
    b = [-1, 1, 1, 1, 0, 0]
    w_h = [
        [1, -1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 1, 1, 1, 0],
        [0, 0, -1, -1, -1, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 1],
    ]
    return _machine([a, b], w_h, b=[0, 0, 0, -1, -1, 0], w_y=[-1, -1, 1, -1, -1, -1])


def _machine(w_x: Any, w_h: Any, b: Any, w_y: Any) -> Machine:
    w_x, w_h, b, w_y = (jnp.array(leaf, jnp.float32) for leaf in (w_x, w_h, b, w_y))
    inner = cells.Elman(input_size=len(w_x), hidden_size=len(w_h), activation=jax.nn.relu)
    params = cells.ElmanParams(w_x=w_x, w_h=w_h, b=b)
    return cells.OutputHead(cell=inner, head_size=1), cells.OutputHeadParams(
        cell=params, w_y=w_y[:, None], b_y=jnp.zeros(1, jnp.float32)
    )
