"""Output layers that share the embedding (Press and Wolf 2017; Inan et al. 2017)."""

import jax

from rnn_jax.ops.linear import affine


def tied_logits(
    embedding: jax.Array, hs: jax.Array, b: jax.Array | None = None, w_p: jax.Array | None = None
) -> jax.Array:
    """Logits by the same matrix that embeds the tokens.

        logits = hs @ w_p @ embedding.T + b

    The gradient of ``embedding`` is the sum over both uses, the look-up and this one; nothing needs
    to be done for that.

    Args:
        embedding: (V, E).
        hs: Hidden states (..., H).
        b: (V,), or None.
        w_p: Projection (H, E) where H and E differ, or None.

    Returns:
        (..., V) in float32 or wider.

    Raises:
        ValueError: If the widths do not meet.

    Example:
        >>> import jax.numpy as jnp
        >>> embedding = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> tied_logits(embedding, jnp.array([2.0, 3.0])).tolist()
        [2.0, 3.0, 5.0]

    References:
        Press and Wolf, Using the output embedding to improve language models, 2017,
        arXiv:1608.05859.
        Inan, Khosravi and Socher, Tying word vectors and word classifiers, 2017, arXiv:1611.01462.
    """
    width = hs.shape[-1] if w_p is None else w_p.shape[-1]
    if embedding.ndim != 2 or embedding.shape[-1] != width:
        raise ValueError(
            f"embedding has shape {embedding.shape}, (V, E), but {width} features arrive from hs "
            f"{hs.shape}: give w_p of shape ({hs.shape[-1]}, {embedding.shape[-1]})."
        )
    if b is not None and b.shape != embedding.shape[:1]:
        raise ValueError(
            f"b has shape {b.shape}, but embedding has {embedding.shape[0]} words: it must be "
            f"{embedding.shape[:1]}."
        )
    if w_p is not None:
        if w_p.shape[0] != hs.shape[-1]:
            raise ValueError(
                f"w_p has shape {w_p.shape}, but hs {hs.shape} need {hs.shape[-1]} rows."
            )
        hs = affine(hs, w_p, None)
    return affine(hs, embedding.T, b)
