"""Numbers of Keras' ConvLSTM1D, 2D and 3D in float64.

python tests/golden/make_keras_conv_lstm.py        # writes keras_conv_lstm.npz beside it
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS, NUM_ROWS = 2, 3, 3, 2

# case: layer, size of the images, size of the kernel
CASES = {
    "1d": (keras.layers.ConvLSTM1D, (5,), (3,)),
    "2d": (keras.layers.ConvLSTM2D, (4, 3), (3, 2)),
    "3d": (keras.layers.ConvLSTM3D, (2, 3, 2), (1, 3, 2)),
}


def numbers(case: str, seed: int) -> dict[str, np.ndarray]:
    """Weights, inputs (B, T, *spatial, D), outputs and final states."""
    random = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    kind, spatial_shape, kernel_size = CASES[case]
    layer = kind(
        HIDDEN_SIZE,
        kernel_size,
        padding="same",
        data_format="channels_last",
        activation=jnp.tanh,  # Keras' own computes in float32 whatever its input (3.15.1 on JAX)
        recurrent_activation=jax.nn.sigmoid,
        return_sequences=True,
        return_state=True,
        dtype="float64",
    )
    xs = draw((NUM_ROWS, NUM_STEPS, *spatial_shape, INPUT_SIZE))
    layer.build(xs.shape)
    weights = [draw(w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    ys, h, c = map(np.asarray, layer(xs))
    named = dict(zip(("w_x", "w_h", "b"), weights))
    return named | {"xs": xs, "ys": ys, "h": h, "c": c}


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    arrays = {f"{case}/{k}": v for case in CASES for k, v in numbers(case, 0).items()}
    np.savez_compressed(Path(__file__).with_name("keras_conv_lstm.npz"), **arrays)
