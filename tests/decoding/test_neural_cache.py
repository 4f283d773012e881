"""The neural cache against its definition, written as loops over the past."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.decoding import cache_log_probs, empty_cache

T, B, H, WINDOW, THETA, SHARE = 11, 2, 3, 4, 1.7, 0.3
RNG = np.random.default_rng(0)
HIDDEN, TOKENS = RNG.normal(size=(T, B, H)), RNG.integers(0, 3, (T, B))
LOG_P = np.log(RNG.uniform(0.05, 0.5, (T, B)))


def expected():
    found = LOG_P.copy()
    for b in range(B):
        for t in range(1, T):
            past = range(max(0, t - WINDOW), t)
            weights = [np.exp(THETA * HIDDEN[t, b] @ HIDDEN[s, b]) for s in past]
            hits = [w for w, s in zip(weights, past) if TOKENS[s, b] == TOKENS[t, b]]
            p = (1 - SHARE) * np.exp(LOG_P[t, b]) + SHARE * sum(hits) / sum(weights)
            found[t, b] = np.log(p)
    return found


@pytest.mark.parametrize("cuts", [[], [1, 3, 9]])
def test_it_is_its_definition_wherever_the_text_is_cut(cuts):
    cache, found = empty_cache(WINDOW, (B,), H, jnp.float64), []
    for h, tokens, log_p in zip(*(np.split(x, cuts) for x in (HIDDEN, TOKENS, LOG_P))):
        mixed, cache = cache_log_probs(
            cache, jnp.asarray(h), jnp.asarray(tokens), jnp.asarray(log_p), theta=THETA, share=SHARE
        )
        found.append(mixed)
    rtol = 1e-12 if jax.config.jax_enable_x64 else 1e-5
    np.testing.assert_allclose(np.concatenate(found), expected(), rtol=rtol)


def test_what_does_not_fit_is_refused():
    cache, h, tokens = empty_cache(WINDOW, (B,), H), jnp.asarray(HIDDEN), jnp.asarray(TOKENS)
    log_p = jnp.asarray(LOG_P)
    with pytest.raises(ValueError, match="share is 1.0"):
        cache_log_probs(cache, h, tokens, log_p, theta=1.0, share=1.0)
    with pytest.raises(ValueError, match="log_probs .* do not fit"):
        cache_log_probs(cache, h, tokens, log_p[1:], theta=1.0, share=0.5)
    with pytest.raises(ValueError, match=r"cache holds \(2, 3\)"):
        cache_log_probs(cache, h[:, :1], tokens[:, :1], log_p[:, :1], theta=1.0, share=0.5)
    with pytest.raises(ValueError, match="window"):
        empty_cache(0, (B,), H)
