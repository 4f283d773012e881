"""The one table of cells: a line here and the cell stands under every law of tests/laws.

Sizes are tiny because compiling, not computing, takes the time. Inputs have 3 features.
"""

from collections.abc import Callable, Collection
from typing import Any

import jax.numpy as jnp
import pytest

from rnn_jax import attention, cells
from tests.attention.memory import WithMemory

CELLS: dict[str, Any] = {
    # simple networks
    "elman": cells.Elman(input_size=3, hidden_size=4),
    "feedback_rnn": cells.FeedbackRNN(input_size=3, hidden_size=4, output_size=2),
    "jordan": cells.Jordan(input_size=3, hidden_size=4, output_size=2),
    "teacher_forced_rnn": cells.TeacherForced(
        cell=cells.FeedbackRNN(input_size=1, hidden_size=4, output_size=2)
    ),
    "teacher_forced_jordan": cells.TeacherForced(
        cell=cells.Jordan(input_size=1, hidden_size=4, output_size=2)
    ),
    "indrnn": cells.IndRNN(input_size=3, hidden_size=4),
    "clockwork": cells.Clockwork(input_size=3, hidden_size=4, periods=(1, 3)),
    # not frozen, because the laws compare gradients with finite differences
    "echo_state": cells.EchoState(
        input_size=3, hidden_size=4, output_size=2, density=1.0, leak=0.5, frozen=False
    ),
    "echo_state_feedback": cells.EchoState(
        input_size=3, hidden_size=4, output_size=2, density=1.0, feedback=True, frozen=False
    ),
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
    # elementwise
    "para_gru": cells.ParaGRU(input_size=3, hidden_size=4),
    "para_lstm": cells.ParaLSTM(input_size=3, hidden_size=4),
    # affine
    "min_gru": cells.MinGRU(input_size=3, hidden_size=4),
    "min_lstm": cells.MinLSTM(input_size=3, hidden_size=4),
    "lru": cells.LRU(input_size=3, hidden_size=4),
    "rg_lru": cells.RGLRU(input_size=3, hidden_size=3),
    "rg_lru_projected": cells.RGLRU(input_size=3, hidden_size=4),
    "sru": cells.SRU(input_size=3, hidden_size=3),
    "sru_projected": cells.SRU(input_size=3, hidden_size=4, activation=jnp.tanh),
    "qrnn": cells.QRNN(input_size=3, hidden_size=4),
    "qrnn_ifo": cells.QRNN(input_size=3, hidden_size=4, pooling="ifo"),
    # convolutional
    "conv_lstm": cells.ConvLSTM(
        spatial_shape=(3, 2), input_size=3, hidden_size=2, kernel_size=(3, 2), peephole=True
    ),
    # wrappers
    "stacked": cells.Stacked(
        cells=(
            cells.Elman(input_size=3, hidden_size=3),
            cells.GRU(input_size=6, hidden_size=4),
            cells.Zoneout(cell=cells.LSTM(input_size=7, hidden_size=2), h_rate=0.4),
        ),
        residual=True,
        skip=True,
    ),
    "deep": cells.Deep(
        cell=cells.Elman(input_size=5, hidden_size=4),
        input_sizes=(3,),
        transition_sizes=(3, 4),
        output_sizes=(2,),
        shortcut=True,
    ),
    "zoneout": cells.Zoneout(cell=cells.LSTM(input_size=3, hidden_size=4), h_rate=0.3, c_rate=0.5),
    "zoneout_affine": cells.Zoneout(cell=cells.MinGRU(input_size=3, hidden_size=4), h_rate=0.3),
    "variational_dropout": cells.VariationalDropout(
        cell=cells.LSTM(input_size=3, hidden_size=4), input_rate=0.3, hidden_rate=0.4
    ),
    "recurrent_dropout": cells.RecurrentDropout(
        cell=cells.GRU(input_size=3, hidden_size=4), rate=0.4
    ),
    "rnn_drop": cells.RNNDrop(cell=cells.LSTM(input_size=3, hidden_size=4), rate=0.4),
    "weight_drop": cells.WeightDrop(cell=cells.LSTM(input_size=3, hidden_size=4), rate=0.4),
    "clip": cells.Clip(cell=cells.LSTM(input_size=3, hidden_size=4), h_limit=0.2, c_limit=0.5),
    "gradient_clip": cells.GradientClip(  # beyond what flows: derivatives are the true ones
        cell=cells.LSTM(input_size=3, hidden_size=4), limit=1e6, by="norm"
    ),
    "time_index": cells.TimeIndex(cell=cells.LSTM(input_size=4, hidden_size=4), scale=5.0),
    "context": cells.Context(
        cell=cells.GRU(input_size=5, hidden_size=4), context_size=2, optional=True
    ),
    "attentive": WithMemory(
        cell=cells.Attentive(
            cell=cells.GRU(input_size=8, hidden_size=4),
            attention=attention.LocationAware(
                query_size=4, memory_size=2, score_size=3, num_filters=2, filter_size=3
            ),
            attentional_size=5,
        )
    ),
    "learned_initial_state": cells.LearnedInitialState(
        cell=cells.LSTM(input_size=3, hidden_size=4)
    ),
    "random_initial_state": cells.Zoneout(  # whose noise shows where a state is given, too
        cell=cells.RandomInitialState(cell=cells.GRU(input_size=3, hidden_size=4)), h_rate=0.3
    ),
    "output_head": cells.OutputHead(
        cell=cells.Elman(input_size=3, hidden_size=4), head_size=2, activation=jnp.tanh
    ),
    "precision": cells.Precision(  # to the default dtype: the laws hold to its rounding
        cell=cells.LSTM(input_size=3, hidden_size=4),
        compute_dtype=jnp.result_type(float),
        state_dtype=None,
    ),
}

# The same laws, marked slow: each shares its road through the drivers with one that is not: one of
# every kind (simple, cell state, reset after and before the matmul, affine of real and of complex
# numbers, convolutional, composite, stochastic). All have a test of their own in tests/cells.
SLOW = {
    *("jordan", "projected_lstm", "para_lstm", "rg_lru", "qrnn", "recurrent_dropout", "attentive"),
    *("feedback_rnn", "teacher_forced_rnn", "echo_state", "coupled_lstm", "multiplicative_lstm"),
    *("mgu", "min_lstm", "zoneout_affine", "indrnn", "clockwork", "sru", "para_gru", "precision"),
    *("variational_dropout", "rnn_drop", "clip", "gradient_clip", "time_index", "context"),
    *("random_initial_state", "learned_initial_state", "output_head", "deep", "weight_drop"),
    *("peephole_lstm", "layer_norm_lstm", "slstm"),
}
# And full: the same class with another option stands under them all in CI.
FULL = {
    *("teacher_forced_jordan", "echo_state_feedback", "mgu_before", "rg_lru_projected"),
    *("sru_projected", "qrnn_ifo"),
}

SMOKE = {"lstm", "gru", "lru", "zoneout"}  # tried with the newest JAX too


def names(wanted: Callable[[Any], bool] = lambda cell: True) -> list[Any]:
    """The names of the cells that are wanted, to parametrise a law with."""

    def marked(name: str) -> Any:
        marks = [pytest.mark.slow] * (name in SLOW) + [pytest.mark.full] * (name in FULL)
        marks += [pytest.mark.smoke] * (name in SMOKE)
        return pytest.param(name, marks=marks)

    return [marked(name) for name, cell in CELLS.items() if wanted(cell)]


def marked(case: Any, quick: Collection[Any], slow: Collection[Any]) -> Any:
    """The case, left to CI where it is slow, and to who asks for ``full`` where it is neither."""
    marks = () if case in quick else pytest.mark.slow if case in slow else pytest.mark.full
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks)
