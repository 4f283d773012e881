"""A Flax NNX model as a pure function of its parameters: taken apart once, for jit."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import jax
from flax import nnx

from rnn_jax.ops.initializers import Uniform
from rnn_jax.typing import Params, State

Model = TypeVar("Model", bound=nnx.Module)


@dataclass(frozen=True)
class Pure(Generic[Model]):
    """What is left of a model without its parameters: equal by value, static under jit.

    ``pure(params)`` is the model again. Inside a jitted function that happens while tracing only,
    so a call costs what its arrays cost; ``nnx.jit`` walks through the whole model at each call.

    Example:
        >>> import jax.numpy as jnp
        >>> pure, params = take_apart(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
        >>> apply = jax.jit(lambda params, x: pure(params)(x))
        >>> apply(params, jnp.ones((4, 2))).shape
        (4, 3)
    """

    graphdef: nnx.GraphDef[Model]

    def __call__(self, params: Params) -> Model:
        return nnx.merge(self.graphdef, params)

    @property
    def step(self) -> "PureStep[Model]":
        """The model's ``step`` as ``rnn_jax.decoding`` takes it: (params, state, token)."""
        return PureStep(self)


@dataclass(frozen=True)
class PureStep(Generic[Model]):
    """One step of a decoder as a function equal by value; a bound method is not.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax.models import LanguageModel, LanguageModelConfig
        >>> config = LanguageModelConfig(vocab_size=5, embedding_size=2, hidden_size=3)
        >>> model = LanguageModel(config, rngs=nnx.Rngs(0))
        >>> pure, params = take_apart(model)
        >>> state, logits = pure.step(params, model.initial_state(2), jnp.array([1, 4]))
        >>> logits.shape
        (2, 5)
    """

    pure: Pure[Model]

    def __call__(self, params: Params, state: State, token: jax.Array) -> tuple[State, jax.Array]:
        model: Any = self.pure(params)
        return model.step(state, token)


def take_apart(model: Model) -> tuple[Pure[Model], Params]:
    """Split a model into what is static and a plain tree of arrays.

    Args:
        model: A module whose only variables are ``nnx.Param``; that is so for all of
            ``rnn_jax.models``, whose randomness comes by ``key``.

    Returns:
        The rest of the model, and the parameters: a tree of arrays for ``jax.grad``, optax, orbax
        and sharding.

    Raises:
        ValueError: If the model holds other variables (statistics of a batch norm, streams of
            random numbers), which a pure function would lose.

    Example:
        >>> pure, params = take_apart(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
        >>> jax.tree.map(lambda leaf: leaf.shape, nnx.to_pure_dict(params))
        {'bias': (3,), 'kernel': (2, 3)}
    """
    parts: Any = nnx.split(model, nnx.Param, ...)
    graphdef, params, others = parts
    if jax.tree.leaves(others):
        kinds = sorted({type(leaf).__name__ for _, leaf in nnx.to_flat_state(others)})
        raise ValueError(
            f"{type(model).__name__} holds {', '.join(kinds)} beside nnx.Param, which would be "
            "lost: pass random keys and statistics as arguments."
        )
    return Pure(graphdef), nnx.as_pure(params)


def uniform_matrices(params: Params, key: jax.Array, bound: float) -> Params:
    """Parameters whose matrices are drawn anew from [-bound, bound); vectors stay as they are.

    So begin many published recipes, whatever the layers; a forget gate keeps its bias.

    Args:
        params: A tree of arrays; those with two axes or more are drawn.
        key: Random key.
        bound: The largest weight.

    Example:
        >>> import jax.numpy as jnp
        >>> params = {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}
        >>> found = uniform_matrices(params, jax.random.key(0), 0.1)
        >>> bool(abs(found["w"]).max() < 0.1), found["b"].tolist()
        (True, [1.0, 1.0, 1.0])
    """
    leaves, treedef = jax.tree.flatten(params)
    draw, keys = Uniform(bound=bound), jax.random.split(key, len(leaves))
    drawn = [draw(k, x.shape, x.dtype) if x.ndim > 1 else x for k, x in zip(keys, leaves)]
    return jax.tree.unflatten(treedef, drawn)
