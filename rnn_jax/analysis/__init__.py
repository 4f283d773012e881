"""Seeing inside: how gradients and perturbations travel through time, and what the gates do."""

from rnn_jax.analysis.automata import Automaton as Automaton
from rnn_jax.analysis.automata import extract_automaton as extract_automaton
from rnn_jax.analysis.automata import minimise as minimise
from rnn_jax.analysis.gates import Saturation as Saturation
from rnn_jax.analysis.gates import gate_activations as gate_activations
from rnn_jax.analysis.gates import saturation as saturation
from rnn_jax.analysis.gradients import gradient_norms as gradient_norms
from rnn_jax.analysis.gradients import input_gradient_norms as input_gradient_norms
from rnn_jax.analysis.jacobians import jacobian_norms as jacobian_norms
from rnn_jax.analysis.jacobians import log_jacobian_norms as log_jacobian_norms
from rnn_jax.analysis.lyapunov import lyapunov_exponents as lyapunov_exponents
from rnn_jax.analysis.lyapunov import map_lyapunov_exponents as map_lyapunov_exponents
from rnn_jax.analysis.programs import count_in_while as count_in_while
from rnn_jax.analysis.programs import while_bodies as while_bodies
