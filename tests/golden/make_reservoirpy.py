"""Numbers of reservoirpy's Reservoir and Ridge, in float64; made with reservoirpy 0.4.2.

python tests/golden/make_reservoirpy.py     # writes reservoirpy.npz beside it
"""

from pathlib import Path

import numpy as np
from reservoirpy.nodes import Reservoir, Ridge

CASES = {"plain": 1.0, "leaky": 0.3}  # leak
INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, NUM_STEPS, WASHOUT, ALPHA = 2, 6, 2, 40, 5, 0.01


def numbers(case: str, seed: int) -> dict[str, np.ndarray]:
    """Matrices (column convention), inputs, states, targets, and the fitted readout."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.integers(-32, 33, shape) / 32  # few digits, so that the file packs small

    g = {
        "W": draw(HIDDEN_SIZE, HIDDEN_SIZE) / 4,
        "Win": draw(HIDDEN_SIZE, INPUT_SIZE),
        "bias": draw(HIDDEN_SIZE),
        "xs": draw(NUM_STEPS, INPUT_SIZE),
        "targets": draw(NUM_STEPS, OUTPUT_SIZE),
    }
    reservoir = Reservoir(lr=CASES[case], W=g["W"], Win=g["Win"], bias=g["bias"])
    g["states"] = reservoir.run(g["xs"])
    readout = Ridge(ridge=ALPHA).fit(g["states"][WASHOUT:], g["targets"][WASHOUT:])
    return g | {"Wout": readout.Wout, "bout": readout.bias, "ys": readout.run(g["states"])}


if __name__ == "__main__":
    arrays = {f"{case}/{k}": v for case in CASES for k, v in numbers(case, 0).items()}
    np.savez_compressed(Path(__file__).with_name("reservoirpy.npz"), **arrays)
