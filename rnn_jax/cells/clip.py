"""Limits inside the loop: on the values of the state, and on the gradient that flows back by it."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, check_field, map_named
from rnn_jax.ops.gradients import clip_gradient_norm, clip_gradient_value
from rnn_jax.typing import Params, PyTree, State


@dataclass(frozen=True, kw_only=True)
class Clip(Wrapper):
    """Clip the values of the state after each step: activation clip (h) and cell clip (c).

        h' = min(max(h~, -h_limit), h_limit)
        c' = min(max(c~, -c_limit), c_limit)

    Where a value is clipped no gradient passes. TensorFlow's ``cell_clip`` clips c before h is made
    from it; here h~ belongs to the c~ that is not clipped, which tanh makes nearly the same.

    Args:
        cell: The inner cell; a gated one stays so.
        h_limit: Largest absolute value of h; None for no limit.
        c_limit: Largest absolute value of c; None for no limit.

    Raises:
        ValueError: If a limit is not positive, or concerns a leaf that the state does not have.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Clip(cell=cells.irnn(2, 3, scale=2.0), h_limit=5.0)
        >>> params = cell.init(jax.random.key(0))
        >>> state, _ = drivers.scan(cell, params, jnp.ones((20, 2)))
        >>> bool((state.h <= 5).all())
        True

    References:
        Sak, Senior and Beaufays, Long short-term memory recurrent neural network architectures for
        large scale acoustic modeling, 2014.
    """

    h_limit: float | None = None
    c_limit: float | None = None

    def __post_init__(self) -> None:
        for name in ("h_limit", "c_limit"):
            limit = getattr(self, name)
            if limit is not None:
                _check_limit(self, name, limit)
                check_field(self, name, name[0])

    @property
    def is_affine(self) -> bool:
        return False

    def _clip(self, state: State) -> State:
        limits = {"h": self.h_limit, "c": self.c_limit}
        functions = {
            name: partial(jnp.clip, min=-limit, max=limit)
            for name, limit in limits.items()
            if limit is not None
        }
        return map_named(functions, state)

    def step(self, params: Params, state: State, z: PyTree) -> State:
        return self._clip(self.cell.step(params, state, z))

    def gate(self, params: Params, state: State, z: PyTree, r: jax.Array) -> State:
        return self._clip(self.cell.gate(params, state, z, r))


@dataclass(frozen=True, kw_only=True)
class GradientClip(Wrapper):
    """Clip the gradient at every step of the loop backwards, where it would explode.

        at="state":  ds_t <- clip(ds_t)             before it goes back through step t
        at="gates":  dz_t, dr_t <- clip(dz_t), clip(dr_t), those of the pre-activations' two halves

    Values are untouched. ds_t is the whole gradient of the state after step t, from its output and
    from the steps to come; by="norm" scales each row's ds_t, over all leaves together. Clipping at
    the gates is Graves' rule and Lasagne's ``grad_clipping``. It acts the same under the deferred
    gradient, under autodiff and remat. It is a rule for gradients: forward mode sees none of it,
    and second derivatives are right only where nothing is clipped.

    Args:
        cell: The inner cell; a gated one stays so.
        limit: Largest absolute value, or norm, that passes.
        by: "value" clips number by number, "norm" scales a row's gradient.
        at: "state", or "gates" (by value, for gated cells).

    Raises:
        ValueError: If the limit is not positive or a choice unknown, or for "gates" by norm or with
            a cell that is not gated.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.GradientClip(cell=cells.irnn(1, 1, scale=2.0), limit=1.0)
        >>> params = cell.init(jax.random.key(0))
        >>> def loss(xs):
        ...     return drivers.scan(cell, params._replace(w_x=jnp.ones((1, 1))), xs)[1][-1, 0]
        >>> jax.grad(loss)(jnp.ones((4, 1))).ravel().tolist()
        [1.0, 1.0, 1.0, 1.0]

    References:
        Graves, Generating sequences with recurrent neural networks, 2013, arXiv:1308.0850.
        Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013,
        arXiv:1211.5063.
    """

    limit: float
    by: Literal["value", "norm"] = "value"
    at: Literal["state", "gates"] = "state"

    def __post_init__(self) -> None:
        _check_limit(self, "limit", self.limit)
        if self.by not in ("value", "norm"):
            raise ValueError(f'GradientClip: by must be "value" or "norm", got {self.by!r}.')
        if self.at not in ("state", "gates"):
            raise ValueError(f'GradientClip: at must be "state" or "gates", got {self.at!r}.')
        if self.at == "gates" and (self.by == "norm" or not base.is_gated(self.cell)):
            raise ValueError(
                f'GradientClip: at="gates" clips by="value" and needs a gated cell, got '
                f'by={self.by!r} and {type(self.cell).__name__}: use at="state".'
            )

    @property
    def is_affine(self) -> bool:
        return False

    def _clip(self, state: State) -> State:
        if self.by == "value":
            return clip_gradient_value(state, self.limit)
        own = next(iter(base.state_shapes(self.cell).values()))
        return clip_gradient_norm(state, self.limit, jax.tree.leaves(state)[0].ndim - len(own))

    def step(self, params: Params, state: State, z: PyTree) -> State:
        if self.at == "gates":
            return base.gated_step(self, params, state, z)
        return self._clip(self.cell.step(params, state, z))

    def gate(self, params: Params, state: State, z: PyTree, r: jax.Array) -> State:
        if self.at == "gates":
            z, r = clip_gradient_value((z, r), self.limit)
            return self.cell.gate(params, state, z, r)
        return self._clip(self.cell.gate(params, state, z, r))


def _check_limit(wrapper: Wrapper, name: str, limit: float) -> None:
    if not limit > 0:
        raise ValueError(
            f"{type(wrapper).__name__}: {name} must be positive, got {limit}; for no limit leave "
            f"the wrapper out."
        )
