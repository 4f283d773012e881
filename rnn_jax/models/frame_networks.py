"""Networks over frames that are compared: with a state, or with time laid out in space."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from rnn_jax import layers
from rnn_jax.models.chains import layer_chain

DELAYS = (5, 1), (3, 2), (3, 4)  # of each layer: how many, and how many steps apart


def recurrent_network(
    cell: Callable[..., Any], input_size: int, widths: Sequence[int], dropout: float = 0.0
) -> layers.Stack:
    """Recurrent layers one above the other, each from both ends.

    Example:
        >>> from rnn_jax import cells
        >>> num_weights(recurrent_network(cells.Elman, 3, (2,)))  # 2 * (3 * 2 + 2 * 2 + 2)
        24
    """
    return layers.Stack(
        layers=layer_chain(cell, input_size, widths, bidirectional=True), dropout=dropout
    )


def delay_network(
    input_size: int,
    width: int,
    dropout: float = 0.0,
    delays: Sequence[tuple[int, int]] = DELAYS,
) -> layers.Stack:
    """Layers of delays, one above the other, further apart the higher.

    Args:
        input_size: Features that the lowest reads.
        width: Features of each layer.
        dropout: Rate of dropping the layers' inputs.
        delays: How many each layer has and how many steps they are apart; those given see 17 steps.

    Example:
        >>> num_weights(delay_network(3, 2, delays=[(5, 1)]))  # 5 * 3 * 2 + 2
        32

    References:
        Waibel, Hanazawa, Hinton, Shikano and Lang, Phoneme recognition using time-delay neural
        networks, 1989, doi:10.1109/29.21701.
    """
    made = []
    for number, apart in delays:
        layer = layers.TDNN(
            input_size=input_size,
            output_size=width,
            kernel_size=number,
            dilation=apart,
            padding="same",
            activation=jax.nn.relu,
        )
        made.append(layer)
        input_size = width
    return layers.Stack(layers=tuple(made), dropout=dropout)


def num_weights(layer: Any) -> int:
    """How many parameters a layer has; none is made.

    Example:
        >>> num_weights(layers.TDNN(input_size=3, output_size=2, kernel_size=1))
        8
    """
    made = jax.eval_shape(layer.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(made))


def of_equal_size(make: Callable[[int], Any], other: Any) -> Any:
    """The layer whose number of parameters is nearest to that of another one.

    Args:
        make: Makes it of a width 1, 2, ...; it grows with the width.
        other: The layer to compare with.

    Example:
        >>> wanted = delay_network(3, 20)
        >>> of_equal_size(lambda width: delay_network(3, width), wanted) == wanted
        True
    """
    target, width = num_weights(other), 1
    while num_weights(make(width + 1)) < target:
        width += 1
    near = make(width), make(width + 1)
    return min(near, key=lambda layer: abs(num_weights(layer) - target))
