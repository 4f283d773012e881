"""Pictures of what a network does, as Matplotlib figures that a notebook shows.

Matplotlib is loaded when the first picture is made. The figures belong to nobody: pyplot does not
know them, so nothing has to be closed; ``figure.savefig(path)`` writes one to a file.
"""

from rnn_jax.plots.alignment import plot_alignment as plot_alignment
from rnn_jax.plots.alignment import save_alignments as save_alignments
from rnn_jax.plots.automaton import plot_automaton as plot_automaton
from rnn_jax.plots.captions import plot_captions as plot_captions
from rnn_jax.plots.confusion import plot_confusion as plot_confusion
from rnn_jax.plots.forecast import plot_forecast as plot_forecast
from rnn_jax.plots.frames import plot_frames as plot_frames
from rnn_jax.plots.gates import plot_gates as plot_gates
from rnn_jax.plots.gates import plot_saturation as plot_saturation
from rnn_jax.plots.images import plot_predictions as plot_predictions
from rnn_jax.plots.norms import plot_gradient_norms as plot_gradient_norms
from rnn_jax.plots.norms import plot_jacobian_norms as plot_jacobian_norms
from rnn_jax.plots.norms import plot_lyapunov as plot_lyapunov
from rnn_jax.plots.rolls import plot_rolls as plot_rolls
from rnn_jax.plots.runs import plot_runs as plot_runs
from rnn_jax.plots.speech import plot_speech as plot_speech
from rnn_jax.plots.tracks import plot_futures as plot_futures
from rnn_jax.plots.words import plot_words as plot_words
