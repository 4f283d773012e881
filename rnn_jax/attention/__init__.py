"""Attention over a memory: scores, mechanisms with parameters, penalties."""

from rnn_jax.attention.additive import Additive as Additive
from rnn_jax.attention.additive import AdditiveParams as AdditiveParams
from rnn_jax.attention.additive import Concat as Concat
from rnn_jax.attention.additive import ConcatParams as ConcatParams
from rnn_jax.attention.base import Attended as Attended
from rnn_jax.attention.base import Attention as Attention
from rnn_jax.attention.base import Memory as Memory
from rnn_jax.attention.base import is_stochastic as is_stochastic
from rnn_jax.attention.dot import Dot as Dot
from rnn_jax.attention.dot import General as General
from rnn_jax.attention.dot import GeneralParams as GeneralParams
from rnn_jax.attention.soft import Soft as Soft
from rnn_jax.attention.soft import masked_softmax as masked_softmax
