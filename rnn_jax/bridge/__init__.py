"""To and from the neighbours: Flax modules over any cell and driver, and weight converters.

    rnn_jax.bridge.nnx      RNN and Layer, Flax NNX modules: import from there, it imports Flax
    rnn_jax.bridge.linen    RNN, a Flax Linen module: likewise

    *_from_torch, *_to_torch        torch.nn.LSTM, with projection too, GRU, RNN; their states
    stack_from_torch                the whole of such a module as a layers.Stack
    *_from_keras, *_to_keras        LSTM, GRU in both forms, SimpleRNN
    *_from_linen, *_to_linen        LSTMCell, OptimizedLSTMCell, GRUCell, SimpleCell
    *_from_nnx, *_to_nnx            the same of Flax NNX
    *_from_haiku, *_to_haiku        LSTM, GRU, VanillaRNN
    *_from_equinox, *_to_equinox    LSTMCell, GRUCell

The converters take and give arrays and need none of the libraries. What cannot be is refused: the
GRU has two forms that no weights make equal, so its converters ask for ``reset``, the cell's.
"""

from rnn_jax.bridge.equinox_weights import gru_from_equinox as gru_from_equinox
from rnn_jax.bridge.equinox_weights import gru_to_equinox as gru_to_equinox
from rnn_jax.bridge.equinox_weights import lstm_from_equinox as lstm_from_equinox
from rnn_jax.bridge.equinox_weights import lstm_to_equinox as lstm_to_equinox
from rnn_jax.bridge.haiku_weights import gru_from_haiku as gru_from_haiku
from rnn_jax.bridge.haiku_weights import gru_to_haiku as gru_to_haiku
from rnn_jax.bridge.haiku_weights import lstm_from_haiku as lstm_from_haiku
from rnn_jax.bridge.haiku_weights import lstm_to_haiku as lstm_to_haiku
from rnn_jax.bridge.haiku_weights import vanilla_rnn_from_haiku as vanilla_rnn_from_haiku
from rnn_jax.bridge.haiku_weights import vanilla_rnn_to_haiku as vanilla_rnn_to_haiku
from rnn_jax.bridge.keras_weights import gru_from_keras as gru_from_keras
from rnn_jax.bridge.keras_weights import gru_to_keras as gru_to_keras
from rnn_jax.bridge.keras_weights import lstm_from_keras as lstm_from_keras
from rnn_jax.bridge.keras_weights import lstm_to_keras as lstm_to_keras
from rnn_jax.bridge.keras_weights import simple_rnn_from_keras as simple_rnn_from_keras
from rnn_jax.bridge.keras_weights import simple_rnn_to_keras as simple_rnn_to_keras
from rnn_jax.bridge.linen_weights import gru_from_linen as gru_from_linen
from rnn_jax.bridge.linen_weights import gru_to_linen as gru_to_linen
from rnn_jax.bridge.linen_weights import lstm_from_linen as lstm_from_linen
from rnn_jax.bridge.linen_weights import lstm_to_linen as lstm_to_linen
from rnn_jax.bridge.linen_weights import simple_from_linen as simple_from_linen
from rnn_jax.bridge.linen_weights import simple_to_linen as simple_to_linen
from rnn_jax.bridge.nnx_weights import gru_from_nnx as gru_from_nnx
from rnn_jax.bridge.nnx_weights import gru_to_nnx as gru_to_nnx
from rnn_jax.bridge.nnx_weights import lstm_from_nnx as lstm_from_nnx
from rnn_jax.bridge.nnx_weights import lstm_to_nnx as lstm_to_nnx
from rnn_jax.bridge.nnx_weights import optimized_lstm_from_nnx as optimized_lstm_from_nnx
from rnn_jax.bridge.nnx_weights import optimized_lstm_to_nnx as optimized_lstm_to_nnx
from rnn_jax.bridge.nnx_weights import simple_from_nnx as simple_from_nnx
from rnn_jax.bridge.nnx_weights import simple_to_nnx as simple_to_nnx
from rnn_jax.bridge.torch_export import gru_to_torch as gru_to_torch
from rnn_jax.bridge.torch_export import lstm_to_torch as lstm_to_torch
from rnn_jax.bridge.torch_export import projected_lstm_to_torch as projected_lstm_to_torch
from rnn_jax.bridge.torch_export import rnn_to_torch as rnn_to_torch
from rnn_jax.bridge.torch_export import states_from_torch as states_from_torch
from rnn_jax.bridge.torch_export import states_to_torch as states_to_torch
from rnn_jax.bridge.torch_layers import stack_from_torch as stack_from_torch
from rnn_jax.bridge.torch_weights import gru_from_torch as gru_from_torch
from rnn_jax.bridge.torch_weights import lstm_from_torch as lstm_from_torch
from rnn_jax.bridge.torch_weights import projected_lstm_from_torch as projected_lstm_from_torch
from rnn_jax.bridge.torch_weights import rnn_from_torch as rnn_from_torch
