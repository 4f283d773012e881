"""A layer whose outputs attend to a memory, all steps at once."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Attention, Memory, is_stochastic, spread
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import check_layer, clean, keeps_time, num_time_axes, turned
from rnn_jax.ops.checks import check_instance, check_sizes
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, join
from rnn_jax.typing import Initializer, Params, State


class CrossAttentionParams(NamedTuple):
    """Parameters of ``CrossAttention``, and the memory that ``bind`` puts in place."""

    layer: Params
    attention: Params
    w_c: jax.Array | None  # (C + H, O), the context's rows first; None without
    memory: Memory | None = None


def attends_at_once(attention: Any) -> bool:
    """Whether a step of the mechanism depends on its query alone: no state, and nothing drawn.

    Example:
        >>> from rnn_jax import attention
        >>> attends_at_once(attention.Dot(query_size=2, memory_size=2))
        True
        >>> sizes = {"query_size": 2, "memory_size": 2, "score_size": 2}
        >>> attends_at_once(attention.Coverage(**sizes))  # adds up the weights of earlier steps
        False
    """
    with jax.ensure_compile_time_eval():
        state = jax.eval_shape(lambda: _initial_state(attention))
    return not jax.tree.leaves(state) and not is_stochastic(attention)


def _initial_state(attention: Any) -> State:
    params = attention.init(jax.random.key(0))
    nothing = jnp.zeros((1, attention.memory_size))
    return attention.initial_state(params, attention.prepare(params, nothing))


@dataclass(frozen=True, kw_only=True)
class CrossAttention:
    """A layer that runs without looking, then attends with all of its outputs.

        h_1 .. h_T = layer(x_1 .. x_T),   c_t = attend(h_t)
        a_t = tanh([c_t, h_t] @ w_c)                           attentional vector

    It equals a cell in ``cells.Attentive(order="after", feed=False)``: what was read is not fed
    back, so attention need not wait in the time loop. There it is a few small products at every
    step and takes the fast gradient from the cell; here it is a few large ones after the loop. The
    output is the attentional vector, or [h_t, c_t] without.

    The memory is bound to the parameters for a call, and may have no batch axes, as in
    ``cells.Attentive``. The state is the inner layer's.

    Args:
        layer: The inner layer, along one time axis.
        attention: What it attends with, ``query_size`` being the inner ``output_size``; one that
            neither remembers earlier steps nor draws.
        attentional_size: O of the attentional vector; None for none.
        kernel_init: Initialiser of ``w_c``.

    Raises:
        ValueError: If the parts do not fit, the attention needs its earlier steps or noise, or no
            memory is bound.

    Example:
        >>> from rnn_jax import attention, cells, layers
        >>> layer = layers.CrossAttention(
        ...     layer=layers.RNN(cell=cells.GRU(input_size=2, hidden_size=4)),
        ...     attention=attention.Additive(query_size=4, memory_size=3, score_size=5),
        ...     attentional_size=6,
        ... )
        >>> params, encoded = layer.init(jax.random.key(0)), jnp.ones((7, 2, 3))
        >>> bound = layer.bind(params, encoded, jnp.array([7, 4]))
        >>> out, weights = layer.apply_with_weights(bound, jnp.ones((5, 2, 2)))
        >>> out.ys.shape, weights.shape
        ((5, 2, 6), (5, 2, 7))

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025, without input feeding.
    """

    layer: Any
    attention: Any
    attentional_size: int | None = None
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)
        check_layer("CrossAttention", "layer", self.layer)
        example = "attention.Additive(...)"
        check_instance("CrossAttention", "attention", self.attention, Attention, example)
        if num_time_axes(self.layer) != 1:
            raise ValueError(
                f"CrossAttention: layer is a {type(self.layer).__name__}, which runs over a grid: "
                "give one that runs along time."
            )
        if self.attention.query_size != self.layer.output_size:
            raise ValueError(
                f"CrossAttention: the attention has query_size={self.attention.query_size}, but "
                f"the layer's output_size={self.layer.output_size} is the query: make them equal."
            )
        if not attends_at_once(self.attention):
            raise ValueError(
                f"CrossAttention: {type(self.attention).__name__} takes its steps one after "
                "another, since it remembers or draws: use cells.Attentive(feed=False)."
            )

    @property
    def input_size(self) -> int:
        return self.layer.input_size

    @property
    def output_size(self) -> int:
        return self.attentional_size or self.attention.output_size + self.layer.output_size

    @property
    def keeps_time(self) -> bool:
        return keeps_time(self.layer)

    def turned(self) -> "CrossAttention":
        """The same, running the other way."""
        return replace(self, layer=turned(self.layer))

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> CrossAttentionParams:
        key_layer, key_attention, key_c = jax.random.split(key, 3)
        w_c = None
        if self.attentional_size is not None:
            rows = self.attention.output_size + self.layer.output_size
            w_c = self.kernel_init(key_c, (rows, self.attentional_size), dtype)
        inner = self.layer.init(key_layer, dtype)
        return CrossAttentionParams(inner, self.attention.init(key_attention, dtype), w_c)

    def bind(
        self,
        params: CrossAttentionParams,
        memory: jax.Array | Memory,
        lengths: jax.Array | None = None,
    ) -> CrossAttentionParams:
        """The parameters with a memory: (S, *B, E) and lengths (*B,), or one already prepared."""
        if isinstance(memory, Memory):
            if lengths is not None:
                raise ValueError("CrossAttention: a prepared memory has its lengths: give none.")
            return params._replace(memory=memory)
        return params._replace(memory=self.attention.prepare(params.attention, memory, lengths))

    def initial_state(
        self, params: CrossAttentionParams, batch_shape: tuple[int, ...] = ()
    ) -> State:
        return self.layer.initial_state(params.layer, batch_shape)

    def apply(
        self,
        params: CrossAttentionParams,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Run over xs (T, *B, D) and attend; ``key`` draws the inner layer's noise."""
        return self.apply_with_weights(
            params, xs, state, lengths=lengths, reset=reset, key=key
        )[0]  # fmt: skip

    def apply_with_weights(
        self,
        params: CrossAttentionParams,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> tuple[Output, jax.Array]:
        """The output, and the weights of every step: (T, *B, S), of several heads (T, *B, N, S)."""
        if params.memory is None:
            raise ValueError(
                "CrossAttention: no memory is bound: call with layer.bind(params, memory)."
            )
        out = self.layer.apply(params.layer, xs, state, lengths=lengths, reset=reset, key=key)
        memory = spread(params.memory, out.ys.shape[1:-1], out.ys[0])

        def attend(query: jax.Array) -> tuple[jax.Array, jax.Array]:
            found = self.attention.attend(params.attention, memory, query, ())
            return found.context, found.weights

        context, weights = jax.vmap(attend)(out.ys)
        if params.w_c is None:
            ys = join(out.ys, context)
        else:
            ys = jnp.tanh(affine(join(context, out.ys), params.w_c, None))
        return out._replace(ys=clean(ys, out.lengths)), clean(weights, out.lengths)
