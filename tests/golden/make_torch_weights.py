"""Numbers of torch.nn.LSTM, GRU and RNN in float64, states given and returned.

python tests/golden/make_torch_weights.py        # writes torch_weights.npz beside it
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS, NUM_ROWS = 3, 4, 3, 2

CASES = {
    "lstm": partial(torch.nn.LSTM, INPUT_SIZE, HIDDEN_SIZE, num_layers=2, bidirectional=True),
    "lstm_one": partial(torch.nn.LSTM, INPUT_SIZE, HIDDEN_SIZE, bias=False),
    "projected": partial(
        torch.nn.LSTM, INPUT_SIZE, HIDDEN_SIZE, num_layers=2, bidirectional=True, proj_size=2
    ),
    "gru": partial(torch.nn.GRU, INPUT_SIZE, HIDDEN_SIZE, bidirectional=True),
    "rnn": partial(torch.nn.RNN, INPUT_SIZE, HIDDEN_SIZE, num_layers=2),
    "rnn_relu": partial(torch.nn.RNN, INPUT_SIZE, HIDDEN_SIZE, nonlinearity="relu"),
}


def run(case: str, weights: dict[str, np.ndarray], inputs: dict[str, np.ndarray]) -> dict:
    """Outputs and final states of the module with these weights from these initial states."""
    module = CASES[case]().double()
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    start = [torch.tensor(inputs[name]) for name in ("h_0", "c_0") if name in inputs]
    with torch.no_grad():
        ys, end = module(torch.tensor(inputs["xs"]), tuple(start) if len(start) == 2 else start[0])
    end = end if isinstance(end, tuple) else (end,)
    return {"ys": ys.numpy()} | {name: s.numpy() for name, s in zip(("h_n", "c_n"), end)}


def arrays() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    for case, make in CASES.items():
        module = make()
        shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        weights = {name: draw(shape) for name, shape in shapes.items()}
        stack = module.num_layers * (2 if module.bidirectional else 1)
        inputs = {"xs": draw((NUM_STEPS, NUM_ROWS, INPUT_SIZE))}
        inputs["h_0"] = draw((stack, NUM_ROWS, module.proj_size or HIDDEN_SIZE))
        if module.mode == "LSTM":
            inputs["c_0"] = draw((stack, NUM_ROWS, HIDDEN_SIZE))
        for part in ({f"weights/{k}": v for k, v in weights.items()}, inputs):
            found |= {f"{case}/{name}": array for name, array in part.items()}
        found |= {f"{case}/{name}": v for name, v in run(case, weights, inputs).items()}
    return found


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name("torch_weights.npz"), **arrays())
