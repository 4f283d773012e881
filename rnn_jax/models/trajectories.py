"""Where several objects go next: a mixture density network over their positions, step by step."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, layers
from rnn_jax.bridge.nnx import Layer
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import Sum, merge, tally
from rnn_jax.models.chains import layer_chain
from rnn_jax.models.checks import check_array, check_rates
from rnn_jax.models.dropout import dropout
from rnn_jax.models.mixtures import Mixture
from rnn_jax.models.pure import Pure
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class TrajectoryModelConfig:
    """Sizes and choices of ``TrajectoryModel``.

    Args:
        num_objects: O, that move together.
        num_dims: D of a position.
        num_components: K of the mixture of each object.
        hidden_size: H of every layer.
        num_layers: L.
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        dropout: Rate of dropping outputs of layers.
        centre: Mean of the positions, one number.
        spread: Their deviation.
        move: Deviation of a move from step to step.
        turn: Deviation of the change of a move.

    Example:
        >>> TrajectoryModelConfig(num_objects=3).num_components
        5
    """

    num_objects: int
    num_dims: int = 2
    num_components: int = 5
    hidden_size: int = 128
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    dropout: float = 0.0
    centre: float = 0.0
    spread: float = 1.0
    move: float = 1.0
    turn: float = 1.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        for name in ("spread", "move", "turn"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"TrajectoryModelConfig: {name} is a deviation, above 0, got "
                    f"{getattr(self, name)!r}: objects that never move or never turn need 1."
                )

    @property
    def stack(self) -> layers.Stack:
        """The recurrent layers."""
        width, sizes = 2 * self.num_objects * self.num_dims, (self.hidden_size,) * self.num_layers
        return layers.Stack(layers=layer_chain(self.cell, width, sizes), dropout=self.dropout)


class TrajectoryModel(nnx.Module):
    """Predicts the next positions of objects that move together, in the units they come in.

        m_t = x_t - x_{t-1},   h_t = RNN(x_t, m_t)
        x_{t+1} ~ prod_o sum_k pi_k Normal(x_t + m_t + a_k, s_k),   (pi, a, s) = (W h_t)_o

    It learns how an object departs from its constant velocity. The objects see each other: h is of
    all of them; given h they are independent. The first two positions only say how they move.

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> model = TrajectoryModel(
        ...     TrajectoryModelConfig(num_objects=3, hidden_size=4), rngs=nnx.Rngs(0)
        ... )
        >>> tracks = jnp.ones((2, 6, 3, 2))  # (B, T, O, D)
        >>> jax.jit(model.loss)(tracks).count.item()  # 4 steps of 2 scenes
        8
        >>> futures = jax.jit(model.roll_out, static_argnums=(2, 3))
        >>> futures(jax.random.key(0), tracks, 7, 5).shape  # steps, and how often
        (2, 5, 7, 3, 2)

    References:
        Bishop, Mixture density networks, 1994 (Aston University, NCRG/94/004).
        Graves, Generating sequences with recurrent neural networks, 2013, arXiv:1308.0850.
    """

    def __init__(self, config: TrajectoryModelConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.layers = Layer(config.stack, rngs=rngs)
        width = config.num_objects * config.num_components * (1 + 2 * config.num_dims)
        self.output = nnx.Linear(config.stack.output_size, width, rngs=rngs)

    def __call__(self, tracks: jax.Array, *, key: jax.Array | None = None) -> Mixture:
        """The mixture of x_{t+1} for t = 2..T of tracks (B, T, O, D): (B, T - 1, O, ...)."""
        return self._read(self._checked(tracks), None, key)[0]

    def loss(self, tracks: jax.Array, *, key: jax.Array | None = None) -> Sum:
        """Negative log-likelihood of x_3..x_T (B, T, O, D), summed over objects, by steps."""
        found = self(tracks[:, :-1], key=key)
        return tally(jnp.sum(found.nll(tracks[:, 2:]), axis=-1))

    def roll_out(
        self, key: jax.Array, past: jax.Array, num_steps: int, num_samples: int
    ) -> jax.Array:
        """Draws futures (B, S, num_steps, O, D) of what began as past (B, P, O, D), P >= 2.

        What is drawn is read as if it had come: the network runs free.
        """
        past = self._checked(past)
        past = jnp.repeat(past[:, None], num_samples, axis=1)  # (B, S, P, O, D)
        found, state = self._read(past, None, None)
        first = jax.tree.map(lambda leaf: leaf[:, :, -1:], found)

        def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            mixture, state, last = carry
            drawn = Mixture(*mixture).sample(key)  # (B, S, 1, O, D)
            mixture, state = self._read(jnp.concatenate([last, drawn], axis=2), state, None)
            return (mixture, state, drawn), drawn[:, :, 0]

        keys = jax.random.split(key, num_steps)
        _, drawn = jax.lax.scan(step, (first, state, past[:, :, -1:]), keys)
        return jnp.moveaxis(drawn, 0, 2)

    def _read(
        self, tracks: jax.Array, state: State | None, key: jax.Array | None
    ) -> tuple[Mixture, State]:
        """The mixtures (*B, T - 1, O, ...) after tracks (*B, T, O, D), and the state to go on."""
        config, here = self.config, tracks[..., 1:, :, :]
        moves = here - tracks[..., :-1, :, :]
        xs = [(here - config.centre) / config.spread, moves / config.move]
        inputs = jnp.concatenate(xs, axis=-1).reshape(*here.shape[:-2], -1)
        inputs = inputs.astype(self.output.kernel[...].dtype)  # positions stay exact
        keys: Any = (None, None) if key is None else jax.random.split(key)
        out = self.layers(inputs, state, rngs=keys[0])
        ys = dropout(out.ys, config.dropout, keys[1])
        shape = (*here.shape[:-1], config.num_components, 1 + 2 * config.num_dims)
        found = self.output(ys).reshape(shape)
        turns, scales = jnp.split(found[..., 1:], 2, axis=-1)
        ahead = jnp.broadcast_to((here + moves)[..., None, :], turns.shape)
        # The least deviation is a hundredth of a turn: a density must not grow without bound.
        log_scales = log(config.turn) + jnp.logaddexp(scales, log(0.01))
        return Mixture(found[..., 0], ahead + config.turn * turns, log_scales), out.state

    def _checked(self, tracks: jax.Array) -> jax.Array:
        check_array(tracks, "tracks")
        config = self.config
        if tracks.ndim != 4 or tracks.shape[2:] != (config.num_objects, config.num_dims):
            raise ValueError(
                f"tracks has shape {tracks.shape}: give (B, T, {config.num_objects}, "
                f"{config.num_dims}), positions of every object at every step."
            )
        if tracks.shape[1] < 2:
            raise ValueError(f"tracks has {tracks.shape[1]} steps: two say how objects move.")
        tracks = jnp.asarray(tracks)
        return tracks if jnp.issubdtype(tracks.dtype, jnp.floating) else tracks.astype(jnp.float32)


def track_nats(pure: Pure[TrajectoryModel], params: Params, tracks: Any) -> float:
    """Negative log-likelihood per step of tracks (N, T, O, D), 100 scenes at a time.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = TrajectoryModelConfig(num_objects=1, num_components=1, hidden_size=2)
        >>> pure, params = take_apart(TrajectoryModel(config, rngs=nnx.Rngs(0)))
        >>> params = jax.tree.map(jnp.zeros_like, params)  # deviation 1.01 about the last position
        >>> round(track_nats(pure, params, jnp.ones((3, 5, 1, 2))), 3)
        1.858
    """
    parts = [_loss(pure, params, tracks[k : k + 100]) for k in range(0, len(tracks), 100)]
    return merge(*parts).mean.item()


@partial(jax.jit, static_argnums=0)
def _loss(pure: Pure[TrajectoryModel], params: Params, tracks: jax.Array) -> Sum:
    return pure(params).loss(tracks)


@partial(jax.jit, static_argnames=("pure", "num_samples"))
def mass_above(
    pure: Pure[TrajectoryModel], params: Params, key: jax.Array, tracks: jax.Array, num_samples: int
) -> jax.Array:
    """``Mixture.mass_above`` (B, T - 2, O) of what came in tracks (B, T, O, D), one step ahead.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = TrajectoryModelConfig(num_objects=3, hidden_size=4)
        >>> model = take_apart(TrajectoryModel(config, rngs=nnx.Rngs(0)))
        >>> mass_above(*model, jax.random.key(0), jnp.ones((2, 6, 3, 2)), 10).shape
        (2, 4, 3)
    """
    tracks = jnp.asarray(tracks)
    return pure(params)(tracks[:, :-1]).mass_above(key, tracks[:, 2:], num_samples)


@partial(jax.jit, static_argnames=("pure", "num_steps", "num_samples"))
def roll_out(
    pure: Pure[TrajectoryModel],
    params: Params,
    key: jax.Array,
    past: jax.Array,
    num_steps: int,
    num_samples: int,
) -> jax.Array:
    """``TrajectoryModel.roll_out`` of a model taken apart: (B, S, num_steps, O, D).

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = TrajectoryModelConfig(num_objects=3, hidden_size=4)
        >>> model = take_apart(TrajectoryModel(config, rngs=nnx.Rngs(0)))
        >>> roll_out(*model, jax.random.key(0), jnp.ones((2, 6, 3, 2)), 7, 5).shape
        (2, 5, 7, 3, 2)
    """
    return pure(params).roll_out(key, past, num_steps, num_samples)
