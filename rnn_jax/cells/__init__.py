"""Cells: one time step each, as pure functions. See ``rnn_jax.cells.base`` for the protocol."""

from rnn_jax.cells.base import Cell as Cell
from rnn_jax.cells.base import is_affine as is_affine
from rnn_jax.cells.base import is_gated as is_gated
from rnn_jax.cells.base import is_stochastic as is_stochastic
from rnn_jax.cells.elman import Elman as Elman
from rnn_jax.cells.elman import ElmanParams as ElmanParams
from rnn_jax.cells.elman import ElmanState as ElmanState
from rnn_jax.cells.elman import irnn as irnn
from rnn_jax.cells.gru import GRU as GRU
from rnn_jax.cells.gru import GRUParams as GRUParams
from rnn_jax.cells.gru import GRUState as GRUState
from rnn_jax.cells.lstm import LSTM as LSTM
from rnn_jax.cells.lstm import LSTMParams as LSTMParams
from rnn_jax.cells.lstm import LSTMState as LSTMState
