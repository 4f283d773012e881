"""Values and gradients of torch.nn.RNN, LSTM (projected too) and GRU, float64, one layer.

python tests/golden/make_torch_cells.py        # writes torch_cells.npz beside it
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS, NUM_ROWS = 3, 4, 5, 2

CASES = {
    "rnn_tanh": partial(torch.nn.RNN, nonlinearity="tanh"),
    "rnn_relu": partial(torch.nn.RNN, nonlinearity="relu"),
    "lstm": torch.nn.LSTM,
    "projected": partial(torch.nn.LSTM, proj_size=2),
    "gru": torch.nn.GRU,
}


def numbers(case: str, seed: int) -> dict[str, np.ndarray]:
    """Weights, inputs, outputs, and gradients of sum(sin(ys)) + sum(cos(final states))."""
    random = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> torch.Tensor:
        few_digits = random.integers(-64, 65, shape) / 64  # so that the file packs small
        return torch.tensor(few_digits, dtype=torch.float64, requires_grad=True)

    module = CASES[case](INPUT_SIZE, HIDDEN_SIZE).double()
    weights = {name: draw(tuple(value.shape)) for name, value in module.named_parameters()}
    inputs = {"xs": draw((NUM_STEPS, NUM_ROWS, INPUT_SIZE))}
    inputs["h_0"] = draw((1, NUM_ROWS, module.proj_size or HIDDEN_SIZE))
    if module.mode == "LSTM":
        inputs["c_0"] = draw((1, NUM_ROWS, HIDDEN_SIZE))
    start = tuple(inputs[name] for name in ("h_0", "c_0") if name in inputs)
    start = start if len(start) == 2 else start[0]
    ys, end = torch.func.functional_call(module, weights, (inputs["xs"], start))
    end = end if isinstance(end, tuple) else (end,)
    (torch.sin(ys).sum() + sum(torch.cos(leaf).sum() for leaf in end)).backward()
    found = weights | inputs
    gradients = {f"d_{name}": leaf.grad for name, leaf in found.items()}
    found |= {"ys": ys} | dict(zip(("h_n", "c_n"), end)) | gradients
    return {name.removesuffix("_l0"): leaf.detach().numpy() for name, leaf in found.items()}


if __name__ == "__main__":
    arrays = {f"{case}/{k}": v for case in CASES for k, v in numbers(case, 0).items()}
    np.savez_compressed(Path(__file__).with_name("torch_cells.npz"), **arrays)
