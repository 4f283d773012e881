"""A decoder of tokens that reads something: a sentence to translate, an image to describe."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.bridge.nnx import Layer
from rnn_jax.models.checks import check_tokens
from rnn_jax.models.decoder_config import DecoderConfig
from rnn_jax.models.dropout import dropout
from rnn_jax.models.rows import embed, real_tokens
from rnn_jax.ops.linear import wider
from rnn_jax.typing import Params, PyTree, State


class DecoderState(NamedTuple):
    """State of a decoder: the batch comes first in every leaf, so a beam gathers them alike."""

    layer: State  # of the recurrent layers
    read: PyTree  # an attention's ``Memory``, a vector (B, V) or None: the same at every step
    weights: jax.Array | None = None  # of the last step, of an attention that follows the layers


class DecoderOutput(NamedTuple):
    """What a decoder gives for given tokens."""

    ys: jax.Array  # (B, T, O)
    weights: jax.Array | None  # (B, T, S), of several heads (B, T, N, S); None without attention
    state: DecoderState


class Decoder(nnx.Module):
    """Embedding, recurrent layers that read something, and logits.

        no attention   h_t = RNN(e_t) or, with a context v, RNN([e_t, v]);   logits = h_t @ w + b
        after          s_t = RNN([e_t, a_{t-1}]),   c_t = attend(s_t)
        after, no feed s_t = RNN(e_t),              c_t = attend(s_t)     of all t after the loop
        before         c_t = attend(s_{t-1}),       s_t = RNN([e_t, c_t])
                       a_t = tanh([c_t, s_t] @ w_c),                         logits = a_t @ w + b

    Tied, w is the transposed embedding (without attention h is mapped to E features first, where
    H is another number).

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax import attention
        >>> general = attention.General(query_size=4, memory_size=3)
        >>> config = DecoderConfig(vocab_size=7, hidden_size=4, attention=general)
        >>> decoder = Decoder(config, rngs=nnx.Rngs(0))
        >>> @jax.jit
        ... def run(memory, lengths, tokens):
        ...     state = decoder.start(memory.shape[0], memory=memory, lengths=lengths)
        ...     found = decoder(state, tokens)
        ...     return decoder.project(found.ys), found.weights
        >>> tokens = jnp.array([[1, 2, 3, 4], [1, 2, 0, 0]])
        >>> logits, weights = run(jnp.ones((2, 5, 3)), jnp.array([5, 3]), tokens)
        >>> logits.shape, weights.shape
        ((2, 4, 7), (2, 4, 5))

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025.
        Press and Wolf, Using the output embedding to improve language models, 2017,
        arXiv:1608.05859 (tied).
    """

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.embedding = nnx.Embed(config.vocab_size, config.embedding_size, rngs=rngs)
        self.layer = Layer(config.layer, rngs=rngs)
        size = config.layer.output_size
        if not config.tied:
            self.output = nnx.Linear(size, config.vocab_size, rngs=rngs)
            return
        self.bias = nnx.Param(jnp.zeros(config.vocab_size))
        if size != config.embedding_size:
            self.to_embedding = nnx.Linear(size, config.embedding_size, use_bias=False, rngs=rngs)

    def start(
        self,
        batch_size: int,
        *,
        memory: jax.Array | None = None,
        lengths: jax.Array | None = None,
        context: jax.Array | None = None,
        begin: Callable[[Sequence[State]], Sequence[State]] | None = None,
    ) -> DecoderState:
        """The state before the first token.

        Args:
            batch_size: B.
            memory: What is attended to, (B, S, E), with lengths (B,).
            lengths: Its real steps.
            context: The vector that every step reads, (B, V).
            begin: From the layers' initial states, lowest first, to others of the same form.
        """
        core: Any = self.layer.layer
        read: PyTree = context
        if memory is not None:
            params: Any = self.layer.get_params()
            rows = jnp.moveaxis(memory, 1, 0)
            read = self.config.attention.prepare(params.attention, rows, lengths)
        state = core.initial_state(self._bound(read), (batch_size,))
        weights = None
        if self.config.attends_at_once:
            heads = getattr(self.config.attention, "weight_heads", ())
            dtype = wider(read.values.dtype, jnp.float32)
            weights = jnp.zeros((batch_size, *heads, read.valid.shape[-1]), dtype)
        if begin is None:
            return DecoderState(state, read, weights)
        if self.config.attention is None or self.config.attends_at_once:
            return DecoderState(tuple(begin(state)), read, weights)
        stacked = state.cell._replace(cells=tuple(begin(state.cell.cells)))
        return DecoderState(state._replace(cell=stacked), read)

    def _bound(self, read: PyTree) -> Params:
        """The layers' parameters with what is read in place."""
        params: Any = self.layer.get_params()
        core: Any = self.layer.layer
        if self.config.attends_at_once:
            return core.bind(params, read)
        if self.config.attention is not None:
            return core.cell.cell.bind(params, read)
        if self.config.context_size is not None:
            return (core.layers[0].cell.bind(params[0], read), *params[1:])
        return params

    def read(
        self,
        state: DecoderState,
        xs: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> DecoderOutput:
        """Run the layers over vectors (B, T, E)."""
        core: Any = self.layer.layer
        given = self._bound(state.read), jnp.moveaxis(xs, 1, 0), state.layer
        if self.config.attends_at_once:
            out, weights = core.apply_with_weights(*given, lengths=lengths, key=key)
        else:
            out, weights = core.apply(*given, lengths=lengths, key=key), None
            if self.config.attention is not None:
                ys, weights = core.cell.split(out.ys)
                out = out._replace(ys=ys)
        last = None if state.weights is None else weights[-1].astype(state.weights.dtype)
        if weights is not None:
            weights = jnp.moveaxis(weights, 0, 1)
        ys = jnp.moveaxis(out.ys, 0, 1)
        return DecoderOutput(ys, weights, DecoderState(out.state, state.read, last))

    def __call__(
        self,
        state: DecoderState,
        tokens: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> DecoderOutput:
        """Run the layers over tokens (B, T), of which ``lengths`` are real; dropout by key."""
        keys: Any = (None,) * 3 if key is None else jax.random.split(key, 3)
        tokens = real_tokens(tokens, lengths, "target")
        check_tokens(tokens, "target", vocab_size=self.config.vocab_size)
        vectors = embed(self.embedding.embedding[...], tokens, self.config.scaled)
        xs = dropout(vectors, self.config.dropout, keys[0])
        found = self.read(state, xs, lengths=lengths, key=keys[1])
        return found._replace(ys=dropout(found.ys, self.config.dropout, keys[2]))

    def project(self, ys: jax.Array) -> jax.Array:
        """Logits (..., V) of outputs (..., O)."""
        if not self.config.tied:
            return self.output(ys)
        if hasattr(self, "to_embedding"):
            ys = self.to_embedding(ys)
        return self.embedding.attend(ys) + self.bias[...]

    def step(self, state: DecoderState, token: jax.Array) -> tuple[DecoderState, jax.Array]:
        """One token (B,): the state after it and logits (B, V) of the next one."""
        found = self(state, token[:, None])
        return found.state, self.project(found.ys[:, 0])
