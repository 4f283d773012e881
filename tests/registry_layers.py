"""The one table of layers: a line here and the layer stands under every law of test_layers.py.

Sizes are tiny because compiling, not computing, takes the time. Inputs have 3 features.
"""

from typing import Any, NamedTuple

import pytest

from rnn_jax import attention, cells, layers
from tests.attention.memory import ReadsMemory

ELMAN = layers.RNN(cell=cells.Elman(input_size=3, hidden_size=3))
GRU = layers.RNN(cell=cells.GRU(input_size=3, hidden_size=2))
NOISY = layers.RNN(cell=cells.Zoneout(cell=cells.Elman(input_size=3, hidden_size=3), h_rate=0.5))
BOTH = layers.Bidirectional(forward=ELMAN)


class Entry(NamedTuple):
    """A layer and what it can do beyond the protocol."""

    layer: Any
    streams: int = 1  # parts of a multiple of so many steps, one after another, are the whole; or 0
    resets: bool = True  # honours ``reset``
    noisy: bool = False  # a key makes a difference


LAYERS: dict[str, Entry] = {
    "rnn": Entry(NOISY, noisy=True),
    "rnn_backward": Entry(GRU.turned(), streams=0),
    "bidirectional": Entry(layers.Bidirectional(forward=GRU, backward=ELMAN), streams=0),
    "bidirectional_together": Entry(
        layers.Bidirectional(forward=NOISY, merge="product", together=True), streams=0, noisy=True
    ),
    "stack": Entry(
        layers.Stack(
            layers=(BOTH, layers.RNN(cell=cells.LSTM(input_size=9, hidden_size=2))),
            residual=True,
            skip=True,
            dropout=0.5,
        ),
        streams=0,
        noisy=True,
    ),
    "wavefront": Entry(
        layers.Stack(
            layers=(ELMAN, ELMAN, GRU),
            residual=True,
            dropout=0.5,
            dropout_per="sequence",
            order="wavefront",
        ),
        noisy=True,
    ),
    "concat_reduction": Entry(
        layers.TimeReduction(input_size=3, factor=2), streams=2, resets=False
    ),
    "mean_reduction": Entry(
        layers.TimeReduction(input_size=3, factor=2, mode="mean"), streams=2, resets=False
    ),
    "max_reduction": Entry(
        layers.TimeReduction(input_size=3, factor=2, mode="max"), streams=2, resets=False
    ),
    "pyramid": Entry(
        layers.Pyramid(
            layers=(GRU, layers.RNN(cell=cells.Elman(input_size=4, hidden_size=2))),
            factor=(1, 2),
            dropout=0.4,
        ),
        streams=2,
        resets=False,
        noisy=True,
    ),
    "tdnn": Entry(layers.TDNN(input_size=3, output_size=2, kernel_size=3, dilation=2)),
    "tdnn_same": Entry(
        layers.TDNN(input_size=3, output_size=2, kernel_size=3, padding="same"), streams=0
    ),
    "tdnn_valid": Entry(
        layers.TDNN(input_size=3, output_size=2, kernel_size=3, padding="valid"),
        streams=0,
        resets=False,
    ),
    "cross_attention": Entry(
        ReadsMemory(
            layer=NOISY,
            attention=attention.MultiHead(query_size=3, memory_size=2, num_heads=2, head_size=3),
            attentional_size=4,
        ),
        noisy=True,
    ),
    "dilated": Entry(layers.Dilated(layer=NOISY, dilation=3), noisy=True),
    "hierarchical": Entry(
        layers.Hierarchical(
            lower=cells.Elman(input_size=5, hidden_size=3),
            upper=cells.Zoneout(cell=cells.Elman(input_size=3, hidden_size=2), h_rate=0.5),
            period=2,
        ),
        noisy=True,
    ),
}

# The same laws, marked slow: each shares its road with one above.
SLOW = {
    *("rnn", "rnn_backward", "bidirectional", "mean_reduction", "max_reduction", "pyramid"),
    *("tdnn_same", "tdnn_valid"),
}


def names(wanted: Any = lambda entry: True) -> list[Any]:
    """The names of the layers that are wanted, to parametrise a law with."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
        for name, entry in LAYERS.items()
        if wanted(entry)
    ]
