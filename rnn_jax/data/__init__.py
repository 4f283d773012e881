"""Data: text, pairs of texts, vocabularies, batches, sources. NumPy only; the rest is in extras."""

from rnn_jax.data import audio as audio
from rnn_jax.data import batch as batch
from rnn_jax.data import buckets as buckets
from rnn_jax.data import corpora as corpora
from rnn_jax.data import feed as feed
from rnn_jax.data import languages as languages
from rnn_jax.data import memory_tasks as memory_tasks
from rnn_jax.data import ngram as ngram
from rnn_jax.data import pairs as pairs
from rnn_jax.data import series as series
from rnn_jax.data import speech as speech
from rnn_jax.data import speech_files as speech_files
from rnn_jax.data import speech_fsdd as speech_fsdd
from rnn_jax.data import speech_sources as speech_sources
from rnn_jax.data import speech_spoken as speech_spoken
from rnn_jax.data import streams as streams
from rnn_jax.data import subwords as subwords
from rnn_jax.data import text as text
from rnn_jax.data import tfds_source as tfds_source
from rnn_jax.data import tfds_text as tfds_text
from rnn_jax.data import translation as translation
from rnn_jax.data import vocabulary as vocabulary
from rnn_jax.data.errors import InputError as InputError
from rnn_jax.data import windows as windows
