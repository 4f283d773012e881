"""Windows against a loop that looks each step up by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import ops

T, B, D = 6, 3, 2
LENGTHS = np.array([6, 0, 4])
RESET = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], bool)


def loop(xs, size, previous, lengths, reset, reverse):
    out = np.zeros((T, B, size, D))
    ahead = 1 if reverse else -1
    for t, row in np.ndindex(T, B):
        at = t
        for lag in range(size):
            if 0 <= at < T:
                if at < lengths[row]:
                    out[t, row, size - 1 - lag] = xs[at, row]
                if reset[at, row]:
                    break
            elif previous is not None:
                out[t, row, size - 1 - lag] = previous[at - T if reverse else at, row]
            at += ahead
    return out.reshape(T, B, size * D)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_equals_the_loop(size, reverse):
    rng = np.random.default_rng(size)
    xs, previous = rng.standard_normal((T, B, D)), rng.standard_normal((size - 1, B, D))
    never, full = np.zeros((T, B), bool), np.full(B, T)
    for before in (None, previous):
        for lengths in (None, LENGTHS):
            for reset in (None, RESET):
                want = loop(
                    xs,
                    size,
                    before,
                    full if lengths is None else lengths,
                    never if reset is None else reset,
                    reverse,
                )
                options = {"previous": before, "lengths": lengths, "reset": reset}
                options = jax.tree.map(jnp.asarray, options)
                found = ops.windows(jnp.asarray(xs), size, **options, reverse=reverse)
                np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding_enters_no_window(reverse):
    def run(xs):
        return ops.windows(xs, 3, lengths=jnp.array([3]), reverse=reverse)

    xs = jnp.where(jnp.arange(T)[:, None, None] < 3, 1.0, jnp.nan)
    assert bool(jnp.isfinite(run(xs)).all())
    assert bool(jnp.isfinite(jax.grad(lambda xs: run(xs).sum())(xs)).all())


def test_two_calls_are_one():
    xs = jnp.arange(T * D, dtype=jnp.float32).reshape(T, D)
    whole = ops.windows(xs, 3)
    parts = [ops.windows(xs[:4], 3), ops.windows(xs[4:], 3, previous=xs[2:4])]
    np.testing.assert_array_equal(jnp.concatenate(parts), whole)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        (0, {}, "size must be >= 1 steps, got 0"),
        (3, {"previous": jnp.zeros((1, B, D))}, r"previous has shape \(1, 3, 2\)"),
        (2, {"lengths": jnp.ones(2, int)}, r"it must be \(3,\)"),
        (2, {"reset": jnp.zeros((B, T), bool)}, r"reset has shape \(3, 6\)"),
    ],
)
def test_bad_input_is_refused(size, options, message):
    with pytest.raises(ValueError, match=message):
        ops.windows(jnp.zeros((T, B, D)), size, **options)
