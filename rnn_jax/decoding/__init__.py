"""Decoding: from a step function to sequences of tokens. See ``rnn_jax.decoding.base``.

The lectures' example: at the letters h, e, l, l a network gives these logits for h, e, l, o, which
spell "oolo" where "ello" is right.

    >>> import jax.numpy as jnp
    >>> from rnn_jax import decoding
    >>> slide = jnp.array(
    ...     [
    ...         [1.0, 2.2, -3.0, 4.1],
    ...         [0.5, 0.3, -1.0, 1.2],
    ...         [0.1, 0.5, 1.9, -1.1],
    ...         [0.2, -1.5, -0.1, 2.2],
    ...     ]
    ... )
    >>> def step(params, time, token):
    ...     return time + 1, params[time]
    >>> found = decoding.decode(step, slide, jnp.array([0]), start=jnp.array([0]), max_length=4)
    >>> "".join("helo"[token] for token in found.tokens[:, 0])
    'oolo'
"""

from rnn_jax.decoding.base import Step as Step
from rnn_jax.decoding.base import TokenStep as TokenStep
from rnn_jax.decoding.base import TokenStepParams as TokenStepParams
from rnn_jax.decoding.base import affine_head as affine_head
from rnn_jax.decoding.base import look_up as look_up
from rnn_jax.decoding.base import token_log_prob as token_log_prob
from rnn_jax.decoding.beam import Beams as Beams
from rnn_jax.decoding.beam import beam_search as beam_search
from rnn_jax.decoding.beam_fusion import shallow_fusion as shallow_fusion
from rnn_jax.decoding.ctc_beam import ctc_prefix_beam as ctc_prefix_beam
from rnn_jax.decoding.ctc_greedy import Labels as Labels
from rnn_jax.decoding.ctc_greedy import ctc_greedy as ctc_greedy
from rnn_jax.decoding.ctc_model import LanguageModel as LanguageModel
from rnn_jax.decoding.discriminator import Discriminator as Discriminator
from rnn_jax.decoding.discriminator import DiscriminatorParams as DiscriminatorParams
from rnn_jax.decoding.filters import Forbid as Forbid
from rnn_jax.decoding.filters import MinP as MinP
from rnn_jax.decoding.filters import Temperature as Temperature
from rnn_jax.decoding.filters import TopK as TopK
from rnn_jax.decoding.filters import TopP as TopP
from rnn_jax.decoding.joint import JointParams as JointParams
from rnn_jax.decoding.joint import JointState as JointState
from rnn_jax.decoding.joint import joint_params as joint_params
from rnn_jax.decoding.joint import joint_state as joint_state
from rnn_jax.decoding.joint import joint_step as joint_step
from rnn_jax.decoding.loop import Decoded as Decoded
from rnn_jax.decoding.loop import decode as decode
from rnn_jax.decoding.neural_cache import Cache as Cache
from rnn_jax.decoding.neural_cache import cache_log_probs as cache_log_probs
from rnn_jax.decoding.neural_cache import empty_cache as empty_cache
from rnn_jax.decoding.penalties import GNMT as GNMT
from rnn_jax.decoding.penalties import Average as Average
from rnn_jax.decoding.penalties import Coverage as Coverage
from rnn_jax.decoding.penalties import LengthPenalty as LengthPenalty
from rnn_jax.decoding.penalties import NoPenalty as NoPenalty
from rnn_jax.decoding.penalties import WordReward as WordReward
from rnn_jax.decoding.professor import Behaviours as Behaviours
from rnn_jax.decoding.professor import ProfessorGates as ProfessorGates
from rnn_jax.decoding.professor import ProfessorLosses as ProfessorLosses
from rnn_jax.decoding.professor import behaviours as behaviours
from rnn_jax.decoding.professor import professor_gates as professor_gates
from rnn_jax.decoding.professor import professor_losses as professor_losses
from rnn_jax.decoding.samplers import Greedy as Greedy
from rnn_jax.decoding.samplers import Sample as Sample
from rnn_jax.decoding.scheduled import FreeRun as FreeRun
from rnn_jax.decoding.scheduled import free_running as free_running
from rnn_jax.decoding.scheduled import scheduled_sampling as scheduled_sampling
from rnn_jax.decoding.schedules import ExponentialSchedule as ExponentialSchedule
from rnn_jax.decoding.schedules import InverseSigmoidSchedule as InverseSigmoidSchedule
from rnn_jax.decoding.schedules import LinearSchedule as LinearSchedule
from rnn_jax.decoding.stopping import CountdownEnd as CountdownEnd
from rnn_jax.decoding.stopping import CountdownState as CountdownState
from rnn_jax.decoding.stopping import LengthCountdown as LengthCountdown
from rnn_jax.decoding.stopping import StopOutput as StopOutput
from rnn_jax.decoding.stopping import Stopped as Stopped
from rnn_jax.decoding.teacher import teacher_forced as teacher_forced
from rnn_jax.decoding.transducer import Transduced as Transduced
from rnn_jax.decoding.transducer import transducer_greedy as transducer_greedy
