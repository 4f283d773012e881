"""What every script does: train, look on, skip, average, save, resume, restore."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax import losses
from rnn_jax.data import InputError
from rnn_jax.train import Report, Run, Settings, cli, fit, read_metrics, read_run, restore_params
from rnn_jax.train.fit import in_precision

for library in ("tqdm", "matplotlib"):
    pytest.importorskip(library)

PLAIN = Settings(
    batch_size=8, steps=12, eval_every=5, learning_rate=0.05, clip_limit=0.2, warmup_steps=2
)


def initial(seed=0):
    return jax.random.normal(jax.random.key(seed), (3, 2), jnp.float32), jnp.zeros((8, 2))


def loss(params, carry, batch, key):
    """One step of a recurrence that forgets where a stream starts."""
    carry = jnp.where(batch["first"], 0, carry)
    xs = batch["xs"] + batch["noise"] * jax.random.normal(key, (3,), jnp.float32)
    carry = jnp.tanh((xs.astype(params.dtype) @ params).astype(jnp.float32) + carry)
    return losses.tally(jnp.square(carry - 1).sum(-1)), carry


def batch(step, noise=0.1):
    xs = np.random.default_rng(step).normal(size=(8, 3)).astype(np.float32)
    return {"xs": xs, "first": np.asarray(step % 4 == 0), "noise": np.float32(noise)}


def train(config, batch=batch, seen=None):
    params, carry = initial()

    def report(params, done):
        if seen is not None:
            seen[done] = np.array(params)  # a copy: the next step takes the buffer
        return Report(f"report at {done}", abs(done - 8.0))

    with Run(config) as run:
        return fit(config, run, loss, params, batch, report, carry=carry, tokens_per_step=8)


def restored(config, best=False):
    params, carry = initial(1)
    return restore_params(read_run(config.run_dir), config, params, carry, best)


def plain_losses(num_steps):
    """The same training, written down by hand for one device."""
    (params, carry), optimizer = initial(), PLAIN.make_optimizer()
    moments, found, key = optimizer.init(params), [], jax.random.key(PLAIN.seed)
    for step in range(num_steps):
        data, noise = batch(step), jax.random.fold_in(key, step)

        def mean(params, carry=carry, data=data, noise=noise):
            total, carry = loss(params, carry, data, noise)
            return total.mean, carry

        (value, carry), gradient = jax.value_and_grad(mean, has_aux=True)(params)
        updates, moments = optimizer.update(gradient, moments, params)
        params = optax.apply_updates(params, updates)
        found.append(value)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    config = replace(PLAIN, run_dir=tmp_path_factory.mktemp("runs") / "whole")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert train(config) == cli.DONE
    return config


def test_a_run_leaves_metrics_curve_speed_and_the_best(whole):
    metrics = read_metrics(whole.run_dir)
    steps = [line for line in metrics if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 13))
    np.testing.assert_allclose([line["loss"] for line in steps], plain_losses(12), rtol=1e-4)
    assert steps[0]["tokens"] == 8
    reports = [line for line in metrics if "held_out_loss" in line]
    assert [line["held_out_loss"] for line in reports] == [3.0, 2.0, 4.0]
    norms = np.array([line["gradient_norm"] for line in steps])
    for line in reports:  # of the last eval_every steps
        share = np.mean(norms[max(line["step"] - 5, 0) : line["step"]] > 0.2)
        assert line["clip_rate"] == pytest.approx(share) and line["skipped_total"] == 0
    assert [line["update_norm"] > 0 for line in steps] == [False] + [True] * 11  # warm-up from 0
    speed = list(map(json.loads, Path(whole.run_dir, "speed.jsonl").read_text().splitlines()))
    assert [line["step"] for line in speed] == [5, 10, 12] and speed[-1]["waits"] <= 12
    assert Path(whole.run_dir, "curve.png").stat().st_size > 5000


def test_the_best_and_the_newest_come_back(whole, tmp_path):
    seen = {}
    train(replace(whole, run_dir=tmp_path / "again"), seen=seen)
    np.testing.assert_array_equal(restored(whole), seen[12])
    np.testing.assert_array_equal(restored(whole, best=True), seen[10])


def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(whole, tmp_path, capsys):
    config = replace(whole, run_dir=tmp_path / "whole")

    def interrupted(step):
        if step in (3, 9):
            signal.raise_signal(signal.SIGTERM)
        return batch(step)

    # batches are made ahead in a thread, where a signal is seen by the main thread soon after
    for _ in range(3):
        status = train(config, interrupted)
        if status == cli.DONE:
            break
        assert status == cli.INTERRUPTED
    assert train(config) == cli.DONE
    for name in ("metrics.jsonl", "samples.txt", "curve.png"):
        a, b = (Path(run.run_dir, name).read_bytes() for run in (whole, config))
        assert a == b, name
    np.testing.assert_array_equal(restored(config), restored(whole))


def test_every_mode_trains_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    found = {}
    for mode in ("none", "jit", "shard_map", "pmap"):
        config = replace(PLAIN, run_dir=tmp_path / mode, parallel=mode, steps=8, eval_every=8)
        train(config, lambda step: batch(step, noise=0))  # which each device draws for itself
        found[mode] = restored(config)
        np.testing.assert_allclose(found[mode], found["none"], rtol=0, atol=1e-5)


def test_updates_that_are_not_finite_are_skipped_and_counted(tmp_path):
    def spoiled(step):
        given = batch(step)
        return given | {"xs": given["xs"] * np.float32(np.nan if step in (4, 7) else 1)}

    config = replace(PLAIN, run_dir=tmp_path, parallel="none")
    assert train(config, spoiled) == cli.DONE
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines if line.get("skipped")] == [5, 8]
    assert [line["skipped_total"] for line in lines if "skipped_total" in line] == [1, 2, 2]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(restored(config)))


def test_averages_are_what_is_measured_and_restored(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    seen = {}
    plain = replace(PLAIN, parallel="none", optimizer="sgd", schedule="constant", eval_every=1)
    plain = replace(plain, steps=10, warmup_steps=0)
    train(replace(plain, run_dir=tmp_path / "none"), seen=seen)
    averaged = replace(plain, run_dir=tmp_path / "mean", average="triggered")
    measured = {}
    # |done - 8| after steps 1..10 is no better than 5 reports ago at no time: no average begins
    train(averaged, seen=measured)
    np.testing.assert_array_equal(measured[10], seen[10])
    moving = replace(plain, run_dir=tmp_path / "moving", average="exponential", average_decay=0.5)
    train(moving, seen=measured)
    mean, _ = initial()
    for done in range(1, 11):
        d = min(0.5, (1 + done) / (10 + done))
        mean = d * mean + (1 - d) * seen[done]
    np.testing.assert_allclose(measured[10], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(restored(moving), mean, rtol=1e-5, atol=1e-6)


def test_in_bfloat16_products_are_short_and_gradients_are_not():
    params, carry = initial()
    halved, key = in_precision(loss, "bfloat16"), jax.random.key(0)
    total, gradient = jax.value_and_grad(lambda p: halved(p, carry, batch(1), key)[0].total)(params)
    exact = jax.grad(lambda p: loss(p, carry, batch(1), key)[0].total)(params)
    assert (
        gradient.dtype == jnp.float32 and np.isfinite(total) and not np.array_equal(gradient, exact)
    )
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=2e-2 * np.abs(exact).max())


def test_settings_that_do_not_fit_are_bad_input(tmp_path):
    for change, message in (
        ({"batch_size": 9}, "batch_size: 9 rows cannot be shared by 8 devices; give a multiple"),
        ({"momentum": -1.0}, "out of range: momentum=-1.0"),
    ):
        with pytest.raises(InputError, match=message):
            train(replace(PLAIN, run_dir=tmp_path / "run", **change))


def test_tensorboard_and_a_trace_are_written_when_asked_for(tmp_path):
    pytest.importorskip("tensorboardX")
    config = replace(PLAIN, run_dir=tmp_path, parallel="none", tensorboard=True, profile=2)
    train(config)
    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert b"gradient_norm" in events.read_bytes() and b"held_out_loss" in events.read_bytes()
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
