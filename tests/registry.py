"""The one table of cells: a line here and the cell stands under every law of tests/laws.

Sizes are tiny because compiling, not computing, takes the time. Inputs have 3 features.
"""

from typing import Any

from rnn_jax import cells

CELLS: dict[str, Any] = {
    # simple networks
    "elman": cells.Elman(input_size=3, hidden_size=4),
    # long short-term memory
    "lstm": cells.LSTM(input_size=3, hidden_size=4),
    # gated recurrent units
    "gru": cells.GRU(input_size=3, hidden_size=4),
    "gru_before": cells.GRU(input_size=3, hidden_size=4, reset="before"),
    # affine
    # convolutional
    # wrappers
}
