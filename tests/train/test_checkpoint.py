"""Checkpoints: exact, newest first, refused for another configuration, damage noticed."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.data import InputError
from rnn_jax.train.checkpoint import Checkpoints, differences

CONFIG = {"hidden_size": 4, "sizes": [1, 2], "rate": 0.1}


class State(NamedTuple):
    params: dict
    optimizer: optax.OptState
    carry: tuple
    key: jax.Array
    step: jax.Array


def make_state(seed: int = 0) -> State:
    keys = jax.random.split(jax.random.key(seed), 3)
    params = {"w": jax.random.normal(keys[0], (3, 4)), "b": jnp.zeros(4, jnp.bfloat16)}
    carry = (jax.random.normal(keys[1], (2, 4)), jnp.full((2, 4), seed, jnp.float32))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3)).init(params)
    return State(params, optimizer, carry, keys[2], jnp.asarray(seed))


def assert_identical(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
        assert x.dtype == y.dtype
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(x, y)


def test_the_newest_state_comes_back_bit_for_bit_with_its_notes(tmp_path):
    with Checkpoints(tmp_path / "c", CONFIG, keep=2) as checkpoints:
        assert checkpoints.restore_latest(make_state()) is None
        for step in (1, 5, 9):
            checkpoints.save(step, make_state(step), {"position": step * 10})
        checkpoints.wait()
        assert checkpoints.steps() == [5, 9]
        checkpoints.save(9, make_state(1))  # exists: left alone
    with Checkpoints(tmp_path / "c", CONFIG) as checkpoints:
        step, state, notes = checkpoints.restore_latest(make_state())
    assert (step, notes) == (9, {"position": 90})
    assert_identical(state, make_state(9))


def test_a_donated_state_is_saved_as_it_was(tmp_path):
    double = jax.jit(lambda tree: jax.tree.map(lambda a: 2 * a, tree), donate_argnums=0)
    state = {"w": jnp.arange(1e5, dtype=jnp.float32)}
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        checkpoints.save(1, state)
        for _ in range(20):
            state = double(state)
        restored = checkpoints.restore_latest(state)
    np.testing.assert_array_equal(restored.state["w"], np.arange(1e5, dtype=np.float32))


def test_another_configuration_is_refused_and_nothing_is_touched(tmp_path):
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        checkpoints.save(1, make_state(1))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    with Checkpoints(tmp_path, {**CONFIG, "rate": 0.2}) as checkpoints:
        with pytest.raises(InputError, match=r"rate 0\.1 there, 0\.2 here"):
            checkpoints.restore_latest(make_state())
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after


def flip_a_bit(directory):
    path = max((p for p in directory.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_a_flipped_bit_is_noticed_and_the_one_before_is_taken(tmp_path):
    state = {"w": jax.random.normal(jax.random.key(0), (64, 64))}
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        checkpoints.save(1, state)
        checkpoints.save(2, {"w": -state["w"]})
    flip_a_bit(tmp_path / "2")
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        restored = checkpoints.restore_latest(state)
        assert restored.step == 1
        assert_identical(restored.state, state)
        assert len(list(tmp_path.glob("damaged-2-*"))) == 1
        checkpoints.save(2, state)  # the run goes on and comes to step 2 again
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        assert checkpoints.restore_latest(state).step == 2


def test_a_run_never_starts_anew_because_its_checkpoints_cannot_be_read(tmp_path):
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        checkpoints.save(1, {"w": jnp.zeros(3)})
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        with pytest.raises(InputError, match=r"holds other arrays: \['w'\] .*\[3\] there, .*\[4\]"):
            checkpoints.restore_latest({"w": jnp.zeros(4)})
    assert (tmp_path / "1").is_dir()


def test_differences_name_each_key_with_both_values():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None}) == [
        "b 2 there, 3 here",
        "c absent there, None here",
    ]
