"""Zoneout (Krueger et al. 2017): some units keep their previous value instead of being dropped."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, check_field, check_rate, last_name
from rnn_jax.ops.dropout import keep_mask
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Params, PyTree, State


class ZoneoutInput(NamedTuple):
    """What arrives at each step of ``Zoneout``; also its noise, before encoding."""

    z: PyTree  # the inner cell's
    held: dict[str, jax.Array] | None  # by leaf of the state (*B, H): True = keeps its old value


_NONE = ZoneoutInput(None, None)


@dataclass(frozen=True, kw_only=True)
class Zoneout(Wrapper):
    """Zoneout: at each step each unit keeps its previous value with a given probability.

        h' = d_h * h + (1 - d_h) * h~,   d_h ~ Bernoulli(h_rate)        with a key
        h' = h_rate * h + (1 - h_rate) * h~                             without: the expectation

    and the same for c with masks of its own; h~, c~ are what the inner cell's step gives (h~ from
    the c~ that is not zoned out). Gradients and memories pass through a unit that zones out, where
    dropout cuts them. TensorFlow Addons and praxis draw within the loop; here all masks are drawn
    before it, as booleans. State leaves of other names (a counter, a normaliser) are left alone.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        h_rate: Probability for each unit of h, in [0, 1]; 0.05 in the paper's language models.
        c_rate: Probability for each unit of c, in [0, 1]; 0.5 there.

    Raises:
        ValueError: If a rate lies outside [0, 1], or concerns a leaf that the state does not have.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> cell = cells.Zoneout(cell=lstm, h_rate=0.1, c_rate=0.5)
        >>> params = cell.init(jax.random.key(0))
        >>> _, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> ys.shape
        (5, 4, 3)

    References:
        Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations, 2017,
        arXiv:1606.01305.
    """

    h_rate: float = 0.0
    c_rate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("h_rate", "c_rate"):
            check_rate(self, name, one_allowed=True)
            if getattr(self, name):
                check_field(self, name, name[0])

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or self.h_rate > 0 or self.c_rate > 0

    def _rate(self, name: str) -> float:
        return {"h": self.h_rate, "c": self.c_rate}.get(name, 0.0)

    def _mix(self, old: State, new: State, held: dict[str, jax.Array] | None) -> State:
        def one(path: tuple[Any, ...], old: jax.Array, new: jax.Array) -> jax.Array:
            rate = self._rate(last_name(path))
            if not rate:
                return new
            if held is None:
                return rate * old + (1 - rate) * new
            return jnp.where(shard_like(held[jax.tree_util.keystr(path)], new), old, new)

        return jax.tree_util.tree_map_with_path(one, old, new)

    def noise(self, params: Params, key: jax.Array, shape: tuple[int, ...]) -> ZoneoutInput:
        key_cell, *keys = jax.random.split(key, 1 + len(base.state_shapes(self.cell)))
        held = {}
        for leaf_key, (path, size) in zip(keys, base.state_shapes(self.cell).items(), strict=True):
            rate = self._rate(path.rpartition(".")[2])
            if rate:
                held[path] = keep_mask(leaf_key, 1 - rate, (*shape, *size))
        return ZoneoutInput(base.noise(self.cell, params, key_cell, shape), held)

    def encode(self, params: Params, x: jax.Array, noise: ZoneoutInput = _NONE) -> ZoneoutInput:
        return ZoneoutInput(base.encode(self.cell, params, x, noise.z), noise.held)

    def step(self, params: Params, state: State, z: ZoneoutInput) -> State:
        return self._mix(state, self.cell.step(params, state, z.z), z.held)

    def gate(self, params: Params, state: State, z: ZoneoutInput, r: jax.Array) -> State:
        return self._mix(state, self.cell.gate(params, state, z.z, r), z.held)

    def affine(self, params: Params, z: ZoneoutInput) -> tuple[State, State]:
        a, b = self.cell.affine(params, z.z)
        ones, zeros = jax.tree.map(jnp.ones_like, a), jax.tree.map(jnp.zeros_like, b)
        return self._mix(ones, a, z.held), self._mix(zeros, b, z.held)
