"""Numbers of Equinox' LSTMCell and GRUCell in float64, with and without biases.

python tests/golden/make_equinox_weights.py        # writes equinox_weights.npz beside it
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS = 3, 4, 3

CASES = {
    "lstm": (eqx.nn.LSTMCell, True),
    "lstm_no_bias": (eqx.nn.LSTMCell, False),
    "gru": (eqx.nn.GRUCell, True),
}


def run(case: str, fields: dict[str, np.ndarray], xs: np.ndarray) -> np.ndarray:
    """Outputs (T, H) of the cell with these weights."""
    kind, use_bias = CASES[case]
    cell = kind(INPUT_SIZE, HIDDEN_SIZE, use_bias, jnp.float64, key=jax.random.key(0))
    cell = eqx.tree_at(
        lambda module: [getattr(module, name) for name in fields],
        cell,
        [jnp.asarray(array) for array in fields.values()],
    )
    zero = jnp.zeros(HIDDEN_SIZE, jnp.float64)
    state, ys = zero if kind is eqx.nn.GRUCell else (zero, zero), []
    for x in jnp.asarray(xs):
        state = cell(x, state)
        ys.append(jax.tree.leaves(state)[0])
    return np.stack(ys)


def arrays() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    for case, (kind, use_bias) in CASES.items():
        cell = kind(INPUT_SIZE, HIDDEN_SIZE, use_bias, key=jax.random.key(0))
        fields = {k: v for k, v in vars(cell).items() if isinstance(v, jax.Array)}
        fields = {k: draw(v.shape) for k, v in fields.items()}
        xs = draw((NUM_STEPS, INPUT_SIZE))
        found |= {f"{case}/weights/{name}": array for name, array in fields.items()}
        found |= {f"{case}/xs": xs, f"{case}/ys": run(case, fields, xs)}
    return found


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    np.savez_compressed(Path(__file__).with_name("equinox_weights.npz"), **arrays())
