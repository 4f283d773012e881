"""Checkpoints: exact, newest first, refused for another configuration, damage noticed."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.data import InputError
from rnn_jax.train.checkpoint import Checkpoints, differences
from rnn_jax.train.errors import StorageError
from rnn_jax.train.store import Store

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


def test_the_best_is_kept_beside_the_newest_and_survives_a_resume(tmp_path):
    def state(step):
        return {"w": jax.random.normal(jax.random.key(step), (64, 64))}

    losses = {1: 0.9, 2: float("nan"), 3: 0.4, 4: 0.6, 5: None, 6: 0.4}
    with Checkpoints(tmp_path, CONFIG, keep=1) as checkpoints:
        for step in (1, 2, 3, 4):
            checkpoints.save(step, state(step), loss=losses[step])
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best()) == ([3, 4], 3)
    with Checkpoints(tmp_path, CONFIG, keep=1) as checkpoints:  # the losses are on disk
        assert checkpoints.restore_latest(state(0)).step == 4
        for step in (5, 6):
            checkpoints.save(step, state(step), loss=losses[step])
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best()) == ([3, 6], 3)
        best = checkpoints.restore_best(state(0))
        assert best.step == 3
        assert_identical(best.state, state(3))
    flip_a_bit(tmp_path / "3")
    with Checkpoints(tmp_path, CONFIG, keep=1) as checkpoints:
        assert checkpoints.restore_best(state(0)).step == 6
        assert (checkpoints.steps(), checkpoints.best()) == ([6], 6)


def test_without_losses_the_best_is_the_newest(tmp_path):
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        assert checkpoints.restore_best({"w": jnp.zeros(2)}) is None
        for step in (1, 2):
            checkpoints.save(step, {"w": jnp.zeros(2)})
        assert checkpoints.best() is None
        assert checkpoints.restore_best({"w": jnp.zeros(2)}).step == 2


def test_a_state_comes_back_on_other_devices(tmp_path):
    def on(devices, spec):
        mesh = jax.make_mesh((len(devices),), ("x",), devices=devices)
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*spec))

    eight, two = jax.devices(), jax.devices()[3:5]
    whole = {"w": jnp.arange(32.0).reshape(8, 4), "key": jax.random.key(7)}
    split = jax.device_put(whole, {"w": on(eight, "x"), "key": on(eight, "")})
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        checkpoints.save(1, split)
        abstract = {
            "w": jax.ShapeDtypeStruct((8, 4), whole["w"].dtype, sharding=on(two, (None, "x"))),
            "key": jax.ShapeDtypeStruct((), whole["key"].dtype, sharding=on(two, "")),
        }
        for like in (whole, abstract, jax.device_put(whole, eight[5])):
            state = checkpoints.restore_latest(like).state
            assert_identical(state, whole)
            assert jax.tree.all(jax.tree.map(lambda a, b: a.sharding == b.sharding, state, like))


class Refusing(Store):
    """A storage that is full for some writes: noticed at once, or only when they are waited for."""

    refusals: list[str]

    def begin(self, step, state, meta):
        self.when = self.refusals.pop(0) if self.refusals else ""
        if self.when == "at once":
            raise OSError(28, "No space left on device")
        if not self.when:
            super().begin(step, state, meta)

    def finish(self):
        if self.when == "later":
            self.when = ""
            raise ValueError("OUT_OF_RANGE: Failed writing")
        super().finish()


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_save_that_fails_is_tried_again_and_then_given_up(tmp_path, monkeypatch, when, capsys):
    monkeypatch.setattr("rnn_jax.train.checkpoint.Store", Refusing)
    state = {"w": jnp.ones(2)}
    Refusing.refusals = ["", when]
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state)
        checkpoints.wait()  # the second try
        assert checkpoints.steps() == [1, 2]
        assert "checkpoint 2 could not be saved: " in capsys.readouterr().err
        Refusing.refusals = [when, when]
        with pytest.raises(StorageError, match="checkpoint 3 in .* that of step 2 is whole"):
            checkpoints.save(3, state)
            checkpoints.wait()
        checkpoints.save(4, state)
        checkpoints.wait()
        assert checkpoints.steps() == [2, 4]


def test_a_donated_state_is_tried_again_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("rnn_jax.train.checkpoint.Store", Refusing)
    Refusing.refusals = ["", "later", "", "later"]
    donated = {"w": jnp.ones(2)}
    with Checkpoints(tmp_path, CONFIG) as checkpoints:
        checkpoints.save(1, donated)
        checkpoints.save(2, donated)
        donated["w"].delete()
        checkpoints.save(3, {"w": jnp.ones(2)})
        assert checkpoints.steps() == [1, 3]
        checkpoints.save(4, last := {"w": jnp.ones(2)})
        last["w"].delete()
        with pytest.raises(StorageError, match="checkpoint 4 in .* that of step 3 is whole"):
            checkpoints.wait()
