"""Numbers of Keras' LSTM, GRU (both forms) and SimpleRNN in float64.

python tests/golden/make_keras_weights.py        # writes keras_weights.npz beside it
"""

import os
from functools import partial
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS, NUM_ROWS = 3, 4, 3, 2

CASES = {
    "lstm": keras.layers.LSTM,
    "gru_after": partial(keras.layers.GRU, reset_after=True),
    "gru_before": partial(keras.layers.GRU, reset_after=False),
    "gru_no_bias": partial(keras.layers.GRU, reset_after=True, use_bias=False),
    "simple_rnn": keras.layers.SimpleRNN,
}


def make(case: str) -> keras.layers.Layer:
    # Not Keras' own tanh, which computes in float32 whatever its input (3.15.1 on JAX).
    layer = CASES[case](HIDDEN_SIZE, activation=jnp.tanh, return_sequences=True, dtype="float64")
    layer.build((NUM_ROWS, NUM_STEPS, INPUT_SIZE))
    return layer


def run(case: str, weights: list[np.ndarray], xs: np.ndarray) -> np.ndarray:
    """Outputs (B, T, H) of the layer with these weights."""
    layer = make(case)
    layer.set_weights(weights)
    return np.asarray(layer(xs))


def arrays() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    for case in CASES:
        weights = [draw(w.shape) for w in make(case).get_weights()]
        xs = draw((NUM_ROWS, NUM_STEPS, INPUT_SIZE))
        found |= {f"{case}/weights/{i}": array for i, array in enumerate(weights)}
        found |= {f"{case}/xs": xs, f"{case}/ys": run(case, weights, xs)}
    return found


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    np.savez_compressed(Path(__file__).with_name("keras_weights.npz"), **arrays())
