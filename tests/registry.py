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
    "peephole_lstm": cells.PeepholeLSTM(input_size=3, hidden_size=4),
    "coupled_lstm": cells.CoupledLSTM(input_size=3, hidden_size=4),
    "projected_lstm": cells.ProjectedLSTM(input_size=3, hidden_size=4, projection_size=2),
    "layer_norm_lstm": cells.LayerNormLSTM(input_size=3, hidden_size=4),
    "multiplicative_lstm": cells.MultiplicativeLSTM(input_size=3, hidden_size=4, middle_size=5),
    "slstm": cells.SLSTM(input_size=3, hidden_size=4, num_heads=2),
    # gated recurrent units
    "gru": cells.GRU(input_size=3, hidden_size=4),
    "gru_before": cells.GRU(input_size=3, hidden_size=4, reset="before"),
    "mgu": cells.MinimalGatedUnit(input_size=3, hidden_size=4),
    "mgu_before": cells.MinimalGatedUnit(input_size=3, hidden_size=4, reset="before"),
    # affine
    # convolutional
    "conv_lstm": cells.ConvLSTM(
        spatial_shape=(3, 2), input_size=3, hidden_size=2, kernel_size=(3, 2), peephole=True
    ),
    # wrappers
}
