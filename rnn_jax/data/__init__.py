"""Data: plain text as characters, and what n-grams reach on it. NumPy only."""

from rnn_jax.data import ngram as ngram
from rnn_jax.data import streams as streams
from rnn_jax.data import text as text
from rnn_jax.data.errors import InputError as InputError
