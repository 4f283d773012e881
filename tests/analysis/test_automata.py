"""Automata read off networks whose automaton is known: those that are set by hand."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from rnn_jax.analysis import Automaton, extract_automaton, minimise
from rnn_jax.models import by_hand


@pytest.mark.slow
def test_the_machines_by_hand_are_found_again():
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 2, (12, 60, 2))
    lengths = jnp.asarray(rng.integers(1, 13, 60))

    @jax.jit
    def states(digits):
        (adder, params), (parity, of_parity) = by_hand.serial_adder(), by_hand.parity_machine()
        xs = digits.astype(jnp.float32)
        hs = drivers.scan(adder.cell, params.cell, xs, lengths=lengths)[1]
        ys = drivers.scan(parity, of_parity, xs[..., :1], lengths=lengths)
        hidden = drivers.scan(parity.cell, of_parity.cell, xs[..., :1], lengths=lengths)[1]
        return hs, adder.readout(params, cells.ElmanState(h=hs)), hidden, ys[1]

    hs, ys, hidden, parities = states(digits)
    bits = jnp.asarray(digits[..., 0])
    machine = extract_automaton(
        hidden, bits, parities[..., 0].astype(jnp.int32), num_clusters=3, lengths=lengths
    )
    assert machine == Automaton(((0, 1), (1, 0)), (0, 1), start=0)
    symbols = jnp.asarray(digits @ [1, 2])
    machine = extract_automaton(
        hs, symbols, ys[..., 0].astype(jnp.int32), num_clusters=4, lengths=lengths
    )
    assert len(machine.outputs) == 4  # a carry and a digit; the start goes on as 0, 0 does
    for a, b in product(range(16), range(16)):
        read = [(a >> k & 1) + 2 * (b >> k & 1) for k in range(5)]
        assert sum(bit << k for k, bit in enumerate(machine.run(read))) == a + b


def test_minimise():
    # Multiples of 3 in binary, each remainder twice, and a state that is never reached.
    doubled = [(2 * s % 3 + 3 * (s < 3), (2 * s + 1) % 3) for s in range(6)]
    large = Automaton((*doubled, (6, 6)), (1, 0, 0, 1, 0, 0, 5), start=3)
    small = minimise(large)
    assert small.transitions == ((0, 1), (2, 0), (1, 2)) and small.outputs == (1, 0, 0)
    for number in range(64):
        digits = [int(digit) for digit in f"{number:b}"]
        assert small.run(digits) == large.run(digits)
        assert small.run(digits)[-1] == (number % 3 == 0)
    lost = Automaton(((1, -1), (-1, 1)), (-1, 3), start=0)  # a start that is like no other
    assert minimise(lost) == lost and lost.run([0, 1, 1, 0, 1]) == [3, 3, 3, -1, -1]


def test_bad_input_is_named():
    ones = jnp.ones((2, 3, 1))
    with pytest.raises(ValueError, match=r"symbols \(3, 2\) and outputs \(2, 3\) must be"):
        extract_automaton(ones, jnp.zeros((3, 2), int), jnp.zeros((2, 3), int), num_clusters=1)
    with pytest.raises(ValueError, match="num_clusters=7 must lie in 1..6"):
        extract_automaton(ones, jnp.zeros((2, 3), int), jnp.zeros((2, 3), int), num_clusters=7)
