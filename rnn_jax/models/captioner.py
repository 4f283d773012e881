"""One to many: a sentence about an image."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.losses import Sum, cross_entropy, token_losses
from rnn_jax.models.bridges import Bridge, mean_over_time
from rnn_jax.models.captioner_config import CaptionerConfig
from rnn_jax.models.captioner_cost import attention_cost
from rnn_jax.models.checks import check_features
from rnn_jax.models.cnn import CNN
from rnn_jax.models.decoder import Decoder, DecoderOutput, DecoderState
from rnn_jax.models.rows import shift
from rnn_jax.models.search import Found, Search, search
from rnn_jax.ops import length_mask, select
from rnn_jax.ops.checks import check_lengths


class Captioner(nnx.Module):
    """Says what an image shows.

        a = CNN(image), a grid of features;   v = mean of a over the grid
        inject   h_t = tanh(h_{t-1} @ w_hh + e_t @ w_xh + v @ w_ih + b), or any cell with [e_t, v]
        first    the RNN reads norm(v @ w) before the first token
        attend   s_0 = tanh(v @ w + b),   c_t = sum over places of alpha_{t,l} a_l: see ``Decoder``

    Rows of captions are tokens and an end symbol, which ``lengths`` count; the decoder reads the
    start symbol and the caption without its last. Padding may be any number.

    The norm of "first", and its CNN's, are ours, for one that learns from nothing: without, v grew
    a hundredfold in 25 steps, filled the gates, and left one state whatever the image.

    The CNN is trained with the rest. To train the rest alone, as is done at first with a pretrained
    one (end to end from scratch is hard), let the optimizer see to it, by the parameters' path:

        pure, params = take_apart(model)
        frozen = jax.tree_util.tree_map_with_path(lambda path, _: "cnn" in str(path[0]), params)
        labels = jax.tree.map(lambda is_frozen: "frozen" if is_frozen else "trained", frozen)
        optimizer = optax.multi_transform(
            {"trained": optax.adam(1e-3), "frozen": optax.set_to_zero()}, labels
        )

    or compute the features once and give them in place of images (``feature_size``).

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = CaptionerConfig(vocab_size=9, conv_sizes=(4,), hidden_size=5, gated=True)
        >>> model = Captioner(config, rngs=nnx.Rngs(0))
        >>> images, captions = jnp.ones((2, 8, 8, 3)), jnp.array([[5, 6, 2], [3, 2, 0]])
        >>> pure, params = take_apart(model)
        >>> loss = jax.jit(lambda params, *batch, **of: pure(params).loss(*batch, **of))
        >>> loss(params, images, captions, lengths=jnp.array([3, 2])).count.item()
        5
        >>> model.caption(images, max_length=4).tokens.shape  # beam_size=5 for a beam
        (2, 4)

    References:
        Karpathy and Fei-Fei, Deep visual-semantic alignments for generating image descriptions,
        2015, arXiv:1412.2306 (inject).
        Vinyals, Toshev, Bengio and Erhan, Show and tell, 2015, arXiv:1411.4555 (first).
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044 (attend).
    """

    def __init__(self, config: CaptionerConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        if config.feature_size is None:
            sizes: Any = config.num_channels, config.conv_sizes, config.kernel_size
            self.cnn = CNN(*sizes, norm=config.mode == "first", rngs=rngs)
        self.decoder = Decoder(config.decoder, rngs=rngs)
        if config.mode == "first":
            size = config.embedding_size
            self.to_embedding = nnx.Linear(config.image_size, size, use_bias=False, rngs=rngs)
            self.norm = nnx.LayerNorm(size, rngs=rngs)
        if config.mode == "attend":
            self.bridge = Bridge(config.image_size, config.decoder.cells, rngs=rngs)

    def features(self, images: jax.Array, feature_lengths: jax.Array | None = None) -> jax.Array:
        """The places of each image (B, S, E), row by row of the grid; given features as they are.

        Args:
            images: (B, height, width, channels), or features (B, S, E) for a model of those.
            feature_lengths: How many places of precomputed features are real, (B,).
        """
        if self.config.feature_size is None:
            if feature_lengths is not None:
                raise ValueError("feature_lengths: all places of an image are real; leave it None.")
            maps = self.cnn(images)
            return maps.reshape(maps.shape[0], -1, maps.shape[-1])
        check_features(images, self.config.feature_size, "features")
        if feature_lengths is None:
            return images
        check_lengths(jnp.asarray(feature_lengths), images.shape[1::-1], "features")
        valid = length_mask(jnp.asarray(feature_lengths), images.shape[1]).T
        return select(valid, images, jnp.zeros((), images.dtype))

    def start(
        self,
        images: jax.Array,
        feature_lengths: jax.Array | None = None,
        *,
        key: jax.Array | None = None,
    ) -> DecoderState:
        """The decoder's state when the images have been seen and nothing is written.

        Args:
            images: (B, height, width, channels), or features (B, S, E) for a model of those.
            feature_lengths: How many places of precomputed features are real, (B,).
            key: For dropout between the layers in mode "first".
        """
        grid = self.features(images, feature_lengths)
        v, rows = mean_over_time(grid, feature_lengths), grid.shape[0]
        if self.config.mode == "inject":
            return self.decoder.start(rows, context=v)
        if self.config.mode == "attend":
            begin = partial(self.bridge, v)
            return self.decoder.start(rows, memory=grid, lengths=feature_lengths, begin=begin)
        x = self.norm(self.to_embedding(v))
        return self.decoder.read(self.decoder.start(rows), x[:, None], key=key).state

    def step(self, state: DecoderState, token: jax.Array) -> tuple[DecoderState, jax.Array]:
        """One token (B,): the state after it and logits (B, V) of the next one."""
        return self.decoder.step(state, token)

    def decode(
        self,
        images: jax.Array,
        inputs: jax.Array,
        *,
        lengths: jax.Array | None = None,
        feature_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> DecoderOutput:
        """The decoder's outputs and attention for given inputs (B, T), start symbol first."""
        keys: Any = (None, None) if key is None else jax.random.split(key)
        state = self.start(images, feature_lengths, key=keys[0])
        return self.decoder(state, inputs, lengths=lengths, key=keys[1])

    def __call__(
        self,
        images: jax.Array,
        inputs: jax.Array,
        *,
        lengths: jax.Array | None = None,
        feature_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Logits (B, T, V) of what follows each of the inputs (B, T), start symbol first."""
        found = self.decode(
            images, inputs, lengths=lengths, feature_lengths=feature_lengths, key=key
        )
        return self.decoder.project(found.ys)

    def loss(
        self,
        images: jax.Array,
        captions: jax.Array,
        *,
        lengths: jax.Array | None = None,
        feature_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
        baseline: jax.Array | float = 0.0,
    ) -> Sum:
        """Cross entropy of captions (B, T), end symbol included: a sum and a count of tokens.

        With a key dropout acts, the penalty of attention is added, once for each row as in the
        paper, and hard attention draws its places. Those learn by REINFORCE: the gradient then is
        the estimate, with a row's log p(caption | places) as the reward, while the value stays the
        cross entropy (and the penalty).

        Args:
            images: (B, height, width, channels), or features (B, S, E) for a model of those.
            captions: Tokens and end symbol.
            lengths: Tokens of each row, end symbol included, (B,).
            feature_lengths: How many places of precomputed features are real, (B,).
            key: For dropout and hard attention; None for evaluation.
            baseline: Of the reward, for hard attention: ``attention.moving_baseline`` of
                -total / B.
        """
        config = self.config
        inputs = shift(captions, config.start)
        found = self.decode(
            images, inputs, lengths=lengths, feature_lengths=feature_lengths, key=key
        )
        logits = jnp.moveaxis(self.decoder.project(found.ys), 1, 0)
        if key is None:
            return cross_entropy(logits, captions.T, lengths=lengths)
        smoothing = config.label_smoothing
        loss = cross_entropy(logits, captions.T, lengths=lengths, label_smoothing=smoothing)
        reward = -token_losses(logits, captions.T, lengths=lengths).sum(0)
        cost = attention_cost(config, found, reward, baseline, lengths, feature_lengths)
        return loss._replace(total=loss.total + cost)

    def alignments(
        self,
        images: jax.Array,
        captions: jax.Array,
        *,
        lengths: jax.Array | None = None,
        feature_lengths: jax.Array | None = None,
    ) -> jax.Array:
        """What was looked at for each token: (B, T, S), the places row by row of the grid."""
        if self.config.mode != "attend":
            raise ValueError(
                f'alignments: the model looks at nothing in mode="{self.config.mode}": see '
                "CaptionerConfig."
            )
        inputs = shift(captions, self.config.start)
        found = self.decode(images, inputs, lengths=lengths, feature_lengths=feature_lengths)
        assert found.weights is not None
        return found.weights

    def caption(
        self,
        images: jax.Array,
        feature_lengths: jax.Array | None = None,
        *,
        max_length: int,
        beam_size: int = 1,
        length_penalty: Any = None,
        coverage_penalty: Any = None,
        choose: Callable[..., jax.Array] | None = None,
        key: jax.Array | None = None,
    ) -> Found:
        """Describe images: greedily, by beam, or drawn; the options are ``Search``'s.

        It is one compiled program. For more (several best, a prefix, no repeats) give
        ``decoding.beam_search`` the ``step`` of ``take_apart`` and the state of ``start``.
        """
        if feature_lengths is not None:
            feature_lengths = jnp.asarray(feature_lengths)
            check_lengths(feature_lengths, images.shape[1::-1], "features")
        how = Search(
            start=self.config.start,
            end=self.config.end,
            max_length=max_length,
            beam_size=beam_size,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            choose=choose,
        )
        return search(self, how, images, feature_lengths, key)
