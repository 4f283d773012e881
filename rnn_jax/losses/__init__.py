"""Losses and regularisers: arrays in, numbers out.

Time comes first: logits (T, *B, V), labels (T, *B) or (U, *B). Losses of tokens come as a ``Sum``,
a total and a count; losses of sequences as one number per row (*B,), which ``tally`` makes into a
``Sum``. Everything is computed in float32 or wider, and padding changes nothing, NaN included.
"""

from rnn_jax.losses.adaptive import AdaptiveSoftmax as AdaptiveSoftmax
from rnn_jax.losses.adaptive import AdaptiveSoftmaxParams as AdaptiveSoftmaxParams
from rnn_jax.losses.adaptive import TailParams as TailParams
from rnn_jax.losses.crf import CRFParams as CRFParams
from rnn_jax.losses.crf import crf_init as crf_init
from rnn_jax.losses.crf import crf_log_likelihood as crf_log_likelihood
from rnn_jax.losses.crf import crf_log_partition as crf_log_partition
from rnn_jax.losses.crf import crf_marginals as crf_marginals
from rnn_jax.losses.crf_paths import Path as Path
from rnn_jax.losses.crf_paths import bio_allowed as bio_allowed
from rnn_jax.losses.crf_paths import crf_sample as crf_sample
from rnn_jax.losses.crf_paths import crf_viterbi as crf_viterbi
from rnn_jax.losses.ctc import ctc_loss as ctc_loss
from rnn_jax.losses.likelihoods import bernoulli_nll as bernoulli_nll
from rnn_jax.losses.likelihoods import gaussian_nll as gaussian_nll
from rnn_jax.losses.likelihoods import mixture_nll as mixture_nll
from rnn_jax.losses.nade import nade_logits as nade_logits
from rnn_jax.losses.nade import nade_sample as nade_sample
from rnn_jax.losses.regularisers import RECURRENT_NAMES as RECURRENT_NAMES
from rnn_jax.losses.regularisers import activation as activation
from rnn_jax.losses.regularisers import norm_stabiliser as norm_stabiliser
from rnn_jax.losses.regularisers import recurrent_l1 as recurrent_l1
from rnn_jax.losses.regularisers import recurrent_l2 as recurrent_l2
from rnn_jax.losses.regularisers import temporal_activation as temporal_activation
from rnn_jax.losses.sampled import LogUniform as LogUniform
from rnn_jax.losses.sampled import sampled_token_losses as sampled_token_losses
from rnn_jax.losses.sums import Sum as Sum
from rnn_jax.losses.sums import merge as merge
from rnn_jax.losses.sums import tally as tally
from rnn_jax.losses.tied import tied_logits as tied_logits
from rnn_jax.losses.tokens import chunked_cross_entropy as chunked_cross_entropy
from rnn_jax.losses.tokens import cross_entropy as cross_entropy
from rnn_jax.losses.tokens import token_losses as token_losses
from rnn_jax.losses.transducer import transducer_loss as transducer_loss
