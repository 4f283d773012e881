"""Polyphonic music: at every step which keys of the piano are down, given all steps before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, layers
from rnn_jax.bridge.nnx import Layer
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import Sum, bernoulli_nll, merge, nade_logits, nade_sample, tally
from rnn_jax.models.chains import layer_chain
from rnn_jax.models.checks import check_features, check_rates
from rnn_jax.models.dropout import dropout
from rnn_jax.models.pure import Pure
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class MusicModelConfig:
    """Sizes and choices of ``MusicModel``.

    Args:
        num_keys: D, of the instrument.
        hidden_size: H of every layer.
        num_layers: L.
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        nade_size: Hidden units of the NADE that makes the keys of a step depend on each other; None
            for independent ones.
        dropout: Rate of dropping outputs of layers.

    Example:
        >>> MusicModelConfig(nade_size=20).num_keys
        88
    """

    num_keys: int = 88
    hidden_size: int = 128
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    nade_size: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)

    @property
    def stack(self) -> layers.Stack:
        """The recurrent layers."""
        sizes = (self.hidden_size,) * self.num_layers
        made = layer_chain(self.cell, self.num_keys, sizes)
        return layers.Stack(layers=made, dropout=self.dropout)


class MusicModel(nnx.Module):
    """The probability of piano rolls, step by step: an RNN with independent keys, or an RNN-NADE.

        p(v_1 .. v_T) = prod_t p(v_t | h_t),   h_t = RNN(v_{t-1}, h_{t-1}),   v_0 = 0

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> config = MusicModelConfig(num_keys=5, hidden_size=4, nade_size=3)
        >>> model = MusicModel(config, rngs=nnx.Rngs(0))
        >>> rolls = jnp.ones((2, 6, 5), jnp.uint8)  # (B, T, D)
        >>> jax.jit(model.loss)(rolls, lengths=jnp.array([6, 3])).count.item()  # steps, not keys
        9
        >>> jax.jit(model.sample, static_argnums=2)(jax.random.key(0), rolls[:, :2], 3).shape
        (2, 3, 5)

    References:
        Boulanger-Lewandowski, Bengio and Vincent, Modeling temporal dependencies in
        high-dimensional sequences, 2012, arXiv:1206.6392.
    """

    def __init__(self, config: MusicModelConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.layers = Layer(config.stack, rngs=rngs)
        size = config.stack.output_size
        few = nnx.initializers.constant(-3.0)  # four of 88 keys are down, to begin with
        self.output = nnx.Linear(size, config.num_keys, bias_init=few, rngs=rngs)
        if config.nade_size is not None:
            self.hidden = nnx.Linear(size, config.nade_size, rngs=rngs)
            draw, shape = nnx.initializers.lecun_normal(), (config.num_keys, config.nade_size)
            self.w, self.v = (nnx.Param(draw(rngs.params(), shape)) for _ in range(2))

    def logits(
        self,
        rolls: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Logits (B, T, D) of each key of rolls (B, T, D), given all before: the first step too.

        With NADE that is given the lower keys of the same step as well.
        """
        rolls = self._floats(rolls)
        ys, _ = self._read(jnp.pad(rolls[:, :-1], ((0, 0), (1, 0), (0, 0))), None, lengths, key)
        if self.config.nade_size is None:
            return self.output(ys)
        return nade_logits(self.output(ys), self.hidden(ys), self.w[...], self.v[...], rolls)

    def loss(
        self, rolls: jax.Array, *, lengths: jax.Array | None = None, key: jax.Array | None = None
    ) -> Sum:
        """Negative log-likelihood of rolls (B, T, D), summed over keys, counted by steps."""
        logits = self.logits(rolls, lengths=lengths, key=key)
        labels = jnp.swapaxes(self._floats(rolls), 0, 1)
        found = bernoulli_nll(jnp.swapaxes(logits, 0, 1), labels, lengths=lengths)
        return tally(found, lengths=lengths)

    def sample(self, key: jax.Array, given: jax.Array, num_steps: int) -> jax.Array:
        """Draws how rolls (B, P, D) go on, (B, num_steps, D) bool; P may be 0."""
        given = self._floats(given)
        ys, state = self._read(jnp.pad(given, ((0, 0), (1, 0), (0, 0))), None, None, None)

        def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            ys, state = carry
            drawn = self._draw(key, ys)
            ys, state = self._read(drawn[:, None].astype(given.dtype), state, None, None)
            return (ys[:, 0], state), drawn

        _, drawn = jax.lax.scan(step, (ys[:, -1], state), jax.random.split(key, num_steps))
        return jnp.swapaxes(drawn, 0, 1)

    def _draw(self, key: jax.Array, ys: jax.Array) -> jax.Array:
        logits = self.output(ys)
        if self.config.nade_size is None:
            return jax.random.bernoulli(key, jax.nn.sigmoid(logits))
        return nade_sample(key, logits, self.hidden(ys), self.w[...], self.v[...])

    def _floats(self, rolls: jax.Array) -> jax.Array:
        """Rolls may be of any type: they are kept small."""
        rolls = jnp.asarray(rolls).astype(self.output.kernel[...].dtype)
        check_features(rolls, self.config.num_keys, "rolls")
        return rolls

    def _read(
        self, xs: jax.Array, state: State | None, lengths: Any, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        keys: Any = (None, None) if key is None else jax.random.split(key)
        out = self.layers(xs, state, lengths=lengths, rngs=keys[0])
        return dropout(out.ys, self.config.dropout, keys[1]), out.state


@partial(jax.jit, static_argnames="pure")
def roll_loss(pure: Pure[MusicModel], params: Params, rolls: jax.Array, lengths: jax.Array) -> Sum:
    """The loss of rolls (B, T, D) by a model taken apart, without dropout.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = MusicModelConfig(num_keys=5, hidden_size=4)
        >>> model = take_apart(MusicModel(config, rngs=nnx.Rngs(0)))
        >>> roll_loss(*model, jnp.ones((2, 6, 5)), jnp.array([6, 3])).count.item()
        9
    """
    return pure(params).loss(rolls, lengths=lengths)


def nats_per_step(pure: Pure[MusicModel], params: Params, batches: Iterable[Any]) -> float:
    """The negative log-likelihood of music as the field counts it.

    Summed over the keys of a step, averaged over all steps of all pieces, the first of each too.

    Args:
        pure: The model, taken apart.
        params: Its parameters.
        batches: Pieces as ``buckets.PairBatches(...).in_order()`` gives them.

    Example:
        >>> from rnn_jax.data.buckets import PairBatches
        >>> from rnn_jax.models import take_apart
        >>> config = MusicModelConfig(num_keys=5, hidden_size=4)
        >>> pure, params = take_apart(MusicModel(config, rngs=nnx.Rngs(0)))
        >>> params = jax.tree.map(jnp.zeros_like, params)  # each key with probability 1/2
        >>> rolls = [jnp.ones((3, 5)), jnp.ones((6, 5))]
        >>> batches = PairBatches(rolls, [[0], [1]], batch_size=2)
        >>> round(nats_per_step(pure, params, batches.in_order()) / jnp.log(2).item(), 6)
        5.0
    """
    parts = [roll_loss(pure, params, batch.source, batch.source_lengths) for batch in batches]
    return merge(*parts).mean.item()


@partial(jax.jit, static_argnames=("pure", "num_steps"))
def compose(
    pure: Pure[MusicModel], params: Params, key: jax.Array, given: jax.Array, num_steps: int
) -> jax.Array:
    """Draws how rolls (B, P, D) go on, (B, num_steps, D) bool, by a model taken apart.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = MusicModelConfig(num_keys=5, hidden_size=4)
        >>> model = take_apart(MusicModel(config, rngs=nnx.Rngs(0)))
        >>> compose(*model, jax.random.key(0), jnp.zeros((2, 0, 5)), 3).shape  # from nothing
        (2, 3, 5)
    """
    return pure(params).sample(key, given, num_steps)
