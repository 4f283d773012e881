"""Weight drop (Merity et al. 2018): DropConnect on the recurrent weights."""

from dataclasses import dataclass
from typing import Any

import jax

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, check_rate, last_name
from rnn_jax.ops.dropout import drop, keep_mask
from rnn_jax.typing import Params


@dataclass(frozen=True, kw_only=True)
class WeightDrop(Wrapper):
    """DropConnect: single recurrent weights are dropped, the same for all rows and steps.

        w_h <- m * w_h / (1 - rate),   m ~ Bernoulli(1 - rate), once for a sequence

    It happens before the loop, so it costs nothing in it and works with every cell and driver. The
    first step from a zero state is unchanged; all later ones differ.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        rate: Probability of dropping a weight, in [0, 1); 0.5 in the paper.
        names: Fields of the parameters that are dropped, wherever they lie.

    Raises:
        ValueError: If the rate lies outside [0, 1), or a name is no field of the parameters.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.WeightDrop(cell=cells.LSTM(input_size=2, hidden_size=3), rate=0.5)
        >>> params = cell.init(jax.random.key(0))
        >>> _, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> ys.shape
        (5, 4, 3)

    References:
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2018,
        arXiv:1708.02182.
        Wan et al., Regularization of neural networks using DropConnect, 2013.
    """

    rate: float
    names: tuple[str, ...] = ("w_h",)

    def __post_init__(self) -> None:
        check_rate(self, "rate")
        have = {path.rpartition(".")[2] for path in base.parameter_shapes(self.cell)}
        missing = sorted(set(self.names) - have)
        if missing or not self.names:
            raise ValueError(
                f"WeightDrop: names={self.names}, but the parameters of {type(self.cell).__name__} "
                f"are {sorted(have)}: name the recurrent ones of these."
            )

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or self.rate > 0

    def perturb(self, params: Params, key: jax.Array, batch_shape: tuple[int, ...]) -> Params:
        key_cell, key_own = jax.random.split(key)
        params = base.perturb(self.cell, params, key_cell, batch_shape)
        paths, treedef = jax.tree_util.tree_flatten_with_path(params)

        def one(path: tuple[Any, ...], leaf: jax.Array, key: jax.Array) -> jax.Array:
            if last_name(path) not in self.names:
                return leaf
            return drop(leaf, keep_mask(key, self.rate, leaf.shape), self.rate)

        keys = jax.random.split(key_own, len(paths))
        leaves = [one(path, leaf, k) for (path, leaf), k in zip(paths, keys, strict=True)]
        return jax.tree.unflatten(treedef, leaves)
