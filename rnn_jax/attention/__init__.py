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
from rnn_jax.attention.hard import Hard as Hard
from rnn_jax.attention.hard import HardParams as HardParams
from rnn_jax.attention.hard import HardState as HardState
from rnn_jax.attention.hard import moving_baseline as moving_baseline
from rnn_jax.attention.hard import reinforce as reinforce
from rnn_jax.attention.heads import HeadDense as HeadDense
from rnn_jax.attention.heads import MLPHeads as MLPHeads
from rnn_jax.attention.heads import MLPHeadsParams as MLPHeadsParams
from rnn_jax.attention.local import LocalM as LocalM
from rnn_jax.attention.local import LocalMParams as LocalMParams
from rnn_jax.attention.local import LocalMState as LocalMState
from rnn_jax.attention.local import LocalP as LocalP
from rnn_jax.attention.local import LocalPParams as LocalPParams
from rnn_jax.attention.location import Coverage as Coverage
from rnn_jax.attention.location import CoverageParams as CoverageParams
from rnn_jax.attention.location import LocationAware as LocationAware
from rnn_jax.attention.location import LocationAwareParams as LocationAwareParams
from rnn_jax.attention.monotonic import Monotonic as Monotonic
from rnn_jax.attention.monotonic import MonotonicParams as MonotonicParams
from rnn_jax.attention.monotonic import MonotonicState as MonotonicState
from rnn_jax.attention.monotonic import monotonic_alignment as monotonic_alignment
from rnn_jax.attention.monotonic import monotonic_alignment_hard as monotonic_alignment_hard
from rnn_jax.attention.monotonic import (
    monotonic_alignment_recursive as monotonic_alignment_recursive,
)
from rnn_jax.attention.multi_head import MultiHead as MultiHead
from rnn_jax.attention.multi_head import MultiHeadParams as MultiHeadParams
from rnn_jax.attention.penalties import coverage_loss as coverage_loss
from rnn_jax.attention.penalties import doubly_stochastic as doubly_stochastic
from rnn_jax.attention.penalties import guided_attention as guided_attention
from rnn_jax.attention.soft import Soft as Soft
from rnn_jax.attention.soft import masked_softmax as masked_softmax
