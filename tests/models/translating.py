"""Three sentences, and a small translator of them."""

from functools import partial

import jax.numpy as jnp
from flax import nnx

from rnn_jax import attention
from rnn_jax.models import Seq2Seq, Seq2SeqConfig

SOURCE, SOURCE_LENGTHS = jnp.array([[3, 4, 5, 6], [6, 3, -1, -1], [5, 4, 3, -1]]), [4, 2, 3]
TARGET, TARGET_LENGTHS = (
    jnp.array([[6, 5, 3, 4, 2], [3, 2, -1, -1, -1], [5, 5, 2, -1, -1]]),
    [5, 2, 3],
)
LENGTHS = {"source_lengths": jnp.array(SOURCE_LENGTHS), "target_lengths": jnp.array(TARGET_LENGTHS)}
SIZES = {"source_vocab_size": 7, "target_vocab_size": 8, "embedding_size": 6, "hidden_size": 10}
ADDITIVE = partial(attention.Additive, score_size=6)


def make(seed: int = 0, **options) -> Seq2Seq:
    return Seq2Seq(Seq2SeqConfig(**(SIZES | options)), rngs=nnx.Rngs(seed))
