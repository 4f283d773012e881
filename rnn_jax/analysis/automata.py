"""The finite automaton that a network has learnt, read off its states."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

UNSEEN = -1


class Automaton(NamedTuple):
    """A Moore machine: an output in every state, a next state for every symbol."""

    transitions: tuple[tuple[int, ...], ...]  # by state and symbol; -1 where none was seen
    outputs: tuple[int, ...]  # by state; -1 where the network is before any symbol
    start: int

    def run(self, symbols: Sequence[int]) -> list[int]:
        """The output after every symbol; -1 from where no transition was seen.

        Example:
            >>> Automaton(((0, 1), (1, 0)), (0, 1), start=0).run([1, 0, 1, 1])
            [1, 1, 0, 1]
        """
        state, said = self.start, []
        for symbol in symbols:
            state = UNSEEN if state == UNSEEN else self.transitions[state][symbol]
            said.append(UNSEEN if state == UNSEEN else self.outputs[state])
        return said


def extract_automaton(
    states: jax.Array,
    symbols: jax.Array,
    outputs: jax.Array,
    *,
    num_clusters: int,
    lengths: jax.Array | None = None,
) -> Automaton:
    """Clusters a network's states, sees how symbols lead from one to another, and merges.

    A cluster is a state of the automaton, with the output and the transitions that are most
    frequent in it. Clusters that no string can tell apart become one (Moore's algorithm), so there
    may be more of them than the automaton has states. The state before the first symbol is one of
    its own, without an output, unless it goes on like another.

    Args:
        states: The network's states after each symbol (T, B, H).
        symbols: The symbols read (T, B), 0 ... A-1.
        outputs: What the network says after each symbol (T, B), a whole number >= 0.
        num_clusters: Of k-means, which starts from states far from each other.
        lengths: Real steps of each row, (B,).

    Raises:
        ValueError: If shapes do not fit, or there are fewer states than clusters.

    Example:
        >>> bits = jax.random.bernoulli(jax.random.key(0), shape=(9, 20)).astype(jnp.int32)
        >>> parity = bits.cumsum(0) % 2
        >>> states = jnp.stack([parity, bits], axis=-1)
        >>> extract_automaton(states, bits, parity, num_clusters=4)
        Automaton(transitions=((0, 1), (1, 0)), outputs=(0, 1), start=0)

    References:
        Giles et al., Learning and extracting finite state automata with second-order recurrent
        neural networks, 1992, doi:10.1162/neco.1992.4.3.393.
        Wang et al., An empirical evaluation of rule extraction from recurrent neural networks,
        2017, arXiv:1709.10380.
    """
    if states.ndim != 3 or not states.shape[:2] == symbols.shape == outputs.shape:
        raise ValueError(
            f"states {states.shape}, symbols {symbols.shape} and outputs {outputs.shape} must be "
            "(T, B, H), (T, B) and (T, B)."
        )
    num_steps, num_rows, _ = states.shape
    real = jnp.ones((num_steps, num_rows), bool)
    if lengths is not None:
        real = jnp.arange(num_steps)[:, None] < jnp.asarray(lengths)[None]
    found = 1 + _k_means(states[real].astype(jnp.float32), num_clusters)
    clusters = jnp.zeros(real.shape, found.dtype).at[real].set(found)
    before = jnp.concatenate([jnp.zeros_like(clusters[:1]), clusters[:-1]])  # 0 is the start
    num, num_symbols = 1 + num_clusters, 1 + int(symbols.max())
    once = real.astype(jnp.int32)
    moves = jnp.zeros((num, num_symbols, num), jnp.int32).at[before, symbols, clusters].add(once)
    said = jnp.zeros((num, 1 + int(outputs.max())), jnp.int32).at[clusters, outputs].add(once)
    transitions = jnp.where(moves.sum(-1) > 0, moves.argmax(-1), UNSEEN).tolist()
    machine = jnp.where(said.sum(-1) > 0, said.argmax(-1), UNSEEN).tolist()
    return minimise(Automaton(tuple(map(tuple, transitions)), tuple(machine), start=0))


def minimise(automaton: Automaton) -> Automaton:
    """The smallest automaton that says the same, its states in the order in which they are reached.

    Args:
        automaton: Any. An output of -1 in the start stands for none: it is not compared.

    Example:
        >>> minimise(Automaton(((1, 2), (1, 2), (2, 1)), (-1, 0, 1), start=0))
        Automaton(transitions=((0, 1), (1, 0)), outputs=(0, 1), start=0)

    References:
        Moore, Gedanken-experiments on sequential machines, 1956.
    """
    transitions, outputs, start = automaton
    block = _numbered(list(outputs))
    while True:
        moves = [tuple(block[s] if s != UNSEEN else UNSEEN for s in row) for row in transitions]
        finer = _numbered(list(zip(block, moves)))
        if len(set(finer)) == len(set(block)):
            break
        block = finer
    if outputs[start] == UNSEEN:  # a start that goes on like another state is that state
        same = [s for s, move in enumerate(moves) if move == moves[start] and s != start]
        start = same[0] if same else start
    member = {block[s]: s for s in reversed(range(len(block)))}
    member[block[start]] = start
    order = [block[start]]
    for b in order:  # it grows as states are reached
        order += [to for to in dict.fromkeys(moves[member[b]]) if to not in (UNSEEN, *order)]
    place = {b: k for k, b in enumerate(order)} | {UNSEEN: UNSEEN}
    return Automaton(
        tuple(tuple(place[to] for to in moves[member[b]]) for b in order),
        tuple(outputs[member[b]] for b in order),
        start=0,
    )


def _numbered(values: list[object]) -> list[int]:
    numbers: dict[object, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def _k_means(points: jax.Array, num_clusters: int, rounds: int = 20) -> jax.Array:
    """The cluster of each point (N, H); the first centres are far from each other."""
    if not 1 <= num_clusters <= len(points):
        raise ValueError(f"num_clusters={num_clusters} must lie in 1..{len(points)}, the states.")

    def distances(centres: jax.Array) -> jax.Array:  # squared, (N, K), but for a constant
        return jnp.square(centres).sum(-1)[None] - 2 * points @ centres.T

    def farther(k: int, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        centres, nearest = carry
        centre = points[nearest.argmax()]
        distance = jnp.square(points - centre[None]).sum(-1)
        return centres.at[k].set(centre), jnp.minimum(nearest, distance)

    def move(_: int, centres: jax.Array) -> jax.Array:
        own = jax.nn.one_hot(distances(centres).argmin(-1), num_clusters, dtype=points.dtype)
        count = own.sum(0)[:, None]
        means = (own.T @ points) / jnp.maximum(count, jnp.ones_like(count))
        return jnp.where(count > 0, means, centres)

    centres = jnp.broadcast_to(points[:1], (num_clusters, points.shape[-1]))
    nearest = jnp.square(points - points[:1]).sum(-1)
    centres, _ = jax.lax.fori_loop(1, num_clusters, farther, (centres, nearest))
    centres = jax.lax.fori_loop(0, rounds, move, centres)
    return distances(centres).argmin(-1)
