"""Numbers of torch.nn.LSTM whose input gate is one minus its forget gate, in float64.

python tests/golden/make_torch_coupled_lstm.py     # writes torch_coupled_lstm.npz beside it
"""

from pathlib import Path

import numpy as np
import torch

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS, NUM_ROWS = 3, 4, 5, 2


def numbers(case: str, seed: int) -> dict[str, np.ndarray]:
    """Weights of the gates f g o, as (D, 3H), inputs, and the outputs of the LSTM (-f) f g o."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    w_x, w_h = draw(INPUT_SIZE, 3 * HIDDEN_SIZE), draw(HIDDEN_SIZE, 3 * HIDDEN_SIZE)
    b, xs = draw(3 * HIDDEN_SIZE), draw(NUM_STEPS, NUM_ROWS, INPUT_SIZE)
    module = torch.nn.LSTM(INPUT_SIZE, HIDDEN_SIZE).double()
    weights = {"weight_ih_l0": w_x, "weight_hh_l0": w_h, "bias_ih_l0": b, "bias_hh_l0": 0 * b}
    fitted = {}
    for name, weight in weights.items():
        full = np.concatenate([-weight[..., :HIDDEN_SIZE], weight], axis=-1)
        fitted[name] = torch.tensor(full.T)
    module.load_state_dict(fitted)
    with torch.no_grad():
        ys, _ = module(torch.tensor(xs))
    return {"w_x": w_x, "w_h": w_h, "b": b, "xs": xs, "ys": ys.numpy()}


if __name__ == "__main__":
    arrays = {f"coupled/{k}": v for k, v in numbers("coupled", 0).items()}
    np.savez_compressed(Path(__file__).with_name("torch_coupled_lstm.npz"), **arrays)
