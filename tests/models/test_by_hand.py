"""Networks by hand against arithmetic and regular expressions, on all short strings."""

import re
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import drivers
from rnn_jax.models import by_hand


def test_they_are_exact_on_all_short_strings():
    bits = np.array(list(product([0, 1], repeat=9))).T  # (9, 512)
    pairs = np.array(list(product([0, 1], repeat=10))).T.reshape(5, 2, -1)
    pairs = np.concatenate([pairs, np.zeros_like(pairs[:1])]).swapaxes(1, 2)  # (6, 1024, 2)
    text = np.stack([bits == 0, bits == 1], axis=-1)

    @jax.jit
    def outputs(*inputs):
        machines = (by_hand.parity_machine(), by_hand.serial_adder(), by_hand.counter())
        return [
            drivers.scan(*machine, xs.astype(jnp.float32))[1][..., 0]
            for machine, xs in zip(machines, inputs)
        ]

    parities, sums, accepted = map(np.asarray, outputs(bits[..., None], pairs, text))
    assert (parities == bits.cumsum(axis=0) % 2).all()
    powers = 2 ** np.arange(6)
    assert (powers @ sums == (powers @ pairs.swapaxes(0, 1)).sum(axis=-1)).all()
    for row in range(512):
        string = "".join("ab"[bit] for bit in bits[:, row])
        for n in range(1, 10):
            found = re.fullmatch("(a+)(b+)", string[:n])
            good = found is not None and len(found[1]) == len(found[2])
            assert accepted[n - 1, row] == 1 if good else accepted[n - 1, row] <= 0
