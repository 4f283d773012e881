"""Sentences of images: the same one by one or side by side; places are those of the pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax.data.captioned import Captioned
from rnn_jax.data.scenes import Scene
from rnn_jax.data.vocabulary import Words
from rnn_jax.models import (
    Captioner,
    CaptionerConfig,
    Describer,
    greedy_reward,
    take_apart,
    with_coordinates,
)

WORDS = Words(("a", "dog", "cat"))
SIZES = {"vocab_size": WORDS.size, "num_channels": 5, "conv_sizes": (3,), "hidden_size": 4}
IMAGES = [*np.random.default_rng(0).integers(0, 255, (5, 6, 6, 3), np.uint8)]


def make(**options):
    model = Captioner(CaptionerConfig(**(SIZES | options)), rngs=nnx.Rngs(0))
    return Describer(*take_apart(model), WORDS, max_length=4)


@pytest.mark.slow
def test_batches_change_nothing_and_weights_are_the_models(tmp_path):
    describe = make()
    one, parts = (describe(IMAGES, beam_size=2, num_best=2, batch_size=n) for n in (5, 3))
    assert [[best.text for best in row] for row in one] == [[b.text for b in row] for row in parts]
    np.testing.assert_allclose(
        [b.score for row in one for b in row], [b.score for row in parts for b in row], rtol=1e-5
    )
    assert describe([]) == []

    captions = ["a dog", "cat", "a", "a cat a", "dog"]
    maps = describe.weights(IMAGES, captions, batch_size=3)
    model = describe.pure(describe.params)
    for image, caption, looked in zip(IMAGES, captions, maps):
        tokens = jnp.array([WORDS.encode(caption)])
        expected = jax.jit(model.alignments)(with_coordinates(jnp.asarray(image)[None]), tokens)
        np.testing.assert_allclose(looked, expected[0].reshape(-1, 3, 3), atol=1e-5)

    boxes = np.array([[0, 0, 6, 6]])  # all of the image: looked at whatever the weights are
    scenes = [Scene(image, "a dog", np.array([-1, 0]), boxes) for image in IMAGES]
    part = Captioned(IMAGES, [["a dog"]] * 5, scenes)
    said = describe.look(part, tmp_path / "a.png", shown=2)
    assert "looks at what it names for 100.0% of the words" in said and "chance 100.0%" in said
    assert (tmp_path / "a.png").exists()
    batches = part.batches(WORDS, 2, max_length=4)
    loss = model.loss(
        with_coordinates(jnp.stack(IMAGES)), jnp.array([[*WORDS.encode("a dog"), 2]] * 5)
    )
    assert describe.nats(batches) == pytest.approx(loss.mean.item(), rel=1e-5)


def test_pixels_know_where_they_are():
    found = np.asarray(with_coordinates(jnp.stack(IMAGES)))
    np.testing.assert_allclose(found[..., :3], np.stack(IMAGES) / 127.5 - 1, atol=1e-6)
    for row in range(6):
        np.testing.assert_allclose(found[:, row, :, 3], -1 + row * 2 / 5, atol=1e-6)
        np.testing.assert_allclose(found[:, :, row, 4], -1 + row * 2 / 5, atol=1e-6)


@pytest.mark.slow
def test_the_greedy_reward_is_what_the_best_places_give():
    model = Captioner(CaptionerConfig(hard=True, **SIZES), rngs=nnx.Rngs(0))
    images, captions = with_coordinates(jnp.stack(IMAGES[:2])), jnp.array([[4, 5, 2], [6, 2, 0]])
    lengths = jnp.array([3, 2])

    @jax.jit
    def run(images):
        one_by_one = [
            model.loss(images[row : row + 1], captions[row : row + 1, :n]).total
            for row, n in enumerate((3, 2))
        ]
        return greedy_reward(model, images, captions, lengths), jnp.stack(one_by_one)

    found, alone = run(images)
    np.testing.assert_allclose(found, -alone, rtol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="num_best 3 is not in 1..2"):
        make()(IMAGES, beam_size=2, num_best=3)
    with pytest.raises(ValueError, match="looks at nothing"):
        make(mode="first").weights(IMAGES, ["a"] * 5)
