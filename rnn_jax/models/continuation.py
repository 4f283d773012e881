"""A language model that writes on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import decoding
from rnn_jax.data.vocabulary import PAD, START
from rnn_jax.models.language_model import LanguageModel
from rnn_jax.models.pure import Pure
from rnn_jax.typing import Params


def continued(
    pure: Pure[LanguageModel],
    params: Params,
    prime: np.ndarray,
    key: jax.Array,
    *,
    length: int,
    rows: int = 1,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that continue a text, drawn from a language model; each row by itself.

    Args:
        pure: A language model, see ``take_apart``.
        params: Its parameters.
        prime: Tokens (P,) that are read first, at least one.
        key: Random key.
        length: N, how many are written.
        rows: B, how many continuations.
        temperature: Below 1 more cautious; 0 for always the most probable token.
        top_p: Only the most probable tokens are drawn that hold so much probability.

    Returns:
        Tokens (B, N), among which padding and start never are, and ln p of each (B, N) under the
        model itself, before temperature and ``top_p``.

    Raises:
        ValueError: If there is no token to begin with, or a number is out of range.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import LanguageModelConfig, take_apart
        >>> config = LanguageModelConfig(vocab_size=5, embedding_size=2, hidden_size=3)
        >>> pure, params = take_apart(LanguageModel(config, rngs=nnx.Rngs(0)))
        >>> zero, prime = jax.tree.map(jnp.zeros_like, params), np.array([2, 3])
        >>> tokens, log_probs = continued(pure, zero, prime, jax.random.key(0), length=4, rows=3)
        >>> tokens.shape, round(float(log_probs[0, 0]), 4)  # -ln 5
        ((3, 4), -1.6094)
    """
    if not len(prime):
        raise ValueError("prime is empty: give at least one token to be continued.")
    allowed = decoding.Forbid((PAD, START))
    choose: Any = decoding.Greedy((allowed,))
    if temperature > 0:
        filters = allowed, decoding.Temperature(temperature), decoding.TopP(top_p)
        choose = decoding.Sample(filters)
    prefix = jnp.tile(jnp.asarray(prime)[:, None], rows)
    read, state = len(prime) - 1, pure(params).initial_state(rows)
    found = decoding.decode(
        pure.step, params, state, start=prefix[0], prefix=prefix[1:],
        max_length=read + length, choose=choose, key=key,
    )  # fmt: skip
    return np.asarray(found.tokens[read:]).T, np.asarray(found.log_probs[read:]).T
