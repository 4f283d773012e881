"""From samples to stacked frames in a training step: the same on one device and on several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from rnn_jax import ops

LOG_MEL = ops.LogMel(sample_rate=1000, num_bands=5, low_hz=40, pre_emphasis=0.9, dither=1e-3)
HIDE = ops.SpecAugment(time_warp=1, band_mask_size=2, time_mask_size=3)
LENGTHS = np.array([200, 0, 100, 150, 20, 30, 180, 90])
SAMPLES = np.random.default_rng(0).standard_normal((200, 8))


def frames(samples, lengths):
    key = jax.random.key(0)
    ys, new = LOG_MEL(samples, lengths=lengths, key=key)
    ys = HIDE(key, ops.standardize(ys, lengths=new), lengths=new)
    ys = jnp.concatenate([ys, ops.deltas(ys, lengths=new)], axis=-1)
    return ops.stack_frames(ys, 3, 2, lengths=new)


@pytest.mark.slow  # three compilations of all of it
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_sharded_rows_are_the_same(kind):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        rows = NamedSharding(mesh, PartitionSpec(None, "data"))
        samples = jax.device_put(SAMPLES, rows)
        lengths = jax.device_put(LENGTHS, NamedSharding(mesh, PartitionSpec("data")))
        ys, new = jax.jit(frames)(samples, lengths)
    want, want_lengths = jax.jit(frames)(SAMPLES, LENGTHS)
    np.testing.assert_allclose(ys, want, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(new, want_lengths)


@pytest.mark.slow  # it compiles all of it
def test_it_runs_inside_shard_map_with_its_gradient():
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    rows, row = PartitionSpec(None, "data"), PartitionSpec("data")

    def gradient(samples, lengths):
        return jax.grad(lambda x: jnp.square(frames(x, lengths)[0]).sum())(samples)

    mapped = jax.shard_map(gradient, mesh=mesh, in_specs=(rows, row), out_specs=rows)
    found = np.asarray(jax.jit(mapped)(SAMPLES, LENGTHS))
    assert np.isfinite(found).all() and found[:, 0].any() and not found[:, 1].any()
