"""Normalisation, stacks, slopes and masks of frames against loops over rows and frames."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import layers, ops

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "torchaudio.npz")
T, B, F = 7, 4, 3
LENGTHS = np.array([7, 0, 4, 1])
REAL = np.arange(T)[:, None] < LENGTHS
XS = np.where(REAL[..., None], np.random.default_rng(0).standard_normal((T, B, F)), np.nan)


def test_standardize_sees_real_frames_alone():
    ys = np.asarray(jax.jit(ops.standardize)(XS, lengths=LENGTHS))
    assert not ys[~REAL].any()
    for row in (0, 2):
        real = XS[: LENGTHS[row], row]
        want = (real - real.mean(0)) / np.sqrt(real.var(0) + 1e-5)
        np.testing.assert_allclose(ys[: LENGTHS[row], row], want, rtol=1e-12)
    assert not ys[0, 3].any()  # one frame has no variance
    gradient = jax.jit(jax.grad(lambda xs: (ops.standardize(xs, lengths=LENGTHS) ** 3).sum()))(XS)
    assert np.isfinite(gradient).all() and not gradient[~REAL].any()


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (8, 3)])
def test_stacks_equal_the_loop(size, stride):
    ys, new = ops.stack_frames(jnp.asarray(XS), size, stride, lengths=jnp.asarray(LENGTHS))
    assert ys.shape == (-(-T // stride), B, size * F)
    np.testing.assert_array_equal(new, np.ceil(LENGTHS / stride))
    for step, row in np.ndindex(ys.shape[:2]):
        frames = [np.zeros(F)] * size
        for lag in range(size):
            if step * stride + lag < LENGTHS[row] and step < new[row]:
                frames[lag] = XS[step * stride + lag, row]
        np.testing.assert_array_equal(ys[step, row], np.concatenate(frames))


def test_stacks_side_by_side_are_a_time_reduction():
    layer = layers.TimeReduction(input_size=F, factor=3)
    reduce = jax.jit(lambda xs, lengths: layer.apply((), xs, lengths=lengths))
    want = reduce(XS, LENGTHS)
    stack = jax.jit(lambda xs, lengths: ops.stack_frames(xs, 3, 3, lengths=lengths))
    ys, new = stack(XS, LENGTHS)
    np.testing.assert_array_equal(ys, want.ys)
    np.testing.assert_array_equal(new, want.lengths)
    assert ops.stack_frames(jnp.ones((T, F)), 3, 3)[1] is None


def test_slopes_equal_torchaudio_in_every_row():
    frames = GOLDEN["frames"]
    padded = np.full((9, 2, 3), np.nan)
    padded[:7, 0] = frames
    for size in (1, 2):
        run = jax.jit(lambda xs, size=size: ops.deltas(xs, size, lengths=jnp.array([7, 0])))
        ys = run(jnp.asarray(padded))
        np.testing.assert_allclose(ys[:7, 0], GOLDEN[f"deltas_{size}"], rtol=0, atol=1e-12)
    assert not ys[7:].any() and not ys[:, 1].any()


MANY, LONG, BANDS = 400, 12, 6
ROWS = jnp.asarray(np.where(np.arange(MANY) % 2, 8, 5))
HIDE = ops.SpecAugment(
    num_band_masks=1, band_mask_size=2, num_time_masks=1, time_mask_size=4, time_mask_fraction=0.5
)


def runs(hidden):
    """Length of each row's only run of True, rows last; fails where there are two."""
    edges = np.diff(hidden.astype(int), axis=0, prepend=0)
    assert (edges == 1).sum(0).max() <= 1
    return hidden.sum(0)


def test_masks_have_the_drawn_distribution():
    xs = np.where(np.arange(LONG)[:, None, None] < np.asarray(ROWS)[:, None], 1.0, np.nan)
    xs = jnp.asarray(np.broadcast_to(xs, (LONG, MANY, BANDS)))
    ys = np.asarray(HIDE(jax.random.key(0), xs, lengths=ROWS))
    assert set(np.unique(ys)) == {0.0, 1.0}
    for length, longest in ((5, 2), (8, 4)):
        rows = ys[:, np.asarray(ROWS) == length]
        assert not rows[length:].any()
        real = rows[:length] == 0
        hidden_bands = real.all(0).T  # (F, rows)
        hidden_frames = real.all(2)
        np.testing.assert_array_equal(
            real, hidden_frames[..., None] | np.broadcast_to(hidden_bands.T[None], real.shape)
        )
        for hidden, most in ((hidden_bands, 2), (hidden_frames, longest)):
            counts = np.bincount(runs(hidden), minlength=most + 1)
            assert counts.size == most + 1  # uniform within 0..most
            np.testing.assert_allclose(counts / 200, 1 / (most + 1), atol=0.12)
            assert hidden.any(1).all()  # every place is hidden in some row


def test_masks_depend_neither_on_the_padding_nor_on_the_batch_s_other_rows():
    xs = jax.random.normal(jax.random.key(1), (LONG, 2, BANDS))
    lengths = jnp.array([8, 5])
    hide = ops.SpecAugment(
        num_band_masks=1, num_time_masks=1, time_warp=1, band_mask_size=2, time_mask_size=3
    )
    want = hide(jax.random.key(2), xs, lengths=lengths)
    longer = jnp.concatenate([xs, jnp.full((4, 2, BANDS), jnp.nan)])
    found = hide(jax.random.key(2), longer, lengths=lengths)
    np.testing.assert_array_equal(found[:LONG], want)
    other = hide(jax.random.key(2), xs.at[:, 1].set(0.0), lengths=lengths)
    np.testing.assert_array_equal(other[:, 0], want[:, 0])


def test_time_is_warped_between_fixed_ends():
    only = ops.SpecAugment(num_band_masks=0, num_time_masks=0, time_warp=2)
    lengths = jnp.asarray(np.where(np.arange(60) % 3, 12, 5))
    time = jnp.broadcast_to(jnp.arange(15.0)[:, None, None], (15, 60, 1))
    ys = np.asarray(only(jax.random.key(0), time, lengths=lengths))[..., 0]
    np.testing.assert_array_equal(ys[:5, ::3], np.asarray(time)[:5, ::3, 0])  # too short to warp
    warped = ys[:12, np.arange(60) % 3 > 0]
    np.testing.assert_allclose(warped[0], 0, atol=1e-6)
    np.testing.assert_allclose(warped[-1], 11, rtol=1e-6)
    assert (np.diff(warped, axis=0) > 0).all()
    bend = np.abs(np.diff(warped, 2, axis=0)) > 1e-5  # a line, a bend, a line
    assert bend.sum(0).max() <= 2
    shifts = np.abs(warped - np.arange(12.0)[:, None]).max(0)
    assert 1.5 < shifts.max() <= 2.001 and shifts.min() < 1e-5  # up to W, some not at all


def test_bad_choices_are_refused():
    xs = jnp.zeros((T, B, F))
    with pytest.raises(ValueError, match="time_warp must be a whole number >= 0, got -1"):
        ops.SpecAugment(time_warp=-1)
    with pytest.raises(ValueError, match=r"time_mask_fraction=1.5 must lie in 0..1"):
        ops.SpecAugment(time_mask_fraction=1.5)
    with pytest.raises(ValueError, match=r"lengths has shape \(2,\), but xs has batch axes \(4,\)"):
        HIDE(jax.random.key(0), xs, lengths=jnp.ones(2, int))
    with pytest.raises(ValueError, match="size=0 and stride=1 must be >= 1"):
        ops.stack_frames(xs, 0, 1)
    with pytest.raises(ValueError, match="size=0 must be >= 1"):
        ops.deltas(xs, 0)
