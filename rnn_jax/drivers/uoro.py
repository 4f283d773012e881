"""Unbiased online recurrent optimisation (Tallec and Ollivier 2017): influences of rank one."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.locality import Graph
from rnn_jax.drivers.row_step import At, Parts, RowStep, Theta, to_parts
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import State

EPSILON = 1e-7  # the paper's


class Product(NamedTuple):
    """The influence J of one row, about ``s`` times ``theta``: its expectation is J."""

    s: Parts  # like the state's parts
    theta: list[jax.Array | None]  # like theta, None where a leaf never acts on the state


class RankOne(NamedTuple):
    """What carries a ``Product`` on.

        s' = rho_0 D s + rho_1 nu,   theta' = theta / rho_0 + nu I / rho_1

    with random signs nu, so that the mean of s' theta' is D s theta + I; rho_0 and rho_1 make
    both factors of a term equally long, which keeps the variance small.
    """

    row: RowStep
    known: Graph

    def start(self, theta: Theta, index: Any, key: jax.Array | None) -> Product:
        """The influence on the initial state of one row."""
        parts, pull = jax.vjp(lambda theta: self.row.start(theta, index), theta)
        nothing = self.zeros(theta, parts)
        if not self.known.learns_start:
            return nothing
        signs = draw_signs(key, parts)
        return self.add(nothing.s, nothing.theta, signs, pull(signs)[0])

    def zeros(self, theta: Theta, parts: Parts) -> Product:
        """No influence at all."""
        return Product(
            [jnp.zeros_like(part) for part in parts],
            [
                vary_like(jnp.zeros(leaf.shape, self.row.dtype), parts[0]) if acts else None
                for leaf, acts in zip(theta, self.known.acts, strict=True)
            ],
        )

    def step(self, theta: Theta, state: State, influence: Product, at: At) -> tuple[State, Product]:
        """One row's next state, and the influence on it, by signs that ``at.key`` draws."""
        parts = to_parts(state, self.row.dtype)
        return self.step_by(draw_signs(at.key, parts), theta, state, influence, at)

    def step_by(
        self, signs: Parts, theta: Theta, state: State, influence: Product, at: At
    ) -> tuple[State, Product]:
        """The same by given signs."""
        parts = to_parts(state, self.row.dtype)

        def after(theta: Theta, parts: Parts) -> tuple[Parts, State]:
            return self.row.after(theta, parts, state, at)

        _, pull, new = jax.vjp(after, theta, parts, has_aux=True)
        pushed = jax.jvp(lambda parts: after(theta, parts)[0], (parts,), (influence.s,))[1]
        return new, self.add(pushed, influence.theta, signs, pull(signs)[0])

    def add(self, s: Parts, theta: list[jax.Array | None], signs: Parts, pulled: Theta) -> Product:
        """s theta + nu (nu I) as one product, unbiased over the signs nu."""
        seen = [
            None if old is None else leaf.astype(self.row.dtype)
            for old, leaf in zip(theta, pulled, strict=True)
        ]
        rho_0 = jnp.sqrt((_length(theta) + EPSILON) / (_length(s) + EPSILON))
        rho_1 = jnp.sqrt((_length(seen) + EPSILON) / (_length(signs) + EPSILON))
        return Product(
            jax.tree.map(lambda s, nu: rho_0 * s + rho_1 * nu, s, signs),
            jax.tree.map(lambda old, new: old / rho_0 + new / rho_1, theta, seen),
        )

    def gradient(self, influence: Product, d_parts: Parts, theta: Theta) -> Theta:
        """What a gradient by the state, leaves (R, ...), is by theta: the sum over the rows."""
        pairs = zip(d_parts, influence.s, strict=True)
        along = sum((d * s).reshape(d.shape[0], -1).sum(1) for d, s in pairs)

        def one(moved: jax.Array | None, leaf: jax.Array) -> jax.Array:
            if moved is None:
                return vary_like(jnp.zeros(leaf.shape, self.row.dtype), d_parts[0])
            return jnp.tensordot(along, moved, 1)

        return [one(*each) for each in zip(influence.theta, theta, strict=True)]


def draw_signs(key: Any, parts: Parts) -> Parts:
    """Random signs for every number of the state.

    Example:
        >>> signs = draw_signs(jax.random.key(0), [jnp.zeros(4)])
        >>> jnp.abs(signs[0]).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    return [
        vary_like(jax.random.rademacher(jax.random.fold_in(key, i), p.shape, p.dtype), p)
        for i, p in enumerate(parts)
    ]


def _length(tree: Any) -> Any:
    return jnp.sqrt(sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(tree)))
