"""The classifier of recordings against NumPy, and networks of equal size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells, layers, models
from rnn_jax.models.frame_networks import num_weights


def test_delays_pooled_over_time_are_a_convolution_and_a_mean():
    rng = np.random.default_rng(0)
    net = models.delay_network(4, 5, delays=[(3, 2)])
    config = models.FrameClassifierConfig(num_classes=3, layer=net, stack=2)
    model = models.FrameClassifier(config, rngs=nnx.Rngs(0, params=0))
    pure, params = models.take_apart(model)
    frames, lengths = rng.standard_normal((2, 9, 2)), np.array([9, 4])
    labels = jnp.array([[2], [0]])

    @jax.jit
    def run(params, frames, lengths):
        model = pure(params)
        loss = model.loss(frames, labels, lengths=lengths, label_lengths=[1, 0])
        return model(frames, lengths=lengths), loss

    found, loss = run(params, jnp.array(frames), lengths)
    [(w, b)] = model.layers.get_params()
    w, b = np.asarray(w, float), np.asarray(b, float)
    kernel, bias = (np.asarray(leaf[...]) for leaf in (model.output.kernel, model.output.bias))
    for row, length, logits in zip(frames, lengths, found):
        steps = [np.r_[row[t], row[t + 1] if t + 1 < length else 0 * row[t]]
                 for t in range(0, length, 2)]  # fmt: skip
        line = [np.zeros(4)] * 2 + steps + [np.zeros(4)] * 2
        ys = [np.maximum(0, b + sum(line[t + 2 * k] @ w[k] for k in range(3)))
              for t in range(len(steps))]  # fmt: skip
        expected = np.mean(ys, 0) @ kernel + bias
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    wanted = jax.nn.logsumexp(found[0]) - found[0, 2]  # the second row does not count
    np.testing.assert_allclose([loss.total, loss.count], [wanted, 1], atol=1e-5)


def test_networks_of_equal_size_differ_by_less_than_one_width():
    other = models.recurrent_network(cells.GRU, 8, (6, 6))
    near = models.of_equal_size(lambda width: models.delay_network(8, width), other)
    width = near.layers[0].output_size
    sizes = [num_weights(models.delay_network(8, w)) for w in (width - 1, width, width + 1)]
    assert sizes[0] < num_weights(other) < sizes[2]
    assert abs(sizes[1] - num_weights(other)) == min(abs(s - num_weights(other)) for s in sizes)


def test_what_does_not_fit_is_refused():
    rnn = layers.RNN(cell=cells.GRU(input_size=5, hidden_size=2))
    with pytest.raises(ValueError, match="layer reads 5 features, which stack=2"):
        models.FrameClassifierConfig(num_classes=2, layer=rnn, stack=2)
    with pytest.raises(ValueError, match="pooling must be one of"):
        models.FrameClassifierConfig(num_classes=2, layer=rnn, pooling="sum")
    config = models.FrameClassifierConfig(num_classes=2, layer=rnn)
    with pytest.raises(ValueError, match=r"features \(B, T, 5\)"):
        models.FrameClassifier(config, rngs=nnx.Rngs(0))(jnp.ones((1, 3, 4)))
