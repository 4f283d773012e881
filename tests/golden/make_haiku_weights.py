"""Numbers of Haiku's LSTM, GRU and VanillaRNN in float64.

python tests/golden/make_haiku_weights.py        # writes haiku_weights.npz beside it
"""

from functools import partial
from pathlib import Path

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS, NUM_ROWS = 3, 4, 3, 2

CASES = {
    "lstm": hk.LSTM,
    "gru": hk.GRU,
    "vanilla_rnn": hk.VanillaRNN,
    "vanilla_rnn_one_bias": partial(hk.VanillaRNN, double_bias=False, name="vanilla_rnn"),
}


def transformed(case: str) -> hk.Transformed:
    def unroll(xs: jax.Array) -> jax.Array:
        core = CASES[case](HIDDEN_SIZE)
        start = jax.tree.map(lambda leaf: leaf.astype(xs.dtype), core.initial_state(NUM_ROWS))
        return hk.dynamic_unroll(core, xs, start)[0]

    return hk.without_apply_rng(hk.transform(unroll))


def run(case: str, params: dict, xs: np.ndarray) -> np.ndarray:
    """Outputs (T, B, H) of the core with these parameters."""
    return np.asarray(transformed(case).apply(jax.tree.map(jnp.asarray, params), jnp.asarray(xs)))


def arrays() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    for case in CASES:
        xs = draw((NUM_STEPS, NUM_ROWS, INPUT_SIZE))
        params = transformed(case).init(jax.random.key(0), jnp.asarray(xs))
        params = jax.tree.map(lambda leaf: draw(leaf.shape), params)
        for module, leaves in params.items():
            found |= {f"{case}/weights/{module}:{name}": leaf for name, leaf in leaves.items()}
        found |= {f"{case}/xs": xs, f"{case}/ys": run(case, params, xs)}
    return found


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    np.savez_compressed(Path(__file__).with_name("haiku_weights.npz"), **arrays())
