"""Sequence layers with parameters. See ``rnn_jax.layers.base`` for the protocol."""

from rnn_jax.layers.attention import SelfAttention as SelfAttention
from rnn_jax.layers.base import Layer as Layer
from rnn_jax.layers.base import Output as Output
from rnn_jax.layers.bidirectional import Bidirectional as Bidirectional
from rnn_jax.layers.cross_attention import CrossAttention as CrossAttention
from rnn_jax.layers.cross_attention import CrossAttentionParams as CrossAttentionParams
from rnn_jax.layers.cross_attention import attends_at_once as attends_at_once
from rnn_jax.layers.dilated import Dilated as Dilated
from rnn_jax.layers.grid import Grid as Grid
from rnn_jax.layers.grid_cells import LSTM2D as LSTM2D
from rnn_jax.layers.grid_cells import Elman2D as Elman2D
from rnn_jax.layers.hierarchical import Hierarchical as Hierarchical
from rnn_jax.layers.hierarchical import HierarchicalParams as HierarchicalParams
from rnn_jax.layers.hierarchical import HierarchicalState as HierarchicalState
from rnn_jax.layers.pyramid import Pyramid as Pyramid
from rnn_jax.layers.pyramid import listener as listener
from rnn_jax.layers.renet import ReNet as ReNet
from rnn_jax.layers.rnn import RNN as RNN
from rnn_jax.layers.stack import Stack as Stack
from rnn_jax.layers.tdnn import TDNN as TDNN
from rnn_jax.layers.tdnn import TDNNParams as TDNNParams
from rnn_jax.layers.tdnn import TDNNState as TDNNState
from rnn_jax.layers.time_reduction import TimeReduction as TimeReduction
