"""A recurrent language model, of characters or words, with the dropouts of AWD-LSTM."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, drivers
from rnn_jax.bridge.batch_major import Driver
from rnn_jax.bridge.nnx import RNN
from rnn_jax.cells.base import check_sizes
from rnn_jax.layers import Output
from rnn_jax.losses import Sum, activation, cross_entropy, temporal_activation
from rnn_jax.models.chains import cell_chain
from rnn_jax.models.checks import check_rates, check_tokens
from rnn_jax.models.dropout import dropout, embedding_dropout, locked_dropout
from rnn_jax.models.rows import embed, real_tokens
from rnn_jax.typing import State


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig:
    """Sizes and choices of ``LanguageModel``.

    Args:
        vocab_size: V, of characters or words.
        embedding_size: E.
        hidden_size: H of every layer; tied, the last layer has E units instead.
        num_layers: L.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        driver: How a cell runs over time: ``drivers.scan``, ``drivers.associative``, ...
        tied: Whether the output weights are the embedding (Press and Wolf 2017, arXiv:1608.05859).
        embedding_dropout: Rate of dropping whole words.
        locked: Whether the following three draw one mask for all steps of a row (Gal and Ghahramani
            2016), not one for every step (Zaremba et al. 2014).
        input_dropout: Rate of dropping embedding features.
        hidden_dropout: The same between layers.
        output_dropout: The same after the last layer.
        weight_dropout: Rate of dropping recurrent weights (``cells.WeightDrop``).
        activation_penalty: alpha, of the last layer's dropped outputs.
        temporal_penalty: beta, of how fast the last layer's outputs change.

    Example:
        >>> LanguageModelConfig(vocab_size=50, tied=True, weight_dropout=0.5).num_layers
        1
    """

    vocab_size: int
    embedding_size: int = 64
    hidden_size: int = 256
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    driver: Driver = drivers.scan
    tied: bool = False
    embedding_dropout: float = 0.0
    locked: bool = True
    input_dropout: float = 0.0
    hidden_dropout: float = 0.0
    output_dropout: float = 0.0
    weight_dropout: float = 0.0
    activation_penalty: float = 0.0
    temporal_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        given = self.cells[-1].output_size
        if self.tied and given != self.embedding_size:
            raise ValueError(
                f"LanguageModelConfig: tied, the last layer must give embedding_size="
                f"{self.embedding_size} features, but its cell gives {given}: make cells whose "
                "output is as wide as hidden_size, or leave tied at False."
            )

    @property
    def cells(self) -> list[Any]:
        """The cell of each layer, lowest first."""
        sizes = [self.hidden_size] * self.num_layers
        if self.tied:
            sizes[-1] = self.embedding_size
        layers: list[Any] = [*cell_chain(self.cell, self.embedding_size, sizes)]
        if self.weight_dropout:
            layers = [cells.WeightDrop(cell=cell, rate=self.weight_dropout) for cell in layers]
        return layers


class LanguageModel(nnx.Module):
    """Predicts each token from all before it: embedding, recurrent layers, softmax.

        p(w_{t+1} | w_1 .. w_t) = softmax(h_t @ w + b),   h = RNN_L(... RNN_1(embedding[w]))

    The state goes on over calls, so a stream is read in chunks (truncated backpropagation), and
    ``step`` samples from it (``rnn_jax.decoding``).

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = LanguageModelConfig(vocab_size=5, embedding_size=4, hidden_size=8)
        >>> model = LanguageModel(config, rngs=nnx.Rngs(0))
        >>> tokens = jnp.array([[1, 2, 3, 4], [4, 3, 2, 1]])  # (B, T)
        >>> logits, _, state = jax.jit(model)(tokens)
        >>> logits.shape
        (2, 4, 5)
        >>> pure, params = take_apart(model)
        >>> loss = jax.jit(lambda params, *batch, **of: pure(params).loss(*batch, **of))
        >>> found, state = loss(params, tokens[:, :-1], tokens[:, 1:], key=jax.random.key(0))
        >>> found.count.item()
        6

    References:
        Mikolov et al., Recurrent neural network based language model, 2010.
        Zaremba, Sutskever and Vinyals, Recurrent neural network regularization, 2014,
        arXiv:1409.2329.
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2017,
        arXiv:1708.02182.
    """

    def __init__(self, config: LanguageModelConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        bound = 0.1  # tied, the rows are output weights too and must begin small (Merity)
        draw = nnx.initializers.uniform(2 * bound) if config.tied else nnx.initializers.normal(1.0)

        def embedding_init(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
            drawn = draw(key, shape, dtype)
            return drawn - bound if config.tied else drawn

        self.embedding = nnx.Embed(
            config.vocab_size, config.embedding_size, embedding_init=embedding_init, rngs=rngs
        )
        layers = config.cells
        self.layers = nnx.List([RNN(cell, driver=config.driver, rngs=rngs) for cell in layers])
        if config.tied:
            self.bias = nnx.Param(jnp.zeros(config.vocab_size))
        else:
            self.output = nnx.Linear(layers[-1].output_size, config.vocab_size, rngs=rngs)

    def initial_state(self, batch_size: int) -> tuple[State, ...]:
        """The state of each layer before the first token."""
        return tuple(
            layer.cell.initial_state(layer.get_params(), (batch_size,)) for layer in self.layers
        )

    def hidden(
        self,
        tokens: jax.Array,
        state: tuple[State, ...] | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array, tuple[State, ...]]:
        """The last layer's outputs (B, T, H) after and before dropout, and the state."""
        config, num_layers = self.config, len(self.layers)
        tokens = real_tokens(tokens, lengths)
        check_tokens(tokens, vocab_size=config.vocab_size)
        keys = [None] * (2 * num_layers + 2) if key is None else [*_split(key, 2 * num_layers + 2)]
        table = embedding_dropout(self.embedding.embedding[...], config.embedding_dropout, keys[0])
        drop = locked_dropout if config.locked else dropout
        ys = raw = drop(embed(table, tokens), config.input_dropout, keys[1])
        states = []
        for k, layer in enumerate(self.layers):
            before = None if state is None else state[k]
            after, raw = layer(ys, before, lengths=lengths, reset=reset, rngs=keys[2 + 2 * k])
            last = k == num_layers - 1
            rate = config.output_dropout if last else config.hidden_dropout
            ys = drop(raw, rate, keys[3 + 2 * k])
            states.append(after)
        return ys, raw, tuple(states)

    def project(self, ys: jax.Array) -> jax.Array:
        """Logits (..., V) of outputs (..., H)."""
        if self.config.tied:
            return ys @ self.embedding.embedding[...].T + self.bias[...]
        return self.output(ys)

    def __call__(
        self,
        tokens: jax.Array,
        state: tuple[State, ...] | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Logits (B, T, V) of what follows each of the tokens (B, T); the state to go on with."""
        ys, _, state = self.hidden(tokens, state, lengths=lengths, reset=reset, key=key)
        return Output(self.project(ys), lengths, state)

    def loss(
        self,
        tokens: jax.Array,
        targets: jax.Array,
        state: tuple[State, ...] | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> tuple[Sum, State]:
        """Cross entropy of targets (B, T) after tokens (B, T), penalties included, and the state.

        With a key dropout acts, and the penalties are added in the units of the mean; without, it
        is the bare cross entropy: ``loss.mean`` is nats per token.
        """
        ys, raw, state = self.hidden(tokens, state, lengths=lengths, reset=reset, key=key)
        config = self.config
        loss = cross_entropy(_time_first(self.project(ys)), targets.T, lengths=lengths)
        if key is not None and (config.activation_penalty or config.temporal_penalty):
            slow = temporal_activation(_time_first(raw), lengths=lengths).mean
            small = activation(_time_first(ys), lengths=lengths).mean
            penalty = config.activation_penalty * small + config.temporal_penalty * slow
            loss = loss._replace(total=loss.total + penalty * loss.count)
        return loss, state

    def step(self, state: tuple[State, ...], token: jax.Array) -> tuple[State, jax.Array]:
        """One token (B,): the state after it and logits (B, V) of the next one."""
        logits, _, state = self(token[:, None], state)
        return state, logits[:, 0]


def _split(key: jax.Array, num: int) -> list[jax.Array]:
    return list(jax.random.split(key, num))


def _time_first(xs: jax.Array) -> jax.Array:
    return jnp.moveaxis(xs, 1, 0)
