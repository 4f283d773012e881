"""Numbers of torch.nn.LSTM and GRU, two layers in two directions, on packed batches in float64.

Outputs, final states and gradients of ``sum(ys * g_ys) + sum(h_n * g_h_n) (+ c_n)``.

python tests/golden/make_torch_layers.py        # writes torch_layers.npz beside it
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

INPUT_SIZE, HIDDEN_SIZE, NUM_STEPS = 3, 2, 5
LENGTHS = (3, 5, 1)
CASES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def run(case: str, weights: dict[str, np.ndarray], given: dict[str, np.ndarray]) -> dict:
    """Outputs, final states and gradients of the module with these weights, states and inputs."""
    module = CASES[case](INPUT_SIZE, HIDDEN_SIZE, num_layers=2, bidirectional=True).double()
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    names = ["h_0", "c_0"] if case == "lstm" else ["h_0"]
    leaves = {name: torch.tensor(given[name], requires_grad=True) for name in ("xs", *names)}
    start = tuple(leaves[name] for name in names)
    packed = pack_padded_sequence(leaves["xs"], list(LENGTHS), enforce_sorted=False)
    ys, end = module(packed, start if case == "lstm" else start[0])
    ys, lengths = pad_packed_sequence(ys)
    assert lengths.tolist() == list(LENGTHS)
    ends = dict(zip(("h_n", "c_n"), end if case == "lstm" else (end,)))
    found = {"ys": ys, **ends}
    sum(
        (value * torch.tensor(given[f"g_{name}"])).sum() for name, value in found.items()
    ).backward()
    numbers = {name: value.detach().numpy() for name, value in found.items()}
    numbers |= {f"d_{name}": leaf.grad.numpy() for name, leaf in leaves.items()}
    return numbers | {f"d_weights/{k}": v.grad.numpy() for k, v in module.named_parameters()}


def arrays() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}

    def draw(*shape: int) -> np.ndarray:
        return random.integers(-64, 65, shape) / 64  # few digits, so that the file packs small

    rows = len(LENGTHS)
    for case, make in CASES.items():
        module = make(INPUT_SIZE, HIDDEN_SIZE, num_layers=2, bidirectional=True)
        weights = {name: draw(*value.shape) for name, value in module.state_dict().items()}
        given = {
            "xs": draw(NUM_STEPS, rows, INPUT_SIZE),
            "g_ys": draw(NUM_STEPS, rows, 2 * HIDDEN_SIZE),
        }
        for name in ("h", "c") if case == "lstm" else ("h",):
            given[f"{name}_0"] = draw(4, rows, HIDDEN_SIZE)
            given[f"g_{name}_n"] = draw(4, rows, HIDDEN_SIZE)
        found |= {f"{case}/weights/{name}": array for name, array in weights.items()}
        found |= {f"{case}/{name}": array for name, array in given.items()}
        found |= {f"{case}/{name}": array for name, array in run(case, weights, given).items()}
    return found


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name("torch_layers.npz"), **arrays())
